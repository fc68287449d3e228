/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/edit.h"
#include "volume/geometry.h"

G_BEGIN_DECLS

/**
 * VolumeMask:
 *
 * A set of voxels of a grid: those of @box, i fastest, whose byte is not zero. What slow tools make
 * off the main thread, to be handed to an edit builder on the thread that owns the label map.
 */
typedef struct
{
  VolumeBox box;
  guint8 *voxels;
} VolumeMask;

/* All zero. @box must not be empty. */
VolumeMask *volume_mask_new (const VolumeBox *box, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void volume_mask_free (VolumeMask *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VolumeMask, volume_mask_free)

gsize volume_mask_get_n_voxels (const VolumeMask *self); /* of the box */
gsize volume_mask_count (const VolumeMask *self); /* that are set */
/* FALSE outside the box. */
gboolean volume_mask_get (const VolumeMask *self, int i, int j, int k);
void volume_mask_apply (const VolumeMask *self, VolumeEditBuilder *builder, guint16 label);

/* Small box arithmetic. */
void volume_box_get_size (const VolumeBox *box, int size[3]);
gsize volume_box_get_n_voxels (const VolumeBox *box); /* 0 for an empty one */
gboolean volume_box_is_empty (const VolumeBox *box);
VolumeBox volume_box_of_grid (const int size[3]);
VolumeBox volume_box_of_slice (const VolumeSliceFrame *frame, const int size[3], int index);
VolumeBox volume_box_intersect (const VolumeBox *a, const VolumeBox *b);
void volume_box_join (VolumeBox *self, const VolumeBox *other); /* grows to hold both */

G_END_DECLS
