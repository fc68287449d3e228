/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/label-map.h"
#include "volume/mask.h"

#include <string.h>

enum
{
  NX = 70,
  NY = 45,
  NZ = 40,
  N = NX * NY * NZ
};
static const int size[3] = { NX, NY, NZ };
static const VolumeBox whole = { { 0, 0, 0 }, { NX, NY, NZ } };

/* The map's plain twin. */
typedef struct
{
  guint16 labels[N];
  guint32 ids[N];
} Twin;

static gsize
at (int i, int j, int k)
{
  return ((gsize) k * NY + j) * NX + i;
}

static void
assert_same (const VolumeLabelMap *map, const Twin *twin)
{
  g_autofree guint16 *labels = g_new (guint16, N);
  g_autofree guint32 *ids = g_new (guint32, N);
  g_autofree gsize *counts = g_new0 (gsize, 65536);

  volume_label_map_read_box (map, &whole, labels);
  volume_label_map_read_edit_ids (map, &whole, ids);
  g_assert_cmpmem (labels, N * sizeof *labels, twin->labels, sizeof twin->labels);
  g_assert_cmpmem (ids, N * sizeof *ids, twin->ids, sizeof twin->ids);
  for (gsize v = 0; v < N; v++)
    counts[twin->labels[v]]++;
  g_assert_cmpmem (counts, 65536 * sizeof *counts, volume_label_map_get_counts (map),
                   65536 * sizeof *counts);
}

/* A random gesture: boxes, runs and single voxels, some outside the grid, on map and twin. */
static VolumeEdit *
random_edit (GRand *rand, const VolumeLabelMap *map, Twin *twin, guint32 id, int max_label)
{
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autofree Twin *before = g_memdup2 (twin, sizeof *twin);
  int n = g_rand_int_range (rand, 1, 12);

  for (int s = 0; s < n; s++)
    {
      int i = g_rand_int_range (rand, -10, NX + 5), j = g_rand_int_range (rand, -2, NY + 2);
      int k = g_rand_int_range (rand, -2, NZ + 2), length = g_rand_int_range (rand, 1, 60);
      guint16 label = (guint16) g_rand_int_range (rand, 0, max_label + 1);

      volume_edit_builder_set_run (builder, i, j, k, length, label);
      for (int x = MAX (i, 0); x < MIN (i + length, NX); x++)
        if (j >= 0 && j < NY && k >= 0 && k < NZ)
          twin->labels[at (x, j, k)] = label;
    }
  for (gsize v = 0; v < N; v++)
    if (twin->labels[v] != before->labels[v])
      twin->ids[v] = id;
  return volume_edit_builder_end (builder, id, VOLUME_PROVENANCE_HAND, "brush", NULL);
}

static void
test_apply_revert (void)
{
  enum
  {
    N_EDITS = 60
  };
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autofree Twin *twins = g_new0 (Twin, N_EDITS + 1);
  VolumeEdit *edits[N_EDITS];
  g_autoptr (GError) error = NULL;

  assert_same (map, &twins[0]);
  for (int e = 0; e < N_EDITS; e++)
    {
      twins[e + 1] = twins[e];
      /* Labels beyond a byte come in later and stay. */
      edits[e] = random_edit (rand, map, &twins[e + 1], (guint32) e + 1, e < 30 ? 5 : 3000);
      assert_same (map, &twins[e]); /* building changes nothing */
      g_assert_true (volume_label_map_apply_edit (map, edits[e], &error));
      assert_same (map, &twins[e + 1]);
    }
  for (int e = N_EDITS; e-- > 0;)
    {
      g_assert_true (volume_label_map_revert_edit (map, edits[e], &error));
      assert_same (map, &twins[e]);
    }
  for (int e = 0; e < N_EDITS; e++)
    {
      g_assert_true (volume_label_map_apply_edit (map, edits[e], &error));
      volume_edit_unref (edits[e]);
    }
  assert_same (map, &twins[N_EDITS]);
}

