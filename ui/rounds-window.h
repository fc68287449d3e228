/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/curve-view.h"

G_BEGIN_DECLS

/**
 * UiRoundsWindow:
 *
 * The rounds of a project: a list with comparison, the curves of the chosen one, and what the
 * rounds brought for the expert's minutes. Items have the properties id (int64), method, state
 * (int), n-labelled, step (int64), n-steps (int64), dice, loss, seconds, expert-seconds, message.
 *
 * Signals: "chosen" (int64 id): show this round's curves.
 */
#define UI_TYPE_ROUNDS_WINDOW (ui_rounds_window_get_type ())
G_DECLARE_FINAL_TYPE (UiRoundsWindow, ui_rounds_window, UI, ROUNDS_WINDOW, AdwWindow)

UiRoundsWindow *ui_rounds_window_new (GtkWindow *parent,
                                      GListModel *rounds) G_GNUC_WARN_UNUSED_RESULT;
UiCurveView *ui_rounds_window_get_losses (UiRoundsWindow *self);
UiCurveView *ui_rounds_window_get_dice (UiRoundsWindow *self);
gint64 ui_rounds_window_get_chosen (UiRoundsWindow *self); /* 0 for none */

G_END_DECLS
