/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/sha256.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>
#define HAVE_SHA_NI 1
#endif

static const guint32 round_constants[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline guint32
rotate (guint32 x, int n)
{
  return x >> n | x << (32 - n);
}

static void
compress_plain (guint32 state[8], const guint8 *data, gsize n_blocks)
{
  for (; n_blocks > 0; n_blocks--, data += 64)
    {
      guint32 w[64], v[8];

      for (int t = 0; t < 16; t++)
        w[t] = (guint32) data[4 * t] << 24 | (guint32) data[4 * t + 1] << 16
               | (guint32) data[4 * t + 2] << 8 | data[4 * t + 3];
      for (int t = 16; t < 64; t++)
        w[t] = w[t - 16] + w[t - 7]
               + (rotate (w[t - 15], 7) ^ rotate (w[t - 15], 18) ^ w[t - 15] >> 3)
               + (rotate (w[t - 2], 17) ^ rotate (w[t - 2], 19) ^ w[t - 2] >> 10);
      memcpy (v, state, sizeof v);
      for (int t = 0; t < 64; t++)
        {
          guint32 a = v[0], e = v[4];
          guint32 t1 = v[7] + (rotate (e, 6) ^ rotate (e, 11) ^ rotate (e, 25))
                       + ((e & v[5]) ^ (~e & v[6])) + round_constants[t] + w[t];
          guint32 t2 = (rotate (a, 2) ^ rotate (a, 13) ^ rotate (a, 22))
                       + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

          memmove (v + 1, v, 7 * sizeof *v);
          v[4] += t1;
          v[0] = t1 + t2;
        }
      for (int s = 0; s < 8; s++)
        state[s] += v[s];
    }
}

#ifdef HAVE_SHA_NI
/* Four rounds an instruction pair; the schedule is kept in four registers that take turns. */
__attribute__ ((target ("sha,sse4.1"))) static void
compress_sha_ni (guint32 state[8], const guint8 *data, gsize n_blocks)
{
  const __m128i big_endian = _mm_set_epi64x (0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i lo = _mm_shuffle_epi32 (_mm_loadu_si128 ((const __m128i *) state), 0xb1);
  __m128i hi = _mm_shuffle_epi32 (_mm_loadu_si128 ((const __m128i *) (state + 4)), 0x1b);
  __m128i abef = _mm_alignr_epi8 (lo, hi, 8);
  __m128i cdgh = _mm_blend_epi16 (hi, lo, 0xf0);

  for (; n_blocks > 0; n_blocks--, data += 64)
    {
      __m128i abef_before = abef, cdgh_before = cdgh, w[4];

      for (int q = 0; q < 4; q++)
        w[q] = _mm_shuffle_epi8 (_mm_loadu_si128 ((const __m128i *) (data + 16 * q)), big_endian);
#pragma GCC unroll 16
      for (int q = 0; q < 16; q++)
        {
          __m128i now, sum;

          if (q >= 4)
            {
              /* w[t] = s1 (w[t−2]) + w[t−7] + s0 (w[t−15]) + w[t−16], four at a time */
              __m128i seven = _mm_alignr_epi8 (w[(q + 3) & 3], w[(q + 2) & 3], 4);
              __m128i part = _mm_sha256msg1_epu32 (w[q & 3], w[(q + 1) & 3]);

              w[q & 3] = _mm_sha256msg2_epu32 (_mm_add_epi32 (part, seven), w[(q + 3) & 3]);
            }
          now = w[q & 3];
          sum = _mm_add_epi32 (now, _mm_loadu_si128 ((const __m128i *) (round_constants + 4 * q)));
          cdgh = _mm_sha256rnds2_epu32 (cdgh, abef, sum);
          abef = _mm_sha256rnds2_epu32 (abef, cdgh, _mm_shuffle_epi32 (sum, 0x0e));
        }
      abef = _mm_add_epi32 (abef, abef_before);
      cdgh = _mm_add_epi32 (cdgh, cdgh_before);
    }
  lo = _mm_shuffle_epi32 (abef, 0x1b);
  hi = _mm_shuffle_epi32 (cdgh, 0xb1);
  _mm_storeu_si128 ((__m128i *) state, _mm_blend_epi16 (lo, hi, 0xf0));
  _mm_storeu_si128 ((__m128i *) (state + 4), _mm_alignr_epi8 (hi, lo, 8));
}

static gboolean
cpu_has_sha_ni (void)
{
  unsigned a, b, c, d;

  return __get_cpuid_count (7, 0, &a, &b, &c, &d) && (b & (1u << 29)) != 0
         && __builtin_cpu_supports ("sse4.1");
}
#endif

static void
compress (guint32 state[8], const guint8 *data, gsize n_blocks)
{
#ifdef HAVE_SHA_NI
  static gsize choice;

  if (g_once_init_enter (&choice))
    g_once_init_leave (&choice, cpu_has_sha_ni () ? 2 : 1);
  if (choice == 2)
    {
      compress_sha_ni (state, data, n_blocks);
      return;
    }
#endif
  compress_plain (state, data, n_blocks);
}

void
volume_sha256_init (VolumeSha256 *self)
{
  static const guint32 start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

  memset (self, 0, sizeof *self);
  memcpy (self->state, start, sizeof start);
}

void
volume_sha256_update (VolumeSha256 *self, gconstpointer data, gsize n_bytes)
{
  const guint8 *at = data;
  gsize waiting = self->n_bytes % 64;

  self->n_bytes += n_bytes;
  if (waiting > 0)
    {
      gsize take = MIN (n_bytes, 64 - waiting);

      memcpy (self->pending + waiting, at, take);
      at += take;
      n_bytes -= take;
      if (waiting + take < 64)
        return;
      compress (self->state, self->pending, 1);
    }
  if (n_bytes >= 64)
    compress (self->state, at, n_bytes / 64);
  if (n_bytes % 64 > 0)
    memcpy (self->pending, at + n_bytes / 64 * 64, n_bytes % 64);
}

char *
volume_sha256_finish (VolumeSha256 *self)
{
  guint64 n_bits = self->n_bytes * 8;
  guint8 tail[72] = { 0x80 };
  gsize n_tail = 64 - (self->n_bytes + 8) % 64;
  GString *text = g_string_sized_new (64);

  for (int b = 0; b < 8; b++)
    tail[n_tail + b] = (guint8) (n_bits >> (56 - 8 * b));
  volume_sha256_update (self, tail, n_tail + 8);
  for (int s = 0; s < 8; s++)
    g_string_append_printf (text, "%08x", self->state[s]);
  return g_string_free (text, FALSE);
}
