/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "db/draft.h"
#include "db/journal-private.h"

#include <string.h>

static gint64
commit_box (DbLabels *labels, int lo, int side, guint16 label)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeEdit) edit = fixture_box_edit (labels, lo, side, label, VOLUME_PROVENANCE_HAND);
  gint64 id = db_labels_commit (labels, edit, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpint (id, ==, volume_edit_get_id (edit));
  return id;
}

static DbLabels *
open_labels (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  DbLabels *labels = db_labels_open (self->store, 2, &error);

  g_assert_no_error (error);
  return labels;
}

/* I9: undo, redo, across a restart, bit for bit. */
static void
test_undo_redo (Fixture *self, gconstpointer data)
{
  DbLabels *labels = open_labels (self);
  GBytes *states[6];
  g_autoptr (GError) error = NULL;

  states[0] = fixture_map_bytes (db_labels_get_map (labels));
  for (int n = 1; n < 6; n++)
    {
      commit_box (labels, n, 4, 1 + n % 2);
      states[n] = fixture_map_bytes (db_labels_get_map (labels));
    }
  for (int n = 4; n >= 2; n--)
    {
      db_labels_undo (labels, &error);
      g_assert_no_error (error);
      fixture_assert_same (db_labels_get_map (labels), states[n]);
    }
  g_assert_finalize_object (labels);
  fixture_reopen (self);
  labels = open_labels (self);
  fixture_assert_same (db_labels_get_map (labels), states[2]);
  g_assert_true (db_labels_get_can_redo (labels));
  for (int n = 1; n >= 0; n--)
    {
      db_labels_undo (labels, &error);
      fixture_assert_same (db_labels_get_map (labels), states[n]);
    }
  g_assert_cmpint (db_labels_undo (labels, &error), ==, -1);
  g_assert_error (error, DB_ERROR, DB_ERROR_NOTHING);
  g_clear_error (&error);
  g_assert_false (db_labels_get_can_undo (labels));
  for (int n = 1; n < 6; n++)
    {
      db_labels_redo (labels, &error);
      g_assert_no_error (error);
      fixture_assert_same (db_labels_get_map (labels), states[n]);
    }
  g_assert_cmpint (db_labels_redo (labels, &error), ==, -1);
  g_assert_error (error, DB_ERROR, DB_ERROR_NOTHING);
  for (int n = 0; n < 6; n++)
    g_bytes_unref (states[n]);
  g_assert_finalize_object (labels);
}

/* A new edit after an undo keeps the old branch; one can go back to it. */
static void
test_branches (Fixture *self, gconstpointer data)
{
  DbLabels *labels = open_labels (self);
  g_autoptr (GListModel) history = NULL;
  g_autoptr (GBytes) old_end = NULL;
  g_autoptr (GBytes) new_end = NULL;
  g_autoptr (GError) error = NULL;
  gint64 old, new, first = commit_box (labels, 1, 3, 1);
  int n_applied = 0;

  history = db_labels_get_history (labels, &error);
  g_assert_no_error (error);
  commit_box (labels, 4, 3, 1);
  old = commit_box (labels, 5, 3, 2);
  old_end = fixture_map_bytes (db_labels_get_map (labels));
  db_labels_undo (labels, &error);
  db_labels_undo (labels, &error);
  new = commit_box (labels, 9, 5, 2);
  new_end = fixture_map_bytes (db_labels_get_map (labels));
  g_assert_false (db_labels_get_can_redo (labels));
  g_assert_cmpuint (g_list_model_get_n_items (history), ==, 4);
  for (guint n = 0; n < 4; n++)
    {
      g_autoptr (DbEdit) row = g_list_model_get_item (history, n);

      n_applied += row->applied;
      g_assert_cmpint (row->applied, ==, row->id == first || row->id == new);
    }
  g_assert_cmpint (n_applied, ==, 2);

  g_assert_cmpint (db_labels_jump (labels, old, &error), ==, old);
  fixture_assert_same (db_labels_get_map (labels), old_end);
  g_assert_cmpint (db_labels_jump (labels, 0, &error), ==, 0);
  g_assert_cmpint (db_labels_jump (labels, new, &error), ==, new);
  fixture_assert_same (db_labels_get_map (labels), new_end);
  /* Redo follows the branch that was walked last. */
  db_labels_undo (labels, &error);
  g_assert_cmpint (db_labels_redo (labels, &error), ==, new);
  g_assert_cmpint (db_labels_jump (labels, 12345, &error), ==, -1);
  g_assert_error (error, DB_ERROR, DB_ERROR_NOT_FOUND);
  g_clear_object (&history);
  g_assert_finalize_object (labels);
}

