/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/cpu-private.h"

#include <dnnl.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The only file that calls oneDNN, 2.6 or newer of version 2, or version 3.
 *
 * Activations are channels-last; weights are in whatever layout the primitive likes best, packed
 * from the F32 masters and kept until their version changes. A primitive is made once for each op,
 * parameters, shapes and dtypes. Scratch memory is the device's, so primitives own none. */

#define MAX_DIMS 12
#define MAX_SHARES 64
#define MAX_SIZE(a, b) ((a) > (b) ? (a) : (b))

/* --- The differences between the versions -------------------------------------------------------
 */

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t Md;
#define MD_OF(md) (md)

static bool
md_strided (Md *md, int rank, const dnnl_dim_t *dims, dnnl_data_type_t type,
            const dnnl_dim_t *strides)
{
  return dnnl_memory_desc_create_with_strides (md, rank, dims, type, strides) == dnnl_success;
}

static bool
md_any (Md *md, int rank, const dnnl_dim_t *dims, dnnl_data_type_t type)
{
  return dnnl_memory_desc_create_with_tag (md, rank, dims, type, dnnl_format_tag_any)
         == dnnl_success;
}

static void
md_clear (Md *md)
{
  if (*md != NULL)
    dnnl_memory_desc_destroy (*md);
  *md = NULL;
}
#else
typedef dnnl_memory_desc_t Md;
#define MD_OF(md) (&(md))

static bool
md_strided (Md *md, int rank, const dnnl_dim_t *dims, dnnl_data_type_t type,
            const dnnl_dim_t *strides)
{
  return dnnl_memory_desc_init_by_strides (md, rank, dims, type, strides) == dnnl_success;
}

static bool
md_any (Md *md, int rank, const dnnl_dim_t *dims, dnnl_data_type_t type)
{
  return dnnl_memory_desc_init_by_tag (md, rank, dims, type, dnnl_format_tag_any) == dnnl_success;
}

static void
md_clear (Md *md)
{
}
#endif

/* --- Cached primitives --------------------------------------------------------------------------
 */

/* What a primitive is made from; compared byte by byte. */
typedef struct
{
  int op;
  int rank;
  int n_spatial;
  int groups;
  int transposed;
  int dtype[4];
  int act;
  int flags; /* 1: bias, 2: accumulate, 4: weights may be packed, 8: for one thread, 16: turned */
  float alpha;
  dnnl_dim_t dims[3][MAX_DIMS];
  dnnl_dim_t strides[3][MAX_DIMS];
  dnnl_dim_t window[3][MAX_DIMS]; /* stride, pad, dilation */
  dnnl_dim_t pad_high[MAX_DIMS];
} Key;

/* Weights in the layout of a primitive. */
typedef struct _Pack
{
  struct _Pack *next;
  uint64_t uid;
  uint64_t version;
  void *data;
} Pack;

typedef struct _Entry
{
  struct _Entry *next;
  Key key;
  dnnl_primitive_t primitive;
  Md md[4]; /* src, weights, dst, bias; the ones the primitive wants */
  Md plain; /* of the master weights */
  bool packed; /* the weights' layout differs from the master's */
  float *turned; /* the master's taps from behind, channels changed places; or NULL */
  size_t weights_bytes;
  size_t scratch_bytes;
  Md scratch_md;
  dnnl_primitive_t reorder; /* master → packed, or packed gradient → master */
  size_t reorder_scratch;
  Md reorder_scratch_md;
  Pack *packs;
} Entry;

#define N_BUCKETS 256

struct _CpuDnn
{
  SegBackendDevice *device;
  dnnl_engine_t engine;
  dnnl_stream_t *streams; /* one for each thread; what all do together runs in the first */
  Entry *bucket[N_BUCKETS];
  void *scratch;
  size_t scratch_bytes;
};

static dnnl_data_type_t
get_type (SegDtype dtype)
{
  return dtype == SEG_DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
}

CpuDnn *
seg_cpu_dnn_new (SegBackendDevice *device)
{
  CpuDnn *self = calloc (1, sizeof *self);

  if (self == NULL)
    return NULL;
  self->device = device;
  self->streams = calloc (device->n_threads, sizeof *self->streams);
  if (self->streams == NULL || dnnl_engine_create (&self->engine, dnnl_cpu, 0) != dnnl_success)
    {
      seg_cpu_dnn_free (self);
      return NULL;
    }
  for (int t = 0; t < device->n_threads; t++)
    if (dnnl_stream_create (&self->streams[t], self->engine, dnnl_stream_default_flags)
        != dnnl_success)
      {
        seg_cpu_dnn_free (self);
        return NULL;
      }
  return self;
}

static void
entry_free (Entry *entry)
{
  Pack *next;

  for (Pack *pack = entry->packs; pack != NULL; pack = next)
    {
      next = pack->next;
      free (pack->data);
      free (pack);
    }
  if (entry->primitive != NULL)
    dnnl_primitive_destroy (entry->primitive);
  if (entry->reorder != NULL)
    dnnl_primitive_destroy (entry->reorder);
  for (int m = 0; m < 4; m++)
    md_clear (&entry->md[m]);
  md_clear (&entry->plain);
  md_clear (&entry->scratch_md);
  md_clear (&entry->reorder_scratch_md);
  free (entry->turned);
  free (entry);
}

void
seg_cpu_dnn_free (CpuDnn *self)
{
  Entry *next;

  if (self == NULL)
    return;
  for (int b = 0; b < N_BUCKETS; b++)
    for (Entry *entry = self->bucket[b]; entry != NULL; entry = next)
      {
        next = entry->next;
        entry_free (entry);
      }
  for (int t = 0; self->streams != NULL && t < self->device->n_threads; t++)
    if (self->streams[t] != NULL)
      dnnl_stream_destroy (self->streams[t]);
  free (self->streams);
  if (self->engine != NULL)
    dnnl_engine_destroy (self->engine);
  free (self->scratch);
  free (self);
}

void
seg_cpu_dnn_forget (CpuDnn *self, uint64_t uid)
{
  for (int b = 0; b < N_BUCKETS; b++)
    for (Entry *entry = self->bucket[b]; entry != NULL; entry = entry->next)
      for (Pack **link = &entry->packs; *link != NULL;)
        {
          Pack *pack = *link;

          if (pack->uid != uid)
            {
              link = &pack->next;
              continue;
            }
          *link = pack->next;
          free (pack->data);
          free (pack);
        }
}

