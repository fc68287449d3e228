/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-train.h"

#include "app/current-model.h"
#include "app/flow-select.h"
#include "app/round-data.h"
#include "app/round-predict.h"
#include "app/settings.h"
#include "seg/method/ramps.h"
#include "volume/sha256.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

/* How often measurements are handed to the store, at most. */
#define FLUSH_INTERVAL_US (G_USEC_PER_SEC / 5)

typedef struct
{
  AppRoundData *data;
  AppTrainDone done;
  gpointer user_data;

  /* the request, owned */
  AppTrainRequest request;
  char *method, *generalist;
  char **settings;

  /* the round, once it is in the store */
  gint64 round, db_job;
  gint64 given_up; /* an unfinished round before this one, or 0 */
  gint64 journal_seq;
  gint64 seed;
  AppTrainPlan plan;
  char *folder; /* of its checkpoints */
  gint64 planned_us; /* when the plan stood */
  guint64 cache_bytes; /* for embeddings of slices */
  AppTrainResult result;

  /* on the engine thread, while it runs */
  AppJob *job;
  GArray *metrics; /* DbMetricPoint not yet handed over; names are interned */
  gint64 flushed_us;
  double loss, dice;
} Round;

void
app_train_result_clear (AppTrainResult *self)
{
  g_clear_pointer (&self->model_path, g_free);
  g_clear_pointer (&self->plan_text, g_free);
}

static void
round_free (gpointer data)
{
  Round *self = data;

  g_clear_pointer (&self->data, app_round_data_free);
  app_train_plan_clear (&self->plan);
  app_train_result_clear (&self->result);
  g_clear_pointer (&self->metrics, g_array_unref);
  g_free (self->method);
  g_free (self->generalist);
  g_strfreev (self->settings);
  g_free (self->folder);
  g_free (self);
}

/* The store, from the engine thread
 * ------------------------------------------------------------------ */

static gint64
write_now (Round *self, DbWrite *write, GError **error)
{
  return db_store_write (self->data->store, write, error);
}

static void
write_later (Round *self, DbWrite *write)
{
  db_store_write_later (self->data->store, write);
}

static DbWrite *
take_metrics (Round *self)
{
  DbWrite *write = db_write_add_metrics (self->round, (const DbMetricPoint *) self->metrics->data,
                                         self->metrics->len);

  g_array_set_size (self->metrics, 0);
  return write;
}

static void
flush (Round *self, double fraction, const char *message)
{
  gint64 step = self->result.n_steps;
  DbRoundUpdate update = { .flags = DB_ROUND_SET_STEP | DB_ROUND_SET_SECONDS,
                           .step = step,
                           .seconds = self->result.seconds };

  if (isfinite (self->loss))
    {
      update.flags |= DB_ROUND_SET_LOSS;
      update.loss = self->loss;
    }
  if (isfinite (self->dice))
    {
      update.flags |= DB_ROUND_SET_DICE;
      update.dice = self->dice;
    }
  if (self->metrics->len > 0)
    write_later (self, take_metrics (self));
  write_later (self, db_write_update_round (self->round, &update));
  write_later (self, db_write_set_job_progress (self->db_job, fraction, step,
                                                self->plan.params.n_steps, message));
  self->flushed_us = g_get_monotonic_time ();
}

static gboolean
set_round_state (Round *self, DbRoundState state, const char *message, GError **error)
{
  return write_now (
             self,
             db_write_update_round (
                 self->round, &(DbRoundUpdate){ .flags = DB_ROUND_SET_STATE | DB_ROUND_SET_MESSAGE,
                                                .state = state,
                                                .message = message }),
             error)
         >= 0;
}

/* Hooks of the trainer
 * ------------------------------------------------------------------------------- */

static gboolean
hook_check (gpointer data, GError **error)
{
  return app_job_check (((Round *) data)->job, error);
}

static void
hook_progress (double fraction, const char *message, gpointer data)
{
  Round *self = data;

  fraction *= app_train_plan_get_training_share (&self->plan);
  app_job_progress (self->job, fraction, message);
  if (g_get_monotonic_time () - self->flushed_us >= FLUSH_INTERVAL_US)
    flush (self, fraction, message);
}

