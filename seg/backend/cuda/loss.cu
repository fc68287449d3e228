/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cuda/device.h"

/* N C X..: positions (n, x); spatial axes are walked one by one, so any layout will do. */
struct Scores
{
  View view;
  View positions; /* the axes but the channels' */
  int64_t channels, step;
};

static Scores
get_scores (const SegBackendTensor *tensor)
{
  Scores s = {};

  s.view = seg_view (tensor);
  s.channels = tensor->shape[1];
  s.step = tensor->stride[1];
  s.positions = s.view;
  s.positions.rank = 0;
  s.positions.n = 1;
  for (int a = 0; a < tensor->rank; a++)
    if (a != 1)
      {
        s.positions.shape[s.positions.rank] = tensor->shape[a];
        s.positions.stride[s.positions.rank++] = tensor->stride[a];
        s.positions.n *= tensor->shape[a];
      }
  return s;
}

struct Entropy
{
  Scores logits, dlogits;
  View target, weight, class_weight, scale;
  int64_t ignore;
};

/* −1 where the target is to be left out. */
SEG_HOST_DEVICE static inline int64_t
get_class (const View &target, int64_t i, int64_t channels, int64_t ignore)
{
  const int64_t c = seg_load_index (target, seg_offset (target, i));

  return c < 0 || c >= channels || (ignore >= 0 && c == ignore) ? -1 : c;
}

SEG_HOST_DEVICE static inline float
get_position_weight (const Entropy &e, int64_t i, int64_t c)
{
  float w = c < 0 ? 0 : e.weight.data ? seg_load (e.weight, seg_offset (e.weight, i)) : 1;

  if (c >= 0 && e.class_weight.data)
    w *= seg_load (e.class_weight, c * e.class_weight.stride[0]);
  return w;
}

SEG_HOST_DEVICE static inline void
get_normaliser (const Scores &s, int64_t base, float *top, float *sum)
{
  *top = -INFINITY;
  *sum = 0;
  for (int64_t k = 0; k < s.channels; k++)
    *top = fmaxf (*top, seg_load (s.view, base + k * s.step));
  for (int64_t k = 0; k < s.channels; k++)
    *sum += expf (seg_load (s.view, base + k * s.step) - *top);
}

static SegStatus
cross_entropy (SegBackendDevice *device, const Entropy &e, const View &out)
{
  const int64_t n = e.logits.positions.n, chunks = seg_chunks (n);
  float *partial = (float *) seg_cuda_scratch (device, SCRATCH_SUMS,
                                               sizeof (float) * 2 * (size_t) chunks);

  if (partial == nullptr)
    return SEG_STATUS_MEMORY;
  seg_launch (device, chunks, [=] SEG_DEVICE (int64_t chunk) {
    float loss = 0, total = 0;

    for (int64_t i = chunk; i < n; i += chunks)
      {
        const int64_t c = get_class (e.target, i, e.logits.channels, e.ignore);
        const int64_t base = seg_offset (e.logits.positions, i);
        const float w = get_position_weight (e, i, c);
        float top, sum;

        if (w == 0)
          continue;
        get_normaliser (e.logits, base, &top, &sum);
        loss += w * (top + logf (sum) - seg_load (e.logits.view, base + c * e.logits.step));
        total += w;
      }
    partial[2 * chunk] = loss;
    partial[2 * chunk + 1] = total;
  });
  seg_launch (device, 2, [=] SEG_DEVICE (int64_t which) {
    float sum = 0;

    for (int64_t chunk = 0; chunk < chunks; chunk++)
      sum += partial[2 * chunk + which];
    seg_store (out, which * out.stride[0], sum);
  });
  return SEG_STATUS_OK;
}

static void
cross_entropy_backward (SegBackendDevice *device, const Entropy &e)
{
  seg_launch (device, e.logits.positions.n, [=] SEG_DEVICE (int64_t i) {
    const int64_t c = get_class (e.target, i, e.logits.channels, e.ignore);
    const int64_t base = seg_offset (e.logits.positions, i);
    const int64_t to = seg_offset (e.dlogits.positions, i);
    const float w = get_position_weight (e, i, c);
    float top, sum;

    get_normaliser (e.logits, base, &top, &sum);
    for (int64_t k = 0; k < e.logits.channels; k++)
      {
        const float p = expf (seg_load (e.logits.view, base + k * e.logits.step) - top) / sum;

        seg_store (e.dlogits.view, to + k * e.dlogits.step,
                   w == 0 ? 0 : seg_load (e.scale, 0) * w * (p - (k == c ? 1.0f : 0.0f)));
      }
  });
}

struct Overlap
{
  Scores p, dp, soft;
  View target, mask, sums;
  bool is_soft, square;
  int64_t ignore;
};

SEG_HOST_DEVICE static inline float
get_truth (const Overlap &o, int64_t i, int64_t k, float *w)
{
  const int64_t c = o.is_soft ? 0 : get_class (o.target, i, o.p.channels, o.ignore);

  *w = c < 0 ? 0 : o.mask.data ? seg_load (o.mask, seg_offset (o.mask, i)) : 1;
  return o.is_soft ? seg_load (o.target, seg_offset (o.soft.positions, i) + k * o.soft.step)
                   : (k == c ? 1.0f : 0.0f);
}

