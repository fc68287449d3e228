/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/generalist/sam-network.h"

#include "seg/ops/ops.h"
#include "seg/tensor/context.h"

#include <math.h>
#include <string.h>

#define DIM SEG_SAM_DIM
#define FEATURES (DIM / 2)
#define N_LAYERS 2
#define HEADS 8
#define CROSS_DIM (DIM / 2)
#define MLP_DIM 2048
#define UP_DIM 32

typedef struct
{
  SegLinearLayer *q, *k, *v, *out;
  int dim; /* inside */
  SegTensor *out_by_head; /* heads dim/heads 256, made by load: out's weight the other way round */
} Attention;

typedef struct
{
  Attention self, to_image, to_tokens;
  SegNormLayer *norm[4];
  SegLinearLayer *lin1, *lin2;
} Layer;

/* Linear layers with ReLU between. */
typedef struct
{
  SegLinearLayer *layers[3];
} Head;

struct _SegSamNetwork
{
  SegModule *root;
  SegContext *context;
  SegSamEncoder encoder;
  SegVit *vit;
  SegTinyVit *tiny_vit;
  int image_size, grid;
  gboolean loaded;

  SegTensor *frequencies; /* buffer 2 × 128 */
  SegTensor *point_embeddings[4]; /* negative, positive, box corners */
  SegTensor *not_a_point, *no_mask;
  SegConvLayer *mask_conv[3];
  SegNormLayer *mask_norm[2];

  SegTensor *iou_token, *mask_tokens;
  Layer layers[N_LAYERS];
  Attention final_attention;
  SegNormLayer *final_norm;
  SegConvLayer *up_conv[2];
  SegNormLayer *up_norm;
  Head hyper[SEG_SAM_N_MASKS];
  Head iou_head;

  /* Made by load: they do not change afterwards. */
  float frequencies_host[2 * FEATURES];
  float labels_host[6][DIM]; /* point_embeddings 0…3, not_a_point, no_mask */
  SegTensor *grid_position; /* 1 grid² 256 */
};

static SegNormLayer *
norm_new (SegModule *module, const char *name, int channels, double eps, SegAct act)
{
  SegNormParams params = seg_layer_norm_params (eps);

  params.act = act;
  return seg_norm_layer_new (module, name, channels, &params);
}

static Attention
attention_new (SegModule *parent, const char *name, int dim)
{
  SegModule *module = seg_module_child (parent, name);

  return (Attention){
    .q = seg_linear_layer_new (module, "q_proj", DIM, dim, TRUE),
    .k = seg_linear_layer_new (module, "k_proj", DIM, dim, TRUE),
    .v = seg_linear_layer_new (module, "v_proj", DIM, dim, TRUE),
    .out = seg_linear_layer_new (module, "out_proj", dim, DIM, TRUE),
    .dim = dim,
  };
}

static Head
head_new (SegModule *parent, const char *name, int out)
{
  SegModule *module = seg_module_child (parent, name);

  return (Head){ {
      seg_linear_layer_new (module, "layers.0", DIM, DIM, TRUE),
      seg_linear_layer_new (module, "layers.1", DIM, DIM, TRUE),
      seg_linear_layer_new (module, "layers.2", DIM, out, TRUE),
  } };
}

static void
make_prompt_encoder (SegSamNetwork *self)
{
  SegModule *module = seg_module_child (self->root, "prompt_encoder");
  const SegConvParams half = seg_conv_params (2, 2, 0), point = seg_conv_params (2, 1, 0);

  self->frequencies =
      seg_module_add_buffer (seg_module_child (module, "pe_layer"),
                             "positional_encoding_gaussian_matrix", SEG_SHAPE (2, FEATURES), 0);
  for (int p = 0; p < 4; p++)
    {
      g_autofree char *name = g_strdup_printf ("point_embeddings.%d", p);

      self->point_embeddings[p] = seg_embedding_new (module, name, 1, DIM);
    }
  self->not_a_point = seg_embedding_new (module, "not_a_point_embed", 1, DIM);
  self->no_mask = seg_embedding_new (module, "no_mask_embed", 1, DIM);

  self->mask_conv[0] = seg_conv_layer_new (module, "mask_downscaling.0", 1, 4, 2, &half, TRUE);
  self->mask_norm[0] = norm_new (module, "mask_downscaling.1", 4, 1e-6, SEG_ACT_GELU);
  self->mask_conv[1] = seg_conv_layer_new (module, "mask_downscaling.3", 4, 16, 2, &half, TRUE);
  self->mask_norm[1] = norm_new (module, "mask_downscaling.4", 16, 1e-6, SEG_ACT_GELU);
  self->mask_conv[2] = seg_conv_layer_new (module, "mask_downscaling.6", 16, DIM, 1, &point, TRUE);
}

