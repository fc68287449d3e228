/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/journal-private.h"

#include <string.h>

/* Writing */

gboolean
db_insert_journal (DbConn *conn, gint64 case_id, DbMove kind, gint64 head, int plane, int index,
                   gint64 *seq, GError **error)
{
  const gboolean has_slice = kind == DB_MOVE_SIGN || kind == DB_MOVE_UNSIGN;

  if (!db_conn_run (
          conn, error,
          "INSERT INTO journal (scan, kind, head, plane, idx, at) VALUES (:scan, :kind,"
          " :head, CASE WHEN :slice THEN :plane END, CASE WHEN :slice THEN :idx END, :at)",
          DB_INT (":scan", case_id), DB_INT (":kind", kind), DB_ID (":head", head),
          DB_INT (":slice", has_slice), DB_INT (":plane", plane), DB_INT (":idx", index),
          DB_INT (":at", db_now ()), NULL))
    return FALSE;
  if (seq != NULL)
    *seq = db_conn_last_id (conn);
  return TRUE;
}

static gboolean
read_head (DbConn *conn, gint64 case_id, gint64 *head, GError **error)
{
  if (!db_conn_get_int (conn, head, -1, error, "SELECT coalesce (head, 0) FROM scan WHERE id = :id",
                        DB_INT (":id", case_id), NULL))
    return FALSE;
  if (*head >= 0)
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: there is no scan %" G_GINT64_FORMAT,
               conn->path, case_id);
  return FALSE;
}

static gboolean
check_head (DbConn *conn, gint64 case_id, gint64 expected, GError **error)
{
  gint64 head;

  if (!read_head (conn, case_id, &head, error))
    return FALSE;
  if (head == expected)
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_CONFLICT,
               "%s: the labels of scan %" G_GINT64_FORMAT " stand at edit %" G_GINT64_FORMAT
               ", not at %" G_GINT64_FORMAT "; an edit before this one was not finished",
               conn->path, case_id, head, expected);
  return FALSE;
}

/* Redo goes to the child that was left last. */
static gboolean
set_next (DbConn *conn, gint64 case_id, gint64 parent, gint64 child, GError **error)
{
  if (parent == 0)
    return db_conn_run (conn, error, "UPDATE scan SET first = :child WHERE id = :scan",
                        DB_ID (":child", child), DB_INT (":scan", case_id), NULL);
  return db_conn_run (conn, error, "UPDATE edit SET next = :child WHERE id = :parent",
                      DB_ID (":child", child), DB_INT (":parent", parent), NULL);
}

static gboolean
set_head (DbConn *conn, gint64 case_id, gint64 head, DbMove kind, GError **error)
{
  return db_conn_run (conn, error, "UPDATE scan SET head = :head WHERE id = :id",
                      DB_ID (":head", head), DB_INT (":id", case_id), NULL)
         && db_insert_journal (conn, case_id, kind, head, 0, 0, NULL, error);
}

static gint64
label_left (const VolumeEdit *edit)
{
  gsize n_runs;
  const VolumeEditRun *runs = volume_edit_get_runs (edit, &n_runs);

  for (gsize r = 1; r < n_runs; r++)
    if (runs[r].after != runs[0].after)
      return -1;
  return n_runs > 0 ? runs[0].after : 0;
}

static gboolean
insert_edit (DbConn *conn, DbWrite *write, VolumeEdit *edit, gint64 depth, GError **error)
{
  const VolumeBox box = volume_edit_get_box (edit);
  const gint64 id = volume_edit_get_id (edit);

  return db_conn_run (
             conn, error,
             "INSERT INTO edit (id, scan, parent, depth, provenance, tool, label, n_voxels, at,"
             " round, lo_i, lo_j, lo_k, hi_i, hi_j, hi_k, runs) VALUES (:id, :scan, :parent, "
             ":depth,"
             " :provenance, :tool, :label, :n_voxels, :at, :round, :lo_i, :lo_j, :lo_k, :hi_i,"
             " :hi_j, :hi_k, :runs)",
             DB_INT (":id", id), DB_INT (":scan", write->ids[0]), DB_ID (":parent", write->ids[1]),
             DB_INT (":depth", depth), DB_INT (":provenance", volume_edit_get_provenance (edit)),
             DB_TEXT (":tool", volume_edit_get_tool (edit)), DB_INT (":label", label_left (edit)),
             DB_INT (":n_voxels", volume_edit_get_n_voxels (edit)), DB_INT (":at", db_now ()),
             DB_INT (":round", write->ids[2]), DB_INT (":lo_i", box.lo[0]),
             DB_INT (":lo_j", box.lo[1]), DB_INT (":lo_k", box.lo[2]), DB_INT (":hi_i", box.hi[0]),
             DB_INT (":hi_j", box.hi[1]), DB_INT (":hi_k", box.hi[2]),
             DB_BLOB (":runs", write->blob), NULL)
         && (write->texts[0] == NULL
             || db_conn_run (conn, error, "INSERT INTO prompt VALUES (:edit, :detail)",
                             DB_INT (":edit", id), DB_TEXT (":detail", write->texts[0]), NULL));
}

