/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/volume/fuzz.h"
#include "volume/label-map.h"

#include <string.h>
#include <zlib.h>

/* A journal blob. Its length and checksum are put right first, or nothing would get past them. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  const int grid[3] = { 70, 40, 35 };
  g_autofree guint8 *copy = g_memdup2 (data, size);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeEdit) edit = NULL;

  if (size >= 16)
    {
      guint32 word = GUINT32_TO_LE ((guint32) size);

      memcpy (copy + 4, &word, 4);
      word = GUINT32_TO_LE ((guint32) crc32_z (0, copy, size - 4));
      memcpy (copy + size - 4, &word, 4);
    }
  bytes = g_bytes_new (copy, size);
  edit = volume_edit_deserialize (bytes, grid, &error);
  g_assert ((edit == NULL) == (error != NULL));
  if (edit != NULL)
    {
      g_autoptr (VolumeLabelMap) map = volume_label_map_new (grid, NULL);
      g_autoptr (GBytes) again = volume_edit_serialize (edit, NULL);
      g_autoptr (VolumeEdit) read = volume_edit_deserialize (again, grid, NULL);
      gsize n, n_read;
      const VolumeEditRun *runs = volume_edit_get_runs (edit, &n);
      const VolumeEditRun *runs_read;

      g_assert (read != NULL);
      runs_read = volume_edit_get_runs (read, &n_read);
      g_assert (n == n_read && (n == 0 || memcmp (runs, runs_read, n * sizeof *runs) == 0));
      if (volume_label_map_apply_edit (map, edit, NULL))
        {
          g_assert (volume_label_map_revert_edit (map, edit, NULL));
          g_assert (volume_label_map_get_counts (map)[0] == 70 * 40 * 35);
        }
    }
  return 0;
}
