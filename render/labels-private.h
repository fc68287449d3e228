/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/labels.h"
#include "render/region.h"
#include "render/surface.h"

G_BEGIN_DECLS

/* Regions that hold every voxel of @box, as render_scan_prepare(); *@region is NULL where every
 * voxel is 0. */
gboolean render_labels_prepare (RenderLabels *self, const VolumeBox *box, int axis,
                                RenderRegion **region, gboolean *exact, GError **error);
gboolean render_labels_prepare_provenance (RenderLabels *self, const VolumeBox *box, int axis,
                                           RenderRegion **region, GError **error);
/* The host's side, for one box; provenance: FALSE where there is none. */
gboolean render_labels_has_any (RenderLabels *self);
void render_labels_read (RenderLabels *self, const VolumeBox *box, guint16 *dst);
gboolean render_labels_read_provenance (RenderLabels *self, const VolumeBox *box, guint8 *dst);
const guint8 *render_labels_get_looks (RenderLabels *self); /* 65 536 × RGBA, alpha 0 if hidden */
/* Another one after every change, on the whole device. */
guint64 render_labels_get_serial (RenderLabels *self);
RenderTexture *render_labels_prepare_palette (RenderLabels *self, GError **error);
/* Where the visible labels' surfaces are. */
RenderSurface *render_labels_prepare_surface (RenderLabels *self, const double spacing_mm[3],
                                              GError **error);

G_END_DECLS
