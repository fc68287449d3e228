/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/session-private.h"

#include "app/flow-open.h"
#include "app/flow-select.h"

#include <glib/gi18n.h>
#include <string.h>

/* The view is kept this long after the last change (I2 is about labels; this is a courtesy). */
#define VIEW_SETTLE_MS 300

enum
{
  PROJECT_CHANGED,
  CASE_CHANGED,
  CASE_LABELS_CHANGED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (AppSession, app_session, G_TYPE_OBJECT)

void
app_session_tell (AppSession *self, const char *what, const GError *error)
{
  g_autofree char *text = NULL;

  if (self->window == NULL)
    return;
  text = error != NULL ? g_strdup_printf ("%s: %s", what, error->message) : g_strdup (what);
  ui_window_set_notice (self->window, text);
}

/* Where a person left off */

static char *
view_to_json (AppSession *self)
{
  g_autoptr (GVariant) view = g_variant_ref_sink (ui_view_state_save (self->state));
  g_autofree char *text = g_variant_print (view, TRUE);
  g_autofree char *escaped = g_strescape (text, NULL);

  return g_strdup_printf ("{\"view\":\"%s\"}", escaped);
}

static GVariant *
view_from_json (const char *json)
{
  const char *start = json != NULL ? strstr (json, "{\"view\":\"") : NULL;
  const char *end = json != NULL ? strrchr (json, '"') : NULL;
  g_autofree char *escaped = NULL, *text = NULL;

  if (start != json || start == NULL || end <= start + strlen ("{\"view\":\""))
    return NULL;
  start += strlen ("{\"view\":\"");
  escaped = g_strndup (start, end - start);
  text = g_strcompress (escaped);
  return g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);
}

static void
save_view (AppSession *self)
{
  g_autofree char *json = NULL;

  g_clear_handle_id (&self->view_id, g_source_remove);
  if (self->store == NULL || self->case_id < 0 || self->scan == NULL)
    return;
  json = view_to_json (self);
  db_store_write_later (self->store, db_write_set_view (self->case_id, json));
}

static gboolean
view_settled_cb (gpointer data)
{
  AppSession *self = data;

  self->view_id = 0;
  save_view (self);
  return G_SOURCE_REMOVE;
}

void
app_session_view_changed (AppSession *self)
{
  if (self->scan == NULL || self->view_id != 0)
    return;
  self->view_id = g_timeout_add (VIEW_SETTLE_MS, view_settled_cb, self);
}

static void
restore_view (AppSession *self)
{
  g_autofree char *json = db_store_get_view (self->store, self->case_id);
  g_autoptr (GVariant) view = view_from_json (json);

  if (view != NULL)
    ui_view_state_restore (self->state, view);
  else
    app_session_go_to_tasks (self);
}

/* Opening a case: the scan on a worker, the labels by the store, both at once. */

typedef struct
{
  AppSession *session;
  GCancellable *cancellable;
  gint64 case_id;
  VolumeScan *scan;
  DbLabels *labels;
  AppShownLabels *shown;
  GError *error;
  int n_waiting;
} CaseLoad;

static void
case_load_free (CaseLoad *load)
{
  g_clear_object (&load->session);
  g_clear_object (&load->cancellable);
  g_clear_object (&load->labels);
  g_clear_pointer (&load->scan, volume_scan_unref);
  g_clear_pointer (&load->shown, app_shown_labels_free);
  g_clear_error (&load->error);
  g_free (load);
}

static CaseLoad *
case_load_new (AppSession *self, DbCase *row, GCancellable *cancellable)
{
  CaseLoad *load = g_new0 (CaseLoad, 1);

  load->session = g_object_ref (self);
  load->cancellable = g_object_ref (cancellable);
  load->case_id = row->id;
  return load;
}

static void read_ahead (AppSession *self);

