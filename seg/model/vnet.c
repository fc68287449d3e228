/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/model/vnet.h"
#include "seg/tensor/context.h"

#define MAX_LEVELS 5
#define MAX_UNITS 3

/* convolution → norm → ReLU, or convolution → ReLU → norm → dropout */
typedef struct
{
  SegConvLayer *conv;
  SegNormLayer *norm;
  gboolean drops;
} Unit;

typedef struct
{
  Unit units[MAX_UNITS];
  int n_units;
} Block;

struct _SegVnet
{
  SegModule *module;
  SegVnetParams params;
  Block encoder[MAX_LEVELS];
  Unit down[MAX_LEVELS - 1];
  Unit up[MAX_LEVELS - 1];
  Block decoder[MAX_LEVELS - 1];
  SegConvLayer *out;
};

/* Blocks are numbered through: encoder, bottom, decoder. */
static const char *const block_names[2 * MAX_LEVELS - 1] = {
  "block_one", "block_two",   "block_three", "block_four", "block_five",
  "block_six", "block_seven", "block_eight", "block_nine",
};

static void
complete_params (SegVnetParams *params)
{
  if (params->in_channels == 0)
    params->in_channels = 1;
  if (params->n_classes == 0)
    params->n_classes = 2;
  if (params->filters == 0)
    params->filters = 16;
  if (params->levels == 0)
    params->levels = MAX_LEVELS;
}

static SegNormParams
get_norm_params (const SegVnetParams *params, gint64 channels)
{
  const SegAct act = params->order == SEG_VNET_CONV_NORM_ACT ? SEG_ACT_RELU : SEG_ACT_NONE;

  switch (params->norm)
    {
    case SEG_NORM_GROUP:
      return seg_group_norm_params (MIN (params->groups > 0 ? params->groups : 16, channels), act);
    case SEG_NORM_INSTANCE:
      return seg_instance_norm_params (act);
    default:
      return seg_batch_norm_params (act);
    }
}

/* @index: of the convolution within the published code's Sequential (conv, norm, ReLU) */
static Unit
unit_new (SegVnet *self, SegModule *module, int index, gint64 in, gint64 out, int kernel,
          const SegConvParams *conv, gboolean drops)
{
  g_autofree char *conv_name = g_strdup_printf ("conv.%d", index);
  g_autofree char *norm_name = NULL;
  const SegNormParams norm = get_norm_params (&self->params, out);
  Unit unit = { NULL, NULL, drops };

  unit.conv = seg_conv_layer_new (module, conv_name, in, out, kernel, conv, TRUE);
  norm_name =
      g_strdup_printf ("conv.%d", index + (self->params.order == SEG_VNET_CONV_ACT_NORM ? 2 : 1));
  unit.norm = seg_norm_layer_new (module, norm_name, out, &norm);
  return unit;
}

static SegTensor *
unit_forward (SegVnet *self, Unit *unit, SegTensor *x)
{
  g_autoptr (SegTensor) y = seg_conv_layer_forward (unit->conv, x);

  if (self->params.order == SEG_VNET_CONV_ACT_NORM)
    seg_tensor_set (&y, seg_relu (y));
  seg_tensor_set (&y, seg_norm_layer_forward (unit->norm, y));
  if (unit->drops && seg_module_get_training (self->module))
    seg_tensor_set (&y, seg_dropout_channels (y, self->params.unit_dropout));
  return g_steal_pointer (&y);
}

static void
block_init (SegVnet *self, Block *block, const char *name, int n_units, gint64 in, gint64 out)
{
  const SegConvParams conv = seg_conv_params (3, 1, 1);
  const gboolean drops =
      self->params.order == SEG_VNET_CONV_ACT_NORM && self->params.unit_dropout > 0;
  SegModule *module = seg_module_child (self->module, name);

  block->n_units = n_units;
  for (int u = 0; u < n_units; u++)
    block->units[u] =
        unit_new (self, module, (drops ? 4 : 3) * u, u == 0 ? in : out, out, 3, &conv, drops);
}

static SegTensor *
block_forward (SegVnet *self, Block *block, SegTensor *x)
{
  SegTensor *y = seg_tensor_ref (x);

  for (int u = 0; u < block->n_units; u++)
    seg_tensor_set (&y, unit_forward (self, &block->units[u], y));
  return y;
}

/* How many units at a level: 1, 2, 3, 3, … */
static int
count_units (int level)
{
  return MIN (level + 1, MAX_UNITS);
}

