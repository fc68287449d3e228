/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/memory.h"
#include "volume/nifti-header.h"
#include "volume/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* No deflate stream grows by more than this factor (zlib's documentation: 1032:1). */
#define DEFLATE_MAX_RATIO 1032

/* One file: its bytes as they are on disk, plain or gzipped. */
typedef struct
{
  const char *name; /* for messages */
  int fd;
  guint64 size;
  gboolean gzipped;
  guint8 *packed; /* all bytes of a gzipped file */
} Source;

/* Where one volume lies in the uncompressed file. */
typedef struct
{
  guint64 first, n_bytes; /* of the volume */
  guint64 end; /* of the last volume in the file */
} Extent;

static gboolean fail (const Source *source, GError **error, VolumeError code, const char *format,
                      ...) G_GNUC_PRINTF (4, 5);

static gboolean
fail (const Source *source, GError **error, VolumeError code, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, VOLUME_ERROR, code, "%s: %s", source->name, message);
  return FALSE;
}

static gboolean
read_at (const Source *source, guint64 offset, gpointer dst, gsize n, GError **error)
{
  guint8 *at = dst;

  while (n > 0)
    {
      gssize got = pread (source->fd, at, MIN (n, (gsize) 1 << 30), (off_t) offset);

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return fail (source, error, VOLUME_ERROR_IO, "cannot be read: %s", g_strerror (errno));
      if (got == 0)
        return fail (source, error, VOLUME_ERROR_FORMAT,
                     "the file became shorter while it was read");
      at += got;
      offset += (guint64) got;
      n -= (gsize) got;
    }
  return TRUE;
}

static gboolean
fits_memory (guint64 n_bytes)
{
  gint64 pages = sysconf (_SC_PHYS_PAGES), page_size = sysconf (_SC_PAGESIZE);

  return n_bytes < G_MAXSIZE / 2
         && (pages <= 0 || page_size <= 0 || n_bytes <= (guint64) pages * (guint64) page_size);
}

static gpointer
try_alloc (const Source *source, guint64 n_bytes, GError **error)
{
  gpointer memory = fits_memory (n_bytes) ? volume_memory_try_huge (n_bytes, NULL) : NULL;

  if (memory == NULL)
    fail (source, error, VOLUME_ERROR_TOO_LARGE,
          "it needs %" G_GUINT64_FORMAT " bytes of memory, more than there are", n_bytes);
  return memory;
}

static gboolean
source_open (Source *source, const char *name, int fd, GError **error)
{
  guint8 start[2] = { 0 };
  struct stat st;

  *source = (Source){ .name = name, .fd = fd };
  if (fstat (fd, &st) != 0)
    return fail (source, error, VOLUME_ERROR_IO, "cannot be read: %s", g_strerror (errno));
  source->size = (guint64) st.st_size;
  if (source->size >= 18) /* the least a gzip file can be */
    {
      if (!read_at (source, 0, start, sizeof start, error))
        return FALSE;
      source->gzipped = start[0] == 0x1f && start[1] == 0x8b;
    }
  if (!source->gzipped)
    return TRUE;
  source->packed = try_alloc (source, source->size, error);
  return source->packed != NULL && read_at (source, 0, source->packed, source->size, error);
}

