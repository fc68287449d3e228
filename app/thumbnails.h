/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/store.h"
#include "ui/case-list.h"

G_BEGIN_DECLS

/**
 * AppThumbnails:
 *
 * Answers the case list's wish for small pictures: the middle axial slice of each scan, made once,
 * kept as PNG in the project's cache under the scan's SHA-256. Scans are read one at a time on a
 * thread, after the open case had a moment to appear. A scan that cannot be read gets no picture.
 *
 * Threads: the main one. Holds the store until it is freed; an answer that comes later is dropped.
 */
typedef struct _AppThumbnails AppThumbnails;

AppThumbnails *app_thumbnails_new (DbStore *store, UiCaseList *list) G_GNUC_WARN_UNUSED_RESULT;
void app_thumbnails_free (AppThumbnails *self);

G_END_DECLS
