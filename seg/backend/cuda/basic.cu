/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cuda/device.h"

static void
fill (SegBackendDevice *device, const View &out, float value)
{
  const bool dense = seg_is_dense (out);

  seg_launch (device, out.n, [=] SEG_DEVICE (int64_t i) {
    seg_store (out, dense ? i : seg_offset (out, i), value);
  });
}

static void
copy (SegBackendDevice *device, const View &out, const View &in)
{
  const bool alike = seg_is_alike (out, in);
  const bool whole = out.dtype >= SEG_DTYPE_U8 && in.dtype >= SEG_DTYPE_U8;

  seg_launch (device, out.n, [=] SEG_DEVICE (int64_t i) {
    const int64_t to = alike ? i : seg_offset (out, i), from = alike ? i : seg_offset (in, i);

    if (whole) /* f32 would lose the low bits of large indices */
      seg_store_index (out, to, seg_load_index (in, from));
    else
      seg_store (out, to, seg_load (in, from));
  });
}

static void
fill_random (SegBackendDevice *device, const View &out, const SegRandomParams *params)
{
  const uint64_t seed = params->seed, offset = params->offset;
  const int normal = params->normal;
  const float a = (float) params->a, b = (float) params->b;

  seg_launch (device, out.n, [=] SEG_DEVICE (int64_t i) {
    float value;

    if (normal)
      {
        const float radius = sqrtf (-2 * logf (1 - seg_uniform (seed, offset, i & ~(int64_t) 1)));
        const float angle = 6.283185307179586f * seg_uniform (seed, offset, i | 1);

        value = a + b * radius * (i & 1 ? sinf (angle) : cosf (angle));
      }
    else
      value = a + (b - a) * seg_uniform (seed, offset, i);
    seg_store (out, i, value);
  });
}

static void
unary (SegBackendDevice *device, const View &out, const View &in, const SegUnaryParams *params)
{
  const int act = params->act;
  const float a = (float) params->a, b = (float) params->b;
  const bool alike = seg_is_alike (out, in);

  seg_launch (device, out.n, [=] SEG_DEVICE (int64_t i) {
    const int64_t to = alike ? i : seg_offset (out, i), from = alike ? i : seg_offset (in, i);

    seg_store (out, to, seg_act (act, seg_load (in, from), a, b));
  });
}

static void
unary_backward (SegBackendDevice *device, const View &din, const View &in, const View &dout,
                const SegUnaryParams *params)
{
  const int act = params->act;
  const float a = (float) params->a, b = (float) params->b;
  const bool alike = seg_is_alike (din, in) && seg_is_alike (din, dout);

  seg_launch (device, din.n, [=] SEG_DEVICE (int64_t i) {
    const int64_t to = alike ? i : seg_offset (din, i), x = alike ? i : seg_offset (in, i);
    const int64_t dy = alike ? i : seg_offset (dout, i);

    seg_store (din, to, seg_load (dout, dy) * seg_act_derivative (act, seg_load (in, x), a, b));
  });
}

SEG_HOST_DEVICE static inline float
combine (int kind, float a, float b)
{
  switch (kind)
    {
    case SEG_BINARY_ADD:
      return a + b;
    case SEG_BINARY_SUB:
      return a - b;
    case SEG_BINARY_MUL:
      return a * b;
    case SEG_BINARY_DIV:
      return a / b;
    case SEG_BINARY_MAX:
      return a > b || a != a ? a : b;
    case SEG_BINARY_MIN:
      return a < b || a != a ? a : b;
    case SEG_BINARY_GREATER:
      return a > b ? 1.0f : 0.0f;
    default:
      return a == b ? 1.0f : 0.0f;
    }
}

static void
binary (SegBackendDevice *device, const View &out, const View &a, const View &b, int kind)
{
  const bool alike_a = seg_is_alike (out, a), alike_b = seg_is_alike (out, b);

  seg_launch (device, out.n, [=] SEG_DEVICE (int64_t i) {
    if (alike_a && alike_b)
      seg_store (out, i, combine (kind, seg_load (a, i), seg_load (b, i)));
    else
      seg_store (out, seg_offset (out, i),
                 combine (kind, seg_load (a, seg_offset (a, i)), seg_load (b, seg_offset (b, i))));
  });
}

/* --- reductions ----------------------------------------------------------------------------- */

/* The axes of a tensor that stay and those that go, each in order. */
struct Split
{
  View kept, gone;
};

