/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/engine.h"
#include "app/flow-prompt.h"
#include "app/trainer-private.h"
#include "seg/method/ramps.h"
#include "volume/memory.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

/* A step shorter than this is finished before a pause; a longer one is torn off and done again
 * after it (2 s in all). */
#define FINISH_STEP_SECONDS 1.2

/* Before the start
 * ------------------------------------------------------------------------------------ */

/* Which classes the labelled domain of the training scans shows. */
static void
count_classes (const AppTrainer *self, gsize *counts, gsize *n_labelled)
{
  *n_labelled = 0;
  for (gsize i = 0; i < self->n_training; i++)
    {
      const AppRoundScan *scan = self->training[i];
      gsize n = seg_prepared_get_n_voxels (scan->prepared);

      if (scan->label == NULL)
        continue;
      (*n_labelled)++;
      for (gsize v = 0; v < n; v++)
        counts[scan->label[v]]++;
    }
}

/* Its number where nobody knows its name. */
static char *
name_class (const AppTrainer *self, int k)
{
  const char *const *names = self->hooks.label_names;

  if (names != NULL && k <= (int) g_strv_length ((char **) names))
    return g_strdup (names[k - 1]);
  return g_strdup_printf ("%d", k);
}

static gboolean
check_labels (const AppTrainer *self, GError **error)
{
  gsize counts[256] = { 0 }, n_labelled, n_foreground = 0;
  int K = self->plan->params.n_classes;

  count_classes (self, counts, &n_labelled);
  if (n_labelled == 0)
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                   _ ("No training scan is labelled yet: sign at least one slice first."));
      return FALSE;
    }
  for (int k = 1; k < K; k++)
    n_foreground += counts[k];
  if (n_foreground == 0)
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                   _ ("The signed slices of the training scans show background alone: there is "
                      "nothing to learn yet."));
      return FALSE;
    }
  for (int k = 1; k < K; k++)
    if (counts[k] == 0)
      {
        g_autofree char *name = name_class (self, k);

        g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                     _ ("Label “%s” is in none of the signed slices: label it in one, or remove it "
                        "from the project."),
                     name);
        return FALSE;
      }
  return TRUE;
}

/* From 0, where all classes but background have as many labelled voxels (or there is one), to 1,
 * where the least has half of the most or less. */
static double
imbalance (const AppTrainer *self)
{
  gsize counts[256] = { 0 }, n_labelled, least = G_MAXSIZE, most = 1;

  count_classes (self, counts, &n_labelled);
  for (int k = 1; k < self->plan->params.n_classes; k++)
    {
      least = MIN (least, counts[k]);
      most = MAX (most, counts[k]);
    }
  return MIN (2 - 2 * (double) MIN (least, most) / (double) most, 1);
}

static void
fill_case (const AppRoundScan *scan, SegCase *c)
{
  *c = (SegCase){ .image = seg_prepared_get_image (scan->prepared),
                  .label = scan->label,
                  .pseudo = scan->pseudo,
                  .planes = scan->planes,
                  .n_planes = scan->complete ? 0 : scan->n_planes,
                  .complete = scan->complete };
  seg_prepared_get_size (scan->prepared, c->size);
  seg_prepared_get_spacing (scan->prepared, c->spacing_mm);
}

static SegCase *
make_cases (const AppTrainer *self)
{
  SegCase *cases = g_new0 (SegCase, MAX (self->n_training, 1));

  for (gsize i = 0; i < self->n_training; i++)
    {
      fill_case (self->training[i], &cases[i]);
      /* I6: validation scans are never trained on. */
      g_assert (!self->training[i]->validation);
    }
  return cases;
}

static gboolean
collect_training (AppTrainer *self, GError **error)
{
  self->training = g_new0 (AppRoundScan *, self->scans->len);
  for (guint s = 0; s < self->scans->len; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (self->scans, s);

      /* Of an earlier run: the checkpoint says which are of this one. */
      g_clear_pointer (&scan->pseudo, g_free);
      if (scan->validation)
        continue;
      if (!app_round_scan_is_labelled (scan)
          && !seg_method_find (self->plan->method)->uses_unlabelled)
        continue;
      if (!app_round_scan_prepare_labels (scan, error))
        return FALSE;
      self->training[self->n_training++] = scan;
    }
  self->cases = make_cases (self);
  return TRUE;
}

