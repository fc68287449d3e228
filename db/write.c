/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/store-private.h"

#include "volume/label-set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

DbWrite *
db_write_new (DbUrgency urgency, gboolean (*run) (DbWrite *, DbTxn *, GError **))
{
  DbWrite *self = g_new0 (DbWrite, 1);

  self->urgency = urgency;
  self->run = run;
  return self;
}

void
db_write_free (DbWrite *self)
{
  if (self == NULL)
    return;
  for (gsize t = 0; t < G_N_ELEMENTS (self->texts); t++)
    g_free (self->texts[t]);
  g_clear_pointer (&self->blob, g_bytes_unref);
  if (self->free_extra != NULL)
    self->free_extra (self->extra);
  g_free (self);
}

static gboolean
set_not_found (DbConn *conn, const char *what, gint64 id, GError **error)
{
  g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: there is no %s %" G_GINT64_FORMAT,
               conn->path, what, id);
  return FALSE;
}

/* Groups */

static void
group_free (gpointer data)
{
  g_ptr_array_unref (data);
}

static gboolean
run_group (DbWrite *self, DbTxn *txn, GError **error)
{
  GPtrArray *writes = self->extra;

  for (guint w = 0; w < writes->len; w++)
    {
      DbWrite *write = g_ptr_array_index (writes, w);

      if (!write->run (write, txn, error))
        return FALSE;
      self->result = write->result;
    }
  return TRUE;
}

DbWrite *
db_write_all (DbWrite **writes, gsize n_writes)
{
  DbWrite *self = db_write_new (DB_URGENCY_PROGRESS, run_group);
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify) db_write_free);

  for (gsize w = 0; w < n_writes; w++)
    {
      self->urgency = MIN (self->urgency, writes[w]->urgency);
      g_ptr_array_add (list, writes[w]);
    }
  self->extra = list;
  self->free_extra = group_free;
  return self;
}

/* Cases */

/* Paths are kept relative to the project (I10). Symbolic links are followed in the folder first:
 * ".." is the kernel's, not the text's. */
static char *
make_relative (const char *project, const char *path)
{
  g_autofree char *folder = NULL;
  g_autofree char *real = NULL;
  g_autofree char *base = NULL;
  g_autofree char *full = NULL;
  g_auto (GStrv) from = NULL;
  g_auto (GStrv) to = NULL;
  GString *relative;
  guint common = 0;

  if (path == NULL || !g_path_is_absolute (path))
    return g_strdup (path);
  folder = g_path_get_dirname (path);
  base = g_path_get_basename (path);
  real = realpath (folder, NULL);
  full = g_canonicalize_filename (base, real != NULL ? real : folder);
  from = g_strsplit (project + 1, "/", -1);
  to = g_strsplit (full + 1, "/", -1);
  while (from[common] != NULL && to[common] != NULL && strcmp (from[common], to[common]) == 0)
    common++;
  relative = g_string_new (NULL);
  for (guint n = common; from[n] != NULL; n++)
    g_string_append (relative, "../");
  for (guint n = common; to[n] != NULL; n++)
    g_string_append_printf (relative, "%s%s", to[n], to[n + 1] != NULL ? "/" : "");
  return g_string_free (relative, FALSE);
}

gint64
db_insert_case (DbConn *conn, const char *project, const DbCaseSpec *spec, GError **error)
{
  const VolumeGeometry *geometry = spec->geometry;
  g_autoptr (GBytes) affine = g_bytes_new (geometry->affine, sizeof geometry->affine);
  g_autofree char *path = make_relative (project, spec->path);
  g_autofree char *truth = make_relative (project, spec->truth_path);

  if (!db_conn_run (
          conn, error,
          "INSERT INTO scan (name, path, sha256, truth_path, volume_index, validation,"
          " size_i, size_j, size_k, orientation, affine) VALUES (:name, :path, :sha256,"
          " :truth, :volume, :validation, :size_i, :size_j, :size_k, :orientation,"
          " :affine)",
          DB_TEXT (":name", spec->name), DB_TEXT (":path", path), DB_TEXT (":sha256", spec->sha256),
          DB_TEXT (":truth", truth), DB_INT (":volume", spec->volume_index),
          DB_INT (":validation", spec->validation != FALSE), DB_INT (":size_i", geometry->size[0]),
          DB_INT (":size_j", geometry->size[1]), DB_INT (":size_k", geometry->size[2]),
          DB_TEXT (":orientation", geometry->orientation), DB_BLOB (":affine", affine), NULL))
    return -1;
  return db_conn_last_id (conn);
}

typedef struct
{
  DbCaseSpec spec;
  VolumeGeometry geometry;
} CasePayload;

static gboolean
run_add_case (DbWrite *self, DbTxn *txn, GError **error)
{
  CasePayload *payload = self->extra;

  if (payload->spec.validation)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT,
                   "%s: validation scans are fixed when the project is made", txn->conn->path);
      return FALSE;
    }
  payload->spec.name = self->texts[0];
  payload->spec.path = self->texts[1];
  payload->spec.sha256 = self->texts[2];
  payload->spec.truth_path = self->texts[3];
  payload->spec.geometry = &payload->geometry;
  self->result = db_insert_case (txn->conn, db_store_get_path (txn->store), &payload->spec, error);
  return self->result > 0 && db_txn_touch (txn, DB_TYPE_CASE, self->result, error)
         && db_insert_event (txn->conn, "scan", self->result, NULL, error);
}

DbWrite *
db_write_add_case (const DbCaseSpec *spec)
{
  DbWrite *self = db_write_new (DB_URGENCY_NORMAL, run_add_case);
  CasePayload *payload = g_new0 (CasePayload, 1);

  payload->spec = *spec;
  payload->geometry = *spec->geometry;
  self->texts[0] = g_strdup (spec->name);
  self->texts[1] = g_strdup (spec->path);
  self->texts[2] = g_strdup (spec->sha256);
  self->texts[3] = g_strdup (spec->truth_path);
  self->extra = payload;
  self->free_extra = g_free;
  return self;
}

