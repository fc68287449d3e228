/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the cpu backend share. Products and convolutions are oneDNN's (onednn.c, the
 * only file that calls it); everything else is in kernel-*.c, which are compiled once for each
 * instruction set the compiler can make and chosen when the device is opened. */

#include "seg/backend.h"

#include <stdbool.h>

typedef struct _CpuDnn CpuDnn;

struct _SegBackendDevice
{
  int n_threads;
  bool bf16;
  char message[256];
  CpuDnn *dnn;
  void *scratch; /* of one operation */
  size_t scratch_bytes;
  /* kernels of the chosen instruction set */
  const char *isa;
  SegStatus (*run_basic) (SegBackendDevice *device, const SegBackendCall *call);
  SegStatus (*run_norm) (SegBackendDevice *device, const SegBackendCall *call);
  SegStatus (*run_spatial) (SegBackendDevice *device, const SegBackendCall *call);
  SegStatus (*run_loss) (SegBackendDevice *device, const SegBackendCall *call);
  SegStatus (*run_attention) (SegBackendDevice *device, const SegBackendCall *call);
  SegStatus (*run_choice) (SegBackendDevice *device, const SegBackendCall *call);
  /* some convolutions; UNSUPPORTED: oneDNN's */
  SegStatus (*run_narrow) (SegBackendDevice *device, const SegBackendCall *call);
  SegStatus (*run_weights) (SegBackendDevice *device, const SegBackendCall *call);
  void (*add_bias) (SegBackendDevice *device, const SegBackendTensor *out,
                    const SegBackendTensor *bias);
  void (*sum_channels) (SegBackendDevice *device, const SegBackendTensor *in,
                        const SegBackendTensor *sums);
};

/* Grows and never shrinks until trimmed. NULL: no memory. */
void *seg_cpu_scratch (SegBackendDevice *device, size_t size_bytes);

/* Splits [0, n) among the threads, the same way for the same n and number of threads; below @grain
 * elements for each, fewer threads take part. */
typedef void (*CpuRangeFunc) (void *data, int64_t low, int64_t high, int thread);
int seg_cpu_parallel (SegBackendDevice *device, int64_t n, int64_t grain, CpuRangeFunc func,
                      void *data);

/* onednn.c */
CpuDnn *seg_cpu_dnn_new (SegBackendDevice *device);
void seg_cpu_dnn_free (CpuDnn *dnn);
void seg_cpu_dnn_forget (CpuDnn *dnn, uint64_t uid);
const char *seg_cpu_dnn_version (void);
bool seg_cpu_dnn_has_bf16 (void);
bool seg_cpu_dnn_supports (SegBackendDevice *device, const SegBackendCall *call);
SegStatus seg_cpu_dnn_run (SegBackendDevice *device, const SegBackendCall *call);
double seg_cpu_dnn_peak_gflops (SegBackendDevice *device, SegDtype dtype);
/* c (m × n, F32, plain) (+)= a (m × k, rows lda apart) · b or bᵀ, on row-strided matrices of
 * @dtype, a batch of them. */
typedef struct
{
  int64_t batch, m, n, k;
  SegDtype dtype_a, dtype_b, dtype_c;
  int64_t a_batch, a_row, a_column; /* strides in elements */
  int64_t b_batch, b_row, b_column; /* b is k × n */
  int64_t c_batch, c_row;
  bool accumulate;
  float alpha;
} CpuProduct;
SegStatus seg_cpu_dnn_product (SegBackendDevice *device, const CpuProduct *shape, const void *a,
                               const void *b, void *c);

static inline int64_t
seg_cpu_count (const SegBackendTensor *tensor)
{
  int64_t n = 1;

  for (int a = 0; a < tensor->rank; a++)
    n *= tensor->shape[a];
  return n;
}
