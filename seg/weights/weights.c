/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/weights/weights-private.h"

#include "seg/weights/file.h"
#include "seg/weights/json.h"

#include <math.h>
#include <string.h>

#define MAX_LISTED 20
#define MAX_SHARDS 4096

struct _SegWeights
{
  gatomicrefcount ref_count;
  char *path;
  const char *format; /* static */
  GArray *tensors; /* SegWeight, names in `names` */
  GPtrArray *names;
  GHashTable *by_name; /* name → position + 1 */
  GHashTable *metadata;
  GPtrArray *owners; /* GBytes */
  GPtrArray *parents; /* SegWeights */
};

static const struct
{
  const char *name;
  gsize size;
} dtypes[] = {
  [SEG_WEIGHT_BOOL] = { "BOOL", 1 }, [SEG_WEIGHT_U8] = { "U8", 1 },
  [SEG_WEIGHT_I8] = { "I8", 1 },     [SEG_WEIGHT_I16] = { "I16", 2 },
  [SEG_WEIGHT_I32] = { "I32", 4 },   [SEG_WEIGHT_I64] = { "I64", 8 },
  [SEG_WEIGHT_F16] = { "F16", 2 },   [SEG_WEIGHT_BF16] = { "BF16", 2 },
  [SEG_WEIGHT_F32] = { "F32", 4 },   [SEG_WEIGHT_F64] = { "F64", 8 },
};

gsize
seg_weight_dtype_get_size (SegWeightDtype dtype)
{
  g_return_val_if_fail ((unsigned) dtype < G_N_ELEMENTS (dtypes), 0);
  return dtypes[dtype].size;
}

const char *
seg_weight_dtype_get_name (SegWeightDtype dtype)
{
  g_return_val_if_fail ((unsigned) dtype < G_N_ELEMENTS (dtypes), NULL);
  return dtypes[dtype].name;
}

/* --- building ------------------------------------------------------------------------------- */

SegWeights *
seg_weights_new (const char *path, const char *format)
{
  SegWeights *self = g_new0 (SegWeights, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->path = g_strdup (path);
  self->format = format;
  self->tensors = g_array_new (FALSE, FALSE, sizeof (SegWeight));
  self->names = g_ptr_array_new_with_free_func (g_free);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  self->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->owners = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  self->parents = g_ptr_array_new_with_free_func ((GDestroyNotify) seg_weights_unref);
  return self;
}

void
seg_weights_keep (SegWeights *self, GBytes *owner)
{
  g_ptr_array_add (self->owners, g_bytes_ref (owner));
}

gboolean
seg_weights_size_of (SegWeightDtype dtype, int n_dims, const gint64 *shape, gsize *n_elements,
                     gsize *size_bytes)
{
  gsize n = 1, size;
  gboolean is_empty = FALSE;

  for (int d = 0; d < n_dims; d++)
    {
      if (shape[d] < 0)
        return FALSE;
      /* An empty tensor is valid, but its other sides must not overflow all the same. */
      if (shape[d] == 0)
        is_empty = TRUE;
      else if (!g_size_checked_mul (&n, n, (gsize) shape[d]))
        return FALSE;
    }
  if (!g_size_checked_mul (&size, n, dtypes[dtype].size) || size > G_MAXINT64)
    return FALSE;
  *n_elements = is_empty ? 0 : n;
  *size_bytes = is_empty ? 0 : size;
  return TRUE;
}

gboolean
seg_weights_append (SegWeights *self, const char *name, SegWeightDtype dtype, int n_dims,
                    const gint64 *shape, gconstpointer data)
{
  SegWeight tensor = { .dtype = dtype, .n_dims = n_dims, .data = data };
  char *owned;

  g_assert (n_dims >= 0 && n_dims <= SEG_WEIGHT_MAX_DIMS);
  g_assert ((guintptr) data % dtypes[dtype].size == 0);
  if (g_hash_table_contains (self->by_name, name))
    return FALSE;
  if (n_dims > 0)
    memcpy (tensor.shape, shape, (gsize) n_dims * sizeof *shape);
  if (!seg_weights_size_of (dtype, n_dims, shape, &tensor.n_elements, &tensor.size_bytes))
    g_assert_not_reached (); /* the readers checked it against the file */
  owned = g_strdup (name);
  tensor.name = owned;
  g_ptr_array_add (self->names, owned);
  g_array_append_val (self->tensors, tensor);
  g_hash_table_insert (self->by_name, owned, GSIZE_TO_POINTER (self->tensors->len));
  return TRUE;
}

void
seg_weights_put_metadata (SegWeights *self, const char *key, const char *value)
{
  g_hash_table_replace (self->metadata, g_strdup (key), g_strdup (value));
}

/* --- reading -------------------------------------------------------------------------------- */

SegWeights *
seg_weights_load_bytes (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  if (size >= 4 && memcmp (data, "PK\3\4", 4) == 0)
    return seg_weights_from_pytorch_zip (bytes, name, error);
  if (seg_weights_looks_like_pytorch_old (bytes))
    return seg_weights_from_pytorch_old (bytes, name, error);
  if (size >= 9 && data[8] == '{')
    return seg_weights_from_safetensors (bytes, name, error);
  if (size >= 262 && memcmp (data + 257, "ustar", 5) == 0)
    g_set_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED,
                 "%s: a tar of PyTorch 0.1: load and save it with a newer PyTorch", name);
  else
    g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT,
                 "%s: neither safetensors nor a PyTorch file (%" G_GSIZE_FORMAT " bytes)", name,
                 size);
  return NULL;
}

