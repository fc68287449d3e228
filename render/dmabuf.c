/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/dmabuf-private.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define MAX_LAYOUTS 128
#define N_FREE 4 /* kept for the next frames */
#define N_EXTENSIONS 4

static const char *const extensions[N_EXTENSIONS] = {
  VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
  VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
  VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
  VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME,
};

struct _RenderExports
{
  /* constant once open */
  gboolean has_extensions;
  RenderDmabufLayout layouts[MAX_LAYOUTS];
  gsize n_layouts;
  char device_why_not[160];

  /* under the device's lock */
  guint32 fourcc;
  guint64 modifiers[MAX_LAYOUTS];
  gsize n_modifiers; /* 0: frames are read back */
  guint generation; /* of the offer */
  char *why_not;
  GQueue returned; /* RenderTexture */

  /* the device's thread */
  GPtrArray *free; /* RenderTexture, oldest first */
  guint free_generation;
};

/* --- choosing --- */

#define FOURCC(a, b, c, d)                                                                         \
  ((guint32) (a) | (guint32) (b) << 8 | (guint32) (c) << 16 | (guint32) (d) << 24)
#define MODIFIER_INVALID 0x00ffffffffffffffull

/* DRM names the bytes of a little-endian word from its top: B, G, R, A in memory is ARGB. */
guint32
render_dmabuf_fourcc (RenderPixelOrder order, gboolean with_alpha)
{
  if (order == RENDER_PIXEL_ORDER_BGRA)
    return with_alpha ? FOURCC ('A', 'R', '2', '4') : FOURCC ('X', 'R', '2', '4');
  return with_alpha ? FOURCC ('A', 'B', '2', '4') : FOURCC ('X', 'B', '2', '4');
}

static gboolean
is_shown (const RenderDmabufFormat *formats, gsize n_formats, guint32 fourcc, guint64 modifier)
{
  for (gsize f = 0; f < n_formats; f++)
    if (formats[f].fourcc == fourcc && formats[f].modifier == modifier)
      return TRUE;
  return FALSE;
}

gsize
render_dmabuf_choose (const RenderDmabufLayout *layouts, gsize n_layouts,
                      const RenderDmabufFormat *formats, gsize n_formats, RenderPixelOrder order,
                      guint32 *fourcc, guint64 *modifiers)
{
  gsize n = 0;

  for (int with_alpha = 0; with_alpha < 2 && n == 0; with_alpha++)
    {
      *fourcc = render_dmabuf_fourcc (order, with_alpha);
      for (gsize l = 0; l < n_layouts; l++)
        if (layouts[l].modifier != MODIFIER_INVALID && layouts[l].n_planes > 0
            && layouts[l].n_planes <= RENDER_DMABUF_MAX_PLANES
            && is_shown (formats, n_formats, *fourcc, layouts[l].modifier))
          modifiers[n++] = layouts[l].modifier;
    }
  return n;
}

/* --- what the device can do --- */

