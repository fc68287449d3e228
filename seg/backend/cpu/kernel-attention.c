/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/kernel.h"

SegStatus CPU_NAME (seg_cpu_run_attention) (SegBackendDevice *device, const SegBackendCall *call);

/* Attention in tiles of queries that stay in a core's own cache: scores of a block of keys, softmax
 * with bias and relative position carried from block to block (Milakov & Gimelshein 2018, "Online
 * normalizer calculation for softmax"), and the product with the values, before the next block.
 *
 * Keys of a grid are laid out with each grid row padded to whole vectors, so that what a query adds
 * for a row and for the columns is added by vectors; a padded key adds −∞ and has no weight.
 * Without a grid there is one such row.
 *
 * K and V of a head are packed into panels of NR keys or features. A thread goes through its tiles
 * in order and packs when the head changes. */

#if defined __AVX512F__
#define LANES 16
#define MR 12 /* rows of a product's tile: MR × 2 vectors are in registers */
#elif defined __AVX2__
#define LANES 8
#define MR 6
#else
#define LANES 4
#define MR 4
#endif
#define NR (2 * LANES)
#define TILE_ROWS 96 /* of queries */
#define TILE_KEYS 512 /* of a block; a multiple of NR */
#define BACK_ROWS 24

#if defined __AVX512BW__ && defined __GNUC__
#define HAVE_DOTS 1
#define DOTS __attribute__ ((target ("avx512bf16")))
#endif

typedef float Vec __attribute__ ((vector_size (4 * LANES), aligned (4), may_alias));

typedef struct
{
  SegBackendDevice *device;
  const SegBackendCall *call;
  const SegAttentionParams *params;
  const SegBackendTensor *q, *k, *v, *bias, *rel_h, *rel_w;
  int64_t tq, tk, dq, dv;
  int64_t n_lines, line, line_wide; /* of keys */
  int64_t keys_wide, dq_wide, dv_wide; /* multiples of NR */
  int64_t tile_rows, n_tiles; /* of one head of one element */
  bool dots; /* bf16 in pairs, by the processor */
  int64_t wide_h, wide_w; /* entries of the tables, multiples of NR; 0 without */
  const float *panels_h, *panels_w; /* the tables */
  uint8_t *memory;
  size_t per_thread;
} Attention;

static int64_t
round_up (int64_t n, int64_t step)
{
  return (n + step - 1) / step * step;
}

/* --- Products of packed panels ------------------------------------------------------------------
 */

/* c [MR][NR] (+)= Σk a[i·row + k·column] · b[k][NR] */
static inline void
multiply_tile (const float *a, int64_t row, int64_t column, const float *b, int64_t n_k, float *c,
               int64_t c_row, bool add)
{
  Vec sum[MR][2];

#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
    {
      sum[i][0] = add ? *(const Vec *) (c + i * c_row) : (Vec){ 0 };
      sum[i][1] = add ? *(const Vec *) (c + i * c_row + LANES) : (Vec){ 0 };
    }
  for (int64_t k = 0; k < n_k; k++)
    {
      const Vec b0 = *(const Vec *) (b + k * NR), b1 = *(const Vec *) (b + k * NR + LANES);

#pragma GCC unroll 16
      for (int i = 0; i < MR; i++)
        {
          sum[i][0] += a[i * row + k * column] * b0;
          sum[i][1] += a[i * row + k * column] * b1;
        }
    }
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
    {
      *(Vec *) (c + i * c_row) = sum[i][0];
      *(Vec *) (c + i * c_row + LANES) = sum[i][1];
    }
}

/* c [rows][columns] (+)= a · b for whole tiles; @b: panels of [n_k][NR], @panel floats apart */
static void
multiply (const float *a, int64_t row, int64_t column, const float *b, int64_t panel, int64_t n_k,
          float *c, int64_t c_row, int64_t rows, int64_t columns, bool add)
{
  for (int64_t j = 0; j < columns; j += NR)
    for (int64_t i = 0; i < rows; i += MR)
      multiply_tile (a + i * row, row, column, b + j / NR * panel, n_k, c + i * c_row + j, c_row,
                     add);
}

#ifdef HAVE_DOTS
/* The same of pairs of bf16: a [MR][n_k] pairs, b [n_k][NR] pairs. */
DOTS static inline void
multiply_pairs_tile (const uint32_t *a, int64_t row, const uint32_t *b, int64_t n_k, float *c,
                     int64_t c_row, bool add)
{
  __m512 sum[MR][2];

#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
    {
      sum[i][0] = add ? _mm512_loadu_ps (c + i * c_row) : _mm512_setzero_ps ();
      sum[i][1] = add ? _mm512_loadu_ps (c + i * c_row + LANES) : _mm512_setzero_ps ();
    }
  for (int64_t k = 0; k < n_k; k++)
    {
      const __m512bh b0 = (__m512bh) _mm512_loadu_si512 (b + k * NR);
      const __m512bh b1 = (__m512bh) _mm512_loadu_si512 (b + k * NR + LANES);

#pragma GCC unroll 16
      for (int i = 0; i < MR; i++)
        {
          const __m512bh pair = (__m512bh) _mm512_set1_epi32 ((int) a[i * row + k]);

          sum[i][0] = _mm512_dpbf16_ps (sum[i][0], pair, b0);
          sum[i][1] = _mm512_dpbf16_ps (sum[i][1], pair, b1);
        }
    }
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
    {
      _mm512_storeu_ps (c + i * c_row, sum[i][0]);
      _mm512_storeu_ps (c + i * c_row + LANES, sum[i][1]);
    }
}

