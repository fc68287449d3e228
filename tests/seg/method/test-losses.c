/* SPDX-License-Identifier: Apache-2.0 */
#include "seg/method/losses.h"
#include "seg/method/method.h"
#include "seg/ops/ops.h"
#include "seg/tensor/context.h"

#include <math.h>
#include <string.h>

#define S 4
#define V (S * S * S)
#define MAX_N 4

typedef struct
{
  SegDevice *device;
  SegContext *context;
  SegBatch batch;
  SegPatch patches[MAX_N];
  float *logits; /* n × K × V */
  int K;
} Fixture;

/* Two labelled patches with one plane each (one empty if asked for), two unlabelled ones. */
static void
set_up (Fixture *self, int K)
{
  g_autoptr (GError) error = NULL;
  SegBatch *batch = &self->batch;

  memset (self, 0, sizeof *self);
  self->device = seg_device_open ("ref", 1, &error);
  g_assert_no_error (error);
  self->context = seg_context_new (self->device, 1);
  self->K = K;
  *batch =
      (SegBatch){ .n = MAX_N, .n_labelled = 2, .patch = { S, S, S }, .patches = self->patches };
  batch->image = g_new0 (float, MAX_N *V);
  batch->label = g_malloc0 (MAX_N * V);
  batch->domain = g_malloc0 (MAX_N * V);
  batch->pseudo = g_malloc0 (MAX_N * V);
  self->logits = g_new (float, MAX_N *K *V);
  for (int v = 0; v < MAX_N * K * V; v++)
    self->logits[v] = (float) g_test_rand_double_range (-2, 2);
  for (int a = 0; a < 2; a++)
    for (int v = 0; v < V; v++)
      {
        batch->domain[a * V + v] = a == 0 ? v / (S * S) == 1 : v % S == 2;
        if (batch->domain[a * V + v])
          batch->label[a * V + v] = (guint8) (v % K);
      }
}

static void
tear_down (Fixture *self)
{
  g_free (self->batch.image);
  g_free (self->batch.label);
  g_free (self->batch.domain);
  g_free (self->batch.pseudo);
  g_free (self->logits);
  seg_context_unref (self->context);
  seg_device_unref (self->device);
}

static SegTensor *
upload_logits (Fixture *self)
{
  SegTensor *logits =
      seg_tensor_new_from_f32 (self->context, SEG_SHAPE (MAX_N, self->K, S, S, S), self->logits);

  seg_tensor_set_requires_grad (logits, TRUE);
  return logits;
}

/* −log softmax of the label's class. */
static double
nll (const Fixture *self, int i, int v, int label)
{
  double sum = 0;

  for (int k = 0; k < self->K; k++)
    sum += exp (self->logits[(i * self->K + k) * V + v]);
  return log (sum) - self->logits[(i * self->K + label) * V + v];
}

/* I3: outside the labelled planes the gradient is exactly zero, with and without the Dice term, and
 * what is written in the label array there changes nothing. */
static void
test_no_gradient_off_the_planes (void)
{
  for (int dice = 0; dice < 2; dice++)
    {
      Fixture f;
      double value[2];

      set_up (&f, 3);
      for (int turn = 0; turn < 2; turn++)
        {
          g_autoptr (SegTape) tape = seg_tape_begin (f.context);
          g_autoptr (SegTensor) logits = upload_logits (&f);
          g_autoptr (SegTensor) loss = NULL;
          g_autofree float *grad = g_new (float, MAX_N * 3 * V);
          gboolean is_empty;
          int n_inside = 0;

          loss = seg_loss_supervised (&(SegSupervisedParams){ .dice = dice }, logits, &f.batch,
                                      &is_empty);
          g_assert_false (is_empty);
          value[turn] = seg_tensor_get_scalar (loss);
          g_assert_true (seg_tape_backward (tape, loss));
          g_assert_true (seg_tensor_download (seg_tensor_get_grad (logits), SEG_DTYPE_F32, grad));
          for (int i = 0; i < MAX_N; i++)
            for (int k = 0; k < 3; k++)
              for (int v = 0; v < V; v++)
                if (i < 2 && f.batch.domain[i * V + v])
                  n_inside += grad[(i * 3 + k) * V + v] != 0;
                else
                  g_assert_true (grad[(i * 3 + k) * V + v] == 0);
          g_assert_cmpint (n_inside, ==, 2 * 3 * S * S);
          for (int i = 0; i < 2; i++)
            for (int v = 0; v < V; v++)
              if (!f.batch.domain[i * V + v])
                f.batch.label[i * V + v] = 2;
        }
      g_assert_true (value[0] == value[1]);
      tear_down (&f);
    }
}

