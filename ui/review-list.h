/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

typedef enum
{
  UI_REVIEW_OPEN,
  UI_REVIEW_ACCEPTED,
  UI_REVIEW_FIXED,
  UI_REVIEW_UNSURE,
} UiReviewDecision;

/**
 * UiReviewList:
 *
 * Places of all scans where a model contradicts itself, the worst first, with what a person decided
 * about each. Items have the properties title, detail (strings) and decision (int). The buttons
 * name win.review-accept, win.review-fix and win.review-unsure, for the item in hand.
 *
 * Signals: "activated" (uint position): show this place.
 */
#define UI_TYPE_REVIEW_LIST (ui_review_list_get_type ())
G_DECLARE_FINAL_TYPE (UiReviewList, ui_review_list, UI, REVIEW_LIST, GtkWidget)

GtkWidget *ui_review_list_new (void) G_GNUC_WARN_UNUSED_RESULT;
void ui_review_list_set_model (UiReviewList *self, GListModel *items);
/* The item in hand; −1 for none. */
void ui_review_list_set_current (UiReviewList *self, int position);

G_END_DECLS