DOTS static void
multiply_pairs (const uint32_t *a, int64_t row, const uint32_t *b, int64_t panel, int64_t n_k,
                float *c, int64_t c_row, int64_t rows, int64_t columns, bool add)
{
  for (int64_t j = 0; j < columns; j += NR)
    for (int64_t i = 0; i < rows; i += MR)
      multiply_pairs_tile (a + i * row, row, b + j / NR * panel, n_k, c + i * c_row + j, c_row,
                           add);
}
#endif

/* --- Packing ------------------------------------------------------------------------------------
 */

/* The key at a padded place, −1: none */
static int64_t
get_key (const Attention *t, int64_t place)
{
  const int64_t y = place / t->line_wide, x = place % t->line_wide;

  return y < t->n_lines && x < t->line ? y * t->line + x : -1;
}

static const float *
fetch_row (const SegBackendTensor *t, int64_t b, int64_t row, int64_t first, int64_t n,
           float *block)
{
  return fetch (t, b * t->stride[0] + row * t->stride[1] + first, (int) n, block);
}

/* Panels of NR keys: [keys/NR][d][NR], for products that sum over features. */
static void
pack_over_features (const Attention *t, const SegBackendTensor *x, int64_t b, int64_t head,
                    int64_t d, float *panels)
{
  float block[BLOCK];

  for (int64_t place = 0; place < t->keys_wide; place++)
    {
      const int64_t key = get_key (t, place);
      const float *row = key >= 0 ? fetch_row (x, b, key, head * d, d, block) : NULL;
      float *to = panels + place / NR * (d * NR) + place % NR;

      for (int64_t i = 0; i < d; i++)
        to[i * NR] = row != NULL ? row[i] : 0;
    }
}

/* Panels of NR features: [d/NR][keys][NR], for products that sum over keys. */
static void
pack_over_keys (const Attention *t, const SegBackendTensor *x, int64_t b, int64_t head, int64_t d,
                float *panels)
{
  float block[BLOCK];

  for (int64_t place = 0; place < t->keys_wide; place++)
    {
      const int64_t key = get_key (t, place);
      const float *row = key >= 0 ? fetch_row (x, b, key, head * d, d, block) : NULL;

      for (int64_t i = 0; i < round_up (d, NR); i++)
        panels[i / NR * (t->keys_wide * NR) + place * NR + i % NR] =
            row != NULL && i < d ? row[i] : 0;
    }
}

#ifdef HAVE_DOTS
static void
pack_pairs_over_features (const Attention *t, const SegBackendTensor *x, int64_t b, int64_t head,
                          int64_t d, uint16_t *panels)
{
  const int64_t d_even = round_up (d, 2);

  for (int64_t place = 0; place < t->keys_wide; place++)
    {
      const int64_t key = get_key (t, place);
      const uint16_t *row =
          (const uint16_t *) x->data + b * x->stride[0] + key * x->stride[1] + head * d;
      uint16_t *to = panels + place / NR * (d_even * NR) + place % NR * 2;

      for (int64_t i = 0; i < d_even; i++)
        to[i / 2 * (2 * NR) + i % 2] = key >= 0 && i < d ? row[i] : 0;
    }
}

static void
pack_pairs_over_keys (const Attention *t, const SegBackendTensor *x, int64_t b, int64_t head,
                      int64_t d, uint16_t *panels)
{
  for (int64_t place = 0; place < t->keys_wide; place++)
    {
      const int64_t key = get_key (t, place);
      const uint16_t *row =
          (const uint16_t *) x->data + b * x->stride[0] + key * x->stride[1] + head * d;
      uint16_t *to = panels + place / 2 * (2 * NR) + place % 2;

      for (int64_t i = 0; i < round_up (d, NR); i++)
        to[i / NR * (t->keys_wide * NR) + i % NR * 2] = key >= 0 && i < d ? row[i] : 0;
    }
}
#endif

/* --- Relative position and bias -----------------------------------------------------------------
 */

/* The entries 2n−2 … 0 of a table as panels over features: their products with a query stand in the
 * order of keys, and those of a query in row r begin at n−1−r. */
