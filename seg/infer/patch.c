/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

/* How a patch is cut: rotate and flip the volume, pad it, crop it (gm-abs.md 2.4, ua-mt-laseg.md 3,
 * generic-ssl.md 8.2). Nothing is ever moved but the patch's own voxels: the three steps compose to
 * one signed permutation with an offset, along which the patch is gathered. */

#include "seg/infer/patch-private.h"

#include <math.h>
#include <string.h>

/* Voxel p of the transformed volume is voxel q of the volume, q[axis[a]] = offset[axis[a]] +
 * sign[a]·p[a]; size is the transformed one. */
typedef struct
{
  int axis[3], sign[3], offset[3], size[3];
} Map;

static void
map_init (Map *map, const int size[3])
{
  for (int a = 0; a < 3; a++)
    {
      map->axis[a] = a;
      map->sign[a] = 1;
      map->offset[a] = 0;
      map->size[a] = size[a];
    }
}

static void
map_flip (Map *map, int a)
{
  map->offset[map->axis[a]] += map->sign[a] * (map->size[a] - 1);
  map->sign[a] = -map->sign[a];
}

/* numpy.rot90 in the plane (0, 1), once: out[i, j] = in[j, n − 1 − i]. */
static void
map_rot90 (Map *map)
{
  int axis0 = map->axis[0], sign0 = map->sign[0], size0 = map->size[0];

  map_flip (map, 1);
  map->axis[0] = map->axis[1];
  map->sign[0] = map->sign[1];
  map->size[0] = map->size[1];
  map->axis[1] = axis0;
  map->sign[1] = sign0;
  map->size[1] = size0;
}

static void
map_shift (Map *map, int a, int by)
{
  map->offset[map->axis[a]] += map->sign[a] * by;
}

static void
orient (Map *map, SegOrientRule rule, guint64 seed, guint64 item)
{
  SegRandomStream random;

  seg_random_stream_init (&random, seed, SEG_RANDOM_ORIENT, item);
  switch (rule)
    {
    case SEG_ORIENT_NONE:
      return;
    case SEG_ORIENT_MIRRORED:
    case SEG_ORIENT_SQUARE:
      for (guint32 k = seg_random_stream_below (&random, 4); k > 0; k--)
        map_rot90 (map);
      if (rule == SEG_ORIENT_MIRRORED)
        map_flip (map, (int) seg_random_stream_below (&random, 2));
      else if (seg_random_stream_below (&random, 2))
        map_flip (map, 0);
      return;
    case SEG_ORIENT_FLIPS:
      for (int a = 0; a < 3; a++)
        if (seg_random_stream_below (&random, 2))
          map_flip (map, a);
      return;
    }
}

static int
floor_half (int n)
{
  return n >= 0 ? n / 2 : -((1 - n) / 2);
}

/* Zeros on either side of each axis; all axes are padded if one is not larger than the patch. */
static void
padding (const SegPatchParams *params, const int size[3], int pad[3])
{
  gboolean needed = FALSE;

  for (int a = 0; a < 3; a++)
    needed |= size[a] <= params->patch[a];
  for (int a = 0; a < 3; a++)
    pad[a] = (needed ? MAX (floor_half (params->patch[a] - size[a]) + params->pad_extra, 0) : 0)
             + (int) lround (params->overhang * params->patch[a]);
}

static guint8
domain_at (const SegCase *volume, gsize voxel, gboolean on_plane)
{
  if (volume->complete)
    return 1;
  if (volume->planes != NULL)
    return on_plane != FALSE;
  return volume->domain != NULL && volume->domain[voxel] != 0;
}

static gboolean
is_on_plane (const SegCase *volume, const int q[3])
{
  for (gsize n = 0; n < volume->n_planes; n++)
    if (q[volume->planes[n].axis] == volume->planes[n].index)
      return TRUE;
  return FALSE;
}

/* How many labelled voxels of each class there are; with @found, the @n-th of class @label. */
static void
find_labelled (const SegCase *volume, gsize counts[256], guint8 label, gsize n, int found[3])
{
  gsize voxel = 0;
  int q[3];

  memset (counts, 0, 256 * sizeof *counts);
  for (q[0] = 0; q[0] < volume->size[0]; q[0]++)
    for (q[1] = 0; q[1] < volume->size[1]; q[1]++)
      for (q[2] = 0; q[2] < volume->size[2]; q[2]++, voxel++)
        {
          guint8 own = volume->label[voxel];

          if (own == 0 || !domain_at (volume, voxel, is_on_plane (volume, q)))
            continue;
          if (found != NULL && own == label && counts[own] == n)
            {
              memcpy (found, q, sizeof q);
              return;
            }
          counts[own]++;
        }
}

