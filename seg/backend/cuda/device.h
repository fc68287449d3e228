/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this backend share. They are C++ for nvcc's sake only.
 *
 * Every kernel of ours is a function of one index, run by seg_launch(): no shared memory, no
 * atomics, so sums have one order (I7). With SEG_CUDA_FAKE the same files are compiled by an
 * ordinary compiler, seg_launch() is a loop, memory is the host's and the libraries are left out:
 * what is then tested against the reference is what runs on the GPU, but for cuDNN and cuBLASLt. */

#include "seg/backend.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#ifdef SEG_CUDA_FAKE
#define SEG_DEVICE
#define SEG_HOST_DEVICE
typedef void *cudaStream_t;
#else
#include <cublasLt.h>
#include <cuda_runtime.h>
#include <cudnn.h>
#define SEG_DEVICE __device__
#define SEG_HOST_DEVICE __host__ __device__
#endif

/* A tensor inside a kernel; sizes and strides in elements. */
struct View
{
  void *data;
  int dtype;
  int rank;
  int64_t shape[SEG_MAX_RANK];
  int64_t stride[SEG_MAX_RANK];
  int64_t n;
};

enum
{
  SCRATCH_SUMS,      /* partial sums of reductions */
  SCRATCH_A,         /* padded or packed operands */
  SCRATCH_B,
  SCRATCH_C,
  SCRATCH_WORKSPACE, /* of the libraries */
  SEG_N_SCRATCH
};

struct Libraries; /* handles and plans of cuDNN and cuBLASLt */

struct _SegBackendDevice
{
  int index;
  cudaStream_t stream;
  Libraries *libraries;
  void *scratch[SEG_N_SCRATCH]; /* grow, never shrink but by trim */
  size_t scratch_bytes[SEG_N_SCRATCH];
  void *staging[2]; /* pinned */
#ifndef SEG_CUDA_FAKE
  cudaEvent_t staged[2]; /* the copy through it is over */
#endif
  bool staging_busy[2];
  int next_slot;
  bool launch_failed;
  char message[256];
};

/* Memory until the next call for the same slot; NULL when there is none. */
void *seg_cuda_scratch (SegBackendDevice *device, int slot, size_t size_bytes);

/* --- one element ---------------------------------------------------------------------------- */

SEG_HOST_DEVICE inline float
seg_bits_to_float (uint32_t bits)
{
#ifdef __CUDA_ARCH__
  return __uint_as_float (bits);
#else
  float value;
  memcpy (&value, &bits, sizeof value);
  return value;
#endif
}

SEG_HOST_DEVICE inline uint32_t
seg_float_to_bits (float value)
{
#ifdef __CUDA_ARCH__
  return __float_as_uint (value);
#else
  uint32_t bits;
  memcpy (&bits, &value, sizeof bits);
  return bits;
#endif
}

SEG_HOST_DEVICE inline float
seg_half_to_float (uint16_t half)
{
  const uint32_t sign = (uint32_t) (half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 31, mantissa = half & 1023;

  if (exponent == 0)
    {
      const float value = (float) mantissa * 5.9604644775390625e-8f; /* 2^-24 */

      return sign ? -value : value;
    }
  if (exponent == 31)
    return seg_bits_to_float (sign | 0x7f800000u | mantissa << 13);
  return seg_bits_to_float (sign | (exponent + 112) << 23 | mantissa << 13);
}

SEG_HOST_DEVICE inline uint16_t
seg_float_to_half (float value)
{
  uint32_t bits = seg_float_to_bits (value);
  const uint16_t sign = (uint16_t) (bits >> 16 & 0x8000);

  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u)
    return (uint16_t) (sign | 0x7e00);
  if (bits >= 0x477ff000u)
    return (uint16_t) (sign | 0x7c00);
  if (bits >= 113u << 23)
    {
      bits -= 112u << 23;
      return (uint16_t) (sign | (bits + 0xfff + (bits >> 13 & 1)) >> 13);
    }
  if (bits < 102u << 23)
    return sign;
  {
    const int shift = 126 - (int) (bits >> 23);
    const uint32_t mantissa = (bits & 0x7fffff) | 0x800000;
    const uint32_t half = 1u << (shift - 1);

    return (uint16_t) (sign | (mantissa + half - 1 + (mantissa >> shift & 1)) >> shift);
  }
}

