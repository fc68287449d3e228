/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/refresh.h"

#include <math.h>
#include <string.h>

/* Longest side of the slices that the released jitter was made for, about. */
#define JITTER_SLICE 160
/* Of the largest component's size, from which another is no speck. */
#define COMPONENT_SHARE 0.25

typedef struct
{
  const SegRefreshParams *params;
  SegGeneralist *generalist;
  const float *image;
  int size[3];
  gsize N;
  int K;
  float *q;
  guint8 *z;
  guint8 **masks; /* 3 (K − 1) volumes */
  SegRefreshReport *report;
} Refresh;

static SegPicture *
cut_picture (const Refresh *self, const SegSliceView *view)
{
  SegPicture *picture = seg_picture_new (view->columns, view->rows, 1);
  float lo = INFINITY, hi = -INFINITY;

  for (int y = 0; y < view->rows; y++)
    for (int x = 0; x < view->columns; x++)
      {
        float value = self->image[view->start + (gsize) y * view->row_stride
                                  + (gsize) x * view->column_stride];

        picture->pixels[(gsize) y * (gsize) view->columns + (gsize) x] = value;
        lo = MIN (lo, value);
        hi = MAX (hi, value);
      }
  /* Grey between the slice's own extremes (gm-abs 5.4). */
  picture->low = lo;
  picture->high = hi;
  return picture;
}

static SegPrompt *
to_prompt (const SegSlicePrompt *found, const SegSliceView *view)
{
  SegPrompt *prompt = seg_prompt_new ();

  for (int n = 0; n < found->n_positive; n++)
    seg_prompt_add_point (prompt, found->positive[n][0], found->positive[n][1], TRUE);
  for (int n = 0; n < found->n_negative; n++)
    seg_prompt_add_point (prompt, found->negative[n][0], found->negative[n][1], FALSE);
  /* The paper's box may touch the slice's far edge, where there is no pixel centre. */
  seg_prompt_set_box (prompt, found->box[0], found->box[1],
                      MIN (found->box[2], (float) (view->columns - 1)),
                      MIN (found->box[3], (float) (view->rows - 1)));
  return prompt;
}

static gboolean
ask (Refresh *self, SegEmbedding *embedding, const SegSlicePrompt *found, const SegSliceView *view,
     guint8 *mask, GError **error)
{
  g_autoptr (SegPrompt) prompt = to_prompt (found, view);
  g_autoptr (SegAnswer) answer =
      seg_generalist_answer (self->generalist, embedding, prompt, self->params->multimask, error);
  const float *logits;

  if (answer == NULL)
    return FALSE;
  self->report->n_asked++;
  logits = answer->logits[0];
  for (int y = 0; y < view->rows; y++)
    for (int x = 0; x < view->columns; x++)
      mask[view->start + (gsize) y * view->row_stride + (gsize) x * view->column_stride] =
          *logits++ > 0;
  return TRUE;
}

/* Never one that is there already: the slices of a scan stay the same from refresh to refresh. */
static SegEmbedding *
embed (Refresh *self, const SegSliceView *view, GError **error)
{
  SegEmbeddingCache *cache = self->params->cache;
  g_autoptr (SegPicture) picture = cut_picture (self, view);
  g_autoptr (GError) local = NULL;
  SegEmbedding *embedding =
      cache != NULL ? seg_embedding_cache_get (cache, self->generalist, picture) : NULL;

  if (embedding != NULL)
    {
      self->report->n_cached++;
      return embedding;
    }
  embedding = seg_generalist_encode (self->generalist, picture, error);
  if (embedding == NULL)
    return NULL;
  self->report->n_encoded++;
  if (cache != NULL
      && !seg_embedding_cache_put (cache, self->generalist, picture, embedding, &local))
    g_message ("an embedding could not be kept and will be made again: %s", local->message);
  return embedding;
}

/* How far each side of the box may be moved outward. */
static int
jitter_of (const Refresh *self, const SegSliceView *view)
{
  if (!self->params->clean)
    return SEG_SELF_PROMPT_JITTER;
  return MIN (SEG_SELF_PROMPT_JITTER * MAX (view->rows, view->columns) / JITTER_SLICE,
              SEG_SELF_PROMPT_JITTER);
}

