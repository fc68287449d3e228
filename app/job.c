/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/job-private.h"

#define NOTIFY_INTERVAL_US (G_USEC_PER_SEC / 10)
#define PACE_US (60 * G_USEC_PER_SEC)

typedef enum
{
  STOP_NONE = 0,
  STOP_PAUSE = 1,
  STOP_CANCEL = 2,
} StopRequest;

struct _AppJob
{
  GObject parent_instance;

  AppJobParams params;
  char *title;
  GMainContext *context;
  void (*requeue) (AppJob *, gpointer);
  gboolean (*unqueue) (AppJob *, gpointer);
  gpointer queue_data;

  int stop; /* StopRequest, atomic */

  /* main thread */
  AppJobState state;
  double fraction;
  double seconds_left;
  char *message;
  char *error_message;

  /* shared, under lock */
  GMutex lock;
  double new_fraction;
  char *new_message;
  gboolean notify_pending;

  /* engine thread */
  gint64 last_notify_us;
  gint64 pace_us[2]; /* where the pace is measured from, and from where next */
  double pace_fraction[2];
};

enum
{
  PROP_0,
  PROP_KIND,
  PROP_TITLE,
  PROP_STATE,
  PROP_FRACTION,
  PROP_MESSAGE,
  PROP_SECONDS_LEFT,
  PROP_ERROR_MESSAGE,
  PROP_PAUSABLE,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AppJob, app_job, G_TYPE_OBJECT)
G_DEFINE_QUARK (app - job - error - quark, app_job_error)

static void
set_state (AppJob *self, AppJobState state)
{
  if (self->state == state)
    return;
  self->state = state;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_STATE]);
}

/* To the main context
 * ------------------------------------------------------------------------------ */

typedef struct
{
  AppJob *job;
  void (*func) (AppJob *job, gpointer data);
  gpointer data;
  GDestroyNotify destroy;
} Post;

static gboolean
post_cb (gpointer data)
{
  Post *post = data;

  post->func (post->job, post->data);
  return G_SOURCE_REMOVE;
}

static void
post_free (gpointer data)
{
  Post *post = data;

  if (post->destroy != NULL && post->data != NULL)
    post->destroy (post->data);
  g_object_unref (post->job);
  g_free (post);
}

/* Not g_main_context_invoke(): that may run the function on this thread while nobody iterates. */
void
app_job_post (AppJob *self, void (*func) (AppJob *job, gpointer data), gpointer data,
              GDestroyNotify destroy)
{
  Post *post = g_new (Post, 1);
  g_autoptr (GSource) source = g_idle_source_new ();

  *post = (Post){ g_object_ref (self), func, data, destroy };
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, post_cb, post, post_free);
  g_source_attach (source, self->context);
}

/* The pace is that of the last PACE_US or more: a machine that was busy when the job began does not
 * spoil what is said an hour later. */
static double
estimate_seconds_left (AppJob *self, double fraction)
{
  gint64 now = g_get_monotonic_time ();
  double elapsed, done;

  if (now - self->pace_us[1] > PACE_US)
    {
      self->pace_us[0] = self->pace_us[1];
      self->pace_fraction[0] = self->pace_fraction[1];
      self->pace_us[1] = now;
      self->pace_fraction[1] = fraction;
    }
  elapsed = (double) (now - self->pace_us[0]) / G_USEC_PER_SEC;
  done = fraction - self->pace_fraction[0];
  /* Too little is known in the first seconds. */
  if (done < 0.005 || elapsed < 2)
    return -1;
  return elapsed * (1 - fraction) / done;
}

static void
take_progress (AppJob *self, gpointer data)
{
  g_autofree char *message = NULL;
  double *seconds_left = data;

  g_mutex_lock (&self->lock);
  self->notify_pending = FALSE;
  self->fraction = self->new_fraction;
  message = g_strdup (self->new_message);
  g_mutex_unlock (&self->lock);

  g_free (self->message);
  self->message = g_steal_pointer (&message);
  self->seconds_left = *seconds_left;
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_FRACTION]);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_MESSAGE]);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SECONDS_LEFT]);
}

static void
notify_progress (AppJob *self)
{
  double seconds_left;

  g_mutex_lock (&self->lock);
  seconds_left = estimate_seconds_left (self, self->new_fraction);
  self->notify_pending = TRUE;
  g_mutex_unlock (&self->lock);
  self->last_notify_us = g_get_monotonic_time ();
  app_job_post (self, take_progress, g_memdup2 (&seconds_left, sizeof seconds_left), g_free);
}

