/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/slice-slider.h"

#include <glib/gi18n.h>
#include <math.h>

#define MARKS_HEIGHT 10

struct _UiSliceSlider
{
  GtkWidget parent_instance;

  VolumePlane plane;
  UiViewState *state;
  GtkWidget *scale;
  GtkAdjustment *adjustment; /* owned by the scale */
};

G_DEFINE_FINAL_TYPE (UiSliceSlider, ui_slice_slider, GTK_TYPE_WIDGET)

static void
cursor_changed_cb (UiSliceSlider *self)
{
  gtk_adjustment_set_value (self->adjustment,
                            ui_view_state_get_index (self->state, self->plane) + 1);
}

static void
scan_changed_cb (UiSliceSlider *self)
{
  const VolumeSliceFrame *frame = ui_view_state_get_frame (self->state, self->plane);

  gtk_widget_set_sensitive (self->scale, frame != NULL);
  gtk_adjustment_configure (self->adjustment,
                            ui_view_state_get_index (self->state, self->plane) + 1, 1,
                            frame != NULL ? frame->n_slices : 1, 1, 10, 0);
}

static void
value_changed_cb (UiSliceSlider *self)
{
  if (ui_view_state_get_scan (self->state) != NULL)
    ui_view_state_set_index (self->state, self->plane,
                             (int) lround (gtk_adjustment_get_value (self->adjustment)) - 1);
}

/* Drawing */

static void
draw_mark (cairo_t *cr, const GdkRGBA *colour, guint mark, double x)
{
  const double y = MARKS_HEIGHT / 2.0;

  gdk_cairo_set_source_rgba (cr, colour);
  cairo_set_line_width (cr, 1.5);
  if (mark & UI_MARK_CONFLICT)
    {
      cairo_move_to (cr, x, y - 5);
      cairo_line_to (cr, x + 4, y);
      cairo_line_to (cr, x, y + 5);
      cairo_line_to (cr, x - 4, y);
      cairo_close_path (cr);
      cairo_stroke (cr);
    }
  if (mark & UI_MARK_SIGNED)
    {
      cairo_arc (cr, x, y, 4, 0, 2 * G_PI);
      cairo_fill (cr);
    }
  else if (mark & UI_MARK_PROPOSED)
    {
      cairo_arc (cr, x, y, 3.5, 0, 2 * G_PI);
      cairo_stroke (cr);
    }
  else if (mark & UI_MARK_LABELLED)
    {
      cairo_move_to (cr, x, y);
      cairo_line_to (cr, x, MARKS_HEIGHT);
      cairo_set_line_width (cr, 1);
      cairo_stroke (cr);
    }
}

static void
ui_slice_slider_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  UiSliceSlider *self = UI_SLICE_SLIDER (widget);
  const VolumeSliceFrame *frame = ui_view_state_get_frame (self->state, self->plane);
  int width = gtk_widget_get_width (widget);
  gboolean is_rtl = gtk_widget_get_direction (widget) == GTK_TEXT_DIR_RTL;
  GdkRGBA colour;
  GdkRectangle range;
  int slider_start, slider_end;
  double start, end, origin, unused;
  cairo_t *cr;

  GTK_WIDGET_CLASS (ui_slice_slider_parent_class)->snapshot (widget, snapshot);
  if (frame == NULL || frame->n_slices < 2)
    return;
  gtk_range_get_range_rect (GTK_RANGE (self->scale), &range);
  gtk_range_get_slider_range (GTK_RANGE (self->scale), &slider_start, &slider_end);
  /* The knob's middle travels from half its width inside the trough to the other end. */
  if (!gtk_widget_translate_coordinates (self->scale, widget, range.x, 0, &origin, &unused))
    return;
  start = origin + (slider_end - slider_start) / 2.0;
  end = origin + range.width - (slider_end - slider_start) / 2.0;
  gtk_style_context_get_color (gtk_widget_get_style_context (widget), &colour);
  cr = gtk_snapshot_append_cairo (snapshot, &GRAPHENE_RECT_INIT (0, 0, width, MARKS_HEIGHT + 1));
  for (int n = 0; n < frame->n_slices; n++)
    {
      guint mark = ui_view_state_get_mark (self->state, self->plane, n);
      double along = n / (frame->n_slices - 1.0);

      if (mark != 0)
        draw_mark (cr, &colour, mark, start + (is_rtl ? 1 - along : along) * (end - start));
    }
  cairo_destroy (cr);
}

static void
ui_slice_slider_measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum,
                         int *natural, int *minimum_baseline, int *natural_baseline)
{
  UiSliceSlider *self = UI_SLICE_SLIDER (widget);

  gtk_widget_measure (self->scale, orientation, -1, minimum, natural, NULL, NULL);
  if (orientation == GTK_ORIENTATION_VERTICAL)
    {
      *minimum += MARKS_HEIGHT / 2;
      *natural += MARKS_HEIGHT / 2;
    }
}

static void
ui_slice_slider_size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  UiSliceSlider *self = UI_SLICE_SLIDER (widget);
  int top = MARKS_HEIGHT / 2;

  gtk_widget_size_allocate (self->scale, &(GtkAllocation){ 0, top, width, MAX (height - top, 1) },
                            -1);
}

static void
ui_slice_slider_dispose (GObject *object)
{
  UiSliceSlider *self = UI_SLICE_SLIDER (object);

  if (self->state != NULL)
    g_signal_handlers_disconnect_by_data (self->state, self);
  g_clear_object (&self->state);
  g_clear_pointer (&self->scale, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_slice_slider_parent_class)->dispose (object);
}

static void
ui_slice_slider_class_init (UiSliceSliderClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = ui_slice_slider_dispose;
  widget_class->snapshot = ui_slice_slider_snapshot;
  widget_class->measure = ui_slice_slider_measure;
  widget_class->size_allocate = ui_slice_slider_size_allocate;
  gtk_widget_class_set_css_name (widget_class, "sliceslider");
}

static void
ui_slice_slider_init (UiSliceSlider *self)
{
  self->adjustment = gtk_adjustment_new (1, 1, 1, 1, 10, 0);
  self->scale = gtk_scale_new (GTK_ORIENTATION_HORIZONTAL, self->adjustment);
  gtk_scale_set_draw_value (GTK_SCALE (self->scale), FALSE);
  gtk_widget_set_parent (self->scale, GTK_WIDGET (self));
  gtk_widget_set_hexpand (GTK_WIDGET (self), TRUE);
}

GtkWidget *
ui_slice_slider_new (VolumePlane plane, UiViewState *state)
{
  UiSliceSlider *self = g_object_new (UI_TYPE_SLICE_SLIDER, NULL);
  /* Translators: %s is a plane: Axial, Coronal, Sagittal */
  g_autofree char *label = g_strdup_printf (_ ("%s slice"), ui_plane_get_title (plane));

  self->plane = plane;
  self->state = g_object_ref (state);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->scale), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  label, -1);
  g_signal_connect_swapped (self->adjustment, "value-changed", G_CALLBACK (value_changed_cb), self);
  g_signal_connect_swapped (state, "cursor-changed", G_CALLBACK (cursor_changed_cb), self);
  g_signal_connect_swapped (state, "scan-changed", G_CALLBACK (scan_changed_cb), self);
  g_signal_connect_swapped (state, "marks-changed", G_CALLBACK (gtk_widget_queue_draw), self);
  scan_changed_cb (self);
  return GTK_WIDGET (self);
}
