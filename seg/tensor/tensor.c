/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/tensor/tensor-private.h"

#include <math.h>
#include <string.h>

static const struct
{
  const char *name;
  gsize size;
} dtypes[] = {
  [SEG_DTYPE_F32] = { "f32", 4 }, [SEG_DTYPE_BF16] = { "bf16", 2 }, [SEG_DTYPE_F16] = { "f16", 2 },
  [SEG_DTYPE_U8] = { "u8", 1 },   [SEG_DTYPE_I32] = { "i32", 4 },   [SEG_DTYPE_I64] = { "i64", 8 },
  [SEG_DTYPE_F64] = { "f64", 8 },
};

gsize
seg_dtype_get_size (SegDtype dtype)
{
  return dtypes[dtype].size;
}

const char *
seg_dtype_get_name (SegDtype dtype)
{
  return dtypes[dtype].name;
}

gboolean
seg_dtype_from_name (const char *name, SegDtype *dtype)
{
  for (gsize d = 0; d < G_N_ELEMENTS (dtypes); d++)
    if (strcmp (dtypes[d].name, name) == 0)
      {
        *dtype = d;
        return TRUE;
      }
  return FALSE;
}

gboolean
seg_dtype_is_float (SegDtype dtype)
{
  return dtype == SEG_DTYPE_F32 || dtype == SEG_DTYPE_BF16 || dtype == SEG_DTYPE_F16
         || dtype == SEG_DTYPE_F64;
}

/* Round and round where it overflows: a count that does is refused before memory is asked for. */
static gint64
multiply (gint64 a, gint64 b)
{
  return (gint64) ((guint64) a * (guint64) b);
}

void
seg_strides_plain (int rank, const gint64 *shape, gint64 *stride)
{
  gint64 step = 1;

  for (int a = rank - 1; a >= 0; a--)
    {
      stride[a] = step;
      step = multiply (step, shape[a]);
    }
}

void
seg_strides_channels_last (int rank, const gint64 *shape, gint64 *stride)
{
  gint64 step;

  if (rank != 4 && rank != 5)
    {
      seg_strides_plain (rank, shape, stride);
      return;
    }
  stride[1] = 1;
  step = shape[1];
  for (int a = rank - 1; a >= 2; a--)
    {
      stride[a] = step;
      step = multiply (step, shape[a]);
    }
  stride[0] = step;
}

gboolean
seg_tensor_is_strided (SegTensor *self, const gint64 *stride)
{
  for (int a = 0; a < self->rank; a++)
    if (self->shape[a] != 1 && self->stride[a] != stride[a])
      return FALSE;
  return TRUE;
}

gboolean
seg_tensor_is_channels_last (SegTensor *self)
{
  gint64 stride[SEG_MAX_RANK];

  seg_strides_channels_last (self->rank, self->shape, stride);
  return seg_tensor_is_strided (self, stride);
}

gboolean
seg_tensor_is_plain (SegTensor *self)
{
  gint64 stride[SEG_MAX_RANK];

  seg_strides_plain (self->rank, self->shape, stride);
  return seg_tensor_is_strided (self, stride);
}

gboolean
seg_tensor_is_dense (SegTensor *self)
{
  gboolean seen[SEG_MAX_RANK] = { 0 };
  gint64 step = 1;

  for (int n = 0; n < self->rank; n++)
    {
      int next = -1;

      for (int a = self->rank - 1; a >= 0 && next < 0; a--)
        if (!seen[a] && (self->shape[a] == 1 || self->stride[a] == step))
          next = a;
      if (next < 0)
        return FALSE;
      seen[next] = TRUE;
      step *= self->shape[next];
    }
  return TRUE;
}

static void
storage_unref (SegStorage *storage)
{
  if (--storage->ref_count > 0)
    return;
  seg_allocator_give (storage->context->allocator, storage->block);
  seg_context_unref (storage->context);
  g_slice_free (SegStorage, storage);
}

