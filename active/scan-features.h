/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "active/active-types.h"

G_BEGIN_DECLS

#define ACTIVE_N_BINS 20
#define ACTIVE_MAX_CLASSES 64
#define ACTIVE_N_SHAPE 8

/**
 * ActiveFeatures:
 *
 * What selection needs to know of one scan, in a few hundred bytes; the voxels may be dropped once
 * it is computed. Entropy H(v) = −Σ_k p_k ln(p_k + 1e-6) / ln K, from 0 to about 1.
 *
 * @scan: the caller's id of the scan
 * @has_prediction: whether the members below the line are set
 * @histogram: share of voxels in 20 bins between the scan's own minimum and maximum (sums to 1)
 * @shape: extents in mm (3), log voxel volume, mean, standard deviation, skewness, share of voxels
 *   above the mean; for the cold start
 * ---
 * @uncertain_share: share of voxels with H > tau
 * @mean_entropy: mean of H over all voxels
 * @least_confidence: 1 − mean of the 25 % lowest max-probabilities
 * @class_share: share of voxels predicted as each class
 * @class_entropy: mean H over the voxels predicted as each class (0 for a class not predicted)
 * @foreground_voxels: voxels predicted as any foreground class
 */
typedef struct
{
  gint64 scan;
  gboolean has_prediction;
  int n_classes; /* background included */
  double histogram[ACTIVE_N_BINS];
  double shape[ACTIVE_N_SHAPE];
  double uncertain_share;
  double mean_entropy;
  double least_confidence;
  double class_share[ACTIVE_MAX_CLASSES];
  double class_entropy[ACTIVE_MAX_CLASSES];
  gsize foreground_voxels;
} ActiveFeatures;

/**
 * active_features_from_image:
 * @image: values, i fastest; non-finite ones are passed over
 *
 * Fills @scan, the histogram and the shape; clears the rest.
 */
void active_features_from_image (ActiveFeatures *self, gint64 scan, const float *image,
                                 const int size[3], const double spacing_mm[3]);

/**
 * active_features_add_prediction:
 * @probabilities: n_classes × n_voxels: one volume after the other, in any order of voxels
 * @tau: threshold of normalised entropy for @uncertain_share (gm-abs: 0.35 + 0.25 ramp (t, T))
 *
 * %FALSE with an error if there is no memory.
 */
gboolean active_features_add_prediction (ActiveFeatures *self, const float *probabilities,
                                         gsize n_voxels, int n_classes, double tau, GError **error);

/* Normalised entropy per voxel of @probabilities (as above) into @entropy. */
void active_entropy (const float *probabilities, gsize n_voxels, int n_classes, float *entropy);

G_END_DECLS
