/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-predict.h"

#include "app/model-file.h"
#include "app/round-data.h"
#include "app/round-predict.h"
#include "volume/nifti-write.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>

typedef struct
{
  const AppPredictRequest *request;
  char *model_path;
  gint64 model, round; /* of the project, or 0 */
  AppRoundData *data; /* NULL without a project */
  GPtrArray *scans; /* AppRoundScan */
  GPtrArray *files;
} Predict;

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
write_files (const Predict *self, const AppRoundScan *scan, VolumeScan *like,
             const AppPredicted *predicted, const guint16 *id_of, const char *labels_path,
             const char *uncertainty_path, GError **error)
{
  gsize n = volume_scan_get_n_voxels (like);
  g_autofree guint16 *labels = g_new (guint16, n);

  for (gsize v = 0; v < n; v++)
    labels[v] = id_of[predicted->labels_ijk[v]];
  return volume_nifti_write_labels (labels_path, like, labels, error)
         && volume_nifti_write (uncertainty_path,
                                &(VolumeNiftiParams){ .like = like,
                                                      .geometry = volume_scan_get_geometry (like),
                                                      .dtype = VOLUME_DTYPE_U8,
                                                      .data = predicted->uncertainty_ijk,
                                                      .slope = 1 / 255.0 },
                                error);
}

static gboolean
predict_one (Predict *self, AppModel *model, const guint16 *id_of, AppRoundScan *scan,
             const char *folder, GError **error)
{
  g_autoptr (VolumeScan) file = app_round_scan_open (scan, error);
  g_autofree char *stem = self->request->folder != NULL
                              ? stem_of (scan->path)
                              : g_strdup_printf ("%" G_GINT64_FORMAT, scan->id);
  g_autofree char *labels = g_strdup_printf ("%s/%s%s.nii.gz", folder, stem,
                                             self->request->folder != NULL ? "_prediction" : "");
  g_autofree char *uncertainty = g_strdup_printf ("%s/%s_uncertainty.nii.gz", folder, stem);
  AppPredicted predicted = { 0 };
  gboolean ok;

  if (file == NULL)
    return FALSE;
  scan->prepared = seg_prepared_new (&model->plan.preprocess, file, error);
  ok = scan->prepared != NULL && app_round_predict (model->method, scan, 0.6, &predicted, error)
       && write_files (self, scan, file, &predicted, id_of, labels, uncertainty, error);
  g_clear_pointer (&scan->prepared, seg_prepared_unref);
  if (ok && self->request->folder == NULL)
    {
      g_autofree char *relative = g_strdup_printf (
          "cache/predictions/round-%" G_GINT64_FORMAT "/%s.nii.gz", self->round, stem);

      ok = db_store_write (self->request->store,
                           db_write_add_prediction (scan->id, self->model, self->round, relative,
                                                    predicted.confidence),
                           error)
           >= 0;
    }
  app_predicted_clear (&predicted);
  g_ptr_array_add (self->files, g_steal_pointer (&labels));
  return ok;
}

static gboolean
run_cb (AppJob *job, gpointer data, GError **error)
{
  Predict *self = data;
  g_autoptr (AppModel) model = app_model_open (self->model_path, error);
  g_autofree char *folder = NULL;
  guint16 id_of[256] = { 0 };

  if (model == NULL)
    return FALSE;
  folder = self->request->folder != NULL
               ? g_strdup (self->request->folder)
               : g_strdup_printf ("%s/cache/predictions/round-%" G_GINT64_FORMAT,
                                  db_store_get_path (self->request->store), self->round);
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

static gboolean
find_model (Predict *self, GError **error)
{
  GListModel *models;
  guint n;
  g_autoptr (DbModel) row = NULL;

  if (self->request->model != NULL)
    {
      self->model_path = g_strdup (self->request->model);
      return TRUE;
    }
  models = db_store_get_models (self->request->store);
  n = g_list_model_get_n_items (models);
  if (n == 0)
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                   _ ("The project has no model yet: train a round first."));
      return FALSE;
    }
  row = g_list_model_get_item (models, n - 1);
  self->model_path = db_store_resolve (self->request->store, row->path);
  self->model = row->id;
  self->round = row->round;
  return TRUE;
}

gboolean
app_flow_predict (AppEngine *engine, const AppPredictRequest *request, GPtrArray *files,
                  GError **error)
{
  Predict self = { .request = request, .files = files };
  g_autoptr (GPtrArray) scans =
      g_ptr_array_new_with_free_func ((GDestroyNotify) app_round_scan_free);
  gboolean ok = FALSE;

  if (request->store != NULL)
    self.data = app_round_data_new (request->store);
  for (gsize s = 0; s < request->n_scans; s++)
    g_ptr_array_add (scans, app_round_scan_new (0, request->scans[s], request->scans[s], NULL, 0));
  self.scans = request->n_scans > 0 || self.data == NULL ? scans : self.data->scans;
  if (find_model (&self, error))
    ok = app_engine_run (
        engine,
        &(AppJobParams){
            .kind = APP_JOB_PREDICTION, .title = _ ("Prediction"), .run = run_cb, .data = &self },
        error);
  g_free (self.model_path);
  app_round_data_free (self.data);
  return ok;
}
