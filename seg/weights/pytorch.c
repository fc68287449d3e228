/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

/* PyTorch's two file formats. Zip: NAME/data.pkl beside NAME/data/KEY, stored. Old: five pickles in
 * a row (magic number, protocol, machine, the object, the keys of its storages), then for each key
 * an i64 count and the elements. Source: torch/serialization.py, _save and _legacy_save. */

#include "seg/weights/weights-private.h"

#include "seg/weights/pickle.h"
#include "seg/weights/zip.h"

#include <string.h>

#define MAX_DEPTH 24
#define MAX_VISITS 4000000u
#define MAX_NAME_BYTES 512
#define COPY_ALLOWANCE_BYTES (64u << 20)

static const char old_magic[] = "6cfc9c46f9206aa85019"; /* little endian, in hex */
static const guint8 old_magic_bytes[] = {
  0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19
};

typedef struct
{
  const guint8 *data;
  gsize size_bytes;
} Blob;

typedef struct
{
  SegWeights *weights;
  GHashTable *blobs; /* storage key → Blob */
  gsize n_visits;
  gsize copied_bytes, copy_limit_bytes;
  const char *what;
  GError **error;
} Builder;

G_GNUC_PRINTF (2, 3)
static gboolean
fail (Builder *builder, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (builder->error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: %s", builder->what, message);
  return FALSE;
}

/* --- one tensor ----------------------------------------------------------------------------- */

static gboolean
is_contiguous (const SegPickleValue *tensor)
{
  gint64 expected = 1;

  for (int d = tensor->n_dims - 1; d >= 0; d--)
    {
      if (tensor->shape[d] == 0)
        return TRUE;
      if (tensor->shape[d] != 1 && tensor->stride[d] != expected)
        return FALSE;
      expected *= tensor->shape[d];
    }
  return TRUE;
}

static void
copy_strided (const SegPickleValue *tensor, const guint8 *src, gsize element, guint8 *dst)
{
  gint64 index[SEG_WEIGHT_MAX_DIMS] = { 0 };
  gsize at = 0;
  int d;

  do
    {
      memcpy (dst, src + at * element, element);
      dst += element;
      for (d = tensor->n_dims - 1; d >= 0; d--)
        {
          at += (gsize) tensor->stride[d];
          if (++index[d] < tensor->shape[d])
            break;
          at -= (gsize) tensor->stride[d] * (gsize) tensor->shape[d];
          index[d] = 0;
        }
    }
  while (d >= 0);
}

static gboolean
add_tensor (Builder *builder, const SegPickleValue *tensor, const char *name)
{
  const SegPickleStorage *storage = tensor->storage;
  const Blob *blob = g_hash_table_lookup (builder->blobs, storage->key);
  gsize element = seg_weight_dtype_get_size (storage->dtype);
  gsize n, size_bytes, storage_bytes;
  const guint8 *src;

  if (blob == NULL)
    return fail (builder, "%s: its storage “%.32s” is not in the file", name, storage->key);
  if (!g_size_checked_mul (&storage_bytes, storage->n_elements, element)
      || storage_bytes != blob->size_bytes)
    return fail (builder,
                 "%s: a storage of %" G_GUINT64_FORMAT " × %" G_GSIZE_FORMAT
                 " bytes claimed, %" G_GSIZE_FORMAT " bytes present",
                 name, storage->n_elements, element, blob->size_bytes);
  if (!seg_weights_size_of (storage->dtype, tensor->n_dims, tensor->shape, &n, &size_bytes))
    return fail (builder, "%s: a shape beyond any memory", name);
  src = n > 0 ? blob->data + tensor->offset * element : NULL;
  if ((guintptr) src % element != 0 || !is_contiguous (tensor))
    {
      guint8 *copy;
      g_autoptr (GBytes) owner = NULL;

      /* Strides of 0 make much of little: what is copied is bounded by what the file holds. */
      if (!g_size_checked_add (&builder->copied_bytes, builder->copied_bytes, size_bytes)
          || builder->copied_bytes > builder->copy_limit_bytes)
        {
          g_set_error (builder->error, SEG_ERROR, SEG_ERROR_TOO_LARGE,
                       "%s: %s: strided tensors unfold to more than %" G_GSIZE_FORMAT " bytes",
                       builder->what, name, builder->copy_limit_bytes);
          return FALSE;
        }
      copy = g_try_malloc (size_bytes);
      if (copy == NULL)
        {
          g_set_error (builder->error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY,
                       "%s: %s: no memory for %" G_GSIZE_FORMAT " bytes", builder->what, name,
                       size_bytes);
          return FALSE;
        }
      copy_strided (tensor, src, element, copy);
      owner = g_bytes_new_take (copy, size_bytes);
      seg_weights_keep (builder->weights, owner);
      src = copy;
    }
  return seg_weights_append (builder->weights, name, storage->dtype, tensor->n_dims, tensor->shape,
                             src)
         || fail (builder, "%s is given twice", name);
}

/* --- containers ----------------------------------------------------------------------------- */

static gboolean walk (Builder *builder, const SegPickleValue *value, GString *name, int depth);

static gboolean
walk_member (Builder *builder, const SegPickleValue *value, GString *name, const char *key,
             int depth)
{
  gsize length = name->len;
  gboolean ok;

  if (length > 0)
    g_string_append_c (name, '.');
  g_string_append (name, key);
  if (name->len > MAX_NAME_BYTES)
    return fail (builder, "a tensor name of more than %d bytes", MAX_NAME_BYTES);
  ok = walk (builder, value, name, depth + 1);
  g_string_truncate (name, length);
  return ok;
}

static char *
key_to_string (const SegPickleValue *key)
{
  if (key->kind == SEG_PICKLE_STRING)
    return g_strdup (key->text);
  if (key->kind == SEG_PICKLE_INT)
    return g_strdup_printf ("%" G_GINT64_FORMAT, key->integer);
  return NULL;
}

static gboolean
walk (Builder *builder, const SegPickleValue *value, GString *name, int depth)
{
  if (depth > MAX_DEPTH || ++builder->n_visits > MAX_VISITS)
    return fail (builder, "%.64s: values nested too deep or too often", name->str);
  switch (value->kind)
    {
    case SEG_PICKLE_TENSOR:
      return add_tensor (builder, value, name->len > 0 ? name->str : "tensor");
    case SEG_PICKLE_DICT:
      for (guint i = 0; i + 1 < value->items->len; i += 2)
        {
          g_autofree char *key = key_to_string (g_ptr_array_index (value->items, i));

          if (key == NULL)
            return fail (builder, "%.64s: a key that is neither a string nor a number", name->str);
          if (!walk_member (builder, g_ptr_array_index (value->items, i + 1), name, key, depth))
            return FALSE;
        }
      return TRUE;
    case SEG_PICKLE_LIST:
    case SEG_PICKLE_TUPLE:
      for (guint i = 0; i < value->items->len; i++)
        {
          char key[16];

          g_snprintf (key, sizeof key, "%u", i);
          if (!walk_member (builder, g_ptr_array_index (value->items, i), name, key, depth))
            return FALSE;
        }
      return TRUE;
    case SEG_PICKLE_NONE:
    case SEG_PICKLE_BOOL:
    case SEG_PICKLE_INT:
    case SEG_PICKLE_BIG_INT:
    case SEG_PICKLE_FLOAT:
    case SEG_PICKLE_STRING:
    case SEG_PICKLE_STORAGE:
    case SEG_PICKLE_GLOBAL:
      return TRUE;
    }
  return TRUE;
}

/* Checkpoints often keep the parameters under one of these keys, beside an optimiser's state. */
static const char *const wrappers[] = { "state_dict", "model_state_dict", "model",
                                        "net",        "network",          "params" };

static gboolean
has_tensor_member (const SegPickleValue *dict)
{
  if (dict == NULL || dict->kind != SEG_PICKLE_DICT)
    return FALSE;
  for (guint i = 1; i < dict->items->len; i += 2)
    if (((const SegPickleValue *) g_ptr_array_index (dict->items, i))->kind == SEG_PICKLE_TENSOR)
      return TRUE;
  return FALSE;
}

static const SegPickleValue *
unwrap (Builder *builder, const SegPickleValue *root)
{
  g_autoptr (GString) left_out = NULL;

  if (root->kind != SEG_PICKLE_DICT || has_tensor_member (root))
    return root;
  for (gsize w = 0; w < G_N_ELEMENTS (wrappers); w++)
    {
      const SegPickleValue *inner = seg_pickle_value_get (root, wrappers[w]);

      if (!has_tensor_member (inner))
        continue;
      left_out = g_string_new (NULL);
      for (guint i = 0; i + 1 < root->items->len; i += 2)
        {
          g_autofree char *key = key_to_string (g_ptr_array_index (root->items, i));

          if (key != NULL && strcmp (key, wrappers[w]) != 0)
            g_string_append_printf (left_out, "%s%s", left_out->len > 0 ? ", " : "", key);
        }
      seg_weights_put_metadata (builder->weights, "wrapper", wrappers[w]);
      if (left_out->len > 0)
        seg_weights_put_metadata (builder->weights, "left-out", left_out->str);
      return inner;
    }
  return root;
}

static void
keep_metadata (Builder *builder, const SegPickleValue *root)
{
  for (guint i = 0; root->kind == SEG_PICKLE_DICT && i + 1 < root->items->len; i += 2)
    {
      g_autofree char *key = key_to_string (g_ptr_array_index (root->items, i));
      const SegPickleValue *value = g_ptr_array_index (root->items, i + 1);
      g_autofree char *number = NULL;
      char buffer[G_ASCII_DTOSTR_BUF_SIZE];

      if (key == NULL)
        continue;
      if (value->kind == SEG_PICKLE_STRING)
        seg_weights_put_metadata (builder->weights, key, value->text);
      else if (value->kind == SEG_PICKLE_FLOAT)
        seg_weights_put_metadata (builder->weights, key,
                                  g_ascii_dtostr (buffer, sizeof buffer, value->number));
      else if (value->kind == SEG_PICKLE_INT)
        {
          number = g_strdup_printf ("%" G_GINT64_FORMAT, value->integer);
          seg_weights_put_metadata (builder->weights, key, number);
        }
    }
}

static gboolean
build (Builder *builder, const SegPickleValue *root)
{
  g_autoptr (GString) name = g_string_new (NULL);

  keep_metadata (builder, root);
  if (!walk (builder, unwrap (builder, root), name, 0))
    return FALSE;
  if (seg_weights_get_n (builder->weights) == 0)
    return fail (builder, "no tensor in it");
  return TRUE;
}

static void
builder_init (Builder *builder, SegWeights *weights, gsize file_bytes, const char *what,
              GError **error)
{
  *builder = (Builder){ .weights = weights, .what = what, .error = error };
  builder->blobs = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  if (!g_size_checked_mul (&builder->copy_limit_bytes, file_bytes, 4)
      || !g_size_checked_add (&builder->copy_limit_bytes, builder->copy_limit_bytes,
                              COPY_ALLOWANCE_BYTES))
    builder->copy_limit_bytes = G_MAXSIZE;
}

static void
add_blob (Builder *builder, const SegPickleStorage *storage, const guint8 *data, gsize size_bytes)
{
  Blob *blob = g_new (Blob, 1);

  *blob = (Blob){ data, size_bytes };
  g_hash_table_insert (builder->blobs, storage->key, blob);
}

/* --- the zip format ------------------------------------------------------------------------- */

/* The archive's folder: the one entry NAME/data.pkl. */
static char *
find_prefix (const SegZip *zip)
{
  for (gsize i = 0; i < zip->n_entries; i++)
    {
      const char *name = zip->entries[i].name;
      const char *slash = strchr (name, '/');

      if (slash != NULL && strcmp (slash, "/data.pkl") == 0)
        return g_strndup (name, (gsize) (slash - name));
    }
  return NULL;
}

static gboolean
check_byte_order (const SegZip *zip, const guint8 *file, const char *prefix)
{
  g_autofree char *name = g_strconcat (prefix, "/byteorder", NULL);
  const SegZipEntry *entry = seg_zip_find (zip, name);

  return entry == NULL
         || (entry->size_bytes == 6 && memcmp (file + entry->offset, "little", 6) == 0);
}

SegWeights *
seg_weights_from_pytorch_zip (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const guint8 *file = g_bytes_get_data (bytes, &size);
  g_autoptr (SegZip) zip = seg_zip_open (bytes, name, error);
  g_autofree char *prefix = zip ? find_prefix (zip) : NULL;
  g_autofree char *pickle_name = prefix ? g_strconcat (prefix, "/data.pkl", NULL) : NULL;
  g_autoptr (SegPickle) pickle = NULL;
  g_autoptr (SegWeights) weights = NULL;
  const SegZipEntry *entry;
  Builder builder;
  GHashTableIter iter;
  gpointer value;
  gboolean ok;

  if (zip == NULL)
    return NULL;
  if (prefix == NULL)
    {
      g_set_error (
          error, SEG_ERROR, SEG_ERROR_FORMAT,
          "%s: a zip, but not of PyTorch: no data.pkl in it (is the file one level deeper?)",
          name);
      return NULL;
    }
  if (!check_byte_order (zip, file, prefix))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED, "%s: saved on a big-endian machine",
                   name);
      return NULL;
    }
  entry = seg_zip_find (zip, pickle_name);
  pickle = seg_pickle_read (file + entry->offset, entry->size_bytes, name, error);
  if (pickle == NULL)
    return NULL;
  weights = seg_weights_new (name, "pytorch-zip");
  seg_weights_keep (weights, bytes);
  builder_init (&builder, weights, size, name, error);
  g_hash_table_iter_init (&iter, pickle->storages);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const SegPickleStorage *storage = value;
      g_autofree char *data_name = g_strconcat (prefix, "/data/", storage->key, NULL);

      entry = seg_zip_find (zip, data_name);
      if (entry != NULL)
        add_blob (&builder, storage, file + entry->offset, entry->size_bytes);
    }
  ok = build (&builder, pickle->root);
  g_hash_table_unref (builder.blobs);
  return ok ? g_steal_pointer (&weights) : NULL;
}

