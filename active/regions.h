/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "active/active-types.h"

G_BEGIN_DECLS

/* Where a model is worth a second look: the places of a scan at which two answers of it differ
 * most. Arrays: axis 2 fastest. */

/* Total variation distance ½ Σ_k |p_k − q_k| per voxel of two answers (n_classes × n), 0 … 1;
 * dst := max (dst, it). */
void active_disagreement (const float *p, const float *q, gsize n, int n_classes, float *dst);

/**
 * ActiveRegion:
 * @lo, @hi: voxels lo … hi − 1 along each axis
 * @disputed_mm3: Σ of the disagreement in it, as a volume
 * @teacher_share: how much of that stands between teacher and student, 0 … 1; the rest stands
 *   between the scan and its mirrored view
 */
typedef struct
{
  int lo[3], hi[3];
  double disputed_mm3;
  double teacher_share;
} ActiveRegion;

/**
 * active_regions_find:
 * @teacher_student: (nullable): their disagreement
 * @views: (nullable): that between views
 * @labels: the predicted classes: boxes are about half as wide as the structures are
 *
 * Boxes of equal size that hold the most disagreement, the worst first, without a voxel in common;
 * none with less than a tenth of the worst or, on average, a hundredth.
 *
 * Returns: (transfer full) (element-type ActiveRegion): NULL with an error if there is no memory
 */
GArray *active_regions_find (const float *teacher_student, const float *views, const guint8 *labels,
                             const int size[3], const double spacing_mm[3], int n_max,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
