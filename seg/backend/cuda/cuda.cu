/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cuda/device.h"

#ifdef SEG_CUDA_FAKE
#include <sys/mman.h>
#endif

/* The module's face: devices, memory, and which file runs which op. */

#ifdef SEG_CUDA_FAKE
#define BACKEND_NAME "cuda-fake"
#else
#define BACKEND_NAME "cuda"
#endif

static SegStatus
fail (SegBackendDevice *device, SegStatus status, const char *message)
{
  snprintf (device->message, sizeof device->message, "%s", message);
  return status;
}

#ifndef SEG_CUDA_FAKE
static SegStatus
check (SegBackendDevice *device, cudaError_t error)
{
  if (error == cudaSuccess)
    return SEG_STATUS_OK;
  return fail (device, error == cudaErrorMemoryAllocation ? SEG_STATUS_MEMORY : SEG_STATUS_FAILED,
               cudaGetErrorString (error));
}
#endif

/* --- memory --------------------------------------------------------------------------------- */

static SegStatus
buffer_alloc (SegBackendDevice *device, size_t size_bytes, void **buffer)
{
#ifdef SEG_CUDA_FAKE
  /* Address space: pages come when they are touched. */
  *buffer = mmap (nullptr, size_bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return *buffer != MAP_FAILED ? SEG_STATUS_OK : fail (device, SEG_STATUS_MEMORY, "no memory");
#else
  const SegStatus status = check (device, cudaMalloc (buffer, size_bytes));

  if (status != SEG_STATUS_OK)
    cudaGetLastError (); /* it is said; the next call must not find it */
  return status;
#endif
}

static void
buffer_free (SegBackendDevice *device, void *buffer, size_t size_bytes)
{
#ifdef SEG_CUDA_FAKE
  munmap (buffer, size_bytes);
#else
  (void) size_bytes;
  cudaFree (buffer); /* waits for what still uses it */
#endif
}

/* --- between the host and the device ----------------------------------------------------------
 *
 * Through two pinned blocks by turns: while one is on its way the other is filled or emptied. From
 * pageable memory the driver would stage as well, but wait for each copy. */

#ifdef SEG_CUDA_FAKE
#define STAGING_BYTES ((size_t) 4096) /* so that tests go round */
#else
#define STAGING_BYTES ((size_t) 8 << 20)
#endif

static SegStatus
synchronize (SegBackendDevice *device)
{
#ifdef SEG_CUDA_FAKE
  device->staging_busy[0] = device->staging_busy[1] = false;
  return SEG_STATUS_OK;
#else
  return check (device, cudaStreamSynchronize (device->stream));
#endif
}

static bool
open_staging (SegBackendDevice *device)
{
  for (int slot = 0; slot < 2; slot++)
    {
#ifdef SEG_CUDA_FAKE
      device->staging[slot] = malloc (STAGING_BYTES);
      if (device->staging[slot] == nullptr)
        return false;
#else
      if (cudaHostAlloc (&device->staging[slot], STAGING_BYTES, cudaHostAllocDefault) != cudaSuccess
          || cudaEventCreateWithFlags (&device->staged[slot], cudaEventDisableTiming)
                 != cudaSuccess)
        return false;
#endif
    }
  return true;
}

static void
close_staging (SegBackendDevice *device)
{
  for (int slot = 0; slot < 2; slot++)
    {
#ifdef SEG_CUDA_FAKE
      free (device->staging[slot]);
#else
      if (device->staged[slot] != nullptr)
        cudaEventDestroy (device->staged[slot]);
      if (device->staging[slot] != nullptr)
        cudaFreeHost (device->staging[slot]);
#endif
    }
}

/* Until the last copy through @slot is over; nothing to wait for where there was none. */
static SegStatus
wait_for_slot (SegBackendDevice *device, int slot)
{
  const bool busy = device->staging_busy[slot];

  device->staging_busy[slot] = false;
#ifdef SEG_CUDA_FAKE
  (void) busy;
  return SEG_STATUS_OK;
#else
  return busy ? check (device, cudaEventSynchronize (device->staged[slot])) : SEG_STATUS_OK;
#endif
}

static SegStatus
start_copy (SegBackendDevice *device, int slot, void *dst, const void *src, size_t size_bytes,
            bool up)
{
#ifdef SEG_CUDA_FAKE
  if (device->staging_busy[slot])
    return fail (device, SEG_STATUS_FAILED, "a staging block is used while it is on its way");
  memcpy (dst, src, size_bytes);
  device->staging_busy[slot] = true;
  return SEG_STATUS_OK;
#else
  SegStatus status
      = check (device, cudaMemcpyAsync (dst, src, size_bytes,
                                        up ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToHost,
                                        device->stream));

  if (status == SEG_STATUS_OK)
    status = check (device, cudaEventRecord (device->staged[slot], device->stream));
  device->staging_busy[slot] = status == SEG_STATUS_OK;
  return status;
#endif
}

/* Returns when @src has been read: the last blocks may still be on their way. */
static SegStatus
upload (SegBackendDevice *device, void *dst, const void *src, size_t size_bytes)
{
  SegStatus status = SEG_STATUS_OK;

  for (size_t done = 0; status == SEG_STATUS_OK && done < size_bytes; done += STAGING_BYTES)
    {
      const size_t left = size_bytes - done, n = left < STAGING_BYTES ? left : STAGING_BYTES;
      const int slot = device->next_slot;

      device->next_slot = 1 - slot;
      status = wait_for_slot (device, slot);
      if (status != SEG_STATUS_OK)
        break;
      memcpy (device->staging[slot], (const char *) src + done, n);
      status = start_copy (device, slot, (char *) dst + done, device->staging[slot], n, true);
    }
  return status;
}

/* The one point at which the host waits for what was launched before. */
static SegStatus
download (SegBackendDevice *device, void *dst, const void *src, size_t size_bytes)
{
  SegStatus status = SEG_STATUS_OK;
  size_t begun = 0, done = 0;
  int first = device->next_slot, last = first;

  while (done < size_bytes && status == SEG_STATUS_OK)
    {
      /* up to two on their way, then the elder is emptied */
      for (; begun < size_bytes && begun - done < 2 * STAGING_BYTES && status == SEG_STATUS_OK;
           last = 1 - last)
        {
          const size_t left = size_bytes - begun, n = left < STAGING_BYTES ? left : STAGING_BYTES;

          status = wait_for_slot (device, last);
          if (status == SEG_STATUS_OK)
            status = start_copy (device, last, device->staging[last], (const char *) src + begun, n,
                                 false);
          begun += n;
        }
      if (status == SEG_STATUS_OK)
        status = wait_for_slot (device, first);
      if (status == SEG_STATUS_OK)
        {
          const size_t left = size_bytes - done, n = left < STAGING_BYTES ? left : STAGING_BYTES;

          memcpy ((char *) dst + done, device->staging[first], n);
          done += n;
          first = 1 - first;
        }
    }
  device->next_slot = last;
  return status;
}

void *
seg_cuda_scratch (SegBackendDevice *device, int slot, size_t size_bytes)
{
  if (size_bytes <= device->scratch_bytes[slot] && device->scratch[slot] != nullptr)
    return device->scratch[slot];
  if (device->scratch[slot] != nullptr)
    buffer_free (device, device->scratch[slot], device->scratch_bytes[slot]);
  device->scratch[slot] = nullptr;
  device->scratch_bytes[slot] = 0;
  /* Some room more: sizes that creep up must not allocate at each step. */
  size_bytes += size_bytes / 8 + 256;
  if (buffer_alloc (device, size_bytes, &device->scratch[slot]) != SEG_STATUS_OK)
    {
      device->scratch[slot] = nullptr;
      return nullptr;
    }
  device->scratch_bytes[slot] = size_bytes;
#ifdef SEG_CUDA_FAKE
  memset (device->scratch[slot], 0xff, size_bytes); /* NaN: what is read must have been written */
#endif
  return device->scratch[slot];
}

static void
trim (SegBackendDevice *device)
{
  for (int slot = 0; slot < SEG_N_SCRATCH; slot++)
    {
      if (device->scratch[slot] != nullptr)
        buffer_free (device, device->scratch[slot], device->scratch_bytes[slot]);
      device->scratch[slot] = nullptr;
      device->scratch_bytes[slot] = 0;
    }
}

/* --- ops ------------------------------------------------------------------------------------ */

static bool
is_plain_f32 (const SegBackendTensor *tensor)
{
  return tensor == nullptr || (tensor->dtype == SEG_DTYPE_F32 && seg_is_dense (seg_view (tensor)));
}

static int
op_supported (SegBackendDevice *device, const SegBackendCall *call)
{
  for (int t = 0; t < call->n_in; t++)
    if (call->in[t] != nullptr && call->in[t]->dtype > SEG_DTYPE_I64)
      return 0;
  for (int t = 0; t < call->n_out; t++)
    if (call->out[t] != nullptr && call->out[t]->dtype > SEG_DTYPE_I64)
      return 0;
  switch (call->op)
    {
    case SEG_OP_RANDOM:
      return seg_is_dense (seg_view (call->out[0]));
    case SEG_OP_SGD:
    case SEG_OP_ADAMW:
      for (int t = 0; t < call->n_out; t++)
        if (!is_plain_f32 (call->out[t]))
          return 0;
      return seg_is_alike (seg_view (call->out[0]), seg_view (call->in[0]));
    case SEG_OP_NORM:
      return call->out[1]->dtype == SEG_DTYPE_F32 && call->out[2]->dtype == SEG_DTYPE_F32;
    default:
      return call->op >= 0 && call->op < SEG_N_OPS;
    }
}

static SegStatus
dispatch (SegBackendDevice *device, const SegBackendCall *call)
{
  switch (call->op)
    {
    case SEG_OP_CONV:
    case SEG_OP_CONV_BACKWARD_DATA:
    case SEG_OP_CONV_BACKWARD_WEIGHTS:
      return seg_cuda_conv (device, call);
    case SEG_OP_NORM:
    case SEG_OP_NORM_BACKWARD:
      return seg_cuda_norm (device, call);
    case SEG_OP_POOL:
    case SEG_OP_POOL_BACKWARD:
    case SEG_OP_RESAMPLE:
    case SEG_OP_RESAMPLE_BACKWARD:
      return seg_cuda_spatial (device, call);
    case SEG_OP_MATMUL:
      return seg_cuda_matmul (device, call);
    case SEG_OP_SOFTMAX:
    case SEG_OP_SOFTMAX_BACKWARD:
      return seg_cuda_softmax (device, call);
    case SEG_OP_ATTENTION:
    case SEG_OP_ATTENTION_BACKWARD:
      return seg_cuda_attention (device, call);
    case SEG_OP_CROSS_ENTROPY:
    case SEG_OP_CROSS_ENTROPY_BACKWARD:
    case SEG_OP_OVERLAP:
    case SEG_OP_OVERLAP_BACKWARD:
    case SEG_OP_BCE:
    case SEG_OP_BCE_BACKWARD:
      return seg_cuda_loss (device, call);
    case SEG_OP_SGD:
    case SEG_OP_ADAMW:
    case SEG_OP_LERP:
      return seg_cuda_optimise (device, call);
    default:
      return seg_cuda_basic (device, call);
    }
}

static SegStatus
op_run (SegBackendDevice *device, const SegBackendCall *call)
{
  SegStatus status;

  device->message[0] = '\0';
  device->launch_failed = false;
  status = dispatch (device, call);
  if (status == SEG_STATUS_MEMORY)
    return fail (device, status, "no device memory for scratch");
#ifndef SEG_CUDA_FAKE
  if (device->launch_failed)
    {
      const cudaError_t error = cudaGetLastError ();

      return error != cudaSuccess ? check (device, error)
                                  : fail (device, SEG_STATUS_FAILED, "a library call failed");
    }
#endif
  return status;
}

/* --- devices -------------------------------------------------------------------------------- */

static const char *
version (void)
{
#ifdef SEG_CUDA_FAKE
  return "the CUDA backend's kernels on the host";
#else
  static char text[96];
  int runtime = 0, driver = 0;

  cudaRuntimeGetVersion (&runtime);
  cudaDriverGetVersion (&driver);
  snprintf (text, sizeof text, "CUDA %d.%d, driver for %d.%d, cuDNN %zu, cuBLASLt %zu",
            runtime / 1000, runtime % 1000 / 10, driver / 1000, driver % 1000 / 10,
            cudnnGetVersion (), cublasLtGetVersion ());
  return text;
#endif
}

static int
n_devices (void)
{
#ifdef SEG_CUDA_FAKE
  return 1;
#else
  int n = 0;

  return cudaGetDeviceCount (&n) == cudaSuccess ? n : 0;
#endif
}

static int
score (const char **why)
{
#ifdef SEG_CUDA_FAKE
  *why = "it is for tests alone";
  return 0;
#else
  int n = 0;
  const cudaError_t error = cudaGetDeviceCount (&n);

  cudaDeviceProp properties;

  *why = error == cudaSuccess ? "there is no NVIDIA device" : cudaGetErrorString (error);
  if (error != cudaSuccess || n == 0 || cudaGetDeviceProperties (&properties, 0) != cudaSuccess)
    return -1;
  *why = "the NVIDIA device is older than Ampere (compute capability 8.0)";
  return properties.major >= 8 ? 100 : -1;
#endif
}

static void
device_close (SegBackendDevice *device)
{
  if (device == nullptr)
    return;
#ifndef SEG_CUDA_FAKE
  cudaSetDevice (device->index);
  seg_cuda_libraries_close (device);
#endif
  trim (device);
#ifndef SEG_CUDA_FAKE
  if (device->stream != nullptr)
    cudaStreamSynchronize (device->stream);
#endif
  close_staging (device);
#ifndef SEG_CUDA_FAKE
  if (device->stream != nullptr)
    cudaStreamDestroy (device->stream);
#endif
  free (device);
}

static SegStatus
device_open (int index, const SegBackendOptions *, SegBackendDevice **out)
{
  SegBackendDevice *device = (SegBackendDevice *) calloc (1, sizeof *device);

  *out = nullptr;
  if (device == nullptr)
    return SEG_STATUS_MEMORY;
  device->index = index;
#ifndef SEG_CUDA_FAKE
  if (cudaSetDevice (index) != cudaSuccess
      || cudaStreamCreateWithFlags (&device->stream, cudaStreamNonBlocking) != cudaSuccess
      || !seg_cuda_libraries_open (device))
    {
      device_close (device);
      return SEG_STATUS_FAILED;
    }
#endif
  if (!open_staging (device))
    {
      device_close (device);
      return SEG_STATUS_MEMORY;
    }
  *out = device;
  return SEG_STATUS_OK;
}

static void
device_info (SegBackendDevice *device, SegBackendDeviceInfo *info)
{
  memset (info, 0, sizeof *info);
#ifdef SEG_CUDA_FAKE
  snprintf (info->name, sizeof info->name, "fake");
  info->host_memory = 1;
#else
  cudaDeviceProp properties;

  if (cudaGetDeviceProperties (&properties, device->index) != cudaSuccess)
    return;
  snprintf (info->name, sizeof info->name, "%.120s", properties.name);
  info->memory_bytes = properties.totalGlobalMem;
  info->bf16 = properties.major >= 8;
  info->f16 = properties.major >= 7;
#endif
}

static const char *
device_message (SegBackendDevice *device)
{
  return device->message;
}

static const SegBackend *
get_backend (void)
{
  static SegBackend backend;

  backend.abi = SEG_BACKEND_ABI;
  backend.struct_size = sizeof backend;
  backend.name = BACKEND_NAME;
  backend.version = version;
  backend.score = score;
  backend.n_devices = n_devices;
  backend.device_open = device_open;
  backend.device_close = device_close;
  backend.device_info = device_info;
  backend.device_message = device_message;
  backend.buffer_alloc = buffer_alloc;
  backend.buffer_free = buffer_free;
  backend.upload = upload;
  backend.download = download;
  backend.synchronize = synchronize;
  backend.op_supported = op_supported;
  backend.op_run = op_run;
  backend.trim = trim;
#ifndef SEG_CUDA_FAKE
  backend.forget = seg_cuda_forget;
  backend.peak_gflops = seg_cuda_peak_gflops;
#endif
  return &backend;
}

extern "C" __attribute__ ((visibility ("default"))) const SegBackend *seg_backend_get (void);

extern "C" const SegBackend *
seg_backend_get (void)
{
  return get_backend ();
}

#ifdef SEG_CUDA_FAKE
#include "seg/backend/cuda/libraries.h"

bool
seg_cuda_library_conv (SegBackendDevice *, const SegBackendCall *, int, SegStatus *)
{
  return false;
}

bool
seg_cuda_library_product (SegBackendDevice *, const Product &)
{
  return false;
}
#endif
