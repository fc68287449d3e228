/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

#include "app/flow-new.h"
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

void
app_application_example_project (AppApplication *self)
{
  AppSession *session = app_application_get_session (self);
  g_autoptr (GTask) task = g_task_new (self, NULL, examples_made_cb, NULL);

  app_session_close_project (session);
  ui_window_show_loading (app_session_get_window (session), _ ("Making example scans…"));
  g_task_run_in_thread (task, make_examples);
}

void
app_application_new_project (AppApplication *self, GListModel *files)
{
}
