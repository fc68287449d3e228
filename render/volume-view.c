/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/volume-view.h"

#include <math.h>
#include <string.h>

#include "render/frame-job.h"
#include "render/labels-private.h"
#include "render/scan-private.h"
#include "render/shaders/uniforms.h"

/* Specialisation constants of volume.frag. */
enum
{
  CONSTANT_MODE,
  CONSTANT_SURFACE,
  CONSTANT_CUT,
  CONSTANT_COLOUR_MAP,
  CONSTANT_SHARED,
  CONSTANT_TRANSLUCENT,
  CONSTANT_SKIP,
};

#define MAX_STEPS 4096
#define MOVING_STEPS 200 /* the most along the diagonal while the view moves */
#define N_SOFTWARE_BANDS 12 /* of a picture that takes longer than a slice may wait */

typedef struct
{
  RenderFrameJob frame_job;
  RenderVolumeParams params; /* holds references */
  double diameter_mm, step_mm;

  RenderRegion *scan, *labels;
  RenderSurface *surface; /* NULL: no label shows */
  gboolean is_translucent;
  RenderTexture *palette;
  VkPipeline pipeline;
  VkDescriptorSet set;
} VolumeJob;

/* Where the viewer stands: unit vectors, RAS. */
typedef struct
{
  double right[3], up[3], into[3];
} Camera;

static Camera
camera_of (const RenderVolumeParams *params)
{
  const double az = params->azimuth_deg * G_PI / 180.0;
  const double el = CLAMP (params->elevation_deg, -90.0, 90.0) * G_PI / 180.0;

  return (Camera){
    .right = { -cos (az), -sin (az), 0.0 },
    .up = { sin (el) * sin (az), -sin (el) * cos (az), cos (el) },
    .into = { cos (el) * sin (az), -cos (el) * cos (az), -sin (el) },
  };
}

static double
diagonal_mm (const VolumeGeometry *geometry)
{
  double longest = 0.0;

  for (int corner = 0; corner < 4; corner++)
    {
      double sum = 0.0;

      for (int r = 0; r < 3; r++)
        {
          const double d = geometry->affine[r][0] * geometry->size[0]
                           + geometry->affine[r][1] * geometry->size[1] * (corner & 1 ? -1 : 1)
                           + geometry->affine[r][2] * geometry->size[2] * (corner & 2 ? -1 : 1);

          sum += d * d;
        }
      longest = MAX (longest, sqrt (sum));
    }
  return longest;
}

/* RAS direction → ijk. */
static void
turn (const VolumeGeometry *geometry, const double ras[3], double factor, float ijk[4])
{
  for (int c = 0; c < 3; c++)
    ijk[c] = (float) (factor
                      * (geometry->inverse[c][0] * ras[0] + geometry->inverse[c][1] * ras[1]
                         + geometry->inverse[c][2] * ras[2]));
}

static void
set_rays (const VolumeJob *self, const Camera *camera, struct RenderVolumeUniforms *u)
{
  const RenderVolumeParams *params = &self->params;
  const VolumeGeometry *geometry = render_scan_get_geometry (params->scan);
  const double width = self->frame_job.width, height = self->frame_job.height;
  /* A moving frame has fewer pixels for the same picture. */
  const double shrink = width / MAX (params->width, 1);
  const double zoom = params->zoom > 0.0 && isfinite (params->zoom) ? params->zoom : 1.0;
  const double px_per_mm = MIN (width, height) / self->diameter_mm * zoom;
  const double middle_ijk[3] = { (geometry->size[0] - 1) * 0.5, (geometry->size[1] - 1) * 0.5,
                                 (geometry->size[2] - 1) * 0.5 };
  const double x_mm = -(width * 0.5 + params->pan_px[0] * shrink) / px_per_mm;
  const double y_mm = (height * 0.5 + params->pan_px[1] * shrink) / px_per_mm;
  double middle[3], origin[3], origin_ijk[3];

  volume_geometry_ijk_to_ras (geometry, middle_ijk, middle);
  for (int c = 0; c < 3; c++)
    origin[c] = middle[c] + camera->right[c] * x_mm + camera->up[c] * y_mm
                - camera->into[c] * self->diameter_mm * 0.5;
  volume_geometry_ras_to_ijk (geometry, origin, origin_ijk);
  for (int c = 0; c < 3; c++)
    {
      u->ray_origin_ijk[c] = (float) origin_ijk[c];
      u->size_ijk[c] = (float) geometry->size[c];
      u->background[c] = params->background[c];
    }
  turn (geometry, camera->right, 1.0 / px_per_mm, u->origin_per_x);
  turn (geometry, camera->up, -1.0 / px_per_mm, u->origin_per_y);
  turn (geometry, camera->into, self->step_mm, u->direction_ijk);
  u->direction_ijk[3] = (float) MIN (self->diameter_mm / self->step_mm + 2.0, MAX_STEPS);
}

