/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/tensor/pieces.h"

#include <string.h>

static const char *const op_names[SEG_N_OPS] = {
  [SEG_OP_FILL] = "fill",
  [SEG_OP_COPY] = "copy",
  [SEG_OP_RANDOM] = "random",
  [SEG_OP_UNARY] = "unary",
  [SEG_OP_UNARY_BACKWARD] = "unary-backward",
  [SEG_OP_BINARY] = "binary",
  [SEG_OP_REDUCE] = "reduce",
  [SEG_OP_TOPK] = "top-k",
  [SEG_OP_CONV] = "conv",
  [SEG_OP_CONV_BACKWARD_DATA] = "conv-backward-data",
  [SEG_OP_CONV_BACKWARD_WEIGHTS] = "conv-backward-weights",
  [SEG_OP_NORM] = "norm",
  [SEG_OP_NORM_BACKWARD] = "norm-backward",
  [SEG_OP_POOL] = "pool",
  [SEG_OP_POOL_BACKWARD] = "pool-backward",
  [SEG_OP_RESAMPLE] = "resample",
  [SEG_OP_RESAMPLE_BACKWARD] = "resample-backward",
  [SEG_OP_SOFTMAX] = "softmax",
  [SEG_OP_SOFTMAX_BACKWARD] = "softmax-backward",
  [SEG_OP_MATMUL] = "matmul",
  [SEG_OP_ATTENTION] = "attention",
  [SEG_OP_ATTENTION_BACKWARD] = "attention-backward",
  [SEG_OP_CROSS_ENTROPY] = "cross-entropy",
  [SEG_OP_CROSS_ENTROPY_BACKWARD] = "cross-entropy-backward",
  [SEG_OP_OVERLAP] = "overlap",
  [SEG_OP_OVERLAP_BACKWARD] = "overlap-backward",
  [SEG_OP_BCE] = "bce",
  [SEG_OP_BCE_BACKWARD] = "bce-backward",
  [SEG_OP_DROPOUT] = "dropout",
  [SEG_OP_GATHER] = "gather",
  [SEG_OP_SCATTER_ADD] = "scatter-add",
  [SEG_OP_SGD] = "sgd",
  [SEG_OP_ADAMW] = "adamw",
  [SEG_OP_LERP] = "lerp",
};

const char *
seg_op_get_name (SegOp op)
{
  return op < SEG_N_OPS ? op_names[op] : "?";
}

SegContext *
seg_context_new (SegDevice *device, guint64 seed)
{
  SegContext *self = g_new0 (SegContext, 1);

  self->ref_count = 1;
  self->device = seg_device_ref (device);
  self->allocator = seg_allocator_new (device);
  self->random_seed = seed;
  self->times = g_array_new (FALSE, TRUE, sizeof (SegOpTime));
  return self;
}

SegContext *
seg_context_ref (SegContext *self)
{
  self->ref_count++;
  return self;
}

void
seg_context_unref (SegContext *self)
{
  if (self == NULL || --self->ref_count > 0)
    return;
  seg_allocator_free (self->allocator);
  seg_device_unref (self->device);
  g_array_unref (self->times);
  g_clear_error (&self->error);
  g_free (self);
}

SegDevice *
seg_context_get_device (SegContext *self)
{
  return self->device;
}

gboolean
seg_context_check (SegContext *self, GError **error)
{
  if (self->error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&self->error));
  return FALSE;
}

gboolean
seg_context_failed (SegContext *self)
{
  return self->error != NULL;
}

void
seg_context_fail (SegContext *self, SegError code, const char *format, ...)
{
  va_list args;

  if (self == NULL || self->error != NULL)
    return;
  va_start (args, format);
  self->error = g_error_new_valist (SEG_ERROR, code, format, args);
  va_end (args);
}

void
seg_context_set_yield (SegContext *self, SegYieldFunc yield, gpointer user_data)
{
  self->yield = yield;
  self->yield_data = user_data;
}

void
seg_context_hold (SegContext *self)
{
  self->held++;
}

void
seg_context_release (SegContext *self)
{
  g_return_if_fail (self->held > 0);
  self->held--;
}

