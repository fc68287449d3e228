/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/infer/sliding-window.h"
#include "seg/method/losses.h"
#include "seg/method/method-private.h"
#include "seg/method/ramps.h"
#include "seg/method/self-prompt.h"
#include "seg/ops/ops.h"

#include <math.h>
#include <string.h>

/* What the random stream of a step is for; see set_stream(). */
typedef enum
{
  STREAM_STUDENT_INIT = 1,
  STREAM_TEACHER_INIT,
  STREAM_STEP,
} Stream;

/* The context's stream as a function of the seed and the step alone: nothing to save (I7). */
static void
set_stream (SegMethod *self, Stream stream, gint64 step)
{
  seg_context_set_random_state (self->context,
                                seg_hash4 (self->params.seed, stream, (guint64) step, 0), 0);
}

/* Making and freeing
 * -------------------------------------------------------------------------------- */

static SegVnet *
new_network (SegMethod *self, Stream stream)
{
  set_stream (self, stream, 0);
  return seg_vnet_new (self->context, &(SegVnetParams){ .n_classes = self->params.n_classes,
                                                        .filters = self->params.filters,
                                                        .dropout = self->params.dropout });
}

static gboolean
check_params (const char *name, const SegMethodParams *params, GError **error)
{
  if (seg_method_find (name) == NULL)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED, "there is no method called “%s”", name);
      return FALSE;
    }
  for (int a = 0; a < 3; a++)
    if (params->patch[a] < 16 || params->patch[a] % 16 != 0)
      {
        g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                     "patch side %d: sides must be multiples of 16", params->patch[a]);
        return FALSE;
      }
  if ((params->orient == SEG_ORIENT_MIRRORED || params->orient == SEG_ORIENT_SQUARE)
      && params->patch[0] != params->patch[1])
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                   "a patch of %d × %d voxels cannot be rotated by quarters", params->patch[0],
                   params->patch[1]);
      return FALSE;
    }
  if (params->n_classes < 2 || params->n_classes > SEG_CONFIDENT_MAX_CLASSES)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH, "%d classes: 2 to %d are possible",
                   params->n_classes, SEG_CONFIDENT_MAX_CLASSES);
      return FALSE;
    }
  return TRUE;
}

