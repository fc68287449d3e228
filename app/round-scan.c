/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/job.h"
#include "app/round-scan.h"
#include "volume/memory.h"

#include <math.h>
#include <string.h>

AppRoundScan *
app_round_scan_new (gint64 id, const char *name, const char *path, const char *sha256,
                    int volume_index)
{
  AppRoundScan *self = g_new0 (AppRoundScan, 1);

  self->id = id;
  self->name = g_strdup (name);
  self->path = g_strdup (path);
  self->sha256 = g_strdup (sha256);
  self->volume_index = volume_index;
  return self;
}

void
app_round_scan_free (AppRoundScan *self)
{
  if (self == NULL)
    return;
  g_free (self->name);
  g_free (self->path);
  g_free (self->sha256);
  g_free (self->labels_ijk);
  g_free (self->truth_ijk);
  g_free (self->scan_planes);
  g_clear_pointer (&self->prepared, seg_prepared_unref);
  g_free (self->label);
  g_free (self->planes);
  g_free (self->pseudo);
  g_free (self);
}

gboolean
app_round_scan_is_labelled (const AppRoundScan *self)
{
  return self->complete || self->n_planes > 0;
}

VolumeScan *
app_round_scan_open (const AppRoundScan *self, GError **error)
{
  g_autoptr (VolumeScan) scan = volume_scan_load (self->path, self->volume_index, error);

  if (scan == NULL)
    {
      g_prefix_error (error, "scan %s: ", self->name);
      return NULL;
    }
  /* I1: a changed file is said, not guessed around. */
  if (self->sha256 != NULL && g_strcmp0 (volume_scan_get_sha256 (scan), self->sha256) != 0)
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED,
                   "scan %s: the file is not the one that was added to the project (its SHA-256 "
                   "differs)",
                   self->name);
      return NULL;
    }
  return g_steal_pointer (&scan);
}

guint8 *
app_round_scan_read_labels (const AppRoundScan *self, const VolumeGeometry *geometry,
                            const char *path, int n_classes, GError **error)
{
  g_autoptr (VolumeScan) labels = volume_scan_load_labels (path, error);
  g_autofree guint8 *classes = NULL;
  const VolumeGeometry *own;
  VolumeBox box;
  g_autofree float *values = NULL;
  gsize n;

  if (labels == NULL)
    return NULL;
  own = volume_scan_get_geometry (labels);
  if (memcmp (own->size, geometry->size, sizeof own->size) != 0)
    {
      g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
                   "labels of %s: %d × %d × %d voxels, the scan has %d × %d × %d", self->name,
                   own->size[0], own->size[1], own->size[2], geometry->size[0], geometry->size[1],
                   geometry->size[2]);
      return NULL;
    }
  n = volume_scan_get_n_voxels (labels);
  values = volume_memory_try (n, sizeof *values, error);
  classes = values != NULL ? volume_memory_try (n, 1, error) : NULL;
  if (classes == NULL)
    {
      g_prefix_error (error, "labels of %s: ", self->name);
      return NULL;
    }
  box = (VolumeBox){ { 0, 0, 0 }, { own->size[0], own->size[1], own->size[2] } };
  volume_scan_read_box (labels, &box, values);
  for (gsize v = 0; v < n; v++)
    {
      if (!(values[v] >= 0 && values[v] < (float) n_classes) || values[v] != floorf (values[v]))
        {
          g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_MISMATCH,
                       "labels of %s: value %g, but the project has labels 1 to %d", self->name,
                       (double) values[v], n_classes - 1);
          return NULL;
        }
      classes[v] = (guint8) values[v];
    }
  return g_steal_pointer (&classes);
}

gboolean
app_round_scan_prepare (AppRoundScan *self, const SegPreprocess *preprocess, GError **error)
{
  g_autoptr (VolumeScan) scan = NULL;

  if (self->prepared != NULL)
    return TRUE;
  scan = app_round_scan_open (self, error);
  if (scan == NULL)
    return FALSE;
  self->prepared = seg_prepared_new (preprocess, scan, error);
  if (self->prepared == NULL)
    {
      g_prefix_error (error, "scan %s: ", self->name);
      return FALSE;
    }
  return TRUE;
}

