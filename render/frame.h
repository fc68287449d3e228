/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "render/render-types.h"

G_BEGIN_DECLS

/**
 * RenderFrame:
 *
 * A finished picture in host memory: four bytes for each pixel, in the order that the device was
 * made for (RenderPixelOrder; R, G, B, A unless asked), top row first, alpha 255 throughout. Its
 * memory belongs to a ring of the device and goes back there with the last reference; it is never
 * written again before that. Immutable.
 *
 * One that was asked for with may_stay can be on the device instead (render/dmabuf.h): then it has
 * no pixels and no bytes here.
 */
RenderFrame *render_frame_ref (RenderFrame *self);
void render_frame_unref (RenderFrame *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RenderFrame, render_frame_unref)

int render_frame_get_width (RenderFrame *self);
int render_frame_get_height (RenderFrame *self);
RenderPixelOrder render_frame_get_pixel_order (RenderFrame *self);
gsize render_frame_get_stride_bytes (RenderFrame *self);
const guint8 *render_frame_get_pixels (RenderFrame *self);
/* The same memory as GBytes, which holds a reference on the frame. */
GBytes *render_frame_get_bytes (RenderFrame *self) G_GNUC_WARN_UNUSED_RESULT;
/* Whether it shows the scan at full resolution; not so for oblique planes of scans too large for
 * the device, which show a coarser level. */
gboolean render_frame_is_exact (RenderFrame *self);

/* Atomic: an existing file is replaced only by a whole one. Blocking. */
gboolean render_frame_save_png (RenderFrame *self, const char *path, GError **error);

G_END_DECLS
