/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/backend/cuda/device.h"
#include "seg/backend/cuda/libraries.h"

/* wide: the map the kernel slides over; narrow: the other (seg/backend/ref/ref-conv.c). The weight
 * is [narrow_c][wide_c / groups][k..] in ordinary and transposed convolutions alike. */
struct Sliding
{
  View wide, narrow, weight;
  int64_t groups, wide_c, narrow_c; /* channels in a group */
  int64_t wide_size[3], narrow_size[3], kernel[3];
  int64_t wide_step[3], narrow_step[3], weight_step[3];
  int64_t stride[3], pad[3], dilation[3];
};

static Sliding
get_sliding (const SegBackendTensor *wide, const SegBackendTensor *narrow,
             const SegBackendTensor *weight, const SegConvParams *params)
{
  const int missing = 3 - params->n_spatial;
  Sliding s = {};

  s.wide = seg_view (wide);
  s.narrow = seg_view (narrow);
  s.weight = seg_view (weight);
  s.groups = params->groups;
  s.wide_c = wide->shape[1] / params->groups;
  s.narrow_c = narrow->shape[1] / params->groups;
  for (int a = 0; a < 3; a++)
    {
      const int from = a - missing;

      s.wide_size[a] = from < 0 ? 1 : wide->shape[2 + from];
      s.narrow_size[a] = from < 0 ? 1 : narrow->shape[2 + from];
      s.kernel[a] = from < 0 ? 1 : weight->shape[2 + from];
      s.wide_step[a] = from < 0 ? 0 : wide->stride[2 + from];
      s.narrow_step[a] = from < 0 ? 0 : narrow->stride[2 + from];
      s.weight_step[a] = from < 0 ? 0 : weight->stride[2 + from];
      s.stride[a] = from < 0 ? 1 : params->stride[from];
      s.pad[a] = from < 0 ? 0 : params->pad[from];
      s.dilation[a] = from < 0 ? 1 : params->dilation[from];
    }
  return s;
}

/* --- by element: grouped and other convolutions that cuDNN's plans leave out ------------------ */

static void
to_narrow (SegBackendDevice *device, const Sliding &s)
{
  const int64_t channels = s.groups * s.narrow_c;

  seg_launch (device, s.narrow.n, [=] SEG_DEVICE (int64_t t) {
    const int64_t c = t % channels, x = t / channels % s.narrow_size[2];
    const int64_t y = t / channels / s.narrow_size[2] % s.narrow_size[1];
    const int64_t z = t / channels / s.narrow_size[2] / s.narrow_size[1] % s.narrow_size[0];
    const int64_t n = t / channels / s.narrow_size[2] / s.narrow_size[1] / s.narrow_size[0];
    const int64_t first = c / s.narrow_c * s.wide_c;
    float sum = 0;

    for (int64_t kz = 0; kz < s.kernel[0]; kz++)
      for (int64_t ky = 0; ky < s.kernel[1]; ky++)
        for (int64_t kx = 0; kx < s.kernel[2]; kx++)
          {
            const int64_t wz = z * s.stride[0] - s.pad[0] + kz * s.dilation[0];
            const int64_t wy = y * s.stride[1] - s.pad[1] + ky * s.dilation[1];
            const int64_t wx = x * s.stride[2] - s.pad[2] + kx * s.dilation[2];
            const int64_t from = n * s.wide.stride[0] + wz * s.wide_step[0] + wy * s.wide_step[1]
                                 + wx * s.wide_step[2];
            const int64_t tap = c * s.weight.stride[0] + kz * s.weight_step[0]
                                + ky * s.weight_step[1] + kx * s.weight_step[2];

            if (wz < 0 || wy < 0 || wx < 0 || wz >= s.wide_size[0] || wy >= s.wide_size[1]
                || wx >= s.wide_size[2])
              continue;
            for (int64_t w = 0; w < s.wide_c; w++)
              sum += seg_load (s.wide, from + (first + w) * s.wide.stride[1])
                     * seg_load (s.weight, tap + w * s.weight.stride[1]);
          }
    seg_store (s.narrow,
               n * s.narrow.stride[0] + c * s.narrow.stride[1] + z * s.narrow_step[0]
                   + y * s.narrow_step[1] + x * s.narrow_step[2],
               sum);
  });
}

