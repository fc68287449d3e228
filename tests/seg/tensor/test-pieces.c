/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/tensor/pieces.h"

#include <math.h>
#include <string.h>

/* A convolution in pieces is the convolution, for each of its gradients, however many pieces. */

#define CHANNELS 16
#define SIDE 48

static SegDevice *device;

typedef struct
{
  SegTensor *in, *weights, *out, *bias;
} Maps;

static SegTensor *
make (SegContext *context, gint64 n, gint64 channels, gint64 depth, gint64 height, gint64 width)
{
  return seg_tensor_new_normal (context, SEG_DTYPE_F32,
                                SEG_SHAPE (n, channels, depth, height, width), 0, 1);
}

static void
fill_call (SegBackendCall *call, SegOp op, const SegConvParams *params, const Maps *maps,
           SegBackendTensor tensors[4])
{
  seg_tensor_fill_backend (maps->in, &tensors[0]);
  seg_tensor_fill_backend (maps->weights, &tensors[1]);
  seg_tensor_fill_backend (maps->out, &tensors[2]);
  seg_tensor_fill_backend (maps->bias, &tensors[3]);
  *call = (SegBackendCall){ op, params, sizeof *params, 1, 2, { NULL }, { NULL } };
  switch (op)
    {
    case SEG_OP_CONV:
      call->out[0] = &tensors[2];
      call->in[0] = &tensors[0];
      call->in[1] = &tensors[1];
      call->in[2] = &tensors[3];
      call->n_in = 3;
      break;
    case SEG_OP_CONV_BACKWARD_DATA:
      call->out[0] = &tensors[0];
      call->in[0] = &tensors[2];
      call->in[1] = &tensors[1];
      break;
    default:
      call->out[0] = &tensors[1];
      call->out[1] = &tensors[3];
      call->n_out = 2;
      call->in[0] = &tensors[0];
      call->in[1] = &tensors[2];
    }
}

static int n_run;

static SegStatus
count_cb (SegContext *context, const SegBackendCall *piece)
{
  n_run++;
  return device->backend->op_run (device->handle, piece);
}

static SegStatus
fail_cb (SegContext *context, const SegBackendCall *piece)
{
  return ++n_run == 2 ? SEG_STATUS_FAILED : SEG_STATUS_OK;
}

static float *
download (SegTensor *tensor, gint64 *n)
{
  float *values;

  *n = seg_tensor_get_n_elements (tensor);
  values = g_new (float, *n);
  g_assert_true (seg_tensor_download (tensor, SEG_DTYPE_F32, values));
  return values;
}

/* What @op writes, as of @gflop: 0 for the whole. */
static float *
run (SegOp op, gint64 n_samples, gint64 depth, double gflop, gint64 *n)
{
  g_autoptr (SegContext) context = seg_context_new (device, 5);
  const SegConvParams params = {
    .n_spatial = 3, .groups = 1, .stride = { 1, 1, 1 }, .pad = { 1, 1, 1 }, .dilation = { 1, 1, 1 }
  };
  const Maps maps = { make (context, n_samples, CHANNELS, depth, SIDE, SIDE + 1),
                      seg_tensor_new_plain (context, SEG_DTYPE_F32, 5,
                                            (gint64[]){ CHANNELS, CHANNELS, 3, 3, 3 }),
                      make (context, n_samples, CHANNELS, depth, SIDE, SIDE + 1),
                      seg_tensor_new_plain (context, SEG_DTYPE_F32, 1, (gint64[]){ CHANNELS }) };
  SegTensor *written = op == SEG_OP_CONV                 ? maps.out
                       : op == SEG_OP_CONV_BACKWARD_DATA ? maps.in
                                                         : maps.weights;
  g_autofree float *weights = g_new (float, CHANNELS *CHANNELS * 27);
  float bias[CHANNELS];
  SegBackendTensor tensors[4];
  SegBackendCall call;
  SegStatus status = SEG_STATUS_FAILED;
  float *values;

  for (int w = 0; w < CHANNELS * CHANNELS * 27; w++)
    weights[w] = (float) ((w * 37) % 61) / 61 - 0.5f;
  for (int c = 0; c < CHANNELS; c++)
    bias[c] = (float) c / CHANNELS;
  g_assert_true (seg_tensor_upload (maps.weights, SEG_DTYPE_F32, weights));
  g_assert_true (seg_tensor_upload (maps.bias, SEG_DTYPE_F32, bias));
  fill_call (&call, op, &params, &maps, tensors);
  n_run = 0;
  if (gflop > 0)
    g_assert_true (seg_pieces_run (context, &call, gflop, count_cb, &status));
  else
    status = device->backend->op_run (device->handle, &call);
  g_assert_cmpint (status, ==, SEG_STATUS_OK);
  values = download (written, n);
  if (op == SEG_OP_CONV_BACKWARD_WEIGHTS)
    {
      gint64 n_bias;
      g_autofree float *sums = download (maps.bias, &n_bias);

      /* behind the weights' the bias's */
      values = g_renew (float, values, *n + n_bias);
      memcpy (values + *n, sums, (gsize) n_bias * sizeof *sums);
      *n += n_bias;
    }
  seg_tensor_unref (maps.in);
  seg_tensor_unref (maps.weights);
  seg_tensor_unref (maps.out);
  seg_tensor_unref (maps.bias);
  return values;
}

