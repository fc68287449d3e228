/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/tool-brush.h"

#include <math.h>

/* Half widths of the brush in pixels of the slice. */
static void
half_widths (const VolumeSliceFrame *frame, const VolumeBrush *brush, double half[2])
{
  if (brush->diameter_mm > 0)
    {
      half[0] = brush->diameter_mm / frame->du_mm / 2;
      half[1] = brush->diameter_mm / frame->dv_mm / 2;
    }
  else
    half[0] = half[1] = brush->diameter_voxels / 2;
}

/* Is the pixel covered by the ellipse of half widths @half somewhere on the segment a → b? In
 * coordinates where the ellipse is the unit circle: distance from point to segment. */
static gboolean
round_covers (const double a[2], const double b[2], const double half[2], double u, double v)
{
  const double dx = (b[0] - a[0]) / half[0], dy = (b[1] - a[1]) / half[1];
  const double px = (u - a[0]) / half[0], py = (v - a[1]) / half[1];
  const double length2 = dx * dx + dy * dy;
  const double t = length2 > 0 ? CLAMP ((px * dx + py * dy) / length2, 0, 1) : 0;
  const double ex = px - t * dx, ey = py - t * dy;

  return ex * ex + ey * ey <= 1.0;
}

/* The same for the unit square: there must be a t with both |coordinates| ≤ 1. */
static gboolean
square_covers (const double a[2], const double b[2], const double half[2], double u, double v)
{
  const double p[2] = { (u - a[0]) / half[0], (v - a[1]) / half[1] };
  const double d[2] = { (b[0] - a[0]) / half[0], (b[1] - a[1]) / half[1] };
  double t_low = 0, t_high = 1;

  for (int axis = 0; axis < 2; axis++)
    {
      double t0, t1;

      if (fabs (d[axis]) < 1e-12)
        {
          if (fabs (p[axis]) > 1.0)
            return FALSE;
          continue;
        }
      t0 = (p[axis] - 1.0) / d[axis];
      t1 = (p[axis] + 1.0) / d[axis];
      t_low = MAX (t_low, MIN (t0, t1));
      t_high = MIN (t_high, MAX (t0, t1));
    }
  return t_low <= t_high;
}

typedef struct
{
  VolumeEditBuilder *builder;
  const VolumeSliceRaster *raster;
  VolumeScan *scan;
  const VolumeBrush *brush;
  guint16 label;
} Stroke;

static void
touch (const Stroke *stroke, int u, int v)
{
  const VolumeBrush *brush = stroke->brush;
  int ijk[3];

  volume_slice_raster_voxel (stroke->raster, u, v, ijk);
  if (brush->limit_intensity)
    {
      float value = volume_scan_get_value (stroke->scan, ijk[0], ijk[1], ijk[2]);

      if (!(value >= brush->low && value <= brush->high))
        return;
    }
  volume_edit_builder_set (stroke->builder, ijk[0], ijk[1], ijk[2], stroke->label);
}

/* First and last pixel from @low to @high along an axis of @n pixels; outside gives an empty range.
 * A path may be anywhere, also where an int would overflow. */
static void
pixel_range (double low, double high, int n, int *first, int *last)
{
  *first = (int) ceil (CLAMP (low, 0, n));
  *last = (int) floor (CLAMP (high, -1, n - 1));
}

static void
cover_segment (const Stroke *stroke, const double a[2], const double b[2], const double half[2])
{
  const VolumeSliceFrame *frame = &stroke->raster->frame;
  int u0, u1, v0, v1;

  pixel_range (MIN (a[0], b[0]) - half[0], MAX (a[0], b[0]) + half[0], frame->n_u, &u0, &u1);
  pixel_range (MIN (a[1], b[1]) - half[1], MAX (a[1], b[1]) + half[1], frame->n_v, &v0, &v1);
  for (int v = v0; v <= v1; v++)
    for (int u = u0; u <= u1; u++)
      if (stroke->brush->shape == VOLUME_BRUSH_ROUND ? round_covers (a, b, half, u, v)
                                                     : square_covers (a, b, half, u, v))
        touch (stroke, u, v);
}

/* The pixels under the pointer itself, without gaps even if the brush is finer than they are. */
static void
cover_line (const Stroke *stroke, const double a[2], const double b[2])
{
  const VolumeSliceFrame *frame = &stroke->raster->frame;
  const double length = MAX (fabs (b[0] - a[0]), fabs (b[1] - a[1]));
  const int n_steps = (int) CLAMP (ceil (2 * length), 1, 1e6);

  for (int s = 0; s <= n_steps; s++)
    {
      double t = (double) s / n_steps;
      double u = a[0] + t * (b[0] - a[0]), v = a[1] + t * (b[1] - a[1]);

      if (u >= -0.5 && u < frame->n_u - 0.5 && v >= -0.5 && v < frame->n_v - 0.5)
        touch (stroke, (int) floor (u + 0.5), (int) floor (v + 0.5));
    }
}

void
volume_tool_brush (VolumeEditBuilder *builder, const VolumeSliceRaster *raster, VolumeScan *scan,
                   const VolumeBrush *brush, const double (*points)[2], gsize n_points,
                   guint16 label)
{
  const Stroke stroke = { builder, raster, scan, brush, label };
  double half[2];

  g_return_if_fail (!brush->limit_intensity || scan != NULL);

  half_widths (&raster->frame, brush, half);
  for (gsize p = 0; p < n_points; p++)
    {
      const double *a = points[p > 0 ? p - 1 : 0];
      const double *b = points[p];

      if (n_points > 1 && p == 0)
        continue;
      if (!isfinite (a[0] + a[1] + b[0] + b[1]))
        continue;
      cover_line (&stroke, a, b);
      if (half[0] > 0 && half[1] > 0)
        cover_segment (&stroke, a, b, half);
    }
}
