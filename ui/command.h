/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiCommand:
 *
 * One thing a key can do: an action of the window or the program, with its title and its key,
 * which a person may change.
 *
 * Properties: action (detailed name, construct only), title, group, default-accelerator (construct
 * only), accelerator ("" for none).
 */
#define UI_TYPE_COMMAND (ui_command_get_type ())
G_DECLARE_FINAL_TYPE (UiCommand, ui_command, UI, COMMAND, GObject)

const char *ui_command_get_action (UiCommand *self);
const char *ui_command_get_title (UiCommand *self);
const char *ui_command_get_group (UiCommand *self);
const char *ui_command_get_default (UiCommand *self);
const char *ui_command_get_accelerator (UiCommand *self);
void ui_command_set_accelerator (UiCommand *self, const char *accelerator);

/* Every command, groups together, with default keys: a GListModel of UiCommand. Transfer full. */
GListModel *ui_commands_new (void) G_GNUC_WARN_UNUSED_RESULT;
/* (transfer none): by detailed action name, or NULL. */
UiCommand *ui_commands_find (GListModel *commands, const char *action);
/* The command that has this key, or NULL. */
UiCommand *ui_commands_find_key (GListModel *commands, const char *accelerator);

G_END_DECLS
