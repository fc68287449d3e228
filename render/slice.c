/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/slice.h"

#include <math.h>
#include <string.h>

#include "render/field-private.h"
#include "render/flat.h"
#include "render/frame-job.h"
#include "render/labels-private.h"
#include "render/marks-private.h"
#include "render/scan-private.h"
#include "render/shaders/uniforms.h"

/* Specialisation constants of slice.frag. */
enum
{
  CONSTANT_INTERPOLATION,
  CONSTANT_AXIS,
  CONSTANT_COLOUR_MAP,
  CONSTANT_FILL,
  CONSTANT_OUTLINE,
  CONSTANT_COMPARE,
  CONSTANT_HATCH,
  CONSTANT_PROVENANCE,
  CONSTANT_FIELD,
  CONSTANT_PART_OUTLINE,
};
#define INTERPOLATION_BY_SAMPLER 3

typedef struct
{
  RenderFrameJob frame_job;
  RenderSliceParams params; /* holds references */
  RenderMarks *marks; /* (owned) */
  RenderSliceView view;
  VolumeBox box; /* voxels that may be looked at */
  int axis; /* across the plane, if it goes through voxel centres; else −1 */
  int slab_axis; /* across a plane of the grid, through centres or not; else −1 */

  gboolean is_flat; /* drawn from @flat, not from the regions */
  RenderFlat flat;
  RenderRegion *scan, *labels, *compare, *provenance, *field;
  RenderTexture *palette;
  VkPipeline pipeline, plain_pipeline, marks_pipeline;
  VkDescriptorSet set;
  VkBuffer instances;
  VkDeviceSize instances_offset;
  guint n_instances;
} SliceJob;

/* --- what the view needs of the scan --- */

/* The voxels under the frame with enough around them for every interpolation and outline. A
 * slab's sides along the plane are rounded outward so that a little panning finds it again. */
static void
find_box (SliceJob *self)
{
  const VolumeGeometry *geometry = render_scan_get_geometry (self->params.scan);
  const RenderSliceView *view = &self->view;
  const double margin_px = 4.0;

  for (int c = 0; c < 3; c++)
    {
      const double ox = view->ijk_per_x[c], oy = view->ijk_per_y[c];
      const double a = view->origin_ijk[c] - margin_px * (fabs (ox) + fabs (oy));
      const double span = view->width * ox, rise = view->height * oy;
      const double lo = a + MIN (span, 0.0) + MIN (rise, 0.0) - 3.0;
      const double hi = view->origin_ijk[c] + margin_px * (fabs (ox) + fabs (oy)) + MAX (span, 0.0)
                        + MAX (rise, 0.0) + 4.0;
      const int size = geometry->size[c];

      self->box.lo[c] = (int) CLAMP (floor (lo / 64.0) * 64.0, 0.0, size - 1.0);
      self->box.hi[c] = (int) CLAMP (ceil (hi / 64.0) * 64.0, self->box.lo[c] + 1.0, size);
    }
  self->axis = self->slab_axis = view->normal_axis;
  if (view->normal_axis >= 0)
    {
      const int axis = view->normal_axis, size = geometry->size[axis];
      const double index = view->origin_ijk[axis];

      if (fabs (index - floor (index + 0.5)) > 1e-6)
        {
          self->axis = -1;
          self->box.lo[axis] = (int) CLAMP (floor (index) - 1.0, 0.0, size - 1.0);
          self->box.hi[axis] = (int) CLAMP (floor (index) + 3.0, self->box.lo[axis] + 1.0, size);
        }
      else
        {
          self->box.lo[axis] = (int) CLAMP (floor (index + 0.5), 0.0, size - 1.0);
          self->box.hi[axis] = self->box.lo[axis] + 1;
        }
    }
}

/* Width of outlines, pixels. */
static double
outline_px (const RenderSliceParams *params)
{
  return params->outline_px > 0.0 ? params->outline_px : 1.5;
}

