/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cuda/device.h"
#include "seg/backend/cuda/libraries.h"

/* --- products ------------------------------------------------------------------------------- */

/* Any strides, one thread an element: what cuBLASLt does not take, and the fake device. */
static void
product_by_element (SegBackendDevice *device, const Product &p)
{
  seg_launch (device, p.batch[0] * p.batch[1] * p.m * p.n, [=] SEG_DEVICE (int64_t t) {
    const int64_t j = t % p.n, i = t / p.n % p.m, b1 = t / p.n / p.m % p.batch[1];
    const int64_t b0 = t / p.n / p.m / p.batch[1];
    const int64_t a = b0 * p.a_batch[0] + b1 * p.a_batch[1] + i * p.a_i;
    const int64_t b = b0 * p.b_batch[0] + b1 * p.b_batch[1] + j * p.b_j;
    const int64_t out = b0 * p.out_batch[0] + b1 * p.out_batch[1] + i * p.out_i + j * p.out_j;
    float sum = 0;

    for (int64_t k = 0; k < p.k; k++)
      sum += seg_load (p.a, a + k * p.a_k) * seg_load (p.b, b + k * p.b_k);
    sum *= p.alpha;
    if (p.beta != 0)
      sum += p.beta * seg_load (p.out, out);
    seg_store (p.out, out, sum);
  });
}

SegStatus
seg_cuda_product (SegBackendDevice *device, const Product &product)
{
  if (product.m == 0 || product.n == 0 || product.batch[0] == 0 || product.batch[1] == 0)
    return SEG_STATUS_OK;
  if (!seg_cuda_library_product (device, product))
    product_by_element (device, product);
  return SEG_STATUS_OK;
}

/* --- matmul --------------------------------------------------------------------------------- */

/* Step of @view along the batch axis that is @from_end-th of the output, 0 where it broadcasts. */
static int64_t
batch_step (const View &view, int from_end)
{
  return from_end <= view.rank && view.shape[view.rank - from_end] > 1
             ? view.stride[view.rank - from_end]
             : 0;
}

/* The output's batch axes as two: the last one, and all before it if they nest in every tensor. */
static bool
set_batches (Product *p)
{
  View *views[3] = { &p->a, &p->b, &p->out };
  int64_t *steps[3] = { p->a_batch, p->b_batch, p->out_batch };
  const int rank = p->out.rank;

  p->batch[0] = p->batch[1] = 1;
  for (int t = 0; t < 3; t++)
    steps[t][0] = steps[t][1] = 0;
  for (int from_end = 3; from_end <= rank; from_end++)
    {
      const int64_t size = p->out.shape[rank - from_end];
      const int slot = p->batch[1] == 1 ? 1 : 0;

      if (size == 1)
        continue;
      for (int t = 0; t < 3; t++)
        {
          const int64_t step = batch_step (*views[t], from_end);

          if (p->batch[slot] == 1)
            steps[t][slot] = step;
          else if (step != steps[t][slot] * p->batch[slot])
            return false;
        }
      p->batch[slot] *= size;
    }
  return true;
}

static void
finish_matmul (SegBackendDevice *device, const View &out, const View &from, const View &bias,
               const SegMatmulParams *params)
{
  const int act = params->act;
  const float act_a = (float) params->act_a;
  const int64_t columns = out.shape[out.rank - 1];

  seg_launch (device, out.n, [=] SEG_DEVICE (int64_t i) {
    float value = seg_load (from, seg_offset (from, i));

    if (bias.data != nullptr)
      value += seg_load (bias, i % columns * bias.stride[0]);
    seg_store (out, seg_offset (out, i), seg_act (act, value, act_a, 0));
  });
}

/* An F32 array of the output's shape, so that bias and activation see unrounded sums. */
static View
make_plain (SegBackendDevice *device, const View &like)
{
  View plain = like;
  int64_t step = 1;

  plain.dtype = SEG_DTYPE_F32;
  for (int a = like.rank - 1; a >= 0; a--)
    {
      plain.stride[a] = step;
      step *= like.shape[a];
    }
  plain.data = seg_cuda_scratch (device, SCRATCH_A, sizeof (float) * (size_t) like.n);
  return plain;
}