static Split
split_axes (const View &in, unsigned axes)
{
  Split split = {};

  split.kept = split.gone = in;
  split.kept.rank = split.gone.rank = 0;
  split.kept.n = split.gone.n = 1;
  for (int a = 0; a < in.rank; a++)
    {
      View *part = axes >> a & 1 ? &split.gone : &split.kept;

      part->shape[part->rank] = in.shape[a];
      part->stride[part->rank++] = in.stride[a];
      part->n *= in.shape[a];
    }
  return split;
}

static void
arg_max (SegBackendDevice *device, const View &out, const View &in, const Split &split)
{
  const View kept = split.kept, gone = split.gone;

  seg_launch (device, kept.n, [=] SEG_DEVICE (int64_t o) {
    const int64_t base = seg_offset (kept, o);
    float best = -INFINITY;
    int64_t place = 0;

    for (int64_t r = 0; r < gone.n; r++)
      {
        const float value = seg_load (in, base + seg_offset (gone, r));

        if (value > best)
          {
            best = value;
            place = r;
          }
      }
    if (out.dtype >= SEG_DTYPE_U8)
      seg_store_index (out, seg_offset (out, o), place);
    else
      seg_store (out, seg_offset (out, o), (float) place);
  });
}

SEG_HOST_DEVICE static inline float
reduce_step (int kind, float sum, float value)
{
  return kind == SEG_REDUCE_MAX           ? fmaxf (sum, value)
         : kind == SEG_REDUCE_MIN         ? fminf (sum, value)
         : kind == SEG_REDUCE_SUM_SQUARES ? sum + value * value
                                          : sum + value;
}

static SegStatus
reduce (SegBackendDevice *device, const View &out, const View &in, const SegReduceParams *params)
{
  const Split split = split_axes (in, params->axes);
  const View kept = split.kept, gone = split.gone;
  const int kind = params->kind;
  const int64_t chunks = seg_chunks (gone.n);
  const float start = kind == SEG_REDUCE_MAX ? -INFINITY : kind == SEG_REDUCE_MIN ? INFINITY : 0;
  float *partial;

  if (kind == SEG_REDUCE_ARGMAX)
    {
      arg_max (device, out, in, split);
      return SEG_STATUS_OK;
    }
  partial = (float *) seg_cuda_scratch (device, SCRATCH_SUMS,
                                        sizeof (float) * (size_t) (chunks * kept.n));
  if (partial == nullptr && kept.n > 0)
    return SEG_STATUS_MEMORY;
  seg_launch (device, chunks * kept.n, [=] SEG_DEVICE (int64_t t) {
    const int64_t chunk = t % chunks, base = seg_offset (kept, t / chunks);
    float sum = start;

    for (int64_t r = chunk; r < gone.n; r += chunks)
      sum = reduce_step (kind, sum, seg_load (in, base + seg_offset (gone, r)));
    partial[t] = sum;
  });
  seg_launch (device, kept.n, [=] SEG_DEVICE (int64_t o) {
    float sum = start;

    for (int64_t chunk = 0; chunk < chunks; chunk++)
      sum = reduce_step (kind == SEG_REDUCE_SUM_SQUARES ? SEG_REDUCE_SUM : kind, sum,
                         partial[o * chunks + chunk]);
    seg_store (out, seg_offset (out, o), kind == SEG_REDUCE_MEAN ? sum / (float) gone.n : sum);
  });
  return SEG_STATUS_OK;
}

static void
top_k (SegBackendDevice *device, const View &values, const View &places, const View &in,
       const SegTopkParams *params)
{
  const Split from = split_axes (in, 1u << params->axis);
  const View lines = from.kept;
  const View to = split_axes (values, 1u << params->axis).kept;
  const View to_place = split_axes (places, 1u << params->axis).kept;
  const int64_t size = in.shape[params->axis], step = in.stride[params->axis];
  const int64_t value_step = values.stride[params->axis], place_step = places.stride[params->axis];
  const int k_most = params->k;

  seg_launch (device, size > 0 ? lines.n : 0, [=] SEG_DEVICE (int64_t line) {
    const int64_t base = seg_offset (lines, line);
    float last = INFINITY;
    int64_t last_at = -1;

    /* Each pass takes the first of the largest that come after the last one taken, in the order of
     * (value falling, place rising). */
    for (int64_t k = 0; k < k_most; k++)
      {
        float best = 0;
        int64_t best_at = -1;

        for (int64_t i = 0; i < size; i++)
          {
            const float value = seg_load (in, base + i * step);
            const bool free = last_at < 0 || value < last || (value == last && i > last_at);

            if (free && (best_at < 0 || value > best))
              {
                best = value;
                best_at = i;
              }
          }
        seg_store (values, seg_offset (to, line) + k * value_step, best);
        seg_store_index (places, seg_offset (to_place, line) + k * place_step, best_at);
        last = best;
        last_at = best_at;
      }
  });
}

