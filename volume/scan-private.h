/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the loaders in volume/ hand to volume/scan.c. Not for other folders. */

#include "volume/scan.h"

G_BEGIN_DECLS

typedef struct
{
  VolumeGeometry geometry;
  VolumeDtype dtype;
  GBytes *stored; /* (owned) n_voxels values, native byte order, aligned to the dtype */
  double slope, inter;
  char *sha256; /* (owned) */
  GPtrArray *remarks; /* (owned) of char *, without the closing NULL */
  GBytes *nifti_header; /* (owned) or NULL */
  int n_volumes, volume_index;
} VolumeScanParts;

void volume_scan_parts_clear (VolumeScanParts *parts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (VolumeScanParts, volume_scan_parts_clear)
void volume_scan_parts_remark (VolumeScanParts *parts, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

/* Takes everything out of @parts. */
VolumeScan *volume_scan_new_from_parts (VolumeScanParts *parts) G_GNUC_WARN_UNUSED_RESULT;

/* n0 × n1 × … without overflow; FALSE if it does not fit. */
gboolean volume_checked_product (const guint64 *factors, gsize n_factors, guint64 *product);

/* The loaders. Each fills @parts from an open file and says by the first bytes it was chosen for
 * it; @path is for messages and for the other half of a pair. Messages begin with the file's name.
 */
gboolean volume_nifti_load (const char *path, int fd, int volume_index, VolumeScanParts *parts,
                            GError **error);
gboolean volume_decoded_load (const char *path, int fd, gboolean labels, VolumeScanParts *parts,
                              GError **error);
GBytes *volume_decoded_load_rgb (const char *path, int fd, int *width, int *height,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
