/* SPDX-License-Identifier: Apache-2.0 */

/* What app/ does with memory of a size that data decide, while the n-th request is refused, for
 * n = 1, 2, … until none is left to refuse: each time one clear error, nothing lost, nothing leaked
 * (under the sanitizers); and with all memory the work is done. */

#include "active/planes.h"
#include "app/flow-evaluate.h"
#include "app/flow-import.h"
#include "app/job.h"
#include "app/prompter.h"
#include "app/round-data.h"
#include "app/round-predict.h"
#include "app/trainer.h"
#include "volume/memory.h"
#include "volume/phantom.h"

#include <glib/gstdio.h>
#include <string.h>

#define N_SCANS 3 /* 0 labelled, 1 not, 2 to validate */
#define N_CLASSES 3
#define N_STEPS 4

typedef struct
{
  char *folder, *project, *labels_path;
  char *scan_paths[N_SCANS];
  char *truths[N_SCANS];
  GPtrArray *scans; /* AppRoundScan, prepared, with their truth */
  AppTrainPlan plan;
  AppTrainHooks hooks;
  int stop_at; /* the step after which to pause; 0 never */
  gint64 step;
  AppTrainer *trainer; /* the last one */
  DbStore *store;
} Fixture;

typedef gboolean (*Work) (Fixture *f, GError **error);

/* Returns how many requests the work makes; the tests below know the least, so that memory asked for
 * elsewhere is missed. */
static int
drill (Work work, Fixture *f)
{
  for (int n = 1;; n++)
    {
      g_autoptr (GError) error = NULL;
      gboolean done;
      int n_refused;

      volume_memory_refuse (n, 1);
      done = work (f, &error);
      n_refused = volume_memory_get_n_refused ();
      volume_memory_refuse (0, 0);
      if (n_refused == 0)
        {
          g_assert_no_error (error);
          g_assert_true (done);
          g_test_message ("%d requests", n - 1);
          return n - 1;
        }
      g_assert_false (done);
      g_assert_nonnull (error);
      g_assert_nonnull (strstr (error->message, "memory"));
      g_assert_null (strchr (error->message, '\n'));
      g_assert_cmpint (n, <, 10000);
    }
}

static gboolean
check (gpointer data, GError **error)
{
  Fixture *f = data;

  if (f->stop_at == 0 || f->step < f->stop_at)
    return TRUE;
  g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED, "paused");
  return FALSE;
}

static void
metric (gint64 step, const char *name, double value, gpointer data)
{
  Fixture *f = data;

  f->step = step;
}

static void
make_plan (Fixture *f)
{
  f->hooks = (AppTrainHooks){ .check = check, .metric = metric, .data = f };
  f->plan.method = g_strdup ("gm-abs");
  f->plan.generalist = g_strdup ("rule");
  seg_method_params_init (&f->plan.params, "gm-abs", FALSE);
  f->plan.params.n_classes = N_CLASSES;
  f->plan.params.filters = 2;
  f->plan.params.n_steps = N_STEPS;
  for (int a = 0; a < 3; a++)
    f->plan.params.patch[a] = 16;
  f->plan.params.n_refreshes = 2;
  f->plan.refresh_slice_step = 4;
  f->plan.n_validations = 2;
  f->plan.foreground_share = 0.5;
  f->plan.checkpoint_seconds = 1e9;
  seg_preprocess_init (&f->plan.preprocess);
  f->plan.preprocess.spacing_mm[0] = 2.5; /* resampled on the way */
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->folder = g_dir_make_tmp ("crosslabel-memory-XXXXXX", &error);
  g_assert_no_error (error);
  f->scans = g_ptr_array_new_with_free_func ((GDestroyNotify) app_round_scan_free);
  make_plan (f);
  for (int s = 0; s < N_SCANS; s++)
    {
      const VolumePhantomParams params = {
        .seed = 9, .index = (guint) s, .size = { 24, 24, 16 }, .n_organs = 2
      };
      g_autofree char *name = g_strdup_printf ("scan %d", s);
      AppRoundScan *scan;

      volume_phantom_write (&params, f->folder, &f->scan_paths[s], &f->truths[s], &error);
      g_assert_no_error (error);
      scan = app_round_scan_new (s + 1, name, f->scan_paths[s], NULL, 0);
      scan->validation = s == 2;
      app_round_scan_prepare (scan, &f->plan.preprocess, &error);
      g_assert_no_error (error);
      scan->truth_ijk = app_round_scan_read_labels (
          scan, seg_prepared_get_geometry (scan->prepared), f->truths[s], N_CLASSES, &error);
      g_assert_no_error (error);
      if (s == 0)
        app_round_scan_set_planes (scan, NULL, 0, TRUE);
      g_ptr_array_add (f->scans, scan);
    }
}

