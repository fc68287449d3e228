/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/infer/sampler.h"
#include "seg/method/method-private.h"
#include "volume/scan.h"

#include <math.h>
#include <string.h>

/* Three steps of the mean teacher on four patches of two LASeg scans beside PyTorch:
 * data/teacher.txt, written by record-teacher.py in double precision. Skips where the scans are
 * missing. */

#define N_PATCHES 4
#define N_LABELLED 2
#define N_STEPS 3
#define FILTERS 8

static const int patch[3] = { 64, 64, 48 };
static const char *const scans[] = { "06SR5RBREL16DQ6M8LWS", "0RZDK210BSMWAA6467LU" };

/* As formula() in record-vnet.py. */
static double
formula (guint64 i, guint64 salt)
{
  guint64 h = ((i + 1) * 2654435761u + salt * 40503 + i * salt * 69069) & 0xffffffffu;

  h ^= h >> 15;
  h = (h * 0x2C1B3C6Du) & 0xffffffffu;
  h ^= h >> 12;
  return (double) h / 2147483648.0 - 1;
}

/* "what name" → double[2] */
static GHashTable *
load_record (void)
{
  GHashTable *record = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = NULL;

  g_file_get_contents (SOURCE_ROOT "/tests/seg/method/data/teacher.txt", &text, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    {
      g_auto (GStrv) words = g_strsplit (*line, " ", -1);
      double *pair = g_new0 (double, 2);

      for (guint w = 2; w < MIN (g_strv_length (words), 4); w++)
        pair[w - 2] = g_ascii_strtod (words[w], NULL);
      if (g_strv_length (words) >= 3)
        g_hash_table_insert (record, g_strdup_printf ("%s %s", words[0], words[1]), pair);
      else
        g_free (pair);
    }
  return record;
}

typedef struct
{
  GHashTable *record;
  const char *what;
  double tolerance;
  guint64 salt; /* while parameters are filled */
  int n;
} Walk;

static const double *
look_up (const Walk *walk, const char *name)
{
  g_autofree char *key = g_strdup_printf ("%s %s", walk->what, name);
  const double *pair = g_hash_table_lookup (walk->record, key);

  if (pair == NULL)
    g_error ("no record of %s", key);
  return pair;
}

static void
fill_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Walk *walk = user_data;
  const gint64 n = seg_tensor_get_n_elements (tensor);
  g_autofree float *values = NULL;

  if (kind != SEG_ENTRY_PARAMETER)
    return;
  values = g_new (float, n);
  for (gint64 i = 0; i < n; i++)
    {
      double value = formula (i, walk->salt);

      if (g_str_has_suffix (name, "weight") && seg_tensor_get_rank (tensor) > 1)
        value *= sqrt (3.0 / ((double) n / seg_tensor_get_size (tensor, 0)));
      else if (g_str_has_suffix (name, "weight"))
        value = 1 + 0.2 * value;
      else
        value *= 0.1;
      values[i] = (float) value;
    }
  walk->salt++;
  g_assert_true (seg_tensor_upload (tensor, SEG_DTYPE_F32, values));
}

/* The norm, and the product with formula values, which an error anywhere moves. */
static void
compare_cb (const char *name, SegTensor *tensor, SegEntryKind kind, gpointer user_data)
{
  Walk *walk = user_data;
  g_autofree char *plain = g_str_has_suffix (name, ".momentum")
                               ? g_strndup (name, strlen (name) - strlen (".momentum"))
                               : g_strdup (name);
  const double *good = look_up (walk, plain);
  const gint64 n = seg_tensor_get_n_elements (tensor);
  g_autofree double *values = g_new (double, n);
  /* biases before a batch norm have gradients that are zero but for rounding */
  const double scale = MAX (good[0], strcmp (walk->what, "momentum") == 0 ? 1e-3 : 1e-6);
  double norm = 0, product = 0;

  g_assert_true (seg_tensor_download (tensor, SEG_DTYPE_F64, values));
  for (gint64 i = 0; i < n; i++)
    {
      norm += values[i] * values[i];
      product += values[i] * formula (i, 7);
    }
  norm = sqrt (norm);
  if (!(fabs (norm - good[0]) <= walk->tolerance * scale)
      || !(fabs (product - good[1]) <= walk->tolerance * scale))
    g_error ("%s %s: norm %.9g, product %.9g; PyTorch has %.9g, %.9g", walk->what, plain, norm,
             product, good[0], good[1]);
  walk->n++;
}

typedef struct
{
  SegBatch batch;
  SegPatch patches[N_PATCHES];
} Data;

/* The middle of the scan, moved by 8 voxels with each @turn, axis 2 fastest. */
static void
cut (VolumeScan *scan, int turn, float *values)
{
  const int *size = volume_scan_get_geometry (scan)->size;
  int at[3];

  for (int a = 0; a < 3; a++)
    at[a] = (size[a] - patch[a]) / 2 + 8 * turn;
  for (int i = 0; i < patch[0]; i++)
    for (int j = 0; j < patch[1]; j++)
      for (int k = 0; k < patch[2]; k++)
        *values++ = volume_scan_get_value (scan, at[0] + i, at[1] + j, at[2] + k);
}

