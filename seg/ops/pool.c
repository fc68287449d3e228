/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/op-private.h"
#include "seg/ops/pool.h"

static void
pool_backward (SegNode *node)
{
  const SegPoolParams *params = (const SegPoolParams *) &node->params;
  g_autoptr (SegTensor) dout = seg_op_dense (seg_node_dout (node));
  SegTensor *in = node->in[0];

  if (dout == NULL)
    return;
  seg_node_give (node, 0,
                 SEG_FINISH (seg_tensor_new (in->context, in->dtype, in->rank, in->shape),
                             SEG_OP_POOL_BACKWARD, params, node->saved[0], dout));
}

static SegTensor *
run_pool (SegTensor *x, const SegPoolParams *params, const gint64 *shape)
{
  g_autoptr (SegTensor) dense = seg_op_dense (x);
  SegTensor *out;
  SegNode *node;

  if (dense == NULL)
    return NULL;
  out = SEG_FINISH (seg_tensor_new (x->context, x->dtype, x->rank, shape), SEG_OP_POOL, params,
                    dense);
  node = seg_tape_record (out, pool_backward, 1, &x, params, sizeof *params);
  if (params->kind == SEG_POOL_MAX)
    seg_node_save (node, 0, dense);
  return out;
}

static SegTensor *
pool (SegTensor *x, SegPoolKind kind, int kernel, int stride, int pad)
{
  SegPoolParams params = { .kind = kind };
  gint64 shape[SEG_MAX_RANK];

  if (x == NULL)
    return NULL;
  g_return_val_if_fail (x->rank == 4 || x->rank == 5, NULL);
  params.n_spatial = x->rank - 2;
  shape[0] = x->shape[0];
  shape[1] = x->shape[1];
  for (int a = 0; a < params.n_spatial; a++)
    {
      params.kernel[a] = kernel;
      params.stride[a] = stride;
      params.pad[a] = pad;
      shape[2 + a] = (x->shape[2 + a] + 2 * pad - kernel) / stride + 1;
      if (x->shape[2 + a] + 2 * pad < kernel)
        {
          g_autofree char *text = seg_tensor_describe (x);

          seg_op_mismatch (x, "pooling of %s by %d", text, kernel);
          return NULL;
        }
    }
  return run_pool (x, &params, shape);
}

SegTensor *
seg_max_pool (SegTensor *x, int kernel, int stride, int pad)
{
  return pool (x, SEG_POOL_MAX, kernel, stride, pad);
}

SegTensor *
seg_average_pool (SegTensor *x, int kernel, int stride, int pad)
{
  return pool (x, SEG_POOL_AVERAGE, kernel, stride, pad);
}

SegTensor *
seg_adaptive_average_pool (SegTensor *x, const gint64 *size)
{
  SegPoolParams params = { .kind = SEG_POOL_ADAPTIVE_AVERAGE };
  gint64 shape[SEG_MAX_RANK];

  if (x == NULL)
    return NULL;
  g_return_val_if_fail (x->rank == 4 || x->rank == 5, NULL);
  params.n_spatial = x->rank - 2;
  shape[0] = x->shape[0];
  shape[1] = x->shape[1];
  for (int a = 0; a < params.n_spatial; a++)
    shape[2 + a] = size[a];
  return run_pool (x, &params, shape);
}
