/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/command.h"

G_BEGIN_DECLS

/* UiKeyRow: a command and its key; its button takes the next key pressed. A key that another of
 * @commands has is taken from it, and that is said. */
#define UI_TYPE_KEY_ROW (ui_key_row_get_type ())
G_DECLARE_FINAL_TYPE (UiKeyRow, ui_key_row, UI, KEY_ROW, AdwActionRow)

GtkWidget *ui_key_row_new (UiCommand *command, GListModel *commands) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
