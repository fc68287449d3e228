/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/slice-view.h"
#include "volume/prompt.h"

G_BEGIN_DECLS

/**
 * RenderMarks:
 *
 * What is drawn over a slice in lines of constant screen width: crosshair, prompts, boxes, brush.
 * Points are in ijk and land where the slice is drawn; points and boxes off the slice by more than
 * half a voxel are not drawn. Built anew for each frame; belongs to one thread.
 */
typedef struct _RenderMarks RenderMarks;

RenderMarks *render_marks_new (void) G_GNUC_WARN_UNUSED_RESULT;
RenderMarks *render_marks_copy (const RenderMarks *self) G_GNUC_WARN_UNUSED_RESULT;
void render_marks_free (RenderMarks *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RenderMarks, render_marks_free)

typedef struct
{
  float rgba[4]; /* sRGB, alpha not multiplied in; all 0 for each kind's default colour */
  float width_px; /* 0 for 1.5 */
  float dash_px; /* length of dashes and gaps, 0 for a whole line */
} RenderPen;

/* Lines through @ijk along the two voxel axes in the plane, across the frame, with a gap of
 * @gap_px around the point. @pens: of the line left–right and of the line up–down; NULL default */
void render_marks_add_crosshair (RenderMarks *self, const double ijk[3], double gap_px,
                                 const RenderPen pens[2]);
/* Where slice @index of another plane of the scan cuts this one; nothing for the plane itself. */
void render_marks_add_plane_line (RenderMarks *self, VolumePlane plane, int index,
                                  const RenderPen *pen);
/* Points with + and −, scribbles and the box; only if the prompt is on this slice. */
void render_marks_add_prompt (RenderMarks *self, const VolumePrompt *prompt);
/* Outline of the box's cut with the slice, voxel edges included. */
void render_marks_add_box (RenderMarks *self, const VolumeBox *box, const RenderPen *pen);
/* A ring on the plane. */
void render_marks_add_brush (RenderMarks *self, const double ijk[3], double radius_mm,
                             const RenderPen *pen);
/* Joined segments, e.g. a livewire path. */
void render_marks_add_polyline (RenderMarks *self, const double (*ijk)[3], gsize n_points,
                                const RenderPen *pen);
/* A dot of a size in pixels. */
void render_marks_add_point (RenderMarks *self, const double ijk[3], double radius_px,
                             const RenderPen *pen);

G_END_DECLS
