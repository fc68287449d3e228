/* SPDX-License-Identifier: Apache-2.0 */
#include "app/engine.h"
#include "seg/tensor/context.h"

#include <string.h>
#include <sys/resource.h>

typedef struct
{
  GString *log; /* appended on the engine thread, read after the jobs ended */
  const char *name;
  int n_chunks;
  int chunk; /* kept between pause and resume */
  gboolean nest;
  int n_done;
  GError *error;
  gboolean deaf; /* would go on for ever but for the check */
} Work;

static void
done (AppJob *job, gpointer data, const GError *error)
{
  Work *work = data;

  g_assert_false (app_engine_is_current_thread ());
  work->n_done++;
  work->error = error != NULL ? g_error_copy (error) : NULL;
}

static gboolean
run (AppJob *job, gpointer data, GError **error)
{
  Work *work = data;

  g_assert_true (app_engine_is_current_thread ());
  g_string_append_printf (work->log, "<%s", work->name);
  for (; work->chunk < work->n_chunks || work->deaf; work->chunk++)
    {
      if (!app_job_check (job, error))
        {
          g_string_append_printf (work->log, "|%s", work->name);
          return FALSE;
        }
      g_usleep (2000);
      app_job_progress (job, (double) work->chunk / MAX (work->n_chunks, 1), work->name);
      if (work->nest)
        app_engine_yield ();
    }
  g_string_append_printf (work->log, "%s>", work->name);
  return TRUE;
}

static AppJob *
submit (AppEngine *engine, AppJobKind kind, Work *work)
{
  return app_engine_submit (engine, &(AppJobParams){ .kind = kind,
                                                     .title = work->name,
                                                     .run = run,
                                                     .done = done,
                                                     .data = work,
                                                     .pausable = TRUE });
}

static void
wait_for_state (AppJob *job, AppJobState state)
{
  gint64 start = g_get_monotonic_time ();

  while (app_job_get_state (job) != state)
    {
      g_main_context_iteration (NULL, TRUE);
      g_assert_cmpint (g_get_monotonic_time () - start, <, 20 * G_USEC_PER_SEC);
    }
}

/* "Running" is told before the run function is entered; the first progress comes from inside. */
static void
wait_until_inside (AppJob *job)
{
  while (app_job_get_message (job) == NULL)
    g_main_context_iteration (NULL, TRUE);
}

/* While one job holds the thread, others arrive in any order and are taken by urgency. */
static void
test_order_of_urgency (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  g_autoptr (GString) log = g_string_new (NULL);
  Work hold = { .log = log, .name = "h", .n_chunks = 20 };
  Work s = { .log = log, .name = "s" }, p = { .log = log, .name = "p" };
  Work t = { .log = log, .name = "t" }, e = { .log = log, .name = "e" };
  Work p2 = { .log = log, .name = "q" };
  g_autoptr (AppJob) a = submit (engine, APP_JOB_SELECTION, &hold);
  g_autoptr (AppJob) b = NULL;

  wait_for_state (a, APP_JOB_STATE_RUNNING);
  b = submit (engine, APP_JOB_SELECTION, &s);
  g_object_unref (submit (engine, APP_JOB_TRAINING, &t));
  g_object_unref (submit (engine, APP_JOB_PROMPT, &p));
  g_object_unref (submit (engine, APP_JOB_EMBEDDING, &e));
  g_object_unref (submit (engine, APP_JOB_PROMPT, &p2));
  wait_for_state (b, APP_JOB_STATE_DONE);
  g_assert_cmpstr (log->str, ==, "<hh><pp><qq><ee><tt><ss>");
  g_assert_cmpint (hold.n_done + s.n_done + t.n_done + p.n_done + e.n_done, ==, 5);
}

/* A prompt is answered inside a running training step; a selection is not. */
static void
test_prompt_is_nested (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  g_autoptr (GString) log = g_string_new (NULL);
  Work train = { .log = log, .name = "t", .n_chunks = 200, .nest = TRUE };
  Work prompt = { .log = log, .name = "p", .n_chunks = 2 };
  Work select = { .log = log, .name = "s", .n_chunks = 1 };
  g_autoptr (AppJob) a = submit (engine, APP_JOB_TRAINING, &train);
  g_autoptr (AppJob) b = NULL, c = NULL;
  gint64 start;

  wait_for_state (a, APP_JOB_STATE_RUNNING);
  c = submit (engine, APP_JOB_SELECTION, &select);
  b = submit (engine, APP_JOB_PROMPT, &prompt);
  start = g_get_monotonic_time ();
  wait_for_state (b, APP_JOB_STATE_DONE);
  g_assert_cmpint (app_job_get_state (a), ==, APP_JOB_STATE_RUNNING);
  g_test_message ("prompt answered in %.1f ms", (double) (g_get_monotonic_time () - start) / 1000);
  wait_for_state (c, APP_JOB_STATE_DONE);
  g_assert_cmpstr (log->str, ==, "<t<pp>t><ss>");
}

