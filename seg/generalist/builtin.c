/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/builtin.h"
#include "seg/generalist/compact.h"
#include "seg/generalist/episodes.h"
#include "seg/generalist/generalist-private.h"
#include "seg/generalist/ring.h"
#include "seg/tensor/context.h"

#include <math.h>
#include <string.h>

#define N SEG_VIEW_PIXELS
#define SIDE SEG_VIEW_SIDE

/* The network looks at the whole picture first, then, if what it found is small, at a square around
 * that. With a box it looks at the box at once. Without a network the rule answers the same way. */
typedef struct
{
  SegCompact *net; /* NULL: the rule */
} Builtin;

/* Keeps the picture; its view is quick to make and taken anew for each square. */
typedef struct
{
  SegPicture *picture;
  SegView *whole;
} Slide;

/* ---- squares and prompts --------------------------------------------------------------------- */

static float
to_view (float at, float start, float side)
{
  return (at + 0.5f - start) * SIDE / side - 0.5f;
}

static void
add_view_point (GArray *points, const SegViewSquare *sq, const SegPromptPoint *point)
{
  const SegViewPoint at = { to_view (point->x, sq->x0, sq->side),
                            to_view (point->y, sq->y0, sq->side), point->positive };
  /* Clicks beyond the square say nothing about it that its border does not. */
  if (at.u >= -0.5f && at.v >= -0.5f && at.u < SIDE - 0.5f && at.v < SIDE - 0.5f)
    g_array_append_val (points, at);
}

/* The outer edges of the corner pixels stay where they are, whatever the scale. */
static void
box_on_square (const SegPrompt *prompt, const SegViewSquare *sq, float box[4])
{
  for (int c = 0; c < 4; c++)
    box[c] = to_view (prompt->box[c] + (c < 2 ? -0.5f : 0.5f), c % 2 ? sq->y0 : sq->x0, sq->side)
             + (c < 2 ? 0.5f : -0.5f);
}

/* Points and strokes in view pixels; a stroke at about one point per pixel. */
static GArray *
list_view_points (const SegPrompt *prompt, const SegViewSquare *sq)
{
  GArray *points = g_array_new (FALSE, FALSE, sizeof (SegViewPoint));

  for (guint k = 0; k < prompt->points->len; k++)
    add_view_point (points, sq, &g_array_index (prompt->points, SegPromptPoint, k));
  for (guint s = 0; s < prompt->strokes->len; s++)
    {
      const GArray *stroke = g_ptr_array_index (prompt->strokes, s);

      for (guint k = 0; k < stroke->len; k++)
        {
          const SegPromptPoint *b = &g_array_index (stroke, SegPromptPoint, k);
          const SegPromptPoint *a = k > 0 ? b - 1 : b;
          const float reach = MAX (fabsf (b->x - a->x), fabsf (b->y - a->y)) * SIDE / sq->side;
          const int n = CLAMP ((int) reach, 1, SIDE);

          for (int t = 1; t <= n; t++)
            {
              const float f = (float) t / (float) n;
              const SegPromptPoint at = { a->x + f * (b->x - a->x), a->y + f * (b->y - a->y),
                                          b->positive };
              add_view_point (points, sq, &at);
            }
        }
    }
  return points;
}

/* What was answered or drawn before, as logits on a square; low-resolution logits cover the
 * smallest square around the picture. */
static gboolean
previous_on_square (const Slide *slide, const SegPrompt *prompt, const SegViewSquare *sq,
                    float *previous)
{
  const SegViewSquare whole = seg_view_square_whole (slide->picture->width, slide->picture->height);

  if (prompt->low_res == NULL && prompt->mask == NULL)
    return FALSE;
  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      {
        const float x = sq->x0 + ((float) u + 0.5f) * sq->side / SIDE - 0.5f;
        const float y = sq->y0 + ((float) v + 0.5f) * sq->side / SIDE - 0.5f;
        float *at = previous + v * SIDE + u;

        if (prompt->low_res != NULL)
          *at = seg_map_sample (prompt->low_res, SEG_LOW_RES,
                                (x + 0.5f - whole.x0) * SEG_LOW_RES / whole.side - 0.5f,
                                (y + 0.5f - whole.y0) * SEG_LOW_RES / whole.side - 0.5f);
        else
          {
            const int px = CLAMP ((int) lrintf (x), 0, prompt->mask_width - 1);
            const int py = CLAMP ((int) lrintf (y), 0, prompt->mask_height - 1);
            *at = prompt->mask[(gsize) py * (gsize) prompt->mask_width + (gsize) px] ? 4.0f : -4.0f;
          }
      }
  return TRUE;
}

