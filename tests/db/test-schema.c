/* SPDX-License-Identifier: Apache-2.0 */

/* Projects of older and newer programs, and that what is asked often is found by an index. */

#include "fixture.h"

#include "db/schema-private.h"

#include <glib/gstdio.h>
#include <string.h>

/* From version n to n + 1; the first has been run, the last does a good deal before it fails. */
static const char *const scripts[] = {
  "SELECT 1;",
  "ALTER TABLE scan ADD COLUMN modality TEXT; UPDATE scan SET modality = 'MR';",
  ("CREATE TABLE note (id INTEGER PRIMARY KEY, scan INTEGER NOT NULL REFERENCES scan (id),"
   " words TEXT NOT NULL) STRICT; INSERT INTO note (scan, words) SELECT id, name FROM scan;"),
  "DROP TABLE note; UPDATE scan SET name = 'gone'; INSERT INTO nothing VALUES (1);",
};

/* A project with two edits, closed. */
static void
make_project (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  DbLabels *labels = db_labels_open (self->store, 2, &error);

  g_assert_no_error (error);
  for (int n = 0; n < 2; n++)
    {
      g_autoptr (VolumeEdit) edit =
          fixture_box_edit (labels, 2 + n, 6, 1 + n, VOLUME_PROVENANCE_HAND);

      g_assert_cmpint (db_labels_commit (labels, edit, NULL, &error), >, 0);
    }
  g_assert_finalize_object (labels);
  g_assert_finalize_object (self->store);
  self->store = NULL;
}

static DbConn *
open_conn (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  DbConn *conn = db_conn_open (self->path, DB_CONN_WRITE, &error);

  g_assert_no_error (error);
  return conn;
}

static gint64
ask (DbConn *conn, const char *sql)
{
  g_autoptr (GError) error = NULL;
  gint64 answer;

  g_assert_true (db_conn_get_int (conn, &answer, -1, &error, sql, NULL));
  g_assert_no_error (error);
  return answer;
}

/* What a person would do who goes back: the copy in the project's place. */
static void
check_backup (Fixture *self, const char *name)
{
  g_autofree char *folder = g_build_filename (self->folder, "back.crosslabel", NULL);
  g_autofree char *from = g_build_filename (self->path, name, NULL);
  g_autofree char *to = g_build_filename (folder, "project.sqlite", NULL);
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeLabelMap) map = NULL;
  DbStore *store;
  gsize size;

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_assert_true (g_file_get_contents (from, &contents, &size, &error));
  g_assert_true (g_file_set_contents (to, contents, (gssize) size, &error));
  store = db_store_open (folder, DB_OPEN_WRITE, &error);
  g_assert_no_error (error);
  g_assert_true (db_store_verify (store, &error));
  map = db_store_read_labels (store, 2, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpint (volume_label_map_get (map, 2, 2, 2), ==, 1);
  g_assert_cmpint (volume_label_map_get (map, 8, 8, 8), ==, 2);
  fixture_settle ();
  g_assert_finalize_object (store);
  fixture_remove_tree (folder);
}

static void
test_upgrade (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbConn) conn = NULL;

  make_project (self);
  conn = open_conn (self);
  g_assert_true (db_schema_upgrade_with (conn, self->path, scripts, 3, &error));
  g_assert_no_error (error);
  g_assert_cmpint (ask (conn, "PRAGMA user_version"), ==, 3);
  g_assert_cmpint (ask (conn, "SELECT count () FROM scan WHERE modality = 'MR'"), ==, 2);
  g_assert_cmpint (ask (conn, "SELECT count () FROM note"), ==, 2);
  g_assert_cmpint (ask (conn, "SELECT count () FROM edit"), ==, 2);
  g_assert_true (db_schema_check (conn, &error));
  /* Again: nothing to do. */
  g_assert_true (db_schema_upgrade_with (conn, self->path, scripts, 3, &error));
  check_backup (self, "project.sqlite.before-002");
}