const char *
seg_cpu_dnn_version (void)
{
  static char text[64];
  const dnnl_version_t *v = dnnl_version ();

  snprintf (text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
  return text;
}

/* bf16 products are native from AVX-512 with bf16 on; below they are emulated or missing. */
bool
seg_cpu_dnn_has_bf16 (void)
{
  const int isa = (int) dnnl_get_effective_cpu_isa ();

  return (isa & (int) dnnl_cpu_isa_avx512_core_bf16) == (int) dnnl_cpu_isa_avx512_core_bf16;
}

static unsigned
hash_key (const Key *key)
{
  const uint8_t *bytes = (const uint8_t *) key;
  unsigned hash = 2166136261u;

  for (size_t i = 0; i < sizeof *key; i++)
    hash = (hash ^ bytes[i]) * 16777619u;
  return hash % N_BUCKETS;
}

static Entry *
find_entry (CpuDnn *self, const Key *key)
{
  Entry *entry = self->bucket[hash_key (key)];

  while (entry != NULL && memcmp (&entry->key, key, sizeof *key) != 0)
    entry = entry->next;
  return entry;
}

static void *
get_scratch (CpuDnn *self, size_t size_bytes)
{
  if (size_bytes > self->scratch_bytes)
    {
      free (self->scratch);
      self->scratch = aligned_alloc (4096, (size_bytes + 4095) / 4096 * 4096);
      self->scratch_bytes = self->scratch != NULL ? size_bytes : 0;
    }
  return self->scratch;
}

static dnnl_memory_t
new_memory (CpuDnn *self, Md *md, void *data)
{
  dnnl_memory_t memory = NULL;

  if (dnnl_memory_create (&memory, MD_OF (*md), self->engine, data) != dnnl_success)
    return NULL;
  return memory;
}

/* Runs a primitive on up to six arguments; scratch memory begins @scratch_from bytes into the
 * arena. */
typedef struct
{
  int arg;
  Md *md;
  void *data;
} Argument;

static SegStatus
execute_on (CpuDnn *self, int thread, dnnl_primitive_t primitive, int n, const Argument *arguments)
{
  dnnl_exec_arg_t args[8];
  dnnl_status_t status = dnnl_success;

  for (int a = 0; a < n; a++)
    {
      args[a].arg = arguments[a].arg;
      args[a].memory = new_memory (self, arguments[a].md, arguments[a].data);
      if (args[a].memory == NULL)
        status = dnnl_out_of_memory;
    }
  if (status == dnnl_success)
    status = dnnl_primitive_execute (primitive, self->streams[thread], n, args);
  if (status == dnnl_success)
    status = dnnl_stream_wait (self->streams[thread]);
  for (int a = 0; a < n; a++)
    if (args[a].memory != NULL)
      dnnl_memory_destroy (args[a].memory);
  if (status == dnnl_success)
    return SEG_STATUS_OK;
  snprintf (self->device->message, sizeof self->device->message, "oneDNN status %d", (int) status);
  return status == dnnl_out_of_memory ? SEG_STATUS_MEMORY : SEG_STATUS_FAILED;
}

static SegStatus
execute (CpuDnn *self, dnnl_primitive_t primitive, int n, const Argument *arguments)
{
  return execute_on (self, 0, primitive, n, arguments);
}

/* --- Making primitives --------------------------------------------------------------------------
 */

static dnnl_primitive_attr_t
new_attr (const Key *key)
{
  dnnl_primitive_attr_t attr = NULL;
  dnnl_post_ops_t post = NULL;

  if (dnnl_primitive_attr_create (&attr) != dnnl_success)
    return NULL;
  dnnl_primitive_attr_set_scratchpad_mode (attr, dnnl_scratchpad_mode_user);
#if DNNL_VERSION_MAJOR < 3
  if (key->alpha != 1 && key->alpha != 0)
    dnnl_primitive_attr_set_output_scales (attr, 1, 0, &key->alpha);
#endif
  if (key->act == SEG_ACT_NONE && !(key->flags & 2) && (DNNL_VERSION_MAJOR < 3 || key->alpha == 1))
    return attr;
  if (dnnl_post_ops_create (&post) != dnnl_success)
    return attr;
#if DNNL_VERSION_MAJOR >= 3
  if (key->alpha != 1 && key->alpha != 0)
    dnnl_post_ops_append_eltwise (post, dnnl_eltwise_linear, key->alpha, 0);
  if (key->flags & 2)
    dnnl_post_ops_append_sum (post, 1, 0, dnnl_data_type_undef);
#define APPEND(post, alg) dnnl_post_ops_append_eltwise (post, alg, 0, 0)
#else
  if (key->flags & 2)
    dnnl_post_ops_append_sum (post, 1);
#define APPEND(post, alg) dnnl_post_ops_append_eltwise (post, 1, alg, 0, 0)
#endif
  if (key->act == SEG_ACT_RELU)
    APPEND (post, dnnl_eltwise_relu);
  else if (key->act == SEG_ACT_GELU)
    APPEND (post, dnnl_eltwise_gelu_erf);
  else if (key->act == SEG_ACT_GELU_TANH)
    APPEND (post, dnnl_eltwise_gelu_tanh);
#undef APPEND
  dnnl_primitive_attr_set_post_ops (attr, post);
  dnnl_post_ops_destroy (post);
  return attr;
}

static dnnl_primitive_desc_t
new_conv_pd (CpuDnn *self, const Key *key, Md *md, dnnl_primitive_attr_t attr,
             dnnl_primitive_desc_t hint)
{
  const dnnl_dim_t *strides = key->window[0], *low = key->window[1], *dilation = key->window[2];
  dnnl_primitive_desc_t pd = NULL;
#if DNNL_VERSION_MAJOR >= 3
#define FORWARD(name, alg)                                                                         \
  dnnl_##name##_forward_primitive_desc_create (&pd, self->engine, dnnl_forward_training, alg,      \
                                               md[0], md[1], key->flags & 1 ? md[3] : NULL, md[2], \
                                               strides, dilation, low, key->pad_high, attr)
#define BACK(name, alg, which, x, w, y)                                                            \
  dnnl_##name##_##which##_primitive_desc_create (&pd, self->engine, alg, x, w, y, strides,         \
                                                 dilation, low, key->pad_high, hint, attr)
  if (key->op == SEG_OP_CONV)
    {
      if (key->transposed)
        FORWARD (deconvolution, dnnl_deconvolution_direct);
      else
        FORWARD (convolution, dnnl_convolution_direct);
    }
  else if (key->op == SEG_OP_CONV_BACKWARD_DATA)
    {
      if (key->transposed)
        BACK (deconvolution, dnnl_deconvolution_direct, backward_data, md[0], md[1], md[2]);
      else
        BACK (convolution, dnnl_convolution_direct, backward_data, md[0], md[1], md[2]);
    }
  else if (key->transposed)
    dnnl_deconvolution_backward_weights_primitive_desc_create (
        &pd, self->engine, dnnl_deconvolution_direct, md[0], md[1], NULL, md[2], strides, dilation,
        low, key->pad_high, hint, attr);
  else
    dnnl_convolution_backward_weights_primitive_desc_create (
        &pd, self->engine, dnnl_convolution_direct, md[0], md[1], key->flags & 1 ? md[3] : NULL,
        md[2], strides, dilation, low, key->pad_high, hint, attr);
