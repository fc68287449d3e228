/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/render-paintable.h"

#include "render/dmabuf.h"

#include <stdlib.h>
#include <string.h>

#define N_LATENCIES 32
#define SETTLE_MS 180 /* without a new wish the 3-D view is drawn in full */

typedef enum
{
  WISH_NONE,
  WISH_SLICE,
  WISH_VOLUME
} WishKind;

/* What to draw, with references of its own. */
typedef struct
{
  WishKind kind;
  RenderSliceParams slice;
  RenderVolumeParams volume;
  gint64 asked_us;
} Wish;

struct _UiRenderPaintable
{
  GObject parent_instance;

  RenderDevice *device;
  RenderFrame *frame; /* shown; NULL before the first */
  GdkTexture *texture; /* of it, or NULL until asked for */
  GskRenderNode *node; /* likewise, for cairo */
  gboolean is_for_cairo;
  gboolean may_stay; /* on the device: what shows it takes DMA buffers, if there are any */
  gboolean has_view;
  RenderSliceView view; /* of the texture */

  Wish waiting; /* kind WISH_NONE if none */
  Wish under_way; /* likewise */
  Wish settled; /* what to draw in full when the wishes pause */
  guint settle_id;
  GCancellable *cancellable;

  double latencies_ms[N_LATENCIES];
  guint n_latencies;
};

