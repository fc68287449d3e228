/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-simulate.h"

#include "app/round-predict.h"
#include "app/simulate-private.h"
#include "seg/method/ramps.h"
#include "seg/method/self-prompt.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#define EMBEDDING_BYTES ((guint64) 4 << 30)

/* Scans
 * ------------------------------------------------------------------------------------------------
 */

typedef struct
{
  guint64 key;
  guint at;
} Drawn;

static int
compare_drawn (gconstpointer a, gconstpointer b)
{
  guint64 x = ((const Drawn *) a)->key, y = ((const Drawn *) b)->key;

  return x < y ? -1 : x > y;
}

/* Training scans in a seeded order; those beyond the pool are dropped. */
static void
draw_pool (AppSimulation *self, GArray *order)
{
  g_autoptr (GArray) drawn = g_array_new (FALSE, FALSE, sizeof (Drawn));
  GPtrArray *scans = self->data->scans;
  guint n_pool;

  for (guint s = 0; s < scans->len; s++)
    {
      const AppRoundScan *scan = g_ptr_array_index (scans, s);
      Drawn d = {
        seg_hash4 ((guint64) app_simulation_get_seed (self), 0x9001, (guint64) scan->id, 0), s
      };

      if (!scan->validation && self->truths[s] != NULL)
        g_array_append_val (drawn, d);
    }
  qsort (drawn->data, drawn->len, sizeof (Drawn), compare_drawn);
  n_pool = self->request->n_pool > 0 ? MIN ((guint) self->request->n_pool, drawn->len) : drawn->len;
  for (guint d = 0; d < n_pool; d++)
    {
      const AppRoundScan *scan = g_ptr_array_index (scans, g_array_index (drawn, Drawn, d).at);

      g_array_append_val (order, scan->id);
    }
}

static gboolean
in_pool (const GArray *pool, gint64 id)
{
  for (guint p = 0; p < pool->len; p++)
    if (g_array_index (pool, gint64, p) == id)
      return TRUE;
  return FALSE;
}

/* Scans that take no part are taken out of data->scans. */
static void
keep_pool (AppSimulation *self, const GArray *pool)
{
  GPtrArray *scans = self->data->scans;
  g_autofree char **truths = g_new0 (char *, scans->len + 1);
  guint n = 0;

  for (guint s = 0, t = 0; s < scans->len; t++)
    {
      const AppRoundScan *scan = g_ptr_array_index (scans, s);

      if ((scan->validation && self->truths[t] != NULL) || in_pool (pool, scan->id))
        {
          truths[n++] = self->truths[t];
          s++;
          continue;
        }
      g_free (self->truths[t]);
      g_ptr_array_remove_index (scans, s);
    }
  g_free (self->truths);
  self->truths = g_steal_pointer (&truths);
}

static gboolean
load_scans (AppSimulation *self, GError **error)
{
  GPtrArray *scans = self->data->scans;

  for (guint s = 0; s < scans->len; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (scans, s);
      g_autofree char *message = g_strdup_printf (_ ("Reading scan %u of %u"), s + 1, scans->len);

      app_job_progress (self->job, 0, message);
      if (!app_job_check (self->job, error)
          || !app_round_scan_prepare (scan, &self->plan.preprocess, error))
        return FALSE;
      scan->truth_ijk =
          app_round_scan_read_labels (scan, seg_prepared_get_geometry (scan->prepared),
                                      self->truths[s], self->data->n_classes, error);
      if (scan->truth_ijk == NULL)
        return FALSE;
    }
  return TRUE;
}

/* The expert, simulated: labels the slices from the truth. */
static void
label_scan (AppSimulation *self, AppRoundScan *scan, const ActivePlanes *planes)
{
  SegPlane list[3 + G_N_ELEMENTS (planes->extra_axis)];
  gsize n = 0;

  for (int axis = 0; axis < 3; axis++)
    list[n++] = (SegPlane){ axis, planes->index[axis] };
  for (int e = 0; e < planes->n_extra; e++)
    list[n++] = (SegPlane){ planes->extra_axis[e], planes->extra_index[e] };
  app_round_scan_set_planes (scan, list, n, self->request->train.dense);
  g_array_append_val (self->labelled, scan->id);
}

