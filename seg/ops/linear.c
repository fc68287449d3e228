/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/activation.h"
#include "seg/ops/linear.h"
#include "seg/ops/op-private.h"

#include <string.h>

/* Dense memory of any tensor with its features last, as rows × features. */
static SegTensor *
rows_view (SegTensor *dense)
{
  SegTensor *out = seg_tensor_new_view (dense);
  const int axis = seg_tensor_get_feature_axis (dense);

  if (out == NULL)
    return NULL;
  out->shape[1] = dense->shape[axis];
  out->shape[0] = seg_tensor_get_n_elements (dense) / MAX (out->shape[1], 1);
  out->rank = 2;
  seg_strides_plain (2, out->shape, out->stride);
  return out;
}

static void
linear_backward (SegNode *node)
{
  g_autoptr (SegTensor) dense = seg_op_dense (seg_node_dout (node));
  g_autoptr (SegTensor) dout = rows_view (dense);

  if (dout == NULL)
    return;
  if (seg_node_needs (node, 1))
    {
      g_autoptr (SegTensor) in = rows_view (node->saved[0]);
      SegTensor *dweight = seg_node_grad_buffer (node, 1);
      SegMatmulParams params = { .transpose_a = TRUE, .alpha = 1, .accumulate = TRUE };

      if (dweight != NULL)
        seg_tensor_unref (SEG_RUN (SEG_OP_MATMUL, &params, dweight, dout, in));
    }
  if (seg_node_needs (node, 2))
    {
      SegTensor *dbias = seg_node_grad_buffer (node, 2);
      const gint64 n = dout->shape[1];
      SegReduceParams params = { SEG_REDUCE_SUM, 1 };
      SegTensor *sum = SEG_FINISH (
          seg_tensor_new (dout->context, seg_op_sum_dtype (dout), 2, (gint64[]){ 1, n }),
          SEG_OP_REDUCE, &params, dout);
      g_autoptr (SegTensor) view = seg_tensor_new_view (sum);

      if (view != NULL && dbias != NULL)
        {
          view->rank = 1;
          view->shape[0] = n;
          view->stride[0] = 1;
          seg_tensor_unref (
              SEG_RUN (SEG_OP_BINARY, (&(SegBinaryParams){ SEG_BINARY_ADD }), dbias, dbias, view));
        }
      seg_tensor_unref (sum);
    }
  if (seg_node_needs (node, 0))
    {
      SegTensor *like = node->in[0];
      SegTensor *din = seg_tensor_new (like->context, like->dtype, like->rank, like->shape);
      g_autoptr (SegTensor) rows = rows_view (din);
      SegMatmulParams params = { .alpha = 1 };

      if (rows != NULL)
        seg_tensor_unref (SEG_RUN (SEG_OP_MATMUL, &params, rows, dout, node->saved[1]));
      seg_node_give (node, 0, din);
    }
}

SegTensor *
seg_linear_act (SegTensor *in, SegTensor *weight, SegTensor *bias, SegAct act)
{
  SegMatmulParams params = { .transpose_b = TRUE, .alpha = 1 };
  g_autoptr (SegTensor) dense = NULL;
  g_autoptr (SegTensor) rows = NULL;
  g_autoptr (SegTensor) out_rows = NULL;
  gint64 shape[SEG_MAX_RANK];
  SegTensor *out;
  SegNode *node;

  if (in == NULL || weight == NULL)
    return NULL;
  if (weight->rank != 2 || weight->shape[1] != in->shape[seg_tensor_get_feature_axis (in)]
      || (bias != NULL && seg_tensor_get_n_elements (bias) != weight->shape[0]))
    {
      g_autofree char *of = seg_tensor_describe (in);
      g_autofree char *by = seg_tensor_describe (weight);

      seg_op_mismatch (in, "linear of %s by %s", of, by);
      return NULL;
    }
  if (act != SEG_ACT_NONE && seg_tape_wants (in->context, 3, SEG_TENSORS (in, weight, bias)))
    {
      g_autoptr (SegTensor) linear = seg_linear_act (in, weight, bias, SEG_ACT_NONE);

      return seg_activation (linear, act, 0, 0);
    }
  params.act = act;
  dense = seg_op_dense (in);
  rows = rows_view (dense);
  memcpy (shape, in->shape, sizeof shape);
  shape[seg_tensor_get_feature_axis (in)] = weight->shape[0];
  out = seg_tensor_new (in->context, in->dtype, in->rank, shape);
  out_rows = rows_view (out);
  if (rows == NULL || out_rows == NULL)
    {
      seg_tensor_unref (out);
      return NULL;
    }
  seg_tensor_unref (SEG_RUN (SEG_OP_MATMUL, &params, out_rows, rows, weight, bias));
  if (in->context->error != NULL)
    seg_tensor_clear (&out);
  node = seg_tape_record (out, linear_backward, 3, SEG_TENSORS (in, weight, bias), NULL, 0);
  if (node != NULL && weight->requires_grad)
    seg_node_save (node, 0, dense);
  seg_node_save (node, 1, weight);
  return out;
}

