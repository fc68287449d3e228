/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/view-state.h"

G_BEGIN_DECLS

/**
 * UiVolumeView:
 *
 * The 3-D view: label surfaces, scan, cut at the crosshair. Left drag turns, right drag and wheel
 * zoom, middle drag shifts; arrow keys turn, + and − zoom.
 */
#define UI_TYPE_VOLUME_VIEW (ui_volume_view_get_type ())
G_DECLARE_FINAL_TYPE (UiVolumeView, ui_volume_view, UI, VOLUME_VIEW, GtkWidget)

GtkWidget *ui_volume_view_new (UiViewState *state) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
