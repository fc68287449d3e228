/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/sources.h"

#include "db/rows.h"

#include <sys/stat.h>

struct _AppSources
{
  GHashTable *known; /* "device inode" */
};

AppSources *
app_sources_new (void)
{
  AppSources *self = g_new0 (AppSources, 1);

  self->known = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

void
app_sources_free (AppSources *self)
{
  if (self == NULL)
    return;
  g_hash_table_unref (self->known);
  g_free (self);
}

static char *
key_of (const char *path)
{
  struct stat facts;

  if (stat (path, &facts) != 0)
    return NULL;
  return g_strdup_printf ("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, (guint64) facts.st_dev,
                          (guint64) facts.st_ino);
}

void
app_sources_add (AppSources *self, const char *path)
{
  char *key = path != NULL ? key_of (path) : NULL;

  if (key != NULL)
    g_hash_table_add (self->known, key);
}

void
app_sources_add_project (AppSources *self, DbStore *store)
{
  GListModel *cases = db_store_get_cases (store);
  g_autofree char *database = db_store_resolve (store, "project.sqlite");

  app_sources_add (self, database);
  for (guint n = 0; n < g_list_model_get_n_items (cases); n++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, n);
      g_autofree char *scan = db_store_resolve (store, row->path);
      g_autofree char *truth =
          row->truth_path != NULL ? db_store_resolve (store, row->truth_path) : NULL;

      app_sources_add (self, scan);
      app_sources_add (self, truth);
    }
}

gboolean
app_sources_check (AppSources *self, const char *path, GError **error)
{
  g_autofree char *key = key_of (path);

  if (key == NULL || !g_hash_table_contains (self->known, key))
    return TRUE;
  g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_IO,
               "%s: this file is read from, so that nothing is written to it; choose another name "
               "or folder",
               path);
  return FALSE;
}
