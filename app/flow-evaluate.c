/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-evaluate.h"
#include "db/domain.h"
#include "db/rows.h"
#include "volume/label-map.h"
#include "volume/memory.h"

#include <string.h>

GArray *
app_evaluate_labels (const guint16 *pred, const guint16 *truth, const VolumeGeometry *geometry,
                     const guint8 *domain, const guint16 *labels, gsize n_labels, GError **error)
{
  g_autoptr (GArray) results = g_array_new (FALSE, TRUE, sizeof (AppLabelMetrics));
  gsize n = (gsize) geometry->size[0] * geometry->size[1] * geometry->size[2];
  g_autofree guint8 *wanted = g_new0 (guint8, G_MAXUINT16 + 1);
  g_autofree guint8 *pred_mask = volume_memory_try (n, 1, error);
  g_autofree guint8 *truth_mask = NULL;

  if (pred_mask == NULL)
    return NULL;
  truth_mask = volume_memory_try (n, 1, error);
  if (truth_mask == NULL)
    return NULL;
  for (gsize l = 0; labels != NULL && l < n_labels; l++)
    wanted[labels[l]] = 1;
  for (gsize v = 0; labels == NULL && v < n; v++)
    wanted[pred[v]] = wanted[truth[v]] = 1;
  for (guint label = 1; label <= G_MAXUINT16; label++)
    {
      AppLabelMetrics result = { .label = (guint16) label };

      if (!wanted[label])
        continue;
      for (gsize v = 0; v < n; v++)
        {
          gboolean counts = domain == NULL || domain[v] != 0; /* I3 */

          pred_mask[v] = counts && pred[v] == label;
          truth_mask[v] = counts && truth[v] == label;
        }
      if (domain != NULL)
        volume_metrics_compute_overlap (pred_mask, truth_mask, n, &result.metrics);
      else if (!volume_metrics_compute (pred_mask, truth_mask, geometry->size, geometry->spacing_mm,
                                        &result.metrics, error))
        return NULL;
      g_array_append_val (results, result);
    }
  return g_steal_pointer (&results);
}

/* Labels of a file, on @geometry's grid if it is given. */
static guint16 *
load_labels (const char *path, VolumeScan **scan, GError **error)
{
  g_autofree guint16 *labels = NULL;

  *scan = volume_scan_load_labels (path, error);
  if (*scan == NULL)
    return NULL;
  labels = volume_memory_try (volume_scan_get_n_voxels (*scan), sizeof *labels, error);
  if (labels == NULL)
    return NULL;
  if (!volume_scan_read_labels (*scan, labels, error))
    {
      g_autofree char *name = g_path_get_basename (path);

      g_prefix_error (error, "%s: ", name);
      return NULL;
    }
  return g_steal_pointer (&labels);
}

/* The same voxels in the same places. A file that stores no place may lie anywhere. */
static gboolean
check_same_grid (const VolumeGeometry *a, const VolumeGeometry *b, const char *name_a,
                 const char *name_b, GError **error)
{
  double tolerance_mm = 0.5 * MIN (MIN (a->spacing_mm[0], a->spacing_mm[1]), a->spacing_mm[2]);

  if (memcmp (a->size, b->size, sizeof a->size) != 0)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
                   "%s has %d × %d × %d voxels, %s has %d × %d × %d", name_a, a->size[0],
                   a->size[1], a->size[2], name_b, b->size[0], b->size[1], b->size[2]);
      return FALSE;
    }
  if (a->affine_from != VOLUME_AFFINE_FROM_ASSUMED && b->affine_from != VOLUME_AFFINE_FROM_ASSUMED
      && !volume_geometry_equal (a, b, tolerance_mm))
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
                   "%s and %s lie in different places: their affines differ by more than half a "
                   "voxel",
                   name_a, name_b);
      return FALSE;
    }
  return TRUE;
}

GArray *
app_flow_evaluate_files (const char *pred_path, const char *truth_path, GError **error)
{
  g_autoptr (VolumeScan) pred_scan = NULL;
  g_autoptr (VolumeScan) truth_scan = NULL;
  g_autofree guint16 *pred = load_labels (pred_path, &pred_scan, error);
  g_autofree guint16 *truth = pred != NULL ? load_labels (truth_path, &truth_scan, error) : NULL;

  if (truth == NULL
      || !check_same_grid (volume_scan_get_geometry (pred_scan),
                           volume_scan_get_geometry (truth_scan), pred_path, truth_path, error))
    return NULL;
  return app_evaluate_labels (pred, truth, volume_scan_get_geometry (truth_scan), NULL, NULL, 0,
                              error);
}

/* Projects */

static void
free_case_metrics (gpointer data)
{
  AppCaseMetrics *metrics = data;

  g_free (metrics->name);
  g_clear_pointer (&metrics->metrics, g_array_unref);
  g_free (metrics);
}

