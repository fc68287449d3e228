/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/kernel.h"

#include <stdlib.h>

SegStatus CPU_NAME (seg_cpu_run_loss) (SegBackendDevice *device, const SegBackendCall *call);

/* Softmax and losses over the channels of channels-last maps: a row is the scores of a position. */

#define MAX_CLASSES 4096 /* above, ref does it */

typedef struct
{
  const SegBackendCall *call;
  Rows r;
  double *partial; /* per thread */
  int64_t n_partial;
} Loss;

static float
max_of (const float *x, int n)
{
  float top = -INFINITY;

  for (int i = 0; i < n; i++)
    top = x[i] > top ? x[i] : top;
  return top;
}

/* Softmax of a row; answers ln of the denominator plus the maximum. */
static float
softmax_row (const float *x, float *p, int n)
{
  const float top = max_of (x, n);
  float sum = 0, scale;

  for (int i = 0; i < n; i++)
    p[i] = fast_exp (x[i] - top);
  for (int i = 0; i < n; i++)
    sum += p[i];
  scale = 1 / sum;
  for (int i = 0; i < n; i++)
    p[i] *= scale;
  return top + logf (sum);
}

static void
softmax_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Loss *l = data;
  const SegSoftmaxParams *p = l->call->params;
  const int n = (int) l->r.channels;
  float bx[MAX_CLASSES], by[MAX_CLASSES];

  for (int64_t row = low; row < high; row++)
    {
      const float *x = fetch (l->call->in[0], row * n, n, bx);
      float *y = target (l->call->out[0], row * n, 1, by);

      if (p->log)
        {
          const float top = max_of (x, n);
          float sum = 0;

          for (int i = 0; i < n; i++)
            sum += fast_exp (x[i] - top);
          sum = logf (sum) + top;
          for (int i = 0; i < n; i++)
            y[i] = x[i] - sum;
        }
      else
        softmax_row (x, y, n);
      commit (l->call->out[0], row * n, 1, n, y);
    }
}

static void
softmax_backward_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Loss *l = data;
  const SegSoftmaxParams *p = l->call->params;
  const int n = (int) l->r.channels;
  float by[MAX_CLASSES], bd[MAX_CLASSES], bx[MAX_CLASSES];

  for (int64_t row = low; row < high; row++)
    {
      const float *y = fetch (l->call->in[0], row * n, n, by);
      const float *dy = fetch (l->call->in[1], row * n, n, bd);
      float *dx = target (l->call->out[0], row * n, 1, bx), sum = 0;

      if (p->log)
        {
          for (int i = 0; i < n; i++)
            sum += dy[i];
          for (int i = 0; i < n; i++)
            dx[i] = dy[i] - fast_exp (y[i]) * sum;
        }
      else
        {
          for (int i = 0; i < n; i++)
            sum += y[i] * dy[i];
          for (int i = 0; i < n; i++)
            dx[i] = y[i] * (dy[i] - sum);
        }
      commit (l->call->out[0], row * n, 1, n, dx);
    }
}

/* --- Few classes: a chunk of rows is turned, so that the rows of a class lie side by side --------
 */

#define FEW 32 /* classes */
#define CHUNK 2048 /* scores of a chunk */

/* [class][rows] of @t's rows from @row */
static void
fetch_planes (const SegBackendTensor *t, int64_t row, int rows, int n, float *restrict planes)
{
  float block[CHUNK];
  const float *restrict x = fetch (t, row * n, rows * n, block);

  /* a constant distance makes vectors */
#define TURN(n)                                                                                    \
  for (int c = 0; c < n; c++)                                                                      \
    for (int i = 0; i < rows; i++)                                                                 \
  planes[c * rows + i] = x[i * n + c]
  if (n == 2)
    TURN (2);
  else if (n == 4)
    TURN (4);
  else
    TURN (n);
#undef TURN
}

static void
commit_planes (const SegBackendTensor *t, int64_t row, int rows, int n,
               const float *restrict planes)
{
  float block[CHUNK];
  float *restrict y = target (t, row * n, 1, block);

  if (n == 2)
    for (int i = 0; i < rows; i++)
      {
        y[2 * i] = planes[i];
        y[2 * i + 1] = planes[rows + i];
      }
  else
    for (int c = 0; c < n; c++)
      for (int i = 0; i < rows; i++)
        y[i * n + c] = planes[c * rows + i];
  commit (t, row * n, 1, rows * n, y);
}

