/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/kernel.h"

SegStatus CPU_NAME (seg_cpu_run_narrow) (SegBackendDevice *device, const SegBackendCall *call);

/* Convolutions of 8 by 8 channels, 3 × 3 × 3, F32: the widest maps of a light V-Net. With so few
 * channels oneDNN leaves half of each vector empty. Here a vector holds the 8 channels of one
 * position, an input value is multiplied into the three neighbours along the last axis that it
 * belongs to, and planes are copied with a rim of zeros, so that no loop meets an edge.
 *
 * The gradient of the input is the same convolution with the weights turned round. */

#ifdef __AVX2__

#define CHANNELS 8
#define TAPS 27
#ifdef __AVX512VL__
#define RUN 24 /* positions in registers */
#define PART 8 /* input channels whose weight gradients are */
#else
#define RUN 8
#define PART 4
#endif
#define SHORT 8

typedef float Eight __attribute__ ((vector_size (32), aligned (4), may_alias));

typedef struct
{
  const float *in, *dout;
  float *out;
  const float *weights; /* [27][8 in][8 out] */
  const float *bias; /* or NULL */
  int64_t depth, height, width;
  int64_t row; /* floats of a padded row */
  int64_t plane; /* of a padded plane */
  float *memory; /* per thread: three padded planes of in, or one of dout and the sums */
  int64_t per_thread;
} Narrow;

/* A plane of [height][width][8] with a rim of zeros; the rim is there already. */
static void
pad_plane (const Narrow *c, const float *plane, float *padded)
{
  for (int64_t y = 0; y < c->height; y++)
    memcpy (padded + (y + 1) * c->row + CHANNELS, plane + y * c->width * CHANNELS,
            c->width * CHANNELS * sizeof (float));
}

/* @n outputs of a row from three rows of each of three planes. */
static inline __attribute__ ((always_inline)) void
convolve_run (const Narrow *c, const float *const *planes, int64_t offset, const int n, float *out)
{
  Eight sum[RUN];

  for (int i = 0; i < n; i++)
    sum[i] = c->bias != NULL ? *(const Eight *) c->bias : (Eight){ 0 };
  for (int kd = 0; kd < 3; kd++)
    for (int kh = 0; planes[kd] != NULL && kh < 3; kh++)
      {
        const float *x = planes[kd] + offset + kh * c->row;
        const float *w = c->weights + (kd * 3 + kh) * 3 * CHANNELS * CHANNELS;

        for (int channel = 0; channel < CHANNELS; channel++)
          {
            const Eight w0 = *(const Eight *) (w + channel * CHANNELS);
            const Eight w1 = *(const Eight *) (w + (CHANNELS + channel) * CHANNELS);
            const Eight w2 = *(const Eight *) (w + (2 * CHANNELS + channel) * CHANNELS);

#pragma GCC unroll 32
            for (int i = 0; i < n + 2; i++)
              {
                const float v = x[i * CHANNELS + channel];

                if (i < n)
                  sum[i] += v * w0;
                if (i >= 1 && i < n + 1)
                  sum[i - 1] += v * w1;
                if (i >= 2)
                  sum[i - 2] += v * w2;
              }
          }
      }
  for (int i = 0; i < n; i++)
    *(Eight *) (out + i * CHANNELS) = sum[i];
}

static void
convolve_row (const Narrow *c, const float *const *planes, int64_t y, float *out)
{
  int64_t x = 0;

  for (; x + RUN <= c->width; x += RUN)
    convolve_run (c, planes, y * c->row + x * CHANNELS, RUN, out + x * CHANNELS);
  for (; x < c->width; x += SHORT)
    {
      const int64_t n = MIN (SHORT, c->width - x);
      float rest[SHORT * CHANNELS];

      convolve_run (c, planes, y * c->row + x * CHANNELS, SHORT, rest);
      memcpy (out + x * CHANNELS, rest, n * CHANNELS * sizeof (float));
    }
}

