/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/ops.h"
#include "seg/tensor/context.h"

#include <math.h>
#include <string.h>

/* Every backend against the reference: the same operations on the same numbers, outputs, gradients
 * and running state. CROSSLABEL_TEST_DEVICE names the device (default cpu). */

#define MAX_TENSORS 6

/* A case fills in what it uses; the same case runs on two devices and in two dtypes. */
typedef struct
{
  int n_leaves;
  struct
  {
    int rank;
    gint64 shape[6];
    double low, high;
    gboolean parameter; /* stays F32, plain: weights */
    int n_index; /* > 0: whole numbers below this, U8 */
  } leaf[MAX_TENSORS];
  gconstpointer params;
} Case;

typedef struct
{
  SegContext *context;
  SegTensor *x[MAX_TENSORS];
  const Case *c;
} Run;

typedef SegTensor *(*Function) (Run *run);

typedef struct
{
  gint64 n;
  float *v;
} Values;

typedef struct
{
  Values out;
  Values grad[MAX_TENSORS];
  Values after[MAX_TENSORS]; /* leaves after the run: running state */
  guint64 n_by_ref; /* operations that the reference had to do for the device */
} Result;

static const char *device_name = "cpu";

static void
values_clear (Values *v)
{
  g_clear_pointer (&v->v, g_free);
}

static Values
values_of (SegTensor *tensor)
{
  Values v = { seg_tensor_get_n_elements (tensor), NULL };

  if (tensor == NULL)
    return v;
  v.v = g_new (float, MAX (v.n, 1));
  g_assert_true (seg_tensor_download (tensor, SEG_DTYPE_F32, v.v));
  return v;
}

/* The same numbers on any device: from GLib's generator. Adversarial: some large, some zero. */
static float *
make_numbers (gint64 n, double low, double high, int n_index, guint32 seed, gboolean adversarial)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  float *v = g_new (float, MAX (n, 1));

  for (gint64 i = 0; i < n; i++)
    {
      v[i] = (float) g_rand_double_range (rand, low, high);
      if (n_index > 0)
        v[i] = (float) g_rand_int_range (rand, 0, n_index);
      else if (adversarial && i % 17 == 3)
        v[i] *= 30;
      else if (adversarial && i % 23 == 5)
        v[i] = low > 0 ? (float) low : 0;
    }
  return v;
}

static void
execute (const char *name, SegDtype dtype, const Case *c, Function function, gboolean adversarial,
         Result *result)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open (name, 0, &error);
  Run run = { NULL, { NULL }, c };

  g_assert_no_error (error);
  run.context = seg_context_new (device, 3);
  seg_context_set_timing (run.context, TRUE);
  for (int l = 0; l < c->n_leaves; l++)
    {
      const gboolean index = c->leaf[l].n_index > 0;
      const SegDtype own = index ? SEG_DTYPE_U8 : c->leaf[l].parameter ? SEG_DTYPE_F32 : dtype;
      gint64 n = 1;
      g_autofree float *numbers = NULL;

      for (int a = 0; a < c->leaf[l].rank; a++)
        n *= c->leaf[l].shape[a];
      numbers = make_numbers (n, c->leaf[l].low, c->leaf[l].high, c->leaf[l].n_index, 11 + l,
                              adversarial && !c->leaf[l].parameter);
      run.x[l] = c->leaf[l].parameter
                     ? seg_tensor_new_plain (run.context, own, c->leaf[l].rank, c->leaf[l].shape)
                     : seg_tensor_new (run.context, own, c->leaf[l].rank, c->leaf[l].shape);
      g_assert_true (seg_tensor_upload (run.x[l], SEG_DTYPE_F32, numbers));
      seg_tensor_set_requires_grad (run.x[l], !index);
    }
  {
    g_autoptr (SegTape) tape = seg_tape_begin (run.context);
    g_autoptr (SegTensor) out = function (&run);
    g_autoptr (SegTensor) dout = NULL;

    seg_context_check (run.context, &error);
    g_assert_no_error (error);
    result->out = values_of (out);
    if (seg_tensor_get_requires_grad (out))
      {
        g_autofree float *numbers = make_numbers (result->out.n, -1, 1, 0, 77, FALSE);

        dout =
            seg_tensor_new_from (run.context, seg_tensor_get_dtype (out), seg_tensor_get_rank (out),
                                 seg_tensor_get_shape (out), SEG_DTYPE_F32, numbers);
        g_assert_true (seg_tape_backward_from (tape, out, dout));
      }
  }
  for (int l = 0; l < c->n_leaves; l++)
    {
      result->grad[l] = values_of (seg_tensor_get_grad (run.x[l]));
      result->after[l] = values_of (run.x[l]);
      seg_tensor_unref (run.x[l]);
    }
  seg_context_check (run.context, &error);
  g_assert_no_error (error);
  {
    g_autoptr (GArray) times = seg_context_get_times (run.context, FALSE);

    for (guint t = 0; t < times->len; t++)
      if (strcmp (g_array_index (times, SegOpTime, t).backend, "ref") == 0)
        result->n_by_ref += g_array_index (times, SegOpTime, t).n_calls;
  }
  seg_context_unref (run.context);
}

