/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/surface.h"

#include <math.h>
#include <string.h>

#include "render/labels-private.h"
#include "volume/mask.h"

#define NO_CHANNEL 0xff
#define MAX_TEXELS (3 * 1000 * 1000)
#define MARGIN 8 /* voxels about the labels: they may grow a little without a new texture */
#define MAX_PASSES 6
#define BLOCK 8 /* texels, as in volume.frag */
/* Texels between a block without a surface and the nearest label. Sampling reaches one texel beyond
 * the block; there, with labels two texels further all round, at most .21 of a label is left after
 * MAX_PASSES, less than the half that makes a surface. */
#define BLOCK_REACH 3

/* --- which labels, and where --- */

typedef struct
{
  guint8 *seen; /* of each label */
  VolumeBox box;
} Census;

static void
count_row (Census *census, const guint8 *looks, const guint16 *row, const VolumeBox *box, int j,
           int k)
{
  const int n = box->hi[0] - box->lo[0];

  for (int i = 0; i < n; i++)
    if (row[i] != 0 && looks[(gsize) row[i] * 4 + 3] != 0)
      {
        const VolumeBox voxel = { { box->lo[0] + i, j, k }, { box->lo[0] + i + 1, j + 1, k + 1 } };

        census->seen[row[i]] = 1;
        for (int c = 0; c < 3; c++)
          {
            census->box.lo[c] = MIN (census->box.lo[c], voxel.lo[c]);
            census->box.hi[c] = MAX (census->box.hi[c], voxel.hi[c]);
          }
      }
}

static void
take_census (Census *census, RenderLabels *labels, const VolumeBox *box)
{
  const guint8 *looks = render_labels_get_looks (labels);
  const gsize width = (gsize) (box->hi[0] - box->lo[0]);
  const int n_rows = box->hi[1] - box->lo[1];
  g_autofree guint16 *plane = g_new (guint16, width * (gsize) n_rows);

  census->seen = g_malloc0 (65536);
  census->box = (VolumeBox){ { G_MAXINT, G_MAXINT, G_MAXINT }, { 0, 0, 0 } };
  for (int k = box->lo[2]; k < box->hi[2]; k++)
    {
      const VolumeBox layer = { { box->lo[0], box->lo[1], k }, { box->hi[0], box->hi[1], k + 1 } };

      render_labels_read (labels, &layer, plane);
      for (int r = 0; r < n_rows; r++)
        count_row (census, looks, plane + (gsize) r * width, box, box->lo[1] + r, k);
    }
}

static void
choose_channels (RenderSurface *self, const Census *census)
{
  if (self->channel_of == NULL)
    self->channel_of = g_malloc (65536);
  memset (self->channel_of, NO_CHANNEL, 65536);
  memset (self->label, 0, sizeof self->label);
  self->n_labels = 0;
  for (int id = 1; id < 65536; id++)
    if (census->seen[id])
      {
        const int channel = self->n_labels++ % RENDER_N_CHANNELS;

        self->channel_of[id] = (guint8) channel;
        if (self->label[channel] == 0)
          self->label[channel] = (guint16) id;
      }
  self->is_shared = self->n_labels > RENDER_N_CHANNELS;
}

/* About the labels; coarser where voxels are small until it is small enough. */
static void
choose_region (RenderSurface *self, RenderDevice *device, const VolumeBox *labels,
               const int size[3], const double spacing_mm[3])
{
  RenderRegion *region = &self->region;
  int texels[3];
  double longest = 0.0;

  for (int c = 0; c < 3; c++)
    {
      region->box.lo[c] = MAX (labels->lo[c] - MARGIN, 0);
      region->box.hi[c] = MIN (labels->hi[c] + MARGIN, size[c]);
      region->stride[c] = 1;
    }
  for (;;)
    {
      int finest = 0, too_long = -1;

      render_region_get_texels (region, texels);
      for (int c = 0; c < 3; c++)
        {
          if (texels[c] > device->max_image_3d)
            too_long = c;
          if (spacing_mm[c] * region->stride[c] < spacing_mm[finest] * region->stride[finest])
            finest = c;
        }
      if (too_long < 0 && (gsize) texels[0] * (gsize) texels[1] * (gsize) texels[2] <= MAX_TEXELS)
        break;
      region->stride[too_long >= 0 ? too_long : finest]++;
    }
  for (int c = 0; c < 3; c++)
    longest = MAX (longest, spacing_mm[c] * region->stride[c]);
  /* A pass of 1 2 1 has a variance of half a texel squared. */
  for (int c = 0; c < 3; c++)
    {
      const double ratio = longest / (spacing_mm[c] * region->stride[c]);

      self->n_passes[c] = (int) CLAMP (floor (2.0 * ratio * ratio + 0.5), 1.0, MAX_PASSES);
    }
}

