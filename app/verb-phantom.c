/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/json-output.h"
#include "app/verbs.h"
#include "volume/phantom.h"

#include <errno.h>
#include <stdio.h>

/* "X,Y,Z", each from 8 to 1024. */
static gboolean
parse_size (const char *text, int size[3])
{
  char rest;

  if (sscanf (text, "%d,%d,%d%c", &size[0], &size[1], &size[2], &rest) != 3)
    return FALSE;
  for (int a = 0; a < 3; a++)
    if (size[a] < 8 || size[a] > 1024)
      return FALSE;
  return TRUE;
}

static int
write_phantoms (VolumePhantomParams *params, const char *folder, int count, gboolean json)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GError) error = NULL;
  int n_labels = 0;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "phantoms");
  json_builder_begin_array (builder);
  for (int p = 0; p < count; p++)
    {
      g_autofree char *scan = NULL;
      g_autofree char *label = NULL;

      params->index = (guint) p;
      if (!volume_phantom_write (params, folder, &scan, &label, &error))
        return app_fail (error);
      if (!json)
        g_print ("%s\n%s\n", scan, label);
      json_builder_begin_object (builder);
      app_json_add_string (builder, "scan", scan);
      app_json_add_string (builder, "label", label);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "labels");
  json_builder_begin_array (builder);
  n_labels = volume_phantom_get_n_labels (params);
  for (int l = 1; l <= n_labels; l++)
    json_builder_add_string_value (builder, volume_phantom_get_label_name (l));
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  return json ? app_json_print (builder) : APP_EXIT_OK;
}

int
app_verb_phantom (int argc, char **argv)
{
  g_autofree char *folder = NULL;
  g_autofree char *size = NULL;
  gboolean json = FALSE;
  gint64 seed = 0;
  int count = 1;
  VolumePhantomParams params = { 0 };
  const GOptionEntry entries[] = {
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &folder, "Folder to write to; made if missing", "DIR" },
    { "count", 0, 0, G_OPTION_ARG_INT, &count, "How many (1)", "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &seed, "The same seed gives the same scans (0)", "S" },
    { "size", 0, 0, G_OPTION_ARG_STRING, &size, "Voxels, each 8 to 1024 (about 80,80,48)",
      "X,Y,Z" },
    { "organs", 0, 0, G_OPTION_ARG_INT, &params.n_organs, "1 to 3 (2 or 3, by the seed)", "N" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context,
                                "Writes synthetic scans with their truth: phantom_NNN.nii.gz"
                                " and phantom_NNN_label.nii.gz.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("phantom: %s", error->message);
  if (argc != 1 || folder == NULL)
    return app_usage ("phantom needs --out DIR and takes nothing but options");
  if (count < 1 || count > 100000)
    return app_usage ("phantom: --count is from 1 to 100000");
  if (params.n_organs < 0 || params.n_organs > VOLUME_PHANTOM_N_LABELS)
    return app_usage ("phantom: --organs is from 1 to %d", VOLUME_PHANTOM_N_LABELS);
  if (size != NULL && !parse_size (size, params.size))
    return app_usage ("phantom: --size is X,Y,Z, each from 8 to 1024");
  if (g_mkdir_with_parents (folder, 0777) != 0)
    {
      g_set_error (&error, G_FILE_ERROR, g_file_error_from_errno (errno),
                   "%s: the folder cannot be made: %s", folder, g_strerror (errno));
      return app_fail (error);
    }
  params.seed = (guint64) seed;
  return write_phantoms (&params, folder, count, json);
}
