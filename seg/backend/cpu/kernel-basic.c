/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/kernel.h"

#include <stdlib.h>

SegStatus CPU_NAME (seg_cpu_run_basic) (SegBackendDevice *device, const SegBackendCall *call);

/* --- Elementwise, over any strides ------------------------------------------------------------ */

#define MAX_OPERANDS 3

/* Axes in the order of the output's memory, neighbours merged where all operands allow. */
typedef struct
{
  int rank;
  int n_operands;
  int64_t shape[SEG_MAX_RANK];
  int64_t stride[MAX_OPERANDS][SEG_MAX_RANK];
} Nest;

static void
nest_init (Nest *nest, int n_operands, const SegBackendTensor *const *operand)
{
  int order[SEG_MAX_RANK];
  const SegBackendTensor *first = operand[0];

  for (int a = 0; a < first->rank; a++)
    {
      int at = a;

      while (at > 0 && llabs (first->stride[order[at - 1]]) < llabs (first->stride[a]))
        {
          order[at] = order[at - 1];
          at--;
        }
      order[at] = a;
    }
  nest->rank = 0;
  nest->n_operands = n_operands;
  for (int i = 0; i < first->rank; i++)
    {
      const int a = order[i];
      bool merges = nest->rank > 0;

      if (first->shape[a] == 1)
        continue;
      for (int o = 0; o < n_operands && merges; o++)
        merges = nest->stride[o][nest->rank - 1] == operand[o]->stride[a] * first->shape[a];
      if (!merges)
        nest->shape[nest->rank++] = 1;
      nest->shape[nest->rank - 1] *= first->shape[a];
      for (int o = 0; o < n_operands; o++)
        nest->stride[o][nest->rank - 1] = operand[o]->stride[a];
    }
  if (nest->rank == 0)
    {
      nest->rank = 1;
      nest->shape[0] = 1;
      for (int o = 0; o < n_operands; o++)
        nest->stride[o][0] = 1;
    }
}

/* The runs of the innermost axis, cut into blocks, are numbered; a walk visits those of a range. */
typedef struct
{
  const Nest *nest;
  int64_t offset[MAX_OPERANDS];
  int64_t blocks_per_run;
} Walk;

static int64_t
count_blocks (const Nest *nest)
{
  int64_t n = (nest->shape[nest->rank - 1] + BLOCK - 1) / BLOCK;

  for (int a = 0; a < nest->rank - 1; a++)
    n *= nest->shape[a];
  return n;
}

/* Offsets of the block; answers its length. */
static int
find_block (const Nest *nest, int64_t block, int64_t offset[MAX_OPERANDS])
{
  const int last = nest->rank - 1;
  const int64_t per_run = (nest->shape[last] + BLOCK - 1) / BLOCK;
  const int64_t start = block % per_run * BLOCK;
  int64_t run = block / per_run;

  for (int o = 0; o < nest->n_operands; o++)
    offset[o] = start * nest->stride[o][last];
  for (int a = last - 1; a >= 0; a--)
    {
      const int64_t at = run % nest->shape[a];

      run /= nest->shape[a];
      for (int o = 0; o < nest->n_operands; o++)
        offset[o] += at * nest->stride[o][a];
    }
  return (int) MIN (BLOCK, nest->shape[last] - start);
}

static int64_t
get_grain (const Nest *nest)
{
  const int64_t run = MIN (nest->shape[nest->rank - 1], BLOCK);

  return MAX (1, GRAIN / MAX (run, 1));
}

typedef struct
{
  const SegBackendCall *call;
  Nest nest;
  bool streaming;
} Elementwise;

