/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/infer/sliding-window.h"

#include <float.h>
#include <math.h>
#include <string.h>

void
seg_window_params_set_overlap (SegWindowParams *params, double overlap)
{
  for (int a = 0; a < 3; a++)
    params->stride[a] = MAX (1, (int) floor (params->patch[a] * (1 - overlap) + 0.5));
}

static int
count_starts (int size, int patch, int stride)
{
  return size <= patch ? 1 : (size - patch + stride - 1) / stride + 1;
}

int
seg_window_starts (int size, int patch, int stride, int *starts, int max)
{
  int n = count_starts (size, patch, stride);

  for (int k = 0; k < MIN (n, max); k++)
    starts[k] = size <= patch ? 0 : (int) MIN ((gint64) k * stride, size - patch);
  return n;
}

gsize
seg_window_count (const SegWindowParams *params)
{
  gsize n = 1;

  for (int a = 0; a < 3; a++)
    n *= (gsize) count_starts (params->size[a], params->patch[a], params->stride[a]);
  return n;
}

typedef int Position[3];

/* A run over one image. Sizes with `padded` are at least the patch; accumulators hold the rows of
 * axis 0 from first_row on, as many as a patch has. */
typedef struct
{
  const SegWindowParams *params;
  const float *image;
  int padded[3], low[3]; /* low: padding before the image */
  int *starts[3];
  int n_starts[3];
  gsize patch_voxels, row_voxels; /* row: padded[1] × padded[2] */
  float *weight; /* of a patch's voxels */
  float *sums; /* n_out × patch[0] × row */
  float *counts; /* patch[0] × row */
  int first_row;
  int batch;
  float *in, *out;
  Position *positions; /* of the windows in the batch */
  int n_waiting;
  gsize n_done, n_total;
  SegWindowFunc func;
  gpointer func_data;
  SegWindowSlabFunc slab;
  gpointer slab_data;
} Run;

static gboolean
allocate (float **out, gsize n, GError **error)
{
  gsize size_bytes;

  if (g_size_checked_mul (&size_bytes, n, sizeof (float)))
    *out = g_try_malloc0 (size_bytes);
  if (*out != NULL || n == 0)
    return TRUE;
  g_set_error (error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY,
               "No memory for %" G_GSIZE_FORMAT " values of a sliding window", n);
  return FALSE;
}

/* Separable Gaussian, 1 in the middle; never 0, so that every voxel has a weight. */
static void
make_weight (Run *run)
{
  const int *patch = run->params->patch;
  double sigma = run->params->gaussian_sigma > 0 ? run->params->gaussian_sigma : 0.125;
  gsize v = 0;

  for (int i = 0; i < patch[0]; i++)
    for (int j = 0; j < patch[1]; j++)
      for (int k = 0; k < patch[2]; k++, v++)
        {
          double at[3] = { i, j, k };
          double exponent = 0;

          if (run->params->weighting == SEG_WINDOW_GAUSSIAN)
            for (int a = 0; a < 3; a++)
              {
                double d = (at[a] - (patch[a] - 1) / 2.0) / (sigma * patch[a]);

                exponent -= d * d / 2;
              }
          run->weight[v] = MAX ((float) exp (exponent), FLT_MIN);
        }
}

/* Sizes whose products would not fit an integer are beyond any memory, too. */
static gboolean
is_thinkable (const SegWindowParams *p)
{
  double patch = (double) p->patch[0] * p->patch[1] * p->patch[2];
  double rows =
      (double) p->patch[0] * MAX (p->size[1], p->patch[1]) * MAX (p->size[2], p->patch[2]);

  return patch * MAX (p->n_in, p->n_out) * MAX (p->batch, 1) < 1e15 && rows * p->n_out < 1e15;
}

static gboolean
run_init (Run *run, GError **error)
{
  const SegWindowParams *p = run->params;

  if (!is_thinkable (p))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY,
                   "No memory for a sliding window of %d×%d×%d", p->patch[0], p->patch[1],
                   p->patch[2]);
      return FALSE;
    }

  run->patch_voxels = run->n_total = 1;
  for (int a = 0; a < 3; a++)
    {
      run->padded[a] = MAX (p->size[a], p->patch[a]);
      run->low[a] = (run->padded[a] - p->size[a]) / 2;
      run->n_starts[a] = count_starts (p->size[a], p->patch[a], p->stride[a]);
      run->starts[a] = g_new (int, run->n_starts[a]);
      seg_window_starts (p->size[a], p->patch[a], p->stride[a], run->starts[a], run->n_starts[a]);
      run->patch_voxels *= (gsize) p->patch[a];
    }
  run->n_total = seg_window_count (p);
  run->row_voxels = (gsize) run->padded[1] * (gsize) run->padded[2];
  run->batch = MAX (1, p->batch);
  run->positions = g_new (Position, run->batch);
  if (!allocate (&run->weight, run->patch_voxels, error)
      || !allocate (&run->in, run->patch_voxels * (gsize) (p->n_in * run->batch), error)
      || !allocate (&run->out, run->patch_voxels * (gsize) (p->n_out * run->batch), error)
      || !allocate (&run->counts, run->row_voxels * (gsize) p->patch[0], error)
      || !allocate (&run->sums, run->row_voxels * (gsize) (p->patch[0] * p->n_out), error))
    return FALSE;
  make_weight (run);
  return TRUE;
}

