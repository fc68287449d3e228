/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/activity-area.h"

G_BEGIN_DECLS

/* UiActivityRow: one job of the activity area. Signals: "pause", "resume", "cancel". */
#define UI_TYPE_ACTIVITY_ROW (ui_activity_row_get_type ())
G_DECLARE_FINAL_TYPE (UiActivityRow, ui_activity_row, UI, ACTIVITY_ROW, GtkWidget)

GtkWidget *ui_activity_row_new (GObject *job) G_GNUC_WARN_UNUSED_RESULT;
GObject *ui_activity_row_get_job (UiActivityRow *self);
/* "3 min left"; NULL when unknown. Transfer full. */
char *ui_activity_format_left (double seconds) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
