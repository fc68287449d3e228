/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/draw.h"
#include "seg/generalist/scenes.h"

#include <string.h>

#define SIDE SEG_SCENE_SIDE
#define N_PIXELS (SIDE * SIDE)

typedef float Field[N_PIXELS];

/* ---- smooth noise ---------------------------------------------------------------------------- */

/* Adds amplitude × smooth noise with @cells periods across the square; about unit variance. */
static void
add_noise_octave (float *field, SegDraw *draw, float cells, float amplitude)
{
  enum
  {
    MAX_LATTICE = 70
  };
  float lattice[MAX_LATTICE][MAX_LATTICE];
  float fx[SIDE];
  int ix[SIDE];
  int n;

  cells = CLAMP (cells, 1.0f, (float) (MAX_LATTICE - 4));
  n = (int) cells + 3;
  for (int y = 0; y < n; y++)
    for (int x = 0; x < n; x++)
      lattice[y][x] = seg_draw_normal (draw) * amplitude * 1.4f;
  for (int x = 0; x < SIDE; x++)
    {
      const float at = (float) x * cells / SIDE;
      const float t = at - floorf (at);
      ix[x] = (int) at;
      fx[x] = t * t * (3.0f - 2.0f * t);
    }
  for (int y = 0; y < SIDE; y++)
    {
      const float *a = lattice[ix[y]], *b = lattice[ix[y] + 1];
      float row[MAX_LATTICE];

      for (int x = 0; x < n; x++)
        row[x] = a[x] + (b[x] - a[x]) * fx[y];
      for (int x = 0; x < SIDE; x++)
        field[y * SIDE + x] += row[ix[x]] + (row[ix[x] + 1] - row[ix[x]]) * fx[x];
    }
}

static void
make_noise (float *field, SegDraw *draw, float cells, int octaves, float roughness)
{
  float amplitude = 1.0f;

  memset (field, 0, sizeof (Field));
  for (int o = 0; o < octaves; o++)
    {
      add_noise_octave (field, draw, cells, amplitude);
      cells *= 2.0f;
      amplitude *= roughness;
    }
}

static void
blur (float *field, float sigma)
{
  static const int max_radius = 12;
  float kernel[25], line[SIDE];
  const int radius = MIN (max_radius, (int) (2.5f * sigma + 0.5f));
  float sum = 0;

  if (radius < 1)
    return;
  for (int k = -radius; k <= radius; k++)
    sum += kernel[k + radius] = expf (-0.5f * (float) (k * k) / (sigma * sigma));
  for (int k = 0; k <= 2 * radius; k++)
    kernel[k] /= sum;
  for (int pass = 0; pass < 2; pass++)
    for (int a = 0; a < SIDE; a++)
      {
        const int step = pass ? SIDE : 1, start = pass ? a : a * SIDE;
        float padded[SIDE + 24];

        for (int b = 0; b < SIDE + 2 * radius; b++)
          padded[b] = field[start + CLAMP (b - radius, 0, SIDE - 1) * step];
        for (int b = 0; b < SIDE; b++)
          {
            float total = 0;
            for (int k = 0; k <= 2 * radius; k++)
              total += kernel[k] * padded[b + k];
            line[b] = total;
          }
        for (int b = 0; b < SIDE; b++)
          field[start + b * step] = line[b];
      }
}

/* ---- shapes: functions negative inside, about in pixels ----------------------------------------
 */

typedef struct
{
  float x, y; /* centre */
  float radius; /* of the disc of equal area, roughly */
  float stretch, cosine, sine;
  float wave[6], phase[6];
} Blob;

/* cos and sin of multiples follow by recurrence; atan2 is not needed. */
static float
blob_distance (const Blob *self, float x, float y)
{
  const float px = x - self->x, py = y - self->y;
  const float u = (px * self->cosine + py * self->sine) / self->stretch;
  const float v = (py * self->cosine - px * self->sine) * self->stretch;
  const float r = sqrtf (u * u + v * v) + 1e-6f;
  const float c1 = u / r, s1 = v / r;
  float c = c1, s = s1, rim = 1.0f;

  for (int k = 0; k < 6; k++)
    {
      const float next = c * c1 - s * s1;
      rim += self->wave[k] * (c * self->phase[k] + s * (1.0f - fabsf (self->phase[k])));
      s = s * c1 + c * s1;
      c = next;
    }
  return r - self->radius * MAX (rim, 0.25f);
}

static Blob
draw_blob (SegDraw *draw, float x, float y, float radius, float roughness)
{
  const float turn = seg_draw_range (draw, 0, 6.2831853f);
  Blob self = { .x = x, .y = y, .radius = radius, .cosine = cosf (turn), .sine = sinf (turn) };

  self.stretch = sqrtf (seg_draw_log_range (draw, 1.0f, 2.4f));
  for (int k = 0; k < 6; k++)
    {
      self.wave[k] = seg_draw_normal (draw) * roughness / (1.0f + 0.7f * (float) k);
      self.phase[k] = seg_draw_range (draw, -1, 1);
    }
  self.wave[0] *= 0.5f;
  return self;
}

typedef enum
{
  SHAPE_BLOB,
  SHAPE_LOBED,
  SHAPE_RING,
  SHAPE_CRESCENT,
  SHAPE_TUBE,
  SHAPE_CLOUD,
  SHAPE_BLOCK,
  N_SHAPES
} ShapeKind;

typedef struct
{
  ShapeKind kind;
  Blob blobs[5];
  int n_blobs;
  float path[12][3]; /* x, y, half width */
  int n_path;
  float level;
  float corner;
} Shape;

static float
segment_distance (const float a[3], const float b[3], float x, float y)
{
  const float dx = b[0] - a[0], dy = b[1] - a[1];
  const float length = dx * dx + dy * dy + 1e-6f;
  const float t = CLAMP (((x - a[0]) * dx + (y - a[1]) * dy) / length, 0.0f, 1.0f);
  const float ex = x - a[0] - t * dx, ey = y - a[1] - t * dy;
  return sqrtf (ex * ex + ey * ey) - (a[2] + t * (b[2] - a[2]));
}

