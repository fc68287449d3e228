/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <glib/gstdio.h>

void
fixture_remove_tree (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (g_file_test (path, G_FILE_TEST_IS_DIR))
        fixture_remove_tree (path);
      else
        g_remove (path);
    }
  g_clear_pointer (&dir, g_dir_close);
  g_rmdir (folder);
}

void
fixture_set_up (Fixture *self, gconstpointer data)
{
  static const char *const names[] = { "heart", "liver" };
  const int size[3] = { FIXTURE_SIDE, FIXTURE_SIDE, FIXTURE_SIDE };
  const double affine[4][4] = { { -1, 0, 0, 0 }, { 0, -1, 0, 0 }, { 0, 0, 2, 0 }, { 0, 0, 0, 1 } };
  g_autoptr (GError) error = NULL;
  VolumeGeometry geometry;
  DbCaseSpec cases[2] = {
    { .name = "a", .sha256 = FIXTURE_SHA256, .validation = TRUE, .geometry = &geometry },
    { .name = "b", .sha256 = FIXTURE_SHA256, .geometry = &geometry },
  };
  g_autofree char *path_a = NULL;
  g_autofree char *path_b = NULL;

  self->folder = g_dir_make_tmp ("crosslabel-db-XXXXXX", &error);
  g_assert_no_error (error);
  cases[0].path = path_a = g_build_filename (self->folder, "scans", "a.nii.gz", NULL);
  cases[1].path = path_b = g_build_filename (self->folder, "scans", "b.nii.gz", NULL);
  g_assert_true (volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, &error));
  self->path = g_build_filename (self->folder, "test.crosslabel", NULL);
  db_store_create (
      self->path,
      &(DbProjectSpec){
          .cases = cases, .n_cases = 2, .label_names = names, .n_labels = 2, .seed = 7 },
      &error);
  g_assert_no_error (error);
  self->store = db_store_open (self->path, DB_OPEN_WRITE, &error);
  g_assert_no_error (error);
}

void
fixture_settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

void
fixture_tear_down (Fixture *self, gconstpointer data)
{
  fixture_settle ();
  if (self->store != NULL)
    g_assert_finalize_object (self->store);
  fixture_remove_tree (self->folder);
  g_free (self->folder);
  g_free (self->path);
}

void
fixture_reopen (Fixture *self)
{
  g_autoptr (GError) error = NULL;

  g_assert_finalize_object (self->store);
  self->store = db_store_open (self->path, DB_OPEN_WRITE, &error);
  g_assert_no_error (error);
}

VolumeEdit *
fixture_box_edit (DbLabels *labels, int lo, int side, guint16 label, VolumeProvenance provenance)
{
  g_autoptr (VolumeEditBuilder) builder =
      volume_edit_builder_new (db_labels_get_map (labels), NULL);

  for (int k = lo; k < lo + side; k++)
    for (int j = lo; j < lo + side; j++)
      volume_edit_builder_set_run (builder, lo, j, k, side, label);
  return volume_edit_builder_end (builder, db_labels_reserve_id (labels), provenance, "brush",
                                  NULL);
}

GBytes *
fixture_map_bytes (VolumeLabelMap *map)
{
  VolumeBox all = { .lo = { 0, 0, 0 } };
  gsize n;
  guint32 *both;

  /* Not volume_edit_new_from_map(): tests refuse the memory it asks for. */
  volume_label_map_get_size (map, all.hi);
  n = (gsize) all.hi[0] * all.hi[1] * all.hi[2];
  both = g_new0 (guint32, 2 * n);
  volume_label_map_read_edit_ids (map, &all, both);
  volume_label_map_read_box (map, &all, (guint16 *) (both + n));
  return g_bytes_new_take (both, 2 * n * sizeof *both);
}

void
fixture_assert_same (VolumeLabelMap *map, GBytes *expected)
{
  g_autoptr (GBytes) bytes = fixture_map_bytes (map);

  g_assert_true (g_bytes_equal (bytes, expected));
}
