/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/seg-types.h"

G_BEGIN_DECLS

/* seg/generalist/: promptable models. Arrays in, arrays out; a picture is one slice or one photo.
 *
 * Pixels.  (x, y): x to the right, y down, whole numbers are pixel centres, row major (x fastest).
 *          Nothing here knows planes or patients: whoever cuts the slice maps the answer back.
 *
 * Threads: a SegGeneralist and its embeddings belong to the engine thread. SegPicture, SegPrompt
 * and SegAnswer are plain data, handed over whole. */

typedef struct _SegDevice SegDevice;

/**
 * SegPicture:
 * @width, @height: pixels
 * @channels: 1 (a scan) or 3 (red, green, blue of a photo, 0…255)
 * @pixels: (array): height × width × channels values
 * @low, @high: values that display as black and white. Models of the SAM family see the picture
 *   through this window, as 8-bit levels; 0 and 255 for photos. If high ≤ low, the smallest and the
 *   largest value are taken.
 */
typedef struct
{
  int width, height, channels;
  float *pixels;
  float low, high;
} SegPicture;

/* Larger ones are refused by encode (SEG_ERROR_TOO_LARGE): about 1 GiB of work. */
#define SEG_PICTURE_MAX_PIXELS (36 * 1000 * 1000)

SegPicture *seg_picture_new (int width, int height, int channels) G_GNUC_WARN_UNUSED_RESULT;
SegPicture *seg_picture_copy (const SegPicture *self) G_GNUC_WARN_UNUSED_RESULT;
void seg_picture_free (SegPicture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegPicture, seg_picture_free)
/* SHA-256 over the size, the window and the pixels, lower-case hex: the key of an embedding. */
char *seg_picture_get_hash (const SegPicture *self) G_GNUC_WARN_UNUSED_RESULT;

#define SEG_LOW_RES 256 /* side of the low-resolution logits */
#define SEG_MAX_MASKS 3

typedef struct
{
  float x, y;
  gboolean positive;
} SegPromptPoint;

/**
 * SegPrompt: all that was asked on one picture so far, in the order it was given.
 *
 * @points: SegPromptPoint
 * @strokes: (element-type GArray): scribbles, each an array of SegPromptPoint of one sign
 * @box: x0, y0, x1, y1, inclusive corners, in any order
 * @mask: (nullable): height × width, non-zero is inside: a mask to refine
 * @low_res: (nullable): SEG_LOW_RES² logits of a previous answer of the same generalist on the same
 *   picture; wins over @mask
 */
typedef struct
{
  GArray *points;
  GPtrArray *strokes;
  gboolean has_box;
  float box[4];
  guint8 *mask;
  int mask_width, mask_height;
  float *low_res;
} SegPrompt;

SegPrompt *seg_prompt_new (void) G_GNUC_WARN_UNUSED_RESULT;
SegPrompt *seg_prompt_copy (const SegPrompt *self) G_GNUC_WARN_UNUSED_RESULT;
void seg_prompt_free (SegPrompt *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegPrompt, seg_prompt_free)
void seg_prompt_add_point (SegPrompt *self, float x, float y, gboolean positive);
void seg_prompt_add_stroke (SegPrompt *self, const float (*xy)[2], gsize n, gboolean positive);
void seg_prompt_set_box (SegPrompt *self, float x0, float y0, float x1, float y1);
void seg_prompt_set_mask (SegPrompt *self, const guint8 *mask, int width, int height);
void seg_prompt_set_low_res (SegPrompt *self, const float *logits);
gboolean seg_prompt_is_empty (const SegPrompt *self);

/**
 * SegAnswer: up to three masks for one prompt, the most likely first.
 *
 * @logits: each n_masks × (height × width); a pixel is inside where the logit is > 0
 * @low_res: each SEG_LOW_RES², to be given back with the next prompt
 * @iou: the model's own estimate of its overlap with what was meant
 * @stability: pixels above logit 1 over pixels above −1 (0 if there are none)
 * @encode_ms, @decode_ms: what it took; encode_ms is 0 where the embedding was there
 */
typedef struct
{
  int width, height, n_masks;
  float *logits[SEG_MAX_MASKS];
  float *low_res[SEG_MAX_MASKS];
  float iou[SEG_MAX_MASKS];
  float stability[SEG_MAX_MASKS];
  double encode_ms, decode_ms;
} SegAnswer;

SegAnswer *seg_answer_new (int width, int height, int n_masks) G_GNUC_WARN_UNUSED_RESULT;
void seg_answer_free (SegAnswer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegAnswer, seg_answer_free)
/* Writes the mask (0 or 1) of answer @index into height × width bytes; answers the pixels inside.
 */
gsize seg_answer_get_mask (const SegAnswer *self, int index, guint8 *mask);
/* Sets the stability from the logits. */
void seg_answer_update_stability (SegAnswer *self);

