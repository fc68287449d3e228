/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/bench.h"
#include "app/engine.h"
#include "app/flow-prompt.h"
#include "app/json-output.h"
#include "app/verbs.h"

#include <string.h>

/* How long a generalist takes from a picture to a mask, as the window asks it: the encoder once for
 * each picture, then a click. The picture is a made-up slice. */

typedef struct
{
  char *weights, *kind;
  int size, repeat;
  SegGeneralistInfo info;
  char *name;
  double encode_ms, logits_ms, mask_ms, open_ms;
} Bench;

static SegPicture *
draw_picture (int size, int number)
{
  SegPicture *picture = seg_picture_new (size, size, 1);

  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++)
      {
        const int dx = x - size / 2, dy = y - size / 2 + number;

        picture->pixels[y * size + x] =
            (float) (dx * dx + dy * dy < size * size / 16 ? 160 : 60) + (float) ((x * 7 + y) % 13);
      }
  picture->high = 255;
  return picture;
}

static double
since_ms (gint64 start)
{
  return (double) (g_get_monotonic_time () - start) / 1000.0;
}

/* One picture: its encoding, then clicks; the first click is not counted, it may set things up. */
static gboolean
one_picture (Bench *self, SegGeneralist *generalist, int number, double *times, GError **error)
{
  g_autoptr (SegPicture) picture = draw_picture (self->size, number);
  g_autoptr (SegEmbedding) embedding = seg_generalist_encode (generalist, picture, error);
  g_autofree guint8 *mask = g_new (guint8, (gsize) self->size * (gsize) self->size);

  if (embedding == NULL)
    return FALSE;
  times[0] = seg_embedding_get_encode_ms (embedding);
  for (int k = 0; k < 2; k++)
    {
      const gint64 start = g_get_monotonic_time ();
      g_autoptr (SegPrompt) prompt = seg_prompt_new ();
      g_autoptr (SegAnswer) answer = NULL;

      seg_prompt_add_point (prompt, (float) (self->size / 2 + k), (float) (self->size / 2), TRUE);
      answer = seg_generalist_answer (generalist, embedding, prompt, TRUE, error);
      if (answer == NULL)
        return FALSE;
      times[1] = since_ms (start);
      seg_answer_get_mask (answer, 0, mask);
      times[2] = since_ms (start);
    }
  return TRUE;
}

static gboolean
bench_run (AppJob *job, gpointer data, GError **error)
{
  Bench *self = data;
  const gint64 start = g_get_monotonic_time ();
  g_autoptr (SegGeneralist) generalist = app_flow_prompt_open (self->weights, self->kind, error);
  g_autofree double *encode = g_new (double, self->repeat);
  g_autofree double *logits = g_new (double, self->repeat);
  g_autofree double *mask = g_new (double, self->repeat);
  double *const times[3] = { encode, logits, mask };

  if (generalist == NULL)
    return FALSE;
  self->open_ms = since_ms (start);
  self->info = *seg_generalist_get_info (generalist);
  self->name = g_strdup (self->info.name);
  for (int r = -1; r < self->repeat; r++)
    {
      double now[3];

      if (!one_picture (self, generalist, r, now, error))
        return FALSE;
      for (int t = 0; r >= 0 && t < 3; t++)
        times[t][r] = now[t];
    }
  self->encode_ms = app_bench_median (times[0], (gsize) self->repeat);
  self->logits_ms = app_bench_median (times[1], (gsize) self->repeat);
  self->mask_ms = app_bench_median (times[2], (gsize) self->repeat);
  return TRUE;
}

static void
report (const Bench *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  app_json_add_string (builder, "bench", "generalist");
  app_json_add_string (builder, "generalist", self->name);
  app_json_add_int (builder, "size", self->size);
  app_json_add_number (builder, "open_ms", self->open_ms);
  app_json_add_number (builder, "encode_ms", self->encode_ms);
  app_json_add_number (builder, "click_to_logits_ms", self->logits_ms);
  app_json_add_number (builder, "click_to_mask_ms", self->mask_ms);
  app_json_add_number (builder, "peak_rss_mib", app_bench_peak_rss_mib ());
  json_builder_end_object (builder);
  app_json_print (builder);
}

int
app_bench_generalist (int argc, char **argv)
{
  Bench bench = { .size = 256, .repeat = 5 };
  const GOptionEntry entries[] = {
    { "weights", 0, 0, G_OPTION_ARG_FILENAME, &bench.weights, "a generalist (the built-in network)",
      "FILE" },
    { "kind", 0, 0, G_OPTION_ARG_STRING, &bench.kind, "where the keys cannot tell", "K" },
    { "size", 0, 0, G_OPTION_ARG_INT, &bench.size, "side of the picture (256)", "N" },
    { "repeat", 0, 0, G_OPTION_ARG_INT, &bench.repeat, "pictures measured (5)", "N" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("— from a picture to a mask; medians");
  g_autoptr (GError) error = NULL;
  int status = APP_EXIT_OK;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("%s", error->message);
  if (argc > 1 || bench.size < 16 || bench.size > 4096 || bench.repeat < 1 || bench.repeat > 1000)
    return app_usage ("bench generalist [--weights FILE] [--size 16…4096] [--repeat N]");
  if (app_engine_run (app_engine_get_default (),
                      &(AppJobParams){ .kind = APP_JOB_PROMPT,
                                       .title = "bench generalist",
                                       .run = bench_run,
                                       .data = &bench },
                      &error))
    report (&bench);
  else
    status = app_fail (error);
  g_free (bench.name);
  g_free (bench.weights);
  g_free (bench.kind);
  return status;
}