/* I9: taking one edit back leaves what came after it. */
static void
test_selective (Fixture *self, gconstpointer data)
{
  DbLabels *labels = open_labels (self);
  VolumeLabelMap *map = db_labels_get_map (labels);
  g_autoptr (GError) error = NULL;
  gint64 prompt = commit_box (labels, 2, 6, 1);

  commit_box (labels, 4, 2, 2);
  db_labels_revert (labels, prompt, &error);
  g_assert_no_error (error);
  g_assert_cmpint (volume_label_map_get (map, 2, 2, 2), ==, 0);
  g_assert_cmpint (volume_label_map_get (map, 4, 4, 4), ==, 2);
  db_labels_undo (labels, &error);
  g_assert_cmpint (volume_label_map_get (map, 2, 2, 2), ==, 1);
  g_assert_finalize_object (labels);
}

static int
refusal_of (DbLabels *labels, VolumeEdit *edit, const DbEditInfo *info)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) before = fixture_map_bytes (db_labels_get_map (labels));

  if (db_labels_commit (labels, edit, info, &error) >= 0)
    return -1;
  g_assert_true (error->domain == DB_ERROR);
  fixture_assert_same (db_labels_get_map (labels), before);
  return error->code;
}

/* I4 */
static void
test_protection (Fixture *self, gconstpointer data)
{
  DbLabels *labels = open_labels (self);
  g_autoptr (VolumeEdit) model = NULL;
  g_autoptr (VolumeEdit) over = NULL;
  g_autoptr (VolumeEdit) locked = NULL;
  g_autoptr (VolumeEdit) nothing = NULL;
  g_autoptr (GError) error = NULL;

  commit_box (labels, 5, 3, 1);
  model = fixture_box_edit (labels, 4, 6, 2, VOLUME_PROVENANCE_MODEL);
  g_assert_cmpint (refusal_of (labels, model, NULL), ==, DB_ERROR_INVARIANT);
  over = fixture_box_edit (labels, 4, 6, 2, VOLUME_PROVENANCE_MODEL);
  g_assert_cmpint (refusal_of (labels, over, &(DbEditInfo){ .over_hand = TRUE }), ==, -1);

  db_store_write (self->store, db_write_set_label_locked (2, TRUE), &error);
  g_assert_no_error (error);
  locked = fixture_box_edit (labels, 4, 2, 1, VOLUME_PROVENANCE_HAND);
  g_assert_cmpint (refusal_of (labels, locked, NULL), ==, DB_ERROR_INVARIANT);
  g_assert_cmpint (db_labels_undo (labels, &error), ==, -1);
  g_assert_error (error, DB_ERROR, DB_ERROR_INVARIANT);
  g_clear_error (&error);
  db_store_write (self->store, db_write_set_label_locked (2, FALSE), &error);
  db_labels_undo (labels, &error);
  g_assert_no_error (error);
  nothing = fixture_box_edit (labels, 5, 3, 1, VOLUME_PROVENANCE_HAND);
  g_assert_cmpint (refusal_of (labels, nothing, NULL), ==, DB_ERROR_NOTHING);
  g_assert_finalize_object (labels);
}

