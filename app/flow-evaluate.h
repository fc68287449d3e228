/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "db/store.h"
#include "volume/metrics.h"
#include "volume/scan.h"

G_BEGIN_DECLS

/* One label's agreement. */
typedef struct
{
  guint16 label;
  VolumeMetrics metrics;
} AppLabelMetrics;

/**
 * app_evaluate_labels:
 * @pred, @truth: labels of the whole grid, i fastest
 * @domain: (nullable): one byte per voxel; where it is 0 there is no label and nothing is counted
 *   (I3). Distances are then left open: outlines end where the domain does
 * @labels: (nullable): which; NULL for every label that either holds
 *
 * Returns: (element-type AppLabelMetrics): by label
 */
GArray *app_evaluate_labels (const guint16 *pred, const guint16 *truth,
                             const VolumeGeometry *geometry, const guint8 *domain,
                             const guint16 *labels, gsize n_labels,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Two label files on one grid. */
GArray *app_flow_evaluate_files (const char *pred_path, const char *truth_path,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What of a case was compared with its truth. */
typedef enum
{
  APP_EVALUATED_PREDICTION, /* the latest prediction, the whole scan */
  APP_EVALUATED_LABELS, /* a completely labelled scan */
  APP_EVALUATED_SIGNED_SLICES /* labels on signed slices */
} AppEvaluated;

typedef struct
{
  gint64 case_id;
  char *name;
  gboolean validation;
  AppEvaluated what;
  GArray *metrics; /* AppLabelMetrics, one for each label of the project */
} AppCaseMetrics;

/**
 * app_flow_evaluate_project:
 *
 * Every case of an open project that has a truth and anything to compare with it.
 *
 * Returns: (element-type AppCaseMetrics): in the order of the cases; NULL with an error
 */
GPtrArray *app_flow_evaluate_project (DbStore *store, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
