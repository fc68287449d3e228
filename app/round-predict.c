/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/round-predict.h"

#include "active/regions.h"
#include "app/job.h"
#include "volume/file-write.h"
#include "volume/memory.h"
#include "volume/nifti-write.h"

#include <glib/gi18n.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

/* Regions worth a second look, per scan. */
#define MAX_REGIONS 6

void
app_predicted_clear (AppPredicted *self)
{
  g_clear_pointer (&self->labels_ijk, g_free);
  g_clear_pointer (&self->uncertainty_ijk, g_free);
  active_planes_clear (&self->planes);
  g_clear_pointer (&self->regions, g_array_unref);
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

static gboolean
set_uncertainty (AppPredicted *predicted, const AppRoundScan *scan, const float *probabilities,
                 int K, gsize n_own, GError **error)
{
  gsize n = seg_prepared_get_n_voxels (scan->prepared);
  g_autofree float *entropy = volume_memory_try (n, sizeof *entropy, error);
  g_autofree float *own = entropy != NULL ? volume_memory_try (n_own, sizeof *own, error) : NULL;

  if (own == NULL)
    return FALSE;
  predicted->uncertainty_ijk = volume_memory_try (n_own, 1, error);
  if (predicted->uncertainty_ijk == NULL)
    return FALSE;
  active_entropy (probabilities, n, K, entropy);
  seg_prepared_values_back (scan->prepared, entropy, own);
  for (gsize v = 0; v < n_own; v++)
    predicted->uncertainty_ijk[v] = (guint8) CLAMP (own[v] * 255 + 0.5f, 0, 255);
  return TRUE;
}

static gboolean
set_features (AppPredicted *predicted, const AppRoundScan *scan, const float *probabilities, int K,
              double tau, GError **error)
{
  gsize n = seg_prepared_get_n_voxels (scan->prepared);
  double spacing[3];
  int size[3];

  seg_prepared_get_size (scan->prepared, size);
  seg_prepared_get_spacing (scan->prepared, spacing);
  active_features_from_image (&predicted->features, scan->id,
                              seg_prepared_get_image (scan->prepared), size, spacing);
  return active_features_add_prediction (&predicted->features, probabilities, n, K, tau, error);
}

static gboolean
set_planes (AppPredicted *predicted, const int size[3], GError **error)
{
  g_autoptr (GError) local = NULL;

  if (active_planes_from_prediction (&predicted->planes, predicted->labels_ijk, size, &local))
    return TRUE;
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  active_planes_from_click (&predicted->planes, NULL, size); /* nothing is predicted */
  return TRUE;
}

/* Regions
 * ------------------------------------------------------------------------------------------- */

static gboolean
has_teacher (const SegMethod *method)
{
  return seg_method_get_info (method)->uses_unlabelled;
}

int
app_round_predict_passes (const SegMethod *method)
{
  return has_teacher (method) ? 3 : 2;
}

/* Axis 0 turned round, for each of @n_channels. */
static void
mirror (const float *src, const int size[3], int n_channels, float *dst)
{
  gsize n_slice = (gsize) size[1] * (gsize) size[2];

  for (int c = 0; c < n_channels; c++)
    for (int a0 = 0; a0 < size[0]; a0++)
      memcpy (dst + ((gsize) c * (gsize) size[0] + (gsize) a0) * n_slice,
              src + ((gsize) c * (gsize) size[0] + (gsize) (size[0] - 1 - a0)) * n_slice,
              n_slice * sizeof *dst);
}

/* The answer to the mirrored scan, mirrored back, against @probabilities. */
static gboolean
compare_views (SegMethod *method, const AppRoundScan *scan, const float *probabilities,
               float *other, float *views, GError **error)
{
  int K = seg_method_get_params (method)->n_classes, size[3];
  gsize n = seg_prepared_get_n_voxels (scan->prepared);
  g_autofree float *image = volume_memory_try (n, sizeof *image, error);
  g_autofree float *back =
      image != NULL ? volume_memory_try (n, (gsize) K * sizeof *back, error) : NULL;

  if (back == NULL)
    return FALSE;
  seg_prepared_get_size (scan->prepared, size);
  mirror (seg_prepared_get_image (scan->prepared), size, 1, image);
  if (!seg_method_predict (method, seg_method_get_predictor (method), image, size, other, NULL,
                           error))
    return FALSE;
  mirror (other, size, K, back);
  active_disagreement (probabilities, back, n, K, views);
  return TRUE;
}

static gboolean
compare_networks (SegMethod *method, const AppRoundScan *scan, const float *probabilities,
                  float *other, float *networks, GError **error)
{
  int K = seg_method_get_params (method)->n_classes, size[3];

  seg_prepared_get_size (scan->prepared, size);
  if (!seg_method_predict (method,
                           seg_method_get_predictor (method) == SEG_METHOD_TEACHER
                               ? SEG_METHOD_STUDENT
                               : SEG_METHOD_TEACHER,
                           seg_prepared_get_image (scan->prepared), size, other, NULL, error))
    return FALSE;
  active_disagreement (probabilities, other, seg_prepared_get_n_voxels (scan->prepared), K,
                       networks);
  return TRUE;
}

static void
region_back (const SegPrepared *prepared, const ActiveRegion *region, AppRegion *own)
{
  const int *size = seg_prepared_get_geometry (prepared)->size;
  const double low[3] = { region->lo[0] - 0.5, region->lo[1] - 0.5, region->lo[2] - 0.5 };
  const double high[3] = { region->hi[0] - 0.5, region->hi[1] - 0.5, region->hi[2] - 0.5 };
  double p[3], q[3];

  *own =
      (AppRegion){ .disputed_mm3 = region->disputed_mm3, .teacher_share = region->teacher_share };
  seg_prepared_point_back (prepared, low, p);
  seg_prepared_point_back (prepared, high, q);
  for (int a = 0; a < 3; a++)
    {
      own->lo[a] = CLAMP ((int) lround (MIN (p[a], q[a]) + 0.5), 0, size[a] - 1);
      own->hi[a] = CLAMP ((int) lround (MAX (p[a], q[a]) + 0.5), own->lo[a] + 1, size[a]);
    }
}

static void
classes_of (const float *probabilities, gsize n, int K, guint8 *labels)
{
  for (gsize v = 0; v < n; v++)
    {
      labels[v] = 0;
      for (int k = 1; k < K; k++)
        if (probabilities[(gsize) k * n + v] > probabilities[(gsize) labels[v] * n + v])
          labels[v] = (guint8) k;
    }
}

static gboolean
set_regions (AppPredicted *predicted, SegMethod *method, const AppRoundScan *scan,
             const float *probabilities, GError **error)
{
  int K = seg_method_get_params (method)->n_classes, size[3];
  gsize n = seg_prepared_get_n_voxels (scan->prepared);
  g_autofree float *other = volume_memory_try (n, (gsize) K * sizeof *other, error);
  g_autofree float *views = other != NULL ? volume_memory_try0 (n, sizeof *views, error) : NULL;
  g_autofree float *networks =
      views != NULL ? volume_memory_try0 (n, sizeof *networks, error) : NULL;
  g_autofree guint8 *labels = networks != NULL ? volume_memory_try (n, 1, error) : NULL;
  g_autoptr (GArray) found = NULL;
  double spacing[3];

  if (labels == NULL)
    return FALSE;
  if (!compare_views (method, scan, probabilities, other, views, error)
      || (has_teacher (method)
          && !compare_networks (method, scan, probabilities, other, networks, error)))
    return FALSE;
  classes_of (probabilities, n, K, labels);
  seg_prepared_get_size (scan->prepared, size);
  seg_prepared_get_spacing (scan->prepared, spacing);
  found = active_regions_find (networks, views, labels, size, spacing, MAX_REGIONS, error);
  if (found == NULL)
    return FALSE;
  predicted->regions = g_array_new (FALSE, FALSE, sizeof (AppRegion));
  for (guint r = 0; r < found->len; r++)
    {
      AppRegion own;

      region_back (scan->prepared, &g_array_index (found, ActiveRegion, r), &own);
      g_array_append_val (predicted->regions, own);
    }
  return TRUE;
}

static void
add_corner (JsonBuilder *builder, const char *name, const int corner[3])
{
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (int a = 0; a < 3; a++)
    json_builder_add_int_value (builder, corner[a]);
  json_builder_end_array (builder);
}

static gboolean
write_regions (const GArray *regions, const char *path, GError **error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_array (builder);
  for (guint r = 0; r < regions->len; r++)
    {
      const AppRegion *region = &g_array_index (regions, AppRegion, r);

      json_builder_begin_object (builder);
      add_corner (builder, "lo", region->lo);
      add_corner (builder, "hi", region->hi);
      json_builder_set_member_name (builder, "disputed_mm3");
      json_builder_add_double_value (builder, region->disputed_mm3);
      json_builder_set_member_name (builder, "teacher_share");
      json_builder_add_double_value (builder, region->teacher_share);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  return volume_file_write (path, (const guint8 *) text, strlen (text), error);
}

static gboolean
read_corner (JsonObject *object, const char *name, int corner[3])
{
  JsonNode *node = json_object_get_member (object, name);
  JsonArray *array =
      node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (array == NULL || json_array_get_length (array) != 3)
    return FALSE;
  for (guint a = 0; a < 3; a++)
    corner[a] = (int) json_array_get_int_element (array, a);
  return TRUE;
}

GArray *
app_regions_read (const char *path, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GArray) regions = g_array_new (FALSE, FALSE, sizeof (AppRegion));
  JsonArray *array;

  if (!json_parser_load_from_file (parser, path, error))
    return NULL;
  if (!JSON_NODE_HOLDS_ARRAY (json_parser_get_root (parser)))
    goto damaged;
  array = json_node_get_array (json_parser_get_root (parser));
  for (guint r = 0; r < json_array_get_length (array); r++)
    {
      JsonNode *node = json_array_get_element (array, r);
      JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
      AppRegion region;

      if (object == NULL || !read_corner (object, "lo", region.lo)
          || !read_corner (object, "hi", region.hi))
        goto damaged;
      region.disputed_mm3 = json_object_get_double_member_with_default (object, "disputed_mm3", 0);
      region.teacher_share =
          json_object_get_double_member_with_default (object, "teacher_share", 0);
      g_array_append_val (regions, region);
    }
  return g_steal_pointer (&regions);

damaged:
  g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED, _ ("%s: not a list of regions"), path);
  return NULL;
}

