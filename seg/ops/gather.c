/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/gather.h"
#include "seg/ops/op-private.h"

typedef struct
{
  int unused;
} NoParams;

static void
embedding_backward (SegNode *node)
{
  g_autoptr (SegTensor) dout = seg_op_dense_plain (seg_node_dout (node));
  SegTensor *dtable = seg_node_grad_buffer (node, 0);

  if (dout != NULL && dtable != NULL)
    seg_tensor_unref (
        SEG_RUN (SEG_OP_SCATTER_ADD, (&(NoParams){ 0 }), dtable, dout, node->saved[0]));
}

SegTensor *
seg_embedding (SegTensor *table, SegTensor *index)
{
  gint64 shape[SEG_MAX_RANK];
  SegTensor *out;
  SegNode *node;

  if (table == NULL || index == NULL)
    return NULL;
  g_return_val_if_fail (table->rank == 2 && index->rank <= 2, NULL);
  for (int a = 0; a < index->rank; a++)
    shape[a] = index->shape[a];
  shape[index->rank] = table->shape[1];
  out = SEG_FINISH (seg_tensor_new (table->context, table->dtype, index->rank + 1, shape),
                    SEG_OP_GATHER, (&(NoParams){ 0 }), table, index);
  node = seg_tape_record (out, embedding_backward, 1, &table, NULL, 0);
  seg_node_save (node, 0, index);
  return out;
}

SegTensor *
seg_top_k (SegTensor *x, int axis, int k, SegTensor **index)
{
  SegTopkParams params = { axis, k };
  gint64 shape[SEG_MAX_RANK];
  g_autoptr (SegTensor) values = NULL;
  g_autoptr (SegTensor) places = NULL;

  if (x == NULL)
    return NULL;
  if (axis < 0)
    params.axis += x->rank;
  if (k < 1 || k > x->shape[params.axis])
    {
      seg_op_mismatch (x, "the %d largest of %" G_GINT64_FORMAT, k, x->shape[params.axis]);
      return NULL;
    }
  for (int a = 0; a < x->rank; a++)
    shape[a] = a == params.axis ? k : x->shape[a];
  values = seg_tensor_new (x->context, x->dtype, x->rank, shape);
  places = seg_tensor_new (x->context, SEG_DTYPE_I32, x->rank, shape);
  if (values == NULL || places == NULL
      || !seg_context_run (x->context, SEG_OP_TOPK, &params, sizeof params, 2,
                           SEG_TENSORS (values, places), 1, &x))
    return NULL;
  if (index != NULL)
    *index = g_steal_pointer (&places);
  return g_steal_pointer (&values);
}
