/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-open.h"
#include "app/flow-select.h"
#include "app/json-output.h"
#include "app/verbs.h"

static void
add_proposal (JsonBuilder *builder, const AppProposal *proposal)
{
  json_builder_begin_object (builder);
  app_json_add_int (builder, "id", proposal->case_id);
  app_json_add_string (builder, "name", proposal->name);
  app_json_add_int (builder, "rank", proposal->rank);
  app_json_add_number (builder, "score", proposal->score);
  app_json_add_boolean (builder, "validation", proposal->validation);
  app_json_add_string (builder, "reason", proposal->reason);
  json_builder_set_member_name (builder, "slices");
  json_builder_begin_array (builder);
  for (int s = 0; s < proposal->n_slices; s++)
    {
      json_builder_begin_object (builder);
      app_json_add_string (builder, "plane", volume_plane_get_name (proposal->slices[s].plane));
      app_json_add_int (builder, "index", proposal->slices[s].index);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
}

static int
print_proposals (GPtrArray *proposals, gboolean json)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (!json)
    {
      for (guint p = 0; p < proposals->len; p++)
        {
          const AppProposal *proposal = g_ptr_array_index (proposals, p);

          g_print ("%s:", proposal->name);
          for (int s = 0; s < proposal->n_slices; s++)
            g_print (" %s %d%s", volume_plane_get_name (proposal->slices[s].plane),
                     proposal->slices[s].index, s + 1 < proposal->n_slices ? "," : "");
          g_print ("\n    %s\n", proposal->reason);
        }
      return APP_EXIT_OK;
    }
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "proposals");
  json_builder_begin_array (builder);
  for (guint p = 0; p < proposals->len; p++)
    add_proposal (builder, g_ptr_array_index (proposals, p));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return app_json_print (builder);
}

static void
selected_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  *(GAsyncResult **) data = g_object_ref (result);
}

static int
run_select (const char *project, const AppSelectRequest *request, gboolean json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = app_flow_open (project, DB_OPEN_WRITE, &error);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GPtrArray) proposals = NULL;
  AppEngine *engine = app_engine_get_default ();

  if (store == NULL)
    return app_fail (error);
  app_flow_select_async (store, engine, request, selected_cb, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  proposals = app_flow_select_finish (result, &error);
  app_engine_shutdown (engine);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_clear_object (&result);
  db_store_close (store);
  if (proposals == NULL)
    return app_fail (error);
  return print_proposals (proposals, json);
}

int
app_verb_select (int argc, char **argv)
{
  AppSelectRequest request = { .n_wanted = 2 };
  g_autofree char *strategy = NULL;
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "count", 0, 0, G_OPTION_ARG_INT, &request.n_wanted, "Scans to propose (2)", "N" },
    { "strategy", 0, 0, G_OPTION_ARG_STRING, &strategy,
      "uncertainty-diversity, random, entropy, least-confidence, class-stratified, "
      "representative or cold-start",
      "S" },
    { "random-share", 0, 0, G_OPTION_ARG_DOUBLE, &request.random_share,
      "Share chosen at random, to measure what the strategy gains (0)", "F" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &request.seed, "Seed (0)", "S" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PROJECT");
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context,
                                "Ranks the unlabelled scans and proposes their three slices, with "
                                "the reason.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("select: %s", error->message);
  if (argc != 2)
    return app_usage ("select needs a project");
  if (strategy != NULL && !active_strategy_from_name (strategy, &request.strategy))
    return app_usage ("select: there is no strategy “%s”", strategy);
  if (!(request.random_share >= 0 && request.random_share <= 1))
    return app_usage ("select: --random-share is from 0 to 1");
  if (request.n_wanted < 0)
    return app_usage ("select: --count is not negative");
  request.has_strategy = strategy != NULL;
  return run_select (argv[1], &request, json);
}
