/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "db/labels.h"
#include "volume/scan.h"

G_BEGIN_DECLS

/* label files → journal: labels that exist already. */

typedef enum
{
  APP_IMPORT_DRAFT, /* the file's foreground, as a draft: nothing is signed */
  APP_IMPORT_SLICES, /* the given slices, background included, and sign them (I3) */
  APP_IMPORT_DENSE, /* everything, and mark the scan complete (I3) */
} AppImportExtent;

typedef struct
{
  gint64 edit; /* id, 0 where the file said what was there */
  gsize n_voxels; /* changed */
} AppImportResult;

/* One edit with provenance import. Labels the project does not know are refused by number.
 * Blocking; the thread of @labels. */
gboolean app_flow_import (DbLabels *labels, VolumeScan *scan, const char *path,
                          AppImportExtent extent, const DbDomainSlice *slices, gsize n_slices,
                          AppImportResult *result, GError **error);

G_END_DECLS
