/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/generalist/channels.h"

G_BEGIN_DECLS

/**
 * seg_ring_in_box:
 * @view: where the box is looked at
 * @box: in view pixels: the left, upper, right and lower pixel, all inside
 * @logits: (out caller-allocates): SEG_VIEW_PIXELS, written where a ring is found
 *
 * A wall around a cavity (myocardium, a bladder's or a vessel's wall) fills its box like a disc,
 * but the ellipse inscribed shows two tissues, one round the other: if a circle of one radius
 * explains most of the brightness there (Otsu's criterion over the radius), and the outer tissue is
 * met in nearly every direction, the answer is the outer one, between the edge of the cavity and the
 * ellipse. Follows from the image alone; a blank one has no ring.
 *
 * Returns: whether there is a ring
 */
gboolean seg_ring_in_box (const SegView *view, const float box[4], float *logits);

G_END_DECLS