static void
test_pause_and_resume (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  g_autoptr (GString) log = g_string_new (NULL);
  Work work = { .log = log, .name = "t", .n_chunks = 100 };
  g_autoptr (AppJob) job = submit (engine, APP_JOB_TRAINING, &work);
  int chunk;

  wait_until_inside (job);
  app_job_pause (job);
  wait_for_state (job, APP_JOB_STATE_PAUSED);
  g_assert_cmpint (work.n_done, ==, 0);
  chunk = work.chunk;
  g_assert_cmpint (chunk, <, 100);
  app_job_resume (job);
  wait_for_state (job, APP_JOB_STATE_DONE);
  g_assert_cmpint (work.chunk, ==, 100);
  g_assert_cmpint (work.n_done, ==, 1);
  g_assert_no_error (work.error);
  g_assert_cmpstr (log->str, ==, "<t|t<tt>");
}

static void
test_cancel (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  g_autoptr (GString) log = g_string_new (NULL);
  Work work = { .log = log, .name = "t", .deaf = TRUE }, waiting = { .log = log, .name = "w" };
  g_autoptr (AppJob) job = submit (engine, APP_JOB_TRAINING, &work);
  g_autoptr (AppJob) other = submit (engine, APP_JOB_TRAINING, &waiting);
  gint64 start;

  wait_until_inside (job);
  app_job_cancel (other);
  g_assert_cmpint (app_job_get_state (other), ==, APP_JOB_STATE_CANCELLED);
  g_assert_cmpint (waiting.n_done, ==, 1);
  start = g_get_monotonic_time ();
  app_job_cancel (job);
  wait_for_state (job, APP_JOB_STATE_CANCELLED);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 2 * G_USEC_PER_SEC);
  g_assert_error (work.error, APP_JOB_ERROR, APP_JOB_ERROR_CANCELLED);
  g_assert_cmpstr (log->str, ==, "<t|t");
  g_clear_error (&work.error);
  g_clear_error (&waiting.error);
}

/* A paused job can be cancelled, and its data is freed once. */
static void
test_cancel_paused (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  g_autoptr (GString) log = g_string_new (NULL);
  Work work = { .log = log, .name = "t", .deaf = TRUE };
  g_autoptr (AppJob) job = submit (engine, APP_JOB_TRAINING, &work);

  wait_until_inside (job);
  app_job_pause (job);
  wait_for_state (job, APP_JOB_STATE_PAUSED);
  app_job_cancel (job);
  g_assert_cmpint (app_job_get_state (job), ==, APP_JOB_STATE_CANCELLED);
  g_assert_cmpint (work.n_done, ==, 1);
  g_clear_error (&work.error);
}

static gboolean
fail (AppJob *job, gpointer data, GError **error)
{
  g_set_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED, "the scan has gone");
  return FALSE;
}

static void
test_failure_is_told (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (AppJob) job = NULL;
  g_autofree char *message = NULL;

  g_assert_false (app_engine_run (
      engine, &(AppJobParams){ .kind = APP_JOB_TRAINING, .title = "round", .run = fail }, &error));
  g_assert_error (error, APP_JOB_ERROR, APP_JOB_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==, "the scan has gone");
  job = g_list_model_get_item (app_engine_get_jobs (engine), 0);
  g_object_get (job, "error-message", &message, NULL);
  g_assert_cmpstr (message, ==, "the scan has gone");
  app_engine_remove_ended (engine);
  g_assert_cmpuint (g_list_model_get_n_items (app_engine_get_jobs (engine)), ==, 0);
}

static gboolean
succeed (AppJob *job, gpointer data, GError **error)
{
  return TRUE;
}

/* A session answers prompts by the thousand; a row of the window for each would be kept for ever.
 */
