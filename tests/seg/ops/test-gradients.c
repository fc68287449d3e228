/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/ops/ops.h"
#include "seg/tensor/context.h"

#include <math.h>

/* The reference backend against central differences, all in double. With values of order one and a
 * step of 1e-5 the truncation error is of order 1e-10 and rounding 1e-11: 1e-6 of the largest
 * gradient leaves room for second derivatives of some hundreds. */
#define STEP 1e-5
#define TOLERANCE 1e-6

#define MAX_LEAVES 6

typedef struct
{
  SegContext *context;
  int n_leaves;
  SegTensor *leaf[MAX_LEAVES];
  SegTensor *extra[4]; /* targets, weights: not differentiated */
} Bench;

typedef SegTensor *(*Function) (Bench *bench);

static SegDevice *device;

static SegTensor *
add_leaf (Bench *bench, int rank, const gint64 *shape, double low, double high)
{
  SegTensor *leaf = seg_tensor_new_plain (bench->context, SEG_DTYPE_F64, rank, shape);
  g_autoptr (SegTensor) drawn =
      seg_tensor_new_uniform (bench->context, SEG_DTYPE_F64, rank, shape, low, high);

  seg_assign (leaf, drawn);
  seg_tensor_set_requires_grad (leaf, TRUE);
  bench->leaf[bench->n_leaves++] = leaf;
  return leaf;
}

static SegTensor *
random_index (SegContext *context, int rank, const gint64 *shape, int n, SegDtype dtype)
{
  g_autoptr (SegTensor) drawn =
      seg_tensor_new_uniform (context, SEG_DTYPE_F64, rank, shape, 0, n - 1e-9);

  return seg_cast (drawn, dtype);
}

/* A scalar that weighs every element of the output differently. */
static SegTensor *
scalar_of (Bench *bench, SegTensor *out)
{
  g_autoptr (SegTensor) weights = NULL;
  g_autoptr (SegTensor) product = NULL;

  g_assert_nonnull (out);
  seg_context_set_random_state (bench->context, 99, 0);
  weights = seg_tensor_new_uniform (bench->context, SEG_DTYPE_F64, seg_tensor_get_rank (out),
                                    seg_tensor_get_shape (out), -1, 1);
  product = seg_mul (out, weights);
  return seg_sum (product, SEG_ALL_AXES);
}

static double
evaluate (Bench *bench, Function function)
{
  g_autoptr (SegTensor) out = NULL;
  g_autoptr (SegTensor) scalar = NULL;

  seg_context_set_random_state (bench->context, 5, 0);
  out = function (bench);
  scalar = scalar_of (bench, out);
  return seg_tensor_get_scalar (scalar);
}

static void
check_leaf (Bench *bench, Function function, int which)
{
  SegTensor *leaf = bench->leaf[which];
  const gint64 n = seg_tensor_get_n_elements (leaf);
  g_autofree double *values = g_new (double, n);
  g_autofree double *grad = g_new (double, n);
  double scale = 1e-3;

  g_assert_nonnull (seg_tensor_get_grad (leaf));
  g_assert_true (seg_tensor_download (leaf, SEG_DTYPE_F64, values));
  g_assert_true (seg_tensor_download (seg_tensor_get_grad (leaf), SEG_DTYPE_F64, grad));
  for (gint64 i = 0; i < n; i++)
    scale = MAX (scale, fabs (grad[i]));
  for (gint64 i = 0; i < n; i += 1 + n / 40)
    {
      const double value = values[i];
      double high, low;

      values[i] = value + STEP;
      seg_tensor_upload (leaf, SEG_DTYPE_F64, values);
      high = evaluate (bench, function);
      values[i] = value - STEP;
      seg_tensor_upload (leaf, SEG_DTYPE_F64, values);
      low = evaluate (bench, function);
      values[i] = value;
      seg_tensor_upload (leaf, SEG_DTYPE_F64, values);
      if (!(fabs ((high - low) / (2 * STEP) - grad[i]) <= TOLERANCE * scale))
        g_error ("input %d element %d: %.9g, differences say %.9g", which, (int) i, grad[i],
                 (high - low) / (2 * STEP));
    }
}