static void
unary_block (const SegUnaryParams *p, const float *x, float *y, int n)
{
  const float a = (float) p->a, b = (float) p->b;

  switch (p->act)
    {
#define CASE(which, expression)                                                                    \
  case which:                                                                                      \
    for (int i = 0; i < n; i++)                                                                    \
      y[i] = expression;                                                                           \
    break
      CASE (SEG_ACT_NONE, x[i]);
      CASE (SEG_ACT_RELU, apply_act (SEG_ACT_RELU, x[i], a));
      CASE (SEG_ACT_LEAKY_RELU, apply_act (SEG_ACT_LEAKY_RELU, x[i], a));
      CASE (SEG_ACT_GELU, apply_act (SEG_ACT_GELU, x[i], a));
      CASE (SEG_ACT_GELU_TANH, apply_act (SEG_ACT_GELU_TANH, x[i], a));
      CASE (SEG_ACT_SILU, apply_act (SEG_ACT_SILU, x[i], a));
      CASE (SEG_ACT_SIGMOID, apply_act (SEG_ACT_SIGMOID, x[i], a));
      CASE (SEG_ACT_TANH, apply_act (SEG_ACT_TANH, x[i], a));
      CASE (SEG_ACT_EXP, x[i] > 88.7f ? expf (x[i]) : fast_exp (x[i]));
      CASE (SEG_ACT_LOG, logf (x[i] + a));
      CASE (SEG_ACT_SQRT, sqrtf (x[i] + a));
      CASE (SEG_ACT_SQUARE, x[i] * x[i]);
      CASE (SEG_ACT_ABS, x[i] < 0 ? -x[i] : x[i]);
      CASE (SEG_ACT_RECIPROCAL, 1 / (x[i] + a));
      CASE (SEG_ACT_AFFINE, a * x[i] + b);
      CASE (SEG_ACT_CLAMP, x[i] < a ? a : x[i] > b ? b : x[i]);
      CASE (SEG_ACT_SOFTPLUS, (x[i] > 0 ? x[i] : 0) + log1pf (expf (-fabsf (x[i]))));
      CASE (SEG_ACT_SIN, sinf (x[i]));
      CASE (SEG_ACT_COS, cosf (x[i]));
      CASE (SEG_ACT_POW, powf (x[i], a));
#undef CASE
    }
}

static void
unary_backward_block (const SegUnaryParams *p, const float *x, const float *dy, float *dx, int n)
{
  const float a = (float) p->a, b = (float) p->b;

  switch (p->act)
    {
#define CASE(which, expression)                                                                    \
  case which:                                                                                      \
    for (int i = 0; i < n; i++)                                                                    \
      dx[i] = dy[i] * (expression);                                                                \
    break
      CASE (SEG_ACT_NONE, 1);
      CASE (SEG_ACT_RELU, act_slope (SEG_ACT_RELU, x[i], a));
      CASE (SEG_ACT_LEAKY_RELU, act_slope (SEG_ACT_LEAKY_RELU, x[i], a));
      CASE (SEG_ACT_GELU, act_slope (SEG_ACT_GELU, x[i], a));
      CASE (SEG_ACT_GELU_TANH, act_slope (SEG_ACT_GELU_TANH, x[i], a));
      CASE (SEG_ACT_SILU, act_slope (SEG_ACT_SILU, x[i], a));
      CASE (SEG_ACT_SIGMOID, act_slope (SEG_ACT_SIGMOID, x[i], a));
      CASE (SEG_ACT_TANH, act_slope (SEG_ACT_TANH, x[i], a));
      CASE (SEG_ACT_EXP, fast_exp (x[i]));
      CASE (SEG_ACT_LOG, 1 / (x[i] + a));
      CASE (SEG_ACT_SQRT, 0.5f / sqrtf (x[i] + a));
      CASE (SEG_ACT_SQUARE, 2 * x[i]);
      CASE (SEG_ACT_ABS, x[i] > 0 ? 1 : x[i] < 0 ? -1 : 0);
      CASE (SEG_ACT_RECIPROCAL, -1 / ((x[i] + a) * (x[i] + a)));
      CASE (SEG_ACT_AFFINE, a);
      CASE (SEG_ACT_CLAMP, x[i] >= a && x[i] <= b);
      CASE (SEG_ACT_SOFTPLUS, fast_sigmoid (x[i]));
      CASE (SEG_ACT_SIN, cosf (x[i]));
      CASE (SEG_ACT_COS, -sinf (x[i]));
      CASE (SEG_ACT_POW, a == 0 ? 0 : a * powf (x[i], a - 1));
#undef CASE
    }
}