#undef FORWARD
#undef BACK
#else
  dnnl_convolution_desc_t desc; /* the deconvolution's is the same type */
  dnnl_status_t status;
  Md *bias = key->flags & 1 ? &md[3] : NULL;

  if (key->op == SEG_OP_CONV)
    status = key->transposed ? dnnl_dilated_deconvolution_forward_desc_init (
                 &desc, dnnl_forward_training, dnnl_deconvolution_direct, &md[0], &md[1], bias,
                 &md[2], strides, dilation, low, key->pad_high)
                             : dnnl_dilated_convolution_forward_desc_init (
                                 &desc, dnnl_forward_training, dnnl_convolution_direct, &md[0],
                                 &md[1], bias, &md[2], strides, dilation, low, key->pad_high);
  else if (key->op == SEG_OP_CONV_BACKWARD_DATA)
    status =
        key->transposed
            ? dnnl_dilated_deconvolution_backward_data_desc_init (&desc, dnnl_deconvolution_direct,
                                                                  &md[0], &md[1], &md[2], strides,
                                                                  dilation, low, key->pad_high)
            : dnnl_dilated_convolution_backward_data_desc_init (&desc, dnnl_convolution_direct,
                                                                &md[0], &md[1], &md[2], strides,
                                                                dilation, low, key->pad_high);
  else
    status = key->transposed ? dnnl_dilated_deconvolution_backward_weights_desc_init (
                 &desc, dnnl_deconvolution_direct, &md[0], &md[1], NULL, &md[2], strides, dilation,
                 low, key->pad_high)
                             : dnnl_dilated_convolution_backward_weights_desc_init (
                                 &desc, dnnl_convolution_direct, &md[0], &md[1], bias, &md[2],
                                 strides, dilation, low, key->pad_high);
  if (status == dnnl_success)
    dnnl_primitive_desc_create (&pd, &desc, attr, self->engine, hint);
#endif
  return pd;
}

static dnnl_primitive_desc_t
new_matmul_pd (CpuDnn *self, const Key *key, Md *md, dnnl_primitive_attr_t attr)
{
  dnnl_primitive_desc_t pd = NULL;
#if DNNL_VERSION_MAJOR >= 3
  dnnl_matmul_primitive_desc_create (&pd, self->engine, md[0], md[1], key->flags & 1 ? md[3] : NULL,
                                     md[2], attr);
#else
  dnnl_matmul_desc_t desc;

  if (dnnl_matmul_desc_init (&desc, &md[0], &md[1], key->flags & 1 ? &md[3] : NULL, &md[2])
      == dnnl_success)
    dnnl_primitive_desc_create (&pd, &desc, attr, self->engine, NULL);
#endif
  return pd;
}

static void
query_md (dnnl_primitive_desc_t pd, dnnl_query_t what, Md *md)
{
#if DNNL_VERSION_MAJOR >= 3
  md_clear (md);
  dnnl_memory_desc_clone (md, dnnl_primitive_desc_query_md (pd, what, 0));
#else
  *md = *dnnl_primitive_desc_query_md (pd, what, 0);
#endif
}

static size_t
md_size (Md *md)
{
  return dnnl_memory_desc_get_size (MD_OF (*md));
}

static bool
make_reorder (CpuDnn *self, Entry *entry, Md *from, Md *to, bool accumulate)
{
  dnnl_primitive_attr_t attr =
      new_attr (&(Key){ .alpha = 1, .act = SEG_ACT_NONE, .flags = accumulate ? 2 : 0 });
  dnnl_primitive_desc_t pd = NULL;
  bool good = dnnl_reorder_primitive_desc_create (&pd, MD_OF (*from), self->engine, MD_OF (*to),
                                                  self->engine, attr)
              == dnnl_success;

  if (good)
    {
      good = dnnl_primitive_create (&entry->reorder, pd) == dnnl_success;
      query_md (pd, dnnl_query_scratchpad_md, &entry->reorder_scratch_md);
      entry->reorder_scratch = md_size (&entry->reorder_scratch_md);
      dnnl_primitive_desc_destroy (pd);
    }
  dnnl_primitive_attr_destroy (attr);
  return good;
}

/* Dims and strides of the master weights [groups] K C k.., as oneDNN orders them: output channels
 * first for both kinds (a transposed one's master has the input's first). */
static int
get_weight_layout (const Key *key, const SegBackendTensor *weight, dnnl_dim_t *dims,
                   dnnl_dim_t *strides)
{
  const int shift = key->groups > 1 ? 1 : 0;
  const int64_t per_group = weight->shape[0] / key->groups;
  const int first = key->transposed ? 1 : 0;

  if (shift)
    {
      dims[0] = key->groups;
      strides[0] = per_group * weight->stride[0];
    }
  dims[shift + first] = per_group;
  strides[shift + first] = weight->stride[0];
  dims[shift + 1 - first] = weight->shape[1];
  strides[shift + 1 - first] = weight->stride[1];
  for (int a = 2; a < weight->rank; a++)
    {
      dims[shift + a] = weight->shape[a];
      strides[shift + a] = weight->stride[a];
    }
  return weight->rank + shift;
}

static void
copy_layout (Key *key, int which, const SegBackendTensor *t)
{
  for (int a = 0; a < t->rank; a++)
    {
      key->dims[which][a] = t->shape[a];
      key->strides[which][a] = t->stride[a];
    }
}

typedef struct
{
  const SegBackendTensor *src, *weights, *dst; /* the maps of the forward direction */
} ConvTensors;

static ConvTensors
get_conv_tensors (const SegBackendCall *call)
{
  switch (call->op)
    {
    case SEG_OP_CONV:
      return (ConvTensors){ call->in[0], call->in[1], call->out[0] };
    case SEG_OP_CONV_BACKWARD_DATA:
      return (ConvTensors){ call->out[0], call->in[1], call->in[0] };
    default:
      return (ConvTensors){ call->in[0], call->out[0], call->in[1] };
    }
}

/* The gradient of the input of such a convolution is one as well, with the weights turned round;
 * with few channels oneDNN's own way to it reaches three quarters of the speed. */