/* Moves @start as little as possible, so that the patch holds a random voxel of a random class. */
static void
move_to_foreground (const SegPatchParams *params, const SegCase *volume, const Map *map,
                    const int pad[3], SegRandomStream *random, int start[3])
{
  gsize counts[256];
  guint32 n_classes = 0, chosen;
  int label = 0, q[3];

  if (volume->label == NULL)
    return;
  find_labelled (volume, counts, 0, 0, NULL);
  for (int k = 1; k < 256; k++)
    n_classes += counts[k] > 0;
  if (n_classes == 0)
    return;
  chosen = seg_random_stream_below (random, n_classes);
  for (label = 1; counts[label] == 0 || chosen-- > 0;)
    label++;
  find_labelled (volume, counts, (guint8) label,
                 seg_random_stream_below (random, (guint32) MIN (counts[label], G_MAXUINT32)), q);
  for (int a = 0; a < 3; a++)
    {
      int source = map->axis[a];
      int at = (q[source] - map->offset[source]) * map->sign[a] + pad[a];

      start[a] = CLAMP (start[a], at - params->patch[a] + 1, at);
    }
}

static void
choose_start (const SegPatchParams *params, const SegCase *volume, const Map *map, const int pad[3],
              guint64 seed, guint64 item, int start[3])
{
  SegRandomStream random;

  seg_random_stream_init (&random, seed, SEG_RANDOM_CROP, item);
  for (int a = 0; a < 3; a++)
    {
      int room = map->size[a] + 2 * pad[a] - params->patch[a];

      if (params->centre_crop)
        start[a] = (int) nearbyint (room / 2.0); /* half to even */
      else
        start[a] = (int) seg_random_stream_below (
            &random, (guint32) MAX (room + (params->use_last_offset ? 1 : 0), 1));
    }
  if (!params->centre_crop && params->foreground_share > 0
      && seg_random_stream_uniform (&random) < params->foreground_share)
    move_to_foreground (params, volume, map, pad, &random, start);
}

/* What a step along one axis of the patch means in the volume. */
typedef struct
{
  gssize *offset; /* of the voxel along the axis's source, or −1 outside */
  guint8 *on_plane; /* whether a labelled plane lies there */
} Steps;

static void
steps_init (Steps *steps, const SegPatchParams *params, const SegCase *volume, const Map *map,
            int a)
{
  const gssize stride[3] = { (gssize) volume->size[1] * volume->size[2], volume->size[2], 1 };
  int source = map->axis[a];

  steps->offset = g_new (gssize, params->patch[a]);
  steps->on_plane = g_new0 (guint8, params->patch[a]);
  for (int i = 0; i < params->patch[a]; i++)
    {
      int q = map->offset[source] + map->sign[a] * i;

      steps->offset[i] = q >= 0 && q < volume->size[source] ? q * stride[source] : -1;
      for (gsize n = 0; n < volume->n_planes; n++)
        if (volume->planes[n].axis == source && volume->planes[n].index == q)
          steps->on_plane[i] = 1;
    }
}

/* Gathers every array at once; voxels outside the volume are 0 in all of them. */
static void
gather (const SegPatchParams *params, const SegCase *volume, const Map *map, SegPatch *patch)
{
  const int *n = params->patch;
  Steps steps[3];
  gsize p = 0;

  for (int a = 0; a < 3; a++)
    steps_init (&steps[a], params, volume, map, a);
  for (int i = 0; i < n[0]; i++)
    for (int j = 0; j < n[1]; j++)
      {
        gboolean row_inside = steps[0].offset[i] >= 0 && steps[1].offset[j] >= 0;
        gboolean row_on_plane = steps[0].on_plane[i] || steps[1].on_plane[j];

        for (int k = 0; k < n[2]; k++, p++)
          {
            gboolean inside = row_inside && steps[2].offset[k] >= 0;
            gsize voxel =
                inside ? (gsize) (steps[0].offset[i] + steps[1].offset[j] + steps[2].offset[k]) : 0;

            patch->image[p] = inside ? volume->image[voxel] : 0;
            patch->label[p] = inside && volume->label ? volume->label[voxel] : 0;
            patch->pseudo[p] = inside && volume->pseudo          ? volume->pseudo[voxel]
                               : !inside && params->mark_outside ? SEG_PSEUDO_OUTSIDE
                                                                 : 0;
            patch->domain[p] =
                inside ? domain_at (volume, voxel, row_on_plane || steps[2].on_plane[k]) : 0;
          }
      }
  for (int a = 0; a < 3; a++)
    {
      g_free (steps[a].offset);
      g_free (steps[a].on_plane);
    }
}

