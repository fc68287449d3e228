/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/decoder-protocol.h"
#include "volume/memory.h"
#include "volume/scan-private.h"
#include "volume/sha256.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long the decoder may take in all, waiting included. */
#define TIMEOUT_US (150 * G_USEC_PER_SEC)

typedef struct
{
  const char *name; /* of the file, for messages */
  GPid pid;
  int output;
  gint64 deadline;
} Decoder;

static gboolean
fail (const Decoder *self, GError **error, VolumeError code, const char *text)
{
  g_set_error (error, VOLUME_ERROR, code, "%s: %s", self->name, text);
  return FALSE;
}

static char *
find_program (void)
{
  const char *named = g_getenv ("CROSSLABEL_DECODER");

  if (named != NULL)
    return g_strdup (named);
  if (g_file_test (BUILD_VOLUMEDIR "/crosslabel-decode", G_FILE_TEST_IS_EXECUTABLE))
    return g_strdup (BUILD_VOLUMEDIR "/crosslabel-decode");
  return g_strdup (LIBEXECDIR "/crosslabel-decode");
}

static gboolean
decoder_start (Decoder *self, int fd, const char *kind, GError **error)
{
  g_autofree char *program = find_program ();
  const char *argv[] = { program, kind, NULL };
  g_autoptr (GError) spawn_error = NULL;

  if (lseek (fd, 0, SEEK_SET) != 0
      || !g_spawn_async_with_pipes_and_fds (
          NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, fd,
          -1, -1, NULL, NULL, 0, &self->pid, NULL, &self->output, NULL, &spawn_error))
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_UNSUPPORTED,
                   "%s: the program that reads such files cannot be started: %s", self->name,
                   spawn_error != NULL ? spawn_error->message : g_strerror (errno));
      return FALSE;
    }
  self->deadline = g_get_monotonic_time () + TIMEOUT_US;
  return TRUE;
}

/* Exactly @n bytes; FALSE if the decoder ends or the time is up before. */
static gboolean
decoder_read (Decoder *self, gpointer dst, gsize n)
{
  guint8 *at = dst;

  while (n > 0)
    {
      gint64 left_us = self->deadline - g_get_monotonic_time ();
      struct pollfd wait = { .fd = self->output, .events = POLLIN };
      gssize got;

      if (left_us <= 0)
        return FALSE;
      if (poll (&wait, 1, (int) (left_us / 1000) + 1) < 0 && errno != EINTR)
        return FALSE;
      if (wait.revents == 0)
        continue;
      got = read (self->output, at, MIN (n, (gsize) 1 << 24));
      if (got < 0 && errno == EINTR)
        continue;
      if (got <= 0)
        return FALSE;
      at += got;
      n -= (gsize) got;
    }
  return TRUE;
}

/* Waits for the end; TRUE if it was a good one. */
static gboolean
decoder_stop (Decoder *self, gboolean kill_it)
{
  int status = 0;

  close (self->output);
  if (kill_it)
    kill (self->pid, SIGKILL);
  while (waitpid (self->pid, &status, 0) < 0 && errno == EINTR)
    ;
  g_spawn_close_pid (self->pid);
  return WIFEXITED (status) && WEXITSTATUS (status) == 0;
}

/* The decoder has read a hostile file: nothing it says is believed without a look. */
static gboolean
check_reply (const Decoder *self, const VolumeDecoderReply *reply, GError **error)
{
  guint64 factors[5] = { reply->size[0], reply->size[1], reply->size[2], reply->n_samples, 0 };
  gint64 pages = sysconf (_SC_PHYS_PAGES), page_size = sysconf (_SC_PAGESIZE);
  guint64 n_bytes;

  if (reply->dtype > VOLUME_DTYPE_F64 || (reply->n_samples != 1 && reply->n_samples != 3))
    return fail (self, error, VOLUME_ERROR_FORMAT, "its reader gave no sensible answer");
  factors[4] = volume_dtype_get_size (reply->dtype);
  if (!volume_checked_product (factors, G_N_ELEMENTS (factors), &n_bytes) || n_bytes == 0
      || n_bytes != reply->n_bytes)
    return fail (self, error, VOLUME_ERROR_FORMAT, "its reader gave no sensible answer");
  for (int a = 0; a < 3; a++)
    if (reply->size[a] > G_MAXINT32)
      return fail (self, error, VOLUME_ERROR_TOO_LARGE, "it claims too many voxels");
  if (pages > 0 && page_size > 0 && n_bytes > (guint64) pages * (guint64) page_size)
    return fail (self, error, VOLUME_ERROR_TOO_LARGE, "it needs more memory than there is");
  return TRUE;
}

static gboolean
read_error (Decoder *self, const VolumeDecoderReply *reply, GError **error)
{
  char text[VOLUME_DECODER_MAX_TEXT + 1] = { 0 };
  g_autofree char *valid = NULL;

  if (reply->n_bytes > VOLUME_DECODER_MAX_TEXT || !decoder_read (self, text, reply->n_bytes))
    return fail (self, error, VOLUME_ERROR_FORMAT, "damaged, and its reader could not say how");
  valid = g_utf8_make_valid (text, -1);
  return fail (self, error, MIN (reply->code, VOLUME_ERROR_MISMATCH), valid);
}

