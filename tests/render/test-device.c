/* SPDX-License-Identifier: Apache-2.0 */
/* The device: choosing, limits, memory, loss, odd scans. */
#include "render/slice.h"
#include "render/volume-view.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "tests/render/fixture.h"

static const double identity[4][4] = {
  { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 }
};

static VolumeScan *
noise_scan (const int size[3], VolumeDtype dtype)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (77);
  const gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  const gsize bytes = n * volume_dtype_get_size (dtype);
  g_autofree guint8 *values = g_malloc (bytes);
  guint64 state = 77;

  if (dtype == VOLUME_DTYPE_F32)
    for (gsize v = 0; v < n; v++)
      ((float *) (gpointer) values)[v] = (float) g_rand_double_range (rand, -1.0, 1.0);
  else
    for (gsize b = 0; b < bytes; b++)
      {
        /* Knuth's MMIX generator: quicker than GRand for large scans. */
        state = state * 6364136223846793005u + 1442695040888963407u;
        values[b] = (guint8) (state >> 56);
      }
  return fixture_scan (size, identity, dtype, values);
}

/* A smooth scan, so that a coarser level looks like it. */
static VolumeScan *
smooth_scan (const int size[3])
{
  g_autofree gint16 *values = g_new (gint16, size[0] * size[1] * size[2]);
  int v = 0;

  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++)
        values[v++] = (gint16) (400.0 * sin (i * 0.06) + 300.0 * cos (j * 0.05 + k * 0.04));
  return fixture_scan (size, identity, VOLUME_DTYPE_I16, values);
}

static RenderFrame *
draw (RenderDevice *device, RenderScan *scan, RenderLabels *labels, VolumePlane plane, double index,
      RenderInterpolation interpolation)
{
  g_autoptr (GError) error = NULL;
  RenderFrame *frame = render_slice_sync (
      device,
      &(RenderSliceParams){ .scan = scan,
                            .labels = labels,
                            .label_style = RENDER_LABEL_STYLE_FILL,
                            .label_opacity = 0.5,
                            .placement = { .plane = plane, .index = index, .zoom = 1.3 },
                            .width = 150,
                            .height = 140,
                            .window_centre = 0.0,
                            .window_width = 1400.0,
                            .interpolation = interpolation },
      &error);

  g_assert_no_error (error);
  return frame;
}

static void
assert_same (RenderFrame *a, RenderFrame *b)
{
  const gsize n = (gsize) render_frame_get_width (a) * 4;

  for (int y = 0; y < render_frame_get_height (a); y++)
    g_assert_cmpmem (fixture_pixel (a, 0, y), n, fixture_pixel (b, 0, y), n);
}

static int
greatest_difference (RenderFrame *a, RenderFrame *b)
{
  int greatest = 0;

  for (int y = 0; y < render_frame_get_height (a); y++)
    for (int p = 0; p < 4 * render_frame_get_width (a); p++)
      greatest = MAX (greatest, ABS (fixture_pixel (a, 0, y)[p] - fixture_pixel (b, 0, y)[p]));
  return greatest;
}

/* --- choosing --- */

static void
test_list (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) infos = render_device_list (&error);

  g_assert_no_error (error);
  g_assert_cmpuint (infos->len, >, 0);
  for (guint d = 0; d < infos->len; d++)
    {
      const RenderDeviceInfo *info = &g_array_index (infos, RenderDeviceInfo, d);

      g_assert_cmpint (strlen (info->name), >, 0);
      g_assert_true ((info->score < 0) == (info->why_not[0] != '\0'));
      if (d > 0)
        g_assert_cmpint (info->score, <=, g_array_index (infos, RenderDeviceInfo, d - 1).score);
    }
  g_assert_cmpint (render_objects_get_n_alive (), ==, 0);
}

static void
test_names (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) infos = render_device_list (&error);
  const char *name = g_array_index (infos, RenderDeviceInfo, 0).name;
  g_autofree char *upper = g_ascii_strup (name, -1);
  RenderDevice *device = fixture_open (&(RenderDeviceParams){ .name = upper });

  g_assert_cmpstr (render_device_get_info (device)->name, ==, name);
  fixture_close (device);
  device = render_device_new (&(RenderDeviceParams){ .name = "Voodoo 2" }, &error);
  g_assert_null (device);
  g_assert_error (error, RENDER_ERROR, RENDER_ERROR_NO_DEVICE);
  g_assert_nonnull (strstr (error->message, "Voodoo 2"));
  g_assert_nonnull (strstr (error->message, name));
  g_assert_cmpint (render_objects_get_n_alive (), ==, 0);
}

