/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-prompt.h"
#include "app/flow-propagate.h"
#include "seg/generalist/clicks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A slice is accepted while the estimate stays above this, and the answer overlaps the one before.
 */
#define LEAST_IOU 0.35
#define LEAST_OVERLAP 0.45
#define LARGEST_GROWTH 1.8
/* … and while what it covers looks like the inside of the first slice: nearer than half way to what
 * surrounded the structure there. */
#define HALF_WAY 0.5
/* Boxes are grown by a pixel and this share of their size. */
#define STEP_MARGIN 0.03f
#define VOTE_MARGIN 0.05f
/* How far a border moves from slice to slice, of the square root of the area; at least two pixels,
 * and more where slices lie further apart than pixels. */
#define MOST_MOVE 0.03f
#define HIGHEST_LEVEL 6.0f

static gsize
count (const guint8 *mask, gsize n)
{
  gsize sum = 0;

  for (gsize p = 0; p < n; p++)
    sum += mask[p] != 0;
  return sum;
}

/* The box of a mask, grown a little, and its deepest pixels. */
static SegPrompt *
prompt_from_mask (const guint8 *mask, int width, int height, int n_points, float margin,
                  gboolean refine)
{
  SegPrompt *prompt = seg_prompt_new ();
  g_autofree guint8 *left = g_memdup2 (mask, (gsize) width * (gsize) height);
  g_autofree float *depth = g_new (float, (gsize) width *(gsize) height);
  float box[4];

  for (int k = 0; k < n_points; k++)
    {
      gsize best = 0;
      int x, y, reach;

      seg_distance_inside (left, width, height, depth);
      for (gsize p = 0; p < (gsize) width * (gsize) height; p++)
        if (depth[p] > depth[best])
          best = p;
      if (depth[best] < 1)
        break;
      x = (int) (best % (gsize) width);
      y = (int) (best / (gsize) width);
      seg_prompt_add_point (prompt, (float) x, (float) y, TRUE);
      /* The next one lies elsewhere. */
      reach = MAX (1, (int) (depth[best] * 0.7f));
      for (int b = MAX (0, y - reach); b <= MIN (height - 1, y + reach); b++)
        for (int a = MAX (0, x - reach); a <= MIN (width - 1, x + reach); a++)
          left[(gsize) b * (gsize) width + (gsize) a] = 0;
    }
  seg_box_around (mask, width, height, 0, NULL, box);
  {
    const float dx = 1 + margin * (box[2] - box[0]), dy = 1 + margin * (box[3] - box[1]);
    seg_prompt_set_box (prompt, MAX (box[0] - dx, 0.0f), MAX (box[1] - dy, 0.0f),
                        MIN (box[2] + dx, (float) width - 1),
                        MIN (box[3] + dy, (float) height - 1));
  }
  if (refine)
    seg_prompt_set_mask (prompt, mask, width, height);
  return prompt;
}

static gboolean
cancelled (AppFlowTick tick, gpointer tick_data, double fraction, GError **error)
{
  if (tick == NULL || tick (fraction, tick_data))
    return FALSE;
  g_set_error_literal (error, SEG_ERROR, SEG_ERROR_CANCELLED, "stopped");
  return TRUE;
}

typedef struct
{
  SegGeneralist *generalist;
  VolumeScan *scan;
  VolumePlane plane;
  AppFlowEmbed embed;
  gpointer embed_data;
  int width, height;
  float move; /* how much further apart slices lie than pixels, at least 1 */
  float level; /* logits above it are inside */
  double inside, contrast; /* of the first slice: mean of the mask, distance to its surroundings */
} Walk;

