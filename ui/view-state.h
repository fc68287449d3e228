/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "render/labels.h"
#include "render/scan.h"
#include "render/slice.h"
#include "ui/shape.h"
#include "ui/ui-types.h"
#include "volume/label-map.h"
#include "volume/label-set.h"

G_BEGIN_DECLS

/**
 * UiViewState:
 *
 * What the panes of one window show: the scan and its labels, the cursor all panes share, window
 * and level, looks, the tool and its settings, marks. Panes read it and write cursor, placements,
 * window; app/ reads and writes the rest.
 *
 * Properties (read-write unless noted): loaded (read), window-centre, window-width,
 * interpolation, colour-map, opacity, overlay-visible, outline, crosshair-visible,
 * provenance-visible, hatch-visible, neurological, tool, active-label, brush-size, brush-unit,
 * brush-shape, brush-limited, limit-low, limit-high, flood-tolerance, maximised, mouse-profile.
 *
 * Signals:
 *   "scan-changed" (): another scan, or none
 *   "cursor-changed" (): the linked crosshair moved
 *   "redraw" (): anything visible changed, the above included, but for:
 *   "labels-changed" (): labels changed in some box, and nothing else
 *   "marks-changed" (): slider marks changed
 *   "pointer" (UiPointer *): what is under the pointer; NULL when it left
 */
#define UI_TYPE_VIEW_STATE (ui_view_state_get_type ())
G_DECLARE_FINAL_TYPE (UiViewState, ui_view_state, UI, VIEW_STATE, GObject)

typedef struct
{
  VolumePlane plane;
  int ijk[3];
  double ras_mm[3];
  float value;
  guint16 label;
} UiPointer;

UiViewState *ui_view_state_new (void) G_GNUC_WARN_UNUSED_RESULT;

/* The device that draws; NULL shows empty panes. Set once, before a scan. */
void ui_view_state_set_device (UiViewState *self, RenderDevice *device);
RenderDevice *ui_view_state_get_device (UiViewState *self);

/**
 * ui_view_state_set_scan:
 * @scan: (nullable): NULL closes
 * @labels: (nullable): the map that is shown; referenced; panes only read it
 *
 * Resets cursor (to the middle), placements and window to the scan's defaults.
 */
void ui_view_state_set_scan (UiViewState *self, VolumeScan *scan, VolumeLabelMap *labels);
VolumeScan *ui_view_state_get_scan (UiViewState *self);
VolumeLabelMap *ui_view_state_get_labels (UiViewState *self);
const VolumeGeometry *ui_view_state_get_geometry (UiViewState *self); /* NULL without a scan */
const VolumeSliceFrame *ui_view_state_get_frame (UiViewState *self, VolumePlane plane);
RenderScan *ui_view_state_get_render_scan (UiViewState *self);
RenderLabels *ui_view_state_get_render_labels (UiViewState *self);

/* The shown map changed inside @box (NULL: everywhere); sends that box to the device. */
void ui_view_state_labels_changed (UiViewState *self, const VolumeBox *box);
/* Where the labels came from, see render_labels_set_origins(). */
void ui_view_state_set_origins (UiViewState *self, VolumeLabelSnapshot *snapshot, GBytes *edits,
                                const VolumeBox *box);
void ui_view_state_set_look (UiViewState *self, const VolumeLabelSet *labels);
const VolumeLabelSet *ui_view_state_get_look (UiViewState *self); /* NULL before it was set */
/* A model's answer, shown in the place of the labels until it is taken away; NULL for none. */
void ui_view_state_set_prediction (UiViewState *self, RenderLabels *prediction);
/* A labelling to compare the shown one with, and a scalar field over it; NULL for none. */
void ui_view_state_set_compare (UiViewState *self, RenderLabels *compare);
void ui_view_state_set_field (UiViewState *self, RenderField *field, double min, double max);

void ui_view_state_get_cursor (UiViewState *self, int ijk[3]);
void ui_view_state_set_cursor (UiViewState *self, const int ijk[3]); /* clamped to the grid */
int ui_view_state_get_index (UiViewState *self, VolumePlane plane);
void ui_view_state_set_index (UiViewState *self, VolumePlane plane, int index);

/* Zoom and offset of a plane; its index follows the cursor. */
void ui_view_state_get_placement (UiViewState *self, VolumePlane plane,
                                  RenderSlicePlacement *placement);
void ui_view_state_set_placement (UiViewState *self, VolumePlane plane,
                                  const RenderSlicePlacement *placement);
void ui_view_state_fit (UiViewState *self);
/* Brings the cursor into the middle of every pane. */
void ui_view_state_centre (UiViewState *self);
void ui_view_state_set_window (UiViewState *self, double centre, double width);
void ui_view_state_get_window (UiViewState *self, double *centre, double *width);
void ui_view_state_auto_window (UiViewState *self);

/* Whether labels are shown now: overlay-visible, and no key holds them away. */
gboolean ui_view_state_get_labels_shown (UiViewState *self);
void ui_view_state_hold_overlay (UiViewState *self, gboolean held);
UiTool ui_view_state_get_tool (UiViewState *self);
guint16 ui_view_state_get_active_label (UiViewState *self);
/* Half the brush's size along voxel axis @axis, in voxels. */
double ui_view_state_get_brush_radius (UiViewState *self, int axis);

/* Marks of the sliders: UiSliceMark flags of each slice of a plane. */
void ui_view_state_set_marks (UiViewState *self, VolumePlane plane, const guint8 *marks, int n);
guint ui_view_state_get_mark (UiViewState *self, VolumePlane plane, int index);
/* First proposed or signed slice of the plane; −1 for none. */
int ui_view_state_get_task_index (UiViewState *self, VolumePlane plane);

/* Shapes over the slices (element-type UiShape), in two layers: what the tool is doing, and what
 * stays (measurements, conflicts). Both are taken over. */
void ui_view_state_set_tool_shapes (UiViewState *self, GPtrArray *shapes);
void ui_view_state_set_fixed_shapes (UiViewState *self, GPtrArray *shapes);
GPtrArray *ui_view_state_get_tool_shapes (UiViewState *self);
GPtrArray *ui_view_state_get_fixed_shapes (UiViewState *self);

/* For panes. The serials grow with what frames show beyond their parameters (labels, looks); a
 * plane's does not for labels that changed beside the slice it shows. */
guint64 ui_view_state_get_serial (UiViewState *self);
guint64 ui_view_state_get_slice_serial (UiViewState *self, VolumePlane plane);
void ui_view_state_point (UiViewState *self, VolumePlane plane, const double ijk[3]);
void ui_view_state_point_nowhere (UiViewState *self);
/* Fills scan, labels, looks and placement; the caller adds size and background. */
gboolean ui_view_state_init_slice (UiViewState *self, VolumePlane plane, RenderSliceParams *params);

/* Where a person left off, as a{sv} (floating), and back; unknown keys are passed over. */
GVariant *ui_view_state_save (UiViewState *self);
void ui_view_state_restore (UiViewState *self, GVariant *saved);

G_END_DECLS
