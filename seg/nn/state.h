/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/nn/module.h"
#include "seg/nn/optimiser.h"
#include "seg/weights/checkpoint.h"

G_BEGIN_DECLS

/* Between weight files and the tensors of modules and optimisers, by full name. */

/**
 * seg_module_load_weights:
 *
 * Parameters and buffers := @weights, converted to F32.
 *
 * Returns: %FALSE with SEG_ERROR_MISMATCH that lists everything that does not fit (nothing was then
 * changed), or SEG_ERROR_NOT_FINITE naming a tensor that holds NaN or infinity (checked first,
 * too).
 */
gboolean seg_module_load_weights (SegModule *self, const SegWeights *weights,
                                  SegWeightsMatchFlags flags, GError **error);

/* Adds parameters and buffers to @writer as @dtype (F32, F16 or BF16); buffers always as F32. */
gboolean seg_module_export_weights (SegModule *self, SegWeightsWriter *writer, SegWeightDtype dtype,
                                    GError **error);

/* Into and out of group @group of a checkpoint, bit for bit; for an optimiser also its step count,
 * as the value "@group.steps". */
gboolean seg_module_save_state (SegModule *self, SegCheckpoint *checkpoint, const char *group,
                                GError **error);
gboolean seg_module_load_state (SegModule *self, SegCheckpoint *checkpoint, const char *group,
                                GError **error);
gboolean seg_optimiser_save_state (SegOptimiser *self, SegCheckpoint *checkpoint, const char *group,
                                   GError **error);
gboolean seg_optimiser_load_state (SegOptimiser *self, SegCheckpoint *checkpoint, const char *group,
                                   GError **error);

G_END_DECLS