static void
test_ended_are_forgotten (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  GListModel *jobs = app_engine_get_jobs (engine);
  g_autoptr (AppJob) first = NULL;

  for (int j = 0; j < 100; j++)
    {
      g_autoptr (GError) error = NULL;

      if (j % 10 == 0)
        {
          g_assert_true (app_engine_run (
              engine, &(AppJobParams){ .kind = APP_JOB_TRAINING, .title = "round", .run = succeed },
              &error));
          g_assert_no_error (error);
        }
      g_assert_true (
          app_engine_run (engine,
                          &(AppJobParams){ .kind = j % 2 ? APP_JOB_EMBEDDING : APP_JOB_PROMPT,
                                           .title = "slice",
                                           .run = succeed },
                          &error));
      g_assert_no_error (error);
      g_assert_cmpuint (g_list_model_get_n_items (jobs), <=, 9 + 10);
    }
  /* No round was pushed out by answers. */
  g_assert_cmpuint (g_list_model_get_n_items (jobs), ==, 9 + 10);
  first = g_list_model_get_item (jobs, 0);
  g_assert_cmpint (app_job_get_kind (first), ==, APP_JOB_TRAINING);
}

static void
count_notify (AppJob *job, GParamSpec *pspec, gpointer data)
{
  g_assert_false (app_engine_is_current_thread ());
  (*(int *) data)++;
}

static gboolean
report_often (AppJob *job, gpointer data, GError **error)
{
  gint64 start = g_get_monotonic_time ();
  int n = 0;

  while (g_get_monotonic_time () - start < G_USEC_PER_SEC / 2)
    app_job_progress (job, 0.5, n++ % 2 ? "a" : "b");
  *(int *) data = n;
  return TRUE;
}

static void
test_progress_is_rare (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  int n_reports = 0, n_seen = 0;
  g_autoptr (AppJob) job = app_engine_submit (engine, &(AppJobParams){ .kind = APP_JOB_TRAINING,
                                                                       .title = "round",
                                                                       .run = report_often,
                                                                       .data = &n_reports });

  g_signal_connect (job, "notify::fraction", G_CALLBACK (count_notify), &n_seen);
  wait_for_state (job, APP_JOB_STATE_DONE);
  g_assert_cmpint (n_reports, >, 1000);
  g_assert_cmpint (n_seen, >=, 2);
  g_assert_cmpint (n_seen, <=, 7); /* ten a second, and the last word */
}

static gboolean
read_nice (AppJob *job, gpointer data, GError **error)
{
  *(int *) data = getpriority (PRIO_PROCESS, 0);
  return TRUE;
}

static void
test_runs_below_the_strokes (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  int found = -100, own = getpriority (PRIO_PROCESS, 0);

  g_assert_true (app_engine_run (
      engine,
      &(AppJobParams){ .kind = APP_JOB_PROMPT, .title = "p", .run = read_nice, .data = &found },
      NULL));
  g_assert_cmpint (found, ==, MAX (own, 10));
  g_assert_cmpint (getpriority (PRIO_PROCESS, 0), ==, own);
}

static void
test_shutdown_pauses (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  g_autoptr (GString) log = g_string_new (NULL);
  Work work = { .log = log, .name = "t", .deaf = TRUE };
  g_autoptr (AppJob) job = submit (engine, APP_JOB_TRAINING, &work);
  gint64 start;

  wait_until_inside (job);
  start = g_get_monotonic_time ();
  app_engine_shutdown (engine);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 2 * G_USEC_PER_SEC);
  g_assert_cmpstr (log->str, ==, "<t|t");
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (app_job_get_state (job), ==, APP_JOB_STATE_PAUSED);
}

/* Settling: the caller goes on at once, all that is of the project has ended and said so when it is
 * answered, what comes meanwhile is refused, and the engine takes jobs again afterwards. */

typedef struct
{
  AppEngine *engine;
  Work *late; /* submitted by a done function in the middle of it */
  GPtrArray *works;
  gboolean settled;
} Settling;

static gboolean
slow_op (AppJob *job, gpointer data, GError **error)
{
  while (app_job_check (job, error))
    g_usleep (100000);
  return FALSE;
}

static void
submit_late (AppJob *job, gpointer data, const GError *error)
{
  Settling *settling = data;

  g_assert_error (error, APP_JOB_ERROR, APP_JOB_ERROR_CANCELLED);
  g_object_unref (submit (settling->engine, APP_JOB_SELECTION, settling->late));
}

static void
settled_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  Settling *settling = data;

  app_engine_settle_finish (APP_ENGINE (source), result);
  for (guint w = 0; w < settling->works->len; w++)
    g_assert_cmpint (((Work *) g_ptr_array_index (settling->works, w))->n_done, ==, 1);
  settling->settled = TRUE;
}

