/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/edit.h"
#include "volume/label-map.h"
#include "volume/memory.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define TILE_SHIFT 5
#define TILE_SIDE (1 << TILE_SHIFT)
#define TILE_MASK (TILE_SIDE - 1)
#define MAX_TOOL_LENGTH 64

struct _VolumeEdit
{
  gatomicrefcount refs;
  guint32 id;
  VolumeProvenance provenance;
  char *tool;
  VolumeBox box;
  gsize n_voxels;
  VolumeList runs; /* VolumeEditRun, by k, j, i; none overlap */
};

/* What a gesture set so far in 32³ voxels: a bit for each voxel set, and its label. */
typedef struct
{
  guint32 rows[TILE_SIDE * TILE_SIDE];
  guint16 labels[TILE_SIDE * TILE_SIDE * TILE_SIDE];
} Sheet;

struct _VolumeEditBuilder
{
  VolumeLabelMap *map;
  int size[3];
  int n_tiles[3];
  Sheet **sheets;
  int only_label;
  GError *error; /* memory ended before the gesture did */

  VolumeBox within;
  guint8 *locked; /* one byte a label, or NULL */
  gboolean protect_hand;
  gboolean (*is_hand) (guint32 edit_id, gpointer user_data);
  gpointer user_data;
};

/* Edits */

static VolumeEdit *
edit_new (guint32 id, VolumeProvenance provenance, const char *tool)
{
  VolumeEdit *self = g_new0 (VolumeEdit, 1);
  const char *end;

  g_atomic_ref_count_init (&self->refs);
  self->id = id;
  self->provenance = provenance;
  self->tool = g_strndup (tool != NULL ? tool : "", MAX_TOOL_LENGTH);
  if (!g_utf8_validate (self->tool, -1, &end)) /* cut within a character */
    self->tool[end - self->tool] = '\0';
  return self;
}