static void
hook_metric (gint64 step, const char *name, double value, gpointer data)
{
  Round *self = data;
  DbMetricPoint point = { step, g_intern_string (name), value };

  g_array_append_val (self->metrics, point);
  self->result.n_steps = step;
  if (strcmp (name, "loss") == 0)
    self->loss = value;
  else if (strcmp (name, "dice") == 0)
    self->dice = value;
}

/* The engine waits for the writer here and below alone (DESIGN 5). */
static gboolean
hook_saving (gpointer data, GError **error)
{
  Round *self = data;

  return self->metrics->len == 0 || write_now (self, take_metrics (self), error) >= 0;
}

static void
hook_checkpoint (gint64 step, gpointer data)
{
  Round *self = data;
  g_autofree char *path = g_strdup_printf ("models/round-%" G_GINT64_FORMAT, self->round);
  g_autoptr (GError) error = NULL;

  flush (self, app_job_get_told_fraction (self->job), NULL);
  if (write_now (self, db_write_set_job_checkpoint (self->db_job, path), &error) < 0)
    g_warning ("the checkpoint's place could not be noted: %s", error->message);
}

/* What was measured beyond the checkpoint is measured again. */
static void
hook_resumed (gint64 step, gpointer data)
{
  Round *self = data;

  write_later (self, db_write_cut_metrics (self->round, step));
}

/* Preparing
 * ------------------------------------------------------------------------------------------ */

static gboolean
choose_cases (Round *self, GArray **labelled, GArray **unlabelled, GArray **validation,
              GError **error)
{
  GPtrArray *scans = self->data->scans;

  *labelled = g_array_new (FALSE, FALSE, sizeof (gint64));
  *unlabelled = g_array_new (FALSE, FALSE, sizeof (gint64));
  *validation = g_array_new (FALSE, FALSE, sizeof (gint64));
  for (guint s = 0; s < scans->len; s++)
    {
      const AppRoundScan *scan = g_ptr_array_index (scans, s);
      gboolean usable = self->request.dense ? scan->complete : app_round_scan_is_labelled (scan);

      g_array_append_val (scan->validation ? *validation
                          : usable         ? *labelled
                                           : *unlabelled,
                          scan->id);
    }
  if ((*labelled)->len > 0)
    return TRUE;
  g_set_error_literal (
      error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
      self->request.dense
          ? _ ("No training scan is marked complete: dense training needs at least one.")
          : _ ("No training scan is labelled yet: sign at least one slice first."));
  return FALSE;
}

static gboolean
make_plan (Round *self, GError **error)
{
  AppPlanTime time;
  AppPlanRequest request = { .method = self->method,
                             .profile = self->request.profile,
                             .parity = self->request.parity,
                             .n_classes = self->data->n_classes,
                             .n_steps = self->request.n_steps,
                             .seconds = self->request.seconds,
                             .seed = (guint64) self->seed,
                             .generalist = self->generalist,
                             .settings = (const char *const *) self->settings };

  app_job_progress (self->job, 0, _ ("Measuring how fast this machine is"));
  app_train_plan_clear (&self->plan);
  if (!app_round_plan_make (&self->plan, &time, &request, self->data->scans, error))
    return FALSE;
  g_free (self->result.plan_text);
  self->result.plan_text = app_round_plan_describe (&self->plan, &time);
  self->result.expected_seconds = time.total;
  self->planned_us = g_get_monotonic_time ();
  app_job_progress (self->job, 0, self->result.plan_text);
  return TRUE;
}

static gboolean
make_folder (Round *self, GError **error)
{
  self->folder = g_strdup_printf ("%s/models/round-%" G_GINT64_FORMAT,
                                  db_store_get_path (self->data->store), self->round);
  if (g_mkdir_with_parents (self->folder, 0777) == 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s", self->folder,
               g_strerror (errno));
  return FALSE;
}

/* What follows the training is kept with the job: a resumed round proposes as it was asked to. */
static char *
request_to_json (const AppTrainRequest *request)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "strategy");
  json_builder_add_string_value (builder, active_strategy_get_name (request->strategy));
  json_builder_set_member_name (builder, "n_select");
  json_builder_add_int_value (builder, request->n_select);
  json_builder_set_member_name (builder, "random_share");
  json_builder_add_double_value (builder, request->random_share);
  json_builder_set_member_name (builder, "parity");
  json_builder_add_boolean_value (builder, request->parity);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

