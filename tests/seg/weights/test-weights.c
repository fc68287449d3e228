/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/weights/weights.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define DATA SOURCE_ROOT "/tests/seg/weights/data/"

static const char *const recorded[] = {
  "plain.safetensors", "plain-zip.pth",         "plain-old.pth",      "plain-protocol4.pth",
  "tricky-zip.pth",    "tricky-old.pth",        "checkpoint-zip.pth", "checkpoint-old.pth",
  "refused-call.pth",  "refused-namespace.pth",
};

static SegWeights *
load (const char *name)
{
  g_autofree char *path = g_strconcat (DATA, name, NULL);
  g_autoptr (GError) error = NULL;
  SegWeights *weights = seg_weights_load (path, &error);

  g_assert_no_error (error);
  return weights;
}

static GBytes *
read_file (const char *name)
{
  g_autofree char *path = g_strconcat (DATA, name, NULL);
  g_autoptr (GError) error = NULL;
  char *contents;
  gsize size;

  g_file_get_contents (path, &contents, &size, &error);
  g_assert_no_error (error);
  return g_bytes_new_take (contents, size);
}

/* The pattern of make-data.py. */
static float
pattern (SegWeightDtype dtype, gsize i)
{
  int whole = (int) (i * 7 % 97);

  if (dtype == SEG_WEIGHT_BOOL)
    return i % 3 == 0;
  if (dtype >= SEG_WEIGHT_F16)
    return (float) (whole - 48) / 8;
  return (float) whole;
}

static void
assert_shape (const SegWeight *tensor, int n_dims, gint64 a, gint64 b, gint64 c)
{
  const gint64 shape[3] = { a, b, c };

  g_assert_nonnull (tensor);
  g_assert_cmpint (tensor->n_dims, ==, n_dims);
  for (int d = 0; d < n_dims; d++)
    g_assert_cmpint (tensor->shape[d], ==, shape[d]);
}

static float
at (const SegWeight *tensor, gsize i)
{
  float value = NAN;

  seg_weight_read_f32 (tensor, i, 1, &value);
  return value;
}

static void
test_plain (gconstpointer name)
{
  static const struct
  {
    const char *name;
    SegWeightDtype dtype;
  } expected[] = {
    { "t-f32", SEG_WEIGHT_F32 },   { "t-f64", SEG_WEIGHT_F64 }, { "t-f16", SEG_WEIGHT_F16 },
    { "t-bf16", SEG_WEIGHT_BF16 }, { "t-i64", SEG_WEIGHT_I64 }, { "t-i32", SEG_WEIGHT_I32 },
    { "t-i16", SEG_WEIGHT_I16 },   { "t-i8", SEG_WEIGHT_I8 },   { "t-u8", SEG_WEIGHT_U8 },
    { "t-bool", SEG_WEIGHT_BOOL },
  };
  g_autoptr (SegWeights) weights = load (name);

  g_assert_cmpuint (seg_weights_get_n (weights), ==, G_N_ELEMENTS (expected));
  for (gsize e = 0; e < G_N_ELEMENTS (expected); e++)
    {
      const SegWeight *tensor = seg_weights_find (weights, expected[e].name);
      float values[30];

      assert_shape (tensor, 3, 2, 3, 5);
      g_assert_cmpint (tensor->dtype, ==, expected[e].dtype);
      g_assert_cmpuint (tensor->n_elements, ==, 30);
      g_assert_cmpuint ((guintptr) tensor->data % seg_weight_dtype_get_size (tensor->dtype), ==, 0);
      seg_weight_read_f32 (tensor, 0, 30, values);
      for (gsize i = 0; i < 30; i++)
        g_assert_cmpfloat (values[i], ==, pattern (tensor->dtype, i));
      if (tensor->dtype < SEG_WEIGHT_F16)
        g_assert_cmpint (seg_weight_read_i64 (tensor, 5), ==, (gint64) pattern (tensor->dtype, 5));
    }
  if (g_str_has_suffix (name, ".safetensors"))
    g_assert_cmpstr (seg_weights_get_metadata (weights, "made"), ==, "by the peer");
}

