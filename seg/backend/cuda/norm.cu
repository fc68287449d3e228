/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cuda/device.h"

/* All norms see a tensor as n × p × c: samples, positions, features. Sums are first taken per
 * (sample, chunk of positions, feature), neighbours in features side by side, then over what a
 * normalised set spans. */

struct Grid
{
  int64_t n, p, c;
  int64_t step_n, step_p, step_c; /* of a map, in elements */
};

/* Spatial axes merge into one where they are nested without gaps. */
static bool
merge (const View &view, int from, int to, int64_t *n, int64_t *step)
{
  *n = 1;
  *step = 1;
  for (int a = to - 1; a >= from; a--)
    {
      if (view.shape[a] == 1)
        continue;
      if (*n == 1)
        *step = view.stride[a];
      else if (view.stride[a] != *step * *n)
        return false;
      *n *= view.shape[a];
    }
  return true;
}

static bool
get_grid (const View &view, const SegNormParams *params, Grid *grid)
{
  *grid = Grid ();
  if (view.rank >= 4)
    {
      grid->n = view.shape[0];
      grid->step_n = view.stride[0];
      grid->c = view.shape[1];
      grid->step_c = view.stride[1];
      return merge (view, 2, view.rank, &grid->p, &grid->step_p);
    }
  grid->n = 1;
  grid->c = view.shape[view.rank - 1];
  grid->step_c = view.stride[view.rank - 1];
  return params->kind != SEG_NORM_GROUP && params->kind != SEG_NORM_INSTANCE
         && merge (view, 0, view.rank - 1, &grid->p, &grid->step_p);
}

SEG_HOST_DEVICE static inline int64_t
place (const Grid &grid, int64_t n, int64_t p, int64_t c)
{
  return n * grid.step_n + p * grid.step_p + c * grid.step_c;
}

/* Which of the statistics (sample n, position p, feature c) belongs to. */
struct Sets
{
  int kind;
  int64_t groups, per_group, positions;
  int64_t n_sets, per_set;
};

SEG_HOST_DEVICE static inline int64_t
set_of (const Sets &sets, int64_t n, int64_t p, int64_t c)
{
  return sets.kind == SEG_NORM_BATCH   ? c
         : sets.kind == SEG_NORM_LAYER ? n * sets.positions + p
                                       : n * sets.groups + c / sets.per_group;
}

static Sets
get_sets (const Grid &grid, const SegNormParams *params)
{
  Sets sets = {};

  sets.kind = params->kind == SEG_NORM_INSTANCE ? SEG_NORM_GROUP : params->kind;
  sets.groups = params->kind == SEG_NORM_INSTANCE ? grid.c : params->groups > 0 ? params->groups : 1;
  sets.per_group = grid.c / sets.groups;
  sets.positions = grid.p;
  sets.n_sets = params->kind == SEG_NORM_BATCH   ? grid.c
                : params->kind == SEG_NORM_LAYER ? grid.n * grid.p
                                                 : grid.n * sets.groups;
  sets.per_set = sets.n_sets > 0 ? grid.n * grid.p * grid.c / sets.n_sets : 0;
  return sets;
}

