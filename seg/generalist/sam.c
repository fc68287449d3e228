/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/generalist-private.h"
#include "seg/generalist/sam-network.h"
#include "seg/generalist/sam-picture.h"
#include "seg/tensor/context.h"

#include <math.h>
#include <string.h>

/* The SAM family behind SegGeneralist: pictures into the frame, prompts into tokens, logits back.
 */

/* SAM knows no scribbles: a stroke is given as points along it, not more than these. */
#define MAX_STROKE_POINTS 8
/* Logits that stand for inside and outside of a mask that somebody drew. */
#define MASK_LOGIT 8.0f

typedef struct
{
  SegSamNetwork *network;
  SegSamLook look;
} Sam;

typedef struct
{
  SegSamFrame frame;
  gsize n_values;
  float *values; /* 256 × grid × grid */
} SamEmbedding;

static void
sam_free (gpointer model)
{
  Sam *self = model;

  seg_sam_network_free (self->network);
  g_free (self);
}

static void
sam_embedding_free (gpointer data)
{
  SamEmbedding *self = data;

  g_free (self->values);
  g_free (self);
}

static SamEmbedding *
sam_embedding_new (const Sam *sam, const SegPicture *picture)
{
  const gsize grid = seg_sam_network_get_grid (sam->network);
  SamEmbedding *self = g_new0 (SamEmbedding, 1);

  seg_sam_frame_init (&self->frame, sam->look, picture->width, picture->height,
                      seg_sam_network_get_image_size (sam->network));
  self->n_values = SEG_SAM_DIM * grid * grid;
  self->values = g_new (float, self->n_values);
  return self;
}

/* The picture through its window, as red, green, blue bytes. */
static guint8 *
picture_to_rgb (const SegPicture *picture)
{
  const gsize n_pixels = (gsize) picture->width * picture->height;
  const gsize n = n_pixels * picture->channels;
  guint8 *rgb = g_malloc (n_pixels * 3);
  float low = picture->low, high = picture->high;

  if (high <= low)
    {
      low = G_MAXFLOAT;
      high = -G_MAXFLOAT;
      for (gsize p = 0; p < n; p++)
        if (isfinite (picture->pixels[p]))
          {
            low = MIN (low, picture->pixels[p]);
            high = MAX (high, picture->pixels[p]);
          }
    }
  for (gsize p = 0; p < n_pixels; p++)
    for (int c = 0; c < 3; c++)
      {
        float value = picture->pixels[picture->channels == 3 ? 3 * p + c : p];
        float level = high > low ? 255 * (value - low) / (high - low) : 0;

        rgb[3 * p + c] = isfinite (level) ? (guint8) (CLAMP (level, 0, 255) + 0.5f) : 0;
      }
  return rgb;
}

static gpointer
sam_encode (SegGeneralist *generalist, const SegPicture *picture, GError **error)
{
  const Sam *sam = generalist->model;
  SamEmbedding *self = sam_embedding_new (sam, picture);
  const gint64 side = self->frame.frame;
  g_autofree guint8 *rgb = picture_to_rgb (picture);
  g_autofree float *pixels = g_new (float, 3 * side * side);
  g_autoptr (SegTensor) image = NULL;
  g_autoptr (SegTensor) embedding = NULL;

  seg_sam_frame_picture (&self->frame, rgb, pixels);
  image = seg_tensor_new_from_f32 (generalist->context, SEG_SHAPE (1, 3, side, side), pixels);
  embedding = seg_sam_network_encode (sam->network, image);
  seg_tensor_download (embedding, SEG_DTYPE_F32, self->values);
  if (!seg_context_check (generalist->context, error))
    {
      sam_embedding_free (self);
      return NULL;
    }
  return self;
}

static GBytes *
sam_pack (SegGeneralist *generalist, gpointer data, GError **error)
{
  const SamEmbedding *self = data;
  guint16 *halves = g_new (guint16, self->n_values);

  for (gsize v = 0; v < self->n_values; v++)
    halves[v] = seg_f16_from_f32 (self->values[v]);
  return g_bytes_new_take (halves, self->n_values * sizeof (guint16));
}

