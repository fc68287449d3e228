/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/weights/checkpoint.h"

#include "seg/weights/file.h"
#include "seg/weights/json.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define FORMAT_NAME "crosslabel-checkpoint"
#define FORMAT_VERSION 1

typedef enum
{
  VALUE_INT,
  VALUE_DOUBLE,
  VALUE_STRING
} ValueKind;

typedef struct
{
  ValueKind kind;
  gint64 integer;
  double number;
  char *text;
} Value;

struct _SegCheckpoint
{
  SegWeightsWriter *writer;
  SegWeights *weights; /* of a loaded one */
  GHashTable *values;
  GPtrArray *keys; /* in the order they were set; borrowed from `values` */
  char *what;
};

static void
value_free (gpointer data)
{
  Value *self = data;

  g_free (self->text);
  g_free (self);
}

SegCheckpoint *
seg_checkpoint_new (void)
{
  SegCheckpoint *self = g_new0 (SegCheckpoint, 1);

  self->writer = seg_weights_writer_new ();
  self->values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, value_free);
  self->keys = g_ptr_array_new ();
  self->what = g_strdup ("checkpoint");
  return self;
}

void
seg_checkpoint_free (SegCheckpoint *self)
{
  if (self == NULL)
    return;
  seg_weights_writer_free (self->writer);
  seg_weights_unref (self->weights);
  g_ptr_array_unref (self->keys);
  g_hash_table_unref (self->values);
  g_free (self->what);
  g_free (self);
}

void
seg_checkpoint_add (SegCheckpoint *self, const char *group, const char *name, SegWeightDtype dtype,
                    int n_dims, const gint64 *shape, gconstpointer data)
{
  g_autofree char *full = NULL;

  g_return_if_fail (strchr (group, '/') == NULL && group[0] != '\0');
  full = g_strconcat (group, "/", name, NULL);
  seg_weights_writer_add (self->writer, full, dtype, n_dims, shape, data);
}

void
seg_checkpoint_add_take (SegCheckpoint *self, const char *group, const char *name,
                         SegWeightDtype dtype, int n_dims, const gint64 *shape, gpointer data)
{
  g_autofree char *full = NULL;

  g_return_if_fail (strchr (group, '/') == NULL && group[0] != '\0');
  full = g_strconcat (group, "/", name, NULL);
  seg_weights_writer_take (self->writer, full, dtype, n_dims, shape, data);
}

static void
set (SegCheckpoint *self, const char *key, Value value)
{
  Value *found = g_hash_table_lookup (self->values, key);

  g_return_if_fail (g_utf8_validate (key, -1, NULL));
  if (found == NULL)
    {
      char *owned = g_strdup (key);

      found = g_new0 (Value, 1);
      g_hash_table_insert (self->values, owned, found);
      g_ptr_array_add (self->keys, owned);
    }
  g_free (found->text);
  *found = value;
}

void
seg_checkpoint_set_int (SegCheckpoint *self, const char *key, gint64 value)
{
  set (self, key, (Value){ .kind = VALUE_INT, .integer = value });
}

void
seg_checkpoint_set_double (SegCheckpoint *self, const char *key, double value)
{
  set (self, key, (Value){ .kind = VALUE_DOUBLE, .number = value });
}

void
seg_checkpoint_set_string (SegCheckpoint *self, const char *key, const char *value)
{
  g_return_if_fail (g_utf8_validate (value, -1, NULL));
  set (self, key, (Value){ .kind = VALUE_STRING, .text = g_strdup (value) });
}

/* --- saving --------------------------------------------------------------------------------- */

/* Ints are bare numbers, strings are strings, doubles are {"f64": hex bits, "value": readable}, so
 * that every bit comes back, NaN and infinities included. */
static void
append_value (GString *out, const Value *value)
{
  guint64 bits;

  switch (value->kind)
    {
    case VALUE_INT:
      g_string_append_printf (out, "%" G_GINT64_FORMAT, value->integer);
      break;
    case VALUE_DOUBLE:
      memcpy (&bits, &value->number, sizeof bits);
      g_string_append_printf (out, "{\"f64\": \"%016" G_GINT64_MODIFIER "x\"", bits);
      if (isfinite (value->number))
        {
          g_string_append (out, ", \"value\": ");
          seg_json_append_double (out, value->number);
        }
      g_string_append_c (out, '}');
      break;
    case VALUE_STRING:
      seg_json_append_string (out, value->text);
      break;
    }
}

