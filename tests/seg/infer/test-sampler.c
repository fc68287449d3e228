/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/infer/loader.h"
#include "strong-golden.h"

#include <math.h>
#include <string.h>

/* --- random numbers ------------------------------------------------------------------------- */

/* The first block of Philox 4×32-10 with key and counter 0, from the authors' known answers. */
static void
test_philox (void)
{
  static const guint32 words[4] = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 };
  SegRandomStream random = { 0 };

  for (int w = 0; w < 4; w++)
    g_assert_cmphex (seg_random_stream_u32 (&random), ==, words[w]);
  /* Any number without those before it. */
  random.counter = 2;
  g_assert_cmphex (seg_random_stream_u32 (&random), ==, words[2]);
}

static void
test_distributions (void)
{
  SegRandomStream random;
  double sum = 0, squares = 0;
  int seen[7] = { 0 };
  const int n = 200000;
  g_autofree float *many = g_new (float, n);

  seg_random_stream_init (&random, 1, SEG_RANDOM_USER, 9);
  for (int i = 0; i < n; i++)
    {
      double u = seg_random_stream_uniform (&random);

      g_assert_true (u >= 0 && u < 1);
      sum += u;
      squares += u * u;
      seen[seg_random_stream_below (&random, 7)]++;
    }
  /* Four standard errors. */
  g_assert_cmpfloat_with_epsilon (sum / n, 0.5, 4 * sqrt (1.0 / 12 / n));
  g_assert_cmpfloat_with_epsilon (squares / n, 1.0 / 3, 4 * 0.3 / sqrt (n));
  for (int i = 0; i < 7; i++)
    g_assert_cmpfloat_with_epsilon (seen[i], n / 7.0, 4 * sqrt (n * 6.0 / 49));
  seg_random_stream_fill_normal (&random, many, n);
  sum = squares = 0;
  for (int i = 0; i < n; i++)
    {
      sum += many[i];
      squares += many[i] * many[i];
    }
  g_assert_cmpfloat_with_epsilon (sum / n, 0, 4 / sqrt (n));
  g_assert_cmpfloat_with_epsilon (squares / n, 1, 4 * sqrt (2.0 / n));
}

/* --- cutting -------------------------------------------------------------------------------- */

typedef struct
{
  SegCase volume;
  float *image;
  guint8 *label, *pseudo, *domain;
} Volume;

static void
volume_init (Volume *self, int a, int b, int c)
{
  gsize n = (gsize) a * (gsize) b * (gsize) c;

  self->image = g_new (float, n);
  self->label = g_new (guint8, n);
  self->pseudo = g_new (guint8, n);
  self->domain = g_new (guint8, n);
  for (gsize i = 0; i < n; i++)
    {
      self->image[i] = (float) i + 1; /* a voxel's value names it; 0 is padding */
      self->label[i] = (guint8) (i % 5);
      self->pseudo[i] = (guint8) (i % 3);
      self->domain[i] = i % 2;
    }
  self->volume = (SegCase){ .size = { a, b, c },
                            .image = self->image,
                            .label = self->label,
                            .pseudo = self->pseudo,
                            .complete = TRUE };
}

static void
volume_clear (Volume *self)
{
  g_free (self->image);
  g_free (self->label);
  g_free (self->pseudo);
  g_free (self->domain);
}

static void
patch_init (SegPatch *patch, const int side[3])
{
  gsize n = (gsize) side[0] * (gsize) side[1] * (gsize) side[2];

  *patch = (SegPatch){ .n_voxels = n,
                       .image = g_new (float, n),
                       .label = g_new (guint8, n),
                       .pseudo = g_new (guint8, n),
                       .domain = g_new (guint8, n) };
}

static void
patch_clear (SegPatch *patch)
{
  g_free (patch->image);
  g_free (patch->label);
  g_free (patch->pseudo);
  g_free (patch->domain);
}

/* All arrays were transformed alike, and as the patch's own record says. */
static void
assert_consistent (const SegPatchParams *params, const SegCase *volume, const SegPatch *patch)
{
  gsize p = 0;
  int i[3];

  for (i[0] = 0; i[0] < params->patch[0]; i[0]++)
    for (i[1] = 0; i[1] < params->patch[1]; i[1]++)
      for (i[2] = 0; i[2] < params->patch[2]; i[2]++, p++)
        {
          gboolean inside = TRUE;
          int q[3];
          gsize voxel;

          for (int a = 0; a < 3; a++)
            {
              int s = patch->axis[a];

              q[s] = patch->offset[s] + patch->sign[a] * i[a];
              inside &= q[s] >= 0 && q[s] < volume->size[s];
            }
          voxel = ((gsize) q[0] * (gsize) volume->size[1] + (gsize) q[1]) * (gsize) volume->size[2]
                  + (gsize) q[2];
          g_assert_cmpfloat (patch->image[p], ==, inside ? volume->image[voxel] : 0);
          g_assert_cmpint (patch->label[p], ==, inside && volume->label ? volume->label[voxel] : 0);
          g_assert_cmpint (patch->pseudo[p], ==,
                           inside && volume->pseudo ? volume->pseudo[voxel] : 0);
          if (volume->complete)
            g_assert_cmpint (patch->domain[p], ==, inside);
        }
}

