/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/ref/ref-private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double
logistic (double x)
{
  return 1 / (1 + exp (-x));
}

double
seg_ref_act (SegAct act, double x, double a, double b)
{
  switch (act)
    {
    case SEG_ACT_NONE:
      return x;
    case SEG_ACT_RELU:
      return x > 0 ? x : 0 * x; /* NaN stays NaN */
    case SEG_ACT_LEAKY_RELU:
      return x > 0 ? x : a * x;
    case SEG_ACT_GELU:
      return 0.5 * x * (1 + erf (x * M_SQRT1_2));
    case SEG_ACT_GELU_TANH:
      return 0.5 * x * (1 + tanh (sqrt (2 / M_PI) * (x + 0.044715 * x * x * x)));
    case SEG_ACT_SILU:
      return x * logistic (x);
    case SEG_ACT_SIGMOID:
      return logistic (x);
    case SEG_ACT_TANH:
      return tanh (x);
    case SEG_ACT_EXP:
      return exp (x);
    case SEG_ACT_LOG:
      return log (x + a);
    case SEG_ACT_SQRT:
      return sqrt (x + a);
    case SEG_ACT_SQUARE:
      return x * x;
    case SEG_ACT_ABS:
      return fabs (x);
    case SEG_ACT_RECIPROCAL:
      return 1 / (x + a);
    case SEG_ACT_AFFINE:
      return a * x + b;
    case SEG_ACT_CLAMP:
      return x < a ? a : x > b ? b : x;
    case SEG_ACT_SOFTPLUS:
      return fmax (x, 0) + log1p (exp (-fabs (x)));
    case SEG_ACT_SIN:
      return sin (x);
    case SEG_ACT_COS:
      return cos (x);
    case SEG_ACT_POW:
      return pow (x, a);
    }
  return NAN;
}

