/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/backend.h"

/* What a backend's module may export beside SEG_BACKEND_SYMBOL, where the thread that runs its
 * operations answers prompts between them: how a convolution or one of its gradients may be handed
 * over in pieces that take no longer together. Answers 0 if it may not. */

#ifdef __cplusplus
extern "C"
{
#endif

#define SEG_DIVISION_SYMBOL "seg_backend_divide"

  typedef struct
  {
    int min_samples; /* of a piece */
    int planes; /* one sample also by planes of the first spatial axis */
  } SegBackendDivision;

  typedef int (*SegBackendDivide) (SegBackendDevice *device, const SegBackendCall *call,
                                   SegBackendDivision *division);

#ifdef __cplusplus
}
#endif