/* The largest gap against the largest value. */
static double
measure_largest (const Values *good, const Values *got)
{
  double scale = 1e-6, worst = 0;

  for (gint64 i = 0; i < good->n; i++)
    {
      scale = MAX (scale, fabs (good->v[i]));
      if (!(fabs (good->v[i] - got->v[i]) <= worst))
        worst = fabs (good->v[i] - got->v[i]);
    }
  return worst / scale;
}

/* The gaps' length against the values': in bf16 a ReLU near 0 may fall on the other side, which
 * changes single gradients by their whole size. */
static double
measure_length (const Values *good, const Values *got)
{
  double scale = 1e-12, sum = 0;

  for (gint64 i = 0; i < good->n; i++)
    {
      /* beyond the largest half, and what comes of it */
      if (!isfinite (good->v[i]))
        {
          if (isnan (good->v[i]) ? !isnan (got->v[i]) : good->v[i] != got->v[i])
            return INFINITY;
          continue;
        }
      scale += (double) good->v[i] * good->v[i];
      sum += ((double) good->v[i] - got->v[i]) * ((double) good->v[i] - got->v[i]);
    }
  return sqrt (sum / scale);
}

/* On the GPU products of F32 run as TF32: 11 bits where BF16 has 8. */
static gboolean
is_tf32 (void)
{
  return g_str_has_prefix (device_name, "cuda") && strcmp (device_name, "cuda-fake") != 0;
}

static void
compare (const char *what, int which, const Values *good, const Values *got, SegDtype dtype,
         double tolerance)
{
  double gap;

  g_assert_cmpint (good->n, ==, got->n);
  gap = dtype == SEG_DTYPE_F32 && !is_tf32 () ? measure_largest (good, got)
                                              : measure_length (good, got);
  if (!(gap <= tolerance))
    g_error ("%s %s %d: %g of the reference, allowed %g", seg_dtype_get_name (dtype), what, which,
             gap, tolerance);
}

/* F32: sums of some hundreds of products in another order: 2e-6 of the largest, times the root of
 * the count; 3e-5 covers the longest here. BF16 has 8 bits: one rounding of the output is 2^-9; the
 * reference rounds inputs alike and computes in double; two or three roundings in a chain. F16 has
 * 11 bits, and its sums may be rounded on the way: a quarter of that. */
