/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/nn/layers.h"
#include "seg/tensor/context.h"

#include <math.h>

/* Draws in the logical order, so that a seed gives the same weights on every device. */
static void
init_random (SegTensor *parameter, gboolean normal, double a, double b)
{
  SegTensor *drawn;

  if (parameter == NULL)
    return;
  if (normal)
    drawn = seg_tensor_new_normal (seg_tensor_get_context (parameter), SEG_DTYPE_F32, 1,
                                   (gint64[]){ seg_tensor_get_n_elements (parameter) }, a, b);
  else
    drawn = seg_tensor_new_uniform (seg_tensor_get_context (parameter), SEG_DTYPE_F32, 1,
                                    (gint64[]){ seg_tensor_get_n_elements (parameter) }, a, b);
  if (drawn != NULL)
    {
      g_autoptr (SegTensor) shaped =
          seg_reshape (drawn, seg_tensor_get_rank (parameter), seg_tensor_get_shape (parameter));

      seg_assign (parameter, shaped);
    }
  seg_tensor_unref (drawn);
}

void
seg_init_uniform (SegTensor *parameter, double bound)
{
  init_random (parameter, FALSE, -bound, bound);
}

void
seg_init_normal (SegTensor *parameter, double mean, double sd)
{
  init_random (parameter, TRUE, mean, sd);
}

/* By the inverse of the distribution function: one draw for each value. */
void
seg_init_truncated_normal (SegTensor *parameter, double sd)
{
  const gint64 n = seg_tensor_get_n_elements (parameter);
  g_autofree float *values = NULL;
  SegContext *context = seg_tensor_get_context (parameter);
  g_autoptr (SegTensor) drawn = NULL;

  if (parameter == NULL)
    return;
  drawn = seg_tensor_new_uniform (context, SEG_DTYPE_F32, 1, &n, 0, 1);
  values = g_try_new (float, MAX (n, 1));
  if (values == NULL || !seg_tensor_download (drawn, SEG_DTYPE_F32, values))
    return;
  for (gint64 i = 0; i < n; i++)
    {
      /* bisection on erf: exact enough, and this runs once */
      const double target = erf (-M_SQRT2) + values[i] * 2 * erf (M_SQRT2);
      double low = -M_SQRT2, high = M_SQRT2;

      for (int step = 0; step < 40; step++)
        {
          const double middle = 0.5 * (low + high);

          if (erf (middle) < target)
            low = middle;
          else
            high = middle;
        }
      values[i] = (float) (sd * M_SQRT2 * 0.5 * (low + high));
    }
  seg_tensor_upload (parameter, SEG_DTYPE_F32, values);
}

static double
get_fan_in (SegTensor *weight)
{
  return (double) seg_tensor_get_n_elements (weight) / MAX (seg_tensor_get_size (weight, 0), 1);
}

void
seg_init_default (SegTensor *weight, SegTensor *bias)
{
  double bound;

  if (weight == NULL)
    return;
  bound = 1 / sqrt (MAX (get_fan_in (weight), 1));
  seg_init_uniform (weight, bound);
  seg_init_uniform (bias, bound);
}

void
seg_init_kaiming_fan_out (SegTensor *weight)
{
  double fan_out;

  if (weight == NULL)
    return;
  fan_out = (double) seg_tensor_get_n_elements (weight) / MAX (seg_tensor_get_size (weight, 1), 1);
  seg_init_normal (weight, 0, sqrt (2 / MAX (fan_out, 1)));
}

void
seg_init_xavier_uniform (SegTensor *weight)
{
  double fan_out;

  if (weight == NULL)
    return;
  fan_out = (double) seg_tensor_get_n_elements (weight) / MAX (seg_tensor_get_size (weight, 1), 1);
  seg_init_uniform (weight, sqrt (6 / MAX (get_fan_in (weight) + fan_out, 1)));
}

