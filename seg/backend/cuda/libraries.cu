/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cuda/libraries.h"

#include "seg/backend/cuda/conv-plan.h"

#define N_BUCKETS 256
#define WORKSPACE_LIMIT ((int64_t) 1 << 30)

/* --- what is kept between calls --------------------------------------------------------------- */

struct PlanEntry
{
  PlanEntry *next;
  SegCudaConvShape shape;
  SegCudaConvPlan plan; /* plan.plan is NULL where there is none: asked once, remembered */
};

/* What a product looks like to cuBLASLt. Compared as bytes. */
struct ProductShape
{
  int64_t m, n, k, lda, ldb, ldc, batch, stride_a, stride_b, stride_c;
  int32_t type_in, type_out, turn_a, turn_b;
};

struct AlgorithmEntry
{
  AlgorithmEntry *next;
  ProductShape shape;
  cublasLtMatmulAlgo_t algorithm;
  size_t workspace_bytes;
  bool found;
};

/* A parameter in the form cuDNN wants, until the parameter changes. */
struct WeightEntry
{
  WeightEntry *next;
  uint64_t uid, version;
  int32_t dtype;
  int64_t n_elements;
  void *data;
};

struct Libraries
{
  cudnnHandle_t dnn;
  cublasLtHandle_t blas;
  PlanEntry *plans[N_BUCKETS];
  AlgorithmEntry *algorithms[N_BUCKETS];
  WeightEntry *weights[N_BUCKETS];
};

static unsigned
hash_bytes (const void *data, size_t n)
{
  const unsigned char *bytes = (const unsigned char *) data;
  unsigned hash = 2166136261u;

  for (size_t i = 0; i < n; i++)
    hash = (hash ^ bytes[i]) * 16777619u;
  return hash % N_BUCKETS;
}

bool
seg_cuda_libraries_open (SegBackendDevice *device)
{
  Libraries *self = (Libraries *) calloc (1, sizeof *self);

  device->libraries = self;
  return self != nullptr && cudnnCreate (&self->dnn) == CUDNN_STATUS_SUCCESS
         && cudnnSetStream (self->dnn, device->stream) == CUDNN_STATUS_SUCCESS
         && cublasLtCreate (&self->blas) == CUBLAS_STATUS_SUCCESS;
}

void
seg_cuda_libraries_close (SegBackendDevice *device)
{
  Libraries *self = device->libraries;

  if (self == nullptr)
    return;
  for (int b = 0; b < N_BUCKETS; b++)
    {
      while (self->plans[b] != nullptr)
        {
          PlanEntry *entry = self->plans[b];

          self->plans[b] = entry->next;
          seg_cuda_conv_plan_clear (&entry->plan);
          free (entry);
        }
      while (self->algorithms[b] != nullptr)
        {
          AlgorithmEntry *entry = self->algorithms[b];

          self->algorithms[b] = entry->next;
          free (entry);
        }
      while (self->weights[b] != nullptr)
        {
          WeightEntry *entry = self->weights[b];

          self->weights[b] = entry->next;
          cudaFree (entry->data);
          free (entry);
        }
    }
  if (self->blas != nullptr)
    cublasLtDestroy (self->blas);
  if (self->dnn != nullptr)
    cudnnDestroy (self->dnn);
  free (self);
  device->libraries = nullptr;
}

void
seg_cuda_forget (SegBackendDevice *device, uint64_t uid)
{
  WeightEntry **at = &device->libraries->weights[uid % N_BUCKETS];

  while (*at != nullptr)
    {
      WeightEntry *entry = *at;

      if (entry->uid != uid)
        {
          at = &entry->next;
          continue;
        }
      *at = entry->next;
      cudaFree (entry->data);
      free (entry);
    }
}

/* --- convolution ----------------------------------------------------------------------------- */

struct Maps
{
  const SegBackendTensor *wide, *narrow, *weight;
};

static Maps
get_maps (const SegBackendCall *call, bool turned)
{
  SegBackendTensor *const out = call->out[0], *const a = call->in[0], *const b = call->in[1];

  switch (call->op)
    {
    case SEG_OP_CONV:
      return turned ? Maps{ out, a, b } : Maps{ a, out, b };
    case SEG_OP_CONV_BACKWARD_DATA:
      return turned ? Maps{ a, out, b } : Maps{ out, a, b };
    default:
      return turned ? Maps{ b, a, out } : Maps{ a, b, out };
    }
}

