/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/round-data.h"

#include "app/job.h"
#include "volume/label-map.h"
#include "volume/memory.h"

#include <glib/gi18n.h>
#include <string.h>

AppRoundData *
app_round_data_new (DbStore *store)
{
  AppRoundData *self = g_new0 (AppRoundData, 1);
  GListModel *cases = db_store_get_cases (store);
  GListModel *labels = db_store_get_labels (store);
  guint n_cases = g_list_model_get_n_items (cases);
  guint n_labels = g_list_model_get_n_items (labels);

  self->store = g_object_ref (store);
  self->scans = g_ptr_array_new_with_free_func ((GDestroyNotify) app_round_scan_free);
  self->label_ids = g_array_new (FALSE, FALSE, sizeof (guint16));
  self->label_names = g_new0 (char *, n_labels + 1);
  self->n_classes = (int) n_labels + 1;
  for (guint c = 0; c < n_cases; c++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, c);
      g_autofree char *path = db_store_resolve (store, row->path);
      AppRoundScan *scan =
          app_round_scan_new (row->id, row->name, path, row->sha256, row->volume_index);

      scan->validation = row->validation;
      scan->offered = row->n_tasks > 0;
      g_ptr_array_add (self->scans, scan);
    }
  for (guint l = 0; l < n_labels; l++)
    {
      g_autoptr (DbLabel) row = g_list_model_get_item (labels, l);
      guint16 id = (guint16) row->id;

      g_array_append_val (self->label_ids, id);
      self->label_names[l] = g_strdup (row->name);
    }
  return self;
}

void
app_round_data_free (AppRoundData *self)
{
  if (self == NULL)
    return;
  g_clear_object (&self->store);
  g_clear_pointer (&self->scans, g_ptr_array_unref);
  g_clear_pointer (&self->label_ids, g_array_unref);
  g_strfreev (self->label_names);
  g_free (self);
}

AppRoundScan *
app_round_data_find (AppRoundData *self, gint64 id)
{
  for (guint s = 0; s < self->scans->len; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (self->scans, s);

      if (scan->id == id)
        return scan;
    }
  return NULL;
}

guint8
app_round_data_class_of (const AppRoundData *self, guint16 label)
{
  for (guint l = 0; l < self->label_ids->len; l++)
    if (g_array_index (self->label_ids, guint16, l) == label)
      return (guint8) (l + 1);
  return 0;
}

static gboolean
read_domain (AppRoundData *self, AppRoundScan *scan, gint64 journal_seq,
             const VolumeGeometry *geometry, GError **error)
{
  g_autoptr (DbDomain) domain = db_store_read_domain (self->store, scan->id, journal_seq, error);
  g_autoptr (GArray) planes = g_array_new (FALSE, FALSE, sizeof (SegPlane));

  if (domain == NULL)
    return FALSE;
  for (guint s = 0; s < domain->slices->len; s++)
    {
      const DbDomainSlice *slice = &g_array_index (domain->slices, DbDomainSlice, s);
      SegPlane plane = { geometry->axis_of_plane[slice->plane], slice->index };

      g_array_append_val (planes, plane);
    }
  app_round_scan_set_planes (scan, (const SegPlane *) planes->data, planes->len, domain->complete);
  return TRUE;
}

/* The grid as the project knows it would do, but rows belong to another thread: take the file's. */
static gboolean
read_geometry (const AppRoundScan *scan, VolumeGeometry *geometry, GError **error)
{
  g_autoptr (VolumeScan) file = NULL;

  if (scan->prepared != NULL)
    {
      *geometry = *seg_prepared_get_geometry (scan->prepared);
      return TRUE;
    }
  file = app_round_scan_open (scan, error);
  if (file == NULL)
    return FALSE;
  *geometry = *volume_scan_get_geometry (file);
  return TRUE;
}

gboolean
app_round_data_read_domains (AppRoundData *self, gint64 journal_seq, GError **error)
{
  for (guint s = 0; s < self->scans->len; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (self->scans, s);
      g_autoptr (DbDomain) domain =
          db_store_read_domain (self->store, scan->id, journal_seq, error);
      VolumeGeometry geometry;

      if (domain == NULL)
        return FALSE;
      if (db_domain_is_empty (domain))
        {
          app_round_scan_set_planes (scan, NULL, 0, FALSE);
          continue;
        }
      if (!read_geometry (scan, &geometry, error)
          || !read_domain (self, scan, journal_seq, &geometry, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_labels (AppRoundData *self, AppRoundScan *scan, gint64 journal_seq, GError **error)
{
  g_autoptr (VolumeLabelMap) map = db_store_read_labels (self->store, scan->id, journal_seq, error);
  g_autofree guint16 *values = NULL;
  guint8 class_of[65536] = { 0 };
  int size[3];
  VolumeBox box = { 0 };
  gsize n;

  if (map == NULL)
    return FALSE;
  volume_label_map_get_size (map, size);
  memcpy (box.hi, size, sizeof box.hi);
  n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  g_clear_pointer (&scan->labels_ijk, g_free);
  values = volume_memory_try (n, sizeof *values, error);
  scan->labels_ijk = values != NULL ? volume_memory_try (n, 1, error) : NULL;
  if (scan->labels_ijk == NULL)
    {
      g_prefix_error (error, "labels of %s: ", scan->name);
      return FALSE;
    }
  volume_label_map_read_box (map, &box, values);
  for (guint l = 0; l < self->label_ids->len; l++)
    class_of[g_array_index (self->label_ids, guint16, l)] = (guint8) (l + 1);
  for (gsize v = 0; v < n; v++)
    scan->labels_ijk[v] = class_of[values[v]];
  return TRUE;
}

gboolean
app_round_data_read_labels (AppRoundData *self, gint64 journal_seq, GError **error)
{
  for (guint s = 0; s < self->scans->len; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (self->scans, s);

      if (app_round_scan_is_labelled (scan) && !read_labels (self, scan, journal_seq, error))
        return FALSE;
    }
  return TRUE;
}
