/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/activity-row.h"

#include <glib/gi18n.h>
#include <math.h>

struct _UiActivityRow
{
  GtkWidget parent_instance;

  GtkWidget *grid, *title, *detail, *bar, *pause, *cancel;
  GObject *job;
};

enum
{
  PAUSE,
  RESUME,
  CANCEL,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiActivityRow, ui_activity_row, GTK_TYPE_WIDGET)

char *
ui_activity_format_left (double seconds)
{
  if (!isfinite (seconds) || seconds < 0)
    return NULL;
  if (seconds < 60)
    return g_strdup_printf (
        g_dngettext (NULL, "%d second left", "%d seconds left", (gulong) ceil (seconds)),
        (int) ceil (seconds));
  if (seconds < 5400)
    return g_strdup_printf (
        g_dngettext (NULL, "%d minute left", "%d minutes left", (gulong) ceil (seconds / 60)),
        (int) ceil (seconds / 60));
  return g_strdup_printf (_ ("%.1f hours left"), seconds / 3600);
}

static gboolean
has_property (GObject *object, const char *name)
{
  return g_object_class_find_property (G_OBJECT_GET_CLASS (object), name) != NULL;
}

static const char *
state_text (UiJobState state)
{
  switch (state)
    {
    case UI_JOB_WAITING:
      return _ ("Waiting");
    case UI_JOB_PAUSED:
      return _ ("Paused");
    case UI_JOB_DONE:
      return _ ("Done");
    case UI_JOB_FAILED:
      return _ ("Failed");
    case UI_JOB_CANCELLED:
      return _ ("Cancelled");
    default:
      return NULL;
    }
}

static void
refresh (UiActivityRow *self)
{
  g_autofree char *title = NULL, *message = NULL, *left = NULL, *text = NULL;
  double fraction = 0, seconds_left = -1;
  gboolean pausable = TRUE;
  int state = 0;
  GString *detail = g_string_new (NULL);

  g_object_get (self->job, "title", &title, "state", &state, "fraction", &fraction, "message",
                &message, NULL);
  if (has_property (self->job, "seconds-left"))
    g_object_get (self->job, "seconds-left", &seconds_left, NULL);
  if (has_property (self->job, "pausable"))
    g_object_get (self->job, "pausable", &pausable, NULL);
  left = state == UI_JOB_RUNNING ? ui_activity_format_left (seconds_left) : NULL;
  if (state_text (state) != NULL)
    g_string_append (detail, state_text (state));
  if (message != NULL && *message != '\0')
    g_string_append_printf (detail, "%s%s", detail->len > 0 ? " — " : "", message);
  if (left != NULL)
    g_string_append_printf (detail, "%s%s", detail->len > 0 ? " — " : "", left);
  text = g_string_free (detail, FALSE);
  gtk_label_set_text (GTK_LABEL (self->title), title != NULL ? title : "");
  gtk_label_set_text (GTK_LABEL (self->detail), text);
  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (self->bar), CLAMP (fraction, 0, 1));
  gtk_widget_set_visible (self->bar, state <= UI_JOB_PAUSED);
  gtk_widget_set_visible (self->pause,
                          pausable && (state == UI_JOB_RUNNING || state == UI_JOB_PAUSED));
  gtk_button_set_icon_name (GTK_BUTTON (self->pause), state == UI_JOB_PAUSED
                                                          ? "media-playback-start-symbolic"
                                                          : "media-playback-pause-symbolic");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->pause), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  state == UI_JOB_PAUSED ? _ ("Resume") : _ ("Pause"), -1);
  gtk_widget_set_visible (self->cancel, state <= UI_JOB_PAUSED);
}

static void
pause_cb (UiActivityRow *self)
{
  int state;

  g_object_get (self->job, "state", &state, NULL);
  g_signal_emit (self, signals[state == UI_JOB_PAUSED ? RESUME : PAUSE], 0);
}

static void
cancel_cb (UiActivityRow *self)
{
  g_signal_emit (self, signals[CANCEL], 0);
}

static void
ui_activity_row_dispose (GObject *object)
{
  UiActivityRow *self = UI_ACTIVITY_ROW (object);

  if (self->job != NULL)
    g_signal_handlers_disconnect_by_data (self->job, self);
  g_clear_object (&self->job);
  g_clear_pointer (&self->grid, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_activity_row_parent_class)->dispose (object);
}

static void
ui_activity_row_class_init (UiActivityRowClass *klass)
{
  static const char *const names[N_SIGNALS] = { "pause", "resume", "cancel" };

  G_OBJECT_CLASS (klass)->dispose = ui_activity_row_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  for (int s = 0; s < N_SIGNALS; s++)
    signals[s] = g_signal_new (names[s], G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                               NULL, NULL, G_TYPE_NONE, 0);
}

static void
ui_activity_row_init (UiActivityRow *self)
{
  self->grid = gtk_grid_new ();
  gtk_grid_set_column_spacing (GTK_GRID (self->grid), 6);
  gtk_widget_set_parent (self->grid, GTK_WIDGET (self));
  self->title = gtk_label_new (NULL);
  self->detail = gtk_label_new (NULL);
  self->bar = gtk_progress_bar_new ();
  self->pause = gtk_button_new ();
  self->cancel = gtk_button_new_from_icon_name ("process-stop-symbolic");
  gtk_label_set_xalign (GTK_LABEL (self->title), 0);
  gtk_label_set_xalign (GTK_LABEL (self->detail), 0);
  gtk_label_set_wrap (GTK_LABEL (self->detail), TRUE);
  gtk_label_set_max_width_chars (GTK_LABEL (self->detail), 40);
  gtk_widget_add_css_class (self->detail, "caption");
  gtk_widget_set_hexpand (self->title, TRUE);
  gtk_widget_set_valign (self->pause, GTK_ALIGN_CENTER);
  gtk_widget_set_valign (self->cancel, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (self->pause, "flat");
  gtk_widget_add_css_class (self->cancel, "flat");
  gtk_widget_set_tooltip_text (self->cancel, _ ("Cancel"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->cancel), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Cancel"), -1);
  gtk_grid_attach (GTK_GRID (self->grid), self->title, 0, 0, 1, 1);
  gtk_grid_attach (GTK_GRID (self->grid), self->bar, 0, 1, 1, 1);
  gtk_grid_attach (GTK_GRID (self->grid), self->detail, 0, 2, 1, 1);
  gtk_grid_attach (GTK_GRID (self->grid), self->pause, 1, 0, 1, 3);
  gtk_grid_attach (GTK_GRID (self->grid), self->cancel, 2, 0, 1, 3);
  g_signal_connect_swapped (self->pause, "clicked", G_CALLBACK (pause_cb), self);
  g_signal_connect_swapped (self->cancel, "clicked", G_CALLBACK (cancel_cb), self);
}

GtkWidget *
ui_activity_row_new (GObject *job)
{
  UiActivityRow *self = g_object_new (UI_TYPE_ACTIVITY_ROW, NULL);

  self->job = g_object_ref (job);
  g_signal_connect_swapped (job, "notify", G_CALLBACK (refresh), self);
  refresh (self);
  return GTK_WIDGET (self);
}

GObject *
ui_activity_row_get_job (UiActivityRow *self)
{
  return self->job;
}
