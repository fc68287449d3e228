/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/generalist/cache.h"
#include "seg/method/method.h"
#include "seg/method/self-prompt.h"

G_BEGIN_DECLS

/**
 * SegRefreshParams: how one scan's generalist labels are made (gm-abs 5).
 * @slice_step: every slice (1), every second (2), …; a slice in between takes the nearest answer
 * @n_votes: of the three views, 2 for the majority
 * @refresh: number of this refresh, @scan: id of the scan; both go into the box jitter
 * @multimask: take the best of three masks, by the generalist's own estimate (the paper)
 * @clean: not as released: what is asked for is the prototype label where the network's own answer
 *   says the same, less the specks (seg_keep_components()), and the box is moved outward by a share
 *   of the slice, as the released 0 … 4 pixels are of its slices. The generalist follows the box: a
 *   stray voxel costs the slice
 * @cache: (nullable): of embeddings, asked before one is made
 */
typedef struct
{
  int slice_step;
  int n_votes;
  gint64 scan;
  int refresh;
  gboolean multimask;
  gboolean clean;
  SegEmbeddingCache *cache;
} SegRefreshParams;

/* What a refresh did, for the log and the tests. */
typedef struct
{
  int n_slices, n_asked, n_encoded, n_cached;
  gsize n_foreground;
  double seconds;
} SegRefreshReport;

/* Between slices; FALSE stops with SEG_ERROR_CANCELLED. */
typedef gboolean (*SegRefreshTick) (double fraction, gpointer user_data);

/**
 * seg_refresh_scan:
 * @probabilities: K × size, @features: C × size, of the teacher (seg_method_predict)
 * @labels: (out): size, the fused labels
 *
 * Prototypes, similarity, prompts, the generalist on the slices of three axes, vote. Slices that
 * ask nothing are never encoded.
 */
gboolean seg_refresh_scan (const SegRefreshParams *params, SegGeneralist *generalist,
                           const float *image, const int size[3], const float *probabilities, int K,
                           const float *features, int C, SegRefreshTick tick, gpointer user_data,
                           guint8 *labels, SegRefreshReport *report, GError **error);

G_END_DECLS
