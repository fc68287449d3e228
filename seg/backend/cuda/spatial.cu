/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cuda/device.h"

/* Pooling and resampling. Backward passes gather: each input asks which outputs it had a part in. */

struct Map
{
  View view;
  int64_t size[3]; /* missing axes 1, in front */
  int64_t step[3];
  int64_t channels;
};

static Map
get_map (const SegBackendTensor *tensor, int n_spatial)
{
  Map map = {};

  map.view = seg_view (tensor);
  map.channels = tensor->shape[1];
  for (int a = 0; a < 3; a++)
    {
      const int axis = 2 + a - (3 - n_spatial);

      map.size[a] = a < 3 - n_spatial ? 1 : tensor->shape[axis];
      map.step[a] = a < 3 - n_spatial ? 0 : tensor->stride[axis];
    }
  return map;
}

/* One element: sample and channel's start, and the three indices; features run fastest. */
struct At
{
  int64_t n, c, i[3];
};

SEG_HOST_DEVICE static inline At
get_at (const Map &map, int64_t t)
{
  At at;

  at.c = t % map.channels;
  t /= map.channels;
  for (int a = 2; a >= 0; a--)
    {
      at.i[a] = t % map.size[a];
      t /= map.size[a];
    }
  at.n = t;
  return at;
}

SEG_HOST_DEVICE static inline int64_t
get_base (const Map &map, const At &at)
{
  return at.n * map.view.stride[0] + at.c * map.view.stride[1];
}

SEG_HOST_DEVICE static inline int64_t
get_offset (const Map &map, int64_t base, const int64_t i[3])
{
  return base + i[0] * map.step[0] + i[1] * map.step[1] + i[2] * map.step[2];
}

struct Pool
{
  int kind;
  int64_t kernel[3], stride[3], pad[3]; /* missing axes 1, 1, 0 */
  Map in, out;
};

SEG_HOST_DEVICE static inline void
get_window (const Pool &pool, int a, int64_t o, int64_t *low, int64_t *high)
{
  if (pool.kind == SEG_POOL_ADAPTIVE_AVERAGE)
    {
      *low = o * pool.in.size[a] / pool.out.size[a];
      *high = ((o + 1) * pool.in.size[a] + pool.out.size[a] - 1) / pool.out.size[a];
      return;
    }
  *low = o * pool.stride[a] - pool.pad[a];
  *high = *low + pool.kernel[a];
}

/* Sum (average) or first maximum of output o's window in @values; @best: its place. */
SEG_HOST_DEVICE static inline float
look (const Pool &pool, const View &values, int64_t base, const int64_t o[3], int64_t best[3],
      float *count)
{
  int64_t low[3], high[3], i[3];
  float sum = pool.kind == SEG_POOL_MAX ? -INFINITY : 0;
  bool found = false;

  *count = 1;
  for (int a = 0; a < 3; a++)
    {
      get_window (pool, a, o[a], &low[a], &high[a]);
      *count *= (float) (high[a] - low[a]);
      low[a] = low[a] < 0 ? 0 : low[a];
      high[a] = high[a] > pool.in.size[a] ? pool.in.size[a] : high[a];
    }
  for (i[0] = low[0]; i[0] < high[0]; i[0]++)
    for (i[1] = low[1]; i[1] < high[1]; i[1]++)
      for (i[2] = low[2]; i[2] < high[2]; i[2]++)
        {
          const float value = seg_load (values, get_offset (pool.in, base, i));

          if (pool.kind != SEG_POOL_MAX)
            sum += value;
          else if (!found || value > sum)
            {
              sum = value;
              found = true;
              for (int a = 0; a < 3; a++)
                best[a] = i[a];
            }
        }
  return sum;
}

static void
pool_forward (SegBackendDevice *device, const Pool &pool)
{
  seg_launch (device, pool.out.view.n, [=] SEG_DEVICE (int64_t t) {
    const At at = get_at (pool.out, t);
    int64_t best[3];
    float count;
    const float sum = look (pool, pool.in.view, get_base (pool.in, at), at.i, best, &count);

    seg_store (pool.out.view, get_offset (pool.out, get_base (pool.out, at), at.i),
               pool.kind == SEG_POOL_MAX ? sum : sum / count);
  });
}

