/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of seg/ops share. */

#include "seg/ops/shape.h"
#include "seg/tensor/tensor-private.h"

#define SEG_TENSORS(...)                                                                           \
  (SegTensor *[])                                                                                  \
  {                                                                                                \
    __VA_ARGS__                                                                                    \
  }
#define SEG_N_TENSORS(...) ((int) (sizeof (SEG_TENSORS (__VA_ARGS__)) / sizeof (SegTensor *)))

/* One output (may be NULL: then nothing happens), inputs as a list; drops the output on failure. */
static inline SegTensor *
seg_op_finish (SegTensor *out, SegOp op, const void *params, gsize params_size, int n_in,
               SegTensor *const *in)
{
  if (out != NULL && !seg_context_run (out->context, op, params, params_size, 1, &out, n_in, in))
    seg_tensor_clear (&out);
  return out;
}
#define SEG_FINISH(out, op, params, ...)                                                           \
  seg_op_finish (out, op, params, sizeof *(params), SEG_N_TENSORS (__VA_ARGS__),                   \
                 SEG_TENSORS (__VA_ARGS__))
#define SEG_RUN(op, params, out, ...)                                                              \
  seg_op_finish (seg_tensor_ref (out), op, params, sizeof *(params), SEG_N_TENSORS (__VA_ARGS__),  \
                 SEG_TENSORS (__VA_ARGS__))

/* A copy laid out as the op wants, without a record: gradients are told the logical truth anyway.
 */
SegTensor *seg_op_dense (SegTensor *x); /* channels-last; (transfer full) */
SegTensor *seg_op_dense_plain (SegTensor *x); /* row-major */
SegTensor *seg_op_like (SegTensor *x, SegTensor *like); /* the memory layout of a dense tensor */

/* Sum of a gradient over the axes along which @like was broadcast. */
SegTensor *seg_op_sum_to (SegTensor *grad, SegTensor *like);

/* Statistics and sums are F32, but where tests differentiate in double. */
static inline SegDtype
seg_op_sum_dtype (SegTensor *x)
{
  return x->dtype == SEG_DTYPE_F64 ? SEG_DTYPE_F64 : SEG_DTYPE_F32;
}

#define seg_op_mismatch(x, ...) seg_context_fail ((x)->context, SEG_ERROR_MISMATCH, __VA_ARGS__)
