/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/engine.h"
#include "app/flow-prompt.h"
#include "app/round-plan.h"
#include "seg/generalist/generalist.h"
#include "seg/infer/sliding-window.h"
#include "seg/tensor/context.h"
#include "volume/memory.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

/* Scans opened to see sizes, spacings and intensities. */
#define N_LOOKED_AT 12
/* Laptop: voxels of a scan in the working grid, and of a patch. */
#define LAPTOP_VOLUME_VOXELS 300000
#define LAPTOP_PATCH_VOXELS (64 * 64 * 48)
#define PAPER_PATCH_VOXELS (112 * 112 * 80)
#define LAPTOP_FILTERS 8
#define LAPTOP_SECONDS_SMALL 480
#define LAPTOP_SECONDS_LARGE 1800
#define LAPTOP_STEPS_MIN 100
#define LAPTOP_STEPS_MAX 3000
#define LAPTOP_REFRESHES 2
/* The teacher looks back n_steps / 40, but not less than ten steps. */
#define LAPTOP_TEACHER_SHARE 40
#define LAPTOP_EMA_MIN 0.9
#define LAPTOP_REFRESH_SCANS 16
/* Share of the slices of a volume that ask something, for the estimate. */
#define ASKING_SHARE 0.6
/* Steps are timed once they no longer get faster, for about this long. */
#define MAX_WARM_STEPS 6
#define MIN_TIMED_STEPS 5
#define MAX_TIMED_STEPS 15
#define TIMED_SECONDS 1.5
/* Paper size: a step takes many seconds, and is not asked for this often. */
#define SLOW_STEP_SECONDS 2
/* What is neither a step nor a window: crops, checkpoints, the curves' points, reading, writing. */
#define OVERHEAD 1.08
#define SCAN_SECONDS 0.3

const char *
app_profile_get_name (AppProfile profile)
{
  return profile == APP_PROFILE_PAPER ? "paper" : "laptop";
}

gboolean
app_profile_from_name (const char *name, AppProfile *profile)
{
  if (g_strcmp0 (name, "laptop") == 0)
    *profile = APP_PROFILE_LAPTOP;
  else if (g_strcmp0 (name, "paper") == 0)
    *profile = APP_PROFILE_PAPER;
  else
    return FALSE;
  return TRUE;
}

/* What the scans are like
 * ------------------------------------------------------------------------------ */

static int
compare_ints (gconstpointer a, gconstpointer b)
{
  return *(const int *) a - *(const int *) b;
}

/* Median sides, in the model's grid, of the scans looked at. */
static gboolean
median_size (const SegPreprocess *preprocess, GPtrArray *opened, int size[3], GError **error)
{
  int sides[3][N_LOOKED_AT];

  for (guint s = 0; s < opened->len; s++)
    {
      VolumeScan *scan = g_ptr_array_index (opened, s);
      g_autoptr (SegPrepared) prepared =
          seg_prepared_new_for_geometry (preprocess, volume_scan_get_geometry (scan), error);
      int own[3];

      if (prepared == NULL)
        return FALSE;
      seg_prepared_get_size (prepared, own);
      for (int a = 0; a < 3; a++)
        sides[a][s] = own[a];
    }
  for (int a = 0; a < 3; a++)
    {
      qsort (sides[a], opened->len, sizeof (int), compare_ints);
      size[a] = sides[a][opened->len / 2];
    }
  return TRUE;
}

/* A coarser grid for large scans: the finest axes are coarsened first, all to the same spacing. */
static gboolean
choose_working_spacing (SegPreprocess *preprocess, GPtrArray *opened, GError **error)
{
  VolumeScan *first = g_ptr_array_index (opened, 0);
  g_autoptr (SegPrepared) prepared = NULL;
  double own[3], finest = INFINITY;
  int size[3];

  if (!median_size (preprocess, opened, size, error))
    return FALSE;
  if ((double) size[0] * size[1] * size[2] <= LAPTOP_VOLUME_VOXELS)
    return TRUE;
  prepared = seg_prepared_new_for_geometry (preprocess, volume_scan_get_geometry (first), error);
  if (prepared == NULL)
    return FALSE;
  for (int a = 0; a < 3; a++)
    {
      own[a] = preprocess->spacing_mm[a] > 0
                   ? preprocess->spacing_mm[a]
                   : volume_scan_get_geometry (first)
                         ->spacing_mm[seg_prepared_get_scan_axis (prepared, a)];
      finest = MIN (finest, own[a]);
    }
  for (double spacing = finest;; spacing *= 1.02)
    {
      double n = 1;

      for (int a = 0; a < 3; a++)
        n *= size[a] * own[a] / MAX (own[a], spacing);
      for (int a = 0; a < 3 && n <= LAPTOP_VOLUME_VOXELS; a++)
        /* A hundredth of a millimetre is as fine as a spacing needs to be written. */
        preprocess->spacing_mm[a] = MAX (own[a], round (spacing * 100) / 100);
      if (n <= LAPTOP_VOLUME_VOXELS)
        return TRUE;
    }
}