/* In place; @log_sum: ln of the denominator plus the maximum. */
static void
softmax_planes (float *restrict x, int rows, int n, float *restrict log_sum)
{
  float top[CHUNK], sum[CHUNK];

  for (int i = 0; i < rows; i++)
    {
      top[i] = -INFINITY;
      sum[i] = 0;
    }
  for (int c = 0; c < n; c++)
    for (int i = 0; i < rows; i++)
      top[i] = x[c * rows + i] > top[i] ? x[c * rows + i] : top[i];
  for (int c = 0; c < n; c++)
    for (int i = 0; i < rows; i++)
      {
        x[c * rows + i] = fast_exp (x[c * rows + i] - top[i]);
        sum[i] += x[c * rows + i];
      }
  for (int i = 0; i < rows; i++)
    {
      if (log_sum != NULL)
        log_sum[i] = top[i] + fast_log (sum[i]);
      sum[i] = 1 / sum[i];
    }
  for (int c = 0; c < n; c++)
    for (int i = 0; i < rows; i++)
      x[c * rows + i] *= sum[i];
}

static double
sum_of (const float *x, int n)
{
  float lane[16] = { 0 };
  double sum = 0;
  int i = 0;

  for (; i + 16 <= n; i += 16)
    for (int l = 0; l < 16; l++)
      lane[l] += x[i + l];
  for (int l = 0; l < 16; l++)
    sum += lane[l];
  for (; i < n; i++)
    sum += x[i];
  return sum;
}

static bool
has_few (const Loss *l)
{
  return l->r.channels <= FEW;
}

static int
get_chunk (const Loss *l)
{
  return (int) (CHUNK / l->r.channels);
}

static void
softmax_few_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Loss *l = data;
  const SegBackendCall *call = l->call;
  const bool back = call->op == SEG_OP_SOFTMAX_BACKWARD;
  const SegSoftmaxParams *p = call->params;
  const int n = (int) l->r.channels, chunk = get_chunk (l);
  float x[CHUNK], y[CHUNK], sum[CHUNK];

  for (int64_t row = low; row < high; row += chunk)
    {
      const int rows = (int) MIN (chunk, high - row);

      fetch_planes (call->in[0], row, rows, n, x);
      if (back)
        {
          fetch_planes (call->in[1], row, rows, n, y);
          memset (sum, 0, rows * sizeof *sum);
          for (int c = 0; c < n; c++)
            for (int i = 0; i < rows; i++)
              sum[i] += p->log ? y[c * rows + i] : x[c * rows + i] * y[c * rows + i];
          for (int c = 0; c < n; c++)
            for (int i = 0; i < rows; i++)
              x[c * rows + i] = p->log ? y[c * rows + i] - fast_exp (x[c * rows + i]) * sum[i]
                                       : x[c * rows + i] * (y[c * rows + i] - sum[i]);
        }
      else if (p->log)
        {
          memcpy (y, x, sizeof y);
          softmax_planes (y, rows, n, sum);
          for (int c = 0; c < n; c++)
            for (int i = 0; i < rows; i++)
              x[c * rows + i] -= sum[i];
        }
      else
        softmax_planes (x, rows, n, NULL);
      commit_planes (call->out[0], row, rows, n, x);
    }
}

static int64_t
get_index (const SegBackendTensor *t, int64_t i)
{
  switch (t->dtype)
    {
    case SEG_DTYPE_U8:
      return ((const uint8_t *) t->data)[i];
    case SEG_DTYPE_I32:
      return ((const int32_t *) t->data)[i];
    default:
      return ((const int64_t *) t->data)[i];
    }
}

static int64_t
get_class (const Loss *l, const SegBackendTensor *target_map, int64_t i, int64_t ignore)
{
  const int64_t c = get_index (target_map, i);

  return c < 0 || c >= l->r.channels || (ignore >= 0 && c == ignore) ? -1 : c;
}

static float
get_weight (const SegBackendTensor *weight, int64_t i)
{
  float block;

  return weight != NULL ? *fetch (weight, i, 1, &block) : 1;
}

/* Classes and weights of a chunk; class −1 and weight 0 where nothing counts. */
static void
get_targets (const Loss *l, int64_t row, int rows, int64_t ignore, const SegBackendTensor *weight,
             const float *class_weight, int *restrict class, float *restrict w)
{
  const SegBackendTensor *map = l->call->in[1];
  const int n = (int) l->r.channels, none = ignore >= 0 && ignore < n ? (int) ignore : -1;
  float block[CHUNK];
  const float *restrict given = weight != NULL ? fetch (weight, row, rows, block) : NULL;

  if (map->dtype == SEG_DTYPE_U8)
    for (int i = 0; i < rows; i++)
      class[i] = ((const uint8_t *) map->data)[row + i];
  else
    for (int i = 0; i < rows; i++)
      class[i] = (int) get_class (l, map, row + i, ignore);
  for (int i = 0; i < rows; i++)
    class[i] = class[i] < n && class[i] != none ? class[i] : -1;
  for (int i = 0; i < rows; i++)
    w[i] = class[i] >= 0;
  if (given != NULL)
    for (int i = 0; i < rows; i++)
      w[i] = class[i] < 0 ? 0 : given[i];
  if (class_weight != NULL)
    for (int i = 0; i < rows; i++)
      w[i] *= class[i] < 0 ? 0 : class_weight[class[i]];
}

