/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gio/gio.h>

#include "render/colour-map.h"
#include "render/frame.h"
#include "render/labels.h"
#include "render/scan.h"

G_BEGIN_DECLS

typedef enum
{
  RENDER_VOLUME_MODE_COMPOSITE, /* emission and absorption through a transfer function */
  RENDER_VOLUME_MODE_MIP, /* maximum intensity projection */
  RENDER_VOLUME_MODE_LABELS, /* label surfaces alone */
  RENDER_VOLUME_MODE_PLANES, /* the three slices through @cut_ijk, and the label surfaces */
} RenderVolumeMode;

typedef enum
{
  RENDER_VOLUME_CUT_NONE,
  RENDER_VOLUME_CUT_OCTANT, /* the octant at @cut_ijk that looks at the viewer is taken away, and
                               the slices show on its faces */
} RenderVolumeCut;

typedef enum
{
  RENDER_QUALITY_FINAL,
  RENDER_QUALITY_MOVING, /* fewer rays and longer steps, while the view moves */
} RenderQuality;

/**
 * RenderVolumeParams:
 *
 * @azimuth_deg, @elevation_deg: where the viewer stands: 0, 0 in front of the patient (looking
 *   posterior, patient right on screen left), 90 at the patient's left, elevation towards superior
 * @zoom: 1 fits the scan's bounding sphere into the frame; 0 counts as 1
 * @pan_px: shift of the picture on the screen
 * @window_centre, @window_width: the transfer function: nothing below the window, rising inside
 * @opacity: of the scan at the upper end of the window, per 1 % of the scan's diagonal; 0 for 0.2
 * @may_stay: for a display that takes DMA buffers, see render/dmabuf.h
 * @labels: nullable; drawn as smooth surfaces, each label visible by its look, @label_opacity 0…1
 */
typedef struct
{
  RenderScan *scan;
  RenderLabels *labels;
  int width, height;
  float background[3];
  RenderVolumeMode mode;
  RenderQuality quality;
  double azimuth_deg, elevation_deg, zoom, pan_px[2];
  double window_centre, window_width;
  RenderColourMap colour_map;
  double opacity, label_opacity;
  guint16 highlight_label;
  RenderVolumeCut cut;
  double cut_ijk[3];
  gboolean may_stay;
} RenderVolumeParams;

void render_volume_async (RenderDevice *device, const RenderVolumeParams *params,
                          GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data);
RenderFrame *render_volume_finish (GAsyncResult *result, GError **error) G_GNUC_WARN_UNUSED_RESULT;
RenderFrame *render_volume_sync (RenderDevice *device, const RenderVolumeParams *params,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
