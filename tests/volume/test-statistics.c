/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/statistics.h"

#include <math.h>

static void
test_two_labels (void)
{
  /* A sheared grid of 2 × 1 × 4 mm cells leaning over: 8 mm³ each all the same. */
  const double affine[4][4] = { { 2, 0.5, 0, 0 }, { 0, 1, 3, 0 }, { 0, 0, 4, 0 }, { 0, 0, 0, 1 } };
  const int size[3] = { 40, 3, 2 };
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (VolumeLabelSnapshot) snapshot = NULL;
  g_autoptr (VolumeScan) scan = NULL;
  g_autoptr (GArray) results = NULL;
  VolumeGeometry geometry;
  float *values = g_new (float, 240);
  const VolumeStatistics *s;

  g_assert_true (volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  for (int v = 0; v < 240; v++)
    values[v] = 1e6f + (float) (v % 40);
  values[2] = NAN;
  scan = volume_scan_new_take (&geometry, VOLUME_DTYPE_F32, g_bytes_new_take (values, 960), 1, 0);
  volume_edit_builder_set_run (builder, 0, 0, 0, 5, 3);
  volume_edit_builder_set_run (builder, 30, 2, 1, 10, 700);
  volume_edit_builder_set_run (builder, 30, 1, 1, 10, 700);
  edit = volume_edit_builder_end (builder, 1, VOLUME_PROVENANCE_HAND, "brush", NULL);
  g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
  snapshot = volume_label_map_snapshot (map, NULL);
  results = volume_statistics_compute (scan, snapshot, NULL);

  g_assert_cmpuint (results->len, ==, 2);
  s = &g_array_index (results, VolumeStatistics, 0);
  g_assert_cmpint (s->label, ==, 3);
  g_assert_cmpuint (s->n_voxels, ==, 5);
  g_assert_cmpfloat_with_epsilon (s->volume_ml, 0.04, 1e-12);
  g_assert_cmpfloat_with_epsilon (s->mean, 1e6 + 2, 1e-6); /* of 0, 1, 3, 4 */
  g_assert_cmpfloat_with_epsilon (s->sd, sqrt (2.5), 1e-6);
  g_assert_cmpfloat (s->max, ==, 1e6 + 4);
  s = &g_array_index (results, VolumeStatistics, 1);
  g_assert_cmpint (s->label, ==, 700);
  g_assert_cmpuint (s->n_voxels, ==, 20);
  g_assert_cmpint (s->box.lo[0], ==, 30);
  g_assert_cmpint (s->box.hi[1], ==, 3);
  g_assert_cmpfloat (s->centre_ijk[1], ==, 1.5);
  g_assert_cmpfloat_with_epsilon (s->mean, 1e6 + 34.5, 1e-6);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/statistics/two-labels", test_two_labels);
  return g_test_run ();
}