static void
cross_entropy_few_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Loss *l = data;
  const SegBackendCall *call = l->call;
  const bool back = call->op == SEG_OP_CROSS_ENTROPY_BACKWARD;
  const int64_t ignore = ((const SegCrossEntropyParams *) call->params)->ignore;
  const float *class_weight = call->in[3] != NULL ? call->in[3]->data : NULL;
  const float scale = back ? *(const float *) call->in[4]->data : 0;
  const int n = (int) l->r.channels, chunk = get_chunk (l);
  float x[CHUNK], log_sum[CHUNK], w[CHUNK], own[CHUNK];
  int class[CHUNK];
  double loss = 0, total = 0;

  for (int64_t row = low; row < high; row += chunk)
    {
      const int rows = (int) MIN (chunk, high - row);

      fetch_planes (call->in[0], row, rows, n, x);
      get_targets (l, row, rows, ignore, call->in[2], class_weight, class, w);
      if (!back)
        for (int c = 0; c < n; c++)
          for (int i = 0; i < rows; i++)
            own[i] = class[i] == c ? x[c * rows + i] : own[i];
      softmax_planes (x, rows, n, log_sum);
      if (back)
        {
          for (int c = 0; c < n; c++)
            for (int i = 0; i < rows; i++)
              {
                const float gap = x[c * rows + i] - (class[i] == c);

                x[c * rows + i] = w[i] == 0 ? 0 : gap * (scale * w[i]);
              }
          commit_planes (call->out[0], row, rows, n, x);
          continue;
        }
      for (int i = 0; i < rows; i++)
        own[i] = w[i] == 0 ? 0 : w[i] * (log_sum[i] - own[i]);
      loss += sum_of (own, rows);
      total += sum_of (w, rows);
    }
  if (!back)
    {
      l->partial[2 * thread] = loss;
      l->partial[2 * thread + 1] = total;
    }
}

static void
overlap_few_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Loss *l = data;
  const SegBackendCall *call = l->call;
  const SegOverlapParams *params = call->params;
  const bool back = call->op == SEG_OP_OVERLAP_BACKWARD, square = params->square;
  const SegBackendTensor *labels = call->in[1];
  const bool soft = labels->rank == call->in[0]->rank;
  const float *dsums = back ? call->in[3]->data : NULL;
  const int n = (int) l->r.channels, chunk = get_chunk (l);
  double *sums = l->partial + thread * l->n_partial;
  float x[CHUNK], y[CHUNK], w[CHUNK], part[3][CHUNK];
  int class[CHUNK];

  for (int64_t row = low; row < high; row += chunk)
    {
      const int rows = (int) MIN (chunk, high - row);

      fetch_planes (call->in[0], row, rows, n, x);
      if (soft)
        {
          const float *given = call->in[2] != NULL ? fetch (call->in[2], row, rows, part[0]) : NULL;

          fetch_planes (labels, row, rows, n, y);
          for (int i = 0; i < rows; i++)
            w[i] = given != NULL ? given[i] : 1;
        }
      else
        {
          get_targets (l, row, rows, params->ignore, call->in[2], NULL, class, w);
          for (int c = 0; c < n; c++)
            for (int i = 0; i < rows; i++)
              y[c * rows + i] = class[i] == c;
        }
      for (int c = 0; c < n; c++)
        {
          float *restrict p = x + c * rows;
          const float *restrict t = y + c * rows;

          if (back)
            {
              const float of_y = dsums[c], of_p = dsums[n + c];

              for (int i = 0; i < rows; i++)
                p[i] = w[i] == 0 ? 0 : w[i] * (of_y * t[i] + of_p * (square ? 2 * p[i] : 1));
              continue;
            }
          for (int i = 0; i < rows; i++)
            {
              part[0][i] = w[i] == 0 ? 0 : w[i] * p[i] * t[i];
              part[1][i] = w[i] == 0 ? 0 : w[i] * (square ? p[i] * p[i] : p[i]);
              part[2][i] = w[i] == 0 ? 0 : w[i] * (square ? t[i] * t[i] : t[i]);
            }
          for (int k = 0; k < 3; k++)
            sums[k * n + c] += sum_of (part[k], rows);
        }
      if (back)
        commit_planes (call->out[0], row, rows, n, x);
    }
}

