/* SPDX-License-Identifier: Apache-2.0 */
/* The generalist labels the training scans anew. */
#include "config.h"

#include "app/trainer-private.h"
#include "volume/memory.h"

#include <glib/gi18n.h>

typedef struct
{
  AppTrainer *self;
  double done, of;
} Tick;

static gboolean
refresh_tick (double fraction, gpointer data)
{
  Tick *tick = data;
  g_autofree char *message =
      g_strdup_printf (_ ("The generalist labels scan %.0f of %.0f"), tick->done + 1, tick->of);

  app_trainer_tell_progress (tick->self, (tick->done + fraction) / tick->of, message);
  return app_trainer_check (tick->self, NULL);
}

typedef struct
{
  guint64 key;
  gsize index;
} Drawn;

static int
compare_drawn (gconstpointer a, gconstpointer b)
{
  guint64 x = ((const Drawn *) a)->key, y = ((const Drawn *) b)->key;

  return x < y ? -1 : x > y;
}

/* Where the truth is known (a simulation; nothing is trained on it here): how good the teacher's
 * own answer and the generalist's labels are on the scans that have no expert's. */
static gboolean
compare_with_truth (AppTrainer *self, const AppRoundScan *scan, const float *p,
                    const guint8 *labels, GError **error)
{
  gsize N = seg_prepared_get_n_voxels (scan->prepared);
  int K = self->plan->params.n_classes;
  g_autofree guint8 *truth = NULL;
  AppOverlap *teacher = self->against_truth, *generalist = self->against_truth + K;

  if (scan->truth_ijk == NULL || scan->label != NULL)
    return TRUE;
  truth = volume_memory_try (N, 1, error);
  if (truth == NULL)
    return FALSE;
  seg_prepared_labels_forward (scan->prepared, scan->truth_ijk, truth);
  for (gsize v = 0; v < N; v++)
    {
      int best = 0;

      for (int k = 1; k < K; k++)
        if (p[(gsize) k * N + v] > p[(gsize) best * N + v])
          best = k;
      app_overlap_add (teacher, (guint8) best, truth[v]);
      app_overlap_add (generalist, labels[v], truth[v]);
    }
  return TRUE;
}

static void
tell_truth (AppTrainer *self, gint64 step)
{
  int K = self->plan->params.n_classes;

  for (int k = 1; k < K; k++)
    {
      g_autofree char *teacher = g_strdup_printf ("simulated.teacher.%d", k);
      g_autofree char *generalist = g_strdup_printf ("simulated.generalist.%d", k);

      app_trainer_tell_metric (self, step, teacher, app_overlap_dice (&self->against_truth[k]));
      app_trainer_tell_metric (self, step, generalist,
                               app_overlap_dice (&self->against_truth[K + k]));
    }
}

static void
keep_agreed (const float *p, guint8 *labels, gsize N, int K)
{
  for (gsize v = 0; v < N; v++)
    for (int k = 0; k < K && labels[v] != SEG_PSEUDO_UNKNOWN; k++)
      if (p[(gsize) k * N + v] > p[labels[v] * N + v])
        labels[v] = SEG_PSEUDO_UNKNOWN;
}

static guint64
classes_of (const guint8 *labels, gsize n)
{
  guint64 seen = 0;

  for (gsize v = 0; v < n; v++)
    if (labels[v] < 64)
      seen |= G_GUINT64_CONSTANT (1) << labels[v];
  return seen;
}

/* A set of bits: classes in the labels of every labelled scan. */
static guint64
classes_in_all (const AppTrainer *self)
{
  guint64 all = ~G_GUINT64_CONSTANT (0);

  for (gsize i = 0; i < self->n_training; i++)
    {
      const AppRoundScan *scan = self->training[i];

      if (scan->label != NULL)
        all &= classes_of (scan->label, seg_prepared_get_n_voxels (scan->prepared));
    }
  return all & ~G_GUINT64_CONSTANT (1);
}

static void
set_background_unknown (guint8 *labels, gsize n)
{
  for (gsize v = 0; v < n; v++)
    if (labels[v] == 0)
      labels[v] = SEG_PSEUDO_UNKNOWN;
}

