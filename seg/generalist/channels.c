/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/channels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIDE SEG_VIEW_SIDE
#define N SEG_VIEW_PIXELS
#define CELLS (SIDE / 2)

/* Chosen on procedural scenes; lengths in view pixels, intensities in standard deviations. */
#define EDGE_LENGTH 40.0f /* a step across one standard deviation is as long as 40 pixels */
#define TRAVEL_LENGTH 6.0f /* per pixel through tissue two tolerances off */
#define GEODESIC_REACH 40.0f
#define WALK_BETA 40.0f
#define WALK_STEPS 40
#define CLICK_SIGMA 2.5f
#define FAR 1e6f

SegViewSquare
seg_view_square_whole (int width, int height)
{
  const float side = (float) MAX (width, height);

  return (SegViewSquare){ ((float) width - side) / 2, ((float) height - side) / 2, side };
}

/* ---- the picture on the square --------------------------------------------------------------- */

typedef struct
{
  int first, n;
  float *weights;
} Taps;

/* Triangle filter as wide as a view pixel is in the picture, clamped to the picture. */
static void
make_taps (Taps *taps, float *store, int max_taps, float start, float side, int size)
{
  const float scale = side / SIDE, reach = MAX (scale, 1.0f);

  for (int u = 0; u < SIDE; u++)
    {
      const float centre = start + ((float) u + 0.5f) * scale - 0.5f;
      const float at = CLAMP (centre, 0.0f, (float) (size - 1));
      int first = MAX (0, (int) ceilf (at - reach)),
          last = MIN (size - 1, (int) floorf (at + reach));
      float sum = 0;

      last = MIN (last, first + max_taps - 1);
      taps[u] = (Taps){ first, last - first + 1, store + (gsize) u * (gsize) max_taps };
      for (int t = first; t <= last; t++)
        sum += taps[u].weights[t - first] = MAX (1.0f - fabsf ((float) t - at) / reach, 1e-6f);
      for (int t = 0; t < taps[u].n; t++)
        taps[u].weights[t] /= sum;
    }
}

static void
sample_planes (SegView *self, const SegPicture *picture)
{
  const SegViewSquare *sq = &self->square;
  const int max_taps = 2 * (int) ceilf (MAX (sq->side / SIDE, 1.0f)) + 3;
  const int channels = picture->channels, width = picture->width;
  g_autofree float *store = g_new (float, 2 * (gsize) SIDE * (gsize) max_taps);
  g_autofree float *row = g_new (float, (gsize) width *(gsize) channels);
  Taps across[SIDE], down[SIDE];

  make_taps (across, store, max_taps, sq->x0, sq->side, width);
  make_taps (down, store + (gsize) SIDE * (gsize) max_taps, max_taps, sq->y0, sq->side,
             picture->height);
  for (int v = 0; v < SIDE; v++)
    {
      const int lo = across[0].first * channels;
      const int hi = (across[SIDE - 1].first + across[SIDE - 1].n) * channels;

      memset (row + lo, 0, sizeof (float) * (gsize) (hi - lo));
      for (int t = 0; t < down[v].n; t++)
        {
          const float *src =
              picture->pixels + (gsize) (down[v].first + t) * (gsize) width * (gsize) channels;
          const float weight = down[v].weights[t];
          for (int x = lo; x < hi; x++)
            row[x] += weight * (isfinite (src[x]) ? src[x] : 0.0f);
        }
      for (int u = 0; u < SIDE; u++)
        for (int c = 0; c < 3; c++)
          {
            const int from = channels == 3 ? c : 0;
            float sum = 0;
            for (int t = 0; t < across[u].n; t++)
              sum += across[u].weights[t] * row[(across[u].first + t) * channels + from];
            self->image[c][v * SIDE + u] = sum;
          }
    }
  self->u0 = CLAMP ((int) ceilf ((-0.5f - sq->x0) * SIDE / sq->side), 0, SIDE);
  self->v0 = CLAMP ((int) ceilf ((-0.5f - sq->y0) * SIDE / sq->side), 0, SIDE);
  self->u1 =
      CLAMP ((int) ceilf (((float) picture->width - 0.5f - sq->x0) * SIDE / sq->side), 0, SIDE);
  self->v1 =
      CLAMP ((int) ceilf (((float) picture->height - 0.5f - sq->y0) * SIDE / sq->side), 0, SIDE);
  if (self->u1 <= self->u0)
    self->u0 = 0, self->u1 = SIDE;
  if (self->v1 <= self->v0)
    self->v0 = 0, self->v1 = SIDE;
}