static void
pack_table (const SegBackendTensor *rel, int64_t n, int64_t d_head, float *panels)
{
  const float *r = rel->data;

  for (int64_t j = 0; j < round_up (2 * n - 1, NR); j++)
    for (int64_t d = 0; d < d_head; d++)
      panels[j / NR * (d_head * NR) + d * NR + j % NR] =
          j < 2 * n - 1 ? r[(2 * n - 2 - j) * d_head + d] : 0;
}

/* Of @rows queries (whole row groups) with all entries of both tables; not where there are none. */
static void
multiply_tables (const Attention *t, const float *q, int64_t rows, float *rel_h, float *rel_w)
{
  const int64_t step = t->dq * NR;

  if (t->rel_h == NULL)
    return;
  multiply (q, t->dq, 1, t->panels_h, step, t->dq, rel_h, t->wide_h, rows, t->wide_h, false);
  multiply (q, t->dq, 1, t->panels_w, step, t->dq, rel_w, t->wide_w, rows, t->wide_w, false);
}

/* What a query adds: above[y] for a line, @beside [line_wide] along it; −∞ where no key is. @rel_h,
 * @rel_w: its products with the tables. Answers above. */
static const float *
get_addends (const Attention *t, int64_t query, const float *rel_h, const float *rel_w,
             float *beside)
{
  static const float none[1] = { 0 };
  const int64_t gh = t->params->grid[0], gw = t->params->grid[1];

  if (t->rel_h != NULL)
    memcpy (beside, rel_w + gw - 1 - query % gw, t->line * sizeof *beside);
  else
    memset (beside, 0, t->line * sizeof *beside);
  for (int64_t x = t->line; x < t->line_wide; x++)
    beside[x] = -INFINITY;
  return t->rel_h != NULL ? rel_h + gh - 1 - query / gw : none;
}

/* s = scale·s + above + beside for the places @first … first + n; then the bias. */
static void
add_to_scores (const Attention *t, int64_t b, int64_t head, int64_t query, int64_t first, int64_t n,
               const float *above, const float *beside, float *s)
{
  const float scale = (float) t->params->scale;
  const int64_t end = MIN (first + n, t->n_lines * t->line_wide);

  for (int64_t place = first; place < end;)
    {
      const int64_t y = place / t->line_wide, x = place % t->line_wide;
      const int64_t size = MIN (t->line_wide - x, end - place);
      const float add = above[y];
      const float *restrict from = beside + x;
      float *restrict to = s + place - first;

      for (int64_t i = 0; i < size; i++)
        to[i] = to[i] * scale + (add + from[i]);
      place += size;
    }
  for (int64_t place = MAX (end, first); place < first + n; place++)
    s[place - first] = -INFINITY;
  if (t->bias != NULL)
    {
      const SegBackendTensor *bias = t->bias;
      const int64_t start = (bias->shape[0] == 1 ? 0 : b) * bias->stride[0]
                            + (bias->shape[1] == 1 ? 0 : head) * bias->stride[1]
                            + query * bias->stride[2];
      float block;

      for (int64_t place = first; place < end; place++)
        {
          const int64_t key = get_key (t, place);

          if (key >= 0)
            s[place - first] += *fetch (bias, start + key * bias->stride[3], 1, &block);
        }
    }
}

static float
max_of_row (const float *s, int64_t n)
{
  float lane[LANES], top;

  for (int l = 0; l < LANES; l++)
    lane[l] = s[l];
  for (int64_t j = LANES; j < n; j += LANES)
    for (int l = 0; l < LANES; l++)
      lane[l] = s[j + l] > lane[l] ? s[j + l] : lane[l];
  top = lane[0];
  for (int l = 1; l < LANES; l++)
    top = lane[l] > top ? lane[l] : top;
  return top;
}

static float
sum_of_row (const float *s, int64_t n)
{
  float lane[LANES] = { 0 }, sum = 0;

  for (int64_t j = 0; j < n; j += LANES)
    for (int l = 0; l < LANES; l++)
      lane[l] += s[j + l];
  for (int l = 0; l < LANES; l++)
    sum += lane[l];
  return sum;
}

