/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/volume-types.h"

G_BEGIN_DECLS

typedef enum
{
  VOLUME_PROMPT_NEGATIVE = 0,
  VOLUME_PROMPT_POSITIVE = 1
} VolumePromptSign;

/* One click in voxel space. */
typedef struct
{
  double ijk[3];
  VolumePromptSign sign;
} VolumePromptPoint;

/* A scribble: a polyline of clicks of one sign. */
typedef struct
{
  VolumePromptPoint *points;
  gsize n_points;
} VolumePromptScribble;

/**
 * VolumePrompt:
 *
 * What a person gave a generalist on one slice of a scan: points, at most one box, scribbles, and
 * possibly a previous mask. Mutable; belongs to one thread; copy to hand over.
 */
struct _VolumePrompt
{
  VolumePlane plane;
  int slice_index;
  GArray *points; /* VolumePromptPoint */
  GPtrArray *scribbles; /* VolumePromptScribble */
  gboolean has_box;
  VolumeBox box; /* half-open, in voxels; one voxel thick across the plane */
};

VolumePrompt *volume_prompt_new (VolumePlane plane, int slice_index) G_GNUC_WARN_UNUSED_RESULT;
VolumePrompt *volume_prompt_copy (const VolumePrompt *self) G_GNUC_WARN_UNUSED_RESULT;
void volume_prompt_free (VolumePrompt *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VolumePrompt, volume_prompt_free)

void volume_prompt_add_point (VolumePrompt *self, const double ijk[3], VolumePromptSign sign);
void volume_prompt_add_scribble (VolumePrompt *self, const double (*ijk)[3], gsize n_points,
                                 VolumePromptSign sign);
void volume_prompt_set_box (VolumePrompt *self, const VolumeBox *box);
gboolean volume_prompt_is_empty (const VolumePrompt *self);

/* For the journal and the command line: JSON text, both ways. */
char *volume_prompt_to_json (const VolumePrompt *self) G_GNUC_WARN_UNUSED_RESULT;
VolumePrompt *volume_prompt_from_json (const char *json, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
