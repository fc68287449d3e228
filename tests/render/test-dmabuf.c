/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that stay on the device: the choice of a layout, which is arithmetic, and the whole way of
 * a frame, on a device that only pretends to export DMA buffers (fake-dmabuf.c). */
#include "render/dmabuf.h"
#include "render/slice.h"
#include "render/volume-view.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/render/fixture.h"

#define XRGB 0x34325258u /* as drm_fourcc.h of the kernel writes them */
#define ARGB 0x34325241u
#define XBGR 0x34324258u
#define ABGR 0x34324241u
#define LINEAR 0ull
#define INVALID 0x00ffffffffffffffull
#define TILED_A 0x0100000000000001ull
#define TILED_B 0x0100000000000002ull

/* --- the choice --- */

static void
test_fourcc (void)
{
  g_assert_cmphex (render_dmabuf_fourcc (RENDER_PIXEL_ORDER_BGRA, FALSE), ==, XRGB);
  g_assert_cmphex (render_dmabuf_fourcc (RENDER_PIXEL_ORDER_BGRA, TRUE), ==, ARGB);
  g_assert_cmphex (render_dmabuf_fourcc (RENDER_PIXEL_ORDER_RGBA, FALSE), ==, XBGR);
  g_assert_cmphex (render_dmabuf_fourcc (RENDER_PIXEL_ORDER_RGBA, TRUE), ==, ABGR);
}

static void
test_choose (void)
{
  static const RenderDmabufLayout layouts[] = {
    { INVALID, 1, 100, 100 }, { TILED_B, 2, 100, 100 }, { LINEAR, 1, 100, 100 },
    { TILED_A, 1, 100, 100 }, { 77, 5, 100, 100 },      { 78, 0, 100, 100 },
  };
  static const RenderDmabufFormat both[] = { { ARGB, LINEAR },  { ARGB, TILED_A },
                                             { ARGB, TILED_B }, { XRGB, TILED_A },
                                             { XRGB, LINEAR },  { XRGB, INVALID },
                                             { XRGB, 77 },      { XRGB, 78 } };
  static const RenderDmabufFormat alpha[] = { { ARGB, TILED_B },
                                              { XBGR, LINEAR },
                                              { XRGB, INVALID } };
  guint64 modifiers[G_N_ELEMENTS (layouts)] = { 0 };
  guint32 fourcc;

  /* Without alpha where there is some such; in the device's order; nothing odd. */
  g_assert_cmpuint (render_dmabuf_choose (layouts, G_N_ELEMENTS (layouts), both,
                                          G_N_ELEMENTS (both), RENDER_PIXEL_ORDER_BGRA, &fourcc,
                                          modifiers),
                    ==, 2);
  g_assert_cmphex (fourcc, ==, XRGB);
  g_assert_cmphex (modifiers[0], ==, LINEAR);
  g_assert_cmphex (modifiers[1], ==, TILED_A);
  /* With alpha where that is all there is. */
  g_assert_cmpuint (render_dmabuf_choose (layouts, G_N_ELEMENTS (layouts), alpha,
                                          G_N_ELEMENTS (alpha), RENDER_PIXEL_ORDER_BGRA, &fourcc,
                                          modifiers),
                    ==, 1);
  g_assert_cmphex (fourcc, ==, ARGB);
  g_assert_cmphex (modifiers[0], ==, TILED_B);
  /* The order of bytes is no matter of taste. */
  g_assert_cmpuint (render_dmabuf_choose (layouts, G_N_ELEMENTS (layouts), alpha,
                                          G_N_ELEMENTS (alpha), RENDER_PIXEL_ORDER_RGBA, &fourcc,
                                          modifiers),
                    ==, 1);
  g_assert_cmphex (fourcc, ==, XBGR);
  g_assert_cmphex (modifiers[0], ==, LINEAR);
  g_assert_cmpuint (render_dmabuf_choose (layouts, 0, both, G_N_ELEMENTS (both),
                                          RENDER_PIXEL_ORDER_BGRA, &fourcc, modifiers),
                    ==, 0);
  g_assert_cmpuint (render_dmabuf_choose (layouts, G_N_ELEMENTS (layouts), both, 0,
                                          RENDER_PIXEL_ORDER_BGRA, &fourcc, modifiers),
                    ==, 0);
}