SegTensor *
seg_linear (SegTensor *in, SegTensor *weight, SegTensor *bias)
{
  return seg_linear_act (in, weight, bias, SEG_ACT_NONE);
}

typedef struct
{
  gboolean transpose_a;
  gboolean transpose_b;
  double alpha;
} MatmulRecord;

static SegTensor *
multiply (SegTensor *a, SegTensor *b, gboolean transpose_a, gboolean transpose_b, double alpha)
{
  SegMatmulParams params = { .transpose_a = transpose_a,
                             .transpose_b = transpose_b,
                             .alpha = alpha };
  const int rank = MAX (a->rank, b->rank);
  gint64 shape[SEG_MAX_RANK];
  gboolean fits = a->rank >= 2 && b->rank >= 2;

  for (int i = 3; i <= rank && fits; i++)
    {
      const gint64 sa = i <= a->rank ? a->shape[a->rank - i] : 1;
      const gint64 sb = i <= b->rank ? b->shape[b->rank - i] : 1;

      fits = sa == sb || sa == 1 || sb == 1;
      shape[rank - i] = MAX (sa, sb);
    }
  fits = fits
         && a->shape[a->rank - (transpose_a ? 2 : 1)] == b->shape[b->rank - (transpose_b ? 1 : 2)];
  if (!fits)
    {
      g_autofree char *ta = seg_tensor_describe (a);
      g_autofree char *tb = seg_tensor_describe (b);

      seg_op_mismatch (a, "product of %s and %s", ta, tb);
      return NULL;
    }
  shape[rank - 2] = a->shape[a->rank - (transpose_a ? 1 : 2)];
  shape[rank - 1] = b->shape[b->rank - (transpose_b ? 2 : 1)];
  return SEG_FINISH (seg_tensor_new_plain (a->context, a->dtype, rank, shape), SEG_OP_MATMUL,
                     &params, a, b);
}

static SegTensor *
sum_batches (SegTensor *grad, SegTensor *like)
{
  SegTensor *sum = grad != NULL ? seg_op_sum_to (grad, like) : NULL;

  seg_tensor_unref (grad);
  return sum;
}

static void
matmul_backward (SegNode *node)
{
  const MatmulRecord *record = (const MatmulRecord *) &node->params;
  g_autoptr (SegTensor) dout = seg_op_dense_plain (seg_node_dout (node));
  SegTensor *a = node->saved[0], *b = node->saved[1];
  const gboolean ta = record->transpose_a, tb = record->transpose_b;

  if (dout == NULL)
    return;
  if (seg_node_needs (node, 0))
    seg_node_give (node, 0,
                   sum_batches (ta ? multiply (b, dout, tb, TRUE, record->alpha)
                                   : multiply (dout, b, FALSE, !tb, record->alpha),
                                node->in[0]));
  if (seg_node_needs (node, 1))
    seg_node_give (node, 1,
                   sum_batches (tb ? multiply (dout, a, TRUE, ta, record->alpha)
                                   : multiply (a, dout, !ta, FALSE, record->alpha),
                                node->in[1]));
}

SegTensor *
seg_matmul (SegTensor *a, SegTensor *b, gboolean transpose_a, gboolean transpose_b, double alpha)
{
  MatmulRecord record = { transpose_a, transpose_b, alpha };
  g_autoptr (SegTensor) plain_a = seg_op_dense_plain (a);
  g_autoptr (SegTensor) plain_b = seg_op_dense_plain (b);
  SegTensor *out;
  SegNode *node;

  if (plain_a == NULL || plain_b == NULL)
    return NULL;
  out = multiply (plain_a, plain_b, transpose_a, transpose_b, alpha);
  node = seg_tape_record (out, matmul_backward, 2, SEG_TENSORS (a, b), &record, sizeof record);
  seg_node_save (node, 0, plain_a);
  seg_node_save (node, 1, plain_b);
  return out;
}