/* The dossiers' rule: rot90 by k, then always a flip: the four mirrored elements of the square's
 * group, equally often, and never the scan as it is. */
static void
test_mirrored (void)
{
  const SegPatchParams params = { .patch = { 4, 4, 3 },
                                  .pad_extra = 3,
                                  .orient = SEG_ORIENT_MIRRORED };
  Volume volume;
  SegPatch patch;
  GHashTable *seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer count;

  volume_init (&volume, 7, 6, 5);
  patch_init (&patch, params.patch);
  for (guint64 item = 0; item < 4000; item++)
    {
      char *key;
      int determinant;

      seg_patch_cut (&params, &volume.volume, 3, item, &patch);
      assert_consistent (&params, &volume.volume, &patch);
      determinant = patch.sign[0] * patch.sign[1] * (patch.axis[0] == 0 ? 1 : -1);
      g_assert_cmpint (determinant, ==, -1); /* mirrored */
      g_assert_cmpint (patch.axis[2], ==, 2);
      g_assert_cmpint (patch.sign[2], ==, 1);
      key = g_strdup_printf ("%d%+d%+d", patch.axis[0], patch.sign[0], patch.sign[1]);
      count = g_hash_table_lookup (seen, key);
      g_hash_table_insert (seen, key, GINT_TO_POINTER (GPOINTER_TO_INT (count) + 1));
    }
  g_assert_cmpuint (g_hash_table_size (seen), ==, 4);
  g_hash_table_iter_init (&iter, seen);
  while (g_hash_table_iter_next (&iter, NULL, &count))
    g_assert_cmpfloat_with_epsilon (GPOINTER_TO_INT (count), 1000, 4 * sqrt (4000 * 0.25 * 0.75));
  g_hash_table_unref (seen);
  patch_clear (&patch);
  volume_clear (&volume);
}

/* A warp of nothing is the plain cut, and the crop overhangs the volume on every side. */
static void
test_overhang (void)
{
  const SegPatchParams plain = { .patch = { 6, 8, 4 }, .use_last_offset = TRUE, .overhang = 0.5 };
  SegPatchParams warped = plain;
  Volume volume;
  SegPatch a, b;
  int lo[3] = { 0, 0, 0 }, hi[3] = { 0, 0, 0 };

  warped.warp.contrast = 1e-9;
  volume_init (&volume, 7, 9, 5);
  patch_init (&a, plain.patch);
  patch_init (&b, plain.patch);
  for (guint64 item = 0; item < 500; item++)
    {
      seg_patch_cut (&plain, &volume.volume, 3, item, &a);
      assert_consistent (&plain, &volume.volume, &a);
      for (int d = 0; d < 3; d++)
        {
          lo[d] = MIN (lo[d], a.offset[d]);
          hi[d] = MAX (hi[d], a.offset[d]);
        }
      seg_patch_cut (&warped, &volume.volume, 3, item, &b);
      for (gsize v = 0; v < a.n_voxels; v++)
        g_assert_cmpfloat_with_epsilon (a.image[v], b.image[v], 1e-4);
      g_assert_cmpmem (a.label, a.n_voxels, b.label, b.n_voxels);
      g_assert_cmpmem (a.domain, a.n_voxels, b.domain, b.n_voxels);
    }
  for (int d = 0; d < 3; d++)
    {
      g_assert_cmpint (lo[d], ==, -plain.patch[d] / 2);
      g_assert_cmpint (hi[d], ==, volume.volume.size[d] - plain.patch[d] / 2);
    }
  patch_clear (&a);
  patch_clear (&b);
  volume_clear (&volume);
}

/* What is beyond the volume is told from background, warped or not, with and without a
 * pseudo-label; nothing else changes. */
