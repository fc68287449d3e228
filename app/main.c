/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/verbs.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

int
main (int argc, char **argv)
{
  const AppVerb *verb;

  /* libgomp reads this when it is loaded; spinning threads would starve strokes. */
  setenv ("OMP_WAIT_POLICY", "passive", 0);
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
  if (verb == NULL)
    {
      app_verbs_print_help ();
      return APP_EXIT_USAGE;
    }
  return verb->run (argc - 1, argv + 1);
}
