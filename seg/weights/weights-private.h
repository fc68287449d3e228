/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/weights/weights.h"

G_BEGIN_DECLS

/* For the readers of this room: a SegWeights while it is being filled. */
SegWeights *seg_weights_new (const char *path, const char *format);
/* @owner is kept alive with the weights. */
void seg_weights_keep (SegWeights *self, GBytes *owner);
/* %FALSE if the name is there already. @data must be aligned to the dtype. */
gboolean seg_weights_append (SegWeights *self, const char *name, SegWeightDtype dtype, int n_dims,
                             const gint64 *shape, gconstpointer data);
void seg_weights_put_metadata (SegWeights *self, const char *key, const char *value);

/* Product of @shape × the dtype's size without overflow, or %FALSE. */
gboolean seg_weights_size_of (SegWeightDtype dtype, int n_dims, const gint64 *shape,
                              gsize *n_elements, gsize *size_bytes);

/* Readers; @name is for messages and is what the weights report as their path. */
SegWeights *seg_weights_from_safetensors (GBytes *bytes, const char *name, GError **error);
SegWeights *seg_weights_from_pytorch_zip (GBytes *bytes, const char *name, GError **error);
SegWeights *seg_weights_from_pytorch_old (GBytes *bytes, const char *name, GError **error);
gboolean seg_weights_looks_like_pytorch_old (GBytes *bytes);

G_END_DECLS