typedef enum
{
  SEG_GENERALIST_BUILTIN, /* the network that comes with the program */
  SEG_GENERALIST_RULE, /* no network: geodesic distance and region statistics */
  SEG_GENERALIST_SAM_VIT_B,
  SEG_GENERALIST_SAM_VIT_L,
  SEG_GENERALIST_SAM_VIT_H,
  SEG_GENERALIST_MOBILE_SAM,
  SEG_GENERALIST_MEDSAM, /* keys of ViT-B; the caller says so, or the file's name does */
  SEG_GENERALIST_LITEMEDSAM,
  SEG_GENERALIST_SAM_MED2D,
} SegGeneralistKind;

const char *seg_generalist_kind_get_name (SegGeneralistKind kind); /* "sam-vit-b", … */
gboolean seg_generalist_kind_from_name (const char *name, SegGeneralistKind *kind);

/**
 * SegGeneralist: a loaded promptable model, frozen.
 * SegEmbedding: what a model computes once for a picture; reference counted, immutable.
 */
typedef struct _SegGeneralist SegGeneralist;
typedef struct _SegEmbedding SegEmbedding;

typedef struct
{
  SegGeneralistKind kind;
  const char *name; /* for people: "SAM ViT-B" */
  const char *sha256; /* of the weights; NULL for the rule */
  guint64 n_parameters;
  gsize embedding_bytes; /* as kept by the cache; 0: not worth keeping */
} SegGeneralistInfo;

/**
 * seg_generalist_open:
 * @path: (nullable): .pth, .pt or .safetensors; NULL opens the built-in network
 * @kind_hint: (nullable): "medsam" where the keys alone cannot tell
 * @device: (nullable): where it is to run; may be NULL for the rule alone
 *
 * The kind is told by the keys; missing, extra or misshapen tensors are named in the error.
 * Returns: (transfer full): never something else than what was asked for
 */
SegGeneralist *seg_generalist_open (const char *path, const char *kind_hint, SegDevice *device,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/**
 * seg_generalist_probe: what a file holds, by its tensors' names and shapes, without loading it.
 * Runs on any thread.
 */
typedef struct
{
  SegGeneralistKind kind;
  const char *name; /* static */
} SegGeneralistProbe;
gboolean seg_generalist_probe (const char *path, SegGeneralistProbe *probe, GError **error);
/* The deterministic rule, which needs neither weights nor a device. */
SegGeneralist *seg_generalist_new_rule (void) G_GNUC_WARN_UNUSED_RESULT;
SegGeneralist *seg_generalist_ref (SegGeneralist *self);
void seg_generalist_unref (SegGeneralist *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegGeneralist, seg_generalist_unref)
const SegGeneralistInfo *seg_generalist_get_info (SegGeneralist *self);

/* Called between operations, on the engine thread: may run more urgent work; FALSE cancels. */
typedef gboolean (*SegGeneralistYield) (gpointer user_data);
void seg_generalist_set_yield (SegGeneralist *self, SegGeneralistYield yield, gpointer user_data);

/**
 * seg_generalist_set_refine:
 *
 * Whether answers are corrected by what the image shows beyond the network's own (the built-in:
 * rings in boxes); TRUE at first. FALSE for comparing networks with another program's.
 */
void seg_generalist_set_refine (SegGeneralist *self, gboolean refine);

/**
 * seg_generalist_encode:
 *
 * The slow half, once for each picture. The embedding keeps what it needs of the picture.
 * Returns: (transfer full): NULL with SEG_ERROR_TOO_LARGE, SEG_ERROR_OUT_OF_MEMORY,
 *   SEG_ERROR_CANCELLED, …
 */
SegEmbedding *seg_generalist_encode (SegGeneralist *self, const SegPicture *picture,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
SegEmbedding *seg_embedding_ref (SegEmbedding *self);
void seg_embedding_unref (SegEmbedding *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SegEmbedding, seg_embedding_unref)
double seg_embedding_get_encode_ms (SegEmbedding *self); /* 0 if it came from the cache */

/**
 * seg_generalist_answer:
 * @multimask: up to three masks, best first; else the one for the whole prompt
 *
 * The quick half, once for each prompt. A point or a box corner outside the picture, or a prompt
 * that is empty, is SEG_ERROR_MISMATCH. On a constant picture the answer follows from the prompt
 * alone.
 */
SegAnswer *seg_generalist_answer (SegGeneralist *self, SegEmbedding *embedding,
                                  const SegPrompt *prompt, gboolean multimask,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The embedding as bytes for the cache (f16), and back; the picture is handed in again. Tied to the
 * weights' and the picture's hash: bytes of another model or picture are SEG_ERROR_MISMATCH. */
GBytes *seg_embedding_serialize (SegEmbedding *self, GError **error) G_GNUC_WARN_UNUSED_RESULT;
SegEmbedding *seg_embedding_deserialize (SegGeneralist *generalist, const SegPicture *picture,
                                         GBytes *bytes, GError **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