static int
compare_floats (const void *a, const void *b)
{
  const float x = *(const float *) a, y = *(const float *) b;
  return (x > y) - (x < y);
}

/* RGB to lightness and two chroma planes; lightness clipped to its 1st and 99th percentile, mean 0
 * and deviation 1 over the picture, chroma in the same unit. */
static void
standardise (SegView *self)
{
  float sample[4096];
  int n_sample = 0, n_inside = 0;
  double sum = 0, squares = 0;
  float low, high, mean, scale;
  const int area = (self->u1 - self->u0) * (self->v1 - self->v0);
  const int skip = area / 4096 + 1;

  for (int p = 0; p < N; p++)
    {
      const float r = self->image[0][p], g = self->image[1][p], b = self->image[2][p];
      self->image[0][p] = (r + g + b) / 3.0f;
      self->image[1][p] = r - g;
      self->image[2][p] = 0.5f * (r + g) - b;
    }
  for (int v = self->v0; v < self->v1; v++)
    for (int u = self->u0; u < self->u1; u++)
      if (n_inside++ % skip == 0 && n_sample < 4096)
        sample[n_sample++] = self->image[0][v * SIDE + u];
  qsort (sample, (size_t) n_sample, sizeof (float), compare_floats);
  low = sample[n_sample / 100];
  high = sample[n_sample - 1 - n_sample / 100];
  for (int v = self->v0; v < self->v1; v++)
    for (int u = self->u0; u < self->u1; u++)
      {
        const float value = CLAMP (self->image[0][v * SIDE + u], low, high);
        sum += value;
        squares += (double) value * value;
      }
  mean = (float) (sum / area);
  scale = sqrtf (MAX ((float) (squares / area - (double) mean * mean), 0.0f));
  /* A constant picture stays constant: its rounding noise is not stretched. */
  scale = scale > 1e-5f * (fabsf (mean) + 1e-6f) ? 1.0f / scale : 0.0f;
  for (int p = 0; p < N; p++)
    {
      self->image[0][p] =
          CLAMP ((CLAMP (self->image[0][p], low, high) - mean) * scale, -4.0f, 4.0f);
      for (int c = 1; c < 3; c++)
        self->image[c][p] = CLAMP (self->image[c][p] * scale, -4.0f, 4.0f);
    }
  /* Chroma is about differences of hue, not about the cast of the lamp. */
  for (int c = 1; c < 3; c++)
    {
      double total = 0;
      for (int v = self->v0; v < self->v1; v++)
        for (int u = self->u0; u < self->u1; u++)
          total += self->image[c][v * SIDE + u];
      for (int p = 0; p < N; p++)
        self->image[c][p] -= (float) (total / area);
    }
}

/* [1 4 6 4 1]/16 along both axes: a Gaussian of deviation 1, within the picture. */
static void
denoise (const SegView *self, const float *in, float *out)
{
  static const float k[5] = { 0.0625f, 0.25f, 0.375f, 0.25f, 0.0625f };
  float rows[N];

  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      {
        float sum = 0;
        for (int t = -2; t <= 2; t++)
          sum += k[t + 2] * in[v * SIDE + CLAMP (u + t, self->u0, self->u1 - 1)];
        rows[v * SIDE + u] = sum;
      }
  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      {
        float sum = 0;
        for (int t = -2; t <= 2; t++)
          sum += k[t + 2] * rows[CLAMP (v + t, self->v0, self->v1 - 1) * SIDE + u];
        out[v * SIDE + u] = sum;
      }
}

static inline float
difference (const SegView *self, int p, int q)
{
  const float a = self->smooth[0][p] - self->smooth[0][q];
  const float b = self->smooth[1][p] - self->smooth[1][q];
  const float c = self->smooth[2][p] - self->smooth[2][q];
  return sqrtf (a * a + b * b + c * c);
}

static gboolean
is_inside (const SegView *self, int u, int v)
{
  return u >= self->u0 && u < self->u1 && v >= self->v0 && v < self->v1;
}