static void
test_outside (void)
{
  const SegWarpParams warps[2] = { { 0 }, { .rotate_degrees = 30, .zoom = 0.2 } };
  Volume volume;
  SegPatch marked, plain;

  volume_init (&volume, 9, 7, 5);
  patch_init (&marked, (const int[]){ 6, 8, 4 });
  patch_init (&plain, (const int[]){ 6, 8, 4 });
  for (int turn = 0; turn < 4; turn++)
    {
      SegPatchParams params = {
        .patch = { 6, 8, 4 }, .use_last_offset = TRUE, .overhang = 0.5, .warp = warps[turn % 2]
      };
      SegCase without = volume.volume;
      gsize n_outside = 0, n_inside = 0;

      if (turn >= 2)
        without.pseudo = NULL;
      for (guint64 item = 0; item < 200; item++)
        {
          params.mark_outside = FALSE;
          seg_patch_cut (&params, &without, 3, item, &plain);
          params.mark_outside = TRUE;
          seg_patch_cut (&params, &without, 3, item, &marked);
          g_assert_cmpmem (plain.image, plain.n_voxels * sizeof (float), marked.image,
                           marked.n_voxels * sizeof (float));
          g_assert_cmpmem (plain.label, plain.n_voxels, marked.label, marked.n_voxels);
          g_assert_cmpmem (plain.domain, plain.n_voxels, marked.domain, marked.n_voxels);
          for (gsize v = 0; v < plain.n_voxels; v++)
            {
              gboolean outside = plain.domain[v] == 0; /* all of the volume is labelled */

              g_assert_cmpint (marked.pseudo[v], ==,
                               outside ? SEG_PSEUDO_OUTSIDE : plain.pseudo[v]);
              n_outside += outside;
              n_inside += !outside;
            }
        }
      g_assert_cmpuint (n_outside, >, 1000);
      g_assert_cmpuint (n_inside, >, 1000);
    }
  patch_clear (&marked);
  patch_clear (&plain);
  volume_clear (&volume);
}

/* I3: whatever a warp does, what is called labelled was labelled, and its label is its own. */
static void
test_warped_planes (void)
{
  const SegPlane planes[2] = { { 0, 7 }, { 2, 6 } };
  const SegPatchParams params = { .patch = { 16, 16, 16 },
                                  .use_last_offset = TRUE,
                                  .overhang = 0.25,
                                  .warp = { 20, 0.15, 0.2, 0.2 } };
  Volume volume;
  SegPatch patch;
  gsize n_labelled = 0;

  volume_init (&volume, 16, 14, 15);
  for (int x = 0; x < 16; x++)
    for (int y = 0; y < 14; y++)
      for (int z = 0; z < 15; z++)
        volume.label[(x * 14 + y) * 15 + z] = x == 7 ? 1 : z == 6 ? 2 : 9;
  volume.volume.complete = FALSE;
  volume.volume.planes = planes;
  volume.volume.n_planes = 2;
  patch_init (&patch, params.patch);
  for (guint64 item = 0; item < 100; item++)
    {
      seg_patch_cut (&params, &volume.volume, 3, item, &patch);
      for (gsize v = 0; v < patch.n_voxels; v++)
        {
          g_assert_true (patch.domain[v] == (patch.label[v] == 1 || patch.label[v] == 2));
          n_labelled += patch.domain[v];
        }
    }
  /* Half of what plain cuts would show, at least. */
  g_assert_cmpuint (n_labelled, >, 100 * 16 * 16);
  patch_clear (&patch);
  volume_clear (&volume);
}

/* Slices three times as thick as the voxels are wide are turned in their own plane alone. */
static void
test_thick_slices_are_not_tilted (void)
{
  SegPatchParams params = { .patch = { 8, 8, 8 },
                            .centre_crop = TRUE,
                            .warp = { .rotate_degrees = 20 } };
  Volume volume;
  SegPatch patch;
  gboolean tilted[2];

  volume_init (&volume, 24, 24, 24);
  for (int v = 0; v < 24 * 24 * 24; v++)
    volume.image[v] = (float) (v % 24) + 1;
  patch_init (&patch, params.patch);
  for (int thick = 0; thick < 2; thick++)
    {
      volume.volume.spacing_mm[0] = volume.volume.spacing_mm[1] = 1;
      volume.volume.spacing_mm[2] = thick ? 8 : 1;
      tilted[thick] = FALSE;
      for (guint64 item = 0; item < 20; item++)
        {
          seg_patch_cut (&params, &volume.volume, 3, item, &patch);
          for (gsize v = 0; v < patch.n_voxels; v++)
            if (patch.image[v] != 0 && patch.image[v % 8] != 0)
              tilted[thick] |= fabsf (patch.image[v] - patch.image[v % 8]) > 0.01f;
        }
    }
  g_assert_true (tilted[0]);
  g_assert_false (tilted[1]);
  patch_clear (&patch);
  volume_clear (&volume);
}

