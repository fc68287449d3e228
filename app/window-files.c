/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

#include "app/flow-export.h"
#include "app/flow-new.h"
#include "app/flow-open.h"
#include "app/session-private.h"
#include "ui/export-dialog.h"
#include "ui/statistics-window.h"

#include <glib/gi18n.h>
#include <string.h>

/* Files in and out of an open project: labels, label names, more scans; and the statistics. Reading
 * and writing happens on workers, with a store of their own, opened for reading (I8). */

static GtkWindow *
window_of (gpointer session)
{
  return GTK_WINDOW (app_session_get_window (session));
}

static void
choose (gpointer session, const char *title, GtkFileChooserAction action, const char *accept,
        GCallback callback)
{
  GtkFileChooserNative *dialog =
      gtk_file_chooser_native_new (title, window_of (session), action, accept, NULL);

  /* What was told of the last file is not true of the next one. */
  ui_window_set_notice (app_session_get_window (session), NULL);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", callback, session, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

static char *
chosen_path (GtkNativeDialog *dialog, int response)
{
  g_autoptr (GFile) file = NULL;

  if (response != GTK_RESPONSE_ACCEPT)
    return NULL;
  file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
  return file != NULL ? g_file_get_path (file) : NULL;
}

/* Export */

typedef struct
{
  char *project, *folder;
  AppExportFormat format;
  gint64 case_id;
  AppExportResult result;
} Export;

static void
export_free (gpointer data)
{
  Export *export = data;

  app_export_result_clear (&export->result);
  g_free (export->project);
  g_free (export->folder);
  g_free (export);
}

static void
run_export (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Export *export = data;
  GMainContext *context = g_main_context_new ();
  GError *error = NULL;
  DbStore *store;
  gboolean is_done = FALSE;

  g_main_context_push_thread_default (context);
  store = db_store_open (export->project, DB_OPEN_READ, &error);
  if (store != NULL)
    {
      is_done = app_flow_export (store, export->folder, export->format, export->case_id,
                                 &export->result, &error);
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
exported_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  AppSession *session = APP_SESSION (source);
  Export *export = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (app_session_get_window (session) == NULL)
    return;
  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      app_session_tell (session, _ ("Nothing was exported"), error);
      return;
    }
  text = g_strdup_printf (g_dngettext (NULL, "Labels of %d case exported to %s",
                                       "Labels of %d cases exported to %s",
                                       (gulong) export->result.n_exported),
                          export->result.n_exported, export->folder);
  ui_window_toast (app_session_get_window (session), text);
}

static void
export_cb (UiExportDialog *dialog, AppSession *session)
{
  g_autoptr (GTask) task = g_task_new (session, NULL, exported_cb, NULL);
  Export *export = g_new0 (Export, 1);

  export->project = g_strdup (db_store_get_path (app_session_get_store (session)));
  export->folder = ui_export_dialog_get_folder (dialog);
  export->format = ui_export_dialog_get_nnunet (dialog) ? APP_EXPORT_NNUNET : APP_EXPORT_NIFTI;
  export->case_id = ui_export_dialog_get_all (dialog) ? 0 : app_session_get_case_id (session);
  g_task_set_task_data (task, export, export_free);
  g_task_run_in_thread (task, run_export);
}

static void
export_labels (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);
  UiExportDialog *dialog = ui_export_dialog_new (window_of (data));
  g_autofree char *parent = g_path_get_dirname (db_store_get_path (store));
  g_autofree char *name = g_strdup_printf ("%s-labels", db_store_get_name (store));
  g_autofree char *folder = g_build_filename (parent, name, NULL);

  ui_export_dialog_set_folder (dialog, folder);
  g_signal_connect_object (dialog, "export", G_CALLBACK (export_cb), data, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

/* Import of labels for the open case, as a draft */

typedef struct
{
  char *path;
  VolumeScan *scan;
  guint8 *known; /* [65536]: labels of the project */
  guint16 *values; /* what the file holds; NULL until it is read */
  int unknown; /* a label of the file that the project does not know, or 0 */
} Import;

static void
import_free (gpointer data)
{
  Import *import = data;

  volume_scan_unref (import->scan);
  g_free (import->path);
  g_free (import->known);
  g_free (import->values);
  g_free (import);
}

static void
look_at_known (AppSession *session, gpointer data)
{
  Import *self = data;
  GListModel *list = db_store_get_labels (app_session_get_store (session));

  self->known[0] = TRUE;
  for (guint l = 0; l < g_list_model_get_n_items (list); l++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (list, l);

      self->known[label->id & 0xffff] = TRUE;
    }
}

static void
find_unknown (Import *self)
{
  const gsize n = volume_scan_get_n_voxels (self->scan);

  self->unknown = 0;
  for (gsize v = 0; v < n && self->unknown == 0; v++)
    if (!self->known[self->values[v]])
      self->unknown = self->values[v];
}

/* Nothing where the file holds an unknown label. */
static gboolean
build_import (const VolumeLabelMap *map, VolumeEditBuilder *builder, gpointer data, GError **error)
{
  Import *self = data;
  const int *size = volume_scan_get_geometry (self->scan)->size;
  const guint16 *value;

  if (self->values == NULL)
    self->values = app_flow_load_labels_like (self->path, self->scan, error);
  if (self->values == NULL)
    return FALSE;
  find_unknown (self);
  value = self->values;
  for (int k = 0; k < size[2] && self->unknown == 0; k++)
    for (int j = 0; j < size[1]; j++, value += size[0])
      for (int i = 0, end; i < size[0]; i = end)
        {
          for (end = i + 1; end < size[0] && value[end] == value[i];)
            end++;
          if (value[i] != 0)
            volume_edit_builder_set_run (builder, i, j, k, end - i, value[i]);
        }
  return TRUE;
}

static void
tell_unknown (AppSession *session, int label)
{
  g_autofree char *text = g_strdup_printf (
      _ ("The file holds label %d, which this project does not know. Add that label first."), label);

  app_session_tell (session, text, NULL);
}

static void
imported (AppSession *session, DbDraft *draft, const GError *error, gpointer data)
{
  const Import *import = data;

  if (draft == NULL)
    app_session_tell (session, _ ("These labels cannot be imported"), error);
  else if (import->unknown != 0)
    tell_unknown (session, import->unknown);
  else if (db_draft_get_n_voxels (draft) > 0)
    app_session_commit_draft (session, draft, NULL, NULL, NULL);
}

static void
import_response_cb (GtkNativeDialog *dialog, int response, AppSession *session)
{
  static const AppBuild kind = { .provenance = VOLUME_PROVENANCE_IMPORT,
                                 .tool = "import",
                                 .telling = N_ ("Importing labels…"),
                                 .look = look_at_known,
                                 .build = build_import,
                                 .done = imported };
  char *path = chosen_path (dialog, response);

  if (path != NULL && app_session_get_labels (session) != NULL)
    {
      Import *import = g_new0 (Import, 1);

      import->path = path;
      import->scan = volume_scan_ref (app_session_get_scan (session));
      import->known = g_new0 (guint8, 65536);
      app_session_build (session, &kind, import, import_free);
    }
  else
    g_free (path);
  g_object_unref (dialog);
}

static void
import_labels (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  choose (data, _ ("Import Labels of This Case"), GTK_FILE_CHOOSER_ACTION_OPEN, _ ("_Import"),
          G_CALLBACK (import_response_cb));
}

/* Names and colours of labels */

static void
put_labels (AppSession *session, const VolumeLabelSet *set)
{
  DbStore *store = app_session_get_store (session);

  for (gsize l = 0; l < volume_label_set_get_n (set); l++)
    {
      const VolumeLabel *label = volume_label_set_get (set, l);
      g_autofree char *colour =
          g_strdup_printf ("#%02x%02x%02x", label->rgba[0], label->rgba[1], label->rgba[2]);

      db_store_write_later (store, db_write_put_label (label->id, label->name, colour));
    }
}

static void
label_set_import_cb (GtkNativeDialog *dialog, int response, AppSession *session)
{
  g_autofree char *path = chosen_path (dialog, response);
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeLabelSet) set = NULL;

  if (path != NULL && app_session_get_store (session) != NULL)
    {
      /* A few lines of text, not a scan. */
      set = volume_label_set_load (path, &error);
      if (set != NULL)
        put_labels (session, set);
      else
        app_session_tell (session, _ ("These label names cannot be imported"), error);
    }
  g_object_unref (dialog);
}

static void
label_set_import (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  choose (data, _ ("Import Label Names"), GTK_FILE_CHOOSER_ACTION_OPEN, _ ("_Import"),
          G_CALLBACK (label_set_import_cb));
}

static void
label_set_export_cb (GtkNativeDialog *dialog, int response, AppSession *session)
{
  g_autofree char *path = chosen_path (dialog, response);
  const VolumeLabelSet *look = ui_view_state_get_look (app_session_get_state (session));
  g_autoptr (GError) error = NULL;

  if (path != NULL && look != NULL && !volume_label_set_save (look, path, &error))
    app_session_tell (session, _ ("The label names were not written"), error);
  g_object_unref (dialog);
}

static void
label_set_export (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  GtkFileChooserNative *dialog =
      gtk_file_chooser_native_new (_ ("Export Label Names"), window_of (data),
                                   GTK_FILE_CHOOSER_ACTION_SAVE, _ ("_Export"), NULL);

  gtk_file_chooser_set_current_name (GTK_FILE_CHOOSER (dialog), "labels.label");
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (label_set_export_cb), data, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

/* More scans */

static void
scan_added_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppSession) session = data;
  g_autoptr (GError) error = NULL;

  if (db_store_write_finish (DB_STORE (source), result, &error) < 0)
    app_session_tell (session, _ ("A scan could not be added"), error);
}