static void
measure_steps (SegView *self)
{
  static const int du[4] = { 1, -1, 0, 1 }, dv[4] = { 0, 1, 1, 1 };
  static const float length[4] = { 1, 1.41421356f, 1, 1.41421356f };
  float sample[2048];
  int n_sample = 0;

  for (int v = self->v0; v + 1 < self->v1; v += 2)
    for (int u = self->u0 + v % 4; u + 1 < self->u1 && n_sample < 2048; u += 4)
      sample[n_sample++] = difference (self, v * SIDE + u, v * SIDE + u + 1);
  self->noise = 0;
  if (n_sample > 0)
    {
      qsort (sample, (size_t) n_sample, sizeof (float), compare_floats);
      self->noise = sample[n_sample / 2] * 1.2f;
    }
  for (int k = 0; k < 4; k++)
    for (int v = 0; v < SIDE; v++)
      for (int u = 0; u < SIDE; u++)
        {
          const int nu = u + du[k], nv = v + dv[k], p = v * SIDE + u;
          if (!is_inside (self, u, v) || !is_inside (self, nu, nv))
            self->step[k][p] = FAR;
          else
            self->step[k][p] =
                length[k]
                + EDGE_LENGTH
                      * MAX (difference (self, p, nv * SIDE + nu) - self->noise * length[k], 0.0f);
        }
}

static void
bond_cells (SegView *self)
{
  float cell[3][SEG_VIEW_CELLS];

  for (int c = 0; c < 3; c++)
    for (int v = 0; v < CELLS; v++)
      for (int u = 0; u < CELLS; u++)
        {
          const float *s = self->smooth[c] + 2 * v * SIDE + 2 * u;
          cell[c][v * CELLS + u] = 0.25f * (s[0] + s[1] + s[SIDE] + s[SIDE + 1]);
        }
  for (int k = 0; k < 2; k++)
    for (int v = 0; v < CELLS; v++)
      for (int u = 0; u < CELLS; u++)
        {
          const int p = v * CELLS + u, q = k ? p + CELLS : p + 1;
          float square = 0;

          self->bond[k][p] = 0;
          if ((k ? v : u) + 1 >= CELLS || !is_inside (self, 2 * u, 2 * v)
              || !is_inside (self, 2 * u + 1 + !k, 2 * v + 1 + k))
            continue;
          for (int c = 0; c < 3; c++)
            square += (cell[c][p] - cell[c][q]) * (cell[c][p] - cell[c][q]);
          self->bond[k][p] = expf (-WALK_BETA * square) + 1e-4f;
        }
}

static void
finish_view (SegView *self)
{
  standardise (self);
  for (int c = 0; c < 3; c++)
    denoise (self, self->image[c], self->smooth[c]);
  measure_steps (self);
  bond_cells (self);
}

void
seg_view_init (SegView *self, const SegPicture *picture, const SegViewSquare *square)
{
  self->square = *square;
  sample_planes (self, picture);
  finish_view (self);
}

void
seg_view_init_scene (SegView *self, const SegScene *scene, gboolean blank)
{
  G_STATIC_ASSERT (SEG_SCENE_SIDE == SEG_VIEW_SIDE);
  self->square = (SegViewSquare){ 0, 0, SIDE };
  if (blank)
    memset (self->image, 0, sizeof self->image);
  else
    memcpy (self->image, scene->rgb, sizeof self->image);
  self->u0 = scene->x0, self->u1 = scene->x1;
  self->v0 = scene->y0, self->v1 = scene->y1;
  finish_view (self);
}

/* ---- distances ------------------------------------------------------------------------------- */

/* Raster scans there and back until settled enough: shortest paths over the 8 neighbours. */
static void
geodesic (const SegView *self, float *d)
{
  for (int pass = 0; pass < 2; pass++)
    {
      for (int v = self->v0; v < self->v1; v++)
        {
          for (int u = self->u0; u < self->u1; u++)
            {
              const int p = v * SIDE + u;
              float best = d[p];

              if (u > self->u0)
                best = MIN (best, d[p - 1] + self->step[0][p - 1]);
              if (v > self->v0)
                {
                  best = MIN (best, d[p - SIDE] + self->step[2][p - SIDE]);
                  if (u > self->u0)
                    best = MIN (best, d[p - SIDE - 1] + self->step[3][p - SIDE - 1]);
                  if (u + 1 < self->u1)
                    best = MIN (best, d[p - SIDE + 1] + self->step[1][p - SIDE + 1]);
                }
              d[p] = best;
            }
          for (int u = self->u1 - 2; u >= self->u0; u--)
            d[v * SIDE + u] =
                MIN (d[v * SIDE + u], d[v * SIDE + u + 1] + self->step[0][v * SIDE + u]);
        }
      for (int v = self->v1 - 1; v >= self->v0; v--)
        {
          for (int u = self->u1 - 1; u >= self->u0; u--)
            {
              const int p = v * SIDE + u;
              float best = d[p];

              if (u + 1 < self->u1)
                best = MIN (best, d[p + 1] + self->step[0][p]);
              if (v + 1 < self->v1)
                {
                  best = MIN (best, d[p + SIDE] + self->step[2][p]);
                  if (u + 1 < self->u1)
                    best = MIN (best, d[p + SIDE + 1] + self->step[3][p]);
                  if (u > self->u0)
                    best = MIN (best, d[p + SIDE - 1] + self->step[1][p]);
                }
              d[p] = best;
            }
          for (int u = self->u0 + 1; u < self->u1; u++)
            d[v * SIDE + u] =
                MIN (d[v * SIDE + u], d[v * SIDE + u - 1] + self->step[0][v * SIDE + u - 1]);
        }
    }
}

