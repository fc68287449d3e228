/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "active/regions.h"

#include "volume/memory.h"

#include <math.h>
#include <string.h>

#define MIN_SIDE 4
#define MIN_SHARE 0.1
#define MIN_MEAN 0.01

void
active_disagreement (const float *p, const float *q, gsize n, int n_classes, float *dst)
{
  for (gsize v = 0; v < n; v++)
    {
      float sum = 0;

      for (int k = 0; k < n_classes; k++)
        sum += fabsf (p[(gsize) k * n + v] - q[(gsize) k * n + v]);
      dst[v] = MAX (dst[v], sum / 2);
    }
}

/* Sums over all boxes from the origin: (s0 + 1) × (s1 + 1) × (s2 + 1). */
typedef struct
{
  const int *size;
  double *sums;
} Sums;

static gsize
at (const Sums *self, int a0, int a1, int a2)
{
  return ((gsize) a0 * (gsize) (self->size[1] + 1) + (gsize) a1) * (gsize) (self->size[2] + 1)
         + (gsize) a2;
}

static void
sums_fill (Sums *self, const float *values)
{
  const int *s = self->size;

  for (int a0 = 0; a0 < s[0]; a0++)
    for (int a1 = 0; a1 < s[1]; a1++)
      {
        double row = 0;

        for (int a2 = 0; a2 < s[2]; a2++)
          {
            row += *values++;
            self->sums[at (self, a0 + 1, a1 + 1, a2 + 1)] =
                row + self->sums[at (self, a0, a1 + 1, a2 + 1)]
                + self->sums[at (self, a0 + 1, a1, a2 + 1)] - self->sums[at (self, a0, a1, a2 + 1)];
          }
      }
}

static double
sums_of_box (const Sums *self, const int lo[3], const int hi[3])
{
  double sum = 0;

  for (int corner = 0; corner < 8; corner++)
    {
      int a0 = (corner & 1) ? hi[0] : lo[0], a1 = (corner & 2) ? hi[1] : lo[1],
          a2 = (corner & 4) ? hi[2] : lo[2];
      int n_low = !(corner & 1) + !(corner & 2) + !(corner & 4);

      sum += (n_low % 2 == 0 ? 1 : -1) * self->sums[at (self, a0, a1, a2)];
    }
  return sum;
}

/* Half the side of the cube that holds as much as is predicted; a quarter of the scan without. */
static void
choose_sides (const guint8 *labels, const int size[3], const double spacing_mm[3], int side[3])
{
  gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2], n_foreground = 0;
  double side_mm;

  for (gsize v = 0; v < n; v++)
    n_foreground += labels[v] != 0;
  side_mm = cbrt ((double) n_foreground * spacing_mm[0] * spacing_mm[1] * spacing_mm[2]) / 2;
  for (int a = 0; a < 3; a++)
    {
      double wanted = n_foreground > 0 ? side_mm / spacing_mm[a] : size[a] / 4.0;

      side[a] = CLAMP ((int) lround (wanted), MIN (MIN_SIDE, size[a]), size[a]);
    }
}

static double
find_worst (const Sums *sums, const int side[3], ActiveRegion *worst)
{
  const int *s = sums->size;
  double best = 0;
  int lo[3], hi[3];

  for (lo[0] = 0; lo[0] + side[0] <= s[0]; lo[0]++)
    for (lo[1] = 0; lo[1] + side[1] <= s[1]; lo[1]++)
      for (lo[2] = 0; lo[2] + side[2] <= s[2]; lo[2]++)
        {
          double sum;

          for (int a = 0; a < 3; a++)
            hi[a] = lo[a] + side[a];
          sum = sums_of_box (sums, lo, hi);
          if (sum <= best)
            continue;
          best = sum;
          memcpy (worst->lo, lo, sizeof lo);
          memcpy (worst->hi, hi, sizeof hi);
        }
  return best;
}

/* Sum of @values in the box; with @clear they are taken out. */
static double
sum_box (const float *values, float *clear, const int size[3], const ActiveRegion *region)
{
  double sum = 0;

  for (int a0 = region->lo[0]; a0 < region->hi[0]; a0++)
    for (int a1 = region->lo[1]; a1 < region->hi[1]; a1++)
      for (int a2 = region->lo[2]; a2 < region->hi[2]; a2++)
        {
          gsize v = ((gsize) a0 * (gsize) size[1] + (gsize) a1) * (gsize) size[2] + (gsize) a2;

          if (values != NULL)
            sum += values[v];
          if (clear != NULL)
            clear[v] = 0;
        }
  return sum;
}

/* A box that overlaps an earlier one keeps what is left of it: shrunk away along the axis where
 * that costs least. */
static void
shrink (ActiveRegion *region, const GArray *earlier)
{
  for (guint e = 0; e < earlier->len; e++)
    {
      const ActiveRegion *other = &g_array_index (earlier, ActiveRegion, e);
      int best_axis = -1, best_cut = G_MAXINT;
      gboolean apart = FALSE, from_low = FALSE;

      for (int a = 0; a < 3; a++)
        {
          int low_cut = other->hi[a] - region->lo[a], high_cut = region->hi[a] - other->lo[a];

          apart = apart || low_cut <= 0 || high_cut <= 0;
          if (MIN (low_cut, high_cut) < best_cut)
            {
              best_cut = MIN (low_cut, high_cut);
              best_axis = a;
              from_low = low_cut < high_cut;
            }
        }
      if (apart)
        continue;
      if (from_low)
        region->lo[best_axis] = MIN (other->hi[best_axis], region->hi[best_axis]);
      else
        region->hi[best_axis] = MAX (other->lo[best_axis], region->lo[best_axis]);
    }
}

GArray *
active_regions_find (const float *teacher_student, const float *views, const guint8 *labels,
                     const int size[3], const double spacing_mm[3], int n_max, GError **error)
{
  gsize n = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  gsize n_sums = (gsize) (size[0] + 1) * (gsize) (size[1] + 1) * (gsize) (size[2] + 1);
  g_autofree float *left = volume_memory_try (n, sizeof *left, error);
  g_autofree double *memory =
      left != NULL ? volume_memory_try0 (n_sums, sizeof *memory, error) : NULL;
  Sums sums = { size, memory };
  GArray *found;
  const double voxel_mm3 = spacing_mm[0] * spacing_mm[1] * spacing_mm[2];
  double first = 0;
  int side[3];

  if (memory == NULL)
    return NULL;
  found = g_array_new (FALSE, FALSE, sizeof (ActiveRegion));
  for (gsize v = 0; v < n; v++)
    left[v] = MAX (teacher_student != NULL ? teacher_student[v] : 0, views != NULL ? views[v] : 0);
  choose_sides (labels, size, spacing_mm, side);
  while ((int) found->len < n_max)
    {
      ActiveRegion region = { 0 };
      double sum, by_teacher, by_views;

      sums_fill (&sums, left);
      sum = find_worst (&sums, side, &region);
      first = MAX (first, sum);
      if (sum <= 0 || sum < MIN_SHARE * first
          || sum < MIN_MEAN * (double) side[0] * side[1] * side[2])
        break;
      by_teacher = sum_box (teacher_student, left, size, &region);
      by_views = sum_box (views, NULL, size, &region);
      shrink (&region, found);
      region.disputed_mm3 = sum * voxel_mm3;
      region.teacher_share = by_teacher + by_views > 0 ? by_teacher / (by_teacher + by_views) : 0;
      if (region.lo[0] < region.hi[0] && region.lo[1] < region.hi[1] && region.lo[2] < region.hi[2])
        g_array_append_val (found, region);
    }
  return found;
}
