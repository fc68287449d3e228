/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/frame-job.h"

#include "render/dmabuf-private.h"

#include <string.h>

#define MAX_FRAME_BYTES ((gsize) 1 << 30)

static gboolean
check_size (RenderFrameJob *self, RenderDevice *device, GError **error)
{
  const int limit = device->max_image_2d;

  if (self->width > 0 && self->height > 0 && self->width <= limit && self->height <= limit
      && (gsize) self->width * (gsize) self->height * 4 <= MAX_FRAME_BYTES)
    return TRUE;
  g_set_error (error, RENDER_ERROR, RENDER_ERROR_SIZE,
               "A picture of %d × %d pixels cannot be drawn; %s draws up to %d × %d.", self->width,
               self->height, device->info.name, limit, limit);
  return FALSE;
}

static VkRect2D
band_area (const RenderFrameJob *self)
{
  const int n = MAX (self->n_bands, 1);
  const int from = self->height * self->band / n, to = self->height * (self->band + 1) / n;

  return (VkRect2D){ { 0, from }, { (guint32) self->width, (guint32) (to - from) } };
}

static void
begin_pass (RenderFrameJob *self, RenderDevice *device)
{
  const RenderVk *vk = &device->life->vk;
  const VkCommandBuffer cmd = device->slot->cmd;
  const VkRect2D area = band_area (self);
  const VkViewport viewport = { 0.0f, 0.0f, (float) self->width, (float) self->height, 0.0f, 1.0f };
  const VkClearValue clear = { .color = { .float32 = { self->background[0], self->background[1],
                                                       self->background[2], 1.0f } } };
  const VkRenderPassBeginInfo info = {
    .sType = VK_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
    .clearValueCount = 1,
    .pClearValues = &clear,
    .renderPass = device->render_pass,
    .framebuffer = self->drawn->framebuffer,
    .renderArea = area,
  };

  render_texture_barrier (device, self->drawn, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL);
  vk->CmdBeginRenderPass (cmd, &info, VK_SUBPASS_CONTENTS_INLINE);
  vk->CmdSetViewport (cmd, 0, 1, &viewport);
  vk->CmdSetScissor (cmd, 0, 1, &area);
}

/* The picture into the frame's memory, visible to the host when the slot is done. */
static void
read_back (RenderFrameJob *self, RenderDevice *device)
{
  const RenderVk *vk = &device->life->vk;
  const VkCommandBuffer cmd = device->slot->cmd;
  const VkBufferImageCopy copy = {
    .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 },
    .imageExtent = { (guint32) self->width, (guint32) self->height, 1 },
  };
  const VkBufferMemoryBarrier barrier = {
    .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
    .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
    .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
    .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
    .buffer = render_frame_get_buffer (self->frame),
    .size = VK_WHOLE_SIZE,
  };

  render_texture_barrier (device, self->target, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
  vk->CmdCopyImageToBuffer (cmd, self->target->image, self->target->layout, barrier.buffer, 1,
                            &copy);
  vk->CmdPipelineBarrier (cmd, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 0,
                          NULL, 1, &barrier, 0, NULL);
}

static void
drop_target (RenderFrameJob *self, RenderDevice *device)
{
  render_texture_destroy (device, g_steal_pointer (&self->target));
  g_clear_pointer (&self->life, render_life_unref);
}

static gboolean
is_last_band (const RenderFrameJob *self)
{
  return self->band + 1 >= MAX (self->n_bands, 1);
}

/* One memory for both. */
static gboolean
take_picture (RenderFrameJob *self, RenderDevice *device, GError **error)
{
  RenderBuffer *buffer = render_picture_take (device, self->width, self->height, error);

  if (buffer == NULL)
    return FALSE;
  self->frame = render_frame_new_take (device, buffer, self->width, self->height);
  self->drawn = buffer->picture;
  return TRUE;
}

/* The frame's own memory, and the picture's as it comes into being. */
static gboolean
take_memory (RenderFrameJob *self, RenderDevice *device, GError **error)
{
  RenderBuffer *buffer = NULL;
  g_autoptr (GError) cause = NULL;

  if (self->target == NULL)
    {
      if (self->may_stay)
        self->target = render_export_take (device, self->width, self->height);
      if (self->target == NULL && self->n_bands <= 1
          && (take_picture (self, device, &cause) || cause != NULL))
        {
          if (cause != NULL)
            g_propagate_error (error, g_steal_pointer (&cause));
          return self->frame != NULL;
        }
      if (self->target == NULL)
        self->target = render_target_take (device, self->width, self->height, error);
      if (self->target == NULL)
        return FALSE;
      self->life = render_life_ref (device->life);
    }
  self->drawn = self->target;
  if (!is_last_band (self) || self->target->dmabuf != NULL)
    return TRUE;
  buffer = render_readback_take (device, (gsize) self->width * (gsize) self->height * 4, error);
  if (buffer == NULL)
    return FALSE;
  self->frame = render_frame_new_take (device, buffer, self->width, self->height);
  return TRUE;
}

