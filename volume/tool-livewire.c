/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/memory.h"
#include "volume/tool-livewire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Costs are whole numbers, so that the frontier is a ring of buckets (Dial 1969): a step costs
 * COST_EDGE on the strongest edge and COST_FLAT on flat ground, times its length relative to the
 * shorter pixel side. */
#define COST_EDGE 2
#define COST_FLAT 60
#define COST_MAX_STEP 1024
#define NO_PIXEL G_MAXUINT32
#define NO_COST G_MAXUINT32

struct _VolumeLivewire
{
  int n_u, n_v;
  guint8 *strength; /* of the edge at each pixel, 0…255 */
  double step_length[8];

  guint32 anchor;
  guint32 *cost;
  guint8 *came_by; /* direction of the step that reached a pixel, 8 for none */
  guint8 *settled;
  guint32 *next, *before; /* in a pixel's bucket: a list of those at its cost, newest first */
  guint32 buckets[COST_MAX_STEP + 1]; /* first pixel at cost mod (COST_MAX_STEP + 1) */
  guint32 current_cost;
  gsize n_waiting;
};

static const int step_u[8] = { 1, 1, 0, -1, -1, -1, 0, 1 };
static const int step_v[8] = { 0, 1, 1, 1, 0, -1, -1, -1 };

static int
compare_floats (const void *a, const void *b)
{
  const float x = *(const float *) a, y = *(const float *) b;

  return (x > y) - (x < y);
}

/* The gradient above which an edge counts as fully strong: the 95th percentile of a sample. */
static float
strong_gradient (const float *gradient, gsize n)
{
  enum
  {
    MAX_SAMPLES = 8192
  };
  gsize stride = MAX (n / 4096, 1);
  gsize n_sample = MIN ((n + stride - 1) / stride, MAX_SAMPLES);
  g_autofree float *sample = g_new (float, n_sample);

  for (gsize s = 0; s < n_sample; s++)
    sample[s] = gradient[s * stride];
  qsort (sample, n_sample, sizeof (float), compare_floats);
  return sample[(gsize) (0.95 * (n_sample - 1))];
}

static float
finite_or (float value, float otherwise)
{
  return isfinite (value) ? value : otherwise;
}

/* Central differences in value per mm, after a 3×3 binomial smoothing of the picture. */
static void
compute_gradient (float *values, int n_u, int n_v, double du_mm, double dv_mm, float *smooth,
                  float *gradient)
{
  for (gsize p = 0; p < (gsize) n_u * n_v; p++)
    values[p] = finite_or (values[p], 0);
  for (int v = 0; v < n_v; v++)
    for (int u = 0; u < n_u; u++)
      {
        float sum = 0;

        for (int dv = -1; dv <= 1; dv++)
          for (int du = -1; du <= 1; du++)
            {
              int weight = (2 - abs (du)) * (2 - abs (dv));
              int nu = CLAMP (u + du, 0, n_u - 1), nv = CLAMP (v + dv, 0, n_v - 1);

              sum += weight * values[nu + (gsize) n_u * nv];
            }
        smooth[u + (gsize) n_u * v] = sum / 16;
      }
  for (int v = 0; v < n_v; v++)
    for (int u = 0; u < n_u; u++)
      {
        int left = MAX (u - 1, 0), right = MIN (u + 1, n_u - 1);
        int up = MAX (v - 1, 0), down = MIN (v + 1, n_v - 1);
        double gu = smooth[right + (gsize) n_u * v] - smooth[left + (gsize) n_u * v];
        double gv = smooth[u + (gsize) n_u * down] - smooth[u + (gsize) n_u * up];

        gu = right > left ? gu / ((right - left) * du_mm) : 0;
        gv = down > up ? gv / ((down - up) * dv_mm) : 0;
        gradient[u + (gsize) n_u * v] = (float) hypot (gu, gv);
      }
}

