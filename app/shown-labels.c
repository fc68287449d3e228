/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/shown-labels.h"

#include "volume/mask.h"

#include <string.h>

struct _AppShownLabels
{
  VolumeLabelMap *map;
  GPtrArray *preview; /* VolumeEdit, in the order applied */
  gboolean stale; /* memory ended before a change was shown; the next sync looks at everything */
};

AppShownLabels *
app_shown_labels_new (VolumeLabelMap *map)
{
  AppShownLabels *self = g_new0 (AppShownLabels, 1);

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

/* Runs of equal labels of one box where the committed map differs from the shown one. */
static void
add_differences (VolumeEditBuilder *builder, const VolumeBox *box, const guint16 *wanted,
                 const guint16 *found)
{
  int n_i = box->hi[0] - box->lo[0];

  for (int k = box->lo[2]; k < box->hi[2]; k++)
    for (int j = box->lo[1]; j < box->hi[1]; j++, wanted += n_i, found += n_i)
      for (int i = 0; i < n_i;)
        {
          int start = i;

          if (wanted[i] == found[i])
            {
              i++;
              continue;
            }
          while (i < n_i && wanted[i] == wanted[start] && wanted[i] != found[i])
            i++;
          volume_edit_builder_set_run (builder, box->lo[0] + start, j, k, i - start, wanted[start]);
        }
}

static void
copy_box (AppShownLabels *self, const VolumeLabelMap *committed, const VolumeBox *box)
{
  gsize n = volume_box_get_n_voxels (box);
  g_autofree guint16 *wanted = g_new (guint16, MAX (n, 1));
  g_autofree guint16 *found = g_new (guint16, MAX (n, 1));
  g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (self->map, NULL);
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (GError) error = NULL;

  volume_label_map_read_box (committed, box, wanted);
  volume_label_map_read_box (self->map, box, found);
  add_differences (builder, box, wanted, found);
  edit = volume_edit_builder_end (builder, 1, VOLUME_PROVENANCE_NONE, "shown", &error);
  if (edit != NULL)
    apply (self, edit);
  else
    fall_behind (self, error);
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
  VolumeBox layer, all, changed = *box;
  int size[3];

  revert_preview (self, &changed);
  if (self->stale)
    {
      volume_label_map_get_size (self->map, size);
      all = volume_box_of_grid (size);
      box = &all;
      changed = all;
      self->stale = FALSE;
    }
  if (volume_box_is_empty (&changed))
    return;
  layer = *box;
  /* By layers: an import may change a whole large scan. */
  for (int k = box->lo[2]; k < box->hi[2] && !volume_box_is_empty (box); k++)
    {
      layer.lo[2] = k;
      layer.hi[2] = k + 1;
      copy_box (self, committed, &layer);
    }
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

VolumeLabelMap *
app_shown_labels_copy (const VolumeLabelSnapshot *snapshot, GError **error)
{
  int size[3];
  g_autoptr (VolumeLabelMap) map = NULL;
  VolumeBox box;
  g_autofree guint16 *wanted = NULL, *found = NULL;

  volume_label_snapshot_get_size (snapshot, size);
  map = volume_label_map_new (size, error);
  if (map == NULL)
    return NULL;
  wanted = g_new (guint16, (gsize) size[0] * size[1]);
  found = g_new0 (guint16, (gsize) size[0] * size[1]);
  box = volume_box_of_grid (size);
  for (int k = 0; k < size[2]; k++)
    {
      g_autoptr (VolumeEditBuilder) builder = NULL;
      g_autoptr (VolumeEdit) edit = NULL;

      box.lo[2] = k;
      box.hi[2] = k + 1;
      volume_label_snapshot_read_box (snapshot, &box, wanted);
      if (memcmp (wanted, found, (gsize) size[0] * size[1] * sizeof *found) == 0)
        continue; /* most slices of most scans */
      builder = volume_edit_builder_new (map, NULL);
      add_differences (builder, &box, wanted, found);
      edit = volume_edit_builder_end (builder, 1, VOLUME_PROVENANCE_NONE, "shown", error);
      if (edit == NULL || !volume_label_map_apply_edit (map, edit, error))
        return NULL;
    }
  return g_steal_pointer (&map);
}
