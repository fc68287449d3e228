/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For kernel-*.c, which are compiled once for each instruction set: names end in CPU_ISA. Kernels
 * compute on blocks of floats; blocks of another dtype are converted on the way in and out, within
 * the first-level cache. Loops are written so that the compiler makes vectors of them. */

#include "seg/backend/cpu/cpu-private.h"

#include <math.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#define CPU_PASTE2(a, b) a##_##b
#define CPU_PASTE(a, b) CPU_PASTE2 (a, b)
#define CPU_NAME(name) CPU_PASTE (name, CPU_ISA)

#define BLOCK 1024 /* floats on the way through the cache */
#define STREAM_FROM (12 << 20) /* floats: more than the last-level cache of most */
#define GRAIN 8192 /* elements that are worth another thread, waking it included */

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

static inline float
float_of_bf16 (uint16_t half)
{
  const uint32_t bits = (uint32_t) half << 16;
  float value;

  memcpy (&value, &bits, 4);
  return value;
}

/* To nearest, ties to even; a NaN keeps its upper bits and stays one. */
static inline uint16_t
bf16_of_float (float value)
{
  uint32_t bits, rounded;

  memcpy (&bits, &value, 4);
  rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return (uint16_t) (value != value ? (bits >> 16 | 0x40) : rounded);
}

/* Subnormal halves are scaled like the others; infinities and NaNs keep the rest of their bits. */
static inline float
float_of_f16 (uint16_t half)
{
  const uint32_t rest = half & 0x7fffu;
  uint32_t bits = rest << 13;
  float value;

  memcpy (&value, &bits, 4);
  value *= 0x1p112f;
  memcpy (&bits, &value, 4);
  bits = (rest >= 0x7c00 ? 0x7f800000u | rest << 13 : bits) | (uint32_t) (half & 0x8000u) << 16;
  memcpy (&value, &bits, 4);
  return value;
}

/* To nearest, ties to even. */
static inline uint16_t
f16_of_float (float value)
{
  uint32_t bits, sign;

  memcpy (&bits, &value, 4);
  sign = bits >> 16 & 0x8000u;
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u)
    return (uint16_t) (sign | 0x7e00);
  if (bits >= 0x477ff000u)
    return (uint16_t) (sign | 0x7c00);
  if (bits < 0x38800000u)
    {
      /* the last bit of ½ is that of a subnormal half */
      float size;

      memcpy (&size, &bits, 4);
      size += 0.5f;
      memcpy (&bits, &size, 4);
      return (uint16_t) (sign | (bits - 0x3f000000u));
    }
  bits += 0xfffu + (bits >> 13 & 1);
  return (uint16_t) (sign | ((bits >> 13) - (112u << 10)));
}

static inline void
floats_of_f16 (const uint16_t *half, float *value, int n)
{
  int i = 0;

#if defined __AVX512F__
  for (; i + 16 <= n; i += 16)
    _mm512_storeu_ps (value + i, _mm512_cvtph_ps (_mm256_loadu_si256 ((const void *) (half + i))));
#elif defined __AVX2__
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps (value + i, _mm256_cvtph_ps (_mm_loadu_si128 ((const void *) (half + i))));
#endif
  for (; i < n; i++)
    value[i] = float_of_f16 (half[i]);
}

