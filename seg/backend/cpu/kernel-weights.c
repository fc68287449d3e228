/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/kernel.h"

SegStatus CPU_NAME (seg_cpu_run_weights) (SegBackendDevice *device, const SegBackendCall *call);
bool CPU_NAME (seg_cpu_has_weights) (const SegBackendCall *call);

/* Gradients of the weights of V-Net's convolutions, F32, on AVX2, where oneDNN reaches a quarter to
 * two thirds of the processor: 3 × 3 × 3 with a rim, and 2 × 2 × 2 with stride 2 both ways.
 *
 * Both are dw[tap][w][n] += wide[s·p + tap − rim][w] · narrow[p][n] over the positions p of the map
 * that is not wider: narrow is dout, or of a transposed convolution in. Four channels of the wide
 * map by eight or sixteen of the narrow one stay in registers over some rows; the sums of a
 * thread's planes are added in double precision, always in the same order. */

#if defined __AVX2__ && !defined __AVX512VL__

#define LANES 8
#define PART 4 /* channels of the wide map in registers */
#define FLUSH_POSITIONS 1024 /* summed in F32 */
#define MIN_POSITIONS 2048
#define MAX_PAIRS (32 * 32)
#define UNIT_POSITIONS 160
#define UNIT_OF_TWO 80 /* the same for 2 × 2 × 2 */

typedef float Eight __attribute__ ((vector_size (32), aligned (4), may_alias));

/* In place: left to itself gcc 12 moves the twelve sums about and keeps one of them in memory. */
static inline __attribute__ ((always_inline)) void
multiply_add (Eight *sum, Eight a, Eight b)
{
  __asm__("vfmadd231ps %2, %1, %0" : "+x"(*sum) : "x"(a), "x"(b));
}

typedef struct
{
  const float *wide, *narrow;
  int64_t n_wide, n_narrow; /* channels */
  int64_t depth, height, width; /* of the narrow map */
  int64_t wide_depth, wide_height, wide_width;
  int kernel; /* 3 or 2 */
  int kernel_depth; /* of a piece at the end of a map 2 where kernel is 3 */
  int rim; /* of zeros before the first plane */
  int64_t n_weights;
  int64_t unit; /* rows */
  int64_t block; /* floats of eight channels of a unit of the narrow map with a rim */
  float *memory;
  int64_t per_thread;
} Gradient;

/* A thread's memory. */
typedef struct
{
  double *total; /* [tap][wide][narrow] */
  double *bias; /* [narrow] */
  float *sums; /* [tap][wide][narrow] */
  float *rows; /* [narrow / 8][row][width + 2][8]; the rim is zero */
  float *zeros; /* [width] */
} Room;

static Room
get_room (const Gradient *g, int thread)
{
  Room room = { .total = (double *) (g->memory + thread * g->per_thread) };

  room.bias = room.total + g->n_weights;
  room.sums = (float *) (room.bias + g->n_narrow);
  room.rows = room.sums + g->n_weights;
  room.zeros = room.rows + g->n_narrow / LANES * g->block;
  return room;
}

/* Rows of the narrow map by eights of channels; and their sum, the bias's gradient. */
static void
take_rows (const Gradient *g, const Room *room, const float *from, int64_t n_rows)
{
  for (int64_t n = 0; n < g->n_narrow; n += LANES)
    {
      float *to = room->rows + n / LANES * g->block + LANES;
      Eight sum = { 0 };

      for (int64_t r = 0; r < n_rows; r++, to += (g->width + 2) * LANES)
        for (int64_t p = 0; p < g->width; p++)
          {
            const Eight v = *(const Eight *) (from + (r * g->width + p) * g->n_narrow + n);

            *(Eight *) (to + p * LANES) = v;
            sum += v;
          }
      for (int lane = 0; lane < LANES; lane++)
        room->bias[n + lane] += (double) sum[lane];
    }
}

/* dw [3][4 of n_wide][8 of n_narrow] of rows of x; each of dy begins with a position of zeros. */
static __attribute__ ((noinline)) void
add_three (const Gradient *g, const float *x, const float *dy, int64_t n_rows, float *dw)
{
  const int64_t step = g->n_wide, row = g->n_narrow, tap = row * step;
  Eight low[PART], middle[PART], high[PART];

#pragma GCC unroll 4
  for (int c = 0; c < PART; c++)
    {
      low[c] = *(const Eight *) (dw + c * row);
      middle[c] = *(const Eight *) (dw + tap + c * row);
      high[c] = *(const Eight *) (dw + 2 * tap + c * row);
    }
  for (int64_t r = 0; r < n_rows; r++, dy += (g->width + 2) * LANES)
    {
      Eight before = *(const Eight *) dy, here = *(const Eight *) (dy + LANES);

      for (int64_t p = 0; p < g->width; p++, x += step)
        {
          const Eight after = *(const Eight *) (dy + (p + 2) * LANES);

#pragma GCC unroll 4
          for (int c = 0; c < PART; c++)
            {
              const Eight v = (Eight) _mm256_broadcast_ss (x + c);

              multiply_add (&low[c], v, after);
              multiply_add (&middle[c], v, here);
              multiply_add (&high[c], v, before);
            }
          before = here;
          here = after;
        }
    }
#pragma GCC unroll 4
  for (int c = 0; c < PART; c++)
    {
      *(Eight *) (dw + c * row) = low[c];
      *(Eight *) (dw + tap + c * row) = middle[c];
      *(Eight *) (dw + 2 * tap + c * row) = high[c];
    }
}

