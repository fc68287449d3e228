/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/nn/module.h"

G_BEGIN_DECLS

typedef enum
{
  SEG_OPTIMISER_SGD,
  SEG_OPTIMISER_ADAMW,
} SegOptimiserKind;

typedef struct
{
  SegOptimiserKind kind;
  double lr;
  double weight_decay; /* SGD: added to the gradient; AdamW: decoupled */
  double momentum; /* SGD */
  gboolean nesterov; /* SGD */
  double beta1; /* AdamW; 0: 0.9 */
  double beta2; /* AdamW; 0: 0.999 */
  double eps; /* AdamW; 0: 1e-8 */
  double clip_norm; /* > 0: the gradient's norm over all parameters is at most this */
} SegOptimiserParams;

/* Updates the parameters of @module that require a gradient. Its state is named as the parameters
 * are: "NAME.momentum", or "NAME.m" and "NAME.v". */
typedef struct _SegOptimiser SegOptimiser;

SegOptimiser *seg_optimiser_new (SegModule *module,
                                 const SegOptimiserParams *params) G_GNUC_WARN_UNUSED_RESULT;
void seg_optimiser_free (SegOptimiser *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegOptimiser, seg_optimiser_free)

/* Parameters whose full name begins with @prefix learn with lr·@factor (a head ×5, say). */
void seg_optimiser_set_lr_factor (SegOptimiser *self, const char *prefix, double factor);
void seg_optimiser_set_lr (SegOptimiser *self, double lr);
double seg_optimiser_get_lr (SegOptimiser *self);

/* One step from the gradients in the parameters, which are then zeroed. Does nothing while an error
 * is remembered in the context, so an unfinished step leaves no trace. */
gboolean seg_optimiser_step (SegOptimiser *self);
void seg_optimiser_zero_grad (SegOptimiser *self);
/* Norm of all gradients together, of the last step (only known with clip_norm). */
double seg_optimiser_get_grad_norm (SegOptimiser *self);

gint64 seg_optimiser_get_n_steps (SegOptimiser *self);
void seg_optimiser_set_n_steps (SegOptimiser *self, gint64 n_steps); /* resuming */
/* State tensors for checkpoints: they may be read, and uploaded to when resuming. */
void seg_optimiser_foreach (SegOptimiser *self, SegModuleFunc func, gpointer user_data);

/* Learning-rate schedules: the rate at step t (from 0) of a total. */
double seg_schedule_step (double lr, gint64 t, const gint64 *milestones, int n, double factor);
double seg_schedule_poly (double lr, gint64 t, gint64 total, double power);
double seg_schedule_cosine (double lr, double lr_min, gint64 t, gint64 total);
double seg_schedule_warmup (double lr, gint64 t, gint64 warmup); /* linear from lr/warmup */
/* exp (−5·(1 − clip (t/total))²): the consistency ramp-up of mean teachers; 1 if total ≤ 0 */
double seg_schedule_rampup (double t, double total);

/* teacher = decay·teacher + (1 − decay)·student, by name. Parameters alone, or buffers too. */
typedef enum
{
  SEG_EMA_PARAMETERS,
  SEG_EMA_BUFFERS,
  SEG_EMA_BOTH,
} SegEmaScope;
gboolean seg_ema_update (SegModule *teacher, SegModule *student, double decay, SegEmaScope scope);

G_END_DECLS
