/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/bench.h"
#include "app/engine.h"
#include "app/flow-prompt.h"
#include "app/flow-propagate.h"
#include "app/json-output.h"
#include "app/verbs.h"
#include "seg/generalist/clicks.h"

#include <math.h>
#include <string.h>

/* From one slice through the volume, on scans with truth: the axial slice where the structure is
 * largest is answered with simulated clicks (or taken from the truth, as if corrected by hand),
 * then carried on both ways. Prints a line for each scan: Dice over the whole volume, and where it
 * went too far or not far enough. */

typedef struct
{
  char *data, *set;
  int cases, shift, clicks;
} Options;

typedef struct
{
  const Options *options;
  SegGeneralist *generalist;
  GPtrArray *files;
  double sum;
  int n;
} Bench;

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static SegEmbedding *
embed_cb (VolumeScan *scan, VolumePlane plane, int index, gpointer user_data, GError **error)
{
  g_autoptr (SegPicture) picture = app_flow_prompt_cut (scan, plane, index);

  return seg_generalist_encode (user_data, picture, error);
}

/* Axial slices of the truth, in screen order, one after the other. */
static guint8 *
read_truth (VolumeScan *labels, const VolumeSliceFrame *frame)
{
  const gsize n = (gsize) frame->n_u * (gsize) frame->n_v;
  g_autofree float *values = g_new (float, n);
  guint8 *truth = g_new (guint8, n * (gsize) frame->n_slices);

  for (int s = 0; s < frame->n_slices; s++)
    {
      volume_scan_read_slice (labels, VOLUME_PLANE_AXIAL, s, values);
      for (gsize p = 0; p < n; p++)
        truth[(gsize) s * n + p] = values[p] > 0;
    }
  return truth;
}

static gsize
count (const guint8 *mask, gsize n)
{
  gsize sum = 0;

  for (gsize p = 0; p < n; p++)
    sum += mask[p] != 0;
  return sum;
}

/* What a person who clicks @n_clicks times gets; the truth itself for none. */
static gboolean
first_mask (Bench *bench, VolumeScan *scan, int index, const guint8 *truth, int width, int height,
            guint8 *mask, GError **error)
{
  g_autoptr (SegEmbedding) embedding =
      embed_cb (scan, VOLUME_PLANE_AXIAL, index, bench->generalist, error);
  g_autoptr (SegPrompt) prompt = seg_prompt_new ();
  SegClick click;

  if (embedding == NULL)
    return FALSE;
  memcpy (mask, truth, (gsize) width * (gsize) height);
  for (int k = 0; k < bench->options->clicks; k++)
    {
      g_autoptr (SegAnswer) answer = NULL;

      if (!seg_click_next (truth, k > 0 ? mask : NULL, width, height, NULL, &click))
        break;
      seg_prompt_add_point (prompt, (float) click.x, (float) click.y, click.positive);
      answer = seg_generalist_answer (bench->generalist, embedding, prompt, k == 0, error);
      if (answer == NULL)
        return FALSE;
      seg_answer_get_mask (answer, 0, mask);
      seg_prompt_set_low_res (prompt, answer->low_res[0]);
    }
  return TRUE;
}

static gboolean
run_scan (Bench *bench, const char *labels_path, GError **error)
{
  g_autofree char *base = g_strndup (labels_path, strlen (labels_path) - strlen ("_label.nii.gz"));
  g_autofree char *path = g_strconcat (base, ".nii.gz", NULL);
  g_autofree char *name = g_path_get_basename (path);
  g_autoptr (VolumeScan) scan = volume_scan_load (path, 0, error);
  g_autoptr (VolumeScan) labels = scan ? volume_scan_load_labels (labels_path, error) : NULL;
  g_autoptr (JsonBuilder) builder = NULL;
  g_autofree guint8 *truth = NULL;
  g_autofree guint8 *found = NULL;
  g_autofree guint8 *start = NULL;
  AppFlowPropagation result;
  VolumeSliceFrame frame;
  gsize n, largest = 0;
  int index = 0, first = -1, last = -1;
  double dice;

  if (labels == NULL)
    return FALSE;
  volume_geometry_get_slice_frame (volume_scan_get_geometry (scan), VOLUME_PLANE_AXIAL, &frame);
  n = (gsize) frame.n_u * (gsize) frame.n_v;
  truth = read_truth (labels, &frame);
  for (int s = 0; s < frame.n_slices; s++)
    {
      const gsize area = count (truth + (gsize) s * n, n);

      if (area > 0)
        last = s, first = first < 0 ? s : first;
      if (area > largest)
        largest = area, index = s;
    }
  if (largest == 0)
    return TRUE;
  start = g_new (guint8, n);
  if (!first_mask (bench, scan, index, truth + (gsize) index * n, frame.n_u, frame.n_v, start,
                   error)
      || !app_flow_propagate (bench->generalist, scan, VOLUME_PLANE_AXIAL, index, start,
                              frame.n_slices, embed_cb, bench->generalist, NULL, NULL, &result,
                              error))
    return FALSE;
  found = g_new0 (guint8, n * (gsize) frame.n_slices);
  for (int s = result.first; s <= result.last; s++)
    memcpy (found + (gsize) s * n, g_ptr_array_index (result.masks, (guint) (s - result.first)), n);
  app_flow_propagation_clear (&result);
  dice = seg_mask_dice (truth, found, n * (gsize) frame.n_slices);
  bench->sum += dice;
  bench->n++;

  builder = json_builder_new ();
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "simulated");
  json_builder_add_boolean_value (builder, TRUE);
  app_json_add_string (builder, "bench", "propagate");
  app_json_add_string (builder, "scan", name);
  app_json_add_int (builder, "start", index);
  app_json_add_number (builder, "start_dice",
                       round (seg_mask_dice (truth + (gsize) index * n, start, n) * 1e4) / 1e4);
  app_json_add_int (builder, "first", result.first);
  app_json_add_int (builder, "last", result.last);
  app_json_add_int (builder, "truth_first", first);
  app_json_add_int (builder, "truth_last", last);
  app_json_add_number (builder, "volume_dice", round (dice * 1e4) / 1e4);
  json_builder_set_member_name (builder, "slices");
  json_builder_begin_array (builder);
  for (int s = MIN (result.first, first); s <= MAX (result.last, last); s++)
    {
      const guint8 *t = truth + (gsize) s * n, *f = found + (gsize) s * n;
      g_autofree char *text = g_strdup_printf ("%d: %d of %d, %.2f", s, (int) count (f, n),
                                               (int) count (t, n), seg_mask_dice (t, f, n));
      json_builder_add_string_value (builder, text);
    }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  app_json_print (builder);
  return TRUE;
}

