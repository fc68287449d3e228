/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

#include "app/flow-open.h"
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

/* The training menu: rounds, their curves, predictions and what follows from them. */

#define CURVES_MS 1000

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

static void
fill_request (UiRoundDialog *dialog, AppTrainRequest *request)
{
  UiRoundChoice choice;
  g_autofree char *path = g_settings_get_string (app_settings_get_default (), "generalist");

  ui_round_dialog_get_choice (dialog, &choice);
  *request = (AppTrainRequest){
    .method = choice.method,
    .seconds = choice.seconds,
    .n_steps = choice.n_steps,
    .seed = -1,
    .generalist = *path != '\0' ? g_intern_string (path) : NULL,
    .n_select = choice.budget,
  };
  app_profile_from_name (choice.profile, &request->profile);
  active_strategy_from_name (choice.strategy, &request->strategy);
}

static void
planned_cb (const AppTrainPlan *plan, const AppPlanTime *time, const GError *error, gpointer data)
{
  GWeakRef *asker = data;
  g_autoptr (UiRoundDialog) dialog = g_weak_ref_get (asker);
  g_autofree char *text = NULL;

  g_weak_ref_clear (asker);
  g_free (asker);
  if (dialog == NULL || g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_CANCELLED))
    return;
  if (error != NULL)
    {
      ui_round_dialog_set_expected (dialog, error->message, FALSE);
      return;
    }
  text = app_round_plan_describe (plan, time);
  ui_round_dialog_set_expected (dialog, text, TRUE);
}

static void
cancel_plan (UiRoundDialog *dialog)
{
  AppJob *plan = g_object_get_data (G_OBJECT (dialog), "plan");

  if (plan != NULL && !app_job_has_ended (plan))
    app_job_cancel (plan);
}

/* The question may outlive the dialog, and the dialog must not outlive its window. */
static void
replan (UiRoundDialog *dialog, AppSession *session)
{
  AppTrainRequest request;
  GWeakRef *asker;

  cancel_plan (dialog);
  if (app_session_get_store (session) == NULL)
    return;
  fill_request (dialog, &request);
  ui_round_dialog_set_expected (dialog, NULL, TRUE);
  asker = g_new0 (GWeakRef, 1);
  g_weak_ref_init (asker, dialog);
  g_object_set_data_full (G_OBJECT (dialog), "plan",
                          app_flow_train_plan (app_session_get_store (session),
                                               app_engine_get_default (), &request, planned_cb,
                                               asker),
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
        app_session_tell (session, _ ("The round stopped"), error);
      return;
    }
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
  text = g_strdup_printf (_ ("%d scans with signed slices (%d slices in all), %d without, %d for "
                             "validation."),
                          n_labelled, n_signed, n_unlabelled, n_validation);
  ui_round_dialog_set_data (dialog, text);
}

static void
show_round_dialog (AppSession *session)
{
  DbStore *store = app_session_get_store (session);
  UiRoundDialog *dialog = ui_round_dialog_new (window_of (session), budget_of (store));

  describe_data (dialog, store);
  g_signal_connect_object (dialog, "changed", G_CALLBACK (replan), session, 0);
  g_signal_connect_object (dialog, "start", G_CALLBACK (start_cb), session, 0);
  g_signal_connect (dialog, "unmap", G_CALLBACK (cancel_plan), NULL);
  replan (dialog, session);
  gtk_window_present (GTK_WINDOW (dialog));
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

static void
start_round (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);
  gint64 resumable = app_flow_train_find_resumable (store);
  GtkWidget *dialog;
  g_autofree char *text = NULL;

  if (resumable == 0)
    {
      show_round_dialog (data);
      return;
    }
  text = g_strdup_printf (_ ("Round %d was stopped before its end. It can go on exactly where it "
                             "stood."),
                          (int) resumable);
  dialog = adw_message_dialog_new (window_of (data), _ ("Go On with the Round?"), text);
  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _ ("_Cancel"), "new",
                                    _ ("_New Round…"), "resume", _ ("_Go On"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "resume",
                                              ADW_RESPONSE_SUGGESTED);
  g_signal_connect_object (dialog, "response", G_CALLBACK (resume_response_cb), data, 0);
  gtk_window_present (GTK_WINDOW (dialog));
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
show_curve (UiCurveView *view, const GArray *points, const char *name)
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
    ui_curve_view_set_curve (view, name, (double *) x->data, (double *) y->data, x->len);
}

