/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "active/planes.h"
#include "active/scan-features.h"
#include "app/round-scan.h"
#include "seg/method/method.h"

G_BEGIN_DECLS

/**
 * AppPredicted: a model's answer for one scan.
 * @labels_ijk: classes on the scan's own grid
 * @uncertainty_ijk: entropy, 0 … 255, on the scan's own grid
 * @confidence: mean winner's probability over the predicted foreground, NaN without any
 * @features: for the selection
 * @planes: the three slices to label, from the prediction's centre (or the scan's middle)
 */
typedef struct
{
  guint8 *labels_ijk;
  guint8 *uncertainty_ijk;
  double confidence;
  ActiveFeatures features;
  ActivePlanes planes;
} AppPredicted;

void app_predicted_clear (AppPredicted *self);

/* @tau: threshold of the uncertain share. Engine thread. */
gboolean app_round_predict (SegMethod *method, const AppRoundScan *scan, double tau,
                            AppPredicted *predicted, GError **error);

/* Voxel axis → anatomical plane of that scan. */
VolumePlane app_plane_of_axis (const VolumeGeometry *geometry, int axis);

G_END_DECLS
