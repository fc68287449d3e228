/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ui/view-state.h"

#include <math.h>
#include <string.h>

struct _UiViewState
{
  GObject parent_instance;

  RenderDevice *device;
  VolumeScan *scan;
  VolumeLabelMap *labels;
  RenderScan *render_scan;
  RenderLabels *render_labels;
  RenderLabels *compare, *prediction;
  RenderField *field;
  double field_min, field_max;
  VolumeLabelSet *look;
  VolumeSliceFrame frames[VOLUME_N_PLANES];
  RenderSlicePlacement placements[VOLUME_N_PLANES];
  int cursor[3];
  GArray *marks[VOLUME_N_PLANES]; /* guint8 flags */
  GPtrArray *tool_shapes, *fixed_shapes; /* UiShape */
  gboolean overlay_held;
  guint64 serial; /* grows with what frames show beyond their parameters */
  guint64 slice_serials[VOLUME_N_PLANES];

  double window_centre;
  double window_width;
  int interpolation;
  int colour_map;
  double opacity;
  gboolean overlay_visible;
  gboolean outline;
  gboolean crosshair_visible;
  gboolean provenance_visible;
  gboolean hatch_visible;
  gboolean neurological;
  int tool;
  int active_label;
  double brush_size;
  int brush_unit;
  int brush_shape;
  gboolean brush_limited;
  double limit_low;
  double limit_high;
  double flood_tolerance;
  int maximised;
  int mouse_profile;
};

G_DEFINE_FINAL_TYPE (UiViewState, ui_view_state, G_TYPE_OBJECT)

enum
{
  PROP_0,
  PROP_LOADED,
  PROP_WINDOW_CENTRE,
  PROP_WINDOW_WIDTH,
  PROP_INTERPOLATION,
  PROP_COLOUR_MAP,
  PROP_OPACITY,
  PROP_OVERLAY_VISIBLE,
  PROP_OUTLINE,
  PROP_CROSSHAIR_VISIBLE,
  PROP_PROVENANCE_VISIBLE,
  PROP_HATCH_VISIBLE,
  PROP_NEUROLOGICAL,
  PROP_TOOL,
  PROP_ACTIVE_LABEL,
  PROP_BRUSH_SIZE,
  PROP_BRUSH_UNIT,
  PROP_BRUSH_SHAPE,
  PROP_BRUSH_LIMITED,
  PROP_LIMIT_LOW,
  PROP_LIMIT_HIGH,
  PROP_FLOOD_TOLERANCE,
  PROP_MAXIMISED,
  PROP_MOUSE_PROFILE,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

enum
{
  SCAN_CHANGED,
  CURSOR_CHANGED,
  REDRAW,
  LABELS_CHANGED,
  MARKS_CHANGED,
  POINTER,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

/* What a person adjusts and wants to find again, by property name. */
static const char *const saved_properties[] = {
  "window-centre",   "window-width", "interpolation",     "colour-map",         "opacity",
  "overlay-visible", "outline",      "crosshair-visible", "provenance-visible", "tool",
  "active-label",    "brush-size",   "brush-unit",        "brush-shape",        "brush-limited",
  "limit-low",       "limit-high",   "flood-tolerance",   "maximised",          "hatch-visible",
};

static void
redraw (UiViewState *self)
{
  g_signal_emit (self, signals[REDRAW], 0);
}

/* Properties */

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  UiViewState *self = UI_VIEW_STATE (object);

