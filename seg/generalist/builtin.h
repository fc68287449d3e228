/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/generalist/generalist.h"

G_BEGIN_DECLS

#define SEG_BUILTIN_FILE "compact.safetensors"

/* Where the built-in weights are, or NULL. (transfer full) */
char *seg_builtin_find_weights (void) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