char *
app_prediction_beside (const char *labels_path, const char *suffix)
{
  gsize n = strlen (labels_path);
  g_autofree char *stem = NULL;

  if (g_str_has_suffix (labels_path, ".nii.gz"))
    n -= strlen (".nii.gz");
  stem = g_strndup (labels_path, n);
  return g_strconcat (stem, suffix, NULL);
}

/* The whole answer
 * ---------------------------------------------------------------------------------- */

gboolean
app_predicted_write (const AppPredicted *self, const VolumeGeometry *geometry, VolumeScan *like,
                     const guint16 *id_of, const char *labels_path, const char *uncertainty_path,
                     const char *regions_path, GError **error)
{
  gsize n = (gsize) geometry->size[0] * (gsize) geometry->size[1] * (gsize) geometry->size[2];
  g_autofree guint16 *labels = volume_memory_try (n, sizeof *labels, error);
  gboolean ok;

  if (labels == NULL)
    return FALSE;
  for (gsize v = 0; v < n; v++)
    labels[v] = id_of[self->labels_ijk[v]];
  ok = like != NULL ? volume_nifti_write_labels (labels_path, like, labels, error)
                    : volume_nifti_write (labels_path,
                                          &(VolumeNiftiParams){ .geometry = geometry,
                                                                .dtype = VOLUME_DTYPE_U16,
                                                                .data = labels },
                                          error);
  return ok
         && volume_nifti_write (uncertainty_path,
                                &(VolumeNiftiParams){ .like = like,
                                                      .geometry = geometry,
                                                      .dtype = VOLUME_DTYPE_U8,
                                                      .data = self->uncertainty_ijk,
                                                      .slope = 1 / 255.0 },
                                error)
         && (regions_path == NULL || write_regions (self->regions, regions_path, error));
}