static void
convolve_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Narrow *c = data;
  const int64_t size = c->height * c->width * CHANNELS;
  float *memory = c->memory + thread * c->per_thread;
  int64_t there[3] = { -1, -1, -1 }; /* which plane is in which place */

  for (int64_t plane = low; plane < high; plane++)
    {
      const int64_t z = plane % c->depth;
      const float *planes[3] = { NULL, NULL, NULL };

      for (int k = 0; k < 3; k++)
        {
          const int64_t which = plane + k - 1, place = which % 3;

          if (z + k - 1 < 0 || z + k - 1 >= c->depth)
            continue;
          if (there[place] != which)
            pad_plane (c, c->in + which * size, memory + place * c->plane);
          there[place] = which;
          planes[k] = memory + place * c->plane;
        }
      for (int64_t y = 0; y < c->height; y++)
        convolve_row (c, planes, y, c->out + plane * size + y * c->width * CHANNELS);
    }
}

/* dw [3][8 in][8 out] of one row: x is plain, dy begins one position of zeros before the row. */
static void
differentiate_row (const float *x, const float *dy, int64_t width, float *dw)
{
  for (int part = 0; part < CHANNELS; part += PART)
    {
      Eight sum[3][PART], before = *(const Eight *) dy, here = *(const Eight *) (dy + CHANNELS);

#pragma GCC unroll 32
      for (int i = 0; i < 3 * PART; i++)
        sum[i / PART][i % PART] =
            *(const Eight *) (dw + (i / PART * CHANNELS + part + i % PART) * CHANNELS);
      for (int64_t p = 0; p < width; p++)
        {
          const Eight after = *(const Eight *) (dy + (p + 2) * CHANNELS);

#pragma GCC unroll 8
          for (int channel = 0; channel < PART; channel++)
            {
              const float v = x[p * CHANNELS + part + channel];

              sum[0][channel] += v * after;
              sum[1][channel] += v * here;
              sum[2][channel] += v * before;
            }
          before = here;
          here = after;
        }
#pragma GCC unroll 32
      for (int i = 0; i < 3 * PART; i++)
        *(Eight *) (dw + (i / PART * CHANNELS + part + i % PART) * CHANNELS) =
            sum[i / PART][i % PART];
    }
}

#define N_WEIGHTS (TAPS * CHANNELS * CHANNELS)

/* Floats over a plane, doubles over the planes: [N_WEIGHTS] doubles lead the thread's memory. */
static void
differentiate_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Narrow *c = data;
  const int64_t size = c->height * c->width * CHANNELS;
  double *total = (double *) (c->memory + thread * c->per_thread);
  float *sums = (float *) (total + N_WEIGHTS), *padded = sums + N_WEIGHTS;

  for (int64_t plane = low; plane < high; plane++)
    {
      const int64_t z = plane % c->depth;

      pad_plane (c, c->dout + plane * size, padded);
      memset (sums, 0, N_WEIGHTS * sizeof *sums);
      for (int64_t y = 0; y < c->height; y++)
        for (int tap = 0; tap < 9; tap++)
          {
            const int64_t from_z = z + tap / 3 - 1, from_y = y + tap % 3 - 1;

            if (from_z >= 0 && from_z < c->depth && from_y >= 0 && from_y < c->height)
              differentiate_row (
                  c->in + (plane + tap / 3 - 1) * size + from_y * c->width * CHANNELS,
                  padded + (y + 1) * c->row, c->width, sums + tap * 3 * CHANNELS * CHANNELS);
          }
      for (int i = 0; i < N_WEIGHTS; i++)
        total[i] += sums[i];
    }
}

static bool
is_map (const SegBackendTensor *t)
{
  return t->rank == 5 && t->dtype == SEG_DTYPE_F32 && t->shape[1] == CHANNELS && t->stride[1] == 1
         && t->stride[4] == CHANNELS && t->stride[3] == t->stride[4] * t->shape[4]
         && t->stride[2] == t->stride[3] * t->shape[3]
         && (t->shape[0] == 1 || t->stride[0] == t->stride[2] * t->shape[2]);
}

