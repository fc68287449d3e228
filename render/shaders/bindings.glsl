// SPDX-License-Identifier: Apache-2.0
// The one descriptor set of all graphics passes; see RENDER_BINDING_… in device-private.h.
layout (set = 0, binding = 1) uniform sampler3D scan_nearest;
layout (set = 0, binding = 2) uniform sampler3D scan_linear;
layout (set = 0, binding = 3) uniform usampler3D labels_texture;
layout (set = 0, binding = 4) uniform usampler3D compare_texture;
layout (set = 0, binding = 5) uniform usampler3D provenance_texture;
layout (set = 0, binding = 6) uniform sampler3D field_texture;
layout (set = 0, binding = 7) uniform sampler2D palette_texture;
layout (set = 0, binding = 8) uniform sampler2D colour_map_texture;
layout (set = 0, binding = 9) uniform sampler2D flat_values;
layout (set = 0, binding = 10) uniform usampler2D flat_overlay;

// The colour of @value 0…1 in row @row; 256 entries, in between linear.
vec3
colour_map (float value, int row)
{
  float at = clamp (value, 0.0, 1.0) * 255.0;
  int below = int (at);
  vec3 a = texelFetch (colour_map_texture, ivec2 (below, row), 0).rgb;
  vec3 b = texelFetch (colour_map_texture, ivec2 (min (below + 1, 255), row), 0).rgb;
  return mix (a, b, at - float (below));
}

// The look of a label: sRGB and its own opacity, 0 if hidden.
vec4
palette (uint label)
{
  return texelFetch (palette_texture, ivec2 (label & 255u, label >> 8), 0);
}
