/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/mask.h"
#include "volume/memory.h"

VolumeMask *
volume_mask_new (const VolumeBox *box, GError **error)
{
  g_autoptr (VolumeMask) self = NULL;

  g_return_val_if_fail (!volume_box_is_empty (box), NULL);

  self = g_new0 (VolumeMask, 1);
  self->box = *box;
  self->voxels = volume_memory_try0 (volume_box_get_n_voxels (box), 1, error);
  return self->voxels != NULL ? g_steal_pointer (&self) : NULL;
}

void
volume_mask_free (VolumeMask *self)
{
  if (self == NULL)
    return;
  g_free (self->voxels);
  g_free (self);
}

gsize
volume_mask_get_n_voxels (const VolumeMask *self)
{
  return volume_box_get_n_voxels (&self->box);
}

gsize
volume_mask_count (const VolumeMask *self)
{
  gsize n_voxels = volume_mask_get_n_voxels (self);
  gsize count = 0;

  for (gsize v = 0; v < n_voxels; v++)
    count += self->voxels[v] != 0;
  return count;
}

gboolean
volume_mask_get (const VolumeMask *self, int i, int j, int k)
{
  const VolumeBox *box = &self->box;
  int size[3];

  if (i < box->lo[0] || i >= box->hi[0] || j < box->lo[1] || j >= box->hi[1] || k < box->lo[2]
      || k >= box->hi[2])
    return FALSE;
  volume_box_get_size (box, size);
  return self->voxels[(i - box->lo[0])
                      + size[0] * ((j - box->lo[1]) + (gsize) size[1] * (k - box->lo[2]))]
         != 0;
}

void
volume_mask_apply (const VolumeMask *self, VolumeEditBuilder *builder, guint16 label)
{
  volume_edit_builder_set_mask (builder, &self->box, self->voxels, label);
}

void
volume_box_get_size (const VolumeBox *box, int size[3])
{
  for (int a = 0; a < 3; a++)
    size[a] = MAX (box->hi[a] - box->lo[a], 0);
}

gsize
volume_box_get_n_voxels (const VolumeBox *box)
{
  int size[3];

  volume_box_get_size (box, size);
  return (gsize) size[0] * size[1] * size[2];
}

gboolean
volume_box_is_empty (const VolumeBox *box)
{
  return box->hi[0] <= box->lo[0] || box->hi[1] <= box->lo[1] || box->hi[2] <= box->lo[2];
}

VolumeBox
volume_box_of_grid (const int size[3])
{
  return (VolumeBox){ .lo = { 0, 0, 0 }, .hi = { size[0], size[1], size[2] } };
}

VolumeBox
volume_box_of_slice (const VolumeSliceFrame *frame, const int size[3], int index)
{
  VolumeBox box = volume_box_of_grid (size);

  box.lo[frame->axis_normal] = index;
  box.hi[frame->axis_normal] = index + 1;
  return box;
}

void
volume_box_join (VolumeBox *self, const VolumeBox *other)
{
  if (volume_box_is_empty (other))
    return;
  if (volume_box_is_empty (self))
    *self = *other;
  for (int a = 0; a < 3; a++)
    {
      self->lo[a] = MIN (self->lo[a], other->lo[a]);
      self->hi[a] = MAX (self->hi[a], other->hi[a]);
    }
}

VolumeBox
volume_box_intersect (const VolumeBox *a, const VolumeBox *b)
{
  VolumeBox box;

  for (int axis = 0; axis < 3; axis++)
    {
      box.lo[axis] = MAX (a->lo[axis], b->lo[axis]);
      box.hi[axis] = MIN (a->hi[axis], b->hi[axis]);
    }
  return box;
}
