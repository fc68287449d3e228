/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/confident.h"
#include "seg/method/losses.h"
#include "seg/ops/ops.h"

#include <math.h>
#include <string.h>

#define DICE_SMOOTH 1e-5

static gsize
patch_voxels (const SegBatch *batch)
{
  return (gsize) batch->patch[0] * (gsize) batch->patch[1] * (gsize) batch->patch[2];
}

static SegTensor *
labels_to_tensor (SegContext *context, const SegBatch *batch, int n, SegDtype dtype,
                  gconstpointer values)
{
  return seg_tensor_new_from (context, dtype,
                              SEG_SHAPE (n, batch->patch[0], batch->patch[1], batch->patch[2]),
                              dtype, values);
}

/* w_a (v) = m_a (v) / Σ m_a, or Σ_b m_b (v) / Σ m_a with the slip; answers the sum of all. */
static double
fill_weights (const SegSupervisedParams *params, const SegBatch *batch, float *weights)
{
  gsize V = patch_voxels (batch);
  double total = 0;

  for (int a = 0; a < batch->n_labelled; a++)
    {
      const guint8 *domain = batch->domain + (gsize) a * V;
      float *w = weights + (gsize) a * V;
      gsize n = 0;

      for (gsize v = 0; v < V; v++)
        n += domain[v] != 0;
      for (gsize v = 0; v < V; v++)
        {
          int m = domain[v] != 0;

          for (int b = 0; params->broadcast && b < batch->n_labelled; b++)
            m += b != a && batch->domain[(gsize) b * V + v] != 0;
          /* I3: no weight outside the labelled domain. A patch without labels has none at all. */
          w[v] = n > 0 ? (float) m / (float) n : 0;
          total += w[v];
        }
    }
  return total;
}

/* w (v) ← w (v) n_k^−β, k the label of v and n_k the sum of its w, scaled to the sum before. */
static void
balance_classes (const SegBatch *batch, double beta, double total, float *weights)
{
  gsize n = (gsize) batch->n_labelled * patch_voxels (batch);
  double share[256] = { 0 }, scaled = 0;

  for (gsize v = 0; v < n; v++)
    share[batch->label[v]] += weights[v];
  for (int k = 0; k < 256; k++)
    if (share[k] > 0)
      {
        double factor = pow (share[k] / total, -beta);

        scaled += share[k] * factor;
        share[k] = factor;
      }
  for (gsize v = 0; v < n; v++)
    weights[v] *= (float) (share[batch->label[v]] * total / scaled);
}

static SegTensor *
dice_over (SegTensor *logits, SegTensor *target, SegTensor *mask)
{
  g_autoptr (SegTensor) p = seg_softmax (logits, 1);

  return seg_dice_loss (p, target, mask, NULL,
                        &(SegDiceParams){ .square = TRUE, .smooth = DICE_SMOOTH, .ignore = -1 });
}

SegTensor *
seg_loss_supervised (const SegSupervisedParams *params, SegTensor *logits, const SegBatch *batch,
                     gboolean *is_empty)
{
  SegContext *context = seg_tensor_get_context (logits);
  int n = batch->n_labelled;
  g_autofree float *weights = g_new (float, (gsize) n *patch_voxels (batch));
  double total = fill_weights (params, batch, weights);
  g_autoptr (SegTensor) labelled = NULL, target = NULL, weight = NULL, ce = NULL, mean = NULL;
  g_autoptr (SegTensor) mask = NULL, dice = NULL, sum = NULL;

  *is_empty = total == 0;
  if (*is_empty)
    return NULL;
  if (params->balance > 0)
    balance_classes (batch, params->balance, total, weights);
  labelled = seg_slice (logits, 0, 0, n);
  target = labels_to_tensor (context, batch, n, SEG_DTYPE_U8, batch->label);
  weight = labels_to_tensor (context, batch, n, SEG_DTYPE_F32, weights);
  ce = seg_cross_entropy (labelled, target, weight, NULL, -1);
  mean = seg_affine (ce, total / n, 0);
  if (!params->dice)
    return g_steal_pointer (&mean);
  mask = labels_to_tensor (context, batch, n, SEG_DTYPE_U8, batch->domain);
  dice = dice_over (labelled, target, mask);
  sum = seg_add (mean, dice);
  return seg_affine (sum, 0.5, 0);
}

SegTensor *
seg_clip_logits (SegTensor *logits)
{
  g_autoptr (SegTensor) square = seg_square (logits);
  g_autoptr (SegTensor) sum = seg_sum (square, 1u << 1);
  /* Below 1 the clamp passes no gradient, so the root's at 0 is never asked for. */
  g_autoptr (SegTensor) clamped = seg_clamp (sum, 1, G_MAXFLOAT);
  g_autoptr (SegTensor) norm = seg_sqrt (clamped, 0);

  return seg_div (logits, norm);
}

/* The generalist's labels of the patches that have some, one after the other, and the softmax
 * beside them; answers how many patches. */