static void
binary_block (SegBinaryKind kind, const float *a, const float *b, float *y, int n)
{
  switch (kind)
    {
#define CASE(which, expression)                                                                    \
  case which:                                                                                      \
    for (int i = 0; i < n; i++)                                                                    \
      y[i] = expression;                                                                           \
    break
      CASE (SEG_BINARY_ADD, a[i] + b[i]);
      CASE (SEG_BINARY_SUB, a[i] - b[i]);
      CASE (SEG_BINARY_MUL, a[i] * b[i]);
      CASE (SEG_BINARY_DIV, a[i] / b[i]);
      CASE (SEG_BINARY_MAX, a[i] > b[i] || a[i] != a[i] ? a[i] : b[i]);
      CASE (SEG_BINARY_MIN, a[i] < b[i] || a[i] != a[i] ? a[i] : b[i]);
      CASE (SEG_BINARY_GREATER, a[i] > b[i]);
      CASE (SEG_BINARY_EQUAL, a[i] == b[i]);
#undef CASE
    }
}

static void
elementwise_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Elementwise *e = data;
  const SegBackendCall *call = e->call;
  const int last = e->nest.rank - 1;
  float buffer[MAX_OPERANDS][BLOCK];

  for (int64_t block = low; block < high; block++)
    {
      int64_t offset[MAX_OPERANDS] = { 0 };
      const int n = find_block (&e->nest, block, offset);
      const float *in[2] = { NULL, NULL };
      float *out = e->streaming
                       ? buffer[0]
                       : target (call->out[0], offset[0], e->nest.stride[0][last], buffer[0]);

      for (int o = 1; o < e->nest.n_operands; o++)
        in[o - 1] =
            fetch_strided (call->in[o - 1], offset[o], e->nest.stride[o][last], n, buffer[o]);
      switch (call->op)
        {
        case SEG_OP_FILL:
          for (int i = 0; i < n; i++)
            out[i] = (float) ((const SegFillParams *) call->params)->value;
          break;
        case SEG_OP_UNARY:
          unary_block (call->params, in[0], out, n);
          break;
        case SEG_OP_UNARY_BACKWARD:
          unary_backward_block (call->params, in[0], in[1], out, n);
          break;
        case SEG_OP_BINARY:
          binary_block (((const SegBinaryParams *) call->params)->kind, in[0], in[1], out, n);
          break;
        case SEG_OP_LERP:
          {
            const float keep = (float) ((const SegLerpParams *) call->params)->decay;
            const float take = (float) (1 - ((const SegLerpParams *) call->params)->decay);
            const float *old =
                fetch_strided (call->out[0], offset[0], e->nest.stride[0][last], n, buffer[2]);

            for (int i = 0; i < n; i++)
              out[i] = keep * old[i] + take * in[0][i];
            break;
          }
        default: /* a copy */
          if (in[0] != out)
            memcpy (out, in[0], n * sizeof *out);
        }
      if (e->streaming)
        commit_streaming (call->out[0], offset[0], n, out);
      else
        commit (call->out[0], offset[0], e->nest.stride[0][last], n, out);
    }
  if (e->streaming)
    finish_streaming ();
}

static SegStatus
run_elementwise (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegBackendTensor *operand[MAX_OPERANDS] = { call->out[0] };
  Elementwise e = { .call = call };

  for (int i = 0; i < call->n_in; i++)
    operand[1 + i] = call->in[i];
  nest_init (&e.nest, 1 + call->n_in, operand);
  /* what is written over itself has been read already */
  e.streaming = call->op == SEG_OP_BINARY && e.nest.stride[0][e.nest.rank - 1] == 1
                && is_worth_streaming (call->out[0]) && call->in[0]->data != call->out[0]->data
                && call->in[1]->data != call->out[0]->data;
  seg_cpu_parallel (device, count_blocks (&e.nest), get_grain (&e.nest), elementwise_cb, &e);
  return SEG_STATUS_OK;
}

/* Equal dtypes of whole numbers must not pass through floats. */
typedef struct
{
  const SegBackendCall *call;
  Nest nest;
  int size;
} Move;