SEG_HOST_DEVICE inline uint16_t
seg_float_to_bf16 (float value)
{
  const uint32_t bits = seg_float_to_bits (value);

  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return 0x7fc0;
  return (uint16_t) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

SEG_HOST_DEVICE inline float
seg_load (const View &view, int64_t offset)
{
  switch (view.dtype)
    {
    case SEG_DTYPE_F32:
      return ((const float *) view.data)[offset];
    case SEG_DTYPE_BF16:
      return seg_bits_to_float ((uint32_t) ((const uint16_t *) view.data)[offset] << 16);
    case SEG_DTYPE_F16:
      return seg_half_to_float (((const uint16_t *) view.data)[offset]);
    case SEG_DTYPE_U8:
      return ((const uint8_t *) view.data)[offset];
    case SEG_DTYPE_I32:
      return (float) ((const int32_t *) view.data)[offset];
    default:
      return (float) ((const int64_t *) view.data)[offset];
    }
}

SEG_HOST_DEVICE inline int64_t
seg_load_index (const View &view, int64_t offset)
{
  switch (view.dtype)
    {
    case SEG_DTYPE_U8:
      return ((const uint8_t *) view.data)[offset];
    case SEG_DTYPE_I32:
      return ((const int32_t *) view.data)[offset];
    case SEG_DTYPE_I64:
      return ((const int64_t *) view.data)[offset];
    default:
      return (int64_t) seg_load (view, offset);
    }
}

SEG_HOST_DEVICE inline void
seg_store_index (const View &view, int64_t offset, int64_t value)
{
  if (view.dtype == SEG_DTYPE_U8)
    ((uint8_t *) view.data)[offset] = (uint8_t) (value < 0 ? 0 : value > 255 ? 255 : value);
  else if (view.dtype == SEG_DTYPE_I32)
    ((int32_t *) view.data)[offset]
        = (int32_t) (value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : value);
  else
    ((int64_t *) view.data)[offset] = value;
}

SEG_HOST_DEVICE inline void
seg_store (const View &view, int64_t offset, float value)
{
  switch (view.dtype)
    {
    case SEG_DTYPE_F32:
      ((float *) view.data)[offset] = value;
      break;
    case SEG_DTYPE_BF16:
      ((uint16_t *) view.data)[offset] = seg_float_to_bf16 (value);
      break;
    case SEG_DTYPE_F16:
      ((uint16_t *) view.data)[offset] = seg_float_to_half (value);
      break;
    default:
      seg_store_index (view, offset,
                       value >= 9.2e18f    ? (int64_t) 9200000000000000000
                       : value <= -9.2e18f ? -(int64_t) 9200000000000000000
                                           : (int64_t) value);
    }
}

/* Memory offset of the i-th element in the logical order. */
SEG_HOST_DEVICE inline int64_t
seg_offset (const View &view, int64_t i)
{
  int64_t offset = 0;

  for (int a = view.rank - 1; a >= 0; a--)
    {
      offset += i % view.shape[a] * view.stride[a];
      i /= view.shape[a];
    }
  return offset;
}

/* --- whole tensors -------------------------------------------------------------------------- */

static inline View
seg_view (const SegBackendTensor *tensor)
{
  View view = {};

  view.n = 1;
  if (tensor == nullptr)
    return view;
  view.data = tensor->data;
  view.dtype = tensor->dtype;
  view.rank = tensor->rank;
  for (int a = 0; a < tensor->rank; a++)
    {
      view.shape[a] = tensor->shape[a];
      view.stride[a] = tensor->stride[a];
      view.n *= tensor->shape[a];
    }
  return view;
}

/* The elements fill their memory without holes, in some order of axes. */
static inline bool
seg_is_dense (const View &view)
{
  int64_t expected = 1;
  bool used[SEG_MAX_RANK] = {};

  for (int left = view.rank; left > 0; left--)
    {
      bool found = false;

      for (int a = 0; a < view.rank && !found; a++)
        if (!used[a] && (view.shape[a] == 1 || view.stride[a] == expected))
          {
            expected *= view.shape[a];
            used[a] = found = true;
          }
      if (!found)
        return false;
    }
  return true;
}

/* Element i of the one's memory is the same element of the other. */
static inline bool
seg_is_alike (const View &a, const View &b)
{
  if (a.rank != b.rank || !seg_is_dense (a) || !seg_is_dense (b))
    return false;
  for (int d = 0; d < a.rank; d++)
    if (a.shape[d] != b.shape[d] || (a.shape[d] != 1 && a.stride[d] != b.stride[d]))
      return false;
  return true;
}

/* --- launching ------------------------------------------------------------------------------ */

#ifdef SEG_CUDA_FAKE
template <class Function>
static inline void
seg_launch (SegBackendDevice *device, int64_t n, Function function)
{
  for (int64_t i = 0; i < n; i++)
    function (i);
}
#else
template <class Function>
__global__ void
seg_kernel (int64_t n, Function function)
{
  const int64_t step = (int64_t) gridDim.x * blockDim.x;

  for (int64_t i = (int64_t) blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
    function (i);
}

template <class Function>
static inline void
seg_launch (SegBackendDevice *device, int64_t n, Function function)
{
  const int64_t blocks = (n + 255) / 256;

  if (n <= 0)
    return;
  seg_kernel<<<(unsigned) (blocks < 65536 ? blocks : 65536), 256, 0, device->stream>>> (n,
                                                                                        function);
  if (cudaPeekAtLastError () != cudaSuccess)
    device->launch_failed = true;
}
#endif

/* Sums are taken in chunks of about 512, then over the chunks: shorter chains, less rounding. */
static inline int64_t
seg_chunks (int64_t n)
{
  const int64_t chunks = (n + 511) / 512;

  return chunks < 1 ? 1 : chunks > 2048 ? 2048 : chunks;
}

SEG_HOST_DEVICE inline float
seg_act (int act, float x, float a, float b)
{
  switch (act)
    {
    case SEG_ACT_NONE:
      return x;
    case SEG_ACT_RELU:
      return x > 0 ? x : 0 * x;
    case SEG_ACT_LEAKY_RELU:
      return x > 0 ? x : a * x;
    case SEG_ACT_GELU:
      return 0.5f * x * (1 + erff (x * 0.70710678118654752f));
    case SEG_ACT_GELU_TANH:
      return 0.5f * x * (1 + tanhf (0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case SEG_ACT_SILU:
      return x / (1 + expf (-x));
    case SEG_ACT_SIGMOID:
      return 1 / (1 + expf (-x));
    case SEG_ACT_TANH:
      return tanhf (x);
    case SEG_ACT_EXP:
      return expf (x);
    case SEG_ACT_LOG:
      return logf (x + a);
    case SEG_ACT_SQRT:
      return sqrtf (x + a);
    case SEG_ACT_SQUARE:
      return x * x;
    case SEG_ACT_ABS:
      return fabsf (x);
    case SEG_ACT_RECIPROCAL:
      return 1 / (x + a);
    case SEG_ACT_AFFINE:
      return a * x + b;
    case SEG_ACT_CLAMP:
      return x < a ? a : x > b ? b : x;
    case SEG_ACT_SOFTPLUS:
      return fmaxf (x, 0) + log1pf (expf (-fabsf (x)));
    case SEG_ACT_SIN:
      return sinf (x);
    case SEG_ACT_COS:
      return cosf (x);
    default:
      return powf (x, a);
    }
}

SEG_HOST_DEVICE inline float
seg_act_derivative (int act, float x, float a, float b)
{
  float s, t;

  switch (act)
    {
    case SEG_ACT_NONE:
      return 1;
    case SEG_ACT_RELU:
      return x > 0 ? 1.0f : 0.0f;
    case SEG_ACT_LEAKY_RELU:
      return x > 0 ? 1 : a;
    case SEG_ACT_GELU:
      return 0.5f * (1 + erff (x * 0.70710678118654752f))
             + x * expf (-0.5f * x * x) * 0.39894228040143268f;
    case SEG_ACT_GELU_TANH:
      t = tanhf (0.79788456080286536f * (x + 0.044715f * x * x * x));
      return 0.5f * (1 + t)
             + 0.5f * x * (1 - t * t) * 0.79788456080286536f * (1 + 0.134145f * x * x);
    case SEG_ACT_SILU:
      s = 1 / (1 + expf (-x));
      return s * (1 + x * (1 - s));
    case SEG_ACT_SIGMOID:
      s = 1 / (1 + expf (-x));
      return s * (1 - s);
    case SEG_ACT_TANH:
      t = tanhf (x);
      return 1 - t * t;
    case SEG_ACT_EXP:
      return expf (x);
    case SEG_ACT_LOG:
      return 1 / (x + a);
    case SEG_ACT_SQRT:
      return 0.5f / sqrtf (x + a);
    case SEG_ACT_SQUARE:
      return 2 * x;
    case SEG_ACT_ABS:
      return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
    case SEG_ACT_RECIPROCAL:
      return -1 / ((x + a) * (x + a));
    case SEG_ACT_AFFINE:
      return a;
    case SEG_ACT_CLAMP:
      return x >= a && x <= b ? 1.0f : 0.0f;
    case SEG_ACT_SOFTPLUS:
      return 1 / (1 + expf (-x));
    case SEG_ACT_SIN:
      return cosf (x);
    case SEG_ACT_COS:
      return -sinf (x);
    default:
      return a == 0 ? 0 : a * powf (x, a - 1);
    }
}

/* Philox-4x32-10, as in seg/backend.h. */
SEG_HOST_DEVICE inline uint32_t
seg_random_word (uint64_t seed, uint64_t counter, int word)
{
  uint32_t c0 = (uint32_t) counter, c1 = (uint32_t) (counter >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = (uint32_t) seed, k1 = (uint32_t) (seed >> 32);

  for (int round = 0; round < 10; round++)
    {
      const uint64_t p0 = (uint64_t) 0xD2511F53u * c0, p1 = (uint64_t) 0xCD9E8D57u * c2;

      c0 = (uint32_t) (p1 >> 32) ^ c1 ^ k0;
      c1 = (uint32_t) p1;
      c2 = (uint32_t) (p0 >> 32) ^ c3 ^ k1;
      c3 = (uint32_t) p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
  return word == 0 ? c0 : word == 1 ? c1 : word == 2 ? c2 : c3;
}

SEG_HOST_DEVICE inline float
seg_uniform (uint64_t seed, uint64_t offset, int64_t i)
{
  return (float) (seg_random_word (seed, offset + (uint64_t) i / 4, (int) (i % 4)) >> 8)
         * 5.9604644775390625e-8f;
}

/* --- the parts ------------------------------------------------------------------------------ */

/* out[b][i][j] = alpha · Σ_k a[b][i][k]·b[b][k][j] + beta · out; offsets in elements. Two batch axes. */
struct Product
{
  View a, b, out; /* data and dtype are looked at */
  int64_t m, n, k;
  int64_t batch[2];
  int64_t a_batch[2], b_batch[2], out_batch[2];
  int64_t a_i, a_k, b_k, b_j, out_i, out_j;
  float alpha, beta;
};

SegStatus seg_cuda_product (SegBackendDevice *device, const Product &product);

SegStatus seg_cuda_basic (SegBackendDevice *device, const SegBackendCall *call);
SegStatus seg_cuda_conv (SegBackendDevice *device, const SegBackendCall *call);
SegStatus seg_cuda_norm (SegBackendDevice *device, const SegBackendCall *call);
SegStatus seg_cuda_spatial (SegBackendDevice *device, const SegBackendCall *call);
SegStatus seg_cuda_matmul (SegBackendDevice *device, const SegBackendCall *call);
SegStatus seg_cuda_attention (SegBackendDevice *device, const SegBackendCall *call);
SegStatus seg_cuda_softmax (SegBackendDevice *device, const SegBackendCall *call);
SegStatus seg_cuda_loss (SegBackendDevice *device, const SegBackendCall *call);
SegStatus seg_cuda_optimise (SegBackendDevice *device, const SegBackendCall *call);

bool seg_cuda_libraries_open (SegBackendDevice *device);
void seg_cuda_libraries_close (SegBackendDevice *device);
void seg_cuda_forget (SegBackendDevice *device, uint64_t uid);
double seg_cuda_peak_gflops (SegBackendDevice *device, SegDtype dtype);