static gboolean
request_from_json (AppTrainRequest *request, const char *json, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *object;

  if (!json_parser_load_from_data (parser, json != NULL ? json : "", -1, error))
    return FALSE;
  if (json_parser_get_root (parser) == NULL
      || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                   _ ("The plan of the round is damaged."));
      return FALSE;
    }
  object = json_node_get_object (json_parser_get_root (parser));
  active_strategy_from_name (json_object_get_string_member_with_default (object, "strategy", ""),
                             &request->strategy);
  request->n_select = (int) json_object_get_int_member_with_default (object, "n_select", 1);
  request->random_share = json_object_get_double_member_with_default (object, "random_share", 0);
  request->parity = json_object_get_boolean_member_with_default (object, "parity", FALSE);
  return TRUE;
}

static gboolean
give_up_unfinished (Round *self, GError **error)
{
  g_autofree char *folder = NULL;
  g_autofree char *message = NULL;

  if (self->given_up == 0)
    return TRUE;
  message = g_strdup_printf (_ ("Given up for round %d"), (int) self->round);
  folder = g_strdup_printf ("%s/models/round-%" G_GINT64_FORMAT,
                            db_store_get_path (self->data->store), self->given_up);
  app_trainer_remove_checkpoint (folder);
  return write_now (self,
                    db_write_update_round (
                        self->given_up,
                        &(DbRoundUpdate){ .flags = DB_ROUND_SET_STATE | DB_ROUND_SET_MESSAGE,
                                          .state = DB_ROUND_CANCELLED,
                                          .message = message }),
                    error)
         >= 0;
}

/* The round's row: from here on labels are those of its journal_seq. */
static gboolean
begin_round (Round *self, GError **error)
{
  g_autoptr (GArray) labelled = NULL;
  g_autoptr (GArray) unlabelled = NULL;
  g_autoptr (GArray) validation = NULL;
  g_autofree char *params = NULL;
  g_autofree char *title = NULL;
  g_autofree char *choices = NULL;

  if (!app_round_data_read_domains (self->data, -1, error)
      || !choose_cases (self, &labelled, &unlabelled, &validation, error)
      || !make_plan (self, error))
    return FALSE;
  params = app_train_plan_to_json (&self->plan);
  /* I6: the store refuses a round whose training scans include a validation scan. */
  self->round = write_now (
      self,
      db_write_add_round (&(DbRoundSpec){ .method = self->method,
                                          .params = params,
                                          .profile = app_profile_get_name (self->request.profile),
                                          .supervision = self->request.dense ? "dense" : "cross",
                                          .seed = self->seed,
                                          .n_steps = self->plan.params.n_steps,
                                          .labelled = (const gint64 *) labelled->data,
                                          .n_labelled = labelled->len,
                                          .unlabelled = (const gint64 *) unlabelled->data,
                                          .n_unlabelled = unlabelled->len,
                                          .validation = (const gint64 *) validation->data,
                                          .n_validation = validation->len }),
      error);
  if (self->round < 0)
    return FALSE;
  title = g_strdup_printf (_ ("Round %d"), (int) self->round);
  choices = request_to_json (&self->request);
  self->db_job = write_now (self, db_write_add_job ("train", title, choices, self->round), error);
  return self->db_job >= 0 && make_folder (self, error) && give_up_unfinished (self, error);
}

