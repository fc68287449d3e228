/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/view-state.h"

G_BEGIN_DECLS

typedef enum
{
  UI_GESTURE_HOVER, /* moved without a button */
  UI_GESTURE_BEGIN, /* pressed */
  UI_GESTURE_MOTION,
  UI_GESTURE_END, /* released */
  UI_GESTURE_CANCEL,
} UiGesturePhase;

/* What the tool's button does on a slice. Points are continuous voxel indices. @path_ijk: where the
 * pointer went since the gesture before, up to and with @ijk; several points to one picture. */
typedef struct
{
  UiGesturePhase phase;
  VolumePlane plane;
  int index;
  double ijk[3];
  const double (*path_ijk)[3];
  gsize n_path;
  double voxels_per_px; /* along the slice, for handles and tolerances */
  GdkModifierType modifiers;
  int n_press;
} UiGesture;

/**
 * UiSliceView:
 *
 * One plane of the state's scan through Vulkan, with what is drawn over it, and its gestures:
 * wheel, pan, zoom, window/level and crosshair act on the state; the tool's button is told as the
 * signal "gesture" (UiGesture *). Arrow keys move the crosshair in the plane, Page Up and Down the
 * slice, Space is a press and release of the tool at the crosshair.
 *
 * Properties: plane (int, construct only), state.
 * Signals: "gesture" (UiGesture *), "maximise" () for a double click that is no tool's.
 */
#define UI_TYPE_SLICE_VIEW (ui_slice_view_get_type ())
G_DECLARE_FINAL_TYPE (UiSliceView, ui_slice_view, UI, SLICE_VIEW, GtkWidget)

GtkWidget *ui_slice_view_new (VolumePlane plane, UiViewState *state) G_GNUC_WARN_UNUSED_RESULT;
void ui_slice_view_set_state (UiSliceView *self, UiViewState *state);
VolumePlane ui_slice_view_get_plane (UiSliceView *self);

/* Widget coordinates ↔ ijk of the slice shown; FALSE without a scan or a size. */
gboolean ui_slice_view_get_transform (UiSliceView *self, RenderSliceView *view);
gboolean ui_slice_view_widget_to_ijk (UiSliceView *self, double x, double y, double ijk[3]);
gboolean ui_slice_view_ijk_to_widget (UiSliceView *self, const double ijk[3], double *x, double *y);
/* Median wall time from wish to frame, ms; 0 before the first frame. */
double ui_slice_view_get_latency_ms (UiSliceView *self);

/* Which action a drag has (DESIGN 8). */
UiMouseAction ui_mouse_action_choose (UiMouseProfile profile, UiTool tool, guint button,
                                      GdkModifierType modifiers);

G_END_DECLS
