/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/losses.h"
#include "seg/method/method-private.h"
#include "seg/method/ramps.h"
#include "seg/ops/ops.h"

#include <math.h>
#include <string.h>

/* Steps of the released run the ramps are quoted for. */
#define RELEASED_STEPS 6000
/* UA-MT: passes of the teacher from which uncertainty is estimated, and how many patches at once.
 */
#define N_PASSES 8
#define N_STACKED 2

/* λ (t) = 0.1 ramp (⌊t / 150⌋, 40), t scaled to the released run. */
static double
weight_consistency (const SegMethod *self)
{
  double t = (double) self->step * RELEASED_STEPS / (double) self->params.n_steps;

  return self->params.consistency * seg_ramp_sigmoid (floor (t / 150), 40);
}

static SegTensor *
unlabelled_softmax (SegTensor *logits, const SegBatch *batch)
{
  g_autoptr (SegTensor) unlabelled =
      seg_slice (logits, 0, batch->n_labelled, batch->n - batch->n_labelled);

  return seg_softmax (unlabelled, 1);
}

static SegTensor *
teach_noisy (SegMethod *self, const SegBatch *batch, guint64 draw)
{
  g_autofree float *noisy = seg_method_noisy (self, batch, draw);
  g_autoptr (SegTensor) x = seg_method_upload (self, batch->n - batch->n_labelled, noisy);

  return seg_method_teach (self, x);
}

SegTensor *
seg_mean_teacher_losses (SegMethod *self, const SegBatch *batch, SegMethodReport *report)
{
  g_autoptr (SegTensor) target = NULL, x = NULL, logits = NULL, p = NULL, inside = NULL;
  SegTensor *total = NULL;
  gboolean has_unlabelled = batch->n > batch->n_labelled;
  gboolean is_empty;

  if (has_unlabelled)
    target = teach_noisy (self, batch, 0);
  x = seg_method_upload (self, batch->n, batch->image);
  logits = seg_vnet_forward (self->student, x, NULL);
  seg_method_add_loss (self, &total, seg_method_supervised (self, logits, batch), 1,
                       "loss.supervised", report);
  if (has_unlabelled)
    {
      p = unlabelled_softmax (logits, batch);
      inside = seg_method_inside (self, batch);
      seg_method_add_loss (self, &total, seg_loss_consistency (p, target, inside, &is_empty),
                           weight_consistency (self), "loss.consistency", report);
    }
  return total;
}

/* The mean of eight teacher passes over noisy copies, in four forwards of two copies each. */
static SegTensor *
mean_of_passes (SegMethod *self, const SegBatch *batch)
{
  int n = batch->n - batch->n_labelled;
  gsize V = (gsize) batch->patch[0] * (gsize) batch->patch[1] * (gsize) batch->patch[2];
  g_autofree float *stacked = g_new (float, (gsize) (n * N_STACKED) * V);
  SegTensor *sum = NULL;

  for (int pass = 0; pass < N_PASSES; pass += N_STACKED)
    {
      g_autoptr (SegTensor) x = NULL, p = NULL;

      for (int s = 0; s < N_STACKED; s++)
        {
          g_autofree float *noisy = seg_method_noisy (self, batch, (guint64) (1 + pass + s));

          memcpy (stacked + (gsize) (s * n) * V, noisy, (gsize) n * V * sizeof (float));
        }
      x = seg_method_upload (self, n * N_STACKED, stacked);
      p = seg_method_teach (self, x);
      for (int s = 0; s < N_STACKED; s++)
        {
          g_autoptr (SegTensor) part = seg_slice (p, 0, s * n, n);

          if (sum == NULL)
            sum = seg_copy (part);
          else
            seg_tensor_set (&sum, seg_add (sum, part));
        }
    }
  seg_tensor_set (&sum, seg_affine (sum, 1.0 / N_PASSES, 0));
  return sum;
}

/* [U < H]: U = −Σ_c p̄ ln (p̄ + 1e-6), N 1 X... H is quoted for ln 2: scaled to ln K. */
static SegTensor *
certainty_mask (SegMethod *self, SegTensor *mean)
{
  double threshold = seg_ramp_uamt_threshold (self->step, self->params.n_steps) / G_LN2
                     * log (self->params.n_classes);
  g_autoptr (SegTensor) ln = seg_log (mean, 1e-6);
  g_autoptr (SegTensor) product = seg_mul (mean, ln);
  g_autoptr (SegTensor) negative = seg_sum (product, 1u << 1);
  g_autoptr (SegTensor) limit = seg_constant (self->context, -threshold);

  return seg_greater (negative, limit);
}

SegTensor *
seg_ua_mt_losses (SegMethod *self, const SegBatch *batch, SegMethodReport *report)
{
  g_autoptr (SegTensor) target = NULL, mean = NULL, mask = NULL, x = NULL, logits = NULL, p = NULL;
  g_autoptr (SegTensor) inside = NULL;
  SegTensor *total = NULL;
  gboolean has_unlabelled = batch->n > batch->n_labelled;
  gboolean is_empty;

  if (has_unlabelled)
    {
      target = teach_noisy (self, batch, 0);
      seg_no_grad_begin (self->context);
      mean = mean_of_passes (self, batch);
      mask = certainty_mask (self, mean);
      inside = seg_method_inside (self, batch);
      if (inside != NULL)
        seg_tensor_set (&mask, seg_mul (mask, inside));
      seg_no_grad_end (self->context);
    }
  x = seg_method_upload (self, batch->n, batch->image);
  logits = seg_vnet_forward (self->student, x, NULL);
  seg_method_add_loss (self, &total, seg_method_supervised (self, logits, batch), 1,
                       "loss.supervised", report);
  if (has_unlabelled)
    {
      p = unlabelled_softmax (logits, batch);
      seg_method_add_loss (self, &total, seg_loss_consistency (p, target, mask, &is_empty),
                           weight_consistency (self), "loss.consistency", report);
    }
  return total;
}