static void
check_tolerance (const Case *c, Function function, double f32, double bf16)
{
  g_autoptr (SegDevice) device = seg_device_open (device_name, 0, NULL);
  const gboolean has_bf16 = device != NULL && seg_device_get_info (device)->bf16;
  guint64 n_by_ref = 0;

  for (SegDtype dtype = SEG_DTYPE_F32; dtype <= SEG_DTYPE_F16; dtype++)
    for (int adversarial = 0; adversarial < 2 && (has_bf16 || dtype != SEG_DTYPE_BF16);
         adversarial++)
      {
        const double tolerance = dtype == SEG_DTYPE_BF16  ? bf16
                                 : dtype == SEG_DTYPE_F16 ? bf16 / 4
                                 : is_tf32 ()             ? bf16 / 8
                                                          : f32;
        Result good = { 0 }, got = { 0 }, again = { 0 };

        execute ("ref", dtype, c, function, adversarial, &good);
        execute (device_name, dtype, c, function, adversarial, &got);
        execute (device_name, dtype, c, function, adversarial, &again);
        /* what is done in F32 without help is done so in F16 */
        if (dtype == SEG_DTYPE_F32)
          n_by_ref = got.n_by_ref;
        else
          g_assert_cmpuint (got.n_by_ref, <=, n_by_ref);
        compare ("output", 0, &good.out, &got.out, dtype, tolerance);
        g_assert_cmpmem (got.out.v, got.out.n * 4, again.out.v, again.out.n * 4);
        for (int l = 0; l < c->n_leaves; l++)
          {
            compare ("gradient", l, &good.grad[l], &got.grad[l], dtype, tolerance);
            compare ("state", l, &good.after[l], &got.after[l], dtype, tolerance);
            if (got.grad[l].n > 0)
              g_assert_cmpmem (got.grad[l].v, got.grad[l].n * 4, again.grad[l].v,
                               again.grad[l].n * 4);
          }
        for (Result *r = &good; r != NULL; r = r == &good ? &got : r == &got ? &again : NULL)
          {
            values_clear (&r->out);
            for (int l = 0; l < MAX_TENSORS; l++)
              {
                values_clear (&r->grad[l]);
                values_clear (&r->after[l]);
              }
          }
      }
}

static void
check (const Case *c, Function function)
{
  check_tolerance (c, function, 3e-5, 2e-2);
}

/* --- Cases -------------------------------------------------------------------------------------
 */

#define LEAF(...)                                                                                  \
  {                                                                                                \
    __VA_ARGS__                                                                                    \
  }

static SegTensor *
conv (Run *run)
{
  return seg_conv (run->x[0], run->x[1], run->x[2], run->c->params);
}

