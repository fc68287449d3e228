/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/volume-types.h"

G_BEGIN_DECLS

/**
 * VolumeMetrics:
 *
 * How a predicted mask P agrees with the truth G, by MedPy's definitions:
 *
 * surface S(A): voxels of A with a face neighbour outside A; beyond the grid is outside. An axis of
 *   one voxel has no neighbours: a slice is treated as 2-D.
 * distances D(A→B): from each voxel centre of S(A) to the nearest of S(B), exact Euclidean, axes
 *   taken at right angles
 * hd95: 95th percentile of D(P→G) and D(G→P) pooled, linear between order statistics
 * asd: mean of D(P→G), directed, as the papers print it
 * assd: mean of the means of D(P→G) and D(G→P)
 *
 * _mm with the grid's spacing, _vox with spacing 1. NaN: distances if a mask is empty, Dice and
 * Jaccard if both are.
 */
typedef struct
{
  gsize n_pred, n_truth, n_both;
  gsize n_surface_pred, n_surface_truth;
  double dice, jaccard;
  double hd95_mm, hd95_vox;
  double asd_mm, asd_vox;
  double assd_mm, assd_vox;
} VolumeMetrics;

/**
 * volume_metrics_compute:
 * @pred, @truth: size[0]·size[1]·size[2] bytes, i fastest, non-zero is inside
 *
 * Uses two threads. Any thread. FALSE with VOLUME_ERROR_TOO_LARGE without memory for it.
 */
gboolean volume_metrics_compute (const guint8 *pred, const guint8 *truth, const int size[3],
                                 const double spacing_mm[3], VolumeMetrics *metrics,
                                 GError **error);

/* Dice and Jaccard and the three counts; the distances become NaN. */
void volume_metrics_compute_overlap (const guint8 *pred, const guint8 *truth, gsize n_voxels,
                                     VolumeMetrics *metrics);

/* What stands for a number that an empty mask leaves open. */
typedef enum
{
  VOLUME_EMPTY_NULL, /* NaN stays NaN */
  VOLUME_EMPTY_ZERO, /* everything 0 (UA-MT) */
  VOLUME_EMPTY_128, /* distances 128, Dice and Jaccard 0 (A&D) */
} VolumeEmptyRule;

void volume_metrics_fill_empty (VolumeMetrics *metrics, VolumeEmptyRule rule);

G_END_DECLS