/* Means of what a mask covers and of the rest of its grown box. */
static void
measure (const Walk *walk, int index, const guint8 *mask, double *inside, double *outside)
{
  g_autoptr (SegPicture) picture = app_flow_prompt_cut (walk->scan, walk->plane, index);
  double sum[2] = { 0, 0 };
  gsize n[2] = { 0, 0 };
  float box[4];
  int dx, dy;

  seg_box_around (mask, walk->width, walk->height, 0, NULL, box);
  dx = 2 + (int) (box[2] - box[0]) / 4;
  dy = 2 + (int) (box[3] - box[1]) / 4;
  for (int y = MAX (0, (int) box[1] - dy); y <= MIN (walk->height - 1, (int) box[3] + dy); y++)
    for (int x = MAX (0, (int) box[0] - dx); x <= MIN (walk->width - 1, (int) box[2] + dx); x++)
      {
        const gsize p = (gsize) y * (gsize) walk->width + (gsize) x;
        const float value = picture->pixels[p];

        if (!isfinite (value))
          continue;
        sum[mask[p] == 0] += CLAMP (value, picture->low, picture->high);
        n[mask[p] == 0]++;
      }
  *inside = n[0] > 0 ? sum[0] / (double) n[0] : 0;
  *outside = n[1] > 0 ? sum[1] / (double) n[1] : *inside;
}

static gboolean
looks_alike (const Walk *walk, int index, const guint8 *mask)
{
  double inside, outside;

  measure (walk, index, mask, &inside, &outside);
  return fabs (inside - walk->inside) <= HALF_WAY * walk->contrast;
}

static SegAnswer *
ask (Walk *walk, int index, const SegPrompt *prompt, GError **error)
{
  g_autoptr (SegEmbedding) embedding =
      walk->embed (walk->scan, walk->plane, index, walk->embed_data, error);

  return embedding != NULL
             ? seg_generalist_answer (walk->generalist, embedding, prompt, FALSE, error)
             : NULL;
}

static SegAnswer *
ask_from (Walk *walk, int index, const guint8 *before, GError **error)
{
  g_autoptr (SegPrompt) prompt =
      prompt_from_mask (before, walk->width, walk->height, 1, STEP_MARGIN, TRUE);

  return ask (walk, index, prompt, error);
}

static int
compare_falling (const void *a, const void *b)
{
  const float x = *(const float *) a, y = *(const float *) b;
  return (x < y) - (x > y);
}

/* The first slice is asked as its neighbours will be: the answer is known there. A generalist that
 * makes a little more of a mask each time would make much more of it in thirty slices, so the level
 * is taken above which the answer is as large as the mask that it came from. */
static gboolean
calibrate (Walk *walk, int index, const guint8 *start, GError **error)
{
  const gsize n = (gsize) walk->width * (gsize) walk->height;
  g_autoptr (SegAnswer) answer = ask_from (walk, index, start, error);
  g_autofree float *sorted = NULL;

  if (answer == NULL)
    return FALSE;
  sorted = g_memdup2 (answer->logits[0], n * sizeof (float));
  qsort (sorted, n, sizeof (float), compare_falling);
  walk->level = CLAMP (sorted[MIN (count (start, n), n - 1)], -1.0f, HIGHEST_LEVEL);
  return TRUE;
}

/* What lies further from the mask before than a border moves is not its continuation. */
static void
keep_near (const Walk *walk, const guint8 *before, guint8 *mask)
{
  const gsize n = (gsize) walk->width * (gsize) walk->height;
  const float reach = walk->move * MAX (2.0f, MOST_MOVE * sqrtf ((float) count (before, n)));
  g_autofree guint8 *outside = g_new (guint8, n);
  g_autofree float *away = g_new (float, n);

  for (gsize p = 0; p < n; p++)
    outside[p] = !before[p];
  seg_distance_inside (outside, walk->width, walk->height, away);
  /* Beside the picture's border the distance is to that: nothing is dropped there. */
  for (gsize p = 0; p < n; p++)
    mask[p] = mask[p] && away[p] <= reach;
}

