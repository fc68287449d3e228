/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

#include "app/current-model.h"
#include "app/flow-report.h"
#include "app/flow-select.h"
#include "app/flow-train.h"
#include "app/session-private.h"
#include "app/settings.h"
#include "ui/round-dialog.h"
#include "ui/rounds-window.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

/* The training menu: rounds, their curves, the model in use, proposals, reports. */

#define CURVES_MS 1000
#define REPLAN_MS 250
#define CHOICES_KEY "round-choices"

static GtkWindow *
window_of (gpointer session)
{
  return GTK_WINDOW (app_session_get_window (session));
}

static int
budget_of (DbStore *store)
{
  g_autofree char *text = db_store_get_setting (store, "budget");
  gint64 budget = text != NULL ? g_ascii_strtoll (text, NULL, 10) : 0;

  return budget > 0 ? (int) MIN (budget, 1000) : 4;
}

/* Start Round… */

/* The generalists on offer: weight file, or what stands for one in a request. */
static const char *
generalist_at (guint position)
{
  g_autofree char *path = g_settings_get_string (app_settings_get_default (), "generalist");

  switch (position)
    {
    case 0:
      return *path != '\0' ? g_intern_string (path) : NULL;
    case 1:
      return *path != '\0' ? NULL : "rule";
    default:
      return "rule";
    }
}

static GStrv
generalist_names (void)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();
  g_autofree char *path = g_settings_get_string (app_settings_get_default (), "generalist");

  if (*path != '\0')
    {
      g_autofree char *name = g_path_get_basename (path);

      g_strv_builder_add (names, name);
    }
  g_strv_builder_add (names, _ ("The built-in network"));
  g_strv_builder_add (names, _ ("A rule without a network"));
  return g_strv_builder_end (names);
}

static void
fill_request (UiRoundDialog *dialog, AppTrainRequest *request)
{
  UiRoundChoice choice;

  ui_round_dialog_get_choice (dialog, &choice);
  *request = (AppTrainRequest){
    .method = choice.method,
    .seconds = choice.seconds,
    .n_steps = choice.n_steps,
    .seed = -1,
    .generalist = generalist_at (choice.generalist),
    .n_select = choice.budget,
  };
  app_profile_from_name (choice.profile, &request->profile);
  active_strategy_from_name (choice.strategy, &request->strategy);
}

/* The choices of the last round of this project come up again. */
static void
remember_choice (AppSession *session, UiRoundDialog *dialog)
{
  DbStore *store = app_session_get_store (session);
  UiRoundChoice choice;
  g_autofree char *text = NULL, *budget = NULL;
  DbWrite *writes[2];

  ui_round_dialog_get_choice (dialog, &choice);
  text = g_strdup_printf ("%s %s %s %u %.0f %d", choice.method, choice.profile, choice.strategy,
                          choice.generalist, choice.seconds, choice.n_steps);
  budget = g_strdup_printf ("%d", choice.budget);
  writes[0] = db_write_set_setting (CHOICES_KEY, text);
  writes[1] = db_write_set_setting ("budget", budget);
  db_store_write_later (store, db_write_all (writes, G_N_ELEMENTS (writes)));
}

static void
recall_choice (UiRoundDialog *dialog, DbStore *store)
{
  g_autofree char *text = db_store_get_setting (store, CHOICES_KEY);
  g_auto (GStrv) words = g_strsplit (text != NULL ? text : "", " ", -1);
  UiRoundChoice choice = { .budget = budget_of (store) };

  if (g_strv_length (words) == 6)
    {
      choice.method = words[0];
      choice.profile = words[1];
      choice.strategy = words[2];
      choice.generalist = (guint) g_ascii_strtoull (words[3], NULL, 10);
      choice.seconds = g_ascii_strtod (words[4], NULL);
      choice.n_steps = (int) g_ascii_strtoll (words[5], NULL, 10);
    }
  ui_round_dialog_set_choice (dialog, &choice);
}

