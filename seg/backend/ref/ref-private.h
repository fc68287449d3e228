/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The reference: plain loops in double over plain arrays in the logical order, so that each file
 * reads like the formula. Tensors of any dtype and layout are fetched into such arrays and stored
 * back from them. Slow and right: every other backend is tested against it. */

#include "seg/backend.h"

#include <stdbool.h>

/* A tensor as a dense array of doubles in the logical order. */
typedef struct
{
  double *v;
  int rank;
  int64_t shape[SEG_MAX_RANK];
  int64_t n;
  SegBackendTensor *of;
} Ref;

/* Arrays of one call; `failed` when memory was not to be had. */
typedef struct
{
  const SegBackendCall *call;
  Ref in[SEG_MAX_TENSORS];
  Ref out[SEG_MAX_TENSORS];
  bool failed;
} RefCall;

double seg_ref_load (const SegBackendTensor *tensor, int64_t offset);
void seg_ref_store (const SegBackendTensor *tensor, int64_t offset, double value);
int64_t seg_ref_count (const SegBackendTensor *tensor);
/* Memory offset, in elements, of the @i-th element in the logical order. */
int64_t seg_ref_offset (const SegBackendTensor *tensor, int64_t i);
uint32_t seg_ref_random_word (uint64_t seed, uint64_t counter, int word);

double seg_ref_act (SegAct act, double x, double a, double b);
double seg_ref_act_derivative (SegAct act, double x, double a, double b);

SegStatus seg_ref_basic (RefCall *call);
SegStatus seg_ref_conv (RefCall *call);
SegStatus seg_ref_norm (RefCall *call);
SegStatus seg_ref_spatial (RefCall *call); /* pool, resample */
SegStatus seg_ref_product (RefCall *call); /* matmul, softmax, attention */
SegStatus seg_ref_loss (RefCall *call);
SegStatus seg_ref_optimise (RefCall *call);
