/* SPDX-License-Identifier: Apache-2.0 */
/* A Vulkan loader that makes a software device look as if it exported DMA buffers: what is asked of
 * its DRM extensions is done with a linear image and memory that can be mapped (an opaque file
 * descriptor of lavapipe is a memfd). So the export path runs where there is no GPU; that real
 * drivers and displays agree with it is another matter. CROSSLABEL_VULKAN_LOADER names this file.
 */
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINEAR 0ull /* DRM_FORMAT_MOD_LINEAR */

static PFN_vkGetInstanceProcAddr real;
static VkInstance instance;
static PFN_vkGetDeviceProcAddr real_device;
static size_t memory_offset; /* in the file, of the last memory asked for */

static PFN_vkVoidFunction
from_instance (const char *name)
{
  return real (instance, name);
}

static VKAPI_ATTR VkResult VKAPI_CALL
enumerate_extensions (VkPhysicalDevice physical, const char *layer, uint32_t *n,
                      VkExtensionProperties *properties)
{
  static const char *const added[] = { VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
                                       VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
                                       VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME };
  PFN_vkEnumerateDeviceExtensionProperties next =
      (PFN_vkEnumerateDeviceExtensionProperties) from_instance (
          "vkEnumerateDeviceExtensionProperties");
  uint32_t n_real = 0;
  VkResult result = next (physical, layer, &n_real, NULL);

  if (result != VK_SUCCESS || properties == NULL || *n < n_real + 3)
    {
      *n = n_real + 3;
      return result;
    }
  result = next (physical, layer, &n_real, properties);
  for (int a = 0; a < 3; a++)
    {
      memset (&properties[n_real + a], 0, sizeof *properties);
      strcpy (properties[n_real + a].extensionName, added[a]);
    }
  *n = n_real + 3;
  return result;
}

static VKAPI_ATTR void VKAPI_CALL
get_format_properties (VkPhysicalDevice physical, VkFormat format, VkFormatProperties2 *properties)
{
  PFN_vkGetPhysicalDeviceFormatProperties2 next =
      (PFN_vkGetPhysicalDeviceFormatProperties2) from_instance (
          "vkGetPhysicalDeviceFormatProperties2");
  VkDrmFormatModifierPropertiesListEXT *list = properties->pNext;
  VkFormatProperties2 plain = { .sType = VK_STRUCTURE_TYPE_FORMAT_PROPERTIES_2 };

  next (physical, format, &plain);
  properties->formatProperties = plain.formatProperties;
  if (list == NULL || list->sType != VK_STRUCTURE_TYPE_DRM_FORMAT_MODIFIER_PROPERTIES_LIST_EXT)
    return;
  list->drmFormatModifierCount = 1;
  list->pDrmFormatModifierProperties[0] =
      (VkDrmFormatModifierPropertiesEXT){ LINEAR, 1, VK_FORMAT_FEATURE_COLOR_ATTACHMENT_BIT };
}