/* A shard is a plain name in the index's own folder: no way out of it. */
static gboolean
is_plain_name (const char *name)
{
  return name[0] != '\0' && name[0] != '.' && strpbrk (name, "/\\") == NULL;
}

static SegWeights *
load_shard (GHashTable *shards, const char *folder, const char *file, const char *path,
            GError **error)
{
  SegWeights *shard = g_hash_table_lookup (shards, file);
  g_autofree char *shard_path = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (shard != NULL)
    return shard;
  if (!is_plain_name (file) || g_hash_table_size (shards) >= MAX_SHARDS)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "%s: names the shard “%s”, which is not a file beside it", path, file);
      return NULL;
    }
  shard_path = g_build_filename (folder, file, NULL);
  bytes = seg_file_map (shard_path, error);
  shard = bytes != NULL ? seg_weights_load_bytes (bytes, shard_path, error) : NULL;
  if (shard != NULL)
    g_hash_table_insert (shards, g_strdup (file), shard);
  return shard;
}

static SegWeights *
load_index (GBytes *bytes, const char *path, GError **error)
{
  gsize size;
  const char *text = g_bytes_get_data (bytes, &size);
  g_autoptr (SegJson) json = seg_json_parse (text, size, path, error);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GHashTable) shards =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) seg_weights_unref);
  g_autoptr (SegWeights) self = NULL;
  const SegJson *map;
  GHashTableIter iter;
  gpointer shard;

  if (json == NULL)
    return NULL;
  map = seg_json_get (json, "weight_map");
  if (map == NULL || map->kind != SEG_JSON_OBJECT)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: no “weight_map” in it", path);
      return NULL;
    }
  self = seg_weights_new (path, "shards");
  for (gsize i = 0; i < map->n; i++)
    {
      const char *file = seg_json_get_string (map->values[i]);
      SegWeights *from = file ? load_shard (shards, folder, file, path, error) : NULL;
      const SegWeight *tensor = from ? seg_weights_find (from, map->keys[i]) : NULL;

      if (file != NULL && from == NULL)
        return NULL;
      if (tensor == NULL)
        {
          g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: “%s” is not in its shard “%s”",
                       path, map->keys[i], file ? file : "?");
          return NULL;
        }
      seg_weights_append (self, tensor->name, tensor->dtype, tensor->n_dims, tensor->shape,
                          tensor->data);
    }
  g_hash_table_iter_init (&iter, shards);
  while (g_hash_table_iter_next (&iter, NULL, &shard))
    g_ptr_array_add (self->parents, seg_weights_ref (shard));
  return g_steal_pointer (&self);
}

SegWeights *
seg_weights_load (const char *path, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;

  g_return_val_if_fail (path != NULL, NULL);
  bytes = seg_file_map (path, error);
  if (bytes == NULL)
    return NULL;
  if (g_str_has_suffix (path, ".index.json"))
    return load_index (bytes, path, error);
  return seg_weights_load_bytes (bytes, path, error);
}

