/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/field.h"

#include <math.h>

#include "render/field-private.h"

struct _RenderField
{
  RenderResident resident;
  int n_refs; /* atomic */
  RenderDevice *device;
  VolumeBox box;
  GBytes *values;

  /* the device's thread */
  float min, max;
  gboolean measured;
  RenderRegion region;
};

typedef struct
{
  RenderJob job;
  RenderField *field;
} LeaveJob;

static void
measure (RenderField *self)
{
  gsize n;
  const float *values = g_bytes_get_data (self->values, &n);

  if (self->measured)
    return;
  self->min = INFINITY;
  self->max = -INFINITY;
  for (gsize v = 0; v < n / sizeof *values; v++)
    if (isfinite (values[v]))
      {
        self->min = MIN (self->min, values[v]);
        self->max = MAX (self->max, values[v]);
      }
  if (self->min > self->max)
    self->min = self->max = 0.0f;
  self->measured = TRUE;
}

/* 0 for nothing, 1 … 65535 from the smallest to the largest value. */
static gboolean
fill_cb (gpointer data, const RenderRegion *region, const VolumeBox *texels, gpointer dst,
         GError **error)
{
  RenderField *self = data;
  const float *values = g_bytes_get_data (self->values, NULL);
  const double range = (double) self->max - self->min;
  const double codes = range > 0.0 ? 65534.0 / range : 0.0;
  const int *stride = region->stride;
  const gsize nx = (gsize) (region->box.hi[0] - region->box.lo[0]);
  const gsize ny = (gsize) (region->box.hi[1] - region->box.lo[1]);
  guint16 *out = dst;

  for (int k = texels->lo[2]; k < texels->hi[2]; k++)
    for (int j = texels->lo[1]; j < texels->hi[1]; j++)
      for (int i = texels->lo[0]; i < texels->hi[0]; i++)
        {
          const float v = values[((gsize) (k * stride[2]) * ny + (gsize) (j * stride[1])) * nx
                                 + (gsize) (i * stride[0])];

          *out++ = isfinite (v) ? (guint16) (1.5 + (v - self->min) * codes) : 0;
        }
  return TRUE;
}

static void
drop (RenderResident *resident, RenderDevice *device)
{
  render_region_destroy (&((RenderField *) resident)->region, device);
}

RenderRegion *
render_field_prepare (RenderField *self, GError **error)
{
  VolumeBox all = { { 0 } };
  int size[3];

  if (self->region.texture != NULL)
    return &self->region;
  render_device_add_resident (self->device, &self->resident);
  measure (self);
  self->region.box = self->box;
  for (int c = 0; c < 3; c++)
    size[c] = self->box.hi[c] - self->box.lo[c];
  render_region_fit (size, self->device->max_image_3d, self->device->max_scan_bytes, 2,
                     self->region.stride);
  if (!render_region_create (&self->region, self->device, VK_FORMAT_R16_UNORM, error))
    return NULL;
  render_region_get_texels (&self->region, all.hi);
  if (render_region_send (&self->region, self->device, 2, &all, fill_cb, self, error))
    return &self->region;
  render_region_release (&self->region, self->device);
  return NULL;
}

void
render_field_get_value_map (RenderField *self, double *scale, double *offset)
{
  const double per_code = ((double) self->max - self->min) / 65534.0;

  *scale = 65535.0 * per_code;
  *offset = self->min - per_code;
}

static gboolean
leave_record_cb (RenderJob *job, RenderDevice *device, GError **error)
{
  return TRUE;
}

static void
leave_done_cb (RenderJob *job, RenderDevice *device, const GError *error)
{
  RenderField *self = ((LeaveJob *) job)->field;

  render_device_remove_resident (device, &self->resident);
  if (device->life != NULL)
    render_region_release (&self->region, device);
  g_bytes_unref (self->values);
  render_device_unref (self->device);
  g_free (self);
  g_free (job);
}

RenderField *
render_field_new (RenderDevice *device, const VolumeBox *box, GBytes *values)
{
  RenderField *self;
  gsize n = sizeof (float);

  for (int c = 0; c < 3; c++)
    {
      g_return_val_if_fail (box->hi[c] > box->lo[c], NULL);
      n *= (gsize) (box->hi[c] - box->lo[c]);
    }
  g_return_val_if_fail (g_bytes_get_size (values) == n, NULL);
  self = g_new0 (RenderField, 1);
  self->n_refs = 1;
  self->device = render_device_ref (device);
  self->box = *box;
  self->values = g_bytes_ref (values);
  self->resident.drop = drop;
  return self;
}

RenderField *
render_field_ref (RenderField *self)
{
  g_atomic_int_inc (&self->n_refs);
  return self;
}

void
render_field_unref (RenderField *self)
{
  LeaveJob *job;

  if (self == NULL || !g_atomic_int_dec_and_test (&self->n_refs))
    return;
  job = g_new0 (LeaveJob, 1);
  job->job.record = leave_record_cb;
  job->job.done = leave_done_cb;
  job->field = self;
  render_device_post (self->device, &job->job);
}