static GString *
make_manifest (SegCheckpoint *self, const char *data_name, gsize size_bytes, const char *sha256)
{
  GString *out = g_string_new ("{\n");

  g_string_append_printf (out,
                          "  \"format\": \"%s\",\n  \"version\": %d,\n  \"tensors\": ", FORMAT_NAME,
                          FORMAT_VERSION);
  seg_json_append_string (out, data_name);
  g_string_append_printf (out, ",\n  \"size_bytes\": %" G_GSIZE_FORMAT ",\n  \"sha256\": \"%s\"",
                          size_bytes, sha256);
  g_string_append (out, ",\n  \"values\": {");
  for (guint i = 0; i < self->keys->len; i++)
    {
      const char *key = g_ptr_array_index (self->keys, i);

      g_string_append (out, i > 0 ? ",\n    " : "\n    ");
      seg_json_append_string (out, key);
      g_string_append (out, ": ");
      append_value (out, g_hash_table_lookup (self->values, key));
    }
  g_string_append (out, "\n  }\n}\n");
  return out;
}

static char *
manifest_path (const char *folder, const char *name)
{
  g_autofree char *file = g_strconcat (name, ".json", NULL);

  return g_build_filename (folder, file, NULL);
}

/* Whether @file is NAME-STEP-TAG.safetensors (or its temporary form) of this checkpoint. */
static gboolean
is_data_of (const char *file, const char *name)
{
  gsize length = strlen (name);
  const char *at;

  if (strncmp (file, name, length) != 0 || file[length] != '-')
    return FALSE;
  at = file + length + 1;
  at += strspn (at, "0123456789");
  if (*at++ != '-' || strspn (at, "0123456789abcdef") != 8)
    return FALSE;
  return g_str_has_prefix (at + 8, ".safetensors");
}

/* A manifest that a crash left unfinished: NAME.json.XXXXXX */
static gboolean
is_left_manifest (const char *file, const char *name)
{
  gsize length = strlen (name);

  return strncmp (file, name, length) == 0 && g_str_has_prefix (file + length, ".json.")
         && strlen (file + length) == strlen (".json.XXXXXX");
}

/* Tensor files of this checkpoint other than @keep: older ones, and what a crash left. */
static void
remove_others (const char *folder, const char *name, const char *keep)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *file;

  while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, file, NULL);

      if ((is_data_of (file, name) && g_strcmp0 (file, keep) != 0) || is_left_manifest (file, name))
        g_unlink (path);
    }
}

gboolean
seg_checkpoint_save (SegCheckpoint *self, const char *folder, const char *name, GError **error)
{
  const Value *step = g_hash_table_lookup (self->values, "step");
  g_autofree char *data_name = g_strdup_printf (
      "%s-%" G_GINT64_FORMAT "-%08x.safetensors", name,
      step && step->kind == VALUE_INT ? MAX (step->integer, 0) : 0, g_random_int ());
  g_autofree char *data_path = g_build_filename (folder, data_name, NULL);
  g_autofree char *path = manifest_path (folder, name);
  g_autofree char *sha256 = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GString) manifest = NULL;
  g_auto (SegFileReplacement) file = { 0 };

  g_return_val_if_fail (name[0] != '\0' && strchr (name, '/') == NULL, FALSE);
  if (!seg_weights_writer_save (self->writer, data_path, error))
    {
      g_unlink (data_path);
      return FALSE;
    }
  bytes = seg_file_map (data_path, error);
  if (bytes == NULL)
    return FALSE;
  sha256 = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);
  manifest = make_manifest (self, data_name, g_bytes_get_size (bytes), sha256);
  if (!seg_file_replacement_open (&file, path, error)
      || !seg_file_replacement_write (&file, manifest->str, manifest->len, error)
      || !seg_file_replacement_commit (&file, error))
    {
      g_unlink (data_path);
      return FALSE;
    }
  remove_others (folder, name, data_name);
  return TRUE;
}

gboolean
seg_checkpoint_remove (const char *folder, const char *name, GError **error)
{
  g_autofree char *path = manifest_path (folder, name);

  if (g_unlink (path) != 0 && g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_IO, "%s: cannot be removed", path);
      return FALSE;
    }
  remove_others (folder, name, NULL);
  return TRUE;
}

/* --- loading -------------------------------------------------------------------------------- */

