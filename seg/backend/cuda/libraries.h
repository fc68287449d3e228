/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/backend/cuda/device.h"

/* What cuDNN and cuBLASLt do for us. Each answers false where they have no plan for the case, and
 * always on the fake device; the caller's own kernels stand in. */

enum
{
  SEG_LIBRARY_TO_NARROW,
  SEG_LIBRARY_TO_WIDE,
  SEG_LIBRARY_TO_WEIGHT,
};

/* @status: set when true was answered. Bias is the caller's. */
bool seg_cuda_library_conv (SegBackendDevice *device, const SegBackendCall *call, int kind,
                            SegStatus *status);
bool seg_cuda_library_product (SegBackendDevice *device, const Product &product);
