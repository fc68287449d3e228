/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/scan.h"
#include "volume/slice-raster.h"

G_BEGIN_DECLS

/**
 * VolumeLivewire:
 *
 * Outlines that snap to edges: the cheapest path over a slice from an anchor to the pointer, where
 * a step is cheap along strong gradients (live-wire, Mortensen and Barrett 1998, with the gradient
 * magnitude alone as feature). The search from an anchor is kept and goes on only as far as a
 * pointer asks, so that following the pointer is quick.
 *
 * Threads: one at a time. Making one reads the slice (a few ms at 512²).
 */
typedef struct _VolumeLivewire VolumeLivewire;

VolumeLivewire *volume_livewire_new (VolumeScan *scan, const VolumeSliceRaster *raster,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
void volume_livewire_free (VolumeLivewire *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VolumeLivewire, volume_livewire_free)

/* The pixel nearest to (u, v), inside the slice, becomes the anchor. */
void volume_livewire_set_anchor (VolumeLivewire *self, double u, double v);

/**
 * volume_livewire_trace:
 * @path: (element-type double[2]): the pixels from the anchor (not included) to the one nearest to
 *   (u, v) are appended
 *
 * An anchor must have been set.
 */
void volume_livewire_trace (VolumeLivewire *self, double u, double v, GArray *path);

/* The pixel with the strongest edge within @radius pixels: where a click snaps to. */
void volume_livewire_snap (VolumeLivewire *self, double radius, double *u, double *v);

G_END_DECLS