static void
make_layer (Layer *layer, SegModule *module)
{
  layer->self = attention_new (module, "self_attn", DIM);
  layer->to_image = attention_new (module, "cross_attn_token_to_image", CROSS_DIM);
  layer->to_tokens = attention_new (module, "cross_attn_image_to_token", CROSS_DIM);
  for (int n = 0; n < 4; n++)
    {
      g_autofree char *name = g_strdup_printf ("norm%d", n + 1);

      layer->norm[n] = norm_new (module, name, DIM, 1e-5, SEG_ACT_NONE);
    }
  layer->lin1 = seg_linear_layer_new (module, "mlp.lin1", DIM, MLP_DIM, TRUE);
  layer->lin2 = seg_linear_layer_new (module, "mlp.lin2", MLP_DIM, DIM, TRUE);
}

static void
make_mask_decoder (SegSamNetwork *self)
{
  SegModule *module = seg_module_child (self->root, "mask_decoder");
  SegModule *transformer = seg_module_child (module, "transformer");
  const SegConvParams twice = seg_conv_transposed_params (2, 2, 0);

  for (int l = 0; l < N_LAYERS; l++)
    {
      g_autofree char *name = g_strdup_printf ("layers.%d", l);

      make_layer (&self->layers[l], seg_module_child (transformer, name));
    }
  self->final_attention = attention_new (transformer, "final_attn_token_to_image", CROSS_DIM);
  self->final_norm = norm_new (transformer, "norm_final_attn", DIM, 1e-5, SEG_ACT_NONE);
  self->iou_token = seg_embedding_new (module, "iou_token", 1, DIM);
  self->mask_tokens = seg_embedding_new (module, "mask_tokens", SEG_SAM_N_MASKS, DIM);
  self->up_conv[0] =
      seg_conv_layer_new (module, "output_upscaling.0", DIM, DIM / 4, 2, &twice, TRUE);
  self->up_norm = norm_new (module, "output_upscaling.1", DIM / 4, 1e-6, SEG_ACT_GELU);
  self->up_conv[1] =
      seg_conv_layer_new (module, "output_upscaling.3", DIM / 4, UP_DIM, 2, &twice, TRUE);
  for (int m = 0; m < SEG_SAM_N_MASKS; m++)
    {
      g_autofree char *name = g_strdup_printf ("output_hypernetworks_mlps.%d", m);

      self->hyper[m] = head_new (module, name, UP_DIM);
    }
  self->iou_head = head_new (module, "iou_prediction_head", SEG_SAM_N_MASKS);
}

static void
make_image_encoder (SegSamNetwork *self)
{
  static const char *const names[] = {
    [SEG_SAM_VIT_B] = "vit_b",
    [SEG_SAM_VIT_L] = "vit_l",
    [SEG_SAM_VIT_H] = "vit_h",
    [SEG_SAM_VIT_B_ADAPTED] = "sam_med2d",
  };

  if (names[self->encoder] != NULL)
    {
      SegVitParams params;

      g_assert (seg_vit_params_from_name (names[self->encoder], &params));
      self->vit = seg_vit_new (self->root, "image_encoder", &params);
      self->image_size = params.image_size;
      self->grid = params.image_size / params.patch;
    }
  else
    {
      const SegTinyVitParams params = self->encoder == SEG_SAM_TINY_VIT
                                          ? seg_tiny_vit_params_mobile_sam ()
                                          : seg_tiny_vit_params_lite_medsam ();

      self->tiny_vit = seg_tiny_vit_new (self->root, "image_encoder", &params);
      self->image_size = params.image_size;
      self->grid = params.image_size / (self->encoder == SEG_SAM_TINY_VIT ? 16 : 4);
    }
}

