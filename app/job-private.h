/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/job.h"

G_BEGIN_DECLS

/* What app/engine.c needs of a job; not for others. */

/* @requeue: how a paused job gets back into its engine's queue; @unqueue: %TRUE if the job was
 * still waiting there and now is not. */
AppJob *app_job_new (const AppJobParams *params, void (*requeue) (AppJob *, gpointer),
                     gboolean (*unqueue) (AppJob *, gpointer),
                     gpointer user_data) G_GNUC_WARN_UNUSED_RESULT;

/* On the engine thread: runs it, and tells the main context what became of it. */
void app_job_execute (AppJob *self);
/* Main thread: a job that will never run. */
void app_job_refuse (AppJob *self, const GError *error);
/* The same, at the next turn of the job's context: whoever submits it still has its data then.
 * @error: (transfer full) */
void app_job_refuse_later (AppJob *self, GError *error);

G_END_DECLS
