/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/memory.h"
#include "volume/statistics.h"

#include <math.h>
#include <string.h>

/* Sums of one label while its voxels go by. Welford's update keeps the spread exact for values far
 * from zero. */
typedef struct
{
  gsize n_voxels, n_finite;
  double mean, squares;
  double min, max;
  double sum_ijk[3];
  VolumeBox box;
} Sums;

static void
add_voxel (Sums *sums, const int at[3], float value)
{
  for (int a = 0; a < 3; a++)
    {
      sums->box.lo[a] = sums->n_voxels == 0 ? at[a] : MIN (sums->box.lo[a], at[a]);
      sums->box.hi[a] = sums->n_voxels == 0 ? at[a] + 1 : MAX (sums->box.hi[a], at[a] + 1);
      sums->sum_ijk[a] += at[a];
    }
  sums->n_voxels++;
  if (isfinite (value))
    {
      double from_mean = value - sums->mean;

      sums->n_finite++;
      sums->mean += from_mean / (double) sums->n_finite;
      sums->squares += from_mean * (value - sums->mean);
      sums->min = sums->n_finite == 1 ? value : fmin (sums->min, value);
      sums->max = sums->n_finite == 1 ? value : fmax (sums->max, value);
    }
}

static double
voxel_ml (const VolumeGeometry *g)
{
  const double (*m)[4] = g->affine;
  double mm3 = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
               - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
               + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);

  return fabs (mm3) / 1000.0;
}

static void
append_label (GArray *results, guint16 label, const Sums *sums, double ml)
{
  VolumeStatistics s = { .label = label,
                         .n_voxels = sums->n_voxels,
                         .volume_ml = (double) sums->n_voxels * ml,
                         .mean = NAN,
                         .sd = NAN,
                         .min = NAN,
                         .max = NAN,
                         .box = sums->box };

  if (sums->n_finite > 0)
    {
      s.mean = sums->mean;
      s.sd = sqrt (sums->squares / (double) sums->n_finite);
      s.min = sums->min;
      s.max = sums->max;
    }
  for (int a = 0; a < 3; a++)
    s.centre_ijk[a] = sums->sum_ijk[a] / (double) sums->n_voxels;
  g_array_append_val (results, s);
}

GArray *
volume_statistics_compute (VolumeScan *scan, const VolumeLabelSnapshot *labels, GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);
  GArray *results;
  g_autofree Sums **sums = NULL;
  g_autofree guint16 *row_labels = NULL;
  g_autofree float *row_values = NULL;
  double ml = voxel_ml (geometry);
  int size[3];

  volume_label_snapshot_get_size (labels, size);
  g_return_val_if_fail (memcmp (size, geometry->size, sizeof size) == 0, NULL);

  row_labels = volume_memory_try (geometry->size[0], sizeof *row_labels, error);
  if (row_labels == NULL)
    return NULL;
  row_values = volume_memory_try (geometry->size[0], sizeof *row_values, error);
  if (row_values == NULL)
    return NULL;
  sums = g_new0 (Sums *, G_MAXUINT16 + 1);
  for (int k = 0; k < size[2]; k++)
    for (int j = 0; j < size[1]; j++)
      {
        const VolumeBox row = { { 0, j, k }, { size[0], j + 1, k + 1 } };
        gboolean has_values = FALSE;

        volume_label_snapshot_read_box (labels, &row, row_labels);
        for (int i = 0; i < size[0]; i++)
          {
            guint16 label = row_labels[i];

            if (label == 0)
              continue;
            if (!has_values)
              volume_scan_read_box (scan, &row, row_values);
            has_values = TRUE;
            if (sums[label] == NULL)
              sums[label] = g_new0 (Sums, 1);
            add_voxel (sums[label], (const int[3]){ i, j, k }, row_values[i]);
          }
      }
  results = g_array_new (FALSE, FALSE, sizeof (VolumeStatistics));
  for (int label = 1; label <= G_MAXUINT16; label++)
    if (sums[label] != NULL)
      {
        append_label (results, (guint16) label, sums[label], ml);
        g_free (sums[label]);
      }
  return results;
}