/* --- warps ----------------------------------------------------------------------------------- */

typedef struct
{
  double matrix[3][3]; /* voxel of the patch, from its middle → voxel of the volume */
  double middle[3], at[3]; /* of the patch, and where that lies in the volume */
  float scale, shift;
} Warp;

static void
multiply (double left[3][3], double right[3][3], double out[3][3])
{
  double product[3][3];

  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 3; c++)
      product[r][c] =
          left[r][0] * right[0][c] + left[r][1] * right[1][c] + left[r][2] * right[2][c];
  memcpy (out, product, sizeof product);
}

/* A rotation in the patch's axes, in millimetres, as voxels of the patch. */
static void
rotation (SegRandomStream *random, double degrees, const double mm[3], double out[3][3])
{
  double finest = MIN (MIN (mm[0], mm[1]), mm[2]), coarsest = MAX (MAX (mm[0], mm[1]), mm[2]);

  for (int r = 0; r < 3; r++)
    for (int c = 0; c < 3; c++)
      out[r][c] = r == c;
  for (int a = 0; a < 3; a++)
    {
      double angle = seg_random_stream_range (random, -degrees, degrees) * G_PI / 180;
      double turn[3][3] = { { 0 } };
      int u = (a + 1) % 3, v = (a + 2) % 3;

      /* Tilting thick slices mixes what lies centimetres apart. */
      if (coarsest > 3 * finest && mm[a] < coarsest)
        continue;
      turn[a][a] = 1;
      turn[u][u] = turn[v][v] = cos (angle);
      turn[u][v] = -sin (angle) * mm[v] / mm[u];
      turn[v][u] = sin (angle) * mm[u] / mm[v];
      multiply (turn, out, out);
    }
}

static void
warp_init (Warp *warp, const SegPatchParams *params, const SegCase *volume, const Map *map,
           guint64 seed, guint64 item)
{
  const SegWarpParams *p = &params->warp;
  SegRandomStream random;
  double own[3][3], mm[3], zoom;

  seg_random_stream_init (&random, seed, SEG_RANDOM_WARP, item);
  for (int a = 0; a < 3; a++)
    mm[a] = volume->spacing_mm[map->axis[a]] > 0 ? volume->spacing_mm[map->axis[a]] : 1;
  rotation (&random, p->rotate_degrees, mm, own);
  zoom = 1 + seg_random_stream_range (&random, -p->zoom, p->zoom);
  warp->scale = (float) (1 + seg_random_stream_range (&random, -p->contrast, p->contrast));
  warp->shift = (float) seg_random_stream_range (&random, -p->brightness, p->brightness);
  for (int a = 0; a < 3; a++)
    warp->middle[a] = (params->patch[a] - 1) / 2.0;
  for (int a = 0; a < 3; a++)
    {
      int source = map->axis[a];

      warp->at[source] = map->offset[source] + map->sign[a] * warp->middle[a];
      for (int b = 0; b < 3; b++)
        warp->matrix[source][b] = map->sign[a] * zoom * own[a][b];
    }
}

static inline float
image_at (const SegCase *volume, int x, int y, int z)
{
  const int *size = volume->size;

  if (x < 0 || x >= size[0] || y < 0 || y >= size[1] || z < 0 || z >= size[2])
    return 0;
  return volume->image[((gsize) x * (gsize) size[1] + (gsize) y) * (gsize) size[2] + (gsize) z];
}

static inline float
mix (float a, float b, float share)
{
  return a + (b - a) * share;
}

