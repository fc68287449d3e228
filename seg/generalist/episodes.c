/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/clicks.h"
#include "seg/generalist/episodes.h"

#include <string.h>

#define SIDE SEG_VIEW_SIDE
#define N SEG_VIEW_PIXELS
#define MAX_POINTS 96
#define DROP_FIRST SEG_CHANNEL_GEODESIC_IN

void
seg_fold_channels (const float *channels, int n_channels, float *folded)
{
  const int side = SIDE / 2;

  for (int c = 0; c < n_channels; c++)
    for (int k = 0; k < 4; k++)
      {
        const float *src = channels + (gsize) c * N + (k / 2) * SIDE + k % 2;
        float *dst = folded + ((gsize) c * 4 + (gsize) k) * (gsize) (side * side);
        for (int v = 0; v < side; v++)
          for (int u = 0; u < side; u++)
            dst[v * side + u] = src[2 * v * SIDE + 2 * u];
      }
}

void
seg_unfold_channels (const float *folded, int n_channels, float *channels)
{
  const int side = SIDE / 2;

  for (int c = 0; c < n_channels; c++)
    for (int k = 0; k < 4; k++)
      {
        float *dst = channels + (gsize) c * N + (k / 2) * SIDE + k % 2;
        const float *src = folded + ((gsize) c * 4 + (gsize) k) * (gsize) (side * side);
        for (int v = 0; v < side; v++)
          for (int u = 0; u < side; u++)
            dst[2 * v * SIDE + 2 * u] = src[v * side + u];
      }
}

/* Plain data: it is saved as it stands. What follows from the scene's number is made again. */
typedef struct
{
  guint64 index;
  SegDraw draw;
  gint32 n_left; /* answers still to come, this one included */
  gint32 n_points;
  SegViewPoint points[MAX_POINTS];
  gint32 has_box;
  float box[4];
  gint32 drop_maps, has_previous, has_strokes;
  SegViewSquare square; /* of the scene; side 0: all of it */
  float previous[N];
} Session;

struct _SegEpisodes
{
  SegEpisodesParams params;
  gint64 n_scenes, n_batches;
  Session *sessions; /* pool */
  SegScene *scenes;
  SegView *views;
  float *channels;
};

static float
hardness_at (const SegEpisodes *self, gint64 index)
{
  const SegEpisodesParams *p = &self->params;
  if (p->full_after <= 0)
    return 1;
  return MIN (1.0f, p->hardness + (1 - p->hardness) * (float) index / (float) p->full_after);
}

/* The scene through a closer square: what a second look, or a look at a box, sees. */
static void
stage_closer (SegScene *scene, SegView *view, const SegViewSquare *square)
{
  const int width = scene->x1 - scene->x0, height = scene->y1 - scene->y0;
  g_autoptr (SegPicture) picture = seg_picture_new (width, height, 3);
  g_autofree guint8 *truth = g_memdup2 (scene->truth, N);
  SegViewSquare shifted = *square;

  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++)
        picture->pixels[((gsize) y * (gsize) width + (gsize) x) * 3 + (gsize) c] =
            scene->rgb[c][(y + scene->y0) * SIDE + x + scene->x0];
  shifted.x0 -= (float) scene->x0;
  shifted.y0 -= (float) scene->y0;
  seg_view_init (view, picture, &shifted);
  scene->n_truth = 0;
  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      {
        /* Between the four nearest pixels, so that the enlarged boundary is smooth. */
        const float x = CLAMP (square->x0 + ((float) u + 0.5f) * square->side / SIDE - 0.5f, 0.0f,
                               SIDE - 1.001f);
        const float y = CLAMP (square->y0 + ((float) v + 0.5f) * square->side / SIDE - 0.5f, 0.0f,
                               SIDE - 1.001f);
        const int p = (int) y * SIDE + (int) x;
        const float fx = x - floorf (x), fy = y - floorf (y);
        const float inside = (truth[p] * (1 - fx) + truth[p + 1] * fx) * (1 - fy)
                             + (truth[p + SIDE] * (1 - fx) + truth[p + SIDE + 1] * fx) * fy;
        scene->truth[v * SIDE + u] =
            inside > 0.5f && u >= view->u0 && u < view->u1 && v >= view->v0 && v < view->v1;
        scene->n_truth += scene->truth[v * SIDE + u];
      }
  scene->x0 = view->u0, scene->x1 = view->u1;
  scene->y0 = view->v0, scene->y1 = view->v1;
}

