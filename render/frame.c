/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/frame.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "render/dmabuf-private.h"
#include "volume/file-write.h"

struct _RenderFrame
{
  int n_refs; /* atomic */
  RenderDevice *device;
  RenderBuffer *buffer; /* or @texture */
  RenderTexture *texture;
  int width, height;
  gsize stride_bytes;
  gboolean exact;
};

RenderFrame *
render_frame_new_take (RenderDevice *device, RenderBuffer *buffer, int width, int height)
{
  RenderFrame *self = g_new0 (RenderFrame, 1);

  self->n_refs = 1;
  self->device = render_device_ref (device);
  self->buffer = buffer;
  self->width = width;
  self->height = height;
  self->stride_bytes =
      buffer != NULL && buffer->picture != NULL ? buffer->stride_bytes : (gsize) width * 4;
  self->exact = TRUE;
  return self;
}

RenderFrame *
render_frame_new_export (RenderDevice *device, RenderTexture *texture)
{
  RenderFrame *self = render_frame_new_take (device, NULL, texture->size[0], texture->size[1]);

  self->texture = texture;
  return self;
}

VkBuffer
render_frame_get_buffer (RenderFrame *self)
{
  return self->buffer->handle;
}

void
render_frame_set_exact (RenderFrame *self, gboolean exact)
{
  self->exact = exact;
}

void
render_frame_finish_read (RenderFrame *self, RenderDevice *device)
{
  const VkMappedMemoryRange range = {
    .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
    .memory = self->buffer != NULL ? self->buffer->memory : VK_NULL_HANDLE,
    .size = VK_WHOLE_SIZE,
  };

  if (self->buffer != NULL && self->buffer->must_invalidate)
    device->life->vk.InvalidateMappedMemoryRanges (device->life->handle, 1, &range);
}

RenderFrame *
render_frame_ref (RenderFrame *self)
{
  g_atomic_int_inc (&self->n_refs);
  return self;
}

void
render_frame_unref (RenderFrame *self)
{
  if (self == NULL || !g_atomic_int_dec_and_test (&self->n_refs))
    return;
  if (self->texture != NULL)
    render_device_return_export (self->device, self->texture);
  else
    render_device_return_buffer (self->device, self->buffer);
  render_device_unref (self->device);
  g_free (self);
}

int
render_frame_get_width (RenderFrame *self)
{
  return self->width;
}

int
render_frame_get_height (RenderFrame *self)
{
  return self->height;
}

RenderPixelOrder
render_frame_get_pixel_order (RenderFrame *self)
{
  return self->device->pixel_order;
}

gsize
render_frame_get_stride_bytes (RenderFrame *self)
{
  return self->stride_bytes;
}

const guint8 *
render_frame_get_pixels (RenderFrame *self)
{
  return self->buffer != NULL ? self->buffer->map : NULL;
}

const RenderDmabuf *
render_frame_get_dmabuf (RenderFrame *self)
{
  return self->texture != NULL ? self->texture->dmabuf : NULL;
}

GBytes *
render_frame_get_bytes (RenderFrame *self)
{
  g_return_val_if_fail (self->buffer != NULL, NULL);

  return g_bytes_new_with_free_func (self->buffer->map,
                                     render_frame_get_stride_bytes (self) * (gsize) self->height,
                                     (GDestroyNotify) render_frame_unref, render_frame_ref (self));
}

gboolean
render_frame_is_exact (RenderFrame *self)
{
  return self->exact;
}

/* --- PNG --- */

static void
png_write_cb (png_structp png, png_bytep bytes, png_size_t n)
{
  g_byte_array_append (png_get_io_ptr (png), bytes, (guint) n);
}

static void
png_flush_cb (png_structp png)
{
}

static void
png_error_cb (png_structp png, png_const_charp message)
{
  longjmp (png_jmpbuf (png), 1);
}

static void
png_warning_cb (png_structp png, png_const_charp message)
{
}

/* Alpha is left out: it is 255 throughout. */
static gboolean
encode_png (RenderFrame *self, GByteArray *bytes)
{
  png_structp png =
      png_create_write_struct (PNG_LIBPNG_VER_STRING, NULL, png_error_cb, png_warning_cb);
  png_infop info = png != NULL ? png_create_info_struct (png) : NULL;
  volatile gboolean ok = FALSE;

  if (info != NULL && setjmp (png_jmpbuf (png)) == 0)
    {
      png_set_write_fn (png, bytes, png_write_cb, png_flush_cb);
      png_set_IHDR (png, info, (guint32) self->width, (guint32) self->height, 8, PNG_COLOR_TYPE_RGB,
                    PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
      png_set_compression_level (png, 4);
      png_write_info (png, info);
      png_set_filler (png, 0, PNG_FILLER_AFTER);
      if (render_frame_get_pixel_order (self) == RENDER_PIXEL_ORDER_BGRA)
        png_set_bgr (png);
      for (int y = 0; y < self->height; y++)
        png_write_row (png, self->buffer->map + (gsize) y * render_frame_get_stride_bytes (self));
      png_write_end (png, NULL);
      ok = TRUE;
    }
  if (png != NULL)
    png_destroy_write_struct (&png, &info);
  return ok;
}

gboolean
render_frame_save_png (RenderFrame *self, const char *path, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_return_val_if_fail (self->buffer != NULL, FALSE);
  if (!encode_png (self, bytes))
    {
      g_set_error (error, RENDER_ERROR, RENDER_ERROR_FAILED, "%s: libpng cannot write %d × %d",
                   path, self->width, self->height);
      return FALSE;
    }
  return volume_file_write (path, bytes->data, bytes->len, error);
}