static float
interpolate (const SegCase *volume, const double at[3])
{
  gsize row = (gsize) volume->size[2], slab = (gsize) volume->size[1] * row;
  int lo[3];
  float f[3], value = 0;
  gboolean inside = TRUE;

  for (int a = 0; a < 3; a++)
    {
      lo[a] = (int) floor (at[a]);
      f[a] = (float) (at[a] - lo[a]);
      inside &= lo[a] >= 0 && lo[a] + 1 < volume->size[a];
    }
  if (inside)
    {
      const float *i = volume->image + (gsize) lo[0] * slab + (gsize) lo[1] * row + (gsize) lo[2];

      return mix (mix (mix (i[0], i[1], f[2]), mix (i[row], i[row + 1], f[2]), f[1]),
                  mix (mix (i[slab], i[slab + 1], f[2]),
                       mix (i[slab + row], i[slab + row + 1], f[2]), f[1]),
                  f[0]);
    }
  for (int corner = 0; corner < 8; corner++)
    {
      int dx = corner >> 2, dy = corner >> 1 & 1, dz = corner & 1;

      value += (dx ? f[0] : 1 - f[0]) * (dy ? f[1] : 1 - f[1]) * (dz ? f[2] : 1 - f[2])
               * image_at (volume, lo[0] + dx, lo[1] + dy, lo[2] + dz);
    }
  return value;
}

static void
warp_voxel (const Warp *warp, const SegCase *volume, const double at[3], guint8 outside,
            SegPatch *patch, gsize p)
{
  const int *size = volume->size;
  int q[3];
  gboolean inside = TRUE;
  gsize voxel;

  for (int a = 0; a < 3; a++)
    {
      q[a] = (int) floor (at[a] + 0.5);
      inside &= q[a] >= 0 && q[a] < size[a];
    }
  patch->image[p] = 0;
  patch->label[p] = patch->domain[p] = 0;
  patch->pseudo[p] = outside;
  if (!inside)
    return;
  voxel = ((gsize) q[0] * (gsize) size[1] + (gsize) q[1]) * (gsize) size[2] + (gsize) q[2];
  patch->image[p] = interpolate (volume, at) * warp->scale + warp->shift;
  patch->label[p] = volume->label ? volume->label[voxel] : 0;
  patch->pseudo[p] = volume->pseudo ? volume->pseudo[voxel] : 0;
  patch->domain[p] = domain_at (volume, voxel, is_on_plane (volume, q));
}

static void
gather_warped (const SegPatchParams *params, const SegCase *volume, const Map *map, guint64 seed,
               guint64 item, SegPatch *patch)
{
  Warp warp;
  gsize p = 0;

  warp_init (&warp, params, volume, map, seed, item);
  for (int i = 0; i < params->patch[0]; i++)
    for (int j = 0; j < params->patch[1]; j++)
      for (int k = 0; k < params->patch[2]; k++, p++)
        {
          const double from[3] = { i - warp.middle[0], j - warp.middle[1], k - warp.middle[2] };
          double at[3];

          for (int a = 0; a < 3; a++)
            at[a] = warp.at[a] + warp.matrix[a][0] * from[0] + warp.matrix[a][1] * from[1]
                    + warp.matrix[a][2] * from[2];
          warp_voxel (&warp, volume, at, params->mark_outside ? SEG_PSEUDO_OUTSIDE : 0, patch, p);
        }
}

static gboolean
is_warped (const SegWarpParams *warp)
{
  return warp->rotate_degrees > 0 || warp->zoom > 0 || warp->contrast > 0 || warp->brightness > 0;
}

void
seg_patch_cut (const SegPatchParams *params, const SegCase *volume, guint64 seed, guint64 item,
               SegPatch *patch)
{
  Map map;
  int pad[3], start[3];
  gboolean is_sparse = !volume->complete && (volume->planes != NULL || volume->domain != NULL);

  map_init (&map, volume->size);
  orient (&map, params->orient, seed, item);
  padding (params, map.size, pad);
  choose_start (params, volume, &map, pad, seed, item, start);
  for (int a = 0; a < 3; a++)
    map_shift (&map, a, start[a] - pad[a]);
  patch->n_voxels = (gsize) params->patch[0] * (gsize) params->patch[1] * (gsize) params->patch[2];
  patch->has_pseudo = volume->pseudo != NULL;
  memcpy (patch->axis, map.axis, sizeof map.axis);
  memcpy (patch->sign, map.sign, sizeof map.sign);
  memcpy (patch->offset, map.offset, sizeof map.offset);
  if (is_warped (&params->warp))
    gather_warped (params, volume, &map, seed, item, patch);
  else
    gather (params, volume, &map, patch);
  if (params->strong.n_ops > 0)
    {
      /* Labels of single planes would be voted away by their unlabelled neighbours (I3): they move
       * with their domain, voxel by voxel. */
      const SegStrongLabels labels[3] = { { patch->label, is_sparse },
                                          { patch->pseudo, FALSE },
                                          { patch->domain, TRUE } };

      seg_augment_strong_labels (&params->strong, params->patch, patch->image, labels, 3, seed,
                                 item);
    }
}
