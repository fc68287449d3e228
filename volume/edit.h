/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/volume-types.h"

G_BEGIN_DECLS

/**
 * VolumeEdit:
 *
 * One finished gesture on one label map: an invertible list of runs along i, each with the labels
 * and edit ids it found and the label it leaves. Applied, reverted and applied again it gives the
 * same map bit for bit (I9). Immutable, reference-counted (atomic).
 */
typedef struct
{
  int i, j, k; /* first voxel */
  guint32 length; /* voxels along i */
  guint16 before, after; /* label found, label left */
  guint32 before_edit_id; /* edit that had set these voxels, 0 for none */
  guint32 after_edit_id; /* this edit, except where a selective undo gives voxels back */
} VolumeEditRun;

VolumeEdit *volume_edit_ref (VolumeEdit *self);
void volume_edit_unref (VolumeEdit *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VolumeEdit, volume_edit_unref)

guint32 volume_edit_get_id (const VolumeEdit *self);
VolumeProvenance volume_edit_get_provenance (const VolumeEdit *self);
const char *volume_edit_get_tool (const VolumeEdit *self); /* "brush", "flood", "prompt", … */
VolumeBox volume_edit_get_box (const VolumeEdit *self); /* empty for an edit without runs */
gsize volume_edit_get_n_voxels (const VolumeEdit *self);
const VolumeEditRun *volume_edit_get_runs (const VolumeEdit *self, gsize *n_runs);

/* An edit from runs (copied): for snapshots and tests. Runs must not overlap. A run whose label
 * stays but whose edit id changes is a change too. */
VolumeEdit *volume_edit_new_from_runs (guint32 id, VolumeProvenance provenance, const char *tool,
                                       const VolumeEditRun *runs, gsize n_runs,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The whole content of @map as one edit (id 0) on an empty map, edit ids included: applied to an
 * empty map it gives the same map. The store's snapshots are this, serialized. */
VolumeEdit *volume_edit_new_from_map (const VolumeLabelMap *map,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The journal's form: versioned, self-checking (length and CRC-32), about 3 bytes a run. */
GBytes *volume_edit_serialize (const VolumeEdit *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Every field is checked against @size; hostile bytes give VOLUME_ERROR_FORMAT. */
VolumeEdit *volume_edit_deserialize (GBytes *bytes, const int size[3],
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What an edit may not touch (I4). */
typedef struct
{
  const guint16 *locked_labels; /* voxels that carry one of these stay as they are */
  gsize n_locked_labels;
  gboolean protect_hand; /* voxels set by hand stay, for edits by a model */
  gboolean (*is_hand) (guint32 edit_id, gpointer user_data); /* needed with protect_hand */
  gpointer user_data;
  const VolumeBox *within; /* NULL for the whole grid */
} VolumeEditGuard;

/**
 * VolumeEditBuilder:
 *
 * Collects the voxels a gesture sets on a map, which is not changed, and ends as a VolumeEdit.
 * Setting a voxel to the label it has is no change; later sets of a voxel win. When memory ends,
 * the builder remembers it and volume_edit_builder_end() says so: half a gesture is none.
 */
typedef struct _VolumeEditBuilder VolumeEditBuilder;

VolumeEditBuilder *volume_edit_builder_new (const VolumeLabelMap *map,
                                            const VolumeEditGuard *guard) G_GNUC_WARN_UNUSED_RESULT;
void volume_edit_builder_free (VolumeEditBuilder *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VolumeEditBuilder, volume_edit_builder_free)

/* Voxels outside the grid, guarded ones and other labels' (if only_label ≥ 0) are passed over. */
void volume_edit_builder_set_only_label (VolumeEditBuilder *self, int only_label);
void volume_edit_builder_set (VolumeEditBuilder *self, int i, int j, int k, guint16 label);
void volume_edit_builder_set_run (VolumeEditBuilder *self, int i, int j, int k, int length,
                                  guint16 label);
/* @mask: the box's voxels, i fastest, non-zero where @label is to be set. */
void volume_edit_builder_set_mask (VolumeEditBuilder *self, const VolumeBox *box,
                                   const guint8 *mask, guint16 label);

/* For tools that had no memory for their own work; @error is taken over. */
void volume_edit_builder_fail (VolumeEditBuilder *self, GError *error);

/* The edit, with @id not used before on this map; the builder is empty again afterwards. */
VolumeEdit *volume_edit_builder_end (VolumeEditBuilder *self, guint32 id,
                                     VolumeProvenance provenance, const char *tool,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Selective undo (I9): a new edit that gives back what @edit found, on those voxels only that still
 * carry @edit's id. */
VolumeEdit *volume_edit_new_selective_revert (const VolumeLabelMap *map, const VolumeEdit *edit,
                                              guint32 id, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