static void
remove_folder (const char *path)
{
  const char *argv[] = { "rm", "-r", path, NULL };

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_object (&f->store);
  g_clear_pointer (&f->trainer, app_trainer_free);
  g_ptr_array_unref (f->scans);
  app_train_plan_clear (&f->plan);
  remove_folder (f->folder);
  for (int s = 0; s < N_SCANS; s++)
    {
      g_free (f->scan_paths[s]);
      g_free (f->truths[s]);
    }
  g_free (f->project);
  g_free (f->folder);
}

/* Scans of a round */

static gboolean
prepare (Fixture *f, GError **error)
{
  AppRoundScan *like = g_ptr_array_index (f->scans, 0);
  g_autoptr (AppRoundScan) scan = app_round_scan_new (1, "again", like->path, NULL, 0);
  const VolumeGeometry *geometry = seg_prepared_get_geometry (like->prepared);

  scan->labels_ijk = app_round_scan_read_labels (scan, geometry, f->truths[0], N_CLASSES, error);
  if (scan->labels_ijk == NULL || !app_round_scan_prepare (scan, &f->plan.preprocess, error))
    return FALSE;
  app_round_scan_set_planes (scan, NULL, 0, TRUE);
  return app_round_scan_prepare_labels (scan, error);
}

static void
test_scans (Fixture *f, gconstpointer data)
{
  /* Files, their values, the labels, and the model's space. */
  g_assert_cmpint (drill (prepare, f), >=, 10);
}

/* Trainings */

static gboolean
train (Fixture *f, GError **error)
{
  g_clear_pointer (&f->trainer, app_trainer_free);
  f->step = 0;
  f->trainer = app_trainer_new (&f->plan, f->scans, f->folder, &f->hooks, error);
  return f->trainer != NULL && app_trainer_run (f->trainer, error);
}

static gboolean
train_anew (Fixture *f, GError **error)
{
  app_trainer_remove_checkpoint (f->folder);
  return train (f, error);
}

static void
test_training (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  /* Labels in the model's space, two refreshes of two scans, two validations of one. */
  g_assert_cmpint (drill (train_anew, f), >=, 19);
  g_assert_cmpint (app_trainer_get_step (f->trainer), ==, N_STEPS);
  /* From a checkpoint with the generalist's labels. */
  app_trainer_remove_checkpoint (f->folder);
  f->stop_at = 3;
  g_assert_false (train (f, &error));
  g_assert_error (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED);
  g_clear_pointer (&f->trainer, app_trainer_free);
  f->stop_at = 0;
  g_assert_cmpint (drill (train, f), >=, 8);
  g_assert_cmpint (app_trainer_get_step (f->trainer), ==, N_STEPS);
}

/* Predictions */

static gboolean
predict (Fixture *f, GError **error)
{
  const AppRoundScan *scan = g_ptr_array_index (f->scans, 1);
  AppPredicted predicted = { 0 };
  g_autoptr (VolumeScan) file = app_round_scan_open (scan, error);
  g_autofree char *labels = g_build_filename (f->folder, "p.nii.gz", NULL);
  g_autofree char *uncertainty = g_build_filename (f->folder, "u.nii.gz", NULL);
  g_autofree char *regions = g_build_filename (f->folder, "r.json", NULL);
  const guint16 id_of[N_CLASSES] = { 0, 1, 2 };
  gboolean ok;

  ok = file != NULL
       && app_round_predict (app_trainer_get_method (f->trainer), scan, 0.6, APP_PREDICT_REVIEW,
                             &predicted, error)
       && app_predicted_write (&predicted, volume_scan_get_geometry (file), file, id_of, labels,
                               uncertainty, regions, error);
  app_predicted_clear (&predicted);
  return ok;
}

