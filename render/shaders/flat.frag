// SPDX-License-Identifier: Apache-2.0
// A plane of the grid from a layout made for software devices (render/flat.h): one fetch brings a
// voxel's value with its neighbours', one more all that lies over it.
#version 450
#extension GL_GOOGLE_include_directive : require
#define RENDER_GLSL
#include "uniforms.h"
#include "bindings.glsl"
#include "slice-common.glsl"

layout (location = 0) in vec3 in_texel;

vec4
quad (ivec2 base)
{
  return texelFetch (flat_values, base, 0);
}

float
sample_cubic (ivec2 base, vec2 f)
{
  vec4 wa = cubic_weights (f.x);
  vec4 wb = cubic_weights (f.y);
  vec4 low_left = quad (base + ivec2 (-1, -1));
  vec4 low_right = quad (base + ivec2 (1, -1));
  vec4 high_left = quad (base + ivec2 (-1, 1));
  vec4 high_right = quad (base + ivec2 (1, 1));
  return wb.x * dot (vec4 (low_left.xy, low_right.xy), wa)
         + wb.y * dot (vec4 (low_left.zw, low_right.zw), wa)
         + wb.z * dot (vec4 (high_left.xy, high_right.xy), wa)
         + wb.w * dot (vec4 (high_left.zw, high_right.zw), wa);
}

float
sample_scan (ivec2 base, vec2 f)
{
  if (INTERPOLATION == 2)
    return sample_cubic (base, f);
  vec4 v = quad (base);
  vec2 weight = INTERPOLATION == 0 ? step (0.5, f) : f;
  vec2 row = mix (v.xz, v.yw, weight.x);
  return mix (row.x, row.y, weight.y);
}

// How much of the pixel is outline: pixels counted from the edges of the voxel that have another
// label beyond them, the last one in part. @at: 0 … 1 in the voxel.
float
outline (uint edges, vec2 at)
{
  vec4 side = floor (vec4 (at.x, 1.0 - at.x, at.y, 1.0 - at.y) * u.voxel_px.xxyy);
  vec4 corner = max (side.xyxy, side.zzww);
  float nearest = 1e6;
  for (int n = 0; n < 4; n++)
    {
      nearest = (edges >> n & 1u) != 0u ? min (nearest, side[n]) : nearest;
      nearest = (edges >> (n + 4) & 1u) != 0u ? min (nearest, corner[n]) : nearest;
    }
  return clamp (u.label.y - nearest, 0.0, 1.0);
}

void
main ()
{
  vec2 texel = vec2 (in_texel[A], in_texel[B]);
  vec2 base = floor (texel);
  vec2 f = texel - base;
  float shade = clamp (sample_scan (ivec2 (base), f) * u.window.x + u.window.y, 0.0, 1.0);
  vec3 result = COLOUR_MAP ? colour_map (shade, int (u.window.z)) : vec3 (shade);

  if (FILL || OUTLINE || HATCH)
    {
      vec2 up = step (0.5, f);
      uvec4 over = texelFetch (flat_overlay, ivec2 (base + up), 0);
      if (HATCH)
        result = draw_hatch (result, (over.z >> 24) != 0u);
      if (FILL)
        result = mix (result, unpackUnorm4x8 (over.x).rgb, uintBitsToFloat (over.y));
      if (OUTLINE)
        result = mix (result, unpackUnorm4x8 (over.z).rgb,
                      uintBitsToFloat (over.w) * outline (over.x >> 24, f + 0.5 - up));
    }
  colour = vec4 (result, 1.0);
}