static gboolean
alloc_pixels (VolumeLivewire *self, gsize n_pixels, GError **error)
{
  self->strength = volume_memory_try (n_pixels, sizeof *self->strength, error);
  if (self->strength == NULL)
    return FALSE;
  self->cost = volume_memory_try (n_pixels, sizeof *self->cost, error);
  if (self->cost == NULL)
    return FALSE;
  self->came_by = volume_memory_try (n_pixels, sizeof *self->came_by, error);
  if (self->came_by == NULL)
    return FALSE;
  self->settled = volume_memory_try (n_pixels, sizeof *self->settled, error);
  if (self->settled == NULL)
    return FALSE;
  self->next = volume_memory_try (n_pixels, sizeof *self->next, error);
  if (self->next == NULL)
    return FALSE;
  self->before = volume_memory_try (n_pixels, sizeof *self->before, error);
  return self->before != NULL;
}

VolumeLivewire *
volume_livewire_new (VolumeScan *scan, const VolumeSliceRaster *raster, GError **error)
{
  g_autoptr (VolumeLivewire) self = g_new0 (VolumeLivewire, 1);
  const VolumeSliceFrame *frame = &raster->frame;
  gsize n_pixels = volume_slice_raster_get_n_pixels (raster);
  g_autofree float *values = volume_memory_try (3 * n_pixels, sizeof *values, error);
  float *gradient, *smooth;
  double shorter = MIN (frame->du_mm, frame->dv_mm);
  float strong;

  if (values == NULL || !alloc_pixels (self, n_pixels, error))
    return NULL;
  gradient = values + n_pixels;
  smooth = gradient + n_pixels;
  self->n_u = frame->n_u;
  self->n_v = frame->n_v;
  self->anchor = NO_PIXEL;
  /* Very flat pixels would make steps longer than the ring: cut there, the path stays sensible. */
  for (int d = 0; d < 8; d++)
    self->step_length[d] =
        MIN (hypot (step_u[d] * frame->du_mm, step_v[d] * frame->dv_mm) / shorter, 16.0);

  volume_scan_read_slice (scan, frame->plane, raster->index, values);
  compute_gradient (values, self->n_u, self->n_v, frame->du_mm, frame->dv_mm, smooth, gradient);
  strong = strong_gradient (gradient, n_pixels);
  for (gsize p = 0; p < n_pixels; p++)
    self->strength[p] = strong > 0 ? (guint8) MIN (255.0f * gradient[p] / strong, 255.0f) : 0;
  return g_steal_pointer (&self);
}

void
volume_livewire_free (VolumeLivewire *self)
{
  if (self == NULL)
    return;
  g_free (self->next);
  g_free (self->before);
  g_free (self->strength);
  g_free (self->cost);
  g_free (self->came_by);
  g_free (self->settled);
  g_free (self);
}

static guint32
nearest_pixel (const VolumeLivewire *self, double u, double v)
{
  int nu = (int) CLAMP (floor (u + 0.5), 0, self->n_u - 1);
  int nv = (int) CLAMP (floor (v + 0.5), 0, self->n_v - 1);

  return nu + (guint32) self->n_u * nv;
}

static guint32 *
bucket_of (VolumeLivewire *self, guint32 cost)
{
  return &self->buckets[cost % (COST_MAX_STEP + 1)];
}

static void
take_out (VolumeLivewire *self, guint32 pixel)
{
  const guint32 next = self->next[pixel], before = self->before[pixel];

  if (before == NO_PIXEL)
    *bucket_of (self, self->cost[pixel]) = next;
  else
    self->next[before] = next;
  if (next != NO_PIXEL)
    self->before[next] = before;
  self->n_waiting--;
}

/* A pixel that waits already moves to its new, lower cost. */
static void
put (VolumeLivewire *self, guint32 pixel, guint32 cost, guint8 came_by)
{
  guint32 *bucket = bucket_of (self, cost);

  if (self->cost[pixel] != NO_COST)
    take_out (self, pixel);
  self->cost[pixel] = cost;
  self->came_by[pixel] = came_by;
  self->before[pixel] = NO_PIXEL;
  self->next[pixel] = *bucket;
  if (*bucket != NO_PIXEL)
    self->before[*bucket] = pixel;
  *bucket = pixel;
  self->n_waiting++;
}

