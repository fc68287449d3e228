/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/file-write.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct _VolumeFileWriter
{
  char *path, *temporary, *name;
  int fd;
};

static gboolean
fail (const VolumeFileWriter *self, int saved_errno, GError **error)
{
  g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_IO, "%s: cannot be written: %s", self->name,
               g_strerror (saved_errno));
  return FALSE;
}

#define SQLITE_MAGIC "SQLite format 3" /* and a zero byte */

static gboolean
is_database (const char *path)
{
  char start[sizeof SQLITE_MAGIC] = "";
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  gssize n = fd >= 0 ? read (fd, start, sizeof start) : 0;

  if (fd >= 0)
    close (fd);
  return n == sizeof start && memcmp (start, SQLITE_MAGIC, sizeof start) == 0;
}

/* A file is renamed into place: what stands there must be a file too, not a device or a pipe; and
 * not a database, for nothing that is written here replaces one, and a project's is all its work.
 */
static gboolean
check_target (const VolumeFileWriter *self, GError **error)
{
  struct stat facts;

  if (stat (self->path, &facts) != 0 || (S_ISREG (facts.st_mode) && !is_database (self->path)))
    return TRUE;
  if (S_ISDIR (facts.st_mode))
    return fail (self, EISDIR, error);
  g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_IO,
               S_ISREG (facts.st_mode)
                   ? "%s: not written: a database stands there, which nothing replaces"
                   : "%s: not written: not an ordinary file stands there, which nothing replaces",
               self->name);
  return FALSE;
}

VolumeFileWriter *
volume_file_writer_new (const char *path, GError **error)
{
  g_autoptr (VolumeFileWriter) self = g_new0 (VolumeFileWriter, 1);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *hidden = NULL;

  self->path = g_strdup (path);
  self->name = g_path_get_basename (path);
  if (!check_target (self, error))
    return NULL;
  hidden = g_strdup_printf (".%.200s.XXXXXX", self->name);
  self->temporary = g_build_filename (folder, hidden, NULL);
  self->fd = g_mkstemp_full (self->temporary, O_WRONLY | O_CLOEXEC, 0666);
  if (self->fd < 0)
    {
      int saved = errno;

      g_clear_pointer (&self->temporary, g_free);
      fail (self, saved, error);
      return NULL;
    }
  return g_steal_pointer (&self);
}

gboolean
volume_file_writer_write (VolumeFileWriter *self, gconstpointer data, gsize n_bytes, GError **error)
{
  const guint8 *at = data;

  while (n_bytes > 0)
    {
      gssize n = write (self->fd, at, MIN (n_bytes, (gsize) 1 << 30));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return fail (self, errno, error);
      at += n;
      n_bytes -= (gsize) n;
    }
  return TRUE;
}

/* The new name is on the disk once its folder is. Not every file system can; that is no failure
 * of the file. */
static void
sync_folder (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return;
  (void) fsync (fd);
  close (fd);
}

gboolean
volume_file_writer_finish (VolumeFileWriter *self, GError **error)
{
  int fd = self->fd;
  int synced = fsync (fd);

  self->fd = -1;
  if (synced != 0)
    {
      int saved = errno;

      close (fd);
      return fail (self, saved, error);
    }
  if (close (fd) != 0)
    return fail (self, errno, error);
  if (g_rename (self->temporary, self->path) != 0)
    return fail (self, errno, error);
  g_clear_pointer (&self->temporary, g_free);
  sync_folder (self->path);
  return TRUE;
}

void
volume_file_writer_free (VolumeFileWriter *self)
{
  if (self == NULL)
    return;
  if (self->temporary != NULL)
    {
      if (self->fd >= 0)
        close (self->fd);
      g_unlink (self->temporary);
    }
  g_free (self->temporary);
  g_free (self->path);
  g_free (self->name);
  g_free (self);
}

gboolean
volume_file_write (const char *path, gconstpointer data, gsize n_bytes, GError **error)
{
  g_autoptr (VolumeFileWriter) writer = volume_file_writer_new (path, error);

  return writer != NULL && volume_file_writer_write (writer, data, n_bytes, error)
         && volume_file_writer_finish (writer, error);
}
