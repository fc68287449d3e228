/* SPDX-License-Identifier: Apache-2.0 */
/* Slices against pictures computed from first principles. */
#include "render/slice.h"

#include <math.h>
#include <string.h>

#include "tests/render/fixture.h"
#include "tests/render/reference.h"

#define WIDTH 97
#define HEIGHT 83

static const double no_offset[2] = { 0.0, 0.0 };

typedef struct
{
  const int *size;
  const gint16 *values;
} Grid;

static double
grid_value (int i, int j, int k, gpointer data)
{
  const Grid *grid = data;

  return grid->values[(k * grid->size[1] + j) * grid->size[0] + i];
}

static gint16 *
random_values (const int size[3], guint32 seed, int low, int high)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  const int n = size[0] * size[1] * size[2];
  gint16 *values = g_new (gint16, n);

  for (int v = 0; v < n; v++)
    values[v] = (gint16) g_rand_int_range (rand, low, high);
  return values;
}

/* Axis order @order (0 … 47): voxel axis a runs along world axis order[a], up or down. */
static void
axis_order (int order, const double spacing[3], double affine[4][4])
{
  static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                    { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

  memset (affine, 0, 16 * sizeof (double));
  for (int a = 0; a < 3; a++)
    affine[orders[order / 8][a]][a] = (order >> a & 1 ? -1.0 : 1.0) * spacing[a];
  affine[0][3] = 12.0;
  affine[1][3] = -7.0;
  affine[2][3] = 31.0;
  affine[3][3] = 1.0;
}

/* Turns the world about a slanted axis. */
static void
rotate (double affine[4][4], double degrees)
{
  const double axis[3] = { 0.48, 0.60, 0.64 };
  const double c = cos (degrees * G_PI / 180.0), s = sin (degrees * G_PI / 180.0);
  double turned[4][4];

  memcpy (turned, affine, sizeof turned);
  for (int col = 0; col < 4; col++)
    {
      const double v[3] = { affine[0][col], affine[1][col], affine[2][col] };
      const double along = axis[0] * v[0] + axis[1] * v[1] + axis[2] * v[2];
      const double cross[3] = { axis[1] * v[2] - axis[2] * v[1], axis[2] * v[0] - axis[0] * v[2],
                                axis[0] * v[1] - axis[1] * v[0] };

      for (int r = 0; r < 3; r++)
        turned[r][col] = v[r] * c + cross[r] * s + axis[r] * along * (1.0 - c);
    }
  memcpy (affine, turned, sizeof turned);
}

static void
assert_grey (RenderFrame *frame, const int *expected, int tolerance, const char *what)
{
  const int width = render_frame_get_width (frame), height = render_frame_get_height (frame);
  int n_compared = 0;

  for (int p = 0; p < width * height; p++)
    {
      const guint8 *rgba = fixture_pixel (frame, p % width, p / width);
      const int want = MAX (expected[p], 0);

      g_assert_cmpint (rgba[3], ==, 255);
      if (expected[p] == -2)
        continue;
      n_compared++;
      if (ABS (rgba[0] - want) > tolerance || rgba[0] != rgba[1] || rgba[1] != rgba[2])
        g_error ("%s: pixel %d, %d is %d %d %d, not %d", what, p % width, p / width, rgba[0],
                 rgba[1], rgba[2], want);
    }
  g_assert_cmpint (n_compared, >, width * height * 9 / 10);
}

static void
check_slice (RenderDevice *device, const double affine[4][4], const int size[3],
             const gint16 *values, VolumePlane plane, RenderInterpolation interpolation,
             double zoom, const double offset_mm[2])
{
  g_autoptr (VolumeScan) volume = fixture_scan (size, affine, VOLUME_DTYPE_I16, values);
  g_autoptr (RenderScan) scan = render_scan_new (device, volume);
  g_autoptr (RenderFrame) frame = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree int *expected = NULL;
  g_autofree char *what = NULL;
  ReferencePlane lie;
  Grid grid = { size, values };
  int index;

  reference_plane (affine, plane, &lie);
  index = size[lie.axis[2]] / 3;
  frame = render_slice_sync (
      device,
      &(RenderSliceParams){ .scan = scan,
                            .placement = { .plane = plane,
                                           .index = index,
                                           .zoom = zoom,
                                           .offset_mm = { offset_mm[0], offset_mm[1] } },
                            .width = WIDTH,
                            .height = HEIGHT,
                            .window_centre = 40.0,
                            .window_width = 1500.0,
                            .interpolation = interpolation },
      &error);
  g_assert_no_error (error);
  expected = reference_slice (affine, size, plane, index, interpolation, 40.0, 1500.0, WIDTH,
                              HEIGHT, zoom, offset_mm, grid_value, &grid);
  what = g_strdup_printf ("plane %d, interpolation %d, zoom %g", plane, interpolation, zoom);
  assert_grey (frame, expected, fixture_tolerance (device), what);
}

static void
test_axis_orders (void)
{
  static const int size[3] = { 13, 9, 11 };
  static const double spacing[3] = { 0.9, 1.4, 2.1 };
  g_autofree gint16 *values = random_values (size, 3, -1000, 1000);
  RenderDevice *device = fixture_open (NULL);
  double affine[4][4];

  for (int order = 0; order < 48; order++)
    for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
      {
        axis_order (order, spacing, affine);
        check_slice (device, affine, size, values, (VolumePlane) plane,
                     (RenderInterpolation) ((order + plane) % 3), 1.0, no_offset);
      }
  fixture_close (device);
}

static void
test_interpolations_and_zooms (void)
{
  static const int size[3] = { 12, 17, 8 };
  static const double spacing[3] = { 1.1, 0.7, 1.9 };
  static const double zooms[] = { 0.4, 1.7, 9.3 };
  g_autofree gint16 *values = random_values (size, 4, -700, 900);
  RenderDevice *device = fixture_open (NULL);
  double affine[4][4];

  for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
    for (int interpolation = 0; interpolation < 3; interpolation++)
      for (gsize z = 0; z < G_N_ELEMENTS (zooms); z++)
        {
          axis_order (13, spacing, affine);
          rotate (affine, 17.0 * (double) z);
          check_slice (device, affine, size, values, (VolumePlane) plane,
                       (RenderInterpolation) interpolation, zooms[z], (double[2]){ 1.3, -0.8 });
        }
  fixture_close (device);
}

/* --- laterality: three balls in the patient, not on the grid --- */

static const struct
{
  double ras[3];
  gint16 value;
} balls[3] = { { { 9.0, 1.0, -1.0 }, 1000 }, /* the patient's right */
               { { -1.0, 9.0, 1.0 }, 600 }, /* anterior */
               { { 1.0, -1.0, 9.0 }, 300 } }; /* superior */

static VolumeScan *
patient (const double affine[4][4], const int size[3])
{
  g_autofree gint16 *values = g_new0 (gint16, size[0] * size[1] * size[2]);
  int v = 0;

  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++, v++)
        for (int b = 0; b < 3; b++)
          {
            double square = 0.0;

            for (int r = 0; r < 3; r++)
              {
                const double at = affine[r][0] * i + affine[r][1] * j + affine[r][2] * k
                                  + affine[r][3] - balls[b].ras[r];

                square += at * at;
              }
            if (square < 3.0 * 3.0)
              values[v] = balls[b].value;
          }
  return fixture_scan (size, affine, VOLUME_DTYPE_I16, values);
}