/* rot90 by k, then flip, composed by hand as numpy would, against the cut of a full-size patch. */
static void
test_as_numpy (void)
{
  const SegPatchParams params = {
    .patch = { 5, 5, 2 }, .pad_extra = 0, .use_last_offset = TRUE, .orient = SEG_ORIENT_MIRRORED
  };
  Volume volume;
  SegPatch patch;
  int n_found = 0;

  volume_init (&volume, 5, 5, 2);
  patch_init (&patch, params.patch);
  for (guint64 item = 0; item < 32; item++)
    {
      int found = -1;

      seg_patch_cut (&params, &volume.volume, 11, item, &patch);
      for (int k = 0; k < 4; k++)
        for (int flip = 0; flip < 2; flip++)
          {
            gboolean same = TRUE;

            for (int i = 0; i < 5; i++)
              for (int j = 0; j < 5; j++)
                {
                  int a = flip == 0 ? 4 - i : i, b = flip == 1 ? 4 - j : j;

                  /* rot90 once: out[a, b] = in[b, 4 − a] */
                  for (int r = 0; r < k; r++)
                    {
                      int old = a;

                      a = b;
                      b = 4 - old;
                    }
                  same &= patch.image[(i * 5 + j) * 2] == volume.image[(a * 5 + b) * 2];
                }
            if (same)
              found = k;
          }
      g_assert_cmpint (found, >=, 0);
      n_found++;
    }
  g_assert_cmpint (n_found, ==, 32);
  patch_clear (&patch);
  volume_clear (&volume);
}

/* UA-MT's padding: an axis equal to the patch gets 3 a side, one larger by 1–2 gets 2, by 3–4 1, by
 * more 0, and only if some axis is not larger than the patch (gm-abs.md 2.4). */
static void
test_padding (void)
{
  static const struct
  {
    int size[3];
    int highest[3]; /* first offset never drawn = padded − patch */
  } cases[] = {
    { { 8, 20, 20 }, { 6, 12, 12 } }, /* +6, others unchanged in what they hold: 20 − 8 */
    { { 8, 9, 12 }, { 6, 1 + 4, 4 + 2 } },
    { { 7, 10, 11 }, { -1 + 6, 2 + 4, 3 + 2 } },
    { { 2, 13, 30 }, { -6 + 12, 5, 22 } },
    { { 9, 9, 9 }, { 1, 1, 1 } }, /* none: no padding at all */
  };

  for (gsize t = 0; t < G_N_ELEMENTS (cases); t++)
    {
      const SegPatchParams params = { .patch = { 8, 8, 8 }, .pad_extra = 3 };
      int low[3] = { 99, 99, 99 }, high[3] = { -99, -99, -99 };
      Volume volume;
      SegPatch patch;

      volume_init (&volume, cases[t].size[0], cases[t].size[1], cases[t].size[2]);
      patch_init (&patch, params.patch);
      for (guint64 item = 0; item < 600; item++)
        {
          seg_patch_cut (&params, &volume.volume, 1, item, &patch);
          assert_consistent (&params, &volume.volume, &patch);
          for (int a = 0; a < 3; a++)
            {
              low[a] = MIN (low[a], patch.offset[a]);
              high[a] = MAX (high[a], patch.offset[a]);
            }
        }
      for (int a = 0; a < 3; a++)
        {
          /* offset = start − pad, start from 0 to highest − 1: the last position is never used. */
          g_assert_cmpint (high[a] - low[a], ==, cases[t].highest[a] - 1);
          g_assert_cmpint (low[a], ==, -(cases[t].highest[a] + 8 - cases[t].size[a]) / 2);
        }
      patch_clear (&patch);
      volume_clear (&volume);
    }
}

static void
test_planes (void)
{
  const SegPatchParams params = { .patch = { 6, 6, 4 },
                                  .pad_extra = 3,
                                  .orient = SEG_ORIENT_SQUARE };
  const SegPlane planes[3] = { { 0, 4 }, { 1, 2 }, { 2, 1 } };
  Volume volume;
  SegPatch patch;

  volume_init (&volume, 9, 5, 4);
  volume.volume.complete = FALSE;
  volume.volume.planes = planes;
  volume.volume.n_planes = 3;
  patch_init (&patch, params.patch);
  for (guint64 item = 0; item < 50; item++)
    {
      seg_patch_cut (&params, &volume.volume, 2, item, &patch);
      assert_consistent (&params, &volume.volume, &patch);
      for (gsize p = 0; p < patch.n_voxels; p++)
        {
          int v = (int) patch.image[p] - 1;
          gboolean on = v >= 0 && (v / 20 == 4 || v / 4 % 5 == 2 || v % 4 == 1);

          g_assert_cmpint (patch.domain[p], ==, on);
        }
    }
  /* Nothing labelled: an empty domain (I3). */
  volume.volume.planes = NULL;
  volume.volume.n_planes = 0;
  seg_patch_cut (&params, &volume.volume, 2, 0, &patch);
  for (gsize p = 0; p < patch.n_voxels; p++)
    g_assert_cmpint (patch.domain[p], ==, 0);
  patch_clear (&patch);
  volume_clear (&volume);
}

