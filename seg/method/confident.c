/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/confident.h"

#include <math.h>
#include <string.h>

#define MARGIN 1e-6f
#define HIGH_BITS 16

/* A float's bits in an order that follows its value. */
static inline guint32
sortable_bits (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline float
from_sortable_bits (guint32 bits)
{
  float value;

  bits = bits & 0x80000000u ? bits & 0x7fffffffu : ~bits;
  memcpy (&value, &bits, sizeof value);
  return value;
}

float
seg_confident_select_rank (const float *values, gsize n, gsize rank)
{
  g_autofree guint32 *histogram = g_new0 (guint32, 1u << HIGH_BITS);
  guint32 high = 0, low = 0;

  g_return_val_if_fail (rank < n && n <= G_MAXUINT32, 0);

  /* Two passes over 16 bits each: which bin of the high half, then which value inside it. */
  for (gsize v = 0; v < n; v++)
    histogram[sortable_bits (values[v]) >> HIGH_BITS]++;
  while (rank >= histogram[high])
    rank -= histogram[high++];

  memset (histogram, 0, sizeof (guint32) << HIGH_BITS);
  for (gsize v = 0; v < n; v++)
    {
      guint32 bits = sortable_bits (values[v]);

      if (bits >> HIGH_BITS == high)
        histogram[bits & 0xffff]++;
    }
  while (rank >= histogram[low])
    rank -= histogram[low++];
  return from_sortable_bits (high << HIGH_BITS | low);
}

/* Voxel v of item i: its class k has P[(i K + k) V + v]. */
static inline int
argmax (const float *p, int K, gsize V)
{
  int best = 0;

  for (int k = 1; k < K; k++)
    if (p[(gsize) k * V] > p[(gsize) best * V])
      best = k;
  return best;
}

static void
count_and_average (const guint8 *labels, const float *P, gsize n_items, int K, gsize V, gsize *n,
                   float *least)
{
  double sum[SEG_CONFIDENT_MAX_CLASSES] = { 0 };

  memset (n, 0, (gsize) K * sizeof *n);
  for (gsize i = 0; i < n_items; i++)
    for (gsize v = 0; v < V; v++)
      {
        gsize s = labels[i * V + v];

        n[s]++;
        sum[s] += P[(i * (gsize) K + s) * V + v];
      }
  for (int k = 0; k < K; k++)
    /* No voxel labelled k: nothing can be confidently k. */
    least[k] = n[k] > 0 ? (float) (sum[k] / (double) n[k] - MARGIN) : INFINITY;
}

/* C[s][j] of one item: voxels labelled s and confidently of class j. */
static void
count_confident (const guint8 *labels, const float *P, int K, gsize V, const float *least,
                 gint64 (*C)[SEG_CONFIDENT_MAX_CLASSES])
{
  for (gsize v = 0; v < V; v++)
    {
      const float *p = P + v;
      int found = -1, n_found = 0;

      for (int k = 0; k < K; k++)
        if (p[(gsize) k * V] >= least[k])
          {
            found = k;
            n_found++;
          }
      if (n_found > 1)
        found = argmax (p, K, V);
      if (found >= 0)
        C[labels[v]][found]++;
    }
}

/* Whole numbers beside @row that keep its sum @total: nearest first, then the largest errors. */
static void
round_row (const double *row, gint64 *rounded, int K, int given, gint64 total)
{
  gint64 sum = 0;

  if (K == 2)
    {
      /* The closed form rounds the share that is moved; what stays is the rest. */
      rounded[1 - given] = (gint64) nearbyint (row[1 - given]);
      rounded[given] = total - rounded[1 - given];
      return;
    }

  for (int j = 0; j < K; j++)
    {
      rounded[j] = (gint64) nearbyint (row[j]);
      sum += rounded[j];
    }
  while (sum != total)
    {
      int step = sum < total ? 1 : -1;
      int worst = 0;

      for (int j = 1; j < K; j++)
        if (step * (row[j] - (double) rounded[j]) > step * (row[worst] - (double) rounded[worst]))
          worst = j;
      rounded[worst] += step;
      sum += step;
    }
}

/* M[k][j]: of the n_k voxels labelled k, how many are taken to be j; M[k][k] ≥ 1 where n_k > 0. */
static void
calibrate (gint64 (*C)[SEG_CONFIDENT_MAX_CLASSES], const gsize *n, int K,
           gint64 (*M)[SEG_CONFIDENT_MAX_CLASSES])
{
  for (int k = 0; k < K; k++)
    {
      double row[SEG_CONFIDENT_MAX_CLASSES];
      double sum = 0;

      C[k][k] = MAX (C[k][k], 1);
      for (int j = 0; j < K; j++)
        sum += (double) C[k][j];
      for (int j = 0; j < K; j++)
        row[j] = (double) n[k] * (double) C[k][j] / sum;
      round_row (row, M[k], K, k, (gint64) n[k]);
      if (n[k] > 0 && M[k][k] < 1)
        {
          int most = k == 0 ? 1 : 0;

          for (int j = 0; j < K; j++)
            if (j != k && M[k][j] > M[k][most])
              most = j;
          M[k][most] -= 1 - M[k][k];
          M[k][k] = 1;
        }
    }
}

/* P_s, or P_j − P_s, of the voxels labelled s. */
static void
gather (const guint8 *labels, const float *P, gsize n_items, int K, gsize V, int s, int j,
        float *dst)
{
  for (gsize i = 0; i < n_items; i++)
    {
      const guint8 *label = labels + i * V;
      const float *p_s = P + (i * (gsize) K + (gsize) s) * V;
      const float *p_j = P + (i * (gsize) K + (gsize) MAX (j, 0)) * V;

      for (gsize v = 0; v < V; v++)
        if (label[v] == s)
          *dst++ = j < 0 ? p_s[v] : p_j[v] - p_s[v];
    }
}

gsize
seg_confident_correct (guint8 *labels, const float *P, gsize n_items, int K, gsize V, guint8 *flags)
{
  gsize n[SEG_CONFIDENT_MAX_CLASSES];
  float least[SEG_CONFIDENT_MAX_CLASSES];
  gint64 C[SEG_CONFIDENT_MAX_CLASSES][SEG_CONFIDENT_MAX_CLASSES] = { 0 };
  gint64 M[SEG_CONFIDENT_MAX_CLASSES][SEG_CONFIDENT_MAX_CLASSES] = { 0 };
  /* below[k]: "by class" flags P_k < it. margin[k][j]: "by noise rate" flags P_j − P_k ≥ it. */
  float below[SEG_CONFIDENT_MAX_CLASSES];
  float margin[SEG_CONFIDENT_MAX_CLASSES][SEG_CONFIDENT_MAX_CLASSES];
  g_autofree float *values = NULL;
  gsize n_flagged = 0;

  g_return_val_if_fail (K >= 2 && K <= SEG_CONFIDENT_MAX_CLASSES, 0);

  count_and_average (labels, P, n_items, K, V, n, least);
  for (gsize i = 0; i < n_items; i++)
    count_confident (labels + i * V, P + i * (gsize) K * V, K, V, least, C);
  calibrate (C, n, K, M);

  values = g_new (float, MAX (n_items * V, 1));
  for (int k = 0; k < K; k++)
    {
      gint64 m = (gint64) n[k] - M[k][k];

      below[k] = -INFINITY;
      if (n[k] <= 1 || m <= 0)
        continue;
      gather (labels, P, n_items, K, V, k, -1, values);
      below[k] = seg_confident_select_rank (values, n[k], (gsize) m);
      /* With two classes both rules rank alike, and the stricter is the one by class. */
      for (int j = 0; j < K && K > 2; j++)
        {
          margin[k][j] = INFINITY;
          if (j == k || M[k][j] <= 0)
            continue;
          gather (labels, P, n_items, K, V, k, j, values);
          margin[k][j] = seg_confident_select_rank (values, n[k], n[k] - (gsize) M[k][j]);
        }
    }

  if (flags != NULL)
    memset (flags, 0, n_items * V);
  for (gsize i = 0; i < n_items; i++)
    for (gsize v = 0; v < V; v++)
      {
        const float *p = P + i * (gsize) K * V + v;
        int s = labels[i * V + v];
        float p_s = p[(gsize) s * V];
        gboolean by_rate = K == 2;
        int guess;

        if (!(p_s < below[s]))
          continue;
        guess = argmax (p, K, V);
        if (guess == s)
          continue;
        for (int j = 0; j < K && !by_rate; j++)
          by_rate = j != s && p[(gsize) j * V] - p_s >= margin[s][j];
        if (!by_rate)
          continue;
        labels[i * V + v] = (guint8) guess;
        if (flags != NULL)
          flags[i * V + v] = 1;
        n_flagged++;
      }
  return n_flagged;
}
