// SPDX-License-Identifier: Apache-2.0
// What slice.frag and flat.frag have in common.
layout (constant_id = 0) const int INTERPOLATION = 0; // 0 nearest, 1 linear, 2 Catmull–Rom, 3 linear
                                              // by the sampler, where its weights are exact
layout (constant_id = 1) const int AXIS = 3; // across the plane; 3: none, or between voxels
layout (constant_id = 2) const bool COLOUR_MAP = false;
layout (constant_id = 3) const bool FILL = false;
layout (constant_id = 4) const bool OUTLINE = false;
layout (constant_id = 5) const bool COMPARE = false;
layout (constant_id = 6) const bool HATCH = false;
layout (constant_id = 7) const bool PROVENANCE = false;
layout (constant_id = 8) const bool FIELD = false;
layout (constant_id = 9) const bool PART_OUTLINE = false; // its width is no whole number

layout (set = 0, binding = 0, std140) uniform Uniforms { RenderSliceUniforms u; };
layout (location = 0) out vec4 colour;

const int A = AXIS == 0 ? 1 : 0; // the two axes in the plane
const int B = AXIS == 2 ? 1 : 2;

// Weights of the four neighbours; R. Keys, "Cubic convolution interpolation for digital image
// processing", 1981, with a = −1/2.
vec4
cubic_weights (float f)
{
  float f2 = f * f;
  float f3 = f2 * f;
  return vec4 (-0.5 * f3 + f2 - 0.5 * f, 1.5 * f3 - 2.5 * f2 + 1.0,
               -1.5 * f3 + 2.0 * f2 + 0.5 * f, 0.5 * f3 - 0.5 * f2);
}

// Sparse, thin and nearly as bright as what they lie on: a bluish tint tells the lines, and what
// tissue looks like is still seen in them. Of constant width on the screen.
vec3
draw_hatch (vec3 base, bool unlabelled)
{
  const vec3 tone = vec3 (0.45, 0.70, 1.0);
  float px = u.window.w;
  float along = mod (gl_FragCoord.x + gl_FragCoord.y, 24.0 * px);
  float away = abs (along - 12.0 * px) * 0.70711;
  float line = clamp (0.5 * px + 0.5 - away, 0.0, 1.0);
  return mix (base, tone, unlabelled ? 0.18 * line : 0.0);
}
