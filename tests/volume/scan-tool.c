/* SPDX-License-Identifier: Apache-2.0 */

/* For tests/volume/nifti-files.py: reads scans by the hundred and shows what the program made of
 * them. Lines on standard input:
 *
 *   dump PATH VOLUME      a line "ok SIZE… AFFINE… FROM ORIENTATION DTYPE" and float32 values
 *   rewrite PATH OUT      writes the scan's values as a file of labels beside it; a line "ok"
 *
 * or a line "error MESSAGE". */

#include "volume/nifti-write.h"

#include <stdio.h>
#include <string.h>

static void
dump (VolumeScan *scan)
{
  const VolumeGeometry *g = volume_scan_get_geometry (scan);
  const VolumeBox box = { .hi = { g->size[0], g->size[1], g->size[2] } };
  gsize n = volume_scan_get_n_voxels (scan);
  g_autofree float *values = g_new (float, n);

  volume_scan_read_box (scan, &box, values);
  printf ("ok %d %d %d", g->size[0], g->size[1], g->size[2]);
  for (int r = 0; r < 4; r++)
    for (int c = 0; c < 4; c++)
      printf (" %.17g", g->affine[r][c]);
  printf (" %d %s %s\n", g->affine_from, g->orientation,
          volume_dtype_get_name (volume_scan_get_dtype (scan)));
  fwrite (values, sizeof *values, n, stdout);
}

static gboolean
rewrite (VolumeScan *scan, const char *out, GError **error)
{
  g_autofree guint16 *labels = g_new (guint16, volume_scan_get_n_voxels (scan));

  return volume_scan_read_labels (scan, labels, error)
         && volume_nifti_write_labels (out, scan, labels, error);
}

int
main (void)
{
  char line[8192];

  while (fgets (line, sizeof line, stdin) != NULL)
    {
      g_auto (GStrv) words = g_strsplit (g_strchomp (line), " ", 3);
      g_autoptr (GError) error = NULL;
      g_autoptr (VolumeScan) scan = NULL;
      gboolean good = g_strv_length (words) == 3;

      if (good)
        {
          gboolean is_dump = strcmp (words[0], "dump") == 0;

          scan = volume_scan_load (words[1], is_dump ? atoi (words[2]) : 0, &error);
          good = scan != NULL;
          if (good && is_dump)
            dump (scan);
          else if (good)
            {
              good = rewrite (scan, words[2], &error);
              if (good)
                printf ("ok\n");
            }
        }
      if (!good)
        printf ("error %s\n", error != NULL ? error->message : "usage");
      fflush (stdout);
    }
  return 0;
}
