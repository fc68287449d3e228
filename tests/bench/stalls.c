/* SPDX-License-Identifier: Apache-2.0 */
/* What the main thread does when it is long away from its poll. Preloaded into the program
 * (LD_PRELOAD) with CROSSLABEL_STALLS=FILE: every turn of the main loop is timed from the end of one
 * poll() to the start of the next, and from 4 ms on a timer takes the stack every 2 ms. At the end
 * FILE has the maps of the process and one line for each turn longer than 8 ms:
 *
 *   turn WALL_MS CPU_MS address,address,… address,…
 *
 * tests/bench/window.py names the functions. Nothing of this is in the program. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NS 4000000
#define STEP_NS 2000000
#define KEPT_MS 8.0
#define MAX_SAMPLES 200
#define DEPTH 48

static int (*real_poll) (struct pollfd *, nfds_t, int);
static FILE *file;
static timer_t timer;
static pid_t main_thread;
static struct timespec began, began_cpu;
static int is_timing;
static volatile int n_samples;
static void *samples[MAX_SAMPLES][DEPTH];
static int depths[MAX_SAMPLES];

static double
ms_between (const struct timespec *a, const struct timespec *b)
{
  return (b->tv_sec - a->tv_sec) * 1e3 + (b->tv_nsec - a->tv_nsec) / 1e6;
}

static void
sample_cb (int number)
{
  int n = n_samples;

  if (n >= MAX_SAMPLES)
    return;
  depths[n] = backtrace (samples[n], DEPTH);
  n_samples = n + 1;
}

static void
arm (long first_ns)
{
  struct itimerspec when = { { 0, first_ns ? STEP_NS : 0 }, { 0, first_ns } };

  timer_settime (timer, 0, &when, NULL);
}

static void
copy_maps (void)
{
  FILE *maps = fopen ("/proc/self/maps", "r");
  char line[1024];

  while (maps != NULL && fgets (line, sizeof line, maps) != NULL)
    if (strstr (line, " r-xp ") != NULL)
      fprintf (file, "map %s", line);
  if (maps != NULL)
    fclose (maps);
  fflush (file);
}

__attribute__ ((constructor)) static void
start (void)
{
  const char *path = getenv ("CROSSLABEL_STALLS");
  struct sigaction action = { .sa_handler = sample_cb, .sa_flags = SA_RESTART };
  struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF };
  void *warm[4];

  real_poll = (int (*) (struct pollfd *, nfds_t, int)) dlsym (RTLD_NEXT, "poll");
  unsetenv ("LD_PRELOAD");
  if (path == NULL || (file = fopen (path, "w")) == NULL)
    return;
  backtrace (warm, 4); /* loads the unwinder outside the handler */
  main_thread = syscall (SYS_gettid);
  event._sigev_un._tid = main_thread;
  sigaction (SIGPROF, &action, NULL);
  if (timer_create (CLOCK_MONOTONIC, &event, &timer) != 0)
    file = NULL;
}

__attribute__ ((destructor)) static void
stop (void)
{
  if (file == NULL)
    return;
  arm (0);
  copy_maps ();
  fclose (file);
  file = NULL;
}

static void
write_turn (void)
{
  struct timespec now, now_cpu;
  double wall_ms;

  clock_gettime (CLOCK_MONOTONIC, &now);
  wall_ms = ms_between (&began, &now);
  if (wall_ms < KEPT_MS)
    return;
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now_cpu);
  fprintf (file, "turn %.2f %.2f", wall_ms, ms_between (&began_cpu, &now_cpu));
  for (int s = 0; s < n_samples; s++)
    for (int d = 0; d < depths[s]; d++)
      fprintf (file, "%c%p", d == 0 ? ' ' : ',', samples[s][d]);
  fputc ('\n', file);
  fflush (file); /* the bench reads along */
}

int
poll (struct pollfd *fds, nfds_t n, int timeout_ms)
{
  static __thread pid_t self;
  int result;

  if (self == 0)
    self = syscall (SYS_gettid);
  /* The main loop polls its wake-up and the display at least; a wait of Xlib for an answer polls one
   * descriptor and belongs to the turn. */
  if (file == NULL || self != main_thread || n < 2)
    return real_poll (fds, n, timeout_ms);
  if (is_timing)
    {
      arm (0);
      write_turn ();
    }
  result = real_poll (fds, n, timeout_ms);
  is_timing = 1;
  n_samples = 0;
  clock_gettime (CLOCK_MONOTONIC, &began);
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &began_cpu);
  arm (FIRST_NS);
  return result;
}