/* pool.in: din; pool.out: dout; @values: in. */
static void
pool_backward (SegBackendDevice *device, const Pool &pool, const Map &values)
{
  seg_launch (device, pool.in.view.n, [=] SEG_DEVICE (int64_t t) {
    const At at = get_at (pool.in, t);
    int64_t first[3], last[3], o[3];
    float sum = 0;

    for (int a = 0; a < 3; a++)
      {
        const int64_t n = pool.out.size[a];

        if (pool.kind == SEG_POOL_ADAPTIVE_AVERAGE)
          {
            first[a] = at.i[a] * n / pool.in.size[a];
            last[a] = ((at.i[a] + 1) * n + pool.in.size[a] - 1) / pool.in.size[a];
          }
        else
          {
            first[a] = (at.i[a] + pool.pad[a] - pool.kernel[a]) / pool.stride[a];
            last[a] = (at.i[a] + pool.pad[a]) / pool.stride[a];
          }
        first[a] = first[a] < 0 ? 0 : first[a];
        last[a] = last[a] >= n ? n - 1 : last[a];
      }
    for (o[0] = first[0]; o[0] <= last[0]; o[0]++)
      for (o[1] = first[1]; o[1] <= last[1]; o[1]++)
        for (o[2] = first[2]; o[2] <= last[2]; o[2]++)
          {
            bool inside = true;
            float dout, count = 1;

            for (int a = 0; a < 3; a++)
              {
                int64_t low, high;

                get_window (pool, a, o[a], &low, &high);
                inside = inside && at.i[a] >= low && at.i[a] < high;
                count *= (float) (high - low);
              }
            if (!inside)
              continue;
            dout = seg_load (pool.out.view, get_offset (pool.out, get_base (pool.out, at), o));
            if (pool.kind == SEG_POOL_MAX)
              {
                Pool forward = pool;
                int64_t best[3] = { -1, -1, -1 };
                float ignored;

                forward.in = values;
                look (forward, values.view, get_base (values, at), o, best, &ignored);
                if (best[0] == at.i[0] && best[1] == at.i[1] && best[2] == at.i[2])
                  sum += dout;
              }
            else
              sum += dout / count;
          }
    seg_store (pool.in.view, get_offset (pool.in, get_base (pool.in, at), at.i), sum);
  });
}

static void
run_pool (SegBackendDevice *device, const SegBackendCall *call, const SegPoolParams *params)
{
  const bool back = call->op == SEG_OP_POOL_BACKWARD;
  Pool pool = {};

  pool.kind = params->kind;
  for (int a = 0; a < 3; a++)
    {
      const int from = a - (3 - params->n_spatial);

      pool.kernel[a] = from < 0 ? 1 : params->kernel[from];
      pool.stride[a] = from < 0 ? 1 : params->stride[from];
      pool.pad[a] = from < 0 ? 0 : params->pad[from];
    }
  pool.in = get_map (back ? call->out[0] : call->in[0], params->n_spatial);
  pool.out = get_map (back ? call->in[1] : call->out[0], params->n_spatial);
  if (back)
    /* Averages have no need of the input; it may be absent. */
    pool_backward (device, pool,
                   params->kind == SEG_POOL_MAX ? get_map (call->in[0], params->n_spatial) : Map ());
  else
    pool_forward (device, pool);
}

/* --- resampling ----------------------------------------------------------------------------- */

struct Axis
{
  int64_t in, out;
  int linear, align_corners;
  double scale;
};

SEG_HOST_DEVICE static inline void
get_neighbours (const Axis &axis, int64_t o, int64_t *low, int64_t *high, float *share)
{
  double source;

  if (!axis.linear)
    {
      const int64_t at = (int64_t) floor ((double) o * axis.scale);

      *low = *high = at < axis.in - 1 ? at : axis.in - 1;
      *share = 0;
      return;
    }
  if (axis.align_corners)
    source = (double) o * axis.scale;
  else
    {
      source = ((double) o + 0.5) * axis.scale - 0.5;
      source = source < 0 ? 0 : source;
    }
  *low = (int64_t) floor (source);
  *low = *low < axis.in - 1 ? *low : axis.in - 1;
  *high = *low + 1 < axis.in ? *low + 1 : axis.in - 1;
  *share = (float) (source - (double) *low);
}

struct Resample
{
  Axis axis[3];
  Map in, out;
};

