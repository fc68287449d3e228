/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/kernel.h"

SegStatus CPU_NAME (seg_cpu_run_attention) (SegBackendDevice *device, const SegBackendCall *call);

/* Attention in tiles of queries: products by oneDNN, softmax with bias and relative position here.
 * A tile is one head of one batch element, or some of its queries: scores stay in the cache. */

#define TILE 256 /* queries */

typedef struct
{
  const SegAttentionParams *params;
  const SegBackendTensor *q, *k, *v, *bias, *rel_h, *rel_w;
  int64_t tq, tk, dq, dv;
  /* of the tile at work */
  int64_t b, head, first, n;
  float *scores;     /* [n][tk] */
  float *row_h;      /* [n][gh]: q · rel_h of each key row, [n][gw] follows */
  float *row_w;
  void *p; /* probabilities in the dtype of v, [n][tk] */
} Tile;

static size_t
size_of (SegDtype dtype)
{
  return dtype == SEG_DTYPE_BF16 ? 2 : 4;
}

static const uint8_t *
at (const SegBackendTensor *t, int64_t b, int64_t row, int64_t column)
{
  return (const uint8_t *) t->data
         + (b * t->stride[0] + row * t->stride[1] + column) * (int64_t) size_of (t->dtype);
}

static void
relative_cb (void *data, int64_t low, int64_t high, int thread)
{
  Tile *t = data;
  const int64_t gh = t->params->grid[0], gw = t->params->grid[1];
  const float *rel_h = t->rel_h->data, *rel_w = t->rel_w->data;
  float block[BLOCK];

  for (int64_t i = low; i < high; i++)
    {
      const int64_t row = t->first + i;
      const float *q = fetch (t->q, t->b * t->q->stride[0] + row * t->q->stride[1] + t->head * t->dq,
                              (int) t->dq, block);

      for (int64_t y = 0; y < gh; y++)
        {
          const float *r = rel_h + (row / gw - y + gh - 1) * t->dq;
          float sum = 0;

          for (int64_t d = 0; d < t->dq; d++)
            sum += q[d] * r[d];
          t->row_h[i * gh + y] = sum;
        }
      for (int64_t x = 0; x < gw; x++)
        {
          const float *r = rel_w + (row % gw - x + gw - 1) * t->dq;
          float sum = 0;

          for (int64_t d = 0; d < t->dq; d++)
            sum += q[d] * r[d];
          t->row_w[i * gw + x] = sum;
        }
    }
}

static void
softmax_cb (void *data, int64_t low, int64_t high, int thread)
{
  Tile *t = data;
  const int64_t gh = t->params->grid[0], gw = t->params->grid[1], n = t->tk;
  SegBackendTensor p = { .data = t->p, .dtype = t->v->dtype };
  float block[BLOCK];

  for (int64_t i = low; i < high; i++)
    {
      float *s = t->scores + i * n;
      float lane[16], top = -INFINITY, sum = 0;
      int64_t j;

      if (t->rel_h != NULL)
        for (int64_t y = 0; y < gh; y++)
          for (int64_t x = 0; x < gw; x++)
            s[y * gw + x] += t->row_h[i * gh + y] + t->row_w[i * gw + x];
      if (t->bias != NULL)
        {
          const int64_t nb = t->bias->shape[0] == 1 ? 0 : t->b;
          const int64_t nh = t->bias->shape[1] == 1 ? 0 : t->head;
          const int64_t start = nb * t->bias->stride[0] + nh * t->bias->stride[1]
                                + (t->first + i) * t->bias->stride[2];

          for (j = 0; j < n; j += BLOCK)
            {
              const int size = (int) MIN (BLOCK, n - j);
              const float *bias = fetch_strided (t->bias, start + j * t->bias->stride[3],
                                                 t->bias->stride[3], size, block);

              for (int l = 0; l < size; l++)
                s[j + l] += bias[l];
            }
        }
      for (int l = 0; l < 16; l++)
        lane[l] = -INFINITY;
      for (j = 0; j + 16 <= n; j += 16)
        for (int l = 0; l < 16; l++)
          lane[l] = s[j + l] > lane[l] ? s[j + l] : lane[l];
      for (int l = 0; l < 16; l++)
        top = lane[l] > top ? lane[l] : top;
      for (; j < n; j++)
        top = s[j] > top ? s[j] : top;
      for (j = 0; j < n; j++)
        s[j] = fast_exp (s[j] - top);
      memset (lane, 0, sizeof lane);
      for (j = 0; j + 16 <= n; j += 16)
        for (int l = 0; l < 16; l++)
          lane[l] += s[j + l];
      for (int l = 0; l < 16; l++)
        sum += lane[l];
      for (; j < n; j++)
        sum += s[j];
      sum = 1 / sum;
      for (j = 0; j < n; j++)
        s[j] *= sum;
      if (t->p != t->scores)
        for (j = 0; j < n; j += BLOCK)
          commit (&p, i * n + j, 1, (int) MIN (BLOCK, n - j), s + j);
    }
}