void
app_job_progress (AppJob *self, double fraction, const char *message)
{
  gboolean pending;

  g_mutex_lock (&self->lock);
  self->new_fraction = CLAMP (fraction, 0, 1);
  if (message != NULL && g_strcmp0 (message, self->new_message) != 0)
    {
      g_free (self->new_message);
      self->new_message = g_strdup (message);
    }
  pending = self->notify_pending;
  g_mutex_unlock (&self->lock);
  if (!pending && g_get_monotonic_time () - self->last_notify_us >= NOTIFY_INTERVAL_US)
    notify_progress (self);
}

double
app_job_get_told_fraction (AppJob *self)
{
  double fraction;

  g_mutex_lock (&self->lock);
  fraction = self->new_fraction;
  g_mutex_unlock (&self->lock);
  return fraction;
}

gboolean
app_job_is_stopping (AppJob *self)
{
  return g_atomic_int_get (&self->stop) != STOP_NONE;
}

gboolean
app_job_check (AppJob *self, GError **error)
{
  switch ((StopRequest) g_atomic_int_get (&self->stop))
    {
    case STOP_NONE:
      return TRUE;
    case STOP_PAUSE:
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED, "%s: paused", self->title);
      return FALSE;
    case STOP_CANCEL:
    default:
      g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_CANCELLED, "%s: cancelled", self->title);
      return FALSE;
    }
}

/* Running
 * ------------------------------------------------------------------------------------------- */

static void
set_running (AppJob *self, gpointer data)
{
  set_state (self, APP_JOB_STATE_RUNNING);
}

/* A cancel beats a pause, and both beat what a torn-off step may have said. */
static AppJobState
outcome (const GError *error)
{
  if (error == NULL)
    return APP_JOB_STATE_DONE;
  if (g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_PAUSED))
    return APP_JOB_STATE_PAUSED;
  if (g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_CANCELLED)
      || g_error_matches (error, APP_JOB_ERROR, APP_JOB_ERROR_SHUTDOWN))
    return APP_JOB_STATE_CANCELLED;
  return APP_JOB_STATE_FAILED;
}

static void
end (AppJob *self, gpointer data)
{
  const GError *error = data;
  AppJobState state = outcome (error);

  if (state == APP_JOB_STATE_PAUSED && self->state == APP_JOB_STATE_CANCELLED)
    return;
  if (state == APP_JOB_STATE_PAUSED && g_atomic_int_get (&self->stop) == STOP_CANCEL)
    state = APP_JOB_STATE_CANCELLED;
  if (state == APP_JOB_STATE_FAILED)
    {
      g_free (self->error_message);
      self->error_message = g_strdup (error->message);
      g_object_notify_by_pspec (G_OBJECT (self), props[PROP_ERROR_MESSAGE]);
    }
  set_state (self, state);
  if (state == APP_JOB_STATE_PAUSED)
    return;
  if (self->params.done != NULL)
    self->params.done (self, self->params.data, error);
  if (self->params.destroy != NULL)
    self->params.destroy (self->params.data);
  self->params.data = NULL;
  self->params.destroy = NULL;
}

void
app_job_execute (AppJob *self)
{
  g_autoptr (GError) error = NULL;

  app_job_post (self, set_running, NULL, NULL);
  self->pace_us[0] = self->pace_us[1] = g_get_monotonic_time ();
  self->pace_fraction[0] = self->pace_fraction[1] = app_job_get_told_fraction (self);

  if (app_job_check (self, &error) && !self->params.run (self, self->params.data, &error)
      && error == NULL)
    g_set_error (&error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED, "%s: failed", self->title);
  notify_progress (self);
  app_job_post (self, end, g_steal_pointer (&error), (GDestroyNotify) g_error_free);
}

void
app_job_refuse (AppJob *self, const GError *error)
{
  end (self, (gpointer) error);
}

void
app_job_refuse_later (AppJob *self, GError *error)
{
  app_job_post (self, end, error, (GDestroyNotify) g_error_free);
}

/* Asking
 * -------------------------------------------------------------------------------------------- */

void
app_job_pause (AppJob *self)
{
  g_return_if_fail (APP_IS_JOB (self));

  if (app_job_has_ended (self) || self->state == APP_JOB_STATE_PAUSED || !self->params.pausable)
    return;
  g_atomic_int_compare_and_exchange (&self->stop, STOP_NONE, STOP_PAUSE);
  if (self->unqueue (self, self->queue_data))
    set_state (self, APP_JOB_STATE_PAUSED);
}

void
app_job_resume (AppJob *self)
{
  g_return_if_fail (APP_IS_JOB (self));

  if (self->state != APP_JOB_STATE_PAUSED)
    return;
  g_atomic_int_set (&self->stop, STOP_NONE);
  set_state (self, APP_JOB_STATE_QUEUED);
  self->requeue (self, self->queue_data);
}

