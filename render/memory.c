/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/dmabuf-private.h"

#include <string.h>

static void
account (RenderDevice *self, gint64 bytes)
{
  g_mutex_lock (&self->lock);
  self->memory_now = (guint64) ((gint64) self->memory_now + bytes);
  self->memory_peak = MAX (self->memory_peak, self->memory_now);
  g_mutex_unlock (&self->lock);
}

static int
find_memory_type (RenderDevice *self, guint32 allowed, VkMemoryPropertyFlags wanted)
{
  for (guint32 t = 0; t < self->memory_types.memoryTypeCount; t++)
    if ((allowed & (1u << t))
        && (self->memory_types.memoryTypes[t].propertyFlags & wanted) == wanted)
      return (int) t;
  return -1;
}

/* The first of several wishes that a memory type fulfils, the last being what is needed. */
static int
find_best_memory_type (RenderDevice *self, guint32 allowed, const VkMemoryPropertyFlags *wishes,
                       guint n_wishes)
{
  for (guint w = 0; w < n_wishes; w++)
    {
      int type = find_memory_type (self, allowed, wishes[w]);

      if (type >= 0)
        return type;
    }
  return -1;
}

static VkDeviceMemory
allocate (RenderDevice *self, gsize bytes, int type, gconstpointer next, GError **error)
{
  const VkMemoryAllocateInfo info = {
    .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
    .pNext = next,
    .allocationSize = bytes,
    .memoryTypeIndex = (guint32) type,
  };
  VkDeviceMemory memory = VK_NULL_HANDLE;
  g_autofree char *what = NULL;
  const gboolean full =
      self->max_memory_bytes > 0 && self->memory_now + bytes > self->max_memory_bytes;
  VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;

  if (type >= 0 && !full)
    result = self->life->vk.AllocateMemory (self->life->handle, &info, NULL, &memory);
  if (result == VK_SUCCESS)
    {
      render_objects_add (1);
      account (self, (gint64) bytes);
      return memory;
    }
  what = g_strdup_printf ("%s has no %" G_GSIZE_FORMAT " MiB to give", self->info.name,
                          (bytes >> 20) + 1);
  render_set_error (error, result, what);
  return VK_NULL_HANDLE;
}

static void
free_memory (RenderDevice *self, RenderLife *life, VkDeviceMemory memory, gsize bytes)
{
  if (memory == VK_NULL_HANDLE)
    return;
  life->vk.FreeMemory (life->handle, memory, NULL);
  render_objects_add (-1);
  account (self, -(gint64) bytes);
}

/* --- buffers --- */

RenderBuffer *
render_buffer_create (RenderDevice *self, gsize size_bytes, gboolean readback, GError **error)
{
  static const VkMemoryPropertyFlags to_read[] = {
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
        | VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT,
  };
  static const VkMemoryPropertyFlags to_write[] = {
    VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
  };
  const RenderVk *vk = &self->life->vk;
  const VkDevice device = self->life->handle;
  const VkBufferCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
    .size = size_bytes,
    .usage = readback ? VK_BUFFER_USAGE_TRANSFER_DST_BIT
                      : VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT
                            | VK_BUFFER_USAGE_VERTEX_BUFFER_BIT,
  };
  RenderBuffer *buffer = g_new0 (RenderBuffer, 1);
  VkMemoryRequirements needs;
  VkResult result;
  int type;

  buffer->size_bytes = size_bytes;
  buffer->life = render_life_ref (self->life);
  result = vk->CreateBuffer (device, &info, NULL, &buffer->handle);
  if (result != VK_SUCCESS)
    {
      render_set_error (error, result, "vkCreateBuffer");
      goto fail;
    }
  render_objects_add (1);
  vk->GetBufferMemoryRequirements (device, buffer->handle, &needs);
  type =
      readback
          ? find_best_memory_type (self, needs.memoryTypeBits, to_read, G_N_ELEMENTS (to_read))
          : find_best_memory_type (self, needs.memoryTypeBits, to_write, G_N_ELEMENTS (to_write));
  buffer->allocated_bytes = needs.size;
  buffer->memory = allocate (self, needs.size, type, NULL, error);
  if (buffer->memory == VK_NULL_HANDLE)
    goto fail;
  buffer->must_invalidate =
      !(self->memory_types.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
  result = vk->BindBufferMemory (device, buffer->handle, buffer->memory, 0);
  if (result == VK_SUCCESS)
    result = vk->MapMemory (device, buffer->memory, 0, VK_WHOLE_SIZE, 0, (void **) &buffer->map);
  if (result == VK_SUCCESS)
    return buffer;
  render_set_error (error, result, "vkMapMemory");

fail:
  render_buffer_destroy (self, buffer);
  return NULL;
}

