/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "active/planes.h"
#include "active/scan-features.h"
#include "app/round-scan.h"
#include "seg/method/method.h"

G_BEGIN_DECLS

/* A place worth a second look, in voxels of the scan's own grid: lo … hi − 1. See ActiveRegion. */
typedef struct
{
  int lo[3], hi[3];
  double disputed_mm3;
  double teacher_share;
} AppRegion;

/**
 * AppPredicted: a model's answer for one scan.
 * @labels_ijk: classes on the scan's own grid
 * @uncertainty_ijk: entropy, 0 … 255, on the scan's own grid
 * @confidence: mean winner's probability over the predicted foreground, NaN without any
 * @features: for the selection
 * @planes: the three slices to label, from the prediction's centre (or the scan's middle)
 * @regions: (element-type AppRegion): where teacher and student, or the scan and its mirrored view,
 *   disagree most; the worst first
 */
typedef struct
{
  guint8 *labels_ijk;
  guint8 *uncertainty_ijk;
  double confidence;
  ActiveFeatures features;
  ActivePlanes planes;
  GArray *regions;
} AppPredicted;

void app_predicted_clear (AppPredicted *self);

typedef enum
{
  APP_PREDICT_LABELS, /* one pass of the network; no regions */
  APP_PREDICT_REVIEW, /* and what it takes to find them: app_round_predict_passes() */
} AppPredictExtent;

/* @tau: threshold of the uncertain share. Engine thread. */
gboolean app_round_predict (SegMethod *method, const AppRoundScan *scan, double tau,
                            AppPredictExtent extent, AppPredicted *predicted, GError **error);

/* Passes of the network that a prediction takes: views and teacher beside the predictor. */
int app_round_predict_passes (const SegMethod *method);

/**
 * app_predicted_write:
 * @like: (nullable): the scan; its header goes out with the labels (I5)
 * @id_of: label of each class
 * @regions_path: (nullable)
 */
gboolean app_predicted_write (const AppPredicted *self, const VolumeGeometry *geometry,
                              VolumeScan *like, const guint16 *id_of, const char *labels_path,
                              const char *uncertainty_path, const char *regions_path,
                              GError **error);
/* The path of what lies beside a prediction's labels: its suffix .nii.gz replaced. */
char *app_prediction_beside (const char *labels_path, const char *suffix) G_GNUC_WARN_UNUSED_RESULT;
/* (transfer full) (element-type AppRegion): what was written; any thread. */
GArray *app_regions_read (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Voxel axis → anatomical plane of that scan. */
VolumePlane app_plane_of_axis (const VolumeGeometry *geometry, int axis);

G_END_DECLS
