/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "render/colour-map.h"
#include "render/device-private.h"

#include <string.h>

typedef struct
{
  const guint32 *words;
  gsize size_bytes;
} Spirv;

/* Compiled from shaders/ by the build. */
static const guint32 full_screen_vert[] =
#include "render/shaders/full-screen.vert.inc"
    ;
static const guint32 slice_vert[] =
#include "render/shaders/slice.vert.inc"
    ;
static const guint32 slice_frag[] =
#include "render/shaders/slice.frag.inc"
    ;
static const guint32 flat_frag[] =
#include "render/shaders/flat.frag.inc"
    ;
static const guint32 flat_vert[] =
#include "render/shaders/flat.vert.inc"
    ;
static const guint32 marks_vert[] =
#include "render/shaders/marks.vert.inc"
    ;
static const guint32 marks_frag[] =
#include "render/shaders/marks.frag.inc"
    ;
static const guint32 volume_frag[] =
#include "render/shaders/volume.frag.inc"
    ;

#define SPIRV(words)                                                                               \
  {                                                                                                \
    words, sizeof words                                                                            \
  }
static const struct
{
  Spirv vertex, fragment;
} passes[RENDER_N_PASSES] = {
  [RENDER_PASS_SLICE] = { .vertex = SPIRV (slice_vert), .fragment = SPIRV (slice_frag) },
  [RENDER_PASS_FLAT] = { .vertex = SPIRV (flat_vert), .fragment = SPIRV (flat_frag) },
  [RENDER_PASS_VOLUME] = { .vertex = SPIRV (full_screen_vert), .fragment = SPIRV (volume_frag) },
  [RENDER_PASS_MARKS] = { .vertex = SPIRV (marks_vert), .fragment = SPIRV (marks_frag) },
};

/* --- the cache on disk: a line that proves it whole, then the driver's bytes --- */

static char *
cache_path (RenderDevice *self)
{
  GString *name;
  char *path;

  if (self->cache_dir == NULL)
    return NULL;
  name = g_string_new ("pipelines-");
  g_string_append_printf (name, "%04x-%04x-", self->vendor_id, self->device_id);
  for (guint b = 0; b < VK_UUID_SIZE; b++)
    g_string_append_printf (name, "%02x", self->cache_uuid[b]);
  path = g_build_filename (self->cache_dir, name->str, NULL);
  g_string_free (name, TRUE);
  return path;
}

/* The bytes after the digest line, if it is theirs: a driver may crash on a damaged cache. */
static gboolean
check_cache (const char *contents, gsize length, const guint8 **data, gsize *n_bytes)
{
  const gsize n_digest = 64;
  g_autofree char *digest = NULL;

  if (length <= n_digest + 1)
    return FALSE;
  *data = (const guint8 *) contents + n_digest + 1;
  *n_bytes = length - n_digest - 1;
  digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, *data, *n_bytes);
  return memcmp (digest, contents, n_digest) == 0;
}

static void
open_cache (RenderDevice *self)
{
  g_autofree char *path = cache_path (self);
  g_autofree char *contents = NULL;
  gsize length = 0;
  const guint8 *data = NULL;
  VkPipelineCacheCreateInfo info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO };

  if (path != NULL && g_file_get_contents (path, &contents, &length, NULL)
      && check_cache (contents, length, &data, &info.initialDataSize))
    info.pInitialData = data;
  else
    info.initialDataSize = 0;
  if (self->life->vk.CreatePipelineCache (self->life->handle, &info, NULL, &self->cache)
      == VK_SUCCESS)
    render_objects_add (1);
  else
    self->cache = VK_NULL_HANDLE;
}

void
render_pipelines_save (RenderDevice *self)
{
  g_autofree char *path = cache_path (self);
  g_autofree char *digest = NULL;
  g_autofree guint8 *bytes = NULL;
  g_autoptr (GString) contents = NULL;
  g_autoptr (GError) error = NULL;
  const RenderVk *vk = &self->life->vk;
  gsize n = 0;

  if (!self->cache_dirty)
    return;
  self->cache_dirty = FALSE;
  if (path == NULL || self->cache == VK_NULL_HANDLE
      || vk->GetPipelineCacheData (self->life->handle, self->cache, &n, NULL) != VK_SUCCESS
      || n == 0)
    return;
  bytes = g_malloc (n);
  if (vk->GetPipelineCacheData (self->life->handle, self->cache, &n, bytes) != VK_SUCCESS)
    return;
  digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, bytes, n);
  contents = g_string_new (digest);
  g_string_append_c (contents, '\n');
  g_string_append_len (contents, (const char *) bytes, (gssize) n);
  g_mkdir_with_parents (self->cache_dir, 0700);
  if (!g_file_set_contents (path, contents->str, (gssize) contents->len, &error))
    g_debug ("pipeline cache: %s", error->message);
}

