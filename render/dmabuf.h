/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "render/render-types.h"

G_BEGIN_DECLS

/* Frames that stay on the device and go to the display as DMA buffers (Linux), without a copy. A
 * format is a DRM fourcc code, a layout of pixels a DRM modifier (drm_fourcc.h of the kernel). */

#define RENDER_DMABUF_MAX_PLANES 4

typedef struct
{
  guint32 fourcc;
  guint64 modifier;
} RenderDmabufFormat;

/* A layout in which a device can draw and that it can export. */
typedef struct
{
  guint64 modifier;
  int n_planes; /* of memory */
  int max_width, max_height;
} RenderDmabufLayout;

/**
 * RenderDmabuf:
 *
 * Where a frame's pixels are. The file descriptors are the frame's: they stay open as long as it
 * lives. All that was drawn is there: nothing has to be waited for.
 */
typedef struct
{
  guint32 fourcc;
  guint64 modifier;
  int n_planes;
  int fds[RENDER_DMABUF_MAX_PLANES];
  guint32 offsets[RENDER_DMABUF_MAX_PLANES], strides[RENDER_DMABUF_MAX_PLANES];
} RenderDmabuf;

/* The four bytes of a pixel as DRM calls them: with the alpha, which is 255 throughout, or without.
 */
guint32 render_dmabuf_fourcc (RenderPixelOrder order, gboolean with_alpha);

/**
 * render_dmabuf_choose:
 * @layouts: what the device can draw into
 * @formats: what the display shows
 * @order: of the device's frames
 * @fourcc: (out): the format to use; without alpha where both will do, for then nothing is blended
 * @modifiers: (out) (array length=n_layouts): room for as many as there are layouts
 *
 * What both sides know, in the device's order. The layout that says nothing (invalid modifier) is
 * never chosen: two drivers may mean different things by it. Pure.
 *
 * Returns: how many modifiers; 0: none in common
 */
gsize render_dmabuf_choose (const RenderDmabufLayout *layouts, gsize n_layouts,
                            const RenderDmabufFormat *formats, gsize n_formats,
                            RenderPixelOrder order, guint32 *fourcc, guint64 *modifiers);

/**
 * render_device_offer_dmabuf:
 * @formats: what the display shows; with none of them frames are read back again
 * @why_not: (out) (transfer full) (nullable): a sentence, where FALSE
 *
 * Whether from now on frames that ask for it (may_stay) stay on the device. Any thread.
 */
gboolean render_device_offer_dmabuf (RenderDevice *self, const RenderDmabufFormat *formats,
                                     gsize n_formats, char **why_not);
/* Frames are read back from now on; @why is kept for render_device_why_no_dmabuf(). Any thread. */
void render_device_refuse_dmabuf (RenderDevice *self, const char *why);
/* (transfer full): why the last frame was not one, a sentence; NULL where they are. */
char *render_device_why_no_dmabuf (RenderDevice *self) G_GNUC_WARN_UNUSED_RESULT;

/* NULL: the frame is in host memory. */
const RenderDmabuf *render_frame_get_dmabuf (RenderFrame *self);

G_END_DECLS
