/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/verbs.h"

#ifdef HAVE_UI
#include "app/application.h"
#endif
#ifdef HAVE_RENDER
#include "render/device.h"
#endif

#include <fcntl.h>
#include <locale.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Time for a driver to close what the last job held. */
#define CLOSING_MS 1000

#ifdef HAVE_UI
static gboolean
names_project (const char *argument)
{
  return g_str_has_suffix (argument, ".crosslabel") || g_file_test (argument, G_FILE_TEST_IS_DIR);
}
#endif

/* glibc takes what it once gave back by munmap (a scan, a picture) from the heap ever after, up to
 * 32 MiB, and the heap of a program that opens one scan after the other falls to pieces: half a MiB
 * was lost with each. With a fixed threshold large things go back to the system. */
static void
keep_heap_whole (void)
{
#ifdef __GLIBC__
  mallopt (M_MMAP_THRESHOLD, 256 << 10);
  mallopt (M_TRIM_THRESHOLD, 4 << 20);
#endif
}

/* A standard stream that the caller closed would be the next file that is opened: a label file, and
 * what is printed would go into it. Its place is taken, by something that gives nothing and takes
 * nothing. */
static void
open_standard_streams (void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      _exit (APP_EXIT_FAILURE);
}

/* What was printed and did not arrive (a full disk) was not said. */
static int
check_output (int status)
{
  if (fflush (stdout) == 0 && !ferror (stdout))
    return status;
  if (status != APP_EXIT_OK)
    return status; /* the reason was given already */
  g_printerr ("crosslabel: standard output cannot be written\n");
  return APP_EXIT_FAILURE;
}

static int
run (int argc, char **argv)
{
  const AppVerb *verb;

  /* libgomp reads these when it is loaded: threads that spin would starve strokes, ones that never
   * do lose a tenth of a training step on waking each other. The count is some 20 µs. */
  setenv ("OMP_WAIT_POLICY", "passive", 0);
  setenv ("GOMP_SPINCOUNT", "1000", 0);
  keep_heap_whole ();
  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");

  if (argc > 1 && (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0))
    {
      app_verbs_print_help ();
      return APP_EXIT_OK;
    }
  if (argc > 1 && strcmp (argv[1], "--version") == 0)
    {
      g_print ("crosslabel %s\n", PACKAGE_VERSION);
      return APP_EXIT_OK;
    }
  verb = argc > 1 ? app_verbs_find (argv[1]) : NULL;
#ifdef HAVE_UI
  /* Without a verb, or with a project instead of one: the window. */
  if (argc == 1 || (verb == NULL && argc == 2 && names_project (argv[1])))
    return app_application_main (argc, argv);
#endif
  if (verb == NULL && argc > 1)
    return app_usage ("“%s” is neither a verb nor a project; crosslabel --help lists the verbs",
                      argv[1]);
  if (verb == NULL)
    {
      app_verbs_print_help ();
      return APP_EXIT_USAGE;
    }
  return verb->run (argc - 1, argv + 1);
}

int
main (int argc, char **argv)
{
  int status;

  open_standard_streams ();
  signal (SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of that file's */
  status = check_output (run (argc, argv));

#ifdef HAVE_RENDER
  if (!render_device_wait_closed (CLOSING_MS))
    _exit (status); /* past the driver's own exit handlers: its threads run */
#endif
  return status;
}