/* --- a frame's way --- */

static const RenderDmabufFormat shown[] = { { XRGB, LINEAR } };

typedef struct
{
  RenderDevice *device;
  VolumeScan *volume;
  RenderScan *scan;
} Scene;

static void
scene_open (Scene *scene)
{
  static const int size[3] = { 24, 20, 16 };
  static const double identity[4][4] = {
    { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 }
  };
  guint8 values[24 * 20 * 16];
  g_autoptr (GError) error = NULL;

  for (gsize v = 0; v < G_N_ELEMENTS (values); v++)
    values[v] = (guint8) (v * 2654435761u >> 24);
  scene->device =
      render_device_new (&(RenderDeviceParams){ .pixel_order = RENDER_PIXEL_ORDER_BGRA }, &error);
  g_assert_no_error (error);
  scene->volume = fixture_scan (size, identity, VOLUME_DTYPE_U8, values);
  scene->scan = render_scan_new (scene->device, scene->volume);
}

static void
scene_close (Scene *scene)
{
  render_scan_unref (scene->scan);
  volume_scan_unref (scene->volume);
  render_device_wait_sync (scene->device);
  render_device_unref (scene->device);
  for (int ms = 0; ms < 5000 && render_objects_get_n_alive () != 0; ms++)
    g_usleep (1000);
  g_assert_cmpint (render_objects_get_n_alive (), ==, 0);
}

static RenderFrame *
draw (Scene *scene, int index, int width, gboolean may_stay)
{
  g_autoptr (GError) error = NULL;
  RenderFrame *frame =
      render_slice_sync (scene->device,
                         &(RenderSliceParams){ .scan = scene->scan,
                                               .placement = { .index = index },
                                               .width = width,
                                               .height = 90,
                                               .background = { 0.1f, 0.5f, 0.9f },
                                               .window_centre = 127.5,
                                               .window_width = 255.0,
                                               .interpolation = RENDER_INTERPOLATION_LINEAR,
                                               .may_stay = may_stay },
                         &error);

  g_assert_no_error (error);
  return frame;
}

static RenderFrame *
draw_volume (Scene *scene, gboolean may_stay)
{
  g_autoptr (GError) error = NULL;
  RenderFrame *frame = render_volume_sync (scene->device,
                                           &(RenderVolumeParams){ .scan = scene->scan,
                                                                  .width = 100,
                                                                  .height = 90,
                                                                  .azimuth_deg = 30,
                                                                  .may_stay = may_stay },
                                           &error);

  g_assert_no_error (error);
  return frame;
}

/* What a display would find in the memory. */
static void
assert_shows (RenderFrame *frame, RenderFrame *expected)
{
  const RenderDmabuf *dmabuf = render_frame_get_dmabuf (frame);
  const int width = render_frame_get_width (expected), height = render_frame_get_height (expected);
  gsize bytes;
  guint8 *map;

  g_assert_nonnull (dmabuf);
  g_assert_null (render_frame_get_pixels (frame));
  g_assert_cmpint (render_frame_get_width (frame), ==, width);
  g_assert_cmpint (render_frame_get_height (frame), ==, height);
  g_assert_cmphex (dmabuf->fourcc, ==, XRGB);
  g_assert_cmphex (dmabuf->modifier, ==, LINEAR);
  g_assert_cmpint (dmabuf->n_planes, ==, 1);
  g_assert_cmpuint (dmabuf->strides[0], >=, (guint) width * 4);
  bytes = dmabuf->offsets[0] + (gsize) dmabuf->strides[0] * (gsize) height;
  map = mmap (NULL, bytes, PROT_READ, MAP_SHARED, dmabuf->fds[0], 0);
  g_assert_true (map != MAP_FAILED);
  for (int y = 0; y < height; y++)
    g_assert_cmpmem (map + dmabuf->offsets[0] + (gsize) y * dmabuf->strides[0], (gsize) width * 4,
                     fixture_pixel (expected, 0, y), (gsize) width * 4);
  munmap (map, bytes);
}

