/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tensor.h"

G_BEGIN_DECLS

/**
 * SegTape: reverse-mode differentiation. While a tape is current in a context, operations on
 * tensors that require a gradient (parameters, and what was computed from them) are recorded.
 *
 *   g_autoptr (SegTape) tape = seg_tape_begin (ctx);
 *   g_autoptr (SegTensor) logits = seg_vnet_forward (net, x);
 *   g_autoptr (SegTensor) loss = seg_cross_entropy (logits, target, NULL, NULL, -1);
 *   seg_tape_backward (tape, loss);             gradients are in the parameters
 *   seg_optimiser_step (optimiser);
 *   if (!seg_context_check (ctx, &error)) …
 *
 * Memory that backward can compute again (normalised activations) is dropped as soon as the caller
 * lets go of the tensor, once a twelfth of all memory is in use: unref activations early. The tape
 * frees what it holds while it runs back.
 */

/* Makes a new tape current; the one before is current again when this one is ended or freed. */
SegTape *seg_tape_begin (SegContext *context) G_GNUC_WARN_UNUSED_RESULT;
void seg_tape_free (SegTape *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegTape, seg_tape_free)

/* Recording stops; the next backward is still possible. */
void seg_tape_end (SegTape *self);

/* d loss / d everything; @loss has one element, its gradient is 1. Ends recording. Once per tape.
 * Returns: FALSE if an error is remembered. */
gboolean seg_tape_backward (SegTape *self, SegTensor *loss);
/* The same from a tensor of any shape with its gradient given. */
gboolean seg_tape_backward_from (SegTape *self, SegTensor *out, SegTensor *dout);

/* Between these nothing is recorded (a teacher, validation). They nest. */
void seg_no_grad_begin (SegContext *context);
void seg_no_grad_end (SegContext *context);

/* The same values, from which no gradient flows back. Returns: (transfer full) a view */
SegTensor *seg_stop_gradient (SegTensor *x) G_GNUC_WARN_UNUSED_RESULT;

/**
 * SegCheckpointFunc: computes from @x alone (and parameters); called again during backward.
 * seg_checkpoint() keeps @x instead of everything computed inside; random draws repeat.
 */
typedef SegTensor *(*SegCheckpointFunc) (gpointer user_data, SegTensor *x);
SegTensor *seg_checkpoint (SegCheckpointFunc func, gpointer user_data,
                           SegTensor *x) G_GNUC_WARN_UNUSED_RESULT;

/* For the files of seg/ops ------------------------------------------------------------------- */

#define SEG_NODE_MAX 8

typedef struct _SegNode SegNode;
/* Reads the gradient of node->out, adds to those of node->in with seg_node_give(). */
typedef void (*SegNodeBackward) (SegNode *node);

struct _SegNode
{
  SegNodeBackward backward;
  SegTensor *out;
  SegTensor *in[SEG_NODE_MAX]; /* differentiable inputs, NULL where absent */
  SegTensor *saved[SEG_NODE_MAX]; /* whatever else backward needs */
  union
  {
    guint8 bytes[192];
    gint64 align;
  } params; /* copied */
  gsize params_size;
};

/* Is anything recorded if these are the inputs? (Decides whether extra outputs must be kept.) */
gboolean seg_tape_wants (SegContext *context, int n_in, SegTensor *const *in);
/* Records out ← in. Does nothing without a current tape or if no input requires a gradient. Returns
 * the node, or NULL if not recorded. @out may be NULL (then NULL). */
SegNode *seg_tape_record (SegTensor *out, SegNodeBackward backward, int n_in, SegTensor *const *in,
                          const void *params, gsize params_size);
void seg_node_save (SegNode *self, int slot,
                    SegTensor *tensor); /* takes a reference; node may be NULL */
/* The output can be computed again from the inputs: @again fills node->out. */
void seg_node_set_recompute (SegNode *self, gboolean (*again) (SegNode *node));
SegTensor *seg_node_dout (SegNode *self); /* (transfer none): never NULL within backward */
gboolean seg_node_needs (SegNode *self, int input);
void seg_node_give (SegNode *self, int input, SegTensor *grad); /* transfer full; NULL is ignored */
/* The F32 gradient buffer of a parameter input, zeroed when new, to be added to. (transfer none) */
SegTensor *seg_node_grad_buffer (SegNode *self, int input);

G_END_DECLS
