/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cuda/conv-plan.h"

#include <stdbool.h>
#include <string.h>

#define MAX_CONFIGS 64

enum
{
  UID_WIDE = 1,
  UID_WEIGHT,
  UID_NARROW,
};

#define TRY(call)                                                                                  \
  do                                                                                               \
    {                                                                                              \
      const cudnnStatus_t status_ = (call);                                                        \
                                                                                                   \
      if (status_ != CUDNN_STATUS_SUCCESS)                                                         \
        return status_;                                                                            \
    }                                                                                              \
  while (0)

static cudnnStatus_t
set (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
     cudnnBackendAttributeType_t type, int64_t n, const void *values)
{
  return cudnnBackendSetAttribute (descriptor, name, type, n, values);
}

static cudnnStatus_t
set_descriptor (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                cudnnBackendDescriptor_t value)
{
  return set (descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

static void
destroy (cudnnBackendDescriptor_t *descriptor)
{
  if (*descriptor != NULL)
    cudnnBackendDestroyDescriptor (*descriptor);
  *descriptor = NULL;
}

static cudnnDataType_t
data_type (int32_t dtype)
{
  return dtype == SEG_DTYPE_BF16 ? CUDNN_DATA_BFLOAT16
         : dtype == SEG_DTYPE_F16 ? CUDNN_DATA_HALF
                                  : CUDNN_DATA_FLOAT;
}

/* N C X.. in logical order with channels-last strides. */
static cudnnStatus_t
make_tensor (cudnnBackendDescriptor_t *out, const SegCudaConvShape *shape, int64_t uid, int64_t n,
             int64_t c, const int64_t *spatial)
{
  const int rank = shape->n_spatial + 2;
  const cudnnDataType_t type = data_type (shape->dtype);
  const int64_t alignment = 16;
  int64_t sizes[5] = { n, c }, strides[5], step = c;

  strides[1] = 1;
  for (int a = shape->n_spatial - 1; a >= 0; a--)
    {
      sizes[2 + a] = spatial[a];
      strides[2 + a] = step;
      step *= spatial[a];
    }
  strides[0] = step;
  TRY (cudnnBackendCreateDescriptor (CUDNN_BACKEND_TENSOR_DESCRIPTOR, out));
  TRY (set (*out, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type));
  TRY (set (*out, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, rank, sizes));
  TRY (set (*out, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, rank, strides));
  TRY (set (*out, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid));
  TRY (set (*out, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment));
  return cudnnBackendFinalize (*out);
}

static cudnnStatus_t
make_convolution (cudnnBackendDescriptor_t *out, const SegCudaConvShape *shape)
{
  const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const int64_t n = shape->n_spatial;

  TRY (cudnnBackendCreateDescriptor (CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, out));
  TRY (set (*out, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &n));
  TRY (set (*out, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute));
  TRY (set (*out, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode));
  TRY (set (*out, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, n, shape->pad));
  TRY (set (*out, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, n, shape->pad));
  TRY (set (*out, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, n, shape->stride));
  TRY (set (*out, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, n, shape->dilation));
  return cudnnBackendFinalize (*out);
}

/* The three directions differ in the names of their attributes alone. */
static const struct
{
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, wide, weight, narrow, alpha, beta;
} operations[] = {
  [SEG_CUDA_TO_NARROW]
  = { CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
      CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA },
  [SEG_CUDA_TO_WIDE] = { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA },
  [SEG_CUDA_TO_WEIGHT] = { CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA },
};

typedef struct
{
  cudnnBackendDescriptor_t wide, weight, narrow, convolution, operation, heuristics;
  cudnnBackendDescriptor_t configs[MAX_CONFIGS];
} Parts;

static void
clear_parts (Parts *parts)
{
  for (int i = 0; i < MAX_CONFIGS; i++)
    destroy (&parts->configs[i]);
  destroy (&parts->heuristics);
  destroy (&parts->operation);
  destroy (&parts->convolution);
  destroy (&parts->narrow);
  destroy (&parts->weight);
  destroy (&parts->wide);
}

static cudnnStatus_t
make_graph (Parts *parts, const SegCudaConvShape *shape, cudnnHandle_t handle,
            cudnnBackendDescriptor_t *graph)
{
  const float one = 1, zero = 0;
  const int kind = shape->kind;

  TRY (make_tensor (&parts->wide, shape, UID_WIDE, shape->n, shape->wide_c, shape->wide));
  TRY (make_tensor (&parts->narrow, shape, UID_NARROW, shape->n, shape->narrow_c, shape->narrow));
  TRY (make_tensor (&parts->weight, shape, UID_WEIGHT, shape->narrow_c, shape->wide_c,
                    shape->kernel));
  TRY (make_convolution (&parts->convolution, shape));
  TRY (cudnnBackendCreateDescriptor (operations[kind].type, &parts->operation));
  TRY (set_descriptor (parts->operation, operations[kind].convolution, parts->convolution));
  TRY (set_descriptor (parts->operation, operations[kind].wide, parts->wide));
  TRY (set_descriptor (parts->operation, operations[kind].weight, parts->weight));
  TRY (set_descriptor (parts->operation, operations[kind].narrow, parts->narrow));
  TRY (set (parts->operation, operations[kind].alpha, CUDNN_TYPE_FLOAT, 1, &one));
  TRY (set (parts->operation, operations[kind].beta, CUDNN_TYPE_FLOAT, 1, &zero));
  TRY (cudnnBackendFinalize (parts->operation));
  TRY (cudnnBackendCreateDescriptor (CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, graph));
  TRY (set_descriptor (*graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, parts->operation));
  if (handle != NULL)
    TRY (set (*graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle));
  return cudnnBackendFinalize (*graph);
}

static cudnnStatus_t
ask_heuristics (Parts *parts, cudnnBackendDescriptor_t graph, cudnnBackendDescriptor_t device,
                cudnnBackendHeurMode_t mode, int64_t *n_configs)
{
  destroy (&parts->heuristics);
  TRY (cudnnBackendCreateDescriptor (CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &parts->heuristics));
  TRY (set_descriptor (parts->heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph));
  TRY (set (parts->heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode));
  if (device != NULL)
    TRY (set_descriptor (parts->heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device));
  TRY (cudnnBackendFinalize (parts->heuristics));
  for (int i = 0; i < MAX_CONFIGS; i++)
    if (parts->configs[i] == NULL)
      TRY (cudnnBackendCreateDescriptor (CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &parts->configs[i]));
  return cudnnBackendGetAttribute (parts->heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                   CUDNN_TYPE_BACKEND_DESCRIPTOR, MAX_CONFIGS, n_configs,
                                   parts->configs);
}

/* I7: the same input gives the same output. */
static bool
is_deterministic (cudnnBackendDescriptor_t config)
{
  cudnnBackendDescriptor_t engine = NULL;
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  int64_t n = 0;
  bool good = false;

  if (cudnnBackendCreateDescriptor (CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine)
          == CUDNN_STATUS_SUCCESS
      && cudnnBackendGetAttribute (config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                   CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n, &engine)
             == CUDNN_STATUS_SUCCESS
      && cudnnBackendGetAttribute (engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                   CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n,
                                   notes)
             == CUDNN_STATUS_SUCCESS)
    {
      good = true;
      for (int64_t i = 0; i < n; i++)
        good = good && notes[i] != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    }
  destroy (&engine);
  return good;
}

static cudnnStatus_t
make_plan (SegCudaConvPlan *self, cudnnBackendDescriptor_t config, cudnnHandle_t handle,
           cudnnBackendDescriptor_t device)
{
  int64_t n;

  TRY (cudnnBackendCreateDescriptor (CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &self->plan));
  TRY (set_descriptor (self->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config));
  if (handle != NULL)
    TRY (set (self->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle));
  if (device != NULL)
    TRY (set_descriptor (self->plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device));
  TRY (cudnnBackendFinalize (self->plan));
  return cudnnBackendGetAttribute (self->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                   CUDNN_TYPE_INT64, 1, &n, &self->workspace_bytes);
}

static cudnnStatus_t
choose (SegCudaConvPlan *self, Parts *parts, cudnnHandle_t handle, cudnnBackendDescriptor_t device,
        int64_t workspace_limit)
{
  static const cudnnBackendHeurMode_t modes[] = { CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK };
  cudnnStatus_t last = CUDNN_STATUS_NOT_SUPPORTED;

  for (int m = 0; m < 2; m++)
    {
      int64_t n_configs = 0;

      if (ask_heuristics (parts, self->graph, device, modes[m], &n_configs)
          != CUDNN_STATUS_SUCCESS)
        continue;
      for (int64_t i = 0; i < n_configs && i < MAX_CONFIGS; i++)
        {
          if (!is_deterministic (parts->configs[i]))
            continue;
          last = make_plan (self, parts->configs[i], handle, device);
          if (last == CUDNN_STATUS_SUCCESS && self->workspace_bytes <= workspace_limit)
            return CUDNN_STATUS_SUCCESS;
          destroy (&self->plan);
        }
    }
  return last == CUDNN_STATUS_SUCCESS ? CUDNN_STATUS_NOT_SUPPORTED : last;
}

cudnnStatus_t
seg_cuda_conv_plan_create (SegCudaConvPlan *self, const SegCudaConvShape *shape,
                           cudnnHandle_t handle, cudnnBackendDescriptor_t device,
                           int64_t workspace_limit)
{
  Parts parts = { 0 };
  cudnnStatus_t status;

  memset (self, 0, sizeof *self);
  status = make_graph (&parts, shape, handle, &self->graph);
  if (status == CUDNN_STATUS_SUCCESS)
    status = choose (self, &parts, handle, device, workspace_limit);
  clear_parts (&parts);
  if (status != CUDNN_STATUS_SUCCESS)
    seg_cuda_conv_plan_clear (self);
  return status;
}

void
seg_cuda_conv_plan_clear (SegCudaConvPlan *self)
{
  destroy (&self->plan);
  destroy (&self->graph);
}

cudnnStatus_t
seg_cuda_conv_plan_run (const SegCudaConvPlan *self, cudnnHandle_t handle, void *wide, void *weight,
                        void *narrow, void *workspace)
{
  const int64_t uids[3] = { UID_WIDE, UID_WEIGHT, UID_NARROW };
  void *pointers[3] = { wide, weight, narrow };
  cudnnBackendDescriptor_t pack = NULL;
  cudnnStatus_t status = cudnnBackendCreateDescriptor (CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);

  if (status == CUDNN_STATUS_SUCCESS)
    status = set (pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, uids);
  if (status == CUDNN_STATUS_SUCCESS)
    status = set (pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers);
  if (status == CUDNN_STATUS_SUCCESS)
    status = set (pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  if (status == CUDNN_STATUS_SUCCESS)
    status = cudnnBackendFinalize (pack);
  if (status == CUDNN_STATUS_SUCCESS)
    status = cudnnBackendExecute (handle, self->plan, pack);
  destroy (&pack);
  return status;
}

cudnnStatus_t
seg_cuda_device_from_json (const char *json, cudnnBackendDescriptor_t *device)
{
  TRY (cudnnBackendCreateDescriptor (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, device));
  TRY (set (*device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
            (int64_t) strlen (json), json));
  return cudnnBackendFinalize (*device);
}
