/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/**
 * SegRandomStream:
 *
 * Counter-based random numbers (Philox 4×32-10; Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). A stream is a pure function of (seed, stream, counter): any number can be had
 * without those before it, and saving the three numbers saves the state. A plain value.
 */
typedef struct
{
  guint64 seed;
  guint64 stream;
  guint64 counter; /* of 32-bit draws */
} SegRandomStream;

/* What a stream is for; each augmentation has its own, so that adding one changes no other. */
typedef enum
{
  SEG_RANDOM_ORDER_LABELLED = 1,
  SEG_RANDOM_ORDER_UNLABELLED,
  SEG_RANDOM_ORIENT,
  SEG_RANDOM_CROP,
  SEG_RANDOM_NOISE,
  SEG_RANDOM_GAMMA,
  SEG_RANDOM_STRONG_CHOICE,
  SEG_RANDOM_STRONG_ROTATE,
  SEG_RANDOM_STRONG_SCALE,
  SEG_RANDOM_STRONG_BLUR,
  SEG_RANDOM_STRONG_BRIGHTNESS,
  SEG_RANDOM_STRONG_CONTRAST,
  SEG_RANDOM_STRONG_GAMMA,
  SEG_RANDOM_AFFINE,
  SEG_RANDOM_PASTE,
  SEG_RANDOM_DROPOUT,
  SEG_RANDOM_WARP,
  SEG_RANDOM_USER = 64, /* methods' own from here */
} SegRandomPurpose;

/* The stream of one purpose for one item (e.g. item = step × batch + position). */
void seg_random_stream_init (SegRandomStream *self, guint64 seed, SegRandomPurpose purpose,
                             guint64 item);

guint32 seg_random_stream_u32 (SegRandomStream *self);
/* [0, 1) in steps of 2⁻⁵³; uses two draws. */
double seg_random_stream_uniform (SegRandomStream *self);
double seg_random_stream_range (SegRandomStream *self, double low, double high);
/* 0 … n − 1, without bias; n ≥ 1. */
guint32 seg_random_stream_below (SegRandomStream *self, guint32 n);
double seg_random_stream_normal (SegRandomStream *self);
/* Many normals in single precision, four to a block; starts at the next whole block. */
void seg_random_stream_fill_normal (SegRandomStream *self, float *out, gsize n);
/* Fisher–Yates. */
void seg_random_stream_shuffle (SegRandomStream *self, guint32 *values, gsize n);

G_END_DECLS
