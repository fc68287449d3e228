/* SPDX-License-Identifier: Apache-2.0 */

/* The networks of the SAM family against the reference implementations (record_sam.py). */
#include "seg/generalist/generalist.h"
#include "seg/generalist/sam-network.h"
#include "seg/ops/ops.h"
#include "seg/tensor/context.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define N_SAMPLES 48
#define N_PROMPTS 5
#define LOW_RES 256

typedef struct
{
  const char *name;
  SegVitParams params;
  float largest;
  float embedding[N_SAMPLES];
} GoldenVit;

typedef struct
{
  float largest;
  float iou[SEG_SAM_N_MASKS];
  float masks[N_SAMPLES];
} GoldenAnswer;

typedef struct
{
  const char *name;
  float embedding_largest;
  float embedding[N_SAMPLES];
  GoldenAnswer answers[N_PROMPTS];
} GoldenSam;

#include "tests/seg/generalist/sam-golden.h"

static guint64
fnv1a (const char *text)
{
  guint64 value = G_GUINT64_CONSTANT (0xCBF29CE484222325);

  for (; *text != '\0'; text++)
    value = (value ^ (guint8) *text) * G_GUINT64_CONSTANT (0x100000001B3);
  return value;
}

/* The @index-th value of @hash in [-1, 1), as record_sam.py draws it. */
static float
uniform (guint64 hash, guint64 index)
{
  guint64 x = hash + index * G_GUINT64_CONSTANT (0x9E3779B97F4A7C15);

  x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT (0xBF58476D1CE4E5B9);
  x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT (0x94D049BB133111EB);
  x = x ^ (x >> 31);
  return (float) ((double) (x >> 40) / 8388608.0 - 1.0);
}

static void
fill_rule (const char *name, int rank, const gint64 *shape, float *offset, float *factor)
{
  gint64 fan_in = 1;

  *offset = 0;
  *factor = 1;
  if (g_str_has_suffix (name, "running_var"))
    {
      *offset = 1;
      *factor = 0.3f;
    }
  else if (g_str_has_suffix (name, "running_mean"))
    *factor = 0.1f;
  else if (g_str_has_suffix (name, "positional_encoding_gaussian_matrix")
           || g_str_has_suffix (name, "_embed.weight") || strstr (name, "point_embeddings") != NULL
           || g_str_has_suffix (name, "_token.weight") || g_str_has_suffix (name, "_tokens.weight"))
    *factor = 1;
  else if (strstr (name, "rel_pos") != NULL || g_str_has_suffix (name, "pos_embed")
           || g_str_has_suffix (name, "attention_biases"))
    *factor = 0.2f;
  else if (rank == 1 && g_str_has_suffix (name, "weight"))
    {
      *offset = 1;
      *factor = 0.1f;
    }
  else if (rank == 1)
    *factor = 0.1f;
  else
    {
      for (int a = 1; a < rank; a++)
        fan_in *= shape[a];
      *factor = (float) sqrt (3.0 / fan_in);
    }
}

static float *
fill_values (const char *name, int rank, const gint64 *shape, gsize *n)
{
  const guint64 hash = fnv1a (name);
  float offset, factor, *values;

  *n = 1;
  for (int a = 0; a < rank; a++)
    *n *= shape[a];
  fill_rule (name, rank, shape, &offset, &factor);
  values = g_new (float, *n);
  for (gsize v = 0; v < *n; v++)
    values[v] = offset + factor * uniform (hash, v);
  return values;
}

static void
fill_entry_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  gsize n;
  g_autofree float *values =
      fill_values (name, seg_tensor_get_rank (tensor), seg_tensor_get_shape (tensor), &n);

  g_assert_true (seg_tensor_upload (tensor, SEG_DTYPE_F32, values));
}

static SegTensor *
make_image (SegContext *context, int side)
{
  const guint64 hash = fnv1a ("image");
  const gsize n = 3 * (gsize) side * side;
  g_autofree float *values = g_new (float, n);

  for (gsize v = 0; v < n; v++)
    values[v] = 2 * uniform (hash, v);
  return seg_tensor_new_from_f32 (context, SEG_SHAPE (1, 3, side, side), values);
}

/* Largest difference at the sampled places, over the largest value of the whole. */
static double
compare (const float *values, gsize n, const float *expected, float largest)
{
  double worst = 0;

  for (int s = 0; s < N_SAMPLES; s++)
    {
      float value = values[(gsize) s * (n - 1) / (N_SAMPLES - 1)];

      g_assert_true (isfinite (value));
      worst = MAX (worst, fabs (value - expected[s]));
    }
  return worst / largest;
}

