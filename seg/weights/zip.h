/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/* One stored (uncompressed) entry; @offset is where its bytes begin in the archive. */
typedef struct
{
  char *name;
  gsize offset;
  gsize size_bytes;
} SegZipEntry;

/**
 * SegZip:
 *
 * The directory of a zip archive of stored entries, as PyTorch writes (zip64 included). Everything
 * is checked when it is opened: signatures, sizes against the file, names (no absolute ones, no
 * "..", no backslash, none twice), entries that overlap one another or the directory, compression
 * and encryption (refused), local headers that disagree with the directory.
 * Source: PKWARE APPNOTE 6.3.10, sections 4.3 and 4.4.
 */
typedef struct
{
  SegZipEntry *entries;
  gsize n_entries;
  GHashTable *by_name;
} SegZip;

SegZip *seg_zip_open (GBytes *bytes, const char *what, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void seg_zip_free (SegZip *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegZip, seg_zip_free)

const SegZipEntry *seg_zip_find (const SegZip *self, const char *name); /* or NULL */

G_END_DECLS