static gboolean
has_style (const RenderSliceParams *params, RenderLabelStyle style)
{
  return params->labels != NULL && params->compare == NULL
         && (params->label_style == style
             || params->label_style == RENDER_LABEL_STYLE_FILL_OUTLINE);
}

/* Pixels per voxel along the two voxel axes of a plane of the grid. */
static void
get_voxel_px (const SliceJob *self, double px[2])
{
  int d = 0;

  for (int c = 0; c < 3; c++)
    if (c != self->axis && d < 2)
      px[d++] = 1.0 / (fabs (self->view.ijk_per_x[c]) + fabs (self->view.ijk_per_y[c]));
}

/* Software draws a plane of the grid quicker from a layout made for it, unless voxels are so small
 * that making it costs more, or an outline reaches beyond one. */
static gboolean
wants_flat (const SliceJob *self, RenderDevice *device)
{
  const RenderSliceParams *params = &self->params;
  const double reach =
      has_style (params, RENDER_LABEL_STYLE_OUTLINE) ? ceil (outline_px (params)) : 0.0;
  double px[2] = { 0.0, 0.0 };

  if (!device->info.is_software || device->direct || self->axis < 0 || params->compare != NULL
      || params->field != NULL || (params->labels != NULL && params->provenance_opacity > 0.0))
    return FALSE;
  get_voxel_px (self, px);
  return px[0] * px[1] >= 1.0 && px[0] >= reach && px[1] >= reach;
}

static gboolean
prepare_flat (SliceJob *self, RenderDevice *device, GError **error)
{
  const RenderSliceParams *params = &self->params;
  const RenderFlatParams flat = { .scan = params->scan,
                                  .labels = params->labels,
                                  .box = self->box,
                                  .axis = self->axis,
                                  .fill = has_style (params, RENDER_LABEL_STYLE_FILL),
                                  .outline = has_style (params, RENDER_LABEL_STYLE_OUTLINE),
                                  .hatch = params->hatch_unlabelled,
                                  .label_opacity = CLAMP (params->label_opacity, 0.0, 1.0),
                                  .highlight_label = params->highlight_label };

  self->frame_job.exact = TRUE;
  return render_flat_prepare (device, &flat, &self->flat, error);
}

static gboolean
needs_labels (const RenderSliceParams *params)
{
  return params->labels != NULL
         && (params->label_style != RENDER_LABEL_STYLE_NONE || params->compare != NULL
             || params->hatch_unlabelled);
}

static gboolean
needs_provenance (const RenderSliceParams *params)
{
  return params->labels != NULL && (params->hatch_unlabelled || params->provenance_opacity > 0.0);
}

static gboolean
prepare_cb (RenderFrameJob *frame_job, RenderDevice *device, GError **error)
{
  SliceJob *self = (SliceJob *) frame_job;
  const RenderSliceParams *params = &self->params;
  gboolean exact = TRUE, exact_labels = TRUE, exact_compare = TRUE;

  self->scan = self->labels = self->compare = self->provenance = self->field = NULL;
  self->palette = NULL;
  self->is_flat = wants_flat (self, device);
  if (self->is_flat)
    return prepare_flat (self, device, error);
  self->scan = render_scan_prepare (params->scan, &self->box, self->slab_axis, &exact, error);
  if (self->scan == NULL)
    return FALSE;
  if (needs_labels (params)
      && (!render_labels_prepare (params->labels, &self->box, self->slab_axis, &self->labels,
                                  &exact_labels, error)
          || (self->palette = render_labels_prepare_palette (params->labels, error)) == NULL))
    return FALSE;
  if (needs_provenance (params)
      && !render_labels_prepare_provenance (params->labels, &self->box, self->slab_axis,
                                            &self->provenance, error))
    return FALSE;
  if (params->compare != NULL && params->labels != NULL
      && !render_labels_prepare (params->compare, &self->box, self->slab_axis, &self->compare,
                                 &exact_compare, error))
    return FALSE;
  if (params->field != NULL && (self->field = render_field_prepare (params->field, error)) == NULL)
    return FALSE;
  frame_job->exact = exact && exact_labels && exact_compare;
  return TRUE;
}