static void
test_tricky (gconstpointer name)
{
  g_autoptr (SegWeights) weights = load (name);
  const SegWeight *t;

  t = seg_weights_find (weights, "transposed");
  assert_shape (t, 2, 6, 4, 0);
  for (gsize i = 0; i < 6; i++)
    for (gsize j = 0; j < 4; j++)
      g_assert_cmpfloat (at (t, i * 4 + j), ==, pattern (SEG_WEIGHT_F32, j * 6 + i));
  t = seg_weights_find (weights, "every-other");
  assert_shape (t, 2, 4, 3, 0);
  g_assert_cmpfloat (at (t, 4), ==, pattern (SEG_WEIGHT_F32, 6 + 2));
  t = seg_weights_find (weights, "offset");
  assert_shape (t, 2, 2, 3, 0);
  g_assert_cmpfloat (at (t, 0), ==, pattern (SEG_WEIGHT_F32, 6 + 2));
  g_assert_cmpfloat (at (t, 5), ==, pattern (SEG_WEIGHT_F32, 12 + 4));
  t = seg_weights_find (weights, "expanded");
  assert_shape (t, 2, 2, 3, 0);
  for (gsize i = 0; i < 6; i++)
    g_assert_cmpfloat (at (t, i), ==, i < 3 ? 1.5f : -2.0f);
  g_assert_cmpfloat (at (seg_weights_find (weights, "shared.first"), 7), ==,
                     pattern (SEG_WEIGHT_F32, 7));
  g_assert_cmpfloat (at (seg_weights_find (weights, "shared.third"), 0), ==,
                     pattern (SEG_WEIGHT_F32, 16));
  t = seg_weights_find (weights, "scalar");
  assert_shape (t, 0, 0, 0, 0);
  g_assert_cmpfloat (at (t, 0), ==, 2.25f);
  g_assert_cmpint (seg_weight_read_i64 (seg_weights_find (weights, "count"), 0), ==, 12345678901);
  t = seg_weights_find (weights, "empty");
  assert_shape (t, 2, 0, 3, 0);
  g_assert_cmpuint (t->size_bytes, ==, 0);
  assert_shape (seg_weights_find (weights, "parameter"), 1, 5, 0, 0);
  assert_shape (seg_weights_find (weights, "nested.list.1"), 1, 3, 0, 0);
  g_assert_cmpfloat (at (seg_weights_find (weights, "nested.7"), 0), ==, 1);
  g_assert_null (seg_weights_find (weights, "none"));
}

static void
test_checkpoint (gconstpointer name)
{
  g_autoptr (SegWeights) weights = load (name);
  g_autoptr (SegWeights) part = NULL;

  /* The parameters alone, by their own names; what was left out is said. */
  g_assert_cmpuint (seg_weights_get_n (weights), ==, 7);
  assert_shape (seg_weights_find (weights, "0.bias"), 1, 2, 0, 0);
  g_assert_cmpfloat (at (seg_weights_find (weights, "0.weight"), 53), ==,
                     pattern (SEG_WEIGHT_F32, 53));
  g_assert_cmpint (seg_weight_read_i64 (seg_weights_find (weights, "1.num_batches_tracked"), 0), ==,
                   1);
  g_assert_cmpstr (seg_weights_get_metadata (weights, "wrapper"), ==, "state_dict");
  g_assert_cmpstr (seg_weights_get_metadata (weights, "left-out"), ==,
                   "optimizer, epoch, arch, best");
  g_assert_cmpstr (seg_weights_get_metadata (weights, "epoch"), ==, "7");
  g_assert_cmpstr (seg_weights_get_metadata (weights, "arch"), ==, "tiny");
  g_assert_cmpstr (seg_weights_get_metadata (weights, "best"), ==, "0.5");
  part = seg_weights_subset (weights, "1.");
  g_assert_cmpuint (seg_weights_get_n (part), ==, 5);
  assert_shape (seg_weights_find (part, "running_var"), 1, 2, 0, 0);
}