gboolean
app_trainer_take_labels (AppTrainer *self, GError **error)
{
  SegCase *before = self->cases;

  for (gsize i = 0; i < self->n_training; i++)
    if (app_round_scan_is_labelled (self->training[i]) && self->training[i]->label == NULL
        && !app_round_scan_prepare_labels (self->training[i], error))
      return FALSE;
  self->cases = make_cases (self);
  if (self->loader != NULL)
    seg_loader_set_cases (self->loader, self->cases, self->n_training);
  g_free (before);
  return TRUE;
}

static double
seconds_since (gint64 start_us)
{
  return (double) (g_get_monotonic_time () - start_us) / G_USEC_PER_SEC;
}

static gboolean
yield_cb (SegContext *context, gpointer data)
{
  AppTrainer *self = data;

  return app_engine_yield ()
         || (self->in_step_since_us > 0 && self->step_seconds < FINISH_STEP_SECONDS
             && seconds_since (self->in_step_since_us) < FINISH_STEP_SECONDS);
}

static gboolean
generalist_yield_cb (gpointer data)
{
  return app_engine_yield ();
}

static gboolean
open_generalist (AppTrainer *self, GError **error)
{
  const char *name = self->plan->generalist;

  if (!seg_method_get_info (self->method)->uses_generalist || self->plan->params.n_refreshes == 0)
    return TRUE;
  if (g_strcmp0 (name, "rule") == 0)
    self->generalist = seg_generalist_new_rule ();
  else
    self->generalist = app_flow_prompt_open (name, NULL, error);
  if (self->generalist == NULL)
    return FALSE;
  seg_generalist_set_yield (self->generalist, generalist_yield_cb, self);
  return TRUE;
}

