/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/op-private.h"
#include "seg/ops/reduce.h"

#include <string.h>

/* The gradient of a sum is the gradient, everywhere; of a mean, divided by the count. */
static void
reduce_backward (SegNode *node)
{
  const SegReduceParams *params = (const SegReduceParams *) &node->params;
  SegTensor *in = node->in[0], *dout = seg_node_dout (node);
  const double n =
      (double) seg_tensor_get_n_elements (in) / MAX (seg_tensor_get_n_elements (node->out), 1);
  SegUnaryParams affine = { SEG_ACT_AFFINE, params->kind == SEG_REDUCE_MEAN ? 1 / n : 1, 0 };
  g_autoptr (SegTensor) scaled =
      SEG_FINISH (seg_tensor_new_like (dout, dout->dtype), SEG_OP_UNARY, &affine, dout);
  g_autoptr (SegTensor) view = seg_tensor_new_view (scaled);
  SegTensor *din;

  if (view == NULL)
    return;
  for (int a = 0; a < in->rank; a++)
    {
      view->stride[a] =
          scaled->rank == in->rank && scaled->shape[a] == in->shape[a] ? scaled->stride[a] : 0;
      view->shape[a] = in->shape[a];
    }
  view->rank = in->rank;
  din = seg_tensor_new_like (in, in->dtype);
  seg_node_give (node, 0, seg_op_finish (din, SEG_OP_COPY, NULL, 0, 1, SEG_TENSORS (view)));
}

static SegTensor *
reduce (SegTensor *x, SegReduceKind kind, guint axes)
{
  SegReduceParams params = { kind, axes };
  gint64 shape[SEG_MAX_RANK];
  SegTensor *out;

  if (x == NULL)
    return NULL;
  params.axes &= (1u << x->rank) - 1;
  for (int a = 0; a < x->rank; a++)
    shape[a] = params.axes >> a & 1 ? 1 : x->shape[a];
  out = SEG_FINISH (seg_tensor_new (x->context, seg_op_sum_dtype (x), x->rank, shape),
                    SEG_OP_REDUCE, &params, x);
  if (out != NULL && axes == SEG_ALL_AXES)
    {
      out->rank = 1;
      out->shape[0] = 1;
      out->stride[0] = 1;
    }
  if (kind == SEG_REDUCE_SUM || kind == SEG_REDUCE_MEAN)
    seg_tape_record (out, reduce_backward, 1, &x, &params, sizeof params);
  return out;
}

SegTensor *
seg_sum (SegTensor *x, guint axes)
{
  return reduce (x, SEG_REDUCE_SUM, axes);
}

SegTensor *
seg_mean (SegTensor *x, guint axes)
{
  return reduce (x, SEG_REDUCE_MEAN, axes);
}

SegTensor *
seg_max (SegTensor *x, guint axes)
{
  return reduce (x, SEG_REDUCE_MAX, axes);
}

SegTensor *
seg_min (SegTensor *x, guint axes)
{
  return reduce (x, SEG_REDUCE_MIN, axes);
}

SegTensor *
seg_argmax (SegTensor *x, int axis, SegDtype dtype)
{
  SegReduceParams params = { SEG_REDUCE_ARGMAX, 0 };
  gint64 shape[SEG_MAX_RANK], reduced[SEG_MAX_RANK];
  g_autoptr (SegTensor) view = NULL;
  SegTensor *out;
  int n = 0;

  if (x == NULL)
    return NULL;
  if (axis < 0)
    axis += x->rank;
  params.axes = 1u << axis;
  for (int a = 0; a < x->rank; a++)
    {
      reduced[a] = a == axis ? 1 : x->shape[a];
      if (a != axis)
        shape[n++] = x->shape[a];
    }
  /* N X.. is plain in memory: the view with one channel is what the op writes. */
  out = seg_tensor_new_plain (x->context, dtype, x->rank - 1, shape);
  view = seg_tensor_new_view (out);
  if (view == NULL)
    {
      seg_tensor_unref (out);
      return NULL;
    }
  view->rank = x->rank;
  memcpy (view->shape, reduced, sizeof reduced);
  seg_strides_plain (view->rank, view->shape, view->stride);
  seg_tensor_unref (SEG_RUN (SEG_OP_REDUCE, &params, view, x));
  if (x->context->error != NULL)
    seg_tensor_clear (&out);
  return out;
}
