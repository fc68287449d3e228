/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/slice-view.h"

G_BEGIN_DECLS

/**
 * UiSlicePane:
 *
 * A slice view with its title, slider, and, where a slice of the plane is to be labelled, the way
 * to it and its sign-off. Actions used (answered by app/): win.go-to-task, win.sign, win.move-task,
 * win.maximise, all with the plane as int parameter.
 *
 * Signals: "gesture" (UiGesture *), handed on from the view.
 */
#define UI_TYPE_SLICE_PANE (ui_slice_pane_get_type ())
G_DECLARE_FINAL_TYPE (UiSlicePane, ui_slice_pane, UI, SLICE_PANE, GtkWidget)

GtkWidget *ui_slice_pane_new (VolumePlane plane, UiViewState *state) G_GNUC_WARN_UNUSED_RESULT;
UiSliceView *ui_slice_pane_get_view (UiSlicePane *self);

G_END_DECLS