static gboolean
read_values (SegCheckpoint *self, const SegJson *values)
{
  if (values == NULL || values->kind != SEG_JSON_OBJECT)
    return FALSE;
  for (gsize i = 0; i < values->n; i++)
    {
      const SegJson *json = values->values[i];
      const char *text = seg_json_get_string (json);
      const char *hex = seg_json_get_string (seg_json_get (json, "f64"));
      gint64 integer;
      guint64 bits;
      double number;

      if (text != NULL)
        seg_checkpoint_set_string (self, values->keys[i], text);
      else if (seg_json_get_i64 (json, &integer))
        seg_checkpoint_set_int (self, values->keys[i], integer);
      else if (hex != NULL && g_ascii_string_to_unsigned (hex, 16, 0, G_MAXUINT64, &bits, NULL))
        {
          memcpy (&number, &bits, sizeof number);
          seg_checkpoint_set_double (self, values->keys[i], number);
        }
      else
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_tensors (SegCheckpoint *self, const SegJson *manifest, const char *folder, const char *name,
              GError **error)
{
  const char *data_name = seg_json_get_string (seg_json_get (manifest, "tensors"));
  const char *sha256 = seg_json_get_string (seg_json_get (manifest, "sha256"));
  g_autofree char *path = NULL;
  g_autofree char *actual = NULL;
  g_autoptr (GBytes) bytes = NULL;
  guint64 size_bytes;

  if (data_name == NULL || !is_data_of (data_name, name) || strchr (data_name, '/') != NULL
      || sha256 == NULL || !seg_json_get_u64 (seg_json_get (manifest, "size_bytes"), &size_bytes))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: names no tensor file", self->what);
      return FALSE;
    }
  path = g_build_filename (folder, data_name, NULL);
  bytes = seg_file_map (path, error);
  if (bytes == NULL)
    return FALSE;
  actual = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);
  if (g_bytes_get_size (bytes) != size_bytes || g_ascii_strcasecmp (actual, sha256) != 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "%s: damaged: %" G_GUINT64_FORMAT " bytes with SHA-256 %.12s… expected, "
                   "%" G_GSIZE_FORMAT " with %.12s… found",
                   path, size_bytes, sha256, g_bytes_get_size (bytes), actual);
      return FALSE;
    }
  self->weights = seg_weights_load_bytes (bytes, path, error);
  return self->weights != NULL;
}

SegCheckpoint *
seg_checkpoint_load (const char *folder, const char *name, GError **error)
{
  g_autoptr (SegCheckpoint) self = seg_checkpoint_new ();
  g_autofree char *path = manifest_path (folder, name);
  g_autoptr (GBytes) bytes = seg_file_map (path, error);
  g_autoptr (SegJson) manifest = NULL;
  const char *format;
  gint64 version = 0;

  if (bytes == NULL)
    return NULL;
  manifest = seg_json_parse (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), path, error);
  if (manifest == NULL)
    return NULL;
  g_free (self->what);
  self->what = g_strdup (path);
  format = seg_json_get_string (seg_json_get (manifest, "format"));
  if (g_strcmp0 (format, FORMAT_NAME) != 0
      || !seg_json_get_i64 (seg_json_get (manifest, "version"), &version)
      || version != FORMAT_VERSION || !read_values (self, seg_json_get (manifest, "values")))
    {
      g_set_error (error, SEG_ERROR,
                   version > FORMAT_VERSION ? SEG_ERROR_UNSUPPORTED : SEG_ERROR_FORMAT, "%s: %s",
                   path,
                   version > FORMAT_VERSION ? "written by a newer version of the program"
                                            : "not the manifest of a checkpoint");
      return NULL;
    }
  if (!read_tensors (self, manifest, folder, name, error))
    return NULL;
  return g_steal_pointer (&self);
}

SegWeights *
seg_checkpoint_get_group (SegCheckpoint *self, const char *group)
{
  g_autofree char *prefix = g_strconcat (group, "/", NULL);

  g_return_val_if_fail (self->weights != NULL, NULL);
  return seg_weights_subset (self->weights, prefix);
}

static const Value *
get (const SegCheckpoint *self, const char *key, ValueKind kind, GError **error)
{
  const Value *value = g_hash_table_lookup (self->values, key);

  if (value != NULL && value->kind == kind)
    return value;
  g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: “%s” is %s", self->what, key,
               value == NULL ? "missing" : "of another kind");
  return NULL;
}

gboolean
seg_checkpoint_get_int (const SegCheckpoint *self, const char *key, gint64 *value, GError **error)
{
  const Value *found = get (self, key, VALUE_INT, error);

  if (found != NULL)
    *value = found->integer;
  return found != NULL;
}

gboolean
seg_checkpoint_get_double (const SegCheckpoint *self, const char *key, double *value,
                           GError **error)
{
  const Value *found = get (self, key, VALUE_DOUBLE, error);

  if (found != NULL)
    *value = found->number;
  return found != NULL;
}

gboolean
seg_checkpoint_get_string (const SegCheckpoint *self, const char *key, const char **value,
                           GError **error)
{
  const Value *found = get (self, key, VALUE_STRING, error);

  if (found != NULL)
    *value = found->text;
  return found != NULL;
}

gboolean
seg_checkpoint_has (const SegCheckpoint *self, const char *key)
{
  return g_hash_table_contains (self->values, key);
}
