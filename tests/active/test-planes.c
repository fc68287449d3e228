/* SPDX-License-Identifier: Apache-2.0 */
#include "active/planes.h"

#include <string.h>

#define NX 40
#define NY 24
#define NZ 80
static const int size[3] = { NX, NY, NZ };
static guint8 labels[NX * NY * NZ];

static gsize
at (int i, int j, int k)
{
  return ((gsize) k * NY + (gsize) j) * NX + (gsize) i;
}

static void
fill (int i0, int i1, int j0, int j1, int k0, int k1, guint8 label)
{
  for (int k = k0; k <= k1; k++)
    for (int j = j0; j <= j1; j++)
      for (int i = i0; i <= i1; i++)
        labels[at (i, j, k)] = label;
}

/* The dossier's golden box: x 10…35, y 7…20, z 40…71 → 22, 13, 55. */
static void
test_truth_golden (void)
{
  ActivePlanes planes;

  memset (labels, 0, sizeof labels);
  g_assert_false (active_planes_from_truth (&planes, labels, size));
  fill (10, 35, 7, 20, 40, 71, 1);
  g_assert_true (active_planes_from_truth (&planes, labels, size));
  g_assert_cmpint (planes.index[0], ==, 22);
  g_assert_cmpint (planes.index[1], ==, 13);
  g_assert_cmpint (planes.index[2], ==, 55);
  g_assert_cmpuint (planes.missing, ==, 0);
  active_planes_clear (&planes);
}

static void
test_prediction_takes_the_largest_part (void)
{
  ActivePlanes planes;

  memset (labels, 0, sizeof labels);
  g_assert_false (active_planes_from_prediction (&planes, labels, size, NULL));
  fill (20, 29, 10, 15, 20, 29, 1);
  fill (1, 3, 1, 3, 70, 75, 1); /* an island that would move the box */
  g_assert_true (active_planes_from_prediction (&planes, labels, size, NULL));
  g_assert_cmpint (planes.index[0], ==, 24);
  g_assert_cmpint (planes.index[1], ==, 12);
  g_assert_cmpint (planes.index[2], ==, 24);
  g_assert_nonnull (strstr (planes.reason, "600 voxels"));
  g_assert_nonnull (strstr (planes.reason, "2 parts"));
  active_planes_clear (&planes);
}

static void
test_missing_class_gets_a_slice (void)
{
  ActivePlanes planes;

  memset (labels, 0, sizeof labels);
  fill (10, 30, 5, 15, 10, 30, 1);
  fill (12, 14, 6, 7, 28, 29, 3);
  labels[at (12, 6, 29)] = 1;
  g_assert_true (active_planes_from_prediction (&planes, labels, size, NULL));
  g_assert_cmpuint (planes.missing, ==, G_GUINT64_CONSTANT (1) << 3);
  g_assert_cmpint (planes.n_extra, ==, 1);
  g_assert_cmpint (planes.extra_axis[0], ==, 2);
  g_assert_cmpint (planes.extra_index[0], ==, 28);
  active_planes_clear (&planes);
}

static void
test_uncertainty_stays_near_the_prediction (void)
{
  ActivePlanes planes;
  g_autofree float *entropy = g_new0 (float, NX *NY *NZ);

  memset (labels, 0, sizeof labels);
  fill (10, 29, 5, 14, 30, 49, 1);
  for (int k = 0; k < NZ; k++)
    for (int j = 0; j < NY; j++)
      entropy[at (17, j, k)] += 0.5f;
  for (int k = 0; k < NZ; k++)
    for (int i = 0; i < NX; i++)
      entropy[at (i, 9, k)] += 0.5f;
  for (int j = 0; j < NY; j++)
    for (int i = 0; i < NX; i++)
      {
        entropy[at (i, j, 44)] += 0.5f;
        entropy[at (i, j, 2)] += 5; /* far from the structure: not looked at */
      }
  g_assert_true (active_planes_from_uncertainty (&planes, entropy, labels, size, NULL));
  g_assert_cmpint (planes.index[0], ==, 17);
  g_assert_cmpint (planes.index[1], ==, 9);
  g_assert_cmpint (planes.index[2], ==, 44);
  active_planes_clear (&planes);
}

static void
test_click_is_clamped (void)
{
  ActivePlanes planes;

  active_planes_from_click (&planes, (int[]){ -3, 5, 500 }, size);
  g_assert_cmpint (planes.index[0], ==, 0);
  g_assert_cmpint (planes.index[1], ==, 5);
  g_assert_cmpint (planes.index[2], ==, NZ - 1);
  active_planes_clear (&planes);
}

/* A scan one voxel thick has its three slices too. */
static void
test_one_voxel_thick (void)
{
  ActivePlanes planes;
  const guint8 flat[6] = { 0, 1, 1, 0, 0, 0 };

  g_assert_true (active_planes_from_prediction (&planes, flat, (int[]){ 6, 1, 1 }, NULL));
  g_assert_cmpint (planes.index[0], ==, 1);
  g_assert_cmpint (planes.index[1], ==, 0);
  g_assert_cmpint (planes.index[2], ==, 0);
  active_planes_clear (&planes);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/active/planes/truth-golden", test_truth_golden);
  g_test_add_func ("/active/planes/largest-part", test_prediction_takes_the_largest_part);
  g_test_add_func ("/active/planes/missing-class", test_missing_class_gets_a_slice);
  g_test_add_func ("/active/planes/uncertainty", test_uncertainty_stays_near_the_prediction);
  g_test_add_func ("/active/planes/click", test_click_is_clamped);
  g_test_add_func ("/active/planes/one-voxel-thick", test_one_voxel_thick);
  return g_test_run ();
}
