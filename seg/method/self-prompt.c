/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/self-prompt.h"

#include <math.h>
#include <string.h>

#define BLOCK 512 /* voxels worked on together, so that the planes are read in runs */

static inline int
argmax (const float *p, int K, gsize N)
{
  int best = 0;

  for (int k = 1; k < K; k++)
    if (p[(gsize) k * N] > p[(gsize) best * N])
      best = k;
  return best;
}

guint64
seg_hash4 (guint64 a, guint64 b, guint64 c, guint64 d)
{
  const guint64 words[4] = { a, b, c, d };
  guint64 h = 0x9e3779b97f4a7c15u;

  /* splitmix64's finaliser after each word. */
  for (int w = 0; w < 4; w++)
    {
      h += words[w] + 0x9e3779b97f4a7c15u;
      h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
      h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
      h ^= h >> 31;
    }
  return h;
}

void
seg_prototypes (const float *features, const float *probabilities, gsize N, int C, int K,
                float *prototypes)
{
  g_autofree double *sum = g_new0 (double, (gsize) K *(gsize) C);
  g_autofree double *weight = g_new0 (double, (gsize) K);
  guint8 guess[BLOCK];
  float p[BLOCK];

  for (gsize first = 0; first < N; first += BLOCK)
    {
      gsize n = MIN (BLOCK, N - first);

      for (gsize v = 0; v < n; v++)
        {
          guess[v] = (guint8) argmax (probabilities + first + v, K, N);
          p[v] = probabilities[guess[v] * N + first + v];
          weight[guess[v]] += p[v];
        }
      for (int c = 0; c < C; c++)
        for (gsize v = 0; v < n; v++)
          sum[guess[v] * C + c] += (double) features[(gsize) c * N + first + v] * p[v];
    }
  for (int k = 0; k < K; k++)
    for (int c = 0; c < C; c++)
      prototypes[k * C + c] = (float) (sum[k * C + c] / (weight[k] + 1e-5));
}

static inline void
softmax_block (float *q, gsize N, int K, gsize n)
{
  for (gsize v = 0; v < n; v++)
    {
      float most = -INFINITY, total = 0;

      for (int k = 0; k < K; k++)
        most = MAX (most, q[(gsize) k * N + v]);
      for (int k = 0; k < K; k++)
        total += q[(gsize) k * N + v] = expf (q[(gsize) k * N + v] - most);
      for (int k = 0; k < K; k++)
        q[(gsize) k * N + v] /= total;
    }
}

void
seg_similarity (const float *features, const float *prototypes, gsize N, int C, int K, float *q,
                guint8 *z)
{
  g_autofree float *norm = g_new (float, (gsize) K);
  float length[BLOCK];

  for (int k = 0; k < K; k++)
    {
      float square = 0;

      for (int c = 0; c < C; c++)
        square += prototypes[k * C + c] * prototypes[k * C + c];
      norm[k] = MAX (sqrtf (square), 1e-8f);
    }
  for (gsize first = 0; first < N; first += BLOCK)
    {
      gsize n = MIN (BLOCK, N - first);

      memset (length, 0, sizeof length);
      for (int k = 0; k < K; k++)
        memset (q + (gsize) k * N + first, 0, n * sizeof *q);
      for (int c = 0; c < C; c++)
        {
          const float *f = features + (gsize) c * N + first;

          for (gsize v = 0; v < n; v++)
            length[v] += f[v] * f[v];
          for (int k = 0; k < K; k++)
            for (gsize v = 0; v < n; v++)
              q[(gsize) k * N + first + v] += f[v] * prototypes[k * C + c];
        }
      for (gsize v = 0; v < n; v++)
        length[v] = SEG_SELF_PROMPT_SCALE / MAX (sqrtf (length[v]), 1e-8f);
      for (int k = 0; k < K; k++)
        for (gsize v = 0; v < n; v++)
          q[(gsize) k * N + first + v] *= length[v] / norm[k];
      softmax_block (q + first, N, K, n);
      for (gsize v = 0; v < n; v++)
        z[first + v] = (guint8) argmax (q + first + v, K, N);
    }
}