static void
test_frames (void)
{
  Scene scene;
  g_autofree char *why = NULL;
  int fd;

  scene_open (&scene);
  g_assert_true (render_device_offer_dmabuf (scene.device, shown, 1, &why));
  g_assert_null (why);
  for (int index = 2; index < 8; index++)
    {
      g_autoptr (RenderFrame) there = draw (&scene, index, 100 + index / 4, TRUE);
      g_autoptr (RenderFrame) here = draw (&scene, index, 100 + index / 4, FALSE);
      g_autoptr (RenderFrame) next = draw (&scene, 9, 100 + index / 4, TRUE);
      g_autoptr (RenderFrame) next_here = draw (&scene, 9, 100 + index / 4, FALSE);

      g_assert_null (render_frame_get_dmabuf (here));
      assert_shows (next, next_here);
      /* The one that is still shown was not drawn over. */
      assert_shows (there, here);
    }
  {
    /* In bands, one turn of the queue each. */
    g_autoptr (RenderFrame) there = draw_volume (&scene, TRUE);
    g_autoptr (RenderFrame) here = draw_volume (&scene, FALSE);

    assert_shows (there, here);
    fd = render_frame_get_dmabuf (there)->fds[0];
    g_assert_cmpint (fcntl (fd, F_GETFD), !=, -1);
  }
  {
    /* Larger than the device exports. */
    g_autoptr (RenderFrame) frame = draw (&scene, 3, 513, TRUE);

    g_assert_null (render_frame_get_dmabuf (frame));
    g_assert_nonnull (render_frame_get_pixels (frame));
  }
  scene_close (&scene);
  g_assert_cmpint (fcntl (fd, F_GETFD), ==, -1);
}

/* A buffer is drawn over again only when its frame has gone; what is drawn then is right. */
static void
test_ring (void)
{
  Scene scene;
  RenderFrame *first;
  int fd;

  scene_open (&scene);
  g_assert_true (render_device_offer_dmabuf (scene.device, shown, 1, NULL));
  first = draw (&scene, 3, 100, TRUE);
  fd = render_frame_get_dmabuf (first)->fds[0];
  {
    g_autoptr (RenderFrame) second = draw (&scene, 4, 100, TRUE);

    g_assert_cmpint (render_frame_get_dmabuf (second)->fds[0], !=, fd);
  }
  render_frame_unref (first);
  for (int n = 0; n < 20; n++)
    {
      g_autoptr (RenderFrame) frame = draw (&scene, 5 + n % 5, 100, TRUE);
      g_autoptr (RenderFrame) here = draw (&scene, 5 + n % 5, 100, FALSE);
      guint64 now;

      assert_shows (frame, here);
      render_device_get_memory (scene.device, &now, NULL);
      /* 36 kB each: no new ones all the time. */
      g_assert_cmpuint (now, <, 8u << 20);
    }
  scene_close (&scene);
}

static void
test_loss (void)
{
  Scene scene;
  g_autoptr (RenderFrame) before = NULL;
  g_autoptr (RenderFrame) here = NULL;

  scene_open (&scene);
  g_assert_true (render_device_offer_dmabuf (scene.device, shown, 1, NULL));
  here = draw (&scene, 3, 100, FALSE);
  before = draw (&scene, 3, 100, TRUE);
  render_device_simulate_loss (scene.device);
  {
    g_autoptr (RenderFrame) after = draw (&scene, 3, 100, TRUE);

    g_assert_cmpuint (render_device_get_n_recoveries (scene.device), ==, 1);
    assert_shows (after, here);
    /* The frame from before the loss is still on the screen. */
    assert_shows (before, here);
  }
  g_clear_pointer (&before, render_frame_unref);
  g_clear_pointer (&here, render_frame_unref);
  scene_close (&scene);
}

