/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/bench.h"
#include "app/flow-prompt.h"
#include "app/json-output.h"
#include "app/verbs.h"
#include "seg/method/method.h"
#include "seg/model/tiny-vit.h"
#include "seg/model/vit.h"
#include "seg/model/vnet.h"
#include "seg/nn/optimiser.h"
#include "seg/tensor/context.h"
#include "volume/scan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* bench ops, train and infer: the engine's speed beside the machine's measured limit. */

typedef struct
{
  char *device;
  char *dtype;
  char *size;
  char *model;
  char *scan;
  int filters;
  int batch;
  int repeat;
  int threads;
  gboolean op_times;
  gboolean op_shapes;
  gboolean teacher;
  gboolean clicks;
} Options;

typedef struct
{
  SegDevice *device;
  SegContext *context;
  SegDtype dtype;
  double seconds;
  double cpu_seconds; /* of all threads: what a busy machine does not change */
  double gflop;
} Bench;

static double
get_cpu_seconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static gboolean
parse (Options *options, const char *name, const char *summary, int *argc, char ***argv,
       int *status)
{
  const GOptionEntry entries[] = {
    { "device", 0, 0, G_OPTION_ARG_STRING, &options->device, "auto, cpu, cuda, ref", "DEVICE" },
    { "dtype", 0, 0, G_OPTION_ARG_STRING, &options->dtype, "f32 or bf16", "DTYPE" },
    { "size", 0, 0, G_OPTION_ARG_STRING, &options->size, "Sides of the patch", "X,Y,Z" },
    { "model", 0, 0, G_OPTION_ARG_STRING, &options->model, "vit_b, vit_l, vit_h, mobile_sam, vnet",
      "MODEL" },
    { "teacher", 0, 0, G_OPTION_ARG_NONE, &options->teacher,
      "A step of the mean teacher: N labelled patches and as many others", NULL },
    { "clicks", 0, 0, G_OPTION_ARG_NONE, &options->clicks,
      "The built-in generalist answers clicks meanwhile, as in the window", NULL },
    { "scan", 0, 0, G_OPTION_ARG_FILENAME, &options->scan, "Take the patches of --teacher from it",
      "FILE" },
    { "filters", 0, 0, G_OPTION_ARG_INT, &options->filters, "V-Net's first channels", "F" },
    { "batch", 0, 0, G_OPTION_ARG_INT, &options->batch, "Patches at once", "N" },
    { "repeat", 0, 0, G_OPTION_ARG_INT, &options->repeat, "Measured repeats", "N" },
    { "threads", 0, 0, G_OPTION_ARG_INT, &options->threads, "Compute threads", "N" },
    { "op-times", 0, 0, G_OPTION_ARG_NONE, &options->op_times, "One line for each operation",
      NULL },
    { "op-shapes", 0, 0, G_OPTION_ARG_NONE, &options->op_shapes,
      "One line for each operation and its shapes", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context, summary);
  g_option_context_add_main_entries (context, entries, NULL);
  if (g_option_context_parse (context, argc, argv, &error))
    return TRUE;
  *status = app_usage ("bench %s: %s", name, error->message);
  return FALSE;
}

static gboolean
bench_open (Bench *bench, const Options *options, GError **error)
{
  if (!seg_dtype_from_name (options->dtype != NULL ? options->dtype : "f32", &bench->dtype)
      || (bench->dtype != SEG_DTYPE_F32 && bench->dtype != SEG_DTYPE_BF16))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED, "dtype %s: f32 or bf16",
                   options->dtype);
      return FALSE;
    }
  bench->device = seg_device_open (options->device, options->threads, error);
  if (bench->device == NULL)
    return FALSE;
  bench->context = seg_context_new (bench->device, 1);
  return TRUE;
}

static void
bench_clear (Bench *bench)
{
  g_clear_pointer (&bench->context, seg_context_unref);
  g_clear_pointer (&bench->device, seg_device_unref);
}

