/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "active/select.h"

#include <math.h>
#include <string.h>

/* Beyond this many candidates the two groups are found by k-means, not by trying all. */
#define MAX_ENUMERATED 16
#define N_RESTARTS 10
#define MAX_ITERATIONS 300

static const char *const names[ACTIVE_N_STRATEGIES] = {
  "uncertainty-diversity", "random",         "entropy",    "least-confidence",
  "class-stratified",      "representative", "cold-start",
};

const char *
active_strategy_get_name (ActiveStrategy strategy)
{
  g_return_val_if_fail ((int) strategy >= 0 && strategy < ACTIVE_N_STRATEGIES, NULL);
  return names[strategy];
}

gboolean
active_strategy_from_name (const char *name, ActiveStrategy *strategy)
{
  for (int s = 0; s < ACTIVE_N_STRATEGIES; s++)
    if (strcmp (names[s], name) == 0)
      {
        *strategy = (ActiveStrategy) s;
        return TRUE;
      }
  return FALSE;
}

gboolean
active_strategy_needs_prediction (ActiveStrategy strategy)
{
  return strategy != ACTIVE_STRATEGY_COLD_START && strategy != ACTIVE_STRATEGY_REPRESENTATIVE;
}

void
active_choice_clear (ActiveChoice *self)
{
  g_clear_pointer (&self->reason, g_free);
}

/* The work in progress --------------------------------------------------------------------------
 */

typedef struct
{
  const ActiveFeatures *features;
  gsize n;
  const ActiveSelectParams *params;
  gboolean *open; /* may still be chosen */
  gboolean *known; /* labelled, or chosen: what later choices keep a distance from */
  gsize n_open;
  GArray *choices;
} Selection;

static guint64
mix (guint64 a, guint64 b)
{
  guint64 h = a * 0x9e3779b97f4a7c15u ^ (b + 0x632be59bd9b4e019u);

  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
  h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
  return h ^ (h >> 31);
}

/* Uniform in (0, 1), a function of the seed and the scan alone: the order of scans is no matter. */
static double
uniform_of_scan (const Selection *self, gsize position, guint64 purpose)
{
  guint64 h = mix (mix (self->params->seed, purpose), (guint64) self->features[position].scan);

  return ((double) (h >> 11) + 0.5) * 0x1p-53;
}

static void
choose (Selection *self, gsize position, double score, gboolean from_random, int cluster,
        char *reason)
{
  ActiveChoice choice = {
    .position = position,
    .scan = self->features[position].scan,
    .rank = (int) self->choices->len,
    .score = score,
    .from_random = from_random,
    .cluster = cluster,
    .reason = reason,
  };

  g_array_append_val (self->choices, choice);
  self->open[position] = FALSE;
  self->known[position] = TRUE;
  self->n_open--;
}

/* The open scan with the largest score; the smaller id of equals. */
static gsize
best_open (const Selection *self, const double *scores)
{
  gsize best = G_MAXSIZE;

  for (gsize i = 0; i < self->n; i++)
    if (self->open[i]
        && (best == G_MAXSIZE || scores[i] > scores[best]
            || (scores[i] == scores[best] && self->features[i].scan < self->features[best].scan)))
      best = i;
  return best;
}

/* 1 for the open scan with the largest score. */
static gsize
place_of (const Selection *self, const double *scores, gsize position)
{
  gsize place = 1;

  for (gsize i = 0; i < self->n; i++)
    place += self->open[i] && scores[i] > scores[position];
  return place;
}

static gsize
count_known (const Selection *self)
{
  gsize n = 0;

  for (gsize i = 0; i < self->n; i++)
    n += self->known[i];
  return n;
}

/* Foreground-aware random ------------------------------------------------------------------------
 */

static void
choose_random (Selection *self)
{
  g_autofree double *scores = g_new (double, self->n);
  gsize n_foreground = 0, found;

  for (gsize i = 0; i < self->n; i++)
    if (self->open[i] && self->features[i].foreground_voxels > 0)
      n_foreground++;
  for (gsize i = 0; i < self->n; i++)
    {
      /* Scans without predicted foreground come last, but come. */
      gboolean aside = n_foreground > 0 && self->features[i].foreground_voxels == 0;

      scores[i] = uniform_of_scan (self, i, 1) - (aside ? 1 : 0);
    }
  found = best_open (self, scores);
  choose (self, found, scores[found], self->params->strategy != ACTIVE_STRATEGY_RANDOM, -1,
          n_foreground > 0
              ? g_strdup_printf ("drawn at random among the %" G_GSIZE_FORMAT
                                 " unlabelled scans in which the structure is predicted",
                                 n_foreground)
              : g_strdup ("drawn at random among the unlabelled scans"));
}

