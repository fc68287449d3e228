/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

/* The strong augmentations of generic-ssl.md 8.3 and sd-messenger.md 8: rotation, zoom, blur,
 * brightness, contrast, gamma. Splines as Unser, "Splines: a perfect fit for signal and image
 * processing", IEEE SPM 1999: cubic, mirrored at the ends. */

#include "seg/infer/patch-private.h"

#include <math.h>
#include <string.h>

const SegStrongParams seg_strong_3d = {
  .n_ops = 3,
  .probability = 0.7,
  .rotate_degrees = 15,
  .scale_low = 0.7,
  .blur_low = 0.7,
  .blur_high = 1.3,
  .brightness_low = 0.7,
  .brightness_high = 1.3,
  .contrast_low = 0.7,
  .contrast_high = 1.3,
  .gamma_low = 0.7,
  .gamma_high = 1.3,
};

const SegStrongParams seg_strong_2d = {
  .n_ops = 3,
  .probability = 0.7,
  .rotate_degrees = 15,
  .scale_low = 0.5,
  .blur_low = 0.7,
  .blur_high = 1.3,
  .brightness_low = 0.5,
  .brightness_high = 2,
  .contrast_low = 0.5,
  .contrast_high = 1.5,
  .gamma_low = 0.5,
  .gamma_high = 2,
};

/* A patch being changed; `scratch` has its size. */
typedef struct
{
  const int *size;
  gsize n_voxels;
  float *image, *scratch;
  const SegStrongLabels *labels;
  gsize n_labels;
  guint8 *label_scratch;
} Patch;

/* --- geometry: out[p] = in[M·(p − c) + c], zero outside -------------------------------------- */

static int
mirror (int i, int n)
{
  int period = 2 * n - 2;

  if (n == 1)
    return 0;
  i = ABS (i) % period;
  return i < n ? i : period - i;
}

/* Samples to cubic B-spline coefficients along one line, in place; pole z = √3 − 2. */
static void
prefilter_line (float *line, int n, gsize stride)
{
  const double z = sqrt (3.0) - 2;
  double first, sum, power;

  if (n == 1)
    return;
  /* Σ z^k s[k] over the mirrored, endless line, in closed form. */
  first = line[0] + pow (z, n - 1) * line[(gsize) (n - 1) * stride];
  power = z;
  for (int k = 1; k < n - 1; k++, power *= z)
    first += (power + pow (z, 2 * n - 2 - k)) * line[(gsize) k * stride];
  sum = first / (1 - pow (z, 2 * n - 2));
  line[0] = (float) sum;
  for (int k = 1; k < n; k++)
    {
      sum = line[(gsize) k * stride] + z * sum;
      line[(gsize) k * stride] = (float) sum;
    }
  sum = z / (z * z - 1) * (sum + z * line[(gsize) (n - 2) * stride]);
  line[(gsize) (n - 1) * stride] = (float) sum;
  for (int k = n - 2; k >= 0; k--)
    {
      sum = z * (sum - line[(gsize) k * stride]);
      line[(gsize) k * stride] = (float) sum;
    }
  for (int k = 0; k < n; k++)
    line[(gsize) k * stride] *= 6;
}

static void
prefilter (float *image, const int size[3])
{
  const gsize stride[3] = { (gsize) size[1] * (gsize) size[2], (gsize) size[2], 1 };

  for (int a = 0; a < 3; a++)
    {
      int b = (a + 1) % 3, c = (a + 2) % 3;

      for (int i = 0; i < size[b]; i++)
        for (int j = 0; j < size[c]; j++)
          prefilter_line (image + (gsize) i * stride[b] + (gsize) j * stride[c], size[a],
                          stride[a]);
    }
}

static void
cubic_weights (double t, double w[4])
{
  double s = 1 - t;

  w[0] = s * s * s / 6;
  w[1] = (4 - 6 * t * t + 3 * t * t * t) / 6;
  w[2] = (4 - 6 * s * s + 3 * s * s * s) / 6;
  w[3] = t * t * t / 6;
}

