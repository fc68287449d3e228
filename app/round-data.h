/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/round-scan.h"
#include "db/store.h"

G_BEGIN_DECLS

/**
 * AppRoundData: what a round needs of a project, read on the store's thread and then handed whole
 * to the engine thread.
 *
 * @scans: (element-type AppRoundScan): in order of id
 * @label_ids: of the classes 1 … K − 1
 */
typedef struct
{
  DbStore *store; /* for reads and writes, which any thread may do */
  GPtrArray *scans;
  GArray *label_ids; /* guint16 */
  char **label_names;
  int n_classes; /* background included */
} AppRoundData;

/* Main thread. */
AppRoundData *app_round_data_new (DbStore *store) G_GNUC_WARN_UNUSED_RESULT;
void app_round_data_free (AppRoundData *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AppRoundData, app_round_data_free)

AppRoundScan *app_round_data_find (AppRoundData *self, gint64 id);

/* Class of a label id; 0 for one that is none of the project's. */
guint8 app_round_data_class_of (const AppRoundData *self, guint16 label);

/* Labelled domains as of @journal_seq: planes or complete, without the labels themselves. Any
 * thread. */
gboolean app_round_data_read_domains (AppRoundData *self, gint64 journal_seq, GError **error);
/* Labels of the labelled scans as of @journal_seq. Any thread. */
gboolean app_round_data_read_labels (AppRoundData *self, gint64 journal_seq, GError **error);

G_END_DECLS