static void
test_foreground (void)
{
  SegPatchParams params = {
    .patch = { 3, 3, 3 }, .pad_extra = 3, .foreground_share = 1, .orient = SEG_ORIENT_MIRRORED
  };
  Volume volume;
  SegPatch patch;
  int n_second = 0;

  volume_init (&volume, 20, 20, 20);
  memset (volume.label, 0, 8000);
  volume.label[19 * 400 + 3] = 2; /* a corner that a random crop seldom holds */
  patch_init (&patch, params.patch);
  for (guint64 item = 0; item < 50; item++)
    {
      seg_patch_cut (&params, &volume.volume, 2, item, &patch);
      g_assert_nonnull (memchr (patch.label, 2, patch.n_voxels));
      assert_consistent (&params, &volume.volume, &patch);
    }
  /* Beside a hundred times as many voxels of another class it is still in every second. */
  for (int v = 0; v < 100; v++)
    volume.label[v % 10 * 20 + v / 10] = 1;
  for (guint64 item = 0; item < 400; item++)
    {
      gboolean first, second;

      seg_patch_cut (&params, &volume.volume, 2, item, &patch);
      first = memchr (patch.label, 1, patch.n_voxels) != NULL;
      second = memchr (patch.label, 2, patch.n_voxels) != NULL;
      g_assert_true (first != second);
      n_second += second;
    }
  g_assert_cmpfloat_with_epsilon (n_second, 200, 4 * 10);
  patch_clear (&patch);
  volume_clear (&volume);
}

static void
test_centre (void)
{
  const SegPatchParams params = { .patch = { 4, 4, 4 }, .centre_crop = TRUE };
  Volume volume;
  SegPatch patch;

  volume_init (&volume, 9, 7, 5); /* (9 − 4)/2 = 2.5 → 2, 1.5 → 2, 0.5 → 0 */
  patch_init (&patch, params.patch);
  seg_patch_cut (&params, &volume.volume, 0, 0, &patch);
  g_assert_cmpint (patch.offset[0], ==, 2);
  g_assert_cmpint (patch.offset[1], ==, 2);
  g_assert_cmpint (patch.offset[2], ==, 0);
  patch_clear (&patch);
  volume_clear (&volume);
}

/* --- intensity ------------------------------------------------------------------------------ */

static void
test_noise_and_gamma (void)
{
  enum
  {
    N = 50000
  };
  g_autofree float *in = g_new (float, N);
  g_autofree float *out = g_new (float, N);
  g_autofree float *again = g_new (float, N);
  double squares = 0, g;
  int clipped = 0;

  for (int i = 0; i < N; i++)
    in[i] = (float) (i % 100 - 50) / 10;
  seg_augment_noise (in, out, N, 0.1, 0.2, 7, 1);
  seg_augment_noise (in, again, N, 0.1, 0.2, 7, 1);
  g_assert_cmpmem (out, N * 4, again, N * 4);
  for (int i = 0; i < N; i++)
    {
      double d = (double) out[i] - in[i];

      g_assert_cmpfloat (fabs (d), <=, 0.2 + 1e-6);
      clipped += fabs (d) > 0.2 - 1e-6;
      squares += d * d;
    }
  /* P (|N| > 2) = 4.55 %; the clipped variance is 0.01 · 0.9205 */
  g_assert_cmpfloat_with_epsilon (clipped / (double) N, 0.0455, 0.004);
  g_assert_cmpfloat_with_epsilon (squares / N, 0.01 * 0.9205, 0.0003);
  seg_augment_noise (in, again, N, 0.1, 0.2, 7, 2);
  g_assert_cmpint (memcmp (out, again, N * 4), !=, 0);

  for (guint64 item = 0; item < 20; item++)
    {
      g = seg_augment_gamma (in, out, N, 0.3, 7, item);
      g_assert_cmpfloat (fabs (g), <=, 0.3);
      for (int i = 0; i < 100; i++)
        /* powf is good to a few units in the last place */
        g_assert_cmpfloat_with_epsilon (
            out[i], copysign (pow (fabs ((double) in[i]), exp (g)), in[i]), 1e-5 * 10);
    }
}