static void
planned_cb (const AppTrainPlan *plan, const AppPlanTime *time, const GError *error, gpointer data)
{
  GWeakRef *asker = data;
  g_autoptr (UiRoundDialog) dialog = g_weak_ref_get (asker);
  g_autofree char *text = NULL, *expected = NULL;

  g_weak_ref_clear (asker);
  g_free (asker);
  if (dialog == NULL || g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_CANCELLED)
      || g_error_matches (error, SEG_ERROR, SEG_ERROR_CANCELLED))
    return;
  if (error != NULL)
    {
      ui_round_dialog_set_problem (dialog, error->message);
      return;
    }
  text = app_round_plan_explain (plan);
  expected = app_plan_time_describe (time);
  ui_round_dialog_set_expected (dialog, text, expected);
}

static void
cancel_plan (UiRoundDialog *dialog)
{
  AppJob *plan = g_object_get_data (G_OBJECT (dialog), "plan");

  if (plan != NULL && !app_job_has_ended (plan))
    app_job_cancel (plan);
}

/* The question may outlive the dialog, and the dialog must not outlive its window. */
static gboolean
replan_cb (gpointer data)
{
  UiRoundDialog *dialog = data;
  AppSession *session = g_object_get_data (G_OBJECT (dialog), "session");
  AppTrainRequest request;
  GWeakRef *asker;

  g_object_set_data (G_OBJECT (dialog), "due", NULL);
  if (app_session_get_store (session) == NULL || !gtk_widget_get_mapped (GTK_WIDGET (dialog)))
    return G_SOURCE_REMOVE;
  fill_request (dialog, &request);
  asker = g_new0 (GWeakRef, 1);
  g_weak_ref_init (asker, dialog);
  g_object_set_data_full (G_OBJECT (dialog), "plan",
                          app_flow_train_plan (app_session_get_store (session),
                                               app_engine_get_default (), &request, planned_cb,
                                               asker),
                          g_object_unref);
  return G_SOURCE_REMOVE;
}

/* A number that is being dialled is not measured at every stop. */
static void
replan (UiRoundDialog *dialog)
{
  cancel_plan (dialog);
  ui_round_dialog_set_expected (dialog, NULL, NULL);
  if (g_object_get_data (G_OBJECT (dialog), "due") != NULL)
    return;
  g_object_set_data (G_OBJECT (dialog), "due", GINT_TO_POINTER (1));
  g_timeout_add_full (G_PRIORITY_DEFAULT, REPLAN_MS, replan_cb, g_object_ref (dialog),
                      g_object_unref);
}

static void
round_done_cb (AppJob *job, const AppTrainResult *result, const GError *error, gpointer data)
{
  g_autoptr (AppSession) session = data;
  g_autofree char *text = NULL;

  if (app_session_get_window (session) == NULL)
    return;
  if (error != NULL)
    {
      if (!g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_CANCELLED)
          && !g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED)
          && !g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_SHUTDOWN))
        app_session_tell (
            session,
            _ ("The round stopped. What was finished is kept: Training ▸ Start Round goes on"),
            error);
      return;
    }
  app_window_review_reload (session);
  if (isfinite (result->dice))
    text = g_strdup_printf (_ ("Round %d is done: Dice %.3f on the validation scans."),
                            (int) result->round, result->dice);
  else
    text = g_strdup_printf (_ ("Round %d is done."), (int) result->round);
  ui_window_toast_action (app_session_get_window (session), text, _ ("Show"), "win.show-rounds");
}

static void
start_cb (UiRoundDialog *dialog, AppSession *session)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AppJob) job = NULL;
  AppTrainRequest request;

  cancel_plan (dialog);
  fill_request (dialog, &request);
  remember_choice (session, dialog);
  job = app_flow_train (app_session_get_store (session), app_engine_get_default (), &request,
                        round_done_cb, g_object_ref (session), &error);
  if (job == NULL)
    {
      g_object_unref (session);
      app_session_tell (session, _ ("The round cannot start"), error);
    }
}

