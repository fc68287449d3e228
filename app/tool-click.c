/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/session-private.h"

#include "volume/tool-region.h"
#include "volume/tool-shape.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

/* Fill, flood, smooth, remove islands, fill holes: one click on a slice, one edit. */
typedef struct
{
  AppTool tool;
} Click;

typedef struct
{
  VolumeSliceRaster raster;
  VolumeBox slice;
  int ijk[3];
  double uv[2];
  guint16 here; /* label under the pointer */
  guint16 active;
} Place;

static gboolean
find_place (Click *self, const UiGesture *gesture, Place *place)
{
  AppSession *session = self->tool.session;
  const VolumeGeometry *geometry = volume_scan_get_geometry (session->scan);

  if (!volume_slice_raster_init (&place->raster, geometry, gesture->plane, gesture->index))
    return FALSE;
  for (int axis = 0; axis < 3; axis++)
    {
      place->ijk[axis] = (int) lround (gesture->ijk[axis]);
      if (place->ijk[axis] < 0 || place->ijk[axis] >= geometry->size[axis])
        return FALSE;
    }
  place->slice = volume_box_of_slice (&place->raster.frame, geometry->size, gesture->index);
  app_tool_to_uv (&self->tool, gesture->plane, gesture->ijk, place->uv);
  place->here = volume_label_map_get (db_labels_get_map (session->labels), place->ijk[0],
                                      place->ijk[1], place->ijk[2]);
  place->active = ui_view_state_get_active_label (session->state);
  return TRUE;
}

/* The piece clicked stays; whatever else of the label is on the slice goes. */
static void
keep_piece (AppSession *session, VolumeEditBuilder *builder, const Place *place)
{
  const VolumeSliceRaster *raster = &place->raster;
  int n_u = raster->frame.n_u, n_v = raster->frame.n_v;
  g_autofree guint16 *labels = g_new (guint16, (gsize) n_u * n_v);
  g_autofree guint8 *others = g_malloc0 ((gsize) n_u * n_v);
  g_autoptr (GArray) queue = g_array_new (FALSE, FALSE, sizeof (int));
  int seed = (int) lround (place->uv[1]) * n_u + (int) lround (place->uv[0]);

  volume_slice_raster_read_labels (raster, db_labels_get_map (session->labels), labels);
  for (int p = 0; p < n_u * n_v; p++)
    others[p] = labels[p] == place->here;
  others[seed] = 0;
  g_array_append_val (queue, seed);
  for (guint q = 0; q < queue->len; q++)
    {
      int p = g_array_index (queue, int, q), u = p % n_u, v = p / n_u;
      int next[4] = { u > 0 ? p - 1 : -1, u < n_u - 1 ? p + 1 : -1, v > 0 ? p - n_u : -1,
                      v < n_v - 1 ? p + n_u : -1 };

      for (int d = 0; d < 4; d++)
        if (next[d] >= 0 && others[next[d]])
          {
            others[next[d]] = 0;
            g_array_append_val (queue, next[d]);
          }
    }
  volume_slice_raster_apply (raster, others, builder, 0);
}

static void
flood (AppSession *session, VolumeEditBuilder *builder, const Place *place, gboolean erase)
{
  float value = volume_scan_get_value (session->scan, place->ijk[0], place->ijk[1], place->ijk[2]);
  double tolerance, centre, width;
  float reach;
  g_autoptr (VolumeMask) mask = NULL;

  g_object_get (session->state, "flood-tolerance", &tolerance, NULL);
  ui_view_state_get_window (session->state, &centre, &width);
  reach = (float) (width * tolerance / 100);
  /* One slice: a few milliseconds even at 1024². */
  mask = volume_tool_flood (session->scan, place->ijk, value - reach, value + reach, &place->slice,
                            NULL, NULL);
  if (mask != NULL)
    volume_mask_apply (mask, builder, erase ? 0 : place->active);
}

static double
smoothing_mm (const VolumeSliceRaster *raster)
{
  return 1.5 * MAX (raster->frame.du_mm, raster->frame.dv_mm);
}

static gboolean
fill_builder (Click *self, VolumeEditBuilder *builder, const Place *place, gboolean erase)
{
  AppSession *session = self->tool.session;
  VolumeLabelMap *map = db_labels_get_map (session->labels);

  if (self->tool.kind != UI_TOOL_FILL && self->tool.kind != UI_TOOL_FLOOD && place->here == 0)
    {
      ui_window_toast (session->window, _ ("Click on a label."));
      return FALSE;
    }
  switch (self->tool.kind)
    {
    case UI_TOOL_FILL:
      return volume_tool_bucket (builder, &place->raster, map, (int) lround (place->uv[0]),
                                 (int) lround (place->uv[1]), erase ? 0 : place->active);
    case UI_TOOL_FLOOD:
      flood (session, builder, place, erase);
      return TRUE;
    case UI_TOOL_SMOOTH:
      volume_tool_smooth (builder, volume_scan_get_geometry (session->scan), map, &place->slice,
                          smoothing_mm (&place->raster), place->here);
      return TRUE;
    case UI_TOOL_ISLANDS:
      keep_piece (session, builder, place);
      return TRUE;
    case UI_TOOL_HOLES:
      volume_tool_fill_holes (builder, map, &place->slice, place->here);
      return TRUE;
    default:
      return FALSE;
    }
}

static void
gesture (AppTool *tool, const UiGesture *gesture)
{
  Click *self = (Click *) tool;
  AppSession *session = tool->session;
  g_autoptr (VolumeEditBuilder) builder = NULL;
  Place place;

  if (gesture->phase != UI_GESTURE_BEGIN || gesture->n_press > 1
      || db_labels_get_busy (session->labels)
      || !app_session_may_draw (session, gesture->plane, gesture->index)
      || !find_place (self, gesture, &place))
    return;
  builder = app_session_new_builder (session, VOLUME_PROVENANCE_HAND, FALSE);
  if (fill_builder (self, builder, &place, (gesture->modifiers & GDK_CONTROL_MASK) != 0))
    app_session_commit_builder (session, builder, VOLUME_PROVENANCE_HAND,
                                ui_tool_get_nick (tool->kind), NULL);
}

const AppToolClass app_tool_click_class = { .size = sizeof (Click), .gesture = gesture };