/* --- filling texels --- */

/* The piece of the grid that a piece of texels looks at. */
typedef struct
{
  VolumeBox texels, voxels;
  int n_texels[3], n_voxels[3];
  guint16 *ids;
  guint8 *thin;
} Piece;

static gsize
at (const int n[3], int i, int j, int k)
{
  return ((gsize) k * (gsize) n[1] + (gsize) j) * (gsize) n[0] + (gsize) i;
}

/* Marks labelled voxels that are in no block of 2 × 2 × 2 of their label. */
static void
find_thin (Piece *piece)
{
  const int *n = piece->n_voxels;
  const gsize n_all = (gsize) n[0] * (gsize) n[1] * (gsize) n[2];
  const gsize step_j = (gsize) n[0], step_k = (gsize) n[0] * (gsize) n[1];

  for (gsize v = 0; v < n_all; v++)
    piece->thin[v] = piece->ids[v] != 0;
  for (int k = 0; k + 1 < n[2]; k++)
    for (int j = 0; j + 1 < n[1]; j++)
      for (int i = 0; i + 1 < n[0]; i++)
        {
          const gsize v = at (n, i, j, k);
          const guint16 *id = piece->ids + v;
          guint8 *thin = piece->thin + v;

          if (id[0] == 0 || id[1] != id[0] || id[step_j] != id[0] || id[step_k] != id[0]
              || id[step_j + 1] != id[0] || id[step_k + 1] != id[0] || id[step_k + step_j] != id[0]
              || id[step_k + step_j + 1] != id[0])
            continue;
          thin[0] = thin[1] = thin[step_j] = thin[step_j + 1] = 0;
          thin[step_k] = thin[step_k + 1] = thin[step_k + step_j] = thin[step_k + step_j + 1] = 0;
        }
}

static void
piece_init (Piece *piece, const RenderSurface *self, RenderLabels *labels, const VolumeBox *texels)
{
  int all[3];

  render_region_get_texels (&self->region, all);
  for (int c = 0; c < 3; c++)
    {
      const int margin = self->n_passes[c] + 1, stride = self->region.stride[c];

      piece->texels.lo[c] = MAX (texels->lo[c] - margin, 0);
      piece->texels.hi[c] = MIN (texels->hi[c] + margin, all[c]);
      piece->voxels.lo[c] = self->region.box.lo[c] + piece->texels.lo[c] * stride;
      piece->voxels.hi[c] =
          MIN (self->region.box.lo[c] + piece->texels.hi[c] * stride, self->region.box.hi[c]);
      piece->n_texels[c] = piece->texels.hi[c] - piece->texels.lo[c];
      piece->n_voxels[c] = piece->voxels.hi[c] - piece->voxels.lo[c];
    }
  piece->ids = g_new (guint16, volume_box_get_n_voxels (&piece->voxels));
  piece->thin = g_malloc (volume_box_get_n_voxels (&piece->voxels));
  render_labels_read (labels, &piece->voxels, piece->ids);
  find_thin (piece);
}

static void
piece_clear (Piece *piece)
{
  g_free (piece->ids);
  g_free (piece->thin);
}

/* Whether a thin voxel has thin company of its label all round, or on one side and a half, along
 * some plane: a slice, not a bump of something thicker. */
static gboolean
is_in_sheet (const Piece *piece, int i, int j, int k)
{
  static const int around[8][2] = { { -1, -1 }, { -1, 0 }, { -1, 1 }, { 0, -1 },
                                    { 0, 1 },   { 1, -1 }, { 1, 0 },  { 1, 1 } };
  const int *n = piece->n_voxels, here[3] = { i, j, k };
  const guint16 id = piece->ids[at (n, i, j, k)];

  for (int axis = 0; axis < 3; axis++)
    {
      int n_thin = 0;

      for (int a = 0; a < 8; a++)
        {
          int next[3] = { i, j, k };
          const int u = (axis + 1) % 3, v = (axis + 2) % 3;

          next[u] = here[u] + around[a][0];
          next[v] = here[v] + around[a][1];
          if (next[u] >= 0 && next[u] < n[u] && next[v] >= 0 && next[v] < n[v]
              && piece->ids[at (n, next[0], next[1], next[2])] == id
              && piece->thin[at (n, next[0], next[1], next[2])])
            n_thin++;
        }
      if (n_thin >= 5)
        return TRUE;
    }
  return FALSE;
}