static VKAPI_ATTR VkResult VKAPI_CALL
get_image_properties (VkPhysicalDevice physical, const VkPhysicalDeviceImageFormatInfo2 *info,
                      VkImageFormatProperties2 *properties)
{
  VkExternalImageFormatProperties *external = properties->pNext;
  PFN_vkGetPhysicalDeviceImageFormatProperties2 next =
      (PFN_vkGetPhysicalDeviceImageFormatProperties2) from_instance (
          "vkGetPhysicalDeviceImageFormatProperties2");

  if (external == NULL)
    return next (physical, info, properties);
  properties->imageFormatProperties.maxExtent = (VkExtent3D){ 512, 512, 1 };
  external->externalMemoryProperties.externalMemoryFeatures =
      VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT;
  return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL
create_device (VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
               const VkAllocationCallbacks *allocator, VkDevice *created)
{
  static const char *const extension = VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME;
  PFN_vkCreateDevice next = (PFN_vkCreateDevice) from_instance ("vkCreateDevice");
  VkDeviceCreateInfo plain = *info;

  plain.enabledExtensionCount = 1;
  plain.ppEnabledExtensionNames = &extension;
  return next (physical, &plain, allocator, created);
}

static VKAPI_ATTR VkResult VKAPI_CALL
create_image (VkDevice on, const VkImageCreateInfo *info, const VkAllocationCallbacks *allocator,
              VkImage *image)
{
  PFN_vkCreateImage next = (PFN_vkCreateImage) real_device (on, "vkCreateImage");
  VkExternalMemoryImageCreateInfo external = {
    .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
    .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
  };
  VkImageCreateInfo plain = *info;

  if (info->tiling == VK_IMAGE_TILING_DRM_FORMAT_MODIFIER_EXT)
    {
      /* One that does not fail at times would leave the way back untried. */
      if (getenv ("FAKE_DMABUF_REFUSES") != NULL)
        return VK_ERROR_FORMAT_NOT_SUPPORTED;
      plain.tiling = VK_IMAGE_TILING_LINEAR;
      plain.pNext = &external;
    }
  return next (on, &plain, allocator, image);
}

static VKAPI_ATTR VkResult VKAPI_CALL
allocate_memory (VkDevice on, const VkMemoryAllocateInfo *info,
                 const VkAllocationCallbacks *allocator, VkDeviceMemory *memory)
{
  PFN_vkAllocateMemory next = (PFN_vkAllocateMemory) real_device (on, "vkAllocateMemory");
  VkExportMemoryAllocateInfo exported = {
    .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
    .handleTypes = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
  };
  VkMemoryAllocateInfo plain = *info;

  if (info->pNext != NULL)
    plain.pNext = &exported;
  return next (on, &plain, allocator, memory);
}

static VKAPI_ATTR VkResult VKAPI_CALL
get_memory_fd (VkDevice on, const VkMemoryGetFdInfoKHR *info, int *fd)
{
  PFN_vkGetMemoryFdKHR next = (PFN_vkGetMemoryFdKHR) real_device (on, "vkGetMemoryFdKHR");
  VkMemoryGetFdInfoKHR plain = *info;
  size_t header[2] = { 0 };
  VkResult result;

  plain.handleType = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
  result = next (on, &plain, fd);
  /* lavapipe keeps the size and the place of the memory proper in front of it. */
  if (result == VK_SUCCESS && pread (*fd, header, sizeof header, 0) == sizeof header)
    memory_offset = header[1];
  return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL
get_modifier (VkDevice on, VkImage image, VkImageDrmFormatModifierPropertiesEXT *properties)
{
  properties->drmFormatModifier = LINEAR;
  return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL
get_layout (VkDevice on, VkImage image, const VkImageSubresource *part, VkSubresourceLayout *layout)
{
  PFN_vkGetImageSubresourceLayout next =
      (PFN_vkGetImageSubresourceLayout) real_device (on, "vkGetImageSubresourceLayout");
  const VkImageSubresource colour = { .aspectMask = VK_IMAGE_ASPECT_COLOR_BIT };

  next (on, image, &colour, layout);
  /* Others than exported images are asked about by their colour. */
  if (part->aspectMask != VK_IMAGE_ASPECT_COLOR_BIT)
    layout->offset += memory_offset;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
get_device_proc (VkDevice on, const char *name)
{
#define TAKE(vulkan, function)                                                                     \
  if (strcmp (name, vulkan) == 0)                                                                  \
    return (PFN_vkVoidFunction) function;
  TAKE ("vkCreateImage", create_image)
  TAKE ("vkAllocateMemory", allocate_memory)
  TAKE ("vkGetMemoryFdKHR", get_memory_fd)
  TAKE ("vkGetImageDrmFormatModifierPropertiesEXT", get_modifier)
  TAKE ("vkGetImageSubresourceLayout", get_layout)
  return real_device (on, name);
}

static VKAPI_ATTR VkResult VKAPI_CALL
create_instance (const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator,
                 VkInstance *created)
{
  PFN_vkCreateInstance next = (PFN_vkCreateInstance) real (NULL, "vkCreateInstance");
  VkResult result = next (info, allocator, created);

  instance = *created;
  if (result == VK_SUCCESS)
    real_device = (PFN_vkGetDeviceProcAddr) from_instance ("vkGetDeviceProcAddr");
  return result;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr (VkInstance on, const char *name);

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
vkGetInstanceProcAddr (VkInstance on, const char *name)
{
  if (real == NULL)
    {
      void *library = dlopen ("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);

      if (library != NULL)
        real = (PFN_vkGetInstanceProcAddr) dlsym (library, "vkGetInstanceProcAddr");
      if (real == NULL)
        return NULL;
    }
  TAKE ("vkCreateInstance", create_instance)
  TAKE ("vkEnumerateDeviceExtensionProperties", enumerate_extensions)
  TAKE ("vkGetPhysicalDeviceFormatProperties2", get_format_properties)
  TAKE ("vkGetPhysicalDeviceImageFormatProperties2", get_image_properties)
  TAKE ("vkCreateDevice", create_device)
  TAKE ("vkGetDeviceProcAddr", get_device_proc)
  return real (on, name);
}
