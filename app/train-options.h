/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/flow-train.h"

G_BEGIN_DECLS

/* The options of a training, for train and simulate. */
typedef struct
{
  char *method, *profile, *generalist;
  gint64 n_steps, seed;
  double minutes;
  gboolean parity;
  char **settings;
} AppTrainOptions;

void app_train_options_init (AppTrainOptions *self);
/* Adds them as a group of @context; @self stays where it is. */
void app_train_options_add_to (AppTrainOptions *self, GOptionContext *context);
/* Strings of @request belong to @self. */
gboolean app_train_options_read (AppTrainOptions *self, AppTrainRequest *request, GError **error);

G_END_DECLS
