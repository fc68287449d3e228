/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/store-private.h"

#include "db/journal-private.h"
#include "db/lock-private.h"
#include "db/schema-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The rows that are kept in memory. */
typedef struct
{
  GType type;
  const char *rest; /* of the query that reads them */
  GListStore *list;
  GHashTable *by_id; /* gint64 → row, no reference */
} Table;
#define N_TABLES 8

typedef struct
{
  DbStoreWatch watch;
  gpointer watcher;
} Watch;

/* A write on its way: with a task, or with somebody waiting, or with neither. */
typedef struct
{
  DbWrite *write;
  GTask *task;
  gboolean waited_for;
  gboolean done;
  GError *error;
} Order;

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
  Table tables[N_TABLES];
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
  GQueue orders[DB_N_URGENCIES];
  GQueue news; /* DbNews, committed, not yet heard of */
  gboolean hearing_scheduled;
  gboolean stopping;

  GMutex readers_mutex;
  GQueue readers;

  GThreadPool *snapshots;
  gint next_edit_id;
};

enum
{
  SIGNAL_METRICS,
  SIGNAL_FAILED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (DbStore, db_store, G_TYPE_OBJECT)

/* Lists */

static Table *
find_table (DbStore *self, GType type)
{
  for (int t = 0; t < N_TABLES; t++)
    if (self->tables[t].type == type)
      return &self->tables[t];
  g_assert_not_reached ();
}

static GListStore *
tasks_of_case (DbStore *self, gint64 case_id)
{
  GListStore *list = g_hash_table_lookup (self->tasks_by_case, &case_id);

  if (list == NULL)
    {
      list = g_list_store_new (DB_TYPE_SLICE_TASK);
      g_hash_table_insert (self->tasks_by_case, g_memdup2 (&case_id, sizeof case_id), list);
    }
  return list;
}

static void
remember_row (DbStore *self, Table *table, gpointer row)
{
  gint64 id = db_row_get_id (row);

  g_hash_table_insert (table->by_id, g_memdup2 (&id, sizeof id), row);
  if (table->type == DB_TYPE_SLICE_TASK)
    g_list_store_append (tasks_of_case (self, DB_SLICE_TASK (row)->case_id), row);
}

static void
remove_from_list (GListStore *list, gpointer row)
{
  guint position;

  if (g_list_store_find (list, row, &position))
    g_list_store_remove (list, position);
}

static void
forget_row (DbStore *self, Table *table, gint64 id)
{
  gpointer row = g_hash_table_lookup (table->by_id, &id);

  if (row == NULL)
    return;
  g_hash_table_remove (table->by_id, &id);
  if (table->type == DB_TYPE_SLICE_TASK)
    remove_from_list (tasks_of_case (self, DB_SLICE_TASK (row)->case_id), row);
  remove_from_list (table->list, row);
}

static void
tell_watches (DbStore *self, gint64 case_id, DbEdit *edit)
{
  /* A watcher may go while it is told. */
  for (guint w = self->watches->len; w > 0; w--)
    if (w <= self->watches->len)
      {
        Watch watch = g_array_index (self->watches, Watch, w - 1);

        watch.watch (watch.watcher, case_id, edit);
      }
}

static void
apply_row_cb (DbStore *self, DbNews *news)
{
  Table *table;
  gpointer row;

  if (news->type == DB_TYPE_EDIT)
    {
      tell_watches (self, DB_EDIT (news->row)->case_id, DB_EDIT (news->row));
      return;
    }
  table = find_table (self, news->type);
  row = g_hash_table_lookup (table->by_id, &news->id);
  if (row != NULL)
    db_row_update (row, news->row);
  else
    {
      remember_row (self, table, news->row);
      g_list_store_append (table->list, news->row);
    }
}

static void
apply_removal_cb (DbStore *self, DbNews *news)
{
  forget_row (self, find_table (self, news->type), news->id);
}

static void
news_free (gpointer data)
{
  DbNews *news = data;

  g_clear_object (&news->row);
  g_free (news->key);
  g_free (news->value);
  g_free (news);
}

DbNews *
db_txn_add_news (DbTxn *txn, void (*apply) (DbStore *, DbNews *))
{
  DbNews *news = g_new0 (DbNews, 1);

  news->apply = apply;
  g_ptr_array_add (txn->news, news);
  return news;
}

gboolean
db_txn_touch (DbTxn *txn, GType type, gint64 id, GError **error)
{
  gpointer row;
  DbNews *news;

  if (!db_row_read (txn->conn, type, id, &row, error))
    return FALSE;
  if (row == NULL)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: there is no %s %" G_GINT64_FORMAT,
                   txn->conn->path, g_type_name (type) + 2, id);
      return FALSE;
    }
  news = db_txn_add_news (txn, apply_row_cb);
  news->type = type;
  news->id = id;
  news->row = row;
  return TRUE;
}

