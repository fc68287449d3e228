/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the 3-D view draws labels from: how much of each label there is about a point, smoothed by
 * the same length in every direction. Voxels of a sheet one voxel thin (a labelled slice of a
 * case) count in full, for smoothing would make them vanish. Private to render/; the
 * device's thread. */

#include "render/labels.h"
#include "render/region.h"

G_BEGIN_DECLS

#define RENDER_N_CHANNELS 4

typedef struct
{
  RenderRegion region; /* about the visible labels; no texture if there are none */
  guint16 label[RENDER_N_CHANNELS]; /* of each of the texture's channels; 0: none */
  gboolean is_shared; /* more labels than channels: they take turns */
  RenderRegion blocks; /* of 8 texels a side: not 0 where a surface may be */

  /* private */
  guint8 *channel_of; /* of each label; NO_CHANNEL: not visible or not met */
  int n_labels, n_passes[3];
  gboolean has_sheets; /* searched in steps that do not leap over one */
  gboolean is_valid;
  VolumeBox dirty; /* changed since it was sent */
} RenderSurface;

/* Sends what changed. @looks: RGBA of each label, alpha 0 if hidden. */
gboolean render_surface_prepare (RenderSurface *self, RenderLabels *labels, RenderDevice *device,
                                 const int size[3], const double spacing_mm[3], GError **error);
/* Labels in the box, or with NULL anything at all, changed. */
void render_surface_change (RenderSurface *self, const VolumeBox *box);
void render_surface_release (RenderSurface *self, RenderDevice *device);
void render_surface_destroy (RenderSurface *self, RenderDevice *device);

G_END_DECLS
