/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "volume/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((gsize) 2 << 20)

static gint n_until_refusal = 0; /* 0 and below: none comes */
static gint n_refusals = 0;
static gint n_refused = 0;

void
volume_memory_refuse (int n, int n_in_a_row)
{
  g_atomic_int_set (&n_refused, 0);
  g_atomic_int_set (&n_refusals, n_in_a_row);
  g_atomic_int_set (&n_until_refusal, n);
}

int
volume_memory_get_n_refused (void)
{
  return g_atomic_int_get (&n_refused);
}

static gboolean
is_refused (void)
{
  int before;

  if (g_atomic_int_get (&n_refusals) == 0)
    return FALSE;
  before = g_atomic_int_add (&n_until_refusal, -1);
  if (before > 1 || before <= 1 - g_atomic_int_get (&n_refusals))
    return FALSE;
  g_atomic_int_inc (&n_refused);
  return TRUE;
}

static void
set_error (GError **error, gsize n, gsize size)
{
  gsize n_bytes;

  if (g_size_checked_mul (&n_bytes, n, size))
    g_set_error (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE,
                 "%" G_GSIZE_FORMAT " bytes of memory are needed, more than there are", n_bytes);
  else
    g_set_error_literal (error, VOLUME_ERROR, VOLUME_ERROR_TOO_LARGE,
                         "more memory is needed than any machine has");
}

gpointer
volume_memory_try (gsize n, gsize size, GError **error)
{
  gpointer memory = is_refused () ? NULL : g_try_malloc_n (MAX (n, 1), size);

  if (memory == NULL)
    set_error (error, n, size);
  return memory;
}

gpointer
volume_memory_try0 (gsize n, gsize size, GError **error)
{
  gpointer memory = is_refused () ? NULL : g_try_malloc0_n (MAX (n, 1), size);

  if (memory == NULL)
    set_error (error, n, size);
  return memory;
}

gpointer
volume_memory_try_huge (gsize n_bytes, GError **error)
{
  gpointer memory = NULL;

  if (n_bytes < 4 * HUGE_PAGE)
    return volume_memory_try (n_bytes, 1, error);
  if (is_refused () || posix_memalign (&memory, HUGE_PAGE, n_bytes) != 0)
    {
      set_error (error, n_bytes, 1);
      return NULL;
    }
  madvise (memory, n_bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
  return memory; /* g_free() is free() */
}

gpointer
volume_list_add_n (VolumeList *self, gsize n, gsize size, GError **error)
{
  guint8 *at;

  if (n > self->room - self->n || self->items == NULL)
    {
      gsize room = MAX (self->n + n, self->room + self->room / 2 + 64 / size + 1);
      gpointer items = is_refused () ? NULL : g_try_realloc_n (self->items, room, size);

      if (items == NULL)
        {
          set_error (error, room, size);
          return NULL;
        }
      self->items = items;
      self->room = room;
    }
  at = (guint8 *) self->items + self->n * size;
  self->n += n;
  return at;
}

gpointer
volume_list_add (VolumeList *self, gsize size, GError **error)
{
  return volume_list_add_n (self, 1, size, error);
}

void
volume_list_clear (VolumeList *self)
{
  g_clear_pointer (&self->items, g_free);
  self->n = self->room = 0;
}
