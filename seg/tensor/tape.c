/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/tensor/tensor-private.h"

#include <string.h>

/* A node as the tape keeps it. */
typedef struct
{
  SegNode public;
  gboolean (*again) (SegNode *node);
} Node;

static void
link_tensor (SegTensor **slot, SegTensor *tensor)
{
  *slot = seg_tensor_ref (tensor);
  if (tensor != NULL)
    tensor->link_count++;
}

static void
unlink_tensor (SegTensor **slot)
{
  SegTensor *tensor = g_steal_pointer (slot);

  if (tensor == NULL)
    return;
  tensor->link_count--;
  seg_tensor_unref (tensor);
}

static void
unsave_tensor (SegTensor **slot)
{
  SegTensor *tensor = g_steal_pointer (slot);

  if (tensor == NULL)
    return;
  tensor->save_count--;
  seg_tensor_unref (tensor);
}

static void
node_free (Node *node)
{
  SegTensor *out = node->public.out;

  if (out != NULL)
    {
      out->node = NULL;
      out->requires_grad = out->requires_grad && out->parameter;
      if (!out->retain_grad && !out->parameter)
        seg_tensor_clear (&out->grad);
    }
  for (int i = 0; i < SEG_NODE_MAX; i++)
    {
      unsave_tensor (&node->public.saved[i]);
      unlink_tensor (&node->public.in[i]);
    }
  unlink_tensor (&node->public.out);
  g_slice_free (Node, node);
}

SegTape *
seg_tape_begin (SegContext *context)
{
  SegTape *self = g_new0 (SegTape, 1);

  self->context = seg_context_ref (context);
  self->nodes = g_ptr_array_new ();
  self->outer = context->tape;
  self->current = TRUE;
  context->tape = self;
  return self;
}

void
seg_tape_end (SegTape *self)
{
  if (!self->current)
    return;
  /* Tapes nest: whatever was begun after this one ends with it. */
  for (SegTape *tape = self->context->tape; tape != NULL && tape != self; tape = tape->outer)
    tape->current = FALSE;
  self->context->tape = self->outer;
  self->current = FALSE;
}

void
seg_tape_free (SegTape *self)
{
  if (self == NULL)
    return;
  seg_tape_end (self);
  for (guint n = self->nodes->len; n > 0; n--)
    if (self->nodes->pdata[n - 1] != NULL)
      node_free (self->nodes->pdata[n - 1]);
  g_ptr_array_unref (self->nodes);
  seg_context_unref (self->context);
  g_free (self);
}

gboolean
seg_tape_wants (SegContext *context, int n_in, SegTensor *const *in)
{
  if (context->tape == NULL || context->no_grad > 0)
    return FALSE;
  for (int i = 0; i < n_in; i++)
    if (in[i] != NULL && in[i]->requires_grad)
      return TRUE;
  return FALSE;
}

SegNode *
seg_tape_record_always (SegTensor *out, SegNodeBackward backward, int n_in, SegTensor *const *in,
                        const void *params, gsize params_size)
{
  Node *node = g_slice_new0 (Node);

  g_assert (n_in <= SEG_NODE_MAX && params_size <= sizeof node->public.params);
  node->public.backward = backward;
  node->public.params_size = params_size;
  if (params_size > 0)
    memcpy (&node->public.params, params, params_size);
  link_tensor (&node->public.out, out);
  for (int i = 0; i < n_in; i++)
    link_tensor (&node->public.in[i], in[i]);
  out->requires_grad = TRUE;
  out->node = &node->public;
  g_ptr_array_add (out->context->tape->nodes, node);
  return &node->public;
}

SegNode *
seg_tape_record (SegTensor *out, SegNodeBackward backward, int n_in, SegTensor *const *in,
                 const void *params, gsize params_size)
{
  if (out == NULL || !seg_tape_wants (out->context, n_in, in))
    return NULL;
  return seg_tape_record_always (out, backward, n_in, in, params, params_size);
}

void
seg_node_save (SegNode *self, int slot, SegTensor *tensor)
{
  if (self == NULL || tensor == NULL)
    return;
  self->saved[slot] = seg_tensor_ref (tensor);
  tensor->save_count++;
}

