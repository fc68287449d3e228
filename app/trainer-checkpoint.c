/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/trainer-private.h"
#include "volume/memory.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define CHECKPOINT "checkpoint"
#define BEST "best-"
#define N_AHEAD 2

/* Also after a step that was torn off: as it was before it. */
gboolean
app_trainer_save_checkpoint (AppTrainer *self, GError **error)
{
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_new ();
  g_autofree char *note = NULL;
  g_autofree char *order = self->order_before != NULL ? g_strdup (self->order_before)
                                                      : seg_loader_order_to_string (self->loader);

  if (self->saved_step == seg_method_get_step (self->method)
      && self->saved_validated == self->validated_step
      && self->saved_refreshed == self->refreshed_step
      && self->saved_selected == self->selected_step)
    return TRUE;
  if (self->hooks.saving != NULL && !self->hooks.saving (self->hooks.data, error))
    return FALSE;
  note = self->hooks.note != NULL ? self->hooks.note (self->hooks.data) : NULL;
  if (!seg_method_save (self->method, checkpoint, error))
    return FALSE;
  seg_checkpoint_set_string (checkpoint, "order", order);
  seg_checkpoint_set_int (checkpoint, "refreshes", self->n_refreshed);
  seg_checkpoint_set_int (checkpoint, "validated", self->validated_step);
  seg_checkpoint_set_int (checkpoint, "refreshed", self->refreshed_step);
  seg_checkpoint_set_int (checkpoint, "selection", self->selected_step);
  seg_checkpoint_set_string (checkpoint, "best", self->best_file != NULL ? self->best_file : "");
  seg_checkpoint_set_double (checkpoint, "best_dice",
                             self->best_file != NULL ? self->best_dice : 0);
  seg_checkpoint_set_string (checkpoint, "note", note != NULL ? note : "");
  seg_checkpoint_set_string (checkpoint, "pseudo",
                             self->pseudo_file != NULL ? self->pseudo_file : "");
  seg_checkpoint_set_double (checkpoint, "seconds", app_trainer_get_seconds (self));
  if (!seg_checkpoint_save (checkpoint, self->folder, CHECKPOINT, error))
    {
      g_prefix_error (error,
                      _ ("The checkpoint could not be written; the one before it is whole: "));
      return FALSE;
    }
  self->saved_step = seg_method_get_step (self->method);
  self->saved_validated = self->validated_step;
  self->saved_refreshed = self->refreshed_step;
  self->saved_selected = self->selected_step;
  if (self->hooks.checkpoint != NULL)
    self->hooks.checkpoint (self->saved_step, self->hooks.data);
  return TRUE;
}

static char *
pseudo_name (const AppRoundScan *scan)
{
  return g_strdup_printf ("scan-%" G_GINT64_FORMAT, scan->id);
}

/* All pseudo-labels in one file; the one before stays until a checkpoint names the new. */
gboolean
app_trainer_save_pseudo (AppTrainer *self, GError **error)
{
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();
  g_autofree char *name = g_strdup_printf ("pseudo-%d.safetensors", self->n_refreshed);
  g_autofree char *path = g_build_filename (self->folder, name, NULL);
  g_autofree char *old = g_steal_pointer (&self->pseudo_file);

  for (gsize i = 0; i < self->n_training; i++)
    {
      const AppRoundScan *scan = self->training[i];
      g_autofree char *key = pseudo_name (scan);
      int size[3];

      if (scan->pseudo == NULL)
        continue;
      seg_prepared_get_size (scan->prepared, size);
      seg_weights_writer_add (writer, key, SEG_WEIGHT_U8, 3,
                              (const gint64[]){ size[0], size[1], size[2] }, scan->pseudo);
    }
  if (!seg_weights_writer_save (writer, path, error))
    {
      self->pseudo_file = g_steal_pointer (&old);
      return FALSE;
    }
  self->pseudo_file = g_steal_pointer (&name);
  self->saved_step = -1;
  if (!app_trainer_save_checkpoint (self, error))
    return FALSE;
  if (old != NULL && g_strcmp0 (old, self->pseudo_file) != 0)
    {
      g_autofree char *old_path = g_build_filename (self->folder, old, NULL);

      g_unlink (old_path);
    }
  return TRUE;
}

/* The file before stays until a checkpoint names the new one. */
gboolean
app_trainer_keep_best (AppTrainer *self, GError **error)
{
  g_autoptr (SegWeightsWriter) writer = NULL;
  g_autofree char *old = NULL, *path = NULL;

  if (!self->plan->keep_best || isnan (self->dice)
      || (self->best_file != NULL && self->dice <= self->best_dice))
    return TRUE;
  writer = seg_weights_writer_new ();
  old = g_steal_pointer (&self->best_file);
  self->best_file =
      g_strdup_printf (BEST "%" G_GINT64_FORMAT ".safetensors", seg_method_get_step (self->method));
  self->best_dice = self->dice;
  path = g_build_filename (self->folder, self->best_file, NULL);
  self->saved_step = -1;
  if (!seg_method_write_model (self->method, writer, error)
      || !seg_weights_writer_save (writer, path, error)
      || !app_trainer_save_checkpoint (self, error))
    return FALSE;
  if (old != NULL)
    {
      g_autofree char *old_path = g_build_filename (self->folder, old, NULL);

      g_unlink (old_path);
    }
  return TRUE;
}

gboolean
app_trainer_take_best (AppTrainer *self, GError **error)
{
  g_autoptr (SegWeights) weights = NULL;
  g_autofree char *path = NULL;

  if (self->best_file == NULL)
    return TRUE;
  path = g_build_filename (self->folder, self->best_file, NULL);
  weights = seg_weights_load (path, error);
  return weights != NULL && seg_method_read_model (self->method, weights, error);
}

