/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-export.h"

#include "app/flow-open.h"
#include "app/sources.h"
#include "volume/file-write.h"
#include "volume/label-map.h"
#include "volume/label-set.h"
#include "volume/memory.h"
#include "volume/nifti-write.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

typedef struct
{
  DbStore *store;
  AppExportFormat format;
  char *part; /* folder the files wait in */
  AppExportResult *result;
  guint16 ignore_label;
  guint16 *number_of; /* project's id → number in the files */
} Export;

void
app_export_result_clear (AppExportResult *self)
{
  g_clear_pointer (&self->files, g_ptr_array_unref);
}

static char *
new_file (Export *self, const char *folder, const char *name, const char *suffix)
{
  g_autofree char *file = g_strconcat (name, suffix, NULL);
  g_autofree char *relative =
      folder != NULL ? g_build_filename (folder, file, NULL) : g_strdup (file);
  char *path = g_build_filename (self->part, relative, NULL);

  /* A name is a file's name here, not a path. */
  g_strdelimit (path + strlen (self->part) + 1 + (folder != NULL ? strlen (folder) + 1 : 0), "/",
                '_');
  g_ptr_array_add (self->result->files, g_strdup (path + strlen (self->part) + 1));
  return path;
}

/* What a case has: its labels and its domain's mask, n_voxels each. */
typedef struct
{
  guint16 *labels;
  guint8 *mask;
  gboolean has_domain, has_labels;
} Content;

static void
content_clear (Content *content)
{
  g_free (content->labels);
  g_free (content->mask);
}

static gboolean
read_content (Export *self, DbCase *row, VolumeScan *scan, Content *content, GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);
  const gsize n_voxels = volume_scan_get_n_voxels (scan);
  const VolumeBox all = { { 0, 0, 0 },
                          { geometry->size[0], geometry->size[1], geometry->size[2] } };
  g_autoptr (VolumeLabelMap) map = db_store_read_labels (self->store, row->id, -1, error);
  g_autoptr (DbDomain) domain = NULL;

  if (map == NULL)
    return FALSE;
  domain = db_store_read_domain (self->store, row->id, -1, error);
  if (domain == NULL)
    return FALSE;
  content->labels = volume_memory_try (n_voxels, sizeof *content->labels, error);
  if (content->labels == NULL)
    return FALSE;
  content->mask = volume_memory_try (n_voxels, 1, error);
  if (content->mask == NULL)
    return FALSE;
  volume_label_map_read_box (map, &all, content->labels);
  db_domain_fill_mask (domain, geometry, content->mask);
  content->has_domain = !db_domain_is_empty (domain);
  content->has_labels = row->head != 0;
  return TRUE;
}

static gboolean
write_mask (const char *path, VolumeScan *scan, const guint8 *mask, GError **error)
{
  return volume_nifti_write (
      path, &(VolumeNiftiParams){ .like = scan, .dtype = VOLUME_DTYPE_U8, .data = mask }, error);
}

static gboolean
export_nifti (Export *self, DbCase *row, VolumeScan *scan, const Content *content, GError **error)
{
  g_autofree char *labels = new_file (self, NULL, row->name, "_labels.nii.gz");
  g_autofree char *mask = new_file (self, NULL, row->name, "_domain.nii.gz");

  return volume_nifti_write_labels (labels, scan, content->labels, error)
         && write_mask (mask, scan, content->mask, error);
}

/* nnU-Net wants numbers without gaps, and the ignore label above them all. */
static void
renumber (Export *self, Content *content, gsize n_voxels)
{
  for (gsize v = 0; v < n_voxels; v++)
    content->labels[v] =
        content->mask[v] ? self->number_of[content->labels[v]] : self->ignore_label; /* I3 */
}

/* The image goes out again rather than as it is: free text in headers stays here (I10). */
static gboolean
export_nnunet (Export *self, DbCase *row, VolumeScan *scan, Content *content, GError **error)
{
  g_autofree char *image = new_file (self, "imagesTr", row->name, "_0000.nii.gz");
  g_autofree char *labels = new_file (self, "labelsTr", row->name, ".nii.gz");
  const VolumeNiftiParams params = { .like = scan,
                                     .dtype = volume_scan_get_dtype (scan),
                                     .data = volume_scan_get_stored (scan),
                                     .slope = volume_scan_get_slope (scan),
                                     .inter = volume_scan_get_inter (scan) };

  renumber (self, content, volume_scan_get_n_voxels (scan));
  return volume_nifti_write (image, &params, error)
         && volume_nifti_write_labels (labels, scan, content->labels, error);
}