static gboolean
run_edit (DbWrite *self, DbTxn *txn, GError **error)
{
  VolumeEdit *edit = self->extra;
  const gint64 case_id = self->ids[0], parent = self->ids[1];
  const gint64 id = volume_edit_get_id (edit);
  gint64 depth;

  if (!check_head (txn->conn, case_id, parent, error)
      || !db_conn_get_int (txn->conn, &depth, 0, error, "SELECT depth FROM edit WHERE id = :id",
                           DB_INT (":id", parent), NULL))
    return FALSE;
  depth++;
  if (!insert_edit (txn->conn, self, edit, depth, error)
      || !set_next (txn->conn, case_id, parent, id, error)
      || !db_conn_run (txn->conn, error, "UPDATE scan SET n_edits = n_edits + 1 WHERE id = :id",
                       DB_INT (":id", case_id), NULL)
      || !set_head (txn->conn, case_id, id, DB_MOVE_EDIT, error)
      || !db_txn_touch (txn, DB_TYPE_EDIT, id, error)
      || !db_txn_touch (txn, DB_TYPE_CASE, case_id, error))
    return FALSE;
  if (depth % DB_SNAPSHOT_EVERY == 0)
    db_store_request_snapshot (txn->store, case_id, id);
  self->result = id;
  return TRUE;
}

static void
edit_unref (gpointer edit)
{
  volume_edit_unref (edit);
}

DbWrite *
db_journal_write_edit (gint64 case_id, gint64 parent, VolumeEdit *edit, GBytes *runs,
                       const DbEditInfo *info)
{
  DbWrite *self = db_write_new (DB_URGENCY_HAND, run_edit);

  self->ids[0] = case_id;
  self->ids[1] = parent;
  self->ids[2] = info != NULL ? info->round : 0;
  self->texts[0] = info != NULL ? g_strdup (info->detail) : NULL;
  self->blob = g_bytes_ref (runs);
  self->extra = volume_edit_ref (edit);
  self->free_extra = edit_unref;
  return self;
}

/* Reading edits */

static VolumeEdit *
read_edit (DbConn *conn, gint64 id, GError **error)
{
  g_autoptr (GBytes) runs = NULL;
  int size[3];
  sqlite3_stmt *stmt;
  VolumeEdit *edit;
  gboolean has_row;

  stmt = db_conn_query (conn, error,
                        "SELECT s.size_i, s.size_j, s.size_k, e.runs FROM edit e JOIN scan s"
                        " ON s.id = e.scan WHERE e.id = :id",
                        DB_INT (":id", id), NULL);
  if (stmt == NULL || !db_conn_step (conn, stmt, &has_row, error))
    return NULL;
  if (!has_row)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: there is no edit %" G_GINT64_FORMAT,
                   conn->path, id);
      return NULL;
    }
  for (int a = 0; a < 3; a++)
    size[a] = sqlite3_column_int (stmt, a);
  runs = db_column_bytes (stmt, 3);
  sqlite3_reset (stmt);
  edit = volume_edit_deserialize (runs, size, error);
  if (edit == NULL)
    g_prefix_error (error, "%s: edit %" G_GINT64_FORMAT ": ", conn->path, id);
  return edit;
}

VolumeEdit *
db_store_read_edit (DbStore *self, gint64 edit_id, GError **error)
{
  DbConn *conn = db_store_borrow_reader (self, error);
  VolumeEdit *edit = NULL;

  if (conn != NULL)
    edit = read_edit (conn, edit_id, error);
  db_store_return_reader (self, conn);
  return edit;
}

