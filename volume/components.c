/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/components.h"

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

/* Provisional numbers, joined in the table where they meet. */
static GArray *
sweep (const guint8 *mask, const int size[3], VolumeConnectivity connectivity, guint32 *components)
{
  GArray *parents = g_array_new (FALSE, FALSE, sizeof (guint32));
  const guint32 none = 0;
  Offset offsets[13];
  int n_offsets = offsets_before (connectivity, offsets);
  gsize v = 0;

  g_array_append_val (parents, none);
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
                mine = mine == 0 ? other : join ((guint32 *) parents->data, mine, other);
            }
          if (mine == 0)
            {
              mine = parents->len;
              g_array_append_val (parents, mine);
            }
          components[v] = mine;
        }
  return parents;
}

guint32
volume_components_label (const guint8 *mask, const int size[3], VolumeConnectivity connectivity,
                         guint32 *components, GArray **counts)
{
  g_autoptr (GArray) parents = sweep (mask, size, connectivity, components);
  g_autofree guint32 *number = g_new0 (guint32, parents->len);
  g_autoptr (GArray) voxels = g_array_new (FALSE, TRUE, sizeof (gsize));
  gsize n_voxels = (gsize) size[0] * size[1] * size[2];
  guint32 n = 0;

  for (guint32 c = 1; c < parents->len; c++)
    {
      guint32 root = find_root ((guint32 *) parents->data, c);

      number[c] = root == c ? ++n : number[root];
    }
  g_array_set_size (voxels, n);
  for (gsize v = 0; v < n_voxels; v++)
    if (components[v] != 0)
      {
        components[v] = number[components[v]];
        g_array_index (voxels, gsize, components[v] - 1)++;
      }
  if (counts != NULL)
    *counts = g_steal_pointer (&voxels);
  return n;
}

gsize
volume_components_fill_holes (guint8 *mask, const int size[3])
{
  gsize n_voxels = (gsize) size[0] * size[1] * size[2];
  g_autofree guint8 *outside = g_malloc (n_voxels);
  g_autofree guint32 *components = g_new (guint32, n_voxels);
  g_autofree gboolean *reaches_border = NULL;
  guint32 n;
  gsize v = 0, filled = 0;

  for (v = 0; v < n_voxels; v++)
    outside[v] = mask[v] == 0;
  n = volume_components_label (outside, size, VOLUME_CONNECT_FACES, components, NULL);
  reaches_border = g_new0 (gboolean, (gsize) n + 1);

  v = 0;
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
  for (v = 0; v < n_voxels; v++)
    if (outside[v] && !reaches_border[components[v]])
      {
        mask[v] = 2;
        filled++;
      }
  return filled;
}