/* Where a ball is seen when the slice through its centre is drawn; FALSE if it is not there. */
static gboolean
find_ball (RenderDevice *device, RenderScan *scan, VolumePlane plane, int ball, double *x,
           double *y)
{
  const VolumeGeometry *geometry = render_scan_get_geometry (scan);
  const double shade = balls[ball].value / 1000.0;
  g_autoptr (RenderFrame) frame = NULL;
  g_autoptr (GError) error = NULL;
  double ijk[3], n = 0.0;

  volume_geometry_ras_to_ijk (geometry, balls[ball].ras, ijk);
  frame = render_slice_sync (
      device,
      &(RenderSliceParams){
          .scan = scan,
          .placement = { .plane = plane,
                         .index = floor (ijk[geometry->axis_of_plane[plane]] + 0.5) },
          .width = 101,
          .height = 101,
          .window_centre = 500.0,
          .window_width = 1000.0 },
      &error);
  g_assert_no_error (error);
  *x = *y = 0.0;
  for (int p = 0; p < 101 * 101; p++)
    if (fabs (fixture_pixel (frame, p % 101, p / 101)[0] / 255.0 - shade) < 0.02)
      {
        *x += p % 101 + 0.5;
        *y += p / 101 + 0.5;
        n += 1.0;
      }
  *x /= MAX (n, 1.0);
  *y /= MAX (n, 1.0);
  return n > 0.0;
}

