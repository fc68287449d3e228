/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/nn/layers.h"

G_BEGIN_DECLS

typedef struct
{
  int image_size; /* 1024 */
  int patch; /* 16 */
  int dim; /* 768 */
  int depth; /* 12 */
  int heads; /* 12 */
  int window; /* 14 */
  guint64 global_blocks; /* bit i: block i attends everywhere */
  int out_channels; /* 256 */
  gboolean adapters; /* beside each block's MLP, as SAM-Med2D's */
} SegVitParams;

/* "vit_b", "vit_l", "vit_h", "sam_med2d". FALSE if there is none of that name. */
gboolean seg_vit_params_from_name (const char *name, SegVitParams *params);

/**
 * SegVit: SAM's image encoder (Kirillov et al. 2023): patch embedding, absolute positions, blocks
 * with windowed or global attention and decomposed relative position, convolutional neck; with
 * adapters (SAM-Med2D, Cheng et al. 2023) where asked. Names as in SAM's files below "image_encoder." ("blocks.0.attn.qkv.weight").
 */
typedef struct _SegVit SegVit;

/* @parent, @name: where it stands in a larger network ("image_encoder"); it is freed with the
 * parent
 */
SegVit *seg_vit_new (SegModule *parent, const char *name, const SegVitParams *params);

/* N 3 S S, F32 or BF16 (in which the blocks then run) → N out S/16 S/16, F32 */
SegTensor *seg_vit_forward (SegVit *self, SegTensor *image);

G_END_DECLS
