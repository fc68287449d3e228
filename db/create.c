/* SPDX-License-Identifier: Apache-2.0 */
/* A new project: built beside its place under another name and moved there whole. */
#include "config.h"

#include "db/store-private.h"

#include "db/lock-private.h"
#include "db/schema-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

/* I6: validation scans are labelled first. Nothing is known of them yet: their middle slices. */
static gboolean
propose_middle (DbConn *conn, gint64 id, const VolumeGeometry *geometry, GError **error)
{
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    if (!db_conn_run (
            conn, error,
            "INSERT INTO slice_task (scan, plane, idx, origin) VALUES (:scan, :plane, :idx,"
            " 'validation')",
            DB_INT (":scan", id), DB_INT (":plane", p),
            DB_INT (":idx", geometry->size[geometry->axis_of_plane[p]] / 2), NULL))
      return FALSE;
  return TRUE;
}

static gboolean
fill_new (DbConn *conn, const char *project, const DbProjectSpec *spec, GError **error)
{
  g_autofree char *detail =
      g_strdup_printf ("{\"scans\":%zu,\"seed\":%" G_GINT64_FORMAT "}", spec->n_cases, spec->seed);

  for (gsize n = 0; n < spec->n_labels; n++)
    if (db_insert_label (conn, n + 1, spec->label_names[n],
                         spec->label_colours != NULL ? spec->label_colours[n] : NULL, error)
        < 0)
      return FALSE;
  for (gsize n = 0; n < spec->n_cases; n++)
    {
      const gint64 id = db_insert_case (conn, project, &spec->cases[n], error);

      if (id < 0
          || (spec->cases[n].validation
              && !propose_middle (conn, id, spec->cases[n].geometry, error)))
        return FALSE;
    }
  return db_conn_run (conn, error, "INSERT INTO project VALUES ('seed', :seed), ('created', :at)",
                      DB_TEXT (":seed", "0"), DB_TEXT (":at", "0"), NULL)
         && db_conn_run (conn, error,
                         "UPDATE project SET value = CASE key WHEN 'seed' THEN CAST (:seed AS TEXT)"
                         " ELSE CAST (:at AS TEXT) END",
                         DB_INT (":seed", spec->seed), DB_INT (":at", db_now ()), NULL)
         && db_insert_event (conn, "new", 0, detail, error);
}

static gboolean
make_database (const char *folder, const char *project, const DbProjectSpec *spec, GError **error)
{
  g_autoptr (DbConn) conn = db_conn_open (folder, DB_CONN_CREATE, error);

  if (conn == NULL || !db_schema_upgrade (conn, folder, error)
      || !db_conn_exec (conn, "BEGIN IMMEDIATE", error))
    return FALSE;
  if (fill_new (conn, project, spec, error) && db_conn_exec (conn, "COMMIT", error))
    return db_conn_exec (conn, "PRAGMA wal_checkpoint (TRUNCATE)", error);
  sqlite3_exec (conn->handle, "ROLLBACK", NULL, NULL, NULL);
  return FALSE;
}

static void
remove_folder (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_remove (path);
    }
  g_clear_pointer (&dir, g_dir_close);
  g_rmdir (folder);
}

static gboolean
sync_folder (const char *folder)
{
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean done = fd >= 0 && fsync (fd) == 0;

  if (fd >= 0)
    close (fd);
  return done;
}

static gboolean
make_folders (const char *folder, GError **error)
{
  static const char *const names[] = { "models", "cache" };

  for (gsize n = 0; n < G_N_ELEMENTS (names); n++)
    {
      g_autofree char *path = g_build_filename (folder, names[n], NULL);

      if (g_mkdir (path, 0777) != 0)
        {
          g_set_error (error, DB_ERROR, DB_ERROR_IO, "%s: %s", path, g_strerror (errno));
          return FALSE;
        }
    }
  return TRUE;
}

gboolean
db_store_create (const char *path, const DbProjectSpec *spec, GError **error)
{
  g_autofree char *canonical = g_canonicalize_filename (path, NULL);
  g_autofree char *parent = g_path_get_dirname (canonical);
  g_autofree char *name = g_path_get_basename (canonical);
  g_autofree char *real = realpath (parent, NULL);
  g_autofree char *project = NULL;
  g_autofree char *folder = NULL;

  g_return_val_if_fail (path != NULL && spec != NULL, FALSE);

  if (real == NULL)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: %s", parent, g_strerror (errno));
      return FALSE;
    }
  project = g_build_filename (real, name, NULL);
  if (g_file_test (project, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, DB_ERROR, DB_ERROR_EXISTS, "%s: there is something of that name already",
                   path);
      return FALSE;
    }
  if (!db_lock_check_file_system (real, error))
    return FALSE;
  folder = g_strdup_printf ("%s/.%s.XXXXXX", real, name);
  if (g_mkdtemp_full (folder, 0777) == NULL)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_IO, "%s: %s", path, g_strerror (errno));
      return FALSE;
    }
  if (make_database (folder, project, spec, error) && make_folders (folder, error))
    {
      sync_folder (folder);
      if (g_rename (folder, project) == 0)
        {
          sync_folder (real);
          return TRUE;
        }
      g_set_error (error, DB_ERROR,
                   errno == EEXIST || errno == ENOTEMPTY ? DB_ERROR_EXISTS : DB_ERROR_IO, "%s: %s",
                   path, g_strerror (errno));
    }
  remove_folder (folder);
  return FALSE;
}