static void
source_close (Source *source)
{
  g_clear_pointer (&source->packed, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Source, source_close)

/* Inflating in pieces: several members, bytes skipped, 4-D files. */

typedef struct
{
  const Source *source;
  z_stream z;
  guint64 taken; /* compressed bytes given to zlib */
  gboolean ended; /* all members */
} Inflater;

static gboolean
inflater_init (Inflater *self, const Source *source, GError **error)
{
  memset (self, 0, sizeof *self);
  self->source = source;
  if (inflateInit2 (&self->z, 16 + MAX_WBITS) != Z_OK)
    return fail (source, error, VOLUME_ERROR_IO, "no memory to decompress it");
  return TRUE;
}

static void
inflater_clear (Inflater *self)
{
  inflateEnd (&self->z);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Inflater, inflater_clear)

/* Goes on to the next member of the file, if there is one. */
static void
next_member (Inflater *self)
{
  const guint8 *rest = self->source->packed + (self->taken - self->z.avail_in);
  guint64 n_rest = self->source->size - (self->taken - self->z.avail_in);

  if (n_rest >= 18 && rest[0] == 0x1f && rest[1] == 0x8b)
    inflateReset (&self->z);
  else
    self->ended = TRUE; /* what follows the last member is padding, as gzip itself takes it */
}

/* Up to @n bytes into @dst; fewer only at the end of the data. */
static gboolean
inflater_read (Inflater *self, guint8 *dst, gsize n, gsize *n_read, GError **error)
{
  const Source *source = self->source;

  *n_read = 0;
  while (*n_read < n && !self->ended)
    {
      gsize room = MIN (n - *n_read, (gsize) 1 << 30);
      int status;

      if (self->z.avail_in == 0 && self->taken < source->size)
        {
          self->z.next_in = source->packed + self->taken;
          self->z.avail_in = (uInt) MIN (source->size - self->taken, (guint64) 1 << 30);
          self->taken += self->z.avail_in;
        }
      self->z.next_out = dst + *n_read;
      self->z.avail_out = (uInt) room;
      status = inflate (&self->z, Z_NO_FLUSH);
      *n_read += room - self->z.avail_out;
      if (status == Z_STREAM_END)
        next_member (self);
      else if (status == Z_BUF_ERROR && self->z.avail_in == 0 && self->taken == source->size)
        return fail (source, error, VOLUME_ERROR_FORMAT, "the compressed data end early");
      else if (status != Z_OK && status != Z_BUF_ERROR)
        return fail (source, error, VOLUME_ERROR_FORMAT, "the compressed data are damaged (%s)",
                     self->z.msg != NULL ? self->z.msg : "no reason given");
    }
  return TRUE;
}

static gboolean
inflater_skip (Inflater *self, guint64 n, guint64 *n_skipped, GError **error)
{
  g_autofree guint8 *scratch = g_malloc (1 << 16);

  *n_skipped = 0;
  while (*n_skipped < n)
    {
      gsize got;

      if (!inflater_read (self, scratch, MIN (n - *n_skipped, 1 << 16), &got, error))
        return FALSE;
      if (got == 0)
        break;
      *n_skipped += got;
    }
  return TRUE;
}

static gboolean
inflate_in_pieces (const Source *source, const Extent *extent, guint8 *dst, GError **error)
{
  g_auto (Inflater) inflater = { 0 };
  guint64 before, after;
  gsize n_read = 0;

  if (!inflater_init (&inflater, source, error)
      || !inflater_skip (&inflater, extent->first, &before, error)
      || !inflater_read (&inflater, dst, extent->n_bytes, &n_read, error))
    return FALSE;
  if (before + n_read < extent->first + extent->n_bytes)
    return fail (source, error, VOLUME_ERROR_FORMAT,
                 "%" G_GUINT64_FORMAT " bytes claimed, %" G_GUINT64_FORMAT " present", extent->end,
                 before + n_read);
  /* To the end, for the checksum and the other volumes; a little further, then it is not ours. */
  if (!inflater_skip (&inflater, extent->end - (before + n_read) + (1 << 20), &after, error))
    return FALSE;
  if (before + n_read + after < extent->end)
    return fail (source, error, VOLUME_ERROR_FORMAT,
                 "%" G_GUINT64_FORMAT " bytes claimed, %" G_GUINT64_FORMAT " present", extent->end,
                 before + n_read + after);
  return TRUE;
}

/* The whole file at once into @dst, member by member; FALSE if it is not that simple. About twice
 * as fast as zlib. */
static gboolean
inflate_whole (const Source *source, guint8 *dst, gsize n_bytes)
{
  struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor ();
  gsize at = 0, filled = 0;
  gboolean fits = decompressor != NULL;

  while (fits && filled < n_bytes && at < source->size)
    {
      gsize used = 0, got = 0;

      fits = libdeflate_gzip_decompress_ex (decompressor, source->packed + at, source->size - at,
                                            dst + filled, n_bytes - filled, &used, &got)
             == LIBDEFLATE_SUCCESS;
      at += used;
      filled += got;
    }
  libdeflate_free_decompressor (decompressor);
  return fits && filled == n_bytes;
}

/* The first bytes of the uncompressed file. */
static gboolean
source_peek (const Source *source, guint8 *dst, gsize n, gsize *n_read, GError **error)
{
  g_auto (Inflater) inflater = { 0 };

  if (!source->gzipped)
    {
      *n_read = MIN (n, source->size);
      return read_at (source, 0, dst, *n_read, error);
    }
  return inflater_init (&inflater, source, error)
         && inflater_read (&inflater, dst, n, n_read, error);
}

/* FALSE if the file cannot hold what its header claims: asked before any memory is taken. */
static gboolean
check_claim (const Source *source, const Extent *extent, GError **error)
{
  guint64 most = source->size;

  if (source->gzipped)
    most = source->size <= G_MAXUINT64 / DEFLATE_MAX_RATIO ? source->size * DEFLATE_MAX_RATIO
                                                           : G_MAXUINT64;
  if (extent->end <= most)
    return TRUE;
  return fail (source, error, VOLUME_ERROR_FORMAT,
               "the header claims %" G_GUINT64_FORMAT " bytes, the file %s %" G_GUINT64_FORMAT,
               extent->end, source->gzipped ? "cannot hold more than" : "has", most);
}

static gboolean
read_plain (const Source *source, const Extent *extent, guint8 *dst, VolumeSha256 *sha,
            GError **error)
{
  enum
  {
    CHUNK = 1 << 20
  };
  g_autofree guint8 *scratch = g_malloc (CHUNK);

  for (guint64 at = 0; at < source->size;)
    {
      gboolean in_volume = at >= extent->first && at < extent->first + extent->n_bytes;
      guint64 stop = in_volume            ? extent->first + extent->n_bytes
                     : at < extent->first ? extent->first
                                          : source->size;
      gsize n = MIN (stop - at, CHUNK);
      guint8 *to = in_volume ? dst + (at - extent->first) : scratch;

      if (!read_at (source, at, to, n, error))
        return FALSE;
      volume_sha256_update (sha, to, n);
      at += n;
    }
  return TRUE;
}

typedef struct
{
  const Source *source;
  VolumeSha256 *sha;
} HashJob;

static gpointer
hash_thread (gpointer data)
{
  const HashJob *job = data;

  volume_sha256_update (job->sha, job->source->packed, job->source->size);
  return NULL;
}

/* One volume's bytes, aligned for any type, and the file's hash beside it. */
static GBytes *
source_read_volume (const Source *source, const Extent *extent, VolumeSha256 *sha, GError **error)
{
  gboolean at_once =
      source->gzipped && extent->first <= 1 << 16 && extent->end == extent->first + extent->n_bytes;
  gsize lead = at_once ? extent->first : 0;
  gsize pad = (64 - lead % 64) % 64;
  g_autofree guint8 *memory = NULL;
  guint8 *volume;
  gboolean done;

  if (!check_claim (source, extent, error))
    return NULL;
  memory = try_alloc (source, extent->n_bytes + lead + pad, error);
  if (memory == NULL)
    return NULL;
  volume = memory + pad + lead;
  if (!source->gzipped)
    done = read_plain (source, extent, volume, sha, error);
  else
    {
      HashJob job = { source, sha };
      GThread *thread = g_thread_try_new ("sha256", hash_thread, &job, NULL);

      if (thread == NULL)
        hash_thread (&job);
      done = at_once && inflate_whole (source, memory + pad, lead + extent->n_bytes);
      if (!done) /* several members with more to them, something behind the voxels, or damage */
        done = inflate_in_pieces (source, extent, volume, error);
      if (thread != NULL)
        g_thread_join (thread);
    }
  if (!done)
    return NULL;
  return g_bytes_new_with_free_func (volume, extent->n_bytes, g_free, g_steal_pointer (&memory));
}

/* Voxels */

static void
swap_bytes (guint8 *data, gsize n_values, gsize width)
{
  switch (width)
    {
    case 2:
      for (gsize v = 0; v < n_values; v++)
        ((guint16 *) data)[v] = GUINT16_SWAP_LE_BE (((guint16 *) data)[v]);
      break;
    case 4:
      for (gsize v = 0; v < n_values; v++)
        ((guint32 *) data)[v] = GUINT32_SWAP_LE_BE (((guint32 *) data)[v]);
      break;
    case 8:
      for (gsize v = 0; v < n_values; v++)
        ((guint64 *) data)[v] = GUINT64_SWAP_LE_BE (((guint64 *) data)[v]);
      break;
    default:
      break;
    }
}

/* ITU-R BT.601 luminance, in place. */
static void
colours_to_luminance (guint8 *data, gsize n_voxels, int n_samples)
{
  for (gsize v = 0; v < n_voxels; v++)
    {
      const guint8 *rgb = data + v * (gsize) n_samples;

      data[v] = (guint8) ((299u * rgb[0] + 587u * rgb[1] + 114u * rgb[2] + 500u) / 1000u);
    }
}

/* Pairs */

static gboolean
has_suffix (const char *path, const char *suffix)
{
  gsize n = strlen (path), n_suffix = strlen (suffix);

  return n >= n_suffix && g_ascii_strcasecmp (path + n - n_suffix, suffix) == 0;
}

/* Opens the other half of a pair: its name with @want for the suffix, plain or gzipped. */
static int
open_other_half (const char *path, const char *want, char **name, GError **error)
{
  static const char *const endings[] = { ".gz", "" };
  gsize n = strlen (path) - (has_suffix (path, ".gz") ? 3 : 0);
  g_autofree char *stem = NULL;
  g_autofree char *own_name = g_path_get_basename (path);
  g_autofree char *other = NULL;
  const char *dot;

  stem = g_strndup (path, n);
  dot = strrchr (stem, '.');
  if (dot != NULL && strchr (dot, '/') == NULL)
    stem[dot - stem] = '\0';
  for (gsize e = G_N_ELEMENTS (endings); e-- > 0;)
    for (int upper = 0; upper < 2; upper++)
      {
        g_autofree char *suffix = upper ? g_ascii_strup (want, -1) : g_strdup (want);
        g_autofree char *candidate = g_strconcat (stem, suffix, endings[e], NULL);
        int fd = open (candidate, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd >= 0 && fstat (fd, &st) == 0 && S_ISREG (st.st_mode))
          {
            *name = g_path_get_basename (candidate);
            return fd;
          }
        if (fd >= 0)
          close (fd);
        if (other == NULL)
          other = g_path_get_basename (candidate);
      }
  g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_NOT_FOUND,
               "%s: half of a pair, and the other half, %s, is not beside it", own_name, other);
  return -1;
}

