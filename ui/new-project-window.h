/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiNewProjectWindow:
 *
 * Asks for what a project needs: name and place, scans, label classes, existing labels to import,
 * validation scans, scans per round. Files come from dialogs or by drag and drop; the answerer
 * looks at each and says whether it can be used.
 *
 * Signals: "files-added" (GListModel of GFile): files or folders; "create" (): everything needed is
 * there and the person wants the project; "cancelled" ().
 */
#define UI_TYPE_NEW_PROJECT_WINDOW (ui_new_project_window_get_type ())
G_DECLARE_FINAL_TYPE (UiNewProjectWindow, ui_new_project_window, UI, NEW_PROJECT_WINDOW, AdwWindow)

UiNewProjectWindow *ui_new_project_window_new (GtkWindow *parent) G_GNUC_WARN_UNUSED_RESULT;

/* A scan is looked at (@problem NULL, @detail NULL), usable (@detail says what it is) or not
 * (@problem says why). @labels: a file of labels found beside it, or NULL. */
void ui_new_project_window_set_scan (UiNewProjectWindow *self, const char *path, const char *detail,
                                     const char *problem, const char *labels);
/* Existing labels go up to @n_labels: each gets a row. */
void ui_new_project_window_need_labels (UiNewProjectWindow *self, int n_labels);
void ui_new_project_window_add_files (UiNewProjectWindow *self, GListModel *files);
void ui_new_project_window_set_folder (UiNewProjectWindow *self, const char *folder);
/* Fraction 0…1 while the project is made; below 0: not being made. */
void ui_new_project_window_set_progress (UiNewProjectWindow *self, double fraction,
                                         const char *what);
void ui_new_project_window_set_error (UiNewProjectWindow *self, const char *message);

/* The answers. Strings and vectors: transfer full. */
char *ui_new_project_window_get_path (UiNewProjectWindow *self) G_GNUC_WARN_UNUSED_RESULT;
char **ui_new_project_window_get_scans (UiNewProjectWindow *self) G_GNUC_WARN_UNUSED_RESULT;
/* One for each scan; "" for none. */
char **ui_new_project_window_get_scan_labels (UiNewProjectWindow *self) G_GNUC_WARN_UNUSED_RESULT;
char **ui_new_project_window_get_label_names (UiNewProjectWindow *self) G_GNUC_WARN_UNUSED_RESULT;
int ui_new_project_window_get_n_validation (UiNewProjectWindow *self);
int ui_new_project_window_get_budget (UiNewProjectWindow *self);
gboolean ui_new_project_window_get_import_labels (UiNewProjectWindow *self);

G_END_DECLS
