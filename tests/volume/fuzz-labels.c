/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/volume/fuzz.h"
#include "volume/label-set.h"

#include <string.h>

/* ITK-SNAP and 3D Slicer label files. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  int fd;
  char *path = fuzz_file_open (data, size, &fd);
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeLabelSet) set = volume_label_set_load (path, &error);

  g_assert ((set == NULL) == (error != NULL));
  for (gsize l = 0; set != NULL && l < volume_label_set_get_n (set); l++)
    {
      const VolumeLabel *label = volume_label_set_get (set, l);

      g_assert (label->id > 0 && g_utf8_validate (label->name, -1, NULL));
      g_assert (strpbrk (label->name, "\n\r") == NULL);
    }
  fuzz_file_close (path, fd);
  return 0;
}
