/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/generalist-private.h"
#include "seg/tensor/context.h"
#include "seg/weights/weights.h"

#include <math.h>
#include <string.h>

static const char *const kind_names[] = {
  [SEG_GENERALIST_BUILTIN] = "built-in",    [SEG_GENERALIST_RULE] = "rule",
  [SEG_GENERALIST_SAM_VIT_B] = "sam-vit-b", [SEG_GENERALIST_SAM_VIT_L] = "sam-vit-l",
  [SEG_GENERALIST_SAM_VIT_H] = "sam-vit-h", [SEG_GENERALIST_MOBILE_SAM] = "mobile-sam",
  [SEG_GENERALIST_MEDSAM] = "medsam",       [SEG_GENERALIST_LITEMEDSAM] = "litemedsam",
  [SEG_GENERALIST_SAM_MED2D] = "sam-med2d",
};

const char *
seg_generalist_kind_get_name (SegGeneralistKind kind)
{
  return (gsize) kind < G_N_ELEMENTS (kind_names) ? kind_names[kind] : "unknown";
}

gboolean
seg_generalist_kind_from_name (const char *name, SegGeneralistKind *kind)
{
  for (gsize k = 0; k < G_N_ELEMENTS (kind_names); k++)
    if (g_strcmp0 (name, kind_names[k]) == 0)
      {
        *kind = (SegGeneralistKind) k;
        return TRUE;
      }
  return FALSE;
}

float
seg_map_sample (const float *map, int side, float u, float v)
{
  const float last = (float) (side - 1);
  const float su = CLAMP (u, 0.0f, last), sv = CLAMP (v, 0.0f, last);
  const int iu = MIN ((int) su, side - 2), iv = MIN ((int) sv, side - 2);
  const float fu = su - (float) iu, fv = sv - (float) iv;
  const float *s = map + (gsize) iv * (gsize) side + iu;

  return (s[0] * (1 - fu) + s[1] * fu) * (1 - fv) + (s[side] * (1 - fu) + s[side + 1] * fu) * fv;
}

static gboolean
yield_cb (SegContext *context, gpointer user_data)
{
  SegGeneralist *self = user_data;
  return self->yield == NULL || self->yield (self->yield_data);
}

SegGeneralist *
seg_generalist_new_for (const SegGeneralistClass *klass, gpointer model, SegContext *context,
                        const SegGeneralistInfo *info)
{
  SegGeneralist *self = g_new0 (SegGeneralist, 1);

  self->refs = 1;
  self->klass = klass;
  self->model = model;
  self->info = *info;
  self->sha256 = g_strdup (info->sha256);
  self->info.sha256 = self->sha256;
  self->refine = TRUE;
  if (context != NULL)
    {
      self->context = seg_context_ref (context);
      seg_context_set_yield (context, yield_cb, self);
    }
  return self;
}

SegGeneralist *
seg_generalist_open (const char *path, const char *kind_hint, SegDevice *device, GError **error)
{
  g_autoptr (SegWeights) weights = NULL;
  g_autoptr (GMappedFile) file = NULL;
  g_autoptr (GBytes) bytes = NULL;

  if (path == NULL)
    return seg_builtin_open (device, error);
  weights = seg_weights_load (path, error);
  if (weights == NULL)
    return NULL;
  /* A compact network trained here says its recipe; everything else is of the SAM family or
   * refused. */
  if (seg_weights_get_metadata (weights, "recipe") == NULL)
    return seg_sam_open (weights, kind_hint, device, error);
  file = g_mapped_file_new (path, FALSE, error);
  if (file == NULL)
    return NULL;
  bytes = g_mapped_file_get_bytes (file);
  return seg_builtin_open_bytes (bytes, path, device, error);
}

gboolean
seg_generalist_probe (const char *path, SegGeneralistProbe *probe, GError **error)
{
  g_autoptr (SegWeights) weights = seg_weights_load (path, error);

  if (weights == NULL)
    return FALSE;
  if (seg_weights_get_metadata (weights, "recipe") == NULL)
    return seg_sam_probe (weights, NULL, probe, error);
  *probe = (SegGeneralistProbe){ SEG_GENERALIST_BUILTIN, "Crosslabel" };
  return TRUE;
}

SegGeneralist *
seg_generalist_ref (SegGeneralist *self)
{
  g_atomic_int_inc (&self->refs);
  return self;
}