/* Moving through the history */

static void
step_free (gpointer data)
{
  DbStep *step = data;

  volume_edit_unref (step->edit);
  g_free (step);
}

GPtrArray *
db_journal_new_steps (void)
{
  return g_ptr_array_new_with_free_func (step_free);
}

static gboolean
get_parent (DbConn *conn, gint64 case_id, gint64 edit, gint64 *parent, gint64 *depth,
            GError **error)
{
  sqlite3_stmt *stmt = db_conn_query (
      conn, error, "SELECT coalesce (parent, 0), depth FROM edit WHERE id = :id AND scan = :scan",
      DB_INT (":id", edit), DB_INT (":scan", case_id), NULL);
  gboolean has_row;

  if (stmt == NULL || !db_conn_step (conn, stmt, &has_row, error))
    return FALSE;
  if (!has_row)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND,
                   "%s: scan %" G_GINT64_FORMAT " has no edit %" G_GINT64_FORMAT, conn->path,
                   case_id, edit);
      return FALSE;
    }
  *parent = sqlite3_column_int64 (stmt, 0);
  *depth = sqlite3_column_int64 (stmt, 1);
  sqlite3_reset (stmt);
  return TRUE;
}

static gboolean
add_step (DbConn *conn, GPtrArray *steps, gint64 id, gboolean revert, GError **error)
{
  VolumeEdit *edit = read_edit (conn, id, error);
  DbStep *step;

  if (edit == NULL)
    return FALSE;
  step = g_new (DbStep, 1);
  step->edit = edit;
  step->revert = revert;
  g_ptr_array_add (steps, step);
  return TRUE;
}

typedef struct
{
  gint64 id, parent, depth;
} Place;

static gboolean
place_at (DbConn *conn, gint64 case_id, gint64 id, Place *place, GError **error)
{
  *place = (Place){ .id = id };
  return id == 0 || get_parent (conn, case_id, id, &place->parent, &place->depth, error);
}

static gboolean
place_up (DbConn *conn, gint64 case_id, Place *place, GError **error)
{
  const gint64 depth = place->depth;

  if (!place_at (conn, case_id, place->parent, place, error))
    return FALSE;
  if (place->depth == depth - 1)
    return TRUE;
  /* A damaged file must not lead us in circles. */
  g_set_error (error, DB_ERROR, DB_ERROR_CORRUPT,
               "%s: the history of scan %" G_GINT64_FORMAT " is damaged", conn->path, case_id);
  return FALSE;
}

/* Up from @from to the youngest edit that both come after, and down to @to. */
static gboolean
find_way (DbConn *conn, gint64 case_id, gint64 from_id, gint64 to_id, GPtrArray *steps,
          GError **error)
{
  g_autoptr (GArray) down = g_array_new (FALSE, FALSE, sizeof (gint64));
  Place from, to;

  if (!place_at (conn, case_id, from_id, &from, error)
      || !place_at (conn, case_id, to_id, &to, error))
    return FALSE;
  while (from.id != to.id)
    {
      const gint64 left = from.depth >= to.depth ? from.id : to.id;

      if (from.depth < to.depth)
        {
          g_array_append_val (down, left);
          if (!place_up (conn, case_id, &to, error))
            return FALSE;
        }
      else if (!place_up (conn, case_id, &from, error)
               || !set_next (conn, case_id, from.id, left, error)
               || !add_step (conn, steps, left, TRUE, error))
        return FALSE;
    }
  for (guint d = down->len; d > 0; d--)
    {
      const gint64 child = g_array_index (down, gint64, d - 1);

      if (!set_next (conn, case_id, from.id, child, error)
          || !add_step (conn, steps, child, FALSE, error))
        return FALSE;
      from.id = child;
    }
  return TRUE;
}

static gboolean
find_target (DbConn *conn, DbWrite *self, gint64 *target, GError **error)
{
  const gint64 case_id = self->ids[0], head = self->ids[1];
  const DbMove kind = self->ids[2];
  gint64 depth;

  *target = self->ids[3];
  if (kind == DB_MOVE_UNDO && head != 0)
    return get_parent (conn, case_id, head, target, &depth, error);
  if (kind == DB_MOVE_REDO && head != 0
      && !db_conn_get_int (conn, target, 0, error, "SELECT next FROM edit WHERE id = :id",
                           DB_INT (":id", head), NULL))
    return FALSE;
  if (kind == DB_MOVE_REDO && head == 0
      && !db_conn_get_int (conn, target, 0, error, "SELECT first FROM scan WHERE id = :id",
                           DB_INT (":id", case_id), NULL))
    return FALSE;
  if (kind == DB_MOVE_JUMP || (kind == DB_MOVE_REDO && *target != 0))
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_NOTHING,
               kind == DB_MOVE_UNDO ? "Nothing to undo." : "Nothing to redo.");
  return FALSE;
}

