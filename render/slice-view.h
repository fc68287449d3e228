/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/render-types.h"
#include "volume/geometry.h"

G_BEGIN_DECLS

/**
 * RenderSlicePlacement:
 *
 * Which plane is looked at, and how it lies in the frame; what a slice widget keeps as its state.
 *
 * @oblique: FALSE: slice @index of @plane, in radiological convention. TRUE: the plane through
 *   @centre_ras spanned by @right_ras and @down_ras (the frame's x and y; unit, orthogonal)
 * @neurological: mirror left and right of axial and coronal planes (say so loudly to the reader)
 * @zoom: 1 fits the slice (oblique: the scan's bounding sphere) into the frame; 0 counts as 1
 * @offset_mm: the point of the plane in the middle of the frame, from the slice's middle (oblique:
 *   from @centre_ras), millimetres along the frame's x and y
 */
typedef struct
{
  gboolean oblique;
  VolumePlane plane;
  double index;
  gboolean neurological;
  double centre_ras[3], right_ras[3], down_ras[3];
  double zoom;
  double offset_mm[2];
} RenderSlicePlacement;

/**
 * RenderSliceView:
 *
 * A placement in a frame of a size: the exact affine map pixel → ijk that is drawn, also the one
 * for hit testing. A plain value.
 */
typedef struct
{
  int width, height; /* pixels */
  double px_per_mm; /* on both axes */
  double origin_ijk[3]; /* at pixel (0, 0), the frame's top left corner */
  double ijk_per_x[3]; /* per pixel to the right */
  double ijk_per_y[3]; /* per pixel down */
  double normal_ijk[3]; /* covector: dot with (ijk − origin) is the distance from the plane, in
                           voxels for planes of the grid, in mm for oblique ones */
  double x_of_ijk[3], y_of_ijk[3]; /* covectors: dot with (ijk − origin) gives x, y */
  int normal_axis; /* voxel axis across a plane of the grid; −1 for an oblique one */
  RenderSlicePlacement placement;
} RenderSliceView;

void render_slice_view_init (RenderSliceView *self, const VolumeGeometry *geometry,
                             const RenderSlicePlacement *placement, int width, int height);

/* Exact, in doubles. Round ijk to the nearest whole numbers for the voxel under the pointer. */
void render_slice_view_pixel_to_ijk (const RenderSliceView *self, double x, double y,
                                     double ijk[3]);
/* The point's projection on the plane. @distance (nullable): see normal_ijk. */
void render_slice_view_ijk_to_pixel (const RenderSliceView *self, const double ijk[3], double *x,
                                     double *y, double *distance);

/* A placement zoomed by @factor about pixel (x, y), which stays on the same point; and one moved
 * with the pointer by (dx, dy) pixels. @self is the view now. */
void render_slice_view_zoom_about (const RenderSliceView *self, double x, double y, double factor,
                                   RenderSlicePlacement *placement);
void render_slice_view_pan (const RenderSliceView *self, double dx, double dy,
                            RenderSlicePlacement *placement);
/* A placement that brings @ijk into the middle of the frame (planes of the grid: not the index). */
void render_slice_view_centre_on (const RenderSliceView *self, const double ijk[3],
                                  RenderSlicePlacement *placement);

/* R L A P S I at the left, right, top and bottom edge; for oblique scans and planes the nearest. */
void render_slice_view_get_letters (const RenderSliceView *self, const VolumeGeometry *geometry,
                                    char letters[4]);

G_END_DECLS
