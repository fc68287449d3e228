/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/method/confident.h"
#include "seg/method/method.h"
#include "seg/model/vnet.h"
#include "seg/nn/optimiser.h"
#include "seg/tensor/context.h"

G_BEGIN_DECLS

/* What differs between methods: the losses of one step, on the current tape, teacher's passes
 * included. Answers their sum, or NULL if there is nothing to learn from in this batch (or after a
 * failure); adds the parts to @report. */
typedef SegTensor *(*SegMethodLosses) (SegMethod *self, const SegBatch *batch,
                                       SegMethodReport *report);

struct _SegMethod
{
  const SegMethodInfo *info;
  SegMethodParams params;
  SegContext *context;
  SegMethodLosses step_losses;
  SegVnet *student;
  SegVnet *teacher; /* NULL for sup-only */
  SegOptimiser *optimiser;
  gint64 step;
  GPtrArray *saved; /* host copies a checkpoint borrows */
  SegTensor *losses[SEG_METHOD_MAX_METRICS]; /* of this step's report, until they are read */
  GPtrArray *kept; /* running statistics as the step found them, SegTensor */
};

SegMethodLosses seg_method_get_step_losses (const char *name);
void seg_method_report_add (SegMethodReport *report, const char *name, double value);
/* The value is read when all of the step that waits for nothing has been launched. */
void seg_method_report_loss (SegMethod *self, SegMethodReport *report, const char *name,
                             SegTensor *value);

SegTensor *seg_gm_abs_losses (SegMethod *self, const SegBatch *batch, SegMethodReport *report);
SegTensor *seg_mean_teacher_losses (SegMethod *self, const SegBatch *batch,
                                    SegMethodReport *report);
SegTensor *seg_ua_mt_losses (SegMethod *self, const SegBatch *batch, SegMethodReport *report);
SegTensor *seg_sup_only_losses (SegMethod *self, const SegBatch *batch, SegMethodReport *report);

/* Parts they share. -------------------------------------------------------------------------------
 */

/* n patches of one channel at @values → n 1 X.. in the dtype of the run. */
SegTensor *seg_method_upload (SegMethod *self, int n, const float *values);
/* Softmax of the teacher, in training mode (its own batch statistics), without gradients. */
SegTensor *seg_method_teach (SegMethod *self, SegTensor *x);
/* Adds @weight · @part (transfer full, nullable) to *@total and its value to the report. */
void seg_method_add_loss (SegMethod *self, SegTensor **total, SegTensor *part, double weight,
                          const char *name, SegMethodReport *report);
/* The supervised part, as the params ask. */
SegTensor *seg_method_supervised (SegMethod *self, SegTensor *logits, const SegBatch *batch);
/* Where the unlabelled patches show their scan and not padding, n 1 X.., or NULL where that is not
 * asked. */
SegTensor *seg_method_inside (SegMethod *self, const SegBatch *batch);
/* A copy of the unlabelled patches with noise (±0.2 at most, sigma 0.1); free with g_free(). */
float *seg_method_noisy (SegMethod *self, const SegBatch *batch, guint64 draw);

G_END_DECLS
