/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/slice-view.h"

#include "ui/render-paintable.h"
#include "ui/slice-draw.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

struct _UiSliceView
{
  GtkWidget parent_instance;

  VolumePlane plane;
  UiViewState *state;
  UiRenderPaintable *paintable;
  RenderSliceParams queued; /* what the paintable was last asked for */
  guint64 queued_serial;

  gboolean has_pointer;
  double pointer_x, pointer_y;

  /* The drag under way. */
  UiMouseAction action;
  double last_x, last_y;
  double start_x, start_y;
  RenderSliceView start_view;
  double start_centre, start_width;
  GdkModifierType modifiers;
  double scroll_rest;
};

enum
{
  PROP_0,
  PROP_PLANE,
  PROP_STATE,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

enum
{
  GESTURE,
  MAXIMISE,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (UiSliceView, ui_slice_view, GTK_TYPE_WIDGET)

/* Frames */

static void
queue_frame (UiSliceView *self)
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  RenderSliceParams params;
  guint64 serial;

  if (self->state == NULL || !gtk_widget_get_mapped (GTK_WIDGET (self)))
    return;
  if (!ui_view_state_init_slice (self->state, self->plane, &params))
    {
      if (self->paintable != NULL)
        ui_render_paintable_clear (self->paintable);
      memset (&self->queued, 0, sizeof self->queued);
      return;
    }
  params.width = gtk_widget_get_width (GTK_WIDGET (self)) * scale;
  params.height = gtk_widget_get_height (GTK_WIDGET (self)) * scale;
  params.outline_px = 1.5 * scale;
  params.hatch_scale = scale;
  serial = ui_view_state_get_slice_serial (self->state, self->plane);
  if (serial == self->queued_serial && memcmp (&params, &self->queued, sizeof params) == 0)
    return;
  self->queued = params;
  self->queued_serial = serial;
  ui_render_paintable_queue_slice (self->paintable, &params);
}

static void
state_redraw_cb (UiSliceView *self)
{
  queue_frame (self);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
describe (UiSliceView *self)
{
  const VolumeSliceFrame *frame = ui_view_state_get_frame (self->state, self->plane);
  g_autofree char *text = NULL;

  if (frame == NULL)
    return;
  text = g_strdup_printf (_ ("Slice %d of %d"),
                          ui_view_state_get_index (self->state, self->plane) + 1, frame->n_slices);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION, text,
                                  -1);
}

static void
make_paintable (UiSliceView *self)
{
  RenderDevice *device = ui_view_state_get_device (self->state);

  if (self->paintable != NULL || device == NULL)
    return;
  self->paintable = ui_render_paintable_new (device);
  g_signal_connect_object (self->paintable, "invalidate-contents",
                           G_CALLBACK (gtk_widget_queue_draw), self, G_CONNECT_SWAPPED);
}

static void
scan_changed_cb (UiSliceView *self)
{
  make_paintable (self);
  self->action = UI_MOUSE_ACTION_NONE;
  queue_frame (self);
}

gboolean
ui_slice_view_get_transform (UiSliceView *self, RenderSliceView *view)
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  int width = gtk_widget_get_width (GTK_WIDGET (self)) * scale;
  int height = gtk_widget_get_height (GTK_WIDGET (self)) * scale;
  RenderSlicePlacement placement;

  if (self->state == NULL || ui_view_state_get_scan (self->state) == NULL || width < 1
      || height < 1)
    return FALSE;
  ui_view_state_get_placement (self->state, self->plane, &placement);
  render_slice_view_init (view, ui_view_state_get_geometry (self->state), &placement, width,
                          height);
  return TRUE;
}

gboolean
ui_slice_view_widget_to_ijk (UiSliceView *self, double x, double y, double ijk[3])
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  RenderSliceView view;

  if (!ui_slice_view_get_transform (self, &view))
    return FALSE;
  render_slice_view_pixel_to_ijk (&view, x * scale, y * scale, ijk);
  return TRUE;
}

gboolean
ui_slice_view_ijk_to_widget (UiSliceView *self, const double ijk[3], double *x, double *y)
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  RenderSliceView view;

  if (!ui_slice_view_get_transform (self, &view))
    return FALSE;
  render_slice_view_ijk_to_pixel (&view, ijk, x, y, NULL);
  *x /= scale;
  *y /= scale;
  return TRUE;
}

/* Gestures */

