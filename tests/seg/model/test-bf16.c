/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/method/losses.h"
#include "seg/model/vnet.h"
#include "seg/tensor/context.h"

#include <math.h>
#include <string.h>

/* What bf16 does to a step of the light V-Net: loss and gradients beside those of F32, on the same
 * weights and two made-up patches with three labelled planes.
 *
 * A fresh V-Net makes much of little: each of its 29 norms is followed by a ReLU, and an activation
 * that is rounded to the other side of 0 takes its gradient along. So the two part from the end to
 * the beginning, in PyTorch's autocast just so: there the cosine of all gradients is 0.64 (PyTorch
 * 2.15, the same network and kind of patch), here 0.71. What must hold is that the last layers,
 * before anything has grown, agree within the rounding of bf16, that no layer turns against F32's,
 * and that on average no gradient is smaller or larger. */

#define N 2
#define D 32
#define H 48
#define W 32
#define N_VOXELS (D * H * W)
#define N_CLASSES 3

typedef struct
{
  float image[N * N_VOXELS];
  guint8 label[N * N_VOXELS];
  guint8 domain[N * N_VOXELS];
} Patches;

static double
draw (guint64 *state)
{
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double) (*state >> 33) / 2147483648.0;
}

/* Two ellipsoids, brighter and darker than what is around them, in waves and noise. */
static void
fill_patch (Patches *patches, int n)
{
  guint64 state = 5 + 77 * (guint64) n;
  double centre[2][3], radius[2][3];

  for (int k = 0; k < 2; k++)
    for (int a = 0; a < 3; a++)
      {
        centre[k][a] = (a == 1 ? H : 32) * (0.35 + 0.3 * draw (&state));
        centre[k][a] += a == 1 ? 16 * k - 8 : 0;
        radius[k][a] = 5 + 5 * draw (&state);
      }
  for (int v = 0; v < N_VOXELS; v++)
    {
      const int at[3] = { v / (H * W), v / W % H, v % W };
      int label = 0;

      for (int k = 0; k < 2; k++)
        {
          double reach = 0;

          for (int a = 0; a < 3; a++)
            reach += pow ((at[a] - centre[k][a]) / radius[k][a], 2);
          if (reach < 1)
            label = k + 1;
        }
      patches->label[n * N_VOXELS + v] = (guint8) label;
      patches->domain[n * N_VOXELS + v] = at[0] == D / 2 || at[1] == H / 2 || at[2] == W / 2;
      patches->image[n * N_VOXELS + v] =
          (float) (0.8 * (label == 1) - 0.6 * (label == 2) + 0.5 * sin (0.2 * at[0] + 0.1 * at[1])
                   + 0.6 * (draw (&state) + draw (&state) - 1));
    }
}

typedef struct
{
  SegContext *context;
  SegVnet *net;
  double loss;
} Run;

static void
run (Run *self, SegDevice *device, SegDtype dtype, Patches *patches)
{
  const SegBatch batch = { .n = N,
                           .n_labelled = N,
                           .patch = { D, H, W },
                           .image = patches->image,
                           .label = patches->label,
                           .domain = patches->domain };
  g_autoptr (GError) error = NULL;
  g_autoptr (SegTape) tape = NULL;
  g_autoptr (SegTensor) x = NULL;
  g_autoptr (SegTensor) logits = NULL;
  g_autoptr (SegTensor) loss = NULL;
  gboolean is_empty;

  self->context = seg_context_new (device, 3);
  self->net =
      seg_vnet_new (self->context, &(SegVnetParams){ .n_classes = N_CLASSES, .filters = 8 });
  tape = seg_tape_begin (self->context);
  x = seg_tensor_new_from (self->context, dtype, SEG_SHAPE (N, 1, D, H, W), SEG_DTYPE_F32,
                           patches->image);
  logits = seg_vnet_forward (self->net, x, NULL);
  loss = seg_loss_supervised (&(SegSupervisedParams){ .dice = TRUE }, logits, &batch, &is_empty);
  self->loss = seg_tensor_get_scalar (loss);
  seg_tape_backward (tape, loss);
  seg_context_check (self->context, &error);
  g_assert_no_error (error);
}

