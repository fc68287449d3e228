/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/nn/optimiser.h"
#include "seg/tensor/context.h"

#include <math.h>

typedef struct
{
  char *name;
  SegTensor *parameter; /* owned */
  SegTensor *first; /* momentum, or m */
  SegTensor *second; /* v */
  double lr_factor;
} Slot;

struct _SegOptimiser
{
  SegModule *module;
  SegOptimiserParams params;
  GArray *slots;
  gint64 n_steps;
  double grad_norm;
};

static SegTensor *
new_state (SegTensor *parameter)
{
  SegTensor *state = seg_tensor_new_like (parameter, SEG_DTYPE_F32);

  seg_fill (state, 0);
  return state;
}

static void
add_slot_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  SegOptimiser *self = user_data;
  Slot slot = { NULL, NULL, NULL, NULL, 1 };
  const gboolean adam = self->params.kind == SEG_OPTIMISER_ADAMW;

  if (kind != SEG_ENTRY_PARAMETER || !seg_tensor_get_requires_grad (tensor))
    return;
  slot.name = g_strdup (name);
  slot.parameter = seg_tensor_ref (tensor);
  if (adam || self->params.momentum != 0)
    slot.first = new_state (tensor);
  if (adam)
    slot.second = new_state (tensor);
  g_array_append_val (self->slots, slot);
}

SegOptimiser *
seg_optimiser_new (SegModule *module, const SegOptimiserParams *params)
{
  SegOptimiser *self = g_new0 (SegOptimiser, 1);

  self->module = seg_module_ref (module);
  self->params = *params;
  if (self->params.beta1 == 0)
    self->params.beta1 = 0.9;
  if (self->params.beta2 == 0)
    self->params.beta2 = 0.999;
  if (self->params.eps == 0)
    self->params.eps = 1e-8;
  self->slots = g_array_new (FALSE, FALSE, sizeof (Slot));
  seg_module_foreach (module, add_slot_cb, self);
  return self;
}

void
seg_optimiser_free (SegOptimiser *self)
{
  if (self == NULL)
    return;
  for (guint s = 0; s < self->slots->len; s++)
    {
      Slot *slot = &g_array_index (self->slots, Slot, s);

      g_free (slot->name);
      seg_tensor_unref (slot->parameter);
      seg_tensor_unref (slot->first);
      seg_tensor_unref (slot->second);
    }
  g_array_unref (self->slots);
  seg_module_unref (self->module);
  g_free (self);
}

void
seg_optimiser_set_lr_factor (SegOptimiser *self, const char *prefix, double factor)
{
  for (guint s = 0; s < self->slots->len; s++)
    {
      Slot *slot = &g_array_index (self->slots, Slot, s);

      if (g_str_has_prefix (slot->name, prefix))
        slot->lr_factor = factor;
    }
}

void
seg_optimiser_set_lr (SegOptimiser *self, double lr)
{
  self->params.lr = lr;
}

double
seg_optimiser_get_lr (SegOptimiser *self)
{
  return self->params.lr;
}

/* Norm over all gradients; NaN and infinity show here as well. */
static double
measure_gradients (SegOptimiser *self)
{
  double sum = 0;

  for (guint s = 0; s < self->slots->len; s++)
    {
      SegTensor *grad = seg_tensor_get_grad (g_array_index (self->slots, Slot, s).parameter);
      g_autoptr (SegTensor) one = NULL;
      SegReduceParams params = { SEG_REDUCE_SUM_SQUARES, 0 };
      gint64 shape[SEG_MAX_RANK];

      if (grad == NULL)
        continue;
      params.axes = (1u << seg_tensor_get_rank (grad)) - 1;
      for (int a = 0; a < SEG_MAX_RANK; a++)
        shape[a] = 1;
      one = seg_tensor_new (seg_tensor_get_context (grad), SEG_DTYPE_F32,
                            seg_tensor_get_rank (grad), shape);
      if (one != NULL
          && seg_context_run (seg_tensor_get_context (grad), SEG_OP_REDUCE, &params, sizeof params,
                              1, &one, 1, &grad))
        sum += seg_tensor_get_scalar (one);
    }
  return sqrt (sum);
}

static void
step_sgd (SegOptimiser *self, Slot *slot, SegTensor *grad, double grad_scale)
{
  SegSgdParams params = {
    .lr = self->params.lr * slot->lr_factor,
    .momentum = self->params.momentum,
    .decay = self->params.weight_decay,
    .grad_scale = grad_scale,
    .nesterov = self->params.nesterov,
    .first = self->n_steps == 0,
  };

  seg_context_run (seg_tensor_get_context (grad), SEG_OP_SGD, &params, sizeof params, 2,
                   (SegTensor *[]){ slot->parameter, slot->first }, 1, &grad);
}

