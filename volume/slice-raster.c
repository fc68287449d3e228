/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/slice-raster.h"

gboolean
volume_slice_raster_init (VolumeSliceRaster *self, const VolumeGeometry *geometry,
                          VolumePlane plane, int index)
{
  volume_geometry_get_slice_frame (geometry, plane, &self->frame);
  self->index = index;
  return index >= 0 && index < self->frame.n_slices;
}

gsize
volume_slice_raster_get_n_pixels (const VolumeSliceRaster *self)
{
  return (gsize) self->frame.n_u * self->frame.n_v;
}

void
volume_slice_raster_voxel (const VolumeSliceRaster *self, int u, int v, int ijk[3])
{
  const VolumeSliceFrame *frame = &self->frame;

  ijk[frame->axis_u] = frame->flip_u ? frame->n_u - 1 - u : u;
  ijk[frame->axis_v] = frame->flip_v ? frame->n_v - 1 - v : v;
  ijk[frame->axis_normal] = self->index;
}

void
volume_slice_raster_read_labels (const VolumeSliceRaster *self, const VolumeLabelMap *map,
                                 guint16 *dst)
{
  const VolumeSliceFrame *frame = &self->frame;
  VolumeBox row = { .lo = { 0, 0, 0 } };

  row.hi[frame->axis_u] = frame->n_u;
  row.lo[frame->axis_normal] = self->index;
  row.hi[frame->axis_normal] = self->index + 1;
  for (int v = 0; v < frame->n_v; v++, dst += frame->n_u)
    {
      row.lo[frame->axis_v] = frame->flip_v ? frame->n_v - 1 - v : v;
      row.hi[frame->axis_v] = row.lo[frame->axis_v] + 1;
      volume_label_map_read_box (map, &row, dst);
      for (int a = 0, b = frame->n_u - 1; frame->flip_u && a < b; a++, b--)
        {
          guint16 kept = dst[a];

          dst[a] = dst[b];
          dst[b] = kept;
        }
    }
}

void
volume_slice_raster_apply (const VolumeSliceRaster *self, const guint8 *pixels,
                           VolumeEditBuilder *builder, guint16 label)
{
  int ijk[3];

  for (int v = 0; v < self->frame.n_v; v++)
    for (int u = 0; u < self->frame.n_u; u++)
      if (*pixels++ != 0)
        {
          volume_slice_raster_voxel (self, u, v, ijk);
          volume_edit_builder_set (builder, ijk[0], ijk[1], ijk[2], label);
        }
}
