/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiCurveView:
 *
 * Named curves over a common axis, with a legend; told apart by dashes as well as by colour.
 */
#define UI_TYPE_CURVE_VIEW (ui_curve_view_get_type ())
G_DECLARE_FINAL_TYPE (UiCurveView, ui_curve_view, UI, CURVE_VIEW, GtkWidget)

GtkWidget *ui_curve_view_new (const char *title, const char *x_title) G_GNUC_WARN_UNUSED_RESULT;
void ui_curve_view_clear (UiCurveView *self);
/* Points by x; those whose y is not finite are left out. Replaces the curve of that name. */
void ui_curve_view_set_curve (UiCurveView *self, const char *name, const double *x, const double *y,
                              gsize n_points);
/* A fixed range of y; by default it follows the curves. */
void ui_curve_view_set_range (UiCurveView *self, double min, double max);

G_END_DECLS