static void
check (Bench *bench, Function function)
{
  g_autoptr (GError) error = NULL;

  {
    g_autoptr (SegTape) tape = seg_tape_begin (bench->context);
    g_autoptr (SegTensor) out = NULL;
    g_autoptr (SegTensor) scalar = NULL;

    seg_context_set_random_state (bench->context, 5, 0);
    out = function (bench);
    seg_context_check (bench->context, &error);
    g_assert_no_error (error);
    scalar = scalar_of (bench, out);
    g_clear_pointer (&out, seg_tensor_unref);
    g_assert_true (seg_tape_backward (tape, scalar));
  }
  for (int l = 0; l < bench->n_leaves; l++)
    check_leaf (bench, function, l);
  g_assert_true (seg_context_check (bench->context, &error));
}

static void
bench_clear (Bench *bench)
{
  SegMemoryStats stats;

  for (int l = 0; l < MAX_LEAVES; l++)
    seg_tensor_clear (&bench->leaf[l]);
  for (int e = 0; e < 4; e++)
    seg_tensor_clear (&bench->extra[e]);
  seg_context_get_memory (bench->context, &stats);
  g_assert_cmpuint (stats.in_use_bytes, ==, 0); /* nothing leaks */
  seg_context_unref (bench->context);
}

#define BENCH(b) Bench b = { seg_context_new (device, 7), 0, { NULL }, { NULL } }

/* --- functions under test --------------------------------------------------------------------- */

static SegConvParams conv_params;

static SegTensor *
conv (Bench *b)
{
  return seg_conv (b->leaf[0], b->leaf[1], b->leaf[2], &conv_params);
}

