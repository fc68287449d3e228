/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/bench.h"
#include "app/engine.h"
#include "app/flow-prompt.h"
#include "app/json-output.h"
#include "app/verbs.h"
#include "seg/generalist/clicks.h"
#include "volume/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Simulated clicks on slices and pictures with truth: mean Dice after 1, 3, 5, 10 clicks and for a
 * box, with the image and with it blanked. First click: the deepest pixel of the truth; then of
 * the largest error. The same slices whatever the generalist: they follow from the seed. */

#define N_CLICKS 10

typedef struct
{
  SegPicture *picture;
  guint8 *truth;
} Case;

static void
case_clear (gpointer data)
{
  Case *self = data;

  seg_picture_free (self->picture);
  g_free (self->truth);
}

typedef struct
{
  char *data, *set, *weights, *kind, *dump;
  int cases, seed, shift;
  gboolean keep_image_only, plain;
} Options;

typedef struct
{
  double clicks[N_CLICKS], box, ellipse;
} Scores;

typedef struct
{
  const Options *options;
  GArray *cases;
  const char *set;
  Scores seen, blank;
  double encode_ms, decode_ms;
  char *generalist;
} Bench;

/* ---- cases ----------------------------------------------------------------------------------- */

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static GPtrArray *
list_files (const char *folder, const char *suffix)
{
  GPtrArray *files = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, suffix))
      g_ptr_array_add (files, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (files, compare_names);
  return files;
}

static gsize
count (const guint8 *mask, gsize n)
{
  gsize sum = 0;

  for (gsize p = 0; p < n; p++)
    sum += mask[p];
  return sum;
}

static void
add_case (GArray *cases, SegPicture *picture, guint8 *truth)
{
  const Case one = { picture, truth };

  g_array_append_val (cases, one);
}

/* One slice where the structure covers at least a fifth of what it covers at most, for each class
 * (0: all together) of one scan. */
static gboolean
add_slices (GArray *cases, const char *labels_path, VolumePlane plane, int label, SegDraw *draw,
            GError **error)
{
  g_autofree char *base = g_strndup (labels_path, strlen (labels_path) - strlen ("_label.nii.gz"));
  g_autofree char *path = g_strconcat (base, ".nii.gz", NULL);
  g_autoptr (VolumeScan) scan = volume_scan_load (path, 0, error);
  g_autoptr (VolumeScan) labels =
      scan != NULL ? volume_scan_load_labels (labels_path, error) : NULL;
  VolumeSliceFrame frame;
  g_autofree float *values = NULL;
  g_autofree gsize *areas = NULL;
  g_autoptr (GArray) fit = g_array_new (FALSE, FALSE, sizeof (int));
  gsize n, largest = 0;
  guint8 *truth;
  int index;

  if (labels == NULL)
    return FALSE;
  volume_geometry_get_slice_frame (volume_scan_get_geometry (scan), plane, &frame);
  n = (gsize) frame.n_u * (gsize) frame.n_v;
  values = g_new (float, n);
  areas = g_new0 (gsize, frame.n_slices);
  for (int s = 0; s < frame.n_slices; s++)
    {
      volume_scan_read_slice (labels, plane, s, values);
      for (gsize p = 0; p < n; p++)
        areas[s] += label == 0 ? values[p] > 0 : lrintf (values[p]) == label;
      largest = MAX (largest, areas[s]);
    }
  for (int s = 0; s < frame.n_slices; s++)
    if (areas[s] >= MAX (30, largest / 5))
      g_array_append_val (fit, s);
  if (fit->len == 0)
    return TRUE;
  index = g_array_index (fit, int, seg_draw_int (draw, 0, (int) fit->len - 1));
  volume_scan_read_slice (labels, plane, index, values);
  truth = g_new (guint8, n);
  for (gsize p = 0; p < n; p++)
    truth[p] = label == 0 ? values[p] > 0 : lrintf (values[p]) == label;
  add_case (cases, app_flow_prompt_cut (scan, plane, index), truth);
  return TRUE;
}

