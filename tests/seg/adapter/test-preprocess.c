/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/adapter/preprocess.h"

#include <math.h>
#include <string.h>

/* One of the 48 axis orders: scan axis a points along ± world axis perm[a]; then turned by a small
 * oblique rotation. */
static void
make_geometry (int which, gboolean oblique, const int size[3], const double spacing[3],
               VolumeGeometry *geometry)
{
  static const int perms[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                   { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
  double c = oblique ? cos (0.3) : 1, s = oblique ? sin (0.3) : 0;
  const double turn[3][3] = { { c, -s, 0 }, { s * c, c * c, -s }, { s * s, c * s, c } };
  double affine[4][4] = { { 0 } };
  g_autoptr (GError) error = NULL;

  for (int a = 0; a < 3; a++)
    for (int r = 0; r < 3; r++)
      affine[r][a] = turn[r][perms[which / 8][a]] * spacing[a] * (which >> a & 1 ? -1 : 1);
  affine[0][3] = 12;
  affine[1][3] = -7.5;
  affine[2][3] = 100;
  affine[3][3] = 1;
  g_assert_true (volume_geometry_init (geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, &error));
  g_assert_no_error (error);
}

static guint8 *
random_labels (gsize n, guint64 seed)
{
  guint8 *labels = g_malloc (n);
  SegRandomStream random;

  seg_random_stream_init (&random, seed, SEG_RANDOM_USER, 0);
  for (gsize i = 0; i < n; i++)
    labels[i] = (guint8) seg_random_stream_below (&random, 6);
  return labels;
}

static const int size[3] = { 7, 5, 4 };
static const double spacing[3] = { 1, 1.5, 3 };
enum
{
  N = 7 * 5 * 4
};

/* Without resampling, labels and values come back bit for bit on every axis order, straight and
 * oblique, and each voxel lies where it lay in the world. */
static void
test_there_and_back (void)
{
  for (int which = 0; which < 96; which++)
    {
      VolumeGeometry geometry;
      SegPreprocess p;
      g_autoptr (SegPrepared) prepared = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree guint8 *labels = random_labels (N, (guint64) which);
      guint8 there[N], back[N];
      float values[N], values_back[N];
      double affine[4][4];
      int n[3];

      make_geometry (which % 48, which >= 48, size, spacing, &geometry);
      seg_preprocess_init (&p);
      if (which % 3 == 1)
        memcpy (p.orientation, "LPS", 4);
      else if (which % 3 == 2)
        memcpy (p.orientation, "SRP", 4);
      prepared = seg_prepared_new_for_geometry (&p, &geometry, &error);
      g_assert_no_error (error);
      seg_prepared_labels_forward (prepared, labels, there);
      seg_prepared_labels_back (prepared, there, back);
      g_assert_cmpmem (labels, N, back, N);
      for (int i = 0; i < N; i++)
        values[i] = (float) there[i] * 0.1f + (i == 3 ? INFINITY : 0);
      seg_prepared_values_back (prepared, values, values_back);
      seg_prepared_get_size (prepared, n);
      seg_prepared_get_affine (prepared, affine);
      for (int i = 0; i < N; i++)
        {
          const double a[3] = { i / (n[1] * n[2]), i / n[2] % n[1], i % n[2] };
          double ijk[3], forward[3], ras[3];
          int at;

          seg_prepared_point_back (prepared, a, ijk);
          at = (int) lround (ijk[0])
               + size[0] * ((int) lround (ijk[1]) + size[1] * (int) lround (ijk[2]));
          g_assert_cmpint (there[i], ==, labels[at]);
          g_assert_true (values_back[at] == values[i]);
          seg_prepared_point_forward (prepared, ijk, forward);
          volume_geometry_ijk_to_ras (&geometry, ijk, ras);
          for (int d = 0; d < 3; d++)
            {
              g_assert_cmpfloat_with_epsilon (forward[d], a[d], 1e-9);
              g_assert_cmpfloat_with_epsilon (affine[d][0] * a[0] + affine[d][1] * a[1]
                                                  + affine[d][2] * a[2] + affine[d][3],
                                              ras[d], 1e-9);
            }
        }
      /* The array's axes do point where the model wants them. */
      for (int d = 0; d < 3; d++)
        {
          static const char letters[] = "RASLPI";
          int world = (int) (strchr (letters, p.orientation[d]) - letters);

          g_assert_cmpfloat (affine[world % 3][d] * (world < 3 ? 1 : -1), >, 0);
        }
    }
}

/* To a finer grid and back every label survives; a plane keeps its labels on any grid. */
static void
test_resampled (void)
{
  for (int which = 0; which < 48; which++)
    for (int coarse = 0; coarse < 2; coarse++)
      {
        VolumeGeometry geometry;
        SegPreprocess p;
        g_autoptr (SegPrepared) prepared = NULL;
        g_autofree guint8 *labels = random_labels (N, 1);
        g_autofree guint8 *there = NULL;
        guint8 back[N];
        gsize n;
        const SegPlane planes[3] = { { 0, 6 }, { 1, 0 }, { 2, 2 } };
        SegPlane mapped[3];
        int array[3];

        make_geometry (which, TRUE, size, spacing, &geometry);
        seg_preprocess_init (&p);
        p.spacing_mm[0] = p.spacing_mm[1] = coarse ? 2.2 : 0.6;
        p.spacing_mm[2] = coarse ? 3.1 : 0.9;
        prepared = seg_prepared_new_for_geometry (&p, &geometry, NULL);
        n = seg_prepared_get_n_voxels (prepared);
        seg_prepared_get_size (prepared, array);
        there = g_malloc (n);
        if (!coarse)
          {
            g_assert_cmpuint (n, >, N);
            seg_prepared_labels_forward (prepared, labels, there);
            seg_prepared_labels_back (prepared, there, back);
            g_assert_cmpmem (labels, N, back, N);
          }
        for (int s = 0; s < 3; s++)
          {
            gsize v = 0;

            seg_prepared_planes_forward (prepared, labels, &planes[s], 1, there, mapped);
            g_assert_cmpint (seg_prepared_get_scan_axis (prepared, mapped[0].axis), ==, s);
            g_assert_cmpint (mapped[0].index, <, array[mapped[0].axis]);
            for (int i = 0; i < array[0]; i++)
              for (int j = 0; j < array[1]; j++)
                for (int k = 0; k < array[2]; k++, v++)
                  {
                    const int at[3] = { i, j, k };
                    const double a[3] = { i, j, k };
                    double ijk[3];
                    int q[3];

                    if (at[mapped[0].axis] != mapped[0].index)
                      {
                        g_assert_cmpint (there[v], ==, 0); /* I3 */
                        continue;
                      }
                    seg_prepared_point_back (prepared, a, ijk);
                    for (int d = 0; d < 3; d++)
                      q[d] = CLAMP ((int) lround (ijk[d]), 0, size[d] - 1);
                    q[s] = planes[s].index;
                    /* on a tie either neighbour is the nearest */
                    if (fabs (ijk[0] - floor (ijk[0]) - 0.5) > 1e-6
                        && fabs (ijk[1] - floor (ijk[1]) - 0.5) > 1e-6
                        && fabs (ijk[2] - floor (ijk[2]) - 0.5) > 1e-6)
                      g_assert_cmpint (there[v], ==,
                                       labels[q[0] + size[0] * (q[1] + size[1] * q[2])]);
                  }
            if (!coarse)
              {
                SegPlane back_plane = seg_prepared_plane_back (prepared, mapped[0]);

                g_assert_cmpint (back_plane.axis, ==, s);
                g_assert_cmpint (back_plane.index, ==, planes[s].index);
              }
          }
      }
}

static VolumeScan *
make_scan (const int n[3], const double mm[3], float (*value) (int i, int j, int k))
{
  VolumeGeometry geometry;
  float *values = g_new (float, (gsize) n[0] * (gsize) n[1] * (gsize) n[2]);
  float *at = values;
  g_autoptr (GBytes) bytes = NULL;

  make_geometry (0, FALSE, n, mm, &geometry);
  for (int k = 0; k < n[2]; k++)
    for (int j = 0; j < n[1]; j++)
      for (int i = 0; i < n[0]; i++)
        *at++ = value (i, j, k);
  bytes = g_bytes_new_take (values, (gsize) (at - values) * sizeof *values);
  return volume_scan_new_take (&geometry, VOLUME_DTYPE_F32, g_steal_pointer (&bytes), 1, 0);
}

static float
ramp (int i, int j, int k)
{
  return (float) i + 10 * (float) j + 100 * (float) k;
}

/* A linear picture stays linear on any grid (away from the border), and comes back. */
static void
test_image (void)
{
  const int n[3] = { 20, 16, 12 };
  const double mm[3] = { 1, 1, 2 };
  g_autoptr (VolumeScan) scan = make_scan (n, mm, ramp);
  SegPreprocess p;

  for (int t = 0; t < 3; t++)
    {
      static const double to[3][3] = { { 0, 0, 0 }, { 0.7, 0.8, 1.1 }, { 1.9, 2, 3 } };
      g_autoptr (SegPrepared) prepared = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree float *back = g_new (float, 20 * 16 * 12);
      const float *image;
      int a[3];
      gsize v = 0;

      seg_preprocess_init (&p);
      p.intensity = SEG_INTENSITY_AS_IS;
      memcpy (p.spacing_mm, to[t], sizeof p.spacing_mm);
      prepared = seg_prepared_new (&p, scan, &error);
      g_assert_no_error (error);
      image = seg_prepared_get_image (prepared);
      seg_prepared_get_size (prepared, a);
      for (int x = 0; x < a[0]; x++)
        for (int y = 0; y < a[1]; y++)
          for (int z = 0; z < a[2]; z++, v++)
            {
              const double at[3] = { x, y, z };
              double ijk[3];

              seg_prepared_point_back (prepared, at, ijk);
              if (x > 0 && y > 0 && z > 0 && x < a[0] - 1 && y < a[1] - 1 && z < a[2] - 1)
                /* the triangle's samples are symmetric only nearly: within half a voxel's step */
                g_assert_cmpfloat_with_epsilon (image[v], ijk[0] + 10 * ijk[1] + 100 * ijk[2],
                                                t == 2 ? 12 : 1e-3);
            }
      seg_prepared_values_back (prepared, image, back);
      for (int k = 2; k < 10; k++)
        for (int j = 3; j < 13; j++)
          for (int i = 3; i < 17; i++)
            g_assert_cmpfloat_with_epsilon (back[i + 20 * (j + 16 * k)], ramp (i, j, k),
                                            t == 2 ? 12 : 1e-2);
    }
}

static float
mostly_small (int i, int j, int k)
{
  int v = i + 20 * (j + 10 * k);

  if (v == 0)
    return NAN;
  if (v == 1)
    return 1e9f; /* a hot voxel */
  return (float) (v % 101);
}

static float
constant (int i, int j, int k)
{
  return 7;
}

static void
test_intensity (void)
{
  const int n[3] = { 20, 10, 10 };
  const double mm[3] = { 1, 1, 1 };
  g_autoptr (VolumeScan) scan = make_scan (n, mm, mostly_small);
  g_autoptr (VolumeScan) flat = make_scan (n, mm, constant);
  g_autoptr (SegPrepared) robust = NULL;
  g_autoptr (SegPrepared) window = NULL;
  g_autoptr (SegPrepared) nothing = NULL;
  SegPreprocess p;
  double sum = 0, squares = 0;
  const float *image;

  seg_preprocess_init (&p);
  robust = seg_prepared_new (&p, scan, NULL);
  image = seg_prepared_get_image (robust);
  for (int v = 0; v < 2000; v++)
    {
      g_assert_true (isfinite (image[v]) && fabsf (image[v]) < 2.5f); /* the hot voxel is clipped */
      sum += image[v];
      squares += image[v] * image[v];
    }
  g_assert_cmpfloat_with_epsilon (sum / 2000, 0, 1e-5);
  g_assert_cmpfloat_with_epsilon (squares / 2000, 1, 1e-4);

  p.intensity = SEG_INTENSITY_CT_WINDOW;
  p.window_low = 10;
  p.window_high = 60;
  p.mean = 30;
  p.std = 4;
  window = seg_prepared_new (&p, scan, NULL);
  image = seg_prepared_get_image (window);
  g_assert_cmpfloat (image[0], ==, -5); /* NaN became the smallest, 0, then 10 */
  for (int v = 0; v < 2000; v++)
    g_assert_true (image[v] >= -5 && image[v] <= 7.5f);

  seg_preprocess_init (&p);
  nothing = seg_prepared_new (&p, flat, NULL);
  for (int v = 0; v < 2000; v++)
    g_assert_cmpfloat (seg_prepared_get_image (nothing)[v], ==, 0);
}

static void
test_probabilities (void)
{
  VolumeGeometry geometry;
  SegPreprocess p;
  g_autoptr (SegPrepared) prepared = NULL;
  float probabilities[3 * N], confidence[N];
  guint8 labels[N], back[N];

  make_geometry (11, TRUE, size, spacing, &geometry);
  seg_preprocess_init (&p);
  prepared = seg_prepared_new_for_geometry (&p, &geometry, NULL);
  for (int i = 0; i < N; i++)
    {
      labels[i] = (guint8) (i * 5 % 3);
      for (int c = 0; c < 3; c++)
        probabilities[c * N + i] = c == labels[i] ? 0.5f : i % 2 ? 0.25f : 0.5f;
      if (i % 2 == 0)
        labels[i] = 0; /* all equal: the lowest class */
    }
  seg_prepared_probabilities_back (prepared, probabilities, 3, back, confidence);
  {
    guint8 expected[N];

    seg_prepared_labels_back (prepared, labels, expected);
    g_assert_cmpmem (back, N, expected, N);
  }
  for (int i = 0; i < N; i++)
    g_assert_cmpfloat (confidence[i], ==, 0.5f);
}

static float
like_ct (int i, int j, int k)
{
  return i < 5 ? -1000 : (float) (i * 10 + j);
}

static void
test_fit (void)
{
  const int n[3] = { 40, 12, 10 };
  const double thin[3] = { 0.8, 0.8, 1 }, thick[3] = { 0.8, 0.8, 5 }, same[3] = { 0.82, 0.8, 1.05 };
  g_autoptr (VolumeScan) a = make_scan (n, thin, like_ct);
  g_autoptr (VolumeScan) b = make_scan (n, thick, like_ct);
  g_autoptr (VolumeScan) c = make_scan (n, same, like_ct);
  g_autoptr (VolumeScan) mr = make_scan (n, thin, ramp);
  VolumeScan *all[3] = { a, b, c }, *alike[2] = { a, c }, *mixed[2] = { a, mr };
  SegPreprocess p, read;
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (seg_preprocess_fit (&p, all, 3, NULL));
  g_assert_cmpint (p.intensity, ==, SEG_INTENSITY_CT_WINDOW);
  g_assert_cmpfloat (p.window_low, ==, -175);
  g_assert_cmpfloat (p.std, >, 1);
  g_assert_cmpfloat (p.spacing_mm[0], ==, 0);
  g_assert_cmpfloat_with_epsilon (p.spacing_mm[2], 1.05, 1e-9); /* the median */
  json = seg_preprocess_to_json (&p);
  g_assert_true (seg_preprocess_from_json (&read, json, &error));
  g_assert_cmpmem (&p, sizeof p, &read, sizeof read);
  g_assert_true (seg_preprocess_fit (&p, alike, 2, NULL));
  g_assert_cmpfloat (p.spacing_mm[2], ==, 0);
  g_assert_true (seg_preprocess_fit (&p, mixed, 2, NULL));
  g_assert_cmpint (p.intensity, ==, SEG_INTENSITY_ROBUST_Z);
  g_assert_false (seg_preprocess_fit (&p, NULL, 0, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
}

static void
test_bad_json (void)
{
  static const char *const bad[] = {
    "",
    "{}",
    "[]",
    "{\"orientation\":\"RRS\"}",
    "{\"orientation\":\"RAS\",\"spacing_mm\":[0,0],\"intensity\":\"as-is\"}",
    "{\"orientation\":\"RAS\",\"spacing_mm\":[0,0,0],\"intensity\":\"x\",\"window_low\":0,"
    "\"window_high\":0,\"mean\":0,\"std\":1,\"percentile_low\":0,\"percentile_high\":1}",
    "{\"orientation\":\"RAS\",\"spacing_mm\":[0,0,0],\"intensity\":\"as-is\",\"window_low\":0,"
    "\"window_high\":0,\"mean\":0,\"std\":0,\"percentile_low\":0,\"percentile_high\":1}",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      SegPreprocess p = { .mean = 5 };
      g_autoptr (GError) error = NULL;

      g_assert_false (seg_preprocess_from_json (&p, bad[i], &error));
      g_assert_error (error, SEG_ERROR, SEG_ERROR_FORMAT);
      g_assert_cmpfloat (p.mean, ==, 5);
    }
}

static void
test_too_large (void)
{
  VolumeGeometry geometry;
  SegPreprocess p;
  g_autoptr (GError) error = NULL;

  make_geometry (0, FALSE, size, spacing, &geometry);
  seg_preprocess_init (&p);
  for (int a = 0; a < 3; a++)
    p.spacing_mm[a] = 1e-9;
  g_assert_null (seg_prepared_new_for_geometry (&p, &geometry, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_TOO_LARGE);
}

static void
test_patch (void)
{
  static const struct
  {
    int size[3];
    gsize n;
    gboolean square;
    int patch[3];
  } cases[] = {
    { { 193, 142, 88 }, 1000000, TRUE, { 112, 112, 80 } }, /* LASeg: the papers' */
    { { 36, 50, 35 }, 1000000, TRUE, { 32, 32, 32 } }, /* hippocampus */
    { { 240, 240, 155 }, 900000, FALSE, { 96, 96, 96 } },
    { { 5, 300, 1 }, 1000000, TRUE, { 16, 16, 16 } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      int patch[3];

      seg_preprocess_choose_patch (cases[i].size, cases[i].n, cases[i].square, patch);
      for (int a = 0; a < 3; a++)
        g_assert_cmpint (patch[a], ==, cases[i].patch[a]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/preprocess/there-and-back", test_there_and_back);
  g_test_add_func ("/seg/preprocess/resampled", test_resampled);
  g_test_add_func ("/seg/preprocess/image", test_image);
  g_test_add_func ("/seg/preprocess/intensity", test_intensity);
  g_test_add_func ("/seg/preprocess/probabilities", test_probabilities);
  g_test_add_func ("/seg/preprocess/fit", test_fit);
  g_test_add_func ("/seg/preprocess/bad-json", test_bad_json);
  g_test_add_func ("/seg/preprocess/too-large", test_too_large);
  g_test_add_func ("/seg/preprocess/patch", test_patch);
  return g_test_run ();
}
