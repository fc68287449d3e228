/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

#include "app/settings.h"
#include "ui/command.h"
#include "ui/preferences-window.h"

#include <glib/gi18n.h>
#include <string.h>

static void
generalist_file_cb (UiPreferencesWindow *window, GFile *file, AppApplication *self)
{
  g_autofree char *path = file != NULL ? g_file_get_path (file) : g_strdup ("");
  g_autofree char *base = *path != '\0' ? g_path_get_basename (path) : NULL;

  if (path == NULL)
    return;
  g_settings_set_string (app_settings_get_default (), "generalist", path);
  ui_preferences_window_set_generalist (window, base != NULL ? base : _ ("Built-in"), path);
}

void
app_application_show_preferences (AppApplication *self)
{
  GSettings *settings = app_settings_get_default ();
  AppSession *session = app_application_get_session (self);
  const char *const backends[] = { "cpu", "cuda", "ref", NULL };
  UiPreferencesWindow *window =
      ui_preferences_window_new (GTK_WINDOW (app_session_get_window (session)), settings,
                                 app_application_get_commands (self), backends);
  g_autofree char *path = g_settings_get_string (settings, "generalist");
  g_autofree char *base = *path != '\0' ? g_path_get_basename (path) : NULL;

  ui_preferences_window_set_generalist (window, base != NULL ? base : _ ("Built-in"), path);
  g_signal_connect_object (window, "generalist-file", G_CALLBACK (generalist_file_cb), self, 0);
  gtk_window_present (GTK_WINDOW (window));
}

/* The shortcuts window shows the keys as they are now. */

static GtkWidget *
make_shortcut (UiCommand *command)
{
  return g_object_new (GTK_TYPE_SHORTCUTS_SHORTCUT, "title", ui_command_get_title (command),
                       "accelerator", ui_command_get_accelerator (command), NULL);
}

static void
add_mouse (GtkWidget *section)
{
  GtkWidget *group = g_object_new (GTK_TYPE_SHORTCUTS_GROUP, "title", _ ("On a slice"), NULL);
  static const struct
  {
    const char *accelerator, *title;
  } keys[] = {
    { "Left Right Up Down", N_ ("Move the crosshair") },
    { "Page_Up Page_Down", N_ ("Next or previous slice") },
    { "space", N_ ("Use the tool at the crosshair") },
    { "h", N_ ("Hide the labels while held") },
  };

  for (gsize k = 0; k < G_N_ELEMENTS (keys); k++)
    gtk_box_append (GTK_BOX (group),
                    g_object_new (GTK_TYPE_SHORTCUTS_SHORTCUT, "title", _ (keys[k].title),
                                  "accelerator", keys[k].accelerator, NULL));
  gtk_box_append (GTK_BOX (section), group);
}

void
app_application_show_shortcuts (AppApplication *self)
{
  GtkWindow *parent = GTK_WINDOW (app_session_get_window (app_application_get_session (self)));
  GListModel *commands = app_application_get_commands (self);
  GtkWidget *section =
      g_object_new (GTK_TYPE_SHORTCUTS_SECTION, "section-name", "all", "max-height", 14, NULL);
  GtkWidget *window =
      g_object_new (GTK_TYPE_SHORTCUTS_WINDOW, "transient-for", parent, "modal", TRUE, NULL);
  GtkWidget *group = NULL;
  const char *title = NULL;

  add_mouse (section);
  for (guint c = 0; c < g_list_model_get_n_items (commands); c++)
    {
      g_autoptr (UiCommand) command = g_list_model_get_item (commands, c);

      if (*ui_command_get_accelerator (command) == '\0')
        continue;
      if (title == NULL || strcmp (title, ui_command_get_group (command)) != 0)
        {
          title = ui_command_get_group (command);
          group = g_object_new (GTK_TYPE_SHORTCUTS_GROUP, "title", title, NULL);
          gtk_box_append (GTK_BOX (section), group);
        }
      gtk_box_append (GTK_BOX (group), make_shortcut (command));
    }
  gtk_window_set_child (GTK_WINDOW (window), section);
  gtk_window_present (GTK_WINDOW (window));
}