static gboolean
touch_case (DbWrite *self, DbTxn *txn, GError **error)
{
  self->result = self->ids[0];
  return db_txn_touch (txn, DB_TYPE_CASE, self->ids[0], error);
}

static gboolean
run_set_case_path (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *path = make_relative (db_store_get_path (txn->store), self->texts[0]);

  return db_conn_run (txn->conn, error, "UPDATE scan SET path = :path WHERE id = :id",
                      DB_TEXT (":path", path), DB_INT (":id", self->ids[0]), NULL)
         && touch_case (self, txn, error);
}

static gboolean
run_set_case_truth (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *path = make_relative (db_store_get_path (txn->store), self->texts[0]);

  return db_conn_run (txn->conn, error, "UPDATE scan SET truth_path = :path WHERE id = :id",
                      DB_TEXT (":path", path), DB_INT (":id", self->ids[0]), NULL)
         && touch_case (self, txn, error);
}

static gboolean
run_set_case_opened (DbWrite *self, DbTxn *txn, GError **error)
{
  return db_conn_run (txn->conn, error, "UPDATE scan SET opened_at = :at WHERE id = :id",
                      DB_INT (":at", db_now ()), DB_INT (":id", self->ids[0]), NULL)
         && touch_case (self, txn, error);
}

static gboolean
run_set_case_complete (DbWrite *self, DbTxn *txn, GError **error)
{
  const gboolean complete = self->ids[1] != 0;
  const DbMove kind = complete ? DB_MOVE_COMPLETE : DB_MOVE_REOPEN;
  gint64 before;

  if (!db_conn_get_int (txn->conn, &before, -1, error, "SELECT complete FROM scan WHERE id = :id",
                        DB_INT (":id", self->ids[0]), NULL))
    return FALSE;
  if (before != complete
      && (!db_conn_run (txn->conn, error, "UPDATE scan SET complete = :complete WHERE id = :id",
                        DB_INT (":complete", complete), DB_INT (":id", self->ids[0]), NULL)
          || (before >= 0
              && (!db_insert_journal (txn->conn, self->ids[0], kind, 0, 0, 0, NULL, error)
                  || !db_insert_event (txn->conn, complete ? "complete" : "reopen", self->ids[0],
                                       NULL, error)))))
    return FALSE;
  return touch_case (self, txn, error);
}

static DbWrite *
new_for_case (DbUrgency urgency, gboolean (*run) (DbWrite *, DbTxn *, GError **), gint64 case_id,
              const char *text)
{
  DbWrite *self = db_write_new (urgency, run);

  self->ids[0] = case_id;
  self->texts[0] = g_strdup (text);
  return self;
}

DbWrite *
db_write_set_case_path (gint64 case_id, const char *path)
{
  return new_for_case (DB_URGENCY_NORMAL, run_set_case_path, case_id, path);
}

DbWrite *
db_write_set_case_truth (gint64 case_id, const char *path)
{
  return new_for_case (DB_URGENCY_NORMAL, run_set_case_truth, case_id, path);
}

DbWrite *
db_write_set_case_opened (gint64 case_id)
{
  return new_for_case (DB_URGENCY_PROGRESS, run_set_case_opened, case_id, NULL);
}

DbWrite *
db_write_set_case_complete (gint64 case_id, gboolean complete)
{
  DbWrite *self = new_for_case (DB_URGENCY_HAND, run_set_case_complete, case_id, NULL);

  self->ids[1] = complete != FALSE;
  return self;
}

/* Slice tasks */

typedef struct
{
  gint64 case_id;
  int plane, index, state;
} Task;

static gboolean
read_task (DbConn *conn, gint64 id, Task *task, GError **error)
{
  sqlite3_stmt *stmt =
      db_conn_query (conn, error, "SELECT scan, plane, idx, state FROM slice_task WHERE id = :id",
                     DB_INT (":id", id), NULL);
  gboolean has_row;

  if (stmt == NULL || !db_conn_step (conn, stmt, &has_row, error))
    return FALSE;
  if (!has_row)
    return set_not_found (conn, "slice task", id, error);
  task->case_id = sqlite3_column_int64 (stmt, 0);
  task->plane = sqlite3_column_int (stmt, 1);
  task->index = sqlite3_column_int (stmt, 2);
  task->state = sqlite3_column_int (stmt, 3);
  sqlite3_reset (stmt);
  return TRUE;
}

static gboolean
touch_task (DbTxn *txn, gint64 id, gint64 case_id, GError **error)
{
  return db_txn_touch (txn, DB_TYPE_SLICE_TASK, id, error)
         && db_txn_touch (txn, DB_TYPE_CASE, case_id, error);
}

/* The slice exists: the plane has an axis, and the axis that many voxels. */
static gboolean
check_slice (DbConn *conn, gint64 case_id, int plane, int index, GError **error)
{
  gpointer row;
  VolumeGeometry geometry;
  int n_slices = 0;

  if (!db_row_read (conn, DB_TYPE_CASE, case_id, &row, error))
    return FALSE;
  if (row == NULL)
    return set_not_found (conn, "scan", case_id, error);
  db_case_get_geometry (row, &geometry);
  g_object_unref (row);
  if (plane >= 0 && plane < VOLUME_N_PLANES)
    n_slices = geometry.size[geometry.axis_of_plane[plane]];
  if (index >= 0 && index < n_slices)
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND,
               "%s: scan %" G_GINT64_FORMAT " has %s slices 0 to %d, no slice %d", conn->path,
               case_id, n_slices > 0 ? volume_plane_get_name (plane) : "no such", n_slices - 1,
               index);
  return FALSE;
}

