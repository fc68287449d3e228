/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/weights/weights.h"

#include <string.h>

/* Files of torch.save with one thing wrong with them, by make-attacks.py: what is said of each. */

#define DATA SOURCE_ROOT "/tests/seg/weights/data/"

static const struct
{
  const char *name;
  int code; /* a SegError */
  const char *words[2];
} refused[] = {
  { "calls", SEG_ERROR_UNSUPPORTED, { "posix.system", "refused" } },
  { "old-calls", SEG_ERROR_UNSUPPORTED, { "posix.system", "refused" } },
  { "builds", SEG_ERROR_UNSUPPORTED, { "__main__.Builds", "refused" } },
  { "module", SEG_ERROR_UNSUPPORTED, { "torch.nn.modules.linear.Linear", "state_dict" } },
  { "sparse", SEG_ERROR_UNSUPPORTED, { "_rebuild_sparse_tensor", "refused" } },
  { "complex", SEG_ERROR_UNSUPPORTED, { "torch.ComplexFloatStorage", "refused" } },
  { "zip-in-zip", SEG_ERROR_UNSUPPORTED, { "opcode 0x50 at byte 0", "only data" } },
  { "zip-beside", SEG_ERROR_FORMAT, { "data.pkl", "one level deeper" } },
  { "bomb", SEG_ERROR_FORMAT, { "is compressed", "torch.save" } },
  { "script", SEG_ERROR_FORMAT, { "is compressed", "TorchScript" } },
  { "lying-storage", SEG_ERROR_FORMAT, { "weight: a storage of 2147483647 × 4", "16 bytes" } },
  { "lying-directory", SEG_ERROR_FORMAT, { "1073741824 bytes claimed", "the file has" } },
  { "old-lying", SEG_ERROR_FORMAT, { "4611686018427387904 elements claimed", "16 bytes" } },
  { "huge-shape", SEG_ERROR_FORMAT, { "reaches element", "of a storage of 8" } },
  { "unfolding", SEG_ERROR_TOO_LARGE, { "weight", "unfold to more than" } },
  { "negative-stride", SEG_ERROR_FORMAT, { "whole numbers", "at byte" } },
  { "big-endian", SEG_ERROR_UNSUPPORTED, { "big-endian", "machine" } },
};

static SegWeights *
load (const char *name, GError **error)
{
  g_autofree char *path = g_strconcat (DATA "attack-", name, ".pth", NULL);

  return seg_weights_load (path, error);
}

static void
test_refused (void)
{
  for (gsize r = 0; r < G_N_ELEMENTS (refused); r++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (SegWeights) weights = load (refused[r].name, &error);

      g_assert_null (weights);
      g_assert_error (error, SEG_ERROR, refused[r].code);
      g_assert_nonnull (strstr (error->message, "attack-"));
      for (int w = 0; w < 2; w++)
        if (strstr (error->message, refused[r].words[w]) == NULL)
          g_error ("%s: “%s” does not say “%s”", refused[r].name, error->message,
                   refused[r].words[w]);
    }
}

static void
assert_values (SegWeights *weights, const char *name, int first)
{
  const SegWeight *tensor = seg_weights_find (weights, name);
  float values[4];

  g_assert_nonnull (tensor);
  g_assert_cmpuint (tensor->n_elements, ==, 4);
  seg_weight_read_f32 (tensor, 0, 4, values);
  for (int i = 0; i < 4; i++)
    g_assert_cmpfloat (values[i], ==, first + i);
}

/* What looks like one and is none: views that overlap, a storage that lay on a GPU. */
static void
test_harmless (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegWeights) shared = load ("shared", &error);
  g_autoptr (SegWeights) on_gpu = NULL;

  g_assert_no_error (error);
  assert_values (shared, "head", 0);
  assert_values (shared, "tail", 2);
  on_gpu = load ("on-gpu", &error);
  g_assert_no_error (error);
  assert_values (on_gpu, "weight", 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/weights/attacks/refused", test_refused);
  g_test_add_func ("/seg/weights/attacks/harmless", test_harmless);
  return g_test_run ();
}
