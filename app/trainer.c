/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/engine.h"
#include "app/flow-prompt.h"
#include "app/trainer.h"
#include "seg/method/refresh.h"
#include "seg/tensor/context.h"
#include "volume/memory.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#define CHECKPOINT "checkpoint"
#define N_AHEAD 2
/* A step shorter than this is finished before a pause; a longer one is torn off and done again
 * after it (2 s in all). */
#define FINISH_STEP_SECONDS 1.2

struct _AppTrainer
{
  const AppTrainPlan *plan;
  GPtrArray *scans;
  char *folder;
  AppTrainHooks hooks;

  SegContext *context;
  SegMethod *method;
  SegGeneralist *generalist;
  SegEmbeddingCache *embeddings; /* or NULL */
  SegLoader *loader;
  SegCase *cases; /* of the training scans */
  AppRoundScan **training;
  gsize n_training;

  int n_refreshed;
  AppOverlap *against_truth; /* 2 × K of this refresh: teacher's, generalist's; simulations only */
  char *pseudo_file; /* of the last refresh, in folder */
  double seconds_before;
  gint64 started_us;
  double step_seconds; /* moving average */
  gint64 saved_step, saved_validated, saved_refreshed;
  gint64 validated_step, refreshed_step; /* what is due after that step is done */
  gint64 in_step_since_us; /* 0: not in a step */
  char *order_before; /* of the loader, before the step that runs */
};

/* The plan
 * ------------------------------------------------------------------------------------------ */

void
app_train_plan_clear (AppTrainPlan *self)
{
  g_clear_pointer (&self->method, g_free);
  g_clear_pointer (&self->generalist, g_free);
}

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