/* Adds up @value (n, p, c) over each set: into sums[set]. @partial: room for the chunks. */
template <class Value>
static void
sum_sets (SegBackendDevice *device, const Grid &grid, const Sets &sets, float *partial, float *sums,
          Value value)
{
  if (sets.kind == SEG_NORM_LAYER)
    {
      /* A row's features by 32 lanes. */
      seg_launch (device, sets.n_sets * 32, [=] SEG_DEVICE (int64_t t) {
        const int64_t row = t / 32, lane = t % 32;
        float sum = 0;

        for (int64_t c = lane; c < grid.c; c += 32)
          sum += value (row / grid.p, row % grid.p, c);
        partial[t] = sum;
      });
      seg_launch (device, sets.n_sets, [=] SEG_DEVICE (int64_t row) {
        float sum = 0;

        for (int lane = 0; lane < 32; lane++)
          sum += partial[row * 32 + lane];
        sums[row] = sum;
      });
      return;
    }
  {
    const int64_t chunks = seg_chunks (grid.p);
    const int64_t length = (grid.p + chunks - 1) / chunks;

    seg_launch (device, grid.n * chunks * grid.c, [=] SEG_DEVICE (int64_t t) {
      const int64_t c = t % grid.c, chunk = t / grid.c % chunks, n = t / grid.c / chunks;
      const int64_t end = (chunk + 1) * length < grid.p ? (chunk + 1) * length : grid.p;
      float sum = 0;

      for (int64_t p = chunk * length; p < end; p++)
        sum += value (n, p, c);
      partial[t] = sum;
    });
    seg_launch (device, sets.n_sets, [=] SEG_DEVICE (int64_t k) {
      const bool batch = sets.kind == SEG_NORM_BATCH;
      const int64_t n0 = batch ? 0 : k / sets.groups, n1 = batch ? grid.n : n0 + 1;
      const int64_t c0 = batch ? k : k % sets.groups * sets.per_group;
      const int64_t c1 = batch ? k + 1 : c0 + sets.per_group;
      float total = 0;

      for (int64_t n = n0; n < n1; n++)
        for (int64_t chunk = 0; chunk < chunks; chunk++)
          for (int64_t c = c0; c < c1; c++)
            total += partial[(n * chunks + chunk) * grid.c + c];
      sums[k] = total;
    });
  }
}

static size_t
partial_count (const Grid &grid, const Sets &sets)
{
  const int64_t by_chunk = grid.n * seg_chunks (grid.p) * grid.c;
  const int64_t by_row = sets.n_sets * 32;

  return (size_t) (sets.kind == SEG_NORM_LAYER && by_row > by_chunk ? by_row : by_chunk);
}

struct Layer
{
  Grid in, out, other; /* other: dout */
  View in_view, out_view, dout_view, gamma, beta;
  Sets sets;
  float *mean, *rstd;
  int act;
  float act_a;
};

SEG_HOST_DEVICE static inline float
get_affine (const Layer &layer, int64_t k, int64_t c, float x, float *normal)
{
  *normal = (x - layer.mean[k]) * layer.rstd[k];
  return *normal * (layer.gamma.data ? seg_load (layer.gamma, c * layer.gamma.stride[0]) : 1)
         + (layer.beta.data ? seg_load (layer.beta, c * layer.beta.stride[0]) : 0);
}

static void
measure (SegBackendDevice *device, const Layer &layer, const SegNormParams *params,
         const View &run_mean, const View &run_var, float *partial)
{
  const Sets sets = layer.sets;
  const Grid grid = layer.in;
  const View in = layer.in_view;
  float *mean = layer.mean, *rstd = layer.rstd;
  const float per_set = (float) sets.per_set, eps = (float) params->eps;
  const float unbias = per_set / (per_set > 1 ? per_set - 1 : 1);
  const float momentum = (float) params->momentum;
  const bool running = run_mean.data != nullptr;

  sum_sets (device, grid, sets, partial, mean, [=] SEG_DEVICE (int64_t n, int64_t p, int64_t c) {
    return seg_load (in, place (grid, n, p, c));
  });
  seg_launch (device, sets.n_sets, [=] SEG_DEVICE (int64_t k) { mean[k] /= per_set; });
  sum_sets (device, grid, sets, partial, rstd, [=] SEG_DEVICE (int64_t n, int64_t p, int64_t c) {
    const float gap = seg_load (in, place (grid, n, p, c)) - mean[set_of (sets, n, p, c)];

    return gap * gap;
  });
  seg_launch (device, sets.n_sets, [=] SEG_DEVICE (int64_t k) {
    const float variance = rstd[k] / per_set;

    if (running)
      {
        const int64_t m = k * run_mean.stride[0], v = k * run_var.stride[0];

        seg_store (run_mean, m, (1 - momentum) * seg_load (run_mean, m) + momentum * mean[k]);
        seg_store (run_var, v,
                   (1 - momentum) * seg_load (run_var, v) + momentum * variance * unbias);
      }
    rstd[k] = 1 / sqrtf (variance + eps);
  });
}