#ifdef HAVE_DOTS
/* 2^x for x ≤ 0 and −∞: relative error below 2e-7 (Cephes' polynomial) */
static inline __m512
exp2_of (__m512 x)
{
  const __m512 n = _mm512_roundscale_ps (x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r =
      _mm512_maskz_sub_ps (_mm512_cmp_ps_mask (n, _mm512_set1_ps (-INFINITY), _CMP_NEQ_UQ), x, n);
  __m512 p = _mm512_set1_ps (1.535336188319500e-4f);

  p = _mm512_fmadd_ps (p, r, _mm512_set1_ps (1.339887440266574e-3f));
  p = _mm512_fmadd_ps (p, r, _mm512_set1_ps (9.618437357674640e-3f));
  p = _mm512_fmadd_ps (p, r, _mm512_set1_ps (5.550332471162809e-2f));
  p = _mm512_fmadd_ps (p, r, _mm512_set1_ps (2.402264791363012e-1f));
  p = _mm512_fmadd_ps (p, r, _mm512_set1_ps (6.931472028550421e-1f));
  p = _mm512_fmadd_ps (p, r, _mm512_set1_ps (1));
  return _mm512_scalef_ps (p, n);
}

/* e^(s − top) rounded into @half; answers the sum before rounding. */
DOTS static float
exp_row_half (float *s, uint16_t *half, int64_t n, float top)
{
  const __m512 log2e = _mm512_set1_ps (1.44269504f), of_top = _mm512_set1_ps (top);
  __m512 sum = _mm512_setzero_ps ();

  for (int64_t j = 0; j < n; j += LANES)
    {
      const __m512 gap = _mm512_sub_ps (_mm512_loadu_ps (s + j), of_top);
      const __m512 p = exp2_of (_mm512_mul_ps (gap, log2e));

      sum = _mm512_add_ps (sum, p);
      _mm256_storeu_si256 ((void *) (half + j), (__m256i) _mm512_cvtneps_pbh (p));
    }
  return _mm512_reduce_add_ps (sum);
}

static float
exp_row_sum (float *s, int64_t n, float top)
{
  const __m512 log2e = _mm512_set1_ps (1.44269504f), of_top = _mm512_set1_ps (top);
  __m512 sum = _mm512_setzero_ps ();

  for (int64_t j = 0; j < n; j += LANES)
    {
      const __m512 gap = _mm512_sub_ps (_mm512_loadu_ps (s + j), of_top);
      const __m512 p = exp2_of (_mm512_mul_ps (gap, log2e));

      sum = _mm512_add_ps (sum, p);
      _mm512_storeu_ps (s + j, p);
    }
  return _mm512_reduce_add_ps (sum);
}
#else
static float
exp_row_sum (float *s, int64_t n, float top)
{
  for (int64_t j = 0; j < n; j++)
    s[j] = fast_exp (s[j] - top);
  return sum_of_row (s, n);
}
#endif

/* --- Forward ------------------------------------------------------------------------------------
 */

/* One thread's memory. */
typedef struct
{
  float *k, *v; /* panels */
  float *q; /* [tile_rows][dq] */
  float *scores; /* [tile_rows][TILE_KEYS] */
  float *sum; /* [tile_rows][dv_wide] */
  float *rel_h, *rel_w; /* [tile_rows][wide_h], [tile_rows][wide_w] */
  float *beside; /* [tile_rows][line_wide] */
  const float **above; /* [tile_rows] */
  float *top, *total; /* [tile_rows] */
  uint16_t *half_q, *half_p; /* [tile_rows][dq even], [tile_rows][TILE_KEYS] */
} Work;

static size_t
lay_out_work (const Attention *t, Work *w, uint8_t *memory)
{
  const int64_t rows = t->tile_rows;
  const int64_t counts[] = {
    t->keys_wide * round_up (t->dq, 2),
    t->keys_wide * t->dv_wide,
    rows * t->dq,
    rows * TILE_KEYS,
    rows * t->dv_wide,
    rows * t->wide_h,
    rows * t->wide_w,
    rows * t->line_wide,
    2 * rows,
    rows,
    rows,
    rows * round_up (t->dq, 2),
    rows * TILE_KEYS,
  };
  float **places[] = { &w->k,
                       &w->v,
                       &w->q,
                       &w->scores,
                       &w->sum,
                       &w->rel_h,
                       &w->rel_w,
                       &w->beside,
                       (float **) &w->above,
                       &w->top,
                       &w->total,
                       (float **) &w->half_q,
                       (float **) &w->half_p };
  size_t size = 0;

  for (size_t p = 0; p < sizeof counts / sizeof counts[0]; p++)
    {
      *places[p] = (float *) ((uintptr_t) memory + size);
      size += (size_t) round_up (counts[p] * (int64_t) sizeof (float), 64);
    }
  return size;
}

static void
pack_head (const Attention *t, const Work *w, int64_t b, int64_t head)
{
#ifdef HAVE_DOTS
  if (t->dots)
    {
      pack_pairs_over_features (t, t->k, b, head, t->dq, (uint16_t *) w->k);
      pack_pairs_over_keys (t, t->v, b, head, t->dv, (uint16_t *) w->v);
      return;
    }
#endif
  pack_over_features (t, t->k, b, head, t->dq, w->k);
  pack_over_keys (t, t->v, b, head, t->dv, w->v);
}

/* Queries of the tile, those behind the last as zeros. */
static void
fetch_queries (const Attention *t, const Work *w, int64_t b, int64_t head, int64_t first,
               int64_t rows)
{
  const int64_t even = round_up (t->dq, 2);
  float block[BLOCK];

  memset (w->q, 0, t->tile_rows * t->dq * sizeof *w->q);
  memset (w->half_q, 0, t->tile_rows * even * sizeof *w->half_q);
  for (int64_t i = 0; i < rows; i++)
    {
      memcpy (w->q + i * t->dq, fetch_row (t->q, b, first + i, head * t->dq, t->dq, block),
              t->dq * sizeof *w->q);
      if (t->dots)
        bf16_of_floats (w->q + i * t->dq, w->half_q + i * even, (int) t->dq);
      w->top[i] = -INFINITY;
      w->total[i] = 0;
    }
  multiply_tables (t, w->q, round_up (rows, MR), w->rel_h, w->rel_w);
  for (int64_t i = 0; i < rows; i++)
    w->above[i] = get_addends (t, first + i, w->rel_h + i * t->wide_h, w->rel_w + i * t->wide_w,
                               w->beside + i * t->line_wide);
  memset (w->sum, 0, t->tile_rows * t->dv_wide * sizeof *w->sum);
}

/* Scores of the places @place … place + n for whole row groups. */
static void
score (const Attention *t, const Work *w, int64_t rows, int64_t place, int64_t n)
{
#ifdef HAVE_DOTS
  const int64_t pairs = round_up (t->dq, 2) / 2;

  if (t->dots)
    {
      multiply_pairs ((const uint32_t *) w->half_q, pairs, (const uint32_t *) w->k + place * pairs,
                      pairs * NR, pairs, w->scores, TILE_KEYS, rows, n, false);
      return;
    }
#endif
  multiply (w->q, t->dq, 1, w->k + place * t->dq, t->dq * NR, t->dq, w->scores, TILE_KEYS, rows, n,
            false);
}

static void
add_values (const Attention *t, const Work *w, int64_t rows, int64_t place, int64_t n)
{
#ifdef HAVE_DOTS
  if (t->dots)
    {
      multiply_pairs ((const uint32_t *) w->half_p, TILE_KEYS / 2,
                      (const uint32_t *) w->v + place / 2 * NR, t->keys_wide / 2 * NR, n / 2,
                      w->sum, t->dv_wide, rows, t->dv_wide, true);
      return;
    }
#endif
  multiply (w->scores, TILE_KEYS, 1, w->v + place * NR, t->keys_wide * NR, n, w->sum, t->dv_wide,
            rows, t->dv_wide, true);
}

/* Weights of a block from its scores; what was summed before shrinks as the maximum grows. */
static void
soften (const Attention *t, const Work *w, int64_t b, int64_t head, int64_t query, int64_t i,
        int64_t place, int64_t n)
{
  float *s = w->scores + i * TILE_KEYS, *restrict sum = w->sum + i * t->dv_wide;
  float top;

  add_to_scores (t, b, head, query, place, n, w->above[i], w->beside + i * t->line_wide, s);
  top = max_of_row (s, n);
  if (top > w->top[i])
    {
      const float shrink = fast_exp (w->top[i] - top);

      w->top[i] = top;
      w->total[i] *= shrink;
      for (int64_t j = 0; j < t->dv_wide; j++)
        sum[j] *= shrink;
    }
#ifdef HAVE_DOTS
  if (t->dots)
    {
      w->total[i] += exp_row_half (s, w->half_p + i * TILE_KEYS, n, w->top[i]);
      return;
    }
#endif
  w->total[i] += exp_row_sum (s, n, w->top[i]);
}

static void
forward_tile (const Attention *t, const Work *w, int64_t b, int64_t head, int64_t first)
{
  const SegBackendTensor *out = t->call->out[0];
  const int64_t rows = MIN (t->tile_rows, t->tq - first), whole = round_up (rows, MR);

  fetch_queries (t, w, b, head, first, rows);
  for (int64_t place = 0; place < t->keys_wide; place += TILE_KEYS)
    {
      const int64_t n = MIN (TILE_KEYS, t->keys_wide - place);

      score (t, w, whole, place, n);
      for (int64_t i = 0; i < rows; i++)
        soften (t, w, b, head, first + i, i, place, n);
      add_values (t, w, whole, place, n);
    }
  for (int64_t i = 0; i < rows; i++)
    {
      float *sum = w->sum + i * t->dv_wide;
      const float scale = 1 / w->total[i];

      for (int64_t j = 0; j < t->dv; j++)
        sum[j] *= scale;
      commit (out, b * out->stride[0] + (first + i) * out->stride[1] + head * t->dv, 1, (int) t->dv,
              sum);
    }
}

static void
forward_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Attention *t = data;
  int64_t packed = -1;
  Work w;

  lay_out_work (t, &w, t->memory + thread * t->per_thread);
  for (int64_t tile = low; tile < high; tile++)
    {
      const int64_t pair = tile / t->n_tiles;
      const int64_t b = pair / t->params->heads, head = pair % t->params->heads;

      if (pair != packed)
        pack_head (t, &w, b, head);
      packed = pair;
      forward_tile (t, &w, b, head, tile % t->n_tiles * t->tile_rows);
    }
}