char *
app_train_plan_to_json (const AppTrainPlan *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *params = seg_method_params_to_json (&self->params);
  g_autofree char *preprocess = seg_preprocess_to_json (&self->preprocess);

  json_builder_begin_object (builder);
  add_string (builder, "method", self->method);
  add_string (builder, "params", params);
  add_string (builder, "preprocess", preprocess);
  json_builder_set_member_name (builder, "refresh_scans");
  json_builder_add_int_value (builder, self->refresh_scans);
  json_builder_set_member_name (builder, "refresh_slice_step");
  json_builder_add_int_value (builder, self->refresh_slice_step);
  add_string (builder, "generalist", self->generalist);
  json_builder_set_member_name (builder, "n_validations");
  json_builder_add_int_value (builder, self->n_validations);
  json_builder_set_member_name (builder, "foreground_share");
  json_builder_add_double_value (builder, self->foreground_share);
  json_builder_set_member_name (builder, "checkpoint_seconds");
  json_builder_add_double_value (builder, self->checkpoint_seconds);
  json_builder_set_member_name (builder, "steps_per_refresh");
  json_builder_add_double_value (builder, self->steps_per_refresh);
  json_builder_set_member_name (builder, "steps_per_validation");
  json_builder_add_double_value (builder, self->steps_per_validation);
  json_builder_set_member_name (builder, "steps_of_prediction");
  json_builder_add_double_value (builder, self->steps_of_prediction);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

static const char *
get_string (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node)
                 && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

gboolean
app_train_plan_from_json (AppTrainPlan *self, const char *json, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *object;
  const char *method, *params, *preprocess;

  *self = (AppTrainPlan){ 0 };
  if (!json_parser_load_from_data (parser, json, -1, error))
    return FALSE;
  if (!JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    goto wrong;
  object = json_node_get_object (json_parser_get_root (parser));
  method = get_string (object, "method");
  params = get_string (object, "params");
  preprocess = get_string (object, "preprocess");
  if (method == NULL || params == NULL || preprocess == NULL)
    goto wrong;
  if (!seg_method_params_from_json (&self->params, params, error)
      || !seg_preprocess_from_json (&self->preprocess, preprocess, error))
    return FALSE;
  self->method = g_strdup (method);
  self->generalist = g_strdup (get_string (object, "generalist"));
  self->refresh_scans = (int) json_object_get_int_member_with_default (object, "refresh_scans", 0);
  self->refresh_slice_step =
      (int) json_object_get_int_member_with_default (object, "refresh_slice_step", 1);
  self->n_validations = (int) json_object_get_int_member_with_default (object, "n_validations", 1);
  self->foreground_share =
      json_object_get_double_member_with_default (object, "foreground_share", 0);
  self->checkpoint_seconds =
      json_object_get_double_member_with_default (object, "checkpoint_seconds", 60);
  self->steps_per_refresh =
      json_object_get_double_member_with_default (object, "steps_per_refresh", 0);
  self->steps_per_validation =
      json_object_get_double_member_with_default (object, "steps_per_validation", 0);
  self->steps_of_prediction =
      json_object_get_double_member_with_default (object, "steps_of_prediction", 0);
  return TRUE;

wrong:
  g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED, _ ("The plan of the round is damaged."));
  return FALSE;
}

gboolean
app_train_plan_set (AppTrainPlan *self, const char *assignment, GError **error)
{
  const struct
  {
    const char *name;
    int *whole;
    double *number;
  } own[] = {
    { "refresh_scans", &self->refresh_scans, NULL },
    { "refresh_slice_step", &self->refresh_slice_step, NULL },
    { "n_validations", &self->n_validations, NULL },
    { "foreground_share", NULL, &self->foreground_share },
    { "checkpoint_seconds", NULL, &self->checkpoint_seconds },
  };
  g_auto (GStrv) parts = g_strsplit (assignment, "=", 2);
  gboolean pair = g_strv_length (parts) == 2;
  char *end = NULL;
  double value = pair ? g_ascii_strtod (parts[1], &end) : 0;
  g_autoptr (GError) local = NULL;

  for (gsize n = 0; pair && n < G_N_ELEMENTS (own); n++)
    if (strcmp (own[n].name, parts[0]) == 0 && end != parts[1] && *end == '\0'
        && value >= (own[n].whole == &self->refresh_slice_step) && value < 1e6)
      {
        if (own[n].whole != NULL)
          *own[n].whole = (int) value;
        else
          *own[n].number = value;
        return TRUE;
      }
  if (pair && seg_method_params_set (&self->params, parts[0], parts[1], &local))
    return TRUE;
  if (local != NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  else
    g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                 _ ("“%s” sets nothing that a training has."), assignment);
  return FALSE;
}

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
  self->cases = g_new0 (SegCase, MAX (self->n_training, 1));
  for (gsize i = 0; i < self->n_training; i++)
    {
      fill_case (self->training[i], &self->cases[i]);
      /* I6: validation scans are never trained on. */
      g_assert (!self->training[i]->validation);
    }
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
static void
tell_progress (AppTrainer *self, double of_refresh, const char *message)
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

static void
tell_metric (AppTrainer *self, gint64 step, const char *name, double value)
{
  if (self->hooks.metric != NULL && isfinite (value))
    self->hooks.metric (step, name, value, self->hooks.data);
}

static gboolean
check (AppTrainer *self, GError **error)
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

/* Checkpoints
 * ----------------------------------------------------------------------------------------- */

/* Also after a step that was torn off: as it was before it. */
static gboolean
save_checkpoint (AppTrainer *self, GError **error)
{
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_new ();
  g_autofree char *order = self->order_before != NULL ? g_strdup (self->order_before)
                                                      : seg_loader_order_to_string (self->loader);

  if (self->saved_step == seg_method_get_step (self->method)
      && self->saved_validated == self->validated_step
      && self->saved_refreshed == self->refreshed_step)
    return TRUE;
  if (self->hooks.saving != NULL && !self->hooks.saving (self->hooks.data, error))
    return FALSE;
  if (!seg_method_save (self->method, checkpoint, error))
    return FALSE;
  seg_checkpoint_set_string (checkpoint, "order", order);
  seg_checkpoint_set_int (checkpoint, "refreshes", self->n_refreshed);
  seg_checkpoint_set_int (checkpoint, "validated", self->validated_step);
  seg_checkpoint_set_int (checkpoint, "refreshed", self->refreshed_step);
  seg_checkpoint_set_string (checkpoint, "pseudo",
                             self->pseudo_file != NULL ? self->pseudo_file : "");
  seg_checkpoint_set_double (checkpoint, "seconds", app_trainer_get_seconds (self));
  if (!seg_checkpoint_save (checkpoint, self->folder, CHECKPOINT, error))
    {
      g_prefix_error (error,
                      _ ("The checkpoint could not be written; the one before it is whole: "));
      return FALSE;
    }
  self->saved_step = seg_method_get_step (self->method);
  self->saved_validated = self->validated_step;
  self->saved_refreshed = self->refreshed_step;
  if (self->hooks.checkpoint != NULL)
    self->hooks.checkpoint (self->saved_step, self->hooks.data);
  return TRUE;
}

static char *
pseudo_name (const AppRoundScan *scan)
{
  return g_strdup_printf ("scan-%" G_GINT64_FORMAT, scan->id);
}

/* All pseudo-labels in one file; the one before stays until a checkpoint names the new. */
static gboolean
save_pseudo (AppTrainer *self, GError **error)
{
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();
  g_autofree char *name = g_strdup_printf ("pseudo-%d.safetensors", self->n_refreshed);
  g_autofree char *path = g_build_filename (self->folder, name, NULL);
  g_autofree char *old = g_steal_pointer (&self->pseudo_file);

  for (gsize i = 0; i < self->n_training; i++)
    {
      const AppRoundScan *scan = self->training[i];
      g_autofree char *key = pseudo_name (scan);
      int size[3];

      if (scan->pseudo == NULL)
        continue;
      seg_prepared_get_size (scan->prepared, size);
      seg_weights_writer_add (writer, key, SEG_WEIGHT_U8, 3,
                              (const gint64[]){ size[0], size[1], size[2] }, scan->pseudo);
    }
  if (!seg_weights_writer_save (writer, path, error))
    {
      self->pseudo_file = g_steal_pointer (&old);
      return FALSE;
    }
  self->pseudo_file = g_steal_pointer (&name);
  self->saved_step = -1;
  if (!save_checkpoint (self, error))
    return FALSE;
  if (old != NULL && g_strcmp0 (old, self->pseudo_file) != 0)
    {
      g_autofree char *old_path = g_build_filename (self->folder, old, NULL);

      g_unlink (old_path);
    }
  return TRUE;
}

static gboolean
load_pseudo (AppTrainer *self, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (self->folder, name, NULL);
  g_autoptr (SegWeights) weights = seg_weights_load (path, error);

  if (weights == NULL)
    return FALSE;
  for (gsize i = 0; i < self->n_training; i++)
    {
      AppRoundScan *scan = self->training[i];
      g_autofree char *key = pseudo_name (scan);
      const SegWeight *weight = seg_weights_find (weights, key);

      if (weight == NULL)
        continue;
      if (weight->size_bytes != seg_prepared_get_n_voxels (scan->prepared))
        {
          g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                       "%s: the generalist's labels of scan %s are of another size", name,
                       scan->name);
          return FALSE;
        }
      g_free (scan->pseudo);
      scan->pseudo = volume_memory_try (weight->size_bytes, 1, error);
      if (scan->pseudo == NULL)
        return FALSE;
      memcpy (scan->pseudo, weight->data, weight->size_bytes);
      self->cases[i].pseudo = scan->pseudo;
    }
  self->pseudo_file = g_strdup (name);
  return TRUE;
}

