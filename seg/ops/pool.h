/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/* N C X.. → N C X'..; cubic windows. Size: floor ((X + 2·pad − kernel)/stride) + 1. */
SegTensor *seg_max_pool (SegTensor *x, int kernel, int stride, int pad);
SegTensor *seg_average_pool (SegTensor *x, int kernel, int stride, int pad);
/* To the spatial @size given; {1, 1[, 1]} is global average pooling. */
SegTensor *seg_adaptive_average_pool (SegTensor *x, const gint64 *size);

G_END_DECLS
