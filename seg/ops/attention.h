/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/**
 * seg_attention: softmax (scale·q·kᵀ + bias + relative position) · v, for each head.
 * @q: B Tq h·d    @k, @v: B Tk h·d; slices of one projection are read in place
 * @bias: (nullable): [1 or B, 1 or heads, Tq, Tk], plain
 * @rel_h, @rel_w: (nullable): [2·gh−1, d], [2·gw−1, d]; SAM's decomposed relative position,
 * computed from the unscaled q; tokens are rows of the grid params->grid
 *
 * Returns: B Tq h·d
 */
SegTensor *seg_attention (SegTensor *q, SegTensor *k, SegTensor *v, SegTensor *bias,
                          SegTensor *rel_h, SegTensor *rel_w, const SegAttentionParams *params);

/* N C H W → (N·nh·nw) (w·w) C: windows of w × w, zero-padded at the bottom and right (SAM). */
SegTensor *seg_window_partition (SegTensor *x, int window);
/* The way back to N C height width; the padding is dropped. */
SegTensor *seg_window_merge (SegTensor *windows, int window, gint64 n, gint64 height, gint64 width);

G_END_DECLS