/* The share of a channel's labels in each texel, and 1 in @thin where one of them is a sheet. */
static void
accumulate (RenderSurface *self, const Piece *piece, int channel, float *shares, float *thin)
{
  const int *stride = self->region.stride;
  const float part = 1.0f / (float) (stride[0] * stride[1] * stride[2]);

  for (int k = 0; k < piece->n_voxels[2]; k++)
    for (int j = 0; j < piece->n_voxels[1]; j++)
      {
        const gsize row = at (piece->n_voxels, 0, j, k);
        const gsize out = at (piece->n_texels, 0, j / stride[1], k / stride[2]);

        for (int i = 0; i < piece->n_voxels[0]; i++)
          if (self->channel_of[piece->ids[row + (gsize) i]] == channel)
            {
              shares[out + (gsize) (i / stride[0])] += part;
              if (piece->thin[row + (gsize) i] && is_in_sheet (piece, i, j, k))
                {
                  thin[out + (gsize) (i / stride[0])] = 1.0f;
                  self->has_sheets = TRUE;
                }
            }
      }
}

/* One pass of 1 2 1 along an axis; beyond the piece there is nothing. */
static void
blur_axis (float *values, const int n[3], int axis)
{
  const gsize step = axis == 0 ? 1 : axis == 1 ? (gsize) n[0] : (gsize) n[0] * (gsize) n[1];
  const int n_lines = axis == 2 ? n[1] : n[2];
  /* Rows along i are worked on side by side, so that the compiler makes vectors of them. */
  const gsize width = axis == 0 ? 1 : (gsize) n[0];
  const int n_cross = axis == 0 ? n[1] : 1;
  g_autofree float *before = g_new (float, width);

  for (int line = 0; line < n_lines; line++)
    for (int cross = 0; cross < n_cross; cross++)
      {
        float *row = values + (axis == 2 ? at (n, 0, line, 0) : at (n, 0, cross, line));

        memset (before, 0, width * sizeof *before);
        for (int s = 0; s < n[axis]; s++, row += step)
          {
            const gboolean last = s + 1 == n[axis];

            for (gsize x = 0; x < width; x++)
              {
                const float here = row[x], after = last ? 0.0f : row[x + step];

                row[x] = 0.25f * before[x] + 0.5f * here + 0.25f * after;
                before[x] = here;
              }
          }
      }
}

typedef struct
{
  RenderSurface *surface;
  RenderLabels *labels;
} Filling;

static void
fill_channel (RenderSurface *self, const Piece *piece, int channel, const VolumeBox *texels,
              guint8 *dst)
{
  const int *n = piece->n_texels;
  const gsize n_all = (gsize) n[0] * (gsize) n[1] * (gsize) n[2];
  g_autofree float *shares = g_new0 (float, n_all);
  g_autofree float *thin = g_new0 (float, n_all);

  accumulate (self, piece, channel, shares, thin);
  for (int axis = 0; axis < 3; axis++)
    for (int pass = 0; pass < self->n_passes[axis]; pass++)
      blur_axis (shares, n, axis);
  for (int k = texels->lo[2]; k < texels->hi[2]; k++)
    for (int j = texels->lo[1]; j < texels->hi[1]; j++)
      {
        const gsize row = at (n, texels->lo[0] - piece->texels.lo[0], j - piece->texels.lo[1],
                              k - piece->texels.lo[2]);

        for (int i = 0; i < texels->hi[0] - texels->lo[0]; i++, dst += RENDER_N_CHANNELS)
          dst[channel] =
              (guint8) (MIN (MAX (shares[row + (gsize) i], thin[row + (gsize) i]), 1.0f) * 255.0f
                        + 0.5f);
      }
}

static gboolean
fill_cb (gpointer data, const RenderRegion *region, const VolumeBox *texels, gpointer dst,
         GError **error)
{
  const Filling *filling = data;
  Piece piece;

  memset (dst, 0, volume_box_get_n_voxels (texels) * RENDER_N_CHANNELS);
  piece_init (&piece, filling->surface, filling->labels, texels);
  for (int channel = 0; channel < RENDER_N_CHANNELS; channel++)
    if (filling->surface->label[channel] != 0)
      fill_channel (filling->surface, &piece, channel, texels, dst);
  piece_clear (&piece);
  return TRUE;
}

/* --- blocks --- */

typedef struct
{
  const RenderSurface *surface;
  RenderLabels *labels;
} Blocks;

/* First and last block that a voxel at @offset from the region's corner makes one with a surface.
 */
