/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/kernel.h"

SegStatus CPU_NAME (seg_cpu_run_attention) (SegBackendDevice *device, const SegBackendCall *call);

/* Attention in tiles of queries: products by oneDNN, softmax with bias and relative position here.
 * A tile is one head of some batch elements (windows), or some queries of one: scores stay in the
 * outer caches, and the products are large enough to be worth waking threads for. */

#define TILE 256 /* queries of one batch element */
#define TILE_SCORES 1048576 /* scores of several */

typedef struct
{
  const SegAttentionParams *params;
  const SegBackendTensor *q, *k, *v, *bias, *rel_h, *rel_w;
  int64_t tq, tk, dq, dv;
  /* of the tile at work */
  int64_t b, n_batch, head, first, n; /* n queries of each of n_batch elements */
  float *scores; /* [n][tk] */
  float *row_h; /* [n][gh]: q · rel_h of each key row, [n][gw] follows */
  float *row_w;
  float *turned_h; /* the tables, see turn_table() */
  float *turned_w;
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

/* turned[d][j] = rel[2n−2−j][d]: what a query in row r adds for the keys 0 … n−1 then starts at
 * n−1−r and runs on, so that the loop over keys is the inner one. */
static void
turn_table (const SegBackendTensor *rel, int64_t n, int64_t d_head, float *turned)
{
  const float *r = rel->data;

  for (int64_t j = 0; j < 2 * n - 1; j++)
    for (int64_t d = 0; d < d_head; d++)
      turned[d * (2 * n - 1) + j] = r[(2 * n - 2 - j) * d_head + d];
}

static void
relative_row (const float *restrict q, int64_t d_head, const float *turned, int64_t n, int64_t row,
              float *restrict out)
{
  for (int64_t k = 0; k < n; k++)
    out[k] = 0;
  for (int64_t d = 0; d < d_head; d++)
    {
      const float *restrict r = turned + d * (2 * n - 1) + n - 1 - row;
      const float factor = q[d];

      for (int64_t k = 0; k < n; k++)
        out[k] += factor * r[k];
    }
}

static void
relative_cb (void *data, int64_t low, int64_t high, int thread)
{
  Tile *t = data;
  const int64_t gh = t->params->grid[0], gw = t->params->grid[1];
  float block[BLOCK];

  for (int64_t i = low; i < high; i++)
    {
      const int64_t row = t->first + i % t->n, b = t->b + i / t->n;
      const float *q = fetch (t->q, b * t->q->stride[0] + row * t->q->stride[1] + t->head * t->dq,
                              (int) t->dq, block);

      relative_row (q, t->dq, t->turned_h, gh, row / gw, t->row_h + i * gh);
      relative_row (q, t->dq, t->turned_w, gw, row % gw, t->row_w + i * gw);
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
          {
            const float above = t->row_h[i * gh + y];
            const float *restrict beside = t->row_w + i * gw;
            float *restrict line = s + y * gw;

            for (int64_t x = 0; x < gw; x++)
              line[x] += above + beside[x];
          }
      if (t->bias != NULL)
        {
          const int64_t nb = t->bias->shape[0] == 1 ? 0 : t->b + i / t->n;
          const int64_t nh = t->bias->shape[1] == 1 ? 0 : t->head;
          const int64_t start = nb * t->bias->stride[0] + nh * t->bias->stride[1]
                                + (t->first + i % t->n) * t->bias->stride[2];

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
    .batch = t->n_batch,
    .m = t->n,
    .n = t->tk,
    .k = t->dq,
    .dtype_a = t->q->dtype,
    .dtype_b = t->k->dtype,
    .dtype_c = SEG_DTYPE_F32,
    .a_batch = t->q->stride[0],
    .a_row = t->q->stride[1],
    .a_column = 1,
    .b_batch = t->k->stride[0],
    .b_row = 1,
    .b_column = t->k->stride[1],
    .c_batch = t->n * t->tk,
    .c_row = t->tk,
    .alpha = (float) t->params->scale,
  };
  const SegStatus status =
      seg_cpu_dnn_product (device, &scores, at (t->q, t->b, t->first, t->head * t->dq),
                           at (t->k, t->b, 0, t->head * t->dq), t->scores);

  if (status != SEG_STATUS_OK)
    return status;
  if (t->rel_h != NULL)
    seg_cpu_parallel (device, t->n_batch * t->n, 8, relative_cb, t);
  seg_cpu_parallel (device, t->n_batch * t->n, MAX (1, GRAIN / t->tk), softmax_cb, t);
  return SEG_STATUS_OK;
}

static void
tile_init (Tile *t, const SegBackendCall *call)
{
  *t = (Tile){ .params = call->params,
               .q = call->in[0],
               .k = call->in[1],
               .v = call->in[2],
               .bias = call->in[3],
               .rel_h = call->in[4],
               .rel_w = call->in[5] };
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
  int64_t rows, grid, per_tile = 1, n_rows;

  tile_init (&t, call);
  rows = MIN (TILE, t.tq);
  grid = t.params->grid[0] + t.params->grid[1];
  if (rows == t.tq)
    per_tile = MAX (1, MIN (t.q->shape[0], TILE_SCORES / (t.tq * t.tk)));
  n_rows = rows * per_tile;
  t.scores =
      seg_cpu_scratch (device, (n_rows * (2 * t.tk + grid) + 2 * grid * t.dq) * sizeof (float));
  if (t.scores == NULL)
    return SEG_STATUS_MEMORY;
  t.p = t.v->dtype == SEG_DTYPE_F32 ? t.scores : t.scores + n_rows * t.tk;
  t.row_h = t.scores + 2 * n_rows * t.tk;
  t.row_w = t.row_h + n_rows * t.params->grid[0];
  t.turned_h = t.row_w + n_rows * t.params->grid[1];
  t.turned_w = t.turned_h + 2 * t.params->grid[0] * t.dq;
  if (t.rel_h != NULL)
    {
      turn_table (t.rel_h, t.params->grid[0], t.dq, t.turned_h);
      turn_table (t.rel_w, t.params->grid[1], t.dq, t.turned_w);
    }
  for (t.b = 0; t.b < t.q->shape[0]; t.b += per_tile)
    for (t.head = 0; t.head < t.params->heads; t.head++)
      for (t.first = 0; t.first < t.tq; t.first += rows)
        {
          CpuProduct product = {
            .n = t.dv,
            .k = t.tk,
            .dtype_a = t.v->dtype,
            .dtype_b = t.v->dtype,
            .dtype_c = out->dtype,
            .a_row = t.tk,
            .a_column = 1,
            .b_batch = t.v->stride[0],
            .c_batch = out->stride[0],
            .b_row = t.v->stride[1],
            .b_column = 1,
            .c_row = out->stride[1],
            .alpha = 1,
          };
          SegStatus status;

          t.n = MIN (rows, t.tq - t.first);
          t.n_batch = MIN (per_tile, t.q->shape[0] - t.b);
          product.batch = t.n_batch;
          product.m = t.n;
          product.a_batch = t.n * t.tk;
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
