/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/dmabuf-private.h"
#include "render/flat.h"

#include <string.h>

#define ARENA_BYTES ((gsize) 1 << 20)
#define MAX_SETS_PER_SLOT 64

/* --- choosing --- */

static int
graphics_family (const RenderVk *vk, VkPhysicalDevice physical)
{
  VkQueueFamilyProperties families[32];
  guint32 n = G_N_ELEMENTS (families);

  vk->GetPhysicalDeviceQueueFamilyProperties (physical, &n, families);
  for (guint32 f = 0; f < n; f++)
    if ((families[f].queueFlags & VK_QUEUE_GRAPHICS_BIT)
        && (families[f].queueFlags & VK_QUEUE_COMPUTE_BIT))
      return (int) f;
  return -1;
}

static gboolean
has_timeline (const RenderVk *vk, VkPhysicalDevice physical)
{
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES
  };
  VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                         .pNext = &timeline };

  vk->GetPhysicalDeviceFeatures2 (physical, &features);
  return timeline.timelineSemaphore;
}

static guint64
local_memory (const RenderVk *vk, VkPhysicalDevice physical)
{
  VkPhysicalDeviceMemoryProperties memory;
  guint64 bytes = 0;

  vk->GetPhysicalDeviceMemoryProperties (physical, &memory);
  for (guint32 h = 0; h < memory.memoryHeapCount; h++)
    if (memory.memoryHeaps[h].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      bytes = MAX (bytes, memory.memoryHeaps[h].size);
  return bytes;
}

static int
score_of_type (VkPhysicalDeviceType type)
{
  switch (type)
    {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return 4000;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return 3000;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return 2000;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return 1000;
    default:
      return 500;
    }
}

static void
describe (const RenderVk *vk, VkPhysicalDevice physical, RenderDeviceInfo *info)
{
  VkPhysicalDeviceDriverProperties driver = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES
  };
  VkPhysicalDeviceProperties2 properties = { .sType =
                                                 VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                             .pNext = &driver };
  const VkPhysicalDeviceProperties *p = &properties.properties;

  memset (info, 0, sizeof *info);
  vk->GetPhysicalDeviceProperties2 (physical, &properties);
  g_strlcpy (info->name, p->deviceName, sizeof info->name);
  g_snprintf (info->driver, sizeof info->driver, "%.100s %.100s", driver.driverName,
              driver.driverInfo);
  info->api_version = p->apiVersion;
  info->is_software = p->deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
  info->memory_bytes = local_memory (vk, physical);
  info->max_image_3d = (int) p->limits.maxImageDimension3D;
  info->score = score_of_type (p->deviceType) + (int) MIN (info->memory_bytes >> 30, (guint64) 500);
  if (p->apiVersion < VK_API_VERSION_1_2)
    g_strlcpy (info->why_not, "its driver is older than Vulkan 1.2", sizeof info->why_not);
  else if (graphics_family (vk, physical) < 0)
    g_strlcpy (info->why_not, "it has no queue for graphics and compute", sizeof info->why_not);
  else if (!has_timeline (vk, physical))
    g_strlcpy (info->why_not, "it has no timeline semaphores", sizeof info->why_not);
  if (info->why_not[0] != '\0')
    info->score = -1;
}

typedef struct
{
  VkPhysicalDevice physical;
  RenderDeviceInfo info;
} Candidate;

static int
compare_candidates (gconstpointer a, gconstpointer b)
{
  return ((const Candidate *) b)->info.score - ((const Candidate *) a)->info.score;
}

