/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/session-private.h"

#include "volume/tool-livewire.h"
#include "volume/tool-polygon.h"
#include "volume/tool-region.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#define HANDLE_PX 8

typedef struct
{
  double uv[2];
} Point;

/* Polygon, lasso, livewire and threshold in region: an outline on one slice that ends as one edit.
 * @corners are what was clicked; @outline what lies between them, which for a livewire follows the
 * edges. */
typedef struct
{
  AppTool tool;
  gboolean active;
  VolumePlane plane;
  int index;
  GArray *corners; /* Point */
  GArray *outline; /* Point */
  GArray *lead; /* Point: from the last corner to the pointer */
  int dragged; /* corner under the pointer, −1 none */
  gboolean erasing;
  VolumeLivewire *wire;
} Contour;

static gboolean
is_freehand (const Contour *self)
{
  return self->tool.kind == UI_TOOL_LASSO || self->tool.kind == UI_TOOL_THRESHOLD;
}

static void
add (GArray *points, const double uv[2])
{
  Point point = { { uv[0], uv[1] } };

  g_array_append_val (points, point);
}

/* Drawing what there is so far */

static void
add_to_shape (Contour *self, UiShape *shape, const GArray *points)
{
  for (guint n = 0; points != NULL && n < points->len; n++)
    {
      double ijk[3];

      app_tool_from_uv (&self->tool, self->plane, g_array_index (points, Point, n).uv, self->index,
                        ijk);
      ui_shape_add (shape, ijk);
    }
}

static void
show (Contour *self)
{
  GPtrArray *shapes = g_ptr_array_new_with_free_func ((GDestroyNotify) ui_shape_free);

  if (self->active)
    {
      UiShape *line = ui_shape_new (UI_SHAPE_POLYLINE, self->plane, self->index);
      UiShape *handles = ui_shape_new (UI_SHAPE_POLYLINE, self->plane, self->index);

      add_to_shape (self, line, self->outline);
      add_to_shape (self, line, self->lead);
      g_ptr_array_add (shapes, line);
      if (is_freehand (self))
        ui_shape_free (handles);
      else
        {
          add_to_shape (self, handles, self->corners);
          handles->handles = TRUE;
          handles->kind = UI_SHAPE_HANDLES;
          g_ptr_array_add (shapes, handles);
        }
    }
  ui_view_state_set_tool_shapes (self->tool.session->state, shapes);
}

static void
forget (Contour *self)
{
  self->active = FALSE;
  self->dragged = -1;
  g_clear_pointer (&self->corners, g_array_unref);
  g_clear_pointer (&self->outline, g_array_unref);
  g_clear_pointer (&self->lead, g_array_unref);
  g_clear_pointer (&self->wire, volume_livewire_free);
}

static void
discard (AppTool *tool)
{
  Contour *self = (Contour *) tool;

  if (!self->active)
    return;
  forget (self);
  show (self);
}

static gboolean
start (Contour *self, const UiGesture *gesture)
{
  AppSession *session = self->tool.session;
  g_autoptr (GError) error = NULL;
  VolumeSliceRaster raster;

  if (!app_session_may_draw (session, gesture->plane, gesture->index)
      || !volume_slice_raster_init (&raster, volume_scan_get_geometry (session->scan),
                                    gesture->plane, gesture->index))
    return FALSE;
  forget (self);
  if (self->tool.kind == UI_TOOL_LIVEWIRE)
    {
      self->wire = volume_livewire_new (session->scan, &raster, &error);
      if (self->wire == NULL)
        {
          app_session_tell (session, _ ("The edges of this slice cannot be found"), error);
          return FALSE;
        }
    }
  self->active = TRUE;
  self->plane = gesture->plane;
  self->index = gesture->index;
  self->erasing = (gesture->modifiers & GDK_CONTROL_MASK) != 0;
  self->corners = g_array_new (FALSE, FALSE, sizeof (Point));
  self->outline = g_array_new (FALSE, FALSE, sizeof (Point));
  self->lead = g_array_new (FALSE, FALSE, sizeof (Point));
  return TRUE;
}

/* The outline from the corners: straight for a polygon, along the edges for a livewire. */
static void
rebuild_outline (Contour *self)
{
  g_array_set_size (self->outline, 0);
  for (guint c = 0; c < self->corners->len; c++)
    {
      const double *uv = g_array_index (self->corners, Point, c).uv;

      if (self->wire != NULL && c > 0)
        {
          const double *from = g_array_index (self->corners, Point, c - 1).uv;

          volume_livewire_set_anchor (self->wire, from[0], from[1]);
          volume_livewire_trace (self->wire, uv[0], uv[1], self->outline);
        }
      add (self->outline, uv);
    }
  if (self->wire != NULL && self->corners->len > 0)
    {
      const double *last = g_array_index (self->corners, Point, self->corners->len - 1).uv;

      volume_livewire_set_anchor (self->wire, last[0], last[1]);
    }
}

static void
lead_to (Contour *self, const double uv[2])
{
  g_array_set_size (self->lead, 0);
  if (self->wire != NULL && self->corners->len > 0)
    volume_livewire_trace (self->wire, uv[0], uv[1], self->lead);
  add (self->lead, uv);
}

static int
corner_at (Contour *self, const UiGesture *gesture, const double uv[2])
{
  double reach = HANDLE_PX * gesture->voxels_per_px;

  for (guint c = 0; c < self->corners->len; c++)
    {
      const double *corner = g_array_index (self->corners, Point, c).uv;

      if (hypot (corner[0] - uv[0], corner[1] - uv[1]) <= reach)
        return (int) c;
    }
  return -1;
}

/* The edit */

