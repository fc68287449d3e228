/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/flow-report.h"

#include "app/flow-open.h"
#include "app/html.h"
#include "volume/file-write.h"
#include "volume/picture.h"
#include "volume/scan.h"
#include "volume/slice-raster.h"

#include <math.h>
#include <string.h>

#define MAX_PICTURED_CASES 6
#define PICTURE_MM_TO_PX 2.0
#define MAX_PICTURE_PX 260
#define OVERLAY 0.4f

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;"
    "color:#1d1d20;background:#fff}h1{font-size:1.7em}h2{margin-top:2em;border-bottom:1px solid "
    "#ddd}table{border-collapse:collapse}th,td{text-align:left;padding:.2em .9em .2em 0;"
    "vertical-align:top}th{font-weight:600}td.n{text-align:right;font-variant-numeric:"
    "tabular-nums}figure{margin:1em 0}figcaption{font-weight:600}.grid{stroke:#ddd}.tick{font:"
    "12px system-ui,sans-serif;fill:#555}.legend{margin:0;color:#333}.legend span{margin-right:"
    "1.2em}.case{margin:1em 0}.case img{margin:0 .4em .4em 0;background:#000}code,pre{font:13px "
    "ui-monospace,monospace;background:#f4f4f6;white-space:pre-wrap;overflow-wrap:anywhere}pre{"
    "padding:.8em}.note{background:#fff4d6;padding:.6em .9em;border-left:4px solid #e69f00}";

static char *
format_time (gint64 unix_us)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (unix_us / G_USEC_PER_SEC);

  return utc != NULL ? g_date_time_format (utc, "%Y-%m-%d %H:%M UTC") : g_strdup ("");
}

static char *
format_seconds (double seconds)
{
  if (!isfinite (seconds) || seconds <= 0)
    return g_strdup ("");
  if (seconds < 120)
    return g_strdup_printf ("%.0f s", seconds);
  return g_strdup_printf ("%.0f min", seconds / 60);
}

static char *
format_dice (double dice)
{
  return isfinite (dice) ? g_strdup_printf ("%.3f", dice) : g_strdup ("–");
}

static const char *
state_name (int state)
{
  static const char *const names[] = { "prepared", "training", "predicting", "selecting",
                                       "done",     "failed",   "cancelled" };

  return (gsize) state < G_N_ELEMENTS (names) ? names[state] : "unknown";
}

/* Parts of the page ------------------------------------------------------------------------------
 */

static void
append_summary (GString *html, DbRound *round)
{
  g_autofree char *when = format_time (round->created_at);
  g_autofree char *seconds = format_seconds (round->seconds);
  g_autofree char *expert = format_seconds (round->expert_seconds);
  g_autofree char *dice = format_dice (round->dice);
  g_autofree char *steps =
      g_strdup_printf ("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT, round->step, round->n_steps);
  g_autofree char *data =
      g_strdup_printf ("%d labelled, %d unlabelled, %d for validation (never trained on)",
                       round->n_labelled, round->n_unlabelled, round->n_validation);
  g_autofree char *seed = g_strdup_printf ("%" G_GINT64_FORMAT, round->seed);
  g_autofree char *journal = g_strdup_printf ("%" G_GINT64_FORMAT, round->journal_seq);

  g_string_append (html, "<table>\n");
  app_html_fact (html, "Begun", when);
  app_html_fact (html, "State", state_name (round->state));
  app_html_fact (html, "Message", round->message);
  app_html_fact (html, "Method", round->method);
  app_html_fact (html, "Profile", round->profile);
  app_html_fact (html, "Supervision", round->supervision);
  app_html_fact (html, "Scans", data);
  app_html_fact (html, "Steps", steps);
  app_html_fact (html, "Computing time", seconds);
  app_html_fact (html, "Expert time so far", expert);
  app_html_fact (html, "Validation Dice", dice);
  app_html_fact (html, "Seed", seed);
  app_html_fact (html, "Labels as of journal entry", journal);
  g_string_append (html, "</table>\n");
}

/* The curves of one chart: metrics whose name is @prefix or begins with it and a dot. */
static void
append_metric_chart (GString *html, GArray *metrics, const char *title, const char *prefix,
                     double y_low, double y_high)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GPtrArray) points = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
  g_autoptr (GArray) curves = g_array_new (FALSE, FALSE, sizeof (AppHtmlCurve));
  const gsize n_prefix = strlen (prefix);

  for (guint m = 0; m < metrics->len; m++)
    {
      const DbMetricPoint *metric = &g_array_index (metrics, DbMetricPoint, m);
      const AppHtmlPoint point = { (double) metric->step, metric->value };
      guint at;

      if (strncmp (metric->name, prefix, n_prefix) != 0
          || (metric->name[n_prefix] != '\0' && metric->name[n_prefix] != '.'))
        continue;
      if (!g_ptr_array_find_with_equal_func (names, metric->name, g_str_equal, &at))
        {
          at = names->len;
          g_ptr_array_add (names, (gpointer) metric->name);
          g_ptr_array_add (points, g_array_new (FALSE, FALSE, sizeof (AppHtmlPoint)));
        }
      g_array_append_val (g_ptr_array_index (points, at), point);
    }
  for (guint n = 0; n < names->len; n++)
    {
      const GArray *of = g_ptr_array_index (points, n);
      const AppHtmlCurve curve = { g_ptr_array_index (names, n), (const AppHtmlPoint *) of->data,
                                   of->len };

      g_array_append_val (curves, curve);
    }
  app_html_chart (html, title, "step", (const AppHtmlCurve *) curves->data, curves->len, y_low,
                  y_high);
}

