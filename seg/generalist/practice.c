/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/clicks.h"
#include "seg/generalist/compact.h"
#include "seg/generalist/episodes.h"
#include "seg/generalist/practice.h"
#include "seg/nn/optimiser.h"
#include "seg/ops/ops.h"
#include "seg/tensor/context.h"
#include "seg/weights/checkpoint.h"

#include <math.h>
#include <string.h>

#define N SEG_VIEW_PIXELS
#define WARM_UP 200
#define CHECKPOINT "practice"
#define EXAM_SEED 0x6578616d696e65ull

struct _SegPractice
{
  SegPracticeParams params;
  SegContext *context;
  SegCompact *net, *average;
  SegOptimiser *optimiser;
  SegEpisodes *episodes;
  gint64 step;
  /* Of one batch, on the host. */
  float *inputs, *truth, *weight, *ambiguous, *logits, *dlogits, *quality, *dquality, *dice;
};

SegPractice *
seg_practice_new (SegDevice *device, const SegPracticeParams *params)
{
  SegPractice *self = g_new0 (SegPractice, 1);
  SegPracticeParams *p = &self->params;
  gsize batch;

  *p = *params;
  p->batch = p->batch > 0 ? p->batch : 16;
  p->lr = p->lr > 0 ? p->lr : 2e-3;
  p->n_steps = MAX (p->n_steps, 1);
  batch = (gsize) p->batch;
  self->context = seg_context_new (device, p->seed);
  self->net = seg_compact_new (self->context);
  self->average = seg_compact_new (self->context);
  seg_module_set_requires_grad (seg_compact_get_module (self->average), FALSE);
  self->optimiser = seg_optimiser_new (
      seg_compact_get_module (self->net),
      &(SegOptimiserParams){
          .kind = SEG_OPTIMISER_ADAMW, .lr = p->lr, .weight_decay = 0.01, .clip_norm = 1.0 });
  /* The scenes' contrast falls over the first fifth of the run. */
  self->episodes =
      seg_episodes_new (&(SegEpisodesParams){ .seed = p->seed,
                                              .batch = p->batch,
                                              .pool = 8 * p->batch,
                                              .hardness = 0.2f,
                                              .full_after = p->n_steps * p->batch / 15 });
  self->inputs = g_new (float, batch *SEG_N_CHANNELS *N);
  self->truth = g_new (float, batch *N);
  self->weight = g_new (float, batch *N);
  self->ambiguous = g_new (float, batch);
  self->logits = g_new (float, batch *SEG_COMPACT_MASKS *N);
  self->dlogits = g_new (float, batch *SEG_COMPACT_MASKS *N);
  self->quality = g_new (float, batch *SEG_COMPACT_MASKS);
  self->dquality = g_new (float, batch *SEG_COMPACT_MASKS);
  self->dice = g_new (float, batch);
  return self;
}

void
seg_practice_free (SegPractice *self)
{
  if (self == NULL)
    return;
  seg_optimiser_free (self->optimiser);
  seg_compact_free (self->net);
  seg_compact_free (self->average);
  seg_episodes_free (self->episodes);
  seg_context_unref (self->context);
  g_free (self->inputs);
  g_free (self->truth);
  g_free (self->weight);
  g_free (self->ambiguous);
  g_free (self->logits);
  g_free (self->dlogits);
  g_free (self->quality);
  g_free (self->dquality);
  g_free (self->dice);
  g_free (self);
}

gint64
seg_practice_get_step (SegPractice *self)
{
  return self->step;
}

/* Warm-up, a plateau, and from 55 % on a straight fall to a fiftieth. */
static double
rate_at (const SegPractice *self)
{
  const double done = (double) self->step / (double) self->params.n_steps;
  const double warm = MIN (1.0, (double) (self->step + 1) / WARM_UP);
  const double fall = done < 0.55 ? 1.0 : 1.0 - 0.98 * (done - 0.55) / 0.45;

  return self->params.lr * warm * MAX (fall, 0.02);
}

/* The batch as the host has it: inputs in, logits and quality out; a tape records if one is on. */
static gboolean
run_net (SegPractice *self, SegCompact *net, int batch, SegTensor **logits, SegTensor **quality)
{
  g_autoptr (SegTensor) x =
      seg_tensor_new_from (self->context, self->params.dtype,
                           SEG_SHAPE (batch, SEG_FOLDED_CHANNELS, SEG_FOLDED_SIDE, SEG_FOLDED_SIDE),
                           SEG_DTYPE_F32, self->inputs);

  return seg_compact_forward (net, x, logits, quality)
         && seg_tensor_download (*logits, SEG_DTYPE_F32, self->logits)
         && seg_tensor_download (*quality, SEG_DTYPE_F32, self->quality);
}

