/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/ops/ops.h"

G_BEGIN_DECLS

/**
 * SegModule: a node of the tree that gives parameters their names. Parameters are what is trained;
 * buffers are state beside them (running mean and variance). The full name of an entry is the path
 * of child names and its own, joined by dots: "block_one.conv.0.weight", so that a PyTorch
 * state_dict maps by name.
 *
 * A network is a struct of its own that holds its root module; layers (seg/nn/layers.h) are made in
 * a parent module and live as long as it.
 */
SegModule *seg_module_new (SegContext *context) G_GNUC_WARN_UNUSED_RESULT;
SegModule *seg_module_ref (SegModule *self);
void seg_module_unref (SegModule *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegModule, seg_module_unref)

SegContext *seg_module_get_context (SegModule *self);
/* The child of that name, made if there is none; "conv.0" makes two levels. (transfer none) */
SegModule *seg_module_child (SegModule *self, const char *name);
/* Frees @data with the module. Answers @data. */
gpointer seg_module_own (SegModule *self, gpointer data, GDestroyNotify destroy);

/* F32, plain; zero. (transfer none) (nullable): NULL when memory failed */
SegTensor *seg_module_add_parameter (SegModule *self, const char *name, int rank,
                                     const gint64 *shape);
SegTensor *seg_module_add_buffer (SegModule *self, const char *name, int rank, const gint64 *shape,
                                  double value);

typedef enum
{
  SEG_ENTRY_PARAMETER,
  SEG_ENTRY_BUFFER,
} SegEntryKind;

/* @name: full name */
typedef void (*SegModuleFunc) (const char *name, SegTensor *tensor, SegEntryKind kind,
                               gpointer user_data);
/* In the order they were added, children after a module's own. */
void seg_module_foreach (SegModule *self, SegModuleFunc func, gpointer user_data);
/* By full name. (transfer none) (nullable) */
SegTensor *seg_module_lookup (SegModule *self, const char *name);
/* Returns: (transfer container) (element-type SegTensor): in that order */
GPtrArray *seg_module_list_parameters (SegModule *self) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray *seg_module_list_buffers (SegModule *self) G_GNUC_WARN_UNUSED_RESULT;
gint64 seg_module_count_parameters (SegModule *self);

/* Training: batch norm uses the batch, dropout drops. On at first; for the whole tree. */
void seg_module_set_training (SegModule *self, gboolean training);
gboolean seg_module_get_training (SegModule *self);
/* Frozen: no parameter of the tree requires a gradient. */
void seg_module_set_requires_grad (SegModule *self, gboolean requires_grad);

/* dst := src, entries matched by name. Returns: FALSE with SEG_ERROR_MISMATCH naming all that do
 * not fit. */
gboolean seg_module_copy_state (SegModule *dst, SegModule *src, GError **error);

G_END_DECLS