static gboolean
refresh_slice (Refresh *self, int axis, int index, GError **error)
{
  g_autoptr (SegEmbedding) embedding = NULL;
  SegSliceView view;

  seg_slice_view_init (&view, self->size, axis, index);
  self->report->n_slices++;
  for (int k = 1; k < self->K; k++)
    {
      SegSlicePrompt found;
      guint64 seed = seg_hash4 ((guint64) self->params->scan, (guint64) axis, (guint64) index,
                                (guint64) self->params->refresh * 64 + (guint64) k);

      seg_slice_prompt (self->z, self->q, self->size, k, axis, index, jitter_of (self, &view), seed,
                        &found);
      if (!found.has_prompt)
        continue;
      if (embedding == NULL)
        embedding = embed (self, &view, error);
      if (embedding == NULL)
        return FALSE;
      if (!ask (self, embedding, &found, &view, self->masks[axis * (self->K - 1) + k - 1], error))
        return FALSE;
    }
  return TRUE;
}

/* A slice that was passed over takes the answer of the nearest one that was visited, within the
 * extent in which the prototype label is found at all. */
static void
fill_between (Refresh *self, int axis, int index, int from)
{
  SegSliceView src, dst;

  seg_slice_view_init (&src, self->size, axis, from);
  seg_slice_view_init (&dst, self->size, axis, index);
  for (int k = 1; k < self->K; k++)
    {
      guint8 *mask = self->masks[axis * (self->K - 1) + k - 1];
      gboolean any = FALSE;

      for (int y = 0; y < dst.rows && !any; y++)
        for (int x = 0; x < dst.columns && !any; x++)
          any =
              self->z[dst.start + (gsize) y * dst.row_stride + (gsize) x * dst.column_stride] == k;
      for (int y = 0; y < dst.rows && any; y++)
        for (int x = 0; x < dst.columns; x++)
          mask[dst.start + (gsize) y * dst.row_stride + (gsize) x * dst.column_stride] =
              mask[src.start + (gsize) y * src.row_stride + (gsize) x * src.column_stride];
    }
}

static gboolean
refresh_axis (Refresh *self, int axis, SegRefreshTick tick, gpointer data, GError **error)
{
  int step = MAX (self->params->slice_step, 1);
  int n = self->size[axis];
  int last = (n - 1) / step * step;

  for (int index = 0; index < n; index += step)
    {
      if (!refresh_slice (self, axis, index, error))
        return FALSE;
      if (tick != NULL && !tick ((axis + (double) (index + 1) / n) / 3, data))
        {
          g_set_error_literal (error, SEG_ERROR, SEG_ERROR_CANCELLED, "stopped");
          return FALSE;
        }
    }
  for (int index = 0; index < n; index++)
    if (index % step != 0)
      fill_between (self, axis, index, MIN ((index + step / 2) / step * step, last));
  return TRUE;
}

/* z stays where the network's own answer is the same class. */
static void
where_both_say_so (guint8 *z, const float *p, gsize N, int K)
{
  for (gsize v = 0; v < N; v++)
    for (int k = 0; k < K && z[v] != 0; k++)
      if (p[(gsize) k * N + v] > p[z[v] * N + v])
        z[v] = 0;
}

gboolean
seg_refresh_scan (const SegRefreshParams *params, SegGeneralist *generalist, const float *image,
                  const int size[3], const float *probabilities, int K, const float *features,
                  int C, SegRefreshTick tick, gpointer user_data, guint8 *labels,
                  SegRefreshReport *report, GError **error)
{
  gsize N = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  g_autofree float *prototypes = g_new (float, (gsize) K *(gsize) C);
  g_autofree float *q = g_new (float, (gsize) K *N);
  g_autofree guint8 *z = g_new (guint8, N);
  g_autoptr (GPtrArray) masks = g_ptr_array_new_with_free_func (g_free);
  gint64 start = g_get_monotonic_time ();
  Refresh self = { .params = params,
                   .generalist = generalist,
                   .image = image,
                   .size = { size[0], size[1], size[2] },
                   .N = N,
                   .K = K,
                   .q = q,
                   .z = z,
                   .report = report };

  *report = (SegRefreshReport){ 0 };
  for (int m = 0; m < 3 * (K - 1); m++)
    g_ptr_array_add (masks, g_malloc0 (N));
  self.masks = (guint8 **) masks->pdata;
  seg_prototypes (features, probabilities, N, C, K, prototypes);
  seg_similarity (features, prototypes, N, C, K, q, z);
  if (params->clean)
    {
      where_both_say_so (z, probabilities, N, K);
      seg_keep_components (z, size, K, COMPONENT_SHARE);
    }
  for (int axis = 0; axis < 3; axis++)
    if (!refresh_axis (&self, axis, tick, user_data, error))
      return FALSE;
  seg_vote ((const guint8 *const *) masks->pdata, q, N, K, params->n_votes, labels);
  for (gsize v = 0; v < N; v++)
    report->n_foreground += labels[v] != 0;
  report->seconds = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  return TRUE;
}
