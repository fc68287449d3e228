/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of generalists: told by their tensors, taken in or refused, never half. */
#include "app/generalists.h"

#include "seg/generalist/sam-network.h"
#include "seg/tensor/context.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static void
zero_entry_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  SegWeightsWriter *writer = user_data;
  static float zeros[8 << 20];

  g_assert_cmpint (seg_tensor_get_n_elements (tensor), <=, G_N_ELEMENTS (zeros));
  seg_weights_writer_add_f32 (writer, name, SEG_WEIGHT_F16, seg_tensor_get_rank (tensor),
                              seg_tensor_get_shape (tensor), zeros);
}

static void
write_sam (SegSamEncoder encoder, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open ("ref", 0, &error);
  g_autoptr (SegContext) context = seg_context_new (device, 1);
  g_autoptr (SegSamNetwork) network = seg_sam_network_new (context, encoder);
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();

  seg_module_foreach (seg_sam_network_get_module (network), zero_entry_cb, writer);
  g_assert_true (seg_weights_writer_save (writer, path, &error));
  g_assert_no_error (error);
}

static void
remove_all (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      if (g_unlink (path) != 0)
        remove_all (path);
    }
  g_rmdir (folder);
}

static void
refuse (const char *models, const char *path, const char *word)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *added = app_generalists_add (models, path, &error);

  g_assert_null (added);
  g_assert_nonnull (error);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, word));
}

static void
test_registry (void)
{
  g_autofree char *folder = g_dir_make_tmp ("crosslabel-models-XXXXXX", NULL);
  g_autofree char *models = g_build_filename (folder, "models", NULL);
  g_autofree char *sam = g_build_filename (folder, "renamed.safetensors", NULL);
  g_autofree char *text = g_build_filename (folder, "notes.pth", NULL);
  g_autofree char *half = g_build_filename (folder, "half.safetensors", NULL);
  g_autofree char *taken = g_build_filename (models, "half.safetensors", NULL);
  g_autofree char *added = NULL;
  g_autofree char *again = NULL;
  g_autofree char *bytes = NULL;
  g_autoptr (GPtrArray) list = app_generalists_list (models);
  g_autoptr (GError) error = NULL;
  const AppGeneralist *one;
  gsize size;

  /* No folder yet is an empty list. */
  g_assert_cmpuint (list->len, ==, 0);
  write_sam (SEG_SAM_TINY_VIT, sam);
  added = app_generalists_add (models, sam, &error);
  g_assert_no_error (error);
  again = app_generalists_add (models, sam, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (added, ==, again);

  /* What is no generalist is refused, whatever its name, and nothing is left of it. */
  g_assert_true (g_file_set_contents (text, "buy milk", -1, NULL));
  refuse (models, text, "notes.pth");
  g_assert_true (g_file_get_contents (sam, &bytes, &size, NULL));
  g_assert_true (g_file_set_contents (half, bytes, (gssize) (size / 2), NULL));
  refuse (models, half, "half.safetensors");
  refuse (models, "/no/such/file.pth", "file.pth");
  /* The same name with other content does not replace what is there. */
  g_assert_true (g_file_set_contents (taken, "mine", -1, NULL));
  g_assert_true (g_file_set_contents (half, bytes, (gssize) size, NULL));
  refuse (models, half, "half.safetensors");

  g_clear_pointer (&list, g_ptr_array_unref);
  list = app_generalists_list (models);
  g_assert_cmpuint (list->len, ==, 2);
  one = g_ptr_array_index (list, 0);
  g_assert_nonnull (one->problem); /* "mine" */
  one = g_ptr_array_index (list, 1);
  g_assert_null (one->problem);
  g_assert_cmpint (one->kind, ==, SEG_GENERALIST_MOBILE_SAM);
  g_assert_cmpstr (one->name, ==, "MobileSAM");
  g_assert_cmpuint (one->size_bytes, ==, size);
  g_assert_cmpuint (strlen (one->sha256), ==, 64);
  g_assert_false (one->official);
  g_assert_cmpfloat (one->gflop, >, 70);
  g_assert_null (one->licence); /* nobody knows whose it is */

  /* Only what lies in the folder can be removed. */
  g_assert_false (app_generalists_remove (models, sam, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
  g_clear_error (&error);
  g_assert_true (g_file_test (sam, G_FILE_TEST_EXISTS));
  g_assert_true (app_generalists_remove (models, added, &error));
  g_assert_no_error (error);
  g_assert_false (g_file_test (added, G_FILE_TEST_EXISTS));
  g_assert_false (app_generalists_remove (models, added, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_IO);
  remove_all (folder);
}

static void
test_sources (void)
{
  guint n = 0;

  for (const AppGeneralistSource *s = app_generalists_get_sources (); s->name != NULL; s++, n++)
    {
      g_assert_true (g_str_has_prefix (s->address, "https://"));
      g_assert_nonnull (s->licence);
      if (s->sha256 == NULL)
        continue;
      g_assert_cmpuint (strspn (s->sha256, "0123456789abcdef"), ==, 64);
      g_assert_true (g_str_has_suffix (s->address, s->file));
      g_assert_cmpuint (s->size_bytes, >, 1000000);
    }
  g_assert_cmpuint (n, >=, 5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/app/generalists/registry", test_registry);
  g_test_add_func ("/app/generalists/sources", test_sources);
  return g_test_run ();
}