static int64_t
round_up (int64_t n, int64_t unit)
{
  return (n + unit - 1) / unit * unit;
}

static bool
is_ready (const SegBackendTensor *map, int64_t channels)
{
  int64_t step = channels;

  if (map->shape[1] != channels || map->stride[1] != 1 || (uintptr_t) map->data % 16 != 0)
    return false;
  for (int a = map->rank - 1; a >= 2; a--)
    {
      if (map->shape[a] != 1 && map->stride[a] != step)
        return false;
      step *= map->shape[a];
    }
  return map->shape[0] == 1 || map->stride[0] == step;
}

/* Between a map and its channels-last form with @channels, the added ones zero. */
static void
pack_map (SegBackendDevice *device, const View &map, const View &packed, int64_t channels, bool back)
{
  const int64_t own = map.shape[1];
  View positions = map;

  positions.rank = 0;
  positions.n = 1;
  for (int a = 0; a < map.rank; a++)
    if (a != 1)
      {
        positions.shape[positions.rank] = map.shape[a];
        positions.stride[positions.rank++] = map.stride[a];
        positions.n *= map.shape[a];
      }
  seg_launch (device, positions.n * channels, [=] SEG_DEVICE (int64_t t) {
    const int64_t c = t % channels, at = seg_offset (positions, t / channels) + c * map.stride[1];

    if (back && c < own)
      seg_store (map, at, seg_load (packed, t));
    else if (!back)
      seg_store (packed, t, c < own ? seg_load (map, at) : 0);
  });
}

/* [narrow][wide][taps..] ↔ [narrow'][taps][wide'], the added ones zero; back: accumulated. */
static void
pack_weight (SegBackendDevice *device, const View &weight, const View &packed, int64_t narrow_c,
             int64_t wide_c, bool back)
{
  View taps = weight;

  taps.rank = weight.rank - 2;
  taps.n = 1;
  for (int a = 0; a < taps.rank; a++)
    {
      taps.shape[a] = weight.shape[a + 2];
      taps.stride[a] = weight.stride[a + 2];
      taps.n *= taps.shape[a];
    }
  seg_launch (device, narrow_c * taps.n * wide_c, [=] SEG_DEVICE (int64_t t) {
    const int64_t w = t % wide_c, tap = t / wide_c % taps.n, c = t / wide_c / taps.n;
    const bool own = w < weight.shape[1] && c < weight.shape[0];
    const int64_t at = c * weight.stride[0] + w * weight.stride[1] + seg_offset (taps, tap);

    if (back && own)
      seg_store (weight, at, seg_load (weight, at) + seg_load (packed, t));
    else if (!back)
      seg_store (packed, t, own ? seg_load (weight, at) : 0);
  });
}

static size_t
element_size (int dtype)
{
  return dtype == SEG_DTYPE_F32 ? 4 : 2;
}

/* The packed weight; from the cache where the engine says it may be kept. */
static void *
get_weight (SegBackendDevice *device, const SegBackendTensor *tensor, int dtype, int64_t narrow_c,
            int64_t wide_c, int64_t taps)
{
  const int64_t n = narrow_c * wide_c * taps;
  const size_t size_bytes = (size_t) n * element_size (dtype);
  WeightEntry **bucket = &device->libraries->weights[tensor->uid % N_BUCKETS];
  WeightEntry *entry = nullptr;
  View packed = {};

  packed.dtype = dtype;
  if (tensor->uid > 0)
    for (entry = *bucket; entry != nullptr; entry = entry->next)
      if (entry->uid == tensor->uid && entry->dtype == dtype && entry->n_elements == n)
        break;
  if (entry != nullptr && entry->version == tensor->version)
    return entry->data;
  if (entry == nullptr && tensor->uid > 0)
    {
      entry = (WeightEntry *) calloc (1, sizeof *entry);
      if (entry != nullptr && cudaMalloc (&entry->data, size_bytes) != cudaSuccess)
        {
          cudaGetLastError ();
          free (entry);
          entry = nullptr;
        }
      if (entry != nullptr)
        {
          entry->uid = tensor->uid;
          entry->dtype = dtype;
          entry->n_elements = n;
          entry->next = *bucket;
          *bucket = entry;
        }
    }
  packed.data = entry ? entry->data : seg_cuda_scratch (device, SCRATCH_C, size_bytes);
  if (packed.data == nullptr)
    return nullptr;
  pack_weight (device, seg_view (tensor), packed, narrow_c, wide_c, false);
  if (entry != nullptr)
    entry->version = tensor->version;
  return packed.data;
}

