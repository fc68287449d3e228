/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/nn/optimiser.h"
#include "seg/tensor/context.h"

/* Four steps of PyTorch 2.15's optimisers in double precision, on these gradients:
 * g = (0.1·(s+1), −0.3, 0.25·(s−1), 1) at step s; weights start at (0.5, −1.25, 2, 0.125). */

static const char *devices[] = { "ref", "cpu" };

static SegTensor *
loss_with_gradient (SegTensor *weight, int step)
{
  const float g[4] = { 0.1f * (step + 1), -0.3f, 0.25f * (step - 1), 1 };
  g_autoptr (SegTensor) slope =
      seg_tensor_new_from_f32 (seg_tensor_get_context (weight), SEG_SHAPE (4), g);
  g_autoptr (SegTensor) product = seg_mul (weight, slope);

  return seg_sum (product, SEG_ALL_AXES);
}

static void
check (const char *device_name, const SegOptimiserParams *params, const double *expected)
{
  static const float start[4] = { 0.5f, -1.25f, 2, 0.125f };
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open (device_name, 0, &error);
  g_autoptr (SegContext) context = NULL;
  g_autoptr (SegModule) module = NULL;
  g_autoptr (SegOptimiser) optimiser = NULL;
  SegTensor *weight;
  float got[4];

  if (device == NULL)
    {
      g_test_skip (error->message);
      return;
    }
  context = seg_context_new (device, 1);
  module = seg_module_new (context);
  weight = seg_module_add_parameter (module, "weight", SEG_SHAPE (4));
  g_assert_true (seg_tensor_upload (weight, SEG_DTYPE_F32, start));
  optimiser = seg_optimiser_new (module, params);
  for (int step = 0; step < 4; step++)
    {
      g_autoptr (SegTape) tape = seg_tape_begin (context);
      g_autoptr (SegTensor) loss = loss_with_gradient (weight, step);

      g_assert_true (seg_tape_backward (tape, loss));
      g_assert_true (seg_optimiser_step (optimiser));
    }
  g_assert_true (seg_tensor_download (weight, SEG_DTYPE_F32, got));
  for (int i = 0; i < 4; i++)
    g_assert_cmpfloat_with_epsilon (got[i], expected[i], 2e-6); /* F32 rounding of four steps */
}

static void
test_optimisers (void)
{
  static const struct
  {
    SegOptimiserParams params;
    double expected[4];
  } cases[] = {
    { { SEG_OPTIMISER_SGD, .lr = 0.1, .momentum = 0.9, .weight_decay = 1e-2 },
      { 0.310088635, -0.967650728, 1.97020404, -0.779647067 } },
    { { SEG_OPTIMISER_SGD, .lr = 0.1, .momentum = 0.9, .weight_decay = 1e-2, .nesterov = TRUE },
      { 0.227432045, -0.871568253, 1.91498854, -1.08749532 } },
    { { SEG_OPTIMISER_SGD, .lr = 0.1 }, { 0.4, -1.13, 1.95, -0.275 } },
    { { SEG_OPTIMISER_ADAMW, .lr = 0.1, .weight_decay = 1e-2 },
      { 0.11023211, -0.845607108, 2.098483, -0.274899646 } },
    { { SEG_OPTIMISER_SGD, .lr = 0.1, .momentum = 0.9, .clip_norm = 0.5 },
      { 0.416660633, -1.12610043, 1.99815087, -0.287998583 } },
  };

  for (gsize d = 0; d < G_N_ELEMENTS (devices); d++)
    for (gsize c = 0; c < G_N_ELEMENTS (cases); c++)
      check (devices[d], &cases[c].params, cases[c].expected);
}

static void
test_schedules (void)
{
  static const gint64 milestones[] = { 2500, 5000 };

  g_assert_cmpfloat_with_epsilon (seg_schedule_step (0.01, 2499, milestones, 2, 0.1), 0.01, 1e-15);
  g_assert_cmpfloat_with_epsilon (seg_schedule_step (0.01, 2500, milestones, 2, 0.1), 1e-3, 1e-15);
  g_assert_cmpfloat_with_epsilon (seg_schedule_step (0.01, 6000, milestones, 2, 0.1), 1e-4, 1e-15);
  /* the consistency weight of mean teachers, 0.1·ramp (t/150, 40), as published */
  g_assert_cmpfloat_with_epsilon (0.1 * seg_schedule_rampup (0, 40), 0.000674, 5e-7);
  g_assert_cmpfloat_with_epsilon (0.1 * seg_schedule_rampup (10, 40), 0.006005, 5e-7);
  g_assert_cmpfloat_with_epsilon (0.1 * seg_schedule_rampup (39, 40), 0.099688, 5e-7);
  g_assert_cmpfloat_with_epsilon (seg_schedule_cosine (1e-3, 1e-5, 175, 350), 5.05e-4, 1e-12);
  g_assert_cmpfloat_with_epsilon (seg_schedule_poly (1, 50, 100, 0.9), 0.535886731, 1e-8);
}

static void
test_moving_average (void)
{
  g_autoptr (SegDevice) device = seg_device_open ("ref", 0, NULL);
  g_autoptr (SegContext) context = seg_context_new (device, 1);
  g_autoptr (SegModule) teacher = seg_module_new (context);
  g_autoptr (SegModule) student = seg_module_new (context);
  g_autoptr (SegModule) stranger = seg_module_new (context);
  g_autoptr (GError) error = NULL;
  SegTensor *t = seg_module_add_parameter (teacher, "w", SEG_SHAPE (1));
  SegTensor *s = seg_module_add_parameter (student, "w", SEG_SHAPE (1));
  SegTensor *tb = seg_module_add_buffer (teacher, "b", SEG_SHAPE (1), 4);

  seg_module_add_buffer (student, "b", SEG_SHAPE (1), 8);
  seg_fill (t, 1);
  seg_fill (s, 3);
  g_assert_true (seg_ema_update (teacher, student, 0.75, SEG_EMA_PARAMETERS));
  g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (t), 1.5, 1e-6);
  g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (tb), 4, 1e-6); /* buffers stay apart */
  g_assert_true (seg_ema_update (teacher, student, 0.5, SEG_EMA_BUFFERS));
  g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (tb), 6, 1e-6);
  g_assert_false (seg_ema_update (teacher, stranger, 0.5, SEG_EMA_BOTH));
  g_assert_false (seg_context_check (context, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/optimiser/beside-pytorch", test_optimisers);
  g_test_add_func ("/seg/optimiser/schedules", test_schedules);
  g_test_add_func ("/seg/optimiser/moving-average", test_moving_average);
  return g_test_run ();
}