static bool
is_better_turned (const SegConvParams *p, const ConvTensors *t, SegOp op)
{
  if (op != SEG_OP_CONV_BACKWARD_DATA || p->transposed || p->groups != 1
      || t->src->dtype != SEG_DTYPE_F32 || t->src->shape[1] > 16 || t->dst->shape[1] > 16)
    return false;
  for (int a = 0; a < p->n_spatial; a++)
    if (p->stride[a] != 1 || p->dilation[a] != 1 || p->pad[a] >= t->weights->shape[2 + a])
      return false;
  return true;
}

static void
make_conv_key (const SegBackendCall *call, Key *key)
{
  const SegConvParams *p = call->params;
  const ConvTensors t = get_conv_tensors (call);

  memset (key, 0, sizeof *key);
  key->op = call->op;
  key->rank = t.src->rank;
  key->n_spatial = p->n_spatial;
  key->groups = p->groups;
  key->transposed = p->transposed;
  key->dtype[0] = t.src->dtype;
  key->dtype[2] = t.dst->dtype;
  key->alpha = 1;
  if (!p->transposed
      && ((call->op == SEG_OP_CONV && call->in[2] != NULL)
          || (call->op == SEG_OP_CONV_BACKWARD_WEIGHTS && call->out[1] != NULL)))
    key->flags |= 1;
  if (is_better_turned (p, &t, call->op))
    key->flags |= 16;
  copy_layout (key, 0, t.src);
  copy_layout (key, 2, t.dst);
  copy_layout (key, 1, t.weights);
  for (int a = 0; a < p->n_spatial; a++)
    {
      const int64_t reach = p->dilation[a] * (t.weights->shape[2 + a] - 1) + 1;
      const int64_t narrow = p->transposed ? t.src->shape[2 + a] : t.dst->shape[2 + a];
      const int64_t wide = p->transposed ? t.dst->shape[2 + a] : t.src->shape[2 + a];

      key->window[0][a] = p->stride[a];
      key->window[1][a] = key->flags & 16 ? reach - 1 - p->pad[a] : p->pad[a];
      key->window[2][a] = p->dilation[a] - 1;
      key->pad_high[a] = (narrow - 1) * p->stride[a] + reach - wide - p->pad[a];
    }
}

/* Strides of axes of size 1 are free: set them as oneDNN expects of channels-last memory. */
static void
tidy_strides (int rank, const dnnl_dim_t *dims, dnnl_dim_t *strides)
{
  dnnl_dim_t step = dims[1];

  if (strides[1] != 1 && dims[1] != 1)
    return;
  strides[1] = 1;
  for (int a = rank - 1; a >= 2; a--)
    {
      strides[a] = step;
      step *= dims[a];
    }
  strides[0] = step;
}

static dnnl_primitive_desc_t
describe_conv (CpuDnn *self, const Key *key, Md *md)
{
  dnnl_primitive_attr_t attr = new_attr (key);
  dnnl_primitive_desc_t hint = NULL, pd = NULL;

  if (key->op != SEG_OP_CONV)
    {
      Key forward = *key;
      dnnl_primitive_attr_t plain;

      forward.op = SEG_OP_CONV;
      forward.flags = 0;
      plain = new_attr (&forward);
      hint = new_conv_pd (self, &forward, md, plain, NULL);
      dnnl_primitive_attr_destroy (plain);
    }
  if (key->op == SEG_OP_CONV || hint != NULL)
    {
      /* gradients of bf16 weights are F32 */
      if (key->op == SEG_OP_CONV_BACKWARD_WEIGHTS)
        {
#if DNNL_VERSION_MAJOR >= 3
          int rank = 0;
          dnnl_dims_t *dims;

          dnnl_memory_desc_query (md[1], dnnl_query_ndims_s32, &rank);
          dnnl_memory_desc_query (md[1], dnnl_query_dims, &dims);
          {
            dnnl_dim_t own[MAX_DIMS];

            memcpy (own, *dims, rank * sizeof own[0]);
            md_clear (&md[1]);
            md_any (&md[1], rank, own, dnnl_f32);
          }
#else
          md[1].data_type = dnnl_f32;
#endif
        }
      pd = new_conv_pd (self, key, md, attr, hint);
    }
  if (hint != NULL)
    dnnl_primitive_desc_destroy (hint);
  dnnl_primitive_attr_destroy (attr);
  return pd;
}

/* A forward convolution from dst to src. */
static dnnl_primitive_desc_t
describe_turned (CpuDnn *self, const Key *key, const Md *md)
{
  Md turned[4] = { md[2], md[1], md[0], md[3] };
  Key forward = *key;
  dnnl_primitive_attr_t attr;
  dnnl_primitive_desc_t pd;

  forward.op = SEG_OP_CONV;
  forward.flags = 0;
  for (int a = 0; a < key->n_spatial; a++)
    forward.pad_high[a] = key->window[1][a];
  attr = new_attr (&forward);
  pd = new_conv_pd (self, &forward, turned, attr, NULL);
  dnnl_primitive_attr_destroy (attr);
  return pd;
}

/* Room for the turned weights, and their layout. */
static float *
new_turned (const SegBackendTensor *weights, dnnl_dim_t *dims, dnnl_dim_t *strides)
{
  dnnl_dim_t step = 1;

  dims[0] = weights->shape[1];
  dims[1] = weights->shape[0];
  for (int a = weights->rank - 1; a >= 0; a--)
    {
      strides[a] = step;
      step *= dims[a];
    }
  return malloc (step * sizeof (float));
}

static void
turn_weights (const SegBackendTensor *weights, float *turned)
{
  const int64_t *shape = weights->shape, *stride = weights->stride;
  int64_t taps = 1;

  for (int a = 2; a < weights->rank; a++)
    taps *= shape[a];
  for (int64_t c = 0; c < shape[1]; c++)
    for (int64_t k = 0; k < shape[0]; k++)
      for (int64_t tap = taps - 1; tap >= 0; tap--)
        {
          int64_t rest = tap, offset = k * stride[0] + c * stride[1];

          for (int a = weights->rank - 1; a >= 2; a--)
            {
              offset += rest % shape[a] * stride[a];
              rest /= shape[a];
            }
          *turned++ = ((const float *) weights->data)[offset];
        }
}

static Entry *
add_entry (CpuDnn *self, Entry *entry)
{
  const unsigned b = hash_key (&entry->key);

  entry->next = self->bucket[b];
  self->bucket[b] = entry;
  return entry;
}

