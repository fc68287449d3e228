/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/activation.h"
#include "seg/ops/arithmetic.h"
#include "seg/ops/op-private.h"

static void
unary_backward (SegNode *node)
{
  const SegUnaryParams *params = (const SegUnaryParams *) &node->params;
  g_autoptr (SegTensor) dout = seg_op_like (seg_node_dout (node), node->saved[0]);

  seg_node_give (node, 0,
                 SEG_FINISH (seg_tensor_new_like (node->saved[0], node->saved[0]->dtype),
                             SEG_OP_UNARY_BACKWARD, params, node->saved[0], dout));
}

static gboolean
unary_again (SegNode *node)
{
  return seg_context_run (node->out->context, SEG_OP_UNARY, &node->params, node->params_size, 1,
                          &node->out, 1, &node->saved[0]);
}

static void
affine_backward (SegNode *node)
{
  SegUnaryParams params = { SEG_ACT_AFFINE, ((const SegUnaryParams *) &node->params)->a, 0 };
  SegTensor *dout = seg_node_dout (node);

  seg_node_give (node, 0,
                 SEG_FINISH (seg_tensor_new_like (dout, dout->dtype), SEG_OP_UNARY, &params, dout));
}

SegTensor *
seg_activation (SegTensor *x, SegAct act, double a, double b)
{
  SegUnaryParams params = { act, a, b };
  g_autoptr (SegTensor) in = NULL;
  SegTensor *out;
  SegNode *node;

  if (x == NULL)
    return NULL;
  in = seg_tensor_is_dense (x) ? seg_tensor_ref (x) : seg_op_dense (x);
  if (in == NULL)
    return NULL;
  out = SEG_FINISH (seg_tensor_new_like (in, x->dtype), SEG_OP_UNARY, &params, in);
  if (act == SEG_ACT_AFFINE)
    seg_tape_record (out, affine_backward, 1, &x, &params, sizeof params);
  else
    {
      node = seg_tape_record (out, unary_backward, 1, &x, &params, sizeof params);
      seg_node_save (node, 0, in);
      seg_node_set_recompute (node, unary_again);
    }
  return out;
}

SegTensor *
seg_relu (SegTensor *x)
{
  return seg_activation (x, SEG_ACT_RELU, 0, 0);
}

SegTensor *
seg_leaky_relu (SegTensor *x, double slope)
{
  return seg_activation (x, SEG_ACT_LEAKY_RELU, slope, 0);
}

/* max (x, 0) + slope·min (x, 0) */
SegTensor *
seg_prelu (SegTensor *x, SegTensor *slope)
{
  g_autoptr (SegTensor) positive = NULL;
  g_autoptr (SegTensor) negative = NULL;
  g_autoptr (SegTensor) shaped = NULL;
  g_autoptr (SegTensor) scaled = NULL;
  gint64 shape[SEG_MAX_RANK];

  if (x == NULL || slope == NULL)
    return NULL;
  for (int a = 0; a < x->rank; a++)
    shape[a] = a == seg_tensor_get_feature_axis (x) ? seg_tensor_get_n_elements (slope) : 1;
  shaped = seg_reshape (slope, x->rank, shape);
  positive = seg_relu (x);
  negative = seg_sub (x, positive);
  scaled = seg_mul (negative, shaped);
  return seg_add (positive, scaled);
}

SegTensor *
seg_gelu (SegTensor *x)
{
  return seg_activation (x, SEG_ACT_GELU, 0, 0);
}

SegTensor *
seg_gelu_tanh (SegTensor *x)
{
  return seg_activation (x, SEG_ACT_GELU_TANH, 0, 0);
}

SegTensor *
seg_silu (SegTensor *x)
{
  return seg_activation (x, SEG_ACT_SILU, 0, 0);
}

SegTensor *
seg_sigmoid (SegTensor *x)
{
  return seg_activation (x, SEG_ACT_SIGMOID, 0, 0);
}

SegTensor *
seg_tanh (SegTensor *x)
{
  return seg_activation (x, SEG_ACT_TANH, 0, 0);
}

SegTensor *
seg_exp (SegTensor *x)
{
  return seg_activation (x, SEG_ACT_EXP, 0, 0);
}

SegTensor *
seg_log (SegTensor *x, double epsilon)
{
  return seg_activation (x, SEG_ACT_LOG, epsilon, 0);
}

SegTensor *
seg_sqrt (SegTensor *x, double epsilon)
{
  return seg_activation (x, SEG_ACT_SQRT, epsilon, 0);
}

SegTensor *
seg_square (SegTensor *x)
{
  return seg_activation (x, SEG_ACT_SQUARE, 0, 0);
}

SegTensor *
seg_abs (SegTensor *x)
{
  return seg_activation (x, SEG_ACT_ABS, 0, 0);
}

SegTensor *
seg_reciprocal (SegTensor *x, double epsilon)
{
  return seg_activation (x, SEG_ACT_RECIPROCAL, epsilon, 0);
}

SegTensor *
seg_affine (SegTensor *x, double factor, double add)
{
  return seg_activation (x, SEG_ACT_AFFINE, factor, add);
}

SegTensor *
seg_clamp (SegTensor *x, double low, double high)
{
  return seg_activation (x, SEG_ACT_CLAMP, low, high);
}