void
db_txn_remove (DbTxn *txn, GType type, gint64 id)
{
  DbNews *news = db_txn_add_news (txn, apply_removal_cb);

  news->type = type;
  news->id = id;
}

void
db_store_hear (DbStore *self)
{
  DbNews *news;

  g_assert (g_thread_self () == self->owner);
  for (;;)
    {
      g_mutex_lock (&self->mutex);
      news = g_queue_pop_head (&self->news);
      if (news == NULL)
        self->hearing_scheduled = FALSE;
      g_mutex_unlock (&self->mutex);
      if (news == NULL)
        return;
      news->apply (self, news);
      news_free (news);
    }
}

static gboolean
hear_cb (gpointer user_data)
{
  g_autoptr (DbStore) self = g_weak_ref_get (user_data);

  if (self != NULL)
    db_store_hear (self);
  return G_SOURCE_REMOVE;
}

static void
weak_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

static void
invoke_on_owner (DbStore *self, GSourceFunc function)
{
  GWeakRef *weak = g_new0 (GWeakRef, 1);
  g_autoptr (GSource) source = g_idle_source_new ();

  g_weak_ref_init (weak, self);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, function, weak, weak_free);
  g_source_attach (source, self->context);
}

/* The writer thread */

static void
order_free (Order *order)
{
  db_write_free (order->write);
  g_clear_object (&order->task);
  g_clear_error (&order->error);
  g_free (order);
}

typedef struct
{
  GWeakRef store;
  GError *error;
} Failure;

static gboolean
tell_failure_cb (gpointer user_data)
{
  Failure *failure = user_data;
  g_autoptr (DbStore) self = g_weak_ref_get (&failure->store);

  if (self != NULL)
    g_signal_emit (self, signals[SIGNAL_FAILED], 0, failure->error);
  return G_SOURCE_REMOVE;
}

static void
failure_free (gpointer data)
{
  Failure *failure = data;

  g_weak_ref_clear (&failure->store);
  g_error_free (failure->error);
  g_free (failure);
}

static void
tell_failure (DbStore *self, GError *error)
{
  Failure *failure = g_new0 (Failure, 1);

  g_weak_ref_init (&failure->store, self);
  failure->error = error;
  g_main_context_invoke_full (self->context, G_PRIORITY_DEFAULT, tell_failure_cb, failure,
                              failure_free);
}

static gboolean
commit (DbStore *self, DbWrite *write, DbTxn *txn, GError **error)
{
  if (db_conn_run (self->conn, error, "BEGIN IMMEDIATE", NULL) && write->run (write, txn, error)
      && db_conn_run (self->conn, error, "COMMIT", NULL))
    return TRUE;
  /* Where the failure ended the transaction already, this says so and does no harm. */
  if (!sqlite3_get_autocommit (self->conn->handle))
    sqlite3_exec (self->conn->handle, "ROLLBACK", NULL, NULL, NULL);
  return FALSE;
}