static SegCudaConvPlan *
get_plan (SegBackendDevice *device, const SegCudaConvShape *shape)
{
  Libraries *self = device->libraries;
  PlanEntry **bucket = &self->plans[hash_bytes (shape, sizeof *shape)];
  PlanEntry *entry = *bucket;

  while (entry != nullptr && memcmp (&entry->shape, shape, sizeof *shape) != 0)
    entry = entry->next;
  if (entry == nullptr)
    {
      entry = (PlanEntry *) calloc (1, sizeof *entry);
      if (entry == nullptr)
        return nullptr;
      entry->shape = *shape;
      seg_cuda_conv_plan_create (&entry->plan, shape, self->dnn, nullptr, WORKSPACE_LIMIT);
      entry->next = *bucket;
      *bucket = entry;
    }
  return entry->plan.plan != nullptr ? &entry->plan : nullptr;
}

static bool
get_shape (const SegConvParams *params, const Maps &maps, int kind, SegCudaConvShape *shape)
{
  const int dtype = maps.wide->dtype;
  const int64_t unit = dtype == SEG_DTYPE_F32 ? 4 : 8;
  const int missing = params->n_spatial == 1 ? 1 : 0;

  memset (shape, 0, sizeof *shape);
  if (params->groups != 1 || maps.narrow->dtype != dtype || dtype > SEG_DTYPE_F16)
    return false;
  shape->kind = kind;
  shape->dtype = dtype;
  shape->n_spatial = params->n_spatial + missing;
  shape->n = maps.wide->shape[0];
  shape->wide_c = round_up (maps.wide->shape[1], unit);
  shape->narrow_c = round_up (maps.narrow->shape[1], unit);
  for (int a = 0; a < shape->n_spatial; a++)
    {
      const int from = a - missing;

      shape->wide[a] = from < 0 ? 1 : maps.wide->shape[2 + from];
      shape->narrow[a] = from < 0 ? 1 : maps.narrow->shape[2 + from];
      shape->kernel[a] = from < 0 ? 1 : maps.weight->shape[2 + from];
      shape->stride[a] = from < 0 ? 1 : params->stride[from];
      shape->pad[a] = from < 0 ? 0 : params->pad[from];
      shape->dilation[a] = from < 0 ? 1 : params->dilation[from];
      /* A transposed convolution's extra rows are outside what cuDNN takes for its narrow side. */
      if ((shape->wide[a] + 2 * shape->pad[a] - shape->dilation[a] * (shape->kernel[a] - 1) - 1)
                  / shape->stride[a]
              + 1
          != shape->narrow[a])
        return false;
    }
  return true;
}

/* The map's memory for cuDNN: its own, or @slot's with the channels padded. */
static View
get_map_memory (SegBackendDevice *device, const SegBackendTensor *map, int64_t channels, int slot,
                bool is_output)
{
  View memory = seg_view (map);

  if (is_ready (map, channels))
    return memory;
  memory.n = memory.n / (map->shape[1] > 0 ? map->shape[1] : 1) * channels;
  memory.data = seg_cuda_scratch (device, slot, (size_t) memory.n * element_size (memory.dtype));
  if (memory.data != nullptr && !is_output)
    pack_map (device, seg_view (map), memory, channels, false);
  return memory;
}