SegStatus
seg_cuda_matmul (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegMatmulParams *params = (const SegMatmulParams *) call->params;
  const View out = seg_view (call->out[0]);
  const View bias = seg_view (call->n_in > 2 ? call->in[2] : nullptr);
  const bool has_end = bias.data != nullptr || params->act != SEG_ACT_NONE;
  const bool ta = params->transpose_a != 0, tb = params->transpose_b != 0;
  Product p = {};
  SegStatus status;

  p.a = seg_view (call->in[0]);
  p.b = seg_view (call->in[1]);
  p.out = has_end && out.dtype != SEG_DTYPE_F32 ? make_plain (device, out) : out;
  if (p.out.data == nullptr && out.n > 0)
    return SEG_STATUS_MEMORY;
  p.m = out.shape[out.rank - 2];
  p.n = out.shape[out.rank - 1];
  p.k = p.a.shape[p.a.rank - (ta ? 2 : 1)];
  p.a_i = p.a.stride[p.a.rank - (ta ? 1 : 2)];
  p.a_k = p.a.stride[p.a.rank - (ta ? 2 : 1)];
  p.b_k = p.b.stride[p.b.rank - (tb ? 1 : 2)];
  p.b_j = p.b.stride[p.b.rank - (tb ? 2 : 1)];
  p.out_i = p.out.stride[p.out.rank - 2];
  p.out_j = p.out.stride[p.out.rank - 1];
  p.alpha = (float) params->alpha;
  p.beta = params->accumulate ? 1 : 0;
  if (!set_batches (&p))
    return SEG_STATUS_UNSUPPORTED;
  status = seg_cuda_product (device, p);
  if (status == SEG_STATUS_OK && has_end)
    finish_matmul (device, out, p.out, bias, params);
  return status;
}

/* --- softmax -------------------------------------------------------------------------------- */

static View
drop_axis (const View &view, int axis)
{
  View rest = view;

  rest.rank = 0;
  rest.n = 1;
  for (int a = 0; a < view.rank; a++)
    if (a != axis)
      {
        rest.shape[rest.rank] = view.shape[a];
        rest.stride[rest.rank++] = view.stride[a];
        rest.n *= view.shape[a];
      }
  return rest;
}

SegStatus
seg_cuda_softmax (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegSoftmaxParams *params = (const SegSoftmaxParams *) call->params;
  const int axis = params->axis;
  const bool back = call->op == SEG_OP_SOFTMAX_BACKWARD, log_form = params->log != 0;
  const View out = seg_view (call->out[0]), in = seg_view (call->in[0]);
  const View dy = seg_view (back ? call->in[1] : nullptr);
  const View out_lines = drop_axis (out, axis), in_lines = drop_axis (in, axis);
  const View dy_lines = back ? drop_axis (dy, axis) : View ();
  const int64_t n = in.shape[axis];
  const int64_t out_step = out.stride[axis], in_step = in.stride[axis];
  const int64_t dy_step = back ? dy.stride[axis] : 0;

  seg_launch (device, n > 0 ? in_lines.n : 0, [=] SEG_DEVICE (int64_t line) {
    const int64_t from = seg_offset (in_lines, line), to = seg_offset (out_lines, line);
    float top = -INFINITY, sum = 0;

    if (back)
      {
        const int64_t d = seg_offset (dy_lines, line);

        for (int64_t i = 0; i < n; i++)
          sum += seg_load (dy, d + i * dy_step) * (log_form ? 1 : seg_load (in, from + i * in_step));
        for (int64_t i = 0; i < n; i++)
          {
            const float y = seg_load (in, from + i * in_step), g = seg_load (dy, d + i * dy_step);

            seg_store (out, to + i * out_step, log_form ? g - expf (y) * sum : y * (g - sum));
          }
        return;
      }
    for (int64_t i = 0; i < n; i++)
      top = fmaxf (top, seg_load (in, from + i * in_step));
    for (int64_t i = 0; i < n; i++)
      sum += expf (seg_load (in, from + i * in_step) - top);
    for (int64_t i = 0; i < n; i++)
      {
        const float x = seg_load (in, from + i * in_step) - top;

        seg_store (out, to + i * out_step, log_form ? x - logf (sum) : expf (x) / sum);
      }
  });
  return SEG_STATUS_OK;
}