static void
assert_reads_back (Scene *scene, const char *words)
{
  g_autofree char *why = render_device_why_no_dmabuf (scene->device);
  g_autoptr (RenderFrame) frame = draw (scene, 3, 100, TRUE);

  g_assert_null (render_frame_get_dmabuf (frame));
  g_assert_nonnull (render_frame_get_pixels (frame));
  g_assert_nonnull (why);
  g_assert_nonnull (strstr (why, words));
}

static void
test_no_agreement (void)
{
  static const RenderDmabufFormat other[] = { { XRGB, TILED_A }, { XBGR, LINEAR } };
  Scene scene;

  scene_open (&scene);
  assert_reads_back (&scene, "no display");
  g_assert_false (render_device_offer_dmabuf (scene.device, NULL, 0, NULL));
  assert_reads_back (&scene, "takes no");
  g_assert_false (render_device_offer_dmabuf (scene.device, other, 2, NULL));
  assert_reads_back (&scene, "no layout");
  g_assert_true (render_device_offer_dmabuf (scene.device, shown, 1, NULL));
  render_device_refuse_dmabuf (scene.device, "the display changed its mind");
  assert_reads_back (&scene, "changed its mind");
  scene_close (&scene);
}

/* The driver says it can and then cannot. */
static void
test_refusing_driver (void)
{
  Scene scene;

  g_setenv ("FAKE_DMABUF_REFUSES", "1", TRUE);
  scene_open (&scene);
  g_assert_true (render_device_offer_dmabuf (scene.device, shown, 1, NULL));
  render_frame_unref (draw (&scene, 3, 100, TRUE));
  assert_reads_back (&scene, "VK_ERROR_FORMAT_NOT_SUPPORTED");
  scene_close (&scene);
  g_unsetenv ("FAKE_DMABUF_REFUSES");
}

/* A device that exports nothing says so, and the frames are as always. In a process of its own, for
 * the loader is opened once. */
static void
test_plain_device (void)
{
  Scene scene;

  if (!g_test_subprocess ())
    {
      g_autofree char *loader = g_strdup (g_getenv ("CROSSLABEL_VULKAN_LOADER"));

      g_unsetenv ("CROSSLABEL_VULKAN_LOADER");
      g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
      g_setenv ("CROSSLABEL_VULKAN_LOADER", loader, TRUE);
      g_test_trap_assert_passed ();
      return;
    }
  scene_open (&scene);
  if (!render_device_offer_dmabuf (scene.device, shown, 1, NULL))
    {
      g_autofree char *why = render_device_why_no_dmabuf (scene.device);

      assert_reads_back (&scene, why);
    }
  scene_close (&scene);
}

/* The pretence is built on lavapipe's memory. */
static gboolean
is_software (void)
{
  RenderDevice *device = render_device_new (NULL, NULL);
  gboolean software = device != NULL && render_device_get_info (device)->is_software;

  render_device_unref (device);
  return software;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/render/dmabuf/fourcc", test_fourcc);
  g_test_add_func ("/render/dmabuf/choose", test_choose);
  if (is_software ())
    {
      g_test_add_func ("/render/dmabuf/frames", test_frames);
      g_test_add_func ("/render/dmabuf/ring", test_ring);
      g_test_add_func ("/render/dmabuf/loss", test_loss);
      g_test_add_func ("/render/dmabuf/no-agreement", test_no_agreement);
      g_test_add_func ("/render/dmabuf/refusing-driver", test_refusing_driver);
      g_test_add_func ("/render/dmabuf/plain-device", test_plain_device);
    }
  return g_test_run ();
}
