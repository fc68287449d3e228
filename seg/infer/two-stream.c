/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/infer/sampler.h"

#include <string.h>

#define STATE_VERSION "two-stream-1"

typedef struct
{
  guint32 *labelled, *unlabelled;
  gsize n_labelled, n_unlabelled;
} Cases;

struct _SegTwoStream
{
  guint64 seed;
  int n_labelled, n_unlabelled; /* of a batch */
  guint64 step;
  guint64 epoch, epoch_position; /* batches given in this epoch */
  guint64 round, round_position; /* of the unlabelled stream: permutation, cases taken from it */
  Cases cases, pending;
  gboolean has_pending;
  /* Derived from the above. */
  guint32 *labelled_order, *unlabelled_order;
};

static void
cases_clear (Cases *self)
{
  g_free (self->labelled);
  g_free (self->unlabelled);
  memset (self, 0, sizeof *self);
}

static void
cases_set (Cases *self, const guint32 *labelled, gsize n_labelled, const guint32 *unlabelled,
           gsize n_unlabelled)
{
  cases_clear (self);
  self->labelled = g_memdup2 (labelled, n_labelled * sizeof *labelled);
  self->n_labelled = n_labelled;
  self->unlabelled = g_memdup2 (unlabelled, n_unlabelled * sizeof *unlabelled);
  self->n_unlabelled = n_unlabelled;
}

SegTwoStream *
seg_two_stream_new (guint64 seed, int n_labelled, int n_unlabelled)
{
  SegTwoStream *self;

  g_return_val_if_fail (n_labelled >= 1 && n_unlabelled >= 0, NULL);
  self = g_new0 (SegTwoStream, 1);
  self->seed = seed;
  self->n_labelled = n_labelled;
  self->n_unlabelled = n_unlabelled;
  return self;
}

void
seg_two_stream_free (SegTwoStream *self)
{
  if (self == NULL)
    return;
  cases_clear (&self->cases);
  cases_clear (&self->pending);
  g_free (self->labelled_order);
  g_free (self->unlabelled_order);
  g_free (self);
}

/* Batches of an epoch: whole groups, at least one. */
static guint64
epoch_length (const SegTwoStream *self)
{
  return MAX (self->cases.n_labelled / (guint64) self->n_labelled, 1);
}

/* The epoch's order of labelled cases; several permutations in a row where one is too short. */
static void
order_labelled (SegTwoStream *self)
{
  gsize n = self->cases.n_labelled;
  gsize needed = (gsize) epoch_length (self) * (gsize) self->n_labelled;
  gsize n_permutations = MAX ((needed + n - 1) / n, 1);
  SegRandomStream random;

  g_free (self->labelled_order);
  self->labelled_order = g_new (guint32, n_permutations * n);
  seg_random_stream_init (&random, self->seed, SEG_RANDOM_ORDER_LABELLED, self->epoch);
  for (gsize p = 0; p < n_permutations; p++)
    {
      memcpy (self->labelled_order + p * n, self->cases.labelled, n * sizeof (guint32));
      seg_random_stream_shuffle (&random, self->labelled_order + p * n, n);
    }
}

static void
order_unlabelled (SegTwoStream *self)
{
  SegRandomStream random;

  g_free (self->unlabelled_order);
  self->unlabelled_order =
      g_memdup2 (self->cases.unlabelled, self->cases.n_unlabelled * sizeof (guint32));
  seg_random_stream_init (&random, self->seed, SEG_RANDOM_ORDER_UNLABELLED, self->round);
  seg_random_stream_shuffle (&random, self->unlabelled_order, self->cases.n_unlabelled);
}

/* New lists come in between epochs; the unlabelled stream then begins a new permutation. */
static void
take_pending (SegTwoStream *self)
{
  if (!self->has_pending)
    return;
  cases_clear (&self->cases);
  self->cases = self->pending;
  memset (&self->pending, 0, sizeof self->pending);
  self->has_pending = FALSE;
  if (self->round_position > 0)
    self->round++;
  self->round_position = 0;
  order_unlabelled (self);
}

void
seg_two_stream_set_cases (SegTwoStream *self, const guint32 *labelled, gsize n_labelled,
                          const guint32 *unlabelled, gsize n_unlabelled)
{
  g_return_if_fail (n_labelled >= 1);

  cases_set (&self->pending, labelled, n_labelled, unlabelled, n_unlabelled);
  self->has_pending = TRUE;
  if (self->step == 0)
    {
      take_pending (self);
      order_labelled (self);
    }
}

static guint32
next_unlabelled (SegTwoStream *self)
{
  if (self->round_position == self->cases.n_unlabelled)
    {
      self->round++;
      self->round_position = 0;
      order_unlabelled (self);
    }
  return self->unlabelled_order[self->round_position++];
}

int
seg_two_stream_next (SegTwoStream *self, guint32 *cases)
{
  int n = 0;

  g_return_val_if_fail (self->cases.n_labelled > 0, 0);
  if (self->epoch_position == epoch_length (self))
    {
      self->epoch++;
      self->epoch_position = 0;
      take_pending (self);
      order_labelled (self);
    }
  for (int i = 0; i < self->n_labelled; i++)
    cases[n++] =
        self->labelled_order[self->epoch_position * (guint64) self->n_labelled + (guint64) i];
  for (int i = 0; i < self->n_unlabelled && self->cases.n_unlabelled > 0; i++)
    cases[n++] = next_unlabelled (self);
  self->epoch_position++;
  self->step++;
  return n;
}