/* The next slice's mask, or NULL where confidence ends (no error set) or on an error. */
static guint8 *
step (Walk *walk, int index, const guint8 *before, double *confidence, GError **error)
{
  const gsize n = (gsize) walk->width * (gsize) walk->height;
  g_autoptr (SegAnswer) answer = ask_from (walk, index, before, error);
  g_autofree guint8 *mask = NULL;
  gsize n_before, n_now;

  if (answer == NULL)
    return NULL;
  mask = g_new (guint8, n);
  for (gsize p = 0; p < n; p++)
    mask[p] = answer->logits[0][p] > walk->level;
  keep_near (walk, before, mask);
  n_now = count (mask, n);
  n_before = count (before, n);
  /* The rule gives no estimate (NaN): the overlap decides alone. */
  if (n_now < 4 || answer->iou[0] < LEAST_IOU || (double) n_now > LARGEST_GROWTH * (double) n_before
      || seg_mask_dice (mask, before, n) < LEAST_OVERLAP || !looks_alike (walk, index, mask))
    return NULL;
  *confidence = MIN (*confidence, (double) answer->iou[0]);
  return g_steal_pointer (&mask);
}

/* Millimetres between slices for one between pixels. */
static float
measure_move (const VolumeGeometry *geometry, VolumePlane plane)
{
  const int across = geometry->axis_of_plane[plane];
  double spacing[3], closest = G_MAXDOUBLE;

  for (int a = 0; a < 3; a++)
    {
      spacing[a] = geometry->spacing_mm[a];
      if (a != across)
        closest = MIN (closest, spacing[a]);
    }
  return MAX (1.0f, (float) (spacing[across] / closest));
}

gboolean
app_flow_propagate (SegGeneralist *generalist, VolumeScan *scan, VolumePlane plane, int index,
                    const guint8 *start, int n_slices, AppFlowEmbed embed, gpointer embed_data,
                    AppFlowTick tick, gpointer tick_data, AppFlowPropagation *result,
                    GError **error)
{
  VolumeSliceFrame frame;
  Walk walk = { generalist, scan, plane, embed, embed_data };
  gsize n;
  int done = 0;

  volume_geometry_get_slice_frame (volume_scan_get_geometry (scan), plane, &frame);
  walk.width = frame.n_u;
  walk.height = frame.n_v;
  n = (gsize) frame.n_u * (gsize) frame.n_v;
  *result = (AppFlowPropagation){ index, index, g_ptr_array_new_with_free_func (g_free), 1.0 };
  g_ptr_array_add (result->masks, g_memdup2 (start, n));
  if (count (start, n) == 0)
    return TRUE;
  walk.move = measure_move (volume_scan_get_geometry (scan), plane);
  if (!calibrate (&walk, index, start, error))
    goto failed;
  measure (&walk, index, start, &walk.inside, &walk.contrast);
  walk.contrast = fabs (walk.inside - walk.contrast);
  for (int way = -1; way <= 1; way += 2)
    {
      const guint8 *before = start;

      for (int k = 1; k <= n_slices; k++, done++)
        {
          const int at = index + way * k;
          g_autoptr (GError) local = NULL;
          guint8 *mask;

          if (at < 0 || at >= frame.n_slices)
            break;
          if (cancelled (tick, tick_data, (double) done / (2.0 * n_slices), error))
            goto failed;
          mask = step (&walk, at, before, &result->confidence, &local);
          if (local != NULL)
            {
              g_propagate_error (error, g_steal_pointer (&local));
              goto failed;
            }
          if (mask == NULL)
            break;
          g_ptr_array_insert (result->masks, way < 0 ? 0 : -1, mask);
          if (way < 0)
            result->first = at;
          else
            result->last = at;
          before = mask;
        }
    }
  return TRUE;

failed:
  app_flow_propagation_clear (result);
  return FALSE;
}

void
app_flow_propagation_clear (AppFlowPropagation *self)
{
  g_clear_pointer (&self->masks, g_ptr_array_unref);
}