/* I4: a label that is locked is finished, whatever wants to change it. */
static gboolean
check_locks (DbConn *conn, GPtrArray *steps, GError **error)
{
  g_autofree guint8 *locked = g_new0 (guint8, 65536);
  sqlite3_stmt *stmt = db_conn_query (conn, error, "SELECT id FROM label WHERE locked", NULL);
  gboolean has_row = FALSE;
  gboolean any = FALSE;

  if (stmt == NULL)
    return FALSE;
  for (;;)
    {
      if (!db_conn_step (conn, stmt, &has_row, error))
        return FALSE;
      if (!has_row)
        break;
      locked[sqlite3_column_int (stmt, 0) & 0xffff] = 1;
      any = TRUE;
    }
  for (guint s = 0; any && s < steps->len; s++)
    {
      const DbStep *step = g_ptr_array_index (steps, s);
      gsize n_runs;
      const VolumeEditRun *runs = volume_edit_get_runs (step->edit, &n_runs);

      for (gsize r = 0; r < n_runs; r++)
        if (runs[r].before != runs[r].after && (locked[runs[r].before] || locked[runs[r].after]))
          {
            g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT,
                         "Label %u is locked, and this would change it; unlock it first.",
                         locked[runs[r].before] ? runs[r].before : runs[r].after);
            return FALSE;
          }
    }
  return TRUE;
}

static gboolean
run_move (DbWrite *self, DbTxn *txn, GError **error)
{
  const gint64 case_id = self->ids[0], head = self->ids[1];
  gint64 target;

  if (!check_head (txn->conn, case_id, head, error)
      || !find_target (txn->conn, self, &target, error)
      || !find_way (txn->conn, case_id, head, target, self->extra, error)
      || !check_locks (txn->conn, self->extra, error))
    return FALSE;
  self->result = target;
  if (target == head)
    return TRUE;
  return set_head (txn->conn, case_id, target, self->ids[2], error)
         && db_txn_touch (txn, DB_TYPE_CASE, case_id, error);
}

static void
steps_unref (gpointer steps)
{
  g_ptr_array_unref (steps);
}

DbWrite *
db_journal_write_move (gint64 case_id, gint64 expected_head, DbMove kind, gint64 target,
                       GPtrArray *steps)
{
  DbWrite *self = db_write_new (DB_URGENCY_HAND, run_move);

  self->ids[0] = case_id;
  self->ids[1] = expected_head;
  self->ids[2] = kind;
  self->ids[3] = target;
  self->extra = g_ptr_array_ref (steps);
  self->free_extra = steps_unref;
  return self;
}

/* Labels as of an edit */

/* The edits from the youngest snapshot (or the start) to @head, youngest first. */
static GArray *
read_path (DbConn *conn, gint64 head, gboolean from_start, GError **error)
{
  g_autoptr (GArray) path = g_array_new (FALSE, FALSE, sizeof (gint64));
  gboolean has_row;
  sqlite3_stmt *stmt = db_conn_query (
      conn, error,
      "WITH RECURSIVE path (id, parent, depth) AS ("
      " SELECT id, parent, depth FROM edit WHERE id = :head UNION ALL"
      " SELECT e.id, e.parent, e.depth FROM path p JOIN edit e"
      " ON e.id = p.parent AND e.depth < p.depth"
      " WHERE :from_start OR NOT EXISTS (SELECT 1 FROM snapshot s WHERE s.edit = p.id))"
      "SELECT id FROM path",
      DB_INT (":head", head), DB_INT (":from_start", from_start), NULL);

  if (stmt == NULL)
    return NULL;
  for (;;)
    {
      gint64 id;

      if (!db_conn_step (conn, stmt, &has_row, error))
        return NULL;
      if (!has_row)
        return g_steal_pointer (&path);
      id = sqlite3_column_int64 (stmt, 0);
      g_array_append_val (path, id);
    }
}