static gboolean
has_extension (const VkExtensionProperties *properties, guint32 n, const char *name)
{
  for (guint32 e = 0; e < n; e++)
    if (strcmp (properties[e].extensionName, name) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
find_extensions (RenderDevice *device, char *why_not, gsize size)
{
  const RenderVk *vk = &device->instance->vk;
  g_autofree VkExtensionProperties *properties = NULL;
  guint32 n = 0;

  if (vk->EnumerateDeviceExtensionProperties (device->physical, NULL, &n, NULL) == VK_SUCCESS)
    {
      properties = g_new0 (VkExtensionProperties, n + 1);
      if (vk->EnumerateDeviceExtensionProperties (device->physical, NULL, &n, properties) < 0)
        n = 0;
    }
  for (int e = 0; e < N_EXTENSIONS; e++)
    if (!has_extension (properties, n, extensions[e]))
      {
        g_snprintf (why_not, size, "the graphics device has no %s", extensions[e]);
        return FALSE;
      }
  return TRUE;
}

/* Whether images in this layout can be drawn into and exported, and how large. */
static gboolean
can_export (RenderDevice *device, RenderDmabufLayout *layout)
{
  const VkPhysicalDeviceImageDrmFormatModifierInfoEXT modifier = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_DRM_FORMAT_MODIFIER_INFO_EXT,
    .drmFormatModifier = layout->modifier,
    .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
  };
  const VkPhysicalDeviceExternalImageFormatInfo external = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
    .pNext = &modifier,
    .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
  };
  const VkPhysicalDeviceImageFormatInfo2 info = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_IMAGE_FORMAT_INFO_2,
    .pNext = &external,
    .format = render_device_get_target_format (device),
    .type = VK_IMAGE_TYPE_2D,
    .tiling = VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT,
    .usage = VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT,
  };
  VkExternalImageFormatProperties memory = {
    .sType = VK_STRUCTURE_TYPE_EXTERNAL_IMAGE_FORMAT_PROPERTIES
  };
  VkImageFormatProperties2 properties = { .sType = VK_STRUCTURE_TYPE_IMAGE_FORMAT_PROPERTIES_2,
                                          .pNext = &memory };

  if (device->instance->vk.GetPhysicalDeviceImageFormatProperties2 (device->physical, &info,
                                                                    &properties)
      != VK_SUCCESS)
    return FALSE;
  layout->max_width = (int) properties.imageFormatProperties.maxExtent.width;
  layout->max_height = (int) properties.imageFormatProperties.maxExtent.height;
  return (memory.externalMemoryProperties.externalMemoryFeatures
          & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT)
         != 0;
}

static void
find_layouts (RenderDevice *device)
{
  RenderExports *self = device->exports;
  VkDrmFormatModifierPropertiesEXT found[MAX_LAYOUTS];
  VkDrmFormatModifierPropertiesListEXT list = {
    .sType = VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT,
    .drmFormatModifierCount = MAX_LAYOUTS,
    .pDrmFormatModifierProperties = found,
  };
  VkFormatProperties2 properties = { .sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2,
                                     .pNext = &list };

  device->instance->vk.GetPhysicalDeviceFormatProperties2 (
      device->physical, render_device_get_target_format (device), &properties);
  for (guint32 m = 0; m < MIN (list.drmFormatModifierCount, MAX_LAYOUTS); m++)
    {
      RenderDmabufLayout layout = { .modifier = found[m].drmFormatModifier,
                                    .n_planes = (int) found[m].drmFormatModifierPlaneCount };

      if ((found[m].drmFormatModifierTilingFeatures & VK_FORMAT_FEATURE_COLOR_ATTACHMENT_BIT)
          && layout.n_planes <= RENDER_DMABUF_MAX_PLANES && can_export (device, &layout))
        self->layouts[self->n_layouts++] = layout;
    }
}

void
render_exports_open (RenderDevice *device)
{
  RenderExports *self = device->exports = g_new0 (RenderExports, 1);

  self->free = g_ptr_array_new ();
  self->has_extensions =
      find_extensions (device, self->device_why_not, sizeof self->device_why_not);
  if (self->has_extensions)
    find_layouts (device);
  if (self->has_extensions && self->n_layouts == 0)
    g_strlcpy (self->device_why_not, "the graphics device exports no picture it draws",
               sizeof self->device_why_not);
  self->why_not = g_strdup (self->device_why_not[0] != '\0' ? self->device_why_not
                                                            : "no display has been asked");
}

guint32
render_exports_get_extensions (RenderDevice *device, const char *const **names)
{
  *names = extensions;
  return device->exports->n_layouts > 0 ? N_EXTENSIONS : 0;
}

/* --- the agreement with the display --- */

static void
set_why_not (RenderExports *self, const char *why)
{
  g_free (self->why_not);
  self->why_not = g_strdup (why);
}

gboolean
render_device_offer_dmabuf (RenderDevice *device, const RenderDmabufFormat *formats,
                            gsize n_formats, char **why_not)
{
  RenderExports *self = device->exports;
  gsize n;

  g_mutex_lock (&device->lock);
  n = render_dmabuf_choose (self->layouts, self->n_layouts, formats, n_formats, device->pixel_order,
                            &self->fourcc, self->modifiers);
  self->n_modifiers = n;
  self->generation++;
  set_why_not (self, n > 0                             ? NULL
                     : self->device_why_not[0] != '\0' ? self->device_why_not
                     : n_formats == 0
                         ? "the display takes no DMA buffers"
                         : "the display shows no layout that the graphics device exports");
  if (why_not != NULL)
    *why_not = g_strdup (self->why_not);
  g_mutex_unlock (&device->lock);
  return n > 0;
}