void
seg_slice_view_init (SegSliceView *self, const int size[3], int axis, int index)
{
  const gsize strides[3] = { (gsize) size[1] * (gsize) size[2], (gsize) size[2], 1 };
  int lower = axis == 0 ? 1 : 0;
  int higher = axis == 2 ? 1 : 2;

  self->rows = size[lower];
  self->columns = size[higher];
  self->start = (gsize) index * strides[axis];
  self->row_stride = strides[lower];
  self->column_stride = strides[higher];
}

void
seg_slice_to_grey (const float *image, const SegSliceView *view, guint8 *grey)
{
  float lo = INFINITY, hi = -INFINITY;

  for (int y = 0; y < view->rows; y++)
    for (int x = 0; x < view->columns; x++)
      {
        float value =
            image[view->start + (gsize) y * view->row_stride + (gsize) x * view->column_stride];

        lo = MIN (lo, value);
        hi = MAX (hi, value);
      }
  for (int y = 0; y < view->rows; y++)
    for (int x = 0; x < view->columns; x++)
      {
        float value =
            image[view->start + (gsize) y * view->row_stride + (gsize) x * view->column_stride];

        *grey++ = hi > lo ? (guint8) ((value - lo) / (hi - lo) * 255.0f) : 0;
      }
}

/* Uniform 0 … @most. */
static int
draw_jitter (guint64 *state, int most)
{
  *state = seg_hash4 (*state, 0, 0, 0);
  return (int) ((*state >> 32) * (guint64) (most + 1) >> 32);
}

static void
set_box (SegSlicePrompt *prompt, const int extent[4], const SegSliceView *view, int jitter,
         guint64 seed)
{
  int x_min = extent[0] - draw_jitter (&seed, jitter);
  int x_max = extent[2] + draw_jitter (&seed, jitter);
  int y_min = extent[1] - draw_jitter (&seed, jitter);
  int y_max = extent[3] + draw_jitter (&seed, jitter);

  prompt->box[0] = (float) CLAMP (x_min, 0, view->columns);
  prompt->box[1] = (float) CLAMP (y_min, 0, view->rows);
  prompt->box[2] = (float) CLAMP (x_max, 0, view->columns);
  prompt->box[3] = (float) CLAMP (y_max, 0, view->rows);
}

typedef struct
{
  float q;
  int x, y;
} Ranked;

/* Keeps the @n_kept best of what is offered, best first; an equal one that comes later is worse. */
static void
offer (Ranked *kept, int *n_kept, int capacity, Ranked candidate)
{
  int at = *n_kept;

  while (at > 0 && candidate.q > kept[at - 1].q)
    at--;
  if (at == capacity)
    return;
  *n_kept = MIN (*n_kept + 1, capacity);
  memmove (kept + at + 1, kept + at, (gsize) (*n_kept - at - 1) * sizeof *kept);
  kept[at] = candidate;
}

