/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/round-predict.h"
#include "db/store.h"

G_BEGIN_DECLS

/**
 * AppReviewItem:
 *
 * One place to review: a region of a model's prediction, and what a person decided about it. A row
 * for UiReviewList. Threads: main.
 */
#define APP_TYPE_REVIEW_ITEM (app_review_item_get_type ())
G_DECLARE_FINAL_TYPE (AppReviewItem, app_review_item, APP, REVIEW_ITEM, GObject)

/* As UiReviewDecision. */
typedef enum
{
  APP_REVIEW_OPEN,
  APP_REVIEW_ACCEPTED,
  APP_REVIEW_FIXED,
  APP_REVIEW_UNSURE,
  APP_N_REVIEW_DECISIONS
} AppReviewDecision;

struct _AppReviewItem
{
  GObject parent_instance;

  gint64 prediction, case_id;
  int number; /* of the region in its prediction */
  AppRegion region;
  AppReviewDecision decision;
  char *title, *detail;
};

AppReviewItem *app_review_item_new (const DbPrediction *prediction, const DbCase *row, int number,
                                    const AppRegion *region,
                                    AppReviewDecision decision) G_GNUC_WARN_UNUSED_RESULT;

/* What was decided about that region; from memory. */
AppReviewDecision app_review_read_decision (DbStore *store, gint64 prediction, int number);
/* Keeps it, with an event of the audit trail; @edit: by which it was taken over, or 0. */
DbWrite *app_review_item_write_decision (AppReviewItem *self, DbStore *store,
                                         AppReviewDecision decision,
                                         gint64 edit) G_GNUC_WARN_UNUSED_RESULT;
void app_review_item_set_decision (AppReviewItem *self, AppReviewDecision decision);

G_END_DECLS