static void
announce (DbStore *self, DbTxn *txn)
{
  gboolean schedule = FALSE;

  g_mutex_lock (&self->mutex);
  for (guint n = 0; n < txn->news->len; n++)
    g_queue_push_tail (&self->news, g_ptr_array_index (txn->news, n));
  if (txn->news->len > 0 && !self->hearing_scheduled)
    schedule = self->hearing_scheduled = TRUE;
  g_mutex_unlock (&self->mutex);
  g_ptr_array_set_free_func (txn->news, NULL);
  if (schedule)
    invoke_on_owner (self, hear_cb);
}

static gboolean
complete_cb (gpointer user_data)
{
  Order *order = user_data;

  if (order->error != NULL)
    g_task_return_error (order->task, g_steal_pointer (&order->error));
  else
    g_task_return_int (order->task, order->write->result);
  return G_SOURCE_REMOVE;
}

/* The last reference to the store may hang on a task. The store's thread completes it and lets go
 * of it: the writer cannot, it would have to wait for its own end. */
static void
complete_on_owner (DbStore *self, Order *order)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, g_task_get_priority (order->task));
  g_source_set_callback (source, complete_cb, order, (GDestroyNotify) order_free);
  g_source_attach (source, self->context);
}

static void
finish_order (DbStore *self, Order *order, GError *error)
{
  if (order->task != NULL)
    {
      order->error = error;
      complete_on_owner (self, order);
    }
  else if (order->waited_for)
    {
      g_mutex_lock (&self->mutex);
      order->error = error;
      order->done = TRUE; /* from here on it is the waiter's */
      g_cond_broadcast (&self->finished);
      g_mutex_unlock (&self->mutex);
    }
  else
    {
      if (error != NULL)
        tell_failure (self, error);
      order_free (order);
    }
}

static void
carry_out (DbStore *self, Order *order)
{
  g_autoptr (GPtrArray) news = g_ptr_array_new_with_free_func (news_free);
  DbTxn txn = { self, self->conn, news };
  GError *error = NULL;

  if (commit (self, order->write, &txn, &error))
    announce (self, &txn);
  finish_order (self, order, error);
}

static Order *
next_order (DbStore *self)
{
  for (int u = 0; u < DB_N_URGENCIES; u++)
    {
      Order *order = g_queue_pop_head (&self->orders[u]);

      if (order != NULL)
        return order;
    }
  return NULL;
}

/* With nothing to do for a moment the log goes into the database, so that no stroke waits for it.
 */
#define IDLE_BEFORE_CHECKPOINT_US (300 * G_TIME_SPAN_MILLISECOND)

static gpointer
writer_main (gpointer data)
{
  DbStore *self = data;
  gboolean is_clean = TRUE;

  g_mutex_lock (&self->mutex);
  for (;;)
    {
      Order *order = next_order (self);

      if (order != NULL)
        {
          g_mutex_unlock (&self->mutex);
          carry_out (self, order);
          is_clean = FALSE;
          g_mutex_lock (&self->mutex);
        }
      else if (self->stopping)
        break;
      else if (is_clean)
        g_cond_wait (&self->wake, &self->mutex);
      else if (!g_cond_wait_until (&self->wake, &self->mutex,
                                   g_get_monotonic_time () + IDLE_BEFORE_CHECKPOINT_US))
        {
          g_mutex_unlock (&self->mutex);
          sqlite3_wal_checkpoint_v2 (self->conn->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                     NULL);
          is_clean = TRUE;
          g_mutex_lock (&self->mutex);
        }
    }
  g_mutex_unlock (&self->mutex);
  return NULL;
}

/* FALSE with @error if the store takes no writes. */
static gboolean
hand_over (DbStore *self, Order *order, GError **error)
{
  gboolean accepted;

  g_mutex_lock (&self->mutex);
  accepted = self->writer != NULL && !self->stopping;
  if (accepted)
    {
      g_queue_push_tail (&self->orders[order->write->urgency], order);
      g_cond_signal (&self->wake);
    }
  g_mutex_unlock (&self->mutex);
  if (!accepted)
    g_set_error (error, DB_ERROR, DB_ERROR_READ_ONLY, "%s: the project is %s", self->name,
                 self->mode == DB_OPEN_READ ? "open for reading only" : "closed");
  return accepted;
}