typedef struct
{
  char *path;
  VolumeScan *scan;
} Added;

static void
added_free (gpointer data)
{
  Added *added = data;

  g_clear_pointer (&added->scan, volume_scan_unref);
  g_free (added->path);
  g_free (added);
}

static void
read_added (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Added *added = data;
  GError *error = NULL;

  added->scan = volume_scan_load (added->path, 0, &error);
  if (added->scan != NULL)
    {
      volume_scan_get_sha256 (added->scan);
      g_task_return_boolean (task, TRUE);
    }
  else
    g_task_return_error (task, error);
}

static char *
stem_of (const char *path)
{
  static const char *const suffixes[] = { ".nii.gz", ".nii", ".hdr", ".h5", ".png", ".jpg" };
  char *base = g_path_get_basename (path);

  for (gsize s = 0; s < G_N_ELEMENTS (suffixes); s++)
    if (g_str_has_suffix (base, suffixes[s]))
      {
        base[strlen (base) - strlen (suffixes[s])] = '\0';
        break;
      }
  return base;
}

static void
added_read_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  AppSession *session = APP_SESSION (source);
  Added *added = g_task_get_task_data (G_TASK (result));
  DbStore *store = app_session_get_store (session);
  g_autoptr (GError) error = NULL;
  g_autofree char *name = stem_of (added->path);

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      app_session_tell (session, _ ("A scan could not be added"), error);
      return;
    }
  if (store != NULL)
    db_store_write_async (store,
                          db_write_add_case (&(DbCaseSpec){
                              .name = name,
                              .path = added->path,
                              .sha256 = volume_scan_get_sha256 (added->scan),
                              .geometry = volume_scan_get_geometry (added->scan),
                          }),
                          NULL, scan_added_cb, g_object_ref (session));
}

