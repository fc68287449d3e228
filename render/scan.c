/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/scan.h"

#include <math.h>
#include <string.h>

#include "render/flat.h"
#include "volume/mask.h"

#define N_STREAMS 4

struct _RenderScan
{
  RenderResident resident;
  int n_refs; /* atomic */
  RenderDevice *device;
  VolumeScan *volume;
  VkFormat format;
  gsize texel_bytes;
  double scale, offset; /* value = texture value × scale + offset */
  double stored_of_value; /* stored = (value − inter) × this */
  float stand_in; /* stored, for values that are not finite */
  gboolean linear;
  int permille_sent; /* atomic */
  guint64 serial; /* on its device */

  /* the device's thread */
  RenderRegion whole;
  int planes_sent; /* texels along k */
  gboolean complete;
  GError *refused; /* why there is no whole */
  RenderRegion streams[N_STREAMS];
  guint64 n_uses;
};

typedef struct
{
  RenderJob job;
  RenderScan *scan;
} ScanJob;

/* --- stored values → texels --- */

static gboolean
is_float (VolumeDtype dtype)
{
  return dtype == VOLUME_DTYPE_F32 || dtype == VOLUME_DTYPE_F64;
}

/* Rows of a box; integers of 8 and 16 bits keep every bit, signed ones with the top bit turned so
 * that order stays order. */
#define COPY_BOX(Type, Texel, EXPRESSION)                                                          \
  {                                                                                                \
    const Type *src = volume_scan_get_stored (self->volume);                                       \
    Texel *out = dst;                                                                              \
    for (int k = box->lo[2]; k < box->hi[2]; k++)                                                  \
      for (int j = box->lo[1]; j < box->hi[1]; j++)                                                \
        {                                                                                          \
          const Type *row = src + ((gsize) k * ny + (gsize) j) * nx + (gsize) box->lo[0];          \
          for (int i = 0; i < n; i++)                                                              \
            {                                                                                      \
              const Type v = row[i];                                                               \
              out[i] = EXPRESSION;                                                                 \
            }                                                                                      \
          out += n;                                                                                \
        }                                                                                          \
  }

static void
copy_box (RenderScan *self, const VolumeBox *box, gpointer dst)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (self->volume);
  const gsize nx = (gsize) geometry->size[0], ny = (gsize) geometry->size[1];
  const int n = box->hi[0] - box->lo[0];
  const float stand_in = self->stand_in;

  switch (volume_scan_get_dtype (self->volume))
    {
    case VOLUME_DTYPE_U8:
      COPY_BOX (guint8, guint8, v);
      break;
    case VOLUME_DTYPE_I8:
      COPY_BOX (guint8, guint8, v ^ 0x80);
      break;
    case VOLUME_DTYPE_U16:
      COPY_BOX (guint16, guint16, v);
      break;
    case VOLUME_DTYPE_I16:
      COPY_BOX (guint16, guint16, v ^ 0x8000);
      break;
    case VOLUME_DTYPE_U32:
      COPY_BOX (guint32, float, (float) v);
      break;
    case VOLUME_DTYPE_I32:
      COPY_BOX (gint32, float, (float) v);
      break;
    case VOLUME_DTYPE_U64:
      COPY_BOX (guint64, float, (float) v);
      break;
    case VOLUME_DTYPE_I64:
      COPY_BOX (gint64, float, (float) v);
      break;
    case VOLUME_DTYPE_F32:
      COPY_BOX (float, float, isfinite (v) ? v : stand_in);
      break;
    case VOLUME_DTYPE_F64:
      COPY_BOX (double, float, isfinite ((float) v) ? (float) v : stand_in);
      break;
    }
}

static void
encode (RenderScan *self, double stored, gsize at, gpointer dst)
{
  switch (volume_scan_get_dtype (self->volume))
    {
    case VOLUME_DTYPE_U8:
      ((guint8 *) dst)[at] = (guint8) CLAMP (stored + 0.5, 0.0, 255.0);
      break;
    case VOLUME_DTYPE_I8:
      ((guint8 *) dst)[at] = (guint8) CLAMP (stored + 128.5, 0.0, 255.0);
      break;
    case VOLUME_DTYPE_U16:
      ((guint16 *) dst)[at] = (guint16) CLAMP (stored + 0.5, 0.0, 65535.0);
      break;
    case VOLUME_DTYPE_I16:
      ((guint16 *) dst)[at] = (guint16) CLAMP (stored + 32768.5, 0.0, 65535.0);
      break;
    default:
      ((float *) dst)[at] = (float) stored;
      break;
    }
}