static gboolean
propose (DbTxn *txn, gint64 case_id, int plane, int index, const char *origin, gint64 *id,
         GError **error)
{
  if (!check_slice (txn->conn, case_id, plane, index, error)
      || !db_conn_run (txn->conn, error,
                       "INSERT INTO slice_task (scan, plane, idx, origin) VALUES (:scan, :plane,"
                       " :idx, :origin) ON CONFLICT (scan, plane, idx) DO NOTHING",
                       DB_INT (":scan", case_id), DB_INT (":plane", plane), DB_INT (":idx", index),
                       DB_TEXT (":origin", origin != NULL ? origin : "person"), NULL))
    return FALSE;
  return db_conn_get_int (txn->conn, id, 0, error,
                          "SELECT id FROM slice_task WHERE scan = :scan AND plane = :plane"
                          " AND idx = :idx",
                          DB_INT (":scan", case_id), DB_INT (":plane", plane),
                          DB_INT (":idx", index), NULL);
}

static gboolean
run_propose (DbWrite *self, DbTxn *txn, GError **error)
{
  return propose (txn, self->ids[0], self->ids[1], self->ids[2], self->texts[0], &self->result,
                  error)
         && touch_task (txn, self->result, self->ids[0], error);
}

static DbWrite *
new_for_slice (gboolean (*run) (DbWrite *, DbTxn *, GError **), gint64 case_id, int plane,
               int index, const char *origin, const char *user)
{
  DbWrite *self = new_for_case (DB_URGENCY_HAND, run, case_id, origin);

  self->ids[1] = plane;
  self->ids[2] = index;
  self->texts[1] = g_strdup (user != NULL ? user : g_get_user_name ());
  return self;
}

DbWrite *
db_write_propose_slice (gint64 case_id, VolumePlane plane, int index, const char *origin)
{
  return new_for_slice (run_propose, case_id, plane, index, origin, NULL);
}

static gboolean
check_unsigned (DbConn *conn, const Task *task, GError **error)
{
  if (task->state != DB_TASK_SIGNED)
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT,
               "%s: the %s slice %d is signed; take the signature back first", conn->path,
               volume_plane_get_name (task->plane), task->index);
  return FALSE;
}

static gboolean
run_move_task (DbWrite *self, DbTxn *txn, GError **error)
{
  gint64 other;
  Task task;

  if (!read_task (txn->conn, self->ids[0], &task, error)
      || !check_unsigned (txn->conn, &task, error)
      || !check_slice (txn->conn, task.case_id, task.plane, self->ids[1], error)
      || !db_conn_get_int (txn->conn, &other, 0, error,
                           "SELECT id FROM slice_task WHERE scan = :scan AND plane = :plane"
                           " AND idx = :idx AND id != :id",
                           DB_INT (":scan", task.case_id), DB_INT (":plane", task.plane),
                           DB_INT (":idx", self->ids[1]), DB_INT (":id", self->ids[0]), NULL))
    return FALSE;
  if (other != 0)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_EXISTS, "%s: the %s slice %d is a task already",
                   txn->conn->path, volume_plane_get_name (task.plane), (int) self->ids[1]);
      return FALSE;
    }
  self->result = self->ids[0];
  return db_conn_run (txn->conn, error, "UPDATE slice_task SET idx = :idx WHERE id = :id",
                      DB_INT (":idx", self->ids[1]), DB_INT (":id", self->ids[0]), NULL)
         && touch_task (txn, self->ids[0], task.case_id, error);
}

DbWrite *
db_write_move_task (gint64 task_id, int index)
{
  DbWrite *self = db_write_new (DB_URGENCY_HAND, run_move_task);

  self->ids[0] = task_id;
  self->ids[1] = index;
  return self;
}

static gboolean
run_remove_task (DbWrite *self, DbTxn *txn, GError **error)
{
  Task task;

  if (!read_task (txn->conn, self->ids[0], &task, error)
      || !check_unsigned (txn->conn, &task, error)
      || !db_conn_run (txn->conn, error, "DELETE FROM slice_task WHERE id = :id",
                       DB_INT (":id", self->ids[0]), NULL))
    return FALSE;
  self->result = self->ids[0];
  db_txn_remove (txn, DB_TYPE_SLICE_TASK, self->ids[0]);
  return db_txn_touch (txn, DB_TYPE_CASE, task.case_id, error);
}

DbWrite *
db_write_remove_task (gint64 task_id)
{
  return new_for_case (DB_URGENCY_HAND, run_remove_task, task_id, NULL);
}

static gboolean
sign (DbTxn *txn, gint64 id, const char *user, GError **error)
{
  g_autofree char *detail = NULL;
  Task task;

  if (!read_task (txn->conn, id, &task, error))
    return FALSE;
  if (task.state == DB_TASK_SIGNED)
    return touch_task (txn, id, task.case_id, error);
  detail = g_strdup_printf ("{\"plane\":\"%s\",\"index\":%d}", volume_plane_get_name (task.plane),
                            task.index);
  return db_conn_run (txn->conn, error,
                      "UPDATE slice_task SET state = 1, signed_by = :user, signed_at = :at"
                      " WHERE id = :id",
                      DB_TEXT (":user", user), DB_INT (":at", db_now ()), DB_INT (":id", id), NULL)
         && db_insert_journal (txn->conn, task.case_id, DB_MOVE_SIGN, 0, task.plane, task.index,
                               NULL, error)
         && db_insert_event (txn->conn, "sign", task.case_id, detail, error)
         && touch_task (txn, id, task.case_id, error);
}

static gboolean
run_sign (DbWrite *self, DbTxn *txn, GError **error)
{
  self->result = self->ids[0];
  return sign (txn, self->ids[0], self->texts[0], error);
}

DbWrite *
db_write_sign_task (gint64 task_id, const char *user)
{
  return new_for_case (DB_URGENCY_HAND, run_sign, task_id,
                       user != NULL ? user : g_get_user_name ());
}

static gboolean
run_sign_slice (DbWrite *self, DbTxn *txn, GError **error)
{
  return propose (txn, self->ids[0], self->ids[1], self->ids[2], self->texts[0], &self->result,
                  error)
         && sign (txn, self->result, self->texts[1], error);
}

DbWrite *
db_write_sign_slice (gint64 case_id, VolumePlane plane, int index, const char *origin,
                     const char *user)
{
  return new_for_slice (run_sign_slice, case_id, plane, index, origin, user);
}

