/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/slice-raster.h"

G_BEGIN_DECLS

/**
 * volume_tool_polygon:
 * @points: vertices (u, v) of a closed polygon on the slice; the last joins the first
 *
 * Sets the voxels whose centre lies inside, by the even-odd rule, so that a loop inside a loop is a
 * hole. A centre on a left or upper edge is inside, on a right or lower one outside: polygons that
 * share an edge neither overlap nor leave a gap. For lasso and livewire outlines as well.
 */
void volume_tool_polygon (VolumeEditBuilder *builder, const VolumeSliceRaster *raster,
                          const double (*points)[2], gsize n_points, guint16 label);

/* The same as a picture, n_v × n_u bytes of 0 and 1. */
void volume_tool_polygon_fill (const VolumeSliceRaster *raster, const double (*points)[2],
                               gsize n_points, guint8 *pixels);

G_END_DECLS