static gboolean
append_curves (GString *html, DbStore *store, DbRound *round, GError **error)
{
  g_autoptr (GArray) metrics = db_store_read_metrics (store, round->id, NULL, error);

  if (metrics == NULL)
    return FALSE;
  g_string_append (html, "<h2>How it went</h2>\n");
  if (metrics->len == 0)
    g_string_append (html, "<p>Nothing was measured yet.</p>\n");
  append_metric_chart (html, metrics, "Validation Dice", "dice", 0, 1);
  append_metric_chart (html, metrics, "Losses", "loss", 0, 0);
  append_metric_chart (html, metrics, "Learning rate", "lr", 0, 0);
  return TRUE;
}

/* One table and one picture over all rounds: what the labelling has bought. */
static void
append_rounds (GString *html, DbStore *store)
{
  GListModel *rounds = db_store_get_rounds (store);
  const guint n = g_list_model_get_n_items (rounds);
  g_autofree AppHtmlPoint *by_scans = g_new0 (AppHtmlPoint, n);
  g_autofree AppHtmlPoint *by_minutes = g_new0 (AppHtmlPoint, n);
  gboolean has_minutes = FALSE;

  g_string_append (html, "<h2>All rounds</h2>\n<table><tr><th>Round</th><th>Method</th>"
                         "<th>State</th><th>Labelled</th><th>Expert time</th><th>Dice</th></tr>\n");
  for (guint r = 0; r < n; r++)
    {
      g_autoptr (DbRound) round = g_list_model_get_item (rounds, r);
      g_autofree char *dice = format_dice (round->dice);
      g_autofree char *expert = format_seconds (round->expert_seconds);

      app_html_append (html,
                       "<tr><td class='n'>%" G_GINT64_FORMAT
                       "</td><td>%s</td><td>%s</td><td class='n'>%d</td><td class='n'>%s</td>"
                       "<td class='n'>%s</td></tr>\n",
                       round->id, round->method, state_name (round->state), round->n_labelled,
                       expert, dice);
      by_scans[r] = (AppHtmlPoint){ round->n_labelled, round->dice };
      by_minutes[r] = (AppHtmlPoint){ round->expert_seconds / 60, round->dice };
      has_minutes |= round->expert_seconds > 0;
    }
  g_string_append (html, "</table>\n");
  app_html_chart (html, "Dice by labelled scans", "labelled scans",
                  &(AppHtmlCurve){ "validation Dice", by_scans, n }, 1, 0, 1);
  if (has_minutes)
    app_html_chart (html, "Dice by expert minutes", "minutes",
                    &(AppHtmlCurve){ "validation Dice", by_minutes, n }, 1, 0, 1);
}

