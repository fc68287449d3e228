/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inside render/. Everything here belongs to the device's own thread unless said otherwise. */

#include "render/device.h"
#include "render/dmabuf.h"
#include "render/vk.h"

G_BEGIN_DECLS

#define RENDER_N_SLOTS 3
#define RENDER_STAGE_BYTES ((gsize) 2 << 20) /* of one piece of an upload */

/* One life of the VkDevice. A frame that outlives it (device lost) keeps its memory mapped. */
typedef struct
{
  int n_refs;
  VkDevice handle;
  RenderVk vk;
} RenderLife;

typedef struct _RenderTexture RenderTexture;

typedef struct
{
  VkBuffer handle;
  VkDeviceMemory memory;
  gsize size_bytes, allocated_bytes;
  guint8 *map;
  gboolean must_invalidate;
  RenderLife *life; /* (owned) for read-back buffers, which may outlive the device's life */
  RenderTexture
      *picture; /* lies in the memory, in the place of a VkBuffer: drawn where it is read */
  gsize stride_bytes; /* of @picture */
} RenderBuffer;

struct _RenderTexture
{
  VkImage image;
  VkImageView view;
  VkDeviceMemory memory;
  VkFormat format;
  int size[3];
  gsize allocated_bytes;
  VkImageLayout layout;
  VkFramebuffer framebuffer; /* of render targets */
  RenderLife *life; /* (owned) with @dmabuf, which may outlive the device's life */
  RenderDmabuf *dmabuf; /* of what the display shows; else NULL */
  guint generation; /* of the agreement it was made for */
};

typedef struct
{
  VkFormat format;
  int width, height, depth; /* depth 0: a 2-D image */
  gboolean is_target;
  RenderBuffer *within; /* rows in order in the memory of this one, or NULL */
  /* One of these layouts, to be exported with this DRM format. */
  const guint64 *modifiers;
  guint32 n_modifiers, fourcc;
} RenderTextureParams;

/* What lives on the device and comes back by itself after a loss: @drop destroys its Vulkan
 * objects at once; the next record() of a job that uses it makes them anew. */
typedef struct _RenderResident RenderResident;
struct _RenderResident
{
  void (*drop) (RenderResident *self, RenderDevice *device);
  /* Sends the next piece; FALSE when there is nothing more to send, or on error. NULL if none. */
  gboolean (*upload_step) (RenderResident *self, RenderDevice *device, GError **error);
};

/* Private code of RENDER_ERROR: record() asks to be called again when all uploads are done. */
#define RENDER_ERROR_LATER 1000

/* A piece of work in the queue. @record puts commands into the current slot (and may be called
 * again after a device loss or RENDER_ERROR_LATER); @done, called once, ends and frees the job. */
typedef struct _RenderJob RenderJob;
struct _RenderJob
{
  gboolean (*record) (RenderJob *self, RenderDevice *device, GError **error);
  void (*done) (RenderJob *self, RenderDevice *device, const GError *error);
};

typedef struct
{
  VkCommandPool pool;
  VkCommandBuffer cmd;
  VkDescriptorPool descriptors;
  RenderBuffer *arena;
  gsize arena_used;
  guint64 value; /* of the timeline when done */
  GQueue jobs; /* RenderJob */
  GPtrArray *stages; /* RenderBuffer to give back to the pool */
  GPtrArray *targets; /* RenderTexture to give back */
  GPtrArray *releases; /* RenderTexture to destroy */
} RenderSlot;

typedef struct _RenderFlatCache RenderFlatCache; /* flat.c */
typedef struct _RenderExports RenderExports; /* dmabuf.c */

struct _RenderDevice
{
  int n_refs; /* atomic */
  RenderDeviceInfo info;
  gboolean validate, direct, step_through;
  char *cache_dir;
  RenderPixelOrder pixel_order;
  int max_image_3d, max_image_2d;
  guint64 max_scan_bytes, max_memory_bytes;
  VkDeviceSize uniform_align;
  guint8 cache_uuid[VK_UUID_SIZE];
  guint32 vendor_id, device_id;