SegSamNetwork *
seg_sam_network_new (SegContext *context, SegSamEncoder encoder)
{
  SegSamNetwork *self = g_new0 (SegSamNetwork, 1);

  self->context = seg_context_ref (context);
  self->root = seg_module_new (context);
  self->encoder = encoder;
  make_image_encoder (self);
  make_prompt_encoder (self);
  make_mask_decoder (self);
  seg_module_set_training (self->root, FALSE);
  seg_module_set_requires_grad (self->root, FALSE);
  return self;
}

void
seg_sam_network_free (SegSamNetwork *self)
{
  if (self == NULL)
    return;
  seg_tensor_clear (&self->grid_position);
  for (int l = 0; l < N_LAYERS; l++)
    seg_tensor_clear (&self->layers[l].to_tokens.out_by_head);
  seg_module_unref (self->root);
  seg_context_unref (self->context);
  g_free (self);
}

SegModule *
seg_sam_network_get_module (SegSamNetwork *self)
{
  return self->root;
}

int
seg_sam_network_get_image_size (SegSamNetwork *self)
{
  return self->image_size;
}

int
seg_sam_network_get_grid (SegSamNetwork *self)
{
  return self->grid;
}

int
seg_sam_network_get_low_res (SegSamNetwork *self)
{
  return 4 * self->grid;
}

/* Loading ---------------------------------------------------------------------------------------
 */

gboolean
seg_sam_network_tell (SegWeights *weights, SegSamEncoder *encoder, GError **error)
{
  const char *path = seg_weights_get_path (weights);
  const SegWeight *position = seg_weights_find (weights, "image_encoder.pos_embed");
  const SegWeight *tiny = seg_weights_find (weights, "image_encoder.patch_embed.seq.0.c.weight");

  if (path == NULL)
    path = "weights";
  if (seg_weights_find (weights, "image_encoder.trunk.pos_embed") != NULL)
    {
      g_set_error (error, SEG_ERROR, SEG_ERROR_UNSUPPORTED,
                   "%s: these are weights of SAM 2, which is not supported; SAM ViT-B/L/H, MedSAM, "
                   "SAM-Med2D, MobileSAM and LiteMedSAM are",
                   path);
      return FALSE;
    }
  if (seg_weights_find (weights, "image_encoder.blocks.0.Adapter.norm.weight") != NULL)
    {
      *encoder = SEG_SAM_VIT_B_ADAPTED;
      return TRUE;
    }
  if (tiny != NULL && tiny->n_dims == 4)
    {
      *encoder = tiny->shape[2] == 1 ? SEG_SAM_TINY_VIT_LITE : SEG_SAM_TINY_VIT;
      return TRUE;
    }
  if (position != NULL && position->n_dims == 4)
    switch (position->shape[3])
      {
      case 768:
        *encoder = SEG_SAM_VIT_B;
        return TRUE;
      case 1024:
        *encoder = SEG_SAM_VIT_L;
        return TRUE;
      case 1280:
        *encoder = SEG_SAM_VIT_H;
        return TRUE;
      default:
        break;
      }
  g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH,
               "%s: no image encoder of the SAM family among its %" G_GSIZE_FORMAT " tensors", path,
               seg_weights_get_n (weights));
  return FALSE;
}

typedef struct
{
  SegWeights *weights;
  GArray *specs; /* SegWeightSpec */
  GHashTable *names;
} Loading;

static void
collect_spec_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Loading *loading = user_data;
  SegWeightSpec spec = { .name = g_intern_string (name), .n_dims = seg_tensor_get_rank (tensor) };

  memcpy (spec.shape, seg_tensor_get_shape (tensor), spec.n_dims * sizeof (gint64));
  g_array_append_val (loading->specs, spec);
  g_hash_table_add (loading->names, (gpointer) spec.name);
}