static void
test_affine (void)
{
  float in[12 * 9], out[12 * 9], back[12 * 9];
  guint8 mask[12 * 9], mask_out[12 * 9];
  double theta[2][3] = { { 1, 0, 2.0 / 9 * 2 }, { 0, 1, -2.0 / 12 } }, inverse[2][3];
  double product;

  for (int i = 0; i < 108; i++)
    {
      in[i] = (float) i + 1;
      mask[i] = (guint8) i + 1;
    }
  /* Two columns to the right, one row up, in pixels. */
  seg_augment_affine_2d (theta, 12, 9, in, out);
  seg_augment_affine_2d_mask (theta, 12, 9, mask, mask_out);
  for (int y = 0; y < 12; y++)
    for (int x = 0; x < 9; x++)
      {
        gboolean inside = x + 2 < 9 && y - 1 >= 0;

        g_assert_cmpfloat_with_epsilon (out[y * 9 + x], inside ? in[(y - 1) * 9 + x + 2] : 0, 1e-4);
        g_assert_cmpint (mask_out[y * 9 + x], ==, inside ? mask[(y - 1) * 9 + x + 2] : 0);
      }
  seg_augment_affine_2d_draw (0.03, 4, 2, theta);
  g_assert_true (seg_augment_affine_2d_invert (theta, inverse));
  for (int r = 0; r < 2; r++)
    for (int c = 0; c < 3; c++)
      {
        product =
            theta[r][0] * inverse[0][c] + theta[r][1] * inverse[1][c] + (c == 2 ? theta[r][2] : 0);
        g_assert_cmpfloat_with_epsilon (product, r == c, 1e-12);
      }
  /* A smooth picture comes back where nothing was lost at the edges. */
  for (int i = 0; i < 108; i++)
    in[i] = (float) (i / 9) + 2 * (float) (i % 9);
  seg_augment_affine_2d (theta, 12, 9, in, out);
  seg_augment_affine_2d (inverse, 12, 9, out, back);
  for (int y = 3; y < 9; y++)
    for (int x = 3; x < 6; x++)
      g_assert_cmpfloat_with_epsilon (back[y * 9 + x], in[y * 9 + x], 1e-3);
}

static void
test_strong (void)
{
  const int size[3] = { 6, 10, 12 };
  enum
  {
    N = 720
  };
  int changed = 0;

  for (guint64 item = 0; item < 60; item++)
    {
      float image[N], again[N];
      guint8 label[N], label_again[N];
      guint8 *labels[1] = { label }, *labels_again[1] = { label_again };

      for (int i = 0; i < N; i++)
        {
          image[i] = again[i] = (float) sin (i * 0.1) + 2;
          label[i] = label_again[i] = i % 12 > 5 ? 3 : 0;
        }
      seg_augment_strong (&seg_strong_3d, size, image, labels, 1, 5, item);
      seg_augment_strong (&seg_strong_3d, size, again, labels_again, 1, 5, item);
      g_assert_cmpmem (image, sizeof image, again, sizeof again);
      g_assert_cmpmem (label, sizeof label, label_again, sizeof label_again);
      for (int i = 0; i < N; i++)
        {
          g_assert_true (isfinite (image[i]));
          g_assert_true (label[i] == 0 || label[i] == 3); /* no class is invented */
        }
      changed += fabsf (image[360] - ((float) sin (36) + 2)) > 1e-6f;
    }
  /* 1 − 0.3³ of the patches have an operation; a zoom may be none. */
  g_assert_cmpint (changed, >, 45);
  g_assert_cmpint (changed, <=, 60);
}

/* Each operation alone and all in a row, against SciPy's splines and filters (record-strong.py). */
static void
test_strong_golden (void)
{
  const int size[3] = { 3, 6, 7 };

  for (gsize t = 0; t < G_N_ELEMENTS (strong_golden); t++)
    {
      SegStrongParams params = seg_strong_3d;
      float image[STRONG_N];
      guint8 label[STRONG_N];
      guint8 *labels[1] = { label };

      params.n_ops = strong_golden[t].n_ops;
      params.probability = 1;
      for (int i = 0; i < STRONG_N; i++)
        {
          image[i] = (float) (sin (i * 0.37) * 2 + (i % 7) * 0.25);
          label[i] = (guint8) (i / 5 % 3);
        }
      seg_augment_strong (&params, size, image, labels, 1, 21, (guint64) strong_golden[t].item);
      for (int i = 0; i < STRONG_N; i++)
        /* values of size 3 in single precision, through up to six operations */
        g_assert_cmpfloat_with_epsilon (image[i], strong_golden[t].image[i], 5e-5);
      g_assert_cmpmem (label, STRONG_N, strong_golden[t].label, STRONG_N);
    }
}

static void
test_paste (void)
{
  g_autofree guint8 *label = g_malloc0 (100 * 120);
  int box[4];

  for (int y = 20; y < 90; y++)
    memset (label + y * 120 + 10, 4, 100);
  for (guint64 item = 0; item < 100; item++)
    {
      g_assert_true (seg_augment_paste_box (label, 100, 120, 64, 1, item, box));
      g_assert_cmpint (box[0], >=, 0);
      g_assert_cmpint (box[1], <=, 100);
      g_assert_cmpint (box[1] - box[0], <=, 64);
      g_assert_cmpint (box[3] - box[2], <=, 64);
      g_assert_true (box[1] > 20 && box[0] < 90 && box[3] > 10 && box[2] < 110);
    }
  g_assert_false (seg_augment_paste_box (label, 100, 120, 69, 1, 0, box)); /* rows 20…89 */
  memset (label, 0, 100 * 120);
  g_assert_false (seg_augment_paste_box (label, 100, 120, 4, 1, 0, box));
}

