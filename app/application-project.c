/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

#include "app/flow-import.h"
#include "app/flow-new.h"
#include "app/flow-open.h"
#include "app/scan-finder.h"
#include "ui/new-project-window.h"
#include "volume/phantom.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>

#define N_EXAMPLES 6

/* Example scans: phantoms in the user's data folder, made once. */

static char *
example_folder (void)
{
  return g_build_filename (g_get_user_data_dir (), "crosslabel", "examples", NULL);
}

static gboolean
write_examples (const char *folder, GStrvBuilder *scans, GStrvBuilder *truths,
                GCancellable *cancellable, GError **error)
{
  for (guint n = 0; n < N_EXAMPLES; n++)
    {
      g_autofree char *scan = NULL, *label = NULL;
      VolumePhantomParams params = { .seed = 7, .index = n, .n_organs = 2 };

      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !volume_phantom_write (&params, folder, &scan, &label, error))
        return FALSE;
      g_strv_builder_add (scans, scan);
      g_strv_builder_add (truths, label);
    }
  return TRUE;
}

static void
make_examples (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  g_autofree char *folder = example_folder ();
  g_autofree char *path = g_build_filename (folder, "Example.crosslabel", NULL);
  g_autoptr (GStrvBuilder) scans = g_strv_builder_new (), truths = g_strv_builder_new ();
  g_auto (GStrv) scan_paths = NULL, truth_paths = NULL;
  GError *error = NULL;
  char *made = NULL;
  AppNewParams params = { .path = path, .n_validation = 1, .seed = 7 };
  const char *names[2] = { volume_phantom_get_label_name (1), volume_phantom_get_label_name (2) };

  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      g_task_return_pointer (task, g_steal_pointer (&path), g_free);
      return;
    }
  if (g_mkdir_with_parents (folder, 0700) != 0)
    {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED,
                               _ ("The folder %s cannot be made"), folder);
      return;
    }
  if (!write_examples (folder, scans, truths, cancellable, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  scan_paths = g_strv_builder_end (scans);
  truth_paths = g_strv_builder_end (truths);
  params.scans = (const char *const *) scan_paths;
  params.truths = (const char *const *) truth_paths;
  params.n_scans = N_EXAMPLES;
  params.label_names = names;
  params.n_labels = 2;
  if (app_flow_new (&params, NULL, NULL, cancellable, &made, &error))
    g_task_return_pointer (task, made, g_free);
  else
    g_task_return_error (task, error);
}

static void
examples_made_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  AppApplication *self = APP_APPLICATION (source);
  AppSession *session = app_application_get_session (self);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_task_propagate_pointer (G_TASK (result), &error);

  if (path != NULL)
    {
      app_session_open_project (session, path);
      return;
    }
  ui_window_show_page (app_session_get_window (session), UI_PAGE_WELCOME);
  ui_window_set_notice (app_session_get_window (session), error->message);
}

static void
closed_for_examples_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppApplication) self = data;
  AppSession *session = APP_SESSION (source);
  g_autoptr (GTask) task = NULL;

  app_session_close_project_finish (session, result);
  if (app_session_get_window (session) == NULL)
    return;
  task = g_task_new (self, NULL, examples_made_cb, NULL);
  ui_window_show_loading (app_session_get_window (session), _ ("Making example scans…"));
  g_task_run_in_thread (task, make_examples);
}

void
app_application_example_project (AppApplication *self)
{
  app_session_close_project_async (app_application_get_session (self), closed_for_examples_cb,
                                   g_object_ref (self));
}

/* New project */

typedef struct
{
  char *path;
  char **scans, **labels, **names;
  int n_validation, budget;
  gboolean import;
  GPtrArray *problems; /* char *: told afterwards, not fatal */
  UiNewProjectWindow *window; /* only for progress, on the main thread */
} NewProject;

static void
new_project_free (NewProject *made)
{
  g_free (made->path);
  g_strfreev (made->scans);
  g_strfreev (made->labels);
  g_strfreev (made->names);
  g_ptr_array_unref (made->problems);
  g_object_unref (made->window);
  g_free (made);
}