/* Pictures ---------------------------------------------------------------------------------------
 */

static void
label_colour (DbStore *store, guint16 label, guint8 rgb[3])
{
  DbLabel *row = db_store_get_label (store, label);
  guint value = 0x808080;

  if (row != NULL && row->colour != NULL && row->colour[0] == '#')
    value = (guint) g_ascii_strtoull (row->colour + 1, NULL, 16);
  rgb[0] = value >> 16 & 0xff;
  rgb[1] = value >> 8 & 0xff;
  rgb[2] = value & 0xff;
}

/* A slice in grey with labels laid over it; @labels i fastest over the whole grid, or NULL. */
static GBytes *
draw_slice (DbStore *store, VolumeScan *scan, const guint16 *labels,
            const VolumeSliceRaster *raster)
{
  const VolumeGeometry *geometry = volume_scan_get_geometry (scan);
  const int n_u = raster->frame.n_u, n_v = raster->frame.n_v;
  const gsize n = volume_slice_raster_get_n_pixels (raster);
  g_autofree float *values = g_new (float, n);
  g_autofree guint8 *rgb = g_malloc (3 * n);
  double centre, width;

  volume_scan_get_default_window (scan, &centre, &width);
  volume_scan_read_slice (scan, raster->frame.plane, raster->index, values);
  for (int v = 0; v < n_v; v++)
    for (int u = 0; u < n_u; u++)
      {
        const gsize p = u + (gsize) n_u * v;
        const double level = (values[p] - centre) / width + 0.5;
        const float grey = isfinite (level) ? (float) (255 * CLAMP (level, 0, 1)) : 0;
        guint8 colour[3];
        guint16 label = 0;
        int ijk[3];

        volume_slice_raster_voxel (raster, u, v, ijk);
        if (labels != NULL)
          label =
              labels[ijk[0] + geometry->size[0] * (ijk[1] + (gsize) geometry->size[1] * ijk[2])];
        label_colour (store, label, colour);
        for (int c = 0; c < 3; c++)
          rgb[3 * p + c] =
              (guint8) (label != 0 ? (1 - OVERLAY) * grey + OVERLAY * colour[c] : grey);
      }
  return volume_picture_encode_png (rgb, n_u, n_v, 3);
}

static void
append_slice (GString *html, DbStore *store, VolumeScan *scan, const guint16 *labels,
              VolumePlane plane, int index, const char *what)
{
  VolumeSliceRaster raster;
  g_autoptr (GBytes) png = NULL;
  g_autofree char *description =
      g_strdup_printf ("%s, %s slice %d", what, volume_plane_get_name (plane), index);
  double width_mm, height_mm, scale;

  if (!volume_slice_raster_init (&raster, volume_scan_get_geometry (scan), plane, index))
    return;
  png = draw_slice (store, scan, labels, &raster);
  if (png == NULL)
    return;
  width_mm = raster.frame.n_u * raster.frame.du_mm;
  height_mm = raster.frame.n_v * raster.frame.dv_mm;
  scale = MIN (PICTURE_MM_TO_PX, MAX_PICTURE_PX / MAX (width_mm, height_mm));
  app_html_picture (html, png, MAX ((int) (width_mm * scale), 1),
                    MAX ((int) (height_mm * scale), 1), description);
}

/* The slices worth a look: those of the case's tasks, else the middle of what is predicted. */
static int
choose_slices (DbStore *store, DbCase *row, const guint16 *labels, const VolumeGeometry *geometry,
               VolumePlane planes[3], int indices[3])
{
  GListModel *tasks = db_store_get_tasks (store, row->id);
  double sum[3] = { 0, 0, 0 };
  gsize n_labelled = 0, v = 0;
  int n = 0;

  for (guint t = 0; t < g_list_model_get_n_items (tasks) && n < 3; t++)
    {
      g_autoptr (DbSliceTask) task = g_list_model_get_item (tasks, t);

      planes[n] = task->plane;
      indices[n++] = task->index;
    }
  if (n > 0)
    return n;
  for (int k = 0; k < geometry->size[2]; k++)
    for (int j = 0; j < geometry->size[1]; j++)
      for (int i = 0; i < geometry->size[0]; i++, v++)
        if (labels[v] != 0)
          {
            sum[0] += i;
            sum[1] += j;
            sum[2] += k;
            n_labelled++;
          }
  for (int p = 0; p < VOLUME_N_PLANES; p++)
    {
      const int axis = geometry->axis_of_plane[p];

      planes[p] = p;
      indices[p] =
          n_labelled > 0 ? (int) (sum[axis] / (double) n_labelled + 0.5) : geometry->size[axis] / 2;
    }
  return VOLUME_N_PLANES;
}

