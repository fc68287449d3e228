/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/labels.h"

#include <string.h>

#include "render/labels-private.h"
#include "volume/mask.h"

#define N_STREAMS 4
#define N_LOOKS 65536
#define TILE 32

/* Whole numbers per voxel on the device, sent piece by piece, thin slabs ahead of the rest. */
typedef struct
{
  RenderRegion whole;
  RenderRegion streams[N_STREAMS];
  guint64 n_uses;
  int planes_sent;
  gboolean complete;
  gboolean wanted; /* once drawn it is kept up to date */
  GError *refused; /* why there is no whole */
} Grid;

struct _RenderLabels
{
  RenderResident resident;
  int n_refs; /* atomic */
  RenderDevice *device;
  int size[3];

  /* the device's thread */
  VolumeLabelSnapshot *snapshot;
  GBytes *array;
  gboolean wide; /* some label is above 255 */
  Grid labels;
  Grid provenance;
  guint8 **provenance_tiles; /* NULL until there is any */
  VolumeLabelSnapshot *origins; /* (nullable) in the place of the tiles */
  GHashTable *edits; /* id → VolumeProvenance, with @origins */
  guint8 *looks; /* N_LOOKS × RGBA */
  guint64 serial; /* of the last change */
  RenderTexture *palette;
  gboolean palette_sent;
  RenderSurface surface;
};

typedef enum
{
  JOB_ENTER,
  JOB_LEAVE,
  JOB_UPDATE,
  JOB_PROVENANCE,
  JOB_ORIGINS,
  JOB_LOOK
} JobKind;

typedef struct
{
  RenderJob job;
  JobKind kind;
  RenderLabels *labels;
  VolumeLabelSnapshot *snapshot;
  GBytes *bytes;
  gboolean has_box;
  VolumeBox box;
  VolumeLabelSet *set;
} LabelsJob;

static VolumeBox
whole_box (RenderLabels *self)
{
  return (VolumeBox){ { 0, 0, 0 }, { self->size[0], self->size[1], self->size[2] } };
}

static gboolean
clip_box (RenderLabels *self, VolumeBox *box)
{
  for (int c = 0; c < 3; c++)
    {
      box->lo[c] = MAX (box->lo[c], 0);
      box->hi[c] = MIN (box->hi[c], self->size[c]);
      if (box->hi[c] <= box->lo[c])
        return FALSE;
    }
  return TRUE;
}

/* --- reading the host's side --- */

static void
read_labels (RenderLabels *self, const VolumeBox *box, guint16 *dst)
{
  const guint16 *all;
  const gsize n = (gsize) (box->hi[0] - box->lo[0]);

  if (self->snapshot != NULL)
    {
      volume_label_snapshot_read_box (self->snapshot, box, dst);
      return;
    }
  all = g_bytes_get_data (self->array, NULL);
  for (int k = box->lo[2]; k < box->hi[2]; k++)
    for (int j = box->lo[1]; j < box->hi[1]; j++, dst += n)
      memcpy (dst,
              all + ((gsize) k * (gsize) self->size[1] + (gsize) j) * (gsize) self->size[0]
                  + box->lo[0],
              n * sizeof *dst);
}

static gboolean
has_labels (RenderLabels *self)
{
  return self->snapshot != NULL || self->array != NULL;
}

static gsize
tile_at (RenderLabels *self, int i, int j, int k)
{
  const gsize nx = (gsize) (self->size[0] + TILE - 1) / TILE;
  const gsize ny = (gsize) (self->size[1] + TILE - 1) / TILE;

  return ((gsize) (k / TILE) * ny + (gsize) (j / TILE)) * nx + (gsize) (i / TILE);
}

static gsize
n_tiles (RenderLabels *self)
{
  return tile_at (self, self->size[0] - 1, self->size[1] - 1, self->size[2] - 1) + 1;
}

static gsize
in_tile (int i, int j, int k)
{
  return ((gsize) (k % TILE) * TILE + (gsize) (j % TILE)) * TILE + (gsize) (i % TILE);
}

