/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/kernel.h"

#include <stdio.h>

SegStatus CPU_NAME (seg_cpu_run_choice) (SegBackendDevice *device, const SegBackendCall *call);

/* Rows of a table by index, what their gradients add to it, and the largest along an axis. */

#define MAX_BEST 256 /* above, ref does it */

static int64_t
get_row (const SegBackendTensor *index, int64_t i)
{
  switch (index->dtype)
    {
    case SEG_DTYPE_U8:
      return ((const uint8_t *) index->data)[i];
    case SEG_DTYPE_I32:
      return ((const int32_t *) index->data)[i];
    default:
      return ((const int64_t *) index->data)[i];
    }
}

static SegStatus
check_rows (SegBackendDevice *device, const SegBackendTensor *index, int64_t n_rows)
{
  for (int64_t i = 0; i < seg_cpu_count (index); i++)
    if (get_row (index, i) < 0 || get_row (index, i) >= n_rows)
      {
        snprintf (device->message, sizeof device->message, "index %lld of a table of %lld rows",
                  (long long) get_row (index, i), (long long) n_rows);
        return SEG_STATUS_FAILED;
      }
  return SEG_STATUS_OK;
}

static void
gather_cb (void *data, int64_t low, int64_t high, int thread)
{
  const SegBackendCall *call = data;
  const SegBackendTensor *table = call->in[0];
  const int64_t width = table->shape[1];
  float block[BLOCK];

  for (int64_t i = low; i < high; i++)
    for (int64_t f = 0; f < width; f += BLOCK)
      {
        const int n = (int) MIN (BLOCK, width - f);

        commit (call->out[0], i * width + f, 1, n,
                fetch (table, get_row (call->in[1], i) * width + f, n, block));
      }
}

/* Each thread has features of its own: rows may be hit twice, and sums keep their order. */
static void
scatter_cb (void *data, int64_t low, int64_t high, int thread)
{
  const SegBackendCall *call = data;
  const int64_t width = call->out[0]->shape[1];
  float block[BLOCK];

  for (int64_t i = 0; i < seg_cpu_count (call->in[1]); i++)
    for (int64_t f = low; f < high; f += BLOCK)
      {
        const int n = (int) MIN (BLOCK, high - f);
        const float *from = fetch (call->in[0], i * width + f, n, block);
        float *to = (float *) call->out[0]->data + get_row (call->in[1], i) * width + f;

        for (int j = 0; j < n; j++)
          to[j] += from[j];
      }
}

/* Of equals the first; a NaN is never larger. */
static void
best_cb (void *data, int64_t low, int64_t high, int thread)
{
  const SegBackendCall *call = data;
  const SegTopkParams *p = call->params;
  const SegBackendTensor *in = call->in[0], *values = call->out[0], *places = call->out[1];

  for (int64_t line = low; line < high; line++)
    {
      int64_t rest = line, from = 0, to = 0, to_place = 0;
      float best[MAX_BEST], place[MAX_BEST], block;
      int n = 0;

      for (int a = in->rank - 1; a >= 0; a--)
        if (a != p->axis)
          {
            from += rest % in->shape[a] * in->stride[a];
            to += rest % in->shape[a] * values->stride[a];
            to_place += rest % in->shape[a] * places->stride[a];
            rest /= in->shape[a];
          }
      for (int64_t i = 0; i < in->shape[p->axis]; i++)
        {
          const float v = *fetch (in, from + i * in->stride[p->axis], 1, &block);
          int at = n;

          if (n == p->k && !(v > best[n - 1]))
            continue;
          while (at > 0 && v > best[at - 1])
            at--;
          n = MIN (n + 1, p->k);
          for (int j = n - 1; j > at; j--)
            {
              best[j] = best[j - 1];
              place[j] = place[j - 1];
            }
          if (at < n)
            {
              best[at] = v;
              place[at] = (float) i;
            }
        }
      for (int j = 0; j < p->k; j++)
        {
          commit (values, to + j * values->stride[p->axis], 2, 1, &best[j]);
          commit (places, to_place + j * places->stride[p->axis], 2, 1, &place[j]);
        }
    }
}

SegStatus
CPU_NAME (seg_cpu_run_choice) (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegTopkParams *p = call->params;
  SegStatus status;
  int64_t width;

  if (call->op == SEG_OP_TOPK)
    {
      const int64_t size = call->in[0]->shape[p->axis];

      seg_cpu_parallel (device, seg_cpu_count (call->in[0]) / size, MAX (1, GRAIN / 4 / size),
                        best_cb, (void *) call);
      return SEG_STATUS_OK;
    }
  if (call->op == SEG_OP_GATHER)
    {
      status = check_rows (device, call->in[1], call->in[0]->shape[0]);
      width = call->in[0]->shape[1];
      if (status == SEG_STATUS_OK)
        seg_cpu_parallel (device, seg_cpu_count (call->in[1]), MAX (1, GRAIN / width), gather_cb,
                          (void *) call);
      return status;
    }
  status = check_rows (device, call->in[1], call->out[0]->shape[0]);
  width = call->out[0]->shape[1];
  if (status == SEG_STATUS_OK)
    seg_cpu_parallel (device, width, MAX (1, GRAIN / seg_cpu_count (call->in[1])), scatter_cb,
                      (void *) call);
  return status;
}
