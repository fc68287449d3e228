/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/model/vnet.h"
#include "seg/nn/state.h"
#include "seg/tensor/context.h"
#include "seg/tensor/tape.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  SegContext *context;
  SegVnet *net;
  SegOptimiser *optimiser;
} Trainer;

static SegDevice *device;

static void
trainer_init (Trainer *self, SegOptimiserKind kind, guint64 seed)
{
  self->context = seg_context_new (device, seed);
  self->net = seg_vnet_new (self->context, &(SegVnetParams){ .filters = 2, .levels = 2 });
  self->optimiser = seg_optimiser_new (
      seg_vnet_get_module (self->net),
      &(SegOptimiserParams){ .kind = kind, .lr = 0.05, .momentum = 0.9, .weight_decay = 1e-4 });
}

static void
trainer_clear (Trainer *self)
{
  seg_optimiser_free (self->optimiser);
  seg_vnet_free (self->net);
  seg_context_unref (self->context);
}

static void
train_step (Trainer *self, int step)
{
  const gint64 shape[5] = { 1, 1, 4, 4, 4 };
  float values[64];
  g_autoptr (SegTape) tape = NULL;
  g_autoptr (SegTensor) x = NULL;
  g_autoptr (SegTensor) logits = NULL;
  g_autoptr (SegTensor) loss = NULL;

  for (int i = 0; i < 64; i++)
    values[i] = (float) ((i * 7 + step * 13) % 11) - 5;
  x = seg_tensor_new_from_f32 (self->context, 5, shape, values);
  tape = seg_tape_begin (self->context);
  logits = seg_vnet_forward (self->net, x, NULL);
  {
    g_autoptr (SegTensor) squares = seg_square (logits);

    loss = seg_mean (squares, SEG_ALL_AXES);
  }
  g_assert_true (seg_tape_backward (tape, loss));
  g_assert_true (seg_optimiser_step (self->optimiser));
}

static void
dump_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  GByteArray *bytes = user_data;
  gsize n = (gsize) seg_tensor_get_n_elements (tensor);
  g_autofree float *values = g_new (float, n);

  g_assert_true (seg_tensor_download (tensor, SEG_DTYPE_F32, values));
  g_byte_array_append (bytes, (const guint8 *) values, (guint) (n * sizeof (float)));
}

static GByteArray *
dump (Trainer *self)
{
  GByteArray *bytes = g_byte_array_new ();

  seg_module_foreach (seg_vnet_get_module (self->net), dump_cb, bytes);
  seg_optimiser_foreach (self->optimiser, dump_cb, bytes);
  return bytes;
}

static void
remove_folder (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_unlink (path);
    }
  g_dir_close (dir);
  g_rmdir (folder);
}

/* Two steps, saved, read into a fresh net of another seed, two more: as four in a row (I7). */
static void
test_resume (gconstpointer data)
{
  SegOptimiserKind kind = (SegOptimiserKind) GPOINTER_TO_INT (data);
  g_autofree char *folder = g_dir_make_tmp ("crosslabel-state-XXXXXX", NULL);
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_new ();
  g_autoptr (SegCheckpoint) loaded = NULL;
  g_autoptr (GByteArray) straight = NULL;
  g_autoptr (GByteArray) resumed = NULL;
  g_autoptr (GError) error = NULL;
  Trainer a, b;

  trainer_init (&a, kind, 1);
  trainer_init (&b, kind, 2);
  for (int step = 0; step < 2; step++)
    train_step (&a, step);
  g_assert_true (
      seg_module_save_state (seg_vnet_get_module (a.net), checkpoint, "student", &error));
  g_assert_true (seg_optimiser_save_state (a.optimiser, checkpoint, "optimiser", &error));
  g_assert_true (seg_checkpoint_save (checkpoint, folder, "c", &error));
  g_assert_no_error (error);

  loaded = seg_checkpoint_load (folder, "c", &error);
  g_assert_no_error (error);
  g_assert_true (seg_module_load_state (seg_vnet_get_module (b.net), loaded, "student", &error));
  g_assert_true (seg_optimiser_load_state (b.optimiser, loaded, "optimiser", &error));
  g_assert_no_error (error);
  for (int step = 2; step < 4; step++)
    {
      train_step (&a, step);
      train_step (&b, step);
    }
  g_assert_cmpint (seg_optimiser_get_n_steps (b.optimiser), ==, 4);
  straight = dump (&a);
  resumed = dump (&b);
  g_assert_cmpuint (straight->len, >, 1000);
  g_assert_cmpmem (straight->data, straight->len, resumed->data, resumed->len);
  remove_folder (folder);
  trainer_clear (&a);
  trainer_clear (&b);
}

