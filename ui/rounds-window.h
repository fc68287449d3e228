/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/curve-view.h"

G_BEGIN_DECLS

/**
 * UiRoundsWindow:
 *
 * The rounds of a project: a list with comparison, the curves of the chosen one (beside those of
 * another), and what the rounds brought for the expert's minutes. Items have the properties id
 * (int64), method, state (int), n-labelled, step (int64), n-steps (int64), dice, loss, seconds,
 * expert-seconds, message, model (int64).
 *
 * Signals: "chosen" (int64 id): show this round's curves; "compared" (int64 id): and beside them
 * those of this one, 0 for none; "use" (int64 id): its model shall predict from now on; "resume"
 * (int64 id); "report" (int64 id).
 */
#define UI_TYPE_ROUNDS_WINDOW (ui_rounds_window_get_type ())
G_DECLARE_FINAL_TYPE (UiRoundsWindow, ui_rounds_window, UI, ROUNDS_WINDOW, AdwWindow)

UiRoundsWindow *ui_rounds_window_new (GtkWindow *parent,
                                      GListModel *rounds) G_GNUC_WARN_UNUSED_RESULT;
/* The model that predicts now; and the round that can go on, 0 for none. */
void ui_rounds_window_set_current (UiRoundsWindow *self, gint64 model);
void ui_rounds_window_set_resumable (UiRoundsWindow *self, gint64 round);
UiCurveView *ui_rounds_window_get_losses (UiRoundsWindow *self);
UiCurveView *ui_rounds_window_get_dice (UiRoundsWindow *self);
UiCurveView *ui_rounds_window_get_rate (UiRoundsWindow *self);
gint64 ui_rounds_window_get_chosen (UiRoundsWindow *self); /* 0 for none */
gint64 ui_rounds_window_get_compared (UiRoundsWindow *self); /* 0 for none */

G_END_DECLS