static SegStatus
overlap (SegBackendDevice *device, const Overlap &o)
{
  const int64_t n = o.p.positions.n, chunks = seg_chunks (n), channels = o.p.channels;
  float *partial = (float *) seg_cuda_scratch (device, SCRATCH_SUMS,
                                               sizeof (float) * (size_t) (3 * chunks * channels));

  if (partial == nullptr)
    return SEG_STATUS_MEMORY;
  seg_launch (device, chunks * channels, [=] SEG_DEVICE (int64_t t) {
    const int64_t k = t % channels, chunk = t / channels;
    float sums[3] = { 0, 0, 0 };

    for (int64_t i = chunk; i < n; i += chunks)
      {
        float w;
        const float y = get_truth (o, i, k, &w);
        const float x = seg_load (o.p.view, seg_offset (o.p.positions, i) + k * o.p.step);

        if (w == 0)
          continue;
        sums[0] += w * x * y;
        sums[1] += w * (o.square ? x * x : x);
        sums[2] += w * (o.square ? y * y : y);
      }
    for (int which = 0; which < 3; which++)
      partial[(chunk * 3 + which) * channels + k] = sums[which];
  });
  seg_launch (device, 3 * channels, [=] SEG_DEVICE (int64_t t) {
    float sum = 0;

    for (int64_t chunk = 0; chunk < chunks; chunk++)
      sum += partial[chunk * 3 * channels + t];
    seg_store (o.sums, seg_offset (o.sums, t), sum);
  });
  return SEG_STATUS_OK;
}

static void
overlap_backward (SegBackendDevice *device, const Overlap &o)
{
  const int64_t channels = o.p.channels;

  seg_launch (device, o.p.positions.n * channels, [=] SEG_DEVICE (int64_t t) {
    const int64_t k = t % channels, i = t / channels;
    float w;
    const float y = get_truth (o, i, k, &w);
    const float x = seg_load (o.p.view, seg_offset (o.p.positions, i) + k * o.p.step);
    const float d0 = seg_load (o.sums, seg_offset (o.sums, k));
    const float d1 = seg_load (o.sums, seg_offset (o.sums, channels + k));

    seg_store (o.dp.view, seg_offset (o.dp.positions, i) + k * o.dp.step,
               w == 0 ? 0 : w * (d0 * y + d1 * (o.square ? 2 * x : 1)));
  });
}

/* l = (1−y)·x + (1 + (w−1)·y)·softplus (−x) */
static void
bce (SegBackendDevice *device, const View &out, const View &x, const View &y, const View &pos_weight,
     const View &dout, bool back)
{
  int64_t inner = 1, channels = 1;

  if (x.rank >= 2)
    {
      channels = x.shape[1];
      for (int a = 2; a < x.rank; a++)
        inner *= x.shape[a];
    }
  seg_launch (device, x.n, [=] SEG_DEVICE (int64_t i) {
    const float w = pos_weight.data
                        ? seg_load (pos_weight, i / inner % channels * pos_weight.stride[0])
                        : 1;
    const float logit = seg_load (x, seg_offset (x, i)), truth = seg_load (y, seg_offset (y, i));
    const float factor = 1 + (w - 1) * truth;

    if (back)
      seg_store (out, seg_offset (out, i),
                 seg_load (dout, seg_offset (dout, i)) * (1 - truth - factor / (1 + expf (logit))));
    else
      seg_store (out, seg_offset (out, i),
                 (1 - truth) * logit
                     + factor * (fmaxf (-logit, 0) + log1pf (expf (-fabsf (logit)))));
  });
}

static const SegBackendTensor *
input (const SegBackendCall *call, int i)
{
  return i < call->n_in ? call->in[i] : nullptr;
}

SegStatus
seg_cuda_loss (SegBackendDevice *device, const SegBackendCall *call)
{
  Entropy e = {};
  Overlap o = {};

  switch (call->op)
    {
    case SEG_OP_CROSS_ENTROPY:
    case SEG_OP_CROSS_ENTROPY_BACKWARD:
      e.logits = get_scores (call->in[0]);
      e.target = seg_view (call->in[1]);
      e.weight = seg_view (input (call, 2));
      e.class_weight = seg_view (input (call, 3));
      e.ignore = ((const SegCrossEntropyParams *) call->params)->ignore;
      if (call->op == SEG_OP_CROSS_ENTROPY)
        return cross_entropy (device, e, seg_view (call->out[0]));
      e.scale = seg_view (call->in[4]);
      e.dlogits = get_scores (call->out[0]);
      cross_entropy_backward (device, e);
      return SEG_STATUS_OK;
    case SEG_OP_OVERLAP:
    case SEG_OP_OVERLAP_BACKWARD:
      o.p = get_scores (call->in[0]);
      o.target = seg_view (call->in[1]);
      o.is_soft = call->in[1]->rank == call->in[0]->rank;
      if (o.is_soft)
        o.soft = get_scores (call->in[1]);
      o.mask = seg_view (input (call, 2));
      o.square = ((const SegOverlapParams *) call->params)->square != 0;
      o.ignore = ((const SegOverlapParams *) call->params)->ignore;
      o.sums = seg_view (call->op == SEG_OP_OVERLAP ? call->out[0] : call->in[3]);
      if (call->op == SEG_OP_OVERLAP)
        return overlap (device, o);
      o.dp = get_scores (call->out[0]);
      overlap_backward (device, o);
      return SEG_STATUS_OK;
    default:
      bce (device, seg_view (call->out[0]), seg_view (call->in[0]), seg_view (call->in[1]),
           seg_view (input (call, 2)), seg_view (input (call, 3)), call->op == SEG_OP_BCE_BACKWARD);
      return SEG_STATUS_OK;
    }
}