/* ---- one look -------------------------------------------------------------------------------- */

typedef struct
{
  SegViewSquare square;
  float logits[SEG_COMPACT_MASKS][N];
  float quality[SEG_COMPACT_MASKS];
} Look;

static gboolean
look (SegGeneralist *self, const SegView *view, const SegViewPrompt *prompt, Look *out,
      GError **error)
{
  Builtin *model = self->model;
  g_autofree float *channels = g_new (float, SEG_N_CHANNELS *N);
  g_autofree float *folded = NULL;
  g_autoptr (SegTensor) x = NULL;
  g_autoptr (SegTensor) logits = NULL;
  g_autoptr (SegTensor) quality = NULL;

  seg_view_fill_channels (view, prompt, channels);
  out->square = view->square;
  if (model->net == NULL)
    {
      seg_rule_logits (view, prompt, channels, out->logits[0]);
      for (int m = 0; m < SEG_COMPACT_MASKS; m++)
        out->quality[m] = NAN; /* the rule has no opinion of itself */
      return TRUE;
    }
  folded = g_new (float, SEG_N_CHANNELS *N);
  seg_fold_channels (channels, SEG_N_CHANNELS, folded);
  seg_no_grad_begin (self->context);
  x = seg_tensor_new_from_f32 (
      self->context, SEG_SHAPE (1, SEG_FOLDED_CHANNELS, SEG_FOLDED_SIDE, SEG_FOLDED_SIDE), folded);
  seg_compact_forward (model->net, x, &logits, &quality);
  seg_tensor_download (logits, SEG_DTYPE_F32, folded);
  seg_tensor_download (quality, SEG_DTYPE_F32, out->quality);
  seg_no_grad_end (self->context);
  if (!seg_context_check (self->context, error))
    return FALSE;
  seg_unfold_channels (folded, SEG_COMPACT_MASKS, out->logits[0]);
  return TRUE;
}

/* The square around what was found and what was clicked, if it is much smaller than the view. */
static gboolean
find_closer (const Look *first, const SegPrompt *prompt, SegViewSquare *closer)
{
  const SegViewSquare *sq = &first->square;
  const float pixel = sq->side / SIDE;
  int lo[2] = { SIDE, SIDE }, hi[2] = { -1, -1 };
  float lo_x, lo_y, hi_x, hi_y, side;

  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      if (first->logits[0][v * SIDE + u] > 0)
        {
          lo[0] = MIN (lo[0], u), hi[0] = MAX (hi[0], u);
          lo[1] = MIN (lo[1], v), hi[1] = MAX (hi[1], v);
        }
  if (hi[0] < 0)
    return FALSE;
  lo_x = sq->x0 + (float) lo[0] * pixel, hi_x = sq->x0 + (float) (hi[0] + 1) * pixel;
  lo_y = sq->y0 + (float) lo[1] * pixel, hi_y = sq->y0 + (float) (hi[1] + 1) * pixel;
  for (guint k = 0; k < prompt->points->len; k++)
    {
      const SegPromptPoint *point = &g_array_index (prompt->points, SegPromptPoint, k);
      if (!point->positive)
        continue;
      lo_x = MIN (lo_x, point->x), hi_x = MAX (hi_x, point->x);
      lo_y = MIN (lo_y, point->y), hi_y = MAX (hi_y, point->y);
    }
  side = MAX (MAX (hi_x - lo_x, hi_y - lo_y) * 1.7f, 24.0f);
  if (side > 0.5f * sq->side)
    return FALSE;
  *closer = (SegViewSquare){ (lo_x + hi_x - side) / 2, (lo_y + hi_y - side) / 2, side };
  return TRUE;
}