static gboolean
add_photo (GArray *cases, const char *path, GError **error)
{
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *parent = g_path_get_dirname (folder);
  g_autofree char *mask_path = g_build_filename (parent, "masks", name, NULL);
  int width, height, w, h;
  g_autoptr (GBytes) rgb = volume_picture_load_rgb (path, &width, &height, error);
  g_autoptr (GBytes) mask = rgb ? volume_picture_load_rgb (mask_path, &w, &h, error) : NULL;
  SegPicture *picture;
  guint8 *truth;

  if (mask == NULL)
    return FALSE;
  if (w != width || h != height)
    return TRUE;
  picture = seg_picture_new (width, height, 3);
  truth = g_new (guint8, (gsize) width * (gsize) height);
  for (gsize p = 0; p < (gsize) width * (gsize) height; p++)
    {
      for (gsize c = 0; c < 3; c++)
        picture->pixels[3 * p + c] = ((const guint8 *) g_bytes_get_data (rgb, NULL))[3 * p + c];
      truth[p] = ((const guint8 *) g_bytes_get_data (mask, NULL))[3 * p] > 127;
    }
  picture->high = 255;
  if (count (truth, (gsize) width * (gsize) height) == 0)
    {
      seg_picture_free (picture);
      g_free (truth);
      return TRUE;
    }
  add_case (cases, picture, truth);
  return TRUE;
}

static gboolean
collect (Bench *bench, GError **error)
{
  const Options *options = bench->options;
  g_autofree char *folder = g_build_filename (options->data, bench->set, NULL);
  g_autofree char *images = g_build_filename (folder, "images", NULL);
  const gboolean photos = g_file_test (images, G_FILE_TEST_IS_DIR);
  g_autoptr (GPtrArray) files =
      photos ? list_files (images, ".jpg") : list_files (folder, "_label.nii.gz");
  const gboolean classes = strcmp (bench->set, "acdc") == 0;
  const gboolean planes = strcmp (bench->set, "hippocampus") == 0;
  SegDraw draw = seg_draw_start ((guint64) options->seed, 0x62656e6368);

  if (files->len == 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_NOT_FOUND, "%s: no labelled scans or pictures",
                   folder);
      return FALSE;
    }
  for (int c = 0; c < options->cases; c++)
    {
      const guint f = (guint) ((guint64) c * files->len / (guint64) options->cases);
      const guint at = options->cases < (int) files->len ? f : (guint) c;
      const char *path = g_ptr_array_index (files, (at + (guint) options->shift) % files->len);

      if (!(photos ? add_photo (bench->cases, path, error)
                   : add_slices (bench->cases, path, planes ? c % 3 : VOLUME_PLANE_AXIAL,
                                 classes ? 1 + c % 3 : 0, &draw, error)))
        return FALSE;
      if (photos && c + 1 >= (int) files->len)
        break;
    }
  return TRUE;
}

/* ---- clicking -------------------------------------------------------------------------------- */

static gboolean
click_through (Bench *bench, SegGeneralist *generalist, const Case *one, SegEmbedding *embedding,
               Scores *scores, GError **error)
{
  const int width = one->picture->width, height = one->picture->height;
  const gsize n = (gsize) width * (gsize) height;
  g_autoptr (SegPrompt) prompt = seg_prompt_new ();
  g_autofree guint8 *mask = g_new0 (guint8, n);
  gboolean done = FALSE;
  double dice = 0;

  for (int k = 0; k < N_CLICKS; k++)
    {
      g_autoptr (SegAnswer) answer = NULL;
      SegClick click;

      done = done || !seg_click_next (one->truth, k > 0 ? mask : NULL, width, height, NULL, &click);
      if (!done)
        {
          int best = 0;

          seg_prompt_add_point (prompt, (float) click.x, (float) click.y, click.positive);
          answer = seg_generalist_answer (generalist, embedding, prompt,
                                          k == 0 && bench->options->kind == NULL, error);
          if (answer == NULL)
            return FALSE;
          /* What the person is shown first. */
          seg_answer_get_mask (answer, best, mask);
          seg_prompt_set_low_res (prompt, answer->low_res[best]);
          dice = seg_mask_dice (one->truth, mask, n);
          bench->decode_ms += answer->decode_ms;
        }
      scores->clicks[k] += dice;
    }
  return TRUE;
}

