/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/generalist/channels.h"
#include "seg/nn/module.h"

G_BEGIN_DECLS

/**
 * SegCompact: the built-in generalist's network, about 1.6 M parameters.
 *
 * An encoder–decoder over folded channels (2 × 2 pixels of the view are one position, 64² of them):
 * residual blocks of group norm, SiLU and 3×3 convolutions at 64², 32², 16², 8², with sums across
 * and a linear path from the input to the answer. Three masks: the first is for the whole prompt,
 * the other two share what a single click leaves open; and an estimate of each one's Dice.
 */
typedef struct _SegCompact SegCompact;

#define SEG_COMPACT_MASKS 3
#define SEG_COMPACT_RECIPE "compact-1" /* of the weight file's metadata; grows with the layout */

SegCompact *seg_compact_new (SegContext *context) G_GNUC_WARN_UNUSED_RESULT;
void seg_compact_free (SegCompact *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegCompact, seg_compact_free)
SegModule *seg_compact_get_module (SegCompact *self);

/**
 * seg_compact_forward:
 * @x: B, 4·SEG_N_CHANNELS, 64, 64
 * @logits: (out): B, 4·SEG_COMPACT_MASKS, 64, 64, F32; mask m in channels 4m … 4m+3
 * @quality: (out): B, SEG_COMPACT_MASKS, F32: estimated Dice
 */
gboolean seg_compact_forward (SegCompact *self, SegTensor *x, SegTensor **logits,
                              SegTensor **quality);

/* Weights as a safetensors file (f16) and back; every tensor must fit. */
gboolean seg_compact_save (SegCompact *self, const char *path, const char *note, GError **error);
gboolean seg_compact_load_bytes (SegCompact *self, GBytes *bytes, const char *name, GError **error);

/**
 * seg_compact_loss: of a batch, with its gradients, on the host.
 * @logits: B × 12 × 64²; @quality: B × 3; @truth, @weight: B × 4 × 64²; @ambiguous: B
 * @dlogits, @dquality: (out): d loss / d …
 * @dice: (out) (nullable): B: soft Dice of the first mask
 *
 * Each mask: mean cross-entropy + 1 − soft Dice over the picture. The first always counts; of the
 * other two the better one counts half, the worse one a twentieth (two answers to one click).
 * Quality: squared error to each mask's soft Dice, 0.3.
 */
double seg_compact_loss (int B, const float *logits, const float *quality, const float *truth,
                         const float *weight, const float *ambiguous, float *dlogits,
                         float *dquality, float *dice);

G_END_DECLS
