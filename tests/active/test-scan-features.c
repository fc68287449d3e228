/* SPDX-License-Identifier: Apache-2.0 */
#include "active/scan-features.h"

#include <math.h>

static void
test_histogram (void)
{
  ActiveFeatures f;
  /* 0 … 19 twice: each bin holds 2 of 40; the maximum belongs to the last bin. */
  float image[40];

  for (int v = 0; v < 40; v++)
    image[v] = (float) (v % 20) + 0.5f * (v % 20 == 19);
  active_features_from_image (&f, 7, image, (int[]){ 4, 5, 2 }, (double[]){ 1, 2, 3 });
  g_assert_cmpint (f.scan, ==, 7);
  g_assert_false (f.has_prediction);
  for (int bin = 0; bin < ACTIVE_N_BINS; bin++)
    g_assert_cmpfloat_with_epsilon (f.histogram[bin], 0.05, 1e-9);
  g_assert_cmpfloat_with_epsilon (f.shape[0], 4, 1e-12);
  g_assert_cmpfloat_with_epsilon (f.shape[1], 10, 1e-12);
  g_assert_cmpfloat_with_epsilon (f.shape[2], 6, 1e-12);
  g_assert_cmpfloat_with_epsilon (f.shape[3], log (6), 1e-12);
}

static void
test_not_finite_is_passed_over (void)
{
  ActiveFeatures f;
  const float image[4] = { NAN, 1, 3, INFINITY };
  double sum = 0;

  active_features_from_image (&f, 1, image, (int[]){ 4, 1, 1 }, (double[]){ 1, 1, 1 });
  for (int bin = 0; bin < ACTIVE_N_BINS; bin++)
    sum += f.histogram[bin];
  g_assert_cmpfloat_with_epsilon (sum, 1, 1e-12);
  g_assert_cmpfloat_with_epsilon (f.shape[4], 2, 1e-12);
}

static void
test_constant_scan (void)
{
  ActiveFeatures f;
  const float image[3] = { 5, 5, 5 };

  active_features_from_image (&f, 1, image, (int[]){ 3, 1, 1 }, (double[]){ 1, 1, 1 });
  g_assert_cmpfloat_with_epsilon (f.histogram[0], 1, 1e-12);
  g_assert_cmpfloat_with_epsilon (f.shape[6], 0, 1e-12);
}

/* H = −Σ p ln (p + 1e-6) / ln 2: 1 for (½, ½) up to the epsilon, 0.4690 for (0.9, 0.1). */
static void
test_entropy_and_shares (void)
{
  ActiveFeatures f;
  const float image[4] = { 0, 1, 2, 3 };
  /* class 0, then class 1, of four voxels */
  const float p[8] = { 0.5f, 0.9f, 0.1f, 0.2f, 0.5f, 0.1f, 0.9f, 0.8f };
  float entropy[4];
  double h9 = -(0.9 * log2 (0.9) + 0.1 * log2 (0.1)), h8 = -(0.8 * log2 (0.8) + 0.2 * log2 (0.2));

  active_entropy (p, 4, 2, entropy);
  g_assert_cmpfloat_with_epsilon (entropy[0], 1, 1e-5);
  g_assert_cmpfloat_with_epsilon (entropy[1], h9, 1e-5);
  active_features_from_image (&f, 1, image, (int[]){ 4, 1, 1 }, (double[]){ 1, 1, 1 });
  g_assert_true (active_features_add_prediction (&f, p, 4, 2, 0.6, NULL));
  g_assert_true (f.has_prediction);
  g_assert_cmpfloat_with_epsilon (f.uncertain_share, 0.5, 1e-12); /* H 1 and 0.7219 */
  g_assert_cmpfloat_with_epsilon (f.mean_entropy, (1 + 2 * h9 + h8) / 4, 1e-5);
  /* A quarter of four is one voxel, the lowest maximum ½. */
  g_assert_cmpfloat_with_epsilon (f.least_confidence, 0.5, 1e-6);
  g_assert_cmpuint (f.foreground_voxels, ==, 2);
  g_assert_cmpfloat_with_epsilon (f.class_share[1], 0.5, 1e-12);
  g_assert_cmpfloat_with_epsilon (f.class_entropy[1], (h9 + h8) / 2, 1e-5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/active/scan-features.histogram", test_histogram);
  g_test_add_func ("/active/features/not-finite", test_not_finite_is_passed_over);
  g_test_add_func ("/active/features/constant-scan", test_constant_scan);
  g_test_add_func ("/active/features/entropy-and-shares", test_entropy_and_shares);
  return g_test_run ();
}
