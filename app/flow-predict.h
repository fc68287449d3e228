/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/engine.h"
#include "db/store.h"

G_BEGIN_DECLS

/* model → predictions, on each scan's own grid. */

/**
 * AppPredictRequest:
 * @model: (nullable): a model file; NULL takes the current one of @store
 * @store: (nullable): the project, whose scans are predicted where @scans is empty, and which is
 * told of the predictions where it may be written and the model is its own
 * @scans: files to predict
 * @folder: (nullable): where NAME_prediction.nii.gz and NAME_uncertainty.nii.gz go, made if
 * missing; NULL: into the project's cache
 */
typedef struct
{
  const char *model;
  DbStore *store;
  const char *const *scans;
  gsize n_scans;
  const char *folder;
} AppPredictRequest;

/* Blocking, iterating the main context. @files: (out): (element-type char*): paths written. */
gboolean app_flow_predict (AppEngine *engine, const AppPredictRequest *request, GPtrArray *files,
                           GError **error);

/**
 * app_flow_predict_missing:
 *
 * The current model's predictions of all scans of the project that have none, as a job; each is
 * told to the store as it comes. Main thread.
 *
 * Returns: (transfer full) (nullable): NULL if nothing is missing, or with an error
 */
typedef void (*AppPredictDone) (AppJob *job, const GError *error, gpointer user_data);
AppJob *app_flow_predict_missing (DbStore *store, AppEngine *engine, AppPredictDone done,
                                  gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