/* --- Backward: in floats -------------------------------------------------------------------------
 *
 * With P the weights and dP = dout·vᵀ: dS = P·(dP − Σ P·dP); dq = scale·dS·k, dk = scale·dSᵀ·q,
 * dv = Pᵀ·dout; the sums of dS over lines and columns belong to the relative positions. A thread
 * has whole heads. */

typedef struct
{
  float *k, *v; /* panels over features */
  float *k_keys; /* panels over keys */
  float *dk, *dv; /* [keys_wide][d_wide] */
  float *q, *q_panels; /* [BACK_ROWS][dq], and as panels of NR features */
  float *dout, *dout_panels;
  float *p, *dp; /* [BACK_ROWS][keys_wide] */
  float *dq; /* [BACK_ROWS][dq_wide] */
  float *rel_h, *rel_w; /* [BACK_ROWS] products with the tables */
  float *beside, *line_sums;
  float *drel_h, *drel_w; /* of this thread */
} Back;

static size_t
lay_out_back (const Attention *t, Back *w, uint8_t *memory)
{
  const int64_t rows = BACK_ROWS, gh = t->params->grid[0], gw = t->params->grid[1];
  const int64_t counts[] = {
    t->keys_wide * t->dq,
    t->keys_wide * t->dv,
    t->keys_wide * t->dq_wide,
    t->keys_wide * t->dq_wide,
    t->keys_wide * t->dv_wide,
    rows * t->dq,
    rows * t->dq_wide,
    rows * t->dv,
    rows * t->dv_wide,
    rows * t->keys_wide,
    rows * t->keys_wide,
    rows * t->dq_wide,
    rows * t->wide_h,
    rows * t->wide_w,
    t->line_wide,
    t->n_lines,
    2 * gh * t->dq,
    2 * gw * t->dq,
  };
  float **places[] = { &w->k,         &w->v,        &w->k_keys, &w->dk,          &w->dv,
                       &w->q,         &w->q_panels, &w->dout,   &w->dout_panels, &w->p,
                       &w->dp,        &w->dq,       &w->rel_h,  &w->rel_w,       &w->beside,
                       &w->line_sums, &w->drel_h,   &w->drel_w };
  size_t size = 0;

  for (size_t p = 0; p < sizeof counts / sizeof counts[0]; p++)
    {
      *places[p] = (float *) ((uintptr_t) memory + size);
      size += (size_t) round_up (counts[p] * (int64_t) sizeof (float), 64);
    }
  return size;
}