static inline void
f16_of_floats (const float *value, uint16_t *half, int n)
{
  int i = 0;

#if defined __AVX512F__
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256 ((void *) (half + i),
                         _mm512_cvtps_ph (_mm512_loadu_ps (value + i),
                                          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined __AVX2__
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128 ((void *) (half + i),
                      _mm256_cvtps_ph (_mm256_loadu_ps (value + i),
                                       _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#endif
  for (; i < n; i++)
    half[i] = f16_of_float (value[i]);
}

/* Compilers make no vectors of these by themselves. */
static inline void
floats_of_bf16 (const uint16_t *half, float *value, int n)
{
  int i = 0;

#if defined __AVX512BW__
  for (; i + 16 <= n; i += 16)
    {
      const __m256i h = _mm256_loadu_si256 ((const void *) (half + i));

      _mm512_storeu_si512 (value + i, _mm512_slli_epi32 (_mm512_cvtepu16_epi32 (h), 16));
    }
#elif defined __AVX2__
  for (; i + 8 <= n; i += 8)
    {
      const __m128i h = _mm_loadu_si128 ((const void *) (half + i));

      _mm256_storeu_si256 ((void *) (value + i), _mm256_slli_epi32 (_mm256_cvtepu16_epi32 (h), 16));
    }
#endif
  for (; i < n; i++)
    value[i] = float_of_bf16 (half[i]);
}

static inline void
bf16_of_floats (const float *value, uint16_t *half, int n)
{
  int i = 0;

#if defined __AVX512BW__
  for (; i + 16 <= n; i += 16)
    {
      const __m512i bits = _mm512_loadu_si512 (value + i);
      const __m512 v = _mm512_castsi512_ps (bits);
      const __mmask16 is_nan = _mm512_cmp_ps_mask (v, v, _CMP_UNORD_Q);
      const __m512i high = _mm512_srli_epi32 (bits, 16);
      const __m512i odd = _mm512_and_si512 (high, _mm512_set1_epi32 (1));
      const __m512i sum =
          _mm512_add_epi32 (_mm512_add_epi32 (bits, odd), _mm512_set1_epi32 (0x7fff));
      const __m512i rounded = _mm512_mask_or_epi32 (_mm512_srli_epi32 (sum, 16), is_nan, high,
                                                    _mm512_set1_epi32 (0x40));

      _mm256_storeu_si256 ((void *) (half + i), _mm512_cvtepi32_epi16 (rounded));
    }
#elif defined __AVX2__
  for (; i + 8 <= n; i += 8)
    {
      const __m256i bits = _mm256_loadu_si256 ((const void *) (value + i));
      const __m256 v = _mm256_castsi256_ps (bits);
      const __m256i is_nan = _mm256_castps_si256 (_mm256_cmp_ps (v, v, _CMP_UNORD_Q));
      const __m256i high = _mm256_srli_epi32 (bits, 16);
      const __m256i odd = _mm256_and_si256 (high, _mm256_set1_epi32 (1));
      const __m256i sum =
          _mm256_add_epi32 (_mm256_add_epi32 (bits, odd), _mm256_set1_epi32 (0x7fff));
      const __m256i rounded = _mm256_blendv_epi8 (
          _mm256_srli_epi32 (sum, 16), _mm256_or_si256 (high, _mm256_set1_epi32 (0x40)), is_nan);
      const __m256i packed = _mm256_permute4x64_epi64 (_mm256_packus_epi32 (rounded, rounded), 8);

      _mm_storeu_si128 ((void *) (half + i), _mm256_castsi256_si128 (packed));
    }
#endif
  for (; i < n; i++)
    half[i] = bf16_of_float (value[i]);
}

/* Elements offset, offset + stride, … of @t as floats: in place if they lie so, else in @block. */
static inline const float *
fetch_strided (const SegBackendTensor *t, int64_t offset, int64_t stride, int n, float *block)
{
  switch (t->dtype)
    {
    case SEG_DTYPE_F32:
      {
        const float *p = (const float *) t->data + offset;

        if (stride == 1)
          return p;
        for (int i = 0; i < n; i++)
          block[i] = p[i * stride];
        return block;
      }
    case SEG_DTYPE_BF16:
      {
        const uint16_t *p = (const uint16_t *) t->data + offset;

        if (stride == 1)
          floats_of_bf16 (p, block, n);
        else
          for (int i = 0; i < n; i++)
            block[i] = float_of_bf16 (p[i * stride]);
        return block;
      }
    case SEG_DTYPE_F16:
      {
        const uint16_t *p = (const uint16_t *) t->data + offset;

        if (stride == 1)
          floats_of_f16 (p, block, n);
        else
          for (int i = 0; i < n; i++)
            block[i] = float_of_f16 (p[i * stride]);
        return block;
      }
    case SEG_DTYPE_U8:
      {
        const uint8_t *p = (const uint8_t *) t->data + offset;

        for (int i = 0; i < n; i++)
          block[i] = p[i * stride];
        return block;
      }
    case SEG_DTYPE_I32:
      {
        const int32_t *p = (const int32_t *) t->data + offset;

        for (int i = 0; i < n; i++)
          block[i] = (float) p[i * stride];
        return block;
      }
    default:
      {
        const int64_t *p = (const int64_t *) t->data + offset;

        for (int i = 0; i < n; i++)
          block[i] = (float) p[i * stride];
        return block;
      }
    }
}

static inline const float *
fetch (const SegBackendTensor *t, int64_t offset, int n, float *block)
{
  return fetch_strided (t, offset, 1, n, block);
}

/* Where to put results: the tensor itself, or @block, to be committed. */
static inline float *
target (const SegBackendTensor *t, int64_t offset, int64_t stride, float *block)
{
  return t->dtype == SEG_DTYPE_F32 && stride == 1 ? (float *) t->data + offset : block;
}

static inline void
commit (const SegBackendTensor *t, int64_t offset, int64_t stride, int n, const float *block)
{
  switch (t->dtype)
    {
    case SEG_DTYPE_F32:
      if (stride != 1 || block != (float *) t->data + offset)
        for (int i = 0; i < n; i++)
          ((float *) t->data)[offset + i * stride] = block[i];
      break;
    case SEG_DTYPE_BF16:
      if (stride == 1)
        bf16_of_floats (block, (uint16_t *) t->data + offset, n);
      else
        for (int i = 0; i < n; i++)
          ((uint16_t *) t->data)[offset + i * stride] = bf16_of_float (block[i]);
      break;
    case SEG_DTYPE_F16:
      if (stride == 1)
        f16_of_floats (block, (uint16_t *) t->data + offset, n);
      else
        for (int i = 0; i < n; i++)
          ((uint16_t *) t->data)[offset + i * stride] = f16_of_float (block[i]);
      break;
    case SEG_DTYPE_U8:
      for (int i = 0; i < n; i++)
        ((uint8_t *) t->data)[offset + i * stride] =
            (uint8_t) (block[i] > 0 ? (block[i] < 255 ? block[i] : 255) : 0);
      break;
    case SEG_DTYPE_I32:
      for (int i = 0; i < n; i++)
        ((int32_t *) t->data)[offset + i * stride] = (int32_t) block[i];
      break;
    default:
      for (int i = 0; i < n; i++)
        ((int64_t *) t->data)[offset + i * stride] = (int64_t) block[i];
    }
}

/* As commit() of whole lines, past the caches: for what is larger than they are, so that a line is
 * not read before it is written. @block is not the tensor itself. Ends in a finish_streaming(). */
static inline void
commit_streaming (const SegBackendTensor *t, int64_t offset, int n, const float *block)
{
#if defined __AVX512F__
  float *to = (float *) t->data + offset;

  if (t->dtype == SEG_DTYPE_F32 && (uintptr_t) to % 64 == 0 && n % 16 == 0)
    {
      for (int i = 0; i < n; i += 16)
        _mm512_stream_ps (to + i, _mm512_loadu_ps (block + i));
      return;
    }
#elif defined __AVX2__
  float *to = (float *) t->data + offset;

  if (t->dtype == SEG_DTYPE_F32 && (uintptr_t) to % 32 == 0 && n % 8 == 0)
    {
      for (int i = 0; i < n; i += 8)
        _mm256_stream_ps (to + i, _mm256_loadu_ps (block + i));
      return;
    }
#endif
  commit (t, offset, 1, n, block);
}

static inline void
finish_streaming (void)
{
#ifdef __AVX2__
  _mm_sfence ();
#endif
}

static inline bool
is_worth_streaming (const SegBackendTensor *t)
{
  return t->dtype == SEG_DTYPE_F32 && seg_cpu_count (t) >= STREAM_FROM;
}

/* e^x: 2^n by exponent bits, the rest by a polynomial; relative error below 2e-7. */
static inline float
fast_exp (float x)
{
  const float clamped = x < -87.3f ? -87.3f : x > 88.7f ? 88.7f : x;
  const float n = __builtin_rintf (clamped * 1.44269504f);
  const float r = clamped - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  uint32_t bits;
  float power;

  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1;
  /* in two steps, for n = 128 is no exponent */
  bits = (uint32_t) (int32_t) n + 126u;
  bits <<= 23;
  memcpy (&power, &bits, 4);
  return x < -87.3f ? 0 : p * power * 2;
}

/* erf by Abramowitz & Stegun 7.1.26, absolute error below 1.5e-7 */
static inline float
fast_erf (float x)
{
  const float size = x < 0 ? -x : x;
  const float t = 1 / (1 + 0.3275911f * size);
  const float poly =
      ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t
       + 0.254829592f)
      * t;
  const float y = 1 - poly * fast_exp (-size * size);

  return x < 0 ? -y : y;
}

static inline float
fast_sigmoid (float x)
{
  return 1 / (1 + fast_exp (-x));
}

static inline float
fast_tanh (float x)
{
  const float size = x < 0 ? -x : x;
  const float e = fast_exp (-2 * size);
  const float small = size * (1 - size * size * (0.33333333f - size * size * 0.13333333f));
  const float y = size < 0.1f ? small : (1 - e) / (1 + e);

  return x < 0 ? -y : y;
}

/* ln x for finite x ≥ 1 (a sum of exponentials below their maximum): mantissa in [√½, √2), Cephes'
 * polynomial; relative error below 2e-7. A NaN stays one. */
static inline float
fast_log (float x)
{
  int32_t bits, exponent;
  float m, z, y;

  memcpy (&bits, &x, 4);
  exponent = (bits - 0x3f3504f3) >> 23;
  bits -= exponent * (1 << 23);
  memcpy (&m, &bits, 4);
  m -= 1;
  z = m * m;
  y = 7.0376836292e-2f;
  y = y * m - 1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m - 1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  y = y * m * z - 0.5f * z + m + (float) exponent * 0.69314718f;
  return x == x ? y : x;
}

#define GELU_K 0.797884560802865f

static inline float
apply_act (SegAct act, float x, float a)
{
  switch (act)
    {
    case SEG_ACT_RELU:
      return x > 0 ? x : (x == x ? 0 : x);
    case SEG_ACT_LEAKY_RELU:
      return x > 0 ? x : a * x;
    case SEG_ACT_GELU:
      return 0.5f * x * (1 + fast_erf (x * 0.70710678f));
    case SEG_ACT_GELU_TANH:
      return 0.5f * x * (1 + fast_tanh (GELU_K * (x + 0.044715f * x * x * x)));
    case SEG_ACT_SILU:
      return x * fast_sigmoid (x);
    case SEG_ACT_SIGMOID:
      return fast_sigmoid (x);
    case SEG_ACT_TANH:
      return fast_tanh (x);
    default:
      return x;
    }
}

static inline float
act_slope (SegAct act, float x, float a)
{
  switch (act)
    {
    case SEG_ACT_RELU:
      return x > 0;
    case SEG_ACT_LEAKY_RELU:
      return x > 0 ? 1 : a;
    case SEG_ACT_GELU:
      return 0.5f * (1 + fast_erf (x * 0.70710678f)) + x * fast_exp (-0.5f * x * x) * 0.39894228f;
    case SEG_ACT_GELU_TANH:
      {
        const float t = fast_tanh (GELU_K * (x + 0.044715f * x * x * x));

        return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * GELU_K * (1 + 3 * 0.044715f * x * x);
      }
    case SEG_ACT_SILU:
      {
        const float s = fast_sigmoid (x);

        return s * (1 + x * (1 - s));
      }
    case SEG_ACT_SIGMOID:
      {
        const float s = fast_sigmoid (x);

        return s * (1 - s);
      }
    case SEG_ACT_TANH:
      {
        const float t = fast_tanh (x);

        return 1 - t * t;
      }
    default:
      return 1;
    }
}

/* Philox-4x32-10: the four words at @counter. */
static inline void
random_words (uint64_t seed, uint64_t counter, uint32_t word[4])
{
  uint32_t c0 = (uint32_t) counter, c1 = (uint32_t) (counter >> 32), c2 = 0, c3 = 0;
  uint32_t k0 = (uint32_t) seed, k1 = (uint32_t) (seed >> 32);

  for (int round = 0; round < 10; round++)
    {
      const uint64_t p0 = (uint64_t) 0xD2511F53u * c0;
      const uint64_t p1 = (uint64_t) 0xCD9E8D57u * c2;

      c0 = (uint32_t) (p1 >> 32) ^ c1 ^ k0;
      c1 = (uint32_t) p1;
      c2 = (uint32_t) (p0 >> 32) ^ c3 ^ k1;
      c3 = (uint32_t) p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
  word[0] = c0;
  word[1] = c1;
  word[2] = c2;
  word[3] = c3;
}

static inline float
uniform_of_word (uint32_t word)
{
  return (float) (word >> 8) * 0x1p-24f;
}

/* N C X.. in channels-last memory (or rows of features): @rows of @channels; X.. of one sample:
 * @per_sample rows. */
typedef struct
{
  int64_t rows, channels, per_sample, n_samples;
} Rows;

static inline Rows
get_rows (const SegBackendTensor *t)
{
  const int axis = t->rank >= 4 ? 1 : t->rank - 1;
  Rows r = { 0, t->shape[axis], 1, t->rank >= 4 ? t->shape[0] : 1 };

  for (int a = 0; a < t->rank; a++)
    if (a != axis && !(t->rank >= 4 && a == 0))
      r.per_sample *= t->shape[a];
  r.rows = r.per_sample * r.n_samples;
  return r;
}
