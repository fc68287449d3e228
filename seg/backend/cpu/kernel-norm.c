/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cpu/kernel.h"

#include <stdlib.h>

SegStatus CPU_NAME (seg_cpu_run_norm) (SegBackendDevice *device, const SegBackendCall *call);
void CPU_NAME (seg_cpu_add_bias) (SegBackendDevice *device, const SegBackendTensor *out,
                                  const SegBackendTensor *bias);
void CPU_NAME (seg_cpu_sum_channels) (SegBackendDevice *device, const SegBackendTensor *in,
                                      const SegBackendTensor *sums);

/* Batch, group and instance norm work on segments of rows (the batch, or one sample) of channels.
 * Few channels make short loops, so several rows are taken as one wide row of about WIDE elements;
 * what belongs to a channel is repeated along it.
 *
 * Statistics are summed in floats over STRIP wide rows, then in doubles, of values shifted by the
 * segment's first row: the sum of squares then does not cancel where the mean is large. */

#define WIDE 256
#define STRIP 64
#define MAX_CHANNELS 8192 /* above, ref does it */

/* x − shift, or (dout·act', x̂): two sums for each channel. */
typedef struct
{
  const SegBackendCall *call;
  const SegNormParams *params;
  const SegBackendTensor *x;
  const SegBackendTensor *dout; /* NULL: statistics of x */
  int64_t channels, repeat, wide; /* wide = channels · repeat */
  int64_t start, rows; /* of the segment */
  const float *shift; /* [wide] each, as all below */
  const float *mean, *rstd, *gamma, *beta;
  double *sums; /* per thread [2][channels] */
} Sums;

static void
add_block (const Sums *s, const float *restrict x, const float *restrict dout, int64_t n,
           float *restrict sum, float *restrict other)
{
  const float *restrict mean = s->mean, *restrict rstd = s->rstd;
  const float *restrict gamma = s->gamma, *restrict beta = s->beta;
  const SegAct act = s->params != NULL ? s->params->act : SEG_ACT_NONE;
  const float a = s->params != NULL ? (float) s->params->act_a : 0;

  if (dout == NULL)
    {
      const float *restrict shift = s->shift;

      for (int64_t i = 0; i < n; i++)
        {
          const float v = x[i] - shift[i];

          sum[i] += v;
          other[i] += v * v;
        }
      return;
    }
#define LOOP(which)                                                                                \
  case which:                                                                                      \
    for (int64_t i = 0; i < n; i++)                                                                \
      {                                                                                            \
        const float normal = (x[i] - mean[i]) * rstd[i];                                           \
        const float g = dout[i] * act_slope (which, normal * gamma[i] + beta[i], a);               \
                                                                                                   \
        sum[i] += g;                                                                               \
        other[i] += g * normal;                                                                    \
      }                                                                                            \
    break
  switch (act)
    {
      LOOP (SEG_ACT_NONE);
      LOOP (SEG_ACT_RELU);
      LOOP (SEG_ACT_LEAKY_RELU);
      LOOP (SEG_ACT_GELU);
      LOOP (SEG_ACT_GELU_TANH);
      LOOP (SEG_ACT_SILU);
    default:
      break;
    }
#undef LOOP
}

/* Ranges are of wide rows. */
static void
sums_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Sums *s = data;
  double *sums = s->sums + thread * 2 * s->channels;
  float *memory = malloc (4 * s->wide * sizeof *memory);
  float *sum = memory, *other = memory + s->wide;
  float *bx = memory + 2 * s->wide, *bd = memory + 3 * s->wide;

  if (memory == NULL)
    abort (); /* a few kilobytes */
  /* From behind: what was written last is still in the cache, and what is read last here is what
   * the pass after this one begins with. */
  for (int64_t strip = low + (high - low - 1) / STRIP * STRIP; strip >= low; strip -= STRIP)
    {
      memset (memory, 0, 2 * s->wide * sizeof *memory);
      for (int64_t row = strip; row < MIN (strip + STRIP, high); row++)
        {
          const int64_t at = row * s->repeat;
          const int64_t n = MIN (s->wide, (s->rows - at) * s->channels);
          const int64_t offset = (s->start + at) * s->channels;

          add_block (s, fetch (s->x, offset, (int) n, bx),
                     s->dout != NULL ? fetch (s->dout, offset, (int) n, bd) : NULL, n, sum, other);
        }
      for (int64_t i = 0; i < s->wide; i++)
        {
          sums[i % s->channels] += sum[i];
          sums[s->channels + i % s->channels] += other[i];
        }
    }
  free (memory);
}

