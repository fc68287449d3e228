/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/round-predict.h"

#include <math.h>

void
app_predicted_clear (AppPredicted *self)
{
  g_clear_pointer (&self->labels_ijk, g_free);
  g_clear_pointer (&self->uncertainty_ijk, g_free);
  active_planes_clear (&self->planes);
}

VolumePlane
app_plane_of_axis (const VolumeGeometry *geometry, int axis)
{
  for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
    if (geometry->axis_of_plane[plane] == axis)
      return (VolumePlane) plane;
  g_return_val_if_reached (VOLUME_PLANE_AXIAL);
}

static double
mean_confidence (const guint8 *labels, const float *confidence, gsize n)
{
  double sum = 0;
  gsize n_foreground = 0;

  for (gsize v = 0; v < n; v++)
    if (labels[v] != 0)
      {
        sum += confidence[v];
        n_foreground++;
      }
  return n_foreground > 0 ? sum / (double) n_foreground : NAN;
}

static void
set_uncertainty (AppPredicted *predicted, const AppRoundScan *scan, const float *probabilities,
                 int K, gsize n_own)
{
  gsize n = seg_prepared_get_n_voxels (scan->prepared);
  g_autofree float *entropy = g_new (float, n);
  g_autofree float *own = g_new (float, n_own);

  active_entropy (probabilities, n, K, entropy);
  seg_prepared_values_back (scan->prepared, entropy, own);
  predicted->uncertainty_ijk = g_new (guint8, n_own);
  for (gsize v = 0; v < n_own; v++)
    predicted->uncertainty_ijk[v] = (guint8) CLAMP (own[v] * 255 + 0.5f, 0, 255);
}

static void
set_features (AppPredicted *predicted, const AppRoundScan *scan, const float *probabilities, int K,
              double tau)
{
  const VolumeGeometry *geometry = seg_prepared_get_geometry (scan->prepared);
  gsize n = seg_prepared_get_n_voxels (scan->prepared);
  double spacing[3];
  int size[3];

  seg_prepared_get_size (scan->prepared, size);
  for (int a = 0; a < 3; a++)
    {
      int own = seg_prepared_get_scan_axis (scan->prepared, a);

      spacing[a] = geometry->spacing_mm[own] * geometry->size[own] / size[a];
    }
  active_features_from_image (&predicted->features, scan->id,
                              seg_prepared_get_image (scan->prepared), size, spacing);
  active_features_add_prediction (&predicted->features, probabilities, n, K, tau);
}

gboolean
app_round_predict (SegMethod *method, const AppRoundScan *scan, double tau, AppPredicted *predicted,
                   GError **error)
{
  int K = seg_method_get_params (method)->n_classes;
  gsize n = seg_prepared_get_n_voxels (scan->prepared);
  const int *own_size = seg_prepared_get_geometry (scan->prepared)->size;
  gsize n_own = (gsize) own_size[0] * (gsize) own_size[1] * (gsize) own_size[2];
  g_autofree float *probabilities = g_try_new (float, n *(gsize) K);
  g_autofree float *confidence = g_try_new (float, n_own);
  int size[3];

  *predicted = (AppPredicted){ 0 };
  if (probabilities == NULL || confidence == NULL)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY,
                   "scan %s: not enough memory for its prediction", scan->name);
      return FALSE;
    }
  seg_prepared_get_size (scan->prepared, size);
  if (!seg_method_predict (method, seg_method_get_predictor (method),
                           seg_prepared_get_image (scan->prepared), size, probabilities, NULL,
                           error))
    return FALSE;
  predicted->labels_ijk = g_new (guint8, n_own);
  seg_prepared_probabilities_back (scan->prepared, probabilities, K, predicted->labels_ijk,
                                   confidence);
  predicted->confidence = mean_confidence (predicted->labels_ijk, confidence, n_own);
  set_uncertainty (predicted, scan, probabilities, K, n_own);
  set_features (predicted, scan, probabilities, K, tau);
  if (!active_planes_from_prediction (&predicted->planes, predicted->labels_ijk, own_size))
    active_planes_from_click (&predicted->planes, NULL, own_size);
  return TRUE;
}