static void
check_laterality (RenderDevice *device, const double affine[4][4], const int size[3])
{
  g_autoptr (VolumeScan) volume = patient (affine, size);
  g_autoptr (RenderScan) scan = render_scan_new (device, volume);
  /* For each plane: which ball must lie to which side of the middle, and the letters there. */
  static const struct
  {
    VolumePlane plane;
    int ball;
    gboolean vertical;
  } wants[] = { { VOLUME_PLANE_AXIAL, 0, FALSE }, /* right of the patient: left */
                { VOLUME_PLANE_AXIAL, 1, TRUE }, /* anterior: top */
                { VOLUME_PLANE_CORONAL, 0, FALSE }, /* right of the patient: left */
                { VOLUME_PLANE_CORONAL, 2, TRUE }, /* superior: top */
                { VOLUME_PLANE_SAGITTAL, 1, FALSE }, /* anterior: left */
                { VOLUME_PLANE_SAGITTAL, 2, TRUE } };
  static const char letters_of[VOLUME_N_PLANES][5] = { "RLAP", "RLSI", "APSI" };

  for (gsize w = 0; w < G_N_ELEMENTS (wants); w++)
    {
      double x, y;

      g_assert_true (find_ball (device, scan, wants[w].plane, wants[w].ball, &x, &y));
      g_assert_cmpfloat (wants[w].vertical ? y : x, <, 42.0);
    }
  for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
    {
      RenderSliceView view;
      char letters[5] = { 0 };

      render_slice_view_init (&view, volume_scan_get_geometry (volume),
                              &(RenderSlicePlacement){ .plane = (VolumePlane) plane }, 100, 100);
      render_slice_view_get_letters (&view, volume_scan_get_geometry (volume), letters);
      g_assert_cmpstr (letters, ==, letters_of[plane]);
    }
}

static void
test_laterality (void)
{
  static const int size[3] = { 27, 29, 31 };
  static const double spacing[3] = { 1.1, 1.0, 0.95 };
  static const double angles[] = { 0.0, 14.0, -22.0 };
  RenderDevice *device = fixture_open (NULL);
  double affine[4][4];

  for (int order = 0; order < 48; order++)
    for (gsize a = 0; a < (order % 6 == 0 ? G_N_ELEMENTS (angles) : 1); a++)
      {
        axis_order (order, spacing, affine);
        rotate (affine, angles[a]);
        for (int r = 0; r < 3; r++)
          affine[r][3] = -(affine[r][0] * 13.0 + affine[r][1] * 14.0 + affine[r][2] * 15.0);
        check_laterality (device, affine, size);
      }
  fixture_close (device);
}

