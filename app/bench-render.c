/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/bench.h"
#include "app/json-output.h"
#include "app/verbs.h"
#include "render/slice.h"
#include "render/volume-view.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* Pictures before those that count, as many as the peers in tests/bench have. */
#define N_WARM 21

/* A scan of a body with organs in it; the peers in tests/bench make the same. */
static VolumeScan *
make_scan (const int size[3], guint16 **labels)
{
  const double affine[4][4] = {
    { -0.8, 0, 0, 100 }, { 0, -0.8, 0, 90 }, { 0, 0, 1.28, -80 }, { 0, 0, 0, 1 }
  };
  const gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  gint16 *values = g_new (gint16, n);
  VolumeGeometry geometry;
  gsize v = 0;

  *labels = g_new0 (guint16, n);
  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      for (int i = 0; i < size[0]; i++, v++)
        {
          const float x = 2.0f * (float) i / (float) size[0] - 1.0f;
          const float y = 2.0f * (float) j / (float) size[1] - 1.0f;
          const float z = 2.0f * (float) k / (float) size[2] - 1.0f;
          const gboolean body = x * x + y * y < 0.8f;
          const gboolean a = (x - 0.3f) * (x - 0.3f) + y * y + z * z < 0.09f;
          const gboolean b = (x + 0.4f) * (x + 0.4f) + y * y + z * z < 0.06f;

          values[v] = (gint16) ((body ? 40 : -1000) + (a ? 80 : 0) + (b ? 40 : 0)
                                + (int) ((guint32) v * 2654435761u >> 27));
          (*labels)[v] = a ? 1 : b ? 2 : 0;
        }
  if (!volume_geometry_init (&geometry, size, affine, VOLUME_AFFINE_FROM_ASSUMED, NULL))
    g_assert_not_reached ();
  return volume_scan_new_take (&geometry, VOLUME_DTYPE_I16,
                               g_bytes_new_take (values, n * sizeof *values), 1.0, 0.0);
}

typedef struct
{
  RenderDevice *device;
  VolumeScan *volume;
  RenderScan *scan;
  RenderLabels *labels;
  RenderMarks *marks;
  int repeat;
  const char *only; /* part of the cases' names, or NULL */
  const char *save; /* folder for a picture of each case, or NULL */
} Bench;

static gboolean
is_wanted (const Bench *bench, const char *name)
{
  return bench->only == NULL || strstr (name, bench->only) != NULL;
}

/* Processor time of all threads beside the wall's: a busy machine lengthens only the latter. */
static double
cpu_ms_now (void)
{
  struct timespec now;

  return clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now) == 0
             ? (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6
             : 0.0;
}

static int
print_line (const Bench *bench, const char *name, double *ms, double cpu_ms)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  app_json_add_string (builder, "bench", "render");
  app_json_add_string (builder, "case", name);
  app_json_add_string (builder, "device", render_device_get_info (bench->device)->name);
  app_json_add_number (builder, "ms", app_bench_median (ms, (gsize) bench->repeat));
  app_json_add_number (builder, "ms_least", ms[0]);
  app_json_add_number (builder, "cpu_ms", cpu_ms / bench->repeat);
  json_builder_end_object (builder);
  return app_json_print (builder);
}

/* The last picture of a case, for peers to compare theirs with. */
static gboolean
save (const Bench *bench, const char *name, RenderFrame *frame, GError **error)
{
  g_autofree char *file = g_strconcat (name, ".png", NULL);
  g_autofree char *path = NULL;

  if (bench->save == NULL)
    return TRUE;
  path = g_build_filename (bench->save, file, NULL);
  return render_frame_save_png (frame, path, error);
}

static RenderSliceParams
slice_params (const Bench *bench, VolumePlane plane, int turn, int side)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (bench->volume);
  const int n = geometry->size[geometry->axis_of_plane[plane]];

  return (RenderSliceParams){ .scan = bench->scan,
                              .placement = { .plane = plane, .index = n / 3 + turn % (n / 3) },
                              .width = side,
                              .height = side,
                              .window_centre = 40.0,
                              .window_width = 400.0,
                              .interpolation = RENDER_INTERPOLATION_LINEAR };
}

