/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/edit.h"
#include "volume/geometry.h"
#include "volume/label-map.h"

G_BEGIN_DECLS

/**
 * VolumeSliceRaster:
 *
 * One slice of a grid as a picture: @n_v rows of @n_u pixels in the screen order of
 * VolumeSliceFrame. The 2-D tools work on it: points are (u, v), whole numbers are centres.
 */
typedef struct
{
  VolumeSliceFrame frame;
  int index;
} VolumeSliceRaster;

/* FALSE if the grid has no such slice. */
gboolean volume_slice_raster_init (VolumeSliceRaster *self, const VolumeGeometry *geometry,
                                   VolumePlane plane, int index);

gsize volume_slice_raster_get_n_pixels (const VolumeSliceRaster *self);
void volume_slice_raster_voxel (const VolumeSliceRaster *self, int u, int v, int ijk[3]);
/* Labels of the slice, n_v × n_u, screen order. */
void volume_slice_raster_read_labels (const VolumeSliceRaster *self, const VolumeLabelMap *map,
                                      guint16 *dst);
/* Sets @label where @pixels (screen order) is not zero. */
void volume_slice_raster_apply (const VolumeSliceRaster *self, const guint8 *pixels,
                                VolumeEditBuilder *builder, guint16 label);

G_END_DECLS
