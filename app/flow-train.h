/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "active/select.h"
#include "app/engine.h"
#include "app/round-plan.h"
#include "db/store.h"

G_BEGIN_DECLS

/* labels → seg → model, predictions, next proposal → db: one round. */

/**
 * AppTrainRequest: what a person chose for a round. Strings are copied.
 * @dense: train on scans marked complete alone, whole (baseline); else on every signed slice
 * @n_select: scans to propose afterwards, 0 for none
 * @keep_open: for tests: leave the checkpoint of a finished round
 */
typedef struct
{
  const char *method; /* NULL: gm-abs */
  AppProfile profile;
  gboolean parity;
  gint64 n_steps;
  double seconds;
  gint64 seed; /* −1: the number of the round */
  gboolean dense;
  const char *generalist;
  const char *const *settings; /* (nullable): see app_train_plan_set() */
  ActiveStrategy strategy;
  int n_select;
  double random_share;
} AppTrainRequest;

/* What became of it. */
typedef struct
{
  gint64 round;
  gint64 model;
  char *model_path;
  gint64 n_steps;
  double dice; /* validation, NaN if nothing was there to measure on */
  double seconds;
  double expected_seconds; /* as was said before the start, the measuring not included; NaN after a
                              resume */
  double all_seconds; /* what became of it: reading, training, predictions and selection */
  int n_labelled, n_unlabelled, n_validation, n_predicted, n_selected;
  char *plan_text;
} AppTrainResult;

void app_train_result_clear (AppTrainResult *self);

/**
 * app_flow_train:
 * @request: (nullable): NULL resumes the round that was paused, killed or failed last
 * @done: (nullable): with the result where it ended well, or the error
 *
 * The round as a job of the engine: prepare, train, predict every scan, select, propose. Labels are
 * those of the journal's end at its start (I7): what is signed meanwhile enters the next round.
 *
 * Returns: (transfer full): the job; %NULL with an error if there is nothing to resume. Main
 * thread.
 */
typedef void (*AppTrainDone) (AppJob *job, const AppTrainResult *result, const GError *error,
                              gpointer user_data);
AppJob *app_flow_train (DbStore *store, AppEngine *engine, const AppTrainRequest *request,
                        AppTrainDone done, gpointer user_data,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The plan that a request would get, and its measured time, for the dialog; nothing is written. */
typedef void (*AppTrainPlanned) (const AppTrainPlan *plan, const AppPlanTime *time,
                                 const GError *error, gpointer user_data);
AppJob *app_flow_train_plan (DbStore *store, AppEngine *engine, const AppTrainRequest *request,
                             AppTrainPlanned planned, gpointer user_data) G_GNUC_WARN_UNUSED_RESULT;

/* The id of a round that can be resumed, or 0: the latest one, if it was paused, killed, or failed.
 * A new round gives it up. Main thread. */
gint64 app_flow_train_find_resumable (DbStore *store);

G_END_DECLS