static gboolean
look_at (SegGeneralist *self, const Slide *slide, const SegPrompt *prompt, const SegViewSquare *sq,
         const float *previous, Look *out, GError **error)
{
  g_autofree SegView *view = NULL;
  g_autoptr (GArray) points = list_view_points (prompt, sq);
  SegViewPrompt asked = { .points = (const SegViewPoint *) (gpointer) points->data,
                          .n_points = points->len,
                          .has_box = prompt->has_box,
                          .previous = previous };

  box_on_square (prompt, sq, asked.box);
  if (memcmp (sq, &slide->whole->square, sizeof *sq) == 0)
    return look (self, slide->whole, &asked, out, error);
  view = g_new (SegView, 1);
  seg_view_init (view, slide->picture, sq);
  return look (self, view, &asked, out, error);
}

/* ---- tight boxes ----------------------------------------------------------------------------- */

/* People draw boxes around the whole of a structure: an answer that stays away from a side has
 * taken a part for it (Lempitsky et al., "Image segmentation with a bounding box prior", ICCV
 * 2009). Leans towards the ellipse inscribed until the answer spans most of the box. */
#define BOX_SPAN 0.9f

static gboolean
spans_box (const float *logits, const float *lean, float amount, const float box[4])
{
  int lo[2] = { SIDE, SIDE }, hi[2] = { -1, -1 };

  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      if (logits[v * SIDE + u] + amount * lean[v * SIDE + u] > 0)
        {
          lo[0] = MIN (lo[0], u), hi[0] = MAX (hi[0], u);
          lo[1] = MIN (lo[1], v), hi[1] = MAX (hi[1], v);
        }
  return hi[0] >= 0 && (float) (hi[0] - lo[0] + 1) >= BOX_SPAN * (box[2] - box[0] + 1)
         && (float) (hi[1] - lo[1] + 1) >= BOX_SPAN * (box[3] - box[1] + 1);
}

static void
reach_the_box (Look *look, const float box[4])
{
  static const float amounts[] = { 0, 0.5f, 1, 2, 3, 4, 6, 9, 14, 20 };
  g_autofree float *lean = g_new (float, N);
  const float a = MAX ((box[2] - box[0] + 1) / 2, 0.5f), b = MAX ((box[3] - box[1] + 1) / 2, 0.5f);

  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      {
        const float du = ((float) u - (box[0] + box[2]) / 2) / a;
        const float dv = ((float) v - (box[1] + box[3]) / 2) / b;
        lean[v * SIDE + u] = CLAMP (1.05f - (du * du + dv * dv), -1.0f, 0.5f);
      }
  for (int m = 0; m < SEG_COMPACT_MASKS; m++)
    {
      gsize k = 0;

      while (k + 1 < G_N_ELEMENTS (amounts) && !spans_box (look->logits[m], lean, amounts[k], box))
        k++;
      for (int p = 0; p < N; p++)
        look->logits[m][p] += amounts[k] * lean[p];
    }
}

/* What rings found this way had on slices with truth (Dice). */
#define RING_QUALITY 0.77f

/* A ring fills its box like a disc, and the network takes it for one, or for what it surrounds: the
 * ring comes first then, and the network's answer stays among the others. */
static void
look_for_ring (Look *look, const SegPicture *picture, const float box[4])
{
  g_autofree SegView *view = g_new (SegView, 1);
  g_autofree float *ring = g_new (float, N);

  seg_view_init (view, picture, &look->square);
  if (!seg_ring_in_box (view, box, ring))
    return;
  memcpy (look->logits[1], look->logits[0], sizeof look->logits[0]);
  look->quality[1] = MAX (look->quality[0], look->quality[2]);
  memcpy (look->logits[0], ring, sizeof look->logits[0]);
  look->quality[0] = RING_QUALITY;
}

/* ---- the generalist -------------------------------------------------------------------------- */

static gpointer
builtin_encode (SegGeneralist *self, const SegPicture *picture, GError **error)
{
  Slide *slide = g_new0 (Slide, 1);
  const SegViewSquare sq = seg_view_square_whole (picture->width, picture->height);

  slide->picture = seg_picture_copy (picture);
  slide->whole = g_new (SegView, 1);
  seg_view_init (slide->whole, picture, &sq);
  return slide;
}

static void
slide_free (gpointer data)
{
  Slide *slide = data;

  seg_picture_free (slide->picture);
  g_free (slide->whole);
  g_free (slide);
}