static void
show_case (AppSession *self, CaseLoad *load)
{
  DbCase *row = db_store_get_case (self->store, load->case_id);
  g_autofree char *id = g_strdup_printf ("%" G_GINT64_FORMAT, load->case_id);

  self->case_id = load->case_id;
  self->scan = g_steal_pointer (&load->scan);
  self->labels = g_steal_pointer (&load->labels);
  self->shown = g_steal_pointer (&load->shown);
  ui_view_state_set_scan (self->state, self->scan, app_shown_labels_get_map (self->shown));
  app_session_update_look (self);
  app_session_labels_opened (self);
  app_session_tasks_opened (self);
  restore_view (self);
  ui_window_set_titles (self->window, db_store_get_name (self->store), row->name);
  ui_case_bar_set_case (ui_window_get_case_bar (self->window), row->name, row->reason);
  ui_case_list_set_current (ui_window_get_case_list (self->window), self->case_id);
  ui_window_show_page (self->window, UI_PAGE_PROJECT);
  gtk_widget_grab_focus (
      GTK_WIDGET (ui_view_grid_get_slice_view (ui_window_get_grid (self->window), self->plane)));
  db_store_write_later (self->store, db_write_set_case_opened (self->case_id));
  db_store_write_later (self->store, db_write_set_setting ("current-case", id));
  g_signal_emit (self, signals[CASE_CHANGED], 0);
  read_ahead (self);
}

static void
case_loaded (CaseLoad *load)
{
  AppSession *self = load->session;

  if (--load->n_waiting > 0)
    return;
  if (!g_cancellable_is_cancelled (load->cancellable) && self->window != NULL)
    {
      g_clear_object (&self->opening);
      if (load->error == NULL)
        {
          ui_window_set_notice (self->window, NULL);
          show_case (self, load);
        }
      else
        {
          ui_window_show_page (self->window, UI_PAGE_PROJECT);
          app_session_tell (self, _ ("This case cannot be shown"), load->error);
        }
    }
  case_load_free (load);
}

static void
keep_error (CaseLoad *load, GError *error)
{
  if (load->error == NULL)
    load->error = error;
  else
    g_error_free (error);
}

static void
scan_read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  CaseLoad *load = data;
  GError *error = NULL;

  load->scan = app_flow_load_scan_finish (result, &error);
  if (load->scan == NULL)
    keep_error (load, error);
  case_loaded (load);
}

static void
labels_opened_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  CaseLoad *load = data;
  GError *error = NULL;

  load->labels = db_labels_open_finish (result, &error);
  if (load->labels != NULL)
    load->shown = app_shown_labels_new (db_labels_get_map (load->labels), &error);
  if (error != NULL)
    keep_error (load, error);
  case_loaded (load);
}

void
app_session_close_case (AppSession *self)
{
  if (self->opening != NULL)
    g_cancellable_cancel (self->opening);
  g_clear_object (&self->opening);
  if (self->case_id < 0)
    return;
  g_clear_pointer (&self->tool, app_tool_free);
  app_session_flush_seconds (self);
  save_view (self);
  app_session_build_closing (self);
  app_session_tasks_closing (self);
  app_session_labels_closing (self);
  ui_view_state_set_scan (self->state, NULL, NULL);
  g_clear_pointer (&self->shown, app_shown_labels_free);
  g_clear_object (&self->labels);
  g_clear_pointer (&self->scan, volume_scan_unref);
  self->case_id = -1;
  if (self->window != NULL)
    ui_case_bar_set_case (ui_window_get_case_bar (self->window), NULL, NULL);
  g_signal_emit (self, signals[CASE_CHANGED], 0);
}

void
app_session_open_case (AppSession *self, gint64 case_id)
{
  DbCase *row = self->store != NULL ? db_store_get_case (self->store, case_id) : NULL;
  CaseLoad *load;

  if (row == NULL || case_id == self->case_id || self->window == NULL)
    return;
  app_session_close_case (self);
  self->opening = g_cancellable_new ();
  load = case_load_new (self, row, self->opening);
  load->n_waiting = 2;
  ui_case_list_set_current (ui_window_get_case_list (self->window), case_id);
  if (self->ahead_id == case_id && self->ahead != NULL)
    {
      load->scan = g_steal_pointer (&self->ahead);
      load->n_waiting--;
    }
  else
    app_flow_load_scan_async (self->store, row, self->opening, scan_read_cb, load);
  db_labels_open_async (self->store, case_id, self->opening, labels_opened_cb, load);
}

/* Order of work: what is proposed before what is not; validation scans first (I6), then the selection's
 * rank, then as added. */

typedef enum
{
  WANT_NOTHING, /* labelled, or skipped */
  WANT_SLICES, /* to be proposed yet */
  WANT_LABELS
} Want;

static Want
want_of (DbStore *store, DbCase *row)
{
  if (row->complete || (row->n_tasks > 0 && row->n_signed == row->n_tasks))
    return WANT_NOTHING;
  if (row->n_tasks > 0)
    return WANT_LABELS;
  if (app_flow_is_skipped (store, row->id))
    return WANT_NOTHING;
  return row->rank > 0 ? WANT_LABELS : WANT_SLICES;
}

