/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/sam-picture.h"

#include <math.h>
#include <string.h>

/* How MedSAM and LiteMedSAM bring a picture to their size: scikit-image's `resize` of order 3 with
 * anti-aliasing, and OpenCV's INTER_AREA. */

/* ---- cubic splines --------------------------------------------------------------------------- */

/* … c b a b c … : mirrored about the centre of the end pixels. */
static int
mirror (int at, int n)
{
  const int period = 2 * n - 2;

  if (n == 1)
    return 0;
  at = ABS (at) % period;
  return at < n ? at : period - at;
}

/* Gaussian of @sigma, cut at four of them. @line is @n values, @step apart. */
static void
smooth_line (double *line, int n, gsize step, double sigma, const double *kernel, double *copy)
{
  const int radius = (int) (4 * sigma + 0.5);

  for (int i = 0; i < n; i++)
    copy[i] = line[(gsize) i * step];
  for (int i = 0; i < n; i++)
    {
      double sum = copy[i] * kernel[0];

      for (int k = 1; k <= radius; k++)
        sum += (copy[mirror (i - k, n)] + copy[mirror (i + k, n)]) * kernel[k];
      line[(gsize) i * step] = sum;
    }
}

/* Values to the coefficients of the cubic B-spline through them (Unser, Aldroubi and Eden,
 * "B-spline signal processing", 1993), mirrored ends. */
static void
spline_line (double *line, int n, gsize step)
{
  const double pole = sqrt (3.0) - 2, gain = (1 - pole) * (1 - 1 / pole);
  double first, power = pole;
  const int n_sum = MIN (2 * n - 2, 64); /* the pole to the 64th is below rounding */

  if (n == 1)
    return;
  for (int i = 0; i < n; i++)
    line[(gsize) i * step] *= gain;
  if (n_sum < 2 * n - 2)
    {
      first = line[0];
      for (int i = 1; i < n_sum; i++, power *= pole)
        first += line[(gsize) mirror (i, n) * step] * power;
    }
  else
    {
      first = line[0];
      for (int i = 1; i < 2 * n - 2; i++, power *= pole)
        first += line[(gsize) mirror (i, n) * step] * power;
      first /= 1 - power;
    }
  line[0] = first;
  for (int i = 1; i < n; i++)
    line[(gsize) i * step] += pole * line[(gsize) (i - 1) * step];
  line[(gsize) (n - 1) * step] =
      pole / (pole * pole - 1)
      * (line[(gsize) (n - 1) * step] + pole * line[(gsize) (n - 2) * step]);
  for (int i = n - 2; i >= 0; i--)
    line[(gsize) i * step] = pole * (line[(gsize) (i + 1) * step] - line[(gsize) i * step]);
}

typedef struct
{
  int from[4];
  double weight[4];
} CubicTaps;

static CubicTaps *
make_cubic_taps (int n, int new_n)
{
  CubicTaps *taps = g_new (CubicTaps, new_n);

  for (int o = 0; o < new_n; o++)
    {
      const double at = (o + 0.5) * n / new_n - 0.5;
      const int left = (int) floor (at);
      const double t = at - left, s = 1 - t;

      for (int k = 0; k < 4; k++)
        taps[o].from[k] = mirror (left - 1 + k, n);
      taps[o].weight[0] = s * s * s / 6;
      taps[o].weight[1] = (t * t * (t - 2) * 3 + 4) / 6;
      taps[o].weight[2] = (s * s * (s - 2) * 3 + 4) / 6;
      taps[o].weight[3] = t * t * t / 6;
    }
  return taps;
}

