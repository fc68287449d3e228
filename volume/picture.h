/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/volume-types.h"

G_BEGIN_DECLS

/**
 * volume_picture_load_rgb:
 * @path: a PNG or JPEG file
 *
 * Returns: (transfer full): height rows of width pixels of 3 bytes, x to the right, y down. Read in
 * a process of its own, under limits. Blocking. (As a grey scan: volume_scan_load.)
 */
GBytes *volume_picture_load_rgb (const char *path, int *width, int *height,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* PNG of 8 bits, @n_samples 1 (grey), 3 (RGB) or 4 (RGBA). The file appears whole or not at all. */
gboolean volume_picture_write_png (const char *path, const guint8 *pixels, int width, int height,
                                   int n_samples, GError **error);

/* The same as bytes. (transfer full) (nullable): NULL if memory failed */
GBytes *volume_picture_encode_png (const guint8 *pixels, int width, int height,
                                   int n_samples) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