enum
{
  SIGNAL_FAILED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void ui_render_paintable_iface_init (GdkPaintableInterface *iface);
static void start_waiting (UiRenderPaintable *self);

G_DEFINE_TYPE_WITH_CODE (UiRenderPaintable, ui_render_paintable, G_TYPE_OBJECT,
                         G_IMPLEMENT_INTERFACE (GDK_TYPE_PAINTABLE, ui_render_paintable_iface_init))

/* --- wishes --- */

static void
wish_clear (Wish *wish)
{
  g_clear_pointer (&wish->slice.scan, render_scan_unref);
  g_clear_pointer (&wish->slice.labels, render_labels_unref);
  g_clear_pointer (&wish->slice.compare, render_labels_unref);
  g_clear_pointer (&wish->slice.field, render_field_unref);
  render_marks_free ((RenderMarks *) wish->slice.marks);
  g_clear_pointer (&wish->volume.scan, render_scan_unref);
  g_clear_pointer (&wish->volume.labels, render_labels_unref);
  memset (wish, 0, sizeof *wish);
}

static void
wish_set_slice (Wish *wish, const RenderSliceParams *params)
{
  Wish fresh = { .kind = WISH_SLICE, .slice = *params, .asked_us = g_get_monotonic_time () };

  render_scan_ref (params->scan);
  if (params->labels != NULL)
    render_labels_ref (params->labels);
  if (params->compare != NULL)
    render_labels_ref (params->compare);
  if (params->field != NULL)
    render_field_ref (params->field);
  fresh.slice.marks = params->marks != NULL ? render_marks_copy (params->marks) : NULL;
  wish_clear (wish);
  *wish = fresh;
}

static void
wish_set_volume (Wish *wish, const RenderVolumeParams *params)
{
  Wish fresh = { .kind = WISH_VOLUME, .volume = *params, .asked_us = g_get_monotonic_time () };

  render_scan_ref (params->scan);
  if (params->labels != NULL)
    render_labels_ref (params->labels);
  wish_clear (wish);
  *wish = fresh;
}

/* --- frames --- */

static void
note_latency (UiRenderPaintable *self, gint64 asked_us)
{
  self->latencies_ms[self->n_latencies++ % N_LATENCIES] =
      (double) (g_get_monotonic_time () - asked_us) / 1000.0;
}

#if GTK_CHECK_VERSION(4, 14, 0)
/* Newer than the version that the program asks for; it is compiled where it is there. */
G_GNUC_BEGIN_IGNORE_DEPRECATIONS

static gboolean
offer_formats (RenderDevice *device, GdkDisplay *display, char **why_not)
{
  GdkDmabufFormats *known = display != NULL ? gdk_display_get_dmabuf_formats (display) : NULL;
  const gsize n = known != NULL ? gdk_dmabuf_formats_get_n_formats (known) : 0;
  g_autofree RenderDmabufFormat *formats = g_new0 (RenderDmabufFormat, n + 1);

  for (gsize f = 0; f < n; f++)
    gdk_dmabuf_formats_get_format (known, f, &formats[f].fourcc, &formats[f].modifier);
  return render_device_offer_dmabuf (device, formats, n, why_not);
}

/* The device's memory itself, which the frame keeps and closes. */
static GdkTexture *
texture_of_dmabuf (RenderFrame *frame, GError **error)
{
  const RenderDmabuf *dmabuf = render_frame_get_dmabuf (frame);
  g_autoptr (GdkDmabufTextureBuilder) builder = gdk_dmabuf_texture_builder_new ();
  GdkTexture *texture;

  gdk_dmabuf_texture_builder_set_display (builder, gdk_display_get_default ());
  gdk_dmabuf_texture_builder_set_width (builder, (guint) render_frame_get_width (frame));
  gdk_dmabuf_texture_builder_set_height (builder, (guint) render_frame_get_height (frame));
  gdk_dmabuf_texture_builder_set_fourcc (builder, dmabuf->fourcc);
  gdk_dmabuf_texture_builder_set_modifier (builder, dmabuf->modifier);
  gdk_dmabuf_texture_builder_set_premultiplied (builder, TRUE);
  gdk_dmabuf_texture_builder_set_n_planes (builder, (guint) dmabuf->n_planes);
  for (int p = 0; p < dmabuf->n_planes; p++)
    {
      gdk_dmabuf_texture_builder_set_fd (builder, (guint) p, dmabuf->fds[p]);
      gdk_dmabuf_texture_builder_set_offset (builder, (guint) p, dmabuf->offsets[p]);
      gdk_dmabuf_texture_builder_set_stride (builder, (guint) p, dmabuf->strides[p]);
    }
  texture = gdk_dmabuf_texture_builder_build (builder, (GDestroyNotify) render_frame_unref,
                                              render_frame_ref (frame), error);
  if (texture == NULL)
    render_frame_unref (frame);
  return texture;
}

G_GNUC_END_IGNORE_DEPRECATIONS
#else
static gboolean
offer_formats (RenderDevice *device, GdkDisplay *display, char **why_not)
{
  *why_not = g_strdup_printf ("it was built with GTK %d.%d, which takes no DMA buffers (4.14 does)",
                              GTK_MAJOR_VERSION, GTK_MINOR_VERSION);
  return FALSE;
}

static GdkTexture *
texture_of_dmabuf (RenderFrame *frame, GError **error)
{
  /* Never asked for: nothing was offered. */
  g_set_error_literal (error, RENDER_ERROR, RENDER_ERROR_FAILED, "GTK takes no DMA buffers");
  return NULL;
}
#endif

/* The frame's memory itself: no copy, and the ring does not write it while the texture lives. */
static GdkTexture *
texture_of_frame (RenderFrame *frame)
{
  g_autoptr (GBytes) bytes = render_frame_get_bytes (frame);

  return gdk_memory_texture_new (render_frame_get_width (frame), render_frame_get_height (frame),
                                 render_frame_get_pixel_order (frame) == RENDER_PIXEL_ORDER_BGRA
                                     ? GDK_MEMORY_B8G8R8A8_PREMULTIPLIED
                                     : GDK_MEMORY_R8G8B8A8_PREMULTIPLIED,
                                 bytes, render_frame_get_stride_bytes (frame));
}

static GdkTexture *
get_texture (UiRenderPaintable *self)
{
  if (self->texture == NULL)
    self->texture = texture_of_frame (self->frame);
  return self->texture;
}

/* The same node for the same frame: GTK sees that nothing changed there. */
static GskRenderNode *
get_node (UiRenderPaintable *self, double width, double height)
{
  const graphene_rect_t bounds = GRAPHENE_RECT_INIT (0.0f, 0.0f, (float) width, (float) height);
  const int frame_width = render_frame_get_width (self->frame);
  const int frame_height = render_frame_get_height (self->frame);
  static const cairo_user_data_key_t frame_key;
  cairo_surface_t *surface;
  graphene_rect_t drawn;
  cairo_t *cr;

  if (self->node != NULL)
    {
      gsk_render_node_get_bounds (self->node, &drawn);
      if (graphene_rect_equal (&drawn, &bounds))
        return self->node;
      gsk_render_node_unref (self->node);
    }
  surface = cairo_image_surface_create_for_data ((guchar *) render_frame_get_pixels (self->frame),
                                                 CAIRO_FORMAT_RGB24, frame_width, frame_height,
                                                 (int) render_frame_get_stride_bytes (self->frame));
  cairo_surface_set_user_data (surface, &frame_key, render_frame_ref (self->frame),
                               (cairo_destroy_func_t) render_frame_unref);
  self->node = gsk_cairo_node_new (&bounds);
  cr = gsk_cairo_node_get_draw_context (self->node);
  cairo_scale (cr, width / frame_width, height / frame_height);
  cairo_set_source_surface (cr, surface, 0, 0);
  cairo_paint (cr);
  cairo_destroy (cr);
  cairo_surface_destroy (surface);
  return self->node;
}

static void
forget_frame (UiRenderPaintable *self)
{
  g_clear_object (&self->texture);
  g_clear_pointer (&self->node, gsk_render_node_unref);
  g_clear_pointer (&self->frame, render_frame_unref);
}

/* FALSE: the display does not take it after all. From now on frames are read back, this one too. */
static gboolean
show_frame (UiRenderPaintable *self, RenderFrame *frame)
{
  g_autoptr (GdkTexture) texture = NULL;

  if (render_frame_get_dmabuf (frame) != NULL)
    {
      g_autoptr (GError) error = NULL;

      texture = texture_of_dmabuf (frame, &error);
      if (texture == NULL)
        {
          g_message ("Pictures are read back from now on: %s", error->message);
          render_device_refuse_dmabuf (self->device, error->message);
          return FALSE;
        }
    }
  forget_frame (self);
  self->frame = render_frame_ref (frame);
  self->texture = g_steal_pointer (&texture);
  self->has_view = self->under_way.kind == WISH_SLICE;
  if (self->has_view)
    render_slice_view_init (&self->view, render_scan_get_geometry (self->under_way.slice.scan),
                            &self->under_way.slice.placement, self->under_way.slice.width,
                            self->under_way.slice.height);
  note_latency (self, self->under_way.asked_us);
  gdk_paintable_invalidate_contents (GDK_PAINTABLE (self));
  return TRUE;
}

/* What was under way is wished for again, unless there is a newer wish. */
static void
wish_again (UiRenderPaintable *self)
{
  if (self->waiting.kind != WISH_NONE)
    return;
  self->waiting = self->under_way;
  memset (&self->under_way, 0, sizeof self->under_way);
}

static void
frame_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (UiRenderPaintable) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (RenderFrame) frame = self->under_way.kind == WISH_VOLUME
                                      ? render_volume_finish (result, &error)
                                      : render_slice_finish (result, &error);
  const gboolean cancelled = g_cancellable_is_cancelled (self->cancellable);

