/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/model/tiny-vit.h"

#include <math.h>

#define N_STAGES 4
#define MAX_DEPTH 6
#define EXPANSION 4

/* A convolution without bias and the batch norm behind it ("NAME.c", "NAME.bn"). */
typedef struct
{
  SegConvLayer *conv;
  SegNormLayer *norm;
} ConvNorm;

/* Inverted bottleneck: 1×1 up, 3×3 depth-wise, 1×1 down. */
typedef struct
{
  ConvNorm conv1, conv2, conv3;
} Bottleneck;

typedef struct
{
  SegNormLayer *norm;
  SegLinearLayer *qkv;
  SegLinearLayer *proj;
  SegTensor *attention_biases; /* parameter: heads × w² */
  SegTensor *bias; /* 1 heads w² w², made by prepare */
  ConvNorm local_conv;
  SegNormLayer *mlp_norm;
  SegLinearLayer *fc1;
  SegLinearLayer *fc2;
} Block;

struct _SegTinyVit
{
  SegModule *root;
  SegTinyVitParams params;
  ConvNorm patch[2];
  Bottleneck first[MAX_DEPTH];
  Bottleneck downsample[N_STAGES - 1];
  Block blocks[N_STAGES][MAX_DEPTH];
  SegConvLayer *neck_conv[2];
  SegNormLayer *neck_norm[2];
  gboolean prepared;
};

SegTinyVitParams
seg_tiny_vit_params_mobile_sam (void)
{
  return (SegTinyVitParams){
    .image_size = 1024,
    .patch_stride = 2,
    .patch_kernel = 3,
    .dims = { 64, 128, 160, 320 },
    .depths = { 2, 2, 6, 2 },
    .heads = { 2, 4, 5, 10 },
    .windows = { 7, 7, 14, 7 },
    .out_channels = 256,
  };
}

SegTinyVitParams
seg_tiny_vit_params_lite_medsam (void)
{
  SegTinyVitParams params = seg_tiny_vit_params_mobile_sam ();

  params.image_size = 256;
  params.patch_stride = 1;
  params.patch_kernel = 1;
  return params;
}

static void
seg_tiny_vit_free (gpointer data)
{
  SegTinyVit *self = data;

  for (int s = 0; s < N_STAGES; s++)
    for (int d = 0; d < MAX_DEPTH; d++)
      seg_tensor_clear (&self->blocks[s][d].bias);
  g_free (self);
}

static ConvNorm
conv_norm_new (SegModule *module, const char *name, int in, int out, int kernel, int stride,
               int groups, SegAct act)
{
  g_autofree char *conv_name = g_strconcat (name, ".c", NULL);
  g_autofree char *norm_name = g_strconcat (name, ".bn", NULL);
  SegConvParams conv_params = seg_conv_params (2, stride, kernel / 2);
  SegNormParams norm_params = seg_batch_norm_params (act);

  conv_params.groups = groups;
  return (ConvNorm){
    .conv = seg_conv_layer_new (module, conv_name, in, out, kernel, &conv_params, FALSE),
    .norm = seg_norm_layer_new (module, norm_name, out, &norm_params),
  };
}

static SegTensor *
conv_norm_forward (const ConvNorm *self, SegTensor *x)
{
  g_autoptr (SegTensor) y = seg_conv_layer_forward (self->conv, x);

  return seg_norm_layer_forward (self->norm, y);
}

static Bottleneck
bottleneck_new (SegModule *module, int in, int middle, int out, int stride)
{
  return (Bottleneck){
    .conv1 = conv_norm_new (module, "conv1", in, middle, 1, 1, 1, SEG_ACT_GELU),
    .conv2 = conv_norm_new (module, "conv2", middle, middle, 3, stride, middle, SEG_ACT_GELU),
    .conv3 = conv_norm_new (module, "conv3", middle, out, 1, 1, 1, SEG_ACT_NONE),
  };
}

static SegTensor *
bottleneck_forward (const Bottleneck *self, SegTensor *x)
{
  g_autoptr (SegTensor) y = conv_norm_forward (&self->conv1, x);

  seg_tensor_set (&y, conv_norm_forward (&self->conv2, y));
  return conv_norm_forward (&self->conv3, y);
}

static void
block_init (Block *self, SegModule *module, int dim, int heads, int window)
{
  const SegNormParams norm = seg_layer_norm_params (1e-5);
  SegModule *attention = seg_module_child (module, "attn");
  SegModule *mlp = seg_module_child (module, "mlp");

  self->norm = seg_norm_layer_new (attention, "norm", dim, &norm);
  self->qkv = seg_linear_layer_new (attention, "qkv", dim, 3 * dim, TRUE);
  self->proj = seg_linear_layer_new (attention, "proj", dim, dim, TRUE);
  self->attention_biases =
      seg_module_add_parameter (attention, "attention_biases", SEG_SHAPE (heads, window * window));
  self->local_conv = conv_norm_new (module, "local_conv", dim, dim, 3, 1, dim, SEG_ACT_NONE);
  self->mlp_norm = seg_norm_layer_new (mlp, "norm", dim, &norm);
  self->fc1 = seg_linear_layer_new (mlp, "fc1", dim, EXPANSION * dim, TRUE);
  self->fc2 = seg_linear_layer_new (mlp, "fc2", EXPANSION * dim, dim, TRUE);
}

