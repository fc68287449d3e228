/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/* Views share memory with @x; where that is impossible a copy is made. */

/* In the logical order, as PyTorch; one size may be −1. A 4-/5-D result is plain in memory. */
SegTensor *seg_reshape (SegTensor *x, int rank, const gint64 *shape);
/* axes[a]: which axis of @x becomes axis a. A view. */
SegTensor *seg_permute (SegTensor *x, const int *axes);
/* [start, start + size) along @axis. A view. */
SegTensor *seg_slice (SegTensor *x, int axis, gint64 start, gint64 size);
/* N C X.. → N (X..) C, and back to N C X... Free on channels-last memory. */
SegTensor *seg_to_tokens (SegTensor *x);
SegTensor *seg_from_tokens (SegTensor *tokens, int n_spatial, const gint64 *size);

/* Dense memory: channels-last for 4-/5-D (plain: row-major). @x itself where it is so already. */
SegTensor *seg_dense (SegTensor *x);
SegTensor *seg_dense_plain (SegTensor *x);
SegTensor *seg_cast (SegTensor *x, SegDtype dtype); /* @x itself where it is that already */
SegTensor *seg_copy (SegTensor *x); /* always new memory */

SegTensor *seg_concat (int n, SegTensor *const *x, int axis);
/* Constant @value around: before[a] and after[a] elements on each axis, ≥ 0. */
SegTensor *seg_pad (SegTensor *x, const gint64 *before, const gint64 *after, double value);
/* out[i] = x[(i − shift) mod size] along @axis, as PyTorch's roll. */
SegTensor *seg_roll (SegTensor *x, int axis, gint64 shift);
SegTensor *seg_flip (SegTensor *x, int axis);
/* Sizes of 1 become those given. A view. */
SegTensor *seg_expand (SegTensor *x, int rank, const gint64 *shape);
/* Index map N X.. → F32 one-hot N C X... */
SegTensor *seg_one_hot (SegTensor *index, int n_classes);

/* *@dst = *@src: contents into an existing tensor of the same shape (buffers, teacher := student).
 * Not recorded. */
gboolean seg_assign (SegTensor *dst, SegTensor *src);
gboolean seg_fill (SegTensor *dst, double value);

G_END_DECLS