static SegLoader *
new_loader (AppTrainer *self, SegTwoStream *order)
{
  SegPatchParams patch;

  seg_method_get_patch_params (self->method, &patch);
  patch.foreground_share = self->plan->foreground_share;
  return seg_loader_new (&patch, self->cases, self->n_training, order, self->plan->params.seed,
                         N_AHEAD);
}

static SegTwoStream *
new_order (AppTrainer *self)
{
  const SegMethodParams *params = &self->plan->params;
  SegTwoStream *order =
      seg_two_stream_new (params->seed, params->batch_labelled, params->batch_unlabelled);
  g_autofree guint32 *labelled = g_new (guint32, self->n_training);
  g_autofree guint32 *unlabelled = g_new (guint32, self->n_training);
  gsize n_labelled = 0, n_unlabelled = 0;

  for (gsize i = 0; i < self->n_training; i++)
    if (self->training[i]->label != NULL)
      labelled[n_labelled++] = (guint32) i;
    else
      unlabelled[n_unlabelled++] = (guint32) i;
  seg_two_stream_set_cases (order, labelled, n_labelled, unlabelled, n_unlabelled);
  return order;
}

static gboolean
resume (AppTrainer *self, SegCheckpoint *checkpoint, GError **error)
{
  g_autoptr (SegTwoStream) order = NULL;
  const char *order_text, *pseudo;
  gint64 n_refreshed;

  if (!seg_method_load (self->method, checkpoint, error)
      || !seg_checkpoint_get_string (checkpoint, "order", &order_text, error)
      || !seg_checkpoint_get_int (checkpoint, "refreshes", &n_refreshed, error)
      || !seg_checkpoint_get_int (checkpoint, "validated", &self->validated_step, error)
      || !seg_checkpoint_get_int (checkpoint, "refreshed", &self->refreshed_step, error)
      || !seg_checkpoint_get_string (checkpoint, "pseudo", &pseudo, error)
      || !seg_checkpoint_get_double (checkpoint, "seconds", &self->seconds_before, error))
    return FALSE;
  self->n_refreshed = (int) n_refreshed;
  if (*pseudo != '\0' && !load_pseudo (self, pseudo, error))
    return FALSE;
  order = seg_two_stream_from_string (order_text, error);
  if (order == NULL)
    return FALSE;
  self->loader = new_loader (self, order);
  self->saved_step = seg_method_get_step (self->method);
  self->saved_validated = self->validated_step;
  self->saved_refreshed = self->refreshed_step;
  return TRUE;
}

