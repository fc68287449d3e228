/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/tool-brush.h"
#include "volume/tool-livewire.h"
#include "volume/tool-polygon.h"
#include "volume/tool-region.h"
#include "volume/tool-shape.h"

#include <math.h>
#include <string.h>

typedef double Point[2];

/* A grid of axes LPS, so that screen and index order agree in the axial plane: u = i, v = j. */
typedef struct
{
  VolumeGeometry geometry;
  VolumeLabelMap *map;
  VolumeEditBuilder *builder;
  guint32 last_id;
} Fixture;

static void
set_up_sized (Fixture *f, const int size[3], double si, double sj, double sk)
{
  const double affine[4][4] = {
    { -si, 0, 0, 0 }, { 0, -sj, 0, 0 }, { 0, 0, sk, 0 }, { 0, 0, 0, 1 }
  };

  g_assert_true (volume_geometry_init (&f->geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  f->map = volume_label_map_new (size, NULL);
  f->builder = volume_edit_builder_new (f->map, NULL);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  set_up_sized (f, (const int[3]){ 40, 30, 12 }, 1, 1, 3);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  volume_edit_builder_free (f->builder);
  volume_label_map_unref (f->map);
}

/* Ends the gesture and applies it; answers the voxels it changed. */
static gsize
finish (Fixture *f)
{
  g_autoptr (VolumeEdit) edit =
      volume_edit_builder_end (f->builder, ++f->last_id, VOLUME_PROVENANCE_HAND, "test", NULL);
  GError *error = NULL;
  gsize n = volume_edit_get_n_voxels (edit);

  g_assert_true (volume_label_map_apply_edit (f->map, edit, &error));
  g_assert_no_error (error);
  volume_edit_builder_free (f->builder);
  f->builder = volume_edit_builder_new (f->map, NULL);
  return n;
}

static VolumeSliceRaster
axial (const Fixture *f, int index)
{
  VolumeSliceRaster raster;

  g_assert_true (volume_slice_raster_init (&raster, &f->geometry, VOLUME_PLANE_AXIAL, index));
  return raster;
}

static void
paint_box (Fixture *f, int i0, int j0, int k0, int i1, int j1, int k1, guint16 label)
{
  for (int k = k0; k < k1; k++)
    for (int j = j0; j < j1; j++)
      volume_edit_builder_set_run (f->builder, i0, j, k, i1 - i0, label);
  finish (f);
}

static void
test_raster (Fixture *f, gconstpointer data)
{
  for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
    {
      VolumeSliceRaster raster;
      g_autofree guint16 *labels = NULL;

      g_assert_false (volume_slice_raster_init (&raster, &f->geometry, plane, -1));
      g_assert_true (volume_slice_raster_init (&raster, &f->geometry, plane, 3));
      for (int n = 0; n < 20; n++)
        {
          int ijk[3] = { g_test_rand_int_range (0, 40), g_test_rand_int_range (0, 30),
                         g_test_rand_int_range (0, 12) };
          double u, v, index;

          ijk[raster.frame.axis_normal] = 3;
          volume_edit_builder_set (f->builder, ijk[0], ijk[1], ijk[2], n + 1);
          finish (f);
          labels = g_new (guint16, volume_slice_raster_get_n_pixels (&raster));
          volume_slice_raster_read_labels (&raster, f->map, labels);
          volume_slice_frame_from_ijk (&raster.frame, (const double[3]){ ijk[0], ijk[1], ijk[2] },
                                       &u, &v, &index);
          g_assert_cmpuint (labels[(int) u + raster.frame.n_u * (int) v], ==, n + 1);
          g_clear_pointer (&labels, g_free);
        }
    }
}

static void
test_brush_round (Fixture *f, gconstpointer data)
{
  const VolumeSliceRaster raster = axial (f, 5);
  const double stroke[3][2] = { { 10, 10 }, { 25.3, 14.6 }, { 25.3, 30 } };

  volume_tool_brush (f->builder, &raster, NULL, &(VolumeBrush){ .diameter_mm = 7.0 }, stroke, 3, 1);
  finish (f);
  for (int j = 0; j < 30; j++)
    for (int i = 0; i < 40; i++)
      {
        double nearest = G_MAXDOUBLE;

        for (int s = 0; s < 2; s++)
          for (int t = 0; t <= 4000; t++)
            {
              double w = t / 4000.0;
              double x = (1 - w) * stroke[s][0] + w * stroke[s + 1][0] - i;
              double y = (1 - w) * stroke[s][1] + w * stroke[s + 1][1] - j;

              nearest = MIN (nearest, hypot (x, y));
            }
        if (fabs (nearest - 3.5) > 1e-3)
          g_assert_cmpuint (volume_label_map_get (f->map, i, j, 5), ==, nearest < 3.5);
        g_assert_cmpuint (volume_label_map_get (f->map, i, j, 4), ==, 0);
      }
}

/* Millimetres are the same on an anisotropic slice: 6 mm are 6 voxels along one, 2 along other. */
static void
test_brush_anisotropic (Fixture *f, gconstpointer data)
{
  VolumeSliceRaster raster;
  const double point[1][2] = { { 20, 6 } };
  int along_u = 0, along_v = 0;

  g_assert_true (volume_slice_raster_init (&raster, &f->geometry, VOLUME_PLANE_CORONAL, 10));
  volume_tool_brush (f->builder, &raster, NULL,
                     &(VolumeBrush){ .shape = VOLUME_BRUSH_SQUARE, .diameter_mm = 6.1 }, point, 1,
                     1);
  finish (f);
  for (int i = 0; i < 40; i++)
    along_u += volume_label_map_get (f->map, i, 10, 5);
  for (int k = 0; k < 12; k++)
    along_v += volume_label_map_get (f->map, 20, 10, k);
  g_assert_cmpint (along_u, ==, 7);
  g_assert_cmpint (along_v, ==, 3);
}

static void
test_brush_is_never_empty (Fixture *f, gconstpointer data)
{
  const VolumeSliceRaster raster = axial (f, 0);
  const double diagonal[2][2] = { { 2.4, 2.4 }, { 12.4, 9.4 } };
  const double outside[2][2] = { { -1e300, 5 }, { 1e300, NAN } };

  volume_tool_brush (f->builder, &raster, NULL, &(VolumeBrush){ .diameter_voxels = 0.1 }, diagonal,
                     2, 1);
  g_assert_cmpuint (finish (f), >=, 11);
  volume_tool_brush (f->builder, &raster, NULL, &(VolumeBrush){ .diameter_voxels = 3 }, outside, 2,
                     1);
  g_assert_cmpuint (finish (f), ==, 0);
}

static void
test_brush_pieces_join (Fixture *f, gconstpointer data)
{
  const VolumeSliceRaster raster = axial (f, 1), other = axial (f, 2);
  const double stroke[4][2] = { { 5, 5 }, { 9.2, 7 }, { 14, 3 }, { 30, 25 } };
  const VolumeBrush brush = { .diameter_voxels = 4.4 };

  volume_tool_brush (f->builder, &raster, NULL, &brush, stroke, 4, 1);
  for (int p = 0; p < 3; p++)
    volume_tool_brush (f->builder, &other, NULL, &brush, stroke + p, 2, 1);
  finish (f);
  for (int j = 0; j < 30; j++)
    for (int i = 0; i < 40; i++)
      g_assert_cmpuint (volume_label_map_get (f->map, i, j, 1), ==,
                        volume_label_map_get (f->map, i, j, 2));
}

static VolumeScan *
scan_of (const Fixture *f, float (*value) (int i, int j, int k))
{
  const int *size = f->geometry.size;
  gsize n = (gsize) size[0] * size[1] * size[2];
  float *values = g_new (float, n);

  for (gsize v = 0; v < n; v++)
    values[v] = value (v % size[0], v / size[0] % size[1], v / size[0] / size[1]);
  return volume_scan_new_take (&f->geometry, VOLUME_DTYPE_F32,
                               g_bytes_new_take (values, n * sizeof (float)), 1, 0);
}

/* A bright disc of radius 8 round (20, 15) in each slice, with a gap between slices 6 and 7. */
static float
disc_value (int i, int j, int k)
{
  return hypot (i - 20, j - 15) <= 8 && k != 6 ? 100 : 10;
}

static void
test_brush_intensity (Fixture *f, gconstpointer data)
{
  const VolumeSliceRaster raster = axial (f, 3);
  g_autoptr (VolumeScan) scan = scan_of (f, disc_value);
  const double point[1][2] = { { 20, 15 } };

  volume_tool_brush (
      f->builder, &raster, scan,
      &(VolumeBrush){ .diameter_voxels = 27, .limit_intensity = TRUE, .low = 50, .high = 150 },
      point, 1, 1);
  finish (f);
  for (int j = 0; j < 30; j++)
    for (int i = 0; i < 40; i++)
      g_assert_cmpuint (volume_label_map_get (f->map, i, j, 3), ==, disc_value (i, j, 3) > 50);
}

static void
test_polygon (Fixture *f, gconstpointer data)
{
  const VolumeSliceRaster raster = axial (f, 4);
  /* A square with a square hole, in one path. */
  const double square[][2] = { { 5, 5 },   { 20, 5 },  { 20, 20 }, { 5, 20 },  { 5, 5 },
                               { 10, 10 }, { 15, 10 }, { 15, 15 }, { 10, 15 }, { 10, 10 } };
  const double triangle[][2] = { { 25.2, -9 }, { 60, 12.7 }, { 27.1, 40 } };

  volume_tool_polygon (f->builder, &raster, square, G_N_ELEMENTS (square), 1);
  g_assert_cmpuint (finish (f), ==, 15 * 15 - 5 * 5);
  g_assert_cmpuint (volume_label_map_get (f->map, 5, 5, 4), ==, 1);
  g_assert_cmpuint (volume_label_map_get (f->map, 20, 5, 4), ==, 0);
  g_assert_cmpuint (volume_label_map_get (f->map, 12, 12, 4), ==, 0);

  volume_tool_polygon (f->builder, &raster, triangle, 3, 2);
  finish (f);
  for (int j = 0; j < 30; j++)
    for (int i = 21; i < 40; i++)
      {
        gboolean inside = TRUE;

        for (int e = 0; e < 3; e++)
          {
            const double *a = triangle[e], *b = triangle[(e + 1) % 3];

            inside &= (b[0] - a[0]) * (j - a[1]) - (b[1] - a[1]) * (i - a[0]) > 0;
          }
        g_assert_cmpuint (volume_label_map_get (f->map, i, j, 4), ==, inside ? 2 : 0);
      }
}

static void
test_flood (Fixture *f, gconstpointer data)
{
  g_autoptr (VolumeScan) scan = scan_of (f, disc_value);
  const VolumeBox grid = volume_box_of_grid (f->geometry.size);
  const VolumeSliceRaster raster = axial (f, 2);
  const VolumeBox slice = volume_box_of_slice (&raster.frame, f->geometry.size, 2);
  const int seed[3] = { 20, 15, 2 }, outside[3] = { 0, 0, 2 };
  gsize in_slice = 0;
  g_autoptr (VolumeMask) flat = volume_tool_flood (scan, seed, 50, 150, &slice, NULL, NULL);
  g_autoptr (VolumeMask) solid = volume_tool_flood (scan, seed, 50, 150, &grid, NULL, NULL);
  g_autoptr (VolumeMask) nothing = volume_tool_flood (scan, outside, 50, 150, &grid, NULL, NULL);
  g_autoptr (VolumeMask) all = volume_tool_threshold (scan, 50, 150, &grid, NULL);

  for (int j = 0; j < 30; j++)
    for (int i = 0; i < 40; i++)
      {
        in_slice += disc_value (i, j, 2) > 50;
        g_assert_cmpint (volume_mask_get (flat, i, j, 2), ==, disc_value (i, j, 2) > 50);
      }
  g_assert_cmpuint (volume_mask_count (flat), ==, in_slice);
  g_assert_cmpuint (volume_mask_count (solid), ==, 6 * in_slice);
  g_assert_cmpuint (volume_mask_count (nothing), ==, 0);
  g_assert_cmpuint (volume_mask_count (all), ==, 11 * in_slice);

  volume_mask_apply (flat, f->builder, 3);
  g_assert_cmpuint (finish (f), ==, in_slice);
}

/* A flood of half a million voxels stops when it is told to. */
static void
test_flood_cancelled (void)
{
  const int size[3] = { 80, 80, 80 }, seed[3] = { 1, 2, 3 };
  const double affine[4][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };
  const VolumeBox grid = volume_box_of_grid (size);
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autoptr (VolumeScan) scan = NULL;
  g_autoptr (VolumeMask) mask = NULL;
  g_autoptr (GError) error = NULL;
  VolumeGeometry geometry;

  g_assert_true (volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  scan = volume_scan_new_take (&geometry, VOLUME_DTYPE_U8,
                               g_bytes_new_take (g_malloc0 (512000), 512000), 1, 0);
  g_cancellable_cancel (cancelled);
  mask = volume_tool_flood (scan, seed, -1, 1, &grid, cancelled, &error);
  g_assert_null (mask);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  mask = volume_tool_flood (scan, seed, -1, 1, &grid, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (volume_mask_count (mask), ==, 512000);
}

static void
test_bucket (Fixture *f, gconstpointer data)
{
  const VolumeSliceRaster raster = axial (f, 7);

  paint_box (f, 10, 10, 7, 20, 20, 8, 1);
  paint_box (f, 11, 11, 7, 19, 19, 8, 0);
  g_assert_false (volume_tool_bucket (f->builder, &raster, f->map, 40, 3, 1));
  g_assert_true (volume_tool_bucket (f->builder, &raster, f->map, 12, 12, 1));
  g_assert_cmpuint (finish (f), ==, 64);
  g_assert_cmpuint (volume_label_map_get (f->map, 9, 12, 7), ==, 0);
}

static void
test_smooth (Fixture *f, gconstpointer data)
{
  const VolumeBox grid = volume_box_of_grid (f->geometry.size);
  gsize before, after;

  paint_box (f, 8, 8, 2, 28, 24, 10, 1);
  paint_box (f, 28, 15, 5, 29, 16, 6, 1); /* a spike */
  paint_box (f, 20, 4, 2, 28, 8, 10, 2); /* a neighbour */
  paint_box (f, 14, 12, 5, 15, 13, 6, 2); /* and a voxel of it within, which smoothing would fill */
  before = volume_label_map_get_counts (f->map)[1];
  volume_tool_smooth (f->builder, &f->geometry, f->map, &grid, 1.5, 1);
  finish (f);
  after = volume_label_map_get_counts (f->map)[1];
  g_assert_cmpuint (volume_label_map_get (f->map, 28, 15, 5), ==, 0);
  g_assert_cmpuint (volume_label_map_get (f->map, 8, 8, 2), ==, 0);
  g_assert_cmpuint (volume_label_map_get (f->map, 18, 16, 5), ==, 1);
  g_assert_cmpuint (volume_label_map_get_counts (f->map)[2], ==, 8 * 4 * 8 + 1);
  g_assert_cmpfloat (fabs ((double) after / before - 1), <, 0.06);
}

static void
test_islands (Fixture *f, gconstpointer data)
{
  const VolumeBox grid = volume_box_of_grid (f->geometry.size);

  paint_box (f, 0, 0, 0, 10, 10, 3, 1);
  paint_box (f, 20, 0, 0, 22, 2, 2, 1);
  paint_box (f, 30, 0, 0, 31, 1, 1, 1);
  g_assert_cmpuint (
      volume_tool_remove_islands (f->builder, f->map, &grid, VOLUME_CONNECT_FACES, 8, 1), ==, 1);
  g_assert_cmpuint (finish (f), ==, 1);
  g_assert_cmpuint (
      volume_tool_remove_islands (f->builder, f->map, &grid, VOLUME_CONNECT_FACES, G_MAXSIZE, 1),
      ==, 1);
  g_assert_cmpuint (finish (f), ==, 8);
  g_assert_cmpuint (volume_label_map_get_counts (f->map)[1], ==, 300);
}

static void
test_fill_holes (Fixture *f, gconstpointer data)
{
  const VolumeBox grid = volume_box_of_grid (f->geometry.size);
  const VolumeSliceRaster raster = axial (f, 5);
  const VolumeBox slice = volume_box_of_slice (&raster.frame, f->geometry.size, 5);

  paint_box (f, 10, 10, 3, 20, 20, 8, 1);
  paint_box (f, 12, 12, 0, 14, 14, 12, 0); /* a channel: a hole in each slice, none in 3-D */
  paint_box (f, 16, 16, 5, 17, 17, 6, 2); /* another label is not a hole */
  g_assert_cmpuint (volume_tool_fill_holes (f->builder, f->map, &grid, 1), ==, 0);
  g_assert_cmpuint (volume_tool_fill_holes (f->builder, f->map, &slice, 1), ==, 4);
  g_assert_cmpuint (finish (f), ==, 4);
  g_assert_cmpuint (volume_label_map_get (f->map, 16, 16, 5), ==, 2);
}

static void
test_interpolate (Fixture *f, gconstpointer data)
{
  for (int end = 0; end < 2; end++)
    for (int j = 0; j < 30; j++)
      for (int i = 0; i < 40; i++)
        if (hypot (i - (end ? 22 : 18), j - 15) <= (end ? 10 : 6))
          volume_edit_builder_set (f->builder, i, j, end ? 9 : 1, 1);
  finish (f);
  paint_box (f, 20, 15, 5, 21, 16, 6, 2);

  g_assert_false (
      volume_tool_interpolate (f->builder, &f->geometry, f->map, VOLUME_PLANE_AXIAL, 1, 9, 3));
  g_assert_false (
      volume_tool_interpolate (f->builder, &f->geometry, f->map, VOLUME_PLANE_AXIAL, 9, 1, 1));
  g_assert_true (
      volume_tool_interpolate (f->builder, &f->geometry, f->map, VOLUME_PLANE_AXIAL, 1, 9, 1));
  finish (f);
  g_assert_cmpuint (volume_label_map_get (f->map, 20, 15, 5), ==, 2);
  g_assert_cmpuint (volume_label_map_get (f->map, 20, 15, 10), ==, 0);
  /* Half way: close to the disc of the mean radius and centre; a ring of one voxel is free. */
  for (int j = 0; j < 30; j++)
    for (int i = 0; i < 40; i++)
      {
        double r = hypot (i - 20, j - 15);

        if (fabs (r - 8) > 1.2 && r > 0)
          g_assert_cmpuint (volume_label_map_get (f->map, i, j, 5), ==, r < 8);
      }
}

static void
test_copy_slice (Fixture *f, gconstpointer data)
{
  const VolumeSliceRaster raster = axial (f, 4);

  paint_box (f, 5, 5, 3, 10, 10, 4, 1);
  paint_box (f, 15, 5, 3, 20, 10, 4, 2);
  paint_box (f, 30, 5, 4, 31, 6, 5, 7);
  g_assert_false (volume_tool_copy_slice (f->builder, &raster, f->map, 12, 0));
  g_assert_true (volume_tool_copy_slice (f->builder, &raster, f->map, 3, 2));
  g_assert_cmpuint (finish (f), ==, 25);
  g_assert_true (volume_tool_copy_slice (f->builder, &raster, f->map, 3, 0));
  g_assert_cmpuint (finish (f), ==, 25);
  g_assert_cmpuint (volume_label_map_get (f->map, 30, 5, 4), ==, 7);
}

/* The path round a quarter of the disc keeps to its border, and its cost is that of the best path
 * found the plain way; following the pointer step by step gives the same as one far jump. */
static void
test_livewire (Fixture *f, gconstpointer data)
{
  g_autoptr (VolumeScan) scan = scan_of (f, disc_value);
  const VolumeSliceRaster raster = axial (f, 3);
  g_autoptr (VolumeLivewire) wire = volume_livewire_new (scan, &raster, NULL);
  g_autoptr (GArray) path = g_array_new (FALSE, FALSE, sizeof (double[2]));
  g_autoptr (GArray) again = g_array_new (FALSE, FALSE, sizeof (double[2]));
  double u = 30, v = 15;

  volume_livewire_set_anchor (wire, 28, 15);
  volume_livewire_trace (wire, 20, 23, path);
  g_assert_cmpuint (path->len, >=, 8);
  for (guint p = 0; p < path->len; p++)
    {
      const double *point = g_array_index (path, Point, p);

      g_assert_cmpfloat (fabs (hypot (point[0] - 20, point[1] - 15) - 8.3), <, 1.6);
    }
  g_assert_cmpfloat (g_array_index (path, Point, path->len - 1)[0], ==, 20);
  g_assert_cmpfloat (g_array_index (path, Point, path->len - 1)[1], ==, 23);

  volume_livewire_set_anchor (wire, 28, 15);
  for (int step = 0; step < 8; step++)
    {
      g_array_set_size (again, 0);
      volume_livewire_trace (wire, 28 - step, 15 + step, again);
    }
  g_array_set_size (again, 0);
  volume_livewire_trace (wire, 20, 23, again);
  g_assert_cmpuint (again->len, ==, path->len);

  /* Anywhere at all is near to some pixel. */
  g_array_set_size (again, 0);
  volume_livewire_trace (wire, -1e9, 1e9, again);
  g_assert_cmpfloat (g_array_index (again, Point, again->len - 1)[0], ==, 0);
  g_array_set_size (again, 0);
  volume_livewire_trace (wire, 28, 15, again);
  g_assert_cmpuint (again->len, ==, 0);

  volume_livewire_snap (wire, 4, &u, &v);
  /* The smoothed edge is full strength for about a pixel and a half on either side. */
  g_assert_cmpfloat (fabs (hypot (u - 20, v - 15) - 8.5), <, 1.6);
  g_assert_cmpfloat (v, ==, 15);
}

static float
noise_value (int i, int j, int k)
{
  return (float) ((i * 7919u ^ j * 104729u ^ (guint) (i * j)) % 251);
}

static void
test_livewire_is_quick (void)
{
  Fixture f = { 0 };
  g_autoptr (VolumeLivewire) wire = NULL;
  g_autoptr (VolumeScan) scan = NULL;
  g_autoptr (GArray) path = g_array_new (FALSE, FALSE, sizeof (double[2]));
  VolumeSliceRaster raster;
  gint64 start;

  set_up_sized (&f, (const int[3]){ 512, 512, 1 }, 1, 1, 1);
  scan = scan_of (&f, noise_value);
  raster = axial (&f, 0);
  wire = volume_livewire_new (scan, &raster, NULL);
  start = g_get_monotonic_time ();
  volume_livewire_set_anchor (wire, 0, 0);
  volume_livewire_trace (wire, 511, 511, path);
  g_test_message ("whole slice of 512×512 searched in %.1f ms",
                  (g_get_monotonic_time () - start) / 1000.0);
  g_assert_cmpuint (path->len, >=, 511);
  tear_down (&f, NULL);
}

/* Whichever way the axes run, pixel (u, v) is the voxel that the raster says. */
static void
test_raster_labels (void)
{
  const int size[3] = { 7, 5, 3 };

  for (int signs = 0; signs < 8; signs++)
    {
      const double a = signs & 1 ? -1 : 1, b = signs & 2 ? -1 : 1, c = signs & 4 ? -1 : 1;
      const double affine[4][4] = {
        { a, 0, 0, 0 }, { 0, b, 0, 0 }, { 0, 0, c, 0 }, { 0, 0, 0, 1 }
      };
      g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
      g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
      g_autoptr (VolumeEdit) edit = NULL;
      VolumeGeometry geometry;

      g_assert_true (
          volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
      for (int v = 0; v < 7 * 5 * 3; v++)
        volume_edit_builder_set (builder, v % 7, v / 7 % 5, v / 35, 1 + v);
      edit = volume_edit_builder_end (builder, 1, VOLUME_PROVENANCE_HAND, "test", NULL);
      g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
      for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
        {
          VolumeSliceRaster raster;
          guint16 labels[7 * 5 * 3], *label = labels;
          int ijk[3];

          g_assert_true (volume_slice_raster_init (&raster, &geometry, plane, 1));
          volume_slice_raster_read_labels (&raster, map, labels);
          for (int v = 0; v < raster.frame.n_v; v++)
            for (int u = 0; u < raster.frame.n_u; u++)
              {
                volume_slice_raster_voxel (&raster, u, v, ijk);
                g_assert_cmpint (*label++, ==, volume_label_map_get (map, ijk[0], ijk[1], ijk[2]));
              }
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/tools/flood-cancelled", test_flood_cancelled);
#define ADD(name, func) g_test_add ("/volume/tools/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("raster", test_raster);
  ADD ("brush-round", test_brush_round);
  ADD ("brush-anisotropic", test_brush_anisotropic);
  ADD ("brush-is-never-empty", test_brush_is_never_empty);
  ADD ("brush-pieces-join", test_brush_pieces_join);
  ADD ("brush-intensity", test_brush_intensity);
  ADD ("polygon", test_polygon);
  ADD ("flood", test_flood);
  ADD ("bucket", test_bucket);
  ADD ("smooth", test_smooth);
  ADD ("islands", test_islands);
  ADD ("fill-holes", test_fill_holes);
  ADD ("interpolate", test_interpolate);
  ADD ("copy-slice", test_copy_slice);
  ADD ("livewire", test_livewire);
  g_test_add_func ("/volume/tools/livewire-is-quick", test_livewire_is_quick);
  g_test_add_func ("/volume/tools/raster-labels", test_raster_labels);
  return g_test_run ();
}