/* In a process of its own: the loader is opened once. */
static void
expect_failure (const char *variable, const char *value, const char *test, const char *words)
{
  g_autofree char *before = g_strdup (g_getenv (variable));

  g_setenv (variable, value, TRUE);
  g_test_trap_subprocess (test, 0, 0);
  if (before != NULL)
    g_setenv (variable, before, TRUE);
  else
    g_unsetenv (variable);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stdout (words);
}

static void
try_to_open (int code)
{
  g_autoptr (GError) error = NULL;
  RenderDevice *device = render_device_new (NULL, &error);

  g_assert_null (device);
  g_assert_error (error, RENDER_ERROR, code);
  g_print ("%s\n", error->message);
}

static void
test_no_loader (void)
{
  if (g_test_subprocess ())
    {
      try_to_open (RENDER_ERROR_NO_LOADER);
      return;
    }
  expect_failure ("CROSSLABEL_VULKAN_LOADER", "libnowhere.so", "/render/device/no-loader",
                  "*Vulkan loader*Install*");
}

static void
test_no_driver (void)
{
  if (g_test_subprocess ())
    {
      g_unsetenv ("CROSSLABEL_VULKAN_VALIDATE");
      try_to_open (RENDER_ERROR_NO_DEVICE);
      return;
    }
  expect_failure ("VK_ICD_FILENAMES", "/nonexistent.json", "/render/device/no-driver",
                  "*no Vulkan*Install*");
}

/* --- pictures are right from the first one on, whatever fits --- */

static void
test_first_frame (void)
{
  static const int size[3] = { 290, 280, 260 };
  RenderDevice *device = fixture_open (NULL);
  g_autoptr (VolumeScan) volume = noise_scan (size, VOLUME_DTYPE_I16);

  int n_early = 0;

  for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
    {
      g_autoptr (RenderScan) scan = render_scan_new (device, volume);
      g_autoptr (RenderFrame) early =
          draw (device, scan, NULL, (VolumePlane) plane, 70.0, RENDER_INTERPOLATION_CUBIC);
      g_autoptr (RenderFrame) late = NULL;
      const double progress = render_scan_get_progress (scan);

      render_device_wait_sync (device);
      g_assert_cmpfloat (render_scan_get_progress (scan), ==, 1.0);
      n_early += progress < 1.0;
      late = draw (device, scan, NULL, (VolumePlane) plane, 70.0, RENDER_INTERPOLATION_CUBIC);
      assert_same (early, late);
      g_assert_true (render_frame_is_exact (early));
    }
  g_assert_cmpint (n_early, >, 0);
  fixture_close (device);
}

static RenderLabels *
striped_labels (RenderDevice *device, const int size[3])
{
  const gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  guint16 *ids = g_new (guint16, n);
  g_autoptr (GBytes) bytes = NULL;
  RenderLabels *labels = render_labels_new (device, size);

  for (gsize v = 0; v < n; v++)
    ids[v] = (guint16) (v / 7 % 5);
  bytes = g_bytes_new_take (ids, n * sizeof *ids);
  render_labels_update_array (labels, bytes);
  return labels;
}