static void
test_guard (Fixture *self, gconstpointer data)
{
  DbLabels *labels = open_labels (self);
  VolumeLabelMap *map = db_labels_get_map (labels);
  g_autoptr (VolumeEditBuilder) builder = NULL;
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (GError) error = NULL;
  VolumeEditGuard guard;

  commit_box (labels, 5, 3, 1);
  db_labels_init_guard (labels, VOLUME_PROVENANCE_MODEL, FALSE, &guard);
  builder = volume_edit_builder_new (map, &guard);
  for (int i = 0; i < FIXTURE_SIDE; i++)
    volume_edit_builder_set (builder, i, 6, 6, 2);
  edit = volume_edit_builder_end (builder, db_labels_reserve_id (labels), VOLUME_PROVENANCE_MODEL,
                                  "predict", NULL);
  db_labels_commit (labels, edit, &(DbEditInfo){ .round = 1, .detail = "{}" }, &error);
  g_assert_no_error (error);
  g_assert_cmpint (volume_label_map_get (map, 6, 6, 6), ==, 1);
  g_assert_cmpint (volume_label_map_get (map, 1, 6, 6), ==, 2);
  g_assert_cmpint (db_labels_get_provenance (labels, volume_label_map_get_edit_id (map, 1, 6, 6)),
                   ==, VOLUME_PROVENANCE_MODEL);
  g_assert_cmpint (db_labels_get_provenance (labels, volume_label_map_get_edit_id (map, 6, 6, 6)),
                   ==, VOLUME_PROVENANCE_HAND);
  g_assert_finalize_object (labels);
}

/* I7: labels as they were at a place of the journal. The snapshots equal the journal. */
static void
test_snapshots (Fixture *self, gconstpointer data)
{
  const int n_edits = DB_SNAPSHOT_EVERY * 2 + 30;
  DbLabels *labels = open_labels (self);
  g_autoptr (GRand) rand = g_rand_new_with_seed (11);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) then = NULL;
  g_autoptr (GBytes) now = NULL;
  g_autoptr (VolumeLabelMap) map = NULL;
  g_autoptr (VolumeLabelMap) old = NULL;
  g_autoptr (VolumeLabelMap) rebuilt = NULL;
  gint64 seq = -1;

  for (int n = 0; n < n_edits; n++)
    {
      g_autoptr (VolumeEdit) edit =
          fixture_box_edit (labels, g_rand_int_range (rand, 0, 15), g_rand_int_range (rand, 1, 5),
                            g_rand_int_range (rand, 0, 3), VOLUME_PROVENANCE_HAND);
      gsize n_runs;

      volume_edit_get_runs (edit, &n_runs);
      if (n_runs > 0)
        db_labels_commit (labels, edit, NULL, &error);
      g_assert_no_error (error);
      if (n == 100)
        {
          then = fixture_map_bytes (db_labels_get_map (labels));
          seq = db_store_read_journal_seq (self->store, &error);
        }
    }
  now = fixture_map_bytes (db_labels_get_map (labels));
  g_assert_finalize_object (labels);
  fixture_reopen (self);
  map = db_store_read_labels (self->store, 2, -1, &error);
  g_assert_no_error (error);
  fixture_assert_same (map, now);
  old = db_store_read_labels (self->store, 2, seq, &error);
  fixture_assert_same (old, then);
  rebuilt = db_store_read_labels_from_journal (self->store, 2, -1, &error);
  fixture_assert_same (rebuilt, now);
  g_assert_true (db_store_verify (self->store, &error));
  g_assert_no_error (error);
}

typedef struct
{
  int n_left, n_failed;
} Count;

static void
counted_cb (GObject *object, GAsyncResult *result, gpointer data)
{
  Count *count = data;
  g_autoptr (GError) error = NULL;

  if (db_labels_finish (DB_LABELS (object), result, &error) < 0)
    count->n_failed++;
  count->n_left--;
}