static void
run_clear (Run *self)
{
  seg_vnet_free (self->net);
  seg_context_unref (self->context);
}

/* Of one gradient, or of all. */
typedef struct
{
  double f32, bf16, product, gap; /* sums of squares, of products, of squared differences */
} Sums;

typedef struct
{
  SegModule *other; /* the bf16 run's */
  Sums all;
  int n;
} Compare;

static void
add_gradients (Sums *sums, SegTensor *f32, SegTensor *bf16)
{
  const gint64 n = seg_tensor_get_n_elements (f32);
  g_autofree float *a = g_new (float, n);
  g_autofree float *b = g_new (float, n);

  g_assert_true (seg_tensor_download (f32, SEG_DTYPE_F32, a));
  g_assert_true (seg_tensor_download (bf16, SEG_DTYPE_F32, b));
  for (gint64 i = 0; i < n; i++)
    {
      sums->f32 += (double) a[i] * a[i];
      sums->bf16 += (double) b[i] * b[i];
      sums->product += (double) a[i] * b[i];
      sums->gap += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
    }
}

static double
get_cosine (const Sums *sums)
{
  return sums->product / sqrt (sums->f32 * sums->bf16);
}

static void
compare_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Compare *compare = user_data;
  Sums own = { 0 };

  /* biases before a norm have no gradient but rounding */
  if (kind != SEG_ENTRY_PARAMETER || seg_tensor_get_rank (tensor) < 5)
    return;
  add_gradients (&own, seg_tensor_get_grad (tensor),
                 seg_tensor_get_grad (seg_module_lookup (compare->other, name)));
  g_test_message ("%s: cosine %.3f, length %.3f, gap %.4f", name, get_cosine (&own),
                  sqrt (own.bf16 / own.f32), sqrt (own.gap / own.f32));
  /* the noise of 29 layers is below the gradient everywhere */
  g_assert_cmpfloat (get_cosine (&own), >, 0.45);
  g_assert_cmpfloat (sqrt (own.bf16 / own.f32), >, 0.75);
  g_assert_cmpfloat (sqrt (own.bf16 / own.f32), <, 1.35);
  /* the last two layers have one and two roundings of 2⁻⁹ before them, and as many behind */
  if (strcmp (name, "out_conv.weight") == 0)
    g_assert_cmpfloat (sqrt (own.gap / own.f32), <, 0.01);
  if (strcmp (name, "block_nine.conv.0.weight") == 0)
    g_assert_cmpfloat (sqrt (own.gap / own.f32), <, 0.08);
  compare->all.f32 += own.f32;
  compare->all.bf16 += own.bf16;
  compare->all.product += own.product;
  compare->n++;
}

static void
test_gradients (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open ("cpu", 0, &error);
  g_autofree Patches *patches = g_new0 (Patches, 1);
  Run f32, bf16;
  Compare compare = { NULL };

  if (device == NULL || !seg_device_get_info (device)->bf16)
    {
      g_test_skip (device == NULL ? error->message : "no bf16 on this processor");
      return;
    }
  for (int n = 0; n < N; n++)
    fill_patch (patches, n);
  run (&f32, device, SEG_DTYPE_F32, patches);
  run (&bf16, device, SEG_DTYPE_BF16, patches);
  g_test_message ("loss %.6f, %.6f", f32.loss, bf16.loss);
  g_assert_cmpfloat_with_epsilon (f32.loss, bf16.loss, 2e-3);
  compare.other = seg_vnet_get_module (bf16.net);
  seg_module_foreach (seg_vnet_get_module (f32.net), compare_cb, &compare);
  g_assert_cmpint (compare.n, ==, 30);
  g_test_message ("all: cosine %.3f", get_cosine (&compare.all));
  g_assert_cmpfloat (get_cosine (&compare.all), >, 0.6);
  run_clear (&f32);
  run_clear (&bf16);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/bf16/gradients", test_gradients);
  return g_test_run ();
}