/* --- fixed things --- */

static gboolean
create_sampler (RenderDevice *self, VkFilter filter, VkSampler *sampler, GError **error)
{
  const VkSamplerCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
    .magFilter = filter,
    .minFilter = filter,
    .addressModeU = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
    .addressModeV = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
    .addressModeW = VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
  };
  VkResult result = self->life->vk.CreateSampler (self->life->handle, &info, NULL, sampler);

  if (result == VK_SUCCESS)
    render_objects_add (1);
  else
    render_set_error (error, result, "vkCreateSampler");
  return result == VK_SUCCESS;
}

static gboolean
create_layouts (RenderDevice *self, GError **error)
{
  const RenderVk *vk = &self->life->vk;
  VkDescriptorSetLayoutBinding bindings[RENDER_N_BINDINGS];
  const VkDescriptorSetLayoutCreateInfo set = {
    .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
    .bindingCount = RENDER_N_BINDINGS,
    .pBindings = bindings,
  };
  const VkPipelineLayoutCreateInfo layout = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
    .setLayoutCount = 1,
    .pSetLayouts = &self->set_layout,
  };
  VkResult result;

  for (guint32 b = 0; b < RENDER_N_BINDINGS; b++)
    bindings[b] = (VkDescriptorSetLayoutBinding){
      .binding = b,
      .descriptorType = b == RENDER_BINDING_UNIFORMS ? VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER
                                                     : VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
      .descriptorCount = 1,
      .stageFlags = VK_SHADER_STAGE_VERTEX_BIT | VK_SHADER_STAGE_FRAGMENT_BIT,
    };
  result = vk->CreateDescriptorSetLayout (self->life->handle, &set, NULL, &self->set_layout);
  if (result == VK_SUCCESS)
    {
      render_objects_add (1);
      result = vk->CreatePipelineLayout (self->life->handle, &layout, NULL, &self->layout);
    }
  if (result == VK_SUCCESS)
    render_objects_add (1);
  else
    render_set_error (error, result, "vkCreatePipelineLayout");
  return result == VK_SUCCESS;
}

static gboolean
create_render_pass (RenderDevice *self, GError **error)
{
  const VkAttachmentDescription attachment = {
    .format = render_device_get_target_format (self),
    .samples = VK_SAMPLE_COUNT_1_BIT,
    .loadOp = VK_ATTACHMENT_LOAD_OP_CLEAR,
    .storeOp = VK_ATTACHMENT_STORE_OP_STORE,
    .stencilLoadOp = VK_ATTACHMENT_LOAD_OP_DONT_CARE,
    .stencilStoreOp = VK_ATTACHMENT_STORE_OP_DONT_CARE,
    .initialLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
    .finalLayout = VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
  };
  const VkAttachmentReference reference = { 0, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL };
  const VkSubpassDescription subpass = {
    .pipelineBindPoint = VK_PIPELINE_BIND_POINT_GRAPHICS,
    .colorAttachmentCount = 1,
    .pColorAttachments = &reference,
  };
  const VkRenderPassCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
    .attachmentCount = 1,
    .pAttachments = &attachment,
    .subpassCount = 1,
    .pSubpasses = &subpass,
  };
  VkResult result =
      self->life->vk.CreateRenderPass (self->life->handle, &info, NULL, &self->render_pass);

  if (result == VK_SUCCESS)
    render_objects_add (1);
  else
    render_set_error (error, result, "vkCreateRenderPass");
  return result == VK_SUCCESS;
}

static RenderTexture *
create_dummy (RenderDevice *self, VkFormat format, int depth, GError **error)
{
  RenderTexture *texture = render_texture_create (
      self, &(RenderTextureParams){ .format = format, .width = 1, .height = 1, .depth = depth },
      error);

  if (texture != NULL)
    render_texture_clear (self, texture);
  return texture;
}