static void
load_entry_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Loading *loading = user_data;
  const SegWeight *weight = seg_weights_find (loading->weights, name);
  g_autofree float *values = g_new (float, weight->n_elements);

  seg_weight_read_f32 (weight, 0, weight->n_elements, values);
  seg_tensor_upload (tensor, SEG_DTYPE_F32, values);
}

/* Tensors that official files carry and nobody runs: the classification head of TinyViT. */
static gboolean
is_left_out (const char *name)
{
  return g_str_has_suffix (name, ".num_batches_tracked")
         || g_str_has_prefix (name, "image_encoder.norm_head.")
         || g_str_has_prefix (name, "image_encoder.head.")
         || g_str_has_suffix (name, ".attention_bias_idxs");
}

/* All that is wrong in one message: missing and misshapen ones by the checker, then extra ones. */
static gboolean
check_weights (const Loading *loading, GError **error)
{
  g_autoptr (GString) extra = g_string_new (NULL);
  guint n_extra = 0;

  if (!seg_weights_check (loading->weights, (const SegWeightSpec *) loading->specs->data,
                          loading->specs->len, SEG_WEIGHTS_MATCH_ALLOW_EXTRA, error))
    return FALSE;
  for (gsize w = 0; w < seg_weights_get_n (loading->weights); w++)
    {
      const char *name = seg_weights_get (loading->weights, w)->name;

      if (is_left_out (name) || g_hash_table_contains (loading->names, name))
        continue;
      if (n_extra++ < 20)
        g_string_append_printf (extra, "%s%s", extra->len > 0 ? ", " : "", name);
    }
  if (n_extra == 0)
    return TRUE;
  g_set_error (error, SEG_ERROR, SEG_ERROR_MISMATCH, "%s: %u unexpected tensors: %s%s",
               seg_weights_get_path (loading->weights), n_extra, extra->str,
               n_extra > 20 ? ", …" : "");
  return FALSE;
}

/* What depends on the weights alone: the dense positional encoding, the small vectors on the host.
 */
static void
prepare_prompt_encoder (SegSamNetwork *self)
{
  const int grid = self->grid;
  g_autofree float (*unit)[2] = g_malloc (sizeof (float[2]) * grid * grid);
  g_autofree float *position = g_new (float, (gsize) grid *grid *DIM);

  seg_tensor_download (self->frequencies, SEG_DTYPE_F32, self->frequencies_host);
  for (int p = 0; p < 4; p++)
    seg_tensor_download (self->point_embeddings[p], SEG_DTYPE_F32, self->labels_host[p]);
  seg_tensor_download (self->not_a_point, SEG_DTYPE_F32, self->labels_host[4]);
  seg_tensor_download (self->no_mask, SEG_DTYPE_F32, self->labels_host[5]);

  for (int y = 0; y < grid; y++)
    for (int x = 0; x < grid; x++)
      {
        unit[y * grid + x][0] = (x + 0.5f) / grid;
        unit[y * grid + x][1] = (y + 0.5f) / grid;
      }
  seg_sam_position_encode (self->frequencies_host, FEATURES, unit, grid * grid, position);
  self->grid_position =
      seg_tensor_new_from_f32 (self->context, SEG_SHAPE (1, grid * grid, DIM), position);
}

static void
prepare_mask_decoder (SegSamNetwork *self)
{
  for (int l = 0; l < N_LAYERS; l++)
    {
      Attention *attention = &self->layers[l].to_tokens;
      g_autoptr (SegTensor) turned = seg_permute (attention->out->weight, (int[]){ 1, 0 });
      g_autoptr (SegTensor) dense = seg_dense_plain (turned);

      attention->out_by_head = seg_reshape (dense, 3, (gint64[]){ HEADS, CROSS_DIM / HEADS, DIM });
    }
}