/* The newest prediction whose file is still in the cache; its absolute path. */
static char *
find_prediction (DbStore *store, gint64 case_id)
{
  GListModel *predictions = db_store_get_predictions (store);
  g_autofree char *found = NULL;
  gint64 newest = -1;

  for (guint p = 0; p < g_list_model_get_n_items (predictions); p++)
    {
      g_autoptr (DbPrediction) prediction = g_list_model_get_item (predictions, p);
      g_autofree char *path = NULL;

      if (prediction->case_id != case_id || prediction->id <= newest)
        continue;
      path = db_store_resolve (store, prediction->path);
      if (!g_file_test (path, G_FILE_TEST_IS_REGULAR))
        continue;
      newest = prediction->id;
      g_free (found);
      found = g_steal_pointer (&path);
    }
  return g_steal_pointer (&found);
}

static GArray *
label_ids (DbStore *store)
{
  GListModel *labels = db_store_get_labels (store);
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint16));

  for (guint l = 0; l < g_list_model_get_n_items (labels); l++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, l);
      guint16 id = (guint16) label->id;

      g_array_append_val (ids, id);
    }
  return ids;
}

/* What there is to compare, as labels of the whole grid; and where it counts. NULL without an error
 * where there is nothing. */
static guint16 *
read_answer (DbStore *store, DbCase *row, const VolumeGeometry *geometry, AppEvaluated *what,
             guint8 **domain_mask, GError **error)
{
  g_autofree char *prediction = find_prediction (store, row->id);
  g_autoptr (VolumeScan) scan = NULL;
  g_autoptr (DbDomain) domain = NULL;
  g_autoptr (VolumeLabelMap) map = NULL;
  gsize n = (gsize) geometry->size[0] * geometry->size[1] * geometry->size[2];
  const VolumeBox whole = { .hi = { geometry->size[0], geometry->size[1], geometry->size[2] } };
  guint16 *labels;

  if (prediction != NULL)
    {
      *what = APP_EVALUATED_PREDICTION;
      labels = load_labels (prediction, &scan, error);
      if (labels != NULL
          && !check_same_grid (volume_scan_get_geometry (scan), geometry, prediction, row->name,
                               error))
        g_clear_pointer (&labels, g_free);
      return labels;
    }
  domain = db_store_read_domain (store, row->id, -1, error);
  if (domain == NULL || db_domain_is_empty (domain))
    return NULL;
  map = db_store_read_labels (store, row->id, -1, error);
  if (map == NULL)
    return NULL;
  *what = domain->complete ? APP_EVALUATED_LABELS : APP_EVALUATED_SIGNED_SLICES;
  if (!domain->complete)
    {
      *domain_mask = volume_memory_try (n, 1, error);
      if (*domain_mask == NULL)
        return NULL;
      db_domain_fill_mask (domain, geometry, *domain_mask);
    }
  labels = volume_memory_try (n, sizeof *labels, error);
  if (labels != NULL)
    volume_label_map_read_box (map, &whole, labels);
  return labels;
}

/* FALSE with an error; TRUE and no metrics where there is nothing to compare. */
static gboolean
evaluate_case (DbStore *store, DbCase *row, const GArray *ids, GPtrArray *results, GError **error)
{
  g_autofree char *truth_path = db_store_resolve (store, row->truth_path);
  g_autoptr (VolumeScan) truth_scan = NULL;
  g_autofree guint16 *truth = NULL;
  g_autofree guint16 *answer = NULL;
  g_autofree guint8 *domain_mask = NULL;
  g_autoptr (GError) inner = NULL;
  VolumeGeometry geometry;
  AppCaseMetrics *result;
  GArray *metrics;
  AppEvaluated what = APP_EVALUATED_LABELS;

  db_case_get_geometry (row, &geometry);
  answer = read_answer (store, row, &geometry, &what, &domain_mask, &inner);
  if (answer == NULL)
    {
      if (inner == NULL)
        return TRUE;
      g_propagate_error (error, g_steal_pointer (&inner));
      return FALSE;
    }
  truth = load_labels (truth_path, &truth_scan, error);
  if (truth == NULL
      || !check_same_grid (volume_scan_get_geometry (truth_scan), &geometry, truth_path, row->name,
                           error))
    return FALSE;
  metrics = app_evaluate_labels (answer, truth, &geometry, domain_mask, (const guint16 *) ids->data,
                                 ids->len, error);
  if (metrics == NULL)
    return FALSE;
  result = g_new0 (AppCaseMetrics, 1);
  result->case_id = row->id;
  result->name = g_strdup (row->name);
  result->validation = row->validation;
  result->what = what;
  result->metrics = metrics;
  g_ptr_array_add (results, result);
  return TRUE;
}

GPtrArray *
app_flow_evaluate_project (DbStore *store, GError **error)
{
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (free_case_metrics);
  g_autoptr (GArray) ids = label_ids (store);
  GListModel *cases = db_store_get_cases (store);

  for (guint c = 0; c < g_list_model_get_n_items (cases); c++)
    {
      g_autoptr (DbCase) row = g_list_model_get_item (cases, c);

      if (row->truth_path != NULL && !evaluate_case (store, row, ids, results, error))
        return NULL;
    }
  return g_steal_pointer (&results);
}