static gboolean
run_unsign (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *detail = NULL;
  Task task;

  self->result = self->ids[0];
  if (!read_task (txn->conn, self->ids[0], &task, error))
    return FALSE;
  if (task.state != DB_TASK_SIGNED)
    return TRUE;
  detail = g_strdup_printf ("{\"plane\":\"%s\",\"index\":%d}", volume_plane_get_name (task.plane),
                            task.index);
  return db_conn_run (txn->conn, error,
                      "UPDATE slice_task SET state = 0, signed_by = NULL, signed_at = NULL"
                      " WHERE id = :id",
                      DB_INT (":id", self->ids[0]), NULL)
         && db_insert_journal (txn->conn, task.case_id, DB_MOVE_UNSIGN, 0, task.plane, task.index,
                               NULL, error)
         && db_insert_event (txn->conn, "unsign", task.case_id, detail, error)
         && touch_task (txn, self->ids[0], task.case_id, error);
}

DbWrite *
db_write_unsign_task (gint64 task_id)
{
  return new_for_case (DB_URGENCY_HAND, run_unsign, task_id, NULL);
}

static gboolean
run_add_task_seconds (DbWrite *self, DbTxn *txn, GError **error)
{
  Task task;

  self->result = self->ids[0];
  return read_task (txn->conn, self->ids[0], &task, error)
         && db_conn_run (txn->conn, error,
                         "UPDATE slice_task SET seconds = seconds + :seconds WHERE id = :id",
                         DB_REAL (":seconds", self->reals[0]), DB_INT (":id", self->ids[0]), NULL)
         && touch_task (txn, self->ids[0], task.case_id, error);
}

DbWrite *
db_write_add_task_seconds (gint64 task_id, double seconds)
{
  DbWrite *self = new_for_case (DB_URGENCY_PROGRESS, run_add_task_seconds, task_id, NULL);

  self->reals[0] = isfinite (seconds) && seconds > 0 ? seconds : 0;
  return self;
}

/* Labels */

static char *
palette_colour (gint64 id)
{
  guint8 rgba[4];

  volume_label_palette (id - 1, rgba);
  return g_strdup_printf ("#%02x%02x%02x", rgba[0], rgba[1], rgba[2]);
}

static gboolean
is_colour (const char *text)
{
  return strlen (text) == 7 && text[0] == '#' && strspn (text + 1, "0123456789abcdefABCDEF") == 6;
}

gint64
db_insert_label (DbConn *conn, gint64 id, const char *name, const char *colour, GError **error)
{
  g_autofree char *chosen = NULL;
  g_autofree char *word = NULL;

  if (id == 0 && !db_conn_get_int (conn, &id, 1, error, "SELECT max (id) + 1 FROM label", NULL))
    return -1;
  if (id < 1 || id > 65535)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT,
                   "Labels have ids from 1 to 65535, not %" G_GINT64_FORMAT ".", id);
      return -1;
    }
  if (colour != NULL && !is_colour (colour))
    {
      g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT, "“%s” is not a colour like #e69f00.",
                   colour);
      return -1;
    }
  chosen = palette_colour (id);
  word = g_strdup_printf ("label %" G_GINT64_FORMAT, id);
  if (!db_conn_run (conn, error,
                    "INSERT INTO label (id, name, colour) VALUES (:id, coalesce (:name, :word),"
                    " coalesce (:colour, :chosen)) ON CONFLICT (id) DO UPDATE SET"
                    " name = coalesce (:name, name), colour = coalesce (:colour, colour)",
                    DB_INT (":id", id), DB_TEXT (":name", name), DB_TEXT (":word", word),
                    DB_TEXT (":colour", colour), DB_TEXT (":chosen", chosen), NULL))
    return -1;
  return id;
}

static gboolean
run_put_label (DbWrite *self, DbTxn *txn, GError **error)
{
  self->result = db_insert_label (txn->conn, self->ids[0], self->texts[0], self->texts[1], error);
  return self->result > 0 && db_txn_touch (txn, DB_TYPE_LABEL, self->result, error);
}

DbWrite *
db_write_put_label (gint64 id, const char *name, const char *colour)
{
  DbWrite *self = new_for_case (DB_URGENCY_NORMAL, run_put_label, id, name);

  self->texts[1] = g_strdup (colour);
  return self;
}

static gboolean
run_set_label_visible (DbWrite *self, DbTxn *txn, GError **error)
{
  self->result = self->ids[0];
  return db_conn_run (txn->conn, error, "UPDATE label SET visible = :value WHERE id = :id",
                      DB_INT (":value", self->ids[1]), DB_INT (":id", self->ids[0]), NULL)
         && db_txn_touch (txn, DB_TYPE_LABEL, self->ids[0], error);
}

static gboolean
run_set_label_locked (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *detail = g_strdup_printf ("{\"label\":%" G_GINT64_FORMAT "}", self->ids[0]);

  self->result = self->ids[0];
  return db_conn_run (txn->conn, error, "UPDATE label SET locked = :value WHERE id = :id",
                      DB_INT (":value", self->ids[1]), DB_INT (":id", self->ids[0]), NULL)
         && db_insert_event (txn->conn, self->ids[1] ? "lock" : "unlock", 0, detail, error)
         && db_txn_touch (txn, DB_TYPE_LABEL, self->ids[0], error);
}

DbWrite *
db_write_set_label_visible (gint64 id, gboolean visible)
{
  DbWrite *self = new_for_case (DB_URGENCY_NORMAL, run_set_label_visible, id, NULL);

  self->ids[1] = visible != FALSE;
  return self;
}

DbWrite *
db_write_set_label_locked (gint64 id, gboolean locked)
{
  DbWrite *self = new_for_case (DB_URGENCY_HAND, run_set_label_locked, id, NULL);

  self->ids[1] = locked != FALSE;
  return self;
}

/* Rounds */

static const char *const roles[3] = { "labelled", "unlabelled", "validation" };

typedef struct
{
  GArray *cases[3]; /* gint64, by role */
} RoundPayload;

