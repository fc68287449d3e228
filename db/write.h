/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/db-types.h"

G_BEGIN_DECLS

/**
 * DbWrite:
 *
 * One change of a project, as a value: one transaction with one purpose. Made by the functions
 * below on any thread, given away to db_store_write_async(), db_store_write() or
 * db_store_write_later(); strings and blobs are copied. The result of a write is one number: the
 * id of the row it made, where it made one.
 */
void db_write_free (DbWrite *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DbWrite, db_write_free)

/* Several writes that are finished together or not at all; @writes are taken over. The result is
 * that of the last one. */
DbWrite *db_write_all (DbWrite **writes, gsize n_writes) G_GNUC_WARN_UNUSED_RESULT;

/* Cases. Edits of labels are in labels.h. */
typedef struct
{
  const char *name, *path, *sha256, *truth_path; /* path absolute or relative to the project */
  int volume_index;
  gboolean validation; /* at creation only (I6); later scans are never validation scans */
  const VolumeGeometry *geometry;
} DbCaseSpec;
DbWrite *db_write_add_case (const DbCaseSpec *spec) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_case_path (gint64 case_id, const char *path) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_case_truth (gint64 case_id, const char *path) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_case_opened (gint64 case_id) G_GNUC_WARN_UNUSED_RESULT;
/* The whole scan is labelled, or is not after all (I3). */
DbWrite *db_write_set_case_complete (gint64 case_id, gboolean complete) G_GNUC_WARN_UNUSED_RESULT;

/* Slice tasks. Result: the task's id. A slice is one task at most: proposing it again gives the
 * task it has. A signed slice cannot be moved or removed, but unsigned. @user NULL: the login. */
DbWrite *db_write_propose_slice (gint64 case_id, VolumePlane plane, int index,
                                 const char *origin) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_move_task (gint64 task_id, int index) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_remove_task (gint64 task_id) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_sign_task (gint64 task_id, const char *user) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_unsign_task (gint64 task_id) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_add_task_seconds (gint64 task_id, double seconds) G_GNUC_WARN_UNUSED_RESULT;
/* Propose and sign in one: imports, simulated experts. */
DbWrite *db_write_sign_slice (gint64 case_id, VolumePlane plane, int index, const char *origin,
                              const char *user) G_GNUC_WARN_UNUSED_RESULT;

/* Labels. @id 0: the next free one. NULL name or colour: keep, or choose. */
DbWrite *db_write_put_label (gint64 id, const char *name,
                             const char *colour) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_label_visible (gint64 id, gboolean visible) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_label_locked (gint64 id, gboolean locked) G_GNUC_WARN_UNUSED_RESULT;

/* Rounds. The new round's journal_seq is the journal's end at that moment. Fails with
 * DB_ERROR_INVARIANT if a labelled or unlabelled case is a validation case (I6). */
typedef struct
{
  const char *method, *params, *profile, *supervision;
  gint64 seed, n_steps;
  const gint64 *labelled, *unlabelled, *validation; /* case ids */
  gsize n_labelled, n_unlabelled, n_validation;
} DbRoundSpec;
DbWrite *db_write_add_round (const DbRoundSpec *spec) G_GNUC_WARN_UNUSED_RESULT;

/* What is to change is said by the flags; the rest is left alone. */
typedef enum
{
  DB_ROUND_SET_STATE = 1 << 0,
  DB_ROUND_SET_STEP = 1 << 1,
  DB_ROUND_SET_N_STEPS = 1 << 2,
  DB_ROUND_SET_LOSS = 1 << 3,
  DB_ROUND_SET_DICE = 1 << 4,
  DB_ROUND_SET_SECONDS = 1 << 5,
  DB_ROUND_SET_MODEL = 1 << 6,
  DB_ROUND_SET_MESSAGE = 1 << 7,
} DbRoundFlags;
typedef struct
{
  DbRoundFlags flags;
  DbRoundState state;
  gint64 step, n_steps, model;
  double loss, dice, seconds;
  const char *message;
} DbRoundUpdate;
DbWrite *db_write_update_round (gint64 round,
                                const DbRoundUpdate *update) G_GNUC_WARN_UNUSED_RESULT;

/* Metrics, appended; overtaken by strokes. DbStore::metrics tells. A resumed round first removes
 * what it had measured beyond the checkpoint's step. */
typedef struct
{
  gint64 step;
  const char *name;
  double value;
} DbMetricPoint;
DbWrite *db_write_add_metrics (gint64 round, const DbMetricPoint *points,
                               gsize n_points) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_cut_metrics (gint64 round, gint64 after_step) G_GNUC_WARN_UNUSED_RESULT;

/* Jobs. db_write_add_job: waiting. Progress is overtaken by strokes. */
DbWrite *db_write_add_job (const char *kind, const char *title, const char *params,
                           gint64 round) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_job_state (gint64 job, DbJobState state,
                                 const char *message) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_job_progress (gint64 job, double fraction, gint64 step, gint64 n_steps,
                                    const char *message) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_job_checkpoint (gint64 job, const char *path) G_GNUC_WARN_UNUSED_RESULT;

/* Models, predictions, selections. */
DbWrite *db_write_add_model (gint64 round, const char *name, const char *path, const char *sha256,
                             const char *description, double dice) G_GNUC_WARN_UNUSED_RESULT;
/* Replaces the case's earlier prediction by the same model. */
DbWrite *db_write_add_prediction (gint64 case_id, gint64 model, gint64 round, const char *path,
                                  double confidence) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_prediction_accepted (gint64 prediction,
                                           gint64 edit) G_GNUC_WARN_UNUSED_RESULT;
typedef struct
{
  gint64 case_id;
  double score;
  const char *scores, *reason;
} DbSelectionEntry;
/* Best first. Sets the cases' rank, score and reason; cases not in it lose theirs. Refuses
 * validation cases (I6). */
DbWrite *db_write_add_selection (gint64 round, const char *strategy,
                                 const DbSelectionEntry *entries,
                                 gsize n_entries) G_GNUC_WARN_UNUSED_RESULT;

/* The audit trail, settings of the project (NULL removes), and where a person left a case:
 * any JSON of the window's (case, slices, zoom, tool), written behind everything else. */
DbWrite *db_write_add_event (const char *kind, gint64 case_id,
                             const char *detail) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_setting (const char *key, const char *value) G_GNUC_WARN_UNUSED_RESULT;
DbWrite *db_write_set_view (gint64 case_id, const char *json) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
