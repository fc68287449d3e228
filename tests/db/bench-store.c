/* SPDX-License-Identifier: Apache-2.0 */

/* Benchmarks of the store, one JSON line each: a stroke beside a bare SQLite commit, taken in turns
 * on the same disk; opening a project with 10 000 edits. Arguments: strokes, edits. */
#include "db/labels.h"
#include "fixture.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define SIDE 512

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double
quantile (GArray *values, double q)
{
  g_array_sort (values, compare_doubles);
  return g_array_index (values, double, (guint) (q * (values->len - 1)));
}

static double
now_ms (void)
{
  return g_get_monotonic_time () / 1000.0;
}

static DbStore *
make_project (const char *folder, char **path)
{
  static const char *const names[] = { "organ" };
  const int size[3] = { SIDE, SIDE, SIDE };
  const double affine[4][4] = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };
  VolumeGeometry geometry;
  DbCaseSpec spec = {
    .name = "a", .path = "a.nii", .sha256 = FIXTURE_SHA256, .geometry = &geometry
  };
  g_autoptr (GError) error = NULL;
  DbStore *store;

  g_assert_true (volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, NULL));
  *path = g_build_filename (folder, "bench.crosslabel", NULL);
  db_store_create (
      *path, &(DbProjectSpec){ .cases = &spec, .n_cases = 1, .label_names = names, .n_labels = 1 },
      &error);
  g_assert_no_error (error);
  store = db_store_open (*path, DB_OPEN_WRITE, &error);
  g_assert_no_error (error);
  return store;
}

/* A disc of 40 voxels dragged 30 voxels along a slice, as a brush leaves it. */
static VolumeEdit *
build_stroke (DbLabels *labels, GRand *rand, int radius)
{
  g_autoptr (VolumeEditBuilder) builder =
      volume_edit_builder_new (db_labels_get_map (labels), NULL);
  const int i0 = g_rand_int_range (rand, 50, SIDE - 100),
            j0 = g_rand_int_range (rand, 50, SIDE - 50);
  const int k = g_rand_int_range (rand, 0, SIDE);

  for (int j = -radius; j <= radius; j++)
    {
      int half = 0;

      while ((half + 1) * (half + 1) + j * j <= radius * radius)
        half++;
      volume_edit_builder_set_run (builder, i0 - half, j0 + j, k, 2 * half + 30,
                                   g_rand_int_range (rand, 0, 4) != 0);
    }
  return volume_edit_builder_end (builder, db_labels_reserve_id (labels), VOLUME_PROVENANCE_HAND,
                                  "brush", NULL);
}

static sqlite3_stmt *
open_bare (const char *folder, sqlite3 **handle)
{
  g_autofree char *path = g_build_filename (folder, "bare.sqlite", NULL);
  sqlite3_stmt *stmt;

  g_assert_cmpint (sqlite3_open (path, handle), ==, SQLITE_OK);
  sqlite3_exec (*handle,
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)",
                NULL, NULL, NULL);
  g_assert_cmpint (
      sqlite3_prepare_v2 (*handle, "INSERT INTO t (b) VALUES (zeroblob (400))", -1, &stmt, NULL),
      ==, SQLITE_OK);
  return stmt;
}

static void
bench_strokes (const char *folder, DbStore *store, int n_strokes)
{
  g_autoptr (GArray) ours = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) bare = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autoptr (GError) error = NULL;
  g_autoptr (DbLabels) labels = db_labels_open (store, 1, &error);
  sqlite3 *handle;
  sqlite3_stmt *stmt = open_bare (folder, &handle);

  g_assert_no_error (error);
  for (int n = 0; n < n_strokes; n++)
    {
      g_autoptr (VolumeEdit) edit = build_stroke (labels, rand, 20);
      double start = now_ms (), took;

      if (volume_edit_get_n_voxels (edit) == 0)
        continue;
      db_labels_commit (labels, edit, NULL, &error);
      g_assert_no_error (error);
      took = now_ms () - start;
      g_array_append_val (ours, took);

      start = now_ms ();
      g_assert_cmpint (sqlite3_step (stmt), ==, SQLITE_DONE);
      sqlite3_reset (stmt);
      took = now_ms () - start;
      g_array_append_val (bare, took);
    }
  sqlite3_finalize (stmt);
  sqlite3_close (handle);
  g_print ("{\"bench\":\"stroke\",\"strokes\":%u,\"stroke_ms\":%.2f,\"stroke_p95_ms\":%.2f,"
           "\"bare_ms\":%.2f,\"bare_p95_ms\":%.2f,\"more_ms\":%.2f}\n",
           ours->len, quantile (ours, 0.5), quantile (ours, 0.95), quantile (bare, 0.5),
           quantile (bare, 0.95), quantile (ours, 0.5) - quantile (bare, 0.5));
}

static void
add_edits (DbStore *store, int n_edits)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  g_autoptr (GError) error = NULL;
  g_autoptr (DbLabels) labels = db_labels_open (store, 1, &error);
  const int n_before = db_store_get_case (store, 1)->n_edits;

  while (db_store_get_case (store, 1)->n_edits < n_before + n_edits)
    {
      g_autoptr (VolumeEdit) edit = build_stroke (labels, rand, 20);

      if (volume_edit_get_n_voxels (edit) > 0)
        db_labels_commit (labels, edit, NULL, &error);
      g_assert_no_error (error);
    }
}

static void
bench_open (const char *path, int n_edits)
{
  g_autoptr (GArray) times = g_array_new (FALSE, FALSE, sizeof (double));
  double in_all[3] = { 0 };

  for (int n = 0; n < 5; n++)
    {
      g_autoptr (GError) error = NULL;
      double start = now_ms (), took;
      g_autoptr (DbStore) store = db_store_open (path, DB_OPEN_WRITE, &error);
      double opened = now_ms ();
      g_autoptr (DbLabels) labels = db_labels_open (store, 1, &error);
      double loaded = now_ms ();
      g_autoptr (GListModel) history = db_labels_get_history (labels, &error);

      g_assert_no_error (error);
      took = now_ms () - start;
      g_array_append_val (times, took);
      in_all[0] += (opened - start) / 5;
      in_all[1] += (loaded - opened) / 5;
      in_all[2] += (start + took - loaded) / 5;
      g_assert_cmpint (g_list_model_get_n_items (history), >=, n_edits);
    }
  g_print ("{\"bench\":\"open\",\"edits\":%d,\"open_ms\":%.0f,\"project_ms\":%.0f,"
           "\"labels_ms\":%.0f,\"history_ms\":%.0f}\n",
           n_edits, quantile (times, 0.5), in_all[0], in_all[1], in_all[2]);
}

int
main (int argc, char **argv)
{
  const int n_strokes = argc > 1 ? atoi (argv[1]) : 300;
  const int n_edits = argc > 2 ? atoi (argv[2]) : 10000;
  g_autofree char *folder = g_strdup (argc > 3 ? argv[3] : "bench-store-XXXXXX");
  g_autofree char *path = NULL;
  DbStore *store;

  g_assert_nonnull (g_mkdtemp (folder)); /* on the disk of the working folder */
  store = make_project (folder, &path);
  bench_strokes (folder, store, n_strokes);
  if (n_edits > 0)
    {
      add_edits (store, n_edits);
      g_object_unref (store);
      bench_open (path, n_edits);
    }
  else
    g_object_unref (store);
  fixture_remove_tree (folder);
  return 0;
}
