/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/label-map.h"
#include "volume/memory.h"

#include "volume/mask.h"

#include <string.h>

#define TILE_SHIFT 5
#define TILE_SIDE (1 << TILE_SHIFT)
#define TILE_MASK (TILE_SIDE - 1)
#define TILE_VOXELS (TILE_SIDE * TILE_SIDE * TILE_SIDE)
#define PALETTE_SIZE 256
#define N_LABELS (G_MAXUINT16 + 1)
#define N_REMEMBERED_CHANGES 512

/* Labels are bytes until one above 255 comes; edit ids are places in a palette until it is full. */
typedef struct
{
  gatomicrefcount refs;
  guint8 *labels8; /* one of labels8, labels16 */
  guint16 *labels16;
  guint8 *ids8; /* one of ids8 (places in palette), ids32 */
  guint32 *ids32;
  guint32 palette[PALETTE_SIZE];
  int n_palette;
} Tile;

typedef struct
{
  gatomicrefcount refs;
  int size[3];
  int n_tiles[3];
  Tile **tiles; /* NULL where every voxel is 0 and untouched */
} TileGrid;

typedef struct
{
  guint64 version;
  VolumeBox box;
} Change;

struct _VolumeLabelMap
{
  gatomicrefcount refs;
  TileGrid grid;
  guint64 version;
  gsize *counts;
  GQueue changes; /* Change, oldest first */
  VolumeBox older_box; /* of changes no longer in the queue */
  guint64 older_version; /* the last of them */
};

struct _VolumeLabelSnapshot
{
  TileGrid grid;
};

/* Tiles */

static void
tile_unref (Tile *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  g_free (self->labels8);
  g_free (self->labels16);
  g_free (self->ids8);
  g_free (self->ids32);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Tile, tile_unref)

static Tile *
tile_new (GError **error)
{
  g_autoptr (Tile) self = volume_memory_try0 (1, sizeof *self, error);

  if (self == NULL)
    return NULL;
  g_atomic_ref_count_init (&self->refs);
  self->labels8 = volume_memory_try0 (TILE_VOXELS, sizeof *self->labels8, error);
  if (self->labels8 == NULL)
    return NULL;
  self->ids8 = volume_memory_try0 (TILE_VOXELS, sizeof *self->ids8, error);
  if (self->ids8 == NULL)
    return NULL;
  self->n_palette = 1; /* place 0 is id 0 */
  return g_steal_pointer (&self);
}

/* TRUE also where there is nothing to copy. */
static gboolean
copy_bytes (gconstpointer src, gsize size, gpointer dst, GError **error)
{
  gpointer copy;

  if (src == NULL)
    return TRUE;
  copy = volume_memory_try (size, 1, error);
  if (copy == NULL)
    return FALSE;
  memcpy (copy, src, size);
  *(gpointer *) dst = copy;
  return TRUE;
}

static Tile *
tile_copy (const Tile *src, GError **error)
{
  g_autoptr (Tile) self = volume_memory_try0 (1, sizeof *self, error);

  if (self == NULL)
    return NULL;
  g_atomic_ref_count_init (&self->refs);
  memcpy (self->palette, src->palette, sizeof self->palette);
  self->n_palette = src->n_palette;
  if (!copy_bytes (src->labels8, TILE_VOXELS, &self->labels8, error)
      || !copy_bytes (src->labels16, TILE_VOXELS * sizeof (guint16), &self->labels16, error)
      || !copy_bytes (src->ids8, TILE_VOXELS, &self->ids8, error)
      || !copy_bytes (src->ids32, TILE_VOXELS * sizeof (guint32), &self->ids32, error))
    return NULL;
  return g_steal_pointer (&self);
}

static inline guint16
tile_get_label (const Tile *self, int at)
{
  return self->labels8 != NULL ? self->labels8[at] : self->labels16[at];
}

static inline guint32
tile_get_id (const Tile *self, int at)
{
  return self->ids8 != NULL ? self->palette[self->ids8[at]] : self->ids32[at];
}

static gboolean
tile_widen_labels (Tile *self, GError **error)
{
  self->labels16 = volume_memory_try (TILE_VOXELS, sizeof *self->labels16, error);
  if (self->labels16 == NULL)
    return FALSE;
  for (int at = 0; at < TILE_VOXELS; at++)
    self->labels16[at] = self->labels8[at];
  g_clear_pointer (&self->labels8, g_free);
  return TRUE;
}

