/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/ref/ref-private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Start of the matrix in @of that belongs to matrix @m of @out, leading axes broadcasting. */
static const double *
get_matrix (const Ref *of, const Ref *out, int64_t m)
{
  int64_t at = 0, step = of->shape[of->rank - 1] * of->shape[of->rank - 2];

  for (int i = 3; i <= out->rank; i++)
    {
      const int64_t size = i <= of->rank ? of->shape[of->rank - i] : 1;
      const int64_t index = m % out->shape[out->rank - i];

      m /= out->shape[out->rank - i];
      at += (size == 1 ? 0 : index) * step;
      step *= size;
    }
  return of->v + at;
}

static void
matmul (RefCall *call, const SegMatmulParams *params)
{
  Ref *out = &call->out[0], *a = &call->in[0], *b = &call->in[1], *bias = &call->in[2];
  const int64_t rows = out->shape[out->rank - 2], columns = out->shape[out->rank - 1];
  const int64_t inner = a->shape[a->rank - (params->transpose_a ? 2 : 1)];

  for (int64_t m = 0; rows * columns > 0 && m < out->n / (rows * columns); m++)
    {
      const double *ma = get_matrix (a, out, m), *mb = get_matrix (b, out, m);
      double *mo = out->v + m * rows * columns;

      for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
          {
            double sum = 0;

            for (int64_t k = 0; k < inner; k++)
              sum += ma[params->transpose_a ? k * rows + i : i * inner + k]
                     * mb[params->transpose_b ? j * inner + k : k * columns + j];
            sum *= params->alpha;
            if (bias->v != NULL)
              sum += bias->v[j];
            if (params->accumulate)
              mo[i * columns + j] += sum;
            else
              mo[i * columns + j] = seg_ref_act (params->act, sum, params->act_a, 0);
          }
    }
}

static void
softmax_line (const double *in, double *out, int64_t n, int64_t stride, bool log_form)
{
  double top = -INFINITY, sum = 0;

  for (int64_t i = 0; i < n; i++)
    top = fmax (top, in[i * stride]);
  for (int64_t i = 0; i < n; i++)
    sum += exp (in[i * stride] - top);
  for (int64_t i = 0; i < n; i++)
    out[i * stride] =
        log_form ? in[i * stride] - top - log (sum) : exp (in[i * stride] - top) / sum;
}

static void
softmax (RefCall *call, const SegSoftmaxParams *params, bool back)
{
  Ref *out = &call->out[0], *in = &call->in[0];
  const int64_t n = in->shape[params->axis];
  int64_t inner = 1;

  for (int a = params->axis + 1; a < in->rank; a++)
    inner *= in->shape[a];
  for (int64_t line = 0; n > 0 && line < in->n / n; line++)
    {
      const int64_t start = line / inner * n * inner + line % inner;
      const double *y = in->v + start, *dy = back ? call->in[1].v + start : NULL;
      double *dx = out->v + start, sum = 0;

      if (!back)
        {
          softmax_line (y, dx, n, inner, params->log);
          continue;
        }
      for (int64_t i = 0; i < n; i++)
        sum += dy[i * inner] * (params->log ? 1 : y[i * inner]);
      for (int64_t i = 0; i < n; i++)
        dx[i * inner] = params->log ? dy[i * inner] - exp (y[i * inner]) * sum
                                    : y[i * inner] * (dy[i * inner] - sum);
    }
}

typedef struct
{
  const SegAttentionParams *params;
  Ref *q, *k, *v, *bias, *rel_h, *rel_w;
  int64_t batch, tq, tk, dq, dv; /* dq, dv: per head */
} Attention;

static Attention
get_attention (RefCall *call)
{
  Attention t = { call->call->params,
                  &call->in[0],
                  &call->in[1],
                  &call->in[2],
                  &call->in[3],
                  &call->in[4],
                  &call->in[5],
                  0,
                  0,
                  0,
                  0,
                  0 };

  t.batch = t.q->shape[0];
  t.tq = t.q->shape[1];
  t.tk = t.k->shape[1];
  t.dq = t.q->shape[2] / t.params->heads;
  t.dv = t.v->shape[2] / t.params->heads;
  return t;
}

static int64_t
bias_at (const Attention *t, int64_t b, int64_t h, int64_t i, int64_t j)
{
  const int64_t nb = t->bias->shape[0] == 1 ? 0 : b, nh = t->bias->shape[1] == 1 ? 0 : h;

  return ((nb * t->bias->shape[1] + nh) * t->tq + i) * t->tk + j;
}

