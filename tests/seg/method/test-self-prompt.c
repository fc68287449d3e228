/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/method/self-prompt.h"

#include <math.h>
#include <string.h>

static void
test_prototypes (void)
{
  /* Two channels, four voxels; voxels 0, 1 are class 0, voxels 2, 3 class 1. */
  const float f[8] = { 1, 3, 0, 2, 0, 0, 4, 4 };
  const float p[8] = { 0.75f, 1, 0.25f, 0, 0.25f, 0, 0.75f, 1 };
  float c[4];

  seg_prototypes (f, p, 4, 2, 2, c);
  g_assert_cmpfloat_with_epsilon (c[0], 3.75 / 1.75001, 1e-5);
  g_assert_cmpfloat_with_epsilon (c[1], 0, 1e-6);
  g_assert_cmpfloat_with_epsilon (c[2], 2 / 1.75001, 1e-5);
  g_assert_cmpfloat_with_epsilon (c[3], 7 / 1.75001, 1e-5);
}

static void
test_absent_class_is_zero (void)
{
  const float f[2] = { 1, 2 };
  const float p[4] = { 0.9f, 0.8f, 0.1f, 0.2f };
  float c[2];
  float q[4];
  guint8 z[2];

  seg_prototypes (f, p, 2, 1, 2, c);
  g_assert_true (c[1] == 0);
  /* cosine 1 with class 0, 0 with class 1 */
  seg_similarity (f, c, 2, 1, 2, q, z);
  g_assert_cmpfloat_with_epsilon (q[0], 1 / (1 + exp (-20)), 1e-6);
  g_assert_cmpint (z[0], ==, 0);
}

static void
test_similarity (void)
{
  const float f[2] = { 3, 4 }; /* one voxel, two channels: (3, 4) */
  const float c[4] = { 1, 0, 0, 2 }; /* prototypes (1, 0) and (0, 2) */
  float q[2];
  guint8 z;

  seg_similarity (f, c, 1, 2, 2, q, &z);
  g_assert_cmpfloat_with_epsilon (q[1], 1 / (1 + exp (20 * (0.6 - 0.8))), 1e-5);
  g_assert_cmpfloat_with_epsilon (q[0] + q[1], 1, 1e-6);
  g_assert_cmpint (z, ==, 1);
}

#define NX 12
#define NY 10
#define NZ 8
static const int size[3] = { NX, NY, NZ };

static gsize
at (int x, int y, int z)
{
  return ((gsize) x * NY + (gsize) y) * NZ + (gsize) z;
}

static void
test_slice_prompt (void)
{
  guint8 z[NX * NY * NZ] = { 0 };
  float q[2 * NX * NY * NZ];
  float *q1 = q + NX * NY * NZ;
  SegSlicePrompt prompt;

  for (gsize v = 0; v < NX * NY * NZ; v++)
    q1[v] = 0.3f;
  for (int x = 5; x <= 7; x++)
    for (int y = 4; y <= 6; y++)
      {
        z[at (x, y, 3)] = 1;
        q1[at (x, y, 3)] = 0.6f + 0.01f * (float) (x * 10 + y - 54);
      }
  q1[at (2, 9, 3)] = 0.01f;

  /* Axis 2: rows are x, columns are y. */
  seg_slice_prompt (z, q, size, 1, 2, 3, SEG_SELF_PROMPT_JITTER, 99, &prompt);
  g_assert_true (prompt.has_prompt);
  for (int side = 0; side < 4; side++)
    {
      const int extent[4] = { 4, 5, 6, 7 };
      const int limit[4] = { 0, 0, NY, NX };
      float out = (side < 2 ? -1 : 1) * (prompt.box[side] - (float) extent[side]);

      g_assert_cmpfloat (out, >=, 0);
      g_assert_cmpfloat (out, <=, SEG_SELF_PROMPT_JITTER);
      g_assert_true (side < 2 ? prompt.box[side] >= (float) limit[side]
                              : prompt.box[side] <= (float) limit[side]);
    }
  g_assert_cmpint (prompt.n_positive, ==, 5);
  g_assert_cmpfloat (prompt.positive[0][0], ==, 6); /* the largest q at x 7, y 6 */
  g_assert_cmpfloat (prompt.positive[0][1], ==, 7);
  g_assert_cmpfloat (prompt.positive[4][0], ==, 5); /* the fifth: x 6, y 5 */
  g_assert_cmpfloat (prompt.positive[4][1], ==, 6);
  g_assert_cmpint (prompt.n_negative, ==, 1);
  g_assert_cmpfloat (prompt.negative[0][0], ==, 9);
  g_assert_cmpfloat (prompt.negative[0][1], ==, 2);

  /* Axis 0, rows y, columns z: three pixels are too few for points. */
  seg_slice_prompt (z, q, size, 1, 0, 5, SEG_SELF_PROMPT_JITTER, 99, &prompt);
  g_assert_true (prompt.has_prompt);
  g_assert_cmpint (prompt.n_positive + prompt.n_negative, ==, 0);

  /* Nothing there, or nothing else there. */
  seg_slice_prompt (z, q, size, 1, 2, 0, SEG_SELF_PROMPT_JITTER, 99, &prompt);
  g_assert_false (prompt.has_prompt);
  memset (z, 1, sizeof z);
  seg_slice_prompt (z, q, size, 1, 2, 3, SEG_SELF_PROMPT_JITTER, 99, &prompt);
  g_assert_false (prompt.has_prompt);
}