static void
test_mismatch_changes_nothing (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autofree Twin *twin = g_new0 (Twin, 1);
  const VolumeEditRun runs[] = {
    { .i = 1, .j = 1, .k = 1, .length = 40, .after = 3, .after_edit_id = 9 },
    { .i = 0, .j = 5, .k = 1, .length = 4, .before = 2, .after = 3, .after_edit_id = 9 },
  };
  const VolumeEditRun outside[] = {
    { .i = NX - 2, .j = 1, .k = 1, .length = 3, .after = 3, .after_edit_id = 9 }
  };
  g_autoptr (VolumeEdit) wrong =
      volume_edit_new_from_runs (9, VOLUME_PROVENANCE_HAND, "brush", runs, 2, NULL);
  g_autoptr (VolumeEdit) too_far =
      volume_edit_new_from_runs (9, VOLUME_PROVENANCE_HAND, "brush", outside, 1, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (volume_label_map_apply_edit (map, wrong, &error));
  g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH);
  g_clear_error (&error);
  g_assert_false (volume_label_map_apply_edit (map, too_far, &error));
  g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH);
  assert_same (map, twin);
  g_assert_cmpuint (volume_label_map_get_version (map), ==, 0);
}

static void
test_snapshots_stay (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autofree Twin *twin = g_new0 (Twin, 1);
  VolumeLabelSnapshot *snapshots[20];
  guint16 *pictures[20];
  g_autofree guint16 *now = g_new (guint16, N);

  for (int s = 0; s < 20; s++)
    {
      g_autoptr (VolumeEdit) edit = random_edit (rand, map, twin, (guint32) s + 1, 9);

      g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
      snapshots[s] = volume_label_map_snapshot (map, NULL);
      pictures[s] = g_new (guint16, N);
      volume_label_map_read_box (map, &whole, pictures[s]);
    }
  for (int s = 0; s < 20; s++)
    {
      int got[3];

      volume_label_snapshot_read_box (snapshots[s], &whole, now);
      g_assert_cmpmem (now, N * sizeof *now, pictures[s], N * sizeof *now);
      volume_label_snapshot_get_size (snapshots[s], got);
      g_assert_cmpmem (got, sizeof got, size, sizeof size);
      volume_label_snapshot_unref (snapshots[s]);
      g_free (pictures[s]);
    }
  assert_same (map, twin);
}

/* A copy is the map as it was and goes its own way; a map that becomes another has all of it. */
static void
test_copies_share (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (12);
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeLabelMap) copy = NULL;
  g_autofree Twin *twin = g_new0 (Twin, 1);
  g_autofree Twin *of_copy = NULL;
  VolumeBox box = { { 0 } };

  for (guint32 e = 1; e <= 60; e++)
    {
      gboolean on_copy = copy != NULL && e % 2 == 0;
      VolumeLabelMap *changed = on_copy ? copy : map;
      g_autoptr (VolumeEdit) edit =
          random_edit (rand, changed, on_copy ? of_copy : twin, e, e % 3 == 0 ? 700 : 9);
      VolumeBox edited = volume_edit_get_box (edit);

      g_assert_true (volume_label_map_apply_edit (changed, edit, NULL));
      volume_box_join (&box, &edited);
      if (e != 20)
        continue;
      copy = volume_label_map_copy (map, NULL);
      of_copy = g_memdup2 (twin, sizeof *twin);
      assert_same (copy, twin);
      box = (VolumeBox){ { 0 } };
    }
  assert_same (copy, of_copy);
  assert_same (map, twin);
  {
    const guint64 version = volume_label_map_get_version (map);
    VolumeBox dirty;

    volume_label_map_become (map, copy, &box);
    assert_same (map, of_copy);
    dirty = volume_label_map_get_dirty_box (map, version);
    g_assert_cmpmem (&dirty, sizeof dirty, &box, sizeof box);
  }
  *twin = *of_copy;
  for (guint32 e = 61; e <= 70; e++)
    {
      g_autoptr (VolumeEdit) edit = random_edit (rand, map, twin, e, 9);

      g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
    }
  assert_same (map, twin);
  assert_same (copy, of_copy); /* still its own */
}

static void
test_dirty_boxes (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  VolumeBox box;

  /* Far more changes than are remembered one by one. */
  for (int n = 0; n < 1500; n++)
    {
      const VolumeEditRun run = { .i = n % NX,
                                  .j = n / NX,
                                  .k = n % 3,
                                  .length = 1,
                                  .after = 1,
                                  .after_edit_id = (guint32) n + 1 };
      g_autoptr (VolumeEdit) edit = volume_edit_new_from_runs (
          (guint32) n + 1, VOLUME_PROVENANCE_HAND, "brush", &run, 1, NULL);

      g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
      g_assert_cmpuint (volume_label_map_get_version (map), ==, n + 1);
    }
  box = volume_label_map_get_dirty_box (map, 1500);
  g_assert_cmpint (box.hi[0], <=, box.lo[0]);
  box = volume_label_map_get_dirty_box (map, 1499);
  g_assert_cmpint (box.lo[0], ==, 1499 % NX);
  g_assert_cmpint (box.hi[0], ==, 1499 % NX + 1);
  g_assert_cmpint (box.lo[1], ==, 1499 / NX);
  box = volume_label_map_get_dirty_box (map, 1400);
  g_assert_cmpint (box.lo[1], ==, 1400 / NX);
  box = volume_label_map_get_dirty_box (map, 0);
  g_assert_cmpint (box.lo[1], ==, 0);
  g_assert_cmpint (box.hi[1], ==, 1499 / NX + 1);
  g_assert_cmpint (box.hi[2], ==, 3);
}

