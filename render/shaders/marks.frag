// SPDX-License-Identifier: Apache-2.0
#version 450

layout (location = 0) flat in vec4 ends;
layout (location = 1) flat in vec4 ink;
layout (location = 2) flat in vec4 shape;
layout (location = 3) flat in vec4 hole;
layout (location = 0) out vec4 colour;

void
main ()
{
  vec2 pixel = gl_FragCoord.xy;
  vec2 along = ends.zw - ends.xy;
  float length_px = length (along);
  float t = clamp (dot (pixel - ends.xy, along) / max (length_px * length_px, 1e-8), 0.0, 1.0);
  float distance_px = length (pixel - ends.xy - along * t);
  float from_centre = length (pixel - ends.xy);
  float d = shape.x < 0.5   ? distance_px - shape.y
            : shape.x < 1.5 ? abs (from_centre - shape.z) - shape.y
                            : from_centre - shape.z;
  float run = shape.x < 0.5 ? t * length_px
                            : shape.z * (atan (pixel.y - ends.y, pixel.x - ends.x) + 3.14159265);
  float phase = shape.w > 0.0 ? abs (mod (run, 2.0 * shape.w) - shape.w) - 0.5 * shape.w : 1.0;
  float cover = clamp (0.5 - d, 0.0, 1.0) * clamp (phase + 0.5, 0.0, 1.0);
  float open = hole.z > 0.0 ? clamp (length (pixel - hole.xy) - hole.z + 0.5, 0.0, 1.0) : 1.0;
  colour = vec4 (ink.rgb, ink.a * cover * open);
}
