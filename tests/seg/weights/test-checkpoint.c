/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/weights/checkpoint.h"

#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  char *folder;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("crosslabel-checkpoint-XXXXXX", NULL);
  g_assert_nonnull (fixture->folder);
}

static guint
count_files (const char *folder, gboolean remove)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;
  guint n = 0;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      n++;
      if (remove)
        g_unlink (path);
    }
  g_dir_close (dir);
  return n;
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  count_files (fixture->folder, TRUE);
  g_rmdir (fixture->folder);
  g_free (fixture->folder);
}

static gboolean
save (const char *folder, gint64 step, gsize n, GError **error)
{
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_new ();
  g_autofree float *values = g_new (float, n);
  const gint64 shape[1] = { (gint64) n };

  for (gsize i = 0; i < n; i++)
    values[i] = (float) step + (float) i;
  seg_checkpoint_add (checkpoint, "student", "w", SEG_WEIGHT_F32, 1, shape, values);
  seg_checkpoint_add (checkpoint, "teacher", "w", SEG_WEIGHT_F32, 1, shape, values);
  seg_checkpoint_set_int (checkpoint, "step", step);
  return seg_checkpoint_save (checkpoint, folder, "round-1", error);
}

/* The step of the checkpoint in @folder, after checking that its tensors are those of that step. */
static gint64
load_step (const char *folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_load (folder, "round-1", &error);
  g_autoptr (SegWeights) group = NULL;
  const SegWeight *tensor;
  gint64 step = -1;

  g_assert_no_error (error);
  g_assert_true (seg_checkpoint_get_int (checkpoint, "step", &step, &error));
  group = seg_checkpoint_get_group (checkpoint, "teacher");
  tensor = seg_weights_find (group, "w");
  g_assert_nonnull (tensor);
  for (gsize i = 0; i < tensor->n_elements; i++)
    g_assert_cmpfloat (((const float *) tensor->data)[i], ==, (float) step + (float) i);
  return step;
}

