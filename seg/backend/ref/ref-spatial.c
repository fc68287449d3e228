/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/ref/ref-private.h"

#include <math.h>

/* Axes padded to three by ones in front. */
static void
get_sizes (const Ref *map, int n_spatial, int64_t size[3])
{
  for (int a = 0; a < 3; a++)
    size[a] = a < 3 - n_spatial ? 1 : map->shape[2 + a - (3 - n_spatial)];
}

typedef struct
{
  int64_t low, high;
} Window;

static Window
get_window (const SegPoolParams *params, int axis, int64_t at, int64_t in, int64_t out)
{
  const int a = axis - (3 - params->n_spatial);

  if (a < 0)
    return (Window){ 0, 1 };
  if (params->kind == SEG_POOL_ADAPTIVE_AVERAGE)
    return (Window){ at * in / out, ((at + 1) * in + out - 1) / out };
  return (Window){ at * params->stride[a] - params->pad[a],
                   at * params->stride[a] - params->pad[a] + params->kernel[a] };
}

static void
pool (RefCall *call, const SegPoolParams *params, bool back)
{
  Ref *wide = back ? &call->out[0] : &call->in[0];
  Ref *narrow = back ? &call->in[1] : &call->out[0];
  Ref *values = &call->in[0]; /* for the maximum */
  int64_t in[3], out[3];

  get_sizes (wide, params->n_spatial, in);
  get_sizes (narrow, params->n_spatial, out);
  for (int64_t i = 0; back && i < wide->n; i++)
    wide->v[i] = 0;
  for (int64_t o = 0; o < narrow->n; o++)
    {
      const int64_t plane = o / (out[0] * out[1] * out[2]) * in[0] * in[1] * in[2];
      const Window wz = get_window (params, 0, o / (out[1] * out[2]) % out[0], in[0], out[0]);
      const Window wy = get_window (params, 1, o / out[2] % out[1], in[1], out[1]);
      const Window wx = get_window (params, 2, o % out[2], in[2], out[2]);
      const double count = (double) (wz.high - wz.low) * (wy.high - wy.low) * (wx.high - wx.low);
      int64_t best = -1;
      double sum = 0;

      for (int64_t z = wz.low; z < wz.high; z++)
        for (int64_t y = wy.low; y < wy.high; y++)
          for (int64_t x = wx.low; x < wx.high; x++)
            {
              const int64_t i = plane + (z * in[1] + y) * in[2] + x;

              if (z < 0 || y < 0 || x < 0 || z >= in[0] || y >= in[1] || x >= in[2])
                continue;
              if (params->kind != SEG_POOL_MAX && back)
                wide->v[i] += narrow->v[o] / count;
              else if (params->kind != SEG_POOL_MAX)
                sum += wide->v[i];
              else if (best < 0 || values->v[i] > values->v[best])
                best = i;
            }
      if (params->kind != SEG_POOL_MAX && !back)
        narrow->v[o] = sum / count;
      else if (params->kind == SEG_POOL_MAX && back && best >= 0)
        wide->v[best] += narrow->v[o];
      else if (params->kind == SEG_POOL_MAX && !back)
        narrow->v[o] = best >= 0 ? values->v[best] : -INFINITY;
    }
}

/* The two neighbours of an output position along one axis, and the share of the upper. */
typedef struct
{
  int64_t low, high;
  double share;
} Neighbours;

static Neighbours
get_neighbours (const SegResampleParams *params, int64_t at, int64_t in, int64_t out)
{
  double source;
  Neighbours n;

  if (!params->linear)
    {
      n.low = n.high = (int64_t) fmin (floor (at * ((double) in / out)), in - 1);
      n.share = 0;
      return n;
    }
  if (params->align_corners)
    source = out > 1 ? at * ((double) (in - 1) / (out - 1)) : 0;
  else
    source = fmax ((at + 0.5) * ((double) in / out) - 0.5, 0);
  n.low = (int64_t) fmin (floor (source), in - 1);
  n.high = n.low + 1 < in ? n.low + 1 : in - 1;
  n.share = source - n.low;
  return n;
}

static void
resample (RefCall *call, const SegResampleParams *params, bool back)
{
  Ref *source = back ? &call->out[0] : &call->in[0];
  Ref *target = back ? &call->in[0] : &call->out[0];
  int64_t in[3], out[3];

  get_sizes (source, params->n_spatial, in);
  get_sizes (target, params->n_spatial, out);
  for (int64_t i = 0; back && i < source->n; i++)
    source->v[i] = 0;
  for (int64_t o = 0; o < target->n; o++)
    {
      const int64_t plane = o / (out[0] * out[1] * out[2]) * in[0] * in[1] * in[2];
      const Neighbours n[3] = {
        get_neighbours (params, o / (out[1] * out[2]) % out[0], in[0], out[0]),
        get_neighbours (params, o / out[2] % out[1], in[1], out[1]),
        get_neighbours (params, o % out[2], in[2], out[2]),
      };
      double sum = 0;

      for (int corner = 0; corner < 8; corner++)
        {
          double share = 1;
          int64_t at[3], i;

          for (int a = 0; a < 3; a++)
            {
              const bool high = corner >> a & 1;

              at[a] = high ? n[a].high : n[a].low;
              share *= high ? n[a].share : 1 - n[a].share;
            }
          i = plane + (at[0] * in[1] + at[1]) * in[2] + at[2];
          if (share == 0)
            continue;
          if (back)
            source->v[i] += share * target->v[o];
          else
            sum += share * source->v[i];
        }
      if (!back)
        target->v[o] = sum;
    }
}

SegStatus
seg_ref_spatial (RefCall *call)
{
  const void *params = call->call->params;

  switch (call->call->op)
    {
    case SEG_OP_POOL:
      pool (call, params, false);
      return SEG_STATUS_OK;
    case SEG_OP_POOL_BACKWARD:
      pool (call, params, true);
      return SEG_STATUS_OK;
    case SEG_OP_RESAMPLE:
      resample (call, params, false);
      return SEG_STATUS_OK;
    default:
      resample (call, params, true);
      return SEG_STATUS_OK;
    }
}