/* Each path carries the intensity it started with; a pixel costs more the less it is like it. */
typedef struct
{
  float d[N];
  guint16 seed[N];
  float mean[1024][3];
  int n_seeds;
} Travel;

static inline void
travel_try (const SegView *self, Travel *travel, int p, int q, float length, float tolerance)
{
  if (travel->d[q] < travel->d[p])
    {
      const float *mean = travel->mean[travel->seed[q]];
      const float a = self->smooth[0][p] - mean[0], b = self->smooth[1][p] - mean[1],
                  c = self->smooth[2][p] - mean[2];
      const float off = MIN ((a * a + b * b + c * c) * tolerance, 16.0f);
      const float d = travel->d[q] + length * (0.5f + TRAVEL_LENGTH * 0.25f * off);
      if (d < travel->d[p])
        {
          travel->d[p] = d;
          travel->seed[p] = travel->seed[q];
        }
    }
}

static void
travel_run (const SegView *self, Travel *travel)
{
  const float s = MAX (0.22f, 1.5f * self->noise), tolerance = 1.0f / (s * s);
  const float diagonal = 1.41421356f;

  for (int pass = 0; pass < 2; pass++)
    {
      for (int v = self->v0; v < self->v1; v++)
        {
          for (int u = self->u0; u < self->u1; u++)
            {
              const int p = v * SIDE + u;
              if (u > self->u0)
                travel_try (self, travel, p, p - 1, 1, tolerance);
              if (v > self->v0)
                {
                  travel_try (self, travel, p, p - SIDE, 1, tolerance);
                  if (u > self->u0)
                    travel_try (self, travel, p, p - SIDE - 1, diagonal, tolerance);
                  if (u + 1 < self->u1)
                    travel_try (self, travel, p, p - SIDE + 1, diagonal, tolerance);
                }
            }
          for (int u = self->u1 - 2; u >= self->u0; u--)
            travel_try (self, travel, v * SIDE + u, v * SIDE + u + 1, 1, tolerance);
        }
      for (int v = self->v1 - 1; v >= self->v0; v--)
        {
          for (int u = self->u1 - 1; u >= self->u0; u--)
            {
              const int p = v * SIDE + u;
              if (u + 1 < self->u1)
                travel_try (self, travel, p, p + 1, 1, tolerance);
              if (v + 1 < self->v1)
                {
                  travel_try (self, travel, p, p + SIDE, 1, tolerance);
                  if (u + 1 < self->u1)
                    travel_try (self, travel, p, p + SIDE + 1, diagonal, tolerance);
                  if (u > self->u0)
                    travel_try (self, travel, p, p + SIDE - 1, diagonal, tolerance);
                }
            }
          for (int u = self->u0 + 1; u < self->u1; u++)
            travel_try (self, travel, v * SIDE + u, v * SIDE + u - 1, 1, tolerance);
        }
    }
}

/* ---- seeds ----------------------------------------------------------------------------------- */

/* What the prompt says of single pixels. A box alone seeds its middle and what lies around it. */
typedef struct
{
  guint8 in[N], out[N];
  int n_in, n_out;
} Seeds;

static void
plant (const SegView *self, guint8 *map, int *n, float u, float v)
{
  const int pu = CLAMP ((int) lrintf (u), self->u0, self->u1 - 1);
  const int pv = CLAMP ((int) lrintf (v), self->v0, self->v1 - 1);

  *n += !map[pv * SIDE + pu];
  map[pv * SIDE + pu] = 1;
}