bool
seg_cuda_library_conv (SegBackendDevice *device, const SegBackendCall *call, int kind,
                       SegStatus *status)
{
  const SegConvParams *params = (const SegConvParams *) call->params;
  const Maps maps = get_maps (call, params->transposed != 0);
  SegCudaConvShape shape;
  SegCudaConvPlan *plan;
  View wide, narrow, weight = {};
  void *workspace;
  int64_t taps = 1;

  if (!get_shape (params, maps, kind, &shape))
    return false;
  plan = get_plan (device, &shape);
  if (plan == nullptr)
    return false;
  for (int a = 0; a < shape.n_spatial; a++)
    taps *= shape.kernel[a];
  *status = SEG_STATUS_MEMORY;
  wide = get_map_memory (device, maps.wide, shape.wide_c, SCRATCH_A, kind == SEG_LIBRARY_TO_WIDE);
  narrow = get_map_memory (device, maps.narrow, shape.narrow_c, SCRATCH_B,
                           kind == SEG_LIBRARY_TO_NARROW);
  weight.dtype = shape.dtype;
  weight.data = kind == SEG_LIBRARY_TO_WEIGHT
                    ? seg_cuda_scratch (device, SCRATCH_C,
                                        (size_t) (shape.narrow_c * taps * shape.wide_c)
                                            * element_size (shape.dtype))
                    : get_weight (device, maps.weight, shape.dtype, shape.narrow_c, shape.wide_c,
                                  taps);
  workspace = plan->workspace_bytes > 0 ? seg_cuda_scratch (device, SCRATCH_WORKSPACE,
                                                            (size_t) plan->workspace_bytes)
                                        : nullptr;
  if (wide.data == nullptr || narrow.data == nullptr || weight.data == nullptr
      || (plan->workspace_bytes > 0 && workspace == nullptr))
    return true;
  if (seg_cuda_conv_plan_run (plan, device->libraries->dnn, wide.data, weight.data, narrow.data,
                              workspace)
      != CUDNN_STATUS_SUCCESS)
    {
      cudnnGetLastErrorString (device->message, sizeof device->message);
      *status = SEG_STATUS_FAILED;
      return true;
    }
  if (kind == SEG_LIBRARY_TO_WIDE && wide.data != maps.wide->data)
    pack_map (device, seg_view (maps.wide), wide, shape.wide_c, true);
  if (kind == SEG_LIBRARY_TO_NARROW && narrow.data != maps.narrow->data)
    pack_map (device, seg_view (maps.narrow), narrow, shape.narrow_c, true);
  if (kind == SEG_LIBRARY_TO_WEIGHT)
    pack_weight (device, seg_view (maps.weight), weight, shape.narrow_c, shape.wide_c, true);
  *status = SEG_STATUS_OK;
  return true;
}

/* --- products -------------------------------------------------------------------------------- */

static cudaDataType_t
blas_type (int dtype)
{
  return dtype == SEG_DTYPE_BF16 ? CUDA_R_16BF : dtype == SEG_DTYPE_F16 ? CUDA_R_16F : CUDA_R_32F;
}

/* One operand as cuBLASLt sees it: a matrix whose one axis has step 1. */
struct Operand
{
  const void *data;
  int64_t ld, batch0, batch1;
  bool turned; /* the first axis is the one with step 1 */
};

/* Rows × columns with the given steps; copied to @slot as @dtype where that is not what it is. */
static bool
get_operand (SegBackendDevice *device, const View &view, int dtype, int64_t rows, int64_t columns,
             int64_t row_step, int64_t column_step, const int64_t batch[2],
             const int64_t batch_step[2], int slot, Operand *operand)
{
  View packed = {};

  operand->batch0 = batch_step[0];
  operand->batch1 = batch_step[1];
  operand->data = view.data;
  operand->turned = column_step != 1 && row_step == 1;
  operand->ld = operand->turned ? column_step : row_step;
  if (view.dtype == dtype && (column_step == 1 || row_step == 1)
      && operand->ld >= (operand->turned ? rows : columns)
      && (uintptr_t) view.data % element_size (dtype) == 0)
    return true;
  if (view.dtype > SEG_DTYPE_F16)
    return false;
  {
    const int64_t inner = batch[1], n = batch[0] * batch[1] * rows * columns;
    const int64_t step0 = batch_step[0], step1 = batch_step[1];

    packed.dtype = dtype;
    packed.data = seg_cuda_scratch (device, slot, (size_t) n * element_size (dtype));
    if (packed.data == nullptr)
      return false;
    seg_launch (device, n, [=] SEG_DEVICE (int64_t t) {
      const int64_t j = t % columns, i = t / columns % rows, b = t / columns / rows;

      seg_store (packed, t,
                 seg_load (view, b / inner * step0 + b % inner * step1 + i * row_step
                                     + j * column_step));
    });
    operand->data = packed.data;
    operand->ld = columns;
    operand->turned = false;
    operand->batch0 = inner * rows * columns;
    operand->batch1 = rows * columns;
  }
  return true;
}

static bool
make_layout (cublasLtMatrixLayout_t *layout, int type, int64_t rows, int64_t columns, int64_t ld,
             int64_t batch, int64_t stride)
{
  const int32_t count = (int32_t) batch;

  return cublasLtMatrixLayoutCreate (layout, blas_type (type), (uint64_t) rows, (uint64_t) columns,
                                     ld)
             == CUBLAS_STATUS_SUCCESS
         && cublasLtMatrixLayoutSetAttribute (*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                              sizeof count)
                == CUBLAS_STATUS_SUCCESS
         && cublasLtMatrixLayoutSetAttribute (*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                              &stride, sizeof stride)
                == CUBLAS_STATUS_SUCCESS;
}

