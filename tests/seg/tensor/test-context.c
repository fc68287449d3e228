/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/model/vnet.h"
#include "seg/nn/optimiser.h"
#include "seg/tensor/context.h"

#include <math.h>
#include <string.h>

/* What happens when something goes wrong, and what may never change: errors stick, memory ends in
 * an error, cancelling leaves parameters alone, random numbers repeat, activations are dropped. */

static SegDevice *device;

static void
test_errors_stick (void)
{
  g_autoptr (SegContext) context = seg_context_new (device, 1);
  g_autoptr (SegTensor) a = seg_tensor_new_filled (context, SEG_DTYPE_F32, SEG_SHAPE (2, 3), 1);
  g_autoptr (SegTensor) b = seg_tensor_new_filled (context, SEG_DTYPE_F32, SEG_SHAPE (2, 4), 1);
  g_autoptr (SegTensor) wrong = seg_add (a, b);
  g_autoptr (SegTensor) after = seg_relu (wrong);
  g_autoptr (SegTensor) good = seg_relu (a);
  g_autoptr (GError) error = NULL;

  g_assert_null (wrong);
  g_assert_null (after);
  g_assert_null (good); /* nothing runs until the error is looked at */
  g_assert_false (seg_context_check (context, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, "f32 2×3"));
  g_assert_true (seg_context_check (context, NULL));
  good = seg_relu (a);
  g_assert_nonnull (good);
}