static gboolean
create_colour_maps (RenderDevice *self, GError **error)
{
  VkBuffer buffer;
  VkDeviceSize offset;
  guint8 *rgba = render_stage (self, 256 * RENDER_N_COLOUR_MAPS * 4, &buffer, &offset, error);

  if (rgba == NULL)
    return FALSE;
  for (int m = 0; m < RENDER_N_COLOUR_MAPS; m++)
    for (int v = 0; v < 256; v++, rgba += 4)
      {
        float rgb[3];

        render_colour_map_get ((RenderColourMap) m, v / 255.0, rgb);
        for (int c = 0; c < 3; c++)
          rgba[c] = (guint8) (rgb[c] * 255.0f + 0.5f);
        rgba[3] = 255;
      }
  self->colour_maps = render_texture_create (
      self,
      &(RenderTextureParams){
          .format = VK_FORMAT_R8G8B8A8_UNORM, .width = 256, .height = RENDER_N_COLOUR_MAPS },
      error);
  if (self->colour_maps == NULL)
    return FALSE;
  render_texture_upload (self, self->colour_maps, buffer, offset, (int[3]){ 0, 0, 0 },
                         (int[3]){ 256, RENDER_N_COLOUR_MAPS, 1 });
  return TRUE;
}

static guint
key_hash (gconstpointer data)
{
  const gint32 *words = data;
  guint hash = 5381;

  for (gsize w = 0; w < sizeof (RenderPipelineKey) / sizeof *words; w++)
    hash = hash * 33 + (guint) words[w];
  return hash;
}

static gboolean
key_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (RenderPipelineKey)) == 0;
}

gboolean
render_pipelines_open (RenderDevice *self, GError **error)
{
  self->pipelines = g_hash_table_new_full (key_hash, key_equal, g_free, NULL);
  if (!create_sampler (self, VK_FILTER_NEAREST, &self->nearest, error)
      || !create_sampler (self, VK_FILTER_LINEAR, &self->linear, error)
      || !create_layouts (self, error) || !create_render_pass (self, error))
    return FALSE;
  open_cache (self);
  /* The first commands of this life; they go out with the first job's. */
  if (render_device_begin (self, error) == NULL)
    return FALSE;
  self->dummy_float = create_dummy (self, VK_FORMAT_R8_UNORM, 1, error);
  if (self->dummy_float != NULL)
    self->dummy_uint = create_dummy (self, VK_FORMAT_R8_UINT, 1, error);
  if (self->dummy_uint != NULL)
    self->dummy_2d = create_dummy (self, VK_FORMAT_R8G8B8A8_UNORM, 0, error);
  if (self->dummy_2d != NULL)
    self->dummy_2d_uint = create_dummy (self, VK_FORMAT_R32G32B32A32_UINT, 0, error);
  return self->dummy_2d_uint != NULL && create_colour_maps (self, error);
}

void
render_pipelines_close (RenderDevice *self)
{
  const RenderVk *vk = &self->life->vk;
  const VkDevice device = self->life->handle;
  GHashTableIter iter;
  gpointer pipeline;

#define CLEAR(field, Destroy)                                                                      \
  if (self->field != VK_NULL_HANDLE)                                                               \
    {                                                                                              \
      vk->Destroy (device, self->field, NULL);                                                     \
      render_objects_add (-1);                                                                     \
      self->field = VK_NULL_HANDLE;                                                                \
    }
  if (self->pipelines != NULL)
    {
      g_hash_table_iter_init (&iter, self->pipelines);
      while (g_hash_table_iter_next (&iter, NULL, &pipeline))
        {
          vk->DestroyPipeline (device, (VkPipeline) pipeline, NULL);
          render_objects_add (-1);
        }
    }
  g_clear_pointer (&self->pipelines, g_hash_table_unref);
  self->slot = NULL;
  CLEAR (cache, DestroyPipelineCache);
  CLEAR (nearest, DestroySampler);
  CLEAR (linear, DestroySampler);
  CLEAR (layout, DestroyPipelineLayout);
  CLEAR (set_layout, DestroyDescriptorSetLayout);
  CLEAR (render_pass, DestroyRenderPass);
#undef CLEAR
  render_texture_destroy (self, g_steal_pointer (&self->dummy_float));
  render_texture_destroy (self, g_steal_pointer (&self->dummy_uint));
  render_texture_destroy (self, g_steal_pointer (&self->dummy_2d));
  render_texture_destroy (self, g_steal_pointer (&self->dummy_2d_uint));
  render_texture_destroy (self, g_steal_pointer (&self->colour_maps));
}

/* --- pipelines --- */

static VkShaderModule
create_module (RenderDevice *self, const Spirv *spirv, GError **error)
{
  const VkShaderModuleCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
    .codeSize = spirv->size_bytes,
    .pCode = spirv->words,
  };
  VkShaderModule module = VK_NULL_HANDLE;
  VkResult result = self->life->vk.CreateShaderModule (self->life->handle, &info, NULL, &module);

  if (result == VK_SUCCESS)
    render_objects_add (1);
  else
    render_set_error (error, result, "vkCreateShaderModule");
  return module;
}