VolumeEdit *
volume_edit_ref (VolumeEdit *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
volume_edit_unref (VolumeEdit *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  g_free (self->tool);
  volume_list_clear (&self->runs);
  g_free (self);
}

guint32
volume_edit_get_id (const VolumeEdit *self)
{
  return self->id;
}

VolumeProvenance
volume_edit_get_provenance (const VolumeEdit *self)
{
  return self->provenance;
}

const char *
volume_edit_get_tool (const VolumeEdit *self)
{
  return self->tool;
}

VolumeBox
volume_edit_get_box (const VolumeEdit *self)
{
  return self->box;
}

gsize
volume_edit_get_n_voxels (const VolumeEdit *self)
{
  return self->n_voxels;
}

const VolumeEditRun *
volume_edit_get_runs (const VolumeEdit *self, gsize *n_runs)
{
  *n_runs = self->runs.n;
  return VOLUME_LIST_ITEMS (&self->runs, VolumeEditRun);
}

/* Makes @last longer by @run, which follows it in order, where the two touch and are alike. */
static gboolean
join_run (VolumeEditRun *last, const VolumeEditRun *run)
{
  if (last->k != run->k || last->j != run->j || last->i + (int) last->length != run->i
      || last->before != run->before || last->after != run->after
      || last->before_edit_id != run->before_edit_id || last->after_edit_id != run->after_edit_id)
    return FALSE;
  last->length += run->length;
  return TRUE;
}

/* Adds a run, which must follow the last in order. */
static gboolean
append_run (VolumeEdit *self, const VolumeEditRun *run, GError **error)
{
  VolumeEditRun *runs = self->runs.items, *own;

  if (self->runs.n > 0 && join_run (&runs[self->runs.n - 1], run))
    return TRUE;
  own = volume_list_add (&self->runs, sizeof *own, error);
  if (own == NULL)
    return FALSE;
  *own = *run;
  return TRUE;
}

static void
finish_runs (VolumeEdit *self)
{
  for (gsize r = 0; r < self->runs.n; r++)
    {
      const VolumeEditRun *run = &VOLUME_LIST_ITEMS (&self->runs, VolumeEditRun)[r];
      const int lo[3] = { run->i, run->j, run->k };
      const int hi[3] = { run->i + (int) run->length, run->j + 1, run->k + 1 };

      self->n_voxels += run->length;
      for (int a = 0; a < 3; a++)
        {
          self->box.lo[a] = r == 0 ? lo[a] : MIN (self->box.lo[a], lo[a]);
          self->box.hi[a] = r == 0 ? hi[a] : MAX (self->box.hi[a], hi[a]);
        }
    }
}

static int
compare_runs_cb (gconstpointer a, gconstpointer b)
{
  const VolumeEditRun *ra = a, *rb = b;

  if (ra->k != rb->k)
    return ra->k < rb->k ? -1 : 1;
  if (ra->j != rb->j)
    return ra->j < rb->j ? -1 : 1;
  return ra->i < rb->i ? -1 : ra->i > rb->i;
}

VolumeEdit *
volume_edit_new_from_runs (guint32 id, VolumeProvenance provenance, const char *tool,
                           const VolumeEditRun *runs, gsize n_runs, GError **error)
{
  g_autoptr (VolumeEdit) self = edit_new (id, provenance, tool);
  VolumeEditRun *own = volume_list_add_n (&self->runs, n_runs, sizeof *own, error);
  gsize n = 0;

  if (own == NULL)
    return NULL;
  if (n_runs > 0)
    memcpy (own, runs, n_runs * sizeof *own);
  qsort (own, n_runs, sizeof *own, compare_runs_cb);
  for (gsize r = 0; r < n_runs; r++)
    if (n == 0 || !join_run (&own[n - 1], &own[r]))
      own[n++] = own[r];
  self->runs.n = n;
  finish_runs (self);
  return g_steal_pointer (&self);
}

/* The journal's form
 *
 *   "CLE1"  length of all, u32   id  provenance  tool's length  tool  number of runs  runs  CRC-32
 *
 * Numbers without a width are base-128 varints; u32 and the CRC are little-endian. A run is
 *
 *   step << 3 | same << 2 | row   [row's own numbers]   length   [labels and ids, unless same]
 *
 * row 0: the row of the last run, step voxels after its end; 1: the next row; 2: some rows on;
 * 3: another slice. From 1 on, step is the zigzag distance between the runs' first voxels. */

static const char magic[4] = { 'C', 'L', 'E', '1' };

/* Numbers go where there is room for them: put_run() is given MAX_RUN_BYTES. */
#define MAX_NUMBER_BYTES 10
#define MAX_RUN_BYTES (8 * MAX_NUMBER_BYTES)

static guint8 *
put_number (guint8 *at, guint64 value)
{
  for (; value > 0x7f; value >>= 7)
    *at++ = (value & 0x7f) | 0x80;
  *at++ = value;
  return at;
}

static guint64
zigzag (gint64 value)
{
  return ((guint64) value << 1) ^ (guint64) (value >> 63);
}

static gint64
unzigzag (guint64 value)
{
  return (gint64) (value >> 1) ^ -(gint64) (value & 1);
}

static void
put_u32 (guint8 *at, guint32 value)
{
  value = GUINT32_TO_LE (value);
  memcpy (at, &value, sizeof value);
}

static guint32
get_u32 (const guint8 *at)
{
  guint32 value;

  memcpy (&value, at, sizeof value);
  return GUINT32_FROM_LE (value);
}

static gboolean
same_attributes (const VolumeEditRun *a, const VolumeEditRun *b)
{
  return a->before == b->before && a->after == b->after && a->before_edit_id == b->before_edit_id
         && a->after_edit_id == b->after_edit_id;
}

static guint8 *
put_run (guint8 *at, const VolumeEditRun *run, const VolumeEditRun *last, guint32 id)
{
  gboolean same = same_attributes (run, last);
  int row = run->k != last->k ? 3 : run->j == last->j ? 0 : run->j == last->j + 1 ? 1 : 2;
  guint64 step = row == 0 ? (guint64) (run->i - last->i - (int) last->length)
                          : zigzag ((gint64) run->i - last->i);

  at = put_number (at, step << 3 | (guint64) same << 2 | (guint64) row);
  if (row == 2)
    at = put_number (at, (guint64) (run->j - last->j));
  if (row == 3)
    {
      at = put_number (at, (guint64) (run->k - last->k));
      at = put_number (at, zigzag ((gint64) run->j - last->j));
    }
  at = put_number (at, run->length);
  if (!same)
    {
      at = put_number (at, run->before);
      at = put_number (at, run->after);
      at = put_number (at, run->before_edit_id);
      at = put_number (at, zigzag ((gint64) run->after_edit_id - id));
    }
  return at;
}

static guint8 *
put_head (guint8 *at, const VolumeEdit *self)
{
  gsize tool_length = strlen (self->tool);

  memcpy (at, magic, sizeof magic);
  at += sizeof magic + 4; /* the length comes at the end */
  at = put_number (at, self->id);
  at = put_number (at, self->provenance);
  at = put_number (at, tool_length);
  memcpy (at, self->tool, tool_length);
  return put_number (at + tool_length, self->runs.n);
}

GBytes *
volume_edit_serialize (const VolumeEdit *self, GError **error)
{
  g_auto (VolumeList) out = { 0 };
  const VolumeEditRun *runs = self->runs.items;
  VolumeEditRun last = { .after_edit_id = self->id };
  guint8 *start;

  for (gsize r = 0; r <= self->runs.n; r++)
    {
      const gsize room = r == 0 ? MAX_RUN_BYTES + MAX_TOOL_LENGTH : MAX_RUN_BYTES;
      guint8 *at = volume_list_add_n (&out, room, 1, error);

      if (at == NULL)
        return NULL;
      start = at;
      at = r == 0 ? put_head (at, self) : put_run (at, &runs[r - 1], &last, self->id);
      if (r > 0)
        last = runs[r - 1];
      out.n -= room - (gsize) (at - start);
    }
  if (out.n + 4 > G_MAXUINT32)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE,
                   "an edit of %" G_GSIZE_FORMAT " runs is more than the journal takes",
                   self->runs.n);
      return NULL;
    }
  if (volume_list_add_n (&out, 4, 1, error) == NULL)
    return NULL;
  start = out.items;
  put_u32 (start + 4, (guint32) out.n);
  put_u32 (start + out.n - 4, crc32_z (0, start, out.n - 4));
  return g_bytes_new_take (g_steal_pointer (&out.items), out.n);
}

