/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/heartbeat.h"

#define PERIOD_MS 5

static guint source_id;
static gint64 last_us;
static GArray *late_ms; /* double */
static guint mark;

static gboolean
beat_cb (gpointer data)
{
  gint64 now = g_get_monotonic_time ();
  double late = (now - last_us) / 1000.0 - PERIOD_MS;

  if (last_us != 0)
    g_array_append_val (late_ms, late);
  last_us = now;
  return G_SOURCE_CONTINUE;
}

void
app_heartbeat_start (void)
{
  if (g_getenv ("CROSSLABEL_HEARTBEAT") == NULL || source_id != 0)
    return;
  late_ms = g_array_new (FALSE, FALSE, sizeof (double));
  source_id = g_timeout_add_full (G_PRIORITY_HIGH, PERIOD_MS, beat_cb, NULL, NULL);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static double
quantile (double q)
{
  return late_ms->len > 0 ? g_array_index (late_ms, double, (guint) (q * (late_ms->len - 1))) : 0;
}

void
app_heartbeat_mark (void)
{
  if (source_id != 0)
    mark = late_ms->len;
}

void
app_heartbeat_stop (void)
{
  g_autofree char *text = NULL;
  guint n_marked;
  double marked_max = 0;

  if (source_id == 0)
    return;
  g_source_remove (source_id);
  source_id = 0;
  n_marked = late_ms->len - mark;
  for (guint b = mark; b < late_ms->len; b++)
    marked_max = MAX (marked_max, g_array_index (late_ms, double, b));
  g_array_sort (late_ms, compare);
  text = g_strdup_printf ("{\"beats\":%u,\"median_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,"
                          "\"max_ms\":%.3f,\"marked_beats\":%u,\"marked_max_ms\":%.3f}\n",
                          late_ms->len, quantile (0.5), quantile (0.99), quantile (0.999),
                          quantile (1), n_marked, marked_max);
  g_file_set_contents (g_getenv ("CROSSLABEL_HEARTBEAT"), text, -1, NULL);
  g_clear_pointer (&late_ms, g_array_unref);
}
