/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/vk.h"

#include <dlfcn.h>
#include <string.h>

#include "render/device.h"

G_DEFINE_QUARK (render - error - quark, render_error)

static int n_objects_alive;
static guint n_validation_messages;

void
render_objects_add (int n)
{
  g_atomic_int_add (&n_objects_alive, n);
}

int
render_objects_get_n_alive (void)
{
  return g_atomic_int_get (&n_objects_alive);
}

guint
render_validation_get_n_messages (void)
{
  return (guint) g_atomic_int_get (&n_validation_messages);
}

const char *
render_vk_result_name (VkResult result)
{
  switch (result)
    {
    case VK_SUCCESS:
      return "VK_SUCCESS";
    case VK_TIMEOUT:
      return "VK_TIMEOUT";
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST:
      return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_MEMORY_MAP_FAILED:
      return "VK_ERROR_MEMORY_MAP_FAILED";
    case VK_ERROR_LAYER_NOT_PRESENT:
      return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
      return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT:
      return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS:
      return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_FORMAT_NOT_SUPPORTED:
      return "VK_ERROR_FORMAT_NOT_SUPPORTED";
    case VK_ERROR_FRAGMENTED_POOL:
      return "VK_ERROR_FRAGMENTED_POOL";
    default:
      return "an unnamed Vulkan error";
    }
}

void
render_set_error (GError **error, VkResult result, const char *what)
{
  RenderError code = RENDER_ERROR_FAILED;

  if (result == VK_ERROR_OUT_OF_HOST_MEMORY || result == VK_ERROR_OUT_OF_DEVICE_MEMORY)
    code = RENDER_ERROR_OUT_OF_MEMORY;
  else if (result == VK_ERROR_DEVICE_LOST)
    code = RENDER_ERROR_DEVICE_LOST;
  g_set_error (error, RENDER_ERROR, code, "%s: %s (%d)", what, render_vk_result_name (result),
               (int) result);
}

