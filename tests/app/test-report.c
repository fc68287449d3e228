/* SPDX-License-Identifier: Apache-2.0 */
#include "app/flow-report.h"
#include "volume/phantom.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

/* A folder with two phantoms and a project of them: one to learn from, one for validation. */
typedef struct
{
  char *folder, *project, *page;
  char *truth;
  DbStore *store;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  const VolumePhantomParams params = { .seed = 3, .size = { 24, 22, 12 } };
  const char *const labels[] = { "liver & <spleen>" };
  DbCaseSpec cases[2] = { 0 };
  g_autoptr (GError) error = NULL;

  f->folder = g_dir_make_tmp ("crosslabel-report-XXXXXX", NULL);
  f->project = g_build_filename (f->folder, "p.crosslabel", NULL);
  f->page = g_build_filename (f->folder, "report.html", NULL);
  for (int c = 0; c < 2; c++)
    {
      VolumePhantomParams mine = params;
      g_autoptr (VolumeScan) scan = NULL;
      char *path, *truth;

      mine.index = c;
      g_assert_true (volume_phantom_write (&mine, f->folder, &path, &truth, &error));
      scan = volume_scan_load (path, 0, &error);
      g_assert_no_error (error);
      cases[c] = (DbCaseSpec){
        .name = c == 0 ? "first" : "second",
        .path = path,
        .sha256 = g_strdup (volume_scan_get_sha256 (scan)),
        .validation = c == 1,
        .geometry = g_memdup2 (volume_scan_get_geometry (scan), sizeof (VolumeGeometry)),
      };
      if (c == 1)
        f->truth = truth;
      else
        g_free (truth);
    }
  g_assert_true (db_store_create (f->project,
                                  &(DbProjectSpec){
                                      .cases = cases,
                                      .n_cases = 2,
                                      .label_names = labels,
                                      .label_colours = (const char *const[]){ NULL },
                                      .n_labels = 1,
                                      .seed = 1,
                                  },
                                  &error));
  g_assert_no_error (error);
  f->store = db_store_open (f->project, DB_OPEN_WRITE, &error);
  g_assert_no_error (error);
  for (int c = 0; c < 2; c++)
    {
      g_free ((char *) cases[c].path);
      g_free ((char *) cases[c].sha256);
      g_free ((VolumeGeometry *) cases[c].geometry);
    }
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  const char *argv[] = { "rm", "-r", f->folder, NULL };

  g_clear_object (&f->store);
  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                NULL);
  g_free (f->truth);
  g_free (f->page);
  g_free (f->project);
  g_free (f->folder);
}

static gint64
write_ok (Fixture *f, DbWrite *write)
{
  g_autoptr (GError) error = NULL;
  gint64 result = db_store_write (f->store, write, &error);

  g_assert_no_error (error);
  return result;
}

static gint64
add_round (Fixture *f)
{
  const gint64 labelled[1] = { 1 }, validation[1] = { 2 };
  gint64 round = write_ok (f, db_write_add_round (&(DbRoundSpec){
                                  .method = "gm-abs",
                                  .params = "{\"filters\":8}",
                                  .profile = "laptop",
                                  .supervision = "cross",
                                  .seed = 1337,
                                  .n_steps = 40,
                                  .labelled = labelled,
                                  .n_labelled = 1,
                                  .validation = validation,
                                  .n_validation = 1,
                              }));
  DbMetricPoint points[60];
  int n = 0;

  for (int s = 0; s < 20; s++)
    {
      points[n++] = (DbMetricPoint){ 2 * s, "loss", 1.0 / (1 + s) };
      points[n++] = (DbMetricPoint){ 2 * s, "loss.consistency", 0.1 * s };
      if (s % 10 == 9)
        points[n++] = (DbMetricPoint){ 2 * s, "dice", 0.5 + 0.01 * s };
    }
  write_ok (f, db_write_add_metrics (round, points, n));
  write_ok (f, db_write_update_round (round, &(DbRoundUpdate){ .flags = DB_ROUND_SET_STATE
                                                                        | DB_ROUND_SET_STEP
                                                                        | DB_ROUND_SET_DICE,
                                                               .state = DB_ROUND_DONE,
                                                               .step = 40,
                                                               .dice = 0.69 }));
  return round;
}

static char *
make_page (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  char *html;

  g_assert_true (app_flow_report (f->store, 0, f->page, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (f->page, &html, NULL, NULL));
  return html;
}

static int
count (const char *text, const char *word)
{
  int n = 0;

  while ((text = strstr (text, word)) != NULL)
    {
      n++;
      text++;
    }
  return n;
}

static void
test_page (Fixture *f, gconstpointer data)
{
  const gint64 round = add_round (f);
  gint64 model;
  g_autofree char *html = NULL;

  model = write_ok (f, db_write_add_model (round, "round 1", "models/round-1.safetensors", "abc123",
                                           "{\"net\":\"<vnet>\"}", 0.69));
  write_ok (f, db_write_update_round (
                   round, &(DbRoundUpdate){ .flags = DB_ROUND_SET_MODEL, .model = model }));
  /* The truth stands for a prediction: any label file on the scan's grid is one. */
  write_ok (f, db_write_add_prediction (2, model, round, f->truth, 0.9));

  html = make_page (f);
  g_assert_nonnull (strstr (html, "0.690"));
  g_assert_nonnull (strstr (html, "gm-abs"));
  g_assert_nonnull (strstr (html, "liver &amp; &lt;spleen&gt;"));
  g_assert_null (strstr (html, "<spleen>"));
  g_assert_nonnull (strstr (html, "&lt;vnet&gt;"));
  g_assert_nonnull (strstr (html, "loss.consistency"));
  g_assert_cmpint (count (html, "<polyline"), ==, 4); /* dice, two losses, dice by scans */
  g_assert_cmpint (count (html, "data:image/png;base64,"), ==, 3);
  g_assert_nonnull (strstr (html, db_store_get_case (f->store, 1)->sha256));
  g_assert_null (strstr (html, f->folder)); /* I10 */
  g_assert_null (strstr (html, ".nii"));
  g_assert_null (strstr (html, "http"));
}

/* The scan is gone: the page says so and is made all the same. */
static void
test_without_scan (Fixture *f, gconstpointer data)
{
  const gint64 round = add_round (f);
  g_autofree char *scan = g_build_filename (f->folder, "phantom_001.nii.gz", NULL);
  g_autofree char *html = NULL;

  write_ok (f, db_write_add_prediction (
                   2, write_ok (f, db_write_add_model (round, "m", "models/m", "0", NULL, NAN)),
                   round, f->truth, 0.9));
  g_unlink (scan);
  html = make_page (f);
  g_assert_null (strstr (html, "data:image/png"));
  g_assert_nonnull (strstr (html, "not at hand"));
}

static void
test_no_round (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (app_flow_report (f->store, 0, f->page, &error));
  g_assert_error (error, DB_ERROR, DB_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_false (app_flow_report (f->store, 7, f->page, &error));
  g_assert_error (error, DB_ERROR, DB_ERROR_NOT_FOUND);
  g_assert_false (g_file_test (f->page, G_FILE_TEST_EXISTS));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/app/report/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("page", test_page);
  ADD ("without-scan", test_without_scan);
  ADD ("no-round", test_no_round);
  return g_test_run ();
}
