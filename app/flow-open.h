/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "db/store.h"
#include "volume/scan.h"

G_BEGIN_DECLS

/* disk → db → screen: opening a project and its scans. Start reading here. */

/* The project that a person means: @path, or @path.crosslabel where only that is there. */
char *app_flow_find_project (const char *path) G_GNUC_WARN_UNUSED_RESULT;

/* Blocking, for the command line; the window uses db_store_open_async(). */
DbStore *app_flow_open (const char *path, DbOpenMode mode,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * app_flow_load_scan:
 *
 * The scan of a case, with its SHA-256 compared (I1): DB_ERROR_CHANGED if the file is another one
 * now. A file that is not where it was is looked for by name and hash beside the project, and
 * beside the other scans; if found, the new place is kept (where the store may be written).
 * Blocking; the store's thread.
 */
VolumeScan *app_flow_load_scan (DbStore *store, DbCase *row,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same on a thread of its own. */
void app_flow_load_scan_async (DbStore *store, DbCase *row, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
VolumeScan *app_flow_load_scan_finish (GAsyncResult *result,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A file of labels on the same grid as @scan, as labels; NULL with VOLUME_ERROR_MISMATCH if it is
 * on another. n_voxels values, i fastest. Any thread. */
guint16 *app_flow_load_labels_like (const char *path, VolumeScan *scan,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