static GArray *
find_candidates (RenderInstance *instance, GError **error)
{
  const RenderVk *vk = &instance->vk;
  g_autofree VkPhysicalDevice *physical = NULL;
  GArray *candidates = g_array_new (FALSE, TRUE, sizeof (Candidate));
  guint32 n = 0;
  VkResult result = vk->EnumeratePhysicalDevices (instance->handle, &n, NULL);

  if (result == VK_SUCCESS && n > 0)
    {
      physical = g_new0 (VkPhysicalDevice, n);
      result = vk->EnumeratePhysicalDevices (instance->handle, &n, physical);
    }
  for (guint32 d = 0; result >= VK_SUCCESS && d < n; d++)
    {
      Candidate candidate = { .physical = physical[d] };

      describe (vk, physical[d], &candidate.info);
      g_array_append_val (candidates, candidate);
    }
  if (candidates->len == 0)
    {
      g_set_error (error, RENDER_ERROR, RENDER_ERROR_NO_DEVICE,
                   "There is no Vulkan device. Install a driver for the graphics card, or "
                   "mesa-vulkan-drivers to draw in software.");
      g_clear_pointer (&candidates, g_array_unref);
      return NULL;
    }
  g_array_sort (candidates, compare_candidates);
  return candidates;
}

static gboolean
name_matches (const char *device, const char *wanted)
{
  g_autofree char *a = g_utf8_strdown (device, -1);
  g_autofree char *b = g_utf8_strdown (wanted, -1);

  return strstr (a, b) != NULL;
}

static const Candidate *
choose (GArray *candidates, const char *name, gboolean hardware_only, GError **error)
{
  g_autoptr (GString) seen = g_string_new (NULL);

  for (guint c = 0; c < candidates->len; c++)
    {
      const Candidate *candidate = &g_array_index (candidates, Candidate, c);
      const RenderDeviceInfo *info = &candidate->info;

      g_string_append_printf (seen, "%s%s", c > 0 ? "; " : "", info->name);
      if (info->why_not[0] != '\0')
        g_string_append_printf (seen, " (%s)", info->why_not);
      else if (hardware_only && info->is_software)
        g_string_append (seen, " (software)");
      else if (name == NULL || name[0] == '\0' || name_matches (info->name, name))
        return candidate;
    }
  if (name != NULL && name[0] != '\0')
    g_set_error (error, RENDER_ERROR, RENDER_ERROR_NO_DEVICE,
                 "No usable Vulkan device is called \"%s\"; here: %s.", name, seen->str);
  else
    g_set_error (error, RENDER_ERROR, RENDER_ERROR_NO_DEVICE,
                 "No Vulkan device here can be used: %s.", seen->str);
  return NULL;
}

gboolean
render_device_open (RenderDevice *self, const char *name, gboolean hardware_only, GError **error)
{
  g_autoptr (GArray) candidates = NULL;
  const Candidate *chosen;
  VkPhysicalDeviceProperties2 properties = { .sType =
                                                 VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2 };
  const VkPhysicalDeviceLimits *limits = &properties.properties.limits;

  self->instance = render_instance_new (self->validate, error);
  if (self->instance == NULL)
    return FALSE;
  candidates = find_candidates (self->instance, error);
  chosen = candidates != NULL ? choose (candidates, name, hardware_only, error) : NULL;
  if (chosen == NULL)
    return FALSE;
  self->physical = chosen->physical;
  self->info = chosen->info;
  self->family = (guint32) graphics_family (&self->instance->vk, self->physical);
  self->instance->vk.GetPhysicalDeviceMemoryProperties (self->physical, &self->memory_types);
  self->instance->vk.GetPhysicalDeviceProperties2 (self->physical, &properties);
  memcpy (self->cache_uuid, properties.properties.pipelineCacheUUID, VK_UUID_SIZE);
  self->vendor_id = properties.properties.vendorID;
  self->device_id = properties.properties.deviceID;
  self->uniform_align = MAX (limits->minUniformBufferOffsetAlignment, 16);
  self->max_image_2d = (int) MIN (MIN (limits->maxImageDimension2D, limits->maxFramebufferWidth),
                                  limits->maxFramebufferHeight);
  if (self->max_image_3d <= 0 || self->max_image_3d > self->info.max_image_3d)
    self->max_image_3d = self->info.max_image_3d;
  /* Three quarters of the memory: the rest is labels, frames, and everybody else's. */
  if (self->max_scan_bytes == 0 || self->max_scan_bytes > self->info.memory_bytes / 4 * 3)
    self->max_scan_bytes = self->info.memory_bytes / 4 * 3;
  render_exports_open (self);
  return TRUE;
}

