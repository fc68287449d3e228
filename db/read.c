/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/store-private.h"

#include <math.h>

/* Reads that any thread may ask for; those of the journal are in journal.c. */

GArray *
db_store_read_metrics (DbStore *self, gint64 round, const char *name, GError **error)
{
  DbConn *conn = db_store_borrow_reader (self, error);
  g_autoptr (GArray) points = g_array_new (FALSE, FALSE, sizeof (DbMetricPoint));
  sqlite3_stmt *stmt = NULL;
  gboolean has_row = FALSE;
  gboolean done = FALSE;

  if (conn != NULL)
    stmt = db_conn_query (conn, error,
                          "SELECT step, name, value FROM metric WHERE round = :round AND"
                          " (:name IS NULL OR name = :name) ORDER BY step, id",
                          DB_INT (":round", round), DB_TEXT (":name", name), NULL);
  while (stmt != NULL && (done = db_conn_step (conn, stmt, &has_row, error)) && has_row)
    {
      g_autofree char *text = db_column_text (stmt, 1);
      DbMetricPoint point = { .step = sqlite3_column_int64 (stmt, 0),
                              .name = g_intern_string (text),
                              .value = NAN };

      if (sqlite3_column_type (stmt, 2) != SQLITE_NULL)
        point.value = sqlite3_column_double (stmt, 2);
      g_array_append_val (points, point);
    }
  db_store_return_reader (self, conn);
  return done ? g_steal_pointer (&points) : NULL;
}

GListModel *
db_store_read_events (DbStore *self, gint64 limit, GError **error)
{
  DbConn *conn = db_store_borrow_reader (self, error);
  g_autoptr (GListStore) list = g_list_store_new (DB_TYPE_EVENT);
  gboolean done =
      conn != NULL
      && db_row_read_list (conn, DB_TYPE_EVENT, "ORDER BY id DESC LIMIT :id", limit, list, error);

  db_store_return_reader (self, conn);
  return done ? G_LIST_MODEL (g_steal_pointer (&list)) : NULL;
}

GArray *
db_store_read_round_cases (DbStore *self, gint64 round, const char *role, GError **error)
{
  DbConn *conn = db_store_borrow_reader (self, error);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint64));
  sqlite3_stmt *stmt = NULL;
  gboolean has_row = FALSE;
  gboolean done = FALSE;

  if (conn != NULL)
    stmt = db_conn_query (conn, error,
                          "SELECT scan FROM round_scan WHERE round = :round AND role = :role"
                          " ORDER BY scan",
                          DB_INT (":round", round), DB_TEXT (":role", role), NULL);
  while (stmt != NULL && (done = db_conn_step (conn, stmt, &has_row, error)) && has_row)
    {
      gint64 id = sqlite3_column_int64 (stmt, 0);

      g_array_append_val (ids, id);
    }
  db_store_return_reader (self, conn);
  return done ? g_steal_pointer (&ids) : NULL;
}
