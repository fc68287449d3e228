/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-open.h"
#include "app/json-output.h"
#include "app/project-info.h"
#include "app/verbs.h"
#include "volume/scan.h"

#include <gio/gio.h>

static const char *
affine_source_name (VolumeAffineSource from)
{
  static const char *const names[] = { [VOLUME_AFFINE_FROM_SFORM] = "sform",
                                       [VOLUME_AFFINE_FROM_QFORM] = "qform",
                                       [VOLUME_AFFINE_FROM_PIXDIM] = "pixdim",
                                       [VOLUME_AFFINE_FROM_ASSUMED] = "assumed" };

  return names[from];
}

static int
print_json (VolumeScan *scan)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  double min, max;

  volume_scan_get_exact_range (scan, &min, &max);
  json_builder_begin_object (builder);
  app_json_add_string (builder, "kind", "scan");
  app_json_add_ints (builder, "shape", geometry->size, 3);
  app_json_add_numbers (builder, "spacing_mm", geometry->spacing_mm, 3);
  json_builder_set_member_name (builder, "affine");
  json_builder_begin_array (builder);
  for (int r = 0; r < 4; r++)
    {
      json_builder_begin_array (builder);
      for (int c = 0; c < 4; c++)
        json_builder_add_double_value (builder, geometry->affine[r][c]);
      json_builder_end_array (builder);
    }
  json_builder_end_array (builder);
  app_json_add_string (builder, "affine_from", affine_source_name (geometry->affine_from));
  app_json_add_string (builder, "orientation", geometry->orientation);
  app_json_add_string (builder, "dtype", volume_dtype_get_name (volume_scan_get_dtype (scan)));
  app_json_add_number (builder, "slope", volume_scan_get_slope (scan));
  app_json_add_number (builder, "inter", volume_scan_get_inter (scan));
  app_json_add_number (builder, "min", min);
  app_json_add_number (builder, "max", max);
  app_json_add_int (builder, "volumes", volume_scan_get_n_volumes (scan));
  app_json_add_int (builder, "volume", volume_scan_get_volume_index (scan));
  app_json_add_string (builder, "sha256", volume_scan_get_sha256 (scan));
  app_json_add_strings (builder, "remarks", volume_scan_get_remarks (scan));
  json_builder_end_object (builder);
  return app_json_print (builder);
}

static int
print_text (VolumeScan *scan)
{
  const VolumeGeometry *g = volume_scan_get_geometry (scan);
  const char *const *remarks = volume_scan_get_remarks (scan);
  double min, max, centre, width;

  volume_scan_get_exact_range (scan, &min, &max);
  volume_scan_get_default_window (scan, &centre, &width);
  g_print ("voxels       %d × %d × %d", g->size[0], g->size[1], g->size[2]);
  if (volume_scan_get_n_volumes (scan) > 1)
    g_print (", volume %d of %d", volume_scan_get_volume_index (scan) + 1,
             volume_scan_get_n_volumes (scan));
  g_print ("\nspacing      %g × %g × %g mm\n", g->spacing_mm[0], g->spacing_mm[1],
           g->spacing_mm[2]);
  g_print ("orientation  %s, from %s\n", g->orientation, affine_source_name (g->affine_from));
  for (int r = 0; r < 3; r++)
    g_print ("%s%10.5g %10.5g %10.5g %10.5g\n", r == 0 ? "affine     " : "           ",
             g->affine[r][0], g->affine[r][1], g->affine[r][2], g->affine[r][3]);
  g_print ("stored as    %s", volume_dtype_get_name (volume_scan_get_dtype (scan)));
  if (volume_scan_get_slope (scan) != 1.0 || volume_scan_get_inter (scan) != 0.0)
    g_print (", times %g plus %g", volume_scan_get_slope (scan), volume_scan_get_inter (scan));
  g_print ("\nvalues       %g to %g, shown as centre %g, width %g\n", min, max, centre, width);
  g_print ("sha256       %s\n", volume_scan_get_sha256 (scan));
  for (; *remarks != NULL; remarks++)
    g_print ("note         %s\n", *remarks);
  return APP_EXIT_OK;
}

int
app_verb_info (int argc, char **argv)
{
  gboolean json = FALSE;
  gboolean check = FALSE;
  int volume = G_MININT; /* not given */
  const GOptionEntry entries[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { "volume", 0, 0, G_OPTION_ARG_INT, &volume, "Which volume of a 4-D file, from 0", "N" },
    { "check", 0, 0, G_OPTION_ARG_NONE, &check,
      "Of a project: rebuild every scan's labels from the journal and compare", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("FILE|PROJECT");
  g_autofree char *project = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeScan) scan = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("info: %s", error->message);
  if (argc != 2)
    return app_usage ("info needs one file");
  project = app_flow_find_project (argv[1]);
  if (g_file_test (project, G_FILE_TEST_IS_DIR))
    return volume == G_MININT ? app_project_info (project, check, json)
                              : app_usage ("info: --volume is for scans");
  if (check)
    return app_usage ("info: --check is for projects");
  scan = volume_scan_load (argv[1], volume == G_MININT ? 0 : volume, &error);
  if (scan == NULL)
    return app_fail (error);
  return json ? print_json (scan) : print_text (scan);
}