static void
add_labels (const Bench *bench, RenderSliceParams *params, RenderLabelStyle style)
{
  params->labels = bench->labels;
  params->label_style = style;
  params->label_opacity = 0.4;
}

/* What is drawn in each of the single-slice cases. */
typedef enum
{
  CASE_NEAREST,
  CASE_LINEAR,
  CASE_LINEAR_LABELS,
  CASE_ALL,
  CASE_CUBIC,
  CASE_OBLIQUE,
  CASE_4K, /* with --large */
  N_CASES
} Case;
static const char *const case_names[N_CASES] = { "nearest 800x800",
                                                 "linear 800x800",
                                                 "linear with labels 800x800",
                                                 "linear with labels, outlines, crosshair 800x800",
                                                 "cubic with labels, outlines, crosshair 800x800",
                                                 "oblique linear with labels 800x800",
                                                 "linear with labels, outlines, crosshair 4K" };

static RenderSliceParams
case_params (const Bench *bench, Case which, int turn)
{
  RenderSliceParams params = slice_params (bench, VOLUME_PLANE_AXIAL, turn, 800);

  if (which == CASE_NEAREST)
    params.interpolation = RENDER_INTERPOLATION_NEAREST;
  if (which == CASE_CUBIC)
    params.interpolation = RENDER_INTERPOLATION_CUBIC;
  if (which == CASE_LINEAR_LABELS || which == CASE_OBLIQUE)
    add_labels (bench, &params, RENDER_LABEL_STYLE_FILL);
  if (which == CASE_ALL || which == CASE_CUBIC || which == CASE_4K)
    {
      add_labels (bench, &params, RENDER_LABEL_STYLE_FILL_OUTLINE);
      params.marks = bench->marks;
    }
  if (which == CASE_4K)
    {
      params.width = 3840;
      params.height = 2160;
    }
  if (which == CASE_OBLIQUE)
    {
      params.placement.oblique = TRUE;
      params.placement.right_ras[0] = -0.8;
      params.placement.right_ras[1] = 0.6;
      params.placement.down_ras[2] = -1.0;
      params.placement.centre_ras[2] = 10.0 + 0.1 * turn;
    }
  return params;
}

static int
bench_slice (const Bench *bench, Case which)
{
  g_autofree double *ms = g_new (double, bench->repeat);
  double cpu_ms = 0.0;

  if (!is_wanted (bench, case_names[which]))
    return APP_EXIT_OK;
  for (int turn = -N_WARM; turn < bench->repeat; turn++)
    {
      const RenderSliceParams params = case_params (bench, which, turn + N_WARM);
      const gint64 start = g_get_monotonic_time ();
      g_autoptr (GError) error = NULL;
      g_autoptr (RenderFrame) frame = render_slice_sync (bench->device, &params, &error);

      if (frame == NULL)
        return app_fail (error);
      if (turn >= 0)
        ms[turn] = (double) (g_get_monotonic_time () - start) / 1000.0;
      else
        cpu_ms = cpu_ms_now ();
      if (turn == bench->repeat - 1 && !save (bench, case_names[which], frame, &error))
        return app_fail (error);
    }
  return print_line (bench, case_names[which], ms, cpu_ms_now () - cpu_ms);
}

/* --- three views at once --- */

typedef struct
{
  int n_waiting;
  GError *error;
} Gathering;

static void
gathered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Gathering *gathering = user_data;

  render_frame_unref (
      render_slice_finish (result, gathering->error == NULL ? &gathering->error : NULL));
  gathering->n_waiting--;
}