/* Smooths what is made smaller, then turns every line of the axis into spline coefficients. */
static void
prepare_axis (double *plane, int n, gsize step, int n_lines, gsize line_step, int new_n)
{
  const double sigma = MAX (0.0, ((double) n / new_n - 1) / 2);
  const int radius = (int) (4 * sigma + 0.5);
  g_autofree double *kernel = g_new (double, radius + 1);
  g_autofree double *copy = g_new (double, n);
  double sum = 0;

  for (int k = 0; k <= radius; k++)
    {
      kernel[k] = sigma > 0 ? exp (-0.5 * k * k / (sigma * sigma)) : 1;
      sum += k > 0 ? 2 * kernel[k] : kernel[k];
    }
  for (int k = 0; k <= radius; k++)
    kernel[k] /= sum;
  for (int l = 0; l < n_lines; l++)
    {
      double *line = plane + (gsize) l * line_step;

      if (sigma > 0)
        smooth_line (line, n, step, sigma, kernel, copy);
      spline_line (line, n, step);
    }
}

void
seg_sam_resize_cubic_u8 (const guint8 *src, int width, int height, int channels, int new_width,
                         int new_height, guint8 *dst)
{
  const gsize n = (gsize) width * (gsize) height;
  g_autofree double *plane = g_new (double, n);
  g_autofree double *rows = g_new (double, (gsize) new_width *(gsize) height);
  g_autofree CubicTaps *across = make_cubic_taps (width, new_width);
  g_autofree CubicTaps *down = make_cubic_taps (height, new_height);
  guint8 low = 255, high = 0;

  for (gsize b = 0; b < n * (gsize) channels; b++)
    {
      low = MIN (low, src[b]);
      high = MAX (high, src[b]);
    }
  for (int c = 0; c < channels; c++)
    {
      for (gsize p = 0; p < n; p++)
        plane[p] = src[p * (gsize) channels + (gsize) c];
      prepare_axis (plane, height, (gsize) width, width, 1, new_height);
      prepare_axis (plane, width, 1, height, (gsize) width, new_width);
      for (int y = 0; y < height; y++)
        for (int x = 0; x < new_width; x++)
          {
            const CubicTaps *t = &across[x];
            const double *row = plane + (gsize) y * (gsize) width;

            rows[(gsize) y * (gsize) new_width + (gsize) x] =
                t->weight[0] * row[t->from[0]] + t->weight[1] * row[t->from[1]]
                + t->weight[2] * row[t->from[2]] + t->weight[3] * row[t->from[3]];
          }
      for (int y = 0; y < new_height; y++)
        for (int x = 0; x < new_width; x++)
          {
            double sum = 0;

            for (int k = 0; k < 4; k++)
              sum +=
                  down[y].weight[k] * rows[(gsize) down[y].from[k] * (gsize) new_width + (gsize) x];
            /* Clipped to what the picture has; then cut off, not rounded. */
            dst[((gsize) y * (gsize) new_width + (gsize) x) * (gsize) channels + (gsize) c] =
                (guint8) CLAMP (sum + 1e-9, low, high);
          }
    }
}

/* ---- areas ----------------------------------------------------------------------------------- */

typedef struct
{
  int first, n;
  gsize start; /* of its weights */
} AreaTaps;

/* Shares of the pixels that an output pixel covers. */
static AreaTaps *
make_area_taps (int n, int new_n, GArray *weights)
{
  AreaTaps *taps = g_new (AreaTaps, new_n);
  const double scale = (double) n / new_n;

  for (int o = 0; o < new_n; o++)
    {
      const double from = o * scale, to = MIN (from + scale, (double) n);

      taps[o] = (AreaTaps){ (int) floor (from + 1e-9), 0, weights->len };
      for (int p = taps[o].first; p < n && p < to - 1e-9; p++, taps[o].n++)
        {
          const float share = (float) ((MIN (to, p + 1.0) - MAX (from, (double) p)) / (to - from));
          g_array_append_val (weights, share);
        }
    }
  return taps;
}

