/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/infer/random-stream.h"
#include "seg/infer/sliding-window.h"

#include <math.h>
#include <string.h>

/* Starts of the dossiers: gm-abs.md 12, ua-mt-laseg.md 8. */
static void
test_starts (void)
{
  int starts[8];

  g_assert_cmpint (seg_window_starts (140, 112, 64, starts, 8), ==, 2);
  g_assert_cmpint (starts[1], ==, 28);
  g_assert_cmpint (seg_window_starts (183, 112, 64, starts, 8), ==, 3);
  g_assert_cmpint (starts[1], ==, 64);
  g_assert_cmpint (starts[2], ==, 71);
  g_assert_cmpint (seg_window_starts (88, 80, 64, starts, 8), ==, 2);
  g_assert_cmpint (starts[1], ==, 8);
  g_assert_cmpint (seg_window_starts (88, 80, 4, starts, 8), ==, 3);
  g_assert_cmpint (starts[1], ==, 4);
  g_assert_cmpint (seg_window_starts (80, 80, 4, starts, 8), ==, 1);
  g_assert_cmpint (seg_window_starts (1, 80, 4, starts, 8), ==, 1);
  g_assert_cmpint (starts[0], ==, 0);
}

/* Window counts of LASeg's test scans at strides 18, 18, 4 (ua-mt-laseg.md 2.3). */
static void
test_counts (void)
{
  static const int scans[][3] = {
    { 175, 132, 45 }, { 196, 148, 54 }, { 215, 140, 63 }, { 210, 154, 84 }, { 232, 144, 72 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (scans); i++)
    {
      SegWindowParams params = { .size = { scans[i][0], scans[i][1], 88 },
                                 .patch = { 112, 112, 80 },
                                 .stride = { 18, 18, 4 } };

      g_assert_cmpuint (seg_window_count (&params), ==, (gsize) scans[i][2]);
    }
}

/* A "network" whose answer depends on the place in the patch, so that every weight shows. */
typedef struct
{
  const SegWindowParams *params;
  gsize n_calls, n_windows;
} Net;

static gboolean
net_cb (const float *in, int n, float *out, gsize done, gsize total, gpointer user_data,
        GError **error)
{
  Net *net = user_data;
  const SegWindowParams *p = net->params;
  gsize voxels = (gsize) p->patch[0] * (gsize) p->patch[1] * (gsize) p->patch[2];

  g_assert_cmpuint (done, ==, net->n_windows);
  g_assert_cmpuint (total, ==, seg_window_count (p));
  g_assert_cmpint (n, <=, MAX (p->batch, 1));
  net->n_calls++;
  net->n_windows += (gsize) n;
  for (int b = 0; b < n; b++)
    for (int k = 0; k < p->n_out; k++)
      for (gsize v = 0; v < voxels; v++)
        {
          float sum = 0;

          for (int c = 0; c < p->n_in; c++)
            sum += (float) (c + 1) * *(in + ((gsize) b * (gsize) p->n_in + (gsize) c) * voxels + v);
          *out++ = sum * (float) (k + 1) + 0.01f * (float) (v % 13);
        }
  return TRUE;
}

/* The definition, window by window over the whole padded volume, in double. */
static void
reference (const SegWindowParams *p, const float *image, double *average)
{
  int padded[3], low[3], n[3], starts[3][64];
  gsize volume = 1;
  g_autofree double *sums = NULL, *counts = NULL;

  for (int a = 0; a < 3; a++)
    {
      padded[a] = MAX (p->size[a], p->patch[a]);
      low[a] = (padded[a] - p->size[a]) / 2;
      n[a] = seg_window_starts (p->size[a], p->patch[a], p->stride[a], starts[a], 64);
      volume *= (gsize) padded[a];
    }
  sums = g_new0 (double, volume *(gsize) p->n_out);
  counts = g_new0 (double, volume);
  for (int w = 0; w < n[0] * n[1] * n[2]; w++)
    {
      int s[3] = { starts[0][w / (n[1] * n[2])], starts[1][w / n[2] % n[1]], starts[2][w % n[2]] };
      gsize v = 0;

      for (int i = 0; i < p->patch[0]; i++)
        for (int j = 0; j < p->patch[1]; j++)
          for (int k = 0; k < p->patch[2]; k++, v++)
            {
              int q[3] = { s[0] + i, s[1] + j, s[2] + k };
              gsize at = ((gsize) q[0] * (gsize) padded[1] + (gsize) q[1]) * (gsize) padded[2]
                         + (gsize) q[2];
              double weight = 1, sum = 0;
              const int place[3] = { i, j, k };
              gboolean inside = TRUE;

              for (int a = 0; a < 3; a++)
                {
                  double sigma = (p->gaussian_sigma > 0 ? p->gaussian_sigma : 0.125) * p->patch[a];
                  double d = (place[a] - (p->patch[a] - 1) / 2.0) / sigma;

                  if (p->weighting == SEG_WINDOW_GAUSSIAN)
                    weight *= exp (-d * d / 2);
                  inside &= q[a] >= low[a] && q[a] < low[a] + p->size[a];
                }
              for (int c = 0; c < p->n_in && inside; c++)
                sum += (c + 1)
                       * (double) image[((((gsize) c * (gsize) p->size[0] + (gsize) (q[0] - low[0]))
                                              * (gsize) p->size[1]
                                          + (gsize) (q[1] - low[1]))
                                         * (gsize) p->size[2])
                                        + (gsize) (q[2] - low[2])];
              counts[at] += weight;
              for (int k2 = 0; k2 < p->n_out; k2++)
                sums[(gsize) k2 * volume + at] +=
                    weight * (sum * (k2 + 1) + 0.01 * (double) (v % 13));
            }
    }
  for (int c = 0; c < p->n_out; c++)
    for (int i = 0; i < p->size[0]; i++)
      for (int j = 0; j < p->size[1]; j++)
        for (int k = 0; k < p->size[2]; k++)
          {
            gsize at = ((gsize) (i + low[0]) * (gsize) padded[1] + (gsize) (j + low[1]))
                           * (gsize) padded[2]
                       + (gsize) (k + low[2]);

            *average++ = sums[(gsize) c * volume + at] / counts[at];
          }
}

static void
test_average (void)
{
  static const SegWindowParams cases[] = {
    { .size = { 9, 8, 7 }, .patch = { 4, 4, 3 }, .stride = { 2, 3, 2 }, .n_in = 1, .n_out = 2 },
    { .size = { 9, 8, 7 },
      .patch = { 4, 4, 3 },
      .stride = { 2, 3, 2 },
      .n_in = 2,
      .n_out = 3,
      .weighting = SEG_WINDOW_GAUSSIAN,
      .batch = 3 },
    { .size = { 3, 10, 2 },
      .patch = { 4, 4, 5 },
      .stride = { 2, 1, 5 },
      .n_in = 1,
      .n_out = 1,
      .batch = 4 },
    { .size = { 1, 1, 1 }, .patch = { 4, 4, 4 }, .stride = { 1, 1, 1 }, .n_in = 1, .n_out = 2 },
    { .size = { 12, 4, 4 },
      .patch = { 4, 4, 4 },
      .stride = { 4, 4, 4 },
      .n_in = 1,
      .n_out = 1,
      .weighting = SEG_WINDOW_GAUSSIAN,
      .gaussian_sigma = 0.25,
      .batch = 2 },
    { .size = { 13, 5, 6 },
      .patch = { 6, 4, 4 },
      .stride = { 1, 2, 2 },
      .n_in = 1,
      .n_out = 2,
      .weighting = SEG_WINDOW_GAUSSIAN,
      .batch = 64 },
  };

  for (gsize t = 0; t < G_N_ELEMENTS (cases); t++)
    {
      SegWindowParams p = cases[t];
      gsize voxels = (gsize) p.size[0] * (gsize) p.size[1] * (gsize) p.size[2];
      g_autofree float *image = g_new (float, voxels *(gsize) p.n_in);
      g_autofree float *out = g_new (float, voxels *(gsize) p.n_out);
      g_autofree float *again = g_new (float, voxels *(gsize) p.n_out);
      g_autofree double *expected = g_new (double, voxels *(gsize) p.n_out);
      g_autofree guint8 *labels = g_new (guint8, voxels);
      g_autoptr (GError) error = NULL;
      SegRandomStream random;
      Net net = { .params = &p };

      seg_random_stream_init (&random, 5, SEG_RANDOM_USER, t);
      seg_random_stream_fill_normal (&random, image, voxels * (gsize) p.n_in);
      g_assert_true (seg_window_run_average (&p, image, net_cb, &net, out, &error));
      g_assert_cmpuint (net.n_windows, ==, seg_window_count (&p));
      reference (&p, image, expected);
      for (gsize v = 0; v < voxels * (gsize) p.n_out; v++)
        /* float sums of at most a hundred terms of size ≤ 10 */
        g_assert_cmpfloat_with_epsilon (out[v], expected[v], 1e-4);
      /* Bit for bit whatever the batch. */
      p.batch = 1;
      net = (Net){ .params = &p };
      g_assert_true (seg_window_run_average (&p, image, net_cb, &net, again, &error));
      g_assert_cmpmem (out, voxels * (gsize) p.n_out * 4, again, voxels * (gsize) p.n_out * 4);
      net = (Net){ .params = &p };
      g_assert_true (seg_window_run_argmax (&p, image, net_cb, &net, labels, &error));
      for (gsize v = 0; v < voxels; v++)
        for (int c = 0; c < p.n_out; c++)
          {
            g_assert_cmpfloat (out[(gsize) labels[v] * voxels + v], >=,
                               out[(gsize) c * voxels + v]);
            if (c < labels[v])
              g_assert_cmpfloat (out[(gsize) labels[v] * voxels + v], >,
                                 out[(gsize) c * voxels + v]);
          }
    }
}

static gboolean
stop_cb (const float *in, int n, float *out, gsize done, gsize total, gpointer user_data,
         GError **error)
{
  if (done < 3)
    return TRUE;
  g_set_error (error, SEG_ERROR, SEG_ERROR_CANCELLED, "stop");
  return FALSE;
}

static void
test_cancel (void)
{
  SegWindowParams p = {
    .size = { 9, 9, 9 }, .patch = { 3, 3, 3 }, .stride = { 3, 3, 3 }, .n_in = 1, .n_out = 1
  };
  g_autofree float *image = g_new0 (float, 729);
  g_autofree float *out = g_new0 (float, 729);
  g_autoptr (GError) error = NULL;

  g_assert_false (seg_window_run_average (&p, image, stop_cb, NULL, out, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_CANCELLED);
}

static void
test_too_large (void)
{
  SegWindowParams p = { .size = { 2000000000, 2000000000, 1 },
                        .patch = { 8, 2000000000, 2000000000 },
                        .stride = { 8, 8, 8 },
                        .n_in = 1,
                        .n_out = 1 };
  g_autoptr (GError) error = NULL;
  float nothing = 0;

  g_assert_false (seg_window_run_average (&p, &nothing, stop_cb, NULL, &nothing, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY);
}

static void
test_overlap (void)
{
  SegWindowParams p = { .patch = { 112, 96, 1 } };

  seg_window_params_set_overlap (&p, 0.5);
  g_assert_cmpint (p.stride[0], ==, 56);
  g_assert_cmpint (p.stride[1], ==, 48);
  g_assert_cmpint (p.stride[2], ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/sliding-window/starts", test_starts);
  g_test_add_func ("/seg/sliding-window/counts", test_counts);
  g_test_add_func ("/seg/sliding-window/average", test_average);
  g_test_add_func ("/seg/sliding-window/cancel", test_cancel);
  g_test_add_func ("/seg/sliding-window/too-large", test_too_large);
  g_test_add_func ("/seg/sliding-window/overlap", test_overlap);
  return g_test_run ();
}
