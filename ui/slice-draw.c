/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/slice-draw.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

/* Okabe–Ito: told apart by people of any colour vision. */
static const GdkRGBA plane_colours[VOLUME_N_PLANES] = {
  { 0.90f, 0.62f, 0.00f, 0.85f }, /* axial: orange */
  { 0.34f, 0.71f, 0.91f, 0.85f }, /* coronal: sky blue */
  { 0.80f, 0.47f, 0.65f, 0.85f }, /* sagittal: reddish purple */
};
static const GdkRGBA white = { 1, 1, 1, 0.95f };
static const GdkRGBA shadow = { 0, 0, 0, 0.75f };
static const GdkRGBA plate = { 0, 0, 0, 0.55f };
static const GdkRGBA yellow = { 0.94f, 0.89f, 0.26f, 1 };
static const GdkRGBA sky = { 0.34f, 0.71f, 0.91f, 1 };
static const GdkRGBA vermilion = { 0.84f, 0.37f, 0.00f, 1 };

void
ui_slice_draw_to_widget (const UiSliceDraw *self, const double ijk[3], double *x, double *y)
{
  render_slice_view_ijk_to_pixel (&self->view, ijk, x, y, NULL);
  *x /= self->scale;
  *y /= self->scale;
}

static void
append_rect (GtkSnapshot *snapshot, const GdkRGBA *colour, double x, double y, double width,
             double height)
{
  if (width <= 0 || height <= 0)
    return;
  gtk_snapshot_append_color (snapshot, colour, &GRAPHENE_RECT_INIT (x, y, width, height));
}

/* Crosshair: the lines of the two other planes, in their colours, with a gap at the point. */

static VolumePlane
plane_across (const UiSliceDraw *self, int axis)
{
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    if (ui_view_state_get_frame (self->state, p)->axis_normal == axis)
      return p;
  return self->plane;
}

void
ui_slice_draw_crosshair (const UiSliceDraw *self, GtkSnapshot *snapshot)
{
  const VolumeSliceFrame *frame = ui_view_state_get_frame (self->state, self->plane);
  const GdkRGBA *across = &plane_colours[plane_across (self, frame->axis_v)];
  const GdkRGBA *along = &plane_colours[plane_across (self, frame->axis_u)];
  const double gap = 12;
  int cursor[3];
  double ijk[3], x, y;

  ui_view_state_get_cursor (self->state, cursor);
  for (int axis = 0; axis < 3; axis++)
    ijk[axis] = cursor[axis];
  ui_slice_draw_to_widget (self, ijk, &x, &y);
  x = floor (x);
  y = floor (y);
  if (y >= 0 && y < self->height)
    {
      append_rect (snapshot, across, 0, y, MIN (x - gap, self->width), 1);
      append_rect (snapshot, across, MAX (x + gap, 0), y, self->width - MAX (x + gap, 0), 1);
    }
  if (x >= 0 && x < self->width)
    {
      append_rect (snapshot, along, x, 0, 1, MIN (y - gap, self->height));
      append_rect (snapshot, along, x, MAX (y + gap, 0), 1, self->height - MAX (y + gap, 0));
    }
}

/* Shapes */

typedef struct
{
  double x0, y0, x1, y1;
} Extent;

static Extent
extent_of (const UiSliceDraw *self, const UiShape *shape)
{
  Extent extent = { INFINITY, INFINITY, -INFINITY, -INFINITY };

  for (guint n = 0; n < shape->points->len; n++)
    {
      double x, y;

      ui_slice_draw_to_widget (self, g_array_index (shape->points, UiShapePoint, n).ijk, &x, &y);
      extent.x0 = MIN (extent.x0, x);
      extent.y0 = MIN (extent.y0, y);
      extent.x1 = MAX (extent.x1, x);
      extent.y1 = MAX (extent.y1, y);
    }
  return extent;
}

