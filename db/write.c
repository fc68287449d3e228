/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/store-private.h"

#include "volume/label-set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

DbWrite *
db_write_new (DbUrgency urgency, gboolean (*run) (DbWrite *, DbTxn *, GError **))
{
  DbWrite *self = g_new0 (DbWrite, 1);

  self->urgency = urgency;
  self->run = run;
  return self;
}

void
db_write_free (DbWrite *self)
{
  if (self == NULL)
    return;
  for (gsize t = 0; t < G_N_ELEMENTS (self->texts); t++)
    g_free (self->texts[t]);
  g_clear_pointer (&self->blob, g_bytes_unref);
  if (self->free_extra != NULL)
    self->free_extra (self->extra);
  g_free (self);
}

gboolean
db_set_not_found (DbConn *conn, const char *what, gint64 id, GError **error)
{
  g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: there is no %s %" G_GINT64_FORMAT,
               conn->path, what, id);
  return FALSE;
}

/* Paths are kept relative to the project (I10). Symbolic links are followed in the folder first:
 * ".." is the kernel's, not the text's. */
char *
db_make_relative (const char *project, const char *path)
{
  g_autofree char *folder = NULL;
  g_autofree char *real = NULL;
  g_autofree char *base = NULL;
  g_autofree char *full = NULL;
  g_auto (GStrv) from = NULL;
  g_auto (GStrv) to = NULL;
  GString *relative;
  guint common = 0;

  if (path == NULL || !g_path_is_absolute (path))
    return g_strdup (path);
  folder = g_path_get_dirname (path);
  base = g_path_get_basename (path);
  real = realpath (folder, NULL);
  full = g_canonicalize_filename (base, real != NULL ? real : folder);
  from = g_strsplit (project + 1, "/", -1);
  to = g_strsplit (full + 1, "/", -1);
  while (from[common] != NULL && to[common] != NULL && strcmp (from[common], to[common]) == 0)
    common++;
  relative = g_string_new (NULL);
  for (guint n = common; from[n] != NULL; n++)
    g_string_append (relative, "../");
  for (guint n = common; to[n] != NULL; n++)
    g_string_append_printf (relative, "%s%s", to[n], to[n + 1] != NULL ? "/" : "");
  return g_string_free (relative, FALSE);
}

DbWrite *
db_write_new_for (DbUrgency urgency, gboolean (*run) (DbWrite *, DbTxn *, GError **),
                  gint64 case_id, const char *text)
{
  DbWrite *self = db_write_new (urgency, run);

  self->ids[0] = case_id;
  self->texts[0] = g_strdup (text);
  return self;
}

/* Groups */

static void
group_free (gpointer data)
{
  g_ptr_array_unref (data);
}

static gboolean
run_group (DbWrite *self, DbTxn *txn, GError **error)
{
  GPtrArray *writes = self->extra;

  for (guint w = 0; w < writes->len; w++)
    {
      DbWrite *write = g_ptr_array_index (writes, w);

      if (!write->run (write, txn, error))
        return FALSE;
      self->result = write->result;
    }
  return TRUE;
}

DbWrite *
db_write_all (DbWrite **writes, gsize n_writes)
{
  DbWrite *self = db_write_new (DB_URGENCY_PROGRESS, run_group);
  GPtrArray *list = g_ptr_array_new_with_free_func ((GDestroyNotify) db_write_free);

  for (gsize w = 0; w < n_writes; w++)
    {
      self->urgency = MIN (self->urgency, writes[w]->urgency);
      g_ptr_array_add (list, writes[w]);
    }
  self->extra = list;
  self->free_extra = group_free;
  return self;
}

/* Labels */

static char *
palette_colour (gint64 id)
{
  guint8 rgba[4];

  volume_label_palette (id - 1, rgba);
  return g_strdup_printf ("#%02x%02x%02x", rgba[0], rgba[1], rgba[2]);
}

static gboolean
is_colour (const char *text)
{
  return strlen (text) == 7 && text[0] == '#' && strspn (text + 1, "0123456789abcdefABCDEF") == 6;
}

gint64
db_insert_label (DbConn *conn, gint64 id, const char *name, const char *colour, GError **error)
{
  g_autofree char *chosen = NULL;
  g_autofree char *word = NULL;

  if (id == 0 && !db_conn_get_int (conn, &id, 1, error, "SELECT max (id) + 1 FROM label", NULL))
    return -1;
  if (id < 1 || id > 65535)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT,
                   "Labels have ids from 1 to 65535, not %" G_GINT64_FORMAT ".", id);
      return -1;
    }
  if (colour != NULL && !is_colour (colour))
    {
      g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT, "“%s” is not a colour like #e69f00.",
                   colour);
      return -1;
    }
  chosen = palette_colour (id);
  word = g_strdup_printf ("label %" G_GINT64_FORMAT, id);
  if (!db_conn_run (conn, error,
                    "INSERT INTO label (id, name, colour) VALUES (:id, coalesce (:name, :word),"
                    " coalesce (:colour, :chosen)) ON CONFLICT (id) DO UPDATE SET"
                    " name = coalesce (:name, name), colour = coalesce (:colour, colour)",
                    DB_INT (":id", id), DB_TEXT (":name", name), DB_TEXT (":word", word),
                    DB_TEXT (":colour", colour), DB_TEXT (":chosen", chosen), NULL))
    return -1;
  return id;
}

