/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/prompter.h"

#include "volume/memory.h"

G_DEFINE_INTERFACE (AppPrompter, app_prompter, G_TYPE_OBJECT)

static gsize
box_n_voxels (const VolumeBox *box)
{
  gsize n = 1;

  for (int axis = 0; axis < 3; axis++)
    n *= MAX (box->hi[axis] - box->lo[axis], 0);
  return n;
}

AppPromptAnswer *
app_prompt_answer_new (const VolumeBox *box, int n_masks, GError **error)
{
  g_autoptr (AppPromptAnswer) self = g_new0 (AppPromptAnswer, 1);

  g_assert (n_masks >= 1 && n_masks <= (int) G_N_ELEMENTS (self->masks));
  self->box = *box;
  self->n_masks = n_masks;
  for (int m = 0; m < n_masks; m++)
    {
      self->masks[m] = volume_memory_try0 (box_n_voxels (box), 1, error);
      if (self->masks[m] == NULL)
        return NULL;
    }
  return g_steal_pointer (&self);
}

void
app_prompt_answer_free (AppPromptAnswer *self)
{
  if (self == NULL)
    return;
  for (gsize m = 0; m < G_N_ELEMENTS (self->masks); m++)
    g_free (self->masks[m]);
  g_free (self);
}

static void
app_prompter_default_init (AppPrompterInterface *iface)
{
}

const char *
app_prompter_get_missing (AppPrompter *self)
{
  return APP_PROMPTER_GET_IFACE (self)->get_missing (self);
}

const char *
app_prompter_get_name (AppPrompter *self)
{
  return APP_PROMPTER_GET_IFACE (self)->get_name (self);
}

void
app_prompter_prefetch (AppPrompter *self, VolumeScan *scan, VolumePlane plane, int index)
{
  AppPrompterInterface *iface = APP_PROMPTER_GET_IFACE (self);

  if (iface->prefetch != NULL)
    iface->prefetch (self, scan, plane, index);
}

void
app_prompter_answer_async (AppPrompter *self, VolumeScan *scan, const VolumePrompt *prompt,
                           const AppPromptAnswer *previous, int previous_mask,
                           GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  APP_PROMPTER_GET_IFACE (self)->answer_async (self, scan, prompt, previous, previous_mask,
                                               cancellable, callback, user_data);
}

AppPromptAnswer *
app_prompter_answer_finish (AppPrompter *self, GAsyncResult *result, GError **error)
{
  return APP_PROMPTER_GET_IFACE (self)->answer_finish (self, result, error);
}

gboolean
app_prompter_can_propagate (AppPrompter *self)
{
  return APP_PROMPTER_GET_IFACE (self)->propagate_async != NULL;
}

void
app_prompter_propagate_async (AppPrompter *self, VolumeScan *scan, VolumePlane plane,
                              const AppPromptAnswer *from, int from_mask, int n_slices,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  APP_PROMPTER_GET_IFACE (self)->propagate_async (self, scan, plane, from, from_mask, n_slices,
                                                  cancellable, callback, user_data);
}

AppPromptAnswer *
app_prompter_propagate_finish (AppPrompter *self, GAsyncResult *result, GError **error)
{
  return APP_PROMPTER_GET_IFACE (self)->propagate_finish (self, result, error);
}
