// SPDX-License-Identifier: Apache-2.0
// Parallel rays through the scan: emission and absorption or the maximum, with one smooth label
// surface and an octant cut away. The surface's gradient is taken once, after the loop.
#version 450
#extension GL_GOOGLE_include_directive : require
#define RENDER_GLSL
#include "uniforms.h"
#include "bindings.glsl"

layout (constant_id = 0) const int MODE = 0; // 0 composite, 1 maximum, 2 label surfaces alone, 3 planes
layout (constant_id = 1) const bool SURFACE = false;
layout (constant_id = 2) const bool CUT = false;
layout (constant_id = 3) const bool COLOUR_MAP = false;

layout (set = 0, binding = 0, std140) uniform Uniforms { RenderVolumeUniforms u; };
layout (location = 0) out vec4 colour;

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

float
share_at (vec3 ijk)
{
  return textureLod (field_texture, to_tex (u.smooth_region, ijk), 0.0).r;
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

// The colour of the label just inside the surface: shares are smoothed, labels are not.
vec3
surface_colour (vec3 ijk, vec3 inward)
{
  vec4 look = vec4 (0.0);
  uint found = 0u;
  for (int n = 0; n < 8; n++)
    {
      uint label = label_at (ijk + inward * (float (n) * 0.6));
      vec4 here = palette (label);
      bool take = found == 0u && label != 0u && here.a > 0.0;
      look = take ? here : look;
      found = take ? label : found;
    }
  bool others = u.label.y > 0.5 && float (found) != u.label.y;
  vec3 base = found == 0u ? vec3 (0.6) : look.rgb;
  return others ? mix (base, vec3 (dot (base, vec3 (0.33))), 0.7) * 0.6 : base;
}

vec3
surface (vec3 ijk)
{
  vec3 h = u.label.z / max (u.smooth_region.scale.xyz, vec3 (1e-6));
  vec3 gradient = vec3 (share_at (ijk + vec3 (h.x, 0.0, 0.0)) - share_at (ijk - vec3 (h.x, 0.0, 0.0)),
                        share_at (ijk + vec3 (0.0, h.y, 0.0)) - share_at (ijk - vec3 (0.0, h.y, 0.0)),
                        share_at (ijk + vec3 (0.0, 0.0, h.z)) - share_at (ijk - vec3 (0.0, 0.0, h.z)))
                  / h;
  vec3 out_of = -vec3 (dot (u.metric0.xyz, gradient), dot (u.metric1.xyz, gradient),
                       dot (u.metric2.xyz, gradient));
  vec3 normal = out_of / max (length (out_of), 1e-6);
  vec3 inward = gradient / max (length (gradient), 1e-6);
  return lit (surface_colour (ijk, inward), normal);
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
      vec3 leave = (u.cut_ijk.xyz - origin) / safe;
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

  // The surface first, in long steps: shares are smooth over several voxels. An opaque one ends the
  // ray.
  float hit = -1.0;
  if (SURFACE)
    {
      float ahead = from;
      for (int n = 0; n < int (u.direction_ijk.w); n++)
        {
          if (!hits || ahead >= to || hit >= 0.0)
            break;
          hit = share_at (origin + along * ahead) >= 0.5 ? ahead : -1.0;
          ahead += 2.0;
        }
    }
  bool found = SURFACE && hit >= 0.0;
  float stop = found && u.label.x > 0.99 ? hit : to;
  float hit_transmitted = -1.0;
  float start = fract (52.9829189 * fract (dot (floor (pixel), vec2 (0.06711056, 0.00583715))));
  float t = from + start;
  float before = 0.0;
  for (int n = 0; n < (MODE >= 2 ? 0 : int (u.direction_ijk.w)); n++)
    {
      if (!hits || t >= stop || transmitted < 0.02)
        break;
      float shade = shade_at (origin + along * t);
      if (found && hit_transmitted < 0.0 && t >= hit)
        {
          hit_transmitted = transmitted;
          transmitted *= 1.0 - u.label.x;
        }
      if (MODE == 0)
        {
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
  if (MODE == 3 && hits)
    sum += planes (origin, along, safe, from, found ? hit : to, transmitted);
  if (found && hit_transmitted < 0.0)
    {
      hit_transmitted = transmitted;
      transmitted *= 1.0 - u.label.x;
    }
  if (MODE == 3 && found)
    sum += planes (origin, along, safe, hit, to, transmitted);
  if (MODE == 1)
    {
      sum += transmitted * ink (greatest);
      transmitted = hits && greatest > 0.0 && !found ? 0.0 : transmitted;
    }
  if (found)
    {
      float low = max (hit - 2.0, from);
      float high = hit;
      for (int n = 0; n < 6; n++)
        {
          float middle = 0.5 * (low + high);
          bool in_it = share_at (origin + along * middle) >= 0.5;
          high = in_it ? middle : high;
          low = in_it ? low : middle;
        }
      sum += hit_transmitted * u.label.x * surface (origin + along * high);
    }
  colour = vec4 (clamp (sum + transmitted * u.background.rgb, 0.0, 1.0), 1.0);
}
