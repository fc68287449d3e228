/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ui/ui-types.h"

G_BEGIN_DECLS

/**
 * UiExportDialog: where labels are exported to, of which cases, in which format.
 *
 * Signals: "export" (): the person wants it; the dialog closes.
 */
#define UI_TYPE_EXPORT_DIALOG (ui_export_dialog_get_type ())
G_DECLARE_FINAL_TYPE (UiExportDialog, ui_export_dialog, UI, EXPORT_DIALOG, AdwMessageDialog)

UiExportDialog *ui_export_dialog_new (GtkWindow *parent) G_GNUC_WARN_UNUSED_RESULT;
void ui_export_dialog_set_folder (UiExportDialog *self, const char *folder);
char *ui_export_dialog_get_folder (UiExportDialog *self) G_GNUC_WARN_UNUSED_RESULT;
gboolean ui_export_dialog_get_nnunet (UiExportDialog *self);
gboolean ui_export_dialog_get_all (UiExportDialog *self);

G_END_DECLS