/* Labels as of the round's start, cases by their role then (I7). */
static gboolean
read_roles (Round *self, GError **error)
{
  const char *roles[] = { "labelled", "unlabelled", "validation" };
  g_autoptr (GPtrArray) kept =
      g_ptr_array_new_with_free_func ((GDestroyNotify) app_round_scan_free);
  g_autoptr (GHashTable) role_of =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  int *counts[] = { &self->result.n_labelled, &self->result.n_unlabelled,
                    &self->result.n_validation };

  for (int r = 0; r < 3; r++)
    {
      g_autoptr (GArray) ids =
          db_store_read_round_cases (self->data->store, self->round, roles[r], error);

      if (ids == NULL)
        return FALSE;
      *counts[r] = (int) ids->len;
      for (guint c = 0; c < ids->len; c++)
        g_hash_table_insert (role_of, g_memdup2 (&g_array_index (ids, gint64, c), sizeof (gint64)),
                             GINT_TO_POINTER (r + 1));
    }
  if (!app_round_data_read_domains (self->data, self->journal_seq, error)
      || !app_round_data_read_labels (self->data, self->journal_seq, error))
    return FALSE;
  for (guint s = 0; s < self->data->scans->len; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (self->data->scans, s);
      int role = GPOINTER_TO_INT (g_hash_table_lookup (role_of, &scan->id));

      if (role == 0)
        continue; /* added after the round began */
      /* I6, at the start of each round: what the store calls a validation scan is in no batch. */
      if (scan->validation != (role == 3))
        {
          g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                       _ ("Scan %s is a validation scan and must not be trained on."), scan->name);
          return FALSE;
        }
      if (role == 2 || (self->request.dense && !scan->complete && !scan->validation))
        app_round_scan_set_planes (scan, NULL, 0, FALSE);
      g_ptr_array_add (kept, scan);
      self->data->scans->pdata[s] = NULL;
    }
  g_ptr_array_set_free_func (self->data->scans, NULL);
  for (guint s = 0; s < self->data->scans->len; s++)
    app_round_scan_free (g_ptr_array_index (self->data->scans, s));
  g_ptr_array_unref (self->data->scans);
  self->data->scans = g_steal_pointer (&kept);
  return TRUE;
}

static gboolean
prepare_scans (Round *self, GError **error)
{
  for (guint s = 0; s < self->data->scans->len; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (self->data->scans, s);
      g_autofree char *message =
          g_strdup_printf (_ ("Reading scan %u of %u"), s + 1, self->data->scans->len);

      app_job_progress (self->job, 0, message);
      if (!app_job_check (self->job, error)
          || !app_round_scan_prepare (scan, &self->plan.preprocess, error))
        return FALSE;
    }
  return TRUE;
}

/* After the training
 * --------------------------------------------------------------------------------- */

static char *
hash_file (const char *path, GError **error)
{
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, error);
  VolumeSha256 sha256;

  if (file == NULL)
    return NULL;
  volume_sha256_init (&sha256);
  volume_sha256_update (&sha256, g_mapped_file_get_contents (file),
                        g_mapped_file_get_length (file));
  return volume_sha256_finish (&sha256);
}

static gboolean
keep_model (Round *self, AppTrainer *trainer, GError **error)
{
  g_autofree char *relative =
      g_strdup_printf ("models/round-%" G_GINT64_FORMAT ".safetensors", self->round);
  g_autofree char *path = g_build_filename (db_store_get_path (self->data->store), relative, NULL);
  g_autofree char *name = g_strdup_printf (_ ("Round %d"), (int) self->round);
  g_autofree char *description = app_train_plan_to_json (&self->plan);
  g_autofree char *sha256 = NULL;

  if (!app_trainer_write_model (trainer, path, (const char *const *) self->data->label_names,
                                error))
    return FALSE;
  sha256 = hash_file (path, error);
  if (sha256 == NULL)
    return FALSE;
  self->result.model = write_now (
      self, db_write_add_model (self->round, name, relative, sha256, description, self->dice),
      error);
  if (self->result.model < 0)
    return FALSE;
  self->result.model_path = g_steal_pointer (&path);
  return write_now (
             self,
             db_write_update_round (self->round, &(DbRoundUpdate){ .flags = DB_ROUND_SET_MODEL,
                                                                   .model = self->result.model }),
             error)
             >= 0
         && write_now (self, app_current_model_write_newest (self->result.model), error) >= 0;
}