static gboolean
tile_widen_ids (Tile *self, GError **error)
{
  self->ids32 = volume_memory_try (TILE_VOXELS, sizeof *self->ids32, error);
  if (self->ids32 == NULL)
    return FALSE;
  for (int at = 0; at < TILE_VOXELS; at++)
    self->ids32[at] = self->palette[self->ids8[at]];
  g_clear_pointer (&self->ids8, g_free);
  return TRUE;
}

/* Drops ids no voxel carries any more, so that many edits of one place stay within the palette. */
static void
tile_tidy_palette (Tile *self)
{
  guint8 place_of[PALETTE_SIZE];
  gboolean used[PALETTE_SIZE] = { TRUE };
  int n = 0;

  for (int at = 0; at < TILE_VOXELS; at++)
    used[self->ids8[at]] = TRUE;
  for (int p = 0; p < self->n_palette; p++)
    if (used[p])
      {
        place_of[p] = n;
        self->palette[n++] = self->palette[p];
      }
  if (n == self->n_palette)
    return;
  for (int at = 0; at < TILE_VOXELS; at++)
    self->ids8[at] = place_of[self->ids8[at]];
  self->n_palette = n;
}

/* The id's place in the palette, or −1 when the tile has gone over to whole ids. */
static gboolean
tile_find_place (Tile *self, guint32 id, int *place, GError **error)
{
  *place = -1;
  if (self->ids8 == NULL)
    return TRUE;
  for (int p = self->n_palette - 1; p >= 0; p--)
    if (self->palette[p] == id)
      {
        *place = p;
        return TRUE;
      }
  if (self->n_palette == PALETTE_SIZE)
    tile_tidy_palette (self);
  if (self->n_palette == PALETTE_SIZE)
    return tile_widen_ids (self, error);
  self->palette[self->n_palette] = id;
  *place = self->n_palette++;
  return TRUE;
}

/* Without memory for it the tile's content is as before. */
static gboolean
tile_set_run (Tile *self, int at, int length, guint16 label, guint32 id, GError **error)
{
  int place;

  if (!tile_find_place (self, id, &place, error))
    return FALSE;
  if (label > 255 && self->labels8 != NULL && !tile_widen_labels (self, error))
    return FALSE;
  if (self->labels8 != NULL)
    memset (self->labels8 + at, label, length);
  else
    for (int n = 0; n < length; n++)
      self->labels16[at + n] = label;
  if (place >= 0)
    memset (self->ids8 + at, place, length);
  else
    for (int n = 0; n < length; n++)
      self->ids32[at + n] = id;
  return TRUE;
}

static gboolean
tile_run_is (const Tile *self, int at, int length, guint16 label, guint32 id)
{
  if (self == NULL)
    return label == 0 && id == 0;
  for (int n = 0; n < length; n++)
    if (tile_get_label (self, at + n) != label || tile_get_id (self, at + n) != id)
      return FALSE;
  return TRUE;
}

/* Grids of tiles */

static gsize
grid_n_tiles (const TileGrid *grid)
{
  return (gsize) grid->n_tiles[0] * grid->n_tiles[1] * grid->n_tiles[2];
}

static inline Tile **
grid_tile_at (const TileGrid *grid, int i, int j, int k)
{
  return &grid->tiles[((gsize) (k >> TILE_SHIFT) * grid->n_tiles[1] + (j >> TILE_SHIFT))
                          * grid->n_tiles[0]
                      + (i >> TILE_SHIFT)];
}

static inline int
place_in_tile (int i, int j, int k)
{
  return ((k & TILE_MASK) << (2 * TILE_SHIFT)) + ((j & TILE_MASK) << TILE_SHIFT) + (i & TILE_MASK);
}

static inline gboolean
grid_has (const TileGrid *grid, int i, int j, int k)
{
  return i >= 0 && j >= 0 && k >= 0 && i < grid->size[0] && j < grid->size[1] && k < grid->size[2];
}

static gboolean
grid_init (TileGrid *grid, const int size[3], GError **error)
{
  for (int a = 0; a < 3; a++)
    {
      grid->size[a] = size[a];
      grid->n_tiles[a] = (size[a] + TILE_SIDE - 1) / TILE_SIDE;
    }
  grid->tiles = volume_memory_try0 (grid_n_tiles (grid), sizeof *grid->tiles, error);
  return grid->tiles != NULL;
}