typedef struct
{
  const guint8 *at, *end;
  gboolean bad;
} Reader;

/* A number of at most @max, or 0 with the reader marked bad. */
static guint64
get_number (Reader *in, guint64 max)
{
  guint64 value = 0;

  for (int shift = 0; shift < 63 && in->at < in->end; shift += 7)
    {
      guint8 byte = *in->at++;

      value |= (guint64) (byte & 0x7f) << shift;
      if ((byte & 0x80) == 0)
        {
          if (value <= max)
            return value;
          break;
        }
    }
  in->bad = TRUE;
  return 0;
}

static gboolean
get_run (Reader *in, const int size[3], guint32 id, VolumeEditRun *run)
{
  /* Nothing read here exceeds 2³³, so the sums below fit in 64 bits. */
  guint64 head = get_number (in, G_GUINT64_CONSTANT (1) << 36);
  gint64 i = (gint64) (head >> 3), j = run->j, k = run->k;
  guint64 length;

  switch (head & 3)
    {
    case 0:
      i += (gint64) run->i + run->length;
      break;
    case 1:
      i = run->i + unzigzag (head >> 3);
      j += 1;
      break;
    case 2:
      i = run->i + unzigzag (head >> 3);
      j += (gint64) get_number (in, G_MAXINT32);
      if (j == run->j)
        return FALSE;
      break;
    default:
      i = run->i + unzigzag (head >> 3);
      k += (gint64) get_number (in, G_MAXINT32);
      j += unzigzag (get_number (in, G_MAXUINT32));
      if (k == run->k)
        return FALSE;
    }
  length = get_number (in, G_MAXINT32);
  if (in->bad || length == 0 || i < 0 || j < 0 || k < 0 || i >= size[0] || j >= size[1]
      || k >= size[2] || length > (guint64) (size[0] - i))
    return FALSE;
  run->i = i;
  run->j = j;
  run->k = k;
  run->length = length;
  if ((head & 4) == 0)
    {
      gint64 after_id;

      run->before = get_number (in, G_MAXUINT16);
      run->after = get_number (in, G_MAXUINT16);
      run->before_edit_id = get_number (in, G_MAXUINT32);
      after_id = id + unzigzag (get_number (in, G_GUINT64_CONSTANT (1) << 34));
      if (in->bad || after_id < 0 || after_id > G_MAXUINT32)
        return FALSE;
      run->after_edit_id = after_id;
    }
  return TRUE;
}

