/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/* Elementwise functions. Where one of these follows a norm or a product, the fused form there is
 * faster and smaller (SegNormParams.act, seg_linear). */
SegTensor *seg_activation (SegTensor *x, SegAct act, double a, double b);

SegTensor *seg_relu (SegTensor *x);
SegTensor *seg_leaky_relu (SegTensor *x, double slope);
SegTensor *seg_prelu (SegTensor *x, SegTensor *slope); /* slope [1] or [C], on the feature axis */
SegTensor *seg_gelu (SegTensor *x); /* x·Φ(x), by erf */
SegTensor *seg_gelu_tanh (SegTensor *x);
SegTensor *seg_silu (SegTensor *x);
SegTensor *seg_sigmoid (SegTensor *x);
SegTensor *seg_tanh (SegTensor *x);
SegTensor *seg_exp (SegTensor *x);
SegTensor *seg_log (SegTensor *x, double epsilon); /* ln (x + epsilon) */
SegTensor *seg_sqrt (SegTensor *x, double epsilon); /* sqrt (x + epsilon) */
SegTensor *seg_square (SegTensor *x);
SegTensor *seg_abs (SegTensor *x);
SegTensor *seg_reciprocal (SegTensor *x, double epsilon);
SegTensor *seg_affine (SegTensor *x, double factor, double add); /* factor·x + add */
SegTensor *seg_clamp (SegTensor *x, double low, double high);

G_END_DECLS