/* Σ x·dx is a scalar whose gradient in x is dx: the loss's gradients are computed on the host. */
static SegTensor *
carry_gradient (SegPractice *self, SegTensor *x, const float *dx)
{
  g_autoptr (SegTensor) given = seg_tensor_new_from_f32 (self->context, seg_tensor_get_rank (x),
                                                         seg_tensor_get_shape (x), dx);
  g_autoptr (SegTensor) wide = seg_cast (x, SEG_DTYPE_F32);
  g_autoptr (SegTensor) product = seg_mul (wide, given);

  return seg_sum (product, SEG_ALL_AXES);
}

gboolean
seg_practice_step (SegPractice *self, double *loss, double *dice, GError **error)
{
  const int batch = self->params.batch;
  g_autoptr (SegTensor) logits = NULL;
  g_autoptr (SegTensor) quality = NULL;
  g_autoptr (SegTape) tape = NULL;
  double value = 0;

  seg_episodes_fill (self->episodes, self->inputs, self->truth, self->weight, self->ambiguous);
  tape = seg_tape_begin (self->context);
  if (run_net (self, self->net, batch, &logits, &quality))
    {
      g_autoptr (SegTensor) a = NULL;
      g_autoptr (SegTensor) b = NULL;
      g_autoptr (SegTensor) total = NULL;

      value = seg_compact_loss (batch, self->logits, self->quality, self->truth, self->weight,
                                self->ambiguous, self->dlogits, self->dquality, self->dice);
      if (!isfinite (value))
        {
          g_set_error (error, SEG_ERROR, SEG_ERROR_NOT_FINITE,
                       "the loss is not finite at step %" G_GINT64_FORMAT, self->step);
          return FALSE;
        }
      a = carry_gradient (self, logits, self->dlogits);
      b = carry_gradient (self, quality, self->dquality);
      total = seg_add (a, b);
      seg_tape_backward (tape, total);
      seg_optimiser_set_lr (self->optimiser, rate_at (self));
      seg_optimiser_step (self->optimiser);
      seg_ema_update (seg_compact_get_module (self->average), seg_compact_get_module (self->net),
                      MIN (0.998, 1.0 - pow ((double) (self->step + 1), -0.9)), SEG_EMA_BOTH);
    }
  if (!seg_context_check (self->context, error))
    return FALSE;
  /* The first mask moves the sessions on. */
  for (int m = 0; m < batch; m++)
    memmove (self->logits + (gsize) m * N, self->logits + (gsize) m * SEG_COMPACT_MASKS * N,
             sizeof (float) * N);
  seg_episodes_advance (self->episodes, self->logits);
  self->step++;
  if (loss != NULL)
    *loss = value;
  if (dice != NULL)
    {
      *dice = 0;
      for (int m = 0; m < batch; m++)
        *dice += self->dice[m] / batch;
    }
  return TRUE;
}

/* ---- examination ----------------------------------------------------------------------------- */

typedef struct
{
  SegScene scene;
  SegView view;
  SegViewPoint points[16];
  int n_points;
  gboolean done;
  double dice;
  float previous[N];
} Pupil;

/* Answers of all pupils to what they have been asked, a batch at a time. */
static gboolean
answer_pupils (SegPractice *self, Pupil *pupils, int n, gboolean with_box, float *channels,
               GError **error)
{
  const int batch = self->params.batch;

  for (int first = 0; first < n; first += batch)
    {
      const int count = MIN (batch, n - first);
      g_autoptr (SegTensor) logits = NULL;
      g_autoptr (SegTensor) quality = NULL;

      for (int b = 0; b < count; b++)
        {
          Pupil *pupil = &pupils[first + b];
          SegViewPrompt prompt = { .points = pupil->points,
                                   .n_points = (gsize) pupil->n_points,
                                   .has_box = with_box,
                                   .previous = pupil->n_points > 1 ? pupil->previous : NULL };
          if (with_box)
            {
              SegDraw draw = seg_draw_start (EXAM_SEED, (guint64) (first + b));
              seg_box_around (pupil->scene.truth, SEG_VIEW_SIDE, SEG_VIEW_SIDE, 0.05f, &draw,
                              prompt.box);
            }
          seg_view_fill_channels (&pupil->view, &prompt, channels);
          seg_fold_channels (channels, SEG_N_CHANNELS,
                             self->inputs + (gsize) b * SEG_N_CHANNELS * N);
        }
      seg_no_grad_begin (self->context);
      run_net (self, self->average, count, &logits, &quality);
      seg_no_grad_end (self->context);
      if (!seg_context_check (self->context, error))
        return FALSE;
      for (int b = 0; b < count; b++)
        {
          Pupil *pupil = &pupils[first + b];
          g_autofree guint8 *answer = g_new (guint8, N);
          SegClick click;

          if (pupil->done)
            continue;
          seg_unfold_channels (self->logits + (gsize) b * SEG_COMPACT_MASKS * N, 1,
                               pupil->previous);
          for (int p = 0; p < N; p++)
            {
              const int u = p % SEG_VIEW_SIDE, v = p / SEG_VIEW_SIDE;
              answer[p] = pupil->previous[p] > 0 && u >= pupil->view.u0 && u < pupil->view.u1
                          && v >= pupil->view.v0 && v < pupil->view.v1;
            }
          pupil->dice = seg_mask_dice (pupil->scene.truth, answer, N);
          pupil->done = with_box
                        || !seg_click_next (pupil->scene.truth, answer, SEG_VIEW_SIDE,
                                            SEG_VIEW_SIDE, NULL, &click);
          if (!pupil->done && pupil->n_points < (int) G_N_ELEMENTS (pupil->points))
            pupil->points[pupil->n_points++] =
                (SegViewPoint){ (float) click.x, (float) click.y, click.positive };
        }
    }
  return TRUE;
}

