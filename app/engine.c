/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/engine.h"
#include "app/job-private.h"

#include <sys/resource.h>

#define ENGINE_NICE 10
/* A prompt inside an embedding inside a training step is as deep as it gets. */
#define MAX_NESTED 3
/* Jobs that ended and are still listed: answers and encodings come by the thousand, and each has a
 * row in the window. */
#define MAX_ENDED_NESTABLE 8
#define MAX_ENDED 40

struct _AppEngine
{
  GObject parent_instance;

  GThread *thread;
  GListStore *jobs;

  GMutex lock;
  GCond wake;
  GQueue waiting[APP_N_JOB_KINDS]; /* of AppJob, owned */
  gboolean ending;
  int n_nestable; /* waiting prompts and embeddings; atomic, so that yielding is cheap */

  /* main thread */
  GPtrArray *settling; /* GTask: who waits for the jobs to be over; NULL while jobs are taken */
  guint settled_id;

  /* engine thread */
  AppJob *running[MAX_NESTED]; /* borrowed; [0] is the outermost */
  int n_running;
};

G_DEFINE_FINAL_TYPE (AppEngine, app_engine, G_TYPE_OBJECT)

/* The engine whose thread this is. */
static GPrivate current_engine;

static gboolean
is_nestable (AppJobKind kind)
{
  return kind <= APP_JOB_EMBEDDING;
}

/* Queue, under lock
 * --------------------------------------------------------------------------------- */

static void
push_locked (AppEngine *self, AppJob *job)
{
  AppJobKind kind = app_job_get_kind (job);

  g_queue_push_tail (&self->waiting[kind], g_object_ref (job));
  if (is_nestable (kind))
    g_atomic_int_inc (&self->n_nestable);
  g_cond_signal (&self->wake);
}

/* (transfer full) (nullable): the most urgent job whose kind is below @limit. */
static AppJob *
pop_locked (AppEngine *self, int limit)
{
  for (int kind = 0; kind < limit; kind++)
    {
      AppJob *job = g_queue_pop_head (&self->waiting[kind]);

      if (job == NULL)
        continue;
      if (is_nestable ((AppJobKind) kind))
        g_atomic_int_add (&self->n_nestable, -1);
      return job;
    }
  return NULL;
}

static gboolean
remove_locked (AppEngine *self, AppJob *job)
{
  AppJobKind kind = app_job_get_kind (job);

  if (!g_queue_remove (&self->waiting[kind], job))
    return FALSE;
  if (is_nestable (kind))
    g_atomic_int_add (&self->n_nestable, -1);
  return TRUE;
}

static void
requeue_cb (AppJob *job, gpointer data)
{
  AppEngine *self = data;

  g_mutex_lock (&self->lock);
  push_locked (self, job);
  g_mutex_unlock (&self->lock);
}

static gboolean
unqueue_cb (AppJob *job, gpointer data)
{
  AppEngine *self = data;
  gboolean found;

  g_mutex_lock (&self->lock);
  found = remove_locked (self, job);
  g_mutex_unlock (&self->lock);
  if (found)
    g_object_unref (job);
  return found;
}

/* The engine thread
 * --------------------------------------------------------------------------------- */

static void
execute (AppEngine *self, AppJob *job)
{
  self->running[self->n_running++] = job;
  app_job_execute (job);
  self->running[--self->n_running] = NULL;
  g_object_unref (job);
}

static gpointer
engine_thread (gpointer data)
{
  AppEngine *self = data;

  g_private_set (&current_engine, self);
  /* Of this thread alone, on Linux; the compute threads it starts inherit it. */
  setpriority (PRIO_PROCESS, 0, MAX (getpriority (PRIO_PROCESS, 0), ENGINE_NICE));

  g_mutex_lock (&self->lock);
  for (;;)
    {
      AppJob *job = self->ending ? NULL : pop_locked (self, APP_N_JOB_KINDS);

      if (job == NULL && self->ending)
        break;
      if (job == NULL)
        {
          g_cond_wait (&self->wake, &self->lock);
          continue;
        }
      g_mutex_unlock (&self->lock);
      execute (self, job);
      g_mutex_lock (&self->lock);
    }
  g_mutex_unlock (&self->lock);
  return NULL;
}

gboolean
app_engine_is_current_thread (void)
{
  return g_private_get (&current_engine) != NULL;
}

gboolean
app_engine_yield (void)
{
  AppEngine *self = g_private_get (&current_engine);
  AppJob *running;

  if (self == NULL || self->n_running == 0)
    return TRUE;
  running = self->running[self->n_running - 1];
  while (g_atomic_int_get (&self->n_nestable) > 0 && self->n_running < MAX_NESTED)
    {
      AppJob *job;
      int limit = MIN (app_job_get_kind (running), APP_JOB_EMBEDDING + 1);

      g_mutex_lock (&self->lock);
      job = self->ending ? NULL : pop_locked (self, limit);
      g_mutex_unlock (&self->lock);
      if (job == NULL)
        break;
      execute (self, job);
    }
  return !app_job_is_stopping (running);
}