static gboolean
draw_box (Bench *bench, SegGeneralist *generalist, const Case *one, int number,
          SegEmbedding *embedding, Scores *scores, GError **error)
{
  const int width = one->picture->width, height = one->picture->height;
  const gsize n = (gsize) width * (gsize) height;
  SegDraw draw = seg_draw_start ((guint64) bench->options->seed ^ 0x626f78, (guint64) number);
  g_autoptr (SegPrompt) prompt = seg_prompt_new ();
  g_autoptr (SegAnswer) answer = NULL;
  g_autofree guint8 *mask = g_new0 (guint8, n);
  float box[4];

  seg_box_around (one->truth, width, height, 0.05f, &draw, box);
  seg_prompt_set_box (prompt, box[0], box[1], box[2], box[3]);
  answer = seg_generalist_answer (generalist, embedding, prompt, FALSE, error);
  if (answer == NULL)
    return FALSE;
  seg_answer_get_mask (answer, 0, mask);
  scores->box += seg_mask_dice (one->truth, mask, n);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      {
        const float a = MAX ((box[2] - box[0] + 1) / 2, 0.5f),
                    b = MAX ((box[3] - box[1] + 1) / 2, 0.5f);
        const float dx = ((float) x - (box[0] + box[2]) / 2) / a;
        const float dy = ((float) y - (box[1] + box[3]) / 2) / b;
        mask[(gsize) y * (gsize) width + (gsize) x] = dx * dx + dy * dy <= 1;
      }
  scores->ellipse += seg_mask_dice (one->truth, mask, n);
  return TRUE;
}

static gboolean
bench_run (AppJob *job, gpointer data, GError **error)
{
  Bench *bench = data;
  g_autoptr (SegGeneralist) generalist =
      app_flow_prompt_open (bench->options->weights, bench->options->kind, error);

  if (generalist == NULL)
    return FALSE;
  seg_generalist_set_refine (generalist, !bench->options->plain);
  bench->generalist = g_strdup (seg_generalist_get_info (generalist)->name);
  for (guint c = 0; c < bench->cases->len; c++)
    for (int blank = 0; blank < (bench->options->keep_image_only ? 1 : 2); blank++)
      {
        const Case *one = &g_array_index (bench->cases, Case, c);
        g_autoptr (SegPicture) picture = seg_picture_copy (one->picture);
        g_autoptr (SegEmbedding) embedding = NULL;
        Scores *scores = blank ? &bench->blank : &bench->seen;

        if (blank)
          memset (picture->pixels, 0,
                  sizeof (float) * (gsize) picture->width * (gsize) picture->height
                      * (gsize) picture->channels);
        embedding = seg_generalist_encode (generalist, picture, error);
        if (embedding == NULL)
          return FALSE;
        bench->encode_ms += seg_embedding_get_encode_ms (embedding);
        if (!click_through (bench, generalist, one, embedding, scores, error)
            || !draw_box (bench, generalist, one, (int) c, embedding, scores, error))
          return FALSE;
      }
  return TRUE;
}

/* ---- reporting ------------------------------------------------------------------------------- */

static void
report (const Bench *bench)
{
  static const int asked[4] = { 1, 3, 5, 10 };
  const double n = bench->cases->len;
  const int passes = bench->options->keep_image_only ? 1 : 2;
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "simulated");
  json_builder_add_boolean_value (builder, TRUE);
  app_json_add_string (builder, "bench", "prompt");
  app_json_add_string (builder, "set", bench->set);
  app_json_add_string (builder, "generalist", bench->generalist);
  app_json_add_int (builder, "cases", (gint64) n);
  for (int blank = 0; blank < passes; blank++)
    {
      const Scores *scores = blank ? &bench->blank : &bench->seen;

      json_builder_set_member_name (builder, blank ? "blanked" : "dice");
      json_builder_begin_object (builder);
      for (int a = 0; a < 4; a++)
        {
          char name[8];
          g_snprintf (name, sizeof name, "%d", asked[a]);
          app_json_add_number (builder, name, round (scores->clicks[asked[a] - 1] / n * 1e4) / 1e4);
        }
      app_json_add_number (builder, "box", round (scores->box / n * 1e4) / 1e4);
      json_builder_end_object (builder);
    }
  app_json_add_number (builder, "ellipse_in_box", round (bench->seen.ellipse / n * 1e4) / 1e4);
  app_json_add_number (builder, "encode_ms", bench->encode_ms / (n * passes));
  app_json_add_number (builder, "decode_ms", bench->decode_ms / (n * passes * N_CLICKS));
  json_builder_end_object (builder);
  app_json_print (builder);
}

/* Pictures and truths for other programs (scripts that compare): width, height, channels as int32,
 * float32 pixels, uint8 truth, one after the other. */
