/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/* Shapes broadcast as PyTorch's: aligned at the last axis, sizes equal or 1. With mixed dtypes the
 * output is F32 if one is F32, else that of @a. */
SegTensor *seg_add (SegTensor *a, SegTensor *b);
SegTensor *seg_sub (SegTensor *a, SegTensor *b);
SegTensor *seg_mul (SegTensor *a, SegTensor *b);
SegTensor *seg_div (SegTensor *a, SegTensor *b);
SegTensor *seg_maximum (SegTensor *a, SegTensor *b); /* gradient to the larger, to a if equal */
SegTensor *seg_minimum (SegTensor *a, SegTensor *b);
/* 1 or 0 in the dtype of @a; not differentiable. */
SegTensor *seg_greater (SegTensor *a, SegTensor *b);
SegTensor *seg_equal (SegTensor *a, SegTensor *b);

/* A one-element F32 constant, to broadcast. */
SegTensor *seg_constant (SegContext *context, double value);

G_END_DECLS
