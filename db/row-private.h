/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/conn-private.h"
#include "db/rows.h"

G_BEGIN_DECLS

/* What makes a struct of rows.h a row: the query that reads it, and where each column goes. The
 * first field is the id. Columns beyond the fields are the row's own affair (DbRowInfo.load_rest).
 */

typedef enum
{
  DB_FIELD_INT,
  DB_FIELD_INT64,
  DB_FIELD_BOOLEAN,
  DB_FIELD_DOUBLE,
  DB_FIELD_TEXT,
} DbFieldKind;

typedef struct
{
  const char *name; /* of the property */
  DbFieldKind kind;
  gsize offset;
} DbField;

typedef struct
{
  const char *select; /* without WHERE */
  const DbField *fields;
  guint n_fields;
  void (*load_rest) (gpointer row, sqlite3_stmt *stmt, int first_column);
  void (*take_rest) (gpointer row, gpointer fresh);
  void (*free_rest) (gpointer row);
} DbRowInfo;

const DbRowInfo *db_row_get_info (GType type);
gint64 db_row_get_id (gpointer row);
/* The select of @type with @rest after it, for db_conn_query(). */
const char *db_row_sql (GType type, const char *rest);
/* Appends the rows of "… @rest", in which :id may stand for @id. */
gboolean db_row_read_list (DbConn *conn, GType type, const char *rest, gint64 id, GListStore *list,
                           GError **error);
/* (transfer full) the row a statement stands at. */
gpointer db_row_new_from_stmt (GType type, sqlite3_stmt *stmt);
/* (transfer full); *row is NULL where there is none. */
gboolean db_row_read (DbConn *conn, GType type, gint64 id, gpointer *row, GError **error);
/* Takes over @fresh's fields and notifies those that differ. */
void db_row_update (gpointer row, gpointer fresh);
void db_row_set_boolean (gpointer row, const char *property, gboolean *field, gboolean value);

G_END_DECLS
