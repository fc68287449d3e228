/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-select.h"

#include "app/current-model.h"
#include "app/model-file.h"
#include "app/round-data.h"
#include "app/round-predict.h"

#include <glib/gi18n.h>
#include <json-glib/json-glib.h>
#include <string.h>

#define SKIPPED_KEY "skipped-scans"
/* Threshold of normalised entropy at the end of gm-abs' ramp. */
#define TAU 0.6

typedef struct
{
  AppSelectRequest request;
  AppRoundData *data;
  char *model_path; /* NULL: no model yet */
  GHashTable *stale; /* case id → GArray of task ids nobody has begun with; set of candidates */
  GHashTable *skipped;
  GPtrArray *proposals;
  GTask *task;
} Select;

static void
proposal_free (gpointer data)
{
  AppProposal *self = data;

  g_free (self->name);
  g_free (self->reason);
  g_free (self);
}

static void
select_free (gpointer data)
{
  Select *self = data;

  app_round_data_free (self->data);
  g_free (self->model_path);
  g_hash_table_unref (self->stale);
  g_hash_table_unref (self->skipped);
  g_ptr_array_unref (self->proposals);
  g_object_unref (self->task);
  g_free (self);
}

/* What is known on the main thread
 * ----------------------------------------------------------------------- */

static GHashTable *
read_skipped (DbStore *store)
{
  GHashTable *skipped = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  g_autofree char *text = db_store_get_setting (store, SKIPPED_KEY);
  g_auto (GStrv) words = g_strsplit (text != NULL ? text : "", " ", -1);

  for (char **word = words; *word != NULL; word++)
    {
      gint64 id = g_ascii_strtoll (*word, NULL, 10);

      if (id > 0)
        g_hash_table_add (skipped, g_memdup2 (&id, sizeof id));
    }
  return skipped;
}

/* Unsigned slices of a training scan in which nothing is drawn. */
static void
collect_stale (Select *self, DbStore *store)
{
  GListModel *cases = db_store_get_cases (store);

  self->stale =
      g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify) g_array_unref);
  for (guint c = 0; c < g_list_model_get_n_items (cases); c++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, c);
      GListModel *tasks;
      GArray *ids;

      if (row->validation || row->n_signed > 0 || row->head != 0)
        continue;
      tasks = db_store_get_tasks (store, row->id);
      ids = g_array_new (FALSE, FALSE, sizeof (gint64));
      for (guint t = 0; t < g_list_model_get_n_items (tasks); t++)
        {
          g_autoptr (DbSliceTask) task = g_list_model_get_item (tasks, t);

          g_array_append_val (ids, task->id);
        }
      g_hash_table_insert (self->stale, g_memdup2 (&row->id, sizeof row->id), ids);
    }
}

/* On the engine thread
 * ------------------------------------------------------------------------------------ */

typedef struct
{
  ActiveFeatures *features;
  ActivePlanes *planes;
  VolumeGeometry *geometries;
  gboolean *closed;
  gboolean *skipped;
  gsize n;
} Ranked;

static void
ranked_clear (Ranked *self)
{
  for (gsize i = 0; i < self->n; i++)
    active_planes_clear (&self->planes[i]);
  g_free (self->features);
  g_free (self->planes);
  g_free (self->geometries);
  g_free (self->closed);
  g_free (self->skipped);
}

static gboolean
look_at_scan (Select *self, AppModel *model, AppRoundScan *scan, Ranked *ranked, GError **error)
{
  SegPreprocess preprocess;
  AppPredicted predicted = { 0 };
  gsize at = ranked->n;
  const VolumeGeometry *geometry;

  seg_preprocess_init (&preprocess);
  if (!app_round_scan_prepare (scan, model != NULL ? &model->plan.preprocess : &preprocess, error))
    return FALSE;
  geometry = seg_prepared_get_geometry (scan->prepared);
  if (model != NULL)
    {
      if (!app_round_predict (model->method, scan, TAU, APP_PREDICT_LABELS, &predicted, error))
        return FALSE;
      ranked->features[at] = predicted.features;
      ranked->planes[at] = predicted.planes;
      predicted.planes = (ActivePlanes){ 0 };
      app_predicted_clear (&predicted);
    }
  else
    {
      int size[3];

      seg_prepared_get_size (scan->prepared, size);
      active_features_from_image (&ranked->features[at], scan->id,
                                  seg_prepared_get_image (scan->prepared), size,
                                  geometry->spacing_mm);
      active_planes_from_click (&ranked->planes[at], NULL, geometry->size);
    }
  ranked->geometries[at] = *geometry;
  ranked->closed[at] =
      app_round_scan_is_labelled (scan) || !g_hash_table_contains (self->stale, &scan->id);
  ranked->skipped[at] = g_hash_table_contains (self->skipped, &scan->id);
  ranked->n++;
  g_clear_pointer (&scan->prepared, seg_prepared_unref);
  return TRUE;
}

