/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/* Losses answer one F32 element. Index targets are U8, I32 or I64 of shape N X..; no gradient flows
 * to targets and weights. `weight` N X.. says how much an element counts (0: unlabelled, I3). */

/**
 * seg_cross_entropy: Σ w·nll / Σ w, as PyTorch's weighted mean; 0 where Σ w = 0.
 * @logits: N C X..
 * @weight: (nullable): N X.., F32 or U8
 * @class_weight: (nullable): [C], F32
 * @ignore: a target value to leave out, or −1
 */
SegTensor *seg_cross_entropy (SegTensor *logits, SegTensor *target, SegTensor *weight,
                              SegTensor *class_weight, gint64 ignore);

typedef struct
{
  gboolean square; /* Σp² and Σy² below (V-Net's), else Σp and Σy */
  double smooth; /* in numerator and denominator; ≥ 0 */
  double smooth_num; /* added to the numerator alone, on top */
  double smooth_den; /* added to the denominator alone, on top */
  gboolean with_background; /* class 0 takes part in the mean */
  gint64 ignore; /* target value to leave out, or −1 */
} SegDiceParams;

/**
 * seg_dice_loss: 1 − mean over classes of (2Σpy + s) / (Σp^e + Σy + s), the sums over batch and
 * space together.
 * @p: N C X.. probabilities
 * @target: index N X.., or soft labels of p's shape
 * @class_weight: (nullable): [C]: (the terms are multiplied by it before the mean)
 */
SegTensor *seg_dice_loss (SegTensor *p, SegTensor *target, SegTensor *weight,
                          SegTensor *class_weight, const SegDiceParams *params);
/* The three sums [3, C]: Σ m·p·y, Σ m·p^e, Σ m·y, to build other overlap losses from. */
SegTensor *seg_overlap_sums (SegTensor *p, SegTensor *target, SegTensor *weight, gboolean square,
                             gint64 ignore);

/* −(pos_weight·y·ln σ(x) + (1−y)·ln (1−σ(x))), elementwise, y of x's shape; mean weighted by
 * @weight (of x's shape, or broadcasting) if given. pos_weight [C] or NULL. */
SegTensor *seg_bce_logits (SegTensor *logits, SegTensor *target, SegTensor *weight,
                           SegTensor *pos_weight);
/* Focal loss on the same: (1−p_t)^gamma · alpha_t · bce; alpha < 0: none. SAM uses alpha 0.25,
 * gamma 2. */
SegTensor *seg_focal_logits (SegTensor *logits, SegTensor *target, SegTensor *weight, double alpha,
                             double gamma);

/* mean of weight·(a − b)² over all elements; weight broadcasts (N 1 X..) or NULL. Gradients flow to
 * both: stop the teacher's. @normalise: divide by the sum of the broadcast weights instead. */
SegTensor *seg_mse (SegTensor *a, SegTensor *b, SegTensor *weight, gboolean normalise);
/* Mean over positions of Σ_c t·(ln t − log_p): KL (t ‖ p), t and log_p N C X... */
SegTensor *seg_kl (SegTensor *log_p, SegTensor *t, SegTensor *weight, gboolean normalise);

/* Cosine of the angle between features: a, b broadcast, N C X.. → N 1 X..; eps as PyTorch's 1e-8.
 */
SegTensor *seg_cosine_similarity (SegTensor *a, SegTensor *b, double eps);

G_END_DECLS
