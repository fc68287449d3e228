/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/* Made-up pictures with a structure to find: what the built-in generalist is trained on.
 *
 * A scene is a pure function of (seed, index). Regions, neighbours and the target are drawn as
 * warped implicit shapes with partial volume, then seen through one of several appearances (late
 * enhancement MR, cine MR, T1 MR, CT, endoscopy, plain) with bias field, noise, blur and a random
 * intensity curve. Boundaries towards neighbours of equal intensity are common on purpose. */

#define SEG_SCENE_SIDE 128

typedef enum
{
  SEG_SCENE_LGE,
  SEG_SCENE_CINE,
  SEG_SCENE_T1,
  SEG_SCENE_CT,
  SEG_SCENE_ENDOSCOPY,
  SEG_SCENE_PLAIN,
  SEG_N_SCENE_LOOKS
} SegSceneLook;

/**
 * SegScene:
 * @rgb: 3 planes of SEG_SCENE_SIDE², each about 0…1; the three are equal unless @colour
 * @truth: 1 inside the target
 * @valid: 0 where the picture does not reach (letterbox)
 * @x0, @y0, @x1, @y1: the picture within the square, half open
 */
typedef struct
{
  float rgb[3][SEG_SCENE_SIDE * SEG_SCENE_SIDE];
  guint8 truth[SEG_SCENE_SIDE * SEG_SCENE_SIDE];
  int x0, y0, x1, y1;
  gboolean colour;
  SegSceneLook look;
  gsize n_truth;
} SegScene;

/* @hardness: 0 (clear contrast) … 1 (everything) */
void seg_scene_draw (SegScene *self, guint64 seed, guint64 index, float hardness);
const char *seg_scene_look_get_name (SegSceneLook look);

G_END_DECLS
