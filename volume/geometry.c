/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/geometry.h"

#include <math.h>
#include <string.h>

/* So that no count of voxels, times what one takes, leaves 64 bits. */
#define MAX_VOXELS 0x1p48

typedef double Mat3[3][3];

static double
det3 (const Mat3 m)
{
  return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
         - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
         + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

static void
invert3 (const Mat3 m, double det, Mat3 out)
{
  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 3; c++)
      {
        int r1 = (c + 1) % 3, r2 = (c + 2) % 3, c1 = (r + 1) % 3, c2 = (r + 2) % 3;

        out[r][c] = (m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]) / det;
      }
}

/* The orthogonal matrix nearest to m (its polar factor), by Newton's iteration
 * X ← (X + X⁻ᵀ) / 2 (Higham 1986). m has unit columns and full rank. */
static void
nearest_orthogonal (const Mat3 m, Mat3 out)
{
  memcpy (out, m, sizeof (Mat3));
  for (int step = 0; step < 200; step++)
    {
      Mat3 inverse;
      double change = 0.0, det = det3 (out);

      if (fabs (det) < 1e-150)
        return;
      invert3 (out, det, inverse);
      for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++)
          {
            double next = 0.5 * (out[r][c] + inverse[c][r]);

            change = fmax (change, fabs (next - out[r][c]));
            inverse[c][r] = next;
          }
      for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++)
          out[r][c] = inverse[c][r];
      if (change < 1e-14)
        return;
    }
}

/* Gives each voxel axis, in order, the anatomical axis it is nearest to among those still free. */
static void
assign_axes (VolumeGeometry *self)
{
  static const char letters[3][2] = { { 'L', 'R' }, { 'P', 'A' }, { 'I', 'S' } };
  static const VolumePlane plane_of_world[3] = { VOLUME_PLANE_SAGITTAL, VOLUME_PLANE_CORONAL,
                                                 VOLUME_PLANE_AXIAL };
  Mat3 unit, rotation;
  gboolean taken[3] = { FALSE, FALSE, FALSE };

  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 3; c++)
      unit[r][c] = self->affine[r][c] / self->spacing_mm[c];
  nearest_orthogonal (unit, rotation);

  for (int axis = 0; axis < 3; axis++)
    {
      int best = -1;

      for (int world = 0; world < 3; world++)
        if (!taken[world]
            && (best < 0 || fabs (rotation[world][axis]) > fabs (rotation[best][axis])))
          best = world;
      taken[best] = TRUE;
      self->axis_of_plane[plane_of_world[best]] = axis;
      self->axis_sign[axis] = rotation[best][axis] < 0.0 ? -1 : 1;
      self->orientation[axis] = letters[best][self->axis_sign[axis] > 0];
    }
  self->orientation[3] = '\0';
}

gboolean
volume_geometry_init (VolumeGeometry *self, const int size[3], const double affine[4][4],
                      VolumeAffineSource from, GError **error)
{
  VolumeGeometry g = { .affine_from = from };
  Mat3 linear, inverse, unit;
  double det;

  g_return_val_if_fail (self != NULL, FALSE);

  for (int a = 0; a < 3; a++)
    {
      if (size[a] < 1)
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                       "a grid of %d × %d × %d voxels has no voxels", size[0], size[1], size[2]);
          return FALSE;
        }
      g.size[a] = size[a];
    }
  if ((double) size[0] * size[1] * size[2] > MAX_VOXELS)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE,
                   "a grid of %d × %d × %d voxels is larger than any machine holds", size[0],
                   size[1], size[2]);
      return FALSE;
    }
  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 4; c++)
      {
        if (!isfinite (affine[r][c]))
          {
            g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                         "the affine holds a number that is not finite (row %d, column %d)", r + 1,
                         c + 1);
            return FALSE;
          }
        g.affine[r][c] = affine[r][c];
        if (c < 3)
          linear[r][c] = affine[r][c];
      }
  g.affine[3][3] = 1.0;

  for (int c = 0; c < 3; c++)
    {
      g.spacing_mm[c] = hypot (hypot (linear[0][c], linear[1][c]), linear[2][c]);
      if (!(g.spacing_mm[c] > 1e-30) || !(g.spacing_mm[c] < 1e30))
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                       "the affine gives voxel axis %d a spacing of %g mm", c + 1, g.spacing_mm[c]);
          return FALSE;
        }
      for (int r = 0; r < 3; r++)
        unit[r][c] = linear[r][c] / g.spacing_mm[c];
    }
  /* Free of units: two axes within about 1e-6 of each other cannot be told apart. */
  if (fabs (det3 (unit)) < 1e-9)
    {
      g_set_error_literal (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                           "the affine is singular: its voxel axes lie in one plane");
      return FALSE;
    }
  det = det3 (linear);
  invert3 (linear, det, inverse);
  for (int r = 0; r < 3; r++)
    {
      for (int c = 0; c < 3; c++)
        {
          g.inverse[r][c] = inverse[r][c];
          g.inverse[r][3] -= inverse[r][c] * g.affine[c][3];
        }
    }
  g.inverse[3][3] = 1.0;
  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 4; c++)
      if (!isfinite (g.inverse[r][c]))
        {
          g_set_error_literal (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                               "the affine cannot be inverted in double precision");
          return FALSE;
        }
  assign_axes (&g);
  *self = g;
  return TRUE;
}

