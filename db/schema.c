/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/schema-private.h"

#include "db/db-resources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* "CLBL": file(1) and our own eyes tell a project from another SQLite database. */
#define FILE_KIND 0x434c424c

/* One a line, in order; the number in the name is the version it leads to. */
static const char *const files[] = {
  "001-start.sql",
};

int
db_schema_get_version (void)
{
  return G_N_ELEMENTS (files);
}

static gboolean
copy_database (DbConn *conn, const char *path, GError **error)
{
  sqlite3 *copy = NULL;
  sqlite3_backup *backup;
  int rc = sqlite3_open (path, &copy);

  if (rc == SQLITE_OK)
    {
      backup = sqlite3_backup_init (copy, "main", conn->handle, "main");
      if (backup != NULL)
        {
          sqlite3_backup_step (backup, -1);
          sqlite3_backup_finish (backup);
        }
      rc = sqlite3_errcode (copy);
    }
  sqlite3_close (copy);
  if (rc == SQLITE_OK)
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_IO,
               "%s: the copy before the change of format failed: %s; nothing was changed", path,
               sqlite3_errstr (rc));
  return FALSE;
}

/* A copy that is there already is from a change that was cut short: it is the good one. */
static gboolean
backup_before (DbConn *conn, const char *folder, int version, GError **error)
{
  g_autofree char *path = g_strdup_printf ("%s/project.sqlite.before-%03d", folder, version);
  g_autofree char *part = g_strconcat (path, ".part", NULL);
  int fd;

  if (g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  unlink (part);
  if (!copy_database (conn, part, error))
    return FALSE;
  fd = open (part, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fsync (fd) != 0 || rename (part, path) != 0)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_IO, "%s: %s", path, g_strerror (errno));
      if (fd >= 0)
        close (fd);
      return FALSE;
    }
  close (fd);
  return TRUE;
}

static gboolean
run_script (DbConn *conn, const char *script, int version, GError **error)
{
  g_autofree char *finish =
      g_strdup_printf ("PRAGMA user_version = %d; PRAGMA application_id = %d;", version, FILE_KIND);

  if (db_conn_exec (conn, "BEGIN IMMEDIATE", error) && db_conn_exec (conn, script, error)
      && db_conn_exec (conn, finish, error) && db_conn_exec (conn, "COMMIT", error))
    return TRUE;
  sqlite3_exec (conn->handle, "ROLLBACK", NULL, NULL, NULL);
  return FALSE;
}

static gboolean
check_kind (DbConn *conn, gint64 version, int n_scripts, GError **error)
{
  gint64 application_id;

  if (!db_conn_get_int (conn, &application_id, 0, error, "PRAGMA application_id", NULL))
    return FALSE;
  if (version != 0 && application_id != FILE_KIND)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_CORRUPT,
                   "%s: project.sqlite is a database of another program", conn->path);
      return FALSE;
    }
  if (version > n_scripts)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NEWER,
                   "%s: written by a newer version of Crosslabel (format %d, this one knows %d)",
                   conn->path, (int) version, n_scripts);
      return FALSE;
    }
  return TRUE;
}

gboolean
db_schema_upgrade_with (DbConn *conn, const char *folder, const char *const *scripts, int n_scripts,
                        GError **error)
{
  gint64 version;

  if (!db_conn_get_int (conn, &version, 0, error, "PRAGMA user_version", NULL)
      || !check_kind (conn, version, n_scripts, error))
    return FALSE;
  for (; version < n_scripts; version++)
    {
      if (version > 0 && !backup_before (conn, folder, version + 1, error))
        return FALSE;
      if (!run_script (conn, scripts[version], version + 1, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
db_schema_upgrade (DbConn *conn, const char *folder, GError **error)
{
  GResource *resource = db_get_resource ();
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  const char *scripts[G_N_ELEMENTS (files)];

  for (gsize f = 0; f < G_N_ELEMENTS (files); f++)
    {
      g_autofree char *path = g_strconcat ("/io/github/crosslabel/db/", files[f], NULL);
      GBytes *text = g_resource_lookup_data (resource, path, G_RESOURCE_LOOKUP_FLAGS_NONE, error);

      if (text == NULL)
        return FALSE;
      g_ptr_array_add (texts, text);
      scripts[f] = g_bytes_get_data (text, NULL); /* resources end with a zero byte */
    }
  return db_schema_upgrade_with (conn, folder, scripts, G_N_ELEMENTS (files), error);
}

static gboolean
check_pages (DbConn *conn, GError **error)
{
  sqlite3_stmt *stmt = db_conn_query (conn, error, "PRAGMA integrity_check (1)", NULL);
  gboolean has_row;
  gboolean good;

  if (stmt == NULL || !db_conn_step (conn, stmt, &has_row, error))
    return FALSE;
  good = has_row && g_strcmp0 ((const char *) sqlite3_column_text (stmt, 0), "ok") == 0;
  if (!good)
    g_set_error (error, DB_ERROR, DB_ERROR_CORRUPT, "%s: the project database is damaged (%s)",
                 conn->path, has_row ? (const char *) sqlite3_column_text (stmt, 0) : "no answer");
  sqlite3_reset (stmt);
  return good;
}

static gboolean
check_references (DbConn *conn, GError **error)
{
  sqlite3_stmt *stmt = db_conn_query (conn, error, "PRAGMA foreign_key_check", NULL);
  gboolean has_row;

  if (stmt == NULL || !db_conn_step (conn, stmt, &has_row, error))
    return FALSE;
  if (has_row)
    g_set_error (error, DB_ERROR, DB_ERROR_CORRUPT,
                 "%s: the project database is damaged (a row of “%s” points nowhere)", conn->path,
                 (const char *) sqlite3_column_text (stmt, 0));
  sqlite3_reset (stmt);
  return !has_row;
}

gboolean
db_schema_check (DbConn *conn, GError **error)
{
  return check_pages (conn, error) && check_references (conn, error);
}