/* One number per scan
 * ------------------------------------------------------------------------------ */

static void
choose_by_score (Selection *self)
{
  gboolean entropy = self->params->strategy == ACTIVE_STRATEGY_ENTROPY;
  g_autofree double *scores = g_new (double, self->n);
  gsize found, n_open = self->n_open;

  for (gsize i = 0; i < self->n; i++)
    scores[i] = entropy ? self->features[i].mean_entropy : self->features[i].least_confidence;
  found = best_open (self, scores);
  choose (self, found, scores[found], FALSE, -1,
          entropy
              ? g_strdup_printf ("mean uncertainty %.4f, the highest of %" G_GSIZE_FORMAT
                                 " unlabelled scans",
                                 scores[found], n_open)
              : g_strdup_printf ("its least certain quarter is only %.0f %% sure, the lowest of "
                                 "%" G_GSIZE_FORMAT " unlabelled scans",
                                 100 * (1 - scores[found]), n_open));
}

/* Class-stratified entropy with power noise (after ClaSP PE) --------------------------------------
 */

static void
choose_class_stratified (Selection *self)
{
  const ActiveSelectParams *params = self->params;
  g_autofree double *scores = g_new (double, self->n);
  int n_classes = 0, class;
  /* Much noise in the first round, nearly none in the last: β from 1 to 100, evenly in its log. */
  double progress =
      params->n_rounds > 1 ? CLAMP ((params->round - 1.0) / (params->n_rounds - 1.0), 0, 1) : 1;
  double beta = pow (100, progress);
  gsize found;

  for (gsize i = 0; i < self->n; i++)
    n_classes = MAX (n_classes, self->features[i].n_classes);
  /* Classes in turn, one choice each; every third choice looks at all of them. */
  class = self->choices->len % 3 == 2 || n_classes < 3
              ? -1
              : 1 + (int) (self->choices->len - self->choices->len / 3) % (n_classes - 1);
  for (gsize i = 0; i < self->n; i++)
    {
      const ActiveFeatures *f = &self->features[i];
      double entropy = class < 0 ? f->mean_entropy : f->class_entropy[class];
      double gumbel = -log (-log (uniform_of_scan (self, i, 100 + self->choices->len)));

      scores[i] = log (MAX (entropy, 1e-12)) + gumbel / beta;
    }
  found = best_open (self, scores);
  if (class < 0)
    choose (self, found, scores[found], FALSE, -1,
            g_strdup_printf ("mean uncertainty %.4f over all classes, drawn with noise 1/%.0f",
                             self->features[found].mean_entropy, beta));
  else
    choose (
        self, found, scores[found], FALSE, -1,
        g_strdup_printf ("uncertainty %.3f where class %d is predicted, drawn with noise 1/%.0f",
                         self->features[found].class_entropy[class], class, beta));
}

/* Distances between scans
 * --------------------------------------------------------------------------- */

static double
histogram_distance (const ActiveFeatures *a, const ActiveFeatures *b)
{
  double sum = 0;

  for (int bin = 0; bin < ACTIVE_N_BINS; bin++)
    sum += (a->histogram[bin] - b->histogram[bin]) * (a->histogram[bin] - b->histogram[bin]);
  return sum;
}

/* Spread of each shape number over all scans, so that millimetres and skewness weigh alike. */
static void
shape_scales (const Selection *self, double scale[ACTIVE_N_SHAPE])
{
  for (int s = 0; s < ACTIVE_N_SHAPE; s++)
    {
      double sum = 0, square = 0, variance;

      for (gsize i = 0; i < self->n; i++)
        sum += self->features[i].shape[s];
      for (gsize i = 0; i < self->n; i++)
        {
          double rest = self->features[i].shape[s] - sum / (double) self->n;

          square += rest * rest;
        }
      variance = square / (double) self->n;
      scale[s] = variance > 1e-12 ? 1 / sqrt (variance) : 0;
    }
}

