/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* render/: Vulkan: voxels to pixels, on screen or off. May include volume/ only.
 *
 * Spaces.  ijk    voxel indices, whole numbers are voxel centres; a voxel reaches ±0.5.
 *          pixel  of a frame: x right, y down, (0, 0) the top left corner of the frame, so the
 *                 first pixel's centre is (0.5, 0.5); device pixels, not GTK's logical ones.
 *          tex    texture coordinates, inside render/ only.
 *
 * Threads: every object here is reference-counted (atomic) and may be used and released from any
 * thread. Each RenderDevice has one thread of its own, on which all Vulkan calls happen, in the
 * order in which they were asked for: a label update asked for before a slice is in that slice.
 * Nothing here blocks the caller except functions named _sync and render_device_new().
 */

#include <glib.h>

#include "volume/volume-types.h"

G_BEGIN_DECLS

typedef struct _RenderDevice RenderDevice;
typedef struct _RenderScan RenderScan;
typedef struct _RenderLabels RenderLabels;
typedef struct _RenderField RenderField;
typedef struct _RenderFrame RenderFrame;

/* Of a frame's four bytes for each pixel, in memory. */
typedef enum
{
  RENDER_PIXEL_ORDER_RGBA,
  RENDER_PIXEL_ORDER_BGRA, /* what cairo and X take without converting */
} RenderPixelOrder;

typedef enum
{
  RENDER_ERROR_NO_LOADER, /* libvulkan is not on this machine */
  RENDER_ERROR_NO_DEVICE, /* no device, or none that does what is needed or has that name */
  RENDER_ERROR_DEVICE_LOST, /* the device went away and could not be brought back */
  RENDER_ERROR_OUT_OF_MEMORY, /* host or device memory */
  RENDER_ERROR_SIZE, /* a frame of no or an absurd size */
  RENDER_ERROR_FAILED, /* any other refusal of the driver, named in the message */
} RenderError;
#define RENDER_ERROR (render_error_quark ())
GQuark render_error_quark (void);

G_END_DECLS