static float
smooth_min (float a, float b, float k)
{
  const float h = MAX (k - fabsf (a - b), 0.0f) / k;
  return MIN (a, b) - h * h * k * 0.25f;
}

static void
draw_path (Shape *self, SegDraw *draw, float x, float y, float width, float step, int n)
{
  float turn = seg_draw_range (draw, 0, 6.2831853f), bend = 0;

  self->n_path = n;
  for (int p = 0; p < n; p++)
    {
      self->path[p][0] = x;
      self->path[p][1] = y;
      self->path[p][2] = width * seg_draw_range (draw, 0.75f, 1.25f);
      bend = 0.6f * bend + 0.35f * seg_draw_normal (draw);
      turn += bend;
      x += step * cosf (turn);
      y += step * sinf (turn);
    }
}

static void
draw_shape (Shape *self, SegDraw *draw, ShapeKind kind, float x, float y, float radius)
{
  const float roughness =
      seg_draw_chance (draw, 0.3f) ? 0.05f : seg_draw_range (draw, 0.05f, 0.28f);

  memset (self, 0, sizeof *self);
  self->kind = kind;
  self->blobs[0] = draw_blob (draw, x, y, radius, roughness);
  self->n_blobs = 1;
  switch (kind)
    {
    case SHAPE_LOBED:
      {
        /* An organ with lobes, or an atrium with its veins. */
        const int lobes = seg_draw_int (draw, 1, 3);
        for (int l = 0; l < lobes; l++)
          {
            const float turn = seg_draw_range (draw, 0, 6.2831853f);
            const float away = radius * seg_draw_range (draw, 0.6f, 1.1f);
            self->blobs[self->n_blobs++] =
                draw_blob (draw, x + away * cosf (turn), y + away * sinf (turn),
                           radius * seg_draw_range (draw, 0.3f, 0.8f), roughness);
          }
        if (seg_draw_chance (draw, 0.5f))
          draw_path (self, draw, x, y, radius * seg_draw_range (draw, 0.12f, 0.3f),
                     radius * seg_draw_range (draw, 0.4f, 0.8f), 4);
        break;
      }
    case SHAPE_RING:
      {
        Blob inner = self->blobs[0];
        const float thick = seg_draw_range (draw, 0.15f, 0.5f);
        inner.radius *= 1.0f - thick;
        inner.x += radius * thick * seg_draw_range (draw, -0.3f, 0.3f);
        inner.y += radius * thick * seg_draw_range (draw, -0.3f, 0.3f);
        self->blobs[1] = inner;
        self->n_blobs = 2;
        break;
      }
    case SHAPE_CRESCENT:
      {
        const float turn = seg_draw_range (draw, 0, 6.2831853f);
        const float away = radius * seg_draw_range (draw, 0.5f, 1.1f);
        self->blobs[1] = draw_blob (draw, x + away * cosf (turn), y + away * sinf (turn),
                                    radius * seg_draw_range (draw, 0.6f, 1.1f), roughness * 0.6f);
        self->n_blobs = 2;
        break;
      }
    case SHAPE_TUBE:
      draw_path (self, draw, x, y, MAX (1.2f, radius * seg_draw_range (draw, 0.15f, 0.4f)),
                 radius * seg_draw_range (draw, 0.3f, 0.6f), seg_draw_int (draw, 4, 10));
      break;
    case SHAPE_CLOUD:
      self->level = seg_draw_range (draw, 0.3f, 1.1f);
      break;
    case SHAPE_BLOCK:
      self->corner = seg_draw_range (draw, 0.1f, 0.6f);
      break;
    default:
      break;
    }
}

static float
shape_distance (const Shape *self, float x, float y, float cloud)
{
  float d = blob_distance (&self->blobs[0], x, y);

  switch (self->kind)
    {
    case SHAPE_LOBED:
      for (int b = 1; b < self->n_blobs; b++)
        d = smooth_min (d, blob_distance (&self->blobs[b], x, y), 4.0f);
      for (int p = 0; p + 1 < self->n_path; p++)
        d = smooth_min (d, segment_distance (self->path[p], self->path[p + 1], x, y), 3.0f);
      return d;
    case SHAPE_RING:
    case SHAPE_CRESCENT:
      return MAX (d, -blob_distance (&self->blobs[1], x, y));
    case SHAPE_TUBE:
      d = 1e6f;
      for (int p = 0; p + 1 < self->n_path; p++)
        d = MIN (d, segment_distance (self->path[p], self->path[p + 1], x, y));
      return d;
    case SHAPE_CLOUD:
      return d + cloud * self->blobs[0].radius * self->level;
    case SHAPE_BLOCK:
      {
        const Blob *b = &self->blobs[0];
        const float px = x - b->x, py = y - b->y;
        const float u = fabsf (px * b->cosine + py * b->sine) / b->stretch;
        const float v = fabsf (py * b->cosine - px * b->sine) * b->stretch;
        const float corner = b->radius * self->corner;
        const float qu = u - 0.88f * b->radius + corner, qv = v - 0.88f * b->radius + corner;
        const float ou = MAX (qu, 0.0f), ov = MAX (qv, 0.0f);
        return sqrtf (ou * ou + ov * ov) + MIN (MAX (qu, qv), 0.0f) - corner;
      }
    default:
      return d;
    }
}

/* ---- the scene ------------------------------------------------------------------------------- */

typedef struct
{
  SegDraw draw;
  float hardness;
  Field warp_x, warp_y, cloud, coverage, texture, scratch;
  Field hidden; /* 1 where a frame covers the picture */
} Studio;

/* Coverage 0…1 of every pixel, with the width of the boundary in pixels (partial volume). */
static void
cover (Studio *studio, const Shape *shape, float softness, float *coverage)
{
  const float scale = 1.0f / softness;

  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      {
        const int p = y * SIDE + x;
        const float d = shape_distance (shape, (float) x + studio->warp_x[p],
                                        (float) y + studio->warp_y[p], studio->cloud[p]);
        coverage[p] = CLAMP (0.5f - d * scale, 0.0f, 1.0f);
      }
}

/* Colour of a tissue: mean, texture and shading. */
typedef struct
{
  float mean[3];
  float texture, shade;
} Tissue;