void
seg_generalist_unref (SegGeneralist *self)
{
  if (self == NULL || !g_atomic_int_dec_and_test (&self->refs))
    return;
  if (self->context != NULL)
    seg_context_set_yield (self->context, NULL, NULL);
  if (self->klass->free_model != NULL)
    self->klass->free_model (self->model);
  g_clear_pointer (&self->context, seg_context_unref);
  g_free (self->sha256);
  g_free (self);
}

const SegGeneralistInfo *
seg_generalist_get_info (SegGeneralist *self)
{
  return &self->info;
}

void
seg_generalist_set_yield (SegGeneralist *self, SegGeneralistYield yield, gpointer user_data)
{
  self->yield = yield;
  self->yield_data = user_data;
}

void
seg_generalist_set_refine (SegGeneralist *self, gboolean refine)
{
  self->refine = refine;
}

/* ---- embeddings ------------------------------------------------------------------------------ */

static SegEmbedding *
embedding_new (SegGeneralist *generalist, const SegPicture *picture, char *hash, gpointer data)
{
  SegEmbedding *self = g_new0 (SegEmbedding, 1);

  self->refs = 1;
  self->generalist = seg_generalist_ref (generalist);
  self->width = picture->width;
  self->height = picture->height;
  self->picture_hash = hash;
  self->data = data;
  return self;
}

static gboolean
check_picture (const SegPicture *picture, GError **error)
{
  if (picture->width < 1 || picture->height < 1
      || (picture->channels != 1 && picture->channels != 3))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH, "a picture of %d × %d × %d is no picture",
                   picture->width, picture->height, picture->channels);
      return FALSE;
    }
  if ((gint64) picture->width * picture->height > SEG_PICTURE_MAX_PIXELS)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_TOO_LARGE,
                   "a picture of %d × %d pixels is more than the %d million a prompt may cover",
                   picture->width, picture->height, SEG_PICTURE_MAX_PIXELS / 1000000);
      return FALSE;
    }
  return TRUE;
}

SegEmbedding *
seg_generalist_encode (SegGeneralist *self, const SegPicture *picture, GError **error)
{
  const gint64 start = g_get_monotonic_time ();
  SegEmbedding *embedding;
  gpointer data;

  if (!check_picture (picture, error))
    return NULL;
  data = self->klass->encode (self, picture, error);
  if (data == NULL)
    return NULL;
  /* The hash is taken only where the embedding may be kept. */
  embedding = embedding_new (
      self, picture, self->klass->pack != NULL ? seg_picture_get_hash (picture) : NULL, data);
  embedding->encode_ms = (double) (g_get_monotonic_time () - start) / 1000.0;
  return embedding;
}

SegEmbedding *
seg_embedding_ref (SegEmbedding *self)
{
  g_atomic_int_inc (&self->refs);
  return self;
}

void
seg_embedding_unref (SegEmbedding *self)
{
  if (self == NULL || !g_atomic_int_dec_and_test (&self->refs))
    return;
  self->generalist->klass->free_data (self->data);
  seg_generalist_unref (self->generalist);
  g_free (self->picture_hash);
  g_free (self);
}

double
seg_embedding_get_encode_ms (SegEmbedding *self)
{
  return self->encode_ms;
}

/* On disk: magic, weights' hash, picture's hash (64 hex digits each), width, height, body. */
#define EMBEDDING_MAGIC "CLEMBED1"
#define EMBEDDING_HEAD (8 + 64 + 64 + 8)

GBytes *
seg_embedding_serialize (SegEmbedding *self, GError **error)
{
  SegGeneralist *generalist = self->generalist;
  g_autoptr (GBytes) body = NULL;
  const gint32 size[2] = { self->width, self->height };
  guint8 *bytes;
  gsize n_body;

  if (generalist->klass->pack == NULL || generalist->info.sha256 == NULL)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED, "%s keeps no embeddings",
                   generalist->info.name);
      return NULL;
    }
  body = generalist->klass->pack (generalist, self->data, error);
  if (body == NULL)
    return NULL;
  n_body = g_bytes_get_size (body);
  bytes = g_malloc (EMBEDDING_HEAD + n_body);
  memcpy (bytes, EMBEDDING_MAGIC, 8);
  memcpy (bytes + 8, generalist->info.sha256, 64);
  memcpy (bytes + 72, self->picture_hash, 64);
  memcpy (bytes + 136, size, 8);
  memcpy (bytes + EMBEDDING_HEAD, g_bytes_get_data (body, NULL), n_body);
  return g_bytes_new_take (bytes, EMBEDDING_HEAD + n_body);
}

