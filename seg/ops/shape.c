/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/op-private.h"

#include <string.h>

static SegTensor *
copy_to (SegTensor *x, SegDtype dtype, const gint64 *stride)
{
  SegTensor *out = seg_tensor_new_strided (x->context, dtype, x->rank, x->shape, stride);

  return seg_op_finish (out, SEG_OP_COPY, NULL, 0, 1, &x);
}

SegTensor *
seg_op_dense (SegTensor *x)
{
  gint64 stride[SEG_MAX_RANK];

  if (x == NULL || seg_tensor_is_channels_last (x))
    return seg_tensor_ref (x);
  seg_strides_channels_last (x->rank, x->shape, stride);
  return copy_to (x, x->dtype, stride);
}

SegTensor *
seg_op_dense_plain (SegTensor *x)
{
  gint64 stride[SEG_MAX_RANK];

  if (x == NULL || seg_tensor_is_plain (x))
    return seg_tensor_ref (x);
  seg_strides_plain (x->rank, x->shape, stride);
  return copy_to (x, x->dtype, stride);
}

SegTensor *
seg_op_like (SegTensor *x, SegTensor *like)
{
  if (x == NULL || like == NULL)
    return NULL;
  if (seg_tensor_is_strided (x, like->stride))
    return seg_tensor_ref (x);
  return copy_to (x, x->dtype, like->stride);
}

/* The gradient of a copy, of any layout or dtype, is the gradient. */
static void
copy_backward (SegNode *node)
{
  SegTensor *dout = seg_node_dout (node);
  SegTensor *in = node->in[0];

  if (in->dtype == dout->dtype || in->parameter)
    seg_node_give (node, 0, seg_tensor_ref (dout));
  else
    seg_node_give (
        node, 0, copy_to (dout, in->dtype, seg_tensor_is_dense (dout) ? dout->stride : in->stride));
}

static SegTensor *
record_copy (SegTensor *out, SegTensor *x)
{
  if (out != x)
    seg_tape_record (out, copy_backward, 1, &x, NULL, 0);
  return out;
}

SegTensor *
seg_dense (SegTensor *x)
{
  return record_copy (seg_op_dense (x), x);
}

SegTensor *
seg_dense_plain (SegTensor *x)
{
  return record_copy (seg_op_dense_plain (x), x);
}

SegTensor *
seg_cast (SegTensor *x, SegDtype dtype)
{
  SegTensor *out;

  if (x == NULL || x->dtype == dtype)
    return seg_tensor_ref (x);
  out = seg_op_finish (seg_tensor_new_like (x, dtype), SEG_OP_COPY, NULL, 0, 1, &x);
  if (seg_dtype_is_float (dtype) && seg_dtype_is_float (x->dtype))
    record_copy (out, x);
  return out;
}

SegTensor *
seg_copy (SegTensor *x)
{
  SegTensor *out;

  if (x == NULL)
    return NULL;
  out = seg_op_finish (seg_tensor_new_like (x, x->dtype), SEG_OP_COPY, NULL, 0, 1, &x);
  return record_copy (out, x);
}

static gboolean
resolve_shape (SegTensor *x, int rank, const gint64 *shape, gint64 *resolved)
{
  const gint64 n = seg_tensor_get_n_elements (x);
  gint64 known = 1;
  int open = -1;

  for (int a = 0; a < rank; a++)
    {
      resolved[a] = shape[a];
      if (shape[a] < 0 && open >= 0)
        return FALSE;
      if (shape[a] < 0)
        open = a;
      else
        known *= shape[a];
    }
  if (open >= 0 && known > 0)
    {
      resolved[open] = n / known;
      known *= resolved[open];
    }
  return known == n;
}

static SegTensor *
reshape_view (SegTensor *x, int rank, const gint64 *shape, gboolean channels_last)
{
  SegTensor *out = seg_tensor_new_view (x);

  if (out == NULL)
    return NULL;
  out->rank = rank;
  memcpy (out->shape, shape, rank * sizeof *shape);
  if (channels_last)
    seg_strides_channels_last (rank, shape, out->stride);
  else
    seg_strides_plain (rank, shape, out->stride);
  return out;
}