static void
curves_read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  UiRoundsWindow *window = UI_ROUNDS_WINDOW (source);
  CurveQuery *query = g_task_get_task_data (G_TASK (result));
  g_autoptr (GArray) points = g_task_propagate_pointer (G_TASK (result), NULL);
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (points == NULL || ui_rounds_window_get_chosen (window) != query->round)
    return;
  for (guint p = 0; p < points->len; p++)
    {
      const char *name = g_array_index (points, DbMetricPoint, p).name;

      if (!g_hash_table_add (seen, (gpointer) name))
        continue;
      if (g_str_has_prefix (name, "loss"))
        show_curve (ui_rounds_window_get_losses (window), points, name);
      else if (g_str_has_prefix (name, "dice"))
        show_curve (ui_rounds_window_get_dice (window), points, name);
    }
}

static void
query_curves (UiRoundsWindow *window)
{
  DbStore *store = g_object_get_data (G_OBJECT (window), "store");
  g_autoptr (GTask) task = NULL;
  CurveQuery *query;

  if (ui_rounds_window_get_chosen (window) == 0)
    return;
  task = g_task_new (window, NULL, curves_read_cb, NULL);
  query = g_new0 (CurveQuery, 1);
  query->store = g_object_ref (store);
  query->round = ui_rounds_window_get_chosen (window);
  g_task_set_task_data (task, query, curve_query_free);
  g_task_run_in_thread (task, read_curves);
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

static void
show_rounds (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);
  UiRoundsWindow *window = ui_rounds_window_new (window_of (data), db_store_get_rounds (store));

  g_object_set_data_full (G_OBJECT (window), "store", g_object_ref (store), g_object_unref);
  g_signal_connect (window, "chosen", G_CALLBACK (query_curves), NULL);
  g_signal_connect_object (store, "metrics", G_CALLBACK (metrics_cb), window, G_CONNECT_SWAPPED);
  g_signal_connect_object (data, "project-changed", G_CALLBACK (gtk_window_destroy), window,
                           G_CONNECT_SWAPPED);
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

/* Report: on a worker, with a store of its own */

typedef struct
{
  char *project, *path;
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
      is_done = app_flow_report (store, 0, report->path, &error);
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
      Report *report = g_new0 (Report, 1);

      report->project = g_strdup (db_store_get_path (app_session_get_store (session)));
      report->path = g_file_get_path (file);
      g_task_set_task_data (task, report, report_free);
      g_task_run_in_thread (task, write_report);
    }
  g_object_unref (dialog);
}

