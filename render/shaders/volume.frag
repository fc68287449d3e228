// SPDX-License-Identifier: Apache-2.0
// Parallel rays through the scan: emission and absorption or the maximum, with the labels' smooth
// surfaces and an octant cut away. Gradients are taken after the loops, not in them.
#version 450
#extension GL_GOOGLE_include_directive : require
#define RENDER_GLSL
#include "uniforms.h"
#include "bindings.glsl"

layout (constant_id = 0) const int MODE = 0; // 0 composite, 1 maximum, 2 label surfaces alone, 3 planes
layout (constant_id = 1) const bool SURFACE = false;
layout (constant_id = 2) const bool CUT = false;
layout (constant_id = 3) const bool COLOUR_MAP = false;
layout (constant_id = 4) const bool SHARED = false;      // more labels than channels
layout (constant_id = 5) const bool TRANSLUCENT = false; // some label can be seen through
layout (constant_id = 6) const bool SKIP = false;        // blocks without a surface

const float FAR = 1e9;
const float BLOCK = 8.0; // texels of the surfaces' texture along each side of a block

layout (set = 0, binding = 0, std140) uniform Uniforms { RenderVolumeUniforms u; };
layout (location = 0) out vec4 colour;

// Software devices take both ways of a branch, but leave a loop when all their pixels have. So what
// only some pixels need is in loops; this 0, which no compiler knows, keeps them from being unrolled.
int
none ()
{
  return int (0.25 * gl_FragCoord.z);
}

vec3
to_tex (RenderRegionUniforms region, vec3 ijk)
{
  return (ijk * region.scale.xyz + region.offset.xyz + 0.5) / region.size.xyz;
}

float
shade_at (vec3 ijk)
{
  float value = textureLod (scan_linear, to_tex (u.scan_region, ijk), 0.0).r;
  return clamp (value * u.window.x + u.window.y, 0.0, 1.0);
}

// How much of each channel's label there is.
vec4
shares_at (vec3 ijk)
{
  return textureLod (field_texture, to_tex (u.surface_region, ijk), 0.0);
}

uint
label_at (vec3 ijk)
{
  vec3 texel = ijk * u.label_region.scale.xyz + u.label_region.offset.xyz;
  ivec3 last = ivec3 (u.label_region.size.xyz) - 1;
  return texelFetch (labels_texture, clamp (ivec3 (floor (texel + 0.5)), ivec3 (0), last), 0).r;
}

vec3
ink (float shade)
{
  return COLOUR_MAP ? colour_map (shade, int (u.window.z)) : vec3 (shade);
}

// Light from the viewer's upper left; view space: x right, y up, z towards the viewer.
vec3
lit (vec3 base, vec3 normal)
{
  const vec3 light = vec3 (-0.36, 0.48, 0.8);
  vec3 facing = normal.z < 0.0 ? -normal : normal;
  float diffuse = max (dot (facing, light), 0.0);
  float gloss = pow (max (dot (facing, normalize (light + vec3 (0.0, 0.0, 1.0))), 0.0), 40.0);
  float rim = pow (1.0 - facing.z, 3.0);
  return base * (0.30 + 0.75 * diffuse) * (1.0 - 0.35 * rim) + vec3 (0.22 * gloss);
}

// With labels that take turns in a channel: the colour of the one just inside the surface.
vec3
colour_inside (vec3 ijk, vec3 inward, bool there)
{
  vec4 look = vec4 (0.0);
  uint found = 0u;
  for (int n = 0; n < 8 + none (); n++)
    {
      if (!there)
        break;
      uint label = label_at (ijk + inward * (float (n) * 0.6));
      vec4 here = palette (label);
      bool take = found == 0u && label != 0u && here.a > 0.0;
      look = take ? here : look;
      found = take ? label : found;
    }
  bool others = u.label.y > 0.5 && float (found) != u.label.y;
  vec3 base = found == 0u ? vec3 (0.6) : look.rgb;
  return others ? mix (base, vec3 (dot (base, vec3 (1.0 / 3.0))), 0.7) * 0.6 : base;
}

