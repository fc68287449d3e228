/* SPDX-License-Identifier: Apache-2.0 */
/* The 3-D view against rays cast here, in doubles, from where the header says the viewer stands. */
#include "render/volume-view.h"

#include <math.h>
#include <string.h>

#include "tests/render/fixture.h"

#define SIDE 120

/* Voxel axes that run left, superior and anterior, of three spacings, off the origin. */
static const int size[3] = { 44, 40, 50 };
static const double affine[4][4] = {
  { -1.0, 0, 0, 21.0 }, { 0, 0, 0.9, -30.0 }, { 0, 1.2, 0, 5.0 }, { 0, 0, 0, 1 }
};

typedef struct
{
  double right[3], up[3], into[3];
  double middle[3], px_per_mm, diameter;
} Eye;

static void
cross (const double a[3], const double b[3], double out[3])
{
  for (int c = 0; c < 3; c++)
    out[c] = a[(c + 1) % 3] * b[(c + 2) % 3] - a[(c + 2) % 3] * b[(c + 1) % 3];
}

static double
dot (const double a[3], const double b[3])
{
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static void
to_ras (const double ijk[3], double ras[3])
{
  for (int r = 0; r < 3; r++)
    ras[r] = dot (affine[r], ijk) + affine[r][3];
}

/* The affine is a permutation with scales: its inverse can be read off. */
static void
to_ijk (const double ras[3], double ijk[3])
{
  ijk[0] = (ras[0] - affine[0][3]) / affine[0][0];
  ijk[1] = (ras[2] - affine[2][3]) / affine[2][1];
  ijk[2] = (ras[1] - affine[1][3]) / affine[1][2];
}

/* Azimuth 0: in front of the patient; 90: at the left; elevation towards superior. */
static Eye
stand (double azimuth_deg, double elevation_deg)
{
  const double az = azimuth_deg * G_PI / 180.0, el = elevation_deg * G_PI / 180.0;
  const double viewer[3] = { -sin (az) * cos (el), cos (az) * cos (el), sin (el) };
  const double middle_ijk[3] = { (size[0] - 1) / 2.0, (size[1] - 1) / 2.0, (size[2] - 1) / 2.0 };
  const double superior[3] = { 0, 0, 1 };
  const double sides[3] = { size[0] * 1.0, size[1] * 1.2, size[2] * 0.9 };
  Eye eye;
  double length;

  for (int c = 0; c < 3; c++)
    eye.into[c] = -viewer[c];
  cross (eye.into, superior, eye.right);
  length = sqrt (dot (eye.right, eye.right));
  for (int c = 0; c < 3; c++)
    eye.right[c] /= length;
  cross (eye.right, eye.into, eye.up);
  to_ras (middle_ijk, eye.middle);
  eye.diameter = sqrt (dot (sides, sides));
  eye.px_per_mm = SIDE / eye.diameter;
  return eye;
}

/* The point on the ray of a pixel that lies nearest to the middle of the scan, RAS. */
static void
ray_of (const Eye *eye, int x, int y, double point[3])
{
  for (int c = 0; c < 3; c++)
    point[c] = eye->middle[c] + eye->right[c] * (x + 0.5 - SIDE / 2.0) / eye->px_per_mm
               + eye->up[c] * (SIDE / 2.0 - y - 0.5) / eye->px_per_mm;
}

typedef struct
{
  RenderDevice *device;
  VolumeScan *volume;
  RenderScan *scan;
  RenderLabels *labels;
  RenderVolumeParams params;
} Scene;

typedef double (*Field) (const double ras[3]);

static void
scene_open (Scene *scene, Field value, Field label)
{
  const int n = size[0] * size[1] * size[2];
  g_autofree gint16 *values = g_new (gint16, n);
  guint16 *ids = g_new (guint16, n);
  g_autoptr (GBytes) bytes = NULL;

  memset (scene, 0, sizeof *scene);
  for (int v = 0; v < n; v++)
    {
      const double ijk[3] = { v % size[0], v / size[0] % size[1], v / size[0] / size[1] };
      double ras[3];

      to_ras (ijk, ras);
      values[v] = (gint16) value (ras);
      ids[v] = label != NULL ? (guint16) label (ras) : 0;
    }
  bytes = g_bytes_new_take (ids, (gsize) n * sizeof *ids);
  scene->device = fixture_open (NULL);
  scene->volume = fixture_scan (size, affine, VOLUME_DTYPE_I16, values);
  scene->scan = render_scan_new (scene->device, scene->volume);
  scene->labels = render_labels_new (scene->device, size);
  render_labels_update_array (scene->labels, bytes);
  scene->params = (RenderVolumeParams){ .scan = scene->scan,
                                        .labels = label != NULL ? scene->labels : NULL,
                                        .width = SIDE,
                                        .height = SIDE,
                                        .label_opacity = 1.0,
                                        .window_centre = 500.0,
                                        .window_width = 1000.0 };
}

static void
scene_close (Scene *scene)
{
  render_labels_unref (scene->labels);
  render_scan_unref (scene->scan);
  volume_scan_unref (scene->volume);
  fixture_close (scene->device);
}

static RenderFrame *
scene_draw (Scene *scene, double azimuth, double elevation)
{
  g_autoptr (GError) error = NULL;
  RenderFrame *frame;

  scene->params.azimuth_deg = azimuth;
  scene->params.elevation_deg = elevation;
  frame = render_volume_sync (scene->device, &scene->params, &error);
  g_assert_no_error (error);
  return frame;
}

static const guint8 *
pixel (RenderFrame *frame, int x, int y)
{
  return fixture_pixel (frame, x, y);
}

static double
nothing (const double ras[3])
{
  return 0.0;
}

/* --- a ball, and its light --- */

#define RADIUS 13.0
static const double ball_middle[3] = { 2.0, -8.0, 27.0 };

static double
distance (const double a[3], const double b[3])
{
  const double d[3] = { a[0] - b[0], a[1] - b[1], a[2] - b[2] };

  return sqrt (dot (d, d));
}

static double
ball (const double ras[3])
{
  return distance (ras, ball_middle) < RADIUS ? 1.0 : 0.0;
}

/* Phong's light from the viewer's upper left, as the view promises it. */
static void
lit (const double base[3], const double normal[3], double rgb[3])
{
  const double light[3] = { -0.36, 0.48, 0.8 };
  double half[3] = { -0.36, 0.48, 1.8 };
  const double length = sqrt (dot (half, half));
  const double diffuse = fmax (dot (normal, light), 0.0);
  const double gloss = pow (fmax (dot (normal, half) / length, 0.0), 40.0);
  const double rim = pow (1.0 - normal[2], 3.0);

  for (int c = 0; c < 3; c++)
    rgb[c] = fmin (base[c] * (0.30 + 0.75 * diffuse) * (1.0 - 0.35 * rim) + 0.22 * gloss, 1.0);
}

static void
palette_ink (guint16 id, double ink[3])
{
  guint8 rgba[4];

  volume_label_palette ((gsize) id - 1, rgba);
  for (int c = 0; c < 3; c++)
    ink[c] = rgba[c] / 255.0;
}

static void
test_ball (void)
{
  static const double views[][2] = { { 0, 0 }, { 35, 20 }, { 200, -40 }, { 90, 0 }, { 310, 70 } };
  static const float background[3] = { 0.2f, 0.3f, 0.4f };
  Scene scene;

  scene_open (&scene, nothing, ball);
  scene.params.mode = RENDER_VOLUME_MODE_LABELS;
  memcpy (scene.params.background, background, sizeof background);
  for (gsize v = 0; v < G_N_ELEMENTS (views); v++)
    {
      g_autoptr (RenderFrame) frame = scene_draw (&scene, views[v][0], views[v][1]);
      const Eye eye = stand (views[v][0], views[v][1]);
      double ink[3], off = 0.0;
      int n_ball = 0, n_far = 0, n_wide = 0;

      palette_ink (1, ink);
      for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
          {
            const guint8 *rgba = pixel (frame, x, y);
            double point[3], to_ball[3], normal[3], rgb[3], d;

            ray_of (&eye, x, y, point);
            for (int c = 0; c < 3; c++)
              to_ball[c] = point[c] - ball_middle[c];
            normal[0] = dot (to_ball, eye.right) / RADIUS;
            normal[1] = dot (to_ball, eye.up) / RADIUS;
            d = hypot (normal[0], normal[1]) * RADIUS;
            if (d > RADIUS + 1.0)
              {
                for (int c = 0; c < 3; c++)
                  g_assert_cmpint (ABS (rgba[c] - (int) (255.0f * background[c] + 0.5f)), <=, 1);
                n_far++;
              }
            if (d > RADIUS - 2.5)
              continue;
            normal[2] = sqrt (1.0 - d * d / (RADIUS * RADIUS));
            lit (ink, normal, rgb);
            for (int c = 0; c < 3; c++)
              {
                const double error = fabs (rgba[c] - 255.0 * rgb[c]);

                off += error;
                n_wide += error > 30.0;
              }
            n_ball++;
          }
      g_test_message ("view %d: %.1f levels off on average", (int) v, off / (3.0 * n_ball));
      g_assert_cmpint (n_ball, >, 700);
      g_assert_cmpint (n_far, >, 7000);
      /* Voxels of a millimetre, smoothed: the normal is some degrees off here and there. */
      g_assert_cmpfloat (off / (3.0 * n_ball), <, 8.0);
      g_assert_cmpint (n_wide, <, n_ball * 3 / 20);
    }
  scene_close (&scene);
}

/* --- two labels, one before the other --- */

static const double front_middle[3] = { 0.0, 2.0, 27.0 }, back_middle[3] = { 0.0, -19.0, 27.0 };

static double
two_balls (const double ras[3])
{
  return distance (ras, front_middle) < 8.0 ? 1.0 : distance (ras, back_middle) < 8.0 ? 2.0 : 0.0;
}

/* The colour where the ray meets the balls' middles head on. */
static void
assert_middle (Scene *scene, double azimuth, const double wanted[3])
{
  g_autoptr (RenderFrame) frame = scene_draw (scene, azimuth, 0.0);
  const Eye eye = stand (azimuth, 0.0);
  double to_ball[3];
  int x, y;

  for (int c = 0; c < 3; c++)
    to_ball[c] = front_middle[c] - eye.middle[c];
  x = (int) floor (SIDE / 2.0 + dot (to_ball, eye.right) * eye.px_per_mm);
  y = (int) floor (SIDE / 2.0 - dot (to_ball, eye.up) * eye.px_per_mm);
  for (int c = 0; c < 3; c++)
    g_assert_cmpfloat (fabs (pixel (frame, x, y)[c] - 255.0 * wanted[c]), <, 16.0);
}

static void
head_on (guint16 id, double rgb[3])
{
  const double normal[3] = { 0.0, 0.0, 1.0 };
  double ink[3];

  palette_ink (id, ink);
  lit (ink, normal, rgb);
}

static void
test_each_label (void)
{
  g_autoptr (VolumeLabelSet) set = volume_label_set_new ();
  guint8 half[4];
  double first[3], second[3], mixed[3];
  Scene scene;

  scene_open (&scene, nothing, two_balls);
  scene.params.mode = RENDER_VOLUME_MODE_LABELS;
  head_on (1, first);
  head_on (2, second);
  assert_middle (&scene, 0.0, first);
  assert_middle (&scene, 180.0, second);
  /* Half transparent: the one behind shines through. */
  volume_label_palette (0, half);
  half[3] = 128;
  volume_label_set_put (set, 1, "front", half);
  volume_label_set_put (set, 2, "back", NULL);
  render_labels_set_look (scene.labels, set);
  for (int c = 0; c < 3; c++)
    mixed[c] = first[c] * 128.0 / 255.0 + second[c] * 127.0 / 255.0;
  assert_middle (&scene, 0.0, mixed);
  volume_label_set_set_visible (set, 1, FALSE);
  render_labels_set_look (scene.labels, set);
  assert_middle (&scene, 0.0, second);
  scene_close (&scene);
}

/* --- a slice of one voxel, as a three-slice case has --- */

static double
sheet (const double ras[3])
{
  return fabs (ras[2] - 29.0) < 0.1 && fabs (ras[0]) < 15.0 && fabs (ras[1] + 8.0) < 14.0;
}

static void
test_sheet (void)
{
  g_autoptr (RenderFrame) frame = NULL;
  const Eye eye = stand (0.0, 60.0);
  int n_on = 0, n_off = 0;
  Scene scene;

  scene_open (&scene, nothing, sheet);
  scene.params.mode = RENDER_VOLUME_MODE_LABELS;
  frame = scene_draw (&scene, 0.0, 60.0);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      {
        double point[3], t;

        ray_of (&eye, x, y, point);
        t = (29.0 - point[2]) / eye.into[2];
        for (int c = 0; c < 3; c++)
          point[c] += t * eye.into[c];
        if (fabs (point[0]) < 13.0 && fabs (point[1] + 8.0) < 12.0)
          {
            g_assert_cmpint (pixel (frame, x, y)[0] + pixel (frame, x, y)[1], >, 60);
            n_on++;
          }
        else if (fabs (point[0]) > 17.0 || fabs (point[1] + 8.0) > 17.0)
          {
            g_assert_cmpint (pixel (frame, x, y)[0] + pixel (frame, x, y)[1], ==, 0);
            n_off++;
          }
      }
  g_assert_cmpint (n_on, >, 800);
  g_assert_cmpint (n_off, >, 5000);
  g_clear_pointer (&frame, render_frame_unref);
  scene_close (&scene);
}

/* Painting far from the first label, and wiping it out again, is followed. */
static void
test_edits (void)
{
  g_autoptr (VolumeLabelMap) map = volume_label_map_new (size, NULL);
  Scene scene;

  scene_open (&scene, nothing, ball);
  scene.params.mode = RENDER_VOLUME_MODE_LABELS;
  for (guint32 stroke = 1; stroke <= 6; stroke++)
    {
      const guint64 version = volume_label_map_get_version (map);
      g_autoptr (VolumeEditBuilder) builder = volume_edit_builder_new (map, NULL);
      g_autoptr (VolumeEdit) edit = NULL;
      g_autoptr (VolumeLabelSnapshot) snapshot = NULL;
      g_autoptr (RenderFrame) frame = NULL, anew = NULL;
      g_autoptr (GError) error = NULL;
      RenderLabels *fresh = render_labels_new (scene.device, size), *old = scene.labels;
      /* near, near, far, another label, wiped, near */
      static const int corners[6] = { 10, 14, 30, 22, 10, 12 };
      static const guint16 ids[6] = { 1, 1, 1, 3, 0, 1 };
      const int at = corners[stroke - 1];
      VolumeBox dirty;

      for (int k = 0; k < 7; k++)
        for (int j = 0; j < 7; j++)
          for (int i = 0; i < 7; i++)
            volume_edit_builder_set (builder, at + i, at - 4 + j, at + k, ids[stroke - 1]);
      edit = volume_edit_builder_end (builder, stroke, VOLUME_PROVENANCE_HAND, "brush", NULL);
      g_assert_true (volume_label_map_apply_edit (map, edit, &error));
      dirty = volume_label_map_get_dirty_box (map, version);
      snapshot = volume_label_map_snapshot (map, NULL);
      render_labels_update (scene.labels, snapshot, stroke == 1 ? NULL : &dirty);
      frame = scene_draw (&scene, 30.0, 20.0);
      /* The same labels sent as a whole; only where the textures begin may differ. */
      render_labels_update (fresh, snapshot, NULL);
      scene.params.labels = fresh;
      anew = scene_draw (&scene, 30.0, 20.0);
      scene.params.labels = old;
      {
        int n = 0;

        for (int p = 0; p < SIDE * SIDE; p++)
          n +=
              ABS (pixel (frame, p % SIDE, p / SIDE)[0] - pixel (anew, p % SIDE, p / SIDE)[0]) > 12;
        g_assert_cmpint (n, <, SIDE * SIDE / 200);
      }
      g_clear_pointer (&frame, render_frame_unref);
      g_clear_pointer (&anew, render_frame_unref);
      render_labels_unref (fresh);
    }
  scene_close (&scene);
}

/* --- the scan --- */

static double
everything (const double ras[3])
{
  return 1000.0;
}

/* Length of a pixel's ray within the scan, and where it enters, by its parameter about ray_of(). */
static double
length_inside (const Eye *eye, const double point[3], double *enter)
{
  double from = -1e9, to = 1e9, a[3], b[3], ahead[3];

  for (int c = 0; c < 3; c++)
    ahead[c] = point[c] + eye->into[c];
  to_ijk (point, a);
  to_ijk (ahead, b);
  for (int c = 0; c < 3; c++)
    {
      const double step = b[c] - a[c];
      const double lo = (-0.5 - a[c]) / step, hi = (size[c] - 0.5 - a[c]) / step;

      if (fabs (step) < 1e-12)
        continue;
      from = fmax (from, fmin (lo, hi));
      to = fmin (to, fmax (lo, hi));
    }
  *enter = from;
  return fmax (to - from, 0.0);
}

/* How much light a scan of one value lets through: (1 − opacity) for each 1 % of the diagonal. */
static void
test_absorption (void)
{
  const Eye eye = stand (25.0, 35.0);
  g_autoptr (RenderFrame) dark = NULL, bright = NULL;
  double off = 0.0;
  int n = 0;
  Scene scene;

  scene_open (&scene, everything, NULL);
  scene.params.opacity = 0.012;
  dark = scene_draw (&scene, 25.0, 35.0);
  for (int c = 0; c < 3; c++)
    scene.params.background[c] = 0.2f;
  bright = scene_draw (&scene, 25.0, 35.0);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      {
        const double through = (pixel (bright, x, y)[1] - pixel (dark, x, y)[1])
                               / (255.0 * scene.params.background[0]);
        double point[3], enter, length;

        ray_of (&eye, x, y, point);
        length = length_inside (&eye, point, &enter);
        if (length > 0.0 && length < 2.0)
          continue;
        off += fabs (through - pow (1.0 - 0.012, length / (0.01 * eye.diameter)));
        n++;
      }
  g_assert_cmpint (n, >, SIDE * SIDE * 8 / 10);
  /* One level of the 51 between the two backgrounds is 0.02. */
  g_assert_cmpfloat (off / n, <, 0.012);
  g_clear_pointer (&dark, render_frame_unref);
  g_clear_pointer (&bright, render_frame_unref);
  scene_close (&scene);
}

static double
hills (const double ras[3])
{
  return 450.0 + 250.0 * sin (ras[0] * 0.17) * cos (ras[1] * 0.13)
         + 200.0 * sin (ras[2] * 0.11 + 0.4);
}

static double
trilinear (const Scene *scene, const double ijk[3])
{
  const gint16 *values = volume_scan_get_stored (scene->volume);
  double sum = 0.0;

  for (int corner = 0; corner < 8; corner++)
    {
      double weight = 1.0;
      int at[3];

      for (int c = 0; c < 3; c++)
        {
          const double low = floor (ijk[c]), f = ijk[c] - low;
          const int up = corner >> c & 1;

          weight *= up ? f : 1.0 - f;
          at[c] = CLAMP ((int) low + up, 0, size[c] - 1);
        }
      sum += weight * values[(at[2] * size[1] + at[1]) * size[0] + at[0]];
    }
  return sum;
}

static void
test_maximum (void)
{
  const Eye eye = stand (140.0, -15.0);
  g_autoptr (RenderFrame) frame = NULL;
  int n = 0;
  Scene scene;

  scene_open (&scene, hills, NULL);
  scene.params.mode = RENDER_VOLUME_MODE_MIP;
  frame = scene_draw (&scene, 140.0, -15.0);
  for (int y = 0; y < SIDE; y += 3)
    for (int x = 0; x < SIDE; x += 3)
      {
        double point[3], enter, length, greatest = 0.0;

        ray_of (&eye, x, y, point);
        length = length_inside (&eye, point, &enter);
        if (length <= 0.0)
          g_assert_cmpint (pixel (frame, x, y)[0], ==, 0);
        if (length < 4.0)
          continue;
        for (double t = 0.0; t <= length; t += 0.1)
          {
            double ras[3], ijk[3];

            for (int c = 0; c < 3; c++)
              ras[c] = point[c] + (enter + t) * eye.into[c];
            to_ijk (ras, ijk);
            greatest = fmax (greatest, trilinear (&scene, ijk));
          }
        /* Samples lie up to a voxel apart. */
        g_assert_cmpfloat (fabs (pixel (frame, x, y)[0] - 255.0 * greatest / 1000.0), <, 6.0);
        n++;
      }
  g_assert_cmpint (n, >, 500);
  g_clear_pointer (&frame, render_frame_unref);
  scene_close (&scene);
}

/* The octant before the cut is gone, and the slices show on its faces. */
static void
test_cut (void)
{
  const Eye eye = stand (30.0, 25.0);
  const double cut[3] = { 21.0, 18.0, 26.0 };
  g_autoptr (RenderFrame) frame = NULL;
  int n = 0;
  Scene scene;

  scene_open (&scene, hills, NULL);
  scene.params.cut = RENDER_VOLUME_CUT_OCTANT;
  memcpy (scene.params.cut_ijk, cut, sizeof cut);
  frame = scene_draw (&scene, 30.0, 25.0);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      {
        double point[3], ahead[3], enter, a[3], b[3], in[3], leave = 1e9, length;
        gboolean inside = TRUE;

        ray_of (&eye, x, y, point);
        length = length_inside (&eye, point, &enter);
        for (int c = 0; c < 3; c++)
          ahead[c] = point[c] + eye.into[c];
        to_ijk (point, a);
        to_ijk (ahead, b);
        for (int c = 0; c < 3; c++)
          {
            const double step = b[c] - a[c];

            in[c] = a[c] + (enter + 0.05) * step;
            inside = inside && (cut[c] - in[c]) * step > 0.5 * fabs (step);
            leave = fmin (leave, (cut[c] - a[c]) / step);
          }
        if (!inside || length < 3.0 || leave > enter + length - 0.5)
          continue;
        for (int c = 0; c < 3; c++)
          in[c] = a[c] + leave * (b[c] - a[c]);
        if (trilinear (&scene, in) < 130.0)
          continue;
        g_assert_cmpfloat (fabs (pixel (frame, x, y)[0] - 255.0 * trilinear (&scene, in) / 1000.0),
                           <, 3.0);
        n++;
      }
  g_assert_cmpint (n, >, 800);
  g_clear_pointer (&frame, render_frame_unref);
  scene_close (&scene);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!fixture_is_possible ())
    return 77;
  g_test_add_func ("/render/volume/ball", test_ball);
  g_test_add_func ("/render/volume/each-label", test_each_label);
  g_test_add_func ("/render/volume/sheet", test_sheet);
  g_test_add_func ("/render/volume/edits", test_edits);
  g_test_add_func ("/render/volume/absorption", test_absorption);
  g_test_add_func ("/render/volume/maximum", test_maximum);
  g_test_add_func ("/render/volume/cut", test_cut);
  return g_test_run ();
}
