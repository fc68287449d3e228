/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/infer/sampler.h"

#include <math.h>

void
seg_augment_noise (const float *in, float *out, gsize n, double sigma, double limit, guint64 seed,
                   guint64 item)
{
  SegRandomStream random;
  float noise[1024];

  seg_random_stream_init (&random, seed, SEG_RANDOM_NOISE, item);
  for (gsize from = 0; from < n; from += G_N_ELEMENTS (noise))
    {
      gsize length = MIN (n - from, G_N_ELEMENTS (noise));

      seg_random_stream_fill_normal (&random, noise, length);
      for (gsize i = 0; i < length; i++)
        out[from + i] =
            in[from + i] + CLAMP ((float) sigma * noise[i], (float) -limit, (float) limit);
    }
}

double
seg_augment_gamma (const float *in, float *out, gsize n, double range, guint64 seed, guint64 item)
{
  SegRandomStream random;
  double g;
  float power;

  seg_random_stream_init (&random, seed, SEG_RANDOM_GAMMA, item);
  g = seg_random_stream_range (&random, -range, range);
  power = (float) exp (g);
  for (gsize i = 0; i < n; i++)
    out[i] = copysignf (powf (fabsf (in[i]), power), in[i]);
  return g;
}

/* --- affine, 2-D ---------------------------------------------------------------------------- */

void
seg_augment_affine_2d_draw (double sigma, guint64 seed, guint64 item, double theta[2][3])
{
  SegRandomStream random;

  seg_random_stream_init (&random, seed, SEG_RANDOM_AFFINE, item);
  for (int r = 0; r < 2; r++)
    for (int c = 0; c < 3; c++)
      theta[r][c] = (r == c) + sigma * seg_random_stream_normal (&random);
}

gboolean
seg_augment_affine_2d_invert (const double theta[2][3], double inverse[2][3])
{
  double det = theta[0][0] * theta[1][1] - theta[0][1] * theta[1][0];

  if (!isfinite (det) || fabs (det) < 1e-12)
    return FALSE;
  inverse[0][0] = theta[1][1] / det;
  inverse[0][1] = -theta[0][1] / det;
  inverse[1][0] = -theta[1][0] / det;
  inverse[1][1] = theta[0][0] / det;
  for (int r = 0; r < 2; r++)
    inverse[r][2] = -(inverse[r][0] * theta[0][2] + inverse[r][1] * theta[1][2]);
  return TRUE;
}

/* Output pixel → input pixel (column x, row y). */
static void
affine_point (const double theta[2][3], int height, int width, int row, int column, double *x,
              double *y)
{
  double u = (2.0 * column + 1) / width - 1;
  double v = (2.0 * row + 1) / height - 1;

  *x = ((theta[0][0] * u + theta[0][1] * v + theta[0][2] + 1) * width - 1) / 2;
  *y = ((theta[1][0] * u + theta[1][1] * v + theta[1][2] + 1) * height - 1) / 2;
}

static double
pixel (const float *in, int height, int width, double row, double column)
{
  return row < 0 || row >= height || column < 0 || column >= width
             ? 0
             : in[(gsize) row * (gsize) width + (gsize) column];
}

void
seg_augment_affine_2d (const double theta[2][3], int height, int width, const float *in, float *out)
{
  for (int row = 0; row < height; row++)
    for (int column = 0; column < width; column++)
      {
        double x, y, x0, y0, fx, fy;

        affine_point (theta, height, width, row, column, &x, &y);
        x0 = floor (x);
        y0 = floor (y);
        fx = x - x0;
        fy = y - y0;
        *out++ = (float) ((1 - fy)
                              * ((1 - fx) * pixel (in, height, width, y0, x0)
                                 + fx * pixel (in, height, width, y0, x0 + 1))
                          + fy
                                * ((1 - fx) * pixel (in, height, width, y0 + 1, x0)
                                   + fx * pixel (in, height, width, y0 + 1, x0 + 1)));
      }
}

void
seg_augment_affine_2d_mask (const double theta[2][3], int height, int width, const guint8 *in,
                            guint8 *out)
{
  for (int row = 0; row < height; row++)
    for (int column = 0; column < width; column++)
      {
        double x, y;

        affine_point (theta, height, width, row, column, &x, &y);
        x = nearbyint (x);
        y = nearbyint (y);
        *out++ = y < 0 || y >= height || x < 0 || x >= width
                     ? 0
                     : in[(gsize) y * (gsize) width + (gsize) x];
      }
}

/* --- pasting a labelled rectangle ----------------------------------------------------------- */

gboolean
seg_augment_paste_box (const guint8 *label, int height, int width, int side, guint64 seed,
                       guint64 item, int box[4])
{
  SegRandomStream random;
  int low[2] = { height, width }, high[2] = { -1, -1 };
  const int size[2] = { height, width };

  for (int row = 0; row < height; row++)
    for (int column = 0; column < width; column++)
      if (label[(gsize) row * (gsize) width + (gsize) column] != 0)
        {
          low[0] = MIN (low[0], row);
          high[0] = MAX (high[0], row);
          low[1] = MIN (low[1], column);
          high[1] = MAX (high[1], column);
        }
  if (high[0] - low[0] <= side || high[1] - low[1] <= side)
    return FALSE;
  seg_random_stream_init (&random, seed, SEG_RANDOM_PASTE, item);
  for (int a = 1; a >= 0; a--) /* the column is drawn first */
    {
      int centre = low[a] + (int) seg_random_stream_below (&random, (guint32) (high[a] - low[a]));

      box[2 * a] = MAX (centre - side / 2, 0);
      box[2 * a + 1] = MIN (centre + side / 2, size[a]);
    }
  return TRUE;
}
