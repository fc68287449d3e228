/* SPDX-License-Identifier: Apache-2.0 */

/* What C and the shaders both see (std140: nothing but four-component vectors). A texture that
 * holds part of a grid, or a coarser one, is described by a RenderRegionUniforms:
 * texel = ijk × scale + offset, whole numbers being texel centres, and its size in texels. */

#ifndef RENDER_UNIFORMS_H
#define RENDER_UNIFORMS_H

#ifdef RENDER_GLSL
#define RENDER_VEC4(name) vec4 name
#define RENDER_REGION(name) RenderRegionUniforms name
#else
#define RENDER_VEC4(name) float name[4]
#define RENDER_REGION(name) struct RenderRegionUniforms name
#endif

struct RenderRegionUniforms
{
  RENDER_VEC4 (scale);
  RENDER_VEC4 (offset);
  RENDER_VEC4 (size);
};

struct RenderSliceUniforms
{
  RENDER_VEC4 (origin_ijk); /* at pixel (0, 0) */
  RENDER_VEC4 (ijk_per_x);
  RENDER_VEC4 (ijk_per_y);
  RENDER_VEC4 (size_ijk); /* of the scan */
  RENDER_VEC4 (frame); /* width, height, 2 / width, 2 / height */
  RENDER_VEC4 (background);
  RENDER_VEC4 (window); /* shade = texture value × x + y; colour map row z; hatch's scale w */
  RENDER_VEC4 (
      label); /* fill opacity, outline width px, highlighted label or 0, provenance opacity */
  RENDER_VEC4 (voxel_px); /* pixels per voxel along the slice's two voxel axes */
  RENDER_VEC4 (field); /* value × x + y; colour map row z; opacity w */
  RENDER_REGION (scan_region);
  RENDER_REGION (label_region);
  RENDER_REGION (compare_region);
  RENDER_REGION (provenance_region);
  RENDER_REGION (field_region);
};

struct RenderVolumeUniforms
{
  RENDER_VEC4 (ray_origin_ijk); /* of pixel (0, 0), on the near side */
  RENDER_VEC4 (origin_per_x);
  RENDER_VEC4 (origin_per_y);
  RENDER_VEC4 (direction_ijk); /* one step; w: the most steps */
  RENDER_VEC4 (size_ijk);
  RENDER_VEC4 (frame); /* as above */
  RENDER_VEC4 (background);
  RENDER_VEC4 (window); /* shade = texture value × x + y; colour map row z; opacity of a step w */
  RENDER_VEC4 (label); /* opacity; highlighted label or 0; shading gradient step, texels; step of
                          the search for surfaces, in steps of the ray */
  RENDER_VEC4 (surface_lo); /* ijk: where surfaces may be */
  RENDER_VEC4 (surface_hi);
  RENDER_VEC4 (look0); /* colour and opacity of each channel's label */
  RENDER_VEC4 (look1);
  RENDER_VEC4 (look2);
  RENDER_VEC4 (look3);
  RENDER_VEC4 (cut_ijk); /* w: 1 with a cut */
  RENDER_VEC4 (cut_sign); /* the octant taken away: sign × (ijk − cut) > 0 on all axes */
  RENDER_VEC4 (metric0); /* rows of the matrix ijk gradient → view space normal */
  RENDER_VEC4 (metric1);
  RENDER_VEC4 (metric2);
  RENDER_REGION (scan_region);
  RENDER_REGION (label_region);
  RENDER_REGION (surface_region);
};

#endif
