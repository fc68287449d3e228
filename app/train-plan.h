/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/adapter/preprocess.h"
#include "seg/method/method.h"

G_BEGIN_DECLS

/**
 * AppTrainPlan: all that decides how a training goes, and is kept with the round.
 *
 * @refresh_scans: scans a refresh of the generalist's labels visits, 0 for all
 * @refresh_slice_step: 1 every slice, 2 every second, …
 * @generalist: (nullable): a weight file; NULL the built-in network; "rule" the rule without one
 * @steps_per_refresh, @steps_per_validation, @steps_of_prediction: how long these are expected to
 *   take, in steps, so that progress moves with the clock
 * @n_validations: how often the frozen set is measured, evenly spread, the end included
 * @keep_best: the model is the one of the validation with the best mean Dice, not the last one. The
 *   released code does so, on its test scans; here these are the frozen ones
 * @foreground_share: of the crops, see SegPatchParams
 */
typedef struct
{
  char *method;
  SegMethodParams params;
  SegPreprocess preprocess;
  int refresh_scans;
  int refresh_slice_step;
  char *generalist;
  int n_validations;
  gboolean keep_best;
  double foreground_share;
  double checkpoint_seconds;
  double steps_per_refresh, steps_per_validation, steps_of_prediction;
} AppTrainPlan;

void app_train_plan_clear (AppTrainPlan *self);
char *app_train_plan_to_json (const AppTrainPlan *self) G_GNUC_WARN_UNUSED_RESULT;
gboolean app_train_plan_from_json (AppTrainPlan *self, const char *json, GError **error);
/* "NAME=VALUE", a number of the plan or of its method's params. */
gboolean app_train_plan_set (AppTrainPlan *self, const char *assignment, GError **error);

G_END_DECLS