static void
shrink_area (const guint8 *src, int width, int height, int channels, int new_width, int new_height,
             guint8 *dst)
{
  /* OpenCV halves in whole numbers, rounding up; all else it rounds to even. */
  const gboolean halve = width == 2 * new_width && height == 2 * new_height;
  g_autoptr (GArray) weights = g_array_new (FALSE, FALSE, sizeof (float));
  g_autofree AreaTaps *across = make_area_taps (width, new_width, weights);
  g_autofree AreaTaps *down = make_area_taps (height, new_height, weights);
  const float *w = (const float *) (gpointer) weights->data;
  const gsize new_row = (gsize) new_width * (gsize) channels;
  g_autofree float *sum = g_new (float, new_row);

  for (int y = 0; y < new_height; y++)
    {
      memset (sum, 0, sizeof (float) * new_row);
      for (int j = 0; j < down[y].n; j++)
        {
          const guint8 *row = src + (gsize) (down[y].first + j) * (gsize) width * (gsize) channels;
          const float share = w[down[y].start + (gsize) j];

          for (int x = 0; x < new_width; x++)
            for (int c = 0; c < channels; c++)
              {
                float along = 0;

                for (int i = 0; i < across[x].n; i++)
                  along +=
                      w[across[x].start + (gsize) i] * row[(across[x].first + i) * channels + c];
                sum[x * channels + c] += share * along;
              }
        }
      for (gsize b = 0; b < new_row; b++)
        dst[(gsize) y * new_row + b] =
            (guint8) CLAMP (halve ? (long) (sum[b] + 0.5f) : lrintf (sum[b]), 0, 255);
    }
}

/* Where pixels grow: the two that one lies between, a step between them as wide as one new pixel.
 * In OpenCV's fixed point: eleven bits a weight, rounded after the second axis. */
#define WEIGHT_BITS 11

typedef struct
{
  int from[2];
  gint32 weight[2];
} StepTaps;

static StepTaps *
make_step_taps (int n, int new_n)
{
  StepTaps *taps = g_new (StepTaps, new_n);
  const double scale = (double) n / new_n, inverse = (double) new_n / n;

  for (int o = 0; o < new_n; o++)
    {
      int left = (int) floor (o * scale);
      float right = (float) ((o + 1) - (left + 1) * inverse);

      right = right <= 0 ? 0 : right - floorf (right);
      if (left >= n - 1)
        left = n - 1, right = 0;
      taps[o].from[0] = left;
      taps[o].from[1] = MIN (left + 1, n - 1);
      taps[o].weight[0] = (gint32) lrintf ((1 - right) * (1 << WEIGHT_BITS));
      taps[o].weight[1] = (gint32) lrintf (right * (1 << WEIGHT_BITS));
    }
  return taps;
}

static void
enlarge_area (const guint8 *src, int width, int height, int channels, int new_width, int new_height,
              guint8 *dst)
{
  g_autofree StepTaps *across = make_step_taps (width, new_width);
  g_autofree StepTaps *down = make_step_taps (height, new_height);

  for (int y = 0; y < new_height; y++)
    for (int x = 0; x < new_width; x++)
      for (int c = 0; c < channels; c++)
        {
          gint32 sum = 0;

          for (int j = 0; j < 2; j++)
            {
              const guint8 *row = src + (gsize) down[y].from[j] * (gsize) width * (gsize) channels;
              const gint32 along = row[across[x].from[0] * channels + c] * across[x].weight[0]
                                   + row[across[x].from[1] * channels + c] * across[x].weight[1];

              sum += (down[y].weight[j] * (along >> 4)) >> 16;
            }
          *dst++ = (guint8) CLAMP ((sum + 2) >> 2, 0, 255);
        }
}

void
seg_sam_resize_area_u8 (const guint8 *src, int width, int height, int channels, int new_width,
                        int new_height, guint8 *dst)
{
  if (new_width == width && new_height == height)
    memcpy (dst, src, (gsize) width * (gsize) height * (gsize) channels);
  else if (new_width <= width && new_height <= height)
    shrink_area (src, width, height, channels, new_width, new_height, dst);
  else
    enlarge_area (src, width, height, channels, new_width, new_height, dst);
}
