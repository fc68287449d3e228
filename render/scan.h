/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/device.h"
#include "volume/scan.h"

G_BEGIN_DECLS

/**
 * RenderScan:
 *
 * A scan on the device. Its upload runs in pieces between frames and pictures are right from the
 * first one on: a slice not there yet is sent ahead by itself. A scan larger than the device's
 * limits is kept as a coarser level there, and slices of the voxel grid are streamed exactly.
 * Values that are not finite are shown as the smallest finite one. Keeps a reference on @scan and
 * no other host copy.
 */
RenderScan *render_scan_new (RenderDevice *device, VolumeScan *scan) G_GNUC_WARN_UNUSED_RESULT;
RenderScan *render_scan_ref (RenderScan *self);
void render_scan_unref (RenderScan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RenderScan, render_scan_unref)

VolumeScan *render_scan_get_volume (RenderScan *self); /* (transfer none) */
const VolumeGeometry *render_scan_get_geometry (RenderScan *self);
/* 0…1; any thread. */
double render_scan_get_progress (RenderScan *self);

G_END_DECLS