static void
paint (Studio *studio, SegScene *scene, const float *coverage, const Tissue *tissue)
{
  for (int c = 0; c < 3; c++)
    for (int p = 0; p < N_PIXELS; p++)
      if (coverage[p] > 0)
        {
          const float value = tissue->mean[c] + tissue->texture * studio->texture[p]
                              + tissue->shade * studio->cloud[p];
          scene->rgb[c][p] += coverage[p] * (value - scene->rgb[c][p]);
        }
}

static Tissue
draw_tissue (Studio *studio, const SegScene *scene, const Tissue *near_to, float contrast)
{
  SegDraw *draw = &studio->draw;
  Tissue self;
  float level = seg_draw_unit (draw);

  if (near_to != NULL)
    level = near_to->mean[0] + (seg_draw_chance (draw, 0.5f) ? contrast : -contrast);
  self.texture = seg_draw_chance (draw, 0.5f) ? 0 : seg_draw_range (draw, 0, 0.07f);
  self.shade = seg_draw_chance (draw, 0.5f) ? 0 : seg_draw_range (draw, 0, 0.05f);
  for (int c = 0; c < 3; c++)
    self.mean[c] = level;
  if (scene->colour)
    {
      /* Mucosa: red high, green and blue follow at a distance; contrast in hue as well. */
      const float hue = near_to != NULL
                            ? near_to->mean[1] - near_to->mean[0] + seg_draw_normal (draw) * 0.07f
                            : seg_draw_range (draw, -0.45f, -0.1f);
      self.mean[1] = level + hue;
      self.mean[2] = level + hue * seg_draw_range (draw, 1.0f, 1.3f);
    }
  return self;
}

static ShapeKind
draw_kind (SegDraw *draw, SegSceneLook look, gboolean target)
{
  static const guint8 odds[SEG_N_SCENE_LOOKS][N_SHAPES] = {
    /*                blob lobed ring crescent tube cloud block */
    [SEG_SCENE_LGE] = { 26, 44, 5, 5, 2, 16, 2 },
    [SEG_SCENE_CINE] = { 32, 4, 34, 24, 1, 4, 1 },
    [SEG_SCENE_T1] = { 36, 14, 4, 22, 6, 16, 2 },
    [SEG_SCENE_CT] = { 34, 20, 12, 8, 10, 12, 4 },
    [SEG_SCENE_ENDOSCOPY] = { 60, 18, 0, 2, 2, 16, 2 },
    [SEG_SCENE_PLAIN] = { 26, 14, 14, 10, 10, 18, 8 },
  };
  int at = seg_draw_int (draw, 0, 99);

  for (int k = 0; k < N_SHAPES; k++)
    {
      at -= odds[look][k];
      if (at < 0)
        return k;
    }
  return SHAPE_BLOB;
}

static void
draw_background (Studio *studio, SegScene *scene, const Tissue *base)
{
  SegDraw *draw = &studio->draw;
  const int regions = seg_draw_int (draw, 0, 4);

  memset (scene->rgb, 0, sizeof scene->rgb);
  for (int p = 0; p < N_PIXELS; p++)
    studio->coverage[p] = 1;
  paint (studio, scene, studio->coverage, base);
  /* Broad tissue regions: smooth noise cut at a level. */
  for (int r = 0; r < regions; r++)
    {
      const Tissue tissue = draw_tissue (studio, scene, scene->colour ? base : NULL,
                                         seg_draw_range (draw, 0.03f, 0.2f));
      const float level = seg_draw_range (draw, -0.2f, 1.2f);
      const float sharp = seg_draw_range (draw, 1.5f, 9.0f);

      make_noise (studio->scratch, draw, seg_draw_range (draw, 1.5f, 6), 2, 0.4f);
      for (int p = 0; p < N_PIXELS; p++)
        studio->coverage[p] = CLAMP ((studio->scratch[p] - level) * sharp + 0.5f, 0.0f, 1.0f);
      paint (studio, scene, studio->coverage, &tissue);
    }
}

/* Outside of the body, or around an endoscope's octagon. */
static void
draw_frame (Studio *studio, SegScene *scene)
{
  SegDraw *draw = &studio->draw;
  const gboolean scope = scene->look == SEG_SCENE_ENDOSCOPY;
  const Blob body = draw_blob (draw, seg_draw_range (draw, 54, 74), seg_draw_range (draw, 54, 74),
                               seg_draw_range (draw, 52, 80), 0.06f);
  const float reach = seg_draw_range (draw, 58, 70), corner = seg_draw_range (draw, 1.3f, 1.6f);
  const Tissue dark = { { 0.02f, 0.02f, 0.02f }, 0.01f, 0 };

  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      {
        const float ax = fabsf ((float) x - 63.5f), ay = fabsf ((float) y - 63.5f);
        const float d = scope ? MAX (MAX (ax, ay), (ax + ay) / corner) - reach
                              : blob_distance (&body, (float) x, (float) y);
        studio->hidden[y * SIDE + x] = CLAMP (0.5f + d * 0.7f, 0.0f, 1.0f);
      }
  paint (studio, scene, studio->hidden, &dark);
}

static void
lighten (SegScene *scene, int p, float factor)
{
  for (int c = 0; c < 3; c++)
    scene->rgb[c][p] *= factor;
}

/* The lamp of an endoscope: one side brighter, the lumen dark. */
static void
light_cavity (Studio *studio, SegScene *scene)
{
  SegDraw *draw = &studio->draw;
  const float turn = seg_draw_range (draw, 0, 6.2831853f), fall = seg_draw_range (draw, 0, 0.5f);
  const int lumens = seg_draw_chance (draw, 0.5f) ? seg_draw_int (draw, 1, 2) : 0;

  make_noise (studio->scratch, draw, seg_draw_range (draw, 1.5f, 4), 2, 0.5f);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      {
        const float slope = (((float) x - 64) * cosf (turn) + ((float) y - 64) * sinf (turn)) / 64;
        lighten (scene, y * SIDE + x,
                 CLAMP (1 + fall * slope + 0.12f * studio->scratch[y * SIDE + x], 0.25f, 2.0f));
      }
  for (int l = 0; l < lumens; l++)
    {
      Shape lumen;
      const float depth = seg_draw_range (draw, 0.3f, 0.8f);

      draw_shape (&lumen, draw, SHAPE_BLOB, seg_draw_range (draw, 0, SIDE),
                  seg_draw_range (draw, 0, SIDE), seg_draw_range (draw, 8, 32));
      cover (studio, &lumen, seg_draw_range (draw, 6, 24), studio->coverage);
      for (int p = 0; p < N_PIXELS; p++)
        lighten (scene, p, 1 - depth * studio->coverage[p]);
    }
}