static void
describe_data (UiRoundDialog *dialog, DbStore *store)
{
  GListModel *cases = db_store_get_cases (store);
  int n_labelled = 0, n_unlabelled = 0, n_validation = 0, n_signed = 0;
  g_autofree char *text = NULL;

  for (guint c = 0; c < g_list_model_get_n_items (cases); c++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, c);

      if (row->validation)
        n_validation += row->n_signed > 0 || row->complete;
      else if (row->n_signed > 0 || row->complete)
        n_labelled++;
      else
        n_unlabelled++;
      n_signed += row->n_signed;
    }
  text = g_strdup_printf (_ ("Scans with signed slices: %d (%d slices in all), without: %d, for "
                             "validation: %d."),
                          n_labelled, n_signed, n_unlabelled, n_validation);
  ui_round_dialog_set_data (dialog, text);
}

/* Said before anything is measured. */
static gboolean
describe_problem (UiRoundDialog *dialog, DbStore *store)
{
  GListModel *cases = db_store_get_cases (store);

  for (guint c = 0; c < g_list_model_get_n_items (cases); c++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, c);

      if (!row->validation && (row->n_signed > 0 || row->complete))
        return FALSE;
    }
  ui_round_dialog_set_problem (
      dialog, _ ("No training scan is labelled yet: sign at least one slice first."));
  return TRUE;
}

static void
show_round_dialog (AppSession *session)
{
  DbStore *store = app_session_get_store (session);
  g_auto (GStrv) names = generalist_names ();
  UiRoundDialog *dialog = ui_round_dialog_new (window_of (session), (const char *const *) names);

  g_object_set_data_full (G_OBJECT (dialog), "session", g_object_ref (session), g_object_unref);
  describe_data (dialog, store);
  recall_choice (dialog, store);
  g_signal_connect (dialog, "changed", G_CALLBACK (replan), NULL);
  g_signal_connect_object (dialog, "start", G_CALLBACK (start_cb), session, 0);
  g_signal_connect (dialog, "unmap", G_CALLBACK (cancel_plan), NULL);
  gtk_window_present (GTK_WINDOW (dialog));
  if (!describe_problem (dialog, store))
    replan (dialog);
}

static void
resume_round (AppSession *session)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AppJob) job =
      app_flow_train (app_session_get_store (session), app_engine_get_default (), NULL,
                      round_done_cb, g_object_ref (session), &error);

  if (job == NULL)
    {
      g_object_unref (session);
      app_session_tell (session, _ ("The round cannot go on"), error);
    }
}

static void
resume_response_cb (AdwMessageDialog *dialog, const char *response, AppSession *session)
{
  if (g_str_equal (response, "resume"))
    resume_round (session);
  else if (g_str_equal (response, "new"))
    show_round_dialog (session);
}

/* One round at a time. */
static void
tell_running (AppSession *session, AppJob *job)
{
  g_autofree char *text = NULL;

  if (app_job_get_state (job) == APP_JOB_STATE_PAUSED)
    {
      app_job_resume (job);
      text = g_strdup_printf (_ ("%s goes on."), app_job_get_title (job));
    }
  else
    text = g_strdup_printf (_ ("%s is under way. You can go on labelling meanwhile."),
                            app_job_get_title (job));
  ui_window_toast_action (app_session_get_window (session), text, _ ("Show"), "win.show-rounds");
}