static void
step_adamw (SegOptimiser *self, Slot *slot, SegTensor *grad, double grad_scale)
{
  SegAdamwParams params = {
    .lr = self->params.lr * slot->lr_factor,
    .beta1 = self->params.beta1,
    .beta2 = self->params.beta2,
    .eps = self->params.eps,
    .decay = self->params.weight_decay,
    .grad_scale = grad_scale,
    .step = self->n_steps + 1,
  };

  seg_context_run (seg_tensor_get_context (grad), SEG_OP_ADAMW, &params, sizeof params, 3,
                   (SegTensor *[]){ slot->parameter, slot->first, slot->second }, 1, &grad);
}

gboolean
seg_optimiser_step (SegOptimiser *self)
{
  SegContext *context = seg_module_get_context (self->module);
  double grad_scale = 1;

  if (seg_context_failed (context))
    return FALSE;
  if (self->params.clip_norm > 0)
    {
      self->grad_norm = measure_gradients (self);
      if (!isfinite (self->grad_norm))
        {
          seg_context_fail (context, SEG_ERROR_NOT_FINITE, "the gradient is not finite");
          return FALSE;
        }
      /* PyTorch's clip_grad_norm_ has the same 1e-6 */
      grad_scale = MIN (1, self->params.clip_norm / (self->grad_norm + 1e-6));
    }
  seg_context_hold (context);
  for (guint s = 0; s < self->slots->len; s++)
    {
      Slot *slot = &g_array_index (self->slots, Slot, s);
      SegTensor *grad = seg_tensor_get_grad (slot->parameter);

      if (grad == NULL || !seg_tensor_get_requires_grad (slot->parameter))
        continue;
      if (self->params.kind == SEG_OPTIMISER_SGD)
        step_sgd (self, slot, grad, grad_scale);
      else
        step_adamw (self, slot, grad, grad_scale);
    }
  self->n_steps++;
  seg_optimiser_zero_grad (self);
  seg_context_release (context);
  return !seg_context_failed (context);
}

void
seg_optimiser_zero_grad (SegOptimiser *self)
{
  for (guint s = 0; s < self->slots->len; s++)
    seg_tensor_clear_grad (g_array_index (self->slots, Slot, s).parameter);
}

double
seg_optimiser_get_grad_norm (SegOptimiser *self)
{
  return self->grad_norm;
}

gint64
seg_optimiser_get_n_steps (SegOptimiser *self)
{
  return self->n_steps;
}

void
seg_optimiser_set_n_steps (SegOptimiser *self, gint64 n_steps)
{
  self->n_steps = n_steps;
}

void
seg_optimiser_foreach (SegOptimiser *self, SegModuleFunc func, gpointer user_data)
{
  const gboolean adam = self->params.kind == SEG_OPTIMISER_ADAMW;

  for (guint s = 0; s < self->slots->len; s++)
    {
      Slot *slot = &g_array_index (self->slots, Slot, s);
      g_autofree char *first = g_strconcat (slot->name, adam ? ".m" : ".momentum", NULL);
      g_autofree char *second = g_strconcat (slot->name, ".v", NULL);

      if (slot->first != NULL)
        func (first, slot->first, SEG_ENTRY_BUFFER, user_data);
      if (slot->second != NULL)
        func (second, slot->second, SEG_ENTRY_BUFFER, user_data);
    }
}

typedef struct
{
  SegModule *student;
  double decay;
  SegEmaScope scope;
  gboolean good;
} Ema;

static void
ema_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Ema *ema = user_data;
  SegTensor *source;
  SegLerpParams params = { ema->decay };

  if ((ema->scope == SEG_EMA_PARAMETERS && kind != SEG_ENTRY_PARAMETER)
      || (ema->scope == SEG_EMA_BUFFERS && kind != SEG_ENTRY_BUFFER))
    return;
  source = seg_module_lookup (ema->student, name);
  if (source == NULL)
    {
      seg_context_fail (seg_tensor_get_context (tensor), SEG_ERROR_MISMATCH,
                        "moving average: the student has no %s", name);
      ema->good = FALSE;
      return;
    }
  ema->good = seg_context_run (seg_tensor_get_context (tensor), SEG_OP_LERP, &params, sizeof params,
                               1, &tensor, 1, &source)
              && ema->good;
}

gboolean
seg_ema_update (SegModule *teacher, SegModule *student, double decay, SegEmaScope scope)
{
  Ema ema = { student, decay, scope, TRUE };

  seg_context_hold (seg_module_get_context (teacher));
  seg_module_foreach (teacher, ema_cb, &ema);
  seg_context_release (seg_module_get_context (teacher));
  return ema.good;
}