/* Rows that take a gradient over ijk to (right, up, towards the viewer). */
static void
set_metric (const VolumeGeometry *geometry, const Camera *camera, struct RenderVolumeUniforms *u)
{
  for (int c = 0; c < 3; c++)
    {
      double right = 0.0, up = 0.0, into = 0.0;

      for (int k = 0; k < 3; k++)
        {
          right += camera->right[k] * geometry->inverse[c][k];
          up += camera->up[k] * geometry->inverse[c][k];
          into += camera->into[k] * geometry->inverse[c][k];
        }
      u->metric0[c] = (float) right;
      u->metric1[c] = (float) up;
      u->metric2[c] = (float) -into;
    }
}

static void
set_look (const VolumeJob *self, struct RenderVolumeUniforms *u)
{
  const RenderVolumeParams *params = &self->params;
  const double opacity = params->opacity > 0.0 ? MIN (params->opacity, 0.999) : 0.2;
  double centre = params->window_centre, width = params->window_width, scale, offset, a, b;

  if (!(width > 0.0) || !isfinite (width) || !isfinite (centre))
    volume_scan_get_default_window (render_scan_get_volume (params->scan), &centre, &width);
  if (!(width > 0.0))
    width = 1.0;
  render_scan_get_value_map (params->scan, &scale, &offset);
  a = scale / width;
  b = (offset - centre) / width + 0.5;
  u->window[0] = (float) (params->colour_map == RENDER_COLOUR_MAP_GREY_INVERTED ? -a : a);
  u->window[1] = (float) (params->colour_map == RENDER_COLOUR_MAP_GREY_INVERTED ? 1.0 - b : b);
  u->window[2] = (float) params->colour_map;
  u->window[3] = (float) (1.0 - pow (1.0 - opacity, self->step_mm / (0.01 * self->diameter_mm)));
  u->label[0] = (float) CLAMP (params->label_opacity, 0.0, 1.0);
  u->label[1] = (float) params->highlight_label;
  u->label[2] = 0.75f;
}

static void
set_cut (const VolumeJob *self, struct RenderVolumeUniforms *u)
{
  for (int c = 0; c < 3; c++)
    {
      u->cut_ijk[c] = (float) self->params.cut_ijk[c];
      u->cut_sign[c] = u->direction_ijk[c] > 0.0f ? -1.0f : 1.0f;
    }
}

static gboolean
prepare_cb (RenderFrameJob *frame_job, RenderDevice *device, GError **error)
{
  VolumeJob *self = (VolumeJob *) frame_job;
  const VolumeGeometry *geometry = render_scan_get_geometry (self->params.scan);
  const VolumeBox all = { { 0, 0, 0 },
                          { geometry->size[0], geometry->size[1], geometry->size[2] } };
  gboolean exact, exact_labels = TRUE;

  self->labels = NULL;
  self->surface = NULL;
  self->palette = NULL;
  self->scan = render_scan_prepare (self->params.scan, &all, -1, &exact, error);
  if (self->scan == NULL)
    return FALSE;
  if (self->params.labels != NULL
      && (!render_labels_prepare (self->params.labels, &all, -1, &self->labels, &exact_labels,
                                  error)
          || (self->palette = render_labels_prepare_palette (self->params.labels, error)) == NULL
          || (self->surface =
                  render_labels_prepare_surface (self->params.labels, geometry->spacing_mm, error))
                 == NULL))
    return FALSE;
  if (self->surface != NULL
      && (self->surface->region.texture == NULL || !(self->params.label_opacity > 0.0)))
    self->surface = NULL;
  frame_job->exact = exact && exact_labels && self->params.quality == RENDER_QUALITY_FINAL;
  return TRUE;
}

