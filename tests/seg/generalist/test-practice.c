/* SPDX-License-Identifier: Apache-2.0 */
/* What the built-in generalist practises on, and its loss. */
#include "seg/generalist/clicks.h"
#include "seg/generalist/compact.h"
#include "seg/generalist/episodes.h"

#include <math.h>
#include <string.h>

#define SIDE SEG_VIEW_SIDE
#define N SEG_VIEW_PIXELS

static void
test_scenes_follow_from_their_number (void)
{
  g_autofree SegScene *a = g_new0 (SegScene, 1);
  g_autofree SegScene *b = g_new0 (SegScene, 1);
  gboolean looks[SEG_N_SCENE_LOOKS] = { FALSE };

  for (guint64 index = 0; index < 60; index++)
    {
      gsize n = 0;

      seg_scene_draw (a, 5, index, 1);
      looks[a->look] = TRUE;
      for (int p = 0; p < N; p++)
        {
          const int x = p % SIDE, y = p / SIDE;

          g_assert_true (isfinite (a->rgb[0][p]) && isfinite (a->rgb[1][p])
                         && isfinite (a->rgb[2][p]));
          if (a->truth[p])
            g_assert_true (x >= a->x0 && x < a->x1 && y >= a->y0 && y < a->y1);
          n += a->truth[p];
        }
      g_assert_cmpuint (n, ==, a->n_truth);
      g_assert_cmpuint (n, >=, 40);
    }
  /* The 7th again, after others; and another seed. */
  seg_scene_draw (a, 5, 7, 1);
  seg_scene_draw (b, 5, 8, 1);
  seg_scene_draw (b, 5, 7, 1);
  g_assert_cmpmem (a, sizeof *a, b, sizeof *b);
  seg_scene_draw (b, 6, 7, 1);
  g_assert_cmpint (memcmp (a->rgb, b->rgb, sizeof a->rgb), !=, 0);
  for (int l = 0; l < SEG_N_SCENE_LOOKS; l++)
    g_assert_true (looks[l]);
}

static void
test_distance_is_exact (void)
{
  enum
  {
    W = 17,
    H = 11
  };
  guint8 mask[W * H];
  float distance[W * H];
  SegDraw draw = seg_draw_start (1, 2);

  for (int p = 0; p < W * H; p++)
    mask[p] = seg_draw_chance (&draw, 0.85f);
  seg_distance_inside (mask, W, H, distance);
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++)
      {
        double nearest = 1e9;

        for (int b = -1; b <= H; b++)
          for (int a = -1; a <= W; a++)
            if (a < 0 || b < 0 || a >= W || b >= H || !mask[b * W + a])
              nearest = MIN (nearest, hypot (a - x, b - y));
        g_assert_cmpfloat_with_epsilon (distance[y * W + x], mask[y * W + x] ? nearest : 0, 1e-5);
      }
}

static void
test_clicks_go_to_the_largest_error (void)
{
  enum
  {
    W = 40,
    H = 30
  };
  guint8 truth[W * H] = { 0 }, answer[W * H] = { 0 };
  SegClick click;

  for (int y = 5; y < 16; y++)
    for (int x = 8; x < 21; x++)
      truth[y * W + x] = 1;
  g_assert_true (seg_click_next (truth, NULL, W, H, NULL, &click));
  g_assert_true (click.positive);
  g_assert_cmpint (click.y, ==, 10);
  g_assert_true (truth[click.y * W + click.x]);
  /* All of it found, and a larger island beside it. */
  memcpy (answer, truth, sizeof truth);
  g_assert_false (seg_click_next (truth, answer, W, H, NULL, &click));
  for (int y = 18; y < 27; y++)
    for (int x = 25; x < 34; x++)
      answer[y * W + x] = 1;
  answer[5 * W + 8] = 0;
  g_assert_true (seg_click_next (truth, answer, W, H, NULL, &click));
  g_assert_false (click.positive);
  g_assert_cmpint (click.x, ==, 29);
  g_assert_cmpint (click.y, ==, 22);
  g_assert_cmpfloat_with_epsilon (seg_mask_dice (truth, answer, W * H),
                                  2.0 * 142 / (143 + 142 + 81), 1e-12);
}

