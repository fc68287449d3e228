/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/verbs.h"
#include "seg/generalist/builtin.h"
#include "seg/generalist/practice.h"
#include "seg/tensor/context.h"
#include "seg/tensor/tensor.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static volatile sig_atomic_t stop_asked;

static void
stop_cb (int signal_number)
{
  stop_asked = 1;
}

typedef struct
{
  char *folder, *out, *from, *device, *dtype;
  gint64 steps, seed, save_every, log_every, exam_every;
  int batch, exam_scenes, threads;
  double lr;
  gboolean resume, json;
} Options;

static void
options_clear (Options *self)
{
  g_free (self->folder);
  g_free (self->out);
  g_free (self->from);
  g_free (self->device);
  g_free (self->dtype);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
append_log (const char *folder, const char *line, GError **error)
{
  g_autofree char *path = g_build_filename (folder, "log.jsonl", NULL);
  FILE *file = g_fopen (path, "a");

  if (file == NULL || fprintf (file, "%s\n", line) < 0 || fclose (file) != 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s", path,
                   g_strerror (errno));
      return FALSE;
    }
  return TRUE;
}

/* Dice after 1, 3, 5, 10 clicks and a box, with the image and blanked; the gap is what it sees. */
static gboolean
examine (SegPractice *practice, const Options *options, double seconds, GError **error)
{
  SegPracticeReport seen, blank;
  g_autofree char *line = NULL;

  if (!seg_practice_examine (practice, options->exam_scenes, FALSE, &seen, error)
      || !seg_practice_examine (practice, options->exam_scenes, TRUE, &blank, error))
    return FALSE;
  line = g_strdup_printf ("{\"simulated\":true,\"step\":%" G_GINT64_FORMAT
                          ",\"seconds\":%.0f,\"scenes\":%d,\"dice\":{\"1\":%.4f,\"3\":%.4f,"
                          "\"5\":%.4f,\"10\":%.4f,\"box\":%.4f},\"blanked\":{\"1\":%.4f,\"3\":%.4f,"
                          "\"5\":%.4f,\"10\":%.4f,"
                          "\"box\":%.4f},\"gap\":{\"1\":%.4f,\"3\":%.4f}}",
                          seg_practice_get_step (practice), seconds, seen.n_scenes, seen.clicks[0],
                          seen.clicks[1], seen.clicks[2], seen.clicks[3], seen.box, blank.clicks[0],
                          blank.clicks[1], blank.clicks[2], blank.clicks[3], blank.box,
                          seen.clicks[0] - blank.clicks[0], seen.clicks[1] - blank.clicks[1]);
  g_print ("%s\n", line);
  return append_log (options->folder, line, error);
}

static gboolean
run (const Options *options, GError **error)
{
  g_autoptr (SegDevice) device = seg_device_open (options->device, options->threads, error);
  g_autoptr (SegPractice) practice = NULL;
  SegPracticeParams params = { .seed = (guint64) options->seed,
                               .n_steps = options->steps,
                               .batch = options->batch,
                               .lr = options->lr };
  const gint64 start = g_get_monotonic_time ();
  double loss_sum = 0, dice_sum = 0;
  gint64 counted = 0, first;

  if (device == NULL)
    return FALSE;
  if (!seg_dtype_from_name (options->dtype, &params.dtype))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED, "%s is no dtype (f32, bf16)",
                   options->dtype);
      return FALSE;
    }
  practice = seg_practice_new (device, &params);
  if (options->resume
          ? !seg_practice_restore (practice, options->folder, error)
          : options->from != NULL && !seg_practice_import (practice, options->from, error))
    return FALSE;
  first = seg_practice_get_step (practice);
  {
    g_autofree char *line = g_strdup_printf (
        "{\"from_step\":%" G_GINT64_FORMAT ",\"steps\":%" G_GINT64_FORMAT
        ",\"seed\":%" G_GINT64_FORMAT ",\"batch\":%d,\"rate\":%g,"
        "\"dtype\":\"%s\",\"version\":\"" PACKAGE_VERSION "\"}",
        first, options->steps, options->seed, options->batch, options->lr, options->dtype);
    if (!append_log (options->folder, line, error))
      return FALSE;
  }
  while (seg_practice_get_step (practice) < options->steps && !stop_asked)
    {
      const gint64 at = seg_practice_get_step (practice) + 1;
      const double seconds = (double) (g_get_monotonic_time () - start) / 1e6;
      double loss, dice;

      if (!seg_practice_step (practice, &loss, &dice, error))
        return FALSE;
      loss_sum += loss;
      dice_sum += dice;
      counted++;
      if (at % options->log_every == 0)
        {
          g_autofree char *line = g_strdup_printf (
              "{\"step\":%" G_GINT64_FORMAT
              ",\"seconds\":%.0f,\"loss\":%.4f,\"soft_dice\":%.4f,\"samples_per_second\":%.1f}",
              at, seconds, loss_sum / (double) counted, dice_sum / (double) counted,
              (double) ((at - first) * options->batch) / MAX (seconds, 1e-3));
          if (!append_log (options->folder, line, error))
            return FALSE;
          if (!options->json)
            g_print ("%s\n", line);
          loss_sum = dice_sum = 0;
          counted = 0;
        }
      if (at % options->save_every == 0 && !seg_practice_save (practice, options->folder, error))
        return FALSE;
      if ((at % options->exam_every == 0 || at == options->steps)
          && !examine (practice, options, seconds, error))
        return FALSE;
    }
  if (!seg_practice_save (practice, options->folder, error))
    return FALSE;
  if (seg_practice_get_step (practice) < options->steps)
    g_printerr ("crosslabel: stopped at step %" G_GINT64_FORMAT "; --resume goes on\n",
                seg_practice_get_step (practice));
  return seg_practice_export (practice, options->out, error);
}

