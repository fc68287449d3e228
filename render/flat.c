/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/flat.h"
#include "volume/mask.h"

#include <string.h>

#define N_KEPT 4 /* of each kind: the slices in view, and one that was */

/* What a texture was laid out from; compared as bytes. */
typedef struct
{
  guint64 source; /* serial of the scan, or of the labels' last change */
  gint32 axis, lo[3], hi[3];
  gint32 fill, outline, hatch, highlight;
  float opacity;
} Key;

typedef struct
{
  Key key;
  RenderTexture *texture; /* NULL: free */
  VolumeBox over; /* of overlays: the voxels that show something; may be empty */
  guint64 last_use;
} Entry;

struct _RenderFlatCache
{
  Entry values[N_KEPT], overlays[N_KEPT];
  guint64 n_uses;
  /* A slice as it is read: memory from the system with every picture costs more than filling it. */
  gpointer scratch;
  gsize scratch_bytes;
};

typedef struct
{
  int n[2]; /* voxels along the slice's two axes */
  int texels[2];
} Extent;

static Extent
extent_of (const RenderFlatParams *params)
{
  Extent extent;
  int d = 0;

  for (int c = 0; c < 3; c++)
    if (c != params->axis)
      {
        extent.n[d] = params->box.hi[c] - params->box.lo[c];
        extent.texels[d] = extent.n[d] + 2 * RENDER_FLAT_PAD;
        d++;
      }
  return extent;
}

static gpointer
take_scratch (RenderFlatCache *self, gsize bytes)
{
  if (bytes > self->scratch_bytes)
    {
      g_free (self->scratch);
      self->scratch = g_malloc (bytes);
      self->scratch_bytes = bytes;
    }
  return self->scratch;
}

/* --- values --- */

static void
lay_out_values (const float *slice, const Extent *extent, float *dst)
{
  const int n_a = extent->n[0], n_b = extent->n[1];

  for (int b = -RENDER_FLAT_PAD; b < n_b + RENDER_FLAT_PAD; b++)
    {
      const float *low = slice + (gsize) CLAMP (b, 0, n_b - 1) * (gsize) n_a;
      const float *high = slice + (gsize) CLAMP (b + 1, 0, n_b - 1) * (gsize) n_a;

      for (int a = -RENDER_FLAT_PAD; a < n_a + RENDER_FLAT_PAD; a++, dst += 4)
        {
          const int here = CLAMP (a, 0, n_a - 1), next = CLAMP (a + 1, 0, n_a - 1);

          dst[0] = low[here];
          dst[1] = low[next];
          dst[2] = high[here];
          dst[3] = high[next];
        }
    }
}

static VolumeBox
fill_values (RenderFlatCache *self, const RenderFlatParams *params, const Extent *extent,
             gpointer dst)
{
  float *slice = take_scratch (self, (gsize) extent->n[0] * (gsize) extent->n[1] * sizeof *slice);

  render_scan_read_texels (params->scan, &params->box, slice);
  lay_out_values (slice, extent, dst);
  return params->box;
}

/* --- overlay --- */

/* How one label is drawn, as slice.frag does it. */
typedef struct
{
  guint32 fill_rgb, line_rgb;
  float fill_alpha, line_alpha;
} Look;

static guint32
pack_rgb (const guint8 rgb[3])
{
  return (guint32) rgb[0] | (guint32) rgb[1] << 8 | (guint32) rgb[2] << 16;
}

static Look
look_of (const RenderFlatParams *params, const guint8 *looks, guint16 id)
{
  const guint8 *rgba = looks + (gsize) id * 4;
  const gboolean others = params->highlight_label > 0 && id != params->highlight_label;
  const gboolean chosen = params->highlight_label > 0 && !others;
  const float alpha = (float) (params->label_opacity * rgba[3] / 255.0);
  guint8 line[3];
  Look look = { .fill_rgb = pack_rgb (rgba) };

  for (int c = 0; c < 3; c++)
    line[c] = chosen ? (guint8) (rgba[c] + (255 - rgba[c]) * 0.45f + 0.5f) : rgba[c];
  look.line_rgb = pack_rgb (line);
  if (id != 0 && params->fill)
    look.fill_alpha = alpha * (others ? 0.3f : 1.0f);
  if (id != 0 && params->outline && rgba[3] > 0)
    look.line_alpha = others ? 0.4f : 1.0f;
  return look;
}