static gboolean
read_size (DbConn *conn, gint64 case_id, int size[3], GError **error)
{
  sqlite3_stmt *stmt =
      db_conn_query (conn, error, "SELECT size_i, size_j, size_k FROM scan WHERE id = :id",
                     DB_INT (":id", case_id), NULL);
  gboolean has_row;

  if (stmt == NULL || !db_conn_step (conn, stmt, &has_row, error))
    return FALSE;
  if (!has_row)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: there is no scan %" G_GINT64_FORMAT,
                   conn->path, case_id);
      return FALSE;
    }
  for (int a = 0; a < 3; a++)
    size[a] = sqlite3_column_int (stmt, a);
  sqlite3_reset (stmt);
  return TRUE;
}

/* *map stays NULL where @edit has no snapshot. */
static gboolean
read_snapshot (DbConn *conn, gint64 edit, const int size[3], VolumeLabelMap **map, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (VolumeEdit) content = NULL;
  sqlite3_stmt *stmt = db_conn_query (conn, error, "SELECT map FROM snapshot WHERE edit = :edit",
                                      DB_INT (":edit", edit), NULL);
  gboolean has_row;

  *map = NULL;
  if (stmt == NULL || !db_conn_step (conn, stmt, &has_row, error))
    return FALSE;
  if (!has_row)
    return TRUE;
  bytes = db_column_bytes (stmt, 0);
  sqlite3_reset (stmt);
  content = volume_edit_deserialize (bytes, size, error);
  if (content == NULL)
    return FALSE;
  *map = volume_label_map_new (size, error);
  if (*map == NULL)
    return FALSE;
  if (volume_label_map_apply_edit (*map, content, error))
    return TRUE;
  g_clear_pointer (map, volume_label_map_unref);
  return FALSE;
}

static gboolean
apply_path (DbConn *conn, GArray *path, guint n_left, VolumeLabelMap *map, GError **error)
{
  while (n_left > 0)
    {
      gint64 id = g_array_index (path, gint64, --n_left);
      g_autoptr (VolumeEdit) edit = read_edit (conn, id, error);

      if (edit == NULL)
        return FALSE;
      if (!volume_label_map_apply_edit (map, edit, error))
        {
          g_prefix_error (error, "%s: edit %" G_GINT64_FORMAT ": ", conn->path, id);
          return FALSE;
        }
    }
  return TRUE;
}

static VolumeLabelMap *
labels_at_edit (DbConn *conn, gint64 case_id, gint64 head, gboolean from_start, GError **error)
{
  g_autoptr (VolumeLabelMap) map = NULL;
  g_autoptr (GArray) path = NULL;
  guint n_left;
  int size[3];

  if (!read_size (conn, case_id, size, error))
    return NULL;
  path = read_path (conn, head, from_start, error);
  if (path == NULL)
    return NULL;
  n_left = path->len;
  if (!from_start && n_left > 0)
    {
      gint64 oldest = g_array_index (path, gint64, n_left - 1);
      g_autoptr (GError) local = NULL;

      if (read_snapshot (conn, oldest, size, &map, &local) && map != NULL)
        n_left--;
      else if (local != NULL)
        {
          /* A snapshot is a convenience: the journal is the truth. */
          g_message ("%s: a snapshot is damaged (%s); the labels are rebuilt from the journal",
                     conn->path, local->message);
          return labels_at_edit (conn, case_id, head, TRUE, error);
        }
    }
  if (map == NULL)
    map = volume_label_map_new (size, error);
  if (map == NULL || !apply_path (conn, path, n_left, map, error))
    return NULL;
  return g_steal_pointer (&map);
}

static gboolean
head_at (DbConn *conn, gint64 case_id, gint64 journal_seq, gint64 *head, GError **error)
{
  if (journal_seq < 0)
    return read_head (conn, case_id, head, error);
  return db_conn_get_int (conn, head, 0, error,
                          "SELECT head FROM journal WHERE scan = :scan AND seq <= :seq"
                          " AND kind <= 3 ORDER BY seq DESC LIMIT 1",
                          DB_INT (":scan", case_id), DB_INT (":seq", journal_seq), NULL);
}