gboolean
seg_tensor_allocate (SegTensor *self, gsize n_elements)
{
  const char *why = NULL;
  SegBlock *block;
  SegStorage *storage;

  block = seg_allocator_take (self->context->allocator,
                              n_elements * seg_dtype_get_size (self->dtype), &why);
  if (block == NULL)
    {
      g_autofree char *text = seg_tensor_describe (self);

      seg_context_fail (self->context, SEG_ERROR_OUT_OF_MEMORY, "a tensor of %s (%.0f MiB): %s",
                        text, n_elements * seg_dtype_get_size (self->dtype) / 1048576.0, why);
      return FALSE;
    }
  storage = g_slice_new (SegStorage);
  storage->ref_count = 1;
  storage->context = seg_context_ref (self->context);
  storage->block = block;
  self->storage = storage;
  self->offset_bytes = 0;
  return TRUE;
}

static guint64 next_uid = 1;

SegTensor *
seg_tensor_new_strided (SegContext *context, SegDtype dtype, int rank, const gint64 *shape,
                        const gint64 *stride)
{
  SegTensor *self;
  gint64 n_elements = 1;

  g_return_val_if_fail (rank >= 0 && rank <= SEG_MAX_RANK, NULL);
  if (context == NULL || context->error != NULL)
    return NULL;
  for (int a = 0; a < rank; a++)
    {
      if (shape[a] < 0 || (shape[a] > 0 && n_elements > (G_GINT64_CONSTANT (1) << 46) / shape[a]))
        {
          seg_context_fail (context, SEG_ERROR_MISMATCH, "a tensor side of %" G_GINT64_FORMAT,
                            shape[a]);
          return NULL;
        }
      n_elements *= shape[a];
    }
  self = g_slice_new0 (SegTensor);
  self->ref_count = 1;
  self->context = seg_context_ref (context);
  self->dtype = dtype;
  self->rank = rank;
  memcpy (self->shape, shape, rank * sizeof *shape);
  memcpy (self->stride, stride, rank * sizeof *stride);
  if (!seg_tensor_allocate (self, n_elements))
    {
      seg_tensor_unref (self);
      return NULL;
    }
  return self;
}

SegTensor *
seg_tensor_new (SegContext *context, SegDtype dtype, int rank, const gint64 *shape)
{
  gint64 stride[SEG_MAX_RANK];

  seg_strides_channels_last (rank, shape, stride);
  return seg_tensor_new_strided (context, dtype, rank, shape, stride);
}

SegTensor *
seg_tensor_new_plain (SegContext *context, SegDtype dtype, int rank, const gint64 *shape)
{
  gint64 stride[SEG_MAX_RANK];

  seg_strides_plain (rank, shape, stride);
  return seg_tensor_new_strided (context, dtype, rank, shape, stride);
}

SegTensor *
seg_tensor_new_like (SegTensor *like, SegDtype dtype)
{
  if (like == NULL)
    return NULL;
  if (seg_tensor_is_dense (like))
    return seg_tensor_new_strided (like->context, dtype, like->rank, like->shape, like->stride);
  return seg_tensor_new (like->context, dtype, like->rank, like->shape);
}

SegTensor *
seg_tensor_new_view (SegTensor *of)
{
  SegTensor *self;

  if (of == NULL || of->context->error != NULL || !seg_tensor_materialise (of))
    return NULL;
  self = g_slice_new0 (SegTensor);
  self->ref_count = 1;
  self->context = seg_context_ref (of->context);
  self->storage = of->storage;
  self->storage->ref_count++;
  self->offset_bytes = of->offset_bytes;
  self->dtype = of->dtype;
  self->rank = of->rank;
  memcpy (self->shape, of->shape, sizeof self->shape);
  memcpy (self->stride, of->stride, sizeof self->stride);
  return self;
}

static SegTensor *
finish_new (SegTensor *self, SegOp op, const void *params, gsize size)
{
  if (self != NULL && !seg_context_run (self->context, op, params, size, 1, &self, 0, NULL))
    seg_tensor_clear (&self);
  return self;
}