/* y = act (scale·x + shift), or dx = p·g + q·x + r with g = dout·act' */
typedef struct
{
  const Sums *s;
  const SegBackendTensor *out;
  const float *scale, *shift; /* forward; backward: of x, and the constant */
  const float *of_g;
} Apply;

static void
apply_block (const Apply *p, const float *restrict x, const float *restrict dout, float *restrict y,
             int64_t n)
{
  const float *restrict mean = p->s->mean, *restrict rstd = p->s->rstd;
  const float *restrict gamma = p->s->gamma, *restrict beta = p->s->beta;
  const float *restrict scale = p->scale, *restrict shift = p->shift, *restrict of_g = p->of_g;
  const SegAct act = p->s->params->act;
  const float a = (float) p->s->params->act_a;

#define LOOP(which)                                                                                \
  case which:                                                                                      \
    if (dout == NULL)                                                                              \
      for (int64_t i = 0; i < n; i++)                                                              \
        y[i] = apply_act (which, x[i] * scale[i] + shift[i], a);                                   \
    else                                                                                           \
      for (int64_t i = 0; i < n; i++)                                                              \
        {                                                                                          \
          const float normal = (x[i] - mean[i]) * rstd[i];                                         \
          const float g = dout[i] * act_slope (which, normal * gamma[i] + beta[i], a);             \
                                                                                                   \
          y[i] = of_g[i] * g + scale[i] * normal + shift[i];                                       \
        }                                                                                          \
    break
  switch (act)
    {
      LOOP (SEG_ACT_NONE);
      LOOP (SEG_ACT_RELU);
      LOOP (SEG_ACT_LEAKY_RELU);
      LOOP (SEG_ACT_GELU);
      LOOP (SEG_ACT_GELU_TANH);
      LOOP (SEG_ACT_SILU);
    default:
      break;
    }
#undef LOOP
}

static void
apply_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Apply *p = data;
  const Sums *s = p->s;
  float *memory = malloc (3 * s->wide * sizeof *memory);
  float *bx = memory, *bd = memory + s->wide, *by = memory + 2 * s->wide;
  const bool streaming = is_worth_streaming (p->out);

  if (memory == NULL)
    abort ();
  for (int64_t row = low; row < high; row++)
    {
      const int64_t at = row * s->repeat;
      const int64_t n = MIN (s->wide, (s->rows - at) * s->channels);
      const int64_t offset = (s->start + at) * s->channels;
      float *y = streaming ? by : target (p->out, offset, 1, by);

      apply_block (p, fetch (s->x, offset, (int) n, bx),
                   s->dout != NULL ? fetch (s->dout, offset, (int) n, bd) : NULL, y, n);
      if (streaming)
        commit_streaming (p->out, offset, (int) n, y);
      else
        commit (p->out, offset, 1, (int) n, y);
    }
  finish_streaming ();
  free (memory);
}

static void
repeat_channels (const Sums *s, float *wide, const float *value, float otherwise)
{
  for (int64_t i = 0; i < s->wide; i++)
    wide[i] = value != NULL ? value[i % s->channels] : otherwise;
}

static int64_t
count_wide_rows (const Sums *s)
{
  return (s->rows + s->repeat - 1) / s->repeat;
}

static int
sum_segment (SegBackendDevice *device, Sums *s)
{
  int n_threads;

  memset (s->sums, 0, device->n_threads * 2 * s->channels * sizeof (double));
  n_threads =
      seg_cpu_parallel (device, count_wide_rows (s), MAX (1, 2 * GRAIN / s->wide), sums_cb, s);
  for (int t = 1; t < n_threads; t++)
    for (int64_t c = 0; c < 2 * s->channels; c++)
      s->sums[c] += s->sums[t * 2 * s->channels + c];
  return n_threads;
}

/* The wide arrays of one call. */
typedef struct
{
  double *sums;
  float *shift, *mean, *rstd, *gamma, *beta, *scale, *add, *of_g; /* [wide] */
  float *channel[3]; /* [channels] */
} Work;

