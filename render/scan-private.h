/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/region.h"
#include "render/scan.h"

G_BEGIN_DECLS

/* value (after slope and intercept) = texture value × @scale + @offset */
void render_scan_get_value_map (RenderScan *self, double *scale, double *offset);
/* Whether the linear sampler may be used on it. */
gboolean render_scan_is_linear (RenderScan *self);
/* Whether that sampler's weights are as good as floats. */
gboolean render_scan_has_exact_sampler (RenderScan *self);
/* A region that holds every voxel of @box. @axis: the box is a thin slab across this voxel axis,
 * which can be sent ahead; −1: it is not. @exact: FALSE where a coarser level stands in.
 * RENDER_ERROR_LATER while the scan is on its way. */
RenderRegion *render_scan_prepare (RenderScan *self, const VolumeBox *box, int axis,
                                   gboolean *exact, GError **error);
/* Tells it from every other scan the device has known. */
guint64 render_scan_get_serial (RenderScan *self);
/* What a shader finds in the texels of a box, from the host's side. */
void render_scan_read_texels (RenderScan *self, const VolumeBox *box, float *dst);

G_END_DECLS
