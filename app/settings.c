/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/settings.h"

#define MAX_RECENT 10

static GSettings *settings;

static GSettingsSchema *
lookup_schema (void)
{
  static const char *const folders[] = { SCHEMADIR, BUILD_SCHEMADIR };
  GSettingsSchemaSource *source = g_settings_schema_source_get_default ();
  GSettingsSchema *schema = NULL;

  if (source != NULL)
    schema = g_settings_schema_source_lookup (source, APPLICATION_ID, TRUE);
  for (gsize f = 0; schema == NULL && f < G_N_ELEMENTS (folders); f++)
    {
      g_autoptr (GSettingsSchemaSource) there =
          g_settings_schema_source_new_from_directory (folders[f], source, TRUE, NULL);

      if (there != NULL)
        schema = g_settings_schema_source_lookup (there, APPLICATION_ID, FALSE);
    }
  return schema;
}

GSettings *
app_settings_get_default (void)
{
  g_autoptr (GSettingsSchema) schema = NULL;

  if (settings != NULL)
    return settings;
  schema = lookup_schema ();
  if (schema != NULL)
    settings = g_settings_new_full (schema, NULL, NULL);
  return settings;
}

void
app_settings_forget (void)
{
  g_clear_object (&settings);
}

void
app_settings_add_recent (const char *path)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();
  g_auto (GStrv) old = NULL;

  if (app_settings_get_default () == NULL)
    return;
  old = g_settings_get_strv (settings, "recent-projects");
  g_ptr_array_add (paths, (gpointer) path);
  for (int p = 0; old[p] != NULL && paths->len < MAX_RECENT; p++)
    if (!g_str_equal (old[p], path))
      g_ptr_array_add (paths, old[p]);
  g_ptr_array_add (paths, NULL);
  g_settings_set_strv (settings, "recent-projects", (const char *const *) paths->pdata);
}

char **
app_settings_get_recent (void)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_auto (GStrv) paths = NULL;

  if (app_settings_get_default () == NULL)
    return g_strv_builder_end (builder);
  paths = g_settings_get_strv (settings, "recent-projects");
  for (int p = 0; paths[p] != NULL; p++)
    if (g_file_test (paths[p], G_FILE_TEST_IS_DIR))
      g_strv_builder_add (builder, paths[p]);
  return g_strv_builder_end (builder);
}
