/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* seg/: the tensor engine and its backends, networks, generalists, methods, inference.
 *
 *   tensor ← ops ← nn ← model ← generalist ← (infer, method) ← segmenter / trainer
 *   weights (files of named tensors, checkpoints) knows none of these
 *
 * A backend sees seg/backend.h alone. Only the volume adapter (seg/adapter/) may include volume/;
 * the rest needs GLib and nothing else. Lives on the engine thread: a SegDevice and everything made
 * from it belong to the one thread that uses the device.
 *
 * Shapes are written in the logical order N C [D] H W everywhere; memory of 4-/5-D activations is
 * channels-last (N [D] H W C). The *feature axis* of a tensor is axis 1 of a 4-/5-D tensor and the
 * last axis of a tensor of at most 3 dimensions; linear, layer norm, embedding act on it, so that
 * N C H W and the tokens N (HW) C are the same memory.
 *
 * Errors of operations are sticky: one given NULL, or failing, answers NULL, and the context
 * remembers the first failure; seg_context_check() is asked once a step. Nothing aborts on data.
 *
 * Arrays.  A volume inside seg/ has axes 0, 1, 2 = the model's x, y, z (the D, H, W of a tensor),
 *          row major: axis 2 runs fastest, as the arrays of the methods' dossiers. The adapter
 * turns a scan (ijk, i fastest) into this order and back. */

#include <glib.h>

#include "seg/backend.h"

G_BEGIN_DECLS

typedef struct _SegDevice SegDevice;
typedef struct _SegContext SegContext;
typedef struct _SegTensor SegTensor;
typedef struct _SegTape SegTape;
typedef struct _SegModule SegModule;

typedef enum
{
  SEG_ERROR_NOT_FOUND, /* no such file, or no permission to read it */
  SEG_ERROR_FORMAT, /* not a file of this kind, or a damaged or hostile one */
  SEG_ERROR_UNSUPPORTED, /* valid, but asks for what we do not do */
  SEG_ERROR_TOO_LARGE, /* claims more than the file or the machine holds */
  SEG_ERROR_IO, /* disk full, read error */
  SEG_ERROR_MISMATCH, /* names, shapes or dtypes that should agree do not */
  SEG_ERROR_OUT_OF_MEMORY, /* host or device: a smaller patch or batch may do */
  SEG_ERROR_NOT_FINITE, /* NaN or infinity in a loss or a weight */
  SEG_ERROR_BACKEND, /* a backend failed, or none can do it */
  SEG_ERROR_CANCELLED, /* the caller asked to stop */
} SegError;
#define SEG_ERROR (seg_error_quark ())
GQuark seg_error_quark (void);

G_END_DECLS
