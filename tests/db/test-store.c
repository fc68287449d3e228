/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "db/lock-private.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static gint64
write_ok (Fixture *self, DbWrite *write)
{
  g_autoptr (GError) error = NULL;
  gint64 result = db_store_write (self->store, write, &error);

  g_assert_no_error (error);
  return result;
}

static void
write_fails (Fixture *self, DbWrite *write, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (db_store_write (self->store, write, &error), ==, -1);
  g_assert_error (error, DB_ERROR, code);
}

static void
test_create (Fixture *self, gconstpointer data)
{
  DbCase *a = db_store_get_case (self->store, 1);
  g_autofree char *resolved = db_store_resolve (self->store, a->path);
  g_autofree char *expected = g_build_filename (self->folder, "scans", "a.nii.gz", NULL);
  g_autoptr (GError) error = NULL;
  VolumeGeometry geometry;

  g_assert_cmpstr (db_store_get_name (self->store), ==, "test");
  g_assert_cmpuint (g_list_model_get_n_items (db_store_get_cases (self->store)), ==, 2);
  g_assert_cmpstr (a->path, ==, "../scans/a.nii.gz"); /* I10 */
  g_assert_cmpstr (resolved, ==, expected);
  g_assert_true (a->validation);
  g_assert_false (db_store_get_case (self->store, 2)->validation);
  g_assert_cmpint (a->state, ==, DB_CASE_PROPOSED); /* I6: labelled first */
  g_assert_cmpint (a->n_tasks, ==, 3);
  g_assert_cmpint (db_store_get_case (self->store, 2)->state, ==, DB_CASE_UNTOUCHED);
  db_case_get_geometry (a, &geometry);
  g_assert_cmpstr (geometry.orientation, ==, a->orientation);
  g_assert_cmpint (geometry.size[2], ==, FIXTURE_SIDE);
  g_assert_cmpstr (db_store_get_label (self->store, 2)->name, ==, "liver");
  g_assert_true (db_store_find_case (self->store, "b") == db_store_get_case (self->store, 2));
  g_assert_null (db_store_find_case (self->store, "3"));

  g_assert_false (db_store_create (self->path, &(DbProjectSpec){ 0 }, &error));
  g_assert_error (error, DB_ERROR, DB_ERROR_EXISTS);
}

static void
test_tasks (Fixture *self, gconstpointer data)
{
  DbCase *b = db_store_get_case (self->store, 2);
  gint64 ids[3];

  for (int p = 0; p < 3; p++)
    ids[p] = write_ok (self, db_write_propose_slice (2, p, 10, "selection"));
  g_assert_cmpint (b->state, ==, DB_CASE_PROPOSED);
  g_assert_cmpint (b->n_tasks, ==, 3);
  g_assert_cmpint (write_ok (self, db_write_propose_slice (2, 0, 10, "person")), ==, ids[0]);
  write_ok (self, db_write_move_task (ids[0], 12));
  g_assert_cmpint (db_store_get_task (self->store, ids[0])->index, ==, 12);
  write_fails (self, db_write_move_task (ids[0], FIXTURE_SIDE), DB_ERROR_NOT_FOUND);
  write_fails (self, db_write_propose_slice (2, 0, -1, NULL), DB_ERROR_NOT_FOUND);
  write_fails (self, db_write_propose_slice (9, 0, 1, NULL), DB_ERROR_NOT_FOUND);

  write_ok (self, db_write_sign_task (ids[0], "expert"));
  g_assert_cmpint (b->state, ==, DB_CASE_STARTED);
  write_fails (self, db_write_move_task (ids[0], 3), DB_ERROR_INVARIANT);
  write_fails (self, db_write_remove_task (ids[0]), DB_ERROR_INVARIANT);
  write_ok (self, db_write_sign_task (ids[1], NULL));
  write_ok (self, db_write_sign_task (ids[2], NULL));
  g_assert_cmpint (b->state, ==, DB_CASE_SIGNED);
  g_assert_cmpint (b->n_signed, ==, 3);
  write_ok (self, db_write_add_task_seconds (ids[1], 30));
  write_ok (self, db_write_add_task_seconds (ids[1], 12.5));
  g_assert_cmpfloat (b->seconds, ==, 42.5);

  fixture_reopen (self);
  b = db_store_get_case (self->store, 2);
  g_assert_cmpint (b->n_signed, ==, 3);
  g_assert_cmpuint (g_list_model_get_n_items (db_store_get_tasks (self->store, 2)), ==, 3);
  g_assert_cmpstr (db_store_get_task (self->store, ids[0])->signed_by, ==, "expert");
  write_ok (self, db_write_unsign_task (ids[2]));
  write_ok (self, db_write_remove_task (ids[2]));
  b = db_store_get_case (self->store, 2);
  g_assert_cmpint (b->n_tasks, ==, 2);
  g_assert_null (db_store_get_task (self->store, ids[2]));
  g_assert_cmpuint (g_list_model_get_n_items (db_store_get_tasks (self->store, 2)), ==, 2);
}

