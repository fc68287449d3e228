/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A texture that holds a box of a grid, each texel standing for stride voxels along each axis.
 * Private to render/; the device's thread. */

#include "render/device-private.h"
#include "render/shaders/uniforms.h"

G_BEGIN_DECLS

typedef struct
{
  RenderTexture *texture;
  VolumeBox box;
  int stride[3];
  guint64 last_use;
} RenderRegion;

void render_region_get_texels (const RenderRegion *self, int texels[3]);
/* NULL @self or no texture: a region of one texel, for a dummy texture. */
void render_region_get_uniforms (const RenderRegion *self, struct RenderRegionUniforms *uniforms);
gboolean render_region_contains (const RenderRegion *self, const VolumeBox *box);
/* Makes the texture for box and stride as they are set. */
gboolean render_region_create (RenderRegion *self, RenderDevice *device, VkFormat format,
                               GError **error);
void render_region_release (RenderRegion *self, RenderDevice *device);
void render_region_destroy (RenderRegion *self, RenderDevice *device);
/* The smallest stride with which @size fits the device's limits at @texel_bytes. */
void render_region_fit (const int size[3], int max_side, guint64 max_bytes, gsize texel_bytes,
                        int stride[3]);

/* Fills texels lo … hi of the region (box in texels, i fastest). FALSE refuses with an error. */
typedef gboolean (*RenderRegionFill) (gpointer data, const RenderRegion *region,
                                      const VolumeBox *texels, gpointer dst, GError **error);
/* Sends a box of texels in pieces of RENDER_STAGE_BYTES. */
gboolean render_region_send (RenderRegion *self, RenderDevice *device, gsize texel_bytes,
                             const VolumeBox *texels, RenderRegionFill fill, gpointer data,
                             GError **error);

G_END_DECLS