/* An oblique plane shows what lies at each of its points in the world. */
static void
test_oblique_plane (void)
{
  static const int size[3] = { 33, 31, 35 };
  static const double spacing[3] = { 0.9, 1.0, 0.8 };
  RenderDevice *device = fixture_open (NULL);
  g_autoptr (VolumeScan) volume = NULL;
  g_autoptr (RenderScan) scan = NULL;
  g_autoptr (RenderFrame) frame = NULL;
  g_autoptr (GError) error = NULL;
  RenderSliceView view;
  double affine[4][4];
  g_autofree float *values = g_new (float, 33 * 31 * 35);
  int v = 0, n = 0;
  RenderSliceParams params = { .width = 120,
                               .height = 90,
                               .window_centre = 0.0,
                               .window_width = 60.0,
                               .interpolation = RENDER_INTERPOLATION_LINEAR };
  const double right[3] = { -0.8, 0.6, 0.0 }, down[3] = { 0.36, 0.48, -0.8 };

  axis_order (21, spacing, affine);
  rotate (affine, 25.0);
  /* A scan that is a linear function of the world: interpolation must give it back exactly. */
  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++)
        values[v++] = (float) (affine[0][0] * i + affine[0][1] * j + affine[0][2] * k
                               + 0.5 * (affine[1][0] * i + affine[1][1] * j + affine[1][2] * k)
                               - 0.7 * (affine[2][0] * i + affine[2][1] * j + affine[2][2] * k));
  volume = fixture_scan (size, affine, VOLUME_DTYPE_F32, values);
  scan = render_scan_new (device, volume);
  params.scan = scan;
  params.placement.oblique = TRUE;
  params.placement.zoom = 2.5;
  for (int r = 0; r < 3; r++)
    {
      params.placement.right_ras[r] = right[r];
      params.placement.down_ras[r] = down[r];
      params.placement.centre_ras[r] =
          affine[r][3] + affine[r][0] * 16 + affine[r][1] * 15 + affine[r][2] * 17;
    }
  frame = render_slice_sync (device, &params, &error);
  g_assert_no_error (error);
  render_slice_view_init (&view, render_scan_get_geometry (scan), &params.placement, 120, 90);
  for (int y = 0; y < 90; y++)
    for (int x = 0; x < 120; x++)
      {
        const double dx = (x + 0.5 - 60.0) / view.px_per_mm;
        const double dy = (y + 0.5 - 45.0) / view.px_per_mm;
        double ras[3], ijk[3], shade;
        gboolean inside = TRUE;

        for (int r = 0; r < 3; r++)
          ras[r] = params.placement.centre_ras[r] + dx * right[r] + dy * down[r];
        volume_geometry_ras_to_ijk (render_scan_get_geometry (scan), ras, ijk);
        for (int c = 0; c < 3; c++)
          inside = inside && ijk[c] > 0.0 && ijk[c] < size[c] - 1.0;
        if (!inside)
          continue;
        n++;
        shade = ((ras[0] - affine[0][3]) + 0.5 * (ras[1] - affine[1][3])
                 - 0.7 * (ras[2] - affine[2][3]))
                    / 60.0
                + 0.5;
        g_assert_cmpint (ABS (fixture_pixel (frame, x, y)[0]
                              - (int) floor (255.0 * CLAMP (shade, 0.0, 1.0) + 0.5)),
                         <=, fixture_tolerance (device));
      }
  g_assert_cmpint (n, >, 5000);
  g_clear_pointer (&frame, render_frame_unref);
  g_clear_pointer (&scan, render_scan_unref);
  fixture_close (device);
}

/* --- a voxel's centre --- */

/* A voxel, or a small block about it, is lit where geometry says it is, centre and edges, within
 * half a pixel at every zoom. */