static void
run_clear (Run *run)
{
  for (int a = 0; a < 3; a++)
    g_free (run->starts[a]);
  g_free (run->weight);
  g_free (run->sums);
  g_free (run->counts);
  g_free (run->in);
  g_free (run->out);
  g_free (run->positions);
}

static void
gather_window (Run *run, const int start[3], float *dst)
{
  const SegWindowParams *p = run->params;
  gsize image_voxels = (gsize) p->size[0] * (gsize) p->size[1] * (gsize) p->size[2];
  int from2 = MAX (0, run->low[2] - start[2]);
  int to2 = MIN (p->patch[2], run->low[2] + p->size[2] - start[2]);

  memset (dst, 0, run->patch_voxels * (gsize) p->n_in * sizeof *dst);
  for (int c = 0; c < p->n_in; c++)
    for (int i = 0; i < p->patch[0]; i++)
      for (int j = 0; j < p->patch[1]; j++, dst += p->patch[2])
        {
          int x = start[0] + i - run->low[0], y = start[1] + j - run->low[1];
          const float *src;

          if (x < 0 || x >= p->size[0] || y < 0 || y >= p->size[1] || from2 >= to2)
            continue;
          src = run->image + (gsize) c * image_voxels
                + ((gsize) x * (gsize) p->size[1] + (gsize) y) * (gsize) p->size[2];
          memcpy (dst + from2, src + (start[2] + from2 - run->low[2]),
                  (gsize) (to2 - from2) * sizeof *dst);
        }
}

static void
add_window (Run *run, const int start[3], const float *values)
{
  const SegWindowParams *p = run->params;
  gsize channel = run->row_voxels * (gsize) p->patch[0];

  for (int c = -1; c < p->n_out; c++)
    {
      const float *weight = run->weight;
      float *into = c < 0 ? run->counts : run->sums + (gsize) c * channel;

      for (int i = 0; i < p->patch[0]; i++)
        for (int j = 0; j < p->patch[1]; j++, weight += p->patch[2])
          {
            float *row = into
                         + ((gsize) (start[0] + i - run->first_row) * (gsize) run->padded[1]
                            + (gsize) (start[1] + j))
                               * (gsize) run->padded[2]
                         + start[2];

            if (c < 0)
              for (int k = 0; k < p->patch[2]; k++)
                row[k] += weight[k];
            else
              {
                for (int k = 0; k < p->patch[2]; k++)
                  row[k] += weight[k] * values[k];
                values += p->patch[2];
              }
          }
    }
}

static gboolean
flush_batch (Run *run, GError **error)
{
  gsize out_voxels = run->patch_voxels * (gsize) run->params->n_out;

  if (run->n_waiting == 0)
    return TRUE;
  if (!run->func (run->in, run->n_waiting, run->out, run->n_done, run->n_total, run->func_data,
                  error))
    return FALSE;
  for (int b = 0; b < run->n_waiting; b++)
    add_window (run, run->positions[b], run->out + (gsize) b * out_voxels);
  run->n_done += (gsize) run->n_waiting;
  run->n_waiting = 0;
  return TRUE;
}

/* Rows first_row … until − 1 (padded) are final: hands out those of the image and moves on. */
static gboolean
emit_rows (Run *run, int until, GError **error)
{
  const SegWindowParams *p = run->params;
  int from = MAX (run->first_row, run->low[0]);
  int to = MIN (until, run->low[0] + p->size[0]);
  gsize channel = run->row_voxels * (gsize) p->patch[0];
  gsize n_row = (gsize) p->size[1] * (gsize) p->size[2];
  g_autofree float *slab = NULL;
  float *dst;
  gboolean ok = TRUE;

  if (to > from)
    {
      if (!allocate (&slab, (gsize) p->n_out * (gsize) (to - from) * n_row, error))
        return FALSE;
      dst = slab;
      for (int c = 0; c < p->n_out; c++)
        for (int x = from; x < to; x++)
          for (int y = 0; y < p->size[1]; y++, dst += p->size[2])
            {
              gsize at = (gsize) (x - run->first_row) * run->row_voxels
                         + (gsize) (y + run->low[1]) * (gsize) run->padded[2] + (gsize) run->low[2];
              const float *sums = run->sums + (gsize) c * channel + at;
              const float *counts = run->counts + at;

              for (int z = 0; z < p->size[2]; z++)
                dst[z] = sums[z] / counts[z];
            }
      ok = run->slab (slab, from - run->low[0], to - from, run->slab_data, error);
    }
  for (int c = -1; c < p->n_out; c++)
    {
      float *rows = c < 0 ? run->counts : run->sums + (gsize) c * channel;
      gsize gone = MIN ((gsize) (until - run->first_row) * run->row_voxels, channel);

      memmove (rows, rows + gone, (channel - gone) * sizeof *rows);
      memset (rows + (channel - gone), 0, gone * sizeof *rows);
    }
  run->first_row = until;
  return ok;
}

