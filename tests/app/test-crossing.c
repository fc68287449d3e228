/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/crossing.h"

#define N 9

static const AppCrossingSlice slices[2] = { { VOLUME_PLANE_AXIAL, 4 },
                                            { VOLUME_PLANE_CORONAL, 4 } };

static void
make_geometry (VolumeGeometry *geometry)
{
  const int size[3] = { N, N, N };
  const double affine[4][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };

  g_assert_true (volume_geometry_init (geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
}

static void
paint (VolumeLabelMap *map, guint32 id, const VolumeBox *box, guint16 label)
{
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autoptr (VolumeEdit) edit = NULL;

  for (int k = box->lo[2]; k < box->hi[2]; k++)
    for (int j = box->lo[1]; j < box->hi[1]; j++)
      volume_edit_builder_set_run (builder, box->lo[0], j, k, box->hi[0] - box->lo[0], label);
  edit = volume_edit_builder_end (builder, id, VOLUME_PROVENANCE_HAND, "brush", NULL);
  g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
}

static VolumeLabelMap *
make_map (void)
{
  const int size[3] = { N, N, N };

  return volume_label_map_new (size, NULL);
}

/* The same square on both slices: no disagreement anywhere. */
static void
test_agree (void)
{
  VolumeGeometry geometry;
  g_autoptr (VolumeLabelMap) map = make_map ();
  g_autoptr (GArray) found = NULL;

  make_geometry (&geometry);
  paint (map, 1, &(VolumeBox){ { 2, 2, 4 }, { 7, 7, 5 } }, 1);
  paint (map, 2, &(VolumeBox){ { 2, 4, 2 }, { 7, 5, 7 } }, 1);
  found = app_crossing_find (map, &geometry, slices, 2);
  g_assert_cmpuint (found->len, ==, 0);
}

/* The coronal slice reaches further along the line than the axial one: those voxels stick out. */
static void
test_disagree (void)
{
  VolumeGeometry geometry;
  g_autoptr (VolumeLabelMap) map = make_map ();
  g_autoptr (GArray) found = NULL;

  make_geometry (&geometry);
  paint (map, 1, &(VolumeBox){ { 2, 2, 4 }, { 5, 7, 5 } }, 1);
  paint (map, 2, &(VolumeBox){ { 2, 4, 2 }, { 7, 5, 7 } }, 1);
  found = app_crossing_find (map, &geometry, slices, 2);
  g_assert_cmpuint (found->len, ==, 2);
  for (guint f = 0; f < found->len; f++)
    {
      const AppCrossing *crossing = &g_array_index (found, AppCrossing, f);

      g_assert_cmpint (crossing->ijk[0], ==, 5 + (int) f);
      g_assert_cmpint (crossing->ijk[1], ==, 4);
      g_assert_cmpint (crossing->ijk[2], ==, 4);
    }
}

/* A slice that only has the line of the other one is not labelled yet: nothing to disagree with. */
static void
test_not_begun (void)
{
  VolumeGeometry geometry;
  g_autoptr (VolumeLabelMap) map = make_map ();
  g_autoptr (GArray) found = NULL;

  make_geometry (&geometry);
  paint (map, 1, &(VolumeBox){ { 2, 2, 4 }, { 7, 7, 5 } }, 1);
  found = app_crossing_find (map, &geometry, slices, 2);
  g_assert_cmpuint (found->len, ==, 0);
}

/* At the structure's border one neighbour differs: that is its edge, not a disagreement. */
static void
test_edge (void)
{
  VolumeGeometry geometry;
  g_autoptr (VolumeLabelMap) map = make_map ();
  g_autoptr (GArray) found = NULL;

  make_geometry (&geometry);
  paint (map, 1, &(VolumeBox){ { 2, 4, 4 }, { 7, 7, 5 } }, 1);
  paint (map, 2, &(VolumeBox){ { 2, 4, 4 }, { 7, 5, 7 } }, 1);
  found = app_crossing_find (map, &geometry, slices, 2);
  g_assert_cmpuint (found->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/app/crossing/agree", test_agree);
  g_test_add_func ("/app/crossing/disagree", test_disagree);
  g_test_add_func ("/app/crossing/not-begun", test_not_begun);
  g_test_add_func ("/app/crossing/edge", test_edge);
  return g_test_run ();
}
