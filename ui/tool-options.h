/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/view-state.h"

G_BEGIN_DECLS

/**
 * UiToolOptions:
 *
 * The settings of the tool in hand, and for tools that end with a decision (polygon, livewire,
 * prompts) what to press. Bound to the state's properties; commands are the actions
 * win.tool-accept, win.tool-discard, win.prompt-next-mask, win.prompt-propagate.
 */
#define UI_TYPE_TOOL_OPTIONS (ui_tool_options_get_type ())
G_DECLARE_FINAL_TYPE (UiToolOptions, ui_tool_options, UI, TOOL_OPTIONS, GtkWidget)

GtkWidget *ui_tool_options_new (UiViewState *state) G_GNUC_WARN_UNUSED_RESULT;
/* One sentence about what the tool waits for or why it cannot work; NULL for none. */
void ui_tool_options_set_message (UiToolOptions *self, const char *message);

G_END_DECLS