static gboolean
append_prediction (GString *html, DbStore *store, DbCase *row, DbPrediction *prediction,
                   GError **error)
{
  g_autoptr (VolumeScan) scan = app_flow_load_scan (store, row, error);
  g_autofree char *path = db_store_resolve (store, prediction->path);
  g_autofree guint16 *labels = NULL;
  VolumePlane planes[3];
  int indices[3], n;

  if (scan == NULL)
    return FALSE;
  labels = app_flow_load_labels_like (path, scan, error);
  if (labels == NULL)
    return FALSE;
  n = choose_slices (store, row, labels, volume_scan_get_geometry (scan), planes, indices);
  for (int s = 0; s < n; s++)
    append_slice (html, store, scan, labels, planes[s], indices[s], row->name);
  return TRUE;
}

static void
append_predictions (GString *html, DbStore *store, DbRound *round)
{
  GListModel *predictions = db_store_get_predictions (store);
  int n_pictured = 0;

  g_string_append (html, "<h2>Predictions</h2>\n<p>Validation scans first; radiological "
                         "convention: the patient's right is on the left.</p>\n");
  for (int pass = 0; pass < 2; pass++)
    for (guint p = 0; p < g_list_model_get_n_items (predictions); p++)
      {
        g_autoptr (DbPrediction) prediction = g_list_model_get_item (predictions, p);
        DbCase *row = db_store_get_case (store, prediction->case_id);
        g_autoptr (GError) local = NULL;

        if (prediction->round != round->id || row == NULL || row->validation != (pass == 0)
            || n_pictured >= MAX_PICTURED_CASES)
          continue;
        n_pictured++;
        app_html_append (html, "<div class='case'><p><b>%s</b>%s</p>\n", row->name,
                         row->validation ? " (validation)" : "");
        if (!append_prediction (html, store, row, prediction, &local))
          app_html_append (html, "<p class='note'>No picture: the scan or its prediction is not at "
                                 "hand.</p>");
        g_string_append (html, "</div>\n");
      }
  if (n_pictured == 0)
    g_string_append (html, "<p>There are none of this round.</p>\n");
}

/* What is next, and the card ---------------------------------------------------------------------
 */

static void
append_selection (GString *html, DbStore *store)
{
  GListModel *selections = db_store_get_selections (store);
  const guint n = g_list_model_get_n_items (selections);

  if (n == 0)
    return;
  g_string_append (html, "<h2>To label next</h2>\n<table><tr><th>Rank</th><th>Scan</th>"
                         "<th>Why</th></tr>\n");
  for (guint s = 0; s < n; s++)
    {
      g_autoptr (DbSelection) selection = g_list_model_get_item (selections, s);
      DbCase *row = db_store_get_case (store, selection->case_id);

      app_html_append (html, "<tr><td class='n'>%d</td><td>%s</td><td>%s</td></tr>\n",
                       selection->rank, row != NULL ? row->name : "?",
                       selection->reason != NULL ? selection->reason : "");
    }
  g_string_append (html, "</table>\n");
}

static gboolean
append_data_list (GString *html, DbStore *store, DbRound *round, GError **error)
{
  static const char *const roles[] = { "labelled", "unlabelled", "validation" };

  g_string_append (html, "<h3>Data</h3>\n<table><tr><th>Scan</th><th>Role</th><th>Voxels</th>"
                         "<th>SHA-256</th></tr>\n");
  for (gsize r = 0; r < G_N_ELEMENTS (roles); r++)
    {
      g_autoptr (GArray) cases = db_store_read_round_cases (store, round->id, roles[r], error);

      if (cases == NULL)
        return FALSE;
      for (guint c = 0; c < cases->len; c++)
        {
          DbCase *row = db_store_get_case (store, g_array_index (cases, gint64, c));

          if (row != NULL)
            app_html_append (html,
                             "<tr><td>%s</td><td>%s</td><td>%d × %d × %d</td><td><code>%s</code>"
                             "</td></tr>\n",
                             row->name, roles[r], row->size_i, row->size_j, row->size_k,
                             row->sha256);
        }
    }
  g_string_append (html, "</table>\n");
  return TRUE;
}

