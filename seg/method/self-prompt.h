/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/* How the specialist asks the generalist (gm-abs 5). Volumes as in seg-types.h: axis 2 fastest;
 * features, probabilities and similarities are one volume after the other, as the sliding window
 * hands them out. */

#define SEG_SELF_PROMPT_POINTS 5
#define SEG_SELF_PROMPT_SCALE 20.0f
#define SEG_SELF_PROMPT_JITTER 4

/**
 * seg_prototypes:
 * @features: C × N        @probabilities: K × N        @prototypes: (out) K × C
 *
 * c_k = sum over v of f(v) 1[argmax p(v) = k] p_k(v) / (sum over v of 1[…] p_k(v) + 1e-5); zero for
 * a class that is nowhere the argmax.
 */
void seg_prototypes (const float *features, const float *probabilities, gsize N, int C, int K,
                     float *prototypes);

/**
 * seg_similarity:
 * @q: (out) K × N        @z: (out) N
 *
 * q = softmax over k of 20 cos (f (v), c_k), norms at least 1e-8; z = argmax q.
 */
void seg_similarity (const float *features, const float *prototypes, gsize N, int C, int K,
                     float *q, guint8 *z);

/**
 * SegSlicePrompt: what to ask of one slice, in its own pixels. The slice perpendicular to axis a
 * has the lower of the other axes as rows (y) and the higher as columns (x).
 *
 * @has_prompt: whether there is anything to ask; if not, the answer is empty
 * @box: x_min, y_min, x_max, y_max; may equal the slice's width and height
 * @n_positive: 5 or 0; @positive, @negative: x, y
 */
typedef struct
{
  gboolean has_prompt;
  float box[4];
  int n_positive;
  float positive[SEG_SELF_PROMPT_POINTS][2];
  int n_negative;
  float negative[1][2];
} SegSlicePrompt;

/**
 * seg_slice_prompt:
 * @z: prototype label of the volume; @q: K × N; @k: class asked for
 * @axis, @index: the slice
 * @jitter: SEG_SELF_PROMPT_JITTER as released
 * @seed: of the jitter; mix volume, axis, slice and refresh into it
 *
 * A slice where no pixel or every pixel is k asks nothing. The box is the extent of z = k, each
 * side moved outward by 0 … @jitter pixels (in the order x_min, x_max, y_min, y_max) and clipped to
 * [0, W] and [0, H]. With more than five such pixels: the five of them with the largest q_k, and
 * the one pixel that is not k with the smallest q_k, the smallest index first among equals.
 */
void seg_slice_prompt (const guint8 *z, const float *q, const int size[3], int k, int axis,
                       int index, int jitter, guint64 seed, SegSlicePrompt *prompt);

/* Of each class 1 … K − 1 of @z, the largest 6-connected component and those of at least @share of
 * its size stay; the others become 0. */
void seg_keep_components (guint8 *z, const int size[3], int K, double share);

/* Rows and columns of the slice perpendicular to @axis, and its voxels' strides. */
typedef struct
{
  int rows, columns;
  gsize start, row_stride, column_stride; /* in voxels */
} SegSliceView;
void seg_slice_view_init (SegSliceView *self, const int size[3], int axis, int index);

/* Grey 0…255 of a slice between its own minimum and maximum, truncated; all 0 if constant. */
void seg_slice_to_grey (const float *image, const SegSliceView *view, guint8 *grey);

/**
 * seg_vote:
 * @masks: one volume of 0 and 1 per axis a and foreground class k: masks[a * (K − 1) + k − 1]
 * @q: K × N, for voxels that several classes claim: the largest q_k wins
 * @n_needed: 2 for the majority, 3 for all
 * @fused: (out) N
 */
void seg_vote (const guint8 *const *masks, const float *q, gsize N, int K, int n_needed,
               guint8 *fused);

/* The middle of the inclusive box of labels != 0, int ((lo + hi) / 2); %FALSE if there is none. */
gboolean seg_cross_planes (const guint8 *labels, const int size[3], int planes[3]);

/* A well-mixed 64-bit hash of up to four numbers. */
guint64 seg_hash4 (guint64 a, guint64 b, guint64 c, guint64 d);

G_END_DECLS