static bool
work_init (SegBackendDevice *device, Work *w, const Sums *s)
{
  const size_t sums = device->n_threads * 2 * s->channels * sizeof (double);
  const size_t wide = s->wide * sizeof (float), channels = s->channels * sizeof (float);
  uint8_t *memory = seg_cpu_scratch (device, sums + 8 * wide + 3 * channels);
  float **arrays[] = { &w->shift, &w->mean,  &w->rstd, &w->gamma,
                       &w->beta,  &w->scale, &w->add,  &w->of_g };

  if (memory == NULL)
    return false;
  w->sums = (double *) memory;
  memory += sums;
  for (int a = 0; a < 8; a++, memory += wide)
    *arrays[a] = (float *) memory;
  for (int a = 0; a < 3; a++, memory += channels)
    w->channel[a] = (float *) memory;
  return true;
}

static void
sums_init (Sums *s, const SegBackendCall *call, const SegBackendTensor *x)
{
  const Rows r = get_rows (x);

  *s = (Sums){ .call = call, .params = call != NULL ? call->params : NULL, .x = x };
  s->channels = r.channels;
  s->repeat = MAX (1, WIDE / r.channels);
  s->wide = s->repeat * r.channels;
  s->rows = r.rows;
}

static float
get_f32 (const SegBackendTensor *t, int64_t i, float otherwise)
{
  return t != NULL ? ((const float *) t->data)[i] : otherwise;
}

/* Mean and reciprocal deviation of each group from the sums of its channels. */
static void
finish_statistics (const Sums *s, const Work *w, int64_t groups, float *mean, float *rstd,
                   double *variance)
{
  const int64_t per_group = s->channels / groups;
  const double n = (double) s->rows * per_group;

  for (int64_t g = 0; g < groups; g++)
    {
      double m = 0, v = 0;

      /* about the shift of each channel: first the mean of all, then the square deviations */
      for (int64_t c = g * per_group; c < (g + 1) * per_group; c++)
        m += w->sums[c] + (double) s->rows * w->shift[c];
      m /= n;
      for (int64_t c = g * per_group; c < (g + 1) * per_group; c++)
        {
          const double gap = w->shift[c] - m;

          v += w->sums[s->channels + c] + 2 * gap * w->sums[c] + (double) s->rows * gap * gap;
        }
      v = MAX (v / n, 0);
      mean[g] = (float) m;
      rstd[g] = (float) (1 / sqrt (v + s->params->eps));
      if (variance != NULL)
        variance[g] = v;
    }
}

static void
set_shift (const Sums *s, const Work *w)
{
  float block[BLOCK];

  for (int64_t c = 0; c < s->channels; c += BLOCK)
    {
      const int n = (int) MIN (BLOCK, s->channels - c);

      memcpy (w->channel[0] + c, fetch (s->x, s->start * s->channels + c, n, block),
              n * sizeof (float));
    }
  for (int64_t c = 0; c < s->channels; c++)
    if (!isfinite (w->channel[0][c]))
      w->channel[0][c] = 0;
  repeat_channels (s, w->shift, w->channel[0], 0);
}

static void
update_running (const SegBackendCall *call, const Sums *s, const float *mean,
                const double *variance)
{
  const double keep = 1 - s->params->momentum, take = s->params->momentum;
  const double unbias = s->rows > 1 ? (double) s->rows / (double) (s->rows - 1) : 1;
  float *run_mean = call->in[3] != NULL ? call->in[3]->data : NULL;
  float *run_var = call->in[4] != NULL ? call->in[4]->data : NULL;

  for (int64_t c = 0; run_mean != NULL && run_var != NULL && c < s->channels; c++)
    {
      run_mean[c] = (float) (keep * run_mean[c] + take * mean[c]);
      run_var[c] = (float) (keep * run_var[c] + take * variance[c] * unbias);
    }
}

