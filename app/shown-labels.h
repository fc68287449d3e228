/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "ui/view-state.h"
#include "volume/label-map.h"

G_BEGIN_DECLS

/**
 * AppShownLabels:
 *
 * The label map that the views show: the committed labels, and over them what a gesture would do
 * if it ended now. The committed map is never touched. Main thread.
 */
typedef struct _AppShownLabels AppShownLabels;

/* Shares the tiles of @committed until one of the two is written to. */
AppShownLabels *app_shown_labels_new (const VolumeLabelMap *committed,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
void app_shown_labels_free (AppShownLabels *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppShownLabels, app_shown_labels_free)

VolumeLabelMap *app_shown_labels_get_map (AppShownLabels *self);

/* Drops the preview, and makes @box equal to @committed there. Tells @state what changed. */
void app_shown_labels_sync (AppShownLabels *self, const VolumeLabelMap *committed,
                            const VolumeBox *box, UiViewState *state);

/* One more piece of the preview: built on the shown map, taken over; its id is of no meaning. NULL,
 * or without memory for it: no preview of this piece. */
void app_shown_labels_preview (AppShownLabels *self, VolumeEdit *edit, UiViewState *state);
void app_shown_labels_drop_preview (AppShownLabels *self, UiViewState *state);

G_END_DECLS
