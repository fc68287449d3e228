/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/* What a person chose for a round; strings belong to the dialog. */
typedef struct
{
  const char *method; /* "gm-abs", … */
  const char *profile; /* "laptop", "paper" */
  const char *strategy; /* "uncertainty-diversity", … */
  guint generalist; /* position in the list given */
  int n_steps; /* 0: as many as fit */
  double seconds; /* 0: the profile's */
  int budget;
} UiRoundChoice;

/**
 * UiRoundDialog:
 *
 * Asks how to train the next round, and shows what it will take.
 *
 * Signals: "changed" (): another choice, the expectation is not right any more; "start" ().
 */
#define UI_TYPE_ROUND_DIALOG (ui_round_dialog_get_type ())
G_DECLARE_FINAL_TYPE (UiRoundDialog, ui_round_dialog, UI, ROUND_DIALOG, AdwMessageDialog)

/* @generalists: names for people, NULL-terminated */
UiRoundDialog *ui_round_dialog_new (GtkWindow *parent,
                                    const char *const *generalists) G_GNUC_WARN_UNUSED_RESULT;
/* What is shown at first; unknown names leave what is. */
void ui_round_dialog_set_choice (UiRoundDialog *self, const UiRoundChoice *choice);
void ui_round_dialog_get_choice (UiRoundDialog *self, UiRoundChoice *choice);
/* What the round learns from. */
void ui_round_dialog_set_data (UiRoundDialog *self, const char *text);
/* How it will be trained, and how long it will take; NULL while that is measured. */
void ui_round_dialog_set_expected (UiRoundDialog *self, const char *plan, const char *time);
/* Why it cannot start. */
void ui_round_dialog_set_problem (UiRoundDialog *self, const char *text);

G_END_DECLS
