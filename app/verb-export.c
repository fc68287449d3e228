/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-export.h"
#include "app/flow-open.h"
#include "app/json-output.h"
#include "app/verbs.h"

#include <string.h>

static int
print_result (const AppExportResult *result, gboolean json)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (!json)
    {
      g_print ("%d scans exported", result->n_exported);
      if (result->n_skipped > 0)
        g_print (", %d without labels left out", result->n_skipped);
      g_print ("\n");
      return APP_EXIT_OK;
    }
  json_builder_begin_object (builder);
  app_json_add_int (builder, "exported", result->n_exported);
  app_json_add_int (builder, "skipped", result->n_skipped);
  json_builder_set_member_name (builder, "files");
  json_builder_begin_array (builder);
  for (guint f = 0; f < result->files->len; f++)
    json_builder_add_string_value (builder, g_ptr_array_index (result->files, f));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return app_json_print (builder);
}

/* A project that another program is working on, or that may not be written, can still be exported.
 */
static DbStore *
open_somehow (const char *project, GError **error)
{
  g_autoptr (GError) local = NULL;
  DbStore *store = app_flow_open (project, DB_OPEN_WRITE, &local);

  if (store == NULL
      && (g_error_matches (local, DB_ERROR, DB_ERROR_LOCKED)
          || g_error_matches (local, DB_ERROR, DB_ERROR_READ_ONLY)))
    return app_flow_open (project, DB_OPEN_READ, error);
  if (store == NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  return store;
}

static int
export_project (const char *project, const char *scan, const char *folder, AppExportFormat format,
                gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = open_somehow (project, &error);
  AppExportResult result;
  DbCase *row = NULL;
  int status;

  if (store == NULL)
    return app_fail (error);
  if (scan != NULL && (row = db_store_find_case (store, scan)) == NULL)
    {
      g_set_error (&error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: there is no scan “%s”", project,
                   scan);
      return app_fail (error);
    }
  if (app_flow_export (store, folder, format, row != NULL ? row->id : 0, &result, &error))
    status = print_result (&result, json);
  else
    status = app_fail (error);
  app_export_result_clear (&result);
  return status;
}

int
app_verb_export (int argc, char **argv)
{
  g_autofree char *folder = NULL;
  g_autofree char *format = NULL;
  g_autofree char *scan = NULL;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &folder, "Folder to write to; made if missing", "DIR" },
    { "format", 0, 0, G_OPTION_ARG_STRING, &format, "nifti (labels and domain mask) or nnunet",
      "FORMAT" },
    { "scan", 0, 0, G_OPTION_ARG_STRING, &scan, "Only this scan", "ID" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PROJECT");
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (
      context, "Labels on each scan's own grid. Unlabelled is not background: nifti "
               "writes a mask of\nwhat is labelled beside the labels, nnunet marks "
               "the rest with its ignore label.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("export: %s", error->message);
  if (argc != 2 || folder == NULL)
    return app_usage ("export needs one PROJECT and --out");
  if (format != NULL && strcmp (format, "nifti") != 0 && strcmp (format, "nnunet") != 0)
    return app_usage ("export: --format is nifti or nnunet");
  return export_project (argv[1], scan, folder,
                         g_strcmp0 (format, "nnunet") == 0 ? APP_EXPORT_NNUNET : APP_EXPORT_NIFTI,
                         json);
}