static gboolean
run_all (Run *run, GError **error)
{
  const SegWindowParams *p = run->params;

  for (int i = 0; i < run->n_starts[0]; i++)
    {
      if (i > 0 && !emit_rows (run, run->starts[0][i], error))
        return FALSE;
      for (int j = 0; j < run->n_starts[1]; j++)
        for (int k = 0; k < run->n_starts[2]; k++)
          {
            int start[3] = { run->starts[0][i], run->starts[1][j], run->starts[2][k] };

            memcpy (run->positions[run->n_waiting], start, sizeof start);
            gather_window (run, start,
                           run->in + (gsize) run->n_waiting * run->patch_voxels * (gsize) p->n_in);
            if (++run->n_waiting == run->batch && !flush_batch (run, error))
              return FALSE;
          }
      if (!flush_batch (run, error))
        return FALSE;
    }
  return emit_rows (run, run->padded[0], error);
}

gboolean
seg_window_run (const SegWindowParams *params, const float *image, SegWindowFunc func,
                gpointer func_data, SegWindowSlabFunc slab, gpointer slab_data, GError **error)
{
  Run run = { .params = params,
              .image = image,
              .func = func,
              .func_data = func_data,
              .slab = slab,
              .slab_data = slab_data };
  gboolean ok;

  for (int a = 0; a < 3; a++)
    g_return_val_if_fail (params->size[a] >= 1 && params->patch[a] >= 1 && params->stride[a] >= 1
                              && params->stride[a] <= params->patch[a],
                          FALSE);
  g_return_val_if_fail (params->n_in >= 1 && params->n_out >= 1, FALSE);
  ok = run_init (&run, error) && run_all (&run, error);
  run_clear (&run);
  return ok;
}

/* --- ready-made slabs ----------------------------------------------------------------------- */

typedef struct
{
  const SegWindowParams *params;
  gpointer out;
} Gather;

static gboolean
average_slab_cb (const float *values, int first_row, int n_rows, gpointer user_data, GError **error)
{
  const Gather *gather = user_data;
  const SegWindowParams *p = gather->params;
  gsize row = (gsize) p->size[1] * (gsize) p->size[2];
  gsize n = (gsize) n_rows * row;

  for (int c = 0; c < p->n_out; c++)
    memcpy ((float *) gather->out + ((gsize) c * (gsize) p->size[0] + (gsize) first_row) * row,
            values + (gsize) c * n, n * sizeof (float));
  return TRUE;
}

static gboolean
argmax_slab_cb (const float *values, int first_row, int n_rows, gpointer user_data, GError **error)
{
  const Gather *gather = user_data;
  const SegWindowParams *p = gather->params;
  gsize row = (gsize) p->size[1] * (gsize) p->size[2];
  gsize n = (gsize) n_rows * row;
  guint8 *labels = (guint8 *) gather->out + (gsize) first_row * row;

  for (gsize v = 0; v < n; v++)
    {
      int best = 0;

      for (int c = 1; c < p->n_out; c++)
        if (values[(gsize) c * n + v] > values[(gsize) best * n + v])
          best = c;
      labels[v] = (guint8) best;
    }
  return TRUE;
}

gboolean
seg_window_run_average (const SegWindowParams *params, const float *image, SegWindowFunc func,
                        gpointer user_data, float *out, GError **error)
{
  Gather gather = { params, out };

  return seg_window_run (params, image, func, user_data, average_slab_cb, &gather, error);
}

gboolean
seg_window_run_argmax (const SegWindowParams *params, const float *image, SegWindowFunc func,
                       gpointer user_data, guint8 *labels, GError **error)
{
  Gather gather = { params, labels };

  g_return_val_if_fail (params->n_out <= 256, FALSE);
  return seg_window_run (params, image, func, user_data, argmax_slab_cb, &gather, error);
}