static void
test_folding_comes_back (void)
{
  g_autofree float *in = g_new (float, 2 * N);
  g_autofree float *folded = g_new (float, 2 * N);
  g_autofree float *out = g_new0 (float, 2 * N);

  for (int p = 0; p < 2 * N; p++)
    in[p] = (float) p;
  seg_fold_channels (in, 2, folded);
  /* Channel 1, pixel (u 3, v 5): folded channel 4 + 2·1 + 1, cell (1, 2). */
  g_assert_cmpfloat (folded[(4 + 3) * SEG_VIEW_CELLS + 2 * 64 + 1], ==, in[N + 5 * SIDE + 3]);
  seg_unfold_channels (folded, 2, out);
  g_assert_cmpmem (in, 2 * N * sizeof (float), out, 2 * N * sizeof (float));
}

/* Maps follow the image: on two flat halves the geodesic and the walk stop at the edge; blanked,
 * they do not know of it. */
static void
test_channels_follow_the_image (void)
{
  g_autofree SegScene *scene = g_new0 (SegScene, 1);
  g_autofree SegView *view = g_new (SegView, 1);
  g_autofree float *channels = g_new (float, SEG_N_CHANNELS *N);
  const SegViewPoint point = { 48, 64, TRUE };
  const SegViewPrompt prompt = { .points = &point, .n_points = 1 };
  /* Both 28 pixels from the click, to the left and across the edge. */
  const int same = 64 * SIDE + 20, other = 64 * SIDE + 76;

  scene->x1 = scene->y1 = SIDE;
  for (int c = 0; c < 3; c++)
    for (int p = 0; p < N; p++)
      scene->rgb[c][p] = p % SIDE < 64 ? 0.2f : 0.8f;
  for (int blank = 0; blank < 2; blank++)
    {
      seg_view_init_scene (view, scene, blank);
      seg_view_fill_channels (view, &prompt, channels);
      for (int k = 0; k < SEG_N_CHANNELS * N; k++)
        g_assert_true (isfinite (channels[k]) && fabsf (channels[k]) <= 4.0f);
      for (int map = SEG_CHANNEL_GEODESIC_IN; map < SEG_N_CHANNELS; map++)
        {
          const float gap = channels[map * N + same] - channels[map * N + other];
          if (map == SEG_CHANNEL_GEODESIC_OUT || map == SEG_CHANNEL_TRAVEL_OUT)
            g_assert_cmpfloat (fabsf (gap), ==, 0);
          else if (!blank)
            g_assert_cmpfloat (gap, >, 0.15);
          else if (map != SEG_CHANNEL_WALK)
            g_assert_cmpfloat (fabsf (gap), <, 0.05);
        }
    }
}