/* --- dropout and tables --------------------------------------------------------------------- */

static void
dropout (SegBackendDevice *device, const View &out, const View &in, const SegDropoutParams *params)
{
  const uint64_t seed = params->seed, offset = params->offset;
  const float p = (float) params->p, scale = 1 / (1 - p);
  const bool whole = params->whole_channels != 0;
  int64_t per_channel = 1;

  for (int a = 2; a < in.rank; a++)
    per_channel *= in.shape[a];
  seg_launch (device, out.n, [=] SEG_DEVICE (int64_t i) {
    const int64_t from = seg_offset (in, i);
    const int64_t draw = whole ? i / per_channel : from;

    seg_store (out, seg_offset (out, i),
               seg_uniform (seed, offset, draw) < p ? 0 : seg_load (in, from) * scale);
  });
}

/* Indices outside the table read as zeros: a kernel cannot fail. */
static void
gather (SegBackendDevice *device, const View &out, const View &table, const View &index)
{
  const int64_t rows = table.shape[0], width = table.shape[1];

  seg_launch (device, index.n * width, [=] SEG_DEVICE (int64_t t) {
    const int64_t row = seg_load_index (index, seg_offset (index, t / width)), f = t % width;
    const bool inside = row >= 0 && row < rows;

    seg_store (out, seg_offset (out, t),
               inside ? seg_load (table, row * table.stride[0] + f * table.stride[1]) : 0);
  });
}

static void
scatter_add (SegBackendDevice *device, const View &dtable, const View &dout, const View &index)
{
  const int64_t width = dtable.shape[1];

  seg_launch (device, dtable.n, [=] SEG_DEVICE (int64_t t) {
    const int64_t row = t / width, f = t % width;
    const int64_t at = row * dtable.stride[0] + f * dtable.stride[1];
    float sum = seg_load (dtable, at);

    for (int64_t i = 0; i < index.n; i++)
      if (seg_load_index (index, seg_offset (index, i)) == row)
        sum += seg_load (dout, seg_offset (dout, i * width + f));
    seg_store (dtable, at, sum);
  });
}

SegStatus
seg_cuda_basic (SegBackendDevice *device, const SegBackendCall *call)
{
  const void *params = call->params;
  const View out = seg_view (call->n_out > 0 ? call->out[0] : nullptr);
  const View in = seg_view (call->n_in > 0 ? call->in[0] : nullptr);
  const View in1 = seg_view (call->n_in > 1 ? call->in[1] : nullptr);

  switch (call->op)
    {
    case SEG_OP_FILL:
      fill (device, out, (float) ((const SegFillParams *) params)->value);
      return SEG_STATUS_OK;
    case SEG_OP_COPY:
      copy (device, out, in);
      return SEG_STATUS_OK;
    case SEG_OP_RANDOM:
      fill_random (device, out, (const SegRandomParams *) params);
      return SEG_STATUS_OK;
    case SEG_OP_UNARY:
      unary (device, out, in, (const SegUnaryParams *) params);
      return SEG_STATUS_OK;
    case SEG_OP_UNARY_BACKWARD:
      unary_backward (device, out, in, in1, (const SegUnaryParams *) params);
      return SEG_STATUS_OK;
    case SEG_OP_BINARY:
      binary (device, out, in, in1, ((const SegBinaryParams *) params)->kind);
      return SEG_STATUS_OK;
    case SEG_OP_REDUCE:
      return reduce (device, out, in, (const SegReduceParams *) params);
    case SEG_OP_TOPK:
      top_k (device, out, seg_view (call->out[1]), in, (const SegTopkParams *) params);
      return SEG_STATUS_OK;
    case SEG_OP_DROPOUT:
      dropout (device, out, in, (const SegDropoutParams *) params);
      return SEG_STATUS_OK;
    case SEG_OP_GATHER:
      gather (device, out, in, in1);
      return SEG_STATUS_OK;
    case SEG_OP_SCATTER_ADD:
      scatter_add (device, out, in, in1);
      return SEG_STATUS_OK;
    default:
      return SEG_STATUS_UNSUPPORTED;
    }
}