static void
move_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Move *m = data;
  const int last = m->nest.rank - 1;

  for (int64_t block = low; block < high; block++)
    {
      int64_t offset[MAX_OPERANDS];
      const int n = find_block (&m->nest, block, offset);
      const int64_t to = m->nest.stride[0][last], from = m->nest.stride[1][last];
      uint8_t *dst = (uint8_t *) m->call->out[0]->data + offset[0] * m->size;
      const uint8_t *src = (const uint8_t *) m->call->in[0]->data + offset[1] * m->size;

      if (to == 1 && from == 1)
        memcpy (dst, src, (size_t) n * m->size);
      else if (m->size == 4)
        for (int i = 0; i < n; i++)
          ((uint32_t *) dst)[i * to] = ((const uint32_t *) src)[i * from];
      else if (m->size == 2)
        for (int i = 0; i < n; i++)
          ((uint16_t *) dst)[i * to] = ((const uint16_t *) src)[i * from];
      else if (m->size == 1)
        for (int i = 0; i < n; i++)
          dst[i * to] = src[i * from];
      else
        for (int i = 0; i < n; i++)
          ((uint64_t *) dst)[i * to] = ((const uint64_t *) src)[i * from];
    }
}

static SegStatus
run_copy (SegBackendDevice *device, const SegBackendCall *call)
{
  static const int sizes[] = { 4, 2, 2, 1, 4, 8, 8 };
  const SegBackendTensor *operand[] = { call->out[0], call->in[0] };
  Move m = { .call = call, .size = sizes[call->out[0]->dtype] };

  if (call->out[0]->dtype != call->in[0]->dtype)
    return run_elementwise (device, call);
  nest_init (&m.nest, 2, operand);
  seg_cpu_parallel (device, count_blocks (&m.nest), get_grain (&m.nest), move_cb, &m);
  return SEG_STATUS_OK;
}

/* --- Reductions --------------------------------------------------------------------------------
 */

typedef struct
{
  const SegBackendCall *call;
  Nest nest; /* operand 0: in; operand 1: sums, stride 0 along reduced axes */
  double *sums;
  int64_t n_sums;
  bool shared; /* the threads' ranges meet no sum twice */
} Reduction;

static void
reduce_run (SegReduceKind kind, const float *x, int n, double *sum)
{
  float lane[16];
  double total = *sum;
  int i = 0;

  if (kind == SEG_REDUCE_MAX || kind == SEG_REDUCE_MIN)
    {
      for (; i < n; i++)
        total =
            kind == SEG_REDUCE_MAX ? (x[i] > total ? x[i] : total) : (x[i] < total ? x[i] : total);
      *sum = total;
      return;
    }
  memset (lane, 0, sizeof lane);
  for (; i + 16 <= n; i += 16)
    for (int l = 0; l < 16; l++)
      lane[l] += kind == SEG_REDUCE_SUM_SQUARES ? x[i + l] * x[i + l] : x[i + l];
  for (int l = 0; l < 16; l++)
    total += lane[l];
  for (; i < n; i++)
    total += kind == SEG_REDUCE_SUM_SQUARES ? (double) x[i] * x[i] : x[i];
  *sum = total;
}

static void
reduce_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Reduction *r = data;
  const SegReduceKind kind = ((const SegReduceParams *) r->call->params)->kind;
  const int last = r->nest.rank - 1;
  double *sums = r->sums + (r->shared ? 0 : thread * r->n_sums);
  float buffer[BLOCK];

  for (int64_t block = low; block < high; block++)
    {
      int64_t offset[MAX_OPERANDS];
      const int n = find_block (&r->nest, block, offset);
      const int64_t step = r->nest.stride[1][last];
      const float *x =
          fetch_strided (r->call->in[0], offset[0], r->nest.stride[0][last], n, buffer);
      double *sum = sums + offset[1];

      if (step == 0)
        reduce_run (kind, x, n, sum);
      else if (kind == SEG_REDUCE_MAX)
        for (int i = 0; i < n; i++)
          sum[i * step] = x[i] > sum[i * step] ? x[i] : sum[i * step];
      else if (kind == SEG_REDUCE_MIN)
        for (int i = 0; i < n; i++)
          sum[i * step] = x[i] < sum[i * step] ? x[i] : sum[i * step];
      else if (kind == SEG_REDUCE_SUM_SQUARES)
        for (int i = 0; i < n; i++)
          sum[i * step] += (double) x[i] * x[i];
      else
        for (int i = 0; i < n; i++)
          sum[i * step] += x[i];
    }
}

