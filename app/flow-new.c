/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-new.h"

#include "app/flow-open.h"

#include <string.h>

/* What is kept of a scan. */
typedef struct
{
  char *name, *path, *truth, *sha256;
  VolumeGeometry geometry;
} Entry;

static void
entry_clear (gpointer data)
{
  Entry *entry = data;

  g_free (entry->name);
  g_free (entry->path);
  g_free (entry->truth);
  g_free (entry->sha256);
}

static char *
strip_suffixes (const char *path)
{
  static const char *const suffixes[] = { ".nii.gz", ".nii",  ".hdr", ".img", ".hdr.gz", ".img.gz",
                                          ".h5",     ".hdf5", ".png", ".jpg", ".jpeg" };
  char *name = g_path_get_basename (path);

  for (gsize s = 0; s < G_N_ELEMENTS (suffixes); s++)
    if (g_str_has_suffix (name, suffixes[s]) && strlen (name) > strlen (suffixes[s]))
      {
        name[strlen (name) - strlen (suffixes[s])] = '\0';
        break;
      }
  if (!g_utf8_validate (name, -1, NULL))
    {
      char *valid = g_utf8_make_valid (name, -1);

      g_free (name);
      return valid;
    }
  return name;
}

static gboolean
name_is_taken (GHashTable *names, const char *name)
{
  return g_hash_table_contains (names, name);
}

/* Names tell scans apart in lists and exported files: "case/scan.nii" twice becomes "a_scan",
 * "b_scan". */
static char *
choose_name (GHashTable *names, const char *path)
{
  g_autofree char *base = strip_suffixes (path);
  g_autofree char *folder = NULL;
  g_autofree char *parent = NULL;
  g_autofree char *longer = NULL;
  char *name;

  if (!name_is_taken (names, base))
    return g_steal_pointer (&base);
  folder = g_path_get_dirname (path);
  parent = g_path_get_basename (folder);
  longer = g_strdup_printf ("%s_%s", parent, base);
  if (!name_is_taken (names, longer) && g_utf8_validate (longer, -1, NULL))
    return g_steal_pointer (&longer);
  for (int n = 2;; n++)
    {
      name = g_strdup_printf ("%s_%d", base, n);
      if (!name_is_taken (names, name))
        return name;
      g_free (name);
    }
}

static gboolean
read_entry (Entry *entry, const char *path, const char *truth, GHashTable *names,
            GHashTable *hashes, GError **error)
{
  g_autoptr (VolumeScan) scan = volume_scan_load (path, 0, error);
  const char *same;

  if (scan == NULL)
    return FALSE;
  entry->path = g_canonicalize_filename (path, NULL);
  entry->sha256 = g_strdup (volume_scan_get_sha256 (scan));
  entry->geometry = *volume_scan_get_geometry (scan);
  same = g_hash_table_lookup (hashes, entry->sha256);
  if (same != NULL)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_EXISTS, "%s: the same scan as “%s”", path, same);
      return FALSE;
    }
  entry->name = choose_name (names, entry->path);
  g_hash_table_add (names, g_strdup (entry->name));
  g_hash_table_insert (hashes, g_strdup (entry->sha256), g_strdup (entry->name));
  if (truth != NULL)
    {
      g_autofree guint16 *labels = app_flow_load_labels_like (truth, scan, error);

      if (labels == NULL)
        return FALSE;
      entry->truth = g_canonicalize_filename (truth, NULL);
    }
  return TRUE;
}

static DbCaseSpec
entry_to_spec (const Entry *entry)
{
  return (DbCaseSpec){ .name = entry->name,
                       .path = entry->path,
                       .sha256 = entry->sha256,
                       .truth_path = entry->truth,
                       .geometry = &entry->geometry };
}

/* I6. One scan at least is left to learn from. */
static gboolean
count_validation (const AppNewParams *params, gsize *n_validation, GError **error)
{
  const gsize most = params->n_scans - 1;

  if (params->n_validation < 0)
    {
      *n_validation = MIN (MAX (2, (params->n_scans + 5) / 10), most);
      return TRUE;
    }
  *n_validation = params->n_validation;
  if (*n_validation <= most)
    return TRUE;
  g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT,
               "%d validation scans of %zu leave none to learn from", params->n_validation,
               params->n_scans);
  return FALSE;
}

/* Seeded, without repetition: the same scans in the same order give the same choice. */
static void
choose_validation (DbCaseSpec *specs, gsize n_specs, gsize n_validation, gint64 seed)
{
  const guint32 words[2] = { (guint32) seed, (guint32) ((guint64) seed >> 32) };
  g_autoptr (GRand) rand = g_rand_new_with_seed_array (words, 2);

  for (gsize left = n_specs; left > 0 && n_validation > 0; left--)
    {
      DbCaseSpec *spec = &specs[n_specs - left];

      /* One of the left, chosen with probability n_validation / left. */
      spec->validation = (gsize) g_rand_int_range (rand, 0, left) < n_validation;
      n_validation -= spec->validation;
    }
}