static GPtrArray *
look_at_some (GPtrArray *scans, GError **error)
{
  g_autoptr (GPtrArray) opened =
      g_ptr_array_new_with_free_func ((GDestroyNotify) volume_scan_unref);
  guint n = MIN (scans->len, N_LOOKED_AT);

  for (guint s = 0; s < n; s++)
    {
      VolumeScan *scan = app_round_scan_open (g_ptr_array_index (scans, s * scans->len / n), error);

      if (scan == NULL)
        return NULL;
      g_ptr_array_add (opened, scan);
    }
  return g_steal_pointer (&opened);
}

/* Measuring
 * -------------------------------------------------------------------------------------------- */

/* A made-up batch with a labelled plane, and pseudo-labels where the method uses them. */
typedef struct
{
  SegBatch batch;
  SegPatch *patches;
} MadeUp;

/* Cleared whether or not there was memory for it. */
static gboolean
made_up_init (MadeUp *self, const SegMethod *method, GError **error)
{
  const SegMethodParams *params = seg_method_get_params (method);
  gsize V = (gsize) params->patch[0] * (gsize) params->patch[1] * (gsize) params->patch[2];
  int n = params->batch_labelled + params->batch_unlabelled;
  SegBatch *batch = &self->batch;

  *batch = (SegBatch){ .n = n, .n_labelled = params->batch_labelled };
  memcpy (batch->patch, params->patch, sizeof batch->patch);
  self->patches = g_new0 (SegPatch, n);
  batch->patches = self->patches;
  batch->image = volume_memory_try ((gsize) n * V, sizeof *batch->image, error);
  batch->label = batch->image != NULL ? volume_memory_try0 ((gsize) n * V, 1, error) : NULL;
  batch->domain = batch->label != NULL ? volume_memory_try0 ((gsize) n * V, 1, error) : NULL;
  batch->pseudo = batch->domain != NULL ? volume_memory_try0 ((gsize) n * V, 1, error) : NULL;
  if (batch->pseudo == NULL)
    return FALSE;
  for (gsize v = 0; v < (gsize) n * V; v++)
    {
      batch->image[v] = sinf ((float) v * 0.37f);
      batch->label[v] = batch->pseudo[v] = v % 7 < 3;
      batch->domain[v] = v % V < V / (gsize) params->patch[0];
    }
  for (int i = 0; i < n; i++)
    self->patches[i].has_pseudo = seg_method_get_info (method)->uses_generalist;
  return TRUE;
}

static void
made_up_clear (MadeUp *self)
{
  g_free (self->batch.image);
  g_free (self->batch.label);
  g_free (self->batch.domain);
  g_free (self->batch.pseudo);
  g_free (self->patches);
}

