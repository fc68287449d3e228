/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/arithmetic.h"
#include "seg/ops/op-private.h"

#include <string.h>

/* A view of rank @rank whose axes of size 1 repeat along @shape. */
static SegTensor *
broadcast_view (SegTensor *x, int rank, const gint64 *shape)
{
  SegTensor *out = seg_tensor_new_view (x);
  const int shift = rank - x->rank;

  if (out == NULL)
    return NULL;
  out->rank = rank;
  for (int a = 0; a < rank; a++)
    {
      const gboolean own = a >= shift && x->shape[a - shift] == shape[a];

      out->shape[a] = shape[a];
      out->stride[a] = own ? x->stride[a - shift] : 0;
    }
  return out;
}

static gboolean
broadcast_shape (SegTensor *a, SegTensor *b, int *rank, gint64 *shape)
{
  *rank = MAX (a->rank, b->rank);
  for (int i = 1; i <= *rank; i++)
    {
      const gint64 sa = i <= a->rank ? a->shape[a->rank - i] : 1;
      const gint64 sb = i <= b->rank ? b->shape[b->rank - i] : 1;

      if (sa != sb && sa != 1 && sb != 1)
        return FALSE;
      shape[*rank - i] = sa == 1 ? sb : sa;
    }
  return TRUE;
}

SegTensor *
seg_op_sum_to (SegTensor *grad, SegTensor *like)
{
  const int shift = grad->rank - like->rank;
  SegReduceParams params = { SEG_REDUCE_SUM, 0 };
  gint64 shape[SEG_MAX_RANK];
  gboolean whole_like = TRUE;
  SegTensor *sum;

  for (int a = 0; a < grad->rank; a++)
    {
      const gboolean reduced = a < shift || (like->shape[a - shift] == 1 && grad->shape[a] != 1);

      shape[a] = reduced ? 1 : grad->shape[a];
      whole_like = whole_like && !reduced;
      if (reduced)
        params.axes |= 1u << a;
    }
  if (whole_like)
    return seg_tensor_ref (grad);
  sum = SEG_FINISH (seg_tensor_new (grad->context, grad->dtype, grad->rank, shape), SEG_OP_REDUCE,
                    &params, grad);
  if (sum != NULL && shift > 0)
    {
      g_autoptr (SegTensor) plain = seg_op_dense_plain (sum);
      SegTensor *out = seg_tensor_new_view (plain);

      seg_tensor_unref (sum);
      if (out == NULL)
        return NULL;
      out->rank = like->rank;
      memcpy (out->shape, like->shape, sizeof out->shape);
      seg_strides_plain (out->rank, out->shape, out->stride);
      return out;
    }
  return sum;
}

static SegTensor *
run_binary (SegBinaryKind kind, SegTensor *a, SegTensor *b)
{
  SegBinaryParams params = { kind };
  g_autoptr (SegTensor) va = NULL;
  g_autoptr (SegTensor) vb = NULL;
  gint64 shape[SEG_MAX_RANK];
  SegTensor *out, *like;
  SegDtype dtype;
  int rank;

  if (a == NULL || b == NULL)
    return NULL;
  if (!broadcast_shape (a, b, &rank, shape))
    {
      g_autofree char *ta = seg_tensor_describe (a);
      g_autofree char *tb = seg_tensor_describe (b);

      seg_op_mismatch (a, "%s and %s do not broadcast", ta, tb);
      return NULL;
    }
  dtype = a->dtype;
  if (b->dtype == SEG_DTYPE_F64
      || (b->dtype == SEG_DTYPE_F32 && dtype != SEG_DTYPE_F64 && a->rank > 0
          && seg_tensor_get_n_elements (b) > 1)
      || !seg_dtype_is_float (dtype))
    dtype = seg_dtype_is_float (b->dtype) ? b->dtype : dtype;
  va = broadcast_view (a, rank, shape);
  vb = broadcast_view (b, rank, shape);
  if (va == NULL || vb == NULL)
    return NULL;
  like = seg_tensor_has_shape (a, rank, shape)   ? a
         : seg_tensor_has_shape (b, rank, shape) ? b
                                                 : NULL;
  out = like != NULL ? seg_tensor_new_like (like, dtype)
                     : seg_tensor_new (a->context, dtype, rank, shape);
  return SEG_FINISH (out, SEG_OP_BINARY, &params, va, vb);
}

static void
give_summed (SegNode *node, int input, SegTensor *grad)
{
  G_GNUC_UNUSED g_autoptr (SegTensor) owned = grad;
  SegTensor *in = node->in[input];
  g_autoptr (SegTensor) sum = NULL;

  if (grad == NULL)
    return;
  sum = seg_op_sum_to (grad, in);
  if (sum != NULL && sum->dtype != in->dtype && !in->parameter)
    seg_node_give (node, input, seg_cast (sum, in->dtype));
  else
    seg_node_give (node, input, g_steal_pointer (&sum));
}

static void
add_backward (SegNode *node)
{
  for (int i = 0; i < 2; i++)
    if (seg_node_needs (node, i))
      give_summed (node, i, seg_tensor_ref (seg_node_dout (node)));
}