VolumeLabelMap *
db_journal_read_labels (DbConn *conn, gint64 case_id, gint64 *head, GError **error)
{
  VolumeLabelMap *map = NULL;

  /* One look: what a writer does meanwhile is not seen. */
  if (db_conn_run (conn, error, "BEGIN", NULL) && read_head (conn, case_id, head, error))
    map = labels_at_edit (conn, case_id, *head, FALSE, error);
  if (!sqlite3_get_autocommit (conn->handle))
    sqlite3_exec (conn->handle, "ROLLBACK", NULL, NULL, NULL);
  return map;
}

static VolumeLabelMap *
labels_at_seq (DbStore *self, gint64 case_id, gint64 journal_seq, gboolean from_start,
               GError **error)
{
  DbConn *conn = db_store_borrow_reader (self, error);
  VolumeLabelMap *map = NULL;
  gint64 head;

  if (conn != NULL && db_conn_run (conn, error, "BEGIN", NULL)
      && head_at (conn, case_id, journal_seq, &head, error))
    map = labels_at_edit (conn, case_id, head, from_start, error);
  db_store_return_reader (self, conn);
  return map;
}

VolumeLabelMap *
db_store_read_labels (DbStore *self, gint64 case_id, gint64 journal_seq, GError **error)
{
  return labels_at_seq (self, case_id, journal_seq, FALSE, error);
}

VolumeLabelMap *
db_store_read_labels_from_journal (DbStore *self, gint64 case_id, gint64 journal_seq,
                                   GError **error)
{
  return labels_at_seq (self, case_id, journal_seq, TRUE, error);
}

/* Snapshots */

static GBytes *
map_to_bytes (const VolumeLabelMap *map, GError **error)
{
  g_autoptr (VolumeEdit) content = volume_edit_new_from_map (map, error);

  return content != NULL ? volume_edit_serialize (content, error) : NULL;
}

GBytes *
db_journal_make_snapshot (DbStore *store, gint64 case_id, gint64 edit, GError **error)
{
  DbConn *conn = db_store_borrow_reader (store, error);
  g_autoptr (VolumeLabelMap) map = NULL;

  /* Asked for inside the transaction that makes the edit: wait until readers see it. */
  for (int patience = 0; conn != NULL && patience < 200; patience++)
    {
      gint64 exists;

      if (!db_conn_get_int (conn, &exists, 0, error, "SELECT 1 FROM edit WHERE id = :id",
                            DB_INT (":id", edit), NULL))
        break;
      if (exists)
        {
          map = labels_at_edit (conn, case_id, edit, FALSE, error);
          break;
        }
      g_usleep (10 * G_TIME_SPAN_MILLISECOND);
    }
  db_store_return_reader (store, conn);
  if (map == NULL)
    {
      if (error != NULL && *error == NULL)
        g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "the edit was not finished");
      return NULL;
    }
  return map_to_bytes (map, error);
}

static gboolean
run_snapshot (DbWrite *self, DbTxn *txn, GError **error)
{
  return db_conn_run (txn->conn, error,
                      "INSERT OR IGNORE INTO snapshot VALUES (:edit, :scan, :map)",
                      DB_INT (":edit", self->ids[1]), DB_INT (":scan", self->ids[0]),
                      DB_BLOB (":map", self->blob), NULL)
         && db_conn_run (txn->conn, error,
                         "DELETE FROM snapshot WHERE scan = :scan AND edit NOT IN"
                         " (SELECT edit FROM snapshot WHERE scan = :scan ORDER BY edit DESC"
                         " LIMIT :kept)",
                         DB_INT (":scan", self->ids[0]), DB_INT (":kept", DB_SNAPSHOTS_KEPT), NULL);
}

DbWrite *
db_journal_write_snapshot (gint64 case_id, gint64 edit, GBytes *map)
{
  DbWrite *self = db_write_new (DB_URGENCY_PROGRESS, run_snapshot);

  self->ids[0] = case_id;
  self->ids[1] = edit;
  self->blob = map;
  return self;
}

/* The labelled domain */

gint64
db_store_read_journal_seq (DbStore *self, GError **error)
{
  DbConn *conn = db_store_borrow_reader (self, error);
  gint64 seq = -1;

  if (conn != NULL
      && !db_conn_get_int (conn, &seq, 0, error, "SELECT max (seq) FROM journal", NULL))
    seq = -1;
  db_store_return_reader (self, conn);
  return seq;
}