static SegStatus
forward (SegBackendDevice *device, const SegBackendCall *call, const SegNormParams *params)
{
  const View run_mean = seg_view (call->n_in > 3 ? call->in[3] : nullptr);
  const View run_var = seg_view (call->n_in > 4 ? call->in[4] : nullptr);
  Layer layer = {};
  float *partial;

  layer.in_view = seg_view (call->in[0]);
  layer.out_view = seg_view (call->out[0]);
  layer.gamma = seg_view (call->n_in > 1 ? call->in[1] : nullptr);
  layer.beta = seg_view (call->n_in > 2 ? call->in[2] : nullptr);
  layer.mean = (float *) call->out[1]->data;
  layer.rstd = (float *) call->out[2]->data;
  layer.act = params->act;
  layer.act_a = (float) params->act_a;
  if (!get_grid (layer.in_view, params, &layer.in) || !get_grid (layer.out_view, params, &layer.out))
    return SEG_STATUS_UNSUPPORTED;
  layer.sets = get_sets (layer.in, params);
  if (params->kind == SEG_NORM_BATCH && params->training == SEG_NORM_AGAIN)
    ;
  else if (params->kind == SEG_NORM_BATCH && !params->training)
    {
      const float eps = (float) params->eps;
      float *mean = layer.mean, *rstd = layer.rstd;

      seg_launch (device, layer.in.c, [=] SEG_DEVICE (int64_t c) {
        mean[c] = seg_load (run_mean, c * run_mean.stride[0]);
        rstd[c] = 1 / sqrtf (seg_load (run_var, c * run_var.stride[0]) + eps);
      });
    }
  else
    {
      partial = (float *) seg_cuda_scratch (device, SCRATCH_SUMS,
                                            sizeof (float) * partial_count (layer.in, layer.sets));
      if (partial == nullptr)
        return SEG_STATUS_MEMORY;
      measure (device, layer, params, run_mean, run_var, partial);
    }
  seg_launch (device, layer.in_view.n, [=] SEG_DEVICE (int64_t i) {
    const int64_t c = i % layer.in.c, p = i / layer.in.c % layer.in.p, n = i / layer.in.c / layer.in.p;
    float normal;
    const float affine = get_affine (layer, set_of (layer.sets, n, p, c), c,
                                     seg_load (layer.in_view, place (layer.in, n, p, c)), &normal);

    seg_store (layer.out_view, place (layer.out, n, p, c),
               seg_act (layer.act, affine, layer.act_a, 0));
  });
  return SEG_STATUS_OK;
}

/* With x̂ = (x − mean)·rstd, g = dout·act'(γx̂+β), h = γ·g:
 * dx = rstd·(h − mean h − x̂·mean (h·x̂)), or rstd·h where statistics are constants. */
SEG_HOST_DEVICE static inline float
get_g (const Layer &layer, int64_t n, int64_t p, int64_t c, float *normal)
{
  const float affine
      = get_affine (layer, set_of (layer.sets, n, p, c), c,
                    seg_load (layer.in_view, place (layer.in, n, p, c)), normal);

  return seg_load (layer.dout_view, place (layer.other, n, p, c))
         * seg_act_derivative (layer.act, affine, layer.act_a, 0);
}

SEG_HOST_DEVICE static inline float
get_scale (const Layer &layer, int64_t c)
{
  return layer.gamma.data ? seg_load (layer.gamma, c * layer.gamma.stride[0]) : 1;
}

