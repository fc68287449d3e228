/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/store.h"
#include "volume/edit.h"
#include "volume/label-map.h"

G_BEGIN_DECLS

/**
 * DbLabels:
 *
 * The open label map of one case, where it stands in its history, and the only way to change it.
 * A change shows in the map at once and is finished when its callback says so (I2); if it cannot
 * be committed it is taken back out of the map together with what was built on it, and the
 * callback of each says why.
 *
 * Undo order is per case; a new edit after an undo keeps the old branch in the history (I9).
 *
 * Properties: can-undo, can-redo, head (gint64, the edit it stands at).
 * Signals: "changed" (VolumeBox *box): voxels in the box may be different now.
 * Threads: belongs to the thread of its store.
 */
#define DB_TYPE_LABELS (db_labels_get_type ())
G_DECLARE_FINAL_TYPE (DbLabels, db_labels, DB, LABELS, GObject)

DbLabels *db_labels_open (DbStore *store, gint64 case_id, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void db_labels_open_async (DbStore *store, gint64 case_id, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);
DbLabels *db_labels_open_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

DbStore *db_labels_get_store (DbLabels *self);
gint64 db_labels_get_case_id (DbLabels *self);
/* (transfer none): look, build edits on it, never apply one to it yourself. */
VolumeLabelMap *db_labels_get_map (DbLabels *self);
gint64 db_labels_get_head (DbLabels *self);
/* The edit that redo would do again; 0 for none. */
gint64 db_labels_get_next (DbLabels *self);
gboolean db_labels_get_can_undo (DbLabels *self);
gboolean db_labels_get_can_redo (DbLabels *self);
/* TRUE while an undo, redo or jump is on its way to the disk; edits wait for it. */
gboolean db_labels_get_busy (DbLabels *self);

/* An id for volume_edit_builder_end(): unique in the project, never given twice. */
guint32 db_labels_reserve_id (DbLabels *self);

/* Where a voxel's label came from; edits of this case only. */
VolumeProvenance db_labels_get_provenance (DbLabels *self, guint32 edit_id);
/* The same of every edit of every branch: pairs of guint32, id and VolumeProvenance. */
GBytes *db_labels_get_origins (DbLabels *self) G_GNUC_WARN_UNUSED_RESULT;
/* What an edit of @provenance may not touch now (I4): locked labels; voxels set by hand, for a
 * model's edit, unless @over_hand. Valid until the store's labels change; keeps @self alive no
 * longer than the caller does. db_labels_commit_*() check it again. */
void db_labels_init_guard (DbLabels *self, VolumeProvenance provenance, gboolean over_hand,
                           VolumeEditGuard *guard);

/* How an edit is remembered. */
typedef struct
{
  const char *detail; /* JSON: the prompt, the tool's settings; or NULL */
  gint64 round; /* of the model that made it, or 0 */
  gboolean over_hand; /* the person asked that a model's edit may change hand-set voxels (I4) */
} DbEditInfo;

/* @edit was built on the map as it is now. An edit without runs is refused with DB_ERROR_NOTHING.
 * @info may be NULL. */
void db_labels_commit_async (DbLabels *self, VolumeEdit *edit, const DbEditInfo *info,
                             GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);
void db_labels_undo_async (DbLabels *self, GAsyncReadyCallback callback, gpointer user_data);
void db_labels_redo_async (DbLabels *self, GAsyncReadyCallback callback, gpointer user_data);
/* To any edit of the history, of any branch; 0 is the empty start. */
void db_labels_jump_async (DbLabels *self, gint64 edit_id, GAsyncReadyCallback callback,
                           gpointer user_data);
/* Takes that edit back and leaves what came after it (I9): a new edit. */
void db_labels_revert_async (DbLabels *self, gint64 edit_id, GAsyncReadyCallback callback,
                             gpointer user_data);
/* For all five: the edit the labels stand at, −1 with an error (DB_ERROR_NOTHING: no more). */
gint64 db_labels_finish (DbLabels *self, GAsyncResult *result, GError **error);

/* The same, waiting. */
gint64 db_labels_commit (DbLabels *self, VolumeEdit *edit, const DbEditInfo *info, GError **error);
/* @also is finished with the edit or not at all; taken over. */
gint64 db_labels_commit_with (DbLabels *self, VolumeEdit *edit, const DbEditInfo *info,
                              DbWrite *also, GError **error);
gint64 db_labels_undo (DbLabels *self, GError **error);
gint64 db_labels_redo (DbLabels *self, GError **error);
gint64 db_labels_jump (DbLabels *self, gint64 edit_id, GError **error);
gint64 db_labels_revert (DbLabels *self, gint64 edit_id, GError **error);

/* (transfer full): the case's history as a live list of DbEdit, oldest first, all branches. */
void db_labels_get_history_async (DbLabels *self, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
GListModel *db_labels_get_history_finish (DbLabels *self, GAsyncResult *result,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
GListModel *db_labels_get_history (DbLabels *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
