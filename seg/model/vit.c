/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/model/vit.h"
#include "seg/tensor/context.h"

#include <math.h>
#include <string.h>

/* Channels gated by their means, then a look around at half the resolution. */
typedef struct
{
  SegLinearLayer *squeeze, *gate;
  SegConvLayer *down, *up;
  SegNormLayer *norm;
} Adapter;

typedef struct
{
  SegNormLayer *norm1;
  SegNormLayer *norm2;
  SegLinearLayer *qkv;
  SegLinearLayer *proj;
  SegLinearLayer *lin1;
  SegLinearLayer *lin2;
  SegTensor *rel_h;
  SegTensor *rel_w;
  int window; /* 0: global */
  Adapter adapter;
} Block;

struct _SegVit
{
  SegModule *module;
  SegVitParams params;
  SegTensor *pos_embed; /* 1 grid grid dim, plain */
  SegConvLayer *patch;
  Block *blocks;
  SegConvLayer *neck_narrow;
  SegConvLayer *neck_smooth;
  SegNormLayer *neck_norm[2];
};

gboolean
seg_vit_params_from_name (const char *name, SegVitParams *params)
{
  static const struct
  {
    const char *name;
    int dim, depth, heads;
    int global[4];
    int image_size;
    gboolean adapters;
  } known[] = {
    { "vit_b", 768, 12, 12, { 2, 5, 8, 11 }, 1024, FALSE },
    { "vit_l", 1024, 24, 16, { 5, 11, 17, 23 }, 1024, FALSE },
    { "vit_h", 1280, 32, 16, { 7, 15, 23, 31 }, 1024, FALSE },
    { "sam_med2d", 768, 12, 12, { 2, 5, 8, 11 }, 256, TRUE },
  };

  for (gsize k = 0; k < G_N_ELEMENTS (known); k++)
    if (strcmp (known[k].name, name) == 0)
      {
        *params = (SegVitParams){ .image_size = known[k].image_size,
                                  .patch = 16,
                                  .dim = known[k].dim,
                                  .depth = known[k].depth,
                                  .heads = known[k].heads,
                                  .window = 14,
                                  .out_channels = 256,
                                  .adapters = known[k].adapters };
        for (int g = 0; g < 4; g++)
          params->global_blocks |= G_GUINT64_CONSTANT (1) << known[k].global[g];
        return TRUE;
      }
  return FALSE;
}

static void
adapter_init (Adapter *self, SegModule *module, gint64 dim)
{
  const SegConvParams down = seg_conv_params (2, 2, 1), up = seg_conv_transposed_params (2, 2, 1);
  const SegNormParams norm = seg_layer_norm_params (1e-5);

  self->squeeze = seg_linear_layer_new (module, "channel.0", dim, dim / 4, FALSE);
  self->gate = seg_linear_layer_new (module, "channel.2", dim / 4, dim, FALSE);
  self->down = seg_conv_layer_new (module, "spatial.0", dim, dim, 3, &down, FALSE);
  self->up = seg_conv_layer_new (module, "spatial.2", dim, dim, 4, &up, FALSE);
  self->norm = seg_norm_layer_new (module, "norm", dim, &norm);
}

static void
block_init (SegVit *self, int index)
{
  g_autofree char *name = g_strdup_printf ("blocks.%d", index);
  SegModule *module = seg_module_child (self->module, name);
  SegModule *attn = seg_module_child (module, "attn");
  const SegNormParams norm = seg_layer_norm_params (1e-6);
  const gint64 dim = self->params.dim;
  const gboolean global = self->params.global_blocks >> index & 1;
  Block *block = &self->blocks[index];
  gint64 side;

  block->window = global ? 0 : self->params.window;
  side = global ? self->params.image_size / self->params.patch : block->window;
  block->norm1 = seg_norm_layer_new (module, "norm1", dim, &norm);
  block->rel_h = seg_module_add_parameter (attn, "rel_pos_h", 2,
                                           (gint64[]){ 2 * side - 1, dim / self->params.heads });
  block->rel_w = seg_module_add_parameter (attn, "rel_pos_w", 2,
                                           (gint64[]){ 2 * side - 1, dim / self->params.heads });
  block->qkv = seg_linear_layer_new (attn, "qkv", dim, 3 * dim, TRUE);
  block->proj = seg_linear_layer_new (attn, "proj", dim, dim, TRUE);
  block->norm2 = seg_norm_layer_new (module, "norm2", dim, &norm);
  block->lin1 = seg_linear_layer_new (module, "mlp.lin1", dim, 4 * dim, TRUE);
  block->lin2 = seg_linear_layer_new (module, "mlp.lin2", 4 * dim, dim, TRUE);
  if (self->params.adapters)
    adapter_init (&block->adapter, seg_module_child (module, "Adapter"), dim);
}

