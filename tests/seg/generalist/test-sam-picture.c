/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/generalist/sam-picture.h"
#include "tests/seg/generalist/resize-golden.h"

#include <math.h>
#include <string.h>

/* What Pillow's BILINEAR makes of one row. */
static void
test_resize_like_pillow (void)
{
  static const guint8 row[5] = { 0, 50, 100, 200, 255 };
  static const struct
  {
    int n;
    guint8 expected[8];
  } cases[] = {
    { 3, { 21, 111, 231 } },
    { 4, { 13, 71, 158, 241 } },
    { 5, { 0, 50, 100, 200, 255 } },
    { 8, { 0, 22, 53, 84, 131, 194, 231, 255 } },
  };

  for (gsize c = 0; c < G_N_ELEMENTS (cases); c++)
    {
      const int n = cases[c].n;
      guint8 along[8], down[8], both[3 * 64], square[75];

      seg_sam_resize_u8 (row, 5, 1, 1, n, 1, along);
      g_assert_cmpmem (along, n, cases[c].expected, n);
      seg_sam_resize_u8 (row, 1, 5, 1, 1, n, down);
      g_assert_cmpmem (down, n, cases[c].expected, n);
      /* Three channels, constant along y: every row the same. */
      for (int p = 0; p < 25; p++)
        for (int channel = 0; channel < 3; channel++)
          square[p * 3 + channel] = row[p % 5];
      seg_sam_resize_u8 (square, 5, 5, 3, n, n, both);
      for (int p = 0; p < n * n; p++)
        g_assert_cmpuint (both[p * 3 + p % 3], ==, cases[c].expected[p % n]);
    }
}

/* Beside scikit-image and OpenCV, recorded: the same bytes. */
static void
compare_resize (const ResizeGolden *cases, gsize n_cases, gboolean cubic)
{
  for (gsize c = 0; c < n_cases; c++)
    {
      const ResizeGolden *g = &cases[c];
      const int n = g->new_width * g->new_height;
      guint8 src[40 * 30 * 3], dst[256 * 3];
      int off = 0;

      for (int y = 0; y < g->height; y++)
        for (int x = 0; x < g->width; x++)
          for (int channel = 0; channel < 3; channel++)
            src[(y * g->width + x) * 3 + channel] =
                (guint8) (g->smooth ? MIN (255, (x * 9 + y * 5) / 2)
                                    : (x * x * 7 + y * 13 + x * y * 3) % 251);
      (cubic ? seg_sam_resize_cubic_u8 : seg_sam_resize_area_u8) (src, g->width, g->height, 3,
                                                                  g->new_width, g->new_height, dst);
      for (int p = 0; p < n; p++)
        {
          const int difference = dst[p * 3 + p % 3] - g->values[p];

          off += difference != 0;
        }
      g_test_message ("%d x %d to %d x %d: %d of %d a level off", g->width, g->height, g->new_width,
                      g->new_height, off, n);
      g_assert_cmpint (off, ==, 0);
    }
}

static void
test_resize_cubic (void)
{
  guint8 flat[7 * 5], out[64];

  compare_resize (resize_cubic, G_N_ELEMENTS (resize_cubic), TRUE);
  memset (flat, 50, sizeof flat);
  seg_sam_resize_cubic_u8 (flat, 7, 5, 1, 8, 8, out);
  for (int p = 0; p < 64; p++)
    g_assert_cmpuint (out[p], ==, 50);
}

static void
test_resize_area (void)
{
  compare_resize (resize_area, G_N_ELEMENTS (resize_area), FALSE);
}

/* LiteMedSAM's boxes are whole numbers of its frame, by the ratio of the longest side. */
static void
test_lite_corner (void)
{
  const float corner[2] = { 51, 33 };
  SegSamFrame place;
  float at[2];

  seg_sam_frame_init (&place, SEG_SAM_LOOK_LITE, 333, 1000, 256);
  seg_sam_frame_corner (&place, corner, at);
  g_assert_cmpfloat (at[0], ==, 13); /* 13.056 */
  g_assert_cmpfloat (at[1], ==, 8); /* 8.448 */
  seg_sam_frame_init (&place, SEG_SAM_LOOK_MEDSAM, 512, 256, 1024);
  seg_sam_frame_corner (&place, corner, at);
  g_assert_cmpfloat (at[0], ==, 102);
  g_assert_cmpfloat (at[1], ==, 132);
}

static void
test_frame_size (void)
{
  static const int cases[][4] = {
    { 1404, 674, 1024, 492 }, { 384, 224, 1024, 597 },   { 224, 384, 597, 1024 },
    { 140, 88, 1024, 644 },   { 183, 140, 1024, 783 },   { 183, 88, 1024, 492 },
    { 529, 622, 871, 1024 },  { 1072, 1920, 572, 1024 }, { 410, 389, 1024, 972 },
    { 333, 1000, 341, 1024 },
  };

  for (gsize c = 0; c < G_N_ELEMENTS (cases); c++)
    {
      int width, height;

      seg_sam_frame_size (cases[c][1], cases[c][0], 1024, &width, &height);
      g_assert_cmpint (height, ==, cases[c][2]);
      g_assert_cmpint (width, ==, cases[c][3]);
    }
}