static double
compare_tensor (SegTensor *tensor, const float *expected, float largest)
{
  const gsize n = seg_tensor_get_n_elements (tensor);
  g_autofree float *values = g_new0 (float, n);

  g_assert_true (seg_tensor_download (tensor, SEG_DTYPE_F32, values));
  return compare (values, n, expected, largest);
}

static void
test_vit (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open (data, 0, &error);

  if (device == NULL)
    {
      g_test_skip (error->message);
      return;
    }
  for (gsize v = 0; v < G_N_ELEMENTS (golden_vits); v++)
    {
      const GoldenVit *golden = &golden_vits[v];
      g_autoptr (SegContext) context = seg_context_new (device, 1);
      g_autoptr (SegModule) root = seg_module_new (context);
      SegVit *vit;
      SegTensor *image, *embedding;
      double difference;

      if (golden->params.dim > 100 && strcmp (data, "ref") == 0)
        continue; /* 15 s of plain loops say nothing that the small one does not */
      vit = seg_vit_new (root, "encoder", &golden->params);
      seg_module_set_training (root, FALSE);
      seg_module_set_requires_grad (root, FALSE);
      seg_module_foreach (seg_module_child (root, "encoder"), fill_entry_cb, NULL);
      image = make_image (context, golden->params.image_size);
      embedding = seg_vit_forward (vit, image);
      g_assert_true (seg_context_check (context, &error));
      difference = compare_tensor (embedding, golden->embedding, golden->largest);
      g_test_message ("%s: %.2e of the largest value", golden->name, difference);
      g_assert_cmpfloat (difference, <, 1e-4);
      seg_tensor_unref (embedding);
      seg_tensor_unref (image);
    }
}

static const float three_points[3][2] = { { 500, 375 }, { 10.5f, 1000.25f }, { 700, 30 } };
static const gboolean three_signs[3] = { TRUE, FALSE, TRUE };
static const float inner_point[1][2] = { { 300, 300 } };
static const gboolean inner_sign[1] = { FALSE };
static const float a_box[4] = { 100, 200.5f, 640, 700 };

/* The prompts of record_sam.py, in its order. */
static SegSamPrompt
golden_prompt (int number, const float *low_res)
{
  switch (number)
    {
    case 0:
      return (SegSamPrompt){ .points = three_points, .positive = three_signs, .n_points = 1 };
    case 1:
      return (SegSamPrompt){ .points = three_points, .positive = three_signs, .n_points = 3 };
    case 2:
      return (SegSamPrompt){ .box = a_box };
    case 3:
      return (SegSamPrompt){
        .points = inner_point, .positive = inner_sign, .n_points = 1, .box = a_box
      };
    default:
      return (SegSamPrompt){
        .points = three_points, .positive = three_signs, .n_points = 1, .low_res = low_res
      };
    }
}

static void
check_answers (SegSamNetwork *network, SegTensor *embedding, const GoldenSam *golden)
{
  const gsize n = LOW_RES * LOW_RES;
  g_autofree float *low_res = g_new (float, n);
  g_autofree float *masks = g_new (float, SEG_SAM_N_MASKS *n);
  const guint64 hash = fnv1a ("low_res");
  float iou[SEG_SAM_N_MASKS];

  for (gsize p = 0; p < n; p++)
    low_res[p] = 8 * uniform (hash, p);
  for (int a = 0; a < N_PROMPTS; a++)
    {
      const GoldenAnswer *answer = &golden->answers[a];
      const SegSamPrompt prompt = golden_prompt (a, low_res);
      double logits;

      g_assert_true (seg_sam_network_decode (network, embedding, &prompt, masks, iou));
      logits = compare (masks, SEG_SAM_N_MASKS * n, answer->masks, answer->largest);
      g_test_message ("%s, prompt %d: logits %.2e of the largest", golden->name, a, logits);
      g_assert_cmpfloat (logits, <, 1e-3);
      for (int m = 0; m < SEG_SAM_N_MASKS; m++)
        g_assert_cmpfloat (fabsf (iou[m] - answer->iou[m]), <, 1e-3);
    }
}

/* A file of hashed weights with the names and shapes of the official ones. The writer borrows the
 * values until it has written them. */
typedef struct
{
  SegWeightsWriter *writer;
  GPtrArray *values;
} Writing;

static void
add_entry_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Writing *writing = user_data;
  gsize n;
  float *values =
      fill_values (name, seg_tensor_get_rank (tensor), seg_tensor_get_shape (tensor), &n);

  g_ptr_array_add (writing->values, values);
  seg_weights_writer_add_f32 (writing->writer, name, SEG_WEIGHT_F32, seg_tensor_get_rank (tensor),
                              seg_tensor_get_shape (tensor), values);
}

