/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/job.h"
#include "app/train-plan.h"

#include <glib/gi18n.h>
#include <json-glib/json-glib.h>
#include <string.h>

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
  json_builder_set_member_name (builder, "keep_best");
  json_builder_add_int_value (builder, self->keep_best);
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
  self->keep_best = json_object_get_int_member_with_default (object, "keep_best", 0) != 0;
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
    { "keep_best", &self->keep_best, NULL },
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
