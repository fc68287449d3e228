/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/edit.h"
#include "volume/geometry.h"

G_BEGIN_DECLS

/**
 * VolumeLabelMap:
 *
 * The label of each voxel of a scan (0…65535, 0 is background or, outside the labelled domain,
 * nothing: I3) and, for each voxel, the id of the edit that set it (0 for none), from which its
 * provenance follows. Kept in tiles of 32³; a tile that was never touched takes no memory, labels
 * take one byte each until one above 255 is written to the tile.
 *
 * Threads: owned by one thread. Others get a VolumeLabelSnapshot, which shares tiles copy-on-write.
 */
VolumeLabelMap *volume_label_map_new (const int size[3], GError **error) G_GNUC_WARN_UNUSED_RESULT;
VolumeLabelMap *volume_label_map_ref (VolumeLabelMap *self);
void volume_label_map_unref (VolumeLabelMap *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VolumeLabelMap, volume_label_map_unref)

void volume_label_map_get_size (const VolumeLabelMap *self, int size[3]);
guint16 volume_label_map_get (const VolumeLabelMap *self, int i, int j, int k);
guint32 volume_label_map_get_edit_id (const VolumeLabelMap *self, int i, int j, int k);

/* Labels of a box, i fastest; voxels outside the grid read 0. */
void volume_label_map_read_box (const VolumeLabelMap *self, const VolumeBox *box, guint16 *dst);
void volume_label_map_read_edit_ids (const VolumeLabelMap *self, const VolumeBox *box,
                                     guint32 *dst);

/**
 * volume_label_map_apply_edit:
 *
 * Writes the edit's after (or, for revert, before) state. The map must be in the edit's before
 * (after) state: an edit is exact, not a wish.
 *
 * Returns: %FALSE with VOLUME_ERROR_MISMATCH if it is not; nothing was then changed.
 */
gboolean volume_label_map_apply_edit (VolumeLabelMap *self, const VolumeEdit *edit, GError **error);
gboolean volume_label_map_revert_edit (VolumeLabelMap *self, const VolumeEdit *edit,
                                       GError **error);

/* Grows with every change; equal versions mean equal contents. */
guint64 volume_label_map_get_version (const VolumeLabelMap *self);
/* Smallest box holding every voxel changed since @version (empty if none). */
VolumeBox volume_label_map_get_dirty_box (const VolumeLabelMap *self, guint64 version);

/* Voxels of each label, as gsize [65536], kept up to date by apply and revert. */
const gsize *volume_label_map_get_counts (const VolumeLabelMap *self);

/* A map of its own with the same labels and edit ids. The two share tiles until one is written to, on
 * whatever thread: for large changes that are made elsewhere. O(tiles). */
VolumeLabelMap *volume_label_map_copy (const VolumeLabelMap *self,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* @self, which differs from @other inside @box alone, becomes as it is and shares its tiles. O(tiles);
 * needs no memory for them. */
void volume_label_map_become (VolumeLabelMap *self, const VolumeLabelMap *other,
                              const VolumeBox *box);

/* An immutable picture of now; O(tiles). */
VolumeLabelSnapshot *volume_label_map_snapshot (VolumeLabelMap *self,
                                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
VolumeLabelSnapshot *volume_label_snapshot_ref (VolumeLabelSnapshot *self);
void volume_label_snapshot_unref (VolumeLabelSnapshot *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VolumeLabelSnapshot, volume_label_snapshot_unref)
void volume_label_snapshot_get_size (const VolumeLabelSnapshot *self, int size[3]);
void volume_label_snapshot_read_box (const VolumeLabelSnapshot *self, const VolumeBox *box,
                                     guint16 *dst);
void volume_label_snapshot_read_edit_ids (const VolumeLabelSnapshot *self, const VolumeBox *box,
                                          guint32 *dst);

G_END_DECLS