/* The main thread
 * ----------------------------------------------------------------------------------- */

static void
forget_oldest (AppEngine *self)
{
  guint n_nestable = 0, n_others = 0;

  for (guint j = g_list_model_get_n_items (G_LIST_MODEL (self->jobs)); j-- > 0;)
    {
      g_autoptr (AppJob) job = g_list_model_get_item (G_LIST_MODEL (self->jobs), j);

      if (!app_job_has_ended (job))
        continue;
      if (is_nestable (app_job_get_kind (job)) ? ++n_nestable > MAX_ENDED_NESTABLE
                                               : ++n_others > MAX_ENDED)
        g_list_store_remove (self->jobs, j);
    }
}

static void look_again (AppEngine *self);

/* Why a new job is not taken. (transfer full) (nullable) */
static GError *
find_refusal (AppEngine *self, const AppJobParams *params)
{
  gboolean ending;

  g_mutex_lock (&self->lock);
  ending = self->ending;
  g_mutex_unlock (&self->lock);
  if (ending)
    return g_error_new (APP_JOB_ERROR, APP_JOB_ERROR_SHUTDOWN, "%s: the engine has ended",
                        params->title);
  if (self->settling != NULL && !params->lasting)
    return g_error_new (APP_JOB_ERROR, APP_JOB_ERROR_SHUTDOWN, "%s: the project is being closed",
                        params->title);
  return NULL;
}

AppJob *
app_engine_submit (AppEngine *self, const AppJobParams *params)
{
  AppJob *job;
  GError *refusal;

  g_return_val_if_fail (APP_IS_ENGINE (self), NULL);

  job = app_job_new (params, requeue_cb, unqueue_cb, self);
  forget_oldest (self);
  g_signal_connect_object (job, "notify::state", G_CALLBACK (look_again), self, G_CONNECT_SWAPPED);
  g_list_store_append (self->jobs, job);
  refusal = find_refusal (self, params);
  if (refusal != NULL)
    app_job_refuse_later (job, refusal);
  else
    {
      g_mutex_lock (&self->lock);
      push_locked (self, job);
      g_mutex_unlock (&self->lock);
    }
  return job;
}

/* app_engine_run(): the caller's done function is called, and its error is kept. */
typedef struct
{
  AppJobParams params;
  GError *error;
} Run;

static gboolean
run_run (AppJob *job, gpointer data, GError **error)
{
  Run *run = data;

  return run->params.run (job, run->params.data, error);
}

static void
run_done (AppJob *job, gpointer data, const GError *error)
{
  Run *run = data;

  if (error != NULL)
    run->error = g_error_copy (error);
  if (run->params.done != NULL)
    run->params.done (job, run->params.data, error);
}

gboolean
app_engine_run (AppEngine *self, const AppJobParams *params, GError **error)
{
  Run run = { .params = *params };
  AppJobParams wrapped = *params;
  g_autoptr (AppJob) job = NULL;

  wrapped.run = run_run;
  wrapped.done = run_done;
  wrapped.data = &run;
  wrapped.destroy = NULL;
  job = app_engine_submit (self, &wrapped);
  while (!app_job_has_ended (job) && app_job_get_state (job) != APP_JOB_STATE_PAUSED)
    g_main_context_iteration (NULL, TRUE);
  if (app_job_get_state (job) == APP_JOB_STATE_PAUSED)
    {
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED, "%s: paused", params->title);
      /* @data goes out of scope: it cannot be resumed as this job. */
      app_job_cancel (job);
      g_clear_error (&run.error);
    }
  else if (run.error != NULL)
    g_propagate_error (error, g_steal_pointer (&run.error));
  if (params->destroy != NULL)
    params->destroy (params->data);
  return app_job_get_state (job) == APP_JOB_STATE_DONE;
}

GListModel *
app_engine_get_jobs (AppEngine *self)
{
  g_return_val_if_fail (APP_IS_ENGINE (self), NULL);
  return G_LIST_MODEL (self->jobs);
}

void
app_engine_remove_ended (AppEngine *self)
{
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->jobs));

  while (n-- > 0)
    {
      g_autoptr (AppJob) job = g_list_model_get_item (G_LIST_MODEL (self->jobs), n);

      if (app_job_has_ended (job))
        g_list_store_remove (self->jobs, n);
    }
}

/* The list changes while one goes through it: a job that ends may submit another, and old ones are
 * forgotten then. */
static GPtrArray *
list_jobs (AppEngine *self)
{
  GPtrArray *jobs = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint j = 0; j < g_list_model_get_n_items (G_LIST_MODEL (self->jobs)); j++)
    g_ptr_array_add (jobs, g_list_model_get_item (G_LIST_MODEL (self->jobs), j));
  return jobs;
}