static gboolean
record_cb (RenderJob *job, RenderDevice *device, GError **error)
{
  RenderFrameJob *self = (RenderFrameJob *) job;

  if (self->task != NULL
      && g_cancellable_set_error_if_cancelled (g_task_get_cancellable (self->task), error))
    return FALSE;
  /* Asked for again after a loss: from the beginning. */
  g_clear_pointer (&self->frame, render_frame_unref);
  if (self->target != NULL && self->life != device->life)
    {
      drop_target (self, device);
      self->band = 0;
    }
  if (!check_size (self, device, error) || !self->prepare (self, device, error)
      || render_device_begin (device, error) == NULL || !self->bind (self, device, error)
      || !take_memory (self, device, error))
    return FALSE;
  begin_pass (self, device);
  self->draw (self, device);
  device->life->vk.CmdEndRenderPass (device->slot->cmd);
  if (self->target == NULL)
    render_texture_barrier (device, self->drawn, VK_IMAGE_LAYOUT_GENERAL);
  else if (is_last_band (self) && self->target->dmabuf != NULL)
    render_export_hand_over (device, self->target);
  else if (is_last_band (self))
    read_back (self, device);
  return TRUE;
}

static void
free_job (RenderFrameJob *self)
{
  g_clear_pointer (&self->frame, render_frame_unref);
  g_clear_error (&self->error);
  g_clear_object (&self->task);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->done);
  g_free (self);
}

static void
done_cb (RenderJob *job, RenderDevice *device, const GError *error)
{
  RenderFrameJob *self = (RenderFrameJob *) job;

  if (error == NULL && !is_last_band (self))
    {
      self->band++;
      render_device_post (device, job);
      return;
    }
  if (self->target != NULL && self->target->dmabuf != NULL && error == NULL)
    {
      /* The slot has been waited for: the picture is complete when the display gets it. */
      self->frame = render_frame_new_export (device, g_steal_pointer (&self->target));
      g_clear_pointer (&self->life, render_life_unref);
    }
  else if (self->target != NULL && self->life == device->life && error == NULL)
    {
      g_ptr_array_add (device->targets, g_steal_pointer (&self->target));
      g_clear_pointer (&self->life, render_life_unref);
    }
  else if (self->target != NULL)
    {
      /* What was recorded may still be drawing into it. */
      if (self->life == device->life)
        self->life->vk.DeviceWaitIdle (self->life->handle);
      drop_target (self, device);
    }
  if (error == NULL)
    {
      render_frame_finish_read (self->frame, device);
      render_frame_set_exact (self->frame, self->exact);
    }
  self->clear (self);
  if (self->task == NULL)
    {
      g_mutex_lock (&self->lock);
      self->error = error != NULL ? g_error_copy (error) : NULL;
      self->is_done = TRUE;
      g_cond_signal (&self->done);
      g_mutex_unlock (&self->lock);
      return;
    }
  if (error != NULL)
    g_task_return_error (self->task, g_error_copy (error));
  else
    g_task_return_pointer (self->task, g_steal_pointer (&self->frame),
                           (GDestroyNotify) render_frame_unref);
  free_job (self);
}

static void
init_job (RenderFrameJob *self)
{
  self->job.record = record_cb;
  self->job.done = done_cb;
  g_mutex_init (&self->lock);
  g_cond_init (&self->done);
}

void
render_frame_job_start (RenderFrameJob *self, RenderDevice *device, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data, gpointer source_tag)
{
  init_job (self);
  self->task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_source_tag (self->task, source_tag);
  render_device_post (device, &self->job);
}

RenderFrame *
render_frame_job_run (RenderFrameJob *self, RenderDevice *device, GError **error)
{
  RenderFrame *frame;

  init_job (self);
  render_device_post (device, &self->job);
  g_mutex_lock (&self->lock);
  while (!self->is_done)
    g_cond_wait (&self->done, &self->lock);
  g_mutex_unlock (&self->lock);
  frame = self->error == NULL ? g_steal_pointer (&self->frame) : NULL;
  if (self->error != NULL)
    g_propagate_error (error, g_steal_pointer (&self->error));
  free_job (self);
  return frame;
}

gboolean
render_frame_job_stage_uniforms (RenderDevice *device, gconstpointer uniforms, gsize size_bytes,
                                 RenderBindings *bindings, GError **error)
{
  gpointer dst =
      render_stage (device, size_bytes, &bindings->uniforms, &bindings->uniforms_offset, error);

  if (dst == NULL)
    return FALSE;
  memcpy (dst, uniforms, size_bytes);
  bindings->uniforms_size = size_bytes;
  return TRUE;
}

void
render_frame_job_draw_full (RenderDevice *device, VkPipeline pipeline, VkDescriptorSet set)
{
  const RenderVk *vk = &device->life->vk;
  const VkCommandBuffer cmd = device->slot->cmd;

  vk->CmdBindPipeline (cmd, VK_PIPELINE_BIND_POINT_GRAPHICS, pipeline);
  vk->CmdBindDescriptorSets (cmd, VK_PIPELINE_BIND_POINT_GRAPHICS, device->layout, 0, 1, &set, 0,
                             NULL);
  vk->CmdDraw (cmd, 3, 1, 0, 0);
}