gboolean
seg_practice_examine (SegPractice *self, int n_scenes, gboolean blank, SegPracticeReport *report,
                      GError **error)
{
  static const int asked[4] = { 1, 3, 5, 10 };
  g_autofree Pupil *pupils = g_new0 (Pupil, n_scenes);
  g_autofree float *channels = g_new (float, SEG_N_CHANNELS *N);

  *report = (SegPracticeReport){ .n_scenes = n_scenes };
  for (int s = 0; s < n_scenes; s++)
    {
      SegClick click;

      seg_scene_draw (&pupils[s].scene, EXAM_SEED ^ self->params.seed, (guint64) s, 1);
      seg_view_init_scene (&pupils[s].view, &pupils[s].scene, blank);
      if (seg_click_next (pupils[s].scene.truth, NULL, SEG_VIEW_SIDE, SEG_VIEW_SIDE, NULL, &click))
        pupils[s].points[pupils[s].n_points++] =
            (SegViewPoint){ (float) click.x, (float) click.y, TRUE };
    }
  for (int k = 1, a = 0; k <= 10; k++)
    {
      if (!answer_pupils (self, pupils, n_scenes, FALSE, channels, error))
        return FALSE;
      if (k != asked[a])
        continue;
      for (int s = 0; s < n_scenes; s++)
        report->clicks[a] += pupils[s].dice / n_scenes;
      a++;
    }
  for (int s = 0; s < n_scenes; s++)
    {
      pupils[s].n_points = 0;
      pupils[s].done = FALSE;
    }
  if (!answer_pupils (self, pupils, n_scenes, TRUE, channels, error))
    return FALSE;
  for (int s = 0; s < n_scenes; s++)
    report->box += pupils[s].dice / n_scenes;
  return TRUE;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

typedef struct
{
  SegCheckpoint *checkpoint;
  SegWeights *weights; /* when restoring */
  const char *group;
  GPtrArray *stores;
  GError **error;
  gboolean ok;
} Passing;

static void
put_entry (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Passing *passing = user_data;
  float *values = g_new (float, seg_tensor_get_n_elements (tensor));

  seg_tensor_download (tensor, SEG_DTYPE_F32, values);
  seg_checkpoint_add (passing->checkpoint, passing->group, name, SEG_WEIGHT_F32,
                      seg_tensor_get_rank (tensor), seg_tensor_get_shape (tensor), values);
  g_ptr_array_add (passing->stores, values);
}

static void
take_entry (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Passing *passing = user_data;
  const SegWeight *weight = seg_weights_find (passing->weights, name);

  if (!passing->ok)
    return;
  if (weight == NULL || (gint64) weight->n_elements != seg_tensor_get_n_elements (tensor)
      || weight->dtype != SEG_WEIGHT_F32)
    {
      g_set_error (passing->error, SEG_ERROR, SEG_ERROR_MISMATCH,
                   "the checkpoint's %s/%s does not fit", passing->group, name);
      passing->ok = FALSE;
      return;
    }
  seg_tensor_upload (tensor, SEG_DTYPE_F32, weight->data);
}

gboolean
seg_practice_save (SegPractice *self, const char *folder, GError **error)
{
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_new ();
  g_autoptr (GPtrArray) stores = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GBytes) sessions = seg_episodes_save (self->episodes);
  Passing passing = { .checkpoint = checkpoint, .stores = stores };
  gint64 n_bytes = (gint64) g_bytes_get_size (sessions);
  guint64 seed, offset;

  passing.group = "net";
  seg_module_foreach (seg_compact_get_module (self->net), put_entry, &passing);
  passing.group = "average";
  seg_module_foreach (seg_compact_get_module (self->average), put_entry, &passing);
  passing.group = "optimiser";
  seg_optimiser_foreach (self->optimiser, put_entry, &passing);
  if (!seg_context_check (self->context, error))
    return FALSE;
  seg_checkpoint_add (checkpoint, "episodes", "sessions", SEG_WEIGHT_U8, 1, &n_bytes,
                      g_bytes_get_data (sessions, NULL));
  seg_context_get_random_state (self->context, &seed, &offset);
  seg_checkpoint_set_int (checkpoint, "step", self->step);
  seg_checkpoint_set_int (checkpoint, "seed", (gint64) self->params.seed);
  seg_checkpoint_set_int (checkpoint, "n_steps", self->params.n_steps);
  seg_checkpoint_set_int (checkpoint, "batch", self->params.batch);
  seg_checkpoint_set_double (checkpoint, "lr", self->params.lr);
  seg_checkpoint_set_int (checkpoint, "dtype", self->params.dtype);
  seg_checkpoint_set_int (checkpoint, "random_offset", (gint64) offset);
  return seg_checkpoint_save (checkpoint, folder, CHECKPOINT, error);
}

