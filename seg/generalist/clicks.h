/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/generalist/draw.h"
#include "seg/generalist/generalist.h"

G_BEGIN_DECLS

/* A simulated person: marked as simulated wherever a figure rests on it. */

/* Exact Euclidean distance (pixels) of every non-zero pixel to the nearest zero pixel or to the
 * pixel just outside the border; 0 where @mask is 0. */
void seg_distance_inside (const guint8 *mask, int width, int height, float *distance);

/* 4-connected parts of the non-zero pixels: labels 1… into @labels, sizes into @sizes (sizes[0] is
 * unused). Returns: (transfer full): sizes as guint */
GArray *seg_label_parts (const guint8 *mask, int width, int height, gint32 *labels);

typedef struct
{
  int x, y;
  gboolean positive;
} SegClick;

/**
 * seg_click_next:
 * @answer: (nullable): what the model says now, 0 or 1; NULL for the first click
 * @draw: (nullable): NULL clicks the deepest pixel of the largest error; else anywhere in it,
 *   rather deep than shallow
 *
 * Returns: %FALSE if nothing is wrong
 */
gboolean seg_click_next (const guint8 *truth, const guint8 *answer, int width, int height,
                         SegDraw *draw, SegClick *click);

/* The truth's box, each side moved by up to @jitter of its length; inclusive corners. */
void seg_box_around (const guint8 *truth, int width, int height, float jitter, SegDraw *draw,
                     float box[4]);

/* 2·|a ∧ b| / (|a| + |b|); 1 where both are empty. */
double seg_mask_dice (const guint8 *a, const guint8 *b, gsize n);

G_END_DECLS
