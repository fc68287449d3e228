/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All operations. Each answers a new tensor (transfer full), or NULL after a failure. Inputs are
 * not consumed. Unless said otherwise an operation is differentiable in its floating-point inputs
 * and its output has the dtype of the first input. */

#include "seg/ops/activation.h"
#include "seg/ops/arithmetic.h"
#include "seg/ops/attention.h"
#include "seg/ops/conv.h"
#include "seg/ops/dropout.h"
#include "seg/ops/gather.h"
#include "seg/ops/linear.h"
#include "seg/ops/loss.h"
#include "seg/ops/norm.h"
#include "seg/ops/pool.h"
#include "seg/ops/reduce.h"
#include "seg/ops/resample.h"
#include "seg/ops/shape.h"
#include "seg/ops/softmax.h"