/* Probabilities of one query over all keys. */
static void
attend (const Attention *t, int64_t b, int64_t h, int64_t i, double *p)
{
  const double *q = t->q->v + (b * t->tq + i) * t->q->shape[2] + h * t->dq;
  const int64_t gh = t->params->grid[0], gw = t->params->grid[1];

  for (int64_t j = 0; j < t->tk; j++)
    {
      const double *k = t->k->v + (b * t->tk + j) * t->k->shape[2] + h * t->dq;
      double dot = 0, relative = 0;

      for (int64_t d = 0; d < t->dq; d++)
        dot += q[d] * k[d];
      if (t->rel_h->v != NULL)
        for (int64_t d = 0; d < t->dq; d++)
          relative += q[d]
                      * (t->rel_h->v[(i / gw - j / gw + gh - 1) * t->dq + d]
                         + t->rel_w->v[(i % gw - j % gw + gw - 1) * t->dq + d]);
      p[j] = t->params->scale * dot + relative;
      if (t->bias->v != NULL)
        p[j] += t->bias->v[bias_at (t, b, h, i, j)];
    }
  softmax_line (p, p, t->tk, 1, false);
}

static void
attention_forward (const Attention *t, Ref *out, int64_t b, int64_t h, int64_t i, const double *p)
{
  double *o = out->v + (b * t->tq + i) * out->shape[2] + h * t->dv;

  for (int64_t d = 0; d < t->dv; d++)
    {
      o[d] = 0;
      for (int64_t j = 0; j < t->tk; j++)
        o[d] += p[j] * t->v->v[(b * t->tk + j) * t->v->shape[2] + h * t->dv + d];
    }
}

static void
attention_backward (const Attention *t, RefCall *call, int64_t b, int64_t h, int64_t i,
                    const double *p, double *ds)
{
  const double *dout = call->in[6].v + (b * t->tq + i) * t->v->shape[2] + h * t->dv;
  const double *q = t->q->v + (b * t->tq + i) * t->q->shape[2] + h * t->dq;
  double *dq = call->out[0].v + (b * t->tq + i) * t->q->shape[2] + h * t->dq;
  Ref *dbias = &call->out[3], *drel_h = &call->out[4], *drel_w = &call->out[5];
  const int64_t gh = t->params->grid[0], gw = t->params->grid[1];
  double sum = 0;

  for (int64_t j = 0; j < t->tk; j++)
    {
      const int64_t at = (b * t->tk + j) * t->v->shape[2] + h * t->dv;

      ds[j] = 0;
      for (int64_t d = 0; d < t->dv; d++)
        {
          ds[j] += dout[d] * t->v->v[at + d];
          call->out[2].v[at + d] += p[j] * dout[d];
        }
      sum += ds[j] * p[j];
    }
  for (int64_t j = 0; j < t->tk; j++)
    {
      const int64_t at = (b * t->tk + j) * t->k->shape[2] + h * t->dq;
      const double g = p[j] * (ds[j] - sum);

      if (dbias->v != NULL)
        dbias->v[bias_at (t, b, h, i, j)] += g;
      for (int64_t d = 0; d < t->dq; d++)
        {
          dq[d] += t->params->scale * g * t->k->v[at + d];
          call->out[1].v[at + d] += t->params->scale * g * q[d];
        }
      if (t->rel_h->v == NULL)
        continue;
      for (int64_t d = 0; d < t->dq; d++)
        {
          const int64_t ah = (i / gw - j / gw + gh - 1) * t->dq + d;
          const int64_t aw = (i % gw - j % gw + gw - 1) * t->dq + d;

          dq[d] += g * (t->rel_h->v[ah] + t->rel_w->v[aw]);
          if (drel_h->v != NULL)
            drel_h->v[ah] += g * q[d];
          if (drel_w->v != NULL)
            drel_w->v[aw] += g * q[d];
        }
    }
}

static SegStatus
attention (RefCall *call, bool back)
{
  const Attention t = get_attention (call);
  double *p = calloc (2 * t.tk + 1, sizeof *p);

  if (p == NULL)
    return SEG_STATUS_MEMORY;
  for (int o = 0; back && o < 3; o++)
    memset (call->out[o].v, 0, call->out[o].n * sizeof (double));
  for (int64_t b = 0; b < t.batch; b++)
    for (int64_t h = 0; h < t.params->heads; h++)
      for (int64_t i = 0; i < t.tq; i++)
        {
          attend (&t, b, h, i, p);
          if (back)
            attention_backward (&t, call, b, h, i, p, p + t.tk);
          else
            attention_forward (&t, &call->out[0], b, h, i, p);
        }
  free (p);
  return SEG_STATUS_OK;
}

SegStatus
seg_ref_product (RefCall *call)
{
  const void *params = call->call->params;

  switch (call->call->op)
    {
    case SEG_OP_MATMUL:
      matmul (call, params);
      return SEG_STATUS_OK;
    case SEG_OP_SOFTMAX:
      softmax (call, params, false);
      return SEG_STATUS_OK;
    case SEG_OP_SOFTMAX_BACKWARD:
      softmax (call, params, true);
      return SEG_STATUS_OK;
    case SEG_OP_ATTENTION:
      return attention (call, false);
    default:
      return attention (call, true);
    }
}
