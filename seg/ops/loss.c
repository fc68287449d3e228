/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/activation.h"
#include "seg/ops/arithmetic.h"
#include "seg/ops/loss.h"
#include "seg/ops/op-private.h"
#include "seg/ops/reduce.h"
#include "seg/ops/softmax.h"

#include <string.h>

#define TINY 1e-30

static gboolean
is_index_of (SegTensor *target, SegTensor *scores)
{
  if (target->rank != scores->rank - 1 || target->shape[0] != scores->shape[0])
    return FALSE;
  for (int a = 1; a < target->rank; a++)
    if (target->shape[a] != scores->shape[a + 1])
      return FALSE;
  return TRUE;
}

static gboolean
check_shapes (SegTensor *scores, SegTensor *target, SegTensor *weight, SegTensor *class_weight)
{
  const gboolean soft = seg_tensor_has_shape (target, scores->rank, scores->shape);

  if (scores->rank >= 2 && (soft || is_index_of (target, scores))
      && (weight == NULL || is_index_of (weight, scores))
      && (class_weight == NULL || seg_tensor_get_n_elements (class_weight) == scores->shape[1]))
    return TRUE;
  {
    g_autofree char *s = seg_tensor_describe (scores);
    g_autofree char *t = seg_tensor_describe (target);
    g_autofree char *w = seg_tensor_describe (weight);

    seg_op_mismatch (scores, "loss of %s against %s, weights %s", s, t, w);
  }
  return FALSE;
}

static SegTensor *
element (SegTensor *x, gint64 i)
{
  SegTensor *view = seg_tensor_new_view (x);

  if (view == NULL)
    return NULL;
  view->offset_bytes += i * seg_dtype_get_size (x->dtype);
  view->rank = 1;
  view->shape[0] = view->stride[0] = 1;
  return view;
}

static SegTensor *
safe_quotient (SegTensor *numerator, SegTensor *denominator)
{
  g_autoptr (SegTensor) least = seg_constant (numerator->context, TINY);
  g_autoptr (SegTensor) safe = seg_maximum (denominator, least);

  return seg_div (numerator, safe);
}

/* saved: 0 logits, 1 target, 2 weight, 3 class_weight, 4 sums */
static void
cross_entropy_backward (SegNode *node)
{
  const SegCrossEntropyParams *params = (const SegCrossEntropyParams *) &node->params;
  SegTensor *logits = node->saved[0];
  g_autoptr (SegTensor) total = element (node->saved[4], 1);
  g_autoptr (SegTensor) scale = total != NULL ? safe_quotient (seg_node_dout (node), total) : NULL;

  if (scale == NULL)
    return;
  seg_node_give (node, 0,
                 SEG_FINISH (seg_tensor_new_like (logits, logits->dtype),
                             SEG_OP_CROSS_ENTROPY_BACKWARD, params, logits, node->saved[1],
                             node->saved[2], node->saved[3], scale));
}

SegTensor *
seg_cross_entropy (SegTensor *logits, SegTensor *target, SegTensor *weight, SegTensor *class_weight,
                   gint64 ignore)
{
  SegCrossEntropyParams params = { ignore };
  g_autoptr (SegTensor) dense = NULL;
  g_autoptr (SegTensor) index = NULL;
  g_autoptr (SegTensor) weights = NULL;
  g_autoptr (SegTensor) sums = NULL;
  SegTensor *loss;
  SegNode *node;

  if (logits == NULL || target == NULL)
    return NULL;
  if (!check_shapes (logits, target, weight, class_weight))
    return NULL;
  dense = seg_op_dense (logits);
  index = seg_op_dense_plain (target);
  weights = seg_op_dense_plain (weight);
  if (dense == NULL || index == NULL)
    return NULL;
  sums =
      SEG_FINISH (seg_tensor_new (logits->context, seg_op_sum_dtype (logits), 1, (gint64[]){ 2 }),
                  SEG_OP_CROSS_ENTROPY, &params, dense, index, weights, class_weight);
  if (sums == NULL)
    return NULL;
  seg_no_grad_begin (logits->context);
  {
    g_autoptr (SegTensor) sum = element (sums, 0);
    g_autoptr (SegTensor) total = element (sums, 1);

    loss = sum != NULL && total != NULL ? safe_quotient (sum, total) : NULL;
  }
  seg_no_grad_end (logits->context);
  node = seg_tape_record (loss, cross_entropy_backward, 1, &logits, &params, sizeof params);
  seg_node_save (node, 0, dense);
  seg_node_save (node, 1, index);
  seg_node_save (node, 2, weights);
  seg_node_save (node, 3, class_weight);
  seg_node_save (node, 4, sums);
  return loss;
}

