/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/job.h"

G_BEGIN_DECLS

/**
 * AppEngine:
 *
 * The one thread that owns the compute device, and the queue of jobs it works through, most urgent
 * kind first and in order of arrival within a kind. A prompt does not wait for the job that runs:
 * it is answered between two ops of that job, nested in its own arena. A more urgent job that
 * cannot be nested starts when the running one ends. The thread runs at nice 10, so that strokes
 * stay fluid on two cores.
 *
 * Threads: create, submit and shut down on the main thread.
 */
#define APP_TYPE_ENGINE (app_engine_get_type ())
G_DECLARE_FINAL_TYPE (AppEngine, app_engine, APP, ENGINE, GObject)

AppEngine *app_engine_new (void) G_GNUC_WARN_UNUSED_RESULT;

/* The program's engine, started on first use; the device has one owner. */
AppEngine *app_engine_get_default (void);

/**
 * app_engine_submit:
 *
 * Returns: (transfer full): the queued job. Its done callback comes on the thread-default main
 *   context of this call, also for jobs that never started.
 */
AppJob *app_engine_submit (AppEngine *self, const AppJobParams *params) G_GNUC_WARN_UNUSED_RESULT;

/**
 * app_engine_run:
 *
 * Submits, iterates the default main context until the job has ended, and hands back its outcome:
 * what the command line does.
 */
gboolean app_engine_run (AppEngine *self, const AppJobParams *params, GError **error);

/* (transfer none): GListModel of AppJob, the newest last. The last ended ones stay until
 * removed: eight answers and encodings, forty of all others. */
GListModel *app_engine_get_jobs (AppEngine *self);
void app_engine_remove_ended (AppEngine *self);

/* Whether a job of that kind runs, waits or is paused. (transfer none) (nullable) */
AppJob *app_engine_find_job (AppEngine *self, AppJobKind kind);

/**
 * app_engine_settle_async:
 *
 * Pauses what runs (or cancels it, if it cannot be paused), drops what waits, and answers when all
 * of it is over and has been told so: each done callback has been called. A round can then be
 * resumed from the project. Meanwhile new jobs are refused. Lasting jobs go on. Before a store is
 * closed. Ops are not torn off: it takes up to 2 s, and the caller's thread does not wait.
 */
void app_engine_settle_async (AppEngine *self, GAsyncReadyCallback callback, gpointer user_data);
void app_engine_settle_finish (AppEngine *self, GAsyncResult *result);

/* Asks the running job to pause, drops what is queued, and joins the thread: within 2 s. */
void app_engine_shutdown (AppEngine *self);

/* Whether the caller is on the engine thread. */
gboolean app_engine_is_current_thread (void);

/* For run functions, on the engine thread ------------------------------------------------------ */

typedef struct _SegContext SegContext;
typedef struct _SegDevice SegDevice;

/* The backend that a person prefers, by name; NULL or "" for the best one. Before the first job. */
void app_engine_prefer_backend (const char *name);

/* (transfer none): the device, opened at first use: the one that $CROSSLABEL_DEVICE names, or else
 * the one preferred. An error, and no other device, where that one is not to be had. */
SegDevice *app_engine_get_device (GError **error);

/* A fresh context on the device whose yield hook is app_engine_yield(). */
SegContext *app_engine_new_context (guint64 seed, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/**
 * app_engine_yield:
 *
 * Called between two ops, often: answers prompts (and embeddings, where what runs is less urgent)
 * right here.
 *
 * Returns: %FALSE if the job that runs shall stop now
 */
gboolean app_engine_yield (void);

G_END_DECLS
