/* SPDX-License-Identifier: Apache-2.0 */
/* The paintable: the newest wish wins, nothing stale, nothing leaked, nothing blocks. */
#include "ui/render-paintable.h"

#include <string.h>
#include <time.h>

#define SIDE 64

typedef struct
{
  RenderDevice *device;
  VolumeScan *volume;
  RenderScan *scan;
  UiRenderPaintable *paintable;
  guint n_frames, n_failures;
  int least_width; /* of all frames */
} Scene;

static void
contents_cb (GdkPaintable *paintable, gpointer user_data)
{
  Scene *scene = user_data;
  g_autoptr (GdkPaintable) image = gdk_paintable_get_current_image (paintable);
  const int width = gdk_paintable_get_intrinsic_width (image);

  scene->n_frames++;
  if (width > 0)
    scene->least_width = MIN (scene->least_width, width);
}

static void
failed_cb (UiRenderPaintable *paintable, const char *message, gpointer user_data)
{
  g_assert_cmpint (strlen (message), >, 0);
  ((Scene *) user_data)->n_failures++;
}

/* Slice k of the scan is k × 10 throughout. */
static void
scene_open (Scene *scene)
{
  static const int size[3] = { 8, 8, 25 };
  static const double identity[4][4] = {
    { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 }
  };
  guint8 values[8 * 8 * 25];
  VolumeGeometry geometry;
  g_autoptr (GError) error = NULL;

  memset (scene, 0, sizeof *scene);
  scene->least_width = SIDE;
  for (int v = 0; v < 8 * 8 * 25; v++)
    values[v] = (guint8) (v / 64 * 10);
  g_assert_true (
      volume_geometry_init (&geometry, size, identity, VOLUME_AFFINE_FROM_SFORM, &error));
  scene->volume = volume_scan_new_take (&geometry, VOLUME_DTYPE_U8,
                                        g_bytes_new (values, sizeof values), 1.0, 0.0);
  scene->device = render_device_new (NULL, &error);
  g_assert_no_error (error);
  scene->scan = render_scan_new (scene->device, scene->volume);
  scene->paintable = ui_render_paintable_new (scene->device);
  g_signal_connect (scene->paintable, "invalidate-contents", G_CALLBACK (contents_cb), scene);
  g_signal_connect (scene->paintable, "failed", G_CALLBACK (failed_cb), scene);
}

static void
scene_close (Scene *scene)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (scene->paintable);
  render_scan_unref (scene->scan);
  volume_scan_unref (scene->volume);
  render_device_wait_sync (scene->device);
  render_device_unref (scene->device);
  for (int ms = 0; ms < 5000 && render_objects_get_n_alive () != 0; ms++)
    g_usleep (1000);
  g_assert_cmpint (render_objects_get_n_alive (), ==, 0);
  g_assert_cmpuint (render_validation_get_n_messages (), ==, 0);
}

static RenderSliceParams
slice (Scene *scene, int index)
{
  return (RenderSliceParams){ .scan = scene->scan,
                              .placement = { .index = index },
                              .width = SIDE,
                              .height = SIDE,
                              .window_centre = 127.5,
                              .window_width = 255.0 };
}

static void
wait_frames (Scene *scene, guint n)
{
  const gint64 end = g_get_monotonic_time () + 20 * G_TIME_SPAN_SECOND;

  while (scene->n_frames < n && g_get_monotonic_time () < end)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (500);
  g_assert_cmpuint (scene->n_frames, >=, n);
}

static int
shown_grey (Scene *scene)
{
  g_autoptr (GdkPaintable) image =
      gdk_paintable_get_current_image (GDK_PAINTABLE (scene->paintable));
  guint32 pixels[SIDE * SIDE];

  g_assert_true (GDK_IS_TEXTURE (image));
  g_assert_cmpint (gdk_texture_get_width (GDK_TEXTURE (image)), ==, SIDE);
  gdk_texture_download (GDK_TEXTURE (image), (guchar *) pixels, SIDE * 4);
  return (int) (pixels[SIDE * SIDE / 2 + SIDE / 2] & 0xff);
}

/* A flood of wishes never waits, drops those between and ends on the last. */
static void
test_newest_wins (void)
{
  Scene scene;
  gint64 start;

  scene_open (&scene);
  start = g_get_monotonic_time ();
  for (int n = 0; n < 1000; n++)
    {
      const RenderSliceParams params = slice (&scene, n % 25);

      ui_render_paintable_queue_slice (scene.paintable, &params);
    }
  /* Far less than a frame each: the main thread is not held up. */
  g_assert_cmpint (g_get_monotonic_time () - start, <, 1000 * 1000);
  wait_frames (&scene, 2);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpuint (scene.n_frames, ==, 2); /* the first and the last */
  g_assert_cmpint (shown_grey (&scene), ==, (999 % 25) * 10);
  g_assert_cmpfloat (ui_render_paintable_get_latency_ms (scene.paintable), >, 0.0);
  scene_close (&scene);
}

/* Each wish after a frame is seen, in order, and its view with it. */
static void
test_each_in_turn (void)
{
  Scene scene;

  scene_open (&scene);
  g_assert_false (ui_render_paintable_has_frame (scene.paintable));
  for (int n = 0; n < 20; n++)
    {
      const RenderSliceParams params = slice (&scene, n);
      RenderSliceView view;

      ui_render_paintable_queue_slice (scene.paintable, &params);
      wait_frames (&scene, (guint) n + 1);
      g_assert_cmpint (shown_grey (&scene), ==, n * 10);
      g_assert_true (ui_render_paintable_get_view (scene.paintable, &view));
      g_assert_cmpfloat (view.placement.index, ==, n);
    }
  scene_close (&scene);
}

