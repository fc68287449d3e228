/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/label-map.h"
#include "volume/scan.h"

G_BEGIN_DECLS

/**
 * VolumeNiftiParams:
 * @geometry: the grid; may be NULL where @like is given
 * @like: (nullable): a scan on the same grid. Where it was read from NIfTI its version of the
 *   format and its spatial header fields (pixdim, qform and sform with their codes, quaternion,
 *   offsets, units) go out bit for bit (I5)
 * @data: n_voxels values of @dtype, i fastest
 * @slope, @inter: stored → value; slope 0 means 1
 */
typedef struct
{
  const VolumeGeometry *geometry;
  VolumeScan *like;
  VolumeDtype dtype;
  gconstpointer data;
  double slope, inter;
} VolumeNiftiParams;

/**
 * volume_nifti_write:
 * @path: ends with .nii or .nii.gz
 *
 * One 3-D volume (2-D where @like was) as a single NIfTI file, in this machine's byte order, with
 * free-text fields empty (I10). The file appears whole or not at all. Two writes of the same data
 * give the same bytes. Blocking.
 */
gboolean volume_nifti_write (const char *path, const VolumeNiftiParams *params, GError **error);

/* Labels as uint8, or uint16 where one is above 255. @like: the scan they belong to. */
gboolean volume_nifti_write_labels (const char *path, VolumeScan *like, const guint16 *labels,
                                    GError **error);
gboolean volume_nifti_write_snapshot (const char *path, VolumeScan *like,
                                      const VolumeLabelSnapshot *snapshot, GError **error);

G_END_DECLS