/* --- uniforms and pipelines --- */

static void
get_window (const RenderSliceParams *params, double *centre, double *width)
{
  *centre = params->window_centre;
  *width = params->window_width;
  if (!(*width > 0.0) || !isfinite (*width) || !isfinite (*centre))
    volume_scan_get_default_window (render_scan_get_volume (params->scan), centre, width);
  if (!(*width > 0.0))
    *width = 1.0;
}

/* shade = (value − (centre − width / 2)) / width, turned round for the inverted map. */
static void
set_window (const RenderSliceParams *params, struct RenderSliceUniforms *u)
{
  double centre, width, scale, offset, a, b;

  get_window (params, &centre, &width);
  render_scan_get_value_map (params->scan, &scale, &offset);
  a = scale / width;
  b = (offset - centre) / width + 0.5;
  if (params->colour_map == RENDER_COLOUR_MAP_GREY_INVERTED)
    {
      a = -a;
      b = 1.0 - b;
    }
  u->window[0] = (float) a;
  u->window[1] = (float) b;
  u->window[2] = (float) params->colour_map;
  u->window[3] = params->hatch_scale > 0.0 ? (float) params->hatch_scale : 1.0f;
}

static void
set_field (const RenderSliceParams *params, struct RenderSliceUniforms *u)
{
  double scale, offset, range = params->field_max - params->field_min;

  if (params->field == NULL)
    return;
  if (!(fabs (range) > 0.0))
    range = 1.0;
  render_field_get_value_map (params->field, &scale, &offset);
  u->field[0] = (float) (scale / range);
  u->field[1] = (float) ((offset - params->field_min) / range);
  u->field[2] = (float) params->field_colour_map;
  u->field[3] = (float) params->field_opacity;
}

static void
set_view (const SliceJob *self, struct RenderSliceUniforms *u)
{
  const VolumeGeometry *geometry = render_scan_get_geometry (self->params.scan);

  for (int c = 0; c < 3; c++)
    {
      u->origin_ijk[c] = (float) self->view.origin_ijk[c];
      u->ijk_per_x[c] = (float) self->view.ijk_per_x[c];
      u->ijk_per_y[c] = (float) self->view.ijk_per_y[c];
      u->size_ijk[c] = (float) geometry->size[c];
      u->background[c] = self->params.background[c];
    }
  u->frame[0] = (float) self->view.width;
  u->frame[1] = (float) self->view.height;
  u->frame[2] = 2.0f / (float) self->view.width;
  u->frame[3] = 2.0f / (float) self->view.height;
}

/* Texels of the layout take the place of the scan's. */
static void
set_flat (const SliceJob *self, struct RenderSliceUniforms *u)
{
  double px[2];

  get_voxel_px (self, px);
  for (int c = 0; c < 3; c++)
    {
      u->scan_region.scale[c] = 1.0f;
      u->scan_region.offset[c] = (float) (RENDER_FLAT_PAD - self->box.lo[c]);
    }
  u->voxel_px[0] = (float) px[0];
  u->voxel_px[1] = (float) px[1];
}

static void
fill_uniforms (const SliceJob *self, struct RenderSliceUniforms *u)
{
  const RenderSliceParams *params = &self->params;

  memset (u, 0, sizeof *u);
  set_view (self, u);
  set_window (params, u);
  set_field (params, u);
  u->label[0] = (float) CLAMP (params->label_opacity, 0.0, 1.0);
  u->label[1] = (float) outline_px (params);
  u->label[2] = (float) params->highlight_label;
  u->label[3] = (float) CLAMP (params->provenance_opacity, 0.0, 1.0);
  render_region_get_uniforms (self->scan, &u->scan_region);
  render_region_get_uniforms (self->labels, &u->label_region);
  render_region_get_uniforms (self->compare, &u->compare_region);
  render_region_get_uniforms (self->provenance, &u->provenance_region);
  render_region_get_uniforms (self->field, &u->field_region);
  if (self->is_flat)
    set_flat (self, u);
}

