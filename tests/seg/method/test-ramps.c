/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/method/ramps.h"

/* Golden values of the dossiers, printed with six places: half a unit of the last one. */
#define PLACES 5.01e-7

static void
test_gm_abs_weights (void)
{
  const SegGmAbsSchedule schedule = { .n_steps = 10000, .n_refreshes = 13 };
  const struct
  {
    gint64 t;
    double sam, consistency;
  } golden[] = {
    { 0, 0.993936, 0.000674 },    { 600, 0.989148, 0.001742 },  { 1000, 0.984320, 0.002698 },
    { 1500, 0.975714, 0.006005 }, { 2500, 0.945951, 0.016530 }, { 3000, 0.922336, 0.028650 },
    { 5000, 0.742146, 0.085802 }, { 6000, 0.595604, 0.100000 }, { 7500, 0.341546, 0.100000 },
    { 9000, 0.143894, 0.100000 }, { 9999, 0.100000, 0.100000 },
  };

  for (gsize g = 0; g < G_N_ELEMENTS (golden); g++)
    {
      g_assert_cmpfloat_with_epsilon (seg_gm_abs_weight_sam (&schedule, golden[g].t), golden[g].sam,
                                      PLACES);
      g_assert_cmpfloat_with_epsilon (seg_gm_abs_weight_consistency (&schedule, golden[g].t),
                                      golden[g].consistency, PLACES);
    }
}

static void
test_gm_abs_tau (void)
{
  const SegGmAbsSchedule schedule = { .n_steps = 10000, .n_refreshes = 13 };
  const double golden[] = {
    .353631, .354356, .355204, .356193, .357341, .358666, .360191, .361935
  };

  for (int g = 0; g < 8; g++)
    g_assert_cmpfloat_with_epsilon (seg_gm_abs_tau (&schedule, 800 + 200 * g), golden[g], PLACES);
  /* After a round of any length it is the paper's last. */
  for (int n = 400; n <= 20000; n *= 5)
    {
      const SegGmAbsSchedule other = { .n_steps = n, .n_refreshes = 2 };

      g_assert_cmpfloat_with_epsilon (seg_gm_abs_tau_after_round (&other), golden[7], PLACES);
    }
}

/* The rule is set from the un-incremented counter at multiples of 2500 that are ≥ 5000: the step
 * that begins at t = 5000 still uses 0.01. */
static void
test_gm_abs_lr (void)
{
  const SegGmAbsSchedule schedule = { .n_steps = 10000, .n_refreshes = 13 };

  g_assert_cmpfloat_with_epsilon (seg_gm_abs_lr (&schedule, 0.01, 0), 0.01, 1e-15);
  g_assert_cmpfloat_with_epsilon (seg_gm_abs_lr (&schedule, 0.01, 5000), 0.01, 1e-15);
  g_assert_cmpfloat_with_epsilon (seg_gm_abs_lr (&schedule, 0.01, 5001), 1e-4, 1e-15);
  g_assert_cmpfloat_with_epsilon (seg_gm_abs_lr (&schedule, 0.01, 7500), 1e-4, 1e-15);
  g_assert_cmpfloat_with_epsilon (seg_gm_abs_lr (&schedule, 0.01, 7501), 1e-5, 1e-15);
}

static void
test_gm_abs_events (void)
{
  const SegGmAbsSchedule schedule = { .n_steps = 10000, .n_refreshes = 13 };

  for (gint64 t = 0; t <= 10000; t++)
    {
      g_assert_cmpint (seg_gm_abs_refresh_is_due (&schedule, t), ==,
                       t >= 600 && t % 600 == 0 && t < 8000);
      g_assert_cmpint (seg_gm_abs_selection_is_due (&schedule, t), ==,
                       t >= 800 && t <= 2200 && t % 200 == 0);
    }
}

/* However short the run, every refresh happens once. */
static void
test_short_runs_keep_their_refreshes (void)
{
  for (gint64 n_steps = 20; n_steps <= 700; n_steps += 17)
    for (int n = 0; n <= 13; n += n < 3 ? 1 : 10)
      {
        const SegGmAbsSchedule schedule = { .n_steps = n_steps, .n_refreshes = n };
        int found = 0;

        for (gint64 t = 1; t < n_steps; t++)
          found += seg_gm_abs_refresh_is_due (&schedule, t);
        g_assert_cmpint (found, ==, n);
      }
}

static void
test_ema_decay (void)
{
  const double golden[][2] = { { 0, 0 },         { 1, .5 },   { 2, .666667 }, { 9, .9 },
                               { 98, 98. / 99 }, { 99, .99 }, { 5000, .99 } };

  for (gsize g = 0; g < G_N_ELEMENTS (golden); g++)
    g_assert_cmpfloat_with_epsilon (seg_ramp_ema_decay ((gint64) golden[g][0], 0.99), golden[g][1],
                                    PLACES);
}

static void
test_uamt (void)
{
  const double golden[][2] = {
    { 0, 0.521028 }, { 1500, 0.530267 }, { 3000, 0.569508 }, { 4500, 0.646640 }, { 6000, 0.693147 }
  };

  for (gsize g = 0; g < G_N_ELEMENTS (golden); g++)
    g_assert_cmpfloat_with_epsilon (seg_ramp_uamt_threshold ((gint64) golden[g][0], 6000),
                                    golden[g][1], PLACES);
  g_assert_cmpfloat_with_epsilon (seg_ramp_uamt_lr (0.01, 2499, 6000), 0.01, 1e-15);
  g_assert_cmpfloat_with_epsilon (seg_ramp_uamt_lr (0.01, 2500, 6000), 0.001, 1e-15);
  g_assert_cmpfloat_with_epsilon (seg_ramp_uamt_lr (0.01, 5000, 6000), 0.0001, 1e-15);
  g_assert_cmpfloat_with_epsilon (seg_ramp_poly_lr (0.01, 5000, 10000), 0.01 * 0.535887, 1e-8);
  g_assert_cmpfloat (seg_ramp_poly_lr (0.01, 10000, 10000), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/method/ramps/gm-abs-weights", test_gm_abs_weights);
  g_test_add_func ("/seg/method/ramps/gm-abs-tau", test_gm_abs_tau);
  g_test_add_func ("/seg/method/ramps/gm-abs-lr", test_gm_abs_lr);
  g_test_add_func ("/seg/method/ramps/gm-abs-events", test_gm_abs_events);
  g_test_add_func ("/seg/method/ramps/short-runs", test_short_runs_keep_their_refreshes);
  g_test_add_func ("/seg/method/ramps/ema-decay", test_ema_decay);
  g_test_add_func ("/seg/method/ramps/uamt", test_uamt);
  return g_test_run ();
}