void
app_flow_propagation_place (const AppFlowPropagation *self, const VolumeGeometry *geometry,
                            VolumePlane plane, guint8 *voxels)
{
  const int across = geometry->axis_of_plane[plane];
  int side[3] = { geometry->size[0], geometry->size[1], geometry->size[2] };
  int sheet_side[3] = { side[0], side[1], side[2] };
  g_autofree guint8 *sheet = NULL;

  side[across] = self->last - self->first + 1;
  sheet_side[across] = 1;
  sheet = g_new (guint8, (gsize) sheet_side[0] * (gsize) sheet_side[1] * (gsize) sheet_side[2]);
  for (int s = self->first; s <= self->last; s++)
    {
      gsize from = 0;

      app_flow_prompt_place_mask (
          geometry, plane, s, g_ptr_array_index (self->masks, (guint) (s - self->first)), sheet);
      for (int k = 0; k < sheet_side[2]; k++)
        for (int j = 0; j < sheet_side[1]; j++)
          for (int i = 0; i < sheet_side[0]; i++, from++)
            {
              int at[3] = { i, j, k };
              at[across] = s - self->first;
              voxels[((gsize) at[2] * (gsize) side[1] + (gsize) at[1]) * (gsize) side[0]
                     + (gsize) at[0]] = sheet[from];
            }
    }
}

/* ---- three views ----------------------------------------------------------------------------- */

/* Reads one slice of a volume into screen order, or writes it back. */
static void
slice_of_volume (const VolumeGeometry *geometry, VolumePlane plane, int index, guint8 *volume,
                 guint8 *screen, gboolean write)
{
  const VolumeBox box = app_flow_prompt_get_box (geometry, plane, index);
  int side[3];
  g_autofree guint8 *sheet = NULL;
  gsize n = 1, at = 0;

  for (int a = 0; a < 3; a++)
    n *= (gsize) (side[a] = box.hi[a] - box.lo[a]);
  sheet = g_new (guint8, n);
  if (write)
    app_flow_prompt_place_mask (geometry, plane, index, screen, sheet);
  for (int k = box.lo[2]; k < box.hi[2]; k++)
    for (int j = box.lo[1]; j < box.hi[1]; j++)
      for (int i = box.lo[0]; i < box.hi[0]; i++, at++)
        {
          guint8 *voxel =
              volume
              + ((gsize) k * (gsize) geometry->size[1] + (gsize) j) * (gsize) geometry->size[0]
              + (gsize) i;
          if (write)
            *voxel = (guint8) (*voxel + sheet[at]);
          else
            sheet[at] = *voxel;
        }
  if (!write)
    app_flow_prompt_take_mask (geometry, plane, index, sheet, screen);
}

gboolean
app_flow_vote (SegGeneralist *generalist, VolumeScan *scan, const guint8 *rough, int n_votes,
               AppFlowEmbed embed, gpointer embed_data, AppFlowTick tick, gpointer tick_data,
               guint8 *fused, GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);
  const gsize n_voxels = volume_scan_get_n_voxels (scan);

  memset (fused, 0, n_voxels);
  for (int plane = 0; plane < VOLUME_N_PLANES; plane++)
    {
      VolumeSliceFrame frame;
      Walk walk = { generalist, scan, plane, embed, embed_data };
      g_autofree guint8 *mask = NULL;

      volume_geometry_get_slice_frame (geometry, plane, &frame);
      walk.width = frame.n_u;
      walk.height = frame.n_v;
      mask = g_new (guint8, (gsize) frame.n_u * (gsize) frame.n_v);
      for (int s = 0; s < frame.n_slices; s++)
        {
          g_autoptr (SegPrompt) prompt = NULL;
          g_autoptr (SegAnswer) answer = NULL;

          if (cancelled (tick, tick_data, (plane + (double) s / frame.n_slices) / VOLUME_N_PLANES,
                         error))
            return FALSE;
          slice_of_volume (geometry, plane, s, (guint8 *) rough, mask, FALSE);
          if (count (mask, (gsize) frame.n_u * (gsize) frame.n_v) == 0)
            continue;
          prompt = prompt_from_mask (mask, frame.n_u, frame.n_v, 5, VOTE_MARGIN, FALSE);
          answer = ask (&walk, s, prompt, error);
          if (answer == NULL)
            return FALSE;
          seg_answer_get_mask (answer, 0, mask);
          slice_of_volume (geometry, plane, s, fused, mask, TRUE);
        }
    }
  for (gsize v = 0; v < n_voxels; v++)
    fused[v] = fused[v] >= n_votes;
  return TRUE;
}