static char *
write_weights (SegSamNetwork *network, const char *extra_name)
{
  static const float extra[3] = { 1, 2, 3 };
  g_autoptr (SegWeightsWriter) writer = seg_weights_writer_new ();
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  Writing writing = { writer, values };
  char *path = g_strdup_printf ("%s/crosslabel-sam-%d.safetensors", g_get_tmp_dir (), getpid ());
  const gint64 shape[1] = { 3 };

  seg_module_foreach (seg_sam_network_get_module (network), add_entry_cb, &writing);
  if (extra_name != NULL)
    seg_weights_writer_add_f32 (writer, extra_name, SEG_WEIGHT_F32, 1, shape, extra);
  g_assert_true (seg_weights_writer_save (writer, path, &error));
  g_assert_no_error (error);
  return path;
}

static void
test_sam (gconstpointer data)
{
  const GoldenSam *golden = data;
  const SegSamEncoder encoder =
      strcmp (golden->name, "vit_b") == 0 ? SEG_SAM_VIT_B : SEG_SAM_TINY_VIT;
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open (NULL, 0, &error);
  g_autoptr (SegContext) context = NULL;
  g_autoptr (SegSamNetwork) network = NULL;
  g_autoptr (SegWeights) weights = NULL;
  g_autofree char *path = NULL;
  SegTensor *image, *embedding;
  SegSamEncoder told;
  double difference;

  g_assert_no_error (error);
  if (strcmp (seg_device_get_backend (device)->name, "ref") == 0
      && g_getenv ("CROSSLABEL_TEST_SLOW") == NULL)
    {
      g_test_skip ("only the plain backend is here: a whole encoder would take many minutes");
      return;
    }
  context = seg_context_new (device, 1);
  network = seg_sam_network_new (context, encoder);
  path = write_weights (network, "image_encoder.head.weight");
  weights = seg_weights_load (path, &error);
  g_unlink (path);
  g_assert_no_error (error);
  g_assert_true (seg_sam_network_tell (weights, &told, &error));
  g_assert_cmpint (told, ==, encoder);
  g_assert_true (seg_sam_network_load (network, weights, &error));
  g_assert_no_error (error);

  image = make_image (context, 1024);
  embedding = seg_sam_network_encode (network, image);
  g_assert_true (seg_context_check (context, &error));
  difference = compare_tensor (embedding, golden->embedding, golden->embedding_largest);
  g_test_message ("%s: embedding %.2e of the largest value", golden->name, difference);
  g_assert_cmpfloat (difference, <, 1e-4);
  check_answers (network, embedding, golden);
  g_assert_true (seg_context_check (context, &error));
  seg_tensor_unref (embedding);
  seg_tensor_unref (image);
}

/* The same network as a SegGeneralist: three masks, best first, refined by a previous answer; its
 * embedding kept and read back says nearly the same. */
