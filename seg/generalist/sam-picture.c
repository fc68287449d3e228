/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/sam-picture.h"

#include <math.h>
#include <string.h>

#define PRECISION_BITS 22

/* For each output pixel: the first input pixel and its weights, in fixed point. */
typedef struct
{
  int first;
  int n;
  gint32 *weights;
} Taps;

static Taps *
make_taps (int in, int out)
{
  const double scale = (double) in / out, filter_scale = MAX (scale, 1.0);
  const int most = (int) ceil (filter_scale) * 2 + 1;
  Taps *taps = g_malloc0 (sizeof (Taps) * out);
  g_autofree double *weights = g_new (double, most);

  for (int o = 0; o < out; o++)
    {
      const double centre = (o + 0.5) * scale;
      const int first = MAX ((int) (centre - filter_scale + 0.5), 0);
      const int end = MIN ((int) (centre + filter_scale + 0.5), in);
      double sum = 0;

      taps[o].first = first;
      taps[o].n = end - first;
      taps[o].weights = g_new (gint32, MAX (taps[o].n, 1));
      for (int t = 0; t < taps[o].n; t++)
        {
          weights[t] = MAX (0.0, 1 - fabs ((first + t - centre + 0.5) / filter_scale));
          sum += weights[t];
        }
      for (int t = 0; t < taps[o].n; t++)
        taps[o].weights[t] =
            (gint32) ((sum != 0 ? weights[t] / sum : weights[t]) * (1 << PRECISION_BITS) + 0.5);
    }
  return taps;
}

static void
free_taps (Taps *taps, int out)
{
  for (int o = 0; o < out; o++)
    g_free (taps[o].weights);
  g_free (taps);
}

/* @step: bytes between neighbours along the axis that is filtered. */
static guint8
weigh (const Taps *taps, const guint8 *line, gsize step)
{
  gint32 sum = 1 << (PRECISION_BITS - 1);

  for (int t = 0; t < taps->n; t++)
    sum += line[(taps->first + t) * step] * taps->weights[t];
  return (guint8) CLAMP (sum >> PRECISION_BITS, 0, 255);
}

void
seg_sam_resize_u8 (const guint8 *src, int width, int height, int channels, int new_width,
                   int new_height, guint8 *dst)
{
  g_autofree guint8 *between = NULL;
  const gsize new_row = (gsize) new_width * channels;

  if (new_width != width)
    {
      Taps *taps = make_taps (width, new_width);

      between = g_malloc (new_row * height);
      for (int y = 0; y < height; y++)
        for (int x = 0; x < new_width; x++)
          for (int c = 0; c < channels; c++)
            between[y * new_row + (gsize) x * channels + c] =
                weigh (&taps[x], src + (gsize) y * width * channels + c, channels);
      free_taps (taps, new_width);
      src = between;
    }
  if (new_height != height)
    {
      Taps *taps = make_taps (height, new_height);

      for (int y = 0; y < new_height; y++)
        for (gsize b = 0; b < new_row; b++)
          dst[y * new_row + b] = weigh (&taps[y], src + b, new_row);
      free_taps (taps, new_height);
    }
  else
    memcpy (dst, src, new_row * height);
}

void
seg_sam_frame_size (int width, int height, int frame, int *new_width, int *new_height)
{
  const double scale = (double) frame / MAX (width, height);

  *new_width = MAX ((int) (width * scale + 0.5), 1);
  *new_height = MAX ((int) (height * scale + 0.5), 1);
}

void
seg_sam_frame_init (SegSamFrame *self, SegSamLook look, int width, int height, int frame)
{
  self->look = look;
  self->width = width;
  self->height = height;
  self->frame = frame;
  if (look == SEG_SAM_LOOK_MEDSAM || look == SEG_SAM_LOOK_MED2D)
    self->new_width = self->new_height = frame;
  else
    seg_sam_frame_size (width, height, frame, &self->new_width, &self->new_height);
  self->scale_x = (double) self->new_width / width;
  self->scale_y = (double) self->new_height / height;
  /* LiteMedSAM scales by the ratio itself, not by the sides as rounded. */
  if (look == SEG_SAM_LOOK_LITE)
    self->scale_x = self->scale_y = (double) frame / MAX (width, height);
}