/* Labels by the project's ids, and the uncertainty beside them. */
static gboolean
write_prediction (Round *self, const AppRoundScan *scan, const AppPredicted *predicted,
                  GError **error)
{
  g_autofree char *folder =
      g_strdup_printf ("cache/predictions/round-%" G_GINT64_FORMAT, self->round);
  g_autofree char *absolute =
      g_build_filename (db_store_get_path (self->data->store), folder, NULL);
  g_autofree char *relative = g_strdup_printf ("%s/%" G_GINT64_FORMAT ".nii.gz", folder, scan->id);
  g_autofree char *path = g_build_filename (db_store_get_path (self->data->store), relative, NULL);
  g_autofree char *uncertainty = app_prediction_beside (path, "_uncertainty.nii.gz");
  g_autofree char *regions = app_prediction_beside (path, "_regions.json");
  guint16 id_of[256] = { 0 };

  if (g_mkdir_with_parents (absolute, 0777) != 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s", absolute,
                   g_strerror (errno));
      return FALSE;
    }
  for (guint l = 0; l < self->data->label_ids->len && l < 255; l++)
    id_of[l + 1] = g_array_index (self->data->label_ids, guint16, l);
  if (!app_predicted_write (predicted, seg_prepared_get_geometry (scan->prepared), NULL, id_of,
                            path, uncertainty, regions, error))
    return FALSE;
  return write_now (self,
                    db_write_add_prediction (scan->id, self->result.model, self->round, relative,
                                             predicted->confidence),
                    error)
         >= 0;
}

typedef struct
{
  ActiveFeatures *features;
  ActivePlanes *planes;
  gboolean *labelled;
  VolumeGeometry *geometries;
  gsize n;
} Candidates;

static void
candidates_clear (Candidates *self)
{
  for (gsize i = 0; i < self->n; i++)
    active_planes_clear (&self->planes[i]);
  g_free (self->features);
  g_free (self->planes);
  g_free (self->labelled);
  g_free (self->geometries);
}

static gboolean
predict_all (Round *self, AppTrainer *trainer, Candidates *candidates, GError **error)
{
  const SegGmAbsSchedule schedule = { self->plan.params.n_steps, self->plan.params.n_refreshes };
  double tau = seg_gm_abs_tau_after_round (&schedule);
  double share = app_train_plan_get_training_share (&self->plan);
  guint n = self->data->scans->len;

  candidates->features = g_new0 (ActiveFeatures, n);
  candidates->planes = g_new0 (ActivePlanes, n);
  candidates->labelled = g_new0 (gboolean, n);
  candidates->geometries = g_new0 (VolumeGeometry, n);
  for (guint s = 0; s < n; s++)
    {
      const AppRoundScan *scan = g_ptr_array_index (self->data->scans, s);
      g_autofree char *message = g_strdup_printf (_ ("Predicting scan %u of %u"), s + 1, n);
      AppPredicted predicted;
      gboolean ok;

      app_job_progress (self->job, share + (1 - share) * s / n, message);
      if (!app_job_check (self->job, error)
          || !app_round_predict (app_trainer_get_method (trainer), scan, tau, APP_PREDICT_REVIEW,
                                 &predicted, error))
        return FALSE;
      ok = write_prediction (self, scan, &predicted, error);
      self->result.n_predicted += ok;
      /* I6: a validation scan is never offered. */
      if (ok && !scan->validation)
        {
          gsize at = candidates->n++;

          candidates->features[at] = predicted.features;
          candidates->planes[at] = predicted.planes;
          /* What is in work is not offered again. */
          candidates->labelled[at] = scan->offered || app_round_scan_is_labelled (scan);
          candidates->geometries[at] = *seg_prepared_get_geometry (scan->prepared);
          predicted.planes = (ActivePlanes){ 0 };
        }
      app_predicted_clear (&predicted);
      if (!ok)
        return FALSE;
    }
  return TRUE;
}

static void
add_slice (GPtrArray *writes, const Candidates *candidates, const ActiveChoice *choice, int axis,
           int index)
{
  g_ptr_array_add (writes, db_write_propose_slice (
                               choice->scan,
                               app_plane_of_axis (&candidates->geometries[choice->position], axis),
                               index, "selection"));
}

