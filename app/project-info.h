/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"

G_BEGIN_DECLS

/* What `info` says of a project folder; @check also compares every snapshot of labels with the
 * journal. Answers an exit status. */
int app_project_info (const char *path, gboolean check, gboolean json);

G_END_DECLS
