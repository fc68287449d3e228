/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/model/vit.h"

#include "seg/ops/ops.h"

#include <math.h>
#include <string.h>

#define MLP_RATIO 4
#define NORM_EPS 1e-6

typedef struct
{
  gboolean is_global;
  SegNormLayer *norm1, *norm2;
  SegLinearLayer *qkv, *proj;
  SegTensor *rel_pos_h, *rel_pos_w; /* [2·side − 1, dim / heads] of the window or the whole grid */
  SegLinearLayer *lin1, *lin2;
} Block;

struct _SegVit
{
  SegVitParams params;
  int grid;
  SegConvLayer *patch_embed;
  SegTensor *pos_embed; /* 1 grid grid dim, as files have it */
  Block *blocks;
  SegConvLayer *neck_conv[2];
  SegNormLayer *neck_norm[2];
};

#define BIT(n) (G_GUINT64_CONSTANT (1) << (n))

gboolean
seg_vit_params_from_name (const char *name, SegVitParams *params)
{
  static const struct
  {
    const char *name;
    int dim, depth, heads;
    guint64 global_blocks;
  } sizes[] = {
    { "vit_b", 768, 12, 12, BIT (2) | BIT (5) | BIT (8) | BIT (11) },
    { "vit_l", 1024, 24, 16, BIT (5) | BIT (11) | BIT (17) | BIT (23) },
    { "vit_h", 1280, 32, 16, BIT (7) | BIT (15) | BIT (23) | BIT (31) },
  };

  for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++)
    if (strcmp (name, sizes[s].name) == 0)
      {
        *params = (SegVitParams){
          .image_size = 1024,
          .patch = 16,
          .dim = sizes[s].dim,
          .depth = sizes[s].depth,
          .heads = sizes[s].heads,
          .window = 14,
          .global_blocks = sizes[s].global_blocks,
          .out_channels = 256,
        };
        return TRUE;
      }
  return FALSE;
}

static void
seg_vit_free (gpointer data)
{
  SegVit *self = data;

  g_free (self->blocks);
  g_free (self);
}

static void
block_init (Block *block, SegModule *module, const SegVitParams *params, int grid, int number)
{
  const SegNormParams norm = seg_layer_norm_params (NORM_EPS);
  const int dim = params->dim, depth = dim / params->heads;
  SegModule *attention = seg_module_child (module, "attn");
  int side;

  block->is_global = params->global_blocks >> number & 1;
  side = block->is_global ? grid : params->window;
  block->norm1 = seg_norm_layer_new (module, "norm1", dim, &norm);
  block->qkv = seg_linear_layer_new (attention, "qkv", dim, 3 * dim, TRUE);
  block->proj = seg_linear_layer_new (attention, "proj", dim, dim, TRUE);
  block->rel_pos_h =
      seg_module_add_parameter (attention, "rel_pos_h", SEG_SHAPE (2 * side - 1, depth));
  block->rel_pos_w =
      seg_module_add_parameter (attention, "rel_pos_w", SEG_SHAPE (2 * side - 1, depth));
  block->norm2 = seg_norm_layer_new (module, "norm2", dim, &norm);
  block->lin1 = seg_linear_layer_new (module, "mlp.lin1", dim, MLP_RATIO * dim, TRUE);
  block->lin2 = seg_linear_layer_new (module, "mlp.lin2", MLP_RATIO * dim, dim, TRUE);
}

