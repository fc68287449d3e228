/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/statistics-window.h"

#include <glib/gi18n.h>

struct _UiStatisticsWindow
{
  AdwWindow parent_instance;

  GtkWidget *project, *labels;
};

G_DEFINE_FINAL_TYPE (UiStatisticsWindow, ui_statistics_window, ADW_TYPE_WINDOW)

static void
ui_statistics_window_class_init (UiStatisticsWindowClass *klass)
{
  gtk_widget_class_add_binding_action (GTK_WIDGET_CLASS (klass), GDK_KEY_Escape, 0, "window.close",
                                       NULL);
}

static void
ui_statistics_window_init (UiStatisticsWindow *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  GtkWidget *page = adw_preferences_page_new ();

  gtk_window_set_title (GTK_WINDOW (self), _ ("Statistics"));
  gtk_window_set_default_size (GTK_WINDOW (self), 460, 720);
  gtk_window_set_modal (GTK_WINDOW (self), TRUE);
  gtk_box_append (GTK_BOX (box), adw_header_bar_new ());
  gtk_widget_set_vexpand (page, TRUE);
  self->project = adw_preferences_group_new ();
  adw_preferences_group_set_title (ADW_PREFERENCES_GROUP (self->project), _ ("Project"));
  self->labels = adw_preferences_group_new ();
  adw_preferences_group_set_title (ADW_PREFERENCES_GROUP (self->labels), _ ("Labels of this Case"));
  gtk_widget_set_visible (self->labels, FALSE);
  adw_preferences_page_add (ADW_PREFERENCES_PAGE (page), ADW_PREFERENCES_GROUP (self->project));
  adw_preferences_page_add (ADW_PREFERENCES_PAGE (page), ADW_PREFERENCES_GROUP (self->labels));
  gtk_box_append (GTK_BOX (box), page);
  adw_window_set_content (ADW_WINDOW (self), box);
}

UiStatisticsWindow *
ui_statistics_window_new (GtkWindow *parent)
{
  return g_object_new (UI_TYPE_STATISTICS_WINDOW, "transient-for", parent, NULL);
}

static void
add_row (GtkWidget *group, const char *title, const char *value)
{
  GtkWidget *row = adw_action_row_new ();
  GtkWidget *label = gtk_label_new (value);
  g_autofree char *escaped = g_markup_escape_text (title, -1);

  adw_preferences_row_set_title (ADW_PREFERENCES_ROW (row), escaped);
  gtk_widget_add_css_class (label, "numeric");
  gtk_label_set_selectable (GTK_LABEL (label), TRUE);
  adw_action_row_add_suffix (ADW_ACTION_ROW (row), label);
  adw_preferences_group_add (ADW_PREFERENCES_GROUP (group), row);
}

static void
add_number (GtkWidget *group, const char *title, gint64 number)
{
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, number);

  add_row (group, title, text);
}

void
ui_statistics_window_set_project (UiStatisticsWindow *self, const UiStatistics *numbers)
{
  g_autofree char *done = g_strdup_printf (_ ("%d of %d"), numbers->n_done, numbers->n_cases);
  g_autofree char *minutes = g_strdup_printf (_ ("%.1f min"), numbers->seconds / 60);
  g_autofree char *each = numbers->n_signed > 0
                              ? g_strdup_printf (_ ("%.0f s"), numbers->seconds / numbers->n_signed)
                              : g_strdup ("–");

  add_row (self->project, _ ("Cases done"), done);
  add_number (self->project, _ ("Validation scans"), numbers->n_validation);
  add_number (self->project, _ ("Slices signed"), numbers->n_signed);
  add_number (self->project, _ ("Edits in the history"), numbers->n_edits);
  add_row (self->project, _ ("Time spent labelling"), minutes);
  add_row (self->project, _ ("Time for each signed slice"), each);
}

void
ui_statistics_window_add_label (UiStatisticsWindow *self, const char *name, const char *colour,
                                gsize n_voxels, double ml)
{
  g_autofree char *text = g_strdup_printf (
      g_dngettext (NULL, "%d voxel, %.3f ml", "%d voxels, %.3f ml", (gulong) n_voxels),
      (int) n_voxels, ml);

  gtk_widget_set_visible (self->labels, TRUE);
  add_row (self->labels, name, text);
}