static void
read_tiles (RenderLabels *self, const VolumeBox *box, guint8 *dst)
{
  for (int k = box->lo[2]; k < box->hi[2]; k++)
    for (int j = box->lo[1]; j < box->hi[1]; j++)
      for (int i = box->lo[0]; i < box->hi[0];)
        {
          const guint8 *tile = self->provenance_tiles[tile_at (self, i, j, k)];
          const int n = MIN (TILE - i % TILE, box->hi[0] - i);

          if (tile != NULL)
            memcpy (dst, tile + in_tile (i, j, k), (gsize) n);
          else
            memset (dst, 0, (gsize) n);
          dst += n;
          i += n;
        }
}

/* Neighbours mostly are of one edit. */
static void
read_origins (RenderLabels *self, const VolumeBox *box, guint8 *dst)
{
  const gsize n = volume_box_get_n_voxels (box);
  g_autofree guint32 *ids = g_new (guint32, MAX (n, 1));
  guint32 last_id = 0;
  guint8 code = VOLUME_PROVENANCE_NONE;

  volume_label_snapshot_read_edit_ids (self->origins, box, ids);
  for (gsize v = 0; v < n; v++)
    {
      if (ids[v] != last_id)
        {
          last_id = ids[v];
          code = (guint8) GPOINTER_TO_UINT (
              g_hash_table_lookup (self->edits, GUINT_TO_POINTER (last_id)));
        }
      dst[v] = code;
    }
}

static void
read_provenance (RenderLabels *self, const VolumeBox *box, guint8 *dst)
{
  if (self->origins != NULL)
    read_origins (self, box, dst);
  else
    read_tiles (self, box, dst);
}

static gboolean
has_provenance (RenderLabels *self)
{
  return self->origins != NULL || self->provenance_tiles != NULL;
}

static void
write_provenance (RenderLabels *self, const VolumeBox *box, const guint8 *src)
{
  if (self->provenance_tiles == NULL)
    self->provenance_tiles = g_new0 (guint8 *, n_tiles (self));
  for (int k = box->lo[2]; k < box->hi[2]; k++)
    for (int j = box->lo[1]; j < box->hi[1]; j++)
      for (int i = box->lo[0]; i < box->hi[0];)
        {
          guint8 **tile = &self->provenance_tiles[tile_at (self, i, j, k)];
          const int n = MIN (TILE - i % TILE, box->hi[0] - i);

          if (*tile == NULL)
            *tile = g_malloc0 (TILE * TILE * TILE);
          memcpy (*tile + in_tile (i, j, k), src, (gsize) n);
          src += n;
          i += n;
        }
}

/* --- filling texels --- */

/* The row of voxels that stands for a row of texels: all along i, the middle one along j and k. */
static VolumeBox
row_box (const RenderRegion *region, const VolumeBox *texels, int j, int k)
{
  VolumeBox box;
  const int texel[3] = { 0, j, k };

  box.lo[0] = region->box.lo[0] + texels->lo[0] * region->stride[0];
  box.hi[0] = MIN (region->box.lo[0] + texels->hi[0] * region->stride[0], region->box.hi[0]);
  for (int c = 1; c < 3; c++)
    {
      box.lo[c] = MIN (region->box.lo[c] + texel[c] * region->stride[c] + region->stride[c] / 2,
                       region->box.hi[c] - 1);
      box.hi[c] = box.lo[c] + 1;
    }
  return box;
}

static gsize
row_index (const RenderRegion *region, const VolumeBox *row, int texel)
{
  return (gsize) MIN (texel * region->stride[0] + region->stride[0] / 2,
                      row->hi[0] - row->lo[0] - 1);
}

