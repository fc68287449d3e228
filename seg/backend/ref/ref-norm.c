/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/ref/ref-private.h"

#include <math.h>
#include <stdlib.h>

/* Which statistic and which channel the i-th element belongs to. */
typedef struct
{
  const SegNormParams *params;
  int64_t channels, per_channel, n_sets, per_set;
  int axis;
} Sets;

static Sets
get_sets (const Ref *in, const SegNormParams *params)
{
  Sets s = { .params = params, .axis = in->rank >= 4 ? 1 : in->rank - 1, .per_channel = 1 };

  s.channels = in->shape[s.axis];
  for (int a = s.axis + 1; a < in->rank; a++)
    s.per_channel *= in->shape[a];
  switch (params->kind)
    {
    case SEG_NORM_BATCH:
      s.n_sets = s.channels;
      break;
    case SEG_NORM_LAYER:
      s.n_sets = in->n / s.channels;
      break;
    default:
      s.n_sets = in->shape[0] * params->groups;
    }
  s.per_set = s.n_sets > 0 ? in->n / s.n_sets : 0;
  return s;
}

static int64_t
get_channel (const Sets *s, int64_t i)
{
  return i / s->per_channel % s->channels;
}

static int64_t
get_set (const Sets *s, int64_t i)
{
  const int64_t outer = i / (s->per_channel * s->channels);

  switch (s->params->kind)
    {
    case SEG_NORM_BATCH:
      return get_channel (s, i);
    case SEG_NORM_LAYER:
      return outer * s->per_channel + i % s->per_channel;
    default:
      return outer * s->params->groups + get_channel (s, i) / (s->channels / s->params->groups);
    }
}

static void
measure (const Sets *s, const Ref *in, Ref *mean, Ref *rstd)
{
  for (int64_t k = 0; k < s->n_sets; k++)
    mean->v[k] = rstd->v[k] = 0;
  for (int64_t i = 0; i < in->n; i++)
    mean->v[get_set (s, i)] += in->v[i] / s->per_set;
  for (int64_t i = 0; i < in->n; i++)
    {
      const double gap = in->v[i] - mean->v[get_set (s, i)];

      rstd->v[get_set (s, i)] += gap * gap / s->per_set; /* the variance, until below */
    }
}

static SegStatus
forward (RefCall *call, const SegNormParams *params)
{
  Ref *in = &call->in[0], *gamma = &call->in[1], *beta = &call->in[2];
  Ref *run_mean = &call->in[3], *run_var = &call->in[4];
  Ref *out = &call->out[0], *mean = &call->out[1], *rstd = &call->out[2];
  const Sets s = get_sets (in, params);

  if (params->kind == SEG_NORM_BATCH && params->training == SEG_NORM_AGAIN)
    ;
  else if (params->kind == SEG_NORM_BATCH && !params->training)
    for (int64_t c = 0; c < s.channels; c++)
      {
        mean->v[c] = run_mean->v[c];
        rstd->v[c] = 1 / sqrt (run_var->v[c] + params->eps);
      }
  else
    {
      measure (&s, in, mean, rstd);
      for (int64_t c = 0; run_mean->v != NULL && c < s.channels; c++)
        {
          const double unbiased = rstd->v[c] * s.per_set / (s.per_set > 1 ? s.per_set - 1 : 1);

          seg_ref_store (run_mean->of, seg_ref_offset (run_mean->of, c),
                         (1 - params->momentum) * run_mean->v[c] + params->momentum * mean->v[c]);
          seg_ref_store (run_var->of, seg_ref_offset (run_var->of, c),
                         (1 - params->momentum) * run_var->v[c] + params->momentum * unbiased);
        }
      for (int64_t k = 0; k < s.n_sets; k++)
        rstd->v[k] = 1 / sqrt (rstd->v[k] + params->eps);
    }
  for (int64_t i = 0; i < in->n; i++)
    {
      const int64_t k = get_set (&s, i), c = get_channel (&s, i);
      const double normal = (in->v[i] - mean->v[k]) * rstd->v[k];
      const double affine =
          normal * (gamma->v != NULL ? gamma->v[c] : 1) + (beta->v != NULL ? beta->v[c] : 0);

      out->v[i] = seg_ref_act (params->act, affine, params->act_a, 0);
    }
  return SEG_STATUS_OK;
}

/* With x̂ = (x − mean)·rstd, g = dout·act'(γx̂+β) and h = γ·g:
 * dx = rstd·(h − mean h − x̂·mean (h·x̂)) where statistics depend on x, else rstd·h. */
static SegStatus
backward (RefCall *call, const SegNormParams *params)
{
  Ref *in = &call->in[0], *dout = &call->in[1], *gamma = &call->in[2], *beta = &call->in[3];
  Ref *mean = &call->in[4], *rstd = &call->in[5];
  Ref *din = &call->out[0], *dgamma = &call->out[1], *dbeta = &call->out[2];
  const Sets s = get_sets (in, params);
  const bool constant = params->kind == SEG_NORM_BATCH && !params->training;

  for (int64_t i = 0; i < in->n; i++)
    {
      const int64_t k = get_set (&s, i), c = get_channel (&s, i);
      const double normal = (in->v[i] - mean->v[k]) * rstd->v[k];
      const double scale = gamma->v != NULL ? gamma->v[c] : 1;
      const double affine = normal * scale + (beta->v != NULL ? beta->v[c] : 0);
      const double g = dout->v[i] * seg_ref_act_derivative (params->act, affine, params->act_a, 0);

      if (dgamma->v != NULL)
        dgamma->v[c] += g * normal;
      if (dbeta->v != NULL)
        dbeta->v[c] += g;
      din->v[i] = g * scale;
    }
  if (!constant)
    {
      double *sum = calloc (2 * (s.n_sets > 0 ? s.n_sets : 1), sizeof *sum);
      double *sum_normal = sum + s.n_sets;

      if (sum == NULL)
        return SEG_STATUS_MEMORY;

      for (int64_t i = 0; i < in->n; i++)
        {
          const int64_t k = get_set (&s, i);

          sum[k] += din->v[i] / s.per_set;
          sum_normal[k] += din->v[i] * (in->v[i] - mean->v[k]) * rstd->v[k] / s.per_set;
        }
      for (int64_t i = 0; i < in->n; i++)
        {
          const int64_t k = get_set (&s, i);
          const double normal = (in->v[i] - mean->v[k]) * rstd->v[k];

          din->v[i] -= sum[k] + normal * sum_normal[k];
        }
      free (sum);
    }
  for (int64_t i = 0; i < in->n; i++)
    din->v[i] *= rstd->v[get_set (&s, i)];
  return SEG_STATUS_OK;
}

SegStatus
seg_ref_norm (RefCall *call)
{
  if (call->call->op == SEG_OP_NORM)
    return forward (call, call->call->params);
  return backward (call, call->call->params);
}
