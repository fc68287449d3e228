/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/* States of a job as the property "state" of list items gives them. */
typedef enum
{
  UI_JOB_WAITING = 0,
  UI_JOB_RUNNING = 1,
  UI_JOB_PAUSED = 2,
  UI_JOB_DONE = 3,
  UI_JOB_FAILED = 4,
  UI_JOB_CANCELLED = 5,
} UiJobState;

/**
 * UiActivityArea:
 *
 * A quiet button that shows how far the running job is; its popover lists the jobs with progress,
 * message, time left, pause and cancel. Items have the properties id (int64; optional), title,
 * state, fraction, message, and, where known, seconds-left, pausable.
 *
 * Signals: "pause", "resume", "cancel" (GObject *job).
 */
#define UI_TYPE_ACTIVITY_AREA (ui_activity_area_get_type ())
G_DECLARE_FINAL_TYPE (UiActivityArea, ui_activity_area, UI, ACTIVITY_AREA, GtkWidget)

GtkWidget *ui_activity_area_new (void) G_GNUC_WARN_UNUSED_RESULT;
void ui_activity_area_set_model (UiActivityArea *self, GListModel *jobs);

G_END_DECLS
