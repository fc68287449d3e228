/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

/* safetensors: u64 header length (little endian), a JSON header {name: {dtype, shape,
 * data_offsets}}, then the data, which the tensors must cover without overlap or holes. Source: the
 * format's own README ("Format"), huggingface/safetensors. */

#include "seg/weights/weights-private.h"

#include "seg/weights/file.h"
#include "seg/weights/json.h"

#include <string.h>

G_STATIC_ASSERT (G_BYTE_ORDER == G_LITTLE_ENDIAN);

#define MAX_HEADER_BYTES 100000000u /* the format's own limit */

typedef struct
{
  guint64 begin, end;
  gsize position; /* in the header */
} Range;

static gboolean
dtype_from_name (const char *name, SegWeightDtype *dtype)
{
  for (int i = SEG_WEIGHT_BOOL; i <= SEG_WEIGHT_F64; i++)
    if (strcmp (name, seg_weight_dtype_get_name (i)) == 0)
      {
        *dtype = i;
        return TRUE;
      }
  return FALSE;
}

static gboolean
fail (GError **error, const char *file, const char *tensor, const char *what)
{
  g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: %s: %s", file, tensor, what);
  return FALSE;
}

static gboolean
read_entry (const SegJson *entry, const char *file, const char *name, guint64 data_bytes,
            SegWeight *tensor, Range *range, GError **error)
{
  const char *dtype = seg_json_get_string (seg_json_get (entry, "dtype"));
  const SegJson *shape = seg_json_get (entry, "shape");
  const SegJson *offsets = seg_json_get (entry, "data_offsets");

  if (dtype == NULL || shape == NULL || shape->kind != SEG_JSON_ARRAY || offsets == NULL
      || offsets->kind != SEG_JSON_ARRAY || offsets->n != 2)
    return fail (error, file, name, "dtype, shape or data_offsets are missing");
  if (!dtype_from_name (dtype, &tensor->dtype))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED,
                   "%s: %s: dtype “%.16s” is not read here", file, name, dtype);
      return FALSE;
    }
  if (shape->n > SEG_WEIGHT_MAX_DIMS)
    return fail (error, file, name, "more than 8 dimensions");
  tensor->n_dims = (int) shape->n;
  for (gsize d = 0; d < shape->n; d++)
    if (!seg_json_get_i64 (shape->values[d], &tensor->shape[d]) || tensor->shape[d] < 0)
      return fail (error, file, name, "a side that is no whole number");
  if (!seg_weights_size_of (tensor->dtype, tensor->n_dims, tensor->shape, &tensor->n_elements,
                            &tensor->size_bytes))
    return fail (error, file, name, "a shape beyond any memory");
  if (!seg_json_get_u64 (offsets->values[0], &range->begin)
      || !seg_json_get_u64 (offsets->values[1], &range->end) || range->begin > range->end)
    return fail (error, file, name, "bad data_offsets");
  if (range->end > data_bytes)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "%s: %s: ends at byte %" G_GUINT64_FORMAT " of the data, %" G_GUINT64_FORMAT
                   " bytes present",
                   file, name, range->end, data_bytes);
      return FALSE;
    }
  if (range->end - range->begin != tensor->size_bytes)
    return fail (error, file, name, "shape and data_offsets disagree");
  return TRUE;
}

static int
compare_ranges (gconstpointer a, gconstpointer b)
{
  const Range *x = a, *y = b;

  if (x->begin != y->begin)
    return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

static gboolean
check_cover (GArray *ranges, guint64 data_bytes, const char *file, const SegJson *header,
             GError **error)
{
  guint64 at = 0;

  g_array_sort (ranges, compare_ranges);
  for (guint i = 0; i < ranges->len; i++)
    {
      const Range *r = &g_array_index (ranges, Range, i);

      if (r->begin != at)
        return fail (error, file, header->keys[r->position],
                     r->begin < at ? "overlaps the tensor before it" : "a hole before its data");
      at = r->end;
    }
  if (at != data_bytes)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "%s: %" G_GUINT64_FORMAT " bytes after the last tensor", file, data_bytes - at);
      return FALSE;
    }
  return TRUE;
}

static const guint64 nothing; /* an aligned address for tensors without elements */

static void
append (SegWeights *self, const char *name, const SegWeight *tensor, const guint8 *data)
{
  gsize size = seg_weight_dtype_get_size (tensor->dtype);

  /* Writers may leave data unaligned; a copy is then the price of plain pointers. */
  if ((guintptr) data % size != 0)
    {
      g_autoptr (GBytes) copy = g_bytes_new (data, tensor->size_bytes);

      seg_weights_keep (self, copy);
      data = g_bytes_get_data (copy, NULL);
      if (data == NULL)
        data = (const guint8 *) &nothing;
    }
  seg_weights_append (self, name, tensor->dtype, tensor->n_dims, tensor->shape, data);
}