static double
scan_distance (const Selection *self, const double scale[ACTIVE_N_SHAPE], gsize i, gsize j)
{
  const ActiveFeatures *a = &self->features[i], *b = &self->features[j];
  double sum = 0;

  for (int s = 0; s < ACTIVE_N_SHAPE; s++)
    {
      double rest = (a->shape[s] - b->shape[s]) * scale[s];

      sum += rest * rest / ACTIVE_N_SHAPE;
    }
  return sqrt (sum + 10 * histogram_distance (a, b));
}

static gsize
most_central (const Selection *self, const double scale[ACTIVE_N_SHAPE])
{
  gsize best = G_MAXSIZE;
  double least = INFINITY;

  for (gsize i = 0; i < self->n; i++)
    {
      double sum = 0;

      if (!self->open[i])
        continue;
      for (gsize j = 0; j < self->n; j++)
        sum += scan_distance (self, scale, i, j);
      if (sum < least || (sum == least && self->features[i].scan < self->features[best].scan))
        {
          least = sum;
          best = i;
        }
    }
  return best;
}

/* The cold start begins in the middle and goes to what is farthest from all that is known; so does
 * representativeness, which is never asked before something is labelled in practice. */
static void
choose_farthest (Selection *self)
{
  double scale[ACTIVE_N_SHAPE];
  g_autofree double *scores = g_new (double, self->n);
  gsize found, n_known = count_known (self);

  shape_scales (self, scale);
  if (n_known == 0)
    {
      found = most_central (self, scale);
      choose (self, found, 0, FALSE, -1,
              g_strdup_printf (
                  "the most typical of %" G_GSIZE_FORMAT " scans by intensity and size", self->n));
      return;
    }
  for (gsize i = 0; i < self->n; i++)
    {
      scores[i] = INFINITY;
      for (gsize j = 0; j < self->n; j++)
        if (self->known[j])
          scores[i] = MIN (scores[i], scan_distance (self, scale, i, j));
    }
  found = best_open (self, scores);
  choose (self, found, scores[found], FALSE, -1,
          g_strdup_printf ("the least like the %" G_GSIZE_FORMAT
                           " scans chosen so far by intensity and size (distance %.2f)",
                           n_known, scores[found]));
}

/* GM-ABS: share of uncertain voxels, then two groups of unlike histograms
 * --------------------------- */

/* Sum of squared distances to the two groups' means; @group: 0 or 1 for each candidate. */
static double
inertia (const Selection *self, const gsize *candidates, gsize m, const guint8 *group)
{
  double centre[2][ACTIVE_N_BINS] = { { 0 } }, sum = 0;
  gsize n[2] = { 0, 0 };

  for (gsize c = 0; c < m; c++)
    {
      n[group[c]]++;
      for (int bin = 0; bin < ACTIVE_N_BINS; bin++)
        centre[group[c]][bin] += self->features[candidates[c]].histogram[bin];
    }
  for (gsize c = 0; c < m; c++)
    for (int bin = 0; bin < ACTIVE_N_BINS; bin++)
      {
        double rest = self->features[candidates[c]].histogram[bin]
                      - centre[group[c]][bin] / (double) n[group[c]];

        sum += rest * rest;
      }
  return sum;
}

/* The best of all splits in two: candidate 0 is in group 0, so 2^(m−1) − 1 of them. */
static void
split_exactly (const Selection *self, const gsize *candidates, gsize m, guint8 *group)
{
  g_autofree guint8 *tried = g_new0 (guint8, m);
  double least = INFINITY;

  for (guint32 bits = 1; bits < 1u << (m - 1); bits++)
    {
      double found;

      for (gsize c = 1; c < m; c++)
        tried[c] = bits >> (c - 1) & 1;
      found = inertia (self, candidates, m, tried);
      if (found < least)
        {
          least = found;
          memcpy (group, tried, m);
        }
    }
}