/* Rows of one head as they are, and as panels of NR features; zeros behind the last. */
static void
fetch_both (const SegBackendTensor *x, int64_t b, int64_t first, int64_t rows, int64_t head,
            int64_t d, float *straight, float *panels)
{
  float block[BLOCK];

  memset (straight, 0, BACK_ROWS * d * sizeof *straight);
  memset (panels, 0, BACK_ROWS * round_up (d, NR) * sizeof *panels);
  for (int64_t i = 0; i < rows; i++)
    {
      memcpy (straight + i * d, fetch_row (x, b, first + i, head * d, d, block),
              d * sizeof *straight);
      for (int64_t j = 0; j < d; j++)
        panels[j / NR * (BACK_ROWS * NR) + i * NR + j % NR] = straight[i * d + j];
    }
}

/* One query's row: weights into p, gradient of its scores into dp. */
static void
differentiate_row (const Attention *t, const Back *w, int64_t b, int64_t head, int64_t query,
                   int64_t i)
{
  const int64_t n = t->keys_wide;
  float *restrict p = w->p + i * n, *restrict dp = w->dp + i * n;
  const float *above =
      get_addends (t, query, w->rel_h + i * t->wide_h, w->rel_w + i * t->wide_w, w->beside);
  float scale, mean;

  add_to_scores (t, b, head, query, 0, n, above, w->beside, p);
  scale = 1 / exp_row_sum (p, n, max_of_row (p, n));
  for (int64_t j = 0; j < n; j++)
    {
      p[j] *= scale;
      dp[j] *= p[j];
    }
  mean = sum_of_row (dp, n);
  for (int64_t j = 0; j < n; j++)
    dp[j] -= p[j] * mean;
}