static void
grid_clear (TileGrid *grid)
{
  gsize n = grid_n_tiles (grid);

  for (gsize t = 0; grid->tiles != NULL && t < n; t++)
    tile_unref (grid->tiles[t]);
  g_clear_pointer (&grid->tiles, g_free);
}

/* Visits the parts of a box's rows that lie in one tile. @dst counts voxels from the box's start.
 */
typedef void (*SpanFunc) (const Tile *tile, int at, int length, gsize dst, gpointer user_data);

static void
grid_visit_box (const TileGrid *grid, const VolumeBox *box, SpanFunc visit, gpointer user_data)
{
  gsize n_i = box->hi[0] - box->lo[0], n_j = box->hi[1] - box->lo[1];
  int lo = MAX (box->lo[0], 0), hi = MIN (box->hi[0], grid->size[0]);

  for (int k = MAX (box->lo[2], 0); k < MIN (box->hi[2], grid->size[2]); k++)
    for (int j = MAX (box->lo[1], 0); j < MIN (box->hi[1], grid->size[1]); j++)
      for (int i = lo; i < hi;)
        {
          int end = MIN (hi, (i | TILE_MASK) + 1);
          const Tile *tile = *grid_tile_at (grid, i, j, k);

          if (tile != NULL)
            visit (tile, place_in_tile (i, j, k), end - i,
                   ((gsize) (k - box->lo[2]) * n_j + (j - box->lo[1])) * n_i + (i - box->lo[0]),
                   user_data);
          i = end;
        }
}

static gsize
box_n_voxels (const VolumeBox *box)
{
  gsize n = 1;

  for (int a = 0; a < 3; a++)
    {
      if (box->hi[a] <= box->lo[a])
        return 0;
      n *= (gsize) (box->hi[a] - box->lo[a]);
    }
  return n;
}

static void
copy_labels_cb (const Tile *tile, int at, int length, gsize dst, gpointer user_data)
{
  guint16 *out = (guint16 *) user_data + dst;

  if (tile->labels8 != NULL)
    for (int n = 0; n < length; n++)
      out[n] = tile->labels8[at + n];
  else
    memcpy (out, tile->labels16 + at, length * sizeof *out);
}

static void
copy_ids_cb (const Tile *tile, int at, int length, gsize dst, gpointer user_data)
{
  guint32 *out = (guint32 *) user_data + dst;

  for (int n = 0; n < length; n++)
    out[n] = tile_get_id (tile, at + n);
}

static void
grid_read_labels (const TileGrid *grid, const VolumeBox *box, guint16 *dst)
{
  memset (dst, 0, box_n_voxels (box) * sizeof *dst);
  grid_visit_box (grid, box, copy_labels_cb, dst);
}

static void
grid_read_ids (const TileGrid *grid, const VolumeBox *box, guint32 *dst)
{
  memset (dst, 0, box_n_voxels (box) * sizeof *dst);
  grid_visit_box (grid, box, copy_ids_cb, dst);
}

/* Boxes */

/* The map */

VolumeLabelMap *
volume_label_map_new (const int size[3], GError **error)
{
  g_autoptr (VolumeLabelMap) self = NULL;

  g_return_val_if_fail (size[0] > 0 && size[1] > 0 && size[2] > 0, NULL);

  self = g_new0 (VolumeLabelMap, 1);
  g_atomic_ref_count_init (&self->refs);
  g_queue_init (&self->changes);
  self->counts = g_new0 (gsize, N_LABELS);
  self->counts[0] = (gsize) size[0] * size[1] * size[2];
  if (!grid_init (&self->grid, size, error))
    return NULL;
  return g_steal_pointer (&self);
}