static void
resample_forward (SegBackendDevice *device, const Resample &r)
{
  seg_launch (device, r.out.view.n, [=] SEG_DEVICE (int64_t t) {
    const At at = get_at (r.out, t);
    const int64_t base = get_base (r.in, at);
    int64_t place[3][2];
    float share[3], sum = 0;

    for (int a = 0; a < 3; a++)
      get_neighbours (r.axis[a], at.i[a], &place[a][0], &place[a][1], &share[a]);
    for (int corner = 0; corner < 8; corner++)
      {
        float weight = 1;
        int64_t i[3];

        for (int a = 0; a < 3; a++)
          {
            const int high = corner >> a & 1;

            i[a] = place[a][high];
            weight *= high ? share[a] : 1 - share[a];
          }
        if (weight != 0)
          sum += weight * seg_load (r.in.view, get_offset (r.in, base, i));
      }
    seg_store (r.out.view, get_offset (r.out, get_base (r.out, at), at.i), sum);
  });
}

/* Outputs that may lean on input i: a little more than do. */
SEG_HOST_DEVICE static inline void
get_reach (const Axis &axis, int64_t i, int64_t *first, int64_t *last)
{
  if (axis.scale <= 0)
    {
      *first = 0;
      *last = axis.out - 1;
      return;
    }
  *first = i == 0 ? 0 : (int64_t) floor (((double) i - 1.5) / axis.scale) - 1;
  *last = i == axis.in - 1 ? axis.out - 1 : (int64_t) ceil (((double) i + 1.5) / axis.scale) + 1;
  *first = *first < 0 ? 0 : *first;
  *last = *last > axis.out - 1 ? axis.out - 1 : *last;
}

/* The weight of input i in output o along one axis. */
SEG_HOST_DEVICE static inline float
get_weight (const Axis &axis, int64_t o, int64_t i)
{
  int64_t low, high;
  float share;

  get_neighbours (axis, o, &low, &high, &share);
  return (low == i ? 1 - share : 0) + (high == i ? share : 0);
}

static void
resample_backward (SegBackendDevice *device, const Resample &r)
{
  seg_launch (device, r.in.view.n, [=] SEG_DEVICE (int64_t t) {
    const At at = get_at (r.in, t);
    const int64_t base = get_base (r.out, at);
    int64_t first[3], last[3], o[3];
    float sum = 0;

    for (int a = 0; a < 3; a++)
      get_reach (r.axis[a], at.i[a], &first[a], &last[a]);
    for (o[0] = first[0]; o[0] <= last[0]; o[0]++)
      {
        const float w0 = get_weight (r.axis[0], o[0], at.i[0]);

        for (o[1] = first[1]; w0 != 0 && o[1] <= last[1]; o[1]++)
          {
            const float w1 = w0 * get_weight (r.axis[1], o[1], at.i[1]);

            for (o[2] = first[2]; w1 != 0 && o[2] <= last[2]; o[2]++)
              {
                const float weight = w1 * get_weight (r.axis[2], o[2], at.i[2]);

                if (weight != 0)
                  sum += weight * seg_load (r.out.view, get_offset (r.out, base, o));
              }
          }
      }
    seg_store (r.in.view, get_offset (r.in, get_base (r.in, at), at.i), sum);
  });
}

static void
run_resample (SegBackendDevice *device, const SegBackendCall *call, const SegResampleParams *params)
{
  const bool back = call->op == SEG_OP_RESAMPLE_BACKWARD;
  Resample r = {};

  r.in = get_map (back ? call->out[0] : call->in[0], params->n_spatial);
  r.out = get_map (back ? call->in[0] : call->out[0], params->n_spatial);
  for (int a = 0; a < 3; a++)
    {
      Axis *axis = &r.axis[a];

      axis->in = r.in.size[a];
      axis->out = r.out.size[a];
      axis->linear = params->linear;
      axis->align_corners = params->align_corners;
      if (params->linear && params->align_corners)
        axis->scale = axis->out > 1 ? (double) (axis->in - 1) / (double) (axis->out - 1) : 0;
      else
        axis->scale = (double) axis->in / (double) axis->out;
    }
  if (back)
    resample_backward (device, r);
  else
    resample_forward (device, r);
}

SegStatus
seg_cuda_spatial (SegBackendDevice *device, const SegBackendCall *call)
{
  if (call->op == SEG_OP_POOL || call->op == SEG_OP_POOL_BACKWARD)
    run_pool (device, call, (const SegPoolParams *) call->params);
  else
    run_resample (device, call, (const SegResampleParams *) call->params);
  return SEG_STATUS_OK;
}