/* @path: widget coordinates, the last of them where the pointer is now. */
static void
emit_path (UiSliceView *self, UiGesturePhase phase, const double (*path)[2], gsize n_path,
           int n_press)
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  const VolumeSliceFrame *frame;
  RenderSliceView view;
  UiGesture gesture = { .phase = phase, .plane = self->plane, .n_press = n_press };
  g_autofree double (*path_ijk)[3] = g_malloc_n (n_path, sizeof *path_ijk);

  if (!ui_slice_view_get_transform (self, &view))
    return;
  frame = ui_view_state_get_frame (self->state, self->plane);
  gesture.index = ui_view_state_get_index (self->state, self->plane);
  for (gsize n = 0; n < n_path; n++)
    {
      render_slice_view_pixel_to_ijk (&view, path[n][0] * scale, path[n][1] * scale, path_ijk[n]);
      path_ijk[n][frame->axis_normal] = gesture.index;
    }
  memcpy (gesture.ijk, path_ijk[n_path - 1], sizeof gesture.ijk);
  gesture.path_ijk = path_ijk;
  gesture.n_path = n_path;
  gesture.voxels_per_px = scale / (view.px_per_mm * MIN (frame->du_mm, frame->dv_mm));
  gesture.modifiers = self->modifiers;
  g_signal_emit (self, signals[GESTURE], 0, &gesture);
}

static void
emit_gesture (UiSliceView *self, UiGesturePhase phase, double x, double y, int n_press)
{
  emit_path (self, phase, &(const double[2]){ x, y }, 1, n_press);
}

static void
move_cursor (UiSliceView *self, double x, double y)
{
  double ijk[3];
  int cursor[3];

  if (!ui_slice_view_widget_to_ijk (self, x, y, ijk))
    return;
  for (int axis = 0; axis < 3; axis++)
    cursor[axis] = (int) lround (CLAMP (ijk[axis], -1e6, 1e6));
  ui_view_state_set_cursor (self->state, cursor);
}

/* A drag across the view is the whole window in width: the habit of viewing stations. */
static void
drag_window (UiSliceView *self, double x, double y)
{
  double size = MAX (gtk_widget_get_width (GTK_WIDGET (self)), 64);
  double factor = exp ((x - self->start_x) / size * 2);
  double centre = self->start_centre + (y - self->start_y) / size * self->start_width * 2;

  ui_view_state_set_window (self->state, centre, self->start_width * factor);
}

static void
drag_zoom (UiSliceView *self, double y)
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  RenderSlicePlacement placement = self->start_view.placement;

  render_slice_view_zoom_about (&self->start_view, self->start_x * scale, self->start_y * scale,
                                exp ((self->start_y - y) * 0.008), &placement);
  ui_view_state_set_placement (self->state, self->plane, &placement);
}

static void
drag_pan (UiSliceView *self, double x, double y)
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  RenderSlicePlacement placement = self->start_view.placement;

  render_slice_view_pan (&self->start_view, (x - self->start_x) * scale,
                         (y - self->start_y) * scale, &placement);
  ui_view_state_set_placement (self->state, self->plane, &placement);
}

static void
drag_begin_cb (GtkGestureDrag *drag, double x, double y, UiSliceView *self)
{
  guint button = gtk_gesture_single_get_current_button (GTK_GESTURE_SINGLE (drag));
  int profile;

  if (!ui_slice_view_get_transform (self, &self->start_view))
    {
      gtk_gesture_set_state (GTK_GESTURE (drag), GTK_EVENT_SEQUENCE_DENIED);
      return;
    }
  gtk_widget_grab_focus (GTK_WIDGET (self));
  g_object_get (self->state, "mouse-profile", &profile, NULL);
  self->modifiers = gtk_event_controller_get_current_event_state (GTK_EVENT_CONTROLLER (drag));
  self->action = ui_mouse_action_choose (profile, ui_view_state_get_tool (self->state), button,
                                         self->modifiers);
  self->start_x = self->last_x = x;
  self->start_y = self->last_y = y;
  ui_view_state_get_window (self->state, &self->start_centre, &self->start_width);
  if (self->action == UI_MOUSE_ACTION_CROSSHAIR)
    move_cursor (self, x, y);
  else if (self->action == UI_MOUSE_ACTION_TOOL)
    emit_gesture (self, UI_GESTURE_BEGIN, x, y, 1);
}

