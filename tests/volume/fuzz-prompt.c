/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/volume/fuzz.h"
#include "volume/prompt.h"

/* The journal's prompts. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumePrompt) prompt = volume_prompt_from_json (text, &error);

  g_assert ((prompt == NULL) == (error != NULL));
  if (prompt != NULL)
    {
      g_autofree char *json = volume_prompt_to_json (prompt);
      g_autoptr (VolumePrompt) again = volume_prompt_from_json (json, NULL);

      g_assert (again != NULL && again->points->len == prompt->points->len);
    }
  return 0;
}