static Entry *
make_conv (CpuDnn *self, const SegBackendCall *call, const Key *key)
{
  const ConvTensors t = get_conv_tensors (call);
  Entry *entry = calloc (1, sizeof *entry);
  dnnl_dim_t dims[MAX_DIMS], strides[MAX_DIMS];
  dnnl_primitive_desc_t pd;
  dnnl_query_t weights_query;
  bool good;
  int rank;

  if (entry == NULL)
    return NULL;
  entry->key = *key;
  memcpy (strides, key->strides[0], sizeof key->strides[0]);
  tidy_strides (key->rank, key->dims[0], strides);
  good = md_strided (&entry->md[0], key->rank, key->dims[0], get_type (t.src->dtype), strides);
  memcpy (strides, key->strides[2], sizeof key->strides[2]);
  tidy_strides (key->rank, key->dims[2], strides);
  good =
      good && md_strided (&entry->md[2], key->rank, key->dims[2], get_type (t.dst->dtype), strides);
  rank = get_weight_layout (key, t.weights, dims, strides);
  if (key->flags & 16)
    good = good && (entry->turned = new_turned (t.weights, dims, strides)) != NULL;
  good = good && md_strided (&entry->plain, rank, dims, dnnl_f32, strides)
         && md_any (&entry->md[1], rank, dims, get_type (t.src->dtype));
  if (good && key->flags & 1)
    good = md_strided (&entry->md[3], 1, (dnnl_dim_t[MAX_DIMS]){ t.dst->shape[1] }, dnnl_f32,
                       (dnnl_dim_t[MAX_DIMS]){ 1 });
  pd = NULL;
  if (good && key->flags & 16)
    pd = describe_turned (self, key, entry->md);
  else if (good)
    pd = describe_conv (self, key, entry->md);
  if (pd == NULL)
    {
      entry_free (entry);
      return NULL;
    }
  weights_query =
      key->op == SEG_OP_CONV_BACKWARD_WEIGHTS ? dnnl_query_diff_weights_md : dnnl_query_weights_md;
  query_md (pd, weights_query, &entry->md[1]);
  query_md (pd, dnnl_query_scratchpad_md, &entry->scratch_md);
  entry->scratch_bytes = md_size (&entry->scratch_md);
  entry->weights_bytes = md_size (&entry->md[1]);
  good = dnnl_primitive_create (&entry->primitive, pd) == dnnl_success;
  dnnl_primitive_desc_destroy (pd);
  if (key->op == SEG_OP_CONV_BACKWARD_WEIGHTS)
    good = good && make_reorder (self, entry, &entry->md[1], &entry->plain, true);
  else
    good = good && make_reorder (self, entry, &entry->plain, &entry->md[1], false);
  entry->packed = true;
  if (!good)
    {
      entry_free (entry);
      return NULL;
    }
  return add_entry (self, entry);
}

/* The weights as the primitive wants them. Those with a uid are kept until they change. */
static void *
get_packed (CpuDnn *self, Entry *entry, const SegBackendTensor *weights, void *temporary,
            void *scratch, SegStatus *status)
{
  Pack *pack = entry->packs;
  void *data = temporary;

  if (weights->uid != 0)
    {
      while (pack != NULL && pack->uid != weights->uid)
        pack = pack->next;
      if (pack == NULL)
        {
          pack = calloc (1, sizeof *pack);
          if (pack != NULL)
            pack->data = aligned_alloc (64, (entry->weights_bytes + 63) / 64 * 64);
          if (pack == NULL || pack->data == NULL)
            {
              free (pack);
              *status = SEG_STATUS_MEMORY;
              return NULL;
            }
          pack->uid = weights->uid;
          pack->version = weights->version - 1;
          pack->next = entry->packs;
          entry->packs = pack;
        }
      if (pack->version == weights->version)
        return pack->data;
      data = pack->data;
    }
  if (entry->turned != NULL)
    turn_weights (weights, entry->turned);
  *status = execute (self, entry->reorder, 3,
                     (Argument[]){ { DNNL_ARG_FROM, &entry->plain,
                                     entry->turned != NULL ? entry->turned : weights->data },
                                   { DNNL_ARG_TO, &entry->md[1], data },
                                   { DNNL_ARG_SCRATCHPAD, &entry->reorder_scratch_md, scratch } });
  if (*status == SEG_STATUS_OK && weights->uid != 0)
    pack->version = weights->version;
  return data;
}

static size_t
align (size_t size)
{
  return (size + 4095) / 4096 * 4096;
}

/* Gradients of weights, a share of the batch for each thread: oneDNN's own way with several threads
 * waits in barriers that spin, which a second busy process turns into most of a training step, and
 * shares small maps badly. */
typedef struct
{
  SegBackendDevice *device;
  const SegBackendTensor *src, *dst;
  int n_parts;
  Entry *entry[2]; /* of the smaller and the larger share */
  size_t part_bytes, weights_offset, bias_offset; /* of each part's scratch memory */
  uint8_t *scratch;
  SegStatus status[MAX_SHARES];
} Shares;

static void
share_cb (void *data, int64_t low, int64_t high, int thread)
{
  static const size_t sizes[] = { [SEG_DTYPE_F32] = 4, [SEG_DTYPE_BF16] = 2 };
  Shares *s = data;

  for (int64_t part = low; part < high; part++)
    {
      const int64_t first = s->src->shape[0] * part / s->n_parts;
      const int64_t n = s->src->shape[0] * (part + 1) / s->n_parts - first;
      Entry *entry = s->entry[n > s->src->shape[0] / s->n_parts];
      uint8_t *scratch = s->scratch + part * s->part_bytes;
      const size_t src_offset = first * s->src->stride[0] * sizes[s->src->dtype];
      const size_t dst_offset = first * s->dst->stride[0] * sizes[s->dst->dtype];

      s->status[part] = execute_on (
          s->device->dnn, thread, entry->primitive, entry->key.flags & 1 ? 5 : 4,
          (Argument[]){ { DNNL_ARG_SRC, &entry->md[0], (uint8_t *) s->src->data + src_offset },
                        { DNNL_ARG_DIFF_DST, &entry->md[2], (uint8_t *) s->dst->data + dst_offset },
                        { DNNL_ARG_DIFF_WEIGHTS, &entry->md[1], scratch + s->weights_offset },
                        { DNNL_ARG_SCRATCHPAD, &entry->scratch_md, scratch },
                        { DNNL_ARG_DIFF_BIAS, &entry->md[3], scratch + s->bias_offset } });
    }
}

