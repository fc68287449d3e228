/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-predict.h"

#include "app/current-model.h"
#include "app/model-file.h"
#include "app/round-data.h"
#include "app/round-predict.h"
#include "app/sources.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>

typedef struct
{
  DbStore *store; /* NULL without a project */
  char *folder; /* NULL: the project's cache, and the store is told */
  char *model_path;
  gint64 model, round; /* of the project, or 0 */
  AppRoundData *data; /* NULL without a project */
  GPtrArray *scans; /* AppRoundScan */
  GPtrArray *files; /* (nullable): borrowed */
  AppSources *sources; /* I1: what no prediction replaces */

  AppPredictDone done;
  gpointer user_data;
} Predict;

static void
predict_free (gpointer data)
{
  Predict *self = data;

  g_clear_object (&self->store);
  app_round_data_free (self->data);
  g_clear_pointer (&self->scans, g_ptr_array_unref);
  g_clear_pointer (&self->sources, app_sources_free);
  g_free (self->model_path);
  g_free (self->folder);
  g_free (self);
}

/* Names of the files that go out: the scan's, without its suffixes. */
static char *
stem_of (const char *path)
{
  char *name = g_path_get_basename (path);
  const char *suffixes[] = { ".gz", ".nii", ".hdr", ".img", ".h5" };

  for (gsize s = 0; s < G_N_ELEMENTS (suffixes); s++)
    if (g_str_has_suffix (name, suffixes[s]))
      name[strlen (name) - strlen (suffixes[s])] = '\0';
  return name;
}

/* Of the project's cache, relative; imported models have no round. */
static char *
project_folder (gint64 model, gint64 round)
{
  return round > 0 ? g_strdup_printf ("cache/predictions/round-%" G_GINT64_FORMAT, round)
                   : g_strdup_printf ("cache/predictions/model-%" G_GINT64_FORMAT, model);
}

/* Classes of the model by the project's label ids where the names agree, else as they are. */
static void
map_classes (const Predict *self, const AppModel *model, guint16 *id_of)
{
  for (guint k = 0; k < g_strv_length (model->labels); k++)
    {
      id_of[k + 1] = (guint16) (k + 1);
      for (guint l = 0; self->data != NULL && l < self->data->label_ids->len; l++)
        if (strcmp (self->data->label_names[l], model->labels[k]) == 0)
          id_of[k + 1] = g_array_index (self->data->label_ids, guint16, l);
    }
}

static gboolean
predict_one (Predict *self, AppModel *model, const guint16 *id_of, AppRoundScan *scan,
             const char *folder, GError **error)
{
  g_autoptr (VolumeScan) file = app_round_scan_open (scan, error);
  g_autofree char *stem =
      self->folder != NULL ? stem_of (scan->path) : g_strdup_printf ("%" G_GINT64_FORMAT, scan->id);
  g_autofree char *labels =
      g_strdup_printf ("%s/%s%s.nii.gz", folder, stem, self->folder != NULL ? "_prediction" : "");
  g_autofree char *uncertainty = g_strdup_printf ("%s/%s_uncertainty.nii.gz", folder, stem);
  g_autofree char *regions =
      self->folder == NULL ? app_prediction_beside (labels, "_regions.json") : NULL;
  AppPredicted predicted = { 0 };
  gboolean ok;

  if (file == NULL || !app_sources_check (self->sources, labels, error)
      || !app_sources_check (self->sources, uncertainty, error))
    return FALSE;
  scan->prepared = seg_prepared_new (&model->plan.preprocess, file, error);
  ok = scan->prepared != NULL
       && app_round_predict (model->method, scan, 0.6,
                             regions != NULL ? APP_PREDICT_REVIEW : APP_PREDICT_LABELS, &predicted,
                             error)
       && app_predicted_write (&predicted, volume_scan_get_geometry (file), file, id_of, labels,
                               uncertainty, regions, error);
  g_clear_pointer (&scan->prepared, seg_prepared_unref);
  if (ok && self->folder == NULL)
    {
      g_autofree char *cache = project_folder (self->model, self->round);
      g_autofree char *relative = g_strdup_printf ("%s/%s.nii.gz", cache, stem);

      ok = db_store_write (self->store,
                           db_write_add_prediction (scan->id, self->model, self->round, relative,
                                                    predicted.confidence),
                           error)
           >= 0;
    }
  app_predicted_clear (&predicted);
  if (self->files != NULL)
    g_ptr_array_add (self->files, g_steal_pointer (&labels));
  return ok;
}

