/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/kernel.h"

#include <stdlib.h>

SegStatus CPU_NAME (seg_cpu_run_spatial) (SegBackendDevice *device, const SegBackendCall *call);

/* Pooling and resampling of channels-last maps: positions outside, channels inside. Backward of
 * both gathers: each position of the larger-gradient map asks who used it, so threads never meet.
 */

#define PIECE 256 /* channels at a time */

typedef struct
{
  const SegBackendCall *call;
  int n_spatial;
  int64_t in[3], out[3], channels; /* the input map of forward, the output map */
} Maps;

static void
get_sizes (const SegBackendTensor *map, int n_spatial, int64_t size[3])
{
  for (int a = 0; a < 3; a++)
    size[a] = a < 3 - n_spatial ? 1 : map->shape[2 + a - (3 - n_spatial)];
}

static int64_t
product (const int64_t size[3])
{
  return size[0] * size[1] * size[2];
}

static void
get_window (const SegPoolParams *p, int axis, int64_t at, int64_t in, int64_t out, int64_t *low,
            int64_t *high)
{
  const int a = axis - (3 - p->n_spatial);

  if (a < 0)
    {
      *low = 0;
      *high = 1;
    }
  else if (p->kind == SEG_POOL_ADAPTIVE_AVERAGE)
    {
      *low = at * in / out;
      *high = ((at + 1) * in + out - 1) / out;
    }
  else
    {
      *low = at * p->stride[a] - p->pad[a];
      *high = *low + p->kernel[a];
    }
}

static void
pool_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Maps *m = data;
  const SegPoolParams *p = m->call->params;
  float sum[PIECE], block[PIECE];

  for (int64_t o = low; o < high; o++)
    for (int64_t c = 0; c < m->channels; c += PIECE)
      {
        const int n = (int) MIN (PIECE, m->channels - c);
        const int64_t position = o % product (m->out);
        const int64_t sample = o / product (m->out) * product (m->in);
        const int64_t at[3] = { position / (m->out[1] * m->out[2]),
                                position / m->out[2] % m->out[1], position % m->out[2] };
        int64_t from[3], to[3];
        float count = 1;

        for (int a = 0; a < 3; a++)
          {
            get_window (p, a, at[a], m->in[a], m->out[a], &from[a], &to[a]);
            count *= (float) (to[a] - from[a]);
            from[a] = MAX (from[a], 0);
            to[a] = MIN (to[a], m->in[a]);
          }
        for (int i = 0; i < n; i++)
          sum[i] = p->kind == SEG_POOL_MAX ? -INFINITY : 0;
        for (int64_t z = from[0]; z < to[0]; z++)
          for (int64_t y = from[1]; y < to[1]; y++)
            for (int64_t x = from[2]; x < to[2]; x++)
              {
                const int64_t i0 = sample + (z * m->in[1] + y) * m->in[2] + x;
                const float *v = fetch (m->call->in[0], i0 * m->channels + c, n, block);

                if (p->kind == SEG_POOL_MAX)
                  for (int i = 0; i < n; i++)
                    sum[i] = v[i] > sum[i] ? v[i] : sum[i];
                else
                  for (int i = 0; i < n; i++)
                    sum[i] += v[i];
              }
        if (p->kind != SEG_POOL_MAX)
          for (int i = 0; i < n; i++)
            sum[i] /= count;
        commit (m->call->out[0], o * m->channels + c, 1, n, sum);
      }
}