/* A GPU's sampler has weights of eight bits or so: steps that show when a narrow window is
 * magnified. Software's are exact, and quicker than four fetches, but not for 8-bit textures. */
static gboolean
uses_sampler (const SliceJob *self)
{
  const RenderScan *scan = self->params.scan;

  return self->params.interpolation == RENDER_INTERPOLATION_LINEAR
         && render_scan_has_exact_sampler ((RenderScan *) scan);
}

/* @over: with what lies over the scan. */
static RenderPipelineKey
slice_key (const SliceJob *self, gboolean over)
{
  const RenderSliceParams *params = &self->params;
  RenderPipelineKey key = { .pass = self->is_flat ? RENDER_PASS_FLAT : RENDER_PASS_SLICE };
  gint32 *c = key.constants;

  c[CONSTANT_INTERPOLATION] = uses_sampler (self) && !self->is_flat
                                  ? INTERPOLATION_BY_SAMPLER
                                  : (gint32) params->interpolation;
  c[CONSTANT_AXIS] = self->axis < 0 ? 3 : self->axis;
  c[CONSTANT_COLOUR_MAP] = params->colour_map > RENDER_COLOUR_MAP_GREY_INVERTED;
  c[CONSTANT_FILL] = over && has_style (params, RENDER_LABEL_STYLE_FILL);
  c[CONSTANT_OUTLINE] = over && has_style (params, RENDER_LABEL_STYLE_OUTLINE);
  c[CONSTANT_PART_OUTLINE] =
      c[CONSTANT_OUTLINE] && !self->is_flat && outline_px (params) != floor (outline_px (params));
  c[CONSTANT_COMPARE] = over && params->labels != NULL && params->compare != NULL;
  c[CONSTANT_HATCH] = over && params->labels != NULL && params->hatch_unlabelled;
  c[CONSTANT_PROVENANCE] = params->labels != NULL && params->provenance_opacity > 0.0;
  c[CONSTANT_FIELD] = params->field != NULL;
  return key;
}

static RenderTexture *
region_texture (const RenderRegion *region)
{
  return region != NULL ? region->texture : NULL;
}

static gboolean
stage_marks (SliceJob *self, RenderDevice *device, GError **error)
{
  g_autoptr (GArray) instances = NULL;
  gpointer dst;
  gsize bytes;

  self->n_instances = 0;
  if (self->marks == NULL)
    return TRUE;
  instances =
      render_marks_lay_out (self->marks, &self->view, render_scan_get_geometry (self->params.scan));
  if (instances->len == 0)
    return TRUE;
  bytes = instances->len * sizeof (RenderMarkInstance);
  dst = render_stage (device, bytes, &self->instances, &self->instances_offset, error);
  if (dst == NULL)
    return FALSE;
  memcpy (dst, instances->data, bytes);
  self->n_instances = instances->len;
  self->marks_pipeline =
      render_pipeline_get (device, &(RenderPipelineKey){ .pass = RENDER_PASS_MARKS }, error);
  return self->marks_pipeline != VK_NULL_HANDLE;
}

