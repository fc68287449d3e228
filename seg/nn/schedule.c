/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/nn/optimiser.h"

#include <math.h>

double
seg_schedule_step (double lr, gint64 t, const gint64 *milestones, int n, double factor)
{
  for (int m = 0; m < n; m++)
    if (t >= milestones[m])
      lr *= factor;
  return lr;
}

double
seg_schedule_poly (double lr, gint64 t, gint64 total, double power)
{
  return total > 0 && t < total ? lr * pow (1 - (double) t / total, power) : 0;
}

double
seg_schedule_cosine (double lr, double lr_min, gint64 t, gint64 total)
{
  const double phase = total > 0 ? CLAMP ((double) t / total, 0, 1) : 1;

  return lr_min + (lr - lr_min) * (1 + cos (G_PI * phase)) / 2;
}

double
seg_schedule_warmup (double lr, gint64 t, gint64 warmup)
{
  return t < warmup ? lr * (t + 1) / warmup : lr;
}

double
seg_schedule_rampup (double t, double total)
{
  double left;

  if (total <= 0)
    return 1;
  left = 1 - CLAMP (t, 0, total) / total;
  return exp (-5 * left * left);
}
