/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/lock-private.h"
#include "db/store-private.h"

G_BEGIN_DECLS

/* The inside of a store, for its own three files: store.c opens and closes it, store-lists.c keeps
 * the rows that the window shows, store-writer.c carries out what is to be written. */

/* The rows that are kept in memory. */
typedef struct
{
  GType type;
  const char *rest; /* of the query that reads them */
  GListStore *list;
  GHashTable *by_id; /* gint64 → row, no reference */
} DbTable;
#define DB_N_TABLES 8

typedef struct
{
  DbStoreWatch watch;
  gpointer watcher;
} DbWatch;

struct _DbStore
{
  GObject parent_instance;

  char *path;
  char *name;
  DbOpenMode mode;
  DbLock *lock;

  /* The store's thread. */
  GThread *owner;
  GMainContext *context;
  DbTable tables[DB_N_TABLES];
  GHashTable *tasks_by_case; /* gint64 → GListStore */
  GHashTable *settings;
  GHashTable *views; /* gint64 → JSON */
  GArray *watches;

  /* The writer thread and what it shares, under the mutex. */
  GThread *writer;
  DbConn *conn;
  GMutex mutex;
  GCond wake;
  GCond finished;
  GQueue orders[DB_N_URGENCIES]; /* of store-writer.c */
  GQueue news; /* DbNews, committed, not yet heard of */
  gboolean hearing_scheduled;
  gboolean stopping;

  GMutex readers_mutex;
  GQueue readers;

  GThreadPool *snapshots;
  gint next_edit_id;
};

/* Lists: the store's thread, or the one that opens it. */
void db_store_lists_init (DbStore *self);
void db_store_lists_clear (DbStore *self);
gboolean db_store_lists_read (DbStore *self, GError **error);

/* Any thread: after a commit the owner is to hear of it; once for what comes meanwhile. */
void db_store_schedule_hearing (DbStore *self);
void db_news_free (gpointer news);

/* The writer thread; @data: the store. It ends when the store is stopping and nothing waits. */
gpointer db_store_writer_main (gpointer data);
/* The signal “failed”; the store's thread. */
void db_store_emit_failed (DbStore *self, const GError *error);

G_END_DECLS
