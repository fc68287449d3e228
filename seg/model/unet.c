/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/model/unet.h"
#include "seg/tensor/context.h"

#define MAX_LEVELS 8

typedef struct
{
  SegConvLayer *conv[2];
  SegNormLayer *norm[2];
} DoubleConv;

struct _SegUnet
{
  SegModule *module;
  SegUnetParams params;
  DoubleConv down[MAX_LEVELS];
  SegConvLayer *up[MAX_LEVELS];
  DoubleConv merge[MAX_LEVELS];
  SegConvLayer *out;
};

static void
complete_params (SegUnetParams *params)
{
  if (params->n_spatial == 0)
    params->n_spatial = 2;
  if (params->in_channels == 0)
    params->in_channels = 1;
  if (params->out_channels == 0)
    params->out_channels = 1;
  if (params->filters == 0)
    params->filters = 64;
  if (params->levels == 0)
    params->levels = 5;
  if (params->act == SEG_ACT_NONE)
    params->act = SEG_ACT_LEAKY_RELU;
}

static SegNormParams
get_norm_params (const SegUnetParams *params, gint64 channels)
{
  SegNormParams norm;

  switch (params->norm)
    {
    case SEG_NORM_GROUP:
      norm = seg_group_norm_params (MIN (params->groups > 0 ? params->groups : 8, channels),
                                    params->act);
      break;
    case SEG_NORM_INSTANCE:
      norm = seg_instance_norm_params (params->act);
      break;
    default:
      norm = seg_batch_norm_params (params->act);
    }
  norm.act_a = 0.01;
  return norm;
}

static void
double_conv_init (SegUnet *self, DoubleConv *block, const char *name, gint64 in, gint64 out)
{
  const SegConvParams conv = seg_conv_params (self->params.n_spatial, 1, 1);
  const SegNormParams norm = get_norm_params (&self->params, out);
  SegModule *module = seg_module_child (self->module, name);

  for (int i = 0; i < 2; i++)
    {
      g_autofree char *conv_name = g_strdup_printf ("double_conv.%d", 3 * i);
      g_autofree char *norm_name = g_strdup_printf ("double_conv.%d", 3 * i + 1);

      block->conv[i] =
          seg_conv_layer_new (module, conv_name, i == 0 ? in : out, out, 3, &conv, FALSE);
      block->norm[i] = seg_norm_layer_new (module, norm_name, out, &norm);
    }
}

static SegTensor *
double_conv_forward (DoubleConv *block, SegTensor *x)
{
  SegTensor *y = seg_tensor_ref (x);

  for (int i = 0; i < 2; i++)
    {
      seg_tensor_set (&y, seg_conv_layer_forward (block->conv[i], y));
      seg_tensor_set (&y, seg_norm_layer_forward (block->norm[i], y));
    }
  return y;
}

SegUnet *
seg_unet_new (SegContext *context, const SegUnetParams *params)
{
  SegUnet *self = g_new0 (SegUnet, 1);
  SegConvParams up, one;
  gint64 filters;

  self->params = *params;
  complete_params (&self->params);
  g_return_val_if_fail (self->params.levels >= 2 && self->params.levels <= MAX_LEVELS, NULL);
  self->module = seg_module_new (context);
  filters = self->params.filters;
  double_conv_init (self, &self->down[0], "inc", self->params.in_channels, filters);
  for (int l = 1; l < self->params.levels; l++, filters *= 2)
    {
      g_autofree char *name = g_strdup_printf ("down%d.maxpool_conv.1", l);

      double_conv_init (self, &self->down[l], name, filters, 2 * filters);
    }
  up = seg_conv_transposed_params (self->params.n_spatial, 2, 0);
  for (int l = 1; l < self->params.levels; l++, filters /= 2)
    {
      g_autofree char *up_name = g_strdup_printf ("up%d.up", l);
      g_autofree char *name = g_strdup_printf ("up%d.conv", l);

      self->up[l] = seg_conv_layer_new (self->module, up_name, filters, filters / 2, 2, &up, TRUE);
      double_conv_init (self, &self->merge[l], name, filters, filters / 2);
    }
  one = seg_conv_params (self->params.n_spatial, 1, 0);
  self->out = seg_conv_layer_new (self->module, "outc.conv", filters, self->params.out_channels, 1,
                                  &one, TRUE);
  return self;
}

void
seg_unet_free (SegUnet *self)
{
  if (self == NULL)
    return;
  seg_module_unref (self->module);
  g_free (self);
}

SegModule *
seg_unet_get_module (SegUnet *self)
{
  return self->module;
}

/* Zeros around, so that an odd side's half fits again; low side gets the floor half. */
static SegTensor *
pad_to (SegTensor *x, SegTensor *like)
{
  gint64 before[SEG_MAX_RANK] = { 0 }, after[SEG_MAX_RANK] = { 0 };
  gboolean any = FALSE;

  if (x == NULL || like == NULL)
    return NULL;
  for (int a = 2; a < seg_tensor_get_rank (x); a++)
    {
      const gint64 missing = seg_tensor_get_size (like, a) - seg_tensor_get_size (x, a);

      before[a] = missing / 2;
      after[a] = missing - missing / 2;
      any = any || missing > 0;
    }
  return any ? seg_pad (x, before, after, 0) : seg_tensor_ref (x);
}

SegTensor *
seg_unet_forward (SegUnet *self, SegTensor *x)
{
  const int levels = self->params.levels;
  SegTensor *skips[MAX_LEVELS] = { NULL };
  g_autoptr (SegTensor) y = NULL;
  g_autoptr (SegTensor) logits = NULL;

  if (x == NULL)
    return NULL;
  y = double_conv_forward (&self->down[0], x);
  for (int l = 1; l < levels; l++)
    {
      skips[l - 1] = seg_tensor_ref (y);
      seg_tensor_set (&y, seg_max_pool (y, 2, 2, 0));
      seg_tensor_set (&y, double_conv_forward (&self->down[l], y));
    }
  for (int l = 1; l < levels; l++)
    {
      SegTensor *skip = skips[levels - 1 - l];

      seg_tensor_set (&y, seg_conv_layer_forward (self->up[l], y));
      seg_tensor_set (&y, pad_to (y, skip));
      seg_tensor_set (&y, seg_concat (2, (SegTensor *[]){ skip, y }, 1));
      seg_tensor_unref (skip);
      seg_tensor_set (&y, double_conv_forward (&self->merge[l], y));
    }
  logits = seg_conv_layer_forward (self->out, y);
  return seg_cast (logits, SEG_DTYPE_F32);
}