static void
start_round (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);
  AppJob *job = app_engine_find_job (app_engine_get_default (), APP_JOB_TRAINING);
  gint64 resumable = app_flow_train_find_resumable (store);
  DbRound *round = resumable != 0 ? db_store_get_round (store, resumable) : NULL;
  GtkWidget *dialog;
  g_autofree char *text = NULL;

  if (job != NULL)
    {
      tell_running (data, job);
      return;
    }
  if (resumable == 0)
    {
      show_round_dialog (data);
      return;
    }
  if (round->state == DB_ROUND_FAILED && round->message != NULL)
    text = g_strdup_printf (_ ("Round %d failed: %s\n\nIt can go on from its last checkpoint."),
                            (int) resumable, round->message);
  else
    text = g_strdup_printf (_ ("Round %d was stopped before its end. It can go on exactly where it "
                               "stood. A new round takes in what was signed since."),
                            (int) resumable);
  dialog = adw_message_dialog_new (window_of (data), _ ("Go On with the Round?"), text);
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _ ("_Cancel"), "new",
                                    _ ("_New Round…"), "resume", _ ("_Go On"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "resume",
                                              ADW_RESPONSE_SUGGESTED);
  g_signal_connect_object (dialog, "response", G_CALLBACK (resume_response_cb), data, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

/* Report: on a worker, with a store of its own */

typedef struct
{
  char *project, *path;
  gint64 round; /* 0: the latest */
} Report;

static void
report_free (gpointer data)
{
  Report *report = data;

  g_free (report->project);
  g_free (report->path);
  g_free (report);
}

static void
write_report (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Report *report = data;
  GMainContext *context = g_main_context_new ();
  GError *error = NULL;
  gboolean is_done = FALSE;
  DbStore *store;

  g_main_context_push_thread_default (context);
  store = db_store_open (report->project, DB_OPEN_READ, &error);
  if (store != NULL)
    {
      is_done = app_flow_report (store, report->round, report->path, &error);
      db_store_close (store);
      g_object_unref (store);
    }
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
  if (is_done)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
report_written_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  AppSession *session = APP_SESSION (source);
  g_autoptr (GError) error = NULL;

  if (app_session_get_window (session) == NULL)
    return;
  if (g_task_propagate_boolean (G_TASK (result), &error))
    ui_window_toast (app_session_get_window (session), _ ("The report is written."));
  else
    app_session_tell (session, _ ("The report was not written"), error);
}

static void
report_response_cb (GtkNativeDialog *dialog, int response, AppSession *session)
{
  if (response == GTK_RESPONSE_ACCEPT && app_session_get_store (session) != NULL)
    {
      g_autoptr (GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
      g_autoptr (GTask) task = g_task_new (session, NULL, report_written_cb, NULL);
      gint64 *round = g_object_get_data (G_OBJECT (dialog), "round");
      Report *report = g_new0 (Report, 1);

      report->project = g_strdup (db_store_get_path (app_session_get_store (session)));
      report->path = g_file_get_path (file);
      report->round = *round;
      g_task_set_task_data (task, report, report_free);
      g_task_run_in_thread (task, write_report);
    }
  g_object_unref (dialog);
}

static void
ask_report (AppSession *session, GtkWindow *parent, gint64 round)
{
  GtkFileChooserNative *dialog = gtk_file_chooser_native_new (
      _ ("Export Round Report"), parent, GTK_FILE_CHOOSER_ACTION_SAVE, _ ("_Export"), NULL);
  g_autofree char *name =
      round > 0 ? g_strdup_printf ("round-%d.html", (int) round) : g_strdup ("round.html");

  g_object_set_data_full (G_OBJECT (dialog), "round", g_memdup2 (&round, sizeof round), g_free);
  gtk_file_chooser_set_current_name (GTK_FILE_CHOOSER (dialog), name);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (report_response_cb), session, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

static void
export_report (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  ask_report (data, window_of (data), 0);
}

/* Rounds and their curves */

typedef struct
{
  DbStore *store;
  gint64 round;
} CurveQuery;

static void
curve_query_free (gpointer data)
{
  CurveQuery *query = data;

  g_object_unref (query->store);
  g_free (query);
}

static void
read_curves (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  CurveQuery *query = data;
  GError *error = NULL;
  GArray *points = db_store_read_metrics (query->store, query->round, NULL, &error);

  if (points != NULL)
    g_task_return_pointer (task, points, (GDestroyNotify) g_array_unref);
  else
    g_task_return_error (task, error);
}

static void
show_curve (UiCurveView *view, const GArray *points, const char *name, const char *title)
{
  g_autoptr (GArray) x = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) y = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint p = 0; p < points->len; p++)
    {
      const DbMetricPoint *point = &g_array_index (points, DbMetricPoint, p);
      double step = (double) point->step, value = point->value;

      if (strcmp (point->name, name) != 0)
        continue;
      g_array_append_val (x, step);
      g_array_append_val (y, value);
    }
  if (x->len > 0)
    ui_curve_view_set_curve (view, title, (double *) x->data, (double *) y->data, x->len);
}

/* A metric's name for people, and the chart it belongs to; NULL for none. */
static UiCurveView *
chart_of (UiRoundsWindow *window, DbStore *store, const char *metric, char **title)
{
  *title = NULL;
  if (g_str_equal (metric, "loss"))
    *title = g_strdup (_ ("whole"));
  else if (g_str_has_prefix (metric, "loss."))
    *title = g_strdup (metric + strlen ("loss."));
  if (*title != NULL)
    return ui_rounds_window_get_losses (window);
  if (g_str_equal (metric, "lr"))
    {
      *title = g_strdup (_ ("rate"));
      return ui_rounds_window_get_rate (window);
    }
  if (g_str_equal (metric, "dice"))
    *title = g_strdup (_ ("mean"));
  else if (g_str_has_prefix (metric, "dice."))
    {
      guint k = (guint) g_ascii_strtoull (metric + strlen ("dice."), NULL, 10);
      g_autoptr (DbLabel) label =
          k > 0 ? g_list_model_get_item (db_store_get_labels (store), k - 1) : NULL;

      *title = g_strdup (label != NULL ? label->name : metric);
    }
  return *title != NULL ? ui_rounds_window_get_dice (window) : NULL;
}

static void
curves_read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  UiRoundsWindow *window = UI_ROUNDS_WINDOW (source);
  CurveQuery *query = g_task_get_task_data (G_TASK (result));
  g_autoptr (GArray) points = g_task_propagate_pointer (G_TASK (result), NULL);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  gboolean other = query->round == ui_rounds_window_get_compared (window);

  if (points == NULL || (!other && ui_rounds_window_get_chosen (window) != query->round))
    return;
  for (guint p = 0; p < points->len; p++)
    {
      const char *name = g_array_index (points, DbMetricPoint, p).name;
      g_autofree char *title = NULL, *whole = NULL;
      UiCurveView *view;

      /* Beside another round the sum and the mean are enough. */
      if (!g_hash_table_add (seen, (gpointer) name) || (other && g_str_has_prefix (name, "loss."))
          || (other && g_str_has_prefix (name, "dice.")))
        continue;
      view = chart_of (window, query->store, name, &title);
      if (view == NULL)
        continue;
      whole =
          other ? g_strdup_printf (_ ("round %d"), (int) query->round) : g_steal_pointer (&title);
      show_curve (view, points, name, whole);
    }
}

