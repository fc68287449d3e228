/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gio/gio.h>

#include "volume/label-map.h"
#include "volume/mask.h"
#include "volume/scan.h"
#include "volume/slice-raster.h"

G_BEGIN_DECLS

/* Regions by intensity or by what is labelled already. Functions that answer a VolumeMask read only
 * immutable objects and may run on any thread; NULL with G_IO_ERROR_CANCELLED if cancelled. */

/**
 * volume_tool_flood:
 * @seed: a voxel inside @within
 * @within: the box to stay in; one slice thick for a 2-D flood
 *
 * The voxels joined to @seed (through faces) whose value lies in [low, high]. Empty if the seed's
 * does not.
 */
VolumeMask *volume_tool_flood (VolumeScan *scan, const int seed[3], float low, float high,
                               const VolumeBox *within, GCancellable *cancellable,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The voxels of @within whose value lies in [low, high]. */
VolumeMask *volume_tool_threshold (VolumeScan *scan, float low, float high, const VolumeBox *within,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * volume_tool_bucket:
 *
 * On a slice: the connected patch (faces) of equal labels that holds pixel (u, v) is set to @label:
 * fills an outline drawn with the brush. Returns FALSE if the pixel is outside the slice.
 */
gboolean volume_tool_bucket (VolumeEditBuilder *builder, const VolumeSliceRaster *raster,
                             const VolumeLabelMap *map, int u, int v, guint16 label);

G_END_DECLS
