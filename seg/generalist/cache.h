/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/generalist/generalist.h"

G_BEGIN_DECLS

/**
 * SegEmbeddingCache: embeddings on disk, by what they were made from, within a budget.
 *
 * One file an embedding, named by the weights' and the picture's hash; the least recently used go
 * first when the budget is exceeded. The folder may be emptied or deleted at any time. A file that
 * is damaged or of something else is removed and counts as absent.
 *
 * Threads: belongs to one; other programs may share the folder.
 */
typedef struct _SegEmbeddingCache SegEmbeddingCache;

/* The folder is made when something is first put. */
SegEmbeddingCache *seg_embedding_cache_new (const char *folder,
                                            guint64 budget_bytes) G_GNUC_WARN_UNUSED_RESULT;
void seg_embedding_cache_free (SegEmbeddingCache *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegEmbeddingCache, seg_embedding_cache_free)

/* (transfer full) (nullable): NULL if it is not there */
SegEmbedding *seg_embedding_cache_get (SegEmbeddingCache *self, SegGeneralist *generalist,
                                       const SegPicture *picture);
gboolean seg_embedding_cache_has (SegEmbeddingCache *self, SegGeneralist *generalist,
                                  const SegPicture *picture);
/* Embeddings not worth keeping, and such as are larger than the budget, are passed over. */
gboolean seg_embedding_cache_put (SegEmbeddingCache *self, SegGeneralist *generalist,
                                  const SegPicture *picture, SegEmbedding *embedding,
                                  GError **error);
/* Bytes on disk now. */
guint64 seg_embedding_cache_get_size (SegEmbeddingCache *self);

G_END_DECLS