/* Samples and slabs of channels are shared out, so that overlapping windows may scatter. */
static void
pool_backward_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Maps *m = data;
  const SegBackendTensor *din = m->call->out[0];
  const SegPoolParams *p = m->call->params;
  const int64_t pieces = (m->channels + 15) / 16;
  float best[16], block[16], dblock[16], value[16];
  int64_t place[16];

  for (int64_t job = low; job < high; job++)
    {
      const int64_t sample = job / pieces, c = job % pieces * 16;
      const int n = (int) MIN (16, m->channels - c);

      memset (value, 0, sizeof value);
      for (int64_t i = 0; i < product (m->in); i++)
        commit (din, (sample * product (m->in) + i) * m->channels + c, 1, n, value);
      for (int64_t o = 0; o < product (m->out); o++)
        {
          const int64_t at[3] = { o / (m->out[1] * m->out[2]), o / m->out[2] % m->out[1],
                                  o % m->out[2] };
          const float *dout =
              fetch (m->call->in[1], (sample * product (m->out) + o) * m->channels + c, n, dblock);
          int64_t from[3], to[3];
          float count = 1;

          for (int a = 0; a < 3; a++)
            {
              get_window (p, a, at[a], m->in[a], m->out[a], &from[a], &to[a]);
              count *= (float) (to[a] - from[a]);
              from[a] = MAX (from[a], 0);
              to[a] = MIN (to[a], m->in[a]);
            }
          for (int i = 0; i < 16; i++)
            {
              best[i] = -INFINITY;
              place[i] = -1;
            }
          for (int64_t z = from[0]; z < to[0]; z++)
            for (int64_t y = from[1]; y < to[1]; y++)
              for (int64_t x = from[2]; x < to[2]; x++)
                {
                  const int64_t offset =
                      (sample * product (m->in) + (z * m->in[1] + y) * m->in[2] + x) * m->channels
                      + c;

                  if (p->kind == SEG_POOL_MAX)
                    {
                      const float *v = fetch (m->call->in[0], offset, n, block);

                      for (int i = 0; i < n; i++)
                        if (place[i] < 0 || v[i] > best[i])
                          {
                            best[i] = v[i];
                            place[i] = offset + i;
                          }
                    }
                  else
                    {
                      const float *old = fetch (din, offset, n, block);

                      for (int i = 0; i < n; i++)
                        value[i] = old[i] + dout[i] / count;
                      commit (din, offset, 1, n, value);
                    }
                }
          for (int i = 0; p->kind == SEG_POOL_MAX && i < n; i++)
            if (place[i] >= 0)
              {
                const float sum = *fetch (din, place[i], 1, block) + dout[i];

                commit (din, place[i], 1, 1, &sum);
              }
        }
    }
}

/* For each axis: the two sources of an output position and the upper one's share; and for backward
 * the outputs that use a source, as a range (they are neighbours). */
typedef struct
{
  int64_t low, high;
  float share;
} Source;

typedef struct
{
  Maps maps;
  Source *source[3]; /* [out] */
  int64_t *first[3]; /* [in + 1]: outputs whose sources may include this one */
  int64_t *last[3];
} Resample;

static Source
get_source (const SegResampleParams *p, int64_t at, int64_t in, int64_t out)
{
  double source;
  Source s;

  if (!p->linear)
    {
      s.low = s.high = MIN ((int64_t) floor (at * ((double) in / out)), in - 1);
      s.share = 0;
      return s;
    }
  if (p->align_corners)
    source = out > 1 ? at * ((double) (in - 1) / (out - 1)) : 0;
  else
    source = (at + 0.5) * ((double) in / out) - 0.5;
  source = MAX (source, 0);
  s.low = MIN ((int64_t) source, in - 1);
  s.high = MIN (s.low + 1, in - 1);
  s.share = (float) (source - s.low);
  return s;
}

static bool
resample_init (Resample *r, SegBackendDevice *device, const SegResampleParams *p)
{
  const Maps *m = &r->maps;
  size_t size = 0;
  uint8_t *memory;

  for (int a = 0; a < 3; a++)
    size += m->out[a] * sizeof (Source) + 2 * m->in[a] * sizeof (int64_t);
  memory = seg_cpu_scratch (device, size);
  if (memory == NULL)
    return false;
  for (int a = 0; a < 3; a++)
    {
      r->source[a] = (Source *) memory;
      memory += m->out[a] * sizeof (Source);
      r->first[a] = (int64_t *) memory;
      r->last[a] = r->first[a] + m->in[a];
      memory += 2 * m->in[a] * sizeof (int64_t);
      for (int64_t i = 0; i < m->in[a]; i++)
        {
          r->first[a][i] = m->out[a];
          r->last[a][i] = -1;
        }
      for (int64_t o = 0; o < m->out[a]; o++)
        {
          const Source s = get_source (p, o, m->in[a], m->out[a]);

          r->source[a][o] = s;
          r->first[a][s.low] = MIN (r->first[a][s.low], o);
          r->last[a][s.low] = MAX (r->last[a][s.low], o);
          r->first[a][s.high] = MIN (r->first[a][s.high], o);
          r->last[a][s.high] = MAX (r->last[a][s.high], o);
        }
    }
  return true;
}