/* With limits far below the scan's size slices of the grid are the same to the bit. */
static void
test_limits (void)
{
  static const int size[3] = { 90, 70, 80 };
  static const RenderDeviceParams limits[] = { { .max_image_3d = 64 },
                                               { .max_scan_bytes = 100000 } };
  RenderDevice *device = fixture_open (NULL);
  g_autoptr (VolumeScan) volume = noise_scan (size, VOLUME_DTYPE_I16);
  RenderFrame *wanted[3][3][2];

  for (int plane = 0; plane < 3; plane++)
    for (int interpolation = 0; interpolation < 3; interpolation++)
      for (int half = 0; half < 2; half++)
        {
          g_autoptr (RenderScan) scan = render_scan_new (device, volume);
          g_autoptr (RenderLabels) labels = striped_labels (device, size);

          wanted[plane][interpolation][half] =
              draw (device, scan, labels, (VolumePlane) plane, 33.0 + 0.5 * half,
                    (RenderInterpolation) interpolation);
        }
  for (gsize l = 0; l < G_N_ELEMENTS (limits); l++)
    {
      g_autoptr (GError) error = NULL;
      RenderDeviceParams params = limits[l];
      RenderDevice *small;

      g_autoptr (RenderScan) scan = NULL;
      g_autoptr (RenderLabels) labels = NULL;

      params.direct = fixture_is_direct ();
      small = render_device_new (&params, &error);
      g_assert_no_error (error);
      scan = render_scan_new (small, volume);
      labels = striped_labels (small, size);
      /* A slice may be wider than the limit: then a part of it has to be enough. */
      for (int plane = 0; plane < 3 && limits[l].max_image_3d == 0; plane++)
        for (int interpolation = 0; interpolation < 3; interpolation++)
          for (int half = 0; half < 2; half++)
            {
              g_autoptr (RenderFrame) frame =
                  draw (small, scan, labels, (VolumePlane) plane, 33.0 + 0.5 * half,
                        (RenderInterpolation) interpolation);

              assert_same (frame, wanted[plane][interpolation][half]);
              g_assert_true (render_frame_is_exact (frame));
            }
      render_device_wait_sync (small);
      g_clear_pointer (&scan, render_scan_unref);
      g_clear_pointer (&labels, render_labels_unref);
      render_device_wait_sync (small);
      render_device_unref (small);
    }
  for (int plane = 0; plane < 3; plane++)
    for (int interpolation = 0; interpolation < 3; interpolation++)
      for (int half = 0; half < 2; half++)
        render_frame_unref (wanted[plane][interpolation][half]);
  fixture_close (device);
}

/* A scan too large for the device: the oblique plane comes from a coarser level and says so. */
static void
test_coarse_level (void)
{
  static const int size[3] = { 150, 130, 140 };
  RenderDevice *device = fixture_open (&(RenderDeviceParams){ .max_image_3d = 64 });
  RenderDevice *large = NULL;
  g_autoptr (VolumeScan) volume = smooth_scan (size);
  g_autoptr (RenderScan) scan = render_scan_new (device, volume);
  g_autoptr (RenderScan) whole = NULL;
  g_autoptr (GError) error = NULL;
  RenderSliceParams params = { .scan = scan,
                               .placement = { .oblique = TRUE,
                                              .centre_ras = { 75, 65, 70 },
                                              .right_ras = { 0.6, 0.8, 0.0 },
                                              .down_ras = { 0.0, 0.0, -1.0 },
                                              .zoom = 3.0 },
                               .width = 120,
                               .height = 120,
                               .window_width = 1600.0,
                               .interpolation = RENDER_INTERPOLATION_LINEAR };
  g_autoptr (RenderFrame) coarse = render_slice_sync (device, &params, &error);
  g_autoptr (RenderFrame) exact = NULL;

  g_assert_no_error (error);
  g_assert_false (render_frame_is_exact (coarse));
  large = render_device_new (NULL, &error);
  whole = render_scan_new (large, volume);
  params.scan = whole;
  exact = render_slice_sync (large, &params, &error);
  g_assert_true (render_frame_is_exact (exact));
  /* Block means of three voxels of so smooth a scan are off by less than 4 % of the window. */
  g_assert_cmpint (greatest_difference (coarse, exact), <=, 10);
  g_assert_cmpint (greatest_difference (coarse, exact), >, 0);
  g_clear_pointer (&coarse, render_frame_unref);
  g_clear_pointer (&exact, render_frame_unref);
  g_clear_pointer (&scan, render_scan_unref);
  g_clear_pointer (&whole, render_scan_unref);
  render_device_wait_sync (large);
  render_device_unref (large);
  fixture_close (device);
}

/* A device that is nearly full: a coarser level, slices still exact. */
static void
test_out_of_memory (void)
{
  static const int size[3] = { 256, 256, 100 };
  RenderDevice *device =
      fixture_open (&(RenderDeviceParams){ .max_memory_bytes = (guint64) 28 << 20 });
  g_autoptr (VolumeScan) volume = noise_scan (size, VOLUME_DTYPE_F32);
  g_autoptr (RenderScan) scan = render_scan_new (device, volume);
  g_autoptr (RenderFrame) first =
      draw (device, scan, NULL, VOLUME_PLANE_AXIAL, 50.0, RENDER_INTERPOLATION_NEAREST);
  g_autoptr (RenderFrame) frame = NULL;
  g_autoptr (GError) error = NULL;

  render_device_wait_sync (device);
  frame = draw (device, scan, NULL, VOLUME_PLANE_AXIAL, 50.0, RENDER_INTERPOLATION_NEAREST);
  assert_same (first, frame);
  g_clear_pointer (&first, render_frame_unref);
  g_clear_pointer (&frame, render_frame_unref);
  /* What does not fit at all is said. */
  frame = render_slice_sync (
      device, &(RenderSliceParams){ .scan = scan, .width = 4000, .height = 4000 }, &error);
  g_assert_null (frame);
  g_assert_error (error, RENDER_ERROR, RENDER_ERROR_OUT_OF_MEMORY);
  g_clear_error (&error);
  /* And the device goes on. */
  frame = draw (device, scan, NULL, VOLUME_PLANE_CORONAL, 5.0, RENDER_INTERPOLATION_NEAREST);
  g_clear_pointer (&frame, render_frame_unref);
  g_clear_pointer (&scan, render_scan_unref);
  fixture_close (device);
}