  GThread *thread;
  GMutex lock; /* guards the next lines */
  GCond wake;
  GQueue jobs; /* RenderJob */
  GQueue returned; /* RenderBuffer of frames nobody uses any more */
  GQueue waiters; /* of render_device_wait_sync() */
  gboolean quit, lose;

  /* atomic or under lock, read by any thread */
  guint64 memory_now, memory_peak;
  guint n_recoveries;

  RenderInstance *instance;
  VkPhysicalDevice physical;
  VkPhysicalDeviceMemoryProperties memory_types;
  guint32 family;
  RenderLife *life;
  VkQueue queue;
  GError *dead; /* set when the device could not be brought back */

  VkSemaphore timeline;
  guint64 submitted, completed;
  RenderSlot slots[RENDER_N_SLOTS];
  RenderSlot *slot; /* being recorded, or NULL */
  GQueue in_flight; /* RenderSlot, oldest first */

  GPtrArray *residents; /* RenderResident */
  GPtrArray *uploads; /* RenderResident that have more to send */
  GQueue later; /* RenderJob that wait for them */
  GPtrArray *stages; /* RenderBuffer, free */
  GPtrArray *readbacks; /* RenderBuffer, free */
  GPtrArray *targets; /* RenderTexture, free */

  VkSampler nearest, linear;
  VkDescriptorSetLayout set_layout;
  VkPipelineLayout layout;
  VkRenderPass render_pass;
  VkPipelineCache cache;
  gboolean cache_dirty;
  RenderFlatCache *flats; /* NULL until there is one */
  RenderExports *exports;
  guint64 n_serials; /* of scans and of changes of labels */
  GHashTable *pipelines; /* RenderPipelineKey → VkPipeline */
  RenderTexture *dummy_float, *dummy_uint, *dummy_2d, *dummy_2d_uint, *colour_maps;
};

/* device.c; any thread */
VkFormat render_device_get_target_format (RenderDevice *self);
void render_device_post (RenderDevice *self, RenderJob *job);
void render_device_return_buffer (RenderDevice *self, RenderBuffer *buffer);

/* device.c */
void render_device_add_resident (RenderDevice *self, RenderResident *resident);
/* upload_step() is called again until it has nothing more to send. */
void render_device_add_upload (RenderDevice *self, RenderResident *resident);
void render_device_remove_resident (RenderDevice *self, RenderResident *resident);
/* Hands on what is recorded so far, so that a long upload holds little memory at a time. */
gboolean render_device_flush (RenderDevice *self, GError **error);
/* The slot to record into; begun if need be. NULL with an error. */
RenderSlot *render_device_begin (RenderDevice *self, GError **error);

/* device-open.c */
gboolean render_device_open (RenderDevice *self, const char *name, gboolean hardware_only,
                             GError **error);
gboolean render_device_open_life (RenderDevice *self, GError **error);
void render_device_close_life (RenderDevice *self);
RenderLife *render_life_ref (RenderLife *self);
void render_life_unref (RenderLife *self);

/* memory.c */
RenderBuffer *render_buffer_create (RenderDevice *self, gsize size_bytes, gboolean readback,
                                    GError **error);
void render_buffer_destroy (RenderDevice *self, RenderBuffer *buffer);
RenderTexture *render_texture_create (RenderDevice *self, const RenderTextureParams *params,
                                      GError **error);
void render_texture_destroy (RenderDevice *self, RenderTexture *texture);
/* Destroys it when the slot being recorded, and with it all before, is done. */
void render_texture_release (RenderDevice *self, RenderTexture *texture);
/* The taker puts it back into self->targets when what draws into it is done. */
RenderTexture *render_target_take (RenderDevice *self, int width, int height, GError **error);
RenderBuffer *render_readback_take (RenderDevice *self, gsize size_bytes, GError **error);
/* Where the host's memory is the device's: a buffer that is drawn into. NULL without an error where
 * it is not. */