static float
sample_cubic (const float *coefficients, const int size[3], const double q[3])
{
  double w[3][4], value = 0;
  gsize at[3][4];
  const gsize stride[3] = { (gsize) size[1] * (gsize) size[2], (gsize) size[2], 1 };

  for (int a = 0; a < 3; a++)
    {
      int from = (int) floor (q[a]);

      cubic_weights (q[a] - from, w[a]);
      for (int k = 0; k < 4; k++)
        at[a][k] = (gsize) mirror (from - 1 + k, size[a]) * stride[a];
    }
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++)
      {
        const float *row = coefficients + at[0][i] + at[1][j];
        double sum = 0;

        for (int k = 0; k < 4; k++)
          sum += w[2][k] * row[at[2][k]];
        value += w[0][i] * w[1][j] * sum;
      }
  return (float) value;
}

/* The class that linear interpolation gives at least half; of several the highest, 0 of none. */
static guint8
sample_classes (const guint8 *values, const int size[3], const double q[3])
{
  guint8 classes[8], best = 0;
  double weights[8];

  for (int corner = 0; corner < 8; corner++)
    {
      gsize voxel = 0;
      double weight = 1;

      for (int a = 0; a < 3; a++)
        {
          int from = (int) floor (q[a]);
          int bit = corner >> (2 - a) & 1;
          int at = MIN (from + bit, size[a] - 1); /* beyond the last: weight 0 */

          weight *= bit ? q[a] - from : 1 - (q[a] - from);
          voxel = voxel * (gsize) size[a] + (gsize) at;
        }
      classes[corner] = values[voxel];
      weights[corner] = weight;
    }
  for (int corner = 0; corner < 8; corner++)
    {
      double share = 0;

      for (int other = 0; other < 8; other++)
        share += classes[other] == classes[corner] ? weights[other] : 0;
      if (share >= 0.5 && classes[corner] > best)
        best = classes[corner];
    }
  return best;
}

static guint8
sample_nearest (const guint8 *values, const int size[3], const double q[3])
{
  gsize voxel = 0;

  for (int a = 0; a < 3; a++)
    voxel = voxel * (gsize) size[a] + (gsize) floor (q[a] + 0.5);
  return values[voxel];
}

static void
source_point (const double matrix[3][3], const int size[3], const int p[3], double q[3])
{
  for (int a = 0; a < 3; a++)
    {
      q[a] = size[a] / 2.0 - 0.5;
      for (int b = 0; b < 3; b++)
        q[a] += matrix[a][b] * (p[b] - (size[b] / 2.0 - 0.5));
    }
}

static gboolean
is_inside (const double q[3], const int size[3])
{
  return q[0] >= 0 && q[0] <= size[0] - 1 && q[1] >= 0 && q[1] <= size[1] - 1 && q[2] >= 0
         && q[2] <= size[2] - 1;
}

static void
warp (Patch *patch, const double matrix[3][3])
{
  const int *size = patch->size;
  gsize voxel = 0;
  int p[3];

  memcpy (patch->scratch, patch->image, patch->n_voxels * sizeof (float));
  prefilter (patch->scratch, size);
  for (p[0] = 0; p[0] < size[0]; p[0]++)
    for (p[1] = 0; p[1] < size[1]; p[1]++)
      for (p[2] = 0; p[2] < size[2]; p[2]++, voxel++)
        {
          double q[3];

          source_point (matrix, size, p, q);
          patch->image[voxel] = is_inside (q, size) ? sample_cubic (patch->scratch, size, q) : 0;
        }
  for (gsize l = 0; l < patch->n_labels; l++)
    {
      guint8 *values = patch->labels[l].values;

      memcpy (patch->label_scratch, values, patch->n_voxels);
      voxel = 0;
      for (p[0] = 0; p[0] < size[0]; p[0]++)
        for (p[1] = 0; p[1] < size[1]; p[1]++)
          for (p[2] = 0; p[2] < size[2]; p[2]++, voxel++)
            {
              double q[3];

              source_point (matrix, size, p, q);
              if (!is_inside (q, size))
                values[voxel] = 0;
              else if (patch->labels[l].nearest)
                values[voxel] = sample_nearest (patch->label_scratch, size, q);
              else
                values[voxel] = sample_classes (patch->label_scratch, size, q);
            }
    }
}