void
render_device_refuse_dmabuf (RenderDevice *device, const char *why)
{
  RenderExports *self = device->exports;

  g_mutex_lock (&device->lock);
  self->n_modifiers = 0;
  self->generation++;
  set_why_not (self, why);
  g_mutex_unlock (&device->lock);
}

char *
render_device_why_no_dmabuf (RenderDevice *device)
{
  char *why;

  g_mutex_lock (&device->lock);
  why = g_strdup (device->exports->why_not);
  g_mutex_unlock (&device->lock);
  return why;
}

/* --- images --- */

/* File descriptor, modifier and where the planes are. */
gboolean
render_export_describe (RenderDevice *device, RenderTexture *texture, guint32 fourcc,
                        GError **error)
{
  const RenderVk *vk = &device->life->vk;
  const VkMemoryGetFdInfoKHR get_fd = {
    .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
    .memory = texture->memory,
    .handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
  };
  VkImageDrmFormatModifierPropertiesEXT properties = {
    .sType = VK_STRUCTURE_TYPE_IMAGE_DRM_FORMAT_MODIFIER_PROPERTIES_EXT
  };
  RenderDmabuf *dmabuf = texture->dmabuf = g_new0 (RenderDmabuf, 1);
  int fd = -1;
  VkResult result = vk->GetImageDrmFormatModifierPropertiesEXT (device->life->handle,
                                                                texture->image, &properties);

  texture->life = render_life_ref (device->life);
  dmabuf->fourcc = fourcc;
  dmabuf->modifier = properties.drmFormatModifier;
  if (result == VK_SUCCESS)
    result = vk->GetMemoryFdKHR (device->life->handle, &get_fd, &fd);
  if (result != VK_SUCCESS)
    {
      render_set_error (error, result, "vkGetMemoryFdKHR");
      return FALSE;
    }
  /* All planes are in the one memory: one file descriptor, closed once. */
  for (gsize l = 0; l < device->exports->n_layouts; l++)
    if (device->exports->layouts[l].modifier == dmabuf->modifier)
      dmabuf->n_planes = device->exports->layouts[l].n_planes;
  dmabuf->n_planes = MAX (dmabuf->n_planes, 1);
  for (int p = 0; p < dmabuf->n_planes; p++)
    {
      const VkImageSubresource plane = { .aspectMask = VK_IMAGE_ASPECT_MEMORY_PLANE_0_BIT_EXT
                                                       << p };
      VkSubresourceLayout layout = { 0 };

      vk->GetImageSubresourceLayout (device->life->handle, texture->image, &plane, &layout);
      dmabuf->fds[p] = fd;
      dmabuf->offsets[p] = (guint32) layout.offset;
      dmabuf->strides[p] = (guint32) layout.rowPitch;
    }
  return TRUE;
}

void
render_export_clear (RenderTexture *texture)
{
  if (texture->dmabuf == NULL)
    return;
  if (texture->dmabuf->n_planes > 0)
    close (texture->dmabuf->fds[0]);
  g_clear_pointer (&texture->dmabuf, g_free);
  render_life_unref (texture->life);
}

