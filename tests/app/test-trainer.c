/* SPDX-License-Identifier: Apache-2.0 */
#include "app/job.h"
#include "app/trainer.h"
#include "active/planes.h"
#include "volume/nifti-write.h"
#include "volume/phantom.h"

#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define N_SCANS 5
#define N_STEPS 12
#define N_CLASSES 3

/* Phantoms of 32 × 32 × 16 voxels: 0, 1 with three signed slices, 2, 3 unlabelled, 4 to validate.
 */
typedef struct
{
  char *folder;
  GPtrArray *scans;
  AppTrainPlan plan;
  GHashTable *metrics; /* "step name" → value as text, bit for bit */
  int turn; /* of selections in training */
  int stop_at; /* steps after which the check hook asks to stop; 0 never */
  gint64 step;
  AppTrainHooks hooks;
} Fixture;

static gboolean
check (gpointer data, GError **error)
{
  Fixture *f = data;

  if (f->stop_at == 0 || f->step < f->stop_at)
    return TRUE;
  g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED, "paused");
  return FALSE;
}

static void
metric (gint64 step, const char *name, double value, gpointer data)
{
  Fixture *f = data;

  f->step = step;
  if (g_str_has_suffix (name, "seconds"))
    return;
  g_hash_table_replace (f->metrics, g_strdup_printf ("%03d %s", (int) step, name),
                        g_strdup_printf ("%a", value));
}

static void
sign_slices (AppRoundScan *scan)
{
  SegPlane signed_planes[3];
  ActivePlanes planes;

  g_assert_true (active_planes_from_truth (&planes, scan->truth_ijk,
                                           seg_prepared_get_geometry (scan->prepared)->size));
  for (int a = 0; a < 3; a++)
    signed_planes[a] = (SegPlane){ a, planes.index[a] };
  app_round_scan_set_planes (scan, signed_planes, 3, FALSE);
  active_planes_clear (&planes);
}

static void
set_up (Fixture *f, const char *method)
{
  g_autoptr (GError) error = NULL;

  memset (f, 0, sizeof *f);
  f->folder = g_dir_make_tmp ("crosslabel-trainer-XXXXXX", &error);
  g_assert_no_error (error);
  f->scans = g_ptr_array_new_with_free_func ((GDestroyNotify) app_round_scan_free);
  f->metrics = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  f->hooks = (AppTrainHooks){ .check = check, .metric = metric, .data = f };
  f->plan.method = g_strdup (method);
  f->plan.generalist = g_strdup ("rule");
  seg_method_params_init (&f->plan.params, method, FALSE);
  f->plan.params.n_classes = N_CLASSES;
  f->plan.params.filters = 2;
  f->plan.params.n_steps = N_STEPS;
  for (int a = 0; a < 3; a++)
    f->plan.params.patch[a] = 16;
  f->plan.params.n_refreshes = f->plan.params.n_refreshes > 0 ? 2 : 0;
  f->plan.params.seed = 5;
  f->plan.refresh_slice_step = 2;
  f->plan.n_validations = 2;
  f->plan.foreground_share = 0.5;
  f->plan.checkpoint_seconds = 1e9;
  seg_preprocess_init (&f->plan.preprocess);
  for (int s = 0; s < N_SCANS; s++)
    {
      g_autofree char *path = NULL, *label = NULL, *name = g_strdup_printf ("scan %d", s);
      AppRoundScan *scan;

      volume_phantom_write (
          &(VolumePhantomParams){
              .seed = 9, .index = (guint) s, .size = { 32, 32, 16 }, .n_organs = 2 },
          f->folder, &path, &label, &error);
      g_assert_no_error (error);
      scan = app_round_scan_new (s + 1, name, path, NULL, 0);
      scan->validation = s == 4;
      app_round_scan_prepare (scan, &f->plan.preprocess, &error);
      g_assert_no_error (error);
      scan->truth_ijk = app_round_scan_read_labels (
          scan, seg_prepared_get_geometry (scan->prepared), label, N_CLASSES, &error);
      g_assert_no_error (error);
      if (s < 2)
        sign_slices (scan);
      g_ptr_array_add (f->scans, scan);
    }
}

