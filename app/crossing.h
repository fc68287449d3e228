/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "volume/geometry.h"
#include "volume/label-map.h"

G_BEGIN_DECLS

typedef struct
{
  VolumePlane plane;
  int index;
} AppCrossingSlice;

/* A voxel on the line where slices @a and @b (positions in the list given) cross. */
typedef struct
{
  int ijk[3];
  int a, b;
} AppCrossing;

/**
 * app_crossing_find:
 *
 * The crossing check. A voxel where two labelled slices cross has one label, that of whoever drew
 * last; the two slices agree there if that label fits into both. It does not fit into a slice where
 * its neighbours on both sides of the line agree with each other and not with it: there the other
 * slice has cut through what was drawn. A slice counts as labelled once it carries labels off the
 * lines where it crosses the others. Voxels of the grid's edge have one neighbour, which decides.
 *
 * Returns: (element-type AppCrossing): each voxel once, in order along the lines.
 */
GArray *app_crossing_find (const VolumeLabelMap *map, const VolumeGeometry *geometry,
                           const AppCrossingSlice *slices,
                           gsize n_slices) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