static gboolean
label_start (AppSimulation *self, const GArray *pool, GError **error)
{
  for (guint p = 0; p < pool->len && self->labelled->len < (guint) self->request->n_start; p++)
    {
      AppRoundScan *scan = app_round_data_find (self->data, g_array_index (pool, gint64, p));
      ActivePlanes planes;

      if (active_planes_from_truth (&planes, scan->truth_ijk,
                                    seg_prepared_get_geometry (scan->prepared)->size))
        {
          planes.n_extra = 0; /* three slices, for every method alike */
          label_scan (self, scan, &planes);
        }
      active_planes_clear (&planes);
    }
  if (self->labelled->len == (guint) self->request->n_start)
    return TRUE;
  g_set_error (
      error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
      "only %u training scans with foreground in their truth, %d to start with are asked for",
      self->labelled->len, self->request->n_start);
  return FALSE;
}

/* A round
 * ---------------------------------------------------------------------------------------------- */

static gboolean
hook_check (gpointer data, GError **error)
{
  return app_job_check (((AppSimulation *) data)->job, error);
}

static void
hook_progress (double fraction, const char *message, gpointer data)
{
  AppSimulation *self = data;
  g_autofree char *line =
      g_strdup_printf (_ ("Round %d of %d. %s"), self->round, self->request->n_rounds, message);

  app_job_progress (self->job, (self->round - 1 + fraction) / self->request->n_rounds, line);
}

/* "simulated.teacher.2" */
static void
note_refresh (AppSimulation *self, gint64 step, const char *name, double value)
{
  const char *number = strrchr (name, '.');
  int k = atoi (number + 1);
  AppRefreshed *refreshed = app_simulation_refreshed_at (self, step);

  if (k < APP_SIMULATE_CLASSES)
    (strstr (name, "teacher") != NULL ? refreshed->teacher : refreshed->generalist)[k] = value;
}

static void
hook_metric (gint64 step, const char *name, double value, gpointer data)
{
  AppSimulation *self = data;

  if (strcmp (name, "loss.supervised") == 0)
    self->loss = isnan (self->loss) ? value : 0.95 * self->loss + 0.05 * value;
  else if (strcmp (name, "dice") == 0)
    self->dice = value;
  else if (g_str_has_prefix (name, "dice."))
    self->dice_per_class[(guint8) atoi (name + strlen ("dice."))] = value;
  else if (g_str_has_prefix (name, "simulated."))
    note_refresh (self, step, name, value);
}

/* The slices of a scan that was chosen: those proposed; the paper's experts label the middle ones
 * of the structure, whatever a model says. */
static void
label_choice (AppSimulation *self, AppRoundScan *scan, ActivePlanes *proposed)
{
  ActivePlanes middle = { 0 };
  gboolean as_published =
      self->request->train.parity
      && active_planes_from_truth (&middle, scan->truth_ijk,
                                   seg_prepared_get_geometry (scan->prepared)->size);
  ActivePlanes *planes = as_published ? &middle : proposed;

  planes->n_extra = 0;
  label_scan (self, scan, planes);
  active_planes_clear (&middle);
}

/* Predicts the training scans, selects by how much of them is less certain than @tau, labels from
 * the truth. @turn, of @n_turns, from 1. */
static gboolean
select_and_label (AppSimulation *self, AppTrainer *trainer, double tau, int turn, int n_turns,
                  GError **error)
{
  GPtrArray *scans = self->data->scans;
  g_autofree ActiveFeatures *features = g_new0 (ActiveFeatures, scans->len);
  g_autofree gboolean *labelled = g_new0 (gboolean, scans->len);
  g_autofree ActivePlanes *planes = g_new0 (ActivePlanes, scans->len);
  g_autoptr (GArray) choices = NULL;
  gsize n = 0;
  gboolean ok = TRUE;

  for (guint s = 0; s < scans->len && ok; s++)
    {
      const AppRoundScan *scan = g_ptr_array_index (scans, s);
      AppPredicted predicted;

      /* I6: never offered. */
      if (scan->validation)
        continue;
      ok = app_job_check (self->job, error)
           && app_round_predict (app_trainer_get_method (trainer), scan, tau, APP_PREDICT_LABELS,
                                 &predicted, error);
      if (!ok)
        break;
      features[n] = predicted.features;
      planes[n] = predicted.planes;
      predicted.planes = (ActivePlanes){ 0 };
      labelled[n++] = app_round_scan_is_labelled (scan);
      app_predicted_clear (&predicted);
    }
  if (ok)
    {
      choices =
          active_select (features, labelled, NULL, n,
                         &(ActiveSelectParams){ .strategy = self->request->train.strategy,
                                                .n_wanted = self->request->budget,
                                                .round = turn,
                                                .n_rounds = n_turns,
                                                .random_share = self->request->train.random_share,
                                                .candidate_share = 0.1,
                                                .parity = self->request->train.parity,
                                                .seed = (guint64) app_simulation_get_seed (self)
                                                        + (guint64) turn });
      for (guint c = 0; c < choices->len; c++)
        {
          const ActiveChoice *choice = &g_array_index (choices, ActiveChoice, c);

          label_choice (self, app_round_data_find (self->data, choice->scan),
                        &planes[choice->position]);
        }
    }
  for (gsize i = 0; i < n; i++)
    active_planes_clear (&planes[i]);
  return ok;
}