/* --- attention ------------------------------------------------------------------------------ */

/* scores[b][h][i][j] F32 in scratch; q, k, v, out as B T (h·d) with rows that may be strided. */
struct Attention
{
  View q, k, v, bias, rel_h, rel_w;
  int64_t batch, heads, tq, tk, dq, dv;
  int64_t gh, gw;
  float scale;
  float *scores; /* then probabilities */
};

static bool
get_attention (const SegBackendCall *call, Attention *t)
{
  const SegAttentionParams *params = (const SegAttentionParams *) call->params;

  *t = Attention ();
  t->q = seg_view (call->in[0]);
  t->k = seg_view (call->in[1]);
  t->v = seg_view (call->in[2]);
  t->bias = seg_view (call->n_in > 3 ? call->in[3] : nullptr);
  t->rel_h = seg_view (call->n_in > 4 ? call->in[4] : nullptr);
  t->rel_w = seg_view (call->n_in > 5 ? call->in[5] : nullptr);
  t->batch = t->q.shape[0];
  t->heads = params->heads;
  t->tq = t->q.shape[1];
  t->tk = t->k.shape[1];
  t->dq = t->q.shape[2] / params->heads;
  t->dv = t->v.shape[2] / params->heads;
  t->gh = params->grid[0];
  t->gw = params->grid[1];
  t->scale = (float) params->scale;
  return true;
}

/* A matrix per (batch, head) of a B T (h·d) tensor: rows are tokens. */
struct Side
{
  View view;
  int64_t batch, head, row, column;
};

static Side
side_of (const View &view, int64_t per_head)
{
  return Side{ view, view.stride[0], per_head * view.stride[2], view.stride[1], view.stride[2] };
}

static Side
side_of_scores (const Attention &t, float *scores)
{
  Side side = {};

  side.view.data = scores;
  side.view.dtype = SEG_DTYPE_F32;
  side.batch = t.heads * t.tq * t.tk;
  side.head = t.tq * t.tk;
  side.row = t.tk;
  side.column = 1;
  return side;
}

static Side
turn (Side side)
{
  const int64_t row = side.row;

  side.row = side.column;
  side.column = row;
  return side;
}

/* out (m × n) = alpha · a (m × k) · b (k × n), for every batch and head */
static SegStatus
multiply (SegBackendDevice *device, const Attention &t, const Side &out, const Side &a, const Side &b,
          int64_t m, int64_t n, int64_t k, float alpha)
{
  Product p = {};

  p.a = a.view;
  p.b = b.view;
  p.out = out.view;
  p.m = m;
  p.n = n;
  p.k = k;
  p.batch[0] = t.batch;
  p.batch[1] = t.heads;
  p.a_batch[0] = a.batch;
  p.a_batch[1] = a.head;
  p.b_batch[0] = b.batch;
  p.b_batch[1] = b.head;
  p.out_batch[0] = out.batch;
  p.out_batch[1] = out.head;
  p.a_i = a.row;
  p.a_k = a.column;
  p.b_k = b.row;
  p.b_j = b.column;
  p.out_i = out.row;
  p.out_j = out.column;
  p.alpha = alpha;
  return seg_cuda_product (device, p);
}

