/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiHistoryRow: one edit of the history: what, how many voxels, when, whether it stands.
 *
 * Signals: "revert" (int64 id).
 */
#define UI_TYPE_HISTORY_ROW (ui_history_row_get_type ())
G_DECLARE_FINAL_TYPE (UiHistoryRow, ui_history_row, UI, HISTORY_ROW, GtkWidget)

/* What an edit was, for people. */
char *ui_history_row_describe (const char *tool, int provenance) G_GNUC_WARN_UNUSED_RESULT;

GtkWidget *ui_history_row_new (void) G_GNUC_WARN_UNUSED_RESULT;
void ui_history_row_bind (UiHistoryRow *self, GObject *item); /* NULL unbinds */
void ui_history_row_set_head (UiHistoryRow *self, gint64 head);

G_END_DECLS
