/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-open.h"
#include "app/flow-train.h"
#include "app/json-output.h"
#include "app/train-options.h"
#include "app/verbs.h"

#include <glib-unix.h>
#include <math.h>
#include <unistd.h>

typedef struct
{
  gboolean json;
  AppJob *job;
  gboolean ended;
  int status;
  char *shown;
  gboolean is_terminal;
  int tenth;
} Train;

static void
print_result (Train *self, const AppTrainResult *result)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  if (!self->json)
    {
      g_print ("round %" G_GINT64_FORMAT ": %" G_GINT64_FORMAT
               " steps in %.1f s, %d labelled and %d "
               "unlabelled scans\n",
               result->round, result->n_steps, result->seconds, result->n_labelled,
               result->n_unlabelled);
      if (isfinite (result->dice))
        g_print ("validation Dice %.4f on %d scans\n", result->dice, result->n_validation);
      g_print ("%d predictions, %d scans proposed next\nmodel: %s\n", result->n_predicted,
               result->n_selected, result->model_path);
      return;
    }
  json_builder_begin_object (builder);
  app_json_add_int (builder, "round", result->round);
  app_json_add_int (builder, "model", result->model);
  app_json_add_string (builder, "path", result->model_path);
  app_json_add_string (builder, "plan", result->plan_text);
  app_json_add_int (builder, "steps", result->n_steps);
  app_json_add_number (builder, "seconds", result->seconds);
  app_json_add_number (builder, "expected_seconds", result->expected_seconds);
  app_json_add_number (builder, "all_seconds", result->all_seconds);
  app_json_add_number (builder, "dice", result->dice);
  app_json_add_int (builder, "labelled", result->n_labelled);
  app_json_add_int (builder, "unlabelled", result->n_unlabelled);
  app_json_add_int (builder, "validation", result->n_validation);
  app_json_add_int (builder, "predictions", result->n_predicted);
  app_json_add_int (builder, "selected", result->n_selected);
  json_builder_end_object (builder);
  app_json_print (builder);
}

static void
done_cb (AppJob *job, const AppTrainResult *result, const GError *error, gpointer data)
{
  Train *self = data;

  self->ended = TRUE;
  self->status = error == NULL ? APP_EXIT_OK : app_fail (error);
  if (result != NULL)
    print_result (self, result);
}

/* Progress is for people and goes to standard error, a line where it changes noticeably. */
static void
progress_cb (AppJob *job, GParamSpec *pspec, gpointer data)
{
  Train *self = data;
  const char *message = app_job_get_message (job);
  double left = app_job_get_seconds_left (job);
  g_autofree char *line = NULL;

  if (self->json || message == NULL)
    return;
  line = left >= 0 ? g_strdup_printf ("%3.0f %%  %s, %.0f s left", 100 * app_job_get_fraction (job),
                                      message, left)
                   : g_strdup (message);
  if (!self->is_terminal)
    {
      /* A log gets a line for each tenth, not a line that is drawn over. */
      const int tenth = (int) (10 * app_job_get_fraction (job));

      if (tenth != self->tenth || self->shown == NULL)
        g_printerr ("%s\n", line);
      self->tenth = tenth;
    }
  else if (g_strcmp0 (line, self->shown) != 0)
    g_printerr ("\r\033[K%s", line);
  g_free (self->shown);
  self->shown = g_steal_pointer (&line);
}

static gboolean
interrupted_cb (gpointer data)
{
  app_job_pause (((Train *) data)->job);
  return G_SOURCE_CONTINUE;
}

static int
train (DbStore *store, const AppTrainRequest *request, gboolean json)
{
  g_autoptr (GError) error = NULL;
  Train self = { .json = json, .is_terminal = isatty (STDERR_FILENO) };
  guint interrupt, terminate;

  self.job = app_flow_train (store, app_engine_get_default (), request, done_cb, &self, &error);
  if (self.job == NULL)
    return app_fail (error);
  g_signal_connect (self.job, "notify::seconds-left", G_CALLBACK (progress_cb), &self);
  interrupt = g_unix_signal_add (SIGINT, interrupted_cb, &self);
  terminate = g_unix_signal_add (SIGTERM, interrupted_cb, &self);
  while (!self.ended && app_job_get_state (self.job) != APP_JOB_STATE_PAUSED)
    g_main_context_iteration (NULL, TRUE);
  if (self.shown != NULL && self.is_terminal)
    g_printerr ("\r\033[K");
  if (!self.ended)
    {
      g_printerr ("crosslabel: paused; --resume goes on from here\n");
      self.status = APP_EXIT_FAILURE;
    }
  g_source_remove (interrupt);
  g_source_remove (terminate);
  g_object_unref (self.job);
  g_free (self.shown);
  return self.status;
}

int
app_verb_train (int argc, char **argv)
{
  AppTrainOptions options;
  gboolean json = FALSE, resume = FALSE;
  char *supervision = NULL, *strategy = NULL;
  int n_select = 2;
  double random_share = 0;
  const GOptionEntry entries[] = {
    { "supervision", 0, 0, G_OPTION_ARG_STRING, &supervision,
      "What is trained on: signed slices (cross) or complete scans (dense)", "cross|dense" },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &resume, "Go on with the round that was interrupted",
      NULL },
    { "count", 0, 0, G_OPTION_ARG_INT, &n_select, "Scans to propose afterwards (2)", "N" },
    { "strategy", 0, 0, G_OPTION_ARG_STRING, &strategy, "How they are chosen", "S" },
    { "random-share", 0, 0, G_OPTION_ARG_DOUBLE, &random_share,
      "Share of them chosen at random, to measure what the strategy gains (0)", "F" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PROJECT");
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) store = NULL;
  AppTrainRequest request = { 0 };
  int status;

  app_train_options_init (&options);
  g_option_context_set_summary (context,
                                "One round: trains on what is labelled, predicts every scan, and "
                                "proposes what to label next.");
  g_option_context_add_main_entries (context, entries, NULL);
  app_train_options_add_to (&options, context);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("train: %s", error->message);
  if (argc != 2)
    return app_usage ("train needs a project");
  if (!app_train_options_read (&options, &request, &error))
    return app_usage ("train: %s", error->message);
  request.dense = g_strcmp0 (supervision, "dense") == 0;
  if (supervision != NULL && !request.dense && g_strcmp0 (supervision, "cross") != 0)
    return app_usage ("train: --supervision is cross or dense");
  if (strategy != NULL && !active_strategy_from_name (strategy, &request.strategy))
    return app_usage ("train: there is no strategy “%s”", strategy);
  request.n_select = n_select;
  if (!(random_share >= 0 && random_share <= 1))
    return app_usage ("train: --random-share is from 0 to 1");
  request.random_share = random_share;
  store = app_flow_open (argv[1], DB_OPEN_WRITE, &error);
  if (store == NULL)
    return app_fail (error);
  status = train (store, resume ? NULL : &request, json);
  app_engine_shutdown (app_engine_get_default ());
  while (g_main_context_iteration (NULL, FALSE))
    ;
  db_store_close (store);
  return status;
}
