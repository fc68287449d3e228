/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/application.h"

#include "app/engine.h"
#include "app/generalists.h"
#include "app/settings.h"
#include "seg/tensor/context.h"
#include "ui/command.h"
#include "ui/preferences-window.h"

#include <glib/gi18n.h>
#include <string.h>

/* The generalists: the folder is looked through by a worker thread; how long one will take follows
 * from this machine's measured speed, which the engine thread knows. */

typedef struct
{
  UiPreferencesWindow *window; /* strong */
  char *add; /* nullable: to be taken into the folder first */
  char *added;
  char *remove; /* nullable: to be deleted from it first */
  double gflops; /* 0: not known */
  guint serial; /* what was looked at before is not shown any more */
} Looking;

#define SERIAL "crosslabel-look-serial"
#define MEASURING "crosslabel-measuring"

static void
looking_free (gpointer data)
{
  Looking *self = data;

  g_object_unref (self->window);
  g_free (self->add);
  g_free (self->added);
  g_free (self->remove);
  g_free (self);
}

static char *
describe (const AppGeneralist *one, double gflops)
{
  g_autofree char *size = g_format_size (one->size_bytes);
  GString *text = g_string_new (NULL);

  if (one->problem != NULL)
    {
      g_string_append (text, one->problem);
      return g_string_free (text, FALSE);
    }
  g_string_append_printf (text, "%s · SHA-256 %.12s…", size, one->sha256);
  if (one->official)
    g_string_append_printf (text, " · %s · %s", _ ("the official file"), one->licence);
  if (gflops > 0 && one->gflop > 0)
    {
      g_string_append (text, "\n");
      /* Encoders reach about three quarters of the machine's measured peak. */
      g_string_append_printf (text, _ ("About %.1f s for a new slice on this machine"),
                              one->gflop / (0.75 * gflops));
    }
  return g_string_free (text, FALSE);
}

static void
show_generalists (UiPreferencesWindow *window, GPtrArray *list, double gflops)
{
  g_autofree char *now = g_settings_get_string (app_settings_get_default (), "generalist");
  g_autofree UiGeneralistChoice *choices = g_new0 (UiGeneralistChoice, list->len + 2);
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  gboolean found = *now == '\0';
  guint n = 0;

  choices[n++] =
      (UiGeneralistChoice){ "", _ ("Built-in"), _ ("At once, on any machine"), TRUE, found, FALSE };
  for (guint g = 0; g < list->len; g++)
    {
      const AppGeneralist *one = g_ptr_array_index (list, g);
      char *base = g_path_get_basename (one->path);
      char *name =
          one->problem == NULL ? g_strdup_printf ("%s (%s)", one->name, base) : g_strdup (base);
      char *detail = describe (one, gflops);
      const gboolean chosen = strcmp (one->path, now) == 0;

      g_ptr_array_add (texts, base);
      g_ptr_array_add (texts, name);
      g_ptr_array_add (texts, detail);
      found |= chosen;
      choices[n++] =
          (UiGeneralistChoice){ one->path, name, detail, one->problem == NULL, chosen, TRUE };
    }
  /* A file elsewhere, chosen before the folder was. */
  if (!found)
    choices[n++] = (UiGeneralistChoice){ now, now, NULL, TRUE, TRUE, FALSE };
  ui_preferences_window_set_generalists (window, choices, n);
}

static void
look_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Looking *looking = data;
  g_autofree char *folder = app_generalists_get_folder ();
  GError *error = NULL;

  if (looking->add != NULL
      && (looking->added = app_generalists_add (folder, looking->add, &error)) == NULL)
    g_task_return_error (task, error);
  else if (looking->remove != NULL && !app_generalists_remove (folder, looking->remove, &error))
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, app_generalists_list (folder), (GDestroyNotify) g_ptr_array_unref);
}

static void measure (UiPreferencesWindow *window);

/* The machine is measured, once, where there is an encoder whose time can be told. */
static gboolean
wants_speed (GPtrArray *list)
{
  for (guint g = 0; g < list->len; g++)
    if (((const AppGeneralist *) g_ptr_array_index (list, g))->gflop > 0)
      return TRUE;
  return FALSE;
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Looking *looking = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list = g_task_propagate_pointer (G_TASK (result), &error);

  if (list == NULL)
    {
      ui_preferences_window_tell (looking->window, error->message);
      return;
    }
  if (looking->added == NULL
      && looking->serial
             != GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (looking->window), SERIAL)))
    return;
  if (looking->added != NULL)
    g_settings_set_string (app_settings_get_default (), "generalist", looking->added);
  show_generalists (looking->window, list, looking->gflops);
  if (wants_speed (list) && g_object_get_data (G_OBJECT (looking->window), MEASURING) == NULL)
    {
      g_object_set_data (G_OBJECT (looking->window), MEASURING, looking->window);
      measure (looking->window);
    }
}

