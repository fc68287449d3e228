/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "active/scan-features.h"

G_BEGIN_DECLS

/* How scans are ranked. Names as on the command line in brackets. */
typedef enum
{
  ACTIVE_STRATEGY_UNCERTAINTY_DIVERSITY, /* [uncertainty-diversity] GM-ABS: share of uncertain
                                            voxels, then histogram diversity */
  ACTIVE_STRATEGY_RANDOM, /* [random] among scans with predicted foreground */
  ACTIVE_STRATEGY_ENTROPY, /* [entropy] mean entropy */
  ACTIVE_STRATEGY_LEAST_CONFIDENCE, /* [least-confidence] */
  ACTIVE_STRATEGY_CLASS_STRATIFIED, /* [class-stratified] entropy per class in turn, with
                                       power noise that decays over the rounds (ClaSP PE) */
  ACTIVE_STRATEGY_REPRESENTATIVE, /* [representative] farthest from what is labelled */
  ACTIVE_STRATEGY_COLD_START, /* [cold-start] diverse scans by intensity and shape */
} ActiveStrategy;
#define ACTIVE_N_STRATEGIES 7

const char *active_strategy_get_name (ActiveStrategy strategy);
gboolean active_strategy_from_name (const char *name, ActiveStrategy *strategy);
gboolean active_strategy_needs_prediction (ActiveStrategy strategy);

/**
 * ActiveSelectParams:
 * @n_wanted: scans to choose
 * @round: 1 for the first; decays the noise of the class-stratified strategy
 * @n_rounds: rounds planned, at least 1
 * @random_share: share of the choices (0…1) that a foreground-aware random pick makes instead, so
 *   that the gain of the strategy can be measured; such choices say so
 * @candidate_share: gm-abs: share of all scans that become candidates (0.1), at least n_wanted
 * @parity: gm-abs as it was released: candidates among all scans with its replacement rule,
 *   singleton clusters skipped, k-means from @seed
 */
typedef struct
{
  ActiveStrategy strategy;
  int n_wanted;
  int round;
  int n_rounds;
  double random_share;
  double candidate_share;
  gboolean parity;
  guint64 seed;
} ActiveSelectParams;

/**
 * ActiveChoice:
 * @position: index into the array given
 * @rank: 0 for the first to label
 * @score: what it was ranked by
 * @from_random: chosen by the interleaved random share
 * @cluster: gm-abs: which of the diverse groups it stands for, −1 elsewhere
 * @reason: one sentence with its numbers, for people
 */
typedef struct
{
  gsize position;
  gint64 scan;
  int rank;
  double score;
  gboolean from_random;
  int cluster;
  char *reason;
} ActiveChoice;

void active_choice_clear (ActiveChoice *self);

/**
 * active_select:
 * @features: of all training scans (never of validation scans: I6)
 * @labelled: (array length=n): which of them are labelled or being labelled
 * @skipped: (array length=n) (nullable): which of them the person has put aside
 *
 * Deterministic for equal input and seed, and independent of the order of @features up to ties.
 *
 * Returns: (transfer full): GArray of ActiveChoice, best first, of at most n_wanted scans: fewer
 *   if fewer are left (gm-abs with parity may also give fewer)
 */
GArray *active_select (const ActiveFeatures *features, const gboolean *labelled,
                       const gboolean *skipped, gsize n,
                       const ActiveSelectParams *params) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