static void
print_op_times (Bench *bench, const char *name, const Options *options)
{
  g_autoptr (GArray) times = seg_context_get_times (bench->context, options->op_shapes);
  const int repeat = options->repeat;
  const double limit = seg_device_get_peak_gflops (bench->device, bench->dtype);

  for (guint t = 0; t < times->len; t++)
    {
      const SegOpTime *time = &g_array_index (times, SegOpTime, t);
      g_autoptr (JsonBuilder) builder = json_builder_new ();
      const double gflops = time->seconds > 0 ? time->gflop / time->seconds : 0;

      json_builder_begin_object (builder);
      app_json_add_string (builder, "bench", name);
      app_json_add_string (builder, "op", time->name);
      if (options->op_shapes)
        app_json_add_string (builder, "shapes", time->shapes);
      app_json_add_string (builder, "backend", time->backend);
      app_json_add_number (builder, "calls", (double) time->n_calls / repeat);
      app_json_add_number (builder, "seconds", time->seconds / repeat);
      app_json_add_number (builder, "gflops", gflops);
      app_json_add_number (builder, "share_of_peak", limit > 0 ? gflops / limit : 0);
      app_json_add_number (builder, "gbytes_per_s",
                           time->seconds > 0 ? time->gbytes / time->seconds : 0);
      json_builder_end_object (builder);
      app_json_print (builder);
    }
}

static int
report (Bench *bench, const char *name, const Options *options, const char *what)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  const double peak_rss = app_bench_peak_rss_mib ();
  const double gemm = seg_device_get_peak_gflops (bench->device, bench->dtype);
  SegMemoryStats stats;

  seg_context_get_memory (bench->context, &stats);
  json_builder_begin_object (builder);
  app_json_add_string (builder, "bench", name);
  app_json_add_string (builder, "what", what);
  app_json_add_string (builder, "device", seg_device_get_info (bench->device)->name);
  app_json_add_string (builder, "dtype", seg_dtype_get_name (bench->dtype));
  app_json_add_number (builder, "seconds", bench->seconds);
  app_json_add_number (builder, "cpu_seconds", bench->cpu_seconds);
  app_json_add_number (builder, "gflop", bench->gflop);
  app_json_add_number (builder, "gemm_gflops", gemm);
  app_json_add_number (builder, "of_limit", gemm > 0 ? bench->seconds / (bench->gflop / gemm) : 0);
  app_json_add_number (builder, "tensor_peak_mib", (double) stats.peak_bytes / 1048576);
  app_json_add_number (builder, "peak_rss_mib", peak_rss);
  json_builder_end_object (builder);
  return app_json_print (builder);
}

/* --- train --clicks -----------------------------------------------------------------------------
 *
 * A person clicks now and then, about every fifth of a second, while steps are made. What happens
 * is what the engine thread does: the answer is made between two operations of the step. */

#define CLICK_SIDE 256

typedef struct
{
  SegGeneralist *generalist;
  SegPicture *picture;
  gint64 next_us; /* when the person clicks */
  guint64 random;
  gboolean failed;
  GArray *waits_ms, *answers_ms, *both_ms; /* of double */
} Clicks;

static void
plan_click (Clicks *self)
{
  self->random = self->random * 6364136223846793005u + 1442695040888963407u;
  self->next_us = g_get_monotonic_time () + 50000 + (gint64) (self->random >> 33) % 200000;
}