void
db_store_write_async (DbStore *self, DbWrite *write, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  Order *order;
  GError *error = NULL;

  g_return_if_fail (DB_IS_STORE (self));

  order = g_new0 (Order, 1);
  order->write = write;
  order->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (order->task, db_store_write_async);
  /* What is committed is committed: a late cancel does not turn it into an error. */
  g_task_set_check_cancellable (order->task, FALSE);
  if (hand_over (self, order, &error))
    return;
  g_task_return_error (order->task, error);
  order_free (order);
}

gint64
db_store_write_finish (DbStore *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), -1);
  if (g_thread_self () == self->owner)
    db_store_hear (self);
  return g_task_propagate_int (G_TASK (result), error);
}

gint64
db_store_write (DbStore *self, DbWrite *write, GError **error)
{
  Order *order;
  gint64 result = -1;

  g_return_val_if_fail (DB_IS_STORE (self), -1);

  order = g_new0 (Order, 1);
  order->write = write;
  order->waited_for = TRUE;
  if (hand_over (self, order, error))
    {
      g_mutex_lock (&self->mutex);
      while (!order->done)
        g_cond_wait (&self->finished, &self->mutex);
      g_mutex_unlock (&self->mutex);
      if (order->error == NULL)
        result = order->write->result;
      else
        g_propagate_error (error, g_steal_pointer (&order->error));
    }
  order_free (order);
  if (g_thread_self () == self->owner)
    db_store_hear (self);
  return result;
}

void
db_store_write_later (DbStore *self, DbWrite *write)
{
  Order *order;
  GError *error = NULL;

  g_return_if_fail (DB_IS_STORE (self));

  order = g_new0 (Order, 1);
  order->write = write;
  if (hand_over (self, order, &error))
    return;
  tell_failure (self, error);
  order_free (order);
}

/* Readers */

DbConn *
db_store_borrow_reader (DbStore *self, GError **error)
{
  DbConn *conn;

  g_mutex_lock (&self->readers_mutex);
  conn = g_queue_pop_head (&self->readers);
  g_mutex_unlock (&self->readers_mutex);
  return conn != NULL ? conn : db_conn_open (self->path, DB_CONN_READ, error);
}

void
db_store_return_reader (DbStore *self, DbConn *conn)
{
  if (conn == NULL)
    return;
  if (!sqlite3_get_autocommit (conn->handle))
    sqlite3_exec (conn->handle, "ROLLBACK", NULL, NULL, NULL);
  g_mutex_lock (&self->readers_mutex);
  g_queue_push_head (&self->readers, conn);
  g_mutex_unlock (&self->readers_mutex);
}

/* Snapshots */

typedef struct
{
  gint64 case_id, edit;
} SnapshotOrder;

static void
make_snapshot_cb (gpointer data, gpointer user_data)
{
  DbStore *self = user_data;
  g_autofree SnapshotOrder *order = data;
  g_autoptr (GError) error = NULL;
  GBytes *map;

  map = db_journal_make_snapshot (self, order->case_id, order->edit, &error);
  if (map != NULL)
    db_store_write_later (self, db_journal_write_snapshot (order->case_id, order->edit, map));
  else
    g_message ("%s: no snapshot of the labels could be made: %s", self->name, error->message);
}

void
db_store_request_snapshot (DbStore *self, gint64 case_id, gint64 edit)
{
  SnapshotOrder *order = g_new (SnapshotOrder, 1);

  order->case_id = case_id;
  order->edit = edit;
  g_mutex_lock (&self->mutex);
  if (self->snapshots != NULL)
    g_thread_pool_push (self->snapshots, g_steal_pointer (&order), NULL);
  g_mutex_unlock (&self->mutex);
  g_free (order);
}

/* Opening */