double
seg_ref_act_derivative (SegAct act, double x, double a, double b)
{
  double s, t;

  switch (act)
    {
    case SEG_ACT_NONE:
      return 1;
    case SEG_ACT_RELU:
      return x > 0;
    case SEG_ACT_LEAKY_RELU:
      return x > 0 ? 1 : a;
    case SEG_ACT_GELU:
      return 0.5 * (1 + erf (x * M_SQRT1_2)) + x * exp (-0.5 * x * x) / sqrt (2 * M_PI);
    case SEG_ACT_GELU_TANH:
      t = tanh (sqrt (2 / M_PI) * (x + 0.044715 * x * x * x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * sqrt (2 / M_PI) * (1 + 3 * 0.044715 * x * x);
    case SEG_ACT_SILU:
      s = logistic (x);
      return s * (1 + x * (1 - s));
    case SEG_ACT_SIGMOID:
      s = logistic (x);
      return s * (1 - s);
    case SEG_ACT_TANH:
      t = tanh (x);
      return 1 - t * t;
    case SEG_ACT_EXP:
      return exp (x);
    case SEG_ACT_LOG:
      return 1 / (x + a);
    case SEG_ACT_SQRT:
      return 0.5 / sqrt (x + a);
    case SEG_ACT_SQUARE:
      return 2 * x;
    case SEG_ACT_ABS:
      return x > 0 ? 1 : x < 0 ? -1 : 0;
    case SEG_ACT_RECIPROCAL:
      return -1 / ((x + a) * (x + a));
    case SEG_ACT_AFFINE:
      return a;
    case SEG_ACT_CLAMP:
      return x >= a && x <= b;
    case SEG_ACT_SOFTPLUS:
      return logistic (x);
    case SEG_ACT_SIN:
      return cos (x);
    case SEG_ACT_COS:
      return -sin (x);
    case SEG_ACT_POW:
      return a == 0 ? 0 : a * pow (x, a - 1);
    }
  return NAN;
}

static double
binary (SegBinaryKind kind, double a, double b)
{
  switch (kind)
    {
    case SEG_BINARY_ADD:
      return a + b;
    case SEG_BINARY_SUB:
      return a - b;
    case SEG_BINARY_MUL:
      return a * b;
    case SEG_BINARY_DIV:
      return a / b;
    case SEG_BINARY_MAX:
      return a > b || isnan (a) ? a : b;
    case SEG_BINARY_MIN:
      return a < b || isnan (a) ? a : b;
    case SEG_BINARY_GREATER:
      return a > b;
    case SEG_BINARY_EQUAL:
      return a == b;
    }
  return NAN;
}

static double
uniform (uint64_t seed, uint64_t offset, int64_t i)
{
  return (seg_ref_random_word (seed, offset + i / 4, i % 4) >> 8) * 0x1p-24;
}

static double
random_value (const SegRandomParams *params, int64_t i)
{
  double radius, angle;

  if (!params->normal)
    return params->a + (params->b - params->a) * uniform (params->seed, params->offset, i);
  radius = sqrt (-2 * log (1 - uniform (params->seed, params->offset, i & ~(int64_t) 1)));
  angle = 2 * M_PI * uniform (params->seed, params->offset, i | 1);
  return params->a + params->b * radius * (i & 1 ? sin (angle) : cos (angle));
}

/* Memory order is what counts for random draws: the output is dense. */
static void
fill_random (Ref *out, const SegRandomParams *params)
{
  for (int64_t i = 0; i < out->n; i++)
    out->v[i] = random_value (params, seg_ref_offset (out->of, i));
}

static void
dropout (RefCall *call, const SegDropoutParams *params)
{
  Ref *out = &call->out[0], *in = &call->in[0];
  int64_t per_channel = 1;

  for (int a = 2; a < in->rank; a++)
    per_channel *= in->shape[a];
  for (int64_t i = 0; i < out->n; i++)
    {
      const int64_t draw = params->whole_channels ? i / per_channel : seg_ref_offset (in->of, i);
      const bool dropped = uniform (params->seed, params->offset, draw) < params->p;

      out->v[i] = dropped ? 0 : in->v[i] / (1 - params->p);
    }
}

static void
reduce (RefCall *call, const SegReduceParams *params)
{
  Ref *out = &call->out[0], *in = &call->in[0];
  const int64_t per_out = out->n > 0 ? in->n / out->n : 0;
  int64_t *place = calloc (out->n > 0 ? out->n : 1, sizeof *place);

  for (int64_t o = 0; o < out->n; o++)
    {
      const bool low = params->kind == SEG_REDUCE_MAX || params->kind == SEG_REDUCE_ARGMAX;

      out->v[o] = low ? -INFINITY : params->kind == SEG_REDUCE_MIN ? INFINITY : 0;
    }
  for (int64_t i = 0; i < in->n; i++)
    {
      int64_t rest = i, o = 0, step = 1, index = 0;

      for (int a = in->rank - 1; a >= 0; a--)
        {
          const int64_t at = rest % in->shape[a];

          rest /= in->shape[a];
          if (params->axes >> a & 1)
            index = at; /* arg-max has one such axis */
          else
            {
              o += at * step;
              step *= in->shape[a];
            }
        }
      if (params->kind == SEG_REDUCE_MAX)
        out->v[o] = fmax (out->v[o], in->v[i]);
      else if (params->kind == SEG_REDUCE_MIN)
        out->v[o] = fmin (out->v[o], in->v[i]);
      else if (params->kind == SEG_REDUCE_SUM_SQUARES)
        out->v[o] += in->v[i] * in->v[i];
      else if (params->kind != SEG_REDUCE_ARGMAX)
        out->v[o] += in->v[i];
      else if (in->v[i] > out->v[o])
        {
          out->v[o] = in->v[i];
          place[o] = index;
        }
    }
  for (int64_t o = 0; o < out->n; o++)
    {
      if (params->kind == SEG_REDUCE_MEAN)
        out->v[o] /= per_out;
      if (params->kind == SEG_REDUCE_ARGMAX)
        out->v[o] = (double) place[o];
    }
  free (place);
}

/* One line after another; k passes, each for the largest not yet taken. */
static void
top_k (RefCall *call, const SegTopkParams *params)
{
  Ref *values = &call->out[0], *places = &call->out[1], *in = &call->in[0];
  const int64_t size = in->shape[params->axis];
  int64_t inner = 1;

  for (int a = params->axis + 1; a < in->rank; a++)
    inner *= in->shape[a];
  for (int64_t line = 0; size > 0 && line < in->n / size; line++)
    {
      double *start = in->v + line / inner * size * inner + line % inner;

      for (int64_t k = 0; k < params->k; k++)
        {
          const int64_t at = (line / inner * params->k + k) * inner + line % inner;
          int64_t best = -1;

          for (int64_t i = 0; i < size; i++)
            {
              bool taken = false;

              for (int64_t j = 0; j < k && !taken; j++)
                taken = places->v[(line / inner * params->k + j) * inner + line % inner] == i;
              if (!taken && (best < 0 || start[i * inner] > start[best * inner]))
                best = i;
            }
          values->v[at] = start[best * inner];
          places->v[at] = (double) best;
        }
    }
}

static SegStatus
gather (RefCall *call)
{
  Ref *out = &call->out[0], *table = &call->in[0], *index = &call->in[1];
  const int64_t rows = table->shape[0], width = table->shape[1];

  for (int64_t i = 0; i < index->n; i++)
    {
      if (index->v[i] < 0 || index->v[i] >= rows)
        return SEG_STATUS_FAILED;
      memcpy (out->v + i * width, table->v + (int64_t) index->v[i] * width,
              width * sizeof (double));
    }
  return SEG_STATUS_OK;
}

static SegStatus
scatter_add (RefCall *call)
{
  Ref *dtable = &call->out[0], *dout = &call->in[0], *index = &call->in[1];
  const int64_t rows = dtable->shape[0], width = dtable->shape[1];

  for (int64_t i = 0; i < index->n; i++)
    {
      if (index->v[i] < 0 || index->v[i] >= rows)
        return SEG_STATUS_FAILED;
      for (int64_t f = 0; f < width; f++)
        dtable->v[(int64_t) index->v[i] * width + f] += dout->v[i * width + f];
    }
  return SEG_STATUS_OK;
}

SegStatus
seg_ref_basic (RefCall *call)
{
  const void *params = call->call->params;
  const SegUnaryParams *unary = params;
  Ref *out = &call->out[0];

  switch (call->call->op)
    {
    case SEG_OP_FILL:
      for (int64_t i = 0; i < out->n; i++)
        out->v[i] = ((const SegFillParams *) params)->value;
      return SEG_STATUS_OK;
    case SEG_OP_RANDOM:
      fill_random (out, params);
      return SEG_STATUS_OK;
    case SEG_OP_UNARY:
      for (int64_t i = 0; i < out->n; i++)
        out->v[i] = seg_ref_act (unary->act, call->in[0].v[i], unary->a, unary->b);
      return SEG_STATUS_OK;
    case SEG_OP_UNARY_BACKWARD:
      for (int64_t i = 0; i < out->n; i++)
        out->v[i] = call->in[1].v[i]
                    * seg_ref_act_derivative (unary->act, call->in[0].v[i], unary->a, unary->b);
      return SEG_STATUS_OK;
    case SEG_OP_BINARY:
      for (int64_t i = 0; i < out->n; i++)
        out->v[i] =
            binary (((const SegBinaryParams *) params)->kind, call->in[0].v[i], call->in[1].v[i]);
      return SEG_STATUS_OK;
    case SEG_OP_REDUCE:
      reduce (call, params);
      return SEG_STATUS_OK;
    case SEG_OP_TOPK:
      top_k (call, params);
      return SEG_STATUS_OK;
    case SEG_OP_DROPOUT:
      dropout (call, params);
      return SEG_STATUS_OK;
    case SEG_OP_GATHER:
      return gather (call);
    case SEG_OP_SCATTER_ADD:
      return scatter_add (call);
    default:
      return SEG_STATUS_UNSUPPORTED;
    }
}