static void
tear_down (Fixture *f)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (f->folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (f->folder);
  g_ptr_array_unref (f->scans);
  g_hash_table_unref (f->metrics);
  app_train_plan_clear (&f->plan);
  g_free (f->folder);
}

static char *
model_hash (Fixture *f, AppTrainer *trainer)
{
  const char *const labels[] = { "a", "b", NULL };
  g_autofree char *path = g_build_filename (f->folder, "model.safetensors", NULL);
  g_autofree char *bytes = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  app_trainer_write_model (trainer, path, labels, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  return g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) bytes, size);
}

/* Runs to the end, being interrupted after the given steps; answers the model's hash. */
static char *
train (Fixture *f, const int *stops)
{
  for (;; stops++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (AppTrainer) trainer = NULL;

      /* As another process would find them. */
      f->turn = 0;
      for (int s = 2; s < 4; s++)
        app_round_scan_set_planes (g_ptr_array_index (f->scans, s), NULL, 0, FALSE);
      trainer = app_trainer_new (&f->plan, f->scans, f->folder, &f->hooks, &error);
      g_assert_no_error (error);
      f->stop_at = *stops;
      if (app_trainer_run (trainer, &error))
        {
          g_assert_cmpint (*stops, ==, 0);
          g_assert_cmpint (app_trainer_get_step (trainer), ==, N_STEPS);
          return model_hash (f, trainer);
        }
      g_assert_error (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED);
    }
}

static void
assert_same_metrics (GHashTable *a, GHashTable *b)
{
  GHashTableIter iter;
  gpointer key, value;

  g_assert_cmpuint (g_hash_table_size (a), ==, g_hash_table_size (b));
  g_hash_table_iter_init (&iter, a);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      const char *other = g_hash_table_lookup (b, key);

      if (g_strcmp0 (other, value) != 0)
        g_error ("%s: %s and %s", (char *) key, (char *) value, other);
    }
}

/* I7: interrupted before, in the middle of and after a refresh, the curve and the model are those
 * of the uninterrupted run, bit for bit. */
static void
test_resumed_is_uninterrupted (gconstpointer data)
{
  const char *method = data;
  Fixture whole, cut;
  g_autofree char *hash = NULL, *cut_hash = NULL;

  set_up (&whole, method);
  hash = train (&whole, (const int[]){ 0 });
  set_up (&cut, method);
  cut_hash = train (&cut, (const int[]){ 1, 3, 8, 0 });
  assert_same_metrics (whole.metrics, cut.metrics);
  g_assert_cmpstr (hash, ==, cut_hash);
  g_assert_true (g_hash_table_contains (whole.metrics, "012 loss"));
  g_assert_true (g_hash_table_contains (whole.metrics, "012 dice"));
  if (strcmp (method, "gm-abs") == 0)
    {
      g_assert_true (g_hash_table_contains (whole.metrics, "012 loss.generalist"));
      g_assert_false (g_hash_table_contains (whole.metrics, "001 loss.generalist"));
    }
  tear_down (&whole);
  tear_down (&cut);
}

/* Scan 2 at the second of the paper's eight turns, scan 3 at the fifth. */
static gboolean
label_until (Fixture *f, int turn)
{
  f->turn = turn;
  if (turn >= 2)
    sign_slices (g_ptr_array_index (f->scans, 2));
  if (turn >= 5)
    sign_slices (g_ptr_array_index (f->scans, 3));
  return TRUE;
}

static gboolean
select_cb (AppTrainer *trainer, double tau, gpointer data, GError **error)
{
  Fixture *f = data;

  g_assert_cmpfloat (tau, >, 0.35);
  g_assert_cmpfloat (tau, <, 0.5);
  g_hash_table_replace (f->metrics,
                        g_strdup_printf ("selection at %d", (int) app_trainer_get_step (trainer)),
                        g_strdup_printf ("%a", tau));
  return label_until (f, f->turn + 1);
}

