/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/infer/loader.h"

#include <string.h>

#define MAX_BATCH 256

/* A batch, and the order of data once it has been taken. */
typedef struct
{
  SegBatch batch;
  SegPatch *patches;
  SegTwoStream *after;
} Made;

struct _SegLoader
{
  SegPatchParams params;
  guint64 seed;
  int n_ahead;
  gsize patch_voxels;
  int n_most; /* patches of a full batch */
  /* Used by the maker; changed only while it rests. */
  const SegCase *cases;
  gsize n_cases;
  SegTwoStream *ahead; /* the order as of the last batch made */
  /* Used by the taker. */
  SegTwoStream *taken; /* the order as of the last batch taken */
  Made *current;
  /* Shared. */
  GMutex mutex;
  GCond changed;
  GQueue ready; /* Made */
  GQueue spare; /* Made */
  gboolean is_making, must_rest, must_stop;
  GThread *thread;
};

static Made *
made_new (SegLoader *self)
{
  Made *made = g_new0 (Made, 1);
  gsize n = self->patch_voxels * (gsize) self->n_most;

  made->batch.image = g_new (float, n);
  made->batch.label = g_new (guint8, n);
  made->batch.domain = g_new (guint8, n);
  made->batch.pseudo = g_new (guint8, n);
  made->patches = g_new0 (SegPatch, self->n_most);
  made->batch.patches = made->patches;
  memcpy (made->batch.patch, self->params.patch, sizeof made->batch.patch);
  return made;
}

static void
made_free (gpointer data)
{
  Made *made = data;

  g_free (made->batch.image);
  g_free (made->batch.label);
  g_free (made->batch.domain);
  g_free (made->batch.pseudo);
  g_free (made->patches);
  seg_two_stream_free (made->after);
  g_free (made);
}

static void
make (SegLoader *self, Made *made)
{
  SegBatch *batch = &made->batch;
  guint32 cases[MAX_BATCH];

  batch->step = seg_two_stream_get_step (self->ahead);
  batch->n = seg_two_stream_next (self->ahead, cases);
  for (int b = 0; b < batch->n; b++)
    {
      SegPatch *patch = &made->patches[b];
      gsize at = self->patch_voxels * (gsize) b;

      g_assert (cases[b] < self->n_cases);
      *patch = (SegPatch){ .image = batch->image + at,
                           .label = batch->label + at,
                           .domain = batch->domain + at,
                           .pseudo = batch->pseudo + at,
                           .case_index = cases[b] };
      seg_patch_cut (&self->params, &self->cases[cases[b]], self->seed,
                     batch->step * (guint64) self->n_most + (guint64) b, patch);
    }
  seg_two_stream_free (made->after);
  made->after = seg_two_stream_copy (self->ahead);
  batch->n_labelled = MIN (batch->n, seg_two_stream_get_n_labelled (self->ahead));
}

static gpointer
make_thread (gpointer data)
{
  SegLoader *self = data;

  g_mutex_lock (&self->mutex);
  for (;;)
    {
      Made *made;

      while (!self->must_stop && (self->must_rest || self->ready.length >= (guint) self->n_ahead))
        g_cond_wait (&self->changed, &self->mutex);
      if (self->must_stop)
        break;
      made = g_queue_pop_head (&self->spare);
      self->is_making = TRUE;
      g_mutex_unlock (&self->mutex);
      if (made == NULL)
        made = made_new (self);
      make (self, made);
      g_mutex_lock (&self->mutex);
      self->is_making = FALSE;
      g_queue_push_tail (&self->ready, made);
      g_cond_broadcast (&self->changed);
    }
  g_mutex_unlock (&self->mutex);
  return NULL;
}

