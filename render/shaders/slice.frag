// SPDX-License-Identifier: Apache-2.0
// A plane of a scan with what lies on it. Every mode is a specialisation constant: software devices
// run both sides of branches, even of uniform ones.
#version 450
#extension GL_GOOGLE_include_directive : require
#define RENDER_GLSL
#include "uniforms.h"
#include "bindings.glsl"

#include "slice-common.glsl"

layout (location = 0) in vec3 in_ijk;
layout (location = 1) in vec3 in_scan;
layout (location = 2) in vec3 in_scan_01;
layout (location = 3) in vec3 in_label;

// Texel of a plane of the grid: in-plane indices @a, @b at depth @c.
ivec3
place (int a, int b, int c)
{
  return AXIS == 0 ? ivec3 (c, a, b) : AXIS == 1 ? ivec3 (a, c, b) : ivec3 (a, b, c);
}

float
fetch (ivec3 texel)
{
  return texelFetch (scan_nearest, texel, 0).r;
}

float
sample_linear_plane (vec3 texel, ivec3 last)
{
  vec2 at = vec2 (texel[A], texel[B]);
  vec2 base = floor (at);
  vec2 f = at - base;
  ivec2 lo = clamp (ivec2 (base), ivec2 (0), ivec2 (last[A], last[B]));
  ivec2 hi = clamp (ivec2 (base) + 1, ivec2 (0), ivec2 (last[A], last[B]));
  int c = clamp (int (floor (texel[AXIS % 3] + 0.5)), 0, last[AXIS % 3]);
  float low = mix (fetch (place (lo.x, lo.y, c)), fetch (place (hi.x, lo.y, c)), f.x);
  float high = mix (fetch (place (lo.x, hi.y, c)), fetch (place (hi.x, hi.y, c)), f.x);
  return mix (low, high, f.y);
}

float
sample_linear (vec3 texel, ivec3 last)
{
  vec3 base = floor (texel);
  vec3 f = texel - base;
  ivec3 lo = clamp (ivec3 (base), ivec3 (0), last);
  ivec3 hi = clamp (ivec3 (base) + 1, ivec3 (0), last);
  float c00 = mix (fetch (lo), fetch (ivec3 (hi.x, lo.y, lo.z)), f.x);
  float c10 = mix (fetch (ivec3 (lo.x, hi.y, lo.z)), fetch (ivec3 (hi.x, hi.y, lo.z)), f.x);
  float c01 = mix (fetch (ivec3 (lo.x, lo.y, hi.z)), fetch (ivec3 (hi.x, lo.y, hi.z)), f.x);
  float c11 = mix (fetch (ivec3 (lo.x, hi.y, hi.z)), fetch (hi), f.x);
  return mix (mix (c00, c10, f.y), mix (c01, c11, f.y), f.z);
}

float
sample_cubic_plane (vec3 texel, ivec3 last)
{
  vec2 at = vec2 (texel[A], texel[B]);
  vec2 base = floor (at);
  vec4 wa = cubic_weights (at.x - base.x);
  vec4 wb = cubic_weights (at.y - base.y);
  ivec4 a = clamp (ivec4 (base.x) + ivec4 (-1, 0, 1, 2), 0, last[A]);
  int c = clamp (int (floor (texel[AXIS % 3] + 0.5)), 0, last[AXIS % 3]);
  float sum = 0.0;
  for (int n = 0; n < 4; n++)
    {
      int b = clamp (int (base.y) + n - 1, 0, last[B]);
      vec4 row = vec4 (fetch (place (a.x, b, c)), fetch (place (a.y, b, c)),
                       fetch (place (a.z, b, c)), fetch (place (a.w, b, c)));
      sum += wb[n] * dot (row, wa);
    }
  return sum;
}

