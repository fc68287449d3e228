/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/volume-types.h"

G_BEGIN_DECLS

typedef enum
{
  VOLUME_CONNECT_FACES, /* 4 neighbours in 2-D, 6 in 3-D */
  VOLUME_CONNECT_CORNERS, /* 8 in 2-D, 26 in 3-D */
} VolumeConnectivity;

/**
 * volume_components_label:
 * @mask: size[0]·size[1]·size[2] bytes, i fastest; non-zero is inside. A size of 1 makes it 2-D.
 * @components: (out caller-allocates): for each voxel 0 outside, else its component 1…n, numbered
 * in the order of their first voxel
 * @counts: (out) (optional) (transfer full) (array length=n_components): voxels of component c at
 * c − 1; g_free() it
 *
 * Returns: FALSE with VOLUME_ERROR_TOO_LARGE without memory for it; so does the other one
 */
gboolean volume_components_label (const guint8 *mask, const int size[3],
                                  VolumeConnectivity connectivity, guint32 *components,
                                  gsize **counts, guint32 *n_components, GError **error);

/**
 * volume_components_fill_holes:
 * @mask: as above; voxels outside that no path of outside voxels (faces) joins to the border of the
 *   grid are set to 2. An axis of size 1 has no border.
 * @n_filled: (out) (optional): voxels set
 */
gboolean volume_components_fill_holes (guint8 *mask, const int size[3], gsize *n_filled,
                                       GError **error);

G_END_DECLS