static void
add_levels (SegVnet *self)
{
  const SegConvParams down = seg_conv_params (3, 2, 0);
  const SegConvParams up = seg_conv_transposed_params (3, 2, 0);
  const int levels = self->params.levels;
  gint64 filters = self->params.filters;

  for (int l = 0; l < levels; l++, filters *= 2)
    {
      block_init (self, &self->encoder[l], block_names[l], count_units (l),
                  l == 0 ? self->params.in_channels : filters, filters);
      if (l + 1 < levels)
        {
          g_autofree char *name = g_strconcat (block_names[l], "_dw", NULL);

          self->down[l] = unit_new (self, seg_module_child (self->module, name), 0, filters,
                                    2 * filters, 2, &down, FALSE);
        }
    }
  filters /= 2;
  for (int l = levels - 2; l >= 0; l--, filters /= 2)
    {
      const int number = 2 * (levels - 1) - l; /* of the block after this step up */
      g_autofree char *name = g_strconcat (block_names[number - 1], "_up", NULL);

      self->up[l] = unit_new (self, seg_module_child (self->module, name), 0, filters, filters / 2,
                              2, &up, FALSE);
      block_init (self, &self->decoder[l], block_names[number], count_units (l), filters / 2,
                  filters / 2);
    }
}

SegVnet *
seg_vnet_new (SegContext *context, const SegVnetParams *params)
{
  const SegConvParams one = seg_conv_params (3, 1, 0);
  SegVnet *self = g_new0 (SegVnet, 1);

  self->params = *params;
  complete_params (&self->params);
  g_return_val_if_fail (self->params.levels >= 2 && self->params.levels <= MAX_LEVELS, NULL);
  self->module = seg_module_new (context);
  add_levels (self);
  self->out = seg_conv_layer_new (self->module, "out_conv", self->params.filters,
                                  self->params.n_classes, 1, &one, TRUE);
  return self;
}

void
seg_vnet_free (SegVnet *self)
{
  if (self == NULL)
    return;
  seg_module_unref (self->module);
  g_free (self);
}

SegModule *
seg_vnet_get_module (SegVnet *self)
{
  return self->module;
}

static gboolean
check_input (SegVnet *self, SegTensor *x)
{
  const gint64 step = G_GINT64_CONSTANT (1) << (self->params.levels - 1);
  gboolean good =
      seg_tensor_get_rank (x) == 5 && seg_tensor_get_size (x, 1) == self->params.in_channels;

  for (int a = 2; good && a < 5; a++)
    good = seg_tensor_get_size (x, a) % step == 0 && seg_tensor_get_size (x, a) > 0;
  if (!good)
    {
      g_autofree char *text = seg_tensor_describe (x);

      seg_context_fail (seg_tensor_get_context (x), SEG_ERROR_MISMATCH,
                        "V-Net needs N %d D H W with sides that are multiples of %d, not %s",
                        self->params.in_channels, (int) step, text);
    }
  return good;
}

SegTensor *
seg_vnet_forward (SegVnet *self, SegTensor *x, SegTensor **features)
{
  const int deepest = self->params.levels - 1;
  const double dropout = seg_module_get_training (self->module) ? self->params.dropout : 0;
  SegTensor *skips[MAX_LEVELS] = { NULL };
  g_autoptr (SegTensor) y = NULL;
  g_autoptr (SegTensor) logits = NULL;

  if (x == NULL || !check_input (self, x))
    return NULL;
  y = seg_tensor_ref (x);
  for (int l = 0; l <= deepest; l++)
    {
      seg_tensor_set (&y, block_forward (self, &self->encoder[l], y));
      if (l == deepest)
        break;
      skips[l] = seg_tensor_ref (y);
      seg_tensor_set (&y, unit_forward (self, &self->down[l], y));
    }
  seg_tensor_set (&y, seg_dropout_channels (y, dropout));
  for (int l = deepest - 1; l >= 0; l--)
    {
      seg_tensor_set (&y, unit_forward (self, &self->up[l], y));
      seg_tensor_set (&y, seg_add (y, skips[l]));
      seg_tensor_clear (&skips[l]);
      seg_tensor_set (&y, block_forward (self, &self->decoder[l], y));
    }
  seg_tensor_set (&y, seg_dropout_channels (y, dropout));
  if (features != NULL)
    *features = seg_tensor_ref (y);
  logits = seg_conv_layer_forward (self->out, y);
  if (seg_tensor_get_dtype (logits) == SEG_DTYPE_F64)
    return g_steal_pointer (&logits);
  return seg_cast (logits, SEG_DTYPE_F32);
}