float
sample_cubic (vec3 texel, ivec3 last)
{
  vec3 base = floor (texel);
  vec4 wx = cubic_weights (texel.x - base.x);
  vec4 wy = cubic_weights (texel.y - base.y);
  vec4 wz = cubic_weights (texel.z - base.z);
  ivec4 x = clamp (ivec4 (base.x) + ivec4 (-1, 0, 1, 2), 0, last.x);
  float sum = 0.0;
  for (int k = 0; k < 4; k++)
    {
      int z = clamp (int (base.z) + k - 1, 0, last.z);
      float plane = 0.0;
      for (int j = 0; j < 4; j++)
        {
          int y = clamp (int (base.y) + j - 1, 0, last.y);
          vec4 row = vec4 (fetch (ivec3 (x.x, y, z)), fetch (ivec3 (x.y, y, z)),
                           fetch (ivec3 (x.z, y, z)), fetch (ivec3 (x.w, y, z)));
          plane += wy[j] * dot (row, wx);
        }
      sum += wz[k] * plane;
    }
  return sum;
}

float
sample_scan ()
{
  ivec3 last = ivec3 (u.scan_region.size.xyz) - 1;
  if (INTERPOLATION == 3)
    return textureLod (scan_linear, in_scan_01, 0.0).r;
  if (INTERPOLATION == 0)
    return fetch (clamp (ivec3 (floor (in_scan + 0.5)), ivec3 (0), last));
  if (INTERPOLATION == 1)
    return AXIS < 3 ? sample_linear_plane (in_scan, last) : sample_linear (in_scan, last);
  return AXIS < 3 ? sample_cubic_plane (in_scan, last) : sample_cubic (in_scan, last);
}

ivec3
region_texel (RenderRegionUniforms region, vec3 ijk)
{
  vec3 texel = ijk * region.scale.xyz + region.offset.xyz;
  return clamp (ivec3 (floor (texel + 0.5)), ivec3 (0), ivec3 (region.size.xyz) - 1);
}

uint
label_at (vec3 texel)
{
  ivec3 last = ivec3 (u.label_region.size.xyz) - 1;
  return texelFetch (labels_texture, clamp (ivec3 (floor (texel + 0.5)), ivec3 (0), last), 0).r;
}

bool
on_scan (vec3 ijk)
{
  return all (greaterThanEqual (ijk, vec3 (-0.5))) && all (lessThan (ijk, u.size_ijk.xyz - 0.5));
}

// Whether another label is within @px. Voxels' edges run along x and y, so looking along the
// diagonals finds straight edges and both kinds of corners.
bool
at_edge (uint label, float px)
{
  vec3 step = u.label_region.scale.xyz * px;
  vec3 p = (u.ijk_per_x.xyz + u.ijk_per_y.xyz) * step;
  vec3 q = (u.ijk_per_x.xyz - u.ijk_per_y.xyz) * step;
  return label_at (in_label + p) != label || label_at (in_label - p) != label
         || label_at (in_label + q) != label || label_at (in_label - q) != label;
}

// Pixels are counted from the edge, the last one in part: a straight edge has the same width
// wherever it lies.
float
outline (uint label)
{
  float whole = floor (u.label.y);
  float part = u.label.y - whole;
  float cover = whole > 0.0 && at_edge (label, whole) ? 1.0 : 0.0;
  if (PART_OUTLINE)
    cover = max (cover, at_edge (label, whole + 1.0) ? part : 0.0);
  return cover;
}

vec3
draw_labels (vec3 base, uint label)
{
  vec4 look = palette (label);
  bool others = u.label.z > 0.5 && float (label) != u.label.z;
  bool chosen = u.label.z > 0.5 && !others;
  float fill = FILL ? u.label.x * look.a : 0.0;
  vec3 result;

  fill *= others ? 0.3 : 1.0;
  fill = label == 0u ? 0.0 : fill;
  result = mix (base, look.rgb, fill);
  if (OUTLINE)
    {
      float line = label != 0u && look.a > 0.0 ? outline (label) : 0.0;
      vec3 ink = chosen ? mix (look.rgb, vec3 (1.0), 0.45) : look.rgb;
      result = mix (result, ink, line * (others ? 0.4 : 1.0));
    }
  return result;
}

