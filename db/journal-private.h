/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "db/labels.h"
#include "db/store-private.h"

G_BEGIN_DECLS

/* The writes of the journal (I9). labels.c is their only caller. */

/* @runs: @edit, serialized. Result: the edit's id. DB_ERROR_CONFLICT if the case does not stand at
 * @parent. */
DbWrite *db_journal_write_edit (gint64 case_id, gint64 parent, VolumeEdit *edit, GBytes *runs,
                                const DbEditInfo *info);

/* One step on the way from one place in the history to another. */
typedef struct
{
  VolumeEdit *edit;
  gboolean revert; /* take it back; else apply it */
} DbStep;

/* @kind UNDO, REDO, or JUMP to @target. @steps gets DbStep while it runs. Result: the new head. */
DbWrite *db_journal_write_move (gint64 case_id, gint64 expected_head, DbMove kind, gint64 target,
                                GPtrArray *steps);
GPtrArray *db_journal_new_steps (void);

GBytes *db_journal_make_snapshot (DbStore *store, gint64 case_id, gint64 edit, GError **error);
DbWrite *db_journal_write_snapshot (gint64 case_id, gint64 edit, GBytes *map);

/* The labels now, with the head they stand at, in one look. */
VolumeLabelMap *db_journal_read_labels (DbConn *conn, gint64 case_id, gint64 *head, GError **error);

/* Edits between two snapshots of one branch. */
#define DB_SNAPSHOT_EVERY 256
/* How many snapshots a case keeps. */
#define DB_SNAPSHOTS_KEPT 4

G_END_DECLS
