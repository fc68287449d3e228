/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/losses.h"
#include "seg/method/method-private.h"
#include "seg/ops/ops.h"

#include <string.h>

/* Noise of the teachers' inputs: clip (0.1 N (0, 1), ±0.2). */
#define NOISE_SIGMA 0.1
#define NOISE_LIMIT 0.2
/* Draws of noise per step and patch, at most: UA-MT's nine. */
#define MAX_DRAWS 16
/* Of the run, in which the classes' balance falls to 0. */
#define BALANCED_SHARE 0.3

static const struct
{
  const char *name;
  SegMethodLosses losses;
} table[] = {
  { "gm-abs", seg_gm_abs_losses },
  { "mean-teacher", seg_mean_teacher_losses },
  { "ua-mt", seg_ua_mt_losses },
  { "sup-only", seg_sup_only_losses },
};

SegMethodLosses
seg_method_get_step_losses (const char *name)
{
  for (gsize m = 0; m < G_N_ELEMENTS (table); m++)
    if (strcmp (table[m].name, name) == 0)
      return table[m].losses;
  return NULL;
}

SegTensor *
seg_method_upload (SegMethod *self, int n, const float *values)
{
  const int *patch = self->params.patch;

  return seg_tensor_new_from (self->context, self->params.bf16 ? SEG_DTYPE_BF16 : SEG_DTYPE_F32,
                              SEG_SHAPE (n, 1, patch[0], patch[1], patch[2]), SEG_DTYPE_F32,
                              values);
}

SegTensor *
seg_method_teach (SegMethod *self, SegTensor *x)
{
  g_autoptr (SegTensor) logits = NULL;
  SegTensor *p;

  seg_no_grad_begin (self->context);
  logits = seg_vnet_forward (self->teacher, x, NULL);
  p = seg_softmax (logits, 1);
  seg_no_grad_end (self->context);
  return p;
}

void
seg_method_add_loss (SegMethod *self, SegTensor **total, SegTensor *part, double weight,
                     const char *name, SegMethodReport *report)
{
  G_GNUC_UNUSED g_autoptr (SegTensor) owned = part;
  g_autoptr (SegTensor) weighted = NULL;

  if (part == NULL)
    return;
  seg_method_report_loss (self, report, name, part);
  weighted = weight == 1 ? seg_tensor_ref (part) : seg_affine (part, weight, 0);
  if (*total == NULL)
    *total = g_steal_pointer (&weighted);
  else
    seg_tensor_set (total, seg_add (*total, weighted));
}

SegTensor *
seg_method_supervised (SegMethod *self, SegTensor *logits, const SegBatch *batch)
{
  double done = (double) self->step / (double) self->params.n_steps;
  double balance = self->params.class_balance * MAX (1 - done / BALANCED_SHARE, 0);
  gboolean is_empty;

  return seg_loss_supervised (&(SegSupervisedParams){ .broadcast = self->params.ce_broadcast,
                                                      .dice = self->params.dice_term,
                                                      .balance = balance },
                              logits, batch, &is_empty);
}

SegTensor *
seg_method_inside (SegMethod *self, const SegBatch *batch)
{
  const int *patch = batch->patch;
  gsize V = (gsize) patch[0] * (gsize) patch[1] * (gsize) patch[2];
  gsize n = (gsize) (batch->n - batch->n_labelled) * V;
  const guint8 *pseudo = batch->pseudo + (gsize) batch->n_labelled * V;
  g_autofree float *inside = NULL;

  if (!self->params.skip_outside || n == 0)
    return NULL;
  inside = g_new (float, n);
  for (gsize v = 0; v < n; v++)
    inside[v] = pseudo[v] != SEG_PSEUDO_OUTSIDE;
  return seg_tensor_new_from_f32 (
      self->context, SEG_SHAPE (batch->n - batch->n_labelled, 1, patch[0], patch[1], patch[2]),
      inside);
}

float *
seg_method_noisy (SegMethod *self, const SegBatch *batch, guint64 draw)
{
  gsize V = (gsize) batch->patch[0] * (gsize) batch->patch[1] * (gsize) batch->patch[2];
  int n = batch->n - batch->n_labelled;
  float *noisy = g_new (float, (gsize) n *V);

  for (int i = 0; i < n; i++)
    {
      guint64 item =
          (batch->step * (guint64) batch->n + (guint64) (batch->n_labelled + i)) * MAX_DRAWS + draw;

      seg_augment_noise (batch->image + (gsize) (batch->n_labelled + i) * V, noisy + (gsize) i * V,
                         V, NOISE_SIGMA, NOISE_LIMIT, self->params.seed, item);
    }
  return noisy;
}

SegTensor *
seg_sup_only_losses (SegMethod *self, const SegBatch *batch, SegMethodReport *report)
{
  g_autoptr (SegTensor) x = seg_method_upload (self, batch->n, batch->image);
  g_autoptr (SegTensor) logits = seg_vnet_forward (self->student, x, NULL);
  SegTensor *total = NULL;

  seg_method_add_loss (self, &total, seg_method_supervised (self, logits, batch), 1,
                       "loss.supervised", report);
  return total;
}