// Where two labellings agree and differ; blue and orange are told apart by every kind of eye.
vec3
draw_comparison (vec3 base, vec3 ijk, uint label)
{
  uint other = texelFetch (compare_texture, region_texel (u.compare_region, ijk), 0).r;
  vec3 ink = label == other ? vec3 (0.0, 0.62, 0.45)
             : other == 0u  ? vec3 (0.0, 0.45, 0.70)
             : label == 0u  ? vec3 (0.90, 0.62, 0.0)
                            : vec3 (0.80, 0.47, 0.65);
  float opacity = label == 0u && other == 0u ? 0.0 : label == other ? 0.35 : 1.0;
  return mix (base, ink, opacity * u.label.x);
}

vec3
draw_provenance (vec3 base, uint provenance)
{
  const vec3 inks[6] = vec3[6] (vec3 (0.0), vec3 (0.90, 0.62, 0.0), vec3 (0.34, 0.71, 0.91),
                                vec3 (0.94, 0.89, 0.26), vec3 (0.0, 0.62, 0.45),
                                vec3 (0.80, 0.47, 0.65));
  float opacity = provenance == 0u ? 0.0 : u.label.w;
  return mix (base, inks[min (provenance, 5u)], opacity);
}

// Stored as 0 for nothing there, else 1 … 65535 over the field's own range.
vec3
draw_field (vec3 base, vec3 ijk)
{
  vec3 texel = ijk * u.field_region.scale.xyz + u.field_region.offset.xyz;
  vec3 low = floor (texel);
  vec3 f = texel - low;
  ivec3 last = ivec3 (u.field_region.size.xyz) - 1;
  float sum = 0.0;
  float weight = 0.0;
  for (int n = 0; n < 8; n++)
    {
      ivec3 corner = ivec3 (n & 1, (n >> 1) & 1, n >> 2);
      vec3 w = mix (1.0 - f, f, vec3 (corner));
      ivec3 at = ivec3 (low) + corner;
      bool inside = all (greaterThanEqual (at, ivec3 (0))) && all (lessThanEqual (at, last));
      float stored = texelFetch (field_texture, clamp (at, ivec3 (0), last), 0).r;
      float part = inside && stored > 0.0 ? w.x * w.y * w.z : 0.0;
      sum += part * stored;
      weight += part;
    }
  float value = sum / max (weight, 1e-6) * u.field.x + u.field.y;
  float opacity = u.field.w * clamp (value * 4.0, 0.0, 1.0) * clamp (weight * 2.0, 0.0, 1.0);
  return mix (base, colour_map (value, int (u.field.z)), opacity);
}

void
main ()
{
  vec3 ijk = in_ijk;
  float shade = clamp (sample_scan () * u.window.x + u.window.y, 0.0, 1.0);
  vec3 result = COLOUR_MAP ? colour_map (shade, int (u.window.z)) : vec3 (shade);
  uint label = FILL || OUTLINE || COMPARE || HATCH ? label_at (in_label) : 0u;
  uint provenance
      = HATCH || PROVENANCE
            ? texelFetch (provenance_texture, region_texel (u.provenance_region, ijk), 0).r
            : 0u;

  if (FIELD)
    result = draw_field (result, ijk);
  if (HATCH)
    result = draw_hatch (result, label == 0u && provenance == 0u);
  if (COMPARE)
    result = draw_comparison (result, ijk, label);
  else if (FILL || OUTLINE)
    result = draw_labels (result, label);
  if (PROVENANCE)
    result = draw_provenance (result, provenance);
  // Planes of the grid are drawn where the scan is and nowhere else.
  colour = vec4 (AXIS < 3 || on_scan (ijk) ? result : u.background.rgb, 1.0);
}
