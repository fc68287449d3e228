/* SPDX-License-Identifier: Apache-2.0 */
#include "active/select.h"

#include <string.h>

#define N 40

static ActiveFeatures features[N];
static gboolean labelled[N];

/* Scan i: uncertain share grows with i; scans of even and odd i have unlike histograms. */
static void
set_up (void)
{
  memset (features, 0, sizeof features);
  memset (labelled, 0, sizeof labelled);
  for (int i = 0; i < N; i++)
    {
      features[i].scan = 100 + i;
      features[i].has_prediction = TRUE;
      features[i].n_classes = 3;
      features[i].uncertain_share = 0.01 * i;
      features[i].mean_entropy = 0.005 * i;
      features[i].least_confidence = 0.002 * ((i * 7) % N);
      features[i].foreground_voxels = i % 4 == 0 ? 0 : 10;
      features[i].class_entropy[1] = 0.01 * ((i * 11) % N);
      features[i].class_entropy[2] = 0.01 * ((i * 13) % N);
      features[i].histogram[i % 2 == 0 ? 2 : 12] = 0.9;
      features[i].histogram[5] = 0.1 - 0.001 * i;
      features[i].histogram[6] = 0.001 * i;
      features[i].shape[0] = i;
    }
}

static GArray *
select_with (ActiveStrategy strategy, int n_wanted, double random_share, gboolean parity)
{
  return active_select (features, labelled, NULL, N,
                        &(ActiveSelectParams){ .strategy = strategy,
                                               .n_wanted = n_wanted,
                                               .round = 1,
                                               .n_rounds = 4,
                                               .random_share = random_share,
                                               .candidate_share = 0.1,
                                               .parity = parity,
                                               .seed = 3 });
}

#define CHOICE(choices, c) (&g_array_index (choices, ActiveChoice, c))

/* The four most uncertain unlabelled scans are candidates; one of each like group is chosen. */
static void
test_uncertain_and_diverse (void)
{
  g_autoptr (GArray) choices = NULL;

  set_up ();
  labelled[39] = TRUE;
  choices = select_with (ACTIVE_STRATEGY_UNCERTAINTY_DIVERSITY, 2, 0, FALSE);
  g_assert_cmpuint (choices->len, ==, 2);
  g_assert_cmpint (CHOICE (choices, 0)->scan, ==, 138);
  g_assert_cmpint (CHOICE (choices, 1)->scan, ==, 137);
  g_assert_cmpint (CHOICE (choices, 0)->cluster, !=, CHOICE (choices, 1)->cluster);
  g_assert_nonnull (strstr (CHOICE (choices, 0)->reason, "38.0 %"));
  g_assert_nonnull (strstr (CHOICE (choices, 0)->reason, "place 1 of 39"));
}

/* A group of one is still chosen from; diversity wins over the second place. */
static void
test_singleton_group (void)
{
  g_autoptr (GArray) choices = NULL;

  set_up ();
  for (int i = 36; i < N; i++)
    {
      memset (features[i].histogram, 0, sizeof features[i].histogram);
      features[i].histogram[i == 36 ? 1 : 15] = 1;
    }
  choices = select_with (ACTIVE_STRATEGY_UNCERTAINTY_DIVERSITY, 2, 0, FALSE);
  g_assert_cmpint (CHOICE (choices, 0)->scan, ==, 139);
  g_assert_cmpint (CHOICE (choices, 1)->scan, ==, 136);
  g_clear_pointer (&choices, g_array_unref);

  /* As released, the singleton contributes nothing. */
  choices = select_with (ACTIVE_STRATEGY_UNCERTAINTY_DIVERSITY, 2, 0, TRUE);
  g_assert_cmpuint (choices->len, ==, 1);
  g_assert_cmpint (CHOICE (choices, 0)->scan, ==, 139);
}

static void
test_every_strategy_gives_what_was_asked (void)
{
  for (int s = 0; s < ACTIVE_N_STRATEGIES; s++)
    for (int n_wanted = 0; n_wanted <= N + 2; n_wanted += 7)
      {
        g_autoptr (GArray) choices = NULL;
        g_autoptr (GArray) again = NULL;
        gboolean seen[N] = { FALSE };

        set_up ();
        labelled[3] = labelled[17] = TRUE;
        choices = select_with ((ActiveStrategy) s, n_wanted, 0, FALSE);
        again = select_with ((ActiveStrategy) s, n_wanted, 0, FALSE);
        g_assert_cmpuint (choices->len, ==, MIN (n_wanted, N - 2));
        for (guint c = 0; c < choices->len; c++)
          {
            ActiveChoice *choice = CHOICE (choices, c);

            g_assert_false (labelled[choice->position]);
            g_assert_false (seen[choice->position]);
            seen[choice->position] = TRUE;
            g_assert_cmpint (choice->rank, ==, (int) c);
            g_assert_nonnull (choice->reason);
            g_assert_cmpint (choice->scan, ==, CHOICE (again, c)->scan);
          }
      }
}