/* The mean of each texel's voxels, values that are not finite left out. */
static void
average_row (RenderScan *self, const RenderRegion *region, int texel_j, int texel_k,
             const VolumeBox *texels, gsize at, gpointer dst)
{
  const int *stride = region->stride;
  VolumeBox box;
  g_autofree float *values = NULL;
  gsize width, n_rows;
  const double inter = volume_scan_get_inter (self->volume);
  const int texel[3] = { texels->lo[0], texel_j, texel_k };

  for (int c = 0; c < 3; c++)
    {
      const int last = c == 0 ? texels->hi[0] : texel[c] + 1;

      box.lo[c] = region->box.lo[c] + texel[c] * stride[c];
      box.hi[c] = MIN (region->box.lo[c] + last * stride[c], region->box.hi[c]);
    }
  width = (gsize) (box.hi[0] - box.lo[0]);
  n_rows = (gsize) (box.hi[1] - box.lo[1]) * (gsize) (box.hi[2] - box.lo[2]);
  values = g_new (float, width *n_rows);
  volume_scan_read_box (self->volume, &box, values);
  for (int t = texels->lo[0]; t < texels->hi[0]; t++)
    {
      const gsize from = (gsize) (t - texels->lo[0]) * (gsize) stride[0];
      const gsize to = MIN (from + (gsize) stride[0], width);
      double sum = 0.0;
      gsize n = 0;

      for (gsize row = 0; row < n_rows; row++)
        for (gsize i = from; i < to; i++)
          if (isfinite (values[row * width + i]))
            {
              sum += values[row * width + i];
              n++;
            }
      encode (self, n > 0 ? (sum / (double) n - inter) * self->stored_of_value : self->stand_in,
              at++, dst);
    }
}

static gboolean
fill_cb (gpointer data, const RenderRegion *region, const VolumeBox *texels, gpointer dst,
         GError **error)
{
  RenderScan *self = data;
  gsize at = 0;

  if (region->stride[0] == 1 && region->stride[1] == 1 && region->stride[2] == 1)
    {
      VolumeBox box;

      for (int c = 0; c < 3; c++)
        {
          box.lo[c] = region->box.lo[c] + texels->lo[c];
          box.hi[c] = region->box.lo[c] + texels->hi[c];
        }
      copy_box (self, &box, dst);
      return TRUE;
    }
  for (int k = texels->lo[2]; k < texels->hi[2]; k++)
    for (int j = texels->lo[1]; j < texels->hi[1]; j++)
      {
        average_row (self, region, j, k, texels, at, dst);
        at += (gsize) (texels->hi[0] - texels->lo[0]);
      }
  return TRUE;
}

/* --- the whole scan, piece by piece --- */

static gboolean
create_whole (RenderScan *self, GError **error)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (self->volume);
  guint64 max_bytes = self->device->max_scan_bytes;

  for (int attempt = 0; attempt < 8; attempt++)
    {
      g_autoptr (GError) cause = NULL;

      for (int c = 0; c < 3; c++)
        {
          self->whole.box.lo[c] = 0;
          self->whole.box.hi[c] = geometry->size[c];
        }
      render_region_fit (geometry->size, self->device->max_image_3d, max_bytes, self->texel_bytes,
                         self->whole.stride);
      if (render_region_create (&self->whole, self->device, self->format, &cause))
        return TRUE;
      if (!g_error_matches (cause, RENDER_ERROR, RENDER_ERROR_OUT_OF_MEMORY) || attempt == 7)
        {
          g_propagate_error (error, g_steal_pointer (&cause));
          return FALSE;
        }
      /* The device has less to give than it says: a coarser level, and slices streamed. */
      max_bytes = MIN (max_bytes, volume_scan_get_n_voxels (self->volume) * self->texel_bytes) / 4;
    }
  return FALSE;
}

static gboolean
upload_step (RenderResident *resident, RenderDevice *device, GError **error)
{
  RenderScan *self = (RenderScan *) resident;
  int texels[3];
  gsize plane_bytes;
  VolumeBox piece = { { 0 } };

  if (self->complete || self->refused != NULL)
    return FALSE;
  if (self->whole.texture == NULL && !create_whole (self, error))
    {
      if (error != NULL && *error != NULL)
        self->refused = g_error_copy (*error);
      return FALSE;
    }
  render_region_get_texels (&self->whole, texels);
  plane_bytes = (gsize) texels[0] * (gsize) texels[1] * self->texel_bytes;
  piece.hi[0] = texels[0];
  piece.hi[1] = texels[1];
  piece.lo[2] = self->planes_sent;
  piece.hi[2] = (int) MIN ((gsize) texels[2],
                           (gsize) self->planes_sent + MAX (RENDER_STAGE_BYTES / plane_bytes, 1));
  if (render_device_begin (device, error) == NULL
      || !render_region_send (&self->whole, device, self->texel_bytes, &piece, fill_cb, self,
                              error))
    return FALSE;
  self->planes_sent = piece.hi[2];
  g_atomic_int_set (&self->permille_sent, self->planes_sent * 1000 / texels[2]);
  if (self->planes_sent < texels[2])
    return TRUE;
  self->complete = TRUE;
  if (self->whole.stride[0] * self->whole.stride[1] * self->whole.stride[2] == 1)
    for (int s = 0; s < N_STREAMS; s++)
      render_region_release (&self->streams[s], device);
  return FALSE;
}

