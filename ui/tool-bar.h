/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiToolBar:
 *
 * The tools as a column of toggles, one of them on; each is the string target of the stateful
 * action win.tool.
 */
#define UI_TYPE_TOOL_BAR (ui_tool_bar_get_type ())
G_DECLARE_FINAL_TYPE (UiToolBar, ui_tool_bar, UI, TOOL_BAR, GtkWidget)

GtkWidget *ui_tool_bar_new (void) G_GNUC_WARN_UNUSED_RESULT;

/* What is appended to the tools' tooltips: their keys, as accelerators by nick; app/ fills it. */
void ui_tool_bar_set_key (UiToolBar *self, UiTool tool, const char *accelerator);

G_END_DECLS