static double
seconds_since (gint64 start)
{
  return (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
}

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static gboolean
one_step (SegMethod *method, const SegBatch *batch, double *seconds, GError **error)
{
  SegMethodReport report;
  gint64 start = g_get_monotonic_time ();

  if (!seg_method_step (method, batch, &report, error))
    return FALSE;
  *seconds = seconds_since (start);
  return TRUE;
}

/* Median of warm steps; @low and @high: its quartiles. The first steps allocate, pack and wake the
 * threads up: they are run until one is no quicker than the one before. */
static gboolean
time_warm_steps (SegMethod *method, const SegBatch *batch, double *per_step, double *low,
                 double *high, GError **error)
{
  double seconds[MAX_TIMED_STEPS], before = INFINITY, sum = 0;
  int n = 0, n_wanted;

  for (int warm = 0; warm < MAX_WARM_STEPS; warm++)
    {
      if (!one_step (method, batch, &seconds[0], error))
        return FALSE;
      if (warm > 0 && (seconds[0] > 0.9 * before || seconds[0] > SLOW_STEP_SECONDS))
        break;
      before = seconds[0];
    }
  n_wanted = seconds[0] > SLOW_STEP_SECONDS ? 2 : MIN_TIMED_STEPS;
  while (n < n_wanted || (n < MAX_TIMED_STEPS && sum < TIMED_SECONDS))
    {
      if (!one_step (method, batch, &seconds[n], error))
        return FALSE;
      sum += seconds[n++];
    }
  qsort (seconds, (gsize) n, sizeof *seconds, compare_doubles);
  *per_step = seconds[n / 2];
  *low = seconds[n / 4];
  *high = seconds[n - 1 - n / 8];
  return TRUE;
}

static gboolean
time_steps (SegMethod *method, AppPlanTime *time, GError **error)
{
  MadeUp made_up;
  gboolean ok;

  ok = made_up_init (&made_up, method, error)
       && time_warm_steps (method, &made_up.batch, &time->per_step, &time->low, &time->high, error);
  made_up_clear (&made_up);
  return ok;
}

static gboolean
time_window (SegMethod *method, double *per_window, GError **error)
{
  const SegMethodParams *params = seg_method_get_params (method);
  gsize V = (gsize) params->patch[0] * (gsize) params->patch[1] * (gsize) params->patch[2];
  g_autofree float *image = volume_memory_try0 (V, sizeof *image, error);
  g_autofree float *p =
      image != NULL ? volume_memory_try (V, (gsize) params->n_classes * sizeof *p, error) : NULL;
  gint64 start;

  if (p == NULL)
    return FALSE;
  for (int turn = 0; turn < 2; turn++)
    {
      start = g_get_monotonic_time ();
      if (!seg_method_predict (method, SEG_METHOD_STUDENT, image, params->patch, p, NULL, error))
        return FALSE;
    }
  *per_window = seconds_since (start);
  return TRUE;
}

static SegGeneralist *
open_generalist (const char *name, GError **error)
{
  if (g_strcmp0 (name, "rule") == 0)
    return seg_generalist_new_rule ();
  return app_flow_prompt_open (name, NULL, error);
}

static gboolean
time_slice (const AppTrainPlan *plan, const int size[3], double *per_slice, GError **error)
{
  g_autoptr (SegGeneralist) generalist = open_generalist (plan->generalist, error);
  g_autoptr (SegPicture) picture = seg_picture_new (size[1], size[0], 1);
  g_autoptr (SegPrompt) prompt = seg_prompt_new ();
  gint64 start = 0;

  if (generalist == NULL)
    return FALSE;
  for (int v = 0; v < size[0] * size[1]; v++)
    picture->pixels[v] = sinf ((float) v * 0.1f);
  seg_prompt_set_box (prompt, (float) size[1] / 4, (float) size[0] / 4, 3 * (float) size[1] / 4,
                      3 * (float) size[0] / 4);
  seg_prompt_add_point (prompt, (float) size[1] / 2, (float) size[0] / 2, TRUE);
  for (int turn = 0; turn < 2; turn++)
    {
      g_autoptr (SegEmbedding) embedding = NULL;
      g_autoptr (SegAnswer) answer = NULL;

      start = g_get_monotonic_time ();
      embedding = seg_generalist_encode (generalist, picture, error);
      if (embedding == NULL)
        return FALSE;
      for (int k = 1; k < plan->params.n_classes; k++)
        {
          g_clear_pointer (&answer, seg_answer_free);
          answer = seg_generalist_answer (generalist, embedding, prompt, TRUE, error);
          if (answer == NULL)
            return FALSE;
        }
    }
  *per_slice = seconds_since (start);
  return TRUE;
}

static double
windows_of (const AppTrainPlan *plan, const int size[3])
{
  SegWindowParams window = { .n_in = 1, .n_out = 1 };

  memcpy (window.size, size, sizeof window.size);
  memcpy (window.patch, plan->params.patch, sizeof window.patch);
  seg_window_params_set_overlap (&window, plan->params.window_overlap);
  return (double) seg_window_count (&window);
}

/* Passes of the network over each scan at the round's end. */
static int
n_passes (const AppTrainPlan *plan)
{
  return seg_method_find (plan->method)->uses_unlabelled ? 3 : 2;
}

static void
add_up (const AppTrainPlan *plan, AppPlanTime *time, GPtrArray *scans, const int size[3])
{
  double windows = windows_of (plan, size);
  double slices = (double) (size[0] + size[1] + size[2]) / plan->refresh_slice_step * ASKING_SHARE;
  double n_training = 0, n_validation = 0, n_refreshed;

  for (guint s = 0; s < scans->len; s++)
    if (((const AppRoundScan *) g_ptr_array_index (scans, s))->validation)
      n_validation++;
    else
      n_training++;
  n_refreshed = plan->refresh_scans > 0 ? MIN (plan->refresh_scans, n_training) : n_training;
  time->training = OVERHEAD * time->per_step * (double) plan->params.n_steps;
  time->refreshing = plan->params.n_refreshes * n_refreshed
                     * (windows * time->per_window * 1.2 + slices * time->per_slice);
  time->validating = plan->n_validations * n_validation * windows * time->per_window;
  time->predicting =
      (n_training + n_validation) * (n_passes (plan) * windows * time->per_window + SCAN_SECONDS);
  time->total = time->training + time->refreshing + time->validating + time->predicting;
}

/* From the steps' spread to the whole's. */
static void
spread_out (AppPlanTime *time)
{
  time->low = time->total * MIN (time->low / time->per_step, 0.95);
  time->high = time->total * MAX (time->high / time->per_step, 1.15);
}

static gboolean
measure (const AppTrainPlan *plan, AppPlanTime *time, const int size[3], GError **error)
{
  g_autoptr (SegContext) context = app_engine_new_context (0, error);
  g_autoptr (SegMethod) method = NULL;

  if (context == NULL)
    return FALSE;
  method = seg_method_new (plan->method, &plan->params, context, error);
  if (method == NULL || !time_steps (method, time, error)
      || !time_window (method, &time->per_window, error))
    return FALSE;
  if (plan->params.n_refreshes > 0 && seg_method_get_info (method)->uses_generalist)
    return time_slice (plan, size, &time->per_slice, error);
  return TRUE;
}

/* Measures; in the laptop profile with smaller patches where memory does not do for the first. */
static gboolean
measure_what_fits (AppTrainPlan *plan, AppPlanTime *time, const int size[3], gboolean laptop,
                   GError **error)
{
  for (;;)
    {
      g_autoptr (GError) local = NULL;
      int *patch = plan->params.patch;
      int before[3] = { patch[0], patch[1], patch[2] };
      gsize voxels = (gsize) patch[0] * (gsize) patch[1] * (gsize) patch[2];

      if (measure (plan, time, size, &local))
        return TRUE;
      if (laptop
          && (g_error_matches (local, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY)
              || g_error_matches (local, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE)))
        seg_preprocess_choose_patch (before, voxels / 2, FALSE, patch);
      if (memcmp (before, patch, sizeof before) == 0)
        {
          g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
    }
}

/* Choosing
 * --------------------------------------------------------------------------------------------- */

static void
set_laptop (AppTrainPlan *plan, const int size[3])
{
  SegMethodParams *params = &plan->params;
  gboolean generalist = seg_method_find (plan->method)->uses_generalist;

  params->filters = LAPTOP_FILTERS;
  seg_preprocess_choose_patch (size, LAPTOP_PATCH_VOXELS, FALSE, params->patch);
  /* The planes cross in the middle of every scan. With crops that hardly move, the network learns
   * where in the patch it is, and away from the signed planes, where nothing corrects it, calls
   * foreground what is none. Hence overhanging crops and warps; and no mirroring, which makes front
   * and back, left and right, the same to it (docs/round-tables.md). */
  params->orient = SEG_ORIENT_NONE;
  params->overhang = 0.5;
  params->warp = (SegWarpParams){
    .rotate_degrees = 20, .zoom = 0.15, .contrast = 0.2, .brightness = 0.2
  };
  /* A few hundred steps are too few for the papers' rate. */
  params->adamw = TRUE;
  params->lr = 2e-3;
  params->lr_poly = TRUE;
  params->dropout = 0;
  params->window_overlap = 0.25;
  params->n_refreshes = generalist ? LAPTOP_REFRESHES : 0;
  params->teacher_clean_pass = FALSE;
  params->skip_outside = TRUE;
  params->class_balance = 1;
  plan->refresh_scans = LAPTOP_REFRESH_SCANS;
  plan->refresh_slice_step = 2;
  plan->n_validations = 2;
  plan->foreground_share = 0.5;
  plan->checkpoint_seconds = 20;
}

static void
set_paper (AppTrainPlan *plan, const int size[3])
{
  SegMethodParams *params = &plan->params;
  gboolean fits = TRUE;

  for (int a = 0; a < 3; a++)
    fits = fits && size[a] >= params->patch[a];
  if (!fits)
    seg_preprocess_choose_patch (size, PAPER_PATCH_VOXELS, TRUE, params->patch);
  if (params->patch[0] != params->patch[1])
    params->orient = SEG_ORIENT_FLIPS;
  plan->refresh_slice_step = 1;
  plan->n_validations = 10;
  plan->checkpoint_seconds = 300;
}

/* As many steps as the time allows, in fifties. */
static gint64
fit_steps (const AppTrainPlan *plan, AppPlanTime *time, GPtrArray *scans, const int size[3],
           double seconds)
{
  double rest;

  add_up (plan, time, scans, size);
  rest = seconds - (time->total - time->training);
  return CLAMP ((gint64) (rest / time->per_step) / 50 * 50, LAPTOP_STEPS_MIN, LAPTOP_STEPS_MAX);
}

/* The paper's teacher looks back a hundred of ten thousand steps. In a run of a few hundred it
 * would be as it was a quarter of the run ago, and label as badly (docs/round-tables.md). */
static void
shorten_memory (SegMethodParams *params)
{
  double decay = 1 - LAPTOP_TEACHER_SHARE / (double) params->n_steps;

  params->ema_decay = CLAMP (decay, LAPTOP_EMA_MIN, params->ema_decay);
}

/* So that the bar moves with the clock. */
static void
set_shares (AppTrainPlan *plan, const AppPlanTime *time)
{
  double per_step = OVERHEAD * time->per_step;

  plan->steps_per_refresh =
      plan->params.n_refreshes > 0 ? time->refreshing / plan->params.n_refreshes / per_step : 0;
  plan->steps_per_validation = time->validating / MAX (plan->n_validations, 1) / per_step;
  plan->steps_of_prediction = time->predicting / per_step;
}

gboolean
app_round_plan_make (AppTrainPlan *plan, AppPlanTime *time, const AppPlanRequest *request,
                     GPtrArray *scans, GError **error)
{
  g_autoptr (GPtrArray) opened = NULL;
  SegDevice *device = app_engine_get_device (error);
  gboolean laptop = request->profile == APP_PROFILE_LAPTOP;
  int size[3];
  double seconds, default_decay;

  *plan = (AppTrainPlan){ .method = g_strdup (request->method),
                          .generalist = g_strdup (request->generalist) };
  *time = (AppPlanTime){ 0 };
  if (device == NULL)
    return FALSE;
  if (seg_method_find (request->method) == NULL)
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED, _ ("There is no method “%s”."),
                   request->method);
      return FALSE;
    }
  opened = look_at_some (scans, error);
  if (opened == NULL
      || !seg_preprocess_fit (&plan->preprocess, (VolumeScan *const *) opened->pdata, opened->len,
                              error)
      || (laptop && !choose_working_spacing (&plan->preprocess, opened, error))
      || !median_size (&plan->preprocess, opened, size, error))
    return FALSE;

  seg_method_params_init (&plan->params, request->method, request->parity);
  plan->params.n_classes = request->n_classes;
  plan->params.seed = request->seed;
  if (laptop)
    set_laptop (plan, size);
  else
    set_paper (plan, size);
  plan->keep_best = request->parity;
  plan->params.bf16 = laptop && !request->parity && seg_device_get_info (device)->bf16;
  default_decay = plan->params.ema_decay;
  for (const char *const *s = request->settings; s != NULL && *s != NULL; s++)
    if (!app_train_plan_set (plan, *s, error))
      return FALSE;
  if (!measure_what_fits (plan, time, size, laptop, error))
    return FALSE;
  seconds = request->seconds > 0 ? request->seconds
            : (double) size[0] * size[1] * size[2] < LAPTOP_VOLUME_VOXELS / 2
                ? LAPTOP_SECONDS_SMALL
                : LAPTOP_SECONDS_LARGE;
  if (request->n_steps > 0)
    plan->params.n_steps = request->n_steps;
  else if (laptop)
    plan->params.n_steps = fit_steps (plan, time, scans, size, seconds);
  if (laptop && plan->params.ema_decay == default_decay)
    shorten_memory (&plan->params);
  add_up (plan, time, scans, size);
  spread_out (time);
  set_shares (plan, time);
  return TRUE;
}

