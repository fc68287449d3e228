/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "seg/nn/module.h"

G_BEGIN_DECLS

/* Layers are made in a parent module under a name and freed with it; their entries are called as
 * PyTorch's ("weight", "bias", "running_mean", "running_var"). Initial values are PyTorch's
 * defaults, drawn from the context's random stream. Forward functions answer (transfer full). */

typedef struct
{
  SegTensor *weight; /* (transfer none), as all members of layers */
  SegTensor *bias;
  SegConvParams params;
} SegConvLayer;

/* Kernels are square. @with_bias FALSE: no bias. */
SegConvLayer *seg_conv_layer_new (SegModule *parent, const char *name, gint64 in_channels,
                                  gint64 out_channels, int kernel, const SegConvParams *params,
                                  gboolean with_bias);
SegTensor *seg_conv_layer_forward (SegConvLayer *self, SegTensor *x);

typedef struct
{
  SegModule *module; /* asked whether it is training */
  SegTensor *gamma;
  SegTensor *beta;
  SegTensor *run_mean;
  SegTensor *run_var;
  SegNormParams params;
} SegNormLayer;

/* params->training is ignored: the module decides. Affine; instance norm too. */
SegNormLayer *seg_norm_layer_new (SegModule *parent, const char *name, gint64 channels,
                                  const SegNormParams *params);
SegTensor *seg_norm_layer_forward (SegNormLayer *self, SegTensor *x);

SegNormParams seg_batch_norm_params (SegAct act); /* eps 1e-5, momentum 0.1 */
SegNormParams seg_group_norm_params (int groups, SegAct act); /* eps 1e-5 */
SegNormParams seg_instance_norm_params (SegAct act); /* eps 1e-5 */
SegNormParams seg_layer_norm_params (double eps);

typedef struct
{
  SegTensor *weight;
  SegTensor *bias;
} SegLinearLayer;

SegLinearLayer *seg_linear_layer_new (SegModule *parent, const char *name, gint64 in_features,
                                      gint64 out_features, gboolean with_bias);
SegTensor *seg_linear_layer_forward (SegLinearLayer *self, SegTensor *x);
SegTensor *seg_linear_layer_forward_act (SegLinearLayer *self, SegTensor *x, SegAct act);

/* Rows of a table, N(0, 1). */
SegTensor *seg_embedding_new (SegModule *parent, const char *name, gint64 rows, gint64 features);

/* Initial values, from the context's random stream. */
void seg_init_uniform (SegTensor *parameter, double bound);
void seg_init_normal (SegTensor *parameter, double mean, double sd);
/* Redrawn until within ±2 sd. */
void seg_init_truncated_normal (SegTensor *parameter, double sd);
/* PyTorch's default of convolutions and linear layers: U(±1/sqrt (fan_in)), fan_in = elements of
 * weight / size of axis 0 (transposed convolutions alike: axis 0 is their input). */
void seg_init_default (SegTensor *weight, SegTensor *bias);
/* He's normal with fan_out. */
void seg_init_kaiming_fan_out (SegTensor *weight);
void seg_init_xavier_uniform (SegTensor *weight);

G_END_DECLS