static void
round_payload_free (gpointer data)
{
  RoundPayload *payload = data;

  for (int r = 0; r < 3; r++)
    g_array_unref (payload->cases[r]);
  g_free (payload);
}

static gboolean
insert_round_case (DbConn *conn, gint64 round, gint64 case_id, const char *role, GError **error)
{
  gint64 validation;

  if (!db_conn_get_int (conn, &validation, -1, error, "SELECT validation FROM scan WHERE id = :id",
                        DB_INT (":id", case_id), NULL))
    return FALSE;
  if (validation < 0)
    return set_not_found (conn, "scan", case_id, error);
  /* I6: never trained on, and nothing else is called validation. */
  if (validation != (strcmp (role, "validation") == 0))
    {
      g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT,
                   "%s: scan %" G_GINT64_FORMAT " is %s validation scan and cannot be used as %s",
                   conn->path, case_id, validation ? "a" : "no", role);
      return FALSE;
    }
  return db_conn_run (conn, error, "INSERT INTO round_scan VALUES (:round, :scan, :role)",
                      DB_INT (":round", round), DB_INT (":scan", case_id), DB_TEXT (":role", role),
                      NULL);
}

static gboolean
run_add_round (DbWrite *self, DbTxn *txn, GError **error)
{
  RoundPayload *payload = self->extra;
  const gint64 now = db_now ();

  if (!db_conn_run (
          txn->conn, error,
          "INSERT INTO round (method, params, profile, supervision, seed, n_steps,"
          " journal_seq, expert_seconds, created_at, updated_at) VALUES (:method, :params,"
          " :profile, :supervision, :seed, :n_steps,"
          " (SELECT coalesce (max (seq), 0) FROM journal),"
          " (SELECT total (seconds) FROM slice_task), :now, :now)",
          DB_TEXT (":method", self->texts[0]), DB_TEXT (":params", self->texts[1]),
          DB_TEXT (":profile", self->texts[2]), DB_TEXT (":supervision", self->texts[3]),
          DB_INT (":seed", self->ids[0]), DB_INT (":n_steps", self->ids[1]), DB_INT (":now", now),
          NULL))
    return FALSE;
  self->result = db_conn_last_id (txn->conn);
  for (int r = 0; r < 3; r++)
    for (guint n = 0; n < payload->cases[r]->len; n++)
      if (!insert_round_case (txn->conn, self->result, g_array_index (payload->cases[r], gint64, n),
                              roles[r], error))
        return FALSE;
  return db_insert_event (txn->conn, "round", 0, self->texts[1], error)
         && db_txn_touch (txn, DB_TYPE_ROUND, self->result, error);
}

DbWrite *
db_write_add_round (const DbRoundSpec *spec)
{
  DbWrite *self = db_write_new (DB_URGENCY_NORMAL, run_add_round);
  RoundPayload *payload = g_new0 (RoundPayload, 1);
  const gint64 *cases[3] = { spec->labelled, spec->unlabelled, spec->validation };
  const gsize n_cases[3] = { spec->n_labelled, spec->n_unlabelled, spec->n_validation };

  for (int r = 0; r < 3; r++)
    {
      payload->cases[r] = g_array_new (FALSE, FALSE, sizeof (gint64));
      g_array_append_vals (payload->cases[r], cases[r], n_cases[r]);
    }
  self->texts[0] = g_strdup (spec->method);
  self->texts[1] = g_strdup (spec->params);
  self->texts[2] = g_strdup (spec->profile);
  self->texts[3] = g_strdup (spec->supervision != NULL ? spec->supervision : "cross");
  self->ids[0] = spec->seed;
  self->ids[1] = spec->n_steps;
  self->extra = payload;
  self->free_extra = round_payload_free;
  return self;
}

static gboolean
run_update_round (DbWrite *self, DbTxn *txn, GError **error)
{
  const gint64 flags = self->ids[1];

  self->result = self->ids[0];
  return db_conn_run (
             txn->conn, error,
             "UPDATE round SET updated_at = :now,"
             " state = CASE WHEN :flags & 1 THEN :state ELSE state END,"
             " step = CASE WHEN :flags & 2 THEN :step ELSE step END,"
             " n_steps = CASE WHEN :flags & 4 THEN :n_steps ELSE n_steps END,"
             " loss = CASE WHEN :flags & 8 THEN :loss ELSE loss END,"
             " dice = CASE WHEN :flags & 16 THEN :dice ELSE dice END,"
             " seconds = CASE WHEN :flags & 32 THEN :seconds ELSE seconds END,"
             " model = CASE WHEN :flags & 64 THEN :model ELSE model END,"
             " message = CASE WHEN :flags & 128 THEN :message ELSE message END WHERE id = :id",
             DB_INT (":flags", flags), DB_INT (":now", db_now ()), DB_INT (":state", self->ids[2]),
             DB_INT (":step", self->ids[3]), DB_INT (":n_steps", self->ids[4]),
             DB_ID (":model", self->ids[5]), DB_REAL (":loss", self->reals[0]),
             DB_REAL (":dice", self->reals[1]), DB_REAL (":seconds", self->reals[2]),
             DB_TEXT (":message", self->texts[0]), DB_INT (":id", self->ids[0]), NULL)
         && db_txn_touch (txn, DB_TYPE_ROUND, self->ids[0], error);
}

DbWrite *
db_write_update_round (gint64 round, const DbRoundUpdate *update)
{
  const gboolean is_progress = (update->flags & (DB_ROUND_SET_STATE | DB_ROUND_SET_MODEL)) == 0;
  DbWrite *self =
      db_write_new (is_progress ? DB_URGENCY_PROGRESS : DB_URGENCY_NORMAL, run_update_round);

  self->ids[0] = round;
  self->ids[1] = update->flags;
  self->ids[2] = update->state;
  self->ids[3] = update->step;
  self->ids[4] = update->n_steps;
  self->ids[5] = update->model;
  self->reals[0] = update->loss;
  self->reals[1] = update->dice;
  self->reals[2] = isfinite (update->seconds) ? update->seconds : 0;
  self->texts[0] = g_strdup (update->message);
  return self;
}

