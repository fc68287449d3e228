/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/confident.h"

#include <math.h>
#include <string.h>

#define MARGIN 1e-6f
#define HALF_BITS 16
#define N_BINS (1u << HALF_BITS)

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

/* The bin of a histogram that holds the element of rank @rank, which becomes its rank inside. */
static guint32
find_bin (const guint32 *histogram, gsize *rank)
{
  guint32 bin = 0;

  while (*rank >= histogram[bin])
    *rank -= histogram[bin++];
  return bin;
}

float
seg_confident_select_rank (const float *values, gsize n, gsize rank)
{
  g_autofree guint32 *histogram = g_new0 (guint32, N_BINS);
  guint32 high, low;

  g_return_val_if_fail (rank < n && n <= G_MAXUINT32, 0);

  /* Two passes over 16 bits each: which bin of the high half, then which value inside it. */
  for (gsize v = 0; v < n; v++)
    histogram[sortable_bits (values[v]) >> HALF_BITS]++;
  high = find_bin (histogram, &rank);

  memset (histogram, 0, N_BINS * sizeof *histogram);
  for (gsize v = 0; v < n; v++)
    {
      guint32 bits = sortable_bits (values[v]);

      if (bits >> HALF_BITS == high)
        histogram[bits & (N_BINS - 1)]++;
    }
  low = find_bin (histogram, &rank);
  return from_sortable_bits (high << HALF_BITS | low);
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

/* From which probability on a voxel is confidently of a class. */
static float
find_least (double sum, gsize n)
{
  /* No voxel has the label: nothing can be confidently of it. */
  return n > 0 ? (float) (sum / (double) n - MARGIN) : INFINITY;
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
    least[k] = find_least (sum[k], n[k]);
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

/* --- two classes --------------------------------------------------------------------------------
 *
 * The usual case, without branches that depend on a voxel and with four passes over the batch:
 * means and a first histogram; who is confident; the second histogram; the flags.
 */

/* Like values follow each other in a scan: by turns in two histograms they need not wait for the
 * one before to be counted. */
#define N_TURNS 2

typedef struct
{
  gsize n[2];
  float least[2];
  gsize rank[2]; /* of the element that the flagged are below */
  guint32 high[2];
  float below[2];
  guint32 *histogram; /* [turn][class][bin] */
} Two;

static inline float
given_probability (const float *p0, const float *p1, guint8 label, gsize v)
{
  return label ? p1[v] : p0[v];
}

static inline guint32 *
histogram_of (Two *two, gsize turn, gsize label)
{
  return two->histogram + (turn * 2 + label) * N_BINS;
}

/* The turns of class @k together, from which the bin of @rank is found. */
static guint32
find_bin_of_two (Two *two, int k, gsize *rank)
{
  guint32 *sum = histogram_of (two, 0, (gsize) k);

  for (gsize turn = 1; turn < N_TURNS; turn++)
    for (guint32 bin = 0; bin < N_BINS; bin++)
      sum[bin] += histogram_of (two, turn, (gsize) k)[bin];
  return find_bin (sum, rank);
}

static void
survey_two (Two *two, const guint8 *labels, const float *p0, const float *p1, gsize V,
            double sum[2])
{
  double sums[N_TURNS][2] = { { 0 } };
  gsize ones = 0;

  for (gsize v = 0; v < V; v++)
    {
      const gsize turn = v % N_TURNS;
      const float p = given_probability (p0, p1, labels[v], v);

      ones += labels[v];
      sums[turn][0] += labels[v] ? 0 : (double) p;
      sums[turn][1] += labels[v] ? (double) p : 0;
      histogram_of (two, turn, labels[v])[sortable_bits (p) >> HALF_BITS]++;
    }
  two->n[0] += V - ones;
  two->n[1] += ones;
  for (int turn = 0; turn < N_TURNS; turn++)
    for (int k = 0; k < 2; k++)
      sum[k] += sums[turn][k];
}

static void
count_confident_two (const Two *two, const guint8 *labels, const float *p0, const float *p1,
                     gsize V, gint64 (*C)[SEG_CONFIDENT_MAX_CLASSES])
{
  gsize n_sure = 0, n_given = 0, n_found = 0, n_both = 0;

  for (gsize v = 0; v < V; v++)
    {
      const gsize a = p0[v] >= two->least[0];
      const gsize b = p1[v] >= two->least[1];
      const gsize found = b & ((a ^ 1) | (p1[v] > p0[v]));

      n_sure += a | b;
      n_given += (a | b) & labels[v];
      n_found += found;
      n_both += found & labels[v];
    }
  C[1][1] += (gint64) n_both;
  C[1][0] += (gint64) (n_given - n_both);
  C[0][1] += (gint64) (n_found - n_both);
  C[0][0] += (gint64) (n_sure - n_given - n_found + n_both);
}

static void
count_low_halves (Two *two, const guint8 *labels, const float *p0, const float *p1, gsize V)
{
  for (gsize v = 0; v < V; v++)
    {
      const guint32 bits = sortable_bits (given_probability (p0, p1, labels[v], v));

      if (bits >> HALF_BITS == two->high[labels[v]])
        histogram_of (two, v % N_TURNS, labels[v])[bits & (N_BINS - 1)]++;
    }
}

static gsize
flag_two (const Two *two, guint8 *labels, const float *p0, const float *p1, gsize V, guint8 *flags)
{
  gsize n_flagged = 0;

  for (gsize v = 0; v < V; v++)
    {
      const guint8 label = labels[v];
      const guint8 guess = p1[v] > p0[v];
      const guint8 flag =
          (guess != label) & (given_probability (p0, p1, label, v) < two->below[label]);

      labels[v] = label ^ flag;
      if (flags != NULL)
        flags[v] = flag;
      n_flagged += flag;
    }
  return n_flagged;
}

static gsize
correct_two (guint8 *labels, const float *P, gsize n_items, gsize V, guint8 *flags)
{
  g_autofree guint32 *histogram = g_new0 (guint32, 2 * N_TURNS * N_BINS);
  Two two = { .high = { G_MAXUINT32, G_MAXUINT32 }, .histogram = histogram };
  gint64 C[2][SEG_CONFIDENT_MAX_CLASSES] = { { 0 } };
  gint64 M[2][SEG_CONFIDENT_MAX_CLASSES] = { { 0 } };
  double sum[2] = { 0 };
  gsize n_flagged = 0;

  for (gsize i = 0; i < n_items; i++)
    survey_two (&two, labels + i * V, P + 2 * i * V, P + (2 * i + 1) * V, V, sum);
  for (int k = 0; k < 2; k++)
    two.least[k] = find_least (sum[k], two.n[k]);
  for (gsize i = 0; i < n_items; i++)
    count_confident_two (&two, labels + i * V, P + 2 * i * V, P + (2 * i + 1) * V, V, C);
  calibrate (C, two.n, 2, M);

  for (int k = 0; k < 2; k++)
    {
      two.rank[k] = two.n[k] - (gsize) M[k][k];
      if (two.n[k] > 1 && two.rank[k] > 0)
        two.high[k] = find_bin_of_two (&two, k, &two.rank[k]);
    }
  memset (histogram, 0, 2 * N_TURNS * N_BINS * sizeof *histogram);
  for (gsize i = 0; i < n_items; i++)
    count_low_halves (&two, labels + i * V, P + 2 * i * V, P + (2 * i + 1) * V, V);
  for (int k = 0; k < 2; k++)
    two.below[k] = two.high[k] == G_MAXUINT32
                       ? -INFINITY
                       : from_sortable_bits (two.high[k] << HALF_BITS
                                             | find_bin_of_two (&two, k, &two.rank[k]));
  for (gsize i = 0; i < n_items; i++)
    n_flagged += flag_two (&two, labels + i * V, P + 2 * i * V, P + (2 * i + 1) * V, V,
                           flags != NULL ? flags + i * V : NULL);
  return n_flagged;
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
  g_return_val_if_fail (n_items * V <= G_MAXUINT32, 0);

  if (K == 2)
    return correct_two (labels, P, n_items, V, flags);
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
      for (int j = 0; j < K; j++)
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
        gboolean by_rate = FALSE;
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