static gboolean
bench_run (AppJob *job, gpointer data, GError **error)
{
  Bench *bench = data;
  const Options *options = bench->options;
  gboolean ok = TRUE;

  bench->generalist = app_flow_prompt_open (NULL, NULL, error);
  if (bench->generalist == NULL)
    return FALSE;
  for (int c = 0; c < options->cases && ok; c++)
    ok = run_scan (
        bench,
        g_ptr_array_index (bench->files, ((guint) c * bench->files->len / (guint) options->cases
                                          + (guint) options->shift)
                                             % bench->files->len),
        error);
  g_clear_pointer (&bench->generalist, seg_generalist_unref);
  return ok;
}

int
app_bench_propagate (int argc, char **argv)
{
  Options options = { .cases = 8, .clicks = 3 };
  const GOptionEntry entries[] = {
    { "data", 0, 0, G_OPTION_ARG_FILENAME, &options.data, "folder with the data sets", "DIR" },
    { "set", 0, 0, G_OPTION_ARG_STRING, &options.set, "one of them (laseg)", "NAME" },
    { "cases", 0, 0, G_OPTION_ARG_INT, &options.cases, "scans, evenly over the set (8)", "N" },
    { "shift", 0, 0, G_OPTION_ARG_INT, &options.shift, "the N-th scan after each (0)", "N" },
    { "clicks", 0, 0, G_OPTION_ARG_INT, &options.clicks,
      "on the first slice (3); 0 takes the truth there", "K" },
    { NULL },
  };
  g_autoptr (GOptionContext) context =
      g_option_context_new ("— one slice carried through the volume, against the truth");
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *folder = NULL;
  g_autoptr (GDir) dir = NULL;
  g_autoptr (GError) error = NULL;
  Bench bench = { .options = &options, .files = files };
  const char *name;
  int status = APP_EXIT_OK;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return app_usage ("%s", error->message);
  if (options.data == NULL || argc > 1 || options.cases < 1 || options.shift < 0
      || options.clicks < 0)
    return app_usage ("bench propagate --data DIR [--set NAME] [--cases N]; see --help");
  folder = g_build_filename (options.data, options.set ? options.set : "laseg", NULL);
  dir = g_dir_open (folder, 0, &error);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, "_label.nii.gz"))
      g_ptr_array_add (files, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (files, compare_names);
  if (dir != NULL && files->len == 0)
    g_set_error (&error, SEG_ERROR, SEG_ERROR_NOT_FOUND, "%s: no labelled scans", folder);
  if (error != NULL
      || !app_engine_run (app_engine_get_default (),
                          &(AppJobParams){ .kind = APP_JOB_PROMPT,
                                           .title = "bench propagate",
                                           .run = bench_run,
                                           .data = &bench },
                          &error))
    status = app_fail (error);
  else
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "simulated");
      json_builder_add_boolean_value (builder, TRUE);
      app_json_add_string (builder, "bench", "propagate");
      app_json_add_int (builder, "cases", bench.n);
      app_json_add_number (builder, "mean_volume_dice",
                           round (bench.sum / MAX (bench.n, 1) * 1e4) / 1e4);
      json_builder_end_object (builder);
      app_json_print (builder);
    }
  g_free (options.data);
  g_free (options.set);
  return status;
}