/* Metrics */

static void
apply_metrics_cb (DbStore *store, DbNews *news)
{
  db_store_emit_metrics (store, news->id, news->other);
}

static gboolean
run_add_metrics (DbWrite *self, DbTxn *txn, GError **error)
{
  GArray *points = self->extra;
  DbNews *news;

  for (guint n = 0; n < points->len; n++)
    {
      const DbMetricPoint *point = &g_array_index (points, DbMetricPoint, n);

      if (!db_conn_run (
              txn->conn, error,
              "INSERT INTO metric (round, step, name, value) VALUES (:round, :step, :name,"
              " :value)",
              DB_INT (":round", self->ids[0]), DB_INT (":step", point->step),
              DB_TEXT (":name", point->name), DB_REAL (":value", point->value), NULL))
        return FALSE;
    }
  self->result = points->len;
  news = db_txn_add_news (txn, apply_metrics_cb);
  news->id = self->ids[0];
  news->other = points->len > 0 ? g_array_index (points, DbMetricPoint, points->len - 1).step : 0;
  return TRUE;
}

static void
array_unref (gpointer array)
{
  g_array_unref (array);
}

DbWrite *
db_write_add_metrics (gint64 round, const DbMetricPoint *points, gsize n_points)
{
  DbWrite *self = db_write_new (DB_URGENCY_PROGRESS, run_add_metrics);
  GArray *copy = g_array_sized_new (FALSE, FALSE, sizeof (DbMetricPoint), n_points);

  g_array_append_vals (copy, points, n_points);
  for (gsize n = 0; n < n_points; n++)
    g_array_index (copy, DbMetricPoint, n).name = g_intern_string (points[n].name);
  self->ids[0] = round;
  self->extra = copy;
  self->free_extra = array_unref;
  return self;
}

static gboolean
run_cut_metrics (DbWrite *self, DbTxn *txn, GError **error)
{
  DbNews *news;

  if (!db_conn_run (txn->conn, error, "DELETE FROM metric WHERE round = :round AND step > :step",
                    DB_INT (":round", self->ids[0]), DB_INT (":step", self->ids[1]), NULL))
    return FALSE;
  self->result = db_conn_n_changed (txn->conn);
  news = db_txn_add_news (txn, apply_metrics_cb);
  news->id = self->ids[0];
  news->other = self->ids[1];
  return TRUE;
}

DbWrite *
db_write_cut_metrics (gint64 round, gint64 after_step)
{
  /* As urgent as the metrics, so that none overtakes the other. */
  DbWrite *self = db_write_new (DB_URGENCY_PROGRESS, run_cut_metrics);

  self->ids[0] = round;
  self->ids[1] = after_step;
  return self;
}

/* Jobs */

static gboolean
run_add_job (DbWrite *self, DbTxn *txn, GError **error)
{
  if (!db_conn_run (txn->conn, error,
                    "INSERT INTO job (kind, title, params, round, created_at, updated_at) VALUES"
                    " (:kind, :title, :params, :round, :now, :now)",
                    DB_TEXT (":kind", self->texts[0]), DB_TEXT (":title", self->texts[1]),
                    DB_TEXT (":params", self->texts[2]), DB_INT (":round", self->ids[0]),
                    DB_INT (":now", db_now ()), NULL))
    return FALSE;
  self->result = db_conn_last_id (txn->conn);
  return db_txn_touch (txn, DB_TYPE_JOB, self->result, error);
}

DbWrite *
db_write_add_job (const char *kind, const char *title, const char *params, gint64 round)
{
  DbWrite *self = db_write_new (DB_URGENCY_NORMAL, run_add_job);

  self->texts[0] = g_strdup (kind);
  self->texts[1] = g_strdup (title);
  self->texts[2] = g_strdup (params);
  self->ids[0] = round;
  return self;
}

static gboolean
run_set_job_state (DbWrite *self, DbTxn *txn, GError **error)
{
  self->result = self->ids[0];
  return db_conn_run (txn->conn, error,
                      "UPDATE job SET state = :state, message = :message, updated_at = :now,"
                      " fraction = CASE WHEN :state = 3 THEN 1 ELSE fraction END WHERE id = :id",
                      DB_INT (":state", self->ids[1]), DB_TEXT (":message", self->texts[0]),
                      DB_INT (":now", db_now ()), DB_INT (":id", self->ids[0]), NULL)
         && db_txn_touch (txn, DB_TYPE_JOB, self->ids[0], error);
}

DbWrite *
db_write_set_job_state (gint64 job, DbJobState state, const char *message)
{
  DbWrite *self = new_for_case (DB_URGENCY_NORMAL, run_set_job_state, job, message);

  self->ids[1] = state;
  return self;
}

static gboolean
run_set_job_progress (DbWrite *self, DbTxn *txn, GError **error)
{
  self->result = self->ids[0];
  /* A report that a change of state has overtaken says nothing any more. */
  return db_conn_run (txn->conn, error,
                      "UPDATE job SET fraction = :fraction, step = :step, n_steps = :n_steps,"
                      " message = coalesce (:message, message), updated_at = :now WHERE id = :id"
                      " AND state < 3",
                      DB_REAL (":fraction", self->reals[0]), DB_INT (":step", self->ids[1]),
                      DB_INT (":n_steps", self->ids[2]), DB_TEXT (":message", self->texts[0]),
                      DB_INT (":now", db_now ()), DB_INT (":id", self->ids[0]), NULL)
         && db_txn_touch (txn, DB_TYPE_JOB, self->ids[0], error);
}

DbWrite *
db_write_set_job_progress (gint64 job, double fraction, gint64 step, gint64 n_steps,
                           const char *message)
{
  DbWrite *self = new_for_case (DB_URGENCY_PROGRESS, run_set_job_progress, job, message);

  self->reals[0] = isfinite (fraction) ? CLAMP (fraction, 0, 1) : 0;
  self->ids[1] = step;
  self->ids[2] = n_steps;
  return self;
}

