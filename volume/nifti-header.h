/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/scan-private.h"

G_BEGIN_DECLS

/**
 * VolumeNiftiHeader:
 *
 * What a NIfTI-1 (348 bytes), NIfTI-2 (540 bytes) or ANALYZE 7.5 header says, in numbers of this
 * machine and checked to make sense: dims are at least 1 and fit an int, the data type is one we
 * read, the offset lies behind the header. Format: nifti1.h and nifti2.h of the NIfTI library.
 *
 * @version: 1, 2, or 0 for ANALYZE 7.5, which has no place in the world
 * @single_file: header and voxels in one file, else a .hdr/.img pair
 * @dim: voxels along each of seven axes (dim[0] is axis i), 1 where the file has no such axis
 * @vox_offset: of the first voxel in the (uncompressed) file
 */
typedef struct
{
  int version;
  gboolean swapped;
  gboolean single_file;
  gsize header_size;
  int n_dims;
  guint64 dim[7];
  int datatype;
  VolumeDtype dtype;
  int n_samples; /* 1; 3 or 4 for RGB and RGBA bytes */
  guint64 vox_offset;
  double pixdim[8];
  double slope, inter;
  int qform_code, sform_code;
  double quatern[3], qoffset[3];
  double srow[3][4];
  int xyzt_units;
} VolumeNiftiHeader;

/* Enough bytes to parse any header. */
#define VOLUME_NIFTI_HEADER_MAX 544

/* FALSE: VOLUME_ERROR_FORMAT or _UNSUPPORTED. @parts gets remarks about what was repaired. */
gboolean volume_nifti_header_parse (VolumeNiftiHeader *self, const guint8 *bytes, gsize n_bytes,
                                    VolumeScanParts *parts, GError **error);

/* sform, else qform, else pixdim, as nibabel chooses, into @parts->geometry. */
gboolean volume_nifti_header_get_geometry (const VolumeNiftiHeader *self, VolumeScanParts *parts,
                                           GError **error);

/* Voxels of one 3-D volume, and how many volumes; both known to fit. */
guint64 volume_nifti_header_get_n_voxels (const VolumeNiftiHeader *self);
guint64 volume_nifti_header_get_n_volumes (const VolumeNiftiHeader *self);

G_END_DECLS