static void
query_round (UiRoundsWindow *window, gint64 round)
{
  DbStore *store = g_object_get_data (G_OBJECT (window), "store");
  g_autoptr (GTask) task = NULL;
  CurveQuery *query;

  if (round == 0)
    return;
  task = g_task_new (window, NULL, curves_read_cb, NULL);
  query = g_new0 (CurveQuery, 1);
  query->store = g_object_ref (store);
  query->round = round;
  g_task_set_task_data (task, query, curve_query_free);
  g_task_run_in_thread (task, read_curves);
}

static void
query_curves (UiRoundsWindow *window)
{
  query_round (window, ui_rounds_window_get_chosen (window));
  query_round (window, ui_rounds_window_get_compared (window));
}

static gboolean
curves_due_cb (gpointer data)
{
  g_object_set_data (data, "due", NULL);
  query_curves (data);
  return G_SOURCE_REMOVE;
}

/* New points come up to ten times a second; the picture follows once a second. */
static void
metrics_cb (UiRoundsWindow *window, gint64 round, gint64 step)
{
  if (g_object_get_data (G_OBJECT (window), "due") != NULL
      || round != ui_rounds_window_get_chosen (window))
    return;
  g_object_set_data (G_OBJECT (window), "due", GINT_TO_POINTER (1));
  g_timeout_add_full (G_PRIORITY_DEFAULT, CURVES_MS, curves_due_cb, g_object_ref (window),
                      g_object_unref);
}

/* Which model is in use, and which round can go on. */
static void
update_rounds (UiRoundsWindow *window)
{
  DbStore *store = g_object_get_data (G_OBJECT (window), "store");
  DbModel *model = app_current_model_get (store);
  gboolean running = app_engine_find_job (app_engine_get_default (), APP_JOB_TRAINING) != NULL;

  ui_rounds_window_set_current (window, model != NULL ? model->id : 0);
  ui_rounds_window_set_resumable (window, running ? 0 : app_flow_train_find_resumable (store));
}