static void
test_rule_finds_a_disc (void)
{
  g_autoptr (SegGeneralist) rule = seg_generalist_new_rule ();
  g_autoptr (SegPicture) picture = seg_picture_new (150, 100, 1);
  g_autoptr (SegPrompt) prompt = seg_prompt_new ();
  g_autoptr (SegEmbedding) embedding = NULL;
  g_autoptr (SegAnswer) answer = NULL;
  g_autofree guint8 *truth = g_new (guint8, 150 * 100);
  g_autofree guint8 *mask = g_new (guint8, 150 * 100);
  g_autoptr (GError) error = NULL;

  for (int y = 0; y < 100; y++)
    for (int x = 0; x < 150; x++)
      {
        truth[y * 150 + x] = hypot (x - 90, y - 45) < 22;
        picture->pixels[y * 150 + x] =
            (truth[y * 150 + x] ? 180.0f : 60.0f) + (float) ((x * 7 + y * 13) % 11);
      }
  seg_prompt_add_point (prompt, 88, 47, TRUE);
  embedding = seg_generalist_encode (rule, picture, &error);
  g_assert_no_error (error);
  answer = seg_generalist_answer (rule, embedding, prompt, TRUE, &error);
  g_assert_no_error (error);
  seg_answer_get_mask (answer, 0, mask);
  g_assert_cmpfloat (seg_mask_dice (truth, mask, 150 * 100), >, 0.95);
  /* What cannot be answered is said. */
  seg_prompt_add_point (prompt, 150, 47, TRUE);
  g_assert_null (seg_generalist_answer (rule, embedding, prompt, TRUE, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
  g_clear_error (&error);
  g_clear_pointer (&prompt, seg_prompt_free);
  prompt = seg_prompt_new ();
  g_assert_null (seg_generalist_answer (rule, embedding, prompt, TRUE, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
}

/* A constant slice, one of a single pixel, one with holes of NaN: answered, finitely. */
static void
test_odd_pictures (void)
{
  g_autoptr (SegGeneralist) rule = seg_generalist_new_rule ();
  const int sizes[][2] = { { 64, 64 }, { 1, 1 }, { 3, 200 }, { 700, 2 } };

  for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++)
    for (int kind = 0; kind < 2; kind++)
      {
        g_autoptr (SegPicture) picture = seg_picture_new (sizes[s][0], sizes[s][1], 1);
        g_autoptr (SegPrompt) prompt = seg_prompt_new ();
        g_autoptr (SegEmbedding) embedding = NULL;
        g_autoptr (SegAnswer) answer = NULL;
        g_autoptr (GError) error = NULL;

        for (int p = 0; p < sizes[s][0] * sizes[s][1]; p++)
          picture->pixels[p] = kind && p % 3 == 0 ? NAN : 7.0f;
        seg_prompt_add_point (prompt, (float) (sizes[s][0] / 2), (float) (sizes[s][1] / 2), TRUE);
        embedding = seg_generalist_encode (rule, picture, &error);
        g_assert_no_error (error);
        answer = seg_generalist_answer (rule, embedding, prompt, FALSE, &error);
        g_assert_no_error (error);
        for (int p = 0; p < sizes[s][0] * sizes[s][1]; p++)
          g_assert_true (isfinite (answer->logits[0][p]));
      }
}

/* The gradients of the loss against central differences. */
static void
test_loss_gradient (void)
{
  enum
  {
    B = 2
  };
  const int n = SEG_COMPACT_MASKS * N;
  g_autofree float *logits = g_new (float, B *n);
  g_autofree float *truth = g_new (float, B *N);
  g_autofree float *weight = g_new (float, B *N);
  g_autofree float *d = g_new (float, B *n);
  g_autofree float *unused = g_new (float, B *n);
  float quality[B * SEG_COMPACT_MASKS], dq[B * SEG_COMPACT_MASKS], dq_unused[B * SEG_COMPACT_MASKS];
  const float ambiguous[B] = { 1, 0 };
  SegDraw draw = seg_draw_start (3, 4);

  for (int i = 0; i < B * n; i++)
    logits[i] = seg_draw_normal (&draw) * 2;
  for (int i = 0; i < B * N; i++)
    {
      truth[i] = seg_draw_chance (&draw, 0.3f);
      weight[i] = seg_draw_chance (&draw, 0.9f);
    }
  /* Of the two alternatives to the ambiguous prompt the third mask is clearly the better one. */
  for (int i = 0; i < N; i++)
    logits[2 * N + i] += truth[i] * 4 - 2;
  for (int i = 0; i < B * SEG_COMPACT_MASKS; i++)
    quality[i] = seg_draw_unit (&draw);
  /* With each estimate right its term has no slope, and what is left is the masks' own. */
  seg_compact_loss (B, logits, quality, truth, weight, ambiguous, d, dq, NULL);
  for (int i = 0; i < B * SEG_COMPACT_MASKS; i++)
    quality[i] -= dq[i] * B / 0.6f;
  seg_compact_loss (B, logits, quality, truth, weight, ambiguous, d, dq, NULL);
  for (int i = 0; i < B * SEG_COMPACT_MASKS; i++)
    g_assert_cmpfloat_with_epsilon (dq[i], 0, 1e-6);
  for (int trial = 0; trial < 12; trial++)
    {
      /* A direction over many pixels: one pixel's share is lost in rounding. */
      const int first = seg_draw_int (&draw, 0, B * SEG_COMPACT_MASKS - 1) * N;
      const float h = 0.01f;
      double expected = 0, up, down;

      for (int i = first; i < first + N; i++)
        expected += d[i] * (i % 3 ? 1 : -1);
      for (int i = first; i < first + N; i++)
        logits[i] += h * (i % 3 ? 1 : -1);
      up = seg_compact_loss (B, logits, quality, truth, weight, ambiguous, unused, dq_unused, NULL);
      for (int i = first; i < first + N; i++)
        logits[i] -= 2 * h * (i % 3 ? 1 : -1);
      down =
          seg_compact_loss (B, logits, quality, truth, weight, ambiguous, unused, dq_unused, NULL);
      for (int i = first; i < first + N; i++)
        logits[i] += h * (i % 3 ? 1 : -1);
      g_assert_cmpfloat (fabs (expected), >, 1e-6);
      g_assert_cmpfloat_with_epsilon ((up - down) / (2 * h), expected,
                                      0.02 * fabs (expected) + 2e-4);
    }
}

/* Sessions move on by the answers given, and come back exactly. */
static void
test_episodes_resume (void)
{
  const SegEpisodesParams params = { .seed = 9, .batch = 3, .pool = 6, .hardness = 1 };
  const gsize n_in = 3 * (gsize) SEG_N_CHANNELS * N;
  g_autoptr (SegEpisodes) a = seg_episodes_new (&params);
  g_autoptr (SegEpisodes) b = seg_episodes_new (&params);
  g_autofree float *in_a = g_new (float, n_in);
  g_autofree float *in_b = g_new (float, n_in);
  g_autofree float *truth = g_new (float, 3 * N);
  g_autofree float *weight = g_new (float, 3 * N);
  g_autofree float *logits = g_new (float, 3 * N);
  float ambiguous[3];
  g_autoptr (GBytes) saved = NULL;
  g_autoptr (GBytes) cut = NULL;
  g_autoptr (GError) error = NULL;

  for (int step = 0; step < 5; step++)
    {
      seg_episodes_fill (a, in_a, truth, weight, ambiguous);
      for (int i = 0; i < 3 * N; i++)
        logits[i] = truth[i] * 2 - 1 + (i % 977 == 0 ? 3 : 0);
      seg_episodes_advance (a, logits);
    }
  saved = seg_episodes_save (a);
  g_assert_true (seg_episodes_restore (b, saved, &error));
  g_assert_no_error (error);
  for (int step = 0; step < 4; step++)
    {
      seg_episodes_fill (a, in_a, truth, weight, ambiguous);
      seg_episodes_fill (b, in_b, truth, weight, ambiguous);
      g_assert_cmpmem (in_a, n_in * sizeof (float), in_b, n_in * sizeof (float));
      for (int i = 0; i < 3 * N; i++)
        logits[i] = truth[i] - 0.7f;
      seg_episodes_advance (a, logits);
      seg_episodes_advance (b, logits);
    }
  g_assert_cmpint (seg_episodes_get_n_scenes (a), >, 6);
  g_assert_cmpint (seg_episodes_get_n_scenes (a), ==, seg_episodes_get_n_scenes (b));
  cut = g_bytes_new_from_bytes (saved, 0, g_bytes_get_size (saved) - 1);
  g_assert_false (seg_episodes_restore (b, cut, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/generalist/scenes/follow-from-their-number",
                   test_scenes_follow_from_their_number);
  g_test_add_func ("/seg/generalist/clicks/distance-is-exact", test_distance_is_exact);
  g_test_add_func ("/seg/generalist/clicks/largest-error", test_clicks_go_to_the_largest_error);
  g_test_add_func ("/seg/generalist/channels/folding", test_folding_comes_back);
  g_test_add_func ("/seg/generalist/channels/follow-the-image", test_channels_follow_the_image);
  g_test_add_func ("/seg/generalist/rule/finds-a-disc", test_rule_finds_a_disc);
  g_test_add_func ("/seg/generalist/rule/odd-pictures", test_odd_pictures);
  g_test_add_func ("/seg/generalist/compact/loss-gradient", test_loss_gradient);
  g_test_add_func ("/seg/generalist/episodes/resume", test_episodes_resume);
  return g_test_run ();
}