/* --- the two streams ------------------------------------------------------------------------ */

static void
test_two_stream (void)
{
  const guint32 labelled[5] = { 0, 2, 4, 6, 8 }, unlabelled[7] = { 1, 3, 5, 7, 9, 11, 13 };
  g_autoptr (SegTwoStream) stream = seg_two_stream_new (42, 2, 2);
  g_autoptr (SegTwoStream) resumed = NULL;
  g_autofree char *state = NULL;
  g_autoptr (GError) error = NULL;
  int seen[14] = { 0 };
  guint32 cases[4], others[4];

  seg_two_stream_set_cases (stream, labelled, 5, unlabelled, 7);
  for (int epoch = 0; epoch < 7; epoch++)
    {
      int in_epoch[14] = { 0 };

      /* 5 labelled in pairs: 2 batches, the odd one dropped. */
      for (int b = 0; b < 2; b++)
        {
          g_assert_cmpint (seg_two_stream_next (stream, cases), ==, 4);
          g_assert_cmpuint (seg_two_stream_get_epoch (stream), ==, (guint64) epoch);
          for (int i = 0; i < 4; i++)
            {
              g_assert_cmpint (cases[i] % 2, ==, i >= 2);
              in_epoch[cases[i]]++;
              seen[cases[i]]++;
            }
        }
      for (int i = 0; i < 5; i++)
        g_assert_cmpint (in_epoch[labelled[i]], <=, 1); /* one pass */
    }
  for (int i = 0; i < 7; i++)
    g_assert_cmpint (seen[unlabelled[i]], ==, 4); /* 28 draws: each permutation in full */

  /* From its text it goes on exactly, across a change of the lists that is still to come. */
  seg_two_stream_next (stream, cases);
  seg_two_stream_set_cases (stream, labelled, 4, unlabelled, 3);
  state = seg_two_stream_to_string (stream);
  resumed = seg_two_stream_from_string (state, &error);
  g_assert_no_error (error);
  for (int i = 0; i < 20; i++)
    {
      g_assert_cmpint (seg_two_stream_next (stream, cases), ==,
                       seg_two_stream_next (resumed, others));
      g_assert_cmpmem (cases, sizeof cases, others, sizeof others);
      if (i > 0)
        for (int k = 0; k < 4; k++)
          g_assert_true (cases[k] <= 6); /* the new lists, from the next epoch on */
    }
}

static void
test_two_stream_few (void)
{
  const guint32 labelled[1] = { 3 };
  g_autoptr (SegTwoStream) stream = seg_two_stream_new (1, 4, 2);
  guint32 cases[6];

  seg_two_stream_set_cases (stream, labelled, 1, NULL, 0);
  for (int i = 0; i < 3; i++)
    {
      g_assert_cmpint (seg_two_stream_next (stream, cases), ==, 4);
      for (int k = 0; k < 4; k++)
        g_assert_cmpint (cases[k], ==, 3);
    }
}

static void
test_two_stream_bad_text (void)
{
  static const char *const bad[] = {
    "",
    "two-stream-1",
    "two-stream-2 1 1 1 0 0 0 0 0 0 0 0 0 0",
    "two-stream-1 1 0 0 0 0 0 0 0 0 0 0 0 0",
    "two-stream-1 1 2 2 5 0 9 0 0 0 2 0 1 0 0 0",
    "two-stream-1 1 2 2 5 0 0 0 9 0 2 0 1 0 0 0",
    "two-stream-1 1 2 2 5 0 0 0 0 0 99999999999 0 0 0",
    "two-stream-1 1 2 2 5 0 0 0 0 0 0 0 0 0",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (seg_two_stream_from_string (bad[i], &error));
      g_assert_error (error, SEG_ERROR, SEG_ERROR_FORMAT);
    }
}

/* --- the loader ----------------------------------------------------------------------------- */

typedef struct
{
  guint64 sums[64];
  guint64 n;
} Trace;

static void
trace_batch (Trace *trace, const SegBatch *batch)
{
  gsize n = (gsize) batch->n * (gsize) batch->patch[0] * (gsize) batch->patch[1]
            * (gsize) batch->patch[2];
  guint64 hash = 1469598103934665603u;

  for (gsize i = 0; i < n; i++)
    hash = (hash ^ (guint64) batch->image[i] ^ (guint64) batch->label[i] << 32
            ^ (guint64) batch->domain[i] << 40 ^ (guint64) batch->pseudo[i] << 48)
           * 1099511628211u;
  g_assert_cmpuint (batch->step, ==, trace->n);
  trace->sums[trace->n++] = hash;
}

