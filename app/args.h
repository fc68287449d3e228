/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"
#include "volume/volume-types.h"

G_BEGIN_DECLS

/* "--scan a b c" becomes "--scan a --scan b --scan c" for each option of @names (NULL-terminated,
 * without dashes): values go on until the next word that begins with a dash. @argv must be a
 * g_strdupv() copy; it is replaced. */
void app_args_spread (int *argc, char ***argv, const char *const *names);

/* "i,j,k" and the like: exactly @n whole numbers. */
gboolean app_args_parse_ints (const char *text, int *values, gsize n);
/* "axial:12" or "a:12". */
gboolean app_args_parse_slice (const char *text, VolumePlane *plane, int *index);

G_END_DECLS
