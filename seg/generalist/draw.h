/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

#include <math.h>

G_BEGIN_DECLS

/* Counter-based random numbers: the n-th draw of stream (seed, index) is a pure function of the
 * three, so scenes can be made in any order and a training run resumed anywhere. */
typedef struct
{
  guint64 key;
  guint64 counter;
} SegDraw;

static inline guint64
seg_draw_mix (guint64 x)
{
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

static inline SegDraw
seg_draw_start (guint64 seed, guint64 index)
{
  return (SegDraw){ seg_draw_mix (seg_draw_mix (seed) ^ (index * 0xd1342543de82ef95ull)), 0 };
}

static inline guint64
seg_draw_u64 (SegDraw *self)
{
  return seg_draw_mix (self->key + (self->counter++) * 0x9e3779b97f4a7c15ull);
}

/* Uniform in [0, 1). */
static inline float
seg_draw_unit (SegDraw *self)
{
  return (float) (seg_draw_u64 (self) >> 40) * 0x1p-24f;
}

static inline float
seg_draw_range (SegDraw *self, float low, float high)
{
  return low + (high - low) * seg_draw_unit (self);
}

/* low … high, both included. */
static inline int
seg_draw_int (SegDraw *self, int low, int high)
{
  return low + (int) (seg_draw_u64 (self) % (guint64) (high - low + 1));
}

static inline gboolean
seg_draw_chance (SegDraw *self, float p)
{
  return seg_draw_unit (self) < p;
}

static inline float
seg_draw_log_range (SegDraw *self, float low, float high)
{
  return low * powf (high / low, seg_draw_unit (self));
}

/* Standard normal from the 64 bits of one draw: four uniforms of 16 bits; kurtosis −0.3, tails end
 * at 3.46, which image noise does not mind. */
static inline float
seg_draw_normal (SegDraw *self)
{
  const guint64 u = seg_draw_u64 (self);
  const int sum = (int) (u & 0xffff) + (int) ((u >> 16) & 0xffff) + (int) ((u >> 32) & 0xffff)
                  + (int) (u >> 48);
  return ((float) sum - 131070.0f) * (1.0f / 37837.2f);
}

G_END_DECLS