static GBytes *
decode (Decoder *self, VolumeDecoderReply *reply, GError **error)
{
  static const char gave_up[] = "damaged, or hostile: its reader stopped or took too long";
  g_autofree guint8 *samples = NULL;
  gboolean complete;

  if (!decoder_read (self, reply, sizeof *reply) || reply->magic != VOLUME_DECODER_MAGIC)
    fail (self, error, VOLUME_ERROR_FORMAT, gave_up);
  else if (reply->kind == VOLUME_DECODER_ERROR)
    read_error (self, reply, error);
  else if (check_reply (self, reply, error))
    {
      samples = volume_memory_try_huge (reply->n_bytes, NULL);
      if (samples == NULL)
        fail (self, error, VOLUME_ERROR_TOO_LARGE, "no memory for its voxels");
      else if (!decoder_read (self, samples, reply->n_bytes))
        {
          g_clear_pointer (&samples, g_free);
          fail (self, error, VOLUME_ERROR_FORMAT, gave_up);
        }
    }
  complete = decoder_stop (self, samples == NULL);
  if (samples == NULL)
    return NULL;
  if (!complete)
    {
      fail (self, error, VOLUME_ERROR_FORMAT, gave_up);
      return NULL;
    }
  return g_bytes_new_take (g_steal_pointer (&samples), reply->n_bytes);
}

static GBytes *
run_decoder (const char *path, int fd, const char *kind, VolumeDecoderReply *reply, GError **error)
{
  g_autofree char *name = g_path_get_basename (path);
  Decoder decoder = { .name = name };

  if (!decoder_start (&decoder, fd, kind, error))
    return NULL;
  return decode (&decoder, reply, error);
}

static gboolean
hash_file (const char *path, int fd, char **sha256, GError **error)
{
  g_autofree guint8 *buffer = g_malloc (1 << 18);
  VolumeSha256 sha;
  off_t at = 0;
  gssize got;

  volume_sha256_init (&sha);
  while ((got = pread (fd, buffer, 1 << 18, at)) != 0)
    {
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_IO, "%s: cannot be read: %s", path,
                       g_strerror (errno));
          return FALSE;
        }
      volume_sha256_update (&sha, buffer, (gsize) got);
      at += got;
    }
  *sha256 = volume_sha256_finish (&sha);
  return TRUE;
}

/* Pictures lie as an axial slice is shown: x to the patient's left, y to the back. */
static gboolean
set_geometry (const VolumeDecoderReply *reply, VolumeScanParts *parts, GError **error)
{
  const int size[3] = { (int) reply->size[0], (int) reply->size[1], (int) reply->size[2] };
  double mm = reply->kind == VOLUME_DECODER_HDF5 ? 0.625 : 1.0;
  const double affine[4][4] = {
    { -mm, 0, 0, 0 }, { 0, -mm, 0, 0 }, { 0, 0, mm, 0 }, { 0, 0, 0, 1 }
  };

  if (reply->kind == VOLUME_DECODER_HDF5)
    volume_scan_parts_remark (parts, "HDF5 files store no geometry: voxels of 0.625 mm and axes "
                                     "LPS are assumed, as in the Left Atrium challenge.");
  else
    volume_scan_parts_remark (parts,
                              "Pictures store no geometry: pixels of 1 mm, shown as an axial "
                              "slice, are assumed.");
  if (reply->was_colour)
    volume_scan_parts_remark (parts, "The picture has colours; it is shown as luminance.");
  return volume_geometry_init (&parts->geometry, size, affine, VOLUME_AFFINE_FROM_ASSUMED, error);
}

gboolean
volume_decoded_load (const char *path, int fd, gboolean labels, VolumeScanParts *parts,
                     GError **error)
{
  VolumeDecoderReply reply = { 0 };

  parts->stored = run_decoder (path, fd, labels ? "labels" : "image", &reply, error);
  if (parts->stored == NULL)
    return FALSE;
  if (reply.n_samples != 1)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT, "%s: not one value a voxel", path);
      return FALSE;
    }
  parts->dtype = reply.dtype;
  parts->slope = 1.0;
  parts->n_volumes = 1;
  return set_geometry (&reply, parts, error) && hash_file (path, fd, &parts->sha256, error);
}

GBytes *
volume_decoded_load_rgb (const char *path, int fd, int *width, int *height, GError **error)
{
  VolumeDecoderReply reply = { 0 };
  GBytes *pixels = run_decoder (path, fd, "rgb", &reply, error);

  if (pixels == NULL)
    return NULL;
  if (reply.n_samples != 3 || reply.dtype != VOLUME_DTYPE_U8 || reply.size[2] != 1)
    {
      g_bytes_unref (pixels);
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT, "%s: not a picture", path);
      return NULL;
    }
  *width = (int) reply.size[0];
  *height = (int) reply.size[1];
  return pixels;
}