static void
test_same_numbers (void)
{
  static const SegOp ops[] = { SEG_OP_CONV, SEG_OP_CONV_BACKWARD_DATA,
                               SEG_OP_CONV_BACKWARD_WEIGHTS };
  /* two pieces of a sample become three; the planes do not go into the pieces; both samples at once
   */
  static const struct
  {
    gint64 n_samples, depth;
    double gflop;
  } cases[] = { { 1, 20, 8 }, { 2, 31, 40 }, { 3, 19, 30 }, { 2, 12, 9 } };

  for (gsize c = 0; c < G_N_ELEMENTS (cases); c++)
    for (gsize o = 0; o < G_N_ELEMENTS (ops); o++)
      {
        gint64 n, n_again;
        g_autofree float *whole = run (ops[o], cases[c].n_samples, cases[c].depth, 0, &n);
        g_autofree float *pieces =
            run (ops[o], cases[c].n_samples, cases[c].depth, cases[c].gflop, &n_again);
        g_autofree float *again = NULL;
        double scale = 0, gap = 0;

        g_assert_cmpint (n, ==, n_again);
        /* a gradient of weights that oneDNN makes stays whole below a sample a thread */
        g_assert_cmpint (n_run, >=, ops[o] == SEG_OP_CONV_BACKWARD_WEIGHTS ? 1 : 2);
        again = run (ops[o], cases[c].n_samples, cases[c].depth, cases[c].gflop, &n_again);
        g_assert_cmpmem (pieces, (gsize) n * sizeof *pieces, again, (gsize) n * sizeof *again);
        for (gint64 i = 0; i < n; i++)
          {
            scale = fmax (scale, fabs ((double) whole[i]));
            gap = fmax (gap, fabs ((double) whole[i] - (double) pieces[i]));
          }
        /* sums of up to some thousands of products in another order */
        if (!(gap <= 2e-5 * scale))
          g_error ("%s, case %d: %g of %g", seg_op_get_name (ops[o]), (int) c, gap, scale);
      }
}

static void
test_short_ones_stay_whole (void)
{
  g_autoptr (SegContext) context = seg_context_new (device, 5);
  g_autoptr (SegTensor) in = make (context, 1, CHANNELS, 4, 4, 4);
  const SegConvParams params = { .n_spatial = 3, .groups = 1 };
  const Maps maps = { in, in, in, in };
  SegBackendTensor tensors[4];
  SegBackendCall call;
  SegStatus status;

  fill_call (&call, SEG_OP_CONV, &params, &maps, tensors);
  g_assert_false (seg_pieces_run (context, &call, 0.5, count_cb, &status));
}

/* As cancelling does. */
static void
test_ends_with_a_failure (void)
{
  g_autoptr (SegContext) context = seg_context_new (device, 5);
  g_autoptr (SegTensor) map = make (context, 4, CHANNELS, 8, SIDE, SIDE);
  g_autoptr (SegTensor) weights =
      seg_tensor_new_plain (context, SEG_DTYPE_F32, 5, (gint64[]){ CHANNELS, CHANNELS, 3, 3, 3 });
  g_autoptr (SegTensor) bias =
      seg_tensor_new_plain (context, SEG_DTYPE_F32, 1, (gint64[]){ CHANNELS });
  const SegConvParams params = {
    .n_spatial = 3, .groups = 1, .stride = { 1, 1, 1 }, .pad = { 1, 1, 1 }, .dilation = { 1, 1, 1 }
  };
  const Maps maps = { map, weights, map, bias };
  SegBackendTensor tensors[4];
  SegBackendCall call;
  SegStatus status = SEG_STATUS_OK;

  fill_call (&call, SEG_OP_CONV, &params, &maps, tensors);
  n_run = 0;
  g_assert_true (seg_pieces_run (context, &call, 16, fail_cb, &status));
  g_assert_cmpint (status, ==, SEG_STATUS_FAILED);
  g_assert_cmpint (n_run, ==, 2);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int result;

  g_test_init (&argc, &argv, NULL);
  device = seg_device_open ("cpu", 0, &error);
  if (device == NULL)
    {
      g_print ("1..0 # SKIP %s\n", error->message);
      return 0;
    }
  g_test_add_func ("/seg/tensor/pieces/same-numbers", test_same_numbers);
  g_test_add_func ("/seg/tensor/pieces/short-ones-stay-whole", test_short_ones_stay_whole);
  g_test_add_func ("/seg/tensor/pieces/ends-with-a-failure", test_ends_with_a_failure);
  result = g_test_run ();
  seg_device_unref (device);
  return result;
}