static gpointer
sam_unpack (SegGeneralist *generalist, const SegPicture *picture, GBytes *body, GError **error)
{
  SamEmbedding *self = sam_embedding_new (generalist->model, picture);
  gsize size;
  const guint8 *bytes = g_bytes_get_data (body, &size);

  if (size != self->n_values * sizeof (guint16))
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_FORMAT,
                   "a kept embedding of %" G_GSIZE_FORMAT " bytes where %" G_GSIZE_FORMAT " belong",
                   size, self->n_values * sizeof (guint16));
      sam_embedding_free (self);
      return NULL;
    }
  for (gsize v = 0; v < self->n_values; v++)
    {
      guint16 half;

      memcpy (&half, bytes + v * sizeof half, sizeof half);
      self->values[v] = seg_f32_from_f16 (half);
    }
  return self;
}

/* Prompts ---------------------------------------------------------------------------------------
 */

/* A prompt in the frame, with room for what it points to. */
typedef struct
{
  SegSamPrompt prompt;
  GArray *points; /* float[2] */
  GArray *signs; /* gboolean */
  float box[4];
  float *low_res;
} FramePrompt;

static void
frame_prompt_clear (FramePrompt *self)
{
  g_array_unref (self->points);
  g_array_unref (self->signs);
  g_free (self->low_res);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (FramePrompt, frame_prompt_clear)

static void
add_point (FramePrompt *self, const SegSamFrame *frame, const SegPromptPoint *point)
{
  const float xy[2] = { point->x, point->y };
  float at[2];

  seg_sam_frame_point (frame, xy, at);
  g_array_append_vals (self->points, at, 1);
  g_array_append_val (self->signs, point->positive);
}

/* Evenly spaced points of a stroke, both ends among them. */
static void
add_stroke (FramePrompt *self, const SegSamFrame *frame, const GArray *stroke)
{
  const guint n = MIN (stroke->len, MAX_STROKE_POINTS);

  for (guint p = 0; p < n; p++)
    {
      guint at = n > 1 ? p * (stroke->len - 1) / (n - 1) : stroke->len / 2;

      add_point (self, frame, &g_array_index (stroke, SegPromptPoint, at));
    }
}

/* A drawn mask as low-resolution logits: each reads the picture's pixel below its centre. */
static float *
mask_to_low_res (const SegSamFrame *frame, const guint8 *mask, int side)
{
  float *low_res = g_new (float, (gsize) side *side);
  const double cell = (double) frame->frame / side;

  for (int v = 0; v < side; v++)
    for (int u = 0; u < side; u++)
      {
        const int x = (int) floor ((u + 0.5) * cell / frame->scale_x);
        const int y = (int) floor ((v + 0.5) * cell / frame->scale_y);
        const gboolean inside =
            x < frame->width && y < frame->height && mask[(gsize) y * frame->width + x] != 0;

        low_res[(gsize) v * side + u] = inside ? MASK_LOGIT : -MASK_LOGIT;
      }
  return low_res;
}

static void
frame_prompt_init (FramePrompt *self, const SegSamFrame *frame, const SegPrompt *prompt, int side)
{
  self->points = g_array_new (FALSE, FALSE, sizeof (float[2]));
  self->signs = g_array_new (FALSE, FALSE, sizeof (gboolean));
  for (guint p = 0; p < prompt->points->len; p++)
    add_point (self, frame, &g_array_index (prompt->points, SegPromptPoint, p));
  for (guint s = 0; s < prompt->strokes->len; s++)
    add_stroke (self, frame, g_ptr_array_index (prompt->strokes, s));
  if (prompt->has_box)
    {
      const float *box = prompt->box;
      const float low[2] = { MIN (box[0], box[2]), MIN (box[1], box[3]) };
      const float high[2] = { MAX (box[0], box[2]), MAX (box[1], box[3]) };

      seg_sam_frame_corner (frame, low, self->box);
      seg_sam_frame_corner (frame, high, self->box + 2);
      self->prompt.box = self->box;
    }
  if (prompt->low_res != NULL)
    self->low_res = g_memdup2 (prompt->low_res, sizeof (float) * side * side);
  else if (prompt->mask != NULL)
    self->low_res = mask_to_low_res (frame, prompt->mask, side);

  self->prompt.points = (const float (*)[2]) self->points->data;
  self->prompt.positive = (const gboolean *) self->signs->data;
  self->prompt.n_points = (int) self->points->len;
  self->prompt.low_res = self->low_res;
}

/* Answers ---------------------------------------------------------------------------------------
 */

/* MedSAM enlarges probabilities, the others logits. */
static void
enlarge (const SegSamFrame *frame, const float *low_res, int side, float *logits)
{
  const gsize n_low = (gsize) side * side, n = (gsize) frame->width * frame->height;
  g_autofree float *probability = NULL;

  if (frame->look != SEG_SAM_LOOK_MEDSAM)
    {
      seg_sam_frame_logits (frame, low_res, side, logits);
      return;
    }
  probability = g_new (float, n_low);
  for (gsize p = 0; p < n_low; p++)
    probability[p] = 1 / (1 + expf (-low_res[p]));
  seg_sam_frame_logits (frame, probability, side, logits);
  for (gsize p = 0; p < n; p++)
    {
      const float q = CLAMP (logits[p], 1e-6f, 1 - 1e-6f);

      logits[p] = logf (q / (1 - q));
    }
}

/* Which of the network's masks are answered, best first. */
static int
choose_masks (const float iou[SEG_SAM_N_MASKS], gboolean multimask, int chosen[SEG_MAX_MASKS])
{
  if (!multimask)
    {
      chosen[0] = 0;
      return 1;
    }
  for (int m = 0; m < SEG_MAX_MASKS; m++)
    {
      int at = m;

      for (; at > 0 && iou[chosen[at - 1]] < iou[m + 1]; at--)
        chosen[at] = chosen[at - 1];
      chosen[at] = m + 1;
    }
  return SEG_MAX_MASKS;
}

static SegAnswer *
sam_answer (SegGeneralist *generalist, SegEmbedding *embedding, const SegPrompt *prompt,
            gboolean multimask, GError **error)
{
  const Sam *sam = generalist->model;
  const SamEmbedding *data = embedding->data;
  const gint64 grid = seg_sam_network_get_grid (sam->network);
  const int side = seg_sam_network_get_low_res (sam->network);
  const gsize n_low = (gsize) side * side;
  g_auto (FramePrompt) in_frame = { 0 };
  g_autofree float *masks = g_new (float, SEG_SAM_N_MASKS *n_low);
  g_autoptr (SegTensor) tensor = NULL;
  g_autoptr (SegAnswer) answer = NULL;
  float iou[SEG_SAM_N_MASKS];
  int chosen[SEG_MAX_MASKS], n;

  frame_prompt_init (&in_frame, &data->frame, prompt, side);
  tensor = seg_tensor_new_from_f32 (generalist->context, SEG_SHAPE (1, SEG_SAM_DIM, grid, grid),
                                    data->values);
  seg_sam_network_decode (sam->network, tensor, &in_frame.prompt, masks, iou);
  if (!seg_context_check (generalist->context, error))
    return NULL;

  n = choose_masks (iou, multimask, chosen);
  answer = seg_answer_new (data->frame.width, data->frame.height, n);
  for (int m = 0; m < n; m++)
    {
      const float *low_res = masks + chosen[m] * n_low;

      answer->iou[m] = iou[chosen[m]];
      memcpy (answer->low_res[m], low_res, n_low * sizeof (float));
      enlarge (&data->frame, low_res, side, answer->logits[m]);
    }
  return g_steal_pointer (&answer);
}

static const SegGeneralistClass sam_class = {
  .encode = sam_encode,
  .answer = sam_answer,
  .pack = sam_pack,
  .unpack = sam_unpack,
  .free_data = sam_embedding_free,
  .free_model = sam_free,
};

/* Opening ---------------------------------------------------------------------------------------
 */

static const struct
{
  SegGeneralistKind kind;
  const char *name;
  SegSamLook look;
} kinds[] = {
  [SEG_SAM_VIT_B] = { SEG_GENERALIST_SAM_VIT_B, "SAM ViT-B", SEG_SAM_LOOK_STANDARD },
  [SEG_SAM_VIT_L] = { SEG_GENERALIST_SAM_VIT_L, "SAM ViT-L", SEG_SAM_LOOK_STANDARD },
  [SEG_SAM_VIT_H] = { SEG_GENERALIST_SAM_VIT_H, "SAM ViT-H", SEG_SAM_LOOK_STANDARD },
  [SEG_SAM_TINY_VIT] = { SEG_GENERALIST_MOBILE_SAM, "MobileSAM", SEG_SAM_LOOK_STANDARD },
  [SEG_SAM_TINY_VIT_LITE] = { SEG_GENERALIST_LITEMEDSAM, "LiteMedSAM", SEG_SAM_LOOK_LITE },
  [SEG_SAM_VIT_B_ADAPTED] = { SEG_GENERALIST_SAM_MED2D, "SAM-Med2D", SEG_SAM_LOOK_MED2D },
};

/* MedSAM has the tensors of SAM ViT-B: only a hint or the file's name tells it. */
static gboolean
is_medsam (SegSamEncoder encoder, const char *path, const char *kind_hint)
{
  g_autofree char *base = g_path_get_basename (path);
  g_autofree char *lower = g_ascii_strdown (base, -1);

  if (encoder != SEG_SAM_VIT_B)
    return FALSE;
  return kind_hint != NULL ? strcmp (kind_hint, "medsam") == 0 : strstr (lower, "medsam") != NULL;
}

static char *
hash_file (const char *path, GError **error)
{
  g_autoptr (GMappedFile) file = g_mapped_file_new (path, FALSE, error);
  g_autoptr (GBytes) bytes = NULL;

  if (file == NULL)
    return NULL;
  bytes = g_mapped_file_get_bytes (file);
  return g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, bytes);
}