static SegStatus
run_forward (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegNormParams *params = call->params;
  const bool batch = params->kind == SEG_NORM_BATCH;
  const SegBackendTensor *gamma = call->in[1], *beta = call->in[2];
  const Rows r = get_rows (call->in[0]);
  const int64_t groups = batch ? r.channels : params->groups;
  const int64_t n_segments = batch ? 1 : r.n_samples;
  float *mean = call->out[1]->data, *rstd = call->out[2]->data;
  Sums s;
  Work w;
  Apply apply;

  sums_init (&s, call, call->in[0]);
  if (!work_init (device, &w, &s))
    return SEG_STATUS_MEMORY;
  s.sums = w.sums;
  s.shift = w.shift;
  s.rows = batch ? r.rows : r.per_sample;
  apply = (Apply){ &s, call->out[0], w.scale, w.add, NULL };
  for (int64_t k = 0; k < n_segments; k++)
    {
      float *m = mean + k * groups, *d = rstd + k * groups;

      s.start = k * s.rows;
      if (batch && !params->training)
        for (int64_t c = 0; c < r.channels; c++)
          {
            m[c] = get_f32 (call->in[3], c, 0);
            d[c] = 1 / sqrtf (get_f32 (call->in[4], c, 1) + (float) params->eps);
          }
      else if (!batch || params->training != SEG_NORM_AGAIN)
        {
          double *variance = batch ? w.sums + 2 * s.channels : NULL;
          double *own = NULL;

          set_shift (&s, &w);
          sum_segment (device, &s);
          if (batch && device->n_threads < 2)
            variance = own = malloc (s.channels * sizeof *own);
          if (batch && variance == NULL)
            return SEG_STATUS_MEMORY;
          finish_statistics (&s, &w, groups, m, d, variance);
          if (batch)
            update_running (call, &s, m, variance);
          free (own);
        }
      for (int64_t c = 0; c < r.channels; c++)
        {
          const int64_t g = c / (r.channels / groups);

          w.channel[0][c] = d[g] * get_f32 (gamma, c, 1);
          w.channel[1][c] = get_f32 (beta, c, 0) - m[g] * w.channel[0][c];
        }
      repeat_channels (&s, w.scale, w.channel[0], 0);
      repeat_channels (&s, w.add, w.channel[1], 0);
      seg_cpu_parallel (device, count_wide_rows (&s), MAX (1, GRAIN / s.wide), apply_cb, &apply);
    }
  return SEG_STATUS_OK;
}

/* dx = rstd·(γ·g − mean (γ·g) − x̂·mean (γ·g·x̂)) */
static SegStatus
run_backward (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegNormParams *params = call->params;
  const bool batch = params->kind == SEG_NORM_BATCH;
  const bool constant = batch && !params->training;
  const SegBackendTensor *gamma = call->in[2], *beta = call->in[3];
  const float *mean = call->in[4]->data, *rstd = call->in[5]->data;
  float *dgamma = call->out[1] != NULL ? call->out[1]->data : NULL;
  float *dbeta = call->out[2] != NULL ? call->out[2]->data : NULL;
  const Rows r = get_rows (call->in[0]);
  const int64_t groups = batch ? r.channels : params->groups;
  const int64_t n_segments = batch ? 1 : r.n_samples, per_group = r.channels / groups;
  Sums s;
  Work w;
  Apply apply;

  sums_init (&s, call, call->in[0]);
  if (!work_init (device, &w, &s))
    return SEG_STATUS_MEMORY;
  s.dout = call->in[1];
  s.sums = w.sums;
  s.mean = w.mean;
  s.rstd = w.rstd;
  s.gamma = w.gamma;
  s.beta = w.beta;
  s.rows = batch ? r.rows : r.per_sample;
  repeat_channels (&s, w.gamma, gamma != NULL ? gamma->data : NULL, 1);
  repeat_channels (&s, w.beta, beta != NULL ? beta->data : NULL, 0);
  apply = (Apply){ &s, call->out[0], w.scale, w.add, w.of_g };
  for (int64_t k = 0; k < n_segments; k++)
    {
      const double n = (double) s.rows * per_group;

      s.start = k * s.rows;
      for (int64_t c = 0; c < r.channels; c++)
        {
          w.channel[0][c] = mean[k * groups + c / per_group];
          w.channel[1][c] = rstd[k * groups + c / per_group];
        }
      repeat_channels (&s, w.mean, w.channel[0], 0);
      repeat_channels (&s, w.rstd, w.channel[1], 0);
      sum_segment (device, &s);
      for (int64_t c = 0; c < r.channels; c++)
        {
          if (dbeta != NULL)
            dbeta[c] += (float) s.sums[c];
          if (dgamma != NULL)
            dgamma[c] += (float) s.sums[r.channels + c];
        }
      for (int64_t g = 0; g < groups; g++)
        {
          double sum = 0, sum_normal = 0;

          for (int64_t c = g * per_group; c < (g + 1) * per_group; c++)
            {
              sum += s.sums[c] * get_f32 (gamma, c, 1);
              sum_normal += s.sums[r.channels + c] * get_f32 (gamma, c, 1);
            }
          for (int64_t c = g * per_group; c < (g + 1) * per_group; c++)
            {
              const double d = w.channel[1][c];

              w.channel[2][c] = (float) (d * get_f32 (gamma, c, 1));
              w.channel[0][c] = constant ? 0 : (float) (-d * sum_normal / n);
              w.channel[1][c] = constant ? 0 : (float) (-d * sum / n);
            }
        }
      repeat_channels (&s, w.of_g, w.channel[2], 0);
      repeat_channels (&s, w.scale, w.channel[0], 0);
      repeat_channels (&s, w.add, w.channel[1], 0);
      seg_cpu_parallel (device, count_wide_rows (&s), MAX (1, GRAIN / s.wide), apply_cb, &apply);
    }
  return SEG_STATUS_OK;
}

