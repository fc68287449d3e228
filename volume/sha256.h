/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* SHA-256 (FIPS 180-4) of bytes that come in pieces. A plain value, one thread at a time. */
typedef struct
{
  guint32 state[8];
  guint64 n_bytes;
  guint8 pending[64];
} VolumeSha256;

void volume_sha256_init (VolumeSha256 *self);
void volume_sha256_update (VolumeSha256 *self, gconstpointer data, gsize n_bytes);
/* 64 hexadecimal digits, lower case. @self is then to be initialised again. */
char *volume_sha256_finish (VolumeSha256 *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
