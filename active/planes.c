/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "active/planes.h"

#include "volume/memory.h"

#include <math.h>
#include <string.h>

#define MAX_CLASSES 64
#define MAX_EXTRA 4
/* Share of the box by which the search for uncertain slices may leave it. */
#define BOX_MARGIN 0.1

void
active_planes_clear (ActivePlanes *self)
{
  g_clear_pointer (&self->reason, g_free);
}

static void
box_init (int box[6])
{
  for (int a = 0; a < 3; a++)
    {
      box[a] = G_MAXINT;
      box[3 + a] = -1;
    }
}

static void
box_add (int box[6], int i, int j, int k)
{
  const int at[3] = { i, j, k };

  for (int a = 0; a < 3; a++)
    {
      box[a] = MIN (box[a], at[a]);
      box[3 + a] = MAX (box[3 + a], at[a]);
    }
}

static void
set_middle (ActivePlanes *self, const int box[6])
{
  for (int a = 0; a < 3; a++)
    self->index[a] = (box[a] + box[3 + a]) / 2;
}

/* Classes that occur but not on the three slices; for each the slice with most of it. */
static void
find_missing (ActivePlanes *self, const guint8 *labels, const int size[3])
{
  guint64 seen = 0, all = 0;
  gsize v = 0;

  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++, v++)
        if (labels[v] != 0 && labels[v] < MAX_CLASSES)
          {
            all |= G_GUINT64_CONSTANT (1) << labels[v];
            if (i == self->index[0] || j == self->index[1] || k == self->index[2])
              seen |= G_GUINT64_CONSTANT (1) << labels[v];
          }
  self->missing = all & ~seen;
}

static void
add_extra_slices (ActivePlanes *self, const guint8 *labels, const int size[3])
{
  g_autofree gsize *counts = g_new (gsize, (gsize) size[2]);

  for (int class = 1; class < MAX_CLASSES && self->n_extra < MAX_EXTRA; class ++)
    {
      gsize slice = (gsize) size[0] * (gsize) size[1];
      int best = 0;

      if (!(self->missing >> class & 1))
        continue;
      memset (counts, 0, (gsize) size[2] * sizeof *counts);
      for (gsize v = 0; v < slice * (gsize) size[2]; v++)
        counts[v / slice] += labels[v] == class;
      for (int k = 1; k < size[2]; k++)
        if (counts[k] > counts[best])
          best = k;
      self->extra_axis[self->n_extra] = 2;
      self->extra_index[self->n_extra++] = best;
    }
}

gboolean
active_planes_from_truth (ActivePlanes *self, const guint8 *labels, const int size[3])
{
  int box[6];
  gsize v = 0;

  memset (self, 0, sizeof *self);
  box_init (box);
  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++)
        if (labels[v++] != 0)
          box_add (box, i, j, k);
  if (box[3] < 0)
    return FALSE;
  set_middle (self, box);
  find_missing (self, labels, size);
  add_extra_slices (self, labels, size);
  self->reason = g_strdup_printf ("the middle of the labelled structure's box, %d × %d × %d voxels",
                                  box[3] - box[0] + 1, box[4] - box[1] + 1, box[5] - box[2] + 1);
  return TRUE;
}

static gboolean
push (VolumeList *stack, gsize v, GError **error)
{
  gsize *place = volume_list_add (stack, sizeof *place, error);

  if (place == NULL)
    return FALSE;
  *place = v;
  return TRUE;
}

/* Box of the component of voxel @start, whose voxels are set to 0 in @mask; answers its size, or 0
 * with an error. */
static gsize
take_component (guint8 *mask, const int size[3], gsize start, VolumeList *stack, int box[6],
                GError **error)
{
  const gsize row = (gsize) size[0], slice = row * (gsize) size[1];
  gsize n = 0;

  box_init (box);
  stack->n = 0;
  if (!push (stack, start, error))
    return 0;
  mask[start] = 0;
  while (stack->n > 0)
    {
      gsize v = VOLUME_LIST_ITEMS (stack, gsize)[--stack->n];
      int at[3] = { (int) (v % row), (int) (v / row % (gsize) size[1]), (int) (v / slice) };
      const gsize strides[3] = { 1, row, slice };

      box_add (box, at[0], at[1], at[2]);
      n++;
      for (int a = 0; a < 3; a++)
        for (int side = 0; side < 2; side++)
          {
            gsize next = side == 0 ? v - strides[a] : v + strides[a];

            if (side == 0 ? at[a] == 0 : at[a] == size[a] - 1)
              continue;
            if (mask[next] == 0)
              continue;
            mask[next] = 0;
            if (!push (stack, next, error))
              return 0;
          }
    }
  return n;
}