static char *
note_cb (gpointer data)
{
  return g_strdup_printf ("%d", ((Fixture *) data)->turn);
}

static gboolean
noted_cb (const char *note, gpointer data, GError **error)
{
  return label_until (data, atoi (note));
}

/* Selection in the middle of training, as published: what it labels is learned from, and a run that
 * is cut before, at and after it is the uninterrupted one (I7). */
static void
test_selects_in_training (void)
{
  Fixture whole, cut, without;
  g_autofree char *hash = NULL, *cut_hash = NULL, *without_hash = NULL;
  int n_selections = 0;
  GHashTableIter iter;
  gpointer key;

  set_up (&whole, "gm-abs");
  whole.hooks.select = select_cb;
  whole.hooks.note = note_cb;
  whole.hooks.noted = noted_cb;
  hash = train (&whole, (const int[]){ 0 });
  set_up (&cut, "gm-abs");
  cut.hooks.select = select_cb;
  cut.hooks.note = note_cb;
  cut.hooks.noted = noted_cb;
  cut_hash = train (&cut, (const int[]){ 1, 2, 3, 6, 9, 0 });
  assert_same_metrics (whole.metrics, cut.metrics);
  g_assert_cmpstr (hash, ==, cut_hash);
  g_hash_table_iter_init (&iter, whole.metrics);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    n_selections += g_str_has_prefix (key, "selection");
  g_assert_cmpint (n_selections, ==, 8);
  set_up (&without, "gm-abs");
  without_hash = train (&without, (const int[]){ 0 });
  g_assert_cmpstr (hash, !=, without_hash);
  tear_down (&whole);
  tear_down (&cut);
  tear_down (&without);
}

static double
best_of (GHashTable *metrics)
{
  GHashTableIter iter;
  gpointer key, value;
  double best = 0;

  g_hash_table_iter_init (&iter, metrics);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (g_str_has_suffix (key, " dice"))
      best = MAX (best, g_ascii_strtod (value, NULL));
  return best;
}

/* The model is that of the best validation, and so it is where the run was cut (I7). The rate is
 * such that the last is not the best. */
static void
test_keeps_the_best (void)
{
  Fixture whole, cut, last;
  g_autofree char *hash = NULL, *cut_hash = NULL, *last_hash = NULL;
  g_autoptr (AppTrainer) again = NULL;
  g_autoptr (GError) error = NULL;

  set_up (&last, "sup-only");
  last.plan.n_validations = N_STEPS;
  last.plan.params.lr = 0.1;
  last.plan.params.adamw = TRUE;
  last_hash = train (&last, (const int[]){ 0 });
  set_up (&whole, "sup-only");
  whole.plan.n_validations = N_STEPS;
  whole.plan.params.lr = 0.1;
  whole.plan.params.adamw = TRUE;
  whole.plan.keep_best = TRUE;
  hash = train (&whole, (const int[]){ 0 });
  assert_same_metrics (whole.metrics, last.metrics);
  g_assert_cmpstr (g_hash_table_lookup (last.metrics, "012 dice"), !=, NULL);
  g_assert_cmpfloat (g_ascii_strtod (g_hash_table_lookup (last.metrics, "012 dice"), NULL), <,
                     best_of (last.metrics));
  g_assert_cmpstr (hash, !=, last_hash);
  set_up (&cut, "sup-only");
  cut.plan.n_validations = N_STEPS;
  cut.plan.params.lr = 0.1;
  cut.plan.params.adamw = TRUE;
  cut.plan.keep_best = TRUE;
  cut_hash = train (&cut, (const int[]){ 1, 4, 7, 10, 0 });
  g_assert_cmpstr (hash, ==, cut_hash);
  /* A process that was killed after the last checkpoint goes on from there. */
  cut.stop_at = 0;
  again = app_trainer_new (&cut.plan, cut.scans, cut.folder, &cut.hooks, &error);
  g_assert_no_error (error);
  g_assert_true (app_trainer_run (again, &error));
  g_assert_cmpfloat (app_trainer_get_best_dice (again), ==, best_of (whole.metrics));
  g_assert_cmpfloat (app_trainer_validate (again, NULL, &error), ==, best_of (whole.metrics));
  tear_down (&whole);
  tear_down (&cut);
  tear_down (&last);
}