static int
bench_three (const Bench *bench, int side, gboolean marked, const char *name)
{
  g_autofree double *ms = g_new (double, bench->repeat);
  double cpu_ms = 0.0;

  if (!is_wanted (bench, name))
    return APP_EXIT_OK;
  for (int turn = -N_WARM; turn < bench->repeat; turn++)
    {
      const gint64 start = g_get_monotonic_time ();
      Gathering gathering = { VOLUME_N_PLANES, NULL };

      for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
        {
          RenderSliceParams params = slice_params (bench, (VolumePlane) plane, turn + N_WARM, side);

          add_labels (bench, &params,
                      marked ? RENDER_LABEL_STYLE_FILL_OUTLINE : RENDER_LABEL_STYLE_FILL);
          params.marks = marked ? bench->marks : NULL;
          render_slice_async (bench->device, &params, NULL, gathered_cb, &gathering);
        }
      while (gathering.n_waiting > 0)
        g_main_context_iteration (NULL, TRUE);
      if (gathering.error != NULL)
        {
          g_autoptr (GError) error = gathering.error;

          return app_fail (error);
        }
      if (turn >= 0)
        ms[turn] = (double) (g_get_monotonic_time () - start) / 1000.0;
      else
        cpu_ms = cpu_ms_now ();
    }
  return print_line (bench, name, ms, cpu_ms_now () - cpu_ms);
}

/* --- the 3-D view --- */

static int
bench_volume (const Bench *bench, RenderVolumeMode mode, RenderQuality quality, const char *name)
{
  g_autofree double *ms = g_new (double, bench->repeat);
  double cpu_ms = 0.0;

  if (!is_wanted (bench, name))
    return APP_EXIT_OK;
  for (int turn = -1; turn < bench->repeat; turn++)
    {
      const gint64 start = g_get_monotonic_time ();
      g_autoptr (GError) error = NULL;
      g_autoptr (RenderFrame) frame =
          render_volume_sync (bench->device,
                              &(RenderVolumeParams){ .scan = bench->scan,
                                                     .labels = bench->labels,
                                                     .width = 512,
                                                     .height = 512,
                                                     .mode = mode,
                                                     .quality = quality,
                                                     .azimuth_deg = turn * 7,
                                                     .elevation_deg = 20,
                                                     .window_centre = 40.0,
                                                     .window_width = 400.0,
                                                     .label_opacity = 1.0 },
                              &error);

      if (frame == NULL)
        return app_fail (error);
      if (turn >= 0)
        ms[turn] = (double) (g_get_monotonic_time () - start) / 1000.0;
      else
        cpu_ms = cpu_ms_now ();
    }
  return print_line (bench, name, ms, cpu_ms_now () - cpu_ms);
}

/* --- opening a large scan --- */

static int
bench_first_slice (Bench *bench)
{
  static const int size[3] = { 512, 512, 300 };
  g_autofree guint16 *labels = NULL;
  g_autoptr (VolumeScan) volume = make_scan (size, &labels);
  g_autofree double *ms = g_new (double, bench->repeat);
  double cpu_ms = 0.0;
  g_autofree double *all_ms = g_new (double, bench->repeat);
  Bench large = *bench;
  guint64 peak = 0;
  int status;

  large.volume = volume;
  large.repeat = MIN (bench->repeat, 9);
  cpu_ms = cpu_ms_now ();
  for (int turn = 0; turn < large.repeat; turn++)
    {
      const gint64 start = g_get_monotonic_time ();
      g_autoptr (RenderScan) scan = render_scan_new (bench->device, volume);
      g_autoptr (RenderFrame) frame = NULL;
      g_autoptr (GError) error = NULL;
      RenderSliceParams params;

      large.scan = scan;
      params = slice_params (&large, (VolumePlane) (turn % VOLUME_N_PLANES), turn, 800);
      frame = render_slice_sync (bench->device, &params, &error);
      if (frame == NULL)
        return app_fail (error);
      ms[turn] = (double) (g_get_monotonic_time () - start) / 1000.0;
      render_device_wait_sync (bench->device);
      all_ms[turn] = (double) (g_get_monotonic_time () - start) / 1000.0;
    }
  render_device_get_memory (bench->device, NULL, &peak);
  status = print_line (&large, "first slice of 512x512x300", ms, NAN);
  if (status == APP_EXIT_OK)
    status = print_line (&large, "upload of 512x512x300", all_ms, cpu_ms_now () - cpu_ms);
  return status;
}

