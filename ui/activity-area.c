/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/activity-area.h"

#include "ui/activity-row.h"

#include <glib/gi18n.h>

struct _UiActivityArea
{
  GtkWidget parent_instance;

  GtkWidget *button, *bar, *label, *list;
  GListModel *jobs;
  GPtrArray *watched; /* jobs whose notify we listen to */
};

enum
{
  PAUSE,
  RESUME,
  CANCEL,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiActivityArea, ui_activity_area, GTK_TYPE_WIDGET)

static void
pause_cb (UiActivityRow *row, UiActivityArea *self)
{
  g_signal_emit (self, signals[PAUSE], 0, ui_activity_row_get_job (row));
}

static void
resume_cb (UiActivityRow *row, UiActivityArea *self)
{
  g_signal_emit (self, signals[RESUME], 0, ui_activity_row_get_job (row));
}

static void
cancel_cb (UiActivityRow *row, UiActivityArea *self)
{
  g_signal_emit (self, signals[CANCEL], 0, ui_activity_row_get_job (row));
}

static GtkWidget *
make_row (gpointer job, gpointer data)
{
  GtkWidget *row = ui_activity_row_new (job);

  g_signal_connect (row, "pause", G_CALLBACK (pause_cb), data);
  g_signal_connect (row, "resume", G_CALLBACK (resume_cb), data);
  g_signal_connect (row, "cancel", G_CALLBACK (cancel_cb), data);
  return row;
}

/* The button tells of the first job that runs, else of the first that waits or is paused. */
static void
summarise (UiActivityArea *self)
{
  g_autofree char *title = NULL, *text = NULL;
  guint n = self->jobs != NULL ? g_list_model_get_n_items (self->jobs) : 0;
  double fraction = 0;
  int best = G_MAXINT;

  for (guint j = 0; j < n; j++)
    {
      g_autoptr (GObject) job = g_list_model_get_item (self->jobs, j);
      int state, order;

      g_object_get (job, "state", &state, NULL);
      order = state == UI_JOB_RUNNING ? 0 : state == UI_JOB_WAITING ? 1 : 2;
      if (state > UI_JOB_PAUSED || order >= best)
        continue;
      best = order;
      g_free (title);
      g_object_get (job, "title", &title, "fraction", &fraction, NULL);
    }
  gtk_widget_set_visible (GTK_WIDGET (self), n > 0);
  gtk_widget_set_visible (self->bar, best != G_MAXINT);
  gtk_progress_bar_set_fraction (GTK_PROGRESS_BAR (self->bar), CLAMP (fraction, 0, 1));
  if (best != G_MAXINT)
    /* Translators: a running job and how far it is */
    text = g_strdup_printf (_ ("%s, %.0f %%"), title, fraction * 100);
  gtk_label_set_text (GTK_LABEL (self->label), text != NULL ? text : _ ("Nothing running"));
}

static void
unwatch (UiActivityArea *self)
{
  for (guint j = 0; j < self->watched->len; j++)
    g_signal_handlers_disconnect_by_data (g_ptr_array_index (self->watched, j), self);
  g_ptr_array_set_size (self->watched, 0);
}

static void
jobs_changed_cb (UiActivityArea *self)
{
  guint n = self->jobs != NULL ? g_list_model_get_n_items (self->jobs) : 0;

  unwatch (self);
  for (guint j = 0; j < n; j++)
    {
      GObject *job = g_list_model_get_item (self->jobs, j);

      g_ptr_array_add (self->watched, job);
      g_signal_connect_swapped (job, "notify", G_CALLBACK (summarise), self);
    }
  summarise (self);
}

static void
ui_activity_area_dispose (GObject *object)
{
  UiActivityArea *self = UI_ACTIVITY_AREA (object);

  if (self->watched != NULL)
    ui_activity_area_set_model (self, NULL);
  g_clear_pointer (&self->watched, g_ptr_array_unref);
  g_clear_pointer (&self->button, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_activity_area_parent_class)->dispose (object);
}

static void
ui_activity_area_class_init (UiActivityAreaClass *klass)
{
  static const char *const names[N_SIGNALS] = { "pause", "resume", "cancel" };

  G_OBJECT_CLASS (klass)->dispose = ui_activity_area_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  for (int s = 0; s < N_SIGNALS; s++)
    signals[s] = g_signal_new (names[s], G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                               NULL, NULL, G_TYPE_NONE, 1, G_TYPE_OBJECT);
}

static void
ui_activity_area_init (UiActivityArea *self)
{
  GtkWidget *line = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 8);
  GtkWidget *popover = gtk_popover_new ();
  GtkWidget *scroller = gtk_scrolled_window_new ();

  self->watched = g_ptr_array_new_with_free_func (g_object_unref);
  self->bar = gtk_progress_bar_new ();
  gtk_widget_set_valign (self->bar, GTK_ALIGN_CENTER);
  gtk_widget_set_size_request (self->bar, 80, -1);
  self->label = gtk_label_new (NULL);
  gtk_label_set_ellipsize (GTK_LABEL (self->label), PANGO_ELLIPSIZE_END);
  gtk_label_set_max_width_chars (GTK_LABEL (self->label), 40);
  gtk_widget_add_css_class (self->label, "caption");
  gtk_box_append (GTK_BOX (line), self->label);
  gtk_box_append (GTK_BOX (line), self->bar);
  self->button = gtk_menu_button_new ();
  gtk_menu_button_set_child (GTK_MENU_BUTTON (self->button), line);
  gtk_menu_button_set_has_frame (GTK_MENU_BUTTON (self->button), FALSE);
  gtk_menu_button_set_direction (GTK_MENU_BUTTON (self->button), GTK_ARROW_UP);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->button), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Activity"), -1);
  self->list = gtk_list_box_new ();
  gtk_list_box_set_selection_mode (GTK_LIST_BOX (self->list), GTK_SELECTION_NONE);
  gtk_widget_add_css_class (self->list, "activity-list");
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_propagate_natural_height (GTK_SCROLLED_WINDOW (scroller), TRUE);
  gtk_scrolled_window_set_max_content_height (GTK_SCROLLED_WINDOW (scroller), 360);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), self->list);
  gtk_widget_set_size_request (scroller, 340, -1);
  gtk_popover_set_child (GTK_POPOVER (popover), scroller);
  gtk_menu_button_set_popover (GTK_MENU_BUTTON (self->button), popover);
  gtk_widget_set_parent (self->button, GTK_WIDGET (self));
  gtk_widget_set_visible (GTK_WIDGET (self), FALSE);
}

GtkWidget *
ui_activity_area_new (void)
{
  return g_object_new (UI_TYPE_ACTIVITY_AREA, NULL);
}

void
ui_activity_area_set_model (UiActivityArea *self, GListModel *jobs)
{
  if (self->jobs != NULL)
    g_signal_handlers_disconnect_by_data (self->jobs, self);
  unwatch (self);
  gtk_list_box_bind_model (GTK_LIST_BOX (self->list), jobs, jobs != NULL ? make_row : NULL, self,
                           NULL);
  g_set_object (&self->jobs, jobs);
  if (jobs != NULL)
    g_signal_connect_swapped (jobs, "items-changed", G_CALLBACK (jobs_changed_cb), self);
  jobs_changed_cb (self);
}