/* The same where the teacher predicts: it is the one that is kept and taken back. */
static void
test_keeps_the_best_teacher (void)
{
  Fixture f;
  g_autoptr (AppTrainer) trainer = NULL;
  g_autoptr (GError) error = NULL;

  set_up (&f, "mean-teacher");
  f.plan.n_validations = N_STEPS;
  f.plan.keep_best = TRUE;
  f.plan.params.lr = 0.1;
  f.plan.params.adamw = TRUE;
  f.plan.params.ema_decay = 0.5;
  f.plan.params.predict_with_teacher = TRUE;
  trainer = app_trainer_new (&f.plan, f.scans, f.folder, &f.hooks, &error);
  g_assert_no_error (error);
  g_assert_true (app_trainer_run (trainer, &error));
  g_assert_cmpfloat (g_ascii_strtod (g_hash_table_lookup (f.metrics, "012 dice"), NULL), <,
                     best_of (f.metrics));
  g_assert_cmpfloat (app_trainer_validate (trainer, NULL, &error), ==, best_of (f.metrics));
  tear_down (&f);
}

/* What is under the voxels that nobody signed does not change the training by one bit (I3). */
static void
test_unsigned_voxels_do_not_matter (void)
{
  Fixture a, b;
  g_autofree char *hash_a = NULL, *hash_b = NULL;

  set_up (&a, "sup-only");
  hash_a = train (&a, (const int[]){ 0 });
  set_up (&b, "sup-only");
  for (int s = 0; s < 2; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (b.scans, s);
      const int *size = seg_prepared_get_geometry (scan->prepared)->size;
      gsize v = 0;

      for (int k = 0; k < size[2]; k++)
        for (int j = 0; j < size[1]; j++)
          for (int i = 0; i < size[0]; i++, v++)
            if (i != scan->scan_planes[0].index && j != scan->scan_planes[1].index
                && k != scan->scan_planes[2].index)
              scan->truth_ijk[v] = 2;
    }
  hash_b = train (&b, (const int[]){ 0 });
  g_assert_cmpstr (hash_a, ==, hash_b);
  tear_down (&a);
  tear_down (&b);
}

/* I6: a validation scan changes nothing of the training, only of what is measured. */
static void
test_validation_is_not_trained_on (void)
{
  Fixture a, b;
  g_autofree char *hash_a = NULL, *hash_b = NULL;

  set_up (&a, "mean-teacher");
  hash_a = train (&a, (const int[]){ 0 });
  set_up (&b, "mean-teacher");
  {
    AppRoundScan *scan = g_ptr_array_index (b.scans, 4);
    SegPlane plane = { 0, 5 };

    memset (scan->truth_ijk, 0, 32 * 32 * 16); /* nothing to measure: no Dice */
    app_round_scan_set_planes (scan, &plane, 1, FALSE);
  }
  hash_b = train (&b, (const int[]){ 0 });
  g_assert_cmpstr (hash_a, ==, hash_b);
  g_assert_true (g_hash_table_contains (a.metrics, "012 dice"));
  tear_down (&a);
  tear_down (&b);
}

static void
expect_refusal (Fixture *f, const char *words)
{
  g_autoptr (GError) error = NULL;
  AppTrainer *trainer = app_trainer_new (&f->plan, f->scans, f->folder, &f->hooks, &error);

  g_assert_null (trainer);
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, words));
}