/* rel[r][y] = q_r · table[at + y], r = (b, h, i): the share of q with one axis of the table. */
static void
relate (SegBackendDevice *device, const Attention &t, const View &table, bool rows, float *rel)
{
  const int64_t size = rows ? t.gh : t.gw;

  seg_launch (device, t.batch * t.heads * t.tq * size, [=] SEG_DEVICE (int64_t x) {
    const int64_t j = x % size, i = x / size % t.tq, h = x / size / t.tq % t.heads;
    const int64_t b = x / size / t.tq / t.heads;
    const int64_t q = b * t.q.stride[0] + i * t.q.stride[1] + h * t.dq * t.q.stride[2];
    const int64_t at = ((rows ? i / t.gw : i % t.gw) - j + size - 1) * table.stride[0];
    float sum = 0;

    for (int64_t d = 0; d < t.dq; d++)
      sum += seg_load (t.q, q + d * t.q.stride[2]) * seg_load (table, at + d * table.stride[1]);
    rel[x] = sum;
  });
}

SEG_HOST_DEVICE static inline int64_t
bias_at (const Attention &t, int64_t b, int64_t h, int64_t i, int64_t j)
{
  return (t.bias.shape[0] == 1 ? 0 : b) * t.bias.stride[0]
         + (t.bias.shape[1] == 1 ? 0 : h) * t.bias.stride[1] + i * t.bias.stride[2]
         + j * t.bias.stride[3];
}

/* Adds what stands beside q·k and takes the softmax of each row, in two launches: 32 lanes find a
 * row's maximum and sum, then every element is written. */
static void
normalise (SegBackendDevice *device, const Attention &t, const float *rel_h, const float *rel_w,
           float *lanes)
{
  const int64_t rows = t.batch * t.heads * t.tq;
  float *scores = t.scores;

  seg_launch (device, rows * 32, [=] SEG_DEVICE (int64_t x) {
    const int64_t row = x / 32, i = row % t.tq, h = row / t.tq % t.heads, b = row / t.tq / t.heads;
    float top = -INFINITY, sum = 0;

    for (int64_t j = x % 32; j < t.tk; j += 32)
      {
        float score = scores[row * t.tk + j];

        if (rel_h != nullptr)
          score += rel_h[row * t.gh + j / t.gw] + rel_w[row * t.gw + j % t.gw];
        if (t.bias.data != nullptr)
          score += seg_load (t.bias, bias_at (t, b, h, i, j));
        scores[row * t.tk + j] = score;
        if (score > top)
          {
            sum = sum * expf (top - score) + 1;
            top = score;
          }
        else
          sum += expf (score - top);
      }
    lanes[2 * x] = top;
    lanes[2 * x + 1] = sum;
  });
  seg_launch (device, rows, [=] SEG_DEVICE (int64_t row) {
    float top = -INFINITY, sum = 0;

    for (int lane = 0; lane < 32; lane++)
      top = fmaxf (top, lanes[2 * (row * 32 + lane)]);
    for (int lane = 0; lane < 32; lane++)
      if (lanes[2 * (row * 32 + lane) + 1] > 0)
        sum += lanes[2 * (row * 32 + lane) + 1] * expf (lanes[2 * (row * 32 + lane)] - top);
    lanes[2 * row * 32] = top;
    lanes[2 * row * 32 + 1] = sum;
  });
  seg_launch (device, rows * t.tk, [=] SEG_DEVICE (int64_t x) {
    const int64_t row = x / t.tk;

    scores[x] = expf (scores[x] - lanes[2 * row * 32]) / lanes[2 * row * 32 + 1];
  });
}

static SegStatus
make_probabilities (SegBackendDevice *device, Attention *t, bool with_gradient)
{
  const int64_t rows = t->batch * t->heads * t->tq;
  const bool relative = t->rel_h.data != nullptr;
  float *rel, *lanes;
  SegStatus status;

  t->scores = (float *) seg_cuda_scratch (
      device, SCRATCH_A, sizeof (float) * (size_t) (rows * t->tk) * (with_gradient ? 2 : 1));
  rel = (float *) seg_cuda_scratch (
      device, SCRATCH_SUMS,
      sizeof (float) * (size_t) (rows * (64 + (relative ? t->gh + t->gw : 0)) + 1));
  if ((t->scores == nullptr && rows * t->tk > 0) || rel == nullptr)
    return SEG_STATUS_MEMORY;
  lanes = rel + (relative ? rows * (t->gh + t->gw) : 0);
  status = multiply (device, *t, side_of_scores (*t, t->scores), side_of (t->q, t->dq),
                     turn (side_of (t->k, t->dq)), t->tq, t->tk, t->dq, t->scale);
  if (status != SEG_STATUS_OK)
    return status;
  if (relative)
    {
      relate (device, *t, t->rel_h, true, rel);
      relate (device, *t, t->rel_w, false, rel + rows * t->gh);
    }
  normalise (device, *t, relative ? rel : nullptr, relative ? rel + rows * t->gh : nullptr, lanes);
  return SEG_STATUS_OK;
}