static void
answer_click (Clicks *self)
{
  g_autoptr (SegEmbedding) embedding = NULL;
  g_autoptr (SegPrompt) prompt = seg_prompt_new ();
  g_autoptr (SegAnswer) answer = NULL;
  const gint64 start_us = g_get_monotonic_time ();
  double wait_ms, answer_ms, both_ms;

  seg_prompt_add_point (prompt, CLICK_SIDE / 2, CLICK_SIDE / 2, TRUE);
  embedding = seg_generalist_encode (self->generalist, self->picture, NULL);
  if (embedding != NULL)
    answer = seg_generalist_answer (self->generalist, embedding, prompt, TRUE, NULL);
  self->failed |= answer == NULL;
  wait_ms = (double) (start_us - self->next_us) / 1000;
  both_ms = (double) (g_get_monotonic_time () - self->next_us) / 1000;
  answer_ms = both_ms - wait_ms;
  g_array_append_val (self->waits_ms, wait_ms);
  g_array_append_val (self->answers_ms, answer_ms);
  g_array_append_val (self->both_ms, both_ms);
}

static gboolean
click_cb (SegContext *context, gpointer data)
{
  Clicks *self = data;

  if (g_get_monotonic_time () >= self->next_us)
    {
      answer_click (self);
      plan_click (self);
    }
  return TRUE;
}

static gboolean
clicks_init (Clicks *self, GError **error)
{
  self->generalist = app_flow_prompt_open (NULL, NULL, error);
  if (self->generalist == NULL)
    return FALSE;
  self->picture = seg_picture_new (CLICK_SIDE, CLICK_SIDE, 1);
  for (int p = 0; p < CLICK_SIDE * CLICK_SIDE; p++)
    self->picture->pixels[p] = (float) ((p % CLICK_SIDE - 128) * (p / CLICK_SIDE - 128) % 97);
  self->picture->high = 97;
  self->waits_ms = g_array_new (FALSE, FALSE, sizeof (double));
  self->answers_ms = g_array_new (FALSE, FALSE, sizeof (double));
  self->both_ms = g_array_new (FALSE, FALSE, sizeof (double));
  return TRUE;
}

static void
add_times (JsonBuilder *builder, const char *name, GArray *times)
{
  g_autofree char *p95 = g_strconcat (name, "_p95_ms", NULL);
  g_autofree char *longest = g_strconcat (name, "_max_ms", NULL);
  g_autofree char *median = g_strconcat (name, "_median_ms", NULL);
  double *ms = (double *) (gpointer) times->data;

  app_json_add_number (builder, median, times->len > 0 ? app_bench_median (ms, times->len) : 0);
  app_json_add_number (builder, p95, times->len > 0 ? ms[(times->len - 1) * 19 / 20] : 0);
  app_json_add_number (builder, longest, times->len > 0 ? ms[times->len - 1] : 0);
}

static void
clicks_report (Clicks *self, const char *what)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  app_json_add_string (builder, "bench", "clicks");
  app_json_add_string (builder, "during", what);
  app_json_add_int (builder, "clicks", self->both_ms->len);
  add_times (builder, "wait", self->waits_ms);
  add_times (builder, "answer", self->answers_ms);
  add_times (builder, "click_to_answer", self->both_ms);
  json_builder_end_object (builder);
  app_json_print (builder);
}

static void
clicks_clear (Clicks *self)
{
  if (self->picture == NULL)
    return;
  seg_picture_free (self->picture);
  seg_generalist_unref (self->generalist);
  g_array_unref (self->waits_ms);
  g_array_unref (self->answers_ms);
  g_array_unref (self->both_ms);
}

/* One call of @step for each repeat after two to settle; the median. */
typedef gboolean (*Step) (Bench *bench, gpointer data);