/* Whether nobody reads it any more: the kernel keeps readers' fences with the buffer. */
static gboolean
is_idle (const RenderTexture *texture)
{
  struct pollfd ready = { .fd = texture->dmabuf->fds[0], .events = POLLOUT };

  return poll (&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0;
}

static void
drop_free (RenderDevice *device)
{
  GPtrArray *textures = device->exports->free;

  for (guint t = 0; t < textures->len; t++)
    render_texture_destroy (device, textures->pdata[t]);
  g_ptr_array_set_size (textures, 0);
}

/* What frames gave back, as far as it is of use. */
void
render_exports_collect (RenderDevice *device)
{
  RenderExports *self = device->exports;
  RenderTexture *texture;
  guint generation;

  do
    {
      g_mutex_lock (&device->lock);
      texture = g_queue_pop_head (&self->returned);
      generation = self->generation;
      g_mutex_unlock (&device->lock);
      if (texture != NULL && texture->life == device->life && texture->generation == generation)
        g_ptr_array_add (self->free, texture);
      else
        render_texture_destroy (device, texture);
    }
  while (texture != NULL);
  if (self->free_generation != generation)
    drop_free (device);
  self->free_generation = generation;
  while (self->free->len > N_FREE)
    render_texture_destroy (device, g_ptr_array_steal_index (self->free, 0));
}

gboolean
render_exports_have_returned (RenderDevice *device)
{
  return !g_queue_is_empty (&device->exports->returned);
}

static RenderTexture *
take_free (RenderExports *self, int width, int height)
{
  for (guint t = 0; t < self->free->len; t++)
    {
      RenderTexture *texture = self->free->pdata[t];

      if (texture->size[0] == width && texture->size[1] == height && is_idle (texture))
        {
          /* What is in it is not needed, and so it need not be taken back from the display. */
          texture->layout = VK_IMAGE_LAYOUT_UNDEFINED;
          return g_ptr_array_steal_index (self->free, t);
        }
    }
  return NULL;
}

/* The agreed layouts that are large enough. */
static gsize
get_offer (RenderDevice *device, int width, int height, RenderTextureParams *params,
           guint64 *modifiers, guint *generation)
{
  RenderExports *self = device->exports;
  gsize n = 0;

  g_mutex_lock (&device->lock);
  for (gsize m = 0; m < self->n_modifiers; m++)
    for (gsize l = 0; l < self->n_layouts; l++)
      if (self->layouts[l].modifier == self->modifiers[m] && self->layouts[l].max_width >= width
          && self->layouts[l].max_height >= height)
        modifiers[n++] = self->modifiers[m];
  params->fourcc = self->fourcc;
  *generation = self->generation;
  g_mutex_unlock (&device->lock);
  params->modifiers = modifiers;
  params->n_modifiers = (guint32) n;
  return n;
}

RenderTexture *
render_export_take (RenderDevice *device, int width, int height)
{
  guint64 modifiers[MAX_LAYOUTS];
  RenderTextureParams params = { .format = render_device_get_target_format (device),
                                 .width = width,
                                 .height = height,
                                 .is_target = TRUE };
  g_autoptr (GError) error = NULL;
  RenderTexture *texture;
  guint generation;

  render_exports_collect (device);
  if (get_offer (device, width, height, &params, modifiers, &generation) == 0)
    return NULL;
  texture = take_free (device->exports, width, height);
  if (texture == NULL)
    {
      texture = render_texture_create (device, &params, &error);
      if (texture != NULL)
        texture->generation = generation;
      else if (!g_error_matches (error, RENDER_ERROR, RENDER_ERROR_DEVICE_LOST))
        render_device_refuse_dmabuf (device, error->message);
    }
  return texture;
}

void
render_export_hand_over (RenderDevice *device, RenderTexture *texture)
{
  const VkImageMemoryBarrier barrier = {
    .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
    .srcAccessMask = VK_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
    .oldLayout = texture->layout,
    .newLayout = VK_IMAGE_LAYOUT_GENERAL,
    .srcQueueFamilyIndex = device->family,
    .dstQueueFamilyIndex = VK_QUEUE_FAMILY_FOREIGN_EXT,
    .image = texture->image,
    .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 },
  };

  device->life->vk.CmdPipelineBarrier (
      device->slot->cmd, VK_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
      VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 0, 0, NULL, 0, NULL, 1, &barrier);
  texture->layout = VK_IMAGE_LAYOUT_GENERAL;
}

void
render_device_return_export (RenderDevice *device, RenderTexture *texture)
{
  g_mutex_lock (&device->lock);
  g_queue_push_tail (&device->exports->returned, texture);
  g_cond_broadcast (&device->wake);
  g_mutex_unlock (&device->lock);
}

void
render_exports_drop (RenderDevice *device)
{
  drop_free (device);
}

void
render_exports_close (RenderDevice *device)
{
  if (device->exports == NULL)
    return;
  render_exports_collect (device);
  drop_free (device);
  g_ptr_array_unref (device->exports->free);
  g_free (device->exports->why_not);
  g_clear_pointer (&device->exports, g_free);
}
