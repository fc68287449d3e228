/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-import.h"

#include "app/flow-open.h"

static gboolean
check_known (DbStore *store, const guint16 *labels, gsize n_voxels, const char *path,
             GError **error)
{
  g_autofree guint8 *known = g_new0 (guint8, 65536);
  GListModel *list = db_store_get_labels (store);

  known[0] = 1;
  for (guint n = 0; n < g_list_model_get_n_items (list); n++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (list, n);

      known[label->id & 0xffff] = 1;
    }
  for (gsize v = 0; v < n_voxels; v++)
    if (!known[labels[v]])
      {
        g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND,
                     "%s: has label %u, which the project does not know", path, labels[v]);
        return FALSE;
      }
  return TRUE;
}

static void
set_box (VolumeEditBuilder *builder, const guint16 *labels, const int size[3], const VolumeBox *box,
         gboolean with_background)
{
  for (int k = box->lo[2]; k < box->hi[2]; k++)
    for (int j = box->lo[1]; j < box->hi[1]; j++)
      {
        const guint16 *row = labels + ((gsize) k * size[1] + j) * size[0];

        for (int i = box->lo[0], end; i < box->hi[0]; i = end)
          {
            for (end = i + 1; end < box->hi[0] && row[end] == row[i];)
              end++;
            if (row[i] != 0 || with_background)
              volume_edit_builder_set_run (builder, i, j, k, end - i, row[i]);
          }
      }
}

static VolumeBox
box_of_slice (const VolumeGeometry *geometry, const DbDomainSlice *slice)
{
  VolumeBox box = { { 0, 0, 0 }, { geometry->size[0], geometry->size[1], geometry->size[2] } };
  const int axis = geometry->axis_of_plane[slice->plane];

  box.lo[axis] = slice->index;
  box.hi[axis] = slice->index + 1;
  return box;
}

static gboolean
check_slices (const VolumeGeometry *geometry, const DbDomainSlice *slices, gsize n_slices,
              GError **error)
{
  for (gsize s = 0; s < n_slices; s++)
    {
      const int n = geometry->size[geometry->axis_of_plane[slices[s].plane]];

      if (slices[s].index < 0 || slices[s].index >= n)
        {
          g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND,
                       "The scan has %s slices 0 to %d, no %d.",
                       volume_plane_get_name (slices[s].plane), n - 1, slices[s].index);
          return FALSE;
        }
    }
  return TRUE;
}

/* What is labelled by the import, as one write; NULL where nothing is. */
static DbWrite *
sign (DbLabels *labels, AppImportExtent extent, const DbDomainSlice *slices, gsize n_slices)
{
  const gint64 id = db_labels_get_case_id (labels);
  g_autofree DbWrite **writes = g_new0 (DbWrite *, n_slices + 1);
  gsize n = 0;

  if (extent == APP_IMPORT_DENSE)
    writes[n++] = db_write_set_case_complete (id, TRUE);
  for (gsize s = 0; extent == APP_IMPORT_SLICES && s < n_slices; s++)
    writes[n++] = db_write_sign_slice (id, slices[s].plane, slices[s].index, "import", NULL);
  return n > 0 ? db_write_all (writes, n) : NULL;
}

static VolumeEdit *
build (DbLabels *labels, const VolumeGeometry *geometry, const guint16 *values,
       AppImportExtent extent, const DbDomainSlice *slices, gsize n_slices, GError **error)
{
  const VolumeBox all = { { 0, 0, 0 },
                          { geometry->size[0], geometry->size[1], geometry->size[2] } };
  g_autoptr (VolumeEditBuilder) builder = NULL;
  VolumeEditGuard guard;

  db_labels_init_guard (labels, VOLUME_PROVENANCE_IMPORT, FALSE, &guard); /* I4 */
  builder = volume_edit_builder_new (db_labels_get_map (labels), &guard);
  if (extent != APP_IMPORT_SLICES)
    set_box (builder, values, geometry->size, &all, extent == APP_IMPORT_DENSE);
  for (gsize s = 0; extent == APP_IMPORT_SLICES && s < n_slices; s++)
    {
      const VolumeBox box = box_of_slice (geometry, &slices[s]);

      set_box (builder, values, geometry->size, &box, TRUE);
    }
  return volume_edit_builder_end (builder, db_labels_reserve_id (labels), VOLUME_PROVENANCE_IMPORT,
                                  "import", error);
}

gboolean
app_flow_import (DbLabels *labels, VolumeScan *scan, const char *path, AppImportExtent extent,
                 const DbDomainSlice *slices, gsize n_slices, AppImportResult *result,
                 GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);
  g_autofree guint16 *values = app_flow_load_labels_like (path, scan, error);
  g_autoptr (VolumeEdit) edit = NULL;
  g_autoptr (DbWrite) signing = NULL;

  *result = (AppImportResult){ 0 };
  if (values == NULL
      || !check_known (db_labels_get_store (labels), values, volume_scan_get_n_voxels (scan), path,
                       error)
      || !check_slices (geometry, slices, n_slices, error))
    return FALSE;
  edit = build (labels, geometry, values, extent, slices, n_slices, error);
  if (edit == NULL)
    return FALSE;
  result->n_voxels = volume_edit_get_n_voxels (edit);
  signing = sign (labels, extent, slices, n_slices);
  if (result->n_voxels > 0)
    {
      result->edit = db_labels_commit_with (labels, edit, NULL, g_steal_pointer (&signing), error);
      return result->edit >= 0;
    }
  return signing == NULL
         || db_store_write (db_labels_get_store (labels), g_steal_pointer (&signing), error) >= 0;
}