/* I3, I7: the domain now and as it was. */
static void
test_domain (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbDomain) now = NULL;
  g_autoptr (DbDomain) before = NULL;
  g_autoptr (DbDomain) complete = NULL;
  g_autofree guint8 *mask = g_malloc (FIXTURE_SIDE * FIXTURE_SIDE * FIXTURE_SIDE);
  VolumeGeometry geometry;
  gint64 seq, id;
  int n_inside = 0;

  db_case_get_geometry (db_store_get_case (self->store, 2), &geometry);
  write_ok (self, db_write_sign_slice (2, VOLUME_PLANE_AXIAL, 5, "person", NULL));
  id = write_ok (self, db_write_sign_slice (2, VOLUME_PLANE_SAGITTAL, 7, "person", NULL));
  seq = db_store_read_journal_seq (self->store, &error);
  g_assert_no_error (error);
  write_ok (self, db_write_unsign_task (id));
  now = db_store_read_domain (self->store, 2, -1, &error);
  before = db_store_read_domain (self->store, 2, seq, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (now->slices->len, ==, 1);
  g_assert_cmpuint (before->slices->len, ==, 2);
  g_assert_true (db_domain_has_slice (before, VOLUME_PLANE_SAGITTAL, 7));
  g_assert_false (db_domain_has_slice (now, VOLUME_PLANE_SAGITTAL, 7));

  db_domain_fill_mask (before, &geometry, mask);
  for (int k = 0, v = 0; k < FIXTURE_SIDE; k++)
    for (int j = 0; j < FIXTURE_SIDE; j++)
      for (int i = 0; i < FIXTURE_SIDE; i++, v++)
        {
          g_assert_cmpint (mask[v], ==, db_domain_contains (before, &geometry, i, j, k));
          n_inside += mask[v];
        }
  g_assert_cmpint (n_inside, ==, 2 * FIXTURE_SIDE * FIXTURE_SIDE - FIXTURE_SIDE);

  write_ok (self, db_write_set_case_complete (2, TRUE));
  g_assert_cmpint (db_store_get_case (self->store, 2)->state, ==, DB_CASE_COMPLETE);
  complete = db_store_read_domain (self->store, 2, -1, &error);
  g_assert_true (complete->complete);
  g_clear_pointer (&now, db_domain_free);
  now = db_store_read_domain (self->store, 2, seq, &error);
  g_assert_false (now->complete);
}