static int
gather_pseudo (const SegPseudoParams *params, SegTensor *logits, const SegBatch *batch,
               guint8 *labels, float **probabilities, guint8 *has)
{
  gsize V = patch_voxels (batch), K = (gsize) seg_tensor_get_size (logits, 1);
  int n = 0;

  if (params->confident)
    {
      g_autoptr (SegTensor) detached = seg_stop_gradient (logits);
      g_autoptr (SegTensor) p = seg_softmax (detached, 1);

      *probabilities = g_new (float, (gsize) batch->n *K *V);
      if (!seg_tensor_download (p, SEG_DTYPE_F32, *probabilities))
        return 0;
    }
  for (int i = 0; i < batch->n; i++)
    {
      guint8 *dst = labels + (gsize) n * V;
      const guint8 *domain = batch->domain + (gsize) i * V;

      has[i] = batch->patches[i].has_pseudo;
      if (!has[i])
        continue;
      memcpy (dst, batch->pseudo + (gsize) i * V, V);
      for (gsize v = 0; params->expert_wins && i < batch->n_labelled && v < V; v++)
        if (domain[v] != 0)
          dst[v] = batch->label[(gsize) i * V + v];
      if (*probabilities != NULL && n != i)
        memcpy (*probabilities + (gsize) n * K * V, *probabilities + (gsize) i * K * V,
                K * V * sizeof (float));
      n++;
    }
  return n;
}

static gboolean
is_known (guint8 label)
{
  return label != SEG_PSEUDO_UNKNOWN && label != SEG_PSEUDO_OUTSIDE;
}

static gboolean
no_foreground (const guint8 *values, gsize n)
{
  for (gsize v = 0; v < n; v++)
    if (values[v] != 0 && is_known (values[v]))
      return FALSE;
  return TRUE;
}

/* Unknown voxels get no weight, and the class that the network gives them, so that the correction
 * has nothing to say about them. */
static void
set_unknown_aside (guint8 *labels, const float *probabilities, gsize n, gsize K, gsize V,
                   guint8 *known)
{
  for (gsize i = 0; i < n; i++)
    for (gsize v = 0; v < V; v++)
      {
        const float *p = probabilities != NULL ? probabilities + i * K * V + v : NULL;
        guint8 best = 0;

        known[i * V + v] = is_known (labels[i * V + v]);
        if (known[i * V + v])
          continue;
        for (gsize k = 1; p != NULL && k < K; k++)
          if (p[k * V] > p[best * V])
            best = (guint8) k;
        labels[i * V + v] = best;
      }
}

SegTensor *
seg_loss_pseudo (const SegPseudoParams *params, SegTensor *logits, const SegBatch *batch,
                 gboolean *is_empty, gsize *n_flagged)
{
  SegContext *context = seg_tensor_get_context (logits);
  gsize V = patch_voxels (batch);
  g_autofree guint8 *labels = g_new (guint8, (gsize) batch->n * V);
  g_autofree guint8 *weights = g_new0 (guint8, (gsize) batch->n * V);
  g_autofree guint8 *has = g_new0 (guint8, (gsize) batch->n);
  g_autofree float *probabilities = NULL;
  g_autoptr (SegTensor) target = NULL, weight = NULL, clipped = NULL, ce = NULL, dice = NULL;
  g_autoptr (SegTensor) sum = NULL;
  int n = gather_pseudo (params, logits, batch, labels, &probabilities, has);
  gsize K = (gsize) seg_tensor_get_size (logits, 1);

  *n_flagged = 0;
  *is_empty = n == 0 || no_foreground (labels, (gsize) n * V);
  if (*is_empty)
    return NULL;
  set_unknown_aside (labels, probabilities, (gsize) n, K, V, weights);
  if (params->confident)
    *n_flagged = seg_confident_correct (labels, probabilities, (gsize) n, (int) K, V, NULL);
  /* Back to the places of the batch, from the last. */
  for (int i = batch->n - 1; i >= 0; i--)
    if (has[i])
      {
        n--;
        memmove (labels + (gsize) i * V, labels + (gsize) n * V, V);
        memmove (weights + (gsize) i * V, weights + (gsize) n * V, V);
      }
  for (int i = 0; i < batch->n; i++)
    if (!has[i])
      {
        memset (labels + (gsize) i * V, 0, V);
        memset (weights + (gsize) i * V, 0, V);
      }
  weight = labels_to_tensor (context, batch, batch->n, SEG_DTYPE_U8, weights);
  target = labels_to_tensor (context, batch, batch->n, SEG_DTYPE_U8, labels);
  clipped = params->clip ? seg_clip_logits (logits) : seg_tensor_ref (logits);
  ce = seg_cross_entropy (clipped, target, weight, NULL, -1);
  if (!params->dice)
    return g_steal_pointer (&ce);
  dice = dice_over (logits, target, weight);
  sum = seg_add (ce, dice);
  return seg_affine (sum, 0.5, 0);
}

SegTensor *
seg_loss_consistency (SegTensor *p, SegTensor *target, SegTensor *mask, gboolean *is_empty)
{
  *is_empty = FALSE;
  if (mask == NULL)
    return seg_mse (p, target, NULL, FALSE);
  {
    g_autoptr (SegTensor) sum = seg_sum (mask, SEG_ALL_AXES);

    *is_empty = seg_tensor_get_scalar (sum) == 0;
    return *is_empty ? NULL : seg_mse (p, target, mask, TRUE);
  }
}
