/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/volume-view.h"

#include "render/volume-view.h"
#include "ui/render-paintable.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

/* The picture follows labels and cursor at this pace; slices come first on two cores. */
#define SETTLE_MS 500

struct _UiVolumeView
{
  GtkWidget parent_instance;

  UiViewState *state;
  GtkWidget *box, *area, *modes;
  UiRenderPaintable *paintable;
  RenderVolumeParams queued;
  guint64 queued_serial;
  guint settle_id;

  RenderVolumeMode mode;
  double azimuth_deg, elevation_deg, zoom, pan_px[2];
  double start_azimuth, start_elevation, start_zoom, start_pan[2];
  guint button;
};

G_DEFINE_FINAL_TYPE (UiVolumeView, ui_volume_view, GTK_TYPE_WIDGET)

/* The drawing area is a GtkPicture that shows the paintable over its whole size. */

static gboolean
fill_params (UiVolumeView *self, RenderVolumeParams *params)
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  int cursor[3];

  *params = (RenderVolumeParams){ 0 };
  params->scan = ui_view_state_get_render_scan (self->state);
  if (params->scan == NULL)
    return FALSE;
  params->labels = ui_view_state_get_labels_shown (self->state)
                       ? ui_view_state_get_render_labels (self->state)
                       : NULL;
  params->width = gtk_widget_get_width (self->area) * scale;
  params->height = gtk_widget_get_height (self->area) * scale;
  params->mode = self->mode;
  params->azimuth_deg = self->azimuth_deg;
  params->elevation_deg = self->elevation_deg;
  params->zoom = self->zoom;
  memcpy (params->pan_px, self->pan_px, sizeof params->pan_px);
  ui_view_state_get_window (self->state, &params->window_centre, &params->window_width);
  params->label_opacity = 1;
  params->cut = self->mode == RENDER_VOLUME_MODE_COMPOSITE ? RENDER_VOLUME_CUT_OCTANT : 0;
  if (params->cut || self->mode == RENDER_VOLUME_MODE_PLANES)
    {
      ui_view_state_get_cursor (self->state, cursor);
      for (int axis = 0; axis < 3; axis++)
        params->cut_ijk[axis] = cursor[axis];
    }
  return params->width > 0 && params->height > 0;
}

static void
queue_frame (UiVolumeView *self)
{
  RenderVolumeParams params;
  guint64 serial;

  if (self->paintable == NULL || !gtk_widget_get_mapped (GTK_WIDGET (self)))
    return;
  if (!fill_params (self, &params))
    {
      ui_render_paintable_clear (self->paintable);
      memset (&self->queued, 0, sizeof self->queued);
      return;
    }
  serial = ui_view_state_get_serial (self->state);
  if (serial == self->queued_serial && memcmp (&params, &self->queued, sizeof params) == 0)
    return;
  self->queued = params;
  self->queued_serial = serial;
  ui_render_paintable_queue_volume (self->paintable, &params);
}

static gboolean
settled_cb (gpointer data)
{
  UiVolumeView *self = data;

  self->settle_id = 0;
  queue_frame (self);
  return G_SOURCE_REMOVE;
}

static void
state_redraw_cb (UiVolumeView *self)
{
  g_clear_handle_id (&self->settle_id, g_source_remove);
  self->settle_id = g_timeout_add (SETTLE_MS, settled_cb, self);
}

static void
scan_changed_cb (UiVolumeView *self)
{
  RenderDevice *device = ui_view_state_get_device (self->state);

  if (self->paintable == NULL && device != NULL)
    {
      self->paintable = ui_render_paintable_new (device);
      g_signal_connect_object (self->paintable, "invalidate-contents",
                               G_CALLBACK (gtk_widget_queue_draw), self->area, G_CONNECT_SWAPPED);
    }
  state_redraw_cb (self);
}

static void
turn (UiVolumeView *self, double azimuth, double elevation)
{
  self->azimuth_deg = fmod (azimuth, 360);
  self->elevation_deg = CLAMP (elevation, -90, 90);
  queue_frame (self);
}

static void
drag_begin_cb (GtkGestureDrag *drag, double x, double y, UiVolumeView *self)
{
  self->button = gtk_gesture_single_get_current_button (GTK_GESTURE_SINGLE (drag));
  self->start_azimuth = self->azimuth_deg;
  self->start_elevation = self->elevation_deg;
  self->start_zoom = self->zoom;
  memcpy (self->start_pan, self->pan_px, sizeof self->start_pan);
  gtk_widget_grab_focus (GTK_WIDGET (self));
}

