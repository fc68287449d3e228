/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "seg/adapter/preprocess.h"

#include "seg/weights/json.h"

#include <math.h>
#include <string.h>

#define SAMPLES_PER_SCAN 200000
#define SPACING_TOLERANCE 1.1
#define CT_LOW (-175.0)
#define CT_HIGH 250.0

static const char *const intensity_names[] = { "as-is", "ct-window", "robust-z" };

void
seg_preprocess_init (SegPreprocess *self)
{
  *self = (SegPreprocess){ .orientation = "RAS",
                           .intensity = SEG_INTENSITY_ROBUST_Z,
                           .std = 1,
                           .percentile_low = 0.5,
                           .percentile_high = 99.5 };
}

/* --- choosing from scans -------------------------------------------------------------------- */

static int
compare_doubles (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* Hounsfield units: air is there and far below zero, bone or contrast above. */
static gboolean
looks_like_ct (VolumeScan *scan)
{
  float min, max;

  volume_scan_get_range (scan, &min, &max);
  return min < -500 && min >= -32768 && max > 100 && max - min > 1000;
}

static void
fit_window (SegPreprocess *self, VolumeScan *const *scans, gsize n_scans)
{
  double sum = 0, squares = 0, n = 0;

  self->window_low = CT_LOW;
  self->window_high = CT_HIGH;
  for (gsize s = 0; s < n_scans; s++)
    {
      const VolumeGeometry *geometry = volume_scan_get_geometry (scans[s]);
      gsize voxels = volume_scan_get_n_voxels (scans[s]);
      gsize step = MAX (voxels / SAMPLES_PER_SCAN, 1);

      for (gsize v = 0; v < voxels; v += step)
        {
          gsize row = v / (gsize) geometry->size[0];
          double value = volume_scan_get_value (scans[s], (int) (v % (gsize) geometry->size[0]),
                                                (int) (row % (gsize) geometry->size[1]),
                                                (int) (row / (gsize) geometry->size[1]));

          if (!isfinite (value))
            continue;
          value = CLAMP (value, CT_LOW, CT_HIGH);
          sum += value;
          squares += value * value;
          n++;
        }
    }
  self->mean = n > 0 ? sum / n : 0;
  self->std = n > 0 ? sqrt (MAX (squares / n - self->mean * self->mean, 0)) : 0;
  if (self->std < 1e-6)
    self->std = 1;
}

gboolean
seg_preprocess_fit (SegPreprocess *self, VolumeScan *const *scans, gsize n_scans, GError **error)
{
  gboolean all_ct = TRUE;

  if (n_scans == 0)
    {
      g_set_error_literal (error, SEG_ERROR, SEG_ERROR_MISMATCH,
                           "No scan to choose the pre-processing from");
      return FALSE;
    }
  seg_preprocess_init (self);
  for (int a = 0; a < 3; a++)
    {
      g_autofree double *spacings = g_new (double, n_scans);

      for (gsize s = 0; s < n_scans; s++)
        {
          g_autoptr (SegPrepared) frame =
              seg_prepared_new_for_geometry (self, volume_scan_get_geometry (scans[s]), error);

          if (frame == NULL)
            return FALSE;
          spacings[s] = volume_scan_get_geometry (scans[s])
                            ->spacing_mm[seg_prepared_get_scan_axis (frame, a)];
        }
      qsort (spacings, n_scans, sizeof *spacings, compare_doubles);
      if (spacings[n_scans - 1] > spacings[0] * SPACING_TOLERANCE)
        self->spacing_mm[a] = spacings[n_scans / 2];
    }
  /* One axis changed, the others must keep their own: 0 already says so. */
  for (gsize s = 0; s < n_scans; s++)
    all_ct &= looks_like_ct (scans[s]);
  if (all_ct)
    {
      self->intensity = SEG_INTENSITY_CT_WINDOW;
      fit_window (self, scans, n_scans);
    }
  return TRUE;
}

/* --- JSON ----------------------------------------------------------------------------------- */

char *
seg_preprocess_to_json (const SegPreprocess *self)
{
  GString *out = g_string_new ("{\"orientation\":");
  const struct
  {
    const char *key;
    double value;
  } numbers[] = {
    { "window_low", self->window_low },
    { "window_high", self->window_high },
    { "mean", self->mean },
    { "std", self->std },
    { "percentile_low", self->percentile_low },
    { "percentile_high", self->percentile_high },
  };

  seg_json_append_string (out, self->orientation);
  g_string_append (out, ",\"spacing_mm\":[");
  for (int a = 0; a < 3; a++)
    {
      g_string_append (out, a > 0 ? "," : "");
      seg_json_append_double (out, self->spacing_mm[a]);
    }
  g_string_append_printf (out, "],\"intensity\":\"%s\"", intensity_names[self->intensity]);
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_string_append_printf (out, ",\"%s\":", numbers[i].key);
      seg_json_append_double (out, numbers[i].value);
    }
  g_string_append_c (out, '}');
  return g_string_free (out, FALSE);
}