SegConvLayer *
seg_conv_layer_new (SegModule *parent, const char *name, gint64 in_channels, gint64 out_channels,
                    int kernel, const SegConvParams *params, gboolean with_bias)
{
  SegModule *module = seg_module_child (parent, name);
  SegConvLayer *self = seg_module_own (module, g_new0 (SegConvLayer, 1), g_free);
  const int groups = MAX (params->groups, 1);
  gint64 shape[5] = { out_channels, in_channels / groups, kernel, kernel, kernel };

  if (params->transposed)
    {
      shape[0] = in_channels;
      shape[1] = out_channels / groups;
    }
  self->params = *params;
  self->weight = seg_module_add_parameter (module, "weight", 2 + params->n_spatial, shape);
  if (with_bias)
    self->bias = seg_module_add_parameter (module, "bias", 1, &out_channels);
  seg_init_default (self->weight, self->bias);
  return self;
}

SegTensor *
seg_conv_layer_forward (SegConvLayer *self, SegTensor *x)
{
  return seg_conv (x, self->weight, self->bias, &self->params);
}

SegNormParams
seg_batch_norm_params (SegAct act)
{
  return (SegNormParams){ .kind = SEG_NORM_BATCH, .eps = 1e-5, .momentum = 0.1, .act = act };
}

SegNormParams
seg_group_norm_params (int groups, SegAct act)
{
  return (SegNormParams){ .kind = SEG_NORM_GROUP, .groups = groups, .eps = 1e-5, .act = act };
}

SegNormParams
seg_instance_norm_params (SegAct act)
{
  return (SegNormParams){ .kind = SEG_NORM_INSTANCE, .eps = 1e-5, .act = act };
}

SegNormParams
seg_layer_norm_params (double eps)
{
  return (SegNormParams){ .kind = SEG_NORM_LAYER, .eps = eps };
}

SegNormLayer *
seg_norm_layer_new (SegModule *parent, const char *name, gint64 channels,
                    const SegNormParams *params)
{
  SegModule *module = seg_module_child (parent, name);
  SegNormLayer *self = seg_module_own (module, g_new0 (SegNormLayer, 1), g_free);

  self->module = module;
  self->params = *params;
  self->gamma = seg_module_add_parameter (module, "weight", 1, &channels);
  self->beta = seg_module_add_parameter (module, "bias", 1, &channels);
  seg_fill (self->gamma, 1);
  if (params->kind == SEG_NORM_BATCH)
    {
      self->run_mean = seg_module_add_buffer (module, "running_mean", 1, &channels, 0);
      self->run_var = seg_module_add_buffer (module, "running_var", 1, &channels, 1);
    }
  return self;
}

SegTensor *
seg_norm_layer_forward (SegNormLayer *self, SegTensor *x)
{
  SegNormParams params = self->params;

  params.training = seg_module_get_training (self->module);
  return seg_norm (x, self->gamma, self->beta, self->run_mean, self->run_var, &params);
}

SegLinearLayer *
seg_linear_layer_new (SegModule *parent, const char *name, gint64 in_features, gint64 out_features,
                      gboolean with_bias)
{
  SegModule *module = seg_module_child (parent, name);
  SegLinearLayer *self = seg_module_own (module, g_new0 (SegLinearLayer, 1), g_free);

  self->weight =
      seg_module_add_parameter (module, "weight", 2, (gint64[]){ out_features, in_features });
  if (with_bias)
    self->bias = seg_module_add_parameter (module, "bias", 1, &out_features);
  seg_init_default (self->weight, self->bias);
  return self;
}

SegTensor *
seg_linear_layer_forward (SegLinearLayer *self, SegTensor *x)
{
  return seg_linear (x, self->weight, self->bias);
}

SegTensor *
seg_linear_layer_forward_act (SegLinearLayer *self, SegTensor *x, SegAct act)
{
  return seg_linear_act (x, self->weight, self->bias, act);
}

SegTensor *
seg_embedding_new (SegModule *parent, const char *name, gint64 rows, gint64 features)
{
  SegTensor *table = seg_module_add_parameter (seg_module_child (parent, name), "weight", 2,
                                               (gint64[]){ rows, features });

  seg_init_normal (table, 0, 1);
  return table;
}