/* Logits of the picture's pixels from one or two looks: the closer one where it reaches. */
static void
compose (const Look *first, const Look *closer, int mask, SegAnswer *answer, int slot,
         const SegPicture *picture)
{
  const SegViewSquare whole = seg_view_square_whole (picture->width, picture->height);

#define LOGIT_AT(X, Y)                                                                             \
  (closer != NULL && (X) + 0.5f >= closer->square.x0 && (Y) + 0.5f >= closer->square.y0            \
           && (X) + 0.5f <= closer->square.x0 + closer->square.side                                \
           && (Y) + 0.5f <= closer->square.y0 + closer->square.side                                \
       ? seg_map_sample (closer->logits[mask], SIDE,                                               \
                         to_view ((X), closer->square.x0, closer->square.side),                    \
                         to_view ((Y), closer->square.y0, closer->square.side))                    \
   : (X) + 0.5f >= first->square.x0 && (Y) + 0.5f >= first->square.y0                              \
           && (X) + 0.5f <= first->square.x0 + first->square.side                                  \
           && (Y) + 0.5f <= first->square.y0 + first->square.side                                  \
       ? MIN (seg_map_sample (first->logits[mask], SIDE,                                           \
                              to_view ((X), first->square.x0, first->square.side),                 \
                              to_view ((Y), first->square.y0, first->square.side)),                \
              closer != NULL ? -0.5f : 100.0f)                                                     \
       : -8.0f)
  for (int y = 0; y < picture->height; y++)
    for (int x = 0; x < picture->width; x++)
      answer->logits[slot][(gsize) y * (gsize) picture->width + (gsize) x] =
          LOGIT_AT ((float) x, (float) y);
  for (int v = 0; v < SEG_LOW_RES; v++)
    for (int u = 0; u < SEG_LOW_RES; u++)
      {
        const float x = whole.x0 + ((float) u + 0.5f) * whole.side / SEG_LOW_RES - 0.5f;
        const float y = whole.y0 + ((float) v + 0.5f) * whole.side / SEG_LOW_RES - 0.5f;
        answer->low_res[slot][v * SEG_LOW_RES + u] = LOGIT_AT (x, y);
      }
#undef LOGIT_AT
}

static SegAnswer *
builtin_answer (SegGeneralist *self, SegEmbedding *embedding, const SegPrompt *prompt,
                gboolean multimask, GError **error)
{
  Builtin *model = self->model;
  Slide *slide = embedding->data;
  const SegPicture *picture = slide->picture;
  SegViewSquare sq = seg_view_square_whole (picture->width, picture->height), closer_sq;
  g_autofree Look *first = g_new (Look, 1);
  g_autofree Look *closer = NULL;
  g_autofree float *previous = g_new (float, N);
  int order[SEG_COMPACT_MASKS] = { 0, 1, 2 };
  const int n_masks = multimask && model->net != NULL ? SEG_COMPACT_MASKS : 1;
  const Look *best;
  SegAnswer *answer;

  if (prompt->has_box)
    {
      const float width = prompt->box[2] - prompt->box[0] + 1;
      const float height = prompt->box[3] - prompt->box[1] + 1;
      const float side = MAX (MAX (width, height) * 1.5f, 16.0f);

      if (side < sq.side)
        sq = (SegViewSquare){ (prompt->box[0] + prompt->box[2] + 1 - side) / 2 - 0.5f,
                              (prompt->box[1] + prompt->box[3] + 1 - side) / 2 - 0.5f, side };
    }
  if (!look_at (self, slide, prompt, &sq,
                previous_on_square (slide, prompt, &sq, previous) ? previous : NULL, first, error))
    return NULL;
  if (model->net != NULL && prompt->has_box && prompt->points->len == 0
      && prompt->strokes->len == 0)
    {
      float box[4];

      box_on_square (prompt, &sq, box);
      reach_the_box (first, box);
      if (self->refine)
        look_for_ring (first, picture, box);
    }
  if (model->net != NULL && !prompt->has_box && find_closer (first, prompt, &closer_sq))
    {
      for (int v = 0; v < SIDE; v++)
        for (int u = 0; u < SIDE; u++)
          {
            const float x = closer_sq.x0 + ((float) u + 0.5f) * closer_sq.side / SIDE - 0.5f;
            const float y = closer_sq.y0 + ((float) v + 0.5f) * closer_sq.side / SIDE - 0.5f;
            previous[v * SIDE + u] = seg_map_sample (
                first->logits[0], SIDE, to_view (x, first->square.x0, first->square.side),
                to_view (y, first->square.y0, first->square.side));
          }
      closer = g_new (Look, 1);
      if (!look_at (self, slide, prompt, &closer_sq, previous, closer, error))
        return NULL;
    }
  best = closer != NULL ? closer : first;
  /* The first mask answers the whole prompt and stays first; the others follow by their quality. */
  if (best->quality[2] > best->quality[1])
    order[1] = 2, order[2] = 1;
  answer = seg_answer_new (picture->width, picture->height, n_masks);
  for (int m = 0; m < n_masks; m++)
    {
      /* The alternatives of the first look are alternatives in size; a closer look has its own. */
      compose (first, m == 0 ? closer : NULL, order[m], answer, m, picture);
      /* The network estimates Dice. */
      answer->iou[m] = (m == 0 ? best : first)->quality[order[m]];
      if (model->net != NULL)
        {
          answer->iou[m] = CLAMP (answer->iou[m], 0.0f, 1.0f);
          answer->iou[m] = answer->iou[m] / (2 - answer->iou[m]);
        }
    }
  return answer;
}