/* Bits of the neighbours with another label: −a, +a, −b, +b, then the four corners. */
static guint32
edges_of (const guint16 *rows[3], int before, int a, int after)
{
  const guint16 id = rows[1][a];

  return (guint32) (rows[1][before] != id) | (guint32) (rows[1][after] != id) << 1
         | (guint32) (rows[0][a] != id) << 2 | (guint32) (rows[2][a] != id) << 3
         | (guint32) (rows[0][before] != id) << 4 | (guint32) (rows[0][after] != id) << 5
         | (guint32) (rows[2][before] != id) << 6 | (guint32) (rows[2][after] != id) << 7;
}

/* The part of the slice between the first and last voxel along its two axes. */
static VolumeBox
part_of_slice (const RenderFlatParams *params, const int first[2], const int last[2])
{
  VolumeBox part = params->box;
  int d = 0;

  for (int c = 0; c < 3; c++)
    if (c != params->axis)
      {
        part.lo[c] = params->box.lo[c] + first[d];
        part.hi[c] = params->box.lo[c] + last[d] + 1;
        d++;
      }
  return part;
}

static VolumeBox
lay_out_overlay (const RenderFlatParams *params, const Extent *extent, const guint8 *looks,
                 const guint16 *ids, const guint8 *provenance, guint32 *dst)
{
  const int n_a = extent->n[0], n_b = extent->n[1];
  guint16 last_id = 0;
  Look look = look_of (params, looks, 0);
  int first[2] = { n_a, n_b }, last[2] = { -1, -1 };

  for (int tb = -RENDER_FLAT_PAD; tb < n_b + RENDER_FLAT_PAD; tb++)
    {
      const int b = CLAMP (tb, 0, n_b - 1);
      const guint16 *rows[3] = { ids + (gsize) MAX (b - 1, 0) * (gsize) n_a,
                                 ids + (gsize) b * (gsize) n_a,
                                 ids + (gsize) MIN (b + 1, n_b - 1) * (gsize) n_a };
      const guint8 *codes = provenance != NULL ? provenance + (gsize) b * (gsize) n_a : NULL;

      for (int ta = -RENDER_FLAT_PAD; ta < n_a + RENDER_FLAT_PAD; ta++, dst += 4)
        {
          const int a = CLAMP (ta, 0, n_a - 1);
          const guint16 id = rows[1][a];
          const gboolean hatch = params->hatch && id == 0 && (codes == NULL || codes[a] == 0);
          guint32 edges = 0;

          if (id != last_id)
            look = look_of (params, looks, last_id = id);
          if (look.line_alpha > 0.0f)
            edges = edges_of (rows, MAX (a - 1, 0), a, MIN (a + 1, n_a - 1));
          if (hatch || edges != 0 || look.fill_alpha > 0.0f)
            {
              first[0] = MIN (first[0], a);
              first[1] = MIN (first[1], b);
              last[0] = MAX (last[0], a);
              last[1] = MAX (last[1], b);
            }
          dst[0] = look.fill_rgb | edges << 24;
          memcpy (&dst[1], &look.fill_alpha, sizeof look.fill_alpha);
          dst[2] = look.line_rgb | (hatch ? 1u << 24 : 0u);
          memcpy (&dst[3], &look.line_alpha, sizeof look.line_alpha);
        }
    }
  return part_of_slice (params, first, last);
}

static VolumeBox
fill_overlay (RenderFlatCache *self, const RenderFlatParams *params, const Extent *extent,
              gpointer dst)
{
  const gsize n = (gsize) extent->n[0] * (gsize) extent->n[1];
  guint16 *ids = take_scratch (self, n * 3);
  guint8 *codes = params->hatch ? (guint8 *) (ids + n) : NULL;
  const gboolean has_codes =
      codes != NULL && render_labels_read_provenance (params->labels, &params->box, codes);

  render_labels_read (params->labels, &params->box, ids);
  return lay_out_overlay (params, extent, render_labels_get_looks (params->labels), ids,
                          has_codes ? codes : NULL, dst);
}

/* --- what is kept --- */

typedef VolumeBox (*Fill) (RenderFlatCache *self, const RenderFlatParams *params,
                           const Extent *extent, gpointer dst);

static Key
key_of (const RenderFlatParams *params, guint64 source)
{
  Key key;

  memset (&key, 0, sizeof key);
  key.source = source;
  key.axis = params->axis;
  memcpy (key.lo, params->box.lo, sizeof key.lo);
  memcpy (key.hi, params->box.hi, sizeof key.hi);
  return key;
}

static gboolean
has_size (const Entry *entry, const Extent *extent)
{
  return entry->texture != NULL && entry->texture->size[0] == extent->texels[0]
         && entry->texture->size[1] == extent->texels[1];
}

/* The one with that key, or else one to be filled: a free one, then the oldest whose texture has
 * the right size, so that three views in turn do not take each other's and make new ones every
 * time. */