/* A dome under that lamp: brighter towards it, darker at the rim, a shadow behind. */
static void
light_dome (Studio *studio, SegScene *scene, const Shape *target)
{
  SegDraw *draw = &studio->draw;
  const float turn = seg_draw_range (draw, 0, 6.2831853f), cosine = cosf (turn), sine = sinf (turn);
  const float reach = target->blobs[0].radius + 1, tilt = seg_draw_range (draw, 0, 0.45f);
  const float dome = seg_draw_range (draw, 0, 0.35f), rim = seg_draw_range (draw, 0, 0.4f);
  const float rim_width = seg_draw_range (draw, 1, 5), shadow = seg_draw_range (draw, 0, 0.5f);
  const float shadow_width = seg_draw_range (draw, 2, 10);

  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      {
        const int p = y * SIDE + x;
        const float d = shape_distance (target, (float) x + studio->warp_x[p],
                                        (float) y + studio->warp_y[p], studio->cloud[p]);
        const float slope =
            (((float) x - target->blobs[0].x) * cosine + ((float) y - target->blobs[0].y) * sine)
            / reach;
        if (d <= 0)
          lighten (scene, p,
                   MAX (0.2f, 1 + tilt * CLAMP (slope, -1.2f, 1.2f)
                                  + dome * (MIN (-d / (0.7f * reach), 1.0f) - 0.5f)
                                  - rim * expf (d / rim_width)));
        else if (d < 3 * shadow_width)
          lighten (scene, p, 1 - shadow * expf (-d / shadow_width) * CLAMP (-slope, 0.0f, 1.0f));
      }
}

static void
draw_neighbours (Studio *studio, SegScene *scene, const Shape *target, const Tissue *inside)
{
  SegDraw *draw = &studio->draw;
  const int n = seg_draw_int (draw, 1, scene->look == SEG_SCENE_ENDOSCOPY ? 4 : 8);
  const Blob *core = &target->blobs[0];

  for (int s = 0; s < n; s++)
    {
      Shape shape;
      Tissue tissue = draw_tissue (studio, scene, scene->colour ? inside : NULL,
                                   seg_draw_range (draw, 0.05f, 0.25f));
      float x = seg_draw_range (draw, -8, SIDE + 8), y = seg_draw_range (draw, -8, SIDE + 8);
      float radius = seg_draw_log_range (draw, 3, 30);

      if (seg_draw_chance (draw, 0.3f + 0.3f * studio->hardness))
        {
          /* A neighbour of the target's own intensity: the boundary between them is not seen. */
          for (int c = 0; c < 3; c++)
            tissue.mean[c] = inside->mean[c] + seg_draw_normal (draw) * 0.02f;
          tissue.texture = inside->texture;
          if (seg_draw_chance (draw, 0.6f))
            {
              const float turn = seg_draw_range (draw, 0, 6.2831853f);
              radius = core->radius * seg_draw_log_range (draw, 0.3f, 1.2f);
              x = core->x
                  + (core->radius + radius * seg_draw_range (draw, 0.7f, 1.5f)) * cosf (turn);
              y = core->y
                  + (core->radius + radius * seg_draw_range (draw, 0.7f, 1.5f)) * sinf (turn);
            }
        }
      draw_shape (&shape, draw, draw_kind (draw, scene->look, FALSE), x, y, radius);
      cover (studio, &shape, seg_draw_range (draw, 1, 3), studio->coverage);
      paint (studio, scene, studio->coverage, &tissue);
    }
}

/* What surrounds the target directly: a wall or fat, so that the contrast is local. */
static void
draw_wall (Studio *studio, SegScene *scene, const Shape *target, const Tissue *inside,
           float contrast)
{
  SegDraw *draw = &studio->draw;
  const Tissue wall = draw_tissue (studio, scene, inside, contrast);
  const float width = seg_draw_log_range (draw, 1.5f, 12);
  const float gaps = seg_draw_chance (draw, 0.5f) ? seg_draw_range (draw, 0.2f, 1.2f) : 9.0f;

  make_noise (studio->scratch, draw, seg_draw_range (draw, 2, 6), 1, 0.5f);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      {
        const int p = y * SIDE + x;
        const float d = shape_distance (target, (float) x + studio->warp_x[p],
                                        (float) y + studio->warp_y[p], studio->cloud[p])
                        - width;
        const float open = CLAMP ((gaps - studio->scratch[p]) * 4.0f, 0.0f, 1.0f);
        studio->coverage[p] = CLAMP (0.5f - d * 0.5f, 0.0f, 1.0f) * open;
      }
  paint (studio, scene, studio->coverage, &wall);
}

/* Broad patches of another tint within the target: its middle does not stand for all of it. */
static void
draw_patches (Studio *studio, SegScene *scene, const Shape *target, const Tissue *inside)
{
  SegDraw *draw = &studio->draw;
  const int n = seg_draw_int (draw, 0, 3);

  for (int s = 0; s < n; s++)
    {
      const float turn = seg_draw_range (draw, 0, 6.2831853f);
      const float away = target->blobs[0].radius * seg_draw_range (draw, 0, 0.9f);
      const Tissue tissue = draw_tissue (studio, scene, inside, seg_draw_range (draw, 0.03f, 0.2f));
      Shape patch;

      draw_shape (&patch, draw, SHAPE_BLOB, target->blobs[0].x + away * cosf (turn),
                  target->blobs[0].y + away * sinf (turn),
                  target->blobs[0].radius * seg_draw_range (draw, 0.3f, 0.8f));
      cover (studio, target, 2, studio->scratch);
      cover (studio, &patch, seg_draw_range (draw, 2, 10), studio->coverage);
      for (int p = 0; p < N_PIXELS; p++)
        studio->coverage[p] *= studio->scratch[p];
      paint (studio, scene, studio->coverage, &tissue);
    }
}

