/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/trainer.h"

G_BEGIN_DECLS

typedef enum
{
  APP_PROFILE_LAPTOP, /* a round ends in minutes on two CPU cores */
  APP_PROFILE_PAPER, /* the papers' sizes and steps */
} AppProfile;

const char *app_profile_get_name (AppProfile profile); /* "laptop", "paper" */
gboolean app_profile_from_name (const char *name, AppProfile *profile);

/**
 * AppPlanRequest: what a person decides; 0 and NULL leave it to the profile.
 * @n_steps: 0: as many as fit into @seconds (laptop), or the paper's
 * @seconds: time for the whole round; 0: 8 minutes for small scans, 30 for large ones
 */
typedef struct
{
  const char *method;
  AppProfile profile;
  gboolean parity;
  int n_classes;
  gint64 n_steps;
  double seconds;
  guint64 seed;
  const char *generalist;
  const char *const *settings; /* (nullable): of app_train_plan_set(), after the profile's */
} AppPlanRequest;

/* Where a round's time is expected to go, in seconds, measured on this machine just now, warm.
 * @low, @high: the total if every step were like the quicker and the slower ones that were timed:
 * far apart on a machine that does other things beside */
typedef struct
{
  double per_step;
  double per_window;
  double per_slice; /* of the generalist: encode and answer */
  double training;
  double refreshing;
  double validating;
  double predicting;
  double total, low, high;
} AppPlanTime;

/**
 * app_round_plan_make:
 * @scans: (element-type AppRoundScan): all of the round; a few are opened to see what they are like
 * @time: (out)
 *
 * Engine thread.
 */
gboolean app_round_plan_make (AppTrainPlan *plan, AppPlanTime *time, const AppPlanRequest *request,
                              GPtrArray *scans, GError **error);

/* One line for people: sizes, steps, precision, refreshes, expected minutes (@time may be NULL). */
char *app_round_plan_describe (const AppTrainPlan *plan,
                               const AppPlanTime *time) G_GNUC_WARN_UNUSED_RESULT;
/* The choices that were made, a line each, for the dialog. */
char *app_round_plan_explain (const AppTrainPlan *plan) G_GNUC_WARN_UNUSED_RESULT;
/* "6 to 9 minutes", and what they go into. */
char *app_plan_time_describe (const AppPlanTime *time) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
