/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/infer/sampler.h"

G_BEGIN_DECLS

/**
 * SegBatch:
 *
 * A batch, ready for the network: arrays are n × patch, labelled patches first.
 */
typedef struct
{
  guint64 step; /* 0 for the first batch */
  int n, n_labelled;
  int patch[3];
  float *image;
  guint8 *label;
  guint8 *domain;
  guint8 *pseudo;
  const SegPatch *patches; /* n, their arrays point into the above */
} SegBatch;

/**
 * SegLoader:
 *
 * Cuts batches ahead in a background thread. Batch number s is a pure function of the seed, the
 * params, the cases and the order, never of timing: the same with 0 batches ahead (no thread) as
 * with many.
 *
 * Threads: used from one thread; its own thread only reads the cases.
 */
typedef struct _SegLoader SegLoader;

/* @order is copied. @cases (and what they point to) is borrowed until it is replaced or the loader
 * is freed; @n_ahead batches are kept ready. */
SegLoader *seg_loader_new (const SegPatchParams *params, const SegCase *cases, gsize n_cases,
                           const SegTwoStream *order, guint64 seed,
                           int n_ahead) G_GNUC_WARN_UNUSED_RESULT;
/* Waits for its thread. */
void seg_loader_free (SegLoader *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegLoader, seg_loader_free)

/* The next batch, valid until the next call. */
const SegBatch *seg_loader_next (SegLoader *self);

/* Replaces the cases (a refreshed pseudo-label, a new sign-off) from the next batch on; batches
 * made ahead are made again. On return the old cases are no longer used. */
void seg_loader_set_cases (SegLoader *self, const SegCase *cases, gsize n_cases);
/* Replaces which are labelled, as seg_two_stream_set_cases(). */
void seg_loader_set_order (SegLoader *self, const guint32 *labelled, gsize n_labelled,
                           const guint32 *unlabelled, gsize n_unlabelled);

/* The order as of the batches taken (not those made ahead), for a checkpoint. */
char *seg_loader_order_to_string (SegLoader *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