static gboolean
append_model_card (GString *html, DbStore *store, DbRound *round, GError **error)
{
  DbModel *model = round->model != 0 ? db_store_get_model (store, round->model) : NULL;
  GListModel *labels = db_store_get_labels (store);
  g_autoptr (GString) classes = g_string_new (NULL);

  for (guint l = 0; l < g_list_model_get_n_items (labels); l++)
    {
      g_autoptr (DbLabel) label = g_list_model_get_item (labels, l);

      g_string_append_printf (classes, "%s%" G_GINT64_FORMAT " %s", l > 0 ? ", " : "", label->id,
                              label->name);
    }
  g_string_append (html, "<h2>Model card</h2>\n<table>\n");
  app_html_fact (html, "Model", model != NULL ? model->name : "none was made");
  app_html_fact (html, "SHA-256", model != NULL ? model->sha256 : NULL);
  app_html_fact (html, "Classes", classes->str);
  app_html_fact (html, "Intended use",
                 "research; a person must look at every contour. Not a medical device.");
  app_html_fact (html, "Known limits",
                 "learned from the scans below alone; scans of other scanners, protocols or "
                 "patients may be segmented badly without any sign of it");
  app_html_fact (html, "Made with", "Crosslabel " PACKAGE_VERSION);
  g_string_append (html, "</table>\n");
  if (model != NULL && model->description != NULL)
    app_html_append (html, "<h3>Description</h3>\n<pre>%s</pre>\n", model->description);
  app_html_append (html, "<h3>Parameters</h3>\n<pre>%s</pre>\n",
                   round->params != NULL ? round->params : "");
  return append_data_list (html, store, round, error);
}

static DbRound *
find_round (DbStore *store, gint64 id, GError **error)
{
  GListModel *rounds = db_store_get_rounds (store);
  const guint n = g_list_model_get_n_items (rounds);
  DbRound *round = NULL;

  if (id != 0)
    round = db_store_get_round (store, id);
  else if (n > 0)
    {
      g_autoptr (DbRound) last = g_list_model_get_item (rounds, n - 1);

      round = last; /* the list keeps it */
    }
  if (round == NULL)
    {
      g_autofree char *what = id != 0 ? g_strdup_printf ("there is no round %" G_GINT64_FORMAT, id)
                                      : g_strdup ("no round was trained yet");

      g_set_error (error, DB_ERROR, DB_ERROR_NOT_FOUND, "%s: %s", db_store_get_name (store), what);
    }
  return round;
}

gboolean
app_flow_report (DbStore *store, gint64 round_id, const char *path, GError **error)
{
  DbRound *round = find_round (store, round_id, error);
  g_autoptr (GString) html = NULL;

  if (round == NULL)
    return FALSE;
  html = g_string_new ("<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>\n");
  app_html_append (html, "<title>%s, round %" G_GINT64_FORMAT "</title>\n",
                   db_store_get_name (store), round->id);
  g_string_append_printf (html, "<style>%s</style></head><body>\n", style);
  app_html_append (html, "<h1>%s, round %" G_GINT64_FORMAT "</h1>\n", db_store_get_name (store),
                   round->id);
  g_string_append (html, "<p class='note'>For research use only; not a medical device.</p>\n");
  append_summary (html, round);
  if (!append_curves (html, store, round, error))
    return FALSE;
  append_rounds (html, store);
  append_predictions (html, store, round);
  append_selection (html, store);
  if (!append_model_card (html, store, round, error))
    return FALSE;
  g_string_append (html, "</body></html>\n");
  return volume_file_write (path, (const guint8 *) html->str, html->len, error);
}