static void
test_supervised_value (void)
{
  Fixture f;
  g_autoptr (SegTensor) logits = NULL, loss = NULL, slip = NULL;
  gboolean is_empty;
  double expected = 0, expected_slip = 0;

  set_up (&f, 2);
  /* Twice as many voxels in one patch: the mean of means is not the mean. */
  for (int v = 0; v < V; v++)
    if (v % S == 3)
      f.batch.domain[V + v] = 1;
  for (int a = 0; a < 2; a++)
    {
      double sum = 0, slipped = 0;
      int n = 0;

      for (int v = 0; v < V; v++)
        {
          double m = f.batch.domain[a * V + v], other = f.batch.domain[(1 - a) * V + v];

          sum += m * nll (&f, a, v, f.batch.label[a * V + v]);
          slipped += (m + other) * nll (&f, a, v, f.batch.label[a * V + v]);
          n += (int) m;
        }
      expected += sum / n / 2;
      expected_slip += slipped / n / 2;
    }
  logits = upload_logits (&f);
  loss = seg_loss_supervised (&(SegSupervisedParams){ 0 }, logits, &f.batch, &is_empty);
  g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (loss), expected, 1e-5);
  slip = seg_loss_supervised (&(SegSupervisedParams){ .broadcast = TRUE }, logits, &f.batch,
                              &is_empty);
  g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (slip), expected_slip, 1e-5);
  g_clear_pointer (&logits, seg_tensor_unref);
  g_clear_pointer (&loss, seg_tensor_unref);
  g_clear_pointer (&slip, seg_tensor_unref);
  tear_down (&f);
}

/* Class 2 on a fifth of the voxels of class 0: with β = 1 each class that is there is a third of
 * the loss, with β = ½ its part goes with the root of its weight; one class alone changes nothing.
 */
static void
test_balanced_value (void)
{
  const double betas[] = { 0.5, 1 };
  Fixture f;

  set_up (&f, 4);
  for (int a = 0; a < 2; a++)
    for (int v = 0; v < V; v++)
      f.batch.label[a * V + v] = (guint8) (v % 7 < 5 ? 0 : v % 7 == 5 ? 1 : 2);
  for (gsize b = 0; b < G_N_ELEMENTS (betas); b++)
    {
      g_autoptr (SegTensor) logits = upload_logits (&f), loss = NULL;
      double sum[3] = { 0 }, expected = 0, all = 0;
      int n[3] = { 0 };
      gboolean is_empty;

      for (int a = 0; a < 2; a++)
        for (int v = 0; v < V; v++)
          if (f.batch.domain[a * V + v])
            {
              int k = f.batch.label[a * V + v];

              sum[k] += nll (&f, a, v, k);
              n[k]++;
            }
      /* Both patches have S × S labelled voxels, so that every voxel weighs the same. */
      for (int k = 0; k < 3; k++)
        {
          expected += sum[k] * pow (n[k], -betas[b]);
          all += n[k] * pow (n[k], -betas[b]);
        }
      loss = seg_loss_supervised (&(SegSupervisedParams){ .balance = betas[b] }, logits, &f.batch,
                                  &is_empty);
      g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (loss), expected / all, 1e-5);
    }
  memset (f.batch.label, 0, MAX_N * V);
  {
    g_autoptr (SegTensor) logits = upload_logits (&f), plain = NULL, balanced = NULL;
    gboolean is_empty;

    plain = seg_loss_supervised (&(SegSupervisedParams){ 0 }, logits, &f.batch, &is_empty);
    balanced =
        seg_loss_supervised (&(SegSupervisedParams){ .balance = 1 }, logits, &f.batch, &is_empty);
    g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (balanced), seg_tensor_get_scalar (plain),
                                    1e-6);
  }
  tear_down (&f);
}