  switch (id)
    {
    case PROP_LOADED:
      g_value_set_boolean (value, self->scan != NULL);
      break;
    case PROP_WINDOW_CENTRE:
      g_value_set_double (value, self->window_centre);
      break;
    case PROP_WINDOW_WIDTH:
      g_value_set_double (value, self->window_width);
      break;
    case PROP_INTERPOLATION:
      g_value_set_int (value, self->interpolation);
      break;
    case PROP_COLOUR_MAP:
      g_value_set_int (value, self->colour_map);
      break;
    case PROP_OPACITY:
      g_value_set_double (value, self->opacity);
      break;
    case PROP_OVERLAY_VISIBLE:
      g_value_set_boolean (value, self->overlay_visible);
      break;
    case PROP_OUTLINE:
      g_value_set_boolean (value, self->outline);
      break;
    case PROP_CROSSHAIR_VISIBLE:
      g_value_set_boolean (value, self->crosshair_visible);
      break;
    case PROP_PROVENANCE_VISIBLE:
      g_value_set_boolean (value, self->provenance_visible);
      break;
    case PROP_HATCH_VISIBLE:
      g_value_set_boolean (value, self->hatch_visible);
      break;
    case PROP_NEUROLOGICAL:
      g_value_set_boolean (value, self->neurological);
      break;
    case PROP_TOOL:
      g_value_set_int (value, self->tool);
      break;
    case PROP_ACTIVE_LABEL:
      g_value_set_int (value, self->active_label);
      break;
    case PROP_BRUSH_SIZE:
      g_value_set_double (value, self->brush_size);
      break;
    case PROP_BRUSH_UNIT:
      g_value_set_int (value, self->brush_unit);
      break;
    case PROP_BRUSH_SHAPE:
      g_value_set_int (value, self->brush_shape);
      break;
    case PROP_BRUSH_LIMITED:
      g_value_set_boolean (value, self->brush_limited);
      break;
    case PROP_LIMIT_LOW:
      g_value_set_double (value, self->limit_low);
      break;
    case PROP_LIMIT_HIGH:
      g_value_set_double (value, self->limit_high);
      break;
    case PROP_FLOOD_TOLERANCE:
      g_value_set_double (value, self->flood_tolerance);
      break;
    case PROP_MAXIMISED:
      g_value_set_int (value, self->maximised);
      break;
    case PROP_MOUSE_PROFILE:
      g_value_set_int (value, self->mouse_profile);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static gboolean
set_int (int *field, int value)
{
  gboolean is_new = *field != value;

  *field = value;
  return is_new;
}

static gboolean
set_double (double *field, double value)
{
  gboolean is_new = *field != value;

  *field = value;
  return is_new;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  UiViewState *self = UI_VIEW_STATE (object);
  gboolean is_new = FALSE;

  switch (id)
    {
    case PROP_WINDOW_CENTRE:
      is_new = set_double (&self->window_centre, g_value_get_double (value));
      break;
    case PROP_WINDOW_WIDTH:
      is_new = set_double (&self->window_width, g_value_get_double (value));
      break;
    case PROP_INTERPOLATION:
      is_new = set_int (&self->interpolation, g_value_get_int (value));
      break;
    case PROP_COLOUR_MAP:
      is_new = set_int (&self->colour_map, g_value_get_int (value));
      break;
    case PROP_OPACITY:
      is_new = set_double (&self->opacity, g_value_get_double (value));
      break;
    case PROP_OVERLAY_VISIBLE:
      is_new = set_int (&self->overlay_visible, g_value_get_boolean (value));
      break;
    case PROP_OUTLINE:
      is_new = set_int (&self->outline, g_value_get_boolean (value));
      break;
    case PROP_CROSSHAIR_VISIBLE:
      is_new = set_int (&self->crosshair_visible, g_value_get_boolean (value));
      break;
    case PROP_PROVENANCE_VISIBLE:
      is_new = set_int (&self->provenance_visible, g_value_get_boolean (value));
      break;
    case PROP_HATCH_VISIBLE:
      is_new = set_int (&self->hatch_visible, g_value_get_boolean (value));
      break;
    case PROP_NEUROLOGICAL:
      is_new = set_int (&self->neurological, g_value_get_boolean (value));
      break;
    case PROP_TOOL:
      is_new = set_int (&self->tool, g_value_get_int (value));
      break;
    case PROP_ACTIVE_LABEL:
      is_new = set_int (&self->active_label, g_value_get_int (value));
      break;
    case PROP_BRUSH_SIZE:
      is_new = set_double (&self->brush_size, g_value_get_double (value));
      break;
    case PROP_BRUSH_UNIT:
      is_new = set_int (&self->brush_unit, g_value_get_int (value));
      break;
    case PROP_BRUSH_SHAPE:
      is_new = set_int (&self->brush_shape, g_value_get_int (value));
      break;
    case PROP_BRUSH_LIMITED:
      is_new = set_int (&self->brush_limited, g_value_get_boolean (value));
      break;
    case PROP_LIMIT_LOW:
      is_new = set_double (&self->limit_low, g_value_get_double (value));
      break;
    case PROP_LIMIT_HIGH:
      is_new = set_double (&self->limit_high, g_value_get_double (value));
      break;
    case PROP_FLOOD_TOLERANCE:
      is_new = set_double (&self->flood_tolerance, g_value_get_double (value));
      break;
    case PROP_MAXIMISED:
      is_new = set_int (&self->maximised, g_value_get_int (value));
      break;
    case PROP_MOUSE_PROFILE:
      is_new = set_int (&self->mouse_profile, g_value_get_int (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
  if (!is_new)
    return;
  g_object_notify_by_pspec (object, pspec);
  redraw (self);
}

static void
ui_view_state_finalize (GObject *object)
{
  UiViewState *self = UI_VIEW_STATE (object);

  g_clear_pointer (&self->scan, volume_scan_unref);
  g_clear_pointer (&self->labels, volume_label_map_unref);
  g_clear_pointer (&self->render_scan, render_scan_unref);
  g_clear_pointer (&self->render_labels, render_labels_unref);
  g_clear_pointer (&self->compare, render_labels_unref);
  g_clear_pointer (&self->prediction, render_labels_unref);
  g_clear_pointer (&self->field, render_field_unref);
  g_clear_pointer (&self->look, volume_label_set_free);
  g_clear_pointer (&self->tool_shapes, g_ptr_array_unref);
  g_clear_pointer (&self->fixed_shapes, g_ptr_array_unref);
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    g_clear_pointer (&self->marks[p], g_array_unref);
  g_clear_pointer (&self->device, render_device_unref);
  G_OBJECT_CLASS (ui_view_state_parent_class)->finalize (object);
}

static void
ui_view_state_class_init (UiViewStateClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  object_class->get_property = get_property;
  object_class->set_property = set_property;
  object_class->finalize = ui_view_state_finalize;

  props[PROP_LOADED] =
      g_param_spec_boolean ("loaded", NULL, NULL, FALSE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  props[PROP_WINDOW_CENTRE] =
      g_param_spec_double ("window-centre", NULL, NULL, -1000000000.0, 1000000000.0, 0, flags);
  props[PROP_WINDOW_WIDTH] =
      g_param_spec_double ("window-width", NULL, NULL, -1000000000.0, 1000000000.0, 0, flags);
  props[PROP_INTERPOLATION] = g_param_spec_int ("interpolation", NULL, NULL, 0, 2, 1, flags);
  props[PROP_COLOUR_MAP] = g_param_spec_int ("colour-map", NULL, NULL, 0, 4, 0, flags);
  props[PROP_OPACITY] = g_param_spec_double ("opacity", NULL, NULL, 0, 1, 0.45, flags);
  props[PROP_OVERLAY_VISIBLE] = g_param_spec_boolean ("overlay-visible", NULL, NULL, TRUE, flags);
  props[PROP_OUTLINE] = g_param_spec_boolean ("outline", NULL, NULL, TRUE, flags);
  props[PROP_CROSSHAIR_VISIBLE] =
      g_param_spec_boolean ("crosshair-visible", NULL, NULL, TRUE, flags);
  props[PROP_PROVENANCE_VISIBLE] =
      g_param_spec_boolean ("provenance-visible", NULL, NULL, FALSE, flags);
  props[PROP_HATCH_VISIBLE] = g_param_spec_boolean ("hatch-visible", NULL, NULL, TRUE, flags);
  props[PROP_NEUROLOGICAL] = g_param_spec_boolean ("neurological", NULL, NULL, FALSE, flags);
  props[PROP_TOOL] = g_param_spec_int ("tool", NULL, NULL, 0, 16, 0, flags);
  props[PROP_ACTIVE_LABEL] = g_param_spec_int ("active-label", NULL, NULL, 0, 65535, 1, flags);
  props[PROP_BRUSH_SIZE] = g_param_spec_double ("brush-size", NULL, NULL, 0.1, 500, 6, flags);
  props[PROP_BRUSH_UNIT] = g_param_spec_int ("brush-unit", NULL, NULL, 0, 1, 0, flags);
  props[PROP_BRUSH_SHAPE] = g_param_spec_int ("brush-shape", NULL, NULL, 0, 1, 0, flags);
  props[PROP_BRUSH_LIMITED] = g_param_spec_boolean ("brush-limited", NULL, NULL, FALSE, flags);
  props[PROP_LIMIT_LOW] =
      g_param_spec_double ("limit-low", NULL, NULL, -1000000000.0, 1000000000.0, 0, flags);
  props[PROP_LIMIT_HIGH] =
      g_param_spec_double ("limit-high", NULL, NULL, -1000000000.0, 1000000000.0, 0, flags);
  props[PROP_FLOOD_TOLERANCE] =
      g_param_spec_double ("flood-tolerance", NULL, NULL, 0, 100, 10, flags);
  props[PROP_MAXIMISED] = g_param_spec_int ("maximised", NULL, NULL, -1, 3, -1, flags);
  props[PROP_MOUSE_PROFILE] = g_param_spec_int ("mouse-profile", NULL, NULL, 0, 2, 0, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);

  signals[SCAN_CHANGED] = g_signal_new ("scan-changed", G_TYPE_FROM_CLASS (klass),
                                        G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[CURSOR_CHANGED] = g_signal_new ("cursor-changed", G_TYPE_FROM_CLASS (klass),
                                          G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[REDRAW] = g_signal_new ("redraw", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 0);
  signals[LABELS_CHANGED] = g_signal_new ("labels-changed", G_TYPE_FROM_CLASS (klass),
                                          G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[MARKS_CHANGED] = g_signal_new ("marks-changed", G_TYPE_FROM_CLASS (klass),
                                         G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[POINTER] = g_signal_new ("pointer", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                                   NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
ui_view_state_init (UiViewState *self)
{
  self->interpolation = 1;
  self->opacity = 0.45;
  self->overlay_visible = TRUE;
  self->outline = TRUE;
  self->crosshair_visible = TRUE;
  self->hatch_visible = TRUE;
  self->active_label = 1;
  self->brush_size = 6;
  self->flood_tolerance = 10;
  self->maximised = -1;
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    {
      self->marks[p] = g_array_new (FALSE, TRUE, sizeof (guint8));
      self->placements[p].plane = p;
      self->placements[p].zoom = 1;
    }
  self->tool_shapes = g_ptr_array_new_with_free_func ((GDestroyNotify) ui_shape_free);
  self->fixed_shapes = g_ptr_array_new_with_free_func ((GDestroyNotify) ui_shape_free);
}

UiViewState *
ui_view_state_new (void)
{
  return g_object_new (UI_TYPE_VIEW_STATE, NULL);
}

void
ui_view_state_set_device (UiViewState *self, RenderDevice *device)
{
  g_return_if_fail (UI_IS_VIEW_STATE (self));
  g_return_if_fail (self->scan == NULL);

  g_clear_pointer (&self->device, render_device_unref);
  if (device != NULL)
    self->device = render_device_ref (device);
}

RenderDevice *
ui_view_state_get_device (UiViewState *self)
{
  return self->device;
}

/* The scan and its labels */

static void
forget_scan (UiViewState *self)
{
  g_clear_pointer (&self->render_labels, render_labels_unref);
  g_clear_pointer (&self->render_scan, render_scan_unref);
  g_clear_pointer (&self->compare, render_labels_unref);
  g_clear_pointer (&self->prediction, render_labels_unref);
  g_clear_pointer (&self->field, render_field_unref);
  g_clear_pointer (&self->labels, volume_label_map_unref);
  g_clear_pointer (&self->scan, volume_scan_unref);
  g_ptr_array_set_size (self->tool_shapes, 0);
  g_ptr_array_set_size (self->fixed_shapes, 0);
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    g_array_set_size (self->marks[p], 0);
}

static void
take_scan (UiViewState *self, VolumeScan *scan, VolumeLabelMap *labels)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);

  self->scan = volume_scan_ref (scan);
  self->labels = labels != NULL ? volume_label_map_ref (labels) : NULL;
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    volume_geometry_get_slice_frame (geometry, p, &self->frames[p]);
  for (int axis = 0; axis < 3; axis++)
    self->cursor[axis] = geometry->size[axis] / 2;
  if (self->device == NULL)
    return;
  self->render_scan = render_scan_new (self->device, scan);
  if (labels == NULL)
    return;
  self->render_labels = render_labels_new (self->device, geometry->size);
  if (self->look != NULL)
    render_labels_set_look (self->render_labels, self->look);
  ui_view_state_labels_changed (self, NULL);
}

void
ui_view_state_set_scan (UiViewState *self, VolumeScan *scan, VolumeLabelMap *labels)
{
  g_return_if_fail (UI_IS_VIEW_STATE (self));

  forget_scan (self);
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    self->placements[p] = (RenderSlicePlacement){ .plane = p, .zoom = 1 };
  if (scan != NULL)
    {
      take_scan (self, scan, labels);
      ui_view_state_auto_window (self);
      self->limit_low = self->window_centre - self->window_width / 4;
      self->limit_high = self->window_centre + self->window_width / 2;
      g_object_notify_by_pspec (G_OBJECT (self), props[PROP_LIMIT_LOW]);
      g_object_notify_by_pspec (G_OBJECT (self), props[PROP_LIMIT_HIGH]);
    }
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_LOADED]);
  g_signal_emit (self, signals[SCAN_CHANGED], 0);
  g_signal_emit (self, signals[MARKS_CHANGED], 0);
  g_signal_emit (self, signals[CURSOR_CHANGED], 0);
  redraw (self);
}

VolumeScan *
ui_view_state_get_scan (UiViewState *self)
{
  return self->scan;
}

VolumeLabelMap *
ui_view_state_get_labels (UiViewState *self)
{
  return self->labels;
}

const VolumeGeometry *
ui_view_state_get_geometry (UiViewState *self)
{
  return self->scan != NULL ? volume_scan_get_geometry (self->scan) : NULL;
}

const VolumeSliceFrame *
ui_view_state_get_frame (UiViewState *self, VolumePlane plane)
{
  g_return_val_if_fail ((unsigned) plane < VOLUME_N_PLANES, NULL);
  return self->scan != NULL ? &self->frames[plane] : NULL;
}

RenderScan *
ui_view_state_get_render_scan (UiViewState *self)
{
  return self->render_scan;
}

RenderLabels *
ui_view_state_get_render_labels (UiViewState *self)
{
  return self->render_labels;
}

/* A slice that is shown later is another wish by its index. */
static void
grow_serials (UiViewState *self, const VolumeBox *box)
{
  self->serial++;
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    {
      const int axis = self->frames[p].axis_normal;

      if (box == NULL
          || (self->cursor[axis] >= box->lo[axis] && self->cursor[axis] < box->hi[axis]))
        self->slice_serials[p]++;
    }
}

void
ui_view_state_labels_changed (UiViewState *self, const VolumeBox *box)
{
  g_autoptr (VolumeLabelSnapshot) snapshot = NULL;
  g_autoptr (GError) error = NULL;

  if (self->labels == NULL || self->render_labels == NULL)
    return;
  grow_serials (self, box);
  snapshot = volume_label_map_snapshot (self->labels, &error);
  if (snapshot == NULL)
    {
      g_message ("labels: %s", error->message);
      return;
    }
  render_labels_update (self->render_labels, snapshot, box);
  g_signal_emit (self, signals[LABELS_CHANGED], 0);
}

void
ui_view_state_set_origins (UiViewState *self, VolumeLabelSnapshot *snapshot, GBytes *edits,
                           const VolumeBox *box)
{
  if (self->render_labels == NULL)
    return;
  grow_serials (self, box);
  render_labels_set_origins (self->render_labels, snapshot, edits, box);
  g_signal_emit (self, signals[LABELS_CHANGED], 0);
}

void
ui_view_state_set_look (UiViewState *self, const VolumeLabelSet *labels)
{
  grow_serials (self, NULL);
  g_clear_pointer (&self->look, volume_label_set_free);
  self->look = volume_label_set_copy (labels);
  if (self->render_labels != NULL)
    render_labels_set_look (self->render_labels, self->look);
  if (self->prediction != NULL)
    render_labels_set_look (self->prediction, self->look);
  redraw (self);
}

const VolumeLabelSet *
ui_view_state_get_look (UiViewState *self)
{
  return self->look;
}

void
ui_view_state_set_prediction (UiViewState *self, RenderLabels *prediction)
{
  g_clear_pointer (&self->prediction, render_labels_unref);
  self->prediction = prediction != NULL ? render_labels_ref (prediction) : NULL;
  if (self->prediction != NULL && self->look != NULL)
    render_labels_set_look (self->prediction, self->look);
  redraw (self);
}

void
ui_view_state_set_compare (UiViewState *self, RenderLabels *compare)
{
  g_clear_pointer (&self->compare, render_labels_unref);
  self->compare = compare != NULL ? render_labels_ref (compare) : NULL;
  redraw (self);
}

void
ui_view_state_set_field (UiViewState *self, RenderField *field, double min, double max)
{
  g_clear_pointer (&self->field, render_field_unref);
  self->field = field != NULL ? render_field_ref (field) : NULL;
  self->field_min = min;
  self->field_max = max;
  redraw (self);
}

/* Cursor and placements */

void
ui_view_state_get_cursor (UiViewState *self, int ijk[3])
{
  memcpy (ijk, self->cursor, sizeof self->cursor);
}

void
ui_view_state_set_cursor (UiViewState *self, const int ijk[3])
{
  const VolumeGeometry *geometry = ui_view_state_get_geometry (self);
  int clamped[3];

  if (geometry == NULL)
    return;
  for (int axis = 0; axis < 3; axis++)
    clamped[axis] = CLAMP (ijk[axis], 0, geometry->size[axis] - 1);
  if (memcmp (clamped, self->cursor, sizeof clamped) == 0)
    return;
  memcpy (self->cursor, clamped, sizeof clamped);
  g_signal_emit (self, signals[CURSOR_CHANGED], 0);
  redraw (self);
}

int
ui_view_state_get_index (UiViewState *self, VolumePlane plane)
{
  return self->scan != NULL ? self->cursor[self->frames[plane].axis_normal] : 0;
}

void
ui_view_state_set_index (UiViewState *self, VolumePlane plane, int index)
{
  int ijk[3];

  if (self->scan == NULL)
    return;
  memcpy (ijk, self->cursor, sizeof ijk);
  ijk[self->frames[plane].axis_normal] = index;
  ui_view_state_set_cursor (self, ijk);
}

void
ui_view_state_get_placement (UiViewState *self, VolumePlane plane, RenderSlicePlacement *placement)
{
  *placement = self->placements[plane];
  placement->plane = plane;
  placement->index = ui_view_state_get_index (self, plane);
  placement->neurological = self->neurological;
}

void
ui_view_state_set_placement (UiViewState *self, VolumePlane plane,
                             const RenderSlicePlacement *placement)
{
  self->placements[plane] = *placement;
  self->placements[plane].zoom = CLAMP (placement->zoom, 0.1, 64);
  redraw (self);
}

void
ui_view_state_fit (UiViewState *self)
{
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    self->placements[p] = (RenderSlicePlacement){ .plane = p, .zoom = 1 };
  redraw (self);
}

void
ui_view_state_centre (UiViewState *self)
{
  const VolumeGeometry *geometry = ui_view_state_get_geometry (self);
  double ijk[3];

  if (geometry == NULL)
    return;
  for (int axis = 0; axis < 3; axis++)
    ijk[axis] = self->cursor[axis];
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    {
      RenderSlicePlacement placement;
      RenderSliceView view;

      /* Offsets are in mm: they do not depend on the frame's size. */
      ui_view_state_get_placement (self, p, &placement);
      render_slice_view_init (&view, geometry, &placement, 256, 256);
      render_slice_view_centre_on (&view, ijk, &placement);
      self->placements[p] = placement;
    }
  redraw (self);
}

void
ui_view_state_set_window (UiViewState *self, double centre, double width)
{
  g_object_set (self, "window-centre", centre, "window-width", MAX (width, 1e-6), NULL);
}

void
ui_view_state_get_window (UiViewState *self, double *centre, double *width)
{
  *centre = self->window_centre;
  *width = self->window_width;
}

void
ui_view_state_auto_window (UiViewState *self)
{
  double centre, width;

  if (self->scan == NULL)
    return;
  volume_scan_get_default_window (self->scan, &centre, &width);
  ui_view_state_set_window (self, centre, width);
}

/* Looks and tools */

gboolean
ui_view_state_get_labels_shown (UiViewState *self)
{
  return self->overlay_visible && !self->overlay_held;
}

void
ui_view_state_hold_overlay (UiViewState *self, gboolean held)
{
  if (self->overlay_held == held)
    return;
  self->overlay_held = held;
  redraw (self);
}

UiTool
ui_view_state_get_tool (UiViewState *self)
{
  return self->tool;
}

guint16
ui_view_state_get_active_label (UiViewState *self)
{
  return self->active_label;
}

double
ui_view_state_get_brush_radius (UiViewState *self, int axis)
{
  const VolumeGeometry *geometry = ui_view_state_get_geometry (self);

  if (geometry == NULL || self->brush_unit == UI_UNIT_VOXELS)
    return self->brush_size / 2;
  return self->brush_size / 2 / geometry->spacing_mm[axis];
}

/* Marks and shapes */

void
ui_view_state_set_marks (UiViewState *self, VolumePlane plane, const guint8 *marks, int n)
{
  if (self->marks[plane]->len == (guint) n && memcmp (self->marks[plane]->data, marks, n) == 0)
    return;
  g_array_set_size (self->marks[plane], 0);
  g_array_append_vals (self->marks[plane], marks, n);
  g_signal_emit (self, signals[MARKS_CHANGED], 0);
  redraw (self);
}

guint
ui_view_state_get_mark (UiViewState *self, VolumePlane plane, int index)
{
  if (index < 0 || index >= (int) self->marks[plane]->len)
    return 0;
  return g_array_index (self->marks[plane], guint8, index);
}

int
ui_view_state_get_task_index (UiViewState *self, VolumePlane plane)
{
  for (int n = 0; n < (int) self->marks[plane]->len; n++)
    if (ui_view_state_get_mark (self, plane, n) & (UI_MARK_PROPOSED | UI_MARK_SIGNED))
      return n;
  return -1;
}

static void
take_shapes (UiViewState *self, GPtrArray **field, GPtrArray *shapes)
{
  g_ptr_array_unref (*field);
  *field =
      shapes != NULL ? shapes : g_ptr_array_new_with_free_func ((GDestroyNotify) ui_shape_free);
  redraw (self);
}

void
ui_view_state_set_tool_shapes (UiViewState *self, GPtrArray *shapes)
{
  take_shapes (self, &self->tool_shapes, shapes);
}

void
ui_view_state_set_fixed_shapes (UiViewState *self, GPtrArray *shapes)
{
  take_shapes (self, &self->fixed_shapes, shapes);
}

GPtrArray *
ui_view_state_get_tool_shapes (UiViewState *self)
{
  return self->tool_shapes;
}

GPtrArray *
ui_view_state_get_fixed_shapes (UiViewState *self)
{
  return self->fixed_shapes;
}

/* For panes */

guint64
ui_view_state_get_serial (UiViewState *self)
{
  return self->serial;
}

guint64
ui_view_state_get_slice_serial (UiViewState *self, VolumePlane plane)
{
  return self->slice_serials[plane];
}

void
ui_view_state_point (UiViewState *self, VolumePlane plane, const double ijk[3])
{
  const VolumeGeometry *geometry = ui_view_state_get_geometry (self);
  UiPointer pointer = { .plane = plane };

  if (geometry == NULL)
    return;
  for (int axis = 0; axis < 3; axis++)
    {
      pointer.ijk[axis] = (int) lround (ijk[axis]);
      if (pointer.ijk[axis] < 0 || pointer.ijk[axis] >= geometry->size[axis])
        {
          ui_view_state_point_nowhere (self);
          return;
        }
    }
  volume_geometry_ijk_to_ras (geometry, ijk, pointer.ras_mm);
  pointer.value =
      volume_scan_get_value (self->scan, pointer.ijk[0], pointer.ijk[1], pointer.ijk[2]);
  if (self->labels != NULL)
    pointer.label =
        volume_label_map_get (self->labels, pointer.ijk[0], pointer.ijk[1], pointer.ijk[2]);
  g_signal_emit (self, signals[POINTER], 0, &pointer);
}

void
ui_view_state_point_nowhere (UiViewState *self)
{
  g_signal_emit (self, signals[POINTER], 0, NULL);
}

static RenderLabelStyle
label_style (UiViewState *self)
{
  if (!ui_view_state_get_labels_shown (self))
    return RENDER_LABEL_STYLE_NONE;
  return self->outline ? RENDER_LABEL_STYLE_FILL_OUTLINE : RENDER_LABEL_STYLE_FILL;
}

gboolean
ui_view_state_init_slice (UiViewState *self, VolumePlane plane, RenderSliceParams *params)
{
  guint mark;

  *params = (RenderSliceParams){ 0 };
  if (self->render_scan == NULL)
    return FALSE;
  mark = ui_view_state_get_mark (self, plane, ui_view_state_get_index (self, plane));
  params->scan = self->render_scan;
  ui_view_state_get_placement (self, plane, &params->placement);
  params->window_centre = self->window_centre;
  params->window_width = self->window_width;
  params->colour_map = self->colour_map;
  params->interpolation = self->interpolation;
  params->labels = self->prediction != NULL ? self->prediction : self->render_labels;
  params->label_style = label_style (self);
  params->label_opacity = self->opacity;
  params->compare = self->compare;
  params->field = self->field;
  params->field_min = self->field_min;
  params->field_max = self->field_max;
  params->field_opacity = self->field != NULL ? 0.6 : 0;
  params->field_colour_map = RENDER_COLOUR_MAP_EMBER;
  params->provenance_opacity = self->provenance_visible ? 0.5 : 0;
  /* I3: a slice to be labelled says which of its voxels have no label yet. */
  params->hatch_unlabelled = self->hatch_visible && self->render_labels != NULL
                             && self->prediction == NULL && ui_view_state_get_labels_shown (self)
                             && (mark & UI_MARK_PROPOSED) && !(mark & UI_MARK_SIGNED);
  return TRUE;
}

/* Where a person left off */

GVariant *
ui_view_state_save (UiViewState *self)
{
  GVariantBuilder builder;
  double zooms[9];

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (gsize n = 0; n < G_N_ELEMENTS (saved_properties); n++)
    {
      GParamSpec *pspec =
          g_object_class_find_property (G_OBJECT_GET_CLASS (self), saved_properties[n]);
      g_auto (GValue) value = G_VALUE_INIT;

      g_value_init (&value, pspec->value_type);
      g_object_get_property (G_OBJECT (self), saved_properties[n], &value);
      if (G_VALUE_HOLDS_DOUBLE (&value))
        g_variant_builder_add (&builder, "{sv}", saved_properties[n],
                               g_variant_new_double (g_value_get_double (&value)));
      else if (G_VALUE_HOLDS_BOOLEAN (&value))
        g_variant_builder_add (&builder, "{sv}", saved_properties[n],
                               g_variant_new_boolean (g_value_get_boolean (&value)));
      else
        g_variant_builder_add (&builder, "{sv}", saved_properties[n],
                               g_variant_new_int32 (g_value_get_int (&value)));
    }
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    {
      zooms[3 * p] = self->placements[p].zoom;
      zooms[3 * p + 1] = self->placements[p].offset_mm[0];
      zooms[3 * p + 2] = self->placements[p].offset_mm[1];
    }
  g_variant_builder_add (
      &builder, "{sv}", "placements",
      g_variant_new_fixed_array (G_VARIANT_TYPE_DOUBLE, zooms, 9, sizeof (double)));
  g_variant_builder_add (
      &builder, "{sv}", "cursor",
      g_variant_new ("(iii)", self->cursor[0], self->cursor[1], self->cursor[2]));
  return g_variant_builder_end (&builder);
}

static void
restore_property (UiViewState *self, GVariant *saved, const char *name)
{
  GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (self), name);
  g_autoptr (GVariant) kept = g_variant_lookup_value (saved, name, NULL);
  g_auto (GValue) value = G_VALUE_INIT;

  if (kept == NULL)
    return;
  g_value_init (&value, pspec->value_type);
  if (G_VALUE_HOLDS_DOUBLE (&value) && g_variant_is_of_type (kept, G_VARIANT_TYPE_DOUBLE)
      && isfinite (g_variant_get_double (kept)))
    g_value_set_double (&value, g_variant_get_double (kept));
  else if (G_VALUE_HOLDS_BOOLEAN (&value) && g_variant_is_of_type (kept, G_VARIANT_TYPE_BOOLEAN))
    g_value_set_boolean (&value, g_variant_get_boolean (kept));
  else if (G_VALUE_HOLDS_INT (&value) && g_variant_is_of_type (kept, G_VARIANT_TYPE_INT32))
    g_value_set_int (&value, g_variant_get_int32 (kept));
  else
    return;
  g_param_value_validate (pspec, &value);
  g_object_set_property (G_OBJECT (self), name, &value);
}

void
ui_view_state_restore (UiViewState *self, GVariant *saved)
{
  g_autoptr (GVariant) placements =
      g_variant_lookup_value (saved, "placements", G_VARIANT_TYPE ("ad"));
  int ijk[3];

  for (gsize n = 0; n < G_N_ELEMENTS (saved_properties); n++)
    restore_property (self, saved, saved_properties[n]);
  if (placements != NULL)
    {
      gsize n_zooms = 0;
      const double *zooms = g_variant_get_fixed_array (placements, &n_zooms, sizeof (double));

      for (int p = 0; n_zooms == 9 && p < VOLUME_N_PLANES; p++)
        {
          self->placements[p].zoom = isfinite (zooms[3 * p]) ? CLAMP (zooms[3 * p], 0.1, 64) : 1;
          for (int d = 0; d < 2; d++)
            self->placements[p].offset_mm[d] =
                isfinite (zooms[3 * p + 1 + d]) ? zooms[3 * p + 1 + d] : 0;
        }
    }
  if (g_variant_lookup (saved, "cursor", "(iii)", &ijk[0], &ijk[1], &ijk[2]))
    ui_view_state_set_cursor (self, ijk);
  redraw (self);
}