typedef struct
{
  UiNewProjectWindow *window;
  double fraction;
  char *what;
} Progress;

static gboolean
show_progress_cb (gpointer data)
{
  Progress *progress = data;

  ui_new_project_window_set_progress (progress->window, progress->fraction, progress->what);
  return G_SOURCE_REMOVE;
}

static void
progress_free (gpointer data)
{
  Progress *progress = data;

  g_object_unref (progress->window);
  g_free (progress->what);
  g_free (progress);
}

static void
progress_cb (double fraction, const char *what, gpointer data)
{
  NewProject *made = data;
  Progress *progress = g_new0 (Progress, 1);

  progress->window = g_object_ref (made->window);
  progress->fraction = fraction;
  progress->what = g_strdup (what);
  g_idle_add_full (G_PRIORITY_DEFAULT, show_progress_cb, progress, progress_free);
}

static void
import_one (DbStore *store, gint64 id, const char *path, GPtrArray *problems)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeScan) scan = NULL;
  g_autoptr (DbLabels) labels = NULL;
  DbCase *row = db_store_get_case (store, id);
  AppImportResult result;

  if (row == NULL)
    return;
  scan = app_flow_load_scan (store, row, &error);
  labels = scan != NULL ? db_labels_open (store, id, &error) : NULL;
  if (labels == NULL
      || !app_flow_import (labels, scan, path, APP_IMPORT_DRAFT, NULL, 0, &result, &error))
    g_ptr_array_add (problems, g_strdup (error->message));
}

/* The worker has a main context of its own: the store brings its news there. */
static void
import_labels (NewProject *made, const char *folder)
{
  GMainContext *context = g_main_context_new ();
  g_autoptr (GError) error = NULL;
  DbStore *store;

  g_main_context_push_thread_default (context);
  store = db_store_open (folder, DB_OPEN_WRITE, &error);
  if (store == NULL)
    g_ptr_array_add (made->problems, g_strdup (error->message));
  for (int s = 0; store != NULL && made->scans[s] != NULL; s++)
    if (*made->labels[s] != '\0')
      import_one (store, s + 1, made->labels[s], made->problems);
  if (store != NULL)
    {
      g_autofree char *budget = g_strdup_printf ("%d", made->budget);

      db_store_write (store, db_write_set_setting ("budget", budget), NULL);
      db_store_close (store);
      g_object_unref (store);
    }
  g_main_context_pop_thread_default (context);
  g_main_context_unref (context);
}