  if (frame != NULL && !cancelled)
    {
      if (!show_frame (self, frame))
        wish_again (self);
    }
  else if (frame == NULL && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_signal_emit (self, signals[SIGNAL_FAILED], 0, error->message);
  wish_clear (&self->under_way);
  if (cancelled)
    {
      g_object_unref (self->cancellable);
      self->cancellable = g_cancellable_new ();
    }
  start_waiting (self);
}

static void
start_waiting (UiRenderPaintable *self)
{
  if (self->under_way.kind != WISH_NONE || self->waiting.kind == WISH_NONE)
    return;
  self->under_way = self->waiting;
  memset (&self->waiting, 0, sizeof self->waiting);
  self->under_way.slice.may_stay = self->under_way.volume.may_stay = self->may_stay;
  if (self->under_way.kind == WISH_SLICE)
    render_slice_async (self->device, &self->under_way.slice, self->cancellable, frame_cb,
                        g_object_ref (self));
  else
    render_volume_async (self->device, &self->under_way.volume, self->cancellable, frame_cb,
                         g_object_ref (self));
}

static gboolean
settle_cb (gpointer user_data)
{
  UiRenderPaintable *self = user_data;

  self->settle_id = 0;
  if (self->settled.kind == WISH_NONE)
    return G_SOURCE_REMOVE;
  wish_clear (&self->waiting);
  self->waiting = self->settled;
  self->waiting.asked_us = g_get_monotonic_time ();
  memset (&self->settled, 0, sizeof self->settled);
  start_waiting (self);
  return G_SOURCE_REMOVE;
}

static void
forget_settling (UiRenderPaintable *self)
{
  g_clear_handle_id (&self->settle_id, g_source_remove);
  wish_clear (&self->settled);
}

/* --- GdkPaintable --- */

static void
ui_render_paintable_snapshot (GdkPaintable *paintable, GdkSnapshot *snapshot, double width,
                              double height)
{
  UiRenderPaintable *self = UI_RENDER_PAINTABLE (paintable);

  if (self->frame == NULL)
    return;
  if (self->is_for_cairo && render_frame_get_dmabuf (self->frame) == NULL)
    gtk_snapshot_append_node (snapshot, get_node (self, width, height));
  else
    gtk_snapshot_append_texture (snapshot, get_texture (self),
                                 &GRAPHENE_RECT_INIT (0.0f, 0.0f, (float) width, (float) height));
}

static GdkPaintable *
ui_render_paintable_get_current_image (GdkPaintable *paintable)
{
  UiRenderPaintable *self = UI_RENDER_PAINTABLE (paintable);

  if (self->frame != NULL)
    return GDK_PAINTABLE (g_object_ref (get_texture (self)));
  return gdk_paintable_new_empty (0, 0);
}

static void
ui_render_paintable_iface_init (GdkPaintableInterface *iface)
{
  iface->snapshot = ui_render_paintable_snapshot;
  iface->get_current_image = ui_render_paintable_get_current_image;
}

/* --- GObject --- */

static void
ui_render_paintable_finalize (GObject *object)
{
  UiRenderPaintable *self = UI_RENDER_PAINTABLE (object);

  forget_settling (self);
  wish_clear (&self->waiting);
  wish_clear (&self->under_way);
  forget_frame (self);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->device, render_device_unref);
  G_OBJECT_CLASS (ui_render_paintable_parent_class)->finalize (object);
}