SegVit *
seg_vit_new (SegModule *parent, const char *name, const SegVitParams *params)
{
  SegModule *module = seg_module_child (parent, name);
  SegVit *self = seg_module_own (module, g_new0 (SegVit, 1), g_free);
  const SegNormParams norm = seg_layer_norm_params (1e-6);
  SegConvParams patch = seg_conv_params (2, params->patch, 0);
  SegConvParams one = seg_conv_params (2, 1, 0), three = seg_conv_params (2, 1, 1);
  const gint64 grid = params->image_size / params->patch;

  self->module = module;
  self->params = *params;
  self->blocks = seg_module_own (module, g_new0 (Block, params->depth), g_free);
  self->pos_embed =
      seg_module_add_parameter (module, "pos_embed", 4, (gint64[]){ 1, grid, grid, params->dim });
  self->patch =
      seg_conv_layer_new (module, "patch_embed.proj", 3, params->dim, params->patch, &patch, TRUE);
  for (int b = 0; b < params->depth; b++)
    block_init (self, b);
  self->neck_narrow =
      seg_conv_layer_new (module, "neck.0", params->dim, params->out_channels, 1, &one, FALSE);
  self->neck_norm[0] = seg_norm_layer_new (module, "neck.1", params->out_channels, &norm);
  self->neck_smooth = seg_conv_layer_new (module, "neck.2", params->out_channels,
                                          params->out_channels, 3, &three, FALSE);
  self->neck_norm[1] = seg_norm_layer_new (module, "neck.3", params->out_channels, &norm);
  return self;
}

/* N T 3D → attention of q, k, v → N T D, projected */
static SegTensor *
attend (SegVit *self, Block *block, SegTensor *tokens, int side)
{
  const gint64 dim = self->params.dim;
  g_autoptr (SegTensor) qkv = seg_linear_layer_forward (block->qkv, tokens);
  g_autoptr (SegTensor) q = seg_slice (qkv, 2, 0, dim);
  g_autoptr (SegTensor) k = seg_slice (qkv, 2, dim, dim);
  g_autoptr (SegTensor) v = seg_slice (qkv, 2, 2 * dim, dim);
  const SegAttentionParams params = { .heads = self->params.heads,
                                      .scale = 1 / sqrt ((double) dim / self->params.heads),
                                      .grid = { side, side } };
  g_autoptr (SegTensor) mixed = NULL;

  g_clear_pointer (&qkv, seg_tensor_unref);
  mixed = seg_attention (q, k, v, NULL, block->rel_h, block->rel_w, &params);
  seg_tensor_clear (&q);
  seg_tensor_clear (&k);
  seg_tensor_clear (&v);
  return seg_linear_layer_forward (block->proj, mixed);
}

