/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/**
 * SegTensor: an array on a device. Reference counted; contents are written by the operation that
 * makes it and by seg_tensor_upload(), optimisers and moving averages alone.
 *
 * New 4-/5-D tensors lie channels-last unless made plain. Views share memory (seg/ops/shape.h).
 * Everything here accepts NULL and answers NULL or zero then.
 */

/* Rank and shape in one argument list: seg_tensor_new (ctx, SEG_DTYPE_F32, SEG_SHAPE (2, 1, 64)) */
#define SEG_SHAPE(...)                                                                             \
  (int) (sizeof ((gint64[]){ __VA_ARGS__ }) / sizeof (gint64)), (const gint64[])                   \
  {                                                                                                \
    __VA_ARGS__                                                                                    \
  }

/* Not cleared. Returns: (transfer full) (nullable) */
SegTensor *seg_tensor_new (SegContext *context, SegDtype dtype, int rank,
                           const gint64 *shape) G_GNUC_WARN_UNUSED_RESULT;
/* Row-major in the order of the shape, as parameters are. */
SegTensor *seg_tensor_new_plain (SegContext *context, SegDtype dtype, int rank,
                                 const gint64 *shape) G_GNUC_WARN_UNUSED_RESULT;
/* With the shape and, if it is dense, the layout of @like. */
SegTensor *seg_tensor_new_like (SegTensor *like, SegDtype dtype) G_GNUC_WARN_UNUSED_RESULT;
SegTensor *seg_tensor_new_filled (SegContext *context, SegDtype dtype, int rank,
                                  const gint64 *shape, double value) G_GNUC_WARN_UNUSED_RESULT;
SegTensor *seg_tensor_new_uniform (SegContext *context, SegDtype dtype, int rank,
                                   const gint64 *shape, double low,
                                   double high) G_GNUC_WARN_UNUSED_RESULT;
SegTensor *seg_tensor_new_normal (SegContext *context, SegDtype dtype, int rank,
                                  const gint64 *shape, double mean,
                                  double sd) G_GNUC_WARN_UNUSED_RESULT;
/* @data: all elements in the logical order (last axis fastest), of @data_dtype; converted to @dtype
 */
SegTensor *seg_tensor_new_from (SegContext *context, SegDtype dtype, int rank, const gint64 *shape,
                                SegDtype data_dtype, gconstpointer data) G_GNUC_WARN_UNUSED_RESULT;
SegTensor *seg_tensor_new_from_f32 (SegContext *context, int rank, const gint64 *shape,
                                    const float *data) G_GNUC_WARN_UNUSED_RESULT;

SegTensor *seg_tensor_ref (SegTensor *self);
void seg_tensor_unref (SegTensor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegTensor, seg_tensor_unref)
#define seg_tensor_clear(p) g_clear_pointer (p, seg_tensor_unref)

/* Drops *@slot and puts @value (transfer full) there: seg_tensor_set (&x, seg_relu (x)); */
void seg_tensor_set (SegTensor **slot, SegTensor *value);

/* To and from host memory, in the logical order, converting dtypes; these wait for the device.
 * Returns: FALSE if an error is remembered. */
gboolean seg_tensor_download (SegTensor *self, SegDtype data_dtype, gpointer data);
gboolean seg_tensor_upload (SegTensor *self, SegDtype data_dtype, gconstpointer data);
double seg_tensor_get_scalar (SegTensor *self); /* the one element; NaN if none */

SegContext *seg_tensor_get_context (SegTensor *self);
SegDtype seg_tensor_get_dtype (SegTensor *self);
int seg_tensor_get_rank (SegTensor *self);
const gint64 *seg_tensor_get_shape (SegTensor *self);
gint64 seg_tensor_get_size (SegTensor *self, int axis); /* a negative axis counts from the end */
gint64 seg_tensor_get_n_elements (SegTensor *self);
gboolean seg_tensor_has_shape (SegTensor *self, int rank, const gint64 *shape); /* −1: any */
int seg_tensor_get_feature_axis (SegTensor *self);
char *seg_tensor_describe (SegTensor *self) G_GNUC_WARN_UNUSED_RESULT; /* "f32 2×16×64×64" */

gsize seg_dtype_get_size (SegDtype dtype);
const char *seg_dtype_get_name (SegDtype dtype); /* "f32" */
gboolean seg_dtype_from_name (const char *name, SegDtype *dtype); /* "f32", "bf16", … */

/* Differentiation (seg/tensor/tape.h). A parameter requires a gradient; its gradient is F32, plain,
 * and is added to by each backward pass until cleared. */
void seg_tensor_set_requires_grad (SegTensor *self, gboolean requires_grad);
gboolean seg_tensor_get_requires_grad (SegTensor *self);
SegTensor *seg_tensor_get_grad (SegTensor *self); /* (transfer none) (nullable) */
void seg_tensor_clear_grad (SegTensor *self); /* to zero where it exists; no memory is given up */
/* Keeps the gradient of a tensor that is no parameter after backward (tests, saliency). */
void seg_tensor_retain_grad (SegTensor *self);

G_END_DECLS