static void
ui_render_paintable_class_init (UiRenderPaintableClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = ui_render_paintable_finalize;
  signals[SIGNAL_FAILED] = g_signal_new ("failed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
                                         NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
ui_render_paintable_init (UiRenderPaintable *self)
{
  self->cancellable = g_cancellable_new ();
}

/* --- public --- */

UiRenderPaintable *
ui_render_paintable_new (RenderDevice *device)
{
  UiRenderPaintable *self = g_object_new (UI_TYPE_RENDER_PAINTABLE, NULL);

  self->device = render_device_ref (device);
  return self;
}

void
ui_render_paintable_queue_slice (UiRenderPaintable *self, const RenderSliceParams *params)
{
  g_return_if_fail (UI_IS_RENDER_PAINTABLE (self));
  g_return_if_fail (params->scan != NULL);

  if (params->width <= 0 || params->height <= 0)
    return;
  forget_settling (self);
  wish_set_slice (&self->waiting, params);
  start_waiting (self);
}

void
ui_render_paintable_queue_volume (UiRenderPaintable *self, const RenderVolumeParams *params)
{
  g_return_if_fail (UI_IS_RENDER_PAINTABLE (self));
  g_return_if_fail (params->scan != NULL);

  if (params->width <= 0 || params->height <= 0)
    return;
  wish_set_volume (&self->waiting, params);
  /* The first wish after a pause is drawn in full; while more follow, fast ones and then one in
   * full. */
  if (self->settle_id != 0)
    {
      self->waiting.volume.quality = RENDER_QUALITY_MOVING;
      wish_set_volume (&self->settled, params);
      self->settled.volume.quality = RENDER_QUALITY_FINAL;
    }
  /* A picture in full that is no longer wanted makes way. */
  if (self->under_way.kind == WISH_VOLUME && self->under_way.volume.quality == RENDER_QUALITY_FINAL)
    g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->settle_id, g_source_remove);
  self->settle_id = g_timeout_add (SETTLE_MS, settle_cb, self);
  start_waiting (self);
}

void
ui_render_paintable_set_renderer (UiRenderPaintable *self, GskRenderer *renderer)
{
  /* CAIRO_FORMAT_RGB24 is this order on machines with the low byte first. */
  self->may_stay = !GSK_IS_CAIRO_RENDERER (renderer);
  self->is_for_cairo = GSK_IS_CAIRO_RENDERER (renderer) && G_BYTE_ORDER == G_LITTLE_ENDIAN
                       && render_device_get_pixel_order (self->device) == RENDER_PIXEL_ORDER_BGRA;
}

char *
ui_render_paintable_agree (RenderDevice *device, GdkDisplay *display)
{
  g_autofree char *why_not = NULL;

  if (render_device_get_info (device)->is_software)
    why_not = g_strdup ("the device draws in the processor's memory");
  else if (offer_formats (device, display, &why_not))
    return g_strdup ("pictures go to the display as DMA buffers, without a copy");
  return g_strdup_printf ("pictures are read back from the device: %s", why_not);
}

void
ui_render_paintable_clear (UiRenderPaintable *self)
{
  g_return_if_fail (UI_IS_RENDER_PAINTABLE (self));

  forget_settling (self);
  wish_clear (&self->waiting);
  if (self->under_way.kind != WISH_NONE)
    g_cancellable_cancel (self->cancellable);
  forget_frame (self);
  self->has_view = FALSE;
  gdk_paintable_invalidate_contents (GDK_PAINTABLE (self));
}

gboolean
ui_render_paintable_has_frame (UiRenderPaintable *self)
{
  return self->frame != NULL;
}

gboolean
ui_render_paintable_get_view (UiRenderPaintable *self, RenderSliceView *view)
{
  if (self->has_view)
    *view = self->view;
  return self->has_view;
}

static int
compare_doubles (const void *a, const void *b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

double
ui_render_paintable_get_latency_ms (UiRenderPaintable *self)
{
  double sorted[N_LATENCIES];
  const guint n = MIN (self->n_latencies, N_LATENCIES);

  if (n == 0)
    return 0.0;
  memcpy (sorted, self->latencies_ms, n * sizeof *sorted);
  qsort (sorted, n, sizeof *sorted, compare_doubles);
  return sorted[n / 2];
}
