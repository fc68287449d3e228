/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/infer/sampler.h"

G_BEGIN_DECLS

/* A label array and how it is resampled: voxel by voxel, or class by class (linear, ≥ ½). */
typedef struct
{
  guint8 *values;
  gboolean nearest;
} SegStrongLabels;

/* seg_augment_strong() with a rule for each label array. */
void seg_augment_strong_labels (const SegStrongParams *params, const int size[3], float *image,
                                const SegStrongLabels *labels, gsize n_labels, guint64 seed,
                                guint64 item);

G_END_DECLS
