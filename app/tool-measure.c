/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/session-private.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

/* Distances in millimetres between two points of a slice. They stay on the case until Escape, and
 * are no part of the labels. */
typedef struct
{
  AppTool tool;
  gboolean active;
  VolumePlane plane;
  int index;
  double from[3], to[3];
} Measure;

static double
distance_mm (Measure *self)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (self->tool.session->scan);
  double a[3], b[3];

  volume_geometry_ijk_to_ras (geometry, self->from, a);
  volume_geometry_ijk_to_ras (geometry, self->to, b);
  return sqrt ((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1])
               + (a[2] - b[2]) * (a[2] - b[2]));
}

static UiShape *
to_shape (Measure *self)
{
  UiShape *shape = ui_shape_new (UI_SHAPE_MEASURE, self->plane, self->index);

  ui_shape_add (shape, self->from);
  ui_shape_add (shape, self->to);
  /* Translators: a measured distance in millimetres */
  shape->text = g_strdup_printf (_ ("%.1f mm"), distance_mm (self));
  return shape;
}

static void
show (Measure *self)
{
  GPtrArray *shapes = g_ptr_array_new_with_free_func ((GDestroyNotify) ui_shape_free);

  if (self->active)
    g_ptr_array_add (shapes, to_shape (self));
  ui_view_state_set_tool_shapes (self->tool.session->state, shapes);
}

static void
gesture (AppTool *tool, const UiGesture *gesture)
{
  Measure *self = (Measure *) tool;
  UiViewState *state = tool->session->state;

  switch (gesture->phase)
    {
    case UI_GESTURE_BEGIN:
      self->active = TRUE;
      self->plane = gesture->plane;
      self->index = gesture->index;
      memcpy (self->from, gesture->ijk, sizeof self->from);
      memcpy (self->to, gesture->ijk, sizeof self->to);
      break;
    case UI_GESTURE_MOTION:
      memcpy (self->to, gesture->ijk, sizeof self->to);
      break;
    case UI_GESTURE_END:
      if (self->active && distance_mm (self) > 0)
        {
          UiShape *shape = to_shape (self);

          g_ptr_array_add (ui_view_state_get_fixed_shapes (state), shape);
          /* Also for those who do not see it drawn. */
          ui_tool_options_set_message (ui_window_get_tool_options (tool->session->window),
                                       shape->text);
        }
      self->active = FALSE;
      break;
    case UI_GESTURE_CANCEL:
      self->active = FALSE;
      break;
    default:
      return;
    }
  show (self);
}

static void
discard (AppTool *tool)
{
  Measure *self = (Measure *) tool;
  GPtrArray *shapes = ui_view_state_get_fixed_shapes (tool->session->state);

  self->active = FALSE;
  for (guint n = shapes->len; n > 0; n--)
    if (((UiShape *) g_ptr_array_index (shapes, n - 1))->kind == UI_SHAPE_MEASURE)
      g_ptr_array_remove_index (shapes, n - 1);
  if (tool->session->window != NULL)
    ui_tool_options_set_message (ui_window_get_tool_options (tool->session->window), NULL);
  show (self);
}

const AppToolClass app_tool_measure_class = {
  .size = sizeof (Measure), .gesture = gesture, .discard = discard, .keeps_marks = TRUE
};