static double
get_start (SegReduceKind kind)
{
  return kind == SEG_REDUCE_MAX ? -INFINITY : kind == SEG_REDUCE_MIN ? INFINITY : 0;
}

static SegStatus
run_reduce (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegReduceParams *params = call->params;
  const SegBackendTensor *in = call->in[0], *out = call->out[0];
  SegBackendTensor sums = *out;
  const SegBackendTensor *operand[] = { in, &sums };
  const int64_t per_out = seg_cpu_count (in) / MAX (seg_cpu_count (out), 1);
  Reduction r = { .call = call, .n_sums = seg_cpu_count (out) };
  int64_t step = 1, n_copies;
  double start = get_start (params->kind);

  for (int a = out->rank - 1; a >= 0; a--)
    {
      sums.stride[a] = params->axes >> a & 1 ? 0 : step;
      step *= out->shape[a];
    }
  nest_init (&r.nest, 2, operand);
  r.shared = r.nest.rank > 1 && r.nest.stride[1][0] != 0 && r.nest.shape[0] >= device->n_threads;
  n_copies = r.shared ? 1 : device->n_threads;
  r.sums = seg_cpu_scratch (device, n_copies * r.n_sums * sizeof (double));
  if (r.sums == NULL)
    return SEG_STATUS_MEMORY;
  for (int64_t i = 0; i < n_copies * r.n_sums; i++)
    r.sums[i] = start;
  /* a shared array wants cuts between the outermost indices; one thread is simple and right */
  if (r.shared || (r.n_sums > 65536 && n_copies > 1))
    reduce_cb (&r, 0, count_blocks (&r.nest), 0);
  else
    seg_cpu_parallel (device, count_blocks (&r.nest), get_grain (&r.nest), reduce_cb, &r);
  for (int64_t i = 0; i < r.n_sums; i++)
    {
      double total = start;
      int64_t rest = i, offset = 0;
      float value;

      for (int64_t t = 0; t < n_copies; t++)
        {
          const double part = r.sums[t * r.n_sums + i];

          if (params->kind == SEG_REDUCE_MAX)
            total = part > total ? part : total;
          else if (params->kind == SEG_REDUCE_MIN)
            total = part < total ? part : total;
          else
            total += part;
        }
      if (params->kind == SEG_REDUCE_MEAN)
        total /= per_out;
      for (int a = out->rank - 1; a >= 0; a--)
        {
          offset += rest % out->shape[a] * out->stride[a];
          rest /= out->shape[a];
        }
      value = (float) total;
      commit (out, offset, 2, 1, &value);
    }
  return SEG_STATUS_OK;
}

typedef struct
{
  const SegBackendCall *call;
  int axis;
  int64_t line; /* length along the axis */
  Nest nest; /* of out and the first elements of in's lines */
} ArgMax;

static void
argmax_cb (void *data, int64_t low, int64_t high, int thread)
{
  const ArgMax *m = data;
  const SegBackendTensor *in = m->call->in[0], *out = m->call->out[0];
  const int last = m->nest.rank - 1;
  float best[BLOCK], place[BLOCK], buffer[BLOCK];

  for (int64_t block = low; block < high; block++)
    {
      int64_t offset[MAX_OPERANDS];
      const int n = find_block (&m->nest, block, offset);

      for (int i = 0; i < n; i++)
        {
          best[i] = -INFINITY;
          place[i] = 0;
        }
      for (int64_t c = 0; c < m->line; c++)
        {
          const float *x = fetch_strided (in, offset[1] + c * in->stride[m->axis],
                                          m->nest.stride[1][last], n, buffer);

          for (int i = 0; i < n; i++)
            {
              place[i] = x[i] > best[i] ? (float) c : place[i];
              best[i] = x[i] > best[i] ? x[i] : best[i];
            }
        }
      commit (out, offset[0], m->nest.stride[0][last], n, place);
    }
}