static gboolean
dump_cases (const Bench *bench, GError **error)
{
  g_autofree char *path = g_strdup_printf ("%s/%s.bin", bench->options->dump, bench->set);
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  for (guint c = 0; c < bench->cases->len; c++)
    {
      const Case *one = &g_array_index (bench->cases, Case, c);
      const SegPicture *p = one->picture;
      const gint32 head[3] = { p->width, p->height, p->channels };
      const gsize n = (gsize) p->width * (gsize) p->height;

      g_byte_array_append (bytes, (const guint8 *) head, sizeof head);
      g_byte_array_append (bytes, (const guint8 *) p->pixels,
                           (guint) (sizeof (float) * n * (gsize) p->channels));
      g_byte_array_append (bytes, one->truth, (guint) n);
    }
  return g_file_set_contents (path, (const char *) bytes->data, (gssize) bytes->len, error);
}

static gboolean
run_set (const Options *options, const char *set, GError **error)
{
  g_autoptr (GArray) cases = g_array_new (FALSE, FALSE, sizeof (Case));
  Bench bench = { .options = options, .cases = cases, .set = set };
  gboolean ok;

  g_array_set_clear_func (cases, case_clear);
  if (!collect (&bench, error) || (options->dump != NULL && !dump_cases (&bench, error)))
    return FALSE;
  ok = app_engine_run (
      app_engine_get_default (),
      &(AppJobParams){
          .kind = APP_JOB_PROMPT, .title = "bench prompt", .run = bench_run, .data = &bench },
      error);
  if (ok)
    report (&bench);
  g_free (bench.generalist);
  return ok;
}

int
app_bench_prompt (int argc, char **argv)
{
  static const char *const all[] = { "laseg", "hippocampus", "acdc", "kvasir-seg" };
  Options options = { .cases = 60, .seed = 1 };
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data,
      "folder with laseg, hippocampus, acdc, kvasir-seg", "DIR" },
    { "set", 0, 0, G_OPTION_ARG_STRING, &options.set, "one of them (all that are there)", "NAME" },
    { "cases", 0, 0, G_OPTION_ARG_INT, &options.cases, "slices or pictures of each (60)", "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT, &options.seed, "which slices, and the box's jitter (1)",
      "S" },
    { "shift", 0, 0, G_OPTION_ARG_INT, &options.shift,
      "other scans and photos: the N-th after each of those of the tables (0)", "N" },
    { "plain", 0, 0, G_OPTION_ARG_NONE, &options.plain,
      "the network's answers, nothing drawn out of the image afterwards", NULL },
    { "weights", 0, 0, G_OPTION_ARG_FILENAME, &options.weights, "another generalist", "FILE" },
    { "kind", 0, 0, G_OPTION_ARG_STRING, &options.kind, "where the keys cannot tell", "K" },
    { "seen-only", 0, 0, G_OPTION_ARG_NONE, &options.keep_image_only,
      "not again with the image blanked", NULL },
    { "dump", 0, 0, G_OPTION_ARG_FILENAME, &options.dump, "write the cases for other programs",
      "DIR" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "(always)", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("— simulated clicks against the truth");
  g_autoptr (GError) error = NULL;
  int status = APP_EXIT_OK, n_run = 0;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("%s", error->message);
  if (options.data == NULL || argc > 1 || options.cases < 1 || options.shift < 0)
    return app_usage ("bench prompt --data DIR [--set NAME] [--cases N]; see --help");
  for (gsize s = 0; s < G_N_ELEMENTS (all) && status == APP_EXIT_OK; s++)
    {
      g_autofree char *folder = g_build_filename (options.data, all[s], NULL);

      if (options.set != NULL ? strcmp (options.set, all[s]) != 0
                              : !g_file_test (folder, G_FILE_TEST_IS_DIR))
        continue;
      n_run++;
      if (!run_set (&options, all[s], &error))
        status = app_fail (error);
    }
  if (n_run == 0 && status == APP_EXIT_OK)
    {
      g_set_error (&error, SEG_ERROR, SEG_ERROR_NOT_FOUND, "%s: none of the data sets is there",
                   options.data);
      status = app_fail (error);
    }
  g_free (options.data);
  g_free (options.set);
  g_free (options.weights);
  g_free (options.kind);
  g_free (options.dump);
  return status;
}