/* Out as f16, back in: the parameters rounded; into another network: one message with all of it,
 * and nothing changed. */
static void
test_export (void)
{
  g_autofree char *folder = g_dir_make_tmp ("crosslabel-state-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "net.safetensors", NULL);
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();
  g_autoptr (SegWeights) weights = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GByteArray) before = NULL;
  g_autoptr (GByteArray) after = NULL;
  Trainer a, b, other;

  trainer_init (&a, SEG_OPTIMISER_SGD, 1);
  trainer_init (&b, SEG_OPTIMISER_SGD, 2);
  train_step (&a, 0);
  g_assert_true (
      seg_module_export_weights (seg_vnet_get_module (a.net), writer, SEG_WEIGHT_F16, &error));
  g_assert_true (seg_weights_writer_save (writer, path, &error));
  weights = seg_weights_load (path, &error);
  g_assert_no_error (error);
  g_assert_true (seg_module_load_weights (seg_vnet_get_module (b.net), weights, 0, &error));
  g_assert_no_error (error);
  before = dump (&a);
  after = dump (&b);
  for (gsize i = 0; i < seg_weights_get_n (weights); i++)
    {
      const SegWeight *weight = seg_weights_get (weights, i);
      SegTensor *tensor = seg_module_lookup (seg_vnet_get_module (b.net), weight->name);
      g_autofree float *has = g_new (float, weight->n_elements);
      g_autofree float *wants = g_new (float, weight->n_elements);

      seg_tensor_download (tensor, SEG_DTYPE_F32, has);
      seg_weight_read_f32 (weight, 0, weight->n_elements, wants);
      g_assert_cmpmem (has, weight->n_elements * 4, wants, weight->n_elements * 4);
    }

  other.context = seg_context_new (device, 3);
  other.net = seg_vnet_new (other.context, &(SegVnetParams){ .filters = 4, .levels = 3 });
  other.optimiser = NULL;
  {
    g_autoptr (GByteArray) untouched = g_byte_array_new ();
    g_autoptr (GByteArray) still = g_byte_array_new ();

    seg_module_foreach (seg_vnet_get_module (other.net), dump_cb, untouched);
    g_assert_false (seg_module_load_weights (seg_vnet_get_module (other.net), weights, 0, &error));
    g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
    g_assert_nonnull (strstr (error->message, "missing: "));
    g_assert_nonnull (strstr (error->message, "of another shape: "));
    seg_module_foreach (seg_vnet_get_module (other.net), dump_cb, still);
    g_assert_cmpmem (untouched->data, untouched->len, still->data, still->len);
  }
  trainer_clear (&other);
  trainer_clear (&a);
  trainer_clear (&b);
  remove_folder (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  device = seg_device_open ("ref", 0, NULL);
  g_test_add_data_func ("/seg/state/resume/sgd", GINT_TO_POINTER (SEG_OPTIMISER_SGD), test_resume);
  g_test_add_data_func ("/seg/state/resume/adamw", GINT_TO_POINTER (SEG_OPTIMISER_ADAMW),
                        test_resume);
  g_test_add_func ("/seg/state/export", test_export);
  return g_test_run ();
}