GArray *
render_device_list (GError **error)
{
  RenderInstance *instance = render_instance_new (FALSE, error);
  g_autoptr (GArray) candidates = NULL;
  GArray *infos = NULL;

  if (instance == NULL)
    return NULL;
  candidates = find_candidates (instance, error);
  if (candidates != NULL)
    {
      infos = g_array_new (FALSE, TRUE, sizeof (RenderDeviceInfo));
      for (guint c = 0; c < candidates->len; c++)
        g_array_append_val (infos, g_array_index (candidates, Candidate, c).info);
    }
  render_instance_free (instance);
  return infos;
}

/* --- a life of the device --- */

RenderLife *
render_life_ref (RenderLife *self)
{
  self->n_refs++;
  return self;
}

void
render_life_unref (RenderLife *self)
{
  if (self == NULL || --self->n_refs > 0)
    return;
  self->vk.DestroyDevice (self->handle, NULL);
  render_objects_add (-1);
  g_free (self);
}

static gboolean
create_device (RenderDevice *self, GError **error)
{
  const float priority = 1.0f;
  const VkDeviceQueueCreateInfo queue = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
    .queueFamilyIndex = self->family,
    .queueCount = 1,
    .pQueuePriorities = &priority,
  };
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
    .timelineSemaphore = VK_TRUE,
  };
  VkDeviceCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
    .pNext = &timeline,
    .queueCreateInfoCount = 1,
    .pQueueCreateInfos = &queue,
  };
  RenderLife *life = g_new0 (RenderLife, 1);
  VkResult result;

  info.enabledExtensionCount = render_exports_get_extensions (self, &info.ppEnabledExtensionNames);
  life->n_refs = 1;
  life->vk = self->instance->vk;
  result = life->vk.CreateDevice (self->physical, &info, NULL, &life->handle);
  if (result != VK_SUCCESS)
    {
      render_set_error (error, result, self->info.name);
      g_free (life);
      return FALSE;
    }
  render_objects_add (1);
  render_vk_load_device (&life->vk, life->handle);
  self->life = life;
  life->vk.GetDeviceQueue (life->handle, self->family, 0, &self->queue);
  return TRUE;
}

static gboolean
create_timeline (RenderDevice *self, GError **error)
{
  const VkSemaphoreTypeCreateInfo type = {
    .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
    .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    .initialValue = 0,
  };
  const VkSemaphoreCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
    .pNext = &type,
  };
  VkResult result =
      self->life->vk.CreateSemaphore (self->life->handle, &info, NULL, &self->timeline);

  self->submitted = self->completed = 0;
  if (result == VK_SUCCESS)
    render_objects_add (1);
  else
    render_set_error (error, result, "vkCreateSemaphore");
  return result == VK_SUCCESS;
}

