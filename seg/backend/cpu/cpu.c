/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/cpu-private.h"
#include "seg/division.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The module: which operations it takes, its memory, its threads. */

#define DECLARE(isa)                                                                               \
  SegStatus seg_cpu_run_basic_##isa (SegBackendDevice *device, const SegBackendCall *call);        \
  SegStatus seg_cpu_run_norm_##isa (SegBackendDevice *device, const SegBackendCall *call);         \
  SegStatus seg_cpu_run_spatial_##isa (SegBackendDevice *device, const SegBackendCall *call);      \
  SegStatus seg_cpu_run_loss_##isa (SegBackendDevice *device, const SegBackendCall *call);         \
  SegStatus seg_cpu_run_attention_##isa (SegBackendDevice *device, const SegBackendCall *call);    \
  SegStatus seg_cpu_run_narrow_##isa (SegBackendDevice *device, const SegBackendCall *call);       \
  SegStatus seg_cpu_run_weights_##isa (SegBackendDevice *device, const SegBackendCall *call);      \
  bool seg_cpu_has_weights_##isa (const SegBackendCall *call);                                     \
  SegStatus seg_cpu_run_choice_##isa (SegBackendDevice *device, const SegBackendCall *call);       \
  void seg_cpu_add_bias_##isa (SegBackendDevice *device, const SegBackendTensor *out,              \
                               const SegBackendTensor *bias);                                      \
  void seg_cpu_sum_channels_##isa (SegBackendDevice *device, const SegBackendTensor *in,           \
                                   const SegBackendTensor *sums);
#define CHOOSE(device, name, suffix)                                                               \
  do                                                                                               \
    {                                                                                              \
      (device)->isa = name;                                                                        \
      (device)->run_basic = seg_cpu_run_basic_##suffix;                                            \
      (device)->run_norm = seg_cpu_run_norm_##suffix;                                              \
      (device)->run_spatial = seg_cpu_run_spatial_##suffix;                                        \
      (device)->run_loss = seg_cpu_run_loss_##suffix;                                              \
      (device)->run_attention = seg_cpu_run_attention_##suffix;                                    \
      (device)->run_narrow = seg_cpu_run_narrow_##suffix;                                          \
      (device)->run_weights = seg_cpu_run_weights_##suffix;                                        \
      has_weights = seg_cpu_has_weights_##suffix;                                                  \
      (device)->run_choice = seg_cpu_run_choice_##suffix;                                          \
      (device)->add_bias = seg_cpu_add_bias_##suffix;                                              \
      (device)->sum_channels = seg_cpu_sum_channels_##suffix;                                      \
    }                                                                                              \
  while (0)

/* Whether run_weights does it; of the instruction set, which is the same for all devices. */
static bool (*has_weights) (const SegBackendCall *call);

DECLARE (plain)
#ifdef CPU_HAVE_X86
DECLARE (avx2)
DECLARE (avx512)
#endif

