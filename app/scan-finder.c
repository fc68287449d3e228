/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/scan-finder.h"

#include "app/flow-open.h"
#include "volume/scan.h"

#include <glib/gi18n.h>
#include <string.h>

#define MAX_DEPTH 4

static const char *const scan_suffixes[] = { ".nii.gz", ".nii", ".hdr", ".h5",
                                             ".png",    ".jpg", ".jpeg" };
static const char *const label_endings[] = { "_labels", "_label", "_seg",   "_mask",
                                             "-label",  "-seg",   "_domain" };

typedef struct
{
  GPtrArray *paths;
  AppScanFound found;
  GObject *window;
  GMainContext *context;
} Search;

typedef struct
{
  AppScanFound found;
  GObject *window;
  GCancellable *cancellable;
  char *path, *detail, *problem, *labels;
  int n_labels;
} News;

static const char *
suffix_of (const char *path)
{
  for (gsize s = 0; s < G_N_ELEMENTS (scan_suffixes); s++)
    if (g_str_has_suffix (path, scan_suffixes[s]))
      return scan_suffixes[s];
  return NULL;
}

static gboolean
is_label_file (const char *path)
{
  const char *suffix = suffix_of (path);
  g_autofree char *stem = g_strndup (path, strlen (path) - strlen (suffix));

  for (gsize e = 0; e < G_N_ELEMENTS (label_endings); e++)
    if (g_str_has_suffix (stem, label_endings[e]))
      return TRUE;
  return FALSE;
}

static char *
find_labels (const char *path)
{
  const char *suffix = suffix_of (path);
  g_autofree char *stem = g_strndup (path, strlen (path) - strlen (suffix));

  for (gsize e = 0; e < G_N_ELEMENTS (label_endings) - 1; e++)
    {
      g_autofree char *there = g_strconcat (stem, label_endings[e], suffix, NULL);

      if (g_file_test (there, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer (&there);
    }
  return NULL;
}

static void
news_free (gpointer data)
{
  News *news = data;

  g_object_unref (news->window);
  g_clear_object (&news->cancellable);
  g_free (news->path);
  g_free (news->detail);
  g_free (news->problem);
  g_free (news->labels);
  g_free (news);
}

static gboolean
tell_cb (gpointer data)
{
  News *news = data;

  if (!g_cancellable_is_cancelled (news->cancellable))
    news->found (news->path, news->detail, news->problem, news->labels, news->n_labels,
                 news->window);
  return G_SOURCE_REMOVE;
}

static void
tell (Search *search, GCancellable *cancellable, const char *path, const char *detail,
      const char *problem, const char *labels, int n_labels)
{
  News *news = g_new0 (News, 1);

  news->found = search->found;
  news->window = g_object_ref (search->window);
  news->cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  news->path = g_strdup (path);
  news->detail = g_strdup (detail);
  news->problem = g_strdup (problem);
  news->labels = g_strdup (labels);
  news->n_labels = n_labels;
  g_main_context_invoke_full (search->context, G_PRIORITY_DEFAULT, tell_cb, news, news_free);
}

static int
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Not through symbolic links to folders, and not for ever. */
static void
collect (const char *path, int depth, GPtrArray *scans, GCancellable *cancellable)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (g_cancellable_is_cancelled (cancellable))
    return;
  if (!g_file_test (path, G_FILE_TEST_IS_DIR))
    {
      if (depth == 0 || (suffix_of (path) != NULL && !is_label_file (path)))
        g_ptr_array_add (scans, g_strdup (path));
      return;
    }
  if (depth > MAX_DEPTH || g_str_has_suffix (path, ".crosslabel")
      || (depth > 0 && g_file_test (path, G_FILE_TEST_IS_SYMLINK)))
    return;
  dir = g_dir_open (path, 0, NULL);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (name[0] != '.')
        collect (child, depth + 1, scans, cancellable);
    }
}

static char *
describe (VolumeScan *scan)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);

  /* Translators: voxels along each axis, spacing in millimetres, orientation such as RAS */
  return g_strdup_printf (_ ("%d × %d × %d voxels, %.3g × %.3g × %.3g mm, %s"), geometry->size[0],
                          geometry->size[1], geometry->size[2], geometry->spacing_mm[0],
                          geometry->spacing_mm[1], geometry->spacing_mm[2], geometry->orientation);
}

/* Reads the labels beside a scan; those that do not fit it are told with it and left out. */
static int
read_labels (VolumeScan *scan, char **labels, char **detail)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint16 *values = app_flow_load_labels_like (*labels, scan, &error);
  guint16 highest = 0;

  if (values == NULL)
    {
      /* Translators: what a scan is, and why the labels beside it cannot be used */
      char *both =
          g_strdup_printf (_ ("%s; its labels cannot be used: %s"), *detail, error->message);

      g_free (*detail);
      *detail = both;
      g_clear_pointer (labels, g_free);
      return 0;
    }
  for (gsize v = 0; v < volume_scan_get_n_voxels (scan); v++)
    highest = MAX (highest, values[v]);
  return highest;
}

static void
look_at (Search *search, const char *path, GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (VolumeScan) scan = volume_scan_load (path, 0, &error);
  g_autofree char *detail = scan != NULL ? describe (scan) : NULL;
  g_autofree char *labels = scan != NULL ? find_labels (path) : NULL;
  const int n_labels = labels != NULL ? read_labels (scan, &labels, &detail) : 0;

  tell (search, cancellable, path, detail, error != NULL ? error->message : NULL, labels, n_labels);
}

static void
run_search (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Search *search = data;
  g_autoptr (GPtrArray) scans = g_ptr_array_new_with_free_func (g_free);

  for (guint p = 0; p < search->paths->len; p++)
    collect (g_ptr_array_index (search->paths, p), 0, scans, cancellable);
  g_ptr_array_sort (scans, by_name);
  for (guint s = 0; s < scans->len; s++)
    tell (search, cancellable, g_ptr_array_index (scans, s), NULL, NULL, NULL, 0);
  for (guint s = 0; s < scans->len && !g_cancellable_is_cancelled (cancellable); s++)
    look_at (search, g_ptr_array_index (scans, s), cancellable);
  g_task_return_boolean (task, TRUE);
}

static gboolean
release_cb (gpointer window)
{
  return G_SOURCE_REMOVE;
}

/* Perhaps on the worker: the window is given back where it lives. */
static void
search_free (gpointer data)
{
  Search *search = data;

  g_ptr_array_unref (search->paths);
  g_main_context_invoke_full (search->context, G_PRIORITY_LOW, release_cb, search->window,
                              g_object_unref);
  g_main_context_unref (search->context);
  g_free (search);
}

void
app_scan_finder_start (GListModel *files, GCancellable *cancellable, AppScanFound found,
                       gpointer window)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, NULL, NULL);
  Search *search = g_new0 (Search, 1);

  search->paths = g_ptr_array_new_with_free_func (g_free);
  search->found = found;
  search->window = g_object_ref (window);
  search->context = g_main_context_ref_thread_default ();
  for (guint f = 0; f < g_list_model_get_n_items (files); f++)
    {
      g_autoptr (GFile) file = g_list_model_get_item (files, f);
      char *path = g_file_get_path (file);

      if (path != NULL)
        g_ptr_array_add (search->paths, path);
    }
  g_task_set_task_data (task, search, search_free);
  g_task_run_in_thread (task, run_search);
}