/* Jobs that wait are refused; the one that runs is asked to pause, or to cancel if it cannot. */
static void
stop_all (AppEngine *self, gboolean lasting_too)
{
  g_autoptr (GPtrArray) jobs = list_jobs (self);

  for (guint j = 0; j < jobs->len; j++)
    {
      AppJob *job = g_ptr_array_index (jobs, j);

      if (app_job_is_lasting (job) && !lasting_too)
        continue;
      if (app_job_is_pausable (job))
        app_job_pause (job);
      else
        app_job_cancel (job);
    }
}

AppJob *
app_engine_find_job (AppEngine *self, AppJobKind kind)
{
  guint n = g_list_model_get_n_items (G_LIST_MODEL (self->jobs));

  for (guint j = n; j-- > 0;)
    {
      g_autoptr (AppJob) job = g_list_model_get_item (G_LIST_MODEL (self->jobs), j);

      if (app_job_get_kind (job) == kind && !app_job_has_ended (job))
        return job; /* the list keeps it */
    }
  return NULL;
}

/* What is paused is not to be resumed as this job. Its end may submit another, which asks for
 * another look. */
static gboolean
is_settled (AppEngine *self)
{
  g_autoptr (GPtrArray) jobs = list_jobs (self);
  gboolean settled = TRUE;

  for (guint j = 0; j < jobs->len; j++)
    {
      AppJob *job = g_ptr_array_index (jobs, j);

      if (app_job_is_lasting (job) || app_job_has_ended (job))
        continue;
      settled = FALSE;
      if (app_job_get_state (job) == APP_JOB_STATE_PAUSED)
        app_job_cancel (job);
    }
  return settled;
}

static gboolean
settled_cb (gpointer data)
{
  AppEngine *self = data;
  g_autoptr (GPtrArray) waiting = NULL;

  self->settled_id = 0;
  if (!is_settled (self))
    return G_SOURCE_REMOVE;
  waiting = g_steal_pointer (&self->settling);
  for (guint t = 0; t < waiting->len; t++)
    g_task_return_boolean (g_ptr_array_index (waiting, t), TRUE);
  return G_SOURCE_REMOVE;
}

/* A job's state is told before its done function is called: hence not at once. */
static void
look_again (AppEngine *self)
{
  if (self->settling != NULL && self->settled_id == 0)
    self->settled_id = g_idle_add_full (G_PRIORITY_DEFAULT, settled_cb, self, NULL);
}

void
app_engine_settle_async (AppEngine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task;

  g_return_if_fail (APP_IS_ENGINE (self));

  task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (task, app_engine_settle_async);
  if (self->settling == NULL)
    self->settling = g_ptr_array_new_with_free_func (g_object_unref);
  g_ptr_array_add (self->settling, task);
  stop_all (self, FALSE);
  look_again (self);
}

void
app_engine_settle_finish (AppEngine *self, GAsyncResult *result)
{
  g_return_if_fail (g_task_is_valid (result, self));
  g_task_propagate_boolean (G_TASK (result), NULL);
}

void
app_engine_shutdown (AppEngine *self)
{
  g_return_if_fail (APP_IS_ENGINE (self));

  if (self->thread == NULL)
    return;
  stop_all (self, TRUE);
  g_mutex_lock (&self->lock);
  self->ending = TRUE;
  g_cond_signal (&self->wake);
  g_mutex_unlock (&self->lock);
  g_thread_join (g_steal_pointer (&self->thread));
}

AppEngine *
app_engine_get_default (void)
{
  static AppEngine *engine;

  if (engine == NULL)
    engine = app_engine_new ();
  return engine;
}

AppEngine *
app_engine_new (void)
{
  return g_object_new (APP_TYPE_ENGINE, NULL);
}

static void
app_engine_finalize (GObject *object)
{
  AppEngine *self = APP_ENGINE (object);

  app_engine_shutdown (self);
  g_clear_handle_id (&self->settled_id, g_source_remove);
  for (int kind = 0; kind < APP_N_JOB_KINDS; kind++)
    g_queue_clear_full (&self->waiting[kind], g_object_unref);
  g_clear_object (&self->jobs);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->wake);
  G_OBJECT_CLASS (app_engine_parent_class)->finalize (object);
}

static void
app_engine_class_init (AppEngineClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = app_engine_finalize;
}

static void
app_engine_init (AppEngine *self)
{
  self->jobs = g_list_store_new (APP_TYPE_JOB);
  g_mutex_init (&self->lock);
  g_cond_init (&self->wake);
  for (int kind = 0; kind < APP_N_JOB_KINDS; kind++)
    g_queue_init (&self->waiting[kind]);
  self->thread = g_thread_new ("engine", engine_thread, self);
}