static gboolean
load_pseudo (AppTrainer *self, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (self->folder, name, NULL);
  g_autoptr (SegWeights) weights = seg_weights_load (path, error);

  if (weights == NULL)
    return FALSE;
  for (gsize i = 0; i < self->n_training; i++)
    {
      AppRoundScan *scan = self->training[i];
      g_autofree char *key = pseudo_name (scan);
      const SegWeight *weight = seg_weights_find (weights, key);

      if (weight == NULL)
        continue;
      if (weight->size_bytes != seg_prepared_get_n_voxels (scan->prepared))
        {
          g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                       "%s: the generalist's labels of scan %s are of another size", name,
                       scan->name);
          return FALSE;
        }
      g_free (scan->pseudo);
      scan->pseudo = volume_memory_try (weight->size_bytes, 1, error);
      if (scan->pseudo == NULL)
        return FALSE;
      memcpy (scan->pseudo, weight->data, weight->size_bytes);
      self->cases[i].pseudo = scan->pseudo;
    }
  self->pseudo_file = g_strdup (name);
  return TRUE;
}

static SegLoader *
new_loader (AppTrainer *self, SegTwoStream *order)
{
  SegPatchParams patch;

  seg_method_get_patch_params (self->method, &patch);
  patch.foreground_share = self->plan->foreground_share;
  return seg_loader_new (&patch, self->cases, self->n_training, order, self->plan->params.seed,
                         N_AHEAD);
}

void
app_trainer_list_cases (const AppTrainer *self, guint32 *labelled, gsize *n_labelled,
                        guint32 *unlabelled, gsize *n_unlabelled)
{
  *n_labelled = *n_unlabelled = 0;
  for (gsize i = 0; i < self->n_training; i++)
    if (self->training[i]->label != NULL)
      labelled[(*n_labelled)++] = (guint32) i;
    else
      unlabelled[(*n_unlabelled)++] = (guint32) i;
}

static SegTwoStream *
new_order (AppTrainer *self)
{
  const SegMethodParams *params = &self->plan->params;
  SegTwoStream *order =
      seg_two_stream_new (params->seed, params->batch_labelled, params->batch_unlabelled);
  g_autofree guint32 *labelled = g_new (guint32, self->n_training);
  g_autofree guint32 *unlabelled = g_new (guint32, self->n_training);
  gsize n_labelled, n_unlabelled;

  app_trainer_list_cases (self, labelled, &n_labelled, unlabelled, &n_unlabelled);
  seg_two_stream_set_cases (order, labelled, n_labelled, unlabelled, n_unlabelled);
  return order;
}

static gboolean
resume (AppTrainer *self, SegCheckpoint *checkpoint, GError **error)
{
  g_autoptr (SegTwoStream) order = NULL;
  const char *order_text, *pseudo, *note, *best;
  gint64 n_refreshed;

  if (!seg_method_load (self->method, checkpoint, error)
      || !seg_checkpoint_get_string (checkpoint, "order", &order_text, error)
      || !seg_checkpoint_get_int (checkpoint, "refreshes", &n_refreshed, error)
      || !seg_checkpoint_get_int (checkpoint, "validated", &self->validated_step, error)
      || !seg_checkpoint_get_int (checkpoint, "refreshed", &self->refreshed_step, error)
      || !seg_checkpoint_get_int (checkpoint, "selection", &self->selected_step, error)
      || !seg_checkpoint_get_string (checkpoint, "best", &best, error)
      || !seg_checkpoint_get_double (checkpoint, "best_dice", &self->best_dice, error)
      || !seg_checkpoint_get_string (checkpoint, "note", &note, error)
      || !seg_checkpoint_get_string (checkpoint, "pseudo", &pseudo, error)
      || !seg_checkpoint_get_double (checkpoint, "seconds", &self->seconds_before, error))
    return FALSE;
  self->n_refreshed = (int) n_refreshed;
  if (*best != '\0')
    self->best_file = g_strdup (best);
  else
    self->best_dice = NAN;
  if (self->hooks.noted != NULL
      && (!self->hooks.noted (note, self->hooks.data, error)
          || !app_trainer_take_labels (self, error)))
    return FALSE;
  if (*pseudo != '\0' && !load_pseudo (self, pseudo, error))
    return FALSE;
  order = seg_two_stream_from_string (order_text, error);
  if (order == NULL)
    return FALSE;
  self->loader = new_loader (self, order);
  self->saved_step = seg_method_get_step (self->method);
  self->saved_validated = self->validated_step;
  self->saved_refreshed = self->refreshed_step;
  self->saved_selected = self->selected_step;
  return TRUE;
}

gboolean
app_trainer_begin_or_resume (AppTrainer *self, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_load (self->folder, CHECKPOINT, &local);
  g_autoptr (SegTwoStream) order = NULL;

  if (self->loader != NULL)
    return TRUE;
  if (checkpoint != NULL)
    return resume (self, checkpoint, error);
  if (!g_error_matches (local, SEG_ERROR, SEG_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  order = new_order (self);
  self->loader = new_loader (self, order);
  return TRUE;
}

gboolean
app_trainer_has_checkpoint (const char *folder)
{
  g_autofree char *path = g_build_filename (folder, CHECKPOINT ".json", NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

void
app_trainer_remove_checkpoint (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  seg_checkpoint_remove (folder, CHECKPOINT, NULL);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (name, "pseudo-") || g_str_has_prefix (name, BEST))
      {
        g_autofree char *path = g_build_filename (folder, name, NULL);

        g_unlink (path);
      }
}