static void
stage (SegEpisodes *self, int slot)
{
  const Session *session = &self->sessions[slot];
  SegScene *scene = &self->scenes[slot];

  seg_scene_draw (scene, self->params.seed, session->index,
                  hardness_at (self, (gint64) session->index));
  if (session->square.side > 0)
    stage_closer (scene, &self->views[slot], &session->square);
  else
    seg_view_init_scene (&self->views[slot], scene, FALSE);
}

/* A square around the truth's box, @spread times as large, a little off. */
static SegViewSquare
square_around (const SegScene *scene, float spread, float jitter, SegDraw *draw)
{
  float box[4], side;

  seg_box_around (scene->truth, SIDE, SIDE, 0, NULL, box);
  side = MAX (MAX (box[2] - box[0], box[3] - box[1]) + 1, 10.0f) * spread;
  return (SegViewSquare){
    (box[0] + box[2] + 1 - side) / 2 - 0.5f + seg_draw_normal (draw) * jitter * side,
    (box[1] + box[3] + 1 - side) / 2 - 0.5f + seg_draw_normal (draw) * jitter * side, side
  };
}

static void
add_point (Session *session, float u, float v, gboolean positive)
{
  if (session->n_points < MAX_POINTS)
    session->points[session->n_points++] = (SegViewPoint){ u, v, positive };
}

/* A stroke through the structure: from one inner pixel towards another, inside only. */
static void
add_stroke (Session *session, const SegScene *scene)
{
  SegClick a, b;

  if (!seg_click_next (scene->truth, NULL, SIDE, SIDE, &session->draw, &a)
      || !seg_click_next (scene->truth, NULL, SIDE, SIDE, &session->draw, &b))
    return;
  for (int k = 0; k <= 16; k++)
    {
      const float u = (float) a.x + (float) (b.x - a.x) * (float) k / 16;
      const float v = (float) a.y + (float) (b.y - a.y) * (float) k / 16;
      if (!scene->truth[(int) (v + 0.5f) * SIDE + (int) (u + 0.5f)])
        break;
      add_point (session, u, v, TRUE);
    }
}

/* A rough answer, as a first pass on a coarser view leaves it: the truth's distance, disturbed. */
static void
rough_answer (Session *session, const SegScene *scene)
{
  g_autofree float *inside = g_new (float, N);
  g_autofree float *outside = g_new (float, N);
  g_autofree guint8 *inverse = g_new (guint8, N);
  const float shift = seg_draw_normal (&session->draw) * 2.5f;
  const float tilt_u = seg_draw_normal (&session->draw) * 3.0f;
  const float tilt_v = seg_draw_normal (&session->draw) * 3.0f;
  const float slope = seg_draw_range (&session->draw, 0.3f, 1.0f);

  for (int p = 0; p < N; p++)
    inverse[p] = !scene->truth[p];
  seg_distance_inside (scene->truth, SIDE, SIDE, inside);
  seg_distance_inside (inverse, SIDE, SIDE, outside);
  for (int v = 0; v < SIDE; v++)
    for (int u = 0; u < SIDE; u++)
      {
        const int p = v * SIDE + u;
        const float d = inside[p] - outside[p] + shift + tilt_u * ((float) u / 64 - 1)
                        + tilt_v * ((float) v / 64 - 1);
        session->previous[p] = CLAMP (d * slope, -8.0f, 8.0f);
      }
  session->has_previous = TRUE;
}