static void
test_rounds (Fixture *self, gconstpointer data)
{
  const gint64 training[] = { 2 }, validation[] = { 1 };
  DbRoundSpec spec = { .method = "gm-abs",
                       .params = "{}",
                       .seed = 5,
                       .n_steps = 100,
                       .labelled = validation,
                       .n_labelled = 1 };
  const DbMetricPoint points[] = { { 1, "loss", 2.5 }, { 2, "loss", 1.5 }, { 2, "dice", 0.5 } };
  g_autoptr (GArray) curve = NULL;
  g_autoptr (GArray) cases = NULL;
  g_autoptr (GError) error = NULL;
  gint64 round, job, model;

  write_fails (self, db_write_add_round (&spec), DB_ERROR_INVARIANT); /* I6 */
  g_assert_cmpuint (g_list_model_get_n_items (db_store_get_rounds (self->store)), ==, 0);
  spec.labelled = training;
  spec.validation = validation;
  spec.n_validation = 1;
  round = write_ok (self, db_write_add_round (&spec));
  g_assert_cmpint (db_store_get_round (self->store, round)->n_labelled, ==, 1);
  write_ok (self, db_write_add_metrics (round, points, 3));
  write_ok (self, db_write_cut_metrics (round, 1));
  curve = db_store_read_metrics (self->store, round, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (curve->len, ==, 1);
  g_assert_cmpfloat (g_array_index (curve, DbMetricPoint, 0).value, ==, 2.5);

  model = write_ok (self, db_write_add_model (round, "m", "models/1.safetensors", NULL, NULL, 0.8));
  write_ok (self, db_write_update_round (
                      round, &(DbRoundUpdate){ .flags = DB_ROUND_SET_DICE | DB_ROUND_SET_MODEL,
                                               .dice = 0.75,
                                               .model = model }));
  g_assert_cmpfloat (db_store_get_round (self->store, round)->dice, ==, 0.75);
  g_assert_cmpint (db_store_get_round (self->store, round)->model, ==, model);
  g_assert_cmpint (db_store_get_round (self->store, round)->n_steps, ==, 100);

  job = write_ok (self, db_write_add_job ("train", "Round 1", NULL, round));
  write_ok (self, db_write_set_job_state (job, DB_JOB_RUNNING, NULL));
  write_ok (self, db_write_set_job_progress (job, 0.25, 25, 100, "training"));
  write_ok (self, db_write_set_job_checkpoint (job, "cache/round-1.ckpt"));
  fixture_reopen (self);
  g_assert_cmpfloat (db_store_get_job (self->store, job)->fraction, ==, 0.25);
  g_assert_cmpstr (db_store_get_job (self->store, job)->checkpoint, ==, "cache/round-1.ckpt");
  cases = db_store_read_round_cases (self->store, round, "validation", &error);
  g_assert_cmpint (g_array_index (cases, gint64, 0), ==, 1);
}

static void
test_selection (Fixture *self, gconstpointer data)
{
  const DbSelectionEntry wrong[] = { { 2, 1, NULL, "x" }, { 1, 0.5, NULL, "y" } };
  const DbSelectionEntry right[] = { { 2, 0.5, "{}", "unlike what is labelled" } };

  write_fails (self, db_write_add_selection (0, "abs", wrong, 2), DB_ERROR_INVARIANT); /* I6 */
  g_assert_cmpint (db_store_get_case (self->store, 2)->rank, ==, 0);
  write_ok (self, db_write_add_selection (0, "abs", right, 1));
  g_assert_cmpint (db_store_get_case (self->store, 2)->rank, ==, 1);
  write_ok (self, db_write_add_selection (0, "random", right, 1));
  g_assert_cmpuint (g_list_model_get_n_items (db_store_get_selections (self->store)), ==, 1);
  fixture_reopen (self);
  g_assert_cmpuint (g_list_model_get_n_items (db_store_get_selections (self->store)), ==, 1);
  g_assert_cmpstr (db_store_get_case (self->store, 2)->reason, ==, "unlike what is labelled");
}

static void
test_group_is_one (Fixture *self, gconstpointer data)
{
  DbWrite *good[2] = { db_write_propose_slice (2, 0, 1, NULL),
                       db_write_propose_slice (2, 1, 1, NULL) };
  DbWrite *bad[2] = { db_write_propose_slice (2, 2, 1, NULL),
                      db_write_propose_slice (2, 2, 99, NULL) };

  write_ok (self, db_write_all (good, 2));
  write_fails (self, db_write_all (bad, 2), DB_ERROR_NOT_FOUND);
  g_assert_cmpint (db_store_get_case (self->store, 2)->n_tasks, ==, 2);
}

static void
test_settings (Fixture *self, gconstpointer data)
{
  g_autofree char *value = NULL;
  g_autofree char *view = NULL;

  write_ok (self, db_write_set_setting ("profile", "paper"));
  write_ok (self, db_write_set_setting ("gone", "x"));
  write_ok (self, db_write_set_setting ("gone", NULL));
  write_ok (self, db_write_set_view (2, "{\"zoom\":2}"));
  fixture_reopen (self);
  value = db_store_get_setting (self->store, "profile");
  view = db_store_get_view (self->store, 2);
  g_assert_cmpstr (value, ==, "paper");
  g_assert_null (db_store_get_setting (self->store, "gone"));
  g_assert_cmpstr (view, ==, "{\"zoom\":2}");
}

static void
test_one_writer (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbStore) second = db_store_open (self->path, DB_OPEN_WRITE, &error);
  g_autoptr (DbStore) reader = NULL;
  g_autofree char *pid = g_strdup_printf ("process %d on ", (int) getpid ());

  g_assert_null (second);
  g_assert_error (error, DB_ERROR, DB_ERROR_LOCKED);
  g_assert_nonnull (strstr (error->message, pid)); /* names its owner */
  g_clear_error (&error);
  reader = db_store_open (self->path, DB_OPEN_READ, &error);
  g_assert_no_error (error);
  g_assert_cmpint (db_store_write (reader, db_write_set_setting ("a", "b"), &error), ==, -1);
  g_assert_error (error, DB_ERROR, DB_ERROR_READ_ONLY);
}