static void
add_parameter_gradient (SegBackendDevice *device, const Layer &layer, const View &gradient,
                        float *partial, float *sums, bool with_normal)
{
  Sets by_feature = {};

  if (gradient.data == nullptr)
    return;
  by_feature.kind = SEG_NORM_BATCH;
  by_feature.n_sets = layer.in.c;
  sum_sets (device, layer.in, by_feature, partial, sums,
            [=] SEG_DEVICE (int64_t n, int64_t p, int64_t c) {
              float normal;
              const float g = get_g (layer, n, p, c, &normal);

              return with_normal ? g * normal : g;
            });
  seg_launch (device, layer.in.c, [=] SEG_DEVICE (int64_t c) {
    const int64_t at = c * gradient.stride[0];

    seg_store (gradient, at, seg_load (gradient, at) + sums[c]);
  });
}

static SegStatus
backward (SegBackendDevice *device, const SegBackendCall *call, const SegNormParams *params)
{
  const View dgamma = seg_view (call->n_out > 1 ? call->out[1] : nullptr);
  const View dbeta = seg_view (call->n_out > 2 ? call->out[2] : nullptr);
  const bool constant = params->kind == SEG_NORM_BATCH && !params->training;
  Layer layer = {};
  float *partial, *sums, *sums_normal;
  size_t n_partial, n_sums;

  layer.in_view = seg_view (call->in[0]);
  layer.dout_view = seg_view (call->in[1]);
  layer.gamma = seg_view (call->in[2]);
  layer.beta = seg_view (call->in[3]);
  layer.mean = (float *) call->in[4]->data;
  layer.rstd = (float *) call->in[5]->data;
  layer.out_view = seg_view (call->out[0]);
  layer.act = params->act;
  layer.act_a = (float) params->act_a;
  if (!get_grid (layer.in_view, params, &layer.in)
      || !get_grid (layer.dout_view, params, &layer.other)
      || !get_grid (layer.out_view, params, &layer.out))
    return SEG_STATUS_UNSUPPORTED;
  layer.sets = get_sets (layer.in, params);
  n_partial = partial_count (layer.in, layer.sets);
  n_sums = (size_t) (layer.sets.n_sets > layer.in.c ? layer.sets.n_sets : layer.in.c);
  partial = (float *) seg_cuda_scratch (device, SCRATCH_SUMS,
                                        sizeof (float) * (n_partial + 2 * n_sums));
  if (partial == nullptr)
    return SEG_STATUS_MEMORY;
  sums = partial + n_partial;
  sums_normal = sums + n_sums;
  add_parameter_gradient (device, layer, dgamma, partial, sums, true);
  add_parameter_gradient (device, layer, dbeta, partial, sums, false);
  if (!constant)
    {
      sum_sets (device, layer.in, layer.sets, partial, sums,
                [=] SEG_DEVICE (int64_t n, int64_t p, int64_t c) {
                  float normal;

                  return get_g (layer, n, p, c, &normal) * get_scale (layer, c);
                });
      sum_sets (device, layer.in, layer.sets, partial, sums_normal,
                [=] SEG_DEVICE (int64_t n, int64_t p, int64_t c) {
                  float normal;
                  const float g = get_g (layer, n, p, c, &normal);

                  return g * get_scale (layer, c) * normal;
                });
    }
  seg_launch (device, layer.in_view.n, [=] SEG_DEVICE (int64_t i) {
    const int64_t c = i % layer.in.c, p = i / layer.in.c % layer.in.p, n = i / layer.in.c / layer.in.p;
    const int64_t k = set_of (layer.sets, n, p, c);
    const float per_set = (float) layer.sets.per_set;
    float normal, h;

    h = get_g (layer, n, p, c, &normal) * get_scale (layer, c);
    if (!constant)
      h -= sums[k] / per_set + normal * sums_normal[k] / per_set;
    seg_store (layer.out_view, place (layer.out, n, p, c), h * layer.rstd[k]);
  });
  return SEG_STATUS_OK;
}

SegStatus
seg_cuda_norm (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegNormParams *params = (const SegNormParams *) call->params;

  return call->op == SEG_OP_NORM ? forward (device, call, params) : backward (device, call, params);
}