static void
begin_session (SegEpisodes *self, int slot)
{
  static const guint8 length_odds[8] = { 34, 18, 14, 10, 8, 6, 5, 5 };
  Session *session = &self->sessions[slot];
  const SegScene *scene = &self->scenes[slot];
  SegDraw *draw = &session->draw;
  gboolean with_box, closer;
  int at, how;

  memset (session, 0, sizeof *session);
  session->index = (guint64) self->n_scenes++;
  *draw = seg_draw_start (self->params.seed ^ 0x73657373696f6eull, session->index);
  stage (self, slot);

  at = seg_draw_int (draw, 0, 99);
  for (session->n_left = 1; session->n_left < 8 && at >= length_odds[session->n_left - 1];
       session->n_left++)
    at -= length_odds[session->n_left - 1];
  session->drop_maps = seg_draw_chance (draw, 0.2f);
  how = seg_draw_int (draw, 0, 99);
  with_box = how < 34;
  closer = seg_draw_chance (draw, with_box ? 0.85f : 0.22f);
  if (closer)
    {
      const SegViewSquare square =
          with_box ? square_around (scene, seg_draw_range (draw, 1.35f, 1.65f), 0.01f, draw)
                   : square_around (scene, seg_draw_log_range (draw, 1.25f, 2.4f), 0.06f, draw);
      if (square.side < 110)
        {
          session->square = square;
          stage (self, slot);
          if (scene->n_truth < 40)
            {
              session->square.side = 0;
              stage (self, slot);
            }
        }
    }
  if (!with_box && seg_draw_chance (draw, session->square.side > 0 ? 0.7f : 0.05f))
    rough_answer (session, scene);
  if (with_box)
    {
      const float jitter = seg_draw_chance (draw, 0.3f) ? 0 : seg_draw_range (draw, 0, 0.1f);
      session->has_box = TRUE;
      seg_box_around (scene->truth, SIDE, SIDE, jitter, draw, session->box);
    }
  else if (how < 40)
    {
      add_stroke (session, scene);
      session->has_strokes = TRUE;
    }
  if (how >= 29 && session->n_points == 0)
    {
      SegClick click;
      SegDraw *where = seg_draw_chance (draw, 0.45f) ? draw : NULL;
      if (seg_click_next (scene->truth, NULL, SIDE, SIDE, where, &click))
        add_point (session, (float) click.x, (float) click.y, TRUE);
    }
}

SegEpisodes *
seg_episodes_new (const SegEpisodesParams *params)
{
  SegEpisodes *self = g_new0 (SegEpisodes, 1);

  self->params = *params;
  self->params.batch = MAX (params->batch, 1);
  self->params.pool = MAX (params->pool / self->params.batch, 1) * self->params.batch;
  self->sessions = g_new0 (Session, self->params.pool);
  self->scenes = g_new0 (SegScene, self->params.pool);
  self->views = g_new0 (SegView, self->params.pool);
  self->channels = g_new (float, SEG_N_CHANNELS *N);
  return self;
}

void
seg_episodes_free (SegEpisodes *self)
{
  if (self == NULL)
    return;
  g_free (self->sessions);
  g_free (self->scenes);
  g_free (self->views);
  g_free (self->channels);
  g_free (self);
}

static int
slot_of (const SegEpisodes *self, int item)
{
  return (int) ((self->n_batches * self->params.batch + item) % self->params.pool);
}

void
seg_episodes_fill (SegEpisodes *self, float *inputs, float *truth, float *weight, float *ambiguous)
{
  const gsize n_inputs = (gsize) SEG_N_CHANNELS * N;

  for (int b = 0; b < self->params.batch; b++)
    {
      const int slot = slot_of (self, b);
      Session *session = &self->sessions[slot];
      const SegScene *scene = &self->scenes[slot];
      SegViewPrompt prompt;
      float *plane = self->channels;

      if (session->n_left <= 0)
        begin_session (self, slot);
      prompt = (SegViewPrompt){
        .points = session->points,
        .n_points = (gsize) session->n_points,
        .has_box = session->has_box,
        .previous = session->has_previous ? session->previous : NULL,
      };
      memcpy (prompt.box, session->box, sizeof prompt.box);
      seg_view_fill_channels (&self->views[slot], &prompt, self->channels);
      if (session->drop_maps)
        memset (self->channels + DROP_FIRST * N, 0,
                sizeof (float) * (SEG_N_CHANNELS - DROP_FIRST) * N);
      seg_fold_channels (self->channels, SEG_N_CHANNELS, inputs + (gsize) b * n_inputs);
      for (int p = 0; p < N; p++)
        plane[p] = scene->truth[p];
      seg_fold_channels (plane, 1, truth + (gsize) b * N);
      for (int v = 0; v < SIDE; v++)
        for (int u = 0; u < SIDE; u++)
          plane[v * SIDE + u] = u >= scene->x0 && u < scene->x1 && v >= scene->y0 && v < scene->y1;
      seg_fold_channels (plane, 1, weight + (gsize) b * N);
      ambiguous[b] = session->n_points == 1 && !session->has_box && !session->has_previous;
    }
}