static gboolean
export_case (Export *self, DbCase *row, GError **error)
{
  g_autoptr (VolumeScan) scan = NULL;
  Content content = { 0 };
  gboolean done;

  if (row->head == 0 && row->n_signed == 0 && !row->complete)
    {
      self->result->n_skipped++;
      return TRUE;
    }
  scan = app_flow_load_scan (self->store, row, error); /* I1 */
  if (scan == NULL)
    return FALSE;
  done = read_content (self, row, scan, &content, error);
  if (done && self->format == APP_EXPORT_NNUNET && !content.has_domain)
    self->result->n_skipped++;
  else if (done)
    {
      done = self->format == APP_EXPORT_NIFTI ? export_nifti (self, row, scan, &content, error)
                                              : export_nnunet (self, row, scan, &content, error);
      self->result->n_exported++;
    }
  content_clear (&content);
  return done;
}

static void
number_labels (Export *self)
{
  GListModel *labels = db_store_get_labels (self->store);
  guint16 number = 1;

  self->number_of = g_new0 (guint16, 65536);
  for (guint n = 0; n < g_list_model_get_n_items (labels); n++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, n);

      self->number_of[label->id & 0xffff] = number++;
    }
  self->ignore_label = number;
}

/* nnU-Net's labels are the members of one JSON object. */
static gboolean
check_names (Export *self, GError **error)
{
  GListModel *labels = db_store_get_labels (self->store);
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  g_hash_table_add (names, g_strdup ("background"));
  g_hash_table_add (names, g_strdup ("ignore"));
  for (guint n = 0; n < g_list_model_get_n_items (labels); n++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, n);

      if (g_hash_table_add (names, g_strdup (label->name)))
        continue;
      g_set_error (error, DB_ERROR, DB_ERROR_EXISTS,
                   "nnU-Net needs a name of its own for each label, beside background and ignore: "
                   "there is a second “%s”",
                   label->name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
write_dataset (Export *self, GError **error)
{
  GListModel *labels = db_store_get_labels (self->store);
  g_autofree char *path = new_file (self, NULL, "dataset", ".json");
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "channel_names");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "0");
  json_builder_add_string_value (builder, "scan"); /* any name but CT: z-score normalisation */
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "labels");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "background");
  json_builder_add_int_value (builder, 0);
  for (guint n = 0; n < g_list_model_get_n_items (labels); n++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, n);

      json_builder_set_member_name (builder, label->name);
      json_builder_add_int_value (builder, self->number_of[label->id & 0xffff]);
    }
  json_builder_set_member_name (builder, "ignore");
  json_builder_add_int_value (builder, self->ignore_label);
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "numTraining");
  json_builder_add_int_value (builder, self->result->n_exported);
  json_builder_set_member_name (builder, "file_ending");
  json_builder_add_string_value (builder, ".nii.gz");
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, TRUE);
  return volume_file_write (path, text, strlen (text), error);
}

static gboolean
write_label_set (Export *self, GError **error)
{
  GListModel *labels = db_store_get_labels (self->store);
  g_autofree char *path = new_file (self, NULL, "labels", ".label");
  g_autoptr (VolumeLabelSet) set = volume_label_set_new ();

  for (guint n = 0; n < g_list_model_get_n_items (labels); n++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, n);
      guint colour = strtoul (label->colour + 1, NULL, 16);
      const guint8 rgba[4] = { colour >> 16, colour >> 8, colour, 255 };

      volume_label_set_put (set, label->id, label->name, rgba);
    }
  return volume_label_set_save (set, path, error);
}

static gboolean
set_io_error (const char *path, GError **error)
{
  g_set_error (error, DB_ERROR, errno == ENOSPC ? DB_ERROR_FULL : DB_ERROR_IO, "%s: %s", path,
               g_strerror (errno));
  return FALSE;
}