/* Slices that the person has been offered already stay; scans in work are not offered again. */
static gboolean
select_next (Round *self, Candidates *candidates, GError **error)
{
  g_autoptr (GArray) choices = NULL;
  g_autofree DbSelectionEntry *entries = NULL;
  g_autoptr (GPtrArray) writes = g_ptr_array_new ();
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);

  if (self->request.n_select <= 0)
    return TRUE;
  choices = active_select (candidates->features, candidates->labelled, NULL, candidates->n,
                           &(ActiveSelectParams){ .strategy = self->request.strategy,
                                                  .n_wanted = self->request.n_select,
                                                  .round = (int) self->round,
                                                  .n_rounds = (int) MAX (self->round, 5),
                                                  .random_share = self->request.random_share,
                                                  .candidate_share = 0.1,
                                                  .parity = self->request.parity,
                                                  .seed = (guint64) self->seed });
  entries = g_new0 (DbSelectionEntry, MAX (choices->len, 1));
  for (guint c = 0; c < choices->len; c++)
    {
      const ActiveChoice *choice = &g_array_index (choices, ActiveChoice, c);
      const ActiveFeatures *f = &candidates->features[choice->position];
      const ActivePlanes *planes = &candidates->planes[choice->position];
      char *scores = g_strdup_printf (
          "{\"uncertain_share\":%.6f,\"mean_entropy\":%.6f,\"least_confidence\":%.6f,"
          "\"foreground_voxels\":%" G_GSIZE_FORMAT ",\"random\":%s,\"cluster\":%d}",
          f->uncertain_share, f->mean_entropy, f->least_confidence, f->foreground_voxels,
          choice->from_random ? "true" : "false", choice->cluster);
      char *reason = app_flow_describe_proposal (choice->reason, planes->reason);

      g_ptr_array_add (texts, scores);
      g_ptr_array_add (texts, reason);
      entries[c] = (DbSelectionEntry){ choice->scan, choice->score, scores, reason };
      for (int axis = 0; axis < 3; axis++)
        add_slice (writes, candidates, choice, axis, planes->index[axis]);
      for (int e = 0; e < planes->n_extra; e++)
        add_slice (writes, candidates, choice, planes->extra_axis[e], planes->extra_index[e]);
    }
  self->result.n_selected = (int) choices->len;
  g_ptr_array_add (writes, db_write_add_selection (
                               self->round, active_strategy_get_name (self->request.strategy),
                               entries, choices->len));
  return write_now (self, db_write_all ((DbWrite **) writes->pdata, writes->len), error) >= 0;
}

/* The job
 * -------------------------------------------------------------------------------------------- */

static gboolean
train_and_predict (Round *self, GError **error)
{
  const AppTrainHooks hooks = { .check = hook_check,
                                .progress = hook_progress,
                                .metric = hook_metric,
                                .saving = hook_saving,
                                .checkpoint = hook_checkpoint,
                                .resumed = hook_resumed,
                                .label_names = (const char *const *) self->data->label_names,
                                .data = self };
  g_autoptr (AppTrainer) trainer =
      app_trainer_new (&self->plan, self->data->scans, self->folder, &hooks, error);
  g_autofree char *cache =
      g_build_filename (db_store_get_path (self->data->store), "cache", "embeddings", NULL);
  Candidates candidates = { 0 };
  gboolean ok;

  if (trainer != NULL)
    app_trainer_set_cache (trainer, cache, self->cache_bytes);
  if (trainer == NULL || !set_round_state (self, DB_ROUND_TRAINING, NULL, error))
    return FALSE;
  ok = app_trainer_run (trainer, error);
  self->result.seconds = app_trainer_get_seconds (trainer);
  if (ok && isfinite (app_trainer_get_best_dice (trainer)))
    self->dice = app_trainer_get_best_dice (trainer);
  flush (self, app_job_get_told_fraction (self->job), NULL);
  if (!ok || !keep_model (self, trainer, error)
      || !set_round_state (self, DB_ROUND_PREDICTING, NULL, error))
    return FALSE;
  ok = predict_all (self, trainer, &candidates, error)
       && set_round_state (self, DB_ROUND_SELECTING, NULL, error)
       && select_next (self, &candidates, error);
  self->result.round = self->round;
  self->result.n_steps = app_trainer_get_step (trainer);
  self->result.dice = self->dice;
  self->result.all_seconds =
      self->planned_us > 0 ? (double) (g_get_monotonic_time () - self->planned_us) / G_USEC_PER_SEC
                           : NAN;
  candidates_clear (&candidates);
  return ok;
}

/* Anew after each pause: what is in memory is dropped, and made again from the checkpoint. */
static gboolean
run_round (Round *self, GError **error)
{
  if (self->round == 0 && !begin_round (self, error))
    return FALSE;
  if (self->folder == NULL && !make_folder (self, error))
    return FALSE;
  /* −1 until the row could be looked at: the start of a new round is the journal's end. */
  if (self->journal_seq < 0)
    self->journal_seq = db_store_read_round_journal_seq (self->data->store, self->round, error);
  if (self->journal_seq < 0)
    return FALSE;
  if (!read_roles (self, error) || !prepare_scans (self, error))
    return FALSE;
  return train_and_predict (self, error);
}

