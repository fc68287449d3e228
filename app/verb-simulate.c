/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-open.h"
#include "app/flow-simulate.h"
#include "app/sources.h"
#include "app/train-options.h"
#include "app/verbs.h"

static void
say (const char *line, gpointer data)
{
  /* With --json standard output is the report's. */
  if (*(gboolean *) data)
    g_printerr ("%s\n", line);
  else
    g_print ("%s\n", line);
}

static int
print_report (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, &error))
    return app_fail (error);
  g_print ("%s\n", text);
  return APP_EXIT_OK;
}

static int
simulate (const char *project, const AppSimulateRequest *request, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = app_flow_open (project, DB_OPEN_READ, &error);
  g_autoptr (AppSources) sources = app_sources_new ();
  AppEngine *engine = app_engine_get_default ();
  gboolean ok;

  if (store == NULL)
    return app_fail (error);
  app_sources_add_project (sources, store);
  ok = app_sources_check (sources, request->report, &error)
       && app_flow_simulate (store, engine, request, say, &json, &error);
  app_engine_shutdown (engine);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  db_store_close (store);
  if (!ok)
    return app_fail (error);
  return json ? print_report (request->report) : APP_EXIT_OK;
}

int
app_verb_simulate (int argc, char **argv)
{
  AppTrainOptions options;
  AppSimulateRequest request = { .n_rounds = 1, .n_start = 4, .budget = 2 };
  gboolean json = FALSE;
  char *supervision = NULL, *strategy = NULL, *report = NULL;
  double random_share = 0;
  const GOptionEntry entries[] = {
    { "rounds", 0, 0, G_OPTION_ARG_INT, &request.n_rounds, "Rounds (1)", "N" },
    { "budget", 0, 0, G_OPTION_ARG_INT, &request.budget, "Scans labelled after each round (2)",
      "K" },
    { "select-in-training", 0, 0, G_OPTION_ARG_NONE, &request.during,
      "Label K scans eight times in the middle of each round, as published (gm-abs)", NULL },
    { "start", 0, 0, G_OPTION_ARG_INT, &request.n_start, "Scans labelled before the first (4)",
      "N" },
    { "pool", 0, 0, G_OPTION_ARG_INT, &request.n_pool,
      "Training scans that take part, drawn by the seed (all)", "N" },
    { "report", 0, 0, G_OPTION_ARG_FILENAME, &report,
      "Kept up to date; with the same options a simulation goes on from it", "JSON" },
    { "strategy", 0, 0, G_OPTION_ARG_STRING, &strategy, "How scans are chosen", "S" },
    { "random-share", 0, 0, G_OPTION_ARG_DOUBLE, &random_share, "Share chosen at random (0)", "F" },
    { "supervision", 0, 0, G_OPTION_ARG_STRING, &supervision,
      "Three slices of a scan (cross), or all of it (dense)", "cross|dense" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print the report", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PROJECT");
  g_autoptr (GError) error = NULL;

  app_train_options_init (&options);
  g_option_context_set_summary (context,
                                "The whole loop with the truth standing in for the expert. The "
                                "project is not changed.");
  g_option_context_add_main_entries (context, entries, NULL);
  app_train_options_add_to (&options, context);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("simulate: %s", error->message);
  if (argc != 2 || report == NULL)
    return app_usage ("simulate needs a project and --report JSON");
  if (!app_train_options_read (&options, &request.train, &error))
    return app_usage ("simulate: %s", error->message);
  request.train.dense = g_strcmp0 (supervision, "dense") == 0;
  if (supervision != NULL && !request.train.dense && g_strcmp0 (supervision, "cross") != 0)
    return app_usage ("simulate: --supervision is cross or dense");
  if (strategy != NULL && !active_strategy_from_name (strategy, &request.train.strategy))
    return app_usage ("simulate: there is no strategy “%s”", strategy);
  if (!(random_share >= 0 && random_share <= 1))
    return app_usage ("simulate: --random-share is from 0 to 1");
  if (request.n_rounds < 1 || request.n_start < 1 || request.budget < 0 || request.n_pool < 0)
    return app_usage ("simulate: --rounds and --start are at least 1, --budget and --pool 0");
  /* The released code selects in its one training. */
  if (request.train.parity && request.n_rounds == 1
      && g_strcmp0 (request.train.method, "gm-abs") == 0)
    request.during = TRUE;
  if (request.during && g_strcmp0 (request.train.method, "gm-abs") != 0)
    return app_usage ("simulate: --select-in-training is of gm-abs");
  request.train.random_share = random_share;
  request.report = report;
  return simulate (argv[1], &request, json);
}