gboolean
seg_sam_probe (SegWeights *weights, const char *kind_hint, SegGeneralistProbe *probe,
               GError **error)
{
  SegSamEncoder encoder;

  if (!seg_sam_network_tell (weights, &encoder, error))
    return FALSE;
  *probe = (SegGeneralistProbe){ kinds[encoder].kind, kinds[encoder].name };
  if (is_medsam (encoder, seg_weights_get_path (weights), kind_hint))
    *probe = (SegGeneralistProbe){ SEG_GENERALIST_MEDSAM, "MedSAM" };
  return TRUE;
}

SegGeneralist *
seg_sam_open (SegWeights *weights, const char *kind_hint, SegDevice *device, GError **error)
{
  const char *path = seg_weights_get_path (weights);
  g_autoptr (SegContext) context = NULL;
  g_autoptr (SegSamNetwork) network = NULL;
  g_autofree char *sha256 = NULL;
  SegGeneralistInfo info = { 0 };
  SegSamEncoder encoder;
  gsize grid;
  Sam *sam;

  g_return_val_if_fail (device != NULL && path != NULL, NULL);

  if (!seg_sam_network_tell (weights, &encoder, error))
    return NULL;
  sha256 = hash_file (path, error);
  if (sha256 == NULL)
    return NULL;
  context = seg_context_new (device, 0);
  network = seg_sam_network_new (context, encoder);
  if (!seg_sam_network_load (network, weights, error))
    return NULL;

  grid = seg_sam_network_get_grid (network);
  info.kind = kinds[encoder].kind;
  info.name = kinds[encoder].name;
  info.sha256 = sha256;
  info.n_parameters = seg_module_count_parameters (seg_sam_network_get_module (network));
  info.embedding_bytes = SEG_SAM_DIM * grid * grid * sizeof (guint16);
  sam = g_new0 (Sam, 1);
  sam->look = kinds[encoder].look;
  if (is_medsam (encoder, path, kind_hint))
    {
      info.kind = SEG_GENERALIST_MEDSAM;
      info.name = "MedSAM";
      sam->look = SEG_SAM_LOOK_MEDSAM;
    }
  sam->network = g_steal_pointer (&network);
  return seg_generalist_new_for (&sam_class, sam, context, &info);
}
