/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Pictures on their way into and out of SAM's frame. */

/**
 * seg_sam_resize_u8:
 * @src: height × width × channels bytes
 * @dst: (out caller-allocates): new_height × new_width × channels
 *
 * The triangle filter that SAM's reference code uses, antialiased when shrinking, in the
 * fixed-point arithmetic of Pillow: first along x, rounded to bytes, then along y. Bit-exact with
 * it.
 */
void seg_sam_resize_u8 (const guint8 *src, int width, int height, int channels, int new_width,
                        int new_height, guint8 *dst);

/**
 * seg_sam_resize_cubic_u8: as scikit-image's resize with order 3 and anti-aliasing
 *
 * A Gaussian where pixels get larger, the cubic spline through the pixels (mirrored at the border),
 * clipped to the picture's own range and cut off to bytes: what MedSAM's code feeds.
 */
void seg_sam_resize_cubic_u8 (const guint8 *src, int width, int height, int channels, int new_width,
                              int new_height, guint8 *dst);

/* As OpenCV's INTER_AREA: means of what a pixel covers; what LiteMedSAM's code feeds. */
void seg_sam_resize_area_u8 (const guint8 *src, int width, int height, int channels, int new_width,
                             int new_height, guint8 *dst);

/* Sides of the picture in the frame, its longest side filling it. */
void seg_sam_frame_size (int width, int height, int frame, int *new_width, int *new_height);

typedef enum
{
  SEG_SAM_LOOK_STANDARD, /* longest side to the frame, mean and deviation of SAM, zero padding */
  SEG_SAM_LOOK_MEDSAM, /* stretched to the frame by cubic splines, to 0…1 */
  SEG_SAM_LOOK_LITE, /* longest side to the frame by areas, to 0…1, zero padding */
  SEG_SAM_LOOK_MED2D, /* stretched to the frame, nearest pixels, mean and deviation of SAM */
} SegSamLook;

/**
 * SegSamFrame: how a picture lies in the frame.
 * @scale_x, @scale_y: pixels of the frame for one of the picture
 */
typedef struct
{
  SegSamLook look;
  int width, height; /* of the picture */
  int frame; /* side of the frame */
  int new_width, new_height; /* of the picture in it */
  double scale_x, scale_y;
} SegSamFrame;

void seg_sam_frame_init (SegSamFrame *self, SegSamLook look, int width, int height, int frame);

/* @rgb: height × width × 3 bytes → @out: 3 × frame × frame, ready for the encoder. */
void seg_sam_frame_picture (const SegSamFrame *self, const guint8 *rgb, float *out);

/* A point of the picture (whole numbers are centres) in the frame's own coordinates. */
void seg_sam_frame_point (const SegSamFrame *self, const float xy[2], float out[2]);
/* The same for a box's corner: LiteMedSAM cuts it off to whole numbers. */
void seg_sam_frame_corner (const SegSamFrame *self, const float xy[2], float out[2]);

/* Low-resolution logits (side²) → height × width logits of the picture, by two bilinear steps as
 * the reference code does (MedSAM: one). */
void seg_sam_frame_logits (const SegSamFrame *self, const float *low_res, int side, float *out);

/* Bilinear, corners not aligned, no antialiasing, as PyTorch's interpolate. @src: @stride values a
 * row. */
void seg_sam_bilinear (const float *src, int width, int height, gsize stride, int new_width,
                       int new_height, float *dst);

G_END_DECLS