/* GTK hands over one motion for each picture, with the places between that it left out: a quick
 * stroke bends where the pointer did. */
static void
drag_tool (UiSliceView *self, GtkGesture *drag, double x, double y)
{
  GdkEventSequence *sequence = gtk_gesture_single_get_current_sequence (GTK_GESTURE_SINGLE (drag));
  GdkEvent *event = gtk_gesture_get_last_event (drag, sequence);
  double surface_x, surface_y;
  guint n_between = 0;
  g_autofree GdkTimeCoord *between = NULL;
  g_autofree double (*path)[2] = NULL;

  if (event != NULL && gdk_event_get_event_type (event) == GDK_MOTION_NOTIFY
      && gdk_event_get_position (event, &surface_x, &surface_y))
    between = gdk_event_get_history (event, &n_between);
  path = g_malloc_n (n_between + 1, sizeof *path);
  for (guint n = 0; n < n_between; n++)
    {
      path[n][0] = between[n].axes[GDK_AXIS_X] - surface_x + x;
      path[n][1] = between[n].axes[GDK_AXIS_Y] - surface_y + y;
    }
  path[n_between][0] = x;
  path[n_between][1] = y;
  emit_path (self, UI_GESTURE_MOTION, (const double (*)[2]) path, n_between + 1, 1);
}

static void
drag_to (UiSliceView *self, GtkGesture *drag, double x, double y)
{
  self->pointer_x = self->last_x = x;
  self->pointer_y = self->last_y = y;
  switch (self->action)
    {
    case UI_MOUSE_ACTION_TOOL:
      drag_tool (self, drag, x, y);
      gtk_widget_queue_draw (GTK_WIDGET (self));
      break;
    case UI_MOUSE_ACTION_CROSSHAIR:
      move_cursor (self, x, y);
      break;
    case UI_MOUSE_ACTION_PAN:
      drag_pan (self, x, y);
      break;
    case UI_MOUSE_ACTION_ZOOM:
      drag_zoom (self, y);
      break;
    case UI_MOUSE_ACTION_WINDOW_LEVEL:
      drag_window (self, x, y);
      break;
    default:
      break;
    }
}

static void
drag_update_cb (GtkGestureDrag *drag, double dx, double dy, UiSliceView *self)
{
  drag_to (self, GTK_GESTURE (drag), self->start_x + dx, self->start_y + dy);
}

static void
drag_end_cb (GtkGestureDrag *drag, double dx, double dy, UiSliceView *self)
{
  if (self->action == UI_MOUSE_ACTION_TOOL)
    emit_gesture (self, UI_GESTURE_END, self->start_x + dx, self->start_y + dy, 1);
  self->action = UI_MOUSE_ACTION_NONE;
}

static void
drag_cancel_cb (GtkGesture *gesture, GdkEventSequence *sequence, UiSliceView *self)
{
  if (self->action == UI_MOUSE_ACTION_TOOL)
    emit_gesture (self, UI_GESTURE_CANCEL, self->last_x, self->last_y, 1);
  self->action = UI_MOUSE_ACTION_NONE;
}

/* Double click: for the tool it closes a contour; otherwise it maximises the pane. */
static void
pressed_cb (GtkGestureClick *click, int n_press, double x, double y, UiSliceView *self)
{
  UiTool tool;

  if (n_press != 2 || self->state == NULL)
    return;
  tool = ui_view_state_get_tool (self->state);
  if (!ui_tool_is_editing (tool) && tool != UI_TOOL_MEASURE)
    g_signal_emit (self, signals[MAXIMISE], 0);
  else
    emit_gesture (self, UI_GESTURE_BEGIN, x, y, 2);
}

