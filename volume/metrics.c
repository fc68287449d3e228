/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/memory.h"
#include "volume/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A mask's surface: a byte per voxel, its voxels in order, and the box that holds them. */
typedef struct
{
  guint8 *is_site;
  gsize *sites;
  gsize n_sites;
  VolumeBox box;
} Surface;

static void
surface_clear (Surface *self)
{
  g_clear_pointer (&self->is_site, g_free);
  g_clear_pointer (&self->sites, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Surface, surface_clear)

static inline gboolean
is_on_surface (const guint8 *mask, const int size[3], const gsize strides[3], const int at[3],
               gsize v)
{
  for (int a = 0; a < 3; a++)
    if (size[a] > 1
        && (at[a] == 0 || at[a] == size[a] - 1 || mask[v - strides[a]] == 0
            || mask[v + strides[a]] == 0))
      return TRUE;
  return FALSE;
}

static gboolean
surface_init (Surface *self, const guint8 *mask, const int size[3], gsize n_inside, GError **error)
{
  const gsize strides[3] = { 1, size[0], (gsize) size[0] * size[1] };
  const gboolean is_point = size[0] == 1 && size[1] == 1 && size[2] == 1;
  gsize v = 0;
  int at[3];

  memset (self, 0, sizeof *self);
  self->is_site = volume_memory_try0 (strides[2] * (gsize) size[2], 1, error);
  if (self->is_site == NULL)
    return FALSE;
  self->sites = volume_memory_try (n_inside, sizeof *self->sites, error);
  if (self->sites == NULL)
    return FALSE;
  for (int a = 0; a < 3; a++)
    self->box.lo[a] = size[a];
  for (at[2] = 0; at[2] < size[2]; at[2]++)
    for (at[1] = 0; at[1] < size[1]; at[1]++)
      for (at[0] = 0; at[0] < size[0]; at[0]++, v++)
        {
          if (mask[v] == 0 || !(is_point || is_on_surface (mask, size, strides, at, v)))
            continue;
          self->is_site[v] = 1;
          self->sites[self->n_sites++] = v;
          for (int a = 0; a < 3; a++)
            {
              self->box.lo[a] = MIN (self->box.lo[a], at[a]);
              self->box.hi[a] = MAX (self->box.hi[a], at[a] + 1);
            }
        }
  return TRUE;
}

/* Distances from the sites of one surface to those of another.
 *
 * An exact distance transform (separable, after Felzenszwalb and Huttenlocher 2012) of the slices
 * of one surface, over the box of both; across slices only the sites of the other ask, each from
 * its own slice outwards as far as a nearer one can still come. */

typedef struct
{
  double *f; /* a column before */
  int *apex; /* parabolas of the lower envelope */
  double *from; /* where each begins to be lowest */
} Column;

typedef struct
{
  const Surface *from, *to;
  const int *size;
  double spacing[3];
  VolumeBox box;
  int n[3]; /* sides of the box */
  double *flat; /* squared distance within the slice, n[0]·n[1]·n[2] */
  guint8 *slice_has_sites;
  Column column;
  double *distances; /* of from's sites, in order */
} Measure;

static void
measure_clear (Measure *self)
{
  g_clear_pointer (&self->flat, g_free);
  g_clear_pointer (&self->slice_has_sites, g_free);
  g_clear_pointer (&self->column.f, g_free);
  g_clear_pointer (&self->column.apex, g_free);
  g_clear_pointer (&self->column.from, g_free);
  g_clear_pointer (&self->distances, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Measure, measure_clear)

/* Squared distance along a row to the nearest site of the row; INFINITY without one. */
static void
transform_row (const guint8 *is_site, int n, double spacing, double *out)
{
  int last = -1;

  for (int i = 0; i < n; i++)
    {
      if (is_site[i])
        last = i;
      out[i] = last < 0 ? INFINITY : i - last;
    }
  last = -1;
  for (int i = n; i-- > 0;)
    {
      double d;

      if (is_site[i])
        last = i;
      d = last < 0 ? out[i] : fmin (out[i], last - i);
      out[i] = d * d * spacing * spacing;
    }
}

static void
transform_column (double *slice, int n_i, int n_j, int i, double spacing, Column *column)
{
  const double step2 = spacing * spacing;
  int n = 0, e = 0;

  for (int j = 0; j < n_j; j++)
    {
      double start = -INFINITY;

      column->f[j] = slice[(gsize) j * n_i + i];
      if (column->f[j] == INFINITY)
        continue;
      while (n > 0)
        {
          int p = column->apex[n - 1];

          start = (column->f[j] - column->f[p] + step2 * ((double) (j - p) * (j + p)))
                  / (2.0 * step2 * (j - p));
          if (start > column->from[n - 1])
            break;
          n--;
        }
      if (n == 0)
        start = -INFINITY;
      column->apex[n] = j;
      column->from[n++] = start;
    }
  if (n == 0)
    return;
  for (int j = 0; j < n_j; j++)
    {
      double d;

      while (e + 1 < n && column->from[e + 1] <= j)
        e++;
      d = j - column->apex[e];
      slice[(gsize) j * n_i + i] = column->f[column->apex[e]] + d * d * step2;
    }
}

static gboolean
column_init (Column *self, int n, GError **error)
{
  self->f = volume_memory_try (n, sizeof *self->f, error);
  if (self->f == NULL)
    return FALSE;
  self->apex = volume_memory_try (n, sizeof *self->apex, error);
  if (self->apex == NULL)
    return FALSE;
  self->from = volume_memory_try (n, sizeof *self->from, error);
  return self->from != NULL;
}

static void
transform_slices (Measure *self)
{
  const int *size = self->size, *lo = self->box.lo;
  const gsize n_slice = (gsize) self->n[0] * self->n[1];

  for (int k = 0; k < self->n[2]; k++)
    {
      double *slice = self->flat + (gsize) k * n_slice;
      gboolean any = FALSE;

      for (int j = 0; j < self->n[1]; j++)
        {
          const guint8 *row =
              self->to->is_site + ((gsize) (k + lo[2]) * size[1] + (j + lo[1])) * size[0] + lo[0];
          double *out = slice + (gsize) j * self->n[0];

          transform_row (row, self->n[0], self->spacing[0], out);
          any = any || out[0] != INFINITY;
        }
      self->slice_has_sites[k] = any;
      for (int i = 0; any && i < self->n[0]; i++)
        transform_column (slice, self->n[0], self->n[1], i, self->spacing[1], &self->column);
    }
}

static double
nearest_across_slices (const Measure *self, int i, int j, int k)
{
  const gsize n_slice = (gsize) self->n[0] * self->n[1];
  const double *line = self->flat + (gsize) j * self->n[0] + i;
  const double step2 = self->spacing[2] * self->spacing[2];
  double best = self->slice_has_sites[k] ? line[(gsize) k * n_slice] : INFINITY;

  for (int away = 1; away < self->n[2]; away++)
    {
      double across = step2 * away * away;

      if (across >= best)
        break;
      if (k - away >= 0 && self->slice_has_sites[k - away])
        best = fmin (best, line[(gsize) (k - away) * n_slice] + across);
      if (k + away < self->n[2] && self->slice_has_sites[k + away])
        best = fmin (best, line[(gsize) (k + away) * n_slice] + across);
    }
  return best;
}

static gpointer
measure_thread (gpointer data)
{
  Measure *self = data;
  const gsize n_row = self->size[0], n_slice = n_row * self->size[1];

  transform_slices (self);
  for (gsize s = 0; s < self->from->n_sites; s++)
    {
      gsize v = self->from->sites[s];
      int k = (int) (v / n_slice), j = (int) (v % n_slice / n_row), i = (int) (v % n_row);

      self->distances[s] = sqrt (nearest_across_slices (self, i - self->box.lo[0],
                                                        j - self->box.lo[1], k - self->box.lo[2]));
    }
  return NULL;
}

static gboolean
measure_init (Measure *self, const Surface *from, const Surface *to, const int size[3],
              const double spacing[3], GError **error)
{
  *self = (Measure){ .from = from, .to = to, .size = size };
  for (int a = 0; a < 3; a++)
    {
      self->spacing[a] = spacing[a];
      self->box.lo[a] = MIN (from->box.lo[a], to->box.lo[a]);
      self->box.hi[a] = MAX (from->box.hi[a], to->box.hi[a]);
      self->n[a] = self->box.hi[a] - self->box.lo[a];
    }
  self->flat =
      volume_memory_try ((gsize) self->n[0] * self->n[1] * self->n[2], sizeof (double), error);
  if (self->flat == NULL)
    return FALSE;
  self->slice_has_sites = volume_memory_try (self->n[2], 1, error);
  if (self->slice_has_sites == NULL)
    return FALSE;
  self->distances = volume_memory_try (from->n_sites, sizeof (double), error);
  if (self->distances == NULL)
    return FALSE;
  return column_init (&self->column, self->n[1], error);
}

static double
mean (const double *values, gsize n)
{
  double sum = 0.0;

  for (gsize v = 0; v < n; v++)
    sum += values[v];
  return sum / (double) n;
}

static int
compare_doubles_cb (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* numpy.percentile's: at rank 0.95·(n − 1), linear in between. */
static double
percentile_95 (double *values, gsize n)
{
  double rank = 0.95 * (double) (n - 1), below = floor (rank);
  gsize at = (gsize) below, next = MIN (at + 1, n - 1);

  qsort (values, n, sizeof *values, compare_doubles_cb);
  return values[at] + (rank - below) * (values[next] - values[at]);
}

typedef struct
{
  double hd95, asd, assd;
} Distances;

static gboolean
measure_both_ways (const Surface *pred, const Surface *truth, const int size[3],
                   const double spacing[3], Distances *result, GError **error)
{
  g_auto (Measure) there = { 0 };
  g_auto (Measure) back = { 0 };
  GThread *thread;
  g_autofree double *pooled =
      volume_memory_try (pred->n_sites + truth->n_sites, sizeof *pooled, error);
  double back_mean;

  if (pooled == NULL || !measure_init (&there, pred, truth, size, spacing, error)
      || !measure_init (&back, truth, pred, size, spacing, error))
    return FALSE;
  thread = g_thread_try_new ("surface-distance", measure_thread, &back, NULL);
  measure_thread (&there);
  if (thread != NULL)
    g_thread_join (thread);
  else
    measure_thread (&back);
  memcpy (pooled, there.distances, pred->n_sites * sizeof *pooled);
  memcpy (pooled + pred->n_sites, back.distances, truth->n_sites * sizeof *pooled);
  back_mean = mean (back.distances, truth->n_sites);
  result->asd = mean (there.distances, pred->n_sites);
  result->assd = 0.5 * (result->asd + back_mean);
  result->hd95 = percentile_95 (pooled, pred->n_sites + truth->n_sites);
  return TRUE;
}

void
volume_metrics_compute_overlap (const guint8 *pred, const guint8 *truth, gsize n_voxels,
                                VolumeMetrics *metrics)
{
  gsize n_either;

  *metrics = (VolumeMetrics){
    .hd95_mm = NAN, .hd95_vox = NAN, .asd_mm = NAN, .asd_vox = NAN, .assd_mm = NAN, .assd_vox = NAN
  };
  for (gsize v = 0; v < n_voxels; v++)
    {
      metrics->n_pred += pred[v] != 0;
      metrics->n_truth += truth[v] != 0;
      metrics->n_both += pred[v] != 0 && truth[v] != 0;
    }
  n_either = metrics->n_pred + metrics->n_truth - metrics->n_both;
  /* 0 / 0 is NaN, as it should be. */
  metrics->dice = 2.0 * (double) metrics->n_both / (double) (metrics->n_pred + metrics->n_truth);
  metrics->jaccard = (double) metrics->n_both / (double) n_either;
}

gboolean
volume_metrics_compute (const guint8 *pred, const guint8 *truth, const int size[3],
                        const double spacing_mm[3], VolumeMetrics *metrics, GError **error)
{
  static const double unit[3] = { 1.0, 1.0, 1.0 };
  g_auto (Surface) surface_pred = { 0 };
  g_auto (Surface) surface_truth = { 0 };
  Distances vox, mm;

  volume_metrics_compute_overlap (pred, truth, (gsize) size[0] * size[1] * size[2], metrics);
  if (metrics->n_pred == 0 || metrics->n_truth == 0)
    return TRUE;
  if (!surface_init (&surface_pred, pred, size, metrics->n_pred, error)
      || !surface_init (&surface_truth, truth, size, metrics->n_truth, error))
    return FALSE;
  metrics->n_surface_pred = surface_pred.n_sites;
  metrics->n_surface_truth = surface_truth.n_sites;
  if (!measure_both_ways (&surface_pred, &surface_truth, size, unit, &vox, error))
    return FALSE;
  if (spacing_mm[0] == spacing_mm[1] && spacing_mm[1] == spacing_mm[2])
    mm = (Distances){ vox.hd95 * spacing_mm[0], vox.asd * spacing_mm[0], vox.assd * spacing_mm[0] };
  else if (!measure_both_ways (&surface_pred, &surface_truth, size, spacing_mm, &mm, error))
    return FALSE;
  metrics->hd95_vox = vox.hd95;
  metrics->asd_vox = vox.asd;
  metrics->assd_vox = vox.assd;
  metrics->hd95_mm = mm.hd95;
  metrics->asd_mm = mm.asd;
  metrics->assd_mm = mm.assd;
  return TRUE;
}

void
volume_metrics_fill_empty (VolumeMetrics *metrics, VolumeEmptyRule rule)
{
  double *overlaps[] = { &metrics->dice, &metrics->jaccard };
  double *distances[] = { &metrics->hd95_mm, &metrics->hd95_vox, &metrics->asd_mm,
                          &metrics->asd_vox, &metrics->assd_mm,  &metrics->assd_vox };

  if (rule == VOLUME_EMPTY_NULL)
    return;
  for (gsize o = 0; o < G_N_ELEMENTS (overlaps); o++)
    if (isnan (*overlaps[o]))
      *overlaps[o] = 0.0;
  for (gsize d = 0; d < G_N_ELEMENTS (distances); d++)
    if (isnan (*distances[d]))
      *distances[d] = rule == VOLUME_EMPTY_128 ? 128.0 : 0.0;
}
