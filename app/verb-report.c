/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-open.h"
#include "app/flow-report.h"
#include "app/json-output.h"
#include "app/sources.h"
#include "app/verbs.h"

static int
write_report (const char *project, gint64 round, const char *out, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = app_flow_open (project, DB_OPEN_READ, &error);
  g_autoptr (AppSources) sources = app_sources_new ();
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (store == NULL)
    return app_fail (error);
  app_sources_add_project (sources, store);
  if (!app_sources_check (sources, out, &error) || !app_flow_report (store, round, out, &error))
    return app_fail (error);
  if (!json)
    {
      g_print ("%s written\n", out);
      return APP_EXIT_OK;
    }
  json_builder_begin_object (builder);
  app_json_add_string (builder, "file", out);
  json_builder_end_object (builder);
  return app_json_print (builder);
}

int
app_verb_report (int argc, char **argv)
{
  g_autofree char *out = NULL;
  gint64 round = 0;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "round", 0, 0, G_OPTION_ARG_INT64, &round, "which round; the latest without", "N" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &out, "the page to write", "HTML" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "one JSON object on standard output", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PROJECT");
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context, "Writes what a round learned and said as one page.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("report: %s", error->message);
  if (argc != 2 || out == NULL || round < 0)
    return app_usage ("report: give a project and --out HTML (see crosslabel report --help)");
  return write_report (argv[1], round, out, json);
}
