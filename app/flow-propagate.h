/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "seg/generalist/generalist.h"
#include "volume/scan.h"

G_BEGIN_DECLS

/* From the mask of one slice to its neighbours. Each slice is asked with the box and the deepest
 * pixel of the mask before it, and that mask as a mask to refine. The level above which a logit is
 * inside is the one at which the first slice, asked in the same way, gives its own mask back; and a
 * border moves a few pixels at most. It goes on until the answer is empty, the generalist's own
 * estimate falls, or the answer leaves the one before it. */

typedef SegEmbedding *(*AppFlowEmbed) (VolumeScan *scan, VolumePlane plane, int index,
                                       gpointer user_data, GError **error);
/* FALSE stops with SEG_ERROR_CANCELLED. */
typedef gboolean (*AppFlowTick) (double fraction, gpointer user_data);

/**
 * AppFlowPropagation:
 * @first, @last: slices that have a mask, the start among them
 * @masks: (element-type guint8*): one per slice from @first to @last, in screen order
 * @confidence: the lowest estimate on the way
 */
typedef struct
{
  int first, last;
  GPtrArray *masks;
  double confidence;
} AppFlowPropagation;

/* @start: the mask on slice @index, screen order; @n_slices: at most that many each way. */
gboolean app_flow_propagate (SegGeneralist *generalist, VolumeScan *scan, VolumePlane plane,
                             int index, const guint8 *start, int n_slices, AppFlowEmbed embed,
                             gpointer embed_data, AppFlowTick tick, gpointer tick_data,
                             AppFlowPropagation *result, GError **error);
void app_flow_propagation_clear (AppFlowPropagation *self);
/* Into the voxels of the thick box @first … @last of the plane, i fastest. */
void app_flow_propagation_place (const AppFlowPropagation *self, const VolumeGeometry *geometry,
                                 VolumePlane plane, guint8 *voxels);

/**
 * app_flow_vote:
 * @rough: the scan's voxels (i fastest), non-zero where the structure is thought to be
 * @n_votes: 2 for the majority of the three views, 3 for all (gm-abs 5)
 * @fused: (out): the scan's voxels
 *
 * Asks the generalist on every slice of the three planes that @rough crosses, with the box of the
 * rough mask there and its five deepest pixels, and fuses the three views by vote.
 */
gboolean app_flow_vote (SegGeneralist *generalist, VolumeScan *scan, const guint8 *rough,
                        int n_votes, AppFlowEmbed embed, gpointer embed_data, AppFlowTick tick,
                        gpointer tick_data, guint8 *fused, GError **error);

G_END_DECLS
