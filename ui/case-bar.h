/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiCaseBar:
 *
 * The case in hand: name, reason, how many of its slices are signed, disagreements, next case.
 */
#define UI_TYPE_CASE_BAR (ui_case_bar_get_type ())
G_DECLARE_FINAL_TYPE (UiCaseBar, ui_case_bar, UI, CASE_BAR, GtkWidget)

void ui_case_bar_set_case (UiCaseBar *self, const char *name, const char *reason);
/* What is shown in the place of the labels, or over them; NULL: nothing. */
void ui_case_bar_set_overlay (UiCaseBar *self, const char *text);
/* What is being done to the case's labels; NULL: nothing. */
void ui_case_bar_set_working (UiCaseBar *self, const char *text);
void ui_case_bar_set_progress (UiCaseBar *self, int n_signed, int n_tasks, gboolean is_complete);
/* Voxels where crossing slices disagree; −1: not checked. */
void ui_case_bar_set_conflicts (UiCaseBar *self, int n_conflicts);

G_END_DECLS