static VolumeEdit *
read_edit (Reader *in, const int size[3], GError **error)
{
  guint32 id = get_number (in, G_MAXUINT32);
  guint provenance = get_number (in, VOLUME_PROVENANCE_MODEL);
  gsize tool_length = get_number (in, MAX_TOOL_LENGTH);
  VolumeEditRun run = { .after_edit_id = id };
  g_autoptr (VolumeEdit) self = NULL;
  g_autofree char *tool = NULL;
  guint64 n_runs;

  if (in->bad || (gsize) (in->end - in->at) < tool_length)
    return NULL;
  tool = g_strndup ((const char *) in->at, tool_length);
  if (strlen (tool) != tool_length || !g_utf8_validate (tool, -1, NULL))
    return NULL;
  in->at += tool_length;
  n_runs = get_number (in, G_MAXUINT32);
  if (in->bad || n_runs > (guint64) (in->end - in->at) / 2) /* a run takes two bytes or more */
    return NULL;

  self = edit_new (id, provenance, tool);
  for (guint64 r = 0; r < n_runs; r++)
    {
      VolumeEditRun *own;

      if (!get_run (in, size, id, &run))
        return NULL;
      own = volume_list_add (&self->runs, sizeof *own, error);
      if (own == NULL)
        return NULL;
      *own = run;
    }
  if (in->at != in->end)
    return NULL;
  finish_runs (self);
  return g_steal_pointer (&self);
}

VolumeEdit *
volume_edit_deserialize (GBytes *bytes, const int size[3], GError **error)
{
  gsize n;
  const guint8 *data = g_bytes_get_data (bytes, &n);
  g_autoptr (GError) memory_error = NULL;
  Reader in;
  VolumeEdit *self;

  if (n < 16 || memcmp (data, magic, sizeof magic) != 0)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                   "not an edit: %" G_GSIZE_FORMAT " bytes "
                   "without its mark",
                   n);
      return NULL;
    }
  if (get_u32 (data + 4) != n)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                   "a damaged edit: %u bytes claimed, %" G_GSIZE_FORMAT " present",
                   get_u32 (data + 4), n);
      return NULL;
    }
  if (crc32_z (0, data, n - 4) != get_u32 (data + n - 4))
    {
      g_set_error_literal (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                           "a damaged edit: its checksum does not fit");
      return NULL;
    }
  in = (Reader){ .at = data + 8, .end = data + n - 4 };
  self = read_edit (&in, size, &memory_error);
  if (memory_error != NULL)
    g_propagate_error (error, g_steal_pointer (&memory_error));
  else if (self == NULL)
    g_set_error_literal (error, VOLUME_ERROR, VOLUME_ERROR_FORMAT,
                         "an edit that does not make sense on this grid");
  return self;
}

/* The builder */

static gsize
n_sheets (const VolumeEditBuilder *self)
{
  return (gsize) self->n_tiles[0] * self->n_tiles[1] * self->n_tiles[2];
}