gboolean
seg_sam_network_load (SegSamNetwork *self, SegWeights *weights, GError **error)
{
  g_autoptr (GArray) specs = g_array_new (FALSE, TRUE, sizeof (SegWeightSpec));
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  Loading loading = { weights, specs, names };

  g_return_val_if_fail (!self->loaded, FALSE);

  if (!seg_context_check (self->context, error))
    return FALSE;
  seg_module_foreach (self->root, collect_spec_cb, &loading);
  if (!check_weights (&loading, error))
    return FALSE;
  seg_module_foreach (self->root, load_entry_cb, &loading);
  if (self->tiny_vit != NULL)
    seg_tiny_vit_prepare (self->tiny_vit);
  prepare_prompt_encoder (self);
  prepare_mask_decoder (self);
  self->loaded = TRUE;
  return seg_context_check (self->context, error);
}

/* Encoding --------------------------------------------------------------------------------------
 */

SegTensor *
seg_sam_network_encode (SegSamNetwork *self, SegTensor *image)
{
  g_return_val_if_fail (self->loaded, NULL);

  return self->vit != NULL ? seg_vit_forward (self->vit, image)
                           : seg_tiny_vit_forward (self->tiny_vit, image);
}

void
seg_sam_position_encode (const float *matrix, int features, const float (*unit)[2], int n,
                         float *out)
{
  for (int p = 0; p < n; p++)
    {
      const float x = 2 * unit[p][0] - 1, y = 2 * unit[p][1] - 1;

      for (int f = 0; f < features; f++)
        {
          const double t = 2 * G_PI * (double) (x * matrix[f] + y * matrix[features + f]);

          out[f] = (float) sin (t);
          out[features + f] = (float) cos (t);
        }
      out += 2 * features;
    }
}

/* One sparse token: the encoded place (half a pixel on, in parts of the frame) and what it is. */
static void
put_token (const SegSamNetwork *self, const float point[2], int label, float *token)
{
  const float side = (float) self->image_size;
  const float unit[1][2] = { { (point[0] + 0.5f) / side, (point[1] + 0.5f) / side } };

  seg_sam_position_encode (self->frequencies_host, FEATURES, unit, 1, token);
  for (int d = 0; d < DIM; d++)
    token[d] += self->labels_host[label][d];
}

/* Points, then a padding token if there is no box; then the box's corners. */
static SegTensor *
encode_sparse (const SegSamNetwork *self, const SegSamPrompt *prompt)
{
  const gboolean with_padding = prompt->n_points > 0 && prompt->box == NULL;
  const int n = prompt->n_points + (prompt->box != NULL ? 2 : with_padding);
  g_autofree float *tokens = g_new (float, (gsize) MAX (n, 1) * DIM);
  float *token = tokens;

  if (n == 0)
    return NULL;
  for (int p = 0; p < prompt->n_points; p++, token += DIM)
    put_token (self, prompt->points[p], prompt->positive[p] ? 1 : 0, token);
  if (with_padding)
    memcpy (token, self->labels_host[4], sizeof self->labels_host[4]);
  if (prompt->box != NULL)
    {
      put_token (self, prompt->box, 2, token);
      put_token (self, prompt->box + 2, 3, token + DIM);
    }
  return seg_tensor_new_from_f32 (self->context, SEG_SHAPE (1, n, DIM), tokens);
}

/* 1 256 grid grid, or 1 256 1 1 to broadcast without a mask. */
static SegTensor *
encode_dense (const SegSamNetwork *self, const float *low_res)
{
  const int side = 4 * self->grid;
  g_autoptr (SegTensor) x = NULL;

  if (low_res == NULL)
    return seg_reshape (self->no_mask, SEG_SHAPE (1, DIM, 1, 1));

  x = seg_tensor_new_from_f32 (self->context, SEG_SHAPE (1, 1, side, side), low_res);
  for (int c = 0; c < 2; c++)
    {
      seg_tensor_set (&x, seg_conv_layer_forward (self->mask_conv[c], x));
      seg_tensor_set (&x, seg_norm_layer_forward (self->mask_norm[c], x));
    }
  return seg_conv_layer_forward (self->mask_conv[2], x);
}

/* Decoding --------------------------------------------------------------------------------------
 */

/* With few tokens the image side of a cross attention is not projected; instead the tokens are,
 * back through each head's projection: q·(W x) = (Wᵀ q)·x. The same products in another order, for
 * 8·T·256 instead of 256·128 of them a pixel. */
