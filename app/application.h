/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <adwaita.h>

#include "app/session.h"

G_BEGIN_DECLS

/**
 * AppApplication:
 *
 * The program with windows: settings, theme, language, keys, the drawing device, and the actions
 * app.new-project, app.open-project, app.example-project, app.preferences, app.shortcuts,
 * app.about, app.quit.
 */
#define APP_TYPE_APPLICATION (app_application_get_type ())
G_DECLARE_FINAL_TYPE (AppApplication, app_application, APP, APPLICATION, AdwApplication)

AppApplication *app_application_new (void) G_GNUC_WARN_UNUSED_RESULT;
/* GListModel of UiCommand. */
GListModel *app_application_get_commands (AppApplication *self);
/* The session of the window in front; made when there is none. */
AppSession *app_application_get_session (AppApplication *self);

/* Opens the window; @argv[1], where given, is a project. An exit status. */
int app_application_main (int argc, char **argv);

/* app/application-dialogs.c: adds the actions that show dialogs. */
void app_application_add_dialogs (AppApplication *self);
/* app/application-preferences.c */
void app_application_show_preferences (AppApplication *self);
void app_application_show_shortcuts (AppApplication *self);
/* app/application-project.c: new project, example scans. @files may be NULL. */
void app_application_new_project (AppApplication *self, GListModel *files);
void app_application_example_project (AppApplication *self);

/* app/window-actions.c: the win.* actions of a session. */
void app_window_actions_add (AppSession *session);
void app_window_actions_update (AppSession *session);
/* app/window-files.c: export, import, statistics. */
void app_window_files_add (AppSession *session);
/* app/window-training.c: rounds, proposals, reports. */
void app_window_training_add (AppSession *session);
/* app/window-review.c: predictions of the model in use, and what a person decides about them. */
void app_window_review_add (AppSession *session);
/* There are new predictions; another model is in use. */
void app_window_review_reload (AppSession *session);
void app_window_review_model_changed (AppSession *session);

G_END_DECLS
