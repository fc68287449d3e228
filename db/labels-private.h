/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/labels.h"

G_BEGIN_DECLS

/* What draft.c needs of DbLabels. */

/* (element-type guint32): the edits whose voxels @guard, of these labels, protects. */
GHashTable *db_labels_list_protected (DbLabels *self,
                                      VolumeEditGuard *guard) G_GNUC_WARN_UNUSED_RESULT;

/* @edit as it will lie on the disk, and @map with it; an edit without voxels is none. Any thread. */
gboolean db_labels_ready_edit (VolumeLabelMap *map, const VolumeEdit *edit, GBytes **runs,
                               GError **error);

/* As db_labels_commit_async(), of what a worker made ready on the labels of @version. */
void db_labels_commit_ready_async (DbLabels *self, VolumeEdit *edit, GBytes *runs,
                                   VolumeLabelMap *after, guint64 version, const DbEditInfo *info,
                                   GAsyncReadyCallback callback, gpointer user_data);

G_END_DECLS