static void
test_bilinear (void)
{
  static const float three[3] = { 0, 1, 4 };
  static const float up[12] = { 0, 0, .125, .375, .625, .875, 1.375, 2.125, 2.875, 3.625, 4, 4 };
  static const float down[4] = { .75, 3.25, 5.75, 8.25 };
  float ten[10], out[12];

  seg_sam_bilinear (three, 3, 1, 3, 12, 1, out);
  for (int p = 0; p < 12; p++)
    g_assert_cmpfloat (fabsf (out[p] - up[p]), <, 1e-6);
  seg_sam_bilinear (three, 1, 3, 1, 1, 12, out);
  for (int p = 0; p < 12; p++)
    g_assert_cmpfloat (fabsf (out[p] - up[p]), <, 1e-6);
  for (int p = 0; p < 10; p++)
    ten[p] = p;
  seg_sam_bilinear (ten, 10, 1, 10, 4, 1, out);
  for (int p = 0; p < 4; p++)
    g_assert_cmpfloat (fabsf (out[p] - down[p]), <, 1e-6);
}

/* A disc drawn as logits in the frame comes back at its place in the picture, for each look. */
static void
test_there_and_back (void)
{
  for (int look = 0; look <= SEG_SAM_LOOK_LITE; look++)
    {
      const int width = 88, height = 140, frame = look == SEG_SAM_LOOK_LITE ? 256 : 1024;
      const int side = 256;
      const float centre[2] = { 30, 90 };
      g_autofree float *low_res = g_new (float, side *side);
      g_autofree float *logits = g_new (float, width *height);
      SegSamFrame place;
      float in_frame[2];
      double sum_x = 0, sum_y = 0, n = 0;

      seg_sam_frame_init (&place, look, width, height, frame);
      seg_sam_frame_point (&place, centre, in_frame);
      for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
          {
            float fx = (x + 0.5f) * frame / side - 0.5f, fy = (y + 0.5f) * frame / side - 0.5f;
            float dx = (fx - in_frame[0]) / (float) place.scale_x;
            float dy = (fy - in_frame[1]) / (float) place.scale_y;

            low_res[y * side + x] = 12 - hypotf (dx, dy);
          }
      seg_sam_frame_logits (&place, low_res, side, logits);
      for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
          if (logits[y * width + x] > 0)
            {
              sum_x += x;
              sum_y += y;
              n++;
            }
      g_assert_cmpfloat (fabs (n / (G_PI * 144) - 1), <, 0.02);
      /* The point rule of the reference code leaves centres half a pixel apart. */
      g_assert_cmpfloat (fabs (sum_x / n - 30), <, 0.6);
      g_assert_cmpfloat (fabs (sum_y / n - 90), <, 0.6);
    }
}

static void
test_looks (void)
{
  guint8 rgb[4 * 2 * 3];
  g_autofree float *out = g_new (float, 3 * 64);
  SegSamFrame place;

  for (int b = 0; b < 24; b++)
    rgb[b] = 100 + b % 3;
  seg_sam_frame_init (&place, SEG_SAM_LOOK_STANDARD, 4, 2, 8);
  seg_sam_frame_picture (&place, rgb, out);
  g_assert_cmpint (place.new_height, ==, 4);
  g_assert_cmpfloat (fabsf (out[0] - (100 - 123.675f) / 58.395f), <, 1e-6);
  g_assert_cmpfloat (fabsf (out[64] - (101 - 116.28f) / 57.12f), <, 1e-6);
  g_assert_cmpfloat (out[4 * 8], ==, 0); /* the padding */
  g_assert_cmpfloat (out[3 * 8], !=, 0);

  seg_sam_frame_init (&place, SEG_SAM_LOOK_MEDSAM, 4, 2, 8);
  seg_sam_frame_picture (&place, rgb, out);
  g_assert_cmpfloat (out[0], ==, 0);
  g_assert_cmpfloat (out[63], ==, 0);
  g_assert_cmpfloat (out[191], ==, 1);

  memset (rgb, 7, sizeof rgb);
  seg_sam_frame_init (&place, SEG_SAM_LOOK_LITE, 4, 2, 8);
  seg_sam_frame_picture (&place, rgb, out);
  for (int v = 0; v < 192; v++)
    g_assert_cmpfloat (out[v], ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/sam-picture/resize-like-pillow", test_resize_like_pillow);
  g_test_add_func ("/seg/sam-picture/resize-like-scikit-image", test_resize_cubic);
  g_test_add_func ("/seg/sam-picture/resize-like-opencv", test_resize_area);
  g_test_add_func ("/seg/sam-picture/lite-corner", test_lite_corner);
  g_test_add_func ("/seg/sam-picture/frame-size", test_frame_size);
  g_test_add_func ("/seg/sam-picture/bilinear", test_bilinear);
  g_test_add_func ("/seg/sam-picture/there-and-back", test_there_and_back);
  g_test_add_func ("/seg/sam-picture/looks", test_looks);
  return g_test_run ();
}
