/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiHistoryList:
 *
 * The edits of the open case, newest first. Items have the properties id (int64), tool, label
 * (int64), n-voxels (int64), at (int64, Unix µs), applied (boolean), provenance (int).
 * Activating one jumps there; its button takes that edit alone back.
 *
 * Signals: "jump" (int64 id), "revert" (int64 id).
 */
#define UI_TYPE_HISTORY_LIST (ui_history_list_get_type ())
G_DECLARE_FINAL_TYPE (UiHistoryList, ui_history_list, UI, HISTORY_LIST, GtkWidget)

GtkWidget *ui_history_list_new (void) G_GNUC_WARN_UNUSED_RESULT;
void ui_history_list_set_model (UiHistoryList *self, GListModel *history); /* oldest first */
void ui_history_list_set_head (UiHistoryList *self, gint64 id);
/* What the edit was, for people; NULL if the list does not have it. */
char *ui_history_list_describe (UiHistoryList *self, gint64 id) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
