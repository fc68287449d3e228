/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "db/draft.h"

#include "db/labels-private.h"

struct _DbDraft
{
  DbLabels *labels;
  guint64 version; /* of the labels it is built on */
  VolumeProvenance provenance;
  char *tool;
  guint32 id;

  VolumeLabelMap *map; /* the labels then; once finished, with the edit */
  GHashTable *protected_ids;
  VolumeEditBuilder *builder;
  VolumeEdit *edit;
  GBytes *runs;
};

static gboolean
is_protected_cb (guint32 edit_id, gpointer user_data)
{
  return g_hash_table_contains (user_data, GUINT_TO_POINTER (edit_id));
}

DbDraft *
db_draft_new (DbLabels *labels, VolumeProvenance provenance, const char *tool, GError **error)
{
  VolumeLabelMap *map = volume_label_map_copy (db_labels_get_map (labels), error);
  VolumeEditGuard guard;
  DbDraft *self;

  if (map == NULL)
    return NULL;
  self = g_new0 (DbDraft, 1);
  self->labels = g_object_ref (labels);
  self->version = volume_label_map_get_version (db_labels_get_map (labels));
  self->provenance = provenance;
  self->tool = g_strdup (tool);
  self->id = db_labels_reserve_id (labels);
  self->map = map;
  db_labels_init_guard (labels, provenance, FALSE, &guard);
  self->protected_ids = db_labels_list_protected (labels, &guard);
  guard.is_hand = is_protected_cb;
  guard.user_data = self->protected_ids;
  self->builder = volume_edit_builder_new (map, &guard);
  return self;
}

void
db_draft_free (DbDraft *self)
{
  if (self == NULL)
    return;
  g_object_unref (self->labels);
  volume_edit_builder_free (self->builder);
  volume_edit_unref (self->edit);
  g_clear_pointer (&self->runs, g_bytes_unref);
  g_hash_table_unref (self->protected_ids);
  volume_label_map_unref (self->map);
  g_free (self->tool);
  g_free (self);
}

const VolumeLabelMap *
db_draft_get_map (DbDraft *self)
{
  return self->map;
}

VolumeEditBuilder *
db_draft_get_builder (DbDraft *self)
{
  return self->builder;
}

gboolean
db_draft_finish (DbDraft *self, GError **error)
{
  self->edit = volume_edit_builder_end (self->builder, self->id, self->provenance, self->tool, error);
  return self->edit != NULL && db_labels_ready_edit (self->map, self->edit, &self->runs, error);
}

gsize
db_draft_get_n_voxels (DbDraft *self)
{
  return self->edit != NULL ? volume_edit_get_n_voxels (self->edit) : 0;
}

gboolean
db_draft_is_current (DbDraft *self)
{
  return !db_labels_get_busy (self->labels)
         && self->version == volume_label_map_get_version (db_labels_get_map (self->labels));
}

void
db_draft_commit_async (DbDraft *self, const DbEditInfo *info, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_return_if_fail (db_draft_get_n_voxels (self) > 0);

  db_labels_commit_ready_async (self->labels, self->edit, self->runs, self->map, self->version, info,
                                callback, user_data);
}
