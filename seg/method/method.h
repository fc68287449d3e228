/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/infer/loader.h"
#include "seg/weights/checkpoint.h"

G_BEGIN_DECLS

/* What a trained method's network is made of, and how it is trained. All that a step does is a pure
 * function of these, the seed, the step and the batch (I7). */
typedef struct
{
  /* the network */
  int n_classes; /* background included, 2 … 64 */
  int filters; /* of the first level: 16 in the papers, 8 in the laptop profile */
  int patch[3]; /* multiples of 16 */
  gboolean bf16; /* products and activations in bf16, parameters in f32 */

  /* the run */
  gint64 n_steps;
  guint64 seed;
  int batch_labelled; /* 2 */
  int batch_unlabelled; /* 2; 0 where the method uses none */
  double lr; /* 0.01 */
  gboolean lr_poly; /* lr (1 − t / n_steps)^0.9 instead of the paper's steps: short runs */
  gboolean adamw; /* AdamW instead of SGD with momentum: short runs */
  double momentum; /* 0.9 */
  double weight_decay; /* 1e-4 */
  double ema_decay; /* 0.99, of the teacher */
  double consistency; /* 0.1, the largest weight of the consistency loss */
  double dropout; /* 0.5, whole channels; 0 for none */
  double
      window_overlap; /* of prediction, share of the patch: 0.43 gives gm-abs' stride 64 of 112 */

  /* what patches go through */
  SegOrientRule orient; /* SQUARE and MIRRORED want a patch square in axes 0 and 1 */
  SegWarpParams warp;
  double overhang; /* see SegPatchParams */
  double class_balance; /* β of SegSupervisedParams at the start, falling to 0 in the first three
                           tenths of the run; 0 in the papers. A structure of a few voxels is
                           learned early with it; kept up, the network calls structure what no plane
                           ever showed. A training multiplies it by how unlike the classes are */
  gboolean skip_outside; /* padding is in no loss; in the papers the unlabelled losses count it */

  /* gm-abs: its decisions made explicit (dossier, section 10) */
  int n_refreshes; /* of the generalist's labels; 13 as released */
  gboolean dice_term; /* half of the supervised loss is Dice on the labelled planes; not in
                         the paper, on by default here */
  gboolean ce_broadcast; /* the released slip: each patch also supervised on the others' planes */
  gboolean gamma_alias; /* the student sees the gamma-changed unlabelled patches too */
  gboolean teacher_clean_pass; /* a teacher pass whose result is not used but for its statistics */
  gboolean expert_wins; /* the generalist's label gives way to the expert's on labelled planes */
  gboolean agreement; /* its labels count where the teacher says the same, nothing elsewhere */
  gboolean missing_unknown; /* where a scan's labels lack a class that every labelled scan shows,
                               background there is nobody's guess: a structure not found yet is not
                               taught to be none */
  gboolean clean_prompts; /* see SegRefreshParams */
  gboolean confident; /* confident-learning correction */
  gboolean clip_logits;
  double pseudo_weight; /* of the loss on the generalist's labels; 0.5 as released */
  gboolean pseudo_fade; /* it falls to a tenth over the run, as released */
  gboolean pseudo_dice; /* half of it is Dice, as of the supervised loss; not in the paper */
  gboolean predict_with_teacher;
} SegMethodParams;

typedef enum
{
  SEG_METHOD_EVENT_NONE = 0,
  SEG_METHOD_WANTS_REFRESH = 1 << 0, /* new labels of the generalist, see refresh.h */
  SEG_METHOD_WANTS_SELECTION = 1 << 1, /* the paper selects here, mid-training */
  SEG_METHOD_FINISHED = 1 << 2, /* n_steps are done */
} SegMethodEvent;

#define SEG_METHOD_MAX_METRICS 8

/* What a step measured; names are static: "loss", "loss.supervised", "loss.consistency", … */
typedef struct
{
  gint64 step; /* finished steps, this one included */
  SegMethodEvent events;
  double lr;
  int n_metrics;
  struct
  {
    const char *name;
    double value;
  } metrics[SEG_METHOD_MAX_METRICS];
} SegMethodReport;