char *
app_flow_describe_proposal (const char *reason, const char *planes_reason)
{
  gunichar first;
  g_autofree char *sentence = NULL;
  char letter[6];

  if (reason == NULL)
    return g_strdup_printf (_ ("A validation scan: it is never trained on, but measures every "
                               "round. Slices: %s."),
                            planes_reason);
  first = g_unichar_toupper (g_utf8_get_char (reason));
  sentence = g_strdup_printf ("%.*s%s", g_unichar_to_utf8 (first, letter), letter,
                              *reason != '\0' ? g_utf8_next_char (reason) : "");
  return g_strdup_printf (_ ("%s. Slices: %s."), sentence, planes_reason);
}

static AppProposal *
propose (const AppRoundScan *scan, const VolumeGeometry *geometry, const ActivePlanes *planes,
         const char *reason)
{
  AppProposal *proposal = g_new0 (AppProposal, 1);

  proposal->case_id = scan->id;
  proposal->name = g_strdup (scan->name);
  proposal->validation = scan->validation;
  proposal->reason = app_flow_describe_proposal (reason, planes->reason);
  for (int axis = 0; axis < 3; axis++)
    {
      proposal->slices[proposal->n_slices].plane = app_plane_of_axis (geometry, axis);
      proposal->slices[proposal->n_slices++].index = planes->index[axis];
    }
  for (int e = 0; e < planes->n_extra; e++)
    {
      proposal->slices[proposal->n_slices].plane =
          app_plane_of_axis (geometry, planes->extra_axis[e]);
      proposal->slices[proposal->n_slices++].index = planes->extra_index[e];
    }
  return proposal;
}

/* I6: validation scans come first, and once: those without slices get theirs. */
static gboolean
propose_validation (Select *self, AppRoundScan *scan, GError **error)
{
  g_autoptr (VolumeScan) file = NULL;
  ActivePlanes planes;
  const VolumeGeometry *geometry;

  if (scan->offered || app_round_scan_is_labelled (scan))
    return TRUE;
  file = app_round_scan_open (scan, error);
  if (file == NULL)
    return FALSE;
  geometry = volume_scan_get_geometry (file);
  active_planes_from_click (&planes, NULL, geometry->size);
  g_ptr_array_add (self->proposals, propose (scan, geometry, &planes, NULL));
  active_planes_clear (&planes);
  return TRUE;
}

static void
rank (Select *self, const Ranked *ranked, ActiveStrategy strategy)
{
  g_autoptr (GArray) choices =
      active_select (ranked->features, ranked->closed, ranked->skipped, ranked->n,
                     &(ActiveSelectParams){ .strategy = strategy,
                                            .n_wanted = self->request.n_wanted,
                                            .round = 1,
                                            .n_rounds = 5,
                                            .random_share = self->request.random_share,
                                            .candidate_share = 0.1,
                                            .seed = (guint64) self->request.seed });

  for (guint c = 0; c < choices->len; c++)
    {
      const ActiveChoice *choice = &g_array_index (choices, ActiveChoice, c);
      AppProposal *proposal = propose (app_round_data_find (self->data, choice->scan),
                                       &ranked->geometries[choice->position],
                                       &ranked->planes[choice->position], choice->reason);

      proposal->rank = (int) c + 1;
      proposal->score = choice->score;
      g_ptr_array_add (self->proposals, proposal);
    }
}

/* One transaction: old proposals out, new ones in. */
static gboolean
write_proposals (Select *self, ActiveStrategy strategy, GError **error)
{
  g_autoptr (GPtrArray) writes = g_ptr_array_new ();
  g_autofree DbSelectionEntry *entries = g_new0 (DbSelectionEntry, self->proposals->len + 1);
  GHashTableIter iter;
  gpointer tasks;
  gsize n = 0;

  g_hash_table_iter_init (&iter, self->stale);
  while (g_hash_table_iter_next (&iter, NULL, &tasks))
    for (guint t = 0; t < ((GArray *) tasks)->len; t++)
      g_ptr_array_add (writes, db_write_remove_task (g_array_index ((GArray *) tasks, gint64, t)));
  for (guint p = 0; p < self->proposals->len; p++)
    {
      const AppProposal *proposal = g_ptr_array_index (self->proposals, p);

      for (int s = 0; s < proposal->n_slices; s++)
        g_ptr_array_add (
            writes, db_write_propose_slice (proposal->case_id, proposal->slices[s].plane,
                                            proposal->slices[s].index,
                                            proposal->validation ? "validation" : "selection"));
      if (!proposal->validation)
        entries[n++] =
            (DbSelectionEntry){ proposal->case_id, proposal->score, NULL, proposal->reason };
    }
  g_ptr_array_add (writes,
                   db_write_add_selection (0, active_strategy_get_name (strategy), entries, n));
  return db_store_write (self->data->store, db_write_all ((DbWrite **) writes->pdata, writes->len),
                         error)
         >= 0;
}

