/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <gio/gio.h>

#include "app/app-types.h"

G_BEGIN_DECLS

/* What a job does, in order of urgency. Stored in projects: never renumber. */
typedef enum
{
  APP_JOB_PROMPT = 0,
  APP_JOB_EMBEDDING = 1,
  APP_JOB_TRAINING = 2,
  APP_JOB_PREDICTION = 3,
  APP_JOB_SELECTION = 4,
} AppJobKind;
#define APP_N_JOB_KINDS 5

/* Stored in projects: never renumber. */
typedef enum
{
  APP_JOB_STATE_QUEUED = 0,
  APP_JOB_STATE_RUNNING = 1,
  APP_JOB_STATE_PAUSED = 2, /* stopped at a consistent state and can be resumed */
  APP_JOB_STATE_DONE = 3,
  APP_JOB_STATE_FAILED = 4,
  APP_JOB_STATE_CANCELLED = 5,
} AppJobState;

typedef enum
{
  APP_JOB_ERROR_PAUSED, /* the run function stopped because a pause was asked for */
  APP_JOB_ERROR_CANCELLED, /* … a cancel */
  APP_JOB_ERROR_SHUTDOWN, /* the engine was shut down before the job started */
  APP_JOB_ERROR_FAILED, /* the work itself cannot go on; the message says why */
} AppJobError;
#define APP_JOB_ERROR (app_job_error_quark ())
GQuark app_job_error_quark (void);

/**
 * AppJob:
 *
 * One piece of work for the engine thread, as the activity area shows it. Properties, all notified
 * on the main thread at most ten times a second while it runs: "kind", "title", "state",
 * "fraction" (0…1), "message", "seconds-left" (−1 unknown), "error-message" (or NULL).
 *
 * Threads: properties, pause, resume, cancel on the main thread; app_job_progress(),
 * app_job_check() and app_job_post() inside the run function.
 */
#define APP_TYPE_JOB (app_job_get_type ())
G_DECLARE_FINAL_TYPE (AppJob, app_job, APP, JOB, GObject)

/**
 * AppJobParams:
 * @title: one phrase for people, translated
 * @run: on the engine thread; %FALSE with @error set when it failed, was paused or was cancelled
 *   (hand on what app_job_check() gave)
 * @done: (nullable): on the main context, once, when the job has ended; @error is NULL for success
 * @data: given to both; freed by @destroy on the main context after @done
 * @pausable: %TRUE if @run keeps what is needed to go on, so that pause is offered
 * @lasting: %TRUE if it is of the program and not of an open project: closing one leaves it alone
 */
typedef struct
{
  AppJobKind kind;
  const char *title;
  gboolean (*run) (AppJob *job, gpointer data, GError **error);
  void (*done) (AppJob *job, gpointer data, const GError *error);
  gpointer data;
  GDestroyNotify destroy;
  gboolean pausable;
  gboolean lasting;
} AppJobParams;

AppJobKind app_job_get_kind (AppJob *self);
AppJobState app_job_get_state (AppJob *self);
const char *app_job_get_title (AppJob *self);
double app_job_get_fraction (AppJob *self);
const char *app_job_get_message (AppJob *self);
double app_job_get_seconds_left (AppJob *self);
gboolean app_job_is_pausable (AppJob *self);
gboolean app_job_is_lasting (AppJob *self);
gboolean app_job_has_ended (AppJob *self); /* done, failed or cancelled; paused has not */

/* Ask; the run function hears of it at its next app_job_check() or between two ops: within 2 s.
 * Resuming queues the job again: its run function is called anew and goes on where it stopped. */
void app_job_pause (AppJob *self);
void app_job_resume (AppJob *self);
void app_job_cancel (AppJob *self);

/* For the run function. Cheap enough to be called for every step. Time left is reckoned from the
 * pace of the last minutes: @fraction moves with the clock. */
void app_job_progress (AppJob *self, double fraction, const char *message);
/* What was told last; any thread. */
double app_job_get_told_fraction (AppJob *self);

/* %FALSE with APP_JOB_ERROR_PAUSED or _CANCELLED when the job shall stop now. */
gboolean app_job_check (AppJob *self, GError **error);
gboolean app_job_is_stopping (AppJob *self);

/* Calls @func once on the main context, in order; @data is freed by @destroy there. */
void app_job_post (AppJob *self, void (*func) (AppJob *job, gpointer data), gpointer data,
                   GDestroyNotify destroy);

G_END_DECLS
