/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/store-private.h"

#include "db/journal-private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

gint64
db_insert_case (DbConn *conn, const char *project, const DbCaseSpec *spec, GError **error)
{
  const VolumeGeometry *geometry = spec->geometry;
  g_autoptr (GBytes) affine = g_bytes_new (geometry->affine, sizeof geometry->affine);
  g_autofree char *path = db_make_relative (project, spec->path);
  g_autofree char *truth = db_make_relative (project, spec->truth_path);

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
  g_autofree char *path = db_make_relative (db_store_get_path (txn->store), self->texts[0]);

  return db_conn_run (txn->conn, error, "UPDATE scan SET path = :path WHERE id = :id",
                      DB_TEXT (":path", path), DB_INT (":id", self->ids[0]), NULL)
         && touch_case (self, txn, error);
}

static gboolean
run_set_case_truth (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *path = db_make_relative (db_store_get_path (txn->store), self->texts[0]);

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

DbWrite *
db_write_set_case_path (gint64 case_id, const char *path)
{
  return db_write_new_for (DB_URGENCY_NORMAL, run_set_case_path, case_id, path);
}

DbWrite *
db_write_set_case_truth (gint64 case_id, const char *path)
{
  return db_write_new_for (DB_URGENCY_NORMAL, run_set_case_truth, case_id, path);
}

DbWrite *
db_write_set_case_opened (gint64 case_id)
{
  return db_write_new_for (DB_URGENCY_PROGRESS, run_set_case_opened, case_id, NULL);
}

DbWrite *
db_write_set_case_complete (gint64 case_id, gboolean complete)
{
  DbWrite *self = db_write_new_for (DB_URGENCY_HAND, run_set_case_complete, case_id, NULL);

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
    return db_set_not_found (conn, "slice task", id, error);
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
    return db_set_not_found (conn, "scan", case_id, error);
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
  DbWrite *self = db_write_new_for (DB_URGENCY_HAND, run, case_id, origin);

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
  return db_write_new_for (DB_URGENCY_HAND, run_remove_task, task_id, NULL);
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
  return db_write_new_for (DB_URGENCY_HAND, run_sign, task_id,
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
  return db_write_new_for (DB_URGENCY_HAND, run_unsign, task_id, NULL);
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
  DbWrite *self = db_write_new_for (DB_URGENCY_PROGRESS, run_add_task_seconds, task_id, NULL);

  self->reals[0] = isfinite (seconds) && seconds > 0 ? seconds : 0;
  return self;
}