static void
test_sizes (void)
{
  static const int size[3] = { 4, 4, 4 };
  static const int wrong[][2] = {
    { 0, 10 }, { 10, 0 }, { -3, 10 }, { 10, 1000000000 }, { 2000000000, 2000000000 }
  };
  RenderDevice *device = fixture_open (NULL);
  g_autoptr (VolumeScan) volume = noise_scan (size, VOLUME_DTYPE_U8);
  g_autoptr (RenderScan) scan = render_scan_new (device, volume);

  for (gsize w = 0; w < G_N_ELEMENTS (wrong); w++)
    {
      g_autoptr (GError) error = NULL;
      RenderFrame *frame = render_slice_sync (
          device, &(RenderSliceParams){ .scan = scan, .width = wrong[w][0], .height = wrong[w][1] },
          &error);

      g_assert_null (frame);
      g_assert_error (error, RENDER_ERROR, RENDER_ERROR_SIZE);
    }
  g_clear_pointer (&scan, render_scan_unref);
  fixture_close (device);
}

/* --- loss --- */

static void
test_loss (void)
{
  static const int size[3] = { 60, 50, 40 };
  RenderDevice *device = fixture_open (NULL);
  g_autoptr (VolumeScan) volume = noise_scan (size, VOLUME_DTYPE_I16);
  g_autoptr (RenderScan) scan = render_scan_new (device, volume);
  g_autoptr (RenderLabels) labels = striped_labels (device, size);
  g_autoptr (RenderFrame) before =
      draw (device, scan, labels, VOLUME_PLANE_AXIAL, 20.0, RENDER_INTERPOLATION_LINEAR);
  const gsize n = render_frame_get_stride_bytes (before) * 140;
  g_autofree guint8 *copy = g_memdup2 (render_frame_get_pixels (before), n);

  for (guint loss = 1; loss <= 3; loss++)
    {
      g_autoptr (RenderFrame) after = NULL;

      render_device_simulate_loss (device);
      after = draw (device, scan, labels, VOLUME_PLANE_AXIAL, 20.0, RENDER_INTERPOLATION_LINEAR);
      g_assert_cmpuint (render_device_get_n_recoveries (device), ==, loss);
      assert_same (before, after);
    }
  /* A frame of the lost device is still there to be shown. */
  g_assert_cmpmem (render_frame_get_pixels (before), n, copy, n);
  g_clear_pointer (&before, render_frame_unref);
  g_clear_pointer (&scan, render_scan_unref);
  g_clear_pointer (&labels, render_labels_unref);
  fixture_close (device);
}

/* Frames may outlive everything they were drawn from. */
static void
test_frame_outlives (void)
{
  static const int size[3] = { 30, 30, 30 };
  RenderDevice *device = fixture_open (NULL);
  g_autoptr (VolumeScan) volume = noise_scan (size, VOLUME_DTYPE_U8);
  RenderScan *scan = render_scan_new (device, volume);
  RenderFrame *frame =
      draw (device, scan, NULL, VOLUME_PLANE_AXIAL, 3.0, RENDER_INTERPOLATION_NEAREST);
  g_autoptr (GBytes) bytes = render_frame_get_bytes (frame);
  guint64 sum = 0;

  render_scan_unref (scan);
  render_device_ref (device);
  render_device_unref (device);
  render_frame_unref (frame);
  for (gsize b = 0; b < g_bytes_get_size (bytes); b++)
    sum += ((const guint8 *) g_bytes_get_data (bytes, NULL))[b];
  g_assert_cmpuint (sum, >, 0);
  g_clear_pointer (&bytes, g_bytes_unref);
  fixture_close (device);
}

