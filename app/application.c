/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"
#include "app/engine-prompter.h"
#include "app/heartbeat.h"
#include "app/settings.h"
#include "app/verbs.h"
#include "ui/command.h"
#include "ui/render-paintable.h"

#include <glib/gi18n.h>
#include <libintl.h>
#include <locale.h>
#include <stdlib.h>

struct _AppApplication
{
  AdwApplication parent_instance;

  AppSession *session;
  gboolean is_leaving; /* the window goes when the project is closed */
  GListModel *commands;
  RenderDevice *device;
  char *device_error;
  AppEnginePrompter *prompter;
  char *generalist; /* the choice at work: the setting's value */
};

G_DEFINE_FINAL_TYPE (AppApplication, app_application, ADW_TYPE_APPLICATION)

/* Settings */

static void
theme_changed_cb (GSettings *settings)
{
  g_autofree char *theme = g_settings_get_string (settings, "theme");
  AdwColorScheme scheme = g_str_equal (theme, "dark")    ? ADW_COLOR_SCHEME_FORCE_DARK
                          : g_str_equal (theme, "light") ? ADW_COLOR_SCHEME_FORCE_LIGHT
                                                         : ADW_COLOR_SCHEME_DEFAULT;

  adw_style_manager_set_color_scheme (adw_style_manager_get_default (), scheme);
}

/* Each command goes to its key at once: the preferences write down every key that changes, and
 * would take a default on the way for a wish. */
static void
apply_keys (AppApplication *self)
{
  g_autoptr (GVariant) changed = g_settings_get_value (app_settings_get_default (), "shortcuts");
  guint n = g_list_model_get_n_items (self->commands);

  for (guint c = 0; c < n; c++)
    {
      g_autoptr (UiCommand) command = g_list_model_get_item (self->commands, c);
      const char *accelerator = ui_command_get_default (command);

      g_variant_lookup (changed, ui_command_get_action (command), "&s", &accelerator);
      ui_command_set_accelerator (command, accelerator);
    }
  if (self->session != NULL && app_session_get_window (self->session) != NULL)
    ui_window_set_commands (app_session_get_window (self->session), self->commands);
}

static void
apply_mouse (AppApplication *self)
{
  g_autofree char *nick = g_settings_get_string (app_settings_get_default (), "mouse-profile");
  UiMouseProfile profile;

  if (self->session != NULL && ui_mouse_profile_from_nick (nick, &profile))
    g_object_set (app_session_get_state (self->session), "mouse-profile", (int) profile, NULL);
}

/* The engine's device is opened once: what is chosen in the preferences holds from the next start.
 */
static void
prefer_backend (GSettings *settings)
{
  g_autofree char *backend = g_settings_get_string (settings, "backend");

  app_engine_prefer_backend (backend);
}

/* The generalist */

static char *
generalist_path (void)
{
  g_autofree char *path = g_settings_get_string (app_settings_get_default (), "generalist");

  return *path != '\0' ? g_steal_pointer (&path) : NULL;
}

static void
open_prompter (AppApplication *self)
{
  g_autofree char *path = generalist_path ();
  g_autofree char *cache =
      g_build_filename (g_get_user_cache_dir (), "crosslabel", "embeddings", NULL);
  const int mib = g_settings_get_int (app_settings_get_default (), "embedding-cache-mib");
  const guint64 budget = (guint64) mib << 20;

  if (self->generalist == NULL)
    self->generalist = g_strdup (path != NULL ? path : "");
  if (self->prompter == NULL)
    self->prompter = app_engine_prompter_new (app_engine_get_default (), path, cache, budget);
  app_session_set_prompter (self->session, APP_PROMPTER (self->prompter));
}

static void
generalist_used_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (AppApplication) self = data;
  g_autoptr (GError) error = NULL;

  if (app_engine_prompter_use_finish (APP_ENGINE_PROMPTER (source), result, &error))
    {
      g_free (self->generalist);
      self->generalist = g_settings_get_string (app_settings_get_default (), "generalist");
      return;
    }
  if (self->session != NULL && app_session_get_window (self->session) != NULL)
    ui_window_set_notice (app_session_get_window (self->session), error->message);
  /* The one before stays: in the engine, and as the choice. */
  g_settings_set_string (app_settings_get_default (), "generalist",
                         self->generalist != NULL ? self->generalist : "");
}

static void
generalist_changed_cb (AppApplication *self)
{
  g_autofree char *path = generalist_path ();

  if (self->prompter != NULL && g_strcmp0 (path != NULL ? path : "", self->generalist) != 0)
    app_engine_prompter_use_async (self->prompter, path, NULL, generalist_used_cb,
                                   g_object_ref (self));
}

/* Jobs of the engine */

static void
pause_cb (UiActivityArea *activity, GObject *job)
{
  app_job_pause (APP_JOB (job));
}

static void
resume_cb (UiActivityArea *activity, GObject *job)
{
  app_job_resume (APP_JOB (job));
}

static void
cancel_cb (UiActivityArea *activity, GObject *job)
{
  app_job_cancel (APP_JOB (job));
}