/* --- the old format ------------------------------------------------------------------------- */

gboolean
seg_weights_looks_like_pytorch_old (GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  return size > 0 && data[0] == 0x80
         && memmem (data, MIN (size, 32), old_magic_bytes, sizeof old_magic_bytes) != NULL;
}

static SegPickle *
read_next (const guint8 **at, const guint8 *end, const char *name, GError **error)
{
  SegPickle *pickle = seg_pickle_read (*at, (gsize) (end - *at), name, error);

  if (pickle != NULL)
    *at += pickle->n_bytes;
  return pickle;
}

static gboolean
read_preamble (const guint8 **at, const guint8 *end, const char *name, GError **error)
{
  g_autoptr (SegPickle) magic = read_next (at, end, name, error);
  g_autoptr (SegPickle) protocol = magic ? read_next (at, end, name, error) : NULL;
  g_autoptr (SegPickle) machine = protocol ? read_next (at, end, name, error) : NULL;
  const SegPickleValue *little;

  if (machine == NULL)
    return FALSE;
  if (magic->root->kind != SEG_PICKLE_BIG_INT || strcmp (magic->root->text, old_magic) != 0
      || protocol->root->kind != SEG_PICKLE_INT || protocol->root->integer != 1001)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: not PyTorch's old format 1001", name);
      return FALSE;
    }
  little = seg_pickle_value_get (machine->root, "little_endian");
  if (little != NULL && (little->kind != SEG_PICKLE_BOOL || !little->integer))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED, "%s: saved on a big-endian machine",
                   name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