/* A round number of a fitting unit. */
static char *
format_range (double low, double high)
{
  if (high < 100)
    return g_strdup_printf (_ ("%.0f to %.0f seconds"), MAX (floor (low / 5) * 5, 1),
                            ceil (high / 5) * 5);
  if (high < 90 * 60)
    return g_strdup_printf (_ ("%.0f to %.0f minutes"), MAX (floor (low / 60), 1),
                            ceil (high / 60));
  return g_strdup_printf (_ ("%.1f to %.1f hours"), low / 3600, high / 3600);
}

char *
app_plan_time_describe (const AppPlanTime *time)
{
  g_autofree char *range = format_range (time->low, time->high);

  return g_strdup_printf (
      /* Translators: "6 to 9 minutes", then shares of it */
      _ ("%s: training %.0f %%, generalist %.0f %%, validation %.0f %%, prediction %.0f %%"), range,
      100 * time->training / time->total, 100 * time->refreshing / time->total,
      100 * time->validating / time->total, 100 * time->predicting / time->total);
}

static void
append_spacing (GString *text, const SegPreprocess *preprocess)
{
  const double *mm = preprocess->spacing_mm;

  if (mm[0] > 0 && mm[1] > 0 && mm[2] > 0)
    g_string_append_printf (text, _ ("Working grid: %.2f × %.2f × %.2f mm"), mm[0], mm[1], mm[2]);
  else if (mm[0] > 0 || mm[1] > 0 || mm[2] > 0)
    g_string_append_printf (text, _ ("Working grid: no finer than %.2f mm, else each scan's own"),
                            MAX (MAX (mm[0], mm[1]), mm[2]));
  else
    g_string_append (text, _ ("Working grid: each scan's own"));
}

