/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-open.h"
#include "app/json-output.h"
#include "app/model-file.h"
#include "app/sources.h"
#include "app/verbs.h"

#include <gio/gio.h>
#include <math.h>
#include <string.h>

static gboolean
copy_file (const char *from, const char *to, GError **error)
{
  g_autoptr (GFile) src = g_file_new_for_path (from);
  g_autoptr (GFile) dst = g_file_new_for_path (to);

  return g_file_copy (src, dst, G_FILE_COPY_OVERWRITE, NULL, NULL, NULL, error);
}

static DbModel *
find_model (DbStore *store, gint64 id, GError **error)
{
  GListModel *models = db_store_get_models (store);
  guint n = g_list_model_get_n_items (models);
  DbModel *found = id > 0 ? db_store_get_model (store, id) : NULL;

  if (found != NULL)
    return g_object_ref (found);
  if (id == 0 && n > 0)
    return g_list_model_get_item (models, n - 1);
  if (id == 0)
    g_set_error_literal (error, DB_ERROR, DB_ERROR_NOT_FOUND, "the project has no model yet");
  else
    g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "the project has no model %" G_GINT64_FORMAT,
                 id);
  return NULL;
}

static int
print_result (gint64 model, const char *file, gboolean json)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  app_json_add_int (builder, "model", model);
  app_json_add_string (builder, "file", file);
  json_builder_end_object (builder);
  if (json)
    return app_json_print (builder);
  g_print ("model %" G_GINT64_FORMAT ": %s\n", model, file);
  return APP_EXIT_OK;
}

static int
export_model (const char *project, gint64 id, const char *out, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = app_flow_open (project, DB_OPEN_READ, &error);
  g_autoptr (DbModel) row = store != NULL ? find_model (store, id, &error) : NULL;
  g_autoptr (AppSources) sources = app_sources_new ();
  g_autofree char *path = NULL;

  if (row == NULL)
    return app_fail (error);
  path = db_store_resolve (store, row->path);
  app_sources_add_project (sources, store);
  app_sources_add (sources, path);
  /* Only what can be read back goes out. */
  if (!app_sources_check (sources, out, &error) || !app_model_read_facts (path, NULL, NULL, &error)
      || !copy_file (path, out, &error))
    return app_fail (error);
  return print_result (row->id, out, json);
}

static int
import_model (const char *project, const char *file, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = app_flow_open (project, DB_OPEN_WRITE, &error);
  AppTrainPlan plan = { 0 };
  g_auto (GStrv) labels = NULL;
  g_autofree char *name = g_path_get_basename (file);
  g_autofree char *relative = NULL;
  g_autofree char *path = NULL;
  g_autofree char *description = NULL;
  g_autofree char *bytes = NULL;
  g_autofree char *sha256 = NULL;
  gsize size;
  gint64 id;

  if (store == NULL || !app_model_read_facts (file, &plan, &labels, &error))
    return app_fail (error);
  description = app_train_plan_to_json (&plan);
  app_train_plan_clear (&plan);
  relative = g_strdup_printf ("models/imported-%u-%s",
                              g_list_model_get_n_items (db_store_get_models (store)) + 1, name);
  path = g_build_filename (db_store_get_path (store), relative, NULL);
  if (!copy_file (file, path, &error) || !g_file_get_contents (path, &bytes, &size, &error))
    return app_fail (error);
  sha256 = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) bytes, size);
  id = db_store_write (store, db_write_add_model (0, name, relative, sha256, description, NAN),
                       &error);
  db_store_close (store);
  if (id < 0)
    return app_fail (error);
  return print_result (id, relative, json);
}

int
app_verb_model (int argc, char **argv)
{
  g_autofree char *out = NULL;
  gint64 id = 0;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_INT64, &id, "Number of the model (the latest)", "N" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &out, "export: the file to write", "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("export PROJECT --out FILE | import PROJECT FILE");
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context, "Models of a project, out and in, as safetensors files.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("model: %s", error->message);
  if (argc == 3 && strcmp (argv[1], "export") == 0 && out != NULL)
    return export_model (argv[2], id, out, json);
  if (argc == 4 && strcmp (argv[1], "import") == 0)
    return import_model (argv[2], argv[3], json);
  return app_usage ("model: give export PROJECT --out FILE, or import PROJECT FILE");
}