static void
destroy_module (RenderDevice *self, VkShaderModule module)
{
  if (module == VK_NULL_HANDLE)
    return;
  self->life->vk.DestroyShaderModule (self->life->handle, module, NULL);
  render_objects_add (-1);
}

static VkResult
create_graphics (RenderDevice *self, const VkPipelineShaderStageCreateInfo stages[2],
                 gboolean marks, VkPipeline *pipeline)
{
  static const VkVertexInputBindingDescription instances = { 0, 16 * sizeof (float),
                                                             VK_VERTEX_INPUT_RATE_INSTANCE };
  static const VkVertexInputAttributeDescription attributes[4] = {
    { 0, 0, VK_FORMAT_R32G32B32A32_SFLOAT, 0 },
    { 1, 0, VK_FORMAT_R32G32B32A32_SFLOAT, 16 },
    { 2, 0, VK_FORMAT_R32G32B32A32_SFLOAT, 32 },
    { 3, 0, VK_FORMAT_R32G32B32A32_SFLOAT, 48 },
  };
  const VkPipelineVertexInputStateCreateInfo vertices = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
    .vertexBindingDescriptionCount = marks ? 1 : 0,
    .pVertexBindingDescriptions = &instances,
    .vertexAttributeDescriptionCount = marks ? G_N_ELEMENTS (attributes) : 0,
    .pVertexAttributeDescriptions = attributes,
  };
  const VkPipelineInputAssemblyStateCreateInfo assembly = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
    .topology = marks ? VK_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP : VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST,
  };
  const VkPipelineViewportStateCreateInfo viewport = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO,
    .viewportCount = 1,
    .scissorCount = 1,
  };
  const VkPipelineRasterizationStateCreateInfo raster = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
    .polygonMode = VK_POLYGON_MODE_FILL,
    .cullMode = VK_CULL_MODE_NONE,
    .lineWidth = 1.0f,
  };
  const VkPipelineMultisampleStateCreateInfo samples = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
    .rasterizationSamples = VK_SAMPLE_COUNT_1_BIT,
  };
  const VkPipelineColorBlendAttachmentState attachment = {
    .blendEnable = marks,
    .srcColorBlendFactor = VK_BLEND_FACTOR_SRC_ALPHA,
    .dstColorBlendFactor = VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA,
    .colorBlendOp = VK_BLEND_OP_ADD,
    .srcAlphaBlendFactor = VK_BLEND_FACTOR_ZERO,
    .dstAlphaBlendFactor = VK_BLEND_FACTOR_ONE,
    .alphaBlendOp = VK_BLEND_OP_ADD,
    .colorWriteMask = VK_COLOR_COMPONENT_R_BIT | VK_COLOR_COMPONENT_G_BIT | VK_COLOR_COMPONENT_B_BIT
                      | VK_COLOR_COMPONENT_A_BIT,
  };
  const VkPipelineColorBlendStateCreateInfo blend = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO,
    .attachmentCount = 1,
    .pAttachments = &attachment,
  };
  static const VkDynamicState dynamic_states[] = { VK_DYNAMIC_STATE_VIEWPORT,
                                                   VK_DYNAMIC_STATE_SCISSOR };
  const VkPipelineDynamicStateCreateInfo dynamic = {
    .sType = VK_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO,
    .dynamicStateCount = G_N_ELEMENTS (dynamic_states),
    .pDynamicStates = dynamic_states,
  };
  const VkGraphicsPipelineCreateInfo info = {
    .sType = VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
    .stageCount = 2,
    .pStages = stages,
    .pVertexInputState = &vertices,
    .pInputAssemblyState = &assembly,
    .pViewportState = &viewport,
    .pRasterizationState = &raster,
    .pMultisampleState = &samples,
    .pColorBlendState = &blend,
    .pDynamicState = &dynamic,
    .layout = self->layout,
    .renderPass = self->render_pass,
    .basePipelineIndex = -1,
  };

  return self->life->vk.CreateGraphicsPipelines (self->life->handle, self->cache, 1, &info, NULL,
                                                 pipeline);
}