static void
test_unsafe_file_systems (void)
{
  g_assert_cmpstr (db_lock_unsafe_name (0x6969), ==, "NFS");
  g_assert_cmpstr (db_lock_unsafe_name (0xff534d42), ==, "CIFS");
  g_assert_null (db_lock_unsafe_name (0xef53)); /* ext4 */
  g_assert_null (db_lock_unsafe_name (0x01021994)); /* tmpfs */
}

static void
overwrite (const char *path, const char *text, gsize at)
{
  FILE *file = fopen (path, "r+b");

  g_assert_nonnull (file);
  g_assert_cmpint (fseek (file, at, SEEK_SET), ==, 0);
  g_assert_cmpuint (fwrite (text, 1, strlen (text), file), ==, strlen (text));
  g_assert_cmpint (fclose (file), ==, 0);
}

static void
assert_open_fails (Fixture *self, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (db_store_open (self->path, DB_OPEN_WRITE, &error));
  g_assert_error (error, DB_ERROR, code);
}

static void
test_damaged (Fixture *self, gconstpointer data)
{
  g_autofree char *file = g_build_filename (self->path, "project.sqlite", NULL);

  g_clear_object (&self->store);
  for (gsize at = 4096; at < 20 * 4096; at += 4096)
    overwrite (file, "damaged damaged damaged", at);
  assert_open_fails (self, DB_ERROR_CORRUPT);
  overwrite (file, "no database at all", 0);
  assert_open_fails (self, DB_ERROR_CORRUPT);
  g_remove (file);
  assert_open_fails (self, DB_ERROR_NOT_FOUND);
}

static void
run_sql (Fixture *self, const char *sql)
{
  g_autofree char *file = g_build_filename (self->path, "project.sqlite", NULL);
  sqlite3 *handle;

  g_assert_cmpint (sqlite3_open (file, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle, sql, NULL, NULL, NULL), ==, SQLITE_OK);
  sqlite3_close (handle);
}

static void
test_newer (Fixture *self, gconstpointer data)
{
  g_clear_object (&self->store);
  run_sql (self, "PRAGMA user_version = 999");
  assert_open_fails (self, DB_ERROR_NEWER);
  run_sql (self, "PRAGMA user_version = 1; PRAGMA application_id = 1");
  assert_open_fails (self, DB_ERROR_CORRUPT);
}

