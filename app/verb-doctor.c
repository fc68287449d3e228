/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/verbs.h"

int
app_verb_doctor (int argc, char **argv)
{
  g_print ("crosslabel %s\n", PACKAGE_VERSION);
  return APP_EXIT_OK;
}