static void
test_nothing_labelled_is_no_loss (void)
{
  Fixture f;
  gboolean is_empty = FALSE;

  set_up (&f, 2);
  memset (f.batch.domain, 0, MAX_N * V);
  {
    g_autoptr (SegTensor) logits = upload_logits (&f);

    g_assert_null (
        seg_loss_supervised (&(SegSupervisedParams){ .dice = TRUE }, logits, &f.batch, &is_empty));
    g_assert_true (is_empty);
  }
  tear_down (&f);
}

/* z = (3, 4) → (.6, .8); (.3, .4) stays; softmax of (−1, 1) clipped is (.19557, .80443). */
static void
test_clip_logits (void)
{
  g_autoptr (SegDevice) device = seg_device_open ("ref", 1, NULL);
  g_autoptr (SegContext) context = seg_context_new (device, 1);
  const float z[10] = { 3, .3f, -1, 0, 0, 4, .4f, 1, 0, 1 };
  float out[10], p[10], grad[10];
  g_autoptr (SegTape) tape = seg_tape_begin (context);
  g_autoptr (SegTensor) x = seg_tensor_new_from_f32 (context, SEG_SHAPE (1, 2, 1, 1, 5), z);
  g_autoptr (SegTensor) clipped = NULL, softmax = NULL, sum = NULL;

  seg_tensor_set_requires_grad (x, TRUE);
  clipped = seg_clip_logits (x);
  softmax = seg_softmax (clipped, 1);
  sum = seg_sum (clipped, SEG_ALL_AXES);
  seg_tensor_download (clipped, SEG_DTYPE_F32, out);
  seg_tensor_download (softmax, SEG_DTYPE_F32, p);
  g_assert_cmpfloat_with_epsilon (out[0], .6, 1e-6);
  g_assert_cmpfloat_with_epsilon (out[5], .8, 1e-6);
  g_assert_cmpfloat_with_epsilon (out[1], .3, 1e-6);
  g_assert_cmpfloat_with_epsilon (out[6], .4, 1e-6);
  g_assert_cmpfloat_with_epsilon (out[2], -.70711, 1e-5);
  g_assert_cmpfloat_with_epsilon (p[2], .19557, 1e-5);
  g_assert_cmpfloat_with_epsilon (p[7], .80443, 1e-5);
  g_assert_true (seg_tape_backward (tape, sum));
  seg_tensor_download (seg_tensor_get_grad (x), SEG_DTYPE_F32, grad);
  /* d (x + y)/‖z‖ by x at (3, 4): 1/5 − 7·3/125. */
  g_assert_cmpfloat_with_epsilon (grad[0], 1. / 5 - 7 * 3. / 125, 1e-6);
  g_assert_cmpfloat_with_epsilon (grad[5], 1. / 5 - 7 * 4. / 125, 1e-6);
  g_assert_cmpfloat_with_epsilon (grad[1], 1, 1e-6);
  for (int v = 0; v < 10; v++)
    g_assert_true (isfinite (grad[v]));
}