static void
transform (const double m[4][4], const double in[3], double out[3])
{
  double x = in[0], y = in[1], z = in[2];

  for (int r = 0; r < 3; r++)
    out[r] = m[r][0] * x + m[r][1] * y + m[r][2] * z + m[r][3];
}

void
volume_geometry_ijk_to_ras (const VolumeGeometry *self, const double ijk[3], double ras_mm[3])
{
  transform (self->affine, ijk, ras_mm);
}

void
volume_geometry_ras_to_ijk (const VolumeGeometry *self, const double ras_mm[3], double ijk[3])
{
  transform (self->inverse, ras_mm, ijk);
}

gboolean
volume_geometry_equal (const VolumeGeometry *a, const VolumeGeometry *b, double tolerance_mm)
{
  if (memcmp (a->size, b->size, sizeof a->size) != 0)
    return FALSE;
  for (int corner = 0; corner < 8; corner++)
    {
      double ijk[3], ras_a[3], ras_b[3];

      for (int axis = 0; axis < 3; axis++)
        ijk[axis] = (corner >> axis & 1) ? a->size[axis] - 1 : 0;
      volume_geometry_ijk_to_ras (a, ijk, ras_a);
      volume_geometry_ijk_to_ras (b, ijk, ras_b);
      if (!(hypot (hypot (ras_a[0] - ras_b[0], ras_a[1] - ras_b[1]), ras_a[2] - ras_b[2])
            <= tolerance_mm))
        return FALSE;
    }
  /* An axis with one voxel leaves its column unseen by the corners. */
  for (int axis = 0; axis < 3; axis++)
    for (int r = 0; r < 3; r++)
      if (!(fabs (a->affine[r][axis] - b->affine[r][axis]) <= tolerance_mm))
        return FALSE;
  return TRUE;
}

void
volume_geometry_get_slice_frame (const VolumeGeometry *self, VolumePlane plane,
                                 VolumeSliceFrame *frame)
{
  /* Along screen x and screen y, by the plane whose normal is that axis; and the edges' letters. */
  static const struct
  {
    VolumePlane across_u, across_v;
    char left, right, top, bottom;
  } layout[VOLUME_N_PLANES] = {
    [VOLUME_PLANE_AXIAL] = { VOLUME_PLANE_SAGITTAL, VOLUME_PLANE_CORONAL, 'R', 'L', 'A', 'P' },
    [VOLUME_PLANE_CORONAL] = { VOLUME_PLANE_SAGITTAL, VOLUME_PLANE_AXIAL, 'R', 'L', 'S', 'I' },
    [VOLUME_PLANE_SAGITTAL] = { VOLUME_PLANE_CORONAL, VOLUME_PLANE_AXIAL, 'A', 'P', 'S', 'I' },
  };

  g_return_if_fail ((unsigned) plane < VOLUME_N_PLANES);

  frame->plane = plane;
  frame->axis_normal = self->axis_of_plane[plane];
  frame->axis_u = self->axis_of_plane[layout[plane].across_u];
  frame->axis_v = self->axis_of_plane[layout[plane].across_v];
  /* Screen x grows towards L or P, screen y towards P or I: always against R, A, S. */
  frame->flip_u = self->axis_sign[frame->axis_u] > 0;
  frame->flip_v = self->axis_sign[frame->axis_v] > 0;
  frame->n_u = self->size[frame->axis_u];
  frame->n_v = self->size[frame->axis_v];
  frame->n_slices = self->size[frame->axis_normal];
  frame->du_mm = self->spacing_mm[frame->axis_u];
  frame->dv_mm = self->spacing_mm[frame->axis_v];
  frame->letter_left = layout[plane].left;
  frame->letter_right = layout[plane].right;
  frame->letter_top = layout[plane].top;
  frame->letter_bottom = layout[plane].bottom;
}

void
volume_slice_frame_to_ijk (const VolumeSliceFrame *frame, double u, double v, double index,
                           double ijk[3])
{
  ijk[frame->axis_u] = frame->flip_u ? frame->n_u - 1 - u : u;
  ijk[frame->axis_v] = frame->flip_v ? frame->n_v - 1 - v : v;
  ijk[frame->axis_normal] = index;
}

void
volume_slice_frame_from_ijk (const VolumeSliceFrame *frame, const double ijk[3], double *u,
                             double *v, double *index)
{
  *u = frame->flip_u ? frame->n_u - 1 - ijk[frame->axis_u] : ijk[frame->axis_u];
  *v = frame->flip_v ? frame->n_v - 1 - ijk[frame->axis_v] : ijk[frame->axis_v];
  *index = ijk[frame->axis_normal];
}