static int
compare_urgency (DbCase *a, DbCase *b)
{
  int rank_a = a->rank > 0 ? a->rank : G_MAXINT, rank_b = b->rank > 0 ? b->rank : G_MAXINT;

  if (a->validation != b->validation)
    return a->validation ? -1 : 1;
  if (rank_a != rank_b)
    return rank_a < rank_b ? -1 : 1;
  return a->id < b->id ? -1 : a->id > b->id;
}

/* The next case with that want, in the order of work, and from its start again; −1 for none. */
static gint64
find_wanted (AppSession *self, Want want)
{
  GListModel *cases = db_store_get_cases (self->store);
  guint n = g_list_model_get_n_items (cases);
  DbCase *current = self->case_id >= 0 ? db_store_get_case (self->store, self->case_id) : NULL;
  g_autoptr (DbCase) first = NULL, after = NULL;

  for (guint c = 0; c < n; c++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, c);

      if (row == current || want_of (self->store, row) != want)
        continue;
      if (first == NULL || compare_urgency (row, first) < 0)
        g_set_object (&first, row);
      if (current != NULL && compare_urgency (row, current) > 0
          && (after == NULL || compare_urgency (row, after) < 0))
        g_set_object (&after, row);
    }
  return after != NULL ? after->id : first != NULL ? first->id : -1;
}

static gint64
find_to_label (AppSession *self)
{
  const gint64 proposed = find_wanted (self, WANT_LABELS);

  return proposed >= 0 ? proposed : find_wanted (self, WANT_SLICES);
}

/* The case below the open one in the list, whatever it wants. */
static gint64
find_below (AppSession *self)
{
  GListModel *cases = db_store_get_cases (self->store);
  guint n = g_list_model_get_n_items (cases);

  for (guint c = 0; c < n; c++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, c);
      g_autoptr (DbCase) below = g_list_model_get_item (cases, (c + 1) % n);

      if (self->case_id < 0)
        return row->id;
      if (row->id == self->case_id)
        return below->id;
    }
  return -1;
}

gint64
app_session_find_next (AppSession *self)
{
  const gint64 next = find_to_label (self);

  return next >= 0 ? next : find_below (self);
}

static void
tell_all_done (AppSession *self)
{
  ui_window_toast (self->window, _ ("No case is left to be labelled."));
}

void
app_session_next_case (AppSession *self)
{
  if (self->store == NULL)
    return;
  if (find_to_label (self) < 0)
    tell_all_done (self);
  app_session_open_case (self, app_session_find_next (self));
}

void
app_session_previous_case (AppSession *self)
{
  GListModel *cases = self->store != NULL ? db_store_get_cases (self->store) : NULL;
  guint n = cases != NULL ? g_list_model_get_n_items (cases) : 0;

  for (guint c = 0; c < n; c++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, c);

      if (row->id == self->case_id)
        {
          g_autoptr (DbCase) previous = g_list_model_get_item (cases, (c + n - 1) % n);

          app_session_open_case (self, previous->id);
          return;
        }
    }
}

/* The next case is chosen once the skipped one no longer wants labels. */
static void
skipped_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppSession) self = data;
  g_autoptr (GError) error = NULL;

  if (!app_flow_skip_proposal_finish (DB_STORE (source), result, &error))
    app_session_tell (self, _ ("This could not be kept"), error);
  else if (self->store != DB_STORE (source) || self->window == NULL)
    return;
  else if (find_to_label (self) >= 0)
    app_session_next_case (self);
  else
    tell_all_done (self); /* rather than one that is signed */
}

void
app_session_skip_case (AppSession *self, const char *reason)
{
  if (self->store != NULL && self->case_id >= 0)
    app_flow_skip_proposal_async (self->store, self->case_id, reason, skipped_cb,
                                  g_object_ref (self));
}

/* Reading ahead: switching to the next case shall not wait for its file. */

static void
ahead_read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  CaseLoad *load = data;
  AppSession *self = load->session;
  VolumeScan *scan = app_flow_load_scan_finish (result, NULL);

  if (scan != NULL && !g_cancellable_is_cancelled (load->cancellable)
      && self->ahead_id == load->case_id)
    {
      g_clear_pointer (&self->ahead, volume_scan_unref);
      self->ahead = g_steal_pointer (&scan);
      app_session_prefetch (self);
    }
  g_clear_pointer (&scan, volume_scan_unref);
  case_load_free (load);
}

