/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

#include "app/settings.h"
#include "ui/command.h"
#include "ui/preferences-window.h"

#include <glib/gi18n.h>

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

static void
show (AppApplication *self, const char *page)
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
  if (page != NULL)
    adw_preferences_window_set_visible_page_name (ADW_PREFERENCES_WINDOW (window), page);
  gtk_window_present (GTK_WINDOW (window));
}

void
app_application_show_preferences (AppApplication *self)
{
  show (self, NULL);
}

void
app_application_show_shortcuts (AppApplication *self)
{
  show (self, "keys");
}
