/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/generalist/channels.h"

G_BEGIN_DECLS

/**
 * SegEpisodes: what the built-in network practises on, batch after batch.
 *
 * A pool of scenes, each at some click of a simulated session. A batch is the next few of the pool;
 * the network's own answers decide each one's next click, so that every forward pass of training
 * also moves the sessions on. Ended sessions are replaced by new scenes.
 *
 * Everything follows from the seed, the number of batches and the answers given; the state can be
 * saved and taken up again exactly.
 */
typedef struct _SegEpisodes SegEpisodes;

/* Inputs are folded: 2 × 2 pixels become channels, so that a batch is
 * [batch, 4·SEG_N_CHANNELS, 64, 64] with folded channel c·4 + (v%2)·2 + u%2, and answers and truth
 * alike with one channel in place of SEG_N_CHANNELS. */
#define SEG_FOLDED_SIDE (SEG_VIEW_SIDE / 2)
#define SEG_FOLDED_CHANNELS (4 * SEG_N_CHANNELS)
void seg_fold_channels (const float *channels, int n_channels, float *folded);
void seg_unfold_channels (const float *folded, int n_channels, float *channels);

typedef struct
{
  guint64 seed;
  int batch; /* at least 1 */
  int pool; /* a multiple of batch */
  float hardness; /* of the scenes at first … */
  gint64 full_after; /* … grows to 1 by this many scenes; 0: at once */
} SegEpisodesParams;

SegEpisodes *seg_episodes_new (const SegEpisodesParams *params) G_GNUC_WARN_UNUSED_RESULT;
void seg_episodes_free (SegEpisodes *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegEpisodes, seg_episodes_free)

/**
 * seg_episodes_fill:
 * @inputs: (out): batch × SEG_FOLDED_CHANNELS × 64²
 * @truth: (out): batch × 4 × 64², 0 or 1
 * @weight: (out): batch × 4 × 64², 1 where there is picture
 * @ambiguous: (out): batch: 1 where one click is all there is, so that several answers are right
 */
void seg_episodes_fill (SegEpisodes *self, float *inputs, float *truth, float *weight,
                        float *ambiguous);
/* @logits: batch × 4 × 64²: the network's answer to the batch just filled. */
void seg_episodes_advance (SegEpisodes *self, const float *logits);
gint64 seg_episodes_get_n_scenes (SegEpisodes *self);

/* For checkpoints. */
GBytes *seg_episodes_save (SegEpisodes *self) G_GNUC_WARN_UNUSED_RESULT;
gboolean seg_episodes_restore (SegEpisodes *self, GBytes *bytes, GError **error);

G_END_DECLS
