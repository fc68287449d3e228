/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The loader, opened at run time so that the program starts and explains itself without one, and
 * tables of the functions used here. Private to render/. */

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include "render/render-types.h"

G_BEGIN_DECLS

#define RENDER_VK_INSTANCE_FUNCTIONS(X)                                                            \
  X (DestroyInstance)                                                                              \
  X (EnumeratePhysicalDevices)                                                                     \
  X (GetPhysicalDeviceProperties2)                                                                 \
  X (GetPhysicalDeviceFeatures2)                                                                   \
  X (GetPhysicalDeviceMemoryProperties)                                                            \
  X (GetPhysicalDeviceQueueFamilyProperties)                                                       \
  X (GetPhysicalDeviceFormatProperties)                                                            \
  X (GetPhysicalDeviceFormatProperties2)                                                           \
  X (GetPhysicalDeviceImageFormatProperties2)                                                      \
  X (EnumerateDeviceExtensionProperties)                                                           \
  X (CreateDevice)                                                                                 \
  X (GetDeviceProcAddr)

#define RENDER_VK_DEVICE_FUNCTIONS(X)                                                              \
  X (DestroyDevice)                                                                                \
  X (DeviceWaitIdle)                                                                               \
  X (GetDeviceQueue)                                                                               \
  X (QueueSubmit)                                                                                  \
  X (AllocateMemory)                                                                               \
  X (FreeMemory)                                                                                   \
  X (MapMemory)                                                                                    \
  X (InvalidateMappedMemoryRanges)                                                                 \
  X (CreateBuffer)                                                                                 \
  X (DestroyBuffer)                                                                                \
  X (GetBufferMemoryRequirements)                                                                  \
  X (BindBufferMemory)                                                                             \
  X (CreateImage)                                                                                  \
  X (DestroyImage)                                                                                 \
  X (GetImageMemoryRequirements)                                                                   \
  X (GetImageSubresourceLayout)                                                                    \
  X (BindImageMemory)                                                                              \
  X (CreateImageView)                                                                              \
  X (DestroyImageView)                                                                             \
  X (CreateSampler)                                                                                \
  X (DestroySampler)                                                                               \
  X (CreateShaderModule)                                                                           \
  X (DestroyShaderModule)                                                                          \
  X (CreatePipelineCache)                                                                          \
  X (GetPipelineCacheData)                                                                         \
  X (DestroyPipelineCache)                                                                         \
  X (CreateGraphicsPipelines)                                                                      \
  X (DestroyPipeline)                                                                              \
  X (CreatePipelineLayout)                                                                         \
  X (DestroyPipelineLayout)                                                                        \
  X (CreateDescriptorSetLayout)                                                                    \
  X (DestroyDescriptorSetLayout)                                                                   \
  X (CreateDescriptorPool)                                                                         \
  X (DestroyDescriptorPool)                                                                        \
  X (ResetDescriptorPool)                                                                          \
  X (AllocateDescriptorSets)                                                                       \
  X (UpdateDescriptorSets)                                                                         \
  X (CreateRenderPass)                                                                             \
  X (DestroyRenderPass)                                                                            \
  X (CreateFramebuffer)                                                                            \
  X (DestroyFramebuffer)                                                                           \
  X (CreateSemaphore)                                                                              \
  X (DestroySemaphore)                                                                             \
  X (WaitSemaphores)                                                                               \
  X (CreateCommandPool)                                                                            \
  X (DestroyCommandPool)                                                                           \
  X (ResetCommandPool)                                                                             \
  X (AllocateCommandBuffers)                                                                       \
  X (BeginCommandBuffer)                                                                           \
  X (EndCommandBuffer)                                                                             \
  X (CmdPipelineBarrier)                                                                           \
  X (CmdCopyBufferToImage)                                                                         \
  X (CmdCopyImageToBuffer)                                                                         \
  X (CmdClearColorImage)                                                                           \
  X (CmdBeginRenderPass)                                                                           \
  X (CmdEndRenderPass)                                                                             \
  X (CmdBindPipeline)                                                                              \
  X (CmdBindDescriptorSets)                                                                        \
  X (CmdBindVertexBuffers)                                                                         \
  X (CmdSetViewport)                                                                               \
  X (CmdSetScissor)                                                                                \
  X (CmdDraw)

/* NULL where the device was made without their extensions. */
#define RENDER_VK_EXPORT_FUNCTIONS(X)                                                              \
  X (GetMemoryFdKHR)                                                                               \
  X (GetImageDrmFormatModifierPropertiesEXT)

typedef struct
{
#define MEMBER(name) PFN_vk##name name;
  RENDER_VK_INSTANCE_FUNCTIONS (MEMBER)
  RENDER_VK_DEVICE_FUNCTIONS (MEMBER)
  RENDER_VK_EXPORT_FUNCTIONS (MEMBER)
#undef MEMBER
} RenderVk;

/* An instance with its messenger, counted: the same one serves every device of the process that
 * asks for the same @validate. */
typedef struct
{
  VkInstance handle;
  VkDebugUtilsMessengerEXT messenger;
  gboolean validate;
  RenderVk vk; /* instance functions only */
} RenderInstance;

RenderInstance *render_instance_new (gboolean validate, GError **error);
void render_instance_free (RenderInstance *self);

void render_vk_load_device (RenderVk *self, VkDevice device);
/* Sets RENDER_ERROR_OUT_OF_MEMORY, _DEVICE_LOST or _FAILED: "@what: VK_ERROR_…". */
void render_set_error (GError **error, VkResult result, const char *what);
const char *render_vk_result_name (VkResult result);

/* Bookkeeping of what is alive: every create and destroy of render/ goes through these. */
void render_objects_add (int n);

G_END_DECLS