SegVit *
seg_vit_new (SegModule *parent, const char *name, const SegVitParams *params)
{
  SegVit *self = g_new0 (SegVit, 1);
  SegModule *root = seg_module_child (parent, name);
  const SegNormParams norm = seg_layer_norm_params (NORM_EPS);
  const SegConvParams patch = seg_conv_params (2, params->patch, 0);
  const SegConvParams conv1 = seg_conv_params (2, 1, 0), conv3 = seg_conv_params (2, 1, 1);
  const int out = params->out_channels;

  self->params = *params;
  self->grid = params->image_size / params->patch;
  self->blocks = g_new0 (Block, params->depth);
  seg_module_own (root, self, seg_vit_free);

  self->pos_embed = seg_module_add_parameter (root, "pos_embed",
                                              SEG_SHAPE (1, self->grid, self->grid, params->dim));
  self->patch_embed =
      seg_conv_layer_new (root, "patch_embed.proj", 3, params->dim, params->patch, &patch, TRUE);
  for (int b = 0; b < params->depth; b++)
    {
      g_autofree char *block_name = g_strdup_printf ("blocks.%d", b);

      block_init (&self->blocks[b], seg_module_child (root, block_name), params, self->grid, b);
    }
  self->neck_conv[0] = seg_conv_layer_new (root, "neck.0", params->dim, out, 1, &conv1, FALSE);
  self->neck_norm[0] = seg_norm_layer_new (root, "neck.1", out, &norm);
  self->neck_conv[1] = seg_conv_layer_new (root, "neck.2", out, out, 3, &conv3, FALSE);
  self->neck_norm[1] = seg_norm_layer_new (root, "neck.3", out, &norm);
  return self;
}

/* N D g g → N D g g. A window that reaches over the edge is padded with zeros behind the norm; the
 * padding is attended to like any token. */
static SegTensor *
block_attention (const SegVit *self, const Block *block, SegTensor *x)
{
  const SegVitParams *p = &self->params;
  const int side = block->is_global ? self->grid : p->window;
  const gint64 size[2] = { self->grid, self->grid };
  const SegAttentionParams params = { .heads = p->heads,
                                      .scale = 1 / sqrt ((double)p->dim / p->heads),
                                      .grid = { side, side } };
  g_autoptr (SegTensor) y = seg_norm_layer_forward (block->norm1, x);
  g_autoptr (SegTensor) q = NULL;
  g_autoptr (SegTensor) k = NULL;
  g_autoptr (SegTensor) v = NULL;

  seg_tensor_set (&y, block->is_global ? seg_to_tokens (y) : seg_window_partition (y, p->window));
  seg_tensor_set (&y, seg_linear_layer_forward (block->qkv, y));
  q = seg_slice (y, 2, 0, p->dim);
  k = seg_slice (y, 2, p->dim, p->dim);
  v = seg_slice (y, 2, 2 * p->dim, p->dim);
  seg_tensor_set (&y, seg_attention (q, k, v, NULL, block->rel_pos_h, block->rel_pos_w, &params));
  seg_tensor_clear (&q);
  seg_tensor_clear (&k);
  seg_tensor_clear (&v);
  seg_tensor_set (&y, seg_linear_layer_forward (block->proj, y));
  return block->is_global
             ? seg_from_tokens (y, 2, size)
             : seg_window_merge (y, p->window, seg_tensor_get_size (x, 0), self->grid, self->grid);
}

static SegTensor *
block_forward (const SegVit *self, const Block *block, SegTensor *input)
{
  g_autoptr (SegTensor) y = block_attention (self, block, input);
  g_autoptr (SegTensor) x = seg_add (input, y);

  seg_tensor_set (&y, seg_norm_layer_forward (block->norm2, x));
  seg_tensor_set (&y, seg_linear_layer_forward_act (block->lin1, y, SEG_ACT_GELU));
  seg_tensor_set (&y, seg_linear_layer_forward (block->lin2, y));
  return seg_add (x, y);
}

SegTensor *
seg_vit_forward (SegVit *self, SegTensor *image)
{
  static const int to_channels_first[4] = { 0, 3, 1, 2 };
  g_autoptr (SegTensor) x = seg_conv_layer_forward (self->patch_embed, image);
  g_autoptr (SegTensor) position = seg_permute (self->pos_embed, to_channels_first);

  seg_tensor_set (&position, seg_cast (position, seg_tensor_get_dtype (x)));
  seg_tensor_set (&x, seg_add (x, position));
  for (int b = 0; b < self->params.depth; b++)
    seg_tensor_set (&x, block_forward (self, &self->blocks[b], x));
  for (int n = 0; n < 2; n++)
    {
      seg_tensor_set (&x, seg_conv_layer_forward (self->neck_conv[n], x));
      seg_tensor_set (&x, seg_norm_layer_forward (self->neck_norm[n], x));
    }
  return seg_cast (x, SEG_DTYPE_F32);
}
