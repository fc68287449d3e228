/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/domain.h"
#include "db/rows.h"
#include "db/write.h"

G_BEGIN_DECLS

/**
 * DbStore:
 *
 * An open project folder, NAME.crosslabel. Holds the project's lock while it may write, checks the
 * database at open, migrates it with a backup, and keeps live lists of its rows.
 *
 * Threads: belongs to the thread that opened it (whose default main context brings the news to the
 * lists), except: db_store_write(), db_store_write_later(), db_store_reserve_edit_id() and
 * db_store_read_*() may be called from any thread.
 *
 * Signals: "metrics" (gint64 round, gint64 step) after metrics of that round are committed.
 */
#define DB_TYPE_STORE (db_store_get_type ())
G_DECLARE_FINAL_TYPE (DbStore, db_store, DB, STORE, GObject)

typedef enum
{
  DB_OPEN_WRITE = 0,
  DB_OPEN_READ = 1, /* beside a program that writes; no lock, no migration, no writes */
} DbOpenMode;

/* A new project: finished whole or not there at all. Paths of scans may be absolute; they are kept
 * relative to the project. Validation scans start with their three middle slices proposed (I6). */
typedef struct
{
  const DbCaseSpec *cases;
  gsize n_cases;
  const char *const *label_names; /* ids 1… in this order */
  const char *const *label_colours; /* "#rrggbb" or NULL entries: from the palette */
  gsize n_labels;
  gint64 seed;
} DbProjectSpec;
gboolean db_store_create (const char *path, const DbProjectSpec *spec, GError **error);

DbStore *db_store_open (const char *path, DbOpenMode mode,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A cancel counts before the opening: a store that is open already is handed over all the same. */
void db_store_open_async (const char *path, DbOpenMode mode, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
DbStore *db_store_open_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Commits what was handed over, gives the lock back. Later writes fail. Blocks for the commits. */
void db_store_close (DbStore *self);
/* The same on a thread of its own; the callback comes on the store's thread. */
void db_store_close_async (DbStore *self, GAsyncReadyCallback callback, gpointer user_data);
void db_store_close_finish (DbStore *self, GAsyncResult *result);

const char *db_store_get_path (DbStore *self); /* absolute, of the folder */
const char *db_store_get_name (DbStore *self); /* for people: NAME */
DbOpenMode db_store_get_mode (DbStore *self);
/* Absolute path of a file of the project, or of a scan, from the relative one of a row. Any thread.
 */
char *db_store_resolve (DbStore *self, const char *relative) G_GNUC_WARN_UNUSED_RESULT;

/* Writes: finished when committed to the disk (I2). All take @write over and give its number back,
 * −1 with an error. Lists are up to date when the call or the callback returns. */
void db_store_write_async (DbStore *self, DbWrite *write, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);
gint64 db_store_write_finish (DbStore *self, GAsyncResult *result, GError **error);
gint64 db_store_write (DbStore *self, DbWrite *write, GError **error);
/* Without waiting; a failure is told by DbStore::failed (const GError *). */
void db_store_write_later (DbStore *self, DbWrite *write);

/* Live lists, in order of id. */
GListModel *db_store_get_cases (DbStore *self); /* DbCase */
GListModel *db_store_get_labels (DbStore *self); /* DbLabel */
GListModel *db_store_get_jobs (DbStore *self); /* DbJob */
GListModel *db_store_get_rounds (DbStore *self); /* DbRound */
GListModel *db_store_get_models (DbStore *self); /* DbModel */
GListModel *db_store_get_predictions (DbStore *self); /* DbPrediction */
GListModel *db_store_get_selections (DbStore *self); /* DbSelection, of the latest selection */
GListModel *db_store_get_tasks (DbStore *self, gint64 case_id); /* DbSliceTask of one case */

/* (transfer none) rows by id, or NULL. */
DbCase *db_store_get_case (DbStore *self, gint64 case_id);
DbCase *db_store_find_case (DbStore *self, const char *text); /* by id as text, or by name */
DbLabel *db_store_get_label (DbStore *self, gint64 label_id);
DbSliceTask *db_store_get_task (DbStore *self, gint64 task_id);
DbJob *db_store_get_job (DbStore *self, gint64 job_id);
DbRound *db_store_get_round (DbStore *self, gint64 round_id);
DbModel *db_store_get_model (DbStore *self, gint64 model_id);

/* (transfer full, nullable) of the project; from memory. */
char *db_store_get_setting (DbStore *self, const char *key);
/* What db_write_set_view() kept for a case; from memory. */
char *db_store_get_view (DbStore *self, gint64 case_id);

/* Reads from the disk; any thread, not the main one of a window (I8). */

/* The end of the journal now: labels and domains "as of" it can be asked for later (I7). */
gint64 db_store_read_journal_seq (DbStore *self, GError **error);
/* Where the journal ended when that round began; −1 with an error. */
gint64 db_store_read_round_journal_seq (DbStore *self, gint64 round, GError **error);
/* @journal_seq −1: now. */
DbDomain *db_store_read_domain (DbStore *self, gint64 case_id, gint64 journal_seq,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The labels of a case (background where nothing is known), from snapshot and journal.
 * Owned by the calling thread. @journal_seq −1: now. */
VolumeLabelMap *db_store_read_labels (DbStore *self, gint64 case_id, gint64 journal_seq,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same from the journal alone; and: does every snapshot equal it? */
VolumeLabelMap *db_store_read_labels_from_journal (DbStore *self, gint64 case_id,
                                                   gint64 journal_seq,
                                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean db_store_verify (DbStore *self, GError **error);
VolumeEdit *db_store_read_edit (DbStore *self, gint64 edit_id,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* (element-type DbMetricPoint): one curve of a round, by step; names are interned. NULL: all. */
GArray *db_store_read_metrics (DbStore *self, gint64 round, const char *name,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* (element-type DbEvent), newest first, at most @limit. */
GListModel *db_store_read_events (DbStore *self, gint64 limit,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The cases of a round, by role "labelled", "unlabelled", "validation"; (element-type gint64). */
GArray *db_store_read_round_cases (DbStore *self, gint64 round, const char *role,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