/* Patches without labels of the generalist are left out; the expert's voxels win where asked. */
static void
test_pseudo (void)
{
  Fixture f;
  gboolean is_empty;
  gsize n_flagged;

  set_up (&f, 2);
  {
    g_autoptr (SegTape) tape = seg_tape_begin (f.context);
    g_autoptr (SegTensor) logits = upload_logits (&f);
    g_autoptr (SegTensor) loss = NULL;
    g_autofree float *grad = g_new (float, MAX_N * 2 * V);
    double expected = 0;

    g_assert_null (
        seg_loss_pseudo (&(SegPseudoParams){ 0 }, logits, &f.batch, &is_empty, &n_flagged));
    g_assert_true (is_empty);
    for (int i = 0; i < MAX_N; i++)
      f.patches[i].has_pseudo = i == 1 || i == 3;
    for (int v = 0; v < V; v++)
      {
        f.batch.pseudo[V + v] = v % 3 == 0;
        f.batch.pseudo[3 * V + v] = v % 5 == 0;
        f.batch.pseudo[2 * V + v] = 1; /* stale: not to be looked at */
      }
    for (int v = 0; v < V; v++)
      {
        expected +=
            nll (&f, 1, v, f.batch.domain[V + v] ? f.batch.label[V + v] : f.batch.pseudo[V + v]);
        expected += nll (&f, 3, v, f.batch.pseudo[3 * V + v]);
      }
    loss = seg_loss_pseudo (&(SegPseudoParams){ .expert_wins = TRUE }, logits, &f.batch, &is_empty,
                            &n_flagged);
    g_assert_false (is_empty);
    g_assert_cmpuint (n_flagged, ==, 0);
    g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (loss), expected / (2 * V), 1e-5);
    g_assert_true (seg_tape_backward (tape, loss));
    seg_tensor_download (seg_tensor_get_grad (logits), SEG_DTYPE_F32, grad);
    for (int v = 0; v < 2 * V; v++)
      {
        g_assert_true (grad[v] == 0);
        g_assert_true (grad[2 * 2 * V + v] == 0);
        g_assert_true (grad[2 * V + v] != 0);
      }
  }
  tear_down (&f);
}

/* Voxels that nobody knows, and those that are of no scan, are in neither sum. */
static void
test_pseudo_unknown (void)
{
  Fixture f;
  gboolean is_empty;
  gsize n_flagged;

  set_up (&f, 2);
  {
    g_autoptr (SegTensor) logits = upload_logits (&f);
    g_autoptr (SegTensor) loss = NULL;
    double expected = 0;
    int n = 0;

    f.patches[2].has_pseudo = TRUE;
    for (int v = 0; v < V; v++)
      {
        guint8 label = (guint8) (v % 5 == 0);

        if (v % 3 == 0)
          label = SEG_PSEUDO_OUTSIDE;
        else if (v % 3 == 1)
          label = SEG_PSEUDO_UNKNOWN;
        else
          {
            expected += nll (&f, 2, v, label);
            n++;
          }
        f.batch.pseudo[2 * V + v] = label;
      }
    for (int confident = 0; confident < 2; confident++)
      {
        g_clear_pointer (&loss, seg_tensor_unref);
        loss = seg_loss_pseudo (&(SegPseudoParams){ .confident = confident }, logits, &f.batch,
                                &is_empty, &n_flagged);
        g_assert_false (is_empty);
        if (n_flagged == 0)
          g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (loss), expected / n, 1e-5);
      }
    for (int v = 0; v < V; v++)
      f.batch.pseudo[2 * V + v] = v % 2 ? SEG_PSEUDO_OUTSIDE : 0;
    g_assert_null (
        seg_loss_pseudo (&(SegPseudoParams){ 0 }, logits, &f.batch, &is_empty, &n_flagged));
    g_assert_true (is_empty);
  }
  tear_down (&f);
}