/* The primitive for @n samples on one thread. */
static Entry *
get_share (CpuDnn *self, const SegBackendCall *call, const ConvTensors *t, int64_t n)
{
  SegBackendTensor src = *t->src, dst = *t->dst;
  SegBackendCall part = *call;
  Entry *entry;
  Key key;

  src.shape[0] = dst.shape[0] = n;
  part.in[0] = &src;
  part.in[1] = &dst;
  make_conv_key (&part, &key);
  key.flags |= 8;
  entry = find_entry (self, &key);
  if (entry == NULL)
    {
      omp_set_num_threads (1);
      entry = make_conv (self, &part, &key);
      omp_set_num_threads (self->device->n_threads);
    }
  return entry;
}

static void
add_bias_gradient (const SegBackendCall *call, const float *bias)
{
  float *sums = call->out[1]->data;

  for (int64_t k = 0; k < call->in[1]->shape[1]; k++)
    sums[k] += bias[k];
}

static SegStatus
run_shared_weights (SegBackendDevice *device, const SegBackendCall *call, const ConvTensors *t)
{
  CpuDnn *self = device->dnn;
  Shares s = { .device = device, .src = t->src, .dst = t->dst, .n_parts = device->n_threads };
  const int64_t n = t->src->shape[0] / s.n_parts;
  SegBackendTensor sum = { .dtype = SEG_DTYPE_F32, .rank = 1, .stride = { 1 } }, add;
  SegBinaryParams plus = { SEG_BINARY_ADD };
  Entry *entry;

  entry = s.entry[0] = s.entry[1] = get_share (self, call, t, n);
  if (entry != NULL && t->src->shape[0] % s.n_parts != 0)
    s.entry[1] = get_share (self, call, t, n + 1);
  /* the parts are added as they lie: all must lie alike */
  if (s.entry[0] == NULL || s.entry[1] == NULL
      || !dnnl_memory_desc_equal (MD_OF (s.entry[0]->md[1]), MD_OF (s.entry[1]->md[1])))
    return SEG_STATUS_UNSUPPORTED;
  s.weights_offset = align (MAX_SIZE (s.entry[0]->scratch_bytes, s.entry[1]->scratch_bytes));
  s.weights_offset = MAX_SIZE (s.weights_offset, align (entry->reorder_scratch));
  s.bias_offset = s.weights_offset + align (entry->weights_bytes);
  s.part_bytes = s.bias_offset + align (t->dst->shape[1] * sizeof (float));
  s.scratch = get_scratch (self, s.n_parts * s.part_bytes + 4096);
  if (s.scratch == NULL)
    return SEG_STATUS_MEMORY;
  seg_cpu_parallel (device, s.n_parts, 1, share_cb, &s);
  sum.shape[0] = (int64_t) (entry->weights_bytes / sizeof (float));
  sum.data = s.scratch + s.weights_offset;
  add = sum;
  for (int part = 0; part < s.n_parts; part++)
    {
      SegBackendCall call_add = {
        SEG_OP_BINARY, &plus, sizeof plus, 1, 2, { &sum }, { &sum, &add }
      };

      if (s.status[part] != SEG_STATUS_OK)
        return s.status[part];
      add.data = s.scratch + part * s.part_bytes + s.weights_offset;
      if (part > 0)
        device->run_basic (device, &call_add);
      if (entry->key.flags & 1)
        add_bias_gradient (call, (float *) (s.scratch + part * s.part_bytes + s.bias_offset));
    }
  return execute (self, entry->reorder, 3,
                  (Argument[]){ { DNNL_ARG_FROM, &entry->md[1], sum.data },
                                { DNNL_ARG_TO, &entry->plain, t->weights->data },
                                { DNNL_ARG_SCRATCHPAD, &entry->reorder_scratch_md, s.scratch } });
}

static SegStatus
run_conv (SegBackendDevice *device, const SegBackendCall *call)
{
  CpuDnn *self = device->dnn;
  const ConvTensors t = get_conv_tensors (call);
  const SegConvParams *params = call->params;
  Key key;
  Entry *entry;
  uint8_t *scratch;
  void *weights;
  SegStatus status = SEG_STATUS_OK;
  size_t scratch_bytes;

  if (call->op == SEG_OP_CONV_BACKWARD_WEIGHTS && device->n_threads > 1
      && device->n_threads <= MAX_SHARES && t.src->shape[0] >= device->n_threads)
    status = run_shared_weights (device, call, &t);
  else
    status = SEG_STATUS_UNSUPPORTED;
  if (status != SEG_STATUS_UNSUPPORTED)
    {
      if (status == SEG_STATUS_OK && call->out[1] != NULL && params->transposed)
        device->sum_channels (device, t.dst, call->out[1]);
      return status;
    }
  status = SEG_STATUS_OK;
  make_conv_key (call, &key);
  entry = find_entry (self, &key);
  if (entry == NULL)
    entry = make_conv (self, call, &key);
  if (entry == NULL)
    return SEG_STATUS_UNSUPPORTED;
  scratch_bytes = align (entry->scratch_bytes > entry->reorder_scratch ? entry->scratch_bytes
                                                                       : entry->reorder_scratch);
  scratch = get_scratch (self, scratch_bytes + align (entry->weights_bytes)
                                   + align (t.dst->shape[1] * sizeof (float)));
  if (scratch == NULL)
    return SEG_STATUS_MEMORY;
  if (call->op == SEG_OP_CONV_BACKWARD_WEIGHTS)
    {
      uint8_t *bias = scratch + scratch_bytes + align (entry->weights_bytes);

      weights = scratch + scratch_bytes;
      status = execute (self, entry->primitive, key.flags & 1 ? 5 : 4,
                        (Argument[]){ { DNNL_ARG_SRC, &entry->md[0], t.src->data },
                                      { DNNL_ARG_DIFF_DST, &entry->md[2], t.dst->data },
                                      { DNNL_ARG_DIFF_WEIGHTS, &entry->md[1], weights },
                                      { DNNL_ARG_SCRATCHPAD, &entry->scratch_md, scratch },
                                      { DNNL_ARG_DIFF_BIAS, &entry->md[3], bias } });
      if (status == SEG_STATUS_OK)
        status =
            execute (self, entry->reorder, 3,
                     (Argument[]){ { DNNL_ARG_FROM, &entry->md[1], weights },
                                   { DNNL_ARG_TO, &entry->plain, t.weights->data },
                                   { DNNL_ARG_SCRATCHPAD, &entry->reorder_scratch_md, scratch } });
      if (status == SEG_STATUS_OK && key.flags & 1)
        add_bias_gradient (call, (float *) bias);
      else if (status == SEG_STATUS_OK && call->out[1] != NULL)
        device->sum_channels (device, t.dst, call->out[1]);
      return status;
    }
  weights = get_packed (self, entry, t.weights, scratch + scratch_bytes, scratch, &status);
  if (status != SEG_STATUS_OK)
    return status;
  if (key.flags & 16)
    return execute (self, entry->primitive, 4,
                    (Argument[]){ { DNNL_ARG_SRC, &entry->md[2], t.dst->data },
                                  { DNNL_ARG_WEIGHTS, &entry->md[1], weights },
                                  { DNNL_ARG_DST, &entry->md[0], t.src->data },
                                  { DNNL_ARG_SCRATCHPAD, &entry->scratch_md, scratch } });
  if (call->op == SEG_OP_CONV_BACKWARD_DATA)
    return execute (self, entry->primitive, 4,
                    (Argument[]){ { DNNL_ARG_DIFF_DST, &entry->md[2], t.dst->data },
                                  { DNNL_ARG_WEIGHTS, &entry->md[1], weights },
                                  { DNNL_ARG_DIFF_SRC, &entry->md[0], t.src->data },
                                  { DNNL_ARG_SCRATCHPAD, &entry->scratch_md, scratch } });
  status = execute (
      self, entry->primitive, key.flags & 1 ? 5 : 4,
      (Argument[]){ { DNNL_ARG_SRC, &entry->md[0], t.src->data },
                    { DNNL_ARG_WEIGHTS, &entry->md[1], weights },
                    { DNNL_ARG_DST, &entry->md[2], t.dst->data },
                    { DNNL_ARG_SCRATCHPAD, &entry->scratch_md, scratch },
                    { DNNL_ARG_BIAS, &entry->md[3], key.flags & 1 ? call->in[2]->data : NULL } });
  /* a transposed convolution with a bias of its own is fifty times slower */
  if (status == SEG_STATUS_OK && params->transposed && call->in[2] != NULL)
    device->add_bias (device, call->out[0], call->in[2]);
  return status;
}