VolumeEditBuilder *
volume_edit_builder_new (const VolumeLabelMap *map, const VolumeEditGuard *guard)
{
  VolumeEditBuilder *self = g_new0 (VolumeEditBuilder, 1);

  self->map = volume_label_map_ref ((VolumeLabelMap *) map);
  self->only_label = -1;
  volume_label_map_get_size (map, self->size);
  for (int a = 0; a < 3; a++)
    {
      self->n_tiles[a] = (self->size[a] + TILE_SIDE - 1) / TILE_SIDE;
      self->within.hi[a] = self->size[a];
    }
  self->sheets = volume_memory_try0 (n_sheets (self), sizeof *self->sheets, &self->error);
  if (guard == NULL)
    return self;

  if (guard->n_locked_labels > 0)
    {
      self->locked = g_new0 (guint8, G_MAXUINT16 + 1);
      for (gsize l = 0; l < guard->n_locked_labels; l++)
        self->locked[guard->locked_labels[l]] = TRUE;
    }
  if (guard->within != NULL)
    for (int a = 0; a < 3; a++)
      {
        self->within.lo[a] = MAX (guard->within->lo[a], 0);
        self->within.hi[a] = MIN (guard->within->hi[a], self->size[a]);
      }
  self->protect_hand = guard->protect_hand;
  self->is_hand = guard->is_hand;
  self->user_data = guard->user_data;
  /* I4: a guard that cannot tell who set a voxel protects every voxel that somebody set. */
  g_warn_if_fail (!guard->protect_hand || guard->is_hand != NULL);
  return self;
}

static void
clear_sheets (VolumeEditBuilder *self)
{
  for (gsize s = 0; self->sheets != NULL && s < n_sheets (self); s++)
    g_clear_pointer (&self->sheets[s], g_free);
}

void
volume_edit_builder_free (VolumeEditBuilder *self)
{
  if (self == NULL)
    return;
  clear_sheets (self);
  g_free (self->sheets);
  g_free (self->locked);
  g_clear_error (&self->error);
  volume_label_map_unref (self->map);
  g_free (self);
}

void
volume_edit_builder_set_only_label (VolumeEditBuilder *self, int only_label)
{
  self->only_label = only_label;
}

void
volume_edit_builder_fail (VolumeEditBuilder *self, GError *error)
{
  if (self->error == NULL)
    self->error = error;
  else
    g_error_free (error);
}

/* The sheet of a voxel, or NULL when memory has ended. */
static Sheet *
sheet_at (VolumeEditBuilder *self, int i, int j, int k)
{
  const gsize s =
      ((gsize) (k >> TILE_SHIFT) * self->n_tiles[1] + (j >> TILE_SHIFT)) * self->n_tiles[0]
      + (i >> TILE_SHIFT);

  if (self->error != NULL)
    return NULL;
  if (self->sheets[s] == NULL)
    self->sheets[s] = volume_memory_try0 (1, sizeof (Sheet), &self->error);
  return self->sheets[s];
}

void
volume_edit_builder_set_run (VolumeEditBuilder *self, int i, int j, int k, int length,
                             guint16 label)
{
  gint64 end = (gint64) i + length;
  int lo = MAX (i, self->within.lo[0]), hi = MIN (end, self->within.hi[0]);

  if (j < self->within.lo[1] || j >= self->within.hi[1] || k < self->within.lo[2]
      || k >= self->within.hi[2])
    return;
  for (int at = lo; at < hi; at++)
    {
      Sheet *sheet;
      int row = ((k & TILE_MASK) << TILE_SHIFT) + (j & TILE_MASK);

      if (self->only_label >= 0 && volume_label_map_get (self->map, at, j, k) != self->only_label)
        continue;
      sheet = sheet_at (self, at, j, k);
      if (sheet == NULL)
        return;
      sheet->rows[row] |= 1u << (at & TILE_MASK);
      sheet->labels[(row << TILE_SHIFT) + (at & TILE_MASK)] = label;
    }
}

void
volume_edit_builder_set (VolumeEditBuilder *self, int i, int j, int k, guint16 label)
{
  volume_edit_builder_set_run (self, i, j, k, 1, label);
}

void
volume_edit_builder_set_mask (VolumeEditBuilder *self, const VolumeBox *box, const guint8 *mask,
                              guint16 label)
{
  for (int k = box->lo[2]; k < box->hi[2]; k++)
    for (int j = box->lo[1]; j < box->hi[1]; j++)
      for (int i = box->lo[0]; i < box->hi[0]; i++, mask++)
        if (*mask != 0)
          volume_edit_builder_set_run (self, i, j, k, 1, label);
}

static gboolean
is_guarded (const VolumeEditBuilder *self, guint16 label, guint32 edit_id)
{
  if (self->locked != NULL && self->locked[label])
    return TRUE; /* I4: a finished label stays */
  if (self->protect_hand && edit_id != 0
      && (self->is_hand == NULL || self->is_hand (edit_id, self->user_data)))
    return TRUE; /* I4: so does the hand's work */
  return FALSE;
}