/* Its size; 0 where there is none, or with an error. */
static gsize
largest_component (const guint8 *labels, const int size[3], int box[6], int *n_components,
                   GError **error)
{
  gsize n_voxels = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  g_autofree guint8 *mask = volume_memory_try (n_voxels, 1, error);
  g_auto (VolumeList) stack = { 0 };
  gsize most = 0;

  *n_components = 0;
  if (mask == NULL)
    return 0;
  for (gsize v = 0; v < n_voxels; v++)
    mask[v] = labels[v] != 0;
  for (gsize v = 0; v < n_voxels; v++)
    {
      int found[6];
      gsize n;

      if (mask[v] == 0)
        continue;
      n = take_component (mask, size, v, &stack, found, error);
      if (n == 0)
        return 0;
      (*n_components)++;
      if (n > most)
        {
          most = n;
          memcpy (box, found, sizeof found);
        }
    }
  return most;
}

gboolean
active_planes_from_prediction (ActivePlanes *self, const guint8 *labels, const int size[3],
                               GError **error)
{
  int box[6], n_components;
  gsize n;

  memset (self, 0, sizeof *self);
  n = largest_component (labels, size, box, &n_components, error);
  if (n == 0)
    return FALSE;
  set_middle (self, box);
  find_missing (self, labels, size);
  add_extra_slices (self, labels, size);
  self->reason = g_strdup_printf ("the centre of the predicted structure (%" G_GSIZE_FORMAT
                                  " voxels, the largest of %d parts)",
                                  n, n_components);
  return TRUE;
}

gboolean
active_planes_from_uncertainty (ActivePlanes *self, const float *entropy, const guint8 *labels,
                                const int size[3], GError **error)
{
  g_autoptr (GError) local = NULL;
  int box[6], n_components;
  double best[3] = { -1, -1, -1 };
  g_autofree double *sums = g_new0 (double, (gsize) (size[0] + size[1] + size[2]));
  const int first[3] = { 0, size[0], size[0] + size[1] };
  gsize n_box;

  memset (self, 0, sizeof *self);
  if (labels == NULL || largest_component (labels, size, box, &n_components, &local) == 0)
    for (int a = 0; a < 3; a++)
      {
        box[a] = 0;
        box[3 + a] = size[a] - 1;
      }
  else
    for (int a = 0; a < 3; a++)
      {
        int margin = (int) ceil ((box[3 + a] - box[a] + 1) * BOX_MARGIN);

        box[a] = MAX (box[a] - margin, 0);
        box[3 + a] = MIN (box[3 + a] + margin, size[a] - 1);
      }

  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  for (int k = box[2]; k <= box[5]; k++)
    for (int j = box[1]; j <= box[4]; j++)
      for (int i = box[0]; i <= box[3]; i++)
        {
          double value =
              entropy[((gsize) k * (gsize) size[1] + (gsize) j) * (gsize) size[0] + (gsize) i];

          sums[first[0] + i] += value;
          sums[first[1] + j] += value;
          sums[first[2] + k] += value;
        }
  n_box = 1;
  for (int a = 0; a < 3; a++)
    n_box *= (gsize) (box[3 + a] - box[a] + 1);
  for (int a = 0; a < 3; a++)
    for (int at = box[a]; at <= box[3 + a]; at++)
      if (sums[first[a] + at] > best[a])
        {
          best[a] = sums[first[a] + at];
          self->index[a] = at;
        }
  for (int a = 0; a < 3; a++)
    best[a] /= (double) (n_box / (gsize) (box[3 + a] - box[a] + 1));
  if (labels != NULL)
    find_missing (self, labels, size);
  self->reason =
      g_strdup_printf ("the most uncertain slice of each plane (mean entropy %.2f, %.2f, %.2f)",
                       best[0], best[1], best[2]);
  return TRUE;
}

void
active_planes_from_click (ActivePlanes *self, const int ijk[3], const int size[3])
{
  memset (self, 0, sizeof *self);
  for (int a = 0; a < 3; a++)
    self->index[a] = ijk == NULL ? size[a] / 2 : CLAMP (ijk[a], 0, size[a] - 1);
  self->reason = g_strdup (ijk == NULL ? "the middle of the scan: nothing is known of it yet"
                                       : "through the point that was clicked");
}
