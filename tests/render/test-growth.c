/* SPDX-License-Identifier: Apache-2.0 */
/* Scans of several sizes are opened, looked at and closed again and again: what is in use
 * afterwards is what was in use before. */
#include "render/slice.h"
#include "render/volume-view.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/render/fixture.h"

#define N_WARM 12 /* every pipeline has been made by then, and the pools are full */
#define N_ROUNDS 48

static const int sizes[4][3] = { { 60, 50, 40 }, { 40, 72, 55 }, { 80, 33, 61 }, { 51, 64, 70 } };
static const int frame_sizes[3] = { 200, 260, 170 };

static double
in_use_mib (void)
{
  const struct mallinfo2 info = mallinfo2 ();

  return (double) (info.uordblks + info.hblkhd) / 1048576.0;
}

static double
resident_mib (void)
{
  long pages = 0, all;
  FILE *file = fopen ("/proc/self/statm", "r");

  g_assert_nonnull (file);
  g_assert_cmpint (fscanf (file, "%ld %ld", &all, &pages), ==, 2);
  fclose (file);
  return (double) pages * (double) sysconf (_SC_PAGESIZE) / 1048576.0;
}

static GBytes *
make_labels (const int size[3])
{
  const gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  guint16 *ids = g_new0 (guint16, n);

  for (int k = 8; k < 24; k++)
    for (int j = 8; j < 24; j++)
      for (int i = 8; i < 24; i++)
        ids[((gsize) k * (gsize) size[1] + (gsize) j) * (gsize) size[0] + (gsize) i] =
            k < 16 ? 1 : 2;
  return g_bytes_new_take (ids, n * sizeof *ids);
}

static void
look_at (RenderDevice *device, RenderScan *scan, RenderLabels *labels, int turn)
{
  for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
    {
      g_autoptr (GError) error = NULL;
      G_GNUC_UNUSED g_autoptr (RenderFrame) frame =
          render_slice_sync (device,
                             &(RenderSliceParams){ .scan = scan,
                                                   .labels = labels,
                                                   .label_style = RENDER_LABEL_STYLE_FILL_OUTLINE,
                                                   .label_opacity = 0.5,
                                                   .placement = { .plane = (VolumePlane) plane,
                                                                  .index = 10 + turn % 9 },
                                                   .width = frame_sizes[turn % 3],
                                                   .height = frame_sizes[(turn + plane) % 3],
                                                   .interpolation = RENDER_INTERPOLATION_LINEAR },
                             &error);

      g_assert_no_error (error);
    }
  for (int mode = 0; mode <= RENDER_VOLUME_MODE_PLANES; mode++)
    {
      g_autoptr (GError) error = NULL;
      G_GNUC_UNUSED g_autoptr (RenderFrame) frame = render_volume_sync (
          device,
          &(RenderVolumeParams){ .scan = scan,
                                 .labels = labels,
                                 .width = frame_sizes[turn % 3] / 2,
                                 .height = frame_sizes[turn % 3] / 2,
                                 .mode = (RenderVolumeMode) mode,
                                 .quality = turn & 1 ? RENDER_QUALITY_MOVING : RENDER_QUALITY_FINAL,
                                 .azimuth_deg = turn * 7,
                                 .label_opacity = 1.0,
                                 .cut_ijk = { 20, 20, 20 } },
          &error);

      g_assert_no_error (error);
    }
}

static void
open_and_close (RenderDevice *device, int turn)
{
  static const double identity[4][4] = {
    { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 }
  };
  const int *size = sizes[turn % 4];
  const gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  g_autofree gint16 *values = g_new (gint16, n);
  g_autoptr (GBytes) ids = make_labels (size);
  VolumeScan *volume;
  RenderScan *scan;
  RenderLabels *labels = render_labels_new (device, size);

  for (gsize v = 0; v < n; v++)
    values[v] = (gint16) (v * 2654435761u >> 22);
  volume = fixture_scan (size, identity, VOLUME_DTYPE_I16, values);
  scan = render_scan_new (device, volume);
  render_labels_update_array (labels, ids);
  look_at (device, scan, labels, turn);
  render_labels_unref (labels);
  render_scan_unref (scan);
  volume_scan_unref (volume);
  render_device_wait_sync (device);
}

static void
test_growth (void)
{
  g_autoptr (GError) error = NULL;
  RenderDevice *device = render_device_new (NULL, &error);
  guint64 device_before = 0, device_after = 0;
  double before = 0, after, resident_before = 0, resident_after;
  int alive_before = 0;

  if (device == NULL)
    {
      g_test_skip (error->message);
      return;
    }
  for (int turn = 0; turn < N_WARM + N_ROUNDS; turn++)
    {
      open_and_close (device, turn);
      if (turn + 1 == N_WARM)
        {
          before = in_use_mib ();
          resident_before = resident_mib ();
          render_device_get_memory (device, &device_before, NULL);
          alive_before = render_objects_get_n_alive ();
        }
    }
  after = in_use_mib ();
  resident_after = resident_mib ();
  render_device_get_memory (device, &device_after, NULL);
  g_test_message ("in use %.2f to %.2f MiB, resident %.1f to %.1f MiB, device %.2f to %.2f MiB",
                  before, after, resident_before, resident_after,
                  (double) device_before / 1048576.0, (double) device_after / 1048576.0);
  g_assert_cmpint (render_objects_get_n_alive (), <=, alive_before);
  /* The pools keep what was used last. */
  g_assert_cmpuint (device_after, <, device_before + (1u << 20));
  /* A texture left behind by each round would be 8 MiB or more in all. */
  g_assert_cmpfloat (after - before, <, 1.0);
  /* The heap may still spread a little. */
  g_assert_cmpfloat (resident_after - resident_before, <, 12.0);
  render_device_unref (device);
}

int
main (int argc, char **argv)
{
  /* As the program does: a heap in pieces is another matter. */
  mallopt (M_MMAP_THRESHOLD, 256 << 10);
  mallopt (M_TRIM_THRESHOLD, 4 << 20);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/render/growth", test_growth);
  return g_test_run ();
}