read_storages (Builder *builder, const SegPickle *pickle, const SegPickleValue *keys,
               const guint8 *at, const guint8 *end)
{
  if (keys->kind != SEG_PICKLE_LIST)
    return fail (builder, "the list of storages is missing");
  for (guint i = 0; i < keys->items->len; i++)
    {
      const SegPickleValue *key = g_ptr_array_index (keys->items, i);
      const SegPickleStorage *storage =
          key->kind == SEG_PICKLE_STRING ? g_hash_table_lookup (pickle->storages, key->text) : NULL;
      gint64 n;
      gsize size_bytes;

      if (storage == NULL)
        return fail (builder, "a storage that nothing refers to");
      if (end - at < 8)
        return fail (builder, "it ends before storage “%.32s”", storage->key);
      memcpy (&n, at, 8);
      at += 8;
      if (n < 0 || (guint64) n != storage->n_elements
          || !g_size_checked_mul (&size_bytes, (gsize) n,
                                  seg_weight_dtype_get_size (storage->dtype))
          || size_bytes > (gsize) (end - at))
        return fail (builder,
                     "storage “%.32s”: %" G_GINT64_FORMAT " elements claimed, %" G_GSIZE_FORMAT
                     " bytes present",
                     storage->key, n, (gsize) (end - at));
      if (g_hash_table_contains (builder->blobs, storage->key))
        return fail (builder, "storage “%.32s” is given twice", storage->key);
      add_blob (builder, storage, at, size_bytes);
      at += size_bytes;
    }
  return TRUE;
}

SegWeights *
seg_weights_from_pytorch_old (GBytes *bytes, const char *name, GError **error)
{
  gsize size;
  const guint8 *at = g_bytes_get_data (bytes, &size);
  const guint8 *end = at + size;
  g_autoptr (SegPickle) object = NULL;
  g_autoptr (SegPickle) keys = NULL;
  g_autoptr (SegWeights) weights = NULL;
  Builder builder;
  gboolean ok;

  if (!read_preamble (&at, end, name, error))
    return NULL;
  object = read_next (&at, end, name, error);
  keys = object ? read_next (&at, end, name, error) : NULL;
  if (keys == NULL)
    return NULL;
  weights = seg_weights_new (name, "pytorch-old");
  seg_weights_keep (weights, bytes);
  builder_init (&builder, weights, size, name, error);
  ok = read_storages (&builder, object, keys->root, at, end) && build (&builder, object->root);
  g_hash_table_unref (builder.blobs);
  return ok ? g_steal_pointer (&weights) : NULL;
}
