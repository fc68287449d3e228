/* SPDX-License-Identifier: Apache-2.0 */
/* Rings in boxes: found where a wall surrounds a cavity, and nowhere else. */
#include "seg/generalist/builtin.h"
#include "seg/generalist/clicks.h"
#include "seg/generalist/ring.h"
#include "seg/tensor/context.h"

#include <math.h>

#define W 150
#define H 120

typedef enum
{
  RING,
  DISC,
  SPOTTED, /* a disc with a spot of another kind, off its centre */
  SICKLE, /* a ring that is open at one side */
  NOISE,
  BLANK,
  N_SHAPES,
} Shape;

/* A picture and the truth; the box around it, up to 5 % off. */
static SegPicture *
draw_shape (Shape shape, float cavity, float wall, float around, guint8 *truth, float box[4])
{
  SegPicture *picture = seg_picture_new (W, H, 1);
  SegDraw draw = seg_draw_start (3, shape);

  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++)
      {
        const double du = (x - 80) / 40.0, dv = (y - 55) / 33.0, r = hypot (du, dv);
        const gboolean inner = r<0.65, open = du> 0 && fabs (dv) < 0.35;
        float value = r >= 1 ? around : wall;

        if (shape == RING && inner)
          value = cavity;
        if (shape == SICKLE && (inner || (r < 1 && open)))
          value = cavity;
        if (shape == SPOTTED && hypot (du - 0.4, dv) < 0.3)
          value = cavity;
        if (shape == NOISE)
          value = around;
        if (shape != BLANK)
          value += seg_draw_range (&draw, -1, 1) * (shape == NOISE ? 60 : 6);
        picture->pixels[y * W + x] = shape == BLANK ? 0 : value;
        truth[y * W + x] = r < 1 && (shape != RING || !inner);
      }
  seg_box_around (truth, W, H, 0.05f, &draw, box);
  return picture;
}

static void
box_in_view (const SegViewSquare *sq, const float box[4], float out[4])
{
  for (int c = 0; c < 4; c++)
    out[c] = (box[c] + 0.5f - (c % 2 ? sq->y0 : sq->x0)) * SEG_VIEW_SIDE / sq->side - 0.5f;
}

static void
test_only_rings (void)
{
  static const float looks[][3] = { { 200, 60, 130 }, { 60, 200, 130 }, { 200, 60, 40 } };
  g_autofree SegView *view = g_new (SegView, 1);
  g_autofree float *logits = g_new (float, SEG_VIEW_PIXELS);
  g_autofree guint8 *truth = g_new (guint8, W * H);
  const SegViewSquare sq = { 20, -5, 120 };

  for (gsize l = 0; l < G_N_ELEMENTS (looks); l++)
    for (int shape = 0; shape < N_SHAPES; shape++)
      {
        float box[4], at[4];
        g_autoptr (SegPicture) picture =
            draw_shape (shape, looks[l][0], looks[l][1], looks[l][2], truth, box);
        gboolean found;

        seg_view_init (view, picture, &sq);
        box_in_view (&sq, box, at);
        found = seg_ring_in_box (view, at, logits);
        g_test_message ("look %d shape %d: %d", (int) l, shape, found);
        g_assert_cmpint (found, ==, shape == RING);
        if (!found)
          continue;
        /* The wall's Dice, on the view's own grid. */
        gsize both = 0, sum = 0;
        for (int v = 0; v < SEG_VIEW_SIDE; v++)
          for (int u = 0; u < SEG_VIEW_SIDE; u++)
            {
              const int x = (int) lrintf (sq.x0 + ((float) u + 0.5f) * sq.side / 128 - 0.5f);
              const int y = (int) lrintf (sq.y0 + ((float) v + 0.5f) * sq.side / 128 - 0.5f);
              const gboolean in = logits[v * SEG_VIEW_SIDE + u] > 0;
              const gboolean is = x >= 0 && y >= 0 && x < W && y < H && truth[y * W + x];

              both += in && is;
              sum += (gsize) in + (gsize) is;
            }
        /* The box is up to 5 % off at each side, which alone costs a tenth of the wall. */
        g_assert_cmpfloat (2.0 * (double) both / (double) sum, >, 0.87);
      }
}

/* The whole way, with the weights that ship; and that it can be left out. */
static void
test_in_an_answer (void)
{
  g_autofree char *path = seg_builtin_find_weights ();
  g_autoptr (SegDevice) device = seg_device_open ("cpu", 0, NULL);
  g_autoptr (SegGeneralist) generalist = NULL;
  g_autoptr (SegPrompt) prompt = seg_prompt_new ();
  g_autoptr (SegEmbedding) embedding = NULL;
  g_autoptr (SegPicture) picture = NULL;
  g_autofree guint8 *truth = g_new (guint8, W * H);
  g_autofree guint8 *mask = g_new (guint8, W * H);
  g_autofree guint8 *other = g_new (guint8, W * H);
  g_autoptr (GError) error = NULL;
  float box[4];

  if (path == NULL || device == NULL)
    {
      g_test_skip (path == NULL ? "the built-in weights are not here" : "no cpu backend");
      return;
    }
  generalist = seg_generalist_open (NULL, NULL, device, &error);
  g_assert_no_error (error);
  picture = draw_shape (RING, 200, 60, 130, truth, box);
  embedding = seg_generalist_encode (generalist, picture, &error);
  g_assert_no_error (error);
  seg_prompt_set_box (prompt, box[0], box[1], box[2], box[3]);
  for (int refine = 1; refine >= 0; refine--)
    {
      g_autoptr (SegAnswer) answer = NULL;
      double dice;

      seg_generalist_set_refine (generalist, refine);
      answer = seg_generalist_answer (generalist, embedding, prompt, TRUE, &error);
      g_assert_no_error (error);
      seg_answer_get_mask (answer, 0, mask);
      dice = seg_mask_dice (truth, mask, W * H);
      g_test_message ("refine %d: %.3f", refine, dice);
      if (refine)
        {
          g_assert_cmpfloat (dice, >, 0.85);
          seg_answer_get_mask (answer, 1, other);
        }
      else /* what came second is the network's own first */
        g_assert_cmpmem (mask, W * H, other, W * H);
    }
  /* A click inside says more than the box: no ring is looked for. */
  seg_prompt_add_point (prompt, 80, 55, TRUE);
  for (int refine = 0; refine < 2; refine++)
    {
      g_autoptr (SegAnswer) answer = NULL;

      seg_generalist_set_refine (generalist, refine);
      answer = seg_generalist_answer (generalist, embedding, prompt, FALSE, &error);
      g_assert_no_error (error);
      seg_answer_get_mask (answer, 0, refine ? mask : other);
    }
  g_assert_cmpmem (mask, W * H, other, W * H);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/generalist/ring/only-rings", test_only_rings);
  g_test_add_func ("/seg/generalist/ring/in-an-answer", test_in_an_answer);
  return g_test_run ();
}