static void
test_prediction (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  train (f, &error);
  g_assert_no_error (error);
  g_assert_cmpint (drill (predict, f), >=, 34);
}

/* Answers to prompts */

static gboolean
answer (Fixture *f, GError **error)
{
  const VolumeBox box = { { 0, 0, 3 }, { 20, 20, 4 } };
  g_autoptr (AppPromptAnswer) made = app_prompt_answer_new (&box, 3, error);

  return made != NULL;
}

static void
test_answer (Fixture *f, gconstpointer data)
{
  g_assert_cmpint (drill (answer, f), ==, 3);
}

/* Projects */

static void
make_project (Fixture *f)
{
  const char *const labels[] = { "one", "two" };
  DbCaseSpec cases[N_SCANS] = { 0 };
  g_autoptr (GError) error = NULL;

  f->project = g_build_filename (f->folder, "p.crosslabel", NULL);
  for (int c = 0; c < N_SCANS; c++)
    {
      AppRoundScan *scan = g_ptr_array_index (f->scans, c);
      g_autoptr (VolumeScan) file = volume_scan_load (f->scan_paths[c], 0, &error);

      g_assert_no_error (error);
      cases[c] = (DbCaseSpec){
        .name = scan->name,
        .path = f->scan_paths[c],
        .truth_path = f->truths[c],
        .sha256 = g_strdup (volume_scan_get_sha256 (file)),
        .geometry = seg_prepared_get_geometry (scan->prepared),
      };
    }
  db_store_create (f->project,
                   &(DbProjectSpec){ .cases = cases,
                                     .n_cases = N_SCANS,
                                     .label_names = labels,
                                     .label_colours = (const char *const[]){ NULL, NULL },
                                     .n_labels = 2,
                                     .seed = 1 },
                   &error);
  g_assert_no_error (error);
  for (int c = 0; c < N_SCANS; c++)
    g_free ((char *) cases[c].sha256);
  f->store = db_store_open (f->project, DB_OPEN_WRITE, &error);
  g_assert_no_error (error);
}

static DbCase *
first_case (Fixture *f)
{
  return g_list_model_get_item (db_store_get_cases (f->store), 0);
}

/* Takes the truth over as labels of the first scan; what is there already is not changed again. */
static gboolean
import (Fixture *f, GError **error)
{
  g_autoptr (DbCase) row = first_case (f);
  g_autoptr (VolumeScan) scan = volume_scan_load (f->scan_paths[0], 0, error);
  g_autoptr (DbLabels) labels = scan != NULL ? db_labels_open (f->store, row->id, error) : NULL;
  AppImportResult result;

  return labels != NULL
         && app_flow_import (labels, scan, f->truths[0], APP_IMPORT_DENSE, NULL, 0, &result, error);
}

static gboolean
read_round (Fixture *f, GError **error)
{
  g_autoptr (AppRoundData) data = app_round_data_new (f->store);
  const AppRoundScan *like = g_ptr_array_index (f->scans, 0), *scan;

  if (!app_round_data_read_domains (data, -1, error)
      || !app_round_data_read_labels (data, -1, error))
    return FALSE;
  scan = g_ptr_array_index (data->scans, 0);
  g_assert_true (scan->complete);
  g_assert_cmpmem (scan->labels_ijk, 24 * 24 * 16, like->truth_ijk, 24 * 24 * 16);
  return TRUE;
}

static gboolean
evaluate (Fixture *f, GError **error)
{
  g_autoptr (GPtrArray) results = app_flow_evaluate_project (f->store, error);

  g_assert_true (results == NULL || results->len == 1);
  return results != NULL;
}

static void
test_project (Fixture *f, gconstpointer data)
{
  make_project (f);
  g_assert_cmpint (drill (import, f), >=, 21);
  g_assert_cmpint (drill (read_round, f), >=, 15);
  g_assert_cmpint (drill (evaluate, f), >=, 40);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, test) g_test_add ("/app/memory/" name, Fixture, NULL, set_up, test, tear_down)
  ADD ("scans", test_scans);
  ADD ("training", test_training);
  ADD ("prediction", test_prediction);
  ADD ("answer", test_answer);
  ADD ("project", test_project);
#undef ADD
  return g_test_run ();
}