static SegTensor *
adapter_forward (const Adapter *self, SegTensor *x)
{
  const gint64 one[2] = { 1, 1 };
  const gint64 dim = seg_tensor_get_size (x, 1);
  g_autoptr (SegTensor) gate = seg_adaptive_average_pool (x, one);
  g_autoptr (SegTensor) y = NULL;

  seg_tensor_set (&gate, seg_reshape (gate, 2, (gint64[]){ -1, dim }));
  seg_tensor_set (&gate, seg_linear_layer_forward_act (self->squeeze, gate, SEG_ACT_RELU));
  seg_tensor_set (&gate, seg_linear_layer_forward_act (self->gate, gate, SEG_ACT_SIGMOID));
  seg_tensor_set (&gate, seg_reshape (gate, 4, (gint64[]){ -1, dim, 1, 1 }));
  y = seg_mul (x, gate);
  seg_tensor_set (&y, seg_conv_layer_forward (self->down, y));
  seg_tensor_set (&y, seg_relu (y));
  seg_tensor_set (&y, seg_conv_layer_forward (self->up, y));
  seg_tensor_set (&y, seg_relu (y));
  seg_tensor_set (&y, seg_add (x, y));
  return seg_norm_layer_forward (self->norm, y);
}

static SegTensor *
block_forward (SegVit *self, Block *block, SegTensor *x)
{
  const gint64 grid = seg_tensor_get_size (x, 2);
  g_autoptr (SegTensor) y = seg_norm_layer_forward (block->norm1, x);
  g_autoptr (SegTensor) beside = NULL;
  g_autoptr (SegTensor) sum = NULL;

  if (x == NULL)
    return NULL;
  if (block->window > 0)
    {
      seg_tensor_set (&y, seg_window_partition (y, block->window));
      seg_tensor_set (&y, attend (self, block, y, block->window));
      seg_tensor_set (&y, seg_window_merge (y, block->window, seg_tensor_get_size (x, 0), grid,
                                            seg_tensor_get_size (x, 3)));
    }
  else
    {
      seg_tensor_set (&y, seg_to_tokens (y));
      seg_tensor_set (&y, attend (self, block, y, (int) grid));
      seg_tensor_set (&y, seg_from_tokens (y, 2, (gint64[]){ grid, grid }));
    }
  sum = seg_add (x, y);
  seg_tensor_set (&y, seg_norm_layer_forward (block->norm2, sum));
  if (self->params.adapters && y != NULL)
    beside = adapter_forward (&block->adapter, y);
  seg_tensor_set (&y, seg_linear_layer_forward_act (block->lin1, y, SEG_ACT_GELU));
  seg_tensor_set (&y, seg_linear_layer_forward (block->lin2, y));
  if (beside != NULL)
    seg_tensor_set (&y, seg_add (y, beside));
  return seg_add (sum, y);
}

static SegTensor *
add_positions (SegVit *self, SegTensor *x)
{
  g_autoptr (SegTensor) map = seg_permute (self->pos_embed, (int[]){ 0, 3, 1, 2 });
  g_autoptr (SegTensor) positions = seg_cast (map, seg_tensor_get_dtype (x));

  return seg_add (x, positions);
}

SegTensor *
seg_vit_forward (SegVit *self, SegTensor *image)
{
  const gint64 size = self->params.image_size;
  g_autoptr (SegTensor) x = NULL;

  if (image == NULL)
    return NULL;
  if (!seg_tensor_has_shape (image, 4, (gint64[]){ -1, 3, size, size }))
    {
      g_autofree char *text = seg_tensor_describe (image);

      seg_context_fail (seg_tensor_get_context (image), SEG_ERROR_MISMATCH,
                        "the encoder needs N×3×%d×%d, not %s", (int) size, (int) size, text);
      return NULL;
    }
  x = seg_conv_layer_forward (self->patch, image);
  seg_tensor_set (&x, add_positions (self, x));
  for (int b = 0; b < self->params.depth; b++)
    seg_tensor_set (&x, block_forward (self, &self->blocks[b], x));
  seg_tensor_set (&x, seg_conv_layer_forward (self->neck_narrow, x));
  seg_tensor_set (&x, seg_norm_layer_forward (self->neck_norm[0], x));
  seg_tensor_set (&x, seg_conv_layer_forward (self->neck_smooth, x));
  seg_tensor_set (&x, seg_norm_layer_forward (self->neck_norm[1], x));
  return seg_cast (x, SEG_DTYPE_F32);
}