static gboolean
run_set_job_checkpoint (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *path = make_relative (db_store_get_path (txn->store), self->texts[0]);

  self->result = self->ids[0];
  return db_conn_run (txn->conn, error,
                      "UPDATE job SET checkpoint = :path, updated_at = :now WHERE id = :id",
                      DB_TEXT (":path", path), DB_INT (":now", db_now ()),
                      DB_INT (":id", self->ids[0]), NULL)
         && db_txn_touch (txn, DB_TYPE_JOB, self->ids[0], error);
}

DbWrite *
db_write_set_job_checkpoint (gint64 job, const char *path)
{
  return new_for_case (DB_URGENCY_NORMAL, run_set_job_checkpoint, job, path);
}

/* Models, predictions, selections */

static gboolean
run_add_model (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *path = make_relative (db_store_get_path (txn->store), self->texts[1]);

  if (!db_conn_run (txn->conn, error,
                    "INSERT INTO model (round, name, path, sha256, description, dice, created_at)"
                    " VALUES (:round, :name, :path, coalesce (:sha256, ''), :description, :dice,"
                    " :now)",
                    DB_INT (":round", self->ids[0]), DB_TEXT (":name", self->texts[0]),
                    DB_TEXT (":path", path), DB_TEXT (":sha256", self->texts[2]),
                    DB_TEXT (":description", self->texts[3]), DB_REAL (":dice", self->reals[0]),
                    DB_INT (":now", db_now ()), NULL))
    return FALSE;
  self->result = db_conn_last_id (txn->conn);
  return db_txn_touch (txn, DB_TYPE_MODEL, self->result, error);
}

DbWrite *
db_write_add_model (gint64 round, const char *name, const char *path, const char *sha256,
                    const char *description, double dice)
{
  DbWrite *self = db_write_new (DB_URGENCY_NORMAL, run_add_model);

  self->ids[0] = round;
  self->texts[0] = g_strdup (name);
  self->texts[1] = g_strdup (path);
  self->texts[2] = g_strdup (sha256);
  self->texts[3] = g_strdup (description);
  self->reals[0] = dice;
  return self;
}

static gboolean
run_add_prediction (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *path = make_relative (db_store_get_path (txn->store), self->texts[0]);

  if (!db_conn_run (txn->conn, error,
                    "INSERT INTO prediction (scan, model, round, path, confidence, created_at)"
                    " VALUES (:scan, :model, :round, :path, :confidence, :now)"
                    " ON CONFLICT (scan, model) DO UPDATE SET round = :round, path = :path,"
                    " confidence = :confidence, accepted_edit = NULL, created_at = :now",
                    DB_INT (":scan", self->ids[0]), DB_INT (":model", self->ids[1]),
                    DB_INT (":round", self->ids[2]), DB_TEXT (":path", path),
                    DB_REAL (":confidence", self->reals[0]), DB_INT (":now", db_now ()), NULL)
      || !db_conn_get_int (txn->conn, &self->result, 0, error,
                           "SELECT id FROM prediction WHERE scan = :scan AND model = :model",
                           DB_INT (":scan", self->ids[0]), DB_INT (":model", self->ids[1]), NULL))
    return FALSE;
  return db_txn_touch (txn, DB_TYPE_PREDICTION, self->result, error);
}

DbWrite *
db_write_add_prediction (gint64 case_id, gint64 model, gint64 round, const char *path,
                         double confidence)
{
  DbWrite *self = new_for_case (DB_URGENCY_NORMAL, run_add_prediction, case_id, path);

  self->ids[1] = model;
  self->ids[2] = round;
  self->reals[0] = confidence;
  return self;
}

static gboolean
run_set_prediction_accepted (DbWrite *self, DbTxn *txn, GError **error)
{
  self->result = self->ids[0];
  return db_conn_run (txn->conn, error,
                      "UPDATE prediction SET accepted_edit = :edit WHERE id = :id",
                      DB_ID (":edit", self->ids[1]), DB_INT (":id", self->ids[0]), NULL)
         && db_txn_touch (txn, DB_TYPE_PREDICTION, self->ids[0], error);
}

DbWrite *
db_write_set_prediction_accepted (gint64 prediction, gint64 edit)
{
  DbWrite *self = new_for_case (DB_URGENCY_HAND, run_set_prediction_accepted, prediction, NULL);

  self->ids[1] = edit;
  return self;
}

typedef struct
{
  gint64 case_id;
  double score;
  char *scores, *reason;
} Ranked;

static void
ranked_clear (gpointer data)
{
  Ranked *entry = data;

  g_free (entry->scores);
  g_free (entry->reason);
}

static void
apply_new_selection_cb (DbStore *store, DbNews *news)
{
  db_store_forget_selection (store);
}

static gboolean
insert_ranked (DbWrite *self, DbTxn *txn, const Ranked *entry, gint64 batch, int rank,
               GError **error)
{
  gint64 validation;

  if (!db_conn_get_int (txn->conn, &validation, -1, error,
                        "SELECT validation FROM scan WHERE id = :id",
                        DB_INT (":id", entry->case_id), NULL))
    return FALSE;
  if (validation < 0)
    return set_not_found (txn->conn, "scan", entry->case_id, error);
  if (validation)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT,
                   "%s: scan %" G_GINT64_FORMAT " is a validation scan and is never selected",
                   txn->conn->path, entry->case_id); /* I6 */
      return FALSE;
    }
  return db_conn_run (
             txn->conn, error,
             "INSERT INTO selection (batch, round, scan, rank, score, strategy, scores,"
             " reason, created_at) VALUES (:batch, :round, :scan, :rank, :score, :strategy,"
             " :scores, :reason, :now)",
             DB_INT (":batch", batch), DB_INT (":round", self->ids[0]),
             DB_INT (":scan", entry->case_id), DB_INT (":rank", rank),
             DB_REAL (":score", isfinite (entry->score) ? entry->score : 0),
             DB_TEXT (":strategy", self->texts[0]), DB_TEXT (":scores", entry->scores),
             DB_TEXT (":reason", entry->reason), DB_INT (":now", db_now ()), NULL)
         && db_txn_touch (txn, DB_TYPE_SELECTION, db_conn_last_id (txn->conn), error)
         && db_conn_run (txn->conn, error,
                         "UPDATE scan SET rank = :rank, score = :score, reason = :reason"
                         " WHERE id = :id",
                         DB_INT (":rank", rank),
                         DB_REAL (":score", isfinite (entry->score) ? entry->score : 0),
                         DB_TEXT (":reason", entry->reason), DB_INT (":id", entry->case_id), NULL);
}

