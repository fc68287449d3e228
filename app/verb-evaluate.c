/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-evaluate.h"
#include "app/json-output.h"
#include "app/verbs.h"
#include "db/rows.h"

#include <math.h>
#include <string.h>

typedef struct
{
  const char *name;
  gsize offset; /* of a double in VolumeMetrics */
} Number;

#define NUMBER(name)                                                                               \
  {                                                                                                \
#name, G_STRUCT_OFFSET(VolumeMetrics, name)                                                    \
  }
static const Number numbers[] = { NUMBER (dice),     NUMBER (jaccard), NUMBER (hd95_mm),
                                  NUMBER (hd95_vox), NUMBER (asd_mm),  NUMBER (asd_vox),
                                  NUMBER (assd_mm),  NUMBER (assd_vox) };

static double
get_number (const VolumeMetrics *metrics, const Number *number)
{
  return G_STRUCT_MEMBER (double, metrics, number->offset);
}

static void
build_labels (JsonBuilder *builder, const GArray *metrics)
{
  json_builder_set_member_name (builder, "labels");
  json_builder_begin_array (builder);
  for (guint m = 0; m < metrics->len; m++)
    {
      const AppLabelMetrics *label = &g_array_index (metrics, AppLabelMetrics, m);

      json_builder_begin_object (builder);
      app_json_add_int (builder, "label", label->label);
      for (gsize n = 0; n < G_N_ELEMENTS (numbers); n++)
        app_json_add_number (builder, numbers[n].name, get_number (&label->metrics, &numbers[n]));
      app_json_add_int (builder, "voxels_pred", (gint64) label->metrics.n_pred);
      app_json_add_int (builder, "voxels_truth", (gint64) label->metrics.n_truth);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

/* Over labels; numbers that are open are left out. */
static void
build_mean (JsonBuilder *builder, const GArray *metrics)
{
  json_builder_set_member_name (builder, "mean");
  json_builder_begin_object (builder);
  for (gsize n = 0; n < G_N_ELEMENTS (numbers); n++)
    {
      double sum = 0.0;
      int count = 0;

      for (guint m = 0; m < metrics->len; m++)
        {
          double value =
              get_number (&g_array_index (metrics, AppLabelMetrics, m).metrics, &numbers[n]);

          if (isfinite (value))
            {
              sum += value;
              count++;
            }
        }
      app_json_add_number (builder, numbers[n].name, count > 0 ? sum / count : NAN);
    }
  json_builder_end_object (builder);
}

static void
print_metrics (const GArray *metrics)
{
  g_print ("%7s %8s %8s %9s %9s %9s %9s\n", "label", "Dice", "Jaccard", "HD95 mm", "ASD mm",
           "ASSD mm", "HD95 vox");
  for (guint m = 0; m < metrics->len; m++)
    {
      const AppLabelMetrics *label = &g_array_index (metrics, AppLabelMetrics, m);
      const VolumeMetrics *v = &label->metrics;

      g_print ("%7d %8.4f %8.4f %9.3f %9.3f %9.3f %9.3f\n", label->label, v->dice, v->jaccard,
               v->hd95_mm, v->asd_mm, v->assd_mm, v->hd95_vox);
    }
}

static void
fill_empty (GArray *metrics, VolumeEmptyRule rule)
{
  for (guint m = 0; m < metrics->len; m++)
    volume_metrics_fill_empty (&g_array_index (metrics, AppLabelMetrics, m).metrics, rule);
}

static int
evaluate_files (const char *pred, const char *truth, VolumeEmptyRule rule, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) metrics = app_flow_evaluate_files (pred, truth, &error);
  g_autoptr (JsonBuilder) builder = NULL;

  if (metrics == NULL)
    return app_fail (error);
  fill_empty (metrics, rule);
  if (!json)
    {
      print_metrics (metrics);
      return APP_EXIT_OK;
    }
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  build_labels (builder, metrics);
  build_mean (builder, metrics);
  json_builder_end_object (builder);
  return app_json_print (builder);
}

static const char *const what_names[] = { [APP_EVALUATED_PREDICTION] = "prediction",
                                          [APP_EVALUATED_LABELS] = "labels",
                                          [APP_EVALUATED_SIGNED_SLICES] = "signed-slices" };

static void
build_case (JsonBuilder *builder, const AppCaseMetrics *result)
{
  json_builder_begin_object (builder);
  app_json_add_int (builder, "scan", result->case_id);
  app_json_add_string (builder, "name", result->name);
  app_json_add_boolean (builder, "validation", result->validation);
  app_json_add_string (builder, "what", what_names[result->what]);
  build_labels (builder, result->metrics);
  build_mean (builder, result->metrics);
  json_builder_end_object (builder);
}

/* Mean Dice over the validation scans and their labels (I6), NaN without any. */
static double
validation_dice (const GPtrArray *results)
{
  double sum = 0.0;
  int count = 0;

  for (guint r = 0; r < results->len; r++)
    {
      const AppCaseMetrics *result = g_ptr_array_index (results, r);

      for (guint m = 0; result->validation && m < result->metrics->len; m++)
        {
          double dice = g_array_index (result->metrics, AppLabelMetrics, m).metrics.dice;

          if (isfinite (dice))
            {
              sum += dice;
              count++;
            }
        }
    }
  return count > 0 ? sum / count : NAN;
}

static int
evaluate_project (const char *path, VolumeEmptyRule rule, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = db_store_open (path, DB_OPEN_READ, &error);
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (JsonBuilder) builder = NULL;

  if (store != NULL)
    results = app_flow_evaluate_project (store, &error);
  if (results == NULL)
    return app_fail (error);
  builder = json_builder_new ();
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "scans");
  json_builder_begin_array (builder);
  for (guint r = 0; r < results->len; r++)
    {
      AppCaseMetrics *result = g_ptr_array_index (results, r);

      fill_empty (result->metrics, rule);
      build_case (builder, result);
      if (!json)
        {
          g_print ("%s%s, %s\n", result->name, result->validation ? " (validation)" : "",
                   what_names[result->what]);
          print_metrics (result->metrics);
        }
    }
  json_builder_end_array (builder);
  app_json_add_number (builder, "validation_dice", validation_dice (results));
  json_builder_end_object (builder);
  if (json)
    return app_json_print (builder);
  if (results->len == 0)
    g_print ("No scan of this project has both a truth and labels or a prediction.\n");
  return APP_EXIT_OK;
}

