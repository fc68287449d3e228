/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/weights/zip.h"

#include <string.h>

#define END_BYTES 22
#define END64_BYTES 56
#define LOCATOR64_BYTES 20
#define CENTRAL_BYTES 46
#define LOCAL_BYTES 30
#define MAX_ENTRIES 1000000

typedef struct
{
  const guint8 *data;
  gsize size;
  const char *what;
  GError **error;
} Archive;

typedef struct
{
  guint64 n_entries, size, offset;
} Directory;

static gboolean
fail (const Archive *archive, const char *message)
{
  g_set_error (archive->error, SEG_ERROR, SEG_ERROR_FORMAT, "%s: zip: %s", archive->what, message);
  return FALSE;
}

static guint16
u16 (const guint8 *at)
{
  return (guint16) (at[0] | at[1] << 8);
}

static guint32
u32 (const guint8 *at)
{
  return u16 (at) | (guint32) u16 (at + 2) << 16;
}

static guint64
u64 (const guint8 *at)
{
  return u32 (at) | (guint64) u32 (at + 4) << 32;
}

static gboolean
has (const Archive *archive, guint64 offset, guint64 size)
{
  return offset <= archive->size && size <= archive->size - offset;
}

static gboolean
read_directory64 (const Archive *archive, gsize end, Directory *directory)
{
  const guint8 *locator = archive->data + end - LOCATOR64_BYTES;
  const guint8 *record;
  guint64 offset;

  if (end < LOCATOR64_BYTES || u32 (locator) != 0x07064b50)
    return fail (archive, "the zip64 locator is missing");
  offset = u64 (locator + 8);
  if (!has (archive, offset, END64_BYTES) || u32 (archive->data + offset) != 0x06064b50)
    return fail (archive, "the zip64 directory end is missing");
  record = archive->data + offset;
  directory->n_entries = u64 (record + 32);
  directory->size = u64 (record + 40);
  directory->offset = u64 (record + 48);
  return TRUE;
}

static gboolean
find_directory (const Archive *archive, Directory *directory)
{
  gsize lowest = archive->size > END_BYTES + 65535 ? archive->size - END_BYTES - 65535 : 0;
  const guint8 *end = NULL;

  if (archive->size < END_BYTES)
    return fail (archive, "too short");
  for (gsize at = archive->size - END_BYTES;; at--)
    {
      const guint8 *p = archive->data + at;

      if (u32 (p) == 0x06054b50 && at + END_BYTES + u16 (p + 20) == archive->size)
        {
          end = p;
          break;
        }
      if (at == lowest)
        break;
    }
  if (end == NULL)
    return fail (archive, "no directory at the end (a truncated file?)");
  directory->n_entries = u16 (end + 10);
  directory->size = u32 (end + 12);
  directory->offset = u32 (end + 16);
  if (directory->n_entries == 0xffff || directory->size == 0xffffffff
      || directory->offset == 0xffffffff)
    {
      if (!read_directory64 (archive, (gsize) (end - archive->data), directory))
        return FALSE;
    }
  if (!has (archive, directory->offset, directory->size))
    return fail (archive, "the directory lies outside the file");
  if (directory->n_entries > MAX_ENTRIES || directory->n_entries > directory->size / CENTRAL_BYTES)
    return fail (archive, "more entries claimed than the directory holds");
  return TRUE;
}

static gboolean
is_safe_name (const char *name, gsize length)
{
  g_auto (GStrv) parts = NULL;

  if (length == 0 || memchr (name, '\0', length) != NULL || name[0] == '/'
      || strpbrk (name, "\\:") != NULL || !g_utf8_validate (name, (gssize) length, NULL))
    return FALSE;
  parts = g_strsplit (name, "/", -1);
  for (char **part = parts; *part != NULL; part++)
    if (strcmp (*part, "..") == 0)
      return FALSE;
  return TRUE;
}

/* The zip64 extra field holds, in this order, only those values that are saturated. */
static gboolean
read_extra64 (const guint8 *extra, gsize size, guint64 *uncompressed, guint64 *compressed,
              guint64 *offset)
{
  guint64 *wanted[3] = { uncompressed, compressed, offset };

  while (size >= 4)
    {
      guint16 id = u16 (extra), length = u16 (extra + 2);

      extra += 4;
      size -= 4;
      if (length > size)
        return FALSE;
      if (id == 1)
        {
          for (int i = 0; i < 3; i++)
            {
              if (*wanted[i] != 0xffffffff)
                continue;
              if (length < 8)
                return FALSE;
              *wanted[i] = u64 (extra);
              extra += 8;
              length = (guint16) (length - 8);
            }
          return TRUE;
        }
      extra += length;
      size -= length;
    }
  return TRUE; /* none: saturated values are then taken at their word and checked below */
}

