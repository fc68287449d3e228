/* SPDX-License-Identifier: Apache-2.0 */
/* The report of a simulation, and what its checkpoints keep of it. */
#include "config.h"

#include "app/simulate-private.h"
#include "volume/file-write.h"

#include <math.h>
#include <string.h>

#define MAX_PLANES 16

gint64
app_simulation_get_seed (const AppSimulation *self)
{
  return MAX (self->request->train.seed, 0);
}

static void
add_plane (JsonBuilder *builder, const SegPlane *plane)
{
  json_builder_begin_array (builder);
  json_builder_add_int_value (builder, plane->axis);
  json_builder_add_int_value (builder, plane->index);
  json_builder_end_array (builder);
}

static void
add_labelled (AppSimulation *self, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "labelled_scans");
  json_builder_begin_array (builder);
  for (guint l = 0; l < self->labelled->len; l++)
    {
      const AppRoundScan *scan =
          app_round_data_find (self->data, g_array_index (self->labelled, gint64, l));

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "id");
      json_builder_add_int_value (builder, scan->id);
      json_builder_set_member_name (builder, "name");
      json_builder_add_string_value (builder, scan->name);
      json_builder_set_member_name (builder, "planes");
      json_builder_begin_array (builder);
      for (gsize p = 0; p < scan->n_planes; p++)
        add_plane (builder, &scan->scan_planes[p]);
      json_builder_end_array (builder);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_text (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
add_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

static void
add_number (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  if (isfinite (value))
    json_builder_add_double_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

static void
add_numbers (JsonBuilder *builder, const char *name, const double *values, int n)
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (int i = 0; i < n; i++)
    if (isfinite (values[i]))
      json_builder_add_double_value (builder, values[i]);
    else
      json_builder_add_null_value (builder);
  json_builder_end_array (builder);
}

/* Dice per class of what the teacher says by itself, and of the labels that the generalist makes of
 * it, over the unlabelled scans of each refresh. */
static void
add_refreshes (AppSimulation *self, JsonBuilder *builder)
{
  int n = self->data->n_classes - 1;

  json_builder_set_member_name (builder, "pseudo_labels");
  json_builder_begin_array (builder);
  for (guint r = 0; r < self->refreshes->len; r++)
    {
      const AppRefreshed *refreshed = &g_array_index (self->refreshes, AppRefreshed, r);

      json_builder_begin_object (builder);
      add_int (builder, "step", refreshed->step);
      add_numbers (builder, "dice_teacher", refreshed->teacher + 1, n);
      add_numbers (builder, "dice_generalist", refreshed->generalist + 1, n);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_selected (AppSimulation *self, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "selected_in_training");
  json_builder_begin_array (builder);
  for (guint s = 0; s < self->selected->len; s++)
    {
      json_builder_begin_object (builder);
      add_int (builder, "step", g_array_index (self->selected, AppSelected, s).step);
      add_int (builder, "scan", g_array_index (self->selected, AppSelected, s).scan);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

/* The file
 * -------------------------------------------------------------------------------------------- */

/* What makes two simulations the same one. */
static char *
request_key (const AppSimulateRequest *r)
{
  g_autofree char *settings =
      r->train.settings != NULL ? g_strjoinv (" ", (char **) r->train.settings) : g_strdup ("");

  return g_strdup_printf (
      "%s %s %s seed %" G_GINT64_FORMAT " steps %" G_GINT64_FORMAT
      " minutes %g start %d budget %d%s pool %d strategy %s random %g parity %d "
      "generalist %s set %s",
      r->train.method, app_profile_get_name (r->train.profile), r->train.dense ? "dense" : "cross",
      r->train.seed, r->train.n_steps, r->train.seconds / 60, r->n_start, r->budget,
      r->during ? " in training" : "", r->n_pool, active_strategy_get_name (r->train.strategy),
      r->train.random_share, r->train.parity,
      r->train.generalist != NULL ? r->train.generalist : "built-in", settings);
}

gboolean
app_simulation_write_report (AppSimulation *self, gboolean complete, GError **error)
{
  const AppSimulateRequest *r = self->request;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *plan = app_train_plan_to_json (&self->plan);
  g_autofree char *key = request_key (r);
  g_autofree char *text = app_round_plan_describe (&self->plan, NULL);
  g_autofree char *json = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "simulated");
  json_builder_add_boolean_value (builder, TRUE);
  add_int (builder, "seed", app_simulation_get_seed (self));
  add_text (builder, "method", self->plan.method);
  add_text (builder, "supervision", r->train.dense ? "dense" : "cross");
  add_text (builder, "strategy", active_strategy_get_name (r->train.strategy));
  add_text (builder, "description", text);
  json_builder_set_member_name (builder, "rounds");
  json_builder_begin_array (builder);
  for (guint n = 0; n < self->rounds->len; n++)
    json_builder_add_value (builder, json_node_copy (g_ptr_array_index (self->rounds, n)));
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "complete");
  json_builder_add_boolean_value (builder, complete);
  add_labelled (self, builder);
  add_text (builder, "request", key);
  add_text (builder, "plan", plan);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, TRUE);
  json = json_generator_to_data (generator, NULL);
  return volume_file_write (r->report, json, strlen (json), error);
}

static gboolean
read_labelled (AppSimulation *self, JsonArray *array)
{
  for (guint l = 0; l < json_array_get_length (array); l++)
    {
      JsonObject *object = json_array_get_object_element (array, l);
      gint64 id = json_object_get_int_member_with_default (object, "id", 0);
      JsonArray *list = json_object_get_array_member (object, "planes");
      AppRoundScan *scan = app_round_data_find (self->data, id);
      SegPlane planes[MAX_PLANES];
      guint n = list != NULL ? json_array_get_length (list) : 0;

      if (scan == NULL || n > MAX_PLANES)
        return FALSE;
      for (guint p = 0; p < n; p++)
        {
          JsonArray *plane = json_array_get_array_element (list, p);

          planes[p].axis = (int) json_array_get_int_element (plane, 0);
          planes[p].index = (int) json_array_get_int_element (plane, 1);
        }
      app_round_scan_set_planes (scan, planes, n, self->request->train.dense);
      g_array_append_val (self->labelled, id);
    }
  return TRUE;
}

/* %FALSE with an error if there is a report of another simulation; *@found if there is one of this.
 */
gboolean
app_simulation_read_report (AppSimulation *self, gboolean *found, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *key = request_key (self->request);
  JsonNode *root;
  JsonObject *object;
  JsonArray *rounds;

  *found = FALSE;
  if (!g_file_test (self->request->report, G_FILE_TEST_EXISTS))
    return TRUE;
  if (!g_file_test (self->request->report, G_FILE_TEST_IS_REGULAR))
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED, "%s: not an ordinary file",
                   self->request->report);
      return FALSE;
    }
  if (!json_parser_load_from_file (parser, self->request->report, error))
    return FALSE;
  root = json_parser_get_root (parser);
  object = root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  if (object == NULL
      || g_strcmp0 (json_object_get_string_member_with_default (object, "request", ""), key) != 0)
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                   "%s: is the report of another simulation; give another file, or remove it",
                   self->request->report);
      return FALSE;
    }
  rounds = json_object_get_array_member (object, "rounds");
  for (guint n = 0; n < json_array_get_length (rounds); n++)
    g_ptr_array_add (self->rounds, json_node_copy (json_array_get_element (rounds, n)));
  if (!app_train_plan_from_json (
          &self->plan, json_object_get_string_member_with_default (object, "plan", ""), error))
    return FALSE;
  if (!read_labelled (self, json_object_get_array_member (object, "labelled_scans")))
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED, "%s: the report is damaged",
                   self->request->report);
      return FALSE;
    }
  *found = TRUE;
  return TRUE;
}