static gboolean
read_list (DbStore *self, Table *table, GError **error)
{
  if (!db_row_read_list (self->conn, table->type, table->rest, 0, table->list, error))
    return FALSE;
  for (guint n = 0; n < g_list_model_get_n_items (G_LIST_MODEL (table->list)); n++)
    {
      g_autoptr (GObject) row = g_list_model_get_item (G_LIST_MODEL (table->list), n);

      remember_row (self, table, row);
    }
  return TRUE;
}

static gboolean
read_settings (DbStore *self, GError **error)
{
  sqlite3_stmt *stmt;
  gboolean has_row;

  stmt = db_conn_query (self->conn, error, "SELECT key, value FROM setting", NULL);
  if (stmt == NULL)
    return FALSE;
  while (db_conn_step (self->conn, stmt, &has_row, error))
    {
      if (!has_row)
        break;
      g_hash_table_insert (self->settings, db_column_text (stmt, 0), db_column_text (stmt, 1));
    }
  stmt =
      db_conn_query (self->conn, error, "SELECT id, view FROM scan WHERE view IS NOT NULL", NULL);
  if (stmt == NULL)
    return FALSE;
  while (db_conn_step (self->conn, stmt, &has_row, error))
    {
      gint64 id;

      if (!has_row)
        return TRUE;
      id = sqlite3_column_int64 (stmt, 0);
      g_hash_table_insert (self->views, g_memdup2 (&id, sizeof id), db_column_text (stmt, 1));
    }
  return FALSE;
}

/* A project is a file that anybody may have written: what the program would stumble over is
 * looked at once, here. */
static gboolean
check_cases (DbStore *self, GError **error)
{
  GListModel *cases = db_store_get_cases (self);

  for (guint n = 0; n < g_list_model_get_n_items (cases); n++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, n);
      const int size[3] = { row->size_i, row->size_j, row->size_k };
      VolumeGeometry geometry;
      double affine[4][4];

      if (row->geometry_blob == NULL || g_bytes_get_size (row->geometry_blob) != sizeof affine)
        {
          g_set_error (error, DB_ERROR, DB_ERROR_CORRUPT,
                       "%s: scan %" G_GINT64_FORMAT " has no grid", self->name, row->id);
          return FALSE;
        }
      memcpy (affine, g_bytes_get_data (row->geometry_blob, NULL), sizeof affine);
      if (!volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_SFORM, error))
        {
          g_prefix_error (error, "%s: scan %" G_GINT64_FORMAT ": ", self->name, row->id);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
read_lists (DbStore *self, GError **error)
{
  gint64 last_edit;

  for (int t = 0; t < N_TABLES; t++)
    if (!read_list (self, &self->tables[t], error))
      return FALSE;
  if (!read_settings (self, error) || !check_cases (self, error)
      || !db_conn_get_int (self->conn, &last_edit, 0, error, "SELECT max (id) FROM edit", NULL))
    return FALSE;
  if (last_edit < 0 || last_edit >= G_MAXINT - 1)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_CORRUPT, "%s: the journal is full", self->name);
      return FALSE;
    }
  self->next_edit_id = last_edit + 1;
  return TRUE;
}

static gboolean
open_database (DbStore *self, GError **error)
{
  g_autofree char *file = g_build_filename (self->path, "project.sqlite", NULL);
  DbConnMode mode = self->mode == DB_OPEN_READ ? DB_CONN_READ : DB_CONN_WRITE;
  gint64 version;

  if (!g_file_test (file, G_FILE_TEST_IS_REGULAR))
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND,
                   "%s: not a project (no project.sqlite in it)", self->path);
      return FALSE;
    }
  if (!db_lock_check_file_system (self->path, error))
    return FALSE;
  if (self->mode == DB_OPEN_WRITE)
    {
      self->lock = db_lock_take (self->path, error);
      if (self->lock == NULL)
        return FALSE;
    }
  self->conn = db_conn_open (self->path, mode, error);
  if (self->conn == NULL)
    return FALSE;
  if (self->mode == DB_OPEN_WRITE)
    return db_schema_upgrade (self->conn, self->path, error) && db_schema_check (self->conn, error);
  if (!db_conn_get_int (self->conn, &version, 0, error, "PRAGMA user_version", NULL))
    return FALSE;
  if (version == db_schema_get_version ())
    return db_schema_check (self->conn, error);
  g_set_error (
      error, DB_ERROR, version > db_schema_get_version () ? DB_ERROR_NEWER : DB_ERROR_READ_ONLY,
      "%s: format %d, and this program reads %d; open it for writing once to bring it over",
      self->name, (int) version, db_schema_get_version ());
  return FALSE;
}