static void
run_loader (int n_ahead, guint64 resume_at, Trace *trace)
{
  const SegPatchParams params = { .patch = { 6, 6, 4 },
                                  .pad_extra = 3,
                                  .orient = SEG_ORIENT_MIRRORED };
  const guint32 labelled[3] = { 0, 1, 2 }, unlabelled[2] = { 3, 4 };
  const guint32 more[4] = { 0, 1, 2, 3 }, fewer[1] = { 4 };
  Volume volumes[5];
  SegCase cases[5], refreshed[5];
  g_autoptr (SegTwoStream) order = seg_two_stream_new (9, 2, 1);
  g_autoptr (SegLoader) loader = NULL;

  for (int i = 0; i < 5; i++)
    {
      volume_init (&volumes[i], 8 + i, 9, 5);
      cases[i] = refreshed[i] = volumes[i].volume;
      refreshed[i].pseudo = volumes[i].label;
    }
  seg_two_stream_set_cases (order, labelled, 3, unlabelled, 2);
  loader = seg_loader_new (&params, cases, 5, order, 77, n_ahead);
  trace->n = 0;
  for (guint64 step = 0; step < 30; step++)
    {
      if (step == 10)
        seg_loader_set_cases (loader, refreshed, 5);
      if (step == 15)
        seg_loader_set_order (loader, more, 4, fewer, 1);
      if (step == resume_at)
        {
          g_autofree char *state = seg_loader_order_to_string (loader);
          g_autoptr (SegTwoStream) saved = seg_two_stream_from_string (state, NULL);

          seg_loader_free (loader);
          loader = seg_loader_new (&params, step >= 10 ? refreshed : cases, 5, saved, 77, n_ahead);
        }
      trace_batch (trace, seg_loader_next (loader));
    }
  g_clear_pointer (&loader, seg_loader_free);
  for (int i = 0; i < 5; i++)
    volume_clear (&volumes[i]);
}

/* The same batches without a thread, with one batch ahead, with many, and stopped and resumed at
 * any step (I7), while cases and order change on the way. */
static void
test_loader (void)
{
  Trace plain, other;

  run_loader (0, 99, &plain);
  for (int n_ahead = 1; n_ahead <= 9; n_ahead += 4)
    {
      run_loader (n_ahead, 99, &other);
      g_assert_cmpmem (plain.sums, sizeof (guint64) * 30, other.sums, sizeof (guint64) * 30);
    }
  for (guint64 resume_at = 1; resume_at < 30; resume_at += 2)
    {
      run_loader (3, resume_at, &other);
      g_assert_cmpmem (plain.sums, sizeof (guint64) * 30, other.sums, sizeof (guint64) * 30);
    }
  for (int i = 1; i < 30; i++)
    g_assert_cmphex (plain.sums[i], !=, plain.sums[0]); /* and they are not all the same */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/sampler/philox", test_philox);
  g_test_add_func ("/seg/sampler/distributions", test_distributions);
  g_test_add_func ("/seg/sampler/mirrored", test_mirrored);
  g_test_add_func ("/seg/infer/sampler/overhang", test_overhang);
  g_test_add_func ("/seg/infer/sampler/outside", test_outside);
  g_test_add_func ("/seg/infer/sampler/warped-planes", test_warped_planes);
  g_test_add_func ("/seg/infer/sampler/thick-slices", test_thick_slices_are_not_tilted);
  g_test_add_func ("/seg/sampler/as-numpy", test_as_numpy);
  g_test_add_func ("/seg/sampler/padding", test_padding);
  g_test_add_func ("/seg/sampler/planes", test_planes);
  g_test_add_func ("/seg/sampler/foreground", test_foreground);
  g_test_add_func ("/seg/sampler/centre", test_centre);
  g_test_add_func ("/seg/sampler/noise-and-gamma", test_noise_and_gamma);
  g_test_add_func ("/seg/sampler/affine", test_affine);
  g_test_add_func ("/seg/sampler/strong", test_strong);
  g_test_add_func ("/seg/sampler/strong/golden", test_strong_golden);
  g_test_add_func ("/seg/sampler/paste", test_paste);
  g_test_add_func ("/seg/sampler/two-stream", test_two_stream);
  g_test_add_func ("/seg/sampler/two-stream/few", test_two_stream_few);
  g_test_add_func ("/seg/sampler/two-stream/bad-text", test_two_stream_bad_text);
  g_test_add_func ("/seg/sampler/loader", test_loader);
  return g_test_run ();
}