static void
show_jobs (AppApplication *self, UiWindow *window)
{
  UiActivityArea *activity = ui_window_get_activity (window);

  ui_activity_area_set_model (activity, app_engine_get_jobs (app_engine_get_default ()));
  g_signal_connect (activity, "pause", G_CALLBACK (pause_cb), NULL);
  g_signal_connect (activity, "resume", G_CALLBACK (resume_cb), NULL);
  g_signal_connect (activity, "cancel", G_CALLBACK (cancel_cb), NULL);
}

/* The window */

/* Where no graphics hardware draws the scans, none draws the window either. OpenGL in software
 * paints all of a window again for each frame (95 ms on two cores at 1880 × 1460); cairo only what
 * changed. GTK looks at the environment when the first window comes up. */
static void
choose_window_renderer (RenderDevice *device)
{
  if (device == NULL || render_device_get_info (device)->is_software)
    g_setenv ("GSK_RENDERER", "cairo", FALSE);
}

static void
open_device (AppApplication *self)
{
  GSettings *settings = app_settings_get_default ();
  g_autofree char *name = g_settings_get_string (settings, "render-device");
  g_autofree char *cache = g_build_filename (g_get_user_cache_dir (), "crosslabel", NULL);
  g_autoptr (GError) error = NULL;

  self->device = render_device_new (&(RenderDeviceParams){ .name = *name != '\0' ? name : NULL,
                                                           .cache_dir = cache,
                                                           .pixel_order = RENDER_PIXEL_ORDER_BGRA },
                                    &error);
  if (self->device == NULL)
    self->device_error = g_strdup (error->message);
  choose_window_renderer (self->device);
  if (self->device != NULL)
    {
      g_autofree char *how = ui_render_paintable_agree (self->device, gdk_display_get_default ());

      g_debug ("%s", how);
    }
}

static void
project_closed_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  *(gboolean *) data = TRUE;
}

/* There is no window any more that could stand still. */
static void
close_project_now (AppApplication *self)
{
  gboolean is_closed = FALSE;

  if (self->session == NULL || !app_session_has_project (self->session))
    return;
  app_session_close_project_async (self->session, project_closed_cb, &is_closed);
  while (!is_closed)
    g_main_context_iteration (NULL, TRUE);
}

static void
window_may_go_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GtkWindow) window = data;

  app_session_close_project_finish (APP_SESSION (source), result);
  gtk_window_destroy (window);
}

/* The window stays, and says what it waits for, until a round is paused and all is committed. */
static gboolean
close_request_cb (GtkWindow *window, AppApplication *self)
{
  GSettings *settings = app_settings_get_default ();
  int width, height;

  gtk_window_get_default_size (window, &width, &height);
  g_settings_set (settings, "window-size", "(ii)", width, height);
  g_settings_set_boolean (settings, "window-maximized", gtk_window_is_maximized (window));
  if (!app_session_has_project (self->session))
    return GDK_EVENT_PROPAGATE;
  if (!self->is_leaving)
    app_session_close_project_async (self->session, window_may_go_cb, g_object_ref (window));
  self->is_leaving = TRUE;
  return GDK_EVENT_STOP;
}

static void
window_gone_cb (AppApplication *self)
{
  self->is_leaving = FALSE;
  close_project_now (self);
  g_clear_object (&self->session);
}

static void
update_recent (AppApplication *self)
{
  g_auto (GStrv) recent = app_settings_get_recent ();

  ui_welcome_page_set_recent (ui_window_get_welcome (app_session_get_window (self->session)),
                              (const char *const *) recent);
}

static void
dropped_cb (AppApplication *self, GListModel *files)
{
  app_application_new_project (self, files);
}