/* --- Any number of classes: row by row ---------------------------------------------------------
 */

static void
cross_entropy_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Loss *l = data;
  const SegBackendCall *call = l->call;
  const bool back = call->op == SEG_OP_CROSS_ENTROPY_BACKWARD;
  const int64_t ignore = ((const SegCrossEntropyParams *) call->params)->ignore;
  const float *class_weight = call->in[3] != NULL ? call->in[3]->data : NULL;
  const float scale = back ? *(const float *) call->in[4]->data : 0;
  const int n = (int) l->r.channels;
  float bx[MAX_CLASSES], p[MAX_CLASSES];
  double loss = 0, total = 0;

  for (int64_t row = low; row < high; row++)
    {
      const int64_t c = get_class (l, call->in[1], row, ignore);
      float w = c < 0 ? 0 : get_weight (call->in[2], row);

      if (c >= 0 && class_weight != NULL)
        w *= class_weight[c];
      if (w == 0 && !back)
        continue;
      if (w == 0)
        memset (p, 0, n * sizeof *p);
      else
        {
          const float *x = fetch (call->in[0], row * n, n, bx);
          const float log_sum = softmax_row (x, p, n);

          loss += (double) w * (log_sum - x[c]);
          total += w;
          p[c] -= 1;
          for (int i = 0; back && i < n; i++)
            p[i] *= scale * w;
        }
      if (back)
        commit (call->out[0], row * n, 1, n, p);
    }
  if (!back)
    {
      l->partial[2 * thread] = loss;
      l->partial[2 * thread + 1] = total;
    }
}

/* A row's labels as numbers: an index, or soft ones. */
static void
overlap_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Loss *l = data;
  const SegBackendCall *call = l->call;
  const SegOverlapParams *params = call->params;
  const bool back = call->op == SEG_OP_OVERLAP_BACKWARD;
  const SegBackendTensor *labels = call->in[1];
  const bool soft = labels->rank == call->in[0]->rank;
  const float *dsums = back ? call->in[3]->data : NULL;
  const int n = (int) l->r.channels;
  double *sums = l->partial + thread * l->n_partial;
  float bx[MAX_CLASSES], by[MAX_CLASSES], dx[MAX_CLASSES];

  for (int64_t row = low; row < high; row++)
    {
      const int64_t c = soft ? 0 : get_class (l, labels, row, params->ignore);
      const float w = c < 0 ? 0 : get_weight (call->in[2], row);
      const float *x = fetch (call->in[0], row * n, n, bx), *y = by;

      if (soft)
        y = fetch (labels, row * n, n, by);
      else
        for (int i = 0; i < n; i++)
          by[i] = i == c;
      if (back)
        {
          for (int i = 0; i < n; i++)
            dx[i] =
                w == 0 ? 0 : w * (dsums[i] * y[i] + dsums[n + i] * (params->square ? 2 * x[i] : 1));
          commit (call->out[0], row * n, 1, n, dx);
        }
      else if (w != 0)
        for (int i = 0; i < n; i++)
          {
            sums[i] += w * x[i] * y[i];
            sums[n + i] += w * (params->square ? x[i] * x[i] : x[i]);
            sums[2 * n + i] += w * (params->square ? y[i] * y[i] : y[i]);
          }
    }
}

static void
bce_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Loss *l = data;
  const SegBackendCall *call = l->call;
  const bool back = call->op == SEG_OP_BCE_BACKWARD;
  const float *pos_weight = call->in[2] != NULL ? call->in[2]->data : NULL;
  const int64_t n = l->r.channels, total = l->r.rows * n;
  float bx[BLOCK], by[BLOCK], bd[BLOCK], out[BLOCK];

  for (int64_t block = low; block < high; block++)
    {
      const int64_t start = block * BLOCK;
      const int size = (int) MIN (BLOCK, total - start);
      const float *x = fetch (call->in[0], start, size, bx);
      const float *y = fetch (call->in[1], start, size, by);
      const float *d = back ? fetch (call->in[3], start, size, bd) : NULL;

      for (int i = 0; i < size; i++)
        {
          const float w = pos_weight != NULL ? pos_weight[(start + i) % n] : 1;
          const float factor = 1 + (w - 1) * y[i];

          if (back)
            out[i] = d[i] * (1 - y[i] - factor * fast_sigmoid (-x[i]));
          else
            out[i] = (1 - y[i]) * x[i]
                     + factor * ((x[i] < 0 ? -x[i] : 0) + log1pf (fast_exp (-fabsf (x[i]))));
        }
      commit (call->out[0], start, 1, size, out);
    }
}