static void
test_generalist (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open (NULL, 0, &error);
  g_autoptr (SegContext) context = NULL;
  g_autoptr (SegSamNetwork) network = NULL;
  g_autoptr (SegGeneralist) generalist = NULL;
  g_autoptr (SegPicture) picture = seg_picture_new (60, 40, 1);
  g_autoptr (SegPrompt) prompt = seg_prompt_new ();
  g_autoptr (SegEmbedding) embedding = NULL;
  g_autoptr (SegEmbedding) kept = NULL;
  g_autoptr (SegAnswer) answer = NULL;
  g_autoptr (SegAnswer) again = NULL;
  g_autoptr (GBytes) bytes = NULL;
  g_autofree char *path = NULL;
  double worst = 0, largest = 0;

  g_assert_no_error (error);
  if (strcmp (seg_device_get_backend (device)->name, "ref") == 0)
    {
      g_test_skip ("only the plain backend is here: a whole encoder would take minutes");
      return;
    }
  context = seg_context_new (device, 1);
  network = seg_sam_network_new (context, SEG_SAM_TINY_VIT);
  path = write_weights (network, NULL);
  generalist = seg_generalist_open (path, NULL, device, &error);
  g_unlink (path);
  g_assert_no_error (error);
  g_assert_cmpint (seg_generalist_get_info (generalist)->kind, ==, SEG_GENERALIST_MOBILE_SAM);

  for (int p = 0; p < 60 * 40; p++)
    picture->pixels[p] = hypotf (p % 60 - 30, p / 60 - 20) < 12 ? 200 : 40;
  embedding = seg_generalist_encode (generalist, picture, &error);
  g_assert_no_error (error);
  seg_prompt_add_point (prompt, 30, 20, TRUE);
  answer = seg_generalist_answer (generalist, embedding, prompt, TRUE, &error);
  g_assert_no_error (error);
  g_assert_cmpint (answer->n_masks, ==, 3);
  g_assert_cmpfloat (answer->iou[0], >=, answer->iou[1]);
  g_assert_cmpfloat (answer->iou[1], >=, answer->iou[2]);

  bytes = seg_embedding_serialize (embedding, &error);
  g_assert_no_error (error);
  kept = seg_embedding_deserialize (generalist, picture, bytes, &error);
  g_assert_no_error (error);
  again = seg_generalist_answer (generalist, kept, prompt, TRUE, &error);
  g_assert_no_error (error);
  for (int p = 0; p < 60 * 40; p++)
    {
      worst = MAX (worst, fabs (again->logits[0][p] - answer->logits[0][p]));
      largest = MAX (largest, fabs (answer->logits[0][p]));
    }
  /* Half precision keeps 11 bits. */
  g_assert_cmpfloat (worst, <, 0.01 * largest);

  seg_prompt_set_low_res (prompt, answer->low_res[0]);
  g_clear_pointer (&again, seg_answer_free);
  again = seg_generalist_answer (generalist, embedding, prompt, FALSE, &error);
  g_assert_no_error (error);
  g_assert_cmpint (again->n_masks, ==, 1);

  seg_prompt_add_point (prompt, 61, 20, TRUE);
  g_assert_null (seg_generalist_answer (generalist, embedding, prompt, FALSE, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
}

static void
test_position (void)
{
  static const float matrix[4] = { 1, 0.5f, -0.25f, 2 };
  static const float point[4] = { 0.8149263f, 0.6783500f, -0.5795646f, -0.7347389f };
  static const float cell[4] = { 0.9972905f, -0.2429802f, -0.0735646f, -0.9700313f };
  const float unit[2][2] = { { 100.5f / 1024, 200.5f / 1024 }, { 0.5f / 64, 0.5f / 64 } };
  float out[8];

  seg_sam_position_encode (matrix, 2, unit, 2, out);
  for (int f = 0; f < 4; f++)
    {
      g_assert_cmpfloat (fabsf (out[f] - point[f]), <, 2e-6);
      g_assert_cmpfloat (fabsf (out[4 + f] - cell[f]), <, 2e-6);
    }
}

/* Wrong files: every complaint names what is wrong, and nothing is loaded. */
static void
test_wrong_weights (void)
{
  g_autoptr (SegDevice) device = seg_device_open ("ref", 0, NULL);
  g_autoptr (SegContext) context = seg_context_new (device, 1);
  g_autoptr (SegSamNetwork) network = seg_sam_network_new (context, SEG_SAM_TINY_VIT);
  g_autofree char *path = write_weights (network, "image_encoder.surprise");
  g_autoptr (SegWeights) weights = seg_weights_load (path, NULL);
  g_autoptr (SegSamNetwork) lite = seg_sam_network_new (context, SEG_SAM_TINY_VIT_LITE);
  g_autoptr (SegWeights) decoder_only = seg_weights_subset (weights, "mask_decoder.");
  g_autoptr (GError) error = NULL;
  SegSamEncoder told;

  g_unlink (path);
  g_assert_false (seg_sam_network_load (network, weights, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, "image_encoder.surprise"));
  g_clear_error (&error);
  g_assert_false (seg_sam_network_load (lite, weights, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
  g_assert_nonnull (strstr (error->message, "image_encoder.patch_embed.seq.0.c.weight"));
  g_clear_error (&error);
  g_assert_false (seg_sam_network_tell (decoder_only, &told, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_MISMATCH);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/sam-network/position", test_position);
  g_test_add_func ("/seg/sam-network/wrong-weights", test_wrong_weights);
  g_test_add_data_func ("/seg/sam-network/vit/ref", "ref", test_vit);
  g_test_add_data_func ("/seg/sam-network/vit/cpu", "cpu", test_vit);
  for (gsize s = 0; s < G_N_ELEMENTS (golden_sams); s++)
    {
      g_autofree char *name = g_strdup_printf ("/seg/sam-network/%s", golden_sams[s].name);

      g_test_add_data_func (name, &golden_sams[s], test_sam);
    }
  g_test_add_func ("/seg/sam-network/generalist", test_generalist);
  return g_test_run ();
}