static void
drop (RenderResident *resident, RenderDevice *device)
{
  RenderScan *self = (RenderScan *) resident;

  render_region_destroy (&self->whole, device);
  for (int s = 0; s < N_STREAMS; s++)
    render_region_destroy (&self->streams[s], device);
  self->planes_sent = 0;
  self->complete = FALSE;
  g_clear_error (&self->refused);
  g_atomic_int_set (&self->permille_sent, 0);
}

/* --- slabs sent ahead --- */

static RenderRegion *
find_stream (RenderScan *self, const VolumeBox *box)
{
  for (int s = 0; s < N_STREAMS; s++)
    if (render_region_contains (&self->streams[s], box))
      return &self->streams[s];
  return NULL;
}

static RenderRegion *
oldest_stream (RenderScan *self)
{
  RenderRegion *oldest = &self->streams[0];

  for (int s = 1; s < N_STREAMS; s++)
    if (self->streams[s].last_use < oldest->last_use)
      oldest = &self->streams[s];
  return oldest;
}

static RenderRegion *
stream_slab (RenderScan *self, const VolumeBox *box, gboolean *exact, GError **error)
{
  RenderRegion *stream = find_stream (self, box);
  VolumeBox all = { { 0 } };
  int size[3];

  if (stream == NULL)
    {
      stream = oldest_stream (self);
      render_region_release (stream, self->device);
      stream->box = *box;
      for (int c = 0; c < 3; c++)
        size[c] = box->hi[c] - box->lo[c];
      render_region_fit (size, self->device->max_image_3d, G_MAXUINT64, self->texel_bytes,
                         stream->stride);
      if (!render_region_create (stream, self->device, self->format, error))
        return NULL;
      render_region_get_texels (stream, all.hi);
      if (!render_region_send (stream, self->device, self->texel_bytes, &all, fill_cb, self, error))
        {
          render_region_release (stream, self->device);
          return NULL;
        }
    }
  stream->last_use = ++self->n_uses;
  *exact = stream->stride[0] * stream->stride[1] * stream->stride[2] == 1;
  return stream;
}

RenderRegion *
render_scan_prepare (RenderScan *self, const VolumeBox *box, int axis, gboolean *exact,
                     GError **error)
{
  const gboolean fine =
      self->whole.texture != NULL
      && self->whole.stride[0] * self->whole.stride[1] * self->whole.stride[2] == 1;

  *exact = TRUE;
  if (self->complete && fine)
    return &self->whole;
  if (axis >= 0)
    return stream_slab (self, box, exact, error);
  *exact = fine;
  if (self->complete)
    return &self->whole;
  if (self->refused != NULL)
    g_propagate_error (error, g_error_copy (self->refused));
  else
    g_set_error_literal (error, RENDER_ERROR, RENDER_ERROR_LATER, "The scan is on its way");
  return NULL;
}

guint64
render_scan_get_serial (RenderScan *self)
{
  return self->serial;
}

void
render_scan_read_texels (RenderScan *self, const VolumeBox *box, float *dst)
{
  const gsize n = volume_box_get_n_voxels (box);
  g_autofree gpointer texels = NULL;

  if (self->texel_bytes == sizeof *dst)
    {
      copy_box (self, box, dst);
      return;
    }
  texels = g_malloc (n * self->texel_bytes);
  copy_box (self, box, texels);
  for (gsize v = 0; v < n && self->texel_bytes == 1; v++)
    dst[v] = (float) ((const guint8 *) texels)[v] / 255.0f;
  for (gsize v = 0; v < n && self->texel_bytes == 2; v++)
    dst[v] = (float) ((const guint16 *) texels)[v] / 65535.0f;
}

/* --- life --- */

static gboolean
enter_record_cb (RenderJob *job, RenderDevice *device, GError **error)
{
  RenderScan *self = ((ScanJob *) job)->scan;

  if (is_float (volume_scan_get_dtype (self->volume)))
    {
      float min, max;

      volume_scan_get_range (self->volume, &min, &max);
      self->stand_in =
          (float) ((min - volume_scan_get_inter (self->volume)) * self->stored_of_value);
    }
  self->serial = ++device->n_serials;
  render_device_add_resident (device, &self->resident);
  return TRUE;
}