int
app_verb_train_generalist (int argc, char **argv)
{
  g_auto (Options) options = { .steps = 6000,
                               .seed = 1,
                               .save_every = 200,
                               .log_every = 20,
                               .exam_every = 500,
                               .batch = 16,
                               .exam_scenes = 96,
                               .lr = 2e-3,
                               .dtype = g_strdup ("f32") };
  const GOptionEntry entries[] = {
    { "folder", 0, 0, G_OPTION_ARG_FILENAME, &options.folder, "checkpoint and log", "DIR" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &options.out,
      "the trained weights (DIR/" SEG_BUILTIN_FILE ")", "FILE" },
    { "from", 0, 0, G_OPTION_ARG_FILENAME, &options.from, "begin with these weights", "FILE" },
    { "steps", 0, 0, G_OPTION_ARG_INT64, &options.steps, "length of the whole run (6000)", "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &options.seed, "of scenes, sessions and weights (1)", "S" },
    { "batch", 0, 0, G_OPTION_ARG_INT, &options.batch, "pictures a step (16)", "N" },
    { "rate", 0, 0, G_OPTION_ARG_DOUBLE, &options.lr, "learning rate (0.002)", "R" },
    { "dtype", 0, 0, G_OPTION_ARG_STRING, &options.dtype, "f32 or bf16", "T" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &options.device, "cpu, ref, cuda (the best there is)",
      "D" },
    { "threads", 0, 0, G_OPTION_ARG_INT, &options.threads, "compute threads (the device's choice)",
      "N" },
    { "save-every", 0, 0, G_OPTION_ARG_INT64, &options.save_every, "steps (200)", "N" },
    { "log-every", 0, 0, G_OPTION_ARG_INT64, &options.log_every, "steps (20)", "N" },
    { "exam-every", 0, 0, G_OPTION_ARG_INT64, &options.exam_every, "steps (500)", "N" },
    { "exam-scenes", 0, 0, G_OPTION_ARG_INT, &options.exam_scenes, "held-out scenes (96)", "N" },
    { "resume", 0, 0, G_OPTION_ARG_NONE, &options.resume, "go on from the checkpoint in DIR",
      NULL },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options.json, "print examinations alone", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("— train the built-in generalist");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("%s", error->message);
  if (options.folder == NULL || argc > 1)
    return app_usage (
        "train-generalist --folder DIR [--steps N] [--seed S] [--resume]; see --help");
  if (options.steps < 1 || options.batch < 1 || options.save_every < 1 || options.log_every < 1
      || options.exam_every < 1 || options.exam_scenes < 1 || options.batch > 256
      || options.exam_scenes > 4096 || !(options.lr > 0 && isfinite (options.lr)))
    return app_usage ("train-generalist: counts and the rate are positive; a batch is at most 256 "
                      "pictures");
  if (options.out == NULL)
    options.out = g_build_filename (options.folder, SEG_BUILTIN_FILE, NULL);
  if (g_mkdir_with_parents (options.folder, 0777) != 0)
    {
      g_set_error (&error, G_FILE_ERROR, g_file_error_from_errno (errno), "%s: %s", options.folder,
                   g_strerror (errno));
      return app_fail (error);
    }
  /* Lowest priority: it runs for hours beside other work. */
  setpriority (PRIO_PROCESS, 0, 15);
  signal (SIGINT, stop_cb);
  signal (SIGTERM, stop_cb);
  return run (&options, &error) ? APP_EXIT_OK : app_fail (error);
}
