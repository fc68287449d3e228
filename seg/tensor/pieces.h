/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/division.h"
#include "seg/tensor/tensor-private.h"

G_BEGIN_DECLS

/* Runs a long convolution in pieces, each by @run; %FALSE where it is not to be cut. An @run that
 * fails is the last. */
typedef SegStatus (*SegPieceFunc) (SegContext *context, const SegBackendCall *piece);
gboolean seg_pieces_run (SegContext *context, const SegBackendCall *call, double gflop,
                         SegPieceFunc run, SegStatus *status);

/* What the backend's module exports as SEG_DIVISION_SYMBOL; NULL: nothing. device.c */
SegBackendDivide seg_backend_get_divide (const SegBackend *backend);

G_END_DECLS