/* FALSE without an error: a label above 255 met a narrow texture. */
static gboolean
fill_labels_cb (gpointer data, const RenderRegion *region, const VolumeBox *texels, gpointer dst,
                GError **error)
{
  RenderLabels *self = data;
  const int width = texels->hi[0] - texels->lo[0];
  g_autofree guint16 *row = g_new (guint16, (gsize) width * (gsize) region->stride[0] + 1);
  guint8 *narrow = dst;
  guint16 *wide = dst;
  guint16 seen = 0;

  for (int k = texels->lo[2]; k < texels->hi[2]; k++)
    for (int j = texels->lo[1]; j < texels->hi[1]; j++)
      {
        const VolumeBox box = row_box (region, texels, j, k);

        read_labels (self, &box, row);
        if (region->stride[0] > 1)
          for (int t = 0; t < width; t++)
            row[t] = row[row_index (region, &box, t)];
        if (self->wide)
          memcpy (wide, row, (gsize) width * sizeof *row);
        else
          for (int t = 0; t < width; t++)
            {
              seen |= row[t];
              narrow[t] = (guint8) row[t];
            }
        wide += width;
        narrow += width;
      }
  return self->wide || seen <= 255;
}

static gboolean
fill_provenance_cb (gpointer data, const RenderRegion *region, const VolumeBox *texels,
                    gpointer dst, GError **error)
{
  RenderLabels *self = data;
  const int width = texels->hi[0] - texels->lo[0];
  g_autofree guint8 *row = g_malloc ((gsize) width * (gsize) region->stride[0] + 1);
  guint8 *out = dst;

  for (int k = texels->lo[2]; k < texels->hi[2]; k++)
    for (int j = texels->lo[1]; j < texels->hi[1]; j++, out += width)
      {
        const VolumeBox box = row_box (region, texels, j, k);

        read_provenance (self, &box, row);
        for (int t = 0; t < width; t++)
          out[t] = row[row_index (region, &box, t)];
      }
  return TRUE;
}

/* --- grids --- */

static gboolean
is_fine (const RenderRegion *region)
{
  return region->stride[0] * region->stride[1] * region->stride[2] == 1;
}

static void
grid_release_streams (Grid *grid, RenderDevice *device)
{
  for (int s = 0; s < N_STREAMS; s++)
    render_region_release (&grid->streams[s], device);
}

static void
grid_release (Grid *grid, RenderDevice *device)
{
  grid_release_streams (grid, device);
  render_region_release (&grid->whole, device);
  g_clear_error (&grid->refused);
  grid->planes_sent = 0;
  grid->complete = FALSE;
}

static void
grid_destroy (Grid *grid, RenderDevice *device)
{
  for (int s = 0; s < N_STREAMS; s++)
    render_region_destroy (&grid->streams[s], device);
  render_region_destroy (&grid->whole, device);
  g_clear_error (&grid->refused);
  grid->planes_sent = 0;
  grid->complete = FALSE;
}

static gsize
grid_texel_bytes (RenderLabels *self, Grid *grid)
{
  return grid == &self->labels && self->wide ? 2 : 1;
}

static VkFormat
grid_format (RenderLabels *self, Grid *grid)
{
  return grid_texel_bytes (self, grid) == 2 ? VK_FORMAT_R16_UINT : VK_FORMAT_R8_UINT;
}

static RenderRegionFill
grid_fill (RenderLabels *self, Grid *grid)
{
  return grid == &self->labels ? fill_labels_cb : fill_provenance_cb;
}