static void
test_voxel_centres (void)
{
  static const int size[3] = { 61, 47, 53 };
  static const double spacing[3] = { 0.7, 1.3, 0.9 };
  static const double zooms[] = { 0.6, 1.0, 3.7, 11.0, 40.0, 350.0 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  RenderDevice *device = fixture_open (NULL);
  double affine[4][4];

  for (gsize z = 0; z < G_N_ELEMENTS (zooms); z++)
    for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
      {
        const int width = 311, height = 257, reach = zooms[z] < 3.0 ? 3 : 0;
        g_autofree gint16 *values = g_new0 (gint16, 61 * 47 * 53);
        g_autoptr (VolumeScan) volume = NULL;
        g_autoptr (RenderScan) scan = NULL;
        g_autoptr (RenderFrame) frame = NULL;
        g_autoptr (GError) error = NULL;
        RenderSlicePlacement placement = { .plane = (VolumePlane) plane, .zoom = zooms[z] };
        RenderSliceView view;
        ReferencePlane lie;
        int voxel[3], lo[3], hi[3];
        double from[2], to[2], step[2], middle[2], half[2], x, y, ijk[3];
        int n = 0;

        axis_order (g_rand_int_range (rand, 0, 48), spacing, affine);
        reference_plane (affine, (VolumePlane) plane, &lie);
        for (int c = 0; c < 3; c++)
          {
            voxel[c] = g_rand_int_range (rand, 5, size[c] - 5);
            lo[c] = voxel[c] - reach;
            hi[c] = voxel[c] + reach;
          }
        for (int k = lo[2]; k <= hi[2]; k++)
          for (int j = lo[1]; j <= hi[1]; j++)
            for (int i = lo[0]; i <= hi[0]; i++)
              values[(k * size[1] + j) * size[0] + i] = 100;
        /* Bring it to a place near the middle of the frame, off it by odd parts of a pixel. */
        placement.offset_mm[0] =
            lie.sign[0] * (voxel[lie.axis[0]] - (size[lie.axis[0]] - 1) / 2.0) * lie.spacing[0]
            + g_rand_double_range (rand, -0.05, 0.05);
        placement.offset_mm[1] =
            lie.sign[1] * (voxel[lie.axis[1]] - (size[lie.axis[1]] - 1) / 2.0) * lie.spacing[1]
            + g_rand_double_range (rand, -0.05, 0.05);
        placement.index = voxel[lie.axis[2]];
        volume = fixture_scan (size, affine, VOLUME_DTYPE_I16, values);
        scan = render_scan_new (device, volume);
        frame = render_slice_sync (device,
                                   &(RenderSliceParams){ .scan = scan,
                                                         .placement = placement,
                                                         .width = width,
                                                         .height = height,
                                                         .window_centre = 50.0,
                                                         .window_width = 100.0 },
                                   &error);
        g_assert_no_error (error);
        /* The point of the frame whose indices are the voxel's, found by the reference's map. */
        reference_point (&lie, size, width, height, zooms[z], placement.offset_mm, 0.0, 0.0,
                         &from[0], &from[1]);
        reference_point (&lie, size, width, height, zooms[z], placement.offset_mm, 1.0, 1.0, &to[0],
                         &to[1]);
        for (int d = 0; d < 2; d++)
          {
            step[d] = to[d] - from[d];
            middle[d] = (voxel[lie.axis[d]] - from[d]) / step[d];
            half[d] = (reach + 0.5) / fabs (step[d]);
          }
        for (int p = 0; p < width * height; p++)
          {
            const gboolean lit = fixture_pixel (frame, p % width, p / width)[0] > 127;
            const double off[2] = { fabs (p % width + 0.5 - middle[0]) - half[0],
                                    fabs (p / width + 0.5 - middle[1]) - half[1] };

            if (off[0] < -0.5 && off[1] < -0.5)
              g_assert_true (lit);
            if (off[0] > 0.5 || off[1] > 0.5)
              g_assert_false (lit);
            n += lit;
          }
        g_assert_cmpint (n, >, 0);
        /* And the map for hit testing says the same, exactly. */
        render_slice_view_init (&view, volume_scan_get_geometry (volume), &placement, width,
                                height);
        render_slice_view_ijk_to_pixel (&view, (double[3]){ voxel[0], voxel[1], voxel[2] }, &x, &y,
                                        NULL);
        g_assert_cmpfloat_with_epsilon (x, middle[0], 1e-6);
        g_assert_cmpfloat_with_epsilon (y, middle[1], 1e-6);
        render_slice_view_pixel_to_ijk (&view, x, y, ijk);
        for (int c = 0; c < 3; c++)
          g_assert_cmpfloat_with_epsilon (ijk[c], voxel[c], 1e-6);
      }
  fixture_close (device);
}

/* --- kinds of voxels --- */

static void
check_dtype (RenderDevice *device, VolumeDtype dtype, gconstpointer stored, const double *values,
             const int size[3])
{
  static const double affine[4][4] = {
    { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 }
  };
  g_autoptr (VolumeScan) volume = fixture_scan (size, affine, dtype, stored);
  g_autoptr (RenderScan) scan = render_scan_new (device, volume);
  g_autoptr (RenderFrame) frame = NULL;
  g_autoptr (GError) error = NULL;
  double low = INFINITY, high = -INFINITY;

  for (int v = 0; v < size[0] * size[1]; v++)
    {
      low = fmin (low, values[v]);
      high = fmax (high, values[v]);
    }
  frame = render_slice_sync (device,
                             &(RenderSliceParams){ .scan = scan,
                                                   .placement = { .plane = VOLUME_PLANE_AXIAL },
                                                   .width = size[0],
                                                   .height = size[1],
                                                   .window_centre = (low + high) / 2.0,
                                                   .window_width = high - low },
                             &error);
  g_assert_no_error (error);
  /* Identity affine: both indices fall as the screen's x and y grow. */
  for (int j = 0; j < size[1]; j++)
    for (int i = 0; i < size[0]; i++)
      {
        const int x = size[0] - 1 - i, y = size[1] - 1 - j;
        const double shade = (values[j * size[0] + i] - low) / (high - low);

        g_assert_cmpint (ABS (fixture_pixel (frame, x, y)[0] - (int) floor (255.0 * shade + 0.5)),
                         <=, 1);
      }
}

#define CHECK_DTYPE(Type, DTYPE, LOW, STEP)                                                        \
  {                                                                                                \
    Type stored[64];                                                                               \
    for (int v = 0; v < 64; v++)                                                                   \
      {                                                                                            \
        stored[v] = (Type) ((LOW) + (STEP) * ((v * 37) % 64));                                     \
        values[v] = (double) stored[v];                                                            \
      }                                                                                            \
    check_dtype (device, DTYPE, stored, values, size);                                             \
  }

static void
test_dtypes (void)
{
  static const int size[3] = { 8, 8, 1 };
  RenderDevice *device = fixture_open (NULL);
  double values[64];

  CHECK_DTYPE (guint8, VOLUME_DTYPE_U8, 0, 4);
  CHECK_DTYPE (gint8, VOLUME_DTYPE_I8, -128, 4);
  CHECK_DTYPE (guint16, VOLUME_DTYPE_U16, 1, 1040);
  CHECK_DTYPE (guint16, VOLUME_DTYPE_U16, 40000, 1); /* 64 neighbouring values of 65 536 */
  CHECK_DTYPE (gint16, VOLUME_DTYPE_I16, -32768, 1040);
  CHECK_DTYPE (gint16, VOLUME_DTYPE_I16, -1024, 1);
  CHECK_DTYPE (guint32, VOLUME_DTYPE_U32, 7, 60000000ll);
  CHECK_DTYPE (gint32, VOLUME_DTYPE_I32, -2000000000, 60000000ll);
  CHECK_DTYPE (guint64, VOLUME_DTYPE_U64, 7, 60000000000ll);
  CHECK_DTYPE (gint64, VOLUME_DTYPE_I64, -2000000000000ll, 60000000000ll);
  CHECK_DTYPE (float, VOLUME_DTYPE_F32, -1e30, 3e28);
  CHECK_DTYPE (double, VOLUME_DTYPE_F64, 0.5, 0.001);
  fixture_close (device);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!fixture_is_possible ())
    return 77;
  fixture_add ("/render/slice/axis-orders", test_axis_orders);
  fixture_add ("/render/slice/interpolations-and-zooms", test_interpolations_and_zooms);
  fixture_add ("/render/slice/laterality", test_laterality);
  fixture_add ("/render/slice/oblique-plane", test_oblique_plane);
  fixture_add ("/render/slice/voxel-centres", test_voxel_centres);
  fixture_add ("/render/slice/dtypes", test_dtypes);
  return g_test_run ();
}