static void
test_round_trip (Fixture *fixture, gconstpointer data)
{
  static const double doubles[] = { 0.1, -0.0, 1e-310, INFINITY, -NAN, 1.0 / 3 };
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_new ();
  g_autoptr (SegCheckpoint) loaded = NULL;
  g_autoptr (SegWeights) student = NULL;
  g_autoptr (SegWeights) none = NULL;
  g_autoptr (GError) error = NULL;
  const float weights[4] = { 1, 2, 3, 4 };
  const gint64 count = 77;
  const char *text;
  gint64 integer;

  seg_checkpoint_add (checkpoint, "student", "conv.weight", SEG_WEIGHT_F32, 2, (gint64[]){ 2, 2 },
                      weights);
  seg_checkpoint_add (checkpoint, "optimizer", "conv.weight/momentum", SEG_WEIGHT_F32, 1,
                      (gint64[]){ 4 }, weights);
  seg_checkpoint_add (checkpoint, "optimizer", "count", SEG_WEIGHT_I64, 0, NULL, &count);
  seg_checkpoint_set_int (checkpoint, "step", G_MAXINT64);
  seg_checkpoint_set_int (checkpoint, "seed", G_MININT64);
  seg_checkpoint_set_string (checkpoint, "order", "{\"a\": [1, \"ü\\n\"]}");
  for (gsize i = 0; i < G_N_ELEMENTS (doubles); i++)
    {
      char key[8];

      g_snprintf (key, sizeof key, "d%zu", i);
      seg_checkpoint_set_double (checkpoint, key, doubles[i]);
    }
  g_assert_true (seg_checkpoint_save (checkpoint, fixture->folder, "r", &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_files (fixture->folder, FALSE), ==, 2);

  loaded = seg_checkpoint_load (fixture->folder, "r", &error);
  g_assert_no_error (error);
  student = seg_checkpoint_get_group (loaded, "student");
  g_assert_cmpuint (seg_weights_get_n (student), ==, 1);
  g_assert_cmpmem (seg_weights_find (student, "conv.weight")->data, 16, weights, 16);
  none = seg_checkpoint_get_group (loaded, "stu");
  g_assert_cmpuint (seg_weights_get_n (none), ==, 0);
  g_assert_true (seg_checkpoint_get_int (loaded, "step", &integer, NULL));
  g_assert_cmpint (integer, ==, G_MAXINT64);
  g_assert_true (seg_checkpoint_get_int (loaded, "seed", &integer, NULL));
  g_assert_cmpint (integer, ==, G_MININT64);
  g_assert_true (seg_checkpoint_get_string (loaded, "order", &text, NULL));
  g_assert_cmpstr (text, ==, "{\"a\": [1, \"ü\\n\"]}");
  for (gsize i = 0; i < G_N_ELEMENTS (doubles); i++)
    {
      char key[8];
      double number = 7;

      g_snprintf (key, sizeof key, "d%zu", i);
      g_assert_true (seg_checkpoint_get_double (loaded, key, &number, NULL));
      g_assert_cmpmem (&number, sizeof number, &doubles[i], sizeof doubles[i]);
    }
  g_assert_false (seg_checkpoint_get_int (loaded, "order", &integer, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "of another kind"));
  g_clear_error (&error);
  g_assert_false (seg_checkpoint_get_string (loaded, "nothing", &text, &error));
  g_assert_nonnull (strstr (error->message, "“nothing” is missing"));
}

static void
test_replaces (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  for (gint64 step = 0; step < 5; step++)
    {
      g_assert_true (save (fixture->folder, step, 10, NULL));
      g_assert_cmpint (load_step (fixture->folder), ==, step);
      g_assert_cmpuint (count_files (fixture->folder, FALSE), ==, 2); /* the old one is gone */
    }
  g_assert_true (seg_checkpoint_remove (fixture->folder, "round-1", &error));
  g_assert_cmpuint (count_files (fixture->folder, FALSE), ==, 0);
  g_assert_true (seg_checkpoint_remove (fixture->folder, "round-1", &error));
  g_assert_null (seg_checkpoint_load (fixture->folder, "round-1", &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_NOT_FOUND);
}

/* Every byte of both files matters: changed or cut, the load fails and says why. */
static void
test_damaged (Fixture *fixture, gconstpointer data)
{
  GDir *dir;
  const char *name;

  g_assert_true (save (fixture->folder, 3, 10, NULL));
  dir = g_dir_open (fixture->folder, 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->folder, name, NULL);
      g_autofree char *good = NULL;
      gsize size;

      g_assert_true (g_file_get_contents (path, &good, &size, NULL));
      for (gsize i = 0; i < size; i++)
        {
          g_autofree char *bad = g_memdup2 (good, size);
          g_autoptr (SegCheckpoint) loaded = NULL;
          g_autoptr (GError) error = NULL;
          gsize cut = i % 2 ? size : i;

          bad[i] ^= 0x04;
          g_assert_true (g_file_set_contents (path, bad, (gssize) cut, NULL));
          loaded = seg_checkpoint_load (fixture->folder, "round-1", &error);
          g_assert_true ((loaded == NULL) == (error != NULL));
          if (g_str_has_suffix (name, ".safetensors"))
            g_assert_error (error, SEG_ERROR, SEG_ERROR_FORMAT);
        }
      g_assert_true (g_file_set_contents (path, good, (gssize) size, NULL));
    }
  g_dir_close (dir);
  g_assert_cmpint (load_step (fixture->folder), ==, 3);
}

/* No room for the next one (a file size limit stands in for the full disk): the last one stays. */
static void
test_disk_full (Fixture *fixture, gconstpointer data)
{
  struct rlimit old, small = { 4096, 4096 };
  g_autoptr (GError) error = NULL;

  g_assert_true (save (fixture->folder, 1, 100, NULL));
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  small.rlim_max = old.rlim_max;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  g_assert_false (save (fixture->folder, 2, 100000, &error));
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  g_assert_error (error, SEG_ERROR, SEG_ERROR_IO);
  g_assert_cmpint (load_step (fixture->folder), ==, 1);
  g_assert_cmpuint (count_files (fixture->folder, FALSE), ==, 2);
}

/* Killed at a random moment of endless saving, many times: there is always a good checkpoint, never
 * an older one than was acknowledged, and the next save clears what the crash left. */
static void
test_killed (Fixture *fixture, gconstpointer data)
{
  gint64 last = 0;

  g_assert_true (save (fixture->folder, 0, 20000, NULL));
  /* A busy machine saves nothing in so short a time: then it gets more rounds, and longer ones. */
  for (int round = 0; round < 25 || (last <= 5 && round < 500); round++)
    {
      int pipes[2];
      gint64 acknowledged = last, from = last;
      gint64 found;
      pid_t child;

      g_assert_cmpint (pipe (pipes), ==, 0);
      child = fork ();
      if (child == 0)
        {
          close (pipes[0]);
          for (gint64 step = from + 1;; step++)
            if (!save (fixture->folder, step, 20000, NULL)
                || write (pipes[1], &step, sizeof step) != sizeof step)
              _exit (1);
        }
      close (pipes[1]);
      g_usleep ((gulong) g_test_rand_int_range (500, 30000 + 5000 * MAX (round - 25, 0)));
      kill (child, SIGKILL);
      while (read (pipes[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged)
        ;
      close (pipes[0]);
      waitpid (child, NULL, 0);
      found = load_step (fixture->folder);
      g_assert_cmpint (found, >=, acknowledged);
      g_assert_cmpint (found, <=, acknowledged + 1);
      last = found;
    }
  g_assert_cmpint (last, >, 5); /* the drill saved something at all */
  g_assert_true (save (fixture->folder, last + 1, 10, NULL));
  g_assert_cmpint (load_step (fixture->folder), ==, last + 1);
  g_assert_cmpuint (count_files (fixture->folder, FALSE), ==, 2); /* what crashes left is gone */
}

static void
test_newer (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "r.json", NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, "{\"format\":\"crosslabel-checkpoint\",\"version\":2}", -1, NULL);
  g_assert_null (seg_checkpoint_load (fixture->folder, "r", &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED);
  g_clear_error (&error);
  g_file_set_contents (path,
                       "{\"format\":\"crosslabel-checkpoint\",\"version\":1,\"values\":{},"
                       "\"tensors\":\"../../etc/passwd\",\"size_bytes\":1,\"sha256\":\"00\"}",
                       -1, NULL);
  g_assert_null (seg_checkpoint_load (fixture->folder, "r", &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_FORMAT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
  g_test_add ("/seg/checkpoint/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("round-trip", test_round_trip);
  ADD ("replaces", test_replaces);
  ADD ("damaged", test_damaged);
  ADD ("disk-full", test_disk_full);
  ADD ("killed", test_killed);
  ADD ("newer", test_newer);
  return g_test_run ();
}