static float
ellipse_at (const float box[4], int u, int v)
{
  const float a = MAX ((box[2] - box[0] + 1) / 2, 0.5f), b = MAX ((box[3] - box[1] + 1) / 2, 0.5f);
  const float du = ((float) u - (box[0] + box[2]) / 2) / a,
              dv = ((float) v - (box[1] + box[3]) / 2) / b;
  return 1.0f - (du * du + dv * dv);
}

static void
find_seeds (const SegView *self, const SegViewPrompt *prompt, Seeds *seeds)
{
  memset (seeds, 0, sizeof *seeds);
  for (gsize k = 0; k < prompt->n_points; k++)
    {
      const SegViewPoint *point = &prompt->points[k];
      if (point->positive)
        plant (self, seeds->in, &seeds->n_in, point->u, point->v);
      else
        plant (self, seeds->out, &seeds->n_out, point->u, point->v);
    }
  if (prompt->has_box)
    {
      const gboolean alone = seeds->n_in == 0;
      /* People draw boxes a little too tight: what lies just outside of one says nothing. */
      const float margin_u = 1.0f + 0.04f * (prompt->box[2] - prompt->box[0]);
      const float margin_v = 1.0f + 0.04f * (prompt->box[3] - prompt->box[1]);

      for (int v = self->v0; v < self->v1; v++)
        for (int u = self->u0; u < self->u1; u++)
          {
            const int p = v * SIDE + u;
            const gboolean outside =
                (float) u < prompt->box[0] - margin_u || (float) u > prompt->box[2] + margin_u
                || (float) v < prompt->box[1] - margin_v || (float) v > prompt->box[3] + margin_v;
            if (outside && !seeds->in[p])
              seeds->out[p] = 1, seeds->n_out++;
            else if (alone && ellipse_at (prompt->box, u, v) > 0.93f)
              seeds->in[p] = 1, seeds->n_in++;
          }
      if (seeds->n_in == 0)
        plant (self, seeds->in, &seeds->n_in, (prompt->box[0] + prompt->box[2]) / 2,
               (prompt->box[1] + prompt->box[3]) / 2);
    }
}

/* The mean around a seed stands for its tissue. */
static void
start_travel (const SegView *self, const guint8 *seeds, gboolean skip_deep, Travel *travel)
{
  travel->n_seeds = 0;
  for (int p = 0; p < N; p++)
    {
      travel->d[p] = FAR;
      travel->seed[p] = 0;
    }
  for (int v = self->v0; v < self->v1; v++)
    for (int u = self->u0; u < self->u1; u++)
      {
        const int p = v * SIDE + u;
        float sum[3] = { 0 };
        int n = 0;

        if (!seeds[p])
          continue;
        /* Outside of a box only its rim matters: the deep pixels follow at no cost. */
        if (skip_deep && u > self->u0 && u + 1 < self->u1 && v > self->v0 && v + 1 < self->v1
            && seeds[p - 1] && seeds[p + 1] && seeds[p - SIDE] && seeds[p + SIDE])
          {
            travel->d[p] = 0;
            travel->seed[p] = (guint16) MAX (travel->n_seeds - 1, 0);
            continue;
          }
        for (int b = MAX (v - 1, self->v0); b <= MIN (v + 1, self->v1 - 1); b++)
          for (int a = MAX (u - 1, self->u0); a <= MIN (u + 1, self->u1 - 1); a++, n++)
            for (int c = 0; c < 3; c++)
              sum[c] += self->smooth[c][b * SIDE + a];
        const int slot = MIN (travel->n_seeds, 1023);
        for (int c = 0; c < 3; c++)
          travel->mean[slot][c] = sum[c] / (float) n;
        travel->n_seeds = MIN (travel->n_seeds + 1, 1024);
        travel->d[p] = 0;
        travel->seed[p] = (guint16) slot;
      }
}

/* Smallest distance in intensity to any of up to 24 seeds, in tolerances. */
static void
likeness (const SegView *self, const Travel *travel, float *out)
{
  const float s = MAX (0.22f, 1.5f * self->noise), tolerance = 0.5f / (s * s);
  const int n = travel->n_seeds, stride = n / 24 + 1;

  for (int p = 0; p < N; p++)
    {
      float best = 30.0f;
      for (int k = 0; k < n; k += stride)
        {
          const float a = self->smooth[0][p] - travel->mean[k][0],
                      b = self->smooth[1][p] - travel->mean[k][1],
                      c = self->smooth[2][p] - travel->mean[k][2];
          best = MIN (best, (a * a + b * b + c * c) * tolerance);
        }
      out[p] = n > 0 ? expf (-best) : 0;
    }
}

