/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiLabelRow:
 *
 * One label class: colour, key, name, volume, visibility, lock. Bound to a row object with the
 * properties id (int64), name, colour ("#rrggbb"), visible, locked; changes are asked for by the
 * actions win.label-visible, win.label-locked (id as int64), and by the signals
 * "rename" (const char *name) and "recolour" (const char *colour).
 */
#define UI_TYPE_LABEL_ROW (ui_label_row_get_type ())
G_DECLARE_FINAL_TYPE (UiLabelRow, ui_label_row, UI, LABEL_ROW, GtkWidget)

GtkWidget *ui_label_row_new (void) G_GNUC_WARN_UNUSED_RESULT;
void ui_label_row_bind (UiLabelRow *self, GObject *item); /* NULL unbinds */
GObject *ui_label_row_get_item (UiLabelRow *self);
void ui_label_row_set_volume (UiLabelRow *self, double ml);

G_END_DECLS