/* A row that points nowhere, a scan without a grid. */
static void
test_hostile_rows (Fixture *self, gconstpointer data)
{
  g_clear_object (&self->store);
  run_sql (self, "PRAGMA foreign_keys = OFF; UPDATE scan SET head = 77 WHERE id = 1");
  assert_open_fails (self, DB_ERROR_CORRUPT);
  run_sql (self, "PRAGMA foreign_keys = OFF; UPDATE scan SET head = NULL, affine = x'00'");
  assert_open_fails (self, DB_ERROR_CORRUPT);
}

static void
test_append_only (Fixture *self, gconstpointer data)
{
  g_autofree char *file = g_build_filename (self->path, "project.sqlite", NULL);
  sqlite3 *handle;

  g_assert_cmpint (sqlite3_open (file, &handle), ==, SQLITE_OK);
  g_assert_cmpint (sqlite3_exec (handle, "DELETE FROM event", NULL, NULL, NULL), ==,
                   SQLITE_CONSTRAINT);
  g_assert_cmpint (sqlite3_exec (handle, "UPDATE scan SET validation = 0", NULL, NULL, NULL), ==,
                   SQLITE_CONSTRAINT); /* I6 */
  sqlite3_close (handle);
}

typedef struct
{
  GMainLoop *loop;
  GString *order;
  int n_left;
} Race;

static void
raced_cb (GObject *object, GAsyncResult *result, gpointer data)
{
  Race *race = data;
  g_autoptr (GError) error = NULL;
  gint64 id = db_store_write_finish (DB_STORE (object), result, &error);

  g_assert_no_error (error);
  g_assert_cmpint (id, >=, 0);
  if (--race->n_left == 0)
    g_main_loop_quit (race->loop);
}

static void
signed_cb (GObject *object, GAsyncResult *result, gpointer data)
{
  Race *race = data;

  g_string_append_printf (race->order, "%d", race->n_left);
  raced_cb (object, result, data);
}

/* A sign-off behind 300 progress reports does not wait for them. */
static void
test_hand_overtakes (Fixture *self, gconstpointer data)
{
  Race race = { g_main_loop_new (NULL, FALSE), g_string_new (NULL), 301 };
  gint64 job = write_ok (self, db_write_add_job ("train", "t", NULL, 0));
  int n_left_when_signed;

  for (int n = 0; n < 300; n++)
    db_store_write_async (self->store, db_write_set_job_progress (job, n / 300.0, n, 300, NULL),
                          NULL, raced_cb, &race);
  db_store_write_async (self->store, db_write_sign_slice (2, 0, 3, "person", NULL), NULL, signed_cb,
                        &race);
  g_main_loop_run (race.loop);
  n_left_when_signed = atoi (race.order->str);
  g_assert_cmpint (n_left_when_signed, >, 100);
  g_assert_cmpint (db_store_get_job (self->store, job)->step, ==, 299);
  g_string_free (race.order, TRUE);
  g_main_loop_unref (race.loop);
}

static gpointer
let_go_cb (gpointer fd)
{
  g_usleep (200 * G_TIME_SPAN_MILLISECOND);
  close (GPOINTER_TO_INT (fd));
  return NULL;
}

/* A killed program's name stands in the lock, and the lock is held a moment longer. */
static void
test_stale_lock (Fixture *self, gconstpointer data)
{
  g_autofree char *file = g_build_filename (self->path, "project.lock", NULL);
  g_autofree char *owner =
      g_strdup_printf ("process 2147483646 on %s since 2001-01-01 00:00:00\n", g_get_host_name ());
  g_autoptr (GError) error = NULL;
  GThread *thread;
  int fd;

  g_assert_finalize_object (g_steal_pointer (&self->store));
  g_assert_true (g_file_set_contents (file, owner, -1, NULL));
  fd = open (file, O_RDWR | O_CLOEXEC);
  g_assert_cmpint (flock (fd, LOCK_EX | LOCK_NB), ==, 0);
  g_assert_null (db_store_open (self->path, DB_OPEN_WRITE, &error));
  g_assert_error (error, DB_ERROR, DB_ERROR_LOCKED);
  g_assert_nonnull (strstr (error->message, "another program")); /* not one that is no more */

  g_clear_error (&error);
  thread = g_thread_new ("let-go", let_go_cb, GINT_TO_POINTER (fd));
  self->store = db_store_open (self->path, DB_OPEN_WRITE, &error);
  g_assert_no_error (error);
  g_thread_join (thread);
  write_ok (self, db_write_set_setting ("a", "b"));
}

