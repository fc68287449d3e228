/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/conn-private.h"

#include <glib/gstdio.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* A reader waits this long for the writer's short exclusive moments (a checkpoint's end). */
#define BUSY_TIMEOUT_MS 10000

static void
finalize_statement (gpointer stmt)
{
  sqlite3_finalize (stmt);
}

static DbError
error_of_rc (int rc)
{
  switch (rc & 0xff)
    {
    case SQLITE_FULL:
      return DB_ERROR_FULL;
    case SQLITE_NOMEM:
      return DB_ERROR_NO_MEMORY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DB_ERROR_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return DB_ERROR_LOCKED;
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return DB_ERROR_READ_ONLY;
    case SQLITE_CONSTRAINT:
      return DB_ERROR_INVARIANT;
    default:
      return DB_ERROR_IO;
    }
}

static const char *
words_of_rc (int rc)
{
  switch (rc & 0xff)
    {
    case SQLITE_FULL:
      return "no space left on the disk; what was finished before is kept";
    case SQLITE_NOMEM:
      return "out of memory";
    case SQLITE_CORRUPT:
      return "the project database is damaged";
    case SQLITE_NOTADB:
      return "project.sqlite is not a project database";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another program holds the project database";
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return "the project cannot be written here";
    case SQLITE_CANTOPEN:
      return "project.sqlite cannot be opened";
    case SQLITE_IOERR:
      return "the disk reported an error";
    default:
      return NULL;
    }
}

void
db_conn_set_error (DbConn *self, int rc, GError **error)
{
  const char *words = words_of_rc (rc);
  const char *detail = self->handle != NULL ? sqlite3_errmsg (self->handle) : sqlite3_errstr (rc);

  if (words != NULL)
    g_set_error (error, DB_ERROR, error_of_rc (rc), "%s: %s (%s)", self->path, words, detail);
  else
    g_set_error (error, DB_ERROR, error_of_rc (rc), "%s: %s", self->path, detail);
}