/* saved: 0 p, 1 target, 2 weight */
static void
overlap_backward (SegNode *node)
{
  const SegOverlapParams *params = (const SegOverlapParams *) &node->params;
  SegTensor *p = node->saved[0];
  g_autoptr (SegTensor) dsums = seg_op_dense_plain (seg_node_dout (node));

  if (dsums == NULL)
    return;
  seg_node_give (node, 0,
                 SEG_FINISH (seg_tensor_new_like (p, p->dtype), SEG_OP_OVERLAP_BACKWARD, params, p,
                             node->saved[1], node->saved[2], dsums));
}

SegTensor *
seg_overlap_sums (SegTensor *p, SegTensor *target, SegTensor *weight, gboolean square,
                  gint64 ignore)
{
  SegOverlapParams params = { square, ignore };
  g_autoptr (SegTensor) dense = NULL;
  g_autoptr (SegTensor) labels = NULL;
  g_autoptr (SegTensor) weights = NULL;
  SegTensor *sums;
  SegNode *node;

  if (p == NULL || target == NULL)
    return NULL;
  if (!check_shapes (p, target, weight, NULL))
    return NULL;
  dense = seg_op_dense (p);
  labels = target->rank == p->rank ? seg_op_dense (target) : seg_op_dense_plain (target);
  weights = seg_op_dense_plain (weight);
  if (dense == NULL || labels == NULL)
    return NULL;
  sums = SEG_FINISH (
      seg_tensor_new (p->context, seg_op_sum_dtype (p), 2, (gint64[]){ 3, p->shape[1] }),
      SEG_OP_OVERLAP, &params, dense, labels, weights);
  node = seg_tape_record (sums, overlap_backward, 1, &p, &params, sizeof params);
  seg_node_save (node, 0, dense);
  seg_node_save (node, 1, labels);
  seg_node_save (node, 2, weights);
  return sums;
}

SegTensor *
seg_dice_loss (SegTensor *p, SegTensor *target, SegTensor *weight, SegTensor *class_weight,
               const SegDiceParams *params)
{
  g_autoptr (SegTensor) all = seg_overlap_sums (p, target, weight, params->square, params->ignore);
  g_autoptr (SegTensor) sums = NULL;
  g_autoptr (SegTensor) both = NULL;
  g_autoptr (SegTensor) numerator = NULL;
  g_autoptr (SegTensor) size_p = NULL;
  g_autoptr (SegTensor) size_y = NULL;
  g_autoptr (SegTensor) size = NULL;
  g_autoptr (SegTensor) denominator = NULL;
  g_autoptr (SegTensor) dice = NULL;
  g_autoptr (SegTensor) mean = NULL;
  gint64 first, n;

  if (all == NULL)
    return NULL;
  first = params->with_background || p->shape[1] == 1 ? 0 : 1;
  n = p->shape[1] - first;
  sums = seg_slice (all, 1, first, n);
  both = seg_slice (sums, 0, 0, 1);
  size_p = seg_slice (sums, 0, 1, 1);
  size_y = seg_slice (sums, 0, 2, 1);
  numerator = seg_affine (both, 2, params->smooth + params->smooth_num);
  size = seg_add (size_p, size_y);
  denominator = seg_affine (size, 1, params->smooth + params->smooth_den);
  dice = seg_div (numerator, denominator);
  if (class_weight != NULL)
    {
      g_autoptr (SegTensor) row = seg_reshape (class_weight, 2, (gint64[]){ 1, -1 });
      g_autoptr (SegTensor) used = seg_slice (row, 1, first, n);

      seg_tensor_set (&dice, seg_mul (dice, used));
    }
  mean = seg_mean (dice, SEG_ALL_AXES);
  return seg_affine (mean, -1, 1);
}

/* saved: 0 logits, 1 target, 2 pos_weight */
static void
bce_backward (SegNode *node)
{
  SegTensor *logits = node->saved[0];
  g_autoptr (SegTensor) dout = seg_op_like (seg_node_dout (node), logits);
  SegUnaryParams none = { 0 };

  seg_node_give (node, 0,
                 SEG_FINISH (seg_tensor_new_like (logits, logits->dtype), SEG_OP_BCE_BACKWARD,
                             &none, logits, node->saved[1], node->saved[2], dout));
}

static SegTensor *
bce_elements (SegTensor *logits, SegTensor *target, SegTensor *pos_weight)
{
  SegUnaryParams none = { 0 };
  g_autoptr (SegTensor) dense = NULL;
  g_autoptr (SegTensor) labels = NULL;
  SegTensor *out;
  SegNode *node;

  if (logits == NULL || target == NULL)
    return NULL;
  if (!seg_tensor_has_shape (target, logits->rank, logits->shape))
    {
      g_autofree char *l = seg_tensor_describe (logits);
      g_autofree char *t = seg_tensor_describe (target);

      seg_op_mismatch (logits, "binary loss of %s against %s", l, t);
      return NULL;
    }
  dense = seg_op_dense (logits);
  labels = seg_op_like (target, dense);
  if (dense == NULL || labels == NULL)
    return NULL;
  out = SEG_FINISH (seg_tensor_new_like (dense, dense->dtype), SEG_OP_BCE, &none, dense, labels,
                    pos_weight);
  node = seg_tape_record (out, bce_backward, 1, &logits, NULL, 0);
  seg_node_save (node, 0, dense);
  seg_node_save (node, 1, labels);
  seg_node_save (node, 2, pos_weight);
  return out;
}

