/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/round-scan.h"
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
  double foreground_share;
  double checkpoint_seconds;
  double steps_per_refresh, steps_per_validation, steps_of_prediction;
} AppTrainPlan;

void app_train_plan_clear (AppTrainPlan *self);
char *app_train_plan_to_json (const AppTrainPlan *self) G_GNUC_WARN_UNUSED_RESULT;
gboolean app_train_plan_from_json (AppTrainPlan *self, const char *json, GError **error);
/* "NAME=VALUE", a number of the plan or of its method's params. */
gboolean app_train_plan_set (AppTrainPlan *self, const char *assignment, GError **error);

/* What the outside wants to hear; all on the engine thread, all optional but @check. */
typedef struct
{
  gboolean (*check) (gpointer data, GError **error); /* FALSE: stop now */
  /* @fraction: of the training, refreshes and validations in it, as time goes */
  void (*progress) (double fraction, const char *message, gpointer data);
  void (*metric) (gint64 step, const char *name, double value, gpointer data);
  /* A checkpoint is about to be written: what was told of the steps in it has to be on the disk
   * first, for a run that goes on from it does not tell it again. */
  gboolean (*saving) (gpointer data, GError **error);
  /* A checkpoint of @step is on the disk. */
  void (*checkpoint) (gint64 step, gpointer data);
  /* It goes on after @step: what was told beyond it will be told again. */
  void (*resumed) (gint64 step, gpointer data);
  gpointer data;
  const char *const *label_names; /* (nullable): of the classes 1 …, for what is said; borrowed */
} AppTrainHooks;

/**
 * AppTrainer:
 *
 * A training on scans in memory: batches, steps, refreshes of the generalist's labels, validation,
 * checkpoints. Killed at any moment and made again with the same plan and labels it goes on from
 * its last checkpoint and gives the numbers of an uninterrupted run (I7).
 *
 * Threads: the engine thread.
 */
typedef struct _AppTrainer AppTrainer;

/**
 * app_trainer_new:
 * @scans: (element-type AppRoundScan): prepared; borrowed, their pseudo-labels are set
 * @folder: for checkpoints; must exist
 *
 * Fails, before anything is computed, if no training scan is labelled, if a class is in none of the
 * labelled slices, or if the labelled slices show no foreground. Asserts I6: a validation scan is
 * in no batch.
 */
AppTrainer *app_trainer_new (const AppTrainPlan *plan, GPtrArray *scans, const char *folder,
                             const AppTrainHooks *hooks, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void app_trainer_free (AppTrainer *self);
/* Where embeddings of slices are kept between refreshes and rounds; NULL or 0: nowhere. */
void app_trainer_set_cache (AppTrainer *self, const char *folder, guint64 budget_bytes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppTrainer, app_trainer_free)

/* Resumes from the checkpoint in the folder where there is one, else begins. %FALSE with
 * APP_JOB_ERROR_PAUSED or _CANCELLED (of the check hook) or what went wrong. */
gboolean app_trainer_run (AppTrainer *self, GError **error);

/* Which part of the round the training is, as time goes; the rest is prediction. */
double app_train_plan_get_training_share (const AppTrainPlan *self);

/* Seconds spent in this and, after a resume, the earlier runs. */
double app_trainer_get_seconds (const AppTrainer *self);
gint64 app_trainer_get_step (const AppTrainer *self);
SegMethod *app_trainer_get_method (AppTrainer *self);

/* Dice per class 1 … K − 1 over the validation scans (or those of @scans with @validation), inside
 * their labelled domain, or against the whole truth where it is known: mean over scans that have
 * the class. NaN where none has. Answers the mean over classes, NaN if there is none. */
double app_trainer_validate (AppTrainer *self, double *dice_per_class, GError **error);

/* The predictor's answer for one prepared scan: probabilities in the model's space (K × size). */
gboolean app_trainer_predict (AppTrainer *self, const AppRoundScan *scan, float *probabilities,
                              GError **error);

/* The model as a file, with plan and label names in its metadata. */
gboolean app_trainer_write_model (AppTrainer *self, const char *path,
                                  const char *const *label_names, GError **error);

/* Whether a checkpoint is there to be resumed. */
gboolean app_trainer_has_checkpoint (const char *folder);
/* After a round: the checkpoint and pseudo-labels are no longer needed. */
void app_trainer_remove_checkpoint (const char *folder);

G_END_DECLS
