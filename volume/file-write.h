/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "volume/volume-types.h"

G_BEGIN_DECLS

/**
 * VolumeFileWriter:
 *
 * A file that appears whole or not at all: written beside its place under another name, brought to
 * the disk (fsync), then renamed. An existing file is replaced; on failure it stays as it was.
 * One thread.
 */
typedef struct _VolumeFileWriter VolumeFileWriter;

VolumeFileWriter *volume_file_writer_new (const char *path,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean volume_file_writer_write (VolumeFileWriter *self, gconstpointer data, gsize n_bytes,
                                   GError **error);
/* Puts the file in its place. FALSE leaves nothing behind. @self is still to be freed. */
gboolean volume_file_writer_finish (VolumeFileWriter *self, GError **error);
/* Without finish before it, takes back what was written. */
void volume_file_writer_free (VolumeFileWriter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VolumeFileWriter, volume_file_writer_free)

gboolean volume_file_write (const char *path, gconstpointer data, gsize n_bytes, GError **error);

G_END_DECLS