static void
rotate (Patch *patch, const SegStrongParams *params, SegRandomStream *random)
{
  double angle = seg_random_stream_range (random, -params->rotate_degrees, params->rotate_degrees)
                 * G_PI / 180;
  const double matrix[3][3] = { { 1, 0, 0 },
                                { 0, cos (angle), -sin (angle) },
                                { 0, sin (angle), cos (angle) } };

  warp (patch, matrix);
}

static void
zoom (Patch *patch, const SegStrongParams *params, SegRandomStream *random)
{
  gboolean active = seg_random_stream_below (random, 2);
  double s = seg_random_stream_range (random, params->scale_low, 1);
  const double matrix[3][3] = { { s, 0, 0 }, { 0, s, 0 }, { 0, 0, s } };

  if (active)
    warp (patch, matrix);
}

/* --- intensity ------------------------------------------------------------------------------ */

/* d c b a | a b c d | d c b a */
static int
reflect (int i, int n)
{
  i = i < 0 ? -i - 1 : i;
  i %= 2 * n;
  return i < n ? i : 2 * n - 1 - i;
}

static void
blur_line (const float *in, float *out, int n, gsize stride, const float *kernel, int radius)
{
  for (int i = 0; i < n; i++)
    {
      float sum = 0;

      for (int k = -radius; k <= radius; k++)
        sum += kernel[k + radius] * in[(gsize) reflect (i + k, n) * stride];
      out[(gsize) i * stride] = sum;
    }
}

static void
blur (Patch *patch, const SegStrongParams *params, SegRandomStream *random)
{
  double sigma = seg_random_stream_range (random, params->blur_low, params->blur_high);
  int radius = (int) (4 * sigma + 0.5);
  g_autofree float *kernel = g_new (float, 2 * radius + 1);
  const int *size = patch->size;
  const gsize stride[3] = { (gsize) size[1] * (gsize) size[2], (gsize) size[2], 1 };
  double total = 0;

  for (int k = -radius; k <= radius; k++)
    total += exp (-0.5 * k * k / (sigma * sigma));
  for (int k = -radius; k <= radius; k++)
    kernel[k + radius] = (float) (exp (-0.5 * k * k / (sigma * sigma)) / total);
  for (int a = 0; a < 3; a++)
    {
      int b = (a + 1) % 3, c = (a + 2) % 3;

      for (int i = 0; i < size[b]; i++)
        for (int j = 0; j < size[c]; j++)
          {
            gsize at = (gsize) i * stride[b] + (gsize) j * stride[c];

            blur_line (patch->image + at, patch->scratch + at, size[a], stride[a], kernel, radius);
          }
      memcpy (patch->image, patch->scratch, patch->n_voxels * sizeof (float));
    }
}

static void
brightness (Patch *patch, const SegStrongParams *params, SegRandomStream *random)
{
  float factor =
      (float) seg_random_stream_range (random, params->brightness_low, params->brightness_high);

  for (gsize i = 0; i < patch->n_voxels; i++)
    patch->image[i] *= factor;
}

typedef struct
{
  double mean, deviation;
  float min, max;
} Statistics;

static Statistics
statistics (const Patch *patch)
{
  Statistics s = { .min = patch->image[0], .max = patch->image[0] };
  double sum = 0, squares = 0;

  for (gsize i = 0; i < patch->n_voxels; i++)
    {
      sum += patch->image[i];
      s.min = MIN (s.min, patch->image[i]);
      s.max = MAX (s.max, patch->image[i]);
    }
  s.mean = sum / (double) patch->n_voxels;
  for (gsize i = 0; i < patch->n_voxels; i++)
    squares += (patch->image[i] - s.mean) * (patch->image[i] - s.mean);
  s.deviation = sqrt (squares / (double) patch->n_voxels);
  return s;
}