static void
fill_threshold (Contour *self, VolumeEditBuilder *builder, const VolumeSliceRaster *raster,
                guint16 label)
{
  AppSession *session = self->tool.session;
  gsize n_pixels = volume_slice_raster_get_n_pixels (raster);
  g_autofree guint8 *pixels = g_malloc0 (n_pixels);
  double low, high;

  g_object_get (session->state, "limit-low", &low, "limit-high", &high, NULL);
  volume_tool_polygon_fill (raster, (const double (*)[2]) self->outline->data, self->outline->len,
                            pixels);
  for (int v = 0, p = 0; v < raster->frame.n_v; v++)
    for (int u = 0; u < raster->frame.n_u; u++, p++)
      {
        int ijk[3];
        float value;

        if (!pixels[p])
          continue;
        volume_slice_raster_voxel (raster, u, v, ijk);
        value = volume_scan_get_value (session->scan, ijk[0], ijk[1], ijk[2]);
        pixels[p] = value >= low && value <= high;
      }
  volume_slice_raster_apply (raster, pixels, builder, label);
}

static void
close_livewire (Contour *self)
{
  const double *first;

  if (self->wire == NULL || self->corners->len < 2)
    return;
  first = g_array_index (self->corners, Point, 0).uv;
  volume_livewire_trace (self->wire, first[0], first[1], self->outline);
}

static void
accept (AppTool *tool)
{
  Contour *self = (Contour *) tool;
  AppSession *session = tool->session;
  VolumeSliceRaster raster;
  guint16 label;

  if (!self->active || self->outline->len < 3)
    {
      discard (tool);
      return;
    }
  close_livewire (self);
  label = self->erasing ? 0 : ui_view_state_get_active_label (session->state);
  if (volume_slice_raster_init (&raster, volume_scan_get_geometry (session->scan), self->plane,
                                self->index)
      && app_session_may_draw (session, self->plane, self->index))
    {
      g_autoptr (VolumeEditBuilder) builder =
          app_session_new_builder (session, VOLUME_PROVENANCE_HAND, FALSE);

      if (tool->kind == UI_TOOL_THRESHOLD)
        fill_threshold (self, builder, &raster, label);
      else
        volume_tool_polygon (builder, &raster, (const double (*)[2]) self->outline->data,
                             self->outline->len, label);
      forget (self);
      app_session_commit_builder (session, builder, VOLUME_PROVENANCE_HAND,
                                  ui_tool_get_nick (tool->kind), NULL);
    }
  discard (tool);
  show (self);
}

static void
back (AppTool *tool)
{
  Contour *self = (Contour *) tool;

  if (!self->active || is_freehand (self))
    return;
  if (self->corners->len <= 1)
    {
      discard (tool);
      return;
    }
  g_array_set_size (self->corners, self->corners->len - 1);
  rebuild_outline (self);
  g_array_set_size (self->lead, 0);
  show (self);
}

/* Gestures */

static void
snap (Contour *self, const UiGesture *gesture, double uv[2])
{
  if (self->wire != NULL)
    volume_livewire_snap (self->wire, MAX (4 * gesture->voxels_per_px, 1.5), &uv[0], &uv[1]);
}

static void
press (Contour *self, const UiGesture *gesture)
{
  double uv[2];

  if (self->active && (self->plane != gesture->plane || self->index != gesture->index))
    discard (&self->tool);
  if (gesture->n_press > 1)
    {
      if (self->active && !is_freehand (self))
        accept (&self->tool);
      return;
    }
  if (!self->active && !start (self, gesture))
    return;
  app_tool_to_uv (&self->tool, gesture->plane, gesture->ijk, uv);
  if (is_freehand (self))
    {
      add (self->outline, uv);
      show (self);
      return;
    }
  self->dragged = corner_at (self, gesture, uv);
  if (self->dragged == 0 && self->corners->len >= 3)
    {
      accept (&self->tool);
      return;
    }
  if (self->dragged < 0)
    {
      snap (self, gesture, uv);
      add (self->corners, uv);
      rebuild_outline (self);
      self->dragged = (int) self->corners->len - 1;
    }
  g_array_set_size (self->lead, 0);
  show (self);
}

static void
drag (Contour *self, const UiGesture *gesture)
{
  double uv[2];

  if (!self->active)
    return;
  app_tool_to_uv (&self->tool, gesture->plane, gesture->ijk, uv);
  if (is_freehand (self))
    add (self->outline, uv);
  else if (self->dragged >= 0)
    {
      memcpy (g_array_index (self->corners, Point, self->dragged).uv, uv, sizeof uv);
      rebuild_outline (self);
    }
  show (self);
}

static void
gesture (AppTool *tool, const UiGesture *gesture)
{
  Contour *self = (Contour *) tool;
  double uv[2];

  switch (gesture->phase)
    {
    case UI_GESTURE_BEGIN:
      press (self, gesture);
      break;
    case UI_GESTURE_MOTION:
      drag (self, gesture);
      break;
    case UI_GESTURE_END:
      self->dragged = -1;
      if (self->active && is_freehand (self))
        accept (tool);
      break;
    case UI_GESTURE_HOVER:
      if (!self->active || gesture->plane != self->plane || gesture->index != self->index)
        break;
      app_tool_to_uv (tool, gesture->plane, gesture->ijk, uv);
      lead_to (self, uv);
      show (self);
      break;
    case UI_GESTURE_CANCEL:
      if (is_freehand (self))
        discard (tool);
      break;
    }
}

static void
clear (AppTool *tool)
{
  forget ((Contour *) tool);
}

const AppToolClass app_tool_contour_class = {
  .size = sizeof (Contour),
  .gesture = gesture,
  .accept = accept,
  .discard = discard,
  .back = back,
  .clear = clear,
};
