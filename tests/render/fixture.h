/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/device.h"
#include "render/frame.h"
#include "volume/scan.h"

/* A device with the validation layer, and at the end the proof that it found nothing to say and
 * that no Vulkan object stayed behind. A machine without the layer skips loudly. */
RenderDevice *fixture_open (const RenderDeviceParams *params);
void fixture_close (RenderDevice *device);
/* FALSE, with the test skipped, where fixture_open() cannot. */
gboolean fixture_is_possible (void);

/* Adds a test as it is and, as PATH-direct, with slices drawn as on hardware. */
void fixture_add (const char *path, void (*run) (void));
gboolean fixture_is_direct (void);

const guint8 *fixture_pixel (RenderFrame *frame, int x, int y);

/* Levels of grey a picture may be off: rounding, and a GPU's own arithmetic. */
int fixture_tolerance (RenderDevice *device);

VolumeScan *fixture_scan (const int size[3], const double affine[4][4], VolumeDtype dtype,
                          gconstpointer values);
