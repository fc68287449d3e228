/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/slice-pane.h"
#include "ui/volume-view.h"

G_BEGIN_DECLS

/**
 * UiViewGrid:
 *
 * Three planes and the 3-D view, two by two, or the one that the state says is maximised. Not
 * mirrored in right-to-left languages: the patient's sides stay where radiologists expect them.
 *
 * Signals: "gesture" (UiGesture *) of any of its panes.
 */
#define UI_TYPE_VIEW_GRID (ui_view_grid_get_type ())
G_DECLARE_FINAL_TYPE (UiViewGrid, ui_view_grid, UI, VIEW_GRID, GtkWidget)

GtkWidget *ui_view_grid_new (UiViewState *state) G_GNUC_WARN_UNUSED_RESULT;
UiSliceView *ui_view_grid_get_slice_view (UiViewGrid *self, VolumePlane plane);

G_END_DECLS
