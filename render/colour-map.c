/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/colour-map.h"

#include <math.h>
#include <string.h>

static const char *const names[RENDER_N_COLOUR_MAPS] = { "grey", "inverted", "hot", "ember",
                                                         "lagoon" };

const char *
render_colour_map_get_name (RenderColourMap map)
{
  g_return_val_if_fail ((unsigned) map < RENDER_N_COLOUR_MAPS, NULL);
  return names[map];
}

gboolean
render_colour_map_from_name (const char *name, RenderColourMap *map)
{
  for (int m = 0; m < RENDER_N_COLOUR_MAPS; m++)
    if (g_strcmp0 (name, names[m]) == 0)
      {
        *map = (RenderColourMap) m;
        return TRUE;
      }
  return FALSE;
}

/* Oklab (L, a, b) → linear sRGB; the matrices are the paper's. */
static void
oklab_to_linear (const double lab[3], double rgb[3])
{
  double l = lab[0] + 0.3963377774 * lab[1] + 0.2158037573 * lab[2];
  double m = lab[0] - 0.1055613458 * lab[1] - 0.0638541728 * lab[2];
  double s = lab[0] - 0.0894841775 * lab[1] - 1.2914855480 * lab[2];

  l = l * l * l;
  m = m * m * m;
  s = s * s * s;
  rgb[0] = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
  rgb[1] = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
  rgb[2] = -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s;
}

static gboolean
in_gamut (const double rgb[3])
{
  for (int c = 0; c < 3; c++)
    if (rgb[c] < -1e-8 || rgb[c] > 1.0 + 1e-6)
      return FALSE;
  return TRUE;
}

/* Of this lightness and hue, with at most this chroma: less where sRGB has no such colour. */
static void
from_lightness (double lightness, double chroma, double hue_deg, float rgb[3])
{
  const double hue = hue_deg * G_PI / 180.0;
  double low = 0.0, high = chroma;
  double linear[3];

  for (int step = 0; step < 24; step++)
    {
      const double c = step == 0 ? chroma : 0.5 * (low + high);

      oklab_to_linear ((double[3]){ lightness, c * cos (hue), c * sin (hue) }, linear);
      if (in_gamut (linear))
        low = c;
      else
        high = c;
      if (step == 0 && low == chroma)
        break;
    }
  oklab_to_linear ((double[3]){ lightness, low * cos (hue), low * sin (hue) }, linear);
  for (int c = 0; c < 3; c++)
    {
      const double v = CLAMP (linear[c], 0.0, 1.0);

      rgb[c] = (float) (v <= 0.0031308 ? 12.92 * v : 1.055 * pow (v, 1.0 / 2.4) - 0.055);
    }
}

void
render_colour_map_get (RenderColourMap map, double value, float rgb[3])
{
  const double v = value > 0.0 ? MIN (value, 1.0) : 0.0;

  switch (map)
    {
    case RENDER_COLOUR_MAP_GREY_INVERTED:
      rgb[0] = rgb[1] = rgb[2] = (float) (1.0 - v);
      break;
    case RENDER_COLOUR_MAP_HOT:
      rgb[0] = (float) CLAMP (v * 3.0, 0.0, 1.0);
      rgb[1] = (float) CLAMP (v * 3.0 - 1.0, 0.0, 1.0);
      rgb[2] = (float) CLAMP (v * 3.0 - 2.0, 0.0, 1.0);
      break;
    case RENDER_COLOUR_MAP_EMBER:
      /* Chroma stays below what sRGB has along the way, so that nothing bends at its edge. */
      from_lightness (0.03 + 0.93 * v, 0.165 * (1.0 - pow (1.0 - v, 3.0)) - 0.045 * pow (v, 6.0),
                      295.0 + 170.0 * v, rgb);
      break;
    case RENDER_COLOUR_MAP_LAGOON:
      from_lightness (0.22 + 0.72 * v, 0.080 + 0.04 * v * v, 275.0 - 155.0 * v, rgb);
      break;
    case RENDER_COLOUR_MAP_GREY:
    default:
      rgb[0] = rgb[1] = rgb[2] = (float) v;
      break;
    }
}
