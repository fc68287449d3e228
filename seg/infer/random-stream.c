/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/infer/random-stream.h"

#include <math.h>

#define PURPOSE_SHIFT 56

/* One block of four words; 10 rounds. */
static void
philox (const SegRandomStream *self, guint64 block, guint32 out[4])
{
  guint32 c[4] = { (guint32) block, (guint32) (block >> 32), (guint32) self->stream,
                   (guint32) (self->stream >> 32) };
  guint32 k0 = (guint32) self->seed, k1 = (guint32) (self->seed >> 32);

  for (int round = 0; round < 10; round++)
    {
      guint64 p0 = (guint64) 0xd2511f53u * c[0];
      guint64 p1 = (guint64) 0xcd9e8d57u * c[2];
      guint32 n0 = (guint32) (p1 >> 32) ^ c[1] ^ k0;
      guint32 n2 = (guint32) (p0 >> 32) ^ c[3] ^ k1;

      c[0] = n0;
      c[1] = (guint32) p1;
      c[2] = n2;
      c[3] = (guint32) p0;
      k0 += 0x9e3779b9u;
      k1 += 0xbb67ae85u;
    }
  for (int i = 0; i < 4; i++)
    out[i] = c[i];
}

void
seg_random_stream_init (SegRandomStream *self, guint64 seed, SegRandomPurpose purpose, guint64 item)
{
  g_return_if_fail ((unsigned) purpose < 256 && item >> PURPOSE_SHIFT == 0);

  *self = (SegRandomStream){ .seed = seed, .stream = (guint64) purpose << PURPOSE_SHIFT | item };
}

guint32
seg_random_stream_u32 (SegRandomStream *self)
{
  guint32 words[4];

  philox (self, self->counter / 4, words);
  return words[self->counter++ % 4];
}

double
seg_random_stream_uniform (SegRandomStream *self)
{
  guint32 high = seg_random_stream_u32 (self) >> 5;
  guint32 low = seg_random_stream_u32 (self) >> 6;

  return (high * 0x1p26 + low) * 0x1p-53;
}

double
seg_random_stream_range (SegRandomStream *self, double low, double high)
{
  return low + (high - low) * seg_random_stream_uniform (self);
}

/* Lemire, "Fast random integer generation in an interval", 2019. */
guint32
seg_random_stream_below (SegRandomStream *self, guint32 n)
{
  guint32 reject;
  guint64 product;

  g_return_val_if_fail (n > 0, 0);
  reject = (0u - n) % n;
  do
    product = (guint64) seg_random_stream_u32 (self) * n;
  while ((guint32) product < reject);
  return (guint32) (product >> 32);
}

double
seg_random_stream_normal (SegRandomStream *self)
{
  double u = 1 - seg_random_stream_uniform (self);
  double v = seg_random_stream_uniform (self);

  return sqrt (-2 * log (u)) * cos (2 * G_PI * v);
}

void
seg_random_stream_fill_normal (SegRandomStream *self, float *out, gsize n)
{
  guint64 block = (self->counter + 3) / 4;

  for (gsize i = 0; i < n; i += 4, block++)
    {
      guint32 words[4];
      float normal[4];

      philox (self, block, words);
      for (int pair = 0; pair < 4; pair += 2)
        {
          float u = (float) ((words[pair] >> 8) + 1) * 0x1p-24f; /* (0, 1] */
          float angle = (float) (words[pair + 1] >> 8) * (float) (2 * G_PI * 0x1p-24);
          float radius = sqrtf (-2 * logf (u));

          normal[pair] = radius * cosf (angle);
          normal[pair + 1] = radius * sinf (angle);
        }
      for (gsize j = 0; j < MIN (4, n - i); j++)
        out[i + j] = normal[j];
    }
  self->counter = block * 4;
}

void
seg_random_stream_shuffle (SegRandomStream *self, guint32 *values, gsize n)
{
  for (gsize i = n; i > 1; i--)
    {
      gsize j = seg_random_stream_below (self, (guint32) i);
      guint32 kept = values[i - 1];

      values[i - 1] = values[j];
      values[j] = kept;
    }
}
