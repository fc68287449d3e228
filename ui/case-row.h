/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/* States of a case as the property "state" of list items gives them. */
typedef enum
{
  UI_CASE_UNTOUCHED = 0,
  UI_CASE_PROPOSED = 1,
  UI_CASE_STARTED = 2,
  UI_CASE_SIGNED = 3,
  UI_CASE_COMPLETE = 4,
} UiCaseState;

/**
 * UiCaseRow:
 *
 * One case: thumbnail, name, state, progress, reason. Bound to a row object with the properties id
 * (int64), name, state, n-tasks, n-signed, reason, validation, rank.
 */
#define UI_TYPE_CASE_ROW (ui_case_row_get_type ())
G_DECLARE_FINAL_TYPE (UiCaseRow, ui_case_row, UI, CASE_ROW, GtkWidget)

GtkWidget *ui_case_row_new (void) G_GNUC_WARN_UNUSED_RESULT;
void ui_case_row_bind (UiCaseRow *self, GObject *item); /* NULL unbinds */
void ui_case_row_set_thumbnail (UiCaseRow *self, GdkPaintable *thumbnail);

G_END_DECLS