void
volume_livewire_set_anchor (VolumeLivewire *self, double u, double v)
{
  gsize n_pixels = (gsize) self->n_u * self->n_v;

  memset (self->cost, 0xff, n_pixels * sizeof (guint32));
  memset (self->settled, 0, n_pixels);
  memset (self->buckets, 0xff, sizeof self->buckets); /* NO_PIXEL */
  self->n_waiting = 0;
  self->current_cost = 0;
  self->anchor = nearest_pixel (self, u, v);
  put (self, self->anchor, 0, 8);
}

static void
settle (VolumeLivewire *self, guint32 pixel)
{
  int u = pixel % self->n_u, v = pixel / self->n_u;

  self->settled[pixel] = 1;
  for (int d = 0; d < 8; d++)
    {
      int nu = u + step_u[d], nv = v + step_v[d];
      guint32 next, cost;
      double per_length;

      if (nu < 0 || nu >= self->n_u || nv < 0 || nv >= self->n_v)
        continue;
      next = nu + (guint32) self->n_u * nv;
      if (self->settled[next])
        continue;
      per_length = COST_EDGE + (COST_FLAT - COST_EDGE) * (255 - self->strength[next]) * (1.0 / 255);
      cost = self->cost[pixel]
             + (guint32) CLAMP (per_length * self->step_length[d] + 0.5, 1, COST_MAX_STEP);
      if (cost < self->cost[next])
        put (self, next, cost, d);
    }
}

static void
search_until (VolumeLivewire *self, guint32 target)
{
  while (!self->settled[target] && self->n_waiting > 0)
    {
      guint32 pixel = *bucket_of (self, self->current_cost);

      if (pixel == NO_PIXEL)
        {
          self->current_cost++;
          continue;
        }
      take_out (self, pixel);
      settle (self, pixel);
    }
}

void
volume_livewire_trace (VolumeLivewire *self, double u, double v, GArray *path)
{
  guint32 target = nearest_pixel (self, u, v);
  guint first = path->len;

  g_return_if_fail (self->anchor != NO_PIXEL);

  search_until (self, target);
  for (guint32 pixel = target; pixel != self->anchor;)
    {
      double point[2] = { pixel % self->n_u, pixel / self->n_u };
      int d = self->came_by[pixel];

      g_array_append_vals (path, point, 1);
      pixel =
          (pixel % self->n_u - step_u[d]) + (guint32) self->n_u * (pixel / self->n_u - step_v[d]);
    }
  for (guint a = first, b = path->len; a + 1 < b; a++)
    {
      double (*points)[2] = (double (*)[2]) path->data;
      double point[2];

      b--;
      memcpy (point, points[a], sizeof point);
      memcpy (points[a], points[b], sizeof point);
      memcpy (points[b], point, sizeof point);
    }
}

void
volume_livewire_snap (VolumeLivewire *self, double radius, double *u, double *v)
{
  guint32 centre = nearest_pixel (self, *u, *v);
  int cu = centre % self->n_u, cv = centre / self->n_u;
  int reach = (int) CLAMP (ceil (radius), 0, 64);
  guint8 strongest = self->strength[centre];
  int nearest = 0;

  for (int dv = -reach; dv <= reach; dv++)
    for (int du = -reach; du <= reach; du++)
      {
        int nu = cu + du, nv = cv + dv, distance = du * du + dv * dv;
        guint8 strength;

        if (nu < 0 || nu >= self->n_u || nv < 0 || nv >= self->n_v || distance > radius * radius)
          continue;
        strength = self->strength[nu + (gsize) self->n_u * nv];
        if (strength < strongest || (strength == strongest && distance >= nearest))
          continue;
        strongest = strength;
        nearest = distance;
        centre = nu + (guint32) self->n_u * nv;
      }
  *u = centre % self->n_u;
  *v = centre / self->n_u;
}