gboolean
app_round_scan_prepare_labels (AppRoundScan *self, GError **error)
{
  const guint8 *labels = self->labels_ijk != NULL ? self->labels_ijk : self->truth_ijk;

  g_clear_pointer (&self->label, g_free);
  g_clear_pointer (&self->planes, g_free);
  if (!app_round_scan_is_labelled (self) || labels == NULL)
    return TRUE;
  self->label = volume_memory_try0 (seg_prepared_get_n_voxels (self->prepared), 1, error);
  if (self->label == NULL)
    {
      g_prefix_error (error, "scan %s: ", self->name);
      return FALSE;
    }
  if (self->complete)
    {
      seg_prepared_labels_forward (self->prepared, labels, self->label);
      return TRUE;
    }
  self->planes = g_new0 (SegPlane, self->n_planes);
  seg_prepared_planes_forward (self->prepared, labels, self->scan_planes, self->n_planes,
                               self->label, self->planes);
  return TRUE;
}

void
app_round_scan_set_planes (AppRoundScan *self, const SegPlane *scan_planes, gsize n_planes,
                           gboolean complete)
{
  g_free (self->scan_planes);
  self->scan_planes = g_memdup2 (scan_planes, n_planes * sizeof *scan_planes);
  self->n_planes = n_planes;
  self->complete = complete;
}

void
app_overlap_add (AppOverlap *counts, guint8 prediction, guint8 truth)
{
  counts[prediction].prediction++;
  counts[truth].truth++;
  if (prediction == truth)
    counts[truth].both++;
}

static gboolean
on_earlier_plane (const AppRoundScan *self, gsize plane, const int ijk[3])
{
  for (gsize p = 0; p < plane; p++)
    if (ijk[self->scan_planes[p].axis] == self->scan_planes[p].index)
      return TRUE;
  return FALSE;
}

static void
count_plane (const AppRoundScan *self, gsize plane, const guint8 *prediction, const guint8 *truth,
             const int size[3], AppOverlap *counts)
{
  int axis = self->scan_planes[plane].axis;
  int lo[3] = { 0, 0, 0 }, hi[3] = { size[0], size[1], size[2] }, at[3];

  lo[axis] = self->scan_planes[plane].index;
  hi[axis] = lo[axis] + 1;
  for (at[2] = lo[2]; at[2] < hi[2]; at[2]++)
    for (at[1] = lo[1]; at[1] < hi[1]; at[1]++)
      for (at[0] = lo[0]; at[0] < hi[0]; at[0]++)
        {
          gsize v =
              ((gsize) at[2] * (gsize) size[1] + (gsize) at[1]) * (gsize) size[0] + (gsize) at[0];

          /* Where slices cross a voxel counts once. */
          if (!on_earlier_plane (self, plane, at))
            app_overlap_add (counts, prediction[v], truth[v]);
        }
}

void
app_round_scan_count (const AppRoundScan *self, const guint8 *prediction_ijk,
                      const guint8 *truth_ijk, gboolean whole, int n_classes, AppOverlap *counts)
{
  const VolumeGeometry *geometry = seg_prepared_get_geometry (self->prepared);
  const int *size = geometry->size;
  gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];

  memset (counts, 0, (gsize) n_classes * sizeof *counts);
  if (whole || self->complete)
    for (gsize v = 0; v < n; v++)
      app_overlap_add (counts, prediction_ijk[v], truth_ijk[v]);
  else
    for (gsize p = 0; p < self->n_planes; p++)
      count_plane (self, p, prediction_ijk, truth_ijk, size, counts);
}

double
app_overlap_dice (const AppOverlap *counts)
{
  gsize sum = counts->prediction + counts->truth;

  return sum == 0 ? NAN : 2.0 * (double) counts->both / (double) sum;
}