static SegModule *
child_number (SegModule *parent, const char *format, int number)
{
  g_autofree char *index = g_strdup_printf ("%d", number);

  return seg_module_child (seg_module_child (parent, format), index);
}

static void
make_stages (SegTinyVit *self)
{
  const SegTinyVitParams *p = &self->params;

  for (int s = 0; s < N_STAGES; s++)
    {
      SegModule *stage = child_number (self->root, "layers", s);

      for (int d = 0; d < p->depths[s]; d++)
        {
          SegModule *module = child_number (stage, "blocks", d);

          if (s == 0)
            self->first[d] =
                bottleneck_new (module, p->dims[0], EXPANSION * p->dims[0], p->dims[0], 1);
          else
            block_init (&self->blocks[s][d], module, p->dims[s], p->heads[s], p->windows[s]);
        }
      /* The last step widens without losing resolution. */
      if (s < N_STAGES - 1)
        self->downsample[s] =
            bottleneck_new (seg_module_child (stage, "downsample"), p->dims[s], p->dims[s + 1],
                            p->dims[s + 1], s == N_STAGES - 2 ? 1 : 2);
    }
}

SegTinyVit *
seg_tiny_vit_new (SegModule *parent, const char *name, const SegTinyVitParams *params)
{
  SegTinyVit *self = g_new0 (SegTinyVit, 1);
  const SegNormParams norm = seg_layer_norm_params (1e-6);
  const SegConvParams conv1 = seg_conv_params (2, 1, 0), conv3 = seg_conv_params (2, 1, 1);
  const int first = params->dims[0];
  SegModule *patch;

  for (int s = 0; s < N_STAGES; s++)
    g_assert (params->depths[s] <= MAX_DEPTH);
  self->params = *params;
  self->root = seg_module_child (parent, name);
  seg_module_own (self->root, self, seg_tiny_vit_free);

  patch = seg_module_child (self->root, "patch_embed");
  self->patch[0] = conv_norm_new (patch, "seq.0", 3, first / 2, params->patch_kernel,
                                  params->patch_stride, 1, SEG_ACT_GELU);
  self->patch[1] = conv_norm_new (patch, "seq.2", first / 2, first, params->patch_kernel,
                                  params->patch_stride, 1, SEG_ACT_NONE);
  make_stages (self);
  self->neck_conv[0] = seg_conv_layer_new (self->root, "neck.0", params->dims[N_STAGES - 1],
                                           params->out_channels, 1, &conv1, FALSE);
  self->neck_norm[0] = seg_norm_layer_new (self->root, "neck.1", params->out_channels, &norm);
  self->neck_conv[1] = seg_conv_layer_new (self->root, "neck.2", params->out_channels,
                                           params->out_channels, 3, &conv3, FALSE);
  self->neck_norm[1] = seg_norm_layer_new (self->root, "neck.3", params->out_channels, &norm);
  return self;
}

/* Files interleave [head][q k v][d] along the projection's outputs; attention reads [q k
 * v][head][d].
 * @columns: values of one output. */
static gboolean
reorder_projection (SegTensor *tensor, int heads, int dim, int columns)
{
  const int depth = dim / heads;
  g_autofree float *from = g_new (float, (gsize) 3 * dim * columns);
  g_autofree float *to = g_new (float, (gsize) 3 * dim * columns);

  if (!seg_tensor_download (tensor, SEG_DTYPE_F32, from))
    return FALSE;
  for (int h = 0; h < heads; h++)
    for (int which = 0; which < 3; which++)
      for (int d = 0; d < depth; d++)
        {
          const float *src = from + (gsize) ((h * 3 + which) * depth + d) * columns;
          float *dst = to + (gsize) ((which * heads + h) * depth + d) * columns;

          for (int c = 0; c < columns; c++)
            dst[c] = src[c];
        }
  return seg_tensor_upload (tensor, SEG_DTYPE_F32, to);
}