static void
reshape_backward (SegNode *node)
{
  g_autoptr (SegTensor) dout = seg_op_dense_plain (seg_node_dout (node));
  SegTensor *in = node->in[0];

  if (dout != NULL)
    seg_node_give (node, 0, reshape_view (dout, in->rank, in->shape, FALSE));
}

SegTensor *
seg_reshape (SegTensor *x, int rank, const gint64 *shape)
{
  gint64 resolved[SEG_MAX_RANK];
  g_autoptr (SegTensor) plain = NULL;
  SegTensor *out;

  if (x == NULL)
    return NULL;
  g_return_val_if_fail (rank >= 0 && rank <= SEG_MAX_RANK, NULL);
  if (!resolve_shape (x, rank, shape, resolved))
    {
      g_autofree char *text = seg_tensor_describe (x);

      seg_op_mismatch (x, "%s does not reshape to %d axes of other size", text, rank);
      return NULL;
    }
  plain = seg_op_dense_plain (x);
  if (plain == NULL)
    return NULL;
  out = reshape_view (plain, rank, resolved, FALSE);
  seg_tape_record (out, reshape_backward, 1, &x, NULL, 0);
  return out;
}

typedef struct
{
  int axes[SEG_MAX_RANK];
} PermuteParams;

static SegTensor *
permute_view (SegTensor *x, const int *axes)
{
  SegTensor *out = seg_tensor_new_view (x);

  for (int a = 0; out != NULL && a < x->rank; a++)
    {
      out->shape[a] = x->shape[axes[a]];
      out->stride[a] = x->stride[axes[a]];
    }
  return out;
}

static void
permute_backward (SegNode *node)
{
  const PermuteParams *params = (const PermuteParams *) &node->params;
  int back[SEG_MAX_RANK];

  for (int a = 0; a < node->out->rank; a++)
    back[params->axes[a]] = a;
  seg_node_give (node, 0, permute_view (seg_node_dout (node), back));
}

SegTensor *
seg_permute (SegTensor *x, const int *axes)
{
  PermuteParams params = { { 0 } };
  SegTensor *out;

  if (x == NULL)
    return NULL;
  memcpy (params.axes, axes, x->rank * sizeof *axes);
  out = permute_view (x, axes);
  seg_tape_record (out, permute_backward, 1, &x, &params, sizeof params);
  return out;
}

static SegTensor *
slice_view (SegTensor *x, int axis, gint64 start, gint64 size)
{
  SegTensor *out = seg_tensor_new_view (x);

  if (out == NULL)
    return NULL;
  out->shape[axis] = size;
  out->offset_bytes += start * x->stride[axis] * seg_dtype_get_size (x->dtype);
  return out;
}

typedef struct
{
  int axis;
  gint64 start;
} SliceParams;

/* The slice's gradient within zeros; several slices of one tensor add into the same gradient. */
static void
slice_backward (SegNode *node)
{
  const SliceParams *params = (const SliceParams *) &node->params;
  SegTensor *in = node->in[0];
  SegTensor *whole = seg_node_grad_whole (node, 0, seg_node_dout (node)->dtype);
  g_autoptr (SegTensor) part = NULL;

  if (whole == NULL)
    return;
  part = slice_view (whole, params->axis, params->start, node->out->shape[params->axis]);
  if (part != NULL && in->context->error == NULL)
    seg_tensor_unref (SEG_RUN (SEG_OP_BINARY, (&(SegBinaryParams){ SEG_BINARY_ADD }), part, part,
                               seg_node_dout (node)));
}

SegTensor *
seg_slice (SegTensor *x, int axis, gint64 start, gint64 size)
{
  SliceParams params;
  SegTensor *out;

  if (x == NULL)
    return NULL;
  if (axis < 0)
    axis += x->rank;
  if (axis < 0 || axis >= x->rank || start < 0 || size < 0 || start > x->shape[axis] - size)
    {
      g_autofree char *text = seg_tensor_describe (x);

      seg_op_mismatch (x, "slice %" G_GINT64_FORMAT "+%" G_GINT64_FORMAT " on axis %d of %s", start,
                       size, axis, text);
      return NULL;
    }
  params = (SliceParams){ axis, start };
  out = slice_view (x, axis, start, size);
  seg_tape_record (out, slice_backward, 1, &x, &params, sizeof params);
  return out;
}