guint64
seg_two_stream_get_epoch (const SegTwoStream *self)
{
  return self->epoch;
}

guint64
seg_two_stream_get_step (const SegTwoStream *self)
{
  return self->step;
}

int
seg_two_stream_get_n_labelled (const SegTwoStream *self)
{
  return self->n_labelled;
}

int
seg_two_stream_get_n_unlabelled (const SegTwoStream *self)
{
  return self->n_unlabelled;
}

/* --- state ---------------------------------------------------------------------------------- */

static void
append_list (GString *out, const guint32 *values, gsize n)
{
  g_string_append_printf (out, " %" G_GSIZE_FORMAT, n);
  for (gsize i = 0; i < n; i++)
    g_string_append_printf (out, " %u", values[i]);
}

static void
append_cases (GString *out, const Cases *cases)
{
  append_list (out, cases->labelled, cases->n_labelled);
  append_list (out, cases->unlabelled, cases->n_unlabelled);
}

char *
seg_two_stream_to_string (const SegTwoStream *self)
{
  GString *out = g_string_new (STATE_VERSION);

  g_string_append_printf (out,
                          " %" G_GUINT64_FORMAT " %d %d %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
                          " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %d",
                          self->seed, self->n_labelled, self->n_unlabelled, self->step, self->epoch,
                          self->epoch_position, self->round, self->round_position,
                          self->has_pending);
  append_cases (out, &self->cases);
  append_cases (out, &self->pending);
  return g_string_free (out, FALSE);
}

typedef struct
{
  char **words;
  guint n, at;
} Reader;

static gboolean
read_number (Reader *reader, guint64 max, guint64 *number)
{
  return reader->at < reader->n
         && g_ascii_string_to_unsigned (reader->words[reader->at++], 10, 0, max, number, NULL);
}

static gboolean
read_list (Reader *reader, guint32 **values, gsize *n)
{
  guint64 count, value;

  if (!read_number (reader, reader->n, &count))
    return FALSE;
  *n = (gsize) count;
  *values = g_new0 (guint32, MAX (*n, 1));
  for (gsize i = 0; i < *n; i++)
    {
      if (!read_number (reader, G_MAXUINT32, &value))
        return FALSE;
      (*values)[i] = (guint32) value;
    }
  return TRUE;
}

static gboolean
read_state (Reader *reader, SegTwoStream *self)
{
  guint64 n_labelled, n_unlabelled, has_pending;

  if (!read_number (reader, G_MAXUINT64, &self->seed) || !read_number (reader, 4096, &n_labelled)
      || !read_number (reader, 4096, &n_unlabelled)
      || !read_number (reader, G_MAXUINT64, &self->step)
      || !read_number (reader, G_MAXUINT64 >> 8, &self->epoch)
      || !read_number (reader, G_MAXUINT64, &self->epoch_position)
      || !read_number (reader, G_MAXUINT64 >> 8, &self->round)
      || !read_number (reader, G_MAXUINT64, &self->round_position)
      || !read_number (reader, 1, &has_pending)
      || !read_list (reader, &self->cases.labelled, &self->cases.n_labelled)
      || !read_list (reader, &self->cases.unlabelled, &self->cases.n_unlabelled)
      || !read_list (reader, &self->pending.labelled, &self->pending.n_labelled)
      || !read_list (reader, &self->pending.unlabelled, &self->pending.n_unlabelled)
      || reader->at != reader->n)
    return FALSE;
  self->n_labelled = (int) n_labelled;
  self->n_unlabelled = (int) n_unlabelled;
  self->has_pending = has_pending != 0;
  return n_labelled >= 1 && (!self->has_pending || self->pending.n_labelled >= 1)
         && self->epoch_position <= epoch_length (self)
         && self->round_position <= self->cases.n_unlabelled
         && (self->cases.n_labelled > 0 || self->step == 0);
}

SegTwoStream *
seg_two_stream_from_string (const char *text, GError **error)
{
  g_autoptr (SegTwoStream) self = g_new0 (SegTwoStream, 1);
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  Reader reader = { .words = words, .n = g_strv_length (words), .at = 1 };

  if (reader.n == 0 || strcmp (words[0], STATE_VERSION) != 0 || !read_state (&reader, self))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT, "“%.40s…” is no saved order of data", text);
      return NULL;
    }
  if (self->cases.n_labelled > 0)
    {
      order_labelled (self);
      order_unlabelled (self);
    }
  return g_steal_pointer (&self);
}

SegTwoStream *
seg_two_stream_copy (const SegTwoStream *self)
{
  SegTwoStream *copy = g_new (SegTwoStream, 1);

  *copy = *self;
  memset (&copy->cases, 0, sizeof copy->cases);
  memset (&copy->pending, 0, sizeof copy->pending);
  cases_set (&copy->cases, self->cases.labelled, self->cases.n_labelled, self->cases.unlabelled,
             self->cases.n_unlabelled);
  cases_set (&copy->pending, self->pending.labelled, self->pending.n_labelled,
             self->pending.unlabelled, self->pending.n_unlabelled);
  copy->labelled_order = copy->unlabelled_order = NULL;
  if (copy->cases.n_labelled > 0)
    {
      order_labelled (copy);
      order_unlabelled (copy);
    }
  return copy;
}
