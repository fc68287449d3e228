/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/op-private.h"
#include "seg/ops/resample.h"

static void
resample_backward (SegNode *node)
{
  const SegResampleParams *params = (const SegResampleParams *) &node->params;
  g_autoptr (SegTensor) dout = seg_op_dense (seg_node_dout (node));
  SegTensor *in = node->in[0];

  if (dout == NULL)
    return;
  seg_node_give (node, 0,
                 SEG_FINISH (seg_tensor_new (in->context, in->dtype, in->rank, in->shape),
                             SEG_OP_RESAMPLE_BACKWARD, params, dout));
}

SegTensor *
seg_resample (SegTensor *x, const gint64 *size, SegResampleMode mode)
{
  SegResampleParams params = { 0, mode != SEG_RESAMPLE_NEAREST,
                               mode == SEG_RESAMPLE_LINEAR_ALIGNED };
  g_autoptr (SegTensor) dense = NULL;
  gint64 shape[SEG_MAX_RANK];
  gboolean same = TRUE;
  SegTensor *out;

  if (x == NULL)
    return NULL;
  g_return_val_if_fail (x->rank == 4 || x->rank == 5, NULL);
  params.n_spatial = x->rank - 2;
  shape[0] = x->shape[0];
  shape[1] = x->shape[1];
  for (int a = 0; a < params.n_spatial; a++)
    {
      shape[2 + a] = size[a];
      same = same && size[a] == x->shape[2 + a];
      if (size[a] < 1 || x->shape[2 + a] < 1)
        {
          seg_op_mismatch (x, "resampling to %" G_GINT64_FORMAT, size[a]);
          return NULL;
        }
    }
  if (same)
    return seg_tensor_ref (x);
  dense = seg_op_dense (x);
  if (dense == NULL)
    return NULL;
  out = SEG_FINISH (seg_tensor_new (x->context, x->dtype, x->rank, shape), SEG_OP_RESAMPLE, &params,
                    dense);
  seg_tape_record (out, resample_backward, 1, &x, &params, sizeof params);
  return out;
}