static gboolean
measure (Bench *bench, const Options *options, const char *name, Step step, gpointer data,
         GError **error)
{
  Clicks clicks = { .random = 1 };
  g_autofree double *seconds = g_new (double, options->repeat);
  g_autofree double *cpu_seconds = g_new (double, options->repeat);
  g_autoptr (GArray) times = NULL;

  for (int r = -2; r < options->repeat; r++)
    {
      double cpu_start;
      gint64 start_us;

      /* operations are counted, not timed, in the second settling run */
      seg_context_set_timing (bench->context,
                              r == -1 || (r >= 0 && (options->op_times || options->op_shapes)));
      if (r == 0)
        {
          times = seg_context_get_times (bench->context, FALSE);
          for (guint t = 0; t < times->len; t++)
            bench->gflop += g_array_index (times, SegOpTime, t).gflop;
          seg_context_clear_times (bench->context);
        }
      if (r == 0 && options->clicks)
        {
          if (!clicks_init (&clicks, error))
            return FALSE;
          answer_click (&clicks); /* the first sets things up */
          g_array_set_size (clicks.waits_ms, 0);
          g_array_set_size (clicks.answers_ms, 0);
          g_array_set_size (clicks.both_ms, 0);
          plan_click (&clicks);
          seg_context_set_yield (bench->context, click_cb, &clicks);
        }
      cpu_start = get_cpu_seconds ();
      start_us = g_get_monotonic_time ();
      if (!step (bench, data) || !seg_context_check (bench->context, error))
        {
          seg_context_check (bench->context, error);
          if (error != NULL && *error == NULL)
            g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "the step failed");
          return FALSE;
        }
      if (r < 0)
        continue;
      seconds[r] = (double) (g_get_monotonic_time () - start_us) * 1e-6;
      cpu_seconds[r] = get_cpu_seconds () - cpu_start;
    }
  bench->seconds = app_bench_median (seconds, (gsize) options->repeat);
  bench->cpu_seconds = app_bench_median (cpu_seconds, (gsize) options->repeat);
  if (options->op_times || options->op_shapes)
    print_op_times (bench, name, options);
  seg_context_set_yield (bench->context, NULL, NULL);
  if (options->clicks)
    clicks_report (&clicks, name);
  clicks_clear (&clicks);
  if (clicks.failed)
    g_set_error (error, SEG_ERROR, SEG_ERROR_BACKEND, "a click was not answered");
  return !clicks.failed;
}

/* --- train -------------------------------------------------------------------------------------
 */

typedef struct
{
  SegVnet *net;
  SegOptimiser *optimiser;
  SegTensor *x;
  SegTensor *target;
} Train;

static SegTensor *
loss_of (SegTensor *logits, SegTensor *target)
{
  g_autoptr (SegTensor) p = seg_softmax (logits, 1);
  g_autoptr (SegTensor) dice = seg_dice_loss (
      p, target, NULL, NULL, &(SegDiceParams){ .square = TRUE, .smooth = 1e-5, .ignore = -1 });
  g_autoptr (SegTensor) ce = seg_cross_entropy (logits, target, NULL, NULL, -1);
  g_autoptr (SegTensor) sum = seg_add (ce, dice);

  return seg_affine (sum, 0.5, 0);
}

static gboolean
train_step (Bench *bench, gpointer data)
{
  Train *train = data;
  g_autoptr (SegTape) tape = seg_tape_begin (bench->context);
  g_autoptr (SegTensor) x = seg_cast (train->x, bench->dtype);
  g_autoptr (SegTensor) logits = seg_vnet_forward (train->net, x, NULL);
  g_autoptr (SegTensor) loss = loss_of (logits, train->target);

  seg_tensor_clear (&x);
  seg_tensor_clear (&logits);
  return seg_tape_backward (tape, loss) && seg_optimiser_step (train->optimiser)
         && isfinite (seg_tensor_get_scalar (loss));
}

/* --- train --teacher ----------------------------------------------------------------------------
 */

typedef struct
{
  SegMethod *method;
  SegBatch batch;
  SegPatch *patches;
  GError *error; /* of the step that failed */
} Teacher;

static gboolean
teacher_step (Bench *bench, gpointer data)
{
  Teacher *teacher = data;
  SegMethodReport report;

  teacher->batch.step = (guint64) seg_method_get_step (teacher->method);
  return seg_method_step (teacher->method, &teacher->batch, &report, &teacher->error);
}

