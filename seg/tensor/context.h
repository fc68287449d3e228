/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/**
 * SegDevice: an opened device of a backend. Reference counted; shared by contexts of one thread.
 *
 * Modules are looked for in $CROSSLABEL_MODULE_PATH, the build folder, the installed folder.
 */

/**
 * seg_device_open:
 * @name: (nullable): "ref", "cpu", "cuda", "cuda:1"; NULL or "auto" takes the best that runs here
 * @n_threads: compute threads; 0 lets the backend choose
 *
 * Returns: (transfer full): the device, or NULL with SEG_ERROR_BACKEND and the reason
 */
SegDevice *seg_device_open (const char *name, int n_threads,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
SegDevice *seg_device_ref (SegDevice *self);
void seg_device_unref (SegDevice *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegDevice, seg_device_unref)

const SegBackend *seg_device_get_backend (SegDevice *self);
const SegBackendDeviceInfo *seg_device_get_info (SegDevice *self);
double seg_device_get_peak_gflops (SegDevice *self, SegDtype dtype); /* measured once; 0 unknown */

/* One line for each known backend ("cpu: oneDNN 2.6.3, AVX-512 bf16" or "cuda: no NVIDIA driver"),
 * for doctor. Returns: (transfer full): NULL-terminated */
char **seg_device_describe_all (void) G_GNUC_WARN_UNUSED_RESULT;

/**
 * SegContext: where tensors live: a device, a caching allocator, a random stream, the current tape,
 * the first error. A nested piece of work (a prompt during a training step) makes its own context
 * on the same device.
 */

/* @seed: of the random stream */
SegContext *seg_context_new (SegDevice *device, guint64 seed) G_GNUC_WARN_UNUSED_RESULT;
SegContext *seg_context_ref (SegContext *self);
void seg_context_unref (SegContext *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegContext, seg_context_unref)

SegDevice *seg_context_get_device (SegContext *self);

/* TRUE if nothing failed since the last call; else moves the first error to @error and forgets it.
 */
gboolean seg_context_check (SegContext *self, GError **error);
gboolean seg_context_failed (SegContext *self);
/* Remembers an error unless one is remembered already. */
void seg_context_fail (SegContext *self, SegError code, const char *format, ...)
    G_GNUC_PRINTF (3, 4);

/**
 * SegYieldFunc: called between two operations, often; may run other work in another context of the
 * device. Returns: FALSE to cancel: all further operations fail with SEG_ERROR_CANCELLED until
 * seg_context_check().
 */
typedef gboolean (*SegYieldFunc) (SegContext *self, gpointer user_data);
void seg_context_set_yield (SegContext *self, SegYieldFunc yield, gpointer user_data);

/* Between these nothing yields, so that what is written happens as a whole or not at all (a step of
 * the optimiser, a moving average). They nest. */
void seg_context_hold (SegContext *self);
void seg_context_release (SegContext *self);

/* The random stream: Philox counter-based, so its whole state is (seed, offset). */
void seg_context_get_random_state (SegContext *self, guint64 *seed, guint64 *offset);
void seg_context_set_random_state (SegContext *self, guint64 seed, guint64 offset);
/* Takes @n_words 32-bit words (rounded up to 4) off the stream; answers where they begin. */
guint64 seg_context_take_random (SegContext *self, guint64 n_words);

typedef struct
{
  guint64 in_use_bytes;
  guint64 peak_bytes; /* highest in_use since the last reset */
  guint64 reserved_bytes; /* asked from the system */
  guint64 n_system_allocations;
} SegMemoryStats;
void seg_context_get_memory (SegContext *self, SegMemoryStats *stats);
void seg_context_reset_peak (SegContext *self);
/* 0: no limit of its own. Beyond it allocations fail with SEG_ERROR_OUT_OF_MEMORY. */
void seg_context_set_memory_limit (SegContext *self, guint64 limit_bytes);
void seg_context_trim (SegContext *self); /* gives free memory back to the system */

/* Time per op and shapes. @gflop is summed from shapes for products and convolutions. */
typedef struct
{
  const char *name;
  char shapes[104]; /* of the first output and the first two inputs, "2x16x64x64x48 < …" */
  const char *backend; /* who ran it; "ref" under another device is a fallback */
  guint64 n_calls;
  double seconds;
  double gflop;
  double gbytes; /* of all tensors, in and out */
} SegOpTime;
void seg_context_set_timing (SegContext *self, gboolean on);
/* Returns: (transfer full) (element-type SegOpTime): slowest first; @by_shape: one for each
 * op and its shapes, else one for each op */
GArray *seg_context_get_times (SegContext *self, gboolean by_shape) G_GNUC_WARN_UNUSED_RESULT;
void seg_context_clear_times (SegContext *self);
const char *seg_op_get_name (SegOp op);

/**
 * seg_context_run: one operation, for the files of seg/ops. Absent tensors are NULL. Falls back to
 * `ref` where the device does not support the call, and says so once for each op.
 *
 * Returns: FALSE if it failed, or an error is remembered already
 */
gboolean seg_context_run (SegContext *self, SegOp op, const void *params, gsize params_size,
                          int n_out, SegTensor *const *out, int n_in, SegTensor *const *in);

G_END_DECLS
