/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gio/gio.h>

#include "app/app-types.h"

G_BEGIN_DECLS

/* On the main thread: a file was found (@detail and @problem NULL), then, once it was read, what it
 * is or why it cannot be used, and the file of labels beside it or NULL, whose highest label is
 * @n_labels. */
typedef void (*AppScanFound) (const char *path, const char *detail, const char *problem,
                              const char *labels, int n_labels, gpointer user_data);

/**
 * app_scan_finder_start:
 * @files: GListModel of GFile: scans, or folders that are searched for them
 * @window: a GObject, held until the search ends
 *
 * Looks for scans on a thread of its own, and reads each to see whether it can be used. Files named
 * like labels (…_label, …_labels, …_seg, …_mask) are not scans but belong to the scan of the same
 * name.
 */
void app_scan_finder_start (GListModel *files, GCancellable *cancellable, AppScanFound found,
                            gpointer window);

G_END_DECLS