static gpointer
engine_cb (gpointer data)
{
  DbStore *store = data;
  g_autoptr (GError) error = NULL;

  for (int n = 0; n < 20; n++)
    db_store_write_later (store, db_write_add_event ("tick", 0, NULL));
  db_store_write (store, db_write_set_setting ("from", "engine"), &error);
  g_assert_no_error (error);
  return NULL;
}

static void
test_other_threads (Fixture *self, gconstpointer data)
{
  GThread *thread = g_thread_new ("engine", engine_cb, self->store);
  g_autofree char *value = NULL;
  g_autoptr (GListModel) events = NULL;
  g_autoptr (GError) error = NULL;

  g_thread_join (thread);
  fixture_settle ();
  value = db_store_get_setting (self->store, "from");
  g_assert_cmpstr (value, ==, "engine");
  events = db_store_read_events (self->store, 100, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_list_model_get_n_items (events), ==, 21); /* "new" too */
}

static void
test_open_async_done (GObject *object, GAsyncResult *result, gpointer data)
{
  DbStore **store = data;
  g_autoptr (GError) error = NULL;

  *store = db_store_open_finish (result, &error);
  g_assert_no_error (error);
}

static void
test_open_async (Fixture *self, gconstpointer data)
{
  g_assert_finalize_object (g_steal_pointer (&self->store));
  db_store_open_async (self->path, DB_OPEN_WRITE, NULL, test_open_async_done, &self->store);
  while (self->store == NULL)
    g_main_context_iteration (NULL, TRUE);
  write_ok (self, db_write_set_setting ("a", "b"));
}

static void
closed_cb (GObject *object, GAsyncResult *result, gpointer data)
{
  db_store_close_finish (DB_STORE (object), result);
  *(GThread **) data = g_thread_self ();
}

/* What was handed over is committed, the project is free, and the store's thread did not wait. */
static void
test_close_async (Fixture *self, gconstpointer data)
{
  GThread *told_on = NULL;
  DbStore *again;

  for (int n = 0; n < 300; n++)
    {
      g_autofree char *value = g_strdup_printf ("%d", n);

      db_store_write_later (self->store, db_write_set_setting ("n", value));
    }
  db_store_close_async (self->store, closed_cb, &told_on);
  g_assert_null (told_on);
  while (told_on == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (told_on == g_thread_self ());
  /* Free while the object is still there: what frees it at last is not meant. */
  again = db_store_open (self->path, DB_OPEN_WRITE, NULL);
  g_assert_nonnull (again);
  g_assert_finalize_object (self->store);
  self->store = again;
  {
    g_autofree char *kept = db_store_get_setting (self->store, "n");

    g_assert_cmpstr (kept, ==, "299");
  }
}

#define ADD(path, function)                                                                        \
  g_test_add ("/db/store/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("create", test_create);
  ADD ("tasks", test_tasks);
  ADD ("domain", test_domain);
  ADD ("rounds", test_rounds);
  ADD ("selection", test_selection);
  ADD ("group-is-one", test_group_is_one);
  ADD ("settings", test_settings);
  ADD ("one-writer", test_one_writer);
  ADD ("stale-lock", test_stale_lock);
  ADD ("damaged", test_damaged);
  ADD ("newer", test_newer);
  ADD ("hostile-rows", test_hostile_rows);
  ADD ("append-only", test_append_only);
  ADD ("hand-overtakes", test_hand_overtakes);
  ADD ("other-threads", test_other_threads);
  ADD ("open-async", test_open_async);
  ADD ("close-async", test_close_async);
  g_test_add_func ("/db/store/unsafe-file-systems", test_unsafe_file_systems);
  return g_test_run ();
}