#define FEW_TOKENS 14

static SegTensor *
to_heads (const Attention *self, SegTensor *x)
{
  const gint64 n = seg_tensor_get_n_elements (x) / self->dim;
  g_autoptr (SegTensor) split = seg_reshape (x, 3, (gint64[]){ n, HEADS, self->dim / HEADS });
  g_autoptr (SegTensor) turned = seg_permute (split, (int[]){ 1, 0, 2 });

  return seg_dense_plain (turned);
}

/* Each head's rows of a projection of 256 features. */
static SegTensor *
rows_by_head (const Attention *self, SegLinearLayer *layer)
{
  return seg_reshape (layer->weight, 3, (gint64[]){ HEADS, self->dim / HEADS, DIM });
}

/* Few queries on the image. */
static SegTensor *
attend_from_few (const Attention *self, SegTensor *q_in, SegTensor *k_in, SegTensor *v_in)
{
  const gint64 n = seg_tensor_get_size (q_in, 1);
  const double scale = 1 / sqrt ((double) self->dim / HEADS);
  g_autoptr (SegTensor) wk = rows_by_head (self, self->k);
  g_autoptr (SegTensor) wv = rows_by_head (self, self->v);
  g_autoptr (SegTensor) x = seg_linear_layer_forward (self->q, q_in);

  /* The bias of the keys adds the same to all scores of a query. */
  seg_tensor_set (&x, to_heads (self, x));
  seg_tensor_set (&x, seg_matmul (x, wk, FALSE, FALSE, scale));
  seg_tensor_set (&x, seg_reshape (x, 3, (gint64[]){ 1, HEADS * n, DIM }));
  seg_tensor_set (&x, seg_matmul (x, k_in, FALSE, TRUE, 1));
  seg_tensor_set (&x, seg_softmax (x, 2));
  seg_tensor_set (&x, seg_matmul (x, v_in, FALSE, FALSE, 1));
  seg_tensor_set (&x, seg_reshape (x, 3, (gint64[]){ HEADS, n, DIM }));
  seg_tensor_set (&x, seg_matmul (x, wv, FALSE, TRUE, 1));
  seg_tensor_set (&x, seg_permute (x, (int[]){ 1, 0, 2 }));
  seg_tensor_set (&x, seg_dense_plain (x));
  seg_tensor_set (&x, seg_reshape (x, 3, (gint64[]){ 1, n, self->dim }));
  /* Probabilities sum to one, so the bias of the values comes through whole. */
  seg_tensor_set (&x, seg_add (x, self->v->bias));
  return seg_linear_layer_forward (self->out, x);
}

/* The image on few keys. */
static SegTensor *
attend_to_few (const Attention *self, SegTensor *q_in, SegTensor *k_in, SegTensor *v_in)
{
  const gint64 n = seg_tensor_get_size (k_in, 1), n_pixels = seg_tensor_get_size (q_in, 1);
  const double scale = 1 / sqrt ((double) self->dim / HEADS);
  g_autoptr (SegTensor) wq = rows_by_head (self, self->q);
  g_autoptr (SegTensor) bq =
      seg_reshape (self->q->bias, 3, (gint64[]){ HEADS, self->dim / HEADS, 1 });
  g_autoptr (SegTensor) k = seg_linear_layer_forward (self->k, k_in);
  g_autoptr (SegTensor) v = seg_linear_layer_forward (self->v, v_in);
  g_autoptr (SegTensor) offset = NULL;
  g_autoptr (SegTensor) x = NULL;

  seg_tensor_set (&k, to_heads (self, k));
  offset = seg_matmul (k, bq, FALSE, FALSE, scale);
  seg_tensor_set (&offset, seg_reshape (offset, 3, (gint64[]){ 1, 1, HEADS * n }));
  seg_tensor_set (&k, seg_matmul (k, wq, FALSE, FALSE, scale));
  seg_tensor_set (&k, seg_reshape (k, 3, (gint64[]){ 1, HEADS * n, DIM }));
  seg_tensor_set (&v, to_heads (self, v));
  seg_tensor_set (&v, seg_matmul (v, self->out_by_head, FALSE, FALSE, 1));
  seg_tensor_set (&v, seg_reshape (v, 3, (gint64[]){ 1, HEADS * n, DIM }));

  x = seg_matmul (q_in, k, FALSE, TRUE, 1);
  seg_tensor_set (&x, seg_add (x, offset));
  seg_tensor_set (&x, seg_reshape (x, 3, (gint64[]){ n_pixels, HEADS, n }));
  seg_tensor_set (&x, seg_softmax (x, 2));
  seg_tensor_set (&x, seg_reshape (x, 3, (gint64[]){ 1, n_pixels, HEADS * n }));
  seg_tensor_set (&x, seg_matmul (x, v, FALSE, FALSE, 1));
  return seg_add (x, self->out->bias);
}