static gboolean
append_sheet_row (const VolumeEditBuilder *self, const Sheet *sheet, int i0, int j, int k,
                  VolumeEdit *edit, GError **error)
{
  int row = ((k & TILE_MASK) << TILE_SHIFT) + (j & TILE_MASK);
  guint32 bits = sheet->rows[row];
  VolumeBox box = { { i0, j, k }, { i0 + TILE_SIDE, j + 1, k + 1 } };
  guint16 before[TILE_SIDE];
  guint32 before_ids[TILE_SIDE];

  if (bits == 0)
    return TRUE;
  volume_label_map_read_box (self->map, &box, before);
  volume_label_map_read_edit_ids (self->map, &box, before_ids);
  for (int n = 0; n < TILE_SIDE; n++)
    {
      VolumeEditRun run = { .i = i0 + n,
                            .j = j,
                            .k = k,
                            .length = 1,
                            .before = before[n],
                            .after = sheet->labels[(row << TILE_SHIFT) + n],
                            .before_edit_id = before_ids[n],
                            .after_edit_id = edit->id };

      if ((bits >> n & 1) != 0 && run.before != run.after
          && !is_guarded (self, run.before, run.before_edit_id) && !append_run (edit, &run, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
append_sheets (const VolumeEditBuilder *self, VolumeEdit *edit, GError **error)
{
  const gsize n_layer = (gsize) self->n_tiles[0] * self->n_tiles[1];
  Sheet **layer = self->sheets;

  for (int tk = 0; tk < self->n_tiles[2]; tk++, layer += n_layer)
    {
      gboolean any = FALSE;

      for (gsize s = 0; s < n_layer; s++)
        any = any || layer[s] != NULL;
      for (int k = tk << TILE_SHIFT; any && k < MIN ((tk + 1) << TILE_SHIFT, self->size[2]); k++)
        for (int j = 0; j < self->size[1]; j++)
          for (int ti = 0; ti < self->n_tiles[0]; ti++)
            {
              const Sheet *sheet = layer[(gsize) (j >> TILE_SHIFT) * self->n_tiles[0] + ti];

              if (sheet != NULL
                  && !append_sheet_row (self, sheet, ti << TILE_SHIFT, j, k, edit, error))
                return FALSE;
            }
    }
  return TRUE;
}

VolumeEdit *
volume_edit_builder_end (VolumeEditBuilder *self, guint32 id, VolumeProvenance provenance,
                         const char *tool, GError **error)
{
  g_autoptr (VolumeEdit) edit = edit_new (id, provenance, tool);

  if (self->error != NULL)
    {
      g_propagate_error (error, g_error_copy (self->error));
      return NULL;
    }
  if (!append_sheets (self, edit, error))
    return NULL;
  finish_runs (edit);
  clear_sheets (self);
  return g_steal_pointer (&edit);
}

VolumeEdit *
volume_edit_new_selective_revert (const VolumeLabelMap *map, const VolumeEdit *edit, guint32 id,
                                  GError **error)
{
  g_autofree char *tool = g_strdup_printf ("revert %u", edit->id);
  g_autoptr (VolumeEdit) self = edit_new (id, edit->provenance, tool);

  for (gsize r = 0; r < edit->runs.n; r++)
    {
      const VolumeEditRun *run = &VOLUME_LIST_ITEMS (&edit->runs, VolumeEditRun)[r];

      for (guint32 n = 0; n < run->length; n++)
        {
          int i = run->i + (int) n;
          VolumeEditRun back = { .i = i,
                                 .j = run->j,
                                 .k = run->k,
                                 .length = 1,
                                 .before = run->after,
                                 .after = run->before,
                                 .before_edit_id = run->after_edit_id,
                                 .after_edit_id = run->before_edit_id };

          if (volume_label_map_get_edit_id (map, i, run->j, run->k) == run->after_edit_id
              && volume_label_map_get (map, i, run->j, run->k) == run->after
              && !append_run (self, &back, error))
            return NULL;
        }
    }
  finish_runs (self);
  return g_steal_pointer (&self);
}