static Entry *
find_entry (Entry *entries, const Key *key, const Extent *extent)
{
  Entry *best = &entries[0];

  for (int e = 0; e < N_KEPT; e++)
    if (entries[e].texture != NULL && memcmp (&entries[e].key, key, sizeof *key) == 0)
      return &entries[e];
  for (int e = 1; e < N_KEPT && best->texture != NULL; e++)
    {
      const gboolean fits = has_size (&entries[e], extent), best_fits = has_size (best, extent);

      if (entries[e].texture == NULL || fits > best_fits
          || (fits == best_fits && entries[e].last_use < best->last_use))
        best = &entries[e];
    }
  return best;
}

static gboolean
send (RenderDevice *device, Entry *entry, const RenderFlatParams *params, VkFormat format,
      Fill fill, GError **error)
{
  const Extent extent = extent_of (params);
  const gsize bytes = (gsize) extent.texels[0] * (gsize) extent.texels[1] * 16;
  VkBuffer buffer;
  VkDeviceSize offset;
  gpointer dst;

  if (entry->texture != NULL && !has_size (entry, &extent))
    render_texture_release (device, g_steal_pointer (&entry->texture));
  if (entry->texture == NULL)
    entry->texture = render_texture_create (device,
                                            &(RenderTextureParams){ .format = format,
                                                                    .width = extent.texels[0],
                                                                    .height = extent.texels[1] },
                                            error);
  dst = entry->texture != NULL ? render_stage (device, bytes, &buffer, &offset, error) : NULL;
  if (dst == NULL)
    return FALSE;
  entry->over = fill (device->flats, params, &extent, dst);
  render_texture_upload (device, entry->texture, buffer, offset, (int[3]){ 0, 0, 0 },
                         (int[3]){ extent.texels[0], extent.texels[1], 1 });
  return TRUE;
}

static Entry *
prepare (RenderDevice *device, Entry *entries, const Key *key, const RenderFlatParams *params,
         VkFormat format, Fill fill, GError **error)
{
  const Extent extent = extent_of (params);
  Entry *entry = find_entry (entries, key, &extent);

  if (entry->texture == NULL || memcmp (&entry->key, key, sizeof *key) != 0)
    {
      memset (&entry->key, 0, sizeof entry->key);
      if (!send (device, entry, params, format, fill, error))
        return NULL;
      entry->key = *key;
    }
  entry->last_use = ++device->flats->n_uses;
  return entry;
}

gboolean
render_flat_prepare (RenderDevice *device, const RenderFlatParams *params, RenderFlat *flat,
                     GError **error)
{
  Key key = key_of (params, render_scan_get_serial (params->scan));
  const Entry *entry;

  if (device->flats == NULL)
    device->flats = g_new0 (RenderFlatCache, 1);
  flat->overlay = NULL;
  entry = prepare (device, device->flats->values, &key, params, VK_FORMAT_R32G32B32A32_SFLOAT,
                   fill_values, error);
  if (entry == NULL)
    return FALSE;
  flat->values = entry->texture;
  if (params->labels == NULL
      || !(params->hatch
           || (render_labels_has_any (params->labels) && (params->fill || params->outline))))
    return TRUE;
  key = key_of (params, render_labels_get_serial (params->labels));
  key.fill = params->fill;
  key.outline = params->outline;
  key.hatch = params->hatch;
  key.highlight = params->highlight_label;
  key.opacity = (float) params->label_opacity;
  entry = prepare (device, device->flats->overlays, &key, params, VK_FORMAT_R32G32B32A32_UINT,
                   fill_overlay, error);
  if (entry == NULL)
    return FALSE;
  flat->over = entry->over;
  flat->overlay = volume_box_is_empty (&flat->over) ? NULL : entry->texture;
  return TRUE;
}

void
render_flat_forget (RenderDevice *device, guint64 source)
{
  for (int e = 0; device->flats != NULL && e < 2 * N_KEPT; e++)
    {
      Entry *entry = e < N_KEPT ? &device->flats->values[e] : &device->flats->overlays[e - N_KEPT];

      if (entry->key.source == source)
        {
          render_texture_release (device, g_steal_pointer (&entry->texture));
          memset (entry, 0, sizeof *entry);
        }
    }
}

void
render_flat_drop (RenderDevice *device)
{
  for (int e = 0; device->flats != NULL && e < N_KEPT; e++)
    {
      render_texture_destroy (device, device->flats->values[e].texture);
      render_texture_destroy (device, device->flats->overlays[e].texture);
    }
  if (device->flats != NULL)
    g_free (device->flats->scratch);
  g_clear_pointer (&device->flats, g_free);
}