static gboolean
load_data (Data *data)
{
  const char *folder = g_getenv ("CROSSLABEL_DATA");
  const gsize V = (gsize) patch[0] * (gsize) patch[1] * (gsize) patch[2];
  SegBatch *batch = &data->batch;

  memset (data, 0, sizeof *data);
  *batch = (SegBatch){ .n = N_PATCHES, .n_labelled = N_LABELLED, .patches = data->patches };
  memcpy (batch->patch, patch, sizeof patch);
  batch->image = g_new (float, N_PATCHES *V);
  batch->label = g_new0 (guint8, N_PATCHES * V);
  batch->domain = g_new0 (guint8, N_PATCHES * V);
  batch->pseudo = g_new0 (guint8, N_PATCHES * V);
  for (int s = 0; s < 2; s++)
    {
      g_autofree char *file = g_strconcat (scans[s], ".nii.gz", NULL);
      g_autofree char *label_file = g_strconcat (scans[s], "_label.nii.gz", NULL);
      g_autofree char *path = g_build_filename (folder ? folder : "/", "laseg", file, NULL);
      g_autofree char *label_path =
          g_build_filename (folder ? folder : "/", "laseg", label_file, NULL);
      g_autoptr (GError) error = NULL;
      g_autoptr (VolumeScan) scan = NULL;
      g_autoptr (VolumeScan) truth = NULL;

      if (!g_file_test (path, G_FILE_TEST_EXISTS))
        return FALSE;
      scan = volume_scan_load (path, 0, &error);
      g_assert_no_error (error);
      truth = volume_scan_load_labels (label_path, &error);
      g_assert_no_error (error);
      for (int turn = 0; turn < 2; turn++)
        {
          const gsize p = (gsize) (2 * s + turn) * V;
          g_autofree float *values = g_new (float, V);

          cut (scan, turn, batch->image + p);
          cut (truth, turn, values);
          for (gsize v = 0; v < V && p < N_LABELLED * V; v++)
            {
              const int k = (int) (v % (gsize) patch[2]);
              const int j = (int) (v / (gsize) patch[2] % (gsize) patch[1]);
              const int i = (int) (v / (gsize) patch[2] / (gsize) patch[1]);

              batch->label[p + v] = (guint8) values[v];
              batch->domain[p + v] = i == patch[0] / 2 || j == patch[1] / 2 || k == patch[2] / 2;
            }
        }
    }
  return TRUE;
}

static void
data_clear (Data *data)
{
  g_free (data->batch.image);
  g_free (data->batch.label);
  g_free (data->batch.domain);
  g_free (data->batch.pseudo);
}

static SegMethod *
new_method (SegContext *context, Walk *walk)
{
  g_autoptr (GError) error = NULL;
  SegMethodParams params;
  SegMethod *method;

  seg_method_params_init (&params, "mean-teacher", FALSE);
  params.filters = FILTERS;
  memcpy (params.patch, patch, sizeof patch);
  params.seed = 5;
  params.n_steps = 4; /* so that the ramps and the rate move from step to step */
  params.consistency = 50;
  params.dropout = 0;
  params.orient = SEG_ORIENT_NONE;
  method = seg_method_new ("mean-teacher", &params, context, &error);
  g_assert_no_error (error);
  walk->salt = 1;
  seg_module_foreach (seg_vnet_get_module (method->student), fill_cb, walk);
  walk->salt = 301;
  seg_module_foreach (seg_vnet_get_module (method->teacher), fill_cb, walk);
  return method;
}

static void
compare_losses (Walk *walk, const SegMethodReport *report, int step)
{
  for (int m = 0; m < 2; m++)
    {
      const char *name = m == 0 ? "loss.supervised" : "loss.consistency";
      g_autofree char *number = g_strdup_printf ("%d", step);
      const double good = *look_up (&(Walk){ walk->record, name, 0, 0, 0 }, number);

      g_assert_cmpstr (report->metrics[m].name, ==, name);
      g_test_message ("step %d: %s %.9f, PyTorch %.9f", step, name, report->metrics[m].value, good);
      /* step 0: the sums of F32; then the steps of both go apart, as in test-vnet.c */
      g_assert_cmpfloat_with_epsilon (report->metrics[m].value, good, step == 0 ? 2e-6 : 1e-3);
    }
}

static void
test_laseg (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (SegDevice) device = seg_device_open ("cpu", 0, &error);
  g_autoptr (SegContext) context = NULL;
  g_autoptr (SegMethod) method = NULL;
  Walk walk = { 0 };
  Data data;

  if (device == NULL)
    {
      g_test_skip (error->message);
      return;
    }
  if (!load_data (&data))
    {
      data_clear (&data);
      g_test_skip ("the LASeg scans are not beside the project");
      return;
    }
  context = seg_context_new (device, 1);
  walk.record = load_record ();
  method = new_method (context, &walk);
  for (int step = 0; step < N_STEPS; step++)
    {
      SegMethodReport report;

      data.batch.step = step;
      g_assert_true (seg_method_step (method, &data.batch, &report, &error));
      g_assert_no_error (error);
      compare_losses (&walk, &report, step);
      walk.what = "momentum";
      walk.tolerance = 1e-2; /* as the gradients in test-vnet.c */
      if (step == 0)
        seg_optimiser_foreach (method->optimiser, compare_cb, &walk);
      g_assert_cmpint (walk.n, ==, 118);
    }
  walk.tolerance = 0.1; /* after the steps, as in test-vnet.c */
  walk.what = "student";
  seg_module_foreach (seg_vnet_get_module (method->student), compare_cb, &walk);
  walk.what = "teacher";
  seg_module_foreach (seg_vnet_get_module (method->teacher), compare_cb, &walk);
  g_assert_cmpint (walk.n, ==, 118 + 2 * (118 + 58));
  g_hash_table_unref (walk.record);
  data_clear (&data);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/seg/mean-teacher/laseg", test_laseg);
  return g_test_run ();
}
