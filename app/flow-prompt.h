/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "seg/generalist/generalist.h"
#include "volume/prompt.h"
#include "volume/scan.h"

G_BEGIN_DECLS

/* prompts → generalist → mask: between voxels and the generalist's pictures. A slice is a picture
 * in screen order (VolumeSliceFrame), seen through the scan's default window. */

/* (transfer full) */
SegPicture *app_flow_prompt_cut (VolumeScan *scan, VolumePlane plane,
                                 int index) G_GNUC_WARN_UNUSED_RESULT;

/**
 * app_flow_prompt_translate:
 * @prompt: in voxels; its box is half-open
 *
 * Returns: (transfer full): the same in the slice's pixels; %NULL with VOLUME_ERROR_MISMATCH if a
 *   point is off the slice or outside of the scan
 */
SegPrompt *app_flow_prompt_translate (const VolumeGeometry *geometry, const VolumePrompt *prompt,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The one-voxel-thick box of a slice, and a mask between screen order and the box's voxels (i
 * fastest). */
VolumeBox app_flow_prompt_get_box (const VolumeGeometry *geometry, VolumePlane plane, int index);
void app_flow_prompt_place_mask (const VolumeGeometry *geometry, VolumePlane plane, int index,
                                 const guint8 *screen, guint8 *voxels);
void app_flow_prompt_take_mask (const VolumeGeometry *geometry, VolumePlane plane, int index,
                                const guint8 *voxels, guint8 *screen);

/**
 * app_flow_prompt_open:
 * @weights: (nullable): a file; %NULL for the built-in network
 *
 * On the engine thread. Where the built-in weights are not installed the rule answers instead, and
 * its name says so (seg_generalist_get_info); a file that cannot be used is an error.
 */
SegGeneralist *app_flow_prompt_open (const char *weights, const char *kind_hint,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