/* A full disk, a scan or the generalist's file that is not there, too little memory: all that can
 * be mended, and the round waits for it at its last checkpoint. What was not a number would be none
 * again. */
static gboolean
can_go_on (const Round *self, const GError *error)
{
  return error != NULL && !g_error_matches (error, SEG_ERROR, SEG_ERROR_NOT_FINITE)
         && self->folder != NULL && app_trainer_has_checkpoint (self->folder);
}

static void
note_end (Round *self, const GError *error)
{
  DbJobState job_state = DB_JOB_DONE;
  g_autoptr (GError) local = NULL;

  if (self->round <= 0)
    return;
  if (g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED)
      || g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_SHUTDOWN))
    job_state = DB_JOB_PAUSED;
  else if (g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_CANCELLED))
    job_state = DB_JOB_CANCELLED;
  else if (can_go_on (self, error))
    job_state = DB_JOB_PAUSED;
  else if (error != NULL)
    job_state = DB_JOB_FAILED;
  if (job_state == DB_JOB_DONE || job_state == DB_JOB_CANCELLED || job_state == DB_JOB_FAILED)
    set_round_state (self,
                     job_state == DB_JOB_DONE        ? DB_ROUND_DONE
                     : job_state == DB_JOB_CANCELLED ? DB_ROUND_CANCELLED
                                                     : DB_ROUND_FAILED,
                     error != NULL ? error->message : NULL, &local);
  g_clear_error (&local);
  write_now (
      self, db_write_set_job_state (self->db_job, job_state, error != NULL ? error->message : NULL),
      &local);
  if (job_state == DB_JOB_DONE)
    app_trainer_remove_checkpoint (self->folder);
}