static void
enter_done_cb (RenderJob *job, RenderDevice *device, const GError *error)
{
  ScanJob *scan_job = (ScanJob *) job;
  RenderScan *scan = scan_job->scan;

  g_free (scan_job);
  render_scan_unref (scan);
}

static gboolean
leave_record_cb (RenderJob *job, RenderDevice *device, GError **error)
{
  return TRUE;
}

static void
leave_done_cb (RenderJob *job, RenderDevice *device, const GError *error)
{
  RenderScan *self = ((ScanJob *) job)->scan;

  render_device_remove_resident (device, &self->resident);
  if (device->life != NULL)
    {
      render_flat_forget (device, self->serial);
      render_region_release (&self->whole, device);
      for (int s = 0; s < N_STREAMS; s++)
        render_region_release (&self->streams[s], device);
    }
  g_clear_error (&self->refused);
  volume_scan_unref (self->volume);
  render_device_unref (self->device);
  g_free (self);
  g_free (job);
}

static void
post_scan_job (RenderScan *self, gboolean enter)
{
  ScanJob *job = g_new0 (ScanJob, 1);

  job->job.record = enter ? enter_record_cb : leave_record_cb;
  job->job.done = enter ? enter_done_cb : leave_done_cb;
  job->scan = self;
  render_device_post (self->device, &job->job);
}

/* 8 and 16 bits stay what they are; all else becomes float. */
static void
choose_format (RenderScan *self)
{
  const double slope =
      volume_scan_get_slope (self->volume) != 0.0 ? volume_scan_get_slope (self->volume) : 1.0;
  const double inter = volume_scan_get_inter (self->volume);
  const VolumeDtype dtype = volume_scan_get_dtype (self->volume);
  double stored_max = 1.0, stored_min = 0.0;
  VkFormatProperties properties;

  switch (dtype)
    {
    case VOLUME_DTYPE_U8:
    case VOLUME_DTYPE_I8:
      self->format = VK_FORMAT_R8_UNORM;
      self->texel_bytes = 1;
      stored_min = dtype == VOLUME_DTYPE_I8 ? -128.0 : 0.0;
      stored_max = stored_min + 255.0;
      break;
    case VOLUME_DTYPE_U16:
    case VOLUME_DTYPE_I16:
      self->format = VK_FORMAT_R16_UNORM;
      self->texel_bytes = 2;
      stored_min = dtype == VOLUME_DTYPE_I16 ? -32768.0 : 0.0;
      stored_max = stored_min + 65535.0;
      break;
    default:
      self->format = VK_FORMAT_R32_SFLOAT;
      self->texel_bytes = 4;
      break;
    }
  self->scale = (stored_max - stored_min) * slope;
  self->offset = stored_min * slope + inter;
  self->stored_of_value = 1.0 / slope;
  self->device->instance->vk.GetPhysicalDeviceFormatProperties (self->device->physical,
                                                                self->format, &properties);
  self->linear =
      (properties.optimalTilingFeatures & VK_FORMAT_FEATURE_SAMPLED_IMAGE_FILTER_LINEAR_BIT) != 0;
}

RenderScan *
render_scan_new (RenderDevice *device, VolumeScan *scan)
{
  RenderScan *self = g_new0 (RenderScan, 1);

  self->n_refs = 2; /* the caller's and the entering job's */
  self->device = render_device_ref (device);
  self->volume = volume_scan_ref (scan);
  self->resident.drop = drop;
  self->resident.upload_step = upload_step;
  choose_format (self);
  post_scan_job (self, TRUE);
  return self;
}

RenderScan *
render_scan_ref (RenderScan *self)
{
  g_atomic_int_inc (&self->n_refs);
  return self;
}

void
render_scan_unref (RenderScan *self)
{
  if (self != NULL && g_atomic_int_dec_and_test (&self->n_refs))
    post_scan_job (self, FALSE);
}

VolumeScan *
render_scan_get_volume (RenderScan *self)
{
  return self->volume;
}

const VolumeGeometry *
render_scan_get_geometry (RenderScan *self)
{
  return volume_scan_get_geometry (self->volume);
}

double
render_scan_get_progress (RenderScan *self)
{
  return g_atomic_int_get (&self->permille_sent) / 1000.0;
}

void
render_scan_get_value_map (RenderScan *self, double *scale, double *offset)
{
  *scale = self->scale;
  *offset = self->offset;
}

gboolean
render_scan_is_linear (RenderScan *self)
{
  return self->linear;
}

gboolean
render_scan_has_exact_sampler (RenderScan *self)
{
  return self->linear && self->device->info.is_software && self->texel_bytes > 1;
}