static void
resize_nearest (const guint8 *src, int width, int height, int new_width, int new_height,
                guint8 *dst)
{
  for (int y = 0; y < new_height; y++)
    for (int x = 0; x < new_width; x++)
      {
        const gsize from_y =
            MIN ((gsize) y * (gsize) height / (gsize) new_height, (gsize) height - 1);
        const gsize from_x = MIN ((gsize) x * (gsize) width / (gsize) new_width, (gsize) width - 1);

        for (int c = 0; c < 3; c++)
          *dst++ = src[(from_y * (gsize) width + from_x) * 3 + (gsize) c];
      }
}

void
seg_sam_frame_picture (const SegSamFrame *self, const guint8 *rgb, float *out)
{
  static const float mean[3] = { 123.675f, 116.28f, 103.53f };
  static const float deviation[3] = { 58.395f, 57.12f, 57.375f };
  const gsize n_pixels = (gsize) self->new_width * self->new_height;
  const gsize plane = (gsize) self->frame * self->frame;
  g_autofree guint8 *resized = g_malloc (n_pixels * 3);
  guint8 low = 0, high = 255;

  if (self->look == SEG_SAM_LOOK_MED2D)
    resize_nearest (rgb, self->width, self->height, self->new_width, self->new_height, resized);
  else if (self->look == SEG_SAM_LOOK_MEDSAM)
    seg_sam_resize_cubic_u8 (rgb, self->width, self->height, 3, self->new_width, self->new_height,
                             resized);
  else if (self->look == SEG_SAM_LOOK_LITE)
    seg_sam_resize_area_u8 (rgb, self->width, self->height, 3, self->new_width, self->new_height,
                            resized);
  else
    seg_sam_resize_u8 (rgb, self->width, self->height, 3, self->new_width, self->new_height,
                       resized);
  if (self->look == SEG_SAM_LOOK_MEDSAM || self->look == SEG_SAM_LOOK_LITE)
    {
      low = 255;
      high = 0;
      for (gsize b = 0; b < n_pixels * 3; b++)
        {
          low = MIN (low, resized[b]);
          high = MAX (high, resized[b]);
        }
    }

  memset (out, 0, 3 * plane * sizeof (float));
  for (int y = 0; y < self->new_height; y++)
    for (int x = 0; x < self->new_width; x++)
      for (int c = 0; c < 3; c++)
        {
          float value = resized[((gsize) y * self->new_width + x) * 3 + c];

          if (self->look == SEG_SAM_LOOK_STANDARD || self->look == SEG_SAM_LOOK_MED2D)
            value = (value - mean[c]) / deviation[c];
          else
            value = high > low ? (value - low) / (float) (high - low) : 0;
          out[c * plane + (gsize) y * self->frame + x] = value;
        }
}

void
seg_sam_frame_point (const SegSamFrame *self, const float xy[2], float out[2])
{
  out[0] = (float) (xy[0] * self->scale_x);
  out[1] = (float) (xy[1] * self->scale_y);
}

void
seg_sam_frame_corner (const SegSamFrame *self, const float xy[2], float out[2])
{
  seg_sam_frame_point (self, xy, out);
  for (int c = 0; c < 2; c++)
    if (self->look == SEG_SAM_LOOK_LITE)
      out[c] = truncf (out[c]);
}

