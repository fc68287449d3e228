/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/memory.h"
#include "volume/tool-region.h"

#include <string.h>

#define CANCEL_CHECK_VOXELS 65536

static gboolean
box_holds (const VolumeBox *box, const int ijk[3])
{
  for (int a = 0; a < 3; a++)
    if (ijk[a] < box->lo[a] || ijk[a] >= box->hi[a])
      return FALSE;
  return TRUE;
}

VolumeMask *
volume_tool_threshold (VolumeScan *scan, float low, float high, const VolumeBox *within,
                       GError **error)
{
  const VolumeBox grid = volume_box_of_grid (volume_scan_get_geometry (scan)->size);
  const VolumeBox box = volume_box_intersect (&grid, within);
  g_autoptr (VolumeMask) mask = NULL;
  g_autofree float *values = NULL;
  guint8 *voxels;
  int size[3];

  g_return_val_if_fail (!volume_box_is_empty (&box), NULL);

  mask = volume_mask_new (&box, error);
  if (mask == NULL)
    return NULL;
  volume_box_get_size (&box, size);
  /* A float copy of one plane at a time, never of the whole. */
  values = volume_memory_try ((gsize) size[0] * size[1], sizeof *values, error);
  if (values == NULL)
    return NULL;
  voxels = mask->voxels;
  for (int k = box.lo[2]; k < box.hi[2]; k++)
    {
      VolumeBox layer = box;

      layer.lo[2] = k;
      layer.hi[2] = k + 1;
      volume_scan_read_box (scan, &layer, values);
      for (gsize p = 0; p < (gsize) size[0] * size[1]; p++)
        *voxels++ = values[p] >= low && values[p] <= high;
    }
  return g_steal_pointer (&mask);
}

static gboolean
push (VolumeList *stack, gsize v, GError **error)
{
  gsize *top = volume_list_add (stack, sizeof *top, error);

  if (top != NULL)
    *top = v;
  return top != NULL;
}

/* Voxels joined to the seed are raised from 1 to 2; the stack holds offsets into the mask. */
static gboolean
grow (VolumeMask *mask, gsize seed, GCancellable *cancellable, GError **error)
{
  g_auto (VolumeList) stack = { 0 };
  gsize strides[3] = { 1, 0, 0 };
  gsize n_done = 0;
  int size[3];

  volume_box_get_size (&mask->box, size);
  strides[1] = size[0];
  strides[2] = (gsize) size[0] * size[1];
  mask->voxels[seed] = 2;
  if (!push (&stack, seed, error))
    return FALSE;
  while (stack.n > 0)
    {
      gsize v = VOLUME_LIST_ITEMS (&stack, gsize)[--stack.n];
      const gsize at[3] = { v % size[0], v / strides[1] % size[1], v / strides[2] };

      if (++n_done % CANCEL_CHECK_VOXELS == 0
          && g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      for (int side = 0; side < 6; side++)
        {
          int axis = side / 2;
          gsize next;

          if (side % 2 == 0 ? at[axis] == 0 : at[axis] + 1 == (gsize) size[axis])
            continue;
          next = side % 2 == 0 ? v - strides[axis] : v + strides[axis];
          if (mask->voxels[next] != 1)
            continue;
          mask->voxels[next] = 2;
          if (!push (&stack, next, error))
            return FALSE;
        }
    }
  return TRUE;
}

VolumeMask *
volume_tool_flood (VolumeScan *scan, const int seed[3], float low, float high,
                   const VolumeBox *within, GCancellable *cancellable, GError **error)
{
  g_autoptr (VolumeMask) mask = NULL;
  gsize n_voxels, at;
  int size[3];

  g_return_val_if_fail (box_holds (within, seed), NULL);

  mask = volume_tool_threshold (scan, low, high, within, error);
  if (mask == NULL)
    return NULL;
  g_return_val_if_fail (box_holds (&mask->box, seed), NULL);

  volume_box_get_size (&mask->box, size);
  n_voxels = volume_mask_get_n_voxels (mask);
  at = (seed[0] - mask->box.lo[0])
       + size[0] * ((seed[1] - mask->box.lo[1]) + (gsize) size[1] * (seed[2] - mask->box.lo[2]));
  if (mask->voxels[at] != 0 && !grow (mask, at, cancellable, error))
    return NULL;
  for (gsize v = 0; v < n_voxels; v++)
    mask->voxels[v] = mask->voxels[v] == 2;
  return g_steal_pointer (&mask);
}

/* The patch of equal labels that holds pixel @seed, as a picture of the slice. */
static VolumeMask *
find_patch (const VolumeSliceRaster *raster, const VolumeLabelMap *map, gsize seed, GError **error)
{
  const VolumeBox box = { .hi = { raster->frame.n_u, raster->frame.n_v, 1 } };
  const gsize n_pixels = volume_slice_raster_get_n_pixels (raster);
  g_autofree guint16 *labels = volume_memory_try (n_pixels, sizeof *labels, error);
  g_autoptr (VolumeMask) mask = NULL;

  if (labels == NULL)
    return NULL;
  mask = volume_mask_new (&box, error);
  if (mask == NULL)
    return NULL;
  volume_slice_raster_read_labels (raster, map, labels);
  for (gsize p = 0; p < n_pixels; p++)
    mask->voxels[p] = labels[p] == labels[seed];
  if (!grow (mask, seed, NULL, error))
    return NULL;
  for (gsize p = 0; p < n_pixels; p++)
    mask->voxels[p] = mask->voxels[p] == 2;
  return g_steal_pointer (&mask);
}

gboolean
volume_tool_bucket (VolumeEditBuilder *builder, const VolumeSliceRaster *raster,
                    const VolumeLabelMap *map, int u, int v, guint16 label)
{
  const int n_u = raster->frame.n_u, n_v = raster->frame.n_v;
  g_autoptr (VolumeMask) patch = NULL;
  g_autoptr (GError) error = NULL;

  if (u < 0 || u >= n_u || v < 0 || v >= n_v)
    return FALSE;

  patch = find_patch (raster, map, u + (gsize) n_u * v, &error);
  if (patch == NULL)
    volume_edit_builder_fail (builder, g_steal_pointer (&error));
  else
    volume_slice_raster_apply (raster, patch->voxels, builder, label);
  return TRUE;
}
