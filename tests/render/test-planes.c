/* SPDX-License-Identifier: Apache-2.0 */

/* The 3-D view's planes against rays followed one by one in doubles: which of the three slices is
 * met first, and what stands there. Values rise linearly, so that interpolation is exact. */

#include "config.h"

#include <math.h>

#include "fixture.h"
#include "render/volume-view.h"

#define NX 26
#define NY 22
#define NZ 18
#define SIDE 240

static const int size[3] = { NX, NY, NZ };
static const double spacing[3] = { 1.0, 1.25, 1.5 };
static const double affine[4][4] = {
  { 1.0, 0, 0, -40 }, { 0, 1.25, 0, 7 }, { 0, 0, 1.5, 300 }, { 0, 0, 0, 1 }
};
static const double cut[3] = { 11, 9, 10 };

static double
value_at (const double ijk[3])
{
  return 200.0 + 12.0 * ijk[0] + 9.0 * ijk[1] + 14.0 * ijk[2];
}

typedef struct
{
  int axis; /* of the plane met first; −1: none, −2: too close to an edge to say */
  double ijk[3];
} Hit;

/* Viewer at @azimuth (0 before the patient, 90 at the patient's left) and @elevation; RAS. */
static Hit
follow (double azimuth, double elevation, double x, double y)
{
  const double az = azimuth * G_PI / 180.0, el = elevation * G_PI / 180.0;
  const double stands[3] = { -cos (el) * sin (az), cos (el) * cos (az), sin (el) };
  const double right[3] = { -cos (az), -sin (az), 0.0 };
  const double up[3] = { stands[1] * right[2] - stands[2] * right[1],
                         stands[2] * right[0] - stands[0] * right[2],
                         stands[0] * right[1] - stands[1] * right[0] };
  double diameter = 0.0, nearest = INFINITY, second = INFINITY, edge = INFINITY;
  Hit hit = { -1, { 0 } };

  for (int c = 0; c < 3; c++)
    diameter += size[c] * spacing[c] * size[c] * spacing[c];
  diameter = sqrt (diameter);
  for (int axis = 0; axis < 3; axis++)
    {
      const double mm_x = (x - SIDE / 2.0) * diameter / SIDE,
                   mm_y = (SIDE / 2.0 - y) * diameter / SIDE;
      double from[3], at[3], t;
      double margin = INFINITY;

      /* Millimetres from the middle of the scan. */
      for (int c = 0; c < 3; c++)
        from[c] = right[c] * mm_x + up[c] * mm_y;
      t = ((cut[axis] - (size[axis] - 1) / 2.0) * spacing[axis] - from[axis]) / -stands[axis];
      for (int c = 0; c < 3; c++)
        {
          at[c] = (from[c] - stands[c] * t) / spacing[c] + (size[c] - 1) / 2.0;
          if (c != axis)
            margin = MIN (margin, MIN (at[c] + 0.5, size[c] - 0.5 - at[c]));
        }
      edge = MIN (edge, fabs (margin));
      if (margin < 0.0)
        continue;
      second = MIN (second, MAX (t, nearest));
      if (t < nearest)
        {
          nearest = t;
          hit.axis = axis;
          for (int c = 0; c < 3; c++)
            hit.ijk[c] = CLAMP (at[c], 0.0, size[c] - 1.0);
        }
    }
  if (edge < 0.3 || second - nearest < 0.5)
    hit.axis = -2;
  return hit;
}

static VolumeScan *
ramp_scan (void)
{
  gint16 values[NX * NY * NZ];

  for (int v = 0; v < NX * NY * NZ; v++)
    values[v] = (gint16) value_at ((double[3]){ v % NX, v / NX % NY, v / NX / NY });
  return fixture_scan (size, affine, VOLUME_DTYPE_I16, values);
}

static const guint8 *
pixel (RenderFrame *frame, int x, int y)
{
  return render_frame_get_pixels (frame) + (gsize) y * render_frame_get_stride_bytes (frame)
         + 4 * x;
}

static void
test_planes (void)
{
  static const double views[][2] = { { 30, 20 }, { -110, 35 }, { 200, -25 }, { 75, 60 } };
  RenderDevice *device = fixture_open (NULL);
  VolumeScan *volume = ramp_scan ();
  RenderScan *scan = render_scan_new (device, volume);

  for (guint v = 0; v < G_N_ELEMENTS (views); v++)
    {
      RenderVolumeParams params = { .scan = scan,
                                    .width = SIDE,
                                    .height = SIDE,
                                    .mode = RENDER_VOLUME_MODE_PLANES,
                                    .azimuth_deg = views[v][0],
                                    .elevation_deg = views[v][1],
                                    .window_centre = 500,
                                    .window_width = 1000,
                                    .cut_ijk = { cut[0], cut[1], cut[2] } };
      g_autoptr (GError) error = NULL;
      g_autoptr (RenderFrame) frame = render_volume_sync (device, &params, &error);
      int seen[3] = { 0 };

      g_assert_no_error (error);
      for (int y = 0; y < SIDE; y += 3)
        for (int x = 0; x < SIDE; x += 3)
          {
            const Hit hit = follow (views[v][0], views[v][1], x + 0.5, y + 0.5);
            const double grey = hit.axis >= 0 ? value_at (hit.ijk) / 1000.0 * 255.0 : 0.0;

            if (hit.axis == -2)
              continue;
            if (hit.axis >= 0)
              seen[hit.axis]++;
            if (fabs (pixel (frame, x, y)[1] - grey) > 1.0 + fixture_tolerance (device))
              g_error ("view %u, pixel %d, %d: %d, expected %.2f on plane %d", v, x, y,
                       pixel (frame, x, y)[1], grey, hit.axis);
          }
      for (int axis = 0; axis < 3; axis++)
        g_assert_cmpint (seen[axis], >, 50);
    }
  render_scan_unref (scan);
  volume_scan_unref (volume);
  fixture_close (device);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/render/planes/first-met", test_planes);
  return g_test_run ();
}
