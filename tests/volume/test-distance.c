/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/distance.h"

#include <math.h>

static void
test_equals_plain (void)
{
  const int sizes[][3] = { { 1, 1, 1 }, { 17, 1, 1 }, { 1, 8, 9 }, { 9, 8, 7 } };

  for (int round = 0; round < 60; round++)
    {
      const int *size = sizes[round % G_N_ELEMENTS (sizes)];
      const double spacing[3] = { g_test_rand_double_range (0.2, 6),
                                  g_test_rand_double_range (0.2, 6),
                                  g_test_rand_double_range (0.2, 6) };
      const int n_voxels = size[0] * size[1] * size[2];
      guint8 mask[512];
      float fast[512];

      for (int v = 0; v < n_voxels; v++)
        mask[v] = g_test_rand_int_range (0, 100) < round;
      volume_distance_squared (mask, size, spacing, fast, NULL);
      for (int v = 0; v < n_voxels; v++)
        {
          double nearest = G_MAXFLOAT;

          for (int w = 0; w < n_voxels; w++)
            {
              double dx = spacing[0] * (v % size[0] - w % size[0]);
              double dy = spacing[1] * (v / size[0] % size[1] - w / size[0] % size[1]);
              double dz = spacing[2] * (v / size[0] / size[1] - w / size[0] / size[1]);

              if (mask[w])
                nearest = MIN (nearest, dx * dx + dy * dy + dz * dz);
            }
          /* float results of three passes: a few units in the last place. */
          g_assert_cmpfloat (fabs (fast[v] - nearest), <=, 1e-6 * nearest);
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/distance/equals-plain", test_equals_plain);
  return g_test_run ();
}
