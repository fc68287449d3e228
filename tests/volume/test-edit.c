/* SPDX-License-Identifier: Apache-2.0 */
#include "volume/label-map.h"

#include <string.h>

static const int size[3] = { 100, 90, 80 };

static VolumeEdit *
disc (const VolumeLabelMap *map, const VolumeEditGuard *guard, int ci, int cj, int k, int radius,
      guint16 label, guint32 id)
{
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, guard);

  for (int j = cj - radius; j <= cj + radius; j++)
    for (int i = ci - radius; i <= ci + radius; i++)
      if ((i - ci) * (i - ci) + (j - cj) * (j - cj) <= radius * radius)
        volume_edit_builder_set (builder, i, j, k, label);
  return volume_edit_builder_end (builder, id, VOLUME_PROVENANCE_HAND, "brush", NULL);
}

static void
apply_disc (VolumeLabelMap *map, int ci, int cj, int k, int radius, guint16 label, guint32 id)
{
  g_autoptr (VolumeEdit) edit = disc (map, NULL, ci, cj, k, radius, label, id);

  g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
}

static void
assert_equal_edits (const VolumeEdit *a, const VolumeEdit *b)
{
  gsize n_a, n_b;
  const VolumeEditRun *runs_a = volume_edit_get_runs (a, &n_a);
  const VolumeEditRun *runs_b = volume_edit_get_runs (b, &n_b);
  VolumeBox box_a = volume_edit_get_box (a), box_b = volume_edit_get_box (b);

  g_assert_cmpuint (volume_edit_get_id (a), ==, volume_edit_get_id (b));
  g_assert_cmpint (volume_edit_get_provenance (a), ==, volume_edit_get_provenance (b));
  g_assert_cmpstr (volume_edit_get_tool (a), ==, volume_edit_get_tool (b));
  g_assert_cmpuint (volume_edit_get_n_voxels (a), ==, volume_edit_get_n_voxels (b));
  g_assert_cmpmem (&box_a, sizeof box_a, &box_b, sizeof box_b);
  g_assert_cmpuint (n_a, ==, n_b);
  for (gsize r = 0; r < n_a; r++)
    {
      g_assert_cmpint (runs_a[r].i, ==, runs_b[r].i);
      g_assert_cmpint (runs_a[r].j, ==, runs_b[r].j);
      g_assert_cmpint (runs_a[r].k, ==, runs_b[r].k);
      g_assert_cmpuint (runs_a[r].length, ==, runs_b[r].length);
      g_assert_cmpuint (runs_a[r].before, ==, runs_b[r].before);
      g_assert_cmpuint (runs_a[r].after, ==, runs_b[r].after);
      g_assert_cmpuint (runs_a[r].before_edit_id, ==, runs_b[r].before_edit_id);
      g_assert_cmpuint (runs_a[r].after_edit_id, ==, runs_b[r].after_edit_id);
    }
}

static void
test_serialize (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);

  for (guint32 e = 1; e < 40; e++)
    {
      int radius = (int) e % 17;
      g_autoptr (VolumeEdit) edit = disc (map, NULL, (int) (e * 13 % 100), (int) (e * 7 % 90),
                                          (int) (e * 3 % 80), radius, (guint16) (e * 77 % 900), e);
      g_autoptr (VolumeEdit) again = NULL;
      g_autoptr (GBytes) bytes = volume_edit_serialize (edit, NULL);
      g_autoptr (GError) error = NULL;
      gsize n_runs;

      again = volume_edit_deserialize (bytes, size, &error);
      g_assert_no_error (error);
      assert_equal_edits (edit, again);
      volume_edit_get_runs (edit, &n_runs);
      if (e == 1) /* a disc on untouched ground: about three bytes a run */
        g_assert_cmpuint (g_bytes_get_size (bytes), <=, 48 + 3 * n_runs);
      g_assert_true (volume_label_map_apply_edit (map, edit, &error));
    }
}