void
render_buffer_destroy (RenderDevice *self, RenderBuffer *buffer)
{
  RenderLife *life;

  if (buffer == NULL)
    return;
  life = buffer->life;
  render_texture_destroy (self, buffer->picture);
  if (buffer->handle != VK_NULL_HANDLE)
    {
      life->vk.DestroyBuffer (life->handle, buffer->handle, NULL);
      render_objects_add (-1);
    }
  free_memory (self, life, buffer->memory, buffer->allocated_bytes);
  render_life_unref (life);
  g_free (buffer);
}

/* --- textures --- */

static VkImageCreateInfo
image_info (const RenderTextureParams *params)
{
  VkImageUsageFlags usage = VK_IMAGE_USAGE_SAMPLED_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT;

  if (params->n_modifiers > 0)
    usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
  else if (params->within != NULL)
    usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT;
  else if (params->is_target)
    usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT;
  return (VkImageCreateInfo){
    .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
    .imageType = params->depth > 0 ? VK_IMAGE_TYPE_3D : VK_IMAGE_TYPE_2D,
    .format = params->format,
    .extent = { (guint32) params->width, (guint32) params->height,
                (guint32) MAX (params->depth, 1) },
    .mipLevels = 1,
    .arrayLayers = 1,
    .samples = VK_SAMPLE_COUNT_1_BIT,
    .tiling = params->n_modifiers > 0  ? VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT
              : params->within != NULL ? VK_IMAGE_TILING_LINEAR
                                       : VK_IMAGE_TILING_OPTIMAL,
    .usage = usage,
  };
}

static gboolean
create_framebuffer (RenderDevice *self, RenderTexture *texture, GError **error)
{
  const VkFramebufferCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
    .renderPass = self->render_pass,
    .attachmentCount = 1,
    .pAttachments = &texture->view,
    .width = (guint32) texture->size[0],
    .height = (guint32) texture->size[1],
    .layers = 1,
  };
  VkResult result =
      self->life->vk.CreateFramebuffer (self->life->handle, &info, NULL, &texture->framebuffer);

  if (result == VK_SUCCESS)
    render_objects_add (1);
  else
    render_set_error (error, result, "vkCreateFramebuffer");
  return result == VK_SUCCESS;
}

static const VkMemoryPropertyFlags picture_memory =
    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
    | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;

static gboolean
allocate_picture (RenderDevice *self, RenderBuffer *buffer, VkImage image,
                  const VkMemoryRequirements *needs, GError **error)
{
  const RenderVk *vk = &self->life->vk;
  const VkImageSubresource whole = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0 };
  const int type = find_memory_type (self, needs->memoryTypeBits, picture_memory);
  VkSubresourceLayout layout;
  VkResult result;

  buffer->memory = allocate (self, needs->size, type, NULL, error);
  if (buffer->memory == VK_NULL_HANDLE)
    return FALSE;
  buffer->allocated_bytes = buffer->size_bytes = needs->size;
  vk->GetImageSubresourceLayout (self->life->handle, image, &whole, &layout);
  buffer->stride_bytes = layout.rowPitch;
  result = vk->MapMemory (self->life->handle, buffer->memory, 0, VK_WHOLE_SIZE, 0,
                          (void **) &buffer->map);
  if (result != VK_SUCCESS)
    {
      render_set_error (error, result, "vkMapMemory");
      return FALSE;
    }
  buffer->map += layout.offset;
  return TRUE;
}

