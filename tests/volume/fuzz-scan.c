/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/volume/fuzz.h"
#include "volume/scan.h"

/* A scan of any format, by content: everything that a scan can be asked. HDF5 and pictures go
 * through their own process, as always. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  int fd;
  char *path = fuzz_file_open (data, size, &fd);
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeScan) scan = volume_scan_load (path, 0, &error);

  g_assert ((scan == NULL) == (error != NULL));
  g_assert (error == NULL || (error->domain == VOLUME_ERROR && error->message[0] != '\0'));
  if (scan != NULL)
    {
      const VolumeGeometry *g = volume_scan_get_geometry (scan);
      const VolumeBox box = { .hi = { g->size[0], g->size[1], g->size[2] } };
      gsize n = volume_scan_get_n_voxels (scan);
      g_autofree float *values = g_new (float, n);
      g_autofree guint16 *labels = g_new (guint16, n);
      double centre, width;

      volume_scan_read_box (scan, &box, values);
      volume_scan_get_default_window (scan, &centre, &width);
      g_assert (width > 0.0);
      (void) volume_scan_read_labels (scan, labels, NULL);
      for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
        volume_scan_read_slice (scan, plane, 0, values);
    }
  fuzz_file_close (path, fd);
  return 0;
}
