// SPDX-License-Identifier: Apache-2.0
// One mark is one instance: a quad large enough for it, with soft edges to spare.
#version 450
#extension GL_GOOGLE_include_directive : require
#define RENDER_GLSL
#include "uniforms.h"

layout (set = 0, binding = 0, std140) uniform Uniforms { RenderSliceUniforms u; };

layout (location = 0) in vec4 ends;   // pixels: from xy to zw
layout (location = 1) in vec4 ink;    // sRGB, alpha
layout (location = 2) in vec4 shape;  // kind (0 segment, 1 ring, 2 disc), half width, radius, dash
layout (location = 3) in vec4 hole;   // nothing is drawn within z pixels of xy

layout (location = 0) flat out vec4 out_ends;
layout (location = 1) flat out vec4 out_ink;
layout (location = 2) flat out vec4 out_shape;
layout (location = 3) flat out vec4 out_hole;

void
main ()
{
  vec2 corner = vec2 (gl_VertexIndex & 1, gl_VertexIndex >> 1);
  float reach = shape.y + (shape.x > 0.5 ? shape.z : 0.0) + 1.5;
  vec2 along = ends.zw - ends.xy;
  float length_px = length (along);
  along = length_px > 1e-4 ? along / length_px : vec2 (1.0, 0.0);
  vec2 across = vec2 (-along.y, along.x);
  vec2 from = ends.xy - along * reach;
  vec2 pixel = from + along * (length_px + 2.0 * reach) * corner.x
               + across * reach * (corner.y * 2.0 - 1.0);

  out_ends = ends;
  out_ink = ink;
  out_shape = shape;
  out_hole = hole;
  gl_Position = vec4 (pixel * u.frame.zw - 1.0, 0.0, 1.0);
}