/* Strokes, an undo and a taking back in one breath: finished in order. */
static void
test_async (Fixture *self, gconstpointer data)
{
  DbLabels *labels = open_labels (self);
  VolumeLabelMap *map = db_labels_get_map (labels);
  g_autoptr (VolumeLabelMap) kept = NULL;
  g_autoptr (GBytes) shown = NULL;
  g_autoptr (GError) error = NULL;
  Count count = { 0 };
  gint64 first = 0;

  for (int n = 0; n < 10; n++)
    {
      g_autoptr (VolumeEdit) edit =
          fixture_box_edit (labels, n, 3, 1 + n % 2, VOLUME_PROVENANCE_HAND);

      first = n == 0 ? volume_edit_get_id (edit) : first;
      db_labels_commit_async (labels, edit, NULL, NULL, counted_cb, &count);
      count.n_left++;
      g_assert_cmpint (volume_label_map_get (map, n, n, n), ==, 1 + n % 2); /* at once */
    }
  db_labels_undo_async (labels, counted_cb, &count);
  db_labels_undo_async (labels, counted_cb, &count);
  db_labels_redo_async (labels, counted_cb, &count);
  db_labels_revert_async (labels, first, counted_cb, &count);
  count.n_left += 4;
  while (count.n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (count.n_failed, ==, 0);
  g_assert_cmpint (volume_label_map_get (map, 0, 0, 0), ==, 0);
  g_assert_cmpint (volume_label_map_get (map, 8, 8, 8), ==, 1);
  g_assert_cmpint (volume_label_map_get (map, 11, 11, 11), ==, 0);
  shown = fixture_map_bytes (map);
  kept = db_store_read_labels (self->store, 2, -1, &error);
  g_assert_no_error (error);
  fixture_assert_same (kept, shown);
  fixture_settle ();
  g_assert_finalize_object (labels);
}

/* A step of many voxels is taken on a worker; edits asked for meanwhile wait for it. */
static void
test_large_steps (Fixture *self, gconstpointer data)
{
  enum
  {
    N_EDITS = 20 /* of 8000 voxels each */
  };
  DbLabels *labels = open_labels (self);
  VolumeLabelMap *map = db_labels_get_map (labels);
  g_autoptr (GBytes) end = NULL;
  g_autoptr (VolumeLabelMap) kept = NULL;
  g_autoptr (VolumeEdit) after = NULL;
  g_autoptr (GError) error = NULL;
  Count count = { .n_left = 1 };
  gint64 last = 0;

  for (int n = 0; n < N_EDITS; n++)
    last = commit_box (labels, 0, FIXTURE_SIDE, 1 + n % 2);
  end = fixture_map_bytes (map);
  db_labels_jump_async (labels, 0, counted_cb, &count);
  while (count.n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (volume_label_map_get_counts (map)[0], ==,
                    FIXTURE_SIDE * FIXTURE_SIDE * FIXTURE_SIDE);
  g_assert_false (db_labels_get_can_undo (labels));

  /* The map is as at the start: what is built on it fits behind a way there and back. */
  after = fixture_box_edit (labels, 2, 3, 1, VOLUME_PROVENANCE_HAND);
  count.n_left = 3;
  db_labels_jump_async (labels, last, counted_cb, &count);
  g_assert_true (db_labels_get_busy (labels));
  db_labels_jump_async (labels, 0, counted_cb, &count);
  db_labels_commit_async (labels, after, NULL, NULL, counted_cb, &count);
  g_assert_cmpint (volume_label_map_get (map, 3, 3, 3), ==, 0); /* it waits */
  while (count.n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (count.n_failed, ==, 0);
  g_assert_cmpint (volume_label_map_get (map, 3, 3, 3), ==, 1);
  g_assert_cmpuint (volume_label_map_get_counts (map)[1], ==, 27);
  db_labels_jump (labels, last, &error);
  g_assert_no_error (error);
  fixture_assert_same (map, end);
  kept = db_store_read_labels (self->store, 2, -1, &error);
  g_assert_no_error (error);
  fixture_assert_same (kept, end);
  g_assert_true (db_store_verify (self->store, &error));
  fixture_settle ();
  g_assert_finalize_object (labels);
}

static gpointer
fill_in_thread (gpointer data)
{
  DbDraft *draft = data;
  VolumeEditBuilder *builder = db_draft_get_builder (draft);

  for (int k = 0; k < FIXTURE_SIDE; k++)
    for (int j = 0; j < FIXTURE_SIDE; j++)
      volume_edit_builder_set_run (builder, 0, j, k, FIXTURE_SIDE, 2);
  g_assert_true (db_draft_finish (draft, NULL));
  return NULL;
}

static DbDraft *
fill_draft (DbLabels *labels, VolumeProvenance provenance)
{
  g_autoptr (GError) error = NULL;
  DbDraft *draft = db_draft_new (labels, provenance, "draft", &error);

  g_assert_no_error (error);
  g_thread_join (g_thread_new ("draft", fill_in_thread, draft));
  return draft;
}

static void
commit_draft (DbDraft *draft, Count *count)
{
  count->n_left++;
  db_draft_commit_async (draft, &(DbEditInfo){ .round = 3, .detail = "{}" }, counted_cb, count);
  while (count->n_left > 0)
    g_main_context_iteration (NULL, TRUE);
}

/* I4, I8: a draft keeps off what the person drew and locked, also what was locked after it began; one
 * of labels that have changed says so, and is not forced upon them. */
static void
test_draft (Fixture *self, gconstpointer data)
{
  const int n = FIXTURE_SIDE * FIXTURE_SIDE * FIXTURE_SIDE;
  DbLabels *labels = open_labels (self);
  VolumeLabelMap *map = db_labels_get_map (labels);
  g_autoptr (DbLabels) owned = labels;
  g_autoptr (DbDraft) draft = NULL;
  g_autoptr (DbDraft) old = NULL;
  g_autoptr (DbDraft) locked = NULL;
  g_autoptr (DbDraft) import = NULL;
  g_autoptr (GBytes) shown = NULL;
  g_autoptr (VolumeLabelMap) kept = NULL;
  g_autoptr (GError) error = NULL;
  Count count = { 0 };

  commit_box (labels, 5, 3, 1);
  old = fill_draft (labels, VOLUME_PROVENANCE_MODEL);
  draft = fill_draft (labels, VOLUME_PROVENANCE_MODEL);
  g_assert_true (db_draft_is_current (draft));
  g_assert_cmpuint (db_draft_get_n_voxels (draft), ==, n - 27);
  g_assert_cmpuint (volume_label_map_get_counts (map)[2], ==, 0); /* not yet */
  commit_draft (draft, &count);
  g_assert_cmpint (count.n_failed, ==, 0);
  g_assert_cmpuint (volume_label_map_get_counts (map)[1], ==, 27);
  g_assert_cmpuint (volume_label_map_get_counts (map)[2], ==, n - 27);
  g_assert_cmpint (db_labels_get_provenance (labels, volume_label_map_get_edit_id (map, 0, 0, 0)),
                   ==, VOLUME_PROVENANCE_MODEL);

  g_assert_false (db_draft_is_current (old));
  shown = fixture_map_bytes (map);
  commit_draft (old, &count);
  g_assert_cmpint (count.n_failed, ==, 1);
  fixture_assert_same (map, shown);

  commit_box (labels, 0, 2, 1);
  locked = fill_draft (labels, VOLUME_PROVENANCE_IMPORT);
  db_store_write (self->store, db_write_set_label_locked (1, TRUE), &error);
  commit_draft (locked, &count);
  g_assert_cmpint (count.n_failed, ==, 2);
  import = fill_draft (labels, VOLUME_PROVENANCE_IMPORT);
  g_assert_cmpuint (db_draft_get_n_voxels (import), ==, 0);

  g_clear_pointer (&shown, g_bytes_unref);
  shown = fixture_map_bytes (map);
  kept = db_store_read_labels (self->store, 2, -1, &error);
  g_assert_no_error (error);
  fixture_assert_same (kept, shown);
  fixture_settle ();
}

/* What the disk does not take leaves the map, with all that was built on it. */
static void
test_taken_back (Fixture *self, gconstpointer data)
{
  DbLabels *labels = open_labels (self);
  g_autoptr (GBytes) before = NULL;
  DbLabels *other;
  g_autoptr (VolumeEdit) elsewhere = NULL;
  g_autoptr (GError) error = NULL;
  Count count = { 0 };

  commit_box (labels, 1, 3, 1);
  before = fixture_map_bytes (db_labels_get_map (labels));
  other = open_labels (self);
  elsewhere = fixture_box_edit (other, 8, 3, 1, VOLUME_PROVENANCE_HAND);
  db_labels_commit (other, elsewhere, NULL, &error);
  g_assert_no_error (error);
  for (int n = 0; n < 3; n++)
    {
      g_autoptr (VolumeEdit) edit = fixture_box_edit (labels, 3 + n, 3, 2, VOLUME_PROVENANCE_HAND);

      db_labels_commit_async (labels, edit, NULL, NULL, counted_cb, &count);
      count.n_left++;
    }
  while (count.n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (count.n_failed, ==, 3);
  fixture_assert_same (db_labels_get_map (labels), before);
  g_clear_object (&other);
  fixture_settle ();
  g_assert_finalize_object (labels);
}

/* A project file that somebody damaged, or made up: an error or a project, never a crash. */
static void
look_around (DbStore *store)
{
  g_autoptr (GListModel) history = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (DbLabels) labels = db_labels_open (store, 2, &error);

  g_clear_error (&error);
  db_store_verify (store, &error);
  g_clear_error (&error);
  if (labels == NULL)
    return;
  history = db_labels_get_history (labels, NULL);
  db_labels_undo (labels, &error);
  g_clear_error (&error);
  db_labels_jump (labels, 3, &error);
}

static void
test_mutated_files (Fixture *self, gconstpointer data)
{
  const int n_rounds = g_test_slow () ? 5000 : 150;
  g_autofree char *file = g_build_filename (self->path, "project.sqlite", NULL);
  g_autofree char *original = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  DbLabels *labels = open_labels (self);
  int n_opened = 0, n_refused = 0;
  gsize size;

  for (int n = 0; n < 12; n++)
    commit_box (labels, n, 4, 1 + n % 2);
  g_assert_finalize_object (labels);
  g_assert_finalize_object (g_steal_pointer (&self->store));
  g_assert_true (g_file_get_contents (file, &original, &size, NULL));
  for (int r = 0; r < n_rounds; r++)
    {
      g_autofree char *copy = g_memdup2 (original, size);
      g_autoptr (GError) error = NULL;
      g_autoptr (DbStore) store = NULL;

      /* A few bytes anywhere past the header, or a page of another place. */
      if (r % 5 == 4)
        memcpy (copy + 4096 * g_rand_int_range (rand, 1, size / 4096),
                original + 4096 * g_rand_int_range (rand, 0, size / 4096), 4096);
      else
        for (int n = g_rand_int_range (rand, 1, 8); n > 0; n--)
          copy[g_rand_int_range (rand, 100, size)] = g_rand_int (rand);
      g_assert_true (g_file_set_contents (file, copy, size, NULL));
      store = db_store_open (self->path, DB_OPEN_WRITE, &error);
      g_assert_true ((store == NULL) == (error != NULL));
      n_opened += store != NULL;
      n_refused += store == NULL;
      if (store != NULL)
        look_around (store);
    }
  g_test_message ("%d opened, %d refused", n_opened, n_refused);
  g_assert_cmpint (n_refused, >, 0);
  g_assert_cmpint (n_opened, >, 0);
}

/* An import's labels and signatures: both or neither. */
static void
test_commit_with (Fixture *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DbLabels) labels = db_labels_open (self->store, 2, &error);
  g_autoptr (VolumeEdit) refused = fixture_box_edit (labels, 2, 5, 1, VOLUME_PROVENANCE_IMPORT);
  g_autoptr (VolumeEdit) kept = fixture_box_edit (labels, 2, 5, 1, VOLUME_PROVENANCE_IMPORT);
  g_autoptr (GBytes) before = fixture_map_bytes (db_labels_get_map (labels));

  g_assert_cmpint (db_labels_commit_with (labels, refused, NULL,
                                          db_write_sign_slice (2, 0, 10000, "import", NULL),
                                          &error),
                   ==, -1);
  g_assert_error (error, DB_ERROR, DB_ERROR_NOT_FOUND);
  g_clear_error (&error);
  fixture_assert_same (db_labels_get_map (labels), before);
  g_assert_cmpint (db_store_get_case (self->store, 2)->n_edits, ==, 0);

  g_assert_cmpint (db_labels_commit_with (labels, kept, NULL,
                                          db_write_sign_slice (2, 0, 4, "import", NULL), &error),
                   ==, volume_edit_get_id (kept));
  g_assert_no_error (error);
  g_assert_cmpint (db_store_get_case (self->store, 2)->n_edits, ==, 1);
  g_assert_cmpint (db_store_get_case (self->store, 2)->n_signed, ==, 1);
}

#define ADD(path, function)                                                                        \
  g_test_add ("/db/labels/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("undo-redo", test_undo_redo);
  ADD ("branches", test_branches);
  ADD ("selective", test_selective);
  ADD ("protection", test_protection);
  ADD ("guard", test_guard);
  ADD ("snapshots", test_snapshots);
  ADD ("async", test_async);
  ADD ("large-steps", test_large_steps);
  ADD ("draft", test_draft);
  ADD ("taken-back", test_taken_back);
  ADD ("mutated-files", test_mutated_files);
  ADD ("commit-with", test_commit_with);
  return g_test_run ();
}
