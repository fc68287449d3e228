/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/components.h"
#include "volume/label-map.h"
#include "volume/mask.h"
#include "volume/slice-raster.h"

G_BEGIN_DECLS

/* Tools that change the shape of one label by what is labelled, not by the scan. Each looks at the
 * voxels of @label within @within (one slice thick for a 2-D tool; the whole grid for 3-D) and
 * collects its changes in @builder, whose guard says what must stay. A voxel taken away from the
 * label becomes background; one added takes the label from background only, never from another
 * label. They read the map in whole boxes: call them on the thread that owns it, or, for large
 * boxes, on a map of your own made from the same edits. */

/* Gaussian of @sigma_mm on the label's indicator, cut at one half. Rounds corners, keeps volume
 * nearly. @sigma_mm above 0. */
void volume_tool_smooth (VolumeEditBuilder *builder, const VolumeGeometry *geometry,
                         const VolumeLabelMap *map, const VolumeBox *within, double sigma_mm,
                         guint16 label);

/* Takes away connected pieces of fewer than @min_voxels; G_MAXSIZE keeps the largest alone. Returns
 * the number of pieces taken away. */
guint volume_tool_remove_islands (VolumeEditBuilder *builder, const VolumeLabelMap *map,
                                  const VolumeBox *within, VolumeConnectivity connectivity,
                                  gsize min_voxels, guint16 label);

/* Background that the label shuts in becomes the label. Returns voxels filled. */
gsize volume_tool_fill_holes (VolumeEditBuilder *builder, const VolumeLabelMap *map,
                              const VolumeBox *within, guint16 label);

/**
 * volume_tool_interpolate:
 * @first, @last: indices of two labelled slices of @plane, first < last
 *
 * Shape-based interpolation (Raya and Udupa 1990): the signed distances (mm) of the label's
 * outlines on both slices, mixed linearly, are cut at zero on each slice in between. Other labels
 * in between stay. Returns %FALSE if the label is missing on either slice.
 */
gboolean volume_tool_interpolate (VolumeEditBuilder *builder, const VolumeGeometry *geometry,
                                  const VolumeLabelMap *map, VolumePlane plane, int first, int last,
                                  guint16 label);

/* Copies @label (or every label, if 0) from slice @from of the raster's plane onto the raster's
 * own, adding to what is there: background there takes nothing away. FALSE if there is no such
 * slice. */
gboolean volume_tool_copy_slice (VolumeEditBuilder *builder, const VolumeSliceRaster *raster,
                                 const VolumeLabelMap *map, int from, guint16 label);

G_END_DECLS
