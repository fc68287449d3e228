/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/crossing.h"

#include <string.h>

static int
axis_of (const VolumeGeometry *geometry, const AppCrossingSlice *slice)
{
  return geometry->axis_of_plane[slice->plane];
}

static gboolean
is_on (const VolumeGeometry *geometry, const AppCrossingSlice *slice, const int ijk[3])
{
  return ijk[axis_of (geometry, slice)] == slice->index;
}

/* Whether the slice carries a label that it does not only have from a slice crossing it. */
static gboolean
is_labelled (const VolumeLabelMap *map, const VolumeGeometry *geometry,
             const AppCrossingSlice *slices, gsize n_slices, gsize which)
{
  int normal = axis_of (geometry, &slices[which]);
  VolumeBox box = { { 0, 0, 0 }, { geometry->size[0], geometry->size[1], geometry->size[2] } };
  g_autofree guint16 *labels = NULL;
  const guint16 *label;
  int ijk[3];

  box.lo[normal] = slices[which].index;
  box.hi[normal] = slices[which].index + 1;
  labels = g_new (guint16, (gsize) (box.hi[0] - box.lo[0]) * (box.hi[1] - box.lo[1])
                               * (box.hi[2] - box.lo[2]));
  volume_label_map_read_box (map, &box, labels);
  label = labels;
  for (ijk[2] = box.lo[2]; ijk[2] < box.hi[2]; ijk[2]++)
    for (ijk[1] = box.lo[1]; ijk[1] < box.hi[1]; ijk[1]++)
      for (ijk[0] = box.lo[0]; ijk[0] < box.hi[0]; ijk[0]++, label++)
        {
          gboolean is_line = FALSE;

          if (*label == 0)
            continue;
          for (gsize s = 0; s < n_slices && !is_line; s++)
            is_line = s != which && is_on (geometry, &slices[s], ijk);
          if (!is_line)
            return TRUE;
        }
  return FALSE;
}

/* Whether the label at @ijk fits between its neighbours along @axis. */
static gboolean
fits (const VolumeLabelMap *map, const int size[3], const int ijk[3], int axis)
{
  guint16 label = volume_label_map_get (map, ijk[0], ijk[1], ijk[2]);
  int n_neighbours = 0;
  guint16 neighbours[2] = { 0 };

  for (int step = -1; step <= 1; step += 2)
    {
      int other[3] = { ijk[0], ijk[1], ijk[2] };

      other[axis] += step;
      if (other[axis] < 0 || other[axis] >= size[axis])
        continue;
      neighbours[n_neighbours++] = volume_label_map_get (map, other[0], other[1], other[2]);
    }
  if (n_neighbours == 0 || neighbours[0] == label)
    return TRUE;
  return n_neighbours == 2 && neighbours[1] != neighbours[0];
}

static void
check_line (GArray *found, const VolumeLabelMap *map, const VolumeGeometry *geometry,
            const AppCrossingSlice *slices, int a, int b)
{
  int axis_a = axis_of (geometry, &slices[a]), axis_b = axis_of (geometry, &slices[b]);
  int along = 3 - axis_a - axis_b;
  AppCrossing crossing = { .a = a, .b = b };

  crossing.ijk[axis_a] = slices[a].index;
  crossing.ijk[axis_b] = slices[b].index;
  for (int n = 0; n < geometry->size[along]; n++)
    {
      crossing.ijk[along] = n;
      /* Within slice a the line is crossed along b's normal, and the other way round. */
      if (!fits (map, geometry->size, crossing.ijk, axis_b)
          || !fits (map, geometry->size, crossing.ijk, axis_a))
        g_array_append_val (found, crossing);
    }
}

GArray *
app_crossing_find (const VolumeLabelMap *map, const VolumeGeometry *geometry,
                   const AppCrossingSlice *slices, gsize n_slices)
{
  GArray *found = g_array_new (FALSE, FALSE, sizeof (AppCrossing));
  g_autofree gboolean *labelled = g_new0 (gboolean, n_slices + 1);

  for (gsize s = 0; s < n_slices; s++)
    labelled[s] = is_labelled (map, geometry, slices, n_slices, s);
  for (gsize a = 0; a < n_slices; a++)
    for (gsize b = a + 1; b < n_slices; b++)
      if (labelled[a] && labelled[b] && slices[a].plane != slices[b].plane)
        check_line (found, map, geometry, slices, (int) a, (int) b);
  return found;
}