static gboolean
begin_or_resume (AppTrainer *self, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_load (self->folder, CHECKPOINT, &local);
  g_autoptr (SegTwoStream) order = NULL;

  if (self->loader != NULL)
    return TRUE;
  if (checkpoint != NULL)
    return resume (self, checkpoint, error);
  if (!g_error_matches (local, SEG_ERROR, SEG_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  order = new_order (self);
  self->loader = new_loader (self, order);
  return TRUE;
}

gboolean
app_trainer_has_checkpoint (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, CHECKPOINT ".json", NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

void
app_trainer_remove_checkpoint (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  seg_checkpoint_remove (folder, CHECKPOINT, NULL);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (name, "pseudo-"))
      {
        g_autofree char *path = g_build_filename (folder, name, NULL);

        g_unlink (path);
      }
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
      if (!check (self, error))
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

  tell_progress (self, 0, _ ("Measuring on the validation scans"));
  mean = app_trainer_validate (self, dice, &local);
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  tell_metric (self, step, "dice", mean);
  for (int k = 1; k < K; k++)
    {
      g_autofree char *name = g_strdup_printf ("dice.%d", k);

      tell_metric (self, step, name, dice[k - 1]);
    }
  return TRUE;
}

/* Refreshes
 * ------------------------------------------------------------------------------------------- */

typedef struct
{
  AppTrainer *self;
  double done, of;
} Tick;

static gboolean
refresh_tick (double fraction, gpointer data)
{
  Tick *tick = data;
  g_autofree char *message =
      g_strdup_printf (_ ("The generalist labels scan %.0f of %.0f"), tick->done + 1, tick->of);

  tell_progress (tick->self, (tick->done + fraction) / tick->of, message);
  return check (tick->self, NULL);
}

typedef struct
{
  guint64 key;
  gsize index;
} Drawn;

static int
compare_drawn (gconstpointer a, gconstpointer b)
{
  guint64 x = ((const Drawn *) a)->key, y = ((const Drawn *) b)->key;

  return x < y ? -1 : x > y;
}

/* Where the truth is known (a simulation; nothing is trained on it here): how good the teacher's
 * own answer and the generalist's labels are on the scans that have no expert's. */
static gboolean
compare_with_truth (AppTrainer *self, const AppRoundScan *scan, const float *p,
                    const guint8 *labels, GError **error)
{
  gsize N = seg_prepared_get_n_voxels (scan->prepared);
  int K = self->plan->params.n_classes;
  g_autofree guint8 *truth = NULL;
  AppOverlap *teacher = self->against_truth, *generalist = self->against_truth + K;

  if (scan->truth_ijk == NULL || scan->label != NULL)
    return TRUE;
  truth = volume_memory_try (N, 1, error);
  if (truth == NULL)
    return FALSE;
  seg_prepared_labels_forward (scan->prepared, scan->truth_ijk, truth);
  for (gsize v = 0; v < N; v++)
    {
      int best = 0;

      for (int k = 1; k < K; k++)
        if (p[(gsize) k * N + v] > p[(gsize) best * N + v])
          best = k;
      app_overlap_add (teacher, (guint8) best, truth[v]);
      app_overlap_add (generalist, labels[v], truth[v]);
    }
  return TRUE;
}

static void
tell_truth (AppTrainer *self, gint64 step)
{
  int K = self->plan->params.n_classes;

  for (int k = 1; k < K; k++)
    {
      g_autofree char *teacher = g_strdup_printf ("simulated.teacher.%d", k);
      g_autofree char *generalist = g_strdup_printf ("simulated.generalist.%d", k);

      tell_metric (self, step, teacher, app_overlap_dice (&self->against_truth[k]));
      tell_metric (self, step, generalist, app_overlap_dice (&self->against_truth[K + k]));
    }
}

static void
keep_agreed (const float *p, guint8 *labels, gsize N, int K)
{
  for (gsize v = 0; v < N; v++)
    for (int k = 0; k < K && labels[v] != SEG_PSEUDO_UNKNOWN; k++)
      if (p[(gsize) k * N + v] > p[labels[v] * N + v])
        labels[v] = SEG_PSEUDO_UNKNOWN;
}

static guint64
classes_of (const guint8 *labels, gsize n)
{
  guint64 seen = 0;

  for (gsize v = 0; v < n; v++)
    if (labels[v] < 64)
      seen |= G_GUINT64_CONSTANT (1) << labels[v];
  return seen;
}

/* A set of bits: classes in the labels of every labelled scan. */
static guint64
classes_in_all (const AppTrainer *self)
{
  guint64 all = ~G_GUINT64_CONSTANT (0);

  for (gsize i = 0; i < self->n_training; i++)
    {
      const AppRoundScan *scan = self->training[i];

      if (scan->label != NULL)
        all &= classes_of (scan->label, seg_prepared_get_n_voxels (scan->prepared));
    }
  return all & ~G_GUINT64_CONSTANT (1);
}

static void
set_background_unknown (guint8 *labels, gsize n)
{
  for (gsize v = 0; v < n; v++)
    if (labels[v] == 0)
      labels[v] = SEG_PSEUDO_UNKNOWN;
}

static gboolean
refresh_one (AppTrainer *self, AppRoundScan *scan, guint64 expected, Tick *tick,
             SegRefreshReport *report, GError **error)
{
  const SegMethodParams *params = &self->plan->params;
  gsize N = seg_prepared_get_n_voxels (scan->prepared);
  gsize K = (gsize) params->n_classes, C = (gsize) params->filters;
  const float *image = seg_prepared_get_image (scan->prepared);
  g_autofree float *p = volume_memory_try (N, K * sizeof *p, NULL);
  g_autofree float *f = volume_memory_try (N, C * sizeof *f, NULL);
  g_autofree guint8 *labels = volume_memory_try (N, 1, NULL);
  int size[3];

  if (p == NULL || f == NULL || labels == NULL)
    {
      g_set_error (
          error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY,
          _ ("Not enough memory for the features of scan %s; the round stopped at its last "
             "checkpoint."),
          scan->name);
      return FALSE;
    }
  seg_prepared_get_size (scan->prepared, size);
  if (!seg_method_predict (self->method, SEG_METHOD_TEACHER, image, size, p, f, error))
    return FALSE;
  if (!seg_refresh_scan (&(SegRefreshParams){ .slice_step = self->plan->refresh_slice_step,
                                              .n_votes = 2,
                                              .scan = scan->id,
                                              .refresh = self->n_refreshed,
                                              .multimask = TRUE,
                                              .clean = params->clean_prompts,
                                              .cache = self->embeddings },
                         self->generalist, image, size, p, (int) K, f, (int) C, refresh_tick, tick,
                         labels, report, error))
    return FALSE;
  if (!compare_with_truth (self, scan, p, labels, error))
    return FALSE;
  if (params->agreement)
    keep_agreed (p, labels, N, (int) K);
  if (params->missing_unknown && (expected & ~classes_of (labels, N)) != 0)
    set_background_unknown (labels, N);
  g_free (scan->pseudo);
  scan->pseudo = g_steal_pointer (&labels);
  return TRUE;
}

static gboolean
refresh (AppTrainer *self, GError **error)
{
  const AppTrainPlan *plan = self->plan;
  gsize n = plan->refresh_scans > 0 ? MIN ((gsize) plan->refresh_scans, self->n_training)
                                    : self->n_training;
  g_autofree Drawn *drawn = g_new (Drawn, self->n_training);
  Tick tick = { self, 0, (double) n };
  guint64 expected = classes_in_all (self);
  gint64 step = seg_method_get_step (self->method);
  gsize n_asked = 0, n_encoded = 0, n_cached = 0;
  double seconds = 0;
  gint64 start = g_get_monotonic_time ();

  /* A seeded draw, anew for each refresh. */
  for (gsize i = 0; i < self->n_training; i++)
    drawn[i] = (Drawn){ seg_hash4 (plan->params.seed, 0x5ef, (guint64) self->n_refreshed,
                                   (guint64) self->training[i]->id),
                        i };
  qsort (drawn, self->n_training, sizeof *drawn, compare_drawn);
  /* Nothing reads the labels that are replaced below. */
  for (gsize i = 0; i < self->n_training; i++)
    self->cases[i].pseudo = NULL;
  seg_loader_set_cases (self->loader, self->cases, self->n_training);
  g_free (self->against_truth);
  self->against_truth = g_new0 (AppOverlap, 2 * (gsize) plan->params.n_classes);
  for (gsize d = 0; d < n; d++, tick.done++)
    {
      SegRefreshReport report;

      if (!check (self, error)
          || !refresh_one (self, self->training[drawn[d].index], expected, &tick, &report, error))
        return FALSE;
      n_asked += (gsize) report.n_asked;
      n_encoded += (gsize) report.n_encoded;
      n_cached += (gsize) report.n_cached;
    }
  for (gsize i = 0; i < self->n_training; i++)
    self->cases[i].pseudo = self->training[i]->pseudo;
  seg_loader_set_cases (self->loader, self->cases, self->n_training);
  self->n_refreshed++;
  self->refreshed_step = step;
  seconds = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  tell_metric (self, step, "refresh.seconds", seconds);
  tell_metric (self, step, "refresh.asked", (double) n_asked);
  tell_metric (self, step, "refresh.encoded", (double) n_encoded);
  tell_metric (self, step, "refresh.cached", (double) n_cached);
  tell_truth (self, step);
  return save_pseudo (self, error);
}

/* The loop
 * -------------------------------------------------------------------------------------------- */

static void
tell_step (AppTrainer *self, const SegMethodReport *report)
{
  g_autofree char *message =
      g_strdup_printf (_ ("Step %d of %d"), (int) report->step, (int) self->plan->params.n_steps);

  for (int m = 0; m < report->n_metrics; m++)
    tell_metric (self, report->step, report->metrics[m].name, report->metrics[m].value);
  tell_metric (self, report->step, "lr", report->lr);
  tell_progress (self, 0, message);
}

/* What is due after the steps done so far. A refresh that was torn off is begun again. */
static gboolean
settle (AppTrainer *self, GError **error)
{
  gint64 step = seg_method_get_step (self->method);

  if (self->validated_step < step && validation_is_due (self, step)
      && !validate_and_tell (self, error))
    return FALSE;
  self->validated_step = step;
  if (self->refreshed_step < step
      && (seg_method_get_events (self->method) & SEG_METHOD_WANTS_REFRESH) != 0
      && !refresh (self, error))
    return FALSE;
  self->refreshed_step = step;
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

  if (!begin_or_resume (self, error))
    return FALSE;
  if (self->hooks.resumed != NULL)
    self->hooks.resumed (seg_method_get_step (self->method), self->hooks.data);
  self->started_us = g_get_monotonic_time ();
  if (!settle (self, error))
    return FALSE;
  while (seg_method_get_step (self->method) < self->plan->params.n_steps)
    {
      if (!check (self, error))
        return FALSE;
      if (seconds_since (last_saved_us) > self->plan->checkpoint_seconds)
        {
          if (!save_checkpoint (self, error))
            return FALSE;
          last_saved_us = g_get_monotonic_time ();
        }
      if (!one_step (self, error) || !settle (self, error))
        return FALSE;
    }
  return save_checkpoint (self, error);
}

/* Whether the run ended because it was asked to, wherever that was heard. */
static gboolean
was_asked_to_stop (AppTrainer *self, const GError *error)
{
  return (g_error_matches (error, SEG_ERROR, SEG_ERROR_CANCELLED) || error->domain == APP_JOB_ERROR)
         && !check (self, NULL);
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
        save_checkpoint (self, NULL);
      return check (self, error);
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
