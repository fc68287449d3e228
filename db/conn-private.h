/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/db-types.h"

#include <sqlite3.h>

G_BEGIN_DECLS

/* One SQLite connection with its prepared statements, used by one thread at a time. All SQL of the
 * program goes through it. */
typedef struct
{
  sqlite3 *handle;
  GHashTable *statements; /* SQL literal → sqlite3_stmt */
  char *path; /* of the project, for messages */
} DbConn;

typedef enum
{
  DB_CONN_READ,
  DB_CONN_WRITE,
  DB_CONN_CREATE,
} DbConnMode;

DbConn *db_conn_open (const char *folder, DbConnMode mode, GError **error);
void db_conn_close (DbConn *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DbConn, db_conn_close)

/* The handle's error @rc as a GError: "NAME.crosslabel: no space left on the disk" */
void db_conn_set_error (DbConn *self, int rc, GError **error);

/* Several statements of a script, without results. */
gboolean db_conn_exec (DbConn *self, const char *sql, GError **error);

/* Binds: pairs of ":name" and a typed value, ended by NULL:
 *   DB_INT (":id", 3), DB_REAL (":x", 0.5), DB_TEXT (":t", "a"), DB_BLOB (":b", bytes), NULL
 * A NULL text or blob, an id bound with DB_ID that is 0 and a NaN become SQL's NULL. */
#define DB_INT(name, value) name, 'i', (gint64) (value)
#define DB_ID(name, value) name, 'k', (gint64) (value)
#define DB_REAL(name, value) name, 'd', (double) (value)
#define DB_TEXT(name, value) name, 's', (const char *) (value)
#define DB_BLOB(name, value) name, 'b', (GBytes *) (value)

/* @sql must be a literal: statements are kept by its address. */
gboolean db_conn_run (DbConn *self, GError **error, const char *sql, ...);
/* Ready to be stepped; valid until the same SQL is asked for again. */
sqlite3_stmt *db_conn_query (DbConn *self, GError **error, const char *sql, ...);
/* TRUE with *has_row; resets the statement at its end. */
gboolean db_conn_step (DbConn *self, sqlite3_stmt *stmt, gboolean *has_row, GError **error);
/* The single number a query gives; @fallback where it gives no row or NULL. */
gboolean db_conn_get_int (DbConn *self, gint64 *value, gint64 fallback, GError **error,
                          const char *sql, ...);

gint64 db_conn_last_id (DbConn *self);
int db_conn_n_changed (DbConn *self);

char *db_column_text (sqlite3_stmt *stmt, int column); /* or NULL */
GBytes *db_column_bytes (sqlite3_stmt *stmt, int column); /* or NULL */

gint64 db_now (void); /* Unix µs */

G_END_DECLS