void
seg_slice_prompt (const guint8 *z, const float *q, const int size[3], int k, int axis, int index,
                  int jitter, guint64 seed, SegSlicePrompt *prompt)
{
  SegSliceView view;
  Ranked best[SEG_SELF_PROMPT_POINTS], worst[1];
  int n_best = 0, n_worst = 0;
  int extent[4] = { G_MAXINT, G_MAXINT, -1, -1 };
  gsize n_inside = 0;

  *prompt = (SegSlicePrompt){ 0 };
  seg_slice_view_init (&view, size, axis, index);
  q += (gsize) k * (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  for (int y = 0; y < view.rows; y++)
    for (int x = 0; x < view.columns; x++)
      {
        gsize v = view.start + (gsize) y * view.row_stride + (gsize) x * view.column_stride;
        float q_k = q[v];

        if (z[v] != k)
          {
            offer (worst, &n_worst, 1, (Ranked){ -q_k, x, y });
            continue;
          }
        offer (best, &n_best, SEG_SELF_PROMPT_POINTS, (Ranked){ q_k, x, y });
        n_inside++;
        extent[0] = MIN (extent[0], x);
        extent[1] = MIN (extent[1], y);
        extent[2] = MAX (extent[2], x);
        extent[3] = MAX (extent[3], y);
      }
  if (n_inside == 0 || n_inside == (gsize) view.rows * (gsize) view.columns)
    return;

  prompt->has_prompt = TRUE;
  set_box (prompt, extent, &view, jitter, seed);
  if (n_inside <= SEG_SELF_PROMPT_POINTS)
    return;
  prompt->n_positive = n_best;
  for (int n = 0; n < n_best; n++)
    {
      prompt->positive[n][0] = (float) best[n].x;
      prompt->positive[n][1] = (float) best[n].y;
    }
  prompt->n_negative = 1;
  prompt->negative[0][0] = (float) worst[0].x;
  prompt->negative[0][1] = (float) worst[0].y;
}

/* The component of @from gets the number @number in @component; its size. */
static gsize
flood (const guint8 *z, const int size[3], gsize from, guint32 number, guint32 *component,
       gsize *stack)
{
  const gsize strides[3] = { (gsize) size[1] * (gsize) size[2], (gsize) size[2], 1 };
  gsize n_stack = 0, n = 0;

  stack[n_stack++] = from;
  component[from] = number;
  while (n_stack > 0)
    {
      gsize v = stack[--n_stack];

      n++;
      for (int a = 0; a < 3; a++)
        {
          int at = (int) (v / strides[a] % (gsize) size[a]);

          for (int side = -1; side <= 1; side += 2)
            {
              gsize next = side < 0 ? v - strides[a] : v + strides[a];

              if (at + side < 0 || at + side >= size[a] || component[next] != 0
                  || z[next] != z[from])
                continue;
              component[next] = number;
              stack[n_stack++] = next;
            }
        }
    }
  return n;
}

void
seg_keep_components (guint8 *z, const int size[3], int K, double share)
{
  gsize N = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  g_autofree guint32 *component = g_new0 (guint32, N);
  g_autofree gsize *stack = g_new (gsize, N);
  g_autofree gsize *largest = g_new0 (gsize, K);
  g_autoptr (GArray) sizes = g_array_new (FALSE, FALSE, sizeof (gsize));

  for (gsize v = 0; v < N; v++)
    if (z[v] != 0 && component[v] == 0)
      {
        gsize n = flood (z, size, v, sizes->len + 1, component, stack);

        g_array_append_val (sizes, n);
        largest[z[v]] = MAX (largest[z[v]], n);
      }
  for (gsize v = 0; v < N; v++)
    if (z[v] != 0
        && (double) g_array_index (sizes, gsize, component[v] - 1) < share * (double) largest[z[v]])
      z[v] = 0;
}

void
seg_vote (const guint8 *const *masks, const float *q, gsize N, int K, int n_needed, guint8 *fused)
{
  for (gsize v = 0; v < N; v++)
    {
      int winner = 0;

      for (int k = 1; k < K; k++)
        {
          int votes = 0;

          for (int a = 0; a < 3; a++)
            votes += masks[a * (K - 1) + k - 1][v] != 0;
          if (votes < n_needed)
            continue;
          if (winner == 0 || q[(gsize) k * N + v] > q[(gsize) winner * N + v])
            winner = k;
        }
      fused[v] = (guint8) winner;
    }
}

gboolean
seg_cross_planes (const guint8 *labels, const int size[3], int planes[3])
{
  int lo[3] = { G_MAXINT, G_MAXINT, G_MAXINT }, hi[3] = { -1, -1, -1 };

  for (int x = 0; x < size[0]; x++)
    for (int y = 0; y < size[1]; y++)
      for (int z = 0; z < size[2]; z++)
        if (*labels++ != 0)
          {
            const int at[3] = { x, y, z };

            for (int a = 0; a < 3; a++)
              {
                lo[a] = MIN (lo[a], at[a]);
                hi[a] = MAX (hi[a], at[a]);
              }
          }
  if (hi[0] < 0)
    return FALSE;
  for (int a = 0; a < 3; a++)
    planes[a] = (lo[a] + hi[a]) / 2;
  return TRUE;
}