typedef struct
{
  AppSession *session;
  GWeakRef window;
} Choosing;

static void
chosen_written_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Choosing *choosing = data;
  g_autoptr (AppSession) session = choosing->session;
  g_autoptr (UiRoundsWindow) window = g_weak_ref_get (&choosing->window);
  g_autoptr (GError) error = NULL;

  g_weak_ref_clear (&choosing->window);
  g_free (choosing);
  if (db_store_write_finish (DB_STORE (source), result, &error) < 0)
    {
      app_session_tell (session, _ ("The choice of the model could not be kept"), error);
      return;
    }
  if (window != NULL)
    update_rounds (window);
  if (app_session_get_store (session) == DB_STORE (source))
    app_window_review_model_changed (session);
}

static void
use_round_cb (UiRoundsWindow *window, gint64 round, AppSession *session)
{
  DbStore *store = g_object_get_data (G_OBJECT (window), "store");
  DbRound *row = db_store_get_round (store, round);
  DbModel *before = app_current_model_get (store);
  Choosing *choosing;

  if (row == NULL || row->model == 0)
    return;
  choosing = g_new0 (Choosing, 1);
  choosing->session = g_object_ref (session);
  g_weak_ref_init (&choosing->window, window);
  db_store_write_async (store,
                        app_current_model_write (row->model, before != NULL ? before->id : 0), NULL,
                        chosen_written_cb, choosing);
}

static void
resume_round_cb (UiRoundsWindow *window, gint64 round, AppSession *session)
{
  resume_round (session);
  update_rounds (window);
}

static void
report_round_cb (UiRoundsWindow *window, gint64 round, AppSession *session)
{
  ask_report (session, GTK_WINDOW (window), round);
}

static void
show_rounds (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);
  UiRoundsWindow *window = ui_rounds_window_new (window_of (data), db_store_get_rounds (store));

  g_object_set_data_full (G_OBJECT (window), "store", g_object_ref (store), g_object_unref);
  g_signal_connect (window, "chosen", G_CALLBACK (query_curves), NULL);
  g_signal_connect (window, "compared", G_CALLBACK (query_curves), NULL);
  g_signal_connect_object (window, "use", G_CALLBACK (use_round_cb), data, 0);
  g_signal_connect_object (window, "resume", G_CALLBACK (resume_round_cb), data, 0);
  g_signal_connect_object (window, "report", G_CALLBACK (report_round_cb), data, 0);
  g_signal_connect_object (store, "metrics", G_CALLBACK (metrics_cb), window, G_CONNECT_SWAPPED);
  g_signal_connect_object (db_store_get_models (store), "items-changed", G_CALLBACK (update_rounds),
                           window, G_CONNECT_SWAPPED);
  g_signal_connect_object (data, "project-changed", G_CALLBACK (gtk_window_destroy), window,
                           G_CONNECT_SWAPPED);
  update_rounds (window);
  query_curves (window);
  gtk_window_present (GTK_WINDOW (window));
}

/* Proposals */

static void
selected_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppSession) session = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) proposals = app_flow_select_finish (result, &error);
  g_autofree char *text = NULL;

  if (app_session_get_window (session) == NULL)
    return;
  if (proposals == NULL)
    {
      app_session_tell (session, _ ("Nothing could be proposed"), error);
      return;
    }
  text =
      g_strdup_printf (g_dngettext (NULL, "%d case proposed", "%d cases proposed", proposals->len),
                       (int) proposals->len);
  ui_window_toast_action (app_session_get_window (session), text, _ ("Next Case"), "win.next-case");
}

static void
select_cases (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);

  app_flow_select_async (store, app_engine_get_default (),
                         &(AppSelectRequest){ .n_wanted = budget_of (store), .seed = 1 },
                         selected_cb, g_object_ref (data));
}

void
app_window_training_add (AppSession *session)
{
  static const GActionEntry entries[] = {
    { "start-round", start_round },
    { "show-rounds", show_rounds },
    { "select-cases", select_cases },
    { "export-report", export_report },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (app_session_get_window (session)), entries,
                                   G_N_ELEMENTS (entries), session);
}