static void
draw_inside (Studio *studio, SegScene *scene, const Shape *target, const Tissue *inside)
{
  SegDraw *draw = &studio->draw;

  /* Uneven perfusion, papillary muscles, bright scar, a vessel through an organ. */
  if (scene->look == SEG_SCENE_ENDOSCOPY)
    {
      draw_patches (studio, scene, target, inside);
      light_dome (studio, scene, target);
    }
  else if (seg_draw_chance (draw, 0.2f))
    {
      const float turn = seg_draw_range (draw, 0, 6.2831853f);
      const float lift = seg_draw_range (draw, 0.0f, 0.2f), reach = target->blobs[0].radius + 1;
      cover (studio, target, 2, studio->coverage);
      for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
          {
            const int p = y * SIDE + x;
            const float slope = (((float) x - target->blobs[0].x) * cosf (turn)
                                 + ((float) y - target->blobs[0].y) * sinf (turn))
                                / reach;
            for (int c = 0; c < 3; c++)
              scene->rgb[c][p] += studio->coverage[p] * lift * CLAMP (slope, -1.2f, 1.2f);
          }
    }
  if (seg_draw_chance (draw, 0.35f))
    {
      const int n = seg_draw_int (draw, 1, 4);
      for (int s = 0; s < n; s++)
        {
          const float turn = seg_draw_range (draw, 0, 6.2831853f);
          const float away = target->blobs[0].radius * sqrtf (seg_draw_unit (draw));
          const Tissue tissue =
              draw_tissue (studio, scene, inside, seg_draw_range (draw, 0.05f, 0.4f));
          Shape spot;

          draw_shape (&spot, draw, SHAPE_BLOB, target->blobs[0].x + away * cosf (turn),
                      target->blobs[0].y + away * sinf (turn),
                      target->blobs[0].radius * seg_draw_range (draw, 0.06f, 0.22f));
          cover (studio, &spot, 2, studio->coverage);
          paint (studio, scene, studio->coverage, &tissue);
        }
    }
}

static void
draw_highlights (Studio *studio, SegScene *scene)
{
  SegDraw *draw = &studio->draw;
  const int folds = seg_draw_int (draw, 0, 4), spots = seg_draw_int (draw, 0, 9);

  for (int f = 0; f < folds; f++)
    {
      Shape fold;
      const float depth = seg_draw_range (draw, 0.1f, 0.5f);

      draw_shape (&fold, draw, SHAPE_TUBE, seg_draw_range (draw, 0, SIDE),
                  seg_draw_range (draw, 0, SIDE), seg_draw_range (draw, 20, 50));
      for (int p = 0; p < fold.n_path; p++)
        fold.path[p][2] = seg_draw_range (draw, 1, 3);
      cover (studio, &fold, 6, studio->coverage);
      for (int c = 0; c < 3; c++)
        for (int p = 0; p < N_PIXELS; p++)
          scene->rgb[c][p] *= 1 - studio->coverage[p] * depth;
    }
  for (int s = 0; s < spots; s++)
    {
      const Blob spot =
          draw_blob (draw, seg_draw_range (draw, 0, SIDE), seg_draw_range (draw, 0, SIDE),
                     seg_draw_log_range (draw, 0.8f, 4), 0.2f);
      const int reach = 10;
      for (int y = MAX (0, (int) spot.y - reach); y < MIN (SIDE, (int) spot.y + reach); y++)
        for (int x = MAX (0, (int) spot.x - reach); x < MIN (SIDE, (int) spot.x + reach); x++)
          {
            const float a = CLAMP (0.5f - blob_distance (&spot, (float) x, (float) y), 0.0f, 1.0f);
            for (int c = 0; c < 3; c++)
              scene->rgb[c][y * SIDE + x] += a * (1.0f - scene->rgb[c][y * SIDE + x]);
          }
    }
}

/* ---- the camera ------------------------------------------------------------------------------ */

static void
coarsen (float *field, float *scratch, int factor)
{
  const int n = SIDE / factor;

  for (int y = 0; y < n; y++)
    for (int x = 0; x < n; x++)
      {
        float sum = 0;
        for (int b = 0; b < factor; b++)
          for (int a = 0; a < factor; a++)
            sum += field[(y * factor + b) * SIDE + x * factor + a];
        scratch[y * n + x] = sum / (float) (factor * factor);
      }
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      {
        const float sx = CLAMP (((float) x + 0.5f) / (float) factor - 0.5f, 0.0f, (float) (n - 1));
        const float sy = CLAMP (((float) y + 0.5f) / (float) factor - 0.5f, 0.0f, (float) (n - 1));
        const int ix = MIN ((int) sx, n - 2), iy = MIN ((int) sy, n - 2);
        const float fx = sx - (float) ix, fy = sy - (float) iy;
        const float *s = scratch + iy * n + ix;
        field[y * SIDE + x] =
            (s[0] * (1 - fx) + s[1] * fx) * (1 - fy) + (s[n] * (1 - fx) + s[n + 1] * fx) * fy;
      }
}

static void
add_sensor_noise (Studio *studio, SegScene *scene, int n_planes)
{
  SegDraw *draw = &studio->draw;
  const gboolean rician = scene->look == SEG_SCENE_LGE || scene->look == SEG_SCENE_CINE;
  const float sd = seg_draw_log_range (draw, 0.004f, 0.03f + 0.09f * studio->hardness)
                   * (scene->look == SEG_SCENE_LGE         ? 1.3f
                      : scene->look == SEG_SCENE_ENDOSCOPY ? 0.35f
                                                           : 1.0f);
  const float grain = seg_draw_chance (draw, 0.5f) ? 0.0f : seg_draw_range (draw, 0.5f, 1.2f);

  for (int c = 0; c < n_planes; c++)
    {
      if (grain > 0)
        {
          for (int p = 0; p < N_PIXELS; p++)
            studio->scratch[p] = seg_draw_normal (draw);
          blur (studio->scratch, grain);
          for (int p = 0; p < N_PIXELS; p++)
            scene->rgb[c][p] += studio->scratch[p] * sd * (1.0f + 2.5f * grain);
        }
      else if (rician)
        for (int p = 0; p < N_PIXELS; p++)
          {
            const float re = scene->rgb[c][p] + sd * seg_draw_normal (draw);
            const float im = sd * seg_draw_normal (draw);
            scene->rgb[c][p] = sqrtf (re * re + im * im);
          }
      else
        for (int p = 0; p < N_PIXELS; p++)
          scene->rgb[c][p] += sd * seg_draw_normal (draw);
    }
}

