/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/store-inside-private.h"

#include "db/journal-private.h"
#include "db/schema-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum
{
  SIGNAL_METRICS,
  SIGNAL_FAILED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (DbStore, db_store, G_TYPE_OBJECT)

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
  if (!open_database (self, error) || !db_store_lists_read (self, error))
    return NULL;
  if (mode == DB_OPEN_WRITE)
    {
      self->snapshots = g_thread_pool_new (make_snapshot_cb, self, 1, FALSE, NULL);
      self->writer = g_thread_new ("store-writer", db_store_writer_main, self);
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
  DbStore *store;

  if (g_task_return_error_if_cancelled (task))
    return;
  store = open_for (params->path, params->mode, params->owner, params->context, &error);

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
  /* What is open is handed over, to be closed: dropped with the task it would be closed here. */
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, params, open_params_free);
  g_task_run_in_thread (task, open_in_thread_cb);
}

DbStore *
db_store_open_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* It goes when it has nothing more to do. */
static void
stop_writer (DbStore *self)
{
  GThread *writer;

  g_mutex_lock (&self->mutex);
  self->stopping = TRUE;
  g_cond_signal (&self->wake);
  writer = g_steal_pointer (&self->writer);
  g_mutex_unlock (&self->mutex);
  if (writer != NULL)
    g_thread_join (writer);
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
  stop_writer (self);
  g_mutex_lock (&self->readers_mutex);
  while ((conn = g_queue_pop_head (&self->readers)) != NULL)
    db_conn_close (conn);
  g_mutex_unlock (&self->readers_mutex);
  g_clear_pointer (&self->conn, db_conn_close);
  g_clear_pointer (&self->lock, db_lock_release);
}

static gboolean
closed_cb (gpointer user_data)
{
  g_task_return_boolean (user_data, TRUE);
  return G_SOURCE_REMOVE;
}

/* The task, and with it perhaps the last reference to the store, goes on the store's thread. */
static gpointer
close_main (gpointer user_data)
{
  GTask *task = user_data;
  DbStore *self = g_task_get_source_object (task);
  g_autoptr (GMainContext) context = g_main_context_ref (self->context);
  g_autoptr (GSource) source = g_idle_source_new ();

  db_store_close (self);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, closed_cb, task, g_object_unref);
  g_source_attach (source, context);
  return NULL;
}

void
db_store_close_async (DbStore *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task;

  g_return_if_fail (DB_IS_STORE (self));
  g_return_if_fail (g_thread_self () == self->owner);

  task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (task, db_store_close_async);
  g_thread_unref (g_thread_new ("store-closing", close_main, task));
}

void
db_store_close_finish (DbStore *self, GAsyncResult *result)
{
  g_return_if_fail (g_task_is_valid (result, self));
  g_task_propagate_boolean (G_TASK (result), NULL);
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

  db_store_lists_clear (self);
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
  db_store_lists_init (self);
  g_mutex_init (&self->mutex);
  g_mutex_init (&self->readers_mutex);
  g_cond_init (&self->wake);
  g_cond_init (&self->finished);
  for (int u = 0; u < DB_N_URGENCIES; u++)
    g_queue_init (&self->orders[u]);
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
db_store_emit_failed (DbStore *self, const GError *error)
{
  g_signal_emit (self, signals[SIGNAL_FAILED], 0, error);
}
