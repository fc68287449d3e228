/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/weights/file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean
fail (const char *path, const char *what, GError **error)
{
  int saved = errno;

  g_set_error (error, SEG_ERROR, saved == ENOENT ? SEG_ERROR_NOT_FOUND : SEG_ERROR_IO, "%s: %s: %s",
               path, what, g_strerror (saved));
  return FALSE;
}

/* A file is renamed into place: what stands there must be a file too, not a device or a pipe. */
static gboolean
check_target (const char *path, GError **error)
{
  struct stat facts;

  if (stat (path, &facts) != 0 || S_ISREG (facts.st_mode))
    return TRUE;
  g_set_error (error, SEG_ERROR, SEG_ERROR_IO,
               "%s: not written: not an ordinary file stands there, which nothing replaces", path);
  return FALSE;
}

gboolean
seg_file_replacement_open (SegFileReplacement *self, const char *path, GError **error)
{
  if (!check_target (path, error))
    return FALSE;
  self->path = g_strdup (path);
  self->temporary = g_strconcat (path, ".XXXXXX", NULL);
  self->fd = g_mkstemp_full (self->temporary, O_WRONLY | O_CLOEXEC, 0644);
  if (self->fd < 0)
    {
      fail (path, "cannot be written", error);
      g_clear_pointer (&self->temporary, g_free);
      seg_file_replacement_clear (self);
      return FALSE;
    }
  return TRUE;
}

gboolean
seg_file_replacement_write (SegFileReplacement *self, gconstpointer data, gsize size_bytes,
                            GError **error)
{
  const char *at = data;

  while (size_bytes > 0)
    {
      gssize n = write (self->fd, at, MIN (size_bytes, (gsize) 1 << 30));

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return fail (self->path, "cannot be written", error);
      at += n;
      size_bytes -= (gsize) n;
    }
  return TRUE;
}

static gboolean
sync_folder (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok;

  if (fd < 0)
    return fail (folder, "cannot be opened", error);
  /* Some file systems refuse to sync a folder; they have nothing to sync then. */
  ok = fsync (fd) == 0 || errno == EINVAL || errno == ENOTSUP || fail (folder, "sync", error);
  close (fd);
  return ok;
}

gboolean
seg_file_replacement_commit (SegFileReplacement *self, GError **error)
{
  gboolean ok = fsync (self->fd) == 0 || fail (self->path, "cannot be synced", error);

  ok = (close (self->fd) == 0 || !ok || fail (self->path, "cannot be closed", error)) && ok;
  self->fd = -1;
  ok = ok
       && (g_rename (self->temporary, self->path) == 0
           || fail (self->path, "cannot be replaced", error));
  if (ok)
    {
      g_clear_pointer (&self->temporary, g_free);
      ok = sync_folder (self->path, error);
    }
  seg_file_replacement_clear (self);
  return ok;
}

void
seg_file_replacement_clear (SegFileReplacement *self)
{
  if (self->path == NULL)
    return;
  if (self->fd >= 0)
    close (self->fd);
  if (self->temporary != NULL)
    g_unlink (self->temporary);
  g_free (self->temporary);
  g_free (self->path);
  memset (self, 0, sizeof *self);
  self->fd = -1;
}

GBytes *
seg_file_map (const char *path, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
  struct stat status;
  g_autoptr (GMappedFile) mapped = NULL;
  g_autoptr (GError) local = NULL;

  if (fd < 0)
    {
      fail (path, "cannot be opened", error);
      return NULL;
    }
  if (fstat (fd, &status) != 0 || !S_ISREG (status.st_mode))
    {
      close (fd);
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: not a plain file", path);
      return NULL;
    }
  mapped = g_mapped_file_new_from_fd (fd, FALSE, &local);
  close (fd);
  if (mapped == NULL)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_IO, "%s: %s", path, local->message);
      return NULL;
    }
  return g_mapped_file_get_bytes (mapped);
}