static gboolean
same_int (SegCheckpoint *checkpoint, const char *key, gint64 expected, GError **error)
{
  gint64 value;

  if (!seg_checkpoint_get_int (checkpoint, key, &value, error))
    return FALSE;
  if (value == expected)
    return TRUE;
  g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
               "the checkpoint was made with %s %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT, key,
               value, expected);
  return FALSE;
}

gboolean
seg_practice_restore (SegPractice *self, const char *folder, GError **error)
{
  g_autoptr (SegCheckpoint) checkpoint = seg_checkpoint_load (folder, CHECKPOINT, error);
  g_autoptr (SegWeights) net = NULL;
  g_autoptr (SegWeights) average = NULL;
  g_autoptr (SegWeights) optimiser = NULL;
  g_autoptr (SegWeights) episodes = NULL;
  g_autoptr (GBytes) sessions = NULL;
  const SegWeight *kept;
  Passing passing = { .error = error, .ok = TRUE };
  gint64 step, offset;

  if (checkpoint == NULL || !same_int (checkpoint, "seed", (gint64) self->params.seed, error)
      || !same_int (checkpoint, "batch", self->params.batch, error)
      || !same_int (checkpoint, "dtype", self->params.dtype, error)
      || !seg_checkpoint_get_int (checkpoint, "step", &step, error)
      || !seg_checkpoint_get_int (checkpoint, "random_offset", &offset, error))
    return FALSE;
  passing.weights = net = seg_checkpoint_get_group (checkpoint, passing.group = "net");
  seg_module_foreach (seg_compact_get_module (self->net), take_entry, &passing);
  passing.weights = average = seg_checkpoint_get_group (checkpoint, passing.group = "average");
  seg_module_foreach (seg_compact_get_module (self->average), take_entry, &passing);
  passing.weights = optimiser = seg_checkpoint_get_group (checkpoint, passing.group = "optimiser");
  seg_optimiser_foreach (self->optimiser, take_entry, &passing);
  if (!passing.ok || !seg_context_check (self->context, error))
    return FALSE;
  episodes = seg_checkpoint_get_group (checkpoint, "episodes");
  kept = seg_weights_find (episodes, "sessions");
  if (kept == NULL)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH, "the checkpoint keeps no sessions");
      return FALSE;
    }
  sessions = g_bytes_new (kept->data, kept->size_bytes);
  if (!seg_episodes_restore (self->episodes, sessions, error))
    return FALSE;
  seg_optimiser_set_n_steps (self->optimiser, step);
  seg_context_set_random_state (self->context, self->params.seed, (guint64) offset);
  self->step = step;
  return TRUE;
}

gboolean
seg_practice_export (SegPractice *self, const char *path, GError **error)
{
  g_autofree char *note =
      g_strdup_printf ("crosslabel train-generalist: seed %" G_GUINT64_FORMAT ", %" G_GINT64_FORMAT
                       " steps of %d, procedural scenes alone",
                       self->params.seed, self->step, self->params.batch);

  return seg_compact_save (self->average, path, note, error);
}

gboolean
seg_practice_import (SegPractice *self, const char *path, GError **error)
{
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, error);
  g_autoptr (GBytes) bytes = file != NULL ? g_mapped_file_get_bytes (file) : NULL;

  return bytes != NULL && seg_compact_load_bytes (self->average, bytes, path, error)
         && seg_compact_load_bytes (self->net, bytes, path, error);
}
