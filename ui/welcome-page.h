/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiWelcomePage:
 *
 * What a new user meets: new project, open, example scans, recent projects; takes dropped folders
 * and files.
 *
 * Actions used: app.new-project, app.open-project, app.example-project.
 * Signals: "open" (const char *path) of a recent project; "dropped" (GListModel of GFile).
 */
#define UI_TYPE_WELCOME_PAGE (ui_welcome_page_get_type ())
G_DECLARE_FINAL_TYPE (UiWelcomePage, ui_welcome_page, UI, WELCOME_PAGE, GtkWidget)

/* Most recent first; NULL-terminated absolute paths. */
void ui_welcome_page_set_recent (UiWelcomePage *self, const char *const *paths);

G_END_DECLS
