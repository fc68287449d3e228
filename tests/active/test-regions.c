/* SPDX-License-Identifier: Apache-2.0 */
#include "active/regions.h"

#include <math.h>
#include <string.h>

#define S 32
#define N (S * S * S)
static const int size[3] = { S, S, S };
static float networks[N], views[N];
static guint8 labels[N];

static gsize
at (int a0, int a1, int a2)
{
  return ((gsize) a0 * S + (gsize) a1) * S + (gsize) a2;
}

static void
fill (float *field, int c0, int c1, int c2, int radius, float value)
{
  for (int a0 = c0 - radius; a0 <= c0 + radius; a0++)
    for (int a1 = c1 - radius; a1 <= c1 + radius; a1++)
      for (int a2 = c2 - radius; a2 <= c2 + radius; a2++)
        field[at (a0, a1, a2)] = value;
}

static void
set_up (void)
{
  memset (networks, 0, sizeof networks);
  memset (views, 0, sizeof views);
  memset (labels, 0, sizeof labels);
  for (int v = 0; v < 4096; v++) /* a cube of 16: boxes of 8 */
    labels[v] = 1;
}

static gboolean
holds (const ActiveRegion *region, int a0, int a1, int a2)
{
  return region->lo[0] <= a0 && a0 < region->hi[0] && region->lo[1] <= a1 && a1 < region->hi[1]
         && region->lo[2] <= a2 && a2 < region->hi[2];
}

/* Total variation: 1 where the answers have nothing in common, and the larger of two is kept. */
static void
test_disagreement (void)
{
  const float p[] = { 1, 0.5f, 0.2f, 0, 0.5f, 0.8f }, q[] = { 0, 0.5f, 0.6f, 1, 0.5f, 0.4f };
  float d[3] = { 0, 0.3f, 0.1f };

  active_disagreement (p, q, 3, 2, d);
  g_assert_cmpfloat_with_epsilon (d[0], 1, 1e-6);
  g_assert_cmpfloat_with_epsilon (d[1], 0.3, 1e-6);
  g_assert_cmpfloat_with_epsilon (d[2], 0.4, 1e-6);
}

/* The larger dispute comes first, with its volume and whose it is; nothing is found elsewhere. */
static void
test_worst_first (void)
{
  const double spacing_mm[3] = { 2, 1, 1 };
  g_autoptr (GArray) found = NULL;
  const ActiveRegion *first, *second;

  set_up ();
  fill (networks, 8, 8, 8, 1, 0.9f); /* 27 voxels */
  fill (views, 24, 20, 22, 1, 0.6f);
  found = active_regions_find (networks, views, labels, size, spacing_mm, 8, NULL);
  g_assert_cmpuint (found->len, ==, 2);
  first = &g_array_index (found, ActiveRegion, 0);
  second = &g_array_index (found, ActiveRegion, 1);
  g_assert_true (holds (first, 8, 8, 8) && holds (first, 7, 9, 7));
  g_assert_true (holds (second, 24, 20, 22));
  g_assert_cmpfloat_with_epsilon (first->disputed_mm3, 27 * 0.9 * 2, 1e-3);
  g_assert_cmpfloat_with_epsilon (second->disputed_mm3, 27 * 0.6 * 2, 1e-3);
  g_assert_cmpfloat_with_epsilon (first->teacher_share, 1, 1e-6);
  g_assert_cmpfloat_with_epsilon (second->teacher_share, 0, 1e-6);
}

/* A dispute along a whole surface is shared out among boxes without a voxel in common. */
static void
test_apart (void)
{
  const double spacing_mm[3] = { 1, 1, 1 };
  g_autoptr (GArray) found = NULL;
  g_autofree int *covered = g_new0 (int, N);

  set_up ();
  for (int a0 = 0; a0 < S; a0++)
    for (int a1 = 0; a1 < S; a1++)
      networks[at (a0, a1, 15)] = 0.5f;
  found = active_regions_find (networks, NULL, labels, size, spacing_mm, 6, NULL);
  g_assert_cmpuint (found->len, ==, 6);
  for (guint r = 0; r < found->len; r++)
    {
      const ActiveRegion *region = &g_array_index (found, ActiveRegion, r);

      for (int v = 0; v < N; v++)
        covered[v] += holds (region, v / (S * S), v / S % S, v % S);
    }
  for (int v = 0; v < N; v++)
    g_assert_cmpint (covered[v], <=, 1);
}

static void
test_agreement (void)
{
  const double spacing_mm[3] = { 1, 1, 1 };
  g_autoptr (GArray) found = NULL;

  set_up ();
  found = active_regions_find (networks, views, labels, size, spacing_mm, 8, NULL);
  g_assert_cmpuint (found->len, ==, 0);
}

/* A scan thinner than the smallest box, and nothing predicted. */
static void
test_thin (void)
{
  const int thin[3] = { 1, 8, 8 };
  const double spacing_mm[3] = { 5, 1, 1 };
  g_autoptr (GArray) found = NULL;

  set_up ();
  memset (labels, 0, sizeof labels);
  networks[3 * 8 + 3] = 1;
  found = active_regions_find (networks, NULL, labels, thin, spacing_mm, 8, NULL);
  g_assert_cmpuint (found->len, ==, 1);
  g_assert_true (holds (&g_array_index (found, ActiveRegion, 0), 0, 3, 3));
  g_assert_cmpint (g_array_index (found, ActiveRegion, 0).hi[0], ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/active/regions/disagreement", test_disagreement);
  g_test_add_func ("/active/regions/worst-first", test_worst_first);
  g_test_add_func ("/active/regions/apart", test_apart);
  g_test_add_func ("/active/regions/agreement", test_agreement);
  g_test_add_func ("/active/regions/thin", test_thin);
  return g_test_run ();
}