static gboolean
run_put_label (DbWrite *self, DbTxn *txn, GError **error)
{
  self->result = db_insert_label (txn->conn, self->ids[0], self->texts[0], self->texts[1], error);
  return self->result > 0 && db_txn_touch (txn, DB_TYPE_LABEL, self->result, error);
}

DbWrite *
db_write_put_label (gint64 id, const char *name, const char *colour)
{
  DbWrite *self = db_write_new_for (DB_URGENCY_NORMAL, run_put_label, id, name);

  self->texts[1] = g_strdup (colour);
  return self;
}

static gboolean
run_set_label_visible (DbWrite *self, DbTxn *txn, GError **error)
{
  self->result = self->ids[0];
  return db_conn_run (txn->conn, error, "UPDATE label SET visible = :value WHERE id = :id",
                      DB_INT (":value", self->ids[1]), DB_INT (":id", self->ids[0]), NULL)
         && db_txn_touch (txn, DB_TYPE_LABEL, self->ids[0], error);
}

static gboolean
run_set_label_locked (DbWrite *self, DbTxn *txn, GError **error)
{
  g_autofree char *detail = g_strdup_printf ("{\"label\":%" G_GINT64_FORMAT "}", self->ids[0]);

  self->result = self->ids[0];
  return db_conn_run (txn->conn, error, "UPDATE label SET locked = :value WHERE id = :id",
                      DB_INT (":value", self->ids[1]), DB_INT (":id", self->ids[0]), NULL)
         && db_insert_event (txn->conn, self->ids[1] ? "lock" : "unlock", 0, detail, error)
         && db_txn_touch (txn, DB_TYPE_LABEL, self->ids[0], error);
}

DbWrite *
db_write_set_label_visible (gint64 id, gboolean visible)
{
  DbWrite *self = db_write_new_for (DB_URGENCY_NORMAL, run_set_label_visible, id, NULL);

  self->ids[1] = visible != FALSE;
  return self;
}

DbWrite *
db_write_set_label_locked (gint64 id, gboolean locked)
{
  DbWrite *self = db_write_new_for (DB_URGENCY_HAND, run_set_label_locked, id, NULL);

  self->ids[1] = locked != FALSE;
  return self;
}

/* Events, settings, views */

gboolean
db_insert_event (DbConn *conn, const char *kind, gint64 case_id, const char *detail, GError **error)
{
  return db_conn_run (conn, error,
                      "INSERT INTO event (at, kind, scan, detail) VALUES (:at, :kind, :scan,"
                      " :detail)",
                      DB_INT (":at", db_now ()), DB_TEXT (":kind", kind), DB_INT (":scan", case_id),
                      DB_TEXT (":detail", detail), NULL);
}

static gboolean
run_add_event (DbWrite *self, DbTxn *txn, GError **error)
{
  if (!db_insert_event (txn->conn, self->texts[0], self->ids[0], self->texts[1], error))
    return FALSE;
  self->result = db_conn_last_id (txn->conn);
  return TRUE;
}

DbWrite *
db_write_add_event (const char *kind, gint64 case_id, const char *detail)
{
  DbWrite *self = db_write_new_for (DB_URGENCY_NORMAL, run_add_event, case_id, kind);

  self->texts[1] = g_strdup (detail);
  return self;
}

static void
apply_setting_cb (DbStore *store, DbNews *news)
{
  db_store_set_setting_in_memory (store, news->key, news->value);
}

static gboolean
run_set_setting (DbWrite *self, DbTxn *txn, GError **error)
{
  DbNews *news;
  gboolean done;

  if (self->texts[1] == NULL)
    done = db_conn_run (txn->conn, error, "DELETE FROM setting WHERE key = :key",
                        DB_TEXT (":key", self->texts[0]), NULL);
  else
    done = db_conn_run (txn->conn, error,
                        "INSERT INTO setting VALUES (:key, :value) ON CONFLICT (key) DO UPDATE"
                        " SET value = :value",
                        DB_TEXT (":key", self->texts[0]), DB_TEXT (":value", self->texts[1]), NULL);
  if (!done)
    return FALSE;
  news = db_txn_add_news (txn, apply_setting_cb);
  news->key = g_strdup (self->texts[0]);
  news->value = g_strdup (self->texts[1]);
  return TRUE;
}

DbWrite *
db_write_set_setting (const char *key, const char *value)
{
  DbWrite *self = db_write_new_for (DB_URGENCY_NORMAL, run_set_setting, 0, key);

  self->texts[1] = g_strdup (value);
  return self;
}

static void
apply_view_cb (DbStore *store, DbNews *news)
{
  db_store_set_view_in_memory (store, news->id, news->value);
}

static gboolean
run_set_view (DbWrite *self, DbTxn *txn, GError **error)
{
  DbNews *news;

  if (!db_conn_run (txn->conn, error, "UPDATE scan SET view = :view WHERE id = :id",
                    DB_TEXT (":view", self->texts[0]), DB_INT (":id", self->ids[0]), NULL))
    return FALSE;
  if (db_conn_n_changed (txn->conn) == 0)
    return db_set_not_found (txn->conn, "scan", self->ids[0], error);
  news = db_txn_add_news (txn, apply_view_cb);
  news->id = self->ids[0];
  news->value = g_strdup (self->texts[0]);
  return TRUE;
}

DbWrite *
db_write_set_view (gint64 case_id, const char *json)
{
  return db_write_new_for (DB_URGENCY_PROGRESS, run_set_view, case_id, json);
}