/* Of a row's dS: to the bias, to the tables, and through them to the query. */
static void
give_to_addends (const Attention *t, const Back *w, int64_t b, int64_t head, int64_t query,
                 int64_t i)
{
  const SegBackendTensor *dbias = t->call->out[3];
  const int64_t gh = t->params->grid[0], gw = t->params->grid[1];
  const float *ds = w->dp + i * t->keys_wide, *q = w->q + i * t->dq;
  float *dq = w->dq + i * t->dq_wide;

  if (dbias != NULL)
    {
      float *to = (float *) dbias->data + (dbias->shape[0] == 1 ? 0 : b) * dbias->stride[0]
                  + (dbias->shape[1] == 1 ? 0 : head) * dbias->stride[1] + query * dbias->stride[2];

      for (int64_t place = 0; place < t->keys_wide; place++)
        {
          const int64_t key = get_key (t, place);

          if (key >= 0)
            to[key * dbias->stride[3]] += ds[place];
        }
    }
  if (t->rel_h == NULL)
    return;
  memset (w->beside, 0, t->line_wide * sizeof *w->beside);
  for (int64_t y = 0; y < gh; y++)
    {
      const float *restrict line = ds + y * t->line_wide;
      float *restrict beside = w->beside;

      w->line_sums[y] = sum_of_row (line, t->line_wide);
      for (int64_t x = 0; x < t->line_wide; x++)
        beside[x] += line[x];
    }
  for (int side = 0; side < 2; side++)
    {
      const int64_t n = side == 0 ? gh : gw, at = side == 0 ? query / gw : query % gw;
      const float *table = side == 0 ? t->rel_h->data : t->rel_w->data;
      const float *sums = side == 0 ? w->line_sums : w->beside;
      float *dtable = side == 0 ? w->drel_h : w->drel_w;

      for (int64_t k = 0; k < n; k++)
        {
          const float *restrict r = table + (at - k + n - 1) * t->dq;
          float *restrict dr = dtable + (at - k + n - 1) * t->dq;

          for (int64_t d = 0; d < t->dq; d++)
            {
              dr[d] += sums[k] * q[d];
              dq[d] += sums[k] * r[d];
            }
        }
    }
}

static void
backward_rows (const Attention *t, const Back *w, int64_t b, int64_t head, int64_t first)
{
  const SegBackendTensor *dout = t->call->in[6], *dq = t->call->out[0];
  const int64_t rows = MIN (BACK_ROWS, t->tq - first), n = t->keys_wide;

  fetch_both (t->q, b, first, rows, head, t->dq, w->q, w->q_panels);
  fetch_both (dout, b, first, rows, head, t->dv, w->dout, w->dout_panels);
  multiply (w->q, t->dq, 1, w->k, t->dq * NR, t->dq, w->p, n, BACK_ROWS, n, false);
  multiply (w->dout, t->dv, 1, w->v, t->dv * NR, t->dv, w->dp, n, BACK_ROWS, n, false);
  multiply_tables (t, w->q, BACK_ROWS, w->rel_h, w->rel_w);
  for (int64_t i = 0; i < rows; i++)
    differentiate_row (t, w, b, head, first + i, i);
  memset (w->p + rows * n, 0, (BACK_ROWS - rows) * n * sizeof *w->p);
  memset (w->dp + rows * n, 0, (BACK_ROWS - rows) * n * sizeof *w->dp);
  /* sums over the queries: the rows of p and dp are the columns here */
  multiply (w->p, 1, n, w->dout_panels, BACK_ROWS * NR, BACK_ROWS, w->dv, t->dv_wide, n - n % MR,
            t->dv_wide, true);
  multiply (w->dp, 1, n, w->q_panels, BACK_ROWS * NR, BACK_ROWS, w->dk, t->dq_wide, n - n % MR,
            t->dq_wide, true);
  for (int64_t place = n - n % MR; place < n; place++)
    for (int64_t i = 0; i < rows; i++)
      {
        for (int64_t d = 0; d < t->dv; d++)
          w->dv[place * t->dv_wide + d] += w->p[i * n + place] * w->dout[i * t->dv + d];
        for (int64_t d = 0; d < t->dq; d++)
          w->dk[place * t->dq_wide + d] += w->dp[i * n + place] * w->q[i * t->dq + d];
      }
  multiply (w->dp, n, 1, w->k_keys, n * NR, n, w->dq, t->dq_wide, BACK_ROWS, t->dq_wide, false);
  for (int64_t i = 0; i < rows; i++)
    {
      float *to = w->dq + i * t->dq_wide;

      for (int64_t d = 0; d < t->dq; d++)
        to[d] *= (float) t->params->scale;
      give_to_addends (t, w, b, head, first + i, i);
      commit (dq, b * dq->stride[0] + (first + i) * dq->stride[1] + head * t->dq, 1, (int) t->dq,
              to);
    }
}

static void
backward_head (const Attention *t, const Back *w, int64_t b, int64_t head)
{
  const SegBackendTensor *dk = t->call->out[1], *dv = t->call->out[2];

  pack_over_features (t, t->k, b, head, t->dq, w->k);
  pack_over_features (t, t->v, b, head, t->dv, w->v);
  pack_over_keys (t, t->k, b, head, t->dq, w->k_keys);
  memset (w->dk, 0, t->keys_wide * t->dq_wide * sizeof *w->dk);
  memset (w->dv, 0, t->keys_wide * t->dv_wide * sizeof *w->dv);
  for (int64_t first = 0; first < t->tq; first += BACK_ROWS)
    backward_rows (t, w, b, head, first);
  for (int64_t place = 0; place < t->keys_wide; place++)
    {
      const int64_t key = get_key (t, place);
      float *row = w->dk + place * t->dq_wide;

      if (key < 0)
        continue;
      for (int64_t d = 0; d < t->dq; d++)
        row[d] *= (float) t->params->scale;
      commit (dk, b * dk->stride[0] + key * dk->stride[1] + head * t->dq, 1, (int) t->dq, row);
      commit (dv, b * dv->stride[0] + key * dv->stride[1] + head * t->dv, 1, (int) t->dv,
              w->dv + place * t->dv_wide);
    }
}