SegWeights *
seg_weights_ref (SegWeights *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
seg_weights_unref (SegWeights *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_hash_table_unref (self->by_name);
  g_hash_table_unref (self->metadata);
  g_array_unref (self->tensors);
  g_ptr_array_unref (self->names);
  g_ptr_array_unref (self->owners);
  g_ptr_array_unref (self->parents);
  g_free (self->path);
  g_free (self);
}

gsize
seg_weights_get_n (const SegWeights *self)
{
  return self->tensors->len;
}

const SegWeight *
seg_weights_get (const SegWeights *self, gsize position)
{
  g_return_val_if_fail (position < self->tensors->len, NULL);
  return &g_array_index (self->tensors, SegWeight, position);
}

const SegWeight *
seg_weights_find (const SegWeights *self, const char *name)
{
  gsize found = GPOINTER_TO_SIZE (g_hash_table_lookup (self->by_name, name));

  return found ? &g_array_index (self->tensors, SegWeight, found - 1) : NULL;
}

const char *
seg_weights_get_metadata (const SegWeights *self, const char *key)
{
  return g_hash_table_lookup (self->metadata, key);
}

const char *
seg_weights_get_path (const SegWeights *self)
{
  return self->path;
}

const char *
seg_weights_get_format (const SegWeights *self)
{
  return self->format;
}

SegWeights *
seg_weights_subset (SegWeights *self, const char *prefix)
{
  SegWeights *subset = seg_weights_new (self->path, self->format);
  gsize length = strlen (prefix);

  g_ptr_array_add (subset->parents, seg_weights_ref (self));
  for (gsize i = 0; i < self->tensors->len; i++)
    {
      const SegWeight *t = &g_array_index (self->tensors, SegWeight, i);

      if (strncmp (t->name, prefix, length) == 0 && t->name[length] != '\0')
        seg_weights_append (subset, t->name + length, t->dtype, t->n_dims, t->shape, t->data);
    }
  return subset;
}

/* --- values --------------------------------------------------------------------------------- */

float
seg_f32_from_bf16 (guint16 bits)
{
  guint32 wide = (guint32) bits << 16;
  float value;

  memcpy (&value, &wide, sizeof value);
  return value;
}

guint16
seg_bf16_from_f32 (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  if (isnan (value))
    return (guint16) (bits >> 16 | 0x40); /* keep it a NaN when its payload is cut off */
  return (guint16) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float
seg_f32_from_f16 (guint16 bits)
{
  guint32 sign = (guint32) (bits & 0x8000) << 16;
  guint32 exponent = bits >> 10 & 0x1f;
  guint32 mantissa = bits & 0x3ff;
  guint32 wide;
  float value;

  if (exponent == 0)
    {
      value = ldexpf ((float) mantissa, -24);
      return sign ? -value : value;
    }
  wide = exponent == 31 ? sign | 0x7f800000 | mantissa << 13
                        : sign | (exponent + 112) << 23 | mantissa << 13;
  memcpy (&value, &wide, sizeof value);
  return value;
}

guint16
seg_f16_from_f32 (float value)
{
  guint32 bits, sign, mantissa;
  int exponent;

  memcpy (&bits, &value, sizeof bits);
  sign = bits >> 16 & 0x8000;
  bits &= 0x7fffffff;
  if (bits > 0x7f800000)
    return (guint16) (sign | 0x7e00 | (bits >> 13 & 0x3ff));
  if (bits >= 0x477ff000) /* 65520 and above round to infinity */
    return (guint16) (sign | 0x7c00);
  exponent = (int) (bits >> 23) - 112;
  if (exponent >= 1)
    {
      bits -= 112u << 23;
      return (guint16) (sign | (bits + 0xfff + (bits >> 13 & 1)) >> 13);
    }
  if (exponent < -10)
    return (guint16) sign;
  mantissa = (bits & 0x7fffff) | 0x800000;
  {
    int shift = 14 - exponent;
    guint32 half = 1u << (shift - 1);
    guint32 rounded = mantissa + half - 1 + (mantissa >> shift & 1);

    return (guint16) (sign | rounded >> shift);
  }
}

void
seg_weight_read_f32 (const SegWeight *weight, gsize first, gsize n, float *dst)
{
  g_return_if_fail (first <= weight->n_elements && n <= weight->n_elements - first);

#define COPY(type, expression)                                                                     \
  {                                                                                                \
    const type *src = (const type *) weight->data + first;                                         \
    for (gsize i = 0; i < n; i++)                                                                  \
      dst[i] = (float) (expression);                                                               \
  }                                                                                                \
  break

  switch (weight->dtype)
    {
    case SEG_WEIGHT_F32:
      if (n > 0)
        memcpy (dst, (const float *) weight->data + first, n * sizeof *dst);
      break;
    case SEG_WEIGHT_F16:
      COPY (guint16, seg_f32_from_f16 (src[i]));
    case SEG_WEIGHT_BF16:
      COPY (guint16, seg_f32_from_bf16 (src[i]));
    case SEG_WEIGHT_F64:
      COPY (double, src[i]);
    case SEG_WEIGHT_BOOL:
      COPY (guint8, src[i] != 0);
    case SEG_WEIGHT_U8:
      COPY (guint8, src[i]);
    case SEG_WEIGHT_I8:
      COPY (gint8, src[i]);
    case SEG_WEIGHT_I16:
      COPY (gint16, src[i]);
    case SEG_WEIGHT_I32:
      COPY (gint32, src[i]);
    case SEG_WEIGHT_I64:
      COPY (gint64, src[i]);
    }
#undef COPY
}

gint64
seg_weight_read_i64 (const SegWeight *weight, gsize index)
{
  g_return_val_if_fail (index < weight->n_elements, 0);

  switch (weight->dtype)
    {
    case SEG_WEIGHT_BOOL:
      return ((const guint8 *) weight->data)[index] != 0;
    case SEG_WEIGHT_U8:
      return ((const guint8 *) weight->data)[index];
    case SEG_WEIGHT_I8:
      return ((const gint8 *) weight->data)[index];
    case SEG_WEIGHT_I16:
      return ((const gint16 *) weight->data)[index];
    case SEG_WEIGHT_I32:
      return ((const gint32 *) weight->data)[index];
    case SEG_WEIGHT_I64:
      return ((const gint64 *) weight->data)[index];
    case SEG_WEIGHT_F16:
    case SEG_WEIGHT_BF16:
    case SEG_WEIGHT_F32:
    case SEG_WEIGHT_F64:
      break;
    }
  g_return_val_if_reached (0);
}

/* --- fitting a network ---------------------------------------------------------------------- */

typedef struct
{
  GString *text;
  gsize n;
} Complaint;

static void complain (Complaint *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
complain (Complaint *self, const char *format, ...)
{
  va_list args;

  if (self->n++ >= MAX_LISTED)
    return;
  g_string_append (self->text, self->n > 1 ? ", " : " ");
  va_start (args, format);
  g_string_append_vprintf (self->text, format, args);
  va_end (args);
}

static void
finish_complaint (Complaint *self, const char *heading, GString *message)
{
  if (self->n > 0)
    {
      g_string_append_printf (message, "%s %s:%s", message->len > 0 ? ";" : "", heading,
                              self->text->str);
      if (self->n > MAX_LISTED)
        g_string_append_printf (message, " and %" G_GSIZE_FORMAT " more", self->n - MAX_LISTED);
    }
  g_string_free (self->text, TRUE);
}

static char *
shape_to_string (int n_dims, const gint64 *shape)
{
  GString *out = g_string_new ("[");

  for (int d = 0; d < n_dims; d++)
    {
      g_string_append (out, d > 0 ? "×" : "");
      if (shape[d] < 0)
        g_string_append_c (out, '?');
      else
        g_string_append_printf (out, "%" G_GINT64_FORMAT, shape[d]);
    }
  g_string_append_c (out, ']');
  return g_string_free (out, FALSE);
}

static gboolean
fits (const SegWeight *tensor, const SegWeightSpec *spec)
{
  if (tensor->n_dims != spec->n_dims)
    return FALSE;
  for (int d = 0; d < spec->n_dims; d++)
    if (spec->shape[d] >= 0 && spec->shape[d] != tensor->shape[d])
      return FALSE;
  return TRUE;
}

gboolean
seg_weights_check (const SegWeights *self, const SegWeightSpec *specs, gsize n_specs,
                   SegWeightsMatchFlags flags, GError **error)
{
  Complaint missing = { g_string_new (NULL), 0 };
  Complaint extra = { g_string_new (NULL), 0 };
  Complaint different = { g_string_new (NULL), 0 };
  g_autoptr (GHashTable) expected = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GString) message = g_string_new (NULL);

  for (gsize i = 0; i < n_specs; i++)
    {
      const SegWeight *tensor = seg_weights_find (self, specs[i].name);

      g_hash_table_add (expected, (gpointer) specs[i].name);
      if (tensor == NULL && !(flags & SEG_WEIGHTS_MATCH_ALLOW_MISSING))
        complain (&missing, "%s", specs[i].name);
      else if (tensor != NULL && !fits (tensor, &specs[i]))
        {
          g_autofree char *has = shape_to_string (tensor->n_dims, tensor->shape);
          g_autofree char *wants = shape_to_string (specs[i].n_dims, specs[i].shape);

          complain (&different, "%s is %s, not %s", tensor->name, has, wants);
        }
    }
  for (gsize i = 0; i < self->tensors->len && !(flags & SEG_WEIGHTS_MATCH_ALLOW_EXTRA); i++)
    {
      const char *name = g_array_index (self->tensors, SegWeight, i).name;

      if (!g_hash_table_contains (expected, name)
          && !g_str_has_suffix (name, ".num_batches_tracked"))
        complain (&extra, "%s", name);
    }
  finish_complaint (&missing, "missing", message);
  finish_complaint (&extra, "unexpected", message);
  finish_complaint (&different, "of another shape", message);
  if (message->len == 0)
    return TRUE;
  g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH, "%s does not fit the network:%s", self->path,
               message->str);
  return FALSE;
}
