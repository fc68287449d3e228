/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A slice of the voxel grid laid out flat, for devices that draw on the processor: a texture fetch
 * costs far more there than arithmetic, so one texel holds all that a pixel in it needs. Private to
 * render/; the device's thread. */

#include "render/labels-private.h"
#include "render/scan-private.h"

G_BEGIN_DECLS

#define RENDER_FLAT_PAD 2 /* texels around the box, repeating its edge */

typedef struct
{
  RenderScan *scan;
  RenderLabels *labels; /* nullable */
  VolumeBox box; /* one voxel thick */
  int axis; /* across the slice */
  gboolean fill, outline, hatch;
  double label_opacity;
  guint16 highlight_label;
} RenderFlatParams;

typedef struct
{
  RenderTexture *values; /* voxel, its next along the slice's first axis, second axis, both */
  RenderTexture *overlay; /* see shaders/flat.frag; NULL where nothing lies over the scan */
  VolumeBox over; /* what of the slice @overlay shows something on */
} RenderFlat;

/* Laid out anew, or as it was last time if nothing changed. Texel = voxel − box.lo + PAD. */
gboolean render_flat_prepare (RenderDevice *device, const RenderFlatParams *params,
                              RenderFlat *flat, GError **error);
/* What was laid out from a scan that goes away. */
void render_flat_forget (RenderDevice *device, guint64 source);
/* Everything, at once; nothing may be drawing. */
void render_flat_drop (RenderDevice *device);

G_END_DECLS
