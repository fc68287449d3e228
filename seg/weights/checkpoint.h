/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/weights/weights.h"

G_BEGIN_DECLS

/**
 * SegCheckpoint:
 *
 * Everything a round needs to go on exactly where it was (I7): tensors in groups ("student",
 * "teacher", "student-buffers", "optimizer", …) and named values (step, random state, data order,
 * parameters of the method). On disk a small manifest NAME.json beside NAME-STEP-….safetensors; the
 * manifest names the tensor file, its size and its SHA-256.
 *
 * Saving is atomic: tensors are written and synced under a new name, then the manifest replaces the
 * old one (temporary, fsync, rename, fsync of the folder), then the old tensor file goes. A crash
 * or a full disk at any moment leaves the last good checkpoint.
 *
 * Threads: belongs to one.
 */
typedef struct _SegCheckpoint SegCheckpoint;

SegCheckpoint *seg_checkpoint_new (void) G_GNUC_WARN_UNUSED_RESULT;
void seg_checkpoint_free (SegCheckpoint *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegCheckpoint, seg_checkpoint_free)

/* @group has no '/'. Data is borrowed until the checkpoint is saved or freed. */
void seg_checkpoint_add (SegCheckpoint *self, const char *group, const char *name,
                         SegWeightDtype dtype, int n_dims, const gint64 *shape, gconstpointer data);

/* The same, taking @data over (freed with g_free). */
void seg_checkpoint_add_take (SegCheckpoint *self, const char *group, const char *name,
                              SegWeightDtype dtype, int n_dims, const gint64 *shape, gpointer data);

/* Values; setting a key again replaces it. Doubles come back bit for bit. Strings may hold JSON of
 * one's own. */
void seg_checkpoint_set_int (SegCheckpoint *self, const char *key, gint64 value);
void seg_checkpoint_set_double (SegCheckpoint *self, const char *key, double value);
void seg_checkpoint_set_string (SegCheckpoint *self, const char *key, const char *value);

/* @folder must exist; @name is a plain file name without suffix. The value "step", if set, shows in
 * the tensor file's name. */
gboolean seg_checkpoint_save (SegCheckpoint *self, const char *folder, const char *name,
                              GError **error);

/* SEG_ERROR_NOT_FOUND if there is none; SEG_ERROR_FORMAT if the manifest or its tensor file is
 * damaged (size and SHA-256 are verified). */
SegCheckpoint *seg_checkpoint_load (const char *folder, const char *name,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Removes the manifest first, then its tensor files; none there is no error. */
gboolean seg_checkpoint_remove (const char *folder, const char *name, GError **error);

/* Of a loaded one: tensors of @group by their own names, possibly none. */
SegWeights *seg_checkpoint_get_group (SegCheckpoint *self,
                                      const char *group) G_GNUC_WARN_UNUSED_RESULT;
/* %FALSE with SEG_ERROR_FORMAT if the key is missing or of another kind. */
gboolean seg_checkpoint_get_int (const SegCheckpoint *self, const char *key, gint64 *value,
                                 GError **error);
gboolean seg_checkpoint_get_double (const SegCheckpoint *self, const char *key, double *value,
                                    GError **error);
gboolean seg_checkpoint_get_string (const SegCheckpoint *self, const char *key, const char **value,
                                    GError **error);
gboolean seg_checkpoint_has (const SegCheckpoint *self, const char *key);

G_END_DECLS
