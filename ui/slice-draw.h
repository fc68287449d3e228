/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/view-state.h"

G_BEGIN_DECLS

/**
 * UiSliceDraw:
 *
 * The lines and letters over one slice view. Everything lands where @view puts it; @scale is the
 * widget's scale factor (view pixels per logical pixel).
 */
typedef struct
{
  GtkWidget *widget;
  UiViewState *state;
  VolumePlane plane;
  RenderSliceView view;
  double scale;
  double width, height; /* logical */
  gboolean has_pointer;
  double pointer_x, pointer_y; /* logical */
} UiSliceDraw;

void ui_slice_draw_to_widget (const UiSliceDraw *self, const double ijk[3], double *x, double *y);
void ui_slice_draw_crosshair (const UiSliceDraw *self, GtkSnapshot *snapshot);
void ui_slice_draw_shapes (const UiSliceDraw *self, GtkSnapshot *snapshot);
void ui_slice_draw_brush (const UiSliceDraw *self, GtkSnapshot *snapshot);
void ui_slice_draw_letters (const UiSliceDraw *self, GtkSnapshot *snapshot);
void ui_slice_draw_scale_bar (const UiSliceDraw *self, GtkSnapshot *snapshot);

G_END_DECLS
