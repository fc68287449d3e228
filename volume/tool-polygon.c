/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/memory.h"
#include "volume/tool-polygon.h"

#include <math.h>
#include <string.h>

/* Marks in @row where inside and outside change, from left to right, at the height @v. An edge
 * counts from its upper end (included) to its lower end (not included), so that a vertex is crossed
 * once. */
static void
mark_crossings (const double (*points)[2], gsize n_points, int v, guint8 *row, int n_u)
{
  for (gsize p = 0; p < n_points; p++)
    {
      const double *a = points[p];
      const double *b = points[(p + 1) % n_points];
      double u;

      if ((a[1] <= v) == (b[1] <= v))
        continue;
      u = ceil (a[0] + (v - a[1]) / (b[1] - a[1]) * (b[0] - a[0]));
      if (u < n_u)
        row[(int) MAX (u, 0)] ^= 1;
    }
}

void
volume_tool_polygon_fill (const VolumeSliceRaster *raster, const double (*points)[2],
                          gsize n_points, guint8 *pixels)
{
  const VolumeSliceFrame *frame = &raster->frame;

  memset (pixels, 0, volume_slice_raster_get_n_pixels (raster));
  for (gsize p = 0; p < n_points; p++)
    g_return_if_fail (isfinite (points[p][0]) && isfinite (points[p][1]));

  for (int v = 0; v < frame->n_v; v++)
    {
      guint8 *row = pixels + (gsize) v * frame->n_u;

      mark_crossings (points, n_points, v, row, frame->n_u);
      for (int u = 1; u < frame->n_u; u++)
        row[u] ^= row[u - 1];
    }
}

void
volume_tool_polygon (VolumeEditBuilder *builder, const VolumeSliceRaster *raster,
                     const double (*points)[2], gsize n_points, guint16 label)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *pixels =
      volume_memory_try (volume_slice_raster_get_n_pixels (raster), 1, &error);

  if (pixels == NULL)
    {
      volume_edit_builder_fail (builder, g_steal_pointer (&error));
      return;
    }
  volume_tool_polygon_fill (raster, points, n_points, pixels);
  volume_slice_raster_apply (raster, pixels, builder, label);
}
