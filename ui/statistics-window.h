/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

typedef struct
{
  int n_cases, n_done, n_validation, n_signed;
  gint64 n_edits;
  double seconds; /* expert time */
} UiStatistics;

/* UiStatisticsWindow: numbers of the project, and of the labels of the open case. */
#define UI_TYPE_STATISTICS_WINDOW (ui_statistics_window_get_type ())
G_DECLARE_FINAL_TYPE (UiStatisticsWindow, ui_statistics_window, UI, STATISTICS_WINDOW, AdwWindow)

UiStatisticsWindow *ui_statistics_window_new (GtkWindow *parent) G_GNUC_WARN_UNUSED_RESULT;
void ui_statistics_window_set_project (UiStatisticsWindow *self, const UiStatistics *numbers);
void ui_statistics_window_add_label (UiStatisticsWindow *self, const char *name, const char *colour,
                                     gsize n_voxels, double ml);

G_END_DECLS
