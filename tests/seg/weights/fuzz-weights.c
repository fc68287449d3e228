/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

/* Fuzz target of the weight file readers: safetensors, PyTorch zip and old format, by content. With
 * -Dfuzz=true it is a libFuzzer program; without, a plain one that runs over the files given. */

#include "seg/weights/weights.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (SegWeights) weights = seg_weights_load_bytes (bytes, "fuzz", &error);
  volatile float sum = 0;

  g_assert ((weights == NULL) == (error != NULL));
  for (gsize t = 0; weights != NULL && t < seg_weights_get_n (weights); t++)
    {
      const SegWeight *tensor = seg_weights_get (weights, t);
      float value;

      g_assert (seg_weights_find (weights, tensor->name) == tensor);
      for (gsize i = 0; i < tensor->n_elements; i++)
        {
          seg_weight_read_f32 (tensor, i, 1, &value);
          sum = sum + value;
        }
    }
  return 0;
}

#ifndef CROSSLABEL_FUZZ
int
main (int argc, char **argv)
{
  g_print ("1..%d\n", argc - 1);
  for (int i = 1; i < argc; i++)
    {
      g_autofree char *contents = NULL;
      gsize size;

      if (!g_file_get_contents (argv[i], &contents, &size, NULL))
        g_print ("not ok %d - %s\n", i, argv[i]);
      else
        {
          LLVMFuzzerTestOneInput ((const uint8_t *) contents, size);
          g_print ("ok %d - %s\n", i, argv[i]);
        }
    }
  return 0;
}
#endif
