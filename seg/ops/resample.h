/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/tensor/tape.h"

G_BEGIN_DECLS

typedef enum
{
  SEG_RESAMPLE_NEAREST,
  SEG_RESAMPLE_LINEAR,
  SEG_RESAMPLE_LINEAR_ALIGNED, /* align_corners */
} SegResampleMode;

/* N C X.. → N C size.. with PyTorch's coordinate rules (no antialiasing). */
SegTensor *seg_resample (SegTensor *x, const gint64 *size, SegResampleMode mode);

G_END_DECLS