/* The narrow index whose tap k falls on wide index w, or −1. */
SEG_HOST_DEVICE static inline int64_t
narrow_index (const Sliding &s, int a, int64_t w, int64_t k)
{
  const int64_t at = w + s.pad[a] - k * s.dilation[a];

  return at < 0 || at % s.stride[a] != 0 || at / s.stride[a] >= s.narrow_size[a] ? -1
                                                                                : at / s.stride[a];
}

static void
to_wide (SegBackendDevice *device, const Sliding &s)
{
  const int64_t channels = s.groups * s.wide_c;

  seg_launch (device, s.wide.n, [=] SEG_DEVICE (int64_t t) {
    const int64_t c = t % channels, x = t / channels % s.wide_size[2];
    const int64_t y = t / channels / s.wide_size[2] % s.wide_size[1];
    const int64_t z = t / channels / s.wide_size[2] / s.wide_size[1] % s.wide_size[0];
    const int64_t n = t / channels / s.wide_size[2] / s.wide_size[1] / s.wide_size[0];
    const int64_t first = c / s.wide_c * s.narrow_c;
    float sum = 0;

    for (int64_t kz = 0; kz < s.kernel[0]; kz++)
      for (int64_t ky = 0; ky < s.kernel[1]; ky++)
        for (int64_t kx = 0; kx < s.kernel[2]; kx++)
          {
            const int64_t nz = narrow_index (s, 0, z, kz), ny = narrow_index (s, 1, y, ky);
            const int64_t nx = narrow_index (s, 2, x, kx);
            const int64_t from = n * s.narrow.stride[0] + nz * s.narrow_step[0]
                                 + ny * s.narrow_step[1] + nx * s.narrow_step[2];
            const int64_t tap = c % s.wide_c * s.weight.stride[1] + kz * s.weight_step[0]
                                + ky * s.weight_step[1] + kx * s.weight_step[2];

            if (nz < 0 || ny < 0 || nx < 0)
              continue;
            for (int64_t i = 0; i < s.narrow_c; i++)
              sum += seg_load (s.narrow, from + (first + i) * s.narrow.stride[1])
                     * seg_load (s.weight, tap + (first + i) * s.weight.stride[0]);
          }
    seg_store (s.wide,
               n * s.wide.stride[0] + c * s.wide.stride[1] + z * s.wide_step[0]
                   + y * s.wide_step[1] + x * s.wide_step[2],
               sum);
  });
}

static void
to_weight (SegBackendDevice *device, const Sliding &s)
{
  const int64_t taps = s.kernel[0] * s.kernel[1] * s.kernel[2];

  seg_launch (device, s.weight.n, [=] SEG_DEVICE (int64_t t) {
    const int64_t k = t % taps, w = t / taps % s.wide_c, c = t / taps / s.wide_c;
    const int64_t kz = k / s.kernel[2] / s.kernel[1], ky = k / s.kernel[2] % s.kernel[1];
    const int64_t kx = k % s.kernel[2];
    const int64_t wide_channel = (c / s.narrow_c * s.wide_c + w) * s.wide.stride[1];
    const int64_t to = c * s.weight.stride[0] + w * s.weight.stride[1] + kz * s.weight_step[0]
                       + ky * s.weight_step[1] + kx * s.weight_step[2];
    float total = 0;

    for (int64_t n = 0; n < s.wide.shape[0]; n++)
      for (int64_t z = 0; z < s.narrow_size[0]; z++)
        for (int64_t y = 0; y < s.narrow_size[1]; y++)
          {
            const int64_t wz = z * s.stride[0] - s.pad[0] + kz * s.dilation[0];
            const int64_t wy = y * s.stride[1] - s.pad[1] + ky * s.dilation[1];
            float line = 0;

            if (wz < 0 || wy < 0 || wz >= s.wide_size[0] || wy >= s.wide_size[1])
              continue;
            for (int64_t x = 0; x < s.narrow_size[2]; x++)
              {
                const int64_t wx = x * s.stride[2] - s.pad[2] + kx * s.dilation[2];

                if (wx >= 0 && wx < s.wide_size[2])
                  line += seg_load (s.wide, n * s.wide.stride[0] + wide_channel
                                                + wz * s.wide_step[0] + wy * s.wide_step[1]
                                                + wx * s.wide_step[2])
                          * seg_load (s.narrow, n * s.narrow.stride[0] + c * s.narrow.stride[1]
                                                    + z * s.narrow_step[0] + y * s.narrow_step[1]
                                                    + x * s.narrow_step[2]);
              }
            total += line;
          }
    seg_store (s.weight, to, seg_load (s.weight, to) + total);
  });
}

