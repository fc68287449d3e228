/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/bench.h"
#include "app/json-output.h"
#include "app/verbs.h"
#include "volume/scan.h"

static int
measure (const char *path, int repeat)
{
  g_autofree double *seconds = g_new (double, repeat);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  gsize stored_bytes = 0;

  for (int r = 0; r < repeat; r++)
    {
      g_autoptr (GError) error = NULL;
      gint64 began = g_get_monotonic_time ();
      g_autoptr (VolumeScan) scan = volume_scan_load (path, 0, &error);

      if (scan == NULL)
        return app_fail (error);
      seconds[r] = (double) (g_get_monotonic_time () - began) / G_USEC_PER_SEC;
      stored_bytes =
          volume_scan_get_n_voxels (scan) * volume_dtype_get_size (volume_scan_get_dtype (scan));
    }
  json_builder_begin_object (builder);
  app_json_add_string (builder, "bench", "open");
  app_json_add_string (builder, "file", path);
  app_json_add_number (builder, "seconds", app_bench_median (seconds, (gsize) repeat));
  app_json_add_number (builder, "stored_mib", (double) stored_bytes / (1 << 20));
  app_json_add_number (builder, "peak_rss_mib", app_bench_peak_rss_mib ());
  json_builder_end_object (builder);
  return app_json_print (builder);
}

int
app_bench_open (int argc, char **argv)
{
  int repeat = 5;
  const GOptionEntry entries[] = {
    { "repeat", 0, 0, G_OPTION_ARG_INT, &repeat, "How often each is opened (5)", "N" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("FILE…");
  g_autoptr (GError) error = NULL;
  int status = APP_EXIT_OK;

  g_option_context_set_summary (context, "Opens scans, their SHA-256 included; median seconds.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("bench open: %s", error->message);
  if (argc < 2 || repeat < 1 || repeat > 1000)
    return app_usage ("bench open needs a file, and --repeat from 1 to 1000");
  for (int a = 1; a < argc && status == APP_EXIT_OK; a++)
    status = measure (argv[a], repeat);
  return status;
}