/* Σ w·x / n, n the number of elements, or with @normalise the sum of the broadcast weights. */
static SegTensor *
weighted_mean (SegTensor *x, SegTensor *weight, gboolean normalise)
{
  g_autoptr (SegTensor) weighted = NULL;
  g_autoptr (SegTensor) sum = NULL;
  g_autoptr (SegTensor) total = NULL;
  g_autoptr (SegTensor) all = NULL;

  if (x == NULL)
    return NULL;
  if (weight == NULL)
    return seg_mean (x, SEG_ALL_AXES);
  weighted = seg_mul (x, weight);
  if (!normalise)
    return seg_mean (weighted, SEG_ALL_AXES);
  sum = seg_sum (weighted, SEG_ALL_AXES);
  seg_no_grad_begin (x->context);
  total = seg_sum (weight, SEG_ALL_AXES);
  all = seg_affine (
      total, (double) seg_tensor_get_n_elements (x) / MAX (seg_tensor_get_n_elements (weight), 1),
      0);
  seg_no_grad_end (x->context);
  return sum != NULL && all != NULL ? safe_quotient (sum, all) : NULL;
}

SegTensor *
seg_bce_logits (SegTensor *logits, SegTensor *target, SegTensor *weight, SegTensor *pos_weight)
{
  g_autoptr (SegTensor) elements = bce_elements (logits, target, pos_weight);

  return weighted_mean (elements, weight, TRUE);
}

SegTensor *
seg_focal_logits (SegTensor *logits, SegTensor *target, SegTensor *weight, double alpha,
                  double gamma)
{
  g_autoptr (SegTensor) bce = bce_elements (logits, target, NULL);
  g_autoptr (SegTensor) p = seg_sigmoid (logits);
  g_autoptr (SegTensor) y = logits != NULL ? seg_cast (target, logits->dtype) : NULL;
  g_autoptr (SegTensor) two_y = seg_affine (y, 2, -1);
  g_autoptr (SegTensor) turned = seg_mul (p, two_y); /* p for y = 1, −p for y = 0 */
  g_autoptr (SegTensor) gap = seg_sub (y, turned); /* 1 − p, or p: that is 1 − p_t */
  g_autoptr (SegTensor) factor = seg_activation (gap, SEG_ACT_POW, gamma, 0);
  g_autoptr (SegTensor) loss = seg_mul (factor, bce);

  if (alpha >= 0)
    {
      g_autoptr (SegTensor) alpha_t = seg_affine (y, 2 * alpha - 1, 1 - alpha);

      seg_tensor_set (&loss, seg_mul (loss, alpha_t));
    }
  return weighted_mean (loss, weight, TRUE);
}

SegTensor *
seg_mse (SegTensor *a, SegTensor *b, SegTensor *weight, gboolean normalise)
{
  g_autoptr (SegTensor) difference = seg_sub (a, b);
  g_autoptr (SegTensor) square = seg_square (difference);

  return weighted_mean (square, weight, normalise);
}

SegTensor *
seg_kl (SegTensor *log_p, SegTensor *t, SegTensor *weight, gboolean normalise)
{
  g_autoptr (SegTensor) log_t = seg_log (t, TINY);
  g_autoptr (SegTensor) difference = seg_sub (log_t, log_p);
  g_autoptr (SegTensor) terms = seg_mul (t, difference);
  g_autoptr (SegTensor) sum = terms != NULL ? seg_sum (terms, 1u << 1) : NULL;

  return weighted_mean (sum, weight, normalise);
}

static SegTensor *
safe_length (SegTensor *x, double eps)
{
  g_autoptr (SegTensor) square = seg_square (x);
  g_autoptr (SegTensor) sum =
      x != NULL ? seg_sum (square, 1u << seg_tensor_get_feature_axis (x)) : NULL;
  g_autoptr (SegTensor) length = seg_sqrt (sum, TINY);
  g_autoptr (SegTensor) least = x != NULL ? seg_constant (x->context, eps) : NULL;

  return seg_maximum (length, least);
}

SegTensor *
seg_cosine_similarity (SegTensor *a, SegTensor *b, double eps)
{
  g_autoptr (SegTensor) product = seg_mul (a, b);
  g_autoptr (SegTensor) sum =
      product != NULL ? seg_sum (product, 1u << seg_tensor_get_feature_axis (product)) : NULL;
  g_autoptr (SegTensor) la = safe_length (a, eps);
  g_autoptr (SegTensor) lb = safe_length (b, eps);
  g_autoptr (SegTensor) scale = seg_mul (la, lb);

  return seg_div (sum, scale);
}