/* One letter of each pair R/L, A/P, S/I, in any order. */
static gboolean
is_orientation (const char *text)
{
  static const char *const pairs[3] = { "RL", "AP", "SI" };

  if (text == NULL || strlen (text) != 3)
    return FALSE;
  for (int p = 0; p < 3; p++)
    {
      int n = 0;

      for (int a = 0; a < 3; a++)
        n += strchr (pairs[p], text[a]) != NULL;
      if (n != 1)
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_json (SegPreprocess *self, const SegJson *json)
{
  const char *orientation = seg_json_get_string (seg_json_get (json, "orientation"));
  const char *intensity = seg_json_get_string (seg_json_get (json, "intensity"));
  const SegJson *spacing = seg_json_get (json, "spacing_mm");
  gboolean found = FALSE;

  if (!is_orientation (orientation) || intensity == NULL || spacing == NULL
      || spacing->kind != SEG_JSON_ARRAY || spacing->n != 3)
    return FALSE;
  memcpy (self->orientation, orientation, 4);
  for (int a = 0; a < 3; a++)
    if (!seg_json_get_double (spacing->values[a], &self->spacing_mm[a]) || self->spacing_mm[a] < 0)
      return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (intensity_names); i++)
    if (strcmp (intensity, intensity_names[i]) == 0)
      {
        self->intensity = (SegIntensity) i;
        found = TRUE;
      }
  return found && seg_json_get_double (seg_json_get (json, "window_low"), &self->window_low)
         && seg_json_get_double (seg_json_get (json, "window_high"), &self->window_high)
         && seg_json_get_double (seg_json_get (json, "mean"), &self->mean)
         && seg_json_get_double (seg_json_get (json, "std"), &self->std) && self->std > 0
         && seg_json_get_double (seg_json_get (json, "percentile_low"), &self->percentile_low)
         && seg_json_get_double (seg_json_get (json, "percentile_high"), &self->percentile_high)
         && self->percentile_low >= 0 && self->percentile_high <= 100
         && self->percentile_low <= self->percentile_high && self->window_low <= self->window_high;
}

gboolean
seg_preprocess_from_json (SegPreprocess *self, const char *text, GError **error)
{
  g_autoptr (SegJson) json = seg_json_parse (text, strlen (text), "pre-processing", error);
  SegPreprocess read = { 0 };

  if (json == NULL)
    return FALSE;
  if (!read_json (&read, json))
    {
      g_set_error_literal (error, SEG_ERROR, SEG_ERROR_FORMAT,
                           "pre-processing: a value is missing or out of range");
      return FALSE;
    }
  *self = read;
  return TRUE;
}

void
seg_preprocess_choose_patch (const int size[3], gsize n_voxels, gboolean square, int patch[3])
{
  for (int a = 0; a < 3; a++)
    patch[a] = MAX (size[a] / 16 * 16, 16);
  if (square)
    patch[0] = patch[1] = MIN (patch[0], patch[1]);
  /* The longest side gives way until about the volume wanted is left. */
  while ((gsize) patch[0] * (gsize) patch[1] * (gsize) patch[2] > n_voxels + n_voxels / 50)
    {
      int longest = 0;

      for (int a = 1; a < 3; a++)
        if (patch[a] > patch[longest])
          longest = a;
      if (patch[longest] == 16)
        break;
      patch[longest] -= 16;
      if (square && longest < 2)
        patch[0] = patch[1] = patch[longest];
    }
}
