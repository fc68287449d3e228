/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/model/tiny-vit.h"
#include "seg/model/vit.h"
#include "seg/weights/weights.h"

G_BEGIN_DECLS

typedef enum
{
  SEG_SAM_VIT_B, /* MedSAM too */
  SEG_SAM_VIT_L,
  SEG_SAM_VIT_H,
  SEG_SAM_TINY_VIT, /* MobileSAM */
  SEG_SAM_TINY_VIT_LITE, /* LiteMedSAM */
  SEG_SAM_VIT_B_ADAPTED, /* SAM-Med2D */
} SegSamEncoder;

#define SEG_SAM_N_MASKS 4 /* 0: the one for the whole prompt; 1…3: part to whole */
#define SEG_SAM_DIM 256

/**
 * SegSamNetwork: the networks of Segment Anything (Kirillov et al. 2023): an image encoder, the
 * prompt encoder and the two-way mask decoder, for inference in f32. Entries are named as in the
 * official files. Frame: the square the encoder sees, image_size pixels a side; the embedding has
 * grid = image_size/16 cells a side (LiteMedSAM: 256/4), low-resolution masks have 4·grid.
 */
typedef struct _SegSamNetwork SegSamNetwork;

/* Takes no weights yet: everything is zero until seg_sam_network_load(). */
SegSamNetwork *seg_sam_network_new (SegContext *context,
                                    SegSamEncoder encoder) G_GNUC_WARN_UNUSED_RESULT;
void seg_sam_network_free (SegSamNetwork *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegSamNetwork, seg_sam_network_free)

SegModule *seg_sam_network_get_module (SegSamNetwork *self);
int seg_sam_network_get_image_size (SegSamNetwork *self);
int seg_sam_network_get_grid (SegSamNetwork *self);
int seg_sam_network_get_low_res (SegSamNetwork *self);

/**
 * seg_sam_network_tell:
 *
 * Which encoder the tensors of a file belong to, by names and shapes.
 * Returns: FALSE with SEG_ERROR_MISMATCH, or SEG_ERROR_UNSUPPORTED for relatives that are known but
 *   not read (SAM 2)
 */
gboolean seg_sam_network_tell (SegWeights *weights, SegSamEncoder *encoder, GError **error);

/* Once. Missing, misshapen and unexpected tensors are listed in one message. */
gboolean seg_sam_network_load (SegSamNetwork *self, SegWeights *weights, GError **error);

/* 1 3 S S, normalised → 1 256 grid grid. Check the context for errors. */
SegTensor *seg_sam_network_encode (SegSamNetwork *self, SegTensor *image) G_GNUC_WARN_UNUSED_RESULT;

/**
 * SegSamPrompt: in pixels of the frame, (x, y).
 * @positive: one for each point
 * @box: (nullable): x0, y0, x1, y1
 * @low_res: (nullable): low_res² logits of an answer before
 */
typedef struct
{
  const float (*points)[2];
  const gboolean *positive;
  int n_points;
  const float *box;
  const float *low_res;
} SegSamPrompt;

/**
 * seg_sam_network_decode:
 * @embedding: 1 256 grid grid
 * @masks: (out caller-allocates): SEG_SAM_N_MASKS × low_res² logits
 * @iou: (out caller-allocates): SEG_SAM_N_MASKS estimates; may exceed 1
 *
 * Returns: FALSE if an error is remembered in the context
 */
gboolean seg_sam_network_decode (SegSamNetwork *self, SegTensor *embedding,
                                 const SegSamPrompt *prompt, float *masks,
                                 float iou[SEG_SAM_N_MASKS]);

/* The positional encoding (Tancik et al. 2020) of n points of [0, 1]²: @n × 2·@features values,
 * sines first. @matrix: 2 × features, row 0 for x. */
void seg_sam_position_encode (const float *matrix, int features, const float (*unit)[2], int n,
                              float *out);

G_END_DECLS
