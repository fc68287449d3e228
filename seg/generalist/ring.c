/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/ring.h"

#include <math.h>
#include <stdlib.h>

#define SIDE SEG_VIEW_SIDE
#define ANGLES 48
#define RADII 26 /* from the centre to the ellipse */

/* Chosen on slices that are in no table: what is a ring there scored .58 and more and was closed
 * everywhere; nothing else passed both. */
#define LEAST_EXPLAINED 0.55f
#define LEAST_CLOSED 0.95f
#define LEAST_WALL 0.12f /* of the ellipse's radius, to count as met */
/* Where the cavity ends, between the wall's brightness (0) and its own (1). */
#define CAVITY_EDGE 0.4f
#define MIN_CORE 0.3f
#define MAX_CORE 0.85f

typedef struct
{
  float cu, cv, a, b; /* the ellipse, view pixels */
  float light[ANGLES][RADII]; /* 0…1 between the darkest and the brightest hundredth */
  float core, inside, wall; /* radius of the best circle, brightness within and around */
  float cavity[ANGLES]; /* radius where it ends */
} Ring;

static float
radius_at (int r)
{
  return ((float) r + 0.5f) / RADII;
}

static int
compare_floats (const void *a, const void *b)
{
  const float x = *(const float *) a, y = *(const float *) b;
  return (x > y) - (x < y);
}

/* Brightness along rays of the ellipse; FALSE where all is the same. */
static gboolean
sample_rays (Ring *self, const SegView *view)
{
  float sorted[ANGLES * RADII], low, high;

  for (int t = 0; t < ANGLES; t++)
    for (int r = 0; r < RADII; r++)
      {
        const float angle = (float) t * 2 * (float) G_PI / ANGLES;
        const float u = self->cu + self->a * cosf (angle) * radius_at (r);
        const float v = self->cv + self->b * sinf (angle) * radius_at (r);
        const int pu = CLAMP ((int) lrintf (u), view->u0, view->u1 - 1);
        const int pv = CLAMP ((int) lrintf (v), view->v0, view->v1 - 1);

        self->light[t][r] = sorted[t * RADII + r] = view->smooth[0][pv * SIDE + pu];
      }
  qsort (sorted, ANGLES * RADII, sizeof (float), compare_floats);
  low = sorted[ANGLES * RADII / 100];
  high = sorted[ANGLES * RADII - 1 - ANGLES * RADII / 100];
  /* Nor is noise a wall. */
  if (high - low <= MAX (4 * view->noise, 1e-3f))
    return FALSE;
  for (int t = 0; t < ANGLES; t++)
    for (int r = 0; r < RADII; r++)
      self->light[t][r] = CLAMP ((self->light[t][r] - low) / (high - low), 0.0f, 1.0f);
  return TRUE;
}

/* The circle that splits the ellipse best; how much of the variance it explains. */
static float
split (Ring *self)
{
  double weight[RADII], sum[RADII], all = 0, mean = 0, total = 0;
  float best = 0;

  for (int r = 0; r < RADII; r++)
    {
      sum[r] = 0;
      for (int t = 0; t < ANGLES; t++)
        sum[r] += self->light[t][r];
      weight[r] = (double) radius_at (r) * ANGLES;
      sum[r] *= radius_at (r);
      all += weight[r];
      mean += sum[r];
    }
  mean /= all;
  for (int r = 0; r < RADII; r++)
    for (int t = 0; t < ANGLES; t++)
      total += radius_at (r) * (self->light[t][r] - mean) * (self->light[t][r] - mean);
  for (int k = 1; k < RADII; k++)
    {
      double w = 0, s = 0, in, out, explained;

      if (radius_at (k) < MIN_CORE || radius_at (k) > MAX_CORE)
        continue;
      for (int r = 0; r < k; r++)
        {
          w += weight[r];
          s += sum[r];
        }
      in = s / w;
      out = (mean * all - s) / (all - w);
      explained = (w * (in - mean) * (in - mean) + (all - w) * (out - mean) * (out - mean)) / total;
      if (explained > best)
        {
          best = (float) explained;
          self->core = radius_at (k);
          self->inside = (float) in;
          self->wall = (float) out;
        }
    }
  return best;
}

/* In what share of the directions the wall is met. */
static float
closed (const Ring *self)
{
  const float half = 0.5f * (self->inside + self->wall);
  int met = 0;

  for (int t = 0; t < ANGLES; t++)
    {
      float wall = 0;

      for (int r = 0; r < RADII; r++)
        if (radius_at (r) > 0.7f * self->core
            && (self->light[t][r] > half) == (self->wall > self->inside))
          wall += 1.0f / RADII;
      met += wall >= LEAST_WALL;
    }
  return (float) met / ANGLES;
}

/* The edge of the cavity along each ray, the one nearest to the circle, smoothed along the wall. */
static void
find_cavity (Ring *self)
{
  static const float kernel[5] = { 1 / 9.0f, 2 / 9.0f, 3 / 9.0f, 2 / 9.0f, 1 / 9.0f };
  const float edge = CAVITY_EDGE * self->inside + (1 - CAVITY_EDGE) * self->wall;
  const gboolean bright = self->inside > self->wall;
  float found[ANGLES];

  for (int t = 0; t < ANGLES; t++)
    {
      found[t] = self->core;
      for (int r = 0, first = TRUE; r + 1 < RADII; r++)
        {
          const float at = (float) (r + 1) / RADII;

          if ((self->light[t][r] > edge) != bright || (self->light[t][r + 1] > edge) == bright
              || at < 0.25f)
            continue;
          if (first || fabsf (at - self->core) < fabsf (found[t] - self->core))
            found[t] = at;
          first = FALSE;
        }
    }
  for (int t = 0; t < ANGLES; t++)
    {
      self->cavity[t] = 0;
      for (int k = -2; k <= 2; k++)
        self->cavity[t] += kernel[k + 2] * found[(t + k + ANGLES) % ANGLES];
    }
}

gboolean
seg_ring_in_box (const SegView *view, const float box[4], float *logits)
{
  Ring ring = { (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, MAX ((box[2] - box[0] + 1) / 2, 0.5f),
                MAX ((box[3] - box[1] + 1) / 2, 0.5f) };
  const float pixels = sqrtf (ring.a * ring.b);

  if (!sample_rays (&ring, view) || split (&ring) < LEAST_EXPLAINED
      || closed (&ring) < LEAST_CLOSED)
    return FALSE;
  find_cavity (&ring);
  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      {
        const float du = ((float) u - ring.cu) / ring.a, dv = ((float) v - ring.cv) / ring.b;
        const float angle = atan2f (dv, du) / (2 * (float) G_PI) * ANGLES + ANGLES;
        const int t = (int) angle;
        const float part = angle - (float) t, radius = sqrtf (du * du + dv * dv);
        const float cavity =
            ring.cavity[t % ANGLES] * (1 - part) + ring.cavity[(t + 1) % ANGLES] * part;

        logits[v * SIDE + u] = CLAMP (MIN (radius - cavity, 1 - radius) * pixels, -8.0f, 8.0f);
      }
  return TRUE;
}
