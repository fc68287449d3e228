/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/session-build.h"
#include "app/session.h"
#include "app/shown-labels.h"
#include "app/thumbnails.h"
#include "app/tool.h"

G_BEGIN_DECLS

/* The parts of AppSession: session.c (case), session-project.c, session-labels.c (edits),
 * session-tasks.c (slices to be labelled), tool*.c (gestures). */
struct _AppSession
{
  GObject parent_instance;

  UiWindow *window; /* the application keeps it; NULL after it was destroyed */
  UiViewState *state;
  DbStore *store;
  AppThumbnails *thumbnails;
  GCancellable *opening; /* the project or case that is being opened */

  /* A project that is being closed: its jobs, then its store. */
  DbStore *closing_store;
  GPtrArray *closing; /* GTask: who waits for it; NULL otherwise */
  char *next_path; /* of the project to be opened then */
  gboolean is_opening_project;

  /* The open case. */
  gint64 case_id;
  DbLabels *labels;
  VolumeScan *scan;
  AppShownLabels *shown;
  GListModel *tasks; /* DbSliceTask of the case */
  guint n_pending; /* commits on their way */
  const AppBuild *building; /* an edit that a worker makes, or NULL */
  guint building_id; /* until it is told */

  /* Read ahead: the scan of the case that comes next. */
  gint64 ahead_id;
  VolumeScan *ahead;
  GCancellable *ahead_cancellable;

  /* Tools */
  AppTool *tool;
  AppPrompter *prompter;
  VolumePlane plane; /* a person worked there last */

  /* Crossing check */
  GArray *conflicts; /* AppConflict */
  guint conflict_next;

  /* Clock of the slice in hand. */
  gint64 last_action_us;
  double seconds;
  gint64 seconds_task;

  guint view_id, check_id, clock_id;
  GPtrArray *watched_labels; /* DbLabel whose notify is followed */
};

typedef struct
{
  int ijk[3];
  VolumePlane plane_a, plane_b;
} AppConflict;

/* session.c */
void app_session_project_changed (AppSession *self);
void app_session_close_case (AppSession *self);
/* What was read ahead. */
void app_session_forget_ahead (AppSession *self);
/* The case to be labelled next, or −1. */
gint64 app_session_find_next (AppSession *self);
void app_session_tell (AppSession *self, const char *what, const GError *error);
void app_session_view_changed (AppSession *self);

/* session-labels.c */
void app_session_labels_opened (AppSession *self);
void app_session_labels_closing (AppSession *self);
void app_session_update_look (AppSession *self);
void app_session_watch_labels (AppSession *self, gboolean watch);
/* A builder on the committed map, and one on the shown map, with what a hand may touch (I4).
 * The guard is only valid until labels change: use it at once. */
VolumeEditBuilder *app_session_new_builder (AppSession *self, VolumeProvenance provenance,
                                            gboolean on_shown) G_GNUC_WARN_UNUSED_RESULT;
/* Ends the builder with a fresh id and commits. */
void app_session_commit_builder (AppSession *self, VolumeEditBuilder *builder,
                                 VolumeProvenance provenance, const char *tool, const char *detail);
/* As app_session_commit(); @done is told the edit's id, or −1 where it could not be kept, and frees
 * @data. Not for an edit without voxels. */
typedef void (*AppCommitted) (AppSession *self, gint64 edit, gpointer data);
void app_session_commit_then (AppSession *self, VolumeEdit *edit, const DbEditInfo *info,
                              AppCommitted done, gpointer data);
/* The same of what a worker made; not for a draft without voxels. */
void app_session_commit_draft (AppSession *self, DbDraft *draft, const DbEditInfo *info,
                               AppCommitted done, gpointer data);
/* Whether a slice may be drawn on: not if it is signed; told in the window. */
gboolean app_session_may_draw (AppSession *self, VolumePlane plane, int index);

/* session-build.c: nobody waits for what is being made any more. */
void app_session_build_closing (AppSession *self);

/* session-tasks.c */
void app_session_tasks_opened (AppSession *self);
void app_session_tasks_closing (AppSession *self);
void app_session_tasks_changed (AppSession *self);
/* Asks the prompter to encode what will be prompted soon. */
void app_session_prefetch (AppSession *self);
void app_session_check_later (AppSession *self);
void app_session_worked (AppSession *self, VolumePlane plane);
void app_session_flush_seconds (AppSession *self);

G_END_DECLS
