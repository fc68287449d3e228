/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/store-private.h"

#include "db/journal-private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    return db_set_not_found (conn, "scan", case_id, error);
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
  DbWrite *self = db_write_new_for (DB_URGENCY_NORMAL, run_set_job_state, job, message);

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
  DbWrite *self = db_write_new_for (DB_URGENCY_PROGRESS, run_set_job_progress, job, message);

  self->reals[0] = isfinite (fraction) ? CLAMP (fraction, 0, 1) : 0;
  self->ids[1] = step;
  self->ids[2] = n_steps;
  return self;
}

static gboolean
run_set_job_checkpoint (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *path = db_make_relative (db_store_get_path (txn->store), self->texts[0]);

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
  return db_write_new_for (DB_URGENCY_NORMAL, run_set_job_checkpoint, job, path);
}

/* Models, predictions, selections */

static gboolean
run_add_model (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *path = db_make_relative (db_store_get_path (txn->store), self->texts[1]);

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
  g_autofree char *path = db_make_relative (db_store_get_path (txn->store), self->texts[0]);

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
  DbWrite *self = db_write_new_for (DB_URGENCY_NORMAL, run_add_prediction, case_id, path);

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
  DbWrite *self = db_write_new_for (DB_URGENCY_HAND, run_set_prediction_accepted, prediction, NULL);

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
    return db_set_not_found (txn->conn, "scan", entry->case_id, error);
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
  DbWrite *self = db_write_new_for (DB_URGENCY_NORMAL, run_add_selection, round, strategy);
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