VolumeLabelMap *
volume_label_map_ref (VolumeLabelMap *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
volume_label_map_unref (VolumeLabelMap *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  grid_clear (&self->grid);
  g_queue_clear_full (&self->changes, g_free);
  g_free (self->counts);
  g_free (self);
}

void
volume_label_map_get_size (const VolumeLabelMap *self, int size[3])
{
  memcpy (size, self->grid.size, sizeof self->grid.size);
}

guint16
volume_label_map_get (const VolumeLabelMap *self, int i, int j, int k)
{
  const Tile *tile;

  if (!grid_has (&self->grid, i, j, k))
    return 0;
  tile = *grid_tile_at (&self->grid, i, j, k);
  return tile != NULL ? tile_get_label (tile, place_in_tile (i, j, k)) : 0;
}

guint32
volume_label_map_get_edit_id (const VolumeLabelMap *self, int i, int j, int k)
{
  const Tile *tile;

  if (!grid_has (&self->grid, i, j, k))
    return 0;
  tile = *grid_tile_at (&self->grid, i, j, k);
  return tile != NULL ? tile_get_id (tile, place_in_tile (i, j, k)) : 0;
}

void
volume_label_map_read_box (const VolumeLabelMap *self, const VolumeBox *box, guint16 *dst)
{
  grid_read_labels (&self->grid, box, dst);
}

void
volume_label_map_read_edit_ids (const VolumeLabelMap *self, const VolumeBox *box, guint32 *dst)
{
  grid_read_ids (&self->grid, box, dst);
}

static gboolean
run_is_inside (const TileGrid *grid, const VolumeEditRun *run)
{
  return grid_has (grid, run->i, run->j, run->k)
         && run->length <= (guint32) (grid->size[0] - run->i);
}

static gboolean
run_is_as (const TileGrid *grid, const VolumeEditRun *run, guint16 label, guint32 id)
{
  for (int i = run->i, end = run->i + (int) run->length; i < end;)
    {
      int stop = MIN (end, (i | TILE_MASK) + 1);

      if (!tile_run_is (*grid_tile_at (grid, i, run->j, run->k), place_in_tile (i, run->j, run->k),
                        stop - i, label, id))
        return FALSE;
      i = stop;
    }
  return TRUE;
}

/* The tile is this grid's alone afterwards: new where there was none, copied if a snapshot holds
 * it. */
static gboolean
own_tile (Tile **tile, GError **error)
{
  Tile *own;

  if (*tile != NULL && g_atomic_ref_count_compare (&(*tile)->refs, 1))
    return TRUE;
  own = *tile == NULL ? tile_new (error) : tile_copy (*tile, error);
  if (own == NULL)
    return FALSE;
  tile_unref (*tile);
  *tile = own;
  return TRUE;
}

/* Writes the voxels of a run up to @end, and says where it came to: short of it without memory. */
static int
write_run (TileGrid *grid, const VolumeEditRun *run, int end, guint16 label, guint32 id,
           GError **error)
{
  for (int i = run->i; i < end;)
    {
      int stop = MIN (end, (i | TILE_MASK) + 1);
      Tile **tile = grid_tile_at (grid, i, run->j, run->k);

      if (!own_tile (tile, error)
          || !tile_set_run (*tile, place_in_tile (i, run->j, run->k), stop - i, label, id, error))
        return i;
      i = stop;
    }
  return end;
}

static void
remember_change (VolumeLabelMap *self, const VolumeBox *box)
{
  Change *change = g_new (Change, 1);

  change->version = ++self->version;
  change->box = *box;
  g_queue_push_tail (&self->changes, change);
  if (g_queue_get_length (&self->changes) > N_REMEMBERED_CHANGES)
    {
      g_autofree Change *oldest = g_queue_pop_head (&self->changes);

      volume_box_join (&self->older_box, &oldest->box);
      self->older_version = oldest->version;
    }
}

/* Every run is in the state that the edit found (@forward) or left. */
static gboolean
check_runs (const VolumeLabelMap *self, const VolumeEdit *edit, gboolean forward, GError **error)
{
  gsize n_runs;
  const VolumeEditRun *runs = volume_edit_get_runs (edit, &n_runs);

  for (gsize r = 0; r < n_runs; r++)
    {
      const VolumeEditRun *run = &runs[r];

      if (!run_is_inside (&self->grid, run)
          || !run_is_as (&self->grid, run, forward ? run->before : run->after,
                         forward ? run->before_edit_id : run->after_edit_id))
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
                       "edit %u does not fit the labels at voxel %d, %d, %d: they are not in the "
                       "state it %s",
                       volume_edit_get_id (edit), run->i, run->j, run->k,
                       forward ? "found" : "left");
          return FALSE;
        }
    }
  return TRUE;
}

/* Writes runs until memory ends; returns how many it finished. Of the next one it wrote the voxels
 * before *@stop. */
static gsize
write_runs (TileGrid *grid, const VolumeEditRun *runs, gsize n_runs, gboolean forward, int *stop,
            GError **error)
{
  for (gsize r = 0; r < n_runs; r++)
    {
      const VolumeEditRun *run = &runs[r];
      const int end = run->i + (int) run->length;

      *stop = write_run (grid, run, end, forward ? run->after : run->before,
                         forward ? run->after_edit_id : run->before_edit_id, error);
      if (*stop < end)
        return r;
    }
  return n_runs;
}

