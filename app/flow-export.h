/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "db/store.h"

G_BEGIN_DECLS

/* db → label files. */

typedef enum
{
  APP_EXPORT_NIFTI, /* NAME_labels.nii.gz, NAME_domain.nii.gz (1 where labelled, I3) */
  APP_EXPORT_NNUNET, /* imagesTr, labelsTr with the ignore label outside the domain, dataset.json */
} AppExportFormat;

typedef struct
{
  int n_exported;
  int n_skipped; /* cases without labels */
  GPtrArray *files; /* relative to the folder */
} AppExportResult;
void app_export_result_clear (AppExportResult *self);

/**
 * app_flow_export:
 * @folder: made if missing; its other files stay
 * @case_id: 0 for all cases
 *
 * Labels on each scan's own grid with its spatial header (I5). Every file is written and brought
 * to the disk beside its place first and moved there when all are complete, so that a full disk or
 * a changed source (I1) leaves the folder as it was. Blocking; the store's thread.
 */
gboolean app_flow_export (DbStore *store, const char *folder, AppExportFormat format,
                          gint64 case_id, AppExportResult *result, GError **error);

G_END_DECLS