/* Labels that contradict a sure network are corrected before they are learned. */
/* ½ (CE + Dice), both over the voxels that are known, the Dice of the logits as they are. */
static void
test_pseudo_dice (void)
{
  Fixture f;
  gboolean is_empty;
  gsize n_flagged;

  set_up (&f, 3);
  {
    g_autoptr (SegTensor) logits = upload_logits (&f);
    g_autoptr (SegTensor) loss = NULL;
    double ce = 0, both[3] = { 0 }, square[3] = { 0 }, count[3] = { 0 }, dice = 1;
    int n = 0;

    f.patches[1].has_pseudo = f.patches[3].has_pseudo = TRUE;
    for (int i = 1; i < MAX_N; i += 2)
      for (int v = 0; v < V; v++)
        {
          guint8 label = (guint8) ((v + i) % 7 == 0 ? 1 : (v + i) % 5 == 0 ? 2 : 0);

          f.batch.pseudo[i * V + v] = v % 4 == 3 ? SEG_PSEUDO_UNKNOWN : label;
          if (v % 4 == 3)
            continue;
          ce += nll (&f, i, v, label);
          n++;
          count[label]++;
          for (int k = 0; k < 3; k++)
            {
              double p = exp (-nll (&f, i, v, k));

              square[k] += p * p;
              both[k] += k == label ? p : 0;
            }
        }
    for (int k = 1; k < 3; k++)
      dice -= (2 * both[k] + 1e-5) / (square[k] + count[k] + 1e-5) / 2;
    loss = seg_loss_pseudo (&(SegPseudoParams){ .dice = TRUE }, logits, &f.batch, &is_empty,
                            &n_flagged);
    g_assert_false (is_empty);
    g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (loss), (ce / n + dice) / 2, 1e-5);
  }
  tear_down (&f);
}

static void
test_pseudo_is_corrected (void)
{
  Fixture f;
  gboolean is_empty;
  gsize n_flagged;

  set_up (&f, 2);
  for (int i = 0; i < MAX_N; i++)
    {
      f.patches[i].has_pseudo = TRUE;
      for (int v = 0; v < V; v++)
        {
          int truth = v % S >= 2;

          f.logits[(i * 2 + truth) * V + v] = 3;
          f.logits[(i * 2 + 1 - truth) * V + v] = -3;
          f.batch.pseudo[i * V + v] = (guint8) (v % 16 == 0 ? !truth : truth);
        }
    }
  {
    g_autoptr (SegTensor) logits = upload_logits (&f);
    g_autoptr (SegTensor) raw =
        seg_loss_pseudo (&(SegPseudoParams){ 0 }, logits, &f.batch, &is_empty, &n_flagged);
    g_autoptr (SegTensor) corrected = seg_loss_pseudo (&(SegPseudoParams){ .confident = TRUE },
                                                       logits, &f.batch, &is_empty, &n_flagged);

    g_assert_cmpuint (n_flagged, ==, MAX_N * V / 16);
    g_assert_cmpfloat (seg_tensor_get_scalar (raw), >, 0.3);
    g_assert_cmpfloat (seg_tensor_get_scalar (corrected), <, 0.01);
  }
  tear_down (&f);
}

/* Clipped to norm 1 the loss cannot fall below 0.2176 for two classes (dossier 4.3). */
static void
test_pseudo_floor (void)
{
  Fixture f;
  gboolean is_empty;
  gsize n_flagged;

  set_up (&f, 2);
  for (int i = 0; i < MAX_N; i++)
    {
      f.patches[i].has_pseudo = TRUE;
      for (int v = 0; v < V; v++)
        {
          f.batch.pseudo[i * V + v] = 1;
          f.logits[i * 2 * V + v] = -50;
          f.logits[(i * 2 + 1) * V + v] = 50;
        }
    }
  {
    g_autoptr (SegTensor) logits = upload_logits (&f);
    g_autoptr (SegTensor) loss = seg_loss_pseudo (&(SegPseudoParams){ .clip = TRUE }, logits,
                                                  &f.batch, &is_empty, &n_flagged);

    g_assert_cmpfloat_with_epsilon (seg_tensor_get_scalar (loss), 0.2176, 1e-4);
  }
  tear_down (&f);
}

#define SIDE 16
#define N_VOXELS (SIDE * SIDE * SIDE)

/* The consistency loss of the first step of a network known by its seed, where unlabelled voxels v
 * with v % 3 in @outside (a set of bits) are of no scan. */