/* Takes back what write_runs() did. Needs no memory: the tiles are this grid's own, wide enough for
 * what they held, and an id that was overwritten finds its place again, because the ids of a tile
 * before a write, together with the new one, fitted its palette or made it whole ids. */
static void
unwrite_runs (TileGrid *grid, const VolumeEditRun *runs, gsize n_done, int stop, gboolean forward)
{
  for (gsize r = n_done + 1; r-- > 0;)
    {
      const VolumeEditRun *run = &runs[r];
      const int end = r == n_done ? stop : run->i + (int) run->length;
      const int back_to = write_run (grid, run, end, forward ? run->before : run->after,
                                     forward ? run->before_edit_id : run->after_edit_id, NULL);

      g_assert (back_to >= end);
    }
}

static gboolean
go_to_state (VolumeLabelMap *self, const VolumeEdit *edit, gboolean forward, GError **error)
{
  gsize n_runs, n_done;
  const VolumeEditRun *runs = volume_edit_get_runs (edit, &n_runs);
  VolumeBox box = volume_edit_get_box (edit);
  int stop = 0;

  if (!check_runs (self, edit, forward, error))
    return FALSE;
  n_done = write_runs (&self->grid, runs, n_runs, forward, &stop, error);
  if (n_done < n_runs)
    {
      unwrite_runs (&self->grid, runs, n_done, stop, forward);
      return FALSE;
    }
  for (gsize r = 0; r < n_runs; r++)
    {
      self->counts[forward ? runs[r].before : runs[r].after] -= runs[r].length;
      self->counts[forward ? runs[r].after : runs[r].before] += runs[r].length;
    }
  if (n_runs > 0)
    remember_change (self, &box);
  return TRUE;
}

gboolean
volume_label_map_apply_edit (VolumeLabelMap *self, const VolumeEdit *edit, GError **error)
{
  return go_to_state (self, edit, TRUE, error);
}

gboolean
volume_label_map_revert_edit (VolumeLabelMap *self, const VolumeEdit *edit, GError **error)
{
  return go_to_state (self, edit, FALSE, error);
}

guint64
volume_label_map_get_version (const VolumeLabelMap *self)
{
  return self->version;
}

VolumeBox
volume_label_map_get_dirty_box (const VolumeLabelMap *self, guint64 version)
{
  VolumeBox box = { 0 };

  for (const GList *l = self->changes.tail; l != NULL; l = l->prev)
    {
      const Change *change = l->data;

      if (change->version <= version)
        return box;
      volume_box_join (&box, &change->box);
    }
  if (version < self->older_version)
    volume_box_join (&box, &self->older_box);
  return box;
}

const gsize *
volume_label_map_get_counts (const VolumeLabelMap *self)
{
  return self->counts;
}

static gboolean
add_run (VolumeList *runs, const VolumeEditRun *run, GError **error)
{
  VolumeEditRun *own;

  if (run->length == 0 || (run->after == 0 && run->after_edit_id == 0))
    return TRUE;
  own = volume_list_add (runs, sizeof *own, error);
  if (own == NULL)
    return FALSE;
  *own = *run;
  return TRUE;
}

static gboolean
collect_tile_runs (const TileGrid *grid, const Tile *tile, const int origin[3], VolumeList *runs,
                   GError **error)
{
  for (int k = origin[2]; k < MIN (origin[2] + TILE_SIDE, grid->size[2]); k++)
    for (int j = origin[1]; j < MIN (origin[1] + TILE_SIDE, grid->size[1]); j++)
      {
        VolumeEditRun run = { 0 };

        for (int i = origin[0]; i < MIN (origin[0] + TILE_SIDE, grid->size[0]); i++)
          {
            int at = place_in_tile (i, j, k);
            guint16 label = tile_get_label (tile, at);
            guint32 id = tile_get_id (tile, at);

            if (run.length > 0 && run.after == label && run.after_edit_id == id)
              {
                run.length++;
                continue;
              }
            if (!add_run (runs, &run, error))
              return FALSE;
            run = (VolumeEditRun){
              .i = i, .j = j, .k = k, .length = 1, .after = label, .after_edit_id = id
            };
          }
        if (!add_run (runs, &run, error))
          return FALSE;
      }
  return TRUE;
}

