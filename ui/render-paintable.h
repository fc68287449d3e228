/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gtk/gtk.h>

#include "render/slice.h"
#include "render/volume-view.h"
#include "ui/ui-types.h"

G_BEGIN_DECLS

#define UI_TYPE_RENDER_PAINTABLE (ui_render_paintable_get_type ())
G_DECLARE_FINAL_TYPE (UiRenderPaintable, ui_render_paintable, UI, RENDER_PAINTABLE, GObject)

/**
 * UiRenderPaintable:
 *
 * The last finished frame of a view as a GdkPaintable. Ask for a new one whenever something
 * changed, as often as you like: one frame is under way at a time, the newest wish waits, wishes
 * between are dropped, so the picture never falls behind nor shows an older state after a newer
 * one. Emits "invalidate-contents" when a frame arrives. Never blocks (I8).
 *
 * Draw it over the widget's whole area; frame sizes are device pixels: widget size × scale factor.
 */
UiRenderPaintable *ui_render_paintable_new (RenderDevice *device) G_GNUC_WARN_UNUSED_RESULT;

/* Params are copied; a width or height of 0 or less is ignored. */
void ui_render_paintable_queue_slice (UiRenderPaintable *self, const RenderSliceParams *params);
/* quality is chosen here: RENDER_QUALITY_MOVING while wishes keep coming, then one FINAL. */
void ui_render_paintable_queue_volume (UiRenderPaintable *self, const RenderVolumeParams *params);
/* The renderer of the window, before a snapshot for it. Cairo's takes the frame's memory as it is:
 * to cairo GTK hands textures pixel by pixel through floats (4.8), 10 ms for 600 × 600. */
void ui_render_paintable_set_renderer (UiRenderPaintable *self, GskRenderer *renderer);
/* Once for a device and the display its paintables are shown on (nullable: none): whether frames
 * can go there without a copy. They do where a renderer other than cairo's is set. Returns a
 * sentence for people (transfer full) that says how they go, and why not otherwise. */
char *ui_render_paintable_agree (RenderDevice *device,
                                 GdkDisplay *display) G_GNUC_WARN_UNUSED_RESULT;
/* Forget the picture, e.g. when a scan is closed. */
void ui_render_paintable_clear (UiRenderPaintable *self);

/* Signal "failed" (const char *message): the device could not draw; the old picture stays. */
gboolean ui_render_paintable_has_frame (UiRenderPaintable *self);
/* The view transform of the frame on screen, which may be older than the last wish; FALSE without
 * a slice frame. */
gboolean ui_render_paintable_get_view (UiRenderPaintable *self, RenderSliceView *view);
/* Wall time from wish to frame, median of the last 32, milliseconds. */
double ui_render_paintable_get_latency_ms (UiRenderPaintable *self);

G_END_DECLS
