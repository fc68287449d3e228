/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "active/active-types.h"

G_BEGIN_DECLS

/**
 * ActivePlanes: the three slices of a case that cross in one voxel.
 *
 * @index: index along each voxel axis 0…2 of the slice perpendicular to it
 * @missing: bit k set where class k occurs in the volume but in none of the three slices
 * @n_extra: further slices proposed for missing classes, at most 4
 * @extra_axis, @extra_index: those slices
 * @reason: one sentence with its numbers, for people
 */
typedef struct
{
  int index[3];
  guint64 missing;
  int n_extra;
  int extra_axis[4];
  int extra_index[4];
  char *reason;
} ActivePlanes;

void active_planes_clear (ActivePlanes *self);

/* Through the middle of the inclusive bounding box of @labels != 0: int ((lo + hi) / 2) per axis
 * (gm-abs). @labels: i fastest. %FALSE if there is no foreground. */
gboolean active_planes_from_truth (ActivePlanes *self, const guint8 *labels, const int size[3]);

/* Through the middle of the box of the largest 6-connected component of the predicted foreground.
 * %FALSE if nothing is predicted, or with an error if there is no memory. */
gboolean active_planes_from_prediction (ActivePlanes *self, const guint8 *labels, const int size[3],
                                        GError **error);

/* The slices with the highest mean entropy on the predicted foreground's box grown by a tenth (the
 * whole scan where nothing is predicted). @entropy as of active_entropy(). %FALSE with an error if
 * there is no memory. */
gboolean active_planes_from_uncertainty (ActivePlanes *self, const float *entropy,
                                         const guint8 *labels, const int size[3], GError **error);

/* Through a voxel the person clicked (clamped), or through the scan's middle (@ijk NULL). */
void active_planes_from_click (ActivePlanes *self, const int ijk[3], const int size[3]);

G_END_DECLS