static void
make_window (AppApplication *self)
{
  GSettings *settings = app_settings_get_default ();
  UiWindow *window = ui_window_new (GTK_APPLICATION (self));
  int width, height;

  if (self->device == NULL && self->device_error == NULL)
    open_device (self);
  ui_view_state_set_device (ui_window_get_state (window), self->device);
  self->session = app_session_new (window);
  app_window_actions_add (self->session);
  open_prompter (self);
  show_jobs (self, window);
  g_settings_get (settings, "window-size", "(ii)", &width, &height);
  gtk_window_set_default_size (GTK_WINDOW (window), CLAMP (width, 640, 8192),
                               CLAMP (height, 480, 8192));
  if (g_settings_get_boolean (settings, "window-maximized"))
    gtk_window_maximize (GTK_WINDOW (window));
  apply_keys (self);
  apply_mouse (self);
  g_settings_bind (settings, "neurological", ui_window_get_state (window), "neurological",
                   G_SETTINGS_BIND_DEFAULT);
  update_recent (self);
  g_signal_connect_object (self->session, "project-changed", G_CALLBACK (update_recent), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (ui_window_get_welcome (window), "dropped", G_CALLBACK (dropped_cb), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (window, "close-request", G_CALLBACK (close_request_cb), self, 0);
  g_signal_connect_object (window, "destroy", G_CALLBACK (window_gone_cb), self, G_CONNECT_SWAPPED);
  if (self->device_error != NULL)
    {
      g_autofree char *text = g_strdup_printf (
          _ ("Scans cannot be drawn: %s. “crosslabel doctor” says what is missing."),
          self->device_error);

      ui_window_set_notice (window, text);
    }
}

AppSession *
app_application_get_session (AppApplication *self)
{
  if (self->session == NULL)
    make_window (self);
  return self->session;
}

GListModel *
app_application_get_commands (AppApplication *self)
{
  return self->commands;
}

/* GApplication */

static void
app_application_startup (GApplication *application)
{
  AppApplication *self = APP_APPLICATION (application);
  GSettings *settings = app_settings_get_default ();

  G_APPLICATION_CLASS (app_application_parent_class)->startup (application);
  ui_init ();
  self->commands = ui_commands_new ();
  prefer_backend (settings);
  app_application_add_dialogs (self);
  g_signal_connect (settings, "changed::theme", G_CALLBACK (theme_changed_cb), NULL);
  g_signal_connect_object (settings, "changed::shortcuts", G_CALLBACK (apply_keys), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (settings, "changed::mouse-profile", G_CALLBACK (apply_mouse), self,
                           G_CONNECT_SWAPPED);
  g_signal_connect_object (settings, "changed::generalist", G_CALLBACK (generalist_changed_cb),
                           self, G_CONNECT_SWAPPED);
  theme_changed_cb (settings);
  app_heartbeat_start ();
}

static void
app_application_activate (GApplication *application)
{
  AppSession *session = app_application_get_session (APP_APPLICATION (application));

  gtk_window_present (GTK_WINDOW (app_session_get_window (session)));
}

static void
app_application_open (GApplication *application, GFile **files, int n_files, const char *hint)
{
  AppSession *session = app_application_get_session (APP_APPLICATION (application));
  g_autofree char *path = n_files > 0 ? g_file_get_path (files[0]) : NULL;

  gtk_window_present (GTK_WINDOW (app_session_get_window (session)));
  if (path != NULL)
    app_session_open_project (session, path);
}

static void
app_application_shutdown (GApplication *application)
{
  AppApplication *self = APP_APPLICATION (application);
  GSettings *settings = app_settings_get_default ();

  app_heartbeat_stop ();
  close_project_now (self);
  g_signal_handlers_disconnect_by_func (settings, theme_changed_cb, NULL);
  g_settings_sync ();
  G_APPLICATION_CLASS (app_application_parent_class)->shutdown (application);
  g_clear_object (&self->session);
  g_clear_object (&self->commands);
  g_clear_object (&self->prompter);
  g_clear_pointer (&self->generalist, g_free);
  app_engine_shutdown (app_engine_get_default ());
  g_clear_pointer (&self->device, render_device_unref);
  g_clear_pointer (&self->device_error, g_free);
  app_settings_forget ();
}

static void
app_application_class_init (AppApplicationClass *klass)
{
  GApplicationClass *application_class = G_APPLICATION_CLASS (klass);

  application_class->startup = app_application_startup;
  application_class->activate = app_application_activate;
  application_class->open = app_application_open;
  application_class->shutdown = app_application_shutdown;
}

static void
app_application_init (AppApplication *self)
{
}

AppApplication *
app_application_new (void)
{
  /* Each start is a window of its own: a second one on the same project is told who has it. */
  return g_object_new (APP_TYPE_APPLICATION, "application-id", APPLICATION_ID, "flags",
                       G_APPLICATION_HANDLES_OPEN | G_APPLICATION_NON_UNIQUE, "resource-base-path",
                       "/io/github/crosslabel/Crosslabel", NULL);
}

static void
choose_language (void)
{
  g_autofree char *language = NULL;

  language = g_settings_get_string (app_settings_get_default (), "language");
  if (*language != '\0')
    g_setenv ("LANGUAGE", language, TRUE);
  setlocale (LC_ALL, "");
  /* Files and labels are written with points, whatever the language. */
  setlocale (LC_NUMERIC, "C");
  bindtextdomain (GETTEXT_PACKAGE, g_file_test (LOCALEDIR "/de/LC_MESSAGES/" GETTEXT_PACKAGE ".mo",
                                                G_FILE_TEST_EXISTS)
                                       ? LOCALEDIR
                                       : BUILD_LOCALEDIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
}

int
app_application_main (int argc, char **argv)
{
  g_autoptr (AppApplication) application = NULL;

  if (app_settings_get_default () == NULL)
    return app_usage ("the settings schema " APPLICATION_ID " is not installed");
  choose_language ();
  /* GTK changes the locale again unless told. */
  gtk_disable_setlocale ();
  if (!gtk_init_check ())
    {
      g_printerr ("crosslabel: there is no display to open a window on; see “crosslabel --help” "
                  "for what works without one\n");
      return APP_EXIT_FAILURE;
    }
  /* For tests: right to left without a right-to-left translation. */
  if (g_strcmp0 (g_getenv ("CROSSLABEL_DIRECTION"), "rtl") == 0)
    gtk_widget_set_default_direction (GTK_TEXT_DIR_RTL);
  application = app_application_new ();
  return g_application_run (G_APPLICATION (application), argc, argv);
}