static DbStore *
open_for (const char *path, DbOpenMode mode, GThread *owner, GMainContext *context, GError **error)
{
  g_autoptr (DbStore) self = g_object_new (DB_TYPE_STORE, NULL);
  g_autofree char *real = realpath (path, NULL);

  if (real == NULL)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: %s", path, g_strerror (errno));
      return NULL;
    }
  self->path = g_strdup (real);
  self->name = g_path_get_basename (self->path);
  if (g_str_has_suffix (self->name, ".crosslabel"))
    self->name[strlen (self->name) - strlen (".crosslabel")] = '\0';
  self->mode = mode;
  self->owner = owner;
  self->context = g_main_context_ref (context);
  if (!open_database (self, error) || !read_lists (self, error))
    return NULL;
  if (mode == DB_OPEN_WRITE)
    {
      self->snapshots = g_thread_pool_new (make_snapshot_cb, self, 1, FALSE, NULL);
      self->writer = g_thread_new ("store-writer", writer_main, self);
    }
  return g_steal_pointer (&self);
}

DbStore *
db_store_open (const char *path, DbOpenMode mode, GError **error)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  g_return_val_if_fail (path != NULL, NULL);
  return open_for (path, mode, g_thread_self (), context, error);
}

typedef struct
{
  char *path;
  DbOpenMode mode;
  GThread *owner;
  GMainContext *context;
} OpenParams;

static void
open_params_free (gpointer data)
{
  OpenParams *params = data;

  g_free (params->path);
  g_main_context_unref (params->context);
  g_free (params);
}

static void
open_in_thread_cb (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  OpenParams *params = data;
  GError *error = NULL;
  DbStore *store = open_for (params->path, params->mode, params->owner, params->context, &error);

  if (store != NULL)
    g_task_return_pointer (task, store, g_object_unref);
  else
    g_task_return_error (task, error);
}

void
db_store_open_async (const char *path, DbOpenMode mode, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  OpenParams *params = g_new0 (OpenParams, 1);

  g_return_if_fail (path != NULL);
  params->path = g_strdup (path);
  params->mode = mode;
  params->owner = g_thread_self ();
  params->context = g_main_context_ref_thread_default ();
  g_task_set_source_tag (task, db_store_open_async);
  g_task_set_task_data (task, params, open_params_free);
  g_task_run_in_thread (task, open_in_thread_cb);
}

DbStore *
db_store_open_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
db_store_close (DbStore *self)
{
  GThreadPool *snapshots;
  DbConn *conn;

  g_return_if_fail (DB_IS_STORE (self));

  g_mutex_lock (&self->mutex);
  snapshots = g_steal_pointer (&self->snapshots);
  g_mutex_unlock (&self->mutex);
  if (snapshots != NULL)
    g_thread_pool_free (snapshots, FALSE, TRUE);
  if (self->writer != NULL)
    {
      g_mutex_lock (&self->mutex);
      self->stopping = TRUE;
      g_cond_signal (&self->wake);
      g_mutex_unlock (&self->mutex);
      g_thread_join (g_steal_pointer (&self->writer));
    }
  while ((conn = g_queue_pop_head (&self->readers)) != NULL)
    db_conn_close (conn);
  g_clear_pointer (&self->conn, db_conn_close);
  g_clear_pointer (&self->lock, db_lock_release);
}

static void
db_store_dispose (GObject *object)
{
  db_store_close (DB_STORE (object));
  G_OBJECT_CLASS (db_store_parent_class)->dispose (object);
}