AppTrainer *
app_trainer_new (const AppTrainPlan *plan, GPtrArray *scans, const char *folder,
                 const AppTrainHooks *hooks, GError **error)
{
  g_autoptr (AppTrainer) self = g_new0 (AppTrainer, 1);
  SegMethodParams params = plan->params;

  self->plan = plan;
  self->scans = g_ptr_array_ref (scans);
  self->folder = g_strdup (folder);
  self->hooks = *hooks;
  self->saved_step = -1;
  self->dice = self->best_dice = NAN;
  if (seg_method_find (plan->method) == NULL)
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED, _ ("There is no method “%s”."),
                   plan->method);
      return NULL;
    }
  if (!collect_training (self, error))
    return NULL;
  if (!check_labels (self, error))
    return NULL;
  self->context = app_engine_new_context (plan->params.seed, error);
  if (self->context == NULL)
    return NULL;
  seg_context_set_yield (self->context, yield_cb, self);
  /* A function of the labels, as they were when the round began: the same when it goes on. */
  params.class_balance *= imbalance (self);
  self->method = seg_method_new (plan->method, &params, self->context, error);
  if (self->method == NULL || !open_generalist (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
app_trainer_set_cache (AppTrainer *self, const char *folder, guint64 budget_bytes)
{
  g_clear_pointer (&self->embeddings, seg_embedding_cache_free);
  if (folder != NULL && budget_bytes > 0)
    self->embeddings = seg_embedding_cache_new (folder, budget_bytes);
}

void
app_trainer_free (AppTrainer *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->loader, seg_loader_free);
  g_clear_pointer (&self->embeddings, seg_embedding_cache_free);
  g_clear_pointer (&self->generalist, seg_generalist_unref);
  g_clear_pointer (&self->method, seg_method_free);
  if (self->context != NULL)
    seg_context_set_yield (self->context, NULL, NULL);
  g_clear_pointer (&self->context, seg_context_unref);
  g_free (self->cases);
  g_free (self->training);
  g_free (self->pseudo_file);
  g_free (self->best_file);
  g_free (self->order_before);
  g_free (self->against_truth);
  g_free (self->folder);
  g_ptr_array_unref (self->scans);
  g_free (self);
}

/* Telling
 * --------------------------------------------------------------------------------------------- */

/* All work before prediction, in steps. */
static double
count_work (const AppTrainPlan *plan)
{
  return (double) MAX (plan->params.n_steps, 1) + plan->params.n_refreshes * plan->steps_per_refresh
         + plan->n_validations * plan->steps_per_validation;
}

double
app_train_plan_get_training_share (const AppTrainPlan *self)
{
  double work = count_work (self);

  return work / (work + self->steps_of_prediction);
}

/* @of_refresh: how far the refresh that runs is. */
void
app_trainer_tell_progress (AppTrainer *self, double of_refresh, const char *message)
{
  const AppTrainPlan *plan = self->plan;
  double step = (double) seg_method_get_step (self->method), done;
  int v = MAX (plan->n_validations, 1);

  if (self->hooks.progress == NULL)
    return;
  done = step + (self->n_refreshed + of_refresh) * plan->steps_per_refresh
         + floor (step * v / (double) MAX (plan->params.n_steps, 1)) * plan->steps_per_validation;
  self->hooks.progress (MIN (done / count_work (plan), 1), message, self->hooks.data);
}

void
app_trainer_tell_metric (AppTrainer *self, gint64 step, const char *name, double value)
{
  if (self->hooks.metric != NULL && isfinite (value))
    self->hooks.metric (step, name, value, self->hooks.data);
}

gboolean
app_trainer_check (AppTrainer *self, GError **error)
{
  return self->hooks.check == NULL || self->hooks.check (self->hooks.data, error);
}

double
app_trainer_get_seconds (const AppTrainer *self)
{
  return self->seconds_before
         + (self->started_us == 0
                ? 0
                : (double) (g_get_monotonic_time () - self->started_us) / G_USEC_PER_SEC);
}

double
app_trainer_get_best_dice (const AppTrainer *self)
{
  return self->best_dice;
}

gint64
app_trainer_get_step (const AppTrainer *self)
{
  return seg_method_get_step (self->method);
}

SegMethod *
app_trainer_get_method (AppTrainer *self)
{
  return self->method;
}

/* Prediction and validation
 * ------------------------------------------------------------------------- */

gboolean
app_trainer_predict (AppTrainer *self, const AppRoundScan *scan, float *probabilities,
                     GError **error)
{
  int size[3];

  seg_prepared_get_size (scan->prepared, size);
  return seg_method_predict (self->method, seg_method_get_predictor (self->method),
                             seg_prepared_get_image (scan->prepared), size, probabilities, NULL,
                             error);
}

static gboolean
predict_own_grid (AppTrainer *self, const AppRoundScan *scan, guint8 *labels_ijk, GError **error)
{
  int K = self->plan->params.n_classes;
  g_autofree float *p =
      volume_memory_try (seg_prepared_get_n_voxels (scan->prepared), (gsize) K * sizeof *p, error);

  if (p == NULL)
    return FALSE;
  if (!app_trainer_predict (self, scan, p, error))
    return FALSE;
  seg_prepared_probabilities_back (scan->prepared, p, K, labels_ijk, NULL);
  return TRUE;
}

double
app_trainer_validate (AppTrainer *self, double *dice_per_class, GError **error)
{
  int K = self->plan->params.n_classes, n_known = 0;
  g_autofree double *sum = g_new0 (double, (gsize) K);
  g_autofree int *n = g_new0 (int, (gsize) K);
  g_autofree AppOverlap *counts = g_new0 (AppOverlap, (gsize) K);
  double mean = 0;

  for (guint s = 0; s < self->scans->len; s++)
    {
      const AppRoundScan *scan = g_ptr_array_index (self->scans, s);
      const guint8 *truth = scan->truth_ijk != NULL ? scan->truth_ijk : scan->labels_ijk;
      const VolumeGeometry *geometry;
      g_autofree guint8 *labels = NULL;

      if (!scan->validation || truth == NULL)
        continue;
      if (!app_trainer_check (self, error))
        return NAN;
      geometry = seg_prepared_get_geometry (scan->prepared);
      labels = volume_memory_try ((gsize) geometry->size[0] * (gsize) geometry->size[1]
                                      * (gsize) geometry->size[2],
                                  1, error);
      if (labels == NULL || !predict_own_grid (self, scan, labels, error))
        return NAN;
      app_round_scan_count (scan, labels, truth, scan->truth_ijk != NULL, K, counts);
      for (int k = 1; k < K; k++)
        {
          double dice = app_overlap_dice (&counts[k]);

          if (isnan (dice))
            continue;
          sum[k] += dice;
          n[k]++;
        }
    }
  for (int k = 1; k < K; k++)
    {
      double dice = n[k] > 0 ? sum[k] / n[k] : NAN;

      if (dice_per_class != NULL)
        dice_per_class[k - 1] = dice;
      if (n[k] == 0)
        continue;
      mean += dice;
      n_known++;
    }
  return n_known > 0 ? mean / n_known : NAN;
}

static gboolean
validation_is_due (const AppTrainer *self, gint64 step)
{
  gint64 n = self->plan->params.n_steps;
  int v = MAX (self->plan->n_validations, 1);

  return step == n || (step * v / n != (step - 1) * v / n && step > 0);
}

static gboolean
validate_and_tell (AppTrainer *self, GError **error)
{
  int K = self->plan->params.n_classes;
  gint64 step = seg_method_get_step (self->method);
  g_autofree double *dice = g_new (double, (gsize) K);
  g_autoptr (GError) local = NULL;
  double mean;

  app_trainer_tell_progress (self, 0, _ ("Measuring on the validation scans"));
  mean = app_trainer_validate (self, dice, &local);
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  self->dice = mean;
  app_trainer_tell_metric (self, step, "dice", mean);
  for (int k = 1; k < K; k++)
    {
      g_autofree char *name = g_strdup_printf ("dice.%d", k);

      app_trainer_tell_metric (self, step, name, dice[k - 1]);
    }
  return TRUE;
}

/* The loop
 * -------------------------------------------------------------------------------------------- */

static void
tell_step (AppTrainer *self, const SegMethodReport *report)
{
  g_autofree char *message =
      g_strdup_printf (_ ("Step %d of %d"), (int) report->step, (int) self->plan->params.n_steps);

  for (int m = 0; m < report->n_metrics; m++)
    app_trainer_tell_metric (self, report->step, report->metrics[m].name, report->metrics[m].value);
  app_trainer_tell_metric (self, report->step, "lr", report->lr);
  app_trainer_tell_progress (self, 0, message);
}

/* A list that changes comes in with the next epoch of the labelled stream. */
static void
set_order (AppTrainer *self)
{
  g_autofree guint32 *labelled = g_new (guint32, self->n_training);
  g_autofree guint32 *unlabelled = g_new (guint32, self->n_training);
  gsize n_labelled, n_unlabelled;

  app_trainer_list_cases (self, labelled, &n_labelled, unlabelled, &n_unlabelled);
  seg_loader_set_order (self->loader, labelled, n_labelled, unlabelled, n_unlabelled);
}

static gboolean
select_more (AppTrainer *self, GError **error)
{
  const SegGmAbsSchedule schedule = { self->plan->params.n_steps, self->plan->params.n_refreshes };
  double tau = seg_gm_abs_tau (&schedule, seg_method_get_step (self->method));

  if (!self->hooks.select (self, tau, self->hooks.data, error)
      || !app_trainer_take_labels (self, error))
    return FALSE;
  set_order (self);
  return TRUE;
}

/* What is due after the steps done so far. A refresh that was torn off is begun again. */
static gboolean
settle (AppTrainer *self, GError **error)
{
  gint64 step = seg_method_get_step (self->method);

  if (self->validated_step < step && validation_is_due (self, step))
    {
      if (!validate_and_tell (self, error))
        return FALSE;
      self->validated_step = step;
      if (!app_trainer_keep_best (self, error))
        return FALSE;
    }
  self->validated_step = step;
  if (self->refreshed_step < step
      && (seg_method_get_events (self->method) & SEG_METHOD_WANTS_REFRESH) != 0
      && !app_trainer_refresh (self, error))
    return FALSE;
  self->refreshed_step = step;
  if (self->selected_step < step && self->hooks.select != NULL
      && (seg_method_get_events (self->method) & SEG_METHOD_WANTS_SELECTION) != 0
      && !select_more (self, error))
    return FALSE;
  self->selected_step = step;
  return TRUE;
}

static void
explain_memory (const AppTrainer *self, GError **error)
{
  const SegMethodParams *p = &self->plan->params;

  if (error != NULL && g_error_matches (*error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY))
    g_prefix_error (error,
                    _ ("Not enough memory for a step with %d patches of %d × %d × %d voxels; the "
                       "round stopped at its last checkpoint. A smaller patch needs less: "),
                    p->batch_labelled + p->batch_unlabelled, p->patch[0], p->patch[1], p->patch[2]);
}

static gboolean
one_step (AppTrainer *self, GError **error)
{
  SegMethodReport report;
  double seconds;

  self->order_before = seg_loader_order_to_string (self->loader);
  self->in_step_since_us = g_get_monotonic_time ();
  if (!seg_method_step (self->method, seg_loader_next (self->loader), &report, error))
    {
      explain_memory (self, error);
      return FALSE;
    }
  seconds = seconds_since (self->in_step_since_us);
  self->step_seconds = self->step_seconds == 0 ? seconds : 0.9 * self->step_seconds + 0.1 * seconds;
  self->in_step_since_us = 0;
  g_clear_pointer (&self->order_before, g_free);
  tell_step (self, &report);
  return TRUE;
}

static gboolean
train (AppTrainer *self, GError **error)
{
  gint64 last_saved_us = g_get_monotonic_time ();

  if (!app_trainer_begin_or_resume (self, error))
    return FALSE;
  if (self->hooks.resumed != NULL)
    self->hooks.resumed (seg_method_get_step (self->method), self->hooks.data);
  self->started_us = g_get_monotonic_time ();
  if (!settle (self, error))
    return FALSE;
  while (seg_method_get_step (self->method) < self->plan->params.n_steps)
    {
      if (!app_trainer_check (self, error))
        return FALSE;
      if (seconds_since (last_saved_us) > self->plan->checkpoint_seconds)
        {
          if (!app_trainer_save_checkpoint (self, error))
            return FALSE;
          last_saved_us = g_get_monotonic_time ();
        }
      if (!one_step (self, error) || !settle (self, error))
        return FALSE;
    }
  return app_trainer_save_checkpoint (self, error) && app_trainer_take_best (self, error);
}

/* Whether the run ended because it was asked to, wherever that was heard. */
static gboolean
was_asked_to_stop (AppTrainer *self, const GError *error)
{
  return (g_error_matches (error, SEG_ERROR, SEG_ERROR_CANCELLED) || error->domain == APP_JOB_ERROR)
         && !app_trainer_check (self, NULL);
}

gboolean
app_trainer_run (AppTrainer *self, GError **error)
{
  g_autoptr (GError) local = NULL;
  gboolean ok = train (self, &local);

  self->in_step_since_us = 0;
  if (ok)
    return TRUE;
  if (was_asked_to_stop (self, local))
    {
      /* The last finished step is kept; if that fails, the checkpoint before it is whole. */
      if (self->loader != NULL)
        app_trainer_save_checkpoint (self, NULL);
      return app_trainer_check (self, error);
    }
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

gboolean
app_trainer_write_model (AppTrainer *self, const char *path, const char *const *label_names,
                         GError **error)
{
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();
  g_autofree char *plan = app_train_plan_to_json (self->plan);
  g_autofree char *labels = g_strjoinv ("\n", (char **) label_names);

  if (!seg_method_write_model (self->method, writer, error))
    return FALSE;
  seg_weights_writer_set_metadata (writer, "plan", plan);
  seg_weights_writer_set_metadata (writer, "labels", labels);
  seg_weights_writer_set_metadata (writer, "program", "crosslabel " PACKAGE_VERSION);
  return seg_weights_writer_save (writer, path, error);
}
