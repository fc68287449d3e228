/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/infer/loader.h"
#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/* Losses of the methods, on a tape. All answer (transfer full) one F32 element, or NULL after a
 * failure. n patches of a batch, the first n_labelled labelled; K classes. */

typedef struct
{
  gboolean broadcast; /* the released slip of gm-abs 4.1 */
  gboolean dice; /* ½ (CE + Dice), as UA-MT */
  double balance; /* β below; 0 in the papers */
} SegSupervisedParams;

/**
 * seg_loss_supervised:
 * @logits: n K X..
 *
 * L = mean over labelled patches a of  Σ_v m_a(v) (−log p_a (v, y_a(v))) / Σ_v m_a(v): only voxels
 * in the labelled domain m are in it (I3); a patch without any counts as 0. Dice is over the same
 * voxels, all patches together.
 *
 * With β > 0 the weight of a voxel is multiplied by n_k^−β, n_k the weight that its class k has in
 * the batch, and all are scaled to the sum they had: β = 1 gives every class that is present the
 * same part of the cross-entropy.
 *
 * @is_empty: (out): TRUE, and NULL answered, if no voxel of the batch is labelled
 */
SegTensor *seg_loss_supervised (const SegSupervisedParams *params, SegTensor *logits,
                                const SegBatch *batch, gboolean *is_empty);

typedef struct
{
  gboolean confident; /* confident-learning correction of the labels */
  gboolean clip; /* z / max (‖z‖₂, 1) over the classes */
  gboolean expert_wins; /* the expert's label where there is one */
  gboolean dice; /* ½ (CE + Dice over the same voxels); not in the paper */
} SegPseudoParams;

/**
 * seg_loss_pseudo:
 *
 * L_sam of gm-abs 4.3: mean cross-entropy with the generalist's labels over all voxels of the
 * patches that have them.
 *
 * @is_empty: (out): TRUE, and NULL answered, if they are all 0 or there are none
 * @n_flagged: (out): labels corrected
 */
SegTensor *seg_loss_pseudo (const SegPseudoParams *params, SegTensor *logits, const SegBatch *batch,
                            gboolean *is_empty, gsize *n_flagged);

/* z / max (‖z‖₂, 1), the norm over the feature axis; the gradient flows through it. */
SegTensor *seg_clip_logits (SegTensor *logits);

/* UA-MT: mean over the voxels with mask of (p − target)²; p, target N K X.., @mask N 1 X.. NULL for
 * all. @is_empty as above. */
SegTensor *seg_loss_consistency (SegTensor *p, SegTensor *target, SegTensor *mask,
                                 gboolean *is_empty);

G_END_DECLS
