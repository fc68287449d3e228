/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/ref/ref-private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct _SegBackendDevice
{
  char message[256];
};

static float
float_of_bits (uint32_t bits)
{
  float value;

  memcpy (&value, &bits, sizeof value);
  return value;
}

static uint32_t
bits_of_float (float value)
{
  uint32_t bits;

  memcpy (&bits, &value, sizeof bits);
  return bits;
}

/* Round to nearest, ties to even; NaN stays NaN. */
static uint16_t
bf16_of_double (double value)
{
  uint32_t bits = bits_of_float ((float) value);

  if (isnan (value))
    return 0x7fc0;
  return (uint16_t) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static double
double_of_f16 (uint16_t half)
{
  const int exponent = half >> 10 & 31;
  const int mantissa = half & 1023;
  double value;

  if (exponent == 31)
    value = mantissa ? NAN : INFINITY;
  else if (exponent == 0)
    value = ldexp (mantissa, -24);
  else
    value = ldexp (mantissa + 1024, exponent - 25);
  return half & 0x8000 ? -value : value;
}

static uint16_t
f16_of_double (double value)
{
  const uint16_t sign = signbit (value) ? 0x8000 : 0;
  const double size = fabs (value);
  int exponent;
  double scaled;

  if (isnan (value))
    return sign | 0x7e00;
  if (size >= 65520)
    return sign | 0x7c00;
  if (size < ldexp (1, -25))
    return sign;
  frexp (size, &exponent);
  exponent = exponent < -13 ? -13 : exponent; /* subnormal below 2^-14 */
  scaled = nearbyint (ldexp (size, 11 - exponent));
  if (exponent == -13 && scaled < 1024)
    return sign | (uint16_t) scaled;
  return sign | (uint16_t) (((exponent + 14) << 10) + (int) scaled - 1024);
}

double
seg_ref_load (const SegBackendTensor *tensor, int64_t offset)
{
  switch (tensor->dtype)
    {
    case SEG_DTYPE_F32:
      return ((const float *) tensor->data)[offset];
    case SEG_DTYPE_BF16:
      return float_of_bits ((uint32_t) ((const uint16_t *) tensor->data)[offset] << 16);
    case SEG_DTYPE_F16:
      return double_of_f16 (((const uint16_t *) tensor->data)[offset]);
    case SEG_DTYPE_U8:
      return ((const uint8_t *) tensor->data)[offset];
    case SEG_DTYPE_I32:
      return ((const int32_t *) tensor->data)[offset];
    case SEG_DTYPE_I64:
      return (double) ((const int64_t *) tensor->data)[offset];
    default:
      return ((const double *) tensor->data)[offset];
    }
}

void
seg_ref_store (const SegBackendTensor *tensor, int64_t offset, double value)
{
  switch (tensor->dtype)
    {
    case SEG_DTYPE_F32:
      ((float *) tensor->data)[offset] = (float) value;
      break;
    case SEG_DTYPE_BF16:
      ((uint16_t *) tensor->data)[offset] = bf16_of_double (value);
      break;
    case SEG_DTYPE_F16:
      ((uint16_t *) tensor->data)[offset] = f16_of_double (value);
      break;
    case SEG_DTYPE_U8:
      ((uint8_t *) tensor->data)[offset] = (uint8_t) fmin (fmax (value, 0), 255);
      break;
    case SEG_DTYPE_I32:
      ((int32_t *) tensor->data)[offset] = (int32_t) fmin (fmax (value, INT32_MIN), INT32_MAX);
      break;
    case SEG_DTYPE_I64:
      ((int64_t *) tensor->data)[offset] = (int64_t) fmin (fmax (value, -9.2e18), 9.2e18);
      break;
    default:
      ((double *) tensor->data)[offset] = value;
    }
}

int64_t
seg_ref_count (const SegBackendTensor *tensor)
{
  int64_t n = 1;

  for (int a = 0; a < tensor->rank; a++)
    n *= tensor->shape[a];
  return n;
}

int64_t
seg_ref_offset (const SegBackendTensor *tensor, int64_t i)
{
  int64_t offset = 0;

  for (int a = tensor->rank - 1; a >= 0; a--)
    {
      offset += i % tensor->shape[a] * tensor->stride[a];
      i /= tensor->shape[a];
    }
  return offset;
}

/* Walks the offsets in the logical order without a division each. */
typedef struct
{
  const SegBackendTensor *tensor;
  int64_t at[SEG_MAX_RANK];
  int64_t offset;
} Walk;

static void
step (Walk *walk)
{
  for (int a = walk->tensor->rank - 1; a >= 0; a--)
    {
      walk->offset += walk->tensor->stride[a];
      if (++walk->at[a] < walk->tensor->shape[a])
        return;
      walk->offset -= walk->at[a] * walk->tensor->stride[a];
      walk->at[a] = 0;
    }
}

/* Philox-4x32-10 (Salmon et al. 2011). */
uint32_t
seg_ref_random_word (uint64_t seed, uint64_t counter, int word)
{
  uint32_t c[4] = { (uint32_t) counter, (uint32_t) (counter >> 32), 0, 0 };
  uint32_t k[2] = { (uint32_t) seed, (uint32_t) (seed >> 32) };

  for (int round = 0; round < 10; round++)
    {
      const uint64_t p0 = (uint64_t) 0xD2511F53u * c[0];
      const uint64_t p1 = (uint64_t) 0xCD9E8D57u * c[2];

      c[0] = (uint32_t) (p1 >> 32) ^ c[1] ^ k[0];
      c[1] = (uint32_t) p1;
      c[2] = (uint32_t) (p0 >> 32) ^ c[3] ^ k[1];
      c[3] = (uint32_t) p0;
      k[0] += 0x9E3779B9u;
      k[1] += 0xBB67AE85u;
    }
  return c[word];
}

static void
fetch (RefCall *call, SegBackendTensor *tensor, Ref *ref, bool contents)
{
  Walk walk = { tensor, { 0 }, 0 };

  if (tensor == NULL)
    return;
  ref->of = tensor;
  ref->rank = tensor->rank;
  memcpy (ref->shape, tensor->shape, sizeof ref->shape);
  ref->n = seg_ref_count (tensor);
  ref->v = calloc (ref->n > 0 ? ref->n : 1, sizeof *ref->v);
  if (ref->v == NULL)
    {
      call->failed = true;
      return;
    }
  for (int64_t i = 0; contents && i < ref->n; i++, step (&walk))
    ref->v[i] = seg_ref_load (tensor, walk.offset);
}

static void
store (Ref *ref)
{
  Walk walk = { ref->of, { 0 }, 0 };

  if (ref->v == NULL)
    return;
  for (int64_t i = 0; i < ref->n; i++, step (&walk))
    seg_ref_store (ref->of, walk.offset, ref->v[i]);
}

static SegStatus
dispatch (RefCall *call)
{
  switch (call->call->op)
    {
    case SEG_OP_CONV:
    case SEG_OP_CONV_BACKWARD_DATA:
    case SEG_OP_CONV_BACKWARD_WEIGHTS:
      return seg_ref_conv (call);
    case SEG_OP_NORM:
    case SEG_OP_NORM_BACKWARD:
      return seg_ref_norm (call);
    case SEG_OP_POOL:
    case SEG_OP_POOL_BACKWARD:
    case SEG_OP_RESAMPLE:
    case SEG_OP_RESAMPLE_BACKWARD:
      return seg_ref_spatial (call);
    case SEG_OP_MATMUL:
    case SEG_OP_SOFTMAX:
    case SEG_OP_SOFTMAX_BACKWARD:
    case SEG_OP_ATTENTION:
    case SEG_OP_ATTENTION_BACKWARD:
      return seg_ref_product (call);
    case SEG_OP_CROSS_ENTROPY:
    case SEG_OP_CROSS_ENTROPY_BACKWARD:
    case SEG_OP_OVERLAP:
    case SEG_OP_OVERLAP_BACKWARD:
    case SEG_OP_BCE:
    case SEG_OP_BCE_BACKWARD:
      return seg_ref_loss (call);
    case SEG_OP_SGD:
    case SEG_OP_ADAMW:
    case SEG_OP_LERP:
      return seg_ref_optimise (call);
    default:
      return seg_ref_basic (call);
    }
}

/* Copies and fills of any size stay cheap: nothing is fetched. */
static SegStatus
copy (const SegBackendCall *call)
{
  const SegBackendTensor *out = call->out[0], *in = call->in[0];
  const int64_t n = seg_ref_count (out);
  Walk to = { out, { 0 }, 0 }, from = { in, { 0 }, 0 };

  if (out->dtype == SEG_DTYPE_I64 && in->dtype == SEG_DTYPE_I64)
    for (int64_t i = 0; i < n; i++, step (&to), step (&from))
      ((int64_t *) out->data)[to.offset] = ((const int64_t *) in->data)[from.offset];
  else
    for (int64_t i = 0; i < n; i++, step (&to), step (&from))
      seg_ref_store (out, to.offset, seg_ref_load (in, from.offset));
  return SEG_STATUS_OK;
}

static SegStatus
run (SegBackendDevice *device, const SegBackendCall *call)
{
  RefCall ref = { .call = call };
  SegStatus status = SEG_STATUS_MEMORY;

  device->message[0] = '\0';
  if (call->op == SEG_OP_COPY)
    return copy (call);
  for (int t = 0; t < call->n_in; t++)
    fetch (&ref, call->in[t], &ref.in[t], true);
  for (int t = 0; t < call->n_out; t++)
    fetch (&ref, call->out[t], &ref.out[t], true);
  if (!ref.failed)
    status = dispatch (&ref);
  else
    snprintf (device->message, sizeof device->message, "the reference needs 8 bytes a value");
  if (status == SEG_STATUS_FAILED)
    snprintf (device->message, sizeof device->message, "an index points outside its table");
  for (int t = 0; t < call->n_out && status == SEG_STATUS_OK; t++)
    store (&ref.out[t]);
  for (int t = 0; t < SEG_MAX_TENSORS; t++)
    {
      free (ref.in[t].v);
      free (ref.out[t].v);
    }
  return status;
}

static const char *
version (void)
{
  return "plain C, always there, slow";
}

static int
score (const char **why)
{
  return 0;
}

static int
n_devices (void)
{
  return 1;
}

static SegStatus
device_open (int index, const SegBackendOptions *options, SegBackendDevice **device)
{
  *device = calloc (1, sizeof **device);
  return *device != NULL ? SEG_STATUS_OK : SEG_STATUS_MEMORY;
}

static void
device_close (SegBackendDevice *device)
{
  free (device);
}

static void
device_info (SegBackendDevice *device, SegBackendDeviceInfo *info)
{
  memset (info, 0, sizeof *info);
  snprintf (info->name, sizeof info->name, "reference");
  info->host_memory = 1;
}

static const char *
device_message (SegBackendDevice *device)
{
  return device->message;
}

/* Address space: pages come when they are touched. */
static SegStatus
buffer_alloc (SegBackendDevice *device, size_t size_bytes, void **buffer)
{
  *buffer = mmap (NULL, size_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return *buffer != MAP_FAILED ? SEG_STATUS_OK : SEG_STATUS_MEMORY;
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

static int
op_supported (SegBackendDevice *device, const SegBackendCall *call)
{
  return call->op < SEG_N_OPS;
}

extern const SegBackend seg_backend_ref;
const SegBackend seg_backend_ref = {
  .abi = SEG_BACKEND_ABI,
  .struct_size = sizeof (SegBackend),
  .name = "ref",
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
  .op_run = run,
};
