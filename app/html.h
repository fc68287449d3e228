/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"

G_BEGIN_DECLS

/* Pieces of a page. Text is escaped by whoever puts it in. */

/* Appends @format with every argument escaped. */
void app_html_append (GString *html, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* A row of a two-column table; nothing if @value is NULL or empty. */
void app_html_fact (GString *html, const char *name, const char *value);

typedef struct
{
  double x, y;
} AppHtmlPoint;

typedef struct
{
  const char *name;
  const AppHtmlPoint *points; /* by x; points that are not finite are left out */
  gsize n_points;
} AppHtmlCurve;

/* A chart of at most eight curves, with axes from the data and a legend, as SVG. @y_low, @y_high:
 * limits of the axis, or both 0 to take the data's. Nothing if no curve has a point. */
void app_html_chart (GString *html, const char *title, const char *x_title,
                     const AppHtmlCurve *curves, gsize n_curves, double y_low, double y_high);

/* A picture inside the page, @width_px wide on the screen. */
void app_html_picture (GString *html, GBytes *png, int width_px, int height_px,
                       const char *description);

G_END_DECLS