static void
test_settle (void)
{
  g_autoptr (AppEngine) engine = app_engine_new ();
  g_autoptr (GString) log = g_string_new (NULL);
  g_autoptr (GPtrArray) works = g_ptr_array_new ();
  Work waits = { .log = log, .name = "w" }, late = { .log = log, .name = "l" };
  Work refused = { .log = log, .name = "r" }, lasts = { .log = log, .name = "p" };
  Work after = { .log = log, .name = "a" };
  Settling settling = { .engine = engine, .late = &late, .works = works };
  g_autoptr (AppJob) running = app_engine_submit (
      engine, &(AppJobParams){
                  .kind = APP_JOB_TRAINING, .title = "t", .run = slow_op, .pausable = TRUE });
  g_autoptr (AppJob) lasting = NULL, again = NULL;
  gint64 start;

  wait_for_state (running, APP_JOB_STATE_RUNNING);
  g_object_unref (app_engine_submit (engine, &(AppJobParams){ .kind = APP_JOB_PREDICTION,
                                                              .title = "d",
                                                              .run = run,
                                                              .done = submit_late,
                                                              .data = &settling }));
  g_object_unref (submit (engine, APP_JOB_SELECTION, &waits));
  lasting = app_engine_submit (engine, &(AppJobParams){ .kind = APP_JOB_PROMPT,
                                                        .title = "p",
                                                        .run = run,
                                                        .done = done,
                                                        .data = &lasts,
                                                        .lasting = TRUE });
  g_ptr_array_add (works, &waits);
  g_ptr_array_add (works, &late);
  g_ptr_array_add (works, &refused);
  start = g_get_monotonic_time ();
  app_engine_settle_async (engine, settled_cb, &settling);
  g_object_unref (submit (engine, APP_JOB_TRAINING, &refused));
  g_assert_cmpint (g_get_monotonic_time () - start, <, 50000);
  g_assert_cmpint (refused.n_done, ==, 0); /* whoever submits it holds its data still */
  while (!settling.settled)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (app_job_get_state (running), ==, APP_JOB_STATE_CANCELLED);
  g_assert_error (late.error, APP_JOB_ERROR, APP_JOB_ERROR_SHUTDOWN);
  g_assert_error (refused.error, APP_JOB_ERROR, APP_JOB_ERROR_SHUTDOWN);
  wait_for_state (lasting, APP_JOB_STATE_DONE);
  again = submit (engine, APP_JOB_TRAINING, &after);
  wait_for_state (again, APP_JOB_STATE_DONE);
  g_assert_cmpstr (log->str, ==, "<pp><aa>");
  for (guint w = 0; w < works->len; w++)
    g_clear_error (&((Work *) g_ptr_array_index (works, w))->error);
}

static gboolean
open_device (AppJob *job, gpointer data, GError **error)
{
  SegDevice *device = app_engine_get_device (error);

  if (device != NULL)
    *(char **) data = g_strdup (seg_device_get_backend (device)->name);
  return device != NULL;
}

/* The backend chosen is the one used, or the reason why not is told: never another in its place. */
static void
test_preferred_backend (void)
{
  static const char *const names[] = { "ref", "no-such-backend" };

  for (gsize n = 0; n < G_N_ELEMENTS (names); n++)
    {
      g_autoptr (AppEngine) engine = app_engine_new ();
      g_autoptr (GError) error = NULL;
      g_autofree char *opened = NULL;
      gboolean done;

      app_engine_prefer_backend (names[n]);
      done = app_engine_run (
          engine,
          &(AppJobParams){
              .kind = APP_JOB_PROMPT, .title = "device", .run = open_device, .data = &opened },
          &error);
      if (n == 0)
        {
          g_assert_no_error (error);
          g_assert_true (done);
          g_assert_cmpstr (opened, ==, "ref");
        }
      else
        {
          g_assert_false (done);
          g_assert_nonnull (strstr (error->message, "no-such-backend"));
        }
      app_engine_shutdown (engine);
    }
  app_engine_prefer_backend (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/app/engine/order", test_order_of_urgency);
  g_test_add_func ("/app/engine/nested", test_prompt_is_nested);
  g_test_add_func ("/app/engine/pause", test_pause_and_resume);
  g_test_add_func ("/app/engine/cancel", test_cancel);
  g_test_add_func ("/app/engine/cancel-paused", test_cancel_paused);
  g_test_add_func ("/app/engine/failure", test_failure_is_told);
  g_test_add_func ("/app/engine/ended-are-forgotten", test_ended_are_forgotten);
  g_test_add_func ("/app/engine/progress", test_progress_is_rare);
  g_test_add_func ("/app/engine/nice", test_runs_below_the_strokes);
  g_test_add_func ("/app/engine/preferred-backend", test_preferred_backend);
  g_test_add_func ("/app/engine/settle", test_settle);
  g_test_add_func ("/app/engine/shutdown", test_shutdown_pauses);
  return g_test_run ();
}