/* --- bias ----------------------------------------------------------------------------------- */

static void
add_bias (SegBackendDevice *device, const View &out, const View &bias)
{
  int64_t inner = 1;

  for (int a = 2; a < out.rank; a++)
    inner *= out.shape[a];
  seg_launch (device, out.n, [=] SEG_DEVICE (int64_t i) {
    const int64_t at = seg_offset (out, i);
    const int64_t c = i / inner % out.shape[1];

    seg_store (out, at, seg_load (out, at) + seg_load (bias, c * bias.stride[0]));
  });
}

static SegStatus
add_bias_gradient (SegBackendDevice *device, const View &dbias, const View &dout)
{
  const int64_t channels = dout.shape[1], per_channel = dout.n / (channels > 0 ? channels : 1);
  const int64_t chunks = seg_chunks (per_channel);
  View rest = dout;
  float *partial;

  rest.rank = 0;
  for (int a = 0; a < dout.rank; a++)
    if (a != 1)
      {
        rest.shape[rest.rank] = dout.shape[a];
        rest.stride[rest.rank++] = dout.stride[a];
      }
  partial = (float *) seg_cuda_scratch (device, SCRATCH_SUMS,
                                        sizeof (float) * (size_t) (chunks * channels));
  if (partial == nullptr)
    return SEG_STATUS_MEMORY;
  seg_launch (device, chunks * channels, [=] SEG_DEVICE (int64_t t) {
    const int64_t c = t % channels;
    float sum = 0;

    for (int64_t i = t / channels; i < per_channel; i += chunks)
      sum += seg_load (dout, c * dout.stride[1] + seg_offset (rest, i));
    partial[t] = sum;
  });
  seg_launch (device, channels, [=] SEG_DEVICE (int64_t c) {
    float sum = seg_load (dbias, c * dbias.stride[0]);

    for (int64_t chunk = 0; chunk < chunks; chunk++)
      sum += partial[chunk * channels + c];
    seg_store (dbias, c * dbias.stride[0], sum);
  });
  return SEG_STATUS_OK;
}

/* --- the op --------------------------------------------------------------------------------- */

SegStatus
seg_cuda_conv (SegBackendDevice *device, const SegBackendCall *call)
{
  const SegConvParams *params = (const SegConvParams *) call->params;
  const bool turned = params->transposed != 0;
  const SegBackendTensor *out = call->out[0], *a = call->in[0], *b = call->in[1];
  SegStatus status = SEG_STATUS_OK;
  Sliding s;
  int kind;

  switch (call->op)
    {
    case SEG_OP_CONV:
      kind = turned ? SEG_LIBRARY_TO_WIDE : SEG_LIBRARY_TO_NARROW;
      s = turned ? get_sliding (out, a, b, params) : get_sliding (a, out, b, params);
      break;
    case SEG_OP_CONV_BACKWARD_DATA:
      kind = turned ? SEG_LIBRARY_TO_NARROW : SEG_LIBRARY_TO_WIDE;
      s = turned ? get_sliding (a, out, b, params) : get_sliding (out, a, b, params);
      break;
    default:
      kind = SEG_LIBRARY_TO_WEIGHT;
      s = turned ? get_sliding (b, a, out, params) : get_sliding (a, b, out, params);
    }
  if (!seg_cuda_library_conv (device, call, kind, &status))
    {
      if (kind == SEG_LIBRARY_TO_NARROW)
        to_narrow (device, s);
      else if (kind == SEG_LIBRARY_TO_WIDE)
        to_wide (device, s);
      else
        to_weight (device, s);
    }
  if (status != SEG_STATUS_OK)
    return status;
  if (call->op == SEG_OP_CONV && call->n_in > 2 && call->in[2] != nullptr)
    add_bias (device, seg_view (out), seg_view (call->in[2]));
  if (call->op == SEG_OP_CONV_BACKWARD_WEIGHTS && call->n_out > 1 && call->out[1] != nullptr)
    return add_bias_gradient (device, seg_view (call->out[1]), seg_view (b));
  return SEG_STATUS_OK;
}
