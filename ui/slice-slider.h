/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/view-state.h"

G_BEGIN_DECLS

/**
 * UiSliceSlider:
 *
 * The slices of one plane: a slider for the index, above it a mark for each slice that is to be
 * labelled (hollow), signed (filled), drawn on (tick) or in conflict (diamond).
 */
#define UI_TYPE_SLICE_SLIDER (ui_slice_slider_get_type ())
G_DECLARE_FINAL_TYPE (UiSliceSlider, ui_slice_slider, UI, SLICE_SLIDER, GtkWidget)

GtkWidget *ui_slice_slider_new (VolumePlane plane, UiViewState *state) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
