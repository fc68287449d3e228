/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

SegTensor *seg_softmax (SegTensor *x, int axis);
SegTensor *seg_log_softmax (SegTensor *x, int axis);

G_END_DECLS