gint64
db_store_read_round_journal_seq (DbStore *self, gint64 round, GError **error)
{
  DbConn *conn = db_store_borrow_reader (self, error);
  gint64 seq = -1;
  gboolean done =
      conn != NULL
      && db_conn_get_int (conn, &seq, -1, error, "SELECT journal_seq FROM round WHERE id = :round",
                          DB_INT (":round", round), NULL);

  db_store_return_reader (self, conn);
  if (done && seq < 0)
    g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "round %" G_GINT64_FORMAT ": no such round",
                 round);
  return done ? seq : -1;
}

/* The last word on each slice, and on the whole. */
static gboolean
read_domain (DbConn *conn, gint64 case_id, gint64 journal_seq, DbDomain *domain, GError **error)
{
  const gint64 seq = journal_seq < 0 ? G_MAXINT64 : journal_seq;
  gint64 kind;
  sqlite3_stmt *stmt;
  gboolean has_row;

  if (!db_conn_get_int (conn, &kind, DB_MOVE_REOPEN, error,
                        "SELECT kind FROM journal WHERE scan = :scan AND seq <= :seq"
                        " AND kind IN (6, 7) ORDER BY seq DESC LIMIT 1",
                        DB_INT (":scan", case_id), DB_INT (":seq", seq), NULL))
    return FALSE;
  domain->complete = kind == DB_MOVE_COMPLETE;
  /* SQLite's bare column with max () is the row that has the maximum. */
  stmt = db_conn_query (conn, error,
                        "SELECT plane, idx FROM (SELECT plane, idx, kind, max (seq) FROM journal"
                        " WHERE scan = :scan AND seq <= :seq AND kind IN (4, 5)"
                        " GROUP BY plane, idx) WHERE kind = 4 ORDER BY plane, idx",
                        DB_INT (":scan", case_id), DB_INT (":seq", seq), NULL);
  if (stmt == NULL)
    return FALSE;
  for (;;)
    {
      DbDomainSlice slice;

      if (!db_conn_step (conn, stmt, &has_row, error))
        return FALSE;
      if (!has_row)
        return TRUE;
      slice.plane = sqlite3_column_int (stmt, 0);
      slice.index = sqlite3_column_int (stmt, 1);
      g_array_append_val (domain->slices, slice);
    }
}

DbDomain *
db_store_read_domain (DbStore *self, gint64 case_id, gint64 journal_seq, GError **error)
{
  DbConn *conn = db_store_borrow_reader (self, error);
  g_autoptr (DbDomain) domain = db_domain_new ();
  gboolean done;

  done = conn != NULL && db_conn_run (conn, error, "BEGIN", NULL)
         && read_domain (conn, case_id, journal_seq, domain, error);
  db_store_return_reader (self, conn);
  return done ? g_steal_pointer (&domain) : NULL;
}

/* Verifying */

static gboolean
set_broken (DbConn *conn, gint64 id, const char *what, GError **error)
{
  g_set_error (error, DB_ERROR, DB_ERROR_CORRUPT, "%s: scan %" G_GINT64_FORMAT ": %s", conn->path,
               id, what);
  return FALSE;
}

static GArray *
read_ids (DbConn *conn, const char *sql, gint64 id, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  sqlite3_stmt *stmt = db_conn_query (conn, error, sql, DB_INT (":id", id), NULL);
  gboolean has_row;

  if (stmt == NULL)
    return NULL;
  for (;;)
    {
      gint64 found;

      if (!db_conn_step (conn, stmt, &has_row, error))
        return NULL;
      if (!has_row)
        return g_steal_pointer (&ids);
      found = sqlite3_column_int64 (stmt, 0);
      g_array_append_val (ids, found);
    }
}

static gboolean
verify_snapshot (DbConn *conn, gint64 case_id, gint64 edit, VolumeLabelMap *rebuilt, GError **error)
{
  g_autoptr (VolumeLabelMap) kept = NULL;
  g_autoptr (GBytes) a_bytes = NULL;
  g_autoptr (GBytes) b_bytes = NULL;
  int size[3];

  if (!read_size (conn, case_id, size, error) || !read_snapshot (conn, edit, size, &kept, error))
    return FALSE;
  if (kept == NULL)
    return TRUE;
  a_bytes = map_to_bytes (rebuilt, error);
  if (a_bytes == NULL)
    return FALSE;
  b_bytes = map_to_bytes (kept, error);
  if (b_bytes == NULL)
    return FALSE;
  return g_bytes_equal (a_bytes, b_bytes)
         || set_broken (conn, case_id, "a snapshot differs from the journal", error);
}

