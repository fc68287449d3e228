/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/marks.h"

#include <math.h>
#include <string.h>

#include "render/marks-private.h"

#define DEFAULT_WIDTH_PX 1.5f
#define CASING_PX 1.0f /* dark rim that keeps a mark visible on bright tissue */
#define POINT_RADIUS_PX 7.0

typedef enum
{
  MARK_CROSSHAIR,
  MARK_PLANE_LINE,
  MARK_POLYLINE,
  MARK_BOX,
  MARK_BRUSH,
  MARK_POINT,
  MARK_PROMPT_POINT,
} MarkKind;

typedef struct
{
  MarkKind kind;
  double ijk[3];
  double radius; /* pixels; of a brush mm */
  VolumePlane plane;
  int index;
  VolumeBox box;
  VolumePromptSign sign;
  gsize first_point, n_points; /* of a polyline */
  RenderPen pens[2];
} Mark;

struct _RenderMarks
{
  GArray *marks; /* Mark */
  GArray *points; /* double [3], of polylines */
};

typedef enum
{
  SHAPE_SEGMENT,
  SHAPE_RING,
  SHAPE_DISC
} Shape;

/* What laying out needs at hand. */
typedef struct
{
  const RenderSliceView *view;
  const VolumeGeometry *geometry;
  GArray *out;
} Layout;

/* --- drawing in pixels --- */

static RenderPen
complete_pen (const RenderPen *pen, const float rgba[4])
{
  RenderPen result = pen != NULL ? *pen : (RenderPen){ { 0 } };

  if (result.rgba[3] <= 0.0f)
    memcpy (result.rgba, rgba, sizeof result.rgba);
  if (result.width_px <= 0.0f)
    result.width_px = DEFAULT_WIDTH_PX;
  return result;
}

static void
emit (Layout *layout, Shape shape, const double ends[4], const RenderPen *pen, double radius,
      const float hole[3])
{
  RenderMarkInstance instance = {
    .ends = { (float) ends[0], (float) ends[1], (float) ends[2], (float) ends[3] },
    .shape = { (float) shape, pen->width_px * 0.5f, (float) radius, pen->dash_px },
  };

  for (int n = 0; n < 4; n++)
    if (!isfinite (instance.ends[n]))
      return;
  memcpy (instance.ink, pen->rgba, sizeof instance.ink);
  if (hole != NULL)
    memcpy (instance.hole, hole, 3 * sizeof *hole);
  g_array_append_val (layout->out, instance);
}

static RenderPen
casing_of (const RenderPen *pen)
{
  return (RenderPen){ .rgba = { 0.0f, 0.0f, 0.0f, 0.55f * pen->rgba[3] },
                      .width_px = pen->width_px + 2.0f * CASING_PX,
                      .dash_px = pen->dash_px };
}

static void
emit_cased (Layout *layout, Shape shape, const double ends[4], const RenderPen *pen, double radius,
            const float hole[3])
{
  const RenderPen casing = casing_of (pen);

  emit (layout, shape, ends, &casing, radius, hole);
  emit (layout, shape, ends, pen, radius, hole);
}

/* A line through a point with a direction, cut to the frame with a margin; FALSE if outside. */
static gboolean
cut_to_frame (const RenderSliceView *view, double x, double y, double dx, double dy, double ends[4])
{
  const double lo[2] = { -8.0, -8.0 };
  const double hi[2] = { view->width + 8.0, view->height + 8.0 };
  const double at[2] = { x, y }, along[2] = { dx, dy };
  double from = -1e9, to = 1e9;

  for (int c = 0; c < 2; c++)
    {
      double a, b;

      if (fabs (along[c]) < 1e-12)
        {
          if (at[c] < lo[c] || at[c] > hi[c])
            return FALSE;
          continue;
        }
      a = (lo[c] - at[c]) / along[c];
      b = (hi[c] - at[c]) / along[c];
      from = MAX (from, MIN (a, b));
      to = MIN (to, MAX (a, b));
    }
  if (!(from < to))
    return FALSE;
  ends[0] = x + from * dx;
  ends[1] = y + from * dy;
  ends[2] = x + to * dx;
  ends[3] = y + to * dy;
  return TRUE;
}

