/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/html.h"

#include <math.h>
#include <stdarg.h>

#define CHART_WIDTH 640
#define CHART_HEIGHT 260
#define MARGIN_LEFT 56
#define MARGIN_RIGHT 12
#define MARGIN_TOP 12
#define MARGIN_BOTTOM 40
#define N_TICKS 5

/* Okabe and Ito's colours, the lighter yellow left out on white; dashes tell curves apart too. */
static const char *const colours[] = { "#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                       "#E69F00", "#56B4E9", "#000000", "#7F7F7F" };
static const char *const dashes[] = { "none", "7 3", "2 3", "9 3 2 3",
                                      "12 4", "4 4", "1 4", "6 2 2 2" };

void
app_html_append (GString *html, const char *format, ...)
{
  va_list arguments;
  g_autofree char *text = NULL;

  va_start (arguments, format);
  text = g_markup_vprintf_escaped (format, arguments);
  va_end (arguments);
  g_string_append (html, text);
}

void
app_html_fact (GString *html, const char *name, const char *value)
{
  if (value != NULL && *value != '\0')
    app_html_append (html, "<tr><th>%s</th><td>%s</td></tr>\n", name, value);
}

typedef struct
{
  double x0, x1, y0, y1;
} Limits;

static gboolean
is_point (const AppHtmlPoint *point)
{
  return isfinite (point->x) && isfinite (point->y);
}

/* FALSE if there is nothing to draw. A range of one value is widened to be seen. */
static gboolean
find_limits (const AppHtmlCurve *curves, gsize n_curves, Limits *limits)
{
  *limits = (Limits){ HUGE_VAL, -HUGE_VAL, HUGE_VAL, -HUGE_VAL };
  for (gsize c = 0; c < n_curves; c++)
    for (gsize p = 0; p < curves[c].n_points; p++)
      if (is_point (&curves[c].points[p]))
        {
          limits->x0 = MIN (limits->x0, curves[c].points[p].x);
          limits->x1 = MAX (limits->x1, curves[c].points[p].x);
          limits->y0 = MIN (limits->y0, curves[c].points[p].y);
          limits->y1 = MAX (limits->y1, curves[c].points[p].y);
        }
  if (limits->x0 > limits->x1)
    return FALSE;
  if (limits->x1 - limits->x0 <= 0)
    {
      limits->x0 -= 0.5;
      limits->x1 += 0.5;
    }
  if (limits->y1 - limits->y0 <= 1e-12 * fabs (limits->y1))
    {
      limits->y0 -= 0.5;
      limits->y1 += 0.5;
    }
  return TRUE;
}

static double
place_x (const Limits *limits, double x)
{
  return MARGIN_LEFT
         + (x - limits->x0) / (limits->x1 - limits->x0)
               * (CHART_WIDTH - MARGIN_LEFT - MARGIN_RIGHT);
}

static double
place_y (const Limits *limits, double y)
{
  return CHART_HEIGHT - MARGIN_BOTTOM
         - (y - limits->y0) / (limits->y1 - limits->y0)
               * (CHART_HEIGHT - MARGIN_TOP - MARGIN_BOTTOM);
}

static void
append_axes (GString *html, const Limits *limits, const char *x_title)
{
  for (int t = 0; t < N_TICKS; t++)
    {
      const double x = limits->x0 + t * (limits->x1 - limits->x0) / (N_TICKS - 1);
      const double y = limits->y0 + t * (limits->y1 - limits->y0) / (N_TICKS - 1);

      g_string_append_printf (
          html,
          "<line x1='%d' x2='%d' y1='%.1f' y2='%.1f' class='grid'/>"
          "<text x='%d' y='%.1f' class='tick' text-anchor='end'>%.3g</text>"
          "<text x='%.1f' y='%d' class='tick' text-anchor='middle'>%.4g</text>\n",
          MARGIN_LEFT, CHART_WIDTH - MARGIN_RIGHT, place_y (limits, y), place_y (limits, y),
          MARGIN_LEFT - 6, place_y (limits, y) + 4, y, place_x (limits, x),
          CHART_HEIGHT - MARGIN_BOTTOM + 16, x);
    }
  app_html_append (html, "<text x='%d' y='%d' class='tick' text-anchor='middle'>%s</text>\n",
                   (MARGIN_LEFT + CHART_WIDTH - MARGIN_RIGHT) / 2, CHART_HEIGHT - 6, x_title);
}

static void
append_curve (GString *html, const Limits *limits, const AppHtmlCurve *curve, gsize number)
{
  const char *colour = colours[number % G_N_ELEMENTS (colours)];
  gsize n_drawn = 0;

  g_string_append_printf (html,
                          "<polyline fill='none' stroke='%s' stroke-width='2' "
                          "stroke-dasharray='%s' points='",
                          colour, dashes[number % G_N_ELEMENTS (dashes)]);
  for (gsize p = 0; p < curve->n_points; p++)
    if (is_point (&curve->points[p]))
      {
        g_string_append_printf (html, "%.1f,%.1f ", place_x (limits, curve->points[p].x),
                                place_y (limits, curve->points[p].y));
        n_drawn++;
      }
  g_string_append (html, "'/>\n");
  /* Few points are marked each; a single one would not be seen as a line. */
  for (gsize p = 0; n_drawn <= 24 && p < curve->n_points; p++)
    if (is_point (&curve->points[p]))
      g_string_append_printf (html, "<circle cx='%.1f' cy='%.1f' r='3' fill='%s'/>\n",
                              place_x (limits, curve->points[p].x),
                              place_y (limits, curve->points[p].y), colour);
}

static void
append_legend (GString *html, const AppHtmlCurve *curves, gsize n_curves)
{
  g_string_append (html, "<p class='legend'>");
  for (gsize c = 0; c < n_curves; c++)
    {
      g_string_append_printf (html,
                              "<svg width='30' height='10'><line x1='0' x2='30' y1='5' y2='5' "
                              "stroke='%s' stroke-width='3' stroke-dasharray='%s'/></svg> ",
                              colours[c % G_N_ELEMENTS (colours)],
                              dashes[c % G_N_ELEMENTS (dashes)]);
      app_html_append (html, "<span>%s</span> ", curves[c].name);
    }
  g_string_append (html, "</p>\n");
}

void
app_html_chart (GString *html, const char *title, const char *x_title, const AppHtmlCurve *curves,
                gsize n_curves, double y_low, double y_high)
{
  Limits limits;

  n_curves = MIN (n_curves, G_N_ELEMENTS (colours));
  if (!find_limits (curves, n_curves, &limits))
    return;
  if (y_low != y_high)
    {
      limits.y0 = MIN (y_low, limits.y0);
      limits.y1 = MAX (y_high, limits.y1);
    }
  app_html_append (html, "<figure><figcaption>%s</figcaption>\n", title);
  g_string_append_printf (html, "<svg viewBox='0 0 %d %d' width='%d' height='%d' role='img'>\n",
                          CHART_WIDTH, CHART_HEIGHT, CHART_WIDTH, CHART_HEIGHT);
  append_axes (html, &limits, x_title);
  for (gsize c = 0; c < n_curves; c++)
    append_curve (html, &limits, &curves[c], c);
  g_string_append (html, "</svg>\n");
  append_legend (html, curves, n_curves);
  g_string_append (html, "</figure>\n");
}

void
app_html_picture (GString *html, GBytes *png, int width_px, int height_px, const char *description)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (png, &size);
  g_autofree char *text = g_base64_encode (data, size);

  g_string_append_printf (html, "<img width='%d' height='%d' ", width_px, height_px);
  app_html_append (html, "alt='%s' ", description);
  g_string_append_printf (html, "src='data:image/png;base64,%s'>", text);
}
