/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/ref/ref-private.h"

/* One pass over all (output, tap, input) triples serves the three directions: a transposed
 * convolution is the backward-data pass of the ordinary one, with the maps' names exchanged. */

typedef struct
{
  int64_t n, groups, wide_c, narrow_c; /* channels per group of the two maps */
  int64_t wide[3], narrow[3], k[3]; /* sizes, missing axes 1 */
  int64_t stride[3], pad[3], dilation[3];
} Geometry;

typedef enum
{
  TO_NARROW,
  TO_WIDE,
  TO_WEIGHT,
} Direction;

/* wide: the map that the kernel slides over (the ordinary convolution's input).
 * weight [narrow_c·groups][wide_c][k..] in both kinds. */
static Geometry
get_geometry (const Ref *wide, const Ref *narrow, const Ref *weight, const SegConvParams *params)
{
  const int missing = 3 - params->n_spatial;
  Geometry g = { wide->shape[0],
                 params->groups,
                 wide->shape[1] / params->groups,
                 narrow->shape[1] / params->groups,
                 { 1, 1, 1 },
                 { 1, 1, 1 },
                 { 1, 1, 1 },
                 { 1, 1, 1 },
                 { 0, 0, 0 },
                 { 1, 1, 1 } };

  for (int a = 0; a < params->n_spatial; a++)
    {
      g.wide[missing + a] = wide->shape[2 + a];
      g.narrow[missing + a] = narrow->shape[2 + a];
      g.k[missing + a] = weight->shape[2 + a];
      g.stride[missing + a] = params->stride[a];
      g.pad[missing + a] = params->pad[a];
      g.dilation[missing + a] = params->dilation[a];
    }
  return g;
}

/* Adds for one pair of channels. */
static void
slide (const Geometry *g, double *wide, double *narrow, double *weight, Direction direction)
{
  for (int64_t z = 0; z < g->narrow[0]; z++)
    for (int64_t y = 0; y < g->narrow[1]; y++)
      for (int64_t x = 0; x < g->narrow[2]; x++)
        {
          double *small = narrow + (z * g->narrow[1] + y) * g->narrow[2] + x;

          for (int64_t kz = 0; kz < g->k[0]; kz++)
            for (int64_t ky = 0; ky < g->k[1]; ky++)
              for (int64_t kx = 0; kx < g->k[2]; kx++)
                {
                  const int64_t wz = z * g->stride[0] - g->pad[0] + kz * g->dilation[0];
                  const int64_t wy = y * g->stride[1] - g->pad[1] + ky * g->dilation[1];
                  const int64_t wx = x * g->stride[2] - g->pad[2] + kx * g->dilation[2];
                  double *tap = weight + (kz * g->k[1] + ky) * g->k[2] + kx;
                  double *large;

                  if (wz < 0 || wy < 0 || wx < 0 || wz >= g->wide[0] || wy >= g->wide[1]
                      || wx >= g->wide[2])
                    continue;
                  large = wide + (wz * g->wide[1] + wy) * g->wide[2] + wx;
                  if (direction == TO_NARROW)
                    *small += *large * *tap;
                  else if (direction == TO_WIDE)
                    *large += *small * *tap;
                  else
                    *tap += *large * *small;
                }
        }
}

static void
convolve (Ref *wide, Ref *narrow, Ref *weight, const SegConvParams *params, Direction direction)
{
  const Geometry g = get_geometry (wide, narrow, weight, params);
  const int64_t wide_size = g.wide[0] * g.wide[1] * g.wide[2];
  const int64_t narrow_size = g.narrow[0] * g.narrow[1] * g.narrow[2];
  const int64_t k_size = g.k[0] * g.k[1] * g.k[2];

  for (int64_t n = 0; n < g.n; n++)
    for (int64_t group = 0; group < g.groups; group++)
      for (int64_t i = 0; i < g.narrow_c; i++)
        for (int64_t o = 0; o < g.wide_c; o++)
          {
            const int64_t narrow_c = group * g.narrow_c + i;
            const int64_t wide_c = group * g.wide_c + o;

            slide (&g, wide->v + (n * wide->shape[1] + wide_c) * wide_size,
                   narrow->v + (n * narrow->shape[1] + narrow_c) * narrow_size,
                   weight->v + (narrow_c * g.wide_c + o) * k_size, direction);
          }
}

static void
set_bias (Ref *out, const Ref *bias)
{
  int64_t per_channel = 1;

  for (int a = 2; a < out->rank; a++)
    per_channel *= out->shape[a];
  for (int64_t i = 0; i < out->n; i++)
    out->v[i] = bias->v != NULL ? bias->v[i / per_channel % out->shape[1]] : 0;
}

static void
add_bias_gradient (Ref *dbias, const Ref *dout)
{
  int64_t per_channel = 1;

  if (dbias->v == NULL)
    return;
  for (int a = 2; a < dout->rank; a++)
    per_channel *= dout->shape[a];
  for (int64_t i = 0; i < dout->n; i++)
    dbias->v[i / per_channel % dout->shape[1]] += dout->v[i];
}

SegStatus
seg_ref_conv (RefCall *call)
{
  const SegConvParams *params = call->call->params;
  const bool turned = params->transposed;
  Ref *out = &call->out[0], *a = &call->in[0], *b = &call->in[1];

  switch (call->call->op)
    {
    case SEG_OP_CONV:
      set_bias (out, &call->in[2]);
      convolve (turned ? out : a, turned ? a : out, b, params, turned ? TO_WIDE : TO_NARROW);
      return SEG_STATUS_OK;
    case SEG_OP_CONV_BACKWARD_DATA:
      set_bias (out, &(Ref){ 0 });
      convolve (turned ? a : out, turned ? out : a, b, params, turned ? TO_NARROW : TO_WIDE);
      return SEG_STATUS_OK;
    default:
      convolve (turned ? b : a, turned ? a : b, out, params, TO_WEIGHT);
      add_bias_gradient (&call->out[1], b);
      return SEG_STATUS_OK;
    }
}