static gboolean
run_cb (AppJob *job, gpointer data, GError **error)
{
  Select *self = data;
  ActiveStrategy strategy = self->request.has_strategy ? self->request.strategy
                            : self->model_path != NULL ? ACTIVE_STRATEGY_UNCERTAINTY_DIVERSITY
                                                       : ACTIVE_STRATEGY_COLD_START;
  GPtrArray *scans = self->data->scans;
  g_autoptr (AppModel) model = NULL;
  Ranked ranked = { 0 };
  gboolean ok = TRUE;

  if (self->model_path == NULL && active_strategy_needs_prediction (strategy)
      && strategy != ACTIVE_STRATEGY_RANDOM)
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                   _ ("The strategy “%s” needs a model, and the project has none yet."),
                   active_strategy_get_name (strategy));
      return FALSE;
    }
  if (self->model_path != NULL)
    {
      model = app_model_open (self->model_path, error);
      if (model == NULL)
        return FALSE;
    }
  if (!app_round_data_read_domains (self->data, -1, error))
    return FALSE;
  ranked = (Ranked){ g_new0 (ActiveFeatures, scans->len + 1), g_new0 (ActivePlanes, scans->len + 1),
                     g_new0 (VolumeGeometry, scans->len + 1), g_new0 (gboolean, scans->len + 1),
                     g_new0 (gboolean, scans->len + 1),       0 };
  for (guint s = 0; s < scans->len && ok; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (scans, s);

      app_job_progress (job, (double) s / scans->len, _ ("Looking at the scans"));
      ok = app_job_check (job, error)
           && (scan->validation ? propose_validation (self, scan, error)
                                : look_at_scan (self, model, scan, &ranked, error));
    }
  if (ok)
    {
      rank (self, &ranked, strategy);
      ok = write_proposals (self, strategy, error);
    }
  ranked_clear (&ranked);
  return ok;
}

static void
done_cb (AppJob *job, gpointer data, const GError *error)
{
  Select *self = data;

  if (error != NULL)
    g_task_return_error (self->task, g_error_copy (error));
  else
    g_task_return_pointer (self->task, g_ptr_array_ref (self->proposals),
                           (GDestroyNotify) g_ptr_array_unref);
}

/* Main thread
 * ---------------------------------------------------------------------------------------------- */

void
app_flow_select_async (DbStore *store, AppEngine *engine, const AppSelectRequest *request,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  Select *self = g_new0 (Select, 1);
  DbModel *model = app_current_model_get (store);
  g_autoptr (AppJob) job = NULL;

  self->request = *request;
  self->data = app_round_data_new (store);
  self->proposals = g_ptr_array_new_with_free_func (proposal_free);
  self->skipped = read_skipped (store);
  self->task = g_task_new (store, NULL, callback, user_data);
  collect_stale (self, store);
  if (model != NULL)
    self->model_path = db_store_resolve (store, model->path);
  job = app_engine_submit (engine, &(AppJobParams){ .kind = APP_JOB_SELECTION,
                                                    .title = _ ("What to label next"),
                                                    .run = run_cb,
                                                    .done = done_cb,
                                                    .data = self,
                                                    .destroy = select_free });
}

GPtrArray *
app_flow_select_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

gboolean
app_flow_is_skipped (DbStore *store, gint64 case_id)
{
  g_autoptr (GHashTable) skipped = read_skipped (store);

  return g_hash_table_contains (skipped, &case_id);
}

/* Text as a JSON string. */
static char *
json_quote (const char *text)
{
  g_autoptr (JsonNode) node = json_node_init_string (json_node_alloc (), text);

  return json_to_string (node, FALSE);
}

void
app_flow_skip_proposal_async (DbStore *store, gint64 case_id, const char *reason,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  g_autofree char *before = db_store_get_setting (store, SKIPPED_KEY);
  g_autofree char *after =
      g_strdup_printf ("%s %" G_GINT64_FORMAT, before != NULL ? before : "", case_id);
  g_autofree char *quoted = json_quote (reason != NULL ? reason : "");
  g_autofree char *detail = g_strdup_printf ("{\"reason\":%s}", quoted);
  GListModel *tasks = db_store_get_tasks (store, case_id);
  g_autoptr (GPtrArray) writes = g_ptr_array_new ();

  for (guint t = 0; t < g_list_model_get_n_items (tasks); t++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (tasks, t);

      if (task->state != DB_TASK_SIGNED)
        g_ptr_array_add (writes, db_write_remove_task (task->id));
    }
  if (!app_flow_is_skipped (store, case_id))
    g_ptr_array_add (writes, db_write_set_setting (SKIPPED_KEY, g_strstrip (after)));
  g_ptr_array_add (writes, db_write_add_event ("skip", case_id, detail));
  db_store_write_async (store, db_write_all ((DbWrite **) writes->pdata, writes->len), NULL,
                        callback, user_data);
}

gboolean
app_flow_skip_proposal_finish (DbStore *store, GAsyncResult *result, GError **error)
{
  return db_store_write_finish (store, result, error) >= 0;
}
