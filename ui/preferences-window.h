/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiPreferencesWindow:
 *
 * What a person sets for the whole program, bound to its settings; the keys of the commands; which
 * generalist answers prompts.
 *
 * Signals: "generalist-file" (GFile *): a weight file was chosen or dropped.
 */
#define UI_TYPE_PREFERENCES_WINDOW (ui_preferences_window_get_type ())
G_DECLARE_FINAL_TYPE (UiPreferencesWindow, ui_preferences_window, UI, PREFERENCES_WINDOW,
                      AdwPreferencesWindow)

/* @commands: GListModel of UiCommand. @backends: names of the engine's devices, NULL-terminated. */
UiPreferencesWindow *
ui_preferences_window_new (GtkWindow *parent, GSettings *settings, GListModel *commands,
                           const char *const *backends) G_GNUC_WARN_UNUSED_RESULT;
/* What answers prompts now, for people; @detail may be NULL. */
void ui_preferences_window_set_generalist (UiPreferencesWindow *self, const char *name,
                                           const char *detail);

G_END_DECLS
