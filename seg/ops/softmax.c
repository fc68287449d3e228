/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/op-private.h"
#include "seg/ops/softmax.h"

static void
softmax_backward (SegNode *node)
{
  const SegSoftmaxParams *params = (const SegSoftmaxParams *) &node->params;
  SegTensor *out = node->saved[0];
  g_autoptr (SegTensor) dout = seg_op_like (seg_node_dout (node), out);

  seg_node_give (node, 0,
                 SEG_FINISH (seg_tensor_new_like (out, out->dtype), SEG_OP_SOFTMAX_BACKWARD, params,
                             out, dout));
}

static SegTensor *
softmax (SegTensor *x, int axis, gboolean log)
{
  SegSoftmaxParams params = { axis, log };
  g_autoptr (SegTensor) in = NULL;
  SegTensor *out;
  SegNode *node;

  if (x == NULL)
    return NULL;
  if (axis < 0)
    params.axis += x->rank;
  g_return_val_if_fail (params.axis >= 0 && params.axis < x->rank, NULL);
  in = seg_tensor_is_dense (x) ? seg_tensor_ref (x) : seg_op_dense (x);
  if (in == NULL)
    return NULL;
  out = SEG_FINISH (seg_tensor_new_like (in, x->dtype), SEG_OP_SOFTMAX, &params, in);
  node = seg_tape_record (out, softmax_backward, 1, &x, &params, sizeof params);
  seg_node_save (node, 0, out);
  return out;
}

SegTensor *
seg_softmax (SegTensor *x, int axis)
{
  return softmax (x, axis, FALSE);
}

SegTensor *
seg_log_softmax (SegTensor *x, int axis)
{
  return softmax (x, axis, TRUE);
}
