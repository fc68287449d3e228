/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/tensor/tensor-private.h"

#include <stdio.h>
#include <string.h>

/* Slabs of device memory cut into blocks; neighbours that are free melt together, and the smallest
 * free block that is large enough, lowest in its slab, is taken. A training step asks for the same
 * sizes in the same order as the one before, so after the first it finds everything where it was.
 * On the host a slab is address space: what is never touched costs nothing. */

#define ALIGNMENT 256
/* Below this part of what there is nothing is dropped that would have to be computed again. */
#define PLENTY 12
#define HOST_SLAB_BYTES (G_GUINT64_CONSTANT (1) << 30)
#define DEVICE_SLAB_BYTES (G_GUINT64_CONSTANT (256) << 20)

typedef struct
{
  guint8 *data;
  gsize size;
  SegBlock *first;
} Slab;

struct _SegBlock
{
  Slab *slab;
  gsize offset;
  gsize size;
  gboolean free;
  SegBlock *previous; /* in the slab, by address */
  SegBlock *next;
  SegBlock *free_previous; /* in the list of free blocks */
  SegBlock *free_next;
};

struct _SegAllocator
{
  SegDevice *device;
  GPtrArray *slabs;
  SegBlock *free_blocks;
  guint64 limit;
  SegMemoryStats stats;
};

static guint64
host_memory_budget (void)
{
  guint64 kib = 0;
  char line[128];
  FILE *file = fopen ("/proc/meminfo", "re");

  if (file == NULL)
    return 0;
  while (fgets (line, sizeof line, file) != NULL)
    if (sscanf (line, "MemAvailable: %" G_GUINT64_FORMAT, &kib) == 1)
      break;
  fclose (file);
  return kib * 1024 / 10 * 9;
}

static void
list_add (SegAllocator *self, SegBlock *block)
{
  block->free = TRUE;
  block->free_previous = NULL;
  block->free_next = self->free_blocks;
  if (self->free_blocks != NULL)
    self->free_blocks->free_previous = block;
  self->free_blocks = block;
}

static void
list_remove (SegAllocator *self, SegBlock *block)
{
  block->free = FALSE;
  if (block->free_previous != NULL)
    block->free_previous->free_next = block->free_next;
  else
    self->free_blocks = block->free_next;
  if (block->free_next != NULL)
    block->free_next->free_previous = block->free_previous;
}

static gboolean
is_better (const SegBlock *candidate, const SegBlock *best)
{
  if (best == NULL || candidate->size != best->size)
    return best == NULL || candidate->size < best->size;
  return candidate->slab->data + candidate->offset < best->slab->data + best->offset;
}

static SegBlock *
find_free (SegAllocator *self, gsize size)
{
  SegBlock *best = NULL;

  for (SegBlock *block = self->free_blocks; block != NULL; block = block->free_next)
    if (block->size >= size && is_better (block, best))
      best = block;
  return best;
}

static gboolean
add_slab (SegAllocator *self, gsize size)
{
  const gboolean host = self->device->info.host_memory;
  gsize slab_size = MAX (size, host ? HOST_SLAB_BYTES : DEVICE_SLAB_BYTES);
  void *data = NULL;
  Slab *slab;
  SegBlock *block;

  while (self->device->backend->buffer_alloc (self->device->handle, slab_size, &data)
         != SEG_STATUS_OK)
    {
      if (slab_size == size)
        return FALSE;
      slab_size = MAX (size, slab_size / 2);
    }
  slab = g_new0 (Slab, 1);
  slab->data = data;
  slab->size = slab_size;
  block = g_slice_new0 (SegBlock);
  block->slab = slab;
  block->size = slab_size;
  slab->first = block;
  g_ptr_array_add (self->slabs, slab);
  list_add (self, block);
  self->stats.reserved_bytes += slab_size;
  self->stats.n_system_allocations++;
  return TRUE;
}