SegTensor *
seg_tensor_new_filled (SegContext *context, SegDtype dtype, int rank, const gint64 *shape,
                       double value)
{
  return finish_new (seg_tensor_new (context, dtype, rank, shape), SEG_OP_FILL,
                     &(SegFillParams){ value }, sizeof (SegFillParams));
}

static SegTensor *
new_random (SegContext *context, SegDtype dtype, int rank, const gint64 *shape, gboolean normal,
            double a, double b)
{
  SegTensor *self = seg_tensor_new (context, dtype, rank, shape);
  SegRandomParams params = { 0, 0, normal, a, b };

  if (self == NULL)
    return NULL;
  params.seed = context->random_seed;
  params.offset = seg_context_take_random (context, seg_tensor_get_n_elements (self));
  return finish_new (self, SEG_OP_RANDOM, &params, sizeof params);
}

SegTensor *
seg_tensor_new_uniform (SegContext *context, SegDtype dtype, int rank, const gint64 *shape,
                        double low, double high)
{
  return new_random (context, dtype, rank, shape, FALSE, low, high);
}

SegTensor *
seg_tensor_new_normal (SegContext *context, SegDtype dtype, int rank, const gint64 *shape,
                       double mean, double sd)
{
  return new_random (context, dtype, rank, shape, TRUE, mean, sd);
}

SegTensor *
seg_tensor_new_from (SegContext *context, SegDtype dtype, int rank, const gint64 *shape,
                     SegDtype data_dtype, gconstpointer data)
{
  SegTensor *self = seg_tensor_new (context, dtype, rank, shape);

  if (self != NULL && !seg_tensor_upload (self, data_dtype, data))
    seg_tensor_clear (&self);
  return self;
}

SegTensor *
seg_tensor_new_from_f32 (SegContext *context, int rank, const gint64 *shape, const float *data)
{
  return seg_tensor_new_from (context, SEG_DTYPE_F32, rank, shape, SEG_DTYPE_F32, data);
}

SegTensor *
seg_tensor_ref (SegTensor *self)
{
  if (self != NULL)
    self->ref_count++;
  return self;
}

void
seg_tensor_drop_if_unneeded (SegTensor *self)
{
  const gboolean linked_alone = self->ref_count == self->link_count;
  const gboolean again = self->node != NULL
                         && self->ref_count == self->link_count + self->save_count
                         && seg_node_can_recompute (self->node)
                         && !seg_allocator_has_plenty (self->context->allocator);

  if (self->storage != NULL && !self->parameter && (linked_alone || again))
    g_clear_pointer (&self->storage, storage_unref);
}

void
seg_tensor_unref (SegTensor *self)
{
  if (self == NULL)
    return;
  if (--self->ref_count > 0)
    {
      if (self->link_count > 0)
        seg_tensor_drop_if_unneeded (self);
      return;
    }
  if (self->uid > 0 && self->context->device->backend->forget != NULL)
    self->context->device->backend->forget (self->context->device->handle, self->uid);
  seg_tensor_clear (&self->grad);
  g_clear_pointer (&self->storage, storage_unref);
  seg_context_unref (self->context);
  g_slice_free (SegTensor, self);
}

void
seg_tensor_set (SegTensor **slot, SegTensor *value)
{
  SegTensor *old = *slot;

  *slot = value;
  seg_tensor_unref (old);
}

gpointer
seg_tensor_get_data (SegTensor *self)
{
  return (guint8 *) seg_block_get_data (self->storage->block) + self->offset_bytes;
}

void
seg_tensor_fill_backend (SegTensor *self, SegBackendTensor *out)
{
  g_assert (self->storage != NULL);
  out->data = seg_tensor_get_data (self);
  out->dtype = self->dtype;
  out->rank = self->rank;
  memcpy (out->shape, self->shape, sizeof out->shape);
  memcpy (out->stride, self->stride, sizeof out->stride);
  out->uid = self->uid;
  out->version = self->version;
}