/* Numbers that change from voxel to voxel, or patches about the middle of @scan. */
static gboolean
fill_patches (Teacher *teacher, VolumeScan *scan, GError **error)
{
  SegBatch *batch = &teacher->batch;
  const int *patch = batch->patch;
  const gsize V = (gsize) patch[0] * (gsize) patch[1] * (gsize) patch[2];

  for (gsize v = 0; scan == NULL && v < (gsize) batch->n * V; v++)
    batch->image[v] = sinf ((float) v * 0.37f);
  for (int n = 0; scan != NULL && n < batch->n; n++)
    {
      const int *size = volume_scan_get_geometry (scan)->size;
      float *values = batch->image + (gsize) n * V;
      int at[3];

      for (int a = 0; a < 3; a++)
        {
          if (size[a] < patch[a])
            {
              g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                           "the scan has %d voxels along an axis, the patch %d", size[a], patch[a]);
              return FALSE;
            }
          at[a] = MIN ((size[a] - patch[a]) / 2 + 4 * n, size[a] - patch[a]);
        }
      for (int i = 0; i < patch[0]; i++)
        for (int j = 0; j < patch[1]; j++)
          for (int k = 0; k < patch[2]; k++)
            *values++ = volume_scan_get_value (scan, at[0] + i, at[1] + j, at[2] + k);
    }
  /* three labelled planes */
  for (gsize v = 0; v < (gsize) batch->n * V; v++)
    {
      const int k = (int) (v % (gsize) patch[2]);
      const int j = (int) (v / (gsize) patch[2] % (gsize) patch[1]);
      const int i = (int) (v % V / (gsize) patch[2] / (gsize) patch[1]);

      batch->label[v] = batch->image[v] > 0;
      batch->domain[v] = i == patch[0] / 2 || j == patch[1] / 2 || k == patch[2] / 2;
    }
  return TRUE;
}

static gboolean
teacher_init (Teacher *teacher, Bench *bench, const Options *options, const gint64 size[3],
              GError **error)
{
  const gsize n_voxels = (gsize) (2 * options->batch * size[0] * size[1] * size[2]);
  g_autoptr (VolumeScan) scan = NULL;
  SegMethodParams params;

  if (options->scan != NULL)
    {
      scan = volume_scan_load (options->scan, 0, error);
      if (scan == NULL)
        return FALSE;
    }
  seg_method_params_init (&params, "mean-teacher", FALSE);
  params.filters = options->filters;
  params.bf16 = bench->dtype == SEG_DTYPE_BF16;
  params.orient = SEG_ORIENT_NONE;
  params.batch_labelled = params.batch_unlabelled = options->batch;
  teacher->batch = (SegBatch){ .n = 2 * options->batch, .n_labelled = options->batch };
  for (int a = 0; a < 3; a++)
    teacher->batch.patch[a] = params.patch[a] = (int) size[a];
  teacher->patches = g_new0 (SegPatch, 2 * options->batch);
  teacher->batch.patches = teacher->patches;
  teacher->batch.image = g_new (float, n_voxels);
  teacher->batch.label = g_new0 (guint8, n_voxels);
  teacher->batch.domain = g_new0 (guint8, n_voxels);
  teacher->batch.pseudo = g_new0 (guint8, n_voxels);
  teacher->method = seg_method_new ("mean-teacher", &params, bench->context, error);
  return teacher->method != NULL && fill_patches (teacher, scan, error);
}

static void
teacher_clear (Teacher *teacher)
{
  g_clear_pointer (&teacher->method, seg_method_free);
  g_free (teacher->patches);
  g_free (teacher->batch.image);
  g_free (teacher->batch.label);
  g_free (teacher->batch.domain);
  g_free (teacher->batch.pseudo);
  g_clear_error (&teacher->error);
}

