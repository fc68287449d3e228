/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/session-private.h"

#include "volume/tool-brush.h"

#include <string.h>

/* Brush and eraser. The stroke is collected on the committed map, and piece by piece on the shown
 * one, so that it is seen while it is drawn; it becomes one edit when the button is let go. */
typedef struct
{
  AppTool tool;
  VolumeEditBuilder *stroke; /* NULL between strokes */
  VolumeSliceRaster raster;
  VolumeBrush brush;
  guint16 label;
  double last[2];
  gboolean erasing;
} Brush;

static void
init_brush (Brush *self)
{
  int shape, unit;
  gboolean limited;
  double size, low, high;

  g_object_get (self->tool.session->state, "brush-shape", &shape, "brush-unit", &unit, "brush-size",
                &size, "brush-limited", &limited, "limit-low", &low, "limit-high", &high, NULL);
  self->brush = (VolumeBrush){
    .shape = shape == UI_BRUSH_SQUARE ? VOLUME_BRUSH_SQUARE : VOLUME_BRUSH_ROUND,
    .diameter_mm = unit == UI_UNIT_MM ? size : 0,
    .diameter_voxels = size,
    .limit_intensity = limited,
    .low = (float) low,
    .high = (float) high,
  };
}

static void
paint (Brush *self, VolumeEditBuilder *builder, const double (*points)[2], gsize n_points)
{
  volume_tool_brush (builder, &self->raster, self->tool.session->scan, &self->brush, points,
                     n_points, self->label);
}

/* From where the last piece ended. */
static void
paint_along (Brush *self, const UiGesture *gesture)
{
  AppSession *session = self->tool.session;
  const gsize n = gesture->n_path + 1;
  g_autofree double (*path)[2] = g_malloc_n (n, sizeof *path);
  const double (*points)[2] = (const double (*)[2]) path;
  g_autoptr (VolumeEditBuilder) piece =
      app_session_new_builder (session, VOLUME_PROVENANCE_HAND, TRUE);

  memcpy (path[0], self->last, sizeof path[0]);
  for (gsize p = 0; p < gesture->n_path; p++)
    app_tool_to_uv (&self->tool, gesture->plane, gesture->path_ijk[p], path[p + 1]);
  paint (self, self->stroke, points, n);
  paint (self, piece, points, n);
  app_shown_labels_preview (session->shown,
                            volume_edit_builder_end (piece, 1, VOLUME_PROVENANCE_HAND, "preview",
                                                     NULL),
                            session->state);
  memcpy (self->last, path[n - 1], sizeof self->last);
}

static void
begin (Brush *self, const UiGesture *gesture)
{
  AppSession *session = self->tool.session;

  if (gesture->n_press > 1 || !app_session_may_draw (session, gesture->plane, gesture->index)
      || !volume_slice_raster_init (&self->raster, volume_scan_get_geometry (session->scan),
                                    gesture->plane, gesture->index))
    return;
  /* An undo on its way to the disk comes first: the stroke would be drawn on what it undoes. */
  if (db_labels_get_busy (session->labels))
    return;
  g_clear_pointer (&self->stroke, volume_edit_builder_free);
  init_brush (self);
  self->erasing = self->tool.kind == UI_TOOL_ERASER || (gesture->modifiers & GDK_CONTROL_MASK) != 0;
  self->label = self->erasing ? 0 : ui_view_state_get_active_label (session->state);
  self->stroke = app_session_new_builder (session, VOLUME_PROVENANCE_HAND, FALSE);
  app_tool_to_uv (&self->tool, gesture->plane, gesture->ijk, self->last);
  paint_along (self, gesture);
}

static void
end (Brush *self)
{
  g_autoptr (VolumeEditBuilder) stroke = g_steal_pointer (&self->stroke);

  app_session_commit_builder (self->tool.session, stroke, VOLUME_PROVENANCE_HAND,
                              self->erasing ? "eraser" : "brush", NULL);
}

static void
discard (AppTool *tool)
{
  Brush *self = (Brush *) tool;

  if (self->stroke == NULL)
    return;
  g_clear_pointer (&self->stroke, volume_edit_builder_free);
  app_shown_labels_drop_preview (tool->session->shown, tool->session->state);
}

static void
gesture (AppTool *tool, const UiGesture *gesture)
{
  Brush *self = (Brush *) tool;

  if (gesture->phase == UI_GESTURE_BEGIN)
    {
      begin (self, gesture);
      return;
    }
  if (self->stroke == NULL || gesture->plane != self->raster.frame.plane)
    return;
  switch (gesture->phase)
    {
    case UI_GESTURE_MOTION:
      paint_along (self, gesture);
      break;
    case UI_GESTURE_END:
      paint_along (self, gesture);
      end (self);
      break;
    case UI_GESTURE_CANCEL:
      discard (tool);
      break;
    default:
      break;
    }
}

const AppToolClass app_tool_brush_class = { .size = sizeof (Brush),
                                            .gesture = gesture,
                                            .discard = discard };
