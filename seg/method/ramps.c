/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/ramps.h"

#include <math.h>

/* Of the released run: selections every 200 steps in between. */
#define FIRST_SELECTION 800
#define LAST_SELECTION (FIRST_SELECTION + 200 * (SEG_GM_ABS_SELECTIONS - 1))

/* Position in the released run. Whole numbers of released steps must come out whole, so multiply
 * before dividing. */
static double
released_step (const SegGmAbsSchedule *self, gint64 t)
{
  return (double) t * SEG_GM_ABS_RELEASED_STEPS / (double) MAX (self->n_steps, 1);
}

static gint64
scaled_step (const SegGmAbsSchedule *self, double released)
{
  return llround (released * (double) self->n_steps / SEG_GM_ABS_RELEASED_STEPS);
}

double
seg_ramp_sigmoid (double c, double length)
{
  double rest;

  if (length <= 0)
    return 1;
  rest = 1 - CLAMP (c, 0, length) / length;
  return exp (-5 * rest * rest);
}

double
seg_ramp_ema_decay (gint64 t, double decay)
{
  return MIN (1 - 1 / ((double) t + 1), decay);
}

double
seg_ramp_poly_lr (double base, gint64 t, gint64 n_steps)
{
  double rest = 1 - (double) t / (double) MAX (n_steps, 1);

  return rest <= 0 ? 0 : base * pow (rest, 0.9);
}

double
seg_ramp_uamt_lr (double base, gint64 t, gint64 n_steps)
{
  double released = (double) t * 6000 / (double) MAX (n_steps, 1);

  return base * (released >= 5000 ? 0.01 : released >= 2500 ? 0.1 : 1);
}

double
seg_ramp_uamt_threshold (gint64 t, gint64 n_steps)
{
  return (0.75 + 0.25 * seg_ramp_sigmoid ((double) t, (double) n_steps)) * G_LN2;
}

double
seg_gm_abs_lr (const SegGmAbsSchedule *self, double base, gint64 t)
{
  double released = released_step (self, t);

  /* The rule is set after step 5000 from the un-incremented counter, so step 5000 itself is still
   * taken with the old rate. */
  if (released > 7500)
    return base * 1e-3;
  if (released > 5000)
    return base * 1e-2;
  return base;
}

double
seg_gm_abs_weight_sam (const SegGmAbsSchedule *self, gint64 t)
{
  return 1 - 0.9 * seg_ramp_sigmoid (released_step (self, t), SEG_GM_ABS_RELEASED_STEPS);
}

double
seg_gm_abs_weight_consistency (const SegGmAbsSchedule *self, gint64 t)
{
  return 0.1 * seg_ramp_sigmoid (floor (released_step (self, t) / 150), 40);
}

double
seg_gm_abs_tau (const SegGmAbsSchedule *self, gint64 t)
{
  return 0.35 + 0.25 * seg_ramp_sigmoid (released_step (self, t), SEG_GM_ABS_RELEASED_STEPS);
}

double
seg_gm_abs_tau_after_round (const SegGmAbsSchedule *self)
{
  return seg_gm_abs_tau (self, scaled_step (self, LAST_SELECTION));
}

gboolean
seg_gm_abs_refresh_is_due (const SegGmAbsSchedule *self, gint64 t)
{
  int n = self->n_refreshes;
  gint64 last = 0;

  for (int r = 0; r < n; r++)
    {
      /* 600 … 7800 as released. A short run has no teacher worth asking so early: at 6 % of 400
       * steps it has seen each labelled scan three times. */
      double released = n == SEG_GM_ABS_RELEASED_REFRESHES ? 600.0 * (r + 1)
                        : n == 1                           ? 5000
                                                           : 4000 + 3500.0 * r / (n - 1);
      gint64 due = MAX (scaled_step (self, released), last + 1);

      if (due == t)
        return TRUE;
      last = due;
    }
  return FALSE;
}

gboolean
seg_gm_abs_selection_is_due (const SegGmAbsSchedule *self, gint64 t)
{
  gint64 last = 0;

  for (int r = 0; r < SEG_GM_ABS_SELECTIONS; r++)
    {
      gint64 due = MAX (scaled_step (self, FIRST_SELECTION + 200 * r), last + 1);

      if (due == t)
        return TRUE;
      last = due;
    }
  return FALSE;
}