/* --- Products -----------------------------------------------------------------------------------
 */

static Entry *
make_product (CpuDnn *self, const Key *key, bool pack_b)
{
  Entry *entry = calloc (1, sizeof *entry);
  dnnl_primitive_attr_t attr;
  dnnl_primitive_desc_t pd = NULL;
  bool good;

  if (entry == NULL)
    return NULL;
  entry->key = *key;
  good =
      md_strided (&entry->md[0], key->rank, key->dims[0], get_type (key->dtype[0]), key->strides[0])
      && md_strided (&entry->plain, key->rank, key->dims[1], get_type (key->dtype[1]),
                     key->strides[1])
      && md_strided (&entry->md[2], key->rank, key->dims[2], get_type (key->dtype[2]),
                     key->strides[2]);
  if (good && pack_b)
    good = md_any (&entry->md[1], key->rank, key->dims[1], get_type (key->dtype[0]));
  else if (good)
    good = md_strided (&entry->md[1], key->rank, key->dims[1], get_type (key->dtype[1]),
                       key->strides[1]);
  if (good && key->flags & 1)
    {
      dnnl_dim_t dims[MAX_DIMS], strides[MAX_DIMS];

      for (int a = 0; a < key->rank; a++)
        dims[a] = strides[a] = 1;
      dims[key->rank - 1] = key->dims[2][key->rank - 1];
      for (int a = 0; a < key->rank - 1; a++)
        strides[a] = dims[key->rank - 1];
      good = md_strided (&entry->md[3], key->rank, dims, dnnl_f32, strides);
    }
  attr = new_attr (key);
  pd = good ? new_matmul_pd (self, key, entry->md, attr) : NULL;
  dnnl_primitive_attr_destroy (attr);
  good = pd != NULL;
  if (good)
    {
      query_md (pd, dnnl_query_weights_md, &entry->md[1]);
      query_md (pd, dnnl_query_scratchpad_md, &entry->scratch_md);
      entry->scratch_bytes = md_size (&entry->scratch_md);
      entry->weights_bytes = md_size (&entry->md[1]);
      good = dnnl_primitive_create (&entry->primitive, pd) == dnnl_success;
      dnnl_primitive_desc_destroy (pd);
      if (good && pack_b)
        good = make_reorder (self, entry, &entry->plain, &entry->md[1], false);
      entry->packed = pack_b;
    }
  if (!good)
    {
      entry_free (entry);
      return NULL;
    }
  return add_entry (self, entry);
}

static SegStatus
run_product (CpuDnn *self, const Key *key, bool pack_b, const SegBackendTensor *b, const void *a,
             void *out, const void *bias)
{
  Entry *entry = find_entry (self, key);
  size_t scratch_bytes;
  uint8_t *scratch;
  void *weights;
  SegStatus status = SEG_STATUS_OK;

  if (entry == NULL)
    entry = make_product (self, key, pack_b);
  if (entry == NULL)
    return SEG_STATUS_UNSUPPORTED;
  scratch_bytes = align (entry->scratch_bytes > entry->reorder_scratch ? entry->scratch_bytes
                                                                       : entry->reorder_scratch);
  scratch = get_scratch (self, scratch_bytes + (pack_b ? align (entry->weights_bytes) : 0) + 4096);
  if (scratch == NULL)
    return SEG_STATUS_MEMORY;
  weights = b->data;
  if (pack_b)
    weights = get_packed (self, entry, b, scratch + scratch_bytes, scratch, &status);
  if (status != SEG_STATUS_OK)
    return status;
  return execute (self, entry->primitive, key->flags & 1 ? 5 : 4,
                  (Argument[]){ { DNNL_ARG_SRC, &entry->md[0], (void *) a },
                                { DNNL_ARG_WEIGHTS, &entry->md[1], weights },
                                { DNNL_ARG_DST, &entry->md[2], out },
                                { DNNL_ARG_SCRATCHPAD, &entry->scratch_md, scratch },
                                { DNNL_ARG_BIAS, &entry->md[3], (void *) bias } });
}

/* Axes before the last two, 1 where the tensor has none. */
static void
set_operand (Key *key, int which, const SegBackendTensor *t, bool turned)
{
  const int shift = key->rank - t->rank;

  for (int a = 0; a < key->rank; a++)
    {
      key->dims[which][a] = a < shift ? 1 : t->shape[a - shift];
      key->strides[which][a] = a < shift ? seg_cpu_count (t) : t->stride[a - shift];
    }
  if (turned)
    {
      const int last = key->rank - 1;
      const dnnl_dim_t dim = key->dims[which][last], stride = key->strides[which][last];

      key->dims[which][last] = key->dims[which][last - 1];
      key->strides[which][last] = key->strides[which][last - 1];
      key->dims[which][last - 1] = dim;
      key->strides[which][last - 1] = stride;
    }
}