/* The round at work
 * ------------------------------------------------------------------------------------- */

AppRefreshed *
app_simulation_refreshed_at (AppSimulation *self, gint64 step)
{
  GArray *all = self->refreshes;
  AppRefreshed fresh = { .step = step };

  for (guint r = 0; r < all->len; r++)
    if (g_array_index (all, AppRefreshed, r).step == step)
      return &g_array_index (all, AppRefreshed, r);
  for (int k = 0; k < APP_SIMULATE_CLASSES; k++)
    fresh.teacher[k] = fresh.generalist[k] = NAN;
  g_array_append_val (all, fresh);
  return &g_array_index (all, AppRefreshed, all->len - 1);
}

void
app_simulation_keep_round (AppSimulation *self, AppTrainer *trainer)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *line = NULL;

  json_builder_begin_object (builder);
  add_int (builder, "round", self->round);
  add_int (builder, "labelled", self->labelled->len);
  add_number (builder, "dice", self->dice);
  add_numbers (builder, "dice_per_class", self->dice_per_class + 1, self->data->n_classes - 1);
  add_int (builder, "steps", app_trainer_get_step (trainer));
  add_number (builder, "loss_supervised", self->loss);
  add_number (builder, "seconds", app_trainer_get_seconds (trainer));
  if (self->refreshes->len > 0)
    add_refreshes (self, builder);
  if (self->turn > 0)
    add_selected (self, builder);
  json_builder_end_object (builder);
  g_ptr_array_add (self->rounds, json_builder_get_root (builder));

  line = g_strdup_printf (
      "round %d: %u labelled, Dice %.4f, supervised loss %.3f, %" G_GINT64_FORMAT " steps, %.0f s",
      self->round, self->labelled->len, self->dice, self->loss, app_trainer_get_step (trainer),
      app_trainer_get_seconds (trainer));
  self->said (line, self->said_data);
}