void
seg_node_set_recompute (SegNode *self, gboolean (*again) (SegNode *node))
{
  if (self != NULL)
    ((Node *) self)->again = again;
}

gboolean
seg_node_can_recompute (SegNode *self)
{
  return ((Node *) self)->again != NULL;
}

static gboolean
materialise_saved (SegNode *node)
{
  for (int i = 0; i < SEG_NODE_MAX; i++)
    if (node->saved[i] != NULL && !seg_tensor_materialise (node->saved[i]))
      return FALSE;
  return TRUE;
}

gboolean
seg_tensor_materialise (SegTensor *self)
{
  if (self->storage != NULL)
    return TRUE;
  if (self->node == NULL || !seg_node_can_recompute (self->node))
    {
      seg_context_fail (self->context, SEG_ERROR_BACKEND, "an activation was dropped too early");
      return FALSE;
    }
  return materialise_saved (self->node)
         && seg_tensor_allocate (self, seg_tensor_get_n_elements (self))
         && ((Node *) self->node)->again (self->node);
}

SegTensor *
seg_node_dout (SegNode *self)
{
  return self->out->grad;
}

gboolean
seg_node_needs (SegNode *self, int input)
{
  return self->in[input] != NULL && self->in[input]->requires_grad;
}

static void
add_into (SegTensor *sum, SegTensor *a, SegTensor *b)
{
  seg_context_run (sum->context, SEG_OP_BINARY, &(SegBinaryParams){ SEG_BINARY_ADD },
                   sizeof (SegBinaryParams), 1, &sum, 2, (SegTensor *[]){ a, b });
}

static gboolean
is_alone (SegTensor *grad)
{
  return grad->ref_count == 1 && grad->storage->ref_count == 1;
}

static void
give (SegTensor *in, SegTensor *grad)
{
  if (in->parameter && in->grad == NULL)
    {
      in->grad = seg_tensor_new_strided (in->context,
                                         in->dtype == SEG_DTYPE_F64 ? SEG_DTYPE_F64 : SEG_DTYPE_F32,
                                         in->rank, in->shape, in->stride);
      if (in->grad != NULL)
        seg_context_run (in->context, SEG_OP_COPY, NULL, 0, 1, &in->grad, 1, &grad);
      seg_tensor_unref (grad);
    }
  else if (in->grad == NULL)
    in->grad = grad;
  else if (in->parameter || is_alone (in->grad))
    {
      add_into (in->grad, in->grad, grad);
      seg_tensor_unref (grad);
    }
  else if (is_alone (grad) && grad->dtype == in->grad->dtype)
    {
      add_into (grad, in->grad, grad);
      seg_tensor_set (&in->grad, grad);
    }
  else
    {
      SegTensor *sum = seg_tensor_new_like (in->grad, in->grad->dtype);

      if (sum != NULL)
        add_into (sum, in->grad, grad);
      seg_tensor_unref (grad);
      seg_tensor_set (&in->grad, sum);
    }
}

void
seg_node_give (SegNode *self, int input, SegTensor *grad)
{
  if (grad == NULL)
    return;
  if (!seg_node_needs (self, input))
    seg_tensor_unref (grad);
  else
    give (self->in[input], grad);
}

SegTensor *
seg_node_grad_whole (SegNode *self, int input, SegDtype dtype)
{
  SegTensor *in = self->in[input];

  if (in->grad != NULL && (in->parameter || is_alone (in->grad)))
    return in->grad;
  if (in->grad != NULL)
    {
      SegTensor *own = seg_tensor_new_like (in->grad, in->grad->dtype);

      if (own != NULL)
        seg_context_run (own->context, SEG_OP_COPY, NULL, 0, 1, &own, 1, &in->grad);
      seg_tensor_set (&in->grad, own);
      return own;
    }
  in->grad = seg_tensor_new_like (in, dtype);
  if (in->grad != NULL)
    seg_context_run (in->context, SEG_OP_FILL, &(SegFillParams){ 0 }, sizeof (SegFillParams), 1,
                     &in->grad, 0, NULL);
  return in->grad;
}

SegTensor *
seg_node_grad_buffer (SegNode *self, int input)
{
  const SegDtype in_dtype = self->in[input]->dtype;

  return seg_node_grad_whole (self, input,
                              in_dtype == SEG_DTYPE_F64 ? SEG_DTYPE_F64 : SEG_DTYPE_F32);
}