static void
motion_cb (GtkEventControllerMotion *motion, double x, double y, UiSliceView *self)
{
  double ijk[3];

  self->has_pointer = TRUE;
  self->pointer_x = x;
  self->pointer_y = y;
  if (!ui_slice_view_widget_to_ijk (self, x, y, ijk))
    return;
  ui_view_state_point (self->state, self->plane, ijk);
  self->modifiers = gtk_event_controller_get_current_event_state (GTK_EVENT_CONTROLLER (motion));
  if (self->action == UI_MOUSE_ACTION_NONE)
    emit_gesture (self, UI_GESTURE_HOVER, x, y, 0);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
leave_cb (GtkEventControllerMotion *motion, UiSliceView *self)
{
  self->has_pointer = FALSE;
  if (self->state != NULL)
    ui_view_state_point_nowhere (self->state);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
step_slice (UiSliceView *self, int step)
{
  ui_view_state_set_index (self->state, self->plane,
                           ui_view_state_get_index (self->state, self->plane) + step);
}

static void
zoom_at_pointer (UiSliceView *self, double factor)
{
  int scale = gtk_widget_get_scale_factor (GTK_WIDGET (self));
  RenderSliceView view;
  RenderSlicePlacement placement;

  if (!ui_slice_view_get_transform (self, &view))
    return;
  placement = view.placement;
  render_slice_view_zoom_about (
      &view, (self->has_pointer ? self->pointer_x : view.width / 2.0 / scale) * scale,
      (self->has_pointer ? self->pointer_y : view.height / 2.0 / scale) * scale, factor,
      &placement);
  ui_view_state_set_placement (self->state, self->plane, &placement);
}

static void
change_brush (UiSliceView *self, double steps)
{
  double size;

  g_object_get (self->state, "brush-size", &size, NULL);
  g_object_set (self->state, "brush-size", CLAMP (size * pow (1.15, -steps), 0.5, 500), NULL);
}

static gboolean
scroll_cb (GtkEventControllerScroll *scroll, double dx, double dy, UiSliceView *self)
{
  GdkModifierType modifiers =
      gtk_event_controller_get_current_event_state (GTK_EVENT_CONTROLLER (scroll));
  double steps = dy != 0 ? dy : dx;

  if (self->state == NULL || ui_view_state_get_scan (self->state) == NULL)
    return FALSE;
  if (modifiers & GDK_CONTROL_MASK)
    zoom_at_pointer (self, pow (1.15, -steps));
  else if (modifiers & GDK_SHIFT_MASK)
    change_brush (self, steps);
  else
    {
      /* Touchpads scroll by parts of a slice. */
      self->scroll_rest += steps;
      step_slice (self, (int) trunc (-self->scroll_rest));
      self->scroll_rest -= trunc (self->scroll_rest);
    }
  return TRUE;
}

/* Keys */

static void
tap_at_cursor (UiSliceView *self, GdkModifierType modifiers)
{
  int cursor[3];
  double ijk[3], x, y;

  if (!ui_tool_is_editing (ui_view_state_get_tool (self->state))
      && ui_view_state_get_tool (self->state) != UI_TOOL_MEASURE)
    return;
  ui_view_state_get_cursor (self->state, cursor);
  for (int axis = 0; axis < 3; axis++)
    ijk[axis] = cursor[axis];
  if (!ui_slice_view_ijk_to_widget (self, ijk, &x, &y))
    return;
  self->modifiers = modifiers;
  emit_gesture (self, UI_GESTURE_BEGIN, x, y, 1);
  emit_gesture (self, UI_GESTURE_END, x, y, 1);
}

static void
move_in_plane (UiSliceView *self, int du, int dv)
{
  const VolumeSliceFrame *frame = ui_view_state_get_frame (self->state, self->plane);
  int cursor[3];

  ui_view_state_get_cursor (self->state, cursor);
  cursor[frame->axis_u] += frame->flip_u ? -du : du;
  cursor[frame->axis_v] += frame->flip_v ? -dv : dv;
  ui_view_state_set_cursor (self->state, cursor);
}

static gboolean
key_pressed_cb (GtkEventControllerKey *controller, guint keyval, guint keycode,
                GdkModifierType modifiers, UiSliceView *self)
{
  int step = modifiers & GDK_SHIFT_MASK ? 10 : 1;

  if (self->state == NULL || ui_view_state_get_scan (self->state) == NULL)
    return FALSE;
  if (modifiers & GDK_ALT_MASK)
    return FALSE;
  switch (keyval)
    {
    case GDK_KEY_Left:
      move_in_plane (self, -step, 0);
      return TRUE;
    case GDK_KEY_Right:
      move_in_plane (self, step, 0);
      return TRUE;
    case GDK_KEY_Up:
      move_in_plane (self, 0, -step);
      return TRUE;
    case GDK_KEY_Down:
      move_in_plane (self, 0, step);
      return TRUE;
    case GDK_KEY_Page_Up:
      step_slice (self, step);
      return TRUE;
    case GDK_KEY_Page_Down:
      step_slice (self, -step);
      return TRUE;
    case GDK_KEY_space:
    case GDK_KEY_KP_Space:
      tap_at_cursor (self, modifiers);
      return TRUE;
    default:
      return FALSE;
    }
}

/* Drawing */

static void
draw_overlays (UiSliceView *self, GtkSnapshot *snapshot)
{
  UiTool tool = ui_view_state_get_tool (self->state);
  gboolean crosshair;
  UiSliceDraw draw = {
    .widget = GTK_WIDGET (self),
    .state = self->state,
    .plane = self->plane,
    .scale = gtk_widget_get_scale_factor (GTK_WIDGET (self)),
    .width = gtk_widget_get_width (GTK_WIDGET (self)),
    .height = gtk_widget_get_height (GTK_WIDGET (self)),
    .has_pointer = self->has_pointer,
    .pointer_x = self->pointer_x,
    .pointer_y = self->pointer_y,
  };

  if (!ui_slice_view_get_transform (self, &draw.view))
    return;
  g_object_get (self->state, "crosshair-visible", &crosshair, NULL);
  if (crosshair)
    ui_slice_draw_crosshair (&draw, snapshot);
  ui_slice_draw_shapes (&draw, snapshot);
  ui_slice_draw_letters (&draw, snapshot);
  ui_slice_draw_scale_bar (&draw, snapshot);
  if (tool == UI_TOOL_BRUSH || tool == UI_TOOL_ERASER)
    ui_slice_draw_brush (&draw, snapshot);
}

static void
ui_slice_view_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  UiSliceView *self = UI_SLICE_VIEW (widget);
  int width = gtk_widget_get_width (widget), height = gtk_widget_get_height (widget);

  gtk_snapshot_push_clip (snapshot, &GRAPHENE_RECT_INIT (0, 0, width, height));
  gtk_snapshot_append_color (snapshot, &(GdkRGBA){ 0, 0, 0, 1 },
                             &GRAPHENE_RECT_INIT (0, 0, width, height));
  if (self->paintable != NULL && ui_render_paintable_has_frame (self->paintable))
    {
      ui_render_paintable_set_renderer (self->paintable,
                                        gtk_native_get_renderer (gtk_widget_get_native (widget)));
      gdk_paintable_snapshot (GDK_PAINTABLE (self->paintable), snapshot, width, height);
    }
  if (self->state != NULL)
    draw_overlays (self, snapshot);
  gtk_snapshot_pop (snapshot);
}

static void
ui_slice_view_size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  queue_frame (UI_SLICE_VIEW (widget));
}