char *
app_simulation_note (AppSimulation *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  add_int (builder, "turn", self->turn);
  add_number (builder, "loss_supervised", self->loss);
  add_refreshes (self, builder);
  add_selected (self, builder);
  add_labelled (self, builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

static double
number_or_nan (JsonNode *node)
{
  return JSON_NODE_HOLDS_VALUE (node) ? json_node_get_double (node) : NAN;
}

static void
read_numbers (JsonObject *object, const char *name, double *values)
{
  JsonArray *array = json_object_get_array_member (object, name);

  for (guint k = 0; k < json_array_get_length (array) && k + 1 < APP_SIMULATE_CLASSES; k++)
    values[k + 1] = number_or_nan (json_array_get_element (array, k));
}

/* The note is ours, in a checkpoint that was found whole: it is trusted. */
gboolean
app_simulation_take_note (AppSimulation *self, const char *note, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *object;
  JsonArray *refreshes, *selected;

  if (!json_parser_load_from_data (parser, note, -1, error))
    return FALSE;
  object = json_node_get_object (json_parser_get_root (parser));
  self->turn = (int) json_object_get_int_member (object, "turn");
  self->loss = number_or_nan (json_object_get_member (object, "loss_supervised"));
  refreshes = json_object_get_array_member (object, "pseudo_labels");
  for (guint r = 0; r < json_array_get_length (refreshes); r++)
    {
      JsonObject *one = json_array_get_object_element (refreshes, r);
      AppRefreshed *refreshed =
          app_simulation_refreshed_at (self, json_object_get_int_member (one, "step"));

      read_numbers (one, "dice_teacher", refreshed->teacher);
      read_numbers (one, "dice_generalist", refreshed->generalist);
    }
  selected = json_object_get_array_member (object, "selected_in_training");
  for (guint s = 0; s < json_array_get_length (selected); s++)
    {
      JsonObject *one = json_array_get_object_element (selected, s);
      AppSelected entry = { json_object_get_int_member (one, "step"),
                            json_object_get_int_member (one, "scan") };

      g_array_append_val (self->selected, entry);
    }
  g_array_set_size (self->labelled, 0);
  return read_labelled (self, json_object_get_array_member (object, "labelled_scans"));
}
