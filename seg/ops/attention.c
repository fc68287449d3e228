/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/attention.h"
#include "seg/ops/op-private.h"

/* saved: 0 q, 1 k, 2 v, 3 bias, 4 rel_h, 5 rel_w */
static void
attention_backward (SegNode *node)
{
  const SegAttentionParams *params = (const SegAttentionParams *) &node->params;
  g_autoptr (SegTensor) dout = seg_op_dense_plain (seg_node_dout (node));
  SegTensor *grads[6] = { NULL };

  if (dout == NULL)
    return;
  for (int i = 0; i < 3; i++)
    grads[i] = seg_tensor_new (dout->context, node->in[i]->dtype, 3, node->in[i]->shape);
  for (int i = 3; i < 6; i++)
    grads[i] = seg_node_needs (node, i) ? seg_node_grad_buffer (node, i) : NULL;
  if (grads[0] != NULL && grads[1] != NULL && grads[2] != NULL
      && seg_context_run (dout->context, SEG_OP_ATTENTION_BACKWARD, params, sizeof *params, 6,
                          grads, 7,
                          SEG_TENSORS (node->saved[0], node->saved[1], node->saved[2],
                                       node->saved[3], node->saved[4], node->saved[5], dout)))
    for (int i = 0; i < 3; i++)
      seg_node_give (node, i, grads[i]);
  else
    for (int i = 0; i < 3; i++)
      seg_tensor_unref (grads[i]);
}

static gboolean
fits (SegTensor *q, SegTensor *k, SegTensor *v, SegTensor *bias, SegTensor *rel_h, SegTensor *rel_w,
      const SegAttentionParams *params)
{
  gint64 d;

  if (q->rank != 3 || k->rank != 3 || v->rank != 3 || params->heads < 1
      || q->shape[2] % params->heads != 0 || v->shape[2] % params->heads != 0
      || q->shape[0] != k->shape[0] || q->shape[0] != v->shape[0] || k->shape[1] != v->shape[1]
      || k->shape[2] != q->shape[2])
    return FALSE;
  if (bias != NULL
      && (bias->rank != 4 || bias->shape[2] != q->shape[1] || bias->shape[3] != k->shape[1]
          || (bias->shape[1] != 1 && bias->shape[1] != params->heads)
          || (bias->shape[0] != 1 && bias->shape[0] != q->shape[0])))
    return FALSE;
  d = q->shape[2] / params->heads;
  if ((rel_h == NULL) != (rel_w == NULL))
    return FALSE;
  return rel_h == NULL
         || (q->shape[1] == k->shape[1] && q->shape[1] == (gint64) params->grid[0] * params->grid[1]
             && seg_tensor_has_shape (rel_h, 2, (gint64[]){ 2 * params->grid[0] - 1, d })
             && seg_tensor_has_shape (rel_w, 2, (gint64[]){ 2 * params->grid[1] - 1, d }));
}

static gboolean
is_rows (SegTensor *x)
{
  return x->stride[2] == 1;
}

SegTensor *
seg_attention (SegTensor *q, SegTensor *k, SegTensor *v, SegTensor *bias, SegTensor *rel_h,
               SegTensor *rel_w, const SegAttentionParams *params)
{
  g_autoptr (SegTensor) qr = NULL;
  g_autoptr (SegTensor) kr = NULL;
  g_autoptr (SegTensor) vr = NULL;
  SegTensor *out;
  SegNode *node;

  if (q == NULL || k == NULL || v == NULL)
    return NULL;
  if (!fits (q, k, v, bias, rel_h, rel_w, params))
    {
      g_autofree char *tq = seg_tensor_describe (q);
      g_autofree char *tk = seg_tensor_describe (k);
      g_autofree char *tv = seg_tensor_describe (v);

      seg_op_mismatch (q, "attention of %s, %s, %s with %d heads", tq, tk, tv, params->heads);
      return NULL;
    }
  qr = is_rows (q) ? seg_tensor_ref (q) : seg_op_dense (q);
  kr = is_rows (k) ? seg_tensor_ref (k) : seg_op_dense (k);
  vr = is_rows (v) ? seg_tensor_ref (v) : seg_op_dense (v);
  if (qr == NULL || kr == NULL || vr == NULL)
    return NULL;
  out = SEG_FINISH (
      seg_tensor_new (q->context, q->dtype, 3, (gint64[]){ q->shape[0], q->shape[1], v->shape[2] }),
      SEG_OP_ATTENTION, params, qr, kr, vr, bias, rel_h, rel_w);
  node = seg_tape_record (out, attention_backward, 6, SEG_TENSORS (q, k, v, bias, rel_h, rel_w),
                          params, sizeof *params);
  seg_node_save (node, 0, qr);
  seg_node_save (node, 1, kr);
  seg_node_save (node, 2, vr);
  seg_node_save (node, 3, bias);
  seg_node_save (node, 4, rel_h);
  seg_node_save (node, 5, rel_w);
  return out;
}

/* N H W C as a 6-D tensor N nh w nw w C, then N nh nw w w C, whose memory is the windows'. */
SegTensor *
seg_window_partition (SegTensor *x, int window)
{
  g_autoptr (SegTensor) padded = NULL;
  g_autoptr (SegTensor) tokens = NULL;
  g_autoptr (SegTensor) split = NULL;
  g_autoptr (SegTensor) swapped = NULL;
  gint64 n, c, nh, nw;

  if (x == NULL)
    return NULL;
  g_return_val_if_fail (x->rank == 4 && window > 0, NULL);
  n = x->shape[0];
  c = x->shape[1];
  nh = (x->shape[2] + window - 1) / window;
  nw = (x->shape[3] + window - 1) / window;
  if (nh * window != x->shape[2] || nw * window != x->shape[3])
    padded = seg_pad (x, (gint64[]){ 0, 0, 0, 0 },
                      (gint64[]){ 0, 0, nh * window - x->shape[2], nw * window - x->shape[3] }, 0);
  else
    padded = seg_tensor_ref (x);
  tokens = seg_to_tokens (padded);
  split = seg_reshape (tokens, 6, (gint64[]){ n, nh, window, nw, window, c });
  swapped = seg_permute (split, (int[]){ 0, 1, 3, 2, 4, 5 });
  return seg_reshape (swapped, 3, (gint64[]){ n * nh * nw, (gint64) window * window, c });
}

SegTensor *
seg_window_merge (SegTensor *windows, int window, gint64 n, gint64 height, gint64 width)
{
  const gint64 nh = (height + window - 1) / window, nw = (width + window - 1) / window;
  g_autoptr (SegTensor) split = NULL;
  g_autoptr (SegTensor) swapped = NULL;
  g_autoptr (SegTensor) tokens = NULL;
  g_autoptr (SegTensor) whole = NULL;
  g_autoptr (SegTensor) rows = NULL;
  g_autoptr (SegTensor) inner = NULL;
  gint64 c;

  if (windows == NULL)
    return NULL;
  c = windows->shape[2];
  split = seg_reshape (windows, 6, (gint64[]){ n, nh, nw, window, window, c });
  swapped = seg_permute (split, (int[]){ 0, 1, 3, 2, 4, 5 });
  tokens = seg_reshape (swapped, 3, (gint64[]){ n, nh * nw * window * window, c });
  whole = seg_from_tokens (tokens, 2, (gint64[]){ nh * window, nw * window });
  rows = seg_slice (whole, 2, 0, height);
  inner = seg_slice (rows, 3, 0, width);
  return seg_dense (inner);
}