/* --- Layer norm: each row by itself ------------------------------------------------------------
 */

typedef struct
{
  const SegBackendCall *call;
  Rows r;
  float *ones, *zeros;
  float *partial; /* per thread [2][channels] */
} Layer;

static void
layer_statistics (const float *x, int64_t n, double eps, float *mean, float *rstd)
{
  float lane[16] = { 0 };
  float m = 0, v = 0;
  int64_t i = 0;

  for (; i + 16 <= n; i += 16)
    for (int l = 0; l < 16; l++)
      lane[l] += x[i + l];
  for (int l = 0; l < 16; l++)
    {
      m += lane[l];
      lane[l] = 0;
    }
  for (; i < n; i++)
    m += x[i];
  m /= n;
  for (i = 0; i + 16 <= n; i += 16)
    for (int l = 0; l < 16; l++)
      lane[l] += (x[i + l] - m) * (x[i + l] - m);
  for (int l = 0; l < 16; l++)
    v += lane[l];
  for (; i < n; i++)
    v += (x[i] - m) * (x[i] - m);
  *mean = m;
  *rstd = 1 / sqrtf (v / n + (float) eps);
}

/* One row, its activation chosen outside of the loop. */
static void
layer_row (const float *restrict x, const float *restrict gamma, const float *restrict beta,
           float *restrict y, int64_t n, float mean, float rstd, SegAct act, float a)
{
#define LOOP(which)                                                                                \
  case which:                                                                                      \
    for (int64_t i = 0; i < n; i++)                                                                \
      y[i] = apply_act (which, (x[i] - mean) * rstd * gamma[i] + beta[i], a);                      \
    break
  switch (act)
    {
      LOOP (SEG_ACT_NONE);
      LOOP (SEG_ACT_RELU);
      LOOP (SEG_ACT_LEAKY_RELU);
      LOOP (SEG_ACT_GELU);
      LOOP (SEG_ACT_GELU_TANH);
      LOOP (SEG_ACT_SILU);
      LOOP (SEG_ACT_SIGMOID);
      LOOP (SEG_ACT_TANH);
    default:
      abort (); /* norms carry no others */
    }
#undef LOOP
}

static void
layer_forward_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Layer *l = data;
  const SegBackendCall *call = l->call;
  const SegNormParams *params = call->params;
  const float *gamma = call->in[1] != NULL ? call->in[1]->data : l->ones;
  const float *beta = call->in[2] != NULL ? call->in[2]->data : l->zeros;
  float *mean = call->out[1]->data, *rstd = call->out[2]->data;
  const int64_t n = l->r.channels;
  float bx[MAX_CHANNELS], by[MAX_CHANNELS];

  for (int64_t row = low; row < high; row++)
    {
      const float *x = fetch (call->in[0], row * n, (int) n, bx);
      float *y = target (call->out[0], row * n, 1, by);

      layer_statistics (x, n, params->eps, &mean[row], &rstd[row]);
      layer_row (x, gamma, beta, y, n, mean[row], rstd[row], params->act, (float) params->act_a);
      commit (call->out[0], row * n, 1, (int) n, y);
    }
}

