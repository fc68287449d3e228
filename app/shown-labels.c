/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/shown-labels.h"

#include "volume/mask.h"

struct _AppShownLabels
{
  VolumeLabelMap *map;
  GPtrArray *preview; /* VolumeEdit, in the order applied */
  gboolean stale; /* memory ended before a change was shown; the next sync looks at everything */
};

AppShownLabels *
app_shown_labels_new (const VolumeLabelMap *committed, GError **error)
{
  VolumeLabelMap *map = volume_label_map_copy (committed, error);
  AppShownLabels *self;

  if (map == NULL)
    return NULL;
  self = g_new0 (AppShownLabels, 1);
  self->map = map;
  self->preview = g_ptr_array_new_with_free_func ((GDestroyNotify) volume_edit_unref);
  return self;
}

void
app_shown_labels_free (AppShownLabels *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->preview);
  volume_label_map_unref (self->map);
  g_free (self);
}

VolumeLabelMap *
app_shown_labels_get_map (AppShownLabels *self)
{
  return self->map;
}

/* What is shown is not what is kept: it may lag behind, nothing is lost. */
static void
fall_behind (AppShownLabels *self, const GError *error)
{
  g_message ("shown labels: %s", error->message);
  self->stale = TRUE;
}

static gboolean
apply (AppShownLabels *self, VolumeEdit *edit)
{
  g_autoptr (GError) error = NULL;

  if (volume_label_map_apply_edit (self->map, edit, &error))
    return TRUE;
  fall_behind (self, error);
  return FALSE;
}

/* @changed grows by what the pieces covered: a stroke has hundreds, the views are told once. */
static void
revert_preview (AppShownLabels *self, VolumeBox *changed)
{
  while (self->preview->len > 0)
    {
      g_autoptr (VolumeEdit) edit = g_ptr_array_steal_index (self->preview, self->preview->len - 1);
      g_autoptr (GError) error = NULL;
      VolumeBox box = volume_edit_get_box (edit);

      if (!volume_label_map_revert_edit (self->map, edit, &error))
        fall_behind (self, error);
      volume_box_join (changed, &box);
    }
}

void
app_shown_labels_sync (AppShownLabels *self, const VolumeLabelMap *committed, const VolumeBox *box,
                       UiViewState *state)
{
  VolumeBox changed = *box;
  int size[3];

  revert_preview (self, &changed);
  if (self->stale)
    {
      volume_label_map_get_size (self->map, size);
      changed = volume_box_of_grid (size);
      self->stale = FALSE;
    }
  if (volume_box_is_empty (&changed))
    return;
  volume_label_map_become (self->map, committed, &changed);
  ui_view_state_labels_changed (state, &changed);
}

void
app_shown_labels_preview (AppShownLabels *self, VolumeEdit *edit, UiViewState *state)
{
  g_autoptr (VolumeEdit) owned = edit;
  VolumeBox box;

  if (edit == NULL || volume_edit_get_n_voxels (edit) == 0 || !apply (self, edit))
    return;
  box = volume_edit_get_box (edit);
  g_ptr_array_add (self->preview, g_steal_pointer (&owned));
  ui_view_state_labels_changed (state, &box);
}

void
app_shown_labels_drop_preview (AppShownLabels *self, UiViewState *state)
{
  VolumeBox changed = { { 0 } };

  revert_preview (self, &changed);
  if (!volume_box_is_empty (&changed))
    ui_view_state_labels_changed (state, &changed);
}