static double
lloyd (const Selection *self, const gsize *candidates, gsize m, gsize first, gsize second,
       guint8 *group)
{
  double centre[2][ACTIVE_N_BINS];

  memcpy (centre[0], self->features[candidates[first]].histogram, sizeof centre[0]);
  memcpy (centre[1], self->features[candidates[second]].histogram, sizeof centre[1]);
  for (int iteration = 0; iteration < MAX_ITERATIONS; iteration++)
    {
      gboolean moved = FALSE;
      gsize n[2] = { 0, 0 };

      for (gsize c = 0; c < m; c++)
        {
          const double *h = self->features[candidates[c]].histogram;
          double distance[2] = { 0, 0 };
          guint8 nearest;

          for (int g = 0; g < 2; g++)
            for (int bin = 0; bin < ACTIVE_N_BINS; bin++)
              distance[g] += (h[bin] - centre[g][bin]) * (h[bin] - centre[g][bin]);
          nearest = distance[1] < distance[0];
          moved |= iteration == 0 || nearest != group[c];
          group[c] = nearest;
          n[nearest]++;
        }
      if (!moved || n[0] == 0 || n[1] == 0)
        break;
      memset (centre, 0, sizeof centre);
      for (gsize c = 0; c < m; c++)
        for (int bin = 0; bin < ACTIVE_N_BINS; bin++)
          centre[group[c]][bin] +=
              self->features[candidates[c]].histogram[bin] / (double) n[group[c]];
    }
  return inertia (self, candidates, m, group);
}

/* k-means++ with restarts, seeded. */
static void
split_by_kmeans (const Selection *self, const gsize *candidates, gsize m, guint8 *group)
{
  g_autofree guint8 *tried = g_new0 (guint8, m);
  double least = INFINITY;

  for (int r = 0; r < N_RESTARTS; r++)
    {
      guint64 h = mix (mix (self->params->seed, 7), (guint64) r);
      gsize first = h % m, second = first;
      double total = 0, at;

      for (gsize c = 0; c < m; c++)
        total +=
            histogram_distance (&self->features[candidates[c]], &self->features[candidates[first]]);
      at = total * ((double) (mix (h, 1) >> 11) * 0x1p-53);
      for (gsize c = 0; c < m && at >= 0; c++)
        {
          double d = histogram_distance (&self->features[candidates[c]],
                                         &self->features[candidates[first]]);

          at -= d;
          if (d > 0)
            second = c;
        }
      at = lloyd (self, candidates, m, first, second, tried);
      if (at < least)
        {
          least = at;
          memcpy (group, tried, m);
        }
    }
}

static gsize
n_candidates_wanted (const Selection *self)
{
  double share = self->params->candidate_share > 0 ? self->params->candidate_share : 0.1;

  return MAX ((gsize) floor (share * (double) self->n + 1e-9), 1);
}

/* As released: the top of all scans, where a labelled one is put to 0 and the same place of the new
 * order taken instead, so that some candidates come twice. */
static gsize
candidates_as_released (const Selection *self, const double *scores, gsize *candidates)
{
  gsize m = MIN (n_candidates_wanted (self), self->n);
  g_autofree double *left = g_memdup2 (scores, self->n * sizeof *scores);
  g_autofree gsize *order = g_new (gsize, self->n);

  for (gsize c = 0; c < m; c++)
    {
      for (gsize tries = 0; tries <= self->n; tries++)
        {
          for (gsize i = 0; i < self->n; i++)
            {
              gsize at = i;

              /* Insertion keeps equal ones in order, which is what a stable sort gives. */
              for (; at > 0 && left[order[at - 1]] < left[i]; at--)
                order[at] = order[at - 1];
              order[at] = i;
            }
          if (self->open[order[c]])
            break;
          left[order[c]] = 0;
        }
      candidates[c] = order[c];
    }
  return m;
}

static gsize
candidates_fixed (Selection *self, const double *scores, gsize n_wanted, gsize *candidates)
{
  gsize m = MIN (MAX (n_candidates_wanted (self), MAX (n_wanted, 2)), self->n_open);
  g_autofree gboolean *open = g_memdup2 (self->open, self->n * sizeof *open);

  for (gsize c = 0; c < m; c++)
    {
      candidates[c] = best_open (self, scores);
      self->open[candidates[c]] = FALSE;
    }
  memcpy (self->open, open, self->n * sizeof *open);
  return m;
}

static char *
diversity_reason (const Selection *self, const double *scores, gsize position, gsize m,
                  gsize n_alike)
{
  return g_strdup_printf ("%.1f %% of its voxels are uncertain, place %" G_GSIZE_FORMAT
                          " of %" G_GSIZE_FORMAT " unlabelled scans; it stands for %" G_GSIZE_FORMAT
                          " of the %" G_GSIZE_FORMAT " most uncertain ones with like intensities",
                          100 * scores[position], place_of (self, scores, position), self->n_open,
                          n_alike, m);
}

