/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

#define SEG_CONFIDENT_MAX_CLASSES 64

/**
 * seg_confident_correct:
 * @labels: (inout): n × V given labels, each below K; a flagged one becomes the class predicted
 * @probabilities: n × K × V: a batch's softmax in the logical order of its tensor
 * @flags: (out) (nullable): n × V bytes, 1 where a label was flagged
 *
 * Confident learning (Northcutt et al., 2021) as gm-abs uses it: the voxels of given class s that
 * both rules, "by class" and "by noise rate", take for mislabelled, and that are predicted as
 * another class. For K = 2 in closed form, exact but for the order of summing the class means
 * (double precision here), over the n V voxels pooled:
 *
 *   t_k = mean of P_k over the voxels labelled k
 *   confident for j: P_j ≥ t_j − 1e-6; for several: the argmax
 *   C[k][j] voxels labelled k and confidently j, C[k][k] at least 1
 *   m_k = round half even (n_k C[k][1−k] / (C[k][0] + C[k][1])), at most n_k − 1
 *   flag iff P_k is below the element of rank m_k among the voxels labelled k, and argmax ≠ k
 *
 * Returns: how many labels were flagged
 */
gsize seg_confident_correct (guint8 *labels, const float *probabilities, gsize n, int K, gsize V,
                             guint8 *flags);

/* The element of rank @rank (0 is the smallest) of @n finite floats; @values is not changed. */
float seg_confident_select_rank (const float *values, gsize n, gsize rank);

G_END_DECLS
