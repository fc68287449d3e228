/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/scan.h"

G_BEGIN_DECLS

/* Labels a phantom may have; small ones may lack the third. */
#define VOLUME_PHANTOM_N_LABELS 3

/**
 * VolumePhantomParams:
 * @seed, @index: the same pair gives the same phantom; a set shares a seed and counts its index
 * @size: voxels along i, j, k; 0, 0, 0 for the default, 80 × 80 × 48 and varied a little
 * @n_organs: 1 to VOLUME_PHANTOM_N_LABELS; 0 for 2 or 3 by chance
 */
typedef struct
{
  guint64 seed;
  guint index;
  int size[3];
  int n_organs;
} VolumePhantomParams;

/**
 * volume_phantom_create:
 * @labels: (out) (optional) (transfer full): n_voxels bytes: 0, or 1 … n_organs
 *
 * A synthetic scan with its truth: a body with organs of smooth random shape that keep their
 * neighbourhood, size and grey levels from phantom to phantom as organs do, each with a texture,
 * vessels and bone that are nobody's label, partial volume at borders, a bias field, noise, thick
 * slices and in every third an oblique grid; axes in varied orders. Deterministic. Any thread.
 */
VolumeScan *volume_phantom_create (const VolumePhantomParams *params, guint8 **labels,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* How many organs phantoms of these parameters have. */
int volume_phantom_get_n_labels (const VolumePhantomParams *params);
const char *volume_phantom_get_label_name (int label); /* 1 … VOLUME_PHANTOM_N_LABELS */

/* Writes phantom_NNN.nii.gz and phantom_NNN_label.nii.gz, NNN being the index, into @folder. */
gboolean volume_phantom_write (const VolumePhantomParams *params, const char *folder,
                               char **scan_path, char **label_path, GError **error);

G_END_DECLS
