/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

#define SEG_WEIGHT_MAX_DIMS 8

typedef enum
{
  SEG_WEIGHT_BOOL,
  SEG_WEIGHT_U8,
  SEG_WEIGHT_I8,
  SEG_WEIGHT_I16,
  SEG_WEIGHT_I32,
  SEG_WEIGHT_I64,
  SEG_WEIGHT_F16,
  SEG_WEIGHT_BF16,
  SEG_WEIGHT_F32,
  SEG_WEIGHT_F64,
} SegWeightDtype;

gsize seg_weight_dtype_get_size (SegWeightDtype dtype);
const char *seg_weight_dtype_get_name (SegWeightDtype dtype); /* safetensors': "F32", "BF16", … */

/* One named tensor of a file: contiguous, row major, little endian; a scalar has no dimensions.
 * @data is aligned to its dtype and lives as long as the SegWeights. */
typedef struct
{
  const char *name;
  SegWeightDtype dtype;
  int n_dims;
  gint64 shape[SEG_WEIGHT_MAX_DIMS];
  gsize n_elements;
  gconstpointer data;
  gsize size_bytes;
} SegWeight;

/**
 * SegWeights:
 *
 * The tensors of a weight file, by name. Immutable, reference-counted (atomic): share it between
 * threads. The file stays mapped, so tensors cost memory only when they are read.
 */
typedef struct _SegWeights SegWeights;

/**
 * seg_weights_load:
 * @path: .safetensors; PyTorch .pth/.pt (zip and old format); or a *.index.json that names the
 *   shards beside it. Told apart by content.
 *
 * A PyTorch file is read by an unpickler that builds tensors, dictionaries, lists, numbers and
 * strings and refuses every other global by name; nothing of the file is ever run. Nested
 * dictionaries give dotted names. A checkpoint that wraps its parameters (under "state_dict",
 * "model", …) gives those alone, by their own names; see seg_weights_get_metadata(): "wrapper"
 * names the key taken, "left-out" the keys beside it. Numbers and strings of the top level are
 * metadata.
 *
 * Every size is checked against the file before memory is taken. Tensors that share a storage are
 * given each on its own; strided ones are made contiguous.
 */
SegWeights *seg_weights_load (const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same from memory (no shards); @name is used in messages. */
SegWeights *seg_weights_load_bytes (GBytes *bytes, const char *name,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

SegWeights *seg_weights_ref (SegWeights *self);
void seg_weights_unref (SegWeights *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegWeights, seg_weights_unref)

gsize seg_weights_get_n (const SegWeights *self);
const SegWeight *seg_weights_get (const SegWeights *self, gsize position); /* in file order */
const SegWeight *seg_weights_find (const SegWeights *self, const char *name); /* or NULL */
const char *seg_weights_get_metadata (const SegWeights *self, const char *key); /* or NULL */
const char *seg_weights_get_path (const SegWeights *self);
/* "safetensors", "pytorch-zip", "pytorch-old", "shards" */
const char *seg_weights_get_format (const SegWeights *self);

/* The tensors below @prefix by their remaining names, sharing the data ("student/" of a checkpoint,
 * "image_encoder." of a SAM file). May be empty. */
SegWeights *seg_weights_subset (SegWeights *self, const char *prefix) G_GNUC_WARN_UNUSED_RESULT;

/* Elements @first … @first + @n − 1 as f32; integers and bool are converted, f64 rounded. */
void seg_weight_read_f32 (const SegWeight *weight, gsize first, gsize n, float *dst);
/* One element of an integer or bool tensor. */
gint64 seg_weight_read_i64 (const SegWeight *weight, gsize index);

float seg_f32_from_f16 (guint16 bits);
float seg_f32_from_bf16 (guint16 bits);
guint16 seg_f16_from_f32 (float value); /* round to nearest even */
guint16 seg_bf16_from_f32 (float value); /* round to nearest even; NaN stays NaN */

/* What a network expects; @shape may hold −1 where any size will do. */
typedef struct
{
  const char *name;
  int n_dims;
  gint64 shape[SEG_WEIGHT_MAX_DIMS];
} SegWeightSpec;

typedef enum
{
  SEG_WEIGHTS_MATCH_EXACT = 0,
  SEG_WEIGHTS_MATCH_ALLOW_MISSING = 1 << 0,
  SEG_WEIGHTS_MATCH_ALLOW_EXTRA = 1 << 1, /* "….num_batches_tracked" is always allowed */
} SegWeightsMatchFlags;

/**
 * seg_weights_check:
 *
 * Returns: %FALSE with SEG_ERROR_MISMATCH and one message that lists every missing, unexpected and
 * differently shaped tensor (names beyond the first 20 of a kind are counted) if the file does not
 * fit @specs.
 */
gboolean seg_weights_check (const SegWeights *self, const SegWeightSpec *specs, gsize n_specs,
                            SegWeightsMatchFlags flags, GError **error);

/**
 * SegWeightsWriter:
 *
 * Collects tensors and writes them as one safetensors file. Data is borrowed until it is written.
 */
typedef struct _SegWeightsWriter SegWeightsWriter;

SegWeightsWriter *seg_weights_writer_new (void) G_GNUC_WARN_UNUSED_RESULT;
void seg_weights_writer_free (SegWeightsWriter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegWeightsWriter, seg_weights_writer_free)

/* A name may be given once. @data: contiguous, row major, native (little endian). */
void seg_weights_writer_add (SegWeightsWriter *self, const char *name, SegWeightDtype dtype,
                             int n_dims, const gint64 *shape, gconstpointer data);
/* f32 values, stored as @dtype (F32, F16 or BF16); the converted copy is owned. */
void seg_weights_writer_add_f32 (SegWeightsWriter *self, const char *name, SegWeightDtype dtype,
                                 int n_dims, const gint64 *shape, const float *data);
/* The same, taking @data over (freed with g_free). */
void seg_weights_writer_take_f32 (SegWeightsWriter *self, const char *name, SegWeightDtype dtype,
                                  int n_dims, const gint64 *shape, float *data);
/* Any dtype, taking @data over (freed with g_free). */
void seg_weights_writer_take (SegWeightsWriter *self, const char *name, SegWeightDtype dtype,
                              int n_dims, const gint64 *shape, gpointer data);
void seg_weights_writer_set_metadata (SegWeightsWriter *self, const char *key, const char *value);
/* Atomic: written beside @path, synced, renamed, folder synced. On failure @path is as it was. */
gboolean seg_weights_writer_save (SegWeightsWriter *self, const char *path, GError **error);

G_END_DECLS
