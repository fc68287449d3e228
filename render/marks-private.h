/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/marks.h"

G_BEGIN_DECLS

/* One instance of the marks pass; see shaders/marks.vert. */
typedef struct
{
  float ends[4];
  float ink[4];
  float shape[4];
  float hole[4];
} RenderMarkInstance;

/* In drawing order, transfer full: array element RenderMarkInstance. */
GArray *render_marks_lay_out (const RenderMarks *self, const RenderSliceView *view,
                              const VolumeGeometry *geometry);

G_END_DECLS