void
seg_context_get_random_state (SegContext *self, guint64 *seed, guint64 *offset)
{
  *seed = self->random_seed;
  *offset = self->random_offset;
}

void
seg_context_set_random_state (SegContext *self, guint64 seed, guint64 offset)
{
  self->random_seed = seed;
  self->random_offset = offset;
}

guint64
seg_context_take_random (SegContext *self, guint64 n_words)
{
  const guint64 start = self->random_offset;

  self->random_offset += (n_words + 3) / 4;
  return start;
}

void
seg_context_get_memory (SegContext *self, SegMemoryStats *stats)
{
  seg_allocator_get_stats (self->allocator, stats);
}

void
seg_context_reset_peak (SegContext *self)
{
  seg_allocator_reset_peak (self->allocator);
}

void
seg_context_set_memory_limit (SegContext *self, guint64 limit_bytes)
{
  seg_allocator_set_limit (self->allocator, limit_bytes);
}

void
seg_context_trim (SegContext *self)
{
  const SegBackend *backend = self->device->backend;

  seg_allocator_trim (self->allocator);
  if (backend->trim != NULL)
    backend->trim (self->device->handle);
}

void
seg_context_set_timing (SegContext *self, gboolean on)
{
  self->timing = on;
}

static int
compare_times_cb (gconstpointer a, gconstpointer b)
{
  const SegOpTime *ta = a, *tb = b;

  return ta->seconds < tb->seconds ? 1 : ta->seconds > tb->seconds ? -1 : 0;
}

static SegOpTime *
find_time (GArray *times, const char *name, const char *shapes, const char *backend)
{
  for (guint t = 0; t < times->len; t++)
    {
      SegOpTime *time = &g_array_index (times, SegOpTime, t);

      if (time->name == name && time->backend == backend && strcmp (time->shapes, shapes) == 0)
        return time;
    }
  g_array_set_size (times, times->len + 1); /* cleared */
  {
    SegOpTime *time = &g_array_index (times, SegOpTime, times->len - 1);

    time->name = name;
    time->backend = backend;
    g_strlcpy (time->shapes, shapes, sizeof time->shapes);
    return time;
  }
}

GArray *
seg_context_get_times (SegContext *self, gboolean by_shape)
{
  GArray *times = g_array_new (FALSE, TRUE, sizeof (SegOpTime));

  for (guint t = 0; t < self->times->len; t++)
    {
      const SegOpTime *from = &g_array_index (self->times, SegOpTime, t);
      SegOpTime *to = find_time (times, from->name, by_shape ? from->shapes : "", from->backend);

      to->n_calls += from->n_calls;
      to->seconds += from->seconds;
      to->gflop += from->gflop;
      to->gbytes += from->gbytes;
    }
  g_array_sort (times, compare_times_cb);
  return times;
}

void
seg_context_clear_times (SegContext *self)
{
  g_array_set_size (self->times, 0);
}

static double
count_elements (const SegBackendTensor *tensor)
{
  double n = 1;

  for (int a = 0; tensor != NULL && a < tensor->rank; a++)
    n *= tensor->shape[a];
  return tensor != NULL ? n : 0;
}

/* Operations of products and convolutions, from their shapes. */
static double
count_flop (const SegBackendCall *call)
{
  const SegBackendTensor *big, *weight;
  const SegConvParams *conv = call->params;
  double n;

  switch (call->op)
    {
    case SEG_OP_CONV:
      big = conv->transposed ? call->in[0] : call->out[0];
      weight = call->in[1];
      break;
    case SEG_OP_CONV_BACKWARD_DATA:
      big = conv->transposed ? call->out[0] : call->in[0];
      weight = call->in[1];
      break;
    case SEG_OP_CONV_BACKWARD_WEIGHTS:
      big = conv->transposed ? call->in[0] : call->in[1];
      weight = call->out[0];
      break;
    case SEG_OP_MATMUL:
      big = call->in[0];
      n = ((const SegMatmulParams *) call->params)->transpose_a ? big->shape[big->rank - 2]
                                                                : big->shape[big->rank - 1];
      return 2e-9 * n * count_elements (call->out[0]);
    case SEG_OP_ATTENTION:
      return 4e-9 * count_elements (call->in[0]) * call->in[1]->shape[1];
    case SEG_OP_ATTENTION_BACKWARD:
      return 10e-9 * count_elements (call->in[0]) * call->in[1]->shape[1];
    default:
      return 0;
    }
  /* each element of the smaller side of the map meets weight / its channels */
  return 2e-9 * count_elements (big) / big->shape[1] * count_elements (weight);
}

