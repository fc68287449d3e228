/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/norm.h"
#include "seg/ops/op-private.h"

/* saved: 0 in, 1 gamma, 2 beta, 3 mean, 4 rstd */

static void
norm_backward (SegNode *node)
{
  const SegNormParams *params = (const SegNormParams *) &node->params;
  SegTensor *in = node->saved[0];
  g_autoptr (SegTensor) dout = seg_op_like (seg_node_dout (node), in);
  g_autoptr (SegTensor) din = seg_tensor_new_like (in, in->dtype);
  SegTensor *dgamma = seg_node_needs (node, 1) ? seg_node_grad_buffer (node, 1) : NULL;
  SegTensor *dbeta = seg_node_needs (node, 2) ? seg_node_grad_buffer (node, 2) : NULL;

  if (dout == NULL || din == NULL)
    return;
  if (seg_context_run (
          in->context, SEG_OP_NORM_BACKWARD, params, sizeof *params, 3,
          SEG_TENSORS (din, dgamma, dbeta), 6,
          SEG_TENSORS (in, dout, node->saved[1], node->saved[2], node->saved[3], node->saved[4])))
    seg_node_give (node, 0, g_steal_pointer (&din));
}

/* From the statistics kept: batch norm is then an affine map, so it runs as if not training, with
 * mean and variance put back together from mean and rstd. The other norms simply run again. */
static gboolean
norm_again (SegNode *node)
{
  SegNormParams params = *(const SegNormParams *) &node->params;
  SegTensor **saved = node->saved;

  if (params.kind == SEG_NORM_BATCH)
    params.training = SEG_NORM_AGAIN;
  return seg_context_run (node->out->context, SEG_OP_NORM, &params, sizeof params, 3,
                          SEG_TENSORS (node->out, saved[3], saved[4]), 5,
                          SEG_TENSORS (saved[0], saved[1], saved[2], NULL, NULL));
}

static gint64
count_statistics (SegTensor *in, const SegNormParams *params)
{
  const gint64 channels = in->shape[seg_tensor_get_feature_axis (in)];

  switch (params->kind)
    {
    case SEG_NORM_BATCH:
      return channels;
    case SEG_NORM_GROUP:
    case SEG_NORM_INSTANCE:
      return in->shape[0] * params->groups;
    default:
      return seg_tensor_get_n_elements (in) / MAX (channels, 1);
    }
}

static gboolean
is_good (SegTensor *in, SegTensor *gamma, SegTensor *beta, SegTensor *run_mean,
         const SegNormParams *params)
{
  const gint64 channels = in->shape[seg_tensor_get_feature_axis (in)];

  if ((gamma != NULL && seg_tensor_get_n_elements (gamma) != channels)
      || (beta != NULL && seg_tensor_get_n_elements (beta) != channels)
      || (run_mean != NULL && seg_tensor_get_n_elements (run_mean) != channels))
    return FALSE;
  if (params->kind == SEG_NORM_BATCH && !params->training && run_mean == NULL)
    return FALSE;
  return params->kind != SEG_NORM_GROUP || (params->groups > 0 && channels % params->groups == 0);
}

SegTensor *
seg_norm (SegTensor *in, SegTensor *gamma, SegTensor *beta, SegTensor *run_mean, SegTensor *run_var,
          const SegNormParams *given)
{
  SegNormParams params = *given;
  g_autoptr (SegTensor) dense = NULL;
  g_autoptr (SegTensor) mean = NULL;
  g_autoptr (SegTensor) rstd = NULL;
  SegTensor *out;
  SegNode *node;
  gint64 n;

  if (in == NULL)
    return NULL;
  if (params.kind == SEG_NORM_INSTANCE)
    params.groups = in->shape[seg_tensor_get_feature_axis (in)];
  if (!is_good (in, gamma, beta, run_mean, &params))
    {
      g_autofree char *of = seg_tensor_describe (in);

      seg_op_mismatch (in, "norm of %s: channels, groups or running state do not fit", of);
      return NULL;
    }
  dense = seg_op_dense (in);
  n = count_statistics (in, &params);
  mean = seg_tensor_new (in->context, seg_op_sum_dtype (in), 1, &n);
  rstd = seg_tensor_new (in->context, seg_op_sum_dtype (in), 1, &n);
  out = seg_tensor_new_like (dense, in->dtype);
  if (dense == NULL || mean == NULL || rstd == NULL || out == NULL)
    {
      seg_tensor_unref (out);
      return NULL;
    }
  if (params.kind == SEG_NORM_BATCH && params.training && in->context->recomputing > 0)
    run_mean = run_var = NULL;
  if (!seg_context_run (in->context, SEG_OP_NORM, &params, sizeof params, 3,
                        SEG_TENSORS (out, mean, rstd), 5,
                        SEG_TENSORS (dense, gamma, beta, run_mean, run_var)))
    {
      seg_tensor_unref (out);
      return NULL;
    }
  node = seg_tape_record (out, norm_backward, 3, SEG_TENSORS (in, gamma, beta), &params,
                          sizeof params);
  seg_node_save (node, 0, dense);
  seg_node_save (node, 1, gamma);
  seg_node_save (node, 2, beta);
  seg_node_save (node, 3, mean);
  seg_node_save (node, 4, rstd);
  seg_node_set_recompute (node, norm_again);
  return out;
}
