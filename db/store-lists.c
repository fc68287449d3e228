/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/store-inside-private.h"

#include <string.h>

/* Lists */

static DbTable *
find_table (DbStore *self, GType type)
{
  for (int t = 0; t < DB_N_TABLES; t++)
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
remember_row (DbStore *self, DbTable *table, gpointer row)
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
forget_row (DbStore *self, DbTable *table, gint64 id)
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
        DbWatch watch = g_array_index (self->watches, DbWatch, w - 1);

        watch.watch (watch.watcher, case_id, edit);
      }
}

static void
apply_row_cb (DbStore *self, DbNews *news)
{
  DbTable *table;
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

void
db_news_free (gpointer data)
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
      db_news_free (news);
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

void
db_store_schedule_hearing (DbStore *self)
{
  GWeakRef *weak = g_new0 (GWeakRef, 1);
  g_autoptr (GSource) source = g_idle_source_new ();

  g_weak_ref_init (weak, self);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, hear_cb, weak, weak_free);
  g_source_attach (source, self->context);
}

/* Opening */

static gboolean
read_list (DbStore *self, DbTable *table, GError **error)
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

gboolean
db_store_lists_read (DbStore *self, GError **error)
{
  gint64 last_edit;

  for (int t = 0; t < DB_N_TABLES; t++)
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

void
db_store_lists_init (DbStore *self)
{
  const struct
  {
    GType type;
    const char *rest;
  } kept[DB_N_TABLES] = {
    { DB_TYPE_CASE, "ORDER BY id" },
    { DB_TYPE_SLICE_TASK, "ORDER BY scan, id" },
    { DB_TYPE_LABEL, "ORDER BY id" },
    { DB_TYPE_JOB, "ORDER BY id" },
    { DB_TYPE_ROUND, "ORDER BY id" },
    { DB_TYPE_MODEL, "ORDER BY id" },
    { DB_TYPE_PREDICTION, "ORDER BY id" },
    { DB_TYPE_SELECTION, "WHERE batch = (SELECT max (batch) FROM selection) ORDER BY id" },
  };

  for (int t = 0; t < DB_N_TABLES; t++)
    {
      self->tables[t].type = kept[t].type;
      self->tables[t].rest = kept[t].rest;
      self->tables[t].list = g_list_store_new (kept[t].type);
      self->tables[t].by_id = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
    }
  self->tasks_by_case = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_object_unref);
  self->settings = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->views = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, g_free);
  self->watches = g_array_new (FALSE, FALSE, sizeof (DbWatch));
  g_queue_init (&self->news);
}

void
db_store_lists_clear (DbStore *self)
{
  g_queue_clear_full (&self->news, db_news_free);
  for (int t = 0; t < DB_N_TABLES; t++)
    {
      g_hash_table_unref (self->tables[t].by_id);
      g_object_unref (self->tables[t].list);
    }
  g_hash_table_unref (self->tasks_by_case);
  g_hash_table_unref (self->settings);
  g_hash_table_unref (self->views);
  g_array_unref (self->watches);
}

/* Looking */

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
  DbTable *table = find_table (self, DB_TYPE_SELECTION);

  g_hash_table_remove_all (table->by_id);
  g_list_store_remove_all (table->list);
}

void
db_store_watch (DbStore *self, DbStoreWatch watch, gpointer watcher)
{
  DbWatch entry = { watch, watcher };

  g_array_append_val (self->watches, entry);
}

void
db_store_unwatch (DbStore *self, gpointer watcher)
{
  for (guint w = self->watches->len; w > 0; w--)
    if (g_array_index (self->watches, DbWatch, w - 1).watcher == watcher)
      g_array_remove_index (self->watches, w - 1);
}
