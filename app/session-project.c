/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/session-private.h"

#include "app/engine.h"
#include "app/heartbeat.h"
#include "app/settings.h"

#include <glib/gi18n.h>

/* Opening a project and closing it. Both take their time and neither is waited for (I8): a round
 * keeps its last step in the store before that goes, and the writer commits what it was given. */

static void
open_first_case (AppSession *self)
{
  g_autofree char *kept = db_store_get_setting (self->store, "current-case");
  gint64 id = kept != NULL ? g_ascii_strtoll (kept, NULL, 10) : -1;

  if (db_store_get_case (self->store, id) == NULL)
    id = app_session_find_next (self);
  if (id >= 0)
    app_session_open_case (self, id);
  else
    ui_window_show_page (self->window, UI_PAGE_PROJECT);
}

static void
store_failed_cb (AppSession *self, const GError *error)
{
  app_session_tell (self, _ ("Not everything could be written to the project"), error);
}

static void
show_locked (AppSession *self, const GError *error)
{
  GtkWidget *dialog = adw_message_dialog_new (GTK_WINDOW (self->window),
                                              _ ("Project Is Open Elsewhere"), error->message);

  adw_message_dialog_add_response (ADW_MESSAGE_DIALOG (dialog), "close", _ ("_Close"));
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
take_store (AppSession *self, DbStore *store)
{
  self->store = store;
  g_signal_connect_object (store, "failed", G_CALLBACK (store_failed_cb), self, G_CONNECT_SWAPPED);
  app_settings_add_recent (db_store_get_path (store));
  ui_window_set_titles (self->window, db_store_get_name (store), NULL);
  /* Before the list has rows, which ask for their pictures as they come into sight. */
  self->thumbnails = app_thumbnails_new (store, ui_window_get_case_list (self->window));
  ui_case_list_set_model (ui_window_get_case_list (self->window), db_store_get_cases (store));
  ui_label_list_set_model (ui_window_get_label_list (self->window), db_store_get_labels (store));
  app_session_watch_labels (self, TRUE);
  app_session_project_changed (self);
  open_first_case (self);
}

/* Closing, which goes on after each wait where the last callback left it */

static void start_opening (AppSession *self, const char *path);

static gboolean
has_window (AppSession *self)
{
  return self->window != NULL && !gtk_widget_in_destruction (GTK_WIDGET (self->window));
}

/* Who waits decides what becomes of the window. */
static void
closed (AppSession *self)
{
  g_autoptr (GPtrArray) waiting = g_steal_pointer (&self->closing);
  g_autofree char *path = g_steal_pointer (&self->next_path);

  for (guint t = 0; t < waiting->len; t++)
    g_task_return_boolean (g_ptr_array_index (waiting, t), TRUE);
  if (waiting->len > 0 || !has_window (self))
    return;
  if (path != NULL)
    start_opening (self, path);
  else
    ui_window_show_page (self->window, UI_PAGE_WELCOME);
}

static void
store_closed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppSession) self = data;

  db_store_close_finish (DB_STORE (source), result);
  g_signal_handlers_disconnect_by_data (source, self);
  g_clear_object (&self->closing_store);
  closed (self);
}

static void
settled_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  AppSession *self = data;

  app_engine_settle_finish (APP_ENGINE (source), result);
  db_store_close_async (self->closing_store, store_closed_cb, self);
}

/* A round keeps its last step in the store: that closes when the engine is still. */
static void
close_store (AppSession *self, DbStore *store)
{
  self->closing_store = store;
  app_engine_settle_async (app_engine_get_default (), settled_cb, g_object_ref (self));
}

/* Its dialogs speak of the project. A file chooser belongs to who asked. */
static void
close_dialogs (AppSession *self)
{
  g_autoptr (GList) windows = gtk_window_list_toplevels ();

  for (GList *l = windows; l != NULL; l = l->next)
    if (GTK_IS_WINDOW (l->data) && !GTK_IS_FILE_CHOOSER_DIALOG (l->data)
        && gtk_window_get_transient_for (l->data) == GTK_WINDOW (self->window))
      gtk_window_destroy (l->data);
}