static void
expose (Studio *studio, SegScene *scene)
{
  SegDraw *draw = &studio->draw;
  const int n_planes = scene->colour ? 3 : 1;
  const float bias = seg_draw_chance (draw, 0.6f) ? seg_draw_range (draw, 0, 0.35f) : 0;
  const float optics = seg_draw_chance (draw, 0.5f) ? seg_draw_range (draw, 0.4f, 1.6f) : 0;
  const int low_res = seg_draw_chance (draw, scene->look == SEG_SCENE_T1 ? 0.6f : 0.15f)
                          ? seg_draw_int (draw, 1, 2)
                          : 0;
  const gboolean noise_first = seg_draw_chance (draw, 0.5f);
  const float gamma = seg_draw_chance (draw, 0.5f) ? seg_draw_log_range (draw, 0.6f, 1.7f) : 1;
  const gboolean clip = scene->look == SEG_SCENE_CT || seg_draw_chance (draw, 0.15f);
  const float clip_low = seg_draw_range (draw, -0.1f, 0.2f);
  const float clip_high = seg_draw_range (draw, 0.7f, 1.1f);
  const gboolean invert = !scene->colour && seg_draw_chance (draw, 0.1f);

  if (bias > 0)
    {
      make_noise (studio->scratch, draw, seg_draw_range (draw, 1, 2.5f), 1, 0.5f);
      for (int c = 0; c < n_planes; c++)
        for (int p = 0; p < N_PIXELS; p++)
          scene->rgb[c][p] *= MAX (0.2f, 1.0f + bias * studio->scratch[p]);
    }
  for (int c = 0; c < n_planes; c++)
    if (optics > 0)
      blur (scene->rgb[c], optics);
  if (noise_first)
    add_sensor_noise (studio, scene, n_planes);
  for (int c = 0; c < n_planes; c++)
    if (low_res > 0)
      coarsen (scene->rgb[c], studio->scratch, 1 << low_res);
  if (!noise_first)
    add_sensor_noise (studio, scene, n_planes);
  for (int c = 0; c < n_planes; c++)
    for (int p = 0; p < N_PIXELS; p++)
      {
        float value = scene->rgb[c][p];

        if (clip)
          value = (CLAMP (value, clip_low, clip_high) - clip_low) / (clip_high - clip_low);
        if (gamma != 1)
          value = powf (CLAMP (value, 0.0f, 2.0f), gamma);
        scene->rgb[c][p] = invert ? 1 - value : value;
      }
  for (int c = n_planes; c < 3; c++)
    memcpy (scene->rgb[c], scene->rgb[0], sizeof (Field));
}

static void
letterbox (SegScene *scene, SegDraw *draw)
{
  scene->x0 = scene->y0 = 0;
  scene->x1 = scene->y1 = SIDE;
  if (seg_draw_chance (draw, 0.35f))
    {
      const int cut = seg_draw_int (draw, 2, 30);
      if (seg_draw_chance (draw, 0.5f))
        scene->x0 = cut, scene->x1 = SIDE - cut;
      else
        scene->y0 = cut, scene->y1 = SIDE - cut;
    }
}

/* The largest connected part of the target inside the picture; a person clicks one structure. */
static gsize
settle_truth (SegScene *scene, const float *coverage, gboolean one_part)
{
  static const int dx[4] = { 1, -1, 0, 0 }, dy[4] = { 0, 0, 1, -1 };
  guint16 label[N_PIXELS];
  gint16 stack[N_PIXELS];
  gsize best = 0;
  int best_label = 0, n_labels = 0;
  gsize total = 0;

  memset (label, 0, sizeof label);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      {
        const int p = y * SIDE + x;
        scene->truth[p] = coverage[p] > 0.5f && x >= scene->x0 && x < scene->x1 && y >= scene->y0
                          && y < scene->y1;
        total += scene->truth[p];
      }
  if (!one_part)
    return total;
  for (int start = 0; start < N_PIXELS; start++)
    if (scene->truth[start] && label[start] == 0)
      {
        int top = 0;
        gsize n = 0;

        label[start] = (guint16) ++n_labels;
        stack[top++] = (gint16) start;
        while (top > 0)
          {
            const int p = stack[--top], x = p % SIDE, y = p / SIDE;
            n++;
            for (int k = 0; k < 4; k++)
              {
                const int nx = x + dx[k], ny = y + dy[k], q = ny * SIDE + nx;
                if (nx >= 0 && ny >= 0 && nx < SIDE && ny < SIDE && scene->truth[q] && !label[q])
                  {
                    label[q] = (guint16) n_labels;
                    stack[top++] = (gint16) q;
                  }
              }
          }
        if (n > best)
          best = n, best_label = n_labels;
      }
  for (int p = 0; p < N_PIXELS; p++)
    scene->truth[p] = label[p] == best_label && best_label > 0;
  return best;
}

/* A heart cut across: a pool within a muscular ring, a crescent beside it behind the septum. One of
 * the three is asked for; a box around the ring says nothing of its hole, the picture does. */
typedef struct
{
  Shape outer, inner, beside;
  Tissue muscle, pool, beside_pool;
} Heart;

static Shape
draw_round (SegDraw *draw, float x, float y, float radius, float roughness, float stretch)
{
  Shape self = { .kind = SHAPE_BLOB, .n_blobs = 1 };

  self.blobs[0] = draw_blob (draw, x, y, radius, roughness);
  self.blobs[0].stretch = sqrtf (seg_draw_log_range (draw, 1.0f, stretch));
  return self;
}

