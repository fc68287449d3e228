/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/scan-private.h"

gboolean
volume_decoded_load (const char *path, int fd, gboolean labels, VolumeScanParts *parts,
                     GError **error)
{
  g_autofree char *name = g_path_get_basename (path);

  g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_UNSUPPORTED,
               "%s: HDF5 files and pictures are not read yet", name);
  return FALSE;
}