static const GdkRGBA *
colour_of (const UiShape *shape)
{
  switch (shape->kind)
    {
    case UI_SHAPE_POINT_POSITIVE:
    case UI_SHAPE_SCRIBBLE_POSITIVE:
      return &sky;
    case UI_SHAPE_POINT_NEGATIVE:
    case UI_SHAPE_SCRIBBLE_NEGATIVE:
    case UI_SHAPE_CONFLICT:
      return &vermilion;
    default:
      return &yellow;
    }
}

static void
path_of (const UiSliceDraw *self, const UiShape *shape, cairo_t *cr)
{
  for (guint n = 0; n < shape->points->len; n++)
    {
      double x, y;

      ui_slice_draw_to_widget (self, g_array_index (shape->points, UiShapePoint, n).ijk, &x, &y);
      if (n == 0)
        cairo_move_to (cr, x, y);
      else
        cairo_line_to (cr, x, y);
    }
  if (shape->kind == UI_SHAPE_POLYGON)
    cairo_close_path (cr);
}

static void
stroke_twice (cairo_t *cr, const GdkRGBA *colour)
{
  cairo_set_line_width (cr, 3.5);
  gdk_cairo_set_source_rgba (cr, &shadow);
  cairo_stroke_preserve (cr);
  cairo_set_line_width (cr, 1.5);
  gdk_cairo_set_source_rgba (cr, colour);
  cairo_stroke (cr);
}

static void
draw_handles (const UiSliceDraw *self, const UiShape *shape, cairo_t *cr)
{
  for (guint n = 0; n < shape->points->len; n++)
    {
      double x, y;

      ui_slice_draw_to_widget (self, g_array_index (shape->points, UiShapePoint, n).ijk, &x, &y);
      cairo_rectangle (cr, x - 3, y - 3, 6, 6);
      gdk_cairo_set_source_rgba (cr, n == 0 ? &sky : &white);
      cairo_fill_preserve (cr);
      cairo_set_line_width (cr, 1);
      gdk_cairo_set_source_rgba (cr, &shadow);
      cairo_stroke (cr);
    }
}

/* A ring with + or −: the sign is told by form as well as by colour. */
static void
draw_click (const UiSliceDraw *self, const UiShape *shape, cairo_t *cr)
{
  for (guint n = 0; n < shape->points->len; n++)
    {
      double x, y;

      ui_slice_draw_to_widget (self, g_array_index (shape->points, UiShapePoint, n).ijk, &x, &y);
      cairo_new_sub_path (cr);
      cairo_arc (cr, x, y, 7, 0, 2 * G_PI);
      gdk_cairo_set_source_rgba (cr, &shadow);
      cairo_fill_preserve (cr);
      stroke_twice (cr, colour_of (shape));
      cairo_move_to (cr, x - 4, y);
      cairo_line_to (cr, x + 4, y);
      if (shape->kind == UI_SHAPE_POINT_POSITIVE)
        {
          cairo_move_to (cr, x, y - 4);
          cairo_line_to (cr, x, y + 4);
        }
      cairo_set_line_width (cr, 2);
      gdk_cairo_set_source_rgba (cr, colour_of (shape));
      cairo_stroke (cr);
    }
}

/* Voxels where crossing slices disagree: small diamonds, not colour alone. */
static void
draw_conflicts (const UiSliceDraw *self, const UiShape *shape, cairo_t *cr)
{
  const VolumeSliceFrame *frame = ui_view_state_get_frame (self->state, self->plane);
  double voxel = self->view.px_per_mm * MIN (frame->du_mm, frame->dv_mm) / self->scale;
  /* Side by side in a row of voxels, yet to be seen at any zoom. */
  double r = CLAMP (voxel / 2 - 0.5, 2.5, 5);

  for (guint n = 0; n < shape->points->len; n++)
    {
      double x, y;

      ui_slice_draw_to_widget (self, g_array_index (shape->points, UiShapePoint, n).ijk, &x, &y);
      cairo_move_to (cr, x, y - r);
      cairo_line_to (cr, x + r, y);
      cairo_line_to (cr, x, y + r);
      cairo_line_to (cr, x - r, y);
      cairo_close_path (cr);
    }
  gdk_cairo_set_source_rgba (cr, colour_of (shape));
  cairo_fill_preserve (cr);
  cairo_set_line_width (cr, 1);
  gdk_cairo_set_source_rgba (cr, &shadow);
  cairo_stroke (cr);
}