/**
 * SegMethod: a way to train a specialist.
 *
 * Threads: belongs to the engine thread.
 */
typedef struct _SegMethod SegMethod;
typedef struct _SegContext SegContext;

typedef struct
{
  const char *name; /* of the command line: "gm-abs" */
  const char *title; /* for people */
  const char *summary; /* one sentence */
  gboolean uses_unlabelled;
  gboolean uses_generalist;
} SegMethodInfo;

/* Known methods: sup-only, mean-teacher, ua-mt, gm-abs. */
const SegMethodInfo *seg_method_list (gsize *n);
const SegMethodInfo *seg_method_find (const char *name); /* or NULL */

/* The paper's values for @name; with @parity also its accidents. n_classes, patch and seed stay 0.
 */
void seg_method_params_init (SegMethodParams *params, const char *name, gboolean parity);
char *seg_method_params_to_json (const SegMethodParams *params) G_GNUC_WARN_UNUSED_RESULT;
gboolean seg_method_params_from_json (SegMethodParams *params, const char *json, GError **error);
/* One of them, by the name it has there; FALSE without an error where there is none of that name.
 */
gboolean seg_method_params_set (SegMethodParams *params, const char *name, const char *value,
                                GError **error);

/**
 * seg_method_new:
 * @name: of seg_method_list()
 * @context: where tensors live; its random stream is set anew for each step
 *
 * Returns: the method before its first step, its networks randomly initialised from the seed
 */
SegMethod *seg_method_new (const char *name, const SegMethodParams *params, SegContext *context,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
void seg_method_free (SegMethod *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegMethod, seg_method_free)

const SegMethodInfo *seg_method_get_info (const SegMethod *self);
const SegMethodParams *seg_method_get_params (const SegMethod *self);
gint64 seg_method_get_step (const SegMethod *self); /* finished steps */
/* What is wanted after as many steps; see seg_method_step(). */
SegMethodEvent seg_method_get_events (const SegMethod *self);

/* How patches of this method are cut. */
void seg_method_get_patch_params (const SegMethod *self, SegPatchParams *params);

/**
 * seg_method_step:
 * @batch: labelled patches first; labels outside the domain are in no supervised loss (I3)
 *
 * One step. After SEG_ERROR_CANCELLED (from the yield hook) the method is what it was before the
 * step, and may be saved; after any other error it is spoilt: load the last checkpoint.
 */
gboolean seg_method_step (SegMethod *self, const SegBatch *batch, SegMethodReport *report,
                          GError **error);

typedef enum
{
  SEG_METHOD_STUDENT,
  SEG_METHOD_TEACHER
} SegMethodNetwork;

/* The network that predicts for people (student unless the params say otherwise). */
SegMethodNetwork seg_method_get_predictor (const SegMethod *self);

/**
 * seg_method_predict:
 * @image: a prepared volume, axis 2 fastest
 * @probabilities: (out): n_classes × size, averaged over sliding windows
 * @features: (out) (nullable): filters × size, the map before the last convolution
 *
 * In evaluation mode: running statistics, no dropout; the training state does not move.
 */
gboolean seg_method_predict (SegMethod *self, SegMethodNetwork network, const float *image,
                             const int size[3], float *probabilities, float *features,
                             GError **error);

/* Everything I7 asks for but the loader's order, into and out of a checkpoint. Saving copies what
 * it needs to @self's memory, valid until the next step. */
gboolean seg_method_save (SegMethod *self, SegCheckpoint *checkpoint, GError **error);
gboolean seg_method_load (SegMethod *self, SegCheckpoint *checkpoint, GError **error);

/* The predictor alone, as a model file for others: safetensors with metadata. */
gboolean seg_method_write_model (SegMethod *self, SegWeightsWriter *writer, GError **error);
/* Puts a model file's weights into the predictor; params come from the metadata
 * "params" and "method" of the file. */
gboolean seg_method_read_model (SegMethod *self, SegWeights *weights, GError **error);

G_END_DECLS