/* @q_in, @k_in, @v_in: 1 T 256 */
static SegTensor *
attend (const Attention *self, SegTensor *q_in, SegTensor *k_in, SegTensor *v_in)
{
  const SegAttentionParams params = { .heads = HEADS,
                                      .scale = 1 / sqrt ((double) self->dim / HEADS),
                                      .grid = { 0, 0 } };
  g_autoptr (SegTensor) q = NULL;
  g_autoptr (SegTensor) k = NULL;
  g_autoptr (SegTensor) v = NULL;

  if (q_in == NULL || k_in == NULL || v_in == NULL)
    return NULL;
  if (self->dim == CROSS_DIM && seg_tensor_get_size (q_in, 1) <= FEW_TOKENS)
    return attend_from_few (self, q_in, k_in, v_in);
  if (self->dim == CROSS_DIM && seg_tensor_get_size (k_in, 1) <= FEW_TOKENS)
    return attend_to_few (self, q_in, k_in, v_in);
  q = seg_linear_layer_forward (self->q, q_in);
  k = seg_linear_layer_forward (self->k, k_in);
  v = seg_linear_layer_forward (self->v, v_in);
  seg_tensor_set (&q, seg_attention (q, k, v, NULL, NULL, NULL, &params));
  return seg_linear_layer_forward (self->out, q);
}

static void
add_and_norm (SegTensor **x, SegTensor *change, SegNormLayer *norm)
{
  if (change != NULL)
    seg_tensor_set (x, seg_add (*x, change));
  seg_tensor_set (x, seg_norm_layer_forward (norm, *x));
}

/* The tokens look at each other (the first time without position or residual), then at the image;
 * then the image looks at the tokens. */
static void
run_layer (const Layer *layer, gboolean is_first, SegTensor **queries, SegTensor **keys,
           SegTensor *query_pe, SegTensor *key_pe)
{
  g_autoptr (SegTensor) q = NULL;
  g_autoptr (SegTensor) k = NULL;
  g_autoptr (SegTensor) y = NULL;

  if (is_first)
    {
      seg_tensor_set (queries, attend (&layer->self, *queries, *queries, *queries));
      add_and_norm (queries, NULL, layer->norm[0]);
    }
  else
    {
      q = seg_add (*queries, query_pe);
      y = attend (&layer->self, q, q, *queries);
      add_and_norm (queries, y, layer->norm[0]);
    }

  seg_tensor_set (&q, seg_add (*queries, query_pe));
  k = seg_add (*keys, key_pe);
  seg_tensor_set (&y, attend (&layer->to_image, q, k, *keys));
  add_and_norm (queries, y, layer->norm[1]);

  seg_tensor_set (&y, seg_linear_layer_forward_act (layer->lin1, *queries, SEG_ACT_RELU));
  seg_tensor_set (&y, seg_linear_layer_forward (layer->lin2, y));
  add_and_norm (queries, y, layer->norm[2]);

  seg_tensor_set (&q, seg_add (*queries, query_pe));
  seg_tensor_set (&y, attend (&layer->to_tokens, k, q, *queries));
  add_and_norm (keys, y, layer->norm[3]);
}