static AlgorithmEntry *
get_algorithm (SegBackendDevice *device, const ProductShape *shape, cublasLtMatmulDesc_t operation,
               cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c)
{
  Libraries *self = device->libraries;
  AlgorithmEntry **bucket = &self->algorithms[hash_bytes (shape, sizeof *shape)];
  AlgorithmEntry *entry = *bucket;
  cublasLtMatmulPreference_t preference;
  cublasLtMatmulHeuristicResult_t result;
  const size_t limit = (size_t) 64 << 20;
  int n = 0;

  while (entry != nullptr && memcmp (&entry->shape, shape, sizeof *shape) != 0)
    entry = entry->next;
  if (entry != nullptr)
    return entry->found ? entry : nullptr;
  entry = (AlgorithmEntry *) calloc (1, sizeof *entry);
  if (entry == nullptr)
    return nullptr;
  entry->shape = *shape;
  entry->next = *bucket;
  *bucket = entry;
  if (cublasLtMatmulPreferenceCreate (&preference) != CUBLAS_STATUS_SUCCESS)
    return nullptr;
  cublasLtMatmulPreferenceSetAttribute (preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &limit,
                                        sizeof limit);
  if (cublasLtMatmulAlgoGetHeuristic (self->blas, operation, a, b, c, c, preference, 1, &result, &n)
          == CUBLAS_STATUS_SUCCESS
      && n > 0)
    {
      entry->algorithm = result.algo;
      entry->workspace_bytes = result.workspaceSize;
      entry->found = true;
    }
  cublasLtMatmulPreferenceDestroy (preference);
  return entry->found ? entry : nullptr;
}