static void
from_tokens_backward (SegNode *node)
{
  g_autoptr (SegTensor) dout = seg_op_dense (seg_node_dout (node));

  if (dout != NULL)
    seg_node_give (node, 0, reshape_view (dout, 3, node->in[0]->shape, FALSE));
}

static void
to_tokens_backward (SegNode *node)
{
  g_autoptr (SegTensor) dout = seg_op_dense_plain (seg_node_dout (node));
  SegTensor *in = node->in[0];

  if (dout != NULL)
    seg_node_give (node, 0, reshape_view (dout, in->rank, in->shape, TRUE));
}

SegTensor *
seg_to_tokens (SegTensor *x)
{
  g_autoptr (SegTensor) dense = NULL;
  SegTensor *out;
  gint64 n_positions = 1;

  if (x == NULL)
    return NULL;
  g_return_val_if_fail (x->rank == 4 || x->rank == 5, NULL);
  dense = seg_op_dense (x);
  if (dense == NULL)
    return NULL;
  for (int a = 2; a < x->rank; a++)
    n_positions *= x->shape[a];
  out = reshape_view (dense, 3, (gint64[]){ x->shape[0], n_positions, x->shape[1] }, FALSE);
  seg_tape_record (out, to_tokens_backward, 1, &x, NULL, 0);
  return out;
}

SegTensor *
seg_from_tokens (SegTensor *tokens, int n_spatial, const gint64 *size)
{
  g_autoptr (SegTensor) dense = NULL;
  gint64 shape[SEG_MAX_RANK], n_positions = 1;
  SegTensor *out;

  if (tokens == NULL)
    return NULL;
  g_return_val_if_fail (tokens->rank == 3 && (n_spatial == 2 || n_spatial == 3), NULL);
  shape[0] = tokens->shape[0];
  shape[1] = tokens->shape[2];
  for (int a = 0; a < n_spatial; a++)
    n_positions *= shape[2 + a] = size[a];
  if (n_positions != tokens->shape[1])
    {
      seg_op_mismatch (tokens, "%" G_GINT64_FORMAT " tokens for %" G_GINT64_FORMAT " positions",
                       tokens->shape[1], n_positions);
      return NULL;
    }
  dense = seg_op_dense_plain (tokens);
  if (dense == NULL)
    return NULL;
  out = reshape_view (dense, 2 + n_spatial, shape, TRUE);
  seg_tape_record (out, from_tokens_backward, 1, &tokens, NULL, 0);
  return out;
}

typedef struct
{
  int axis;
} ConcatParams;

static void
concat_backward (SegNode *node)
{
  const int axis = ((const ConcatParams *) &node->params)->axis;
  gint64 start = 0;

  for (int i = 0; i < SEG_NODE_MAX && node->in[i] != NULL; i++)
    {
      const gint64 size = node->in[i]->shape[axis];

      if (seg_node_needs (node, i))
        {
          g_autoptr (SegTensor) part = slice_view (seg_node_dout (node), axis, start, size);

          seg_node_give (node, i, seg_op_dense (part));
        }
      start += size;
    }
}

static gboolean
fits_concat (SegTensor *a, SegTensor *b, int axis)
{
  if (a->rank != b->rank)
    return FALSE;
  for (int i = 0; i < a->rank; i++)
    if (i != axis && a->shape[i] != b->shape[i])
      return FALSE;
  return TRUE;
}