void
seg_sam_bilinear (const float *src, int width, int height, gsize stride, int new_width,
                  int new_height, float *dst)
{
  const float scale_x = (float) width / (float) new_width;
  const float scale_y = (float) height / (float) new_height;
  g_autofree int *left = g_new (int, new_width);
  g_autofree float *part = g_new (float, new_width);

  for (int x = 0; x < new_width; x++)
    {
      float at = MAX ((x + 0.5f) * scale_x - 0.5f, 0);

      left[x] = MIN ((int) at, width - 1);
      part[x] = at - left[x];
    }
  for (int y = 0; y < new_height; y++)
    {
      const float at = MAX ((y + 0.5f) * scale_y - 0.5f, 0);
      const int top = MIN ((int) at, height - 1);
      const float *above = src + top * stride;
      const float *below = src + MIN (top + 1, height - 1) * stride;
      const float v = at - top;

      for (int x = 0; x < new_width; x++)
        {
          const int l = left[x], r = MIN (l + 1, width - 1);
          const float a = above[l] + part[x] * (above[r] - above[l]);
          const float b = below[l] + part[x] * (below[r] - below[l]);

          *dst++ = a + v * (b - a);
        }
    }
}

/* Both bilinear steps of one axis, low resolution → frame → picture, at once. */
typedef struct
{
  int from[4];
  float weight[4];
} TwoSteps;

static void
bilinear_taps (int at_pixel, double scale, int n, int from[2], float weight[2])
{
  const float at = MAX ((at_pixel + 0.5f) * (float) scale - 0.5f, 0);

  from[0] = MIN ((int) at, n - 1);
  from[1] = MIN (from[0] + 1, n - 1);
  weight[1] = at - from[0];
  weight[0] = 1 - weight[1];
}

static TwoSteps *
make_two_steps (int low_res, int frame, int in_frame, int n)
{
  TwoSteps *steps = g_new (TwoSteps, n);

  for (int x = 0; x < n; x++)
    {
      int between[2];
      float share[2];

      bilinear_taps (x, (double) in_frame / n, in_frame, between, share);
      for (int k = 0; k < 2; k++)
        {
          bilinear_taps (between[k], (double) low_res / frame, low_res, steps[x].from + 2 * k,
                         steps[x].weight + 2 * k);
          steps[x].weight[2 * k] *= share[k];
          steps[x].weight[2 * k + 1] *= share[k];
        }
    }
  return steps;
}

void
seg_sam_frame_logits (const SegSamFrame *self, const float *low_res, int side, float *out)
{
  g_autofree TwoSteps *across = NULL;
  g_autofree TwoSteps *down = NULL;
  g_autofree float *rows = NULL;

  if (self->look == SEG_SAM_LOOK_MEDSAM)
    {
      seg_sam_bilinear (low_res, side, side, side, self->width, self->height, out);
      return;
    }
  if (side == self->frame)
    {
      seg_sam_bilinear (low_res, self->new_width, self->new_height, side, self->width, self->height,
                        out);
      return;
    }
  across = make_two_steps (side, self->frame, self->new_width, self->width);
  down = make_two_steps (side, self->frame, self->new_height, self->height);
  rows = g_new (float, (gsize) side * self->width);
  for (int y = 0; y < side; y++)
    for (int x = 0; x < self->width; x++)
      {
        const TwoSteps *s = &across[x];
        const float *row = low_res + (gsize) y * side;

        rows[(gsize) y * self->width + x] =
            s->weight[0] * row[s->from[0]] + s->weight[1] * row[s->from[1]]
            + s->weight[2] * row[s->from[2]] + s->weight[3] * row[s->from[3]];
      }
  for (int y = 0; y < self->height; y++)
    {
      const float *const weight = down[y].weight;
      const float *const a = rows + (gsize) down[y].from[0] * self->width;
      const float *const b = rows + (gsize) down[y].from[1] * self->width;
      const float *const c = rows + (gsize) down[y].from[2] * self->width;
      const float *const d = rows + (gsize) down[y].from[3] * self->width;

      for (int x = 0; x < self->width; x++)
        out[x] = weight[0] * a[x] + weight[1] * b[x] + weight[2] * c[x] + weight[3] * d[x];
      out += self->width;
    }
}
