/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

#include <glib/gi18n.h>

static GtkWindow *
window_of (gpointer data)
{
  return GTK_WINDOW (app_session_get_window (app_application_get_session (data)));
}

static void
new_project (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_application_new_project (data, NULL);
}

static void
open_response_cb (GtkNativeDialog *dialog, int response, gpointer data)
{
  g_autoptr (GFile) file = NULL;
  g_autofree char *path = NULL;

  if (response == GTK_RESPONSE_ACCEPT)
    {
      file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
      path = g_file_get_path (file);
      if (path != NULL)
        app_session_open_project (app_application_get_session (data), path);
    }
  g_object_unref (dialog);
}

static void
open_project (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  GtkFileChooserNative *dialog =
      gtk_file_chooser_native_new (_ ("Open Project"), window_of (data),
                                   GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER, _ ("_Open"), NULL);

  g_signal_connect_object (dialog, "response", G_CALLBACK (open_response_cb), data, 0);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

static void
example_project (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_application_example_project (data);
}

static void
preferences (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_application_show_preferences (data);
}

static void
shortcuts (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  app_application_show_shortcuts (data);
}

static void
about (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  adw_show_about_window (
      window_of (data), "application-name", "Crosslabel", "application-icon", APPLICATION_ID,
      "version", PACKAGE_VERSION, "developer-name", _ ("The Crosslabel authors"), "license-type",
      GTK_LICENSE_APACHE_2_0, "comments",
      _ ("<b>For research use only. Not a medical device.</b>\n\nLabel three crossing slices of a "
         "few scans; the program trains a segmentation model in the background and says what to "
         "label next. Nothing leaves this machine."),
      /* Translators: your names, one a line */
      "translator-credits", _ ("translator-credits"), NULL);
}

static void
quit (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  GtkWindow *main_window = window_of (data);

  /* Its dialogs go with it. Closing commits what is pending; the program ends with its last
   * window. */
  gtk_window_close (main_window);
}

void
app_application_add_dialogs (AppApplication *self)
{
  static const GActionEntry entries[] = {
    { "new-project", new_project },
    { "open-project", open_project },
    { "example-project", example_project },
    { "preferences", preferences },
    { "shortcuts", shortcuts },
    { "about", about },
    { "quit", quit },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (self), entries, G_N_ELEMENTS (entries), self);
}
