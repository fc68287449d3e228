/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/method/confident.h"

#include <math.h>
#include <string.h>

/* The dossier's example: flagged are 4, 5 (label 0 at P_1 .80, .90) and 10 (label 1 at .20). */
static void
test_golden (void)
{
  const float p1[12] = { .05f, .10f, .02f, .30f, .80f, .90f, .15f, .55f, .95f, .60f, .20f, .85f };
  guint8 labels[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1 };
  const guint8 corrected[12] = { 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1 };
  const guint8 expected[12] = { 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0 };
  float p[24];
  guint8 flags[12];

  for (int v = 0; v < 12; v++)
    {
      p[v] = 1 - p1[v];
      p[12 + v] = p1[v];
    }
  g_assert_cmpuint (seg_confident_correct (labels, p, 1, 2, 12, flags), ==, 3);
  g_assert_cmpmem (labels, 12, corrected, 12);
  g_assert_cmpmem (flags, 12, expected, 12);
}

/* The pool is the whole batch: cut in two items the answer is the same. */
static void
test_items_are_pooled (void)
{
  const float p1[12] = { .05f, .10f, .02f, .30f, .80f, .90f, .15f, .55f, .95f, .60f, .20f, .85f };
  const guint8 given[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1 };
  const guint8 corrected[12] = { 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1 };
  guint8 labels[12];
  float p[24];

  memcpy (labels, given, 12);
  for (int item = 0; item < 2; item++)
    for (int v = 0; v < 6; v++)
      {
        p[item * 12 + v] = 1 - p1[item * 6 + v];
        p[item * 12 + 6 + v] = p1[item * 6 + v];
      }
  g_assert_cmpuint (seg_confident_correct (labels, p, 2, 2, 6, NULL), ==, 3);
  g_assert_cmpmem (labels, 12, corrected, 12);
}

static void
test_select_rank (void)
{
  float values[1000], sorted[1000];
  guint32 state = 1;

  for (int v = 0; v < 1000; v++)
    {
      state = state * 1664525u + 1013904223u;
      values[v] = sorted[v] = (float) ((double) state / 4294967296.0 - 0.5);
    }
  values[7] = sorted[7] = values[9];
  for (int a = 1; a < 1000; a++)
    for (int b = a; b > 0 && sorted[b] < sorted[b - 1]; b--)
      {
        float swap = sorted[b];

        sorted[b] = sorted[b - 1];
        sorted[b - 1] = swap;
      }
  for (int r = 0; r < 1000; r++)
    g_assert_true (seg_confident_select_rank (values, 1000, (gsize) r) == sorted[r]);
}

/* The library's rules written out with sorting, for two classes (dossier 4.3). */
static gsize
slow_correct (guint8 *labels, const float *p, int N)
{
  double sum[2] = { 0 }, t[2];
  int n[2] = { 0 }, C[2][2] = { { 0 } };
  guint8 flag[64] = { 0 };
  gsize found = 0;

  for (int v = 0; v < N; v++)
    {
      n[labels[v]]++;
      sum[labels[v]] += p[labels[v] * N + v];
    }
  for (int k = 0; k < 2; k++)
    t[k] = n[k] > 0 ? sum[k] / n[k] : INFINITY;
  for (int v = 0; v < N; v++)
    {
      gboolean a = p[v] >= (float) (t[0] - 1e-6f), b = p[N + v] >= (float) (t[1] - 1e-6f);

      if (a || b)
        C[labels[v]][a && b ? p[N + v] > p[v] : b]++;
    }
  for (int k = 0; k < 2; k++)
    {
      int m, rank;

      C[k][k] = MAX (C[k][k], 1);
      m = (int) nearbyint ((double) n[k] * C[k][1 - k] / (C[k][0] + C[k][1]));
      m = MIN (m, n[k] - 1);
      if (n[k] <= 1)
        continue;
      for (int v = 0; v < N; v++)
        {
          if (labels[v] != k
              || !(p[(1 - k) * N + v] > p[k * N + v] || (k == 1 && p[v] == p[N + v])))
            continue;
          /* below the element of rank m: at most m are smaller or equal before it */
          rank = 0;
          for (int w = 0; w < N; w++)
            rank += labels[w] == k && p[k * N + w] <= p[k * N + v];
          flag[v] = rank <= m;
        }
    }
  for (int v = 0; v < N; v++)
    if (flag[v])
      {
        labels[v] = !labels[v];
        found++;
      }
  return found;
}