SegMethod *
seg_method_new (const char *name, const SegMethodParams *params, SegContext *context,
                GError **error)
{
  g_autoptr (SegMethod) self = NULL;

  if (!check_params (name, params, error))
    return NULL;
  self = g_new0 (SegMethod, 1);
  self->info = seg_method_find (name);
  self->params = *params;
  self->context = seg_context_ref (context);
  self->saved = g_ptr_array_new_with_free_func (g_free);
  self->kept = g_ptr_array_new_with_free_func ((GDestroyNotify) seg_tensor_unref);
  self->step_losses = seg_method_get_step_losses (name);
  self->student = new_network (self, STREAM_STUDENT_INIT);
  if (self->info->uses_unlabelled)
    {
      self->teacher = new_network (self, STREAM_TEACHER_INIT);
      if (self->teacher != NULL)
        seg_module_set_requires_grad (seg_vnet_get_module (self->teacher), FALSE);
    }
  if (self->student != NULL)
    self->optimiser = seg_optimiser_new (
        seg_vnet_get_module (self->student),
        &(SegOptimiserParams){ .kind = params->adamw ? SEG_OPTIMISER_ADAMW : SEG_OPTIMISER_SGD,
                               .lr = params->lr,
                               .momentum = params->momentum,
                               .weight_decay = params->weight_decay });
  if (!seg_context_check (context, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
seg_method_free (SegMethod *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->optimiser, seg_optimiser_free);
  g_clear_pointer (&self->student, seg_vnet_free);
  g_clear_pointer (&self->teacher, seg_vnet_free);
  g_clear_pointer (&self->saved, g_ptr_array_unref);
  g_clear_pointer (&self->kept, g_ptr_array_unref);
  g_clear_pointer (&self->context, seg_context_unref);
  g_free (self);
}

const SegMethodInfo *
seg_method_get_info (const SegMethod *self)
{
  return self->info;
}

const SegMethodParams *
seg_method_get_params (const SegMethod *self)
{
  return &self->params;
}

gint64
seg_method_get_step (const SegMethod *self)
{
  return self->step;
}

void
seg_method_get_patch_params (const SegMethod *self, SegPatchParams *params)
{
  *params = (SegPatchParams){
    .patch = { self->params.patch[0], self->params.patch[1], self->params.patch[2] },
    .pad_extra = 3,
    .mark_outside = self->params.skip_outside,
    .use_last_offset =
        self->params.orient != SEG_ORIENT_MIRRORED, /* both as released, or neither */
    .orient = self->params.orient,
    .warp = self->params.warp,
    .overhang = self->params.overhang,
  };
}

/* A step
 * ---------------------------------------------------------------------------------------------- */

static double
learning_rate (const SegMethod *self)
{
  const SegMethodParams *p = &self->params;

  if (p->lr_poly)
    return seg_ramp_poly_lr (p->lr, self->step, p->n_steps);
  if (self->info->uses_generalist)
    return seg_gm_abs_lr (&(SegGmAbsSchedule){ p->n_steps, p->n_refreshes }, p->lr, self->step);
  return seg_ramp_uamt_lr (p->lr, self->step, p->n_steps);
}

void
seg_method_report_add (SegMethodReport *report, const char *name, double value)
{
  g_return_if_fail (report->n_metrics < SEG_METHOD_MAX_METRICS);
  report->metrics[report->n_metrics].name = name;
  report->metrics[report->n_metrics].value = value;
  report->n_metrics++;
}

void
seg_method_report_loss (SegMethod *self, SegMethodReport *report, const char *name,
                        SegTensor *value)
{
  const int m = report->n_metrics;

  seg_method_report_add (report, name, NAN);
  if (report->n_metrics > m)
    seg_tensor_set (&self->losses[m], seg_tensor_ref (value));
}

/* The one place where a step waits for the device: everything before it has been launched. */
static void
read_losses (SegMethod *self, SegMethodReport *report)
{
  for (int m = 0; m < SEG_METHOD_MAX_METRICS; m++)
    if (self->losses[m] != NULL)
      {
        report->metrics[m].value = seg_tensor_get_scalar (self->losses[m]);
        seg_tensor_clear (&self->losses[m]);
      }
}

static gboolean
check_finite (const SegMethodReport *report, GError **error)
{
  for (int m = 0; m < report->n_metrics; m++)
    if (!isfinite (report->metrics[m].value))
      {
        g_set_error (error, SEG_ERROR, SEG_ERROR_NOT_FINITE,
                     "step %" G_GINT64_FORMAT ": %s is not a number; training stopped at its last "
                     "checkpoint",
                     report->step, report->metrics[m].name);
        return FALSE;
      }
  return TRUE;
}

SegMethodEvent
seg_method_get_events (const SegMethod *self)
{
  const SegGmAbsSchedule schedule = { self->params.n_steps, self->params.n_refreshes };
  SegMethodEvent events = SEG_METHOD_EVENT_NONE;

  if (self->info->uses_generalist && seg_gm_abs_refresh_is_due (&schedule, self->step))
    events |= SEG_METHOD_WANTS_REFRESH;
  if (self->info->uses_generalist && seg_gm_abs_selection_is_due (&schedule, self->step))
    events |= SEG_METHOD_WANTS_SELECTION;
  if (self->step >= self->params.n_steps)
    events |= SEG_METHOD_FINISHED;
  return events;
}

/* Running statistics of both networks: the one state that a step changes before its end. */
static GPtrArray *
list_statistics (SegMethod *self)
{
  GPtrArray *all = seg_module_list_buffers (seg_vnet_get_module (self->student));

  if (self->teacher != NULL)
    {
      g_autoptr (GPtrArray) others = seg_module_list_buffers (seg_vnet_get_module (self->teacher));

      g_ptr_array_extend (all, others, NULL, NULL);
    }
  return all;
}

/* On the device: a copy each, and nothing waits for it. */
static void
keep_statistics (SegMethod *self)
{
  g_autoptr (GPtrArray) statistics = list_statistics (self);

  seg_context_hold (self->context);
  for (guint s = 0; s < statistics->len; s++)
    {
      SegTensor *tensor = g_ptr_array_index (statistics, s);

      if (s == self->kept->len)
        g_ptr_array_add (self->kept, seg_tensor_new_like (tensor, SEG_DTYPE_F32));
      seg_assign (g_ptr_array_index (self->kept, s), tensor);
    }
  seg_context_release (self->context);
}

static void
restore_statistics (SegMethod *self)
{
  g_autoptr (GPtrArray) statistics = list_statistics (self);

  seg_context_hold (self->context);
  for (guint s = 0; s < statistics->len; s++)
    seg_assign (g_ptr_array_index (statistics, s), g_ptr_array_index (self->kept, s));
  seg_context_release (self->context);
  seg_optimiser_zero_grad (self->optimiser);
}

/* Student and teacher move together or not at all: nothing yields in between. */
static void
update (SegMethod *self, double lr, gboolean has_gradient)
{
  seg_context_hold (self->context);
  if (has_gradient)
    {
      seg_optimiser_set_lr (self->optimiser, lr);
      seg_optimiser_step (self->optimiser);
    }
  if (self->teacher != NULL)
    seg_ema_update (seg_vnet_get_module (self->teacher), seg_vnet_get_module (self->student),
                    seg_ramp_ema_decay (self->step, self->params.ema_decay), SEG_EMA_PARAMETERS);
  seg_context_release (self->context);
}

static gboolean
learn (SegMethod *self, const SegBatch *batch, SegMethodReport *report, GError **error)
{
  g_autoptr (SegTensor) loss = NULL;
  g_autoptr (SegTape) tape = seg_tape_begin (self->context);

  loss = self->step_losses (self, batch, report);
  if (loss != NULL && !seg_context_failed (self->context))
    {
      seg_method_report_loss (self, report, "loss", loss);
      seg_tape_backward (tape, loss);
    }
  read_losses (self, report);
  /* They are looked at before gradients are used: a step that is not finite leaves the parameters
   * alone. */
  if (!seg_context_failed (self->context) && !check_finite (report, error))
    {
      seg_optimiser_zero_grad (self->optimiser);
      return FALSE;
    }
  if (!seg_context_failed (self->context))
    update (self, report->lr, loss != NULL);
  return seg_context_check (self->context, error);
}

gboolean
seg_method_step (SegMethod *self, const SegBatch *batch, SegMethodReport *report, GError **error)
{
  g_autoptr (GError) local = NULL;

  *report = (SegMethodReport){ .step = self->step + 1, .lr = learning_rate (self) };
  g_ptr_array_set_size (self->saved, 0);
  set_stream (self, STREAM_STEP, self->step);
  keep_statistics (self);
  if (!learn (self, batch, report, &local))
    {
      if (g_error_matches (local, SEG_ERROR, SEG_ERROR_CANCELLED))
        restore_statistics (self);
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  self->step++;
  report->events = seg_method_get_events (self);
  return TRUE;
}

/* Prediction
 * ------------------------------------------------------------------------------------------ */

SegMethodNetwork
seg_method_get_predictor (const SegMethod *self)
{
  return self->params.predict_with_teacher && self->teacher != NULL ? SEG_METHOD_TEACHER
                                                                    : SEG_METHOD_STUDENT;
}

static SegVnet *
get_network (SegMethod *self, SegMethodNetwork network)
{
  return network == SEG_METHOD_TEACHER && self->teacher != NULL ? self->teacher : self->student;
}

typedef struct
{
  SegContext *context;
  SegVnet *network;
  gboolean bf16;
  int K, C; /* C 0: no features */
  const int *patch;
} Forward;

/* One batch of windows: softmax, and the features beside it, n × (K + C) × patch. */
static gboolean
forward_windows (const float *in, int n, float *out, gsize done, gsize total, gpointer data,
                 GError **error)
{
  Forward *forward = data;
  const int *patch = forward->patch;
  gsize V = (gsize) patch[0] * (gsize) patch[1] * (gsize) patch[2];
  g_autofree float *part = NULL;

  seg_no_grad_begin (forward->context);
  {
    g_autoptr (SegTensor) x =
        seg_tensor_new_from (forward->context, forward->bf16 ? SEG_DTYPE_BF16 : SEG_DTYPE_F32,
                             SEG_SHAPE (n, 1, patch[0], patch[1], patch[2]), SEG_DTYPE_F32, in);
    g_autoptr (SegTensor) features = NULL;
    g_autoptr (SegTensor) logits =
        seg_vnet_forward (forward->network, x, forward->C > 0 ? &features : NULL);
    g_autoptr (SegTensor) p = seg_softmax (logits, 1);
    gsize K = (gsize) forward->K, C = (gsize) forward->C;

    if (C == 0)
      seg_tensor_download (p, SEG_DTYPE_F32, out);
    else if (p != NULL && features != NULL)
      {
        part = g_new (float, (gsize) n *MAX (K, C) * V);
        seg_tensor_download (p, SEG_DTYPE_F32, part);
        for (gsize i = 0; i < (gsize) n; i++)
          memcpy (out + i * (K + C) * V, part + i * K * V, K * V * sizeof (float));
        seg_tensor_download (features, SEG_DTYPE_F32, part);
        for (gsize i = 0; i < (gsize) n; i++)
          memcpy (out + (i * (K + C) + K) * V, part + i * C * V, C * V * sizeof (float));
      }
  }
  seg_no_grad_end (forward->context);
  return seg_context_check (forward->context, error);
}

gboolean
seg_method_predict (SegMethod *self, SegMethodNetwork network, const float *image,
                    const int size[3], float *probabilities, float *features, GError **error)
{
  const SegMethodParams *p = &self->params;
  gsize V = (gsize) size[0] * (gsize) size[1] * (gsize) size[2];
  gsize K = (gsize) p->n_classes, C = features != NULL ? (gsize) p->filters : 0;
  SegVnet *net = get_network (self, network);
  Forward forward = { self->context, net, p->bf16, (int) K, (int) C, p->patch };
  SegWindowParams window = {
    .size = { size[0], size[1], size[2] },
    .patch = { p->patch[0], p->patch[1], p->patch[2] },
    .n_in = 1,
    .n_out = (int) (K + C),
    .batch = 1,
  };
  g_autofree float *together = NULL;
  gboolean ok;

  seg_window_params_set_overlap (&window, p->window_overlap);
  seg_module_set_training (seg_vnet_get_module (net), FALSE);
  if (C == 0)
    ok = seg_window_run_average (&window, image, forward_windows, &forward, probabilities, error);
  else
    {
      together = g_try_new (float, (K + C) * V);
      if (together == NULL)
        {
          g_set_error (error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY,
                       "no memory for the features of a scan of %d × %d × %d voxels", size[0],
                       size[1], size[2]);
          ok = FALSE;
        }
      else
        ok = seg_window_run_average (&window, image, forward_windows, &forward, together, error);
      if (ok)
        {
          memcpy (probabilities, together, K * V * sizeof (float));
          memcpy (features, together + K * V, C * V * sizeof (float));
        }
    }
  seg_module_set_training (seg_vnet_get_module (net), TRUE);
  return ok;
}

/* Checkpoints
 * ----------------------------------------------------------------------------------------- */

typedef struct
{
  SegMethod *self;
  SegCheckpoint *checkpoint;
  SegWeightsWriter *writer;
  const char *group;
  SegWeights *weights; /* loading */
  GString *missing;
} Walk;

static float *
download_kept (SegMethod *self, SegTensor *tensor)
{
  float *values = g_new (float, (gsize) MAX (seg_tensor_get_n_elements (tensor), 1));

  g_ptr_array_add (self->saved, values);
  seg_tensor_download (tensor, SEG_DTYPE_F32, values);
  return values;
}

static void
save_entry (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer data)
{
  Walk *walk = data;
  float *values = download_kept (walk->self, tensor);

  if (walk->checkpoint != NULL)
    seg_checkpoint_add (walk->checkpoint, walk->group, name, SEG_WEIGHT_F32,
                        seg_tensor_get_rank (tensor), seg_tensor_get_shape (tensor), values);
  else
    seg_weights_writer_add (walk->writer, name, SEG_WEIGHT_F32, seg_tensor_get_rank (tensor),
                            seg_tensor_get_shape (tensor), values);
}

static void
load_entry (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer data)
{
  Walk *walk = data;
  const SegWeight *weight = seg_weights_find (walk->weights, name);

  if (weight == NULL || weight->dtype != SEG_WEIGHT_F32
      || !seg_tensor_has_shape (tensor, weight->n_dims, weight->shape))
    {
      g_string_append_printf (walk->missing, "%s%s/%s", walk->missing->len > 0 ? ", " : "",
                              walk->group, name);
      return;
    }
  seg_tensor_upload (tensor, SEG_DTYPE_F32, weight->data);
}

gboolean
seg_method_save (SegMethod *self, SegCheckpoint *checkpoint, GError **error)
{
  Walk walk = { .self = self, .checkpoint = checkpoint, .group = "student" };
  g_autofree char *params = seg_method_params_to_json (&self->params);

  g_ptr_array_set_size (self->saved, 0);
  seg_module_foreach (seg_vnet_get_module (self->student), save_entry, &walk);
  if (self->teacher != NULL)
    {
      /* Its running statistics are its own, not an average: they are saved with it. */
      walk.group = "teacher";
      seg_module_foreach (seg_vnet_get_module (self->teacher), save_entry, &walk);
    }
  walk.group = "optimiser";
  seg_optimiser_foreach (self->optimiser, save_entry, &walk);
  seg_checkpoint_set_string (checkpoint, "method", self->info->name);
  seg_checkpoint_set_string (checkpoint, "params", params);
  seg_checkpoint_set_int (checkpoint, "step", self->step);
  seg_checkpoint_set_int (checkpoint, "optimiser-steps",
                          seg_optimiser_get_n_steps (self->optimiser));
  return seg_context_check (self->context, error);
}

static gboolean
check_same (SegMethod *self, SegCheckpoint *checkpoint, GError **error)
{
  const char *method, *json;
  g_autofree char *own = seg_method_params_to_json (&self->params);

  if (!seg_checkpoint_get_string (checkpoint, "method", &method, error)
      || !seg_checkpoint_get_string (checkpoint, "params", &json, error))
    return FALSE;
  if (strcmp (method, self->info->name) != 0 || strcmp (json, own) != 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                   "the checkpoint is of another training (%s with other parameters)", method);
      return FALSE;
    }
  return TRUE;
}

static void
load_group (Walk *walk, const char *group, SegCheckpoint *checkpoint,
            void (*foreach) (gpointer, SegModuleFunc, gpointer), gpointer what)
{
  g_autoptr (SegWeights) weights = seg_checkpoint_get_group (checkpoint, group);

  walk->group = group;
  walk->weights = weights;
  foreach (what, load_entry, walk)
    ;
}

gboolean
seg_method_load (SegMethod *self, SegCheckpoint *checkpoint, GError **error)
{
  g_autoptr (GString) missing = g_string_new (NULL);
  Walk walk = { .self = self, .missing = missing };
  gint64 step, n_optimiser;

  if (!check_same (self, checkpoint, error)
      || !seg_checkpoint_get_int (checkpoint, "step", &step, error)
      || !seg_checkpoint_get_int (checkpoint, "optimiser-steps", &n_optimiser, error))
    return FALSE;
  seg_optimiser_set_n_steps (self->optimiser, n_optimiser);
  load_group (&walk, "student", checkpoint,
              (void (*) (gpointer, SegModuleFunc, gpointer)) seg_module_foreach,
              seg_vnet_get_module (self->student));
  if (self->teacher != NULL)
    load_group (&walk, "teacher", checkpoint,
                (void (*) (gpointer, SegModuleFunc, gpointer)) seg_module_foreach,
                seg_vnet_get_module (self->teacher));
  load_group (&walk, "optimiser", checkpoint,
              (void (*) (gpointer, SegModuleFunc, gpointer)) seg_optimiser_foreach,
              self->optimiser);
  if (missing->len > 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "the checkpoint lacks %s", missing->str);
      return FALSE;
    }
  self->step = step;
  return seg_context_check (self->context, error);
}

gboolean
seg_method_write_model (SegMethod *self, SegWeightsWriter *writer, GError **error)
{
  Walk walk = { .self = self, .writer = writer };
  g_autofree char *params = seg_method_params_to_json (&self->params);

  g_ptr_array_set_size (self->saved, 0);
  seg_module_foreach (seg_vnet_get_module (get_network (self, seg_method_get_predictor (self))),
                      save_entry, &walk);
  seg_weights_writer_set_metadata (writer, "network", "vnet");
  seg_weights_writer_set_metadata (writer, "method", self->info->name);
  seg_weights_writer_set_metadata (writer, "params", params);
  return seg_context_check (self->context, error);
}

gboolean
seg_method_read_model (SegMethod *self, SegWeights *weights, GError **error)
{
  g_autoptr (GString) missing = g_string_new (NULL);
  Walk walk = { .self = self, .missing = missing, .group = "model", .weights = weights };

  seg_module_foreach (seg_vnet_get_module (get_network (self, seg_method_get_predictor (self))),
                      load_entry, &walk);
  if (missing->len > 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH, "not this network's weights: %s",
                   missing->str);
      return FALSE;
    }
  return seg_context_check (self->context, error);
}
