/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-open.h"

#include "volume/memory.h"

#include <string.h>

char *
app_flow_find_project (const char *path)
{
  g_autofree char *with_suffix = g_strconcat (path, ".crosslabel", NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS) && g_file_test (with_suffix, G_FILE_TEST_IS_DIR))
    return g_steal_pointer (&with_suffix);
  return g_strdup (path);
}

DbStore *
app_flow_open (const char *path, DbOpenMode mode, GError **error)
{
  g_autofree char *project = app_flow_find_project (path);

  return db_store_open (project, mode, error);
}

/* What loading needs of a case, free to go to another thread. */
typedef struct
{
  char *name;
  char *path; /* absolute */
  char *sha256;
  int volume_index;
  GPtrArray *folders; /* where else to look */
  DbStore *store; /* to keep a new place */
  gint64 case_id;
  char *found; /* the new place */
} Source;

static void
source_free (gpointer data)
{
  Source *source = data;

  g_free (source->name);
  g_free (source->path);
  g_free (source->sha256);
  g_free (source->found);
  g_ptr_array_unref (source->folders);
  g_object_unref (source->store);
  g_free (source);
}

static void
add_folder (GPtrArray *folders, char *folder)
{
  if (g_ptr_array_find_with_equal_func (folders, folder, g_str_equal, NULL))
    g_free (folder);
  else
    g_ptr_array_add (folders, folder);
}

static Source *
source_new (DbStore *store, DbCase *row)
{
  GListModel *cases = db_store_get_cases (store);
  Source *source = g_new0 (Source, 1);

  source->name = g_strdup (row->name);
  source->path = db_store_resolve (store, row->path);
  source->sha256 = g_strdup (row->sha256);
  source->volume_index = row->volume_index;
  source->store = g_object_ref (store);
  source->case_id = row->id;
  source->folders = g_ptr_array_new_with_free_func (g_free);
  add_folder (source->folders, g_path_get_dirname (db_store_get_path (store)));
  for (guint n = 0; n < g_list_model_get_n_items (cases); n++)
    {
      g_autoptr (DbCase) other = g_list_model_get_item (cases, n);
      g_autofree char *path = db_store_resolve (store, other->path);

      add_folder (source->folders, g_path_get_dirname (path));
    }
  return source;
}

static gboolean
is_same_file (VolumeScan *scan, const char *sha256)
{
  const char *own = volume_scan_get_sha256 (scan);

  return own != NULL && strcmp (own, sha256) == 0;
}

/* Folders of folders of scans are common; deeper ones are not searched. */
#define SEARCH_DEPTH 3
#define SEARCH_LIMIT 200000 /* names looked at */

static VolumeScan *
search_folder (Source *source, const char *folder, const char *base, int depth, int *n_left)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL && (*n_left)-- > 0)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      VolumeScan *scan = NULL;

      if (strcmp (name, base) == 0 && g_file_test (path, G_FILE_TEST_IS_REGULAR))
        scan = volume_scan_load (path, source->volume_index, NULL);
      else if (depth > 1 && name[0] != '.' && !g_str_has_suffix (name, ".crosslabel")
               && g_file_test (path, G_FILE_TEST_IS_DIR)
               && !g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        scan = search_folder (source, path, base, depth - 1, n_left);
      if (scan != NULL && (source->found != NULL || is_same_file (scan, source->sha256)))
        {
          if (source->found == NULL)
            source->found = g_steal_pointer (&path);
          return scan;
        }
      g_clear_pointer (&scan, volume_scan_unref);
    }
  return NULL;
}

static VolumeScan *
search (Source *source)
{
  g_autofree char *base = g_path_get_basename (source->path);
  int n_left = SEARCH_LIMIT;

  for (guint f = 0; f < source->folders->len; f++)
    {
      VolumeScan *scan = search_folder (source, g_ptr_array_index (source->folders, f), base,
                                        SEARCH_DEPTH, &n_left);

      if (scan != NULL)
        return scan;
    }
  return NULL;
}

static VolumeScan *
load (Source *source, GError **error)
{
  g_autoptr (VolumeScan) scan = NULL;

  if (!g_file_test (source->path, G_FILE_TEST_EXISTS))
    {
      scan = search (source);
      if (scan == NULL)
        g_set_error (error, DB_ERROR, DB_ERROR_CHANGED,
                     "%s: the file is not where it was, and no file of that name beside the "
                     "project or its scans is the same",
                     source->path);
      return g_steal_pointer (&scan);
    }
  scan = volume_scan_load (source->path, source->volume_index, error);
  if (scan == NULL)
    return NULL;
  if (is_same_file (scan, source->sha256))
    return g_steal_pointer (&scan);
  g_set_error (error, DB_ERROR, DB_ERROR_CHANGED,
               "%s: the file has changed since it was added to the project; its labels were made "
               "for another one",
               source->path);
  return NULL;
}

static void
keep_new_place (Source *source)
{
  if (source->found != NULL && db_store_get_mode (source->store) == DB_OPEN_WRITE)
    db_store_write_later (source->store, db_write_set_case_path (source->case_id, source->found));
}

VolumeScan *
app_flow_load_scan (DbStore *store, DbCase *row, GError **error)
{
  Source *source = source_new (store, row);
  VolumeScan *scan = load (source, error);

  keep_new_place (source);
  source_free (source);
  return scan;
}

static void
load_in_thread_cb (GTask *task, gpointer object, gpointer data, GCancellable *cancellable)
{
  GError *error = NULL;
  VolumeScan *scan = load (data, &error);

  keep_new_place (data);
  if (scan != NULL)
    {
      double centre, width;

      /* Looks at every voxel, once: here, and not when the main thread shows the scan (I8). */
      volume_scan_get_default_window (scan, &centre, &width);
    }
  if (scan != NULL)
    g_task_return_pointer (task, scan, (GDestroyNotify) volume_scan_unref);
  else
    g_task_return_error (task, error);
}

void
app_flow_load_scan_async (DbStore *store, DbCase *row, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (store, cancellable, callback, user_data);

  g_task_set_source_tag (task, app_flow_load_scan_async);
  g_task_set_task_data (task, source_new (store, row), source_free);
  g_task_run_in_thread (task, load_in_thread_cb);
}

VolumeScan *
app_flow_load_scan_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Files of other programs round their affines differently. */
#define SAME_GRID_MM 0.01

guint16 *
app_flow_load_labels_like (const char *path, VolumeScan *scan, GError **error)
{
  g_autoptr (VolumeScan) file = volume_scan_load_labels (path, error);
  const VolumeGeometry *here = volume_scan_get_geometry (scan);
  const VolumeGeometry *there;
  g_autofree guint16 *labels = NULL;

  if (file == NULL)
    return NULL;
  there = volume_scan_get_geometry (file);
  if (!volume_geometry_equal (here, there, SAME_GRID_MM))
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
                   "%s: not on the scan's grid (%d × %d × %d %s, the scan is %d × %d × %d %s%s)",
                   path, there->size[0], there->size[1], there->size[2], there->orientation,
                   here->size[0], here->size[1], here->size[2], here->orientation,
                   memcmp (here->size, there->size, sizeof here->size) == 0
                       ? ", and lies elsewhere in the patient"
                       : "");
      return NULL;
    }
  labels = volume_memory_try (volume_scan_get_n_voxels (file), sizeof *labels, error);
  if (labels == NULL || !volume_scan_read_labels (file, labels, error))
    return NULL;
  return g_steal_pointer (&labels);
}