static SegTensor *
run_head (const Head *head, SegTensor *x)
{
  g_autoptr (SegTensor) y = seg_linear_layer_forward_act (head->layers[0], x, SEG_ACT_RELU);

  seg_tensor_set (&y, seg_linear_layer_forward_act (head->layers[1], y, SEG_ACT_RELU));
  return seg_linear_layer_forward (head->layers[2], y);
}

/* 1 T 256: the output tokens, then those of the prompt. */
static SegTensor *
all_tokens (const SegSamNetwork *self, SegTensor *sparse)
{
  g_autoptr (SegTensor) iou = seg_reshape (self->iou_token, SEG_SHAPE (1, 1, DIM));
  g_autoptr (SegTensor) masks =
      seg_reshape (self->mask_tokens, SEG_SHAPE (1, SEG_SAM_N_MASKS, DIM));
  SegTensor *const parts[3] = { iou, masks, sparse };

  return seg_concat (sparse != NULL ? 3 : 2, parts, 1);
}

/* 1 grid² 256 → 1 (4·grid)² 32 */
static SegTensor *
upscale (const SegSamNetwork *self, SegTensor *keys)
{
  const gint64 size[2] = { self->grid, self->grid };
  g_autoptr (SegTensor) x = seg_from_tokens (keys, 2, size);

  seg_tensor_set (&x, seg_conv_layer_forward (self->up_conv[0], x));
  seg_tensor_set (&x, seg_norm_layer_forward (self->up_norm, x));
  seg_tensor_set (&x, seg_conv_layer_forward (self->up_conv[1], x));
  seg_tensor_set (&x, seg_gelu (x));
  return seg_to_tokens (x);
}

/* Each mask is the product of the upscaled image with a vector made from the mask's token. */
static void
make_masks (const SegSamNetwork *self, SegTensor *queries, SegTensor *keys, float *masks)
{
  const gsize n_pixels = 16 * (gsize) self->grid * self->grid;
  g_autoptr (SegTensor) up = upscale (self, keys);

  for (int m = 0; m < SEG_SAM_N_MASKS; m++)
    {
      g_autoptr (SegTensor) token = seg_slice (queries, 1, 1 + m, 1);
      g_autoptr (SegTensor) hyper = run_head (&self->hyper[m], token);
      g_autoptr (SegTensor) mask = seg_matmul (hyper, up, FALSE, TRUE, 1);

      seg_tensor_download (mask, SEG_DTYPE_F32, masks + m * n_pixels);
    }
}

gboolean
seg_sam_network_decode (SegSamNetwork *self, SegTensor *embedding, const SegSamPrompt *prompt,
                        float *masks, float iou[SEG_SAM_N_MASKS])
{
  g_autoptr (SegTensor) sparse = NULL;
  g_autoptr (SegTensor) query_pe = NULL;
  g_autoptr (SegTensor) queries = NULL;
  g_autoptr (SegTensor) keys = NULL;
  g_autoptr (SegTensor) y = NULL;

  g_return_val_if_fail (self->loaded, FALSE);

  sparse = encode_sparse (self, prompt);
  query_pe = all_tokens (self, sparse);
  queries = seg_tensor_ref (query_pe);
  y = encode_dense (self, prompt->low_res);
  seg_tensor_set (&y, seg_add (embedding, y));
  keys = seg_to_tokens (y);

  for (int l = 0; l < N_LAYERS; l++)
    run_layer (&self->layers[l], l == 0, &queries, &keys, query_pe, self->grid_position);
  {
    g_autoptr (SegTensor) q = seg_add (queries, query_pe);
    g_autoptr (SegTensor) k = seg_add (keys, self->grid_position);

    seg_tensor_set (&y, attend (&self->final_attention, q, k, keys));
    add_and_norm (&queries, y, self->final_norm);
  }

  make_masks (self, queries, keys, masks);
  {
    g_autoptr (SegTensor) token = seg_slice (queries, 1, 0, 1);
    g_autoptr (SegTensor) estimates = run_head (&self->iou_head, token);

    seg_tensor_download (estimates, SEG_DTYPE_F32, iou);
  }
  return !seg_context_failed (self->context);
}
