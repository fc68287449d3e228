/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/device.h"
#include "volume/label-map.h"
#include "volume/label-set.h"

G_BEGIN_DECLS

/**
 * RenderLabels:
 *
 * The labels of a scan on the device, with the look of each label.
 */
RenderLabels *render_labels_new (RenderDevice *device, const int size[3]) G_GNUC_WARN_UNUSED_RESULT;
RenderLabels *render_labels_ref (RenderLabels *self);
void render_labels_unref (RenderLabels *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RenderLabels, render_labels_unref)

/**
 * render_labels_update:
 * @snapshot: the labels now, of this size; a reference is kept until the next update
 * @box: what changed since the last update (volume_label_map_get_dirty_box()); NULL for everything
 *
 * Only the box is sent. Frames asked for from here on show it.
 */
void render_labels_update (RenderLabels *self, VolumeLabelSnapshot *snapshot, const VolumeBox *box);

/* The same from a plain array (guint16 of the whole grid, i fastest), e.g. a prediction. */
void render_labels_update_array (RenderLabels *self, GBytes *labels);

/**
 * render_labels_set_provenance:
 * @codes: one VolumeProvenance byte per voxel of the box, i fastest
 *
 * Where the voxels' labels came from: for the provenance overlay, and to tell a background voxel
 * (0 with a provenance) from an unlabelled one (0 without). Before the first call every voxel with
 * label 0 counts as unlabelled. Kept in tiles on the host.
 */
void render_labels_set_provenance (RenderLabels *self, const VolumeBox *box, GBytes *codes);

/**
 * render_labels_set_origins:
 * @snapshot: whose edit ids say where the voxels' labels came from, in the place of
 *   render_labels_set_provenance(); a reference is kept until the next call. It may differ from
 *   what render_labels_update() shows, where that is only tried out
 * @edits: pairs of guint32, the id of an edit and its VolumeProvenance, known from here on
 * @box: what changed since the last call; NULL for everything
 */
void render_labels_set_origins (RenderLabels *self, VolumeLabelSnapshot *snapshot, GBytes *edits,
                                const VolumeBox *box);

/* Colours, visibility and each label's own opacity (its alpha). Ids not in @set are shown with the
 * palette's colour for that id. A new RenderLabels shows every label that way. */
void render_labels_set_look (RenderLabels *self, const VolumeLabelSet *set);

G_END_DECLS