static gboolean
select_after_round (AppSimulation *self, AppTrainer *trainer, GError **error)
{
  const SegGmAbsSchedule schedule = { self->plan.params.n_steps, self->plan.params.n_refreshes };

  return select_and_label (self, trainer, seg_gm_abs_tau_after_round (&schedule), self->round,
                           self->request->n_rounds, error);
}

/* Selection in the middle of training, and what a checkpoint keeps of the simulation
 * ------------------------------------------------------------------------------------------- */

static gboolean
hook_select (AppTrainer *trainer, double tau, gpointer data, GError **error)
{
  AppSimulation *self = data;
  guint before = self->labelled->len;

  if (!select_and_label (self, trainer, tau, self->turn + 1, SEG_GM_ABS_SELECTIONS, error))
    return FALSE;
  self->turn++;
  for (guint l = before; l < self->labelled->len; l++)
    {
      AppSelected selected = { app_trainer_get_step (trainer),
                               g_array_index (self->labelled, gint64, l) };

      g_array_append_val (self->selected, selected);
    }
  return TRUE;
}

static char *
hook_note (gpointer data)
{
  return app_simulation_note (data);
}

static gboolean
hook_noted (const char *note, gpointer data, GError **error)
{
  return app_simulation_take_note (data, note, error);
}

/* Beside the checkpoints, for whoever wants to look at what it predicts. */
static gboolean
keep_model (AppSimulation *self, AppTrainer *trainer, GError **error)
{
  g_autofree char *path = g_strdup_printf ("%s/round-%d.safetensors", self->folder, self->round);

  return app_trainer_write_model (trainer, path, (const char *const *) self->data->label_names,
                                  error);
}

static gboolean
one_round (AppSimulation *self, GError **error)
{
  const AppTrainHooks hooks = { .check = hook_check,
                                .progress = hook_progress,
                                .metric = hook_metric,
                                .select = self->request->during ? hook_select : NULL,
                                .note = hook_note,
                                .noted = hook_noted,
                                .data = self,
                                .label_names = (const char *const *) self->data->label_names };
  g_autofree char *folder = g_strdup_printf ("%s/round-%d", self->folder, self->round);
  g_autofree char *embeddings = g_build_filename (self->folder, "embeddings", NULL);
  g_autoptr (AppTrainer) trainer = NULL;

  if (g_mkdir_with_parents (folder, 0777) != 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s", folder,
                   g_strerror (errno));
      return FALSE;
    }
  self->dice = self->loss = NAN;
  self->turn = 0;
  g_array_set_size (self->selected, 0);
  g_array_set_size (self->refreshes, 0);
  for (gsize k = 0; k < G_N_ELEMENTS (self->dice_per_class); k++)
    self->dice_per_class[k] = NAN;
  trainer = app_trainer_new (&self->plan, self->data->scans, folder, &hooks, error);
  if (trainer == NULL)
    return FALSE;
  app_trainer_set_cache (trainer, embeddings, EMBEDDING_BYTES);
  if (!app_trainer_run (trainer, error))
    return FALSE;
  /* A run that was killed after its last step has a checkpoint and no numbers. */
  if (isnan (self->dice))
    {
      g_autoptr (GError) local = NULL;

      self->dice = app_trainer_validate (trainer, self->dice_per_class + 1, &local);
      if (local != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
    }
  if (isfinite (app_trainer_get_best_dice (trainer)))
    self->dice = app_trainer_validate (trainer, self->dice_per_class + 1, NULL);
  if (!keep_model (self, trainer, error))
    return FALSE;
  app_simulation_keep_round (self, trainer);
  if (self->round < self->request->n_rounds && !select_after_round (self, trainer, error))
    return FALSE;
  if (!app_simulation_write_report (self, self->round == self->request->n_rounds, error))
    return FALSE;
  app_trainer_remove_checkpoint (folder);
  return TRUE;
}