/* The last reference is often a job's: then the device closes on its own thread, and a program that
 * ends meanwhile would run the driver's exit handlers beside it. */
static void
test_wait_closed (void)
{
  static const int size[3] = { 30, 30, 30 };
  g_autoptr (VolumeScan) volume = noise_scan (size, VOLUME_DTYPE_U8);

  g_assert_true (render_device_wait_closed (0));
  for (int turn = 0; turn < 5; turn++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (RenderDevice) device = render_device_new (NULL, &error);
      g_autoptr (RenderScan) scan = NULL;

      g_assert_no_error (error);
      g_assert_false (render_device_wait_closed (0));
      scan = render_scan_new (device, volume); /* its upload goes on when both are let go */
      g_clear_pointer (&scan, render_scan_unref);
      g_clear_pointer (&device, render_device_unref);
      g_assert_true (render_device_wait_closed (60000));
      g_assert_cmpint (render_objects_get_n_alive (), ==, 0);
    }
}

/* --- odd scans --- */

static void
test_thin_scans (void)
{
  static const int sizes[][3] = { { 1, 1, 1 },  { 1, 40, 1 },  { 40, 1, 1 },
                                  { 1, 1, 40 }, { 1, 30, 20 }, { 2, 1, 3 } };
  RenderDevice *device = fixture_open (NULL);

  for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++)
    {
      g_autoptr (VolumeScan) volume = noise_scan (sizes[s], VOLUME_DTYPE_I16);
      g_autoptr (RenderScan) scan = render_scan_new (device, volume);
      g_autoptr (RenderLabels) labels = striped_labels (device, sizes[s]);
      g_autoptr (RenderFrame) three = NULL;
      g_autoptr (GError) error = NULL;

      for (int plane = 0; plane < 3; plane++)
        for (int interpolation = 0; interpolation < 3; interpolation++)
          render_frame_unref (draw (device, scan, labels, (VolumePlane) plane, 0.0,
                                    (RenderInterpolation) interpolation));
      three = render_volume_sync (
          device,
          &(RenderVolumeParams){
              .scan = scan, .labels = labels, .width = 50, .height = 60, .label_opacity = 1.0 },
          &error);
      g_assert_no_error (error);
    }
  fixture_close (device);
}

static void
test_not_finite (void)
{
  static const int size[3] = { 4, 4, 1 };
  float values[16];
  RenderDevice *device = fixture_open (NULL);
  g_autoptr (VolumeScan) volume = NULL;
  g_autoptr (RenderScan) scan = NULL;
  g_autoptr (RenderFrame) frame = NULL;
  g_autoptr (GError) error = NULL;

  for (int v = 0; v < 16; v++)
    values[v] = (float) (10 + v);
  values[5] = NAN;
  values[6] = INFINITY;
  values[9] = -INFINITY;
  volume = fixture_scan (size, identity, VOLUME_DTYPE_F32, values);
  scan = render_scan_new (device, volume);
  frame = render_slice_sync (
      device,
      &(RenderSliceParams){
          .scan = scan, .width = 4, .height = 4, .window_centre = 15.0, .window_width = 20.0 },
      &error);
  g_assert_no_error (error);
  for (int v = 0; v < 16; v++)
    {
      const float shown = isfinite (values[v]) ? values[v] : 10.0f;
      const int x = 3 - v % 4, y = 3 - v / 4;

      g_assert_cmpint (
          ABS (fixture_pixel (frame, x, y)[0] - (int) floor ((shown - 5.0) / 20.0 * 255.0 + 0.5)),
          <=, 1);
    }
  g_clear_pointer (&frame, render_frame_unref);
  g_clear_pointer (&scan, render_scan_unref);
  fixture_close (device);
}

/* A window that is no window, and values that are all alike. */
static void
test_odd_windows (void)
{
  static const int size[3] = { 5, 5, 5 };
  static const double windows[][2] = { { NAN, 10 },     { 0, NAN },       { 0, -5 },
                                       { INFINITY, 1 }, { 1e300, 1e300 }, { 0, 0 } };
  RenderDevice *device = fixture_open (NULL);
  g_autofree gint16 *values = g_new0 (gint16, 125);
  g_autoptr (VolumeScan) volume = fixture_scan (size, identity, VOLUME_DTYPE_I16, values);
  g_autoptr (RenderScan) scan = render_scan_new (device, volume);

  for (gsize w = 0; w < G_N_ELEMENTS (windows); w++)
    {
      g_autoptr (GError) error = NULL;
      G_GNUC_UNUSED g_autoptr (RenderFrame) frame =
          render_slice_sync (device,
                             &(RenderSliceParams){ .scan = scan,
                                                   .width = 20,
                                                   .height = 20,
                                                   .window_centre = windows[w][0],
                                                   .window_width = windows[w][1] },
                             &error);

      g_assert_no_error (error);
    }
  g_clear_pointer (&scan, render_scan_unref);
  fixture_close (device);
}