SegEmbedding *
seg_embedding_deserialize (SegGeneralist *generalist, const SegPicture *picture, GBytes *bytes,
                           GError **error)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);
  g_autofree char *hash = NULL;
  g_autoptr (GBytes) body = NULL;
  gint32 side[2];
  gpointer unpacked;

  if (size < EMBEDDING_HEAD || memcmp (data, EMBEDDING_MAGIC, 8) != 0
      || generalist->klass->unpack == NULL)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "not a kept embedding of %s (%" G_GSIZE_FORMAT " bytes)", generalist->info.name,
                   size);
      return NULL;
    }
  hash = seg_picture_get_hash (picture);
  memcpy (side, data + 136, 8);
  if (memcmp (data + 8, generalist->info.sha256, 64) != 0 || memcmp (data + 72, hash, 64) != 0
      || side[0] != picture->width || side[1] != picture->height)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                   "the kept embedding is of another picture or other weights");
      return NULL;
    }
  body = g_bytes_new_from_bytes (bytes, EMBEDDING_HEAD, size - EMBEDDING_HEAD);
  unpacked = generalist->klass->unpack (generalist, picture, body, error);
  if (unpacked == NULL)
    return NULL;
  return embedding_new (generalist, picture, g_steal_pointer (&hash), unpacked);
}

/* ---- answers --------------------------------------------------------------------------------- */

static gboolean
check_place (const SegEmbedding *embedding, const char *what, float x, float y, GError **error)
{
  if (isfinite (x) && isfinite (y) && x >= -0.5f && y >= -0.5f
      && x <= (float) embedding->width - 0.5f && y <= (float) embedding->height - 0.5f)
    return TRUE;
  g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
               "%s at (%g, %g) lies outside of the picture of %d × %d", what, (double) x,
               (double) y, embedding->width, embedding->height);
  return FALSE;
}

static gboolean
check_prompt (const SegEmbedding *embedding, const SegPrompt *prompt, GError **error)
{
  if (seg_prompt_is_empty (prompt))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH, "the prompt is empty");
      return FALSE;
    }
  for (guint k = 0; k < prompt->points->len; k++)
    {
      const SegPromptPoint *point = &g_array_index (prompt->points, SegPromptPoint, k);
      if (!check_place (embedding, "a point", point->x, point->y, error))
        return FALSE;
    }
  for (guint s = 0; s < prompt->strokes->len; s++)
    {
      const GArray *stroke = g_ptr_array_index (prompt->strokes, s);
      for (guint k = 0; k < stroke->len; k++)
        {
          const SegPromptPoint *point = &g_array_index (stroke, SegPromptPoint, k);
          if (!check_place (embedding, "a scribble", point->x, point->y, error))
            return FALSE;
        }
    }
  /* A box may reach one past the last pixel, as people write them (sam-burden, self-prompt 4). */
  if (prompt->has_box)
    for (int corner = 0; corner < 2; corner++)
      {
        const float x = prompt->box[2 * corner], y = prompt->box[2 * corner + 1];
        if (!check_place (embedding, "a box corner",
                          corner && x == (float) embedding->width ? x - 1 : x,
                          corner && y == (float) embedding->height ? y - 1 : y, error))
          return FALSE;
      }
  if (prompt->low_res == NULL && prompt->mask != NULL
      && (prompt->mask_width != embedding->width || prompt->mask_height != embedding->height))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                   "the mask to refine is %d × %d, the picture %d × %d", prompt->mask_width,
                   prompt->mask_height, embedding->width, embedding->height);
      return FALSE;
    }
  return TRUE;
}

SegAnswer *
seg_generalist_answer (SegGeneralist *self, SegEmbedding *embedding, const SegPrompt *prompt,
                       gboolean multimask, GError **error)
{
  const gint64 start = g_get_monotonic_time ();
  SegAnswer *answer;

  if (embedding->generalist != self)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH, "the embedding is of another generalist");
      return NULL;
    }
  if (!check_prompt (embedding, prompt, error))
    return NULL;
  answer = self->klass->answer (self, embedding, prompt, multimask, error);
  if (answer == NULL)
    return NULL;
  seg_answer_update_stability (answer);
  answer->encode_ms = embedding->encode_ms;
  answer->decode_ms = (double) (g_get_monotonic_time () - start) / 1000.0;
  return answer;
}
