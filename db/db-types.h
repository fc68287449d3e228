/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* db/: the project store: SQLite, the edit journal, jobs, rounds; rows as GObjects. May include
 * volume/ only.
 *
 *   store.h    DbStore: a NAME.crosslabel folder: open, create, live lists of rows, reads
 *   write.h    DbWrite: one change, as a value; the store commits it
 *   labels.h   DbLabels: the open label map of one case: commit, undo, redo, jump, take back
 *   rows.h     DbCase, DbSliceTask, DbEdit, DbLabel, DbJob, DbRound, …: what the lists hold
 *   domain.h   DbDomain: where a case is labelled (I3)
 *
 * Threads: one writer thread per store commits everything, strokes before progress reports. Rows
 * and lists belong to the thread that opened the store (the main thread); reads named
 * db_store_read_* may be called from any thread.
 */

#include "volume/volume-types.h"

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _DbStore DbStore;
typedef struct _DbWrite DbWrite;
typedef struct _DbLabels DbLabels;

typedef enum
{
  DB_ERROR_NOT_FOUND, /* no such project, or no such row */
  DB_ERROR_EXISTS, /* create: something is there already */
  DB_ERROR_LOCKED, /* another program writes this project; the message names it */
  DB_ERROR_UNSAFE, /* a file system on which locks cannot be relied on */
  DB_ERROR_CORRUPT, /* the integrity check failed, or a blob does not check */
  DB_ERROR_NEWER, /* written by a newer version of the program */
  DB_ERROR_IO, /* the disk said no */
  DB_ERROR_FULL, /* no space left; what was finished before is safe */
  DB_ERROR_NO_MEMORY,
  DB_ERROR_CONFLICT, /* the state to be changed is not the one that was looked at */
  DB_ERROR_READ_ONLY, /* opened for reading */
  DB_ERROR_INVARIANT, /* the change would break an invariant of ARCHITECTURE.md */
  DB_ERROR_NOTHING, /* nothing to undo, nothing to redo */
  DB_ERROR_CHANGED, /* a source file is not the one the project knows (I1) */
} DbError;
#define DB_ERROR (db_error_quark ())
GQuark db_error_quark (void);

/* The numbers below are stored in projects: never renumber. */

typedef enum
{
  DB_CASE_UNTOUCHED = 0, /* no slices proposed, nothing drawn */
  DB_CASE_PROPOSED = 1, /* slices wait to be labelled */
  DB_CASE_STARTED = 2, /* something is drawn or signed, not everything */
  DB_CASE_SIGNED = 3, /* every proposed slice is signed */
  DB_CASE_COMPLETE = 4, /* the whole scan is marked complete */
} DbCaseState;

typedef enum
{
  DB_TASK_PROPOSED = 0,
  DB_TASK_SIGNED = 1,
} DbTaskState;

typedef enum
{
  DB_JOB_WAITING = 0,
  DB_JOB_RUNNING = 1,
  DB_JOB_PAUSED = 2,
  DB_JOB_DONE = 3,
  DB_JOB_FAILED = 4,
  DB_JOB_CANCELLED = 5,
} DbJobState;

typedef enum
{
  DB_ROUND_PREPARED = 0,
  DB_ROUND_TRAINING = 1,
  DB_ROUND_PREDICTING = 2,
  DB_ROUND_SELECTING = 3,
  DB_ROUND_DONE = 4,
  DB_ROUND_FAILED = 5,
  DB_ROUND_CANCELLED = 6,
} DbRoundState;

/* Which row of the journal; see db_store_read_journal_seq(). */
typedef enum
{
  DB_MOVE_EDIT = 0, /* a new edit */
  DB_MOVE_UNDO = 1,
  DB_MOVE_REDO = 2,
  DB_MOVE_JUMP = 3, /* to any edit of the history */
  DB_MOVE_SIGN = 4,
  DB_MOVE_UNSIGN = 5,
  DB_MOVE_COMPLETE = 6,
  DB_MOVE_REOPEN = 7,
} DbMove;

G_END_DECLS