static Tissue
lift_tissue (const Tissue *from, float by)
{
  Tissue self = *from;

  for (int c = 0; c < 3; c++)
    self.mean[c] += by;
  return self;
}

static void
draw_heart (Heart *self, Studio *studio, const SegScene *scene, float x, float y, float radius)
{
  SegDraw *draw = &studio->draw;
  const float thick = seg_draw_range (draw, 0.16f, 0.48f);
  const float turn = seg_draw_range (draw, 0, 6.2831853f);
  const float width = radius * seg_draw_log_range (draw, 0.7f, 1.5f);
  const float away = radius * seg_draw_range (draw, 0.75f, 1.15f) + 0.3f * width;
  const float contrast = seg_draw_log_range (draw, 0.4f - 0.3f * studio->hardness, 0.6f);
  const float lift = seg_draw_chance (draw, 0.85f) ? contrast : -contrast;

  self->outer = draw_round (draw, x, y, radius, seg_draw_range (draw, 0.01f, 0.06f), 1.35f);
  self->inner =
      draw_round (draw, 0, 0, radius * (1 - thick), seg_draw_range (draw, 0.01f, 0.1f), 1.3f);
  if (seg_draw_chance (draw, 0.7f))
    {
      self->inner.blobs[0] = self->outer.blobs[0];
      self->inner.blobs[0].radius *= 1 - thick;
    }
  self->inner.blobs[0].x = x + radius * thick * seg_draw_range (draw, -0.4f, 0.4f);
  self->inner.blobs[0].y = y + radius * thick * seg_draw_range (draw, -0.4f, 0.4f);
  self->beside = draw_round (draw, x + away * cosf (turn), y + away * sinf (turn), width,
                             seg_draw_range (draw, 0.03f, 0.2f), 2.0f);
  self->beside.kind = SHAPE_CRESCENT;
  self->beside.blobs[1] = self->outer.blobs[0];
  self->beside.blobs[1].radius *= seg_draw_range (draw, 0.95f, 1.05f);
  self->beside.n_blobs = 2;
  self->muscle = draw_tissue (studio, scene, NULL, 0);
  for (int c = 0; c < 3; c++)
    self->muscle.mean[c] = seg_draw_range (draw, 0.2f, 0.5f) + (lift < 0 ? 0.3f : 0.0f);
  self->muscle.mean[1] = self->muscle.mean[2] = self->muscle.mean[0];
  self->pool = lift_tissue (&self->muscle, lift);
  self->beside_pool = lift_tissue (&self->pool, seg_draw_normal (draw) * 0.05f);
}

static void
paint_heart (Studio *studio, SegScene *scene, const Heart *heart)
{
  SegDraw *draw = &studio->draw;
  const int muscles = seg_draw_int (draw, 0, 3);
  const float radius = heart->inner.blobs[0].radius;
  Shape wall = heart->beside;

  /* The thin wall of the crescent, then what it holds, then the ring and its pool. */
  wall.blobs[0].radius += seg_draw_range (draw, 0.5f, 3);
  cover (studio, &wall, 2, studio->coverage);
  paint (studio, scene, studio->coverage, &heart->muscle);
  cover (studio, &heart->beside, seg_draw_range (draw, 1, 3), studio->coverage);
  paint (studio, scene, studio->coverage, &heart->beside_pool);
  if (seg_draw_chance (draw, 0.4f))
    {
      const Tissue fat = lift_tissue (&heart->pool, seg_draw_range (draw, -0.1f, 0.2f));
      Shape around = heart->outer;
      around.blobs[0].radius += seg_draw_range (draw, 0.5f, 2.5f);
      around.blobs[0].x += seg_draw_range (draw, -2, 2);
      around.blobs[0].y += seg_draw_range (draw, -2, 2);
      cover (studio, &around, 2, studio->coverage);
      for (int p = 0; p < N_PIXELS; p++)
        studio->coverage[p] *= 0.6f;
      paint (studio, scene, studio->coverage, &fat);
    }
  cover (studio, &heart->outer, seg_draw_range (draw, 1, 3), studio->coverage);
  paint (studio, scene, studio->coverage, &heart->muscle);
  cover (studio, &heart->inner, seg_draw_range (draw, 1, 3), studio->coverage);
  paint (studio, scene, studio->coverage, &heart->pool);
  for (int m = 0; m < muscles; m++)
    {
      const float turn = seg_draw_range (draw, 0, 6.2831853f);
      const float away = radius * seg_draw_range (draw, 0.4f, 0.85f);
      Shape muscle;

      draw_shape (&muscle, draw, SHAPE_BLOB, heart->inner.blobs[0].x + away * cosf (turn),
                  heart->inner.blobs[0].y + away * sinf (turn),
                  radius * seg_draw_range (draw, 0.08f, 0.25f));
      cover (studio, &muscle, 2, studio->coverage);
      cover (studio, &heart->inner, 2, studio->scratch);
      for (int p = 0; p < N_PIXELS; p++)
        studio->coverage[p] *= studio->scratch[p] * 0.8f;
      paint (studio, scene, studio->coverage, &heart->muscle);
    }
}

static gboolean
try_heart (Studio *studio, SegScene *scene, float x, float y, float radius)
{
  SegDraw *draw = &studio->draw;
  Heart heart;
  Shape target;
  Tissue base;
  const int which = seg_draw_int (draw, 0, 99);

  draw_heart (&heart, studio, scene, x, y, radius);
  base = lift_tissue (&heart.muscle, seg_draw_range (draw, -0.25f, 0.25f));
  draw_background (studio, scene, &base);
  draw_neighbours (studio, scene, &heart.outer, &heart.pool);
  paint_heart (studio, scene, &heart);
  if (which < 50)
    {
      target = heart.outer;
      target.kind = SHAPE_RING;
      target.blobs[1] = heart.inner.blobs[0];
      target.n_blobs = 2;
    }
  else
    target = which < 70 ? heart.inner : heart.beside;
  cover (studio, &target, 1, studio->coverage);
  scene->n_truth = settle_truth (scene, studio->coverage, TRUE);
  expose (studio, scene);
  return scene->n_truth >= 40 && scene->n_truth <= N_PIXELS * 6 / 10;
}

