/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/* out[.., o] = act (sum over i of in[.., i]·weight[o, i] + bias[o]) over the feature axis; weight
 * O I, F32; bias O, F32, or NULL. On N C H W this is a 1×1 convolution. */
SegTensor *seg_linear (SegTensor *in, SegTensor *weight, SegTensor *bias);
SegTensor *seg_linear_act (SegTensor *in, SegTensor *weight, SegTensor *bias, SegAct act);

/* alpha · op (a) · op (b): a [.., M, K], b [.., K, N] after transposition; rank 2 to 4, plain;
 * leading axes broadcast. */
SegTensor *seg_matmul (SegTensor *a, SegTensor *b, gboolean transpose_a, gboolean transpose_b,
                       double alpha);

G_END_DECLS