/* Closing a scan while a frame is under way shows nothing of it afterwards. */
static void
test_clear (void)
{
  Scene scene;
  RenderSliceParams params;

  scene_open (&scene);
  params = slice (&scene, 3);
  ui_render_paintable_queue_slice (scene.paintable, &params);
  ui_render_paintable_clear (scene.paintable);
  render_device_wait_sync (scene.device);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_false (ui_render_paintable_has_frame (scene.paintable));
  params = slice (&scene, 5);
  ui_render_paintable_queue_slice (scene.paintable, &params);
  wait_frames (&scene, 2);
  g_assert_cmpint (shown_grey (&scene), ==, 50);
  g_assert_cmpuint (scene.n_failures, ==, 0);
  scene_close (&scene);
}

/* A wish that cannot be drawn is said and the old picture stays. */
static void
test_failure (void)
{
  Scene scene;
  RenderSliceParams params;
  const gint64 end = g_get_monotonic_time () + 20 * G_TIME_SPAN_SECOND;

  scene_open (&scene);
  params = slice (&scene, 7);
  ui_render_paintable_queue_slice (scene.paintable, &params);
  wait_frames (&scene, 1);
  params.width = params.height = 1000000;
  ui_render_paintable_queue_slice (scene.paintable, &params);
  while (scene.n_failures == 0 && g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (scene.n_failures, ==, 1);
  g_assert_cmpint (shown_grey (&scene), ==, 70);
  scene_close (&scene);
}

/* The device goes away under the view: the next picture is right, the one before stays meanwhile.
 */
static void
test_loss (void)
{
  Scene scene;
  RenderSliceParams params;

  scene_open (&scene);
  params = slice (&scene, 4);
  ui_render_paintable_queue_slice (scene.paintable, &params);
  wait_frames (&scene, 1);
  for (guint loss = 1; loss <= 2; loss++)
    {
      render_device_simulate_loss (scene.device);
      params = slice (&scene, 4 + (int) loss);
      ui_render_paintable_queue_slice (scene.paintable, &params);
      g_assert_cmpint (shown_grey (&scene), ==, (3 + (int) loss) * 10);
      wait_frames (&scene, 1 + loss);
      g_assert_cmpuint (render_device_get_n_recoveries (scene.device), ==, loss);
      g_assert_cmpint (shown_grey (&scene), ==, (4 + (int) loss) * 10);
    }
  g_assert_cmpuint (scene.n_failures, ==, 0);
  scene_close (&scene);
}

/* While the 3-D view moves frames are small; when it rests one in full follows by itself. */
static void
test_volume_settles (void)
{
  Scene scene;
  int width = 0;
  const gint64 end = g_get_monotonic_time () + 20 * G_TIME_SPAN_SECOND;

  scene_open (&scene);
  /* On a busy machine the first pictures take their time. */
  for (int n = 0; n < 6 || (scene.least_width == SIDE && g_get_monotonic_time () < end); n++)
    {
      const RenderVolumeParams params = {
        .scan = scene.scan, .width = SIDE, .height = SIDE, .azimuth_deg = n
      };

      ui_render_paintable_queue_volume (scene.paintable, &params);
      for (int ms = 0; ms < 30; ms++)
        {
          g_main_context_iteration (NULL, FALSE);
          g_usleep (1000);
        }
    }
  while (width != SIDE && g_get_monotonic_time () < end)
    {
      g_autoptr (GdkPaintable) image = NULL;

      g_main_context_iteration (NULL, FALSE);
      image = gdk_paintable_get_current_image (GDK_PAINTABLE (scene.paintable));
      width = gdk_paintable_get_intrinsic_width (image);
    }
  g_assert_cmpint (width, ==, SIDE);
  g_assert_cmpint (scene.least_width, ==, SIDE / 2);
  scene_close (&scene);
}

static double
thread_ms (void)
{
  struct timespec now;

  g_assert_cmpint (clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now), ==, 0);
  return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

/* What a frame costs the main thread: asking, taking over, a texture for GTK (contents_cb). No
 * pixel is touched. */
static void
test_main_thread (void)
{
  enum
  {
    N = 40
  };
  Scene scene;
  double ms = 0;

  scene_open (&scene);
  for (int n = -5; n < N; n++)
    {
      RenderSliceParams params = slice (&scene, (n + 5) % 25);
      const guint before = scene.n_frames;
      const double began = thread_ms ();

      params.width = params.height = 1000;
      ui_render_paintable_queue_slice (scene.paintable, &params);
      while (scene.n_frames == before)
        g_main_context_iteration (NULL, TRUE);
      if (n >= 0)
        ms += (thread_ms () - began) / N;
    }
  g_test_message ("%.3f ms of the main thread for a frame of 1000 by 1000", ms);
  /* Copying it once would be some 0.5 ms; it is some 0.05. */
  g_assert_cmpfloat (ms, <, 0.4);
  scene_close (&scene);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  RenderDevice *device;

  g_test_init (&argc, &argv, NULL);
  device = render_device_new (NULL, &error);
  if (device == NULL)
    {
      g_print ("1..0 # SKIP %s\n", error->message);
      return 0;
    }
  render_device_unref (device);
  g_test_add_func ("/ui/render-paintable/newest-wins", test_newest_wins);
  g_test_add_func ("/ui/render-paintable/each-in-turn", test_each_in_turn);
  g_test_add_func ("/ui/render-paintable/clear", test_clear);
  g_test_add_func ("/ui/render-paintable/failure", test_failure);
  g_test_add_func ("/ui/render-paintable/loss", test_loss);
  g_test_add_func ("/ui/render-paintable/volume-settles", test_volume_settles);
  g_test_add_func ("/ui/render-paintable/main-thread", test_main_thread);
  return g_test_run ();
}