SegTensor *
seg_concat (int n, SegTensor *const *x, int axis)
{
  gint64 shape[SEG_MAX_RANK], start = 0;
  ConcatParams params;
  SegTensor *out;

  g_return_val_if_fail (n > 0, NULL);
  for (int i = 0; i < n; i++)
    if (x[i] == NULL)
      return NULL;
  if (n > SEG_NODE_MAX)
    {
      g_autoptr (SegTensor) head = seg_concat (SEG_NODE_MAX, x, axis);
      g_autoptr (SegTensor) tail = seg_concat (n - SEG_NODE_MAX, x + SEG_NODE_MAX, axis);

      return seg_concat (2, SEG_TENSORS (head, tail), axis);
    }
  if (axis < 0)
    axis += x[0]->rank;
  params.axis = axis;
  memcpy (shape, x[0]->shape, sizeof shape);
  shape[axis] = 0;
  for (int i = 0; i < n; i++)
    {
      if (!fits_concat (x[0], x[i], axis))
        {
          g_autofree char *first = seg_tensor_describe (x[0]);
          g_autofree char *other = seg_tensor_describe (x[i]);

          seg_op_mismatch (x[0], "%s and %s do not concatenate on axis %d", first, other, axis);
          return NULL;
        }
      shape[axis] += x[i]->shape[axis];
    }
  out = seg_tensor_new (x[0]->context, x[0]->dtype, x[0]->rank, shape);
  for (int i = 0; i < n && out != NULL; i++)
    {
      g_autoptr (SegTensor) part = slice_view (out, axis, start, x[i]->shape[axis]);

      if (part == NULL || !seg_context_run (out->context, SEG_OP_COPY, NULL, 0, 1, &part, 1, &x[i]))
        seg_tensor_clear (&out);
      start += x[i]->shape[axis];
    }
  seg_tape_record (out, concat_backward, n, x, &params, sizeof params);
  return out;
}

typedef struct
{
  gint64 before[SEG_MAX_RANK];
} PadParams;

static SegTensor *
inner_view (SegTensor *of, const gint64 *before, const gint64 *shape)
{
  SegTensor *out = seg_tensor_new_view (of);

  for (int a = 0; out != NULL && a < of->rank; a++)
    {
      out->offset_bytes += before[a] * of->stride[a] * seg_dtype_get_size (of->dtype);
      out->shape[a] = shape[a];
    }
  return out;
}

static void
pad_backward (SegNode *node)
{
  const PadParams *params = (const PadParams *) &node->params;
  g_autoptr (SegTensor) inner =
      inner_view (seg_node_dout (node), params->before, node->in[0]->shape);

  seg_node_give (node, 0, seg_op_dense (inner));
}

SegTensor *
seg_pad (SegTensor *x, const gint64 *before, const gint64 *after, double value)
{
  g_autoptr (SegTensor) inner = NULL;
  gint64 shape[SEG_MAX_RANK];
  PadParams params = { { 0 } };
  SegTensor *out;

  if (x == NULL)
    return NULL;
  for (int a = 0; a < x->rank; a++)
    {
      g_return_val_if_fail (before[a] >= 0 && after[a] >= 0, NULL);
      shape[a] = before[a] + x->shape[a] + after[a];
      params.before[a] = before[a];
    }
  out = seg_tensor_new_filled (x->context, x->dtype, x->rank, shape, value);
  inner = out != NULL ? inner_view (out, before, x->shape) : NULL;
  if (inner == NULL || !seg_context_run (x->context, SEG_OP_COPY, NULL, 0, 1, &inner, 1, &x))
    seg_tensor_clear (&out);
  seg_tape_record (out, pad_backward, 1, &x, &params, sizeof params);
  return out;
}

SegTensor *
seg_roll (SegTensor *x, int axis, gint64 shift)
{
  g_autoptr (SegTensor) low = NULL;
  g_autoptr (SegTensor) high = NULL;
  gint64 size;

  if (x == NULL)
    return NULL;
  if (axis < 0)
    axis += x->rank;
  size = x->shape[axis];
  shift = size > 0 ? ((shift % size) + size) % size : 0;
  if (shift == 0)
    return seg_tensor_ref (x);
  low = seg_slice (x, axis, 0, size - shift);
  high = seg_slice (x, axis, size - shift, shift);
  return seg_concat (2, SEG_TENSORS (high, low), axis);
}

static void
flip_backward (SegNode *node)
{
  seg_node_give (node, 0,
                 seg_flip (seg_node_dout (node), ((const ConcatParams *) &node->params)->axis));
}