static void
append_shape (GString *text, const char *before, const SegBackendTensor *tensor)
{
  if (tensor == NULL)
    return;
  g_string_append (text, before);
  for (int a = 0; a < tensor->rank; a++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, a > 0 ? "x" : "", tensor->shape[a]);
}

static void
add_time (SegContext *self, const SegBackendCall *call, gboolean by_ref, gint64 start_us)
{
  const char *backend = by_ref ? seg_backend_ref.name : self->device->backend->name;
  g_autoptr (GString) shapes = g_string_new (NULL);
  gint64 end_us;
  SegOpTime *time;

  if (!by_ref)
    self->device->backend->synchronize (self->device->handle);
  end_us = g_get_monotonic_time ();
  append_shape (shapes, "", call->n_out > 0 ? call->out[0] : NULL);
  append_shape (shapes, " < ", call->n_in > 0 ? call->in[0] : NULL);
  append_shape (shapes, ", ", call->n_in > 1 ? call->in[1] : NULL);
  if (shapes->len >= sizeof time->shapes)
    g_string_truncate (shapes, sizeof time->shapes - 1);
  time = find_time (self->times, op_names[call->op], shapes->str, backend);
  time->seconds += (end_us - start_us) * 1e-6;
  time->n_calls++;
  time->gflop += count_flop (call);
  for (int t = 0; t < SEG_MAX_TENSORS; t++)
    {
      if (t < call->n_out && call->out[t] != NULL)
        time->gbytes +=
            1e-9 * count_elements (call->out[t]) * seg_dtype_get_size (call->out[t]->dtype);
      if (t < call->n_in && call->in[t] != NULL)
        time->gbytes +=
            1e-9 * count_elements (call->in[t]) * seg_dtype_get_size (call->in[t]->dtype);
    }
}

/* Bytes from the first element to behind the last. */
static gsize
get_extent (const SegBackendTensor *tensor)
{
  gsize last = 0;

  for (int a = 0; a < tensor->rank; a++)
    {
      if (tensor->shape[a] == 0)
        return 0;
      last += (tensor->shape[a] - 1) * tensor->stride[a];
    }
  return (last + 1) * seg_dtype_get_size (tensor->dtype);
}

/* ref works on host memory: from another device everything is fetched, and the outputs go back. */
static SegStatus
run_staged (SegContext *self, SegBackendCall *call)
{
  const SegBackend *backend = self->device->backend;
  SegBackendDevice *handle = self->device->handle;
  void *device_data[2][SEG_MAX_TENSORS] = { 0 };
  SegStatus status = SEG_STATUS_OK;

  for (int way = 0; way < 2; way++)
    for (int t = 0; t < (way ? call->n_in : call->n_out); t++)
      {
        SegBackendTensor *tensor = way ? call->in[t] : call->out[t];
        void *host;

        if (tensor == NULL)
          continue;
        host = g_try_malloc (get_extent (tensor) + 64);
        if (host == NULL)
          status = SEG_STATUS_MEMORY;
        else if (status == SEG_STATUS_OK)
          status = backend->download (handle, host, tensor->data, get_extent (tensor));
        device_data[way][t] = tensor->data;
        tensor->data = host;
      }
  if (status == SEG_STATUS_OK)
    status = seg_backend_ref.op_run (seg_device_get_reference (), call);
  for (int way = 0; way < 2; way++)
    for (int t = 0; t < (way ? call->n_in : call->n_out); t++)
      {
        SegBackendTensor *tensor = way ? call->in[t] : call->out[t];

        if (tensor == NULL)
          continue;
        if (way == 0 && status == SEG_STATUS_OK)
          status = backend->upload (handle, device_data[way][t], tensor->data, get_extent (tensor));
        g_free (tensor->data);
        tensor->data = device_data[way][t];
      }
  return status;
}

