/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/distance.h"
#include "volume/memory.h"

/* One line of @n values @f (squared distances so far) at positions p·@step becomes the lower
 * envelope of the parabolas f[q] + (p − q)²·step². @apex and @from are room for n and n + 1 values.
 */
static void
transform_line (const float *f, int n, double step, float *out, gsize out_stride, int *apex,
                double *from)
{
  const double step2 = step * step;
  int n_parabolas = 0;

  for (int q = 0; q < n; q++)
    {
      double start = -G_MAXDOUBLE;

      if (f[q] == G_MAXFLOAT)
        continue;
      while (n_parabolas > 0)
        {
          int p = apex[n_parabolas - 1];

          start = ((double) f[q] - f[p] + step2 * ((double) q * q - (double) p * p))
                  / (2.0 * step2 * (q - p));
          if (start > from[n_parabolas - 1])
            break;
          n_parabolas--;
        }
      if (n_parabolas == 0)
        start = -G_MAXDOUBLE;
      apex[n_parabolas] = q;
      from[n_parabolas++] = start;
    }

  for (int p = 0, e = 0; p < n; p++)
    {
      double d;

      if (n_parabolas == 0)
        {
          out[p * out_stride] = G_MAXFLOAT;
          continue;
        }
      while (e + 1 < n_parabolas && from[e + 1] <= p)
        e++;
      d = step * (p - apex[e]);
      out[p * out_stride] = (float) (f[apex[e]] + d * d);
    }
}

gboolean
volume_distance_squared (const guint8 *mask, const int size[3], const double spacing[3], float *out,
                         GError **error)
{
  const gsize strides[3] = { 1, size[0], (gsize) size[0] * size[1] };
  const gsize n_voxels = (gsize) size[0] * size[1] * size[2];
  const int longest = MAX (size[0], MAX (size[1], size[2]));
  g_autofree float *line = volume_memory_try (longest, sizeof *line, error);
  g_autofree int *apex = NULL;
  g_autofree double *from = NULL;

  if (line == NULL)
    return FALSE;
  apex = volume_memory_try (longest, sizeof *apex, error);
  if (apex == NULL)
    return FALSE;
  from = volume_memory_try (longest, sizeof *from, error);
  if (from == NULL)
    return FALSE;
  for (gsize v = 0; v < n_voxels; v++)
    out[v] = mask[v] != 0 ? 0.0f : G_MAXFLOAT;

  for (int axis = 0; axis < 3; axis++)
    {
      const int b = (axis + 1) % 3, c = (axis + 2) % 3;

      if (size[axis] == 1)
        continue;
      for (int y = 0; y < size[c]; y++)
        for (int x = 0; x < size[b]; x++)
          {
            float *start = out + x * strides[b] + y * strides[c];

            for (int p = 0; p < size[axis]; p++)
              line[p] = start[p * strides[axis]];
            transform_line (line, size[axis], spacing[axis], start, strides[axis], apex, from);
          }
    }
  return TRUE;
}