/* Adds to dq and to the tables what came through the relative positions; ds holds dscores. */
static void
give_relative (SegBackendDevice *device, const Attention &t, const float *ds, const View &dq,
               const View &drel_h, const View &drel_w)
{
  seg_launch (device, t.batch * t.heads * t.tq * t.dq, [=] SEG_DEVICE (int64_t x) {
    const int64_t d = x % t.dq, i = x / t.dq % t.tq, h = x / t.dq / t.tq % t.heads;
    const int64_t b = x / t.dq / t.tq / t.heads;
    const int64_t row = ((b * t.heads + h) * t.tq + i) * t.tk;
    const int64_t to = b * dq.stride[0] + i * dq.stride[1] + (h * t.dq + d) * dq.stride[2];
    float sum = seg_load (dq, to);

    for (int64_t j = 0; j < t.tk; j++)
      {
        const int64_t ah = (i / t.gw - j / t.gw + t.gh - 1) * t.rel_h.stride[0];
        const int64_t aw = (i % t.gw - j % t.gw + t.gw - 1) * t.rel_w.stride[0];

        sum += ds[row + j]
               * (seg_load (t.rel_h, ah + d * t.rel_h.stride[1])
                  + seg_load (t.rel_w, aw + d * t.rel_w.stride[1]));
      }
    seg_store (dq, to, sum);
  });
  for (int which = 0; which < 2; which++)
    {
      const View table = which == 0 ? drel_h : drel_w;
      const bool by_row = which == 0;

      if (table.data == nullptr)
        continue;
      /* Each entry of the table gathers the pairs (i, j) at its distance. */
      seg_launch (device, table.n, [=] SEG_DEVICE (int64_t x) {
        const int64_t d = x % t.dq, distance = x / t.dq - (by_row ? t.gh : t.gw) + 1;
        const int64_t to = x / t.dq * table.stride[0] + d * table.stride[1];
        float sum = 0;

        for (int64_t b = 0; b < t.batch; b++)
          for (int64_t h = 0; h < t.heads; h++)
            for (int64_t i = 0; i < t.tq; i++)
              {
                const int64_t row = ((b * t.heads + h) * t.tq + i) * t.tk;
                const int64_t line = (by_row ? i / t.gw : i % t.gw) - distance;
                const int64_t lines = by_row ? t.gh : t.gw, across = by_row ? t.gw : t.gh;
                float g = 0;

                if (line < 0 || line >= lines)
                  continue;
                for (int64_t c = 0; c < across; c++)
                  g += ds[row + (by_row ? line * t.gw + c : c * t.gw + line)];
                sum += g
                       * seg_load (t.q, b * t.q.stride[0] + i * t.q.stride[1]
                                            + (h * t.dq + d) * t.q.stride[2]);
              }
        seg_store (table, to, seg_load (table, to) + sum);
      });
    }
}