RenderTexture *
render_texture_create (RenderDevice *self, const RenderTextureParams *params, GError **error)
{
  const RenderVk *vk = &self->life->vk;
  const VkDevice device = self->life->handle;
  const VkExternalMemoryImageCreateInfo external = {
    .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
    .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
  };
  const VkImageDrmFormatModifierListCreateInfoEXT layouts = {
    .sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_LIST_CREATE_INFO_EXT,
    .pNext = &external,
    .drmFormatModifierCount = params->n_modifiers,
    .pDrmFormatModifiers = params->modifiers,
  };
  VkMemoryDedicatedAllocateInfo dedicated = {
    .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO
  };
  const VkExportMemoryAllocateInfo exported = {
    .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
    .pNext = &dedicated,
    .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
  };
  VkImageCreateInfo info = image_info (params);
  VkImageViewCreateInfo view = {
    .sType = VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
    .viewType = params->depth > 0 ? VK_IMAGE_VIEW_TYPE_3D : VK_IMAGE_VIEW_TYPE_2D,
    .format = params->format,
    .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 },
  };
  RenderTexture *texture = g_new0 (RenderTexture, 1);
  VkMemoryRequirements needs;
  VkResult result;
  int type;

  texture->life = self->life;
  texture->format = params->format;
  texture->size[0] = params->width;
  texture->size[1] = params->height;
  texture->size[2] = MAX (params->depth, 1);
  if (params->n_modifiers > 0)
    info.pNext = &layouts;
  result = vk->CreateImage (device, &info, NULL, &texture->image);
  if (result != VK_SUCCESS)
    {
      render_set_error (error, result, "vkCreateImage");
      goto fail;
    }
  render_objects_add (1);
  vk->GetImageMemoryRequirements (device, texture->image, &needs);
  type = find_memory_type (self, needs.memoryTypeBits, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
  if (type < 0)
    type = find_memory_type (self, needs.memoryTypeBits, 0);
  dedicated.image = texture->image;
  if (params->within != NULL)
    {
      if (!allocate_picture (self, params->within, texture->image, &needs, error))
        goto fail;
      result = vk->BindImageMemory (device, texture->image, params->within->memory, 0);
    }
  else
    {
      texture->allocated_bytes = needs.size;
      texture->memory =
          allocate (self, needs.size, type, params->n_modifiers > 0 ? &exported : NULL, error);
      if (texture->memory == VK_NULL_HANDLE)
        goto fail;
      result = vk->BindImageMemory (device, texture->image, texture->memory, 0);
    }
  view.image = texture->image;
  if (result == VK_SUCCESS)
    result = vk->CreateImageView (device, &view, NULL, &texture->view);
  if (result != VK_SUCCESS)
    {
      render_set_error (error, result, "vkCreateImageView");
      goto fail;
    }
  render_objects_add (1);
  if ((!params->is_target || create_framebuffer (self, texture, error))
      && (params->n_modifiers == 0
          || render_export_describe (self, texture, params->fourcc, error)))
    return texture;

fail:
  render_texture_destroy (self, texture);
  return NULL;
}

void
render_texture_destroy (RenderDevice *self, RenderTexture *texture)
{
  const RenderVk *vk;

  if (texture == NULL)
    return;
  vk = &texture->life->vk;
  if (texture->framebuffer != VK_NULL_HANDLE)
    {
      vk->DestroyFramebuffer (texture->life->handle, texture->framebuffer, NULL);
      render_objects_add (-1);
    }
  if (texture->view != VK_NULL_HANDLE)
    {
      vk->DestroyImageView (texture->life->handle, texture->view, NULL);
      render_objects_add (-1);
    }
  if (texture->image != VK_NULL_HANDLE)
    {
      vk->DestroyImage (texture->life->handle, texture->image, NULL);
      render_objects_add (-1);
    }
  free_memory (self, texture->life, texture->memory, texture->allocated_bytes);
  render_export_clear (texture);
  g_free (texture);
}

void
render_texture_release (RenderDevice *self, RenderTexture *texture)
{
  RenderSlot *last;

  if (texture == NULL)
    return;
  last = self->slot != NULL ? self->slot : g_queue_peek_tail (&self->in_flight);
  if (last != NULL)
    g_ptr_array_add (last->releases, texture);
  else
    render_texture_destroy (self, texture);
}