void
seg_tensor_bump (SegTensor *self)
{
  self->version++;
}

/* A dense host array in logical order, described for ref. */
static void
describe_host (SegTensor *like, SegDtype dtype, gpointer data, SegBackendTensor *out)
{
  *out = (SegBackendTensor){ .data = data, .dtype = dtype, .rank = like->rank };
  memcpy (out->shape, like->shape, sizeof out->shape);
  seg_strides_plain (like->rank, like->shape, out->stride);
}

static gboolean
copy_on_host (SegContext *context, SegBackendTensor *dst, SegBackendTensor *src)
{
  SegBackendCall call = { SEG_OP_COPY, NULL, 0, 1, 1, { dst }, { src } };
  SegDevice *device = context->device;

  if (device->info.host_memory && device->backend->op_supported (device->handle, &call))
    return device->backend->op_run (device->handle, &call) == SEG_STATUS_OK;
  return seg_backend_ref.op_run (seg_device_get_reference (), &call) == SEG_STATUS_OK;
}

static gboolean
is_same_bytes (SegTensor *self, SegDtype dtype)
{
  return dtype == self->dtype && seg_tensor_is_plain (self);
}

gboolean
seg_tensor_download (SegTensor *self, SegDtype data_dtype, gpointer data)
{
  const SegBackend *backend;
  g_autofree void *host = NULL;
  SegBackendTensor src, dst;
  g_autoptr (SegTensor) dense = NULL;
  gsize size;

  if (self == NULL || self->context->error != NULL || !seg_tensor_materialise (self))
    return FALSE;
  backend = self->context->device->backend;
  if (!seg_tensor_is_dense (self))
    {
      dense = seg_tensor_new (self->context, self->dtype, self->rank, self->shape);
      if (dense == NULL
          || !seg_context_run (self->context, SEG_OP_COPY, NULL, 0, 1, &dense, 1, &self))
        return FALSE;
      self = dense;
    }
  size = seg_tensor_get_n_elements (self) * seg_dtype_get_size (self->dtype);
  seg_tensor_fill_backend (self, &src);
  if (is_same_bytes (self, data_dtype) || !self->context->device->info.host_memory)
    {
      if (!is_same_bytes (self, data_dtype))
        host = g_try_malloc (MAX (size, 1));
      if (!is_same_bytes (self, data_dtype) && host == NULL)
        {
          seg_context_fail (self->context, SEG_ERROR_OUT_OF_MEMORY, "host memory for a download");
          return FALSE;
        }
      if (backend->download (self->context->device->handle, host != NULL ? host : data, src.data,
                             size)
          != SEG_STATUS_OK)
        {
          seg_context_fail (self->context, SEG_ERROR_BACKEND, "download from %s: %s", backend->name,
                            backend->device_message (self->context->device->handle));
          return FALSE;
        }
      if (host == NULL)
        return TRUE;
      src.data = host;
    }
  else
    backend->synchronize (self->context->device->handle);
  describe_host (self, data_dtype, data, &dst);
  return copy_on_host (self->context, &dst, &src);
}

gboolean
seg_tensor_upload (SegTensor *self, SegDtype data_dtype, gconstpointer data)
{
  const SegBackend *backend;
  g_autofree void *host = NULL;
  SegBackendTensor src, dst;
  gsize size;

  if (self == NULL || self->context->error != NULL)
    return FALSE;
  g_return_val_if_fail (seg_tensor_is_dense (self), FALSE);
  backend = self->context->device->backend;
  size = seg_tensor_get_n_elements (self) * seg_dtype_get_size (self->dtype);
  seg_tensor_bump (self);
  describe_host (self, data_dtype, (gpointer) data, &src);
  seg_tensor_fill_backend (self, &dst);
  if (self->context->device->info.host_memory && !is_same_bytes (self, data_dtype))
    {
      backend->synchronize (self->context->device->handle);
      return copy_on_host (self->context, &dst, &src);
    }
  if (!is_same_bytes (self, data_dtype))
    {
      gpointer device_data = dst.data;

      host = g_try_malloc (MAX (size, 1));
      if (host == NULL)
        {
          seg_context_fail (self->context, SEG_ERROR_OUT_OF_MEMORY, "host memory for an upload");
          return FALSE;
        }
      dst.data = host;
      copy_on_host (self->context, &dst, &src);
      dst.data = device_data;
    }
  if (backend->upload (self->context->device->handle, dst.data, host != NULL ? host : data, size)
      == SEG_STATUS_OK)
    return TRUE;
  seg_context_fail (self->context, SEG_ERROR_BACKEND, "upload to %s: %s", backend->name,
                    backend->device_message (self->context->device->handle));
  return FALSE;
}