/* The file is as it was before the script that failed, and the copy is there. */
static void
test_failing (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbConn) conn = NULL;
  g_autofree char *copy = NULL;

  make_project (self);
  conn = open_conn (self);
  g_assert_false (db_schema_upgrade_with (conn, self->path, scripts, 4, &error));
  g_assert_nonnull (error);
  g_assert_true (error->domain == DB_ERROR);
  g_assert_nonnull (strstr (error->message, "nothing")); /* SQLite's words: no such table */
  g_assert_cmpint (ask (conn, "PRAGMA user_version"), ==, 3);
  g_assert_cmpint (ask (conn, "SELECT count () FROM note"), ==, 2);
  g_assert_cmpint (ask (conn, "SELECT count () FROM scan WHERE name = 'gone'"), ==, 0);
  g_assert_true (db_schema_check (conn, &error));
  copy = g_build_filename (self->path, "project.sqlite.before-004", NULL);
  g_assert_true (g_file_test (copy, G_FILE_TEST_IS_REGULAR));
  check_backup (self, "project.sqlite.before-002");
}

/* Without the copy nothing is changed. */
static void
test_no_copy (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbConn) conn = NULL;
  g_autofree char *in_the_way = NULL;
  g_autofree char *inner = NULL;

  make_project (self);
  in_the_way = g_build_filename (self->path, "project.sqlite.before-002.part", NULL);
  inner = g_build_filename (in_the_way, "x", NULL);
  g_assert_cmpint (g_mkdir_with_parents (inner, 0700), ==, 0);
  conn = open_conn (self);
  g_assert_false (db_schema_upgrade_with (conn, self->path, scripts, 2, &error));
  g_assert_error (error, DB_ERROR, DB_ERROR_IO);
  g_assert_nonnull (strstr (error->message, "nothing was changed"));
  g_assert_cmpint (ask (conn, "PRAGMA user_version"), ==, 1);
}

static void
set_number (Fixture *self, const char *sql)
{
  g_autoptr (DbConn) conn = open_conn (self);
  g_autoptr (GError) error = NULL;

  g_assert_true (db_conn_exec (conn, sql, &error));
  g_assert_no_error (error);
}

static void
test_newer (Fixture *self, gconstpointer data)
{
  const DbOpenMode modes[] = { DB_OPEN_WRITE, DB_OPEN_READ };

  make_project (self);
  set_number (self, "PRAGMA user_version = 99");
  for (gsize m = 0; m < G_N_ELEMENTS (modes); m++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (db_store_open (self->path, modes[m], &error));
      g_assert_error (error, DB_ERROR, DB_ERROR_NEWER);
      g_assert_nonnull (strstr (error->message, "format 99"));
    }
  set_number (self, "PRAGMA user_version = 1");
  self->store = db_store_open (self->path, DB_OPEN_WRITE, NULL);
  g_assert_true (db_store_verify (self->store, NULL));
}

static void
test_foreign (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  make_project (self);
  set_number (self, "PRAGMA application_id = 1");
  g_assert_null (db_store_open (self->path, DB_OPEN_WRITE, &error));
  g_assert_error (error, DB_ERROR, DB_ERROR_CORRUPT);
}

/* Plans */

static GHashTable *asked; /* the SQL of every statement that ran */
static GMutex asked_mutex;

static int
trace_cb (unsigned what, void *data, void *stmt, void *text)
{
  g_mutex_lock (&asked_mutex);
  g_hash_table_add (asked, g_strdup (sqlite3_sql (stmt)));
  g_mutex_unlock (&asked_mutex);
  return 0;
}

static int
trace_connection (sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
  return sqlite3_trace_v2 (db, SQLITE_TRACE_STMT, trace_cb, NULL);
}

/* A day's work, so that the statements are asked. */
static void
work (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  DbLabels *labels = db_labels_open (self->store, 2, &error);
  g_autoptr (DbDomain) domain = NULL;
  g_autoptr (VolumeLabelMap) map = NULL;
  g_autoptr (GListModel) history = NULL;
  gint64 first = 0, round;
  const DbMetricPoint point = { .step = 1, .name = "loss", .value = 0.5 };
  const gint64 cases[1] = { 2 };

  for (int n = 0; n < 300; n++) /* so that there is a snapshot */
    {
      g_autoptr (VolumeEdit) edit =
          fixture_box_edit (labels, n % 10, 3, 1 + n / 10 % 2, VOLUME_PROVENANCE_HAND);
      gint64 id = db_labels_commit (labels, edit, &(DbEditInfo){ .detail = "{}" }, &error);

      g_assert_no_error (error);
      first = first == 0 ? id : first;
    }
  db_labels_undo (labels, &error);
  db_labels_redo (labels, &error);
  db_labels_jump (labels, first, &error);
  db_labels_revert (labels, first, &error);
  g_assert_no_error (error);
  history = db_labels_get_history (labels, &error);
  db_store_write (self->store, db_write_sign_slice (2, 0, 4, "person", NULL), &error);
  round = db_store_write (self->store,
                          db_write_add_round (&(DbRoundSpec){ .method = "sup-only",
                                                              .supervision = "cross",
                                                              .n_steps = 1,
                                                              .labelled = cases,
                                                              .n_labelled = 1 }),
                          &error);
  g_assert_no_error (error);
  db_store_write (self->store, db_write_add_metrics (round, &point, 1), &error);
  g_assert_no_error (error);
  domain = db_store_read_domain (self->store, 2, 3, &error);
  map = db_store_read_labels (self->store, 2, 5, &error);
  g_assert_no_error (error);
  g_assert_true (db_store_verify (self->store, &error));
  g_assert_finalize_object (labels);
  fixture_reopen (self);
}