static void
export_report (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  GtkFileChooserNative *dialog =
      gtk_file_chooser_native_new (_ ("Export Round Report"), window_of (data),
                                   GTK_FILE_CHOOSER_ACTION_SAVE, _ ("_Export"), NULL);

  gtk_file_chooser_set_current_name (GTK_FILE_CHOOSER (dialog), "round.html");
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (report_response_cb), data, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

/* Predictions of the open case */

static DbPrediction *
find_prediction (AppSession *session)
{
  GListModel *list = db_store_get_predictions (app_session_get_store (session));
  DbPrediction *best = NULL;

  for (guint p = 0; p < g_list_model_get_n_items (list); p++)
    {
      g_autoptr (DbPrediction) prediction = g_list_model_get_item (list, p);

      if (prediction->case_id == app_session_get_case_id (session)
          && (best == NULL || prediction->id > best->id))
        best = prediction; /* the list keeps it */
    }
  return best;
}

typedef enum
{
  USE_COMPARE,
  USE_ACCEPT,
  USE_UNCERTAINTY,
} Use;

typedef struct
{
  char *path;
  VolumeScan *scan;
  gint64 case_id, prediction, round;
  Use use;
} PredictionQuery;

static void
prediction_query_free (gpointer data)
{
  PredictionQuery *query = data;

  volume_scan_unref (query->scan);
  g_free (query->path);
  g_free (query);
}

static void
read_prediction (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  PredictionQuery *query = data;
  GError *error = NULL;
  guint16 *labels = app_flow_load_labels_like (query->path, query->scan, &error);

  if (labels != NULL)
    g_task_return_pointer (task, labels, g_free);
  else
    g_task_return_error (task, error);
}

static void
show_compare (AppSession *session, guint16 *labels, gsize n_bytes)
{
  RenderDevice *device = ui_view_state_get_device (session->state);
  const VolumeGeometry *geometry = volume_scan_get_geometry (session->scan);
  g_autoptr (GBytes) bytes = g_bytes_new_take (labels, n_bytes);
  g_autoptr (RenderLabels) compare = NULL;

  if (device == NULL)
    return;
  compare = render_labels_new (device, geometry->size);
  render_labels_update_array (compare, bytes);
  ui_view_state_set_compare (session->state, compare);
}

static void
show_uncertainty (AppSession *session, const guint16 *values)
{
  RenderDevice *device = ui_view_state_get_device (session->state);
  const VolumeGeometry *geometry = volume_scan_get_geometry (session->scan);
  gsize n = volume_scan_get_n_voxels (session->scan);
  float *field = g_new (float, n);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (RenderField) shown = NULL;
  VolumeBox box = { { 0, 0, 0 }, { geometry->size[0], geometry->size[1], geometry->size[2] } };

  for (gsize v = 0; v < n; v++)
    field[v] = values[v] / 255.0f;
  bytes = g_bytes_new_take (field, n * sizeof *field);
  if (device == NULL)
    return;
  shown = render_field_new (device, &box, bytes);
  ui_view_state_set_field (session->state, shown, 0.2, 1);
}

/* I4: the model fills what nobody drew: only voxels without a label, none set by hand, and none of
 * a signed slice. */
static void
accept_labels (AppSession *session, const guint16 *labels, const PredictionQuery *query)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (session->scan);
  g_autoptr (VolumeEditBuilder) builder =
      app_session_new_builder (session, VOLUME_PROVENANCE_MODEL, FALSE);
  const guint16 *label = labels;

  volume_edit_builder_set_only_label (builder, 0);
  for (int k = 0; k < geometry->size[2]; k++)
    for (int j = 0; j < geometry->size[1]; j++)
      for (int i = 0; i < geometry->size[0]; i++, label++)
        {
          const int ijk[3] = { i, j, k };
          gboolean is_signed = FALSE;

          for (int p = 0; *label != 0 && p < VOLUME_N_PLANES && !is_signed; p++)
            is_signed = (ui_view_state_get_mark (session->state, p, ijk[geometry->axis_of_plane[p]])
                         & UI_MARK_SIGNED)
                        != 0;
          if (*label != 0 && !is_signed)
            volume_edit_builder_set (builder, i, j, k, *label);
        }
  app_session_commit (session, builder, VOLUME_PROVENANCE_MODEL, "prediction",
                      &(DbEditInfo){ .round = query->round });
}

static void
set_toggle (AppSession *session, const char *name, gboolean on)
{
  GAction *action = g_action_map_lookup_action (G_ACTION_MAP (session->window), name);

  g_simple_action_set_state (G_SIMPLE_ACTION (action), g_variant_new_boolean (on));
}

static void
prediction_read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  AppSession *session = APP_SESSION (source);
  PredictionQuery *query = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  g_autofree guint16 *labels = g_task_propagate_pointer (G_TASK (result), &error);

  if (session->window == NULL || session->case_id != query->case_id)
    return;
  if (labels == NULL)
    {
      app_session_tell (session, _ ("The prediction cannot be shown"), error);
      return;
    }
  switch (query->use)
    {
    case USE_COMPARE:
      show_compare (session, g_steal_pointer (&labels),
                    volume_scan_get_n_voxels (query->scan) * sizeof (guint16));
      set_toggle (session, "show-prediction", TRUE);
      break;
    case USE_UNCERTAINTY:
      show_uncertainty (session, labels);
      set_toggle (session, "show-uncertainty", TRUE);
      break;
    case USE_ACCEPT:
      accept_labels (session, labels, query);
      break;
    }
}

