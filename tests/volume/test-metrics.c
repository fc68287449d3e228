/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/metrics.h"
#include "volume/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Plain and slow: every surface voxel against every other. */

typedef struct
{
  double *distances;
  gsize n;
} Directed;

static gboolean
is_surface (const guint8 *mask, const int size[3], int i, int j, int k)
{
  static const int steps[6][3] = { { 1, 0, 0 },  { -1, 0, 0 }, { 0, 1, 0 },
                                   { 0, -1, 0 }, { 0, 0, 1 },  { 0, 0, -1 } };

  if (mask[(k * size[1] + j) * size[0] + i] == 0)
    return FALSE;
  for (int s = 0; s < 6; s++)
    {
      int x = i + steps[s][0], y = j + steps[s][1], z = k + steps[s][2];

      if (size[s / 2] == 1)
        continue;
      if (x < 0 || y < 0 || z < 0 || x >= size[0] || y >= size[1] || z >= size[2]
          || mask[(z * size[1] + y) * size[0] + x] == 0)
        return TRUE;
    }
  return FALSE;
}

static Directed
plain_distances (const guint8 *from, const guint8 *to, const int size[3], const double spacing[3])
{
  Directed result = { g_new (double, size[0] * size[1] * size[2]), 0 };

  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++)
        {
          double best = INFINITY;

          if (!is_surface (from, size, i, j, k))
            continue;
          for (int z = 0; z < size[2]; z++)
            for (int y = 0; y < size[1]; y++)
              for (int x = 0; x < size[0]; x++)
                if (is_surface (to, size, x, y, z))
                  {
                    double a = (x - i) * spacing[0], b = (y - j) * spacing[1],
                           c = (z - k) * spacing[2];

                    best = fmin (best, sqrt (a * a + b * b + c * c));
                  }
          result.distances[result.n++] = best;
        }
  return result;
}