static gboolean
run_cb (AppJob *job, gpointer data, GError **error)
{
  Round *self = data;
  g_autoptr (GError) local = NULL;

  self->job = job;
  if (self->round > 0)
    write_now (self, db_write_set_job_state (self->db_job, DB_JOB_RUNNING, NULL), NULL);
  if (run_round (self, &local))
    {
      note_end (self, NULL);
      return TRUE;
    }
  note_end (self, local);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static void
done_cb (AppJob *job, gpointer data, const GError *error)
{
  Round *self = data;

  if (self->done != NULL)
    self->done (job, error == NULL ? &self->result : NULL, error, self->user_data);
}

/* Main thread
 * ---------------------------------------------------------------------------------------- */

static Round *
round_new (DbStore *store, const AppTrainRequest *request)
{
  Round *self = g_new0 (Round, 1);
#ifdef HAVE_UI
  GSettings *settings = app_settings_get_default ();

  if (settings != NULL)
    self->cache_bytes = (guint64) g_settings_get_int (settings, "embedding-cache-mib") << 20;
#endif
  self->data = app_round_data_new (store);
  self->metrics = g_array_new (FALSE, FALSE, sizeof (DbMetricPoint));
  self->loss = self->dice = self->result.dice = self->result.expected_seconds = NAN;
  self->journal_seq = -1;
  if (request == NULL)
    return self;
  self->request = *request;
  self->method = g_strdup (request->method != NULL ? request->method : "gm-abs");
  self->generalist = g_strdup (request->generalist);
  self->settings = g_strdupv ((char **) request->settings);
  self->given_up = app_flow_train_find_resumable (store);
  self->seed = request->seed >= 0
                   ? request->seed
                   : (gint64) g_list_model_get_n_items (db_store_get_rounds (store)) + 1;
  return self;
}

/* What the dialog's choices were is in the job's row; the plan in the round's. */
static gboolean
take_up (Round *self, DbStore *store, gint64 round, GError **error)
{
  DbRound *row = db_store_get_round (store, round);
  GListModel *jobs = db_store_get_jobs (store);
  const char *choices = NULL;

  self->round = round;
  self->journal_seq = row->journal_seq;
  self->seed = row->seed;
  self->method = g_strdup (row->method);
  self->request.dense = g_strcmp0 (row->supervision, "dense") == 0;
  if (isfinite (row->dice))
    self->dice = row->dice;
  for (guint j = 0; j < g_list_model_get_n_items (jobs); j++)
    {
      g_autoptr (DbJob) job = g_list_model_get_item (jobs, j);

      if (job->round == round && g_strcmp0 (job->kind, "train") == 0)
        {
          self->db_job = job->id;
          choices = job->params; /* the list keeps it */
        }
    }
  if (!request_from_json (&self->request, choices, error)
      || !app_train_plan_from_json (&self->plan, row->params, error))
    return FALSE;
  self->generalist = g_strdup (self->plan.generalist);
  self->result.plan_text = app_round_plan_describe (&self->plan, NULL);
  return TRUE;
}

gint64
app_flow_train_find_resumable (DbStore *store)
{
  GListModel *rounds = db_store_get_rounds (store);
  guint n = g_list_model_get_n_items (rounds);
  g_autoptr (DbRound) last = n > 0 ? g_list_model_get_item (rounds, n - 1) : NULL;

  return last != NULL && (last->state < DB_ROUND_DONE || last->state == DB_ROUND_FAILED) ? last->id
                                                                                         : 0;
}

AppJob *
app_flow_train (DbStore *store, AppEngine *engine, const AppTrainRequest *request,
                AppTrainDone done, gpointer user_data, GError **error)
{
  Round *self = round_new (store, request);
  g_autofree char *title = NULL;

  if (request == NULL)
    {
      gint64 round = app_flow_train_find_resumable (store);

      if (round == 0)
        g_set_error_literal (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                             _ ("There is no round to resume."));
      if (round == 0 || !take_up (self, store, round, error))
        {
          round_free (self);
          return NULL;
        }
    }
  self->done = done;
  self->user_data = user_data;
  title = g_strdup_printf (
      /* Translators: the number of the round, and a method */
      _ ("Round %d, %s"),
      self->round > 0 ? (int) self->round
                      : (int) g_list_model_get_n_items (db_store_get_rounds (store)) + 1,
      self->method);
  return app_engine_submit (engine, &(AppJobParams){ .kind = APP_JOB_TRAINING,
                                                     .title = title,
                                                     .run = run_cb,
                                                     .done = done_cb,
                                                     .data = self,
                                                     .destroy = round_free,
                                                     .pausable = TRUE });
}

/* The plan alone
 * -------------------------------------------------------------------------------------- */

typedef struct
{
  Round *round;
  AppPlanTime time;
  AppTrainPlanned planned;
  gpointer user_data;
} Planning;

static gboolean
plan_cb (AppJob *job, gpointer data, GError **error)
{
  Planning *self = data;
  const AppTrainRequest *r = &self->round->request;
  AppPlanRequest request = { .method = self->round->method,
                             .profile = r->profile,
                             .parity = r->parity,
                             .n_classes = self->round->data->n_classes,
                             .n_steps = r->n_steps,
                             .seconds = r->seconds,
                             .seed = (guint64) self->round->seed,
                             .generalist = self->round->generalist,
                             .settings = (const char *const *) self->round->settings };

  return app_round_plan_make (&self->round->plan, &self->time, &request, self->round->data->scans,
                              error);
}

static void
planned_cb (AppJob *job, gpointer data, const GError *error)
{
  Planning *self = data;

  self->planned (error == NULL ? &self->round->plan : NULL, error == NULL ? &self->time : NULL,
                 error, self->user_data);
}

static void
planning_free (gpointer data)
{
  Planning *self = data;

  round_free (self->round);
  g_free (self);
}

AppJob *
app_flow_train_plan (DbStore *store, AppEngine *engine, const AppTrainRequest *request,
                     AppTrainPlanned planned, gpointer user_data)
{
  Planning *self = g_new0 (Planning, 1);

  self->round = round_new (store, request);
  self->planned = planned;
  self->user_data = user_data;
  return app_engine_submit (engine, &(AppJobParams){ .kind = APP_JOB_SELECTION,
                                                     .title = _ ("Measuring the expected time"),
                                                     .run = plan_cb,
                                                     .done = planned_cb,
                                                     .data = self,
                                                     .destroy = planning_free });
}