static SegStatus
run_argmax (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegReduceParams *params = call->params;
  SegBackendTensor lines = *call->in[0];
  const SegBackendTensor *operand[] = { call->out[0], &lines };
  ArgMax m = { .call = call };

  m.axis = __builtin_ctz (params->axes);
  m.line = lines.shape[m.axis];
  lines.shape[m.axis] = 1;
  nest_init (&m.nest, 2, operand);
  seg_cpu_parallel (device, count_blocks (&m.nest), get_grain (&m.nest), argmax_cb, &m);
  return SEG_STATUS_OK;
}

/* --- Random numbers ----------------------------------------------------------------------------
 */

static void
random_quad (const SegRandomParams *p, int64_t quad, float value[4])
{
  uint32_t word[4];

  random_words (p->seed, p->offset + quad, word);
  if (!p->normal)
    for (int i = 0; i < 4; i++)
      value[i] = (float) (p->a + (p->b - p->a) * uniform_of_word (word[i]));
  else
    for (int i = 0; i < 4; i += 2)
      {
        const float radius = sqrtf (-2 * logf (1 - uniform_of_word (word[i])));
        const float angle = 6.28318531f * uniform_of_word (word[i + 1]);

        value[i] = (float) (p->a + p->b * radius * cosf (angle));
        value[i + 1] = (float) (p->a + p->b * radius * sinf (angle));
      }
}

static void
random_cb (void *data, int64_t low, int64_t high, int thread)
{
  const SegBackendCall *call = data;
  const int64_t n = seg_cpu_count (call->out[0]);
  float value[BLOCK];

  for (int64_t quad = low; quad < high; quad += BLOCK / 4)
    {
      const int64_t end = MIN (quad + BLOCK / 4, high);

      for (int64_t q = quad; q < end; q++)
        random_quad (call->params, q, value + 4 * (q - quad));
      commit (call->out[0], 4 * quad, 1, (int) (MIN (4 * end, n) - 4 * quad), value);
    }
}

static void
dropout_cb (void *data, int64_t low, int64_t high, int thread)
{
  const SegBackendCall *call = data;
  const SegDropoutParams *p = call->params;
  const float keep = (float) (1 / (1 - p->p)), limit = (float) p->p;
  const int64_t n = seg_cpu_count (call->out[0]);
  float in[BLOCK], out[BLOCK];

  for (int64_t block = low; block < high; block++)
    {
      const int64_t start = block * BLOCK;
      const int size = (int) MIN (BLOCK, n - start);
      const float *x = fetch (call->in[0], start, size, in);

      for (int i = 0; i < size; i += 4)
        {
          uint32_t word[4];

          random_words (p->seed, p->offset + (start + i) / 4, word);
          for (int j = 0; j < 4 && i + j < size; j++)
            out[i + j] = uniform_of_word (word[j]) < limit ? 0 : x[i + j] * keep;
        }
      commit (call->out[0], start, 1, size, out);
    }
}

static void
dropout_rows_cb (void *data, int64_t low, int64_t high, int thread)
{
  const SegBackendCall *call = data;
  const SegDropoutParams *p = call->params;
  const Rows r = get_rows (call->in[0]);
  const float keep = (float) (1 / (1 - p->p));
  float in[BLOCK], out[BLOCK], factor[BLOCK];
  int64_t sample = -1, first = -1;

  /* channels come in pieces that fit a block */
  for (int64_t c = 0; c < r.channels; c += BLOCK)
    for (int64_t row = low; row < high; row++)
      {
        const int n = (int) MIN (BLOCK, r.channels - c);
        const float *x = fetch (call->in[0], row * r.channels + c, n, in);

        if (row / r.per_sample != sample || c != first)
          {
            sample = row / r.per_sample;
            first = c;
            for (int i = 0; i < n; i++)
              {
                const int64_t draw = sample * r.channels + c + i;
                uint32_t word[4];

                random_words (p->seed, p->offset + draw / 4, word);
                factor[i] = uniform_of_word (word[draw % 4]) < (float) p->p ? 0 : keep;
              }
          }
        for (int i = 0; i < n; i++)
          out[i] = factor[i] == 0 ? 0 : x[i] * factor[i];
        commit (call->out[0], row * r.channels + c, 1, n, out);
      }
}

