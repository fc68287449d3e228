/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/prompter.h"
#include "db/labels.h"
#include "db/store.h"
#include "ui/window.h"

G_BEGIN_DECLS

/**
 * AppSession:
 *
 * One window's work: the open project, the open case with its scan and labels, the tool in hand,
 * and the way of every gesture into the journal. Whatever touches the disk is asynchronous (I8).
 *
 * Signals: "project-changed" (): another project, or none; "case-changed" (): another case is
 * shown, or none; "case-labels-changed" (): its labels or tasks changed.
 *
 * Threads: main.
 */
#define APP_TYPE_SESSION (app_session_get_type ())
G_DECLARE_FINAL_TYPE (AppSession, app_session, APP, SESSION, GObject)

AppSession *app_session_new (UiWindow *window) G_GNUC_WARN_UNUSED_RESULT;

UiWindow *app_session_get_window (AppSession *self);
UiViewState *app_session_get_state (AppSession *self);
DbStore *app_session_get_store (AppSession *self); /* NULL without a project */
DbLabels *app_session_get_labels (AppSession *self); /* NULL without a case */
VolumeScan *app_session_get_scan (AppSession *self);
gint64 app_session_get_case_id (AppSession *self); /* −1 for none */

/* Opens a project in this window, after closing the one before; what goes wrong is told in it.
 * Returns at once. */
void app_session_open_project (AppSession *self, const char *path);

/**
 * app_session_close_project_async:
 *
 * Lets go of the case and the project at once, pauses a round that runs, which the window says,
 * commits what is pending and gives the project back. Answers when that is done; what the window
 * shows then is the caller's choice. A second call waits for the same end.
 */
void app_session_close_project_async (AppSession *self, GAsyncReadyCallback callback,
                                      gpointer user_data);
void app_session_close_project_finish (AppSession *self, GAsyncResult *result);
/* The same for nobody who waits: the welcome page is shown then. */
void app_session_close_project (AppSession *self);
/* Whether one is open, or is being opened or closed. */
gboolean app_session_has_project (AppSession *self);

/* Shows a case; what goes wrong is told. Returns at once. */
void app_session_open_case (AppSession *self, gint64 case_id);
void app_session_next_case (AppSession *self);
void app_session_previous_case (AppSession *self);
/* Not now: the case goes behind the others, with the reason in the audit trail. */
void app_session_skip_case (AppSession *self, const char *reason);

/* Who answers prompts; NULL: the prompt tools say what is missing. */
void app_session_set_prompter (AppSession *self, AppPrompter *prompter);

/* Ends an edit and hands it to the journal; shown at once, told in the window if it fails. An empty
 * one is passed over. */
void app_session_commit (AppSession *self, VolumeEditBuilder *builder, VolumeProvenance provenance,
                         const char *tool, const DbEditInfo *info);
void app_session_undo (AppSession *self);
void app_session_redo (AppSession *self);
void app_session_jump (AppSession *self, gint64 edit_id);
void app_session_revert (AppSession *self, gint64 edit_id);

/* Tasks of the open case: slices to be labelled. */
DbSliceTask *app_session_find_task (AppSession *self, VolumePlane plane, int index); /* or NULL */
DbSliceTask *app_session_get_task (AppSession *self, VolumePlane plane); /* the plane's first */
void app_session_go_to_task (AppSession *self, VolumePlane plane);
void app_session_go_to_tasks (AppSession *self);
/* Signs the plane's slice shown, or takes the signature back. */
void app_session_toggle_signed (AppSession *self, VolumePlane plane);
void app_session_move_task_here (AppSession *self, VolumePlane plane);
void app_session_propose_here (AppSession *self);
void app_session_next_conflict (AppSession *self);
/* The plane a person worked in last. */
VolumePlane app_session_get_plane (AppSession *self);

/* Commands of the tool in hand. */
void app_session_tool_accept (AppSession *self);
void app_session_tool_discard (AppSession *self);
void app_session_tool_back (AppSession *self);
void app_session_prompt_next_mask (AppSession *self);
void app_session_prompt_propagate (AppSession *self);
void app_session_interpolate (AppSession *self);
/* @step: −1 from the slice below, +1 from the one above, in the order of indices. */
void app_session_copy_neighbour (AppSession *self, int step);

G_END_DECLS