static void
choose_uncertain_and_diverse (Selection *self, gsize n_wanted)
{
  g_autofree double *scores = g_new (double, self->n);
  g_autofree gsize *candidates = g_new (gsize, self->n);
  g_autofree guint8 *group = g_new0 (guint8, self->n);
  gboolean parity = self->params->parity;
  gsize m, n_in[2] = { 0, 0 }, before = self->choices->len;

  for (gsize i = 0; i < self->n; i++)
    scores[i] = self->features[i].uncertain_share;
  m = parity ? candidates_as_released (self, scores, candidates)
             : candidates_fixed (self, scores, n_wanted, candidates);
  if (m >= 2)
    {
      if (parity || m > MAX_ENUMERATED)
        split_by_kmeans (self, candidates, m, group);
      else
        split_exactly (self, candidates, m, group);
    }
  for (gsize c = 0; c < m; c++)
    n_in[group[c]]++;

  /* The groups in turn, each by falling uncertainty; candidates come in that order. */
  for (gsize turn = 0; self->choices->len - before < n_wanted && turn < 2 * m; turn++)
    {
      /* The group of the most uncertain candidate goes first. */
      int g = (int) (turn % 2) ^ group[0];

      if (parity && (turn >= 2 || n_in[g] <= 1))
        continue;
      for (gsize c = 0; c < m; c++)
        if (group[c] == g && self->open[candidates[c]])
          {
            gsize position = candidates[c];

            choose (self, position, scores[position], FALSE, g,
                    diversity_reason (self, scores, position, m, n_in[g]));
            break;
          }
    }
}

/* -------------------------------------------------------------------------------------------------
 */

static void
choose_next (Selection *self)
{
  switch (self->params->strategy)
    {
    case ACTIVE_STRATEGY_RANDOM:
      choose_random (self);
      break;
    case ACTIVE_STRATEGY_ENTROPY:
    case ACTIVE_STRATEGY_LEAST_CONFIDENCE:
      choose_by_score (self);
      break;
    case ACTIVE_STRATEGY_CLASS_STRATIFIED:
      choose_class_stratified (self);
      break;
    case ACTIVE_STRATEGY_REPRESENTATIVE:
    case ACTIVE_STRATEGY_COLD_START:
      choose_farthest (self);
      break;
    case ACTIVE_STRATEGY_UNCERTAINTY_DIVERSITY:
    default:
      g_assert_not_reached ();
    }
}

static int
compare_rank (gconstpointer a, gconstpointer b)
{
  return ((const ActiveChoice *) a)->rank - ((const ActiveChoice *) b)->rank;
}

GArray *
active_select (const ActiveFeatures *features, const gboolean *labelled, const gboolean *skipped,
               gsize n, const ActiveSelectParams *params)
{
  Selection self = { .features = features, .n = n, .params = params };
  gsize n_wanted, n_random;

  self.choices = g_array_new (FALSE, TRUE, sizeof (ActiveChoice));
  g_array_set_clear_func (self.choices, (GDestroyNotify) active_choice_clear);
  self.open = g_new0 (gboolean, MAX (n, 1));
  self.known = g_new0 (gboolean, MAX (n, 1));
  for (gsize i = 0; i < n; i++)
    {
      self.known[i] = labelled[i];
      self.open[i] = !labelled[i] && !(skipped != NULL && skipped[i]);
      self.n_open += self.open[i];
    }
  n_wanted = MIN ((gsize) MAX (params->n_wanted, 0), self.n_open);
  n_random = params->strategy == ACTIVE_STRATEGY_RANDOM
                 ? 0
                 : (gsize) floor (CLAMP (params->random_share, 0, 1) * (double) n_wanted + 0.5);

  if (params->strategy == ACTIVE_STRATEGY_UNCERTAINTY_DIVERSITY && n_wanted > n_random)
    choose_uncertain_and_diverse (&self, n_wanted - n_random);
  else
    while (self.choices->len + n_random < n_wanted)
      choose_next (&self);
  for (gsize r = 0; r < n_random && self.n_open > 0; r++)
    choose_random (&self);

  g_array_sort (self.choices, compare_rank);
  g_free (self.open);
  g_free (self.known);
  return self.choices;
}