static gboolean
run_back (SegTape *self)
{
  SegContext *context = self->context;

  context->no_grad++;
  for (guint n = self->nodes->len; n > 0; n--)
    {
      Node *node = self->nodes->pdata[n - 1];

      if (node->public.out->grad != NULL && context->error == NULL
          && materialise_saved (&node->public))
        node->public.backward (&node->public);
      node_free (node);
      self->nodes->pdata[n - 1] = NULL;
    }
  g_ptr_array_set_size (self->nodes, 0);
  context->no_grad--;
  return context->error == NULL;
}

gboolean
seg_tape_backward_from (SegTape *self, SegTensor *out, SegTensor *dout)
{
  if (self->context->error != NULL || out == NULL || dout == NULL)
    return FALSE;
  seg_tape_end (self);
  if (!out->requires_grad)
    {
      seg_context_fail (self->context, SEG_ERROR_MISMATCH,
                        "backward from a tensor that depends on no parameter");
      return FALSE;
    }
  give (out, seg_tensor_ref (dout));
  return run_back (self);
}

gboolean
seg_tape_backward (SegTape *self, SegTensor *loss)
{
  g_autoptr (SegTensor) one = NULL;

  if (loss == NULL || self->context->error != NULL)
    return FALSE;
  g_return_val_if_fail (seg_tensor_get_n_elements (loss) == 1, FALSE);
  one = seg_tensor_new_filled (self->context, loss->dtype, loss->rank, loss->shape, 1);
  return seg_tape_backward_from (self, loss, one);
}

void
seg_no_grad_begin (SegContext *context)
{
  context->no_grad++;
}

void
seg_no_grad_end (SegContext *context)
{
  g_return_if_fail (context->no_grad > 0);
  context->no_grad--;
}

SegTensor *
seg_stop_gradient (SegTensor *x)
{
  return seg_tensor_new_view (x);
}

typedef struct
{
  SegCheckpointFunc func;
  gpointer user_data;
  guint64 random_seed;
  guint64 random_offset;
} Checkpoint;

static void
checkpoint_backward (SegNode *node)
{
  const Checkpoint *checkpoint = (const Checkpoint *) &node->params;
  SegContext *context = node->out->context;
  g_autoptr (SegTensor) x = seg_stop_gradient (node->saved[0]);
  g_autoptr (SegTensor) out = NULL;
  const int no_grad = context->no_grad;
  guint64 seed, offset;
  SegTape *tape;

  if (x == NULL)
    return;
  x->requires_grad = seg_node_needs (node, 0);
  x->retain_grad = TRUE;
  seg_context_get_random_state (context, &seed, &offset);
  seg_context_set_random_state (context, checkpoint->random_seed, checkpoint->random_offset);
  context->no_grad = 0;
  context->recomputing++;
  tape = seg_tape_begin (context);
  out = checkpoint->func (checkpoint->user_data, x);
  if (out != NULL && out->requires_grad)
    seg_tape_backward_from (tape, out, seg_node_dout (node));
  seg_tape_free (tape);
  context->recomputing--;
  context->no_grad = no_grad;
  seg_context_set_random_state (context, seed, offset);
  if (x->grad != NULL)
    seg_node_give (node, 0, g_steal_pointer (&x->grad));
}

SegTensor *
seg_checkpoint (SegCheckpointFunc func, gpointer user_data, SegTensor *x)
{
  SegContext *context;
  Checkpoint checkpoint = { func, user_data, 0, 0 };
  SegTensor *out;

  if (x == NULL)
    return NULL;
  context = x->context;
  if (context->tape == NULL || context->no_grad > 0)
    return func (user_data, x);
  seg_context_get_random_state (context, &checkpoint.random_seed, &checkpoint.random_offset);
  seg_no_grad_begin (context);
  out = func (user_data, x);
  seg_no_grad_end (context);
  if (out == x)
    return out;
  if (out != NULL)
    {
      SegNode *node =
          seg_tape_record_always (out, checkpoint_backward, 1, &x, &checkpoint, sizeof checkpoint);
      seg_node_save (node, 0, x);
    }
  return out;
}
