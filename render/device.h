/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "render/render-types.h"

G_BEGIN_DECLS

/* What one Vulkan device of this machine is. */
typedef struct
{
  char name[256];
  char driver[256];
  guint32 api_version; /* VK_VERSION_1_2 style */
  gboolean is_software;
  int score; /* higher is chosen first; below 0: not usable, see @why_not */
  char why_not[128];
  guint64 memory_bytes; /* of the largest device-local heap */
  int max_image_3d; /* largest side of a 3-D image */
} RenderDeviceInfo;

/**
 * RenderDeviceParams:
 *
 * @name: part of the wanted device's name, case ignored; NULL for CROSSLABEL_VULKAN_DEVICE from the
 *   environment or else the best score
 * @hardware_only: refuse software devices (they are welcome otherwise)
 * @validate: load the Khronos validation layer and count its messages
 * @cache_dir: folder of the pipeline cache, made if missing; NULL for none
 * @direct: sample the scan's own textures for slices on software devices too, as on hardware
 * @step_through: rays of the 3-D view look at space without labels too, to try out leaving it out
 * @pixel_order: of this device's frames
 * @max_image_3d, @max_scan_bytes: limits below the device's own, to try out large scans; 0 for none
 * @max_memory_bytes: refuse device memory beyond this, as a full device does; 0 for no limit
 */
typedef struct
{
  const char *name;
  gboolean hardware_only;
  gboolean validate;
  gboolean direct;
  gboolean step_through;
  const char *cache_dir;
  RenderPixelOrder pixel_order;
  int max_image_3d;
  guint64 max_scan_bytes;
  guint64 max_memory_bytes;
} RenderDeviceParams;

/**
 * RenderDevice:
 *
 * The loader is libvulkan.so.1, or what CROSSLABEL_VULKAN_LOADER names. One Vulkan device with its
 * thread, memory, pipelines and pipeline cache. Everything made from it holds a reference on it. A
 * lost device is opened again by itself and what was on it comes back (scans and labels are
 * uploaded anew); only where that fails do frames end with RENDER_ERROR_DEVICE_LOST.
 */
RenderDevice *render_device_new (const RenderDeviceParams *params,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
RenderDevice *render_device_ref (RenderDevice *self);
void render_device_unref (RenderDevice *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RenderDevice, render_device_unref)

/* The last reference on a device may be a job's, so that it is closed on its own thread, later.
 * Waits until no device is open any more; FALSE if one still is. For the end of a program: what a
 * driver does there must not meet a thread that is closing it. */
gboolean render_device_wait_closed (int timeout_ms);

const RenderDeviceInfo *render_device_get_info (RenderDevice *self);
RenderPixelOrder render_device_get_pixel_order (RenderDevice *self);

/* Every device of this machine, best first, for people who ask (array element RenderDeviceInfo);
 * NULL with RENDER_ERROR_NO_LOADER or _NO_DEVICE. */
GArray *render_device_list (GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Waits until all that was asked for so far, uploads included, is done. For tests and benches. */
void render_device_wait_sync (RenderDevice *self);
/* Device memory in use now, and its most so far, bytes. */
void render_device_get_memory (RenderDevice *self, guint64 *now_bytes, guint64 *peak_bytes);
/* Messages of the validation layer in this process so far. */
guint render_validation_get_n_messages (void);
/* Vulkan objects of all devices in this process that are alive; 0 once all devices are gone. */
int render_objects_get_n_alive (void);
/* Behaves from the next submission on as if the driver had said VK_ERROR_DEVICE_LOST, once. */
void render_device_simulate_loss (RenderDevice *self);
/* How many times the device was lost and came back. */
guint render_device_get_n_recoveries (RenderDevice *self);

G_END_DECLS
