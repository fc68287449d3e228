/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/row-private.h"
#include "db/store.h"

G_BEGIN_DECLS

/* Order in which the writer takes what waits. Within one, first come, first served. */
typedef enum
{
  DB_URGENCY_HAND, /* strokes, undo, sign-off: a person waits for them */
  DB_URGENCY_NORMAL,
  DB_URGENCY_PROGRESS, /* metrics, progress, views, snapshots */
  DB_N_URGENCIES,
} DbUrgency;

/* One thing the lists have to learn after a commit. */
typedef struct _DbNews DbNews;
struct _DbNews
{
  void (*apply) (DbStore *store, DbNews *news); /* on the store's thread */
  GType type;
  gint64 id, other;
  GObject *row;
  char *key, *value;
};

/* What a write sees while it runs on the writer thread, inside a transaction. */
typedef struct
{
  DbStore *store;
  DbConn *conn;
  GPtrArray *news; /* DbNews, in order */
} DbTxn;

struct _DbWrite
{
  DbUrgency urgency;
  gboolean (*run) (DbWrite *self, DbTxn *txn, GError **error);
  /* The payload; each write says in its constructor what it uses. */
  gint64 ids[8];
  double reals[4];
  char *texts[8];
  GBytes *blob;
  gpointer extra;
  GDestroyNotify free_extra;
  gint64 result;
};

DbWrite *db_write_new (DbUrgency urgency, gboolean (*run) (DbWrite *, DbTxn *, GError **));
/* The same with a case or another row as ids[0]. */
DbWrite *db_write_new_for (DbUrgency urgency, gboolean (*run) (DbWrite *, DbTxn *, GError **),
                           gint64 case_id, const char *text);
/* (transfer full) (nullable): as it is kept in the project (I10). */
char *db_make_relative (const char *project, const char *path);
/* "NAME: there is no @what @id"; FALSE. */
gboolean db_set_not_found (DbConn *conn, const char *what, gint64 id, GError **error);

/* The row changed, appeared, or went: it is read again before the commit. */
gboolean db_txn_touch (DbTxn *txn, GType type, gint64 id, GError **error);
void db_txn_remove (DbTxn *txn, GType type, gint64 id);
DbNews *db_txn_add_news (DbTxn *txn, void (*apply) (DbStore *, DbNews *));

/* Inserts a case; for creation, where no list is to be told. */
gint64 db_insert_case (DbConn *conn, const char *project, const DbCaseSpec *spec, GError **error);
gint64 db_insert_label (DbConn *conn, gint64 id, const char *name, const char *colour,
                        GError **error);
gboolean db_insert_event (DbConn *conn, const char *kind, gint64 case_id, const char *detail,
                          GError **error);
gboolean db_insert_journal (DbConn *conn, gint64 case_id, DbMove kind, gint64 head, int plane,
                            int index, gint64 *seq, GError **error);

/* A connection for reading, of the calling thread until given back. */
DbConn *db_store_borrow_reader (DbStore *self, GError **error);
void db_store_return_reader (DbStore *self, DbConn *conn);

guint32 db_store_reserve_edit_id (DbStore *self);
/* Lets the lists learn what is committed; the store's thread only. */
void db_store_hear (DbStore *self);
/* Writes a snapshot of the labels after @edit when there is time for it. */
void db_store_request_snapshot (DbStore *self, gint64 case_id, gint64 edit);

/* What news changes in memory; the store's thread only. */
void db_store_set_setting_in_memory (DbStore *self, const char *key, const char *value);
void db_store_set_view_in_memory (DbStore *self, gint64 case_id, const char *json);
void db_store_forget_selection (DbStore *self);
void db_store_emit_metrics (DbStore *self, gint64 round, gint64 step);

/* Rows kept in memory, by id. */
gpointer db_store_lookup (DbStore *self, GType type, gint64 id);
/* Told of every new DbEdit row, on the store's thread. */
typedef void (*DbStoreWatch) (gpointer watcher, gint64 case_id, DbEdit *edit);
void db_store_watch (DbStore *self, DbStoreWatch watch, gpointer watcher);
void db_store_unwatch (DbStore *self, gpointer watcher);

G_END_DECLS