static void
test_conv (void)
{
  static const struct
  {
    gint64 in[5], weight[5];
    int rank, stride, pad, dilation, groups, transposed, extra;
  } cases[] = {
    { { 2, 1, 12, 10, 8 }, { 16, 1, 3, 3, 3 }, 5, 1, 1, 1, 1, 0, 0 },
    { { 2, 16, 8, 6, 8 }, { 16, 16, 3, 3, 3 }, 5, 1, 1, 1, 1, 0, 0 },
    { { 1, 8, 7, 5, 3 }, { 12, 8, 3, 3, 3 }, 5, 1, 1, 1, 1, 0, 0 },
    { { 2, 8, 5, 6, 29 }, { 8, 8, 3, 3, 3 }, 5, 1, 1, 1, 1, 0, 0 },
    { { 3, 8, 4, 3, 48 }, { 8, 8, 3, 3, 3 }, 5, 1, 1, 1, 1, 0, 0 },
    { { 1, 8, 1, 1, 1 }, { 8, 8, 3, 3, 3 }, 5, 1, 1, 1, 1, 0, 0 },
    { { 1, 8, 2, 7, 3 }, { 8, 8, 3, 3, 3 }, 5, 1, 2, 2, 1, 0, 0 },
    { { 2, 8, 8, 8, 6 }, { 16, 8, 2, 2, 2 }, 5, 2, 0, 1, 1, 0, 0 },
    { { 2, 16, 4, 4, 3 }, { 16, 8, 2, 2, 2 }, 5, 2, 0, 1, 1, 1, 0 },
    { { 1, 16, 5, 4, 3 }, { 2, 16, 1, 1, 1 }, 5, 1, 0, 1, 1, 0, 0 },
    { { 1, 1, 1, 1, 1 }, { 3, 1, 1, 1, 1 }, 5, 1, 0, 1, 1, 0, 0 },
    { { 2, 3, 17, 19 }, { 5, 3, 3, 3 }, 4, 2, 1, 1, 1, 0, 0 },
    { { 2, 6, 9, 11 }, { 6, 1, 3, 3 }, 4, 1, 1, 1, 6, 0, 0 },
    { { 1, 6, 9, 11 }, { 4, 3, 3, 3 }, 4, 1, 2, 2, 2, 0, 0 },
    { { 1, 6, 7, 5 }, { 6, 2, 3, 3 }, 4, 2, 1, 1, 3, 1, 1 },
    { { 1, 3, 32, 32 }, { 24, 3, 16, 16 }, 4, 16, 0, 1, 1, 0, 0 },
    /* large enough for kernels of their own */
    { { 2, 1, 11, 10, 12 }, { 16, 1, 3, 3, 3 }, 5, 1, 1, 1, 1, 0, 0 },
    { { 2, 16, 9, 8, 15 }, { 16, 16, 3, 3, 3 }, 5, 1, 1, 1, 1, 0, 0 },
    { { 1, 12, 6, 12, 29 }, { 24, 12, 3, 3, 3 }, 5, 1, 1, 1, 1, 0, 0 },
    { { 1, 4, 64, 33, 1 }, { 8, 4, 3, 3, 3 }, 5, 1, 1, 1, 1, 0, 0 },
    { { 2, 8, 21, 26, 17 }, { 16, 8, 2, 2, 2 }, 5, 2, 0, 1, 1, 0, 0 },
    { { 2, 16, 10, 13, 8 }, { 16, 8, 2, 2, 2 }, 5, 2, 0, 1, 1, 1, 1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      SegConvParams params = seg_conv_params (cases[i].rank - 2, cases[i].stride, cases[i].pad);
      const gint64 out =
          cases[i].transposed ? cases[i].weight[1] * cases[i].groups : cases[i].weight[0];
      Case c = { .n_leaves = 3,
                 .leaf = { { cases[i].rank, { 0 }, -1, 1, FALSE, 0 },
                           { cases[i].rank, { 0 }, -0.3, 0.3, TRUE, 0 },
                           { 1, { out }, -1, 1, TRUE, 0 } },
                 .params = &params };

      params.groups = cases[i].groups;
      params.transposed = cases[i].transposed;
      for (int a = 0; a < 3; a++)
        {
          params.dilation[a] = cases[i].dilation;
          params.extra[a] = cases[i].extra;
        }
      memcpy (c.leaf[0].shape, cases[i].in, sizeof cases[i].in);
      memcpy (c.leaf[1].shape, cases[i].weight, sizeof cases[i].weight);
      g_test_message ("convolution %d", (int) i);
      check (&c, conv);
    }
}

static SegTensor *
norm (Run *run)
{
  const SegNormParams *params = run->c->params;
  const gboolean state = params->kind == SEG_NORM_BATCH;

  seg_tensor_set_requires_grad (run->x[3], FALSE);
  seg_tensor_set_requires_grad (run->x[4], FALSE);
  return seg_norm (run->x[0], run->x[1], run->x[2], state ? run->x[3] : NULL,
                   state ? run->x[4] : NULL, params);
}

static void
test_norm (void)
{
  static const SegAct acts[] = { SEG_ACT_NONE, SEG_ACT_RELU, SEG_ACT_LEAKY_RELU, SEG_ACT_GELU,
                                 SEG_ACT_SILU };
  static const gint64 shapes[][5] = { { 2, 16, 6, 5, 4 },
                                      { 1, 8, 3, 3, 3 },
                                      { 3, 24, 9, 7, 1 },
                                      { 2, 320, 3, 5, 2 },
                                      { 1, 4, 40, 31, 11 } };

  for (int kind = 0; kind < 5; kind++)
    for (gsize a = 0; a < G_N_ELEMENTS (acts); a++)
      for (gsize s = 0; s < G_N_ELEMENTS (shapes); s++)
        for (int rank = 4; rank <= 5; rank++)
          {
            SegNormParams params = { .kind = kind == 4 ? SEG_NORM_BATCH : (SegNormKind) kind,
                                     .groups = 4,
                                     .eps = 1e-5,
                                     .momentum = 0.1,
                                     .training = kind != 4,
                                     .act = acts[a],
                                     .act_a = 0.01 };
            const gint64 channels = shapes[s][1];
            Case c = { .n_leaves = 5,
                       .leaf = { { rank, { 0 }, -2, 3, FALSE, 0 },
                                 { 1, { channels }, 0.5, 1.5, TRUE, 0 },
                                 { 1, { channels }, -1, 1, TRUE, 0 },
                                 { 1, { channels }, -1, 1, TRUE, 0 },
                                 { 1, { channels }, 0.5, 2, TRUE, 0 } },
                       .params = &params };

            memcpy (c.leaf[0].shape, shapes[s], sizeof shapes[s]);
            /* ReLU's slope at values near 0 may differ where bf16 does: few, and covered by the
             * gradient's scale */
            check_tolerance (&c, norm, 5e-5, acts[a] == SEG_ACT_RELU ? 4e-2 : 3e-2);
          }
}

static SegTensor *
layer_norm (Run *run)
{
  return seg_norm (run->x[0], run->x[1], run->x[2], NULL, NULL,
                   &(SegNormParams){ .kind = SEG_NORM_LAYER, .eps = 1e-6 });
}

static SegTensor *
activation (Run *run)
{
  const SegUnaryParams *p = run->c->params;

  return seg_activation (run->x[0], p->act, p->a, p->b);
}

static void
test_elementwise (void)
{
  for (SegAct act = SEG_ACT_RELU; act <= SEG_ACT_POW; act++)
    {
      const gboolean positive = act == SEG_ACT_LOG || act == SEG_ACT_SQRT
                                || act == SEG_ACT_RECIPROCAL || act == SEG_ACT_POW
                                || act == SEG_ACT_EXP;
      SegUnaryParams params = { act, act == SEG_ACT_CLAMP ? -0.5 : 0.3, 0.7 };
      Case c = { .n_leaves = 1,
                 .leaf = { { 4, { 2, 7, 31, 5 }, positive ? 0.01 : -4, 4, FALSE, 0 } },
                 .params = &params };

      if (act == SEG_ACT_EXP || act == SEG_ACT_SIN || act == SEG_ACT_COS)
        c.leaf[0].high = 1;
      g_test_message ("activation %d", act);
      check (&c, activation);
    }
  {
    Case c = { .n_leaves = 3,
               .leaf = { { 3, { 3, 29, 48 }, -2, 3, FALSE, 0 },
                         { 1, { 48 }, 0.5, 1.5, TRUE, 0 },
                         { 1, { 48 }, -1, 1, TRUE, 0 } } };

    check (&c, layer_norm);
  }
}

static SegTensor *
mixed (Run *run)
{
  g_autoptr (SegTensor) sum = seg_add (run->x[0], run->x[1]);
  g_autoptr (SegTensor) product = seg_mul (sum, run->x[2]);
  g_autoptr (SegTensor) larger = seg_maximum (product, run->x[1]);
  g_autoptr (SegTensor) turned = seg_permute (larger, (int[]){ 0, 1, 3, 2 });
  g_autoptr (SegTensor) part = seg_slice (turned, 2, 1, 4);
  g_autoptr (SegTensor) dense = seg_dense (part);
  g_autoptr (SegTensor) both = seg_concat (2, (SegTensor *[]){ dense, part }, 1);
  g_autoptr (SegTensor) padded =
      seg_pad (both, (gint64[]){ 0, 0, 1, 2 }, (gint64[]){ 0, 0, 0, 1 }, 0.5);
  g_autoptr (SegTensor) means = seg_mean (padded, 1u << 0 | 1u << 3);
  g_autoptr (SegTensor) sums = seg_sum (padded, 1u << 1);

  return seg_sub (means, sums);
}

static void
test_shapes (void)
{
  Case c = { .n_leaves = 3,
             .leaf = { { 4, { 2, 6, 9, 5 }, -1, 1, FALSE, 0 },
                       { 4, { 2, 6, 9, 5 }, -1, 1, FALSE, 0 },
                       { 4, { 1, 6, 1, 1 }, -1, 1, FALSE, 0 } } };

  check_tolerance (&c, mixed, 3e-5, 4e-2);
}

static SegTensor *
linear (Run *run)
{
  const int *act = run->c->params;

  return seg_linear_act (run->x[0], run->x[1], run->x[2], *act);
}

static SegTensor *
linear_inference (Run *run)
{
  SegTensor *out;

  seg_no_grad_begin (run->context);
  out = linear (run);
  seg_no_grad_end (run->context);
  return out;
}

static SegTensor *
matmul (Run *run)
{
  const int *turn = run->c->params;

  return seg_matmul (run->x[0], run->x[1], *turn & 1, *turn >> 1, 0.5);
}

static void
test_products (void)
{
  static const int acts[] = { SEG_ACT_NONE, SEG_ACT_RELU, SEG_ACT_GELU };

  for (gsize a = 0; a < G_N_ELEMENTS (acts); a++)
    {
      Case c = { .n_leaves = 3,
                 .leaf = { { 3, { 2, 37, 48 }, -1, 1, FALSE, 0 },
                           { 2, { 33, 48 }, -0.3, 0.3, TRUE, 0 },
                           { 1, { 33 }, -1, 1, TRUE, 0 } },
                 .params = &acts[a] };

      /* some in a thousand change the side of ReLU */
      check_tolerance (&c, linear, 3e-5, acts[a] == SEG_ACT_RELU ? 0.1 : 2e-2);
      check (&c, linear_inference);
      c.leaf[0].rank = 4;
      memcpy (c.leaf[0].shape, (gint64[]){ 2, 48, 5, 7 }, 4 * sizeof (gint64));
      check_tolerance (&c, linear, 3e-5, acts[a] == SEG_ACT_RELU ? 0.1 : 2e-2);
    }
  for (int turn = 0; turn < 4; turn++)
    {
      Case c = { .n_leaves = 2,
                 .leaf = { { 3, { 3, turn & 1 ? 20 : 17, turn & 1 ? 17 : 20 }, -1, 1, FALSE, 0 },
                           { 3, { 3, turn >> 1 ? 9 : 20, turn >> 1 ? 20 : 9 }, -1, 1, FALSE, 0 } },
                 .params = &turn };

      check (&c, matmul);
    }
}

static SegTensor *
softmax (Run *run)
{
  const int *axis = run->c->params;

  return *axis >= 8 ? seg_log_softmax (run->x[0], *axis - 8) : seg_softmax (run->x[0], *axis);
}

static SegTensor *
cross_entropy (Run *run)
{
  const int *with = run->c->params;

  return seg_cross_entropy (run->x[0], run->x[1], *with ? run->x[2] : NULL,
                            *with ? run->x[3] : NULL, *with ? 1 : -1);
}

static SegTensor *
dice (Run *run)
{
  const int *with = run->c->params;
  g_autoptr (SegTensor) p = seg_softmax (run->x[0], 1);

  return seg_dice_loss (p, run->x[1], *with ? run->x[2] : NULL, NULL,
                        &(SegDiceParams){ .square = *with, .smooth = 1e-5, .ignore = -1 });
}

static SegTensor *
bce (Run *run)
{
  g_autoptr (SegTensor) y = seg_sigmoid (run->x[1]);
  g_autoptr (SegTensor) stopped = seg_stop_gradient (y);

  seg_tensor_set_requires_grad (run->x[2], FALSE);
  return seg_bce_logits (run->x[0], stopped, NULL, run->x[2]);
}

static void
test_losses (void)
{
  for (int axis = 0; axis < 12; axis++)
    {
      Case c = { .n_leaves = 1,
                 .leaf = { { 4, { 3, 5, 7, 11 }, -3, 3, FALSE, 0 } },
                 .params = &axis };

      if (axis < 4 || axis >= 8)
        check (&c, softmax);
    }
  for (int with = 0; with < 2; with++)
    {
      Case c = { .n_leaves = 4,
                 .leaf = { { 5, { 2, 3, 9, 7, 5 }, -3, 3, FALSE, 0 },
                           { 4, { 2, 9, 7, 5 }, 0, 1, FALSE, 3 },
                           { 4, { 2, 9, 7, 5 }, 0, 1, TRUE, 0 },
                           { 1, { 3 }, 0.5, 2, TRUE, 0 } },
                 .params = &with };

      check (&c, cross_entropy);
      check (&c, dice);
    }
  {
    Case c = { .n_leaves = 3,
               .leaf = { { 4, { 2, 3, 19, 7 }, -3, 3, FALSE, 0 },
                         { 4, { 2, 3, 19, 7 }, -3, 3, FALSE, 0 },
                         { 1, { 3 }, 0.5, 20, TRUE, 0 } } };

    check (&c, bce);
  }
}

static SegTensor *
pooling (Run *run)
{
  const int *kind = run->c->params;

  switch (*kind)
    {
    case 0:
      return seg_max_pool (run->x[0], 2, 2, 0);
    case 1:
      return seg_max_pool (run->x[0], 3, 2, 1);
    case 2:
      return seg_average_pool (run->x[0], 3, 1, 1);
    default:
      return seg_adaptive_average_pool (run->x[0], (gint64[]){ 3, 2, 1 });
    }
}

static SegTensor *
resampling (Run *run)
{
  static const gint64 sizes[3][3] = { { 14, 9, 5 }, { 3, 5, 9 }, { 1, 1, 2 } };
  const int *kind = run->c->params;

  return seg_resample (run->x[0], sizes[*kind % 3], *kind / 3);
}

static void
test_spatial (void)
{
  for (int rank = 4; rank <= 5; rank++)
    for (int kind = 0; kind < 9; kind++)
      {
        Case c = { .n_leaves = 1,
                   .leaf = { { rank, { 2, 20, 7, 9, 5 }, -1, 1, FALSE, 0 } },
                   .params = &kind };

        if (kind < 4)
          check (&c, pooling);
        check (&c, resampling);
      }
}

static SegTensor *
attention (Run *run)
{
  const int *with = run->c->params;

  return seg_attention (run->x[0], run->x[1], run->x[2], *with == 1 ? run->x[3] : NULL,
                        *with == 2 ? run->x[4] : NULL, *with == 2 ? run->x[5] : NULL,
                        &(SegAttentionParams){ .heads = 4, .scale = 0.25, .grid = { 5, 7 } });
}

/* many queries of few keys and the other way round, in several blocks */
static SegTensor *
cross_attention (Run *run)
{
  return seg_attention (run->x[0], run->x[1], run->x[2], NULL, NULL, NULL,
                        &(SegAttentionParams){ .heads = 2, .scale = 0.3 });
}

static void
test_attention (void)
{
  static const gint64 sizes[][3] = {
    { 1, 1, 2 }, { 7, 1100, 34 }, { 301, 5, 6 }, { 97, 513, 128 }
  };

  for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++)
    {
      Case c = { .n_leaves = 3,
                 .leaf = { { 3, { 2, sizes[s][0], sizes[s][2] }, -1, 1, FALSE, 0 },
                           { 3, { 2, sizes[s][1], sizes[s][2] }, -1, 1, FALSE, 0 },
                           { 3, { 2, sizes[s][1], 10 }, -1, 1, FALSE, 0 } } };

      check_tolerance (&c, cross_attention, 1e-4, 4e-2);
    }
  for (int with = 0; with < 3; with++)
    {
      Case c = { .n_leaves = 6,
                 .leaf = { { 3, { 3, 35, 64 }, -1, 1, FALSE, 0 },
                           { 3, { 3, 35, 64 }, -1, 1, FALSE, 0 },
                           { 3, { 3, 35, 64 }, -1, 1, FALSE, 0 },
                           { 4, { 1, 4, 35, 35 }, -1, 1, TRUE, 0 },
                           { 2, { 9, 16 }, -1, 1, TRUE, 0 },
                           { 2, { 13, 16 }, -1, 1, TRUE, 0 } },
                 .params = &with };

      check_tolerance (&c, attention, 5e-5, 4e-2);
    }
}

