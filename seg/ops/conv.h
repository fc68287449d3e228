/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/**
 * seg_conv: 2-D and 3-D cross-correlation with zero padding, or its transpose (PyTorch's rules).
 *
 * out[n,k,:] = bias[k] + sum over c of weight[k,c] (*) in[n,c]
 *
 * in   N C [D] H W      weight  K C/groups [kd] kh kw (transposed: C K/groups …), F32, plain
 * bias K, F32, or NULL  out     N K [D'] H' W'
 *
 * Backward: din is assigned; dweight and dbias are accumulated (+=), so batches may be split.
 * Zero in params->dilation, stride or groups means 1.
 */
SegTensor *seg_conv (SegTensor *in, SegTensor *weight, SegTensor *bias,
                     const SegConvParams *params);

/* n_spatial axes alike: kernel is in the weight's shape. Dilation 1, one group. */
SegConvParams seg_conv_params (int n_spatial, int stride, int pad);
SegConvParams seg_conv_transposed_params (int n_spatial, int stride, int pad);

G_END_DECLS