/* Specks go, a second component worth a quarter stays; classes do not touch each other's. */
static void
test_components (void)
{
  guint8 z[NX * NY * NZ] = { 0 };

  for (int x = 0; x < 8; x++)
    z[at (x, 2, 2)] = 1;
  z[at (0, 5, 5)] = z[at (1, 5, 5)] = 1; /* a quarter of it */
  z[at (8, 3, 2)] = 1; /* a corner's touch is none */
  z[at (10, 8, 7)] = 2;
  z[at (8, 2, 2)] = 2;
  seg_keep_components (z, size, 3, 0.25);
  g_assert_cmpint (z[at (0, 2, 2)], ==, 1);
  g_assert_cmpint (z[at (7, 2, 2)], ==, 1);
  g_assert_cmpint (z[at (1, 5, 5)], ==, 1);
  g_assert_cmpint (z[at (8, 3, 2)], ==, 0);
  g_assert_cmpint (z[at (10, 8, 7)], ==, 2);
  g_assert_cmpint (z[at (8, 2, 2)], ==, 2);
}

/* Each side moves by 0 … 4, all of them used, and depends on the seed alone. */
static void
test_jitter_is_uniform (void)
{
  guint8 z[NX * NY * NZ] = { 0 };
  float q[2 * NX * NY * NZ] = { 0 };
  int seen[5] = { 0 };

  z[at (6, 5, 3)] = 1;
  for (guint64 seed = 0; seed < 1000; seed++)
    {
      SegSlicePrompt a, b;

      seg_slice_prompt (z, q, size, 1, 2, 3, SEG_SELF_PROMPT_JITTER, seg_hash4 (seed, 2, 3, 1), &a);
      seg_slice_prompt (z, q, size, 1, 2, 3, SEG_SELF_PROMPT_JITTER, seg_hash4 (seed, 2, 3, 1), &b);
      g_assert_cmpmem (a.box, sizeof a.box, b.box, sizeof b.box);
      seen[(int) (5 - a.box[0])]++;
    }
  for (int j = 0; j < 5; j++)
    g_assert_cmpint (seen[j], >, 140); /* 200 expected, deviation 13 */
}

static void
test_grey (void)
{
  const float image[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
  SegSliceView view;
  guint8 grey[4];

  seg_slice_view_init (&view, (int[]){ 2, 2, 2 }, 1, 1); /* voxels 2 3 / 6 7 */
  seg_slice_to_grey (image, &view, grey);
  g_assert_cmpint (grey[0], ==, 0);
  g_assert_cmpint (grey[1], ==, 51);
  g_assert_cmpint (grey[2], ==, 204);
  g_assert_cmpint (grey[3], ==, 255);
  seg_slice_view_init (&view, (int[]){ 1, 1, 2 }, 2, 0);
  seg_slice_to_grey (image, &view, grey); /* one pixel is constant: 0, not 0/0 */
  g_assert_cmpint (grey[0], ==, 0);
}

static void
test_vote (void)
{
  const guint8 a1[4] = { 1, 1, 0, 1 }, b1[4] = { 1, 0, 0, 1 }, c1[4] = { 0, 0, 1, 1 };
  const guint8 a2[4] = { 0, 0, 1, 1 }, b2[4] = { 0, 0, 1, 1 }, c2[4] = { 0, 1, 0, 0 };
  const guint8 *masks[6] = { a1, a2, b1, b2, c1, c2 };
  const float q[12] = { 0, 0, 0, 0, .5f, .5f, .5f, .3f, .5f, .5f, .5f, .6f };
  const guint8 majority[4] = { 1, 0, 2, 2 }, all[4] = { 0, 0, 0, 1 };
  guint8 fused[4];

  seg_vote (masks, q, 4, 3, 2, fused);
  g_assert_cmpmem (fused, 4, majority, 4);
  seg_vote (masks, q, 4, 3, 3, fused);
  g_assert_cmpmem (fused, 4, all, 4);
}

static void
test_cross_planes (void)
{
  const int big[3] = { 40, 24, 80 };
  g_autofree guint8 *labels = g_new0 (guint8, 40 * 24 * 80);
  int planes[3];

  g_assert_false (seg_cross_planes (labels, big, planes));
  labels[(10 * 24 + 7) * 80 + 40] = 1;
  labels[(35 * 24 + 20) * 80 + 71] = 2;
  g_assert_true (seg_cross_planes (labels, big, planes));
  g_assert_cmpint (planes[0], ==, 22);
  g_assert_cmpint (planes[1], ==, 13);
  g_assert_cmpint (planes[2], ==, 55);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/method/self-prompt/components", test_components);
  g_test_add_func ("/seg/method/self-prompt/prototypes", test_prototypes);
  g_test_add_func ("/seg/method/self-prompt/absent-class", test_absent_class_is_zero);
  g_test_add_func ("/seg/method/self-prompt/similarity", test_similarity);
  g_test_add_func ("/seg/method/self-prompt/slice-prompt", test_slice_prompt);
  g_test_add_func ("/seg/method/self-prompt/jitter", test_jitter_is_uniform);
  g_test_add_func ("/seg/method/self-prompt/grey", test_grey);
  g_test_add_func ("/seg/method/self-prompt/vote", test_vote);
  g_test_add_func ("/seg/method/self-prompt/cross-planes", test_cross_planes);
  return g_test_run ();
}
