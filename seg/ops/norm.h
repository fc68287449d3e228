/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/**
 * seg_norm: act (gamma·(x − mean)/sqrt (var + eps) + beta); SegNormParams says over what.
 *
 * in N C X.. (layer norm: over the feature axis of any shape); gamma, beta [C] F32 or both NULL;
 * run_mean, run_var [C] F32: batch norm's running state, updated when params->training, used when
 * not; NULL otherwise.
 *
 * Backward computes the normalised values again: only `in`, mean and rstd are kept, and the output
 * is dropped where nobody else holds it.
 */
SegTensor *seg_norm (SegTensor *in, SegTensor *gamma, SegTensor *beta, SegTensor *run_mean,
                     SegTensor *run_var, const SegNormParams *params);

G_END_DECLS