static SegStatus
run_matmul (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegMatmulParams *p = call->params;
  const SegBackendTensor *a = call->in[0], *b = call->in[1], *out = call->out[0];
  const bool pack_b = b->rank == 2 && (b->uid != 0 || b->dtype != a->dtype);
  Key key;

  memset (&key, 0, sizeof key);
  key.op = SEG_OP_MATMUL;
  key.rank = out->rank;
  key.dtype[0] = a->dtype;
  key.dtype[1] = b->dtype;
  key.dtype[2] = out->dtype;
  key.act = p->act;
  key.alpha = (float) p->alpha;
  key.flags = (call->in[2] != NULL ? 1 : 0) | (p->accumulate ? 2 : 0) | (pack_b ? 4 : 0);
  set_operand (&key, 0, a, p->transpose_a);
  set_operand (&key, 1, b, p->transpose_b);
  set_operand (&key, 2, out, false);
  return run_product (device->dnn, &key, pack_b, b, a->data, out->data,
                      call->in[2] != NULL ? call->in[2]->data : NULL);
}

SegStatus
seg_cpu_dnn_product (SegBackendDevice *device, const CpuProduct *s, const void *a, const void *b,
                     void *c)
{
  SegBackendTensor weights = { .data = (void *) b };
  Key key;

  memset (&key, 0, sizeof key);
  key.op = SEG_OP_MATMUL;
  key.rank = 3;
  key.dtype[0] = s->dtype_a;
  key.dtype[1] = s->dtype_b;
  key.dtype[2] = s->dtype_c;
  key.alpha = s->alpha;
  key.flags = s->accumulate ? 2 : 0;
  key.dims[0][0] = key.dims[1][0] = key.dims[2][0] = s->batch;
  key.dims[0][1] = key.dims[2][1] = s->m;
  key.dims[0][2] = key.dims[1][1] = s->k;
  key.dims[1][2] = key.dims[2][2] = s->n;
  key.strides[0][0] = s->a_batch;
  key.strides[0][1] = s->a_row;
  key.strides[0][2] = s->a_column;
  key.strides[1][0] = s->b_batch;
  key.strides[1][1] = s->b_row;
  key.strides[1][2] = s->b_column;
  key.strides[2][0] = s->c_batch;
  key.strides[2][1] = s->c_row;
  key.strides[2][2] = 1;
  return run_product (device->dnn, &key, false, &weights, a, c, NULL);
}

/* --- What is called from outside ----------------------------------------------------------------
 */

static bool
is_float (const SegBackendTensor *t, bool bf16)
{
  return t->dtype == SEG_DTYPE_F32 || (bf16 && t->dtype == SEG_DTYPE_BF16);
}

static bool
is_channels_last (const SegBackendTensor *t)
{
  int64_t step = t->shape[1];

  if (t->rank < 4 || t->rank > 5 || (t->stride[1] != 1 && t->shape[1] != 1))
    return false;
  for (int a = t->rank - 1; a >= 1; a--)
    {
      const int axis = a == 1 ? 0 : a;

      if (t->shape[axis] != 1 && t->stride[axis] != step)
        return false;
      step *= t->shape[axis];
    }
  return seg_cpu_count (t) > 0;
}

static bool
is_matrix (const SegBackendTensor *t)
{
  return t->rank >= 2 && (t->stride[t->rank - 1] == 1 || t->shape[t->rank - 1] == 1)
         && seg_cpu_count (t) > 0;
}

bool
seg_cpu_dnn_supports (SegBackendDevice *device, const SegBackendCall *call)
{
  const bool bf16 = device->bf16;

  if (call->op == SEG_OP_MATMUL)
    {
      const SegMatmulParams *p = call->params;
      const SegBackendTensor *a = call->in[0], *b = call->in[1], *out = call->out[0];
      const bool act = p->act == SEG_ACT_NONE || p->act == SEG_ACT_RELU || p->act == SEG_ACT_GELU
                       || p->act == SEG_ACT_GELU_TANH;

      return act && is_float (a, bf16) && is_float (b, bf16) && is_float (out, bf16)
             && (a->dtype == b->dtype || (b->rank == 2 && b->dtype == SEG_DTYPE_F32))
             && (out->dtype == a->dtype || out->dtype == SEG_DTYPE_F32) && is_matrix (a)
             && is_matrix (b) && is_matrix (out)
             && (call->in[2] == NULL || call->in[2]->dtype == SEG_DTYPE_F32);
    }
  {
    const ConvTensors t = get_conv_tensors (call);

    return is_float (t.src, bf16) && t.src->dtype == t.dst->dtype
           && t.weights->dtype == SEG_DTYPE_F32 && is_channels_last (t.src)
           && is_channels_last (t.dst) && t.dst->shape[1] <= 4096;
  }
}

SegStatus
seg_cpu_dnn_run (SegBackendDevice *device, const SegBackendCall *call)
{
  return call->op == SEG_OP_MATMUL ? run_matmul (device, call) : run_conv (device, call);
}

/* A machine that is busy with other things is not measured for longer. */
#define PEAK_SECONDS 2.0

/* The best of a few products of 1536 × 1536. */
double
seg_cpu_dnn_peak_gflops (SegBackendDevice *device, SegDtype dtype)
{
  const int64_t n = 1536;
  const size_t size = n * n * sizeof (float);
  float *memory = aligned_alloc (4096, 3 * size);
  CpuProduct shape = { 1, n,     n, n, dtype, dtype, SEG_DTYPE_F32, n * n, n,
                       1, n * n, n, 1, n * n, n,     false,         1 };
  double best = 0, spent = 0;

  if (memory == NULL || (dtype != SEG_DTYPE_F32 && (dtype != SEG_DTYPE_BF16 || !device->bf16)))
    {
      free (memory);
      return 0;
    }
  memset (memory, 0, 3 * size);
  for (int repeat = 0; repeat < 12 && spent < PEAK_SECONDS; repeat++)
    {
      struct timespec start, end;
      double seconds;

      clock_gettime (CLOCK_MONOTONIC, &start);
      if (seg_cpu_dnn_product (device, &shape, memory, memory + n * n, memory + 2 * n * n)
          != SEG_STATUS_OK)
        break;
      clock_gettime (CLOCK_MONOTONIC, &end);
      seconds =
          (double) (end.tv_sec - start.tv_sec) + 1e-9 * (double) (end.tv_nsec - start.tv_nsec);
      best = fmax (best, 2e-9 * (double) n * n * n / seconds);
      spent += seconds;
    }
  free (memory);
  return best;
}