static gboolean
run_rounds (AppSimulation *self, GError **error)
{
  for (self->round = (int) self->rounds->len + 1; self->round <= self->request->n_rounds;
       self->round++)
    if (!one_round (self, error))
      return FALSE;
  return TRUE;
}

static gboolean
make_plan (AppSimulation *self, GError **error)
{
  const AppTrainRequest *t = &self->request->train;
  AppPlanTime time;
  g_autofree char *text = NULL;

  if (!app_round_plan_make (&self->plan, &time,
                            &(AppPlanRequest){ .method = t->method,
                                               .profile = t->profile,
                                               .parity = t->parity,
                                               .n_classes = self->data->n_classes,
                                               .n_steps = t->n_steps,
                                               .seconds = t->seconds,
                                               .seed = (guint64) app_simulation_get_seed (self),
                                               .generalist = t->generalist,
                                               .settings = t->settings },
                            self->data->scans, error))
    return FALSE;
  /* The table is of the last checkpoint (DESIGN 7). */
  if (!self->plan.keep_best)
    self->plan.n_validations = 1;
  text = app_round_plan_describe (&self->plan, &time);
  self->said (text, self->said_data);
  return TRUE;
}

static gboolean
run_cb (AppJob *job, gpointer data, GError **error)
{
  AppSimulation *self = data;
  g_autoptr (GArray) pool = g_array_new (FALSE, FALSE, sizeof (gint64));
  gboolean found;

  self->job = job;
  draw_pool (self, pool);
  keep_pool (self, pool);
  if (!app_simulation_read_report (self, &found, error))
    return FALSE;
  if (!found && !make_plan (self, error))
    return FALSE;
  if (!load_scans (self, error) || (!found && !label_start (self, pool, error)))
    return FALSE;
  if (!found && !app_simulation_write_report (self, FALSE, error))
    return FALSE;
  return run_rounds (self, error);
}

/* Main thread
 * ------------------------------------------------------------------------------------------ */

static void
collect_truths (AppSimulation *self, DbStore *store)
{
  GListModel *cases = db_store_get_cases (store);
  guint n = g_list_model_get_n_items (cases);

  self->truths = g_new0 (char *, n + 1);
  for (guint c = 0; c < n; c++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, c);

      if (row->truth_path != NULL)
        self->truths[c] = db_store_resolve (store, row->truth_path);
    }
}

static gboolean
interrupted_cb (gpointer data)
{
  GListModel *jobs = app_engine_get_jobs (data);
  guint n = g_list_model_get_n_items (jobs);
  g_autoptr (AppJob) job = n > 0 ? g_list_model_get_item (jobs, n - 1) : NULL;

  if (job != NULL)
    app_job_pause (job);
  return G_SOURCE_CONTINUE;
}

gboolean
app_flow_simulate (DbStore *store, AppEngine *engine, const AppSimulateRequest *request,
                   void (*said) (const char *line, gpointer data), gpointer user_data,
                   GError **error)
{
  AppSimulation self = { .request = request, .said = said, .said_data = user_data };
  guint interrupt = g_unix_signal_add (SIGINT, interrupted_cb, engine);
  guint terminate = g_unix_signal_add (SIGTERM, interrupted_cb, engine);
  gboolean ok;

  self.data = app_round_data_new (store);
  collect_truths (&self, store);
  self.rounds = g_ptr_array_new_with_free_func ((GDestroyNotify) json_node_unref);
  self.labelled = g_array_new (FALSE, FALSE, sizeof (gint64));
  self.refreshes = g_array_new (FALSE, FALSE, sizeof (AppRefreshed));
  self.selected = g_array_new (FALSE, FALSE, sizeof (AppSelected));
  self.folder = g_strconcat (request->report, ".d", NULL);
  ok = app_engine_run (engine,
                       &(AppJobParams){ .kind = APP_JOB_TRAINING,
                                        .title = _ ("Simulation"),
                                        .run = run_cb,
                                        .data = &self,
                                        .pausable = TRUE },
                       error);
  for (guint s = 0; s < self.data->scans->len; s++)
    g_free (self.truths[s]);
  g_free (self.truths);
  g_free (self.folder);
  app_train_plan_clear (&self.plan);
  g_ptr_array_unref (self.rounds);
  g_array_unref (self.labelled);
  g_array_unref (self.refreshes);
  g_array_unref (self.selected);
  app_round_data_free (self.data);
  g_source_remove (interrupt);
  g_source_remove (terminate);
  return ok;
}