/* The taps of one plane of kernel @kd and row @kh. */
static void
add_three_rows (const Gradient *g, const Room *room, const float *wide, int64_t y, int64_t n_rows,
                int kd, int kh)
{
  const int64_t first = MAX (y, 1 - kh), last = MIN (y + n_rows, g->height + 1 - kh);
  const float *x = wide + (first + kh - 1) * g->width * g->n_wide;
  const float *dy = room->rows + (first - y) * (g->width + 2) * LANES;
  float *dw = room->sums + (kd * 3 + kh) * 3 * g->n_wide * g->n_narrow;

  for (int64_t w = 0; w < g->n_wide && first < last; w += PART)
    for (int64_t n = 0; n < g->n_narrow; n += LANES)
      add_three (g, x + w, dy + n / LANES * g->block, last - first, dw + w * g->n_narrow + n);
}

/* Of a map of one channel: dw [3 rows][3][8 of n_narrow] of one row; x: the rows it meets. */
static __attribute__ ((noinline)) void
add_nine (const Gradient *g, const float *const x[3], const float *dy, float *dw)
{
  const int64_t step = g->n_narrow;
  Eight low[3], middle[3], high[3];
  Eight before = *(const Eight *) dy, here = *(const Eight *) (dy + LANES);

#pragma GCC unroll 3
  for (int kh = 0; kh < 3; kh++)
    {
      low[kh] = *(const Eight *) (dw + 3 * kh * step);
      middle[kh] = *(const Eight *) (dw + (3 * kh + 1) * step);
      high[kh] = *(const Eight *) (dw + (3 * kh + 2) * step);
    }
  for (int64_t p = 0; p < g->width; p++)
    {
      const Eight after = *(const Eight *) (dy + (p + 2) * LANES);

#pragma GCC unroll 3
      for (int kh = 0; kh < 3; kh++)
        {
          const Eight v = (Eight) _mm256_broadcast_ss (x[kh] + p);

          multiply_add (&low[kh], v, after);
          multiply_add (&middle[kh], v, here);
          multiply_add (&high[kh], v, before);
        }
      before = here;
      here = after;
    }
#pragma GCC unroll 3
  for (int kh = 0; kh < 3; kh++)
    {
      *(Eight *) (dw + 3 * kh * step) = low[kh];
      *(Eight *) (dw + (3 * kh + 1) * step) = middle[kh];
      *(Eight *) (dw + (3 * kh + 2) * step) = high[kh];
    }
}

static void
add_nine_rows (const Gradient *g, const Room *room, const float *wide, int64_t y, int64_t n_rows,
               int kd)
{
  for (int64_t r = 0; r < n_rows; r++)
    {
      const float *x[3];

      for (int kh = 0; kh < 3; kh++)
        {
          const int64_t from = y + r + kh - 1;

          x[kh] = from >= 0 && from < g->height ? wide + from * g->width : room->zeros;
        }
      for (int64_t n = 0; n < g->n_narrow; n += LANES)
        add_nine (g, x, room->rows + n / LANES * g->block + r * (g->width + 2) * LANES,
                  room->sums + kd * 9 * g->n_narrow + n);
    }
}

static void
add_three_plane (const Gradient *g, const Room *room, int64_t plane)
{
  const int64_t sample = plane / g->depth, z = plane % g->depth - g->rim;

  for (int64_t y = 0; y < g->height; y += g->unit)
    {
      const int64_t n_rows = MIN (g->unit, g->height - y);

      take_rows (g, room, g->narrow + (plane * g->height + y) * g->width * g->n_narrow, n_rows);
      for (int kd = MAX (0, (int) -z); kd < g->kernel_depth && z + kd < g->wide_depth; kd++)
        {
          const float *wide =
              g->wide + (sample * g->wide_depth + z + kd) * g->height * g->width * g->n_wide;

          if (g->n_wide == 1)
            add_nine_rows (g, room, wide, y, n_rows, kd);
          else
            for (int kh = 0; kh < 3; kh++)
              add_three_rows (g, room, wide, y, n_rows, kd, kh);
        }
    }
}