static gboolean
refresh_one (AppTrainer *self, AppRoundScan *scan, guint64 expected, Tick *tick,
             SegRefreshReport *report, GError **error)
{
  const SegMethodParams *params = &self->plan->params;
  gsize N = seg_prepared_get_n_voxels (scan->prepared);
  gsize K = (gsize) params->n_classes, C = (gsize) params->filters;
  const float *image = seg_prepared_get_image (scan->prepared);
  g_autofree float *p = volume_memory_try (N, K * sizeof *p, NULL);
  g_autofree float *f = volume_memory_try (N, C * sizeof *f, NULL);
  g_autofree guint8 *labels = volume_memory_try (N, 1, NULL);
  int size[3];

  if (p == NULL || f == NULL || labels == NULL)
    {
      g_set_error (
          error, SEG_ERROR, SEG_ERROR_OUT_OF_MEMORY,
          _ ("Not enough memory for the features of scan %s; the round stopped at its last "
             "checkpoint."),
          scan->name);
      return FALSE;
    }
  seg_prepared_get_size (scan->prepared, size);
  if (!seg_method_predict (self->method, SEG_METHOD_TEACHER, image, size, p, f, error))
    return FALSE;
  if (!seg_refresh_scan (&(SegRefreshParams){ .slice_step = self->plan->refresh_slice_step,
                                              .n_votes = 2,
                                              .scan = scan->id,
                                              .refresh = self->n_refreshed,
                                              .multimask = TRUE,
                                              .clean = params->clean_prompts,
                                              .cache = self->embeddings },
                         self->generalist, image, size, p, (int) K, f, (int) C, refresh_tick, tick,
                         labels, report, error))
    return FALSE;
  if (!compare_with_truth (self, scan, p, labels, error))
    return FALSE;
  if (params->agreement)
    keep_agreed (p, labels, N, (int) K);
  if (params->missing_unknown && (expected & ~classes_of (labels, N)) != 0)
    set_background_unknown (labels, N);
  g_free (scan->pseudo);
  scan->pseudo = g_steal_pointer (&labels);
  return TRUE;
}

gboolean
app_trainer_refresh (AppTrainer *self, GError **error)
{
  const AppTrainPlan *plan = self->plan;
  gsize n = plan->refresh_scans > 0 ? MIN ((gsize) plan->refresh_scans, self->n_training)
                                    : self->n_training;
  g_autofree Drawn *drawn = g_new (Drawn, self->n_training);
  Tick tick = { self, 0, (double) n };
  guint64 expected = classes_in_all (self);
  gint64 step = seg_method_get_step (self->method);
  gsize n_asked = 0, n_encoded = 0, n_cached = 0;
  double seconds = 0;
  gint64 start = g_get_monotonic_time ();

  /* A seeded draw, anew for each refresh. */
  for (gsize i = 0; i < self->n_training; i++)
    drawn[i] = (Drawn){ seg_hash4 (plan->params.seed, 0x5ef, (guint64) self->n_refreshed,
                                   (guint64) self->training[i]->id),
                        i };
  qsort (drawn, self->n_training, sizeof *drawn, compare_drawn);
  /* Nothing reads the labels that are replaced below. */
  for (gsize i = 0; i < self->n_training; i++)
    self->cases[i].pseudo = NULL;
  seg_loader_set_cases (self->loader, self->cases, self->n_training);
  g_free (self->against_truth);
  self->against_truth = g_new0 (AppOverlap, 2 * (gsize) plan->params.n_classes);
  for (gsize d = 0; d < n; d++, tick.done++)
    {
      SegRefreshReport report;

      if (!app_trainer_check (self, error)
          || !refresh_one (self, self->training[drawn[d].index], expected, &tick, &report, error))
        return FALSE;
      n_asked += (gsize) report.n_asked;
      n_encoded += (gsize) report.n_encoded;
      n_cached += (gsize) report.n_cached;
    }
  for (gsize i = 0; i < self->n_training; i++)
    self->cases[i].pseudo = self->training[i]->pseudo;
  seg_loader_set_cases (self->loader, self->cases, self->n_training);
  self->n_refreshed++;
  self->refreshed_step = step;
  seconds = (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC;
  app_trainer_tell_metric (self, step, "refresh.seconds", seconds);
  app_trainer_tell_metric (self, step, "refresh.asked", (double) n_asked);
  app_trainer_tell_metric (self, step, "refresh.encoded", (double) n_encoded);
  app_trainer_tell_metric (self, step, "refresh.cached", (double) n_cached);
  tell_truth (self, step);
  return app_trainer_save_pseudo (self, error);
}