static void
draw_box (const Extent *extent, cairo_t *cr)
{
  cairo_rectangle (cr, extent->x0, extent->y0, extent->x1 - extent->x0, extent->y1 - extent->y0);
  stroke_twice (cr, &sky);
}

/* On a plate: bone is as white as a letter, and the crosshair runs through those at the edges. */
static void
draw_text (const UiSliceDraw *self, GtkSnapshot *snapshot, const char *text, double x, double y,
           const GdkRGBA *colour)
{
  g_autoptr (PangoLayout) layout = gtk_widget_create_pango_layout (self->widget, text);
  int width, height;

  pango_layout_get_pixel_size (layout, &width, &height);
  append_rect (snapshot, &plate, x - 3, y, width + 6, height);
  gtk_snapshot_save (snapshot);
  gtk_snapshot_translate (snapshot, &GRAPHENE_POINT_INIT (x, y));
  gtk_snapshot_append_layout (snapshot, layout, colour);
  gtk_snapshot_restore (snapshot);
}

static void
draw_shape (const UiSliceDraw *self, const UiShape *shape, GtkSnapshot *snapshot)
{
  Extent extent = extent_of (self, shape);
  double x0 = MAX (extent.x0 - 12, 0), y0 = MAX (extent.y0 - 12, 0);
  double x1 = MIN (extent.x1 + 12, self->width), y1 = MIN (extent.y1 + 12, self->height);
  cairo_t *cr;

  if (shape->points->len == 0 || x1 <= x0 || y1 <= y0)
    return;
  cr = gtk_snapshot_append_cairo (snapshot, &GRAPHENE_RECT_INIT (x0, y0, x1 - x0, y1 - y0));
  if (shape->kind == UI_SHAPE_POINT_POSITIVE || shape->kind == UI_SHAPE_POINT_NEGATIVE)
    draw_click (self, shape, cr);
  else if (shape->kind == UI_SHAPE_CONFLICT)
    draw_conflicts (self, shape, cr);
  else if (shape->kind == UI_SHAPE_HANDLES)
    draw_handles (self, shape, cr);
  else if (shape->kind == UI_SHAPE_BOX)
    draw_box (&extent, cr);
  else
    {
      path_of (self, shape, cr);
      stroke_twice (cr, colour_of (shape));
    }
  if (shape->handles && shape->kind != UI_SHAPE_HANDLES)
    draw_handles (self, shape, cr);
  cairo_destroy (cr);
  if (shape->text != NULL)
    draw_text (self, snapshot, shape->text, CLAMP (extent.x1 + 8, 4, self->width - 80),
               CLAMP (extent.y1 + 4, 4, self->height - 24), &yellow);
}

static void
draw_layer (const UiSliceDraw *self, GPtrArray *shapes, GtkSnapshot *snapshot)
{
  int index = ui_view_state_get_index (self->state, self->plane);

  for (guint n = 0; n < shapes->len; n++)
    {
      const UiShape *shape = g_ptr_array_index (shapes, n);

      if (shape->plane == self->plane && shape->index == index)
        draw_shape (self, shape, snapshot);
    }
}

void
ui_slice_draw_shapes (const UiSliceDraw *self, GtkSnapshot *snapshot)
{
  draw_layer (self, ui_view_state_get_fixed_shapes (self->state), snapshot);
  draw_layer (self, ui_view_state_get_tool_shapes (self->state), snapshot);
}

