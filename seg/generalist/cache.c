/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/cache.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <utime.h>

#define SUFFIX ".embedding"

struct _SegEmbeddingCache
{
  char *folder;
  guint64 budget;
};

SegEmbeddingCache *
seg_embedding_cache_new (const char *folder, guint64 budget_bytes)
{
  SegEmbeddingCache *self = g_new0 (SegEmbeddingCache, 1);

  self->folder = g_strdup (folder);
  self->budget = budget_bytes;
  return self;
}

void
seg_embedding_cache_free (SegEmbeddingCache *self)
{
  if (self == NULL)
    return;
  g_free (self->folder);
  g_free (self);
}

/* NULL if the generalist keeps nothing. */
static char *
path_of (SegEmbeddingCache *self, SegGeneralist *generalist, const SegPicture *picture)
{
  const SegGeneralistInfo *info = seg_generalist_get_info (generalist);
  g_autofree char *hash = NULL;
  g_autofree char *name = NULL;

  if (info->sha256 == NULL || info->embedding_bytes == 0)
    return NULL;
  hash = seg_picture_get_hash (picture);
  name = g_strdup_printf ("%.24s-%.40s" SUFFIX, info->sha256, hash);
  return g_build_filename (self->folder, name, NULL);
}

SegEmbedding *
seg_embedding_cache_get (SegEmbeddingCache *self, SegGeneralist *generalist,
                         const SegPicture *picture)
{
  g_autofree char *path = path_of (self, generalist, picture);
  g_autoptr (GBytes) bytes = NULL;
  SegEmbedding *embedding;
  char *data;
  gsize size;

  if (path == NULL || !g_file_get_contents (path, &data, &size, NULL))
    return NULL;
  bytes = g_bytes_new_take (data, size);
  embedding = seg_embedding_deserialize (generalist, picture, bytes, NULL);
  if (embedding == NULL)
    g_unlink (path);
  else
    utime (path, NULL); /* used now */
  return embedding;
}

gboolean
seg_embedding_cache_has (SegEmbeddingCache *self, SegGeneralist *generalist,
                         const SegPicture *picture)
{
  g_autofree char *path = path_of (self, generalist, picture);

  return path != NULL && g_file_test (path, G_FILE_TEST_EXISTS);
}

typedef struct
{
  char *path;
  guint64 size;
  gint64 used_ns;
} Kept;

static void
kept_clear (gpointer data)
{
  g_free (((Kept *) data)->path);
}

static gint
compare_used (gconstpointer a, gconstpointer b)
{
  const Kept *x = a, *y = b;

  if (x->used_ns != y->used_ns)
    return x->used_ns < y->used_ns ? -1 : 1;
  return strcmp (x->path, y->path);
}

static GArray *
list_kept (SegEmbeddingCache *self, guint64 *total)
{
  GArray *files = g_array_new (FALSE, FALSE, sizeof (Kept));
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  const char *name;

  g_array_set_clear_func (files, kept_clear);
  *total = 0;
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (self->folder, name, NULL);
      struct stat info;

      if (!g_str_has_suffix (name, SUFFIX) || stat (path, &info) != 0)
        continue;
      const Kept kept = { g_steal_pointer (&path), (guint64) info.st_size,
                          (gint64) info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec };
      g_array_append_val (files, kept);
      *total += kept.size;
    }
  return files;
}

guint64
seg_embedding_cache_get_size (SegEmbeddingCache *self)
{
  guint64 total;

  g_array_unref (list_kept (self, &total));
  return total;
}

/* Room for @wanted bytes more. */
static void
evict (SegEmbeddingCache *self, guint64 wanted)
{
  guint64 total;
  g_autoptr (GArray) files = list_kept (self, &total);

  if (total + wanted <= self->budget)
    return;
  g_array_sort (files, compare_used);
  for (guint f = 0; f < files->len && total + wanted > self->budget; f++)
    {
      const Kept *kept = &g_array_index (files, Kept, f);
      if (g_unlink (kept->path) == 0)
        total -= kept->size;
    }
}

gboolean
seg_embedding_cache_put (SegEmbeddingCache *self, SegGeneralist *generalist,
                         const SegPicture *picture, SegEmbedding *embedding, GError **error)
{
  g_autofree char *path = path_of (self, generalist, picture);
  g_autoptr (GBytes) bytes = NULL;
  gsize size;

  if (path == NULL)
    return TRUE;
  bytes = seg_embedding_serialize (embedding, error);
  if (bytes == NULL)
    return FALSE;
  size = g_bytes_get_size (bytes);
  if (size > self->budget)
    return TRUE;
  if (g_mkdir_with_parents (self->folder, 0700) != 0)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_IO, "%s: %s", self->folder, g_strerror (errno));
      return FALSE;
    }
  evict (self, size);
  /* Whole or not at all; losing one to a crash costs an encoding, so nothing is synced. */
  return g_file_set_contents_full (path, g_bytes_get_data (bytes, NULL), (gssize) size,
                                   G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}
