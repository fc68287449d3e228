/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/scan.h"
#include "volume/slice-raster.h"

G_BEGIN_DECLS

typedef enum
{
  VOLUME_BRUSH_ROUND,
  VOLUME_BRUSH_SQUARE
} VolumeBrushShape;

/**
 * VolumeBrush:
 * @diameter_mm: width on the slice; 0: @diameter_voxels counts instead
 * @diameter_voxels: width in voxels along each axis of the slice
 * @limit_intensity: touch only voxels of value in [low, high] of the scan given
 */
typedef struct
{
  VolumeBrushShape shape;
  double diameter_mm;
  double diameter_voxels;
  gboolean limit_intensity;
  float low, high;
} VolumeBrush;

/**
 * volume_tool_brush:
 * @scan: (nullable): needed with limit_intensity
 * @points: the pointer's path, (u, v) of @raster; may leave the slice
 *
 * Sets every voxel of the slice whose centre the brush covers while it moves along the path without
 * gaps, and always the voxel under the pointer. Give the last two points on each pointer move: the
 * pieces join to the whole stroke.
 */
void volume_tool_brush (VolumeEditBuilder *builder, const VolumeSliceRaster *raster,
                        VolumeScan *scan, const VolumeBrush *brush, const double (*points)[2],
                        gsize n_points, guint16 label);

G_END_DECLS
