/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/nn/layers.h"

G_BEGIN_DECLS

typedef enum
{
  SEG_VNET_CONV_NORM_ACT, /* conv → norm → ReLU: UA-MT and its heirs */
  SEG_VNET_CONV_ACT_NORM, /* conv → ReLU → norm → Dropout3d (unit_dropout): A&D */
} SegVnetOrder;

typedef struct
{
  int in_channels; /* 0: 1 */
  int n_classes; /* 0: 2 */
  int filters; /* 0: 16; light forms use 8 */
  int levels; /* 0: 5; each halves the sides */
  SegNormKind norm; /* batch (0), group, instance */
  int groups; /* of group norm; 0: 16, at most the channels */
  double dropout; /* Dropout3d after the deepest block and before the last convolution, ½ in
                     the papers; only when training */
  double unit_dropout; /* Dropout3d after every unit of CONV_ACT_NORM, 0.1 in A&D */
  SegVnetOrder order;
} SegVnetParams;

/**
 * SegVnet: V-Net as the LASeg papers use it (Milletari et al. 2016, without residual blocks; Yu et
 * al. 2019): 9 448 866 parameters at 16 filters, 5 levels. Names are those of the published code
 * ("block_one.conv.0.weight"). Sides must be multiples of 2^(levels−1).
 */
typedef struct _SegVnet SegVnet;

SegVnet *seg_vnet_new (SegContext *context, const SegVnetParams *params) G_GNUC_WARN_UNUSED_RESULT;
void seg_vnet_free (SegVnet *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegVnet, seg_vnet_free)
SegModule *seg_vnet_get_module (SegVnet *self);

/* N in D H W, F32 or BF16 → logits N classes D H W in F32.
 * @features: (out) (optional) (transfer full): input of the last convolution, after its dropout */
SegTensor *seg_vnet_forward (SegVnet *self, SegTensor *x, SegTensor **features);

G_END_DECLS
