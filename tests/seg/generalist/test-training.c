/* SPDX-License-Identifier: Apache-2.0 */
/* Training of the built-in generalist: it learns, it resumes exactly, its file comes back. */
#include "seg/generalist/builtin.h"
#include "seg/generalist/generalist-private.h"
#include "seg/generalist/practice.h"
#include "seg/tensor/context.h"

#include <glib/gstdio.h>
#include <string.h>

static SegDevice *
open_device (void)
{
  SegDevice *device = seg_device_open ("cpu", 0, NULL);

  return device != NULL ? device : seg_device_open ("ref", 0, NULL);
}

static char *
make_folder (void)
{
  return g_dir_make_tmp ("practice-XXXXXX", NULL);
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_unlink (path);
    }
  g_rmdir (folder);
}

static GBytes *
run_to (SegPractice *practice, gint64 step, const char *folder)
{
  g_autofree char *path = g_build_filename (folder, "out.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  char *data;
  gsize size;

  while (seg_practice_get_step (practice) < step)
    {
      seg_practice_step (practice, NULL, NULL, &error);
      g_assert_no_error (error);
    }
  seg_practice_export (practice, path, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  return g_bytes_new_take (data, size);
}

/* I7: two steps, a new program, one step more: the bytes of three steps. And the file answers. */
static void
test_resume_and_answer (void)
{
  const SegPracticeParams params = { .seed = 3, .n_steps = 20, .batch = 2 };
  g_autoptr (SegDevice) device = open_device ();
  g_autoptr (SegPractice) whole = seg_practice_new (device, &params);
  g_autoptr (SegPractice) first = seg_practice_new (device, &params);
  g_autoptr (SegPractice) second = seg_practice_new (device, &params);
  g_autofree char *folder = make_folder ();
  g_autoptr (GBytes) expected = run_to (whole, 3, folder);
  g_autoptr (GBytes) early = run_to (first, 2, folder);
  g_autoptr (GBytes) got = NULL;
  g_autoptr (GError) error = NULL;

  seg_practice_save (first, folder, &error);
  g_assert_no_error (error);
  seg_practice_restore (second, folder, &error);
  g_assert_no_error (error);
  g_assert_cmpint (seg_practice_get_step (second), ==, 2);
  got = run_to (second, 3, folder);
  g_assert_true (g_bytes_equal (got, expected));
  g_assert_false (g_bytes_equal (early, expected));

  /* Another seed is another run. */
  {
    const SegPracticeParams other = { .seed = 4, .n_steps = 20, .batch = 2 };
    g_autoptr (SegPractice) stranger = seg_practice_new (device, &other);

    g_assert_false (seg_practice_restore (stranger, folder, &error));
    g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
    g_clear_error (&error);
  }

  {
    g_autoptr (SegGeneralist) generalist = seg_builtin_open_bytes (got, "out", device, &error);
    g_autoptr (SegPicture) picture = seg_picture_new (90, 60, 3);
    g_autoptr (SegPrompt) prompt = seg_prompt_new ();
    g_autoptr (SegEmbedding) embedding = NULL;
    g_autoptr (SegAnswer) answer = NULL;
    g_autoptr (GBytes) cut = g_bytes_new_from_bytes (got, 0, g_bytes_get_size (got) - 100);

    g_assert_no_error (error);
    for (int p = 0; p < 90 * 60 * 3; p++)
      picture->pixels[p] = (float) (p % 251);
    seg_prompt_add_point (prompt, 30, 20, TRUE);
    embedding = seg_generalist_encode (generalist, picture, &error);
    answer = seg_generalist_answer (generalist, embedding, prompt, TRUE, &error);
    g_assert_no_error (error);
    g_assert_cmpint (answer->n_masks, ==, 3);
    g_assert_null (seg_builtin_open_bytes (cut, "out", device, &error));
    g_assert_nonnull (error);
  }
  remove_folder (folder);
}

static void
test_learns (void)
{
  const SegPracticeParams params = { .seed = 5, .n_steps = 400, .batch = 4 };
  g_autoptr (SegDevice) device = seg_device_open ("cpu", 0, NULL);
  g_autoptr (SegPractice) practice = NULL;
  g_autoptr (GError) error = NULL;
  double begin = 0, end = 0;

  if (device == NULL)
    {
      g_test_skip ("no cpu backend: too slow on ref");
      return;
    }
  practice = seg_practice_new (device, &params);
  for (int s = 0; s < 40; s++)
    {
      double loss;

      seg_practice_step (practice, &loss, NULL, &error);
      g_assert_no_error (error);
      begin += s < 8 ? loss / 8 : 0;
      end += s >= 32 ? loss / 8 : 0;
    }
  g_assert_cmpfloat (end, <, 0.95 * begin);
}

/* What ships: it answers, and it looks at the image: on held-out procedural scenes blanking the
 * image costs at least 0.05 Dice at one and three clicks. */
static void
test_shipped_weights_see (void)
{
  g_autofree char *path = seg_builtin_find_weights ();
  g_autoptr (SegDevice) device = seg_device_open ("cpu", 0, NULL);
  const SegPracticeParams params = { .seed = 77, .n_steps = 1 };
  g_autoptr (SegPractice) practice = NULL;
  SegPracticeReport seen, blank;
  g_autoptr (GError) error = NULL;

  if (path == NULL || device == NULL)
    {
      g_test_skip (path == NULL ? "the built-in weights are not here" : "no cpu backend");
      return;
    }
  practice = seg_practice_new (device, &params);
  g_assert_true (seg_practice_import (practice, path, &error));
  g_assert_no_error (error);
  seg_practice_examine (practice, 16, FALSE, &seen, &error);
  seg_practice_examine (practice, 16, TRUE, &blank, &error);
  g_assert_no_error (error);
  g_test_message ("1 click %.3f (blanked %.3f), 3 clicks %.3f (%.3f), box %.3f", seen.clicks[0],
                  blank.clicks[0], seen.clicks[1], blank.clicks[1], seen.box);
  g_assert_cmpfloat (seen.clicks[0] - blank.clicks[0], >, 0.05);
  g_assert_cmpfloat (seen.clicks[1] - blank.clicks[1], >, 0.05);
  g_assert_cmpfloat (seen.clicks[2], >, 0.75);
  g_assert_cmpfloat (seen.box, >, 0.72);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/generalist/training/resume-and-answer", test_resume_and_answer);
  g_test_add_func ("/seg/generalist/training/learns", test_learns);
  g_test_add_func ("/seg/generalist/training/shipped-weights-see", test_shipped_weights_see);
  return g_test_run ();
}