static void
blocks_near (int offset, int stride, int lo, int hi, int *first, int *last)
{
  const int side = BLOCK * stride, reach = BLOCK_REACH * stride;

  *first = CLAMP ((offset - reach) / side - (offset < reach), lo, hi - 1);
  *last = CLAMP ((offset + reach) / side, lo, hi - 1);
}

static gboolean
mark_row (const RenderSurface *self, const guint16 *row, int n, int offset, int lo, int hi,
          guint8 *flags)
{
  gboolean any = FALSE;

  memset (flags, 0, (gsize) (hi - lo));
  for (int i = 0; i < n; i++)
    if (self->channel_of[row[i]] != NO_CHANNEL)
      {
        int first, last;

        blocks_near (offset + i, self->region.stride[0], lo, hi, &first, &last);
        for (int b = first; b <= last; b++)
          flags[b - lo] = 1;
        any = TRUE;
      }
  return any;
}

/* Whether labels are in or near each block of a box of blocks. */
static gboolean
fill_blocks_cb (gpointer data, const RenderRegion *region, const VolumeBox *blocks, gpointer dst,
                GError **error)
{
  const Blocks *of = data;
  const RenderSurface *self = of->surface;
  const int n_i = blocks->hi[0] - blocks->lo[0], n_j = blocks->hi[1] - blocks->lo[1];
  g_autofree guint8 *flags = g_malloc ((gsize) n_i);
  g_autofree guint16 *plane = NULL;
  VolumeBox voxels;

  for (int c = 0; c < 3; c++)
    {
      const int reach = BLOCK_REACH * self->region.stride[c];

      voxels.lo[c] =
          MAX (region->box.lo[c] + blocks->lo[c] * region->stride[c] - reach, region->box.lo[c]);
      voxels.hi[c] =
          MIN (region->box.lo[c] + blocks->hi[c] * region->stride[c] + reach, region->box.hi[c]);
    }
  memset (dst, 0, volume_box_get_n_voxels (blocks));
  plane = g_new (guint16,
                 (gsize) (voxels.hi[0] - voxels.lo[0]) * (gsize) (voxels.hi[1] - voxels.lo[1]));
  for (int k = voxels.lo[2]; k < voxels.hi[2]; k++)
    {
      const VolumeBox layer = { { voxels.lo[0], voxels.lo[1], k },
                                { voxels.hi[0], voxels.hi[1], k + 1 } };
      const int width = voxels.hi[0] - voxels.lo[0];
      int first_k, last_k;

      render_labels_read (of->labels, &layer, plane);
      blocks_near (k - region->box.lo[2], self->region.stride[2], blocks->lo[2], blocks->hi[2],
                   &first_k, &last_k);
      for (int j = voxels.lo[1]; j < voxels.hi[1]; j++)
        {
          int first_j, last_j;

          if (!mark_row (self, plane + (gsize) (j - voxels.lo[1]) * (gsize) width, width,
                         voxels.lo[0] - region->box.lo[0], blocks->lo[0], blocks->hi[0], flags))
            continue;
          blocks_near (j - region->box.lo[1], self->region.stride[1], blocks->lo[1], blocks->hi[1],
                       &first_j, &last_j);
          for (int bk = first_k; bk <= last_k; bk++)
            for (int bj = first_j; bj <= last_j; bj++)
              for (int b = 0; b < n_i; b++)
                ((guint8 *) dst)[((gsize) (bk - blocks->lo[2]) * (gsize) n_j
                                  + (gsize) (bj - blocks->lo[1]))
                                     * (gsize) n_i
                                 + (gsize) b] |= flags[b];
        }
    }
  return TRUE;
}

/* Blocks that changed texels are in or next to; with NULL all of them. */
static gboolean
send_blocks (RenderSurface *self, RenderLabels *labels, RenderDevice *device,
             const VolumeBox *texels, GError **error)
{
  Blocks blocks = { self, labels };
  VolumeBox box = { { 0 } };

  render_region_get_texels (&self->blocks, box.hi);
  for (int c = 0; texels != NULL && c < 3; c++)
    {
      box.lo[c] = MAX ((texels->lo[c] - BLOCK_REACH) / BLOCK, 0);
      box.hi[c] = MIN ((texels->hi[c] + BLOCK_REACH) / BLOCK + 1, box.hi[c]);
    }
  return render_region_send (&self->blocks, device, 1, &box, fill_blocks_cb, &blocks, error);
}

static gboolean
create_blocks (RenderSurface *self, RenderDevice *device, GError **error)
{
  self->blocks.box = self->region.box;
  for (int c = 0; c < 3; c++)
    self->blocks.stride[c] = self->region.stride[c] * BLOCK;
  return render_region_create (&self->blocks, device, VK_FORMAT_R8_UINT, error);
}