void
app_session_forget_ahead (AppSession *self)
{
  if (self->ahead_cancellable != NULL)
    g_cancellable_cancel (self->ahead_cancellable);
  g_clear_object (&self->ahead_cancellable);
  g_clear_pointer (&self->ahead, volume_scan_unref);
  self->ahead_id = -1;
}

static void
read_ahead (AppSession *self)
{
  gint64 next = app_session_find_next (self);
  DbCase *row = next >= 0 ? db_store_get_case (self->store, next) : NULL;

  if (row == NULL || next == self->case_id || (next == self->ahead_id && self->ahead != NULL))
    return;
  app_session_forget_ahead (self);
  self->ahead_id = next;
  self->ahead_cancellable = g_cancellable_new ();
  app_flow_load_scan_async (self->store, row, self->ahead_cancellable, ahead_read_cb,
                            case_load_new (self, row, self->ahead_cancellable));
}

void
app_session_project_changed (AppSession *self)
{
  g_signal_emit (self, signals[PROJECT_CHANGED], 0);
}

/* The window */

static void
gesture_cb (AppSession *self, const UiGesture *gesture)
{
  if (gesture->phase != UI_GESTURE_HOVER)
    app_session_worked (self, gesture->plane);
  if (self->tool != NULL && self->labels != NULL)
    self->tool->klass->gesture (self->tool, gesture);
}

static void
tool_changed_cb (AppSession *self)
{
  UiTool kind = ui_view_state_get_tool (self->state);

  if (self->tool != NULL && self->tool->kind == kind)
    return;
  g_clear_pointer (&self->tool, app_tool_free);
  ui_tool_options_set_message (ui_window_get_tool_options (self->window), NULL);
  if (self->labels != NULL)
    self->tool = app_tool_new (self, kind);
}

static void
case_changed_cb (AppSession *self)
{
  if (self->labels != NULL)
    tool_changed_cb (self);
}

static void
window_destroyed_cb (gpointer data, GObject *window)
{
  AppSession *self = data;

  self->window = NULL;
}

static void
app_session_dispose (GObject *object)
{
  AppSession *self = APP_SESSION (object);

  if (self->state != NULL)
    g_signal_handlers_disconnect_by_data (self->state, self);
  if (self->window != NULL)
    {
      g_signal_handlers_disconnect_by_data (self->window, self);
      g_signal_handlers_disconnect_by_data (ui_window_get_case_list (self->window), self);
      g_signal_handlers_disconnect_by_data (ui_window_get_label_list (self->window), self);
      g_signal_handlers_disconnect_by_data (ui_window_get_history_list (self->window), self);
      g_signal_handlers_disconnect_by_data (ui_window_get_welcome (self->window), self);
    }
  app_session_close_case (self);
  app_session_forget_ahead (self);
  /* Who owns the session closes its project before: this waits for the writer. */
  g_clear_object (&self->store);
  if (self->window != NULL)
    g_object_weak_unref (G_OBJECT (self->window), window_destroyed_cb, self);
  self->window = NULL;
  g_clear_object (&self->prompter);
  g_clear_object (&self->state);
  g_clear_handle_id (&self->view_id, g_source_remove);
  g_clear_handle_id (&self->check_id, g_source_remove);
  g_clear_handle_id (&self->clock_id, g_source_remove);
  G_OBJECT_CLASS (app_session_parent_class)->dispose (object);
}

static void
app_session_finalize (GObject *object)
{
  AppSession *self = APP_SESSION (object);

  g_array_unref (self->conflicts);
  g_ptr_array_unref (self->watched_labels);
  g_free (self->next_path);
  G_OBJECT_CLASS (app_session_parent_class)->finalize (object);
}

static void
app_session_class_init (AppSessionClass *klass)
{
  static const char *const names[N_SIGNALS] = { "project-changed", "case-changed",
                                                "case-labels-changed" };

  G_OBJECT_CLASS (klass)->dispose = app_session_dispose;
  G_OBJECT_CLASS (klass)->finalize = app_session_finalize;
  for (int s = 0; s < N_SIGNALS; s++)
    signals[s] = g_signal_new (names[s], G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_FIRST, 0, NULL,
                               NULL, NULL, G_TYPE_NONE, 0);
}

static void
app_session_init (AppSession *self)
{
  self->case_id = -1;
  self->ahead_id = -1;
  self->conflicts = g_array_new (FALSE, FALSE, sizeof (AppConflict));
  self->watched_labels = g_ptr_array_new_with_free_func (g_object_unref);
}

