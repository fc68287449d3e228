/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/nn/layers.h"

G_BEGIN_DECLS

typedef struct
{
  int image_size; /* 1024 */
  int patch_stride; /* of both convolutions of the patch embedding: 2; LiteMedSAM 1 */
  int patch_kernel; /* 3; LiteMedSAM 1 */
  int dims[4]; /* 64, 128, 160, 320 */
  int depths[4]; /* 2, 2, 6, 2 */
  int heads[4]; /* 2, 4, 5, 10 */
  int windows[4]; /* 7, 7, 14, 7 */
  int out_channels; /* 256 */
} SegTinyVitParams;

SegTinyVitParams seg_tiny_vit_params_mobile_sam (void);
SegTinyVitParams seg_tiny_vit_params_lite_medsam (void);

/**
 * SegTinyVit: the image encoder of MobileSAM (TinyViT, Wu et al. 2022, as Zhang et al. 2023 changed
 * it): convolutional stage, three stages of windowed attention, the last one not downsampled,
 * convolutional neck. Names as in MobileSAM's files below "image_encoder."; the classification head
 * that those files carry is not part of it. For inference: batch norms use their running state.
 */
typedef struct _SegTinyVit SegTinyVit;

/* @parent, @name: as seg_vit_new(). Freed with the parent. */
SegTinyVit *seg_tiny_vit_new (SegModule *parent, const char *name, const SegTinyVitParams *params);

/* To be called once after the weights are loaded: expands attention biases and puts the interleaved
 * projections in the order attention reads. FALSE if an error is remembered. */
gboolean seg_tiny_vit_prepare (SegTinyVit *self);

/* N 3 S S → N out S/16 S/16 (LiteMedSAM: S/4), F32 */
SegTensor *seg_tiny_vit_forward (SegTinyVit *self, SegTensor *image);

G_END_DECLS
