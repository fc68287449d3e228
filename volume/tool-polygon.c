/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/tool-polygon.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int
compare_doubles (const void *a, const void *b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Where the row at height @v crosses the outline, from left to right. An edge counts from its upper
 * end (included) to its lower end (not included), so that a vertex is crossed once. */
static gsize
crossings_of_row (const double (*points)[2], gsize n_points, double v, double *crossings)
{
  gsize n = 0;

  for (gsize p = 0; p < n_points; p++)
    {
      const double *a = points[p];
      const double *b = points[(p + 1) % n_points];

      if ((a[1] <= v) == (b[1] <= v))
        continue;
      crossings[n++] = a[0] + (v - a[1]) / (b[1] - a[1]) * (b[0] - a[0]);
    }
  qsort (crossings, n, sizeof (double), compare_doubles);
  return n;
}

void
volume_tool_polygon_fill (const VolumeSliceRaster *raster, const double (*points)[2],
                          gsize n_points, guint8 *pixels)
{
  const VolumeSliceFrame *frame = &raster->frame;
  g_autofree double *crossings = g_new (double, n_points + 1);

  memset (pixels, 0, volume_slice_raster_get_n_pixels (raster));
  for (gsize p = 0; p < n_points; p++)
    g_return_if_fail (isfinite (points[p][0]) && isfinite (points[p][1]));

  for (int v = 0; v < frame->n_v; v++)
    {
      guint8 *row = pixels + (gsize) v * frame->n_u;
      gsize n = crossings_of_row (points, n_points, v, crossings);

      for (gsize c = 0; c + 1 < n; c += 2)
        {
          int first = (int) ceil (CLAMP (crossings[c], 0, frame->n_u));
          int end = (int) ceil (CLAMP (crossings[c + 1], 0, frame->n_u));

          if (end > first)
            memset (row + first, 1, end - first);
        }
    }
}

void
volume_tool_polygon (VolumeEditBuilder *builder, const VolumeSliceRaster *raster,
                     const double (*points)[2], gsize n_points, guint16 label)
{
  g_autofree guint8 *pixels = g_malloc (volume_slice_raster_get_n_pixels (raster));

  volume_tool_polygon_fill (raster, points, n_points, pixels);
  volume_slice_raster_apply (raster, pixels, builder, label);
}