double
seg_tensor_get_scalar (SegTensor *self)
{
  double value = NAN;

  if (self == NULL || seg_tensor_get_n_elements (self) != 1
      || !seg_tensor_download (self, SEG_DTYPE_F64, &value))
    return NAN;
  return value;
}

SegContext *
seg_tensor_get_context (SegTensor *self)
{
  return self != NULL ? self->context : NULL;
}

SegDtype
seg_tensor_get_dtype (SegTensor *self)
{
  return self != NULL ? self->dtype : SEG_DTYPE_F32;
}

int
seg_tensor_get_rank (SegTensor *self)
{
  return self != NULL ? self->rank : 0;
}

const gint64 *
seg_tensor_get_shape (SegTensor *self)
{
  return self != NULL ? self->shape : NULL;
}

gint64
seg_tensor_get_size (SegTensor *self, int axis)
{
  if (self == NULL)
    return 0;
  if (axis < 0)
    axis += self->rank;
  g_return_val_if_fail (axis >= 0 && axis < self->rank, 0);
  return self->shape[axis];
}

gint64
seg_tensor_get_n_elements (SegTensor *self)
{
  gint64 n = 1;

  for (int a = 0; self != NULL && a < self->rank; a++)
    n *= self->shape[a];
  return self != NULL ? n : 0;
}

gboolean
seg_tensor_has_shape (SegTensor *self, int rank, const gint64 *shape)
{
  if (self == NULL || self->rank != rank)
    return FALSE;
  for (int a = 0; a < rank; a++)
    if (shape[a] >= 0 && shape[a] != self->shape[a])
      return FALSE;
  return TRUE;
}

int
seg_tensor_get_feature_axis (SegTensor *self)
{
  return self == NULL ? 0 : self->rank >= 4 ? 1 : self->rank - 1;
}

char *
seg_tensor_describe (SegTensor *self)
{
  GString *text;

  if (self == NULL)
    return g_strdup ("none");
  text = g_string_new (seg_dtype_get_name (self->dtype));
  for (int a = 0; a < self->rank; a++)
    g_string_append_printf (text, "%s%" G_GINT64_FORMAT, a == 0 ? " " : "×", self->shape[a]);
  return g_string_free (text, FALSE);
}

void
seg_tensor_set_requires_grad (SegTensor *self, gboolean requires_grad)
{
  if (self == NULL)
    return;
  self->requires_grad = requires_grad;
  self->parameter = TRUE;
  if (self->uid == 0)
    self->uid = next_uid++;
}

gboolean
seg_tensor_get_requires_grad (SegTensor *self)
{
  return self != NULL && self->requires_grad;
}

SegTensor *
seg_tensor_get_grad (SegTensor *self)
{
  return self != NULL ? self->grad : NULL;
}

void
seg_tensor_clear_grad (SegTensor *self)
{
  if (self == NULL || self->grad == NULL)
    return;
  seg_context_run (self->context, SEG_OP_FILL, &(SegFillParams){ 0 }, sizeof (SegFillParams), 1,
                   &self->grad, 0, NULL);
}

void
seg_tensor_retain_grad (SegTensor *self)
{
  if (self != NULL)
    self->retain_grad = TRUE;
}
