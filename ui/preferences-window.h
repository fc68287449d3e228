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
 * Signals: "generalist-file" (GFile *): a weight file was chosen or dropped. "generalist-chosen"
 * (char *): the choice of this path; "" for the built-in one.
 * #UiPreferencesWindow::generalist-removed (char *): the file of this path is to be deleted; the
 * person was asked.
 */
#define UI_TYPE_PREFERENCES_WINDOW (ui_preferences_window_get_type ())
G_DECLARE_FINAL_TYPE (UiPreferencesWindow, ui_preferences_window, UI, PREFERENCES_WINDOW,
                      AdwPreferencesWindow)

/* @commands: GListModel of UiCommand. @backends: names of the engine's devices, NULL-terminated. */
UiPreferencesWindow *
ui_preferences_window_new (GtkWindow *parent, GSettings *settings, GListModel *commands,
                           const char *const *backends) G_GNUC_WARN_UNUSED_RESULT;

/* One generalist that can be chosen, or, with @usable FALSE, a file that is none and why. */
typedef struct
{
  const char *path; /* "" for the built-in one */
  const char *name, *detail;
  gboolean usable, chosen;
  gboolean removable; /* a file of the program's own folder */
} UiGeneralistChoice;

/* Shows these in place of those before. */
void ui_preferences_window_set_generalists (UiPreferencesWindow *self,
                                            const UiGeneralistChoice *choices, guint n);
/* One more line of where to get generalists. */
void ui_preferences_window_add_source (UiPreferencesWindow *self, const char *name,
                                       const char *detail);
/* A sentence that passes. */
void ui_preferences_window_tell (UiPreferencesWindow *self, const char *text);

G_END_DECLS