void
seg_episodes_advance (SegEpisodes *self, const float *logits)
{
  g_autofree guint8 *answer = g_new (guint8, N);

  for (int b = 0; b < self->params.batch; b++)
    {
      const int slot = slot_of (self, b);
      Session *session = &self->sessions[slot];
      const SegScene *scene = &self->scenes[slot];
      SegDraw *where;
      SegClick click;

      session->n_left--;
      seg_unfold_channels (logits + (gsize) b * N, 1, session->previous);
      for (int p = 0; p < N; p++)
        {
          const int u = p % SIDE, v = p / SIDE;
          session->previous[p] =
              isfinite (session->previous[p]) ? CLAMP (session->previous[p], -12.0f, 12.0f) : 0;
          answer[p] = session->previous[p] > 0 && u >= scene->x0 && u < scene->x1 && v >= scene->y0
                      && v < scene->y1;
        }
      session->has_previous = !seg_draw_chance (&session->draw, 0.2f);
      where = seg_draw_chance (&session->draw, 0.35f) ? &session->draw : NULL;
      if (session->n_left > 0
          && (seg_mask_dice (scene->truth, answer, N) > 0.975
              || !seg_click_next (scene->truth, answer, SIDE, SIDE, where, &click)))
        session->n_left = 0;
      else if (session->n_left > 0)
        add_point (session, (float) click.x, (float) click.y, click.positive);
    }
  self->n_batches++;
}

gint64
seg_episodes_get_n_scenes (SegEpisodes *self)
{
  return self->n_scenes;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

#define MAGIC 0x31736570u

typedef struct
{
  guint32 magic, session_size;
  SegEpisodesParams params;
  gint64 n_scenes, n_batches;
} Saved;

GBytes *
seg_episodes_save (SegEpisodes *self)
{
  const gsize body = sizeof (Session) * (gsize) self->params.pool;
  guint8 *bytes = g_malloc0 (sizeof (Saved) + body);
  Saved head = { 0 };

  head.magic = MAGIC;
  head.session_size = sizeof (Session);
  head.params = self->params;
  head.n_scenes = self->n_scenes;
  head.n_batches = self->n_batches;
  memcpy (bytes, &head, sizeof head);
  memcpy (bytes + sizeof head, self->sessions, body);
  return g_bytes_new_take (bytes, sizeof head + body);
}

gboolean
seg_episodes_restore (SegEpisodes *self, GBytes *bytes, GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  Saved head;

  if (size < sizeof head)
    goto wrong;
  memcpy (&head, data, sizeof head);
  if (head.magic != MAGIC || head.session_size != sizeof (Session)
      || head.params.seed != self->params.seed || head.params.batch != self->params.batch
      || head.params.pool != self->params.pool
      || size != sizeof head + sizeof (Session) * (gsize) self->params.pool)
    goto wrong;
  memcpy (self->sessions, data + sizeof head, sizeof (Session) * (gsize) self->params.pool);
  for (int s = 0; s < self->params.pool; s++)
    if (self->sessions[s].n_points < 0 || self->sessions[s].n_points > MAX_POINTS)
      goto wrong;
  self->n_scenes = head.n_scenes;
  self->n_batches = head.n_batches;
  for (int s = 0; s < self->params.pool; s++)
    if (self->sessions[s].n_left > 0)
      stage (self, s);
  return TRUE;

wrong:
  g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
               "the saved practice sessions are of another run (%" G_GSIZE_FORMAT " bytes)", size);
  return FALSE;
}
