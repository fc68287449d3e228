/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/region.h"

#include <string.h>

void
render_region_get_texels (const RenderRegion *self, int texels[3])
{
  for (int c = 0; c < 3; c++)
    texels[c] = (self->box.hi[c] - self->box.lo[c] + self->stride[c] - 1) / self->stride[c];
}

void
render_region_get_uniforms (const RenderRegion *self, struct RenderRegionUniforms *uniforms)
{
  int texels[3];

  memset (uniforms, 0, sizeof *uniforms);
  if (self == NULL || self->texture == NULL)
    {
      uniforms->size[0] = uniforms->size[1] = uniforms->size[2] = 1.0f;
      return;
    }
  render_region_get_texels (self, texels);
  for (int c = 0; c < 3; c++)
    {
      const double stride = self->stride[c];

      uniforms->scale[c] = (float) (1.0 / stride);
      uniforms->offset[c] = (float) (-(self->box.lo[c] + 0.5 * (stride - 1.0)) / stride);
      uniforms->size[c] = (float) texels[c];
    }
}

gboolean
render_region_contains (const RenderRegion *self, const VolumeBox *box)
{
  if (self->texture == NULL)
    return FALSE;
  for (int c = 0; c < 3; c++)
    if (box->lo[c] < self->box.lo[c] || box->hi[c] > self->box.hi[c])
      return FALSE;
  return TRUE;
}

gboolean
render_region_create (RenderRegion *self, RenderDevice *device, VkFormat format, GError **error)
{
  int texels[3];

  render_region_get_texels (self, texels);
  self->texture = render_texture_create (
      device,
      &(RenderTextureParams){
          .format = format, .width = texels[0], .height = texels[1], .depth = texels[2] },
      error);
  return self->texture != NULL;
}

void
render_region_release (RenderRegion *self, RenderDevice *device)
{
  render_texture_release (device, g_steal_pointer (&self->texture));
}

void
render_region_destroy (RenderRegion *self, RenderDevice *device)
{
  render_texture_destroy (device, g_steal_pointer (&self->texture));
}

void
render_region_fit (const int size[3], int max_side, guint64 max_bytes, gsize texel_bytes,
                   int stride[3])
{
  for (int c = 0; c < 3; c++)
    stride[c] = (size[c] + max_side - 1) / max_side;
  for (;;)
    {
      guint64 bytes = texel_bytes;
      int longest = 0, most = 0;

      for (int c = 0; c < 3; c++)
        {
          const int texels = (size[c] + stride[c] - 1) / stride[c];

          bytes *= (guint64) texels;
          if (texels > most)
            {
              most = texels;
              longest = c;
            }
        }
      if (bytes <= max_bytes || most <= 1)
        return;
      stride[longest]++;
    }
}

gboolean
render_region_send (RenderRegion *self, RenderDevice *device, gsize texel_bytes,
                    const VolumeBox *texels, RenderRegionFill fill, gpointer data, GError **error)
{
  const int width = texels->hi[0] - texels->lo[0];
  const gsize row = (gsize) width * texel_bytes;
  const int rows =
      (int) CLAMP (RENDER_STAGE_BYTES / MAX (row, 1), 1, (gsize) (texels->hi[1] - texels->lo[1]));
  const gboolean whole_planes = rows == texels->hi[1] - texels->lo[1];
  const int planes = whole_planes ? (int) CLAMP (RENDER_STAGE_BYTES / (row * (gsize) rows), 1,
                                                 (gsize) (texels->hi[2] - texels->lo[2]))
                                  : 1;

  for (int k = texels->lo[2]; k < texels->hi[2]; k += planes)
    for (int j = texels->lo[1]; j < texels->hi[1]; j += rows)
      {
        const VolumeBox piece = { { texels->lo[0], j, k },
                                  { texels->hi[0], MIN (j + rows, texels->hi[1]),
                                    MIN (k + planes, texels->hi[2]) } };
        const int extent[3] = { width, piece.hi[1] - piece.lo[1], piece.hi[2] - piece.lo[2] };
        const gsize bytes = row * (gsize) extent[1] * (gsize) extent[2];
        VkBuffer buffer;
        VkDeviceSize offset;
        gpointer dst = render_stage (device, bytes, &buffer, &offset, error);

        if (dst == NULL || !fill (data, self, &piece, dst, error))
          return FALSE;
        render_texture_upload (device, self->texture, buffer, offset, piece.lo, extent);
        if (bytes >= RENDER_STAGE_BYTES / 2 && !render_device_flush (device, error))
          return FALSE;
      }
  return TRUE;
}
