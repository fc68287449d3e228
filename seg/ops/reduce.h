/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/* @axes: bit a set: axis a is reduced, and stays with size 1. SEG_ALL_AXES: to one element [1]. */
#define SEG_ALL_AXES (~0u)

SegTensor *seg_sum (SegTensor *x, guint axes);
SegTensor *seg_mean (SegTensor *x, guint axes);
SegTensor *seg_max (SegTensor *x, guint axes); /* not differentiable, as min */
SegTensor *seg_min (SegTensor *x, guint axes);
/* Index of the first maximum along one axis, which is removed: N C X.. → N X.., @dtype U8 or I32 */
SegTensor *seg_argmax (SegTensor *x, int axis, SegDtype dtype);

G_END_DECLS