/* Loading */

static gboolean
load_voxels (const Source *source, const VolumeNiftiHeader *header, int volume_index,
             VolumeSha256 *sha, VolumeScanParts *parts, GError **error)
{
  guint64 n_voxels = volume_nifti_header_get_n_voxels (header);
  guint64 n_volumes = volume_nifti_header_get_n_volumes (header);
  gsize width = volume_dtype_get_size (header->dtype) * (gsize) header->n_samples;
  Extent extent;
  guint8 *data;

  if (volume_index < 0 || (guint64) volume_index >= n_volumes)
    return fail (source, error, VOLUME_ERROR_FORMAT,
                 "it has %" G_GUINT64_FORMAT " volume%s; number %d was asked for", n_volumes,
                 n_volumes == 1 ? "" : "s", volume_index);
  if (n_volumes > G_MAXINT32)
    return fail (source, error, VOLUME_ERROR_TOO_LARGE, "it claims %" G_GUINT64_FORMAT " volumes",
                 n_volumes);
  extent.n_bytes = n_voxels * width; /* the header's check left room: voxels × volumes < 2⁶³ / 64 */
  extent.first = header->vox_offset + (guint64) volume_index * extent.n_bytes;
  extent.end = header->vox_offset + n_volumes * extent.n_bytes;

  parts->stored = source_read_volume (source, &extent, sha, error);
  if (parts->stored == NULL)
    return FALSE;
  data = (guint8 *) g_bytes_get_data (parts->stored, NULL); /* ours alone until it is a scan */
  if (header->n_samples > 1)
    {
      colours_to_luminance (data, n_voxels, header->n_samples);
      volume_scan_parts_remark (parts, "The voxels are colours; they are shown as luminance.");
    }
  else if (header->swapped)
    swap_bytes (data, n_voxels, width);
  parts->dtype = header->dtype;
  parts->slope = header->slope;
  parts->inter = header->inter;
  parts->n_volumes = (int) n_volumes;
  parts->volume_index = volume_index;
  if (n_volumes > 1)
    volume_scan_parts_remark (parts, "The file holds %d volumes; this is number %d.",
                              parts->n_volumes, volume_index);
  return TRUE;
}