/* The brush's outline around the pointer, in the plane's own proportions. */
void
ui_slice_draw_brush (const UiSliceDraw *self, GtkSnapshot *snapshot)
{
  const VolumeSliceFrame *frame = ui_view_state_get_frame (self->state, self->plane);
  double px_per_u = self->view.px_per_mm * frame->du_mm / self->scale;
  double px_per_v = self->view.px_per_mm * frame->dv_mm / self->scale;
  double rx = ui_view_state_get_brush_radius (self->state, frame->axis_u) * px_per_u;
  double ry = ui_view_state_get_brush_radius (self->state, frame->axis_v) * px_per_v;
  double x = self->pointer_x, y = self->pointer_y;
  int shape;
  cairo_t *cr;

  if (!self->has_pointer)
    return;
  g_object_get (self->state, "brush-shape", &shape, NULL);
  rx = MAX (rx, 1);
  ry = MAX (ry, 1);
  cr = gtk_snapshot_append_cairo (
      snapshot, &GRAPHENE_RECT_INIT (x - rx - 4, y - ry - 4, 2 * rx + 8, 2 * ry + 8));
  if (shape == UI_BRUSH_SQUARE)
    cairo_rectangle (cr, x - rx, y - ry, 2 * rx, 2 * ry);
  else
    {
      cairo_save (cr);
      cairo_translate (cr, x, y);
      cairo_scale (cr, rx, ry);
      cairo_new_sub_path (cr);
      cairo_arc (cr, 0, 0, 1, 0, 2 * G_PI);
      cairo_restore (cr);
    }
  stroke_twice (cr, &white);
  cairo_destroy (cr);
}

/* Letters, laterality, scale */

static void
draw_letter (const UiSliceDraw *self, GtkSnapshot *snapshot, char letter, double x, double y)
{
  const char text[] = { letter, '\0' };

  draw_text (self, snapshot, text, x, y, &yellow);
}

void
ui_slice_draw_letters (const UiSliceDraw *self, GtkSnapshot *snapshot)
{
  char letters[4];
  gboolean neurological;

  render_slice_view_get_letters (&self->view, ui_view_state_get_geometry (self->state), letters);
  draw_letter (self, snapshot, letters[0], 6, self->height / 2 - 10);
  draw_letter (self, snapshot, letters[1], self->width - 18, self->height / 2 - 10);
  draw_letter (self, snapshot, letters[2], self->width / 2 - 5, 4);
  draw_letter (self, snapshot, letters[3], self->width / 2 - 5, self->height - 24);
  g_object_get (self->state, "neurological", &neurological, NULL);
  if (neurological && self->plane != VOLUME_PLANE_SAGITTAL)
    {
      append_rect (snapshot, &vermilion, 0, 0, self->width, 3);
      /* Translators: a warning over the picture; the usual convention shows the patient's right
       * on the left */
      draw_text (self, snapshot, _ ("Mirrored: patient left is on the left"), 28, 6, &vermilion);
    }
}

/* A ruler of a round number of millimetres, about a quarter of the view. */
void
ui_slice_draw_scale_bar (const UiSliceDraw *self, GtkSnapshot *snapshot)
{
  double px_per_mm = self->view.px_per_mm / self->scale;
  double wanted_mm = self->width / 5 / px_per_mm;
  double decade = pow (10, floor (log10 (wanted_mm)));
  double mm = wanted_mm / decade >= 5 ? 5 * decade : wanted_mm / decade >= 2 ? 2 * decade : decade;
  double length = mm * px_per_mm;
  /* Translators: a length in millimetres */
  g_autofree char *text = g_strdup_printf (_ ("%g mm"), mm);
  double x = self->width - length - 12, y = self->height - 10;
  g_autoptr (PangoLayout) layout = NULL;
  int text_width;

  if (!(length > 8) || self->width < 160)
    return;
  layout = gtk_widget_create_pango_layout (self->widget, text);
  pango_layout_get_pixel_size (layout, &text_width, NULL);
  append_rect (snapshot, &shadow, x - 1, y - 1, length + 2, 4);
  append_rect (snapshot, &white, x, y, length, 2);
  draw_text (self, snapshot, text, MIN (x, self->width - text_width - 6), y - 22, &white);
}