static double
consistency_of_a_step (const char *name, gboolean skip_outside, guint outside)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open ("ref", 1, &error);
  g_autoptr (SegContext) context = seg_context_new (device, 1);
  g_autoptr (SegMethod) method = NULL;
  g_autofree float *image = g_new (float, 4 * N_VOXELS);
  g_autofree guint8 *label = g_malloc0 (4 * N_VOXELS), *domain = g_malloc0 (4 * N_VOXELS);
  g_autofree guint8 *pseudo = g_malloc0 (4 * N_VOXELS);
  SegPatch patches[4] = { { 0 } };
  const SegBatch batch = { .n = 4,
                           .n_labelled = 2,
                           .patch = { SIDE, SIDE, SIDE },
                           .patches = patches,
                           .image = image,
                           .label = label,
                           .domain = domain,
                           .pseudo = pseudo };
  SegMethodParams params;
  SegMethodReport report;

  seg_method_params_init (&params, name, FALSE);
  params.filters = 2;
  params.patch[0] = params.patch[1] = params.patch[2] = SIDE;
  params.skip_outside = skip_outside;
  for (int v = 0; v < 4 * N_VOXELS; v++)
    {
      image[v] = sinf ((float) v * 0.7f) + (float) (v % 3);
      label[v] = v % 5 == 0;
      domain[v] = v % N_VOXELS < SIDE * SIDE;
      if (v >= 2 * N_VOXELS && (outside >> v % 3 & 1))
        pseudo[v] = SEG_PSEUDO_OUTSIDE;
    }
  method = seg_method_new (name, &params, context, &error);
  g_assert_no_error (error);
  g_assert_true (seg_method_step (method, &batch, &report, &error));
  for (int m = 0; m < report.n_metrics; m++)
    if (strcmp (report.metrics[m].name, "loss.consistency") == 0)
      return report.metrics[m].value;
  g_assert_not_reached ();
}

/* Left out, padding is in no mean: the mean of all voxels is made of those of a part and the rest.
 */
static void
test_skip_outside (gconstpointer data)
{
  double all = consistency_of_a_step (data, FALSE, 0);
  double third = consistency_of_a_step (data, TRUE, 6),
         rest = consistency_of_a_step (data, TRUE, 1);
  int n = 2 * N_VOXELS, n_third = 0;

  for (int v = n; v < 2 * n; v++)
    n_third += v % 3 == 0;
  g_assert_cmpfloat (fabs (third - rest), >, 1e-3 * all);
  g_assert_cmpfloat_with_epsilon ((third * n_third + rest * (n - n_third)) / n, all, 1e-5 * all);
  g_assert_cmpfloat_with_epsilon (consistency_of_a_step (data, TRUE, 0), all, 1e-5 * all);
  g_assert_cmpfloat (consistency_of_a_step (data, FALSE, 6), ==, all);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/method/losses/no-gradient-off-the-planes",
                   test_no_gradient_off_the_planes);
  g_test_add_func ("/seg/method/losses/supervised-value", test_supervised_value);
  g_test_add_func ("/seg/method/losses/balanced-value", test_balanced_value);
  g_test_add_func ("/seg/method/losses/nothing-labelled", test_nothing_labelled_is_no_loss);
  g_test_add_func ("/seg/method/losses/clip-logits", test_clip_logits);
  g_test_add_func ("/seg/method/losses/pseudo", test_pseudo);
  g_test_add_func ("/seg/method/losses/pseudo-dice", test_pseudo_dice);
  g_test_add_func ("/seg/method/losses/pseudo-unknown", test_pseudo_unknown);
  g_test_add_func ("/seg/method/losses/pseudo-is-corrected", test_pseudo_is_corrected);
  g_test_add_func ("/seg/method/losses/pseudo-floor", test_pseudo_floor);
  g_test_add_data_func ("/seg/method/losses/skip-outside/gm-abs", "gm-abs", test_skip_outside);
  g_test_add_data_func ("/seg/method/losses/skip-outside/mean-teacher", "mean-teacher",
                        test_skip_outside);
  return g_test_run ();
}
