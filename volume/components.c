/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/components.h"
#include "volume/memory.h"

/* Neighbours before a voxel in memory order: enough for union-find in one sweep. */
typedef struct
{
  int di, dj, dk;
} Offset;

static int
offsets_before (VolumeConnectivity connectivity, Offset offsets[13])
{
  int n = 0;

  for (int dk = -1; dk <= 0; dk++)
    for (int dj = -1; dj <= 1; dj++)
      for (int di = -1; di <= 1; di++)
        {
          gboolean is_before = dk < 0 || dj < 0 || (dj == 0 && di < 0);
          int n_axes = (di != 0) + (dj != 0) + (dk != 0);

          if (dk == 0 && (dj > 0 || (dj == 0 && di >= 0)))
            continue;
          if (is_before && (connectivity == VOLUME_CONNECT_CORNERS || n_axes == 1))
            offsets[n++] = (Offset){ di, dj, dk };
        }
  return n;
}

static guint32
find_root (guint32 *parent, guint32 c)
{
  while (parent[c] != c)
    {
      parent[c] = parent[parent[c]];
      c = parent[c];
    }
  return c;
}

/* The smaller number stays root, so that roots are first voxels. */
static guint32
join (guint32 *parent, guint32 a, guint32 b)
{
  a = find_root (parent, a);
  b = find_root (parent, b);
  if (a < b)
    parent[b] = a;
  else
    parent[a] = b;
  return MIN (a, b);
}

static gboolean
add_parent (VolumeList *parents, GError **error)
{
  guint32 *parent = volume_list_add (parents, sizeof *parent, error);

  if (parent != NULL)
    *parent = (guint32) (parents->n - 1);
  return parent != NULL;
}

/* Provisional numbers, joined in the table @parents (of guint32) where they meet. */
static gboolean
sweep (const guint8 *mask, const int size[3], VolumeConnectivity connectivity, guint32 *components,
       VolumeList *parents, GError **error)
{
  Offset offsets[13];
  int n_offsets = offsets_before (connectivity, offsets);
  gsize v = 0;

  if (!add_parent (parents, error)) /* 0 is outside */
    return FALSE;
  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++, v++)
        {
          guint32 mine = 0;

          components[v] = 0;
          if (mask[v] == 0)
            continue;
          for (int o = 0; o < n_offsets; o++)
            {
              int ni = i + offsets[o].di, nj = j + offsets[o].dj, nk = k + offsets[o].dk;
              guint32 other;

              if (ni < 0 || ni >= size[0] || nj < 0 || nj >= size[1] || nk < 0)
                continue;
              other = components[ni + size[0] * (nj + (gsize) size[1] * nk)];
              if (other != 0)
                mine = mine == 0 ? other : join (parents->items, mine, other);
            }
          if (mine == 0)
            {
              mine = (guint32) parents->n;
              if (!add_parent (parents, error))
                return FALSE;
            }
          components[v] = mine;
        }
  return TRUE;
}

gboolean
volume_components_label (const guint8 *mask, const int size[3], VolumeConnectivity connectivity,
                         guint32 *components, gsize **counts, guint32 *n_components, GError **error)
{
  const gsize n_voxels = (gsize) size[0] * size[1] * size[2];
  g_auto (VolumeList) parents = { 0 };
  g_autofree guint32 *number = NULL;
  g_autofree gsize *voxels = NULL;
  guint32 n = 0;

  if (!sweep (mask, size, connectivity, components, &parents, error))
    return FALSE;
  number = volume_memory_try0 (parents.n, sizeof *number, error);
  if (number == NULL)
    return FALSE;
  for (guint32 c = 1; c < parents.n; c++)
    {
      guint32 root = find_root (parents.items, c);

      number[c] = root == c ? ++n : number[root];
    }
  voxels = volume_memory_try0 (n, sizeof *voxels, error);
  if (voxels == NULL)
    return FALSE;
  for (gsize v = 0; v < n_voxels; v++)
    if (components[v] != 0)
      {
        components[v] = number[components[v]];
        voxels[components[v] - 1]++;
      }
  if (counts != NULL)
    *counts = g_steal_pointer (&voxels);
  *n_components = n;
  return TRUE;
}

/* Which components of the outside touch the grid's border, a byte for each. */
static guint8 *
find_border_components (const guint32 *components, const int size[3], guint32 n, GError **error)
{
  guint8 *reaches_border = volume_memory_try0 ((gsize) n + 1, 1, error);
  gsize v = 0;

  if (reaches_border == NULL)
    return NULL;
  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++, v++)
        {
          gboolean is_border = (size[0] > 1 && (i == 0 || i == size[0] - 1))
                               || (size[1] > 1 && (j == 0 || j == size[1] - 1))
                               || (size[2] > 1 && (k == 0 || k == size[2] - 1));

          if (is_border)
            reaches_border[components[v]] = TRUE;
        }
  return reaches_border;
}

gboolean
volume_components_fill_holes (guint8 *mask, const int size[3], gsize *n_filled, GError **error)
{
  const gsize n_voxels = (gsize) size[0] * size[1] * size[2];
  g_autofree guint8 *outside = volume_memory_try (n_voxels, 1, error);
  g_autofree guint32 *components = NULL;
  g_autofree guint8 *reaches_border = NULL;
  gsize filled = 0;
  guint32 n;

  if (outside == NULL)
    return FALSE;
  components = volume_memory_try (n_voxels, sizeof *components, error);
  if (components == NULL)
    return FALSE;
  for (gsize v = 0; v < n_voxels; v++)
    outside[v] = mask[v] == 0;
  if (!volume_components_label (outside, size, VOLUME_CONNECT_FACES, components, NULL, &n, error))
    return FALSE;
  reaches_border = find_border_components (components, size, n, error);
  if (reaches_border == NULL)
    return FALSE;
  for (gsize v = 0; v < n_voxels; v++)
    if (outside[v] && !reaches_border[components[v]])
      {
        mask[v] = 2;
        filled++;
      }
  if (n_filled != NULL)
    *n_filled = filled;
  return TRUE;
}