/* One sample per voxel of the texture, in the direction in which voxels are shortest. */
static void
choose_step (VolumeJob *self)
{
  const VolumeGeometry *geometry = render_scan_get_geometry (self->params.scan);
  double step = INFINITY;

  self->diameter_mm = diagonal_mm (geometry);
  for (int c = 0; c < 3; c++)
    if (geometry->size[c] > 1)
      step = MIN (step, geometry->spacing_mm[c] * self->scan->stride[c]);
  if (!isfinite (step))
    step = geometry->spacing_mm[0];
  step = MAX (step, self->diameter_mm / 1000.0);
  self->step_mm = self->params.quality == RENDER_QUALITY_MOVING
                      ? MAX (2.0 * step, self->diameter_mm / MOVING_STEPS)
                      : step;
}

/* A label that is not the highlighted one steps back. */
static void
set_channel_look (const VolumeJob *self, guint16 id, float look[4])
{
  const RenderVolumeParams *params = &self->params;
  const guint8 *rgba = render_labels_get_looks (params->labels) + (gsize) id * 4;
  const gboolean others = params->highlight_label > 0 && id != params->highlight_label;
  const float grey = (float) (rgba[0] + rgba[1] + rgba[2]) / (3.0f * 255.0f);

  for (int c = 0; c < 3; c++)
    look[c] =
        others ? 0.6f * (0.7f * grey + 0.3f * (float) rgba[c] / 255.0f) : (float) rgba[c] / 255.0f;
  /* A hidden label has no channel; in turns, the first one's opacity is all the others'. */
  look[3] = id != 0 ? (float) (CLAMP (params->label_opacity, 0.0, 1.0) * rgba[3] / 255.0) : 0.0f;
}

static void
set_surface (VolumeJob *self, struct RenderVolumeUniforms *u)
{
  float *looks[RENDER_N_CHANNELS] = { u->look0, u->look1, u->look2, u->look3 };
  const RenderSurface *surface = self->surface;
  double finest_mm = INFINITY;

  self->is_translucent = FALSE;
  render_region_get_uniforms (surface != NULL ? &surface->region : NULL, &u->surface_region);
  if (surface == NULL)
    return;
  for (int channel = 0; channel < RENDER_N_CHANNELS; channel++)
    {
      set_channel_look (self, surface->label[channel], looks[channel]);
      self->is_translucent |= surface->label[channel] != 0 && looks[channel][3] < 0.99f;
    }
  for (int c = 0; c < 3; c++)
    {
      const double texel_mm =
          surface->region.stride[c] * render_scan_get_geometry (self->params.scan)->spacing_mm[c];

      u->surface_lo[c] = (float) surface->region.box.lo[c] - 0.5f;
      u->surface_hi[c] = (float) surface->region.box.hi[c] - 0.5f;
      finest_mm = MIN (finest_mm, texel_mm);
    }
  /* No step leaps over a slice of one voxel; other things are thicker and smooth. */
  u->label[3] =
      (float) ((surface->has_sheets ? 0.8 : 2.0) * finest_mm
               * (self->params.quality == RENDER_QUALITY_MOVING ? 1.5 : 1.0) / self->step_mm);
}