int
app_verb_evaluate (int argc, char **argv)
{
  g_autofree char *pred = NULL;
  g_autofree char *truth = NULL;
  g_autofree char *empty = NULL;
  gboolean json = FALSE;
  VolumeEmptyRule rule = VOLUME_EMPTY_NULL;
  const GOptionEntry entries[] = {
    { "pred", 0, 0, G_OPTION_ARG_FILENAME, &pred, "Labels to judge", "FILE" },
    { "truth", 0, 0, G_OPTION_ARG_FILENAME, &truth, "Labels to judge them by", "FILE" },
    { "empty", 0, 0, G_OPTION_ARG_STRING, &empty, "What an empty mask gives: null, zero or 128",
      "RULE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[PROJECT]");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("evaluate: %s", error->message);
  if (empty != NULL && strcmp (empty, "zero") == 0)
    rule = VOLUME_EMPTY_ZERO;
  else if (empty != NULL && strcmp (empty, "128") == 0)
    rule = VOLUME_EMPTY_128;
  else if (empty != NULL && strcmp (empty, "null") != 0)
    return app_usage ("evaluate: --empty is null, zero or 128");
  if (argc == 1 && pred != NULL && truth != NULL)
    return evaluate_files (pred, truth, rule, json);
  if (argc == 2 && pred == NULL && truth == NULL)
    return evaluate_project (argv[1], rule, json);
  return app_usage ("evaluate needs a project, or --pred FILE and --truth FILE");
}