/* Every changed byte, every cut and every length is refused; none gets past the checks. */
static void
test_damaged_bytes (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeEdit) edit = disc (map, NULL, 50, 40, 30, 12, 3, 5);
  g_autoptr (GBytes) bytes = volume_edit_serialize (edit, NULL);
  gsize n;
  const guint8 *data = g_bytes_get_data (bytes, &n);

  for (gsize b = 0; b < n; b++)
    {
      g_autofree guint8 *copy = g_memdup2 (data, n);
      g_autoptr (GBytes) damaged = NULL;
      g_autoptr (GBytes) cut = g_bytes_new (data, b);
      g_autoptr (GError) error = NULL;

      copy[b] ^= 0x41;
      damaged = g_bytes_new (copy, n);
      g_assert_null (volume_edit_deserialize (damaged, size, &error));
      g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
      g_clear_error (&error);
      g_assert_null (volume_edit_deserialize (cut, size, &error));
      g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
    }
}

/* Right in itself but for a larger grid. */
static void
test_outside_the_grid (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeEdit) edit = disc (map, NULL, 50, 40, 30, 12, 3, 5);
  g_autoptr (GBytes) bytes = volume_edit_serialize (edit, NULL);

  for (int axis = 0; axis < 3; axis++)
    {
      int small[3] = { size[0], size[1], size[2] };
      VolumeBox box = volume_edit_get_box (edit);
      g_autoptr (GError) error = NULL;

      small[axis] = box.hi[axis] - 1;
      g_assert_null (volume_edit_deserialize (bytes, small, &error));
      g_assert_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT);
    }
}

static gboolean
is_even_cb (guint32 edit_id, gpointer user_data)
{
  return edit_id % 2 == 0;
}

static void
test_guards (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  const guint16 locked[] = { 4 };
  const VolumeBox within = { { 0, 0, 0 }, { 60, 90, 80 } };
  const VolumeEditGuard guard = { .locked_labels = locked,
                                  .n_locked_labels = 1,
                                  .protect_hand = TRUE,
                                  .is_hand = is_even_cb,
                                  .within = &within };
  g_autoptr (VolumeEdit) edit = NULL;

  apply_disc (map, 45, 50, 10, 3, 4, 1); /* a locked label */
  apply_disc (map, 55, 50, 10, 3, 2, 2); /* by hand */
  apply_disc (map, 50, 60, 10, 3, 2, 3); /* by a model */
  edit = disc (map, &guard, 50, 50, 10, 20, 9, 5);
  g_assert_true (volume_label_map_apply_edit (map, edit, NULL));

  g_assert_cmpint (volume_label_map_get (map, 45, 50, 10), ==, 4);
  g_assert_cmpint (volume_label_map_get (map, 55, 50, 10), ==, 2);
  g_assert_cmpint (volume_label_map_get (map, 50, 60, 10), ==, 9);
  g_assert_cmpint (volume_label_map_get (map, 40, 40, 10), ==, 9);
  g_assert_cmpint (volume_label_map_get (map, 59, 45, 10), ==, 9);
  g_assert_cmpint (volume_label_map_get (map, 60, 45, 10), ==, 0);
}

static void
test_only_label (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeEditBuilder) builder = NULL;
  g_autoptr (VolumeEdit) edit = NULL;

  apply_disc (map, 20, 20, 5, 4, 1, 1);
  apply_disc (map, 30, 20, 5, 4, 2, 2);
  builder = volume_edit_builder_new (map, NULL);
  volume_edit_builder_set_only_label (builder, 2);
  volume_edit_builder_set_run (builder, 0, 20, 5, 100, 7);
  edit = volume_edit_builder_end (builder, 3, VOLUME_PROVENANCE_HAND, "brush", NULL);
  g_assert_cmpuint (volume_edit_get_n_voxels (edit), ==, 9);
  g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
  g_assert_cmpint (volume_label_map_get (map, 20, 20, 5), ==, 1);
  g_assert_cmpint (volume_label_map_get (map, 30, 20, 5), ==, 7);
  g_assert_cmpint (volume_label_map_get (map, 50, 20, 5), ==, 0);
}

static void
test_later_sets_win_and_no_change_is_none (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (VolumeEdit) nothing = NULL;
  gsize n_runs;
  const VolumeEditRun *runs;

  volume_edit_builder_set_run (builder, 10, 10, 10, 50, 1);
  volume_edit_builder_set_run (builder, 20, 10, 10, 5, 2);
  volume_edit_builder_set_run (builder, 30, 10, 10, 5, 0); /* back to what the map has */
  edit = volume_edit_builder_end (builder, 1, VOLUME_PROVENANCE_PROMPT, "prompt", NULL);
  runs = volume_edit_get_runs (edit, &n_runs);
  g_assert_cmpuint (n_runs, ==, 4);
  g_assert_cmpint (runs[1].after, ==, 2);
  g_assert_cmpint (runs[2].i, ==, 25);
  g_assert_cmpuint (volume_edit_get_n_voxels (edit), ==, 45);
  nothing = volume_edit_builder_end (builder, 2, VOLUME_PROVENANCE_HAND, "brush", NULL);
  g_assert_cmpuint (volume_edit_get_n_voxels (nothing), ==, 0);
}

