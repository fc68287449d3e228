/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/flow-simulate.h"
#include "app/round-data.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define APP_SIMULATE_CLASSES 64

/* How good the pseudo-labels of one refresh were, by the truth. */
typedef struct
{
  gint64 step;
  double teacher[APP_SIMULATE_CLASSES], generalist[APP_SIMULATE_CLASSES];
} AppRefreshed;

typedef struct
{
  gint64 step, scan;
} AppSelected;

typedef struct
{
  const AppSimulateRequest *request;
  AppRoundData *data;
  char **truths; /* of data->scans */
  void (*said) (const char *, gpointer);
  gpointer said_data;

  AppJob *job;
  AppTrainPlan plan;
  GPtrArray *rounds; /* JsonNode of those that are finished */
  GArray *labelled; /* gint64, in the order they were labelled */
  char *folder;
  int round; /* the one at work, from 1 */
  double dice;
  double dice_per_class[256];
  double loss; /* moving average */
  GArray *refreshes; /* AppRefreshed, of this round */
  int turn; /* selections in the middle of this round */
  GArray *selected; /* AppSelected, by them */
} AppSimulation;

gint64 app_simulation_get_seed (const AppSimulation *self);
/* Of that step; made where there is none. Owned by @self, until the next call. */
AppRefreshed *app_simulation_refreshed_at (AppSimulation *self, gint64 step);
/* Appends what the round that is finished came to, and says so. */
void app_simulation_keep_round (AppSimulation *self, AppTrainer *trainer);

gboolean app_simulation_write_report (AppSimulation *self, gboolean complete, GError **error);
/* %FALSE with an error if there is a report of another simulation; *@found if there is one of this.
 */
gboolean app_simulation_read_report (AppSimulation *self, gboolean *found, GError **error);

/* What a checkpoint keeps of the round at work. */
char *app_simulation_note (AppSimulation *self) G_GNUC_WARN_UNUSED_RESULT;
gboolean app_simulation_take_note (AppSimulation *self, const char *note, GError **error);

G_END_DECLS
