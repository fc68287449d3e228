/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/render-types.h"

G_BEGIN_DECLS

/* EMBER and LAGOON are perceptually uniform: equal steps of the value are equal steps of lightness
 * in Oklab (B. Ottosson, "A perceptual color space for image processing", 2020). */
typedef enum
{
  RENDER_COLOUR_MAP_GREY,
  RENDER_COLOUR_MAP_GREY_INVERTED,
  RENDER_COLOUR_MAP_HOT,
  RENDER_COLOUR_MAP_EMBER, /* black, violet, orange, pale yellow */
  RENDER_COLOUR_MAP_LAGOON, /* deep blue, teal, pale green */
} RenderColourMap;
#define RENDER_N_COLOUR_MAPS 5

const char *render_colour_map_get_name (RenderColourMap map); /* "grey", "inverted", "hot", … */
gboolean render_colour_map_from_name (const char *name, RenderColourMap *map);
/* sRGB, 0…1, at @value 0…1 */
void render_colour_map_get (RenderColourMap map, double value, float rgb[3]);

G_END_DECLS