static int
compare_cb (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static void
plain_metrics (const guint8 *pred, const guint8 *truth, const int size[3], const double spacing[3],
               double *hd95, double *asd, double *assd)
{
  Directed there = plain_distances (pred, truth, size, spacing);
  Directed back = plain_distances (truth, pred, size, spacing);
  gsize n = there.n + back.n, below;
  g_autofree double *pooled = g_new (double, n);
  double sum_there = 0, sum_back = 0, rank = 0.95 * (double) (n - 1);

  for (gsize d = 0; d < there.n; d++)
    sum_there += pooled[d] = there.distances[d];
  for (gsize d = 0; d < back.n; d++)
    sum_back += pooled[there.n + d] = back.distances[d];
  qsort (pooled, n, sizeof *pooled, compare_cb);
  below = (gsize) rank;
  *hd95 =
      pooled[below] + (rank - (double) below) * (pooled[MIN (below + 1, n - 1)] - pooled[below]);
  *asd = sum_there / (double) there.n;
  *assd = 0.5 * (*asd + sum_back / (double) back.n);
  g_free (there.distances);
  g_free (back.distances);
}

static void
random_mask (GRand *rand, const int size[3], guint8 *mask)
{
  int n_balls = g_rand_int_range (rand, 1, 4);

  memset (mask, 0, (gsize) size[0] * size[1] * size[2]);
  while (n_balls-- > 0)
    {
      double c[3], r = g_rand_double_range (rand, 0.6, 4.5);

      for (int a = 0; a < 3; a++)
        c[a] = g_rand_double_range (rand, -1, size[a]);
      for (int k = 0; k < size[2]; k++)
        for (int j = 0; j < size[1]; j++)
          for (int i = 0; i < size[0]; i++)
            if (hypot (hypot (i - c[0], j - c[1]), k - c[2]) < r)
              mask[(k * size[1] + j) * size[0] + i] = 255;
    }
}

static void
test_against_plain (void)
{
  static const int sizes[][3] = { { 13, 11, 9 }, { 17, 14, 1 }, { 1, 20, 15 }, { 30, 3, 2 } };
  static const double spacings[][3] = { { 1, 1, 1 }, { 0.7, 0.7, 3.1 }, { 2.5, 0.4, 1.0 } };
  static const double unit[3] = { 1, 1, 1 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (5);
  int compared = 0;

  for (int round = 0; round < 150; round++)
    {
      const int *size = sizes[round % G_N_ELEMENTS (sizes)];
      const double *spacing = spacings[round % G_N_ELEMENTS (spacings)];
      guint8 pred[13 * 11 * 9], truth[13 * 11 * 9];
      VolumeMetrics m;
      double hd95, asd, assd;

      random_mask (rand, size, pred);
      random_mask (rand, size, truth);
      volume_metrics_compute (pred, truth, size, spacing, &m, NULL);
      if (m.n_pred == 0 || m.n_truth == 0)
        {
          g_assert_true (isnan (m.hd95_mm) && isnan (m.asd_vox) && isnan (m.assd_mm));
          continue;
        }
      compared++;
      g_assert_cmpfloat (m.dice, ==, 2.0 * (double) m.n_both / (double) (m.n_pred + m.n_truth));
      plain_metrics (pred, truth, size, spacing, &hd95, &asd, &assd);
      g_assert_cmpfloat_with_epsilon (m.hd95_mm, hd95, 1e-9);
      g_assert_cmpfloat_with_epsilon (m.asd_mm, asd, 1e-9);
      g_assert_cmpfloat_with_epsilon (m.assd_mm, assd, 1e-9);
      plain_metrics (pred, truth, size, unit, &hd95, &asd, &assd);
      g_assert_cmpfloat_with_epsilon (m.hd95_vox, hd95, 1e-9);
      g_assert_cmpfloat_with_epsilon (m.asd_vox, asd, 1e-9);
      g_assert_cmpfloat_with_epsilon (m.assd_vox, assd, 1e-9);
    }
  g_assert_cmpint (compared, >, 100);
}

static void
test_empty_masks (void)
{
  const int size[3] = { 4, 4, 4 };
  const double spacing[3] = { 1, 1, 1 };
  guint8 none[64] = { 0 }, some[64] = { [21] = 1 };
  VolumeMetrics m;

  volume_metrics_compute (none, some, size, spacing, &m, NULL);
  g_assert_cmpfloat (m.dice, ==, 0);
  g_assert_cmpfloat (m.jaccard, ==, 0);
  g_assert_true (isnan (m.hd95_mm));
  volume_metrics_fill_empty (&m, VOLUME_EMPTY_128);
  g_assert_cmpfloat (m.hd95_mm, ==, 128);
  g_assert_cmpfloat (m.asd_vox, ==, 128);
  volume_metrics_compute (none, none, size, spacing, &m, NULL);
  g_assert_true (isnan (m.dice) && isnan (m.jaccard));
  volume_metrics_fill_empty (&m, VOLUME_EMPTY_NULL);
  g_assert_true (isnan (m.dice));
  volume_metrics_fill_empty (&m, VOLUME_EMPTY_ZERO);
  g_assert_cmpfloat (m.dice, ==, 0);
  g_assert_cmpfloat (m.assd_mm, ==, 0);
  volume_metrics_compute (some, some, size, spacing, &m, NULL);
  g_assert_cmpfloat (m.dice, ==, 1);
  g_assert_cmpfloat (m.hd95_mm, ==, 0);
}

/* A left atrium and itself moved three voxels along x, dilated once, joined by a far cube: numbers
 * of scipy's exact distance transform on the same masks, by MedPy's definitions. */
static void
test_left_atrium (void)
{
  static const struct
  {
    const char *name;
    gsize n_pred;
    double dice, hd95, asd;
  } golden[] = {
    { "dilated", 174043, 0.9398578907775196, 1.0, 1.0 },
    { "moved", 154296, 0.9363949810753357, 2.23606797749979, 0.8637737191484816 },
    { "cube", 154421, 0.9995950984234753, 0.0, 0.39573245249408473 },
  };
  const char *data = g_getenv ("CROSSLABEL_DATA");
  g_autofree char *path = g_build_filename (data != NULL ? data : "", "laseg",
                                            "06SR5RBREL16DQ6M8LWS_label.nii.gz", NULL);
  g_autoptr (VolumeScan) scan = NULL;
  g_autofree guint16 *labels = NULL;
  g_autofree guint8 *truth = NULL;
  g_autofree guint8 *pred = NULL;
  const int *size;
  gsize n, row, slice;

  if (data == NULL || !g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("the left-atrium scans are not here (CROSSLABEL_DATA)");
      return;
    }
  scan = volume_scan_load_labels (path, NULL);
  n = volume_scan_get_n_voxels (scan);
  size = volume_scan_get_geometry (scan)->size;
  row = (gsize) size[0];
  slice = row * (gsize) size[1];
  labels = g_new (guint16, n);
  truth = g_new (guint8, n);
  pred = g_new (guint8, n);
  g_assert_true (volume_scan_read_labels (scan, labels, NULL));
  for (gsize v = 0; v < n; v++)
    truth[v] = labels[v] != 0;
  for (gsize g = 0; g < G_N_ELEMENTS (golden); g++)
    {
      VolumeMetrics m;

      for (gsize v = 0; v < n; v++)
        {
          int i = (int) (v % row), j = (int) (v / row % (gsize) size[1]), k = (int) (v / slice);

          if (g == 0) /* the label touches no border */
            pred[v] =
                truth[v]
                || (i > 0 && j > 0 && k > 0 && i + 1 < size[0] && j + 1 < size[1] && k + 1 < size[2]
                    && (truth[v - 1] || truth[v + 1] || truth[v - row] || truth[v + row]
                        || truth[v - slice] || truth[v + slice]));
          else if (g == 1)
            pred[v] = i >= 3 && truth[v - 3];
          else
            pred[v] = truth[v] || (i < 5 && j < 5 && k < 5);
        }
      volume_metrics_compute (pred, truth, size, volume_scan_get_geometry (scan)->spacing_mm, &m,
                              NULL);
      g_assert_cmpuint (m.n_pred, ==, golden[g].n_pred);
      g_assert_cmpfloat_with_epsilon (m.dice, golden[g].dice, 1e-12);
      g_assert_cmpfloat_with_epsilon (m.hd95_vox, golden[g].hd95, 1e-9);
      g_assert_cmpfloat_with_epsilon (m.asd_vox, golden[g].asd, 1e-9);
      g_assert_cmpfloat_with_epsilon (m.asd_mm, 0.625 * golden[g].asd, 1e-6);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/metrics/against-plain", test_against_plain);
  g_test_add_func ("/volume/metrics/empty-masks", test_empty_masks);
  g_test_add_func ("/volume/metrics/left-atrium", test_left_atrium);
  return g_test_run ();
}
