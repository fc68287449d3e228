/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/geometry.h"

#include <math.h>
#include <string.h>

static void
rotation_about (double axis_x, double axis_y, double axis_z, double angle, double m[3][3])
{
  double length = sqrt (axis_x * axis_x + axis_y * axis_y + axis_z * axis_z);
  double u[3] = { axis_x / length, axis_y / length, axis_z / length };
  double c = cos (angle), s = sin (angle);
  const double cross[3][3] = { { 0, -u[2], u[1] }, { u[2], 0, -u[0] }, { -u[1], u[0], 0 } };

  for (int r = 0; r < 3; r++)
    for (int q = 0; q < 3; q++)
      m[r][q] = (r == q ? c : 0) + (1 - c) * u[r] * u[q] + s * cross[r][q];
}

static void
test_axis_orders (void)
{
  static const int permutations[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                          { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
  static const char letters[3][2] = { { 'L', 'R' }, { 'P', 'A' }, { 'I', 'S' } };
  static const VolumePlane planes[3] = { VOLUME_PLANE_SAGITTAL, VOLUME_PLANE_CORONAL,
                                         VOLUME_PLANE_AXIAL };
  const int size[3] = { 5, 6, 7 };

  for (int p = 0; p < 6; p++)
    for (int signs = 0; signs < 8; signs++)
      {
        double affine[4][4] = { { 0 } };
        VolumeGeometry g;
        g_autoptr (GError) error = NULL;

        for (int axis = 0; axis < 3; axis++)
          affine[permutations[p][axis]][axis] = (signs >> axis & 1 ? 1 : -1) * (axis + 0.5);
        g_assert_true (volume_geometry_init (&g, size, affine, VOLUME_AFFINE_FROM_SFORM, &error));
        for (int axis = 0; axis < 3; axis++)
          {
            int world = permutations[p][axis];

            g_assert_cmpint (g.axis_of_plane[planes[world]], ==, axis);
            g_assert_cmpint (g.axis_sign[axis], ==, signs >> axis & 1 ? 1 : -1);
            g_assert_cmpint (g.orientation[axis], ==, letters[world][signs >> axis & 1]);
            g_assert_cmpfloat (g.spacing_mm[axis], ==, axis + 0.5);
          }
      }
}

/* On screen: +u must go to the right letter, +v to the bottom letter, whatever the grid. */
static void
test_slice_frames (void)
{
  const int size[3] = { 9, 8, 7 };

  for (int turn = 0; turn < 64; turn++)
    {
      double rotation[3][3], affine[4][4] = { { 0 } };
      VolumeGeometry g;

      rotation_about (1 + turn % 3, turn % 5 - 2, turn % 7 - 3 + 0.5, turn * 0.41, rotation);
      for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++)
          affine[r][c] = rotation[r][c] * (c + 1) * (turn & 1 && c == 2 ? -1 : 1);
      affine[0][3] = turn;
      g_assert_true (volume_geometry_init (&g, size, affine, VOLUME_AFFINE_FROM_QFORM, NULL));
      for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
        {
          static const int world_u[3] = { 0, 0, 1 }, world_v[3] = { 1, 2, 2 };
          VolumeSliceFrame frame;
          double here[3], right[3], down[3], ras[3], ras_right[3], ras_down[3], u, v, index;

          volume_geometry_get_slice_frame (&g, plane, &frame);
          volume_slice_frame_to_ijk (&frame, 2, 3, 4, here);
          volume_slice_frame_to_ijk (&frame, 3, 3, 4, right);
          volume_slice_frame_to_ijk (&frame, 2, 4, 4, down);
          volume_slice_frame_from_ijk (&frame, here, &u, &v, &index);
          g_assert_cmpfloat (u, ==, 2);
          g_assert_cmpfloat (v, ==, 3);
          g_assert_cmpfloat (index, ==, 4);
          volume_geometry_ijk_to_ras (&g, here, ras);
          volume_geometry_ijk_to_ras (&g, right, ras_right);
          volume_geometry_ijk_to_ras (&g, down, ras_down);
          /* Against R, A, S along the axis the permutation gave it. */
          if (g.orientation[frame.axis_u] == "RAS"[world_u[plane]]
              || g.orientation[frame.axis_u] == "LPI"[world_u[plane]])
            {
              double du = ras_right[world_u[plane]] - ras[world_u[plane]];
              double dv = ras_down[world_v[plane]] - ras[world_v[plane]];

              g_assert_cmpint (frame.flip_u, ==, g.axis_sign[frame.axis_u] > 0);
              if (fabs (du) > 0.6 * frame.du_mm)
                g_assert_cmpfloat (du, <, 0);
              if (fabs (dv) > 0.6 * frame.dv_mm)
                g_assert_cmpfloat (dv, <, 0);
            }
          else
            g_assert_not_reached ();
        }
    }
}

static void
test_inverse (void)
{
  const int size[3] = { 30, 40, 50 };
  double affine[4][4] = {
    { 0.7, 0.2, -0.3, 11 }, { -0.1, 1.9, 0.4, -70 }, { 0.25, -0.6, 3.2, 5.5 }, { 0, 0, 0, 1 }
  };
  VolumeGeometry g;

  g_assert_true (volume_geometry_init (&g, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  for (int n = 0; n < 200; n++)
    {
      double ijk[3] = { n % 30, n * 0.37, n / 7.0 }, ras[3], back[3];

      volume_geometry_ijk_to_ras (&g, ijk, ras);
      volume_geometry_ras_to_ijk (&g, ras, back);
      for (int a = 0; a < 3; a++)
        g_assert_cmpfloat_with_epsilon (back[a], ijk[a], 1e-9);
    }
}

static void
test_refusals (void)
{
  const int size[3] = { 3, 3, 3 };
  const struct
  {
    double m[3][4];
  } bad[] = {
    { { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 0, 0 } } },
    { { { 1, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 0 } } },
    { { { 1, 0, 0, NAN }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } } },
    { { { INFINITY, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 } } },
    { { { 1, 0, 1, 0 }, { 0, 1, 1, 0 }, { 0, 0, 1e-14, 0 } } },
  };
  double good[4][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };

  for (gsize b = 0; b < G_N_ELEMENTS (bad); b++)
    {
      double affine[4][4] = { [3][3] = 1 };
      VolumeGeometry g, before;
      g_autoptr (GError) error = NULL;

      memset (&g, 0x5a, sizeof g);
      before = g;
      memcpy (affine, bad[b].m, sizeof bad[b].m);
      g_assert_false (volume_geometry_init (&g, size, affine, VOLUME_AFFINE_FROM_SFORM, &error));
      g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
      g_assert_cmpmem (&g, sizeof g, &before, sizeof before);
    }
  {
    VolumeGeometry g;
    g_autoptr (GError) error = NULL;
    const int none[3] = { 3, 0, 3 };

    g_assert_false (volume_geometry_init (&g, none, good, VOLUME_AFFINE_FROM_SFORM, &error));
    g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
  }
  /* Strong shear and tiny voxels are ordinary. */
  {
    double sheared[4][4] = {
      { 1e-4, 9e-5, 0, 0 }, { 0, 1e-4, 9e-5, 0 }, { 0, 0, 1e-4, 0 }, { 0, 0, 0, 1 }
    };
    VolumeGeometry g;

    g_assert_true (volume_geometry_init (&g, size, sheared, VOLUME_AFFINE_FROM_SFORM, NULL));
  }
}

static void
test_equal (void)
{
  const int size[3] = { 100, 1, 10 }, other_size[3] = { 100, 1, 11 };
  double affine[4][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };
  VolumeGeometry a, b;

  g_assert_true (volume_geometry_init (&a, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  g_assert_true (volume_geometry_equal (&a, &a, 0));
  g_assert_true (volume_geometry_init (&b, other_size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  g_assert_false (volume_geometry_equal (&a, &b, 1e3));
  affine[0][0] = 1.001; /* 0.099 mm at the far corner */
  g_assert_true (volume_geometry_init (&b, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  g_assert_true (volume_geometry_equal (&a, &b, 0.1));
  g_assert_false (volume_geometry_equal (&a, &b, 0.09));
  affine[0][0] = 1;
  affine[1][1] = 4; /* seen along an axis of one voxel, too */
  g_assert_true (volume_geometry_init (&b, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  g_assert_false (volume_geometry_equal (&a, &b, 0.1));
}

/* A count of voxels must not leave 64 bits on its way through the program. */
static void
test_too_large (void)
{
  const int size[3] = { G_MAXINT, G_MAXINT, G_MAXINT };
  const double affine[4][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };
  g_autoptr (GError) error = NULL;
  VolumeGeometry geometry;

  g_assert_false (volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, &error));
  g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/geometry/axis-orders", test_axis_orders);
  g_test_add_func ("/volume/geometry/slice-frames", test_slice_frames);
  g_test_add_func ("/volume/geometry/inverse", test_inverse);
  g_test_add_func ("/volume/geometry/refusals", test_refusals);
  g_test_add_func ("/volume/geometry/equal", test_equal);
  g_test_add_func ("/volume/geometry/too-large", test_too_large);
  return g_test_run ();
}
