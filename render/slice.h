/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gio/gio.h>

#include "render/colour-map.h"
#include "render/field.h"
#include "render/frame.h"
#include "render/labels.h"
#include "render/marks.h"
#include "render/scan.h"
#include "render/slice-view.h"

G_BEGIN_DECLS

typedef enum
{
  RENDER_INTERPOLATION_NEAREST,
  RENDER_INTERPOLATION_LINEAR,
  RENDER_INTERPOLATION_CUBIC, /* Catmull–Rom: passes through the voxels' values */
} RenderInterpolation;

typedef enum
{
  RENDER_LABEL_STYLE_NONE,
  RENDER_LABEL_STYLE_FILL,
  RENDER_LABEL_STYLE_OUTLINE,
  RENDER_LABEL_STYLE_FILL_OUTLINE,
} RenderLabelStyle;

/**
 * RenderSliceParams:
 *
 * One slice, drawn in this order: scan, field, hatch, labels or comparison, provenance, marks.
 * Fields left 0 give a plain grey slice in its default window, nearest interpolation.
 *
 * @window_width: 0 or less takes the scan's default window
 * @background: sRGB outside the scan
 * @label_opacity: of fills; multiplied with each label's own
 * @outline_px: width of outlines on the screen, inside the label; 0 for 1.5
 * @highlight_label: 0, or the label to stand out: the others step back
 * @hatch_unlabelled: hatch voxels of the plane that have no label yet: label 0 and no provenance
 * (I3)
 * @hatch_scale: pixels for one of the pattern, so that it is as wide on fine screens; 0 counts as 1
 * @provenance_opacity: above 0 colours voxels by where their label came from
 * @compare: draw where @labels and this differ instead of @labels: only in @labels blue, only in
 *   @compare orange, both but different purple, same faintly green
 * @field_min, @field_max: values at the ends of @field_colour_map; below the former it fades out
 * @marks: copied
 * @may_stay: for a display that takes DMA buffers, see render/dmabuf.h
 */
typedef struct
{
  RenderScan *scan;
  RenderSlicePlacement placement;
  int width, height; /* pixels */
  float background[3];

  double window_centre, window_width;
  RenderColourMap colour_map;
  RenderInterpolation interpolation;

  RenderLabels *labels; /* nullable */
  RenderLabelStyle label_style;
  double label_opacity;
  double outline_px;
  guint16 highlight_label;
  gboolean hatch_unlabelled;
  double hatch_scale;
  double provenance_opacity;
  RenderLabels *compare; /* nullable */

  RenderField *field; /* nullable */
  RenderColourMap field_colour_map;
  double field_min, field_max, field_opacity;

  const RenderMarks *marks; /* nullable */
  gboolean may_stay;
} RenderSliceParams;

/* Copies @params and holds references; returns at once. The result comes in the caller's
 * thread-default main context. */
void render_slice_async (RenderDevice *device, const RenderSliceParams *params,
                         GCancellable *cancellable, GAsyncReadyCallback callback,
                         gpointer user_data);
RenderFrame *render_slice_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Waits. For the command line and tests, never on the main thread of the window (I8). */
RenderFrame *render_slice_sync (RenderDevice *device, const RenderSliceParams *params,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