static gboolean
try_scene (Studio *studio, SegScene *scene)
{
  SegDraw *draw = &studio->draw;
  Shape target;
  Tissue base, inside;
  float radius, contrast, softness, warp, x, y;
  ShapeKind kind;

  scene->look = seg_draw_int (draw, 0, SEG_N_SCENE_LOOKS - 1);
  scene->colour = scene->look == SEG_SCENE_ENDOSCOPY
                  || (scene->look == SEG_SCENE_PLAIN && seg_draw_chance (draw, 0.3f));
  letterbox (scene, draw);
  memset (studio->hidden, 0, sizeof studio->hidden);

  warp = seg_draw_chance (draw, 0.25f) ? 0 : seg_draw_range (draw, 0.5f, 5);
  make_noise (studio->warp_x, draw, seg_draw_range (draw, 3, 9), 1, 0.5f);
  make_noise (studio->warp_y, draw, seg_draw_range (draw, 3, 9), 1, 0.5f);
  for (int p = 0; p < N_PIXELS; p++)
    {
      studio->warp_x[p] *= warp;
      studio->warp_y[p] *= warp;
    }
  make_noise (studio->cloud, draw, seg_draw_range (draw, 2, 5), 2, 0.5f);
  make_noise (studio->texture, draw, seg_draw_log_range (draw, 8, 50), 2, 0.6f);

  /* Radius of the equal disc: areas of 0.3 to 45 per cent, most of them 2 to 25. */
  radius = seg_draw_chance (draw, 0.7f) ? seg_draw_range (draw, 10, 36)
                                        : seg_draw_log_range (draw, 4, 50);
  if (scene->look == SEG_SCENE_ENDOSCOPY && seg_draw_chance (draw, 0.7f))
    radius = seg_draw_range (draw, 12, 44);
  else if (scene->look == SEG_SCENE_CINE && seg_draw_chance (draw, 0.5f))
    radius = seg_draw_range (draw, 5, 18);
  x = 64 + seg_draw_normal (draw) * MAX (6.0f, (58 - radius) * 0.5f);
  y = 64 + seg_draw_normal (draw) * MAX (6.0f, (58 - radius) * 0.5f);
  if (seg_draw_chance (draw, scene->look == SEG_SCENE_CINE  ? 0.75f
                             : scene->look == SEG_SCENE_LGE ? 0.12f
                                                            : 0.0f))
    return try_heart (studio, scene, x, y, MAX (radius, 8.0f));
  kind = draw_kind (draw, scene->look, TRUE);
  draw_shape (&target, draw, kind, x, y, radius);

  contrast = seg_draw_log_range (draw, 0.45f - 0.37f * studio->hardness, 0.6f);
  if (scene->look == SEG_SCENE_ENDOSCOPY)
    contrast *= 1 - 0.6f * studio->hardness;
  inside = draw_tissue (studio, scene, NULL, 0);
  if (scene->look == SEG_SCENE_ENDOSCOPY)
    {
      const float level = seg_draw_range (draw, 0.55f, 0.95f),
                  hue = seg_draw_range (draw, 0.15f, 0.42f);
      inside.mean[0] = level;
      inside.mean[1] = level - hue;
      inside.mean[2] = level - hue * seg_draw_range (draw, 1.0f, 1.4f);
    }
  if (scene->look == SEG_SCENE_LGE)
    inside.mean[0] = inside.mean[1] = inside.mean[2] = seg_draw_range (draw, 0.4f, 0.9f);
  base = draw_tissue (studio, scene, &inside, contrast);
  draw_background (studio, scene, &base);
  if (scene->look != SEG_SCENE_ENDOSCOPY && seg_draw_chance (draw, 0.3f))
    draw_frame (studio, scene);
  draw_neighbours (studio, scene, &target, &inside);
  if (seg_draw_chance (draw, 0.65f))
    draw_wall (studio, scene, &target, &inside, contrast);
  if ((kind == SHAPE_RING) && seg_draw_chance (draw, 0.7f))
    {
      /* The cavity has its own tissue, often the better visible one. */
      Shape cavity = target;
      const Tissue pool = draw_tissue (studio, scene, &inside, contrast);
      cavity.kind = SHAPE_BLOB;
      cavity.blobs[0] = target.blobs[1];
      cover (studio, &cavity, 2, studio->coverage);
      paint (studio, scene, studio->coverage, &pool);
    }
  softness = seg_draw_range (draw, 1, seg_draw_chance (draw, 0.2f) ? 8 : 3);
  cover (studio, &target, softness, studio->coverage);
  paint (studio, scene, studio->coverage, &inside);
  draw_inside (studio, scene, &target, &inside);
  if (scene->look == SEG_SCENE_ENDOSCOPY)
    {
      light_cavity (studio, scene);
      draw_highlights (studio, scene);
      if (seg_draw_chance (draw, 0.8f))
        draw_frame (studio, scene);
    }
  cover (studio, &target, 1, studio->coverage);
  if (scene->look == SEG_SCENE_ENDOSCOPY)
    for (int p = 0; p < N_PIXELS; p++)
      studio->coverage[p] *= 1 - studio->hidden[p];
  scene->n_truth = settle_truth (scene, studio->coverage, TRUE);
  expose (studio, scene);
  return scene->n_truth >= 40 && scene->n_truth <= N_PIXELS * 6 / 10;
}

void
seg_scene_draw (SegScene *self, guint64 seed, guint64 index, float hardness)
{
  g_autofree Studio *studio = g_new (Studio, 1);

  studio->draw = seg_draw_start (seed, index);
  studio->hardness = CLAMP (hardness, 0.0f, 1.0f);
  /* A target that fell outside or covers all is drawn again from the same stream. */
  for (int attempt = 0; attempt < 64; attempt++)
    if (try_scene (studio, self))
      return;
}

const char *
seg_scene_look_get_name (SegSceneLook look)
{
  static const char *const names[SEG_N_SCENE_LOOKS] = { "late enhancement", "cine", "T1", "CT",
                                                        "endoscopy",        "plain" };
  return look < SEG_N_SCENE_LOOKS ? names[look] : "?";
}