static SegStatus
run_reference (SegContext *self, SegBackendCall *call)
{
  if (self->device->backend != &seg_backend_ref && !self->device->said_fallback[call->op])
    {
      self->device->said_fallback[call->op] = TRUE;
      g_info ("%s cannot do this %s: the slow reference does it", self->device->backend->name,
              op_names[call->op]);
    }
  if (self->device->info.host_memory)
    return seg_backend_ref.op_run (seg_device_get_reference (), call);
  return run_staged (self, call);
}

static gboolean
may_go_on (SegContext *self)
{
  if (self->error != NULL)
    return FALSE;
  if (self->yield != NULL && !self->in_yield && self->held == 0)
    {
      gboolean go_on;

      self->in_yield = TRUE;
      go_on = self->yield (self, self->yield_data);
      self->in_yield = FALSE;
      if (!go_on)
        seg_context_fail (self, SEG_ERROR_CANCELLED, "cancelled");
    }
  return self->error == NULL;
}

static void
fail_with_status (SegContext *self, SegBackendCall *call, SegStatus status)
{
  const char *message = self->device->backend->device_message (self->device->handle);
  const SegError code = status == SEG_STATUS_MEMORY        ? SEG_ERROR_OUT_OF_MEMORY
                        : status == SEG_STATUS_UNSUPPORTED ? SEG_ERROR_UNSUPPORTED
                                                           : SEG_ERROR_BACKEND;
  const char *fact = status == SEG_STATUS_MEMORY        ? "out of memory"
                     : status == SEG_STATUS_UNSUPPORTED ? "no backend does this"
                                                        : "failed";

  if (message == NULL || *message == '\0')
    message = seg_backend_ref.device_message (seg_device_get_reference ());
  seg_context_fail (self, code, "%s on %s: %s%s%s", op_names[call->op], self->device->backend->name,
                    fact, *message != '\0' ? ": " : "", message);
}

/* A piece of an operation, after a look at who waits. */
static SegStatus
run_piece (SegContext *self, const SegBackendCall *piece)
{
  if (!may_go_on (self))
    return SEG_STATUS_FAILED; /* the error is set */
  return self->device->backend->op_run (self->device->handle, piece);
}

gboolean
seg_context_run (SegContext *self, SegOp op, const void *params, gsize params_size, int n_out,
                 SegTensor *const *out, int n_in, SegTensor *const *in)
{
  SegBackendTensor tensors[2 * SEG_MAX_TENSORS];
  SegBackendCall call = { op, params, params_size, n_out, n_in, { NULL }, { NULL } };
  const gint64 start_us = self->timing ? g_get_monotonic_time () : 0;
  SegStatus status;
  gboolean supported;

  g_assert (n_out <= SEG_MAX_TENSORS && n_in <= SEG_MAX_TENSORS);
  if (!may_go_on (self))
    return FALSE;
  for (int t = 0; t < n_out; t++)
    if (out[t] != NULL)
      {
        seg_tensor_fill_backend (out[t], &tensors[t]);
        call.out[t] = &tensors[t];
      }
  for (int t = 0; t < n_in; t++)
    if (in[t] != NULL)
      {
        seg_tensor_fill_backend (in[t], &tensors[SEG_MAX_TENSORS + t]);
        call.in[t] = &tensors[SEG_MAX_TENSORS + t];
      }
  supported = self->device->backend->op_supported (self->device->handle, &call);
  if (!supported)
    status = run_reference (self, &call);
  else if (!seg_pieces_run (self, &call, count_flop (&call), run_piece, &status))
    status = self->device->backend->op_run (self->device->handle, &call);
  if (self->timing)
    add_time (self, &call, !supported, start_us);
  for (int t = 0; t < n_out; t++)
    if (out[t] != NULL)
      seg_tensor_bump (out[t]);
  if (status == SEG_STATUS_OK)
    return TRUE;
  if (self->error == NULL)
    fail_with_status (self, &call, status);
  return FALSE;
}