static void
test_memory_ends_in_an_error (void)
{
  g_autoptr (SegContext) context = seg_context_new (device, 1);
  g_autoptr (SegVnet) net = NULL;
  g_autoptr (SegTensor) x = NULL;
  g_autoptr (GError) error = NULL;
  SegMemoryStats before, stats;

  net = seg_vnet_new (context, &(SegVnetParams){ .filters = 4 });
  x = seg_tensor_new_filled (context, SEG_DTYPE_F32, SEG_SHAPE (1, 1, 32, 32, 32), 1);
  seg_context_get_memory (context, &before);
  seg_context_set_memory_limit (context, before.in_use_bytes + (1 << 20));
  {
    G_GNUC_UNUSED g_autoptr (SegTape) tape = seg_tape_begin (context);
    g_autoptr (SegTensor) logits = seg_vnet_forward (net, x, NULL);

    g_assert_null (logits);
  }
  g_assert_false (seg_context_check (context, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY);
  seg_context_get_memory (context, &stats);
  g_assert_cmpuint (stats.in_use_bytes, ==, before.in_use_bytes);
  seg_context_set_memory_limit (context, 0);
  {
    g_autoptr (SegTensor) logits = seg_vnet_forward (net, x, NULL);

    g_assert_nonnull (logits);
  }
  /* absurd sizes do not wrap around */
  g_assert_null (
      seg_tensor_new (context, SEG_DTYPE_F32, SEG_SHAPE (G_MAXINT64 / 2, G_MAXINT64 / 2)));
  g_assert_false (seg_context_check (context, NULL));
}

static gboolean
count_down_cb (SegContext *context, gpointer user_data)
{
  int *left = user_data;

  return (*left)-- > 0;
}

static double
sum_of (SegModule *module)
{
  g_autoptr (GPtrArray) list = seg_module_list_parameters (module);
  double total = 0;

  for (guint p = 0; p < list->len; p++)
    {
      g_autoptr (SegTensor) square = seg_square (list->pdata[p]);
      g_autoptr (SegTensor) sum = seg_sum (square, SEG_ALL_AXES);

      total += seg_tensor_get_scalar (sum);
    }
  return total;
}

/* Cancelled at any operation of a step, the parameters are those before it or those after it. */
static void
test_cancelling (void)
{
  g_autoptr (SegContext) context = seg_context_new (device, 1);
  g_autoptr (SegVnet) net = seg_vnet_new (context, &(SegVnetParams){ .filters = 2, .levels = 2 });
  SegModule *module = seg_vnet_get_module (net);
  g_autoptr (SegOptimiser) optimiser =
      seg_optimiser_new (module, &(SegOptimiserParams){ .kind = SEG_OPTIMISER_SGD, .lr = 0.1 });
  g_autoptr (SegTensor) x =
      seg_tensor_new_normal (context, SEG_DTYPE_F32, SEG_SHAPE (1, 1, 8, 8, 8), 0, 1);
  int n_cancelled = 0;

  for (int at = 0; at < 150; at += 3)
    {
      g_autoptr (GError) error = NULL;
      const double before = sum_of (module);
      int left = at;
      gboolean finished;

      seg_context_set_yield (context, count_down_cb, &left);
      {
        g_autoptr (SegTape) tape = seg_tape_begin (context);
        g_autoptr (SegTensor) logits = seg_vnet_forward (net, x, NULL);
        g_autoptr (SegTensor) square = seg_square (logits);
        g_autoptr (SegTensor) loss = seg_mean (square, SEG_ALL_AXES);

        finished = seg_tape_backward (tape, loss) && seg_optimiser_step (optimiser);
      }
      seg_context_set_yield (context, NULL, NULL);
      if (seg_context_check (context, &error))
        {
          g_assert_true (finished);
          g_assert_cmpfloat (sum_of (module), !=, before);
          continue;
        }
      g_assert_error (error, SEG_ERROR, SEG_ERROR_CANCELLED);
      g_assert_false (finished);
      g_assert_cmpfloat (sum_of (module), ==, before);
      seg_optimiser_zero_grad (optimiser);
      n_cancelled++;
    }
  g_assert_cmpint (n_cancelled, >, 10);
}

static void
test_random_numbers_repeat (void)
{
  g_autoptr (SegContext) context = seg_context_new (device, 5);
  g_autoptr (SegTensor) first = NULL;
  g_autoptr (SegTensor) second = NULL;
  g_autoptr (SegTensor) again = NULL;
  float values[3][1000];
  guint64 seed, offset;
  double mean = 0, square = 0;

  seg_context_get_random_state (context, &seed, &offset);
  first = seg_tensor_new_normal (context, SEG_DTYPE_F32, SEG_SHAPE (1000), 0, 1);
  second = seg_tensor_new_normal (context, SEG_DTYPE_F32, SEG_SHAPE (1000), 0, 1);
  seg_context_set_random_state (context, seed, offset);
  again = seg_tensor_new_normal (context, SEG_DTYPE_F32, SEG_SHAPE (1000), 0, 1);
  seg_tensor_download (first, SEG_DTYPE_F32, values[0]);
  seg_tensor_download (second, SEG_DTYPE_F32, values[1]);
  seg_tensor_download (again, SEG_DTYPE_F32, values[2]);
  g_assert_cmpmem (values[0], 4000, values[2], 4000);
  g_assert_cmpint (memcmp (values[0], values[1], 4000), !=, 0);
  for (int i = 0; i < 1000; i++)
    {
      mean += values[0][i] / 1000;
      square += values[0][i] * values[0][i] / 1000;
    }
  /* the mean of 1000 has deviation 0.032, their square 0.045 */
  g_assert_cmpfloat_with_epsilon (mean, 0, 0.13);
  g_assert_cmpfloat_with_epsilon (square, 1, 0.18);
}

/* Without dropping, the tape holds both the convolution's and the norm's output; the gradients are
 * the same. */
static void
measure_activations (gboolean plenty, gint64 *bytes, float *gradient)
{
  g_autoptr (SegContext) context = seg_context_new (device, 1);
  g_autoptr (SegModule) module = seg_module_new (context);
  const SegConvParams params = seg_conv_params (3, 1, 1);
  const SegNormParams norm = seg_batch_norm_params (SEG_ACT_RELU);
  const guint64 map_bytes = 4 * 8 * 32 * 32 * 32;
  SegMemoryStats before, stats;
  g_autoptr (SegTensor) x = NULL;
  g_autoptr (SegTensor) y = NULL;
  SegTape *tape;

  if (!plenty)
    seg_context_set_memory_limit (context, 12 * map_bytes);
  x = seg_tensor_new_normal (context, SEG_DTYPE_F32, SEG_SHAPE (1, 8, 32, 32, 32), 0, 1);
  seg_tensor_set_requires_grad (x, TRUE);
  tape = seg_tape_begin (context);
  seg_context_get_memory (context, &before);
  y = seg_tensor_ref (x);
  for (int u = 0; u < 4; u++)
    {
      g_autofree char *name = g_strdup_printf ("conv%d", u);
      g_autofree char *norm_name = g_strdup_printf ("norm%d", u);
      SegConvLayer *conv = seg_conv_layer_new (module, name, 8, 8, 3, &params, TRUE);
      SegNormLayer *layer = seg_norm_layer_new (module, norm_name, 8, &norm);

      seg_tensor_set (&y, seg_conv_layer_forward (conv, y));
      seg_tensor_set (&y, seg_norm_layer_forward (layer, y));
    }
  seg_context_get_memory (context, &stats);
  *bytes = (gint64) (stats.in_use_bytes - before.in_use_bytes);
  {
    g_autoptr (SegTensor) square = seg_square (y);
    g_autoptr (SegTensor) loss = seg_mean (square, SEG_ALL_AXES);

    g_assert_true (seg_tape_backward (tape, loss));
  }
  g_assert_true (seg_tensor_download (seg_tensor_get_grad (x), SEG_DTYPE_F32, gradient));
  seg_tape_free (tape);
  g_assert_true (seg_context_check (context, NULL));
}

static void
test_activations_are_dropped (void)
{
  const gint64 n = 8 * 32 * 32 * 32, map_bytes = 4 * n;
  g_autofree float *gradient = g_new (float, n);
  g_autofree float *other = g_new (float, n);
  gint64 few, many;

  measure_activations (FALSE, &few, gradient);
  measure_activations (TRUE, &many, other);
  /* four convolutions' outputs and the last norm's: five maps; or eight */
  g_assert_cmpint (few, >=, 5 * map_bytes);
  g_assert_cmpint (few, <, 11 * map_bytes / 2);
  g_assert_cmpint (many, >=, 8 * map_bytes);
  g_assert_cmpint (many, <, 17 * map_bytes / 2);
  g_assert_cmpmem (gradient, 4 * n, other, 4 * n);
}

static void
test_dtypes (void)
{
  g_autoptr (SegContext) context = seg_context_new (device, 1);
  static const float values[8] = { 0, -0.5f, 1, 65504, 6.1035e-5f, 5.96e-8f, 3.14159f, 1e30f };

  for (SegDtype dtype = SEG_DTYPE_F32; dtype <= SEG_DTYPE_F16; dtype++)
    {
      g_autoptr (SegTensor) t =
          seg_tensor_new_from (context, dtype, SEG_SHAPE (2, 2, 2, 1), SEG_DTYPE_F32, values);
      /* half of the last bit */
      const double share = dtype == SEG_DTYPE_BF16 ? 1.0 / 256 : 1.0 / 2048;
      float back[8];

      g_assert_true (seg_tensor_download (t, SEG_DTYPE_F32, back));
      for (int i = 0; i < 8; i++)
        if (dtype == SEG_DTYPE_F16 && values[i] > 65504)
          g_assert_true (isinf (back[i]));
        else
          g_assert_cmpfloat_with_epsilon (
              back[i], values[i], dtype == SEG_DTYPE_F32 ? 1e-30 : fabs (values[i]) * share + 3e-8);
    }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  device = seg_device_open ("auto", 0, NULL);
  g_test_add_func ("/seg/context/errors-stick", test_errors_stick);
  g_test_add_func ("/seg/context/memory", test_memory_ends_in_an_error);
  g_test_add_func ("/seg/context/cancelling", test_cancelling);
  g_test_add_func ("/seg/context/random", test_random_numbers_repeat);
  g_test_add_func ("/seg/context/dropped", test_activations_are_dropped);
  g_test_add_func ("/seg/context/dtypes", test_dtypes);
  status = g_test_run ();
  seg_device_unref (device);
  return status;
}