char *
app_round_plan_explain (const AppTrainPlan *plan)
{
  const SegMethodParams *p = &plan->params;
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, _ ("%d steps of %d crops of %d × %d × %d voxels; %d filters, %s"),
                          (int) p->n_steps, p->batch_labelled + p->batch_unlabelled, p->patch[0],
                          p->patch[1], p->patch[2], p->filters, p->bf16 ? "bf16" : "f32");
  g_string_append_c (text, '\n');
  append_spacing (text, &plan->preprocess);
  if (p->n_refreshes > 0)
    {
      g_string_append_c (text, '\n');
      if (plan->refresh_scans > 0)
        g_string_append_printf (
            text,
            _ ("The generalist labels at most %d scans, one slice in %d of each plane, %d times"),
            plan->refresh_scans, plan->refresh_slice_step, p->n_refreshes);
      else
        g_string_append_printf (
            text, _ ("The generalist labels all scans, one slice in %d of each plane, %d times"),
            plan->refresh_slice_step, p->n_refreshes);
    }
  return g_string_free (text, FALSE);
}

char *
app_round_plan_describe (const AppTrainPlan *plan, const AppPlanTime *time)
{
  const SegMethodParams *p = &plan->params;
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_append_printf (
      text, _ ("%s: %d steps of %d patches, %d × %d × %d voxels, %d filters, %s"), plan->method,
      (int) p->n_steps, p->batch_labelled + p->batch_unlabelled, p->patch[0], p->patch[1],
      p->patch[2], p->filters, p->bf16 ? "bf16" : "f32");
  if (p->n_refreshes > 0)
    {
      if (plan->refresh_scans > 0)
        g_string_append_printf (text,
                                _ ("; the generalist labels %d scans, every slice in %d, %d times"),
                                plan->refresh_scans, plan->refresh_slice_step, p->n_refreshes);
      else
        g_string_append_printf (
            text, _ ("; the generalist labels all scans, every slice in %d, %d times"),
            plan->refresh_slice_step, p->n_refreshes);
    }
  if (time != NULL)
    {
      g_autofree char *range = format_range (time->low, time->high);

      g_string_append_printf (text, _ ("; %s (%.0f ms a step)"), range, 1000 * time->per_step);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