static void
make_project (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  NewProject *made = data;
  AppNewParams params = {
    .path = made->path,
    .scans = (const char *const *) made->scans,
    .n_scans = g_strv_length (made->scans),
    .label_names = (const char *const *) made->names,
    .n_labels = g_strv_length (made->names),
    .n_validation = made->n_validation,
    .seed = 1,
  };
  char *folder = NULL;
  GError *error = NULL;

  if (!made->import)
    for (int s = 0; made->labels[s] != NULL; s++)
      *made->labels[s] = '\0';
  if (!app_flow_new (&params, progress_cb, made, cancellable, &folder, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  import_labels (made, folder);
  g_task_return_pointer (task, folder, g_free);
}

/* What went wrong with single files while all else went well. */
static void
show_problems (GtkWindow *parent, GPtrArray *problems)
{
  GtkWidget *dialog = adw_message_dialog_new (parent, _ ("Some Labels Were Not Imported"),
                                              _ ("The project is ready. These are left out:"));
  GtkWidget *scroller = gtk_scrolled_window_new ();
  GtkWidget *list = gtk_list_box_new ();

  gtk_list_box_set_selection_mode (GTK_LIST_BOX (list), GTK_SELECTION_NONE);
  gtk_widget_add_css_class (list, "boxed-list");
  gtk_accessible_update_property (GTK_ACCESSIBLE (list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("What was left out"), -1);
  for (guint p = 0; p < problems->len; p++)
    {
      GtkWidget *label = gtk_label_new (g_ptr_array_index (problems, p));

      gtk_label_set_wrap (GTK_LABEL (label), TRUE);
      gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
      gtk_label_set_xalign (GTK_LABEL (label), 0);
      gtk_widget_set_margin_top (label, 6);
      gtk_widget_set_margin_bottom (label, 6);
      gtk_widget_set_margin_start (label, 12);
      gtk_widget_set_margin_end (label, 12);
      gtk_list_box_append (GTK_LIST_BOX (list), label);
    }
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), list);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_propagate_natural_height (GTK_SCROLLED_WINDOW (scroller), TRUE);
  gtk_scrolled_window_set_max_content_height (GTK_SCROLLED_WINDOW (scroller), 300);
  adw_message_dialog_set_extra_child (ADW_MESSAGE_DIALOG (dialog), scroller);
  adw_message_dialog_add_response (ADW_MESSAGE_DIALOG (dialog), "close", _ ("_Close"));
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
project_made_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  AppApplication *self = APP_APPLICATION (source);
  NewProject *made = g_task_get_task_data (G_TASK (result));
  AppSession *session = app_application_get_session (self);
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_task_propagate_pointer (G_TASK (result), &error);

  ui_new_project_window_set_progress (made->window, -1, NULL);
  if (folder == NULL)
    {
      if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        ui_new_project_window_set_error (made->window, error->message);
      return;
    }
  gtk_window_destroy (GTK_WINDOW (made->window));
  app_session_open_project (session, folder);
  if (made->problems->len > 0)
    show_problems (GTK_WINDOW (app_session_get_window (session)), made->problems);
}

static void
create_cb (UiNewProjectWindow *window, AppApplication *self)
{
  GCancellable *cancellable = g_object_get_data (G_OBJECT (window), "cancellable");
  g_autoptr (GTask) task = g_task_new (self, cancellable, project_made_cb, NULL);
  NewProject *made = g_new0 (NewProject, 1);

  made->path = ui_new_project_window_get_path (window);
  made->scans = ui_new_project_window_get_scans (window);
  made->labels = ui_new_project_window_get_scan_labels (window);
  made->names = ui_new_project_window_get_label_names (window);
  made->n_validation = ui_new_project_window_get_n_validation (window);
  made->budget = ui_new_project_window_get_budget (window);
  made->import = ui_new_project_window_get_import_labels (window);
  made->problems = g_ptr_array_new_with_free_func (g_free);
  made->window = g_object_ref (window);
  ui_new_project_window_set_progress (window, 0, _ ("Reading the scans…"));
  g_task_set_task_data (task, made, (GDestroyNotify) new_project_free);
  g_task_run_in_thread (task, make_project);
}

static void
scan_found_cb (const char *path, const char *detail, const char *problem, const char *labels,
               int n_labels, gpointer data)
{
  ui_new_project_window_set_scan (data, path, detail, problem, labels);
  ui_new_project_window_need_labels (data, n_labels);
}

static void
files_added_cb (UiNewProjectWindow *window, GListModel *files)
{
  app_scan_finder_start (files, g_object_get_data (G_OBJECT (window), "cancellable"), scan_found_cb,
                         window);
}

static void
cancelled_cb (UiNewProjectWindow *window)
{
  g_cancellable_cancel (g_object_get_data (G_OBJECT (window), "cancellable"));
}

void
app_application_new_project (AppApplication *self, GListModel *files)
{
  AppSession *session = app_application_get_session (self);
  UiNewProjectWindow *window =
      ui_new_project_window_new (GTK_WINDOW (app_session_get_window (session)));
  const char *documents = g_get_user_special_dir (G_USER_DIRECTORY_DOCUMENTS);

  g_object_set_data_full (G_OBJECT (window), "cancellable", g_cancellable_new (), g_object_unref);
  ui_new_project_window_set_folder (window, documents != NULL ? documents : g_get_home_dir ());
  g_signal_connect_object (window, "create", G_CALLBACK (create_cb), self, 0);
  g_signal_connect (window, "files-added", G_CALLBACK (files_added_cb), NULL);
  g_signal_connect (window, "cancelled", G_CALLBACK (cancelled_cb), NULL);
  gtk_window_present (GTK_WINDOW (window));
  if (files != NULL)
    ui_new_project_window_add_files (window, files);
}
