/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/tool-shape.h"

#include <math.h>
#include <string.h>

#include "volume/distance.h"
#include "volume/memory.h"

/* The labels of a box, as they are. */
typedef struct
{
  VolumeBox box;
  int size[3];
  gsize n_voxels;
  guint16 *labels;
} Patch;

static void
patch_clear (Patch *patch)
{
  g_clear_pointer (&patch->labels, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Patch, patch_clear)

/* FALSE without an error if @within lies outside the grid. */
static gboolean
patch_init (Patch *patch, const VolumeLabelMap *map, const VolumeBox *within, GError **error)
{
  VolumeBox grid;
  int size[3];

  volume_label_map_get_size (map, size);
  grid = volume_box_of_grid (size);
  patch->box = volume_box_intersect (&grid, within);
  if (volume_box_is_empty (&patch->box))
    return FALSE;
  volume_box_get_size (&patch->box, patch->size);
  patch->n_voxels = volume_box_get_n_voxels (&patch->box);
  patch->labels = volume_memory_try (patch->n_voxels, sizeof *patch->labels, error);
  if (patch->labels == NULL)
    return FALSE;
  volume_label_map_read_box (map, &patch->box, patch->labels);
  return TRUE;
}

static guint8 *
patch_indicator (const Patch *patch, guint16 label, GError **error)
{
  guint8 *mask = volume_memory_try (patch->n_voxels, 1, error);

  for (gsize v = 0; mask != NULL && v < patch->n_voxels; v++)
    mask[v] = patch->labels[v] == label;
  return mask;
}

/* @wanted: non-zero where the label is to be. Only background is taken. */
static gboolean
patch_apply (const Patch *patch, guint8 *wanted, VolumeEditBuilder *builder, guint16 label,
             GError **error)
{
  g_autofree guint8 *taken_away = volume_memory_try (patch->n_voxels, 1, error);

  if (taken_away == NULL)
    return FALSE;
  for (gsize v = 0; v < patch->n_voxels; v++)
    {
      taken_away[v] = patch->labels[v] == label && wanted[v] == 0;
      wanted[v] = patch->labels[v] == 0 && wanted[v] != 0;
    }
  volume_edit_builder_set_mask (builder, &patch->box, taken_away, 0);
  volume_edit_builder_set_mask (builder, &patch->box, wanted, label);
  return TRUE;
}

/* @error is set where a tool had no memory for its work. */
static void
tell_builder (VolumeEditBuilder *builder, GError *error)
{
  if (error != NULL)
    volume_edit_builder_fail (builder, error);
}

/* One pass of a Gaussian along an axis; the border repeats. */
static gboolean
blur_axis (float *values, const int size[3], int axis, double sigma_voxels, GError **error)
{
  const gsize strides[3] = { 1, size[0], (gsize) size[0] * size[1] };
  const int b = (axis + 1) % 3, c = (axis + 2) % 3, n = size[axis];
  const int reach = (int) MIN (ceil (3 * sigma_voxels), 4096);
  g_autofree double *kernel = g_new (double, reach + 1);
  g_autofree float *line = volume_memory_try (n, sizeof *line, error);
  double sum = 0;

  if (line == NULL)
    return FALSE;
  for (int r = 0; r <= reach; r++)
    {
      kernel[r] = exp (-0.5 * r * r / (sigma_voxels * sigma_voxels));
      sum += r == 0 ? kernel[r] : 2 * kernel[r];
    }
  for (int y = 0; y < size[c]; y++)
    for (int x = 0; x < size[b]; x++)
      {
        float *start = values + x * strides[b] + y * strides[c];

        for (int p = 0; p < n; p++)
          line[p] = start[p * strides[axis]];
        for (int p = 0; p < n; p++)
          {
            double blurred = kernel[0] * line[p];

            for (int r = 1; r <= reach; r++)
              blurred += kernel[r] * ((double) line[MAX (p - r, 0)] + line[MIN (p + r, n - 1)]);
            start[p * strides[axis]] = (float) (blurred / sum);
          }
      }
  return TRUE;
}

static gboolean
smooth (VolumeEditBuilder *builder, const VolumeGeometry *geometry, const Patch *patch,
        double sigma_mm, guint16 label, GError **error)
{
  g_autofree guint8 *wanted = patch_indicator (patch, label, error);
  g_autofree float *values = NULL;

  if (wanted == NULL)
    return FALSE;
  values = volume_memory_try (patch->n_voxels, sizeof *values, error);
  if (values == NULL)
    return FALSE;
  for (gsize v = 0; v < patch->n_voxels; v++)
    values[v] = wanted[v];
  for (int axis = 0; axis < 3; axis++)
    if (patch->size[axis] > 1
        && !blur_axis (values, patch->size, axis, sigma_mm / geometry->spacing_mm[axis], error))
      return FALSE;
  for (gsize v = 0; v < patch->n_voxels; v++)
    wanted[v] = values[v] > 0.5f;
  return patch_apply (patch, wanted, builder, label, error);
}

void
volume_tool_smooth (VolumeEditBuilder *builder, const VolumeGeometry *geometry,
                    const VolumeLabelMap *map, const VolumeBox *within, double sigma_mm,
                    guint16 label)
{
  g_auto (Patch) patch = { 0 };
  GError *error = NULL;

  g_return_if_fail (sigma_mm > 0 && label != 0);

  if (patch_init (&patch, map, within, &error))
    smooth (builder, geometry, &patch, sigma_mm, label, &error);
  tell_builder (builder, error);
}

static guint
remove_islands (VolumeEditBuilder *builder, const Patch *patch, VolumeConnectivity connectivity,
                gsize min_voxels, guint16 label, GError **error)
{
  g_autofree guint8 *mask = patch_indicator (patch, label, error);
  g_autofree guint32 *components = NULL;
  g_autofree gsize *counts = NULL;
  guint32 n, largest = 0;
  guint n_removed = 0;

  if (mask == NULL)
    return 0;
  components = volume_memory_try (patch->n_voxels, sizeof *components, error);
  if (components == NULL
      || !volume_components_label (mask, patch->size, connectivity, components, &counts, &n, error))
    return 0;
  for (guint32 c = 0; c < n; c++)
    if (counts[c] > counts[largest])
      largest = c;

  for (gsize v = 0; v < patch->n_voxels; v++)
    {
      guint32 c = components[v];

      mask[v] = 0;
      if (c != 0)
        mask[v] = min_voxels == G_MAXSIZE ? c - 1 != largest : counts[c - 1] < min_voxels;
    }
  for (guint32 c = 0; c < n; c++)
    n_removed += min_voxels == G_MAXSIZE ? c != largest : counts[c] < min_voxels;
  volume_edit_builder_set_mask (builder, &patch->box, mask, 0);
  return n_removed;
}

guint
volume_tool_remove_islands (VolumeEditBuilder *builder, const VolumeLabelMap *map,
                            const VolumeBox *within, VolumeConnectivity connectivity,
                            gsize min_voxels, guint16 label)
{
  g_auto (Patch) patch = { 0 };
  GError *error = NULL;
  guint n_removed = 0;

  g_return_val_if_fail (label != 0, 0);

  if (patch_init (&patch, map, within, &error))
    n_removed = remove_islands (builder, &patch, connectivity, min_voxels, label, &error);
  tell_builder (builder, error);
  return n_removed;
}

gsize
volume_tool_fill_holes (VolumeEditBuilder *builder, const VolumeLabelMap *map,
                        const VolumeBox *within, guint16 label)
{
  g_auto (Patch) patch = { 0 };
  g_autofree guint8 *mask = NULL;
  GError *error = NULL;
  gsize n_filled = 0;

  g_return_val_if_fail (label != 0, 0);

  if (patch_init (&patch, map, within, &error))
    mask = patch_indicator (&patch, label, &error);
  if (mask == NULL || !volume_components_fill_holes (mask, patch.size, NULL, &error))
    {
      tell_builder (builder, error);
      return 0;
    }
  for (gsize v = 0; v < patch.n_voxels; v++)
    {
      mask[v] = mask[v] == 2 && patch.labels[v] == 0;
      n_filled += mask[v];
    }
  volume_edit_builder_set_mask (builder, &patch.box, mask, label);
  return n_filled;
}

/* Where the label lies on a slice and where not. FALSE if it is missing, and without memory. */
static gboolean
split_slice (const VolumeLabelMap *map, const VolumeSliceRaster *raster, guint16 label,
             guint8 **inside, guint8 **outside, GError **error)
{
  const gsize n = volume_slice_raster_get_n_pixels (raster);
  g_autofree guint16 *labels = volume_memory_try (n, sizeof *labels, error);
  gboolean found = FALSE;

  if (labels == NULL)
    return FALSE;
  *inside = volume_memory_try (n, 1, error);
  if (*inside == NULL)
    return FALSE;
  *outside = volume_memory_try (n, 1, error);
  if (*outside == NULL)
    return FALSE;
  volume_slice_raster_read_labels (raster, map, labels);
  for (gsize p = 0; p < n; p++)
    {
      (*inside)[p] = labels[p] == label;
      (*outside)[p] = labels[p] != label;
      found |= labels[p] == label;
    }
  return found;
}

/* Signed distance in mm to the label's outline on a slice, negative inside, measured to pixel
 * centres less half the way between: 0 lies on the border. NULL if the label is missing, and
 * without memory. */
static float *
signed_distance (const VolumeLabelMap *map, const VolumeSliceRaster *raster, guint16 label,
                 GError **error)
{
  const VolumeSliceFrame *frame = &raster->frame;
  const int size[3] = { frame->n_u, frame->n_v, 1 };
  const double spacing[3] = { frame->du_mm, frame->dv_mm, 1 };
  const double half_mm = 0.5 * MIN (frame->du_mm, frame->dv_mm);
  gsize n = volume_slice_raster_get_n_pixels (raster);
  g_autofree guint8 *inside = NULL;
  g_autofree guint8 *outside = NULL;
  g_autofree float *to_inside = NULL;
  g_autofree float *to_outside = NULL;

  if (!split_slice (map, raster, label, &inside, &outside, error))
    return NULL;
  to_inside = volume_memory_try (n, sizeof *to_inside, error);
  if (to_inside == NULL)
    return NULL;
  to_outside = volume_memory_try (n, sizeof *to_outside, error);
  if (to_outside == NULL || !volume_distance_squared (inside, size, spacing, to_inside, error)
      || !volume_distance_squared (outside, size, spacing, to_outside, error))
    return NULL;
  for (gsize p = 0; p < n; p++)
    {
      /* A label that fills the slice has no outside to be near to. */
      double in = MIN (sqrt (to_outside[p]), 1e6), out = MIN (sqrt (to_inside[p]), 1e6);

      to_inside[p] = (float) (inside[p] ? half_mm - in : out - half_mm);
    }
  return g_steal_pointer (&to_inside);
}

/* FALSE without an error if the label is missing on one of the two slices. */
static gboolean
interpolate (VolumeEditBuilder *builder, const VolumeGeometry *geometry, const VolumeLabelMap *map,
             const VolumeSliceRaster *from, const VolumeSliceRaster *to, guint16 label,
             GError **error)
{
  const gsize n = volume_slice_raster_get_n_pixels (from);
  g_autofree float *distance_from = signed_distance (map, from, label, error);
  g_autofree float *distance_to = NULL;
  g_autofree guint16 *labels = NULL;
  g_autofree guint8 *pixels = NULL;

  if (distance_from == NULL)
    return FALSE;
  distance_to = signed_distance (map, to, label, error);
  if (distance_to == NULL)
    return FALSE;
  pixels = volume_memory_try (n, 1, error);
  if (pixels == NULL)
    return FALSE;
  labels = volume_memory_try (n, sizeof *labels, error);
  if (labels == NULL)
    return FALSE;
  for (int index = from->index + 1; index < to->index; index++)
    {
      float t = (float) (index - from->index) / (float) (to->index - from->index);
      VolumeSliceRaster between;

      volume_slice_raster_init (&between, geometry, from->frame.plane, index);
      volume_slice_raster_read_labels (&between, map, labels);
      for (gsize p = 0; p < n; p++)
        pixels[p] = labels[p] == 0 && (1 - t) * distance_from[p] + t * distance_to[p] <= 0;
      volume_slice_raster_apply (&between, pixels, builder, label);
    }
  return TRUE;
}

gboolean
volume_tool_interpolate (VolumeEditBuilder *builder, const VolumeGeometry *geometry,
                         const VolumeLabelMap *map, VolumePlane plane, int first, int last,
                         guint16 label)
{
  VolumeSliceRaster from, to;
  GError *error = NULL;
  gboolean found;

  g_return_val_if_fail (label != 0, FALSE);

  if (first >= last || !volume_slice_raster_init (&from, geometry, plane, first)
      || !volume_slice_raster_init (&to, geometry, plane, last))
    return FALSE;
  found = interpolate (builder, geometry, map, &from, &to, label, &error) || error != NULL;
  tell_builder (builder, error);
  return found;
}

gboolean
volume_tool_copy_slice (VolumeEditBuilder *builder, const VolumeSliceRaster *raster,
                        const VolumeLabelMap *map, int from, guint16 label)
{
  VolumeSliceRaster source = *raster;
  g_autofree guint16 *labels = NULL;
  GError *error = NULL;
  int ijk[3];
  gsize p = 0;

  if (from < 0 || from >= raster->frame.n_slices)
    return FALSE;

  source.index = from;
  labels = volume_memory_try (volume_slice_raster_get_n_pixels (raster), sizeof *labels, &error);
  if (labels == NULL)
    {
      tell_builder (builder, error);
      return TRUE;
    }
  volume_slice_raster_read_labels (&source, map, labels);
  for (int v = 0; v < raster->frame.n_v; v++)
    for (int u = 0; u < raster->frame.n_u; u++, p++)
      if (labels[p] != 0 && (label == 0 || labels[p] == label))
        {
          volume_slice_raster_voxel (raster, u, v, ijk);
          volume_edit_builder_set (builder, ijk[0], ijk[1], ijk[2], labels[p]);
        }
  return TRUE;
}