static gboolean
check_local_header (const Archive *archive, guint64 offset, const char *name, gsize name_bytes,
                    guint64 size, SegZipEntry *entry)
{
  const guint8 *local;
  guint64 data;

  if (!has (archive, offset, LOCAL_BYTES) || u32 (archive->data + offset) != 0x04034b50)
    return fail (archive, "an entry does not begin where the directory says");
  local = archive->data + offset;
  if (u16 (local + 26) != name_bytes || !has (archive, offset + LOCAL_BYTES, name_bytes)
      || memcmp (local + LOCAL_BYTES, name, name_bytes) != 0)
    return fail (archive, "an entry is named otherwise in the directory");
  data = offset + LOCAL_BYTES + name_bytes + u16 (local + 28);
  if (!has (archive, data, size))
    {
      g_set_error (archive->error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "%s: zip: %s: %" G_GUINT64_FORMAT " bytes claimed at byte %" G_GUINT64_FORMAT
                   ", the file has %" G_GSIZE_FORMAT,
                   archive->what, name, size, data, archive->size);
      return FALSE;
    }
  entry->offset = (gsize) data;
  entry->size_bytes = (gsize) size;
  return TRUE;
}

static gboolean
read_entry (const Archive *archive, const guint8 **at, const guint8 *end, SegZipEntry *entry,
            gsize *start)
{
  const guint8 *p = *at;
  gsize name_bytes, extra_bytes, comment_bytes;
  guint64 compressed, uncompressed, offset;
  g_autofree char *name = NULL;

  if (end - p < CENTRAL_BYTES || u32 (p) != 0x02014b50)
    return fail (archive, "a damaged directory");
  name_bytes = u16 (p + 28);
  extra_bytes = u16 (p + 30);
  comment_bytes = u16 (p + 32);
  if ((gsize) (end - p) < CENTRAL_BYTES + name_bytes + extra_bytes + comment_bytes)
    return fail (archive, "a damaged directory");
  name = g_strndup ((const char *) p + CENTRAL_BYTES, name_bytes);
  if (!is_safe_name (name, name_bytes) || strlen (name) != name_bytes)
    return fail (archive, "an entry whose name leads out of the archive");
  compressed = u32 (p + 20);
  uncompressed = u32 (p + 24);
  offset = u32 (p + 42);
  if (!read_extra64 (p + CENTRAL_BYTES + name_bytes, extra_bytes, &uncompressed, &compressed,
                     &offset))
    return fail (archive, "a damaged zip64 field");
  if (u16 (p + 8) & 1)
    return fail (archive, "an encrypted entry");
  if (u16 (p + 10) != 0 || compressed != uncompressed)
    {
      g_set_error (archive->error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "%s: zip: %.64s is compressed; torch.save () stores its entries%s",
                   archive->what, name,
                   strstr (name, "/code/") != NULL ? ": a TorchScript archive?" : "");
      return FALSE;
    }
  if (!check_local_header (archive, offset, name, name_bytes, uncompressed, entry))
    return FALSE;
  entry->name = g_steal_pointer (&name);
  *start = (gsize) offset;
  *at = p + CENTRAL_BYTES + name_bytes + extra_bytes + comment_bytes;
  return TRUE;
}

typedef struct
{
  gsize begin, end;
} Span;

static int
compare_spans (gconstpointer a, gconstpointer b)
{
  const Span *x = a, *y = b;

  return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static gboolean
check_overlap (const Archive *archive, GArray *spans, const Directory *directory)
{
  g_array_sort (spans, compare_spans);
  for (guint i = 0; i < spans->len; i++)
    {
      const Span *span = &g_array_index (spans, Span, i);
      gsize limit =
          i + 1 < spans->len ? g_array_index (spans, Span, i + 1).begin : (gsize) directory->offset;

      if (span->end > limit)
        return fail (archive, "entries that overlap");
    }
  return TRUE;
}

static gboolean
read_entries (const Archive *archive, const Directory *directory, SegZip *self)
{
  const guint8 *at = archive->data + directory->offset;
  const guint8 *end = at + directory->size;
  g_autoptr (GArray) spans = g_array_new (FALSE, FALSE, sizeof (Span));

  self->entries = g_new0 (SegZipEntry, directory->n_entries + 1);
  for (guint64 i = 0; i < directory->n_entries; i++)
    {
      SegZipEntry *entry = &self->entries[i];
      gsize start;
      Span span;

      if (!read_entry (archive, &at, end, entry, &start))
        return FALSE;
      self->n_entries++;
      if (!g_hash_table_insert (self->by_name, entry->name, entry))
        return fail (archive, "an entry given twice");
      span = (Span){ start, entry->offset + entry->size_bytes };
      g_array_append_val (spans, span);
    }
  return check_overlap (archive, spans, directory);
}

SegZip *
seg_zip_open (GBytes *bytes, const char *what, GError **error)
{
  Archive archive = { .what = what, .error = error };
  Directory directory;
  g_autoptr (SegZip) self = g_new0 (SegZip, 1);

  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  archive.data = g_bytes_get_data (bytes, &archive.size);
  if (!find_directory (&archive, &directory) || !read_entries (&archive, &directory, self))
    return NULL;
  return g_steal_pointer (&self);
}

void
seg_zip_free (SegZip *self)
{
  if (self == NULL)
    return;
  for (gsize i = 0; i < self->n_entries; i++)
    g_free (self->entries[i].name);
  g_free (self->entries);
  g_hash_table_unref (self->by_name);
  g_free (self);
}

const SegZipEntry *
seg_zip_find (const SegZip *self, const char *name)
{
  return g_hash_table_lookup (self->by_name, name);
}