/* --- sending --- */

static gboolean
send (RenderSurface *self, RenderLabels *labels, RenderDevice *device, const VolumeBox *texels,
      GError **error)
{
  Filling filling = { self, labels };

  return render_region_send (&self->region, device, RENDER_N_CHANNELS, texels, fill_cb, &filling,
                             error);
}

static gboolean
build (RenderSurface *self, RenderLabels *labels, RenderDevice *device, const int size[3],
       const double spacing_mm[3], GError **error)
{
  const VolumeBox grid = { { 0, 0, 0 }, { size[0], size[1], size[2] } };
  VolumeBox all = { { 0 } };
  Census census;

  self->has_sheets = FALSE;
  render_region_release (&self->region, device);
  render_region_release (&self->blocks, device);
  take_census (&census, labels, &grid);
  choose_channels (self, &census);
  g_free (census.seen);
  if (self->n_labels > 0)
    {
      choose_region (self, device, &census.box, size, spacing_mm);
      if (!render_region_create (&self->region, device, VK_FORMAT_R8G8B8A8_UNORM, error))
        return FALSE;
      render_region_get_texels (&self->region, all.hi);
      if (!send (self, labels, device, &all, error) || !create_blocks (self, device, error)
          || !send_blocks (self, labels, device, NULL, error))
        return FALSE;
    }
  self->is_valid = TRUE;
  return TRUE;
}

/* FALSE: the change needs another texture. */
static gboolean
fits (RenderSurface *self, RenderLabels *labels)
{
  Census census;
  gboolean ok = TRUE;

  take_census (&census, labels, &self->dirty);
  for (int id = 1; id < 65536 && ok; id++)
    ok = !census.seen[id] || self->channel_of[id] != NO_CHANNEL;
  g_free (census.seen);
  return ok
         && (volume_box_is_empty (&census.box)
             || render_region_contains (&self->region, &census.box));
}

static gboolean
update (RenderSurface *self, RenderLabels *labels, RenderDevice *device, GError **error)
{
  VolumeBox texels;
  int all[3];

  render_region_get_texels (&self->region, all);
  for (int c = 0; c < 3; c++)
    {
      const int margin = self->n_passes[c] + 1, stride = self->region.stride[c];
      const int lo = self->dirty.lo[c] - self->region.box.lo[c];
      const int hi = self->dirty.hi[c] - self->region.box.lo[c];

      texels.lo[c] = CLAMP (lo / stride - margin, 0, all[c]);
      texels.hi[c] = CLAMP ((hi + stride - 1) / stride + margin, 0, all[c]);
    }
  if (volume_box_is_empty (&texels))
    return TRUE;
  return render_device_begin (device, error) != NULL && send (self, labels, device, &texels, error)
         && send_blocks (self, labels, device, &texels, error);
}

gboolean
render_surface_prepare (RenderSurface *self, RenderLabels *labels, RenderDevice *device,
                        const int size[3], const double spacing_mm[3], GError **error)
{
  gboolean ok = TRUE;

  if (!self->is_valid || (!volume_box_is_empty (&self->dirty) && !fits (self, labels)))
    {
      self->is_valid = FALSE;
      ok = build (self, labels, device, size, spacing_mm, error);
    }
  else if (!volume_box_is_empty (&self->dirty) && self->region.texture != NULL)
    ok = update (self, labels, device, error);
  if (ok)
    memset (&self->dirty, 0, sizeof self->dirty);
  return ok;
}

void
render_surface_change (RenderSurface *self, const VolumeBox *box)
{
  if (box == NULL)
    self->is_valid = FALSE;
  else if (volume_box_is_empty (&self->dirty))
    self->dirty = *box;
  else
    for (int c = 0; c < 3; c++)
      {
        self->dirty.lo[c] = MIN (self->dirty.lo[c], box->lo[c]);
        self->dirty.hi[c] = MAX (self->dirty.hi[c], box->hi[c]);
      }
}

static void
forget (RenderSurface *self)
{
  self->is_valid = FALSE;
  memset (&self->dirty, 0, sizeof self->dirty);
  g_clear_pointer (&self->channel_of, g_free);
}

void
render_surface_release (RenderSurface *self, RenderDevice *device)
{
  render_region_release (&self->region, device);
  render_region_release (&self->blocks, device);
  forget (self);
}

void
render_surface_destroy (RenderSurface *self, RenderDevice *device)
{
  render_region_destroy (&self->region, device);
  render_region_destroy (&self->blocks, device);
  forget (self);
}
