/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "app/verbs.h"

#include <stdarg.h>
#include <string.h>

static const AppVerb verbs[] = {
  { "bench", "speed of the parts, one JSON line each", app_verb_bench },
  { "doctor", "devices, backends, libraries: what is here, what is missing", app_verb_doctor },
  { "edit", "strokes, undo and sign-off from a text script", app_verb_edit },
  { "evaluate", "how well labels agree with the truth", app_verb_evaluate },
  { "export", "labels on each scan's own grid: NIfTI or nnU-Net", app_verb_export },
  { "import", "takes over existing labels, with provenance", app_verb_import },
  { "info", "a scan's or a project's facts", app_verb_info },
  { "model", "models out of a project and into one", app_verb_model },
  { "new", "makes a project from scans", app_verb_new },
  { "phantom", "writes synthetic scans with their truth", app_verb_phantom },
  { "predict", "applies a model to scans", app_verb_predict },
  { "prompt", "one answer of the generalist to points, a box, a scribble", app_verb_prompt },
#ifdef HAVE_RENDER
  { "render", "draws a slice, or the 3-D view, to a PNG", app_verb_render },
#endif
  { "report", "what a round learned and said, as one page", app_verb_report },
  { "select", "ranks the unlabelled scans, proposes their slices, says why", app_verb_select },
  { "simulate", "the whole loop with the truth standing in for the expert", app_verb_simulate },
  { "train", "one round: trains, predicts, proposes what to label next", app_verb_train },
  { "train-generalist", "trains the built-in generalist on made-up pictures",
    app_verb_train_generalist },
};

const AppVerb *
app_verbs_find (const char *name)
{
  for (gsize v = 0; v < G_N_ELEMENTS (verbs); v++)
    if (strcmp (verbs[v].name, name) == 0)
      return &verbs[v];
  return NULL;
}

void
app_verbs_print_help (void)
{
  g_print ("Usage: crosslabel [PROJECT]\n"
           "       crosslabel VERB [ARGUMENT …]\n\n");
  for (gsize v = 0; v < G_N_ELEMENTS (verbs); v++)
    g_print ("  %-18s %s\n", verbs[v].name, verbs[v].summary);
  g_print ("\nEvery verb takes --help and --json.\n");
}

/* One line, whatever is in a file's name; and no bytes that a terminal obeys. */
static char *
to_line (const char *message)
{
  GString *line = g_string_new (NULL);

  for (const char *c = message; *c != '\0'; c++)
    if (*c == '\n')
      g_string_append (line, "\\n");
    else if (g_ascii_iscntrl (*c))
      g_string_append_printf (line, "\\x%02x", (guint) *c);
    else
      g_string_append_c (line, *c);
  return g_string_free (line, FALSE);
}

int
app_fail (const GError *error)
{
  g_autofree char *line = to_line (error != NULL ? error->message : "failed");

  g_printerr ("crosslabel: %s\n", line);
  return APP_EXIT_FAILURE;
}

int
app_usage (const char *format, ...)
{
  va_list args;
  g_autofree char *message = NULL;
  g_autofree char *line = NULL;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  line = to_line (message);
  g_printerr ("crosslabel: %s\n", line);
  return APP_EXIT_USAGE;
}
