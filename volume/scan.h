/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gio/gio.h>

#include "volume/geometry.h"

G_BEGIN_DECLS

typedef enum
{
  VOLUME_DTYPE_U8,
  VOLUME_DTYPE_I8,
  VOLUME_DTYPE_U16,
  VOLUME_DTYPE_I16,
  VOLUME_DTYPE_U32,
  VOLUME_DTYPE_I32,
  VOLUME_DTYPE_U64,
  VOLUME_DTYPE_I64,
  VOLUME_DTYPE_F32,
  VOLUME_DTYPE_F64,
} VolumeDtype;

gsize volume_dtype_get_size (VolumeDtype dtype);
const char *volume_dtype_get_name (VolumeDtype dtype); /* numpy's: "uint8", "int16", "float32", … */

/**
 * VolumeScan:
 *
 * One 3-D image: stored values in the file's own type (native byte order, i fastest), the linear
 * map stored → value, and the place in the world. Immutable and reference-counted (atomic): share
 * it between threads. The file it came from is never written (I1).
 */
VolumeScan *volume_scan_ref (VolumeScan *self);
void volume_scan_unref (VolumeScan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VolumeScan, volume_scan_unref)

/* A scan from memory; @stored is taken over (n_voxels × dtype size bytes). slope 0 means 1. */
VolumeScan *volume_scan_new_take (const VolumeGeometry *geometry, VolumeDtype dtype, GBytes *stored,
                                  double slope, double inter) G_GNUC_WARN_UNUSED_RESULT;

const VolumeGeometry *volume_scan_get_geometry (VolumeScan *self);
VolumeDtype volume_scan_get_dtype (VolumeScan *self);
gsize volume_scan_get_n_voxels (VolumeScan *self);
gconstpointer volume_scan_get_stored (VolumeScan *self); /* n_voxels values of dtype */
double volume_scan_get_slope (VolumeScan *self);
double volume_scan_get_inter (VolumeScan *self);

/* Value (after slope and intercept) of one voxel; NaN stays NaN. @ijk must be inside. */
float volume_scan_get_value (VolumeScan *self, int i, int j, int k);

/* Values of a box, i fastest, into @dst (product of the box's sides). @box must be inside. */
void volume_scan_read_box (VolumeScan *self, const VolumeBox *box, float *dst);

/**
 * volume_scan_read_slice:
 * @dst: n_v rows of n_u values in screen order of volume_geometry_get_slice_frame()
 */
void volume_scan_read_slice (VolumeScan *self, VolumePlane plane, int index, float *dst);

/* Smallest and largest finite value (after slope); 0, 0 if there is none. Computed once. */
void volume_scan_get_range (VolumeScan *self, float *min, float *max);

/* Default window: CT-like ranges get soft tissue 40/400, others the 0.5 and 99.5 percentiles. */
void volume_scan_get_default_window (VolumeScan *self, double *centre, double *width);

/**
 * volume_scan_load:
 * @path: .nii .nii.gz .hdr/.img .h5 .png .jpg
 * @volume_index: which volume of a 4-D or 5-D file, 0 for the first
 *
 * Every claim of the file is checked against its size before memory is taken. Blocking: call it
 * off the main thread (volume_scan_load_async does).
 */
VolumeScan *volume_scan_load (const char *path, int volume_index,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* As volume_scan_load() on a thread of its own; cancelling drops the result, not the reading. */
void volume_scan_load_async (const char *path, int volume_index, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
VolumeScan *volume_scan_load_finish (GAsyncResult *result,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* As volume_scan_load() for a file of labels: of an .h5 file it takes the key "label". */
VolumeScan *volume_scan_load_labels (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Volumes in the file, 1 for a 3-D one; and which one this is. */
int volume_scan_get_n_volumes (VolumeScan *self);
int volume_scan_get_volume_index (VolumeScan *self);

/* The NIfTI header as the file has it (348 or 540 bytes, in the file's byte order); NULL for other
 * formats. What goes out beside the scan takes its spatial fields from here (I5). */
GBytes *volume_scan_get_nifti_header (VolumeScan *self);

/* A label file's values as labels, i fastest; VOLUME_ERROR_FORMAT where one is not a whole number
 * from 0 to 65535. @dst has room for every voxel. */
gboolean volume_scan_read_labels (VolumeScan *self, guint16 *dst, GError **error);

/* volume_scan_get_range() without rounding to float. */
void volume_scan_get_exact_range (VolumeScan *self, double *min, double *max);

/* SHA-256 of the file's bytes (of a pair: of the .hdr's followed by the .img's), lower-case hex;
 * NULL for a scan made in memory. (I1) */
const char *volume_scan_get_sha256 (VolumeScan *self);
/* What the loader assumed or repaired, one sentence each, for people; empty if nothing. */
const char *const *volume_scan_get_remarks (VolumeScan *self);

G_END_DECLS