static void
choose_kernels (SegBackendDevice *device)
{
  CHOOSE (device, "plain C", plain);
#ifdef CPU_HAVE_X86
  /* CROSSLABEL_CPU_ISA=plain|avx2 takes less than the machine has, for tests */
  {
    const char *wish = getenv ("CROSSLABEL_CPU_ISA");

    if (wish != NULL && strcmp (wish, "plain") == 0)
      return;
    if (__builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma"))
      CHOOSE (device, "AVX2", avx2);
    if (wish != NULL && strcmp (wish, "avx2") == 0)
      return;
    if (__builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw")
        && __builtin_cpu_supports ("avx512dq") && __builtin_cpu_supports ("avx512vl"))
      CHOOSE (device, "AVX-512", avx512);
  }
#endif
}

void *
seg_cpu_scratch (SegBackendDevice *device, size_t size_bytes)
{
  if (size_bytes > device->scratch_bytes)
    {
      free (device->scratch);
      device->scratch = aligned_alloc (4096, (size_bytes + 4095) / 4096 * 4096);
      device->scratch_bytes = device->scratch != NULL ? size_bytes : 0;
    }
  return device->scratch;
}

int
seg_cpu_parallel (SegBackendDevice *device, int64_t n, int64_t grain, CpuRangeFunc func, void *data)
{
  int64_t n_threads = grain > 0 ? n / grain : n;

  if (n_threads > device->n_threads)
    n_threads = device->n_threads;
  if (n_threads <= 1)
    {
      if (n > 0)
        func (data, 0, n, 0);
      return 1;
    }
#pragma omp parallel num_threads((int) n_threads)
  {
    const int64_t thread = omp_get_thread_num ();
    const int64_t given = omp_get_num_threads ();

    /* fewer than asked for: the ranges stay those of n_threads, so that sums stay the same */
    for (int64_t part = thread; part < n_threads; part += given)
      func (data, n * part / n_threads, n * (part + 1) / n_threads, (int) part);
  }
  return (int) n_threads;
}

static const char *
version (void)
{
  static char text[160];
  SegBackendDevice device = { 0 };

  choose_kernels (&device);
  snprintf (text, sizeof text, "%s, %s kernels, %d threads%s", seg_cpu_dnn_version (), device.isa,
            omp_get_max_threads (), seg_cpu_dnn_has_bf16 () ? ", bf16" : "");
  return text;
}

static int
score (const char **why)
{
  return 10;
}

static int
n_devices (void)
{
  return 1;
}

static void
device_close (SegBackendDevice *device)
{
  if (device == NULL)
    return;
  seg_cpu_dnn_free (device->dnn);
  free (device->scratch);
  free (device);
}

static SegStatus
device_open (int index, const SegBackendOptions *options, SegBackendDevice **out)
{
  SegBackendDevice *device = calloc (1, sizeof *device);

  if (device == NULL)
    return SEG_STATUS_MEMORY;
  device->n_threads = options->n_threads > 0 ? options->n_threads : omp_get_max_threads ();
  omp_set_num_threads (device->n_threads);
  omp_set_dynamic (0);
  choose_kernels (device);
  device->bf16 = seg_cpu_dnn_has_bf16 ();
  device->dnn = seg_cpu_dnn_new (device);
  if (device->dnn == NULL)
    {
      device_close (device);
      return SEG_STATUS_FAILED;
    }
  *out = device;
  return SEG_STATUS_OK;
}

static void
device_info (SegBackendDevice *device, SegBackendDeviceInfo *info)
{
  memset (info, 0, sizeof *info);
  snprintf (info->name, sizeof info->name, "%d CPU threads, %s, %s", device->n_threads, device->isa,
            seg_cpu_dnn_version ());
  info->host_memory = 1;
  info->bf16 = device->bf16;
}

static const char *
device_message (SegBackendDevice *device)
{
  return device->message;
}

/* Address space; pages come when they are touched, large ones where the system has them. */
static SegStatus
buffer_alloc (SegBackendDevice *device, size_t size_bytes, void **buffer)
{
  *buffer = mmap (NULL, size_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (*buffer == MAP_FAILED)
    return SEG_STATUS_MEMORY;
  madvise (*buffer, size_bytes, MADV_HUGEPAGE);
  return SEG_STATUS_OK;
}

static void
buffer_free (SegBackendDevice *device, void *buffer, size_t size_bytes)
{
  munmap (buffer, size_bytes);
}

static SegStatus
transfer (SegBackendDevice *device, void *dst, const void *src, size_t size_bytes)
{
  memcpy (dst, src, size_bytes);
  return SEG_STATUS_OK;
}

static SegStatus
synchronize (SegBackendDevice *device)
{
  return SEG_STATUS_OK;
}

static void
forget (SegBackendDevice *device, uint64_t uid)
{
  seg_cpu_dnn_forget (device->dnn, uid);
}

static void
trim (SegBackendDevice *device)
{
  free (device->scratch);
  device->scratch = NULL;
  device->scratch_bytes = 0;
}

/* --- Which calls are taken ----------------------------------------------------------------------
 */

static bool
is_number (const SegBackendTensor *t)
{
  return t == NULL || t->dtype == SEG_DTYPE_F32 || t->dtype == SEG_DTYPE_BF16
         || t->dtype == SEG_DTYPE_F16;
}

static bool
is_f32 (const SegBackendTensor *t)
{
  return t == NULL || t->dtype == SEG_DTYPE_F32;
}

/* Not F64: that is ref's. */
static bool
is_handled (const SegBackendTensor *t)
{
  return t == NULL || t->dtype != SEG_DTYPE_F64;
}

static bool
is_index (const SegBackendTensor *t)
{
  return t->dtype == SEG_DTYPE_U8 || t->dtype == SEG_DTYPE_I32 || t->dtype == SEG_DTYPE_I64;
}

static bool
is_plain (const SegBackendTensor *t)
{
  int64_t step = 1;

  for (int a = t->rank - 1; a >= 0; a--)
    {
      if (t->shape[a] != 1 && t->stride[a] != step)
        return false;
      step *= t->shape[a];
    }
  return true;
}

/* Rows of features without gaps. */
static bool
is_rows (const SegBackendTensor *t)
{
  int64_t step;

  if (t->rank < 4)
    return is_plain (t);
  if (t->shape[1] != 1 && t->stride[1] != 1)
    return false;
  step = t->shape[1];
  for (int a = t->rank - 1; a >= 1; a--)
    {
      const int axis = a == 1 ? 0 : a;

      if (t->shape[axis] != 1 && t->stride[axis] != step)
        return false;
      step *= t->shape[axis];
    }
  return true;
}

/* Some order of the axes without gaps: memory order is elements' order. */
static bool
is_dense (const SegBackendTensor *t)
{
  return is_plain (t) || is_rows (t);
}

static bool
is_empty (const SegBackendTensor *t)
{
  return seg_cpu_count (t) == 0;
}

static int64_t
count_features (const SegBackendTensor *t)
{
  return t->rank >= 2 ? t->shape[t->rank >= 4 ? 1 : t->rank - 1] : seg_cpu_count (t);
}

static bool
supports_norm (const SegBackendCall *call)
{
  const SegNormParams *p = call->params;
  const bool back = call->op == SEG_OP_NORM_BACKWARD;
  const SegBackendTensor *in = call->in[0];

  for (int i = back ? 2 : 1; i < call->n_in; i++)
    if (!is_f32 (call->in[i]))
      return false;
  if (back && (!is_number (call->in[1]) || !is_rows (call->in[1])))
    return false;
  return is_number (in) && is_number (call->out[0]) && is_rows (in) && is_rows (call->out[0])
         && (in->rank >= 4 || p->kind == SEG_NORM_LAYER || p->kind == SEG_NORM_BATCH)
         && in->rank >= 2 && count_features (in) <= 8192 && is_f32 (call->out[1])
         && is_f32 (call->out[2]);
}

static bool
supports_loss (const SegBackendCall *call)
{
  const SegBackendTensor *in = call->in[0];

  if (!is_number (in) || in->rank < 2)
    return false;
  switch (call->op)
    {
    case SEG_OP_SOFTMAX:
    case SEG_OP_SOFTMAX_BACKWARD:
      {
        const SegSoftmaxParams *p = call->params;

        for (int a = 0; a < in->rank; a++)
          if (call->out[0]->stride[a] != in->stride[a]
              || (call->in[1] != NULL && call->in[1]->stride[a] != in->stride[a]))
            return false;
        return in->shape[p->axis] <= 4096 && is_number (call->out[0]) && is_dense (in);
      }
    case SEG_OP_CROSS_ENTROPY:
    case SEG_OP_CROSS_ENTROPY_BACKWARD:
      return is_rows (in) && in->rank != 3 && is_index (call->in[1]) && is_plain (call->in[1])
             && (call->in[2] == NULL || (is_plain (call->in[2]) && is_handled (call->in[2])))
             && is_f32 (call->in[3]) && count_features (in) <= 4096 && is_handled (call->out[0])
             && is_rows (call->out[0]);
    case SEG_OP_OVERLAP:
    case SEG_OP_OVERLAP_BACKWARD:
      {
        const bool soft = call->in[1]->rank == in->rank;

        return is_rows (in) && in->rank != 3 && count_features (in) <= 4096
               && (soft ? is_number (call->in[1]) && is_rows (call->in[1])
                        : is_index (call->in[1]) && is_plain (call->in[1]))
               && (call->in[2] == NULL || (is_plain (call->in[2]) && is_handled (call->in[2])))
               && (call->op == SEG_OP_OVERLAP || (is_f32 (call->in[3]) && is_rows (call->out[0])));
      }
    default:
      return is_rows (in) && in->rank != 3 && is_handled (call->in[1]) && is_rows (call->in[1])
             && is_f32 (call->in[2]) && is_rows (call->out[0]) && is_number (call->out[0])
             && (call->in[3] == NULL || (is_number (call->in[3]) && is_rows (call->in[3])));
    }
}

static bool
supports_basic (const SegBackendCall *call)
{
  const SegReduceParams *reduce = call->params;

  for (int i = 0; i < call->n_in; i++)
    if (call->in[i] != NULL && !is_handled (call->in[i]))
      return call->op == SEG_OP_COPY && call->in[i]->dtype == call->out[0]->dtype;
  if (!is_handled (call->out[0]))
    return false;
  switch (call->op)
    {
    case SEG_OP_COPY:
      /* whole numbers wider than floats change dtype in ref */
      return call->in[0]->dtype == call->out[0]->dtype || call->in[0]->dtype == SEG_DTYPE_U8
             || (is_number (call->in[0]) && call->out[0]->dtype != SEG_DTYPE_I64
                 && call->out[0]->dtype != SEG_DTYPE_I32);
    case SEG_OP_REDUCE:
      return is_number (call->in[0])
             && (reduce->kind == SEG_REDUCE_ARGMAX ? is_index (call->out[0])
                                                   : is_number (call->out[0]));
    case SEG_OP_RANDOM:
      return is_number (call->out[0]) && is_dense (call->out[0]);
    case SEG_OP_DROPOUT:
      if (((const SegDropoutParams *) call->params)->whole_channels)
        return is_number (call->in[0]) && is_rows (call->in[0]) && is_rows (call->out[0])
               && call->in[0]->rank >= 4;
      return is_number (call->in[0]) && is_rows (call->in[0]) && is_rows (call->out[0]);
    case SEG_OP_SGD:
    case SEG_OP_ADAMW:
      for (int o = 0; o < call->n_out; o++)
        if (call->out[o] != NULL && (!is_f32 (call->out[o]) || !is_plain (call->out[o])))
          return false;
      return is_f32 (call->in[0]) && is_plain (call->in[0]);
    case SEG_OP_FILL:
    case SEG_OP_LERP:
      return true;
    case SEG_OP_UNARY:
    case SEG_OP_UNARY_BACKWARD:
    case SEG_OP_BINARY:
      return is_number (call->out[0]) || is_index (call->out[0]);
    default:
      return false;
    }
}

static bool
supports_attention (const SegBackendCall *call)
{
  const SegAttentionParams *p = call->params;
  const bool back = call->op == SEG_OP_ATTENTION_BACKWARD;

  for (int i = 0; i < 3; i++)
    if (!is_number (call->in[i]) || call->in[i]->stride[2] != 1
        || call->in[i]->dtype != call->in[0]->dtype)
      return false;
  for (int o = 0; o < (back ? 3 : 1); o++)
    if (!is_number (call->out[o]) || !is_rows (call->out[o]))
      return false;
  for (int o = 3; o < call->n_out; o++)
    if (!is_f32 (call->out[o]) || (o > 3 && call->out[o] != NULL && !is_plain (call->out[o])))
      return false;
  for (int i = 4; i < 6; i++)
    if (!is_f32 (call->in[i]) || (call->in[i] != NULL && !is_plain (call->in[i])))
      return false;
  return is_number (call->in[3]) && (!back || (is_number (call->in[6]) && is_rows (call->in[6])))
         && call->in[0]->shape[2] / p->heads <= 1024 && call->in[2]->shape[2] / p->heads <= 1024;
}

static bool
supports_choice (const SegBackendCall *call)
{
  const SegBackendTensor *in = call->in[0], *out = call->out[0];

  if (call->op == SEG_OP_TOPK)
    return is_number (in) && in->shape[((const SegTopkParams *) call->params)->axis] < 1 << 24
           && out->dtype == in->dtype && call->out[1]->dtype == SEG_DTYPE_I32
           && ((const SegTopkParams *) call->params)->k <= 256;
  return is_number (in) && is_plain (in) && is_plain (out) && is_index (call->in[1])
         && is_plain (call->in[1]) && (call->op == SEG_OP_GATHER ? is_number (out) : is_f32 (out));
}

/* --- Products and convolutions of F16, which oneDNN has not: in F32, on copies ------------------
 */

typedef struct
{
  SegBackendCall call;
  SegBackendTensor tensor[2][SEG_MAX_TENSORS];
  uint8_t *memory;
} Widened;

/* Elements from the first to behind the last: gaps of a view are in it. */
static size_t
get_extent (const SegBackendTensor *t)
{
  int64_t last = 0;

  for (int a = 0; a < t->rank; a++)
    last += (t->shape[a] - 1) * t->stride[a];
  return (size_t) (last + 1);
}

/* Answers how many bytes the copies want; places them in memory, if there is some already. */
static size_t
widen (Widened *self, const SegBackendCall *call)
{
  size_t size = 0;

  self->call = *call;
  for (int way = 0; way < 2; way++)
    for (int t = 0; t < (way ? call->n_in : call->n_out); t++)
      {
        SegBackendTensor **slot = way ? &self->call.in[t] : &self->call.out[t];

        if (*slot == NULL || (*slot)->dtype != SEG_DTYPE_F16)
          continue;
        self->tensor[way][t] = **slot;
        self->tensor[way][t].dtype = SEG_DTYPE_F32;
        self->tensor[way][t].uid = 0; /* a copy of now: nothing is kept for it */
        self->tensor[way][t].data = self->memory != NULL ? self->memory + size : NULL;
        size += (get_extent (*slot) * sizeof (float) + 63) / 64 * 64;
        *slot = &self->tensor[way][t];
      }
  return size;
}

static SegStatus
copy (SegBackendDevice *device, SegBackendTensor *dst, SegBackendTensor *src)
{
  const SegBackendCall call = { SEG_OP_COPY, NULL, 0, 1, 1, { dst }, { src } };

  return device->run_basic (device, &call);
}

static SegStatus
run_widened (SegBackendDevice *device, const SegBackendCall *call)
{
  Widened wide = { .memory = NULL };
  SegStatus status = SEG_STATUS_OK;

  /* not the scratch memory, which the operation itself may want */
  wide.memory = aligned_alloc (64, widen (&wide, call) + 64);
  if (wide.memory == NULL)
    return SEG_STATUS_MEMORY;
  widen (&wide, call);
  for (int way = 0; way < 2; way++) /* outputs as well: they may be added to */
    for (int t = 0; t < (way ? call->n_in : call->n_out); t++)
      {
        SegBackendTensor *narrow = way ? call->in[t] : call->out[t];

        if (status == SEG_STATUS_OK && narrow != NULL && narrow->dtype == SEG_DTYPE_F16)
          status = copy (device, &wide.tensor[way][t], narrow);
      }
  if (status == SEG_STATUS_OK)
    status = seg_cpu_dnn_run (device, &wide.call);
  for (int t = 0; t < call->n_out; t++)
    if (status == SEG_STATUS_OK && call->out[t] != NULL && call->out[t]->dtype == SEG_DTYPE_F16)
      status = copy (device, call->out[t], &wide.tensor[0][t]);
  free (wide.memory);
  return status;
}

static bool
has_f16 (const SegBackendCall *call)
{
  for (int t = 0; t < call->n_out; t++)
    if (call->out[t] != NULL && call->out[t]->dtype == SEG_DTYPE_F16)
      return true;
  for (int t = 0; t < call->n_in; t++)
    if (call->in[t] != NULL && call->in[t]->dtype == SEG_DTYPE_F16)
      return true;
  return false;
}

static bool
supports_products (SegBackendDevice *device, const SegBackendCall *call)
{
  Widened wide = { .memory = NULL };

  if (!has_f16 (call))
    return seg_cpu_dnn_supports (device, call);
  widen (&wide, call);
  return seg_cpu_dnn_supports (device, &wide.call);
}

static int
op_supported (SegBackendDevice *device, const SegBackendCall *call)
{
  if ((call->out[0] != NULL && is_empty (call->out[0]))
      || (call->in[0] != NULL && call->n_in > 0 && is_empty (call->in[0])))
    return false;
  switch (call->op)
    {
    case SEG_OP_CONV:
    case SEG_OP_CONV_BACKWARD_DATA:
    case SEG_OP_CONV_BACKWARD_WEIGHTS:
    case SEG_OP_MATMUL:
      return supports_products (device, call);
    case SEG_OP_NORM:
    case SEG_OP_NORM_BACKWARD:
      return supports_norm (call);
    case SEG_OP_POOL:
    case SEG_OP_RESAMPLE:
    case SEG_OP_RESAMPLE_BACKWARD:
      return is_number (call->in[0]) && is_rows (call->in[0]) && is_number (call->out[0])
             && is_rows (call->out[0]);
    case SEG_OP_POOL_BACKWARD:
      return is_number (call->in[1]) && is_rows (call->in[1]) && is_number (call->out[0])
             && is_rows (call->out[0])
             && (call->in[0] == NULL || (is_number (call->in[0]) && is_rows (call->in[0])));
    case SEG_OP_SOFTMAX:
    case SEG_OP_SOFTMAX_BACKWARD:
    case SEG_OP_CROSS_ENTROPY:
    case SEG_OP_CROSS_ENTROPY_BACKWARD:
    case SEG_OP_OVERLAP:
    case SEG_OP_OVERLAP_BACKWARD:
    case SEG_OP_BCE:
    case SEG_OP_BCE_BACKWARD:
      return supports_loss (call);
    case SEG_OP_ATTENTION:
    case SEG_OP_ATTENTION_BACKWARD:
      return supports_attention (call);
    case SEG_OP_GATHER:
    case SEG_OP_SCATTER_ADD:
    case SEG_OP_TOPK:
      return supports_choice (call);
    default:
      return supports_basic (call);
    }
}

static SegStatus
op_run (SegBackendDevice *device, const SegBackendCall *call)
{
  device->message[0] = '\0';
  switch (call->op)
    {
    case SEG_OP_CONV:
    case SEG_OP_CONV_BACKWARD_DATA:
    case SEG_OP_CONV_BACKWARD_WEIGHTS:
      {
        SegStatus status;

        if (has_f16 (call))
          return run_widened (device, call);
        status = device->run_narrow (device, call);
        if (status == SEG_STATUS_UNSUPPORTED && call->op == SEG_OP_CONV_BACKWARD_WEIGHTS)
          status = device->run_weights (device, call);
        return status == SEG_STATUS_UNSUPPORTED ? seg_cpu_dnn_run (device, call) : status;
      }
    case SEG_OP_MATMUL:
      return has_f16 (call) ? run_widened (device, call) : seg_cpu_dnn_run (device, call);
    case SEG_OP_NORM:
    case SEG_OP_NORM_BACKWARD:
      return device->run_norm (device, call);
    case SEG_OP_POOL:
    case SEG_OP_POOL_BACKWARD:
    case SEG_OP_RESAMPLE:
    case SEG_OP_RESAMPLE_BACKWARD:
      return device->run_spatial (device, call);
    case SEG_OP_SOFTMAX:
    case SEG_OP_SOFTMAX_BACKWARD:
    case SEG_OP_CROSS_ENTROPY:
    case SEG_OP_CROSS_ENTROPY_BACKWARD:
    case SEG_OP_OVERLAP:
    case SEG_OP_OVERLAP_BACKWARD:
    case SEG_OP_BCE:
    case SEG_OP_BCE_BACKWARD:
      return device->run_loss (device, call);
    case SEG_OP_ATTENTION:
    case SEG_OP_ATTENTION_BACKWARD:
      return device->run_attention (device, call);
    case SEG_OP_GATHER:
    case SEG_OP_SCATTER_ADD:
    case SEG_OP_TOPK:
      return device->run_choice (device, call);
    default:
      return device->run_basic (device, call);
    }
}

/* 3 × 3 × 3 with a rim, on channels of which planes alone are no slower. */
static bool
is_of_planes (const SegBackendCall *call)
{
  const SegConvParams *p = call->params;
  const SegBackendTensor *weights =
      call->op == SEG_OP_CONV_BACKWARD_WEIGHTS ? call->out[0] : call->in[1];

  if (p->n_spatial != 3 || p->groups != 1 || p->transposed || weights->shape[0] < 16
      || weights->shape[1] < 16)
    return false;
  for (int a = 0; a < 3; a++)
    if (p->stride[a] != 1 || p->pad[a] != 1 || p->dilation[a] != 1 || weights->shape[2 + a] != 3)
      return false;
  return true;
}

__attribute__ ((visibility ("default"))) int seg_backend_divide (SegBackendDevice *device,
                                                                 const SegBackendCall *call,
                                                                 SegBackendDivision *division);

/* A gradient of weights is shared among the threads by samples where oneDNN makes it. */
int
seg_backend_divide (SegBackendDevice *device, const SegBackendCall *call,
                    SegBackendDivision *division)
{
  if (call->op != SEG_OP_CONV && call->op != SEG_OP_CONV_BACKWARD_DATA
      && call->op != SEG_OP_CONV_BACKWARD_WEIGHTS)
    return false;
  if (has_f16 (call))
    return false;
  division->min_samples = 1;
  division->planes = is_of_planes (call);
  if (call->op == SEG_OP_CONV_BACKWARD_WEIGHTS && !has_weights (call))
    {
      division->min_samples = device->n_threads;
      division->planes = false;
    }
  return true;
}

static double
peak_gflops (SegBackendDevice *device, SegDtype dtype)
{
  return seg_cpu_dnn_peak_gflops (device, dtype);
}

__attribute__ ((visibility ("default"))) const SegBackend *seg_backend_get (void);

const SegBackend *
seg_backend_get (void)
{
  static const SegBackend backend = {
    .abi = SEG_BACKEND_ABI,
    .struct_size = sizeof (SegBackend),
    .name = "cpu",
    .version = version,
    .score = score,
    .n_devices = n_devices,
    .device_open = device_open,
    .device_close = device_close,
    .device_info = device_info,
    .device_message = device_message,
    .buffer_alloc = buffer_alloc,
    .buffer_free = buffer_free,
    .upload = transfer,
    .download = transfer,
    .synchronize = synchronize,
    .op_supported = op_supported,
    .op_run = op_run,
    .forget = forget,
    .trim = trim,
    .peak_gflops = peak_gflops,
  };

  return &backend;
}
