/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/curve-view.h"

#include <glib/gi18n.h>
#include <math.h>

#define LEFT 52
#define RIGHT 12
#define TOP 26
#define BOTTOM 26

typedef struct
{
  char *name;
  GArray *x, *y; /* double */
} Curve;

struct _UiCurveView
{
  GtkWidget parent_instance;

  char *title, *x_title;
  GPtrArray *curves;
  gboolean has_range;
  double min, max;
};

G_DEFINE_FINAL_TYPE (UiCurveView, ui_curve_view, GTK_TYPE_WIDGET)

typedef struct
{
  double x0, x1, y0, y1;
} Range;

/* Okabe–Ito */
static const GdkRGBA colours[] = {
  { 0.90f, 0.62f, 0.00f, 1 }, { 0.34f, 0.71f, 0.91f, 1 }, { 0.00f, 0.62f, 0.45f, 1 },
  { 0.80f, 0.47f, 0.65f, 1 }, { 0.84f, 0.37f, 0.00f, 1 }, { 0.00f, 0.45f, 0.70f, 1 },
};
static const double dashes[][2] = { { 0, 0 }, { 8, 4 }, { 2, 3 }, { 12, 3 } };

static void
curve_free (gpointer data)
{
  Curve *curve = data;

  g_free (curve->name);
  g_array_unref (curve->x);
  g_array_unref (curve->y);
  g_free (curve);
}

static Range
find_range (UiCurveView *self)
{
  Range range = { INFINITY, -INFINITY, INFINITY, -INFINITY };

  for (guint c = 0; c < self->curves->len; c++)
    {
      const Curve *curve = g_ptr_array_index (self->curves, c);

      for (guint p = 0; p < curve->x->len; p++)
        {
          double x = g_array_index (curve->x, double, p), y = g_array_index (curve->y, double, p);

          range.x0 = MIN (range.x0, x);
          range.x1 = MAX (range.x1, x);
          range.y0 = MIN (range.y0, y);
          range.y1 = MAX (range.y1, y);
        }
    }
  if (!isfinite (range.x0))
    range = (Range){ 0, 1, 0, 1 };
  if (self->has_range)
    {
      range.y0 = self->min;
      range.y1 = self->max;
    }
  if (!(range.x1 > range.x0))
    range.x1 = range.x0 + 1;
  if (!(range.y1 > range.y0))
    range.y1 = range.y0 + 1;
  return range;
}

static void
draw_text (UiCurveView *self, GtkSnapshot *snapshot, const char *text, double x, double y,
           const GdkRGBA *colour)
{
  g_autoptr (PangoLayout) layout = gtk_widget_create_pango_layout (GTK_WIDGET (self), text);

  gtk_snapshot_save (snapshot);
  gtk_snapshot_translate (snapshot, &GRAPHENE_POINT_INIT (x, y));
  gtk_snapshot_append_layout (snapshot, layout, colour);
  gtk_snapshot_restore (snapshot);
}

static void
draw_axes (UiCurveView *self, GtkSnapshot *snapshot, const Range *range, const GdkRGBA *colour)
{
  double width = gtk_widget_get_width (GTK_WIDGET (self));
  double height = gtk_widget_get_height (GTK_WIDGET (self));
  GdkRGBA line = *colour;

  line.alpha = 0.15f;
  for (int t = 0; t <= 4; t++)
    {
      double along = t / 4.0;
      double y = height - BOTTOM - along * (height - TOP - BOTTOM);
      g_autofree char *text = g_strdup_printf ("%.3g", range->y0 + along * (range->y1 - range->y0));

      gtk_snapshot_append_color (snapshot, &line,
                                 &GRAPHENE_RECT_INIT (LEFT, y, width - LEFT - RIGHT, 1));
      draw_text (self, snapshot, text, 4, y - 9, colour);
    }
  /* The axis' name stands in the middle. */
  for (int t = 0; t <= 2; t += 2)
    {
      double along = t / 2.0;
      g_autofree char *text = g_strdup_printf ("%.4g", range->x0 + along * (range->x1 - range->x0));

      draw_text (self, snapshot, text, LEFT + along * (width - LEFT - RIGHT) - (t == 2 ? 28 : 0),
                 height - BOTTOM + 4, colour);
    }
  draw_text (self, snapshot, self->x_title, width / 2, height - BOTTOM + 4, colour);
}

static void
draw_curve (UiCurveView *self, cairo_t *cr, const Curve *curve, guint number, const Range *range)
{
  double width = gtk_widget_get_width (GTK_WIDGET (self));
  double height = gtk_widget_get_height (GTK_WIDGET (self));
  const double *dash = dashes[number / G_N_ELEMENTS (colours) % G_N_ELEMENTS (dashes)];

  for (guint p = 0; p < curve->x->len; p++)
    {
      double x = (g_array_index (curve->x, double, p) - range->x0) / (range->x1 - range->x0);
      double y = (g_array_index (curve->y, double, p) - range->y0) / (range->y1 - range->y0);

      x = LEFT + x * (width - LEFT - RIGHT);
      y = height - BOTTOM - y * (height - TOP - BOTTOM);
      cairo_line_to (cr, x, y);
      if (curve->x->len < 40)
        {
          cairo_new_sub_path (cr);
          cairo_arc (cr, x, y, 2, 0, 2 * G_PI);
          cairo_move_to (cr, x, y);
        }
    }
  gdk_cairo_set_source_rgba (cr, &colours[number % G_N_ELEMENTS (colours)]);
  cairo_set_dash (cr, dash, dash[0] > 0 ? 2 : 0, 0);
  cairo_set_line_width (cr, 2);
  cairo_stroke (cr);
}