static void
builtin_free (gpointer data)
{
  Builtin *model = data;

  seg_compact_free (model->net);
  g_free (model);
}

static const SegGeneralistClass builtin_class = {
  .encode = builtin_encode,
  .answer = builtin_answer,
  .free_data = slide_free,
  .free_model = builtin_free,
};

SegGeneralist *
seg_generalist_new_rule (void)
{
  const SegGeneralistInfo info = { .kind = SEG_GENERALIST_RULE,
                                   .name = "Rule (geodesic distance, no network)" };

  return seg_generalist_new_for (&builtin_class, g_new0 (Builtin, 1), NULL, &info);
}

SegGeneralist *
seg_builtin_open_bytes (GBytes *weights, const char *name, SegDevice *device, GError **error)
{
  g_autoptr (SegContext) context = seg_context_new (device, 0);
  g_autoptr (SegCompact) net = seg_compact_new (context);
  g_autofree char *sha256 = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, weights);
  SegGeneralistInfo info = { .kind = SEG_GENERALIST_BUILTIN, .name = "Built-in", .sha256 = sha256 };
  Builtin *model;

  if (!seg_compact_load_bytes (net, weights, name, error))
    return NULL;
  seg_module_set_requires_grad (seg_compact_get_module (net), FALSE);
  seg_module_set_training (seg_compact_get_module (net), FALSE);
  info.n_parameters = (guint64) seg_module_count_parameters (seg_compact_get_module (net));
  model = g_new0 (Builtin, 1);
  model->net = g_steal_pointer (&net);
  return seg_generalist_new_for (&builtin_class, model, context, &info);
}

/* $CROSSLABEL_BUILTIN_WEIGHTS, the installed file, the source tree's. */
char *
seg_builtin_find_weights (void)
{
  const char *const places[] = {
    g_getenv ("CROSSLABEL_BUILTIN_WEIGHTS"),
    PKGDATADIR "/generalist/" SEG_BUILTIN_FILE,
    SOURCE_ROOT "/resources/generalist/" SEG_BUILTIN_FILE,
  };

  if (places[0] != NULL)
    return g_strdup (places[0]);
  for (gsize p = 1; p < G_N_ELEMENTS (places); p++)
    if (g_file_test (places[p], G_FILE_TEST_EXISTS))
      return g_strdup (places[p]);
  return NULL;
}

SegGeneralist *
seg_builtin_open (SegDevice *device, GError **error)
{
  g_autofree char *path = seg_builtin_find_weights ();
  g_autoptr (GError) local = NULL;
  g_autoptr (GBytes) bytes = NULL;
  char *data;
  gsize size;

  if (path == NULL)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_NOT_FOUND,
                   "the built-in generalist's weights (%s) are not installed", SEG_BUILTIN_FILE);
      return NULL;
    }
  if (!g_file_get_contents (path, &data, &size, &local))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_NOT_FOUND, "%s", local->message);
      return NULL;
    }
  bytes = g_bytes_new_take (data, size);
  return seg_builtin_open_bytes (bytes, path, device, error);
}