static gboolean
to_pixel (const Layout *layout, const double ijk[3], double *x, double *y)
{
  double distance;
  const double reach = layout->view->normal_axis >= 0 ? 0.5 : 0.5 * layout->geometry->spacing_mm[0];

  render_slice_view_ijk_to_pixel (layout->view, ijk, x, y, &distance);
  return fabs (distance) <= reach + 1e-6;
}

/* --- one kind each --- */

/* The cut of the plane ijk[axis] = value with the view: a line in pixels. */
static gboolean
plane_cut (const Layout *layout, int axis, double value, double ends[4])
{
  const RenderSliceView *view = layout->view;
  /* value = origin[axis] + x × a + y × b */
  const double a = view->ijk_per_x[axis], b = view->ijk_per_y[axis];
  const double c = value - view->origin_ijk[axis];
  const double norm = a * a + b * b;

  if (norm < 1e-18)
    return FALSE;
  return cut_to_frame (view, c * a / norm, c * b / norm, -b, a, ends);
}

static void
lay_out_crosshair (Layout *layout, const Mark *mark)
{
  const RenderSliceView *view = layout->view;
  double x, y, ends[4];
  float hole[3];

  render_slice_view_ijk_to_pixel (view, mark->ijk, &x, &y, NULL);
  hole[0] = (float) x;
  hole[1] = (float) y;
  hole[2] = (float) mark->radius;
  if (cut_to_frame (view, x, y, 1.0, 0.0, ends))
    emit_cased (layout, SHAPE_SEGMENT, ends, &mark->pens[0], 0.0, hole);
  if (cut_to_frame (view, x, y, 0.0, 1.0, ends))
    emit_cased (layout, SHAPE_SEGMENT, ends, &mark->pens[1], 0.0, hole);
}

static void
lay_out_plane_line (Layout *layout, const Mark *mark)
{
  const int axis = layout->geometry->axis_of_plane[mark->plane];
  double ends[4];

  if (axis != layout->view->normal_axis && plane_cut (layout, axis, mark->index, ends))
    emit_cased (layout, SHAPE_SEGMENT, ends, &mark->pens[0], 0.0, NULL);
}

static void
lay_out_polyline (Layout *layout, const RenderMarks *marks, const Mark *mark)
{
  const double (*points)[3] = (const double (*)[3]) (gpointer) marks->points->data;
  const RenderPen casing = casing_of (&mark->pens[0]);

  /* All of the casing first, so that it does not lie over the line at the joints. */
  for (int pass = 0; pass < 2; pass++)
    for (gsize p = 0; p + 1 < MAX (mark->n_points, 2); p++)
      {
        const gsize from = mark->first_point + MIN (p, mark->n_points - 1);
        const gsize to = mark->first_point + MIN (p + 1, mark->n_points - 1);
        double ends[4];

        if (to_pixel (layout, points[from], &ends[0], &ends[1])
            && to_pixel (layout, points[to], &ends[2], &ends[3]))
          emit (layout, SHAPE_SEGMENT, ends, pass == 0 ? &casing : &mark->pens[0], 0.0, NULL);
      }
}

/* Where the edge of a box from corner @a along @axis meets an oblique plane. */
static gboolean
edge_meets (const Layout *layout, const double a[3], const double b[3], double point[2])
{
  double at_a, at_b, cut[3];

  render_slice_view_ijk_to_pixel (layout->view, a, &point[0], &point[1], &at_a);
  render_slice_view_ijk_to_pixel (layout->view, b, &point[0], &point[1], &at_b);
  if ((at_a < 0.0) == (at_b < 0.0))
    return FALSE;
  for (int c = 0; c < 3; c++)
    cut[c] = a[c] + (b[c] - a[c]) * at_a / (at_a - at_b);
  render_slice_view_ijk_to_pixel (layout->view, cut, &point[0], &point[1], NULL);
  return TRUE;
}