SegLoader *
seg_loader_new (const SegPatchParams *params, const SegCase *cases, gsize n_cases,
                const SegTwoStream *order, guint64 seed, int n_ahead)
{
  SegLoader *self;
  int n_most = seg_two_stream_get_n_labelled (order) + seg_two_stream_get_n_unlabelled (order);

  g_return_val_if_fail (n_most <= MAX_BATCH, NULL);
  self = g_new0 (SegLoader, 1);
  self->params = *params;
  self->seed = seed;
  self->n_ahead = MAX (n_ahead, 0);
  self->patch_voxels =
      (gsize) params->patch[0] * (gsize) params->patch[1] * (gsize) params->patch[2];
  self->n_most = n_most;
  self->cases = cases;
  self->n_cases = n_cases;
  self->ahead = seg_two_stream_copy (order);
  self->taken = seg_two_stream_copy (order);
  g_mutex_init (&self->mutex);
  g_cond_init (&self->changed);
  g_queue_init (&self->ready);
  g_queue_init (&self->spare);
  if (self->n_ahead > 0)
    self->thread = g_thread_new ("patches", make_thread, self);
  return self;
}

void
seg_loader_free (SegLoader *self)
{
  if (self == NULL)
    return;
  if (self->thread != NULL)
    {
      g_mutex_lock (&self->mutex);
      self->must_stop = TRUE;
      g_cond_broadcast (&self->changed);
      g_mutex_unlock (&self->mutex);
      g_thread_join (self->thread);
    }
  g_queue_clear_full (&self->ready, made_free);
  g_queue_clear_full (&self->spare, made_free);
  if (self->current != NULL)
    made_free (self->current);
  seg_two_stream_free (self->ahead);
  seg_two_stream_free (self->taken);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->changed);
  g_free (self);
}

const SegBatch *
seg_loader_next (SegLoader *self)
{
  Made *made;

  g_mutex_lock (&self->mutex);
  if (self->current != NULL)
    g_queue_push_tail (&self->spare, g_steal_pointer (&self->current));
  if (self->thread != NULL)
    {
      while (self->ready.length == 0)
        g_cond_wait (&self->changed, &self->mutex);
      made = g_queue_pop_head (&self->ready);
      g_cond_broadcast (&self->changed);
    }
  else
    {
      made = g_queue_pop_head (&self->spare);
      if (made == NULL)
        made = made_new (self);
      make (self, made);
    }
  g_mutex_unlock (&self->mutex);
  seg_two_stream_free (self->taken);
  self->taken = g_steal_pointer (&made->after);
  self->current = made;
  return &made->batch;
}

/* Waits until the thread rests, and takes back what it made ahead. Called with the mutex held. */
static void
rewind_to_taken (SegLoader *self)
{
  Made *made;

  self->must_rest = TRUE;
  while (self->is_making)
    g_cond_wait (&self->changed, &self->mutex);
  while ((made = g_queue_pop_head (&self->ready)) != NULL)
    g_queue_push_tail (&self->spare, made);
  seg_two_stream_free (self->ahead);
  self->ahead = seg_two_stream_copy (self->taken);
}

static void
go_on (SegLoader *self)
{
  self->must_rest = FALSE;
  g_cond_broadcast (&self->changed);
}

void
seg_loader_set_cases (SegLoader *self, const SegCase *cases, gsize n_cases)
{
  g_mutex_lock (&self->mutex);
  rewind_to_taken (self);
  self->cases = cases;
  self->n_cases = n_cases;
  go_on (self);
  g_mutex_unlock (&self->mutex);
}

void
seg_loader_set_order (SegLoader *self, const guint32 *labelled, gsize n_labelled,
                      const guint32 *unlabelled, gsize n_unlabelled)
{
  g_mutex_lock (&self->mutex);
  seg_two_stream_set_cases (self->taken, labelled, n_labelled, unlabelled, n_unlabelled);
  rewind_to_taken (self);
  go_on (self);
  g_mutex_unlock (&self->mutex);
}

char *
seg_loader_order_to_string (SegLoader *self)
{
  return seg_two_stream_to_string (self->taken);
}