/* Every edit of every branch once forward and once back, depth first: all of it can be walked, and
 * at the end the map is empty again. */
typedef struct
{
  DbConn *conn;
  gint64 case_id;
  VolumeLabelMap *map;
  gint64 n_walked;
} Walk;

static gboolean
walk_step (Walk *self, gint64 id, gboolean back, GError **error)
{
  g_autoptr (VolumeEdit) edit = read_edit (self->conn, id, error);

  if (edit == NULL)
    return FALSE;
  if (!(back ? volume_label_map_revert_edit (self->map, edit, error)
             : volume_label_map_apply_edit (self->map, edit, error)))
    {
      g_prefix_error (error, "%s: edit %" G_GINT64_FORMAT ": ", self->conn->path, id);
      return FALSE;
    }
  return back || verify_snapshot (self->conn, self->case_id, id, self->map, error);
}

static gboolean
walk_all (Walk *self, GError **error)
{
  static const char *const children =
      "SELECT id FROM edit WHERE scan = (SELECT scan FROM edit WHERE id = :id) AND parent = :id";
  g_autoptr (GArray) stack = read_ids (
      self->conn, "SELECT id FROM edit WHERE scan = :id AND parent IS NULL", self->case_id, error);

  if (stack == NULL)
    return FALSE;
  /* −id on the stack: back over id. */
  while (stack->len > 0)
    {
      const gint64 top = g_array_index (stack, gint64, stack->len - 1);
      const gint64 id = ABS (top);
      const gint64 back = -id;
      g_autoptr (GArray) below = NULL;

      g_array_set_size (stack, stack->len - 1);
      if (!walk_step (self, id, top < 0, error))
        return FALSE;
      if (top < 0)
        continue;
      self->n_walked++;
      g_array_append_val (stack, back);
      below = read_ids (self->conn, children, id, error);
      if (below == NULL)
        return FALSE;
      g_array_append_vals (stack, below->data, below->len);
    }
  return TRUE;
}

static gboolean
verify_case (DbConn *conn, gint64 case_id, GError **error)
{
  g_autoptr (VolumeLabelMap) map = NULL;
  Walk walk = { .conn = conn, .case_id = case_id };
  gint64 head, last, n_edits, n_counted;
  int size[3];

  if (!read_head (conn, case_id, &head, error) || !head_at (conn, case_id, G_MAXINT64, &last, error)
      || !read_size (conn, case_id, size, error)
      || !db_conn_get_int (conn, &n_edits, 0, error, "SELECT count () FROM edit WHERE scan = :id",
                           DB_INT (":id", case_id), NULL)
      || !db_conn_get_int (conn, &n_counted, 0, error, "SELECT n_edits FROM scan WHERE id = :id",
                           DB_INT (":id", case_id), NULL))
    return FALSE;
  if (head != last)
    return set_broken (conn, case_id, "the journal does not end where the labels stand", error);
  walk.map = map = volume_label_map_new (size, error);
  if (map == NULL || !walk_all (&walk, error))
    return FALSE;
  if (walk.n_walked != n_edits || n_edits != n_counted)
    return set_broken (conn, case_id, "an edit of the history cannot be reached", error);
  return volume_label_map_get_counts (map)[0] == (gsize) size[0] * size[1] * size[2]
         || set_broken (conn, case_id, "the history does not lead back to its start", error);
}

static gboolean
verify_all (DbConn *conn, GError **error)
{
  g_autoptr (GArray) cases =
      read_ids (conn, "SELECT id FROM scan WHERE :id = 0 ORDER BY id", 0, error);

  if (cases == NULL)
    return FALSE;
  for (guint n = 0; n < cases->len; n++)
    if (!verify_case (conn, g_array_index (cases, gint64, n), error))
      return FALSE;
  return TRUE;
}

gboolean
db_store_verify (DbStore *self, GError **error)
{
  DbConn *conn = db_store_borrow_reader (self, error);
  gboolean done = FALSE;

  done = conn != NULL && db_conn_run (conn, error, "BEGIN", NULL) && verify_all (conn, error);
  db_store_return_reader (self, conn);
  return done;
}