static bool
is_ours (const SegBackendCall *call)
{
  const SegConvParams *p = call->params;
  const bool to_weights = call->op == SEG_OP_CONV_BACKWARD_WEIGHTS;
  const SegBackendTensor *weights = to_weights ? call->out[0] : call->in[1];

  if (p->n_spatial != 3 || p->groups != 1 || p->transposed || weights->dtype != SEG_DTYPE_F32
      || weights->rank != 5 || weights->shape[0] != CHANNELS || weights->shape[1] != CHANNELS)
    return false;
  for (int a = 0; a < 3; a++)
    if (p->stride[a] != 1 || p->pad[a] != 1 || p->dilation[a] != 1 || weights->shape[2 + a] != 3)
      return false;
  return is_map (call->in[0]) && is_map (to_weights ? call->in[1] : call->out[0])
         && call->in[0]->shape[4] >= 2;
}

/* The place of a weight: @turned for the gradient of the input. */
static float *
find_weight (const SegBackendTensor *weights, int tap, int in, int out, bool turned)
{
  const int64_t *stride = weights->stride;
  const int from = turned ? TAPS - 1 - tap : tap;

  return (float *) weights->data + (turned ? in : out) * stride[0] + (turned ? out : in) * stride[1]
         + from / 9 * stride[2] + from / 3 % 3 * stride[3] + from % 3 * stride[4];
}

static SegStatus
run_convolution (SegBackendDevice *device, const SegBackendCall *call, Narrow *c, int64_t n_planes)
{
  const bool turned = call->op == SEG_OP_CONV_BACKWARD_DATA;
  float weights[N_WEIGHTS];

  for (int i = 0; i < N_WEIGHTS; i++)
    weights[i] = *find_weight (call->in[1], i / 64, i / 8 % 8, i % 8, turned);
  c->in = call->in[0]->data;
  c->out = call->out[0]->data;
  c->weights = weights;
  c->bias = !turned && call->in[2] != NULL ? call->in[2]->data : NULL;
  c->per_thread = 3 * c->plane;
  c->memory = seg_cpu_scratch (device, device->n_threads * c->per_thread * sizeof (float));
  if (c->memory == NULL)
    return SEG_STATUS_MEMORY;
  memset (c->memory, 0, device->n_threads * c->per_thread * sizeof (float));
  seg_cpu_parallel (device, n_planes, 1, convolve_cb, c);
  return SEG_STATUS_OK;
}

static SegStatus
run_weights (SegBackendDevice *device, const SegBackendCall *call, Narrow *c, int64_t n_planes)
{
  c->in = call->in[0]->data;
  c->dout = call->in[1]->data;
  c->per_thread = c->plane + 3 * N_WEIGHTS; /* doubles, floats, the plane */
  c->memory = seg_cpu_scratch (device, device->n_threads * c->per_thread * sizeof (float));
  if (c->memory == NULL)
    return SEG_STATUS_MEMORY;
  memset (c->memory, 0, device->n_threads * c->per_thread * sizeof (float));
  seg_cpu_parallel (device, n_planes, 1, differentiate_cb, c);
  for (int thread = 0; thread < device->n_threads; thread++)
    {
      const double *total = (const double *) (c->memory + thread * c->per_thread);

      for (int i = 0; i < N_WEIGHTS; i++)
        *find_weight (call->out[0], i / 64, i / 8 % 8, i % 8, false) += (float) total[i];
    }
  if (call->out[1] != NULL)
    device->sum_channels (device, call->in[1], call->out[1]);
  return SEG_STATUS_OK;
}

SegStatus
CPU_NAME (seg_cpu_run_narrow) (SegBackendDevice *device, const SegBackendCall *call)
{
  const int64_t *shape = call->in[0]->shape;
  Narrow c = { .depth = shape[2], .height = shape[3], .width = shape[4] };

  if (!is_ours (call))
    return SEG_STATUS_UNSUPPORTED;
  c.row = ((c.width + SHORT - 1) / SHORT * SHORT + 2) * CHANNELS;
  c.plane = c.row * (c.height + 2);
  if (call->op == SEG_OP_CONV_BACKWARD_WEIGHTS)
    return run_weights (device, call, &c, shape[0] * shape[2]);
  return run_convolution (device, call, &c, shape[0] * shape[2]);
}

#else

SegStatus
CPU_NAME (seg_cpu_run_narrow) (SegBackendDevice *device, const SegBackendCall *call)
{
  return SEG_STATUS_UNSUPPORTED;
}

#endif