static VkPipeline
create_pipeline (RenderDevice *self, const RenderPipelineKey *key, GError **error)
{
  VkSpecializationMapEntry entries[RENDER_N_CONSTANTS];
  const VkSpecializationInfo constants = {
    .mapEntryCount = RENDER_N_CONSTANTS,
    .pMapEntries = entries,
    .dataSize = sizeof key->constants,
    .pData = key->constants,
  };
  VkPipelineShaderStageCreateInfo stages[2] = {
    { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
      .stage = VK_SHADER_STAGE_VERTEX_BIT,
      .pName = "main" },
    { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
      .stage = VK_SHADER_STAGE_FRAGMENT_BIT,
      .pName = "main",
      .pSpecializationInfo = &constants },
  };
  VkPipeline pipeline = VK_NULL_HANDLE;
  VkResult result = VK_ERROR_INITIALIZATION_FAILED;

  for (guint32 c = 0; c < RENDER_N_CONSTANTS; c++)
    entries[c] = (VkSpecializationMapEntry){ c, c * 4, 4 };
  stages[0].module = create_module (self, &passes[key->pass].vertex, error);
  if (stages[0].module != VK_NULL_HANDLE)
    stages[1].module = create_module (self, &passes[key->pass].fragment, error);
  if (stages[1].module != VK_NULL_HANDLE)
    result = create_graphics (self, stages, key->pass == RENDER_PASS_MARKS, &pipeline);
  destroy_module (self, stages[0].module);
  destroy_module (self, stages[1].module);
  if (result == VK_SUCCESS)
    {
      render_objects_add (1);
      self->cache_dirty = TRUE;
      return pipeline;
    }
  if (error != NULL && *error == NULL)
    render_set_error (error, result, "The graphics device refuses a shader");
  return VK_NULL_HANDLE;
}

VkPipeline
render_pipeline_get (RenderDevice *self, const RenderPipelineKey *key, GError **error)
{
  gpointer found = g_hash_table_lookup (self->pipelines, key);
  VkPipeline pipeline;

  if (found != NULL)
    return (VkPipeline) found;
  pipeline = create_pipeline (self, key, error);
  if (pipeline != VK_NULL_HANDLE)
    g_hash_table_insert (self->pipelines, g_memdup2 (key, sizeof *key), (gpointer) pipeline);
  return pipeline;
}

/* --- descriptor sets --- */

static RenderTexture *
texture_or_dummy (RenderDevice *self, const RenderBindings *bindings, int b)
{
  if (bindings->textures[b] != NULL)
    return bindings->textures[b];
  switch (b)
    {
    case RENDER_BINDING_COLOUR_MAPS:
      return self->colour_maps;
    case RENDER_BINDING_PALETTE:
    case RENDER_BINDING_FLAT_VALUES:
      return self->dummy_2d;
    case RENDER_BINDING_FLAT_OVERLAY:
      return self->dummy_2d_uint;
    case RENDER_BINDING_LABELS:
    case RENDER_BINDING_COMPARE:
    case RENDER_BINDING_PROVENANCE:
      return self->dummy_uint;
    default:
      return self->dummy_float;
    }
}

VkDescriptorSet
render_bindings_create (RenderDevice *self, const RenderBindings *bindings, GError **error)
{
  const RenderVk *vk = &self->life->vk;
  const VkDescriptorSetAllocateInfo info = {
    .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
    .descriptorPool = self->slot->descriptors,
    .descriptorSetCount = 1,
    .pSetLayouts = &self->set_layout,
  };
  VkWriteDescriptorSet writes[RENDER_N_BINDINGS];
  VkDescriptorImageInfo images[RENDER_N_BINDINGS];
  const VkDescriptorBufferInfo uniforms = { bindings->uniforms, bindings->uniforms_offset,
                                            bindings->uniforms_size };
  VkDescriptorSet set = VK_NULL_HANDLE;
  VkResult result = vk->AllocateDescriptorSets (self->life->handle, &info, &set);
  guint32 n = 0;

  if (result != VK_SUCCESS)
    {
      render_set_error (error, result, "vkAllocateDescriptorSets");
      return VK_NULL_HANDLE;
    }
  for (int b = 0; b < RENDER_N_BINDINGS; b++)
    {
      VkWriteDescriptorSet *write = &writes[n];
      RenderTexture *texture;

      *write = (VkWriteDescriptorSet){ .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                       .dstSet = set,
                                       .dstBinding = (guint32) b,
                                       .descriptorCount = 1 };
      n++;
      if (b == RENDER_BINDING_UNIFORMS)
        {
          write->descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER;
          write->pBufferInfo = &uniforms;
          continue;
        }
      texture = texture_or_dummy (self, bindings, b);
      write->descriptorType = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER;
      write->pImageInfo = &images[b];
      images[b] = (VkDescriptorImageInfo){
        .sampler = self->nearest,
        .imageView = texture->view,
        .imageLayout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL,
      };
      if (b == RENDER_BINDING_SCAN_LINEAR && bindings->scan_is_linear)
        images[b].sampler = self->linear;
      else if (b == RENDER_BINDING_FIELD && bindings->field_is_linear)
        images[b].sampler = self->linear;
    }
  vk->UpdateDescriptorSets (self->life->handle, n, writes, 0, NULL);
  return set;
}