static void
test_bad_input (void)
{
  Fixture f;
  AppRoundScan *scan;

  set_up (&f, "sup-only");
  for (int s = 0; s < 2; s++)
    {
      scan = g_ptr_array_index (f.scans, s);
      for (int v = 0; v < 32 * 32 * 16; v++)
        if (scan->truth_ijk[v] == 2)
          scan->truth_ijk[v] = 0;
    }
  expect_refusal (&f, "Label “2”");
  for (int s = 0; s < 2; s++)
    memset (((AppRoundScan *) g_ptr_array_index (f.scans, s))->truth_ijk, 0, 32 * 32 * 16);
  expect_refusal (&f, "background alone");
  for (int s = 0; s < 2; s++)
    app_round_scan_set_planes (g_ptr_array_index (f.scans, s), NULL, 0, FALSE);
  expect_refusal (&f, "No training scan is labelled");
  g_free (f.plan.method);
  f.plan.method = g_strdup ("magic");
  expect_refusal (&f, "magic");
  tear_down (&f);
}

/* A learning rate beyond reason: the loss runs away, and the round stops with what it was. */
static void
test_nan_stops_the_round (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;
  g_autoptr (AppTrainer) trainer = NULL;

  set_up (&f, "sup-only");
  f.plan.params.lr = 90;
  f.plan.params.n_steps = 200;
  f.plan.params.lr_poly = FALSE;
  f.plan.params.weight_decay = 1;
  trainer = app_trainer_new (&f.plan, f.scans, f.folder, &f.hooks, &error);
  g_assert_no_error (error);
  g_assert_false (app_trainer_run (trainer, &error));
  g_assert_error (error, SEG_ERROR, SEG_ERROR_NOT_FINITE);
  g_clear_pointer (&trainer, app_trainer_free);
  tear_down (&f);
}

/* Runs what is in the folder until it fails; answers the message. */
static char *
fail (Fixture *f, GQuark domain, int code)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AppTrainer) trainer =
      app_trainer_new (&f->plan, f->scans, f->folder, &f->hooks, &error);

  g_assert_no_error (error);
  g_assert_false (app_trainer_run (trainer, &error));
  if (domain != 0)
    g_assert_error (error, domain, code);
  return g_strdup (error->message);
}

/* The disk is full at a checkpoint: the round stops and says so, the checkpoint before is whole,
 * and with room again the round ends as if nothing had been. */
static void
test_disk_full (gconstpointer data)
{
  const char *method = data;
  struct rlimit before, full;
  Fixture whole, cut;
  g_autofree char *hash = NULL, *cut_hash = NULL, *message = NULL;

  set_up (&whole, method);
  hash = train (&whole, (const int[]){ 0 });
  set_up (&cut, method);
  cut.stop_at = 3;
  message = fail (&cut, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED);
  g_assert_true (app_trainer_has_checkpoint (cut.folder));

  /* A write beyond this limit fails, as one to a full disk does. */
  signal (SIGXFSZ, SIG_IGN);
  getrlimit (RLIMIT_FSIZE, &before);
  full = (struct rlimit){ .rlim_cur = 2048, .rlim_max = before.rlim_max };
  setrlimit (RLIMIT_FSIZE, &full);
  cut.stop_at = 0;
  cut.plan.checkpoint_seconds = 0;
  g_free (message);
  message = fail (&cut, 0, 0);
  setrlimit (RLIMIT_FSIZE, &before);
  if (strcmp (method, "gm-abs") != 0)
    g_assert_nonnull (strstr (message, "the one before it is whole"));
  g_test_message ("%s", message);

  cut.plan.checkpoint_seconds = 1e9;
  cut_hash = train (&cut, (const int[]){ 0 });
  g_assert_cmpstr (hash, ==, cut_hash);
  assert_same_metrics (whole.metrics, cut.metrics);
  tear_down (&whole);
  tear_down (&cut);
}

/* Memory runs out in a step: said with what would help, and resumable with more of it. */
static void
test_out_of_memory (void)
{
  Fixture whole, cut;
  g_autofree char *hash = NULL, *cut_hash = NULL, *message = NULL;

  set_up (&whole, "sup-only");
  whole.plan.params.filters = 8;
  hash = train (&whole, (const int[]){ 0 });
  set_up (&cut, "sup-only");
  cut.plan.params.filters = 8;
  cut.stop_at = 3;
  message = fail (&cut, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED);
  cut.stop_at = 0;
  g_setenv ("CROSSLABEL_MEMORY_MIB", "24", TRUE);
  g_free (message);
  message = fail (&cut, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY);
  g_unsetenv ("CROSSLABEL_MEMORY_MIB");
  g_test_message ("%s", message);
  g_assert_nonnull (strstr (message, "A smaller patch needs less"));
  cut_hash = train (&cut, (const int[]){ 0 });
  g_assert_cmpstr (hash, ==, cut_hash);
  tear_down (&whole);
  tear_down (&cut);
}