static void
backward_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Attention *t = data;
  Back w;

  lay_out_back (t, &w, t->memory + thread * t->per_thread);
  for (int64_t head = low; head < high; head++)
    for (int64_t b = 0; b < t->q->shape[0]; b++)
      backward_head (t, &w, b, head);
}

static void
add_tables (const Attention *t)
{
  for (int side = 0; side < 2; side++)
    {
      const SegBackendTensor *to = t->call->out[4 + side];
      const int64_t n = (2 * t->params->grid[side] - 1) * t->dq;

      for (int thread = 0; to != NULL && thread < t->device->n_threads; thread++)
        {
          const float *from;
          Back w;

          lay_out_back (t, &w, t->memory + thread * t->per_thread);
          from = side == 0 ? w.drel_h : w.drel_w;
          for (int64_t i = 0; i < n; i++)
            ((float *) to->data)[i] += from[i];
        }
    }
}

/* --- Both ---------------------------------------------------------------------------------------
 */

static void
attention_init (Attention *t, SegBackendDevice *device, const SegBackendCall *call)
{
  *t = (Attention){ .device = device,
                    .call = call,
                    .params = call->params,
                    .q = call->in[0],
                    .k = call->in[1],
                    .v = call->in[2],
                    .bias = call->in[3],
                    .rel_h = call->in[4],
                    .rel_w = call->in[5] };
  t->tq = t->q->shape[1];
  t->tk = t->k->shape[1];
  t->dq = t->q->shape[2] / t->params->heads;
  t->dv = t->v->shape[2] / t->params->heads;
  t->n_lines = t->rel_h != NULL ? t->params->grid[0] : 1;
  t->line = t->rel_h != NULL ? t->params->grid[1] : t->tk;
  t->line_wide = round_up (t->line, LANES);
  t->keys_wide = round_up (t->n_lines * t->line_wide, NR);
  t->dq_wide = round_up (t->dq, NR);
  t->dv_wide = round_up (t->dv, NR);
  if (t->rel_h != NULL)
    {
      t->wide_h = round_up (2 * t->params->grid[0] - 1, NR);
      t->wide_w = round_up (2 * t->params->grid[1] - 1, NR);
    }
  t->n_tiles = (t->tq + TILE_ROWS - 1) / TILE_ROWS;
  t->tile_rows = round_up ((t->tq + t->n_tiles - 1) / t->n_tiles, MR);
#ifdef HAVE_DOTS
  t->dots = device->bf16 && t->q->dtype == SEG_DTYPE_BF16;
#endif
}

SegStatus
CPU_NAME (seg_cpu_run_attention) (SegBackendDevice *device, const SegBackendCall *call)
{
  const bool back = call->op == SEG_OP_ATTENTION_BACKWARD;
  const int64_t gh = ((const SegAttentionParams *) call->params)->grid[0];
  const int64_t gw = ((const SegAttentionParams *) call->params)->grid[1];
  size_t table_bytes;
  Attention t;
  Work work;
  Back w;

  attention_init (&t, device, call);
  t.per_thread = back ? lay_out_back (&t, &w, NULL) : lay_out_work (&t, &work, NULL);
  table_bytes = (t.wide_h + t.wide_w) * t.dq * sizeof (float);
  t.memory = seg_cpu_scratch (device, device->n_threads * t.per_thread + table_bytes);
  if (t.memory == NULL)
    return SEG_STATUS_MEMORY;
  if (t.rel_h != NULL)
    {
      float *panels = (float *) (t.memory + device->n_threads * t.per_thread);

      pack_table (t.rel_h, gh, t.dq, panels);
      pack_table (t.rel_w, gw, t.dq, panels + t.wide_h * t.dq);
      t.panels_h = panels;
      t.panels_w = panels + t.wide_h * t.dq;
    }
  if (!back)
    {
      const int64_t per_tile = t.tile_rows * t.tk * (t.dq + t.dv);

      seg_cpu_parallel (device, t.q->shape[0] * t.params->heads * t.n_tiles,
                        MAX (1, 16 * GRAIN / per_tile), forward_cb, &t);
      return SEG_STATUS_OK;
    }
  for (int thread = 0; thread < device->n_threads; thread++)
    {
      lay_out_back (&t, &w, t.memory + thread * t.per_thread);
      memset (w.drel_h, 0, 2 * gh * t.dq * sizeof (float));
      memset (w.drel_w, 0, 2 * gw * t.dq * sizeof (float));
    }
  /* a bias for all heads is written by all */
  if (call->out[3] != NULL && call->out[3]->shape[1] == 1)
    backward_cb (&t, 0, t.params->heads, 0);
  else
    seg_cpu_parallel (device, t.params->heads, 1, backward_cb, &t);
  add_tables (&t);
  return SEG_STATUS_OK;
}
