/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of seg/tensor share. */

#include "seg/tensor/context.h"
#include "seg/tensor/tape.h"

G_BEGIN_DECLS

typedef struct _SegAllocator SegAllocator;
typedef struct _SegBlock SegBlock;

SegAllocator *seg_allocator_new (SegDevice *device);
void seg_allocator_free (SegAllocator *self);
/* NULL when memory is used up: *why says what (static). */
SegBlock *seg_allocator_take (SegAllocator *self, gsize size_bytes, const char **why);
void seg_allocator_give (SegAllocator *self, SegBlock *block);
void *seg_block_get_data (SegBlock *block);
void seg_allocator_get_stats (SegAllocator *self, SegMemoryStats *stats);
/* So little of the device's memory (of the limit, if there is one) is in use that nothing need be
 * dropped to be computed again. */
gboolean seg_allocator_has_plenty (SegAllocator *self);
void seg_allocator_reset_peak (SegAllocator *self);
void seg_allocator_set_limit (SegAllocator *self, guint64 limit_bytes);
void seg_allocator_trim (SegAllocator *self);

struct _SegDevice
{
  int ref_count;
  const SegBackend *backend;
  SegBackendDevice *handle;
  SegBackendDeviceInfo info;
  double peak_gflops[8];
  gboolean peak_known[8];
  gboolean said_fallback[SEG_N_OPS];
};

/* ref, opened once: stands in where a device cannot. */
SegBackendDevice *seg_device_get_reference (void);
extern const SegBackend seg_backend_ref;

struct _SegContext
{
  int ref_count;
  SegDevice *device;
  SegAllocator *allocator;
  GError *error;
  SegTape *tape;
  int no_grad;
  int recomputing; /* a checkpoint runs again: running state was updated already */
  guint64 random_seed;
  guint64 random_offset;
  SegYieldFunc yield;
  gpointer yield_data;
  gboolean in_yield;
  int held;
  gboolean timing;
  GArray *times; /* of SegOpTime: by op, shapes, and who ran it */
};

typedef struct
{
  int ref_count;
  SegContext *context; /* owned */
  SegBlock *block;
} SegStorage;

/* References to a tensor are of three kinds: the caller's; links from the tape (input or output of
 * a node), which need no contents; saves by the tape, which do. When only links are left the
 * contents go; when only links and saves are left and the contents can be computed again, they go
 * as well. */
struct _SegTensor
{
  int ref_count; /* all */
  int link_count;
  int save_count;
  SegContext *context; /* owned */
  SegStorage *storage; /* NULL: dropped */
  gsize offset_bytes;
  SegDtype dtype;
  int rank;
  gint64 shape[SEG_MAX_RANK];
  gint64 stride[SEG_MAX_RANK];
  guint64 uid;
  guint64 version;
  gboolean requires_grad;
  gboolean parameter;
  gboolean retain_grad;
  SegTensor *grad;
  SegNode *node; /* that made it, while on a tape */
};

struct _SegTape
{
  SegContext *context;
  SegTape *outer;
  gboolean current;
  GPtrArray *nodes; /* SegNodeFull */
};

gboolean seg_node_can_recompute (SegNode *self);
SegNode *seg_tape_record_always (SegTensor *out, SegNodeBackward backward, int n_in,
                                 SegTensor *const *in, const void *params, gsize params_size);
/* The gradient of an input as memory to be added to, zeroed when new. */
SegTensor *seg_node_grad_whole (SegNode *self, int input, SegDtype dtype);
gpointer seg_tensor_get_data (SegTensor *self);
gboolean seg_tensor_allocate (SegTensor *self, gsize n_elements);
void seg_tensor_fill_backend (SegTensor *self, SegBackendTensor *out);
void seg_tensor_drop_if_unneeded (SegTensor *self);
gboolean seg_tensor_materialise (SegTensor *self);
/* Contents changed in place. */
void seg_tensor_bump (SegTensor *self);
/* A second tensor over the same memory. */
SegTensor *seg_tensor_new_view (SegTensor *of);
SegTensor *seg_tensor_new_strided (SegContext *context, SegDtype dtype, int rank,
                                   const gint64 *shape, const gint64 *stride);
void seg_strides_plain (int rank, const gint64 *shape, gint64 *stride);
void seg_strides_channels_last (int rank, const gint64 *shape, gint64 *stride);
gboolean seg_tensor_is_strided (SegTensor *self, const gint64 *stride);
gboolean seg_tensor_is_dense (SegTensor *self); /* some permutation without gaps */
gboolean seg_tensor_is_channels_last (SegTensor *self); /* rank 4, 5; any plain of less */
gboolean seg_tensor_is_plain (SegTensor *self);
gboolean seg_dtype_is_float (SegDtype dtype);

G_END_DECLS