static SegTensor *
dropping (Run *run)
{
  g_autoptr (SegTensor) a = seg_dropout_channels (run->x[0], 0.4);
  g_autoptr (SegTensor) noise =
      seg_tensor_new_normal (run->context, seg_tensor_get_dtype (a), SEG_SHAPE (2, 6, 5, 7), 0, 1);
  g_autoptr (SegTensor) noisy = seg_add (a, noise);

  return seg_dropout (noisy, 0.3);
}

static void
test_random (void)
{
  Case c = { .n_leaves = 1, .leaf = { { 4, { 2, 6, 5, 7 }, -1, 1, FALSE, 0 } } };

  check (&c, dropping);
}

static SegTensor *
embedding (Run *run)
{
  g_autoptr (SegTensor) index = seg_cast (run->x[1], SEG_DTYPE_I32);

  return seg_embedding (run->x[0], index);
}

static SegTensor *
best (Run *run)
{
  g_autoptr (SegTensor) index = seg_argmax (run->x[0], 1, SEG_DTYPE_I32);
  g_autoptr (SegTensor) largest = seg_max (run->x[0], 1u << 1);
  g_autoptr (SegTensor) place = seg_cast (index, SEG_DTYPE_F32);
  g_autoptr (SegTensor) shaped = seg_reshape (place, 4, (gint64[]){ 2, 1, 13, 5 });

  return seg_add (shaped, largest);
}