static void
assert_refused (const char *name, const char *word)
{
  g_autofree char *path = g_strconcat (DATA, name, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (seg_weights_load (path, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, word));
}

static void
test_refused (void)
{
  assert_refused ("refused-namespace.pth", "argparse.Namespace");
  assert_refused ("refused-call.pth", ".print");
}

static void
test_missing (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (seg_weights_load (DATA "no such file.pth", &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (seg_weights_load ("/dev/zero", &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_FORMAT);
}

static void
test_halves (void)
{
  /* Every f16 goes to f32 and back unchanged, NaNs stay NaNs. */
  for (guint bits = 0; bits < 0x10000; bits++)
    {
      float wide = seg_f32_from_f16 ((guint16) bits);
      float brain = seg_f32_from_bf16 ((guint16) bits);

      if (isnan (wide))
        g_assert_true (isnan (seg_f32_from_f16 (seg_f16_from_f32 (wide))));
      else
        g_assert_cmpuint (seg_f16_from_f32 (wide), ==, bits);
      if (isnan (brain))
        g_assert_true (isnan (seg_f32_from_bf16 (seg_bf16_from_f32 (brain))));
      else
        g_assert_cmpuint (seg_bf16_from_f32 (brain), ==, bits);
    }
  /* Rounding: to nearest, ties to even; overflow to infinity; underflow to zero. */
  g_assert_cmpuint (seg_f16_from_f32 (1.0f + 0x1p-11f), ==, 0x3c00);
  g_assert_cmpuint (seg_f16_from_f32 (1.0f + 3 * 0x1p-11f), ==, 0x3c02);
  g_assert_cmpuint (seg_f16_from_f32 (1.0f + 0x1.002p-11f), ==, 0x3c01);
  g_assert_cmpuint (seg_f16_from_f32 (65519.0f), ==, 0x7bff);
  g_assert_cmpuint (seg_f16_from_f32 (65520.0f), ==, 0x7c00);
  g_assert_cmpuint (seg_f16_from_f32 (0x1p-25f), ==, 0);
  g_assert_cmpuint (seg_f16_from_f32 (0x1.8p-25f), ==, 1);
  g_assert_cmpuint (seg_f16_from_f32 (-0x1p-24f), ==, 0x8001);
  g_assert_cmpuint (seg_bf16_from_f32 (1.0f + 0x1p-8f), ==, 0x3f80);
  g_assert_cmpuint (seg_bf16_from_f32 (1.0f + 3 * 0x1p-8f), ==, 0x3f82);
}

/* --- writing -------------------------------------------------------------------------------- */

typedef struct
{
  char *folder;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("crosslabel-weights-XXXXXX", NULL);
  g_assert_nonnull (fixture->folder);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  GDir *dir = g_dir_open (fixture->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->folder, name, NULL);

      g_unlink (path);
    }
  g_dir_close (dir);
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
}

static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "a.safetensors", NULL);
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();
  g_autoptr (SegWeights) weights = NULL;
  g_autoptr (GError) error = NULL;
  const guint8 bytes[3] = { 1, 2, 255 };
  const float floats[6] = { 0, -1.5f, INFINITY, 1e-40f, 3.1415927f, -0.0f };
  const gint64 one = -5;

  seg_weights_writer_add (writer, "ünï\"code\\\n", SEG_WEIGHT_U8, 1, (gint64[]){ 3 }, bytes);
  seg_weights_writer_add (writer, "floats", SEG_WEIGHT_F32, 2, (gint64[]){ 2, 3 }, floats);
  seg_weights_writer_add (writer, "scalar", SEG_WEIGHT_I64, 0, NULL, &one);
  seg_weights_writer_add (writer, "nothing", SEG_WEIGHT_F64, 2, (gint64[]){ 0, 9 }, NULL);
  seg_weights_writer_add_f32 (writer, "half", SEG_WEIGHT_F16, 1, (gint64[]){ 2 }, floats);
  seg_weights_writer_set_metadata (writer, "licence", "none \"at\" all");
  g_assert_true (seg_weights_writer_save (writer, path, &error));
  g_assert_no_error (error);

  weights = seg_weights_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (seg_weights_get_n (weights), ==, 5);
  g_assert_cmpmem (seg_weights_find (weights, "ünï\"code\\\n")->data, 3, bytes, 3);
  g_assert_cmpmem (seg_weights_find (weights, "floats")->data, 24, floats, 24);
  g_assert_cmpint (seg_weight_read_i64 (seg_weights_find (weights, "scalar"), 0), ==, -5);
  assert_shape (seg_weights_find (weights, "nothing"), 2, 0, 9, 0);
  g_assert_cmpfloat (at (seg_weights_find (weights, "half"), 1), ==, -1.5f);
  g_assert_cmpstr (seg_weights_get_metadata (weights, "licence"), ==, "none \"at\" all");
}

static void
test_failed_save_keeps_old (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "sub", "a.safetensors", NULL);
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (seg_weights_writer_save (writer, path, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_NOT_FOUND);
}

static void
write_text (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
save_one (const char *folder, const char *file, const char *name, float value)
{
  g_autofree char *path = g_build_filename (folder, file, NULL);
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();

  seg_weights_writer_add (writer, name, SEG_WEIGHT_F32, 0, NULL, &value);
  g_assert_true (seg_weights_writer_save (writer, path, NULL));
}

static void
test_shards (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "m.safetensors.index.json", NULL);
  g_autoptr (SegWeights) weights = NULL;
  g_autoptr (GError) error = NULL;

  save_one (fixture->folder, "m-1.safetensors", "a", 1);
  save_one (fixture->folder, "m-2.safetensors", "b", 2);
  write_text (fixture->folder, "m.safetensors.index.json",
              "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2.safetensors\"}}");
  weights = seg_weights_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (at (seg_weights_find (weights, "a"), 0), ==, 1);
  g_assert_cmpfloat (at (seg_weights_find (weights, "b"), 0), ==, 2);

  write_text (fixture->folder, "m.safetensors.index.json",
              "{\"weight_map\":{\"b\":\"m-1.safetensors\"}}");
  g_assert_null (seg_weights_load (path, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_FORMAT);
  g_clear_error (&error);
  write_text (fixture->folder, "m.safetensors.index.json",
              "{\"weight_map\":{\"a\":\"../m-1.safetensors\"}}");
  g_assert_null (seg_weights_load (path, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "not a file beside it"));
}

/* --- fitting -------------------------------------------------------------------------------- */

static void
test_check (void)
{
  static const SegWeightSpec right[] = {
    { "0.weight", 5, { 2, 1, 3, 3, 3 } },
    { "0.bias", 1, { -1 } },
    { "1.weight", 1, { 2 } },
    { "1.bias", 1, { 2 } },
    { "1.running_mean", 1, { 2 } },
    { "1.running_var", 1, { 2 } },
  };
  static const SegWeightSpec wrong[] = {
    { "0.weight", 5, { 4, 1, 3, 3, 3 } },
    { "0.bias", 2, { 2, 1 } },
    { "2.weight", 1, { 2 } },
    { "3.weight", 1, { 2 } },
  };
  g_autoptr (SegWeights) weights = load ("checkpoint-zip.pth");
  g_autoptr (GError) error = NULL;

  g_assert_true (seg_weights_check (weights, right, G_N_ELEMENTS (right), 0, &error));
  g_assert_no_error (error);
  g_assert_false (seg_weights_check (weights, wrong, G_N_ELEMENTS (wrong), 0, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
  for (int i = 0; i < 5; i++)
    {
      static const char *const said[] = {
        "missing: 2.weight, 3.weight",
        "unexpected: 1.weight, 1.bias, 1.running_mean, 1.running_var",
        "0.weight is [2×1×3×3×3], not [4×1×3×3×3]",
        "0.bias is [2], not [2×1]",
        "checkpoint-zip.pth",
      };

      g_assert_nonnull (strstr (error->message, said[i]));
    }
  g_assert_null (strstr (error->message, "num_batches_tracked"));
  g_clear_error (&error);
  g_assert_false (seg_weights_check (weights, wrong + 2, 2, SEG_WEIGHTS_MATCH_ALLOW_EXTRA, &error));
  g_assert_null (strstr (error->message, "unexpected"));
  g_assert_true (seg_weights_check (weights, wrong + 2, 2,
                                    SEG_WEIGHTS_MATCH_ALLOW_EXTRA | SEG_WEIGHTS_MATCH_ALLOW_MISSING,
                                    NULL));
}

/* --- hostile files -------------------------------------------------------------------------- */

static void
assert_bad (gconstpointer data, gsize size, int code, const char *word)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;

  g_assert_null (seg_weights_load_bytes (bytes, "bad", &error));
  g_assert_error (error, SEG_ERROR, code);
  if (strstr (error->message, word) == NULL)
    g_error ("“%s” does not say “%s”", error->message, word);
}

static void
assert_bad_header (const char *header, gsize data_bytes, int code, const char *word)
{
  g_autoptr (GByteArray) file = g_byte_array_new ();
  guint64 length = strlen (header);
  guint8 zero = 0;

  g_byte_array_append (file, (const guint8 *) &length, 8);
  g_byte_array_append (file, (const guint8 *) header, (guint) length);
  while (data_bytes-- > 0)
    g_byte_array_append (file, &zero, 1);
  assert_bad (file->data, file->len, code, word);
}

#define TENSOR(name, dtype, shape, from, to)                                                       \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

static void
test_hostile_safetensors (void)
{
  static const guint8 huge_header[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, '{' };

  assert_bad (huge_header, sizeof huge_header, SEG_ERROR_FORMAT,
              "9223372036854775807 bytes claimed");
  assert_bad ("abc", 3, SEG_ERROR_FORMAT, "neither safetensors nor");
  assert_bad_header (
      "{" TENSOR ("a", "F32", "[2]", "0", "8") "," TENSOR ("b", "F32", "[2]", "4", "12") "}", 12,
      SEG_ERROR_FORMAT, "overlaps");
  assert_bad_header (
      "{" TENSOR ("a", "F32", "[1]", "0", "4") "," TENSOR ("b", "F32", "[1]", "8", "12") "}", 12,
      SEG_ERROR_FORMAT, "a hole");
  assert_bad_header ("{" TENSOR ("a", "F32", "[1]", "0", "4") "}", 8, SEG_ERROR_FORMAT,
                     "4 bytes after the last tensor");
  assert_bad_header ("{" TENSOR ("a", "F32", "[2]", "0", "8") "}", 4, SEG_ERROR_FORMAT,
                     "ends at byte 8 of the data, 4 bytes present");
  assert_bad_header (
      "{" TENSOR ("a", "F32", "[9223372036854775807,9223372036854775807]", "0", "4") "}", 4,
      SEG_ERROR_FORMAT, "beyond any memory");
  assert_bad_header ("{" TENSOR ("a", "U8", "[9223372036854775808]", "0", "4") "}", 4,
                     SEG_ERROR_FORMAT, "no whole number");
  assert_bad_header ("{" TENSOR ("a", "U8", "[-4]", "0", "4") "}", 4, SEG_ERROR_FORMAT,
                     "no whole number");
  assert_bad_header ("{" TENSOR ("a", "U8", "[4]", "4", "0") "}", 4, SEG_ERROR_FORMAT,
                     "bad data_offsets");
  assert_bad_header ("{" TENSOR ("a", "U8", "[1,1,1,1,1,1,1,1,1]", "0", "1") "}", 1,
                     SEG_ERROR_FORMAT, "more than 8");
  assert_bad_header ("{" TENSOR ("a", "F8_E4M3", "[4]", "0", "4") "}", 4, SEG_ERROR_UNSUPPORTED,
                     "F8_E4M3");
  assert_bad_header (
      "{" TENSOR ("a", "F32", "[1]", "0", "4") "," TENSOR ("a", "F32", "[1]", "4", "8") "}", 8,
      SEG_ERROR_FORMAT, "given twice");
  assert_bad_header ("{\"a\":7}", 0, SEG_ERROR_FORMAT, "missing");
  assert_bad_header ("{\"__metadata__\":{\"a\":7}}", 0, SEG_ERROR_FORMAT, "must be strings");
  assert_bad_header ("{\"a\":{}", 0, SEG_ERROR_FORMAT, "JSON");
  assert_bad_header ("{} x", 0, SEG_ERROR_FORMAT, "text after the end");
}

/* One old-format file around a hand-made pickle, so that single opcodes can be tried. */
static void
assert_bad_pickle (const char *pickle, gsize size, int code, const char *word)
{
  static const char preamble[] = "\x80\x02\x8a\x0al\xfc\x9c"
                                 "F\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00.";
  g_autoptr (GByteArray) file = g_byte_array_new ();

  g_byte_array_append (file, (const guint8 *) preamble, sizeof preamble - 1);
  g_byte_array_append (file, (const guint8 *) pickle, (guint) size);
  assert_bad (file->data, file->len, code, word);
}
#define BAD_PICKLE(text, code, word) assert_bad_pickle (text, sizeof (text) - 1, code, word)

/* A storage of 4 floats named "0", left on the stack. */
#define STORAGE                                                                                    \
  "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"                                           \
  "0X\x03\0\0\0cpuK\x04tQ"
/* A view of it, as the old format has: from an element, so many. */
#define VIEW(from, many)                                                                           \
  "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0"                                           \
  "0X\x03\0\0\0cpuK\x04(X\x01\0\0\0v" from many "ttQ"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"

static void
test_hostile_pickle (void)
{
  BAD_PICKLE ("\x80\x02"
              "cos\nsystem\n(X\x02\0\0\0idtR.",
              SEG_ERROR_UNSUPPORTED, "os.system");
  BAD_PICKLE ("\x80\x02"
              "cbuiltins\neval\n.",
              SEG_ERROR_UNSUPPORTED, "builtins.eval");
  BAD_PICKLE ("\x80\x02"
              "ctorch.storage\n_load_from_bytes\n.",
              SEG_ERROR_UNSUPPORTED, "_load_from_bytes");
  BAD_PICKLE ("\x80\x04\x8c\x05posix\x8c\x06system\x93.", SEG_ERROR_UNSUPPORTED, "posix.system");
  BAD_PICKLE ("\x80\x02(ios\nsystem\n.", SEG_ERROR_UNSUPPORTED, "opcode 0x69"); /* INST */
  BAD_PICKLE ("\x80\x02)o.", SEG_ERROR_UNSUPPORTED, "opcode 0x6f"); /* OBJ */
  BAD_PICKLE ("\x80\x02)\x81.", SEG_ERROR_UNSUPPORTED, "opcode 0x81"); /* NEWOBJ */
  BAD_PICKLE ("\x80\x02\x82\x01.", SEG_ERROR_UNSUPPORTED, "opcode 0x82"); /* EXT1 */
  BAD_PICKLE ("\x80\x02Px\n.", SEG_ERROR_UNSUPPORTED, "opcode 0x50"); /* PERSID */
  BAD_PICKLE ("\x80\x02I1\n.", SEG_ERROR_UNSUPPORTED, "opcode 0x49"); /* INT, protocol 0 */
  BAD_PICKLE ("\x80\x06N.", SEG_ERROR_FORMAT, "protocol");
  BAD_PICKLE ("\x80\x02h\x05.", SEG_ERROR_FORMAT, "a memory it never made");
  BAD_PICKLE ("\x80\x02R.", SEG_ERROR_FORMAT, "empty stack");
  BAD_PICKLE ("\x80\x02u.", SEG_ERROR_FORMAT, "no mark");
  BAD_PICKLE ("\x80\x02s.", SEG_ERROR_FORMAT, "no dictionary");
  BAD_PICKLE ("\x80\x02}(K\x01u.", SEG_ERROR_FORMAT, "a key without a value");
  BAD_PICKLE ("\x80\x02X\xff\xff\xff\xff"
              "a.",
              SEG_ERROR_FORMAT, "ends early");
  BAD_PICKLE ("\x80\x02X\x02\0\0\0\xff\xfe.", SEG_ERROR_FORMAT, "not UTF-8");
  BAD_PICKLE ("\x80\x02"
              "Xctorch\nFloatStorage\n",
              SEG_ERROR_FORMAT, "ends early");
  BAD_PICKLE ("\x80\x02"
              "ctorch\nFloatStorage\n.",
              SEG_ERROR_FORMAT, "no data");
  /* A shape of 2⁶³ − 1 with stride 1; strides that overflow; one element too many; negative. */
  BAD_PICKLE ("\x80\x02" REBUILD "(" STORAGE
              "K\0\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85K\x01\x85\x89}tR.",
              SEG_ERROR_FORMAT, "reaches element");
  BAD_PICKLE ("\x80\x02" REBUILD "(" STORAGE
              "K\0K\x03\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85\x89}tR.",
              SEG_ERROR_FORMAT, "reaches element");
  BAD_PICKLE ("\x80\x02" REBUILD "(" STORAGE
              "K\0K\x06\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85\x89}tR.",
              SEG_ERROR_FORMAT, "larger than any memory");
  BAD_PICKLE ("\x80\x02" REBUILD "(" STORAGE "K\x01K\x04\x85K\x01\x85\x89}tR.", SEG_ERROR_FORMAT,
              "reaches element 4 of a storage of 4");
  BAD_PICKLE ("\x80\x02" REBUILD "(" STORAGE "K\0J\xff\xff\xff\xff\x85K\x01\x85\x89}tR.",
              SEG_ERROR_FORMAT, "whole numbers");
  BAD_PICKLE ("\x80\x02" REBUILD "(K\0K\0K\x04\x85K\x01\x85\x89}tR.", SEG_ERROR_FORMAT,
              "without storage");
  /* The same storage with another dtype. */
  BAD_PICKLE ("\x80\x02" STORAGE "(X\x07\0\0\0storagectorch\nHalfStorage\nX\x01\0\0\0"
              "0X\x03\0\0\0cpuK\x04tQ.",
              SEG_ERROR_FORMAT, "given twice, differently");
  BAD_PICKLE ("\x80\x02" VIEW ("K\x02", "K\x03") ".", SEG_ERROR_FORMAT, "beyond its storage");
  BAD_PICKLE ("\x80\x02" VIEW ("K\x05", "K\0") ".", SEG_ERROR_FORMAT, "beyond its storage");
  BAD_PICKLE ("\x80\x02" VIEW ("J\xff\xff\xff\xff", "K\x01") ".", SEG_ERROR_FORMAT,
              "beyond its storage");
  BAD_PICKLE ("\x80\x02" VIEW ("K\x01", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f") ".",
              SEG_ERROR_FORMAT, "beyond its storage");
  /* The storage has four elements, its view two. */
  BAD_PICKLE ("\x80\x02" REBUILD "(" VIEW ("K\x02", "K\x02") "K\0K\x03\x85K\x01\x85\x89}tR.",
              SEG_ERROR_FORMAT, "reaches element 2 of a storage of 2");
  /* A list that holds itself, and a dictionary of itself. */
  BAD_PICKLE ("\x80\x02]q\x00h\x00"
              "a.\x80\x02].",
              SEG_ERROR_FORMAT, "nested too deep");
  BAD_PICKLE ("\x80\x02}q\x00X\x01\0\0\0ah\x00s.\x80\x02].", SEG_ERROR_FORMAT, "nested too deep");
  /* No tensor at all. */
  BAD_PICKLE ("\x80\x02}.\x80\x02].", SEG_ERROR_FORMAT, "no tensor");
  /* A tensor whose storage is not there. */
  BAD_PICKLE ("\x80\x02" REBUILD "(" STORAGE "K\0K\x04\x85K\x01\x85\x89}tR.\x80\x02].",
              SEG_ERROR_FORMAT, "not in the file");
}

/* Lists of lists of one another: 2⁴⁰ visits, were they not counted. */
static void
test_hostile_doubling (void)
{
  g_autoptr (GByteArray) pickle = g_byte_array_new ();

  g_byte_array_append (pickle, (const guint8 *) "\x80\x02]q\x00.", 0);
  g_byte_array_append (pickle, (const guint8 *) "\x80\x02]q\x00", 5);
  for (guint8 i = 0; i < 22; i++)
    {
      const guint8 pair[] = { '0', 'h', i, 'h', i, 0x86, 'q', (guint8) (i + 1) };

      g_byte_array_append (pickle, pair, sizeof pair);
    }
  g_byte_array_append (pickle, (const guint8 *) ".\x80\x02].", 5);
  assert_bad_pickle ((const char *) pickle->data, pickle->len, SEG_ERROR_FORMAT, "too often");
}

/* A stride of 0 that unfolds 16 bytes to 1 TiB. */
static void
test_hostile_unfolding (void)
{
  static const char pickle[] =
      "\x80\x02" REBUILD "(" STORAGE "K\0\x8a\x05\0\0\0\0\x01K@\x86K\0K\0\x86\x89}tR."
      "\x80\x02]X\x01\0\0\0"
      "0a.\x04\0\0\0\0\0\0\0"
      "0123456789abcdef";

  assert_bad_pickle (pickle, sizeof pickle - 1, SEG_ERROR_TOO_LARGE, "unfold");
}

/* Edits of a good zip: replaces every occurrence of @from by @to, equally long. */
static void
assert_bad_zip (const char *from, const char *to, gsize length, gsize skip, gboolean once,
                const char *word)
{
  g_autoptr (GBytes) good = read_file ("plain-zip.pth");
  gsize size;
  g_autofree guint8 *data = NULL;
  gsize n = 0;

  data = g_memdup2 (g_bytes_get_data (good, &size), g_bytes_get_size (good));
  size = g_bytes_get_size (good);
  for (gsize i = 0; i + length <= size; i++)
    if (memcmp (data + i, from, length) == 0)
      {
        if (n++ < skip)
          continue;
        memcpy (data + i, to, length);
        if (once)
          break;
      }
  g_assert_cmpuint (n, >, skip);
  assert_bad (data, size, SEG_ERROR_FORMAT, word);
}

static void
test_hostile_zip (void)
{
  g_autoptr (GBytes) good = read_file ("plain-zip.pth");
  gsize size = g_bytes_get_size (good);
  g_autofree guint8 *data = g_memdup2 (g_bytes_get_data (good, NULL), size);
  gsize first = 0, second = 0;

  assert_bad_zip ("plain-zip/data/3", "../../../data/33", 16, 0, FALSE, "leads out");
  assert_bad_zip ("plain-zip/data/3", "/etc/passwdd/333", 16, 0, FALSE, "leads out");
  assert_bad_zip ("plain-zip/data/3", "plain-zip\\data\\3", 16, 0, FALSE, "leads out");
  assert_bad_zip ("plain-zip/data/3", "plain-zip/data/4", 16, 0, FALSE, "given twice");
  assert_bad_zip ("plain-zip/data/3", "plain-zip/data/x", 16, 0, FALSE, "not in the file");
  assert_bad_zip ("plain-zip/data/3", "plain-zip/data/4", 16, 0, TRUE, "named otherwise");
  assert_bad_zip ("plain-zip/data.pkl", "plain-zip/data.pkk", 18, 0, FALSE, "no data.pkl");
  /* Two directory entries that point at the same bytes, one longer than it is. */
  for (gsize i = 0; i + 4 < size; i++)
    if (memcmp (data + i, "PK\1\2", 4) == 0)
      {
        if (first == 0)
          first = i;
        else if (second == 0)
          second = i;
      }
  g_assert_cmpuint (second, >, 0);
  data[first + 21] += 1; /* both sizes of data.pkl: 256 bytes more */
  data[first + 25] += 1;
  assert_bad (data, size, SEG_ERROR_FORMAT, "overlap");
  data[first + 21] -= 1;
  assert_bad (data, size, SEG_ERROR_FORMAT, "compressed");
  data[first + 25] -= 1;
  data[first + 8] |= 1;
  assert_bad (data, size, SEG_ERROR_FORMAT, "encrypted");
  data[first + 8] &= (guint8) ~1;
  data[first + 10] = 8;
  assert_bad (data, size, SEG_ERROR_FORMAT, "compressed");
  data[first + 10] = 0;
  memset (data + first + 42, 0x7f, 4);
  assert_bad (data, size, SEG_ERROR_FORMAT, "does not begin where");
}

/* Each recorded file cut anywhere: an error, never a crash, and nothing is read past the end (the
 * bytes are an allocation of exactly that size, so ASan and valgrind see any overrun). */
static void
test_truncated (void)
{
  for (gsize f = 0; f < G_N_ELEMENTS (recorded); f++)
    {
      g_autoptr (GBytes) whole = read_file (recorded[f]);

      for (gsize size = 0; size < g_bytes_get_size (whole); size++)
        {
          g_autoptr (GBytes) part = g_bytes_new (g_bytes_get_data (whole, NULL), size);
          g_autoptr (GError) error = NULL;
          g_autoptr (SegWeights) weights = seg_weights_load_bytes (part, "cut", &error);

          g_assert_null (weights);
          g_assert_nonnull (error);
        }
    }
}

/* Each recorded file with one byte changed, in three ways at each place: loads or says why not, and
 * what it loads can be read. */
static void
test_flipped (void)
{
  static const guint8 changes[] = { 0xff, 0x01, 0x80 };

  for (gsize f = 0; f < G_N_ELEMENTS (recorded); f++)
    {
      g_autoptr (GBytes) whole = read_file (recorded[f]);
      gsize size = g_bytes_get_size (whole);

      for (gsize i = 0; i < size * G_N_ELEMENTS (changes); i++)
        {
          guint8 *data = g_memdup2 (g_bytes_get_data (whole, NULL), size);
          g_autoptr (GBytes) bytes = NULL;
          g_autoptr (GError) error = NULL;
          g_autoptr (SegWeights) weights = NULL;

          data[i / G_N_ELEMENTS (changes)] ^= changes[i % G_N_ELEMENTS (changes)];
          bytes = g_bytes_new_take (data, size);
          weights = seg_weights_load_bytes (bytes, "flipped", &error);
          g_assert_true ((weights == NULL) == (error != NULL));
          for (gsize t = 0; weights != NULL && t < seg_weights_get_n (weights); t++)
            {
              const SegWeight *tensor = seg_weights_get (weights, t);
              g_autofree float *values = g_new (float, tensor->n_elements);

              seg_weight_read_f32 (tensor, 0, tensor->n_elements, values);
            }
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (int i = 0; i < 4; i++)
    {
      g_autofree char *path = g_strconcat ("/seg/weights/plain/", recorded[i], NULL);

      g_test_add_data_func (path, recorded[i], test_plain);
    }
  g_test_add_data_func ("/seg/weights/tricky/zip", "tricky-zip.pth", test_tricky);
  g_test_add_data_func ("/seg/weights/tricky/old", "tricky-old.pth", test_tricky);
  g_test_add_data_func ("/seg/weights/checkpoint/zip", "checkpoint-zip.pth", test_checkpoint);
  g_test_add_data_func ("/seg/weights/checkpoint/old", "checkpoint-old.pth", test_checkpoint);
  g_test_add_func ("/seg/weights/refused", test_refused);
  g_test_add_func ("/seg/weights/missing", test_missing);
  g_test_add_func ("/seg/weights/halves", test_halves);
  g_test_add ("/seg/weights/round-trip", Fixture, NULL, set_up, test_round_trip, tear_down);
  g_test_add ("/seg/weights/failed-save", Fixture, NULL, set_up, test_failed_save_keeps_old,
              tear_down);
  g_test_add ("/seg/weights/shards", Fixture, NULL, set_up, test_shards, tear_down);
  g_test_add_func ("/seg/weights/check", test_check);
  g_test_add_func ("/seg/weights/hostile/safetensors", test_hostile_safetensors);
  g_test_add_func ("/seg/weights/hostile/pickle", test_hostile_pickle);
  g_test_add_func ("/seg/weights/hostile/doubling", test_hostile_doubling);
  g_test_add_func ("/seg/weights/hostile/unfolding", test_hostile_unfolding);
  g_test_add_func ("/seg/weights/hostile/zip", test_hostile_zip);
  g_test_add_func ("/seg/weights/truncated", test_truncated);
  g_test_add_func ("/seg/weights/flipped", test_flipped);
  return g_test_run ();
}
