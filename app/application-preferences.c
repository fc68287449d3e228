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

/* The shortcuts window shows the keys as they are now. GTK 4.8 fills one from an interface
 * description alone, so that is written here. */

static void
open_group (GString *xml, const char *title)
{
  g_autofree char *text = g_markup_printf_escaped ("<child><object class=\"GtkShortcutsGroup\">"
                                                   "<property name=\"title\">%s</property>",
                                                   title);

  g_string_append (xml, text);
}

static void
close_group (GString *xml)
{
  g_string_append (xml, "</object></child>");
}

static void
add_shortcut (GString *xml, const char *title, const char *accelerator)
{
  g_autofree char *text = g_markup_printf_escaped (
      "<child><object class=\"GtkShortcutsShortcut\"><property name=\"title\">%s</property>"
      "<property name=\"accelerator\">%s</property></object></child>",
      title, accelerator);

  g_string_append (xml, text);
}

static void
add_slice_keys (GString *xml)
{
  static const struct
  {
    const char *accelerator, *title;
  } keys[] = {
    { "Left Right Up Down", N_ ("Move the crosshair") },
    { "Page_Up Page_Down", N_ ("Next or previous slice") },
    { "space", N_ ("Use the tool at the crosshair") },
    { "h", N_ ("Hide the labels while held") },
  };

  open_group (xml, _ ("On a slice"));
  for (gsize k = 0; k < G_N_ELEMENTS (keys); k++)
    add_shortcut (xml, _ (keys[k].title), keys[k].accelerator);
  close_group (xml);
}

static void
add_commands (GString *xml, GListModel *commands)
{
  const char *title = NULL;

  for (guint c = 0; c < g_list_model_get_n_items (commands); c++)
    {
      g_autoptr (UiCommand) command = g_list_model_get_item (commands, c);

      if (*ui_command_get_accelerator (command) == '\0')
        continue;
      if (title == NULL || strcmp (title, ui_command_get_group (command)) != 0)
        {
          if (title != NULL)
            close_group (xml);
          title = ui_command_get_group (command);
          open_group (xml, title);
        }
      add_shortcut (xml, ui_command_get_title (command), ui_command_get_accelerator (command));
    }
  if (title != NULL)
    close_group (xml);
}

void
app_application_show_shortcuts (AppApplication *self)
{
  GtkWindow *parent = GTK_WINDOW (app_session_get_window (app_application_get_session (self)));
  g_autoptr (GtkBuilder) builder = NULL;
  GString *xml = g_string_new ("<interface><object class=\"GtkShortcutsWindow\" id=\"window\">"
                               "<property name=\"modal\">1</property><child>"
                               "<object class=\"GtkShortcutsSection\">"
                               "<property name=\"section-name\">all</property>"
                               "<property name=\"max-height\">12</property>");
  g_autofree char *text = NULL;
  GtkWindow *window;

  add_slice_keys (xml);
  add_commands (xml, app_application_get_commands (self));
  g_string_append (xml, "</object></child></object></interface>");
  text = g_string_free (xml, FALSE);
  builder = gtk_builder_new_from_string (text, -1);
  window = GTK_WINDOW (gtk_builder_get_object (builder, "window"));
  gtk_window_set_transient_for (window, parent);
  gtk_window_present (window);
}