static void
use_prediction (AppSession *session, Use use)
{
  DbPrediction *prediction = find_prediction (session);
  g_autoptr (GTask) task = NULL;
  PredictionQuery *query;

  if (prediction == NULL)
    {
      ui_window_toast (session->window, _ ("There is no prediction for this case yet."));
      return;
    }
  task = g_task_new (session, NULL, prediction_read_cb, NULL);
  query = g_new0 (PredictionQuery, 1);
  query->path = db_store_resolve (session->store, prediction->path);
  if (use == USE_UNCERTAINTY && g_str_has_suffix (query->path, ".nii.gz"))
    {
      g_autofree char *stem = g_strndup (query->path, strlen (query->path) - strlen (".nii.gz"));

      g_free (query->path);
      query->path = g_strconcat (stem, "_uncertainty.nii.gz", NULL);
    }
  query->scan = volume_scan_ref (session->scan);
  query->case_id = session->case_id;
  query->prediction = prediction->id;
  query->round = prediction->round;
  query->use = use;
  g_task_set_task_data (task, query, prediction_query_free);
  g_task_run_in_thread (task, read_prediction);
}

static void
change_prediction (GSimpleAction *action, GVariant *value, gpointer data)
{
  AppSession *session = data;

  if (session->scan == NULL)
    return;
  if (g_variant_get_boolean (value))
    use_prediction (session, USE_COMPARE);
  else
    {
      ui_view_state_set_compare (session->state, NULL);
      g_simple_action_set_state (action, value);
    }
}

static void
change_uncertainty (GSimpleAction *action, GVariant *value, gpointer data)
{
  AppSession *session = data;

  if (session->scan == NULL)
    return;
  if (g_variant_get_boolean (value))
    use_prediction (session, USE_UNCERTAINTY);
  else
    {
      ui_view_state_set_field (session->state, NULL, 0, 1);
      g_simple_action_set_state (action, value);
    }
}

static void
accept_prediction (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  if (app_session_get_scan (data) != NULL)
    use_prediction (data, USE_ACCEPT);
}

/* Review: through the cases with predictions, the least certain first. */

static gint64
find_least_certain (AppSession *session)
{
  GListModel *list = db_store_get_predictions (session->store);
  DbPrediction *current = session->case_id >= 0 ? find_prediction (session) : NULL;
  DbPrediction *next = NULL, *first = NULL;

  for (guint p = 0; p < g_list_model_get_n_items (list); p++)
    {
      g_autoptr (DbPrediction) prediction = g_list_model_get_item (list, p);

      if (prediction->accepted_edit != 0 || prediction == current
          || !isfinite (prediction->confidence))
        continue;
      if (first == NULL || prediction->confidence < first->confidence)
        first = prediction;
      if (current != NULL && prediction->confidence >= current->confidence
          && (next == NULL || prediction->confidence < next->confidence))
        next = prediction;
    }
  return next != NULL ? next->case_id : first != NULL ? first->case_id : -1;
}

static void
review (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  AppSession *session = data;
  gint64 id = find_least_certain (session);

  if (id < 0)
    {
      ui_window_toast (session->window, _ ("There is nothing to review: no predictions."));
      return;
    }
  app_session_open_case (session, id);
  ui_window_toast_action (session->window,
                          _ ("The least certain prediction. Compare it, then accept or correct."),
                          _ ("Compare"), "win.show-prediction");
}

static void
case_changed_cb (AppSession *session)
{
  if (session->window == NULL)
    return;
  set_toggle (session, "show-prediction", FALSE);
  set_toggle (session, "show-uncertainty", FALSE);
}

void
app_window_training_add (AppSession *session)
{
  static const GActionEntry entries[] = {
    { "start-round", start_round },
    { "show-rounds", show_rounds },
    { "select-cases", select_cases },
    { "export-report", export_report },
    { "accept-prediction", accept_prediction },
    { "show-prediction", NULL, NULL, "false", change_prediction },
    { "show-uncertainty", NULL, NULL, "false", change_uncertainty },
    { "review", review },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (app_session_get_window (session)), entries,
                                   G_N_ELEMENTS (entries), session);
  g_signal_connect (session, "case-changed", G_CALLBACK (case_changed_cb), NULL);
}