/* cuBLASLt counts by columns: it is given outᵀ (n × m) = bᵀ · aᵀ. */
static bool
run_product (SegBackendDevice *device, const ProductShape *shape, const Product &p, const Operand &a,
             const Operand &b, void *out)
{
  const cublasOperation_t turn_first = shape->turn_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t turn_second = shape->turn_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasComputeType_t compute
      = shape->type_in == SEG_DTYPE_F32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, third = nullptr;
  AlgorithmEntry *algorithm = nullptr;
  void *workspace = nullptr;
  bool good;

  good = cublasLtMatmulDescCreate (&operation, compute, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS;
  if (good)
    {
      cublasLtMatmulDescSetAttribute (operation, CUBLASLT_MATMUL_DESC_TRANSA, &turn_first,
                                      sizeof turn_first);
      cublasLtMatmulDescSetAttribute (operation, CUBLASLT_MATMUL_DESC_TRANSB, &turn_second,
                                      sizeof turn_second);
      good = make_layout (&first, shape->type_in, shape->turn_a ? p.k : p.n,
                          shape->turn_a ? p.n : p.k, shape->lda, shape->batch, shape->stride_a)
             && make_layout (&second, shape->type_in, shape->turn_b ? p.m : p.k,
                             shape->turn_b ? p.k : p.m, shape->ldb, shape->batch, shape->stride_b)
             && make_layout (&third, shape->type_out, p.n, p.m, shape->ldc, shape->batch,
                             shape->stride_c);
    }
  if (good)
    algorithm = get_algorithm (device, shape, operation, first, second, third);
  good = algorithm != nullptr;
  if (good && algorithm->workspace_bytes > 0)
    good = (workspace
            = seg_cuda_scratch (device, SCRATCH_WORKSPACE, algorithm->workspace_bytes))
           != nullptr;
  for (int64_t i = 0; good && i < p.batch[0]; i++)
    {
      const size_t in_size = element_size (shape->type_in), out_size = element_size (shape->type_out);
      void *to = (char *) out + i * p.out_batch[0] * (int64_t) out_size;

      good = cublasLtMatmul (device->libraries->blas, operation, &p.alpha,
                             (const char *) b.data + i * b.batch0 * (int64_t) in_size, first,
                             (const char *) a.data + i * a.batch0 * (int64_t) in_size, second,
                             &p.beta, to, third, to, third, &algorithm->algorithm, workspace,
                             algorithm->workspace_bytes, device->stream)
             == CUBLAS_STATUS_SUCCESS;
    }
  if (algorithm != nullptr && !good)
    {
      device->launch_failed = true; /* something may have been written: nobody stands in */
      good = true;
    }
  if (first != nullptr)
    cublasLtMatrixLayoutDestroy (first);
  if (second != nullptr)
    cublasLtMatrixLayoutDestroy (second);
  if (third != nullptr)
    cublasLtMatrixLayoutDestroy (third);
  if (operation != nullptr)
    cublasLtMatmulDescDestroy (operation);
  return good;
}

/* The same product with its output turned: outᵀ = bᵀ · aᵀ. */
static Product
turn_product (const Product &p)
{
  Product q = p;

  q.a = p.b;
  q.b = p.a;
  q.m = p.n;
  q.n = p.m;
  for (int i = 0; i < 2; i++)
    {
      q.a_batch[i] = p.b_batch[i];
      q.b_batch[i] = p.a_batch[i];
    }
  q.a_i = p.b_j;
  q.a_k = p.b_k;
  q.b_k = p.a_k;
  q.b_j = p.a_i;
  q.out_i = p.out_j;
  q.out_j = p.out_i;
  return q;
}

bool
seg_cuda_library_product (SegBackendDevice *device, const Product &product)
{
  const Product p = product.out_j == 1 ? product : turn_product (product);
  const int type = p.a.dtype != SEG_DTYPE_F32 ? p.a.dtype : p.b.dtype;
  ProductShape shape;
  Operand a, b;

  if (p.k == 0 || type > SEG_DTYPE_F16 || (p.out.dtype != type && p.out.dtype != SEG_DTYPE_F32)
      || p.out_j != 1 || p.out_i < p.n)
    return false;
  /* SCRATCH_A may hold the output or the scores of attention. */
  if (!get_operand (device, p.a, type, p.m, p.k, p.a_i, p.a_k, p.batch, p.a_batch, SCRATCH_B, &a)
      || !get_operand (device, p.b, type, p.k, p.n, p.b_k, p.b_j, p.batch, p.b_batch, SCRATCH_C, &b))
    return false;
  memset (&shape, 0, sizeof shape);
  shape.m = p.m;
  shape.n = p.n;
  shape.k = p.k;
  shape.lda = b.ld;
  shape.ldb = a.ld;
  shape.ldc = p.out_i;
  shape.batch = p.batch[1];
  shape.stride_a = b.batch1;
  shape.stride_b = a.batch1;
  shape.stride_c = p.out_batch[1];
  shape.type_in = type;
  shape.type_out = p.out.dtype;
  shape.turn_a = b.turned;
  shape.turn_b = a.turned;
  return run_product (device, &shape, p, a, b, p.out.data);
}

/* --- the peak -------------------------------------------------------------------------------- */

double
seg_cuda_peak_gflops (SegBackendDevice *device, SegDtype dtype)
{
  const int64_t n = 8192;
  const size_t size_bytes = (size_t) (n * n) * element_size (dtype);
  void *memory = nullptr;
  cudaEvent_t start, stop;
  float best_ms = 0;
  Product p = {};

  if (dtype > SEG_DTYPE_F16 || cudaMalloc (&memory, 3 * size_bytes) != cudaSuccess)
    {
      cudaGetLastError ();
      return 0;
    }
  cudaMemsetAsync (memory, 0x3c, 3 * size_bytes, device->stream); /* small, ordinary numbers */
  p.a.data = memory;
  p.b.data = (char *) memory + size_bytes;
  p.out.data = (char *) memory + 2 * size_bytes;
  p.a.dtype = p.b.dtype = p.out.dtype = dtype;
  p.m = p.n = p.k = p.a_i = p.b_k = p.out_i = n;
  p.a_k = p.b_j = p.out_j = p.batch[0] = p.batch[1] = 1;
  p.alpha = 1;
  cudaEventCreate (&start);
  cudaEventCreate (&stop);
  for (int i = 0; i < 8; i++)
    {
      float ms = 0;

      cudaEventRecord (start, device->stream);
      if (!seg_cuda_library_product (device, p))
        break;
      cudaEventRecord (stop, device->stream);
      cudaEventSynchronize (stop);
      cudaEventElapsedTime (&ms, start, stop);
      if (i > 0 && ms > 0 && (best_ms == 0 || ms < best_ms))
        best_ms = ms;
    }
  cudaEventDestroy (start);
  cudaEventDestroy (stop);
  cudaFree (memory);
  return best_ms > 0 ? 2.0 * (double) n * (double) n * (double) n / best_ms * 1e-6 : 0;
}
