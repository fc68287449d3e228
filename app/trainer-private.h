/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/trainer.h"
#include "seg/method/refresh.h"
#include "seg/tensor/context.h"

G_BEGIN_DECLS

struct _AppTrainer
{
  const AppTrainPlan *plan;
  GPtrArray *scans;
  char *folder;
  AppTrainHooks hooks;

  SegContext *context;
  SegMethod *method;
  SegGeneralist *generalist;
  SegEmbeddingCache *embeddings; /* or NULL */
  SegLoader *loader;
  SegCase *cases; /* of the training scans */
  AppRoundScan **training;
  gsize n_training;

  int n_refreshed;
  AppOverlap *against_truth; /* 2 × K of this refresh: teacher's, generalist's; simulations only */
  char *pseudo_file; /* of the last refresh, in folder */
  double best_dice, dice; /* on the validation scans: the best so far, the last */
  char *best_file; /* the model of best_dice, in folder; or NULL, see AppTrainPlan.keep_best */
  double seconds_before;
  gint64 started_us;
  double step_seconds; /* moving average */
  gint64 saved_step, saved_validated, saved_refreshed, saved_selected;
  gint64 validated_step, refreshed_step, selected_step; /* what is due after that step is done */
  gint64 in_step_since_us; /* 0: not in a step */
  char *order_before; /* of the loader, before the step that runs */
};

/* Whether to go on. */
gboolean app_trainer_check (AppTrainer *self, GError **error);
/* @of_refresh: how far the refresh that runs is */
void app_trainer_tell_progress (AppTrainer *self, double of_refresh, const char *message);
void app_trainer_tell_metric (AppTrainer *self, gint64 step, const char *name, double value);

gboolean app_trainer_begin_or_resume (AppTrainer *self, GError **error);
/* Also after a step that was torn off: as it was before it. */
gboolean app_trainer_save_checkpoint (AppTrainer *self, GError **error);
/* And the pseudo-labels with it. */
gboolean app_trainer_save_pseudo (AppTrainer *self, GError **error);

/* Keeps the model as it is if it is the best so far; takes the best one back. */
gboolean app_trainer_keep_best (AppTrainer *self, GError **error);
gboolean app_trainer_take_best (AppTrainer *self, GError **error);
/* Training scans that were labelled since are drawn from as such. */
gboolean app_trainer_take_labels (AppTrainer *self, GError **error);
/* Their positions; both lists hold as many as there are training scans. */
void app_trainer_list_cases (const AppTrainer *self, guint32 *labelled, gsize *n_labelled,
                             guint32 *unlabelled, gsize *n_unlabelled);
gboolean app_trainer_refresh (AppTrainer *self, GError **error);

G_END_DECLS