/* dw [4 of n_wide][16 of n_narrow] of one tap; x is taken at every second position. */
static __attribute__ ((noinline)) void
add_two (const Gradient *g, const float *x, const float *y, int64_t n_rows, float *dw)
{
  Eight low[PART], high[PART];

#pragma GCC unroll 4
  for (int c = 0; c < PART; c++)
    {
      low[c] = *(const Eight *) (dw + c * g->n_narrow);
      high[c] = *(const Eight *) (dw + c * g->n_narrow + LANES);
    }
  for (int64_t r = 0; r < n_rows; r++, x += 2 * g->wide_width * g->n_wide)
    for (int64_t p = 0; p < g->width; p++, y += g->n_narrow)
      {
        const Eight first = *(const Eight *) y, second = *(const Eight *) (y + LANES);
        const float *from = x + 2 * p * g->n_wide;

#pragma GCC unroll 4
        for (int c = 0; c < PART; c++)
          {
            const Eight v = (Eight) _mm256_broadcast_ss (from + c);

            multiply_add (&low[c], v, first);
            multiply_add (&high[c], v, second);
          }
      }
#pragma GCC unroll 4
  for (int c = 0; c < PART; c++)
    {
      *(Eight *) (dw + c * g->n_narrow) = low[c];
      *(Eight *) (dw + c * g->n_narrow + LANES) = high[c];
    }
}

static void
add_two_plane (const Gradient *g, const Room *room, int64_t plane)
{
  const int64_t wide_row = g->wide_width * g->n_wide;
  const int64_t wide_plane =
      (plane / g->depth * g->wide_depth + 2 * (plane % g->depth)) * g->wide_height;

  for (int64_t y = 0; y < g->height; y += g->unit)
    for (int tap = 0; tap < 8; tap++)
      {
        const float *x = g->wide
                         + (wide_plane + tap / 4 * g->wide_height + 2 * y + tap / 2 % 2) * wide_row
                         + tap % 2 * g->n_wide;
        const float *from = g->narrow + (plane * g->height + y) * g->width * g->n_narrow;
        float *dw = room->sums + tap * g->n_wide * g->n_narrow;

        for (int64_t w = 0; w < g->n_wide; w += PART)
          for (int64_t n = 0; n < g->n_narrow; n += 2 * LANES)
            add_two (g, x + w, from + n, MIN (g->unit, g->height - y), dw + w * g->n_narrow + n);
      }
}

static void
flush (const Gradient *g, const Room *room)
{
  for (int64_t i = 0; i < g->n_weights; i++)
    room->total[i] += room->sums[i];
  memset (room->sums, 0, g->n_weights * sizeof (float));
}

static void
add_planes_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Gradient *g = data;
  const Room room = get_room (g, thread);
  int64_t n_summed = 0;

  for (int64_t plane = low; plane < high; plane++)
    {
      if (g->kernel == 3)
        add_three_plane (g, &room, plane);
      else
        add_two_plane (g, &room, plane);
      n_summed += g->height * g->width;
      if (n_summed < FLUSH_POSITIONS)
        continue;
      flush (g, &room);
      n_summed = 0;
    }
  flush (g, &room);
}

static bool
is_map (const SegBackendTensor *t)
{
  return t->rank == 5 && t->dtype == SEG_DTYPE_F32 && t->stride[1] == 1
         && t->stride[4] == t->shape[1] && t->stride[3] == t->stride[4] * t->shape[4]
         && t->stride[2] == t->stride[3] * t->shape[3]
         && (t->shape[0] == 1 || t->stride[0] == t->stride[2] * t->shape[2]);
}

static bool
is_three (const SegConvParams *p, const SegBackendTensor *weights)
{
  for (int a = 0; a < 3; a++)
    if (p->stride[a] != 1 || p->dilation[a] != 1 || (a > 0 && p->pad[a] != 1)
        || (a > 0 && weights->shape[2 + a] != 3))
      return false;
  return !p->transposed && weights->shape[2] >= 2 && weights->shape[2] <= 3 && p->pad[0] <= 1;
}

static bool
is_two (const SegConvParams *p, const SegBackendTensor *weights, const SegBackendTensor *wide,
        const SegBackendTensor *narrow)
{
  for (int a = 0; a < 3; a++)
    if (p->stride[a] != 2 || p->dilation[a] != 1 || p->pad[a] != 0 || weights->shape[2 + a] != 2
        || wide->shape[2 + a] < 2 * narrow->shape[2 + a])
      return false;
  return true;
}

