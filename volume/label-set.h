/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib-object.h>

#include "volume/volume-types.h"

G_BEGIN_DECLS

/* One label class. id 1…65535 (0 is background and never in a set). */
typedef struct
{
  guint16 id;
  char *name;
  guint8 rgba[4];
  gboolean visible;
  gboolean locked;
} VolumeLabel;

/**
 * VolumeLabelSet:
 *
 * The label classes of a project, in order. Belongs to one thread; copy to hand over.
 */
typedef struct _VolumeLabelSet VolumeLabelSet;

VolumeLabelSet *volume_label_set_new (void) G_GNUC_WARN_UNUSED_RESULT;
VolumeLabelSet *volume_label_set_copy (const VolumeLabelSet *self) G_GNUC_WARN_UNUSED_RESULT;
void volume_label_set_free (VolumeLabelSet *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VolumeLabelSet, volume_label_set_free)

gsize volume_label_set_get_n (const VolumeLabelSet *self);
const VolumeLabel *volume_label_set_get (const VolumeLabelSet *self, gsize position);
const VolumeLabel *volume_label_set_find (const VolumeLabelSet *self, guint16 id); /* or NULL */
/* Adds or replaces by id. NULL @rgba: the next colour of the Okabe–Ito palette. */
void volume_label_set_put (VolumeLabelSet *self, guint16 id, const char *name,
                           const guint8 rgba[4]);
/* Where the set has @id. New labels are visible and unlocked. */
void volume_label_set_set_visible (VolumeLabelSet *self, guint16 id, gboolean visible);
void volume_label_set_set_locked (VolumeLabelSet *self, guint16 id, gboolean locked);
gboolean volume_label_set_remove (VolumeLabelSet *self, guint16 id);
/* Position @n of the palette that does not depend on red against green, repeating with shades. */
void volume_label_palette (gsize n, guint8 rgba[4]);

/* ITK-SNAP .label, 3D Slicer .ctbl and .csv, told apart by content. */
VolumeLabelSet *volume_label_set_load (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* By suffix: .label, .ctbl, .csv; atomic. */
gboolean volume_label_set_save (const VolumeLabelSet *self, const char *path, GError **error);

G_END_DECLS
