/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/labels.h"

G_BEGIN_DECLS

/**
 * DbDraft:
 *
 * An edit of many voxels on its way (I8): it is built on a worker, on the labels and the guard (I4) as
 * they were when it began, and made ready there for disk and map, so that committing it costs the
 * labels' thread next to nothing.
 *
 * Threads: made, asked and committed on the labels' thread; in between one other has it.
 */
typedef struct _DbDraft DbDraft;

DbDraft *db_draft_new (DbLabels *labels, VolumeProvenance provenance, const char *tool,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
void db_draft_free (DbDraft *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DbDraft, db_draft_free)

/* The worker's: the labels to look at, and the builder of the edit. */
const VolumeLabelMap *db_draft_get_map (DbDraft *self);
VolumeEditBuilder *db_draft_get_builder (DbDraft *self);
/* Ends the builder. */
gboolean db_draft_finish (DbDraft *self, GError **error);
gsize db_draft_get_n_voxels (DbDraft *self);

/* Whether the labels are as they were. A draft of others is one to be built again. */
gboolean db_draft_is_current (DbDraft *self);
/* As db_labels_commit_async(), answered by db_labels_finish(); not for a draft without voxels. */
void db_draft_commit_async (DbDraft *self, const DbEditInfo *info, GAsyncReadyCallback callback,
                            gpointer user_data);

G_END_DECLS
