/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/clicks.h"

#include <string.h>

/* Lower envelope of parabolas (Felzenszwalb and Huttenlocher 2012), one line of @n + 2 samples
 * whose two ends are the outside. */
static void
distance_line (const float *f, int n, float *d, int *v, float *z)
{
  int k = 0;

  v[0] = 0;
  z[0] = -1e20f;
  z[1] = 1e20f;
  for (int q = 1; q < n; q++)
    {
      float s;
      do
        s = ((f[q] + (float) (q * q)) - (f[v[k]] + (float) (v[k] * v[k])))
            / (float) (2 * (q - v[k]));
      while (s <= z[k] && --k >= 0);
      v[++k] = q;
      z[k] = s;
      z[k + 1] = 1e20f;
    }
  for (int q = 0, i = 0; q < n; q++)
    {
      while (z[i + 1] < (float) q)
        i++;
      d[q] = (float) ((q - v[i]) * (q - v[i])) + f[v[i]];
    }
}

void
seg_distance_inside (const guint8 *mask, int width, int height, float *distance)
{
  const int longest = MAX (width, height) + 2;
  g_autofree float *f = g_new (float, longest);
  g_autofree float *d = g_new (float, longest);
  g_autofree float *z = g_new (float, longest + 1);
  g_autofree int *v = g_new (int, longest);
  const float far = 1e10f;

  f[0] = 0;
  for (int x = 0; x < width; x++)
    {
      for (int y = 0; y < height; y++)
        f[y + 1] = mask[(gsize) y * width + x] ? far : 0;
      f[height + 1] = 0;
      distance_line (f, height + 2, d, v, z);
      for (int y = 0; y < height; y++)
        distance[(gsize) y * width + x] = d[y + 1];
    }
  for (int y = 0; y < height; y++)
    {
      float *row = distance + (gsize) y * width;

      f[0] = f[width + 1] = 0;
      memcpy (f + 1, row, sizeof (float) * (gsize) width);
      distance_line (f, width + 2, d, v, z);
      for (int x = 0; x < width; x++)
        row[x] = sqrtf (d[x + 1]);
    }
}

GArray *
seg_label_parts (const guint8 *mask, int width, int height, gint32 *labels)
{
  const gsize n_pixels = (gsize) width * (gsize) height;
  g_autofree gint32 *stack = g_new (gint32, n_pixels);
  GArray *sizes = g_array_new (FALSE, TRUE, sizeof (guint));
  guint none = 0;

  g_array_append_val (sizes, none);
  memset (labels, 0, sizeof (gint32) * n_pixels);
  for (gsize start = 0; start < n_pixels; start++)
    if (mask[start] && labels[start] == 0)
      {
        const gint32 label = (gint32) sizes->len;
        gsize top = 0;
        guint n = 0;

        labels[start] = label;
        stack[top++] = (gint32) start;
        while (top > 0)
          {
            const gint32 p = stack[--top];
            const int x = p % width, y = p / width;

            n++;
#define VISIT(inside, q)                                                                           \
  if ((inside) && mask[q] && labels[q] == 0)                                                       \
  labels[q] = label, stack[top++] = (q)
            VISIT (x > 0, p - 1);
            VISIT (x + 1 < width, p + 1);
            VISIT (y > 0, p - width);
            VISIT (y + 1 < height, p + width);
#undef VISIT
          }
        g_array_append_val (sizes, n);
      }
  return sizes;
}

gboolean
seg_click_next (const guint8 *truth, const guint8 *answer, int width, int height, SegDraw *draw,
                SegClick *click)
{
  const gsize n_pixels = (gsize) width * (gsize) height;
  g_autofree guint8 *wrong = g_new (guint8, n_pixels);
  g_autofree gint32 *labels = g_new (gint32, n_pixels);
  g_autofree float *depth = g_new (float, n_pixels);
  guint best_size = 0;
  gint32 best_label = 0;
  gboolean best_positive = TRUE;
  gsize best = 0;
  float best_depth = -1;

  for (int missing = 1; missing >= (answer != NULL ? 0 : 1); missing--)
    {
      g_autoptr (GArray) sizes = NULL;

      for (gsize p = 0; p < n_pixels; p++)
        wrong[p] = missing ? truth[p] && !(answer && answer[p]) : !truth[p] && answer[p];
      sizes = seg_label_parts (wrong, width, height, labels);
      for (guint l = 1; l < sizes->len; l++)
        if (g_array_index (sizes, guint, l) > best_size)
          {
            best_size = g_array_index (sizes, guint, l);
            best_label = (gint32) l;
            best_positive = missing;
          }
    }
  if (best_size == 0)
    return FALSE;

  for (gsize p = 0; p < n_pixels; p++)
    wrong[p] = best_positive ? truth[p] && !(answer && answer[p]) : !truth[p] && answer[p];
  g_array_unref (seg_label_parts (wrong, width, height, labels));
  for (gsize p = 0; p < n_pixels; p++)
    wrong[p] = labels[p] == best_label;
  seg_distance_inside (wrong, width, height, depth);
  if (draw != NULL)
    {
      float deepest = 0;
      for (gsize p = 0; p < n_pixels; p++)
        deepest = MAX (deepest, depth[p]);
      /* Uniform over the part where the depth is above a random share of the deepest. */
      const float least = deepest * seg_draw_range (draw, 0.0f, 0.85f);
      for (gsize p = 0; p < n_pixels; p++)
        if (wrong[p] && depth[p] >= least)
          {
            const float score = seg_draw_unit (draw);
            if (score > best_depth)
              best_depth = score, best = p;
          }
    }
  else
    for (gsize p = 0; p < n_pixels; p++)
      if (depth[p] > best_depth)
        best_depth = depth[p], best = p;
  *click = (SegClick){ (int) (best % (gsize) width), (int) (best / (gsize) width), best_positive };
  return TRUE;
}

void
seg_box_around (const guint8 *truth, int width, int height, float jitter, SegDraw *draw,
                float box[4])
{
  int lo_x = width, lo_y = height, hi_x = -1, hi_y = -1;

  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      if (truth[(gsize) y * width + x])
        {
          lo_x = MIN (lo_x, x), hi_x = MAX (hi_x, x);
          lo_y = MIN (lo_y, y), hi_y = MAX (hi_y, y);
        }
  if (hi_x < 0)
    lo_x = lo_y = 0, hi_x = width - 1, hi_y = height - 1;
  box[0] = (float) lo_x, box[1] = (float) lo_y, box[2] = (float) hi_x, box[3] = (float) hi_y;
  if (draw != NULL)
    {
      const float dx = jitter * (box[2] - box[0] + 1), dy = jitter * (box[3] - box[1] + 1);
      for (int c = 0; c < 4; c++)
        box[c] += seg_draw_range (draw, -1, 1) * (c % 2 ? dy : dx);
    }
  for (int c = 0; c < 4; c++)
    box[c] = CLAMP (box[c], 0.0f, (float) ((c % 2 ? height : width) - 1));
}

double
seg_mask_dice (const guint8 *a, const guint8 *b, gsize n)
{
  gsize both = 0, sum = 0;

  for (gsize p = 0; p < n; p++)
    {
      both += a[p] && b[p];
      sum += (a[p] != 0) + (b[p] != 0);
    }
  return sum == 0 ? 1.0 : 2.0 * (double) both / (double) sum;
}