/* A pair of tokens of a window shares its bias with all of the same |Δy|, |Δx|. */
static SegTensor *
expand_bias (SegTensor *table, int heads, int window)
{
  const int n_tokens = window * window;
  g_autofree float *values = g_new (float, (gsize) heads *n_tokens);
  g_autofree float *bias = g_new (float, (gsize) heads *n_tokens *n_tokens);
  float *out = bias;

  if (!seg_tensor_download (table, SEG_DTYPE_F32, values))
    return NULL;
  for (int h = 0; h < heads; h++)
    for (int q = 0; q < n_tokens; q++)
      for (int k = 0; k < n_tokens; k++)
        {
          int dy = ABS (q / window - k / window), dx = ABS (q % window - k % window);

          *out++ = values[h * n_tokens + dy * window + dx];
        }
  {
    const gint64 shape[4] = { 1, heads, n_tokens, n_tokens };
    SegTensor *expanded =
        seg_tensor_new_plain (seg_tensor_get_context (table), SEG_DTYPE_F32, 4, shape);

    seg_tensor_upload (expanded, SEG_DTYPE_F32, bias);
    return expanded;
  }
}

gboolean
seg_tiny_vit_prepare (SegTinyVit *self)
{
  const SegTinyVitParams *p = &self->params;

  g_return_val_if_fail (!self->prepared, FALSE);

  for (int s = 1; s < N_STAGES; s++)
    for (int d = 0; d < p->depths[s]; d++)
      {
        Block *block = &self->blocks[s][d];

        if (!reorder_projection (block->qkv->weight, p->heads[s], p->dims[s], p->dims[s])
            || !reorder_projection (block->qkv->bias, p->heads[s], p->dims[s], 1))
          return FALSE;
        block->bias = expand_bias (block->attention_biases, p->heads[s], p->windows[s]);
        if (block->bias == NULL)
          return FALSE;
      }
  self->prepared = TRUE;
  return TRUE;
}

/* The raw input is padded and cut into windows before the norm, so that padding enters attention as
 * the norm's bias, unmasked. */
static SegTensor *
block_attention (const Block *self, SegTensor *x, int heads, int window)
{
  const gint64 n = seg_tensor_get_size (x, 0), dim = seg_tensor_get_size (x, 1);
  const SegAttentionParams params = { .heads = heads,
                                      .scale = 1 / sqrt ((double) dim / heads),
                                      .grid = { 0, 0 } };
  g_autoptr (SegTensor) y = seg_window_partition (x, window);
  g_autoptr (SegTensor) q = NULL;
  g_autoptr (SegTensor) k = NULL;
  g_autoptr (SegTensor) v = NULL;

  seg_tensor_set (&y, seg_norm_layer_forward (self->norm, y));
  seg_tensor_set (&y, seg_linear_layer_forward (self->qkv, y));
  q = seg_slice (y, 2, 0, dim);
  k = seg_slice (y, 2, dim, dim);
  v = seg_slice (y, 2, 2 * dim, dim);
  seg_tensor_set (&y, seg_attention (q, k, v, self->bias, NULL, NULL, &params));
  seg_tensor_set (&y, seg_linear_layer_forward (self->proj, y));
  return seg_window_merge (y, window, n, seg_tensor_get_size (x, 2), seg_tensor_get_size (x, 3));
}

static SegTensor *
block_forward (const Block *self, SegTensor *input, int heads, int window)
{
  g_autoptr (SegTensor) y = block_attention (self, input, heads, window);
  g_autoptr (SegTensor) x = seg_add (input, y);

  seg_tensor_set (&x, conv_norm_forward (&self->local_conv, x));
  seg_tensor_set (&y, seg_norm_layer_forward (self->mlp_norm, x));
  seg_tensor_set (&y, seg_linear_layer_forward_act (self->fc1, y, SEG_ACT_GELU));
  seg_tensor_set (&y, seg_linear_layer_forward (self->fc2, y));
  return seg_add (x, y);
}

/* An inverted bottleneck with a shortcut, activated after the sum. */
static SegTensor *
first_forward (const Bottleneck *self, SegTensor *x)
{
  g_autoptr (SegTensor) y = bottleneck_forward (self, x);

  seg_tensor_set (&y, seg_add (x, y));
  return seg_gelu (y);
}

SegTensor *
seg_tiny_vit_forward (SegTinyVit *self, SegTensor *image)
{
  const SegTinyVitParams *p = &self->params;
  g_autoptr (SegTensor) x = NULL;

  g_return_val_if_fail (self->prepared, NULL);

  x = conv_norm_forward (&self->patch[0], image);
  seg_tensor_set (&x, conv_norm_forward (&self->patch[1], x));
  for (int s = 0; s < N_STAGES; s++)
    {
      for (int d = 0; d < p->depths[s]; d++)
        seg_tensor_set (
            &x, s == 0 ? first_forward (&self->first[d], x)
                       : block_forward (&self->blocks[s][d], x, p->heads[s], p->windows[s]));
      if (s < N_STAGES - 1)
        seg_tensor_set (&x, bottleneck_forward (&self->downsample[s], x));
    }
  for (int n = 0; n < 2; n++)
    {
      seg_tensor_set (&x, seg_conv_layer_forward (self->neck_conv[n], x));
      seg_tensor_set (&x, seg_norm_layer_forward (self->neck_norm[n], x));
    }
  return g_steal_pointer (&x);
}