/* Probabilities of the tile's queries. */
static SegStatus
attend (SegBackendDevice *device, Tile *t)
{
  const CpuProduct scores = {
    .batch = 1,
    .m = t->n,
    .n = t->tk,
    .k = t->dq,
    .dtype_a = t->q->dtype,
    .dtype_b = t->k->dtype,
    .dtype_c = SEG_DTYPE_F32,
    .a_batch = t->n * t->q->stride[1],
    .a_row = t->q->stride[1],
    .a_column = 1,
    .b_batch = t->tk * t->k->stride[1],
    .b_row = 1,
    .b_column = t->k->stride[1],
    .c_batch = t->n * t->tk,
    .c_row = t->tk,
    .alpha = (float) t->params->scale,
  };
  const SegStatus status
      = seg_cpu_dnn_product (device, &scores, at (t->q, t->b, t->first, t->head * t->dq),
                             at (t->k, t->b, 0, t->head * t->dq), t->scores);

  if (status != SEG_STATUS_OK)
    return status;
  if (t->rel_h != NULL)
    seg_cpu_parallel (device, t->n, 8, relative_cb, t);
  seg_cpu_parallel (device, t->n, MAX (1, GRAIN / t->tk), softmax_cb, t);
  return SEG_STATUS_OK;
}

static void
tile_init (Tile *t, const SegBackendCall *call)
{
  *t = (Tile) { .params = call->params, .q = call->in[0], .k = call->in[1], .v = call->in[2],
                .bias = call->in[3], .rel_h = call->in[4], .rel_w = call->in[5] };
  t->tq = t->q->shape[1];
  t->tk = t->k->shape[1];
  t->dq = t->q->shape[2] / t->params->heads;
  t->dv = t->v->shape[2] / t->params->heads;
}

static SegStatus
run_forward (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegBackendTensor *out = call->out[0];
  Tile t;
  int64_t rows, grid;

  tile_init (&t, call);
  rows = MIN (TILE, t.tq);
  grid = t.params->grid[0] + t.params->grid[1];
  t.scores = seg_cpu_scratch (device, rows * (2 * t.tk + grid) * sizeof (float));
  if (t.scores == NULL)
    return SEG_STATUS_MEMORY;
  t.p = t.v->dtype == SEG_DTYPE_F32 ? t.scores : t.scores + rows * t.tk;
  t.row_h = t.scores + 2 * rows * t.tk;
  t.row_w = t.row_h + rows * t.params->grid[0];
  for (t.b = 0; t.b < t.q->shape[0]; t.b++)
    for (t.head = 0; t.head < t.params->heads; t.head++)
      for (t.first = 0; t.first < t.tq; t.first += rows)
        {
          CpuProduct product = {
            .batch = 1,
            .n = t.dv,
            .k = t.tk,
            .dtype_a = t.v->dtype,
            .dtype_b = t.v->dtype,
            .dtype_c = out->dtype,
            .a_row = t.tk,
            .a_column = 1,
            .b_batch = t.tk * t.v->stride[1],
            .b_row = t.v->stride[1],
            .b_column = 1,
            .c_row = out->stride[1],
            .alpha = 1,
          };
          SegStatus status;

          t.n = MIN (rows, t.tq - t.first);
          product.m = t.n;
          product.a_batch = t.n * t.tk;
          product.c_batch = t.n * out->stride[1];
          status = attend (device, &t);
          if (status == SEG_STATUS_OK)
            status = seg_cpu_dnn_product (device, &product, t.p, at (t.v, t.b, 0, t.head * t.dv),
                                          (void *) at (out, t.b, t.first, t.head * t.dv));
          if (status != SEG_STATUS_OK)
            return status;
        }
  return SEG_STATUS_OK;
}

SegStatus
CPU_NAME (seg_cpu_run_attention) (SegBackendDevice *device, const SegBackendCall *call)
{
  return run_forward (device, call);
}
