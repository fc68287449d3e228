/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Private to render/; the device's thread unless said otherwise. */

#include "render/device-private.h"
#include "render/dmabuf.h"

G_BEGIN_DECLS

/* With the device, and when it goes. */
void render_exports_open (RenderDevice *device);
void render_exports_close (RenderDevice *device);
/* What a VkDevice has to be made with; 0 where it exports nothing. */
guint32 render_exports_get_extensions (RenderDevice *device, const char *const **names);
/* With a life of the device. */
void render_exports_drop (RenderDevice *device);

/* A target that the display can show, or NULL: the frame has to be read back. */
RenderTexture *render_export_take (RenderDevice *device, int width, int height);
/* The last command on it: from here on it is the display's. */
void render_export_hand_over (RenderDevice *device, RenderTexture *texture);
/* Nobody shows it any more. Any thread. */
void render_device_return_export (RenderDevice *device, RenderTexture *texture);
void render_exports_collect (RenderDevice *device);
/* Under the device's lock. */
gboolean render_exports_have_returned (RenderDevice *device);

/* For memory.c: fills texture->dmabuf, and empties it. */
gboolean render_export_describe (RenderDevice *device, RenderTexture *texture, guint32 fourcc,
                                 GError **error);
void render_export_clear (RenderTexture *texture);

G_END_DECLS
