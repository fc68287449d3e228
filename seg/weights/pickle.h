/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/weights/weights.h"

G_BEGIN_DECLS

/* What a pickle of tensors is made of. */
typedef enum
{
  SEG_PICKLE_NONE,
  SEG_PICKLE_BOOL,
  SEG_PICKLE_INT,
  SEG_PICKLE_BIG_INT, /* text: little-endian bytes in hex */
  SEG_PICKLE_FLOAT,
  SEG_PICKLE_STRING,
  SEG_PICKLE_LIST,
  SEG_PICKLE_TUPLE,
  SEG_PICKLE_DICT,
  SEG_PICKLE_STORAGE,
  SEG_PICKLE_TENSOR,
  SEG_PICKLE_GLOBAL, /* only ever on the stack */
} SegPickleKind;

typedef struct _SegPickleValue SegPickleValue;

/* A storage the pickle refers to; its bytes are elsewhere. */
typedef struct
{
  char *key;
  SegWeightDtype dtype;
  guint64 n_elements;
} SegPickleStorage;

struct _SegPickleValue
{
  SegPickleKind kind;
  gint64 integer; /* of INT and BOOL; of GLOBAL: which */
  double number; /* of FLOAT */
  char *text; /* of STRING and BIG_INT */
  GPtrArray *items; /* borrowed values: elements, or key, value, key, value, … */
  /* of STORAGE: a window into @storage; of TENSOR: what it shows of it, in elements */
  SegPickleStorage *storage;
  guint64 offset, length;
  int n_dims;
  gint64 shape[SEG_WEIGHT_MAX_DIMS];
  gint64 stride[SEG_WEIGHT_MAX_DIMS];
};

/**
 * SegPickle:
 *
 * One read pickle, all its values, and the storages it names. Values may refer to one another in
 * circles, as hostile ones do: walkers bound their depth and count.
 */
typedef struct
{
  const SegPickleValue *root;
  GPtrArray *values;
  GHashTable *storages; /* key → SegPickleStorage */
  gsize n_bytes; /* consumed */
} SegPickle;

/**
 * seg_pickle_read:
 *
 * A restricted unpickler: it knows the opcodes that data need (protocols 2 to 5), and of globals
 * OrderedDict, torch.Size, the tensor rebuilders and the storage types. Everything else is refused
 * by name; nothing is imported or called. Tensors are checked to lie within their storage. Source:
 * CPython's Lib/pickletools.py (meaning of the opcodes).
 */
SegPickle *seg_pickle_read (const guint8 *data, gsize size, const char *what,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
void seg_pickle_free (SegPickle *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegPickle, seg_pickle_free)

/* Value of @key in a DICT, or NULL. */
const SegPickleValue *seg_pickle_value_get (const SegPickleValue *dict, const char *key);

G_END_DECLS