/* Names stand in label files, a line each, and tell labels apart. */
static gboolean
check_labels (const AppNewParams *params, GError **error)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  for (gsize n = 0; n < params->n_labels; n++)
    {
      const char *name = params->label_names[n];
      g_autofree char *bare = g_strstrip (g_strdup (name));
      gboolean control = FALSE;

      for (const char *c = name; *c != '\0'; c++)
        control |= g_ascii_iscntrl (*c);
      if (bare[0] == '\0' || control || !g_utf8_validate (name, -1, NULL))
        {
          g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT,
                       "label %zu: “%s” is no name: one line of text is", n + 1, name);
          return FALSE;
        }
      if (!g_hash_table_add (names, (gpointer) name))
        {
          g_set_error (error, DB_ERROR, DB_ERROR_EXISTS, "two labels are called “%s”", name);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
check_params (const AppNewParams *params, char **folder, GError **error)
{
  g_autofree char *path = g_str_has_suffix (params->path, ".crosslabel")
                              ? g_strdup (params->path)
                              : g_strconcat (params->path, ".crosslabel", NULL);

  if (params->n_scans == 0 || params->n_labels == 0)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_INVARIANT, "A project needs a scan and a label.");
      return FALSE;
    }
  if (!check_labels (params, error))
    return FALSE;
  if (g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, DB_ERROR, DB_ERROR_EXISTS, "%s: there is something of that name already",
                   path);
      return FALSE;
    }
  *folder = g_steal_pointer (&path);
  return TRUE;
}

static gboolean
read_entries (const char *const *scans, const char *const *truths, GArray *entries, gsize n_scans,
              GHashTable *names, GHashTable *hashes, AppProgress progress, gpointer user_data,
              GCancellable *cancellable, GError **error)
{
  for (gsize n = 0; n < n_scans; n++)
    {
      Entry *entry;

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      g_array_set_size (entries, n + 1);
      entry = &g_array_index (entries, Entry, n);
      if (!read_entry (entry, scans[n], truths != NULL ? truths[n] : NULL, names, hashes, error))
        return FALSE;
      if (progress != NULL)
        progress ((n + 1) / (double) n_scans, entry->name, user_data);
    }
  return TRUE;
}

gboolean
app_flow_new (const AppNewParams *params, AppProgress progress, gpointer user_data,
              GCancellable *cancellable, char **folder, GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) hashes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree DbCaseSpec *specs = NULL;
  g_autofree char *path = NULL;
  gsize n_validation;

  g_array_set_clear_func (entries, entry_clear);
  if (!check_params (params, &path, error) || !count_validation (params, &n_validation, error)
      || !read_entries (params->scans, params->truths, entries, params->n_scans, names, hashes,
                        progress, user_data, cancellable, error))
    return FALSE;
  specs = g_new0 (DbCaseSpec, params->n_scans);
  for (gsize n = 0; n < params->n_scans; n++)
    specs[n] = entry_to_spec (&g_array_index (entries, Entry, n));
  choose_validation (specs, params->n_scans, n_validation, params->seed);
  if (!db_store_create (path,
                        &(DbProjectSpec){ .cases = specs,
                                          .n_cases = params->n_scans,
                                          .label_names = params->label_names,
                                          .label_colours = params->label_colours,
                                          .n_labels = params->n_labels,
                                          .seed = params->seed },
                        error))
    return FALSE;
  if (folder != NULL)
    *folder = g_steal_pointer (&path);
  return TRUE;
}

gboolean
app_flow_add_scans (DbStore *store, const char *const *scans, gsize n_scans,
                    const char *const *truths, GError **error)
{
  GListModel *cases = db_store_get_cases (store);
  g_autoptr (GArray) entries = g_array_new (FALSE, TRUE, sizeof (Entry));
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GHashTable) hashes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree DbWrite **writes = g_new0 (DbWrite *, n_scans);

  g_array_set_clear_func (entries, entry_clear);
  for (guint n = 0; n < g_list_model_get_n_items (cases); n++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, n);

      g_hash_table_add (names, g_strdup (row->name));
      g_hash_table_insert (hashes, g_strdup (row->sha256), g_strdup (row->name));
    }
  if (!read_entries (scans, truths, entries, n_scans, names, hashes, NULL, NULL, NULL, error))
    return FALSE;
  for (gsize n = 0; n < n_scans; n++)
    {
      DbCaseSpec spec = entry_to_spec (&g_array_index (entries, Entry, n));

      writes[n] = db_write_add_case (&spec);
    }
  return db_store_write (store, db_write_all (writes, n_scans), error) >= 0;
}
