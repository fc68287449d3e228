/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "active/scan-features.h"

#include "volume/memory.h"

#include <math.h>
#include <string.h>

/* As in the released code, so that τ means the same. */
#define ENTROPY_EPSILON 1e-6
#define LEAST_CONFIDENT_SHARE 0.25

static void
moments (const float *image, gsize n_voxels, double *mean, double *sd, double *skewness,
         double *above)
{
  double sum = 0, square = 0, cube = 0;
  gsize n = 0, n_above = 0;

  for (gsize v = 0; v < n_voxels; v++)
    if (isfinite (image[v]))
      {
        sum += image[v];
        n++;
      }
  *mean = n > 0 ? sum / (double) n : 0;
  for (gsize v = 0; v < n_voxels; v++)
    if (isfinite (image[v]))
      {
        double rest = image[v] - *mean;

        square += rest * rest;
        cube += rest * rest * rest;
        n_above += rest > 0;
      }
  *sd = n > 0 ? sqrt (square / (double) n) : 0;
  *skewness = *sd > 0 ? cube / (double) n / (*sd * *sd * *sd) : 0;
  *above = n > 0 ? (double) n_above / (double) n : 0;
}

void
active_features_from_image (ActiveFeatures *self, gint64 scan, const float *image,
                            const int size[3], const double spacing_mm[3])
{
  gsize n_voxels = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  float lo = INFINITY, hi = -INFINITY;
  gsize n = 0;

  memset (self, 0, sizeof *self);
  self->scan = scan;
  for (gsize v = 0; v < n_voxels; v++)
    if (isfinite (image[v]))
      {
        lo = MIN (lo, image[v]);
        hi = MAX (hi, image[v]);
        n++;
      }
  for (gsize v = 0; v < n_voxels; v++)
    if (isfinite (image[v]))
      {
        int bin = hi > lo ? (int) ((image[v] - lo) / (hi - lo) * ACTIVE_N_BINS) : 0;

        self->histogram[MIN (bin, ACTIVE_N_BINS - 1)] += 1.0 / (double) n;
      }
  for (int a = 0; a < 3; a++)
    self->shape[a] = size[a] * spacing_mm[a];
  self->shape[3] = log (spacing_mm[0] * spacing_mm[1] * spacing_mm[2]);
  moments (image, n_voxels, &self->shape[4], &self->shape[5], &self->shape[6], &self->shape[7]);
}

static inline float
voxel_entropy (const float *p, gsize stride, int K, int *guess, float *most)
{
  double sum = 0;

  *guess = 0;
  *most = p[0];
  for (int k = 0; k < K; k++)
    {
      float q = p[(gsize) k * stride];

      sum -= q * log (q + ENTROPY_EPSILON);
      if (q > *most)
        {
          *most = q;
          *guess = k;
        }
    }
  return (float) (sum / log (K));
}

void
active_entropy (const float *probabilities, gsize n_voxels, int n_classes, float *entropy)
{
  int guess;
  float most;

  for (gsize v = 0; v < n_voxels; v++)
    entropy[v] = voxel_entropy (probabilities + v, n_voxels, n_classes, &guess, &most);
}

static int
compare_floats (gconstpointer a, gconstpointer b)
{
  float x = *(const float *) a, y = *(const float *) b;

  return x < y ? -1 : x > y;
}

/* Mean of the lowest quarter of the voxels' max-probabilities. */
static double
lowest_quarter (float *most, gsize n)
{
  gsize n_low = MAX ((gsize) ((double) n * LEAST_CONFIDENT_SHARE), 1);
  double sum = 0;

  qsort (most, n, sizeof *most, compare_floats);
  for (gsize v = 0; v < n_low; v++)
    sum += most[v];
  return sum / (double) n_low;
}

gboolean
active_features_add_prediction (ActiveFeatures *self, const float *probabilities, gsize n_voxels,
                                int n_classes, double tau, GError **error)
{
  g_autofree float *most = NULL;
  gsize n_uncertain = 0, n_of[ACTIVE_MAX_CLASSES] = { 0 };
  double sum = 0;

  g_return_val_if_fail (n_classes >= 2 && n_classes <= ACTIVE_MAX_CLASSES && n_voxels > 0, FALSE);

  most = volume_memory_try (n_voxels, sizeof *most, error);
  if (most == NULL)
    return FALSE;
  memset (self->class_entropy, 0, sizeof self->class_entropy);
  memset (self->class_share, 0, sizeof self->class_share);
  for (gsize v = 0; v < n_voxels; v++)
    {
      int guess;
      float entropy = voxel_entropy (probabilities + v, n_voxels, n_classes, &guess, &most[v]);

      n_uncertain += entropy > tau;
      sum += entropy;
      n_of[guess]++;
      self->class_entropy[guess] += entropy;
    }
  self->has_prediction = TRUE;
  self->n_classes = n_classes;
  self->uncertain_share = (double) n_uncertain / (double) n_voxels;
  self->mean_entropy = sum / (double) n_voxels;
  self->least_confidence = 1 - lowest_quarter (most, n_voxels);
  self->foreground_voxels = n_voxels - n_of[0];
  for (int k = 0; k < n_classes; k++)
    {
      self->class_share[k] = (double) n_of[k] / (double) n_voxels;
      if (n_of[k] > 0)
        self->class_entropy[k] /= (double) n_of[k];
    }
  return TRUE;
}
