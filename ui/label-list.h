/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiLabelList:
 *
 * The label classes; the chosen one is the active label. Items have the properties of UiLabelRow.
 *
 * Signals: "activated" (int64 id); "rename", "recolour" (int64 id, const char *).
 */
#define UI_TYPE_LABEL_LIST (ui_label_list_get_type ())
G_DECLARE_FINAL_TYPE (UiLabelList, ui_label_list, UI, LABEL_LIST, GtkWidget)

GtkWidget *ui_label_list_new (void) G_GNUC_WARN_UNUSED_RESULT;
void ui_label_list_set_model (UiLabelList *self, GListModel *labels);
void ui_label_list_set_active (UiLabelList *self, gint64 id);
void ui_label_list_set_volume (UiLabelList *self, gint64 id, double ml);

G_END_DECLS