static gboolean
bind_cb (RenderFrameJob *frame_job, RenderDevice *device, GError **error)
{
  SliceJob *self = (SliceJob *) frame_job;
  const RenderPipelineKey key = slice_key (self, !self->is_flat || self->flat.overlay != NULL);
  const RenderPipelineKey plain_key = slice_key (self, FALSE);
  struct RenderSliceUniforms uniforms;
  RenderBindings bindings = { 0 };

  fill_uniforms (self, &uniforms);
  bindings.textures[RENDER_BINDING_SCAN] = region_texture (self->scan);
  bindings.textures[RENDER_BINDING_SCAN_LINEAR] = region_texture (self->scan);
  bindings.scan_is_linear = uses_sampler (self) && !self->is_flat;
  bindings.textures[RENDER_BINDING_LABELS] = region_texture (self->labels);
  bindings.textures[RENDER_BINDING_COMPARE] = region_texture (self->compare);
  bindings.textures[RENDER_BINDING_PROVENANCE] = region_texture (self->provenance);
  bindings.textures[RENDER_BINDING_FIELD] = region_texture (self->field);
  bindings.textures[RENDER_BINDING_PALETTE] = self->palette;
  bindings.textures[RENDER_BINDING_FLAT_VALUES] = self->is_flat ? self->flat.values : NULL;
  bindings.textures[RENDER_BINDING_FLAT_OVERLAY] = self->is_flat ? self->flat.overlay : NULL;
  if (!render_frame_job_stage_uniforms (device, &uniforms, sizeof uniforms, &bindings, error)
      || !stage_marks (self, device, error))
    return FALSE;
  self->set = render_bindings_create (device, &bindings, error);
  self->pipeline =
      self->set != VK_NULL_HANDLE ? render_pipeline_get (device, &key, error) : VK_NULL_HANDLE;
  if (self->pipeline != VK_NULL_HANDLE && self->is_flat)
    self->plain_pipeline = render_pipeline_get (device, &plain_key, error);
  return self->pipeline != VK_NULL_HANDLE
         && (!self->is_flat || self->plain_pipeline != VK_NULL_HANDLE);
}

/* The pixels along one side of the frame whose centres lie in lo − 0.5 ≤ index < hi − 0.5. */
static void
covered_pixels (double origin, double per_pixel, int lo, int hi, int side, int *from, int *to)
{
  const double a = (lo - 0.5 - origin) / per_pixel - 0.5;
  const double b = (hi - 0.5 - origin) / per_pixel - 0.5;
  const double first = per_pixel > 0.0 ? ceil (a) : floor (b) + 1.0;
  const double end = per_pixel > 0.0 ? ceil (b) : floor (a) + 1.0;

  *from = (int) CLAMP (first, 0.0, side);
  *to = (int) CLAMP (end, *from, side);
}

/* The part of the frame that a box of a plane of the grid covers; all of it for other planes. */
static VkRect2D
covered_area (const SliceJob *self, const VolumeBox *box)
{
  const RenderSliceView *view = &self->view;
  int from[2] = { 0, 0 }, to[2] = { view->width, view->height };

  for (int c = 0; c < 3 && self->axis >= 0; c++)
    if (c == self->axis)
      {
        if (view->origin_ijk[c] < box->lo[c] - 0.5 || view->origin_ijk[c] >= box->hi[c] - 0.5)
          to[0] = from[0];
      }
    else if (view->ijk_per_x[c] != 0.0)
      covered_pixels (view->origin_ijk[c], view->ijk_per_x[c], box->lo[c], box->hi[c], view->width,
                      &from[0], &to[0]);
    else
      covered_pixels (view->origin_ijk[c], view->ijk_per_y[c], box->lo[c], box->hi[c], view->height,
                      &from[1], &to[1]);
  to[0] = MAX (from[0], to[0]);
  return (VkRect2D){ { from[0], from[1] },
                     { (guint32) (to[0] - from[0]), (guint32) (to[1] - from[1]) } };
}

static void
draw_part (SliceJob *self, RenderDevice *device, VkPipeline pipeline, int x0, int y0, int x1,
           int y1)
{
  const VkRect2D area = { { x0, y0 }, { (guint32) (x1 - x0), (guint32) (y1 - y0) } };

  if (x1 <= x0 || y1 <= y0)
    return;
  device->life->vk.CmdSetScissor (device->slot->cmd, 0, 1, &area);
  render_frame_job_draw_full (device, pipeline, self->set);
}

