/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "db/store.h"

G_BEGIN_DECLS

/* scans on the disk → db: a new project. */

typedef struct
{
  const char *path; /* ".crosslabel" is added where it is missing */
  const char *const *scans; /* files, in order; ids are 1… */
  gsize n_scans;
  const char *const *truths; /* NULL, or one for each scan */
  const char *const *label_names;
  const char *const *label_colours; /* NULL, or "#rrggbb" or NULL for each */
  gsize n_labels;
  int n_validation; /* −1: the larger of 2 and a tenth of the scans (I6) */
  gint64 seed;
} AppNewParams;

/* Called after each scan has been read, on the thread that works. */
typedef void (*AppProgress) (double fraction, const char *what, gpointer user_data);

/**
 * app_flow_new:
 * @folder: (out): the project's folder
 *
 * Reads every scan once (its hash and its grid are kept), chooses the validation scans, and makes
 * the project: whole, or not at all. Blocking, any thread.
 */
gboolean app_flow_new (const AppNewParams *params, AppProgress progress, gpointer user_data,
                       GCancellable *cancellable, char **folder, GError **error);

/* More scans for a project; they go to training (I6). Blocking; the store's thread. */
gboolean app_flow_add_scans (DbStore *store, const char *const *scans, gsize n_scans,
                             const char *const *truths, GError **error);

G_END_DECLS