static void
layer_backward_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Layer *l = data;
  const SegBackendCall *call = l->call;
  const SegNormParams *params = call->params;
  const float *gamma = call->in[2] != NULL ? call->in[2]->data : l->ones;
  const float *beta = call->in[3] != NULL ? call->in[3]->data : l->zeros;
  const float *mean = call->in[4]->data, *rstd = call->in[5]->data;
  const int64_t n = l->r.channels;
  float *dgamma = l->partial + thread * 2 * n, *dbeta = dgamma + n;
  float bx[MAX_CHANNELS], bd[MAX_CHANNELS], by[MAX_CHANNELS];

  for (int64_t row = low; row < high; row++)
    {
      const float *x = fetch (call->in[0], row * n, (int) n, bx);
      const float *dout = fetch (call->in[1], row * n, (int) n, bd);
      float *dx = target (call->out[0], row * n, 1, by);
      const float m = mean[row], d = rstd[row];
      float sum = 0, sum_normal = 0;

      for (int64_t i = 0; i < n; i++)
        {
          const float normal = (x[i] - m) * d;
          float g = dout[i];

          if (params->act != SEG_ACT_NONE)
            g *= act_slope (params->act, normal * gamma[i] + beta[i], (float) params->act_a);
          dgamma[i] += g * normal;
          dbeta[i] += g;
          bd[i] = g * gamma[i];
          sum += bd[i];
          sum_normal += bd[i] * normal;
        }
      sum /= n;
      sum_normal /= n;
      for (int64_t i = 0; i < n; i++)
        dx[i] = d * (bd[i] - sum - (x[i] - m) * d * sum_normal);
      commit (call->out[0], row * n, 1, (int) n, dx);
    }
}

static SegStatus
run_layer (SegBackendDevice *device, const SegBackendCall *call)
{
  const bool back = call->op == SEG_OP_NORM_BACKWARD;
  Layer l = { .call = call, .r = get_rows (call->in[0]) };
  const int64_t n = l.r.channels, n_partial = device->n_threads * 2 * n;

  l.ones = seg_cpu_scratch (device, (2 * n + n_partial) * sizeof (float));
  if (l.ones == NULL)
    return SEG_STATUS_MEMORY;
  l.zeros = l.ones + n;
  l.partial = l.zeros + n;
  for (int64_t i = 0; i < n; i++)
    l.ones[i] = 1;
  memset (l.zeros, 0, (n + n_partial) * sizeof (float));
  seg_cpu_parallel (device, l.r.rows, MAX (1, GRAIN / n),
                    back ? layer_backward_cb : layer_forward_cb, &l);
  for (int o = 1; back && o < 3; o++)
    if (call->out[o] != NULL)
      for (int t = 0; t < device->n_threads; t++)
        for (int64_t i = 0; i < n; i++)
          ((float *) call->out[o]->data)[i] += l.partial[(t * 2 + o - 1) * n + i];
  return SEG_STATUS_OK;
}

SegStatus
CPU_NAME (seg_cpu_run_norm) (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegNormParams *params = call->params;

  if (params->kind == SEG_NORM_LAYER)
    return run_layer (device, call);
  if (call->op == SEG_OP_NORM)
    return run_forward (device, call);
  return run_backward (device, call);
}

/* --- Biases of convolutions --------------------------------------------------------------------
 */

typedef struct
{
  const SegBackendTensor *out;
  const float *bias;
  int64_t wide, n;
} Bias;

static void
bias_cb (void *data, int64_t low, int64_t high, int thread)
{
  const Bias *b = data;
  float block[MAX_CHANNELS];

  for (int64_t row = low; row < high; row++)
    {
      const int64_t offset = row * b->wide;
      const int n = (int) MIN (b->wide, b->n - offset);
      const float *x = fetch (b->out, offset, n, block);
      float *y = target (b->out, offset, 1, block);

      for (int i = 0; i < n; i++)
        y[i] = x[i] + b->bias[i];
      commit (b->out, offset, 1, n, y);
    }
}

void
CPU_NAME (seg_cpu_add_bias) (SegBackendDevice *device, const SegBackendTensor *out,
                             const SegBackendTensor *bias)
{
  Bias b = { .out = out, .n = seg_cpu_count (out) };
  float wide[MAX_CHANNELS];
  Sums s;

  sums_init (&s, NULL, out);
  repeat_channels (&s, wide, bias->data, 0);
  b.bias = wide;
  b.wide = s.wide;
  seg_cpu_parallel (device, (b.n + b.wide - 1) / b.wide, MAX (1, GRAIN / b.wide), bias_cb, &b);
}

void
CPU_NAME (seg_cpu_sum_channels) (SegBackendDevice *device, const SegBackendTensor *in,
                                 const SegBackendTensor *sums)
{
  Sums s;
  Work w;

  sums_init (&s, NULL, in);
  if (!work_init (device, &w, &s))
    return;
  s.sums = w.sums;
  s.shift = w.shift;
  repeat_channels (&s, w.shift, NULL, 0);
  sum_segment (device, &s);
  for (int64_t c = 0; c < s.channels; c++)
    ((float *) sums->data)[c] += (float) s.sums[c];
}