static gboolean
touch_all_cases (DbTxn *txn, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  sqlite3_stmt *stmt = db_conn_query (txn->conn, error, "SELECT id FROM scan ORDER BY id", NULL);
  gboolean has_row;

  if (stmt == NULL)
    return FALSE;
  for (;;)
    {
      gint64 id;

      if (!db_conn_step (txn->conn, stmt, &has_row, error))
        return FALSE;
      if (!has_row)
        break;
      id = sqlite3_column_int64 (stmt, 0);
      g_array_append_val (ids, id);
    }
  for (guint n = 0; n < ids->len; n++)
    if (!db_txn_touch (txn, DB_TYPE_CASE, g_array_index (ids, gint64, n), error))
      return FALSE;
  return TRUE;
}

static gboolean
run_add_selection (DbWrite *self, DbTxn *txn, GError **error)
{
  GArray *entries = self->extra;
  gint64 batch;

  if (!db_conn_get_int (txn->conn, &batch, 1, error, "SELECT max (batch) + 1 FROM selection", NULL)
      || !db_conn_run (txn->conn, error, "UPDATE scan SET rank = 0, score = 0, reason = NULL",
                       NULL))
    return FALSE;
  db_txn_add_news (txn, apply_new_selection_cb);
  for (guint n = 0; n < entries->len; n++)
    if (!insert_ranked (self, txn, &g_array_index (entries, Ranked, n), batch, n + 1, error))
      return FALSE;
  self->result = batch;
  return touch_all_cases (txn, error);
}

DbWrite *
db_write_add_selection (gint64 round, const char *strategy, const DbSelectionEntry *entries,
                        gsize n_entries)
{
  DbWrite *self = new_for_case (DB_URGENCY_NORMAL, run_add_selection, round, strategy);
  GArray *copy = g_array_new (FALSE, FALSE, sizeof (Ranked));

  g_array_set_clear_func (copy, ranked_clear);
  for (gsize n = 0; n < n_entries; n++)
    {
      Ranked entry = { entries[n].case_id, entries[n].score, g_strdup (entries[n].scores),
                       g_strdup (entries[n].reason) };

      g_array_append_val (copy, entry);
    }
  self->extra = copy;
  self->free_extra = array_unref;
  return self;
}

/* Events, settings, views */

gboolean
db_insert_event (DbConn *conn, const char *kind, gint64 case_id, const char *detail, GError **error)
{
  return db_conn_run (conn, error,
                      "INSERT INTO event (at, kind, scan, detail) VALUES (:at, :kind, :scan,"
                      " :detail)",
                      DB_INT (":at", db_now ()), DB_TEXT (":kind", kind), DB_INT (":scan", case_id),
                      DB_TEXT (":detail", detail), NULL);
}

static gboolean
run_add_event (DbWrite *self, DbTxn *txn, GError **error)
{
  if (!db_insert_event (txn->conn, self->texts[0], self->ids[0], self->texts[1], error))
    return FALSE;
  self->result = db_conn_last_id (txn->conn);
  return TRUE;
}

DbWrite *
db_write_add_event (const char *kind, gint64 case_id, const char *detail)
{
  DbWrite *self = new_for_case (DB_URGENCY_NORMAL, run_add_event, case_id, kind);

  self->texts[1] = g_strdup (detail);
  return self;
}

static void
apply_setting_cb (DbStore *store, DbNews *news)
{
  db_store_set_setting_in_memory (store, news->key, news->value);
}

static gboolean
run_set_setting (DbWrite *self, DbTxn *txn, GError **error)
{
  DbNews *news;
  gboolean done;

  if (self->texts[1] == NULL)
    done = db_conn_run (txn->conn, error, "DELETE FROM setting WHERE key = :key",
                        DB_TEXT (":key", self->texts[0]), NULL);
  else
    done = db_conn_run (txn->conn, error,
                        "INSERT INTO setting VALUES (:key, :value) ON CONFLICT (key) DO UPDATE"
                        " SET value = :value",
                        DB_TEXT (":key", self->texts[0]), DB_TEXT (":value", self->texts[1]), NULL);
  if (!done)
    return FALSE;
  news = db_txn_add_news (txn, apply_setting_cb);
  news->key = g_strdup (self->texts[0]);
  news->value = g_strdup (self->texts[1]);
  return TRUE;
}

DbWrite *
db_write_set_setting (const char *key, const char *value)
{
  DbWrite *self = new_for_case (DB_URGENCY_NORMAL, run_set_setting, 0, key);

  self->texts[1] = g_strdup (value);
  return self;
}

static void
apply_view_cb (DbStore *store, DbNews *news)
{
  db_store_set_view_in_memory (store, news->id, news->value);
}

static gboolean
run_set_view (DbWrite *self, DbTxn *txn, GError **error)
{
  DbNews *news;

  if (!db_conn_run (txn->conn, error, "UPDATE scan SET view = :view WHERE id = :id",
                    DB_TEXT (":view", self->texts[0]), DB_INT (":id", self->ids[0]), NULL))
    return FALSE;
  if (db_conn_n_changed (txn->conn) == 0)
    return set_not_found (txn->conn, "scan", self->ids[0], error);
  news = db_txn_add_news (txn, apply_view_cb);
  news->id = self->ids[0];
  news->value = g_strdup (self->texts[0]);
  return TRUE;
}

DbWrite *
db_write_set_view (gint64 case_id, const char *json)
{
  return new_for_case (DB_URGENCY_PROGRESS, run_set_view, case_id, json);
}
