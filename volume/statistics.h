/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/label-map.h"
#include "volume/scan.h"

G_BEGIN_DECLS

/* One label of a scan in numbers; those of values over finite ones, NaN without any. */
typedef struct
{
  guint16 label;
  gsize n_voxels;
  double volume_ml; /* voxels × the volume of one, also on oblique and sheared grids */
  double mean, sd; /* population */
  double min, max;
  VolumeBox box; /* smallest that holds the label */
  double centre_ijk[3];
} VolumeStatistics;

/**
 * volume_statistics_compute:
 *
 * Returns: (element-type VolumeStatistics): for each label above 0 that has voxels, by label; NULL
 * with VOLUME_ERROR_TOO_LARGE without memory for it. Any thread.
 */
GArray *volume_statistics_compute (VolumeScan *scan, const VolumeLabelSnapshot *labels,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