// The lit surface of the channels in @mask, of which one is there; if not @there, anything.
vec3
surface (vec3 ijk, vec4 mask, bool there)
{
  vec3 h = u.label.z / max (u.surface_region.scale.xyz, vec3 (1e-6));
  vec3 gradient = vec3 (0.0);
  for (int c = 0; c < 3 + none (); c++)
    {
      if (!there)
        break;
      vec3 axis = vec3 (equal (ivec3 (c), ivec3 (0, 1, 2)));
      gradient += axis * dot (shares_at (ijk + axis * h) - shares_at (ijk - axis * h), mask);
    }
  gradient /= h;
  vec3 out_of = -vec3 (dot (u.metric0.xyz, gradient), dot (u.metric1.xyz, gradient),
                       dot (u.metric2.xyz, gradient));
  // In the middle of a sheet there is no gradient: it faces the viewer then.
  vec3 normal = length (out_of) > 1e-4 ? normalize (out_of) : vec3 (0.0, 0.0, 1.0);
  vec3 base = mask.x * u.look0.rgb + mask.y * u.look1.rgb + mask.z * u.look2.rgb
              + mask.w * u.look3.rgb;
  if (SHARED)
    base = colour_inside (ijk, gradient / max (length (gradient), 1e-6), there);
  return lit (base, normal);
}

// Where between @low, outside, and @high, inside, the channels in @mask begin.
float
refine (vec3 origin, vec3 along, float low, float high, vec4 mask)
{
  for (int n = 0; n < 6 + none (); n++)
    {
      if (high >= FAR)
        break;
      float middle = 0.5 * (low + high);
      vec4 shares = shares_at (origin + along * middle) * mask;
      bool inside = max (max (shares.x, shares.y), max (shares.z, shares.w)) >= 0.5;
      high = inside ? middle : high;
      low = inside ? low : middle;
    }
  return high;
}

// The one channel of @mask with the most there.
vec4
greatest_channel (vec4 shares, vec4 mask)
{
  vec4 s = shares * mask;
  float most = max (max (s.x, s.y), max (s.z, s.w));
  vec4 is_most = step (vec4 (most), s) * mask;
  vec3 before = vec3 (is_most.x, max (is_most.x, is_most.y), max (max (is_most.x, is_most.y), is_most.z));
  return vec4 (is_most.x, is_most.yzw * (1.0 - before));
}

// What the knife leaves: the slice itself, labels laid over it.
vec4
cut_face (vec3 ijk)
{
  float shade = shade_at (ijk);
  vec3 base = ink (shade);
  float cover = MODE == 2 ? 0.0 : smoothstep (0.05, 0.12, shade);
  if (SURFACE)
    {
      uint label = label_at (ijk);
      vec4 look = palette (label);
      float fill = label == 0u ? 0.0 : look.a * (MODE == 2 ? 1.0 : 0.55);
      base = mix (base, look.rgb, fill);
      cover = max (cover, fill > 0.0 ? 1.0 : 0.0);
    }
  return vec4 (base, cover);
}

// The planes through the cut, seen from the front to the back, up to the ray's length @until.
// @passed: the light left behind them.
vec3
planes (vec3 origin, vec3 along, vec3 safe, float from, float until, inout float passed)
{
  vec3 at = (u.cut_ijk.xyz - origin) / safe;
  vec3 sum = vec3 (0.0);
  float behind = from;
  for (int n = 0; n < 3; n++)
    {
      vec3 ahead = mix (at, vec3 (1e30), lessThan (at, vec3 (behind)));
      float next = min (min (ahead.x, ahead.y), ahead.z);
      if (next > until || passed < 0.02)
        break;
      vec4 face = cut_face (origin + along * next);
      sum += passed * face.a * face.rgb;
      passed *= 1.0 - face.a;
      behind = next + 1e-4;
    }
  return sum;
}

