/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/view-state.h"

G_BEGIN_DECLS

/* A window (centre and width) with a name; DESIGN 8. */
typedef struct
{
  const char *nick, *title;
  double centre, width; /* width 0: automatic */
} UiWindowPreset;
#define UI_N_WINDOW_PRESETS 8
const UiWindowPreset *ui_window_preset_get (gsize number);

/**
 * UiDisplayOptions:
 *
 * How scan and labels are shown: window and level with presets, interpolation, colours, opacity,
 * outline, crosshair. Bound to the state.
 */
#define UI_TYPE_DISPLAY_OPTIONS (ui_display_options_get_type ())
G_DECLARE_FINAL_TYPE (UiDisplayOptions, ui_display_options, UI, DISPLAY_OPTIONS, GtkWidget)

GtkWidget *ui_display_options_new (UiViewState *state) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
