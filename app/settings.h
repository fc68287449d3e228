/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gio/gio.h>

#include "app/app-types.h"

G_BEGIN_DECLS

/**
 * app_settings_get_default:
 *
 * What a person set for the whole program (schema io.github.crosslabel.Crosslabel). The schema is
 * looked for where the program is installed, and beside an uninstalled one.
 *
 * Returns: (transfer none) (nullable): NULL where the schema is missing: installed incompletely.
 */
GSettings *app_settings_get_default (void);
/* For the end of the program and for tests. */
void app_settings_forget (void);

/* Puts @path first among the recent projects, once; at most ten are kept. */
void app_settings_add_recent (const char *path);
/* Those that still exist; NULL-terminated, transfer full. */
char **app_settings_get_recent (void) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