SegTensor *
seg_add (SegTensor *a, SegTensor *b)
{
  SegTensor *out = run_binary (SEG_BINARY_ADD, a, b);

  seg_tape_record (out, add_backward, 2, SEG_TENSORS (a, b), NULL, 0);
  return out;
}

static void
sub_backward (SegNode *node)
{
  SegTensor *dout = seg_node_dout (node);
  SegUnaryParams negate = { SEG_ACT_AFFINE, -1, 0 };

  if (seg_node_needs (node, 0))
    give_summed (node, 0, seg_tensor_ref (dout));
  if (seg_node_needs (node, 1))
    give_summed (node, 1,
                 SEG_FINISH (seg_tensor_new_like (dout, dout->dtype), SEG_OP_UNARY, &negate, dout));
}

SegTensor *
seg_sub (SegTensor *a, SegTensor *b)
{
  SegTensor *out = run_binary (SEG_BINARY_SUB, a, b);

  seg_tape_record (out, sub_backward, 2, SEG_TENSORS (a, b), NULL, 0);
  return out;
}

static void
mul_backward (SegNode *node)
{
  for (int i = 0; i < 2; i++)
    if (seg_node_needs (node, i))
      give_summed (node, i, run_binary (SEG_BINARY_MUL, seg_node_dout (node), node->saved[1 - i]));
}

SegTensor *
seg_mul (SegTensor *a, SegTensor *b)
{
  SegTensor *out = run_binary (SEG_BINARY_MUL, a, b);
  SegNode *node = seg_tape_record (out, mul_backward, 2, SEG_TENSORS (a, b), NULL, 0);

  if (node != NULL && b->requires_grad)
    seg_node_save (node, 0, a);
  if (node != NULL && a->requires_grad)
    seg_node_save (node, 1, b);
  return out;
}

/* d(a/b) = da/b − (a/b)·db/b */
static void
div_backward (SegNode *node)
{
  g_autoptr (SegTensor) da = run_binary (SEG_BINARY_DIV, seg_node_dout (node), node->saved[1]);

  if (seg_node_needs (node, 1))
    {
      g_autoptr (SegTensor) quotient = run_binary (SEG_BINARY_DIV, node->saved[0], node->saved[1]);
      g_autoptr (SegTensor) product = run_binary (SEG_BINARY_MUL, da, quotient);
      SegUnaryParams negate = { SEG_ACT_AFFINE, -1, 0 };

      give_summed (
          node, 1,
          SEG_FINISH (seg_tensor_new_like (product, da != NULL ? da->dtype : SEG_DTYPE_F32),
                      SEG_OP_UNARY, &negate, product));
    }
  if (seg_node_needs (node, 0))
    give_summed (node, 0, g_steal_pointer (&da));
}

SegTensor *
seg_div (SegTensor *a, SegTensor *b)
{
  SegTensor *out = run_binary (SEG_BINARY_DIV, a, b);
  SegNode *node = seg_tape_record (out, div_backward, 2, SEG_TENSORS (a, b), NULL, 0);

  seg_node_save (node, 0, a);
  seg_node_save (node, 1, b);
  return out;
}

/* The side not strictly beaten takes the gradient; equal ones count for a. */
static void
extremum_backward (SegNode *node)
{
  const gboolean is_max = ((const SegBinaryParams *) &node->params)->kind == SEG_BINARY_MAX;
  SegTensor *a = node->saved[0], *b = node->saved[1];
  g_autoptr (SegTensor) b_wins =
      is_max ? run_binary (SEG_BINARY_GREATER, b, a) : run_binary (SEG_BINARY_GREATER, a, b);
  g_autoptr (SegTensor) db = run_binary (SEG_BINARY_MUL, seg_node_dout (node), b_wins);

  if (seg_node_needs (node, 0))
    give_summed (node, 0, run_binary (SEG_BINARY_SUB, seg_node_dout (node), db));
  if (seg_node_needs (node, 1))
    give_summed (node, 1, g_steal_pointer (&db));
}

static SegTensor *
extremum (SegBinaryKind kind, SegTensor *a, SegTensor *b)
{
  SegBinaryParams params = { kind };
  SegTensor *out = run_binary (kind, a, b);
  SegNode *node =
      seg_tape_record (out, extremum_backward, 2, SEG_TENSORS (a, b), &params, sizeof params);

  seg_node_save (node, 0, a);
  seg_node_save (node, 1, b);
  return out;
}

SegTensor *
seg_maximum (SegTensor *a, SegTensor *b)
{
  return extremum (SEG_BINARY_MAX, a, b);
}

SegTensor *
seg_minimum (SegTensor *a, SegTensor *b)
{
  return extremum (SEG_BINARY_MIN, a, b);
}

SegTensor *
seg_greater (SegTensor *a, SegTensor *b)
{
  return run_binary (SEG_BINARY_GREATER, a, b);
}

SegTensor *
seg_equal (SegTensor *a, SegTensor *b)
{
  return run_binary (SEG_BINARY_EQUAL, a, b);
}

SegTensor *
seg_constant (SegContext *context, double value)
{
  return seg_tensor_new_filled (context, SEG_DTYPE_F32, 1, (gint64[]){ 1 }, value);
}