static void
drag_update_cb (GtkGestureDrag *drag, double dx, double dy, UiVolumeView *self)
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));

  switch (self->button)
    {
    case GDK_BUTTON_PRIMARY:
      turn (self, self->start_azimuth - dx * 0.5, self->start_elevation + dy * 0.5);
      break;
    case GDK_BUTTON_SECONDARY:
      self->zoom = CLAMP (self->start_zoom * exp (-dy * 0.008), 0.1, 20);
      queue_frame (self);
      break;
    default:
      self->pan_px[0] = self->start_pan[0] + dx * scale;
      self->pan_px[1] = self->start_pan[1] + dy * scale;
      queue_frame (self);
    }
}

static gboolean
scroll_cb (GtkEventControllerScroll *scroll, double dx, double dy, UiVolumeView *self)
{
  self->zoom = CLAMP (self->zoom * pow (1.15, -dy), 0.1, 20);
  queue_frame (self);
  return TRUE;
}

static gboolean
key_pressed_cb (GtkEventControllerKey *controller, guint keyval, guint keycode,
                GdkModifierType modifiers, UiVolumeView *self)
{
  switch (keyval)
    {
    case GDK_KEY_Left:
      turn (self, self->azimuth_deg + 10, self->elevation_deg);
      return TRUE;
    case GDK_KEY_Right:
      turn (self, self->azimuth_deg - 10, self->elevation_deg);
      return TRUE;
    case GDK_KEY_Up:
      turn (self, self->azimuth_deg, self->elevation_deg + 10);
      return TRUE;
    case GDK_KEY_Down:
      turn (self, self->azimuth_deg, self->elevation_deg - 10);
      return TRUE;
    case GDK_KEY_plus:
    case GDK_KEY_KP_Add:
      self->zoom = MIN (self->zoom * 1.2, 20);
      break;
    case GDK_KEY_minus:
    case GDK_KEY_KP_Subtract:
      self->zoom = MAX (self->zoom / 1.2, 0.1);
      break;
    default:
      return FALSE;
    }
  queue_frame (self);
  return TRUE;
}

static void
pressed_cb (GtkGestureClick *click, int n_press, double x, double y, UiVolumeView *self)
{
  if (n_press == 2)
    gtk_widget_activate_action (GTK_WIDGET (self), "win.maximise", "i", UI_PANE_VOLUME);
}

static void
mode_changed_cb (UiVolumeView *self)
{
  static const RenderVolumeMode modes[] = { RENDER_VOLUME_MODE_PLANES, RENDER_VOLUME_MODE_LABELS,
                                            RENDER_VOLUME_MODE_COMPOSITE, RENDER_VOLUME_MODE_MIP };
  const guint selected = gtk_drop_down_get_selected (GTK_DROP_DOWN (self->modes));

  if (selected < G_N_ELEMENTS (modes))
    self->mode = modes[selected];
  queue_frame (self);
}

static void
ui_volume_view_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  UiVolumeView *self = UI_VOLUME_VIEW (widget);
  graphene_rect_t area;

  if (gtk_widget_compute_bounds (self->area, widget, &area))
    {
      gtk_snapshot_append_color (snapshot, &(GdkRGBA){ 0, 0, 0, 1 }, &area);
      if (self->paintable != NULL && ui_render_paintable_has_frame (self->paintable))
        {
          ui_render_paintable_set_renderer (
              self->paintable, gtk_native_get_renderer (gtk_widget_get_native (widget)));
          gtk_snapshot_save (snapshot);
          gtk_snapshot_translate (snapshot, &area.origin);
          gdk_paintable_snapshot (GDK_PAINTABLE (self->paintable), snapshot, area.size.width,
                                  area.size.height);
          gtk_snapshot_restore (snapshot);
        }
    }
  GTK_WIDGET_CLASS (ui_volume_view_parent_class)->snapshot (widget, snapshot);
}

static void
ui_volume_view_size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  UiVolumeView *self = UI_VOLUME_VIEW (widget);

  gtk_widget_size_allocate (self->box, &(GtkAllocation){ 0, 0, width, height }, -1);
  state_redraw_cb (self);
}

static void
ui_volume_view_measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum,
                        int *natural, int *minimum_baseline, int *natural_baseline)
{
  gtk_widget_measure (UI_VOLUME_VIEW (widget)->box, orientation, for_size, minimum, natural, NULL,
                      NULL);
}

static void
ui_volume_view_map (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (ui_volume_view_parent_class)->map (widget);
  state_redraw_cb (UI_VOLUME_VIEW (widget));
}

static void
ui_volume_view_dispose (GObject *object)
{
  UiVolumeView *self = UI_VOLUME_VIEW (object);

  g_clear_handle_id (&self->settle_id, g_source_remove);
  if (self->state != NULL)
    g_signal_handlers_disconnect_by_data (self->state, self);
  g_clear_object (&self->state);
  g_clear_object (&self->paintable);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  G_OBJECT_CLASS (ui_volume_view_parent_class)->dispose (object);
}