/* Where nothing lies over the scan, which is most of a slice, the plain pipeline does. */
static void
draw_slice (SliceJob *self, RenderDevice *device)
{
  const int *size = render_scan_get_geometry (self->params.scan)->size;
  const VolumeBox grid = { { 0, 0, 0 }, { size[0], size[1], size[2] } };
  const VkRect2D all = covered_area (self, &grid);
  const int x0 = all.offset.x, x1 = x0 + (int) all.extent.width;
  const int y0 = all.offset.y, y1 = y0 + (int) all.extent.height;
  VkRect2D over = all;
  int u0, u1, v0, v1;

  if (self->is_flat && self->flat.overlay != NULL)
    over = covered_area (self, &self->flat.over);
  /* A pixel more on each side: the shader's floats may round the other way. */
  u0 = CLAMP (over.offset.x - 1, x0, x1);
  u1 = CLAMP (over.offset.x + (int) over.extent.width + 1, x0, x1);
  v0 = CLAMP (over.offset.y - 1, y0, y1);
  v1 = CLAMP (over.offset.y + (int) over.extent.height + 1, y0, y1);
  draw_part (self, device, self->pipeline, u0, v0, u1, v1);
  if (!self->is_flat)
    return;
  draw_part (self, device, self->plain_pipeline, x0, y0, x1, v0);
  draw_part (self, device, self->plain_pipeline, x0, v1, x1, y1);
  draw_part (self, device, self->plain_pipeline, x0, v0, u0, v1);
  draw_part (self, device, self->plain_pipeline, u1, v0, x1, v1);
}

static void
draw_cb (RenderFrameJob *frame_job, RenderDevice *device)
{
  SliceJob *self = (SliceJob *) frame_job;
  const RenderVk *vk = &device->life->vk;
  const VkCommandBuffer cmd = device->slot->cmd;
  const VkRect2D all = { { 0, 0 }, { (guint32) frame_job->width, (guint32) frame_job->height } };

  draw_slice (self, device);
  if (self->n_instances == 0)
    return;
  vk->CmdSetScissor (cmd, 0, 1, &all);
  vk->CmdBindPipeline (cmd, VK_PIPELINE_BIND_POINT_GRAPHICS, self->marks_pipeline);
  vk->CmdBindVertexBuffers (cmd, 0, 1, &self->instances, &self->instances_offset);
  vk->CmdDraw (cmd, 4, self->n_instances, 0, 0);
}

/* --- job --- */

static void
clear_cb (RenderFrameJob *frame_job)
{
  SliceJob *self = (SliceJob *) frame_job;

  g_clear_pointer (&self->params.scan, render_scan_unref);
  g_clear_pointer (&self->params.labels, render_labels_unref);
  g_clear_pointer (&self->params.compare, render_labels_unref);
  g_clear_pointer (&self->params.field, render_field_unref);
  g_clear_pointer (&self->marks, render_marks_free);
}

static RenderFrameJob *
slice_job_new (const RenderSliceParams *params)
{
  SliceJob *self = g_new0 (SliceJob, 1);

  self->params = *params;
  render_scan_ref (params->scan);
  if (params->labels != NULL)
    render_labels_ref (params->labels);
  if (params->compare != NULL)
    render_labels_ref (params->compare);
  if (params->field != NULL)
    render_field_ref (params->field);
  self->marks = params->marks != NULL ? render_marks_copy (params->marks) : NULL;
  self->params.marks = NULL;
  self->frame_job.width = params->width;
  self->frame_job.height = params->height;
  self->frame_job.may_stay = params->may_stay;
  memcpy (self->frame_job.background, params->background, sizeof params->background);
  self->frame_job.prepare = prepare_cb;
  self->frame_job.bind = bind_cb;
  self->frame_job.draw = draw_cb;
  self->frame_job.clear = clear_cb;
  render_slice_view_init (&self->view, render_scan_get_geometry (params->scan), &params->placement,
                          params->width, params->height);
  find_box (self);
  return &self->frame_job;
}

void
render_slice_async (RenderDevice *device, const RenderSliceParams *params,
                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (params->scan != NULL);

  render_frame_job_start (slice_job_new (params), device, cancellable, callback, user_data,
                          render_slice_async);
}

RenderFrame *
render_slice_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, render_slice_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

RenderFrame *
render_slice_sync (RenderDevice *device, const RenderSliceParams *params, GError **error)
{
  g_return_val_if_fail (params->scan != NULL, NULL);

  return render_frame_job_run (slice_job_new (params), device, error);
}
