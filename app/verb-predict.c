/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/args.h"
#include "app/flow-open.h"
#include "app/flow-predict.h"
#include "app/json-output.h"
#include "app/verbs.h"

static int
predict (AppPredictRequest *request, const char *project, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (DbStore) store = NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  AppEngine *engine = app_engine_get_default ();
  gboolean ok;

  if (project != NULL)
    {
      store =
          app_flow_open (project, request->folder != NULL ? DB_OPEN_READ : DB_OPEN_WRITE, &error);
      if (store == NULL)
        return app_fail (error);
      request->store = store;
    }
  ok = app_flow_predict (engine, request, files, &error);
  app_engine_shutdown (engine);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  if (store != NULL)
    db_store_close (store);
  if (!ok)
    return app_fail (error);
  g_ptr_array_add (files, NULL);
  if (!json)
    {
      for (guint f = 0; f + 1 < files->len; f++)
        g_print ("%s\n", (const char *) g_ptr_array_index (files, f));
      return APP_EXIT_OK;
    }
  json_builder_begin_object (builder);
  app_json_add_strings (builder, "files", (const char *const *) files->pdata);
  json_builder_end_object (builder);
  return app_json_print (builder);
}

int
app_verb_predict (int argc, char **argv)
{
  static const char *const spread[] = { "scan", NULL };
  g_autofree char *model = NULL;
  g_autofree char *folder = NULL;
  g_auto (GStrv) scans = NULL;
  g_auto (GStrv) copy = g_strdupv (argv);
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &model, "A model file (the project's latest)", "FILE" },
    { "scan", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &scans, "Scans (all of the project)", "FILE…" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &folder,
      "Folder for the predictions; made if missing (the project's cache)", "DIR" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("[PROJECT]");
  g_autoptr (GError) error = NULL;
  AppPredictRequest request = { 0 };

  app_args_spread (&argc, &copy, spread);
  argv = copy;
  g_option_context_set_summary (context,
                                "Applies a model to scans, and gives labels on their own grid.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse_strv (context, &copy, &error))
    return app_usage ("predict: %s", error->message);
  argc = (int) g_strv_length (copy);
  if (argc > 2 || (argc == 1 && (model == NULL || scans == NULL || folder == NULL)))
    return app_usage ("predict needs a project, or --model, --scan and --out");
  request.model = model;
  request.folder = folder;
  request.scans = (const char *const *) scans;
  request.n_scans = scans != NULL ? g_strv_length (scans) : 0;
  if (request.model != NULL && request.folder == NULL)
    return app_usage ("predict: with --model there must be --out");
  if (request.n_scans > 0 && request.folder == NULL)
    return app_usage ("predict: with --scan there must be --out");
  return predict (&request, argc == 2 ? copy[1] : NULL, json);
}