static void
give_bias (SegBackendDevice *device, const Attention &t, const float *ds, const View &dbias)
{
  seg_launch (device, dbias.n, [=] SEG_DEVICE (int64_t x) {
    const int64_t j = x % t.tk, i = x / t.tk % t.tq, h0 = x / t.tk / t.tq % dbias.shape[1];
    const int64_t b0 = x / t.tk / t.tq / dbias.shape[1];
    const int64_t to = seg_offset (dbias, x);
    float sum = seg_load (dbias, to);

    for (int64_t b = dbias.shape[0] == 1 ? 0 : b0; b < (dbias.shape[0] == 1 ? t.batch : b0 + 1); b++)
      for (int64_t h = dbias.shape[1] == 1 ? 0 : h0; h < (dbias.shape[1] == 1 ? t.heads : h0 + 1);
           h++)
        sum += ds[((b * t.heads + h) * t.tq + i) * t.tk + j];
    seg_store (dbias, to, sum);
  });
}

static SegStatus
attention_backward (SegBackendDevice *device, const SegBackendCall *call, const Attention &t)
{
  const View dq = seg_view (call->out[0]), dk = seg_view (call->out[1]);
  const View dv = seg_view (call->out[2]), dout = seg_view (call->in[6]);
  const View dbias = seg_view (call->n_out > 3 ? call->out[3] : nullptr);
  const View drel_h = seg_view (call->n_out > 4 ? call->out[4] : nullptr);
  const View drel_w = seg_view (call->n_out > 5 ? call->out[5] : nullptr);
  const int64_t rows = t.batch * t.heads * t.tq;
  float *p = t.scores, *ds = t.scores + rows * t.tk;
  const Side side_p = side_of_scores (t, p), side_ds = side_of_scores (t, ds);
  const Side side_dout = side_of (dout, t.dv);
  float *lanes = (float *) seg_cuda_scratch (device, SCRATCH_SUMS,
                                             sizeof (float) * (size_t) (rows * 32 + 1));
  SegStatus status;

  if (lanes == nullptr)
    return SEG_STATUS_MEMORY;
  status = multiply (device, t, side_of (dv, t.dv), turn (side_p), side_dout, t.tk, t.dv, t.tq, 1);
  if (status == SEG_STATUS_OK)
    status = multiply (device, t, side_ds, side_dout, turn (side_of (t.v, t.dv)), t.tq, t.tk, t.dv, 1);
  if (status != SEG_STATUS_OK)
    return status;
  seg_launch (device, rows * 32, [=] SEG_DEVICE (int64_t x) {
    float sum = 0;

    for (int64_t j = x % 32; j < t.tk; j += 32)
      sum += p[x / 32 * t.tk + j] * ds[x / 32 * t.tk + j];
    lanes[x] = sum;
  });
  seg_launch (device, rows, [=] SEG_DEVICE (int64_t row) {
    float sum = 0;

    for (int lane = 0; lane < 32; lane++)
      sum += lanes[row * 32 + lane];
    lanes[row * 32] = sum;
  });
  seg_launch (device, rows * t.tk, [=] SEG_DEVICE (int64_t x) {
    ds[x] = p[x] * (ds[x] - lanes[x / t.tk * 32]);
  });
  if (dbias.data != nullptr)
    give_bias (device, t, ds, dbias);
  status = multiply (device, t, side_of (dq, t.dq), side_ds, side_of (t.k, t.dq), t.tq, t.dq, t.tk,
                     t.scale);
  if (status == SEG_STATUS_OK)
    status = multiply (device, t, side_of (dk, t.dq), turn (side_ds), side_of (t.q, t.dq), t.tk,
                       t.dq, t.tq, t.scale);
  if (status == SEG_STATUS_OK && t.rel_h.data != nullptr)
    give_relative (device, t, ds, dq, drel_h, drel_w);
  return status;
}

SegStatus
seg_cuda_attention (SegBackendDevice *device, const SegBackendCall *call)
{
  const bool back = call->op == SEG_OP_ATTENTION_BACKWARD;
  Attention t;
  SegStatus status;

  get_attention (call, &t);
  status = make_probabilities (device, &t, back);
  if (status != SEG_STATUS_OK)
    return status;
  if (back)
    return attention_backward (device, call, t);
  return multiply (device, t, side_of (seg_view (call->out[0]), t.dv), side_of_scores (t, t.scores),
                   side_of (t.v, t.dv), t.tq, t.dv, t.tk, 1);
}
