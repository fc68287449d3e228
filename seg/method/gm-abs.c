/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/losses.h"
#include "seg/method/method-private.h"
#include "seg/method/ramps.h"
#include "seg/ops/ops.h"

#include <string.h>

/* sign (x)·|x|^(e^g), g uniform in ±0.3: the second view of the teacher. */
#define GAMMA_RANGE 0.3

static float *
gamma_view (SegMethod *self, const SegBatch *batch)
{
  gsize V = (gsize) batch->patch[0] * (gsize) batch->patch[1] * (gsize) batch->patch[2];
  int n = batch->n - batch->n_labelled;
  float *view = g_new (float, (gsize) n *V);

  for (int i = 0; i < n; i++)
    {
      int at = batch->n_labelled + i;

      seg_augment_gamma (batch->image + (gsize) at * V, view + (gsize) i * V, V, GAMMA_RANGE,
                         self->params.seed, batch->step * (guint64) batch->n + (guint64) at);
    }
  return view;
}

/* The student's batch: with gamma_alias its unlabelled half is the gamma view, as in the released
 * code, where one array is changed in place. */
static SegTensor *
student_input (SegMethod *self, const SegBatch *batch, const float *view)
{
  gsize V = (gsize) batch->patch[0] * (gsize) batch->patch[1] * (gsize) batch->patch[2];
  g_autofree float *images = NULL;
  gsize n_before = (gsize) batch->n_labelled * V;

  if (view == NULL || !self->params.gamma_alias)
    return seg_method_upload (self, batch->n, batch->image);
  images = g_new (float, (gsize) batch->n *V);
  memcpy (images, batch->image, n_before * sizeof (float));
  memcpy (images + n_before, view, ((gsize) batch->n * V - n_before) * sizeof (float));
  return seg_method_upload (self, batch->n, images);
}

typedef struct
{
  SegTensor *a, *b; /* softmax of the two noisy views; NULL without unlabelled patches */
  SegTensor *inside; /* or NULL, see seg_method_inside() */
} Taught;

/* L_cons = ½ mse (student (U), teacher (A)) + ½ mse (student (U), teacher (B)). */
static SegTensor *
consistency (SegTensor *logits, const SegBatch *batch, const Taught *taught)
{
  g_autoptr (SegTensor) unlabelled =
      seg_slice (logits, 0, batch->n_labelled, batch->n - batch->n_labelled);
  g_autoptr (SegTensor) p = seg_softmax (unlabelled, 1);
  gboolean masked = taught->inside != NULL;
  g_autoptr (SegTensor) a = seg_mse (p, taught->a, taught->inside, masked);
  g_autoptr (SegTensor) b = seg_mse (p, taught->b, taught->inside, masked);
  g_autoptr (SegTensor) sum = seg_add (a, b);

  return seg_affine (sum, 0.5, 0);
}

SegTensor *
seg_gm_abs_losses (SegMethod *self, const SegBatch *batch, SegMethodReport *report)
{
  const SegMethodParams *p = &self->params;
  const SegGmAbsSchedule schedule = { p->n_steps, p->n_refreshes };
  int n_unlabelled = batch->n - batch->n_labelled;
  g_autofree float *view = NULL, *noisy = NULL;
  g_autoptr (SegTensor) x = NULL, a = NULL, b = NULL, logits = NULL, pseudo = NULL, inside = NULL;
  Taught taught = { NULL, NULL, NULL };
  SegTensor *total = NULL;
  gboolean no_pseudo;
  gsize n_flagged;

  if (n_unlabelled > 0)
    {
      noisy = seg_method_noisy (self, batch, 0);
      view = gamma_view (self, batch);
    }
  x = student_input (self, batch, view);
  /* The teacher first: without gradients its activations are gone before the student's come. The
   * pass over the clean batch is for the teacher's running statistics alone. */
  if (p->teacher_clean_pass)
    {
      G_GNUC_UNUSED g_autoptr (SegTensor) unused = seg_method_teach (self, x);
    }
  if (n_unlabelled > 0)
    {
      g_autoptr (SegTensor) x_a = seg_method_upload (self, n_unlabelled, noisy);
      g_autoptr (SegTensor) x_b = seg_method_upload (self, n_unlabelled, view);

      taught.a = a = seg_method_teach (self, x_a);
      taught.b = b = seg_method_teach (self, x_b);
      taught.inside = inside = seg_method_inside (self, batch);
    }

  logits = seg_vnet_forward (self->student, x, NULL);
  seg_method_add_loss (self, &total, seg_method_supervised (self, logits, batch), 1,
                       "loss.supervised", report);
  if (n_unlabelled > 0)
    seg_method_add_loss (self, &total, consistency (logits, batch, &taught),
                         p->consistency / 0.1
                             * seg_gm_abs_weight_consistency (&schedule, self->step),
                         "loss.consistency", report);
  pseudo = seg_loss_pseudo (&(SegPseudoParams){ .confident = p->confident,
                                                .clip = p->clip_logits,
                                                .expert_wins = p->expert_wins,
                                                .dice = p->pseudo_dice },
                            logits, batch, &no_pseudo, &n_flagged);
  if (!no_pseudo)
    {
      gsize V = (gsize) batch->patch[0] * (gsize) batch->patch[1] * (gsize) batch->patch[2];

      seg_method_add_loss (
          self, &total, g_steal_pointer (&pseudo),
          p->pseudo_weight * (p->pseudo_fade ? seg_gm_abs_weight_sam (&schedule, self->step) : 1),
          "loss.generalist", report);
      seg_method_report_add (report, "corrected",
                             (double) n_flagged / ((double) batch->n * (double) V));
    }
  return total;
}