/* Opened once and kept: drivers do not like to be unloaded. */
static PFN_vkGetInstanceProcAddr
open_loader (GError **error)
{
  static gsize opened;
  static PFN_vkGetInstanceProcAddr get_proc;
  static char why[256];

  if (g_once_init_enter (&opened))
    {
      const char *name = g_getenv ("CROSSLABEL_VULKAN_LOADER");
      void *library = dlopen (name != NULL ? name : "libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);

      if (library != NULL)
        get_proc = (PFN_vkGetInstanceProcAddr) dlsym (library, "vkGetInstanceProcAddr");
      if (get_proc == NULL)
        g_strlcpy (why, library == NULL ? dlerror () : "it has no vkGetInstanceProcAddr",
                   sizeof why);
      g_once_init_leave (&opened, 1);
    }
  if (get_proc == NULL)
    g_set_error (error, RENDER_ERROR, RENDER_ERROR_NO_LOADER,
                 "The Vulkan loader cannot be opened (%s). Install the package libvulkan1 and a "
                 "driver, e.g. mesa-vulkan-drivers.",
                 why);
  return get_proc;
}

static VKAPI_ATTR VkBool32 VKAPI_CALL
message_cb (VkDebugUtilsMessageSeverityFlagBitsEXT severity, VkDebugUtilsMessageTypeFlagsEXT types,
            const VkDebugUtilsMessengerCallbackDataEXT *data, void *user_data)
{
  g_atomic_int_inc ((int *) &n_validation_messages);
  g_printerr ("vulkan validation: %s\n", data->pMessage);
  return VK_FALSE;
}

static gboolean
has_layer (PFN_vkGetInstanceProcAddr get_proc, const char *name)
{
  PFN_vkEnumerateInstanceLayerProperties enumerate =
      (PFN_vkEnumerateInstanceLayerProperties) get_proc (NULL,
                                                         "vkEnumerateInstanceLayerProperties");
  guint32 n = 0;
  g_autofree VkLayerProperties *layers = NULL;

  if (enumerate == NULL || enumerate (&n, NULL) != VK_SUCCESS)
    return FALSE;
  layers = g_new0 (VkLayerProperties, n + 1);
  if (enumerate (&n, layers) < 0)
    return FALSE;
  for (guint32 l = 0; l < n; l++)
    if (strcmp (layers[l].layerName, name) == 0)
      return TRUE;
  return FALSE;
}

static guint32
loader_version (PFN_vkGetInstanceProcAddr get_proc)
{
  PFN_vkEnumerateInstanceVersion enumerate =
      (PFN_vkEnumerateInstanceVersion) get_proc (NULL, "vkEnumerateInstanceVersion");
  guint32 version = VK_API_VERSION_1_0;

  if (enumerate != NULL)
    enumerate (&version);
  return version;
}

RenderInstance *
render_instance_new (gboolean validate, GError **error)
{
  static const char *const layer = "VK_LAYER_KHRONOS_validation";
  static const char *const extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  PFN_vkGetInstanceProcAddr get_proc = open_loader (error);
  PFN_vkCreateInstance create_instance;
  g_autofree RenderInstance *self = NULL;
  const VkApplicationInfo application = {
    .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
    .pApplicationName = "crosslabel",
    .apiVersion = VK_API_VERSION_1_2,
  };
  const VkDebugUtilsMessengerCreateInfoEXT messenger = {
    .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
    .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT
                       | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
    .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT
                   | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
    .pfnUserCallback = message_cb,
  };
  VkInstanceCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
    .pApplicationInfo = &application,
  };
  VkResult result;

  if (get_proc == NULL)
    return NULL;
  if (loader_version (get_proc) < VK_API_VERSION_1_2)
    {
      g_set_error (error, RENDER_ERROR, RENDER_ERROR_NO_LOADER,
                   "The Vulkan loader is too old: 1.2 is needed.");
      return NULL;
    }
  if (validate && !has_layer (get_proc, layer))
    {
      g_set_error (error, RENDER_ERROR, RENDER_ERROR_NO_LOADER,
                   "The Vulkan validation layer is not installed (vulkan-validationlayers).");
      return NULL;
    }
  if (validate)
    {
      info.enabledLayerCount = 1;
      info.ppEnabledLayerNames = &layer;
      info.enabledExtensionCount = 1;
      info.ppEnabledExtensionNames = &extension;
      info.pNext = &messenger;
    }
  self = g_new0 (RenderInstance, 1);
  self->validate = validate;
  create_instance = (PFN_vkCreateInstance) get_proc (NULL, "vkCreateInstance");
  result = create_instance (&info, NULL, &self->handle);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
    {
      g_set_error (error, RENDER_ERROR, RENDER_ERROR_NO_DEVICE,
                   "There is no Vulkan driver. Install one for the graphics card, or "
                   "mesa-vulkan-drivers to draw in software.");
      return NULL;
    }
  if (result != VK_SUCCESS)
    {
      render_set_error (error, result, "Vulkan cannot be started");
      return NULL;
    }
  render_objects_add (1);
#define LOAD(name) self->vk.name = (PFN_vk##name) get_proc (self->handle, "vk" #name);
  RENDER_VK_INSTANCE_FUNCTIONS (LOAD)
#undef LOAD
  if (validate)
    {
      PFN_vkCreateDebugUtilsMessengerEXT create = (PFN_vkCreateDebugUtilsMessengerEXT) get_proc (
          self->handle, "vkCreateDebugUtilsMessengerEXT");

      if (create != NULL && create (self->handle, &messenger, NULL, &self->messenger) == VK_SUCCESS)
        render_objects_add (1);
    }
  return g_steal_pointer (&self);
}

void
render_instance_free (RenderInstance *self)
{
  if (self == NULL)
    return;
  if (self->messenger != VK_NULL_HANDLE)
    {
      PFN_vkDestroyDebugUtilsMessengerEXT destroy =
          (PFN_vkDestroyDebugUtilsMessengerEXT) open_loader (NULL) (
              self->handle, "vkDestroyDebugUtilsMessengerEXT");

      destroy (self->handle, self->messenger, NULL);
      render_objects_add (-1);
    }
  self->vk.DestroyInstance (self->handle, NULL);
  render_objects_add (-1);
  g_free (self);
}

void
render_vk_load_device (RenderVk *self, VkDevice device)
{
#define LOAD(name) self->name = (PFN_vk##name) self->GetDeviceProcAddr (device, "vk" #name);
  RENDER_VK_DEVICE_FUNCTIONS (LOAD)
  RENDER_VK_EXPORT_FUNCTIONS (LOAD)
#undef LOAD
}
