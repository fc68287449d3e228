/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/export-dialog.h"

#include <glib/gi18n.h>

struct _UiExportDialog
{
  AdwMessageDialog parent_instance;

  GtkWidget *folder, *format, *extent;
};

enum
{
  EXPORT,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiExportDialog, ui_export_dialog, ADW_TYPE_MESSAGE_DIALOG)

static void
folder_response_cb (GtkNativeDialog *dialog, int response, UiExportDialog *self)
{
  if (response == GTK_RESPONSE_ACCEPT)
    {
      g_autoptr (GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
      g_autofree char *path = g_file_get_path (file);

      if (path != NULL)
        ui_export_dialog_set_folder (self, path);
    }
  g_object_unref (dialog);
}

static void
choose_cb (UiExportDialog *self)
{
  GtkFileChooserNative *dialog =
      gtk_file_chooser_native_new (_ ("Where to Export"), GTK_WINDOW (self),
                                   GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER, _ ("_Choose"), NULL);

  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  g_signal_connect_object (dialog, "response", G_CALLBACK (folder_response_cb), self, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

static void
ui_export_dialog_response (AdwMessageDialog *dialog, const char *response)
{
  if (g_str_equal (response, "export"))
    g_signal_emit (dialog, signals[EXPORT], 0);
}

static void
ui_export_dialog_class_init (UiExportDialogClass *klass)
{
  ADW_MESSAGE_DIALOG_CLASS (klass)->response = ui_export_dialog_response;
  signals[EXPORT] = g_signal_new ("export", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 0);
}

static GtkWidget *
choice (const char *title, const char *const *names)
{
  GtkWidget *row = adw_combo_row_new ();
  g_autoptr (GtkStringList) list = gtk_string_list_new (names);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), title);
  adw_combo_row_set_model (ADW_COMBO_ROW (row), G_LIST_MODEL (list));
  return row;
}

static void
ui_export_dialog_init (UiExportDialog *self)
{
  AdwMessageDialog *dialog = ADW_MESSAGE_DIALOG (self);
  GtkWidget *list = gtk_list_box_new ();
  GtkWidget *button = gtk_button_new_from_icon_name ("folder-open-symbolic");
  const char *const formats[] = { _ ("NIfTI, with a mask of what is labelled"),
                                  _ ("nnU-Net, with the ignore label"), NULL };
  const char *const extents[] = { _ ("All cases"), _ ("This case"), NULL };

  adw_message_dialog_set_heading (dialog, _ ("Export Labels"));
  adw_message_dialog_set_body (dialog, _ ("Labels are written on the grid of each scan. Voxels "
                                          "outside the signed slices have no label."));
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (list), GTK_SELECTION_NONE);
  gtk_widget_add_css_class (list, "boxed-list");
  gtk_accessible_update_property (GTK_ACCESSIBLE (list), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Export"), -1);
  gtk_widget_set_size_request (list, 420, -1);
  self->folder = adw_entry_row_new ();
  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (self->folder), _ ("Folder"));
  gtk_widget_set_valign (button, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_tooltip_text (button, _ ("Choose a folder"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Choose a folder"), -1);
  g_signal_connect_swapped (button, "clicked", G_CALLBACK (choose_cb), self);
  adw_entry_row_add_suffix (ADW_ENTRY_ROW (self->folder), button);
  self->format = choice (_ ("Format"), formats);
  self->extent = choice (_ ("Which"), extents);
  gtk_list_box_append (GTK_LIST_BOX (list), self->folder);
  gtk_list_box_append (GTK_LIST_BOX (list), self->format);
  gtk_list_box_append (GTK_LIST_BOX (list), self->extent);
  adw_message_dialog_set_extra_child (dialog, list);
  adw_message_dialog_add_responses (dialog, "cancel", _ ("_Cancel"), "export", _ ("_Export"), NULL);
  adw_message_dialog_set_response_appearance (dialog, "export", ADW_RESPONSE_SUGGESTED);
  adw_message_dialog_set_default_response (dialog, "export");
}

UiExportDialog *
ui_export_dialog_new (GtkWindow *parent)
{
  return g_object_new (UI_TYPE_EXPORT_DIALOG, "transient-for", parent, "modal", TRUE, NULL);
}

void
ui_export_dialog_set_folder (UiExportDialog *self, const char *folder)
{
  gtk_editable_set_text (GTK_EDITABLE (self->folder), folder);
}

char *
ui_export_dialog_get_folder (UiExportDialog *self)
{
  return g_strdup (gtk_editable_get_text (GTK_EDITABLE (self->folder)));
}

gboolean
ui_export_dialog_get_nnunet (UiExportDialog *self)
{
  return adw_combo_row_get_selected (ADW_COMBO_ROW (self->format)) == 1;
}

gboolean
ui_export_dialog_get_all (UiExportDialog *self)
{
  return adw_combo_row_get_selected (ADW_COMBO_ROW (self->extent)) == 0;
}