bool
CPU_NAME (seg_cpu_has_weights) (const SegBackendCall *call)
{
  const SegConvParams *p = call->params;
  const SegBackendTensor *weights = call->out[0];
  const SegBackendTensor *wide = call->in[p->transposed ? 1 : 0];
  const SegBackendTensor *narrow = call->in[p->transposed ? 0 : 1];
  const int64_t n_pairs = wide->shape[1] * narrow->shape[1];

  if (p->n_spatial != 3 || p->groups != 1 || weights->rank != 5 || weights->dtype != SEG_DTYPE_F32
      || !is_map (wide) || !is_map (narrow))
    return false;
  /* large sums of few positions are better with oneDNN */
  if (seg_cpu_count (narrow) / narrow->shape[1] < MIN_POSITIONS)
    return false;
  if (is_three (p, weights))
    return (wide->shape[1] == 1 || wide->shape[1] % PART == 0) && narrow->shape[1] % LANES == 0
           && n_pairs <= MAX_PAIRS;
  return is_two (p, weights, wide, narrow) && wide->shape[1] % PART == 0
         && narrow->shape[1] % (2 * LANES) == 0 && n_pairs <= 8 * MAX_PAIRS;
}

/* Adds what the threads have found, in their order. */
static void
add_totals (const SegBackendCall *call, const Gradient *g, int n_threads)
{
  const SegBackendTensor *weights = call->out[0];
  const int64_t *stride = weights->stride;
  const int k = g->kernel;

  for (int64_t i = 0; i < g->n_weights; i++)
    {
      const int64_t n = i % g->n_narrow, w = i / g->n_narrow % g->n_wide;
      const int64_t tap = i / g->n_narrow / g->n_wide;
      double sum = 0;

      for (int thread = 0; thread < n_threads; thread++)
        sum += get_room (g, thread).total[i];
      ((float *) weights->data)[n * stride[0] + w * stride[1] + tap / (k * k) * stride[2]
                                + tap / k % k * stride[3] + tap % k * stride[4]] += (float) sum;
    }
}

static void
add_bias (const SegBackendCall *call, const Gradient *g, int n_threads)
{
  float *sums = call->out[1]->data;

  for (int64_t n = 0; n < g->n_narrow; n++)
    {
      double sum = 0;

      for (int thread = 0; thread < n_threads; thread++)
        sum += get_room (g, thread).bias[n];
      sums[n] += (float) sum;
    }
}

SegStatus
CPU_NAME (seg_cpu_run_weights) (SegBackendDevice *device, const SegBackendCall *call)
{
  const bool transposed = ((const SegConvParams *) call->params)->transposed;
  const SegBackendTensor *wide = call->in[transposed ? 1 : 0];
  const SegBackendTensor *narrow = call->in[transposed ? 0 : 1];
  Gradient g = { .wide = wide->data, .narrow = narrow->data };
  size_t size_bytes;

  if (!CPU_NAME (seg_cpu_has_weights) (call))
    return SEG_STATUS_UNSUPPORTED;
  g.n_wide = wide->shape[1];
  g.n_narrow = narrow->shape[1];
  g.depth = narrow->shape[2];
  g.height = narrow->shape[3];
  g.width = narrow->shape[4];
  g.wide_depth = wide->shape[2];
  g.wide_height = wide->shape[3];
  g.wide_width = wide->shape[4];
  g.kernel = (int) call->out[0]->shape[4];
  g.kernel_depth = (int) call->out[0]->shape[2];
  g.rim = ((const SegConvParams *) call->params)->pad[0];
  g.n_weights = g.kernel_depth * g.kernel * g.kernel * g.n_wide * g.n_narrow;
  g.unit = MIN (MAX ((g.kernel == 3 ? UNIT_POSITIONS : UNIT_OF_TWO) / g.width, 1), g.height);
  g.block = g.unit * (g.width + 2) * LANES;
  g.per_thread = 3 * g.n_weights + 2 * g.n_narrow + g.n_narrow / LANES * g.block + g.width;
  g.per_thread = (g.per_thread + 15) / 16 * 16;
  size_bytes = device->n_threads * g.per_thread * sizeof (float);
  g.memory = seg_cpu_scratch (device, size_bytes);
  if (g.memory == NULL)
    return SEG_STATUS_MEMORY;
  memset (g.memory, 0, size_bytes);
  seg_cpu_parallel (device, narrow->shape[0] * g.depth, 1, add_planes_cb, &g);
  add_totals (call, &g, device->n_threads);
  if (call->out[1] != NULL && g.kernel == 3)
    add_bias (call, &g, device->n_threads);
  else if (call->out[1] != NULL)
    device->sum_channels (device, call->in[1], call->out[1]);
  return SEG_STATUS_OK;
}

#else

bool
CPU_NAME (seg_cpu_has_weights) (const SegBackendCall *call)
{
  return false;
}

SegStatus
CPU_NAME (seg_cpu_run_weights) (SegBackendDevice *device, const SegBackendCall *call)
{
  return SEG_STATUS_UNSUPPORTED;
}

#endif