/* A prompt, strokes over part of it, then the prompt is taken back: the strokes stay, and what the
 * prompt had covered comes back with its own provenance. */
static void
test_selective_revert (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeEdit) prompt = NULL;
  g_autoptr (VolumeEdit) undo = NULL;
  g_autoptr (VolumeEdit) redo = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (VolumeEdit) stored = NULL;

  apply_disc (map, 40, 40, 20, 6, 1, 1);
  prompt = disc (map, NULL, 50, 40, 20, 12, 2, 2);
  g_assert_true (volume_label_map_apply_edit (map, prompt, NULL));
  apply_disc (map, 60, 40, 20, 5, 3, 3);

  undo = volume_edit_new_selective_revert (map, prompt, 4, NULL);
  bytes = volume_edit_serialize (undo, NULL);
  stored = volume_edit_deserialize (bytes, size, NULL);
  assert_equal_edits (undo, stored);
  g_assert_true (volume_label_map_apply_edit (map, stored, NULL));
  g_assert_cmpint (volume_label_map_get (map, 44, 40, 20), ==, 1);
  g_assert_cmpuint (volume_label_map_get_edit_id (map, 44, 40, 20), ==, 1);
  g_assert_cmpint (volume_label_map_get (map, 50, 40, 20), ==, 0);
  g_assert_cmpuint (volume_label_map_get_edit_id (map, 50, 40, 20), ==, 0);
  g_assert_cmpint (volume_label_map_get (map, 58, 40, 20), ==, 3);
  g_assert_cmpuint (volume_label_map_get_edit_id (map, 58, 40, 20), ==, 3);

  /* And that can be taken back as well. */
  redo = volume_edit_new_selective_revert (map, undo, 5, NULL);
  g_assert_true (volume_label_map_apply_edit (map, redo, NULL));
  g_assert_cmpint (volume_label_map_get (map, 50, 40, 20), ==, 2);
  g_assert_cmpint (volume_label_map_get (map, 44, 40, 20), ==, 2);
  g_assert_cmpint (volume_label_map_get (map, 58, 40, 20), ==, 3);
}

static void
test_mask (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
  g_autoptr (VolumeEdit) edit = NULL;
  const VolumeBox box = { { -1, 2, 3 }, { 2, 4, 5 } };
  guint8 mask[12] = { 1, 1, 0, 0, 255, 1, 0, 0, 0, 1, 0, 1 };

  volume_edit_builder_set_mask (builder, &box, mask, 6);
  edit = volume_edit_builder_end (builder, 1, VOLUME_PROVENANCE_PROMPT, "prompt", NULL);
  g_assert_true (volume_label_map_apply_edit (map, edit, NULL));
  g_assert_cmpuint (volume_label_map_get_counts (map)[6], ==, 4);
  g_assert_cmpint (volume_label_map_get (map, 0, 2, 3), ==, 6);
  g_assert_cmpint (volume_label_map_get (map, 0, 3, 3), ==, 6);
  g_assert_cmpint (volume_label_map_get (map, 1, 3, 3), ==, 6);
  g_assert_cmpint (volume_label_map_get (map, 1, 3, 4), ==, 6);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/volume/edit/serialize", test_serialize);
  g_test_add_func ("/volume/edit/damaged-bytes", test_damaged_bytes);
  g_test_add_func ("/volume/edit/outside-the-grid", test_outside_the_grid);
  g_test_add_func ("/volume/edit/guards", test_guards);
  g_test_add_func ("/volume/edit/only-label", test_only_label);
  g_test_add_func ("/volume/edit/later-sets-win", test_later_sets_win_and_no_change_is_none);
  g_test_add_func ("/volume/edit/selective-revert", test_selective_revert);
  g_test_add_func ("/volume/edit/mask", test_mask);
  return g_test_run ();
}