/* Softmax where the axis is not the features: lines with a stride. */
static void
softmax_lines_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Loss *l = data;
  const SegBackendCall *call = l->call;
  const SegSoftmaxParams *p = call->params;
  const SegBackendTensor *in = call->in[0];
  const int n = (int) in->shape[p->axis];
  float bx[MAX_CLASSES], by[MAX_CLASSES], bd[MAX_CLASSES];

  for (int64_t line = low; line < high; line++)
    {
      int64_t rest = line, offset = 0;
      const float *x;

      for (int a = in->rank - 1; a >= 0; a--)
        if (a != p->axis)
          {
            offset += rest % in->shape[a] * in->stride[a];
            rest /= in->shape[a];
          }
      x = fetch_strided (in, offset, in->stride[p->axis], n, bx);
      if (call->op == SEG_OP_SOFTMAX_BACKWARD)
        {
          const float *dy = fetch_strided (call->in[1], offset, in->stride[p->axis], n, bd);
          float sum = 0;

          for (int i = 0; i < n; i++)
            sum += p->log ? dy[i] : x[i] * dy[i];
          for (int i = 0; i < n; i++)
            by[i] = p->log ? dy[i] - fast_exp (x[i]) * sum : x[i] * (dy[i] - sum);
        }
      else
        {
          const float log_sum = softmax_row (x, by, n);

          for (int i = 0; p->log && i < n; i++)
            by[i] = x[i] - log_sum;
        }
      commit (call->out[0], offset, in->stride[p->axis], n, by);
    }
}

static bool
is_feature_axis (const SegBackendCall *call)
{
  const SegSoftmaxParams *p = call->params;
  const SegBackendTensor *in = call->in[0];

  return in->stride[p->axis] == 1 && p->axis == (in->rank >= 4 ? 1 : in->rank - 1);
}

SegStatus
CPU_NAME (seg_cpu_run_loss) (SegBackendDevice *device, const SegBackendCall *call)
{
  Loss l = { .call = call, .r = get_rows (call->in[0]) };
  const int64_t grain = MAX (1, GRAIN / 8 / MAX (l.r.channels, 4));
  const bool sums = call->op == SEG_OP_CROSS_ENTROPY || call->op == SEG_OP_OVERLAP;

  l.n_partial = call->op == SEG_OP_CROSS_ENTROPY ? 2 : 3 * l.r.channels;
  if (sums)
    {
      l.partial = seg_cpu_scratch (device, device->n_threads * l.n_partial * sizeof (double));
      if (l.partial == NULL)
        return SEG_STATUS_MEMORY;
      memset (l.partial, 0, device->n_threads * l.n_partial * sizeof (double));
    }
  switch (call->op)
    {
    case SEG_OP_SOFTMAX:
    case SEG_OP_SOFTMAX_BACKWARD:
      if (is_feature_axis (call))
        seg_cpu_parallel (device, l.r.rows, grain,
                          has_few (&l)                 ? softmax_few_cb
                          : call->op == SEG_OP_SOFTMAX ? softmax_cb
                                                       : softmax_backward_cb,
                          &l);
      else
        {
          const int64_t n = call->in[0]->shape[((const SegSoftmaxParams *) call->params)->axis];

          seg_cpu_parallel (device, seg_cpu_count (call->in[0]) / MAX (n, 1),
                            MAX (1, GRAIN / 8 / n), softmax_lines_cb, &l);
        }
      break;
    case SEG_OP_CROSS_ENTROPY:
    case SEG_OP_CROSS_ENTROPY_BACKWARD:
      seg_cpu_parallel (device, l.r.rows, grain,
                        has_few (&l) ? cross_entropy_few_cb : cross_entropy_cb, &l);
      break;
    case SEG_OP_OVERLAP:
    case SEG_OP_OVERLAP_BACKWARD:
      seg_cpu_parallel (device, l.r.rows, grain, has_few (&l) ? overlap_few_cb : overlap_cb, &l);
      break;
    default:
      seg_cpu_parallel (device, (l.r.rows * l.r.channels + BLOCK - 1) / BLOCK, 4, bce_cb, &l);
    }
  for (int64_t k = 0; sums && k < l.n_partial; k++)
    {
      double total = 0;

      for (int t = 0; t < device->n_threads; t++)
        total += l.partial[t * l.n_partial + k];
      ((float *) call->out[0]->data)[k] = (float) total;
    }
  return SEG_STATUS_OK;
}
