// SPDX-License-Identifier: Apache-2.0
// One triangle over the whole frame; pixel → ijk → texel of the layout, as in slice.vert.
#version 450
#extension GL_GOOGLE_include_directive : require
#define RENDER_GLSL
#include "uniforms.h"

layout (set = 0, binding = 0, std140) uniform Uniforms { RenderSliceUniforms u; };

layout (location = 0) out vec3 out_texel;

void
main ()
{
  vec2 corner = vec2 ((gl_VertexIndex << 1) & 2, gl_VertexIndex & 2);
  vec2 pixel = corner * u.frame.xy;
  vec3 ijk = u.origin_ijk.xyz + pixel.x * u.ijk_per_x.xyz + pixel.y * u.ijk_per_y.xyz;

  out_texel = ijk * u.scan_region.scale.xyz + u.scan_region.offset.xyz;
  gl_Position = vec4 (corner * 2.0 - 1.0, 0.0, 1.0);
}
