/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/engine.h"
#include "app/model-file.h"
#include "seg/tensor/context.h"

static gboolean
read_facts (SegWeights *weights, const char *path, AppTrainPlan *plan, char ***labels,
            GError **error)
{
  const char *json = seg_weights_get_metadata (weights, "plan");
  const char *names = seg_weights_get_metadata (weights, "labels");
  g_auto (GStrv) found = NULL;
  AppTrainPlan read;

  if (json == NULL || names == NULL)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "%s: not a specialist of this program (it says neither how it was trained nor "
                   "its labels)",
                   path);
      return FALSE;
    }
  if (!app_train_plan_from_json (&read, json, error))
    {
      g_prefix_error (error, "%s: ", path);
      return FALSE;
    }
  found = g_strsplit (names, "\n", -1);
  if ((int) g_strv_length (found) != read.params.n_classes - 1)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: %u label names for %d classes", path,
                   g_strv_length (found), read.params.n_classes - 1);
      app_train_plan_clear (&read);
      return FALSE;
    }
  if (plan != NULL)
    *plan = read;
  else
    app_train_plan_clear (&read);
  if (labels != NULL)
    *labels = g_steal_pointer (&found);
  return TRUE;
}

gboolean
app_model_read_facts (const char *path, AppTrainPlan *plan, char ***labels, GError **error)
{
  g_autoptr (SegWeights) weights = seg_weights_load (path, error);

  return weights != NULL && read_facts (weights, path, plan, labels, error);
}

AppModel *
app_model_open (const char *path, GError **error)
{
  g_autoptr (SegWeights) weights = seg_weights_load (path, error);
  g_autoptr (AppModel) self = g_new0 (AppModel, 1);
  g_autoptr (SegContext) context = NULL;
  SegMethodParams params;

  if (weights == NULL || !read_facts (weights, path, &self->plan, &self->labels, error))
    return NULL;
  context = app_engine_new_context (0, error);
  if (context == NULL)
    return NULL;
  /* One network is enough to predict with: no teacher is made. */
  params = self->plan.params;
  params.predict_with_teacher = FALSE;
  self->method = seg_method_new ("sup-only", &params, context, error);
  if (self->method == NULL || !seg_method_read_model (self->method, weights, error))
    {
      g_prefix_error (error, "%s: ", path);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
app_model_free (AppModel *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->method, seg_method_free);
  g_strfreev (self->labels);
  app_train_plan_clear (&self->plan);
  g_free (self);
}
