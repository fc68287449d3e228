/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/components.h"

#include <string.h>

/* The plain way: grow one component at a time, to the end of changes. */
static guint32
label_plainly (const guint8 *mask, const int size[3], VolumeConnectivity connectivity, guint32 *out)
{
  const gsize n_voxels = (gsize) size[0] * size[1] * size[2];
  guint32 n = 0;

  memset (out, 0, n_voxels * sizeof (guint32));
  for (gsize start = 0; start < n_voxels; start++)
    {
      gboolean changed = TRUE;

      if (mask[start] == 0 || out[start] != 0)
        continue;
      out[start] = ++n;
      while (changed)
        {
          changed = FALSE;
          for (int k = 0; k < size[2]; k++)
            for (int j = 0; j < size[1]; j++)
              for (int i = 0; i < size[0]; i++)
                {
                  gsize v = i + size[0] * (j + (gsize) size[1] * k);

                  if (mask[v] == 0 || out[v] != 0)
                    continue;
                  for (int d = 0; d < 27; d++)
                    {
                      int di = d % 3 - 1, dj = d / 3 % 3 - 1, dk = d / 9 - 1;
                      int ni = i + di, nj = j + dj, nk = k + dk;

                      if (ABS (di) + ABS (dj) + ABS (dk) != 1
                          && connectivity == VOLUME_CONNECT_FACES)
                        continue;
                      if (ni < 0 || nj < 0 || nk < 0 || ni >= size[0] || nj >= size[1]
                          || nk >= size[2])
                        continue;
                      if (out[ni + size[0] * (nj + (gsize) size[1] * nk)] == n)
                        out[v] = n;
                    }
                  changed |= out[v] != 0;
                }
        }
    }
  return n;
}

static void
test_label_equals_plain (void)
{
  const int sizes[][3] = { { 1, 1, 1 }, { 13, 1, 1 }, { 1, 9, 7 }, { 8, 7, 1 }, { 6, 7, 5 } };

  for (int round = 0; round < 100; round++)
    {
      const int *size = sizes[round % G_N_ELEMENTS (sizes)];
      const VolumeConnectivity connectivity = round / 5 % 2;
      guint8 mask[512];
      guint32 fast[512], plain[512];
      gsize n_voxels = (gsize) size[0] * size[1] * size[2];
      g_autofree gsize *counts = NULL;
      guint32 n, n_fast;
      gsize total = 0, inside = 0;

      for (gsize v = 0; v < n_voxels; v++)
        inside += mask[v] = g_test_rand_int_range (0, 100) < 20 + round / 2;
      n = label_plainly (mask, size, connectivity, plain);
      g_assert_true (
          volume_components_label (mask, size, connectivity, fast, &counts, &n_fast, NULL));
      g_assert_cmpuint (n_fast, ==, n);
      g_assert_cmpmem (fast, n_voxels * sizeof *fast, plain, n_voxels * sizeof *plain);
      for (guint32 c = 0; c < n; c++)
        total += counts[c];
      g_assert_cmpuint (total, ==, inside);
    }
}

static void
test_holes (void)
{
  /* A ring with a hole, a ring open at one side, and a hole at the border of the picture. */
  const char *before = "..........."
                       ".###.##.#.."
                       ".#.#.#..#.#"
                       ".###.####.."
                       "...........";
  const int size[3] = { 11, 5, 1 };
  guint8 mask[55];
  gsize n_filled;

  for (int v = 0; v < 55; v++)
    mask[v] = before[v] == '#';
  g_assert_true (volume_components_fill_holes (mask, size, &n_filled, NULL));
  g_assert_cmpuint (n_filled, ==, 1);
  for (int v = 0; v < 55; v++)
    g_assert_cmpuint (mask[v], ==, v == 2 * 11 + 2 ? 2 : before[v] == '#');
}

static void
test_holes_3d (void)
{
  /* A hollow cube is filled; drilled through one face it is not. */
  const int size[3] = { 5, 5, 5 };
  guint8 mask[125] = { 0 };
  gsize n_filled;

  for (int v = 0; v < 125; v++)
    {
      int i = v % 5, j = v / 5 % 5, k = v / 25;

      if (i >= 1 && i <= 3 && j >= 1 && j <= 3 && k >= 1 && k <= 3)
        mask[v] = !(i == 2 && j == 2 && k == 2);
    }
  g_assert_true (volume_components_fill_holes (mask, size, &n_filled, NULL));
  g_assert_cmpuint (n_filled, ==, 1);
  g_assert_cmpuint (mask[62], ==, 2);
  mask[62] = 0;
  mask[63] = 0;
  g_assert_true (volume_components_fill_holes (mask, size, &n_filled, NULL));
  g_assert_cmpuint (n_filled, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/components/label-equals-plain", test_label_equals_plain);
  g_test_add_func ("/volume/components/holes", test_holes);
  g_test_add_func ("/volume/components/holes-3d", test_holes_3d);
  return g_test_run ();
}