/* The corners of a box's cut with an oblique plane, at most six, in no order. */
static int
cut_box (const Layout *layout, const VolumeBox *box, double points[12][2])
{
  int n = 0;

  for (int corner = 0; corner < 8; corner++)
    for (int axis = 0; axis < 3; axis++)
      {
        double a[3], b[3];

        if (corner >> axis & 1)
          continue;
        for (int c = 0; c < 3; c++)
          a[c] = b[c] = (corner >> c & 1 ? box->hi[c] : box->lo[c]) - 0.5;
        b[axis] = box->hi[axis] - 0.5;
        n += edge_meets (layout, a, b, points[n]);
      }
  return n;
}

/* A convex polygon's corners in turn: by their angle about the middle. */
static void
sort_corners (double points[12][2], int n)
{
  double x = 0.0, y = 0.0;

  for (int p = 0; p < n; p++)
    {
      x += points[p][0] / n;
      y += points[p][1] / n;
    }
  for (int p = 1; p < n; p++)
    for (int q = p; q > 0
                    && atan2 (points[q][1] - y, points[q][0] - x)
                           < atan2 (points[q - 1][1] - y, points[q - 1][0] - x);
         q--)
      for (int c = 0; c < 2; c++)
        {
          const double swap = points[q][c];

          points[q][c] = points[q - 1][c];
          points[q - 1][c] = swap;
        }
}

static void
emit_polygon (Layout *layout, double points[12][2], int n, const RenderPen *pen)
{
  for (int side = 0; side < n; side++)
    {
      const double *a = points[side], *b = points[(side + 1) % n];

      emit_cased (layout, SHAPE_SEGMENT, (double[4]){ a[0], a[1], b[0], b[1] }, pen, 0.0, NULL);
    }
}

static void
lay_out_box (Layout *layout, const Mark *mark)
{
  const RenderSliceView *view = layout->view;
  const int axis = view->normal_axis;
  double corners[12][2];
  int in_plane[2], n = 0;
  double at;

  if (axis < 0)
    {
      n = cut_box (layout, &mark->box, corners);
      sort_corners (corners, n);
      emit_polygon (layout, corners, n, &mark->pens[0]);
      return;
    }
  at = view->origin_ijk[axis];
  if (at < mark->box.lo[axis] - 0.5 || at >= mark->box.hi[axis] - 0.5)
    return;
  for (int c = 0; c < 3; c++)
    if (c != axis)
      in_plane[n++] = c;
  for (int corner = 0; corner < 4; corner++)
    {
      const gboolean high_a = corner == 1 || corner == 2, high_b = corner >= 2;
      double ijk[3];

      ijk[axis] = at;
      ijk[in_plane[0]] = (high_a ? mark->box.hi[in_plane[0]] : mark->box.lo[in_plane[0]]) - 0.5;
      ijk[in_plane[1]] = (high_b ? mark->box.hi[in_plane[1]] : mark->box.lo[in_plane[1]]) - 0.5;
      render_slice_view_ijk_to_pixel (view, ijk, &corners[corner][0], &corners[corner][1], NULL);
    }
  emit_polygon (layout, corners, 4, &mark->pens[0]);
}

static void
lay_out_round (Layout *layout, const Mark *mark, Shape shape, double radius_px)
{
  double x, y;

  if (to_pixel (layout, mark->ijk, &x, &y))
    emit_cased (layout, shape, (double[4]){ x, y, x, y }, &mark->pens[0], radius_px, NULL);
}