SegTensor *
seg_flip (SegTensor *x, int axis)
{
  g_autoptr (SegTensor) view = NULL;
  ConcatParams params;
  SegTensor *out;

  if (x == NULL)
    return NULL;
  if (axis < 0)
    axis += x->rank;
  params.axis = axis;
  view = seg_tensor_new_view (x);
  if (view == NULL)
    return NULL;
  view->offset_bytes +=
      MAX (x->shape[axis] - 1, 0) * x->stride[axis] * seg_dtype_get_size (x->dtype);
  view->stride[axis] = -x->stride[axis];
  out = seg_op_finish (seg_tensor_new (x->context, x->dtype, x->rank, x->shape), SEG_OP_COPY, NULL,
                       0, 1, &view);
  seg_tape_record (out, flip_backward, 1, &x, &params, sizeof params);
  return out;
}

static void
expand_backward (SegNode *node)
{
  seg_node_give (node, 0, seg_op_sum_to (seg_node_dout (node), node->in[0]));
}

SegTensor *
seg_expand (SegTensor *x, int rank, const gint64 *shape)
{
  SegTensor *out;

  if (x == NULL)
    return NULL;
  out = seg_tensor_new_view (x);
  for (int a = 0; out != NULL && a < rank; a++)
    {
      if (rank != x->rank || (x->shape[a] != shape[a] && x->shape[a] != 1))
        {
          g_autofree char *text = seg_tensor_describe (x);

          seg_op_mismatch (x, "%s does not expand", text);
          seg_tensor_clear (&out);
          return NULL;
        }
      if (x->shape[a] != shape[a])
        out->stride[a] = 0;
      out->shape[a] = shape[a];
    }
  seg_tape_record (out, expand_backward, 1, &x, NULL, 0);
  return out;
}

SegTensor *
seg_one_hot (SegTensor *index, int n_classes)
{
  gint64 shape[SEG_MAX_RANK];
  g_autoptr (SegTensor) view = NULL;
  SegTensor *out;

  if (index == NULL)
    return NULL;
  g_return_val_if_fail (index->rank >= 1 && index->rank < SEG_MAX_RANK, NULL);
  shape[0] = index->shape[0];
  shape[1] = n_classes;
  for (int a = 1; a < index->rank; a++)
    shape[a + 1] = index->shape[a];
  out = seg_tensor_new (index->context, SEG_DTYPE_F32, index->rank + 1, shape);
  view = seg_tensor_new_view (index);
  if (out == NULL || view == NULL)
    {
      seg_tensor_unref (out);
      return NULL;
    }
  view->rank = out->rank;
  for (int a = index->rank; a >= 2; a--)
    {
      view->shape[a] = index->shape[a - 1];
      view->stride[a] = index->stride[a - 1];
    }
  view->shape[1] = 1;
  view->stride[1] = 0;
  for (int c = 0; c < n_classes; c++)
    {
      g_autoptr (SegTensor) plane = slice_view (out, 1, c, 1);
      g_autoptr (SegTensor) value =
          seg_tensor_new_filled (out->context, SEG_DTYPE_F32, 1, (gint64[]){ 1 }, c);

      if (value == NULL || plane == NULL)
        continue;
      value->rank = out->rank;
      for (int a = 0; a < out->rank; a++)
        {
          value->shape[a] = plane->shape[a];
          value->stride[a] = 0;
        }
      seg_tensor_unref (
          SEG_RUN (SEG_OP_BINARY, (&(SegBinaryParams){ SEG_BINARY_EQUAL }), plane, view, value));
    }
  if (out->context->error != NULL)
    seg_tensor_clear (&out);
  return out;
}

gboolean
seg_assign (SegTensor *dst, SegTensor *src)
{
  if (dst == NULL || src == NULL)
    return FALSE;
  if (!seg_tensor_has_shape (src, dst->rank, dst->shape))
    {
      g_autofree char *to = seg_tensor_describe (dst);
      g_autofree char *from = seg_tensor_describe (src);

      seg_op_mismatch (dst, "%s assigned to %s", from, to);
      return FALSE;
    }
  return seg_context_run (dst->context, SEG_OP_COPY, NULL, 0, 1, &dst, 1, &src);
}

gboolean
seg_fill (SegTensor *dst, double value)
{
  return dst != NULL
         && seg_context_run (dst->context, SEG_OP_FILL, &(SegFillParams){ value },
                             sizeof (SegFillParams), 1, &dst, 0, NULL);
}
