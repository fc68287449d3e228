/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/ref/ref-private.h"

#include <math.h>

/* N C X..: positions are (n, x); channel c of position i is at base + c·inner. */
typedef struct
{
  int64_t channels, inner, n_positions;
} Map;

static Map
get_map (const Ref *scores)
{
  Map m = { scores->shape[1], 1, 0 };

  for (int a = 2; a < scores->rank; a++)
    m.inner *= scores->shape[a];
  m.n_positions = scores->shape[0] * m.inner;
  return m;
}

static int64_t
get_base (const Map *m, int64_t i)
{
  return i / m->inner * m->channels * m->inner + i % m->inner;
}

/* −1 where the target is to be left out. */
static int64_t
get_class (const Map *m, const Ref *target, int64_t i, int64_t ignore)
{
  const double t = target->v[i];

  return t < 0 || t >= m->channels || (ignore >= 0 && t == ignore) ? -1 : (int64_t) t;
}

static void
cross_entropy (RefCall *call, const SegCrossEntropyParams *params, bool back)
{
  Ref *logits = &call->in[0], *target = &call->in[1], *weight = &call->in[2];
  Ref *class_weight = &call->in[3];
  const Map m = get_map (logits);
  double loss = 0, total = 0;

  for (int64_t i = 0; i < m.n_positions; i++)
    {
      const int64_t base = get_base (&m, i), c = get_class (&m, target, i, params->ignore);
      double w = c < 0 ? 0 : weight->v != NULL ? weight->v[i] : 1, top = -INFINITY, sum = 0;

      if (c >= 0 && class_weight->v != NULL)
        w *= class_weight->v[c];
      for (int64_t k = 0; k < m.channels; k++)
        top = fmax (top, logits->v[base + k * m.inner]);
      for (int64_t k = 0; k < m.channels; k++)
        sum += exp (logits->v[base + k * m.inner] - top);
      for (int64_t k = 0; back && k < m.channels; k++)
        {
          const double p = exp (logits->v[base + k * m.inner] - top) / sum;

          call->out[0].v[base + k * m.inner] = w == 0 ? 0 : call->in[4].v[0] * w * (p - (k == c));
        }
      if (w == 0)
        continue;
      loss += w * (top + log (sum) - logits->v[base + c * m.inner]);
      total += w;
    }
  if (!back)
    {
      call->out[0].v[0] = loss;
      call->out[0].v[1] = total;
    }
}

static void
overlap (RefCall *call, const SegOverlapParams *params, bool back)
{
  Ref *p = &call->in[0], *target = &call->in[1], *mask = &call->in[2];
  const Map m = get_map (p);
  const bool soft = target->rank == p->rank;
  double *sums = back ? call->in[3].v : call->out[0].v;

  for (int64_t k = 0; !back && k < 3 * m.channels; k++)
    sums[k] = 0;
  for (int64_t i = 0; i < m.n_positions; i++)
    {
      const int64_t base = get_base (&m, i);
      const int64_t c = soft ? 0 : get_class (&m, target, i, params->ignore);
      const double w = c < 0 ? 0 : mask->v != NULL ? mask->v[i] : 1;

      for (int64_t k = 0; k < m.channels; k++)
        {
          const double x = p->v[base + k * m.inner];
          const double y = soft ? target->v[base + k * m.inner] : k == c;

          if (back)
            call->out[0].v[base + k * m.inner] =
                w == 0 ? 0
                       : w * (sums[k] * y + sums[m.channels + k] * (params->square ? 2 * x : 1));
          else if (w != 0)
            {
              sums[k] += w * x * y;
              sums[m.channels + k] += w * (params->square ? x * x : x);
              sums[2 * m.channels + k] += w * (params->square ? y * y : y);
            }
        }
    }
}

/* l = (1−y)·x + (1 + (w−1)·y)·softplus (−x) */
static void
bce (RefCall *call, bool back)
{
  Ref *x = &call->in[0], *y = &call->in[1], *pos_weight = &call->in[2], *out = &call->out[0];
  const Map m = x->rank >= 2 ? get_map (x) : (Map){ 1, x->n, 1 };

  for (int64_t i = 0; i < x->n; i++)
    {
      const double w = pos_weight->v != NULL ? pos_weight->v[i / m.inner % m.channels] : 1;
      const double factor = 1 + (w - 1) * y->v[i];
      const double softplus = fmax (-x->v[i], 0) + log1p (exp (-fabs (x->v[i])));

      out->v[i] = back ? call->in[3].v[i] * (1 - y->v[i] - factor / (1 + exp (x->v[i])))
                       : (1 - y->v[i]) * x->v[i] + factor * softplus;
    }
}

SegStatus
seg_ref_loss (RefCall *call)
{
  const void *params = call->call->params;

  switch (call->call->op)
    {
    case SEG_OP_CROSS_ENTROPY:
      cross_entropy (call, params, false);
      return SEG_STATUS_OK;
    case SEG_OP_CROSS_ENTROPY_BACKWARD:
      cross_entropy (call, params, true);
      return SEG_STATUS_OK;
    case SEG_OP_OVERLAP:
      overlap (call, params, false);
      return SEG_STATUS_OK;
    case SEG_OP_OVERLAP_BACKWARD:
      overlap (call, params, true);
      return SEG_STATUS_OK;
    case SEG_OP_BCE:
      bce (call, false);
      return SEG_STATUS_OK;
    default:
      bce (call, true);
      return SEG_STATUS_OK;
    }
}