/* With probability ½ from low … 1, else from 1 … high. */
static double
either_side (SegRandomStream *random, double low, double high)
{
  return seg_random_stream_below (random, 2) ? seg_random_stream_range (random, low, 1)
                                             : seg_random_stream_range (random, 1, high);
}

static void
contrast (Patch *patch, const SegStrongParams *params, SegRandomStream *random)
{
  double factor = either_side (random, params->contrast_low, params->contrast_high);
  Statistics s = statistics (patch);

  for (gsize i = 0; i < patch->n_voxels; i++)
    {
      float value = (float) ((patch->image[i] - s.mean) * factor + s.mean);

      patch->image[i] = CLAMP (value, s.min, s.max);
    }
}

static void
gamma_curve (Patch *patch, const SegStrongParams *params, SegRandomStream *random)
{
  double gamma = either_side (random, params->gamma_low, params->gamma_high);
  Statistics old = statistics (patch), new;
  double range = (double) old.max - old.min + 1e-7;

  for (gsize i = 0; i < patch->n_voxels; i++)
    patch->image[i] = (float) (pow ((patch->image[i] - old.min) / range, gamma) * range + old.min);
  new = statistics (patch);
  for (gsize i = 0; i < patch->n_voxels; i++)
    patch->image[i] =
        (float) ((patch->image[i] - new.mean) / (new.deviation + 1e-8) * old.deviation + old.mean);
}

/* --- the choice ----------------------------------------------------------------------------- */

static const struct
{
  SegRandomPurpose purpose;
  void (*apply) (Patch *patch, const SegStrongParams *params, SegRandomStream *random);
} ops[] = {
  { SEG_RANDOM_STRONG_ROTATE, rotate },     { SEG_RANDOM_STRONG_SCALE, zoom },
  { SEG_RANDOM_STRONG_BLUR, blur },         { SEG_RANDOM_STRONG_BRIGHTNESS, brightness },
  { SEG_RANDOM_STRONG_CONTRAST, contrast }, { SEG_RANDOM_STRONG_GAMMA, gamma_curve },
};

void
seg_augment_strong_labels (const SegStrongParams *params, const int size[3], float *image,
                           const SegStrongLabels *labels, gsize n_labels, guint64 seed,
                           guint64 item)
{
  Patch patch = { .size = size, .image = image, .labels = labels, .n_labels = n_labels };
  SegRandomStream choice;
  guint32 order[G_N_ELEMENTS (ops)];

  patch.n_voxels = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  patch.scratch = g_new (float, patch.n_voxels);
  patch.label_scratch = g_new (guint8, patch.n_voxels);
  for (guint32 i = 0; i < G_N_ELEMENTS (ops); i++)
    order[i] = i;
  seg_random_stream_init (&choice, seed, SEG_RANDOM_STRONG_CHOICE, item);
  seg_random_stream_shuffle (&choice, order, G_N_ELEMENTS (ops));
  for (int n = 0; n < MIN (params->n_ops, (int) G_N_ELEMENTS (ops)); n++)
    {
      SegRandomStream random;

      if (seg_random_stream_uniform (&choice) >= params->probability)
        continue;
      seg_random_stream_init (&random, seed, ops[order[n]].purpose, item);
      ops[order[n]].apply (&patch, params, &random);
    }
  g_free (patch.scratch);
  g_free (patch.label_scratch);
}

void
seg_augment_strong (const SegStrongParams *params, const int size[3], float *image,
                    guint8 *const *labels, gsize n_labels, guint64 seed, guint64 item)
{
  g_autofree SegStrongLabels *rules = g_new0 (SegStrongLabels, n_labels);

  for (gsize l = 0; l < n_labels; l++)
    rules[l].values = labels[l];
  seg_augment_strong_labels (params, size, image, rules, n_labels, seed, item);
}