void
main ()
{
  vec2 pixel = gl_FragCoord.xy;
  // Depth is 0 here. A bound of uniforms alone makes Mesa's software device keep a shader for every
  // value it ever meets.
  int most_steps = int (u.direction_ijk.w) + none ();
  vec3 origin = u.ray_origin_ijk.xyz + pixel.x * u.origin_per_x.xyz + pixel.y * u.origin_per_y.xyz;
  vec3 along = u.direction_ijk.xyz;
  vec3 safe = mix (along, vec3 (1e-9), lessThan (abs (along), vec3 (1e-9)));
  vec3 a = (vec3 (-0.5) - origin) / safe;
  vec3 b = (u.size_ijk.xyz - 0.5 - origin) / safe;
  vec3 near = min (a, b);
  vec3 far = max (a, b);
  float from = max (max (near.x, near.y), near.z);
  float to = min (min (far.x, far.y), far.z);
  float transmitted = 1.0;
  vec3 sum = vec3 (0.0);
  float greatest = 0.0;
  bool hits = from < to;

  if (CUT)
    {
      // The octant looks at the viewer, so a ray leaves it and never comes back.
      // Nor does it ever leave along an axis that it stands across.
      vec3 leave = mix ((u.cut_ijk.xyz - origin) / safe, vec3 (FAR),
                        lessThan (abs (along), vec3 (1e-9)));
      vec3 at = origin + along * (from + 1e-3);
      bool inside = all (greaterThan (u.cut_sign.xyz * (at - u.cut_ijk.xyz), vec3 (0.0)));
      float out_at = min (min (leave.x, leave.y), leave.z);
      if (hits && inside)
        {
          from = max (from, out_at);
          hits = from < to;
          vec4 face = cut_face (origin + along * from);
          face.a = hits ? face.a : 0.0;
          sum = face.rgb * face.a;
          transmitted = 1.0 - face.a;
        }
    }

  // The surfaces first: of each channel the first one along the ray. An opaque one ends it.
  vec4 alpha = vec4 (u.look0.a, u.look1.a, u.look2.a, u.look3.a);
  vec4 hit = vec4 (FAR);
  if (SURFACE)
    {
      vec3 c = (u.surface_lo.xyz - origin) / safe;
      vec3 d = (u.surface_hi.xyz - origin) / safe;
      vec3 enter = min (c, d);
      vec3 leave = max (c, d);
      float first = max (max (max (enter.x, enter.y), enter.z), from);
      float last = min (min (min (leave.x, leave.y), leave.z), to);
      vec4 wanted = step (0.001, alpha);
      vec3 texel = (origin + along * first) * u.surface_region.scale.xyz
                   + u.surface_region.offset.xyz;
      vec3 per_step = along * u.label.w * u.surface_region.scale.xyz;
      bvec3 across = lessThan (abs (per_step), vec3 (1e-9)); // never leaves the block that way
      vec3 side = step (0.0, per_step);
      vec3 last_block = ceil (u.surface_region.size.xyz / BLOCK) - 1.0;
      float n = 0.0;
      // Two loops in turn, over blocks and within one: a branch would take both ways in software.
      for (int turn = 0; turn < 4 * most_steps; turn++)
        {
          float end = n; // the first step beyond the block
          for (int b = 0; b < 4 * most_steps; b++)
            {
              if (!hits || first + n * u.label.w > last)
                break;
              vec3 block = clamp (floor ((texel + per_step * n) / BLOCK), vec3 (0.0), last_block);
              vec3 leave_at = ((block + side) * BLOCK - texel) / mix (per_step, vec3 (1.0), across);
              leave_at = mix (leave_at, vec3 (FAR), across);
              end = max (ceil (min (min (leave_at.x, leave_at.y), leave_at.z)), n + 1.0);
              if (!SKIP || texelFetch (compare_texture, ivec3 (block), 0).r != 0u)
                break;
              n = end;
            }
          for (int s = 0; s < 4 * most_steps; s++)
            {
              bool opaque = any (lessThan (hit, vec4 (FAR))) && !TRANSLUCENT;
              float ahead = first + n * u.label.w;
              if (!hits || ahead > last || opaque || n >= end)
                break;
              vec4 inside = step (0.5, shares_at (origin + along * ahead)) * wanted;
              hit = min (hit, mix (vec4 (FAR), vec4 (ahead), inside));
              n += 1.0;
            }
          bool found = any (lessThan (hit, vec4 (FAR))) && !TRANSLUCENT;
          if (!hits || first + n * u.label.w > last || found)
            break;
        }
      if (TRANSLUCENT)
        for (int n = 0; n < 4; n++)
          {
            vec4 mask = vec4 (equal (ivec4 (n), ivec4 (0, 1, 2, 3)));
            float fine = refine (origin, along, max (hit[n] - u.label.w, first), hit[n], mask);
            hit[n] = hit[n] < FAR ? fine : FAR;
          }
      else
        {
          vec4 mask = wanted * vec4 (lessThan (hit, vec4 (FAR)));
          float coarse = min (min (hit.x, hit.y), min (hit.z, hit.w));
          float fine = refine (origin, along, max (coarse - u.label.w, first), coarse, mask);
          vec4 one = greatest_channel (shares_at (origin + along * fine), mask);
          hit = mix (vec4 (FAR), vec4 (fine), coarse < FAR ? one : vec4 (0.0));
        }
    }

  vec4 where = hit;

  // The scan, and the surfaces as the ray comes to them.
  vec4 weight = vec4 (0.0); // of each channel's surface in the pixel
  vec4 opaque_hit = mix (vec4 (FAR), hit, step (0.99, alpha));
  float nearest = min (min (opaque_hit.x, opaque_hit.y), min (opaque_hit.z, opaque_hit.w));
  float stop = MODE == 1 ? to : min (to, nearest);
  float start = fract (52.9829189 * fract (dot (floor (pixel), vec2 (0.06711056, 0.00583715))));
  float t = from + start;
  float before = 0.0;
  for (int n = 0; n < (MODE >= 2 ? 0 : most_steps); n++)
    {
      if (!hits || t >= stop || transmitted < 0.02)
        break;
      float shade = shade_at (origin + along * t);
      if (MODE == 0)
        {
          if (TRANSLUCENT)
            for (int s = 0; s < 4; s++)
              {
                float part = hit[s] <= t ? transmitted * alpha[s] : 0.0;
                weight[s] += part;
                transmitted -= part;
                hit[s] = hit[s] <= t ? FAR : hit[s];
              }
          float rise = clamp ((shade - before) * 2.5, 0.0, 1.0);
          float opacity = u.window.w * shade * shade;
          sum += transmitted * opacity * ink (shade) * (0.72 + 0.38 * rise);
          transmitted *= 1.0 - opacity;
          before = shade;
        }
      else
        greatest = max (greatest, shade);
      t += 1.0;
    }
  // The maximum is the background of the surfaces, which are laid over it in part.
  float veil = MODE == 1 ? 0.65 : 1.0;
  float behind = from;
  if (SURFACE)
    for (int s = 0; s < (TRANSLUCENT ? 4 : 1); s++)
      {
        float next = min (min (hit.x, hit.y), min (hit.z, hit.w));
        vec4 mask = greatest_channel (vec4 (1.0), vec4 (equal (hit, vec4 (next))));
        if (MODE == 3 && hits)
          sum += planes (origin, along, safe, behind, min (next, to), transmitted);
        float part = next < FAR ? transmitted * veil * dot (alpha, mask) : 0.0;
        weight += part * mask;
        transmitted -= part;
        hit = mix (hit, vec4 (FAR), mask);
        behind = max (behind, min (next, to));
      }
  if (MODE == 3 && hits)
    sum += planes (origin, along, safe, behind, to, transmitted);
  if (MODE == 1)
    {
      sum += hits && greatest > 0.0 ? transmitted * ink (greatest) : vec3 (0.0);
      transmitted = hits && greatest > 0.0 ? 0.0 : transmitted;
    }
  if (TRANSLUCENT)
    for (int s = 0; s < 4; s++)
      {
        vec4 mask = vec4 (equal (ivec4 (s), ivec4 (0, 1, 2, 3)));
        sum += weight[s] * surface (origin + along * min (where[s], to), mask, weight[s] > 0.0);
      }
  else if (SURFACE)
    {
      vec4 mask = step (1e-6, weight);
      float at = min (min (where.x, where.y), min (where.z, where.w));
      sum += dot (weight, vec4 (1.0)) * surface (origin + along * min (at, to), mask, at < FAR);
    }
  colour = vec4 (clamp (sum + transmitted * u.background.rgb, 0.0, 1.0), 1.0);
}