VolumeEdit *
volume_edit_new_from_map (const VolumeLabelMap *map, GError **error)
{
  const TileGrid *grid = &map->grid;
  g_auto (VolumeList) runs = { 0 };

  for (int tk = 0; tk < grid->size[2]; tk += TILE_SIDE)
    for (int tj = 0; tj < grid->size[1]; tj += TILE_SIDE)
      for (int ti = 0; ti < grid->size[0]; ti += TILE_SIDE)
        {
          const Tile *tile = *grid_tile_at (grid, ti, tj, tk);

          if (tile != NULL
              && !collect_tile_runs (grid, tile, (const int[3]){ ti, tj, tk }, &runs, error))
            return NULL;
        }
  return volume_edit_new_from_runs (0, VOLUME_PROVENANCE_NONE, "snapshot", runs.items, runs.n,
                                    error);
}

/* Sharing tiles */

static void
share_tile (Tile **dst, Tile *src)
{
  if (*dst == src)
    return;
  if (src != NULL)
    g_atomic_ref_count_inc (&src->refs);
  tile_unref (*dst);
  *dst = src;
}

VolumeLabelMap *
volume_label_map_copy (const VolumeLabelMap *self, GError **error)
{
  g_autoptr (VolumeLabelMap) copy = volume_label_map_new (self->grid.size, error);

  if (copy == NULL)
    return NULL;
  for (gsize t = 0; t < grid_n_tiles (&self->grid); t++)
    share_tile (&copy->grid.tiles[t], self->grid.tiles[t]);
  memcpy (copy->counts, self->counts, N_LABELS * sizeof *copy->counts);
  return g_steal_pointer (&copy);
}

void
volume_label_map_become (VolumeLabelMap *self, const VolumeLabelMap *other, const VolumeBox *box)
{
  const int *size = self->grid.size;

  g_return_if_fail (memcmp (size, other->grid.size, sizeof self->grid.size) == 0);

  if (volume_box_is_empty (box))
    return;
  for (int k = MAX (box->lo[2], 0) & ~TILE_MASK; k < MIN (box->hi[2], size[2]); k += TILE_SIDE)
    for (int j = MAX (box->lo[1], 0) & ~TILE_MASK; j < MIN (box->hi[1], size[1]); j += TILE_SIDE)
      for (int i = MAX (box->lo[0], 0) & ~TILE_MASK; i < MIN (box->hi[0], size[0]); i += TILE_SIDE)
        share_tile (grid_tile_at (&self->grid, i, j, k), *grid_tile_at (&other->grid, i, j, k));
  memcpy (self->counts, other->counts, N_LABELS * sizeof *self->counts);
  remember_change (self, box);
}

VolumeLabelSnapshot *
volume_label_map_snapshot (VolumeLabelMap *self, GError **error)
{
  gsize n = grid_n_tiles (&self->grid);
  Tile **tiles = volume_memory_try (n, sizeof *tiles, error);
  VolumeLabelSnapshot *snapshot;

  if (tiles == NULL)
    return NULL;
  memcpy (tiles, self->grid.tiles, n * sizeof *tiles);
  snapshot = g_new0 (VolumeLabelSnapshot, 1);
  snapshot->grid = self->grid;
  snapshot->grid.tiles = tiles;
  g_atomic_ref_count_init (&snapshot->grid.refs);
  for (gsize t = 0; t < n; t++)
    if (snapshot->grid.tiles[t] != NULL)
      g_atomic_ref_count_inc (&snapshot->grid.tiles[t]->refs);
  return snapshot;
}

VolumeLabelSnapshot *
volume_label_snapshot_ref (VolumeLabelSnapshot *self)
{
  g_atomic_ref_count_inc (&self->grid.refs);
  return self;
}

void
volume_label_snapshot_unref (VolumeLabelSnapshot *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->grid.refs))
    return;
  grid_clear (&self->grid);
  g_free (self);
}

void
volume_label_snapshot_get_size (const VolumeLabelSnapshot *self, int size[3])
{
  memcpy (size, self->grid.size, sizeof self->grid.size);
}

void
volume_label_snapshot_read_box (const VolumeLabelSnapshot *self, const VolumeBox *box, guint16 *dst)
{
  grid_read_labels (&self->grid, box, dst);
}

void
volume_label_snapshot_read_edit_ids (const VolumeLabelSnapshot *self, const VolumeBox *box,
                                     guint32 *dst)
{
  grid_read_ids (&self->grid, box, dst);
}