static void
show_closing (AppSession *self)
{
  AppJob *round = app_engine_find_job (app_engine_get_default (), APP_JOB_TRAINING);
  /* Translators: %s is a project */
  g_autofree char *text = g_strdup_printf (_ ("Closing %s…"), db_store_get_name (self->store));

  ui_case_list_set_model (ui_window_get_case_list (self->window), NULL);
  ui_label_list_set_model (ui_window_get_label_list (self->window), NULL);
  ui_window_set_titles (self->window, NULL, NULL);
  ui_window_show_loading (self->window, round != NULL ? _ ("Pausing the round…") : text);
}

static void
let_go (AppSession *self)
{
  app_heartbeat_mark ();
  app_session_watch_labels (self, FALSE);
  g_clear_pointer (&self->thumbnails, app_thumbnails_free);
  if (has_window (self))
    {
      close_dialogs (self);
      show_closing (self);
    }
  close_store (self, g_steal_pointer (&self->store));
  if (has_window (self))
    app_session_project_changed (self);
}

static void
start_closing (AppSession *self)
{
  if (self->closing != NULL)
    return;
  self->closing = g_ptr_array_new_with_free_func (g_object_unref);
  app_session_close_case (self);
  app_session_forget_ahead (self);
  if (self->store != NULL)
    let_go (self);
  else if (!self->is_opening_project) /* it is heard of when it is open */
    closed (self);
}

gboolean
app_session_has_project (AppSession *self)
{
  return self->store != NULL || self->closing != NULL || self->is_opening_project;
}

void
app_session_close_project (AppSession *self)
{
  start_closing (self);
}

void
app_session_close_project_async (AppSession *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, app_session_close_project_async);
  if (app_session_has_project (self))
    {
      start_closing (self);
      g_ptr_array_add (self->closing, task);
      return;
    }
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

void
app_session_close_project_finish (AppSession *self, GAsyncResult *result)
{
  g_return_if_fail (g_task_is_valid (result, self));
  g_task_propagate_boolean (G_TASK (result), NULL);
}

/* Opening */

static void
tell_not_opened (AppSession *self, const GError *error)
{
  ui_window_show_page (self->window, UI_PAGE_WELCOME);
  if (g_error_matches (error, DB_ERROR, DB_ERROR_LOCKED))
    show_locked (self, error);
  else
    app_session_tell (self, _ ("The project cannot be opened"), error);
}

static void
store_opened_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppSession) self = data;
  g_autoptr (GError) error = NULL;
  DbStore *store = db_store_open_finish (result, &error);

  self->is_opening_project = FALSE;
  if (self->closing != NULL && store != NULL)
    close_store (self, store);
  else if (self->closing != NULL)
    closed (self);
  else if (store != NULL)
    {
      g_clear_object (&self->opening);
      take_store (self, store);
    }
  else
    {
      g_clear_object (&self->opening);
      tell_not_opened (self, error);
    }
}

static void
show_opening (AppSession *self, const char *path)
{
  g_autofree char *name = g_path_get_basename (path);
  /* Translators: %s is a project */
  g_autofree char *text = g_strdup_printf (_ ("Opening %s…"), name);

  ui_window_set_notice (self->window, NULL);
  ui_window_show_loading (self->window, text);
}

static void
start_opening (AppSession *self, const char *path)
{
  show_opening (self, path);
  self->is_opening_project = TRUE;
  self->opening = g_cancellable_new ();
  db_store_open_async (path, DB_OPEN_WRITE, self->opening, store_opened_cb, g_object_ref (self));
}

void
app_session_open_project (AppSession *self, const char *path)
{
  char *next = g_strdup (path);

  g_free (self->next_path);
  self->next_path = next;
  start_closing (self);
}