static void
add_scans_cb (GtkNativeDialog *dialog, int response, AppSession *session)
{
  if (response == GTK_RESPONSE_ACCEPT)
    {
      g_autoptr (GListModel) files = gtk_file_chooser_get_files (GTK_FILE_CHOOSER (dialog));

      for (guint f = 0; f < g_list_model_get_n_items (files); f++)
        {
          g_autoptr (GFile) file = g_list_model_get_item (files, f);
          g_autoptr (GTask) task = g_task_new (session, NULL, added_read_cb, NULL);
          Added *added = g_new0 (Added, 1);

          added->path = g_file_get_path (file);
          g_task_set_task_data (task, added, added_free);
          g_task_run_in_thread (task, read_added);
        }
    }
  g_object_unref (dialog);
}

static void
add_scans (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  GtkFileChooserNative *dialog = gtk_file_chooser_native_new (
      _ ("Add Scans"), window_of (data), GTK_FILE_CHOOSER_ACTION_OPEN, _ ("_Add"), NULL);

  gtk_file_chooser_set_select_multiple (GTK_FILE_CHOOSER (dialog), TRUE);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (add_scans_cb), data, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

/* Statistics */

static void
add_case_rows (AppSession *session, UiStatisticsWindow *window)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (app_session_get_scan (session));
  const gsize *counts =
      volume_label_map_get_counts (db_labels_get_map (app_session_get_labels (session)));
  double ml = geometry->spacing_mm[0] * geometry->spacing_mm[1] * geometry->spacing_mm[2] / 1000;
  GListModel *labels = db_store_get_labels (app_session_get_store (session));

  for (guint l = 0; l < g_list_model_get_n_items (labels); l++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, l);

      ui_statistics_window_add_label (window, label->name, label->colour, counts[label->id],
                                      counts[label->id] * ml);
    }
}

static void
statistics (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  DbStore *store = app_session_get_store (data);
  UiStatisticsWindow *window = ui_statistics_window_new (window_of (data));
  GListModel *cases = db_store_get_cases (store);
  UiStatistics numbers = { 0 };

  for (guint c = 0; c < g_list_model_get_n_items (cases); c++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, c);

      numbers.n_cases++;
      numbers.n_done += row->state >= DB_CASE_SIGNED;
      numbers.n_validation += row->validation;
      numbers.n_signed += row->n_signed;
      numbers.n_edits += row->n_edits;
      numbers.seconds += row->seconds;
    }
  ui_statistics_window_set_project (window, &numbers);
  if (app_session_get_labels (data) != NULL)
    add_case_rows (data, window);
  gtk_window_present (GTK_WINDOW (window));
}

void
app_window_files_add (AppSession *session)
{
  static const GActionEntry entries[] = {
    { "export", export_labels },
    { "import-labels", import_labels },
    { "label-set-import", label_set_import },
    { "label-set-export", label_set_export },
    { "add-scans", add_scans },
    { "statistics", statistics },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (app_session_get_window (session)), entries,
                                   G_N_ELEMENTS (entries), session);
}
