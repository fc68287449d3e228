/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

/* Zeroes elements with probability @p, scales the rest by 1/(1−p); draws from the context's random
 * stream; keeps no mask. p = 0 answers x itself. Callers skip it when not training. */
SegTensor *seg_dropout (SegTensor *x, double p);
/* Whole channels of each sample (Dropout2d, Dropout3d). */
SegTensor *seg_dropout_channels (SegTensor *x, double p);

G_END_DECLS