static gboolean
load_header (const Source *source, VolumeNiftiHeader *header, VolumeScanParts *parts,
             GError **error)
{
  guint8 start[VOLUME_NIFTI_HEADER_MAX];
  gsize n_start = 0;

  if (!source_peek (source, start, sizeof start, &n_start, error))
    return FALSE;
  if (!volume_nifti_header_parse (header, start, n_start, parts, error)
      || !volume_nifti_header_get_geometry (header, parts, error))
    {
      g_prefix_error (error, "%s: ", source->name);
      return FALSE;
    }
  if (header->version > 0)
    parts->nifti_header = g_bytes_new (start, header->header_size);
  return TRUE;
}

static gboolean
load_pair (const Source *header_source, const VolumeNiftiHeader *header, int image_fd,
           const char *image_name, int volume_index, VolumeSha256 *sha, VolumeScanParts *parts,
           GError **error)
{
  g_auto (Source) image = { 0 };
  g_autofree guint8 *bytes = NULL;

  if (header_source->gzipped)
    volume_sha256_update (sha, header_source->packed, header_source->size);
  else
    {
      bytes = try_alloc (header_source, header_source->size, error);
      if (bytes == NULL || !read_at (header_source, 0, bytes, header_source->size, error))
        return FALSE;
      volume_sha256_update (sha, bytes, header_source->size);
    }
  return source_open (&image, image_name, image_fd, error)
         && load_voxels (&image, header, volume_index, sha, parts, error);
}

