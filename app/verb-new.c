/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/args.h"
#include "app/flow-new.h"
#include "app/flow-open.h"
#include "app/json-output.h"
#include "app/verbs.h"

#include <string.h>

/* NAME or NAME=#rrggbb. */
static void
split_label (const char *text, char **name, char **colour)
{
  const char *sign = strrchr (text, '=');

  if (sign == NULL || sign[1] != '#')
    sign = NULL;
  *name = sign != NULL ? g_strndup (text, sign - text) : g_strdup (text);
  *colour = sign != NULL ? g_strdup (sign + 1) : NULL;
}

static int
print_result (const char *folder, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = db_store_open (folder, DB_OPEN_READ, &error);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  GListModel *cases;
  int n_validation = 0;

  if (store == NULL)
    return app_fail (error);
  cases = db_store_get_cases (store);
  json_builder_begin_object (builder);
  app_json_add_string (builder, "project", folder);
  json_builder_set_member_name (builder, "scans");
  json_builder_begin_array (builder);
  for (guint n = 0; n < g_list_model_get_n_items (cases); n++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, n);

      n_validation += row->validation;
      json_builder_begin_object (builder);
      app_json_add_int (builder, "id", row->id);
      app_json_add_string (builder, "name", row->name);
      app_json_add_boolean (builder, "validation", row->validation);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  if (json)
    return app_json_print (builder);
  g_print ("%s: %u scans, %d of them for validation\n", folder, g_list_model_get_n_items (cases),
           n_validation);
  return APP_EXIT_OK;
}

static int
make_project (AppNewParams *params, char **labels, gboolean json)
{
  const gsize n_labels = g_strv_length (labels);
  g_auto (GStrv) names = g_new0 (char *, n_labels + 1);
  g_autoptr (GPtrArray) colours = g_ptr_array_new_full (n_labels, g_free);
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = NULL;

  for (gsize n = 0; n < n_labels; n++)
    {
      char *colour;

      split_label (labels[n], &names[n], &colour);
      g_ptr_array_add (colours, colour);
      if (names[n][0] == '\0')
        return app_usage ("new: a label needs a name");
    }
  params->label_names = (const char *const *) names;
  params->label_colours = (const char *const *) colours->pdata;
  params->n_labels = n_labels;
  if (!app_flow_new (params, NULL, NULL, NULL, &folder, &error))
    return app_fail (error);
  return print_result (folder, json);
}

int
app_verb_new (int argc, char **argv)
{
  static const char *const many[] = { "scan", "truth", "label", NULL };
  g_auto (GStrv) words = g_strdupv (argv);
  g_auto (GStrv) scans = NULL;
  g_auto (GStrv) truths = NULL;
  g_auto (GStrv) labels = NULL;
  gboolean json = FALSE;
  AppNewParams params = { .n_validation = -1 };
  const GOptionEntry entries[] = {
    { "scan", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &scans, "Scans, in order: ids are 1…", "FILE…" },
    { "label", 0, 0, G_OPTION_ARG_STRING_ARRAY, &labels, "Label classes, in order: ids are 1…",
      "NAME[=#rrggbb]…" },
    { "truth", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &truths,
      "True labels, one for each scan; for simulate and evaluate only", "FILE…" },
    { "validation", 0, 0, G_OPTION_ARG_INT, &params.n_validation,
      "Scans kept for validation (2, or a tenth)", "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &params.seed, "Chooses the validation scans (0)", "S" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PROJECT");
  g_autoptr (GError) error = NULL;

  app_args_spread (&argc, &words, many);
  g_option_context_set_summary (context, "Makes a project from scans. They stay where they are.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse_strv (context, &words, &error))
    return app_usage ("new: %s", error->message);
  if (g_strv_length (words) != 2 || scans == NULL || labels == NULL)
    return app_usage ("new needs one PROJECT (before its options), --scan and --label");
  params.path = words[1];
  params.scans = (const char *const *) scans;
  params.n_scans = g_strv_length (scans);
  params.truths = (const char *const *) truths;
  if (truths != NULL && g_strv_length (truths) != params.n_scans)
    return app_usage ("new: %zu scans but %u truths; they pair in order", params.n_scans,
                      g_strv_length (truths));
  if (params.n_validation < -1)
    return app_usage ("new: --validation is 0 or more");
  return make_project (&params, labels, json);
}
