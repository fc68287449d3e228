/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* volume/: the ground floor. Owns voxel grids: scans, geometry, label maps, edits, prompts, label
 * sets, the editing algorithms (tool-*.c), metrics, and the file formats. Knows no other folder.
 *
 * Spaces.  ijk  voxel indices, i runs fastest in memory; whole numbers are voxel centres.
 *          ras  world millimetres, +x to the patient's Right, +y Anterior, +z Superior.
 *
 * Threads: immutable objects (VolumeScan, VolumeEdit, VolumeLabelSnapshot) may be shared by any
 * threads; a VolumeLabelMap belongs to one thread, which hands out snapshots.
 */

#include <glib.h>

G_BEGIN_DECLS

typedef struct _VolumeGeometry VolumeGeometry;
typedef struct _VolumeScan VolumeScan;
typedef struct _VolumeLabelMap VolumeLabelMap;
typedef struct _VolumeLabelSnapshot VolumeLabelSnapshot;
typedef struct _VolumeEdit VolumeEdit;
typedef struct _VolumePrompt VolumePrompt;

/* The three anatomical planes. A plane of a scan is perpendicular to the voxel axis nearest to its
 * normal: axial ⟂ S, coronal ⟂ A, sagittal ⟂ R; the assignment is a permutation, also for oblique
 * scans (VolumeGeometry.axis_of_plane). */
typedef enum
{
  VOLUME_PLANE_AXIAL,
  VOLUME_PLANE_CORONAL,
  VOLUME_PLANE_SAGITTAL,
} VolumePlane;
#define VOLUME_N_PLANES 3

/* Half-open box of voxels: lo ≤ ijk < hi; empty if any hi ≤ lo. */
typedef struct
{
  int lo[3];
  int hi[3];
} VolumeBox;

/* Where a voxel's label came from. Stored in projects: never renumber. */
typedef enum
{
  VOLUME_PROVENANCE_NONE = 0,
  VOLUME_PROVENANCE_HAND = 1,
  VOLUME_PROVENANCE_PROMPT = 2,
  VOLUME_PROVENANCE_INTERPOLATION = 3,
  VOLUME_PROVENANCE_IMPORT = 4,
  VOLUME_PROVENANCE_MODEL = 5,
} VolumeProvenance;

typedef enum
{
  VOLUME_ERROR_NOT_FOUND, /* no such file, or no permission to read it */
  VOLUME_ERROR_FORMAT, /* not a file of this kind, or a damaged one */
  VOLUME_ERROR_UNSUPPORTED, /* a valid file that asks for what we do not do */
  VOLUME_ERROR_TOO_LARGE, /* claims more than the file or the machine holds */
  VOLUME_ERROR_IO, /* disk full, read error */
  VOLUME_ERROR_MISMATCH, /* two grids that should be one are not */
} VolumeError;
#define VOLUME_ERROR (volume_error_quark ())
GQuark volume_error_quark (void);

const char *volume_plane_get_name (VolumePlane plane); /* "axial", … */
gboolean volume_plane_from_name (const char *name, VolumePlane *plane); /* as above, or a/c/s */

G_END_DECLS
