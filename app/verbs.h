/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "app/app-types.h"

G_BEGIN_DECLS

/* Exit statuses of every verb. */
#define APP_EXIT_OK 0
#define APP_EXIT_FAILURE 1 /* one clear line on standard error */
#define APP_EXIT_USAGE 2

/**
 * AppVerb: one word of the command line, one file app/verb-WORD.c.
 *
 * @run: gets its own arguments, argv[0] being the verb; answers an exit status
 */
typedef struct
{
  const char *name;
  const char *summary; /* one line, untranslated */
  int (*run) (int argc, char **argv);
} AppVerb;

const AppVerb *app_verbs_find (const char *name);
void app_verbs_print_help (void);

/* Prints "crosslabel: message" to standard error and answers APP_EXIT_FAILURE / _USAGE. */
int app_fail (const GError *error);
int app_usage (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* The verbs, alphabetically; each is defined in app/verb-NAME.c. */
int app_verb_bench (int argc, char **argv);
int app_verb_doctor (int argc, char **argv);
int app_verb_edit (int argc, char **argv);
int app_verb_evaluate (int argc, char **argv);
int app_verb_export (int argc, char **argv);
int app_verb_import (int argc, char **argv);
int app_verb_info (int argc, char **argv);
int app_verb_model (int argc, char **argv);
int app_verb_new (int argc, char **argv);
int app_verb_phantom (int argc, char **argv);
int app_verb_predict (int argc, char **argv);
int app_verb_prompt (int argc, char **argv);
int app_verb_report (int argc, char **argv);
int app_verb_render (int argc, char **argv);
int app_verb_select (int argc, char **argv);
int app_verb_simulate (int argc, char **argv);
int app_verb_train (int argc, char **argv);
int app_verb_train_generalist (int argc, char **argv);

G_END_DECLS
