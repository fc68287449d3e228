/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/engine.h"
#include "app/flow-prompt.h"

#include <math.h>

SegPicture *
app_flow_prompt_cut (VolumeScan *scan, VolumePlane plane, int index)
{
  VolumeSliceFrame frame;
  SegPicture *picture;
  double centre, width;

  volume_geometry_get_slice_frame (volume_scan_get_geometry (scan), plane, &frame);
  picture = seg_picture_new (frame.n_u, frame.n_v, 1);
  volume_scan_read_slice (scan, plane, index, picture->pixels);
  volume_scan_get_default_window (scan, &centre, &width);
  picture->low = (float) (centre - width / 2);
  picture->high = (float) (centre + width / 2);
  return picture;
}

static gboolean
to_screen (const VolumeSliceFrame *frame, const double ijk[3], int index, float *x, float *y,
           GError **error)
{
  double u, v, at;

  volume_slice_frame_from_ijk (frame, ijk, &u, &v, &at);
  *x = (float) u;
  *y = (float) v;
  if (fabs (at - index) <= 0.5 && u >= -0.5 && v >= -0.5 && u <= frame->n_u - 0.5
      && v <= frame->n_v - 0.5)
    return TRUE;
  g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
               "voxel %g,%g,%g is not on slice %d of the %s plane (%d × %d pixels, slices 0 to %d)",
               ijk[0], ijk[1], ijk[2], index, volume_plane_get_name (frame->plane), frame->n_u,
               frame->n_v, frame->n_slices - 1);
  return FALSE;
}

static gboolean
translate_box (const VolumeSliceFrame *frame, const VolumePrompt *prompt, SegPrompt *out,
               GError **error)
{
  float corner[2][2];

  for (int c = 0; c < 2; c++)
    {
      double ijk[3];
      for (int a = 0; a < 3; a++)
        ijk[a] = c ? prompt->box.hi[a] - 1 : prompt->box.lo[a];
      if (!to_screen (frame, ijk, prompt->slice_index, &corner[c][0], &corner[c][1], error))
        return FALSE;
    }
  seg_prompt_set_box (out, corner[0][0], corner[0][1], corner[1][0], corner[1][1]);
  return TRUE;
}

SegPrompt *
app_flow_prompt_translate (const VolumeGeometry *geometry, const VolumePrompt *prompt,
                           GError **error)
{
  g_autoptr (SegPrompt) out = seg_prompt_new ();
  VolumeSliceFrame frame;

  volume_geometry_get_slice_frame (geometry, prompt->plane, &frame);
  for (guint p = 0; p < prompt->points->len; p++)
    {
      const VolumePromptPoint *point = &g_array_index (prompt->points, VolumePromptPoint, p);
      float x, y;
      if (!to_screen (&frame, point->ijk, prompt->slice_index, &x, &y, error))
        return NULL;
      seg_prompt_add_point (out, x, y, point->sign == VOLUME_PROMPT_POSITIVE);
    }
  for (guint s = 0; s < prompt->scribbles->len; s++)
    {
      const VolumePromptScribble *scribble = g_ptr_array_index (prompt->scribbles, s);
      g_autofree float (*xy)[2] = g_malloc (sizeof (float[2]) * MAX (scribble->n_points, 1));

      for (gsize p = 0; p < scribble->n_points; p++)
        if (!to_screen (&frame, scribble->points[p].ijk, prompt->slice_index, &xy[p][0], &xy[p][1],
                        error))
          return NULL;
      if (scribble->n_points > 0)
        seg_prompt_add_stroke (out, (const float (*)[2]) xy, scribble->n_points,
                               scribble->points[0].sign == VOLUME_PROMPT_POSITIVE);
    }
  if (prompt->has_box && !translate_box (&frame, prompt, out, error))
    return NULL;
  return g_steal_pointer (&out);
}

VolumeBox
app_flow_prompt_get_box (const VolumeGeometry *geometry, VolumePlane plane, int index)
{
  const int across = geometry->axis_of_plane[plane];
  VolumeBox box = { { 0, 0, 0 }, { geometry->size[0], geometry->size[1], geometry->size[2] } };

  box.lo[across] = index;
  box.hi[across] = index + 1;
  return box;
}

/* Offset in the slice's box of every screen pixel, in screen order. */
static void
each_pixel (const VolumeGeometry *geometry, VolumePlane plane, int index, const guint8 *from,
            guint8 *to, gboolean into_voxels)
{
  VolumeSliceFrame frame;
  int side[3] = { geometry->size[0], geometry->size[1], geometry->size[2] };

  volume_geometry_get_slice_frame (geometry, plane, &frame);
  side[frame.axis_normal] = 1;
  for (int v = 0; v < frame.n_v; v++)
    for (int u = 0; u < frame.n_u; u++)
      {
        double ijk[3];
        int at[3];
        gsize voxel, pixel = (gsize) v * (gsize) frame.n_u + (gsize) u;

        volume_slice_frame_to_ijk (&frame, u, v, index, ijk);
        for (int a = 0; a < 3; a++)
          at[a] = a == frame.axis_normal ? 0 : (int) lrint (ijk[a]);
        voxel = ((gsize) at[2] * (gsize) side[1] + (gsize) at[1]) * (gsize) side[0] + (gsize) at[0];
        if (into_voxels)
          to[voxel] = from[pixel];
        else
          to[pixel] = from[voxel];
      }
}

void
app_flow_prompt_place_mask (const VolumeGeometry *geometry, VolumePlane plane, int index,
                            const guint8 *screen, guint8 *voxels)
{
  each_pixel (geometry, plane, index, screen, voxels, TRUE);
}

void
app_flow_prompt_take_mask (const VolumeGeometry *geometry, VolumePlane plane, int index,
                           const guint8 *voxels, guint8 *screen)
{
  each_pixel (geometry, plane, index, voxels, screen, FALSE);
}

SegGeneralist *
app_flow_prompt_open (const char *weights, const char *kind_hint, GError **error)
{
  g_autoptr (GError) local = NULL;
  SegDevice *device = app_engine_get_device (error);
  SegGeneralist *generalist;

  if (device == NULL)
    return NULL;
  generalist = seg_generalist_open (weights, kind_hint, device, &local);
  if (generalist == NULL && weights == NULL
      && g_error_matches (local, SEG_ERROR, SEG_ERROR_NOT_FOUND))
    return seg_generalist_new_rule ();
  if (generalist == NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  return generalist;
}
