/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One convolution through cuDNN's graph interface: shape in, execution plan out. A plan needs either
 * a handle (to run it) or device properties (to see, without a GPU, that there is one). */

#include "seg/backend.h"

#include <cudnn.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  SEG_CUDA_TO_NARROW,  /* narrow ← wide, weight: the forward pass of an ordinary convolution */
  SEG_CUDA_TO_WIDE,    /* wide ← narrow, weight: its backward-data pass, and a transposed forward */
  SEG_CUDA_TO_WEIGHT,  /* weight ← wide, narrow */
} SegCudaConvKind;

/* wide: the map the kernel slides over; narrow: the other. All channels-last: N X.. C; the weight
 * narrow_c k.. wide_c. Compared as bytes: fill with zeros first. */
typedef struct
{
  int32_t kind;
  int32_t dtype; /* SegDtype F32 (runs as TF32), BF16 or F16, of all three */
  int32_t n_spatial; /* 2 or 3 */
  int32_t reserved;
  int64_t n, wide_c, narrow_c;
  int64_t wide[3], narrow[3], kernel[3];
  int64_t stride[3], pad[3], dilation[3];
} SegCudaConvShape;

typedef struct
{
  cudnnBackendDescriptor_t plan;
  cudnnBackendDescriptor_t graph;
  int64_t workspace_bytes;
} SegCudaConvPlan;

/* @handle, @device: one of them; the other NULL. Engines that sum in an order of their own (not
 * deterministic, I7) are passed over, and those that want more than @workspace_limit.
 * Returns: CUDNN_STATUS_SUCCESS, or why there is no plan. */
cudnnStatus_t seg_cuda_conv_plan_create (SegCudaConvPlan *self, const SegCudaConvShape *shape,
                                         cudnnHandle_t handle, cudnnBackendDescriptor_t device,
                                         int64_t workspace_limit);
void seg_cuda_conv_plan_clear (SegCudaConvPlan *self);
cudnnStatus_t seg_cuda_conv_plan_run (const SegCudaConvPlan *self, cudnnHandle_t handle, void *wide,
                                      void *weight, void *narrow, void *workspace);

/* Properties of a device that is not there, from cuDNN's JSON form. */
cudnnStatus_t seg_cuda_device_from_json (const char *json, cudnnBackendDescriptor_t *device);

#ifdef __cplusplus
}
#endif
