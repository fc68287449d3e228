/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/file-write.h"
#include "volume/memory.h"
#include "volume/picture.h"
#include "volume/scan-private.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <string.h>
#include <unistd.h>

GBytes *
volume_picture_load_rgb (const char *path, int *width, int *height, GError **error)
{
  g_autofree char *name = g_path_get_basename (path);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  GBytes *pixels;

  if (fd < 0)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_NOT_FOUND, "%s: cannot be opened: %s", name,
                   g_strerror (errno));
      return NULL;
    }
  pixels = volume_decoded_load_rgb (path, fd, width, height, error);
  close (fd);
  return pixels;
}

/* Writing. What libpng has to say reaches us by longjmp; the buffer outlives it. */

static void
error_cb (png_structp png, png_const_charp message)
{
  png_longjmp (png, 1);
}

static void
warning_cb (png_structp png, png_const_charp message)
{
}

static void
write_cb (png_structp png, png_bytep data, png_size_t n_bytes)
{
  gpointer room = volume_list_add_n (png_get_io_ptr (png), n_bytes, 1, NULL);

  if (room == NULL)
    png_error (png, "no memory");
  memcpy (room, data, n_bytes);
}

static void
flush_cb (png_structp png)
{
}

static gboolean
encode (VolumeList *out, const guint8 *pixels, int width, int height, int n_samples)
{
  static const int colours[] = {
    [1] = PNG_COLOR_TYPE_GRAY, [3] = PNG_COLOR_TYPE_RGB, [4] = PNG_COLOR_TYPE_RGB_ALPHA
  };
  png_structp png = png_create_write_struct (PNG_LIBPNG_VER_STRING, NULL, error_cb, warning_cb);
  png_infop info = png != NULL ? png_create_info_struct (png) : NULL;

  if (info == NULL || setjmp (png_jmpbuf (png)) != 0)
    {
      png_destroy_write_struct (&png, &info);
      return FALSE;
    }
  png_set_write_fn (png, out, write_cb, flush_cb);
  png_set_IHDR (png, info, (png_uint_32) width, (png_uint_32) height, 8, colours[n_samples],
                PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_set_compression_level (png, 5);
  png_write_info (png, info);
  for (int y = 0; y < height; y++)
    png_write_row (png, pixels + (gsize) y * (gsize) width * (gsize) n_samples);
  png_write_end (png, NULL);
  png_destroy_write_struct (&png, &info);
  return TRUE;
}

GBytes *
volume_picture_encode_png (const guint8 *pixels, int width, int height, int n_samples)
{
  g_auto (VolumeList) out = { 0 };

  g_return_val_if_fail (n_samples == 1 || n_samples == 3 || n_samples == 4, NULL);

  if (!encode (&out, pixels, width, height, n_samples))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&out.items), out.n);
}

gboolean
volume_picture_write_png (const char *path, const guint8 *pixels, int width, int height,
                          int n_samples, GError **error)
{
  g_auto (VolumeList) out = { 0 };

  g_return_val_if_fail (n_samples == 1 || n_samples == 3 || n_samples == 4, FALSE);

  if (!encode (&out, pixels, width, height, n_samples))
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE,
                   "%s: no memory for a picture of %d × %d pixels", path, width, height);
      return FALSE;
    }
  return volume_file_write (path, out.items, out.n, error);
}