static void
test_against_the_slow_way (void)
{
  for (int trial = 0; trial < 800; trial++)
    {
      int N = g_test_rand_int_range (1, 60);
      float p[120];
      guint8 fast[60], slow[60];
      const double share = trial % 2 ? 0.6 : 300; /* how much of a label its probability explains */

      for (int v = 0; v < N; v++)
        {
          /* Sixteenths make ties; close to each other only their last bits tell values apart. */
          p[N + v] = trial % 2 ? (float) g_test_rand_int_range (0, 17) / 16
                               : (float) g_test_rand_double_range (0.499, 0.501);
          p[v] = 1 - p[N + v];
          fast[v] = slow[v] = (guint8) (g_test_rand_double () < 0.5 + share * (p[N + v] - 0.5));
        }
      g_assert_cmpuint (seg_confident_correct (fast, p, 1, 2, (gsize) N, NULL), ==,
                        slow_correct (slow, p, N));
      g_assert_cmpmem (fast, (gsize) N, slow, (gsize) N);
    }
}

/* Three classes: a clear mistake is moved to the class predicted, the sure ones stay. */
static void
test_three_classes (void)
{
  enum
  {
    V = 60
  };
  float p[3 * V];
  guint8 labels[V];

  for (int v = 0; v < V; v++)
    {
      int true_class = v / 20;

      for (int k = 0; k < 3; k++)
        p[k * V + v] = k == true_class ? 0.9f - 0.001f * (float) (v % 20) : 0.05f;
      labels[v] = (guint8) true_class;
    }
  labels[5] = 2;
  labels[25] = 0;
  g_assert_cmpuint (seg_confident_correct (labels, p, 1, 3, V, NULL), ==, 2);
  for (int v = 0; v < V; v++)
    g_assert_cmpint (labels[v], ==, v / 20);
}

static void
test_degenerate (void)
{
  guint8 labels[4] = { 1, 1, 1, 1 };
  const float p[8] = { .6f, .6f, .6f, .6f, .4f, .4f, .4f, .4f };
  const float odd[8] = { NAN, NAN, 0, 1, NAN, NAN, 1, 0 };
  guint8 none = 0;

  /* One class given, all alike: nothing stands out, nothing is flagged. */
  g_assert_cmpuint (seg_confident_correct (labels, p, 1, 2, 4, NULL), ==, 0);
  g_assert_cmpuint (seg_confident_correct (labels, odd, 1, 2, 4, NULL), <=, 4);
  g_assert_cmpuint (seg_confident_correct (&none, p, 0, 2, 4, NULL), ==, 0);
}

static void
test_four_million_voxels (void)
{
  const gsize V = 112 * 112 * 80;
  g_autofree float *p = g_new (float, 4 * 2 * V);
  g_autofree guint8 *labels = g_new (guint8, 4 * V);
  guint32 state = 1;
  double best = INFINITY;

  for (gsize i = 0; i < 4; i++)
    for (gsize v = 0; v < V; v++)
      {
        float p1;

        state = state * 1664525u + 1013904223u;
        p1 = (float) (state >> 8) * 0x1p-24f;
        p1 = v % V < V / 10 ? sqrtf (p1) : p1 * p1 * p1;
        p[(2 * i + 1) * V + v] = p1;
        p[2 * i * V + v] = 1 - p1;
        labels[i * V + v] = v < V / 9;
      }
  for (int run = 0; run < 3; run++)
    {
      g_autofree guint8 *copy = g_memdup2 (labels, 4 * V);
      gint64 start = g_get_monotonic_time ();

      g_assert_cmpuint (seg_confident_correct (copy, p, 4, 2, V, NULL), >, 0);
      best = MIN (best, (double) (g_get_monotonic_time () - start) / 1000);
    }
  g_test_message ("correction of 4 014 080 voxels: %.1f ms", best);
  /* The target is 60 ms on a quiet machine (measured: 31); a busy one must not fail the build. */
  g_assert_cmpfloat (best, <, 500);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/method/confident/golden", test_golden);
  g_test_add_func ("/seg/method/confident/items-are-pooled", test_items_are_pooled);
  g_test_add_func ("/seg/method/confident/select-rank", test_select_rank);
  g_test_add_func ("/seg/method/confident/slow-way", test_against_the_slow_way);
  g_test_add_func ("/seg/method/confident/three-classes", test_three_classes);
  g_test_add_func ("/seg/method/confident/degenerate", test_degenerate);
  g_test_add_func ("/seg/method/confident/four-million-voxels", test_four_million_voxels);
  return g_test_run ();
}
