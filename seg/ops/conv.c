/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/conv.h"
#include "seg/ops/op-private.h"

#include <string.h>

SegConvParams
seg_conv_params (int n_spatial, int stride, int pad)
{
  SegConvParams params = { .n_spatial = n_spatial, .groups = 1 };

  for (int a = 0; a < n_spatial; a++)
    {
      params.stride[a] = stride;
      params.pad[a] = pad;
      params.dilation[a] = 1;
    }
  return params;
}

SegConvParams
seg_conv_transposed_params (int n_spatial, int stride, int pad)
{
  SegConvParams params = seg_conv_params (n_spatial, stride, pad);

  params.transposed = TRUE;
  return params;
}

static SegConvParams
complete_params (const SegConvParams *given, int n_spatial)
{
  SegConvParams params = *given;

  params.n_spatial = n_spatial;
  params.groups = MAX (params.groups, 1);
  for (int a = 0; a < n_spatial; a++)
    {
      params.stride[a] = MAX (params.stride[a], 1);
      params.dilation[a] = MAX (params.dilation[a], 1);
    }
  return params;
}

static gboolean
get_out_shape (SegTensor *in, SegTensor *weight, const SegConvParams *params, gint64 *shape)
{
  const gint64 channels = params->transposed ? weight->shape[0] : weight->shape[1] * params->groups;

  if (weight->rank != in->rank || channels != in->shape[1]
      || weight->shape[0] % params->groups != 0)
    return FALSE;
  shape[0] = in->shape[0];
  shape[1] = params->transposed ? weight->shape[1] * params->groups : weight->shape[0];
  for (int a = 0; a < params->n_spatial; a++)
    {
      const gint64 x = in->shape[2 + a];
      const gint64 reach = params->dilation[a] * (weight->shape[2 + a] - 1) + 1;

      if (params->transposed)
        shape[2 + a] = (x - 1) * params->stride[a] - 2 * params->pad[a] + reach + params->extra[a];
      else
        shape[2 + a] = x + 2 * params->pad[a] < reach
                           ? 0
                           : (x + 2 * params->pad[a] - reach) / params->stride[a] + 1;
      if (shape[2 + a] <= 0)
        return FALSE;
    }
  return TRUE;
}

static void
conv_backward (SegNode *node)
{
  const SegConvParams *params = (const SegConvParams *) &node->params;
  SegTensor *in = node->saved[0], *weight = node->saved[1];
  g_autoptr (SegTensor) dout = seg_op_dense (seg_node_dout (node));
  SegTensor *dweight = seg_node_needs (node, 1) ? seg_node_grad_buffer (node, 1) : NULL;
  SegTensor *dbias = seg_node_needs (node, 2) ? seg_node_grad_buffer (node, 2) : NULL;

  if (dout == NULL)
    return;
  if (dweight != NULL)
    seg_context_run (dout->context, SEG_OP_CONV_BACKWARD_WEIGHTS, params, sizeof *params, 2,
                     SEG_TENSORS (dweight, dbias), 2, SEG_TENSORS (in, dout));
  if (seg_node_needs (node, 0))
    seg_node_give (node, 0,
                   SEG_FINISH (seg_tensor_new (dout->context, node->in[0]->dtype, node->in[0]->rank,
                                               node->in[0]->shape),
                               SEG_OP_CONV_BACKWARD_DATA, params, dout, weight));
}

SegTensor *
seg_conv (SegTensor *in, SegTensor *weight, SegTensor *bias, const SegConvParams *given)
{
  g_autoptr (SegTensor) dense = NULL;
  SegConvParams params;
  gint64 shape[SEG_MAX_RANK];
  SegTensor *out;
  SegNode *node;

  if (in == NULL || weight == NULL)
    return NULL;
  g_return_val_if_fail (in->rank >= 3 && in->rank <= 5, NULL);
  params = complete_params (given, in->rank - 2);
  if (!get_out_shape (in, weight, &params, shape)
      || (bias != NULL && seg_tensor_get_n_elements (bias) != shape[1]))
    {
      g_autofree char *of = seg_tensor_describe (in);
      g_autofree char *by = seg_tensor_describe (weight);

      seg_op_mismatch (in, "convolution of %s by %s", of, by);
      return NULL;
    }
  dense = seg_op_dense (in);
  if (dense == NULL)
    return NULL;
  out = SEG_FINISH (seg_tensor_new (in->context, in->dtype, in->rank, shape), SEG_OP_CONV, &params,
                    dense, weight, bias);
  node = seg_tape_record (out, conv_backward, 3, SEG_TENSORS (in, weight, bias), &params,
                          sizeof params);
  if (node != NULL && weight->requires_grad)
    seg_node_save (node, 0, dense);
  seg_node_save (node, 1, weight);
  return out;
}
