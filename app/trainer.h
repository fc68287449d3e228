/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/round-scan.h"
#include "app/train-plan.h"

G_BEGIN_DECLS

typedef struct _AppTrainer AppTrainer;

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
  /* The paper selects in the middle of training (SEG_METHOD_WANTS_SELECTION): labels scans of the
   * trainer's, by how much of them is less certain than @tau. Without this hook none is. */
  gboolean (*select) (AppTrainer *trainer, double tau, gpointer data, GError **error);
  /* What the outside made of all it was told and asked: kept in each checkpoint, and handed back
   * when the training goes on from it, with the scans labelled as they were then. */
  char *(*note) (gpointer data);
  gboolean (*noted) (const char *note, gpointer data, GError **error);
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
/* Of the model that was kept, see AppTrainPlan.keep_best; NaN where the last one is taken. */
double app_trainer_get_best_dice (const AppTrainer *self);
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
