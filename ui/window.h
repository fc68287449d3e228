/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/activity-area.h"
#include "ui/case-bar.h"
#include "ui/case-list.h"
#include "ui/history-list.h"
#include "ui/label-list.h"
#include "ui/review-list.h"
#include "ui/tool-bar.h"
#include "ui/tool-options.h"
#include "ui/view-grid.h"
#include "ui/welcome-page.h"

G_BEGIN_DECLS

typedef enum
{
  UI_PAGE_WELCOME,
  UI_PAGE_LOADING,
  UI_PAGE_PROJECT,
} UiPage;

/**
 * UiWindow:
 *
 * The main window: welcome page, or a project with cases, views, tools, labels and history.
 * Its menus and buttons name win.* and app.* actions, which app/ adds and answers.
 *
 * Signals: "gesture" (UiGesture *) from the views.
 */
#define UI_TYPE_WINDOW (ui_window_get_type ())
G_DECLARE_FINAL_TYPE (UiWindow, ui_window, UI, WINDOW, AdwApplicationWindow)

UiWindow *ui_window_new (GtkApplication *application) G_GNUC_WARN_UNUSED_RESULT;
void ui_window_show_page (UiWindow *self, UiPage page);
/* @text: what is being waited for, on the loading page */
void ui_window_show_loading (UiWindow *self, const char *text);
void ui_window_set_titles (UiWindow *self, const char *title, const char *subtitle);

/* A passing word; @button (nullable) runs the detailed action. */
void ui_window_toast (UiWindow *self, const char *text);
void ui_window_toast_action (UiWindow *self, const char *text, const char *button,
                             const char *detailed_action);
/* A warning that stays until closed; NULL takes it away. */
void ui_window_set_notice (UiWindow *self, const char *text);

UiViewState *ui_window_get_state (UiWindow *self);
UiViewGrid *ui_window_get_grid (UiWindow *self);
UiWelcomePage *ui_window_get_welcome (UiWindow *self);
UiCaseList *ui_window_get_case_list (UiWindow *self);
UiCaseBar *ui_window_get_case_bar (UiWindow *self);
UiLabelList *ui_window_get_label_list (UiWindow *self);
UiHistoryList *ui_window_get_history_list (UiWindow *self);
UiReviewList *ui_window_get_review_list (UiWindow *self);
/* Brings the page with the review list to the front. */
void ui_window_show_review (UiWindow *self);
UiActivityArea *ui_window_get_activity (UiWindow *self);
UiToolBar *ui_window_get_tool_bar (UiWindow *self);
UiToolOptions *ui_window_get_tool_options (UiWindow *self);

/* What undo and redo would do, for people; NULL if nothing. */
void ui_window_set_undo (UiWindow *self, const char *undo, const char *redo);

void ui_window_set_cases_shown (UiWindow *self, gboolean shown);
void ui_window_set_panel_shown (UiWindow *self, gboolean shown);

/* Keys of the window (GListModel of UiCommand): followed when they change. Keys without Ctrl or
 * Alt work wherever no text is being typed. */
void ui_window_set_commands (UiWindow *self, GListModel *commands);

G_END_DECLS