static void
ui_slice_view_map (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (ui_slice_view_parent_class)->map (widget);
  queue_frame (UI_SLICE_VIEW (widget));
}

static void
ui_slice_view_measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum,
                       int *natural, int *minimum_baseline, int *natural_baseline)
{
  *minimum = 96;
  *natural = 320;
}

/* Class */

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  UiSliceView *self = UI_SLICE_VIEW (object);

  switch (id)
    {
    case PROP_PLANE:
      g_value_set_int (value, self->plane);
      break;
    case PROP_STATE:
      g_value_set_object (value, self->state);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  UiSliceView *self = UI_SLICE_VIEW (object);

  switch (id)
    {
    case PROP_PLANE:
      self->plane = g_value_get_int (value);
      break;
    case PROP_STATE:
      ui_slice_view_set_state (self, g_value_get_object (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
ui_slice_view_constructed (GObject *object)
{
  UiSliceView *self = UI_SLICE_VIEW (object);
  /* Translators: %s is a plane: Axial, Coronal, Sagittal */
  g_autofree char *label = g_strdup_printf (_ ("%s view"), ui_plane_get_title (self->plane));

  G_OBJECT_CLASS (ui_slice_view_parent_class)->constructed (object);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, label, -1);
}

static void
ui_slice_view_dispose (GObject *object)
{
  UiSliceView *self = UI_SLICE_VIEW (object);

  ui_slice_view_set_state (self, NULL);
  G_OBJECT_CLASS (ui_slice_view_parent_class)->dispose (object);
}

static void
ui_slice_view_class_init (UiSliceViewClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->constructed = ui_slice_view_constructed;
  object_class->dispose = ui_slice_view_dispose;
  object_class->get_property = get_property;
  object_class->set_property = set_property;
  widget_class->snapshot = ui_slice_view_snapshot;
  widget_class->size_allocate = ui_slice_view_size_allocate;
  widget_class->measure = ui_slice_view_measure;
  widget_class->map = ui_slice_view_map;
  gtk_widget_class_set_css_name (widget_class, "sliceview");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);

  props[PROP_PLANE] =
      g_param_spec_int ("plane", NULL, NULL, 0, VOLUME_N_PLANES - 1, 0,
                        G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  props[PROP_STATE] = g_param_spec_object ("state", NULL, NULL, UI_TYPE_VIEW_STATE,
                                           G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, N_PROPS, props);
  signals[GESTURE] = g_signal_new ("gesture", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[MAXIMISE] = g_signal_new ("maximise", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0,
                                    NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
add_drag (UiSliceView *self)
{
  GtkGesture *drag = gtk_gesture_drag_new ();

  gtk_gesture_single_set_button (GTK_GESTURE_SINGLE (drag), 0);
  g_signal_connect (drag, "drag-begin", G_CALLBACK (drag_begin_cb), self);
  g_signal_connect (drag, "drag-update", G_CALLBACK (drag_update_cb), self);
  g_signal_connect (drag, "drag-end", G_CALLBACK (drag_end_cb), self);
  g_signal_connect (drag, "cancel", G_CALLBACK (drag_cancel_cb), self);
  gtk_widget_add_controller (GTK_WIDGET (self), GTK_EVENT_CONTROLLER (drag));
}

static void
ui_slice_view_init (UiSliceView *self)
{
  GtkWidget *widget = GTK_WIDGET (self);
  GtkGesture *click = gtk_gesture_click_new ();
  GtkEventController *motion = gtk_event_controller_motion_new ();
  GtkEventController *keys = gtk_event_controller_key_new ();
  GtkEventController *scroll =
      gtk_event_controller_scroll_new (GTK_EVENT_CONTROLLER_SCROLL_BOTH_AXES);

  gtk_widget_set_focusable (widget, TRUE);
  gtk_widget_set_hexpand (widget, TRUE);
  gtk_widget_set_vexpand (widget, TRUE);
  gtk_widget_set_overflow (widget, GTK_OVERFLOW_HIDDEN);
  gtk_widget_set_cursor_from_name (widget, "crosshair");
  add_drag (self);
  g_signal_connect (click, "pressed", G_CALLBACK (pressed_cb), self);
  gtk_widget_add_controller (widget, GTK_EVENT_CONTROLLER (click));
  g_signal_connect (motion, "motion", G_CALLBACK (motion_cb), self);
  g_signal_connect (motion, "leave", G_CALLBACK (leave_cb), self);
  gtk_widget_add_controller (widget, motion);
  g_signal_connect (scroll, "scroll", G_CALLBACK (scroll_cb), self);
  gtk_widget_add_controller (widget, scroll);
  g_signal_connect (keys, "key-pressed", G_CALLBACK (key_pressed_cb), self);
  gtk_widget_add_controller (widget, keys);
  g_signal_connect (self, "notify::scale-factor", G_CALLBACK (queue_frame), NULL);
}

GtkWidget *
ui_slice_view_new (VolumePlane plane, UiViewState *state)
{
  return g_object_new (UI_TYPE_SLICE_VIEW, "plane", plane, "state", state, NULL);
}

void
ui_slice_view_set_state (UiSliceView *self, UiViewState *state)
{
  g_return_if_fail (UI_IS_SLICE_VIEW (self));

  if (self->state == state)
    return;
  if (self->state != NULL)
    g_signal_handlers_disconnect_by_data (self->state, self);
  g_clear_object (&self->paintable);
  g_set_object (&self->state, state);
  if (state == NULL)
    return;
  g_signal_connect_swapped (state, "redraw", G_CALLBACK (state_redraw_cb), self);
  g_signal_connect_swapped (state, "labels-changed", G_CALLBACK (queue_frame), self);
  g_signal_connect_swapped (state, "scan-changed", G_CALLBACK (scan_changed_cb), self);
  g_signal_connect_swapped (state, "cursor-changed", G_CALLBACK (describe), self);
  scan_changed_cb (self);
}

VolumePlane
ui_slice_view_get_plane (UiSliceView *self)
{
  return self->plane;
}

double
ui_slice_view_get_latency_ms (UiSliceView *self)
{
  return self->paintable != NULL ? ui_render_paintable_get_latency_ms (self->paintable) : 0;
}