static void
test_conv (void)
{
  static const struct
  {
    int rank, groups, transposed, stride, pad, dilation, extra;
    gint64 kernel;
  } cases[] = {
    { 5, 1, 0, 1, 1, 1, 0, 3 }, { 5, 1, 0, 2, 0, 1, 0, 2 }, { 5, 1, 1, 2, 0, 1, 0, 2 },
    { 4, 1, 0, 2, 1, 2, 0, 3 }, { 4, 2, 0, 1, 1, 1, 0, 3 }, { 4, 2, 1, 2, 1, 1, 1, 3 },
    { 4, 4, 0, 1, 2, 1, 0, 5 }, { 5, 1, 0, 1, 0, 1, 0, 1 }, { 3, 1, 0, 1, 1, 1, 0, 3 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      BENCH (b);
      const gint64 k = cases[i].kernel, out = cases[i].groups == 4 ? 4 : 6;
      gint64 in_shape[5] = { 2, 4, 5, 4, 3 };
      gint64 weight_shape[5] = { out, 4 / cases[i].groups, k, k, k };

      if (cases[i].transposed)
        {
          weight_shape[0] = 4;
          weight_shape[1] = out / cases[i].groups;
        }
      conv_params = seg_conv_params (cases[i].rank - 2, cases[i].stride, cases[i].pad);
      conv_params.groups = cases[i].groups;
      conv_params.transposed = cases[i].transposed;
      for (int a = 0; a < 3; a++)
        {
          conv_params.dilation[a] = cases[i].dilation;
          conv_params.extra[a] = cases[i].extra;
        }
      add_leaf (&b, cases[i].rank, in_shape, -1, 1);
      add_leaf (&b, cases[i].rank, weight_shape, -1, 1);
      add_leaf (&b, 1, &out, -1, 1);
      check (&b, conv);
      bench_clear (&b);
    }
}

static SegNormParams norm_params;

static SegTensor *
norm (Bench *b)
{
  return seg_norm (b->leaf[0], b->leaf[1], b->leaf[2], b->extra[0], b->extra[1], &norm_params);
}

static void
test_norm (void)
{
  static const SegNormParams cases[] = {
    { SEG_NORM_BATCH, 0, 1e-5, 0.1, 1, SEG_ACT_NONE, 0 },
    { SEG_NORM_BATCH, 0, 1e-5, 0.1, 1, SEG_ACT_GELU, 0 },
    { SEG_NORM_BATCH, 0, 1e-5, 0.1, 0, SEG_ACT_SILU, 0 },
    { SEG_NORM_GROUP, 2, 1e-5, 0, 1, SEG_ACT_NONE, 0 },
    { SEG_NORM_GROUP, 2, 1e-5, 0, 1, SEG_ACT_SILU, 0 },
    { SEG_NORM_INSTANCE, 0, 1e-5, 0, 1, SEG_ACT_GELU, 0 },
    { SEG_NORM_LAYER, 0, 1e-6, 0, 1, SEG_ACT_NONE, 0 },
    { SEG_NORM_LAYER, 0, 1e-5, 0, 1, SEG_ACT_GELU, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    for (int rank = 3; rank <= 5; rank++)
      {
        BENCH (b);
        gint64 shape[5] = { 2, 4, 3, 2, 3 }, tokens[3] = { 2, 5, 4 }, channels = 4;

        norm_params = cases[i];
        if (rank == 3 && norm_params.kind != SEG_NORM_LAYER)
          {
            seg_context_unref (b.context);
            continue;
          }
        add_leaf (&b, rank, rank == 3 ? tokens : shape, -1, 1);
        add_leaf (&b, 1, &channels, 0.5, 1.5);
        add_leaf (&b, 1, &channels, -1, 1);
        if (norm_params.kind == SEG_NORM_BATCH && !norm_params.training)
          {
            b.extra[0] = seg_tensor_new_uniform (b.context, SEG_DTYPE_F64, 1, &channels, -1, 1);
            b.extra[1] = seg_tensor_new_uniform (b.context, SEG_DTYPE_F64, 1, &channels, 0.5, 2);
          }
        check (&b, norm);
        bench_clear (&b);
      }
}

static SegAct act;
static double act_a, act_b;

static SegTensor *
activation (Bench *b)
{
  return seg_activation (b->leaf[0], act, act_a, act_b);
}

static SegTensor *
prelu (Bench *b)
{
  return seg_prelu (b->leaf[0], b->leaf[1]);
}

static void
test_activations (void)
{
  for (act = SEG_ACT_RELU; act <= SEG_ACT_POW; act++)
    {
      BENCH (b);
      const gboolean positive = act == SEG_ACT_LOG || act == SEG_ACT_SQRT
                                || act == SEG_ACT_RECIPROCAL || act == SEG_ACT_POW;

      act_a = act == SEG_ACT_CLAMP ? -0.5 : act == SEG_ACT_POW ? 2.5 : 0.3;
      act_b = 0.7;
      add_leaf (&b, 4, (gint64[]){ 2, 3, 4, 2 }, positive ? 0.2 : -2, 2);
      check (&b, activation);
      bench_clear (&b);
    }
  {
    BENCH (b);

    add_leaf (&b, 4, (gint64[]){ 2, 3, 4, 2 }, -2, 2);
    add_leaf (&b, 1, (gint64[]){ 3 }, 0.1, 0.4);
    check (&b, prelu);
    bench_clear (&b);
  }
}

static SegTensor *(*pair) (SegTensor *, SegTensor *);

static SegTensor *
arithmetic (Bench *b)
{
  return pair (b->leaf[0], b->leaf[1]);
}

static void
test_arithmetic (void)
{
  static SegTensor *(*const functions[]) (
      SegTensor *, SegTensor *) = { seg_add, seg_sub, seg_mul, seg_div, seg_maximum, seg_minimum };

  for (gsize f = 0; f < G_N_ELEMENTS (functions); f++)
    for (int shape = 0; shape < 4; shape++)
      {
        BENCH (b);
        static const gint64 shapes[4][4] = {
          { 2, 3, 4, 2 }, { 1, 3, 1, 1 }, { 2, 1, 4, 2 }, { 2 }
        };

        pair = functions[f];
        add_leaf (&b, 4, shapes[0], 0.5, 2);
        add_leaf (&b, shape == 3 ? 1 : 4, shapes[shape], 0.5, 2);
        check (&b, arithmetic);
        bench_clear (&b);
      }
}

static SegTensor *
shapes (Bench *b)
{
  g_autoptr (SegTensor) permuted = seg_permute (b->leaf[0], (int[]){ 0, 1, 3, 2 });
  g_autoptr (SegTensor) sliced = seg_slice (permuted, 2, 1, 2);
  g_autoptr (SegTensor) again = seg_slice (permuted, 2, 0, 2);
  g_autoptr (SegTensor) both = seg_concat (3, (SegTensor *[]){ sliced, again, b->leaf[1] }, 1);
  g_autoptr (SegTensor) padded =
      seg_pad (both, (gint64[]){ 0, 0, 1, 0 }, (gint64[]){ 0, 0, 0, 2 }, 3);
  g_autoptr (SegTensor) tokens = seg_to_tokens (padded);
  g_autoptr (SegTensor) rolled = seg_roll (tokens, 1, 4);
  g_autoptr (SegTensor) map = seg_from_tokens (rolled, 2, (gint64[]){ 5, 3 });
  g_autoptr (SegTensor) flipped = seg_flip (map, 3);
  g_autoptr (SegTensor) reshaped = seg_reshape (flipped, 2, (gint64[]){ 2, -1 });
  g_autoptr (SegTensor) column = seg_slice (reshaped, 1, 2, 1);
  g_autoptr (SegTensor) wide = seg_expand (column, 2, (gint64[]){ 2, 5 });
  g_autoptr (SegTensor) sum = seg_sum (wide, 2);

  return seg_add (reshaped, sum);
}

static void
test_shapes (void)
{
  BENCH (b);

  /* permuted 2 3 4 3, slices 2 3 2 3, concat 2 7 2 3, padded 2 7 3 5 */
  add_leaf (&b, 4, (gint64[]){ 2, 3, 3, 4 }, -1, 1);
  add_leaf (&b, 4, (gint64[]){ 2, 1, 2, 3 }, -1, 1);
  check (&b, shapes);
  bench_clear (&b);
}

static SegTensor *
mean_of (Bench *b)
{
  return seg_mean (b->leaf[0], 1u << 0 | 1u << 2);
}

static SegTensor *
linear (Bench *b)
{
  return seg_linear_act (b->leaf[0], b->leaf[1], b->leaf[2], SEG_ACT_GELU);
}

static gboolean transpose_a, transpose_b;

static SegTensor *
matmul (Bench *b)
{
  return seg_matmul (b->leaf[0], b->leaf[1], transpose_a, transpose_b, 0.7);
}

static void
test_products (void)
{
  for (int rank = 2; rank <= 4; rank++)
    {
      BENCH (b);
      static const gint64 in[3][4] = { { 5, 4 }, { 2, 3, 4 }, { 2, 4, 3, 2 } };

      add_leaf (&b, rank, in[rank - 2], -1, 1);
      add_leaf (&b, 2, (gint64[]){ 6, 4 }, -1, 1);
      add_leaf (&b, 1, (gint64[]){ 6 }, -1, 1);
      check (&b, linear);
      bench_clear (&b);
    }
  for (int turn = 0; turn < 4; turn++)
    {
      BENCH (b);
      gint64 a[4] = { 2, 3, 4, 5 }, o[4] = { 1, 3, 5, 2 };

      transpose_a = turn & 1;
      transpose_b = turn >> 1;
      if (transpose_a)
        a[2] = 5, a[3] = 4;
      if (transpose_b)
        o[2] = 2, o[3] = 5;
      add_leaf (&b, 4, a, -1, 1);
      add_leaf (&b, 4, o, -1, 1);
      check (&b, matmul);
      bench_clear (&b);
    }
  {
    BENCH (b);

    add_leaf (&b, 4, (gint64[]){ 2, 3, 4, 5 }, -1, 1);
    check (&b, mean_of);
    bench_clear (&b);
  }
}

static gboolean log_form;
static int axis;

static SegTensor *
softmax (Bench *b)
{
  return log_form ? seg_log_softmax (b->leaf[0], axis) : seg_softmax (b->leaf[0], axis);
}

static void
test_softmax (void)
{
  for (log_form = 0; log_form <= 1; log_form++)
    for (axis = 0; axis < 4; axis++)
      {
        BENCH (b);

        add_leaf (&b, 4, (gint64[]){ 2, 3, 4, 2 }, -2, 2);
        check (&b, softmax);
        bench_clear (&b);
      }
}

static SegTensor *
attention (Bench *b)
{
  return seg_attention (b->leaf[0], b->leaf[1], b->leaf[2], b->leaf[3],
                        b->n_leaves > 4 ? b->leaf[4] : NULL, b->n_leaves > 4 ? b->leaf[5] : NULL,
                        &(SegAttentionParams){ .heads = 2, .scale = 0.6, .grid = { 2, 3 } });
}

static SegTensor *
windowed (Bench *b)
{
  g_autoptr (SegTensor) windows = seg_window_partition (b->leaf[0], 2);
  g_autoptr (SegTensor) square = seg_square (windows);
  g_autoptr (SegTensor) q = seg_slice (square, 2, 0, 2);
  g_autoptr (SegTensor) k = seg_slice (square, 2, 2, 2);
  g_autoptr (SegTensor) mixed =
      seg_attention (q, k, q, NULL, NULL, NULL, &(SegAttentionParams){ .heads = 1, .scale = 1 });

  return seg_window_merge (mixed, 2, 2, 3, 4);
}

static void
test_attention (void)
{
  BENCH (b);

  add_leaf (&b, 3, (gint64[]){ 2, 6, 4 }, -1, 1);
  add_leaf (&b, 3, (gint64[]){ 2, 6, 4 }, -1, 1);
  add_leaf (&b, 3, (gint64[]){ 2, 6, 8 }, -1, 1);
  add_leaf (&b, 4, (gint64[]){ 1, 2, 6, 6 }, -1, 1);
  add_leaf (&b, 2, (gint64[]){ 3, 2 }, -1, 1);
  add_leaf (&b, 2, (gint64[]){ 5, 2 }, -1, 1);
  check (&b, attention);
  bench_clear (&b);
  {
    BENCH (w);

    add_leaf (&w, 4, (gint64[]){ 2, 4, 3, 4 }, -1, 1);
    check (&w, windowed);
    bench_clear (&w);
  }
}

static int pool_kind;

static SegTensor *
pooling (Bench *b)
{
  if (pool_kind == 0)
    return seg_max_pool (b->leaf[0], 2, 2, 0);
  if (pool_kind == 1)
    return seg_max_pool (b->leaf[0], 3, 2, 1);
  if (pool_kind == 2)
    return seg_average_pool (b->leaf[0], 3, 1, 1);
  return seg_adaptive_average_pool (b->leaf[0], (gint64[]){ 2, 3, 2 });
}

static SegResampleMode mode;
static const gint64 *new_size;

static SegTensor *
resampling (Bench *b)
{
  return seg_resample (b->leaf[0], new_size, mode);
}

static void
test_spatial (void)
{
  static const gint64 sizes[3][3] = { { 8, 5, 3 }, { 2, 1, 7 }, { 1, 10, 6 } };

  for (int rank = 4; rank <= 5; rank++)
    {
      for (pool_kind = 0; pool_kind < 4; pool_kind++)
        {
          BENCH (b);

          add_leaf (&b, rank, (gint64[]){ 2, 2, 4, 5, 3 }, -1, 1);
          check (&b, pooling);
          bench_clear (&b);
        }
      for (mode = SEG_RESAMPLE_NEAREST; mode <= SEG_RESAMPLE_LINEAR_ALIGNED; mode++)
        for (int s = 0; s < 3; s++)
          {
            BENCH (b);

            new_size = sizes[s];
            add_leaf (&b, rank, (gint64[]){ 2, 2, 4, 5, 3 }, -1, 1);
            check (&b, resampling);
            bench_clear (&b);
          }
    }
}

static int loss_kind;

static SegTensor *
loss (Bench *b)
{
  SegTensor *x = b->leaf[0];
  g_autoptr (SegTensor) p = NULL;

  switch (loss_kind)
    {
    case 0:
      return seg_cross_entropy (x, b->extra[0], NULL, NULL, -1);
    case 1:
      return seg_cross_entropy (x, b->extra[0], b->extra[1], b->extra[2], 1);
    case 2:
      p = seg_softmax (x, 1);
      return seg_dice_loss (p, b->extra[0], NULL, NULL,
                            &(SegDiceParams){ .square = TRUE, .smooth = 1e-5, .ignore = -1 });
    case 3:
      p = seg_softmax (x, 1);
      return seg_dice_loss (
          p, b->extra[0], b->extra[1], b->extra[2],
          &(SegDiceParams){
              .smooth = 1, .smooth_den = 1e-8, .with_background = TRUE, .ignore = 2 });
    case 4:
      return seg_bce_logits (x, b->extra[3], NULL, b->extra[2]);
    case 5:
      return seg_focal_logits (x, b->extra[3], NULL, 0.25, 2);
    case 6:
      return seg_mse (x, b->leaf[1], NULL, FALSE);
    case 7:
      p = seg_log_softmax (x, 1);
      return seg_kl (p, b->extra[3], NULL, FALSE);
    default:
      return seg_cosine_similarity (x, b->leaf[1], 1e-8);
    }
}

static void
test_losses (void)
{
  for (loss_kind = 0; loss_kind < 9; loss_kind++)
    {
      BENCH (b);
      const gint64 shape[5] = { 2, 3, 3, 2, 2 }, positions[4] = { 2, 3, 2, 2 }, channels = 3;

      add_leaf (&b, 5, shape, -2, 2);
      add_leaf (&b, 5, shape, -2, 2);
      if (loss_kind < 6 || loss_kind == 7)
        seg_tensor_clear (&b.leaf[--b.n_leaves]);
      b.extra[0] = random_index (b.context, 4, positions, 3, SEG_DTYPE_U8);
      b.extra[1] = seg_tensor_new_uniform (b.context, SEG_DTYPE_F64, 4, positions, 0, 1);
      b.extra[2] = seg_tensor_new_uniform (b.context, SEG_DTYPE_F64, 1, &channels, 0.5, 2);
      b.extra[3] = seg_tensor_new_uniform (b.context, SEG_DTYPE_F64, 5, shape, 0.05, 0.95);
      check (&b, loss);
      bench_clear (&b);
    }
}

static SegTensor *
dropping (Bench *b)
{
  g_autoptr (SegTensor) a = seg_dropout_channels (b->leaf[0], 0.4);

  return seg_dropout (a, 0.3);
}

static SegTensor *
embedding (Bench *b)
{
  return seg_embedding (b->leaf[0], b->extra[0]);
}

static SegTensor *
inside_checkpoint (gpointer user_data, SegTensor *x)
{
  Bench *b = user_data;
  g_autoptr (SegTensor) product = seg_mul (x, b->leaf[1]);
  g_autoptr (SegTensor) dropped = seg_dropout (product, 0.3);

  return seg_silu (dropped);
}

static SegTensor *
checkpointed (Bench *b)
{
  g_autoptr (SegTensor) square = seg_square (b->leaf[0]);
  g_autoptr (SegTensor) inner = seg_checkpoint (inside_checkpoint, b, square);

  return seg_mul (inner, b->leaf[0]);
}

static void
test_others (void)
{
  {
    BENCH (b);

    add_leaf (&b, 4, (gint64[]){ 3, 4, 3, 2 }, -1, 1);
    check (&b, dropping);
    bench_clear (&b);
  }
  {
    BENCH (b);

    add_leaf (&b, 2, (gint64[]){ 5, 3 }, -1, 1);
    b.extra[0] = random_index (b.context, 2, (gint64[]){ 2, 4 }, 5, SEG_DTYPE_I32);
    check (&b, embedding);
    bench_clear (&b);
  }
  {
    BENCH (b);

    add_leaf (&b, 4, (gint64[]){ 1, 4, 3, 2 }, -1, 1);
    add_leaf (&b, 4, (gint64[]){ 1, 4, 3, 2 }, -1, 1);
    check (&b, checkpointed);
    bench_clear (&b);
  }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int status;

  g_test_init (&argc, &argv, NULL);
  device = seg_device_open ("ref", 0, &error);
  g_assert_no_error (error);
  g_test_add_func ("/seg/gradients/conv", test_conv);
  g_test_add_func ("/seg/gradients/norm", test_norm);
  g_test_add_func ("/seg/gradients/activations", test_activations);
  g_test_add_func ("/seg/gradients/arithmetic", test_arithmetic);
  g_test_add_func ("/seg/gradients/shapes", test_shapes);
  g_test_add_func ("/seg/gradients/products", test_products);
  g_test_add_func ("/seg/gradients/softmax", test_softmax);
  g_test_add_func ("/seg/gradients/attention", test_attention);
  g_test_add_func ("/seg/gradients/spatial", test_spatial);
  g_test_add_func ("/seg/gradients/losses", test_losses);
  g_test_add_func ("/seg/gradients/others", test_others);
  status = g_test_run ();
  seg_device_unref (device);
  return status;
}