static gboolean
make_folder (Export *self, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (self->part, name, NULL);

  return g_mkdir_with_parents (path, 0777) == 0 || set_io_error (path, error);
}

static gboolean
write_all (Export *self, gint64 case_id, GError **error)
{
  GListModel *cases = db_store_get_cases (self->store);

  if (self->format == APP_EXPORT_NNUNET
      && (!make_folder (self, "imagesTr", error) || !make_folder (self, "labelsTr", error)))
    return FALSE;
  for (guint n = 0; n < g_list_model_get_n_items (cases); n++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, n);

      if ((case_id == 0 || row->id == case_id) && !export_case (self, row, error))
        return FALSE;
    }
  if (self->result->n_exported == 0)
    {
      g_set_error (error, DB_ERROR, DB_ERROR_NOTHING, "%s: nothing is labelled yet",
                   db_store_get_name (self->store));
      return FALSE;
    }
  return self->format == APP_EXPORT_NNUNET ? write_dataset (self, error)
                                           : write_label_set (self, error);
}

/* I1: labels do not replace a scan, or its truth, that happens to have their name. Looked at before
 * the first file is moved. */
static gboolean
check_targets (Export *self, const char *folder, GError **error)
{
  g_autoptr (AppSources) sources = app_sources_new ();

  app_sources_add_project (sources, self->store);
  for (guint f = 0; f < self->result->files->len; f++)
    {
      g_autofree char *to =
          g_build_filename (folder, g_ptr_array_index (self->result->files, f), NULL);

      if (!app_sources_check (sources, to, error))
        return FALSE;
      if (g_file_test (to, G_FILE_TEST_EXISTS) && !g_file_test (to, G_FILE_TEST_IS_REGULAR))
        {
          g_set_error (error, DB_ERROR, DB_ERROR_EXISTS,
                       "%s: not written: not an ordinary file stands there, which nothing replaces",
                       to);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
move_all (Export *self, const char *folder, GError **error)
{
  for (guint f = 0; f < self->result->files->len; f++)
    {
      const char *file = g_ptr_array_index (self->result->files, f);
      g_autofree char *from = g_build_filename (self->part, file, NULL);
      g_autofree char *to = g_build_filename (folder, file, NULL);
      g_autofree char *parent = g_path_get_dirname (to);

      if (g_mkdir_with_parents (parent, 0777) != 0 || g_rename (from, to) != 0)
        return set_io_error (to, error);
    }
  return TRUE;
}

static void
remove_part (const char *part)
{
  static const char *const folders[] = { "imagesTr", "labelsTr", "." };

  for (gsize f = 0; f < G_N_ELEMENTS (folders); f++)
    {
      g_autofree char *folder = g_build_filename (part, folders[f], NULL);
      g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
      const char *name;

      while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *path = g_build_filename (folder, name, NULL);

          g_remove (path);
        }
      if (strcmp (folders[f], ".") != 0)
        g_rmdir (folder);
    }
  g_rmdir (part);
}

gboolean
app_flow_export (DbStore *store, const char *folder, AppExportFormat format, gint64 case_id,
                 AppExportResult *result, GError **error)
{
  Export self = { .store = store, .format = format, .result = result };
  gboolean done;

  *result = (AppExportResult){ .files = g_ptr_array_new_with_free_func (g_free) };
  if (g_mkdir_with_parents (folder, 0777) != 0)
    return set_io_error (folder, error);
  self.part = g_build_filename (folder, ".part-XXXXXX", NULL);
  if (g_mkdtemp_full (self.part, 0777) == NULL)
    {
      set_io_error (folder, error);
      g_free (self.part);
      return FALSE;
    }
  number_labels (&self);
  done = (format != APP_EXPORT_NNUNET || check_names (&self, error))
         && write_all (&self, case_id, error) && check_targets (&self, folder, error)
         && move_all (&self, folder, error);
  remove_part (self.part);
  if (done && db_store_get_mode (store) == DB_OPEN_WRITE)
    db_store_write_later (store, db_write_add_event ("export", case_id,
                                                     format == APP_EXPORT_NIFTI
                                                         ? "{\"format\":\"nifti\"}"
                                                         : "{\"format\":\"nnunet\"}"));
  g_free (self.number_of);
  g_free (self.part);
  return done;
}
