/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/method/method.h"
#include "seg/tensor/context.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define S 16
#define V (S * S * S)
#define N 4
#define N_STEPS 3

typedef struct
{
  SegContext *context;
  SegMethod *method;
  SegBatch batch;
  SegPatch patches[N];
  int n_ops, tear_at; /* operations seen; the one at which to cancel, 0 for none */
} Fixture;

static gboolean
yield_cb (SegContext *context, gpointer data)
{
  Fixture *f = data;

  return ++f->n_ops != f->tear_at;
}

static void
set_up (Fixture *f, const char *name)
{
  g_autoptr (GError) error = NULL;
  SegDevice *device = seg_device_open ("ref", 1, &error);
  SegMethodParams params;

  g_assert_no_error (error);
  memset (f, 0, sizeof *f);
  seg_method_params_init (&params, name, FALSE);
  params.n_classes = 2;
  params.filters = 2;
  params.adamw = TRUE; /* its own count of steps must not move either */
  params.n_steps = N_STEPS;
  params.seed = 3;
  params.patch[0] = params.patch[1] = params.patch[2] = S;
  f->context = seg_context_new (device, 1);
  seg_device_unref (device);
  f->method = seg_method_new (name, &params, f->context, &error);
  g_assert_no_error (error);
  seg_context_set_yield (f->context, yield_cb, f);
  f->batch = (SegBatch){ .n = N,
                         .n_labelled = 2,
                         .patch = { S, S, S },
                         .patches = f->patches,
                         .image = g_new (float, N *V) };
  f->batch.label = g_malloc0 (N * V);
  f->batch.domain = g_malloc0 (N * V);
  f->batch.pseudo = g_malloc0 (N * V);
  for (int v = 0; v < N * V; v++)
    {
      f->batch.image[v] = sinf ((float) v * 0.11f);
      f->batch.label[v] = f->batch.pseudo[v] = v % 5 < 2;
      f->batch.domain[v] = v % V < S * S;
    }
  for (int i = 0; i < N; i++)
    f->patches[i].has_pseudo = TRUE;
}

static void
tear_down (Fixture *f)
{
  seg_method_free (f->method);
  seg_context_unref (f->context);
  g_free (f->batch.image);
  g_free (f->batch.label);
  g_free (f->batch.domain);
  g_free (f->batch.pseudo);
}

/* Everything that a checkpoint holds: networks, statistics, optimiser, step. */
static char *
state_hash (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("crosslabel-torn-XXXXXX", &error);
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_new ();
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  G_GNUC_UNUSED g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = NULL;
  const char *name;

  g_assert_no_error (error);
  f->tear_at = 0;
  seg_method_save (f->method, checkpoint, &error);
  g_assert_no_error (error);
  seg_checkpoint_save (checkpoint, folder, "state", &error);
  g_assert_no_error (error);
  dir = g_dir_open (folder, 0, &error);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autofree char *bytes = NULL;
      gsize size;

      g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
      if (g_str_has_suffix (name, ".safetensors"))
        g_checksum_update (sum, (const guchar *) bytes, (gssize) size);
      g_unlink (path);
    }
  g_rmdir (folder);
  return g_strdup (g_checksum_get_string (sum));
}

static gboolean
step (Fixture *f, int tear_at)
{
  g_autoptr (GError) error = NULL;
  SegMethodReport report;
  gboolean ok;

  f->n_ops = 0;
  f->tear_at = tear_at;
  f->batch.step = (guint64) seg_method_get_step (f->method);
  ok = seg_method_step (f->method, &f->batch, &report, &error);
  if (!ok)
    g_assert_error (error, SEG_ERROR, SEG_ERROR_CANCELLED);
  return ok;
}

/* A step torn off at any operation leaves the method as it was, and done again it gives what an
 * undisturbed one gives (I7). */
static void
test_torn (gconstpointer data)
{
  Fixture whole, torn;

  set_up (&whole, data);
  set_up (&torn, data);
  g_assert_true (step (&whole, 0));
  g_assert_true (step (&torn, 0));
  for (int n = 1; n < N_STEPS; n++)
    {
      g_autofree char *before = state_hash (&torn);
      g_autofree char *after = NULL, *expected = NULL;
      int n_ops;

      g_assert_true (step (&whole, 0));
      n_ops = whole.n_ops;
      g_assert_cmpint (n_ops, >, 40);
      /* Early, in the forward pass, in the backward pass, and close to the end. */
      for (int part = 0; part < 4; part++)
        {
          g_autofree char *left = NULL;

          g_assert_false (step (&torn, 1 + part * (n_ops - n) / 3));
          left = state_hash (&torn);
          g_assert_cmpstr (left, ==, before);
        }
      g_assert_true (step (&torn, 0));
      after = state_hash (&torn);
      expected = state_hash (&whole);
      g_assert_cmpstr (after, ==, expected);
      g_assert_cmpstr (after, !=, before);
    }
  tear_down (&whole);
  tear_down (&torn);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/seg/method/torn-step/sup-only", "sup-only", test_torn);
  g_test_add_data_func ("/seg/method/torn-step/gm-abs", "gm-abs", test_torn);
  return g_test_run ();
}