static void
test_reads_outside_are_zero (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autoptr (VolumeEdit) edit = NULL;
  const VolumeBox box = { { -2, -2, -2 }, { 2, 2, 2 } };
  guint16 labels[64];
  int n = 0;

  for (int k = 0; k < NZ; k++)
    for (int j = 0; j < NY; j++)
      volume_edit_builder_set_run (builder, 0, j, k, NX, 7);
  edit = volume_edit_builder_end (builder, 1, VOLUME_PROVENANCE_HAND, "fill", NULL);
  g_assert_cmpuint (volume_edit_get_n_voxels (edit), ==, N);
  g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
  volume_label_map_read_box (map, &box, labels);
  for (int k = -2; k < 2; k++)
    for (int j = -2; j < 2; j++)
      for (int i = -2; i < 2; i++, n++)
        g_assert_cmpint (labels[n], ==, i >= 0 && j >= 0 && k >= 0 ? 7 : 0);
  g_assert_cmpint (volume_label_map_get (map, -1, 0, 0), ==, 0);
  g_assert_cmpint (volume_label_map_get (map, NX, 0, 0), ==, 0);
  g_assert_cmpuint (volume_label_map_get_edit_id (map, 0, NY, 0), ==, 0);
}

/* More ids than a tile's palette has places. */
static void
test_many_ids_in_one_tile (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autofree Twin *twin = g_new0 (Twin, 1);

  for (int round = 0; round < 2; round++)
    for (int n = 0; n < 900; n++)
      {
        int i = round == 0 ? 0 : n % 30, j = round == 0 ? 0 : n / 30;
        guint32 id = 100000u * (guint32) (round + 1) + (guint32) n;
        g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
        g_autoptr (VolumeEdit) edit = NULL;
        guint16 label = (guint16) (1 + (twin->labels[at (i, j, 0)] + 1) % 3);

        volume_edit_builder_set (builder, i, j, 0, label);
        edit = volume_edit_builder_end (builder, id, VOLUME_PROVENANCE_HAND, "brush", NULL);
        g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
        twin->labels[at (i, j, 0)] = label;
        twin->ids[at (i, j, 0)] = id;
      }
  assert_same (map, twin);
}

static void
test_whole_map_as_edit (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeLabelMap) copy = volume_label_map_new (size, NULL);
  g_autofree Twin *twin = g_new0 (Twin, 1);
  g_autoptr (VolumeEdit) all = NULL;
  g_autoptr (VolumeEdit) read = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  for (guint32 e = 1; e < 80; e++)
    {
      g_autoptr (VolumeEdit) edit = random_edit (rand, map, twin, e, 400);

      g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
    }
  all = volume_edit_new_from_map (map, NULL);
  bytes = volume_edit_serialize (all, NULL);
  read = volume_edit_deserialize (bytes, size, &error);
  g_assert_no_error (error);
  g_assert_true (volume_label_map_apply_edit (copy, read, &error));
  assert_same (copy, twin);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/label-map/apply-revert", test_apply_revert);
  g_test_add_func ("/volume/label-map/mismatch-changes-nothing", test_mismatch_changes_nothing);
  g_test_add_func ("/volume/label-map/snapshots-stay", test_snapshots_stay);
  g_test_add_func ("/volume/label-map/copies-share", test_copies_share);
  g_test_add_func ("/volume/label-map/dirty-boxes", test_dirty_boxes);
  g_test_add_func ("/volume/label-map/reads-outside-are-zero", test_reads_outside_are_zero);
  g_test_add_func ("/volume/label-map/many-ids-in-one-tile", test_many_ids_in_one_tile);
  g_test_add_func ("/volume/label-map/whole-map-as-edit", test_whole_map_as_edit);
  return g_test_run ();
}