static gboolean
run_cb (AppJob *job, gpointer data, GError **error)
{
  Predict *self = data;
  g_autoptr (AppModel) model = app_model_open (self->model_path, error);
  g_autofree char *relative = NULL, *folder = NULL;
  guint16 id_of[256] = { 0 };

  if (model == NULL)
    return FALSE;
  relative = project_folder (self->model, self->round);
  folder = self->folder != NULL
               ? g_strdup (self->folder)
               : g_build_filename (db_store_get_path (self->store), relative, NULL);
  if (g_mkdir_with_parents (folder, 0777) != 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s", folder,
                   g_strerror (errno));
      return FALSE;
    }
  map_classes (self, model, id_of);
  for (guint s = 0; s < self->scans->len; s++)
    {
      g_autofree char *message =
          g_strdup_printf (_ ("Predicting scan %u of %u"), s + 1, self->scans->len);

      app_job_progress (job, (double) s / self->scans->len, message);
      if (!app_job_check (job, error)
          || !predict_one (self, model, id_of, g_ptr_array_index (self->scans, s), folder, error))
        return FALSE;
    }
  return TRUE;
}

static void
find_sources (Predict *self)
{
  self->sources = app_sources_new ();
  if (self->store != NULL)
    app_sources_add_project (self->sources, self->store);
  app_sources_add (self->sources, self->model_path);
  for (guint s = 0; s < self->scans->len; s++)
    app_sources_add (self->sources, ((AppRoundScan *) g_ptr_array_index (self->scans, s))->path);
}

static gboolean
find_model (Predict *self, const char *path, GError **error)
{
  DbModel *row;

  if (path != NULL)
    {
      self->model_path = g_strdup (path);
      return TRUE;
    }
  row = app_current_model_get (self->store);
  if (row == NULL)
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                   _ ("The project has no model yet: train a round first."));
      return FALSE;
    }
  self->model_path = db_store_resolve (self->store, row->path);
  self->model = row->id;
  self->round = row->round;
  return TRUE;
}

gboolean
app_flow_predict (AppEngine *engine, const AppPredictRequest *request, GPtrArray *files,
                  GError **error)
{
  Predict *self = g_new0 (Predict, 1);

  self->folder = g_strdup (request->folder);
  self->files = files;
  self->scans = g_ptr_array_new_with_free_func ((GDestroyNotify) app_round_scan_free);
  if (request->store != NULL)
    {
      self->store = g_object_ref (request->store);
      self->data = app_round_data_new (request->store);
    }
  for (gsize s = 0; s < request->n_scans; s++)
    g_ptr_array_add (self->scans,
                     app_round_scan_new (0, request->scans[s], request->scans[s], NULL, 0));
  if (request->n_scans == 0 && self->data != NULL)
    {
      g_ptr_array_unref (self->scans);
      self->scans = g_ptr_array_ref (self->data->scans);
    }
  if (!find_model (self, request->model, error))
    {
      predict_free (self);
      return FALSE;
    }
  find_sources (self);
  return app_engine_run (engine,
                         &(AppJobParams){ .kind = APP_JOB_PREDICTION,
                                          .title = _ ("Prediction"),
                                          .run = run_cb,
                                          .data = self,
                                          .destroy = predict_free },
                         error);
}

/* In the window
 * --------------------------------------------------------------------------------------- */

/* What the model has answered already, and whose file is still there, stays. */
static gboolean
is_predicted (Predict *self, gint64 case_id)
{
  DbPrediction *prediction = app_current_model_find_prediction (self->store, case_id);
  g_autofree char *path =
      prediction != NULL ? db_store_resolve (self->store, prediction->path) : NULL;

  return path != NULL && g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
done_cb (AppJob *job, gpointer data, const GError *error)
{
  Predict *self = data;

  if (self->done != NULL)
    self->done (job, error, self->user_data);
}

AppJob *
app_flow_predict_missing (DbStore *store, AppEngine *engine, AppPredictDone done,
                          gpointer user_data, GError **error)
{
  Predict *self = g_new0 (Predict, 1);

  self->store = g_object_ref (store);
  self->data = app_round_data_new (store);
  self->scans = g_ptr_array_new ();
  self->done = done;
  self->user_data = user_data;
  if (!find_model (self, NULL, error))
    {
      predict_free (self);
      return NULL;
    }
  for (guint s = 0; s < self->data->scans->len; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (self->data->scans, s);

      if (!is_predicted (self, scan->id))
        g_ptr_array_add (self->scans, scan);
    }
  if (self->scans->len == 0)
    {
      predict_free (self);
      return NULL;
    }
  find_sources (self);
  return app_engine_submit (engine, &(AppJobParams){ .kind = APP_JOB_PREDICTION,
                                                     .title = _ ("Prediction"),
                                                     .run = run_cb,
                                                     .done = done_cb,
                                                     .data = self,
                                                     .destroy = predict_free });
}