gboolean
volume_nifti_load (const char *path, int fd, int volume_index, VolumeScanParts *parts,
                   GError **error)
{
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *other_name = NULL;
  gboolean is_image = has_suffix (path, ".img") || has_suffix (path, ".img.gz");
  g_auto (Source) source = { 0 };
  VolumeNiftiHeader header;
  VolumeSha256 sha;
  gboolean loaded = FALSE;
  int other_fd = -1;

  volume_sha256_init (&sha);
  if (is_image)
    {
      other_fd = open_other_half (path, ".hdr", &other_name, error);
      if (other_fd < 0)
        return FALSE;
      loaded = source_open (&source, other_name, other_fd, error)
               && load_header (&source, &header, parts, error)
               && load_pair (&source, &header, fd, name, volume_index, &sha, parts, error);
      close (other_fd);
    }
  else if (source_open (&source, name, fd, error) && load_header (&source, &header, parts, error))
    {
      if (header.single_file)
        loaded = load_voxels (&source, &header, volume_index, &sha, parts, error);
      else
        {
          other_fd = open_other_half (path, ".img", &other_name, error);
          if (other_fd < 0)
            return FALSE;
          loaded =
              load_pair (&source, &header, other_fd, other_name, volume_index, &sha, parts, error);
          close (other_fd);
        }
    }
  if (loaded)
    parts->sha256 = volume_sha256_finish (&sha);
  return loaded;
}