static gboolean
bind_cb (RenderFrameJob *frame_job, RenderDevice *device, GError **error)
{
  VolumeJob *self = (VolumeJob *) frame_job;
  const RenderVolumeParams *params = &self->params;
  const Camera camera = camera_of (params);
  RenderPipelineKey key = { .pass = RENDER_PASS_VOLUME };
  struct RenderVolumeUniforms u = { 0 };
  RenderBindings bindings = { .scan_is_linear = render_scan_is_linear (params->scan),
                              .field_is_linear = TRUE };

  choose_step (self);
  set_rays (self, &camera, &u);
  set_metric (render_scan_get_geometry (params->scan), &camera, &u);
  set_look (self, &u);
  set_cut (self, &u);
  render_region_get_uniforms (self->scan, &u.scan_region);
  render_region_get_uniforms (self->labels, &u.label_region);
  set_surface (self, &u);
  key.constants[CONSTANT_MODE] = params->mode;
  key.constants[CONSTANT_SURFACE] = self->surface != NULL;
  key.constants[CONSTANT_CUT] = params->cut == RENDER_VOLUME_CUT_OCTANT;
  key.constants[CONSTANT_SHARED] = self->surface != NULL && self->surface->is_shared;
  key.constants[CONSTANT_TRANSLUCENT] = self->is_translucent;
  key.constants[CONSTANT_SKIP] = self->surface != NULL && !device->step_through;
  key.constants[CONSTANT_COLOUR_MAP] = params->colour_map > RENDER_COLOUR_MAP_GREY_INVERTED;
  bindings.textures[RENDER_BINDING_SCAN_LINEAR] = self->scan->texture;
  bindings.textures[RENDER_BINDING_LABELS] = self->labels != NULL ? self->labels->texture : NULL;
  bindings.textures[RENDER_BINDING_FIELD] =
      self->surface != NULL ? self->surface->region.texture : NULL;
  bindings.textures[RENDER_BINDING_COMPARE] =
      self->surface != NULL ? self->surface->blocks.texture : NULL;
  bindings.textures[RENDER_BINDING_PALETTE] = self->palette;
  if (!render_frame_job_stage_uniforms (device, &u, sizeof u, &bindings, error))
    return FALSE;
  self->set = render_bindings_create (device, &bindings, error);
  self->pipeline =
      self->set != VK_NULL_HANDLE ? render_pipeline_get (device, &key, error) : VK_NULL_HANDLE;
  return self->pipeline != VK_NULL_HANDLE;
}

static void
draw_cb (RenderFrameJob *frame_job, RenderDevice *device)
{
  VolumeJob *self = (VolumeJob *) frame_job;

  render_frame_job_draw_full (device, self->pipeline, self->set);
}

static void
clear_cb (RenderFrameJob *frame_job)
{
  VolumeJob *self = (VolumeJob *) frame_job;

  g_clear_pointer (&self->params.scan, render_scan_unref);
  g_clear_pointer (&self->params.labels, render_labels_unref);
}

static RenderFrameJob *
volume_job_new (RenderDevice *device, const RenderVolumeParams *params)
{
  VolumeJob *self = g_new0 (VolumeJob, 1);
  const int shrink = params->quality == RENDER_QUALITY_MOVING ? 2 : 1;

  self->params = *params;
  render_scan_ref (params->scan);
  if (params->labels != NULL)
    render_labels_ref (params->labels);
  self->frame_job.width = params->width > 0 ? MAX (params->width / shrink, 1) : params->width;
  self->frame_job.height = params->height > 0 ? MAX (params->height / shrink, 1) : params->height;
  if (render_device_get_info (device)->is_software && params->quality == RENDER_QUALITY_FINAL)
    self->frame_job.n_bands = N_SOFTWARE_BANDS;
  self->frame_job.may_stay = params->may_stay;
  memcpy (self->frame_job.background, params->background, sizeof params->background);
  self->frame_job.prepare = prepare_cb;
  self->frame_job.bind = bind_cb;
  self->frame_job.draw = draw_cb;
  self->frame_job.clear = clear_cb;
  return &self->frame_job;
}

void
render_volume_async (RenderDevice *device, const RenderVolumeParams *params,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (params->scan != NULL);

  render_frame_job_start (volume_job_new (device, params), device, cancellable, callback, user_data,
                          render_volume_async);
}

RenderFrame *
render_volume_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, render_volume_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

RenderFrame *
render_volume_sync (RenderDevice *device, const RenderVolumeParams *params, GError **error)
{
  g_return_val_if_fail (params->scan != NULL, NULL);

  return render_frame_job_run (volume_job_new (device, params), device, error);
}