/* A scan that vanished before the round went on is named; put back, the round goes on. */
static void
test_scan_vanishes (void)
{
  Fixture f;
  AppRoundScan *scan;
  g_autoptr (GError) error = NULL;
  g_autofree char *aside = NULL, *hash = NULL;

  set_up (&f, "sup-only");
  scan = g_ptr_array_index (f.scans, 1);
  aside = g_strconcat (scan->path, ".aside", NULL);
  g_clear_pointer (&scan->prepared, seg_prepared_unref);
  g_assert_cmpint (g_rename (scan->path, aside), ==, 0);
  g_assert_false (app_round_scan_prepare (scan, &f.plan.preprocess, &error));
  g_assert_nonnull (strstr (error->message, "scan 1"));
  g_test_message ("%s", error->message);
  g_clear_error (&error);
  g_assert_cmpint (g_rename (aside, scan->path), ==, 0);
  g_assert_true (app_round_scan_prepare (scan, &f.plan.preprocess, &error));
  hash = train (&f, (const int[]){ 0 });
  tear_down (&f);
}

/* Runs until the first refresh's labels are there. */
static void
refresh_once (Fixture *f, gboolean missing_unknown)
{
  g_autoptr (AppTrainer) trainer = NULL;
  g_autoptr (GError) error = NULL;

  set_up (f, "gm-abs");
  f->plan.params.missing_unknown = missing_unknown;
  f->stop_at = 6;
  trainer = app_trainer_new (&f->plan, f->scans, f->folder, &f->hooks, &error);
  g_assert_no_error (error);
  g_assert_false (app_trainer_run (trainer, &error));
  g_assert_error (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED);
}

/* A class that both labelled scans show and the generalist's labels of a scan do not: what they
 * call background there may be it, and counts for nothing; all else stays. */
static void
test_missing_class_is_unknown (void)
{
  Fixture plain, marked;
  int n_marked = 0;

  refresh_once (&plain, FALSE);
  refresh_once (&marked, TRUE);
  for (guint s = 0; s < 4; s++)
    {
      const AppRoundScan *was = g_ptr_array_index (plain.scans, s);
      const AppRoundScan *is = g_ptr_array_index (marked.scans, s);
      gsize N = seg_prepared_get_n_voxels (was->prepared);
      gboolean complete;

      g_assert_nonnull (was->pseudo);
      g_assert_nonnull (is->pseudo);
      complete = memchr (was->pseudo, 1, N) != NULL && memchr (was->pseudo, 2, N) != NULL;
      n_marked += !complete;
      for (gsize v = 0; v < N; v++)
        g_assert_cmpint (is->pseudo[v], ==,
                         was->pseudo[v] == 0 && !complete ? SEG_PSEUDO_UNKNOWN : was->pseudo[v]);
    }
  g_assert_cmpint (n_marked, >, 0);
  tear_down (&plain);
  tear_down (&marked);
}

/* Classes are balanced by as much as the signed slices show them unlike: in full as the phantoms
 * are, in part where a third of the large organ is called the small one. */
