/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/* Rows of @table [R, F] by @index (I32 or I64, any shape of at most 2 axes): out index-shape × F.
 * An index outside the table is an error on the CPU, and clamped where checking would wait. */
SegTensor *seg_embedding (SegTensor *table, SegTensor *index);

/* The k largest along @axis, descending; ties in index order. Not differentiable.
 * @index: (out) (optional) (transfer full): I32 */
SegTensor *seg_top_k (SegTensor *x, int axis, int k, SegTensor **index);

G_END_DECLS