/* --- pools --- */

RenderTexture *
render_target_take (RenderDevice *self, int width, int height, GError **error)
{
  RenderTexture *target = NULL;

  for (guint t = 0; t < self->targets->len && target == NULL; t++)
    {
      RenderTexture *free_one = self->targets->pdata[t];

      if (free_one->size[0] == width && free_one->size[1] == height)
        target = g_ptr_array_steal_index_fast (self->targets, t);
    }
  if (target == NULL)
    target = render_texture_create (
        self,
        &(RenderTextureParams){ .format = render_device_get_target_format (self),
                                .width = width,
                                .height = height,
                                .is_target = TRUE },
        error);
  return target;
}

static gboolean
can_draw_where_it_is_read (RenderDevice *self, int width, int height)
{
  const VkPhysicalDeviceImageFormatInfo2 info = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
    .format = render_device_get_target_format (self),
    .type = VK_IMAGE_TYPE_2D,
    .tiling = VK_IMAGE_TILING_LINEAR,
    .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT,
  };
  VkImageFormatProperties2 limits = { .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2 };

  return self->info.is_software && !self->direct
         && find_memory_type (self, G_MAXUINT32, picture_memory) >= 0
         && self->life->vk.GetPhysicalDeviceImageFormatProperties2 (self->physical, &info, &limits)
                == VK_SUCCESS
         && (guint32) width <= limits.imageFormatProperties.maxExtent.width
         && (guint32) height <= limits.imageFormatProperties.maxExtent.height;
}

static RenderBuffer *
picture_create (RenderDevice *self, int width, int height, GError **error)
{
  RenderBuffer *buffer = g_new0 (RenderBuffer, 1);

  buffer->life = render_life_ref (self->life);
  buffer->picture = render_texture_create (
      self,
      &(RenderTextureParams){ .format = render_device_get_target_format (self),
                              .width = width,
                              .height = height,
                              .is_target = TRUE,
                              .within = buffer },
      error);
  if (buffer->picture == NULL)
    {
      render_buffer_destroy (self, buffer);
      return NULL;
    }
  return buffer;
}

RenderBuffer *
render_picture_take (RenderDevice *self, int width, int height, GError **error)
{
  for (guint b = 0; b < self->readbacks->len; b++)
    {
      const RenderTexture *picture = ((RenderBuffer *) self->readbacks->pdata[b])->picture;

      if (picture != NULL && picture->size[0] == width && picture->size[1] == height)
        return g_ptr_array_steal_index_fast (self->readbacks, b);
    }
  return can_draw_where_it_is_read (self, width, height)
             ? picture_create (self, width, height, error)
             : NULL;
}

/* The smallest free buffer that is large enough and not wastefully so. */
static RenderBuffer *
take_from_pool (GPtrArray *pool, gsize size_bytes)
{
  int best = -1;

  for (guint b = 0; b < pool->len; b++)
    {
      RenderBuffer *buffer = pool->pdata[b];

      if (buffer->picture == NULL && buffer->size_bytes >= size_bytes
          && buffer->size_bytes / 2 <= size_bytes
          && (best < 0 || buffer->size_bytes < ((RenderBuffer *) pool->pdata[best])->size_bytes))
        best = (int) b;
    }
  return best < 0 ? NULL : g_ptr_array_steal_index_fast (pool, (guint) best);
}

RenderBuffer *
render_readback_take (RenderDevice *self, gsize size_bytes, GError **error)
{
  RenderBuffer *buffer = take_from_pool (self->readbacks, size_bytes);

  return buffer != NULL ? buffer : render_buffer_create (self, size_bytes, TRUE, error);
}