/* --- Optimisers: dense, F32 --------------------------------------------------------------------
 */

static void
sgd_cb (void *data, int64_t low, int64_t high, int thread)
{
  const SegBackendCall *call = data;
  const SegSgdParams *p = call->params;
  float *w = call->out[0]->data, *m = call->out[1] != NULL ? call->out[1]->data : NULL;
  const float *grad = call->in[0]->data;
  const float scale = (float) p->grad_scale, decay = (float) p->decay, lr = (float) p->lr;
  const float momentum = p->first ? 0 : (float) p->momentum;
  const float ahead = p->nesterov ? 1 : 0, behind = p->nesterov ? (float) p->momentum : 1;

  if (m == NULL)
    for (int64_t i = low; i < high; i++)
      w[i] -= lr * (grad[i] * scale + decay * w[i]);
  else
    for (int64_t i = low; i < high; i++)
      {
        const float g = grad[i] * scale + decay * w[i];

        m[i] = momentum * m[i] + g;
        w[i] -= lr * (ahead * g + behind * m[i]);
      }
}

static void
adamw_cb (void *data, int64_t low, int64_t high, int thread)
{
  const SegBackendCall *call = data;
  const SegAdamwParams *p = call->params;
  float *w = call->out[0]->data, *m = call->out[1]->data, *v = call->out[2]->data;
  const float *grad = call->in[0]->data;
  const float scale = (float) p->grad_scale, b1 = (float) p->beta1, b2 = (float) p->beta2;
  const float a1 = (float) (1 - p->beta1), a2 = (float) (1 - p->beta2);
  const float step = (float) (p->lr / (1 - pow (p->beta1, (double) p->step)));
  const float root = (float) (1 / sqrt (1 - pow (p->beta2, (double) p->step)));
  const float keep = (float) (1 - p->lr * p->decay), eps = (float) p->eps;

  for (int64_t i = low; i < high; i++)
    {
      const float g = grad[i] * scale;

      m[i] = b1 * m[i] + a1 * g;
      v[i] = b2 * v[i] + a2 * g * g;
      w[i] = w[i] * keep - step * m[i] / (sqrtf (v[i]) * root + eps);
    }
}

SegStatus
CPU_NAME (seg_cpu_run_basic) (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegBackendTensor *out = call->out[0];
  const int64_t n = seg_cpu_count (out);

  switch (call->op)
    {
    case SEG_OP_COPY:
      return run_copy (device, call);
    case SEG_OP_FILL:
    case SEG_OP_UNARY:
    case SEG_OP_UNARY_BACKWARD:
    case SEG_OP_BINARY:
    case SEG_OP_LERP:
      return run_elementwise (device, call);
    case SEG_OP_REDUCE:
      if (((const SegReduceParams *) call->params)->kind == SEG_REDUCE_ARGMAX)
        return run_argmax (device, call);
      return run_reduce (device, call);
    case SEG_OP_RANDOM:
      seg_cpu_parallel (device, (n + 3) / 4, GRAIN / 32, random_cb, (void *) call);
      return SEG_STATUS_OK;
    case SEG_OP_DROPOUT:
      if (((const SegDropoutParams *) call->params)->whole_channels)
        seg_cpu_parallel (device, get_rows (out).rows, MAX (1, GRAIN / out->shape[1]),
                          dropout_rows_cb, (void *) call);
      else
        seg_cpu_parallel (device, (n + BLOCK - 1) / BLOCK, 4, dropout_cb, (void *) call);
      return SEG_STATUS_OK;
    case SEG_OP_SGD:
      seg_cpu_parallel (device, n, 4 * GRAIN, sgd_cb, (void *) call);
      return SEG_STATUS_OK;
    case SEG_OP_ADAMW:
      seg_cpu_parallel (device, n, 2 * GRAIN, adamw_cb, (void *) call);
      return SEG_STATUS_OK;
    default:
      return SEG_STATUS_UNSUPPORTED;
    }
}
