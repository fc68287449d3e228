/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

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

struct _VolumeLivewire
{
  int n_u, n_v;
  guint8 *strength; /* of the edge at each pixel, 0…255 */
  double step_length[8];

  guint32 anchor;
  guint32 *cost;
  guint8 *came_by; /* direction of the step that reached a pixel, 8 for none */
  guint8 *settled;
  GArray *buckets[COST_MAX_STEP + 1]; /* pixels at cost mod (COST_MAX_STEP + 1) */
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
  gsize stride = MAX (n / 4096, 1);
  gsize n_sample = (n + stride - 1) / stride;
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
compute_gradient (float *values, int n_u, int n_v, double du_mm, double dv_mm, float *gradient)
{
  g_autofree float *smooth = g_new (float, (gsize) n_u *n_v);

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

VolumeLivewire *
volume_livewire_new (VolumeScan *scan, const VolumeSliceRaster *raster)
{
  VolumeLivewire *self = g_new0 (VolumeLivewire, 1);
  const VolumeSliceFrame *frame = &raster->frame;
  gsize n_pixels = volume_slice_raster_get_n_pixels (raster);
  g_autofree float *values = g_new (float, n_pixels);
  g_autofree float *gradient = g_new (float, n_pixels);
  double shorter = MIN (frame->du_mm, frame->dv_mm);
  float strong;

  self->n_u = frame->n_u;
  self->n_v = frame->n_v;
  self->strength = g_malloc (n_pixels);
  self->cost = g_new (guint32, n_pixels);
  self->came_by = g_malloc (n_pixels);
  self->settled = g_malloc (n_pixels);
  self->anchor = NO_PIXEL;
  for (int b = 0; b <= COST_MAX_STEP; b++)
    self->buckets[b] = g_array_new (FALSE, FALSE, sizeof (guint32));
  /* Very flat pixels would make steps longer than the ring: cut there, the path stays sensible. */
  for (int d = 0; d < 8; d++)
    self->step_length[d] =
        MIN (hypot (step_u[d] * frame->du_mm, step_v[d] * frame->dv_mm) / shorter, 16.0);

  volume_scan_read_slice (scan, frame->plane, raster->index, values);
  compute_gradient (values, self->n_u, self->n_v, frame->du_mm, frame->dv_mm, gradient);
  strong = strong_gradient (gradient, n_pixels);
  for (gsize p = 0; p < n_pixels; p++)
    self->strength[p] = strong > 0 ? (guint8) MIN (255.0f * gradient[p] / strong, 255.0f) : 0;
  return self;
}

void
volume_livewire_free (VolumeLivewire *self)
{
  if (self == NULL)
    return;
  for (int b = 0; b <= COST_MAX_STEP; b++)
    g_array_unref (self->buckets[b]);
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

static void
put (VolumeLivewire *self, guint32 pixel, guint32 cost, guint8 came_by)
{
  self->cost[pixel] = cost;
  self->came_by[pixel] = came_by;
  g_array_append_val (self->buckets[cost % (COST_MAX_STEP + 1)], pixel);
  self->n_waiting++;
}

void
volume_livewire_set_anchor (VolumeLivewire *self, double u, double v)
{
  gsize n_pixels = (gsize) self->n_u * self->n_v;

  memset (self->cost, 0xff, n_pixels * sizeof (guint32));
  memset (self->settled, 0, n_pixels);
  for (int b = 0; b <= COST_MAX_STEP; b++)
    g_array_set_size (self->buckets[b], 0);
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
      GArray *bucket = self->buckets[self->current_cost % (COST_MAX_STEP + 1)];
      guint32 pixel;

      if (bucket->len == 0)
        {
          self->current_cost++;
          continue;
        }
      pixel = g_array_index (bucket, guint32, bucket->len - 1);
      g_array_set_size (bucket, bucket->len - 1);
      self->n_waiting--;
      /* An entry that was improved since is found again, cheaper, and passed over here. */
      if (!self->settled[pixel] && self->cost[pixel] == self->current_cost)
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
