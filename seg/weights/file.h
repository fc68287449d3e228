/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/* Whole-file replacement that survives a crash: @path is the old file or the new one, complete and
 * on disk, never a mixture. Written under a temporary name beside it. */
typedef struct
{
  char *path;
  char *temporary;
  int fd;
} SegFileReplacement;

gboolean seg_file_replacement_open (SegFileReplacement *self, const char *path, GError **error);
gboolean seg_file_replacement_write (SegFileReplacement *self, gconstpointer data, gsize size_bytes,
                                     GError **error);
/* fsync, rename, fsync of the folder. The replacement is cleared either way. */
gboolean seg_file_replacement_commit (SegFileReplacement *self, GError **error);
/* Gives up: removes the temporary file. Harmless after commit. */
void seg_file_replacement_clear (SegFileReplacement *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (SegFileReplacement, seg_file_replacement_clear)

/* Maps @path for reading; SEG_ERROR_NOT_FOUND, _IO, or _FORMAT for what is not a plain file. */
GBytes *seg_file_map (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
