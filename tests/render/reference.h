/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Slices computed from first principles, sharing no code with render/ or volume/geometry.c: from
 * the affine and the radiological convention alone, in doubles, one pixel after the other. */

#include "render/slice.h"

/* How a plane of the grid lies on the screen. */
typedef struct
{
  int axis[3]; /* voxel axes along screen right, screen down, across */
  int sign[3]; /* +1 where the index grows along screen right, down */
  double spacing[3];
} ReferencePlane;

typedef double (*ReferenceValue) (int i, int j, int k, gpointer data);

void reference_plane (const double affine[4][4], VolumePlane plane, ReferencePlane *self);

/* The index along right and down at a point of the frame; @zoom and @offset_mm as in
 * RenderSlicePlacement. */
void reference_point (const ReferencePlane *self, const int size[3], int width, int height,
                      double zoom, const double offset_mm[2], double x, double y,
                      double *right_index, double *down_index);

/* Grey values 0 … 255 of a slice, −1 outside the scan, −2 where a rounding may go either way. */
int *reference_slice (const double affine[4][4], const int size[3], VolumePlane plane, int index,
                      RenderInterpolation interpolation, double centre, double window, int width,
                      int height, double zoom, const double offset_mm[2], ReferenceValue value,
                      gpointer data);
