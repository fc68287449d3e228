/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/view-grid.h"

struct _UiViewGrid
{
  GtkWidget parent_instance;

  UiViewState *state;
  GtkWidget *grid;
  GtkWidget *panes[UI_N_PANES];
};

enum
{
  GESTURE,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiViewGrid, ui_view_grid, GTK_TYPE_WIDGET)

static void
gesture_cb (UiViewGrid *self, gpointer gesture)
{
  g_signal_emit (self, signals[GESTURE], 0, gesture);
}

static void
maximised_cb (UiViewGrid *self)
{
  int maximised;

  g_object_get (self->state, "maximised", &maximised, NULL);
  for (int p = 0; p < UI_N_PANES; p++)
    gtk_widget_set_visible (self->panes[p], maximised == UI_PANE_NONE || maximised == p);
}

static void
ui_view_grid_dispose (GObject *object)
{
  UiViewGrid *self = UI_VIEW_GRID (object);

  if (self->state != NULL)
    g_signal_handlers_disconnect_by_data (self->state, self);
  g_clear_object (&self->state);
  g_clear_pointer (&self->grid, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_view_grid_parent_class)->dispose (object);
}

static void
ui_view_grid_class_init (UiViewGridClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = ui_view_grid_dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (klass), GTK_TYPE_BIN_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (klass), "viewgrid");
  signals[GESTURE] = g_signal_new ("gesture", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
ui_view_grid_init (UiViewGrid *self)
{
  self->grid = gtk_grid_new ();
  gtk_grid_set_row_homogeneous (GTK_GRID (self->grid), TRUE);
  gtk_grid_set_column_homogeneous (GTK_GRID (self->grid), TRUE);
  gtk_grid_set_row_spacing (GTK_GRID (self->grid), 2);
  gtk_grid_set_column_spacing (GTK_GRID (self->grid), 2);
  gtk_widget_set_direction (self->grid, GTK_TEXT_DIR_LTR);
  gtk_widget_set_parent (self->grid, GTK_WIDGET (self));
}

GtkWidget *
ui_view_grid_new (UiViewState *state)
{
  UiViewGrid *self = g_object_new (UI_TYPE_VIEW_GRID, NULL);

  self->state = g_object_ref (state);
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    {
      self->panes[p] = ui_slice_pane_new (p, state);
      g_signal_connect_swapped (self->panes[p], "gesture", G_CALLBACK (gesture_cb), self);
    }
  self->panes[UI_PANE_VOLUME] = ui_volume_view_new (state);
  /* As in ITK-SNAP: axial and sagittal above, 3-D and coronal below. */
  gtk_grid_attach (GTK_GRID (self->grid), self->panes[UI_PANE_AXIAL], 0, 0, 1, 1);
  gtk_grid_attach (GTK_GRID (self->grid), self->panes[UI_PANE_SAGITTAL], 1, 0, 1, 1);
  gtk_grid_attach (GTK_GRID (self->grid), self->panes[UI_PANE_VOLUME], 0, 1, 1, 1);
  gtk_grid_attach (GTK_GRID (self->grid), self->panes[UI_PANE_CORONAL], 1, 1, 1, 1);
  g_signal_connect_swapped (state, "notify::maximised", G_CALLBACK (maximised_cb), self);
  maximised_cb (self);
  return GTK_WIDGET (self);
}

UiSliceView *
ui_view_grid_get_slice_view (UiViewGrid *self, VolumePlane plane)
{
  g_return_val_if_fail ((unsigned) plane < VOLUME_N_PLANES, NULL);
  return ui_slice_pane_get_view (UI_SLICE_PANE (self->panes[plane]));
}