static void
db_store_finalize (GObject *object)
{
  DbStore *self = DB_STORE (object);

  g_queue_clear_full (&self->news, news_free);
  for (int t = 0; t < N_TABLES; t++)
    {
      g_hash_table_unref (self->tables[t].by_id);
      g_object_unref (self->tables[t].list);
    }
  g_hash_table_unref (self->tasks_by_case);
  g_hash_table_unref (self->settings);
  g_hash_table_unref (self->views);
  g_array_unref (self->watches);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_mutex_clear (&self->mutex);
  g_mutex_clear (&self->readers_mutex);
  g_cond_clear (&self->wake);
  g_cond_clear (&self->finished);
  g_free (self->path);
  g_free (self->name);
  G_OBJECT_CLASS (db_store_parent_class)->finalize (object);
}

static void
db_store_class_init (DbStoreClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = db_store_dispose;
  object_class->finalize = db_store_finalize;
  signals[SIGNAL_METRICS] = g_signal_new ("metrics", DB_TYPE_STORE, G_SIGNAL_RUN_LAST, 0, NULL,
                                          NULL, NULL, G_TYPE_NONE, 2, G_TYPE_INT64, G_TYPE_INT64);
  signals[SIGNAL_FAILED] = g_signal_new ("failed", DB_TYPE_STORE, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                         NULL, G_TYPE_NONE, 1, G_TYPE_ERROR);
}

static void
db_store_init (DbStore *self)
{
  const struct
  {
    GType type;
    const char *rest;
  } kept[N_TABLES] = {
    { DB_TYPE_CASE, "ORDER BY id" },
    { DB_TYPE_SLICE_TASK, "ORDER BY scan, id" },
    { DB_TYPE_LABEL, "ORDER BY id" },
    { DB_TYPE_JOB, "ORDER BY id" },
    { DB_TYPE_ROUND, "ORDER BY id" },
    { DB_TYPE_MODEL, "ORDER BY id" },
    { DB_TYPE_PREDICTION, "ORDER BY id" },
    { DB_TYPE_SELECTION, "WHERE batch = (SELECT max (batch) FROM selection) ORDER BY id" },
  };

  for (int t = 0; t < N_TABLES; t++)
    {
      self->tables[t].type = kept[t].type;
      self->tables[t].rest = kept[t].rest;
      self->tables[t].list = g_list_store_new (kept[t].type);
      self->tables[t].by_id = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
    }
  self->tasks_by_case = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_object_unref);
  self->settings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->views = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  self->watches = g_array_new (FALSE, FALSE, sizeof (Watch));
  g_mutex_init (&self->mutex);
  g_mutex_init (&self->readers_mutex);
  g_cond_init (&self->wake);
  g_cond_init (&self->finished);
  for (int u = 0; u < DB_N_URGENCIES; u++)
    g_queue_init (&self->orders[u]);
  g_queue_init (&self->news);
  g_queue_init (&self->readers);
  self->next_edit_id = 1;
}

/* Looking */

const char *
db_store_get_path (DbStore *self)
{
  return self->path;
}

const char *
db_store_get_name (DbStore *self)
{
  return self->name;
}

DbOpenMode
db_store_get_mode (DbStore *self)
{
  return self->mode;
}

char *
db_store_resolve (DbStore *self, const char *relative)
{
  return g_canonicalize_filename (relative, self->path);
}

GListModel *
db_store_get_cases (DbStore *self)
{
  return G_LIST_MODEL (find_table (self, DB_TYPE_CASE)->list);
}

GListModel *
db_store_get_labels (DbStore *self)
{
  return G_LIST_MODEL (find_table (self, DB_TYPE_LABEL)->list);
}

GListModel *
db_store_get_jobs (DbStore *self)
{
  return G_LIST_MODEL (find_table (self, DB_TYPE_JOB)->list);
}

GListModel *
db_store_get_rounds (DbStore *self)
{
  return G_LIST_MODEL (find_table (self, DB_TYPE_ROUND)->list);
}