static void
resample_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Resample *r = data;
  const Maps *m = &r->maps;
  float sum[PIECE], block[PIECE];

  for (int64_t o = low; o < high; o++)
    for (int64_t c = 0; c < m->channels; c += PIECE)
      {
        const int n = (int) MIN (PIECE, m->channels - c);
        const int64_t position = o % product (m->out);
        const int64_t sample = o / product (m->out) * product (m->in);
        const Source s[3] = { r->source[0][position / (m->out[1] * m->out[2])],
                              r->source[1][position / m->out[2] % m->out[1]],
                              r->source[2][position % m->out[2]] };

        memset (sum, 0, n * sizeof *sum);
        for (int corner = 0; corner < 8; corner++)
          {
            float share = 1;
            int64_t at[3];
            const float *v;

            for (int a = 0; a < 3; a++)
              {
                at[a] = corner >> a & 1 ? s[a].high : s[a].low;
                share *= corner >> a & 1 ? s[a].share : 1 - s[a].share;
              }
            if (share == 0)
              continue;
            v = fetch (m->call->in[0],
                       (sample + (at[0] * m->in[1] + at[1]) * m->in[2] + at[2]) * m->channels + c,
                       n, block);
            for (int i = 0; i < n; i++)
              sum[i] += share * v[i];
          }
        commit (m->call->out[0], o * m->channels + c, 1, n, sum);
      }
}

static float
get_share (const Source *s, int64_t i)
{
  return (s->low == i ? 1 - s->share : 0) + (s->high == i ? s->share : 0);
}

static void
resample_backward_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Resample *r = data;
  const Maps *m = &r->maps;
  float sum[PIECE], block[PIECE];

  for (int64_t i0 = low; i0 < high; i0++)
    for (int64_t c = 0; c < m->channels; c += PIECE)
      {
        const int n = (int) MIN (PIECE, m->channels - c);
        const int64_t position = i0 % product (m->in);
        const int64_t sample = i0 / product (m->in) * product (m->out);
        const int64_t at[3] = { position / (m->in[1] * m->in[2]), position / m->in[2] % m->in[1],
                                position % m->in[2] };

        memset (sum, 0, n * sizeof *sum);
        for (int64_t z = r->first[0][at[0]]; z <= r->last[0][at[0]]; z++)
          for (int64_t y = r->first[1][at[1]]; y <= r->last[1][at[1]]; y++)
            for (int64_t x = r->first[2][at[2]]; x <= r->last[2][at[2]]; x++)
              {
                const float share = get_share (&r->source[0][z], at[0])
                                    * get_share (&r->source[1][y], at[1])
                                    * get_share (&r->source[2][x], at[2]);
                const float *v;

                if (share == 0)
                  continue;
                v = fetch (m->call->in[0],
                           (sample + (z * m->out[1] + y) * m->out[2] + x) * m->channels + c, n,
                           block);
                for (int i = 0; i < n; i++)
                  sum[i] += share * v[i];
              }
        commit (m->call->out[0], i0 * m->channels + c, 1, n, sum);
      }
}

SegStatus
CPU_NAME (seg_cpu_run_spatial) (SegBackendDevice *device, const SegBackendCall *call)
{
  const bool pool = call->op == SEG_OP_POOL || call->op == SEG_OP_POOL_BACKWARD;
  const bool back = call->op == SEG_OP_POOL_BACKWARD || call->op == SEG_OP_RESAMPLE_BACKWARD;
  const SegBackendTensor *narrow = back ? (pool ? call->in[1] : call->in[0]) : call->out[0];
  const SegBackendTensor *wide = back ? call->out[0] : call->in[0];
  Resample r = { .maps = { .call = call } };
  Maps *m = &r.maps;
  int64_t grain;

  m->n_spatial = wide->rank - 2;
  m->channels = wide->shape[1];
  get_sizes (wide, m->n_spatial, m->in);
  get_sizes (narrow, m->n_spatial, m->out);
  grain = MAX (1, GRAIN / 8 / m->channels);
  if (!pool && !resample_init (&r, device, call->params))
    return SEG_STATUS_MEMORY;
  if (pool && !back)
    seg_cpu_parallel (device, wide->shape[0] * product (m->out), grain, pool_cb, m);
  else if (pool)
    seg_cpu_parallel (device, wide->shape[0] * ((m->channels + 15) / 16), 1, pool_backward_cb, m);
  else if (!back)
    seg_cpu_parallel (device, wide->shape[0] * product (m->out), grain, resample_cb, &r);
  else
    seg_cpu_parallel (device, wide->shape[0] * product (m->in), grain, resample_backward_cb, &r);
  return SEG_STATUS_OK;
}