static gboolean
configure (DbConn *self, DbConnMode mode, GError **error)
{
  sqlite3_busy_timeout (self->handle, BUSY_TIMEOUT_MS);
  sqlite3_extended_result_codes (self->handle, 1);
  sqlite3_db_config (self->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config (self->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  if (!db_conn_exec (self, "PRAGMA foreign_keys = ON", error))
    return FALSE;
  if (mode == DB_CONN_READ)
    return db_conn_exec (self, "PRAGMA query_only = ON", error);

  /* I2: a commit returns when the disk has it. The writer checkpoints when it is idle, so that a
   * stroke does not pay for it; the limit bounds the log while it never is. */
  return db_conn_exec (self,
                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                       "PRAGMA wal_autocheckpoint = 16384; PRAGMA journal_size_limit = 67108864;",
                       error);
}

/* A project in a folder that may not be written: SQLite cannot make its shared memory file there.
 * With no log beside it the file is complete and nobody can be changing it. */
static int
open_unwritable (DbConn *self, const char *file)
{
  g_autofree char *log = g_strconcat (file, "-wal", NULL);
  g_autofree char *uri = g_filename_to_uri (file, NULL, NULL);
  g_autofree char *immutable = g_strconcat (uri != NULL ? uri : "file:", "?immutable=1", NULL);
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READONLY;

  sqlite3_close_v2 (g_steal_pointer (&self->handle));
  if (g_file_test (log, G_FILE_TEST_EXISTS))
    return sqlite3_open_v2 (file, &self->handle, flags, NULL);
  return sqlite3_open_v2 (immutable, &self->handle, flags | SQLITE_OPEN_URI, NULL);
}

DbConn *
db_conn_open (const char *folder, DbConnMode mode, GError **error)
{
  g_autoptr (DbConn) self = g_new0 (DbConn, 1);
  g_autofree char *file = g_build_filename (folder, "project.sqlite", NULL);
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  int rc;

  self->path = g_path_get_basename (folder);
  self->statements = g_hash_table_new_full (NULL, NULL, NULL, finalize_statement);
  /* Read-only SQLite connections cannot recover a log that a killed program left; a reader opens
   * for writing where it may and forbids itself to write. */
  flags |=
      mode == DB_CONN_CREATE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;
  rc = sqlite3_open_v2 (file, &self->handle, flags, NULL);
  if (mode == DB_CONN_READ && (rc != SQLITE_OK || g_access (folder, W_OK) != 0))
    rc = open_unwritable (self, file);
  if (rc != SQLITE_OK)
    {
      db_conn_set_error (self, rc, error);
      return NULL;
    }
  if (!configure (self, mode, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
db_conn_close (DbConn *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->statements, g_hash_table_unref);
  sqlite3_close_v2 (self->handle);
  g_free (self->path);
  g_free (self);
}

gboolean
db_conn_exec (DbConn *self, const char *sql, GError **error)
{
  int rc = sqlite3_exec (self->handle, sql, NULL, NULL, NULL);

  if (rc == SQLITE_OK)
    return TRUE;
  db_conn_set_error (self, rc, error);
  return FALSE;
}

static sqlite3_stmt *
prepare (DbConn *self, const char *sql, GError **error)
{
  sqlite3_stmt *stmt = g_hash_table_lookup (self->statements, sql);
  int rc;

  if (stmt != NULL)
    {
      sqlite3_reset (stmt);
      sqlite3_clear_bindings (stmt);
      return stmt;
    }
  rc = sqlite3_prepare_v3 (self->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
  if (rc != SQLITE_OK)
    {
      db_conn_set_error (self, rc, error);
      return NULL;
    }
  g_hash_table_insert (self->statements, (gpointer) sql, stmt);
  return stmt;
}

static int
bind_blob (sqlite3_stmt *stmt, int place, GBytes *bytes)
{
  gsize size = 0;
  gconstpointer data;

  if (bytes == NULL)
    return sqlite3_bind_null (stmt, place);
  data = g_bytes_get_data (bytes, &size);
  /* The statement is reset before the caller lets go of the bytes. */
  return sqlite3_bind_blob64 (stmt, place, data != NULL ? data : "", size, SQLITE_STATIC);
}

static int
bind_text (sqlite3_stmt *stmt, int place, const char *text)
{
  if (text == NULL)
    return sqlite3_bind_null (stmt, place);
  return sqlite3_bind_text (stmt, place, text, -1, SQLITE_TRANSIENT);
}

static gboolean
bind_all (DbConn *self, sqlite3_stmt *stmt, va_list args, GError **error)
{
  const char *name;

  while ((name = va_arg (args, const char *)) != NULL)
    {
      int kind = va_arg (args, int);
      int place = sqlite3_bind_parameter_index (stmt, name);
      int rc = SQLITE_OK;

      g_assert (place > 0); /* a misspelt name is a programmer's error */
      if (kind == 'i' || kind == 'k')
        {
          gint64 value = va_arg (args, gint64);

          rc = kind == 'k' && value == 0 ? sqlite3_bind_null (stmt, place)
                                         : sqlite3_bind_int64 (stmt, place, value);
        }
      else if (kind == 'd')
        rc = sqlite3_bind_double (stmt, place, va_arg (args, double));
      else if (kind == 's')
        rc = bind_text (stmt, place, va_arg (args, const char *));
      else if (kind == 'b')
        rc = bind_blob (stmt, place, va_arg (args, GBytes *));
      else
        g_assert_not_reached ();
      if (rc != SQLITE_OK)
        {
          db_conn_set_error (self, rc, error);
          return FALSE;
        }
    }
  return TRUE;
}

sqlite3_stmt *
db_conn_query (DbConn *self, GError **error, const char *sql, ...)
{
  sqlite3_stmt *stmt = prepare (self, sql, error);
  gboolean bound;
  va_list args;

  if (stmt == NULL)
    return NULL;
  va_start (args, sql);
  bound = bind_all (self, stmt, args, error);
  va_end (args);
  return bound ? stmt : NULL;
}

gboolean
db_conn_step (DbConn *self, sqlite3_stmt *stmt, gboolean *has_row, GError **error)
{
  int rc = sqlite3_step (stmt);

  *has_row = rc == SQLITE_ROW;
  if (rc == SQLITE_ROW)
    return TRUE;
  if (rc != SQLITE_DONE)
    db_conn_set_error (self, rc, error);
  sqlite3_reset (stmt);
  return rc == SQLITE_DONE;
}

gboolean
db_conn_run (DbConn *self, GError **error, const char *sql, ...)
{
  sqlite3_stmt *stmt = prepare (self, sql, error);
  gboolean done = FALSE;
  gboolean has_row;
  va_list args;

  if (stmt == NULL)
    return FALSE;
  va_start (args, sql);
  done = bind_all (self, stmt, args, error) && db_conn_step (self, stmt, &has_row, error);
  va_end (args);
  sqlite3_reset (stmt);
  sqlite3_clear_bindings (stmt);
  return done;
}

gboolean
db_conn_get_int (DbConn *self, gint64 *value, gint64 fallback, GError **error, const char *sql, ...)
{
  sqlite3_stmt *stmt = prepare (self, sql, error);
  gboolean done = FALSE;
  gboolean has_row = FALSE;
  va_list args;

  *value = fallback;
  if (stmt == NULL)
    return FALSE;
  va_start (args, sql);
  done = bind_all (self, stmt, args, error) && db_conn_step (self, stmt, &has_row, error);
  va_end (args);
  if (done && has_row && sqlite3_column_type (stmt, 0) != SQLITE_NULL)
    *value = sqlite3_column_int64 (stmt, 0);
  sqlite3_reset (stmt);
  return done;
}

gint64
db_conn_last_id (DbConn *self)
{
  return sqlite3_last_insert_rowid (self->handle);
}

int
db_conn_n_changed (DbConn *self)
{
  return sqlite3_changes (self->handle);
}

char *
db_column_text (sqlite3_stmt *stmt, int column)
{
  return g_strdup ((const char *) sqlite3_column_text (stmt, column));
}

GBytes *
db_column_bytes (sqlite3_stmt *stmt, int column)
{
  gconstpointer data = sqlite3_column_blob (stmt, column);

  if (sqlite3_column_type (stmt, column) == SQLITE_NULL)
    return NULL;
  return g_bytes_new (data, sqlite3_column_bytes (stmt, column));
}

gint64
db_now (void)
{
  return g_get_real_time ();
}