void
app_job_cancel (AppJob *self)
{
  g_return_if_fail (APP_IS_JOB (self));

  if (app_job_has_ended (self))
    return;
  g_atomic_int_set (&self->stop, STOP_CANCEL);
  if (self->unqueue (self, self->queue_data) || self->state == APP_JOB_STATE_PAUSED)
    {
      g_autoptr (GError) error = NULL;

      app_job_check (self, &error);
      app_job_refuse (self, error);
    }
}

/* Looking
 * ------------------------------------------------------------------------------------------- */

AppJobKind
app_job_get_kind (AppJob *self)
{
  return self->params.kind;
}

AppJobState
app_job_get_state (AppJob *self)
{
  return self->state;
}

const char *
app_job_get_title (AppJob *self)
{
  return self->title;
}

double
app_job_get_fraction (AppJob *self)
{
  return self->fraction;
}

const char *
app_job_get_message (AppJob *self)
{
  return self->message;
}

double
app_job_get_seconds_left (AppJob *self)
{
  return self->seconds_left;
}

gboolean
app_job_is_pausable (AppJob *self)
{
  return self->params.pausable;
}

gboolean
app_job_is_lasting (AppJob *self)
{
  return self->params.lasting;
}

gboolean
app_job_has_ended (AppJob *self)
{
  return self->state == APP_JOB_STATE_DONE || self->state == APP_JOB_STATE_FAILED
         || self->state == APP_JOB_STATE_CANCELLED;
}

/* GObject
 * ------------------------------------------------------------------------------------------- */

static void
app_job_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  AppJob *self = APP_JOB (object);

  switch (id)
    {
    case PROP_KIND:
      g_value_set_int (value, self->params.kind);
      break;
    case PROP_TITLE:
      g_value_set_string (value, self->title);
      break;
    case PROP_STATE:
      g_value_set_int (value, self->state);
      break;
    case PROP_FRACTION:
      g_value_set_double (value, self->fraction);
      break;
    case PROP_MESSAGE:
      g_value_set_string (value, self->message);
      break;
    case PROP_SECONDS_LEFT:
      g_value_set_double (value, self->seconds_left);
      break;
    case PROP_ERROR_MESSAGE:
      g_value_set_string (value, self->error_message);
      break;
    case PROP_PAUSABLE:
      g_value_set_boolean (value, self->params.pausable);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
app_job_finalize (GObject *object)
{
  AppJob *self = APP_JOB (object);

  if (self->params.destroy != NULL)
    self->params.destroy (self->params.data);
  g_free (self->title);
  g_free (self->message);
  g_free (self->new_message);
  g_free (self->error_message);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (app_job_parent_class)->finalize (object);
}

static void
app_job_class_init (AppJobClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->get_property = app_job_get_property;
  object_class->finalize = app_job_finalize;
  props[PROP_KIND] = g_param_spec_int ("kind", NULL, NULL, 0, APP_N_JOB_KINDS - 1, 0, flags);
  props[PROP_TITLE] = g_param_spec_string ("title", NULL, NULL, NULL, flags);
  props[PROP_STATE] = g_param_spec_int ("state", NULL, NULL, 0, APP_JOB_STATE_CANCELLED, 0, flags);
  props[PROP_FRACTION] = g_param_spec_double ("fraction", NULL, NULL, 0, 1, 0, flags);
  props[PROP_MESSAGE] = g_param_spec_string ("message", NULL, NULL, NULL, flags);
  props[PROP_SECONDS_LEFT] =
      g_param_spec_double ("seconds-left", NULL, NULL, -1, G_MAXDOUBLE, -1, flags);
  props[PROP_ERROR_MESSAGE] = g_param_spec_string ("error-message", NULL, NULL, NULL, flags);
  props[PROP_PAUSABLE] = g_param_spec_boolean ("pausable", NULL, NULL, FALSE, flags);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
app_job_init (AppJob *self)
{
  g_mutex_init (&self->lock);
  self->seconds_left = -1;
}

AppJob *
app_job_new (const AppJobParams *params, void (*requeue) (AppJob *, gpointer),
             gboolean (*unqueue) (AppJob *, gpointer), gpointer user_data)
{
  AppJob *self = g_object_new (APP_TYPE_JOB, NULL);

  self->params = *params;
  self->title = g_strdup (params->title);
  self->params.title = self->title;
  self->context = g_main_context_ref_thread_default ();
  self->requeue = requeue;
  self->unqueue = unqueue;
  self->queue_data = user_data;
  return self;
}
