/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/ref/ref-private.h"

#include <math.h>

static void
sgd (RefCall *call, const SegSgdParams *params)
{
  Ref *p = &call->out[0], *m = &call->out[1], *grad = &call->in[0];

  for (int64_t i = 0; i < p->n; i++)
    {
      const double g = grad->v[i] * params->grad_scale + params->decay * p->v[i];
      double step = g;

      if (m->v != NULL)
        {
          m->v[i] = params->first ? g : params->momentum * m->v[i] + g;
          step = params->nesterov ? g + params->momentum * m->v[i] : m->v[i];
        }
      p->v[i] -= params->lr * step;
    }
}

static void
adamw (RefCall *call, const SegAdamwParams *params)
{
  Ref *p = &call->out[0], *m = &call->out[1], *v = &call->out[2], *grad = &call->in[0];
  const double correct1 = 1 - pow (params->beta1, params->step);
  const double correct2 = 1 - pow (params->beta2, params->step);

  for (int64_t i = 0; i < p->n; i++)
    {
      const double g = grad->v[i] * params->grad_scale;

      m->v[i] = params->beta1 * m->v[i] + (1 - params->beta1) * g;
      v->v[i] = params->beta2 * v->v[i] + (1 - params->beta2) * g * g;
      p->v[i] -= params->lr * params->decay * p->v[i];
      p->v[i] -= params->lr * (m->v[i] / correct1) / (sqrt (v->v[i] / correct2) + params->eps);
    }
}

SegStatus
seg_ref_optimise (RefCall *call)
{
  const SegLerpParams *lerp = call->call->params;

  switch (call->call->op)
    {
    case SEG_OP_SGD:
      sgd (call, call->call->params);
      return SEG_STATUS_OK;
    case SEG_OP_ADAMW:
      adamw (call, call->call->params);
      return SEG_STATUS_OK;
    default:
      for (int64_t i = 0; i < call->out[0].n; i++)
        call->out[0].v[i] = lerp->decay * call->out[0].v[i] + (1 - lerp->decay) * call->in[0].v[i];
      return SEG_STATUS_OK;
    }
}
