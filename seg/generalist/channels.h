/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/generalist/generalist.h"
#include "seg/generalist/scenes.h"

G_BEGIN_DECLS

/* What the built-in network sees: a square of the picture standardised to SEG_VIEW_SIDE², and maps
 * of the prompt on it. The maps that follow the image (geodesic distances, similarity, random walk)
 * are the deterministic rule's as well. */

#define SEG_VIEW_SIDE 128
#define SEG_VIEW_PIXELS (SEG_VIEW_SIDE * SEG_VIEW_SIDE)
#define SEG_VIEW_CELLS (SEG_VIEW_PIXELS / 4)

/* A square of the picture: view pixel (u, v) lies at x0 + (u + ½)·side/SEG_VIEW_SIDE − ½, … */
typedef struct
{
  float x0, y0, side;
} SegViewSquare;

typedef struct
{
  SegViewSquare square;
  int u0, v0, u1, v1; /* the picture within the view, half open */
  float image[3][SEG_VIEW_PIXELS]; /* lightness and two chroma planes, standardised */
  float smooth[3][SEG_VIEW_PIXELS]; /* the same, denoised */
  float step[4][SEG_VIEW_PIXELS]; /* geodesic length to the E, SW, S, SE neighbour */
  float bond[2][SEG_VIEW_CELLS]; /* random-walk weights to the E and S cell, 64² */
  float noise; /* of smooth, in standard deviations of the image */
} SegView;

/* The smallest square that holds the picture, centred on it. */
SegViewSquare seg_view_square_whole (int width, int height);
void seg_view_init (SegView *self, const SegPicture *picture, const SegViewSquare *square);
void seg_view_init_scene (SegView *self, const SegScene *scene, gboolean blank);

enum
{
  SEG_CHANNEL_LIGHT,
  SEG_CHANNEL_CHROMA_A,
  SEG_CHANNEL_CHROMA_B,
  SEG_CHANNEL_INSIDE, /* 1 where there is picture */
  SEG_CHANNEL_CLICKS_IN, /* Gaussian around positive points and strokes */
  SEG_CHANNEL_CLICKS_OUT,
  SEG_CHANNEL_BOX, /* 1 inside */
  SEG_CHANNEL_ELLIPSE, /* 1 at the box's centre, 0 on the ellipse inscribed, −1 outside */
  SEG_CHANNEL_PREVIOUS, /* tanh of the previous logits */
  SEG_CHANNEL_NEAR, /* plain distance: to positive against to negative */
  /* From here on: what follows the image, and may be dropped in training. */
  SEG_CHANNEL_GEODESIC_IN,
  SEG_CHANNEL_GEODESIC_OUT,
  SEG_CHANNEL_TRAVEL_IN, /* path length through tissue like that at its start */
  SEG_CHANNEL_TRAVEL_OUT,
  SEG_CHANNEL_LIKE, /* like what was clicked inside, unlike what was clicked outside */
  SEG_CHANNEL_WALK, /* random walk: inside against outside */
  SEG_N_CHANNELS
};

/* A prompt in view pixels. */
typedef struct
{
  float u, v;
  gboolean positive;
} SegViewPoint;

typedef struct
{
  const SegViewPoint *points; /* strokes are dense points */
  gsize n_points;
  gboolean has_box;
  float box[4]; /* u0, v0, u1, v1, ordered; may reach outside the view */
  const float *previous; /* SEG_VIEW_PIXELS logits, or NULL */
} SegViewPrompt;

/* @channels: SEG_N_CHANNELS × SEG_VIEW_PIXELS */
void seg_view_fill_channels (const SegView *self, const SegViewPrompt *prompt, float *channels);

/* The deterministic rule's logits from the channels. */
void seg_rule_logits (const SegView *self, const SegViewPrompt *prompt, const float *channels,
                      float *logits);

G_END_DECLS