/* Sends a box of texels. A label above 255 makes everything wide and begins anew: *@again. */
static gboolean
grid_send (RenderLabels *self, Grid *grid, RenderRegion *region, const VolumeBox *texels,
           gboolean *again, GError **error)
{
  g_autoptr (GError) cause = NULL;

  *again = FALSE;
  if (render_region_send (region, self->device, grid_texel_bytes (self, grid), texels,
                          grid_fill (self, grid), self, &cause))
    return TRUE;
  if (cause == NULL)
    {
      self->wide = TRUE;
      grid_release (grid, self->device);
      *again = TRUE;
      return TRUE;
    }
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static gboolean
grid_create_whole (RenderLabels *self, Grid *grid, GError **error)
{
  grid->whole.box = whole_box (self);
  render_region_fit (self->size, self->device->max_image_3d, self->device->max_scan_bytes,
                     grid_texel_bytes (self, grid), grid->whole.stride);
  return render_region_create (&grid->whole, self->device, grid_format (self, grid), error);
}

/* One piece; FALSE when complete or on error. */
static gboolean
grid_step (RenderLabels *self, Grid *grid, GError **error)
{
  VolumeBox piece = { { 0 } };
  gsize plane_bytes;
  gboolean again;

  if (!grid->wanted || grid->complete || grid->refused != NULL)
    return FALSE;
  if (grid->whole.texture == NULL && !grid_create_whole (self, grid, &grid->refused))
    {
      g_propagate_error (error, g_error_copy (grid->refused));
      return FALSE;
    }
  render_region_get_texels (&grid->whole, piece.hi);
  plane_bytes = (gsize) piece.hi[0] * (gsize) piece.hi[1] * grid_texel_bytes (self, grid);
  piece.lo[2] = grid->planes_sent;
  piece.hi[2] = (int) MIN ((gsize) piece.hi[2],
                           (gsize) grid->planes_sent + MAX (RENDER_STAGE_BYTES / plane_bytes, 1));
  if (render_device_begin (self->device, error) == NULL
      || !grid_send (self, grid, &grid->whole, &piece, &again, error))
    return FALSE;
  if (again)
    return TRUE;
  grid->planes_sent = piece.hi[2];
  render_region_get_texels (&grid->whole, piece.hi);
  if (grid->planes_sent == piece.hi[2])
    {
      grid->complete = TRUE;
      if (is_fine (&grid->whole))
        grid_release_streams (grid, self->device);
    }
  return !grid->complete;
}

static RenderRegion *
grid_stream (RenderLabels *self, Grid *grid, const VolumeBox *box, GError **error)
{
  RenderRegion *stream = NULL;
  VolumeBox all = { { 0 } };
  gboolean again;
  int size[3];

  for (int s = 0; s < N_STREAMS && stream == NULL; s++)
    if (render_region_contains (&grid->streams[s], box))
      stream = &grid->streams[s];
  while (stream == NULL)
    {
      stream = &grid->streams[0];
      for (int s = 1; s < N_STREAMS; s++)
        if (grid->streams[s].last_use < stream->last_use)
          stream = &grid->streams[s];
      render_region_release (stream, self->device);
      stream->box = *box;
      for (int c = 0; c < 3; c++)
        size[c] = box->hi[c] - box->lo[c];
      render_region_fit (size, self->device->max_image_3d, G_MAXUINT64, 2, stream->stride);
      if (!render_region_create (stream, self->device, grid_format (self, grid), error))
        return NULL;
      render_region_get_texels (stream, all.hi);
      if (!grid_send (self, grid, stream, &all, &again, error))
        {
          render_region_release (stream, self->device);
          return NULL;
        }
      if (again)
        stream = NULL;
    }
  stream->last_use = ++grid->n_uses;
  return stream;
}

static gboolean
grid_prepare (RenderLabels *self, Grid *grid, const VolumeBox *box, int axis, RenderRegion **region,
              gboolean *exact, GError **error)
{
  render_device_add_resident (self->device, &self->resident);
  if (!grid->wanted || (!grid->complete && grid->planes_sent == 0))
    {
      grid->wanted = TRUE;
      render_device_add_upload (self->device, &self->resident);
    }
  *exact = TRUE;
  if (grid->complete && is_fine (&grid->whole))
    *region = &grid->whole;
  else if (axis >= 0)
    *region = grid_stream (self, grid, box, error);
  else if (grid->complete)
    {
      *region = &grid->whole;
      *exact = FALSE;
    }
  else if (grid->refused != NULL)
    {
      *region = NULL;
      g_propagate_error (error, g_error_copy (grid->refused));
    }
  else
    {
      *region = NULL;
      g_set_error_literal (error, RENDER_ERROR, RENDER_ERROR_LATER, "The labels are on their way");
    }
  return *region != NULL;
}

/* After the host's side of @box changed. */
static gboolean
grid_update (RenderLabels *self, Grid *grid, const VolumeBox *box, GError **error)
{
  gboolean again;

  grid_release_streams (grid, self->device);
  if (box != NULL && grid->whole.texture != NULL && is_fine (&grid->whole))
    return render_device_begin (self->device, error) != NULL
           && grid_send (self, grid, &grid->whole, box, &again, error);
  grid->planes_sent = 0;
  grid->complete = FALSE;
  if (grid->wanted)
    render_device_add_upload (self->device, &self->resident);
  return TRUE;
}

static gboolean
upload_step (RenderResident *resident, RenderDevice *device, GError **error)
{
  RenderLabels *self = (RenderLabels *) resident;
  g_autoptr (GError) cause = NULL;

  if (has_labels (self) && grid_step (self, &self->labels, &cause))
    return TRUE;
  if (cause == NULL && has_provenance (self) && grid_step (self, &self->provenance, &cause))
    return TRUE;
  if (cause != NULL)
    g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

static void
drop (RenderResident *resident, RenderDevice *device)
{
  RenderLabels *self = (RenderLabels *) resident;

  grid_destroy (&self->labels, device);
  grid_destroy (&self->provenance, device);
  render_texture_destroy (device, g_steal_pointer (&self->palette));
  render_surface_destroy (&self->surface, device);
  self->palette_sent = FALSE;
}

/* --- preparing a frame --- */

gboolean
render_labels_prepare (RenderLabels *self, const VolumeBox *box, int axis, RenderRegion **region,
                       gboolean *exact, GError **error)
{
  *region = NULL;
  *exact = TRUE;
  return !has_labels (self) || grid_prepare (self, &self->labels, box, axis, region, exact, error);
}

gboolean
render_labels_prepare_provenance (RenderLabels *self, const VolumeBox *box, int axis,
                                  RenderRegion **region, GError **error)
{
  gboolean exact;

  *region = NULL;
  if (!has_provenance (self))
    return TRUE;
  /* The slice alone, while nobody asks for a plane across the grid: it is a byte for each voxel. */
  if (axis >= 0 && !self->provenance.wanted)
    {
      render_device_add_resident (self->device, &self->resident);
      *region = grid_stream (self, &self->provenance, box, error);
      return *region != NULL;
    }
  return grid_prepare (self, &self->provenance, box, axis, region, &exact, error);
}

static void
ensure_looks (RenderLabels *self)
{
  if (self->looks != NULL)
    return;
  self->looks = g_malloc0 (N_LOOKS * 4);
  for (gsize id = 1; id < N_LOOKS; id++)
    volume_label_palette (id - 1, self->looks + id * 4);
}

gboolean
render_labels_has_any (RenderLabels *self)
{
  return has_labels (self);
}

void
render_labels_read (RenderLabels *self, const VolumeBox *box, guint16 *dst)
{
  if (has_labels (self))
    read_labels (self, box, dst);
  else
    memset (dst, 0, volume_box_get_n_voxels (box) * sizeof *dst);
}

gboolean
render_labels_read_provenance (RenderLabels *self, const VolumeBox *box, guint8 *dst)
{
  if (has_provenance (self))
    read_provenance (self, box, dst);
  return has_provenance (self);
}

const guint8 *
render_labels_get_looks (RenderLabels *self)
{
  ensure_looks (self);
  return self->looks;
}

guint64
render_labels_get_serial (RenderLabels *self)
{
  return self->serial;
}

RenderTexture *
render_labels_prepare_palette (RenderLabels *self, GError **error)
{
  VkBuffer buffer;
  VkDeviceSize offset;
  gpointer dst;

  if (self->palette_sent)
    return self->palette;
  ensure_looks (self);
  render_device_add_resident (self->device, &self->resident);
  if (self->palette == NULL)
    self->palette = render_texture_create (
        self->device,
        &(RenderTextureParams){ .format = VK_FORMAT_R8G8B8A8_UNORM, .width = 256, .height = 256 },
        error);
  dst = self->palette != NULL ? render_stage (self->device, N_LOOKS * 4, &buffer, &offset, error)
                              : NULL;
  if (dst == NULL)
    return NULL;
  memcpy (dst, self->looks, N_LOOKS * 4);
  render_texture_upload (self->device, self->palette, buffer, offset, (int[3]){ 0, 0, 0 },
                         (int[3]){ 256, 256, 1 });
  self->palette_sent = TRUE;
  return self->palette;
}

RenderSurface *
render_labels_prepare_surface (RenderLabels *self, const double spacing_mm[3], GError **error)
{
  render_device_add_resident (self->device, &self->resident);
  return render_surface_prepare (&self->surface, self, self->device, self->size, spacing_mm, error)
             ? &self->surface
             : NULL;
}

/* --- jobs --- */

static gboolean
record_update (LabelsJob *job, GError **error)
{
  RenderLabels *self = job->labels;

  g_clear_pointer (&self->snapshot, volume_label_snapshot_unref);
  g_clear_pointer (&self->array, g_bytes_unref);
  if (job->snapshot != NULL)
    self->snapshot = volume_label_snapshot_ref (job->snapshot);
  else
    self->array = g_bytes_ref (job->bytes);
  render_surface_change (&self->surface, job->has_box ? &job->box : NULL);
  return grid_update (self, &self->labels, job->has_box ? &job->box : NULL, error);
}

static gboolean
record_provenance (LabelsJob *job, GError **error)
{
  write_provenance (job->labels, &job->box, g_bytes_get_data (job->bytes, NULL));
  return grid_update (job->labels, &job->labels->provenance, &job->box, error);
}

static gboolean
record_origins (LabelsJob *job, GError **error)
{
  RenderLabels *self = job->labels;
  gsize n_bytes;
  const guint32 *pairs = g_bytes_get_data (job->bytes, &n_bytes);

  volume_label_snapshot_ref (job->snapshot);
  volume_label_snapshot_unref (self->origins);
  self->origins = job->snapshot;
  if (self->edits == NULL)
    self->edits = g_hash_table_new (NULL, NULL);
  for (gsize n = 0; n < n_bytes / sizeof *pairs; n += 2)
    g_hash_table_insert (self->edits, GUINT_TO_POINTER (pairs[n]), GUINT_TO_POINTER (pairs[n + 1]));
  return grid_update (self, &self->provenance, job->has_box ? &job->box : NULL, error);
}

static void
record_look (LabelsJob *job)
{
  RenderLabels *self = job->labels;

  g_clear_pointer (&self->looks, g_free);
  ensure_looks (self);
  for (gsize l = 0; l < volume_label_set_get_n (job->set); l++)
    {
      const VolumeLabel *label = volume_label_set_get (job->set, l);

      memcpy (self->looks + (gsize) label->id * 4, label->rgba, 4);
      if (!label->visible)
        self->looks[(gsize) label->id * 4 + 3] = 0;
    }
  self->palette_sent = FALSE;
  render_surface_change (&self->surface, NULL);
}

static gboolean
record_cb (RenderJob *base, RenderDevice *device, GError **error)
{
  LabelsJob *job = (LabelsJob *) base;

  job->labels->serial = ++device->n_serials;
  switch (job->kind)
    {
    case JOB_UPDATE:
      return record_update (job, error);
    case JOB_PROVENANCE:
      return record_provenance (job, error);
    case JOB_ORIGINS:
      return record_origins (job, error);
    case JOB_LOOK:
      record_look (job);
      return TRUE;
    case JOB_ENTER:
      render_device_add_resident (device, &job->labels->resident);
      return TRUE;
    case JOB_LEAVE:
    default:
      return TRUE;
    }
}

static void
leave (RenderLabels *self, RenderDevice *device)
{
  render_device_remove_resident (device, &self->resident);
  g_clear_error (&self->labels.refused);
  g_clear_error (&self->provenance.refused);
  if (device->life != NULL)
    {
      grid_release (&self->labels, device);
      grid_release (&self->provenance, device);
      render_texture_release (device, g_steal_pointer (&self->palette));
      render_surface_release (&self->surface, device);
    }
  g_free (self->surface.channel_of);
  if (self->provenance_tiles != NULL)
    for (gsize t = 0; t < n_tiles (self); t++)
      g_free (self->provenance_tiles[t]);
  g_free (self->provenance_tiles);
  volume_label_snapshot_unref (self->origins);
  g_clear_pointer (&self->edits, g_hash_table_unref);
  g_free (self->looks);
  volume_label_snapshot_unref (self->snapshot);
  g_clear_pointer (&self->array, g_bytes_unref);
  render_device_unref (self->device);
  g_free (self);
}

static void
done_cb (RenderJob *base, RenderDevice *device, const GError *error)
{
  LabelsJob *job = (LabelsJob *) base;

  if (job->kind == JOB_LEAVE)
    leave (job->labels, device);
  else
    render_labels_unref (job->labels);
  g_clear_pointer (&job->snapshot, volume_label_snapshot_unref);
  g_clear_pointer (&job->bytes, g_bytes_unref);
  volume_label_set_free (job->set);
  g_free (job);
}

/* The job holds a reference, except the last one of all, which has it. */
static void
post_labels_job (RenderLabels *self, const LabelsJob *values)
{
  LabelsJob *job = g_memdup2 (values, sizeof *values);

  job->job.record = record_cb;
  job->job.done = done_cb;
  job->labels = job->kind == JOB_LEAVE ? self : render_labels_ref (self);
  render_device_post (self->device, &job->job);
}

/* Nothing, where the box is beside the grid. */
static void
post_snapshot (RenderLabels *self, LabelsJob *job, VolumeLabelSnapshot *snapshot,
               const VolumeBox *box)
{
  int size[3];

  volume_label_snapshot_get_size (snapshot, size);
  g_return_if_fail (memcmp (size, self->size, sizeof size) == 0);
  job->has_box = box != NULL;
  if (box != NULL)
    {
      job->box = *box;
      if (!clip_box (self, &job->box))
        {
          g_clear_pointer (&job->bytes, g_bytes_unref);
          return;
        }
    }
  job->snapshot = volume_label_snapshot_ref (snapshot);
  post_labels_job (self, job);
}

/* --- public --- */

RenderLabels *
render_labels_new (RenderDevice *device, const int size[3])
{
  RenderLabels *self = g_new0 (RenderLabels, 1);

  self->n_refs = 1;
  self->device = render_device_ref (device);
  memcpy (self->size, size, sizeof self->size);
  self->resident.drop = drop;
  self->resident.upload_step = upload_step;
  post_labels_job (self, &(LabelsJob){ .kind = JOB_ENTER });
  return self;
}

RenderLabels *
render_labels_ref (RenderLabels *self)
{
  g_atomic_int_inc (&self->n_refs);
  return self;
}

void
render_labels_unref (RenderLabels *self)
{
  if (self != NULL && g_atomic_int_dec_and_test (&self->n_refs))
    post_labels_job (self, &(LabelsJob){ .kind = JOB_LEAVE });
}

void
render_labels_update (RenderLabels *self, VolumeLabelSnapshot *snapshot, const VolumeBox *box)
{
  LabelsJob job = { .kind = JOB_UPDATE };

  post_snapshot (self, &job, snapshot, box);
}

void
render_labels_update_array (RenderLabels *self, GBytes *labels)
{
  const VolumeBox all = whole_box (self);

  g_return_if_fail (g_bytes_get_size (labels) == volume_box_get_n_voxels (&all) * sizeof (guint16));
  post_labels_job (self, &(LabelsJob){ .kind = JOB_UPDATE, .bytes = g_bytes_ref (labels) });
}

void
render_labels_set_provenance (RenderLabels *self, const VolumeBox *box, GBytes *codes)
{
  VolumeBox clipped = *box;

  g_return_if_fail (clip_box (self, &clipped) && memcmp (&clipped, box, sizeof clipped) == 0);
  g_return_if_fail (g_bytes_get_size (codes) == volume_box_get_n_voxels (box));
  post_labels_job (
      self, &(LabelsJob){ .kind = JOB_PROVENANCE, .box = *box, .bytes = g_bytes_ref (codes) });
}

void
render_labels_set_origins (RenderLabels *self, VolumeLabelSnapshot *snapshot, GBytes *edits,
                           const VolumeBox *box)
{
  LabelsJob job = { .kind = JOB_ORIGINS, .bytes = g_bytes_ref (edits) };

  post_snapshot (self, &job, snapshot, box);
}

void
render_labels_set_look (RenderLabels *self, const VolumeLabelSet *set)
{
  post_labels_job (self, &(LabelsJob){ .kind = JOB_LOOK, .set = volume_label_set_copy (set) });
}
