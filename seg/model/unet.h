/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/nn/layers.h"

G_BEGIN_DECLS

typedef struct
{
  int n_spatial; /* 0: 2 */
  int in_channels; /* 0: 1 */
  int out_channels; /* 0: 1 */
  int filters; /* 0: 64; doubled at each level */
  int levels; /* 0: 5, with the bottom */
  SegNormKind norm; /* instance in the wrist X-ray paper */
  int groups;
  SegAct act; /* 0: LeakyReLU (0.01) */
} SegUnetParams;

/**
 * SegUnet: U-Net (Ronneberger et al. 2015): double 3×3 convolutions with norm, max pooling,
 * transposed convolutions, concatenated skips; names as the common PyTorch code
 * ("down1.maxpool_conv.1.double_conv.0.weight"). Any input size.
 */
typedef struct _SegUnet SegUnet;

SegUnet *seg_unet_new (SegContext *context, const SegUnetParams *params) G_GNUC_WARN_UNUSED_RESULT;
void seg_unet_free (SegUnet *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegUnet, seg_unet_free)
SegModule *seg_unet_get_module (SegUnet *self);

/* N in H W → logits N out H W, F32. */
SegTensor *seg_unet_forward (SegUnet *self, SegTensor *x);

G_END_DECLS
