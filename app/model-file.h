/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/trainer.h"

G_BEGIN_DECLS

/**
 * AppModel: a specialist from its file, ready to predict.
 *
 * @plan: how it was trained; its preprocess is what a scan must go through
 * @labels: names of its classes 1 … K − 1
 *
 * Threads: the engine thread.
 */
typedef struct
{
  AppTrainPlan plan;
  char **labels;
  SegMethod *method;
} AppModel;

/* Any file that this program did not write is refused with what is missing. */
AppModel *app_model_open (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void app_model_free (AppModel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppModel, app_model_free)

/* The facts without the weights; any thread. @plan and @labels may be NULL. */
gboolean app_model_read_facts (const char *path, AppTrainPlan *plan, char ***labels,
                               GError **error);

G_END_DECLS