static int
run (Bench *bench, gboolean large_views)
{
  static const int size[3] = { 256, 256, 160 };
  guint16 *ids = NULL;
  g_autoptr (GBytes) bytes = NULL;
  int status = APP_EXIT_OK;

  bench->volume = make_scan (size, &ids);
  bytes = g_bytes_new_take (ids, sizeof *ids * 256 * 256 * 160);
  bench->scan = render_scan_new (bench->device, bench->volume);
  bench->labels = render_labels_new (bench->device, size);
  render_labels_update_array (bench->labels, bytes);
  bench->marks = render_marks_new ();
  render_marks_add_crosshair (bench->marks, (double[3]){ 120, 130, 70 }, 8.0, NULL);
  /* The first frame asks for the labels, which are then sent. */
  status = bench_slice (bench, CASE_LINEAR_LABELS);
  render_device_wait_sync (bench->device);
  for (int which = 0; which < (large_views ? N_CASES : CASE_4K) && status == APP_EXIT_OK; which++)
    status = bench_slice (bench, (Case) which);
  if (status == APP_EXIT_OK)
    status = bench_three (bench, 600, FALSE, "three linked views with labels 600x600");
  if (status == APP_EXIT_OK)
    status = bench_three (bench, 600, TRUE, "three linked views, outlines, crosshair 600x600");
  if (status == APP_EXIT_OK && large_views)
    status = bench_three (bench, 2160, TRUE, "three linked views 2160x2160");
  if (status == APP_EXIT_OK)
    status = bench_volume (bench, RENDER_VOLUME_MODE_COMPOSITE, RENDER_QUALITY_FINAL,
                           "3-D composite with labels 512x512");
  if (status == APP_EXIT_OK)
    status = bench_volume (bench, RENDER_VOLUME_MODE_COMPOSITE, RENDER_QUALITY_MOVING,
                           "3-D composite with labels, moving, 512x512");
  if (status == APP_EXIT_OK)
    status = bench_volume (bench, RENDER_VOLUME_MODE_MIP, RENDER_QUALITY_FINAL,
                           "3-D maximum with labels 512x512");
  if (status == APP_EXIT_OK)
    status = bench_volume (bench, RENDER_VOLUME_MODE_LABELS, RENDER_QUALITY_FINAL,
                           "3-D label surfaces 512x512");
  if (status == APP_EXIT_OK && is_wanted (bench, "first slice"))
    status = bench_first_slice (bench);
  render_marks_free (bench->marks);
  render_labels_unref (bench->labels);
  render_scan_unref (bench->scan);
  volume_scan_unref (bench->volume);
  return status;
}

int
app_bench_render (int argc, char **argv)
{
  int repeat = 31, status;
  gboolean large_views = FALSE;
  g_autofree char *name = NULL, *only = NULL, *folder = NULL;
  const GOptionEntry entries[] = {
    { "repeat", 0, 0, G_OPTION_ARG_INT, &repeat, "Frames of each case (31)", "N" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &name, "Part of the Vulkan device's name", "NAME" },
    { "only", 0, 0, G_OPTION_ARG_STRING, &only, "Cases whose names contain this", "WORDS" },
    { "save", 0, 0, G_OPTION_ARG_FILENAME, &folder, "Write a picture of each one-slice case",
      "FOLDER" },
    { "large", 0, 0, G_OPTION_ARG_NONE, &large_views,
      "Also a 4K slice, and three views of 4K height", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  Bench bench = { 0 };

  g_option_context_set_summary (context, "Draws and reads back; median milliseconds.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("bench render: %s", error->message);
  if (argc != 1 || repeat < 1 || repeat > 10000)
    return app_usage ("bench render takes --repeat from 1 to 10000, --device and --large");
  bench.repeat = repeat;
  bench.only = only;
  bench.save = folder;
  bench.device = render_device_new (&(RenderDeviceParams){ .name = name }, &error);
  if (bench.device == NULL)
    return app_fail (error);
  status = run (&bench, large_views);
  render_device_unref (bench.device);
  return status;
}
