/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/train-options.h"

void
app_train_options_init (AppTrainOptions *self)
{
  *self = (AppTrainOptions){ .seed = -1 };
}

void
app_train_options_add_to (AppTrainOptions *self, GOptionContext *context)
{
  const GOptionEntry entries[] = {
    { "method", 0, 0, G_OPTION_ARG_STRING, &self->method,
      "gm-abs (the default), mean-teacher, ua-mt or sup-only", "M" },
    { "profile", 0, 0, G_OPTION_ARG_STRING, &self->profile,
      "laptop: minutes on two cores; paper: the papers' sizes and steps", "laptop|paper" },
    { "steps", 0, 0, G_OPTION_ARG_INT64, &self->n_steps, "Training steps (by the profile)", "N" },
    { "minutes", 0, 0, G_OPTION_ARG_DOUBLE, &self->minutes,
      "Time for the round, from which the laptop profile takes its steps", "T" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &self->seed, "Seed (the number of the round)", "S" },
    { "generalist", 0, 0, G_OPTION_ARG_FILENAME, &self->generalist,
      "Weights of the generalist, or “rule” for the one without (the built-in network)", "FILE" },
    { "parity", 0, 0, G_OPTION_ARG_NONE, &self->parity,
      "The released code to the letter, its accidents included", NULL },
    { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &self->settings,
      "One number of the plan, as the round's parameters name it: lr=0.001", "NAME=VALUE" },
    { NULL },
  };
  GOptionGroup *group =
      g_option_group_new ("training", "Training:", "Options of the training", NULL, NULL);

  g_option_group_add_entries (group, entries);
  g_option_context_add_group (context, group);
}

gboolean
app_train_options_read (AppTrainOptions *self, AppTrainRequest *request, GError **error)
{
  *request = (AppTrainRequest){ .method = self->method != NULL ? self->method : "gm-abs",
                                .parity = self->parity,
                                .n_steps = self->n_steps,
                                .seconds = self->minutes * 60,
                                .seed = self->seed,
                                .generalist = self->generalist,
                                .settings = (const char *const *) self->settings };
  if (seg_method_find (request->method) == NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "there is no method “%s”",
                   request->method);
      return FALSE;
    }
  if (self->profile != NULL && !app_profile_from_name (self->profile, &request->profile))
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                           "--profile is laptop or paper");
      return FALSE;
    }
  if (self->n_steps < 0 || self->minutes < 0)
    {
      g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                           "--steps and --minutes are above 0");
      return FALSE;
    }
  return TRUE;
}