GListModel *
db_store_get_models (DbStore *self)
{
  return G_LIST_MODEL (find_table (self, DB_TYPE_MODEL)->list);
}

GListModel *
db_store_get_predictions (DbStore *self)
{
  return G_LIST_MODEL (find_table (self, DB_TYPE_PREDICTION)->list);
}

GListModel *
db_store_get_selections (DbStore *self)
{
  return G_LIST_MODEL (find_table (self, DB_TYPE_SELECTION)->list);
}

GListModel *
db_store_get_tasks (DbStore *self, gint64 case_id)
{
  return G_LIST_MODEL (tasks_of_case (self, case_id));
}

gpointer
db_store_lookup (DbStore *self, GType type, gint64 id)
{
  return g_hash_table_lookup (find_table (self, type)->by_id, &id);
}

DbCase *
db_store_get_case (DbStore *self, gint64 case_id)
{
  return db_store_lookup (self, DB_TYPE_CASE, case_id);
}

DbCase *
db_store_find_case (DbStore *self, const char *text)
{
  GListModel *cases = db_store_get_cases (self);
  gint64 id;

  if (g_ascii_string_to_signed (text, 10, 1, G_MAXINT64, &id, NULL)
      && db_store_get_case (self, id) != NULL)
    return db_store_get_case (self, id);
  for (guint n = 0; n < g_list_model_get_n_items (cases); n++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, n);

      if (strcmp (row->name, text) == 0)
        return row; /* the list holds it */
    }
  return NULL;
}

DbLabel *
db_store_get_label (DbStore *self, gint64 label_id)
{
  return db_store_lookup (self, DB_TYPE_LABEL, label_id);
}

DbSliceTask *
db_store_get_task (DbStore *self, gint64 task_id)
{
  return db_store_lookup (self, DB_TYPE_SLICE_TASK, task_id);
}

DbJob *
db_store_get_job (DbStore *self, gint64 job_id)
{
  return db_store_lookup (self, DB_TYPE_JOB, job_id);
}

DbRound *
db_store_get_round (DbStore *self, gint64 round_id)
{
  return db_store_lookup (self, DB_TYPE_ROUND, round_id);
}

DbModel *
db_store_get_model (DbStore *self, gint64 model_id)
{
  return db_store_lookup (self, DB_TYPE_MODEL, model_id);
}

char *
db_store_get_setting (DbStore *self, const char *key)
{
  return g_strdup (g_hash_table_lookup (self->settings, key));
}

char *
db_store_get_view (DbStore *self, gint64 case_id)
{
  return g_strdup (g_hash_table_lookup (self->views, &case_id));
}

void
db_store_set_setting_in_memory (DbStore *self, const char *key, const char *value)
{
  if (value != NULL)
    g_hash_table_insert (self->settings, g_strdup (key), g_strdup (value));
  else
    g_hash_table_remove (self->settings, key);
}

void
db_store_set_view_in_memory (DbStore *self, gint64 case_id, const char *json)
{
  g_hash_table_insert (self->views, g_memdup2 (&case_id, sizeof case_id), g_strdup (json));
}

void
db_store_forget_selection (DbStore *self)
{
  Table *table = find_table (self, DB_TYPE_SELECTION);

  g_hash_table_remove_all (table->by_id);
  g_list_store_remove_all (table->list);
}

void
db_store_emit_metrics (DbStore *self, gint64 round, gint64 step)
{
  g_signal_emit (self, signals[SIGNAL_METRICS], 0, round, step);
}

guint32
db_store_reserve_edit_id (DbStore *self)
{
  return g_atomic_int_add (&self->next_edit_id, 1);
}

void
db_store_watch (DbStore *self, DbStoreWatch watch, gpointer watcher)
{
  Watch entry = { watch, watcher };

  g_array_append_val (self->watches, entry);
}

void
db_store_unwatch (DbStore *self, gpointer watcher)
{
  for (guint w = self->watches->len; w > 0; w--)
    if (g_array_index (self->watches, Watch, w - 1).watcher == watcher)
      g_array_remove_index (self->watches, w - 1);
}
