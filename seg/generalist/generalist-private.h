/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/generalist/generalist.h"
#include "seg/weights/weights.h"

G_BEGIN_DECLS

/* What a kind of generalist implements. @model and the embedding's @data are its own. */
typedef struct
{
  gpointer (*encode) (SegGeneralist *self, const SegPicture *picture, GError **error);
  SegAnswer *(*answer) (SegGeneralist *self, SegEmbedding *embedding, const SegPrompt *prompt,
                        gboolean multimask, GError **error);
  /* NULL: the embedding is not worth keeping. */
  GBytes *(*pack) (SegGeneralist *self, gpointer data, GError **error);
  gpointer (*unpack) (SegGeneralist *self, const SegPicture *picture, GBytes *body, GError **error);
  void (*free_data) (gpointer data);
  void (*free_model) (gpointer model);
} SegGeneralistClass;

struct _SegGeneralist
{
  gint refs;
  const SegGeneralistClass *klass;
  gpointer model;
  SegGeneralistInfo info;
  char *sha256;
  SegContext *context; /* NULL for the rule */
  SegGeneralistYield yield;
  gpointer yield_data;
  gboolean refine;
};

struct _SegEmbedding
{
  gint refs;
  SegGeneralist *generalist;
  int width, height;
  char *picture_hash;
  double encode_ms;
  gpointer data;
};

/* Takes @model and a reference of @context; @sha256 is copied. */
SegGeneralist *seg_generalist_new_for (const SegGeneralistClass *klass, gpointer model,
                                       SegContext *context, const SegGeneralistInfo *info);

/* The kinds' own openers. */
SegGeneralist *seg_builtin_open (SegDevice *device, GError **error);
SegGeneralist *seg_builtin_open_bytes (GBytes *weights, const char *name, SegDevice *device,
                                       GError **error);

/* Any of the SAM family, told by its tensors; @weights must come from a file. */
gboolean seg_sam_probe (SegWeights *weights, const char *kind_hint, SegGeneralistProbe *probe,
                        GError **error);
SegGeneralist *seg_sam_open (SegWeights *weights, const char *kind_hint, SegDevice *device,
                             GError **error);

/* Bilinear sample of a side × side map at (u, v), clamped to its centre points. */
float seg_map_sample (const float *map, int side, float u, float v);

G_END_DECLS