static void
ui_volume_view_class_init (UiVolumeViewClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = ui_volume_view_dispose;
  widget_class->snapshot = ui_volume_view_snapshot;
  widget_class->size_allocate = ui_volume_view_size_allocate;
  widget_class->measure = ui_volume_view_measure;
  widget_class->map = ui_volume_view_map;
  gtk_widget_class_set_css_name (widget_class, "volumeview");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void
build_header (UiVolumeView *self)
{
  GtkWidget *header = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  GtkWidget *title = gtk_label_new (_ ("3-D"));
  GtkWidget *spring = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 0);
  GtkWidget *maximise = gtk_button_new_from_icon_name ("view-fullscreen-symbolic");
  const char *const modes[] = { _ ("Crossing slices"), _ ("Label surfaces"), _ ("Scan, cut open"),
                                /* Translators: MIP: the brightest voxel along each ray */
                                _ ("Maximum intensity"), NULL };

  gtk_widget_add_css_class (header, "pane-header");
  gtk_widget_add_css_class (title, "heading");
  gtk_widget_set_hexpand (spring, TRUE);
  self->modes = gtk_drop_down_new_from_strings (modes);
  gtk_widget_set_valign (self->modes, GTK_ALIGN_CENTER);
  gtk_widget_add_css_class (self->modes, "pane-button");
  gtk_accessible_update_property (GTK_ACCESSIBLE (self->modes), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("What the 3-D view shows"), -1);
  g_signal_connect_swapped (self->modes, "notify::selected", G_CALLBACK (mode_changed_cb), self);
  gtk_widget_add_css_class (maximise, "flat");
  gtk_widget_add_css_class (maximise, "pane-button");
  gtk_actionable_set_action_name (GTK_ACTIONABLE (maximise), "win.maximise");
  gtk_actionable_set_action_target (GTK_ACTIONABLE (maximise), "i", UI_PANE_VOLUME);
  gtk_widget_set_tooltip_text (maximise, _ ("Fill the window with this view, or show all four"));
  gtk_accessible_update_property (GTK_ACCESSIBLE (maximise), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("Maximise view"), -1);
  gtk_box_append (GTK_BOX (header), title);
  gtk_box_append (GTK_BOX (header), spring);
  gtk_box_append (GTK_BOX (header), self->modes);
  gtk_box_append (GTK_BOX (header), maximise);
  gtk_box_append (GTK_BOX (self->box), header);
}

static void
ui_volume_view_init (UiVolumeView *self)
{
  GtkWidget *widget = GTK_WIDGET (self);
  GtkGesture *drag = gtk_gesture_drag_new ();
  GtkGesture *click = gtk_gesture_click_new ();
  GtkEventController *keys = gtk_event_controller_key_new ();
  GtkEventController *scroll =
      gtk_event_controller_scroll_new (GTK_EVENT_CONTROLLER_SCROLL_VERTICAL);

  self->mode = RENDER_VOLUME_MODE_PLANES;
  self->azimuth_deg = 30;
  self->elevation_deg = 20;
  self->zoom = 1;
  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  gtk_widget_set_parent (self->box, widget);
  build_header (self);
  self->area = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  gtk_widget_set_vexpand (self->area, TRUE);
  gtk_widget_set_hexpand (self->area, TRUE);
  gtk_widget_set_size_request (self->area, 96, 96);
  gtk_box_append (GTK_BOX (self->box), self->area);
  gtk_widget_set_focusable (widget, TRUE);
  gtk_widget_set_overflow (widget, GTK_OVERFLOW_HIDDEN);

  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (drag), 0);
  g_signal_connect (drag, "drag-begin", G_CALLBACK (drag_begin_cb), self);
  g_signal_connect (drag, "drag-update", G_CALLBACK (drag_update_cb), self);
  gtk_widget_add_controller (self->area, GTK_EVENT_CONTROLLER (drag));
  g_signal_connect (click, "pressed", G_CALLBACK (pressed_cb), self);
  gtk_widget_add_controller (self->area, GTK_EVENT_CONTROLLER (click));
  g_signal_connect (scroll, "scroll", G_CALLBACK (scroll_cb), self);
  gtk_widget_add_controller (self->area, scroll);
  g_signal_connect (keys, "key-pressed", G_CALLBACK (key_pressed_cb), self);
  gtk_widget_add_controller (widget, keys);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  _ ("3-D view"), -1);
}

GtkWidget *
ui_volume_view_new (UiViewState *state)
{
  UiVolumeView *self = g_object_new (UI_TYPE_VOLUME_VIEW, NULL);

  self->state = g_object_ref (state);
  g_signal_connect_swapped (state, "redraw", G_CALLBACK (state_redraw_cb), self);
  g_signal_connect_swapped (state, "labels-changed", G_CALLBACK (state_redraw_cb), self);
  g_signal_connect_swapped (state, "scan-changed", G_CALLBACK (scan_changed_cb), self);
  scan_changed_cb (self);
  return GTK_WIDGET (self);
}