RenderBuffer *render_picture_take (RenderDevice *self, int width, int height, GError **error);
/* Host memory of the current slot, to be read by its commands. */
gpointer render_stage (RenderDevice *self, gsize size_bytes, VkBuffer *buffer, VkDeviceSize *offset,
                       GError **error);
void render_pools_trim (RenderDevice *self, gsize keep_stage_bytes);
/* From whatever layout it is in. */
void render_texture_barrier (RenderDevice *self, RenderTexture *texture, VkImageLayout layout);
/* Copies tightly packed texels at @offset of @buffer to a box of the texture, which is left
 * readable by shaders. */
void render_texture_upload (RenderDevice *self, RenderTexture *texture, VkBuffer buffer,
                            VkDeviceSize offset, const int lo[3], const int extent[3]);
void render_texture_clear (RenderDevice *self, RenderTexture *texture);

/* pipeline.c */
#define RENDER_N_BINDINGS 11
#define RENDER_N_CONSTANTS 12
typedef enum
{
  RENDER_PASS_SLICE,
  RENDER_PASS_FLAT,
  RENDER_PASS_MARKS,
  RENDER_PASS_VOLUME,
  RENDER_N_PASSES,
} RenderPass;

typedef struct
{
  gint32 pass;
  gint32 constants[RENDER_N_CONSTANTS];
} RenderPipelineKey;

gboolean render_pipelines_open (RenderDevice *self, GError **error);
void render_pipelines_close (RenderDevice *self);
void render_pipelines_save (RenderDevice *self);
VkPipeline render_pipeline_get (RenderDevice *self, const RenderPipelineKey *key, GError **error);

/* One descriptor set for a draw. NULL textures become dummies of the binding's type. */
typedef struct
{
  VkBuffer uniforms;
  VkDeviceSize uniforms_offset, uniforms_size;
  RenderTexture *textures[RENDER_N_BINDINGS]; /* [0] unused: the uniforms' binding */
  gboolean scan_is_linear, field_is_linear; /* sample them with the linear sampler */
} RenderBindings;
VkDescriptorSet render_bindings_create (RenderDevice *self, const RenderBindings *bindings,
                                        GError **error);

/* Bindings, as in shaders/bindings.glsl */
enum
{
  RENDER_BINDING_UNIFORMS,
  RENDER_BINDING_SCAN, /* sampler3D, nearest */
  RENDER_BINDING_SCAN_LINEAR, /* sampler3D, linear where the format allows */
  RENDER_BINDING_LABELS, /* usampler3D */
  RENDER_BINDING_COMPARE, /* usampler3D; also the blocks with surfaces */
  RENDER_BINDING_PROVENANCE, /* usampler3D */
  RENDER_BINDING_FIELD, /* sampler3D, nearest; also the smooth occupancy, linear */
  RENDER_BINDING_PALETTE, /* sampler2D 256 × 256: look of each label */
  RENDER_BINDING_COLOUR_MAPS, /* sampler2D 256 × n */
  RENDER_BINDING_FLAT_VALUES, /* sampler2D, see flat.h */
  RENDER_BINDING_FLAT_OVERLAY, /* usampler2D */
};

/* frame.c */
RenderFrame *render_frame_new_take (RenderDevice *device, RenderBuffer *buffer, int width,
                                    int height);
/* Takes the texture, which is drawn. */
RenderFrame *render_frame_new_export (RenderDevice *device, RenderTexture *texture);
void render_frame_set_exact (RenderFrame *self, gboolean exact);
/* Makes what the device wrote visible to the host. */
void render_frame_finish_read (RenderFrame *self, RenderDevice *device);
VkBuffer render_frame_get_buffer (RenderFrame *self);

G_END_DECLS
