/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cuda/device.h"

/* Parameters and their state are F32 and dense alike (op_supported sees to it). */

static void
sgd (SegBackendDevice *device, float *p, float *m, const View &grad, int64_t n,
     const SegSgdParams *params)
{
  const float lr = (float) params->lr, momentum = (float) params->momentum;
  const float decay = (float) params->decay, scale = (float) params->grad_scale;
  const bool nesterov = params->nesterov != 0, first = params->first != 0;

  seg_launch (device, n, [=] SEG_DEVICE (int64_t i) {
    const float g = seg_load (grad, i) * scale + decay * p[i];
    float step = g;

    if (m != nullptr)
      {
        m[i] = first ? g : momentum * m[i] + g;
        step = nesterov ? g + momentum * m[i] : m[i];
      }
    p[i] -= lr * step;
  });
}

static void
adamw (SegBackendDevice *device, float *p, float *m, float *v, const View &grad, int64_t n,
       const SegAdamwParams *params)
{
  const float lr = (float) params->lr, eps = (float) params->eps, decay = (float) params->decay;
  const float beta1 = (float) params->beta1, beta2 = (float) params->beta2;
  const float rest1 = (float) (1 - params->beta1), rest2 = (float) (1 - params->beta2);
  const float correct1 = (float) (1 - std::pow (params->beta1, (double) params->step));
  const float correct2 = (float) (1 - std::pow (params->beta2, (double) params->step));
  const float scale = (float) params->grad_scale;

  seg_launch (device, n, [=] SEG_DEVICE (int64_t i) {
    const float g = seg_load (grad, i) * scale;

    m[i] = beta1 * m[i] + rest1 * g;
    v[i] = beta2 * v[i] + rest2 * g * g;
    p[i] -= lr * decay * p[i];
    p[i] -= lr * (m[i] / correct1) / (sqrtf (v[i] / correct2) + eps);
  });
}

static void
lerp (SegBackendDevice *device, const View &out, const View &in, double decay)
{
  const float kept = (float) decay, rest = (float) (1 - decay);
  const bool alike = seg_is_alike (out, in);

  seg_launch (device, out.n, [=] SEG_DEVICE (int64_t i) {
    const int64_t to = alike ? i : seg_offset (out, i), from = alike ? i : seg_offset (in, i);

    seg_store (out, to, kept * seg_load (out, to) + rest * seg_load (in, from));
  });
}

SegStatus
seg_cuda_optimise (SegBackendDevice *device, const SegBackendCall *call)
{
  const View p = seg_view (call->out[0]), grad = seg_view (call->in[0]);
  float *second = call->n_out > 1 && call->out[1] != nullptr ? (float *) call->out[1]->data : nullptr;

  switch (call->op)
    {
    case SEG_OP_SGD:
      sgd (device, (float *) p.data, second, grad, p.n, (const SegSgdParams *) call->params);
      return SEG_STATUS_OK;
    case SEG_OP_ADAMW:
      adamw (device, (float *) p.data, second, (float *) call->out[2]->data, grad, p.n,
             (const SegAdamwParams *) call->params);
      return SEG_STATUS_OK;
    default:
      lerp (device, p, grad, ((const SegLerpParams *) call->params)->decay);
      return SEG_STATUS_OK;
    }
}
