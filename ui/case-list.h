/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiCaseList:
 *
 * The cases of the project with search and filter. Items have the properties of UiCaseRow.
 *
 * Signals: "activated" (int64 id): a person wants this case; "thumbnail-wanted" (int64 id): a row
 * came into sight that has none, answer with ui_case_list_set_thumbnail().
 */
#define UI_TYPE_CASE_LIST (ui_case_list_get_type ())
G_DECLARE_FINAL_TYPE (UiCaseList, ui_case_list, UI, CASE_LIST, GtkWidget)

GtkWidget *ui_case_list_new (void) G_GNUC_WARN_UNUSED_RESULT;
void ui_case_list_set_model (UiCaseList *self, GListModel *cases);
/* Shows which case is open, without telling "activated". */
void ui_case_list_set_current (UiCaseList *self, gint64 id);
void ui_case_list_set_thumbnail (UiCaseList *self, gint64 id, GdkPaintable *thumbnail);
void ui_case_list_focus_search (UiCaseList *self);

G_END_DECLS