static gboolean
predict (SegMethod *method, const AppRoundScan *scan, double tau, AppPredictExtent extent,
         AppPredicted *predicted, GError **error)
{
  int K = seg_method_get_params (method)->n_classes;
  gsize n = seg_prepared_get_n_voxels (scan->prepared);
  const int *own_size = seg_prepared_get_geometry (scan->prepared)->size;
  gsize n_own = (gsize) own_size[0] * (gsize) own_size[1] * (gsize) own_size[2];
  g_autofree float *probabilities = volume_memory_try (n, (gsize) K * sizeof *probabilities, error);
  g_autofree float *confidence =
      probabilities != NULL ? volume_memory_try (n_own, sizeof *confidence, error) : NULL;
  int size[3];

  if (confidence == NULL)
    return FALSE;
  predicted->labels_ijk = volume_memory_try (n_own, 1, error);
  if (predicted->labels_ijk == NULL)
    return FALSE;
  seg_prepared_get_size (scan->prepared, size);
  if (!seg_method_predict (method, seg_method_get_predictor (method),
                           seg_prepared_get_image (scan->prepared), size, probabilities, NULL,
                           error))
    return FALSE;
  seg_prepared_probabilities_back (scan->prepared, probabilities, K, predicted->labels_ijk,
                                   confidence);
  predicted->confidence = mean_confidence (predicted->labels_ijk, confidence, n_own);
  return set_uncertainty (predicted, scan, probabilities, K, n_own, error)
         && set_features (predicted, scan, probabilities, K, tau, error)
         && set_planes (predicted, own_size, error)
         && (extent == APP_PREDICT_LABELS
             || set_regions (predicted, method, scan, probabilities, error));
}

gboolean
app_round_predict (SegMethod *method, const AppRoundScan *scan, double tau, AppPredictExtent extent,
                   AppPredicted *predicted, GError **error)
{
  *predicted = (AppPredicted){ 0 };
  if (predict (method, scan, tau, extent, predicted, error))
    return TRUE;
  g_prefix_error (error, "scan %s: ", scan->name);
  app_predicted_clear (predicted);
  return FALSE;
}