gpointer
render_stage (RenderDevice *self, gsize size_bytes, VkBuffer *buffer, VkDeviceSize *offset,
              GError **error)
{
  RenderSlot *slot = render_device_begin (self, error);
  const gsize align = self->uniform_align;
  RenderBuffer *stage;
  gsize at;

  if (slot == NULL)
    return NULL;
  at = (slot->arena_used + align - 1) / align * align;
  if (size_bytes <= slot->arena->size_bytes && at <= slot->arena->size_bytes - size_bytes)
    {
      slot->arena_used = at + size_bytes;
      *buffer = slot->arena->handle;
      *offset = at;
      return slot->arena->map + at;
    }
  stage = take_from_pool (self->stages, size_bytes);
  if (stage == NULL)
    stage = render_buffer_create (self, MAX (size_bytes, align), FALSE, error);
  if (stage == NULL)
    return NULL;
  g_ptr_array_add (slot->stages, stage);
  *buffer = stage->handle;
  *offset = 0;
  return stage->map;
}

void
render_pools_trim (RenderDevice *self, gsize keep_stage_bytes)
{
  gsize kept = 0;

  for (guint b = 0; b < self->stages->len;)
    {
      RenderBuffer *stage = self->stages->pdata[b];

      if (kept + stage->size_bytes <= keep_stage_bytes)
        {
          kept += stage->size_bytes;
          b++;
        }
      else
        render_buffer_destroy (self, g_ptr_array_steal_index_fast (self->stages, b));
    }
  while (self->targets->len > 4)
    render_texture_destroy (self, g_ptr_array_steal_index (self->targets, 0));
  while (self->readbacks->len > 6)
    render_buffer_destroy (self, g_ptr_array_steal_index (self->readbacks, 0));
}

/* --- commands on textures --- */

static VkPipelineStageFlags
stages_of_layout (VkImageLayout layout, VkAccessFlags *access)
{
  switch (layout)
    {
    case VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL:
      *access = VK_ACCESS_TRANSFER_WRITE_BIT;
      return VK_PIPELINE_STAGE_TRANSFER_BIT;
    case VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL:
      *access = VK_ACCESS_TRANSFER_READ_BIT;
      return VK_PIPELINE_STAGE_TRANSFER_BIT;
    case VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL:
      *access = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT;
      return VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT;
    case VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL:
      *access = VK_ACCESS_SHADER_READ_BIT;
      return VK_PIPELINE_STAGE_FRAGMENT_SHADER_BIT;
    case VK_IMAGE_LAYOUT_GENERAL: /* of pictures that the host reads */
      *access = VK_ACCESS_HOST_READ_BIT;
      return VK_PIPELINE_STAGE_HOST_BIT;
    default:
      *access = 0;
      return VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT;
    }
}

void
render_texture_barrier (RenderDevice *self, RenderTexture *texture, VkImageLayout layout)
{
  VkImageMemoryBarrier barrier = {
    .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
    .oldLayout = texture->layout,
    .newLayout = layout,
    .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
    .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
    .image = texture->image,
    .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 },
  };
  VkPipelineStageFlags src = stages_of_layout (texture->layout, &barrier.srcAccessMask);
  VkPipelineStageFlags dst = stages_of_layout (layout, &barrier.dstAccessMask);

  self->life->vk.CmdPipelineBarrier (self->slot->cmd, src, dst, 0, 0, NULL, 0, NULL, 1, &barrier);
  texture->layout = layout;
}

void
render_texture_upload (RenderDevice *self, RenderTexture *texture, VkBuffer buffer,
                       VkDeviceSize offset, const int lo[3], const int extent[3])
{
  const VkBufferImageCopy copy = {
    .bufferOffset = offset,
    .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 },
    .imageOffset = { lo[0], lo[1], lo[2] },
    .imageExtent = { (guint32) extent[0], (guint32) extent[1], (guint32) extent[2] },
  };

  render_texture_barrier (self, texture, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
  self->life->vk.CmdCopyBufferToImage (self->slot->cmd, buffer, texture->image, texture->layout, 1,
                                       &copy);
  render_texture_barrier (self, texture, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
}

void
render_texture_clear (RenderDevice *self, RenderTexture *texture)
{
  const VkClearColorValue zero = { 0 };
  const VkImageSubresourceRange range = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 };

  render_texture_barrier (self, texture, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
  self->life->vk.CmdClearColorImage (self->slot->cmd, texture->image, texture->layout, &zero, 1,
                                     &range);
  render_texture_barrier (self, texture, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL);
}
