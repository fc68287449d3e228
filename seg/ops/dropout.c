/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/dropout.h"
#include "seg/ops/op-private.h"

/* The same draws again: nothing is kept. */
static void
dropout_backward (SegNode *node)
{
  const SegDropoutParams *params = (const SegDropoutParams *) &node->params;
  g_autoptr (SegTensor) dout = seg_op_like (seg_node_dout (node), node->out);

  if (dout != NULL)
    seg_node_give (
        node, 0,
        SEG_FINISH (seg_tensor_new_like (dout, dout->dtype), SEG_OP_DROPOUT, params, dout));
}

static gboolean
dropout_again (SegNode *node)
{
  return seg_context_run (node->out->context, SEG_OP_DROPOUT, &node->params, node->params_size, 1,
                          &node->out, 1, &node->saved[0]);
}

static SegTensor *
dropout (SegTensor *x, double p, gboolean whole_channels)
{
  SegDropoutParams params = { .p = p, .whole_channels = whole_channels };
  g_autoptr (SegTensor) dense = NULL;
  SegTensor *out;
  SegNode *node;

  if (x == NULL || p <= 0)
    return seg_tensor_ref (x);
  dense = seg_op_dense (x);
  if (dense == NULL)
    return NULL;
  params.seed = x->context->random_seed;
  params.offset = seg_context_take_random (
      x->context, whole_channels ? x->shape[0] * x->shape[1] : seg_tensor_get_n_elements (x));
  out = SEG_FINISH (seg_tensor_new_like (dense, x->dtype), SEG_OP_DROPOUT, &params, dense);
  node = seg_tape_record (out, dropout_backward, 1, &x, &params, sizeof params);
  if (node != NULL && dense->node != NULL && seg_node_can_recompute (dense->node))
    {
      seg_node_save (node, 0, dense);
      seg_node_set_recompute (node, dropout_again);
    }
  return out;
}

SegTensor *
seg_dropout (SegTensor *x, double p)
{
  return dropout (x, p, FALSE);
}

SegTensor *
seg_dropout_channels (SegTensor *x, double p)
{
  return dropout (x, p, TRUE);
}
