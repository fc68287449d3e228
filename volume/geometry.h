/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/volume-types.h"

G_BEGIN_DECLS

/* Which header field the affine was taken from. */
typedef enum
{
  VOLUME_AFFINE_FROM_SFORM,
  VOLUME_AFFINE_FROM_QFORM,
  VOLUME_AFFINE_FROM_PIXDIM,
  VOLUME_AFFINE_FROM_ASSUMED, /* the format stores none; the loader's documented assumption */
} VolumeAffineSource;

/**
 * VolumeGeometry:
 *
 * The place of a voxel grid in the world. A plain value: copy it freely, never change one that
 * belongs to a scan. Oblique and sheared affines are ordinary here.
 *
 * @size: voxels along i, j, k; each at least 1
 * @affine: ijk (whole numbers are centres) → RAS mm, row major
 * @inverse: RAS mm → ijk
 * @spacing_mm: lengths of the affine's columns
 * @axis_of_plane: voxel axis (0…2) perpendicular to each VolumePlane; a permutation
 * @axis_sign: per voxel axis, +1 where the index grows towards the R, A or S end of the anatomical
 *   axis it is nearest to, −1 otherwise
 * @orientation: letter each voxel axis points to, as nibabel's aff2axcodes, e.g. "RAS"
 */
struct _VolumeGeometry
{
  int size[3];
  double affine[4][4];
  double inverse[4][4];
  double spacing_mm[3];
  int axis_of_plane[VOLUME_N_PLANES];
  int axis_sign[3];
  char orientation[4];
  VolumeAffineSource affine_from;
};

/**
 * volume_geometry_init:
 * @self: (out caller-allocates): filled on success
 * @size: voxels along i, j, k
 * @affine: ijk → RAS mm
 *
 * Returns: %FALSE with VOLUME_ERROR_FORMAT if a size is below 1 or the affine is singular or not
 * finite; @self is then untouched.
 */
gboolean volume_geometry_init (VolumeGeometry *self, const int size[3], const double affine[4][4],
                               VolumeAffineSource from, GError **error);

/**
 * volume_geometry_ijk_to_ras:
 * @ijk: (array fixed-size=3): voxel indices; whole numbers are voxel centres
 * @ras_mm: (out caller-allocates) (array fixed-size=3): world point, millimetres
 */
void volume_geometry_ijk_to_ras (const VolumeGeometry *self, const double ijk[3], double ras_mm[3]);
void volume_geometry_ras_to_ijk (const VolumeGeometry *self, const double ras_mm[3], double ijk[3]);

/* Same sizes, and affines equal within @tolerance_mm at the grid's corners. */
gboolean volume_geometry_equal (const VolumeGeometry *a, const VolumeGeometry *b,
                                double tolerance_mm);

/**
 * VolumeSliceFrame:
 *
 * How a plane of a grid lies on a screen in radiological convention: patient right on screen left
 * in axial and coronal, anterior at the top in axial, superior at the top otherwise, anterior on
 * the left in sagittal.
 *
 * @axis_normal, @axis_u, @axis_v: voxel axes across the slice, along the screen's x, along its y
 * @flip_u, @flip_v: whether the index falls as screen x grows to the right, screen y grows down
 * @n_u, @n_v, @n_slices: voxels along them
 * @du_mm, @dv_mm: spacing along them
 * @letter_left, @letter_right, @letter_top, @letter_bottom: R L A P S I at the edges
 */
typedef struct
{
  VolumePlane plane;
  int axis_normal, axis_u, axis_v;
  gboolean flip_u, flip_v;
  int n_u, n_v, n_slices;
  double du_mm, dv_mm;
  char letter_left, letter_right, letter_top, letter_bottom;
} VolumeSliceFrame;

void volume_geometry_get_slice_frame (const VolumeGeometry *self, VolumePlane plane,
                                      VolumeSliceFrame *frame);

/* Screen pixel (column @u, row @v; whole numbers are centres) of slice @index ↔ ijk. */
void volume_slice_frame_to_ijk (const VolumeSliceFrame *frame, double u, double v, double index,
                                double ijk[3]);
void volume_slice_frame_from_ijk (const VolumeSliceFrame *frame, const double ijk[3], double *u,
                                  double *v, double *index);

G_END_DECLS