/* ---- random walk ----------------------------------------------------------------------------- */

/* Probability to meet a positive seed before a negative one; the picture's border is negative when
 * there is no box. Conjugate gradients on 64² from the geodesic answer. */
static void
random_walk (const SegView *self, const Seeds *seeds, gboolean has_box, const float *guess,
             float *walk)
{
  float x[SEG_VIEW_CELLS], r[SEG_VIEW_CELLS], z[SEG_VIEW_CELLS], d[SEG_VIEW_CELLS],
      q[SEG_VIEW_CELLS], diagonal[SEG_VIEW_CELLS];
  guint8 fixed[SEG_VIEW_CELLS];
  double rz = 0;

  for (int v = 0; v < CELLS; v++)
    for (int u = 0; u < CELLS; u++)
      {
        const int p = v * CELLS + u, s = 2 * v * SIDE + 2 * u;
        const int in =
            seeds->in[s] + seeds->in[s + 1] + seeds->in[s + SIDE] + seeds->in[s + SIDE + 1];
        const int out =
            seeds->out[s] + seeds->out[s + 1] + seeds->out[s + SIDE] + seeds->out[s + SIDE + 1];
        const gboolean inside =
            is_inside (self, 2 * u, 2 * v) && is_inside (self, 2 * u + 1, 2 * v + 1);
        const gboolean rim = !has_box
                             && (2 * u < self->u0 + 2 || 2 * v < self->v0 + 2
                                 || 2 * u + 1 >= self->u1 - 2 || 2 * v + 1 >= self->v1 - 2);

        fixed[p] = !inside || in > 0 || out > 1 || (out > 0 && !has_box) || rim;
        x[p] = in > 0 ? 1.0f : fixed[p] ? 0.0f : guess[s];
        diagonal[p] = self->bond[0][p] + self->bond[1][p] + (u > 0 ? self->bond[0][p - 1] : 0)
                      + (v > 0 ? self->bond[1][p - CELLS] : 0) + 1e-6f;
      }
#define APPLY(src, dst)                                                                            \
  for (int p = 0; p < SEG_VIEW_CELLS; p++)                                                         \
  dst[p] = fixed[p] ? 0.0f                                                                         \
                    : diagonal[p] * src[p]                                                         \
                          - (p % CELLS + 1 < CELLS ? self->bond[0][p] * src[p + 1] : 0)            \
                          - (p + CELLS < SEG_VIEW_CELLS ? self->bond[1][p] * src[p + CELLS] : 0)   \
                          - (p % CELLS > 0 ? self->bond[0][p - 1] * src[p - 1] : 0)                \
                          - (p >= CELLS ? self->bond[1][p - CELLS] * src[p - CELLS] : 0)
  APPLY (x, r);
  for (int p = 0; p < SEG_VIEW_CELLS; p++)
    {
      r[p] = fixed[p] ? 0 : -r[p];
      d[p] = z[p] = r[p] / diagonal[p];
      rz += (double) r[p] * z[p];
    }
  for (int k = 0; k < WALK_STEPS && rz > 1e-9; k++)
    {
      double dq = 0, next = 0;
      float alpha, beta;

      APPLY (d, q);
      for (int p = 0; p < SEG_VIEW_CELLS; p++)
        dq += (double) d[p] * q[p];
      alpha = (float) (rz / MAX (dq, 1e-30));
      for (int p = 0; p < SEG_VIEW_CELLS; p++)
        {
          x[p] += alpha * d[p];
          r[p] -= alpha * q[p];
          z[p] = r[p] / diagonal[p];
          next += (double) r[p] * z[p];
        }
      beta = (float) (next / rz);
      rz = next;
      for (int p = 0; p < SEG_VIEW_CELLS; p++)
        d[p] = z[p] + beta * d[p];
    }
#undef APPLY
  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      {
        const float su = CLAMP ((float) u * 0.5f - 0.25f, 0.0f, (float) (CELLS - 1));
        const float sv = CLAMP ((float) v * 0.5f - 0.25f, 0.0f, (float) (CELLS - 1));
        const int iu = MIN ((int) su, CELLS - 2), iv = MIN ((int) sv, CELLS - 2);
        const float fu = su - (float) iu, fv = sv - (float) iv;
        const float *s = x + iv * CELLS + iu;
        walk[v * SIDE + u] = CLAMP ((s[0] * (1 - fu) + s[1] * fu) * (1 - fv)
                                        + (s[CELLS] * (1 - fu) + s[CELLS + 1] * fu) * fv,
                                    0.0f, 1.0f);
      }
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void
fill_clicks (const SegViewPrompt *prompt, gboolean positive, float *map, float *nearest)
{
  memset (map, 0, sizeof (float) * N);
  for (int p = 0; p < N; p++)
    nearest[p] = FAR;
  for (gsize k = 0; k < prompt->n_points; k++)
    {
      const SegViewPoint *point = &prompt->points[k];

      if (!point->positive != !positive)
        continue;
      for (int v = 0; v < SIDE; v++)
        for (int u = 0; u < SIDE; u++)
          {
            const float du = (float) u - point->u, dv = (float) v - point->v;
            nearest[v * SIDE + u] = MIN (nearest[v * SIDE + u], du * du + dv * dv);
          }
    }
  for (int p = 0; p < N; p++)
    {
      if (nearest[p] < 64)
        map[p] = expf (-nearest[p] / (2 * CLICK_SIGMA * CLICK_SIGMA));
      nearest[p] = sqrtf (nearest[p]);
    }
}

static float
reach (float d)
{
  return d >= FAR ? 0.0f : expf (-d * (1.0f / GEODESIC_REACH));
}

void
seg_view_fill_channels (const SegView *self, const SegViewPrompt *prompt, float *channels)
{
  g_autofree Seeds *seeds = g_new (Seeds, 1);
  g_autofree Travel *travel = g_new (Travel, 1);
  g_autofree float *near_in = g_new (float, 2 * N);
  float *near_out = near_in + N;
  float *c[SEG_N_CHANNELS];

  for (int k = 0; k < SEG_N_CHANNELS; k++)
    c[k] = channels + (gsize) k * N;
  memcpy (c[SEG_CHANNEL_LIGHT], self->image, sizeof self->image);
  find_seeds (self, prompt, seeds);
  fill_clicks (prompt, TRUE, c[SEG_CHANNEL_CLICKS_IN], near_in);
  fill_clicks (prompt, FALSE, c[SEG_CHANNEL_CLICKS_OUT], near_out);
  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      {
        const int p = v * SIDE + u;
        float *box = c[SEG_CHANNEL_BOX] + p, *ellipse = c[SEG_CHANNEL_ELLIPSE] + p;

        c[SEG_CHANNEL_INSIDE][p] = is_inside (self, u, v);
        *box = *ellipse = 0;
        if (prompt->has_box)
          {
            *box = (float) u >= prompt->box[0] - 0.5f && (float) u <= prompt->box[2] + 0.5f
                   && (float) v >= prompt->box[1] - 0.5f && (float) v <= prompt->box[3] + 0.5f;
            *ellipse = CLAMP (ellipse_at (prompt->box, u, v), -1.0f, 1.0f);
          }
        c[SEG_CHANNEL_PREVIOUS][p] = prompt->previous ? tanhf (prompt->previous[p] * 0.4f) : 0;
        c[SEG_CHANNEL_NEAR][p] = near_out[p] >= 1000.0f
                                     ? 1.0f - MIN (near_in[p], 96.0f) / 48.0f
                                     : tanhf ((near_out[p] - near_in[p]) / 12.0f);
      }

  for (int side = 0; side < 2; side++)
    {
      const guint8 *map = side ? seeds->out : seeds->in;
      float *paths = c[side ? SEG_CHANNEL_GEODESIC_OUT : SEG_CHANNEL_GEODESIC_IN];
      float *through = c[side ? SEG_CHANNEL_TRAVEL_OUT : SEG_CHANNEL_TRAVEL_IN];
      float *like = side ? c[SEG_CHANNEL_WALK] : c[SEG_CHANNEL_LIKE];

      for (int p = 0; p < N; p++)
        paths[p] = map[p] ? 0 : FAR;
      if (side ? seeds->n_out > 0 : seeds->n_in > 0)
        geodesic (self, paths);
      start_travel (self, map, side && prompt->has_box, travel);
      if (travel->n_seeds > 0)
        travel_run (self, travel);
      for (int p = 0; p < N; p++)
        {
          paths[p] = reach (paths[p]);
          through[p] = reach (travel->d[p]);
        }
      likeness (self, travel, like);
    }
  for (int p = 0; p < N; p++)
    c[SEG_CHANNEL_LIKE][p] -= c[SEG_CHANNEL_WALK][p];
  /* A guess between 0 and 1 from the paths starts the walk near its end. */
  for (int p = 0; p < N; p++)
    near_in[p] = c[SEG_CHANNEL_GEODESIC_IN][p]
                 / (c[SEG_CHANNEL_GEODESIC_IN][p] + MAX (c[SEG_CHANNEL_GEODESIC_OUT][p], 0.2f));
  random_walk (self, seeds, prompt->has_box, near_in, c[SEG_CHANNEL_WALK]);
  for (int p = 0; p < N; p++)
    c[SEG_CHANNEL_WALK][p] = 2 * c[SEG_CHANNEL_WALK][p] - 1;
}

/* ---- the rule -------------------------------------------------------------------------------- */

/* Mean intensity step across the boundary of {field > level}. */
static float
boundary_contrast (const SegView *self, const float *field, float level, int *n_in)
{
  double sum = 0;
  int n = 0;

  *n_in = 0;
  for (int v = self->v0; v + 1 < self->v1; v++)
    for (int u = self->u0; u + 1 < self->u1; u++)
      {
        const int p = v * SIDE + u;
        const gboolean in = field[p] > level;

        *n_in += in;
        for (int k = 0; k < 2; k++)
          {
            const int q = k ? p + SIDE : p + 1;
            if ((field[q] > level) != in)
              {
                sum += MIN (difference (self, p, q), 0.6f);
                n++;
              }
          }
      }
  return n == 0 ? 0 : (float) (sum / n);
}

void
seg_rule_logits (const SegView *self, const SegViewPrompt *prompt, const float *channels,
                 float *logits)
{
  const float *travel_in = channels + SEG_CHANNEL_TRAVEL_IN * N;
  const float *travel_out = channels + SEG_CHANNEL_TRAVEL_OUT * N;
  const float *path_in = channels + SEG_CHANNEL_GEODESIC_IN * N;
  const float *path_out = channels + SEG_CHANNEL_GEODESIC_OUT * N;
  const float *walk = channels + SEG_CHANNEL_WALK * N;
  const float *ellipse = channels + SEG_CHANNEL_ELLIPSE * N;
  gboolean has_out = prompt->has_box;
  float level = 0, best = -1;

  for (gsize k = 0; k < prompt->n_points; k++)
    has_out = has_out || !prompt->points[k].positive;
  /* How near in tissue and in path, 0…1; against the same from the negative seeds. */
  for (int p = 0; p < N; p++)
    {
      const float in = logf (travel_in[p] * path_in[p] + 1e-6f);
      const float out = logf (travel_out[p] * path_out[p] + 1e-6f);
      logits[p] = has_out ? 0.5f * (in - out) + 2.0f * walk[p] : in;
      if (has_out && prompt->has_box)
        logits[p] += 4.0f * ellipse[p];
      if (!has_out)
        logits[p] += 1.5f * walk[p];
    }
  if (!has_out)
    {
      for (int k = 1; k < 28; k++)
        {
          int n_in;
          const float at = -7.0f + 0.28f * (float) k;
          const float contrast = boundary_contrast (self, logits, at, &n_in);
          /* Boundaries of noise-sized or picture-sized regions do not count. */
          const float prior =
              (float) n_in * (float) (N - n_in) / (N * 0.12f * N + (float) n_in * (float) n_in);
          const float score = (contrast + 0.03f) * sqrtf (MAX (prior, 0.0f));
          if (n_in > 20 && score > best)
            best = score, level = at;
        }
    }
  for (int p = 0; p < N; p++)
    logits[p] = CLAMP (logits[p] - level, -12.0f, 12.0f);
  for (gsize k = 0; k < prompt->n_points; k++)
    {
      const int u = CLAMP ((int) lrintf (prompt->points[k].u), 0, SIDE - 1);
      const int v = CLAMP ((int) lrintf (prompt->points[k].v), 0, SIDE - 1);
      for (int b = MAX (v - 1, 0); b <= MIN (v + 1, SIDE - 1); b++)
        for (int a = MAX (u - 1, 0); a <= MIN (u + 1, SIDE - 1); a++)
          logits[b * SIDE + a] = prompt->points[k].positive ? 6.0f : -6.0f;
    }
}