/* Names, not places, decide: the same scans in another order give the same choice. */
static void
test_order_does_not_matter (void)
{
  for (int s = 0; s < ACTIVE_N_STRATEGIES; s++)
    {
      g_autoptr (GArray) choices = NULL;
      g_autoptr (GArray) reversed = NULL;

      set_up ();
      labelled[0] = labelled[N - 1] = TRUE;
      choices = select_with ((ActiveStrategy) s, 6, 0.34, FALSE);
      for (int i = 0; i < N / 2; i++)
        {
          ActiveFeatures f = features[i];

          features[i] = features[N - 1 - i];
          features[N - 1 - i] = f;
        }
      reversed = select_with ((ActiveStrategy) s, 6, 0.34, FALSE);
      for (guint c = 0; c < choices->len; c++)
        g_assert_cmpint (CHOICE (choices, c)->scan, ==, CHOICE (reversed, c)->scan);
    }
}

static void
test_random_looks_for_foreground (void)
{
  g_autoptr (GArray) choices = NULL;

  set_up ();
  choices = select_with (ACTIVE_STRATEGY_RANDOM, 30, 0, FALSE);
  for (guint c = 0; c < 30; c++)
    g_assert_cmpuint (features[CHOICE (choices, c)->position].foreground_voxels, >, 0);
}

static void
test_random_share_is_told (void)
{
  g_autoptr (GArray) choices = NULL;
  int n_random = 0;

  set_up ();
  choices = select_with (ACTIVE_STRATEGY_UNCERTAINTY_DIVERSITY, 4, 0.25, FALSE);
  g_assert_cmpuint (choices->len, ==, 4);
  for (guint c = 0; c < 4; c++)
    if (CHOICE (choices, c)->from_random)
      {
        n_random++;
        g_assert_nonnull (strstr (CHOICE (choices, c)->reason, "random"));
      }
  g_assert_cmpint (n_random, ==, 1);
}

static void
test_skipped_are_left_out (void)
{
  gboolean skipped[N] = { FALSE };
  g_autoptr (GArray) choices = NULL;

  set_up ();
  skipped[39] = skipped[38] = TRUE;
  choices =
      active_select (features, labelled, skipped, N,
                     &(ActiveSelectParams){ .strategy = ACTIVE_STRATEGY_ENTROPY, .n_wanted = 1 });
  g_assert_cmpint (CHOICE (choices, 0)->scan, ==, 137);
}

/* A cold start begins with the typical scan and goes to the extremes. */
static void
test_cold_start (void)
{
  g_autoptr (GArray) choices = NULL;

  set_up ();
  for (int i = 0; i < N; i++)
    {
      memset (features[i].histogram, 0, sizeof features[i].histogram);
      features[i].histogram[0] = 1;
    }
  choices = select_with (ACTIVE_STRATEGY_COLD_START, 3, 0, FALSE);
  g_assert_cmpint (CHOICE (choices, 0)->scan, >=, 119);
  g_assert_cmpint (CHOICE (choices, 0)->scan, <=, 120);
  g_assert_true (CHOICE (choices, 1)->scan == 100 || CHOICE (choices, 1)->scan == 139);
  g_assert_true (CHOICE (choices, 2)->scan == 100 || CHOICE (choices, 2)->scan == 139);
}

static void
test_names (void)
{
  for (int s = 0; s < ACTIVE_N_STRATEGIES; s++)
    {
      ActiveStrategy found;

      g_assert_true (
          active_strategy_from_name (active_strategy_get_name ((ActiveStrategy) s), &found));
      g_assert_cmpint (found, ==, s);
    }
  g_assert_false (active_strategy_from_name ("best", &(ActiveStrategy){ 0 }));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/active/select/uncertain-and-diverse", test_uncertain_and_diverse);
  g_test_add_func ("/active/select/singleton-group", test_singleton_group);
  g_test_add_func ("/active/select/counts", test_every_strategy_gives_what_was_asked);
  g_test_add_func ("/active/select/order", test_order_does_not_matter);
  g_test_add_func ("/active/select/random-foreground", test_random_looks_for_foreground);
  g_test_add_func ("/active/select/random-share", test_random_share_is_told);
  g_test_add_func ("/active/select/skipped", test_skipped_are_left_out);
  g_test_add_func ("/active/select/cold-start", test_cold_start);
  g_test_add_func ("/active/select/names", test_names);
  return g_test_run ();
}
