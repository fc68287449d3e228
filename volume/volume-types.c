/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/volume-types.h"

#include <string.h>

G_DEFINE_QUARK (volume - error - quark, volume_error)

static const char *const plane_names[VOLUME_N_PLANES] = { "axial", "coronal", "sagittal" };

const char *
volume_plane_get_name (VolumePlane plane)
{
  g_return_val_if_fail ((unsigned) plane < VOLUME_N_PLANES, NULL);
  return plane_names[plane];
}

gboolean
volume_plane_from_name (const char *name, VolumePlane *plane)
{
  g_return_val_if_fail (name != NULL, FALSE);

  for (int p = 0; p < VOLUME_N_PLANES; p++)
    {
      gboolean is_initial = name[0] == plane_names[p][0] && name[1] == '\0';

      if (is_initial || strcmp (name, plane_names[p]) == 0)
        {
          *plane = p;
          return TRUE;
        }
    }
  return FALSE;
}