/* These grow without limit; walking through one of them for a stroke would be felt after a year. */
static gboolean
walks_through (const char *plan)
{
  static const char *const large[] = { "edit", "e",      "journal", "snapshot",
                                       "s",    "metric", "prompt",  "event" };

  for (gsize t = 0; t < G_N_ELEMENTS (large); t++)
    {
      g_autofree char *scan = g_strdup_printf ("SCAN %s", large[t]);
      const gsize n = strlen (scan);

      if (g_str_has_prefix (plan, scan) && (plan[n] == '\0' || plan[n] == ' '))
        return TRUE;
    }
  return FALSE;
}

/* The indices that plans named. */
static GHashTable *used;

static int
explain (sqlite3 *db, const char *sql)
{
  static const char *const indices[] = { "edit_of_parent", "edit_of_scan", "journal_of_scan",
                                         "snapshot_of_scan" };
  g_autofree char *question = g_strconcat ("EXPLAIN QUERY PLAN ", sql, NULL);
  sqlite3_stmt *stmt;
  int n_walks = 0;

  g_assert_cmpint (sqlite3_prepare_v2 (db, question, -1, &stmt, NULL), ==, SQLITE_OK);
  while (sqlite3_step (stmt) == SQLITE_ROW)
    {
      const char *plan = (const char *) sqlite3_column_text (stmt, 3);

      for (gsize i = 0; i < G_N_ELEMENTS (indices); i++)
        if (strstr (plan, indices[i]) != NULL)
          g_hash_table_add (used, (gpointer) indices[i]);
      if (walks_through (plan))
        {
          g_test_message ("%s: %s", plan, sql);
          n_walks++;
        }
    }
  sqlite3_finalize (stmt);
  return n_walks;
}

static void
test_plans (Fixture *self, gconstpointer data)
{
  g_autofree char *file = g_build_filename (self->path, "project.sqlite", NULL);
  GHashTableIter iter;
  gpointer sql;
  sqlite3 *db;
  int n_walks = 0, n_explained = 0;

  g_hash_table_remove_all (asked);
  work (self);
  g_assert_cmpint (sqlite3_open (file, &db), ==, SQLITE_OK);
  g_hash_table_iter_init (&iter, asked);
  while (g_hash_table_iter_next (&iter, &sql, NULL))
    if (g_str_has_prefix (sql, "SELECT") || g_str_has_prefix (sql, "UPDATE")
        || g_str_has_prefix (sql, "DELETE") || g_str_has_prefix (sql, "WITH"))
      {
        n_walks += explain (db, sql);
        n_explained++;
      }
  sqlite3_close (db);
  g_test_message ("%d statements", n_explained);
  g_assert_cmpint (n_explained, >, 25);
  g_assert_cmpint (n_walks, ==, 0);
  g_assert_cmpuint (g_hash_table_size (used), ==, 4);
}

int
main (int argc, char **argv)
{
  used = g_hash_table_new (NULL, NULL);
  asked = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  sqlite3_auto_extension ((void (*) (void)) trace_connection);
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function)                                                                        \
  g_test_add ("/db/schema/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)
  ADD ("upgrade", test_upgrade);
  ADD ("failing", test_failing);
  ADD ("no-copy", test_no_copy);
  ADD ("newer", test_newer);
  ADD ("foreign", test_foreign);
  ADD ("plans", test_plans);
  return g_test_run ();
}