static void
split (SegAllocator *self, SegBlock *block, gsize size)
{
  SegBlock *rest;

  if (block->size == size)
    return;
  rest = g_slice_new0 (SegBlock);
  rest->slab = block->slab;
  rest->offset = block->offset + size;
  rest->size = block->size - size;
  rest->previous = block;
  rest->next = block->next;
  if (rest->next != NULL)
    rest->next->previous = rest;
  block->next = rest;
  block->size = size;
  list_add (self, rest);
}

static void
melt_with_next (SegAllocator *self, SegBlock *block)
{
  SegBlock *next = block->next;

  block->size += next->size;
  block->next = next->next;
  if (block->next != NULL)
    block->next->previous = block;
  g_slice_free (SegBlock, next);
}

SegAllocator *
seg_allocator_new (SegDevice *device)
{
  SegAllocator *self = g_new0 (SegAllocator, 1);

  self->device = seg_device_ref (device);
  self->slabs = g_ptr_array_new ();
  if (device->info.host_memory)
    self->limit = host_memory_budget ();
  return self;
}

static void
free_slab (SegAllocator *self, Slab *slab)
{
  SegBlock *next;

  for (SegBlock *block = slab->first; block != NULL; block = next)
    {
      next = block->next;
      if (block->free)
        list_remove (self, block);
      g_slice_free (SegBlock, block);
    }
  self->device->backend->buffer_free (self->device->handle, slab->data, slab->size);
  self->stats.reserved_bytes -= slab->size;
  g_free (slab);
}

void
seg_allocator_free (SegAllocator *self)
{
  for (guint s = 0; s < self->slabs->len; s++)
    free_slab (self, self->slabs->pdata[s]);
  g_ptr_array_unref (self->slabs);
  seg_device_unref (self->device);
  g_free (self);
}

SegBlock *
seg_allocator_take (SegAllocator *self, gsize size_bytes, const char **why)
{
  SegBlock *block;
  gsize size;

  if (size_bytes > G_MAXSIZE / 4)
    {
      *why = "the size overflows";
      return NULL;
    }
  size = MAX ((size_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, ALIGNMENT);
  if (self->limit > 0 && self->stats.in_use_bytes + size > self->limit)
    {
      *why = "the memory budget is used up";
      return NULL;
    }
  block = find_free (self, size);
  if (block == NULL)
    {
      if (!add_slab (self, size))
        {
          *why = "the device has no more memory";
          return NULL;
        }
      block = find_free (self, size);
    }
  list_remove (self, block);
  split (self, block, size);
  self->stats.in_use_bytes += size;
  self->stats.peak_bytes = MAX (self->stats.peak_bytes, self->stats.in_use_bytes);
  return block;
}

void
seg_allocator_give (SegAllocator *self, SegBlock *block)
{
  self->stats.in_use_bytes -= block->size;
  if (block->next != NULL && block->next->free)
    {
      list_remove (self, block->next);
      melt_with_next (self, block);
    }
  if (block->previous != NULL && block->previous->free)
    {
      block = block->previous;
      list_remove (self, block);
      melt_with_next (self, block);
    }
  list_add (self, block);
}

void *
seg_block_get_data (SegBlock *block)
{
  return block->slab->data + block->offset;
}

void
seg_allocator_get_stats (SegAllocator *self, SegMemoryStats *stats)
{
  *stats = self->stats;
}

gboolean
seg_allocator_has_plenty (SegAllocator *self)
{
  const guint64 all = self->limit > 0 ? self->limit : self->device->info.memory_bytes;

  return self->stats.in_use_bytes < all / PLENTY;
}

void
seg_allocator_reset_peak (SegAllocator *self)
{
  self->stats.peak_bytes = self->stats.in_use_bytes;
}

void
seg_allocator_set_limit (SegAllocator *self, guint64 limit_bytes)
{
  self->limit = limit_bytes > 0                  ? limit_bytes
                : self->device->info.host_memory ? host_memory_budget ()
                                                 : 0;
}

void
seg_allocator_trim (SegAllocator *self)
{
  for (guint s = self->slabs->len; s > 0; s--)
    {
      Slab *slab = self->slabs->pdata[s - 1];

      if (slab->first->free && slab->first->next == NULL)
        {
          g_ptr_array_remove_index (self->slabs, s - 1);
          free_slab (self, slab);
        }
    }
}