static void
test_imbalance (gconstpointer data)
{
  gboolean mixed = GPOINTER_TO_INT (data);
  Fixture f;
  g_autoptr (AppTrainer) trainer = NULL;
  g_autoptr (GError) error = NULL;
  double counts[N_CLASSES] = { 0 }, share;

  set_up (&f, "sup-only");
  f.plan.params.class_balance = 0.8;
  for (guint s = 0; s < 2 && mixed; s++)
    {
      const AppRoundScan *scan = g_ptr_array_index (f.scans, s);

      for (gsize v = 0; v < seg_prepared_get_n_voxels (scan->prepared); v += 3)
        if (scan->truth_ijk[v] == 1)
          scan->truth_ijk[v] = 2;
    }
  trainer = app_trainer_new (&f.plan, f.scans, f.folder, &f.hooks, &error);
  g_assert_no_error (error);
  for (guint s = 0; s < 2; s++)
    {
      const AppRoundScan *scan = g_ptr_array_index (f.scans, s);

      for (gsize v = 0; v < seg_prepared_get_n_voxels (scan->prepared); v++)
        counts[scan->label[v]]++;
    }
  share = MIN (counts[1], counts[2]) / MAX (counts[1], counts[2]);
  if (mixed)
    g_assert_true (share > 0.55 && share < 0.95);
  else
    g_assert_true (share < 0.45);
  g_assert_cmpfloat_with_epsilon (
      seg_method_get_params (app_trainer_get_method (trainer))->class_balance,
      mixed ? 0.8 * (2 - 2 * share) : 0.8, 1e-12);
  g_clear_pointer (&trainer, app_trainer_free);
  tear_down (&f);
}

/* The generalist's file is gone when the round begins or goes on: said before a step is taken. */
static void
test_generalist_removed (void)
{
  Fixture f;

  set_up (&f, "gm-abs");
  g_free (f.plan.generalist);
  f.plan.generalist = g_build_filename (f.folder, "removed.safetensors", NULL);
  expect_refusal (&f, "removed.safetensors");
  tear_down (&f);
}

/* What is not a number stops the round before it is in the parameters or in a checkpoint. */
static void
test_nan_leaves_the_checkpoint (void)
{
  Fixture f;
  AppRoundScan *scan;
  g_autofree char *message = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (AppTrainer) trainer = NULL;

  set_up (&f, "sup-only");
  f.stop_at = 3;
  message = fail (&f, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED);
  f.stop_at = 0;
  scan = g_ptr_array_index (f.scans, 0);
  for (gsize v = 0; v < seg_prepared_get_n_voxels (scan->prepared); v++)
    ((float *) seg_prepared_get_image (scan->prepared))[v] = NAN;
  g_free (message);
  message = fail (&f, SEG_ERROR, SEG_ERROR_NOT_FINITE);
  g_assert_nonnull (strstr (message, "last checkpoint"));
  g_clear_pointer (&scan->prepared, seg_prepared_unref);
  app_round_scan_prepare (scan, &f.plan.preprocess, &error);
  g_assert_no_error (error);
  f.stop_at = 4;
  trainer = app_trainer_new (&f.plan, f.scans, f.folder, &f.hooks, &error);
  g_assert_no_error (error);
  g_assert_false (app_trainer_run (trainer, &error));
  g_assert_error (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED);
  g_assert_cmpint (app_trainer_get_step (trainer), ==, 4);
  g_clear_pointer (&trainer, app_trainer_free);
  tear_down (&f);
}

/* One voxel thick, and spacings as far apart as 0.3 and 9 mm: a round all the same, and predictions
 * on the scan's own grid. */