/* The device's memory for a scan and its labels is hardly more than theirs. */
static void
test_memory (void)
{
  static const int size[3] = { 384, 384, 300 };
  RenderDevice *device = fixture_open (NULL);
  g_autofree gint16 *values = g_new0 (gint16, 384 * 384 * 300);
  g_autoptr (VolumeScan) volume = fixture_scan (size, identity, VOLUME_DTYPE_I16, values);
  g_autoptr (RenderScan) scan = render_scan_new (device, volume);
  g_autoptr (RenderLabels) labels = striped_labels (device, size);
  const double scan_and_labels = 384.0 * 384.0 * 300.0 * 3.0;
  guint64 peak;

  for (int plane = 0; plane < 3; plane++)
    render_frame_unref (
        draw (device, scan, labels, (VolumePlane) plane, 10.0, RENDER_INTERPOLATION_LINEAR));
  render_device_wait_sync (device);
  for (int plane = 0; plane < 3; plane++)
    render_frame_unref (
        draw (device, scan, labels, (VolumePlane) plane, 20.0, RENDER_INTERPOLATION_LINEAR));
  render_device_get_memory (device, NULL, &peak);
  g_test_message ("peak %.3f of scan and labels", (double) peak / scan_and_labels);
  g_assert_cmpfloat ((double) peak, <=, 1.2 * scan_and_labels);
  g_clear_pointer (&scan, render_scan_unref);
  g_clear_pointer (&labels, render_labels_unref);
  fixture_close (device);
}

/* Pipelines are kept on disk; a damaged file is no harm. */
static void
test_pipeline_cache (void)
{
  static const int size[3] = { 8, 8, 8 };
  g_autofree char *folder = g_dir_make_tmp ("crosslabel-cache-XXXXXX", NULL);
  g_autoptr (VolumeScan) volume = noise_scan (size, VOLUME_DTYPE_U8);
  g_autofree char *path = NULL;

  for (int run = 0; run < 3; run++)
    {
      RenderDevice *device = fixture_open (&(RenderDeviceParams){ .cache_dir = folder });
      RenderScan *scan = render_scan_new (device, volume);
      g_autoptr (GDir) dir = NULL;

      render_frame_unref (
          draw (device, scan, NULL, VOLUME_PLANE_AXIAL, 3.0, RENDER_INTERPOLATION_NEAREST));
      render_scan_unref (scan);
      fixture_close (device);
      dir = g_dir_open (folder, 0, NULL);
      g_free (path);
      path = g_build_filename (folder, g_dir_read_name (dir), NULL);
      g_assert_true (g_file_test (path, G_FILE_TEST_IS_REGULAR));
      if (run == 1)
        g_assert_true (g_file_set_contents (path, "nonsense", -1, NULL));
    }
  g_assert_cmpint (g_remove (path), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!g_test_subprocess () && !fixture_is_possible ())
    return 77;
  g_test_add_func ("/render/device/list", test_list);
  g_test_add_func ("/render/device/names", test_names);
  g_test_add_func ("/render/device/no-loader", test_no_loader);
  g_test_add_func ("/render/device/no-driver", test_no_driver);
  fixture_add ("/render/device/first-frame", test_first_frame);
  fixture_add ("/render/device/limits", test_limits);
  fixture_add ("/render/device/coarse-level", test_coarse_level);
  fixture_add ("/render/device/out-of-memory", test_out_of_memory);
  g_test_add_func ("/render/device/sizes", test_sizes);
  fixture_add ("/render/device/loss", test_loss);
  g_test_add_func ("/render/device/frame-outlives", test_frame_outlives);
  g_test_add_func ("/render/device/wait-closed", test_wait_closed);
  fixture_add ("/render/device/thin-scans", test_thin_scans);
  fixture_add ("/render/device/not-finite", test_not_finite);
  g_test_add_func ("/render/device/odd-windows", test_odd_windows);
  fixture_add ("/render/device/memory", test_memory);
  g_test_add_func ("/render/device/pipeline-cache", test_pipeline_cache);
  return g_test_run ();
}