static void
look (UiPreferencesWindow *window, const char *add, const char *remove)
{
  g_autoptr (GTask) task = g_task_new (window, NULL, looked_cb, NULL);
  Looking *looking = g_new0 (Looking, 1);
  const double *gflops = g_object_get_data (G_OBJECT (window), "gflops");

  looking->window = g_object_ref (window);
  looking->serial = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (window), SERIAL)) + 1;
  g_object_set_data (G_OBJECT (window), SERIAL, GUINT_TO_POINTER (looking->serial));
  looking->add = g_strdup (add);
  looking->remove = g_strdup (remove);
  looking->gflops = gflops != NULL ? *gflops : 0;
  g_task_set_task_data (task, looking, looking_free);
  g_task_run_in_thread (task, look_thread);
}

typedef struct
{
  GWeakRef window;
  double gflops;
} Measuring;

static void
measuring_free (gpointer data)
{
  Measuring *self = data;

  g_weak_ref_clear (&self->window);
  g_free (self);
}

static gboolean
measure_run (AppJob *job, gpointer data, GError **error)
{
  Measuring *self = data;
  SegDevice *device = app_engine_get_device (error);

  if (device != NULL)
    self->gflops = seg_device_get_peak_gflops (device, SEG_DTYPE_F32);
  return device != NULL;
}

static void
measured_cb (AppJob *job, gpointer data, const GError *error)
{
  Measuring *self = data;
  g_autoptr (UiPreferencesWindow) window = g_weak_ref_get (&self->window);

  if (window == NULL || error != NULL)
    return;
  g_object_set_data_full (G_OBJECT (window), "gflops", g_memdup2 (&self->gflops, sizeof (double)),
                          g_free);
  look (window, NULL, NULL);
}

static void
measure (UiPreferencesWindow *window)
{
  Measuring *measuring = g_new0 (Measuring, 1);

  g_weak_ref_init (&measuring->window, window);
  g_object_unref (app_engine_submit (app_engine_get_default (),
                                     &(AppJobParams){ .kind = APP_JOB_EMBEDDING,
                                                      .title = _ ("Measuring this machine"),
                                                      .run = measure_run,
                                                      .done = measured_cb,
                                                      .data = measuring,
                                                      .destroy = measuring_free }));
}

static void
generalist_file_cb (UiPreferencesWindow *window, GFile *file, gpointer data)
{
  g_autofree char *path = file != NULL ? g_file_get_path (file) : NULL;

  if (path != NULL)
    look (window, path, NULL);
}

/* Chosen here, or back to the one before since the choice could not be opened. */
static void
refresh_cb (UiPreferencesWindow *window)
{
  look (window, NULL, NULL);
}

static void
generalist_chosen_cb (UiPreferencesWindow *window, const char *path, gpointer data)
{
  g_settings_set_string (app_settings_get_default (), "generalist", path);
}

/* The choice goes first: nothing opens a file that is about to go. */
static void
generalist_removed_cb (UiPreferencesWindow *window, const char *path, gpointer data)
{
  GSettings *settings = app_settings_get_default ();
  g_autofree char *now = g_settings_get_string (settings, "generalist");

  if (strcmp (now, path) == 0)
    g_settings_set_string (settings, "generalist", "");
  look (window, NULL, path);
}

static void
add_sources (UiPreferencesWindow *window)
{
  for (const AppGeneralistSource *s = app_generalists_get_sources (); s->name != NULL; s++)
    {
      g_autofree char *size = g_format_size_full (s->size_bytes, G_FORMAT_SIZE_LONG_FORMAT);
      g_autofree char *detail =
          s->sha256 != NULL
              ? g_strdup_printf ("%s\n%s · %s\nSHA-256 %s", s->address, size, s->licence, s->sha256)
              : g_strdup_printf ("%s · %s", s->address, s->licence);

      ui_preferences_window_add_source (window, s->name, detail);
    }
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

  g_signal_connect (window, "generalist-file", G_CALLBACK (generalist_file_cb), NULL);
  g_signal_connect (window, "generalist-chosen", G_CALLBACK (generalist_chosen_cb), NULL);
  g_signal_connect (window, "generalist-removed", G_CALLBACK (generalist_removed_cb), NULL);
  g_signal_connect_object (settings, "changed::generalist", G_CALLBACK (refresh_cb), window,
                           G_CONNECT_SWAPPED);
  add_sources (window);
  look (window, NULL, NULL);
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