/* A disc with a sign in it: told apart by shape as well as by colour. */
static void
lay_out_prompt_point (Layout *layout, const Mark *mark)
{
  const RenderPen rim = { { 0.0f, 0.0f, 0.0f, 0.6f }, 1.0f, 0.0f };
  const RenderPen sign = { { 1.0f, 1.0f, 1.0f, 1.0f }, 2.0f, 0.0f };
  const double arm = 3.5;
  double x, y;

  if (!to_pixel (layout, mark->ijk, &x, &y))
    return;
  emit (layout, SHAPE_DISC, (double[4]){ x, y, x, y }, &rim, POINT_RADIUS_PX + 1.5, NULL);
  emit (layout, SHAPE_DISC, (double[4]){ x, y, x, y }, &mark->pens[0], POINT_RADIUS_PX, NULL);
  emit (layout, SHAPE_SEGMENT, (double[4]){ x - arm, y, x + arm, y }, &sign, 0.0, NULL);
  if (mark->sign == VOLUME_PROMPT_POSITIVE)
    emit (layout, SHAPE_SEGMENT, (double[4]){ x, y - arm, x, y + arm }, &sign, 0.0, NULL);
}

GArray *
render_marks_lay_out (const RenderMarks *self, const RenderSliceView *view,
                      const VolumeGeometry *geometry)
{
  Layout layout = { view, geometry, g_array_new (FALSE, FALSE, sizeof (RenderMarkInstance)) };

  for (guint m = 0; m < self->marks->len; m++)
    {
      const Mark *mark = &g_array_index (self->marks, Mark, m);

      switch (mark->kind)
        {
        case MARK_CROSSHAIR:
          lay_out_crosshair (&layout, mark);
          break;
        case MARK_PLANE_LINE:
          lay_out_plane_line (&layout, mark);
          break;
        case MARK_POLYLINE:
          lay_out_polyline (&layout, self, mark);
          break;
        case MARK_BOX:
          lay_out_box (&layout, mark);
          break;
        case MARK_BRUSH:
          lay_out_round (&layout, mark, SHAPE_RING, mark->radius * view->px_per_mm);
          break;
        case MARK_POINT:
          lay_out_round (&layout, mark, SHAPE_DISC, mark->radius);
          break;
        case MARK_PROMPT_POINT:
          lay_out_prompt_point (&layout, mark);
          break;
        }
    }
  return layout.out;
}

/* --- public --- */

RenderMarks *
render_marks_new (void)
{
  RenderMarks *self = g_new0 (RenderMarks, 1);

  self->marks = g_array_new (FALSE, TRUE, sizeof (Mark));
  self->points = g_array_new (FALSE, TRUE, 3 * sizeof (double));
  return self;
}

RenderMarks *
render_marks_copy (const RenderMarks *self)
{
  RenderMarks *copy = g_new0 (RenderMarks, 1);

  copy->marks = g_array_copy (self->marks);
  copy->points = g_array_copy (self->points);
  return copy;
}

void
render_marks_free (RenderMarks *self)
{
  if (self == NULL)
    return;
  g_array_unref (self->marks);
  g_array_unref (self->points);
  g_free (self);
}

void
render_marks_add_crosshair (RenderMarks *self, const double ijk[3], double gap_px,
                            const RenderPen pens[2])
{
  static const float rgba[4] = { 0.95f, 0.90f, 0.35f, 0.85f };
  Mark mark = { .kind = MARK_CROSSHAIR, .radius = gap_px };

  memcpy (mark.ijk, ijk, sizeof mark.ijk);
  for (int p = 0; p < 2; p++)
    {
      mark.pens[p] = complete_pen (pens != NULL ? &pens[p] : NULL, rgba);
      if (pens == NULL || pens[p].width_px <= 0.0f)
        mark.pens[p].width_px = 1.0f;
    }
  g_array_append_val (self->marks, mark);
}

void
render_marks_add_plane_line (RenderMarks *self, VolumePlane plane, int index, const RenderPen *pen)
{
  static const float rgba[4] = { 0.34f, 0.71f, 0.91f, 0.8f };
  Mark mark = { .kind = MARK_PLANE_LINE, .plane = plane, .index = index };

  mark.pens[0] = complete_pen (pen, rgba);
  if (pen == NULL)
    {
      mark.pens[0].width_px = 1.0f;
      mark.pens[0].dash_px = 6.0f;
    }
  g_array_append_val (self->marks, mark);
}