static int
bench_teacher (Bench *bench, const Options *options, const gint64 size[3])
{
  Teacher teacher = { NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *what = g_strdup_printf (
      "mean teacher, vnet %d filters, %dx%dx%d, %d labelled and %d other patches%s",
      options->filters, (int) size[0], (int) size[1], (int) size[2], options->batch, options->batch,
      options->scan != NULL ? " of a scan" : "");
  int status;

  if (teacher_init (&teacher, bench, options, size, &error)
      && measure (bench, options, "train", teacher_step, &teacher, &error))
    status = report (bench, "train", options, what);
  else
    status = app_fail (teacher.error != NULL ? teacher.error : error);
  teacher_clear (&teacher);
  return status;
}

static gboolean
parse_size (const char *text, gint64 size[3])
{
  int x, y, z;

  if (text == NULL)
    return TRUE;
  if (sscanf (text, "%d,%d,%d", &x, &y, &z) != 3 || x < 1 || y < 1 || z < 1 || x > 1024 || y > 1024
      || z > 1024)
    return FALSE;
  size[0] = x;
  size[1] = y;
  size[2] = z;
  return TRUE;
}

int
app_bench_train (int argc, char **argv)
{
  Options options = { .filters = 16, .batch = 2, .repeat = 3 };
  gint64 size[3] = { 112, 112, 80 };
  g_autofree char *what = NULL;
  g_autoptr (GError) error = NULL;
  Bench bench = { NULL };
  Train train = { NULL };
  int status = APP_EXIT_FAILURE;

  if (!parse (&options, "train", "V-Net: forward, backward and a step of SGD; median seconds.",
              &argc, &argv, &status))
    return status;
  if (argc > 1 || !parse_size (options.size, size) || options.filters < 1 || options.filters > 256
      || options.batch < 1 || options.batch > 64 || options.repeat < 1 || options.repeat > 1000)
    return app_usage ("bench train: --filters F --size X,Y,Z --batch N --dtype f32|bf16 "
                      "[--teacher [--scan FILE]]");
  if (!bench_open (&bench, &options, &error))
    return app_fail (error);
  if (options.teacher)
    {
      status = bench_teacher (&bench, &options, size);
      bench_clear (&bench);
      return status;
    }
  train.net = seg_vnet_new (bench.context, &(SegVnetParams){ .filters = options.filters });
  train.optimiser = seg_optimiser_new (
      seg_vnet_get_module (train.net),
      &(SegOptimiserParams){
          .kind = SEG_OPTIMISER_SGD, .lr = 0.01, .momentum = 0.9, .weight_decay = 1e-4 });
  train.x = seg_tensor_new_normal (bench.context, SEG_DTYPE_F32,
                                   SEG_SHAPE (options.batch, 1, size[0], size[1], size[2]), 0, 1);
  {
    g_autoptr (SegTensor) zero = seg_constant (bench.context, 0);
    g_autoptr (SegTensor) positive = seg_greater (train.x, zero);
    g_autoptr (SegTensor) map =
        seg_reshape (positive, 4, (gint64[]){ options.batch, size[0], size[1], size[2] });
    g_autoptr (SegTensor) index = seg_cast (map, SEG_DTYPE_U8);

    train.target = seg_dense_plain (index);
  }
  what = g_strdup_printf ("vnet %d filters, %dx%dx%d, batch %d", options.filters, (int) size[0],
                          (int) size[1], (int) size[2], options.batch);
  if (measure (&bench, &options, "train", train_step, &train, &error))
    status = report (&bench, "train", &options, what);
  else
    status = app_fail (error);
  seg_tensor_unref (train.x);
  seg_tensor_unref (train.target);
  seg_optimiser_free (train.optimiser);
  seg_vnet_free (train.net);
  bench_clear (&bench);
  return status;
}

/* --- infer -------------------------------------------------------------------------------------
 */

typedef struct
{
  SegModule *root;
  SegVit *vit;
  SegTinyVit *tiny_vit;
  SegVnet *vnet;
  SegTensor *x;
} Infer;

static gboolean
infer_step (Bench *bench, gpointer data)
{
  Infer *infer = data;
  g_autoptr (SegTensor) x = seg_cast (infer->x, bench->dtype);
  g_autoptr (SegTensor) out = infer->vit != NULL        ? seg_vit_forward (infer->vit, x)
                              : infer->tiny_vit != NULL ? seg_tiny_vit_forward (infer->tiny_vit, x)
                                                        : seg_vnet_forward (infer->vnet, x, NULL);
  g_autoptr (SegTensor) mean = seg_mean (out, SEG_ALL_AXES);

  return isfinite (seg_tensor_get_scalar (mean));
}

int
app_bench_infer (int argc, char **argv)
{
  Options options = { .filters = 16, .batch = 1, .repeat = 3 };
  gint64 size[3] = { 112, 112, 80 };
  g_autoptr (GError) error = NULL;
  SegVitParams vit;
  Bench bench = { NULL };
  Infer infer = { NULL };
  int status = APP_EXIT_FAILURE;
  const char *model;

  if (!parse (&options, "infer", "A forward pass with random weights; median seconds.", &argc,
              &argv, &status))
    return status;
  model = options.model != NULL ? options.model : "vit_b";
  if (argc > 1 || !parse_size (options.size, size) || options.batch < 1 || options.batch > 64
      || options.filters < 1 || options.filters > 256 || options.repeat < 1 || options.repeat > 1000
      || (strcmp (model, "vnet") != 0 && strcmp (model, "mobile_sam") != 0
          && !seg_vit_params_from_name (model, &vit)))
    return app_usage ("bench infer: --model vit_b|vit_l|vit_h|mobile_sam|vnet --dtype f32|bf16");
  if (!bench_open (&bench, &options, &error))
    return app_fail (error);
  if (strcmp (model, "vnet") == 0)
    {
      infer.vnet = seg_vnet_new (bench.context, &(SegVnetParams){ .filters = options.filters });
      seg_module_set_training (seg_vnet_get_module (infer.vnet), FALSE);
      infer.x =
          seg_tensor_new_normal (bench.context, SEG_DTYPE_F32,
                                 SEG_SHAPE (options.batch, 1, size[0], size[1], size[2]), 0, 1);
    }
  else if (strcmp (model, "mobile_sam") == 0)
    {
      const SegTinyVitParams tiny = seg_tiny_vit_params_mobile_sam ();

      infer.root = seg_module_new (bench.context);
      infer.tiny_vit = seg_tiny_vit_new (infer.root, "image_encoder", &tiny);
      seg_module_set_training (infer.root, FALSE);
      seg_tiny_vit_prepare (infer.tiny_vit);
      infer.x = seg_tensor_new_normal (
          bench.context, SEG_DTYPE_F32,
          SEG_SHAPE (options.batch, 3, tiny.image_size, tiny.image_size), 0, 1);
    }
  else
    {
      infer.root = seg_module_new (bench.context);
      infer.vit = seg_vit_new (infer.root, "image_encoder", &vit);
      infer.x = seg_tensor_new_normal (bench.context, SEG_DTYPE_F32,
                                       SEG_SHAPE (options.batch, 3, vit.image_size, vit.image_size),
                                       0, 1);
    }
  if (measure (&bench, &options, "infer", infer_step, &infer, &error))
    status = report (&bench, "infer", &options, model);
  else
    status = app_fail (error);
  seg_tensor_unref (infer.x);
  seg_module_unref (infer.root);
  seg_vnet_free (infer.vnet);
  bench_clear (&bench);
  return status;
}

/* --- ops ---------------------------------------------------------------------------------------
 */

typedef struct
{
  const char *name;
  gint64 in, out, kernel, stride;
  gint64 size[3];
  gboolean transposed;
} ConvCase;

static const ConvCase conv_cases[] = {
  { "conv 1-16 k3 112x112x80", 1, 16, 3, 1, { 112, 112, 80 }, FALSE },
  { "conv 16-16 k3 112x112x80", 16, 16, 3, 1, { 112, 112, 80 }, FALSE },
  { "conv 32-32 k3 56x56x40", 32, 32, 3, 1, { 56, 56, 40 }, FALSE },
  { "conv 256-256 k3 7x7x5", 256, 256, 3, 1, { 7, 7, 5 }, FALSE },
  { "conv 16-32 k2 s2 112x112x80", 16, 32, 2, 2, { 112, 112, 80 }, FALSE },
  { "transposed 32-16 k2 s2 56x56x40", 32, 16, 2, 2, { 56, 56, 40 }, TRUE },
  { "conv 16-2 k1 112x112x80", 16, 2, 1, 1, { 112, 112, 80 }, FALSE },
};

typedef struct
{
  SegTensor *x, *weight, *bias;
  SegConvParams params;
} ConvBench;

static gboolean
conv_step (Bench *bench, gpointer data)
{
  ConvBench *conv = data;
  g_autoptr (SegTape) tape = seg_tape_begin (bench->context);
  g_autoptr (SegTensor) y = seg_conv (conv->x, conv->weight, conv->bias, &conv->params);

  return seg_tape_backward_from (tape, y, y);
}

static int
bench_conv (const Options *options, const ConvCase *c, GError **error)
{
  Bench bench = { NULL };
  ConvBench conv = { NULL };
  int status = APP_EXIT_FAILURE;
  gint64 shape[5] = { c->transposed ? c->in : c->out, c->transposed ? c->out : c->in, c->kernel,
                      c->kernel, c->kernel };

  if (!bench_open (&bench, options, error))
    return APP_EXIT_FAILURE;
  conv.params = seg_conv_params (3, (int) c->stride, c->kernel == 3 ? 1 : 0);
  conv.params.transposed = c->transposed;
  conv.x = seg_tensor_new_normal (
      bench.context, bench.dtype,
      SEG_SHAPE (options->batch, c->in, c->size[0], c->size[1], c->size[2]), 0, 1);
  conv.weight = seg_tensor_new_plain (bench.context, SEG_DTYPE_F32, 5, shape);
  conv.bias = seg_tensor_new_plain (bench.context, SEG_DTYPE_F32, 1, &c->out);
  seg_tensor_set_requires_grad (conv.x, TRUE);
  seg_tensor_set_requires_grad (conv.weight, TRUE);
  seg_tensor_set_requires_grad (conv.bias, TRUE);
  seg_init_uniform (conv.weight, 0.1);
  seg_init_uniform (conv.bias, 0.1);
  if (measure (&bench, options, "ops", conv_step, &conv, error))
    status = report (&bench, "ops", options, c->name);
  seg_tensor_unref (conv.x);
  seg_tensor_unref (conv.weight);
  seg_tensor_unref (conv.bias);
  bench_clear (&bench);
  return status;
}

int
app_bench_ops (int argc, char **argv)
{
  Options options = { .batch = 2, .repeat = 3 };
  g_autoptr (GError) error = NULL;
  int status = APP_EXIT_OK;

  if (!parse (&options, "ops", "V-Net's convolutions, forward and backward; median seconds.", &argc,
              &argv, &status))
    return status;
  if (argc > 1 || options.batch < 1 || options.batch > 64 || options.repeat < 1
      || options.repeat > 1000)
    return app_usage ("bench ops: --batch N --repeat N --dtype f32|bf16");
  for (gsize c = 0; c < G_N_ELEMENTS (conv_cases) && status == APP_EXIT_OK; c++)
    if (bench_conv (&options, &conv_cases[c], &error) != APP_EXIT_OK)
      status = app_fail (error);
  return status;
}