static void
test_odd_shapes (void)
{
  const int sizes[3][3] = { { 32, 32, 1 }, { 1, 40, 24 }, { 20, 3, 40 } };
  const float spacings[3][3] = { { 0.3f, 0.3f, 9 }, { 9, 0.5f, 0.5f }, { 1, 4, 0.4f } };
  Fixture f;
  g_autofree char *hash = NULL;
  g_autoptr (GError) error = NULL;

  set_up (&f, "gm-abs");
  for (int s = 0; s < 3; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (f.scans, s == 2 ? 4 : s);
      const int *n = sizes[s];
      gsize N = (gsize) n[0] * (gsize) n[1] * (gsize) n[2];
      g_autofree float *values = g_new (float, N);
      VolumeGeometry geometry;
      const SegPlane planes[3] = { { 0, n[0] / 2 }, { 1, n[1] / 2 }, { 2, n[2] / 2 } };
      double affine[4][4] = { { 0 } };

      for (int a = 0; a < 3; a++)
        affine[a][a] = (double) spacings[s][a];
      affine[3][3] = 1;
      g_assert_true (volume_geometry_init (&geometry, n, affine, VOLUME_AFFINE_FROM_SFORM, &error));
      scan->truth_ijk = g_realloc (scan->truth_ijk, N);
      for (gsize v = 0; v < N; v++)
        {
          scan->truth_ijk[v] = (guint8) (v / 3 % N_CLASSES);
          values[v] = (float) scan->truth_ijk[v] * 50 + (float) (v % 11);
        }
      g_free (scan->path);
      scan->path = g_strdup_printf ("%s/odd-%d.nii.gz", f.folder, s);
      g_assert_true (volume_nifti_write (
          scan->path,
          &(VolumeNiftiParams){ .geometry = &geometry, .dtype = VOLUME_DTYPE_F32, .data = values },
          &error));
      g_clear_pointer (&scan->prepared, seg_prepared_unref);
      app_round_scan_set_planes (scan, planes, s < 2 ? 3 : 0, FALSE);
    }
  for (guint s = 0; s < f.scans->len; s++)
    {
      AppRoundScan *scan = g_ptr_array_index (f.scans, s);

      f.plan.preprocess.spacing_mm[0] = f.plan.preprocess.spacing_mm[1] = 1.5;
      f.plan.preprocess.spacing_mm[2] = 2;
      g_clear_pointer (&scan->prepared, seg_prepared_unref);
      app_round_scan_prepare (scan, &f.plan.preprocess, &error);
      g_assert_no_error (error);
    }
  hash = train (&f, (const int[]){ 0 });
  g_assert_true (g_hash_table_contains (f.metrics, "012 dice"));
  tear_down (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/app/trainer/resumed/sup-only", "sup-only", test_resumed_is_uninterrupted);
  g_test_add_data_func ("/app/trainer/resumed/mean-teacher", "mean-teacher",
                        test_resumed_is_uninterrupted);
  g_test_add_data_func ("/app/trainer/resumed/ua-mt", "ua-mt", test_resumed_is_uninterrupted);
  g_test_add_data_func ("/app/trainer/resumed/gm-abs", "gm-abs", test_resumed_is_uninterrupted);
  g_test_add_func ("/app/trainer/unsigned-voxels", test_unsigned_voxels_do_not_matter);
  g_test_add_func ("/app/trainer/validation", test_validation_is_not_trained_on);
  g_test_add_func ("/app/trainer/selects-in-training", test_selects_in_training);
  g_test_add_func ("/app/trainer/keeps-the-best", test_keeps_the_best);
  g_test_add_func ("/app/trainer/keeps-the-best-teacher", test_keeps_the_best_teacher);
  g_test_add_func ("/app/trainer/bad-input", test_bad_input);
  g_test_add_func ("/app/trainer/not-a-number", test_nan_stops_the_round);
  g_test_add_data_func ("/app/trainer/disk-full/sup-only", "sup-only", test_disk_full);
  g_test_add_data_func ("/app/trainer/disk-full/gm-abs", "gm-abs", test_disk_full);
  g_test_add_func ("/app/trainer/out-of-memory", test_out_of_memory);
  g_test_add_func ("/app/trainer/scan-vanishes", test_scan_vanishes);
  g_test_add_func ("/app/trainer/generalist-removed", test_generalist_removed);
  g_test_add_func ("/app/trainer/nan-leaves-the-checkpoint", test_nan_leaves_the_checkpoint);
  g_test_add_data_func ("/app/trainer/imbalance/full", GINT_TO_POINTER (FALSE), test_imbalance);
  g_test_add_data_func ("/app/trainer/imbalance/part", GINT_TO_POINTER (TRUE), test_imbalance);
  g_test_add_func ("/app/trainer/missing-class-is-unknown", test_missing_class_is_unknown);
  g_test_add_func ("/app/trainer/odd-shapes", test_odd_shapes);
  return g_test_run ();
}