static const float positive_rgba[4] = { 0.0f, 0.62f, 0.45f, 1.0f };
static const float negative_rgba[4] = { 0.84f, 0.37f, 0.0f, 1.0f };

void
render_marks_add_prompt (RenderMarks *self, const VolumePrompt *prompt)
{
  static const float box_rgba[4] = { 0.94f, 0.89f, 0.26f, 1.0f };

  if (prompt->has_box)
    {
      const RenderPen pen = complete_pen (NULL, box_rgba);

      render_marks_add_box (self, &prompt->box, &pen);
    }
  for (guint s = 0; prompt->scribbles != NULL && s < prompt->scribbles->len; s++)
    {
      const VolumePromptScribble *scribble = prompt->scribbles->pdata[s];
      g_autofree double *ijk = g_new (double, scribble->n_points * 3 + 1);
      const gboolean positive =
          scribble->n_points > 0 && scribble->points[0].sign == VOLUME_PROMPT_POSITIVE;
      RenderPen pen = complete_pen (NULL, positive ? positive_rgba : negative_rgba);

      pen.width_px = 3.0f;
      pen.dash_px = positive ? 0.0f : 7.0f;
      for (gsize p = 0; p < scribble->n_points; p++)
        memcpy (ijk + p * 3, scribble->points[p].ijk, 3 * sizeof *ijk);
      render_marks_add_polyline (self, (const double (*)[3]) ijk, scribble->n_points, &pen);
    }
  for (guint p = 0; prompt->points != NULL && p < prompt->points->len; p++)
    {
      const VolumePromptPoint *point = &g_array_index (prompt->points, VolumePromptPoint, p);
      Mark mark = { .kind = MARK_PROMPT_POINT, .sign = point->sign };

      memcpy (mark.ijk, point->ijk, sizeof mark.ijk);
      mark.pens[0] = complete_pen (NULL, point->sign == VOLUME_PROMPT_POSITIVE ? positive_rgba
                                                                               : negative_rgba);
      g_array_append_val (self->marks, mark);
    }
}

void
render_marks_add_box (RenderMarks *self, const VolumeBox *box, const RenderPen *pen)
{
  static const float rgba[4] = { 0.94f, 0.89f, 0.26f, 1.0f };
  Mark mark = { .kind = MARK_BOX, .box = *box };

  mark.pens[0] = complete_pen (pen, rgba);
  g_array_append_val (self->marks, mark);
}

void
render_marks_add_brush (RenderMarks *self, const double ijk[3], double radius_mm,
                        const RenderPen *pen)
{
  static const float rgba[4] = { 1.0f, 1.0f, 1.0f, 0.9f };
  Mark mark = { .kind = MARK_BRUSH, .radius = radius_mm };

  memcpy (mark.ijk, ijk, sizeof mark.ijk);
  mark.pens[0] = complete_pen (pen, rgba);
  g_array_append_val (self->marks, mark);
}

void
render_marks_add_polyline (RenderMarks *self, const double (*ijk)[3], gsize n_points,
                           const RenderPen *pen)
{
  static const float rgba[4] = { 0.34f, 0.71f, 0.91f, 1.0f };
  Mark mark = { .kind = MARK_POLYLINE, .first_point = self->points->len, .n_points = n_points };

  if (n_points == 0)
    return;
  mark.pens[0] = complete_pen (pen, rgba);
  g_array_append_vals (self->points, ijk, (guint) n_points);
  g_array_append_val (self->marks, mark);
}

void
render_marks_add_point (RenderMarks *self, const double ijk[3], double radius_px,
                        const RenderPen *pen)
{
  static const float rgba[4] = { 0.94f, 0.89f, 0.26f, 1.0f };
  Mark mark = { .kind = MARK_POINT, .radius = radius_px };

  memcpy (mark.ijk, ijk, sizeof mark.ijk);
  mark.pens[0] = complete_pen (pen, rgba);
  g_array_append_val (self->marks, mark);
}
