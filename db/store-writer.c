/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/store-inside-private.h"

/* A write on its way: with a task, or with somebody waiting, or with neither. */
typedef struct
{
  DbWrite *write;
  GTask *task;
  gboolean waited_for;
  gboolean done;
  GError *error;
} Order;

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
    db_store_emit_failed (self, failure->error);
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
    db_store_schedule_hearing (self);
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
  g_autoptr (GPtrArray) news = g_ptr_array_new_with_free_func (db_news_free);
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

gpointer
db_store_writer_main (gpointer data)
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