static gboolean
read_header_metadata (SegWeights *self, const SegJson *metadata, GError **error)
{
  if (metadata->kind != SEG_JSON_OBJECT)
    return fail (error, seg_weights_get_path (self), "__metadata__", "not a dictionary");
  for (gsize i = 0; i < metadata->n; i++)
    {
      const char *value = seg_json_get_string (metadata->values[i]);

      if (value == NULL)
        return fail (error, seg_weights_get_path (self), "__metadata__", "values must be strings");
      seg_weights_put_metadata (self, metadata->keys[i], value);
    }
  return TRUE;
}

SegWeights *
seg_weights_from_safetensors (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const guint8 *file = g_bytes_get_data (bytes, &size);
  g_autoptr (SegJson) header = NULL;
  g_autoptr (SegWeights) self = NULL;
  g_autoptr (GArray) ranges = g_array_new (FALSE, FALSE, sizeof (Range));
  guint64 header_bytes, data_bytes;

  if (size < 8)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: only %" G_GSIZE_FORMAT " bytes", name,
                   size);
      return NULL;
    }
  memcpy (&header_bytes, file, 8);
  if (header_bytes > MAX_HEADER_BYTES || header_bytes > size - 8)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "%s: a header of %" G_GUINT64_FORMAT " bytes claimed, %" G_GSIZE_FORMAT
                   " bytes present",
                   name, header_bytes, size - 8);
      return NULL;
    }
  header = seg_json_parse ((const char *) file + 8, header_bytes, name, error);
  if (header == NULL)
    return NULL;
  if (header->kind != SEG_JSON_OBJECT)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: the header is no dictionary", name);
      return NULL;
    }
  data_bytes = size - 8 - header_bytes;
  self = seg_weights_new (name, "safetensors");
  seg_weights_keep (self, bytes);
  for (gsize i = 0; i < header->n; i++)
    {
      SegWeight tensor = { 0 };
      Range range = { .position = i };

      if (strcmp (header->keys[i], "__metadata__") == 0)
        {
          if (!read_header_metadata (self, header->values[i], error))
            return NULL;
          continue;
        }
      if (!read_entry (header->values[i], name, header->keys[i], data_bytes, &tensor, &range,
                       error))
        return NULL;
      append (self, header->keys[i], &tensor, file + 8 + header_bytes + range.begin);
      g_array_append_val (ranges, range);
    }
  if (!check_cover (ranges, data_bytes, name, header, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* --- writing -------------------------------------------------------------------------------- */

typedef struct
{
  char *name;
  SegWeightDtype dtype;
  int n_dims;
  gint64 shape[SEG_WEIGHT_MAX_DIMS];
  gsize size_bytes;
  gconstpointer data;
  gpointer owned;
} Pending;

struct _SegWeightsWriter
{
  GArray *tensors; /* Pending */
  GHashTable *names;
  GString *metadata; /* members of the JSON object */
};

static void
pending_clear (gpointer data)
{
  Pending *self = data;

  g_free (self->name);
  g_free (self->owned);
}

SegWeightsWriter *
seg_weights_writer_new (void)
{
  SegWeightsWriter *self = g_new0 (SegWeightsWriter, 1);

  self->tensors = g_array_new (FALSE, FALSE, sizeof (Pending));
  g_array_set_clear_func (self->tensors, pending_clear);
  self->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->metadata = g_string_new (NULL);
  return self;
}

void
seg_weights_writer_free (SegWeightsWriter *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->tensors);
  g_hash_table_unref (self->names);
  g_string_free (self->metadata, TRUE);
  g_free (self);
}

void
seg_weights_writer_add (SegWeightsWriter *self, const char *name, SegWeightDtype dtype, int n_dims,
                        const gint64 *shape, gconstpointer data)
{
  Pending pending = { .dtype = dtype, .n_dims = n_dims, .data = data };
  gsize n_elements;

  g_return_if_fail (n_dims >= 0 && n_dims <= SEG_WEIGHT_MAX_DIMS);
  g_return_if_fail (strcmp (name, "__metadata__") != 0 && g_utf8_validate (name, -1, NULL));
  g_return_if_fail (seg_weights_size_of (dtype, n_dims, shape, &n_elements, &pending.size_bytes));
  g_return_if_fail (g_hash_table_add (self->names, g_strdup (name)));
  if (n_dims > 0)
    memcpy (pending.shape, shape, (gsize) n_dims * sizeof *shape);
  pending.name = g_strdup (name);
  g_array_append_val (self->tensors, pending);
}

void
seg_weights_writer_add_f32 (SegWeightsWriter *self, const char *name, SegWeightDtype dtype,
                            int n_dims, const gint64 *shape, const float *data)
{
  gsize n, size_bytes;
  guint16 *half;

  if (dtype == SEG_WEIGHT_F32)
    {
      seg_weights_writer_add (self, name, dtype, n_dims, shape, data);
      return;
    }
  g_return_if_fail (dtype == SEG_WEIGHT_F16 || dtype == SEG_WEIGHT_BF16);
  g_return_if_fail (seg_weights_size_of (dtype, n_dims, shape, &n, &size_bytes));
  half = g_new (guint16, n);
  for (gsize i = 0; i < n; i++)
    half[i] = dtype == SEG_WEIGHT_F16 ? seg_f16_from_f32 (data[i]) : seg_bf16_from_f32 (data[i]);
  seg_weights_writer_add (self, name, dtype, n_dims, shape, half);
  g_array_index (self->tensors, Pending, self->tensors->len - 1).owned = half;
}

void
seg_weights_writer_take (SegWeightsWriter *self, const char *name, SegWeightDtype dtype, int n_dims,
                         const gint64 *shape, gpointer data)
{
  seg_weights_writer_add (self, name, dtype, n_dims, shape, data);
  g_array_index (self->tensors, Pending, self->tensors->len - 1).owned = data;
}

void
seg_weights_writer_take_f32 (SegWeightsWriter *self, const char *name, SegWeightDtype dtype,
                             int n_dims, const gint64 *shape, float *data)
{
  if (dtype == SEG_WEIGHT_F32)
    {
      seg_weights_writer_take (self, name, dtype, n_dims, shape, data);
      return;
    }
  seg_weights_writer_add_f32 (self, name, dtype, n_dims, shape, data);
  g_free (data);
}

void
seg_weights_writer_set_metadata (SegWeightsWriter *self, const char *key, const char *value)
{
  if (self->metadata->len > 0)
    g_string_append_c (self->metadata, ',');
  seg_json_append_string (self->metadata, key);
  g_string_append_c (self->metadata, ':');
  seg_json_append_string (self->metadata, value);
}

/* Wide elements first, so that every tensor is aligned; otherwise in the order given. */
static GArray *
layout (SegWeightsWriter *self)
{
  GArray *order = g_array_new (FALSE, FALSE, sizeof (guint));

  for (gsize size = 8; size >= 1; size /= 2)
    for (guint i = 0; i < self->tensors->len; i++)
      if (seg_weight_dtype_get_size (g_array_index (self->tensors, Pending, i).dtype) == size)
        g_array_append_val (order, i);
  return order;
}

static GString *
make_header (SegWeightsWriter *self, const GArray *order)
{
  GString *out = g_string_new ("XXXXXXXX{");
  guint64 at = 0, length;

  if (self->metadata->len > 0)
    g_string_append_printf (out, "\"__metadata__\":{%s}%s", self->metadata->str,
                            order->len > 0 ? "," : "");
  for (guint i = 0; i < order->len; i++)
    {
      const Pending *t = &g_array_index (self->tensors, Pending, g_array_index (order, guint, i));

      g_string_append (out, i > 0 ? "," : "");
      seg_json_append_string (out, t->name);
      g_string_append_printf (out, ":{\"dtype\":\"%s\",\"shape\":[",
                              seg_weight_dtype_get_name (t->dtype));
      for (int d = 0; d < t->n_dims; d++)
        g_string_append_printf (out, "%s%" G_GINT64_FORMAT, d > 0 ? "," : "", t->shape[d]);
      g_string_append_printf (out,
                              "],\"data_offsets\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}",
                              at, at + t->size_bytes);
      at += t->size_bytes;
    }
  g_string_append_c (out, '}');
  while (out->len % 8 != 0)
    g_string_append_c (out, ' ');
  length = out->len - 8;
  memcpy (out->str, &length, 8);
  return out;
}

gboolean
seg_weights_writer_save (SegWeightsWriter *self, const char *path, GError **error)
{
  g_auto (SegFileReplacement) file = { 0 };
  g_autoptr (GArray) order = layout (self);
  g_autoptr (GString) header = make_header (self, order);

  if (!seg_file_replacement_open (&file, path, error)
      || !seg_file_replacement_write (&file, header->str, header->len, error))
    return FALSE;
  for (guint i = 0; i < order->len; i++)
    {
      const Pending *t = &g_array_index (self->tensors, Pending, g_array_index (order, guint, i));

      if (!seg_file_replacement_write (&file, t->data, t->size_bytes, error))
        return FALSE;
    }
  return seg_file_replacement_commit (&file, error);
}
