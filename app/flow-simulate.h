/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/flow-train.h"

G_BEGIN_DECLS

/* truth → seg ⇄ active: the whole loop with the truth standing in for the expert. Nothing is
 * written into the project. */

/**
 * AppSimulateRequest:
 * @train: of each round; n_select and done are not used
 * @n_rounds, @n_start, @budget: rounds; scans labelled before the first; scans added after each
 * @during: scans are selected in the middle of each round, as the paper does: @budget of them each
 * of SEG_GM_ABS_SELECTIONS times, for methods with a generalist
 * @n_pool: training scans that take part at all, drawn by the seed; 0 for all
 * @report: file the report is kept in; beside it, REPORT.d holds checkpoints and each round's
 *   model. Started again with
 * the same request it goes on where it stopped.
 */
typedef struct
{
  AppTrainRequest train;
  int n_rounds;
  int n_start;
  int budget;
  gboolean during;
  int n_pool;
  const char *report;
} AppSimulateRequest;

/* Blocking, iterating the main context: for the command line. @said is called with one line a
 * round. */
gboolean app_flow_simulate (DbStore *store, AppEngine *engine, const AppSimulateRequest *request,
                            void (*said) (const char *line, gpointer data), gpointer user_data,
                            GError **error);

G_END_DECLS