static void
case_activated_cb (AppSession *self, gint64 id)
{
  app_session_open_case (self, id);
}

static void
label_activated_cb (AppSession *self, gint64 id)
{
  g_object_set (self->state, "active-label", (int) id, NULL);
}

static void
label_renamed_cb (AppSession *self, gint64 id, const char *name)
{
  if (self->store != NULL)
    db_store_write_later (self->store, db_write_put_label (id, name, NULL));
}

static void
label_recoloured_cb (AppSession *self, gint64 id, const char *colour)
{
  if (self->store != NULL)
    db_store_write_later (self->store, db_write_put_label (id, NULL, colour));
}

static void
active_label_cb (AppSession *self)
{
  ui_label_list_set_active (ui_window_get_label_list (self->window),
                            ui_view_state_get_active_label (self->state));
}

static void
connect_window (AppSession *self)
{
  UiWindow *window = self->window;

  g_signal_connect_swapped (window, "gesture", G_CALLBACK (gesture_cb), self);
  g_signal_connect_swapped (ui_window_get_case_list (window), "activated",
                            G_CALLBACK (case_activated_cb), self);
  g_signal_connect_swapped (ui_window_get_label_list (window), "activated",
                            G_CALLBACK (label_activated_cb), self);
  g_signal_connect_swapped (ui_window_get_label_list (window), "rename",
                            G_CALLBACK (label_renamed_cb), self);
  g_signal_connect_swapped (ui_window_get_label_list (window), "recolour",
                            G_CALLBACK (label_recoloured_cb), self);
  g_signal_connect_swapped (ui_window_get_history_list (window), "jump",
                            G_CALLBACK (app_session_jump), self);
  g_signal_connect_swapped (ui_window_get_history_list (window), "revert",
                            G_CALLBACK (app_session_revert), self);
  g_signal_connect_swapped (ui_window_get_welcome (window), "open",
                            G_CALLBACK (app_session_open_project), self);
  g_signal_connect_swapped (self->state, "notify::tool", G_CALLBACK (tool_changed_cb), self);
  g_signal_connect_swapped (self->state, "notify::active-label", G_CALLBACK (active_label_cb),
                            self);
  g_signal_connect_swapped (self->state, "redraw", G_CALLBACK (app_session_view_changed), self);
}

AppSession *
app_session_new (UiWindow *window)
{
  AppSession *self = g_object_new (APP_TYPE_SESSION, NULL);

  self->window = window;
  self->state = g_object_ref (ui_window_get_state (window));
  g_object_weak_ref (G_OBJECT (window), window_destroyed_cb, self);
  connect_window (self);
  g_signal_connect (self, "case-changed", G_CALLBACK (case_changed_cb), NULL);
  return self;
}

UiWindow *
app_session_get_window (AppSession *self)
{
  return self->window;
}

UiViewState *
app_session_get_state (AppSession *self)
{
  return self->state;
}

DbStore *
app_session_get_store (AppSession *self)
{
  return self->store;
}

DbLabels *
app_session_get_labels (AppSession *self)
{
  return self->labels;
}

VolumeScan *
app_session_get_scan (AppSession *self)
{
  return self->scan;
}

gint64
app_session_get_case_id (AppSession *self)
{
  return self->case_id;
}

VolumePlane
app_session_get_plane (AppSession *self)
{
  return self->plane;
}

void
app_session_set_prompter (AppSession *self, AppPrompter *prompter)
{
  if (g_set_object (&self->prompter, prompter))
    app_session_prefetch (self);
}

void
app_session_tool_accept (AppSession *self)
{
  if (self->tool != NULL && self->tool->klass->accept != NULL)
    self->tool->klass->accept (self->tool);
}

void
app_session_tool_discard (AppSession *self)
{
  if (self->tool != NULL && self->tool->klass->discard != NULL)
    self->tool->klass->discard (self->tool);
}

void
app_session_tool_back (AppSession *self)
{
  if (self->tool != NULL && self->tool->klass->back != NULL)
    self->tool->klass->back (self->tool);
}

void
app_session_prompt_next_mask (AppSession *self)
{
  if (self->tool != NULL && ui_tool_is_prompt (self->tool->kind))
    app_tool_prompt_next_mask (self->tool);
}

void
app_session_prompt_propagate (AppSession *self)
{
  if (self->tool != NULL && ui_tool_is_prompt (self->tool->kind))
    app_tool_prompt_propagate (self->tool);
}