static gboolean
create_slot (RenderDevice *self, RenderSlot *slot, GError **error)
{
  const RenderVk *vk = &self->life->vk;
  const VkCommandPoolCreateInfo pool = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
    .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
    .queueFamilyIndex = self->family,
  };
  const VkDescriptorPoolSize sizes[] = {
    { VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, MAX_SETS_PER_SLOT },
    { VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, MAX_SETS_PER_SLOT * RENDER_N_BINDINGS },
  };
  const VkDescriptorPoolCreateInfo descriptors = {
    .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
    .maxSets = MAX_SETS_PER_SLOT,
    .poolSizeCount = G_N_ELEMENTS (sizes),
    .pPoolSizes = sizes,
  };
  VkCommandBufferAllocateInfo cmd = {
    .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
    .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
    .commandBufferCount = 1,
  };
  VkResult result = vk->CreateCommandPool (self->life->handle, &pool, NULL, &slot->pool);

  slot->stages = g_ptr_array_new ();
  slot->targets = g_ptr_array_new ();
  slot->releases = g_ptr_array_new ();
  if (result == VK_SUCCESS)
    {
      render_objects_add (1);
      cmd.commandPool = slot->pool;
      result = vk->AllocateCommandBuffers (self->life->handle, &cmd, &slot->cmd);
    }
  if (result == VK_SUCCESS)
    result = vk->CreateDescriptorPool (self->life->handle, &descriptors, NULL, &slot->descriptors);
  if (result == VK_SUCCESS)
    render_objects_add (1);
  else
    {
      render_set_error (error, result, "The graphics device gives no command memory");
      return FALSE;
    }
  slot->arena = render_buffer_create (self, ARENA_BYTES, FALSE, error);
  return slot->arena != NULL;
}

static void
destroy_slot (RenderDevice *self, RenderSlot *slot)
{
  const RenderVk *vk = &self->life->vk;

  for (guint s = 0; slot->stages != NULL && s < slot->stages->len; s++)
    render_buffer_destroy (self, slot->stages->pdata[s]);
  g_clear_pointer (&slot->stages, g_ptr_array_unref);
  for (guint t = 0; slot->targets != NULL && t < slot->targets->len; t++)
    render_texture_destroy (self, slot->targets->pdata[t]);
  g_clear_pointer (&slot->targets, g_ptr_array_unref);
  g_clear_pointer (&slot->releases, g_ptr_array_unref);
  render_buffer_destroy (self, slot->arena);
  if (slot->descriptors != VK_NULL_HANDLE)
    {
      vk->DestroyDescriptorPool (self->life->handle, slot->descriptors, NULL);
      render_objects_add (-1);
    }
  if (slot->pool != VK_NULL_HANDLE)
    {
      vk->DestroyCommandPool (self->life->handle, slot->pool, NULL);
      render_objects_add (-1);
    }
  memset (slot, 0, sizeof *slot);
}

gboolean
render_device_open_life (RenderDevice *self, GError **error)
{
  gboolean ok = create_device (self, error) && create_timeline (self, error);

  for (int s = 0; ok && s < RENDER_N_SLOTS; s++)
    ok = create_slot (self, &self->slots[s], error);
  ok = ok && render_pipelines_open (self, error);
  if (!ok && self->life != NULL)
    render_device_close_life (self);
  return ok;
}

void
render_device_close_life (RenderDevice *self)
{
  const RenderVk *vk = &self->life->vk;

  vk->DeviceWaitIdle (self->life->handle);
  render_flat_drop (self);
  render_exports_drop (self);
  render_pipelines_close (self);
  for (guint s = 0; s < self->stages->len; s++)
    render_buffer_destroy (self, self->stages->pdata[s]);
  g_ptr_array_set_size (self->stages, 0);
  for (guint r = 0; r < self->readbacks->len; r++)
    render_buffer_destroy (self, self->readbacks->pdata[r]);
  g_ptr_array_set_size (self->readbacks, 0);
  for (guint t = 0; t < self->targets->len; t++)
    render_texture_destroy (self, self->targets->pdata[t]);
  g_ptr_array_set_size (self->targets, 0);
  for (int s = 0; s < RENDER_N_SLOTS; s++)
    destroy_slot (self, &self->slots[s]);
  if (self->timeline != VK_NULL_HANDLE)
    {
      vk->DestroySemaphore (self->life->handle, self->timeline, NULL);
      render_objects_add (-1);
      self->timeline = VK_NULL_HANDLE;
    }
  g_clear_pointer (&self->life, render_life_unref);
}