static void
draw_legend (UiCurveView *self, GtkSnapshot *snapshot, const GdkRGBA *colour)
{
  double x = LEFT;

  draw_text (self, snapshot, self->title, 4, 2, colour);
  x += 8.0 * g_utf8_strlen (self->title, -1);
  for (guint c = 0; c < self->curves->len; c++)
    {
      const Curve *curve = g_ptr_array_index (self->curves, c);

      gtk_snapshot_append_color (snapshot, &colours[c % G_N_ELEMENTS (colours)],
                                 &GRAPHENE_RECT_INIT (x, 10, 16, 4));
      draw_text (self, snapshot, curve->name, x + 20, 2, colour);
      x += 36 + 8.0 * g_utf8_strlen (curve->name, -1);
    }
}

static void
ui_curve_view_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  UiCurveView *self = UI_CURVE_VIEW (widget);
  Range range = find_range (self);
  GdkRGBA colour;
  cairo_t *cr;

  gtk_style_context_get_color (gtk_widget_get_style_context (widget), &colour);
  draw_legend (self, snapshot, &colour);
  if (self->curves->len == 0)
    {
      draw_text (self, snapshot, _ ("Nothing measured yet"), LEFT,
                 gtk_widget_get_height (widget) / 2.0, &colour);
      return;
    }
  draw_axes (self, snapshot, &range, &colour);
  cr =
      gtk_snapshot_append_cairo (snapshot, &GRAPHENE_RECT_INIT (0, 0, gtk_widget_get_width (widget),
                                                                gtk_widget_get_height (widget)));
  for (guint c = 0; c < self->curves->len; c++)
    draw_curve (self, cr, g_ptr_array_index (self->curves, c), c, &range);
  cairo_destroy (cr);
}

static void
ui_curve_view_measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum,
                       int *natural, int *minimum_baseline, int *natural_baseline)
{
  *minimum = orientation == GTK_ORIENTATION_HORIZONTAL ? 240 : 140;
  *natural = orientation == GTK_ORIENTATION_HORIZONTAL ? 480 : 200;
}

static void
ui_curve_view_finalize (GObject *object)
{
  UiCurveView *self = UI_CURVE_VIEW (object);

  g_ptr_array_unref (self->curves);
  g_free (self->title);
  g_free (self->x_title);
  G_OBJECT_CLASS (ui_curve_view_parent_class)->finalize (object);
}

static void
ui_curve_view_class_init (UiCurveViewClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = ui_curve_view_finalize;
  widget_class->snapshot = ui_curve_view_snapshot;
  widget_class->measure = ui_curve_view_measure;
  gtk_widget_class_set_css_name (widget_class, "curveview");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void
ui_curve_view_init (UiCurveView *self)
{
  self->curves = g_ptr_array_new_with_free_func (curve_free);
}

GtkWidget *
ui_curve_view_new (const char *title, const char *x_title)
{
  UiCurveView *self = g_object_new (UI_TYPE_CURVE_VIEW, NULL);

  self->title = g_strdup (title);
  self->x_title = g_strdup (x_title);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, title, -1);
  return GTK_WIDGET (self);
}

void
ui_curve_view_clear (UiCurveView *self)
{
  g_ptr_array_set_size (self->curves, 0);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
ui_curve_view_set_range (UiCurveView *self, double min, double max)
{
  self->has_range = TRUE;
  self->min = min;
  self->max = max;
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static Curve *
find_curve (UiCurveView *self, const char *name)
{
  Curve *curve;

  for (guint c = 0; c < self->curves->len; c++)
    {
      curve = g_ptr_array_index (self->curves, c);
      if (g_str_equal (curve->name, name))
        return curve;
    }
  curve = g_new0 (Curve, 1);
  curve->name = g_strdup (name);
  curve->x = g_array_new (FALSE, FALSE, sizeof (double));
  curve->y = g_array_new (FALSE, FALSE, sizeof (double));
  g_ptr_array_add (self->curves, curve);
  return curve;
}

void
ui_curve_view_set_curve (UiCurveView *self, const char *name, const double *x, const double *y,
                         gsize n_points)
{
  Curve *curve = find_curve (self, name);
  g_autofree char *text = NULL;

  g_array_set_size (curve->x, 0);
  g_array_set_size (curve->y, 0);
  for (gsize p = 0; p < n_points; p++)
    if (isfinite (x[p]) && isfinite (y[p]))
      {
        g_array_append_val (curve->x, x[p]);
        g_array_append_val (curve->y, y[p]);
      }
  if (curve->y->len > 0)
    {
      /* Translators: a curve and its latest value, for screen readers */
      text = g_strdup_printf (_ ("%s: %.3g now"), name,
                              g_array_index (curve->y, double, curve->y->len - 1));
      gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION,
                                      text, -1);
    }
  gtk_widget_queue_draw (GTK_WIDGET (self));
}
