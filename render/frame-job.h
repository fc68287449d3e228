/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The work that ends in a RenderFrame, whatever is in it. Private to render/. */

#include <gio/gio.h>

#include "render/device-private.h"
#include "render/frame.h"

G_BEGIN_DECLS

typedef struct _RenderFrameJob RenderFrameJob;
struct _RenderFrameJob
{
  RenderJob job;
  int width, height;
  float background[3]; /* sRGB, where nothing is drawn */
  /* Drawn in so many horizontal bands, one turn of the queue each, so that a slow picture lets
   * quick ones pass; 0 counts as 1. */
  int n_bands;
  /* Sends what is missing; may be called more than once. */
  gboolean (*prepare) (RenderFrameJob *self, RenderDevice *device, GError **error);
  /* Uniforms, descriptor sets and pipelines; then, inside the render pass, draws. */
  gboolean (*bind) (RenderFrameJob *self, RenderDevice *device, GError **error);
  void (*draw) (RenderFrameJob *self, RenderDevice *device);
  /* Frees what the job holds, not the job. */
  void (*clear) (RenderFrameJob *self);
  gboolean exact;
  gboolean may_stay; /* on the device, see dmabuf.h */

  /* private */
  RenderFrame *frame;
  RenderTexture *drawn; /* what is drawn into: the frame's own picture, or @target */
  RenderTexture *target; /* (owned) between bands, with the life of the device it belongs to */
  RenderLife *life;
  int band;
  GTask *task; /* NULL: somebody waits */
  GMutex lock;
  GCond done;
  gboolean is_done;
  GError *error;
};

/* Takes @self, a g_new0 of a struct that begins with RenderFrameJob. */
void render_frame_job_start (RenderFrameJob *self, RenderDevice *device, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data, gpointer source_tag);
RenderFrame *render_frame_job_run (RenderFrameJob *self, RenderDevice *device, GError **error);

/* For bind(): uniforms into the slot; for draw(): one pipeline over the whole frame. */
gboolean render_frame_job_stage_uniforms (RenderDevice *device, gconstpointer uniforms,
                                          gsize size_bytes, RenderBindings *bindings,
                                          GError **error);
void render_frame_job_draw_full (RenderDevice *device, VkPipeline pipeline, VkDescriptorSet set);

G_END_DECLS