static SegTensor *
top_three (Run *run)
{
  const int *axis = run->c->params;
  g_autoptr (SegTensor) places = NULL;
  g_autoptr (SegTensor) values = seg_top_k (run->x[0], *axis, 3, &places);
  g_autoptr (SegTensor) stopped = seg_stop_gradient (values);
  g_autoptr (SegTensor) numbers = seg_cast (places, SEG_DTYPE_F32);

  return seg_add (stopped, numbers);
}

static void
test_choice (void)
{
  Case table = { .n_leaves = 2,
                 .leaf = { { 2, { 9, 7 }, -1, 1, TRUE, 0 }, { 2, { 4, 6 }, 0, 0, FALSE, 9 } } };
  Case scores = { .n_leaves = 1, .leaf = { { 4, { 2, 9, 13, 5 }, -1, 1, FALSE, 0 } } };

  check (&table, embedding);
  check (&scores, best);
  for (int axis = 0; axis < 4; axis++)
    {
      Case lines = { .n_leaves = 1,
                     .leaf = { { 4, { 3, 9, 13, 5 }, -1, 1, FALSE, 0 } },
                     .params = &axis };

      check (&lines, top_three);
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = NULL;

  g_test_init (&argc, &argv, NULL);
  if (g_getenv ("CROSSLABEL_TEST_DEVICE") != NULL)
    device_name = g_getenv ("CROSSLABEL_TEST_DEVICE");
  device = seg_device_open (device_name, 0, &error);
  if (device == NULL)
    {
      g_print ("1..0 # SKIP %s\n", error->message);
      return 0;
    }
  g_test_add_func ("/seg/parity/conv", test_conv);
  g_test_add_func ("/seg/parity/norm", test_norm);
  g_test_add_func ("/seg/parity/elementwise", test_elementwise);
  g_test_add_func ("/seg/parity/shapes", test_shapes);
  g_test_add_func ("/seg/parity/products", test_products);
  g_test_add_func ("/seg/parity/losses", test_losses);
  g_test_add_func ("/seg/parity/spatial", test_spatial);
  g_test_add_func ("/seg/parity/attention", test_attention);
  g_test_add_func ("/seg/parity/random", test_random);
  g_test_add_func ("/seg/parity/choice", test_choice);
  return g_test_run ();
}
