/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/volume-types.h"

G_BEGIN_DECLS

/**
 * volume_distance_squared:
 * @mask: size[0]·size[1]·size[2] bytes, i fastest
 * @spacing: length of a voxel along each axis, in the unit wanted
 * @out: (out caller-allocates): for each voxel the squared distance from its centre to the nearest
 *   centre of a non-zero voxel; G_MAXFLOAT where there is none
 *
 * Exact Euclidean distance transform, one lower envelope of parabolas per line and axis
 * (Felzenszwalb and Huttenlocher 2012). FALSE with VOLUME_ERROR_TOO_LARGE without memory for it.
 * Any thread.
 */
gboolean volume_distance_squared (const guint8 *mask, const int size[3], const double spacing[3],
                                  float *out, GError **error);

G_END_DECLS
